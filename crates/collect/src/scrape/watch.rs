//! The task of one target: reads its page on a schedule and says what came of it.
//!
//! A page is read at the target's own offset within the interval. Its time is the one of the
//! schedule where the two differ by no more than timers do, so that samples are evenly spaced, and
//! else the true one.

use std::{sync::Arc, time::Duration};

use hyper::header::HeaderName;
use model::{
    Labels, UnixMs,
    catalogue::{
        SCRAPE_DURATION_SECONDS, SCRAPE_SAMPLES_POST_METRIC_RELABELING, SCRAPE_SAMPLES_SCRAPED,
        SCRAPE_SERIES_ADDED, UP,
    },
    sample::{Batch, stale},
};
use tokio::sync::oneshot;

use super::{
    TargetReport,
    fetch::{Ask, Page},
    intake::{Intake, Outcome, about},
    target::{Target, interval_ms},
};
use crate::{
    Failure, FailureKind, SourceGroup, SourceHandle,
    collector::{Shared, lock},
};

/// How far a time may be moved to the schedule, unless a hundredth of the interval is less.
const TOLERANCE_MS: i64 = 2;

/// Most metrics whose descriptions are kept, over all engines and targets.
const METADATA_MAX: usize = 10_000;

/// Without protocol buffers, whose native histograms would take the place of the classic ones.
const ACCEPT_TEXT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                           application/openmetrics-text;version=0.0.1;q=0.5,\
                           text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                           text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
const ACCEPT_ALL: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                          encoding=delimited;q=0.7,\
                          application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,\
                          text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.1";

const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// The watch over one target.
pub(super) struct Watch {
    shared: Arc<Shared>,
    target: Target,
    key: String,
    handle: SourceHandle,
    intake: Intake,
    /// Of `up` and the `scrape_*` series, in the order in which they are pushed.
    about: [Labels; 5],
}

impl Watch {
    /// Puts the target on the list.
    pub(super) fn new(shared: &Arc<Shared>, target: Target) -> Self {
        let (job, url) = (&target.job, target.url());
        let key = target.key();
        let report = TargetReport {
            job: job.name.clone(),
            url: url.clone(),
            discovered: target.discovered.clone(),
            labels: target.labels.clone(),
            interval: job.interval,
            timeout: job.timeout,
            is_up: None,
            last_scrape: None,
            duration: Duration::ZERO,
            failure: None,
        };
        let mut state = lock(&shared.targets.0);
        let is_other = |other: &TargetReport| other.job == job.name && other.url == url;
        // Two targets may differ in their labels alone.
        let name = match state.active.values().any(is_other) {
            true => format!("scrape {} {url} {}", job.name, target.labels),
            false => format!("scrape {} {url}", job.name),
        };
        state.active.insert(key.clone(), report);
        drop(state);
        let handle = shared.registry.register(name, SourceGroup::Scrape, job.interval);
        let names = [
            UP,
            SCRAPE_DURATION_SECONDS,
            SCRAPE_SAMPLES_SCRAPED,
            SCRAPE_SAMPLES_POST_METRIC_RELABELING,
            SCRAPE_SERIES_ADDED,
        ];
        let about = names.map(|metric| about(&target.labels, metric.name));
        let shared = Arc::clone(shared);
        Self { shared, target, key, handle, intake: Intake::default(), about }
    }

