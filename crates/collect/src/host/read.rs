//! Reading small kernel files cheaply: the descriptor stays open, one `pread`, one buffer that is kept.
//!
//! Kept descriptors cost a third of opening each time (measured), and a kept descriptor of a process
//! that ended fails instead of showing its pid's next owner.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use crate::{Failure, FailureKind};

/// Largest kernel file that is read. `/proc/stat` of a machine with 1,024 CPUs has about 200 KiB.
const FILE_BYTES_MAX: usize = 4 << 20;
/// First size of a file's buffer; it grows with the file. Most of them are smaller.
const BUFFER_BYTES: usize = 4 << 10;

/// More of a text than this is not read.
const TEXT_BYTES_MAX: u64 = 64 << 10;

/// A kernel file that stays open.
#[derive(Debug)]
pub(super) struct Kept {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
}

impl Kept {
    pub(super) fn open(root: &Path, path: &str) -> Result<Self, Failure> {
        let path = root.join(path.trim_start_matches('/'));
        let file = File::open(&path).map_err(|error| Failure::from_io(path.display(), &error))?;
        Ok(Self { file, path, buffer: Vec::new() })
    }

    /// The whole content as of now.
    pub(super) fn read(&mut self) -> Result<&[u8], Failure> {
        if self.buffer.is_empty() {
            self.buffer.resize(BUFFER_BYTES, 0);
        }
        let mut length = 0;
        loop {
            if length == self.buffer.len() {
                if length >= FILE_BYTES_MAX {
                    let detail = format!("{}: more than {length} bytes", self.path.display());
                    return Err(Failure::new(FailureKind::TooLarge, detail));
                }
                self.buffer.resize(length * 2, 0);
            }
            let count = rustix::io::pread(&self.file, &mut self.buffer[length..], length as u64)
                .map_err(|error| Failure::from_io(self.path.display(), &error.into()))?;
            length += count;
            // Kernel files arrive in pieces of whole lines; a last line without its end means more.
            let is_whole = length < self.buffer.len() && self.buffer[..length].ends_with(b"\n");
            if count == 0 || is_whole {
                return Ok(&self.buffer[..length]);
            }
        }
    }
}

/// The lines of a file.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// The blank-separated words of a line.
pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

/// An unsigned number, or `None` when the word is none or too large.
pub(super) fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A number with a sign and a fraction.
pub(super) fn float(word: &[u8]) -> Option<f64> {
    std::str::from_utf8(word).ok()?.parse().ok().filter(|value: &f64| value.is_finite())
}

/// The text of a small file without blanks at its ends; of a large one, its beginning.
pub(super) fn lone_text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(TEXT_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let check = |word: &str, expected| assert_eq!(number(word.as_bytes()), expected, "{word}");
        check("0", Some(0));
        check("18446744073709551615", Some(u64::MAX));
        for bad in ["", "-1", "1x", "18446744073709551616", "1.5"] {
            check(bad, None);
        }
        assert_eq!(float(b"-1.25"), Some(-1.25));
        assert_eq!(float(b"NaN"), None);
    }

    #[test]
    fn large_files_are_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let text = "0123456789\n".repeat(10_000);
        std::fs::write(folder.path().join("big"), &text).unwrap();
        let mut file = Kept::open(folder.path(), "/big").unwrap();
        assert_eq!(file.read().unwrap(), text.as_bytes());
        assert_eq!(file.read().unwrap(), text.as_bytes());
    }
}
