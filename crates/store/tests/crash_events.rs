//! A process that is killed at any moment loses no event that it acknowledged and doubles none: while it
//! appends, moves events into the index or into blocks, merges, or recovers from the kill before. Each batch is
//! appended as requests, which have an index, and as lines, which are in blocks.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may")]
#![expect(clippy::print_stdout, reason = "the child speaks to its parent, the parent to a person")]

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::sync_channel,
    time::Duration,
};

use model::{
    Clock, UnixMs,
    exchange::Exchange,
    log::{Line, Place},
    series::TimeRange,
};
use store::{
    Options, Store,
    events::{self, Event as _, Filter, LINES, Order, PAGE_MAX, Search, Value},
};

/// Set for the child: the folder it writes to until it is killed, and the number it begins with.
const FOLDER: &str = "STORE_CRASH_EVENTS_FOLDER";
/// See [`FOLDER`].
const FIRST: &str = "STORE_CRASH_EVENTS_FIRST";
const TEST: &str = "acknowledged_events_survive_kill_9_once";
const START: UnixMs = UnixMs(1_800_000_000_000);
/// Batches go round these days, so that several indexes are written.
const DAYS: u64 = 3;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const EVENTS: u64 = 10;
const KINDS: [&str; 2] = ["exchange", LINES];
/// More with STORE_CRASH_KILLS=1000.
const KILLS: u64 = 40;
/// A child lives until it wrote the index so often, less often in turn,
const COMMITS: u64 = 5;
/// and so much longer.
const LIFE_MS_MAX: u64 = 60;
/// So that the index is written often.
const WAITING_MAX: usize = 500;
/// More than a child can write.
const BATCHES_OF_LIFE: u64 = 10_000_000;

#[test]
fn acknowledged_events_survive_kill_9_once() {
    if let Some(folder) = env::var_os(FOLDER) {
        let first = env::var(FIRST).unwrap().parse().unwrap();
        write_forever(Path::new(&folder), first);
    }
    let kills = env::var("STORE_CRASH_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (mut lives, mut checked) = (Vec::new(), 0);
    for kill in 0..kills {
        // Each life has another length, and the short ones end during recovery.
        let life = Duration::from_millis(kill * 7_919 % LIFE_MS_MAX);
        // A batch that was written but not acknowledged must not be written again.
        let first = kill * BATCHES_OF_LIFE + 1;
        let last = kill_after(folder.path(), first, kill % COMMITS, life);
        lives.push(first..last.max(first - 1) + 1);
        if kill % 5 == 4 {
            checked = check(folder.path(), &lives);
        }
    }
    let acknowledged: usize = lives.iter().map(|life| life.clone().count()).sum();
    assert!(acknowledged as u64 > kills, "{acknowledged} acknowledged");
    let (store, _) = open(folder.path());
    for stats in store.events().stats().iter().filter(|stats| KINDS.contains(&stats.kind)) {
        assert!(stats.parts == DAYS as usize, "{stats:?}");
        assert!(stats.records > stats.records_waiting as u64, "never moved: {stats:?}");
    }
    println!(
        "{kills} kills, {acknowledged} batches acknowledged, {checked} events checked, 0 lost"
    );
}

/// Lets a child append, kills it, and returns the number of the last batch that it acknowledged.
fn kill_after(folder: &Path, first: u64, commits: u64, life: Duration) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (committed, enough) = sync_channel(1);
    let reader = std::thread::spawn(move || {
        let (mut last, mut missing) = (0, commits);
        // The last line may have been cut in the middle; only whole ones count.
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("stored ")
                && let Some(number) = number.strip_suffix('.')
            {
                last = number.parse().unwrap();
            } else if line == "committed." && missing > 0 {
                missing -= 1;
                if missing == 0 {
                    committed.send(()).unwrap();
                }
            }
        }
        last
    });
    if commits > 0 {
        enough.recv_timeout(Duration::from_secs(60)).expect("the index is written");
    }
    end(&mut child, life);
    reader.join().unwrap()
}

fn end(child: &mut Child, life: Duration) {
    std::thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
}

