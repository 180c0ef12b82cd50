//! Messages of the kernel from `/dev/kmsg`, each once for each boot.
//!
//! The device keeps what fits its ring; what was overwritten before it was read is counted. It says how long
//! after boot a message was written, by a clock that stands still while the machine sleeps: then times are too
//! early. What processes write there is left out, since anybody who may could forge the kernel's words. Where
//! `kernel.dmesg_restrict` is 1 it needs CAP_SYSLOG. Format: the kernel's `Documentation/ABI/testing/dev-kmsg`.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use model::{
    UnixMs,
    log::{Origin, Severity},
};

use super::{
    Limits, LineSink, RawLine,
    feed::{Counts, Feed},
    files::{Now, Round},
};
use crate::Failure;

/// How often the device is asked for new messages.
const PERIOD: Duration = Duration::from_secs(1);
/// How soon again while there are more.
const AGAIN: Duration = Duration::from_millis(10);
/// Longest record; the kernel's own limit is 8 KiB.
const RECORD_MAX: usize = 16 * 1024;
/// Most facts of a message that are kept.
const FACTS_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct Kernel {
    file: File,
    root: std::path::PathBuf,
    feed: Feed,
    buffer: Vec<u8>,
    /// The begin of a record whose end was not read yet; only of a regular file, which tests give.
    rest: Vec<u8>,
    /// Messages before this number are known.
    next: u64,
    /// The number that follows the last one that was seen.
    expected: Option<u64>,
    /// Messages that were overwritten before they were read.
    pub(super) skipped: u64,
    due: Duration,
}

/// One record.
#[derive(Debug, PartialEq)]
struct Record {
    priority: u32,
    sequence: u64,
    micros: u64,
    text: Vec<u8>,
    facts: Vec<(String, String)>,
}

impl Kernel {
    /// Goes on behind what is stored of this boot.
    pub(super) fn open(
        root: &Path,
        host: &str,
        saved: &dyn Fn(&str) -> Option<u64>,
        sink: &dyn LineSink,
        limits: Limits,
    ) -> Result<Self, Failure> {
        let path = root.join("dev/kmsg");
        let no_wait = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = File::options().read(true).custom_flags(no_wait).open(&path);
        let mut file = file.map_err(|error| Failure::from_io(path.display(), &error))?;
        // Whether it may be read only reading tells.
        let mut buffer = vec![0; RECORD_MAX];
        let first = match file.read(&mut buffer) {
            Ok(length) => buffer.get(..length).unwrap_or_default().to_vec(),
            Err(error) if is_passing(&error) => Vec::new(),
            Err(error) => return Err(Failure::from_io(path.display(), &error)),
        };
        let boot = fs::read_to_string(root.join("proc/sys/kernel/random/boot_id"));
        let boot = boot.map_err(|error| Failure::from_io("boot_id", &error))?;
        let name = format!("kmsg:{}", boot.trim());
        let next = saved(&name).max(sink.stored(&name)).unwrap_or(0);
        let origin = Arc::new(Origin {
            source: "kernel".into(),
            origin: "/dev/kmsg".into(),
            host: host.into(),
            service: "kernel".into(),
            ..Origin::default()
        });
        Ok(Self {
            file,
            root: root.to_owned(),
            feed: Feed::new(name.into(), origin, next, limits),
            buffer,
            rest: first,
            next,
            expected: (next > 0).then_some(next),
            skipped: 0,
            due: Duration::ZERO,
        })
    }

    /// Reads what is new, and hands it on.
    pub(super) fn turn(&mut self, sink: &dyn LineSink, now: Now) -> Result<Round, Failure> {
        if now.monotonic < self.due {
            return Ok(Round::Until(self.due));
        }
        if !self.feed.offer(sink, now.wall, now.monotonic) {
            return Ok(Round::Refused);
        }
        let mut is_end = false;
        if let Some(room) = self.feed.room(now.monotonic) {
            let mut lines = Vec::new();
            // Only what was asked for first is looked at again without a read.
            self.parse(now, &mut lines);
            while lines.len() < room.lines && !is_end {
                is_end = self.read()?;
                self.parse(now, &mut lines);
            }
            self.feed.put(lines, now.wall, now.monotonic);
        }
        let was_taken = self.feed.offer(sink, now.wall, now.monotonic);
        self.due = now.monotonic + if is_end { PERIOD } else { AGAIN };
        Ok(if was_taken { Round::Until(self.due) } else { Round::Refused })
    }

