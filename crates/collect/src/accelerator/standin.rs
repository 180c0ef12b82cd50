//! Stand-ins for vendors' libraries, built from C while testing: the loading, the calls and the
//! layouts are the real ones, the devices are not.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use model::{Clock, Labels, UnixMs, catalogue::ACCELERATOR_UP, sample::Batch};

use super::{
    Context, Settings,
    library::{Arg, Function, Library},
};
use crate::{Failure, schedule::Sampler};

/// A built library and the folder that it is deleted with.
pub(super) struct Fake {
    folder: tempfile::TempDir,
}

impl Fake {
    /// Builds `fixtures/accelerator/NAME.c` with macros such as `HANG=1`.
    pub(super) fn build(name: &str, macros: &[&str]) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        let source = source.join(format!("fixtures/accelerator/{name}.c"));
        let fake = Self { folder: tempfile::tempdir().unwrap() };
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]).arg(fake.path());
        compiler.args(macros.iter().map(|one| format!("-D{one}"))).arg(source);
        let output = compiler.output().expect("the tests need a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fake
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("fake.so")
    }

    /// What a function of the stand-in says that only tests know.
    pub(super) fn count(&self, name: &'static str, number: u64) -> i32 {
        let functions = [Function { name, suffixes: &[""] }];
        let library = Library::open(&[self.path()], "", &functions).unwrap();
        library.call(name, "", &mut [Arg::Number(number)]).unwrap()
    }
}

/// A machine with one vendor's stand-in.
pub(super) struct Machine {
    pub(super) fake: Fake,
    pub(super) root: tempfile::TempDir,
    vendor: &'static str,
    clock: Clock,
}

impl Machine {
    pub(super) fn new(vendor: &'static str, source: &str, macros: &[&str]) -> Self {
        let fake = Fake::build(source, macros);
        let root = tempfile::tempdir().unwrap();
        Self { fake, root, vendor, clock: Clock::manual(UnixMs(1_000_000)) }
    }

    pub(super) fn open(
        &self,
        open: fn(&Context) -> Result<Box<dyn Sampler>, Failure>,
    ) -> Result<Box<dyn Sampler>, Failure> {
        open(&Context {
            root: self.root.path().into(),
            host: "h".into(),
            clock: self.clock.clone(),
            settings: Settings {
                libraries: vec![(self.vendor.into(), self.fake.path())],
                ..Settings::default()
            },
        })
    }

    pub(super) fn advance(&self, seconds: i64) {
        self.clock.set(UnixMs(self.clock.now().0 + 1_000 * seconds));
    }

    pub(super) fn read(&self, sampler: &mut dyn Sampler) -> Found {
        let mut batch = Batch::default();
        sampler.sample(&mut batch).unwrap();
        Found(batch.samples)
    }
}

/// What one reading of the only device gave.
pub(super) struct Found(Vec<(Labels, f64)>);

impl Found {
    /// The value of a series, told by its name and the labels that not every series has.
    #[track_caller]
    pub(super) fn check(&self, series: &str, value: impl Into<Option<f64>>) {
        let base = ["uuid", "index", "vendor", "model", "pci_bus_id", "host"];
        let line = |labels: &Labels| labels.keep(|name| !base.contains(&name)).to_string();
        let all: BTreeMap<String, f64> =
            self.0.iter().map(|(labels, value)| (line(labels), *value)).collect();
        assert_eq!(all.get(series).copied(), value.into(), "{series}\n{all:#?}");
    }

    /// The device's uuid, model, address and vendor.
    #[track_caller]
    pub(super) fn identity(&self, expected: &[&str; 4]) {
        let mut ups = self.0.iter().filter(|(labels, _)| labels.name() == ACCELERATOR_UP.name);
        let (labels, _) = ups.next().unwrap();
        let names = ["uuid", "model", "pci_bus_id", "vendor"];
        let found = names.map(|name| labels.get(name).unwrap_or_default());
        assert_eq!(&found, expected);
    }
}
