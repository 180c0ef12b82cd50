use std::{fs, time::Duration};

use model::{
    Clock, UnixMs,
    exchange::{Exchange, Outcome, Tokens},
    log::{Line, Origin, Severity},
    series::TimeRange,
};
use proptest::prelude::*;

use super::*;
use crate::{
    disk::{Fault, Faults, Operation},
    events::part::DAY_MS,
};

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const ALL: TimeRange = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
const TIMEOUT: Duration = Duration::from_secs(60);
const KIND: &str = "exchange";

fn open_with(
    folder: &Path,
    options: &Options,
    clock: &Clock,
    disk: &Disk,
) -> (Events, Vec<String>) {
    let of_kind = |_: &str| options.clone();
    let fsync = Fsync::Interval(Duration::from_secs(1));
    Events::open(folder, &of_kind, fsync, clock, disk).unwrap()
}

fn open(folder: &Path) -> Events {
    let (events, problems) =
        open_with(folder, &Options::default(), &Clock::manual(NOW), &Disk::default());
    assert_eq!(problems, [""; 0]);
    events
}

fn exchange(number: u64) -> Exchange {
    Exchange {
        time: NOW + Duration::from_millis(number) - Duration::from_secs(60),
        request_id: format!("r{number}"),
        model_served: Some(["qwen3", "llama", "模型-7b"][number as usize % 3].to_owned()),
        outcome: Outcome::ALL[number as usize % Outcome::ALL.len()],
        status: Some(if number.is_multiple_of(7) { 500 } else { 200 }),
        ttft: (!number.is_multiple_of(5)).then(|| Duration::from_micros(number * 1_300)),
        tokens: Tokens { output: Some(number), ..Tokens::default() },
        error: number.is_multiple_of(4).then(|| format!("CUDA out of memory 显存不足 {number}")),
        parameters: vec![("temperature", format!("0.{}", number % 3))],
        ..Exchange::default()
    }
}

fn exchanges(numbers: std::ops::Range<u64>) -> Vec<Exchange> {
    numbers.map(exchange).collect()
}

fn filter(text: &str) -> Filter {
    Filter::parse(text, Exchange::schema()).unwrap()
}

fn search<'a>(filter: &'a Filter, order: Order<'a>, limit: usize) -> Search<'a> {
    let (after, with_private) = (None, false);
    Search { filter, range: ALL, order, limit, after, with_private, timeout: TIMEOUT }
}

/// The request ids of what is found, in order.
fn ids(events: &Events, text: &str, order: Order<'_>) -> Vec<String> {
    let filter = filter(text);
    let page = events.search(KIND, &search(&filter, order, PAGE_MAX)).unwrap();
    assert_eq!(page.damaged, 0);
    let position = Exchange::schema().position("request_id").unwrap();
    let id = |hit: &Hit| hit.record.value(position).and_then(Value::as_text).unwrap().to_owned();
    page.hits.iter().map(id).collect()
}

fn count(events: &Events) -> usize {
    ids(events, "", Order::Newest).len()
}

fn table(events: &Events, text: &str, by: &[GroupBy<'_>], measures: &[Measure<'_>]) -> Table {
    let filter = filter(text);
    let question = Aggregate { filter: &filter, range: ALL, by, measures, timeout: TIMEOUT };
    events.aggregate(KIND, &question).unwrap()
}

