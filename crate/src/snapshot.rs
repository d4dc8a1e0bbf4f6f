//! Memory saved to files, and restored. Not upstream.

use std::sync::Arc;

use napi::ValueType;
use napi::sys;
use vm_memory::GuestAddress;

use crate::host_pages::flag;
use crate::io::{descriptor, duplicate};
use crate::memory::construction::Plan;
use crate::memory::faults::owners;
use crate::memory::mapping::{Mapping, Memory, Region};
use crate::memory::snapshot::restore::Snapshot;
use crate::memory::snapshot::save::Saving;
use crate::memory::snapshot::source::Source;
use crate::memory::snapshot::table::{Entry, Table};
use crate::memory::snapshot::target::Target;
use crate::memory::tracking::host_page_size;
use crate::node::error::Result;
use crate::node::job;
use crate::node::object::{number, record, string};
use crate::node::scope::Scope;
use crate::node::value::{MAX_SAFE_INTEGER, Value};

/// Takes a `SnapshotTable`.
fn table_from(table: Value) -> Result<Table> {
    if table.kind() != ValueType::Object {
        return Err(table.must_be("table", "the table of a snapshot"));
    }
    let regions = table.property(c"regions")?;
    let entries = (0..regions.array_length("table.regions")?).map(|index| {
        let _scope = Scope::open(table.env())?;
        let region = regions.element(index)?;
        if region.kind() != ValueType::Object {
            return Err(region.must_be("region of the table", "an object"));
        }
        Ok(Entry {
            start: address_from(region.property(c"start")?)?,
            size: region.property(c"size")?.usize("size")?,
            offset: region.property(c"offset")?.u64("offset")?,
        })
    });
    Table::new(entries.collect::<Result<_>>()?)
}

/// Takes an address that is written as `0x…`.
fn address_from(value: Value) -> Result<GuestAddress> {
    if value.kind() != ValueType::String {
        return Err(value.must_be("start", "a string"));
    }
    let mut text = [0; 32];
    let digits = value.short_string(&mut text).and_then(|text| {
        let digits = text.strip_prefix("0x")?;
        // Not a sign, which the number would be taken with.
        let is_hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hexadecimal.then_some(digits)
    });
    digits
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .map(GuestAddress)
        .ok_or_else(|| value.out_of_range("start", "an address below 2^64, as 0x…"))
}

/// Makes a `SnapshotTable`.
fn table_to(env: sys::napi_env, table: &Table) -> Result<Value> {
    let mut regions = std::ptr::null_mut();
    // SAFETY: `env` is the environment of this thread.
    crate::node::error::check(unsafe { sys::napi_create_array(env, &raw mut regions) })?;
    for (index, entry) in (0..).zip(table.entries()) {
        let _scope = Scope::open(env)?;
        let start = string(env, &format!("0x{:x}", entry.start.0))?;
        let offset = usize::try_from(entry.offset).unwrap_or(usize::MAX);
        let region = record(
            env,
            &[
                ("start", Value::new(env, start)),
                ("size", Value::new(env, number(env, entry.size)?)),
                ("offset", Value::new(env, number(env, offset)?)),
            ],
        )?;
        // SAFETY: both are of this environment.
        crate::node::error::check(unsafe {
            sys::napi_set_element(env, regions, index, region.raw())
        })?;
    }
    record(env, &[("regions", Value::new(env, regions))])
}

