//! Anonymous files to map and to share.

use std::ffi::CString;

use napi_derive::napi;

use crate::node::error::Result;
use crate::node::value::Value;

/// Makes an anonymous file to map, and to pass to other processes. Returns its descriptor, which the caller closes.
/// Linux only; not upstream.
///
/// `seal: true` (the default) forbids shrinking and growing the file. Without the seal, anyone who has the file could
/// cut it off, and accesses to the lost part would end the process with SIGBUS. (The seal does not help with huge
/// pages: if the host has none left, accesses end the process too.)
///
/// @param name the name in `/proc/self/maps`, at most 249 bytes
/// @param size bytes
/// @param options.hugetlb whether the file is made of huge pages; `size` must be a multiple of their size
/// @throws `ERR_IO` with `errno`; `ERR_UNSUPPORTED` if the platform has no such files
#[napi(
    catch_unwind,
    ts_args_type = "name: string, size: Usize, options?: { seal?: boolean; hugetlb?: boolean }"
)]
pub fn memfd_create(name: Value, size: Value, options: Value) -> Result<i32> {
    let text = name.string("name")?;
    let text = CString::new(text).map_err(|_| name.out_of_range("name", "without a zero byte"))?;
    let length = size.usize("size")?;
    let length =
        i64::try_from(length).map_err(|_| size.out_of_range("size", "at most 2^63 - 1"))?;
    let options = options.options("options")?;
    let option = |name: &std::ffi::CStr, default: bool| match options {
        Some(options) => match options.property(name)?.optional() {
            Some(value) => value.boolean(&format!("options.{}", name.to_string_lossy())),
            None => Ok(default),
        },
        None => Ok(default),
    };
    let (seal, hugetlb) = (option(c"seal", true)?, option(c"hugetlb", false)?);
    create(&text, length, seal, hugetlb)
}

#[cfg(target_os = "linux")]
fn create(name: &std::ffi::CStr, length: i64, seal: bool, hugetlb: bool) -> Result<i32> {
    use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
    let check = |result: i32| match result {
        -1 => Err(std::io::Error::last_os_error()),
        result => Ok(result),
    };
    let mut flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    if hugetlb {
        flags |= libc::MFD_HUGETLB;
    }
    // SAFETY: the name ends with a zero.
    let file = check(unsafe { libc::memfd_create(name.as_ptr(), flags) })?;
    // SAFETY: the descriptor was just made and belongs to nobody else.
    let file = unsafe { OwnedFd::from_raw_fd(file) };
    // SAFETY: the calls take numbers.
    check(unsafe { libc::ftruncate(file.as_raw_fd(), length) })?;
    if seal {
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: as above.
        check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) })?;
    }
    Ok(file.into_raw_fd())
}

#[cfg(not(target_os = "linux"))]
fn create(_: &std::ffi::CStr, _: i64, _: bool, _: bool) -> Result<i32> {
    Err(crate::node::error::BindingError::unsupported(
        "There are no memfds on this platform",
    ))
}
