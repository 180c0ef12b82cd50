//! Checking a store that nobody has open, and putting aside what is damaged.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use model::{Labels, UnixMs, sample::Exemplar, series::TimeRange};

use super::{
    block::{self, Block, BlockError, Description, Scratch},
    delete,
    histogram::{self, Point},
    recover::lock,
    wal::{self, Reading, Ref, Replay},
};
use crate::disk::Disk;

const ALL: TimeRange = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub blocks: usize,
    pub segments: usize,
    /// In blocks and in the log; what is in both counts twice.
    pub samples: u64,
    /// What is damaged, one sentence each; empty when all is well.
    pub problems: Vec<String>,
    /// What was done about it.
    pub repairs: Vec<String>,
}

/// A damaged file.
struct Damage {
    path: PathBuf,
    what: Extent,
    sentence: String,
}

enum Extent {
    /// Nothing of it can be used.
    File,
    /// Some columns of a block.
    Columns,
    /// What follows this many bytes of a segment.
    Tail(u64),
}

/// Reads every byte of the store in `folder` and says what is damaged. Changes nothing.
pub fn verify(folder: &Path) -> io::Result<Report> {
    let (_lock, report, _) = check(folder)?;
    Ok(report)
}

/// As [`verify`], then puts damaged blocks aside, saves what can be read of them, and cuts torn tails of
/// the log. The originals stay, with the ending `.bad`.
pub fn repair(folder: &Path) -> io::Result<Report> {
    let (_lock, mut report, damages) = check(folder)?;
    let disk = Disk::default();
    for damage in damages {
        let aside = damage.path.with_extension("bad");
        match damage.what {
            Extent::File => disk.rename(&damage.path, &aside)?,
            Extent::Columns => {
                let saved = save(&damage.path, &aside, &disk)?;
                report
                    .repairs
                    .push(format!("{saved} samples of {} were saved", damage.path.display()));
            }
            Extent::Tail(good) => {
                fs::copy(&damage.path, &aside)?;
                fs::OpenOptions::new().write(true).open(&damage.path)?.set_len(good)?;
            }
        }
        report.repairs.push(format!(
            "the damaged {} is kept as {}",
            damage.path.display(),
            aside.display()
        ));
    }
    Ok(report)
}

fn check(folder: &Path) -> io::Result<(fs::File, Report, Vec<Damage>)> {
    let lock = lock(folder).map_err(io::Error::other)?;
    let mut report = Report::default();
    let mut damages = Vec::new();
    for entry in sorted(&folder.join("blocks"))? {
        if entry.extension().is_some_and(|extension| extension == "block") {
            report.blocks += 1;
            damages.extend(check_block(&entry, &mut report.samples));
        }
    }
    for (number, path) in wal::segments(&folder.join("wal"))? {
        report.segments += 1;
        let mut count = Counting::default();
        let mut reading = Reading::new(number, &mut count);
        let good = wal::read_segment(&path, &mut reading)?;
        report.samples += reading.samples;
        let length = fs::metadata(&path)?.len();
        if good < length {
            let sentence =
                format!("{} bytes at the end of {} make no sense", length - good, path.display());
            damages.push(Damage { path, what: Extent::Tail(good), sentence });
        }
    }
    let tombstones = folder.join("tombstones");
    if let Err(error) = delete::read(&tombstones) {
        let sentence = format!("{}: {error}", tombstones.display());
        damages.push(Damage { path: tombstones, what: Extent::File, sentence });
    }
    report.problems = damages.iter().map(|damage| damage.sentence.clone()).collect();
    Ok((lock, report, damages))
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

fn check_block(path: &Path, samples: &mut u64) -> Option<Damage> {
    let block = match Block::open(path) {
        Ok(block) => block,
        Err(error) => {
            let reason = match error {
                BlockError::Damaged(reason) => reason.to_owned(),
                BlockError::Io(error) => error.to_string(),
            };
            let sentence = format!("{}: {reason}", path.display());
            return Some(Damage { path: path.into(), what: Extent::File, sentence });
        }
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
            *samples += times.len() as u64;
        }
        let histograms = entry.histograms(ALL, &mut scratch);
        *samples += histograms.len() as u64;
        let is_bad = |(_, encoded): &&Point| histogram::decode(encoded).is_none();
        unreadable += histograms.iter().filter(is_bad).count() as u64;
    }
    let damaged = scratch.damaged + unreadable;
    (damaged > 0).then(|| Damage {
        path: path.into(),
        what: Extent::Columns,
        sentence: format!("{}: {damaged} pieces cannot be read", path.display()),
    })
}

/// Writes what can be read of a block in its place.
fn save(path: &Path, aside: &Path, disk: &Disk) -> io::Result<u64> {
    disk.rename(path, aside)?;
    let damaged = Block::open(aside)?;
    let description: Description = damaged.description.clone();
    let columns = description.columns;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut writer = block::Writer::create(folder, disk, description)?;
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
    if !writer.is_empty() {
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
