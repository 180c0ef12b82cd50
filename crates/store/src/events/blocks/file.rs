//! Files of blocks: how they are written, found, put together, and checked.

use std::{
    fs, io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Frame, Head, read::Block, write::Builder};
use crate::{
    disk::{Disk, OutFile},
    events::{schema::Schema, tail::Batch},
    segment::Unpacker,
    varint::{Reader, put, unzigzag, zigzag},
};

/// The first bytes of a file, and its last.
const MAGIC: &[u8; 8] = b"mwlines1";
const EXTENSION: &str = "blocks";
/// Length and checksum of the directory, and [`MAGIC`] again.
const END_BYTES: usize = 16;
/// A larger directory is damage.
const DIRECTORY_BYTES_MAX: usize = 64 << 20;
/// So many files of a size are put together, which makes them of the next size.
pub(crate) const MERGE_FILES: usize = 8;
/// Files of each size have fewer rows than this; larger ones stay as they are.
const SIZES: [u64; 3] = [4_096, 32_768, 262_144];
/// A block with so many rows is taken over as it is.
const FULL_ROWS: u32 = 32_768;
/// How hard blocks are packed when they are written, and when they are put together.
const LEVEL: i32 = 1;

/// A file of blocks. It stays readable while it is deleted.
pub(crate) struct File {
    path: PathBuf,
    file: fs::File,
    /// Its place among the files of its folder.
    number: u64,
    /// The numbers of files whose records it holds too.
    replaces: Vec<u64>,
    pub(super) blocks: Vec<Head>,
}

/// The files of a part, oldest first.
#[derive(Clone, Default)]
pub(crate) struct Files(pub(crate) Vec<Arc<File>>);

impl Files {
    /// Opens what is there, but what a merge has replaced.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        for (path, number) in numbered(folder)? {
            files.push(Arc::new(File::open(path, number)?));
        }
        let replaced: Vec<u64> = files.iter().flat_map(|file| file.replaces.clone()).collect();
        files.retain(|file| !replaced.contains(&file.number));
        files.sort_unstable_by_key(|file| file.first_number());
        Ok(Self(files))
    }

    /// Removes files that a merge has replaced, and what was never completed.
    pub(crate) fn clean(folder: &Path, disk: &Disk) -> io::Result<()> {
        let kept = Self::open(folder)?;
        for (path, number) in numbered(folder)? {
            if kept.0.iter().all(|file| file.number != number) {
                disk.remove(&path)?;
            }
        }
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if is_unfinished(&path) {
                disk.remove(&path)?;
            }
        }
        Ok(())
    }

    pub(crate) fn committed(&self) -> u64 {
        let last = |file: &Arc<File>| file.blocks.iter().map(Head::last_number).max();
        self.0.iter().filter_map(last).max().unwrap_or(0)
    }

    pub(crate) fn records(&self) -> u64 {
        self.0.iter().map(|file| file.rows()).sum()
    }

    pub(crate) fn times(&self) -> Option<(i64, i64)> {
        let blocks = self.0.iter().flat_map(|file| &file.blocks).map(|block| block.times);
        blocks.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
    }

    /// All blocks, each with the place of its file and the row that it begins with there.
    pub(crate) fn blocks(
        &self,
        schema: &'static Schema,
    ) -> impl Iterator<Item = (u32, u32, Block<'_>)> {
        self.0.iter().enumerate().flat_map(move |(at, file)| {
            let mut first = 0;
            file.blocks.iter().map(move |head| {
                let place = (at as u32, first, Block::new(file, head, schema));
                first += head.rows;
                place
            })
        })
    }

    /// Writes records, of which those up to `committed` are there already.
    pub(crate) fn write(
        folder: &Path,
        schema: &'static Schema,
        batches: &[Arc<Batch>],
        committed: u64,
        disk: &Disk,
    ) -> io::Result<()> {
        let mut output = Output::new(folder, disk)?;
        let mut builder = Builder::new(schema);
        let mut unpacker = Unpacker::default();
        for batch in batches.iter().filter(|batch| batch.span.last() > committed) {
            let mut pushed = Ok(());
            batch.each(&mut unpacker, |number, encoded| {
                if number > committed {
                    pushed = push(&mut builder, &mut output, schema, number, encoded);
                }
                pushed.is_ok()
            })?;
            pushed?;
        }
        output.add(builder)?;
        output.finish(folder, &[], disk)
    }

    /// Puts the newest files together, if there are so many of about one size, and says whether it did. The old ones
    /// are still there.
    pub(crate) fn merge(
        &self,
        folder: &Path,
        schema: &'static Schema,
        files_min: usize,
        disk: &Disk,
    ) -> io::Result<bool> {
        let Some(run) = self.to_merge(files_min) else { return Ok(false) };
        let mut output = Output::new(folder, disk)?;
        let mut builder = Builder::new(schema);
        for file in run {
            for head in &file.blocks {
                if head.rows >= FULL_ROWS {
                    output.add(std::mem::replace(&mut builder, Builder::new(schema)))?;
                    output.copy(file, head)?;
                    continue;
                }
                let block = Block::new(file, head, schema);
                let mut encoded = Vec::new();
                for row in 0..head.rows {
                    encoded.clear();
                    block.encode(row, &mut encoded)?;
                    push(&mut builder, &mut output, schema, head.number(row), &encoded)?;
                }
            }
        }
        output.add(builder)?;
        let replaces: Vec<u64> = run.iter().map(|file| file.number).collect();
        output.finish(folder, &replaces, disk)?;
        Ok(true)
    }

    fn to_merge(&self, files_min: usize) -> Option<&[Arc<File>]> {
        SIZES.into_iter().find_map(|rows_max| {
            let run = self.0.iter().rev().take_while(|file| file.rows() < rows_max).count();
            (run >= files_min).then(|| self.0.get(self.0.len() - run..)).flatten()
        })
    }

    /// The files whose content is not what was written.
    pub(crate) fn damaged(&self) -> Vec<PathBuf> {
        let is_damaged = |file: &&Arc<File>| {
            let frames = file.blocks.iter().flat_map(|head| &head.frames);
            frames.into_iter().any(|frame| file.read(*frame).is_err())
        };
        self.0.iter().filter(is_damaged).map(|file| file.path.clone()).collect()
    }
}

