use model::{
    Labels, UnixMs,
    histogram::{Buckets, CUSTOM_SCHEMA, Histogram, Span},
    sample::{Batch, Points, stale},
    series::{Budget, Matcher, SelectError, SeriesSource as _, TimeRange},
};

use crate::metrics::{
    Clock, Metrics, Options,
    tests::{MINUTE, START, budget, dump, open, refused},
};

const ALL: TimeRange = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };

/// A histogram that its sum tells apart from others; some have custom bounds, some broken counts.
pub(in crate::metrics) fn example(sum: f64) -> Histogram {
    let counts = vec![sum.abs(), 2.0, 300.0];
    let count = counts.iter().sum();
    let spans = vec![Span { offset: 1, length: 1 }, Span { offset: 2, length: 2 }];
    let positive = Buckets { spans, counts };
    if sum % 2.0 == 0.0 {
        let custom_bounds = vec![0.1, 0.5, 1.0, 5.0, 10.0];
        let schema = CUSTOM_SCHEMA;
        return Histogram { schema, count, sum, positive, custom_bounds, ..Histogram::default() };
    }
    let negative = Buckets { spans: vec![Span { offset: -7, length: 1 }], counts: vec![0.5] };
    let (schema, zero_threshold, zero_count) = (3, 1e-128, 1.0);
    Histogram {
        schema,
        zero_threshold,
        zero_count,
        count: count + 1.5,
        sum,
        positive,
        negative,
        ..Histogram::default()
    }
}

fn points(time: UnixMs, histograms: impl IntoIterator<Item = (&'static str, Histogram)>) -> Points {
    let labels = |name| Labels::metric(name, [("job", "test")]);
    let histograms = histograms.into_iter().map(|(name, it)| (labels(name), time, it)).collect();
    Points { histograms, ..Points::default() }
}

#[test]
fn each_reason_to_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let options = Options { series_max: 2, ..Options::default() };
    let (store, _) = Metrics::open(folder.path(), options, clock).unwrap();
    let check = |time: UnixMs, name: &'static str, histogram: Histogram, expected: &str| {
        let appended = store.append_points(&points(time, [(name, histogram)])).unwrap();
        let reasons: Vec<&str> = appended.refused().map(|(reason, _)| reason).collect();
        assert_eq!(reasons.concat(), expected, "{name} at {time}");
        assert_eq!((appended.accepted, appended.histograms), (0, usize::from(expected.is_empty())));
    };
    check(START, "a", example(1.0), "");
    check(START, "a", example(1.0), "");
    check(START, "a", example(3.0), "duplicate");
    check(START - MINUTE, "a", example(3.0), "");
    check(START + 11 * MINUTE, "a", example(3.0), "too_far_ahead");
    check(START + 9 * MINUTE, "a", Histogram { sum: stale(), ..Histogram::default() }, "");
    check(START - 11 * MINUTE, "a", example(3.0), "too_old");
    check(START, "a", Histogram { schema: 9, ..example(1.0) }, "invalid_histogram");
    check(START - 16 * 24 * 60 * MINUTE, "b", example(1.0), "too_old");
    check(START, "b", example(1.0), "");
    check(START, "c", example(1.0), "series_limit");
    let mut float = Batch::new(START);
    float.push(&Labels::metric("a", [("job", "test")]), 1.0);
    assert_eq!(store.append(&float).unwrap().accepted, 0, "there is a histogram");
    float.time = START + MINUTE;
    assert_eq!(store.append(&float).unwrap().accepted, 1);
    check(START + MINUTE, "a", example(1.0), "duplicate");
    let twice = points(START, [("b", example(1.0)), ("b", example(1.0)), ("b", example(5.0))]);
    let late =
        points(START + MINUTE, [("b", example(1.0)), ("b", example(1.0)), ("b", example(5.0))]);
    for twins in [twice, late] {
        let appended = store.append_points(&twins).unwrap();
        assert_eq!(appended.histograms, 2);
        assert_eq!(appended.refused().collect::<Vec<_>>(), [("duplicate", 1)]);
    }
    assert_eq!(refused(&store)["duplicate"], 5);
}

/// A day and a half of histograms and nothing else, one in five minutes.
fn fill(store: &Metrics, clock: &Clock) -> Vec<(i64, u64)> {
    let mut expected = Vec::new();
    for step in 0..36 * 12 {
        let now = START + step * 5 * MINUTE;
        clock.set(now);
        let sum = f64::from(step) / 2.0;
        store.append_points(&points(now, [("h", example(sum))])).unwrap();
        store.maintain(now).unwrap();
        expected.push((now.0, sum.to_bits()));
    }
    expected
}

