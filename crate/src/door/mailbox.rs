//! The mailbox: what `lib/` asks of memory without the glue.
//!
//! A method of the glue costs 300 ns: the engine looks the object up twice, and the glue takes a lock that all threads share.
//! A function without arguments costs 10. So each thread has a small array that `lib/` and Rust share, the box:
//!
//! ```text
//!   word   0          1        2         3       4       5        8 ...
//!          operation  object   address   count   value   result   bytes
//!          status
//! ```
//!
//! `lib/` writes what it asks for, and calls. Rust does it by upstream's own methods, and writes what came of it. Where that
//! is not a plain success, the status says no, and `lib/` calls the native method, which throws: so texts stay in one place.
//! Nothing here runs JavaScript, so a box is never written while it is being read. Bytes that are more than a few are left
//! where they are: the array that has them, or gets them, is the one argument then.
//!
//! Objects have numbers, which no two objects of a thread ever share. What stands for a number goes with its object.
//!
//! An operation is one line in [`Operation::of`], and one in `lib/fast/mailbox.ts`. `lib/` hands its list of names over
//! when it is loaded, which fails if one is not known here; so its numbers are places in that list.

use std::cell::RefCell;
use std::ffi::CStr;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use napi::sys;
use napi::sys::TypedarrayType;
use napi_derive::napi;
use vm_memory::bitmap::Bitmap;
use vm_memory::{Bytes, GuestAddress, GuestMemory, GuestMemoryRegion, MemoryRegionAddress};

use crate::bitmap::{AtomicBitmap, Bits};
use crate::memory::faults;
use crate::memory::mapping::{Access, Memory, OwnedSlice, Region};
use crate::memory::sections::Section;
use crate::memory::target::Target;
use crate::mmap::{GuestMemoryMmap, GuestRegionMmap};
use crate::mmap_unix::MmapRegion;
use crate::node::attachment;
use crate::node::buffer::{Buffer, TypedArray};
use crate::node::error::{BindingError, Result, check};
use crate::node::identity::Handle;
use crate::node::raw_function::{self, RawFunction};
use crate::node::reference::Function;
use crate::node::value::Value;
use crate::writes;

/// How many words there are, and behind which of them the bytes begin (`lib/fast/mailbox.ts`).
const WORDS: usize = 8 + 64;
const BYTES_FROM: usize = 8;

/// The words, by what is in them.
const ASKED: usize = 0;
const OBJECT: usize = 1;
const ADDRESS: usize = 2;
const COUNT: usize = 3;
const VALUE: usize = 4;
const RESULT: usize = 5;

/// What a number stands for.
#[derive(Clone)]
enum Object {
    Map(Arc<Memory>),
    Region(Arc<Region>),
    Mapping(OwnedSlice),
    Bitmap(Rc<Bits>),
}

impl Object {
    fn from_value(value: Value) -> Result<Self> {
        if let Some(map) = value.try_instance::<GuestMemoryMmap>() {
            return map.target().map(Self::Map);
        }
        if let Some(bitmap) = value.try_instance::<AtomicBitmap>() {
            return Ok(Self::Bitmap(Rc::clone(bitmap.bits())));
        }
        if let Some(region) = value.try_instance::<GuestRegionMmap>() {
            return Ok(Self::Region(Arc::clone(region.region())));
        }
        let mapping = value.instance::<MmapRegion>("object")?;
        mapping.owner().whole().map(Self::Mapping)
    }
}

/// Bits of a number that are the place of its object; those above count how often the place was used.
const PLACE_BITS: u32 = 24;

#[derive(Default)]
struct Objects {
    places: Vec<(u64, Option<Object>)>,
    free: Vec<usize>,
}

impl Objects {
    /// Finds what a number stands for.
    fn get(&self, number: u64) -> Option<&Object> {
        let (known, object) = self.places.get(Self::place_of(number))?;
        object.as_ref().filter(|_| *known == number)
    }

    /// Gives an object a number; None if there are too many.
    fn add(&mut self, object: Object) -> Option<u64> {
        let place = self.free.pop().unwrap_or(self.places.len());
        if place >> PLACE_BITS != 0 {
            return None;
        }
        if place == self.places.len() {
            self.places.push((place as u64, None));
        }
        let (number, kept) = self.places.get_mut(place)?;
        // Never 0, and at most 2^53 after half a milliard of uses.
        *number += 1 << PLACE_BITS;
        *kept = Some(object);
        Some(*number)
    }

