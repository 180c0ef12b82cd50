//! A consistent copy of the store, made of second names for the same files, so it takes no time and no
//! space. To restore it, stop the program and copy the folder back.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::{Inner, Metrics, lock};

impl Metrics {
    /// Makes a snapshot and returns its folder, below `snapshots` in the store's own.
    pub fn snapshot(&self) -> io::Result<PathBuf> {
        let result = self.0.snapshot();
        self.0.note_write_failure(&result.as_ref().map(drop).map_err(|e| e.kind().into()));
        result
    }
}

impl Inner {
    fn snapshot(&self) -> io::Result<PathBuf> {
        // Nobody may change the list of blocks, and nobody may write, until all files have their
        // second name.
        let _keeper = lock(&self.keeper);
        let mut writer = self.writer();
        writer.wal.rotate();
        writer.wal.sync()?;
        let name = format!("{}-{:06}", self.clock.now(), self.take_sequence());
        let target = self.folder.join("snapshots").join(name);
        for folder in ["blocks", "wal"] {
            DirBuilder::new().recursive(true).mode(0o700).create(target.join(folder))?;
        }
        let blocks = self.block_list();
        let files = blocks.iter().map(|block| block.path.clone()).chain(writer.wal.closed_files());
        for file in files {
            self.link_below(&file, &target)?;
        }
        for name in ["tombstones", "metadata"] {
            let file = self.folder.join(name);
            if file.exists() {
                self.link_below(&file, &target)?;
            }
        }
        for folder in ["blocks", "wal", "."] {
            self.disk.sync_folder(&target.join(folder))?;
        }
        Ok(target)
    }

    /// Gives a file of the store the same place below another folder.
    fn link_below(&self, file: &Path, target: &Path) -> io::Result<()> {
        let place = file.strip_prefix(&self.folder).map_err(io::Error::other)?;
        self.disk.link(file, &target.join(place))
    }
}
