//! Where the targets of a job come from: written down, read from files, or asked for over HTTP. Files
//! are looked at every two seconds and read when they changed; what cannot be read leaves the targets
//! as they were.
//!
//! Lists are JSON as Prometheus has them in `file_sd_configs` and `http_sd_configs`:
//! `[{"targets": ["host:port"], "labels": {"name": "value"}}]`. YAML is not read: JSON is YAML too, so
//! that one file serves both programs.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use hyper::{Uri, header::HeaderName};
use model::{
    Labels,
    limits::{LABEL_BYTES_MAX, LABELS_MAX},
};
use serde_json::Value;
use tokio::{
    sync::oneshot,
    task::{AbortHandle, JoinSet},
};

use super::{
    Job, TARGETS_MAX,
    fetch::Ask,
    intake::Pairs,
    target::{Fate, Target},
    watch::Watch,
};
use crate::{
    Failure, FailureKind, SourceGroup, SourceHandle,
    collector::{Shared, lock},
};

/// How often files are looked at.
const LOOK_PERIOD: Duration = Duration::from_secs(2);
/// Largest list of targets.
const LIST_BYTES_MAX: usize = 4 << 20;
/// Most files that one pattern names.
const FILES_MAX: usize = 1_000;
/// How long a list over HTTP may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// Dropped targets of a job that are remembered.
const DROPPED_MAX: usize = 1_000;

const REFRESH_HEADER: HeaderName = HeaderName::from_static("x-prometheus-refresh-interval-seconds");

/// The task of a target. It ends its series and then itself when `keep` is dropped.
struct Running {
    keep: Option<oneshot::Sender<()>>,
    task: AbortHandle,
}

/// Runs one job until it is aborted, and its targets with it.
pub(super) async fn run(shared: Arc<Shared>, job: Arc<Job>) {
    let mut running: HashMap<String, Running> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut lists = Lists::new(&shared, &job);
    let mut problem = None;
    let mut is_due = true;
    loop {
        if lists.look(&shared).await || is_due {
            is_due = false;
            let targets = sort(&shared, &job, lists.labels(), &mut problem);
            running.retain(|key, run| {
                run.keep.take_if(|_| !targets.contains_key(key));
                !run.task.is_finished()
            });
            for (key, target) in targets {
                match running.get(&key) {
                    // It is back before its end: once more when that is over.
                    Some(run) if run.keep.is_none() => is_due = true,
                    Some(_) => {}
                    None => {
                        let (keep, stop) = oneshot::channel();
                        let task = tasks.spawn(Watch::new(&shared, target).run(stop));
                        running.insert(key, Running { keep: Some(keep), task });
                    }
                }
            }
        }
        while tasks.try_join_next().is_some() {}
        tokio::time::sleep(LOOK_PERIOD).await;
    }
}

/// Applies the rules to what was discovered.
fn sort(
    shared: &Arc<Shared>,
    job: &Arc<Job>,
    discovered: Vec<Pairs>,
    problem: &mut Option<SourceHandle>,
) -> BTreeMap<String, Target> {
    let mut targets = BTreeMap::new();
    let (mut dropped, mut failure): (Vec<Labels>, Option<Failure>) = (Vec::new(), None);
    for labels in discovered {
        match Target::make(job, &labels) {
            Fate::Kept(target) if targets.len() < TARGETS_MAX => {
                targets.insert(target.key(), target);
            }
            Fate::Kept(_) => {
                let detail = format!("{}: only the first {TARGETS_MAX} targets are read", job.name);
                failure.get_or_insert(Failure::new(FailureKind::TooLarge, detail));
            }
            Fate::Dropped(labels) if dropped.len() < DROPPED_MAX => dropped.push(labels),
            Fate::Dropped(_) => {}
            Fate::Bad(why) => {
                failure.get_or_insert(why);
            }
        }
    }
    lock(&shared.targets.0).dropped.insert(job.name.clone(), dropped);
    *problem = failure.map(|failure| {
        let name = format!("scrape {} targets", job.name);
        let handle = problem.take();
        let register = || shared.registry.register(name, SourceGroup::Discovery, LOOK_PERIOD);
        let handle = handle.unwrap_or_else(register);
        handle.failed(Duration::ZERO, failure);
        handle
    });
    targets
}

