//! Finding engines: from listening sockets to processes to what they answer.
//!
//! Every socket that listens on this machine is asked once for its list of models, except those that
//! surely do not speak HTTP, those of engines' workers, and those of this program, also where others run
//! it. A socket that is no engine is left alone for a while. One whose program keeps what we closed is left
//! alone twice as long each time: it would run out of files. It may be an engine all the same, whose threads
//! are slow to notice.

use std::{
    collections::{HashMap, HashSet},
    fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::oneshot, task::JoinSet, time::timeout};

use crate::{
    EngineSetting, EngineState, FailureKind, SourceGroup, SourceHandle,
    collector::Shared,
    engine::{KINDS, Kind, is_worker, recognise, watch::EngineWatch},
    http::Endpoint,
    listeners::{Listener, distinct, left_open, listeners, owners},
    process::{self, Identity},
    remembered::Memory,
};

/// How often new listening sockets are looked for.
const PERIOD: Duration = Duration::from_secs(5);
/// How long a socket that is no engine is left alone: it may be one that was still starting.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// After so many times a socket is asked rarely. Not never: behind it a large model may be loading.
const ASKED_OFTEN_MAX: u32 = 20;
const ASK_RARELY_AFTER: Duration = Duration::from_secs(10 * 60);
/// The longest pause is the shortest one doubled so many times: half a year.
const DOUBLED_MAX: u32 = 19;
/// How long an engine that was found and is gone stays on the list, as down: long enough that whoever comes in the
/// morning still sees it, and nothing says that it is well again because nobody asks any more.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the first look waits for what it found to be read once.
const FIRST_SCRAPE_MAX: Duration = Duration::from_secs(4);
/// Sockets that are asked at the same time: so many that silent ones do not keep engines waiting.
const CONCURRENCY_MAX: usize = 256;
/// The name of this program, which other users of this machine may run too.
const PRODUCT: &str = "modelwatch";
/// Most engines that one engine hides.
const HIDDEN_MAX: usize = 16;
/// Ports of well-known services that do not speak HTTP and may log or ban who tries.
const NOT_HTTP: &[u16] = &[
    21, 22, 23, 25, 53, 110, 111, 135, 139, 143, 389, 445, 465, 514, 587, 636, 873, 993, 995, 1433,
    1521, 2049, 2181, 3306, 3389, 5432, 5672, 5900, 6379, 9092, 11211, 27017,
];

/// An engine that is to be watched.
pub(crate) struct FoundEngine {
    pub(crate) endpoint: Endpoint,
    /// `None` while a configured one has not been recognised.
    pub(crate) kind: Option<&'static Kind>,
    pub(crate) configured: bool,
    pub(crate) process: Option<Identity>,
    pub(crate) inode: Option<u64>,
}

/// What the search remembers.
pub(crate) struct Search {
    handle: SourceHandle,
    configured: Vec<EngineSetting>,
    /// Port and instance of the configured engines on this machine.
    configured_here: Vec<(u16, String)>,
    owners: HashMap<u64, Option<u32>>,
    /// Sockets that are no engine.
    strangers: HashMap<u64, Stranger>,
}

/// What is known of a socket that is no engine.
#[derive(Clone, Copy, Debug, Default)]
struct Stranger {
    /// When it was asked last.
    asked: Duration,
    times: u32,
    /// How often its program was seen to keep a connection that its other end had closed.
    kept: u32,
}

impl Stranger {
    /// How long it is left alone.
    fn pause(self) -> Duration {
        if self.kept > 0 {
            return ASK_AGAIN_AFTER * (1 << self.kept.min(DOUBLED_MAX));
        }
        if self.times < ASKED_OFTEN_MAX { ASK_AGAIN_AFTER } else { ASK_RARELY_AFTER }
    }
}

