//! What PromQL means, shown by scripts, by laws and by hostile queries.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test may")]

mod conformance;
mod costs;
mod hostile;
mod laws;
mod own;
mod script;
