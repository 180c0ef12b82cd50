//! What the benchmarks among the examples share: made-up numbers that are the same in each run, and what the process
//! has used.

use std::{
    fs,
    io::{self, Write as _},
    time::Duration,
};

pub(crate) type Done<T = ()> = Result<T, Box<dyn std::error::Error>>;

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

pub(crate) fn figure(name: &str, value: f64) -> Done {
    Ok(writeln!(io::stdout(), "{name}: {value}")?)
}

/// User and system time of this process so far.
pub(crate) fn cpu() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let ticks =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64(ticks.sum::<u64>() as f64 / per_second as f64))
}

pub(crate) fn cpu_since(before: Duration) -> io::Result<Duration> {
    Ok(cpu()?.saturating_sub(before))
}

/// A line of `/proc/self/status`, in megabytes.
pub(crate) fn memory(name: &str) -> Done<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name)).ok_or("no such line")?;
    let kilobytes: f64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kilobytes * 1_024.0 / 1e6)
}
