//! Asks the kernel whether a page is there, without a signal.

use std::ffi::c_void;
use std::ptr;

/// What a fault was about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    Read,
    Write,
}

/// What the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    There,
    Lost,
    /// It does not say: an old kernel, or one that was told not to.
    Unknown,
}

fn errno() -> i32 {
    // SAFETY: the place of this thread's errno is always there.
    unsafe { *libc::__errno_location() }
}

/// Asks for the page at an address, as the attempt would. Signal-safe: system calls alone.
///
/// A page may be readable and not writable: a hole in a file whose file system is full. So a write is asked for as one;
/// `MADV_POPULATE_WRITE` does that without changing a byte.
pub fn ask(page: usize, length: usize, attempt: Attempt) -> Answer {
    let advice = match attempt {
        Attempt::Read => libc::MADV_POPULATE_READ,
        Attempt::Write => libc::MADV_POPULATE_WRITE,
    };
    let start: *mut c_void = ptr::with_exposed_provenance_mut(page);
    // SAFETY: the page belongs to a mapping that the caller has pinned; the call changes no byte of it.
    if unsafe { libc::madvise(start, length, advice) } == 0 {
        return Answer::There;
    }
    match errno() {
        // The kernel knows no such advice (before 5.14), or a filter of system calls refuses it.
        libc::EINVAL | libc::EPERM | libc::ENOSYS => ask_by_copy(page, attempt),
        libc::EFAULT | libc::EHWPOISON => Answer::Lost,
        // There is no memory at the moment: the access finds out by itself.
        _ => Answer::There,
    }
}

/// Asks by a copy of one byte, which the kernel does without a signal. That tells nothing of writes.
fn ask_by_copy(page: usize, attempt: Attempt) -> Answer {
    let mut byte = 0_u8;
    let local = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    let remote = libc::iovec {
        iov_base: ptr::with_exposed_provenance_mut(page),
        iov_len: 1,
    };
    // SAFETY: the byte is there for the call, which checks the other address by itself.
    let read = unsafe {
        libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0)
    };
    match read {
        1 if attempt == Attempt::Read => Answer::There,
        1 => Answer::Unknown,
        _ if errno() == libc::EFAULT => Answer::Lost,
        _ => Answer::Unknown,
    }
}

/// Returns whether the fault of a signal was a write. What does not tell is taken for a write if that is permitted.
///
/// # Safety
///
/// `context` is the third argument of a handler.
pub unsafe fn attempt_of(context: *const c_void, prot: i32) -> Attempt {
    // SAFETY: the caller's promise.
    match unsafe { is_write(context.cast()) } {
        Some(true) => Attempt::Write,
        None if prot & libc::PROT_WRITE != 0 => Attempt::Write,
        _ => Attempt::Read,
    }
}

/// Returns what the processor has told: bit 1 of the error code of a page fault.
#[cfg(target_arch = "x86_64")]
#[expect(clippy::unnecessary_wraps, reason = "other processors do not tell")]
unsafe fn is_write(context: *const libc::ucontext_t) -> Option<bool> {
    const ERROR_CODE: usize = 19;
    // SAFETY: the caller's promise. The registers come first in the machine context, whose C declaration hides them with
    // some libraries.
    let code = unsafe {
        (&raw const (*context).uc_mcontext)
            .cast::<u64>()
            .add(ERROR_CODE)
            .read_unaligned()
    };
    Some(code & 2 != 0)
}

/// Returns what the processor has told: bit 6 of the syndrome of a data abort, which is a record behind the registers.
#[cfg(target_arch = "aarch64")]
unsafe fn is_write(context: *const libc::ucontext_t) -> Option<bool> {
    const RECORDS: usize = 288;
    const LENGTH: usize = 4096;
    const SYNDROME: u32 = 0x4553_5201;
    // SAFETY: the caller's promise. The kernel's `sigcontext` has 4096 bytes of records at this place.
    let records = unsafe {
        (&raw const (*context).uc_mcontext)
            .cast::<u8>()
            .add(RECORDS)
    };
    let mut offset = 0;
    while offset + 16 <= LENGTH {
        // SAFETY: within the records.
        let [magic, size] = unsafe { records.add(offset).cast::<[u32; 2]>().read_unaligned() };
        match magic {
            0 => return None,
            SYNDROME => {
                // SAFETY: as above.
                let syndrome = unsafe { records.add(offset + 8).cast::<u64>().read_unaligned() };
                return Some(syndrome & (1 << 6) != 0);
            }
            _ if size < 8 => return None,
            _ => offset += size as usize,
        }
    }
    None
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn is_write(_: *const libc::ucontext_t) -> Option<bool> {
    None
}
