//! Records that are mostly text, such as lines of logs: packed in blocks of columns, without an index of words.
//!
//! A part is a folder of files, each of them blocks and a directory of them at its end. A file is written whole,
//! synced, and named; it never changes. What few records became a small file is put together with its neighbours
//! later. In a block, bodies are taken apart into templates and values ([`template`]): what is asked about bodies is
//! asked once for each template, and only where values decide they are looked at. A Bloom filter tells blocks without
//! the words of a question.
//!
//! What it does not do: rank, or find a word without looking at each block. Its bias: cheap to write and small, and
//! fast where programs say the same things again and again.

mod bloom;
mod file;
mod find;
mod read;
mod sum;
mod template;
mod write;

pub use self::template::pattern;
pub(super) use self::{
    file::{Files, MERGE_FILES},
    read::Block,
    sum::{By, Code},
};

/// Most records of a block: their numbers in it fit into two bytes.
const ROWS_MAX: usize = 65_535;
/// A block is closed when its records, encoded, are so large.
const BYTES_MAX: usize = 8 << 20;
/// The pattern of a body that is not taken apart is its beginning.
const WHOLE_PATTERN_BYTES: usize = 120;

/// Where a column of a block is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Frame {
    /// In its file.
    at: u64,
    bytes: u32,
    /// Unpacked.
    raw: u32,
    crc: u32,
}

/// What is known of a block without reading it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    pub(super) rows: u32,
    /// First and last time of its records.
    pub(super) times: (i64, i64),
    /// Rows from which on the numbers of records go up by one.
    runs: Vec<(u32, u64)>,
    frames: Vec<Frame>,
}

/// The order of a block's frames; columns of counts and then values follow.
const DICTIONARY: usize = 0;
const TIMES: usize = 1;
const STREAMS: usize = 2;
const TEMPLATES: usize = 3;
const BLOOM: usize = 4;
const COUNTS: usize = 5;

impl Head {
    fn number(&self, row: u32) -> u64 {
        let at = self.runs.partition_point(|(first, _)| *first <= row);
        let run = at.checked_sub(1).and_then(|at| self.runs.get(at));
        run.map_or(0, |(first, number)| number + u64::from(row - first))
    }

    /// The number of its newest record.
    fn last_number(&self) -> u64 {
        let ends = self.runs.iter().skip(1).map(|(row, _)| *row).chain([self.rows]);
        let last = |((first, number), end): (&(u32, u64), u32)| {
            number + u64::from(end.saturating_sub(*first)).saturating_sub(1)
        };
        self.runs.iter().zip(ends).map(last).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
