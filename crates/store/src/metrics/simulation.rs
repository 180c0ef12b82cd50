//! A store on a disk that fails and forgets, driven by a seed. The same seed gives the same run.
//!
//! Operations fail with "no space left" or "input/output error", writes reach the file in part. A power
//! failure takes what was never synced: tails of files, zeroed pages, new names, renamings, removals. After
//! each the store is opened again and must have every sample that it acknowledged, and none that nobody
//! sent.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    sync::atomic::AtomicBool,
};

use model::{
    Labels,
    sample::Points,
    series::{Budget, Matcher, SeriesSource as _, TimeRange},
};

use super::{histogram::example, *};
use crate::disk::{Fault, Faults, Operation};

const START: UnixMs = UnixMs(1_800_000_000_000);
const STEPS: u32 = 120;
const SERIES: u64 = 5;
/// Of these the last so many have histograms.
const HISTOGRAM_SERIES: u64 = 2;
/// Of so many operations one fails, while the disk is bad.
const FAULT_EVERY: u64 = 12;
const PAGE: u64 = 4_096;

/// SplitMix64: a few lines, and good enough to be unpredictable.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is at least 1.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// A change of names that a power failure may undo.
#[derive(Debug)]
enum Change {
    Created(PathBuf),
    /// From, to, and where the file that `to` was before is kept.
    Renamed(PathBuf, PathBuf, Option<PathBuf>),
    /// What was removed, and where it is kept.
    Removed(PathBuf, PathBuf),
}

impl Change {
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Created(path) | Self::Renamed(_, path, _) | Self::Removed(path, _) => {
                path.parent()
            }
        }
    }
}

#[derive(Debug)]
struct BadDisk {
    dice: Mutex<Dice>,
    is_bad: AtomicBool,
    shadow: PathBuf,
    state: Mutex<State>,
    faults: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// How much of each file is safe.
    synced: HashMap<PathBuf, u64>,
    /// Not safe yet, oldest first.
    changes: Vec<Change>,
    kept: u64,
    /// The copy of what is about to be replaced or removed.
    pending: Option<PathBuf>,
}

impl Faults for BadDisk {
    fn before(&self, operation: Operation, path: &Path, bytes: usize) -> Option<Fault> {
        let mut dice = self.dice.lock().unwrap();
        if self.is_bad.load(Ordering::Relaxed) && dice.below(FAULT_EVERY) == 0 {
            self.faults.fetch_add(1, Ordering::Relaxed);
            let code = if dice.below(2) == 0 { 28 } else { 5 }; // ENOSPC, EIO
            let written = dice.below(bytes as u64 + 1) as usize;
            return Some(Fault { written, error: io::Error::from_raw_os_error(code) });
        }
        if matches!(operation, Operation::Rename | Operation::Remove) && path.exists() {
            let mut state = self.state.lock().unwrap();
            state.kept += 1;
            let copy = self.shadow.join(state.kept.to_string());
            fs::hard_link(path, &copy).unwrap();
            state.pending = Some(copy);
        }
        None
    }

    fn after(&self, operation: Operation, path: &Path, from: Option<&Path>) {
        let mut state = self.state.lock().unwrap();
        let pending = state.pending.take();
        match operation {
            Operation::Create => {
                state.synced.insert(path.into(), 0);
                state.changes.push(Change::Created(path.into()));
            }
            Operation::Sync => {
                let length = fs::metadata(path).unwrap().len();
                state.synced.insert(path.into(), length);
            }
            Operation::Rename => {
                let from = from.unwrap();
                let length = state.synced.remove(from).unwrap_or(u64::MAX);
                state.synced.insert(path.into(), length);
                state.changes.push(Change::Renamed(from.into(), path.into(), pending));
            }
            Operation::Remove => {
                if let Some(copy) = pending {
                    state.changes.push(Change::Removed(path.into(), copy));
                }
            }
            Operation::SyncFolder => {
                state.changes.retain(|change| change.folder() != Some(path));
            }
            Operation::Write | Operation::Link => {}
        }
    }
}

impl BadDisk {
    /// Forgets what was never synced. Names are undone from the newest on, as a journal would.
    fn lose_power(&self) {
        let mut dice = self.dice.lock().unwrap();
        let mut state = self.state.lock().unwrap();
        let files: Vec<(PathBuf, u64)> =
            state.synced.iter().map(|(path, length)| (path.clone(), *length)).collect();
        for (path, synced) in files {
            let Ok(found) = fs::metadata(&path) else { continue };
            if found.len() > synced {
                forget_tail(&path, synced, found.len(), &mut dice);
            }
        }
        let undone = dice.below(state.changes.len() as u64 + 1) as usize;
        for _ in 0..undone {
            match state.changes.pop().unwrap() {
                Change::Created(path) => drop(fs::remove_file(path)),
                Change::Renamed(from, to, former) => {
                    drop(fs::rename(&to, from));
                    if let Some(former) = former {
                        drop(fs::rename(former, to));
                    }
                }
                Change::Removed(path, copy) => drop(fs::rename(copy, path)),
            }
        }
        state.changes.clear();
        state.synced.clear();
    }
}

