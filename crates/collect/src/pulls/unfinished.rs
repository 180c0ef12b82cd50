//! Which files are models that are still arriving: what each tool calls them, which model they belong to,
//! and how much of them is there.
//!
//! Known by their names only. `wget` and `curl` write under the name of the whole file from the beginning,
//! so theirs are not seen. A file that is written out of order looks as large as its last byte. Those of
//! Ollama have their whole size at once and no blocks yet: the blocks count, which are too few where the
//! file system compresses. Parts that ModelScope joins are counted again while it copies them together.

use std::{
    ffi::OsStr,
    fs,
    io::Read as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Component, Path, PathBuf},
};

/// Bytes of a block, in the count of blocks.
const BLOCK_BYTES: u64 = 512;
/// Largest list of a model's files that is read; that of a model with a trillion parameters has 20 MB.
const INDEX_BYTES_MAX: u64 = 64 << 20;
/// What such a list is called.
const INDEX: &str = ".safetensors.index.json";
const WEIGHTS: &str = ".safetensors";
/// Most names in a folder of a model.
const NAMES_MAX: usize = 10_000;
/// Longest name of a model that is kept.
const NAME_BYTES_MAX: usize = 256;
/// Where ModelScope puts what is not whole.
const MODELSCOPE: &str = "._____temp";

/// What fetches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    HuggingFace,
    LlamaCpp,
    ModelScope,
    Ollama,
    Other,
}

impl Tool {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::HuggingFace => "huggingface",
            Self::LlamaCpp => "llamacpp",
            Self::ModelScope => "modelscope",
            Self::Ollama => "ollama",
            Self::Other => "other",
        }
    }
}

/// A file that is not whole yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfinished {
    pub(super) tool: Tool,
    pub(super) model: String,
    /// What arrives together: the folder of a model, or the file where a tool fetches one at a time.
    pub(super) group: PathBuf,
    /// The same as who writes there calls it.
    pub(super) shown: PathBuf,
    /// Where the file is once it is whole, if that can be told.
    pub(super) whole: Option<PathBuf>,
}

/// How much of a file is there, and how much there will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) bytes: u64,
    pub(super) total: Option<u64>,
}

/// Tells what file this is; `None` if it is not one that is arriving. `shown` is the same path as who
/// writes there calls it.
pub(super) fn recognise(path: &Path, shown: &Path) -> Option<Unfinished> {
    let name = path.file_name()?.to_str()?;
    if let Some(found) = modelscope(path, shown) {
        return Some(found);
    }
    if let Some(whole) = name.strip_suffix(".incomplete") {
        return hugging_face(path, shown, whole);
    }
    let (tool, model) = if let Some(whole) = name.strip_suffix("-partial") {
        // The name of the model is written only when all of it has arrived.
        (Tool::Ollama, whole.starts_with("sha256-").then(|| short(whole, 19))?)
    } else if let Some(whole) = name.strip_suffix(".downloadInProgress") {
        (Tool::LlamaCpp, whole)
    } else {
        let suffixes = [".download", ".part", ".partial"];
        (Tool::Other, suffixes.iter().find_map(|suffix| name.strip_suffix(suffix))?)
    };
    let whole = match tool {
        Tool::Ollama => name.strip_suffix("-partial").unwrap_or(model),
        _ => model,
    };
    one_file(tool, model, path.with_file_name(whole), shown.with_file_name(whole))
}

fn one_file(tool: Tool, model: &str, whole: PathBuf, shown: PathBuf) -> Option<Unfinished> {
    let model = short(model, NAME_BYTES_MAX).to_owned();
    (!model.is_empty()).then(|| Unfinished {
        tool,
        model,
        group: whole.clone(),
        shown,
        whole: Some(whole),
    })
}

