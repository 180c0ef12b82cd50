//! Files that are written, rotated and emptied while the follower dies: every line arrives exactly once.

mod crash;

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use model::{Clock, log::Origin};

use super::{
    Chunk, From, Limits, LineSink, RawLine, Refused,
    files::{Candidate, Files, Now, Only, Round},
    glob,
    place::Inode,
    positions::Positions,
    unwrap::Form,
};

/// Keeps lines as a store does that joins lines to records: the last one stays open until the next comes, or
/// silence. What is open dies with the process.
#[derive(Default)]
pub(super) struct TestSink(Mutex<State>);

#[derive(Default)]
struct State {
    stored: Vec<RawLine>,
    ends: HashMap<String, u64>,
    open: HashMap<String, RawLine>,
    /// How many chunks are refused from now on.
    refusals: u32,
}

impl LineSink for TestSink {
    fn take(&self, chunk: &Chunk) -> Result<u64, Refused> {
        let mut state = self.0.lock().unwrap();
        if state.refusals > 0 {
            state.refusals -= 1;
            return Err(Refused);
        }
        let file = chunk.file.to_string();
        let mut lines: Vec<RawLine> = state.open.remove(&file).into_iter().collect();
        lines.extend(chunk.lines.iter().cloned());
        let open = if chunk.lines.is_empty() { None } else { lines.pop() };
        state.open.extend(open.map(|line| (file.clone(), line)));
        if let Some(last) = lines.last() {
            state.ends.insert(file.clone(), last.end);
        }
        state.stored.extend(lines);
        Ok(state.ends.get(&file).copied().unwrap_or(0))
    }

    fn stored(&self, file: &str) -> Option<u64> {
        self.0.lock().unwrap().ends.get(file).copied()
    }
}

impl TestSink {
    fn die(&self) {
        self.0.lock().unwrap().open.clear();
    }

    fn refuse(&self, chunks: u32) {
        self.0.lock().unwrap().refusals = chunks;
    }

    pub(super) fn lines(&self) -> Vec<RawLine> {
        self.0.lock().unwrap().stored.clone()
    }

    pub(super) fn texts(&self) -> Vec<String> {
        let text = |line: RawLine| String::from_utf8_lossy(&line.bytes).into_owned();
        self.lines().into_iter().map(text).collect()
    }
}

/// One follower of a pattern, as the thread drives it.
struct Follower {
    files: Files,
    positions: Positions,
}

struct Bench {
    folder: tempfile::TempDir,
    pattern: String,
    from: From,
    is_history_read: bool,
    only: Only,
    sink: TestSink,
    now: Now,
    follower: Follower,
}

impl Bench {
    fn new(pattern: &str, from: From) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Now { wall: Clock::system().now(), monotonic: Duration::from_secs(1) };
        let follower = Follower::new(folder.path(), Limits::default());
        let (pattern, sink) = (pattern.to_owned(), TestSink::default());
        Self { folder, pattern, from, is_history_read: false, only: Only::Any, sink, now, follower }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        append(&self.path(name), text.as_ref());
    }

    fn pass(&mut self, millis: u64) {
        self.now.monotonic += Duration::from_millis(millis);
        self.now.wall = self.now.wall + Duration::from_millis(millis);
    }

    fn scan(&mut self) {
        let found = glob::find(self.folder.path(), &self.pattern);
        let candidates = found.into_iter().map(|path| Candidate {
            origin: Arc::new(Origin { origin: path.display().to_string(), ..Origin::default() }),
            path,
            from: self.from,
            pattern: Some(self.pattern.as_str().into()),
            form: Form::Plain,
            is_history_read: self.is_history_read,
            only: self.only,
        });
        let Follower { files, positions } = &mut self.follower;
        files.scan(candidates.collect(), positions, &self.sink, self.now);
    }

    fn round(&mut self) -> Round {
        let Follower { files, positions } = &mut self.follower;
        files.round(positions, &self.sink, self.now)
    }

    fn save(&mut self) {
        self.follower.files.note(&mut self.follower.positions, self.now);
        self.follower.positions.save(self.now.wall).unwrap();
    }

    /// The process dies and another one begins.
    fn die(&mut self) {
        self.sink.die();
        self.follower = Follower::new(self.folder.path(), Limits::default());
    }

    /// Looks until nothing new comes.
    fn settle(&mut self) -> Vec<String> {
        for _ in 0..12 {
            self.pass(2_000);
            self.scan();
            for _ in 0..4 {
                self.round();
            }
        }
        self.sink.texts()
    }
}

