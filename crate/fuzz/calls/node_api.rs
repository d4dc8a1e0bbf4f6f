//! The part of Node-API that the binding and its glue use, on the miniature engine.
//!
//! napi-sys finds these functions by name in the program, as it does in Node.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::slice;

use napi::sys::{self, Status, napi_env, napi_status, napi_value};

use crate::engine::{
    self, Backing, Call, Callable, CleanupHook, Handle, Kind, Object, Property, Reference, Value,
    Work, Wrapped, with,
};

fn give(result: *mut napi_value, value: Handle) -> napi_status {
    // SAFETY: the caller has room for a value.
    unsafe { *result = value.raw() };
    Status::napi_ok
}

fn give_new(result: *mut napi_value, value: Value) -> napi_status {
    give(result, with(|engine| engine.add(value)))
}

fn finish(outcome: engine::Outcome, result: *mut napi_value) -> napi_status {
    match outcome {
        Ok(value) if !result.is_null() => give(result, value),
        Ok(_) => Status::napi_ok,
        Err(()) => Status::napi_pending_exception,
    }
}

/// Calls that may run JavaScript are refused while an exception is pending.
fn is_pending() -> bool {
    with(|engine| engine.pending.is_some())
}

fn text_of(start: *const c_char, length: isize) -> String {
    // SAFETY: the caller hands in a string of that length, or one that ends with a zero.
    let bytes = unsafe {
        match usize::try_from(length) {
            Ok(length) if start.is_null() => {
                assert_eq!(length, 0);
                &[]
            }
            Ok(length) => slice::from_raw_parts(start.cast(), length),
            Err(_) => CStr::from_ptr(start).to_bytes(),
        }
    };
    String::from_utf8_lossy(bytes).into_owned()
}

/// Makes functions of Node-API.
macro_rules! node_api {
    ($(fn $name:ident($($argument:ident: $T:ty),*) $body:block)*) => {$(
        /// See the documentation of Node-API.
        ///
        /// # Safety
        ///
        /// The environment is the one of this engine; what is pointed to is as Node-API asks.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(env: napi_env, $($argument: $T),*) -> napi_status {
            assert_eq!(env, engine::ENV, concat!(stringify!($name), " in a foreign environment"));
            $body
        }
    )*};
}

