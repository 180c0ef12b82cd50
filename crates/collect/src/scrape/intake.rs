//! From the series of a page to samples: labels of the target, rules for samples, limits, and what
//! ended since the page before.
//!
//! What a series became is remembered by the text that it had on the page, as Prometheus does: most
//! pages have the same series as the ones before.

use std::collections::{HashMap, HashSet};

use model::{
    Labels, LabelsBuilder, NAME, UnixMs,
    histogram::Histogram,
    limits::{LABEL_BYTES_MAX, LABELS_MAX},
    sample::{Batch, stale},
};

use super::{Job, Limits, fetch::Page, proto, relabel, target::Target, text};
use crate::{Failure, FailureKind, exposition::ScrapedMetric};

/// Most samples of one page; a page with more is refused.
const SAMPLES_MAX: usize = 500_000;

/// Names and values in the order of the page.
pub(super) type Pairs = Vec<(String, String)>;

/// What a series has on a page.
#[derive(Debug)]
pub(super) enum Point {
    Float(f64),
    Histogram(Box<Histogram>),
}

/// What is remembered of a target's series from one page to the next.
#[derive(Debug, Default)]
pub(super) struct Intake {
    known: HashMap<Box<[u8]>, Known>,
    round: u64,
    previous: Tracked,
}

#[derive(Debug)]
struct Known {
    /// `None` when the rules drop it.
    labels: Option<Labels>,
    /// The last page that had it.
    round: u64,
}

/// Series that end when they are missing; those that bring a time of their own do not.
#[derive(Debug, Default)]
struct Tracked {
    floats: Vec<Labels>,
    histograms: Vec<Labels>,
}

/// What became of a page.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Samples on the page.
    pub(super) scraped: usize,
    /// Those that the rules leave.
    pub(super) kept: usize,
    /// Those of series that the page before had not.
    pub(super) added: usize,
    /// Those whose series was there before on the same page; the first counts.
    pub(super) twice: usize,
    /// Lines or messages that could not be read.
    pub(super) bad: usize,
    /// What is wrong with the first of those.
    pub(super) first_bad: Option<String>,
    /// Why nothing of the page is taken.
    pub(super) refusal: Option<String>,
    pub(super) metrics: Vec<ScrapedMetric>,
}

impl Outcome {
    /// Scraped, kept, added, twice.
    pub(super) fn counts(&self) -> [usize; 4] {
        [self.scraped, self.kept, self.added, self.twice]
    }

    /// What to say when the page is not what it should be.
    pub(super) fn failure(&self, url: &str) -> Option<Failure> {
        if let Some(why) = &self.refusal {
            let detail = format!("{url}: {why}; nothing of it was taken");
            return Some(Failure::new(FailureKind::TooLarge, detail));
        }
        let first = self.first_bad.as_ref()?;
        let Self { bad, scraped, .. } = self;
        let detail = format!("{url}: {first}; {bad} such places, {scraped} good samples");
        Some(Failure::new(FailureKind::Malformed, detail))
    }
}

/// Reads one page.
pub(super) struct Round<'a> {
    intake: &'a mut Intake,
    target: &'a Target,
    batch: &'a mut Batch,
    current: Tracked,
    /// The rest of the page is of no interest.
    is_over: bool,
    pub(super) outcome: Outcome,
}

impl Intake {
    /// Adds the samples of `page` to `batch`, and the markers of series that ended.
    pub(super) fn take(&mut self, page: &Page, target: &Target, batch: &mut Batch) -> Outcome {
        self.round += 1;
        let current = Tracked::default();
        let outcome = Outcome::default();
        let mut round = Round { intake: self, target, batch, current, is_over: false, outcome };
        let kind = page.kind.to_ascii_lowercase();
        if kind.starts_with("application/vnd.google.protobuf") {
            proto::read(&page.body, &mut round);
        } else {
            text::read(&page.body, kind.starts_with("application/openmetrics-text"), &mut round);
        }
        let Round { mut current, outcome, .. } = round;
        if outcome.refusal.is_some() {
            (batch.samples, batch.points) = Default::default();
            current = Tracked::default();
        }
        if outcome.scraped > 0 {
            let round = self.round;
            self.known.retain(|_, known| known.round == round);
        }
        self.end_missing(current, batch);
        outcome
    }

