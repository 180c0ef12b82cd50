//! Evaluation of a group of rules: what they write, which alerts they give, and who is to be told of them.
//!
//! States, times and texts are Prometheus' own. Two things differ on purpose: a pending alert goes on where it was
//! after a restart however short its `for` is, and what a rule writes is stored before the next one is evaluated
//! even where the rule after it does not need that.
//! Source: Prometheus, `rules/alerting.go`, `rules/recording.go`, `rules/group.go` (3.5), for behaviour.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use model::{
    Clock, Labels, LabelsBuilder, NAME, UnixMs,
    alert::{ALERT_NAME, Alert},
    sample::{Batch, stale},
    series::{Budget, SeriesSource},
};
use query::{Element, Grid, Sample, Value};

use super::{Group, Kind, Rule, millis, restore::Restoring, templates::Texts};

/// The series that tells of each alert that is pending or firing.
pub const ALERTS: &str = "ALERTS";
/// The series that tells since when each alert has been active, in Unix seconds.
pub const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";
/// The label that tells pending from firing.
const ALERT_STATE: &str = "alertstate";
/// How long an alert that ended is told to others as ended.
const RESOLVED_RETENTION: Duration = Duration::from_secs(15 * 60);
/// An alert that is not told again within so many periods counts as ended by those who were told.
const PERIODS_VALID: u32 = 4;

/// What all rules are evaluated with.
pub struct Context<'a> {
    pub source: &'a dyn SeriesSource,
    pub settings: &'a query::Settings,
    pub clock: &'a Clock,
    /// How long one rule may take.
    pub timeout: Duration,
    /// Most samples that one rule may touch.
    pub samples_max: u64,
    /// Where the page can be reached, without a slash at its end; may be empty.
    pub external_url: &'a str,
    /// Labels that the configuration adds to everything that leaves; templates may name them.
    pub external_labels: &'a [(String, String)],
    /// Where an expression can be seen.
    pub generator_url: &'a dyn Fn(&str) -> String,
    /// Stores what a rule gives, before the next one is evaluated.
    pub write: &'a dyn Fn(&Batch) -> Result<(), String>,
    /// How often an alert that goes on firing is told again.
    pub resend_delay: Duration,
}

/// What is asked of the text of a label or an annotation.
pub struct Scope<'a> {
    pub labels: &'a Labels,
    pub value: &'a Sample,
    pub time: UnixMs,
    pub context: &'a Context<'a>,
}

/// Where an alert is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Inactive,
    Pending,
    Firing,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// An alert of a rule as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Active {
    pub labels: Labels,
    pub annotations: Vec<(String, String)>,
    pub state: State,
    pub value: f64,
    /// Since when its condition has held.
    pub active_at: UnixMs,
    /// Since when it has fired.
    pub fired_at: Option<UnixMs>,
    /// Since when it has ended.
    pub resolved_at: Option<UnixMs>,
    /// Since when it fires although its condition is gone.
    pub keep_firing_since: Option<UnixMs>,
    last_sent: Option<UnixMs>,
}

/// How a rule fared last.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Absent before the first evaluation.
    pub evaluated: Option<UnixMs>,
    pub took: Duration,
    /// Why it failed.
    pub error: Option<String>,
    /// How many series or alerts it gave.
    pub series: usize,
    /// Pending and firing, sorted by labels.
    pub alerts: Arc<[Active]>,
}

impl Told {
    /// The worst state of its alerts.
    pub fn state(&self) -> State {
        self.alerts.iter().map(|alert| alert.state).max().unwrap_or(State::Inactive)
    }

    /// How the last evaluation went, in Prometheus' words.
    pub fn health(&self) -> &'static str {
        match (&self.error, self.evaluated) {
            (Some(_), _) => "err",
            (None, Some(_)) => "ok",
            (None, None) => "unknown",
        }
    }
}

