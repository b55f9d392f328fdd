//! Memory that the process has freed and the C library keeps: given back to the system.

/// Gives freed memory back to the operating system. Takes as long as there is much of it; call it from a
/// thread that may wait.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: malloc_trim takes no pointer and is safe to call from any thread (malloc_trim(3)).
        #[allow(unsafe_code)]
        let _released = unsafe { libc::malloc_trim(0) };
    }
}
