//! Storage on the local disk: metrics and events.
//!
//! Every store here keeps one promise: what was acknowledged survives the death of the process, and
//! damage to a file costs only what was in the damaged part. None of them knows what its data means.

mod disk;
pub mod events;
mod memory;
mod metrics;
mod segment;
mod store;
mod varint;
mod wall;

pub use metrics::{
    AppendError, Appended, Damage, Fsync, Metrics, OpenError, Options, Problem, Recovery, Repaired,
    Report, Stats, is_store,
};
pub use store::{Store, repair, verify};
