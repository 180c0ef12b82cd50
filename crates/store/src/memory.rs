//! Giving memory back that is free and still with the process.
//!
//! The index is written by threads that come and go, and glibc keeps what each of them freed for the next one.
//! Other allocators give it back by themselves, so nothing is done for them.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(
        unsafe_code,
        reason = "the allocator is asked by a function of C; this is the one place"
    )
)]

/// Takes milliseconds, during which other threads may have to wait for memory.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: it takes no pointer, and any thread may call it at any time.
        unsafe { libc::malloc_trim(0) };
    }
}
