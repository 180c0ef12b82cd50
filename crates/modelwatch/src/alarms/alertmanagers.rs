//! Sends what our rules find to Alertmanagers, as Prometheus does.
//!
//! Each has a task and a queue of its own, so that one that hangs delays nobody. Of an alert that waits only what is
//! true now is sent. Alerts that others sent here are not sent on: two that do so would send them forever.

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use deliver::Post;
use model::{
    Clock, UnixMs,
    alert::Alert,
    log::{LogRecord, Severity},
};
use serde_json::{Value, json};
use tokio::{runtime::Handle, sync::Notify};

use crate::{
    api::{object, rfc3339},
    config::Alertmanager,
    events::Events,
};

/// Most alerts of one request, as in Prometheus.
const BATCH_MAX: usize = 64;
/// Most alerts that wait for an Alertmanager. The oldest go first.
const WAITING_MAX: usize = 10_000;
/// The pauses after failures: each is twice the one before.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause, however often it failed.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long one request may take, unless the configuration says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Behind the URL that is configured.
const PATH: &str = "/api/v2/alerts";

/// All Alertmanagers that are configured.
#[derive(Clone)]
pub(crate) struct Alertmanagers(Arc<Shared>);

struct Shared {
    targets: Vec<Arc<Target>>,
    clock: Clock,
}

struct Target {
    setting: Alertmanager,
    queue: Mutex<Queue>,
    news: Notify,
}

#[derive(Default)]
struct Queue {
    /// Fingerprints, oldest first. Those of alerts that were taken away are left behind.
    order: VecDeque<u64>,
    waiting: HashMap<u64, Waiting>,
    sent: u64,
    failed: u64,
    dropped: u64,
    /// Absent until it was tried.
    error: Option<Option<String>>,
}

struct Waiting {
    alert: Alert,
    /// It had ended when it was queued.
    is_resolved: bool,
}

/// How an Alertmanager is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AlertmanagerState {
    /// Where alerts are sent to.
    pub(crate) url: String,
    /// `ok`, `failing`, or `unknown` until it was tried.
    pub(crate) state: &'static str,
    pub(crate) sent: u64,
    /// Alerts that were refused, or given up because too many waited.
    pub(crate) failed: u64,
    pub(crate) waiting: usize,
    pub(crate) error: Option<String>,
}

impl Alertmanagers {
    pub(crate) fn start(
        settings: &[Alertmanager],
        clock: &Clock,
        events: &Arc<Events>,
        runtime: &Handle,
    ) -> Self {
        let target = |setting: &Alertmanager| {
            Arc::new(Target {
                setting: setting.clone(),
                queue: Mutex::default(),
                news: Notify::new(),
            })
        };
        let targets: Vec<Arc<Target>> = settings.iter().map(target).collect();
        for target in &targets {
            let (target, clock, events) = (Arc::clone(target), clock.clone(), Arc::clone(events));
            runtime.spawn(async move { target.run(&clock, &events).await });
        }
        Self(Arc::new(Shared { targets, clock: clock.clone() }))
    }

    /// Queues alerts for all of them. Never waits.
    pub(crate) fn send(&self, alerts: &[Alert]) {
        let now = self.0.clock.now();
        for target in &self.0.targets {
            target.lock().put(alerts, now);
            target.news.notify_one();
        }
    }

    pub(crate) fn states(&self) -> Vec<AlertmanagerState> {
        self.0.targets.iter().map(|target| target.state()).collect()
    }
}

impl Queue {
    fn put(&mut self, alerts: &[Alert], now: UnixMs) {
        for alert in alerts {
            let print = alert.labels.fingerprint();
            let waiting = Waiting { alert: alert.clone(), is_resolved: alert.is_resolved(now) };
            if self.waiting.insert(print, waiting).is_none() {
                self.order.push_back(print);
            }
        }
        while self.order.len() > WAITING_MAX {
            let oldest = self.order.pop_front();
            self.dropped += u64::from(oldest.is_some_and(|it| self.waiting.remove(&it).is_some()));
        }
    }

    /// Takes the oldest out. Those whose time is over are left out: they are told again, or have ended by now.
    fn take(&mut self, now: UnixMs) -> Vec<Waiting> {
        let mut batch = Vec::new();
        while batch.len() < BATCH_MAX {
            let Some(print) = self.order.pop_front() else { break };
            let waiting = self.waiting.remove(&print);
            batch.extend(waiting.filter(|it| it.is_resolved || !it.alert.is_resolved(now)));
        }
        batch
    }

    /// Puts a batch back that could not be sent, behind nothing but what is newer of the same alerts.
    fn put_back(&mut self, batch: Vec<Waiting>) {
        for waiting in batch.into_iter().rev() {
            let print = waiting.alert.labels.fingerprint();
            if let std::collections::hash_map::Entry::Vacant(place) = self.waiting.entry(print) {
                place.insert(waiting);
                self.order.push_front(print);
            }
        }
    }
}

impl Target {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn url(&self) -> String {
        format!("{}{PATH}", self.setting.url)
    }

