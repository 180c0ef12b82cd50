//! What waits to be sent, on disk: a journal of JSON lines, appended and synced before a message counts as taken, and
//! rewritten when most of it is past. Files that are sent lie beside it.
//!
//! A line that cannot be read is passed over and counted; what was torn off at the end was never said to be taken.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use model::{Clock, UnixMs};
use serde_json::{Value, json};

use crate::codec::Item;

/// Most messages of a channel that wait. The next one is refused, and its sender keeps it.
const WAITING_MAX: usize = 1_000;
/// Most dead letters of a channel; the oldest make room.
const DEAD_MAX: usize = 200;
/// Most keys of a channel by which a message that comes again is known.
const KNOWN_MAX: usize = 5_000;
/// How long a key is known.
const KNOWN_AGE_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Largest message as JSON.
const ITEM_BYTES_MAX: usize = 1 << 20;
/// Largest file that is sent.
pub(crate) const FILE_BYTES_MAX: usize = 20 << 20;
/// Largest journal that is read; one that is larger is not ours.
const JOURNAL_BYTES_MAX: u64 = 4 << 30;
/// The journal is rewritten when it has grown by this and to twice what it was.
const GROWTH_BYTES_MIN: u64 = 1 << 20;

const JOURNAL: &str = "journal";
const JOURNAL_NEW: &str = "journal.new";

/// A message that waits.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) key: String,
    pub(crate) time: UnixMs,
    pub(crate) item: Arc<Item>,
}

/// A message that was given up.
#[derive(Clone, Debug)]
pub(crate) struct DeadEntry {
    pub(crate) entry: Entry,
    pub(crate) died: UnixMs,
    pub(crate) reason: String,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error("{WAITING_MAX} messages wait for the channel already")]
    Full,
    #[error("the message is larger than {ITEM_BYTES_MAX} bytes, or its file than {FILE_BYTES_MAX}")]
    TooLarge,
    #[error("the queue cannot be written: {0}")]
    Io(#[from] io::Error),
}

#[derive(Clone, Copy, Debug)]
struct Known {
    time: UnixMs,
    is_sent: bool,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Entry>,
    dead: VecDeque<DeadEntry>,
    known: HashMap<String, Known>,
    /// The keys of `known`, oldest first.
    order: VecDeque<String>,
}