    /// Reads until `stop`, and then ends all series.
    pub(super) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let clock = self.shared.clock.clone();
        let mut scheduled = self.target.next(clock.now());
        loop {
            let wait = Duration::from_millis(
                scheduled.0.saturating_sub(clock.now().0).max(0).unsigned_abs(),
            );
            tokio::select! {
                _ = &mut stop => break,
                () = tokio::time::sleep(wait) => {}
            }
            let time = snapped(scheduled, clock.now(), self.target.job.interval);
            let started = clock.monotonic();
            let page = tokio::select! {
                _ = &mut stop => break,
                page = fetch(&self.target) => page,
            };
            self.take(page, time, started).await;
            scheduled = self.target.next(clock.now().max(scheduled));
        }
        let mut batch = Batch::new(clock.now());
        self.intake.end(&mut batch);
        for labels in &self.about {
            batch.push(labels, stale());
        }
        (self.shared.sinks.batch)(batch);
    }

    async fn take(&mut self, page: Result<Page, Failure>, time: UnixMs, started: Duration) {
        let mut intake = std::mem::take(&mut self.intake);
        let target = self.target.clone();
        // A large page takes its time, and a defect of ours must not end the task.
        let read = tokio::task::spawn_blocking(move || {
            let mut batch = Batch::new(time);
            let result = page.map(|page| intake.take(&page, &target, &mut batch));
            if result.is_err() {
                intake.end(&mut batch);
            }
            (intake, batch, result)
        });
        let (mut batch, result) = match read.await {
            Ok((intake, batch, result)) => {
                self.intake = intake;
                (batch, result)
            }
            Err(error) => {
                let failure = Failure::new(FailureKind::Panicked, error.to_string());
                (Batch::new(time), Err(failure))
            }
        };
        let duration = self.shared.clock.monotonic().saturating_sub(started);
        let [scraped, kept, added, twice] = result.as_ref().map_or([0; 4], Outcome::counts);
        let failure = match &result {
            Ok(outcome) => outcome.failure(&self.target.url()),
            Err(failure) => Some(failure.clone()),
        };
        let is_up = f64::from(u8::from(failure.is_none()));
        let values = [is_up, duration.as_secs_f64(), scraped as f64, kept as f64, added as f64];
        for (labels, value) in self.about.iter().zip(values) {
            batch.push(labels, value);
        }
        self.report(time, duration, kept, twice, failure);
        (self.shared.sinks.batch)(batch);
        if let Ok(outcome) = result {
            self.describe(outcome);
        }
    }

    fn report(
        &self,
        time: UnixMs,
        duration: Duration,
        series: usize,
        twice: usize,
        failure: Option<Failure>,
    ) {
        let (url, job) = (self.target.url(), self.target.job.name.clone());
        let mut params = vec![("url".to_owned(), url), ("job".to_owned(), job)];
        params.push(("count".to_owned(), twice.to_string()));
        let hint = match failure.as_ref().map(|failure| failure.kind) {
            None if twice > 0 => Some("hint.scrape_twice"),
            None => None,
            Some(FailureKind::PermissionDenied) => Some("hint.scrape_login"),
            Some(FailureKind::TimedOut) => Some("hint.scrape_slow"),
            Some(FailureKind::TooLarge) => Some("hint.scrape_large"),
            Some(FailureKind::Malformed | FailureKind::Refused) => Some("hint.scrape_page"),
            Some(_) => Some("hint.scrape_unreachable"),
        };
        if let Some(report) = lock(&self.shared.targets.0).active.get_mut(&self.key) {
            report.is_up = Some(failure.is_none());
            report.last_scrape = Some(time);
            report.duration = duration;
            report.failure = failure.as_ref().map(|failure| failure.detail.clone());
        }
        match failure {
            None => self.handle.succeeded(time, duration, series),
            Some(failure) => self.handle.failed(duration, failure),
        }
        self.handle.set_hint(hint.map(|code| (code, params)));
    }

    fn describe(&self, outcome: Outcome) {
        let mut metadata = lock(&self.shared.metadata);
        for metric in outcome.metrics {
            if metadata.len() < METADATA_MAX && !metadata.contains_key(&metric.name) {
                metadata.insert(metric.name.clone(), metric);
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.shared.targets.0).active.remove(&self.key);
    }
}

async fn fetch(target: &Target) -> Result<Page, Failure> {
    let job = &target.job;
    let ask = Ask {
        scheme: &target.scheme,
        address: &target.address,
        path: &target.path,
        accept: if job.native_histograms { ACCEPT_ALL } else { ACCEPT_TEXT },
        seconds: (TIMEOUT_HEADER, job.timeout),
        login: &job.login,
        timeout: job.timeout,
        bytes_max: job.limits.body_bytes,
    };
    ask.get().await
}

fn snapped(scheduled: UnixMs, now: UnixMs, interval: Duration) -> UnixMs {
    let tolerance = TOLERANCE_MS.min(interval_ms(interval) / 100);
    if (now.0 - scheduled.0).abs() <= tolerance { scheduled } else { now }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_delays_are_snapped_to_the_schedule() {
        let check = |late: i64, interval: u64, expected: i64| {
            let interval = Duration::from_millis(interval);
            let found = snapped(UnixMs(10_000), UnixMs(10_000 + late), interval);
            assert_eq!(found.0 - 10_000, expected, "{late} of {interval:?}");
        };
        check(0, 1_000, 0);
        check(2, 1_000, 0);
        check(3, 1_000, 3);
        check(2, 100, 2);
        check(1, 100, 0);
    }
}