fn open(folder: &Path) -> (Store, Vec<String>) {
    let large = || events::Options { bytes_max: 1 << 40, ..events::Options::default() };
    let options = Options { exchanges: large(), lines: large(), ..Options::default() };
    let (store, recovery) = Store::open(folder, options, Clock::manual(START)).unwrap();
    (store, recovery.problems().to_vec())
}

fn batch(number: u64) -> Vec<Exchange> {
    let one = |index: u64| Exchange {
        time: START - DAY * (number % DAYS) as u32,
        request_id: (number * EVENTS + index).to_string(),
        path: "x".repeat((number % 50) as usize),
        ..Exchange::default()
    };
    (0..EVENTS).map(one).collect()
}

fn lines(number: u64) -> Vec<Line> {
    let one = |index: u64| Line {
        time: START - DAY * (number % DAYS) as u32,
        origin: std::sync::Arc::default(),
        severity: None,
        body: format!("line {index} of batch {number:x} {}", "x".repeat((number % 50) as usize)),
        attributes: Vec::new(),
        place: Some(Place { file: "f".into(), offset: number * EVENTS + index }),
    };
    (0..EVENTS).map(one).collect()
}

fn write_forever(folder: &Path, first: u64) -> ! {
    let (store, _) = open(folder);
    let keeper = store.clone();
    std::thread::spawn(move || {
        loop {
            keeper.events().commit().unwrap();
            println!("committed.");
        }
    });
    let mut out = std::io::stdout();
    for number in first.. {
        while store.events().stats().iter().any(|stats| stats.records_waiting > WAITING_MAX) {
            std::thread::yield_now();
        }
        assert_eq!(store.events().append(&batch(number)).unwrap() as u64, EVENTS);
        assert_eq!(store.events().append(&lines(number)).unwrap() as u64, EVENTS);
        writeln!(out, "stored {number}.").unwrap();
        if number % 16 == 0 {
            store.sync().unwrap();
        }
    }
    unreachable!("numbers do not end")
}

/// Every event of the batches that each life had acknowledged must be there, and none twice. Returns how
/// many there are. The batch that was being written when a life ended may be there too.
fn check(folder: &Path, lives: &[std::ops::Range<u64>]) -> u64 {
    let (store, problems) = open(folder);
    assert!(problems.iter().all(|problem| problem.contains("never completed")), "{problems:?}");
    KINDS.iter().map(|kind| check_kind(&store, kind, lives)).min().unwrap()
}

fn check_kind(store: &Store, kind: &str, lives: &[std::ops::Range<u64>]) -> u64 {
    let id = match kind {
        LINES => Line::schema().position("offset"),
        _ => Exchange::schema().position("request_id"),
    };
    let everything = Filter::default();
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.events().search(
            kind,
            &Search {
                filter: &everything,
                range: TimeRange { start: UnixMs::MIN, end: UnixMs::MAX },
                order: Order::Oldest,
                limit: PAGE_MAX,
                after,
                with_private: false,
                timeout: Duration::from_secs(600),
            },
        );
        let page = page.unwrap();
        assert_eq!(page.damaged, 0);
        for hit in &page.hits {
            found.push(match hit.record.value(id.unwrap()) {
                Some(Value::Count(id)) => *id,
                value => value.and_then(Value::as_text).unwrap().parse().unwrap(),
            });
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    found.sort_unstable();
    let count = found.len();
    found.dedup();
    assert_eq!(found.len(), count, "{kind}: events were doubled");
    let expected = lives.iter().flat_map(|life| life.start * EVENTS..life.end * EVENTS);
    let missing: Vec<u64> = expected.filter(|id| found.binary_search(id).is_err()).collect();
    assert!(missing.is_empty(), "{kind}: {} lost, first {:?}", missing.len(), missing.first());
    let acknowledged: u64 = lives.iter().map(|life| (life.end - life.start) * EVENTS).sum();
    assert!(count as u64 <= acknowledged + lives.len() as u64 * EVENTS, "more than was written");
    count as u64
}
