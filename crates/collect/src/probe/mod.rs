//! Active probes: asking from here whether something answers, under blackbox_exporter's names.
//!
//! A person names each one; nothing is probed by itself, and only the kind `llm` costs the target more
//! than an answer: it makes an engine generate one token, and only with `send_prompt = true`. A probe
//! that ran and found no answer is a reading (`probe_success` is 0); one that could not run, because the
//! kernel allows no ping, is absent and says why. Redirects are not followed, and a status other than
//! 2xx is a failure, as it is in blackbox_exporter.

mod dns;
mod http;
mod icmp;
mod tls;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use model::{
    Clock, Labels, UnixMs,
    catalogue::{self as metric, Metric},
    sample::Batch,
};
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinHandle,
    time::timeout,
};

use crate::{Failure, Secret, SourceGroup, collector::Shared, guard::Guard};

/// How often a probe runs unless it says otherwise.
pub const PERIOD: Duration = Duration::from_secs(60);
/// The same for a probe that makes an engine work.
pub const LLM_PERIOD: Duration = Duration::from_secs(300);
/// How long a probe may take unless it says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// Probes start this far apart, so that they do not disturb each other.
const STAGGER: Duration = Duration::from_millis(137);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    Dns,
    Http,
    Icmp,
    Llm,
    Tcp,
    Tls,
}

impl ProbeKind {
    /// All kinds as they are written, sorted.
    pub const NAMES: &[&str] = &["dns", "http", "icmp", "llm", "tcp", "tls"];

    /// The kind that is written so.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "dns" => Self::Dns,
            "http" => Self::Http,
            "icmp" => Self::Icmp,
            "llm" => Self::Llm,
            "tcp" => Self::Tcp,
            "tls" => Self::Tls,
            _ => return None,
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Http => "http",
            Self::Icmp => "icmp",
            Self::Llm => "llm",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// Whether the kind can be asked of such a target, for who checks a configuration.
    pub fn accepts(self, target: &str) -> bool {
        match self {
            Self::Http | Self::Llm => http::Target::parse(target).is_some(),
            Self::Tcp => host_and_port(target, None).is_some(),
            Self::Dns => host_and_port(target, Some(dns::PORT)).is_some(),
            Self::Tls => host_and_port(target, Some(tls::PORT)).is_some(),
            Self::Icmp => !target.is_empty() && !target.contains(['/', ' ']),
        }
    }
}

/// A probe that a person named.
#[derive(Clone, Debug)]
pub struct ProbeSetting {
    pub kind: ProbeKind,
    /// A host, `host:port` or a URL, as the kind wants it.
    pub target: String,
    pub period: Duration,
    pub deadline: Duration,
    /// The name that a DNS server is asked for.
    pub query: String,
    /// The model that a prompt is sent to.
    pub model: String,
    pub api_key: Option<Secret>,
    /// A file with the certificates that are trusted; empty for those of the system.
    pub ca_file: String,
}

/// A value of a metric, with its phase where it has one.
type Value = (&'static Metric, Option<&'static str>, f64);

/// What a probe found.
#[derive(Debug, Default)]
struct Outcome {
    /// Why it failed; none when it did not.
    failure: Option<String>,
    values: Vec<Value>,
}

impl Outcome {
    fn put(&mut self, metric: &'static Metric, phase: Option<&'static str>, time: Duration) {
        self.values.push((metric, phase, time.as_secs_f64()));
    }

    fn fail(mut self, why: impl std::fmt::Display) -> Self {
        self.failure = Some(why.to_string());
        self
    }
}

/// Starts all probes.
pub(crate) fn start(shared: &Arc<Shared>, runtime: &tokio::runtime::Handle) -> Vec<JoinHandle<()>> {
    let settings = shared.settings.probes.iter().enumerate();
    settings
        .map(|(index, setting)| {
            let (shared, setting) = (Arc::clone(shared), setting.clone());
            let delay = STAGGER.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX));
            runtime.spawn(async move {
                tokio::time::sleep(delay.min(setting.period)).await;
                run(&shared, &setting).await;
            })
        })
        .collect()
}

async fn run(shared: &Shared, setting: &ProbeSetting) {
    let name = format!("probe {} {} {}", setting.kind.as_str(), setting.target, setting.query);
    let name = name.trim_end().to_owned();
    let handle = shared.registry.register(name, SourceGroup::Probe, setting.period);
    let mut guard = Guard::new(handle);
    loop {
        let started = shared.clock.monotonic();
        let batch = once(&shared.clock, setting, &mut guard).await;
        (shared.sinks.batch)(batch);
        let took = shared.clock.monotonic().saturating_sub(started);
        tokio::time::sleep(setting.period.saturating_sub(took)).await;
    }
}

