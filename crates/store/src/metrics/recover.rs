//! Opening a store: the lock, the blocks on disk, the replay of the log.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock},
};

use model::Clock;
use rustix::fs::{FlockOperation, flock};

use super::{
    Counters, Inner, Options, SPAN_MS, Store, Writer,
    block::{Block, BlockError},
    head::{Head, Outcome},
    maintain::Chores,
    wal::Wal,
};

/// Why a store cannot be opened at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another process uses the data directory {}", path.display())]
    InUse {
        path: PathBuf,
        /// The other process, where it left its number.
        pid: Option<u32>,
    },
    #[error("cannot use the data directory {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// What opening found.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// Samples read back from the log.
    pub samples: u64,
    problems: Vec<String>,
}

impl Recovery {
    /// What was damaged and what was done about it, one sentence each; empty after a clean stop.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

pub(super) fn open(
    folder: &Path,
    options: Options,
    clock: Clock,
) -> Result<(Store, Recovery), OpenError> {
    let failed = |source| OpenError::Io { path: folder.into(), source };
    for path in [folder.to_owned(), folder.join("blocks"), folder.join("wal")] {
        // What engines are asked and answer may show in labels, so it is nobody else's to read.
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    }
    let lock = lock(folder)?;
    let mut recovery = Recovery::default();
    let blocks = open_blocks(&folder.join("blocks"), &mut recovery).map_err(failed)?;
    let mut covered: HashMap<i64, u64> = HashMap::new();
    for block in &blocks {
        let newest = covered.entry(block.span).or_default();
        *newest = block.wal_number.max(*newest);
    }
    let mut head = Head::default();
    let apply = |segment: u64, labels: &model::Labels, time: i64, value: f64| {
        if covered.get(&time.div_euclid(SPAN_MS)).is_some_and(|newest| segment <= *newest) {
            return;
        }
        let reference = head.find(labels).unwrap_or_else(|| head.create(labels));
        if head.judge(reference, time, value) == Outcome::Accepted {
            head.push(reference, time, value);
        }
    };
    let (wal, replayed) = Wal::open(&folder.join("wal"), SPAN_MS, apply).map_err(failed)?;
    recovery.samples = replayed.samples;
    recovery.problems.extend(replayed.torn.iter().map(|(path, bytes)| {
        format!(
            "{bytes} bytes at the end of {} were never completed and are ignored",
            path.display()
        )
    }));
    let writer = Writer {
        wal,
        seen: Vec::new(),
        batch_number: 0,
        accepted: Vec::new(),
        next_sequence: blocks.iter().map(|block| block.sequence + 1).max().unwrap_or(1),
        chores: Chores::new(&clock),
    };
    let inner = Inner {
        folder: folder.into(),
        options,
        clock,
        head: RwLock::new(head),
        blocks: RwLock::default(),
        writer: Mutex::new(writer),
        counters: Counters::default(),
        _lock: lock,
    };
    inner.set_block_list(blocks.into_iter().map(Arc::new).collect());
    let store = Store(Arc::new(inner));
    store
        .0
        .note_size(&store.0.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).wal);
    Ok((store, recovery))
}

/// Takes the folder for this process. The kernel releases it however the process ends.
fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let failed = |source| OpenError::Io { path: path.clone(), source };
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(failed)?;
    if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if error != rustix::io::Errno::WOULDBLOCK {
            return Err(failed(error.into()));
        }
        let mut text = String::new();
        // An unreadable number only makes the message poorer.
        drop(file.take(16).read_to_string(&mut text));
        return Err(OpenError::InUse { path: folder.into(), pid: text.trim().parse().ok() });
    }
    // A full disk must not keep the store from being read, and the number is for people only.
    drop(file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())));
    Ok(file)
}

fn open_blocks(folder: &Path, recovery: &mut Recovery) -> io::Result<Vec<Block>> {
    let mut blocks = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            // A block that was being written when the process died; the log still has its samples.
            Some("tmp") => fs::remove_file(&path)?,
            Some("block") => match Block::open(&path) {
                Ok(block) => blocks.push(block),
                Err(BlockError::Damaged(reason)) => {
                    let aside = path.with_extension("bad");
                    fs::rename(&path, &aside)?;
                    recovery.problems.push(format!(
                        "{} is not a good block ({reason}) and was renamed to {}",
                        path.display(),
                        aside.display()
                    ));
                }
                Err(BlockError::Io(error)) => recovery.problems.push(format!(
                    "{} cannot be read ({error}); its two hours are missing",
                    path.display()
                )),
            },
            _ => {}
        }
    }
    Ok(blocks)
}