#[test]
fn histograms_of_many_series_come_in_the_same_order_always() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    let names = ["e", "a", "d", "h", "c", "g", "b", "f"];
    store.append_points(&points(START, names.map(|name| (name, example(1.0))))).unwrap();
    for _ in 0..3 {
        let found = store.select_histograms(&[], ALL, &budget(&clock)).unwrap();
        let found: Vec<&str> = found.iter().map(|series| series.labels.name()).collect();
        assert_eq!(found, names);
    }
}

#[test]
fn histograms_alone_are_found_merged_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let mut store = open(folder.path(), &clock);
    let expected = fill(&store, &clock);
    let sequences = |store: &Metrics| -> Vec<(i64, usize)> {
        let blocks = store.0.block_list();
        let described = blocks.iter().map(|block| &block.description);
        described.map(|d| (d.resolution_ms, d.parents.len())).collect()
    };
    assert!(sequences(&store).iter().any(|(_, parents)| *parents > 1), "{:?}", sequences(&store));
    assert!(sequences(&store).iter().all(|(resolution, _)| *resolution == 0), "they have no rows");
    for _ in 0..2 {
        assert_eq!(dump(&store, &clock)["h as histograms"], expected);
        let budget = budget(&clock);
        assert_eq!(store.select(&[], ALL, &budget).unwrap().len(), 0);
        assert_eq!(store.series(&[], ALL, &budget).unwrap().len(), 1);
        assert_eq!(store.label_values("__name__", ALL, &budget).unwrap(), ["h"]);
        assert_eq!(store.oldest_sample(), START);
        drop(store);
        store = open(folder.path(), &clock);
    }
    let narrow = TimeRange { start: START + 6 * MINUTE, end: START + 16 * MINUTE };
    let found = store.select_histograms(&[], narrow, &budget(&clock)).unwrap().remove(0);
    assert_eq!(found.times, [(START + 10 * MINUTE).0, (START + 15 * MINUTE).0]);
    assert_eq!(found.histograms, [example(1.0), example(1.5)]);
    let other = [Matcher::equal("job", "other")];
    assert_eq!(store.select_histograms(&other, ALL, &budget(&clock)).unwrap(), []);
    let small = Budget::new(clock.clone(), MINUTE, 1_000);
    let refused = store.select_histograms(&[], ALL, &small).unwrap_err();
    assert_eq!(refused, SelectError::TooManySamples);
    drop(store);
    let report = crate::verify(folder.path()).unwrap();
    assert!(report.samples >= expected.len() as u64, "{report:?}");
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[test]
fn what_cannot_be_read_is_told_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let store = open(folder.path(), &clock);
    let expected = fill(&store, &clock);
    let victim = store.0.block_list()[0].path.clone();
    drop(store);
    let mut bytes = std::fs::read(&victim).unwrap();
    bytes[400] ^= 1;
    std::fs::write(&victim, bytes).unwrap();
    let store = open(folder.path(), &clock);
    let left = dump(&store, &clock)["h as histograms"].len();
    assert!(left > 0 && left < expected.len(), "{left}");
    assert!(store.stats().chunks_damaged > 0);
    drop(store);
    assert_eq!(crate::verify(folder.path()).unwrap().problems.len(), 1);
    crate::repair(folder.path()).unwrap();
    assert!(crate::verify(folder.path()).unwrap().problems.is_empty());
    assert_eq!(dump(&open(folder.path(), &clock), &clock)["h as histograms"].len(), left);
}

#[test]
fn they_age_out_and_are_deleted_like_floats() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let options = Options { retention: 12 * 60 * MINUTE, ..Options::default() };
    let (store, _) = Metrics::open(folder.path(), options, clock.clone()).unwrap();
    let mut expected = fill(&store, &clock);
    let found = dump(&store, &clock).remove("h as histograms").unwrap();
    assert!(found.len() < 16 * 12, "{}", found.len());
    expected.drain(..expected.len() - found.len());
    assert_eq!(found, expected);
    let middle = clock.now() - 6 * 60 * MINUTE;
    store.delete(&[], TimeRange { start: middle, end: UnixMs::MAX }).unwrap();
    expected.retain(|(time, _)| *time < middle.0);
    assert_eq!(dump(&store, &clock)["h as histograms"], expected);
    store.clean_tombstones().unwrap();
    assert_eq!(dump(&store, &clock)["h as histograms"], expected);
}
