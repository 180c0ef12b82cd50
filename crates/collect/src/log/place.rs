//! What tells a file from all others: its inode and a fingerprint of how it begins, and, for a place in it, the
//! bytes before that place. Names do not matter, and the number of a device may change with a restart of the
//! machine.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
};

use serde::{Deserialize, Serialize};

/// Most bytes of a head.
const HEAD_MAX: usize = 256;
/// Most bytes that are remembered of what is before a place.
pub(super) const TAIL_MAX: usize = 32;

/// Where a file is on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Inode {
    pub(super) device: u64,
    pub(super) number: u64,
}

impl Inode {
    pub(super) fn of(about: &Metadata) -> Self {
        Self { device: about.dev(), number: about.ino() }
    }
}

/// How a file begins: its first line, or as much of it as fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Head {
    length: usize,
    hash: u64,
}

impl Head {
    /// Absent while the first line is not complete.
    pub(super) fn read(file: &File) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEAD_MAX];
        let length = read_all(file, &mut bytes, 0)?;
        Ok(Self::of(bytes.get(..length).unwrap_or_default()))
    }

    /// Of the first bytes of a file.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEAD_MAX.min(bytes.len())).unwrap_or_default();
        let line = bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let length = line.or_else(|| (bytes.len() == HEAD_MAX).then_some(HEAD_MAX))?;
        Some(Self { length, hash: fingerprint(bytes.get(..length)?) })
    }

    /// The name of the file for everybody else; `generation` counts how often it was begun anew.
    pub(super) fn name(self, inode: Inode, generation: u32) -> String {
        let Inode { device, number } = inode;
        let name = format!("{device:x}:{number:x}:{:016x}", self.hash);
        if generation == 0 { name } else { format!("{name}:{generation}") }
    }
}

/// FNV-1a: the same on every machine and in every version, since it is kept.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The bytes before `offset`, at most [`TAIL_MAX`]; absent where the file is shorter.
pub(super) fn tail(file: &File, offset: u64) -> io::Result<Option<Vec<u8>>> {
    let length = usize::try_from(offset).unwrap_or(TAIL_MAX).min(TAIL_MAX);
    let mut bytes = vec![0; length];
    let got = read_all(file, &mut bytes, offset - length as u64)?;
    Ok((got == length).then_some(bytes))
}

/// Reads until the buffer is full or the file ends.
pub(super) fn read_all(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut length = 0;
    while let Some(room) = buffer.get_mut(length..).filter(|room| !room.is_empty()) {
        match file.read_at(room, offset.saturating_add(length as u64)) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn heads_do_not_change_as_a_file_grows() {
        let check = |text: &str, more: &str| {
            let whole = format!("{text}{more}");
            assert_eq!(Head::of(text.as_bytes()), Head::of(whole.as_bytes()), "{text}");
            assert!(Head::of(text.as_bytes()).is_some());
        };
        check("one\n", "two\n");
        check(&"x".repeat(256), "y\n");
        check("\n", "");
        assert_eq!(Head::of(b"no end"), None);
        assert_ne!(Head::of(b"a\n"), Head::of(b"b\n"));
        let name = Head::of(b"a\n").unwrap().name(Inode { device: 255, number: 16 }, 2);
        assert_eq!(name, "ff:10:089bdc07b544e7b2:2");
    }

    #[test]
    fn tails() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        assert_eq!(tail(&file, 4).unwrap().unwrap(), b"0123");
        assert_eq!(tail(&file, 0).unwrap().unwrap(), b"");
        assert_eq!(tail(&file, 11).unwrap(), None);
    }
}
