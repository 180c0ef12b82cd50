//! What leaves the program for people: notifications over channels, from a queue on disk.
//!
//! [`Office`] takes a notification, has it on disk before it says so, and sends it until the service took it,
//! refused it for good, or a day is over. Each channel has its own turn, so that one that hangs delays no other.
//! It does not decide who is told of what: that is the crate `alert`. Its bias is towards telling twice rather
//! than never: both copies carry the same key.
#![forbid(unsafe_code)]

mod client;
mod codec;
mod content;
mod custom;
mod failure;
mod guard;
mod kinds;
mod office;
mod post;
mod queue;
mod rate;
mod secret;
mod settings;
mod tls;
mod turns;

pub use failure::Failure;
pub use office::{Dead, DeliverError, FileToSend, Lane, Office, Offset, Outcome, Picture, Tell};
pub use post::{Login, Post, post};
pub use queue::PutError;
pub use rate::Rate;
pub use secret::{NoSecret, Reference};
pub use settings::{Kind, Need, Settings};
