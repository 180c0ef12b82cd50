//! The binary: command line, configuration, the topology, the API and the page.
//!
//! This is the only crate that knows them. It decides nothing about data: collecting, storing and
//! evaluating live in their own crates.
#![forbid(unsafe_code)]

mod api;
mod cli;
mod config;
mod events;
mod export;
mod ingest;
mod own;
mod verdict;
mod wire;
mod writer;

fn main() -> std::process::ExitCode {
    cli::main()
}