fn push(
    builder: &mut Builder,
    output: &mut Output,
    schema: &'static Schema,
    number: u64,
    encoded: &[u8],
) -> io::Result<()> {
    if builder.is_full() {
        output.add(std::mem::replace(builder, Builder::new(schema)))?;
    }
    // Passing it over would make the log forget what was acknowledged.
    builder
        .push(number, encoded)
        .ok_or_else(|| io::Error::other(format!("record {number} is damaged")))
}

/// `0000000012.blocks`
fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.{EXTENSION}"))
}

fn number_of(path: &Path) -> Option<u64> {
    let is_file = path.extension().is_some_and(|extension| extension == EXTENSION);
    is_file.then(|| path.file_stem()?.to_str()?.parse().ok())?
}

/// Its name begins with a dot, so that a folder without another file counts as empty.
fn unfinished(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!(".{number:010}.tmp"))
}

fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with('.') && name.ends_with(".tmp")
}

fn numbered(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        found.extend(number_of(&path).map(|number| (path, number)));
    }
    Ok(found)
}

fn next_number(folder: &Path) -> io::Result<u64> {
    Ok(numbered(folder)?.into_iter().map(|(_, number)| number).max().unwrap_or(0) + 1)
}

impl File {
    fn open(path: PathBuf, number: u64) -> io::Result<Self> {
        let file = fs::File::open(&path)?;
        let bytes = file.metadata()?.len();
        let damaged = || damaged(&path);
        let mut end = [0; END_BYTES];
        let at = bytes.checked_sub(END_BYTES as u64).ok_or_else(damaged)?;
        file.read_exact_at(&mut end, at)?;
        let mut reader = Reader::new(&end);
        let (length, crc) = (reader.u32(), reader.u32());
        if reader.rest() != MAGIC {
            return Err(damaged());
        }
        let length = length.map_or(0, |length| length as usize);
        let begin = at.checked_sub(length as u64).filter(|_| length <= DIRECTORY_BYTES_MAX);
        let mut directory = vec![0; length];
        file.read_exact_at(&mut directory, begin.ok_or_else(damaged)?)?;
        if crc != Some(crc32c::crc32c(&directory)) {
            return Err(damaged());
        }
        let (replaces, blocks) = read_directory(&directory, bytes).ok_or_else(damaged)?;
        Ok(Self { path, file, number, replaces, blocks })
    }

    fn rows(&self) -> u64 {
        self.blocks.iter().map(|head| u64::from(head.rows)).sum()
    }

    fn first_number(&self) -> u64 {
        self.blocks.iter().filter_map(|head| head.runs.first()).map(|run| run.1).min().unwrap_or(0)
    }

    /// The bytes of a frame, as they are.
    pub(super) fn read(&self, frame: Frame) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; frame.bytes as usize];
        self.file.read_exact_at(&mut bytes, frame.at)?;
        if crc32c::crc32c(&bytes) == frame.crc { Ok(bytes) } else { Err(damaged(&self.path)) }
    }

    /// A frame unpacked.
    pub(super) fn unpack(&self, frame: Frame) -> io::Result<Vec<u8>> {
        zstd::bulk::decompress(&self.read(frame)?, frame.raw as usize)
    }
}

