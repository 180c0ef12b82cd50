//! From what was discovered to a target: default labels, rules, and the address that results.

use std::{sync::Arc, time::Duration};

use model::{Labels, LabelsBuilder, UnixMs};

use super::{Job, relabel};
use crate::{Failure, FailureKind};

const ADDRESS: &str = "__address__";
const PATH: &str = "__metrics_path__";
const SCHEME: &str = "__scheme__";
const PARAM: &str = "__param_";
const INTERVAL: &str = "__scrape_interval__";
const TIMEOUT: &str = "__scrape_timeout__";
const JOB: &str = "job";
const INSTANCE: &str = "instance";

/// One page to read.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) job: Arc<Job>,
    /// Before the rules.
    pub(super) discovered: Labels,
    /// What every sample gets: no label whose name begins with two underscores.
    pub(super) labels: Labels,
    pub(super) scheme: String,
    /// `host:port`
    pub(super) address: String,
    /// With its parameters.
    pub(super) path: String,
}

/// What becomes of something that was discovered.
#[derive(Debug)]
pub(super) enum Fate {
    Kept(Target),
    Dropped(Labels),
    Bad(Failure),
}

impl Target {
    /// Makes a target of labels, of which `__address__` says where it is.
    pub(super) fn make(job: &Arc<Job>, labels: &[(String, String)]) -> Fate {
        let mut builder = LabelsBuilder::default();
        for (name, value) in labels {
            builder.set(name.as_str(), value.as_str());
        }
        let defaults = [
            (JOB, job.name.clone()),
            (INTERVAL, seconds_text(job.interval)),
            (TIMEOUT, seconds_text(job.timeout)),
            (PATH, job.path.clone()),
            (SCHEME, "http".to_owned()),
        ];
        let params = job.params.iter().map(|(name, value)| (format!("{PARAM}{name}"), value));
        let defaults = defaults.into_iter().map(|(name, value)| (name.to_owned(), value));
        for (name, value) in defaults.chain(params.map(|(name, value)| (name, value.clone()))) {
            if builder.get(&name).unwrap_or_default().is_empty() {
                builder.set(name, value);
            }
        }
        let discovered = builder.clone().build();
        if !relabel::apply(&job.relabel, &mut builder) {
            return Fate::Dropped(discovered);
        }
        match Self::after_rules(job, discovered, &builder) {
            Ok(target) => Fate::Kept(target),
            Err(failure) => Fate::Bad(failure),
        }
    }

    fn after_rules(
        job: &Arc<Job>,
        discovered: Labels,
        labels: &LabelsBuilder,
    ) -> Result<Self, Failure> {
        let text = |name: &str| labels.get(name).unwrap_or_default().to_owned();
        let (address, mut path) = (text(ADDRESS), text(PATH));
        if address.is_empty() || address.contains('/') {
            let detail = format!("{}: {address:?} is no address of a target", job.name);
            return Err(Failure::new(FailureKind::Malformed, detail));
        }
        if !path.starts_with('/') {
            path.insert(0, '/');
        }
        let mut params: Vec<(&str, &str)> = labels
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(PARAM)?, value)))
            .collect();
        params.sort_unstable();
        if !params.is_empty() {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(params);
            path = format!("{path}?{}", query.finish());
        }
        let mut own = labels.clone();
        if own.get(INSTANCE).unwrap_or_default().is_empty() {
            own.set(INSTANCE, address.as_str());
        }
        own.retain(|name| !name.starts_with("__"));
        let scheme = text(SCHEME);
        Ok(Self { job: Arc::clone(job), discovered, labels: own.build(), scheme, address, path })
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.address, self.path)
    }

    /// Tells targets apart: two with the same are one.
    pub(super) fn key(&self) -> String {
        format!("{} {} {}", self.job.name, self.url(), self.labels)
    }

    /// When it is read within each interval. The same after every start, and different for each
    /// target, so that they are not all read at once.
    fn offset_ms(&self, interval_ms: i64) -> i64 {
        let mut builder = self.labels.to_builder();
        builder.set(ADDRESS, self.url());
        let hash = builder.build().fingerprint();
        i64::try_from(hash % interval_ms.unsigned_abs().max(1)).unwrap_or(0)
    }

    /// The first of its times after `now`.
    pub(super) fn next(&self, now: UnixMs) -> UnixMs {
        let interval = interval_ms(self.job.interval);
        let offset = self.offset_ms(interval);
        UnixMs(((now.0 - offset).div_euclid(interval) + 1) * interval + offset)
    }
}

