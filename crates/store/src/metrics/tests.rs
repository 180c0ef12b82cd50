use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize},
};

use model::{
    Labels,
    sample::{Batch, Exemplar, Points},
    series::{Budget, Matcher, SelectError, SeriesData, SeriesSource as _, TimeRange},
};
use proptest::prelude::*;

use super::{histogram::example, *};
use crate::disk::{Fault, Faults, Operation};

pub(super) const START: UnixMs = UnixMs(1_800_000_000_000);
pub(super) const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn open(folder: &Path, clock: &Clock) -> Metrics {
    Metrics::open(folder, Options::default(), clock.clone()).unwrap().0
}

fn batch(time: UnixMs, values: &[(&str, f64)]) -> Batch {
    let mut batch = Batch::new(time);
    for (name, value) in values {
        batch.push(&Labels::metric(name, [("job", "test")]), *value);
    }
    batch
}

pub(super) fn budget(clock: &Clock) -> Budget {
    Budget::new(clock.clone(), MINUTE, 10_000_000)
}

/// Every stored point, by series. Histograms, all of which must be examples, show as their sums under a
/// name of their own.
pub(super) fn dump(store: &Metrics, clock: &Clock) -> BTreeMap<String, Vec<(i64, u64)>> {
    let all = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
    let series = store.select(&[], all, &budget(clock)).unwrap();
    let points = |times: Vec<i64>, values: Vec<f64>| {
        times.into_iter().zip(values.into_iter().map(f64::to_bits)).collect()
    };
    let floats =
        series.into_iter().map(|s| (s.labels.name().to_owned(), points(s.times, s.values)));
    let series = store.select_histograms(&[], all, &budget(clock)).unwrap();
    let histograms = series.into_iter().map(|series| {
        let sums = series.histograms.iter().map(|found| {
            assert_eq!(*found, example(found.sum));
            found.sum
        });
        (beside(series.labels.name()), points(series.times, sums.collect()))
    });
    floats.chain(histograms).collect()
}

/// The name under which [`dump`] has the histograms of a series.
fn beside(name: &str) -> String {
    format!("{name} as histograms")
}

pub(super) fn refused(store: &Metrics) -> BTreeMap<&'static str, u64> {
    store.stats().refused().filter(|(_, count)| *count > 0).collect()
}

#[test]
fn each_reason_to_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let options = Options { series_max: 2, ..Options::default() };
    let (store, _) = Metrics::open(folder.path(), options, clock).unwrap();
    let check = |time: UnixMs, name: &str, value: f64, expected: &str| {
        let before = refused(&store);
        let appended = store.append(&batch(time, &[(name, value)])).unwrap();
        let mut grown = refused(&store);
        grown.retain(|reason, count| before.get(reason) != Some(count));
        let reasons: Vec<_> = grown.into_keys().collect();
        let expected: Vec<_> = Some(expected).filter(|text| !text.is_empty()).into_iter().collect();
        assert_eq!(reasons, expected, "{name} {value} at {time}");
        assert_eq!(appended.accepted, usize::from(expected.is_empty()));
    };
    check(START, "a", 1.0, "");
    check(START, "a", 1.0, "");
    check(START, "a", 2.0, "duplicate");
    check(START - MINUTE, "a", 2.0, "");
    check(START + 11 * MINUTE, "a", 2.0, "too_far_ahead");
    check(START + 9 * MINUTE, "a", 2.0, "");
    check(START - 11 * MINUTE, "a", 2.0, "too_old");
    check(START - 16 * 24 * 60 * MINUTE, "b", 2.0, "too_old");
    check(START - 11 * MINUTE, "b", 2.0, "");
    check(START, "b", f64::NAN, "");
    check(START, "c", 1.0, "series_limit");
}

#[test]
fn an_import_may_be_as_old_as_it_likes() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let options = Options { accept_old: true, ..Options::default() };
    let (store, _) = Metrics::open(folder.path(), options, clock.clone()).unwrap();
    for days in [0, 1, 400, 30] {
        let time = START - days * 24 * 60 * MINUTE;
        assert_eq!(store.append(&batch(time, &[("a", 1.0)])).unwrap().accepted, 1);
    }
    assert_eq!(dump(&store, &clock)["a"].len(), 4);
}