node_api! {
    fn napi_get_undefined(result: *mut napi_value) { give(result, Handle::UNDEFINED) }
    fn napi_get_null(result: *mut napi_value) { give(result, Handle::NULL) }
    fn napi_get_global(result: *mut napi_value) { give(result, Handle::GLOBAL) }
    fn napi_get_boolean(value: bool, result: *mut napi_value) { give_new(result, Value::Boolean(value)) }
    fn napi_create_object(result: *mut napi_value) { give_new(result, Value::Object(Object::default())) }
    fn napi_create_array(result: *mut napi_value) {
        give(result, with(|engine| engine.add_object(Kind::Array(Vec::new()))))
    }
    fn napi_create_array_with_length(length: usize, result: *mut napi_value) {
        let elements = vec![Property::Value(Handle::UNDEFINED); length];
        give(result, with(|engine| engine.add_object(Kind::Array(elements))))
    }
    fn napi_create_double(value: f64, result: *mut napi_value) { give_new(result, Value::Number(value)) }
    fn napi_create_int32(value: i32, result: *mut napi_value) { give_new(result, Value::Number(value.into())) }
    fn napi_create_uint32(value: u32, result: *mut napi_value) { give_new(result, Value::Number(value.into())) }
    fn napi_create_bigint_uint64(value: u64, result: *mut napi_value) {
        give_new(result, Value::BigInt { negative: false, words: vec![value] })
    }
    fn napi_create_bigint_words(sign: i32, count: usize, words: *const u64, result: *mut napi_value) {
        // SAFETY: the caller hands in so many words.
        let words = unsafe { slice::from_raw_parts(words, count) }.to_vec();
        give_new(result, Value::BigInt { negative: sign != 0, words })
    }
    fn napi_create_string_utf8(text: *const c_char, length: isize, result: *mut napi_value) {
        give_new(result, Value::String(text_of(text, length)))
    }
    fn napi_create_string_utf16(text: *const u16, length: isize, result: *mut napi_value) {
        let length = usize::try_from(length).expect("the length is told");
        // SAFETY: the caller hands in so many units.
        let units = unsafe { slice::from_raw_parts(text, length) };
        give_new(result, Value::String(String::from_utf16_lossy(units)))
    }
    fn napi_create_error(code: napi_value, message: napi_value, result: *mut napi_value) {
        make_error("Error", code, message, result)
    }
    fn napi_create_type_error(code: napi_value, message: napi_value, result: *mut napi_value) {
        make_error("TypeError", code, message, result)
    }
    fn napi_create_range_error(code: napi_value, message: napi_value, result: *mut napi_value) {
        make_error("RangeError", code, message, result)
    }

    fn napi_typeof(value: napi_value, result: *mut sys::napi_valuetype) {
        use sys::ValueType as Type;
        let kind = with(|engine| match engine.get(Handle::from_raw(value)) {
            Value::Undefined => Type::napi_undefined,
            Value::Null => Type::napi_null,
            Value::Boolean(_) => Type::napi_boolean,
            Value::Number(_) => Type::napi_number,
            Value::BigInt { .. } => Type::napi_bigint,
            Value::String(_) => Type::napi_string,
            Value::Symbol => Type::napi_symbol,
            Value::Object(Object { kind: Kind::Function(_), .. }) => Type::napi_function,
            Value::Object(_) => Type::napi_object,
            Value::Collected => unreachable!(),
        });
        // SAFETY: the caller has room for it.
        unsafe { *result = kind };
        Status::napi_ok
    }
    fn napi_get_value_double(value: napi_value, result: *mut f64) {
        with(|engine| match engine.get(Handle::from_raw(value)) {
            Value::Number(number) => {
                // SAFETY: the caller has room for it.
                unsafe { *result = *number };
                Status::napi_ok
            }
            _ => Status::napi_number_expected,
        })
    }
    fn napi_get_value_bool(value: napi_value, result: *mut bool) {
        with(|engine| match engine.get(Handle::from_raw(value)) {
            Value::Boolean(boolean) => {
                // SAFETY: the caller has room for it.
                unsafe { *result = *boolean };
                Status::napi_ok
            }
            _ => Status::napi_boolean_expected,
        })
    }
    fn napi_get_value_bigint_words(value: napi_value, sign: *mut i32, count: *mut usize, words: *mut u64) {
        with(|engine| match engine.get(Handle::from_raw(value)) {
            Value::BigInt { negative, words: all } => {
                // SAFETY: the caller has room for the sign, and for as many words as it says.
                unsafe {
                    *sign = i32::from(*negative);
                    let room = (*count).min(all.len());
                    ptr::copy_nonoverlapping(all.as_ptr(), words, room);
                    *count = all.len();
                }
                Status::napi_ok
            }
            _ => Status::napi_bigint_expected,
        })
    }
    fn napi_get_value_string_utf16(value: napi_value, buffer: *mut u16, size: usize, result: *mut usize) {
        with(|engine| {
            let Value::String(text) = engine.get(Handle::from_raw(value)) else {
                return Status::napi_string_expected;
            };
            let units: Vec<u16> = text.encode_utf16().collect();
            let mut length = units.len();
            if !buffer.is_null() {
                assert_ne!(size, 0, "room for the zero at the end");
                length = length.min(size - 1);
                // SAFETY: the caller has room for `size` units.
                unsafe {
                    ptr::copy_nonoverlapping(units.as_ptr(), buffer, length);
                    *buffer.add(length) = 0;
                }
            }
            // SAFETY: the caller has room for it.
            unsafe { *result = length };
            Status::napi_ok
        })
    }
    fn napi_get_value_string_utf8(value: napi_value, buffer: *mut c_char, size: usize, result: *mut usize) {
        with(|engine| {
            let Value::String(text) = engine.get(Handle::from_raw(value)) else {
                return Status::napi_string_expected;
            };
            let mut length = text.len();
            if !buffer.is_null() {
                if size == 0 {
                    length = 0;
                } else {
                    // Whole characters, as many as fit, and a zero.
                    length = text.floor_char_boundary(size - 1);
                    // SAFETY: the caller has room for `size` bytes.
                    unsafe {
                        ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), length);
                        *buffer.add(length) = 0;
                    }
                }
            }
            if !result.is_null() {
                // SAFETY: not null: the caller has room for it.
                unsafe { *result = length };
            }
            Status::napi_ok
        })
    }
    fn napi_coerce_to_string(value: napi_value, result: *mut napi_value) {
        if is_pending() {
            return Status::napi_pending_exception;
        }
        let text = with(|engine| match engine.get(Handle::from_raw(value)) {
            Value::Undefined => "undefined".to_owned(),
            Value::Null => "null".to_owned(),
            Value::Boolean(boolean) => boolean.to_string(),
            Value::Number(number) => number.to_string(),
            Value::BigInt { negative, words } => bigint_text(*negative, words),
            Value::String(text) => text.clone(),
            _ => "[object Object]".to_owned(),
        });
        give_new(result, Value::String(text))
    }

    fn napi_is_array(value: napi_value, result: *mut bool) {
        is(value, result, |kind| matches!(kind, Kind::Array(_)))
    }
    fn napi_is_promise(value: napi_value, result: *mut bool) {
        // A promise is a plain object here.
        is(value, result, |_| false)
    }
    fn napi_open_handle_scope(scope: *mut sys::napi_handle_scope) {
        // Handles last as long as a program.
        // SAFETY: the caller has room for it.
        unsafe { *scope = ptr::without_provenance_mut(8) };
        Status::napi_ok
    }
    fn napi_close_handle_scope(_scope: sys::napi_handle_scope) { Status::napi_ok }
    fn napi_is_error(value: napi_value, result: *mut bool) {
        is(value, result, |kind| matches!(kind, Kind::Error))
    }
    fn napi_is_typedarray(value: napi_value, result: *mut bool) {
        is(value, result, |kind| matches!(kind, Kind::View { kind: Some(_), .. }))
    }
    fn napi_is_dataview(value: napi_value, result: *mut bool) {
        is(value, result, |kind| matches!(kind, Kind::View { kind: None, .. }))
    }
    fn napi_is_detached_arraybuffer(value: napi_value, result: *mut bool) {
        is(value, result, |kind| matches!(kind, Kind::Buffer(backing) if backing.detached))
    }
    fn napi_get_array_length(value: napi_value, result: *mut u32) {
        with(|engine| match engine.object(Handle::from_raw(value)) {
            Some(Object { kind: Kind::Array(elements), .. }) => {
                // SAFETY: the caller has room for it.
                unsafe { *result = u32::try_from(elements.len()).expect("short arrays") };
                Status::napi_ok
            }
            _ => Status::napi_array_expected,
        })
    }
    fn napi_get_element(object: napi_value, index: u32, result: *mut napi_value) {
        if is_pending() {
            return Status::napi_pending_exception;
        }
        let object = Handle::from_raw(object);
        let Some(element) = with(|engine| element(engine, object, index)) else {
            return Status::napi_object_expected;
        };
        finish(engine::evaluate(element, object), result)
    }
    fn napi_set_element(object: napi_value, index: u32, value: napi_value) {
        let value = Property::Value(Handle::from_raw(value));
        with(|engine| match engine.object_mut(Handle::from_raw(object)) {
            Some(Object { kind: Kind::Array(elements), .. }) => {
                let index = index as usize;
                if index >= elements.len() {
                    elements.resize(index + 1, Property::Value(Handle::UNDEFINED));
                }
                elements[index] = value;
                Status::napi_ok
            }
            _ => Status::napi_object_expected,
        })
    }
    fn napi_get_named_property(object: napi_value, name: *const c_char, result: *mut napi_value) {
        if is_pending() {
            return Status::napi_pending_exception;
        }
        let object = Handle::from_raw(object);
        if with(|engine| matches!(engine.get(object), Value::Undefined | Value::Null)) {
            return Status::napi_object_expected;
        }
        finish(engine::get(object, &text_of(name, -1)), result)
    }
    fn napi_get_property(object: napi_value, key: napi_value, result: *mut napi_value) {
        if is_pending() {
            return Status::napi_pending_exception;
        }
        let object = Handle::from_raw(object);
        if with(|engine| matches!(engine.get(object), Value::Undefined | Value::Null)) {
            return Status::napi_object_expected;
        }
        let Some(name) = with(|engine| name_of(engine, key)) else {
            return give(result, Handle::UNDEFINED);
        };
        finish(engine::get(object, &name), result)
    }
    fn napi_get_all_property_names(
        object: napi_value, mode: sys::napi_key_collection_mode, _filter: sys::napi_key_filter,
        _conversion: sys::napi_key_conversion, result: *mut napi_value
    ) {
        assert_eq!(mode, sys::KeyCollectionMode::own_only, "nobody asks for names of prototypes");
        with(|engine| {
            let Some(object) = engine.object(Handle::from_raw(object)) else {
                return Status::napi_object_expected;
            };
            let names: Vec<String> = object.properties.keys().cloned().collect();
            let names = names.into_iter().map(|name| Property::Value(engine.add_string(name))).collect();
            give(result, engine.add_object(Kind::Array(names)))
        })
    }
    // Nobody but the addon sets properties here, so what is frozen stays as it is.
    fn napi_object_freeze(_object: napi_value) { Status::napi_ok }
    fn napi_set_named_property(object: napi_value, name: *const c_char, value: napi_value) {
        with(|engine| engine.set(Handle::from_raw(object), &text_of(name, -1), Handle::from_raw(value)));
        Status::napi_ok
    }
    fn napi_has_named_property(object: napi_value, name: *const c_char, result: *mut bool) {
        let found = with(|engine| engine.find(Handle::from_raw(object), &text_of(name, -1)).is_some());
        // SAFETY: the caller has room for it.
        unsafe { *result = found };
        Status::napi_ok
    }
    fn napi_define_properties(object: napi_value, count: usize, properties: *const sys::napi_property_descriptor) {
        if is_pending() {
            return Status::napi_pending_exception;
        }
        // SAFETY: the caller hands in so many descriptors.
        for property in unsafe { slice::from_raw_parts(properties, count) } {
            define(Handle::from_raw(object), property);
        }
        Status::napi_ok
    }
    fn napi_define_class(
        name: *const c_char, length: isize, constructor: sys::napi_callback, data: *mut c_void, count: usize,
        properties: *const sys::napi_property_descriptor, result: *mut napi_value
    ) {
        let (class, prototype) = with(|engine| {
            let class = engine.add_function(Callable::Native { callback: constructor, data });
            let prototype = engine.add_object(Kind::Plain);
            let name = engine.add_string(text_of(name, length));
            engine.set(prototype, "constructor", class);
            engine.set(class, "prototype", prototype);
            engine.set(class, "name", name);
            (class, prototype)
        });
        let properties = if count == 0 {
            &[]
        } else {
            // SAFETY: the caller hands in so many descriptors.
            unsafe { slice::from_raw_parts(properties, count) }
        };
        for property in properties {
            let is_static = property.attributes & sys::PropertyAttributes::static_ != 0;
            define(if is_static { class } else { prototype }, property);
        }
        give(result, class)
    }
    fn napi_create_function(
        _name: *const c_char, _length: isize, callback: sys::napi_callback, data: *mut c_void, result: *mut napi_value
    ) {
        give(result, with(|engine| engine.add_function(Callable::Native { callback, data })))
    }

    fn napi_get_cb_info(
        info: sys::napi_callback_info, count: *mut usize, arguments: *mut napi_value, this: *mut napi_value,
        data: *mut *mut c_void
    ) {
        // SAFETY: it is what `engine::call` handed to the callback, which has not returned yet.
        let call = unsafe { &*info.cast::<Call>() };
        // SAFETY: what is asked for is not null, and there is room for as many arguments as it says.
        unsafe {
            if !count.is_null() {
                for index in 0..*count {
                    let argument = call.arguments.get(index).copied().unwrap_or(Handle::UNDEFINED);
                    *arguments.add(index) = argument.raw();
                }
                *count = call.arguments.len();
            }
            if !this.is_null() {
                *this = call.this.raw();
            }
            if !data.is_null() {
                *data = call.data;
            }
        }
        Status::napi_ok
    }
    fn napi_get_new_target(info: sys::napi_callback_info, result: *mut napi_value) {
        // SAFETY: as in `napi_get_cb_info`.
        let target = unsafe { &*info.cast::<Call>() }.new_target;
        // SAFETY: the caller has room for it.
        unsafe { *result = target.map_or(ptr::null_mut(), Handle::raw) };
        Status::napi_ok
    }
    fn napi_call_function(
        this: napi_value, function: napi_value, count: usize, arguments: *const napi_value, result: *mut napi_value
    ) {
        if is_pending() {
            return Status::napi_pending_exception;
        }
        let this = if this.is_null() { Handle::UNDEFINED } else { Handle::from_raw(this) };
        finish(engine::call(Handle::from_raw(function), this, &handles(count, arguments)), result)
    }
    fn napi_new_instance(
        class: napi_value, count: usize, arguments: *const napi_value, result: *mut napi_value
    ) {
        if is_pending() {
            return Status::napi_pending_exception;
        }
        finish(engine::construct(Handle::from_raw(class), &handles(count, arguments)), result)
    }
    fn napi_instanceof(object: napi_value, class: napi_value, result: *mut bool) {
        let is_instance = with(|engine| {
            let Some(Property::Value(prototype)) = engine.find(Handle::from_raw(class), "prototype") else {
                return false;
            };
            let mut next = engine.object(Handle::from_raw(object)).and_then(|object| object.prototype);
            while let Some(handle) = next {
                if handle == prototype {
                    return true;
                }
                next = engine.object(handle).and_then(|object| object.prototype);
            }
            false
        });
        // SAFETY: the caller has room for it.
        unsafe { *result = is_instance };
        Status::napi_ok
    }
    fn napi_run_script(_script: napi_value, result: *mut napi_value) { give(result, Handle::UNDEFINED) }

    fn napi_wrap(
        object: napi_value, native: *mut c_void, finalize: sys::napi_finalize, hint: *mut c_void,
        result: *mut sys::napi_ref
    ) {
        let handle = Handle::from_raw(object);
        with(|engine| match engine.object_mut(handle) {
            Some(object) if object.wrapped.is_none() => {
                object.wrapped = Some(Wrapped { native, finalize, hint });
                if !result.is_null() {
                    let reference = add_reference(engine, handle, 0);
                    // SAFETY: not null: the caller has room for it.
                    unsafe { *result = reference };
                }
                Status::napi_ok
            }
            Some(_) => Status::napi_invalid_arg,
            None => Status::napi_object_expected,
        })
    }
    fn napi_unwrap(object: napi_value, result: *mut *mut c_void) {
        with(|engine| match engine.object(Handle::from_raw(object)) {
            Some(Object { wrapped: Some(wrapped), .. }) => {
                // SAFETY: the caller has room for it.
                unsafe { *result = wrapped.native };
                Status::napi_ok
            }
            Some(_) => Status::napi_invalid_arg,
            None => Status::napi_object_expected,
        })
    }
    fn napi_add_finalizer(
        object: napi_value, native: *mut c_void, finalize: sys::napi_finalize, hint: *mut c_void,
        result: *mut sys::napi_ref
    ) {
        assert!(result.is_null(), "nobody asks for this reference");
        with(|engine| match engine.object_mut(Handle::from_raw(object)) {
            Some(object) => {
                object.finalizers.push(Wrapped { native, finalize, hint });
                Status::napi_ok
            }
            None => Status::napi_object_expected,
        })
    }
    fn napi_type_tag_object(object: napi_value, tag: *const sys::napi_type_tag) {
        // SAFETY: the caller hands in a tag.
        let tag = unsafe { &*tag };
        with(|engine| match engine.object_mut(Handle::from_raw(object)) {
            Some(object) if object.tag.is_none() => {
                object.tag = Some((tag.lower, tag.upper));
                Status::napi_ok
            }
            Some(_) => Status::napi_invalid_arg,
            None => Status::napi_object_expected,
        })
    }
    fn napi_check_object_type_tag(object: napi_value, tag: *const sys::napi_type_tag, result: *mut bool) {
        // SAFETY: the caller hands in a tag.
        let tag = unsafe { &*tag };
        with(|engine| match engine.object(Handle::from_raw(object)) {
            Some(object) => {
                // SAFETY: the caller has room for it.
                unsafe { *result = object.tag == Some((tag.lower, tag.upper)) };
                Status::napi_ok
            }
            None => Status::napi_object_expected,
        })
    }
    fn napi_create_reference(value: napi_value, count: u32, result: *mut sys::napi_ref) {
        let reference = with(|engine| add_reference(engine, Handle::from_raw(value), count));
        // SAFETY: the caller has room for it.
        unsafe { *result = reference };
        Status::napi_ok
    }
    fn napi_delete_reference(reference: sys::napi_ref) {
        let deleted = with(|engine| engine.references.remove(&reference.addr()));
        assert!(deleted.is_some(), "a reference was deleted twice");
        Status::napi_ok
    }
    fn napi_reference_ref(reference: sys::napi_ref, result: *mut u32) { count(reference, 1, result) }
    fn napi_reference_unref(reference: sys::napi_ref, result: *mut u32) { count(reference, -1, result) }
    fn napi_get_reference_value(reference: sys::napi_ref, result: *mut napi_value) {
        if reference.is_null() {
            return Status::napi_invalid_arg;
        }
        let target = with(|engine| engine.references.get(&reference.addr()).expect("a live reference").target);
        // SAFETY: the caller has room for it.
        unsafe { *result = target.map_or(ptr::null_mut(), Handle::raw) };
        Status::napi_ok
    }

    fn napi_throw(error: napi_value) {
        if is_pending() {
            return Status::napi_pending_exception;
        }
        with(|engine| engine.pending = Some(Handle::from_raw(error)));
        Status::napi_ok
    }
    fn napi_throw_error(code: *const c_char, message: *const c_char) {
        with(|engine| {
            let code = (!code.is_null()).then(|| engine.add_string(text_of(code, -1)));
            let message = engine.add_string(text_of(message, -1));
            engine.pending = Some(engine.add_error("Error", code, message));
        });
        Status::napi_ok
    }
    fn napi_is_exception_pending(result: *mut bool) {
        // SAFETY: the caller has room for it.
        unsafe { *result = is_pending() };
        Status::napi_ok
    }
    fn napi_get_and_clear_last_exception(result: *mut napi_value) {
        give(result, with(|engine| engine.pending.take()).unwrap_or(Handle::UNDEFINED))
    }

    fn napi_get_typedarray_info(
        array: napi_value, kind: *mut sys::napi_typedarray_type, length: *mut usize, data: *mut *mut c_void,
        array_buffer: *mut napi_value, offset: *mut usize
    ) {
        with(|engine| {
            let array = Handle::from_raw(array);
            let Some(Object { kind: Kind::View { kind: Some(own), buffer, offset: start, .. }, .. }) = engine.object(array)
            else {
                return Status::napi_invalid_arg;
            };
            let (address, bytes) = engine.view(array).expect("a view");
            // SAFETY: what is not null has room.
            unsafe {
                if !kind.is_null() { *kind = *own; }
                if !length.is_null() { *length = bytes / engine::element_size(*own); }
                if !data.is_null() { *data = address.cast(); }
                if !array_buffer.is_null() { *array_buffer = buffer.raw(); }
                if !offset.is_null() { *offset = *start; }
            }
            Status::napi_ok
        })
    }
    fn napi_get_dataview_info(
        view: napi_value, length: *mut usize, data: *mut *mut c_void, array_buffer: *mut napi_value, offset: *mut usize
    ) {
        with(|engine| {
            let view = Handle::from_raw(view);
            let Some(Object { kind: Kind::View { kind: None, buffer, offset: start, .. }, .. }) = engine.object(view)
            else {
                return Status::napi_invalid_arg;
            };
            let (address, bytes) = engine.view(view).expect("a view");
            // SAFETY: what is not null has room.
            unsafe {
                if !length.is_null() { *length = bytes; }
                if !data.is_null() { *data = address.cast(); }
                if !array_buffer.is_null() { *array_buffer = buffer.raw(); }
                if !offset.is_null() { *offset = *start; }
            }
            Status::napi_ok
        })
    }
    fn napi_create_typedarray(
        kind: sys::napi_typedarray_type, length: usize, buffer: napi_value, offset: usize, result: *mut napi_value
    ) {
        if is_pending() {
            return Status::napi_pending_exception;
        }
        let buffer = Handle::from_raw(buffer);
        let length = length * engine::element_size(kind);
        let room = with(|engine| engine.backing(buffer).map_or(0, |backing| backing.length));
        assert!(offset.checked_add(length).is_some_and(|end| end <= room), "a view beyond its buffer");
        give(result, with(|engine| engine.add_object(Kind::View { kind: Some(kind), buffer, offset, length })))
    }
    fn napi_create_external_arraybuffer(
        data: *mut c_void, length: usize, finalize: sys::napi_finalize, hint: *mut c_void, result: *mut napi_value
    ) {
        // As Node 20 does.
        if length > 1 << 32 {
            let error = with(|engine| {
                let message = engine.add_string("Array buffer allocation failed");
                engine.add_error("RangeError", None, message)
            });
            with(|engine| engine.pending = Some(error));
            return Status::napi_pending_exception;
        }
        let backing = Backing { start: data.cast(), length, detached: false, owned: None, finalize, hint };
        give(result, with(|engine| engine.add_object(Kind::Buffer(backing))))
    }
    fn napi_adjust_external_memory(change: i64, result: *mut i64) {
        // SAFETY: the caller has room for it.
        unsafe { *result = change };
        Status::napi_ok
    }

    fn napi_create_promise(deferred: *mut sys::napi_deferred, result: *mut napi_value) {
        let promise = with(|engine| engine.add_object(Kind::Plain));
        // SAFETY: the caller has room for it.
        unsafe { *deferred = ptr::without_provenance_mut(promise.0) };
        give(result, promise)
    }
    fn napi_resolve_deferred(_deferred: sys::napi_deferred, _value: napi_value) { Status::napi_ok }
    fn napi_reject_deferred(_deferred: sys::napi_deferred, error: napi_value) {
        crate::oracle::check_error(Handle::from_raw(error), "a promise");
        Status::napi_ok
    }
    fn napi_create_async_work(
        _resource: napi_value, _name: napi_value, execute: sys::napi_async_execute_callback,
        complete: sys::napi_async_complete_callback, data: *mut c_void, result: *mut sys::napi_async_work
    ) {
        let id = with(|engine| {
            engine.next_reference += 1;
            engine.works.insert(engine.next_reference, Work { execute, complete, data });
            engine.next_reference
        });
        // SAFETY: the caller has room for it.
        unsafe { *result = ptr::without_provenance_mut(id) };
        Status::napi_ok
    }
    fn napi_queue_async_work(work: sys::napi_async_work) {
        with(|engine| engine.queue.push(work.addr()));
        Status::napi_ok
    }
    fn napi_delete_async_work(work: sys::napi_async_work) {
        assert!(with(|engine| engine.works.remove(&work.addr())).is_some(), "work was deleted twice");
        Status::napi_ok
    }

    fn napi_add_env_cleanup_hook(hook: CleanupHook, data: *mut c_void) {
        with(|engine| engine.hooks.push((hook, data)));
        Status::napi_ok
    }
    fn napi_create_threadsafe_function(
        _function: napi_value, _resource: napi_value, _name: napi_value, _queue: usize, _threads: usize,
        _data: *mut c_void, _finalize: sys::napi_finalize, _context: *mut c_void,
        _call: sys::napi_threadsafe_function_call_js, result: *mut sys::napi_threadsafe_function
    ) {
        // SAFETY: the caller has room for it.
        unsafe { *result = ptr::without_provenance_mut(8) };
        Status::napi_ok
    }
    fn napi_ref_threadsafe_function(_function: sys::napi_threadsafe_function) { Status::napi_ok }
    fn napi_unref_threadsafe_function(_function: sys::napi_threadsafe_function) { Status::napi_ok }
}