/// Where targets come from, and what was found there last.
struct Lists {
    written: Vec<Pairs>,
    files: Vec<FileList>,
    urls: Vec<UrlList>,
}

impl Lists {
    fn new(shared: &Arc<Shared>, job: &Arc<Job>) -> Self {
        let list = |address: &String| with_address(address, &job.labels);
        let register = |what: String, period| {
            let name = format!("scrape {} {what}", job.name);
            shared.registry.register(name, SourceGroup::Discovery, period)
        };
        let files = job.files.iter().map(|pattern| FileList {
            pattern: pattern.clone(),
            handle: register(pattern.display().to_string(), LOOK_PERIOD),
            found: BTreeMap::new(),
        });
        let urls = job.urls.iter().map(|url| UrlList {
            url: url.clone(),
            job: Arc::clone(job),
            handle: register(url.clone(), job.refresh),
            due: Duration::ZERO,
            found: Vec::new(),
        });
        Self {
            written: job.targets.iter().map(list).collect(),
            files: files.collect(),
            urls: urls.collect(),
        }
    }

    /// Looks everywhere; `true` when something is not as it was.
    async fn look(&mut self, shared: &Arc<Shared>) -> bool {
        let mut has_changed = false;
        let files = std::mem::take(&mut self.files);
        let clock = shared.clock.clone();
        // A file system may hang.
        let looked = tokio::task::spawn_blocking(move || {
            let mut files = files;
            let changes = files.iter_mut().map(|list| list.look(&clock)).collect::<Vec<_>>();
            (files, changes.contains(&true))
        });
        if let Ok((files, changed)) = looked.await {
            self.files = files;
            has_changed |= changed;
        }
        for list in &mut self.urls {
            has_changed |= list.look(shared).await;
        }
        has_changed
    }

    fn labels(&self) -> Vec<Pairs> {
        let files =
            self.files.iter().flat_map(|list| list.found.values()).flat_map(|file| &file.targets);
        let urls = self.urls.iter().flat_map(|list| &list.found);
        self.written.iter().chain(files).chain(urls).cloned().collect()
    }
}

fn with_address(address: &str, labels: &[(String, String)]) -> Pairs {
    let address = ("__address__".to_owned(), address.to_owned());
    std::iter::once(address).chain(labels.iter().cloned()).collect()
}

/// The files that one pattern names.
struct FileList {
    pattern: PathBuf,
    handle: SourceHandle,
    found: BTreeMap<PathBuf, FoundFile>,
}

struct FoundFile {
    /// Time of the last change and length, by which a change is noticed.
    stamp: (SystemTime, u64),
    targets: Vec<Pairs>,
    failure: Option<Failure>,
}

impl FileList {
    fn look(&mut self, clock: &model::Clock) -> bool {
        let started = clock.monotonic();
        let paths = match matching(&self.pattern) {
            Ok(paths) => paths,
            Err(failure) => {
                self.handle.failed(Duration::ZERO, failure);
                return false;
            }
        };
        let known = self.found.len();
        self.found.retain(|path, _| paths.contains(path));
        let mut has_changed = self.found.len() != known;
        for path in paths {
            has_changed |= self.look_at(path);
        }
        let duration = clock.monotonic().saturating_sub(started);
        match self.found.values().find_map(|file| file.failure.clone()) {
            Some(failure) => self.handle.failed(duration, failure),
            None => {
                let count = self.found.values().map(|file| file.targets.len()).sum();
                self.handle.succeeded(clock.now(), duration, count);
            }
        }
        has_changed
    }

