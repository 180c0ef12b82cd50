//! Tests carried out.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use model::{
    Clock, Labels,
    sample::Batch,
    series::{Budget, HistogramSeries, Matcher, SelectError, SeriesData, SeriesSource, TimeRange},
};
use query::{
    Element, Sample,
    format::write_general,
    notation::{Memory, histogram},
};

use super::{AlertCase, Expected, Failure, FailureKind, QueryCase, Test, TestFile, Texts};
use crate::rules::{Active, Context, Group, GroupState, Rule, RuleFile, State, ask, millis};

/// Most evaluations of all groups in one test.
const ROUNDS_MAX: u128 = 200_000;
/// Most samples that one query may touch.
const SAMPLES_MAX: u64 = 50_000_000;
/// How long one query may take. By the clock of the test, which stands still meanwhile.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Most points of all series of one test.
const POINTS_MAX: usize = 5_000_000;

/// Carries out the tests of a file with the rules of the files that it names.
pub fn run(file: &TestFile, rules: &[RuleFile]) -> Vec<Failure> {
    run_watched(file, rules, &|_, _| ())
}

/// Shown each alert that fires, after each evaluation, with its rule.
type Watcher<'a> = &'a dyn Fn(&Rule, &Active);

/// [`run`], with somebody who looks at what the alerts say. A test of series that asks only which of them fire
/// would not tell that their texts are empty.
pub(crate) fn run_watched(
    file: &TestFile,
    rules: &[RuleFile],
    watcher: Watcher<'_>,
) -> Vec<Failure> {
    let mut groups: Vec<Arc<Group>> =
        rules.iter().flat_map(|file| &file.groups).cloned().map(Arc::new).collect();
    let order = |group: &Arc<Group>| {
        file.group_order.iter().position(|name| *name == group.name).unwrap_or(0)
    };
    groups.sort_by_key(order);
    file.tests.iter().flat_map(|test| Running::new(file, test, &groups, watcher).run()).collect()
}

/// The series of a test, which rules add to.
#[derive(Default)]
pub(crate) struct Source(Mutex<Memory>);

impl Source {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self, batch: &Batch) {
        let mut memory = self.lock();
        for (labels, value) in &batch.samples {
            memory.insert_float(labels, batch.time.0, *value);
        }
        for (labels, time, histogram) in &batch.points.histograms {
            memory.insert_histogram(labels, time.0, histogram.clone());
        }
    }
}

impl SeriesSource for Source {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        self.lock().select(matchers, range, budget)
    }

    fn select_histograms(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<HistogramSeries>, SelectError> {
        self.lock().select_histograms(matchers, range, budget)
    }

    fn series(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<Labels>, SelectError> {
        self.lock().series(matchers, range, budget)
    }
}

struct Running<'a> {
    file: &'a TestFile,
    test: &'a Test,
    groups: Vec<GroupState>,
    source: Source,
    clock: Clock,
    settings: query::Settings,
    watcher: Watcher<'a>,
    failures: Vec<Failure>,
}

impl<'a> Running<'a> {
    fn new(
        file: &'a TestFile,
        test: &'a Test,
        groups: &[Arc<Group>],
        watcher: Watcher<'a>,
    ) -> Self {
        let state = |group: &Arc<Group>| {
            GroupState::new(Arc::clone(group), file.evaluation_interval, Duration::ZERO)
        };
        Self {
            file,
            test,
            groups: groups.iter().map(state).collect(),
            source: Source::default(),
            clock: Clock::manual(test.start),
            settings: query::Settings {
                subquery_step: file.evaluation_interval,
                ..query::Settings::default()
            },
            watcher,
            failures: Vec::new(),
        }
    }

    fn fail(&mut self, line: usize, kind: FailureKind) {
        let (test, test_line) = (self.test.name.clone(), self.test.line);
        self.failures.push(Failure { line, test, test_line, kind });
    }

    fn run(mut self) -> Vec<Failure> {
        if let Err(reason) = self.load() {
            self.fail(self.test.line, FailureKind::TooMuch { reason });
            return self.failures;
        }
        if self.rounds() {
            for case in &self.test.queries {
                self.query(case);
            }
        }
        self.failures
    }

    fn load(&mut self) -> Result<(), String> {
        let points: usize = self.test.series.iter().map(|line| line.points.len()).sum();
        if points > POINTS_MAX {
            return Err(format!("the series have more than {POINTS_MAX} points"));
        }
        let rounds = self.last().as_millis() / self.file.evaluation_interval.as_millis().max(1);
        if rounds > ROUNDS_MAX {
            return Err(format!("more than {ROUNDS_MAX} evaluations up to the last eval_time"));
        }
        let step = millis(self.test.interval);
        let mut memory = self.source.lock();
        for line in &self.test.series {
            memory.load(line, self.test.start.0, step);
        }
        Ok(())
    }

    /// The last time that anything is asked for.
    fn last(&self) -> Duration {
        let alerts = self.test.alerts.iter().map(|case| case.at);
        alerts.chain(self.test.queries.iter().map(|case| case.at)).max().unwrap_or_default()
    }

    /// Evaluates the rules up to the last time; false where one failed.
    fn rounds(&mut self) -> bool {
        let (mut at, last) = (Duration::ZERO, self.last());
        loop {
            self.evaluate(at);
            if self.tell_failed_rules(at) {
                return false;
            }
            self.firing().for_each(|(rule, alert)| (self.watcher)(rule, &alert));
            let next = at + self.file.evaluation_interval;
            for case in &self.test.alerts {
                if (at..next).contains(&case.at) {
                    self.alerts(case);
                }
            }
            if next > last {
                return true;
            }
            at = next;
        }
    }