#[test]
fn one_target_that_explodes_leaves_the_others_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let options = Options { instance_series_max: 3, ..Options::default() };
    let (store, _) = Metrics::open(folder.path(), options, clock).unwrap();
    let labels = |index: usize, instance: &str| {
        Labels::metric("m", [("i", index.to_string()), ("instance", instance.into())])
    };
    let mut batch = Batch::new(START);
    for index in 0..10 {
        batch.push(&labels(index, "bad:1"), 1.0);
    }
    batch.push(&labels(0, "good:1"), 1.0);
    let appended = store.append(&batch).unwrap();
    assert_eq!(appended.accepted, 4);
    assert_eq!(appended.refused().collect::<Vec<_>>(), [("instance_series_limit", 7)]);
    assert_eq!(store.stats().crowded_instance.as_deref(), Some("bad:1"));
}

#[test]
fn points_with_times_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    let mut points = Points::default();
    let labels = |name| Labels::metric(name, [("job", "test")]);
    for (name, offsets) in [("a", [3, 1, 2]), ("b", [1, 1, 5]), ("a", [4, 1, 6])] {
        points.start(labels(name));
        for (index, offset) in offsets.into_iter().enumerate() {
            points.push(START + Duration::from_millis(offset), index as f64);
        }
    }
    let appended = store.append_points(&points).unwrap();
    // The second "b" at 1 is another value for a known time; the second "a" at 1 says the same again.
    assert_eq!(appended.accepted, 8, "{appended:?}");
    let expected: BTreeMap<String, Vec<(i64, f64)>> = [
        ("a".to_owned(), vec![(1, 1.0), (2, 2.0), (3, 0.0), (4, 0.0), (6, 2.0)]),
        ("b".to_owned(), vec![(1, 0.0), (5, 2.0)]),
    ]
    .into();
    let found = dump(&store, &clock).into_iter().map(|(name, points)| {
        let points = points.into_iter();
        (name, points.map(|(time, bits)| (time - START.0, f64::from_bits(bits))).collect())
    });
    assert_eq!(found.collect::<BTreeMap<_, Vec<_>>>(), expected);
}

#[test]
fn what_is_deleted_is_gone_everywhere_and_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let mut store = open(folder.path(), &clock);
    for minute in 0..300 {
        let now = START + minute * MINUTE;
        clock.set(now);
        store.append(&batch(now, &[("a", 1.0), ("b", 2.0)])).unwrap();
        store.maintain(now).unwrap();
    }
    assert!(!store.0.block_list().is_empty());
    let range = TimeRange { start: START + 10 * MINUTE, end: UnixMs::MAX };
    store.delete(&[Matcher::equal("__name__", "a")], range).unwrap();
    let check = |store: &Metrics, when: &str| {
        let found = dump(store, &clock);
        assert_eq!((found["a"].len(), found["b"].len()), (10, 300), "{when}");
    };
    check(&store, "at once");
    drop(store);
    store = open(folder.path(), &clock);
    check(&store, "after a restart");
    store.clean_tombstones().unwrap();
    check(&store, "after rewriting");
    store.append(&batch(clock.now() + MINUTE, &[("a", 7.0)])).unwrap();
    assert_eq!(dump(&store, &clock)["a"].len(), 11, "what comes later stays");
    let everything = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
    store.delete(&[Matcher::equal("__name__", "b")], everything).unwrap();
    let budget = budget(&clock);
    assert_eq!(store.label_values("__name__", everything, &budget).unwrap(), ["a"]);
    for _ in 0..300 {
        clock.set(clock.now() + MINUTE);
        store.append(&batch(clock.now(), &[("a", 1.0)])).unwrap();
        store.maintain(clock.now()).unwrap();
    }
    store.clean_tombstones().unwrap();
    assert!(store.0.tombstone_list().is_empty(), "{:?}", store.0.tombstone_list());
}

#[test]
fn blocks_are_merged_to_days_without_changing_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let mut store = open(folder.path(), &clock);
    let mut expected = Vec::new();
    for step in 0..3 * 24 * 12 {
        let now = START + step * 5 * MINUTE;
        clock.set(now);
        let value = f64::from(step).sin();
        store.append(&batch(now, &[("a", value)])).unwrap();
        store.maintain(now).unwrap();
        expected.push((now.0, value.to_bits()));
    }
    assert_eq!(dump(&store, &clock)["a"], expected);
    let spans =
        store.0.block_list().iter().filter(|block| block.description.resolution_ms == 0).count();
    assert!(spans <= 12, "{spans} blocks for three days");
    assert!(store.0.block_list().iter().any(|block| block.description.parents.len() > 1));
    drop(store);
    store = open(folder.path(), &clock);
    assert_eq!(dump(&store, &clock)["a"], expected);
}