    /// Takes what a number stands for. The place gets another number next.
    fn take(&mut self, number: u64) -> Option<Object> {
        let place = Self::place_of(number);
        let (known, object) = self.places.get_mut(place)?;
        let taken = object.take_if(|_| *known == number);
        if taken.is_some() {
            self.free.push(place);
        }
        taken
    }

    fn place_of(number: u64) -> usize {
        (number & ((1 << PLACE_BITS) - 1)) as usize
    }
}

/// The words of the box.
#[derive(Clone, Copy)]
struct Words {
    start: *mut u64,
    /// The bytes of the array that was handed over, if one was.
    array: Option<Buffer>,
}

impl Words {
    fn get(self, index: usize) -> u64 {
        debug_assert!(index < WORDS);
        // SAFETY: every index is one of the constants above, and the array of `WORDS` words is kept by the mailbox. JavaScript,
        // which runs in this thread, is waiting for us.
        unsafe { self.start.add(index).read_unaligned() }
    }

    fn set(self, index: usize, word: u64) {
        debug_assert!(index < WORDS);
        // SAFETY: as in `get`.
        unsafe { self.start.add(index).write_unaligned(word) };
    }

    /// Reads a word that has a number, as JavaScript writes one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is no integer saturates, and is refused"
    )]
    fn number(self, index: usize) -> u64 {
        f64::from_bits(self.get(index)) as u64
    }

    /// Reads what is an offset or an index, where it is no address.
    fn address(self) -> Option<usize> {
        usize::try_from(self.get(ADDRESS)).ok()
    }

    fn count(self) -> Option<usize> {
        usize::try_from(self.number(COUNT)).ok()
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of what there is memory for"
    )]
    fn answer(self, count: usize) {
        self.set(RESULT, (count as f64).to_bits());
    }

    /// Returns the bytes of an integer in a word; None if there is none of that size.
    fn integer(self, index: usize) -> Option<Buffer> {
        let size = self.count()?;
        matches!(size, 1 | 2 | 4 | 8).then(|| {
            // SAFETY: the word has 8 bytes, for as long as the mailbox lives. The lowest come first: the fast paths are there
            // on no other hosts.
            unsafe { Buffer::at(self.start.add(index).cast(), size) }
        })
    }

    /// Returns as many bytes as are asked for; None if the array or the box has not that many.
    fn bytes(self) -> Option<Buffer> {
        let count = self.count()?;
        if let Some(array) = self.array {
            return (count <= array.len()).then(|| array.first(count));
        }
        (count <= (WORDS - BYTES_FROM) * size_of::<u64>()).then(|| {
            // SAFETY: so many bytes lie behind that word, for as long as the mailbox lives.
            unsafe { Buffer::at(self.start.add(BYTES_FROM).cast(), count) }
        })
    }
}

/// Does what is asked for with what is accessed; None for no.
macro_rules! accessed {
    ($object:expr, $target:ident => $action:expr) => {
        match $object {
            Object::Map(memory) => {
                let $target = &**memory;
                $action
            }
            Object::Region(region) => {
                let $target = &**region;
                $action
            }
            Object::Mapping($target) => $action,
            Object::Bitmap(_) => None,
        }
    };
}

/// Does what is asked for with an integer of as many bytes as the count says.
macro_rules! sized {
    ($words:expr, $Type:ident => $action:expr) => {
        match $words.number(COUNT) {
            1 => {
                type $Type = u8;
                $action
            }
            2 => {
                type $Type = u16;
                $action
            }
            4 => {
                type $Type = u32;
                $action
            }
            8 => {
                type $Type = u64;
                $action
            }
            _ => None,
        }
    };
}

/// Does what is asked for with a bitmap; None for no.
macro_rules! tracked {
    ($object:expr, $bitmap:ident => $action:expr) => {
        match $object {
            Object::Bitmap(bits) => Some(bits.with(|$bitmap| $action)),
            _ => None,
        }
    };
}

/// What an object can be asked for. `None` means no, and then nothing has been written.
#[derive(Clone, Copy)]
struct Operation(fn(&Object, Words) -> Option<()>);

