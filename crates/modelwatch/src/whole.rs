//! Small files of the data folder that are read and replaced as a whole, so that they are never half written.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};

/// Largest file that is written, and read; a larger one is none of ours.
const BYTES_MAX: u64 = 4 << 20;

/// What is in a JSON file; the default where there is none. One that cannot be understood is an error, so that it is
/// not replaced.
pub(crate) fn read<T: Default + DeserializeOwned>(path: &Path) -> io::Result<T> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        file => file?,
    };
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(|error| {
        let text = format!("{error}. Mend this file or move it away");
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

/// Replaces a file; afterwards it survives a crash. Folders are made as needed. Only we may read it.
pub(crate) fn write<T: Serialize>(path: &Path, contents: &T) -> io::Result<()> {
    let text = serde_json::to_string_pretty(contents)? + "\n";
    if text.len() as u64 >= BYTES_MAX {
        let reason = format!("it would have more than {BYTES_MAX} bytes; remove something first");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    let fresh = path.with_extension("new");
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    write_bytes(&fresh, text.as_bytes(), Readers::Us)?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}

/// Who may read a file that is written.
#[derive(Clone, Copy)]
pub(crate) enum Readers {
    Us,
    /// As far as the process' own mask lets them.
    Everybody,
}

/// Writes a new file in place of what is there, down to the disk. Whoever wants it whole gives it its name afterwards. A
/// link that somebody put there is not followed.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mode = match readers {
        Readers::Us => 0o600,
        Readers::Everybody => 0o666,
    };
    let mut file = File::options().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