#[test]
fn filters_find_the_same_in_memory_and_in_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let events = open(folder.path());
    events.append(&exchanges(0..60)).unwrap();
    let cases = [
        ("", 60),
        ("model:qwen3", 20),
        ("model:qwen3 status:500", 3),
        ("model:qwen3 AND NOT status:500", 17),
        ("-model:qwen3", 40),
        ("model:(qwen3 OR llama)", 40),
        ("model:qwen3 or model:llama and status:500", 23),
        ("model:q*3", 20),
        ("model:*", 60),
        ("model:?lama", 20),
        ("model:模型*", 20),
        ("qwen3", 20),
        ("r17", 1),
        ("request_id:r1?", 10),
        ("status:>=500", 9),
        ("status:200..299", 51),
        ("status:[500 TO *]", 9),
        ("status:{200 TO 500}", 0),
        ("ttft_ms:>1.3", 47),
        ("ttft_ms:>=1.3", 48),
        ("ttft_ms:1.3", 1),
        ("ttft_ms:<0", 0),
        ("ttft_ms:*", 48),
        ("NOT ttft_ms:*", 12),
        ("tokens_output:<=-1", 0),
        ("tokens_output:>3.5 tokens_output:<6.5", 3),
        ("is_stream:false", 60),
        ("is_stream:true", 0),
        ("error:\"out of memory\"", 15),
        ("error:\"memory of\"", 0),
        ("error:mem*", 15),
        ("error:\"Out OF\"", 15),
        ("error:*", 15),
        ("显存不足", 15),
        ("error:存不", 15),
        ("error:显", 15),
        ("error:足", 15),
        ("error:忆", 0),
        ("error:\"--\"", 0),
        ("parameters.temperature:0.1", 20),
        ("parameters.temperature:0.*", 60),
        ("parameters.temperature:*", 60),
        ("parameters.top_p:*", 0),
        ("parameters:*", 60),
        ("request_body:*", 0),
        ("upstream:x", 0),
        ("upstream:*", 0),
        ("outcome:ok -model:llama", 10),
    ];
    let found = |events: &Events| cases.map(|(text, _)| ids(events, text, Order::Oldest).len());
    let expected = cases.map(|(_, count)| count);
    assert_eq!(found(&events), expected, "in memory");
    events.commit().unwrap();
    assert_eq!(events.stats()[0].records_waiting, 0);
    assert_eq!(found(&events), expected, "in the index");
}

#[test]
fn pages_follow_each_other_in_every_order() {
    let folder = tempfile::tempdir().unwrap();
    let events = open(folder.path());
    for begin in 0..5 {
        events.append(&exchanges(begin * 20..begin * 20 + 20)).unwrap();
        if begin != 3 {
            events.commit().unwrap();
        }
    }
    let everything = filter("");
    for (order, expected) in [
        (Order::Newest, 100),
        (Order::Oldest, 100),
        (Order::Largest("ttft_ms"), 80),
        (Order::Smallest("status"), 100),
    ] {
        let whole = ids(&events, "", order);
        assert_eq!(whole.len(), expected, "{order:?}");
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let mut search = search(&everything, order, 7);
            search.after = after;
            let page = events.search(KIND, &search).unwrap();
            paged.extend(page.hits.iter().map(|hit| format!("r{}", hit.number - 1)));
            let Some(next) = page.next else { break };
            after = Some(next.to_string().parse().unwrap());
        }
        assert_eq!(paged, whole, "{order:?}");
    }
    assert_eq!(ids(&events, "", Order::Newest)[0], "r99");
    assert_eq!(ids(&events, "", Order::Largest("ttft_ms"))[0], "r99");
    assert_eq!("x-1".parse::<Cursor>(), Err(QueryError::InvalidCursor));
}

#[test]
fn records_are_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let events = open(folder.path());
    events.append(&exchanges(0..40)).unwrap();
    events.commit().unwrap();
    events.append(&exchanges(40..60)).unwrap();
    let measures = [
        Measure::Count,
        Measure::Sum("tokens_output"),
        Measure::Average("tokens_output"),
        Measure::Min("ttft_ms"),
        Measure::Max("ttft_ms"),
        Measure::Percentile("tokens_output", 0.5),
        Measure::Sum("tokens_input"),
    ];
    let found = table(&events, "", &[GroupBy::Field("model")], &measures);
    let words: Vec<&Key> = found.rows.iter().map(|row| &row.keys[0]).collect();
    let key = |text: &str| Key::Value(text.into());
    assert_eq!(words, [&key("llama"), &key("qwen3"), &key("模型-7b")]);
    let llama = &found.rows[0].values;
    assert_eq!(llama[..5], [20.0, 590.0, 29.5, 1.3, 75.4].map(Some));
    assert!((llama[5].unwrap() - 28.0).abs() <= 0.3, "{llama:?}");
    assert_eq!(llama[6], None, "absent is not zero");

    let by = [GroupBy::Field("status"), GroupBy::Field("outcome")];
    let found = table(&events, "", &by, &[Measure::Count]);
    let total: f64 = found.rows.iter().map(|row| row.values[0].unwrap()).sum();
    assert_eq!((found.rows.len(), total), (12, 60.0));

    let step = Duration::from_millis(10);
    let found = table(&events, "", &[GroupBy::Time(step)], &[Measure::Count]);
    assert_eq!(found.rows.len(), 6);
    assert!(found.rows.iter().all(|row| row.values == [Some(10.0)]), "{found:?}");
    assert_eq!(found.rows[0].keys, [Key::Time(NOW - Duration::from_secs(60))]);
    let found = table(&events, "", &[GroupBy::Time(step)], &[Measure::First, Measure::Last]);
    let begin = (NOW - Duration::from_secs(60)).0 as f64;
    assert_eq!(found.rows[1].values, [begin + 10.0, begin + 19.0].map(Some));

    let everything = filter("");
    let map = events.histogram2d(KIND, &everything, ALL, step, ("ttft_ms", 2), TIMEOUT).unwrap();
    let total: u64 = map.cells.iter().map(|(_, _, count)| count).sum();
    assert_eq!(total, 48);
    // 1.3 ms lie below 2^(1/2), and 2^0 does not reach.
    assert_eq!(map.cells[0], (NOW - Duration::from_secs(60), 1, 1));
}

