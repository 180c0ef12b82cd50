//! Every change that a store makes to the disk goes through here, so that a test can let any of them
//! fail, or forget what was never synced.
//!
//! Reading is not covered: blocks are mapped, and a mapped page that cannot be read kills a process
//! whoever asked for it.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// What is about to be done to a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Create,
    Write,
    Sync,
    Rename,
    Remove,
    Link,
    SyncFolder,
}

/// How an operation fails.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Bytes that reach the file all the same; only for [`Operation::Write`].
    pub(crate) written: usize,
    pub(crate) error: io::Error,
}

/// Decides what fails. The real disk has none.
pub(crate) trait Faults: fmt::Debug + Send + Sync {
    /// Asked before each operation; `None` lets it happen.
    fn before(&self, operation: Operation, path: &Path, bytes: usize) -> Option<Fault>;

    /// Told after each operation that succeeded; `from` is the former name of what was renamed.
    fn after(&self, operation: Operation, path: &Path, from: Option<&Path>);
}

/// The disk as a store sees it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Option<Arc<dyn Faults>>);

/// A file that is being written from its beginning.
#[derive(Debug)]
pub(crate) struct OutFile {
    disk: Disk,
    path: PathBuf,
    file: File,
}

impl Disk {
    #[cfg(test)]
    pub(crate) fn with_faults(faults: Arc<dyn Faults>) -> Self {
        Self(Some(faults))
    }

    fn run<T>(
        &self,
        operation: Operation,
        path: &Path,
        from: Option<&Path>,
        work: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(faults) = &self.0 else { return work() };
        if let Some(fault) = faults.before(operation, path, 0) {
            return Err(fault.error);
        }
        let done = work()?;
        faults.after(operation, path, from);
        Ok(done)
    }

    /// A file that did not exist before.
    pub(crate) fn create(&self, path: &Path) -> io::Result<OutFile> {
        let file = self.run(Operation::Create, path, None, || {
            OpenOptions::new().write(true).create_new(true).open(path)
        })?;
        Ok(OutFile { disk: self.clone(), path: path.to_owned(), file })
    }

    /// A file that exists, to be synced.
    pub(crate) fn reopen(&self, path: &Path) -> io::Result<OutFile> {
        let file = OpenOptions::new().write(true).open(path)?;
        Ok(OutFile { disk: self.clone(), path: path.to_owned(), file })
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(Operation::Rename, to, Some(from), || fs::rename(from, to))
    }

    /// A second name for a file. Both share the content, which must not change any more.
    pub(crate) fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(Operation::Link, to, None, || fs::hard_link(from, to))
    }

    /// Removes a file; one that is gone already is no error.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.run(Operation::Remove, path, None, || match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
    }

    /// Makes created, renamed and removed names in a folder survive a power failure.
    pub(crate) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.run(Operation::SyncFolder, folder, None, || File::open(folder)?.sync_all())
    }

    /// Replaces a small file as a whole: after a crash it is the old or the new one.
    pub(crate) fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let temporary = path.with_extension("tmp");
        self.remove(&temporary)?;
        let written = self.create(&temporary).and_then(|file| {
            file.write_all(content)?;
            file.sync()
        });
        if let Err(error) = written.and_then(|()| self.rename(&temporary, path)) {
            // What is left is removed by the next attempt at the latest.
            drop(self.remove(&temporary));
            return Err(error);
        }
        self.sync_folder(path.parent().unwrap_or(Path::new("/")))
    }
}

impl OutFile {
    pub(crate) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = &self.file;
        let Some(faults) = &self.disk.0 else { return file.write_all(bytes) };
        if let Some(fault) = faults.before(Operation::Write, &self.path, bytes.len()) {
            file.write_all(&bytes[..fault.written.min(bytes.len())])?;
            return Err(fault.error);
        }
        file.write_all(bytes)?;
        faults.after(Operation::Write, &self.path, None);
        Ok(())
    }

    /// Makes the content survive a power failure. What another thread writes meanwhile may be part of it or not.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.disk.run(Operation::Sync, &self.path, None, || self.file.sync_data())
    }

    /// Cuts off what a failed write left behind.
    pub(crate) fn cut(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}