impl Operation {
    /// The operations by name.
    fn of(name: &str) -> Option<Self> {
        Some(Self(match name {
            "read" => |object, words| accessed!(object, memory => read(memory, words, false)),
            "readSlice" => |object, words| accessed!(object, memory => read(memory, words, true)),
            "write" => |object, words| accessed!(object, memory => write(memory, words, false)),
            "writeSlice" => |object, words| accessed!(object, memory => write(memory, words, true)),
            "fill" => |object, words| accessed!(object, memory => fill(memory, words)),
            "readObj" => |object, words| accessed!(object, memory => read_obj(memory, words)),
            "writeObj" => |object, words| accessed!(object, memory => write_obj(memory, words)),
            "load" => |object, words| accessed!(object, memory => load(memory, words)),
            "store" => |object, words| accessed!(object, memory => store(memory, words)),
            "checkRange" => check_range,
            "hostAddress" => host_address,
            "isIntact" => |object, words| accessed!(object, memory => is_intact(memory, words)),
            "isReleased" => is_released,
            "mark" => mark,
            "bits" => |object, words| tracked!(object, map => words.answer(map.len())),
            "byteSize" => |object, words| tracked!(object, map => words.answer(map.byte_size())),
            "isBitSet" => |object, words| {
                let index = words.address()?;
                tracked!(object, map => words.answer(map.is_bit_set(index).into()))
            },
            "dirtyAt" => |object, words| {
                let offset = words.address()?;
                tracked!(object, map => words.answer(map.dirty_at(offset).into()))
            },
            "setBit" => |object, words| {
                let index = words.address()?;
                tracked!(object, map => map.set_bit(index))
            },
            "resetBit" => |object, words| {
                let index = words.address()?;
                tracked!(object, map => map.reset_bit(index))
            },
            "markDirty" => |object, words| {
                let (offset, length) = (words.address()?, words.count()?);
                tracked!(object, map => map.mark_dirty(offset, length))
            },
            "resetRange" => |object, words| {
                let (offset, length) = (words.address()?, words.count()?);
                tracked!(object, map => map.reset_addr_range(offset, length))
            },
            _ => return None,
        }))
    }
}

fn check_range(object: &Object, words: Words) -> Option<()> {
    let Object::Map(memory) = object else {
        return None;
    };
    let base = GuestAddress(words.get(ADDRESS));
    words.answer(memory.check_range(base, words.count()?).into());
    Some(())
}

fn host_address(object: &Object, words: Words) -> Option<()> {
    let address = words.get(ADDRESS);
    let host = match object {
        Object::Map(memory) => {
            let (region, offset) = memory.to_region_addr(GuestAddress(address))?;
            region.bitmap().lease().check().ok()?;
            region.get_host_address(offset).ok()?
        }
        Object::Region(region) if region.bitmap().lease().has_ended() => return None,
        Object::Region(region) => region.get_host_address(MemoryRegionAddress(address)).ok()?,
        Object::Mapping(mapping) if mapping.lease.has_ended() => return None,
        Object::Mapping(mapping) => {
            let offset = words
                .address()
                .filter(|&offset| offset < mapping.slice.len())?;
            mapping.start().wrapping_add(offset)
        }
        Object::Bitmap(_) => return None,
    };
    words.set(RESULT, host.addr() as u64);
    Some(())
}

fn is_intact<T: Target>(memory: &T, words: Words) -> Option<()> {
    let address = T::address_at(words.get(ADDRESS))?;
    let count = words.count()?;
    all_writable(memory, address, count)?;
    memory.watched(address, count, || Ok(())).ok()
}

/// Says no unless there are all of the bytes, and writing is permitted.
fn all_writable<T: Target>(memory: &T, address: T::Address, count: usize) -> Option<()> {
    let available = memory.available_to(address, count, Access::Write).ok()?;
    (available == count).then_some(())
}

fn is_released(object: &Object, words: Words) -> Option<()> {
    let ended = match object {
        Object::Region(region) => region.bitmap().lease().has_ended(),
        Object::Mapping(mapping) => mapping.lease.has_ended(),
        Object::Map(_) | Object::Bitmap(_) => return None,
    };
    words.answer(ended.into());
    Some(())
}