/// A group with everything that is remembered from one evaluation to the next.
#[derive(Debug)]
pub struct GroupState {
    group: Arc<Group>,
    interval: Duration,
    query_offset: Duration,
    rules: Vec<RuleState>,
    /// What each rule's alerts say.
    texts: Vec<Texts>,
    /// Series of rules that are no more, to be marked as ended.
    ended: Vec<Labels>,
}

#[derive(Debug, Default)]
struct RuleState {
    active: HashMap<Labels, Active>,
    /// What it wrote the last time.
    written: HashSet<Labels>,
    /// Gives its alerts the times that they had before the start.
    restoring: Restoring,
    told: Told,
}

/// What a rule wants to be written.
type Written = Vec<(Labels, Sample)>;

impl GroupState {
    /// `interval` and `query_offset` apply where the group has none of its own.
    pub fn new(group: Arc<Group>, interval: Duration, query_offset: Duration) -> Self {
        let rules = group.rules.iter().map(|_| RuleState::default()).collect();
        let interval = group.interval.unwrap_or(interval);
        let query_offset = group.query_offset.unwrap_or(query_offset);
        let texts = group.rules.iter().map(Texts::new).collect();
        Self { group, interval, query_offset, rules, texts, ended: Vec::new() }
    }

    pub fn group(&self) -> &Arc<Group> {
        &self.group
    }

    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How each rule fared last, in their order.
    pub fn told(&self) -> Vec<Told> {
        self.rules.iter().map(|rule| rule.told.clone()).collect()
    }

    /// Takes over what `old` remembers of rules that are still there: those of the same kind, name and labels. What
    /// others wrote will be marked as ended.
    pub fn adopt(&mut self, old: Self) {
        let key = |rule: &Rule| (rule.name().to_owned(), rule.is_alerting(), rule.labels.clone());
        let mut states: HashMap<_, Vec<RuleState>> = HashMap::new();
        for (rule, state) in old.group.rules.iter().zip(old.rules).rev() {
            states.entry(key(rule)).or_default().push(state);
        }
        for (rule, state) in self.group.rules.iter().zip(&mut self.rules) {
            if let Some(found) = states.get_mut(&key(rule)).and_then(Vec::pop) {
                *state = found;
            }
        }
        self.ended.extend(old.ended);
        let forgotten = states.into_values().flatten().flat_map(|state| state.written);
        self.ended.extend(forgotten);
    }

    /// Alerts that ended because nobody evaluates them any more, and the series to be marked as ended.
    pub fn end(self, time: UnixMs, context: &Context<'_>) -> Vec<Alert> {
        let mut batch = Batch::new(time);
        let written = self.rules.iter().flat_map(|rule| rule.written.iter());
        for labels in written.chain(&self.ended) {
            batch.push(labels, stale());
        }
        // The process may be ending as well: what could not be marked ends by its age.
        drop((context.write)(&batch));
        let rules = self.group.rules.iter().zip(&self.rules);
        let firing = rules.flat_map(|(rule, state)| {
            let alerts = state.active.values().filter(|alert| alert.state == State::Firing);
            alerts.map(|alert| Alert { ends_at: time, ..told(alert, rule, time, context) })
        });
        firing.collect()
    }

