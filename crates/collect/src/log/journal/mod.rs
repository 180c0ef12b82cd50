//! The journal of systemd: entries of the units and containers that were asked for.
//!
//! Files are read as they are, by no program and no library of systemd. Entries are told by their sequence
//! numbers, which go on when a file is archived. Of a journal that was never read the last hour counts: its
//! entries all say when they were written. Where one unit brings too much, those in the same file wait with it;
//! what the journal deletes meanwhile is lost.

mod file;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use model::UnixMs;

use self::file::{Damage, Entry, JournalFile, Place};
use super::{
    LINE_MAX, Limits, LineSink, RawLine,
    engines::JournalOf,
    feed::Feed,
    files::{Now, Round},
    glob, kernel,
    place::Inode,
    report::Amount,
};
use crate::{Failure, FailureKind};

/// Where journals are kept: over restarts, and until the next one.
const PATTERNS: &[&str] = &["/var/log/journal/*/*.journal", "/run/log/journal/*/*.journal"];
/// Most files that are open at once; of more the newest count.
const FILES_MAX: usize = 128;
/// Most units and containers.
const WANTED_MAX: usize = 64;
/// How long a unit is listened to that is not asked for any more: its last words say why it ended.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// What of a journal counts that was never read.
const RECENT: Duration = Duration::from_secs(3_600);
/// How often new entries are looked for, and how soon again while there are more.
const PERIOD: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(20);
/// Most entries of one journal that are looked at before it is another's turn.
const ENTRIES_MAX: usize = 2_000;
/// Most fields whose meaning is remembered for each file.
const VERDICTS_MAX: usize = 16_384;
/// Enough of a field to tell what it is.
const FIELD_MAX: usize = 512;
/// How often an entry is read again that is damaged: the journal may be writing it.
const TRIES_MAX: u32 = 5;
/// Damaged entries after which a file is given up.
const DAMAGE_MAX: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Journal {
    root: PathBuf,
    limits: Limits,
    wanted: Vec<Wanted>,
    /// By sequence and kind of file: files of one journal, which count their entries together.
    groups: BTreeMap<String, Group>,
    /// Archived files that have nothing for us.
    done: BTreeSet<Inode>,
    /// Why files cannot be read now.
    failure: Option<Failure>,
    /// The last file that was given up.
    damaged: Option<Failure>,
    due: Duration,
}

#[derive(Debug)]
struct Wanted {
    journal: JournalOf,
    asked: Duration,
}

#[derive(Debug, Default)]
struct Group {
    /// The oldest first.
    readers: Vec<Reader>,
    /// One for each that is wanted, in that order.
    streams: Vec<Stream>,
}

#[derive(Debug)]
struct Reader {
    inode: Inode,
    file: JournalFile,
    /// Absent until it is known where to begin.
    place: Option<Place>,
    path: PathBuf,
    /// How often the entry at the place could not be read, and how many were passed over.
    tries: u32,
    damaged: u64,
    /// Which of those that are wanted a field means, as bits.
    verdicts: HashMap<u64, u64>,
}

#[derive(Debug)]
struct Stream {
    feed: Feed,
    /// Entries up to this one were looked at.
    known: u64,
    /// Entries before this time, in microseconds, do not count.
    since: u64,
    lines: Vec<RawLine>,
    /// Entries that could not be read.
    skipped: u64,
}

impl Journal {
    pub(super) fn new(root: &Path, limits: Limits) -> Self {
        Self { root: root.to_owned(), limits, ..Self::default() }
    }

    /// Says whose entries are wanted. `saved` tells up to which entry a journal was read.
    pub(super) fn want(
        &mut self,
        journals: Vec<JournalOf>,
        saved: &dyn Fn(&str) -> Option<u64>,
        now: Now,
    ) {
        let before: Vec<Vec<String>> = self.names();
        for journal in journals {
            let wanted = Wanted { journal, asked: now.monotonic };
            let known = before.iter().position(|fields| *fields == wanted.journal.fields);
            if let Some(one) = known.and_then(|at| self.wanted.get_mut(at)) {
                *one = wanted;
            } else if self.wanted.len() < WANTED_MAX {
                self.wanted.push(wanted);
            }
        }
        self.wanted.retain(|one| now.monotonic.saturating_sub(one.asked) < FORGOTTEN);
        let is_changed = self.names() != before;
        let Self { wanted, groups, limits, done, .. } = self;
        for (name, group) in groups {
            let mut old: BTreeMap<&Vec<String>, Stream> =
                before.iter().zip(group.streams.drain(..)).collect();
            group.streams = wanted
                .iter()
                .map(|one| {
                    let known = old.remove(&one.journal.fields);
                    let mut stream =
                        known.unwrap_or_else(|| Stream::new(name, one, saved, (*limits, now.wall)));
                    stream.feed.origin = Arc::clone(&one.journal.origin);
                    stream
                })
                .collect();
            if is_changed {
                // Where to begin may be earlier for one that is new; the others know what they have.
                for reader in &mut group.readers {
                    reader.place = None;
                    reader.verdicts.clear();
                }
            }
        }
        if is_changed {
            done.clear();
        }
    }

