//! The binary: command line, configuration, the topology, the API and the page.
//!
//! This is the only crate that knows them. It decides nothing about data: collecting, storing and
//! evaluating live in their own crates.
#![forbid(unsafe_code)]

mod agent;
mod alarms;
mod api;
mod cli;
mod config;
mod diagnosis;
mod events;
mod exchanges;
mod export;
mod ingest;
mod latest;
mod limits;
mod lines;
mod own;
mod receivers;
mod reports;
mod upstreams;
mod verdict;
mod whole;
mod wire;
mod writer;
mod zone;

/// Freed memory that the allocator may keep, in all about twice this, instead of asking the kernel for it
/// again with the next query.
const MEMORY_KEPT_BYTES: usize = 8 << 20;

fn main() -> std::process::ExitCode {
    // glibc raises its limits to what it sees freed; other allocators take no notice.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(MEMORY_KEPT_BYTES)));
    cli::main()
}
