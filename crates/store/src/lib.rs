//! Storage on the local disk: metrics now; what other data needs comes beside them.
//!
//! Every store here keeps one promise: what was acknowledged survives the death of the process, and
//! damage to a file costs only what was in the damaged part. None of them knows what its data means.

mod disk;
mod metrics;
mod segment;
mod varint;
mod wall;

pub use metrics::{
    AppendError, Appended, Damage, Fsync, OpenError, Options, Problem, Recovery, Repaired, Report,
    Stats, Store, is_store, repair, verify,
};