/// # Safety
///
/// As in Node-API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_release_threadsafe_function(
    _function: sys::napi_threadsafe_function,
    _mode: sys::napi_threadsafe_function_release_mode,
) -> napi_status {
    Status::napi_ok
}

/// Nobody waits for what these functions would deliver.
///
/// # Safety
///
/// As in Node-API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_call_threadsafe_function(
    _function: sys::napi_threadsafe_function,
    _data: *mut c_void,
    _mode: sys::napi_threadsafe_function_call_mode,
) -> napi_status {
    Status::napi_ok
}

fn handles(count: usize, arguments: *const napi_value) -> Vec<Handle> {
    if count == 0 {
        return Vec::new();
    }
    // SAFETY: the caller hands in so many values.
    unsafe { slice::from_raw_parts(arguments, count) }
        .iter()
        .map(|raw| Handle::from_raw(*raw))
        .collect()
}

fn is(value: napi_value, result: *mut bool, is: impl Fn(&Kind) -> bool) -> napi_status {
    let value = Handle::from_raw(value);
    let answer = with(|engine| engine.object(value).is_some_and(|object| is(&object.kind)));
    // SAFETY: the caller has room for it.
    unsafe { *result = answer };
    Status::napi_ok
}

/// An element of an array or of something like an array; None for what is no object.
fn element(engine: &mut engine::Engine, object: Handle, index: u32) -> Option<Property> {
    let missing = Property::Value(Handle::UNDEFINED);
    Some(match &engine.object(object)?.kind {
        Kind::Array(elements) => elements.get(index as usize).copied().unwrap_or(missing),
        Kind::View {
            kind: Some(kind), ..
        } => {
            // Its bytes, whatever the kind: the value itself does not matter here.
            let size = engine::element_size(*kind);
            let (start, length) = engine.view(object)?;
            let offset = index as usize * size;
            if offset >= length {
                return Some(missing);
            }
            // SAFETY: within the view, whose buffer is not detached: those have no length.
            let byte = unsafe { start.add(offset).read() };
            let value = match size {
                8 => Value::BigInt {
                    negative: false,
                    words: vec![byte.into()],
                },
                _ => Value::Number(byte.into()),
            };
            Property::Value(engine.add(value))
        }
        _ => engine.find(object, &index.to_string()).unwrap_or(missing),
    })
}