/// `models--OWNER--NAME/blobs/HASH.incomplete`, since 2026 `HASH.RANDOM.incomplete`, or `.cache/huggingface/download/` below a folder that a
/// person named.
fn hugging_face(path: &Path, shown: &Path, whole: &str) -> Option<Unfinished> {
    let parent = path.parent()?;
    let repository = parent.parent()?;
    let is_cache = parent.file_name() == Some(OsStr::new("blobs"));
    let name = repository.file_name().and_then(OsStr::to_str).unwrap_or_default();
    if let (true, Some((_, name))) = (is_cache, name.split_once("--")) {
        let model = name.replace("--", "/");
        let whole = whole.split_once('.').map_or(whole, |(hash, _)| hash);
        return Some(Unfinished {
            tool: Tool::HuggingFace,
            model: short(&model, NAME_BYTES_MAX).to_owned(),
            group: repository.to_owned(),
            shown: shown.ancestors().nth(2)?.to_owned(),
            whole: Some(path.with_file_name(whole)),
        });
    }
    let is_kept = |folder: &&Path| folder.ends_with(".cache/huggingface/download");
    let Some(kept) = path.ancestors().find(is_kept) else {
        return one_file(
            Tool::Other,
            whole,
            path.with_file_name(whole),
            shown.with_file_name(whole),
        );
    };
    let group = kept.ancestors().nth(3)?;
    let shown = shown.ancestors().find(is_kept)?.ancestors().nth(3)?;
    Some(Unfinished {
        tool: Tool::HuggingFace,
        model: short(group.file_name()?.to_str()?, NAME_BYTES_MAX).to_owned(),
        group: group.to_owned(),
        shown: shown.to_owned(),
        whole: None,
    })
}

/// `._____temp/OWNER/NAME/FILE` below a cache, `._____temp/FILE` below a folder that a person named.
fn modelscope(path: &Path, shown: &Path) -> Option<Unfinished> {
    let is_kept = |folder: &&Path| folder.file_name() == Some(OsStr::new(MODELSCOPE));
    let kept = path.ancestors().skip(1).find(is_kept)?;
    let (folder, shown) = (kept.parent()?, shown.ancestors().find(is_kept)?.parent()?);
    let below = path.strip_prefix(kept).ok()?;
    let names: Vec<&str> = below
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    let (model, inner, rest) = match names.as_slice() {
        [owner, name, rest @ ..] if !rest.is_empty() => {
            // Dots in a name of a model are not in the name of its folder.
            (format!("{owner}/{name}"), format!("{owner}/{}", name.replace('.', "___")), rest)
        }
        rest => (folder.file_name()?.to_str()?.to_owned(), String::new(), rest),
    };
    let at = |folder: &Path| if inner.is_empty() { folder.into() } else { folder.join(&inner) };
    let group: PathBuf = at(folder);
    Some(Unfinished {
        tool: Tool::ModelScope,
        model: short(&model, NAME_BYTES_MAX).to_owned(),
        whole: Some(group.join(rest.iter().collect::<PathBuf>())),
        group,
        shown: at(shown),
    })
}

fn short(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

/// How much of an unfinished file is there; `None` once it is gone.
pub(super) fn size(tool: Tool, path: &Path) -> Option<Size> {
    let about = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(match tool {
        Tool::Ollama => {
            let on_disk = about.blocks().saturating_mul(BLOCK_BYTES);
            Size { bytes: on_disk.min(about.size()), total: Some(about.size()) }
        }
        _ => Size { bytes: about.size(), total: None },
    })
}

/// Whether a file is there as a whole, or what it was joined into: ModelScope may fetch a file in parts that
/// end in `_FROM_TO`.
pub(super) fn is_whole(path: &Path) -> bool {
    let joined = || {
        let name = path.file_name()?.to_str()?;
        let (name, to) = name.rsplit_once('_')?;
        let (name, from) = name.rsplit_once('_')?;
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(from) && is_number(to)).then(|| path.with_file_name(name))
    };
    path.is_file() || joined().is_some_and(|path| path.is_file())
}

/// The folder in which the whole files of a model appear under their names.
pub(super) fn whole_files(unfinished: &Unfinished) -> Option<PathBuf> {
    match unfinished.tool {
        Tool::HuggingFace if unfinished.whole.is_some() => {
            let snapshots = fs::read_dir(unfinished.group.join("snapshots")).ok()?;
            let newest = snapshots
                .flatten()
                .take(NAMES_MAX)
                .max_by_key(|entry| entry.metadata().and_then(|about| about.modified()).ok());
            newest.map(|entry| entry.path())
        }
        Tool::HuggingFace | Tool::ModelScope => Some(unfinished.group.clone()),
        _ => None,
    }
}

/// The size of all weights, as the list of the model's files says; `None` where there is no list. Headers
/// of files come on top, some kilobytes each.
pub(super) fn declared(folder: &Path) -> Option<Option<u64>> {
    let entries = fs::read_dir(folder).ok()?.flatten().take(NAMES_MAX);
    let index = entries.into_iter().map(|entry| entry.path()).find(|path| has_end(path, INDEX))?;
    let mut bytes = Vec::new();
    open(&index)?.take(INDEX_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(total_size(&bytes))
}

/// Opens what is an ordinary file. Folders of other users may hold pipes, which would be waited for, and links to
/// devices, which do something when they are opened.
fn open(path: &Path) -> Option<fs::File> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mut options = fs::File::options();
    let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    file.metadata().is_ok_and(|about| about.is_file()).then_some(file)
}

