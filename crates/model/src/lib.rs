//! The vocabulary of modelwatch: what every crate means by a label set, a sample, a log record, a
//! point in time, and which metrics and messages exist.
//!
//! It does no I/O, knows no async runtime and no serialisation format, and depends on nothing but a
//! regular-expression engine. It is biased towards few, plain types with public fields.
#![forbid(unsafe_code)]

mod labels;
mod time;

pub mod alert;
pub mod catalogue;
pub mod detail;
pub mod exchange;
pub mod histogram;
pub mod limits;
pub mod log;
pub mod message;
pub mod sample;
pub mod series;
pub mod span;

pub use labels::{Labels, LabelsBuilder, NAME};
pub use time::{Clock, UnixMs, civil_from_days, days_from_civil, parse_rfc3339};
