//! Sources that are many small files with one number each, as `/sys` has them.
//!
//! They are opened for each reading: there may be hundreds, they are read rarely, and a descriptor kept
//! for each would cost more than it saves. Nothing is allocated for a reading. The list of files is made
//! anew from time to time, since devices come and go.

use std::{
    io,
    path::{Path, PathBuf},
};

use model::{Labels, sample::Batch};
use rustix::fs::{Mode, OFlags};

use super::{Context, Sampler, read::float};
use crate::{Failure, FailureKind};

/// Readings between two looks at which files there are.
const READINGS_PER_LIST: u32 = 12;
/// Files beyond this many are left out.
const FILES_MAX: usize = 4_000;
/// What a file may hold; more is no number.
const TEXT_BYTES_MAX: usize = 128;

/// The files of a source and the facts about its devices.
#[derive(Default)]
pub(super) struct Numbers {
    files: Vec<(PathBuf, Labels, Unit)>,
    facts: Vec<Labels>,
}

/// How a number becomes a value. Both factors are there because dividing keeps whole thousandths exact
/// where multiplying by 0.001 does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    times: f64,
    per: f64,
}

impl Unit {
    pub(super) const ONE: Self = Self { times: 1.0, per: 1.0 };
    pub(super) const MILLI: Self = Self { times: 1.0, per: 1e3 };
    pub(super) const MICRO: Self = Self { times: 1.0, per: 1e6 };

    pub(super) const fn times(times: f64) -> Self {
        Self { times, per: 1.0 }
    }

    pub(super) fn apply(self, number: f64) -> f64 {
        number * self.times / self.per
    }
}

impl Numbers {
    /// A file whose first word is a number. Files that do not exist are left out here, so that a reading
    /// does not ask for them again and again.
    pub(super) fn add(&mut self, path: PathBuf, labels: Labels, unit: Unit) {
        if self.files.len() < FILES_MAX && path.exists() {
            self.files.push((path, labels, unit));
        }
    }

    /// A series whose value is always 1.
    pub(super) fn fact(&mut self, labels: Labels) {
        if self.facts.len() < FILES_MAX {
            self.facts.push(labels);
        }
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.facts.is_empty()
    }

    /// Reads all files. It fails when there are files and not one of them could be read.
    fn push(&self, batch: &mut Batch) -> Result<(), Failure> {
        let before = batch.samples.len();
        let mut failure = None;
        for (path, labels, unit) in &self.files {
            match read_number(path) {
                Ok(Some(number)) => batch.push(labels, unit.apply(number)),
                Ok(None) => {}
                Err(error) => failure = Some(Failure::from_io(path.display(), &error)),
            }
        }
        match failure {
            Some(failure) if batch.samples.len() == before => Err(failure),
            _ => {
                self.facts.iter().for_each(|labels| batch.push(labels, 1.0));
                Ok(())
            }
        }
    }
}

/// A source whose files `list` finds. Without any it is absent, and `absent` says what was looked for.
pub(super) fn open(
    context: &Context,
    list: fn(&Context, &mut Numbers),
    absent: &'static str,
) -> Result<Box<dyn Sampler>, Failure> {
    let mut source =
        Listed { context: context.clone(), list, absent, numbers: Numbers::default(), readings: 0 };
    source.look()?;
    Ok(Box::new(source))
}

struct Listed {
    context: Context,
    list: fn(&Context, &mut Numbers),
    absent: &'static str,
    numbers: Numbers,
    readings: u32,
}

impl Listed {
    fn look(&mut self) -> Result<(), Failure> {
        self.numbers = Numbers::default();
        (self.list)(&self.context, &mut self.numbers);
        self.readings = 0;
        if self.numbers.is_empty() {
            return Err(Failure::new(FailureKind::Absent, self.absent));
        }
        Ok(())
    }
}

impl Sampler for Listed {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        if self.readings >= READINGS_PER_LIST {
            self.look()?;
        }
        self.readings += 1;
        self.numbers.push(batch)
    }
}

/// The number that a small file begins with: `42`, `-5`, `0x1003`, `4: ACTIVE`, `100 Gb/sec`. One plain
/// `read`: some drivers answer that they should be asked again, and then again.
pub(super) fn read_number(path: &Path) -> io::Result<Option<f64>> {
    let mut buffer = [0; TEXT_BYTES_MAX];
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let count = rustix::io::read(&file, &mut buffer)?;
    Ok(parse(&buffer[..count]))
}

fn parse(text: &[u8]) -> Option<f64> {
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let word = words.next()?;
    let word = word.strip_suffix(b":").unwrap_or(word);
    match word.strip_prefix(b"0x") {
        Some(digits) => hexadecimal(digits).map(|number| number as f64),
        None => float(word),
    }
}

/// An unsigned number in hexadecimal digits without a prefix.
pub(super) fn hexadecimal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    if text.starts_with('+') {
        return None;
    }
    u64::from_str_radix(text, 16).ok()
}

/// Entries of a folder whose name starts with `prefix`, in order.
pub(super) fn entries(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<_> =
        paths.filter(|path| file_name(path).starts_with(prefix)).take(FILES_MAX).collect();
    paths.sort();
    paths
}

/// As [`entries`], but with a number after the prefix, which comes with each.
pub(super) fn numbered(folder: &Path, prefix: &str) -> Vec<(String, PathBuf)> {
    let paths = entries(folder, prefix).into_iter();
    let with_number = paths.filter_map(|path| {
        let number = file_name(&path).strip_prefix(prefix)?.to_owned();
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some((number, path))
    });
    with_number.collect()
}

/// The last part of a path.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn first_numbers() {
        let check = |text: &str, expected| assert_eq!(parse(text.as_bytes()), expected, "{text}");
        check("42\n", Some(42.0));
        check("-5\n", Some(-5.0));
        check("0x1003\n", Some(4_099.0));
        check("4: ACTIVE\n", Some(4.0));
        check("100 Gb/sec (4X EDR)\n", Some(100.0));
        check("8.0 GT/s PCIe\n", Some(8.0));
        for bad in ["", "\n", "Unknown\n", "0x\n", "0x+1", "nan"] {
            check(bad, None);
        }
    }

    #[test]
    fn units_keep_whole_thousandths_exact() {
        assert_eq!(Unit::MILLI.apply(45_100.0), 45.1);
        assert_eq!(Unit::times(1e3).apply(2.0), 2_000.0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