#[test]
fn questions_that_cannot_be_answered_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let events = open(folder.path());
    events.append(&exchanges(0..200)).unwrap();
    let everything = filter("");
    let ask = |by: &[GroupBy<'_>], measures: &[Measure<'_>], timeout| {
        let question = Aggregate { filter: &everything, range: ALL, by, measures, timeout };
        events.aggregate(KIND, &question).unwrap_err()
    };
    let field = GroupBy::Field("model");
    let time = GroupBy::Time(Duration::from_secs(1));
    let unknown = QueryError::UnknownField("x".to_owned());
    assert_eq!(ask(&[GroupBy::Field("x")], &[], TIMEOUT), unknown);
    let id = QueryError::NotGroupable("request_id".to_owned());
    assert_eq!(ask(&[GroupBy::Field("request_id")], &[], TIMEOUT), id);
    assert_eq!(ask(&[field, field, field], &[], TIMEOUT), QueryError::TooManyKeys);
    assert_eq!(ask(&[time, time], &[], TIMEOUT), QueryError::TooManyKeys);
    assert_eq!(ask(&[GroupBy::Time(Duration::ZERO)], &[], TIMEOUT), QueryError::InvalidStep);
    let word = QueryError::NotANumber("model".to_owned());
    assert_eq!(ask(&[], &[Measure::Sum("model")], TIMEOUT), word);
    let percentile = [Measure::Percentile("ttft_ms", 50.0)];
    assert_eq!(ask(&[], &percentile, TIMEOUT), QueryError::InvalidPercentile);
    let missing = events.search("x", &search(&everything, Order::Newest, 1)).unwrap_err();
    assert_eq!(missing, QueryError::UnknownKind("x".to_owned()));
    let mut far = exchange(0);
    far.time = NOW - Duration::from_secs(4 * 60 * 60);
    events.append(&[far]).unwrap();
    events.commit().unwrap();
    let step = [GroupBy::Time(Duration::from_millis(1))];
    assert_eq!(ask(&step, &[], TIMEOUT), QueryError::TooManySteps(STEPS_MAX));
    assert_eq!(QueryError::TooManySteps(STEPS_MAX).code(), "too_many_steps");
}

#[test]
fn what_was_acknowledged_is_found_after_a_restart_once() {
    let folder = tempfile::tempdir().unwrap();
    for begin in 0..6 {
        let events = open(folder.path());
        assert_eq!(count(&events), begin as usize * 30);
        events.append(&exchanges(begin * 30..begin * 30 + 20)).unwrap();
        if begin % 2 == 0 {
            events.commit().unwrap();
        }
        events.append(&exchanges(begin * 30 + 20..begin * 30 + 30)).unwrap();
    }
    let events = open(folder.path());
    assert_eq!(count(&events), 180);
    events.commit().unwrap();
    let mut found = ids(&events, "", Order::Oldest);
    found.dedup();
    assert_eq!(found.len(), 180);
}

