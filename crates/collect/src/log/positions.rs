//! How far each file was read, kept over restarts in one file that is replaced as a whole.
//!
//! What is stored counts, not what was read. The file may be a few seconds old after the death of this program;
//! then the sink knows better. What cannot be read is taken for absent: then files go on where the sink says, or
//! begin as new ones do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use model::{UnixMs, log::Origin};
use serde::{Deserialize, Serialize};

use super::{
    place::{Head, Inode},
    unwrap::Form,
};

/// Most files that are remembered; those not seen for the longest time go first.
const FILES_MAX: usize = 20_000;
/// How long a file is remembered that is gone.
const REMEMBERED_MS: i64 = 30 * 86_400_000;
/// Most bytes of the file.
const BYTES_MAX: u64 = 64 << 20;
const VERSION: u32 = 1;

/// How far one file was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    /// What the sink knows it by; absent while its first line is not complete.
    pub(super) file: Option<String>,
    pub(super) head: Option<Head>,
    /// How often it was begun anew under the same inode.
    pub(super) generation: u32,
    /// Everything before it is stored.
    pub(super) offset: u64,
    /// Where reading was, and what is before that place.
    pub(super) read: u64,
    pub(super) tail: Vec<u8>,
    /// What it was called last.
    pub(super) path: String,
    /// When it was there last, in Unix milliseconds.
    pub(super) seen: i64,
    /// Whose it is, see [`packed`].
    pub(super) origin: [String; 7],
    pub(super) form: Form,
    /// The size of a packed file that was read whole.
    #[serde(default)]
    pub(super) packed: Option<u64>,
}

/// An origin as it is kept.
pub(super) fn packed(origin: &Origin) -> [String; 7] {
    let Origin { source, origin, host, service, engine, instance, model } = origin.clone();
    [source, origin, host, service, engine, instance, model]
}

impl Position {
    pub(super) fn origin(&self) -> Origin {
        let [source, origin, host, service, engine, instance, model] = self.origin.clone();
        Origin { source, origin, host, service, engine, instance, model }
    }
}

#[derive(Debug, Default)]
pub(super) struct Positions {
    path: Option<PathBuf>,
    pub(super) files: BTreeMap<Inode, Position>,
    /// Patterns that were looked for before: what is new among their files is news.
    pub(super) patterns: BTreeSet<String>,
    /// Offsets of logs that are no files, by name.
    pub(super) others: BTreeMap<String, u64>,
    /// When this program was last alive, as far as is known.
    pub(super) saved: Option<UnixMs>,
    pub(super) is_changed: bool,
}

#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    saved: i64,
    patterns: BTreeSet<String>,
    #[serde(default)]
    others: BTreeMap<String, u64>,
    files: Vec<(Inode, Position)>,
}

impl Positions {
    /// Reads what was kept, and why it could not be read if that was so.
    pub(super) fn open(path: Option<&Path>) -> (Self, Option<io::Error>) {
        let mut positions = Self { path: path.map(Path::to_owned), ..Self::default() };
        match path.map(read).transpose() {
            Ok(Some(Some(content))) => {
                positions.files = content.files.into_iter().collect();
                positions.patterns = content.patterns;
                positions.others = content.others;
                positions.saved = Some(UnixMs(content.saved));
                (positions, None)
            }
            Ok(_) => (positions, None),
            Err(error) => (positions, Some(error)),
        }
    }

    /// Writes everything beside the old file and then over it, so that one of the two is there at any time.
    pub(super) fn save(&mut self, now: UnixMs) -> io::Result<()> {
        self.forget(now);
        let Some(path) = &self.path else { return Ok(()) };
        let content = Content {
            version: VERSION,
            saved: now.0,
            patterns: self.patterns.clone(),
            others: self.others.clone(),
            files: self.files.iter().map(|(inode, position)| (*inode, position.clone())).collect(),
        };
        let beside = path.with_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec(&content)?)?;
        file.sync_data()?;
        fs::rename(&beside, path)?;
        self.saved = Some(now);
        self.is_changed = false;
        Ok(())
    }

    fn forget(&mut self, now: UnixMs) {
        self.files.retain(|_, position| now.0.saturating_sub(position.seen) < REMEMBERED_MS);
        let too_many = self.files.len().saturating_sub(FILES_MAX);
        if too_many > 0 {
            let mut seen: Vec<_> =
                self.files.iter().map(|(inode, position)| (position.seen, *inode)).collect();
            seen.sort_unstable();
            for (_, inode) in seen.into_iter().take(too_many) {
                self.files.remove(&inode);
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Option<Content>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    let content: Content = serde_json::from_slice(&bytes)?;
    if content.version != VERSION {
        let text = format!("version {} of positions is not known", content.version);
        return Err(io::Error::other(text));
    }
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_kept_and_old_ones_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log-positions.json");
        let (mut positions, error) = Positions::open(Some(&path));
        assert!(error.is_none() && positions.saved.is_none());
        let position = |seen| Position {
            file: Some("1:2:3".into()),
            head: Head::of(b"a\n"),
            generation: 1,
            offset: 5,
            read: 7,
            tail: b"a\n\xff".to_vec(),
            path: "/var/log/a".into(),
            seen,
            form: Form::Docker,
            packed: None,
            origin: packed(&Origin { engine: "vllm".into(), ..Origin::default() }),
        };
        let inode = |number| Inode { device: 1, number };
        positions.files.insert(inode(1), position(1_000 - REMEMBERED_MS));
        positions.files.insert(inode(2), position(900));
        positions.patterns.insert("/var/log/*".into());
        positions.others.insert("kmsg:x".into(), 7);
        positions.save(UnixMs(1_000)).unwrap();
        let (again, error) = Positions::open(Some(&path));
        assert!(error.is_none());
        assert_eq!(again.files, BTreeMap::from([(inode(2), position(900))]));
        assert_eq!((again.saved, again.others["kmsg:x"]), (Some(UnixMs(1_000)), 7));
        for damage in ["", "{", "{\"version\":9,\"saved\":1,\"patterns\":[],\"files\":[]}"] {
            fs::write(&path, damage).unwrap();
            let (positions, error) = Positions::open(Some(&path));
            assert!(error.is_some() && positions.files.is_empty(), "{damage}");
        }
    }
}
