//! Where collectors put what they found.

use std::{fmt, sync::Arc};

use model::{log::LogRecord, sample::Batch};

use crate::log::LineSink;

/// The ways out of this crate. The first two must return at once: the receiver queues, and counts what
/// it has to refuse. Lines may be waited for, since they are kept where they are until somebody has them.
#[derive(Clone)]
pub struct Sinks {
    pub batch: Arc<dyn Fn(Batch) + Send + Sync>,
    pub event: Arc<dyn Fn(LogRecord) + Send + Sync>,
    /// Absent where nobody keeps lines of logs; then none are read.
    pub lines: Option<Arc<dyn LineSink>>,
}

impl fmt::Debug for Sinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sinks")
    }
}