#[test]
fn the_oldest_goes_first_by_age_and_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW);
    let day = Duration::from_millis(DAY_MS as u64);
    let options = Options { retention: 3 * day, ..Options::default() };
    let (events, _) = open_with(folder.path(), &options, &clock, &Disk::default());
    for days in 0..5 {
        let mut exchange = exchange(days);
        exchange.time = NOW - day * days as u32;
        events.append(&[exchange]).unwrap();
    }
    let refused: Vec<_> = events.stats()[0].refused().collect();
    assert_eq!(refused, [("too_old", 1), ("too_far_ahead", 0), ("too_large", 0)]);
    assert_eq!(ids(&events, "", Order::Newest), ["r0", "r1", "r2", "r3"]);
    events.commit().unwrap();
    assert_eq!(events.stats()[0].parts, 4);
    // Deleting by age waits until the clock is trusted.
    clock.set(NOW + day);
    events.maintain(clock.now()).unwrap();
    for minutes in 1..20 {
        clock.set(NOW + day + Duration::from_secs(minutes * 60));
        events.maintain(clock.now()).unwrap();
    }
    assert_eq!(ids(&events, "", Order::Newest), ["r0", "r1", "r2"]);
    assert_eq!(events.stats()[0].parts_expired, 1);
    drop(events);

    let options = Options { bytes_max: 1, ..options };
    let (events, _) = open_with(folder.path(), &options, &clock, &Disk::default());
    clock.set(clock.now() + Duration::from_secs(61));
    events.maintain(clock.now()).unwrap();
    assert_eq!(ids(&events, "", Order::Newest), ["r0"], "the newest part stays");
    let names: Vec<_> = fs::read_dir(folder.path().join(KIND)).unwrap().collect();
    assert_eq!(names.len(), 2, "the log and one part: {names:?}");
    // A part that is too large is closed.
    let mut next = exchange(1);
    next.time = NOW;
    events.append(&[next]).unwrap();
    events.commit().unwrap();
    assert_eq!((events.stats()[0].parts, count(&events)), (2, 2));
}

#[test]
fn a_damaged_part_is_put_aside_and_the_rest_served() {
    let folder = tempfile::tempdir().unwrap();
    let day = Duration::from_millis(DAY_MS as u64);
    let events = open(folder.path());
    events.append(&exchanges(0..10)).unwrap();
    let mut old = exchange(10);
    old.time = NOW - day;
    events.append(&[old]).unwrap();
    events.commit().unwrap();
    drop(events);
    let kind = folder.path().join(KIND);
    let name =
        part::PartId { day: NOW.0 / DAY_MS, version: Exchange::schema().version, number: 1 }.name();
    fs::write(kind.join(&name).join("meta.json"), "{").unwrap();

    let options = Options::default();
    let (events, problems) =
        open_with(folder.path(), &options, &Clock::manual(NOW), &Disk::default());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(kind.join(format!("{name}.bad")).is_dir());
    assert_eq!(events.stats()[0].parts_aside, 1);
    // What was in it is in the log still, because that was not full.
    assert_eq!(count(&events), 11);
    events.commit().unwrap();
    assert_eq!(count(&events), 11);
    drop(events);
    let events = open(folder.path());
    assert_eq!((count(&events), events.stats()[0].parts_aside), (11, 1));
}

#[test]
fn damage_inside_of_files_is_found_and_survived() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let open = || {
        let options = crate::Options::default();
        crate::Store::open(&path, options, Clock::manual(NOW)).unwrap().0
    };
    let store = open();
    store.events().append(&exchanges(0..500)).unwrap();
    drop(store);
    let report = crate::verify(&path).unwrap();
    assert_eq!((report.records, report.records_logged), (0, 500), "they are in the log only");
    let store = open();
    store.events().commit().unwrap();
    drop(store);
    let report = crate::verify(&path).unwrap();
    assert_eq!((report.parts, report.records, report.problems.len()), (1, 500, 0));

    let part = fs::read_dir(path.join("events").join(KIND)).unwrap();
    let part = part.map(|entry| entry.unwrap().path());
    let part = part.into_iter().find(|path| !path.ends_with("wal")).unwrap();
    let files: Vec<_> = fs::read_dir(&part).unwrap().map(|entry| entry.unwrap().path()).collect();
    let segment = |path: &&std::path::PathBuf| {
        path.extension().is_some_and(|extension| extension != "json" && extension != "lock")
    };
    let mut damaged = 0;
    for file in files.iter().filter(segment) {
        let whole = fs::read(file).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            fs::write(file, &bytes).unwrap();
            let report = crate::verify(&path).unwrap();
            assert_eq!(report.problems.len(), 1, "{} at {at}", file.display());
            damaged += 1;
            // Reading finds something or less, and ends.
            let kind = part.parent().unwrap().parent().unwrap();
            let (events, _) =
                open_with(kind, &Options::default(), &Clock::manual(NOW), &Disk::default());
            let everything = filter("status:200 OR error:memory");
            drop(events.search(KIND, &search(&everything, Order::Newest, 1_000)));
            let by = [GroupBy::Field("model")];
            let measures = [Measure::Percentile("ttft_ms", 0.5)];
            let question = Aggregate {
                filter: &everything,
                range: ALL,
                by: &by,
                measures: &measures,
                timeout: TIMEOUT,
            };
            drop(events.aggregate(KIND, &question));
            drop(events);
            let aside = part.with_added_extension("bad");
            if aside.is_dir() {
                fs::rename(&aside, &part).unwrap();
            }
            fs::write(file, &whole).unwrap();
        }
    }
    assert!(damaged >= 15, "{damaged}");
    let meta = part.join("meta.json");
    fs::write(&meta, "{").unwrap();
    let report = crate::repair(&path).unwrap();
    assert_eq!(report.problems.len(), 1);
    assert!(report.problems[0].repaired.as_ref().unwrap().aside.is_dir());
    assert_eq!(crate::verify(&path).unwrap().problems.len(), 0);
}

