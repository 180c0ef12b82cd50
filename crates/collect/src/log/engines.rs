//! Where the engines that were found write: the file behind their output, the log of their container, the journal
//! of their unit, a file that they were told to write, and folders that their kind is known for.
//!
//! It looks at `/proc` and at the files that runtimes keep, and asks no runtime. Of an environment only the
//! variables named here are read. An engine whose output goes to a terminal or a pipe of somebody else has no log
//! that can be followed, which is told.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use model::{UnixMs, log::Origin};

use super::{
    From,
    files::{Candidate, Only},
    glob,
    place::Inode,
    unwrap::Form,
};
use crate::{
    EngineReport,
    collector::Shared,
    container, process,
    process::{Identity, homes, own_root, variable},
    schedule::Hint,
};

/// Most files of one engine.
const FILES_MAX: usize = 64;
/// Folders of kinds of engines: the variable that names the folder instead, the folder within the home, and what
/// is in it. MindIE's and LM Studio's are as their documents say.
const FOLDERS: &[(&str, &str, &str, &str)] = &[
    ("lmstudio", "", ".lmstudio/server-logs", "**/*.log"),
    ("mindie", "MINDIE_LOG_PATH", "mindie/log", "**/*.log"),
    ("ollama", "", ".ollama/logs", "server.log"),
    ("xinference", "XINFERENCE_HOME", ".xinference", "logs/**/*.log"),
];
/// What programs call the file that they are to write.
const FLAGS: &[&str] = &["--log-file", "--log_file", "--logfile"];

/// The journal of a unit or container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct JournalOf {
    /// Entries that have one of these count, as `_SYSTEMD_UNIT=ollama.service`.
    pub(super) fields: Vec<String>,
    pub(super) origin: Arc<Origin>,
}

/// Everything that engines write.
#[derive(Debug, Default)]
pub(super) struct EngineLogs {
    pub(super) files: Vec<Candidate>,
    pub(super) journals: Vec<JournalOf>,
    /// How many engines were looked at.
    pub(super) engines: usize,
    /// Of the first engine whose log cannot be followed.
    pub(super) hint: Option<Hint>,
}

/// Looks for the logs of all engines. An engine that started after `since` is new to us, so that all it wrote is
/// news.
pub(super) fn find(shared: &Shared, host: &str, since: UnixMs) -> EngineLogs {
    let known: Vec<(EngineReport, Identity)> = shared
        .entries()
        .values()
        .filter(|entry| !entry.report.kind.is_empty())
        .filter_map(|entry| Some((entry.report.clone(), entry.process?)))
        .collect();
    let mut logs = EngineLogs { engines: known.len(), ..EngineLogs::default() };
    for (report, identity) in known {
        let root = &shared.settings.root;
        let started = process::start_time(root, identity);
        let is_new = started.is_some_and(|started| started >= since.seconds());
        let engine = Engine { root, host, report: &report, pid: identity.pid, is_new };
        engine.find(&mut logs);
    }
    logs
}

struct Engine<'a> {
    root: &'a Path,
    host: &'a str,
    report: &'a EngineReport,
    pid: u32,
    is_new: bool,
}

