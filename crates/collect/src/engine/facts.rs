//! How an engine is set up, as its command line and its open devices tell.
//!
//! Reads `/proc/PID/cmdline`, which everybody may, and the links in `/proc/PID/fd`, which the same user
//! and root may: without that right nothing is said of devices. What stands in a configuration file or
//! in the environment is not seen here. Secrets are taken out before anything is kept.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
};

use crate::process::{self, Identity};

/// Most arguments that are looked at.
const ARGUMENTS_MAX: usize = 512;
/// Most bytes of the command line that become a fact.
const FLAGS_BYTES_MAX: usize = 1_024;
/// Most processes that are looked at for devices; of an engine with more nothing is said.
const PROCESSES_MAX: usize = 256;
/// Most open files likewise.
const FILES_MAX: usize = 16_384;
/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// Flags of engines, and the fact that each is.
const FLAGS: &[(&str, &str)] = &[
    ("--cache-max-entry-count", "gpu_memory_utilization"),
    ("--context-length", "context_tokens"),
    ("--ctx-size", "context_tokens"),
    ("--data-parallel-size", "data_parallel"),
    ("--device", "device"),
    ("--dp", "data_parallel"),
    ("--dp-size", "data_parallel"),
    ("--dtype", "dtype"),
    ("--gpu-layers", "gpu_layers"),
    ("--gpu-memory-utilization", "gpu_memory_utilization"),
    ("--kv-cache-dtype", "kv_cache_dtype"),
    ("--max-model-len", "context_tokens"),
    ("--max-num-seqs", "parallel"),
    ("--max-running-requests", "parallel"),
    ("--max-total-tokens", "context_tokens"),
    ("--mem-fraction-static", "gpu_memory_utilization"),
    ("--n-gpu-layers", "gpu_layers"),
    ("--parallel", "parallel"),
    ("--pipeline-parallel-size", "pipeline_parallel"),
    ("--pp", "pipeline_parallel"),
    ("--pp-size", "pipeline_parallel"),
    ("--quantization", "quantization"),
    ("--quantize", "quantization"),
    ("--session-len", "context_tokens"),
    ("--tensor-parallel-size", "tensor_parallel"),
    ("--tp", "tensor_parallel"),
    ("--tp-size", "tensor_parallel"),
    ("--cache-type-k", "kv_cache_dtype"),
    ("-ctk", "kv_cache_dtype"),
    ("-dp", "data_parallel"),
    ("-ngl", "gpu_layers"),
    ("-np", "parallel"),
    ("-pp", "pipeline_parallel"),
    ("-q", "quantization"),
    ("-tp", "tensor_parallel"),
];

/// Flags that make an engine one that generates nothing.
const EMBEDS: &[&str] = &[
    "--embedding",
    "--embeddings",
    "--is-embedding",
    "--rerank",
    "--reranking",
    "--task embed",
    "--task embedding",
    "--task score",
    "--task classify",
    "--task reward",
    "--runner pooling",
    "--task=embed",
    "--runner=pooling",
];

/// Device nodes of accelerators: the folder, and what names begin with.
const DEVICES: &[(&str, &str)] = &[
    ("dev", "nvidia"),
    ("dev", "kfd"),
    ("dev", "davinci"),
    ("dev", "mtgpu"),
    ("dev", "mxcd"),
    ("dev", "cambricon_dev"),
    ("dev/accel", "accel"),
];

/// What the command line of an engine says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Command {
    pub(crate) facts: BTreeMap<&'static str, String>,
    /// It was told to make vectors or scores, not text.
    pub(crate) embeds: bool,
    /// Where it was told to give its metrics.
    pub(crate) metrics_port: Option<u16>,
}

/// Reads the command line of a process; `None` once it is gone.
pub(crate) fn command(root: &Path, pid: u32) -> Option<Command> {
    let line = fs::read(root.join(format!("proc/{pid}/cmdline"))).ok()?;
    let arguments = line.split(|byte| *byte == 0).take(ARGUMENTS_MAX);
    let arguments: Vec<String> = arguments
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .filter(|argument| !argument.is_empty())
        .collect();
    Some(read(&arguments))
}

fn read(arguments: &[String]) -> Command {
    let mut facts = BTreeMap::new();
    for (at, argument) in arguments.iter().enumerate() {
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (argument.as_str(), arguments.get(at + 1).cloned()),
        };
        // vLLM takes both ways of writing.
        let flag = if flag.starts_with("--") { flag.replace('_', "-") } else { flag.to_owned() };
        let known = FLAGS.iter().find(|(name, _)| *name == flag);
        // A flag is no value, though a number below zero is.
        let is_value = |value: &String| {
            let after = value.strip_prefix('-');
            after.is_none_or(|after| after.starts_with(|c: char| c.is_ascii_digit()))
        };
        if let (Some((_, fact)), Some(value)) = (known, value.filter(is_value)) {
            let value: String = value.chars().take(64).collect();
            facts.insert(*fact, value);
        }
    }
    let shown = without_secrets(arguments);
    let flags = shown.get(1..).unwrap_or_default().join(" ");
    let embeds = {
        let padded = format!(" {flags} ");
        EMBEDS.iter().any(|flag| padded.contains(&format!(" {flag} ")))
    };
    if !flags.is_empty() {
        let end = flags.floor_char_boundary(FLAGS_BYTES_MAX);
        facts.insert("flags", flags.get(..end).unwrap_or_default().to_owned());
    }
    Command { facts, embeds, metrics_port: metrics_port(arguments) }
}

