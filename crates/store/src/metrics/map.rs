//! Files mapped into memory, read-only.
#![expect(unsafe_code, reason = "mapping a file is unsafe by nature; this is the one place")]

use std::{fs::File, io, ops::Deref, path::Path};

/// A whole file as bytes.
#[derive(Debug)]
pub(crate) struct Mapped(memmap2::Mmap);

impl Mapped {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: blocks are written under another name, renamed when complete and never changed
        // afterwards; the data directory is locked against other writers of ours. Somebody else who
        // truncates a block while we run can crash us, as with any mapped file.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(Self(map))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