impl Engine<'_> {
    fn find(&self, logs: &mut EngineLogs) {
        let (files, journals) = (logs.files.len(), logs.journals.len());
        let outputs = self.outputs(&mut logs.files);
        self.told(&mut logs.files);
        self.folders(&mut logs.files);
        if let Some(group) = container::group(self.root, self.pid) {
            self.container(&group.identity, logs);
        }
        if logs.files.len() == files && logs.journals.len() == journals && logs.hint.is_none() {
            let output = outputs.into_iter().collect::<Vec<_>>().join(", ");
            let params =
                vec![("instance".into(), self.report.instance.clone()), ("output".into(), output)];
            logs.hint = Some(("hint.log_engine_none", params));
        }
    }

    fn origin(&self, source: &str, origin: impl Into<String>) -> Arc<Origin> {
        // Of several models it is not known which one a line is about.
        let model = match self.report.models.as_slice() {
            [model] => model.clone(),
            _ => String::new(),
        };
        Arc::new(Origin {
            source: source.into(),
            origin: origin.into(),
            host: self.host.into(),
            service: self.report.kind.clone(),
            engine: self.report.kind.clone(),
            instance: self.report.instance.clone(),
            model,
        })
    }

    /// A file whose lines may not say when they were written.
    fn file(
        &self,
        path: PathBuf,
        shown: String,
        pattern: Option<Arc<str>>,
        only: Only,
    ) -> Candidate {
        Candidate {
            path,
            origin: self.origin("file", shown),
            from: if self.is_new { From::Recent } else { From::End },
            pattern,
            form: Form::Plain,
            is_history_read: false,
            only,
        }
    }

    /// Anybody may start something that looks like an engine and name a file that only we may read: what is told
    /// by its command line or environment has to be its user's.
    fn own(&self) -> Option<Only> {
        let about = fs::metadata(self.root.join(format!("proc/{}", self.pid))).ok()?;
        Some(if about.uid() == 0 { Only::Any } else { Only::OwnedBy(about.uid()) })
    }

    /// The files behind standard output and error; returns what is behind them that is no file.
    fn outputs(&self, files: &mut Vec<Candidate>) -> BTreeSet<String> {
        let mut others = BTreeSet::new();
        for number in [1, 2] {
            let link = self.root.join(format!("proc/{}/fd/{number}", self.pid));
            let Ok(target) = fs::read_link(&link) else { continue };
            let shown = target.display().to_string();
            let Some(about) = fs::metadata(&link).ok().filter(fs::Metadata::is_file) else {
                others.insert(shown.split(':').next().unwrap_or_default().to_owned());
                continue;
            };
            // Its own name lasts longer than the process, if it leads to the same file here.
            let named = self.root.join(target.strip_prefix("/").unwrap_or(&target));
            let is_named =
                fs::metadata(&named).is_ok_and(|other| Inode::of(&other) == Inode::of(&about));
            let shown = shown.trim_end_matches(" (deleted)").to_owned();
            let only = Only::Is(Inode::of(&about));
            files.push(self.file(if is_named { named } else { link }, shown, None, only));
        }
        others
    }

    /// The file that the command line names.
    fn told(&self, files: &mut Vec<Candidate>) {
        let (base, Some(only)) = (self.base(), self.own()) else { return };
        let Ok(line) = fs::read(self.root.join(format!("proc/{}/cmdline", self.pid))) else {
            return;
        };
        let arguments: Vec<&str> = line
            .split(|byte| *byte == 0)
            .filter_map(|argument| std::str::from_utf8(argument).ok())
            .collect();
        for (at, argument) in arguments.iter().enumerate() {
            let value = match argument.split_once('=') {
                Some((flag, value)) if FLAGS.contains(&flag) => Some(value),
                None if FLAGS.contains(argument) => arguments.get(at + 1).copied(),
                _ => None,
            };
            let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
            let path = match value.strip_prefix('/') {
                Some(within) => base.join(within),
                None => self.root.join(format!("proc/{}/cwd", self.pid)).join(value),
            };
            files.push(self.file(path, value.to_owned(), None, only));
        }
    }

    fn folders(&self, files: &mut Vec<Candidate>) {
        let (base, Some(only)) = (self.base(), self.own()) else { return };
        let folders = FOLDERS.iter().filter(|(kind, ..)| *kind == self.report.kind);
        for (_, name, within, pattern) in folders {
            let named = variable(self.root, self.pid, name);
            let home = || {
                let home = variable(self.root, self.pid, "HOME").or_else(|| {
                    let about = fs::metadata(self.root.join(format!("proc/{}", self.pid))).ok()?;
                    homes(self.root).remove(&about.uid())
                })?;
                Some(format!("{home}/{within}"))
            };
            let Some(folder) = named.or_else(home) else { continue };
            let pattern = format!("{folder}/{pattern}");
            let found = glob::find(&base, &pattern).into_iter().take(FILES_MAX);
            let pattern: Arc<str> = format!("{} {pattern}", self.report.instance).into();
            for path in found {
                let shown = path.strip_prefix(&base).unwrap_or(&path).display().to_string();
                let pattern = Some(Arc::clone(&pattern));
                files.push(self.file(path, format!("/{shown}"), pattern, only));
            }
        }
    }

    /// Where the process finds its files.
    fn base(&self) -> PathBuf {
        let folder = self.root.join(format!("proc/{}", self.pid));
        own_root(self.root, &folder).unwrap_or_else(|| self.root.to_owned())
    }

    fn container(&self, identity: &container::Identity, logs: &mut EngineLogs) {
        let id = identity.container.as_str();
        if !identity.unit.is_empty() {
            let unit = identity.unit.as_str();
            let fields =
                vec![format!("_SYSTEMD_UNIT={unit}"), format!("_SYSTEMD_USER_UNIT={unit}")];
            logs.journals.push(JournalOf { fields, origin: self.origin("journal", unit) });
        } else if !identity.pod_uid.is_empty() {
            self.pod(&identity.pod_uid, id, logs);
        } else if id.len() == 64 {
            self.runtime(&identity.runtime, id, logs);
        }
    }

    /// Docker's, nerdctl's and Podman's files; where there is none they may write to the journal.
    fn runtime(&self, runtime: &str, id: &str, logs: &mut EngineLogs) {
        let short = id.get(..12).unwrap_or(id);
        let mut patterns = vec![
            (format!("{}/containers/{id}/{id}-json.log", self.docker_folder()), Form::Docker),
            (format!("/var/lib/nerdctl/*/containers/*/{id}/{id}-json.log"), Form::Docker),
        ];
        let storage = format!("storage/overlay-containers/{id}/userdata/ctr.log");
        patterns.push((format!("/var/lib/containers/{storage}"), Form::Cri));
        patterns.push((format!("/home/*/.local/share/containers/{storage}"), Form::Cri));
        let before = logs.files.len();
        for (pattern, form) in patterns {
            let found = glob::find(self.root, &pattern);
            let origin = self.origin(if runtime == "podman" { "podman" } else { "docker" }, short);
            logs.files.extend(found.into_iter().map(|path| wrapped(path, &origin, form)));
        }
        if logs.files.len() == before {
            let fields = vec![format!("CONTAINER_ID_FULL={id}")];
            logs.journals.push(JournalOf { fields, origin: self.origin("journal", short) });
            self.note_denied(&format!("{}/containers", self.docker_folder()), logs);
        }
    }

    /// Where Docker keeps its data.
    fn docker_folder(&self) -> String {
        let text = fs::read(self.root.join("etc/docker/daemon.json")).unwrap_or_default();
        let settings: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
        let named = settings.and_then(|all| Some(all.get("data-root")?.as_str()?.to_owned()));
        named.unwrap_or_else(|| "/var/lib/docker".into())
    }

    /// `/var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log`. Which container it is only links among
    /// `/var/log/containers` say, which are named by its identifier.
    fn pod(&self, uid: &str, id: &str, logs: &mut EngineLogs) {
        let found = glob::find(self.root, &format!("/var/log/pods/*_{uid}/*/*.log"));
        let names = fs::read_dir(self.root.join("var/log/containers")).into_iter().flatten();
        let ending = format!("-{id}.log");
        let link =
            names.flatten().find(|entry| entry.file_name().to_string_lossy().ends_with(&ending));
        let target = link.and_then(|link| fs::read_link(link.path()).ok());
        let container = target.as_deref().and_then(Path::parent).and_then(Path::file_name);
        if found.is_empty() {
            self.note_denied("/var/log/pods", logs);
        }
        for path in found.into_iter().take(FILES_MAX) {
            let folder = path.parent();
            let name = folder.and_then(Path::file_name);
            if container.is_some() && name != container {
                continue;
            }
            let pod = folder.and_then(Path::parent).and_then(Path::file_name);
            let (pod, name) = (pod.unwrap_or_default(), name.unwrap_or_default());
            let (pod, name) = (pod.to_string_lossy(), name.to_string_lossy());
            let shown = pod.trim_end_matches(uid).trim_end_matches('_').replacen('_', "/", 1);
            let origin = self.origin("kubernetes", format!("{shown}/{name}"));
            logs.files.push(wrapped(path, &origin, Form::Cri));
        }
    }

    /// Tells that a folder may not be read in which the log would be.
    fn note_denied(&self, folder: &str, logs: &mut EngineLogs) {
        let path = self.root.join(folder.trim_start_matches('/'));
        let is_denied = fs::read_dir(path)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
        if is_denied && logs.hint.is_none() {
            logs.hint = Some(("hint.log_permission", vec![("path".into(), folder.into())]));
        }
    }
}

