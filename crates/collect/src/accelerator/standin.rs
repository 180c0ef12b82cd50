//! A machine with a stand-in for one vendor's library, and what its only device says.

use std::{collections::BTreeMap, time::Duration};

use model::{Labels, catalogue::ACCELERATOR_UP, sample::Batch};

use super::{
    Context,
    fake::Fake,
    library::{Arg, Function, Library},
};
use crate::{Failure, schedule::Sampler};

pub(super) struct Machine {
    fake: Fake,
    vendor: &'static str,
}

impl Machine {
    /// Builds `fixtures/accelerator/SOURCE.c` with macros such as `HANG=1`.
    pub(super) fn new(vendor: &'static str, source: &str, macros: &[&str]) -> Self {
        let macros: Vec<String> = macros.iter().map(|one| format!("-D{one}")).collect();
        let macros: Vec<&str> = macros.iter().map(String::as_str).collect();
        let fake = Fake::build(&format!("fixtures/accelerator/{source}.c"), &macros);
        Self { fake, vendor }
    }

    pub(super) fn context(&self) -> Context {
        self.fake.context(self.vendor)
    }

    pub(super) fn open(
        &self,
        open: fn(&Context) -> Result<Box<dyn Sampler>, Failure>,
    ) -> Result<Box<dyn Sampler>, Failure> {
        open(&self.context())
    }

    /// A file below the root that readers see.
    pub(super) fn write(&self, path: &str, text: &str) {
        self.fake.write(path, text);
    }

    pub(super) fn advance(&self, seconds: u64) {
        self.fake.pass(Duration::from_secs(seconds));
    }

    pub(super) fn read(&self, sampler: &mut dyn Sampler) -> Found {
        let mut batch = Batch::default();
        sampler.sample(&mut batch).unwrap();
        Found(batch.samples)
    }

    /// What a function of the stand-in says that only tests know.
    pub(super) fn count(&self, name: &'static str, number: u64) -> i32 {
        let functions = [Function { name, suffixes: &[""] }];
        let paths: Vec<_> =
            self.context().settings.libraries.into_iter().map(|(_, path)| path).collect();
        let library = Library::open(&paths, "", &functions).unwrap();
        library.call(name, "", &mut [Arg::Number(number)]).unwrap()
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
