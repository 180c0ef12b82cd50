//! Which engines were found, kept over restarts in one file that is replaced as a whole.
//!
//! Without it an engine that ended while this program did not run, or before it was started again, would be missed by
//! nobody. What cannot be read is taken for absent: then engines are found anew when they answer.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use model::UnixMs;
use serde::{Deserialize, Serialize};

use crate::{
    EngineState,
    collector::Shared,
    discovery::FoundEngine,
    engine::{KINDS, Kind},
    http::Endpoint,
};

/// Most engines that are remembered.
const ENGINES_MAX: usize = 1_000;
/// Most bytes of the file.
const BYTES_MAX: u64 = 4 << 20;

/// An engine that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// Address and port where it listens.
    instance: String,
    kind: String,
    models: Vec<String>,
    /// Since when it is down, if it is, in Unix milliseconds.
    down_since: Option<i64>,
}

impl Remembered {
    /// With its port. Absent where this version does not know the kind, or the address is none.
    pub(crate) fn found(&self) -> Option<(FoundEngine, u16)> {
        let address: SocketAddr = self.instance.parse().ok()?;
        let kind: &'static Kind = KINDS.iter().find(|kind| kind.name == self.kind)?;
        let endpoint = Endpoint::plain(address.to_string());
        let kind = Some(kind);
        let found = FoundEngine { endpoint, kind, configured: false, process: None, inode: None };
        Some((found, address.port()))
    }

    /// Gives the engine of the list back what was known of it, so that its series and its time go on.
    pub(crate) fn tell(&self, shared: &Shared) {
        if let Some(entry) = shared.entries().get_mut(&self.instance) {
            entry.report.models.clone_from(&self.models);
            if let Some(since) = self.down_since {
                entry.report.since = entry.report.since.min(UnixMs(since));
            }
        }
    }
}

/// What the file has, and where it is.
pub(crate) struct Memory {
    /// Absent where nothing is to be found, or nothing to be kept.
    path: Option<PathBuf>,
    kept: Vec<Remembered>,
    has_failed: bool,
}

impl Memory {
    pub(crate) async fn open(shared: &Shared) -> Self {
        let path = shared.settings.found.clone().filter(|_| shared.settings.discover);
        let kept = match path.clone() {
            Some(path) => {
                let reading = tokio::task::spawn_blocking(move || read(&path)).await;
                reading.map_err(io::Error::other).flatten()
            }
            None => Ok(Vec::new()),
        };
        let kept = kept.unwrap_or_else(|error| {
            tracing::warn!(
                "the engines that were found before cannot be read, and are found anew when they answer: {error}"
            );
            Vec::new()
        });
        Self { path, kept, has_failed: false }
    }

    /// What is remembered and not on the list.
    pub(crate) fn missing(&self, shared: &Shared) -> Vec<Remembered> {
        let entries = shared.entries();
        self.kept.iter().filter(|it| !entries.contains_key(&it.instance)).cloned().collect()
    }

    /// Keeps what is on the list, if it is other than before.
    pub(crate) async fn keep(&mut self, shared: &Shared) {
        let Some(path) = self.path.clone() else { return };
        let now = of_list(shared);
        if now == self.kept {
            return;
        }
        self.kept.clone_from(&now);
        let writing = tokio::task::spawn_blocking(move || write(&path, &now)).await;
        let written = writing.map_err(io::Error::other).flatten();
        if let Err(error) = &written
            && !self.has_failed
        {
            tracing::warn!("which engines were found cannot be kept over a restart: {error}");
        }
        self.has_failed = written.is_err();
    }
}

/// The engines on the list that were found rather than named.
fn of_list(shared: &Shared) -> Vec<Remembered> {
    let entries = shared.entries();
    let found = entries.values().map(|entry| &entry.report).filter(|report| !report.configured);
    let remembered = found.map(|report| Remembered {
        instance: report.instance.clone(),
        kind: report.kind.clone(),
        models: report.models.clone(),
        down_since: (report.state == EngineState::Down).then_some(report.since.0),
    });
    remembered.take(ENGINES_MAX).collect()
}

/// Reads the file; one that is not there remembers nothing.
fn read(path: &Path) -> io::Result<Vec<Remembered>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    let mut all: Vec<Remembered> = serde_json::from_slice(&bytes)?;
    all.truncate(ENGINES_MAX);
    Ok(all)
}

/// Writes everything beside the old file and then over it, so that one of the two is there at any time.
fn write(path: &Path, all: &[Remembered]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec(all)?)?;
    file.sync_data()?;
    fs::rename(&beside, path)
}
