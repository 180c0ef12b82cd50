//! Small kernel files of a device, and why one of them could not be read.
//!
//! A file stays open: reading it again costs a third of opening it, and the file of a device that is
//! gone fails instead of belonging to the next one. Nothing here decides what a value means.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::{
    gpu_metrics,
    report::{FieldState, Reporter},
};

/// Largest file that is read.
const BYTES_MAX: usize = gpu_metrics::BYTES_MAX;
/// Files of one device that stay open.
const OPEN_MAX: usize = 128;

/// Reads the files of one device and remembers how each of its fields did.
#[derive(Debug, Default)]
pub(super) struct Files {
    open: HashMap<PathBuf, File>,
    states: BTreeMap<&'static str, FieldState>,
    has_asked: bool,
    has_answered: bool,
    is_refused: bool,
    buffer: Vec<u8>,
}

impl Files {
    /// Forgets whether anything was read, before a new round of reading.
    pub(super) fn start(&mut self) {
        self.has_asked = false;
        self.has_answered = false;
        self.is_refused = false;
    }

    /// Whether nothing could be read, and not because we may not: files that were open say that there is
    /// no such device, later they are not even there.
    pub(super) fn is_lost(&self) -> bool {
        self.has_asked && !self.has_answered && !self.is_refused
    }

    /// The whole file.
    pub(super) fn bytes(&mut self, field: &'static str, path: &Path) -> Option<Vec<u8>> {
        let result = self.read(path);
        let state = match &result {
            Ok(()) => FieldState::Ok,
            Err(error) => state_of(error),
        };
        self.has_asked = true;
        self.has_answered |= result.is_ok();
        self.is_refused |= state == FieldState::Denied;
        // Some fields have several files, of which one is enough.
        if state == FieldState::Ok || self.states.get(field) != Some(&FieldState::Ok) {
            self.states.insert(field, state);
        }
        if result.is_err() {
            self.open.remove(path);
            return None;
        }
        Some(self.buffer.clone())
    }

    /// The text of the file without blanks at its ends; absent when there is none.
    pub(super) fn text(&mut self, field: &'static str, path: &Path) -> Option<String> {
        let bytes = self.bytes(field, path)?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The number that the file holds; one below zero means that the driver does not know it.
    pub(super) fn number(&mut self, field: &'static str, path: &Path) -> Option<f64> {
        self.signed(field, path).filter(|value| *value >= 0.0)
    }

    /// The same for what may be below zero.
    pub(super) fn signed(&mut self, field: &'static str, path: &Path) -> Option<f64> {
        let text = self.text(field, path)?;
        text.parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// Sets the state of a field that is known by other means than a file's own answer.
    pub(super) fn set(&mut self, field: &'static str, state: FieldState) {
        self.states.insert(field, state);
    }

    /// Tells how the fields did.
    pub(super) fn report(&self, reporter: &mut Reporter) {
        for (field, state) in &self.states {
            reporter.set_field(field, *state);
        }
    }

    fn read(&mut self, path: &Path) -> io::Result<()> {
        if !self.open.contains_key(path) {
            if self.open.len() >= OPEN_MAX {
                self.open.clear();
            }
            self.open.insert(path.to_owned(), File::open(path)?);
        }
        let Some(file) = self.open.get(path) else { return Ok(()) };
        self.buffer.resize(BYTES_MAX, 0);
        let mut length = 0;
        while let Some(room) = self.buffer.get_mut(length..).filter(|room| !room.is_empty()) {
            match rustix::io::pread(file, room, length as u64)? {
                0 => break,
                count => length += count,
            }
        }
        self.buffer.truncate(length);
        Ok(())
    }
}

fn state_of(error: &io::Error) -> FieldState {
    let unsupported = [rustix::io::Errno::OPNOTSUPP, rustix::io::Errno::NOSYS];
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FieldState::Unsupported,
        io::ErrorKind::PermissionDenied => FieldState::Denied,
        _ if unsupported.iter().any(|one| error.raw_os_error() == Some(one.raw_os_error())) => {
            FieldState::Unsupported
        }
        _ => FieldState::Error,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn values_and_reasons() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("number"), "42\n").unwrap();
        fs::write(path("text"), " a b \n").unwrap();
        fs::create_dir(path("folder")).unwrap();
        let mut files = Files::default();
        assert_eq!(files.number("a", &path("number")), Some(42.0));
        assert_eq!(files.text("b", &path("text")).unwrap(), "a b");
        assert_eq!(files.number("b", &path("text")), None);
        assert_eq!(files.number("c", &path("none")), None);
        assert_eq!(files.number("d", &path("folder")), None);
        assert_eq!(files.number("a", &path("none")), None);
        let states: Vec<_> = files.states.into_iter().collect();
        let expected = [
            ("a", FieldState::Ok),
            ("b", FieldState::Ok),
            ("c", FieldState::Unsupported),
            ("d", FieldState::Error),
        ];
        assert_eq!(states, expected, "a field with two files is fine when one of them is");
    }

    #[test]
    fn a_device_is_lost_when_none_of_its_files_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "1").unwrap();
        let mut files = Files::default();
        files.start();
        assert!(!files.is_lost(), "nothing was asked");
        files.number("a", &path);
        files.number("b", &folder.path().join("b"));
        assert!(!files.is_lost());
        files.start();
        files.number("b", &folder.path().join("b"));
        assert!(files.is_lost());
    }

    #[test]
    fn a_file_is_read_anew_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut files = Files::default();
        for value in [1.0, 22.0, 3.0] {
            fs::write(&path, format!("{value}")).unwrap();
            assert_eq!(files.number("a", &path), Some(value));
        }
        assert_eq!(files.open.len(), 1);
    }

    #[test]
    fn errors_of_drivers() {
        let check = |errno: rustix::io::Errno, expected| {
            assert_eq!(state_of(&errno.into()), expected, "{errno:?}");
        };
        check(rustix::io::Errno::OPNOTSUPP, FieldState::Unsupported);
        check(rustix::io::Errno::ACCESS, FieldState::Denied);
        check(rustix::io::Errno::PERM, FieldState::Denied);
        check(rustix::io::Errno::IO, FieldState::Error);
        check(rustix::io::Errno::NODEV, FieldState::Error);
    }
}
