//! Storage on the local disk: metrics now; what other data needs comes beside them.
//!
//! Every store here keeps one promise: what was acknowledged survives the death of the process, and
//! damage to a file costs only what was in the damaged part. None of them knows what its data means.

mod metrics;
mod varint;

use std::{fs::File, io, path::Path};

pub use metrics::{AppendError, Appended, Fsync, OpenError, Options, Recovery, Stats, Store};

/// Makes created, renamed and removed names in a folder survive a power failure.
fn fsync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
