//! Stand-ins for vendors' libraries, built from C by the tests, and what a reader makes of them.

use std::{
    cell::Cell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use model::{Clock, Labels, UnixMs, sample::Batch};
use tempfile::TempDir;

use super::{Context, Holders, Settings};
use crate::{Failure, schedule::Sampler};

/// A library in a folder of its own, so that each test has one, with its file of answers.
pub(super) struct Fake {
    folder: TempDir,
    library: PathBuf,
    pub(super) clock: Clock,
    calls_seen: Cell<usize>,
}

impl Fake {
    /// A library of its own from `source`, a path below this crate, built with `flags`.
    pub(super) fn build(source: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libfake.so");
        // A second name of the same file would be the same library, with the same state.
        std::fs::write(&library, compiled(source, flags)).unwrap();
        Self { folder, library, clock: Clock::manual(UnixMs(1_000_000)), calls_seen: Cell::new(0) }
    }

    /// Writes what the library answers from now on.
    pub(super) fn say(&self, answers: &str) {
        // Renamed into place, because the library reads it from other threads too.
        let new = self.folder.path().join("new");
        std::fs::write(&new, answers).unwrap();
        std::fs::rename(new, self.library.with_extension("so.txt")).unwrap();
    }

    /// The functions that were called since the last look, in order.
    pub(super) fn calls(&self) -> Vec<String> {
        // Never removed: a thread of the library may be writing to it.
        let text = std::fs::read_to_string(self.library.with_extension("so.calls"));
        let text = text.unwrap_or_default();
        let calls: Vec<String> = text.lines().map(str::to_owned).collect();
        let seen = self.calls_seen.replace(calls.len());
        calls.into_iter().skip(seen).collect()
    }

    /// A file below the root that readers see.
    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(super) fn append(&self, path: &str, text: &str) {
        let file = std::fs::File::options().append(true).open(self.folder.path().join(path));
        std::io::Write::write_all(&mut file.unwrap(), text.as_bytes()).unwrap();
    }

    pub(super) fn context(&self, vendor: &str) -> Context {
        Context {
            root: self.folder.path().into(),
            host: "h".into(),
            clock: self.clock.clone(),
            holders: Holders::default(),
            settings: Settings {
                libraries: vec![(vendor.into(), self.library.clone())],
                ..Settings::default()
            },
        }
    }

    pub(super) fn pass(&self, time: Duration) {
        self.clock.set(self.clock.now() + time);
    }
}

/// What the compiler makes of `source`, which takes a while and is done once.
#[expect(clippy::disallowed_methods, reason = "a compiler, before anything is sampled")]
fn compiled(source: &str, flags: &[&str]) -> Vec<u8> {
    static DONE: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    let key = format!("{source} {flags:?}");
    let compile = || {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libfake.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-w", "-o"]).arg(&library).args(flags).arg(source);
        let output = command.arg("-ldl").output().expect("a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(library).unwrap()
    };
    done.entry(key).or_insert_with(compile).clone()
}

/// What a reader reads now, without the labels that are the same for all series of a device.
pub(super) fn read(sampler: &mut Box<dyn Sampler>) -> Result<Vec<String>, Failure> {
    const SAME: &[&str] = &[
        "uuid",
        "vendor",
        "model",
        "pci_bus_id",
        "host",
        "UUID",
        "device",
        "modelName",
        "hostname",
        "DCGM_FI_DRIVER_VERSION",
    ];
    let mut batch = Batch::default();
    sampler.sample(&mut batch)?;
    let line = |(labels, value): &(Labels, f64)| {
        format!("{} {value}", labels.keep(|name| !SAME.contains(&name)))
    };
    let mut lines: Vec<String> = batch.samples.iter().map(line).collect();
    lines.sort();
    Ok(lines)
}

/// The lines that begin with one of `names`.
pub(super) fn only<'a>(lines: &'a [String], names: &[&str]) -> Vec<&'a str> {
    let is_wanted = |line: &&String| names.iter().any(|name| line.starts_with(name));
    lines.iter().filter(is_wanted).map(String::as_str).collect()
}