    fn evaluate(&mut self, at: Duration) {
        let time = self.test.start + at;
        self.clock.set(time);
        let mut groups = std::mem::take(&mut self.groups);
        self.with_context(|context| {
            for group in &mut groups {
                group.evaluate(time, context);
            }
        });
        self.groups = groups;
    }

    fn with_context<T>(&self, run: impl FnOnce(&Context<'_>) -> T) -> T {
        let write = |batch: &Batch| {
            self.source.write(batch);
            Ok(())
        };
        run(&Context {
            source: &self.source,
            settings: &self.settings,
            clock: &self.clock,
            timeout: TIMEOUT,
            samples_max: SAMPLES_MAX,
            external_url: &self.test.external_url,
            external_labels: &self.test.external_labels,
            generator_url: &|_| String::new(),
            write: &write,
            resend_delay: self.file.evaluation_interval,
        })
    }

    /// Tells of rules that failed; whether any did.
    fn tell_failed_rules(&mut self, at: Duration) -> bool {
        let mut failed = Vec::new();
        for state in &self.groups {
            for (rule, told) in state.group().rules.iter().zip(state.told()) {
                if let Some(reason) = told.error {
                    failed.push(FailureKind::Rule { name: rule.name().to_owned(), at, reason });
                }
            }
        }
        let has_failed = !failed.is_empty();
        for kind in failed {
            self.fail(self.test.line, kind);
        }
        has_failed
    }

    /// The alerts that fire now.
    fn firing(&self) -> impl Iterator<Item = (&Rule, Active)> {
        self.groups.iter().flat_map(|state| {
            let told = state.group().rules.iter().zip(state.told());
            told.filter(|(rule, _)| rule.is_alerting()).flat_map(|(rule, told)| {
                let firing = told.alerts.iter().filter(|alert| alert.state == State::Firing);
                let owned: Vec<Active> = firing.cloned().collect();
                owned.into_iter().map(move |alert| (rule, alert))
            })
        })
    }

    /// Compares the alerts of one name that fire now.
    fn alerts(&mut self, case: &AlertCase) {
        let named = self.firing().filter(|(rule, _)| rule.name() == case.name);
        let texts = named.map(|(_, alert)| Texts {
            labels: owned(alert.labels.iter()),
            annotations: owned(
                alert.annotations.iter().map(|(name, text)| (name.as_str(), text.as_str())),
            ),
        });
        let mut found: Vec<Texts> = texts.collect();
        found.sort();
        if found != case.expected {
            let shown = |alerts: &[Texts]| alerts.iter().map(Texts::shown).collect();
            let (expected, found) = (shown(&case.expected), shown(&found));
            let (name, at) = (case.name.clone(), case.at);
            self.fail(case.line, FailureKind::Alerts { name, at, expected, found });
        }
    }

    fn query(&mut self, case: &QueryCase) {
        let time = self.test.start + case.at;
        self.clock.set(time);
        let (query, at) = (case.expr.text().to_owned(), case.at);
        let mut found = match self.with_context(|context| ask(&case.expr, time, context)) {
            Ok(found) => found,
            Err(reason) => return self.fail(case.line, FailureKind::Query { query, at, reason }),
        };
        let mut expected = case.expected.clone();
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        expected.sort_by(|(a, _), (b, _)| a.cmp(b));
        let is_same = found.len() == expected.len()
            && found.iter().zip(&expected).all(|(found, (labels, sample))| {
                found.labels == *labels && self.is_same(sample, &found.sample)
            });
        if !is_same {
            let expected = expected.iter().map(shown_expected).collect();
            let found = found.iter().map(shown_found).collect();
            self.fail(case.line, FailureKind::Samples { query, at, expected, found });
        }
    }

    fn is_same(&self, expected: &Expected, found: &Sample) -> bool {
        match (expected, found) {
            (Expected::Float(a), Sample::Float(b)) => {
                let is_next = *a == b.next_up() || *a == b.next_down();
                a == b || (a.is_nan() && b.is_nan()) || (self.file.is_fuzzy && is_next)
            }
            (Expected::Histogram(expected), Sample::Histogram(found)) => {
                histogram::is_same(expected, found)
            }
            _ => false,
        }
    }
}

/// Without what is empty, sorted by name.
fn owned<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let filled = pairs.filter(|(_, text)| !text.is_empty());
    let mut owned: Vec<(String, String)> =
        filled.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    owned.sort();
    owned
}

impl Texts {
    fn shown(&self) -> String {
        let set = |pairs: &[(String, String)]| {
            let pair = |(name, text): &(String, String)| format!("{name}={text:?}");
            format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
        };
        match self.annotations.as_slice() {
            [] => set(&self.labels),
            annotations => format!("{} {}", set(&self.labels), set(annotations)),
        }
    }
}

fn shown_expected((labels, sample): &(Labels, Expected)) -> String {
    match sample {
        Expected::Float(value) => format!("{labels} {}", shown_float(*value)),
        Expected::Histogram(written) => {
            format!("{labels} {}", histogram::describe(&written.histogram))
        }
    }
}

fn shown_found(element: &Element) -> String {
    let labels = &element.labels;
    match &element.sample {
        Sample::Float(value) => format!("{labels} {}", shown_float(*value)),
        Sample::Histogram(found) => format!("{labels} {}", histogram::describe(found)),
    }
}

fn shown_float(value: f64) -> String {
    let mut out = String::new();
    write_general(&mut out, value, None);
    out
}
