//! The one call of the C library that this crate makes: asking the kernel about its clock.
#![expect(unsafe_code, reason = "no safe interface to adjtimex(2) among our dependencies")]

use std::io;

/// What the kernel says of its clock, in the kernel's units, and the state that the call returns.
pub(super) fn read() -> io::Result<(libc::timex, i32)> {
    // SAFETY: `timex` is a plain structure of integers, for which zeros are valid. Without a bit in
    // `modes` the call changes nothing, needs no privileges, and only writes to the structure, which
    // outlives it.
    let (clock, state) = unsafe {
        let mut clock: libc::timex = std::mem::zeroed();
        let state = libc::adjtimex(&raw mut clock);
        (clock, state)
    };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((clock, state))
}
