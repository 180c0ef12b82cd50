//! The file in which changes are kept: a line of text for all that belongs together, a checksum before it.
//!
//! A line that was cut off by the end of the program is taken away when the file is opened; one that is damaged is
//! left out and counted. When the file has grown to twice what it has to hold it is written anew beside itself and
//! takes its own place. Not for several writers: whoever opens the file must be the only one.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::record::{Kept, Record};

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Below this size no file is written anew.
const COMPACT_BYTES_MIN: u64 = 4 << 20;

#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// Up to where the file is good.
    bytes: u64,
    /// What it had when it was written anew.
    compact_bytes: u64,
    /// Whether something may stand behind what is good.
    has_rest: bool,
}

/// What a file held.
#[derive(Debug)]
pub struct Opened {
    pub journal: Journal,
    pub kept: Kept,
    /// Lines that could not be read.
    pub damaged: usize,
}

impl Journal {
    /// Opens a file or begins one. Its folder must be there.
    pub fn open(path: &Path) -> io::Result<Opened> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = file.open(path)?;
        let length = file.metadata()?.len();
        if length > FILE_BYTES_MAX {
            let text = format!("more than {FILE_BYTES_MAX} bytes: move {} away", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let mut reader = BufReader::new(&file);
        let (mut kept, mut damaged, mut bytes) = (Kept::default(), 0, 0_u64);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            // Without its end a line was cut off.
            let Some(text) = line.strip_suffix(b"\n") else { break };
            match read(text) {
                Some(records) => records.into_iter().for_each(|record| kept.apply(record)),
                None => damaged += 1,
            }
            bytes += line.len() as u64;
            line.clear();
        }
        let has_rest = bytes < length;
        let path = path.to_owned();
        let mut journal = Self { file, path, bytes, compact_bytes: bytes, has_rest };
        journal.settle()?;
        Ok(Opened { journal, kept, damaged })
    }

    /// Keeps some records together. When it returns they will be there after any end of the program.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        self.settle()?;
        let line = write(records)?;
        self.has_rest = true;
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.has_rest = false;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Takes away what stands behind what is good: part of a line that was not kept.
    fn settle(&mut self) -> io::Result<()> {
        if self.has_rest {
            self.file.set_len(self.bytes)?;
            self.has_rest = false;
        }
        self.file.seek(SeekFrom::Start(self.bytes)).map(drop)
    }

    /// Whether much of the file is out of date.
    pub fn is_due(&self) -> bool {
        self.bytes > COMPACT_BYTES_MIN.max(self.compact_bytes.saturating_mul(2))
    }

    /// Begins the file anew with all that is kept ([`Kept::records`]).
    pub fn compact(&mut self, whole: &[Record]) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut options = File::options();
        let mut file =
            options.read(true).write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        let mut bytes = 0;
        for records in whole.chunks(1_000) {
            let line = write(records)?;
            file.write_all(&line)?;
            bytes += line.len() as u64;
        }
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        (self.file, self.bytes, self.compact_bytes, self.has_rest) = (file, bytes, bytes, false);
        Ok(())
    }
}

fn write(records: &[Record]) -> io::Result<Vec<u8>> {
    let text = serde_json::to_vec(records)?;
    let mut line = format!("{:08x} ", crc32c::crc32c(&text)).into_bytes();
    line.extend(text);
    line.push(b'\n');
    Ok(line)
}

fn read(line: &[u8]) -> Option<Vec<Record>> {
    let (sum, text) = line.split_at_checked(9)?;
    let sum = std::str::from_utf8(sum.strip_suffix(b" ")?).ok()?;
    let is_whole = u32::from_str_radix(sum, 16).ok()? == crc32c::crc32c(text);
    is_whole.then(|| serde_json::from_slice(text).ok()).flatten()
}
