//! Which of the engines that the collectors found stands behind each upstream of the gateway, so that its series
//! carry the engine's kind, and its first requests after a restart count as cold.
//!
//! They are matched by address; names of this machine's loopback are one. An engine that was found at another
//! address than the upstream's (another name of the same machine) is not recognised.

use std::{collections::HashMap, net::IpAddr};

use collect::{EngineReport, EngineState};
use gateway::samples::{Place, Samples};
use model::UnixMs;

use crate::config::{Address, GatewayUpstream};

/// Tells all engines as they are now.
pub(crate) type Engines = Box<dyn Fn() -> Vec<EngineReport> + Send>;

/// What is known of the engine behind an upstream.
struct Upstream {
    name: String,
    /// Nothing where its URL is none.
    authority: Option<(String, u16)>,
    life: Option<Life>,
}

/// Which process an engine is, and since when it serves.
#[derive(Clone, Copy)]
struct Life {
    pid: Option<u32>,
    since: UnixMs,
}

impl Life {
    /// Whether another process serves now. One whose number becomes known, or is not known for a while, is the
    /// same as long as it serves without a pause.
    fn differs(self, now: Self) -> bool {
        match (self.pid, now.pid) {
            (Some(before), Some(now)) => before != now,
            _ => self.since != now.since,
        }
    }
}

/// Follows the engines behind the upstreams.
pub(crate) struct Follower {
    engines: Engines,
    upstreams: Vec<Upstream>,
}

impl Follower {
    pub(crate) fn new(engines: Engines, upstreams: &[GatewayUpstream]) -> Self {
        let upstream = |it: &GatewayUpstream| Upstream {
            name: it.name.clone(),
            authority: authority(&it.url),
            life: None,
        };
        Self { engines, upstreams: upstreams.iter().map(upstream).collect() }
    }

    /// Passes on what has become known, and returns the names of the upstreams whose engine restarted.
    pub(crate) fn look(&mut self, samples: &mut Samples) -> Vec<String> {
        let mut restarted = Vec::new();
        let engines = (self.engines)();
        let by_address: HashMap<(String, u16), &EngineReport> =
            engines.iter().filter_map(|engine| Some((authority(&engine.url)?, engine))).collect();
        for upstream in &mut self.upstreams {
            let found = upstream.authority.as_ref().and_then(|it| by_address.get(it));
            // One that is down is still what it was.
            let Some(engine) = found.filter(|engine| !engine.kind.is_empty()) else { continue };
            let place = Place { engine: engine.kind.clone(), instance: engine.instance.clone() };
            samples.rename(&upstream.name, place);
            if engine.state == EngineState::Up {
                let life = Life { pid: engine.pid, since: engine.since };
                let before = upstream.life.replace(life);
                if before.is_some_and(|before| before.differs(life)) {
                    restarted.push(upstream.name.clone());
                }
            }
        }
        restarted
    }
}

