//! What log lines mean: which of them matter, what they say in plain words, and what to do.
//!
//! Pure: no I/O, no clock. Reading files, receiving and keeping lines are others' work.

mod access;
mod fields;
mod figures;
mod join;
pub mod knowledge;
mod line;
mod patterns;
pub mod pipeline;
mod reader;
mod time;

pub(crate) use fields::{ATTRIBUTE_BYTES_MAX, ATTRIBUTE_NAME_BYTES_MAX, ATTRIBUTES_MAX};
pub use figures::{Figure, figures};
pub use join::{Joiner, RECORD_BYTES_MAX, Record};
pub use line::{Line, parse, visible};
pub use patterns::{PATTERNS_MAX, Pattern, Patterns};
pub use reader::{Entry, LINE_BYTES_MAX, Reader, Told};
pub use time::Zone;
