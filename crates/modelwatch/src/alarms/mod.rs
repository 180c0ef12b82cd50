//! Alarms: rules that are evaluated, and what becomes of the alerts that they give.
//!
//! What a rule means is in the crate `alert`, what a service wants to be told in the crate `deliver`; here is what
//! runs them over the store.

pub(crate) mod alertmanagers;
pub(crate) mod channels;
pub(crate) mod detect;
pub(crate) mod incidents;
pub(crate) mod objectives;
pub(crate) mod picture;
pub(crate) mod rules;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a lock guards, also after a thread panicked that held it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
