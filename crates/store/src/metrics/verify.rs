//! Checking a store that nobody has open, and putting aside what is damaged.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use model::{Labels, UnixMs, sample::Exemplar, series::TimeRange};

use super::{
    block::{self, Block, Scratch},
    delete,
    histogram::{self, Point},
    recover::{OpenError, files, lock},
    wal::{self, Reading, Ref, Replay},
};
use crate::{disk::Disk, segment};

const ALL: TimeRange = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub blocks: usize,
    pub segments: usize,
    /// Samples and rows in blocks and in the log; what is in both counts twice.
    pub samples: u64,
    /// Of events.
    pub parts: usize,
    /// Events in parts.
    pub records: u64,
    /// Events in the log; some may be in a part as well.
    pub records_logged: u64,
    /// Empty when all is well.
    pub problems: Vec<Problem>,
}

/// A damaged file.
#[derive(Clone, Debug)]
pub struct Problem {
    pub path: PathBuf,
    pub damage: Damage,
    /// What was done about it; nothing by [`verify`].
    pub repaired: Option<Repaired>,
}

/// How much of a file is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Nothing of it can be used, for this reason.
    File(String),
    /// So many columns of a block.
    Pieces(u64),
    /// So many bytes at the end of a segment of the log.
    Tail(u64),
}

/// What [`repair`] made of a damaged file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Where it is kept as it was.
    pub aside: PathBuf,
    /// Samples of a damaged block that were saved, where some could be.
    pub saved: Option<u64>,
}

/// Reads every byte of the metrics in `folder` and what else `others` reads, and says what is damaged.
pub(crate) fn verify(
    folder: &Path,
    others: impl FnOnce(&mut Report) -> io::Result<()>,
) -> Result<Report, OpenError> {
    let _lock = take(folder)?;
    let checked = check(folder).and_then(|mut report| others(&mut report).map(|()| report));
    checked.map_err(|source| OpenError::Io { path: folder.into(), source })
}

/// As [`verify`], then puts aside what is damaged, saves what can be read of blocks, and cuts torn tails
/// of logs.
pub(crate) fn repair(
    folder: &Path,
    others: impl FnOnce(&mut Report) -> io::Result<()>,
) -> Result<Report, OpenError> {
    let _lock = take(folder)?;
    let failed = |path: &Path, source| OpenError::Io { path: path.into(), source };
    let checked = check(folder).and_then(|mut report| others(&mut report).map(|()| report));
    let mut report = checked.map_err(|error| failed(folder, error))?;
    for problem in &mut report.problems {
        let result = repair_one(problem, &Disk::default());
        problem.repaired = Some(result.map_err(|error| failed(&problem.path, error))?);
    }
    Ok(report)
}

/// Whether there is a store in `folder`, for those who do not want one to be made.
pub fn is_store(folder: &Path) -> bool {
    folder.join("blocks").is_dir() && folder.join("wal").is_dir()
}

/// Keeps others away from a folder that is a store; makes none of one that is not.
fn take(folder: &Path) -> Result<fs::File, OpenError> {
    if !is_store(folder) {
        return Err(OpenError::NoStore { path: folder.into() });
    }
    lock(folder)
}

fn repair_one(problem: &Problem, disk: &Disk) -> io::Result<Repaired> {
    let path = &problem.path;
    // The name of a folder is all of it.
    let aside =
        if path.is_dir() { path.with_added_extension("bad") } else { path.with_extension("bad") };
    let mut saved = None;
    match problem.damage {
        Damage::File(_) => disk.rename(path, &aside)?,
        Damage::Pieces(_) => saved = Some(save(path, &aside, disk)?),
        Damage::Tail(bytes) => {
            let length = fs::copy(path, &aside)?;
            let file = fs::OpenOptions::new().write(true).open(path)?;
            file.set_len(length.saturating_sub(bytes))?;
            file.sync_all()?;
        }
    }
    disk.sync_folder(path.parent().unwrap_or(Path::new(".")))?;
    Ok(Repaired { aside, saved })
}

