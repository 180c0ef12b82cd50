//! The real process among real engines and hostile peers. One binary, so that it is linked once.
#![expect(clippy::expect_used, reason = "a test may")]

mod access;
mod agent;
mod alarms;
mod bench;
mod compat;
mod described;
mod differential;
mod engine;
mod explain;
mod gateway;
mod gateway_vllm;
mod hostile;
mod incidents;
mod live;
mod logs;
mod node_exporter;
mod notify;
mod ollama;
mod pipeline;
mod prometheus;
mod query;
mod receive;
mod reports;
mod rules;
mod scrape;
mod start;
mod storage;
mod top;
mod transfer;
mod vllm;
mod wire;
mod write;
