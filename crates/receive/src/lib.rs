//! Logs that others send: syslog, OpenTelemetry, Loki's push, Elasticsearch's bulk, Splunk's event collector and
//! Beats' Lumberjack, each read into [`model::log::Line`]s and answered as its senders expect.
//!
//! What lines mean is not decided here: a line gets the time, severity and names that its protocol says, and is
//! handed on. Nothing of what is sent is trusted: every length, number and depth has a limit, and nothing is
//! acknowledged that is not kept. Bias: senders that come back with what was refused.
#![forbid(unsafe_code)]

pub mod access;
pub mod bulk;
pub mod desk;
mod draft;
pub mod expand;
pub mod hec;
mod json;
pub mod loki;
pub mod lumberjack;
pub mod otlp;
mod protobuf;
pub mod serve;
pub mod syslog;

pub use draft::Arrival;

/// Lines of one request; one with more is refused as a whole.
pub const LINES_MAX: usize = 100_000;

/// Why nothing of a request is taken, whatever its protocol.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// In words for its sender.
    #[error("{0}")]
    Malformed(String),
    #[error("more than {LINES_MAX} lines in one request, or too large ones; send fewer at a time")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read as _, path::PathBuf};

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

    /// The body of a captured message of HTTP, uncompressed.
    pub(crate) fn body(name: &str) -> Vec<u8> {
        let message = fixture(name);
        let end = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let body = &message[end + 4..];
        if !body.starts_with(&[0x1f, 0x8b]) {
            return body.to_vec();
        }
        let mut expanded = Vec::new();
        flate2::read::GzDecoder::new(body).read_to_end(&mut expanded).unwrap();
        expanded
    }

    pub(crate) fn fixture(name: &str) -> Vec<u8> {
        fs::read(folder().join(name)).unwrap()
    }
}
