//! Unfinished files below some folders, kept up to date by `inotify`: nothing is read while nothing happens.
//!
//! The kernel tells of new names in a folder and not of writes, which would be far too many. What another
//! machine writes into a shared file system it does not tell; such a file is seen when its folder is read for
//! another reason. Neither links nor what is mounted below a folder are followed, so that nothing is mounted
//! by being looked at.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags},
    io::Errno,
};

use super::{
    folders::Folder,
    unfinished::{Unfinished, recognise},
};
use crate::{Failure, FailureKind};

/// Most folders that are watched: a user has some thousands of such watches for all programs together.
const FOLDERS_MAX: usize = 2_048;
/// How many levels below a folder are looked at.
const DEPTH_MAX: usize = 7;
/// Most names in one folder that are looked at.
const NAMES_MAX: usize = 65_536;
/// Most unfinished files that are followed.
const FILES_MAX: usize = 1_024;
/// Bytes of messages that are taken at once.
const MESSAGES_BYTES: usize = 16 << 10;
/// Most messages that are taken at one look; with more every folder is read anew.
const MESSAGES_MAX: usize = 10_000;
/// Folders in which nothing arrives.
const LEFT_OUT: &[&str] = &[".git", ".locks", ".no_exist", "manifests", "refs", "snapshots"];

#[derive(Clone, Debug)]
struct Watched {
    folder: Folder,
    /// Levels above it up to where it began.
    depth: usize,
    /// The file system where it began.
    device: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Tree {
    inotify: OwnedFd,
    /// By number of the watch.
    folders: HashMap<i32, Watched>,
    /// By path.
    pub(super) files: BTreeMap<PathBuf, Unfinished>,
    /// Something was left out because there is too much.
    pub(super) is_cut: bool,
}

impl Tree {
    pub(super) fn new() -> Result<Self, Failure> {
        let inotify =
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(|error| {
                let detail = format!(
                    "cannot ask the kernel to tell of new files: {error}; raise \
                     fs.inotify.max_user_instances"
                );
                Failure::new(FailureKind::Io, detail)
            })?;
        Ok(Self { inotify, folders: HashMap::new(), files: BTreeMap::new(), is_cut: false })
    }

    /// Watches a folder and all below it. One that is watched already costs one question.
    pub(super) fn add(&mut self, folder: Folder) {
        let device = fs::metadata(&folder.path).ok().map(|about| about.dev());
        self.watch(vec![Watched { folder, depth: 0, device }]);
    }

    fn watch(&mut self, mut waiting: Vec<Watched>) {
        while let Some(next) = waiting.pop() {
            let flags = WatchFlags::CREATE
                | WatchFlags::MOVED_TO
                | WatchFlags::ONLYDIR
                | WatchFlags::EXCL_UNLINK;
            let added = inotify::add_watch(&self.inotify, &next.folder.path, flags);
            let Ok(watch) = added else {
                self.is_cut |= added == Err(Errno::NOSPC);
                continue;
            };
            // Of a container that is gone the folder may be reached by another way now.
            let known = self.folders.get(&watch).map(|known| &known.folder.path);
            if known.is_some_and(|path| *path == next.folder.path || path.is_dir()) {
                continue;
            }
            if known.is_none() && self.folders.len() >= FOLDERS_MAX {
                self.is_cut = true;
                inotify::remove_watch(&self.inotify, watch).ok();
                continue;
            }
            // Only now, so that what comes meanwhile is told or seen.
            waiting.extend(self.read(&next));
            self.folders.insert(watch, next);
        }
    }

    /// Takes in what was told since the last look.
    pub(super) fn refresh(&mut self) {
        for watch in self.told() {
            let Some(watched) = self.folders.get(&watch).cloned() else { continue };
            let below = self.read(&watched);
            self.watch(below);
        }
    }

    /// Numbers of the watches whose folders have new names.
    fn told(&mut self) -> HashSet<i32> {
        let mut changed = HashSet::new();
        let mut gone = Vec::new();
        let mut has_lost = false;
        let mut room = [MaybeUninit::uninit(); MESSAGES_BYTES];
        let mut reader = inotify::Reader::new(&self.inotify, &mut room);
        for taken in 0.. {
            let Ok(event) = reader.next() else { break };
            has_lost |= event.events().contains(ReadFlags::QUEUE_OVERFLOW) || taken >= MESSAGES_MAX;
            if event.events().contains(ReadFlags::IGNORED) {
                gone.push(event.wd());
            } else {
                changed.insert(event.wd());
            }
            if taken >= MESSAGES_MAX {
                break;
            }
        }
        for watch in gone {
            self.folders.remove(&watch);
        }
        if has_lost { self.folders.keys().copied().collect() } else { changed }
    }

    /// Notes the unfinished files of a folder and returns its folders.
    fn read(&mut self, watched: &Watched) -> Vec<Watched> {
        let mut below = Vec::new();
        let entries = fs::read_dir(&watched.folder.path).into_iter().flatten().flatten();
        for entry in entries.take(NAMES_MAX) {
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name();
            let folder = Folder {
                path: watched.folder.path.join(&name),
                shown: watched.folder.shown.join(&name),
            };
            if kind.is_dir() {
                let is_left_out = LEFT_OUT.iter().any(|left_out| name == *left_out);
                let is_deep = watched.depth >= DEPTH_MAX;
                let device = || entry.metadata().ok().map(|about| about.dev());
                if !is_left_out && !is_deep && device() == watched.device {
                    below.push(Watched {
                        folder,
                        depth: watched.depth + 1,
                        device: watched.device,
                    });
                }
            } else if kind.is_file() {
                self.note(folder);
            }
        }
        below
    }

    fn note(&mut self, file: Folder) {
        let Some(unfinished) = recognise(&file.path, &file.shown) else { return };
        if self.files.len() < FILES_MAX {
            self.files.entry(file.path).or_insert(unfinished);
        } else {
            self.is_cut |= !self.files.contains_key(Path::new(&file.path));
        }
    }
}
