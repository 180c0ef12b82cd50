//! Stand-ins for vendors' libraries, built from C while testing: the loading, the calls and the
//! layouts are the real ones, the devices are not.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::library::{Arg, Function, Library};

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