#[test]
fn days_that_are_over_have_rows_also_of_late_samples() {
    use model::series::{Column, Rows};
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let options = Options { accept_old: true, ..Options::default() };
    let (store, _) = Metrics::open(folder.path(), options, clock.clone()).unwrap();
    const DAY: i64 = 24 * 60 * 60 * 1_000;
    // A counter from the middle of one day to the middle of the third.
    for step in 0..2 * 24 * 60 + 60 {
        let now = START + step * MINUTE;
        clock.set(now);
        store.append(&batch(now, &[("a", f64::from(step % 1_000))])).unwrap();
        if step % 30 == 0 {
            store.maintain(now).unwrap();
        }
    }
    let rows = store.rows();
    let first_day = START.0.div_euclid(DAY) * DAY;
    let range = TimeRange { start: UnixMs(first_day), end: UnixMs(first_day + 2 * DAY) };
    assert_eq!(rows, [Rows { step_ms: 60_000, range }, Rows { step_ms: 600_000, range }]);
    // The first sample stands at a whole minute, where the row that it is in ends.
    assert_eq!((store.oldest_sample(), store.oldest_row(60_000)), (START, START));
    assert_eq!(store.oldest_row(5_000), UnixMs::MAX);
    let day = TimeRange { start: UnixMs(first_day + DAY + 1), end: range.end };
    let column = |column| {
        let found = store.select_rows(&[], day, 600_000, column, &budget(&clock)).unwrap();
        assert_eq!(found.len(), 1);
        found.into_iter().next().unwrap().values
    };
    let counts = column(Column::Count);
    assert_eq!((counts.len(), counts[0], counts[143]), (144, 10.0, 10.0));
    let raw = store.select(&[], day, &budget(&clock)).unwrap().remove(0);
    assert_eq!(column(Column::Last).last(), raw.values.last());
    let sum: f64 = raw.values.iter().sum();
    assert_eq!(column(Column::Sum).iter().sum::<f64>(), sum);
    let grown: f64 = column(Column::Growth).iter().sum();
    assert_eq!(grown, 1_440.0 - 2.0, "two of its steps were resets, to zero");
    let late = UnixMs(first_day + DAY + 30_000);
    store.append(&batch(late, &[("a", 5_000.0)])).unwrap();
    clock.set(clock.now() + 3 * 60 * MINUTE);
    store.maintain(clock.now()).unwrap();
    assert_eq!(column(Column::Max)[0], 5_000.0);
    // The process may die between the rows of one step and those of the next.
    let is_coarse = |block: &&Arc<Block>| block.description.resolution_ms == 600_000;
    let lost = store.0.block_list().iter().find(is_coarse).unwrap().path.clone();
    drop(store);
    fs::remove_file(&lost).unwrap();
    let store = open(folder.path(), &clock);
    clock.set(clock.now() + MINUTE);
    store.maintain(clock.now()).unwrap();
    assert_eq!(store.rows()[1].range.start, range.start);
}

#[test]
fn a_merge_that_was_cut_off_leaves_no_double() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    for minute in 0..400 {
        let now = START + minute * MINUTE;
        clock.set(now);
        store.append(&batch(now, &[("a", f64::from(minute))])).unwrap();
        store.maintain(now).unwrap();
    }
    let before = dump(&store, &clock);
    let group = store.0.block_list().to_vec();
    assert!(group.len() > 1);
    let copies: Vec<_> =
        group.iter().map(|block| (block.path.clone(), fs::read(&block.path).unwrap())).collect();
    compact::merge(&store.0, &group).unwrap();
    drop((store, group));
    // As if the process had died before the parents were removed.
    for (path, content) in copies {
        fs::write(path, content).unwrap();
    }
    let store = open(folder.path(), &clock);
    assert_eq!(store.0.block_list().len(), 1);
    assert_eq!(dump(&store, &clock), before);
}

#[test]
fn a_large_log_is_cut_early() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    for minute in 0..60 {
        let now = START + minute * MINUTE;
        clock.set(now);
        store.append(&batch(now, &[("a", f64::from(minute))])).unwrap();
    }
    let before = dump(&store, &clock);
    maintain::cut_early(&store.0, clock.now()).unwrap();
    assert_eq!(store.0.block_list().len(), 1);
    assert_eq!(dump(&store, &clock), before);
    drop(store);
    let store = open(folder.path(), &clock);
    assert_eq!(dump(&store, &clock), before);
}