pub(super) fn interval_ms(interval: Duration) -> i64 {
    i64::try_from(interval.as_millis()).unwrap_or(i64::MAX / 4).max(1)
}

/// As Prometheus writes it where whole seconds are enough.
fn seconds_text(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::scrape::{Action, Limits, Login, Rule, RuleText};

    pub(in crate::scrape) fn job() -> Job {
        Job {
            name: "j".into(),
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            targets: Vec::new(),
            labels: Vec::new(),
            path: "/metrics".into(),
            params: vec![("module".into(), "a b".into())],
            login: Login::None,
            honor_labels: false,
            honor_timestamps: true,
            native_histograms: false,
            limits: Limits { body_bytes: 1 << 20, ..Limits::default() },
            files: Vec::new(),
            urls: Vec::new(),
            refresh: Duration::from_secs(60),
            relabel: Vec::new(),
            metric_relabel: Vec::new(),
        }
    }

    pub(in crate::scrape) fn replace(source: &str, regex: &str, target: &str, text: &str) -> Rule {
        let rule = RuleText {
            action: Action::Replace,
            source_labels: vec![source.into()],
            regex: Some(regex.into()),
            target_label: Some(target.into()),
            replacement: Some(text.into()),
            ..RuleText::default()
        };
        Rule::new(&rule).unwrap()
    }

    fn check(relabel: Vec<Rule>, labels: &[(&str, &str)], url: &str, expected: &str) {
        let job = Arc::new(Job { relabel, ..job() });
        let pairs = labels.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let pairs: Vec<(String, String)> = pairs.collect();
        match Target::make(&job, &pairs) {
            Fate::Kept(target) => {
                assert_eq!(
                    (target.url().as_str(), target.labels.to_string().as_str()),
                    (url, expected)
                );
            }
            other => assert_eq!("", url, "{other:?}"),
        }
    }

    #[test]
    fn labels_become_addresses() {
        check(
            vec![],
            &[("__address__", "h:1"), ("__meta_x", "y"), ("zone", "z")],
            "http://h:1/metrics?module=a+b",
            r#"{instance="h:1", job="j", zone="z"}"#,
        );
        check(
            vec![
                replace("__meta_path", "(.+)", "__metrics_path__", "$1"),
                replace("__address__", "(.*):.*", "instance", "$1"),
                replace("__address__", ".*", "__param_module", "tcp"),
            ],
            &[("__address__", "h:1"), ("__meta_path", "probe"), ("job", "k")],
            "http://h:1/probe?module=tcp",
            r#"{instance="h", job="k"}"#,
        );
        check(vec![], &[("__address__", "h:1/x")], "", "");
        check(vec![], &[("a", "b")], "", "");
    }

    #[test]
    fn times_are_stable_and_spread() {
        let job = Arc::new(job());
        let target =
            |address: &str| match Target::make(&job, &[("__address__".into(), address.into())]) {
                Fate::Kept(target) => target,
                other => panic!("{other:?}"),
            };
        let (one, two) = (target("h:1"), target("h:2"));
        let first = one.next(UnixMs(1_000_000));
        assert!(first.0 > 1_000_000 && first.0 <= 1_015_000, "{first:?}");
        assert_eq!(one.next(first), UnixMs(first.0 + 15_000));
        assert_eq!(one.next(UnixMs(first.0 - 1)), first);
        assert_ne!(two.next(UnixMs(1_000_000)), first);
    }
}