/// What a socket is.
#[derive(Clone, Copy, Debug)]
enum Answered {
    Engine(&'static Kind),
    Stranger,
    /// It said nothing for as long as we waited.
    Silent,
}

/// Looks for engines for as long as the program runs.
pub(crate) async fn discover(shared: Arc<Shared>) {
    let mut search = Search::new(&shared);
    let mut memory = Memory::open(&shared).await;
    let mut is_first = true;
    loop {
        let found = search.look(&shared).await;
        let mut first_scrapes: Vec<_> = found
            .into_iter()
            .map(|found| start(&shared, EngineWatch::new(&shared, found)))
            .collect();
        if std::mem::take(&mut is_first) {
            let missing = search.missing(&shared, &memory).into_iter();
            first_scrapes.extend(missing.map(|watch| start(&shared, watch)));
        }
        let all = async {
            for scraped in first_scrapes {
                // An error means that the task ended, which is an answer as well.
                drop(scraped.await);
            }
        };
        // Slow engines are read all the same; only the waiting ends.
        drop(timeout(FIRST_SCRAPE_MAX, all).await);
        shared.has_discovered.store(true, Ordering::Relaxed);
        forget(&shared);
        memory.keep(&shared).await;
        tokio::time::sleep(PERIOD).await;
    }
}

/// Watches an engine from now on. What is returned says when it was read once.
fn start(shared: &Shared, mut watch: EngineWatch) -> oneshot::Receiver<()> {
    let (done, scraped) = oneshot::channel();
    let instance = watch.instance().to_owned();
    let task = tokio::spawn(async move { watch.run(done).await });
    if let Some(entry) = shared.entries().get_mut(&instance) {
        entry.task = Some(task);
    }
    scraped
}

/// Takes engines off the list that nobody named and that have been gone for long.
fn forget(shared: &Shared) {
    let oldest = shared.clock.now() - FORGET_AFTER;
    shared.entries().retain(|_, entry| {
        let report = &entry.report;
        let is_gone = report.state == EngineState::Down && report.since < oldest;
        let keep = report.configured || !is_gone;
        if !keep && let Some(task) = &entry.task {
            task.abort();
        }
        keep
    });
}

impl Search {
    pub(crate) fn new(shared: &Shared) -> Self {
        let handle = shared.registry.register("discovery".into(), SourceGroup::Discovery, PERIOD);
        Self {
            handle,
            configured: shared.settings.engines.clone(),
            configured_here: Vec::new(),
            owners: HashMap::new(),
            strangers: HashMap::new(),
        }
    }

    /// One look around. Returns the engines that are new.
    pub(crate) async fn look(&mut self, shared: &Arc<Shared>) -> Vec<FoundEngine> {
        let started = shared.clock.monotonic();
        let mut found = self.take_configured(shared);
        // With nothing to find or to tie to a process there is no need to look at sockets.
        let is_needed = shared.settings.discover || !self.configured_here.is_empty();
        let root = shared.settings.root.clone();
        let look = move || if is_needed { listeners(&root) } else { Vec::new() };
        let sockets = tokio::task::spawn_blocking(look).await.unwrap_or_default();
        self.identify(shared, &sockets).await;
        let sockets = distinct(sockets, &self.owners);
        self.note_processes(shared, &sockets);
        if shared.settings.discover {
            found.extend(self.ask(shared, &sockets).await);
        }
        self.strangers.retain(|inode, _| sockets.iter().any(|socket| socket.inode == *inode));
        let engines = shared.entries().len() + found.len();
        let duration = shared.clock.monotonic().saturating_sub(started);
        self.handle.succeeded(shared.clock.now(), duration, engines);
        let mut inodes: Vec<u64> = found.iter().filter_map(|engine| engine.inode).collect();
        inodes.extend(shared.entries().values().filter_map(|entry| entry.inode));
        let is_blind = inodes.iter().any(|inode| self.owners.get(inode) == Some(&None));
        self.handle.set_hint(is_blind.then(|| ("hint.listener_permission", Vec::new())));
        found
    }

    /// The configured engines, at the first look.
    fn take_configured(&mut self, shared: &Shared) -> Vec<FoundEngine> {
        let mut found = Vec::new();
        for setting in std::mem::take(&mut self.configured) {
            // The configuration was checked, so this is for who calls with another one.
            let endpoint = match Endpoint::parse(&setting.url, setting.api_key, &setting.tls) {
                Ok(endpoint) => Endpoint { metrics_port: setting.metrics_port, ..endpoint },
                Err(failure) => {
                    self.handle.failed(Duration::ZERO, failure);
                    continue;
                }
            };
            if let Some((host, port)) = endpoint.authority.rsplit_once(':')
                && let Ok(port) = port.parse()
                && is_this_machine(&shared.settings.root, host)
            {
                self.configured_here.push((port, endpoint.instance()));
            }
            let kind = KINDS.iter().find(|kind| Some(kind.name) == setting.kind.as_deref());
            found.push(FoundEngine {
                endpoint,
                kind,
                configured: true,
                process: None,
                inode: None,
            });
        }
        found
    }