#[test]
fn a_snapshot_is_a_store_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    for minute in 0..200 {
        let now = START + minute * MINUTE;
        clock.set(now);
        store.append(&batch(now, &[("a", f64::from(minute))])).unwrap();
        store.maintain(now).unwrap();
    }
    let before = dump(&store, &clock);
    let snapshot = store.snapshot().unwrap();
    store.append(&batch(clock.now() + MINUTE, &[("a", 1.0)])).unwrap();
    let everything = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
    store.delete(&[], everything).unwrap();
    store.clean_tombstones().unwrap();
    assert!(dump(&store, &clock).is_empty());
    assert_eq!(dump(&open(&snapshot, &clock), &clock), before);
}

#[test]
fn exemplars_and_metadata_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let mut store = open(folder.path(), &clock);
    let exemplar = |offset: u64| Exemplar {
        series: Labels::metric("h_bucket", [("le", "1.0")]),
        labels: Labels::from_pairs([("trace_id", offset.to_string())]),
        time: START + Duration::from_secs(offset),
        value: 0.5,
    };
    let said = Metadata {
        name: "h".into(),
        kind: model::catalogue::Kind::Histogram,
        unit: "s".into(),
        help: "延迟".into(),
    };
    assert_eq!(store.append_exemplars(&[exemplar(1), exemplar(2)]).unwrap(), 2);
    assert_eq!(store.append_exemplars(&[exemplar(2)]).unwrap(), 0, "it is repeated");
    store.set_metadata(std::slice::from_ref(&said)).unwrap();
    let said_at_length =
        Metadata { help: "长".repeat(1_000), name: "long".into(), ..said.clone() };
    let written = || fs::metadata(folder.path().join("metadata")).unwrap().ino();
    let mut files = Vec::new();
    for _ in 0..2 {
        store.set_metadata(std::slice::from_ref(&said_at_length)).unwrap();
        files.push(written());
    }
    assert_eq!(files[0], files[1], "what says nothing new is not written again");
    for _ in 0..2 {
        let range = TimeRange { start: START + Duration::from_secs(2), end: UnixMs::MAX };
        let one = [Matcher::equal("le", "1.0")];
        assert_eq!(store.exemplars(&one, range), [exemplar(2)]);
        assert_eq!(store.exemplars(&[Matcher::equal("le", "2")], range), []);
        assert!(store.metadata().contains(&said));
        drop(store);
        store = open(folder.path(), &clock);
    }
}

#[test]
fn verifying_names_every_damage_and_repairing_saves_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    for minute in 0..300 {
        let now = START + minute * MINUTE;
        clock.set(now);
        store.append(&batch(now, &[("a", f64::from(minute).sin()), ("b", 2.0)])).unwrap();
        store.maintain(now).unwrap();
    }
    assert!(matches!(crate::verify(folder.path()), Err(OpenError::InUse { .. })));
    let blocks = store.0.block_list().to_vec();
    let victim = blocks[0].path.clone();
    drop((store, blocks));
    assert!(crate::verify(folder.path()).unwrap().problems.is_empty());
    // A bit in the first column of values, and half a frame at the end of the log.
    let mut bytes = fs::read(&victim).unwrap();
    bytes[200] ^= 1;
    fs::write(&victim, &bytes).unwrap();
    let (_, segment) = crate::segment::segments(&folder.path().join("wal")).unwrap().pop().unwrap();
    let mut log = fs::read(&segment).unwrap();
    log.extend_from_slice(&[9, 0, 0, 0, 1]);
    fs::write(&segment, log).unwrap();
    // What a repair that was cut off may leave.
    fs::write(victim.with_extension("block.tmp"), "half").unwrap();
    let damages = |report: Report| -> Vec<(PathBuf, Damage)> {
        report.problems.into_iter().map(|problem| (problem.path, problem.damage)).collect()
    };
    let expected = [(victim.clone(), Damage::Pieces(1)), (segment.clone(), Damage::Tail(5))];
    assert_eq!(damages(crate::verify(folder.path()).unwrap()), expected);
    let repaired = crate::repair(folder.path()).unwrap();
    for (problem, saves) in repaired.problems.iter().zip([true, false]) {
        let repaired = problem.repaired.as_ref().unwrap();
        assert_eq!(repaired.aside, problem.path.with_extension("bad"));
        assert_eq!(repaired.saved.is_some_and(|samples| samples > 0), saves, "{repaired:?}");
    }
    assert_eq!(fs::read(victim.with_extension("bad")).unwrap(), bytes);
    assert!(crate::verify(folder.path()).unwrap().problems.is_empty());
    let store = open(folder.path(), &clock);
    assert_eq!(store.stats().blocks_aside, 1);
    let found = dump(&store, &clock);
    assert_eq!(found["b"].len(), 300);
    assert!(found["a"].len() >= 100, "{}", found["a"].len());
}

