//! How often the methods of [`alert::baseline`] are wrong, and what they find: `baselines synthetic DAYS SEEDS` on
//! made-up deployments, healthy ones and such with one fault; `baselines recording < LINES` on series in the text
//! format, all of which is taken to be healthy. Prints tables in Markdown.

mod memory;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io::{self, Write},
    time::Duration,
};

use alert::baseline::{Asked, Kind, Reading, Watch};
use model::{Clock, Labels, UnixMs, series::Budget};
use query::Settings;

use memory::Memory;
use world::{Fault, START, World};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 1_440 * MINUTE_MS;
/// Between looks; the program itself looks every minute.
const LOOK_MS: i64 = 5 * MINUTE_MS;
/// A finding that comes back within this time is the same.
const SAME_MS: i64 = 60 * MINUTE_MS;

/// What was found, over time.
#[derive(Default)]
struct Seen {
    /// Each finding that began, with its first time.
    begun: Vec<(Kind, &'static str, Labels, i64)>,
    last: BTreeMap<(Kind, &'static str, Labels), i64>,
    /// Things that were judged.
    judged: BTreeMap<Kind, BTreeSet<(&'static str, Labels)>>,
    looks: u32,
    spent: Duration,
    failures: usize,
}

impl Seen {
    fn note(&mut self, reading: &Reading, now: i64) {
        // The same change is one thing, whatever it is called.
        let labels = reading.labels.clone();
        self.judged.entry(reading.kind).or_default().insert((reading.signal, labels.clone()));
        if !reading.is_found {
            return;
        }
        let key = (reading.kind, reading.signal, labels.clone());
        let last = self.last.insert(key, now);
        if last.is_none_or(|last| now - last > SAME_MS) {
            self.begun.push((reading.kind, reading.signal, labels, now));
        }
    }
}

/// Looks at series from one time to another.
fn watch(memory: &Memory, from: i64, to: i64) -> Seen {
    let clock = Clock::system();
    let settings = Settings::default();
    let mut watch = Watch::new(UnixMs(memory.span().map_or(0, |(first, _)| first)));
    let (mut seen, mut now) = (Seen::default(), from);
    while now <= to {
        let budget = Budget::new(clock.clone(), Duration::from_secs(60), u64::MAX);
        let begun = clock.monotonic();
        // What is due in one look of this length is done in it.
        for _ in 0..4 {
            let asked = Asked { source: memory, budget: &budget, settings: &settings };
            seen.failures += watch.look(asked, UnixMs(now)).len();
        }
        seen.spent += clock.monotonic().saturating_sub(begun);
        seen.looks += 1;
        watch.readings().for_each(|reading| seen.note(reading, now));
        now += LOOK_MS;
    }
    seen
}

fn made(seed: u64, fault: Fault, days: i64, fault_day: f64) -> Memory {
    let (mut world, mut memory) =
        (World::new(seed, fault, START + fault_day * 86_400.0), Memory::default());
    for minute in 0..days * 1_440 {
        world.read(START + minute as f64 * 60.0, &mut memory);
    }
    memory
}

/// False alarms by method and signal.
fn table_of_false(out: &mut dyn Write, all: &[Seen], days: f64) -> io::Result<()> {
    writeln!(out, "| method | things judged | signal | false findings |\n|---|---|---|---|")?;
    for kind in Kind::ALL {
        let things: usize =
            all.iter().filter_map(|seen| seen.judged.get(&kind)).map(BTreeSet::len).sum();
        let mut by_signal: BTreeMap<&str, usize> = BTreeMap::new();
        let begun = all.iter().flat_map(|seen| &seen.begun).filter(|begun| begun.0 == kind);
        for (_, signal, ..) in begun {
            *by_signal.entry(signal).or_default() += 1;
        }
        let text: Vec<String> =
            by_signal.iter().map(|(signal, count)| format!("{signal} {count}")).collect();
        let text = if text.is_empty() { "none".to_owned() } else { text.join(", ") };
        let count: usize = by_signal.values().sum();
        writeln!(out, "| {} | {things} | {text} | {count} |", kind.as_str())?;
    }
    let looks: u32 = all.iter().map(|seen| seen.looks).sum();
    let spent: Duration = all.iter().map(|seen| seen.spent).sum();
    let failures: usize = all.iter().map(|seen| seen.failures).sum();
    let each = spent.as_secs_f64() * 1e3 / f64::from(looks.max(1));
    writeln!(out, "\n{days:.1} days, {looks} looks, {each:.1} ms each, {failures} failed")
}

/// A fault, the day on which it begins, how many days are looked at, and who has to find it.
const FAULTS: &[(Fault, f64, i64, Kind, &str)] = &[
    (Fault::HotCard, 2.5, 3, Kind::Peer, "temperature"),
    (Fault::SlowCard, 2.5, 3, Kind::Peer, "clock"),
    (Fault::IdleCard, 2.5, 3, Kind::Peer, "utilization"),
    (Fault::FullCard, 2.5, 3, Kind::Peer, "memory"),
    (Fault::ReplicaSlow, 2.5, 3, Kind::Peer, "tpot"),
    (Fault::DecodeSlow, 2.5, 3, Kind::Load, "tpot"),
    (Fault::FirstTokenSlow, 2.5, 3, Kind::Load, "ttft"),
    (Fault::PowerUp, 2.5, 3, Kind::Load, "power"),
    (Fault::CpuUp, 2.5, 3, Kind::Load, "cpu"),
    (Fault::UpgradeSlow, 2.5, 3, Kind::Change, "tpot"),
    (Fault::SettingSlow, 2.5, 3, Kind::Change, "tpot"),
    (Fault::TrafficGone, 16.4, 17, Kind::Week, "throughput"),
    (Fault::ResidentLeak, 1.0, 5, Kind::Floor, "resident"),
    (Fault::CardLeak, 1.0, 5, Kind::Floor, "accelerator_memory"),
    (Fault::FileLeak, 1.0, 5, Kind::Floor, "files"),
    (Fault::ThreadLeak, 1.0, 5, Kind::Floor, "threads"),
    (Fault::DiskFills, 2.0, 6, Kind::Forecast, "disk"),
    (Fault::DiskFillsFast, 2.0, 3, Kind::Forecast, "disk"),
    (Fault::MemoryFills, 2.0, 6, Kind::Forecast, "memory"),
];

fn table_of_faults(out: &mut dyn Write, seeds: u64) -> io::Result<()> {
    writeln!(
        out,
        "\n| fault | method, signal | found | after, hours (median) |\n|---|---|---|---|"
    )?;
    for (fault, day, days, kind, signal) in FAULTS {
        let begins = (START * 1e3) as i64 + (day * DAY_MS as f64) as i64;
        let mut delays = Vec::new();
        for seed in 0..seeds {
            let memory = made(1_000 + seed, *fault, *days, *day);
            let to = memory.span().map_or(0, |(_, last)| last);
            let seen = watch(&memory, begins - 60 * MINUTE_MS, to);
            let is_it = |begun: &&(Kind, &str, Labels, i64)| {
                begun.0 == *kind && begun.1 == *signal && begun.3 >= begins
            };
            delays.extend(seen.begun.iter().find(is_it).map(|begun| begun.3 - begins));
        }
        delays.sort_unstable();
        let middle = delays.get(delays.len() / 2);
        let middle = middle.map_or("-".to_owned(), |delay| format!("{:.1}", *delay as f64 / 3.6e6));
        let (kind, found) = (kind.as_str(), delays.len());
        writeln!(out, "| {fault:?} | {kind}, {signal} | {found} of {seeds} | {middle} |")?;
        out.flush()?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = io::stdout().lock();
    match words.as_slice() {
        ["recording"] => {
            let memory = Memory::read(io::stdin().lock())?;
            let (from, to) = memory.span().ok_or("no line could be read")?;
            writeln!(out, "{} series\n", memory.series_count())?;
            let seen = watch(&memory, from + LOOK_MS, to);
            table_of_false(
                &mut out,
                std::slice::from_ref(&seen),
                (to - from) as f64 / DAY_MS as f64,
            )?;
            for (kind, signal, labels, time) in &seen.begun {
                writeln!(out, "{} {signal} {labels} at {time}", kind.as_str())?;
            }
        }
        ["healthy", days, seeds] => {
            let (days, seeds): (i64, u64) = (days.parse()?, seeds.parse()?);
            let run = |seed: u64| {
                let memory = made(seed, Fault::None, days, f64::MAX);
                let (from, to) = memory.span().unwrap_or_default();
                watch(&memory, from + LOOK_MS, to)
            };
            let all: Vec<Seen> = (0..seeds).map(run).collect();
            table_of_false(&mut out, &all, (days as u64 * seeds) as f64)?;
            for (kind, signal, labels, time) in all.iter().flat_map(|seen| &seen.begun) {
                let day = (time - (START * 1e3) as i64) as f64 / DAY_MS as f64;
                writeln!(out, "{} {signal} {labels} day {day:.2}", kind.as_str())?;
            }
        }
        ["faults", seeds] => table_of_faults(&mut out, seeds.parse()?)?,
        _ => {
            return Err(
                "usage: baselines recording < LINES, healthy DAYS SEEDS, or faults SEEDS".into()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one look finds, so many hours before the series end.
    fn found(memory: &Memory, hours: i64) -> Seen {
        let (_, to) = memory.span().unwrap();
        let at = to - hours * 60 * MINUTE_MS;
        let seen = watch(memory, at, at);
        assert_eq!(seen.failures, 0);
        seen
    }

    #[test]
    fn faults_are_found() {
        for (fault, kind, signal) in [
            (Fault::HotCard, Kind::Peer, "temperature"),
            (Fault::ReplicaSlow, Kind::Peer, "tpot"),
            (Fault::DecodeSlow, Kind::Load, "tpot"),
            (Fault::SettingSlow, Kind::Change, "tpot"),
            (Fault::DiskFillsFast, Kind::Forecast, "disk"),
        ] {
            let seen = found(&made(1, fault, 2, 1.9), 0);
            let is_it = |begun: &(Kind, &str, Labels, i64)| (begun.0, begun.1) == (kind, signal);
            assert!(seen.begun.iter().any(is_it), "{fault:?}: {:?}", seen.begun);
        }
        let seen = found(&made(1, Fault::FileLeak, 3, 0.5), 0);
        let kinds: Vec<&str> = seen.begun.iter().map(|begun| begun.1).collect();
        assert_eq!(kinds, ["files"]);
    }

    #[test]
    fn nothing_is_found_of_a_healthy_deployment() {
        let memory = made(1, Fault::None, 2, f64::MAX);
        for hours in [0, 7, 14] {
            let seen = found(&memory, hours);
            assert_eq!(seen.begun, []);
            for (kind, count) in [(Kind::Peer, 80), (Kind::Load, 8)] {
                let judged = seen.judged.get(&kind).map_or(0, BTreeSet::len);
                assert!(judged >= count, "{kind:?}: {judged}");
            }
        }
    }

    #[test]
    fn lines_are_read() {
        let text = "a_total{b=\"c d\",e=\"f\"} 1.5 1000\n# no\na_total{b=\"c d\",e=\"f\"} 2 2000\nx{} 1 3\n";
        let memory = Memory::read(text.as_bytes()).unwrap();
        assert_eq!((memory.span(), memory.series_count()), (Some((3, 2_000)), 2));
    }
}
