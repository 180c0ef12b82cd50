//! Logs that others send: syslog, OpenTelemetry, Loki's push, Elasticsearch's bulk, Splunk's event collector and
//! Beats' Lumberjack, each read into [`model::log::Line`]s and answered as its senders expect.
//!
//! What lines mean is not decided here: a line gets the time, severity and names that its protocol says, and is
//! handed on. Nothing of what is sent is trusted: every length, number and depth has a limit, and nothing is
//! acknowledged that is not kept. Bias: senders that come back with what was refused.
#![forbid(unsafe_code)]

mod draft;
pub mod syslog;

pub use draft::{ATTRIBUTES_MAX, Arrival, BODY_BYTES_MAX, CUT, VALUE_BYTES_MAX};

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    fn folder() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
    }

    /// Names of the captures of a protocol, sorted.
    pub(crate) fn fixtures(protocol: &str) -> Vec<String> {
        let entries = fs::read_dir(folder().join(protocol)).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| format!("{protocol}/{}", name(entry.unwrap()))).collect();
        names.sort();
        assert!(!names.is_empty(), "no captures of {protocol}");
        names
    }

    pub(crate) fn fixture(name: &str) -> Vec<u8> {
        fs::read(folder().join(name)).unwrap()
    }
}