#[test]
fn a_snapshot_is_a_store_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let options = crate::Options::default();
    let clock = Clock::manual(NOW);
    let (store, _) = crate::Store::open(folder.path(), options.clone(), clock.clone()).unwrap();
    store.events().append(&exchanges(0..20)).unwrap();
    store.events().commit().unwrap();
    store.events().append(&exchanges(20..30)).unwrap();
    let snapshot = store.snapshot().unwrap();
    let (copy, recovery) = crate::Store::open(&snapshot, options.clone(), clock.clone()).unwrap();
    copy.events().commit().unwrap();
    store.events().append(&exchanges(30..40)).unwrap();
    store.events().commit().unwrap();
    assert_eq!((count(copy.events()), recovery.problems().len()), (30, 0));
    assert_eq!(count(store.events()), 40);
}

/// Lets writing fail while it is told to.
#[derive(Debug, Default)]
struct Full(std::sync::atomic::AtomicBool);

impl Faults for Full {
    fn before(&self, operation: Operation, _: &Path, bytes: usize) -> Option<Fault> {
        let fails = matches!(operation, Operation::Write | Operation::Create);
        let is_full = self.0.load(std::sync::atomic::Ordering::Relaxed);
        let error = || io::Error::from(io::ErrorKind::StorageFull);
        (fails && is_full).then(|| Fault { written: bytes / 2, error: error() })
    }

    fn after(&self, _: Operation, _: &Path, _: Option<&Path>) {}
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let full = Arc::new(Full::default());
    let faults: Arc<dyn Faults> = full.clone();
    let options = Options::default();
    let clock = Clock::manual(NOW);
    let (events, _) = open_with(folder.path(), &options, &clock, &Disk::with_faults(faults));
    events.append(&exchanges(0..5)).unwrap();
    full.0.store(true, std::sync::atomic::Ordering::Relaxed);
    for _ in 0..3 {
        assert!(matches!(events.append(&exchanges(5..10)), Err(AppendError::Io(_))));
    }
    let stats = events.stats().remove(0);
    assert!(!stats.writable && stats.write_error.is_some());
    assert_eq!(count(&events), 5);
    full.0.store(false, std::sync::atomic::Ordering::Relaxed);
    events.append(&exchanges(10..15)).unwrap();
    assert!(events.stats()[0].writable);
    drop(events);
    let (events, problems) = open_with(folder.path(), &options, &clock, &Disk::default());
    assert_eq!((count(&events), problems.len()), (10, 0));
}

#[test]
fn an_index_that_cannot_be_written_costs_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let events = open(folder.path());
    let name =
        part::PartId { day: NOW.0 / DAY_MS, version: Exchange::schema().version, number: 1 }.name();
    // A file stands where the index wants a folder.
    let obstacle = folder.path().join(KIND).join(name);
    fs::write(&obstacle, "").unwrap();
    events.append(&exchanges(0..10)).unwrap();
    assert!(events.commit().is_err());
    assert_eq!((count(&events), events.stats()[0].records_waiting), (10, 10));
    fs::remove_file(&obstacle).unwrap();
    events.commit().unwrap();
    assert_eq!((count(&events), events.stats()[0].records_waiting), (10, 0));
}