    /// Finds the owners of sockets that are new.
    async fn identify(&mut self, shared: &Shared, sockets: &[Listener]) {
        self.owners.retain(|inode, _| sockets.iter().any(|socket| socket.inode == *inode));
        let inodes = sockets.iter().map(|socket| socket.inode);
        let new: Vec<u64> = inodes.filter(|inode| !self.owners.contains_key(inode)).collect();
        if new.is_empty() {
            return;
        }
        let root = shared.settings.root.clone();
        let wanted = new.clone();
        let owners = tokio::task::spawn_blocking(move || owners(&root, &wanted)).await;
        let owners = owners.unwrap_or_default();
        self.owners.extend(new.into_iter().map(|inode| (inode, owners.get(&inode).copied())));
    }

    fn process(&self, shared: &Shared, inode: u64) -> Option<Identity> {
        let pid = self.owners.get(&inode).copied().flatten()?;
        let root = &shared.settings.root;
        process::identify(root, pid).filter(|_| !process::is_forwarder(root, pid))
    }

    /// Keeps what is known of the processes of engines on the list up to date.
    fn note_processes(&self, shared: &Shared, sockets: &[Listener]) {
        for (instance, entry) in shared.entries().iter_mut() {
            entry.hidden.retain(|inode, _| sockets.iter().any(|socket| socket.inode == *inode));
            let port = self.configured_here.iter().find(|(_, here)| here == instance);
            let socket = sockets.iter().find(|socket| match port {
                Some((port, _)) => socket.address.port() == *port,
                // Another socket has to prove first that it is the same engine.
                None => {
                    socket.address.to_string() == *instance && entry.inode == Some(socket.inode)
                }
            });
            if let Some(socket) = socket {
                entry.inode = Some(socket.inode);
                entry.process = self.process(shared, socket.inode);
                entry.report.pid = entry.process.map(|process| process.pid);
                let owner = self.owners.get(&socket.inode).copied().flatten();
                let root = &shared.settings.root;
                let is_forwarded = owner.is_some_and(|pid| process::is_forwarder(root, pid));
                entry.is_forwarded = Some(is_forwarded);
            }
        }
    }

    /// Puts engines on the list that were found before the start and do not answer: they are down.
    fn missing(&self, shared: &Arc<Shared>, memory: &Memory) -> Vec<EngineWatch> {
        let mut watches = Vec::new();
        for remembered in memory.missing(shared) {
            let Some((found, port)) = remembered.found() else { continue };
            // Those are others' by now.
            let is_taken = shared.settings.own_ports.contains(&port)
                || self.configured_here.iter().any(|(here, _)| *here == port);
            if !is_taken {
                watches.push(EngineWatch::new(shared, found));
                remembered.tell(shared);
            }
        }
        watches
    }