#[test]
fn a_folder_that_is_no_store_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("absent")] {
        assert!(!is_store(&path));
        assert!(matches!(crate::verify(&path), Err(OpenError::NoStore { .. })));
        assert!(matches!(crate::repair(&path), Err(OpenError::NoStore { .. })));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_day_without_rows_is_not_tried_for_ever() {
    const DAY: i64 = 24 * 60 * 60 * 1_000;
    let folder = tempfile::tempdir().unwrap();
    let midnight = UnixMs(START.0.div_euclid(DAY) * DAY);
    let clock = Clock::manual(midnight);
    let store = open(folder.path(), &clock);
    // What stands at midnight belongs to the day before.
    store.append(&batch(midnight, &[("a", 1.0)])).unwrap();
    clock.set(midnight + Duration::from_secs(3 * 24 * 60 * 60));
    store.maintain(clock.now()).unwrap();
    assert_eq!((store.stats().blocks, store.rows().len()), (1, 0));
    // What was deleted and not yet cleaned makes no row either.
    store.append(&batch(clock.now(), &[("b", 1.0)])).unwrap();
    clock.set(clock.now() + Duration::from_secs(60 * 60 * 24));
    let all = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
    maintain::cut_early(&store.0, clock.now()).unwrap();
    store.delete(&[Matcher::equal("job", "test")], all).unwrap();
    clock.set(clock.now() + Duration::from_secs(60 * 60 * 24));
    store.maintain(clock.now()).unwrap();
    assert!(dump(&store, &clock).is_empty());
}

#[test]
fn an_error_of_maintenance_stands_until_the_work_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    store.append(&batch(START, &[("a", 1.0)])).unwrap();
    let (blocks, aside) = (folder.path().join("blocks"), folder.path().join("aside"));
    fs::rename(&blocks, &aside).unwrap();
    clock.set(START + 5 * 60 * MINUTE);
    assert!(store.maintain(clock.now()).is_err());
    store.maintain(clock.now()).unwrap();
    assert!(store.stats().maintenance_error.is_some(), "nothing was due and nothing was done");
    fs::rename(&aside, &blocks).unwrap();
    clock.set(clock.now() + MINUTE);
    store.maintain(clock.now()).unwrap();
    assert_eq!((store.stats().maintenance_error, store.stats().blocks), (None, 1));
}

/// Refuses one kind of operation on files whose path contains a word.
#[derive(Debug)]
struct Refusing(Operation, &'static str, AtomicBool);

impl Faults for Refusing {
    fn before(&self, operation: Operation, path: &Path, _: usize) -> Option<Fault> {
        let refuses = self.2.load(Ordering::Relaxed)
            && operation == self.0
            && path.to_string_lossy().contains(self.1);
        refuses.then(|| Fault { written: 0, error: io::Error::from_raw_os_error(5) })
    }

    fn after(&self, _: Operation, _: &Path, _: Option<&Path>) {}
}

fn open_refusing(
    folder: &Path,
    operation: Operation,
    word: &'static str,
) -> (Metrics, Arc<Refusing>) {
    let faults = Arc::new(Refusing(operation, word, true.into()));
    let options = Options { fsync: Fsync::EveryBatch, ..Options::default() };
    let disk = Disk::with_faults(Arc::clone(&faults) as Arc<dyn Faults>);
    let store = recover::open(folder, options, Clock::manual(START), disk).unwrap().0;
    (store, faults)
}

#[test]
fn what_cannot_be_synced_is_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (store, faults) = open_refusing(folder.path(), Operation::Sync, ".wal");
    assert!(store.append(&batch(START, &[("a", 1.0)])).is_err());
    assert!(!store.stats().writable);
    faults.2.store(false, Ordering::Relaxed);
    store.append(&batch(START, &[("a", 1.0)])).unwrap();
    assert!(store.stats().writable);
    let files = crate::segment::segments(&folder.path().join("wal")).unwrap().len();
    assert_eq!(files, 2, "it went to a new segment");
}

#[test]
fn one_file_that_cannot_be_removed_does_not_keep_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (store, faults) = open_refusing(folder.path(), Operation::Remove, "first");
    let paths = ["first", "second"].map(|name| folder.path().join(name));
    paths.iter().for_each(|path| fs::write(path, "").unwrap());
    store.0.unwanted.lock().unwrap().extend(paths.clone());
    assert!(store.0.discard_unwanted().is_err());
    assert_eq!(paths.clone().map(|path| path.exists()), [true, false]);
    faults.2.store(false, Ordering::Relaxed);
    store.0.discard_unwanted().unwrap();
    assert!(!paths[0].exists());
}