impl Lane {
    fn know(&mut self, key: &str, time: UnixMs, is_sent: bool) {
        if self.known.insert(key.to_owned(), Known { time, is_sent }).is_none() {
            self.order.push_back(key.to_owned());
        }
        while self.order.len() > KNOWN_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    fn take(&mut self, id: u64) -> Option<Entry> {
        let index = self.waiting.iter().position(|entry| entry.id == id)?;
        self.waiting.remove(index)
    }

    fn take_dead(&mut self, id: u64) -> Option<DeadEntry> {
        let index = self.dead.iter().position(|dead| dead.entry.id == id)?;
        self.dead.remove(index)
    }
}

/// See the module. Whoever shares it locks it.
#[derive(Debug)]
pub(crate) struct Queue {
    folder: PathBuf,
    journal: File,
    bytes: u64,
    /// As long as the journal was when it was last rewritten.
    bytes_rewritten: u64,
    /// A line may have been written in part: the next one begins on a new line.
    is_torn: bool,
    /// Messages wait that the disk did not take.
    is_behind: bool,
    next: u64,
    lanes: BTreeMap<String, Lane>,
    clock: Clock,
}

impl Queue {
    /// Opens or makes the queue in `folder`. The second value is how many lines could not be read.
    pub(crate) fn open(folder: &Path, clock: Clock) -> io::Result<(Self, usize)> {
        fs::create_dir_all(folder)?;
        let path = folder.join(JOURNAL);
        let mut state = Replay { next: 1, lanes: BTreeMap::new(), skipped: 0 };
        match fs::metadata(&path) {
            Ok(facts) if facts.len() > JOURNAL_BYTES_MAX => {
                return Err(io::Error::other(format!("{}: too large", path.display())));
            }
            Ok(_) => state.read(&fs::read(&path)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let journal = OpenOptions::new().create(true).append(true).open(&path)?;
        let mut queue = Self {
            folder: folder.to_owned(),
            journal,
            bytes: 0,
            bytes_rewritten: 0,
            is_torn: false,
            is_behind: false,
            next: state.next,
            lanes: state.lanes,
            clock,
        };
        if let Err(error) = queue.rewrite() {
            // The journal as it was says the same. A disk that is full is the last reason to tell nobody.
            tracing::warn!("the queue of notifications cannot be rewritten: {error}");
            queue.bytes = fs::metadata(&path).map_or(0, |facts| facts.len());
            queue.is_torn = true;
        }
        queue.sweep();
        Ok((queue, state.skipped))
    }

    /// Takes a message, which is on disk when this returns, or, where the disk takes nothing, in memory and in the log.
    /// `Ok(false)`: one with this key was taken before.
    pub(crate) fn put(
        &mut self,
        channel: &str,
        key: &str,
        item: Item,
        file: Option<&[u8]>,
    ) -> Result<bool, PutError> {
        let lane = self.lanes.entry(channel.to_owned()).or_default();
        if lane.known.contains_key(key) {
            return Ok(false);
        }
        if lane.waiting.len() >= WAITING_MAX {
            return Err(PutError::Full);
        }
        let id = self.next;
        let entry = Entry { id, key: key.to_owned(), time: self.clock.now(), item: Arc::new(item) };
        let line = put_line(channel, &entry);
        if line.len() > ITEM_BYTES_MAX || file.is_some_and(|bytes| bytes.len() > FILE_BYTES_MAX) {
            return Err(PutError::TooLarge);
        }
        self.next += 1;
        if let Some(bytes) = file {
            let mut file = File::create(self.file(id))?;
            file.write_all(bytes)?;
            file.sync_all()?;
        }
        if let Err(error) = self.append(&line) {
            // That the disk is full has to be told too. A crash before there is room loses it.
            tracing::error!("a notification waits in memory only: {error}");
            self.is_behind = true;
        }
        let lane = self.lanes.entry(channel.to_owned()).or_default();
        lane.know(key, entry.time, false);
        lane.waiting.push_back(entry);
        self.shorten();
        Ok(true)
    }

    /// The messages of a channel that wait, in their order.
    pub(crate) fn entries(&self, channel: &str) -> impl Iterator<Item = &Entry> {
        self.lanes.get(channel).into_iter().flat_map(|lane| &lane.waiting)
    }

    /// The bytes of a message that is a file.
    pub(crate) fn file_bytes(&self, id: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.file(id))?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The service took a message. Where that cannot be written, a crash will have it sent once more.
    pub(crate) fn done(&mut self, channel: &str, id: u64) -> io::Result<()> {
        let time = self.clock.now();
        let Some(lane) = self.lanes.get_mut(channel) else { return Ok(()) };
        let Some(entry) = lane.take(id) else { return Ok(()) };
        lane.know(&entry.key, time, true);
        self.drop_file(&entry);
        self.append(&json!({"done": id, "channel": channel, "time": time.0}).to_string())
    }

    /// A message is given up.
    pub(crate) fn bury(&mut self, channel: &str, id: u64, reason: &str) -> io::Result<()> {
        let died = self.clock.now();
        let Some(lane) = self.lanes.get_mut(channel) else { return Ok(()) };
        let Some(entry) = lane.take(id) else { return Ok(()) };
        lane.dead.push_back(DeadEntry { entry, died, reason: reason.to_owned() });
        let gone = if lane.dead.len() > DEAD_MAX { lane.dead.pop_front() } else { None };
        if let Some(gone) = &gone {
            self.drop_file(&gone.entry);
        }
        self.append(&dead_line(channel, id, died, reason))?;
        match gone {
            Some(gone) => self.append(&forget_line(channel, gone.entry.id)),
            None => Ok(()),
        }
    }

    /// Sends a dead letter again. `Ok(false)`: there is none with this id.
    pub(crate) fn retry(&mut self, channel: &str, id: u64) -> Result<bool, PutError> {
        let time = self.clock.now();
        let Some(lane) = self.lanes.get_mut(channel) else { return Ok(false) };
        if lane.waiting.len() >= WAITING_MAX {
            return Err(PutError::Full);
        }
        let Some(dead) = lane.take_dead(id) else { return Ok(false) };
        lane.waiting.push_back(Entry { time, ..dead.entry });
        self.append(&json!({"retry": id, "channel": channel, "time": time.0}).to_string())?;
        Ok(true)
    }

    /// Forgets a dead letter. `Ok(false)`: there is none with this id.
    pub(crate) fn forget(&mut self, channel: &str, id: u64) -> io::Result<bool> {
        let Some(lane) = self.lanes.get_mut(channel) else { return Ok(false) };
        let Some(dead) = lane.take_dead(id) else { return Ok(false) };
        self.drop_file(&dead.entry);
        self.append(&forget_line(channel, id))?;
        Ok(true)
    }

    pub(crate) fn waiting(&self, channel: &str) -> usize {
        self.lanes.get(channel).map_or(0, |lane| lane.waiting.len())
    }

    /// The dead letters of a channel, newest first.
    pub(crate) fn dead(&self, channel: &str) -> Vec<DeadEntry> {
        let lane = self.lanes.get(channel);
        lane.map(|lane| lane.dead.iter().rev().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn dead_count(&self, channel: &str) -> usize {
        self.lanes.get(channel).map_or(0, |lane| lane.dead.len())
    }

    /// The channels that anything is kept of, whether they are configured or not.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &str> {
        let is_empty = |lane: &Lane| lane.waiting.is_empty() && lane.dead.is_empty();
        self.lanes.iter().filter(move |(_, lane)| !is_empty(lane)).map(|(name, _)| name.as_str())
    }

    /// When messages of a channel went that were sent since then, in order.
    pub(crate) fn sent_since(&self, channel: &str, since: UnixMs) -> Vec<UnixMs> {
        let known = self.lanes.get(channel).into_iter().flat_map(|lane| lane.known.values());
        let mut times: Vec<UnixMs> =
            known.filter(|one| one.is_sent && one.time >= since).map(|one| one.time).collect();
        times.sort();
        times
    }

    fn file(&self, id: u64) -> PathBuf {
        self.folder.join(format!("{id}.file"))
    }

    fn drop_file(&self, entry: &Entry) {
        if matches!(*entry.item, Item::File { .. }) {
            // What stays is swept when the program starts.
            fs::remove_file(self.file(entry.id)).ok();
        }
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        let start = if self.is_torn { "\n" } else { "" };
        let text = format!("{start}{line}\n");
        self.is_torn = true;
        self.journal.write_all(text.as_bytes())?;
        self.is_torn = false;
        self.journal.sync_data()?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// Rewrites a journal that has grown long, from what is in memory: only called where that agrees with the disk.
    fn shorten(&mut self) {
        let is_long = self.bytes > GROWTH_BYTES_MIN.max(2 * self.bytes_rewritten);
        if (is_long || self.is_behind)
            && let Err(error) = self.rewrite()
        {
            // The long journal says the same; the next message tries again.
            tracing::warn!("the queue of notifications cannot be rewritten: {error}");
        }
    }

    /// Writes what counts into a new journal, which takes the old one's place at once.
    fn rewrite(&mut self) -> io::Result<()> {
        let oldest = self.clock.now() - KNOWN_AGE_MAX;
        let mut text = format!("{}\n", json!({"next": self.next}));
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        for (channel, lane) in &self.lanes {
            for key in &lane.order {
                let Some(known) = lane.known.get(key).filter(|known| known.time >= oldest) else {
                    continue;
                };
                line(json!({
                    "known": key, "channel": channel, "time": known.time.0, "is_sent": known.is_sent,
                }).to_string());
            }
            for dead in &lane.dead {
                line(put_line(channel, &dead.entry));
                line(dead_line(channel, dead.entry.id, dead.died, &dead.reason));
            }
            for entry in &lane.waiting {
                line(put_line(channel, entry));
            }
        }
        let (path, new) = (self.folder.join(JOURNAL), self.folder.join(JOURNAL_NEW));
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        // From here on this is the journal, whatever else goes wrong.
        self.journal = file;
        self.bytes = text.len() as u64;
        self.bytes_rewritten = self.bytes;
        self.is_torn = false;
        self.is_behind = false;
        File::open(&self.folder)?.sync_all()
    }

    /// Removes files that belong to no message.
    fn sweep(&self) {
        let lanes = self.lanes.values();
        let ids: Vec<u64> = lanes
            .flat_map(|lane| {
                lane.waiting
                    .iter()
                    .chain(lane.dead.iter().map(|dead| &dead.entry))
                    .map(|entry| entry.id)
            })
            .collect();
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let is_file = path.extension().is_some_and(|extension| extension == "file");
            let id = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            if is_file && id.is_some_and(|id| !ids.contains(&id)) {
                fs::remove_file(&path).ok();
            }
        }
    }
}

fn put_line(channel: &str, entry: &Entry) -> String {
    json!({
        "put": entry.id, "channel": channel, "key": entry.key, "time": entry.time.0, "item": entry.item.to_json(),
    })
    .to_string()
}

fn dead_line(channel: &str, id: u64, died: UnixMs, reason: &str) -> String {
    json!({"dead": id, "channel": channel, "time": died.0, "reason": reason}).to_string()
}

fn forget_line(channel: &str, id: u64) -> String {
    json!({"forget": id, "channel": channel}).to_string()
}

/// A journal that is read.
struct Replay {
    next: u64,
    lanes: BTreeMap<String, Lane>,
    skipped: usize,
}

impl Replay {
    fn read(&mut self, bytes: &[u8]) {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        // What comes after the last newline was torn off: nobody was told that it is taken.
        lines.next_back();
        for line in lines.filter(|line| !line.is_empty()) {
            let value: Value = serde_json::from_slice(line).unwrap_or_default();
            if self.apply(&value).is_none() {
                self.skipped += 1;
            }
        }
    }

    /// `None`: the line says nothing that is understood.
    fn apply(&mut self, line: &Value) -> Option<()> {
        if let Some(next) = line["next"].as_u64() {
            self.next = self.next.max(next);
            return Some(());
        }
        let lane = self.lanes.entry(line["channel"].as_str()?.to_owned()).or_default();
        let time = line["time"].as_i64().map(UnixMs);
        let id = |name: &str| line[name].as_u64();
        if let Some(key) = line["known"].as_str() {
            lane.know(key, time?, line["is_sent"].as_bool()?);
        } else if let Some(id) = id("put") {
            let item = Arc::new(Item::from_json(&line["item"])?);
            let entry = Entry { id, key: line["key"].as_str()?.to_owned(), time: time?, item };
            lane.know(&entry.key, entry.time, false);
            // One whose writing seemed to fail was put again.
            lane.waiting.retain(|known| known.key != entry.key);
            lane.waiting.push_back(entry);
            self.next = self.next.max(id + 1);
        } else if let Some(id) = id("done") {
            let entry = lane.take(id)?;
            lane.know(&entry.key, time?, true);
        } else if let Some(id) = id("dead") {
            let reason = line["reason"].as_str()?.to_owned();
            let entry = lane.take(id)?;
            lane.dead.push_back(DeadEntry { entry, died: time?, reason });
        } else if let Some(id) = id("retry") {
            let dead = lane.take_dead(id)?;
            lane.waiting.push_back(Entry { time: time?, ..dead.entry });
        } else {
            lane.take_dead(id("forget")?)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::tests::notification;

    const NOW: UnixMs = UnixMs(1_795_341_600_000);

    fn open(folder: &Path) -> (Queue, usize) {
        Queue::open(folder, Clock::manual(NOW)).unwrap()
    }

    fn item() -> Item {
        Item::Notification(Box::new(notification()))
    }

    fn file() -> Item {
        Item::File {
            subject: "s".to_owned(),
            text: "t".to_owned(),
            file_name: "f.pdf".to_owned(),
            media_type: "application/pdf".to_owned(),
        }
    }

    fn keys(queue: &Queue, channel: &str) -> Vec<String> {
        let lane = queue.lanes.get(channel);
        lane.into_iter().flat_map(|lane| &lane.waiting).map(|entry| entry.key.clone()).collect()
    }

    #[test]
    fn what_the_disk_does_not_take_waits_in_memory_until_it_does() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("queue");
        let (mut queue, _) = open(&folder);
        queue.put("x", "a", item(), None).unwrap();
        // Nothing can be written any more, neither the journal nor another one.
        fs::remove_dir_all(&folder).unwrap();
        queue.journal = File::open("/dev/null").unwrap();
        assert!(queue.put("x", "b", item(), None).unwrap());
        assert!(!queue.put("x", "b", item(), None).unwrap());
        assert_eq!(queue.waiting("x"), 2);
        fs::create_dir(&folder).unwrap();
        queue.put("x", "c", item(), None).unwrap();
        assert_eq!(open(&folder).0.waiting("x"), 3);
    }

    #[test]
    fn a_journal_that_cannot_be_rewritten_is_used_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("queue");
        open(&folder).0.put("x", "a", item(), None).unwrap();
        fs::create_dir(folder.join(JOURNAL_NEW)).unwrap();
        let (mut queue, skipped) = open(&folder);
        assert_eq!((queue.waiting("x"), skipped), (1, 0));
        queue.put("x", "b", item(), None).unwrap();
        assert_eq!(open(&folder).0.waiting("x"), 2);
    }

    #[test]
    fn what_was_taken_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (mut queue, _) = open(folder.path());
        for key in ["a", "b", "c", "d"] {
            assert!(queue.put("x", key, item(), None).unwrap());
        }
        assert!(!queue.put("x", "a", item(), None).unwrap());
        assert!(queue.put("y", "a", file(), Some(b"pdf")).unwrap());
        queue.done("x", 1).unwrap();
        queue.bury("x", 2, "refused").unwrap();
        queue.bury("x", 3, "refused").unwrap();
        assert!(queue.forget("x", 2).unwrap() && !queue.forget("x", 2).unwrap());
        assert!(queue.retry("x", 3).unwrap() && !queue.retry("x", 3).unwrap());
        queue.bury("x", 4, "too late").unwrap();
        for _ in 0..2 {
            let (again, skipped) = open(folder.path());
            assert_eq!(skipped, 0);
            assert_eq!(
                (keys(&again, "x"), keys(&again, "y")),
                (vec!["c".into()], vec!["a".into()])
            );
            assert_eq!(again.dead("x")[0].reason, "too late");
            assert_eq!(again.sent_since("x", NOW), [NOW]);
            assert_eq!(again.file_bytes(5).unwrap(), b"pdf");
            assert_eq!(again.channels().collect::<Vec<_>>(), ["x", "y"]);
            queue = again;
        }
        for key in ["a", "b", "c", "d"] {
            assert!(!queue.put("x", key, item(), None).unwrap(), "{key} was taken before");
        }
        queue.done("y", 5).unwrap();
        assert!(queue.file_bytes(5).is_err());
        queue.put("x", "e", item(), None).unwrap();
        assert_eq!(queue.lanes["x"].waiting.back().unwrap().id, 6);
    }

    #[test]
    fn everything_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let (mut queue, _) = open(folder.path());
        let small = || Item::File {
            subject: String::new(),
            text: String::new(),
            file_name: String::new(),
            media_type: String::new(),
        };
        for index in 0..WAITING_MAX {
            queue.put("x", &index.to_string(), small(), None).unwrap();
        }
        assert!(matches!(queue.put("x", "more", small(), None), Err(PutError::Full)));
        let large = vec![0; FILE_BYTES_MAX + 1];
        assert!(matches!(queue.put("y", "k", small(), Some(&large)), Err(PutError::TooLarge)));
        for id in 1..=DEAD_MAX as u64 + 10 {
            queue.bury("x", id, "no").unwrap();
        }
        assert_eq!(queue.dead_count("x"), DEAD_MAX);
        assert_eq!(queue.dead("x").last().unwrap().entry.id, 11);
        assert_eq!(open(folder.path()).0.dead_count("x"), DEAD_MAX);
    }

    #[test]
    fn a_long_journal_is_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let (mut queue, _) = open(folder.path());
        for index in 0..2_000_u64 {
            queue.put("x", &index.to_string(), item(), None).unwrap();
            queue.done("x", index + 1).unwrap();
        }
        let length = fs::metadata(folder.path().join(JOURNAL)).unwrap().len();
        assert_eq!(length, queue.bytes);
        assert!(length < 2 << 20, "{length}");
        assert_eq!(open(folder.path()).0.sent_since("x", NOW).len(), 2_000);
    }