    /// There is no page: everything ended.
    pub(super) fn end(&mut self, batch: &mut Batch) {
        self.end_missing(Tracked::default(), batch);
    }

    fn end_missing(&mut self, current: Tracked, batch: &mut Batch) {
        let time = batch.time;
        for labels in missing(&self.previous.floats, &current.floats) {
            batch.push(labels, stale());
        }
        for labels in missing(&self.previous.histograms, &current.histograms) {
            batch.points.histograms.push((labels.clone(), time, Histogram::stale()));
        }
        self.previous = current;
    }
}

/// Nearly always the same series come in the same order; then there is nothing to do.
fn missing<'a>(previous: &'a [Labels], current: &[Labels]) -> Vec<&'a Labels> {
    if previous == current {
        return Vec::new();
    }
    let known: HashSet<&Labels> = current.iter().collect();
    previous.iter().filter(|labels| !known.contains(labels)).collect()
}

impl Round<'_> {
    /// Takes one sample. `key` is the same whenever the series is, and `pairs` reads it when it was not
    /// known, or says why it cannot be read.
    pub(super) fn sample(
        &mut self,
        key: &[u8],
        pairs: impl FnOnce() -> Result<Pairs, String>,
        point: Point,
        time: Option<UnixMs>,
    ) -> Result<(), String> {
        if self.is_over {
            return Ok(());
        }
        if self.outcome.scraped >= SAMPLES_MAX {
            self.give_up(format!("more than {SAMPLES_MAX} samples"));
            return Ok(());
        }
        let round = self.intake.round;
        let known = self.intake.known.get_mut(key);
        let is_new = known.is_none();
        let mut is_twice = false;
        let labels = match known {
            Some(known) => {
                is_twice = known.round == round;
                known.round = round;
                known.labels.clone()
            }
            None => {
                let labels = self.labels(pairs()?)?;
                let limits = &self.target.job.limits;
                if let Some(why) = labels.as_ref().and_then(|labels| beyond(labels, limits)) {
                    // Not remembered, so that it is met again on the next page.
                    self.outcome.scraped += 1;
                    self.give_up(why);
                    return Ok(());
                }
                let known = Known { labels: labels.clone(), round };
                self.intake.known.insert(key.into(), known);
                labels
            }
        };
        self.outcome.scraped += 1;
        let Some(labels) = labels else { return Ok(()) };
        self.outcome.kept += 1;
        self.outcome.added += usize::from(is_new);
        let limit = self.target.job.limits.samples;
        if limit > 0 && self.outcome.kept > limit {
            self.refuse(format!("more than sample_limit = {limit} samples"));
        }
        let time = time.filter(|_| self.target.job.honor_timestamps);
        if is_twice && time.is_none() {
            self.outcome.twice += 1;
        } else if self.outcome.refusal.is_none() {
            self.push(labels, point, time);
        }
        Ok(())
    }

    fn push(&mut self, labels: Labels, point: Point, time: Option<UnixMs>) {
        match (point, time) {
            (Point::Float(value), None) => {
                self.batch.push(&labels, value);
                self.current.floats.push(labels);
            }
            (Point::Float(value), Some(time)) => {
                self.batch.points.start(labels);
                self.batch.points.push(time, value);
            }
            (Point::Histogram(histogram), time) => {
                if time.is_none() {
                    self.current.histograms.push(labels.clone());
                }
                let time = time.unwrap_or(self.batch.time);
                self.batch.points.histograms.push((labels, time, *histogram));
            }
        }
    }

    /// Notes what cannot be read.
    pub(super) fn bad(&mut self, what: impl FnOnce() -> String) {
        self.outcome.bad += 1;
        self.outcome.first_bad.get_or_insert_with(what);
    }

    fn refuse(&mut self, why: String) {
        self.outcome.refusal.get_or_insert(why);
    }

    /// As Prometheus does, what follows is not even counted.
    fn give_up(&mut self, why: String) {
        self.refuse(why);
        self.is_over = true;
    }

    /// What the series becomes; `None` when the rules drop it.
    fn labels(&self, pairs: Pairs) -> Result<Option<Labels>, String> {
        let job = &self.target.job;
        let mut builder = with_target(pairs, &self.target.labels, job);
        if !relabel::apply(&job.metric_relabel, &mut builder) {
            return Ok(None);
        }
        let labels = builder.build();
        if labels.is_empty() {
            return Ok(None);
        }
        if labels.name().is_empty() {
            return Err("a series is left without a name".into());
        }
        if labels.len() > LABELS_MAX {
            return Err(format!("a series has more than {LABELS_MAX} labels"));
        }
        Ok(Some(labels))
    }
}