/// The number after `"total_size":`. The list itself may be long, so that it is not parsed.
fn total_size(text: &[u8]) -> Option<u64> {
    const KEY: &[u8] = b"\"total_size\"";
    let at = text.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    let rest = text.get(at..)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
}

/// Bytes of the weights that have arrived whole.
pub(super) fn weights(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(NAMES_MAX);
    let weights = entries.map(|entry| entry.path()).filter(|path| has_end(path, WEIGHTS));
    // Through the links of a cache.
    weights.filter_map(|path| fs::metadata(path).ok()).map(|about| about.size()).sum()
}

fn has_end(path: &Path, end: &str) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_files() {
        let check = |path: &str, expected: Option<(&str, &str, &str, Option<&str>)>| {
            let shown = Path::new("/s").join(path.trim_start_matches('/'));
            let found = recognise(Path::new(path), &shown);
            let expected = expected.map(|(tool, model, group, whole)| {
                (
                    tool,
                    model.to_owned(),
                    group.into(),
                    format!("/s{group}").into(),
                    whole.map(Into::into),
                )
            });
            let found =
                found.map(|one| (one.tool.as_str(), one.model, one.group, one.shown, one.whole));
            assert_eq!(found, expected, "{path}");
        };
        let hub = "/h/hub/models--Qwen--Qwen3-0.6B";
        check(
            &format!("{hub}/blobs/ab.incomplete"),
            Some(("huggingface", "Qwen/Qwen3-0.6B", hub, Some(&format!("{hub}/blobs/ab")))),
        );
        check(
            &format!("{hub}/blobs/ab.0123abcd.incomplete"),
            Some(("huggingface", "Qwen/Qwen3-0.6B", hub, Some(&format!("{hub}/blobs/ab")))),
        );
        check(
            "/m/.cache/huggingface/download/sub/x.ab.incomplete",
            Some(("huggingface", "m", "/m", None)),
        );
        check("/x/y.incomplete", Some(("other", "y", "/x/y", Some("/x/y"))));
        check(
            "/c/hub/models/._____temp/Qwen/Qwen2.5-7B/sub/a.bin",
            Some((
                "modelscope",
                "Qwen/Qwen2.5-7B",
                "/c/hub/models/Qwen/Qwen2___5-7B",
                Some("/c/hub/models/Qwen/Qwen2___5-7B/sub/a.bin"),
            )),
        );
        check("/d/l/._____temp/a.bin", Some(("modelscope", "l", "/d/l", Some("/d/l/a.bin"))));
        check(
            "/o/blobs/sha256-0123456789abcdef-partial",
            Some((
                "ollama",
                "sha256-0123456789ab",
                "/o/blobs/sha256-0123456789abcdef",
                Some("/o/blobs/sha256-0123456789abcdef"),
            )),
        );
        check(
            "/l/a.gguf.downloadInProgress",
            Some(("llamacpp", "a.gguf", "/l/a.gguf", Some("/l/a.gguf"))),
        );
        check("/l/a.gguf.part", Some(("other", "a.gguf", "/l/a.gguf", Some("/l/a.gguf"))));
        for none in [
            "/o/blobs/sha256-0123456789abcdef-partial-0",
            "/o/blobs/x-partial",
            "/h/hub/models--a--b/blobs/ab",
            "/l/.part",
            "/._____temp",
            "/",
        ] {
            check(none, None);
        }
    }

    #[test]
    fn sizes_that_a_list_declares() {
        for (text, expected) in [
            (r#"{"metadata": {"total_size": 1192135096}, "weight_map": {}}"#, Some(1_192_135_096)),
            (r#"{"weight_map":{"total_size":"x"}}"#, None),
            (r#"{"total_size" :7"#, Some(7)),
            (r#"{"total_size":-1}"#, None),
            (r#"{"total_size":99999999999999999999999}"#, None),
            ("", None),
        ] {
            assert_eq!(total_size(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_list_that_is_no_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors.index.json");
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert_eq!(declared(folder.path()), None);
        fs::remove_file(&path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
        assert_eq!(declared(folder.path()), None);
        fs::remove_file(&path).unwrap();
        fs::write(&path, r#"{"total_size":7}"#).unwrap();
        assert_eq!(declared(folder.path()), Some(Some(7)));
    }

    proptest! {
        #[test]
        fn anything_is_survived(path: String, bytes: Vec<u8>) {
            recognise(Path::new(&path), Path::new(&path));
            total_size(&bytes);
        }
    }
}