/// Prepares `save`. Returns the number of the job.
pub fn save(memory: &Memory, file: Value, options: Option<Value>) -> Result<usize> {
    let file = descriptor(file, "file")?;
    let offset = options
        .map(|options| options.property(c"offset"))
        .transpose()?;
    let offset = offset.and_then(Value::optional);
    let page = host_page_size().get() as u64;
    let start = match offset {
        Some(value) => match value.u64("options.offset")? {
            start if start.is_multiple_of(page) => start,
            _ => return Err(value.out_of_range("options.offset", "a multiple of the page size")),
        },
        None => 0,
    };
    let table =
        Table::of_memory(memory, start).filter(|table| table.span().end <= MAX_SAFE_INTEGER);
    let table = match (table, offset) {
        (Some(table), _) => table,
        (None, Some(value)) => {
            return Err(value.out_of_range("options.offset", "one that a file can have"));
        }
        (None, None) => return Err(std::io::Error::from_raw_os_error(libc::EFBIG).into()),
    };
    let sources = Source::all(memory, &table)?;
    let cleared = Some(table.span());
    prepare("save", memory, file, table, sources, cleared)
}

/// Prepares `saveRanges`. Returns the number of the job.
pub fn save_ranges(memory: &Memory, file: Value, table: Value, ranges: Value) -> Result<usize> {
    let file = descriptor(file, "file")?;
    let table = table_from(table)?;
    let ranges = ranges_from(ranges)?;
    table.check_memory(memory)?;
    let sources = Source::ranges(memory, &table, &ranges)?;
    prepare("saveRanges", memory, file, table, sources, None)
}

/// Takes an array of `[addr, count]`.
fn ranges_from(ranges: Value) -> Result<Vec<(GuestAddress, usize)>> {
    if !ranges.is_array() {
        return Err(ranges.must_be("ranges", "an iterable of [addr, count]"));
    }
    let count = ranges.array_length("ranges")?;
    let ranges = (0..count).map(|index| {
        let _scope = Scope::open(ranges.env())?;
        let range = ranges.element(index)?;
        if !range.is_array() || range.array_length("range")? != 2 {
            return Err(range.must_be("range", "[addr, count]"));
        }
        let address = GuestAddress(range.element(0)?.u64("addr")?);
        Ok((address, range.element(1)?.usize("count")?))
    });
    ranges.collect()
}

fn prepare(
    operation: &'static str,
    memory: &Memory,
    file: i32,
    table: Table,
    sources: Vec<Source>,
    cleared: Option<std::ops::Range<u64>>,
) -> Result<usize> {
    let target = Target::new(duplicate(file)?)?;
    target.check_apart(memory)?;
    if cleared.is_none() {
        table.check_file(target.length()?)?;
    }
    sources.iter().try_for_each(Source::check)?;
    let saving = Saving {
        sources,
        target,
        cleared,
    };
    job::prepare(operation, saving.total(), true, move |progress| {
        let written = saving.run(progress)?;
        Ok(Box::new(move |env| {
            record(
                env,
                &[
                    ("table", table_to(env, &table)?),
                    ("written", Value::new(env, number(env, written)?)),
                ],
            )
        }))
    })
}

/// Takes the option that asks for a copy.
pub fn is_copied(options: Value) -> Result<bool> {
    let copy = flag(options.options("options")?, c"copy", "options.copy")?;
    Ok(copy.unwrap_or(false))
}

/// Maps a snapshot, or reads it into new mappings, which `build` makes.
pub fn restore(
    file: Value,
    table: Value,
    is_copied: bool,
    build: impl Fn(Plan) -> Result<Mapping>,
) -> Result<Memory> {
    let file = descriptor(file, "file")?;
    let table = table_from(table)?;
    let snapshot = Snapshot::new(duplicate(file)?.into(), &table)?;
    let regions = table.entries().iter().map(|entry| {
        let plan = if is_copied {
            Plan::anonymous(entry.size)
        } else {
            snapshot.plan(entry)
        };
        let mapping = build(plan)?;
        if is_copied {
            snapshot.read(entry, &mapping)?;
        }
        Ok(Arc::new(Region::new(mapping, entry.start)?))
    });
    let regions = regions.collect::<Result<Vec<_>>>()?;
    if regions.is_empty() {
        return Ok(Memory::default());
    }
    regions.iter().for_each(owners::note_region);
    Ok(Memory::from_arc_regions(regions)?)
}