#[test]
fn too_much_that_waits_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let events = open(folder.path());
    let mut large = exchange(0);
    let mut random = 1_u64;
    let mut body = |bytes| {
        // What can be packed well would take no room.
        let characters = (0..bytes).map(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'0' + (random >> 58) as u8)
        });
        model::exchange::KeptBody { text: characters.collect(), is_cut: false }
    };
    large.request_body = Some(body(900_000));
    let refused = (0..200).find(|_| events.append(std::slice::from_ref(&large)).is_err());
    let refused = refused.expect("memory is bounded");
    assert!((40..60).contains(&refused), "{refused}");
    events.commit().unwrap();
    events.append(&exchanges(0..1)).unwrap();
    large.request_body = Some(body(RECORD_BYTES_MAX));
    assert_eq!(events.append(&[large]).unwrap(), 0);
    assert_eq!(events.stats()[0].refused().nth(2), Some(("too_large", 1)));
}

#[test]
fn what_only_some_may_see_is_shown_to_who_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let events = open(folder.path());
    let mut asked = exchange(1);
    let text = "secret".to_owned();
    asked.request_body = Some(model::exchange::KeptBody { text, is_cut: false });
    events.append(&[asked]).unwrap();
    let position = Exchange::schema().position("request_body").unwrap();
    for _ in 0..2 {
        let everything = filter("request_body:*");
        let mut search = search(&everything, Order::Newest, 5);
        let hidden = events.search(KIND, &search).unwrap().hits.remove(0).record;
        assert_eq!(hidden.value(position), None);
        search.with_private = true;
        let shown = events.search(KIND, &search).unwrap().hits.remove(0).record;
        assert_eq!(shown.value(position).and_then(Value::as_text), Some("secret"));
        events.commit().unwrap();
    }
}

#[test]
fn filters_that_make_no_sense_say_where() {
    let check = |text: &str, at: usize, code: &str| {
        let error = Filter::parse(text, Exchange::schema()).unwrap_err();
        assert_eq!((error.at, error.problem.code()), (at, code), "{text}: {error}");
    };
    check("x:1", 1, "unknown_field");
    check("model:", 7, "value_missing");
    check("model:\"a", 9, "quote_open");
    check("(model:a", 9, "parenthesis_open");
    check("model:a)", 8, "unexpected");
    check("model:a AND", 12, "value_missing");
    check("OR model:a", 1, "value_missing");
    check("()", 2, "value_missing");
    check("status:abc", 11, "not_a_number");
    check("status:[1 2]", 11, "not_a_number");
    check("ttft_ms:>", 10, "not_a_number");
    check("ttft_ms:nan", 12, "not_a_number");
    check("request_body:x", 15, "not_searched");
    check("parameters:x", 13, "unknown_field");
    check("model:*a*b*c*d*e*f*g*h*i", 25, "too_many_wildcards");
    check(&"(".repeat(100), 33, "too_deep");
    check(&"-".repeat(100), 33, "too_deep");
    check(&"a ".repeat(100), 94, "too_many");
    check(&"a".repeat(5_000), 1, "too_long");
}

#[test]
fn filters_of_lines_know_expressions_and_attributes() {
    let line = Line {
        time: NOW,
        origin: Arc::new(Origin { origin: "/var/log/a".to_owned(), ..Origin::default() }),
        severity: Some(Severity::Error),
        body: "NVRM: Xid (PCI:0000:08:00): 79, GPU has fallen off the bus 显存不足".to_owned(),
        attributes: vec![("trace_id".to_owned(), "4f".to_owned())],
        place: None,
    };
    let check = |text: &str, expected: bool| {
        let filter = Filter::parse(text, Line::schema()).unwrap();
        assert_eq!(filter.matches(&line.record()), expected, "{text}");
    };
    check("\"fallen off\" severity:error", true);
    check("body:/Xid \\(PCI[^)]*\\): 79/", true);
    check("/xid/", false);
    check("/(?i)xid/ AND NOT /ECC/", true);
    check("/显存.足/ 显存", true);
    check("trace_id:4f attributes.trace_id:4*", true);
    check("trace_id:4e", false);
    check("origin:/var/log/a", true);
    check("origin:\"/var/\"", false);
    check("origin:/.*log.*/", true);
    check("origin:/log/", false);
    check("origin:/\\/var\\/log\\/./", true);
    let error = Filter::parse("a /(/", Line::schema()).unwrap_err();
    assert_eq!((error.at, error.problem.code()), (6, "not_an_expression"));
}