    fn names(&self) -> Vec<Vec<String>> {
        self.wanted.iter().map(|one| one.journal.fields.clone()).collect()
    }

    /// Looks for files that are new. `saved` tells up to which entry a journal was read.
    pub(super) fn scan(&mut self, saved: &dyn Fn(&str) -> Option<u64>, now: Now) {
        self.failure = None;
        if self.wanted.is_empty() {
            return;
        }
        let found = PATTERNS.iter().flat_map(|pattern| glob::find(&self.root, pattern));
        for path in found.collect::<Vec<_>>() {
            if let Err(failure) = self.admit(&path, saved, now) {
                self.failure = Some(failure);
            }
        }
        for group in self.groups.values_mut() {
            group.readers.sort_by_key(|reader| reader.file.header.head_seqnum);
        }
    }

    fn admit(
        &mut self,
        path: &Path,
        saved: &dyn Fn(&str) -> Option<u64>,
        now: Now,
    ) -> Result<(), Failure> {
        let told = |error: &io::Error| Failure::from_io(path.display(), error);
        let about = match fs::metadata(path) {
            Ok(about) => about,
            // It was deleted meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(told(&error)),
        };
        let inode = Inode::of(&about);
        let mut readers = self.groups.values().flat_map(|group| &group.readers);
        let is_open = readers.any(|reader| reader.inode == inode);
        let count = self.groups.values().map(|group| group.readers.len()).sum::<usize>();
        if is_open || self.done.contains(&inode) || count >= FILES_MAX {
            return Ok(());
        }
        let file = File::open(path).map_err(|error| told(&error))?;
        let file = match JournalFile::open(file) {
            Ok(file) => file,
            // A file that is being made has no header yet.
            Err(Damage::Malformed(_)) => return Ok(()),
            Err(Damage::Io(error)) => return Err(told(&error)),
            Err(damage) => return Err(failure(path, &damage)),
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let family = name.trim_end_matches(".journal").split('@').next().unwrap_or_default();
        let header = file.header;
        let name = format!("journal:{:032x}:{family}", header.seqnum_id);
        if !self.groups.contains_key(&name) {
            let limits = (self.limits, now.wall);
            let streams = self.wanted.iter().map(|one| Stream::new(&name, one, saved, limits));
            let group = Group { readers: Vec::new(), streams: streams.collect() };
            self.groups.insert(name.clone(), group);
        }
        let Some(group) = self.groups.get_mut(&name) else { return Ok(()) };
        let has_news = |stream: &Stream| {
            header.tail_seqnum > stream.known && header.tail_realtime >= stream.since
        };
        if header.is_archived && !group.streams.iter().any(has_news) {
            self.done.insert(inode);
            return Ok(());
        }
        group.readers.push(Reader {
            inode,
            file,
            place: None,
            path: path.to_owned(),
            tries: 0,
            damaged: 0,
            verdicts: HashMap::new(),
        });
        Ok(())
    }

    /// Reads what is new, and hands it on.
    pub(super) fn turn(&mut self, sink: &dyn LineSink, now: Now) -> Round {
        if self.wanted.is_empty() {
            return Round::Until(now.monotonic + 10 * PERIOD);
        }
        if now.monotonic < self.due {
            return Round::Until(self.due);
        }
        let mut has_more = false;
        let mut is_refused = false;
        for group in self.groups.values_mut() {
            if !group.offer(sink, now) {
                is_refused = true;
                continue;
            }
            has_more |= group.read(&self.wanted, &mut self.done, &mut self.damaged, now);
            is_refused |= !group.offer(sink, now);
        }
        self.due = now.monotonic + if has_more { AGAIN } else { PERIOD };
        if is_refused { Round::Refused } else { Round::Until(self.due) }
    }

    /// Up to where each journal needs not be read again.
    pub(super) fn positions(&self) -> Vec<(String, u64)> {
        let streams = self.groups.values().flat_map(|group| {
            group.streams.iter().map(|stream| {
                let feed = &stream.feed;
                let seen = if feed.is_done() { stream.known } else { feed.stored() };
                (feed.file.to_string(), seen)
            })
        });
        streams.filter(|(_, seen)| *seen > 0).collect()
    }

    pub(super) fn amounts(&self) -> Vec<Amount> {
        let streams = self.groups.values().flat_map(|group| &group.streams);
        let amount = |stream: &Stream| Amount {
            origin: Arc::clone(&stream.feed.origin),
            counts: stream.feed.counts,
            lag: None,
            skipped: stream.skipped,
        };
        streams.filter(|stream| stream.feed.counts.lines + stream.skipped > 0).map(amount).collect()
    }

    /// What keeps files from being read.
    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref().or(self.damaged.as_ref())
    }