    async fn run(&self, clock: &Clock, events: &Events) {
        let mut pause = PAUSE_MIN;
        loop {
            let batch = self.lock().take(clock.now());
            if batch.is_empty() {
                self.news.notified().await;
                continue;
            }
            let count = batch.len() as u64;
            let result = self.post(&batch).await;
            let before = {
                let mut queue = self.lock();
                let error = result.as_ref().err().map(|failure| failure.reason.clone());
                let before = queue.error.replace(error);
                match &result {
                    Ok(()) => queue.sent += count,
                    Err(failure) if failure.is_passing => queue.put_back(batch),
                    Err(_) => queue.failed += count,
                }
                before
            };
            match result {
                Ok(()) => {
                    pause = PAUSE_MIN;
                    if before.flatten().is_some() {
                        self.say(clock, events, "event.alertmanager_back", None);
                    }
                }
                Err(failure) => {
                    if before.flatten().is_none() {
                        let reason = Some(failure.reason);
                        self.say(clock, events, "event.alertmanager_lost", reason);
                    }
                    tokio::time::sleep(failure.after.unwrap_or(pause)).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn post(&self, batch: &[Waiting]) -> Result<(), deliver::Failure> {
        let variable = |name: &str| std::env::var(name).ok();
        let login = self.setting.login(&variable);
        let login =
            login.map_err(|reason| deliver::Failure { reason, is_passing: true, after: None })?;
        let alerts: Vec<Value> = batch.iter().map(|waiting| written(&waiting.alert)).collect();
        let ca_file = &self.setting.ca_file;
        let post = Post {
            url: self.url(),
            login,
            body: Value::from(alerts).to_string().into(),
            ca_file: (!ca_file.is_empty()).then(|| PathBuf::from(ca_file)),
            timeout: self.setting.timeout.unwrap_or(TIMEOUT),
        };
        deliver::post(&post).await
    }

    fn state(&self) -> AlertmanagerState {
        let queue = self.lock();
        AlertmanagerState {
            url: self.url(),
            state: match &queue.error {
                None => "unknown",
                Some(None) => "ok",
                Some(Some(_)) => "failing",
            },
            sent: queue.sent,
            failed: queue.failed + queue.dropped,
            waiting: queue.waiting.len(),
            error: queue.error.clone().flatten(),
        }
    }

    fn say(&self, clock: &Clock, events: &Events, code: &str, reason: Option<String>) {
        let severity = if reason.is_some() { Severity::Warn } else { Severity::Info };
        let mut attributes = vec![("url".to_owned(), self.setting.url.clone())];
        attributes.extend(reason.map(|reason| ("reason".to_owned(), reason)));
        events.push(LogRecord {
            time: clock.now(),
            source: "alerts".into(),
            severity,
            body: code.into(),
            attributes,
        });
    }
}

/// An alert as Prometheus sends it.
fn written(alert: &Alert) -> Value {
    json!({
        "annotations": object(&alert.annotations),
        "endsAt": rfc3339(alert.ends_at),
        "startsAt": rfc3339(alert.starts_at),
        "generatorURL": alert.generator_url,
        "labels": object(&alert.labels.iter().collect::<Vec<_>>()),
    })
}

#[cfg(test)]
mod tests {
    use model::Labels;

    use super::*;

    fn alert(name: usize, ends: i64) -> Alert {
        Alert {
            labels: Labels::from_pairs([("alertname", format!("a{name}"))]),
            annotations: vec![("summary".into(), "s".into())],
            starts_at: UnixMs(1_000),
            ends_at: UnixMs(ends),
            generator_url: "http://x".into(),
            value: Some(1.0),
        }
    }

    fn names(batch: &[Waiting]) -> Vec<String> {
        batch.iter().map(|waiting| waiting.alert.name().to_owned()).collect()
    }

    #[test]
    fn what_waits_is_bounded_and_new() {
        let mut queue = Queue::default();
        let now = UnixMs(10_000);
        queue.put(&[alert(1, 20_000), alert(2, 20_000), alert(1, 9_000)], now);
        let batch = queue.take(now);
        assert_eq!(names(&batch), ["a1", "a2"]);
        assert!(batch[0].is_resolved && !batch[1].is_resolved);
        // What came meanwhile is newer.
        queue.put(&[alert(2, 30_000)], now);
        queue.put_back(batch);
        let batch = queue.take(UnixMs(25_000));
        assert_eq!(names(&batch), ["a1", "a2"]);
        assert_eq!(batch[1].alert.ends_at, UnixMs(30_000));
        // Its time is over, and nobody said that it has ended.
        queue.put(&[alert(3, 20_000)], now);
        assert_eq!(names(&queue.take(UnixMs(25_000))), [""; 0]);
        let many: Vec<Alert> = (0..WAITING_MAX + 5).map(|name| alert(name, 20_000)).collect();
        queue.put(&many, now);
        assert_eq!((queue.waiting.len(), queue.dropped), (WAITING_MAX, 5));
        assert_eq!(queue.take(now).len(), BATCH_MAX);
    }

    #[test]
    fn alerts_are_written_as_prometheus_writes_them() {
        let expected = r#"{"annotations":{"summary":"s"},"endsAt":"1970-01-01T00:00:20.000Z","generatorURL":"http://x","labels":{"alertname":"a1"},"startsAt":"1970-01-01T00:00:01.000Z"}"#;
        assert_eq!(written(&alert(1, 20_000)).to_string(), expected);
    }
}
