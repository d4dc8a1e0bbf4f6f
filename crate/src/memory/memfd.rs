//! Anonymous files, as Linux makes them.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Passes on the result of a system call.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// Makes an empty file, closed by exec(2).
pub fn create(name: &CStr, flags: libc::c_uint) -> io::Result<OwnedFd> {
    // SAFETY: the name ends with a zero.
    let fd = check(unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | flags) })?;
    // SAFETY: the descriptor was just made and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets the length of a file.
pub fn set_length(file: BorrowedFd, length: libc::off_t) -> io::Result<()> {
    // SAFETY: the call takes numbers.
    check(unsafe { libc::ftruncate(file.as_raw_fd(), length) }).map(drop)
}

/// Takes memory for all of a file from the host.
pub fn reserve(file: BorrowedFd, length: libc::off_t) -> io::Result<()> {
    // The call has nothing to do for an empty file, and says that this is no right length.
    if length == 0 {
        return Ok(());
    }
    // What the host can never give is refused at once: of ordinary pages, the kernel would first take all that there
    // are, and end some process.
    if u64::try_from(length).is_ok_and(|length| length > host_memory()) {
        return Err(io::Error::from_raw_os_error(libc::ENOMEM));
    }
    loop {
        // SAFETY: the call takes numbers.
        match check(unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) }) {
            // A signal, as of a profiler, has come between. Pages that were taken are kept.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(drop),
        }
    }
}

/// Returns how many bytes of memory the host has, swap included.
fn host_memory() -> u64 {
    let mut facts = MaybeUninit::<libc::sysinfo>::uninit();
    // SAFETY: there is room for the answer.
    if unsafe { libc::sysinfo(facts.as_mut_ptr()) } == -1 {
        return u64::MAX;
    }
    // SAFETY: the call has succeeded.
    let facts = unsafe { facts.assume_init() };
    let units = u128::from(facts.totalram) + u128::from(facts.totalswap);
    u64::try_from(units * u128::from(facts.mem_unit)).unwrap_or(u64::MAX)
}

/// Forbids to shrink and to grow a file, and to change this.
pub fn seal(file: BorrowedFd) -> io::Result<()> {
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: the call takes numbers.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }).map(drop)
}