fn check(folder: &Path) -> io::Result<Report> {
    let mut report = Report::default();
    let mut found = Vec::new();
    for path in files(&folder.join("blocks"))? {
        if path.extension().is_some_and(|extension| extension == "block") {
            report.blocks += 1;
            let damage = check_block(&path, &mut report.samples);
            found.extend(damage.map(|damage| (path, damage)));
        }
    }
    for (number, path) in segment::segments(&folder.join("wal"))? {
        report.segments += 1;
        let mut count = Counting::default();
        let mut reading = Reading::new(number, &mut count);
        let good = wal::read_segment(&path, &mut reading)?;
        report.samples += reading.samples;
        let bytes = fs::metadata(&path)?.len().saturating_sub(good);
        if bytes > 0 {
            found.push((path, Damage::Tail(bytes)));
        }
    }
    let tombstones = folder.join("tombstones");
    if let Err(error) = delete::read(&tombstones) {
        found.push((tombstones, Damage::File(error.to_string())));
    }
    let problems = found.into_iter();
    report.problems =
        problems.map(|(path, damage)| Problem { path, damage, repaired: None }).collect();
    Ok(report)
}

fn check_block(path: &Path, samples: &mut u64) -> Option<Damage> {
    let block = match Block::open(path) {
        Ok(block) => block,
        Err(error) => return Some(Damage::File(io::Error::from(error).to_string())),
    };
    let mut scratch = Scratch::default();
    let mut unreadable = 0;
    for ordinal in 0..block.series_count() {
        let Some(entry) = block.entry(ordinal).filter(|entry| entry.labels().is_some()) else {
            unreadable += 1;
            continue;
        };
        for column in 0..block.description.columns {
            let (mut times, mut values) = (Vec::new(), Vec::new());
            entry.decode(ALL, column, &mut scratch, &mut times, &mut values);
            *samples += if column == 0 { times.len() as u64 } else { 0 };
        }
        let histograms = entry.histograms(ALL, &mut scratch);
        *samples += histograms.len() as u64;
        let is_bad = |(_, encoded): &&Point| histogram::decode(encoded).is_none();
        unreadable += histograms.iter().filter(is_bad).count() as u64;
    }
    let damaged = scratch.damaged + unreadable;
    (damaged > 0).then_some(Damage::Pieces(damaged))
}

/// Writes what can be read of a block in its place. The block is there, damaged or not, whatever fails.
fn save(path: &Path, aside: &Path, disk: &Disk) -> io::Result<u64> {
    let damaged = Block::open(path)?;
    let description = damaged.description.clone();
    let columns = description.columns;
    let folder = path.parent().unwrap_or(Path::new("."));
    // A repair that was cut off may have left its beginning.
    disk.remove(&path.with_extension("block.tmp"))?;
    let mut writer = block::Writer::create(folder, disk, description)?;
    if writer.path() != *path {
        return Err(io::Error::other("its name is not that of its content"));
    }
    let mut scratch = Scratch::default();
    let mut saved = 0;
    for ordinal in 0..damaged.series_count() {
        let Some(entry) = damaged.entry(ordinal) else { continue };
        let Some(labels) = entry.labels() else { continue };
        let mut all: Vec<(Vec<i64>, Vec<f64>)> = Vec::new();
        for column in 0..columns {
            let (mut times, mut values) = (Vec::new(), Vec::new());
            entry.decode(ALL, column, &mut scratch, &mut times, &mut values);
            all.push((times, values));
        }
        // A time counts only where every column has it.
        if all.iter().any(|(times, _)| *times != all[0].0) {
            all.fill_with(Default::default);
        }
        let mut histograms = entry.histograms(ALL, &mut scratch);
        histograms.retain(|(_, encoded)| histogram::decode(encoded).is_some());
        let values: Vec<&[f64]> = all.iter().map(|(_, values)| values.as_slice()).collect();
        writer.add(&labels, &all[0].0, &values, &histograms)?;
        saved += (all[0].0.len() + histograms.len()) as u64;
    }
    if writer.is_empty() {
        disk.rename(path, aside)?;
    } else {
        disk.remove(aside)?;
        disk.link(path, aside)?;
        writer.finish()?;
    }
    Ok(saved)
}

/// Only counts.
#[derive(Default)]
struct Counting(Ref);

impl Replay for Counting {
    fn series(&mut self, _: Labels) -> Ref {
        self.0 += 1;
        self.0
    }

    fn sample(&mut self, _: u64, _: Ref, _: i64, _: f64) {}

    fn histogram(&mut self, _: u64, _: Ref, _: i64, _: &[u8]) {}

    fn exemplar(&mut self, _: Exemplar) {}
}