/// Joins labels of the page and of the target. Where both have one, that of the page counts with
/// `honor_labels`; else it is renamed with `exported_` in front, as often as it takes.
fn with_target(pairs: Pairs, target: &Labels, job: &Job) -> LabelsBuilder {
    let mut builder = LabelsBuilder::default();
    let mut conflicts: Pairs = Vec::new();
    // An empty label on the page says that the target's is not wanted.
    let on_page = |name: &str| pairs.iter().find(|(known, _)| known == name);
    for (name, value) in target.iter() {
        match on_page(name) {
            Some(_) if job.honor_labels => {}
            Some((name, old)) if !old.is_empty() => {
                builder.set(name.as_str(), value);
                conflicts.push((name.clone(), old.clone()));
            }
            _ => {
                builder.set(name, value);
            }
        }
    }
    let is_free = |name: &str| job.honor_labels || target.get(name).is_none();
    for (name, value) in &pairs {
        if is_free(name) && !value.is_empty() {
            builder.set(name.as_str(), value.as_str());
        }
    }
    conflicts.sort_by_key(|(name, _)| name.len());
    for (mut name, value) in conflicts {
        while builder.get(&name).is_some() {
            name.insert_str(0, "exported_");
        }
        builder.set(name, value);
    }
    builder.write_bounds_as_floats();
    builder
}

/// Which of the job's limits a series exceeds.
fn beyond(labels: &Labels, limits: &Limits) -> Option<String> {
    let is_beyond = |found: usize, limit: usize| limit > 0 && found > limit;
    let name = labels.name();
    if is_beyond(labels.len(), limits.labels) {
        return Some(format!("{name:.80} has more than label_limit = {} labels", limits.labels));
    }
    let (names, values) = (limits.label_name_bytes, limits.label_value_bytes);
    labels.iter().find_map(|(label, value)| {
        if is_beyond(label.len(), names) {
            Some(format!("{name:.80}: a label's name exceeds label_name_length_limit = {names}"))
        } else if is_beyond(value.len(), values) {
            Some(format!("{name:.80}: a label's value exceeds label_value_length_limit = {values}"))
        } else {
            None
        }
    })
}

/// Whether a name or value of a page is longer than any may be.
pub(super) fn is_too_long(text: &str) -> bool {
    text.len() > LABEL_BYTES_MAX
}