    /// How many journals are read, and for how many units and containers.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.groups.len(), self.wanted.len())
    }
}

fn failure(path: &Path, damage: &Damage) -> Failure {
    Failure::new(FailureKind::Malformed, format!("{}: {damage}", path.display()))
}

impl Stream {
    /// Of a journal that was read up to what `saved` tells, or is new.
    fn new(
        journal: &str,
        wanted: &Wanted,
        saved: &dyn Fn(&str) -> Option<u64>,
        (limits, now): (Limits, UnixMs),
    ) -> Self {
        let unit = wanted.journal.fields.first().map(String::as_str).unwrap_or_default();
        let name = format!("{journal}:{unit}");
        let saved = saved(&name);
        let recent = u64::try_from((now - RECENT).0).unwrap_or(0).saturating_mul(1_000);
        let known = saved.unwrap_or(0);
        Self {
            feed: Feed::new(name.into(), Arc::clone(&wanted.journal.origin), known, limits),
            known,
            since: if saved.is_some() { 0 } else { recent },
            lines: Vec::new(),
            skipped: 0,
        }
    }
}

impl Stream {
    fn is_news(&self, entry: &Entry) -> bool {
        entry.seqnum > self.known && entry.realtime >= self.since
    }
}

impl Group {
    fn offer(&mut self, sink: &dyn LineSink, now: Now) -> bool {
        self.streams.iter_mut().all(|stream| stream.feed.offer(sink, now.wall, now.monotonic))
    }

    /// Returns whether there is more to read.
    fn read(
        &mut self,
        wanted: &[Wanted],
        done: &mut BTreeSet<Inode>,
        damaged: &mut Option<Failure>,
        now: Now,
    ) -> bool {
        let has_room =
            self.streams.iter_mut().all(|stream| stream.feed.room(now.monotonic).is_some());
        if !has_room {
            return true;
        }
        let mut left = ENTRIES_MAX;
        let Self { readers, streams } = self;
        readers.retain_mut(|reader| {
            if left == 0 {
                return true;
            }
            let outcome = reader.read(wanted, streams, &mut left);
            let is_over = match outcome {
                Ok(is_end) => is_end && reader.file.header.is_archived,
                Err(damage) => {
                    *damaged = Some(failure(&reader.path, &damage));
                    true
                }
            };
            if is_over {
                done.insert(reader.inode);
            }
            !is_over
        });
        for stream in streams {
            stream.feed.put(std::mem::take(&mut stream.lines), now.wall, now.monotonic);
        }
        left == 0
    }
}

impl Reader {
    /// Hands entries to those that want them; returns whether there are no more.
    fn read(
        &mut self,
        wanted: &[Wanted],
        streams: &mut [Stream],
        left: &mut usize,
    ) -> Result<bool, Damage> {
        self.file.refresh()?;
        let is_news = |entry: &Entry| streams.iter().any(|stream| stream.is_news(entry));
        let mut place = match self.place {
            Some(place) => place,
            // What cannot be searched can still be read from its start.
            None => self.file.seek(is_news).unwrap_or_else(|_| self.file.start()),
        };
        while *left > 0 {
            *left -= 1;
            let before = place;
            let entry = match self.file.next(&mut place) {
                Ok(Some(entry)) => entry,
                Ok(None) => {
                    self.place = Some(place);
                    return Ok(true);
                }
                Err(Damage::Io(error)) => return Err(error.into()),
                Err(_) if self.tries < TRIES_MAX && !self.file.header.is_archived => {
                    self.tries += 1;
                    self.place = Some(before);
                    return Ok(true);
                }
                Err(damage) => {
                    self.damaged += 1;
                    if place == before || self.damaged >= DAMAGE_MAX {
                        return Err(damage);
                    }
                    continue;
                }
            };
            self.tries = 0;
            self.place = Some(place);
            self.give(&entry, wanted, streams);
        }
        Ok(false)
    }