    /// Evaluates all rules at one time. Answers the alerts that others are to be told of. What failed is in
    /// [`GroupState::told`]. A time before that of the last evaluation means that the clock was set back.
    pub fn evaluate(&mut self, time: UnixMs, context: &Context<'_>) -> Vec<Alert> {
        let at = UnixMs(time.0.saturating_sub(millis(self.query_offset)));
        let mut to_send = Vec::new();
        let mut ended = std::mem::take(&mut self.ended);
        for index in 0..self.rules.len() {
            let (rule, state) = (&self.group.rules[index], &mut self.rules[index]);
            if let Some(before) = state.told.evaluated.filter(|before| *before > time) {
                state.clock_set_back(after(time, before));
            }
            let begun = context.clock.monotonic();
            let limit = self.group.limit;
            let given = state.step(rule, &self.texts[index], At { time, at, limit }, context);
            let took = context.clock.monotonic().saturating_sub(begun);
            state.told.evaluated = Some(time);
            state.told.took = took;
            // As in Prometheus, alerts of a rule that fails are not told again, and so end by themselves. That a result
            // cannot be stored is no such failure.
            let is_evaluated = given.is_ok();
            state.told.error = given
                .and_then(|written| {
                    state.told.series = written.len() / if rule.is_alerting() { 2 } else { 1 };
                    state.store(written, at, &mut ended, context)
                })
                .err();
            if rule.is_alerting() && is_evaluated {
                let resend = Resend { delay: context.resend_delay, interval: self.interval };
                to_send.extend(state.due(rule, time, resend, context));
                state.tell_alerts();
            }
        }
        if !ended.is_empty() {
            self.ended = ended;
        }
        to_send
    }
}

/// When a rule is evaluated.
#[derive(Clone, Copy)]
struct At {
    /// By the clock.
    time: UnixMs,
    /// What is asked for, and where results are written.
    at: UnixMs,
    limit: usize,
}

#[derive(Clone, Copy)]
struct Resend {
    delay: Duration,
    interval: Duration,
}

impl RuleState {
    /// Moves what is remembered along with the clock: else what waits would wait, and what fires would not be told
    /// again, for as long as the clock was set back.
    fn clock_set_back(&mut self, by: Duration) {
        let back = |time: &mut UnixMs| *time = *time - by;
        for alert in self.active.values_mut() {
            back(&mut alert.active_at);
            let times = [
                &mut alert.fired_at,
                &mut alert.resolved_at,
                &mut alert.keep_firing_since,
                &mut alert.last_sent,
            ];
            times.into_iter().flatten().for_each(back);
        }
        self.restoring.clock_set_back(by);
    }

    fn step(
        &mut self,
        rule: &Rule,
        texts: &Texts,
        at: At,
        context: &Context<'_>,
    ) -> Result<Written, String> {
        let elements = ask(&rule.expr, at.at, context)?;
        match &rule.kind {
            Kind::Recording { name } => record(rule, name, elements, at.limit),
            Kind::Alerting { .. } => self.alarm((rule, texts), elements, at, context),
        }
    }

    /// Stores what a rule gave, and the end of what it gave before and gives no more.
    fn store(
        &mut self,
        written: Written,
        at: UnixMs,
        ended: &mut Vec<Labels>,
        context: &Context<'_>,
    ) -> Result<(), String> {
        let mut batch = Batch::new(at);
        let now: HashSet<Labels> = written.iter().map(|(labels, _)| labels.clone()).collect();
        for (labels, sample) in written {
            match sample {
                Sample::Float(value) => batch.push(&labels, value),
                Sample::Histogram(histogram) => {
                    batch.points.histograms.push((labels, at, (*histogram).clone()));
                }
            }
        }
        let gone = self.written.iter().filter(|labels| !now.contains(*labels));
        for labels in gone.chain(ended.iter().filter(|labels| !now.contains(*labels))) {
            batch.push(labels, stale());
        }
        let is_empty = batch.samples.is_empty() && batch.points.is_empty();
        if !is_empty {
            (context.write)(&batch)?;
        }
        ended.clear();
        self.written = now;
        Ok(())
    }

