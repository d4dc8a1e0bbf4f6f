//! A miniature engine: the values that a program of calls needs, and a collector for them.
//!
//! It knows no language. What would be user code in JavaScript is a [`Behaviour`], and what the
//! collector keeps alive is what the fuzzed program still has a name for.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;
use std::ptr;

use napi::sys;

/// A value, by its place in the heap. Places are not used twice in one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handle(pub usize);

impl Handle {
    pub const UNDEFINED: Self = Self(1);
    pub const NULL: Self = Self(2);
    pub const GLOBAL: Self = Self(3);

    pub fn raw(self) -> sys::napi_value {
        ptr::without_provenance_mut(self.0)
    }

    pub fn from_raw(raw: sys::napi_value) -> Self {
        assert!(!raw.is_null(), "a null value was handed to the engine");
        Self(raw.addr())
    }
}

pub enum Value {
    Undefined,
    Null,
    Boolean(bool),
    Number(f64),
    BigInt {
        negative: bool,
        words: Vec<u64>,
    },
    String(String),
    Symbol,
    Object(Object),
    /// Was collected: whoever still uses it has kept a handle for too long.
    Collected,
}

#[derive(Default)]
pub struct Object {
    pub kind: Kind,
    pub prototype: Option<Handle>,
    pub properties: BTreeMap<String, Property>,
    pub wrapped: Option<Wrapped>,
    pub finalizers: Vec<Wrapped>,
    pub tag: Option<(u64, u64)>,
}

#[derive(Default)]
pub enum Kind {
    #[default]
    Plain,
    Array(Vec<Property>),
    Error,
    Buffer(Backing),
    /// A typed array, or without a kind a `DataView`; the length in bytes.
    View {
        kind: Option<sys::napi_typedarray_type>,
        buffer: Handle,
        offset: usize,
        length: usize,
    },
    Function(Callable),
}

#[derive(Clone, Copy)]
pub enum Property {
    Value(Handle),
    /// A function that gives the value.
    Getter(Handle),
}

#[derive(Clone, Copy)]
pub enum Callable {
    Native {
        callback: sys::napi_callback,
        data: *mut c_void,
    },
    /// A class of typed arrays.
    TypedArrayClass(sys::napi_typedarray_type),
    User {
        effect: Behaviour,
        result: Handle,
    },
}

/// What user code does before it returns.
#[derive(Clone, Copy)]
pub enum Behaviour {
    Nothing,
    Throw(Handle),
    Detach(Handle),
    /// Calls a method without arguments.
    Call {
        method: Handle,
        this: Handle,
    },
}

#[derive(Clone, Copy)]
pub struct Wrapped {
    pub native: *mut c_void,
    pub finalize: sys::napi_finalize,
    pub hint: *mut c_void,
}

/// The bytes of an `ArrayBuffer`.
pub struct Backing {
    pub start: *mut u8,
    pub length: usize,
    pub detached: bool,
    pub owned: Option<Box<[u8]>>,
    pub finalize: sys::napi_finalize,
    pub hint: *mut c_void,
}

/// Runs when an environment ends.
pub type CleanupHook = Option<unsafe extern "C" fn(*mut c_void)>;

pub struct Reference {
    pub target: Option<Handle>,
    pub count: u32,
}

pub struct Work {
    pub execute: sys::napi_async_execute_callback,
    pub complete: sys::napi_async_complete_callback,
    pub data: *mut c_void,
}

/// Longest buffer of this engine's own.
pub const LONGEST: usize = 1 << 16;

#[derive(Default)]
pub struct Engine {
    values: Vec<Value>,
    /// Values below are those of the module itself, which stay.
    permanent: usize,
    pub references: HashMap<usize, Reference>,
    pub next_reference: usize,
    pub pending: Option<Handle>,
    pub works: HashMap<usize, Work>,
    pub queue: Vec<usize>,
    pub hooks: Vec<(CleanupHook, *mut c_void)>,
    /// Calls of user code so far.
    pub user_calls: usize,
}

thread_local! {
    static ENGINE: RefCell<Engine> = RefCell::new(Engine::new());
}

/// The environment is never looked into.
pub const ENV: sys::napi_env = ptr::without_provenance_mut(8);