    /// Asks the sockets that may be engines.
    async fn ask(&mut self, shared: &Arc<Shared>, sockets: &[Listener]) -> Vec<FoundEngine> {
        let now = shared.clock.monotonic();
        let mut waiting: Vec<Listener> =
            sockets.iter().filter(|socket| self.is_due(shared, socket, now)).copied().collect();
        let mut found = Vec::new();
        while !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(CONCURRENCY_MAX));
            let answers = self.ask_some(shared, waiting).await;
            let silent = answers.iter().filter(|(_, what)| matches!(what, Answered::Silent));
            let kept = left_open_by(shared, silent.map(|(socket, _)| socket.address).collect());
            let kept = kept.await;
            for (socket, what) in answers {
                if let Answered::Engine(kind) = what {
                    found.extend(self.recognised(shared, socket, kind));
                    continue;
                }
                let known = self.strangers.entry(socket.inode).or_default();
                known.asked = now;
                known.times += 1;
                known.kept += u32::from(kept.contains(&socket.address));
            }
            waiting = rest;
        }
        found
    }

    fn is_due(&self, shared: &Shared, socket: &Listener, now: Duration) -> bool {
        let port = socket.address.port();
        let is_known = shared
            .entries()
            .get(&socket.address.to_string())
            .is_some_and(|entry| entry.inode == Some(socket.inode));
        let known = self.strangers.get(&socket.inode);
        let is_left_alone =
            known.is_some_and(|known| now.saturating_sub(known.asked) < known.pause());
        !(is_known
            || is_left_alone
            || NOT_HTTP.contains(&port)
            || shared.settings.own_ports.contains(&port)
            || self.configured_here.iter().any(|(here, _)| *here == port))
    }

    async fn ask_some(&self, shared: &Shared, sockets: Vec<Listener>) -> Vec<(Listener, Answered)> {
        let mut asked = JoinSet::new();
        for socket in sockets {
            let pid = self.owners.get(&socket.inode).copied().flatten();
            let command = pid.and_then(|pid| process::command(&shared.settings.root, pid));
            let command = command.unwrap_or_default();
            let endpoint = endpoint_of(socket);
            // Behind the gateway of another one are engines that are found without it, and whoever asks
            // there is recorded.
            let is_own_kind = process::program_of(&command) == PRODUCT;
            asked.spawn(async move {
                if is_own_kind || is_worker(&command) {
                    return (socket, Answered::Stranger);
                }
                let what = match recognise(&endpoint, &command).await {
                    Ok(Some(kind)) => Answered::Engine(kind),
                    Err(failure) if failure.kind == FailureKind::TimedOut => Answered::Silent,
                    Ok(None) | Err(_) => Answered::Stranger,
                };
                (socket, what)
            });
        }
        let mut answers = Vec::new();
        while let Some(answer) = asked.join_next().await {
            answers.extend(answer);
        }
        answers
    }

    /// Decides what a recognised socket is: new, back again, or part of another engine.
    fn recognised(
        &mut self,
        shared: &Shared,
        socket: Listener,
        kind: &'static Kind,
    ) -> Option<FoundEngine> {
        let process = self.process(shared, socket.inode);
        let root = &shared.settings.root;
        // Of whatever kind: older versions start themselves as `ollama runner`.
        let is_child =
            process.is_some_and(|process| process::descends_from(root, process.pid, "ollama"));
        if is_child {
            let pid = process.map_or(0, |process| process.pid);
            if adopt(shared, socket, kind, &process::ancestors(root, pid)) {
                // Now and again: its parent may be on the list anew.
                let asked = shared.clock.monotonic();
                self.strangers.insert(socket.inode, Stranger { asked, times: 1, kept: 0 });
            }
            return None;
        }
        let instance = socket.address.to_string();
        let mut entries = shared.entries();
        if let Some(entry) = entries.get_mut(&instance) {
            if entry.report.kind == kind.name {
                entry.inode = Some(socket.inode);
                entry.process = process;
                entry.report.pid = process.map(|process| process.pid);
                return None;
            }
            // Something else took the port.
            if let Some(task) = &entry.task {
                task.abort();
            }
            entries.remove(&instance);
        }
        let inode = Some(socket.inode);
        let endpoint = endpoint_of(socket);
        Some(FoundEngine { endpoint, kind: Some(kind), configured: false, process, inode })
    }
}

/// Those of the addresses whose programs keep what we closed.
async fn left_open_by(shared: &Shared, addresses: Vec<SocketAddr>) -> HashSet<SocketAddr> {
    if addresses.is_empty() {
        return HashSet::new();
    }
    let root = shared.settings.root.clone();
    let look = tokio::task::spawn_blocking(move || left_open(&root, &addresses));
    look.await.unwrap_or_default()
}

/// Gives a recognised engine to the one that started it, if that is on the list already.
fn adopt(shared: &Shared, socket: Listener, kind: &Kind, ancestors: &[u32]) -> bool {
    let mut entries = shared.entries();
    let parent = entries.values_mut().find(|entry| {
        let hides = KINDS.iter().any(|own| own.name == entry.report.kind && own.hides(kind));
        hides && entry.process.is_some_and(|process| ancestors.contains(&process.pid))
    });
    let Some(parent) = parent else { return false };
    if parent.hidden.len() < HIDDEN_MAX {
        parent.hidden.insert(socket.inode, endpoint_of(socket));
    }
    true
}

