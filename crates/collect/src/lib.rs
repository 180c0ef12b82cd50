//! Everything that modelwatch pulls: the host, the engines and what they say of themselves.
//!
//! A source is one file and one line in a table. Each runs under the same guard (deadline, caught
//! panic, state for the page), and nothing downstream knows which source a sample came from. This
//! crate never writes to what it watches and never sees the store: it hands batches and events to
//! the two sinks it is given. It is biased towards leaving a value out over guessing it.
#![deny(unsafe_code)]

mod collector;
mod container;
mod discovery;
mod engine;
mod failure;
mod guard;
mod host;
mod http;
mod listeners;
mod net;
mod process;
mod processes;
mod pulls;
mod remembered;
mod schedule;
mod sink;
mod source;
mod tls;

pub mod accelerator;
pub mod exposition;
pub mod inventory;
pub mod log;
pub mod probe;
pub mod scrape;

pub use collector::{Collector, EngineReport, EngineSetting, EngineState, Settings};
pub(crate) use failure::{Failure, FailureKind};
pub use http::{DEADLINE as ENGINE_DEADLINE, Secret, engine_url};
pub use listeners::holder_of;
pub use sink::Sinks;
pub use source::{Registry, SourceReport, SourceState};
pub(crate) use source::{SourceGroup, SourceHandle};
pub use tls::TlsSetting;