fn forget_tail(path: &Path, synced: u64, length: u64, dice: &mut Dice) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let kept = synced + dice.below(length - synced + 1);
    file.set_len(kept).unwrap();
    if kept > synced && dice.below(3) == 0 {
        // A page that never reached the disk reads as zeros.
        let start = synced + dice.below(kept - synced);
        let zeros = vec![0; (kept - start).min(PAGE) as usize];
        file.seek(SeekFrom::Start(start)).unwrap();
        file.write_all(&zeros).unwrap();
    }
}

/// What may be found of one point: nothing and these values, or one of these values.
#[derive(Clone, Debug, Default)]
struct Fate {
    is_sure: bool,
    values: Vec<u64>,
}

struct Simulation {
    folder: tempfile::TempDir,
    disk: Arc<BadDisk>,
    clock: Clock,
    fsync: Fsync,
    store: Option<Metrics>,
    /// By series and time.
    points: BTreeMap<(u64, i64), Fate>,
    /// Acknowledged since the last sync that succeeded.
    unsynced: Vec<(u64, i64)>,
    samples_checked: u64,
    crashes: u64,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shadow = folder.path().join("shadow");
        fs::create_dir(&shadow).unwrap();
        let disk = BadDisk {
            dice: Mutex::new(Dice(seed)),
            is_bad: AtomicBool::new(false),
            shadow,
            state: Mutex::default(),
            faults: AtomicU64::new(0),
        };
        let fsync = match seed % 2 {
            0 => Fsync::EveryBatch,
            _ => Fsync::Interval(Duration::from_secs(1)),
        };
        let mut simulation = Self {
            folder,
            disk: Arc::new(disk),
            clock: Clock::manual(START),
            fsync,
            store: None,
            points: BTreeMap::new(),
            unsynced: Vec::new(),
            samples_checked: 0,
            crashes: 0,
        };
        simulation.open();
        simulation
    }

    fn dice(&self, bound: u64) -> u64 {
        self.disk.dice.lock().unwrap().below(bound)
    }

    fn open(&mut self) {
        let options = Options { fsync: self.fsync, ..Options::default() };
        let disk = Disk::with_faults(Arc::clone(&self.disk) as Arc<dyn Faults>);
        let data = self.folder.path().join("data");
        let (store, _) = recover::open(&data, options, self.clock.clone(), disk).unwrap();
        self.store = Some(store);
    }

    fn store(&self) -> &Metrics {
        self.store.as_ref().unwrap()
    }

    fn labels(series: u64) -> Labels {
        Labels::metric("m", [("series", series.to_string())])
    }

    fn step(&mut self) {
        self.disk.is_bad.store(self.dice(3) == 0, Ordering::Relaxed);
        match self.dice(20) {
            0..9 => self.append(),
            9 => self.clock.set(self.clock.now() + Duration::from_secs(self.dice(9_000))),
            10 | 11 => drop(self.store().maintain(self.clock.now())),
            12 => drop(maintain::cut_early(&self.store().0, self.clock.now())),
            13 => {
                let mut blocks = self.store().0.block_list().to_vec();
                blocks.retain(|block| block.description.resolution_ms == 0);
                if !blocks.is_empty() {
                    drop(compact::merge(&self.store().0, &blocks));
                }
            }
            14 => self.delete(),
            15 => drop(self.store().clean_tombstones()),
            16 => {
                self.clock.set(self.clock.now() + Duration::from_secs(1));
                self.sync();
            }
            17 => drop(self.store().snapshot()),
            18 => self.restart(false),
            _ => self.restart(true),
        }
    }

    fn append(&mut self) {
        self.clock.set(self.clock.now() + Duration::from_secs(self.dice(60)));
        let mut points = Points::default();
        let mut sent = Vec::new();
        for series in 0..1 + self.dice(SERIES) {
            let has_histograms = series >= SERIES - HISTOGRAM_SERIES;
            points.start(Self::labels(series));
            for _ in 0..1 + self.dice(4) {
                let time = self.clock.now() - Duration::from_secs(self.dice(500));
                let value = self.dice(3) as f64 + 0.1;
                if has_histograms {
                    points.histograms.push((Self::labels(series), time, example(value)));
                } else {
                    points.push(time, value);
                }
                sent.push((series, time.0, value.to_bits()));
            }
        }
        let result = self.store().append_points(&points);
        let is_stored = result.is_ok_and(|appended| appended.accepted + appended.histograms > 0);
        for (series, time, bits) in sent {
            let fate = self.points.entry((series, time)).or_default();
            // Of two values for one time the first counts; which one a refusal concerned is not told.
            let is_decided = fate.is_sure && fate.values.len() == 1;
            if !is_decided && !fate.values.contains(&bits) {
                fate.values.push(bits);
            }
            if is_stored && !fate.is_sure {
                fate.is_sure = true;
                self.unsynced.push((series, time));
            }
        }
    }

    fn sync(&mut self) {
        if self.store().sync().is_ok() {
            self.unsynced.clear();
        }
    }

    fn delete(&mut self) {
        let series = self.dice(SERIES);
        let start = self.clock.now() - Duration::from_secs(self.dice(20_000));
        let range = TimeRange { start, end: UnixMs::MAX };
        let matchers = [Matcher::equal("series", series.to_string())];
        let is_deleted = self.store().delete(&matchers, range).is_ok();
        for ((_, _), fate) in self.points.range_mut((series, start.0)..=(series, i64::MAX)) {
            fate.is_sure = false;
            if is_deleted {
                fate.values.clear();
            }
        }
        self.points.retain(|_, fate| !fate.values.is_empty());
    }

    /// Ends the process without a word, or the machine's power.
    fn restart(&mut self, loses_power: bool) {
        self.store = None;
        self.crashes += 1;
        if loses_power {
            if self.fsync != Fsync::EveryBatch {
                for key in self.unsynced.drain(..) {
                    if let Some(fate) = self.points.get_mut(&key) {
                        fate.is_sure = false;
                    }
                }
            }
            self.disk.lose_power();
        }
        // Recovery may be cut off as well; then the next one takes over.
        while self.dice(3) == 0 {
            self.open();
            self.store = None;
        }
        self.open();
        self.check(loses_power);
    }

    fn check(&mut self, lost_power: bool) {
        self.disk.is_bad.store(false, Ordering::Relaxed);
        let all = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
        let budget = Budget::new(self.clock.clone(), Duration::from_secs(3_600), u64::MAX);
        let mut found = BTreeMap::new();
        for series in self.store().select(&[], all, &budget).unwrap() {
            let number: u64 = series.labels.get("series").unwrap().parse().unwrap();
            for (time, value) in series.times.iter().zip(&series.values) {
                found.insert((number, *time), value.to_bits());
            }
        }
        for series in self.store().select_histograms(&[], all, &budget).unwrap() {
            let number: u64 = series.labels.get("series").unwrap().parse().unwrap();
            for (time, histogram) in series.times.iter().zip(&series.histograms) {
                assert_eq!(*histogram, example(histogram.sum));
                found.insert((number, *time), histogram.sum.to_bits());
            }
        }
        for (key, bits) in &found {
            let fate = self.points.get(key);
            let is_sent = fate.is_some_and(|fate| fate.values.contains(bits));
            assert!(is_sent, "{key:?} was never sent, or deleted");
        }
        for (key, fate) in &mut self.points {
            let bits = found.get(key);
            assert!(bits.is_some() || !fate.is_sure, "{key:?} was acknowledged and is lost");
            // What is there after a power failure was synced. What a failed write left in the log may come
            // and go: nobody was told that it is stored.
            if let (true, Some(bits)) = (lost_power, bits) {
                *fate = Fate { is_sure: true, values: vec![*bits] };
            }
        }
        self.samples_checked += found.len() as u64;
        assert_eq!(self.store().stats().chunks_damaged, 0);
    }
}

/// Runs one seed; returns faults, crashes and samples checked.
fn run(seed: u64) -> (u64, u64, u64) {
    let mut simulation = Simulation::new(seed);
    for _ in 0..STEPS {
        simulation.step();
    }
    simulation.restart(true);
    (simulation.disk.faults.load(Ordering::Relaxed), simulation.crashes, simulation.samples_checked)
}

#[test]
#[expect(clippy::print_stdout, reason = "the counts are for people")]
fn nothing_acknowledged_is_lost_on_a_bad_disk() {
    // More with STORE_SIMULATION_SEEDS=10000; one with STORE_SIMULATION_SEED=17.
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("STORE_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("STORE_SIMULATION_SEEDS").unwrap_or(24),
    };
    let (mut faults, mut crashes, mut samples) = (0, 0, 0);
    for seed in seeds {
        let counts = std::panic::catch_unwind(|| run(seed));
        let (more_faults, more_crashes, more_samples) =
            counts.unwrap_or_else(|_| panic!("seed {seed} failed"));
        faults += more_faults;
        crashes += more_crashes;
        samples += more_samples;
    }
    println!("{faults} faults, {crashes} crashes, {samples} samples checked, 0 lost");
    assert!(faults > 0 && crashes > 0 && samples > 0);
}