#[test]
fn a_number_beyond_all_reason_is_no_segment() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    drop(open(folder.path(), &clock));
    fs::write(folder.path().join(format!("wal/{}.wal", u64::MAX)), "").unwrap();
    let store = open(folder.path(), &clock);
    store.append(&batch(START, &[("a", 1.0)])).unwrap();
    drop(store);
    assert_eq!(dump(&open(folder.path(), &clock), &clock)["a"].len(), 1);
}

#[test]
fn a_second_store_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    let second = Metrics::open(folder.path(), Options::default(), clock.clone());
    let Err(OpenError::InUse { pid, .. }) = second else { panic!("opened twice") };
    assert_eq!(pid, Some(std::process::id()));
    drop(store);
    open(folder.path(), &clock);
}

#[test]
fn spans_move_into_blocks_and_age_out() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let options = Options { retention: 6 * 60 * MINUTE, ..Options::default() };
    let (store, _) = Metrics::open(folder.path(), options.clone(), clock.clone()).unwrap();
    let mut expected = Vec::new();
    for minute in 0..12 * 60 {
        let now = START + minute * MINUTE;
        clock.set(now);
        store.append(&batch(now, &[("a", f64::from(minute))])).unwrap();
        store.maintain(now).unwrap();
        expected.push((now.0, f64::from(minute).to_bits()));
    }
    let blocks = store.0.block_list();
    assert!(blocks.len() >= 2, "{} blocks", blocks.len());
    let oldest = blocks[0].range.start;
    assert!(oldest >= START + 3 * 60 * MINUTE, "nothing aged out: {oldest}");
    expected.retain(|(time, _)| *time >= oldest.0);
    assert_eq!(dump(&store, &clock)["a"], expected);
    let wal_files = fs::read_dir(folder.path().join("wal")).unwrap().count();
    assert!(wal_files <= 2, "{wal_files} segments left");
    drop(store);
    let (store, _) = Metrics::open(folder.path(), options, clock.clone()).unwrap();
    assert_eq!(dump(&store, &clock)["a"], expected);
}

#[test]
fn a_clock_that_jumped_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    for hour in 0..5 {
        let now = START + hour * 60 * MINUTE;
        clock.set(now);
        store.append(&batch(now, &[("a", 1.0)])).unwrap();
        store.maintain(now).unwrap();
    }
    let before = dump(&store, &clock);
    // The manual clock's monotonic time goes along with `set`, the wall time given here does not.
    let future = START + 24 * 365 * 60 * MINUTE;
    clock.set(START + 6 * 60 * MINUTE);
    store.maintain(future).unwrap();
    assert_eq!(dump(&store, &clock), before);
}

#[test]
fn too_much_goes_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let options = Options { bytes_max: 2_000, ..Options::default() };
    let (store, _) = Metrics::open(folder.path(), options, clock.clone()).unwrap();
    for minute in 0..24 * 60 {
        let now = START + minute * MINUTE;
        clock.set(now);
        store.append(&batch(now, &[("a", f64::from(minute).sin())])).unwrap();
        store.maintain(now).unwrap();
    }
    let points = &dump(&store, &clock)["a"];
    assert!(points.len() < 24 * 60 && !points.is_empty());
    assert_eq!(points.last().unwrap().0, (START + (24 * 60 - 1) * MINUTE).0);
}

#[test]
fn a_disk_that_refuses_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    store.append(&batch(START, &[("a", 1.0)])).unwrap();
    store.0.writer.lock().unwrap().wal.rotate();
    let (wal, aside) = (folder.path().join("wal"), folder.path().join("aside"));
    fs::rename(&wal, &aside).unwrap();
    let error = store.append(&batch(START + MINUTE, &[("a", 2.0)])).unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
    assert!(!store.stats().writable);
    assert_eq!(dump(&store, &clock)["a"].len(), 1, "what was there stays readable");
    fs::rename(&aside, &wal).unwrap();
    store.append(&batch(START + 2 * MINUTE, &[("a", 3.0)])).unwrap();
    assert!(store.stats().writable);
    drop(store);
    let points = dump(&open(folder.path(), &clock), &clock).remove("a").unwrap();
    assert_eq!(points, [(START.0, 1_f64.to_bits()), ((START + 2 * MINUTE).0, 3_f64.to_bits())]);
}