/// Runs the probe once.
async fn once(clock: &Clock, setting: &ProbeSetting, guard: &mut Guard) -> Batch {
    let started = clock.monotonic();
    let mut batch = Batch::new(UnixMs(clock.now().0));
    let outcome = match timeout(setting.deadline, ask(clock, setting)).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let seconds = setting.deadline.as_secs_f64();
            Ok(Outcome::default().fail(format!("no answer within {seconds} s")))
        }
    };
    let duration = clock.monotonic().saturating_sub(started).as_secs_f64();
    let hint = outcome.as_ref().ok().and_then(|outcome| outcome.failure.clone());
    guard
        .handle()
        .set_hint(hint.map(|why| ("hint.probe_failed", vec![("reason".to_owned(), why)])));
    guard.run_since(started, clock, &mut batch, |batch| {
        let outcome = outcome?;
        let success = f64::from(u8::from(outcome.failure.is_none()));
        let own: [Value; 2] = [
            (&metric::PROBE_DURATION_SECONDS, None, duration),
            (&metric::PROBE_SUCCESS, None, success),
        ];
        for (metric, phase, value) in own.into_iter().chain(outcome.values) {
            let labels = [
                ("instance", setting.target.as_str()),
                ("job", "probe"),
                ("module", setting.kind.as_str()),
                ("query", setting.query.as_str()),
            ];
            let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
            let phase = phase.map(|phase| ("phase", phase));
            batch.push(&Labels::metric(metric.name, labels.chain(phase)), value);
        }
        Ok(())
    });
    batch
}

/// An error means that the probe could not run.
async fn ask(clock: &Clock, setting: &ProbeSetting) -> Result<Outcome, Failure> {
    match setting.kind {
        ProbeKind::Dns => Ok(dns::ask(clock, setting).await),
        ProbeKind::Http | ProbeKind::Llm => Ok(http::ask(clock, setting).await),
        ProbeKind::Icmp => icmp::ask(clock, setting).await,
        ProbeKind::Tcp => Ok(tcp(clock, setting).await),
        ProbeKind::Tls => Ok(tls::ask(clock, setting).await),
    }
}

async fn tcp(clock: &Clock, setting: &ProbeSetting) -> Outcome {
    let mut outcome = Outcome::default();
    let Some((host, port)) = host_and_port(&setting.target, None) else {
        return outcome.fail("the target is no host and port");
    };
    match connect(clock, &host, port, &mut outcome).await {
        Ok(_) => outcome,
        Err(why) => outcome.fail(why),
    }
}

/// A connection to the first address that takes one, and how long name and connection took.
async fn connect(
    clock: &Clock,
    host: &str,
    port: u16,
    outcome: &mut Outcome,
) -> Result<(TcpStream, Duration, Duration), String> {
    let started = clock.monotonic();
    let addresses = resolve(clock, host, port, outcome).await?;
    let resolved = clock.monotonic();
    let mut why = String::new();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let connected = clock.monotonic();
                protocol(address.ip(), outcome);
                let times = (resolved.saturating_sub(started), connected.saturating_sub(resolved));
                return Ok((stream, times.0, times.1));
            }
            Err(error) => why = format!("{address}: {error}"),
        }
    }
    Err(why)
}

/// The addresses of a host. The time it took is recorded.
async fn resolve(
    clock: &Clock,
    host: &str,
    port: u16,
    outcome: &mut Outcome,
) -> Result<Vec<SocketAddr>, String> {
    let started = clock.monotonic();
    let found = lookup_host((host, port)).await.map_err(|error| format!("{host}: {error}"))?;
    let addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
    let took = clock.monotonic().saturating_sub(started);
    outcome.put(&metric::PROBE_DNS_LOOKUP_TIME_SECONDS, None, took);
    if addresses.is_empty() {
        return Err(format!("{host}: the name has no address"));
    }
    Ok(addresses)
}

fn protocol(address: IpAddr, outcome: &mut Outcome) {
    let version = if address.is_ipv4() { 4.0 } else { 6.0 };
    outcome.values.push((&metric::PROBE_IP_PROTOCOL, None, version));
}

