//! Segments of a log: numbered files of frames, `len | raw_len | crc | body`, each body packed by zstd.
//!
//! What a body means is its log's business. A frame is written in one piece before what is in it counts as
//! stored; a torn frame at the end of a segment is ignored by the next start, never a reason not to start.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read as _},
    path::{Path, PathBuf},
};

use crate::{
    disk::{Disk, OutFile},
    varint::Reader,
};

/// Largest unpacked frame; a length beyond it is damage.
pub(crate) const FRAME_BYTES_MAX: usize = 64 << 20;
/// A segment is closed when it is larger than this.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// Files are numbered; a number from here on is damage.
pub(crate) const NUMBER_MAX: u64 = 1 << 62;
const FRAME_HEADER_BYTES: usize = 12;

/// The first bytes of a segment: whose log it belongs to, and the version of the layout.
pub(crate) type Magic = [u8; 8];

/// Makes frames of bodies.
pub(crate) struct Packer {
    compressor: zstd::bulk::Compressor<'static>,
    frame: Vec<u8>,
}

impl Packer {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { compressor: zstd::bulk::Compressor::new(1)?, frame: Vec::new() })
    }

    pub(crate) fn pack(&mut self, body: &[u8]) -> io::Result<&[u8]> {
        let packed = self.compressor.compress(body)?;
        self.frame.clear();
        self.frame.extend_from_slice(&(packed.len() as u32).to_le_bytes());
        self.frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
        self.frame.extend_from_slice(&crc32c::crc32c(&packed).to_le_bytes());
        self.frame.extend_from_slice(&packed);
        Ok(&self.frame)
    }
}

/// Takes the bodies out of frames that were made here and never left memory.
#[derive(Default)]
pub(crate) struct Unpacker {
    decompressor: Option<zstd::bulk::Decompressor<'static>>,
    body: Vec<u8>,
}

impl Unpacker {
    pub(crate) fn unpack(&mut self, frame: &[u8]) -> io::Result<&[u8]> {
        let (header, packed) = frame.split_at_checked(FRAME_HEADER_BYTES).unwrap_or_default();
        let raw_len = Reader::new(header.get(4..).unwrap_or_default()).u32().unwrap_or(0);
        self.body.clear();
        self.body.reserve((raw_len as usize).min(FRAME_BYTES_MAX));
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(zstd::bulk::Decompressor::new()?),
        };
        decompressor.decompress_to_buffer(packed, &mut self.body)?;
        Ok(&self.body)
    }
}

/// Begins a segment, whose name is safe from then on.
pub(crate) fn create(
    folder: &Path,
    disk: &Disk,
    number: u64,
    magic: &Magic,
) -> io::Result<OutFile> {
    let path = path_of(folder, number);
    let file = disk.create(&path)?;
    if let Err(error) = file.write_all(magic).and_then(|()| disk.sync_folder(folder)) {
        drop(disk.remove(&path));
        return Err(error);
    }
    Ok(file)
}

pub(crate) fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.wal"))
}

/// The segments of a folder, oldest first.
pub(crate) fn segments(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_segment = path.extension().is_some_and(|extension| extension == "wal");
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if is_segment && let Some(number) = stem.parse().ok().filter(|number| *number < NUMBER_MAX)
        {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads a segment, hands each body to `decode` until it finds one damaged, and returns how many bytes of
/// the file were good.
pub(crate) fn read(
    path: &Path,
    magic: &Magic,
    mut decode: impl FnMut(&[u8]) -> Option<()>,
) -> io::Result<u64> {
    let mut file = BufReader::new(File::open(path)?);
    let mut first = Magic::default();
    if file.read_exact(&mut first).is_err() || first != *magic {
        return Ok(0);
    }
    let mut good = magic.len() as u64;
    let mut header = [0; FRAME_HEADER_BYTES];
    let mut packed = Vec::new();
    let mut unpacker = zstd::bulk::Decompressor::new()?;
    while file.read_exact(&mut header).is_ok() {
        let mut reader = Reader::new(&header);
        let (Some(len), Some(raw_len), Some(crc)) = (reader.u32(), reader.u32(), reader.u32())
        else {
            break;
        };
        let (len, raw_len) = (len as usize, raw_len as usize);
        if len > FRAME_BYTES_MAX || raw_len > FRAME_BYTES_MAX {
            break;
        }
        packed.clear();
        // `take` grows the buffer with what is really there, so a wrong length allocates nothing.
        let read = (&mut file).take(len as u64).read_to_end(&mut packed)?;
        if read < len || crc32c::crc32c(&packed) != crc {
            break;
        }
        let Ok(body) = unpacker.decompress(&packed, raw_len) else { break };
        if decode(&body).is_none() {
            break;
        }
        good += (FRAME_HEADER_BYTES + len) as u64;
    }
    Ok(good)
}