fn damaged(path: &Path) -> io::Error {
    io::Error::other(format!("{} is damaged", path.display()))
}

/// A file that is being put together, under another name.
struct Output {
    number: u64,
    temporary: PathBuf,
    file: OutFile,
    /// How much is written.
    at: u64,
    buffer: Vec<u8>,
    blocks: Vec<Head>,
}

impl Output {
    fn new(folder: &Path, disk: &Disk) -> io::Result<Self> {
        let number = next_number(folder)?;
        let temporary = unfinished(folder, number);
        disk.remove(&temporary)?;
        let file = disk.create(&temporary)?;
        file.write_all(MAGIC)?;
        let (at, buffer, blocks) = (MAGIC.len() as u64, Vec::new(), Vec::new());
        Ok(Self { number, temporary, file, at, buffer, blocks })
    }

    fn add(&mut self, builder: Builder) -> io::Result<()> {
        if !builder.is_empty() {
            self.blocks.push(builder.finish(LEVEL, self.at, &mut self.buffer)?);
            self.write_out()?;
        }
        Ok(())
    }

    /// A block as it is.
    fn copy(&mut self, file: &File, head: &Head) -> io::Result<()> {
        let mut head = head.clone();
        for frame in &mut head.frames {
            let bytes = file.read(*frame)?;
            frame.at = self.at + self.buffer.len() as u64;
            self.buffer.extend_from_slice(&bytes);
        }
        self.blocks.push(head);
        self.write_out()
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self, folder: &Path, replaces: &[u64], disk: &Disk) -> io::Result<()> {
        if self.blocks.is_empty() {
            return disk.remove(&self.temporary);
        }
        let directory = directory(replaces, &self.blocks);
        self.buffer.extend_from_slice(&directory);
        self.buffer.extend_from_slice(&(directory.len() as u32).to_le_bytes());
        self.buffer.extend_from_slice(&crc32c::crc32c(&directory).to_le_bytes());
        self.buffer.extend_from_slice(MAGIC);
        self.write_out()?;
        self.file.sync()?;
        disk.rename(&self.temporary, &path_of(folder, self.number))?;
        disk.sync_folder(folder)
    }
}

fn directory(replaces: &[u64], blocks: &[Head]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, replaces.len() as u64);
    replaces.iter().for_each(|number| put(&mut out, *number));
    put(&mut out, blocks.len() as u64);
    for head in blocks {
        put(&mut out, u64::from(head.rows));
        put(&mut out, zigzag(head.times.0));
        put(&mut out, zigzag(head.times.1));
        put(&mut out, head.runs.len() as u64);
        for (row, number) in &head.runs {
            put(&mut out, u64::from(*row));
            put(&mut out, *number);
        }
        put(&mut out, head.frames.len() as u64);
        for frame in &head.frames {
            put(&mut out, frame.at);
            put(&mut out, u64::from(frame.bytes));
            put(&mut out, u64::from(frame.raw));
            out.extend_from_slice(&frame.crc.to_le_bytes());
        }
    }
    out
}

/// Numbers that are too large for what they say are damage.
fn read_directory(bytes: &[u8], file_bytes: u64) -> Option<(Vec<u64>, Vec<Head>)> {
    let mut reader = Reader::new(bytes);
    let many = |reader: &mut Reader<'_>| reader.size().filter(|count| *count <= bytes.len());
    let small = |reader: &mut Reader<'_>| u32::try_from(reader.varint()?).ok();
    let mut replaces = Vec::new();
    for _ in 0..many(&mut reader)? {
        replaces.push(reader.varint()?);
    }
    let mut blocks = Vec::new();
    for _ in 0..many(&mut reader)? {
        let rows = small(&mut reader).filter(|rows| *rows as usize <= super::ROWS_MAX)?;
        let times = (unzigzag(reader.varint()?), unzigzag(reader.varint()?));
        let mut runs = Vec::new();
        for _ in 0..many(&mut reader)? {
            runs.push((small(&mut reader)?, reader.varint()?));
        }
        let mut frames = Vec::new();
        for _ in 0..many(&mut reader)? {
            let frame = Frame {
                at: reader.varint()?,
                bytes: small(&mut reader)?,
                raw: small(&mut reader)?,
                crc: reader.u32()?,
            };
            let end = frame.at.checked_add(u64::from(frame.bytes))?;
            if end > file_bytes || frame.raw as usize > crate::segment::FRAME_BYTES_MAX {
                return None;
            }
            frames.push(frame);
        }
        blocks.push(Head { rows, times, runs, frames });
    }
    Some((replaces, blocks))
}