fn any_exchange() -> impl Strategy<Value = Exchange> {
    let word = prop::option::of("[ab]{1,2}|显存|a-b");
    let text = prop::option::of("[ab显存 ]{0,8}");
    let number = || prop::option::of(0_u64..4);
    let values = (word.clone(), word, text, number(), number(), number(), 0_u64..3);
    values.prop_map(|(model, key, error, status, tokens, micros, day)| Exchange {
        time: NOW - Duration::from_millis(day * DAY_MS as u64 / 2),
        model_served: model,
        key_id: key,
        error,
        status: status.map(|status| status as u16),
        tokens: Tokens { output: tokens, ..Tokens::default() },
        ttft: micros.map(|micros| Duration::from_micros(micros * 500)),
        parameters: vec![("p", "a".to_owned())],
        ..Exchange::default()
    })
}

fn any_filter() -> impl Strategy<Value = String> {
    let words = r#"[ab]{1,2}|a\*|\?b|\*a\*|显|显存|"a b"|a-b|a-b\*|b-\*|\*"#;
    let leaf = prop_oneof![
        words.prop_map(|word| if word == "*" { "model:*".to_owned() } else { word }),
        words.prop_map(|word| format!("model:{word}")),
        words.prop_map(|word| format!("error:{word}")),
        words.prop_map(|word| format!("parameters.p:{word}")),
        r"status:(>|<|>=|<=)?[0-3](\.5)?".prop_map(|text| text),
        r"ttft_ms:(>|<|>=|<=)?[0-1](\.5|\.3)?".prop_map(|text| text),
        r"tokens_output:([0-2]|\*)\.\.[1-3]".prop_map(|text| text),
        Just("key_id:*".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|all| format!("({})", all.join(" "))),
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|all| format!("({})", all.join(" OR "))),
            inner.prop_map(|one| format!("-({one})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn memory_and_index_agree(
        records in prop::collection::vec(any_exchange(), 1..40),
        filters in prop::collection::vec(any_filter(), 12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (memory, index) = (open(folder.path()), open(other.path()));
        memory.append(&records).unwrap();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(records.len())).collect();
        cuts.sort_unstable();
        let mut begin = 0;
        for cut in cuts {
            index.append(&records[begin..cut]).unwrap();
            index.commit().unwrap();
            begin = cut;
        }
        index.append(&records[begin..]).unwrap();
        for text in &filters {
            let filter = Filter::parse(text, Exchange::schema()).unwrap();
            for order in [Order::Newest, Order::Oldest, Order::Largest("ttft_ms")] {
                let search = search(&filter, order, PAGE_MAX);
                let numbers = |events: &Events| events.search(KIND, &search).unwrap();
                prop_assert_eq!(numbers(&memory), numbers(&index), "{} {:?}", text, order);
            }
            let by = [
                GroupBy::Field("model"),
                GroupBy::Time(Duration::from_secs(3_600)),
                GroupBy::Field("status"),
            ];
            let scale = [GroupBy::Scale { field: "ttft_ms", per_doubling: 4 }];
            for by in [&by[..], &scale[..], &[]] {
                let measures = [
                    Measure::Count,
                    Measure::Sum("tokens_output"),
                    Measure::Min("ttft_ms"),
                    Measure::Max("ttft_ms"),
                    Measure::Percentile("ttft_ms", 0.5),
                ];
                let one = table(&memory, text, by, &measures);
                prop_assert_eq!(one, table(&index, text, by, &measures), "{}", text);
            }
        }
    }

    #[test]
    fn any_filter_is_survived(text in r#"([a-z_]{0,7}:?[\[\]{}()"\\*?<>=.0-9 -]{0,3}|AND|OR|NOT|status:|model:|error:| |.){0,12}"#) {
        if let Ok(filter) = Filter::parse(&text, Exchange::schema()) {
            let matches = filter.matches(&exchange(3).record());
            let _ = matches;
        }
    }
}