/// A series of our own about a target: its labels under a name.
pub(super) fn about(target: &Labels, name: &str) -> Labels {
    let mut builder = target.to_builder();
    builder.set(NAME, name);
    builder.build()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use model::sample::is_stale;

    use super::{
        super::target::{
            Fate,
            tests::{job, replace},
        },
        *,
    };
    use crate::scrape::{Action, Rule, RuleText};

    fn target(job: Job) -> Target {
        match Target::make(&Arc::new(job), &[("__address__".into(), "h:1".into())]) {
            Fate::Kept(target) => target,
            other => panic!("{other:?}"),
        }
    }

    fn shown(batch: &Batch) -> Vec<String> {
        let value = |value: &f64| if is_stale(*value) { "ended".into() } else { value.to_string() };
        let mut shown: Vec<String> =
            batch.samples.iter().map(|(labels, v)| format!("{labels} {}", value(v))).collect();
        let timed = batch.points.iter();
        shown.extend(timed.map(|(labels, points)| format!("{labels} {points:?}")));
        shown
    }

    fn take(intake: &mut Intake, target: &Target, page: &str) -> (Vec<String>, Outcome) {
        let mut batch = Batch::new(UnixMs(7));
        let page = Page { kind: "text/plain".into(), body: Bytes::from(page.to_owned()) };
        let outcome = intake.take(&page, target, &mut batch);
        (shown(&batch), outcome)
    }

    fn check(job: Job, page: &str, expected: &[&str]) {
        let (found, outcome) = take(&mut Intake::default(), &target(job), page);
        assert_eq!(found, expected, "{outcome:?}");
    }

    #[test]
    fn labels_of_the_target_win_unless_honoured() {
        let page = "a{job=\"x\",exported_job=\"y\",b=\"\"} 1\nc{instance=\"\"} 2\n";
        let mine = r#"instance="h:1", job="j"}"#;
        check(
            job(),
            page,
            &[
                &format!(r#"a{{exported_exported_job="x", exported_job="y", {mine} 1"#),
                &format!("c{{{mine} 2"),
            ],
        );
        check(
            Job { honor_labels: true, ..job() },
            page,
            &[r#"a{exported_job="y", instance="h:1", job="x"} 1"#, r#"c{job="j"} 2"#],
        );
    }

    #[test]
    fn rules_for_samples() {
        let drop = Rule::new(&RuleText {
            action: Action::Drop,
            source_labels: vec!["__name__".into()],
            regex: Some("go_.*".into()),
            ..RuleText::default()
        });
        let metric_relabel = vec![drop.unwrap(), replace("x", "(.+)", "y", "$1$1")];
        let job = Job { metric_relabel, ..job() };
        let (found, outcome) =
            take(&mut Intake::default(), &target(job), "go_a 1\nb{x=\"z\"} 2\ngo_c 3\n");
        assert_eq!(found, [r#"b{instance="h:1", job="j", x="z", y="zz"} 2"#]);
        assert_eq!((outcome.scraped, outcome.kept, outcome.added), (3, 1, 1));
    }

    #[test]
    fn series_that_go_end_and_times_of_their_own_do_not() {
        let (mut intake, target) = (Intake::default(), target(job()));
        let at = |name: &str| format!(r#"{name}{{instance="h:1", job="j"}}"#);
        let (found, outcome) = take(&mut intake, &target, "a 1\nb 2\nt 3 1700000000000\n");
        let timed = format!("{} [(1700000000000, 3.0)]", at("t"));
        assert_eq!(found, [format!("{} 1", at("a")), format!("{} 2", at("b")), timed]);
        assert_eq!(outcome.added, 3);
        let (found, outcome) = take(&mut intake, &target, "b 3\nc 4\n");
        let ended = format!("{} ended", at("a"));
        assert_eq!(found, [format!("{} 3", at("b")), format!("{} 4", at("c")), ended]);
        assert_eq!((outcome.scraped, outcome.added), (2, 1));
        let mut batch = Batch::new(UnixMs(8));
        intake.end(&mut batch);
        assert_eq!(shown(&batch), [format!("{} ended", at("b")), format!("{} ended", at("c"))]);
        let (_, outcome) = take(&mut intake, &target, "b 3\n");
        assert_eq!(outcome.added, 0, "a page that failed forgets nothing");
    }

    #[test]
    fn limits_refuse_the_whole_page() {
        let check = |limits: Limits, page: &str, why: Option<&str>| {
            let limits = Limits { body_bytes: 1 << 20, ..limits };
            let (mut intake, target) = (Intake::default(), target(Job { limits, ..job() }));
            for round in ["the first", "the next"] {
                let (found, outcome) = take(&mut intake, &target, page);
                assert_eq!(outcome.refusal.as_deref(), why, "{round} page");
                assert_eq!(found.is_empty(), why.is_some(), "{found:?}");
            }
        };
        let samples = Limits { samples: 2, ..Limits::default() };
        check(samples, "a 1\nb 2\n", None);
        check(samples, "a 1\nb 2\nc 3\n", Some("more than sample_limit = 2 samples"));
        let labels = Limits { labels: 4, ..Limits::default() };
        check(labels, "a{b=\"c\"} 1\n", None);
        check(labels, "a{b=\"c\",d=\"e\"} 1\n", Some("a has more than label_limit = 4 labels"));
        let values = Limits { label_value_bytes: 3, ..Limits::default() };
        check(values, "a{b=\"cde\"} 1\n", None);
        let why = "a: a label's value exceeds label_value_length_limit = 3";
        check(values, "a{b=\"cdef\"} 1\n", Some(why));
    }

    #[test]
    fn of_a_series_that_comes_twice_the_first_counts() {
        let (found, outcome) = take(&mut Intake::default(), &target(job()), "a 1\na 2\nb 3\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].ends_with(" 1"), "{found:?}");
        assert_eq!((outcome.scraped, outcome.twice, outcome.bad), (3, 1, 0));
    }
}
