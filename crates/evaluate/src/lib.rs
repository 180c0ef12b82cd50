//! How fast and how well a model answers, found out by asking it.
//!
//! Everything here makes an engine work, so nothing here runs unless a person starts it, says whom to ask,
//! and is told first what will be sent. It knows no store and no page; what comes out are reports.
//! Bias: the client's view. Times are those at which bytes reached this process, folded by `dialect` as
//! the gateway does it, and where the generator itself was slow the report says so.
#![forbid(unsafe_code)]

pub mod bench;
pub mod client;
mod problem;
mod prompt;
mod random;
mod tls;

pub use problem::Problem;
pub use prompt::{Lengths, PromptFile, Prompts};