/// Not while native code runs: that calls the engine itself.
pub fn with<R>(run: impl FnOnce(&mut Engine) -> R) -> R {
    ENGINE.with_borrow_mut(run)
}

impl Engine {
    fn new() -> Self {
        Self {
            values: vec![
                Value::Collected,
                Value::Undefined,
                Value::Null,
                Value::Object(Object::default()),
            ],
            next_reference: 1,
            ..Self::default()
        }
    }

    pub fn add(&mut self, value: Value) -> Handle {
        self.values.push(value);
        Handle(self.values.len() - 1)
    }

    pub fn get(&self, handle: Handle) -> &Value {
        match &self.values[handle.0] {
            Value::Collected => panic!("a value was used that had been collected"),
            value => value,
        }
    }

    pub fn object(&self, handle: Handle) -> Option<&Object> {
        match self.get(handle) {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    pub fn object_mut(&mut self, handle: Handle) -> Option<&mut Object> {
        match &mut self.values[handle.0] {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    pub fn add_object(&mut self, kind: Kind) -> Handle {
        self.add(Value::Object(Object {
            kind,
            ..Object::default()
        }))
    }

    pub fn add_string(&mut self, text: impl Into<String>) -> Handle {
        self.add(Value::String(text.into()))
    }

    pub fn add_function(&mut self, callable: Callable) -> Handle {
        self.add_object(Kind::Function(callable))
    }

    pub fn add_error(&mut self, class: &str, code: Option<Handle>, message: Handle) -> Handle {
        let class = self.add_string(class);
        let error = self.add_object(Kind::Error);
        self.set(error, "class", class);
        self.set(error, "message", message);
        if let Some(code) = code {
            self.set(error, "code", code);
        }
        error
    }

    pub fn add_buffer(&mut self, length: usize) -> Handle {
        let mut bytes = vec![0; length].into_boxed_slice();
        // An empty buffer of V8 may have no address at all.
        let start = if length == 0 {
            ptr::null_mut()
        } else {
            bytes.as_mut_ptr()
        };
        self.add_object(Kind::Buffer(Backing {
            start,
            length,
            detached: false,
            owned: Some(bytes),
            finalize: None,
            hint: ptr::null_mut(),
        }))
    }

    pub fn backing(&self, handle: Handle) -> Option<&Backing> {
        match &self.object(handle)?.kind {
            Kind::Buffer(backing) => Some(backing),
            _ => None,
        }
    }

    /// Address and bytes of a view; nothing of one whose buffer is detached.
    pub fn view(&self, handle: Handle) -> Option<(*mut u8, usize)> {
        match self.object(handle)?.kind {
            Kind::View {
                buffer,
                offset,
                length,
                ..
            } => {
                let backing = self.backing(buffer)?;
                Some(if backing.detached {
                    (ptr::null_mut(), 0)
                } else {
                    (backing.start.wrapping_add(offset), length)
                })
            }
            _ => None,
        }
    }

    /// As `transfer()` whose result is dropped at once: bytes of the engine are gone.
    pub fn detach(&mut self, handle: Handle) {
        if let Some(Object {
            kind: Kind::Buffer(backing),
            ..
        }) = self.object_mut(handle)
        {
            backing.detached = true;
            backing.owned = None;
        }
    }

    pub fn set(&mut self, object: Handle, name: &str, value: Handle) {
        if let Some(object) = self.object_mut(object) {
            object
                .properties
                .insert(name.to_owned(), Property::Value(value));
        }
    }

    /// A property of the object or of what it inherits from.
    pub fn find(&self, handle: Handle, name: &str) -> Option<Property> {
        let mut next = Some(handle);
        while let Some(handle) = next {
            let object = self.object(handle)?;
            if let Some(property) = object.properties.get(name) {
                return Some(*property);
            }
            next = object.prototype;
        }
        None
    }

    /// What exists now is part of the module.
    pub fn seal(&mut self) {
        self.permanent = self.values.len();
    }

    /// Everything that can be reached from `roots` and from strong references. The module stays, and knows nothing
    /// of what came later.
    fn mark(&self, roots: &[Handle]) -> Vec<bool> {
        let mut marked = vec![false; self.values.len()];
        marked[..self.permanent].fill(true);
        let strong = self
            .references
            .values()
            .filter(|reference| reference.count > 0);
        let mut left: Vec<Handle> = roots.to_vec();
        left.extend(strong.filter_map(|reference| reference.target));
        left.extend(self.pending);
        while let Some(handle) = left.pop() {
            if std::mem::replace(&mut marked[handle.0], true) {
                continue;
            }
            let Value::Object(object) = &self.values[handle.0] else {
                continue;
            };
            left.extend(object.prototype);
            let elements = match &object.kind {
                Kind::Array(elements) => elements.as_slice(),
                _ => &[],
            };
            for property in object.properties.values().chain(elements) {
                let (Property::Value(target) | Property::Getter(target)) = property;
                left.push(*target);
            }
            match &object.kind {
                Kind::View { buffer, .. } => left.push(*buffer),
                Kind::Function(Callable::User { effect, result }) => {
                    left.push(*result);
                    match *effect {
                        Behaviour::Nothing => {}
                        Behaviour::Throw(value) | Behaviour::Detach(value) => left.push(value),
                        Behaviour::Call { method, this } => left.extend([method, this]),
                    }
                }
                _ => {}
            }
        }
        marked
    }
}

/// Collects what `roots` do not reach, and runs its finalizers.
pub fn collect(roots: &[Handle]) {
    let mut finalizers = Vec::new();
    with(|engine| {
        let marked = engine.mark(roots);
        for reference in engine.references.values_mut() {
            if reference.target.is_some_and(|target| !marked[target.0]) {
                reference.target = None;
            }
        }
        for (index, marked) in marked.into_iter().enumerate().skip(1) {
            if marked {
                continue;
            }
            let value = std::mem::replace(&mut engine.values[index], Value::Collected);
            let Value::Object(object) = value else {
                continue;
            };
            for wrapped in object.wrapped.into_iter().chain(object.finalizers) {
                finalizers.push((wrapped.finalize, wrapped.native, wrapped.hint));
            }
            if let Kind::Buffer(backing) = object.kind {
                finalizers.push((backing.finalize, backing.start.cast(), backing.hint));
            }
        }
    });
    for (finalize, data, hint) in finalizers {
        if let Some(finalize) = finalize {
            // SAFETY: as Node does, once, with what the addon gave for that.
            unsafe { finalize(ENV, data, hint) };
        }
    }
}

/// Runs the transfers that were queued, and settles them.
pub fn run_works() {
    for id in with(|engine| std::mem::take(&mut engine.queue)) {
        let Some((execute, complete, data)) = with(|engine| {
            engine
                .works
                .get(&id)
                .map(|work| (work.execute, work.complete, work.data))
        }) else {
            continue;
        };
        // SAFETY: as Node does, in this order, once.
        unsafe {
            if let Some(execute) = execute {
                execute(ENV, data);
            }
            if let Some(complete) = complete {
                complete(ENV, sys::Status::napi_ok, data);
            }
        }
    }
}

/// Ends a program: nothing of it stays.
pub fn end() {
    run_works();
    with(|engine| engine.pending = None);
    // Those of the addon itself; the others are of the glue, which lives on.
    let hooks = with(|engine| engine.hooks.clone());
    for (hook, _) in hooks.iter().filter(|(_, data)| data.is_null()) {
        if let Some(hook) = hook {
            // SAFETY: the addon asked for it.
            unsafe { hook(ptr::null_mut()) };
        }
    }
    with(|engine| {
        let permanent = engine.permanent;
        for reference in engine.references.values_mut() {
            // The references of an environment end with it.
            if reference.target.is_some_and(|target| target.0 >= permanent) {
                reference.count = 0;
            }
        }
    });
    collect(&[]);
    with(|engine| {
        let permanent = engine.permanent;
        engine.values.truncate(permanent);
    });
}

/// What a call returned, or else an exception is pending.
pub type Outcome = Result<Handle, ()>;

pub fn throw(value: Handle) -> Outcome {
    with(|engine| engine.pending = Some(value));
    Err(())
}

fn throw_error(class: &str, text: &str) -> Outcome {
    let error = with(|engine| {
        let message = engine.add_string(text);
        engine.add_error(class, None, message)
    });
    throw(error)
}

/// What native code learns about its call.
pub struct Call {
    pub this: Handle,
    pub arguments: Vec<Handle>,
    pub data: *mut c_void,
    pub new_target: Option<Handle>,
}

pub fn call(function: Handle, this: Handle, arguments: &[Handle]) -> Outcome {
    invoke(function, this, arguments, None)
}

/// `new function(...arguments)`.
pub fn construct(function: Handle, arguments: &[Handle]) -> Outcome {
    let this = with(|engine| {
        let prototype = match engine.find(function, "prototype") {
            Some(Property::Value(prototype)) => Some(prototype),
            _ => None,
        };
        engine.add(Value::Object(Object {
            prototype,
            ..Object::default()
        }))
    });
    let result = invoke(function, this, arguments, Some(function))?;
    Ok(if with(|engine| engine.object(result).is_some()) {
        result
    } else {
        this
    })
}

fn invoke(
    function: Handle,
    this: Handle,
    arguments: &[Handle],
    new_target: Option<Handle>,
) -> Outcome {
    let callable = with(
        |engine| match engine.object(function).map(|object| &object.kind) {
            Some(Kind::Function(callable)) => Some(*callable),
            _ => None,
        },
    );
    match callable {
        Some(Callable::Native {
            callback: Some(callback),
            data,
        }) => {
            let mut info = Call {
                this,
                arguments: arguments.to_vec(),
                data,
                new_target,
            };
            // SAFETY: a callback that the addon registered, in its environment.
            let result = unsafe { callback(ENV, (&raw mut info).cast()) };
            if with(|engine| engine.pending.is_some()) {
                return Err(());
            }
            Ok(if result.is_null() {
                Handle::UNDEFINED
            } else {
                Handle::from_raw(result)
            })
        }
        Some(Callable::TypedArrayClass(kind)) => {
            let length = with(
                |engine| match arguments.first().map(|length| engine.get(*length)) {
                    Some(Value::Number(length)) => *length,
                    _ => 0.0,
                },
            );
            let bytes = length * element_size(kind) as f64;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            match bytes as usize {
                bytes if bytes <= LONGEST => Ok(with(|engine| {
                    let buffer = engine.add_buffer(bytes);
                    engine.add_object(Kind::View {
                        kind: Some(kind),
                        buffer,
                        offset: 0,
                        length: bytes,
                    })
                })),
                _ => throw_error("RangeError", "Invalid typed array length"),
            }
        }
        Some(Callable::User { effect, result }) => {
            with(|engine| engine.user_calls += 1);
            match effect {
                Behaviour::Nothing => {}
                Behaviour::Throw(value) => return throw(value),
                Behaviour::Detach(buffer) => with(|engine| engine.detach(buffer)),
                Behaviour::Call { method, this } => {
                    // User code may call itself, but this engine has no end of its stack.
                    if with(|engine| engine.user_calls % 8) != 0 {
                        call(method, this, &[])?;
                    }
                }
            }
            Ok(result)
        }
        _ => throw_error("TypeError", "not a function"),
    }
}

pub fn element_size(kind: sys::napi_typedarray_type) -> usize {
    use sys::TypedarrayType as Kind;
    match kind {
        Kind::int8_array | Kind::uint8_array | Kind::uint8_clamped_array => 1,
        Kind::int16_array | Kind::uint16_array => 2,
        Kind::int32_array | Kind::uint32_array | Kind::float32_array => 4,
        _ => 8,
    }
}

/// The value of a property, which may run user code.
pub fn get(object: Handle, name: &str) -> Outcome {
    let property = with(|engine| {
        if let Some(Object {
            kind: Kind::Array(elements),
            ..
        }) = engine.object(object)
            && name == "length"
        {
            #[allow(clippy::cast_precision_loss)]
            let length = elements.len() as f64;
            return Property::Value(engine.add(Value::Number(length)));
        }
        engine
            .find(object, name)
            .unwrap_or(Property::Value(Handle::UNDEFINED))
    });
    evaluate(property, object)
}

pub fn evaluate(property: Property, object: Handle) -> Outcome {
    match property {
        Property::Value(value) => Ok(value),
        Property::Getter(getter) => call(getter, object, &[]),
    }
}