/// Parts `host:port`; `[…]` may stand around an IPv6 address.
fn host_and_port(target: &str, default: Option<u16>) -> Option<(String, u16)> {
    if target.is_empty() || target.contains(['/', ' ']) {
        return None;
    }
    if let Ok(address) = target.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some((address.to_string(), default?));
    }
    match target.rsplit_once(':') {
        Some((host, port)) => {
            let host = host.trim_matches(['[', ']']);
            let port = port.parse().ok().filter(|port| *port != 0)?;
            (!host.is_empty()).then(|| (host.to_owned(), port))
        }
        None => Some((target.to_owned(), default?)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::net::TcpListener;

    use super::*;
    use crate::{Registry, SourceState};

    pub(super) fn setting(kind: ProbeKind, target: &str) -> ProbeSetting {
        ProbeSetting {
            kind,
            target: target.into(),
            period: PERIOD,
            deadline: DEADLINE,
            query: String::new(),
            model: String::new(),
            api_key: None,
            ca_file: String::new(),
        }
    }

    /// Runs the probe once and returns its values by name and phase, and how the source stands.
    pub(super) async fn probe(setting: &ProbeSetting) -> (Vec<(String, f64)>, SourceState, String) {
        let registry = Registry::default();
        let handle = registry.register("x".into(), SourceGroup::Probe, PERIOD);
        let mut guard = Guard::new(handle);
        let batch = once(&Clock::system(), setting, &mut guard).await;
        let samples = batch.samples.iter().map(|(labels, value)| {
            assert_eq!(labels.get("instance"), Some(setting.target.as_str()));
            let phase = labels.get("phase").map_or(String::new(), |phase| format!(" {phase}"));
            (format!("{}{phase}", labels.name()), *value)
        });
        let report = registry.reports().remove(0);
        let hint = report.hint.map_or(String::new(), |(_, params)| params[0].1.clone());
        (samples.collect(), report.state, hint)
    }

    pub(super) fn value(values: &[(String, f64)], name: &str) -> Option<f64> {
        values.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    #[tokio::test]
    async fn tcp() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let (values, state, why) = probe(&setting(ProbeKind::Tcp, &target)).await;
        assert_eq!((value(&values, "probe_success"), state), (Some(1.0), SourceState::Ok), "{why}");
        assert_eq!(value(&values, "probe_ip_protocol"), Some(4.0));
        assert!(value(&values, "probe_duration_seconds").unwrap() < 5.0);
        drop(listener);
        let (values, state, why) = probe(&setting(ProbeKind::Tcp, &target)).await;
        assert_eq!((value(&values, "probe_success"), state), (Some(0.0), SourceState::Ok));
        assert!(why.contains("refused"), "{why}");
    }

    #[tokio::test]
    async fn probes_run_and_are_delivered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let batches: Arc<Mutex<Vec<Batch>>> = Arc::default();
        let sinks = crate::Sinks {
            batch: {
                let batches = Arc::clone(&batches);
                Arc::new(move |batch| batches.lock().unwrap().push(batch))
            },
            event: Arc::new(drop),
            lines: None,
        };
        let settings = crate::Settings {
            root: "/".into(),
            instance: "n".into(),
            host_period: Duration::from_secs(1),
            engine_period: Duration::from_secs(1),
            discover: false,
            found: None,
            model_folders: Vec::new(),
            own_ports: Vec::new(),
            engines: Vec::new(),
            probes: vec![setting(ProbeKind::Tcp, &target)],
            logs: crate::log::Settings::default(),
            scrapes: Vec::new(),
            accelerators: crate::accelerator::Settings::default(),
        };
        let registry = Registry::default();
        let shared = Arc::new(Shared::new(settings, Clock::system(), sinks, registry.clone()));
        let tasks = start(&shared, &tokio::runtime::Handle::current());
        let came = async {
            while batches.lock().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(10), came).await.unwrap();
        assert_eq!(registry.reports()[0].name, format!("probe tcp {target}"));
        tasks.iter().for_each(JoinHandle::abort);
    }

    #[test]
    fn targets() {
        let check = |text: &str, default, expected: Option<(&str, u16)>| {
            let found = host_and_port(text, default);
            let found = found.as_ref().map(|(host, port)| (host.as_str(), *port));
            assert_eq!(found, expected, "{text}");
        };
        check("a.example:80", None, Some(("a.example", 80)));
        check("[::1]:80", None, Some(("::1", 80)));
        check("::1", Some(53), Some(("::1", 53)));
        check("10.0.0.1", Some(53), Some(("10.0.0.1", 53)));
        check("a.example", Some(53), Some(("a.example", 53)));
        for bad in ["a.example", "", ":80", "a:0", "a:b", "http://a:80", "a b:80", "a:70000"] {
            check(bad, None, None);
        }
        assert!(ProbeKind::Http.accepts("http://a/b") && !ProbeKind::Http.accepts("a:80"));
        assert!(ProbeKind::NAMES.is_sorted());
        for name in ProbeKind::NAMES {
            assert_eq!(ProbeKind::from_name(name).unwrap().as_str(), *name);
        }
    }
}