    fn give(&mut self, entry: &Entry, wanted: &[Wanted], streams: &mut [Stream]) {
        let mask = entry.fields.iter().fold(0, |mask, offset| mask | self.verdict(*offset, wanted));
        let mut line = None;
        for (number, stream) in streams.iter_mut().enumerate() {
            let is_new = stream.is_news(entry);
            stream.known = stream.known.max(entry.seqnum);
            if !is_new || mask & 1 << number == 0 {
                continue;
            }
            match line.get_or_insert_with(|| self.line(entry)) {
                Some(line) => stream.lines.push(line.clone()),
                None => stream.skipped += 1,
            }
        }
    }

    /// Who wants entries that have this field. Fields are shared by entries, so that few are read.
    fn verdict(&mut self, offset: u64, wanted: &[Wanted]) -> u64 {
        if let Some(verdict) = self.verdicts.get(&offset) {
            return *verdict;
        }
        let field = self.file.field(offset, FIELD_MAX).map(|(field, _)| field).unwrap_or_default();
        let wants = |one: &Wanted| one.journal.fields.iter().any(|name| name.as_bytes() == field);
        let bits = wanted.iter().enumerate().filter(|(_, one)| wants(one));
        let verdict = bits.fold(0, |mask, (number, _)| mask | 1 << number);
        if self.verdicts.len() >= VERDICTS_MAX {
            self.verdicts.clear();
        }
        self.verdicts.insert(offset, verdict);
        verdict
    }

    /// The line of an entry; absent where its message cannot be read.
    fn line(&mut self, entry: &Entry) -> Option<RawLine> {
        let millis = i64::try_from(entry.realtime / 1_000).ok()?;
        let mut line =
            RawLine { end: entry.seqnum, time: Some(UnixMs(millis)), ..RawLine::default() };
        let (mut priority, mut is_output, mut has_message) = (None, false, false);
        for offset in &entry.fields {
            let Ok((field, _)) = self.file.field(*offset, FIELD_MAX) else { continue };
            let Some(at) = field.iter().position(|byte| *byte == b'=') else { continue };
            let (name, value) = field.split_at(at);
            let value = || String::from_utf8_lossy(value.get(1..).unwrap_or_default()).into_owned();
            match name {
                b"MESSAGE" => {
                    let most = LINE_MAX + "MESSAGE=".len();
                    let (field, all) = self.file.field(*offset, most).ok()?;
                    let kept = field.len() as u64;
                    line.cut = all.unwrap_or(kept).saturating_sub(kept);
                    line.bytes = field.get("MESSAGE=".len()..).unwrap_or_default().to_vec();
                    has_message = true;
                }
                b"PRIORITY" => priority = value().parse().ok(),
                b"_TRANSPORT" => is_output = value() == "stdout",
                b"SYSLOG_IDENTIFIER" => line.attributes.push(("syslog.identifier".into(), value())),
                b"_HOSTNAME" => line.attributes.push(("host.name".into(), value())),
                b"_PID" => line.attributes.push(("process.pid".into(), value())),
                _ => {}
            }
        }
        // What a program prints has the priority that its unit gives to all of it, which says nothing.
        let priority: Option<u32> = priority.filter(|priority| !(is_output && *priority == 6));
        line.severity = priority.and_then(kernel::severity);
        has_message.then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use model::log::{Origin, Severity};

    use super::{file::tests::fixture, *};
    use crate::log::tests::TestSink;

    fn wanted(fields: &[&str]) -> JournalOf {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        let origin = Origin { origin: fields[0].clone(), ..Origin::default() };
        JournalOf { fields, origin: Arc::new(origin) }
    }

    struct Bench {
        folder: tempfile::TempDir,
        sink: TestSink,
        now: Now,
        saved: BTreeMap<String, u64>,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join("var/log/journal/0123")).unwrap();
            // A minute after the last entry.
            let now = Now { wall: UnixMs(1_795_862_735_000), monotonic: Duration::from_secs(1) };
            Self { folder, sink: TestSink::default(), now, saved: BTreeMap::new() }
        }

        fn put(&self, name: &str, bytes: &[u8]) {
            let folder = self.folder.path().join("var/log/journal/0123");
            let mut file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(folder.join(name))
                .unwrap();
            file.rewind().unwrap();
            file.write_all(bytes).unwrap();
        }

        /// Opens the journal anew, as after a death, and reads all of it.
        fn open(&mut self, journals: Vec<JournalOf>) -> Journal {
            let mut journal = Journal::new(self.folder.path(), Limits::default());
            self.want(&mut journal, journals);
            self.read(&mut journal);
            journal
        }