    /// An alerting rule's turn.
    fn alarm(
        &mut self,
        (rule, texts): (&Rule, &Texts),
        elements: Vec<Element>,
        at: At,
        context: &Context<'_>,
    ) -> Result<Written, String> {
        let Kind::Alerting { holds_for, keeps_firing_for, .. } = &rule.kind else {
            return Ok(Vec::new());
        };
        let mut found = HashSet::with_capacity(elements.len());
        let mut alerts = Vec::with_capacity(elements.len());
        for element in elements {
            let alert = pending(rule, texts, &element, at, context);
            if !found.insert(alert.labels.clone()) {
                let reason =
                    "vector contains metrics with the same labelset after applying alert labels";
                return Err(reason.into());
            }
            alerts.push(alert);
        }
        if !holds_for.is_zero() {
            self.restoring.restore(rule, *holds_for, &mut alerts, at.at, context)?;
        }
        alerts.into_iter().for_each(|alert| self.see(alert));
        let mut active = 0;
        self.active.retain(|labels, alert| {
            let is_held = found.contains(labels) || {
                let is_kept = is_kept_firing(alert, *keeps_firing_for, at.time);
                let is_old = alert
                    .resolved_at
                    .is_some_and(|resolved| after(resolved, at.time) > RESOLVED_RETENTION);
                if alert.state == State::Pending || is_old {
                    return false;
                }
                if alert.state != State::Inactive && !is_kept {
                    alert.state = State::Inactive;
                    alert.resolved_at = Some(at.time);
                }
                is_kept
            };
            if !is_held {
                return true;
            }
            if found.contains(labels) {
                alert.keep_firing_since = None;
            }
            active += 1;
            if alert.state == State::Pending && after(alert.active_at, at.time) >= *holds_for {
                alert.state = State::Firing;
                alert.fired_at = Some((alert.active_at + *holds_for).min(at.time));
            }
            true
        });
        if at.limit > 0 && active > at.limit {
            self.active.clear();
            return Err(format!("exceeded limit of {} with {active} alerts", at.limit));
        }
        let is_active = |alert: &&Active| alert.state != State::Inactive;
        let active = self.active.values().filter(is_active);
        Ok(active.flat_map(|alert| series(rule, alert)).collect())
    }

    /// A condition holds: of an alert that is known only value and texts are new.
    fn see(&mut self, alert: Active) {
        match self.active.get_mut(&alert.labels) {
            Some(known) if known.state != State::Inactive => {
                known.value = alert.value;
                known.annotations = alert.annotations;
            }
            _ => drop(self.active.insert(alert.labels.clone(), alert)),
        }
    }

    /// The alerts that others have to be told of now.
    fn due(
        &mut self,
        rule: &Rule,
        time: UnixMs,
        resend: Resend,
        context: &Context<'_>,
    ) -> Vec<Alert> {
        let valid = resend.delay.max(resend.interval) * PERIODS_VALID;
        let needs = |alert: &&mut Active| match (alert.state, alert.resolved_at, alert.last_sent) {
            (State::Pending, ..) => false,
            (_, Some(resolved), Some(sent)) if resolved > sent => true,
            (_, _, Some(sent)) => after(sent, time) >= resend.delay,
            (_, _, None) => true,
        };
        self.active
            .values_mut()
            .filter(needs)
            .map(|alert| {
                alert.last_sent = Some(time);
                let ends_at = alert.resolved_at.unwrap_or(time + valid);
                Alert { ends_at, ..told(alert, rule, time, context) }
            })
            .collect()
    }

    fn tell_alerts(&mut self) {
        let is_active = |alert: &&Active| alert.state != State::Inactive;
        let mut alerts: Vec<Active> = self.active.values().filter(is_active).cloned().collect();
        alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
        self.told.alerts = alerts.into();
    }
}

/// What an expression gives at one time. A scalar is a series without labels.
pub(crate) fn ask(
    expr: &query::Expr,
    at: UnixMs,
    context: &Context<'_>,
) -> Result<Vec<Element>, String> {
    let budget = Budget::new(context.clock.clone(), context.timeout, context.samples_max);
    let grid = Grid::instant(at);
    let output = query::evaluate(expr, context.source, grid, context.settings, &budget)
        .map_err(|error| error.to_string())?;
    match output.value {
        Value::Vector(elements) => Ok(elements),
        Value::Scalar(value) => {
            Ok(vec![Element { labels: Labels::empty(), sample: Sample::Float(value) }])
        }
        Value::Matrix(_) | Value::String(_) => {
            Err("rule result is not a vector or scalar".to_owned())
        }
    }
}