fn make_error(
    class: &str,
    code: napi_value,
    message: napi_value,
    result: *mut napi_value,
) -> napi_status {
    let error = with(|engine| {
        let code = (!code.is_null()).then(|| Handle::from_raw(code));
        engine.add_error(class, code, Handle::from_raw(message))
    });
    give(result, error)
}

/// The name of a property, unless it is a symbol.
fn name_of(engine: &engine::Engine, key: napi_value) -> Option<String> {
    match engine.get(Handle::from_raw(key)) {
        Value::String(name) => Some(name.clone()),
        _ => None,
    }
}

fn define(object: Handle, property: &sys::napi_property_descriptor) {
    let name = if property.utf8name.is_null() {
        with(|engine| name_of(engine, property.name)).unwrap_or_else(|| "a symbol".to_owned())
    } else {
        text_of(property.utf8name, -1)
    };
    with(|engine| {
        let data = property.data;
        let value = if property.method.is_some() {
            Property::Value(engine.add_function(Callable::Native {
                callback: property.method,
                data,
            }))
        } else if property.getter.is_some() {
            Property::Getter(engine.add_function(Callable::Native {
                callback: property.getter,
                data,
            }))
        } else if property.value.is_null() {
            return;
        } else {
            Property::Value(Handle::from_raw(property.value))
        };
        if let Some(object) = engine.object_mut(object) {
            object.properties.insert(name, value);
        }
    });
}

fn add_reference(engine: &mut engine::Engine, target: Handle, count: u32) -> sys::napi_ref {
    engine.next_reference += 1;
    let id = engine.next_reference;
    engine.references.insert(
        id,
        Reference {
            target: Some(target),
            count,
        },
    );
    ptr::without_provenance_mut(id)
}

fn count(reference: sys::napi_ref, change: i32, result: *mut u32) -> napi_status {
    let count = with(|engine| {
        let reference = engine
            .references
            .get_mut(&reference.addr())
            .expect("a live reference");
        reference.count = reference
            .count
            .checked_add_signed(change)
            .expect("a count that is not negative");
        reference.count
    });
    if !result.is_null() {
        // SAFETY: not null: the caller has room for it.
        unsafe { *result = count };
    }
    Status::napi_ok
}

/// Of more than 128 bits not the digits, but about as many.
fn bigint_text(negative: bool, words: &[u64]) -> String {
    let sign = if negative { "-" } else { "" };
    match *words {
        [] => "0".to_owned(),
        [low] => format!("{sign}{low}"),
        [low, high] => format!("{sign}{}", u128::from(low) | u128::from(high) << 64),
        _ => format!("{sign}{}", "9".repeat(words.len() * 19)),
    }
}