    #[test]
    fn a_line_that_makes_no_sense_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (mut queue, _) = open(folder.path());
        queue.put("x", "a", item(), None).unwrap();
        let path = folder.path().join(JOURNAL);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(b"\0\0\0\n{\"put\":9}\n{}\n");
        fs::write(&path, bytes).unwrap();
        let (again, skipped) = open(folder.path());
        assert_eq!((keys(&again, "x"), skipped), (vec!["a".into()], 3));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Whenever the program dies, all that was said to be taken and is not done is there.
        #[test]
        fn a_journal_cut_anywhere(
            steps in prop::collection::vec((0_u8..4, 0_u8..6), 1..25),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 8),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (mut queue, _) = open(folder.path());
            let path = folder.path().join(JOURNAL);
            let mut states = vec![(fs::metadata(&path).unwrap().len(), keys(&queue, "x"))];
            for (step, number) in steps {
                let id = queue.entries("x").next().map(|entry| entry.id);
                match (step, id) {
                    (0 | 1, _) | (_, None) => {
                        queue.put("x", &number.to_string(), item(), None).unwrap();
                    }
                    (2, Some(id)) => queue.done("x", id).unwrap(),
                    (_, Some(id)) => queue.bury("x", id, "no").unwrap(),
                }
                states.push((fs::metadata(&path).unwrap().len(), keys(&queue, "x")));
            }
            let whole = fs::read(&path).unwrap();
            let ends = states.iter().map(|(length, _)| usize::try_from(*length).unwrap());
            let ends: Vec<usize> = ends.collect();
            let beside = ends.iter().flat_map(|end| [end.saturating_sub(1), *end, *end + 1]);
            let cuts = cuts.iter().map(|cut| cut.index(whole.len() + 1)).chain(beside);
            for cut in cuts.filter(|cut| (ends[0]..=whole.len()).contains(cut)) {
                let other = tempfile::tempdir().unwrap();
                fs::write(other.path().join(JOURNAL), &whole[..cut]).unwrap();
                let place = ends.iter().rposition(|end| *end <= cut).unwrap();
                prop_assert_eq!(&keys(&open(other.path()).0, "x"), &states[place].1, "{}", cut);
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(JOURNAL), &bytes).unwrap();
            open(folder.path());
        }
    }
}
