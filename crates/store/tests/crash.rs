//! A process that is killed at any moment loses nothing that it acknowledged: while it appends, cuts
//! blocks, merges them, deletes what is too old, or recovers from the kill before.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may")]
#![expect(clippy::print_stdout, reason = "the child speaks to its parent, the parent to a person")]

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use model::{
    Clock, Labels, UnixMs,
    histogram::{Buckets, Histogram, Span},
    sample::Points,
    series::{Budget, SeriesSource as _, TimeRange},
};
use store::{Options, Store};

/// Set for the child: the folder it writes to until it is killed, and the number it begins with.
const FOLDER: &str = "STORE_CRASH_FOLDER";
/// See [`FOLDER`].
const FIRST: &str = "STORE_CRASH_FIRST";
const TEST: &str = "what_was_acknowledged_survives_kill_9";
const START: UnixMs = UnixMs(1_800_000_000_000);
/// What the child's clock advances with each batch, so that two hours pass in a few hundred.
const STEP: Duration = Duration::from_secs(30);
const SERIES: u64 = 20;
/// The first batches age out meanwhile.
const RETENTION: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// More with STORE_CRASH_KILLS=1000.
const KILLS: u64 = 60;
/// Longest life of a child.
const LIFE_MS_MAX: u64 = 60;

fn options() -> Options {
    Options { retention: RETENTION, ..Options::default() }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    if let Some(folder) = env::var_os(FOLDER) {
        let first = env::var(FIRST).unwrap().parse().unwrap();
        write_forever(Path::new(&folder), first);
    }
    let kills = env::var("STORE_CRASH_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (mut acknowledged, mut checked) = (0, 0);
    let mut merged_or_cut = false;
    for kill in 0..kills {
        // Each life has another length, and the early ones end during recovery.
        let life = Duration::from_millis(kill * 7_919 % LIFE_MS_MAX);
        acknowledged = acknowledged.max(kill_after(folder.path(), acknowledged + 1, life));
        if kill % 5 == 4 {
            checked += check(folder.path(), acknowledged);
        }
        merged_or_cut |=
            folder.path().join("blocks").read_dir().is_ok_and(|mut all| all.next().is_some());
    }
    assert!(acknowledged > kills, "{acknowledged} acknowledged");
    assert!(checked > 0 && merged_or_cut, "{checked} samples checked, blocks: {merged_or_cut}");
    println!(
        "{kills} kills, {acknowledged} batches acknowledged, {checked} samples checked, 0 lost"
    );
}

/// Lets a child append, kills it, and returns the number of the last batch that it acknowledged.
fn kill_after(folder: &Path, first: u64, life: Duration) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reader = std::thread::spawn(move || {
        let mut last = 0;
        // The last line may have been cut in the middle; only whole ones count.
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("stored ")
                && let Some(number) = number.strip_suffix('.')
            {
                last = number.parse().unwrap();
            }
        }
        last
    });
    end(&mut child, life);
    reader.join().unwrap()
}

fn end(child: &mut Child, life: Duration) {
    std::thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
}

fn batch(number: u64) -> Points {
    let time = UnixMs(batch_time(number));
    let mut batch = Points::default();
    for series in 0..SERIES {
        batch.start(Labels::metric("written", [("series", series.to_string())]));
        batch.push(time, (number * (series + 1)) as f64);
    }
    let labels = Labels::metric("distributed", [("job", "test")]);
    batch.histograms.push((labels, time, histogram(number)));
    batch
}

fn histogram(number: u64) -> Histogram {
    let counts = vec![number as f64, 7.0];
    let positive = Buckets { spans: vec![Span { offset: 0, length: 2 }], counts };
    Histogram { count: number as f64 + 7.0, sum: number as f64, positive, ..Histogram::default() }
}

fn write_forever(folder: &Path, first: u64) -> ! {
    let clock = Clock::manual(START + Duration::from_secs(first * STEP.as_secs()));
    let (store, _) = Store::open(folder, options(), clock.clone()).unwrap();
    let (keeper, keeper_clock) = (store.clone(), clock.clone());
    std::thread::spawn(move || {
        loop {
            keeper.maintain(keeper_clock.now()).unwrap();
        }
    });
    let mut out = std::io::stdout().lock();
    for number in first.. {
        let batch = batch(number);
        clock.set(UnixMs(batch_time(number)));
        let appended = store.append_points(&batch).unwrap();
        assert_eq!(appended.accepted as u64, SERIES, "{appended:?}");
        assert_eq!(appended.histograms, 1, "{appended:?}");
        writeln!(out, "stored {number}.").unwrap();
        if number % 16 == 0 {
            store.sync().unwrap();
        }
    }
    unreachable!("numbers do not end")
}

/// Every batch up to `acknowledged` that is not too old must be there whole. Returns how many samples that
/// were.
fn check(folder: &Path, acknowledged: u64) -> u64 {
    let clock = Clock::manual(UnixMs(batch_time(acknowledged)));
    let (store, recovery) = Store::open(folder, options(), clock.clone()).unwrap();
    assert!(recovery.problems().len() <= 1, "{:?}", recovery.problems());
    let budget = Budget::new(clock.clone(), Duration::from_secs(3_600), u64::MAX);
    let all = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
    let found = store.select(&[], all, &budget).unwrap();
    if acknowledged == 0 {
        return 0;
    }
    assert_eq!(found.len() as u64, SERIES);
    let oldest = (clock.now() - RETENTION).0;
    let first = (1..=acknowledged).find(|number| batch_time(*number) >= oldest).unwrap();
    for series in &found {
        let number: u64 = series.labels.get("series").unwrap().parse().unwrap();
        let mut points = series.times.iter().zip(&series.values).peekable();
        for expected in first..=acknowledged {
            let time = batch_time(expected);
            while points.peek().is_some_and(|(at, _)| **at < time) {
                points.next();
            }
            let value = (expected * (number + 1)) as f64;
            assert_eq!(points.next(), Some((&time, &value)), "{} {expected}", series.labels);
        }
    }
    let found = store.select_histograms(&[], all, &budget).unwrap().remove(0);
    for expected in first..=acknowledged {
        let at = found.times.binary_search(&batch_time(expected));
        assert_eq!(found.histograms[at.unwrap()], histogram(expected));
    }
    (SERIES + 1) * (acknowledged + 1 - first)
}

fn batch_time(number: u64) -> i64 {
    (START + Duration::from_secs(number * STEP.as_secs())).0
}