impl Follower {
    fn new(folder: &Path, limits: Limits) -> Self {
        let (positions, error) = Positions::open(Some(&folder.join("positions.json")));
        assert!(error.is_none(), "{error:?}");
        Self { files: Files::new(limits, 100), positions }
    }
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = File::options().append(true).create(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn any_bytes_and_any_length() {
    let mut bench = Bench::new("*.log", From::Start);
    let long = vec![b'x'; 3 * super::LINE_MAX];
    bench.append("a.log", b"one\r\n\n\xff\xfe\0bin\nunfin");
    bench.append("b.log", b"short\n");
    bench.append("b.log", &long);
    assert_eq!(bench.settle(), ["one", "", "\u{fffd}\u{fffd}\0bin", "short"]);
    bench.append("a.log", b"ished\n");
    bench.append("b.log", b"\nend\n");
    bench.settle();
    let mut lines = bench.sink.lines();
    lines.sort_by_key(|line| line.bytes.len());
    let of = |number: usize| (lines[number].bytes.len(), lines[number].cut, lines[number].end);
    assert_eq!(lines.len(), 7);
    assert_eq!(of(5), (10, 0, 24));
    assert_eq!(of(6), (super::LINE_MAX, 2 << 20, 6 + long.len() as u64 + 1));
}

#[test]
fn where_reading_begins() {
    let check = |from, expected: &[&str]| {
        let mut bench = Bench::new("*.log", from);
        bench.append("a.log", "old\nolder\nbeg");
        bench.settle();
        bench.append("a.log", "un\nnew\n");
        // What appears later is news from its first line on.
        bench.append("b.log", "first\n");
        assert_eq!(bench.settle(), expected);
    };
    check(From::End, &["begun", "new", "first"]);
    check(From::Start, &["old", "older", "begun", "new", "first"]);
    check(From::Recent, &["old", "older", "begun", "new", "first"]);
    let mut bench = Bench::new("*.log", From::Recent);
    let line = format!("{}\n", "y".repeat(99));
    bench.append("a.log", line.repeat(60_000));
    assert_eq!(bench.settle().len(), (4 << 20) / 100);
}

#[test]
fn what_appeared_while_nobody_looked_is_news() {
    let mut bench = Bench::new("*.log", From::End);
    bench.append("a.log", "old\n");
    bench.settle();
    bench.save();
    bench.die();
    bench.append("a.log", "more\n");
    bench.append("b.log", "b\n");
    assert_eq!(bench.settle(), ["more", "b"]);
}

#[test]
fn without_positions_the_sink_knows() {
    let mut bench = Bench::new("*.log", From::Start);
    bench.append("a.log", "one\ntwo\n");
    bench.settle();
    bench.append("a.log", "three\n");
    bench.die();
    assert_eq!(bench.settle(), ["one", "two", "three"]);
}

#[test]
fn renamed_files_are_read_to_their_end_first() {
    let mut bench = Bench::new("a.log", From::Start);
    bench.append("a.log", "1\n");
    bench.settle();
    bench.append("a.log", "2\n");
    fs::rename(bench.path("a.log"), bench.path("a.log.1")).unwrap();
    bench.append("a.log", "4\n");
    bench.append("a.log.1", "3\n");
    assert_eq!(bench.settle(), ["1", "2", "3", "4"]);
    // The last line of what was deleted has no end.
    bench.append("a.log", "5\nfatal");
    bench.settle();
    fs::remove_file(bench.path("a.log")).unwrap();
    for _ in 0..4 {
        bench.pass(20_000);
        bench.settle();
    }
    assert_eq!(bench.sink.texts().last().unwrap(), "fatal");
    bench.pass(700_000);
    bench.settle();
    assert_eq!(bench.follower.files.count(), 0);
}

#[test]
fn what_was_rotated_while_nobody_looked_is_found() {
    let mut bench = Bench::new("a.log", From::Start);
    bench.append("a.log", "1\n");
    bench.settle();
    bench.save();
    bench.die();
    bench.append("a.log", "2\n");
    fs::rename(bench.path("a.log"), bench.path("a.log.1")).unwrap();
    bench.append("a.log", "3\n");
    let mut texts = bench.settle();
    texts.sort();
    assert_eq!(texts, ["1", "2", "3"]);
}

#[test]
fn emptied_files_begin_anew_and_their_copies_are_not_read_twice() {
    let mut bench = Bench::new("*.log*", From::Start);
    bench.append("a.log", "banner\n1\n");
    bench.settle();
    bench.append("a.log", "2\n");
    fs::copy(bench.path("a.log"), bench.path("a.log.1")).unwrap();
    File::options().write(true).open(bench.path("a.log")).unwrap().set_len(0).unwrap();
    bench.append("a.log", "banner\n3\n4\n5\n6\n");
    let mut texts = bench.settle();
    texts.sort();
    assert_eq!(texts, ["1", "2", "3", "4", "5", "6", "banner", "banner"]);
    bench.save();
    bench.die();
    bench.append("a.log", "7\n");
    assert_eq!(bench.settle().last().unwrap(), "7");
    assert_eq!(bench.sink.texts().len(), 9);
}

#[test]
fn a_hole_before_what_is_written_on_is_passed_over() {
    let mut bench = Bench::new("*.log", From::Start);
    let mut writer = File::create(bench.path("a.log")).unwrap();
    writer.write_all(&[b'x'; 100_000]).unwrap();
    writer.write_all(b"\n").unwrap();
    bench.settle();
    File::options().write(true).open(bench.path("a.log")).unwrap().set_len(0).unwrap();
    writer.write_all(b"after\n").unwrap();
    assert_eq!(bench.settle().last().unwrap(), "after");
    assert_eq!(bench.sink.texts().len(), 2);
}

#[test]
fn compressed_files_are_not_text() {
    let mut bench = Bench::new("*.gz", From::Start);
    bench.append("a.gz", b"\x1f\x8b\x08rest\nrest\n");
    assert_eq!(bench.settle(), Vec::<String>::new());
    assert_eq!(bench.follower.files.count(), 0);
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn history_is_read_once_where_that_is_wanted() {
    let mut bench = Bench::new("a.log*", From::End);
    bench.is_history_read = true;
    bench.append("a.log.2.gz", gzip("1\n2\n"));
    bench.append("a.log", "old\n");
    assert_eq!(bench.settle(), ["1", "2"]);
    bench.append("a.log", "3\n");
    bench.settle();
    bench.save();
    bench.die();
    // What was read before it was packed is not read again.
    fs::rename(bench.path("a.log"), bench.path("a.log.1")).unwrap();
    bench.append("a.log", "4\n");
    assert_eq!(bench.settle(), ["1", "2", "3", "4"]);
    bench.append("a.log.1.gz", gzip("old\n3\n"));
    fs::remove_file(bench.path("a.log.1")).unwrap();
    assert_eq!(bench.settle(), ["1", "2", "3", "4"]);
}

#[test]
fn what_was_packed_while_nobody_looked_is_found() {
    let mut bench = Bench::new("a.log", From::Start);
    bench.append("a.log", "1\n2\n");
    bench.settle();
    bench.save();
    bench.die();
    bench.append("a.log.1.gz", gzip("1\n2\n3\n"));
    fs::remove_file(bench.path("a.log")).unwrap();
    bench.append("a.log", "4\n");
    let mut texts = bench.settle();
    texts.sort();
    assert_eq!(texts, ["1", "2", "3", "4"]);
}

#[test]
fn only_the_file_that_was_meant_is_read() {
    let check = |only: &dyn Fn(&Bench) -> Only, expected: &[&str]| {
        let mut bench = Bench::new("a.log", From::Start);
        bench.append("a.log", "1\n");
        bench.append("other", "");
        bench.only = only(&bench);
        assert_eq!(bench.settle(), expected);
    };
    let about = |bench: &Bench, name: &str| fs::metadata(bench.path(name)).unwrap();
    check(&|bench| Only::OwnedBy(about(bench, "a.log").uid()), &["1"]);
    check(&|bench| Only::OwnedBy(about(bench, "a.log").uid() + 1), &[]);
    check(&|bench| Only::Is(Inode::of(&about(bench, "a.log"))), &["1"]);
    check(&|bench| Only::Is(Inode::of(&about(bench, "other"))), &[]);
}

#[test]
fn a_flood_starves_nobody() {
    let mut bench = Bench::new("*.log", From::Start);
    let limits = Limits { lines_per_second: 1_000, bytes_per_second: 1 << 20 };
    bench.follower = Follower::new(bench.folder.path(), limits);
    bench.append("flood.log", "flood\n".repeat(10_000));
    bench.append("other.log", "other\n");
    bench.scan();
    bench.round();
    bench.pass(1_100);
    bench.round();
    let texts = bench.sink.texts();
    assert!(texts.contains(&"other".to_owned()), "{}", texts.len());
    assert!((900..2_200).contains(&texts.len()), "{}", texts.len());
    let throttled = |bench: &Bench| -> u64 {
        bench.follower.files.amounts().iter().map(|amount| amount.counts.throttled).sum()
    };
    bench.round();
    for _ in 0..20 {
        bench.pass(60);
        bench.round();
    }
    assert!(throttled(&bench) > 0);
    for _ in 0..20 {
        bench.pass(1_000);
        bench.round();
        bench.round();
    }
    assert_eq!(bench.sink.texts().len(), 10_001);
}

#[test]
fn what_is_refused_is_offered_again() {
    let mut bench = Bench::new("*.log", From::Start);
    bench.append("a.log", "1\n2\n");
    bench.append("b.log", "3\n");
    bench.scan();
    bench.sink.refuse(3);
    assert_eq!([bench.round(), bench.round(), bench.round()], [Round::Refused; 3]);
    let mut texts = bench.settle();
    texts.sort();
    assert_eq!(texts, ["1", "2", "3"]);
}

/// Numbers without much behind them; the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % below
    }
}

/// A program that writes numbered lines, sometimes half ones, and is rotated in the two usual ways.
struct Writer {
    folder: PathBuf,
    file: File,
    next: u64,
    half: Option<String>,
}

impl Writer {
    fn new(folder: &Path) -> Self {
        let file = Self::open(folder);
        Self { folder: folder.to_owned(), file, next: 0, half: None }
    }

