//! Where the fonts of PDFs and pictures come from: the one that this program carries, then those of the system.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use report::Fonts;

/// Folders of fonts.
const FOLDERS: [&str; 4] = [
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/usr/share/texmf/fonts/opentype",
    "/System/Library/Fonts",
];
/// Files that are taken, best first, each with the index of the font in it.
const FILES: [(&str, u32); 20] = [
    ("NotoSansSC-Regular.ttf", 0),
    ("NotoSansSC-Regular.otf", 0),
    ("NotoSansCJKsc-Regular.otf", 0),
    ("NotoSansCJK-Regular.ttc", 2),
    ("SourceHanSansSC-Regular.otf", 0),
    ("SourceHanSansCN-Regular.otf", 0),
    ("SourceHanSans.ttc", 0),
    ("wqy-microhei.ttc", 0),
    ("wqy-zenhei.ttc", 0),
    ("DroidSansFallbackFull.ttf", 0),
    ("DroidSansFallback.ttf", 0),
    ("msyh.ttc", 0),
    ("simhei.ttf", 0),
    ("PingFang.ttc", 0),
    ("NotoSans-Regular.ttf", 0),
    ("DejaVuSans.ttf", 0),
    ("LiberationSans-Regular.ttf", 0),
    ("FreeSans.ttf", 0),
    ("Arial.ttf", 0),
    ("arial.ttf", 0),
];
/// Fonts that are used together.
const FONTS_MAX: usize = 3;
/// Largest file of a font that is read.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Entries of folders that are looked at.
const ENTRIES_MAX: usize = 20_000;
/// How deep folders are looked into.
const DEPTH_MAX: usize = 6;

/// The fonts of this process, found once.
pub(crate) fn fonts() -> Option<&'static Fonts> {
    static FOUND: OnceLock<Option<Fonts>> = OnceLock::new();
    FOUND.get_or_init(|| Fonts::new(carried().into_iter().chain(of_system()))).as_ref()
}

/// The font that was built in; none where the page was not built.
fn carried() -> Option<(Arc<Vec<u8>>, u32)> {
    let bytes = crate::api::page_file("fonts/report.ttf")?;
    Some((Arc::new(bytes), 0))
}

fn of_system() -> Vec<(Arc<Vec<u8>>, u32)> {
    let mut found = BTreeMap::new();
    let mut left = ENTRIES_MAX;
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let own = home.iter().flat_map(|home| [home.join(".fonts"), home.join(".local/share/fonts")]);
    for folder in FOLDERS.iter().map(PathBuf::from).chain(own) {
        look(&folder, 0, &mut left, &mut found);
    }
    let read = |(path, index): (PathBuf, u32)| Some((Arc::new(fs::read(path).ok()?), index));
    found.into_values().take(FONTS_MAX).filter_map(read).collect()
}

/// Puts what is known by its name at its rank.
fn look(
    folder: &Path,
    depth: usize,
    left: &mut usize,
    found: &mut BTreeMap<usize, (PathBuf, u32)>,
) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let path = entry.path();
        if path.is_dir() {
            // Links may lead back.
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if depth < DEPTH_MAX && !is_link {
                look(&path, depth + 1, left, found);
            }
            continue;
        }
        let name = entry.file_name();
        let rank = FILES.iter().position(|(known, _)| name == *known);
        let is_fit = || entry.metadata().is_ok_and(|it| it.len() <= FILE_BYTES_MAX);
        if let Some((rank, (_, index))) = rank.and_then(|rank| Some((rank, FILES.get(rank)?)))
            && is_fit()
        {
            found.entry(rank).or_insert((path, *index));
        }
    }
}
