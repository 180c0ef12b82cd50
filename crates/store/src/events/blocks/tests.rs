use std::{path::Path, sync::Arc, time::Duration};

use model::{
    Clock, UnixMs,
    log::{Line, Origin, Place, Severity},
    series::TimeRange,
};
use proptest::prelude::*;

use crate::{
    Fsync,
    disk::Disk,
    events::{
        Aggregate, Event as _, Events, Filter, GroupBy, LINES, Measure, Options, Order, Search,
        read_line,
    },
};

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const ALL: TimeRange = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
const TIMEOUT: Duration = Duration::from_secs(60);

fn open(folder: &Path) -> Events {
    open_at(folder, &Clock::manual(NOW))
}

fn open_at(folder: &Path, clock: &Clock) -> Events {
    let of_kind = |_: &str| Options::default();
    let fsync = Fsync::Interval(Duration::from_secs(1));
    let opened = Events::open(folder, &of_kind, fsync, clock, &Disk::default());
    let (events, problems) = opened.unwrap();
    assert_eq!(problems, [""; 0]);
    events
}

fn line(number: u64, body: &str) -> Line {
    let origin = Origin {
        source: "file".to_owned(),
        host: format!("node-{}", number % 3),
        engine: if number.is_multiple_of(2) { "vllm" } else { "" }.to_owned(),
        ..Origin::default()
    };
    Line {
        time: NOW - Duration::from_millis(number * 7 % 1_000),
        origin: Arc::new(origin),
        severity: Severity::ALL.into_iter().nth(number as usize % 8),
        body: body.to_owned(),
        attributes: Vec::new(),
        place: None,
    }
}

/// All that can be seen of the records that match, by several questions.
fn seen(events: &Events, filter: &str, range: TimeRange) -> Vec<String> {
    let filter = Filter::parse(filter, Line::schema()).unwrap();
    let mut seen = Vec::new();
    for order in [Order::Newest, Order::Oldest, Order::Largest("offset")] {
        for limit in [3, 10_000] {
            let search = Search {
                filter: &filter,
                range,
                order,
                limit,
                after: None,
                with_private: false,
                timeout: TIMEOUT,
            };
            let page = events.search(LINES, &search).unwrap();
            assert_eq!(page.damaged, 0);
            let hits =
                page.hits.iter().map(|hit| format!("{} {:?}", hit.number, read_line(&hit.record)));
            seen.extend(hits);
        }
    }
    let field = GroupBy::Field;
    let time = GroupBy::Time(Duration::from_millis(10));
    for by in [
        &[][..],
        &[field("severity")],
        &[field("pattern")],
        &[time, field("engine")],
        &[field("host"), field("pattern"), time],
        &[field("offset")],
        &[field("k"), field("attributes.none")],
    ] {
        let question = Aggregate {
            filter: &filter,
            range,
            by,
            measures: &[Measure::Count, Measure::Max("offset")],
            timeout: TIMEOUT,
        };
        let with_numbers = events.aggregate(LINES, &question).unwrap();
        let question = Aggregate { measures: &[Measure::Count], ..question };
        seen.push(format!("{with_numbers:?} {:?}", events.aggregate(LINES, &question).unwrap()));
    }
    seen
}

fn any_line() -> impl Strategy<Value = Line> {
    let body = prop_oneof![
        4 => prop::collection::vec(prop::sample::select(vec![
            "GPU", "xid 79", "Xid 7", "显存不足", "显", "took 12ms", "10.0.0.1:80", "feedbeef", "beef", "a-b", "größe2", "\n", ": ", " ", "ab12", "ab",
        ]), 0..5).prop_map(|pieces| pieces.join(" ")),
        1 => "[a-c0-2 \0显]{0,12}",
        1 => Just(format!("long {}", "1 x ".repeat(80))),
    ];
    let word = || prop::option::of(prop::sample::select(vec!["a", "b1", "显存 1"]));
    let severity = prop::option::of(prop::sample::select(Severity::ALL.to_vec()));
    (body, word(), [word(), word()], severity, 0_u64..50, prop::option::of(0_u64..5)).prop_map(
        |(body, host, attributes, severity, time, offset)| Line {
            time: NOW - Duration::from_millis(time),
            origin: Arc::new(Origin {
                host: host.unwrap_or_default().to_owned(),
                ..Origin::default()
            }),
            severity,
            body,
            // A sender may give a name twice.
            attributes: attributes
                .into_iter()
                .flatten()
                .map(|value| ("k".to_owned(), value.to_owned()))
                .collect(),
            place: offset.map(|offset| Place { file: "f".into(), offset }),
        },
    )
}