    fn open(folder: &Path) -> File {
        File::options().append(true).create(true).open(folder.join("app.log")).unwrap()
    }

    fn write(&mut self, dice: &mut Dice) {
        let mut text = self.half.take().unwrap_or_default();
        for _ in 0..dice.roll(30) {
            let filling = "z".repeat(dice.roll(60) as usize);
            text.push_str(&format!("line {} {filling}\n", self.next));
            self.next += 1;
        }
        if dice.roll(4) == 0 {
            let whole = format!("line {} half\n", self.next);
            self.next += 1;
            let (begin, end) = whole.split_at(4);
            text.push_str(begin);
            self.half = Some(end.to_owned());
        }
        self.file.write_all(text.as_bytes()).unwrap();
    }

    /// Completes a line, so that the rotated file ends with one.
    fn finish(&mut self) {
        if let Some(rest) = self.half.take() {
            self.file.write_all(rest.as_bytes()).unwrap();
        }
    }

    /// `app.log.1` becomes `app.log.2` and so on; nothing is deleted before the test is over.
    fn shift(&self) {
        let count = fs::read_dir(&self.folder).unwrap().count();
        for number in (1..=count).rev() {
            let from = self.folder.join(format!("app.log.{number}"));
            if from.exists() {
                let to = self.folder.join(format!("app.log.{}", number + 1));
                fs::rename(from, to).unwrap();
            }
        }
    }