    /// Reads one record, or as much as fits of a regular file; returns whether there is nothing more.
    fn read(&mut self) -> Result<bool, Failure> {
        match self.file.read(&mut self.buffer) {
            Ok(0) => Ok(true),
            Ok(length) => {
                self.rest.extend_from_slice(self.buffer.get(..length).unwrap_or_default());
                Ok(false)
            }
            // Messages were overwritten before we came; the next read goes on with the oldest.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => Ok(false),
            Err(error) if is_passing(&error) => Ok(true),
            Err(error) => Err(Failure::from_io("/dev/kmsg", &error)),
        }
    }

    /// Takes complete records out of what was read.
    fn parse(&mut self, now: Now, lines: &mut Vec<RawLine>) {
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            if self.rest.len() > RECORD_MAX {
                self.rest.clear();
            }
            return;
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        let boot = boot_time(&self.root, now.wall);
        for record in records(&whole) {
            if let Some(expected) = self.expected {
                self.skipped += record.sequence.saturating_sub(expected);
            }
            self.expected = Some(record.sequence + 1);
            // Only the kernel is believed, whose facility is 0.
            if record.sequence < self.next || record.priority >= 8 {
                continue;
            }
            let millis = i64::try_from(record.micros / 1_000).unwrap_or(i64::MAX);
            lines.push(RawLine {
                bytes: record.text,
                cut: 0,
                end: record.sequence + 1,
                time: boot.map(|boot| UnixMs(boot.0.saturating_add(millis))),
                severity: severity(record.priority),
                attributes: record.facts,
            });
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.feed.file
    }

    pub(super) fn stored(&self) -> u64 {
        self.feed.stored()
    }

    pub(super) fn counts(&self) -> Counts {
        self.feed.counts
    }

    pub(super) fn origin(&self) -> &Arc<Origin> {
        &self.feed.origin
    }
}

/// Nothing is there now, or the wait for it was broken off.
fn is_passing(error: &io::Error) -> bool {
    let is_lost = error.raw_os_error() == Some(libc::EPIPE);
    is_lost || matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// When the machine started, by how long it has been up.
fn boot_time(root: &Path, now: UnixMs) -> Option<UnixMs> {
    let text = fs::read_to_string(root.join("proc/uptime")).ok()?;
    let up: f64 = text.split(' ').next()?.parse().ok()?;
    let up = Duration::try_from_secs_f64(up).ok()?;
    Some(now - up)
}

/// The severity of a priority as syslog counts them.
pub(super) fn severity(priority: u32) -> Option<Severity> {
    match priority & 7 {
        0..=2 => Some(Severity::Fatal),
        3 => Some(Severity::Error),
        4 => Some(Severity::Warn),
        5 | 6 => Some(Severity::Info),
        _ => Some(Severity::Debug),
    }
}

/// The records in whole lines; facts follow their record on lines that begin with a blank.
fn records(text: &[u8]) -> Vec<Record> {
    let mut found: Vec<Record> = Vec::new();
    let mut is_of_last = false;
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(fact) = line.strip_prefix(b" ") {
            if let (true, Some(record)) = (is_of_last, found.last_mut()) {
                record.facts.extend(fact_of(fact).filter(|_| record.facts.len() < FACTS_MAX));
            }
            continue;
        }
        let record = record(line);
        is_of_last = record.is_some();
        found.extend(record);
    }
    found
}

/// `priority,sequence,microseconds,flags;text`
fn record(line: &[u8]) -> Option<Record> {
    let at = line.iter().position(|byte| *byte == b';')?;
    let (fields, text) = line.split_at_checked(at)?;
    let mut fields = std::str::from_utf8(fields).ok()?.split(',');
    Some(Record {
        priority: fields.next()?.parse().ok()?,
        sequence: fields.next()?.parse().ok().filter(|sequence| *sequence < u64::MAX)?,
        micros: fields.next()?.parse().ok()?,
        text: unescaped(text.get(1..)?),
        facts: Vec::new(),
    })
}

/// What a message is about.
fn fact_of(line: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(line);
    let (name, value) = text.split_once('=')?;
    let name = match name {
        "DEVICE" => "kernel.device",
        "SUBSYSTEM" => "kernel.subsystem",
        _ => return None,
    };
    Some((name.into(), value.into()))
}

/// The kernel writes what cannot be printed as `\x0a`.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let code = rest.strip_prefix(br"\x").and_then(|code| code.get(..2));
        let byte = code
            .and_then(|code| std::str::from_utf8(code).ok())
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        plain.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { rest.get(4..).unwrap_or_default() } else { after };
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::{FailureKind, log::tests::TestSink};