fn record(
    rule: &Rule,
    name: &str,
    elements: Vec<Element>,
    limit: usize,
) -> Result<Written, String> {
    let mut seen = HashSet::with_capacity(elements.len());
    let mut written = Vec::with_capacity(elements.len());
    for Element { labels, sample } in elements {
        let mut builder = labels.to_builder();
        builder.set(NAME, name);
        set_all(&mut builder, &rule.labels);
        let labels = builder.build();
        if !seen.insert(labels.clone()) {
            let reason =
                "vector contains metrics with the same labelset after applying rule labels";
            return Err(reason.into());
        }
        written.push((labels, sample));
    }
    if limit > 0 && written.len() > limit {
        return Err(format!("exceeded limit of {limit} with {} series", written.len()));
    }
    Ok(written)
}

fn set_all(builder: &mut LabelsBuilder, labels: &[(String, String)]) {
    for (name, value) in labels {
        builder.set(name.as_str(), value.as_str());
    }
}

/// The alert that an element is, as if its condition held for the first time.
fn pending(rule: &Rule, texts: &Texts, element: &Element, at: At, context: &Context<'_>) -> Active {
    let scope = Scope { labels: &element.labels, value: &element.sample, time: at.at, context };
    let mut builder = element.labels.to_builder();
    builder.set(NAME, "");
    for (name, text) in texts.labels(&scope) {
        builder.set(name, text);
    }
    builder.set(ALERT_NAME, rule.name());
    let value = match &element.sample {
        Sample::Float(value) => *value,
        Sample::Histogram(_) => 0.0,
    };
    Active {
        labels: builder.build(),
        annotations: texts.annotations(&scope),
        state: State::Pending,
        value,
        active_at: at.time,
        fired_at: None,
        resolved_at: None,
        keep_firing_since: None,
        last_sent: None,
    }
}

/// Whether an alert goes on firing although its condition is gone.
fn is_kept_firing(alert: &mut Active, keeps_firing_for: Duration, time: UnixMs) -> bool {
    if alert.state != State::Firing || keeps_firing_for.is_zero() {
        return false;
    }
    let since = *alert.keep_firing_since.get_or_insert(time);
    after(since, time) < keeps_firing_for
}

/// The two series of an alert.
fn series(rule: &Rule, alert: &Active) -> [(Labels, Sample); 2] {
    let with = |name: &str, state: &str| {
        let mut builder = alert.labels.to_builder();
        builder.set(NAME, name);
        builder.set(ALERT_NAME, rule.name());
        builder.set(ALERT_STATE, state);
        builder.build()
    };
    let seconds = alert.active_at.0.div_euclid(1_000) as f64;
    [
        (with(ALERTS, alert.state.as_str()), Sample::Float(1.0)),
        (with(ALERTS_FOR_STATE, ""), Sample::Float(seconds)),
    ]
}

/// The alert as others are told of it; when it ends is theirs to fill in.
fn told(alert: &Active, rule: &Rule, time: UnixMs, context: &Context<'_>) -> Alert {
    let mut annotations = alert.annotations.clone();
    annotations.sort();
    Alert {
        labels: with_external(&alert.labels, context.external_labels),
        annotations,
        starts_at: alert.fired_at.unwrap_or(time),
        ends_at: time,
        generator_url: (context.generator_url)(rule.expr.text()),
        value: Some(alert.value),
    }
}

/// External labels are added where the alert has no label of that name.
fn with_external(labels: &Labels, external: &[(String, String)]) -> Labels {
    if external.is_empty() {
        return labels.clone();
    }
    let mut builder = labels.to_builder();
    for (name, value) in external.iter().filter(|(name, _)| labels.get(name).is_none()) {
        builder.set(name.as_str(), value.as_str());
    }
    builder.build()
}

fn after(earlier: UnixMs, later: UnixMs) -> Duration {
    Duration::from_millis(u64::try_from(later.0.saturating_sub(earlier.0)).unwrap_or(0))
}
