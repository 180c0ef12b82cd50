//! Where models arrive: the folders that tools use by default, those that the environment of running tools
//! names, and those that the configuration names.
//!
//! Only homes of users are looked into who run an engine or such a tool now, and the home of the user that
//! this program runs as: to look into every home may wake file systems that are mounted on demand. Of an
//! environment only the variables below are read. A folder that does not exist yet is found once it does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::{
    accelerator, process,
    process::{homes, own_root},
};

/// Most processes that are looked at; more are not seen.
const PROCESSES_MAX: usize = 65_536;
/// Most processes whose environment is read.
const TOOLS_MAX: usize = 256;
/// Most bytes of an environment.
const BYTES_MAX: u64 = 1 << 20;
/// Programs that fetch models and are no engines.
const TOOLS: &[&str] = &["hf", "huggingface-cli", "modelscope", "ollama"];
/// Where Ollama's own service keeps its models.
const OLLAMA_SERVICE: &str = "/usr/share/ollama/.ollama/models/blobs";

/// A folder below which models arrive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Folder {
    /// As this program reaches it.
    pub(super) path: PathBuf,
    /// As who writes there calls it.
    pub(super) shown: PathBuf,
}

/// The variables that name folders, of which the first that is set counts, and what comes after each.
#[rustfmt::skip]
const KINDS: &[&[(&str, &str)]] = &[
    &[
        ("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub"),
        ("XDG_CACHE_HOME", "huggingface/hub"), ("HOME", ".cache/huggingface/hub"),
    ],
    &[("MODELSCOPE_CACHE", ""), ("HOME", ".cache/modelscope")],
    &[("OLLAMA_MODELS", "blobs"), ("HOME", ".ollama/models/blobs")],
    &[("LLAMA_CACHE", ""), ("XDG_CACHE_HOME", "llama.cpp"), ("HOME", ".cache/llama.cpp")],
];

/// All folders that are there now.
pub(super) fn find(root: &Path, named: &[PathBuf]) -> BTreeSet<Folder> {
    let mut found = BTreeSet::new();
    let mut add = |base: &Path, shown: PathBuf| {
        let path = base.join(shown.strip_prefix("/").unwrap_or(&shown));
        if shown.is_absolute() && path.is_dir() {
            found.insert(Folder { path, shown });
        }
    };
    add(root, OLLAMA_SERVICE.into());
    for shown in named {
        add(root, shown.clone());
    }
    let homes = homes(root);
    if let Some(home) = homes.get(&rustix::process::getuid().as_raw()) {
        let variables = BTreeMap::from([("HOME", home.clone())]);
        places(&variables).into_iter().for_each(|shown| add(root, shown));
    }
    for pid in tools(root) {
        let folder = root.join(format!("proc/{pid}"));
        let Ok(owner) = fs::metadata(&folder).map(|about| about.uid()) else { continue };
        let mut variables = environment(&folder);
        if let (false, Some(home)) = (variables.contains_key("HOME"), homes.get(&owner)) {
            variables.insert("HOME", home.clone());
        }
        let base = own_root(root, &folder).unwrap_or_else(|| root.to_owned());
        let asked = download_folder(&folder);
        places(&variables).into_iter().chain(asked).for_each(|shown| add(&base, shown));
    }
    found
}

/// The folders that these variables lead to.
fn places(variables: &BTreeMap<&'static str, String>) -> Vec<PathBuf> {
    let place = |kind: &&[(&str, &str)]| {
        let named = kind.iter().find_map(|(name, rest)| Some((variables.get(name)?, rest)));
        named.map(
            |(folder, rest)| {
                if rest.is_empty() { folder.into() } else { Path::new(folder).join(rest) }
            },
        )
    };
    KINDS.iter().filter_map(place).collect()
}

/// Processes that may fetch models.
fn tools(root: &Path) -> Vec<u32> {
    let entries = fs::read_dir(root.join("proc")).into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_tool = |pid: &u32| {
        process::command(root, *pid).is_some_and(|line| {
            let mut words = line.split(' ').take(2).map(process::program_of);
            accelerator::engine_of(&line).is_some() || words.any(|word| TOOLS.contains(&word))
        })
    };
    pids.take(PROCESSES_MAX).filter(is_tool).take(TOOLS_MAX).collect()
}

/// The variables of a process that count; none where it belongs to somebody else.
fn environment(process: &Path) -> BTreeMap<&'static str, String> {
    let mut bytes = Vec::new();
    if let Ok(file) = fs::File::open(process.join("environ")) {
        // What came before an error counts.
        file.take(BYTES_MAX).read_to_end(&mut bytes).ok();
    }
    let names = || KINDS.iter().flat_map(|kind| kind.iter().map(|(name, _)| *name));
    let variable = |text: &[u8]| {
        let (name, value) = std::str::from_utf8(text).ok()?.split_once('=')?;
        let name = names().find(|known| *known == name).filter(|_| !value.is_empty())?;
        Some((name, value.to_owned()))
    };
    bytes.split(|byte| *byte == 0).filter_map(variable).collect()
}

/// Where vLLM was told to put what it fetches.
fn download_folder(process: &Path) -> Option<PathBuf> {
    const FLAG: &str = "--download-dir";
    let line = fs::read(process.join("cmdline")).ok()?;
    let mut arguments =
        line.split(|byte| *byte == 0).filter_map(|argument| std::str::from_utf8(argument).ok());
    let argument = arguments.find(|argument| argument.starts_with(FLAG))?;
    match argument.strip_prefix(FLAG)?.strip_prefix('=') {
        Some(value) => Some(value.into()),
        None => arguments.next().filter(|_| argument == FLAG).map(PathBuf::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_users_tools_and_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let put = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let user = rustix::process::getuid().as_raw();
        put("etc/passwd", &format!("bad\na:x:{user}:0::/users/a:/bin/sh\na2:x:{user}:0::/b:/x\n"));
        put("proc/5/cmdline", "/usr/bin/python3\0/usr/bin/vllm\0serve\0--download-dir\0/d\0");
        put("proc/5/environ", "HF_HOME=/hf\0MODELSCOPE_CACHE=\0SECRET=x\0LLAMA_CACHE=rel\0");
        put("proc/6/cmdline", "/usr/bin/ollama\0serve\0");
        put("proc/6/environ", "HOME=/srv\0OLLAMA_MODELS=/big/m\0");
        put("proc/7/cmdline", "/usr/bin/hfx\0");
        put("proc/7/environ", "HF_HOME=/nobody\0");
        for path in [
            "users/a/.cache/huggingface/hub",
            "users/a/.cache/modelscope",
            "b/.cache/modelscope",
            "hf/hub",
            "d",
            "srv/.cache/llama.cpp",
            "big/m/blobs",
            "nobody/hub",
            "named",
        ] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        let named = ["/named".into(), "/missing".into(), "relative".into()];
        let found: Vec<_> = find(root, &named).into_iter().map(|one| one.shown).collect();
        let expected = [
            "/big/m/blobs",
            "/d",
            "/hf/hub",
            "/named",
            "/srv/.cache/llama.cpp",
            "/users/a/.cache/huggingface/hub",
            "/users/a/.cache/modelscope",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
    }
}