fn any_filter() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "gpu",
        "xid",
        "\"xid 79\"",
        "79",
        "显",
        "显存",
        "显存不足",
        "took",
        "12ms",
        "1*",
        "ab*",
        "a*",
        "\"10.0.0.1:80\"",
        "80",
        "beef",
        "feedbeef",
        "\"took 12ms\"",
        "\"a b\"",
        "größe2",
        "grö*",
        "x",
        "/xid \\d+/",
        "/Xid/",
        "/^$/",
        "/显.*\\d/",
        "/beef$/",
        "body:*",
        "host:a",
        "host:*",
        "host:b*",
        "host:/[ab]1?/",
        "k:a",
        "k:*",
        "k:\"显存 1\"",
        "k:/.*1/",
        "attributes.k:b*",
        "severity:error",
        "severity:(warn OR info)",
        "pattern:*",
        "pattern:\"xid <*>\"",
        "pattern:took*",
        "pattern:/.*xid.*/",
        "offset:>2",
        "offset:*",
        "offset:1",
        "file:f",
        "file:g",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} {b})")),
            inner.prop_map(|a| format!("-{a}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    /// What is in blocks is found as what waits in memory is, also after files were put together.
    #[test]
    fn memory_and_blocks_agree(
        commits in prop::collection::vec(prop::collection::vec(any_line(), 1..8), 1..18),
        filters in prop::collection::vec(any_filter(), 1..6),
        (from, span) in (0_u64..50, 0_u64..50),
    ) {
        let (waiting, stored) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (memory, blocks) = (open(waiting.path()), open(stored.path()));
        for lines in commits {
            prop_assert_eq!(memory.append(&lines).unwrap(), lines.len());
            prop_assert_eq!(blocks.append(&lines).unwrap(), lines.len());
            blocks.commit().unwrap();
        }
        let start = NOW - Duration::from_millis(from);
        let range = TimeRange { start, end: start + Duration::from_millis(span) };
        drop(blocks);
        let blocks = open(stored.path());
        for filter in filters {
            for range in [ALL, range] {
                prop_assert_eq!(seen(&memory, &filter, range), seen(&blocks, &filter, range), "{}", filter);
            }
        }
    }
}

#[test]
fn small_files_are_put_together_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let events = open(folder.path());
    let count = |events: &Events| {
        let question = Aggregate {
            filter: &Filter::default(),
            range: ALL,
            by: &[],
            measures: &[Measure::Count],
            timeout: TIMEOUT,
        };
        events.aggregate(LINES, &question).unwrap().rows[0].values[0]
    };
    let files = || {
        let part = std::fs::read_dir(folder.path().join(LINES)).unwrap();
        let part = part.map(|entry| entry.unwrap().path()).find(|path| !path.ends_with("wal"));
        std::fs::read_dir(part.unwrap()).unwrap().count()
    };
    let mut most = 0;
    for number in 0..70_u64 {
        let lines: Vec<Line> =
            (0..10).map(|at| line(number * 10 + at, &format!("line {number} of {at}"))).collect();
        events.append(&lines).unwrap();
        events.commit().unwrap();
        most = most.max(files());
        assert_eq!(count(&events), Some((number as f64 + 1.0) * 10.0));
    }
    assert!(most <= 8, "{most} files");
    drop(events);
    // Of a day that is over they all become one.
    assert!(files() > 1);
    let clock = Clock::manual(NOW);
    let events = open_at(folder.path(), &clock);
    clock.set(NOW + Duration::from_secs(2 * 24 * 60 * 60));
    events.maintain(clock.now()).unwrap();
    assert_eq!((files(), count(&events)), (1, Some(700.0)));
    drop(events);
    assert_eq!(count(&open(folder.path())), Some(700.0));
}

#[test]
fn the_largest_of_the_newest_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let events = open(folder.path());
    let at = |file: &str, offset| Line {
        place: Some(Place { file: file.into(), offset }),
        ..line(offset, "a")
    };
    let check = |records, expected: &[(&str, u64)]| {
        let largest = events.largest_of_newest(LINES, ("file", "offset"), records).unwrap();
        let mut largest: Vec<(&str, u64)> =
            largest.iter().map(|(file, at)| (&**file, *at)).collect();
        largest.sort_unstable();
        assert_eq!(largest, expected);
    };
    check(10, &[]);
    events.append(&[at("a", 5), at("b", 7), at("a", 3), line(0, "without")]).unwrap();
    check(10, &[("a", 5), ("b", 7)]);
    events.commit().unwrap();
    check(10, &[("a", 5), ("b", 7)]);
    events.append(&[at("a", 9)]).unwrap();
    check(1, &[("a", 9), ("b", 7)]);
    events.commit().unwrap();
    check(1, &[("a", 9)]);
}

#[test]
fn damage_is_told_and_costs_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let events = open(folder.path());
    for number in 0..3 {
        events.append(&[line(number, "a line with 1 value")]).unwrap();
        events.commit().unwrap();
    }
    let part = std::fs::read_dir(folder.path().join(LINES)).unwrap();
    let part = part.map(|entry| entry.unwrap().path()).find(|path| !path.ends_with("wal")).unwrap();
    let path = part.join("0000000002.blocks");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let search = Search {
        filter: &Filter::default(),
        range: ALL,
        order: Order::Newest,
        limit: 10,
        after: None,
        with_private: false,
        timeout: TIMEOUT,
    };
    let page = events.search(LINES, &search).unwrap();
    assert!(page.damaged > 0, "{page:?}");
}