    /// Reads one file if it is not as it was.
    fn look_at(&mut self, path: PathBuf) -> bool {
        let stamp = fs::metadata(&path).and_then(|found| Ok((found.modified()?, found.len())));
        let stamp = stamp.unwrap_or((SystemTime::UNIX_EPOCH, 0));
        if self.found.get(&path).is_some_and(|file| file.stamp == stamp) {
            return false;
        }
        let file = self.found.entry(path.clone()).or_insert(FoundFile {
            stamp,
            targets: Vec::new(),
            failure: None,
        });
        file.stamp = stamp;
        let name = path.display().to_string();
        let meta = [("__meta_filepath".to_owned(), name.clone())];
        match read_file(&path).and_then(|text| parse(&text, &name, &meta)) {
            Ok(targets) => {
                (file.targets, file.failure) = (targets, None);
                true
            }
            // What was there before counts until the file is whole again.
            Err(failure) => {
                file.failure = Some(failure);
                false
            }
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let file = fs::File::open(path).map(|file| file.take(LIST_BYTES_MAX as u64 + 1));
    let read = file.and_then(|mut file| file.read_to_end(&mut text));
    read.map_err(|error| Failure::from_io(path.display(), &error))?;
    if text.len() > LIST_BYTES_MAX {
        let detail = format!("{}: larger than {LIST_BYTES_MAX} bytes", path.display());
        return Err(Failure::new(FailureKind::TooLarge, detail));
    }
    Ok(text)
}

/// The files that a path names, with `*` in its last part for anything.
fn matching(pattern: &Path) -> Result<Vec<PathBuf>, Failure> {
    let name = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.contains('*') {
        return Ok(vec![pattern.to_owned()]);
    }
    let parts: Vec<String> = name.split('*').map(regex::escape).collect();
    let bad = |why: String| Failure::new(FailureKind::Malformed, why);
    let wanted = model::series::anchored(&parts.join(".*")).map_err(|e| bad(e.to_string()))?;
    let folder = pattern.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let entries =
        fs::read_dir(folder).map_err(|error| Failure::from_io(folder.display(), &error))?;
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| wanted.is_match(name)))
        .map(|entry| entry.path())
        .take(FILES_MAX)
        .collect();
    paths.sort();
    Ok(paths)
}

/// A list that is served over HTTP.
struct UrlList {
    url: String,
    job: Arc<Job>,
    handle: SourceHandle,
    /// When it is asked again, in monotonic time.
    due: Duration,
    found: Vec<Pairs>,
}

impl UrlList {
    async fn look(&mut self, shared: &Arc<Shared>) -> bool {
        let started = shared.clock.monotonic();
        if started < self.due {
            return false;
        }
        self.due = started + self.job.refresh;
        let result = self.ask().await;
        let duration = shared.clock.monotonic().saturating_sub(started);
        match result {
            Ok(found) => {
                self.handle.succeeded(shared.clock.now(), duration, found.len());
                let has_changed = found != self.found;
                self.found = found;
                has_changed
            }
            Err(failure) => {
                self.handle.failed(duration, failure);
                false
            }
        }
    }

    async fn ask(&self) -> Result<Vec<Pairs>, Failure> {
        let bad =
            |why: String| Failure::new(FailureKind::Malformed, format!("{}: {why}", self.url));
        let uri: Uri = self.url.parse().map_err(|_| bad("this is no URL".into()))?;
        let ask = Ask {
            scheme: uri.scheme_str().unwrap_or_default(),
            address: uri.authority().map_or("", |authority| authority.as_str()),
            path: uri.path_and_query().map_or("/", |path| path.as_str()),
            accept: "application/json",
            seconds: (REFRESH_HEADER, self.job.refresh),
            login: &self.job.login,
            timeout: LIST_TIMEOUT,
            bytes_max: LIST_BYTES_MAX,
        };
        let page = ask.get().await?;
        parse(&page.body, &self.url, &[("__meta_url".to_owned(), self.url.clone())])
    }
}

/// Reads a list of targets; `more` labels are set on each.
fn parse(text: &[u8], place: &str, more: &[(String, String)]) -> Result<Vec<Pairs>, Failure> {
    let bad = |why: &str| Failure::new(FailureKind::Malformed, format!("{place}: {why}"));
    let list: Value =
        serde_json::from_slice(text).map_err(|error| bad(&format!("this is not JSON: {error}")))?;
    let groups = list.as_array().ok_or_else(|| bad("this is no list of groups of targets"))?;
    let mut found = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let wrong = |why: &str| bad(&format!("group {}: {why}", index + 1));
        let none = Value::Array(Vec::new());
        let addresses = group.get("targets").unwrap_or(&none);
        let addresses = addresses.as_array().ok_or_else(|| wrong("targets is no list"))?;
        let labels = labels_of(group.get("labels")).ok_or_else(|| wrong("labels are wrong"))?;
        for address in addresses {
            let address = address.as_str().filter(|address| address.len() <= LABEL_BYTES_MAX);
            let address = address.ok_or_else(|| wrong("a target is no text"))?;
            let mut pairs = with_address(address, &labels);
            pairs.extend_from_slice(more);
            found.push(pairs);
        }
        if found.len() > TARGETS_MAX {
            return Err(wrong(&format!("there are more than {TARGETS_MAX} targets")));
        }
    }
    Ok(found)
}

