//! New messages of the kernel from `/dev/kmsg`, for errors that drivers write there.
//!
//! It begins at the end of the log, so that what happened before is not taken for news, never waits, and
//! takes a bounded number of messages at a time. Where `kernel.dmesg_restrict` is 1 it needs
//! CAP_SYSLOG. Only what the kernel wrote counts: a process may write into the log too, and its messages
//! carry another facility.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

/// Reads of one call; each gives one message, a regular file gives many.
const READS_MAX: usize = 512;

/// Longest message; the kernel's own limit is 1 KiB and its fields.
const MESSAGE_MAX: usize = 8 * 1024;

/// The log, from now on.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    /// The begin of a line whose end was not there yet.
    rest: Vec<u8>,
    buffer: Vec<u8>,
}

impl Log {
    /// Opens the log. A regular file, which a test gives, is read from its begin.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let no_wait = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
        let mut file = File::options().read(true).custom_flags(no_wait).open(path)?;
        if file.metadata()?.file_type().is_char_device() {
            file.seek(SeekFrom::End(0))?;
        }
        Ok(Self { file, rest: Vec::new(), buffer: vec![0; MESSAGE_MAX] })
    }

    /// Hands the text of each new message of the kernel to `take`.
    pub(super) fn read(&mut self, mut take: impl FnMut(&str)) {
        for _ in 0..READS_MAX {
            match self.file.read(&mut self.buffer) {
                Ok(0) => return,
                Ok(length) => self.rest.extend_from_slice(self.buffer.get(..length).unwrap_or(&[])),
                // Messages were overwritten before we came; the next read goes on with the oldest.
                Err(error)
                    if error.raw_os_error() == Some(rustix::io::Errno::PIPE.raw_os_error()) => {}
                Err(_) => return,
            }
            let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
                if self.rest.len() > MESSAGE_MAX {
                    self.rest.clear();
                }
                continue;
            };
            let whole = self.rest.drain(..=end).collect::<Vec<u8>>();
            for line in String::from_utf8_lossy(&whole).lines() {
                if let Some(text) = of_kernel(line) {
                    take(text);
                }
            }
        }
    }
}

/// The text of a record `priority,sequence,microseconds,flags;text` whose facility is the kernel's.
fn of_kernel(line: &str) -> Option<&str> {
    let (fields, text) = line.split_once(';')?;
    let priority: u32 = fields.split(',').next()?.parse().ok()?;
    (priority < 8).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn texts(log: &mut Log) -> Vec<String> {
        let mut texts = Vec::new();
        log.read(|text| texts.push(text.to_owned()));
        texts
    }

    #[test]
    fn records_are_read_once_and_only_the_kernel_is_believed() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"3,1,5,-;one\n SUBSYSTEM=pci\n12,2,6,-;forged\nno record\n4,3,7,-;tw")
            .unwrap();
        let mut log = Log::open(file.path()).unwrap();
        assert_eq!(texts(&mut log), ["one"]);
        assert_eq!(texts(&mut log), Vec::<String>::new());
        file.write_all(b"o\n").unwrap();
        assert_eq!(texts(&mut log), ["two"]);
    }

    #[test]
    fn an_endless_line_is_dropped() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![b'x'; 100 * MESSAGE_MAX]).unwrap();
        file.write_all(b"\n3,1,5,-;after\n").unwrap();
        let mut log = Log::open(file.path()).unwrap();
        assert_eq!(texts(&mut log), ["after"]);
        assert!(log.rest.capacity() <= 8 * MESSAGE_MAX);
    }
}
