//! Reports that were made, on disk: `reports/ID/` in the data directory with `entry.json` and a file for each format.
//!
//! A report is written beside its place and moved there when it is whole, so that after a crash it is there or not.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use model::UnixMs;
use serde::{Deserialize, Serialize};

use super::Format;
use crate::{whole, zone::Zone};

/// Reports that are kept; the oldest go first.
pub(super) const KEPT_MAX: usize = 200;
/// Largest file of a report that is read.
const BYTES_MAX: u64 = 64 << 20;
const ENTRY: &str = "entry.json";
/// What folders are called that are not whole yet.
const UNFINISHED: &str = "new-";

/// A report that was made.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) title: String,
    /// Unix milliseconds.
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// The first and the last day, `2026-11-28`, in the time zone of the report.
    pub(crate) first_day: String,
    pub(crate) last_day: String,
    pub(crate) created: i64,
    pub(crate) language: String,
    pub(crate) model: Option<String>,
    pub(crate) files: Vec<FileEntry>,
    /// The name of the schedule that it was made for.
    pub(crate) schedule: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct FileEntry {
    pub(crate) format: String,
    pub(crate) bytes: u64,
}

impl Entry {
    /// What the file of a report is called: its days and its language.
    pub(crate) fn file_name(&self, format: Format) -> String {
        let Self { first_day, last_day, language, .. } = self;
        format!("modelwatch-{first_day}-{last_day}-{language}.{}", format.name())
    }

    /// With the days that entries of older versions lack, as this machine counts them.
    fn with_days(mut self) -> Self {
        if self.first_day.is_empty() {
            let (zone, last) = (Zone::local(), UnixMs(self.end.saturating_sub(1)));
            self.first_day = zone.date(UnixMs(self.start));
            self.last_day = zone.date(last);
        }
        self
    }
}

/// The folder of reports.
pub(super) struct Kept(PathBuf);

impl Kept {
    /// Throws away what a crash left unfinished.
    pub(super) fn new(folder: PathBuf) -> Self {
        for path in folders(&folder) {
            let is_unfinished = name(&path).is_some_and(|name| name.starts_with(UNFINISHED));
            if is_unfinished && let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!("{} cannot be removed: {error}", path.display());
            }
        }
        Self(folder)
    }

    /// All reports, newest first. One whose entry cannot be read is left out.
    pub(super) fn list(&self) -> Vec<Entry> {
        let entry = |path: PathBuf| {
            let id = name(&path)?.to_owned();
            let entry = whole::read::<Entry>(&path.join(ENTRY)).ok()?;
            (entry.id == id).then(|| entry.with_days())
        };
        let mut all: Vec<Entry> = folders(&self.0).into_iter().filter_map(entry).collect();
        all.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        all
    }

    /// Keeps a report and returns it with its id.
    pub(super) fn add(&self, mut entry: Entry, files: &[(Format, Vec<u8>)]) -> io::Result<Entry> {
        fs::create_dir_all(&self.0)?;
        let id = (0..).map(|number| format!("{:x}-{number}", entry.created));
        let id = id.into_iter().find(|id| !self.0.join(id).exists()).unwrap_or_default();
        let fresh = self.0.join(format!("{UNFINISHED}{id}"));
        fs::create_dir_all(&fresh)?;
        entry.id.clone_from(&id);
        entry.files.clear();
        for (format, bytes) in files {
            whole::write_bytes(&fresh.join(format.file_name()), bytes, whole::Readers::Us)?;
            let format = format.name().to_owned();
            entry.files.push(FileEntry { format, bytes: bytes.len() as u64 });
        }
        whole::write(&fresh.join(ENTRY), &entry)?;
        fs::rename(&fresh, self.0.join(&id))?;
        File::open(&self.0)?.sync_all()?;
        for old in self.list().into_iter().skip(KEPT_MAX) {
            self.remove(&old.id)?;
        }
        Ok(entry)
    }

    /// A file of a report; nothing where there is none.
    pub(super) fn file(&self, id: &str, format: Format) -> io::Result<Option<Vec<u8>>> {
        if !is_id(id) {
            return Ok(None);
        }
        let file = match File::open(self.0.join(id).join(format.file_name())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Whether there was one.
    pub(super) fn remove(&self, id: &str) -> io::Result<bool> {
        if !is_id(id) {
            return Ok(false);
        }
        match fs::remove_dir_all(self.0.join(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true),
        }
    }
}

/// What [`Kept::add`] makes; nothing else may become a path.
fn is_id(id: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_hexdigit() || c == '-';
    (1..=40).contains(&id.len()) && id.chars().all(is_allowed)
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_kept_until_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path().join("reports"));
        assert_eq!(kept.list(), []);
        let day = || "2026-11-28".to_owned();
        let entry =
            |created: i64| Entry { created, first_day: day(), last_day: day(), ..Entry::default() };
        let files = [(Format::Html, b"<p>".to_vec()), (Format::Csv, Vec::new())];
        let first = kept.add(entry(5), &files).unwrap();
        let second = kept.add(entry(5), &files[..1]).unwrap();
        assert_ne!(first.id, second.id);
        assert_eq!(kept.list(), [second.clone(), first.clone()]);
        assert_eq!(kept.file(&first.id, Format::Html).unwrap().unwrap(), b"<p>");
        for bad in ["", "..", "../x", "5/../5-0", "new-5"] {
            assert_eq!(kept.file(bad, Format::Html).unwrap(), None, "{bad}");
            assert!(!kept.remove(bad).unwrap(), "{bad}");
        }
        assert!(kept.remove(&first.id).unwrap());
        assert!(!kept.remove(&first.id).unwrap());
        assert_eq!(kept.list(), [second]);
        for created in 0..KEPT_MAX as i64 + 5 {
            kept.add(entry(created + 10), &[]).unwrap();
        }
        assert_eq!(kept.list().len(), KEPT_MAX);
    }

    #[test]
    fn what_a_crash_left_is_no_report() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("new-5-0");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join(ENTRY), "{}").unwrap();
        fs::create_dir_all(folder.path().join("6-0")).unwrap();
        fs::write(folder.path().join("6-0").join(ENTRY), "{\"id\":").unwrap();
        let kept = Kept::new(folder.path().to_owned());
        assert!(!left.exists());
        assert_eq!(kept.list(), []);
    }
}
