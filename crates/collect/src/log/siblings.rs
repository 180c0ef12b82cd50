//! Files of one folder that belong together: a file, what it was renamed to, and copies of it.
//!
//! A copy is one that begins like the file, has the same bytes before the place that was read, and a name that
//! grew from the file's, as in `app.log`, `app.log.1` and `app-20261128.log`. Other folders are not searched.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::{DirEntryExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    files::Now,
    place::{self, Head, Inode},
    positions::Position,
};

/// Most names of one folder that are looked at.
const NAMES_MAX: usize = 16_384;
/// A copy is still being made if it changed so recently.
const GROWING: Duration = Duration::from_secs(10);
/// How files of gzip and zstd begin.
pub(super) const GZIP: &[u8] = &[0x1f, 0x8b];
pub(super) const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The same of all programs that make files smaller, xz and bzip2 included.
const MAGICS: &[&[u8]] = &[GZIP, ZSTD, &[0xfd, b'7', b'z', b'X', b'Z', 0], b"BZh"];

/// What an unknown file is to those that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    None,
    /// Of a file that is read itself.
    Copy,
    /// It may become a copy, or what it is a copy of is about to be found changed.
    Growing,
    /// The known file on a disk that got another number.
    Same(Inode),
}

pub(super) fn likeness(
    path: &Path,
    file: &File,
    known: &BTreeMap<Inode, Position>,
    is_followed: impl Fn(&Inode) -> bool,
    is_first_scan: bool,
    now: Now,
) -> io::Result<Likeness> {
    let Some(head) = Head::read(file)? else { return Ok(Likeness::None) };
    let about = file.metadata()?;
    let is_fresh = now.wall.0.saturating_sub(about.mtime().saturating_mul(1_000))
        < i64::try_from(GROWING.as_millis()).unwrap_or(i64::MAX);
    for (inode, position) in known {
        let other = Path::new(&position.path);
        if position.head != Some(head) || position.read == 0 || !is_derived(path, other) {
            continue;
        }
        let original = File::open(other).and_then(|file| Ok((file.metadata()?, file)));
        let original = original.ok().filter(|(about, _)| Inode::of(about) == *inode);
        let is_long = about.len() >= position.read;
        let is_alike = is_long && has_tail(file, position)?;
        match original {
            // The original was emptied after it was copied, and will be looked at.
            Some((_, original))
                if is_alike
                    && (is_first_scan || is_followed(inode))
                    && !has_tail(&original, position)? =>
            {
                return Ok(Likeness::Growing);
            }
            // What is longer only begins with the same words.
            Some((original, _)) if is_alike && about.len() <= original.len() => {
                return Ok(Likeness::Copy);
            }
            Some(_) if !is_long && is_fresh => return Ok(Likeness::Growing),
            None if is_alike && about.ino() == inode.number && !is_followed(inode) => {
                return Ok(Likeness::Same(*inode));
            }
            _ => {}
        }
    }
    Ok(Likeness::None)
}

/// Whether the bytes before the place that was read are there.
pub(super) fn has_tail(file: &File, position: &Position) -> io::Result<bool> {
    Ok(place::tail(file, position.read)?.is_some_and(|tail| tail.ends_with(&position.tail)))
}

/// The newest copy of a file that is not what it was, which may have more than what is stored and is not
/// to be read as a file of its own.
pub(super) fn copy(position: &Position, inode: Inode) -> Option<(PathBuf, File)> {
    position.head?;
    let found = alike(position).into_iter().filter_map(|(path, file)| {
        let about = file.metadata().ok()?;
        let is_other = Inode::of(&about) != inode && about.len() >= position.offset;
        let is_alike = is_other
            && Head::read(&file).ok()? == position.head
            && has_tail(&file, position).ok()?;
        is_alike.then(|| ((about.mtime(), about.mtime_nsec()), path, file))
    });
    found.max_by_key(|(changed, ..)| *changed).map(|(_, path, file)| (path, file))
}

/// Files whose names grew from that of a known one, or the other way round.
pub(super) fn alike(position: &Position) -> Vec<(PathBuf, File)> {
    let known = Path::new(&position.path);
    let entries = known.parent().and_then(|folder| fs::read_dir(folder).ok());
    let entries = entries.into_iter().flatten().flatten().take(NAMES_MAX);
    let found = entries.filter_map(|entry| {
        let path = entry.path();
        let is_meant =
            is_derived(&path, known) && entry.file_type().is_ok_and(|kind| kind.is_file());
        let file = is_meant.then(|| File::open(&path))?.ok()?;
        Some((path, file))
    });
    found.collect()
}

/// What a file is called now that had another name in the same folder.
pub(super) fn renamed(position: &Position, inode: Inode) -> Option<PathBuf> {
    let known = Path::new(&position.path);
    let mut entries = fs::read_dir(known.parent()?).ok()?.flatten().take(NAMES_MAX);
    let is_it = |entry: &fs::DirEntry| {
        entry.ino() == inode.number
            && is_derived(&entry.path(), known)
            && entry.metadata().is_ok_and(|about| Inode::of(&about) == inode && about.is_file())
    };
    entries.find(is_it).map(|entry| entry.path())
}

/// Whether a file is in the form of a program that makes files smaller.
pub(super) fn is_compressed(file: &File) -> io::Result<bool> {
    MAGICS.iter().try_fold(false, |is_one, magic| Ok(is_one || begins_with(file, magic)?))
}

pub(super) fn begins_with(file: &File, magic: &[u8]) -> io::Result<bool> {
    let mut bytes = vec![0; magic.len()];
    Ok(place::read_all(file, &mut bytes, 0)? == magic.len() && bytes == magic)
}

/// Whether one of two names in a folder may have grown from the other.
pub(super) fn is_derived(one: &Path, other: &Path) -> bool {
    if one.parent() != other.parent() {
        return false;
    }
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (Some(one), Some(other)) = (name(one), name(other)) else { return false };
    let grew = |long: &str, short: &str| {
        let stem = short.split('.').next().unwrap_or_default();
        let rest = long.strip_prefix(stem).filter(|_| !stem.is_empty());
        rest.is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_alphanumeric()))
    };
    one == other || grew(&one, &other) || grew(&other, &one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_grew_from_others() {
        let check = |one: &str, other: &str, expected: bool| {
            assert_eq!(is_derived(Path::new(one), Path::new(other)), expected, "{one} {other}");
        };
        check("/a/app.log", "/a/app.log.1", true);
        check("/a/app.log.2.gz", "/a/app.log", true);
        check("/a/app-20261128.log", "/a/app.log", true);
        check("/a/app", "/a/app.1", true);
        check("/a/app2.log", "/a/app.log", false);
        check("/a/app.log", "/b/app.log.1", false);
        check("/a/.log", "/a/.log.1", false);
        check("/a/vllm-1.log", "/a/vllm-2.log", false);
    }
}
