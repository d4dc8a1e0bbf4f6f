//! A barrier that a thread makes for all threads of the process (membarrier(2)).
//!
//! JavaScript has no barriers that are cheap enough for each `memory()`. So the few who wait for guards make them for all others,
//! which takes some microseconds: from then on, they see what each thread had written, and each thread reads what they had.

#[cfg(target_os = "linux")]
mod system {
    use std::sync::OnceLock;

    /// `MEMBARRIER_CMD_PRIVATE_EXPEDITED`, and what says first that it will be used.
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER: libc::c_int = 1 << 4;

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes numbers alone.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    pub fn is_available() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        // Since Linux 4.14; a sandbox may forbid it.
        *REGISTERED.get_or_init(|| membarrier(REGISTER) && membarrier(PRIVATE_EXPEDITED))
    }

    pub fn in_all_threads() {
        membarrier(PRIVATE_EXPEDITED);
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub fn is_available() -> bool {
        false
    }

    pub fn in_all_threads() {}
}

/// Makes a barrier in all threads. It is one only where it is available.
pub use system::in_all_threads;
/// Tells whether there are such barriers.
pub use system::is_available;