fn mark(object: &Object, words: Words) -> Option<()> {
    let Object::Map(memory) = object else {
        return None;
    };
    writes::mark_dirty(memory, GuestAddress(words.get(ADDRESS)), words.count()?).ok()
}

/// Reads as many of the bytes as there is memory for; or all of them or none.
fn read<T: Target>(memory: &T, words: Words, all: bool) -> Option<()> {
    let bytes = words.bytes()?;
    let address = T::address_at(words.get(ADDRESS))?;
    let count = bytes.len();
    // A read that is refused must not be the one that loses a page.
    let read = if words.array.is_some() || (all && !faults::table::is_empty()) {
        let available = memory.available_to(address, count, Access::Read).ok()?;
        if all && available != count {
            return None;
        }
        memory.watched(address, count, || memory.read_into(bytes, address))
    } else {
        // What the box gets by a read that is refused, nobody sees.
        memory.watched(address, count, || memory.read_permitted(bytes, address))
    };
    let read = read.ok()?;
    if all && read != count {
        return None;
    }
    words.answer(read);
    Some(())
}

/// Writes as many of the bytes as there is memory for; or all of them or none.
fn write<T: Target>(memory: &T, words: Words, all: bool) -> Option<()> {
    let bytes = words.bytes()?;
    let address = T::address_at(words.get(ADDRESS))?;
    let count = bytes.len();
    let available = memory.available_to(address, count, Access::Write).ok()?;
    if all && available != count {
        return None;
    }
    let written = memory.watched(address, count, || match words.array {
        None => memory.write_apart(bytes, address),
        // It may be a view of the memory.
        Some(_) => memory.write_from(bytes, address),
    });
    words.answer(written.ok()?);
    Some(())
}

fn fill<T: Target>(memory: &T, words: Words) -> Option<()> {
    let value = u8::try_from(words.get(VALUE)).ok()?;
    let address = T::address_at(words.get(ADDRESS))?;
    let count = words.count()?;
    all_writable(memory, address, count)?;
    let filled = memory.watched(address, count, || memory.fill(value, address, count));
    filled.ok()?;
    Some(())
}

/// Reads an integer of up to 64 bits. Memory has it as the host has integers. The rest of the word stays as it is.
fn read_obj<T: Target>(memory: &T, words: Words) -> Option<()> {
    let result = words.integer(RESULT)?;
    let address = T::address_at(words.get(ADDRESS))?;
    let read = memory.watched(address, result.len(), || {
        memory.read_permitted(result, address)
    });
    (read.ok()? == result.len()).then_some(())
}

fn write_obj<T: Target>(memory: &T, words: Words) -> Option<()> {
    let value = words.integer(VALUE)?;
    let address = T::address_at(words.get(ADDRESS))?;
    all_writable(memory, address, value.len())?;
    let written = memory.watched(address, value.len(), || memory.write_apart(value, address));
    written.ok().map(|_| ())
}

/// The strongest ordering does for all others.
const ORDER: Ordering = Ordering::SeqCst;

#[expect(clippy::useless_conversion, reason = "of one of the types")]
fn load<T: Target>(memory: &T, words: Words) -> Option<()> {
    let address = T::address_at(words.get(ADDRESS))?;
    let value = sized!(words, V => {
        memory.check_atomic::<V>(address).ok()?;
        let value = memory.access(address, size_of::<V>(), Access::Read, || {
            memory.bytes().load::<V>(address, ORDER).map_err(Into::into)
        });
        value.ok().map(u64::from)
    })?;
    words.set(RESULT, value);
    Some(())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the lowest bits are what is written"
)]
fn store<T: Target>(memory: &T, words: Words) -> Option<()> {
    let address = T::address_at(words.get(ADDRESS))?;
    let value = words.get(VALUE);
    sized!(words, V => {
        memory.check_atomic::<V>(address).ok()?;
        let stored = memory.access(address, size_of::<V>(), Access::Write, || {
            memory.bytes().store(value as V, address, ORDER).map_err(Into::into)
        });
        stored.ok()
    })
}

struct Mailbox {
    /// The words.
    start: *mut u64,
    /// Keeps the array of the words.
    #[expect(dead_code, reason = "it is there to be there")]
    kept: Function,
    operations: Vec<Operation>,
    objects: RefCell<Objects>,
}

