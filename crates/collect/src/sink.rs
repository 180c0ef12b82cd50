//! Where collectors put what they found.

use std::{fmt, sync::Arc};

use model::{log::LogRecord, sample::Batch};

/// The two ways out of this crate. Both must return at once: the receiver queues, and counts what
/// it has to refuse.
#[derive(Clone)]
pub struct Sinks {
    pub batch: Arc<dyn Fn(Batch) + Send + Sync>,
    pub event: Arc<dyn Fn(LogRecord) + Send + Sync>,
}

impl fmt::Debug for Sinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sinks")
    }
}