    /// As a kernel 6.18 writes them; shortened.
    const TEXT: &[u8] = b"6,10,1000000,-;Linux version 6.18\n3,11,2500000,-;NVRM: Xid (PCI:0000:3b:00): 79, \\x47PU\n \
                          SUBSYSTEM=pci\n DEVICE=+pci:0000:3b:00.0\n OTHER=x\n12,12,2600000,-;systemd[1]: forged\nno record\n4,15,3000000,-;after a gap\n";

    fn bench() -> (tempfile::TempDir, File) {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &[u8]| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("proc/sys/kernel/random/boot_id", b"b-1\n");
        put("proc/uptime", b"100.00 50.00\n");
        put("dev/kmsg", TEXT);
        let file = File::options().append(true).open(folder.path().join("dev/kmsg")).unwrap();
        (folder, file)
    }

    fn read(root: &Path, sink: &TestSink, at: u64) -> Kernel {
        let limits = Limits::default();
        let mut kernel = Kernel::open(root, "h", &|_| None, sink, limits).unwrap();
        let mut now = Now { wall: UnixMs(1_000_000), monotonic: Duration::from_secs(at) };
        for _ in 0..5 {
            kernel.turn(sink, now).unwrap();
            now.monotonic += PERIOD;
        }
        kernel
    }

    #[test]
    fn messages_are_read_once_a_boot() {
        let (folder, mut file) = bench();
        let sink = TestSink::default();
        let kernel = read(folder.path(), &sink, 1);
        let texts = sink.texts();
        assert_eq!(
            texts,
            ["Linux version 6.18", "NVRM: Xid (PCI:0000:3b:00): 79, GPU", "after a gap"]
        );
        assert_eq!((kernel.skipped, kernel.stored(), kernel.name()), (2, 16, "kmsg:b-1"));
        let line = &sink.lines()[1];
        assert_eq!(line.time, Some(UnixMs(1_000_000 - 100_000 + 2_500)));
        assert_eq!((line.severity, line.end), (Some(Severity::Error), 12));
        let attributes = [("kernel.subsystem", "pci"), ("kernel.device", "+pci:0000:3b:00.0")];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(line.attributes, attributes);
        file.write_all(b"4,16,4000000,-;new\n").unwrap();
        let kernel = read(folder.path(), &sink, 9);
        assert_eq!(sink.texts().len(), 4);
        assert_eq!(kernel.stored(), 17);
    }

    #[test]
    fn no_kernel_log_is_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let sink = TestSink::default();
        let failure =
            Kernel::open(folder.path(), "h", &|_| None, &sink, Limits::default()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Absent);
    }

    proptest! {
        #[test]
        fn anything_is_survived(bytes: Vec<u8>, text in "[0-9,;\\\\x ]{0,30}") {
            records(&bytes);
            records(text.as_bytes());
            unescaped(text.as_bytes());
        }
    }
}
