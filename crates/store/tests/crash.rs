//! A process that is killed in the middle of writing loses nothing that it acknowledged.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may")]

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use model::{
    Clock, Labels, UnixMs,
    sample::Batch,
    series::{Budget, SeriesSource as _, TimeRange},
};
use store::{Options, Store};

/// Set for the child: the folder it writes to until it is killed.
const FOLDER: &str = "STORE_CRASH_FOLDER";
const TEST: &str = "what_was_acknowledged_survives_kill_9";

#[test]
fn what_was_acknowledged_survives_kill_9() {
    if let Some(folder) = env::var_os(FOLDER) {
        write_forever(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 1..=5 {
        acknowledged = kill_after(folder.path(), round * 300);
        let stored = count(folder.path());
        assert!(stored >= acknowledged, "{acknowledged} acknowledged, {stored} stored");
    }
    assert!(acknowledged >= 1_500);
}

/// Lets a child append until it acknowledged `least` batches since the beginning, kills it, and returns
/// how many it did acknowledge.
fn kill_after(folder: &Path, least: u64) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = 0;
    let mut number = |line: String| {
        acknowledged = line.strip_prefix("stored ").map_or(acknowledged, |n| n.parse().unwrap());
        acknowledged
    };
    while number(lines.next().unwrap().unwrap()) < least {}
    child.kill().unwrap();
    child.wait().unwrap();
    // The last line may have been cut in the middle; only whole ones count.
    for line in lines.map_while(Result::ok) {
        if line.len() == "stored 0000000000".len() {
            number(line);
        }
    }
    acknowledged
}

fn write_forever(folder: &Path) -> ! {
    let clock = Clock::system();
    let (store, _) = Store::open(folder, Options::default(), clock.clone()).unwrap();
    let mut number = count_in(&store, &clock);
    let start = clock.now();
    loop {
        number += 1;
        let time = start + Duration::from_millis(number % 60_000);
        let mut batch = Batch::new(time);
        let round = number.to_string();
        batch.push(&Labels::metric("written", [("round", round)]), number as f64);
        assert_eq!(store.append(&batch).unwrap().accepted, 1);
        let mut out = std::io::stdout().lock();
        writeln!(out, "stored {number:010}").unwrap();
    }
}

fn count(folder: &Path) -> u64 {
    let clock = Clock::system();
    let (store, _) = Store::open(folder, Options::default(), clock.clone()).unwrap();
    count_in(&store, &clock)
}

fn count_in(store: &Store, clock: &Clock) -> u64 {
    let budget = Budget::new(clock.clone(), Duration::from_secs(60), u64::MAX);
    let all = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
    let series = store.select(&[], all, &budget).unwrap();
    series.iter().map(|series| series.times.len() as u64).sum()
}