fn labels_of(labels: Option<&Value>) -> Option<Pairs> {
    let labels = match labels {
        None | Some(Value::Null) => return Some(Vec::new()),
        Some(labels) => labels.as_object()?,
    };
    if labels.len() > LABELS_MAX {
        return None;
    }
    let pair = |(name, value): (&String, &Value)| {
        let value = value.as_str()?;
        let is_short = !name.is_empty() && name.len().max(value.len()) <= LABEL_BYTES_MAX;
        is_short.then(|| (name.clone(), value.to_owned()))
    };
    labels.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_targets() {
        let read = |text: &str| {
            let more = [("__meta_url".to_owned(), "u".to_owned())];
            let found = parse(text.as_bytes(), "place", &more);
            found
                .map(|found| found.into_iter().map(|p| Labels::from_pairs(p).to_string()).collect())
        };
        let check = |text: &str, expected: &[&str]| {
            let found: Result<Vec<String>, Failure> = read(text);
            assert_eq!(found.unwrap(), expected, "{text}");
        };
        check("[]", &[]);
        check(
            r#"[{"targets": ["a:1", "b:2"], "labels": {"x": "y"}}, {"targets": []}]"#,
            &[
                r#"{__address__="a:1", __meta_url="u", x="y"}"#,
                r#"{__address__="b:2", __meta_url="u", x="y"}"#,
            ],
        );
        for (bad, why) in [
            ("", "not JSON"),
            ("{}", "no list"),
            ("[{\"targets\": 1}]", "group 1: targets"),
            ("[{\"targets\": [1]}]", "group 1: a target"),
            ("[{\"labels\": {\"a\": 1}}]", "group 1: labels"),
        ] {
            let found: Result<Vec<String>, Failure> = read(bad);
            let failure = found.unwrap_err();
            assert!(failure.detail.contains(why), "{bad}: {failure}");
        }
        let many = format!("[{{\"targets\": [{}\"a\"]}}]", "\"a\",".repeat(TARGETS_MAX));
        let found: Result<Vec<String>, Failure> = read(&many);
        assert!(found.unwrap_err().detail.contains("more than"));
    }

    #[test]
    fn a_file_that_breaks_keeps_its_targets() {
        let folder = tempfile::tempdir().unwrap();
        let registry = crate::Registry::default();
        let mut list = FileList {
            pattern: folder.path().join("t*.json"),
            handle: registry.register("x".into(), SourceGroup::Discovery, LOOK_PERIOD),
            found: BTreeMap::new(),
        };
        let clock = model::Clock::system();
        let mut look = |file: &str, text: Option<&str>| {
            let path = folder.path().join(file);
            match text {
                Some(text) => fs::write(path, text).unwrap(),
                None => fs::remove_file(path).unwrap(),
            }
            let has_changed = list.look(&clock);
            let count: usize = list.found.values().map(|file| file.targets.len()).sum();
            (has_changed, count, registry.reports()[0].failure.is_some())
        };
        assert_eq!(look("other.json", Some("[]")), (false, 0, false));
        assert_eq!(look("t1.json", Some(r#"[{"targets": ["a:1"]}]"#)), (true, 1, false));
        assert_eq!(look("t2.json", Some(r#"[{"targets": ["b:1", "b:2"]}]"#)), (true, 3, false));
        assert_eq!(look("t2.json", Some("[{")), (false, 3, true));
        assert_eq!(look("t2.json", Some(r#"[{"targets": []}]"#)), (true, 1, false));
        assert_eq!(look("t1.json", None), (true, 0, false));
    }
}