        fn position(&self, name: &str) -> Option<u64> {
            self.saved.get(name).copied().max(self.sink.stored(name))
        }

        fn want(&self, journal: &mut Journal, journals: Vec<JournalOf>) {
            journal.want(journals, &|name| self.position(name), self.now);
        }

        fn read(&mut self, journal: &mut Journal) {
            for _ in 0..5 {
                journal.scan(&|name| self.position(name), self.now);
                assert!(matches!(journal.turn(&self.sink, self.now), Round::Until(_)));
                self.now.monotonic += 2 * PERIOD;
            }
        }
    }

    /// The same file as it was when it had only so many entries.
    fn shortened(bytes: &[u8], entries: u64) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes[152..160].copy_from_slice(&entries.to_le_bytes());
        bytes[160..168].copy_from_slice(&entries.to_le_bytes());
        bytes
    }

    #[test]
    fn entries_of_units_arrive_once() {
        for name in ["compact", "regular"] {
            let mut bench = Bench::new();
            let bytes = fixture(name);
            bench.put("system.journal", &shortened(&bytes, 50));
            let ollama = || wanted(&["_SYSTEMD_UNIT=ollama.service", "_SYSTEMD_USER_UNIT=x"]);
            let mut journal = bench.open(vec![ollama()]);
            assert_eq!(bench.sink.lines().len(), 17);
            bench.put("system.journal", &shortened(&bytes, 60));
            bench.read(&mut journal);
            assert_eq!(bench.sink.lines().len(), 20);
            // Positions may be behind after a death, or the journal may have gone on.
            bench.put("system.journal", &bytes);
            let journal = bench.open(vec![ollama()]);
            let lines = bench.sink.lines();
            assert_eq!(lines.len(), 40);
            let ends: Vec<u64> = lines.iter().map(|line| line.end).collect();
            assert_eq!(ends, (0..40).map(|number| number * 3 + 1).collect::<Vec<_>>());
            assert_eq!(journal.positions()[0].1, 120, "also of others' entries");
            let line = &lines[1];
            assert_eq!(line.bytes, br#"time=2026-11-28T10:42:35Z level=INFO msg="line 3""#);
            assert_eq!((line.time, line.severity), (Some(UnixMs(1_795_862_558_000)), None));
            let attribute = |name: &str| {
                line.attributes.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone())
            };
            assert_eq!(attribute("syslog.identifier").unwrap(), "ollama");
            assert_eq!(attribute("host.name").unwrap(), "box");
            let long = String::from_utf8_lossy(&lines[10].bytes).into_owned();
            assert!(long.starts_with("Traceback") && long.ends_with("ValueError: bad"), "{long}");
            assert_eq!(lines[11].bytes, b"\xff\xfe\0binary");
        }
    }

    #[test]
    fn who_is_new_gets_the_last_hour() {
        let mut bench = Bench::new();
        bench.put("system.journal", &fixture("compact"));
        bench.now.wall = UnixMs(1_795_862_555_000 + 100_000) + RECENT;
        let mut journal = bench.open(vec![wanted(&["SYSLOG_FACILITY=10"])]);
        let lines = bench.sink.lines();
        assert_eq!((lines.len(), lines[0].severity), (7, Some(Severity::Warn)));
        // The others are not told again what they have.
        bench.now.wall = UnixMs(1_795_862_735_000);
        let (ssh, kernel) = (wanted(&["SYSLOG_FACILITY=10"]), wanted(&["_TRANSPORT=kernel"]));
        bench.want(&mut journal, vec![kernel, ssh]);
        bench.read(&mut journal);
        let texts = bench.sink.texts();
        assert_eq!(texts.iter().filter(|text| text.starts_with("oom-kill")).count(), 40);
        assert_eq!(texts.len(), 47);
    }

    #[test]
    fn archived_files_are_read_to_their_end() {
        let mut bench = Bench::new();
        let mut bytes = fixture("regular");
        bytes[16] = 2;
        bench.put("system@4ae5-1-2.journal", &bytes);
        bench.put("system@4ae5-broken.journal", &bytes[..5_000]);
        bench.put("other.journal", b"none");
        let journal = bench.open(vec![wanted(&["_TRANSPORT=kernel"])]);
        assert_eq!(bench.sink.lines().len(), 40);
        assert_eq!(journal.groups.values().map(|group| group.readers.len()).sum::<usize>(), 0);
        let failure = journal.failure().map(|failure| failure.detail.clone()).unwrap_or_default();
        assert!(failure.ends_with("system@4ae5-broken.journal: damaged: end of file"), "{failure}");
    }
}