/// Host and port of a URL, with one name for the loopback.
fn authority(url: &str) -> Option<(String, u16)> {
    let Address { host, port, .. } = Address::of(url)?;
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_loopback = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
    Some((if is_loopback { "127.0.0.1".to_owned() } else { host }, port))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use gateway::samples::Slo;

    use super::*;

    #[test]
    fn addresses_are_compared_as_people_mean_them() {
        let check = |url: &str, expected: &str| {
            let found = authority(url).map(|(host, port)| format!("{host}:{port}"));
            assert_eq!(found.unwrap_or_default(), expected, "{url}");
        };
        check("http://127.0.0.1:8000", "127.0.0.1:8000");
        check("http://localhost:8000/v1/", "127.0.0.1:8000");
        check("http://[::1]:8000", "127.0.0.1:8000");
        check("http://127.0.1.1:8000", "127.0.0.1:8000");
        check("https://GPU1", "gpu1:443");
        check("http://gpu1/x:y", "gpu1:80");
        check("http://[fd00::1]", "[fd00::1]:80");
        check("http://127.example.org:1", "127.example.org:1");
        check("gpu1:8000", "gpu1:8000");
        check("http://gpu1:99999", "gpu1:80");
        check("", "");
        check("http://:80", "");
    }

    fn engine(url: &str, kind: &str) -> EngineReport {
        EngineReport {
            instance: url.replace("http://", ""),
            kind: kind.into(),
            name: String::new(),
            url: url.into(),
            version: None,
            models: Vec::new(),
            state: EngineState::Up,
            since: UnixMs(0),
            pid: None,
            configured: false,
            notes: Vec::new(),
        }
    }

    /// What is found from now on is what the list holds.
    fn following() -> (Arc<Mutex<Vec<EngineReport>>>, Follower, Samples) {
        let found = Arc::new(Mutex::new(Vec::new()));
        let engines = Arc::clone(&found);
        let upstream = GatewayUpstream {
            name: "one".into(),
            url: "http://localhost:8000".into(),
            ..GatewayUpstream::default()
        };
        let place = Place { engine: String::new(), instance: "localhost:8000".into() };
        let samples = Samples::new(HashMap::from([("one".into(), place)]), Slo::default());
        let reader = Box::new(move || engines.lock().unwrap().clone());
        (found, Follower::new(reader, &[upstream]), samples)
    }

    #[test]
    fn a_restart_is_another_process_or_a_pause_of_one_that_is_not_known() {
        let check = |lives: &[(Option<u32>, i64)], expected: &[bool]| {
            let (found, mut follower, mut samples) = following();
            let restarts = lives.iter().map(|(pid, since)| {
                let engine = engine("http://127.0.0.1:8000", "vllm");
                *found.lock().unwrap() =
                    vec![EngineReport { pid: *pid, since: UnixMs(*since), ..engine }];
                match follower.look(&mut samples).as_slice() {
                    [] => false,
                    [name] => name == "one",
                    more => panic!("{more:?}"),
                }
            });
            assert_eq!(restarts.collect::<Vec<_>>(), expected, "{lives:?}");
        };
        check(&[(Some(1), 0), (Some(1), 0)], &[false, false]);
        check(&[(Some(1), 0), (Some(2), 0)], &[false, true]);
        check(&[(Some(1), 0), (Some(1), 5), (Some(2), 5)], &[false, false, true]);
        check(&[(None, 0), (Some(1), 0), (None, 0)], &[false, false, false]);
        check(&[(None, 0), (None, 5), (Some(1), 9)], &[false, true, true]);
    }

    #[test]
    fn an_engine_that_is_down_is_no_restart_until_it_serves() {
        let (found, mut follower, mut samples) = following();
        let mut check = |pid: u32, state: EngineState, expected: &[&str]| {
            let engine = engine("http://127.0.0.1:8000", "vllm");
            *found.lock().unwrap() = vec![EngineReport { pid: Some(pid), state, ..engine }];
            assert_eq!(follower.look(&mut samples), expected);
        };
        check(1, EngineState::Up, &[]);
        check(2, EngineState::Down, &[]);
        check(2, EngineState::Up, &["one"]);
        check(2, EngineState::Up, &[]);
    }

    #[test]
    fn the_kind_is_taken_from_whatever_is_found_and_kept() {
        let (found, mut follower, mut samples) = following();
        let mut check = |engines: Vec<EngineReport>, expected: &str| {
            *found.lock().unwrap() = engines;
            assert_eq!(follower.look(&mut samples), [""; 0]);
            let state = gateway::UpstreamState {
                name: "one".into(),
                is_up: true,
                in_flight: 0,
                models: Vec::new(),
            };
            let batch = samples.batch(UnixMs(0), &[state]);
            let (labels, _) = batch.samples.last().unwrap();
            assert_eq!(labels.to_string(), format!("llm_requests_running{{{expected}}}"));
        };
        let unknown = r#"instance="localhost:8000", source="gateway""#;
        check(vec![], unknown);
        check(vec![engine("http://127.0.0.1:8001", "vllm")], unknown);
        check(vec![engine("http://127.0.0.1:8000", "")], unknown);
        let known = r#"engine="vllm", instance="127.0.0.1:8000", source="gateway""#;
        check(vec![engine("http://127.0.0.1:8000", "vllm")], known);
        check(vec![], known);
    }
}