/// The port of the metrics, where a flag names it. Triton's is the same wherever it serves.
fn metrics_port(arguments: &[String]) -> Option<u16> {
    const FLAG: &str = "--metrics-port";
    const TRITON: u16 = 8002;
    let at = arguments.iter().position(|argument| argument.starts_with(FLAG));
    let given = at.and_then(|at| {
        let (argument, next) = (&arguments[at], arguments.get(at + 1));
        match argument.strip_prefix(FLAG)? {
            "" => next?.parse().ok(),
            value => value.strip_prefix('=')?.parse().ok(),
        }
    });
    let is_triton = || {
        let program = arguments.first().map(|program| process::program_of(program));
        program == Some("tritonserver")
    };
    given.or_else(|| is_triton().then_some(TRITON))
}

/// The arguments with what may be a secret taken out: rather too much than too little.
fn without_secrets(arguments: &[String]) -> Vec<String> {
    let mut shown = Vec::with_capacity(arguments.len());
    let mut is_secret_next = false;
    for argument in arguments {
        let is_flag = argument.starts_with('-');
        // A value that begins like a flag is one only where none was due.
        if is_secret_next && !(is_flag && argument.starts_with("--")) {
            shown.push(HIDDEN.to_owned());
            // A flag may take several keys.
            continue;
        }
        is_secret_next = false;
        match argument.split_once('=') {
            Some((name, _)) if is_secret_name(name) => shown.push(format!("{name}={HIDDEN}")),
            Some((name, value)) if is_secret_value(value) => {
                shown.push(format!("{name}={HIDDEN}"));
            }
            _ if is_secret_value(argument) => shown.push(HIDDEN.to_owned()),
            _ => {
                is_secret_next = is_flag && is_secret_name(argument);
                shown.push(argument.clone());
            }
        }
    }
    shown
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Counts of tokens and names of tokenizers are none.
    let is_count = ["tokens", "tokenizer", "token-", "keep", "key-file", "keyfile"]
        .iter()
        .any(|word| name.contains(word))
        && !name.contains("secret");
    let words = ["key", "token", "secret", "passw", "credential", "auth", "bearer", "header"];
    !is_count && words.iter().any(|word| name.contains(word))
}

fn is_secret_value(value: &str) -> bool {
    let known = ["sk-", "hf_", "ghp_", "glpat-", "Bearer ", "AKIA", "eyJ"];
    let has_login = value.split_once("://").is_some_and(|(_, rest)| {
        rest.split('/').next().is_some_and(|authority| authority.contains('@'))
    });
    let lower = value.to_ascii_lowercase();
    let is_object = value.starts_with('{')
        && ["key", "token\"", "secret", "passw"].iter().any(|word| lower.contains(word));
    has_login || is_object || known.iter().any(|prefix| value.starts_with(prefix))
}

/// Whether this machine has an accelerator with a driver.
pub(crate) fn has_accelerator(root: &Path) -> bool {
    DEVICES.iter().any(|(folder, prefix)| {
        let names = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
        names
            .take(FILES_MAX)
            .any(|entry| entry.file_name().to_str().is_some_and(|name| is_device(name, prefix)))
    })
}

/// `nvidia0` is a device, `nvidiactl` is not; AMD has one node for all.
fn is_device(name: &str, prefix: &str) -> bool {
    let rest = name.strip_prefix(prefix);
    rest.is_some_and(|rest| {
        let is_number = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        is_number || (rest.is_empty() && prefix == "kfd")
    })
}

/// Whether the process or a descendant has an accelerator open; `None` when that cannot be seen.
pub(crate) fn uses_accelerator(root: &Path, identity: Identity) -> Option<bool> {
    let mut seen = HashSet::new();
    let mut waiting = vec![identity.pid];
    let mut files = 0;
    while let Some(pid) = waiting.pop() {
        if !seen.insert(pid) {
            continue;
        }
        if seen.len() > PROCESSES_MAX {
            return None;
        }
        let links = match fs::read_dir(root.join(format!("proc/{pid}/fd"))) {
            Ok(links) => links,
            // A child that ended meanwhile has nothing open.
            Err(_) if pid != identity.pid && !root.join(format!("proc/{pid}")).exists() => continue,
            Err(_) => return None,
        };
        for link in links.flatten() {
            files += 1;
            if files > FILES_MAX {
                return None;
            }
            if fs::read_link(link.path()).is_ok_and(|target| is_accelerator(&target)) {
                return Some(true);
            }
        }
        waiting.extend(process::children(root, pid));
    }
    Some(false)
}