/// Whether a host of the configuration is surely this one.
fn is_this_machine(root: &Path, host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        // Only an address of this machine can be bound to; the socket is gone at once.
        Ok(address) => UdpSocket::bind((address, 0)).is_ok(),
        Err(_) => {
            let name = fs::read_to_string(root.join("proc/sys/kernel/hostname"));
            host == "localhost" || name.is_ok_and(|name| name.trim().eq_ignore_ascii_case(host))
        }
    }
}

fn endpoint_of(socket: Listener) -> Endpoint {
    Endpoint::plain(socket.address.to_string())
}

#[cfg(test)]
mod tests {
    use std::{
        net::TcpListener,
        os::unix::fs::symlink,
        path::PathBuf,
        sync::{Arc, atomic::AtomicUsize},
    };

    use model::{Clock, UnixMs};

    use super::*;
    use crate::{Registry, Settings, Sinks};

    /// A program that accepts what connects, never answers and never closes, as seen through a
    /// `/proc` of its own: its socket has the inode 4711, and it left one connection open.
    struct Keeper {
        root: tempfile::TempDir,
        accepted: Arc<AtomicUsize>,
    }

    impl Keeper {
        fn new(command: &str) -> Self {
            let root = tempfile::tempdir().unwrap();
            let proc = root.path().join("proc");
            for folder in ["net", "77/fd"] {
                fs::create_dir_all(proc.join(folder)).unwrap();
            }
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let line = |state: &str, inode: u32| {
                let rest = "00000000:00000000 00:00000000 00000000 0 0";
                format!("0: 0100007F:{port:04X} 00000000:0000 {state} {rest} {inode} 1\n")
            };
            fs::write(proc.join("net/tcp"), line("0A", 4711) + &line("08", 4712)).unwrap();
            fs::write(proc.join("77/cmdline"), command).unwrap();
            symlink("socket:[4711]", proc.join("77/fd/3")).unwrap();
            let accepted = Arc::<AtomicUsize>::default();
            let count = Arc::clone(&accepted);
            std::thread::spawn(move || {
                let mut kept = Vec::new();
                for stream in listener.incoming() {
                    kept.push(stream);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
            Self { root, accepted }
        }

        /// Looks at these seconds and returns how often the program was bothered.
        async fn look_at(&self, times: &[i64]) -> usize {
            let clock = Clock::manual(UnixMs(0));
            let shared = shared(self.root.path(), &clock);
            let mut search = Search::new(&shared);
            for seconds in times {
                clock.set(UnixMs(seconds * 1_000));
                assert!(search.look(&shared).await.is_empty());
            }
            self.accepted.load(Ordering::Relaxed)
        }
    }

    fn shared(root: &Path, clock: &Clock) -> Arc<Shared> {
        shared_with(root, clock, None)
    }

    fn shared_with(root: &Path, clock: &Clock, found: Option<PathBuf>) -> Arc<Shared> {
        let settings = Settings {
            root: root.into(),
            instance: "h".into(),
            host_period: Duration::from_secs(1),
            accelerators: crate::accelerator::Settings::default(),
            engine_period: Duration::from_secs(5),
            discover: true,
            found,
            model_folders: Vec::new(),
            own_ports: vec![9],
            engines: Vec::new(),
            probes: Vec::new(),
            logs: crate::log::Settings::default(),
            scrapes: Vec::new(),
        };
        let sinks = Sinks { batch: Arc::new(|_| ()), event: Arc::new(|_| ()), lines: None };
        Arc::new(Shared::new(settings, clock.clone(), sinks, Registry::default()))
    }

    #[tokio::test]
    async fn an_engine_that_was_found_and_is_down_stays_on_the_list_for_a_day() {
        let root = tempfile::tempdir().unwrap();
        let clock = Clock::manual(UnixMs(0));
        let shared = shared(root.path(), &clock);
        for (address, configured) in [("127.0.0.1:8000", false), ("127.0.0.1:8001", true)] {
            let (kind, endpoint) = (Some(&KINDS[0]), Endpoint::plain(address.into()));
            // A new one is down until it answers.
            let found = FoundEngine { endpoint, kind, configured, process: None, inode: None };
            EngineWatch::new(&shared, found);
        }
        for (hours, expected) in [(1, 2), (23, 2), (25, 1), (1_000, 1)] {
            clock.set(UnixMs(hours * 3_600_000));
            forget(&shared);
            assert_eq!(shared.entries().len(), expected, "{hours}");
        }
    }

    #[tokio::test]
    async fn an_engine_that_is_down_is_down_after_a_restart_too() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("found-engines.json");
        let clock = Clock::manual(UnixMs(0));
        let before = shared_with(root.path(), &clock, Some(path.clone()));
        for (address, configured) in
            [("127.0.0.1:8000", false), ("127.0.0.1:8001", true), ("127.0.0.1:9", false)]
        {
            let (kind, endpoint) = (Some(&KINDS[0]), Endpoint::plain(address.into()));
            let found = FoundEngine { endpoint, kind, configured, process: None, inode: None };
            EngineWatch::new(&before, found);
        }
        before.entries().get_mut("127.0.0.1:8000").unwrap().report.models = vec!["m".into()];
        Memory::open(&before).await.keep(&before).await;

        clock.set(UnixMs(23 * 3_600_000));
        let after = shared_with(root.path(), &clock, Some(path.clone()));
        let memory = Memory::open(&after).await;
        let watches = Search::new(&after).missing(&after, &memory);
        // One was named, which is no matter of ours, and one is at a port of this program.
        let instances: Vec<&str> = watches.iter().map(EngineWatch::instance).collect();
        assert_eq!(instances, ["127.0.0.1:8000"]);
        let report = after.entries()["127.0.0.1:8000"].report.clone();
        assert_eq!((report.state, report.since), (EngineState::Down, UnixMs(0)));
        assert_eq!((report.kind.as_str(), report.models), (KINDS[0].name, vec!["m".to_owned()]));
        assert!(Search::new(&after).missing(&after, &memory).is_empty(), "it is on the list");
        // The day goes on where it was.
        clock.set(UnixMs(25 * 3_600_000));
        forget(&after);
        assert!(after.entries().is_empty());
        // What cannot be read is as if it were not there.
        for text in [
            "",
            "[{",
            "{}",
            r#"[{"instance":"evil.example:80","kind":"vllm","models":[],"down_since":1}]"#,
        ] {
            fs::write(&path, text).unwrap();
            let memory = Memory::open(&after).await;
            assert!(Search::new(&after).missing(&after, &memory).is_empty(), "{text}");
        }
    }

    #[tokio::test]
    async fn who_keeps_connections_is_left_alone() {
        let keeper = Keeper::new("some program");
        assert_eq!(keeper.look_at(&[0, 40, 70, 180, 200, 400]).await, 3);
        let worker = Keeper::new("VLLM::Worker_TP0");
        assert_eq!(worker.look_at(&[0, 40, 700]).await, 0);
        let gateway = Keeper::new("/usr/bin/modelwatch\0serve");
        assert_eq!(gateway.look_at(&[0, 40, 700]).await, 0);
    }

    #[test]
    fn pauses() {
        let check = |times, kept, minutes: f64| {
            let stranger = Stranger { asked: Duration::ZERO, times, kept };
            assert_eq!(stranger.pause().as_secs_f64() / 60.0, minutes, "{stranger:?}");
        };
        check(1, 0, 0.5);
        check(20, 0, 10.0);
        check(1, 1, 1.0);
        check(30, 4, 8.0);
        check(99, 99, 262_144.0);
    }

    #[test]
    fn hosts_of_this_machine() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc/sys/kernel")).unwrap();
        fs::write(root.path().join("proc/sys/kernel/hostname"), "Box\n").unwrap();
        let ours = ["localhost", "127.0.0.1", "127.0.0.2", "box"];
        for (host, expected) in ours.map(|host| (host, true)).into_iter().chain([
            ("203.0.113.1", false),
            ("[2001:db8::1]", false),
            ("box.example", false),
        ]) {
            assert_eq!(is_this_machine(root.path(), host), expected, "{host}");
        }
    }
}