#[test]
fn a_damaged_block_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    for hour in 0..6 {
        let now = START + hour * 60 * MINUTE;
        clock.set(now);
        store.append(&batch(now, &[("a", 1.0)])).unwrap();
        store.maintain(now).unwrap();
    }
    let victim = store.0.block_list()[0].path.clone();
    let before = dump(&store, &clock)["a"].len();
    drop(store);
    fs::write(&victim, "nonsense").unwrap();
    let (store, recovery) =
        Metrics::open(folder.path(), Options::default(), clock.clone()).unwrap();
    assert_eq!(recovery.problems().len(), 1);
    let left = dump(&store, &clock)["a"].len();
    assert!(left > 0 && left < before);
}

#[test]
fn limits_of_a_query() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    for second in 0..10 {
        let time = START + Duration::from_secs(second);
        store.append(&batch(time, &[("a", 1.0), ("b", 2.0)])).unwrap();
    }
    let range = TimeRange { start: START, end: START + MINUTE };
    let small = Budget::new(clock.clone(), MINUTE, 15);
    assert_eq!(
        store.select(&[], range, &small).unwrap_err().to_string(),
        "query processing would load too many samples into memory"
    );
    let one = [Matcher::equal("__name__", "a")];
    assert_eq!(store.select(&one, range, &small).unwrap().len(), 1);
    assert_eq!(store.label_names(range, &small).unwrap(), ["__name__", "job"]);
    assert_eq!(store.label_values("__name__", range, &small).unwrap(), ["a", "b"]);
    small.cancel_flag().store(true, Ordering::Relaxed);
    assert!(store.select(&one, range, &small).is_err());
}

/// What one thread finds ends the reading of all.
#[test]
fn an_error_ends_all_threads() {
    const SERIES: u64 = 1_200;
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    let names: Vec<String> = (0..SERIES).map(|n| format!("a{n:04}")).collect();
    let values: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 1.0)).collect();
    for second in 0..100 {
        store.append(&batch(START + Duration::from_secs(second), &values)).unwrap();
    }
    let range = TimeRange { start: START, end: START + MINUTE + MINUTE };
    let (has_failed, visited) = (AtomicBool::new(false), AtomicU64::new(0));
    let real = Clock::system();
    let visit = |place: u64, _: &mut SeriesData| {
        visited.fetch_add(1, Ordering::Relaxed);
        if place == 0 {
            has_failed.store(true, Ordering::Relaxed);
            return Err(SelectError::Storage("the first".into()));
        }
        // The others begin when it is over.
        let begun = real.monotonic();
        while !has_failed.load(Ordering::Relaxed) && real.monotonic() < begun + MINUTE {
            std::thread::yield_now();
        }
        Ok(())
    };
    let result = store.visit(&[], range, &budget(&clock), &visit);
    assert_eq!(result, Err(SelectError::Storage("the first".into())));
    assert!(visited.into_inner() < SERIES / 2);
}