    /// An emptied file that begins with the same line and is as long again is not told from what it was, if it was
    /// emptied while nobody looked and had not been read.
    fn rotate(&mut self, dice: &mut Dice, by_copy: bool) {
        self.finish();
        self.shift();
        let (path, first) = (self.folder.join("app.log"), self.folder.join("app.log.1"));
        if by_copy {
            fs::copy(&path, &first).unwrap();
            self.file.set_len(0).unwrap();
        } else {
            fs::rename(&path, &first).unwrap();
            if dice.roll(2) == 0 {
                self.write(dice);
                self.finish();
            }
            self.file = Self::open(&self.folder);
        }
        if dice.roll(2) == 0 && !by_copy {
            self.file.write_all(b"the same banner in every file\n").unwrap();
        }
    }
}

/// How often each numbered line arrived, where not once.
fn wrong(texts: &[String], written: u64) -> Vec<(u64, usize)> {
    let mut counts = BTreeMap::new();
    for number in texts.iter().filter_map(|text| text.split(' ').nth(1)?.parse::<u64>().ok()) {
        *counts.entry(number).or_insert(0) += 1;
    }
    let count = |number| (number, counts.get(&number).copied().unwrap_or(0));
    (0..written).map(count).filter(|(_, count)| *count != 1).collect()
}

/// Of each kind; each is a history of its own.
const SEEDS: u64 = 12;

fn crash_test(seed: u64, by_copy: bool, pattern: &str) {
    let mut dice = Dice(seed);
    let mut bench = Bench::new(pattern, From::Start);
    let mut writer = Writer::new(bench.folder.path());
    bench.scan();
    let mut crashes = 0;
    // What was there and gone again between two looks was never seen, unless its new name is looked for too.
    let mut is_seen = true;
    for _ in 0..150 {
        match dice.roll(12) {
            0..=3 => {
                writer.write(&mut dice);
                is_seen &= !by_copy;
            }
            4 if is_seen || pattern.ends_with('*') => {
                writer.rotate(&mut dice, by_copy);
                is_seen = false;
            }
            4 | 5 => {
                bench.scan();
                is_seen |= !by_copy;
            }
            6..=8 => {
                bench.pass(2_000);
                let is_looked_at = bench.round() != Round::Refused;
                is_seen |= by_copy && is_looked_at;
            }
            9 => bench.save(),
            10 => bench.sink.refuse(dice.roll(3) as u32),
            _ => {
                bench.die();
                crashes += 1;
                if dice.roll(2) == 0 {
                    writer.write(&mut dice);
                }
                bench.scan();
                is_seen = true;
            }
        }
        let millis = 50 + dice.roll(2_000);
        bench.pass(millis);
    }
    writer.finish();
    let texts = bench.settle();
    let wrong = wrong(&texts, writer.next);
    assert!(
        wrong.is_empty(),
        "seed {seed} {pattern}, {crashes} crashes, {} lines: {wrong:?}",
        writer.next
    );
}

#[test]
fn every_line_once_through_renames_and_crashes() {
    for seed in 0..SEEDS {
        crash_test(seed, false, "app.log");
        crash_test(seed, false, "app.log*");
    }
}

#[test]
fn every_line_once_through_emptying_and_crashes() {
    for seed in 0..SEEDS {
        crash_test(seed, true, "app.log");
        crash_test(seed, true, "app.log*");
    }
}
