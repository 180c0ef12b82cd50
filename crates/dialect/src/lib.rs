//! The request and answer formats of model servers, read from bytes: which API a request asks, what it
//! asks for, and what a response was, event by event.
//!
//! Nothing here does I/O, knows a clock or waits: bytes and times (since a start that the caller chose)
//! go in, facts come out. Nothing is re-serialised, so whoever forwards the bytes forwards them unchanged.
//! Bias: what an engine sends outside the shapes it documents is counted, never guessed at, and nothing
//! that is sent makes this panic or keep more than the documented limits.

mod api;
mod event;
mod fold;
pub mod frame;
mod gaps;
mod loose;
mod multipart;
mod peek;
mod shapes;
mod summary;
pub mod usage;

pub use api::{Api, Dialect};
pub use fold::Fold;
pub use gaps::Gaps;
pub use peek::{Peek, PeekError, peek};
pub use summary::{Choice, Count, End, Engine, Kept, Outcome, Reported, Summary, Tokens, ToolCall};
