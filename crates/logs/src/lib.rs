//! What log lines mean: which of them matter, what they say in plain words, and what to do.
//!
//! Pure: no I/O, no clock. Reading files, receiving and keeping lines are others' work.

mod join;
pub mod knowledge;
mod line;
mod patterns;
pub mod time;

pub use join::{Joiner, RECORD_BYTES_MAX, Record};
pub use line::{Line, parse, visible};
pub use patterns::{PATTERNS_MAX, Pattern, Patterns};
pub use time::Zone;
