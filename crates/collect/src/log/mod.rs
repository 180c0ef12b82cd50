//! Lines of logs: of the engines that were found, of the kernel, of who logged in, and of files that a person
//! named.
//!
//! One thread reads them all by turns and hands them to the [`LineSink`] with the place behind each line; what
//! the sink says is stored is where reading goes on, so that no line is lost or taken twice through rotation and
//! the death of this program. Lines are handed on as they are written: what they mean is not known here. Nothing
//! is written to what is watched, no program is started, and a file is never kept open long after it was
//! deleted. The bias is to take a line rather twice than not at all, where a file system tells too little.

mod cursor;
mod engines;
mod feed;
mod files;
mod glob;
mod history;
mod journal;
mod kernel;
mod place;
mod positions;
mod report;
mod siblings;
#[cfg(test)]
mod tests;
mod thread;
mod unwrap;

use std::{path::PathBuf, sync::Arc};

pub use glob::find as find_files;
pub(crate) use thread::start;

use model::{
    UnixMs,
    log::{Origin, Severity},
};

/// Lines of one file, in their order.
#[derive(Clone, Debug)]
pub struct Chunk {
    pub origin: Arc<Origin>,
    /// Tells the file from all others, whatever it is called by now.
    pub file: Arc<str>,
    /// None when the file has been quiet for a second.
    pub lines: Vec<RawLine>,
    pub read_at: UnixMs,
}

/// One line as it was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawLine {
    /// Without what ends the line, at most [`LINE_MAX`]; any bytes may be in it. An entry of the journal may have
    /// several lines.
    pub bytes: Vec<u8>,
    /// How many bytes more the line had.
    pub cut: u64,
    /// Offset of the byte behind the line: of a compressed file as if it were not, of the journal the sequence
    /// number of the entry, of the kernel's log the number behind that of the message.
    pub end: u64,
    /// Where the log itself says so for every line: journal, kernel, containers.
    pub time: Option<UnixMs>,
    pub severity: Option<Severity>,
    /// Under OpenTelemetry's names.
    pub attributes: Vec<(String, String)>,
}

/// Longest line that is kept whole, in bytes.
pub const LINE_MAX: usize = 1 << 20;

/// Nothing was taken; to be offered again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Takes lines and remembers how far it has come.
pub trait LineSink: Send + Sync {
    /// Takes lines; a chunk without lines says that the file has been quiet for a second, so that what is open
    /// can be completed. Returns the offset before which everything is stored.
    fn take(&self, chunk: &Chunk) -> Result<u64, Refused>;

    /// The newest offset of a file that is stored.
    fn stored(&self, file: &str) -> Option<u64>;
}

/// Which logs are followed.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether the logs of engines are looked for.
    pub discover: bool,
    /// Whether messages of the kernel are read.
    pub kernel: bool,
    /// Whether to read who logged in.
    pub auth: bool,
    pub files: Vec<LogFile>,
    /// Where positions are kept; without it every start begins anew.
    pub positions: Option<PathBuf>,
    pub limits: Limits,
}

/// Files that a person named.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogFile {
    /// May have wildcards, see [`glob`].
    pub path: String,
    pub service: String,
    pub engine: String,
    pub instance: String,
    pub from: From,
    pub is_compressed_history_read: bool,
}

/// Where reading begins in files that were there before a pattern was first looked for. A file that appears later
/// is read from its start: all of it is news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    Start,
    /// Old lines often do not say when they were written, and would be taken for news.
    #[default]
    End,
    /// Near the end: for logs that say for each line when it was written.
    Recent,
}

/// How fast one source may bring lines; what is more stays where it is until there is room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    pub lines_per_second: u64,
    pub bytes_per_second: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { lines_per_second: 20_000, bytes_per_second: 20_000_000 }
    }
}