fn is_accelerator(target: &Path) -> bool {
    let Some(name) = target.file_name().and_then(|name| name.to_str()) else { return false };
    let is_in =
        |folder: &str| target.parent().is_some_and(|parent| parent == Path::new("/").join(folder));
    DEVICES.iter().any(|(folder, prefix)| is_in(folder) && is_device(name, prefix))
        || (is_in("dev/dri") && name.starts_with("renderD"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    fn read_line(line: &str) -> Command {
        read(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_of_several_engines() {
        for (line, fact, expected) in [
            ("vllm serve m --max-model-len 4096", "context_tokens", Some("4096")),
            ("vllm serve m --max_model_len=4096", "context_tokens", Some("4096")),
            ("vllm serve m -tp 2", "tensor_parallel", Some("2")),
            ("llama-server -ngl 0 -m x", "gpu_layers", Some("0")),
            ("sglang --mem-fraction-static 0.8", "gpu_memory_utilization", Some("0.8")),
            ("llama-server --parallel", "parallel", None),
        ] {
            let found = read_line(line);
            assert_eq!(found.facts.get(fact).map(String::as_str), expected, "{line}");
        }
    }

    #[test]
    fn secrets_are_taken_out() {
        for (line, expected) in [
            ("p --api-key hush1 --port 1", "--api-key *** --port 1"),
            ("p --api-key hush1 hush2 --port 1", "--api-key *** *** --port 1"),
            ("p --api-key=hush1 x", "--api-key=*** x"),
            ("p --api-key -hush1", "--api-key ***"),
            ("p --hf-token hush1", "--hf-token ***"),
            ("p --hf_token hf_hush1", "--hf_token ***"),
            ("p run hf_hush1", "run ***"),
            ("p --url http://me:hush1@h/x", "--url ***"),
            ("p --env A=sk-hush1", "--env A=***"),
            ("p --max-num-batched-tokens 8192", "--max-num-batched-tokens 8192"),
            ("p --tokenizer t --kv-cache-dtype fp8", "--tokenizer t --kv-cache-dtype fp8"),
            (r#"p --config {"api_key":"hush1"}"#, "--config ***"),
        ] {
            assert_eq!(read_line(line).facts["flags"], expected, "{line}");
        }
    }

    #[test]
    fn who_makes_no_text() {
        for (line, expected) in [
            ("llama-server --embeddings -m x", true),
            ("vllm serve m --task embed", true),
            ("vllm serve m --runner pooling", true),
            ("vllm serve m --task generate", false),
            ("llama-server -m my--embeddings.gguf", false),
        ] {
            assert_eq!(read_line(line).embeds, expected, "{line}");
        }
    }

    #[test]
    fn devices_that_are_open() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert!(!has_accelerator(root));
        fs::create_dir_all(root.join("dev")).unwrap();
        fs::write(root.join("dev/nvidiactl"), "").unwrap();
        assert!(!has_accelerator(root), "a driver without a device");
        fs::write(root.join("dev/nvidia0"), "").unwrap();
        assert!(has_accelerator(root));
        for folder in ["proc/7/fd", "proc/7/task/7", "proc/8/fd"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let stat = "7 (a) S 1 7 7 0 -1 4194560 1 2 3 4 100 20 0 0 20 0 3 0 555 1000 42 0";
        fs::write(root.join("proc/7/stat"), stat).unwrap();
        fs::write(root.join("proc/7/task/7/children"), "8 ").unwrap();
        let identity = process::identify(root, 7).unwrap();
        symlink("/dev/nvidiactl", root.join("proc/7/fd/3")).unwrap();
        assert_eq!(uses_accelerator(root, identity), Some(false));
        symlink("/dev/nvidia0", root.join("proc/8/fd/3")).unwrap();
        assert_eq!(uses_accelerator(root, identity), Some(true), "a child has it");
        fs::remove_dir_all(root.join("proc/7/fd")).unwrap();
        assert_eq!(uses_accelerator(root, identity), None, "not to be seen");
    }

    #[test]
    fn ports_of_metrics() {
        for (line, expected) in [
            ("tritonserver --metrics-port=9002 --http-port 9000", Some(9002)),
            ("/opt/tritonserver/bin/tritonserver --http-port=9000", Some(8002)),
            ("x --metrics-port 7", Some(7)),
            ("x --metrics-port", None),
            ("x --metrics-port=70000", None),
            ("x --metrics-ports 7", None),
            ("python3 tritonserver", None),
            ("", None),
        ] {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(metrics_port(&arguments), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn a_key_never_shows(before in "[a-z -]{0,20}", key in "[A-Za-z0-9]{12,20}", glued: bool) {
            let mut arguments = vec!["p".to_owned()];
            arguments.extend(before.split(' ').map(str::to_owned));
            if glued {
                arguments.push(format!("--api-key={key}"));
            } else {
                arguments.extend(["--api-key".to_owned(), key.clone()]);
            }
            let found = read(&arguments);
            prop_assert!(found.facts.values().all(|fact| !fact.contains(&key)), "{found:?}");
        }
    }
}