/// Lets an array of `lib/` be the box of this thread, and a list of names tell which operation has which number. Nobody else
/// has the array, so nobody can detach it.
///
/// Returns a function that does what the box says, one that does so with the bytes of its argument, and one that returns the
/// number of an object.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn open_mailbox(words: Value, names: Value) -> Result<Vec<Handle>> {
    let array = TypedArray::from_value(words, "words")?;
    if array.kind != TypedarrayType::biguint64_array || array.len() != WORDS {
        return Err(BindingError::out_of_range(
            "The box has not the length that it must have",
        ));
    }
    let operations = (0..names.array_length("names")?)
        .map(|index| {
            let name = names.element(index)?;
            name.short_string(&mut [0; 32])
                .and_then(Operation::of)
                .ok_or_else(|| name.must_be("name", "that of an operation"))
        })
        .collect::<Result<_>>()?;
    let kept = Function::none();
    kept.set(words)?;
    let mailbox = Rc::new(Mailbox {
        start: array.bytes.start().cast(),
        kept,
        operations,
        objects: RefCell::default(),
    });
    Ok(vec![
        raw_function::make(Ask(Rc::clone(&mailbox)))?,
        raw_function::make(AskWith(Rc::clone(&mailbox)))?,
        raw_function::make(NumberOf(mailbox))?,
    ])
}

/// The halves of the first word: the operation is the lower one, and the status the upper one.
const DONE: u64 = 1 << 32;

impl Mailbox {
    fn words(&self, array: Option<Buffer>) -> Words {
        Words {
            start: self.start,
            array,
        }
    }

    /// Does what the box says, with the bytes of an array or with those of the box.
    fn answer(&self, array: Option<Buffer>) {
        let words = self.words(array);
        #[expect(clippy::cast_possible_truncation, reason = "it is the lower half")]
        let operation = words.get(ASKED) as u32;
        words.set(ASKED, 0);
        let _section = Section::enter();
        let objects = self.objects.borrow();
        let done = self
            .operations
            .get(operation as usize)
            .zip(objects.get(words.number(OBJECT)))
            .and_then(|(operation, object)| operation.0(object, words));
        if done.is_some() {
            words.set(ASKED, DONE);
        }
    }
}

struct Ask(Rc<Mailbox>);

impl RawFunction for Ask {
    const NAME: &'static CStr = c"ask";

    fn call(&self, _: Value) -> Result<sys::napi_value> {
        self.0.answer(None);
        Ok(ptr::null_mut())
    }
}

struct AskWith(Rc<Mailbox>);

impl RawFunction for AskWith {
    const NAME: &'static CStr = c"askWith";

    fn call(&self, array: Value) -> Result<sys::napi_value> {
        match TypedArray::try_from_value(array) {
            Some(array) => self.0.answer(Some(array.bytes)),
            None => self.0.words(None).set(ASKED, 0),
        }
        Ok(ptr::null_mut())
    }
}

struct NumberOf(Rc<Mailbox>);

/// Goes with the object that has a number.
struct Numbered {
    mailbox: Rc<Mailbox>,
    number: u64,
}

impl Drop for Numbered {
    fn drop(&mut self) {
        let object = self.mailbox.objects.borrow_mut().take(self.number);
        // Not while the table is borrowed: it may be the last that keeps memory mapped.
        drop(object);
    }
}

impl RawFunction for NumberOf {
    const NAME: &'static CStr = c"numberOf";

    fn call(&self, object: Value) -> Result<sys::napi_value> {
        let mailbox = Rc::clone(&self.0);
        let native = Object::from_value(object)?;
        let number = mailbox.objects.borrow_mut().add(native);
        let number =
            number.ok_or_else(|| BindingError::out_of_range("There are no more numbers"))?;
        attachment::attach(object.raw(), Box::new(Numbered { mailbox, number }))?;
        let mut value = ptr::null_mut();
        #[expect(clippy::cast_precision_loss, reason = "a safe integer")]
        let double = number as f64;
        // SAFETY: `object` is a value of the environment that called.
        check(unsafe { sys::napi_create_double(object.env(), double, &raw mut value) })?;
        Ok(value)
    }
}