#[derive(Clone, Debug)]
enum Step {
    /// Moves the clock by this many seconds and appends this value to one of three series, so many
    /// seconds before the clock.
    Append {
        advance: i64,
        late: i64,
        series: usize,
        value: u8,
        is_histogram: bool,
    },
    Maintain,
    CutEarly,
    /// Merges all blocks into one.
    Merge,
    /// Deletes one series from this many seconds before the clock on.
    Delete {
        series: usize,
        back: u64,
    },
    Clean,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let advance = prop_oneof![8 => 0_i64..90, 2 => 3_000_i64..9_000, 1 => -4_000_i64..0];
    prop_oneof![
        12 => (advance, 0_i64..400, 0_usize..3, any::<u8>(), prop::bool::weighted(0.3)).prop_map(
            |(advance, late, series, value, is_histogram)| {
                Step::Append { advance, late, series, value, is_histogram }
            },
        ),
        3 => Just(Step::Maintain),
        1 => Just(Step::CutEarly),
        1 => Just(Step::Merge),
        1 => (0_usize..3, 0_u64..9_000).prop_map(|(series, back)| Step::Delete { series, back }),
        1 => Just(Step::Clean),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Whatever the order of work, exactly the accepted samples are there, also after a restart.
    #[test]
    fn nothing_acknowledged_is_lost(steps in proptest::collection::vec(step(), 1..120)) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let mut store = open(folder.path(), &clock);
        let mut expected: BTreeMap<String, BTreeMap<i64, u64>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Append { advance, late, series, value, is_histogram } => {
                    clock.set(UnixMs(clock.now().0 + advance * 1_000));
                    let time = UnixMs(clock.now().0 - late * 1_000);
                    let name = ["a", "b", "c"][series];
                    let value = f64::from(value);
                    let mut batch = Points::default();
                    let labels = Labels::metric(name, [("job", "test")]);
                    if is_histogram {
                        batch.histograms.push((labels, time, example(value)));
                    } else {
                        batch.start(labels);
                        batch.push(time, value);
                    }
                    let appended = store.append_points(&batch).unwrap();
                    if appended.accepted + appended.histograms == 1 {
                        // Of two values for one time the first stays, also when the first is in a
                        // block already.
                        let name = if is_histogram { beside(name) } else { name.to_owned() };
                        let points = expected.entry(name).or_default();
                        points.entry(time.0).or_insert(value.to_bits());
                    }
                }
                Step::Maintain => store.maintain(clock.now()).unwrap(),
                Step::CutEarly => maintain::cut_early(&store.0, clock.now()).unwrap(),
                Step::Merge => {
                    let mut blocks = store.0.block_list().to_vec();
                    blocks.retain(|block| block.description.resolution_ms == 0);
                    if !blocks.is_empty() {
                        compact::merge(&store.0, &blocks).unwrap();
                    }
                }
                Step::Delete { series, back } => {
                    let name = ["a", "b", "c"][series];
                    let start = clock.now() - Duration::from_secs(back);
                    let range = TimeRange { start, end: UnixMs::MAX };
                    store.delete(&[Matcher::equal("__name__", name)], range).unwrap();
                    for name in [name.to_owned(), beside(name)] {
                        if let Some(points) = expected.get_mut(&name) {
                            points.retain(|time, _| *time < start.0);
                        }
                    }
                    expected.retain(|_, points| !points.is_empty());
                }
                Step::Clean => store.clean_tombstones().unwrap(),
                Step::Reopen => {
                    drop(store);
                    store = open(folder.path(), &clock);
                }
            }
            let found = dump(&store, &clock);
            let wanted: BTreeMap<_, Vec<_>> =
                expected.iter().map(|(name, points)| (name.clone(), points.clone().into_iter().collect())).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}

#[test]
fn many_points_are_read_by_several_threads_in_an_order_of_their_own() {
    const SERIES: usize = 300;
    const MINUTES: u32 = 5 * 60;
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    let labels: Vec<Labels> =
        (0..SERIES).map(|index| Labels::metric("m", [("i", index.to_string())])).collect();
    for minute in 0..MINUTES {
        for second in [0, 15, 30, 45] {
            let now = START + MINUTE * minute + Duration::from_secs(second);
            clock.set(now);
            let mut batch = Batch::new(now);
            for (index, labels) in labels.iter().enumerate() {
                batch.push(labels, index as f64);
            }
            store.append(&batch).unwrap();
        }
    }
    store.maintain(clock.now()).unwrap();
    assert!(!store.0.block_list().is_empty() && store.0.head().len() == SERIES);
    let all = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
    let points = SERIES * MINUTES as usize * 4;
    assert!(points > 200_000, "enough for threads");
    let budget = |samples| Budget::new(clock.clone(), MINUTE, samples);
    let select = || store.select(&[], all, &budget(points as u64)).unwrap();
    let first = select();
    assert_eq!(first.len(), SERIES);
    for series in &first {
        let value = series.labels.get("i").and_then(|text| text.parse::<f64>().ok()).unwrap();
        assert_eq!(series.times.len(), MINUTES as usize * 4);
        assert!(series.times.is_sorted() && series.values.iter().all(|found| *found == value));
    }
    let order = |found: &[SeriesData]| -> Vec<Labels> {
        found.iter().map(|series| series.labels.clone()).collect()
    };
    let is_same = (0..3).all(|_| order(&select()) == order(&first));
    assert!(is_same, "the order does not depend on the threads");
    let refused = store.select(&[], all, &budget(points as u64 - 1));
    assert!(matches!(refused, Err(SelectError::TooManySamples)));

    let seen = AtomicUsize::new(0);
    let result = store.visit(&[], all, &budget(points as u64), &|_, _| match seen
        .fetch_add(1, Ordering::Relaxed)
    {
        10.. => Err(SelectError::Storage("enough".into())),
        _ => Ok(()),
    });
    assert_eq!(result, Err(SelectError::Storage("enough".into())));
    let seen = seen.into_inner();
    assert!((11..SERIES / 2).contains(&seen), "{seen}");
}
