//! Anonymous files to map and to share.

use std::ffi::{CStr, CString};

use napi::ValueType;
use operations::napi;

#[cfg(target_os = "linux")]
use crate::node::error::Error;
use crate::node::error::Result;
use crate::node::value::Value;

/// The longest name that the kernel takes, in bytes.
const LONGEST_NAME: usize = 249;

/// Makes an anonymous file to map, and to pass to other processes. Returns its descriptor, which the caller closes.
/// Linux only; not upstream.
///
/// `seal: true` (the default) forbids shrinking and growing the file. Without the seal, anyone who has the file could
/// cut it off, and accesses to the lost part would end the process with SIGBUS.
///
/// `reserve: true` (the default with `hugetlb`) takes the memory of the file from the host now. Without it, an access
/// to a page that the host cannot give ends the process with SIGBUS.
///
/// @param name the name in `/proc/self/maps`, at most 249 bytes
/// @param size bytes
/// @param options.hugetlb whether the file is made of huge pages, of the host's default size or of the one named;
/// `size` must be a multiple of theirs
/// @throws `ERR_IO` with `errno`: ENOSPC or ENOMEM if the host has not enough memory to reserve; `ERR_UNSUPPORTED` if
/// the platform has no such files
///
/// @example
/// ```ts
/// import { closeSync } from 'node:fs'
/// import { GuestMemoryMmap, memfdCreate } from 'vm-memory'
///
/// const fd = memfdCreate('ram', 0x10_0000)
/// const memory = GuestMemoryMmap.fromRanges([[0, 0x10_0000, fd]])
/// closeSync(fd)
/// console.log(memory.findRegion(0)?.fileOffset?.start) // 0n
/// ```
#[napi(
    catch_unwind,
    ts_args_type = "name: string, size: Usize, options?: { seal?: boolean; hugetlb?: boolean | '2M' | '1G'; reserve?: boolean }"
)]
pub fn memfd_create(name: Value, size: Value, options: Value) -> Result<i32> {
    let text = match name.short_string(&mut [0; LONGEST_NAME + 2]) {
        Some(text) => {
            Some(CString::new(text).map_err(|_| name.out_of_range("name", "without a zero byte"))?)
        }
        None if name.kind() == ValueType::String => None,
        None => return Err(name.must_be("name", "a string")),
    };
    let length = size.usize("size")?;
    let length =
        i64::try_from(length).map_err(|_| size.out_of_range("size", "at most 2^63 - 1"))?;
    let options = Options::from_value(options)?;
    // As the kernel says of a name that is too long.
    let text = text.ok_or_else(|| std::io::Error::from_raw_os_error(libc::EINVAL))?;
    create(&text, length, &options)
}

/// The sizes of huge pages.
#[derive(Clone, Copy)]
enum HugePages {
    Default,
    Of2M,
    Of1G,
}

impl HugePages {
    /// Takes the option `hugetlb`.
    fn from_value(value: Value) -> Result<Option<Self>> {
        const NAME: &str = "options.hugetlb";
        if let Ok(hugetlb) = value.boolean(NAME) {
            return Ok(hugetlb.then_some(Self::Default));
        }
        match value.short_string(&mut [0; 8]) {
            Some("2M") => Ok(Some(Self::Of2M)),
            Some("1G") => Ok(Some(Self::Of1G)),
            _ if value.kind() == ValueType::String => {
                Err(value.out_of_range(NAME, "true, false, '2M' or '1G'"))
            }
            _ => Err(value.must_be(NAME, "a boolean, '2M' or '1G'")),
        }
    }
}

#[cfg_attr(
    not(target_os = "linux"),
    expect(
        dead_code,
        reason = "options are checked where nothing can be made, too"
    )
)]
struct Options {
    seal: bool,
    huge_pages: Option<HugePages>,
    reserve: bool,
}

impl Options {
    fn from_value(value: Value) -> Result<Self> {
        let options = value.options("options")?;
        let option = |name: &CStr| -> Result<Option<Value>> {
            match options {
                Some(options) => Ok(options.property(name)?.optional()),
                None => Ok(None),
            }
        };
        let seal = option(c"seal")?;
        let seal = seal.map_or(Ok(true), |seal| seal.boolean("options.seal"))?;
        let huge_pages = option(c"hugetlb")?.map_or(Ok(None), HugePages::from_value)?;
        let reserve = option(c"reserve")?;
        let reserve = reserve.map_or(Ok(huge_pages.is_some()), |reserve| {
            reserve.boolean("options.reserve")
        })?;
        Ok(Self {
            seal,
            huge_pages,
            reserve,
        })
    }
}

#[cfg(target_os = "linux")]
fn create(name: &CStr, length: i64, options: &Options) -> Result<i32> {
    use std::fs::File;
    use std::os::fd::{AsFd, IntoRawFd};

    use crate::memory::memfd;

    let flags = match options.huge_pages {
        None => 0,
        Some(HugePages::Default) => libc::MFD_HUGETLB,
        Some(HugePages::Of2M) => libc::MFD_HUGETLB | libc::MFD_HUGE_2MB,
        Some(HugePages::Of1G) => libc::MFD_HUGETLB | libc::MFD_HUGE_1GB,
    };
    let file = File::from(memfd::create(name, libc::MFD_ALLOW_SEALING | flags)?);
    memfd::set_length(file.as_fd(), length)?;
    if options.reserve {
        memfd::reserve(file.as_fd(), length).map_err(|error| not_reserved(error, &file))?;
    }
    if options.seal {
        memfd::seal(file.as_fd())?;
    }
    Ok(file.into_raw_fd())
}

/// Makes the error of memory that the host has not.
#[cfg(target_os = "linux")]
fn not_reserved(error: std::io::Error, file: &std::fs::File) -> Error {
    use crate::memory::{hints, huge_pages};

    let page = huge_pages::page_size(0, Some(file)).ok().flatten();
    let hint = page.filter(|_| matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::ENOMEM)));
    hints::hinted(error.into(), hint.map(hints::no_huge_pages))
}

#[cfg(not(target_os = "linux"))]
fn create(_: &CStr, _: i64, _: &Options) -> Result<i32> {
    Err(crate::node::error::BindingError::unsupported(
        "There are no memfds on this platform",
    ))
}