/// A file whose lines all say when they were written.
fn wrapped(path: PathBuf, origin: &Arc<Origin>, form: Form) -> Candidate {
    let origin = Arc::clone(origin);
    Candidate {
        path,
        origin,
        from: From::Recent,
        pattern: None,
        form,
        is_history_read: false,
        only: Only::Any,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::EngineState;

    const ID: &str = "8c1d5f0b7f6d4f0e9a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f";
    const POD: &str = "2f3b1c7e-0d54-4a0e-9a5f-1b7f0c2d3e4f";

    fn report(kind: &str) -> EngineReport {
        EngineReport {
            instance: "127.0.0.1:8000".into(),
            kind: kind.into(),
            name: kind.into(),
            url: String::new(),
            version: None,
            models: vec!["m".into()],
            state: EngineState::Up,
            since: UnixMs(0),
            pid: Some(7),
            configured: false,
            notes: Vec::new(),
        }
    }

    /// What is found for process 7 in a tree of files; those that end with `->` are links.
    fn check(kind: &str, tree: &[(&str, &str)], expected: &[&str]) -> Option<Hint> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (path, text) in tree {
            let text = text.replace("ROOT", root.to_str().unwrap());
            let path = root.join(path.trim_end_matches("->"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if tree
                .iter()
                .any(|(entry, _)| entry.strip_suffix("->").is_some_and(|it| path.ends_with(it)))
            {
                symlink(text, path).unwrap();
            } else {
                fs::write(path, text).unwrap();
            }
        }
        let mut logs = EngineLogs::default();
        let report = report(kind);
        Engine { root, host: "h", report: &report, pid: 7, is_new: false }.find(&mut logs);
        let files = logs.files.iter().map(|file| {
            assert_eq!((file.origin.model.as_str(), file.origin.host.as_str()), ("m", "h"));
            let path = file.path.strip_prefix(root).unwrap().display();
            let Origin { source, origin, .. } = &*file.origin;
            let origin = origin.replace(root.to_str().unwrap(), "ROOT");
            format!("{path} {source} {origin} {:?} {:?}", file.form, file.from)
        });
        let journals = logs.journals.iter().map(|journal| {
            format!(
                "{} {} {}",
                journal.fields.join(" "),
                journal.origin.source,
                journal.origin.origin
            )
        });
        assert_eq!(files.chain(journals).collect::<Vec<_>>(), expected);
        logs.hint
    }

    #[test]
    fn files_behind_the_output_and_on_the_command_line() {
        check(
            "llamacpp",
            &[
                ("srv/out.log", "x"),
                ("proc/7/fd/1->", "ROOT/srv/out.log"),
                ("proc/7/fd/2->", "/dev/null"),
                ("proc/7/cmdline", "llama-server\0--log-file\0/tmp/l.log\0--log-file=rel.log\0"),
            ],
            // A link into the tree itself names no file below it.
            &[
                "proc/7/fd/1 file ROOT/srv/out.log Plain End",
                "tmp/l.log file /tmp/l.log Plain End",
                "proc/7/cwd/rel.log file rel.log Plain End",
            ],
        );
    }

    #[test]
    fn units_containers_and_pods() {
        let docker = format!("var/lib/docker/containers/{ID}/{ID}-json.log");
        let cgroup = format!("0::/system.slice/docker-{ID}.scope\n");
        check(
            "vllm",
            &[("proc/7/cgroup", &cgroup), (&docker, "")],
            &[&format!("{docker} docker 8c1d5f0b7f6d Docker Recent")],
        );
        let moved = format!("big/containers/{ID}/{ID}-json.log");
        check(
            "vllm",
            &[
                ("proc/7/cgroup", &cgroup),
                (&moved, ""),
                ("etc/docker/daemon.json", "{\"data-root\":\"/big\"}"),
            ],
            &[&format!("{moved} docker 8c1d5f0b7f6d Docker Recent")],
        );
        let podman = format!("0::/machine.slice/libpod-{ID}.scope/container\n");
        check(
            "vllm",
            &[("proc/7/cgroup", &podman)],
            &[&format!("CONTAINER_ID_FULL={ID} journal 8c1d5f0b7f6d")],
        );
        check(
            "ollama",
            &[
                ("proc/7/cgroup", "0::/system.slice/ollama.service\n"),
                ("proc/7/environ", "HOME=/u\0"),
                ("u/.ollama/logs/server.log", ""),
            ],
            &[
                "u/.ollama/logs/server.log file /u/.ollama/logs/server.log Plain End",
                "_SYSTEMD_UNIT=ollama.service _SYSTEMD_USER_UNIT=ollama.service journal ollama.service",
            ],
        );
        let cgroup = format!("0::/kubepods/burstable/pod{POD}/{ID}\n");
        let of = |container: &str| format!("var/log/pods/ns_api-0_{POD}/{container}/0.log");
        let link = format!("var/log/containers/api-0_ns_engine-{ID}.log->");
        let target = format!("/{}", of("engine"));
        check(
            "vllm",
            &[
                ("proc/7/cgroup", &cgroup),
                (&of("engine"), ""),
                (&of("proxy"), ""),
                (&link, &target),
            ],
            &[&format!("{} kubernetes ns/api-0/engine Cri Recent", of("engine"))],
        );
    }

    #[test]
    fn an_engine_without_a_log_is_told() {
        let tree = [("proc/7/fd/1->", "pipe:[123]"), ("proc/7/fd/2->", "/dev/pts/3")];
        let (code, params) = check("vllm", &tree, &[]).unwrap();
        assert_eq!((code, params[1].1.as_str()), ("hint.log_engine_none", "/dev/pts/3, pipe"));
    }
}
