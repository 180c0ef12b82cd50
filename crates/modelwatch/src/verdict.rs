//! The one sentence at the top of the page: is everything well, and if not, what is wrong.
//!
//! A table of conditions in PromQL, worst first; the first that holds is the verdict, unless an incident is open
//! that is as grave: it says more. It does not look for causes: that is the diagnosis' work.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alert::incident::{
    Incidents,
    record::{Head, State},
};
use collect::{Collector, EngineState};
use model::{Labels, UnixMs, series::SelectError};
use query::{Expr, Output, QueryError};

use crate::{api::is_due, wire::App};

/// Longest time that all conditions may take: live ticks wait for them.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How often the conditions are evaluated.
const PERIOD_MS: i64 = 5_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Level {
    Ok,
    Warn,
    Critical,
    #[default]
    Unknown,
}

impl Level {
    const ALL: [Self; 4] = [Self::Ok, Self::Warn, Self::Critical, Self::Unknown];

    /// The level of that name; one that is not known here may come from another version.
    pub(crate) fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|level| level.as_str() == name).unwrap_or_default()
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Critical => "crit",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) level: Level,
    pub(crate) code: &'static str,
    pub(crate) params: Vec<(String, String)>,
    /// Since when this code holds.
    pub(crate) since: UnixMs,
}

/// A condition. Any series in the result makes it hold; the one with the largest value is told.
struct Condition {
    code: &'static str,
    level: Level,
    query: &'static str,
    /// What the value is called in the message.
    value_name: &'static str,
}

/// Worst first.
static CONDITIONS: &[Condition] = &[
    Condition {
        code: "verdict.engine_down",
        level: Level::Critical,
        query: "llm_engine_up == 0",
        value_name: "",
    },
    Condition {
        code: "verdict.memory_low",
        level: Level::Critical,
        query: "100 * node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes < 5",
        value_name: "percent",
    },
    Condition {
        code: "verdict.disk_low",
        level: Level::Warn,
        query: "100 * node_filesystem_avail_bytes{fstype!~\"tmpfs|ramfs\"} / node_filesystem_size_bytes < 5",
        value_name: "percent",
    },
    Condition {
        code: "verdict.swapping",
        level: Level::Warn,
        query: "rate(node_vmstat_pswpin[1m]) > 100",
        value_name: "",
    },
    Condition {
        code: "verdict.kv_full",
        level: Level::Warn,
        query: "100 * min_over_time(llm_kv_cache_usage_ratio[30s]) > 95",
        value_name: "percent",
    },
    Condition {
        code: "verdict.waiting",
        level: Level::Warn,
        query: "min_over_time(llm_requests_waiting[30s]) > 0",
        value_name: "waiting",
    },
    Condition {
        code: "verdict.context_full",
        level: Level::Warn,
        query: "100 * llm_context_usage_ratio > 95",
        value_name: "percent",
    },
];

/// Engines that answer, however many models each has.
const ENGINES_UP: &str = "count(max by (instance) (llm_engine_up) == 1)";

/// What is asked for a verdict.
pub(crate) fn queries() -> impl Iterator<Item = &'static str> {
    CONDITIONS.iter().map(|condition| condition.query).chain([ENGINES_UP])
}

/// Evaluates an expression at one time.
type Evaluate<'a> = &'a dyn Fn(&Expr) -> Result<Output, QueryError>;

/// Level, code and parameters.
pub(crate) type Judgement = (Level, &'static str, Vec<(String, String)>);

/// The verdict of the moment.
pub(crate) struct Verdicts {
    conditions: Vec<(&'static Condition, Expr)>,
    engines_up: Expr,
    current: Mutex<Verdict>,
}

impl Verdicts {
    pub(crate) fn new(now: UnixMs) -> Result<Self, query::ParseError> {
        let parsed =
            CONDITIONS.iter().map(|condition| Ok((condition, query::parse(condition.query)?)));
        let starting = Verdict {
            level: Level::Unknown,
            code: "verdict.starting",
            params: Vec::new(),
            since: now,
        };
        Ok(Self {
            conditions: parsed.collect::<Result<_, _>>()?,
            engines_up: query::parse(ENGINES_UP)?,
            current: Mutex::new(starting),
        })
    }

    pub(crate) fn current(&self) -> Verdict {
        self.lock().clone()
    }

    /// Evaluates the conditions when they are due, and at every tick until the first engine or
    /// the first readings are there. `last` is the tick before.
    pub(crate) fn refresh(&self, app: &App, last: UnixMs, time: UnixMs) {
        let is_settled = self.lock().level != Level::Unknown;
        if is_settled && !is_due(PERIOD_MS, last, time) {
            return;
        }
        if app.store.stats().writable {
            let deadline = app.clock.monotonic().saturating_add(TIMEOUT);
            let left = || deadline.saturating_sub(app.clock.monotonic());
            let evaluate = |expr: &Expr| app.queries.evaluate_here(expr, time, left());
            let incident = app.incidents.read(of_incidents);
            self.judge(&evaluate, &app.collector, incident, time);
        } else {
            let path = app.config.storage.path.display().to_string();
            let params = vec![("path".into(), path)];
            self.settle((Level::Critical, "verdict.storage_failed", params), time);
        }
    }

    /// Evaluates the conditions over whatever holds the series. Where time is up before one is found to hold, what
    /// was said before stays.
    pub(crate) fn judge(
        &self,
        evaluate: Evaluate<'_>,
        collector: &Collector,
        incident: Option<Judgement>,
        time: UnixMs,
    ) {
        let Ok(found) = self.holding(evaluate) else { return };
        let found = graver(found, incident);
        let elsewhere = || match evaluate(&self.engines_up) {
            Ok(output) => Ok(output.value.into_floats().first().map(|(_, up)| *up as usize)),
            Err(error) if is_late(&error) => Err(error),
            Err(_) => Ok(None),
        };
        if let Ok(found) = found.map_or_else(|| without_fault(collector, elsewhere), Ok) {
            self.settle(found, time);
        }
    }

    /// The worst condition that holds; an error where time is up before that is known.
    fn holding(&self, evaluate: Evaluate<'_>) -> Result<Option<Judgement>, QueryError> {
        for (condition, expr) in &self.conditions {
            match evaluate(expr) {
                Ok(output) => {
                    let points = output.value.into_floats();
                    if let Some((labels, value)) = worst(&points) {
                        let params = params(condition, labels, value);
                        return Ok(Some((condition.level, condition.code, params)));
                    }
                }
                Err(error) => {
                    tracing::warn!("verdict {}: {error}", condition.code);
                    if is_late(&error) {
                        return Err(error);
                    }
                }
            }
        }
        Ok(None)
    }

    fn settle(&self, (level, code, params): Judgement, time: UnixMs) {
        let mut current = self.lock();
        let since = if current.code == code { current.since } else { time };
        *current = Verdict { level, code, params, since };
    }

    fn lock(&self) -> MutexGuard<'_, Verdict> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The gravest incident that is open and that nobody has silenced. Those that only inform are no trouble.
fn of_incidents(incidents: &Incidents, now: UnixMs) -> Option<Judgement> {
    let level = |severity: &str| match severity {
        "critical" => Some(Level::Critical),
        "warning" => Some(Level::Warn),
        _ => None,
    };
    let open = incidents.heads().filter(|head| {
        matches!(head.state, State::Firing | State::Acknowledged) && level(&head.severity).is_some()
    });
    let heads: Vec<_> = open.collect();
    let grave = |head: &&&Head| (head.severity == "critical", head.started);
    let head = heads.iter().max_by_key(grave)?;
    let (level, others) = (level(&head.severity)?, heads.len());
    let worst = &incidents.view(&head.id, now)?;
    // Where its alerts have no text in common, the first speaks for them.
    let text = |name: &str| {
        let first = worst.alerts.first().and_then(|alert| alert.annotations.get(name));
        worst.annotations.get(name).or(first).cloned()
    };
    let summary = text("summary").unwrap_or_else(|| worst.name.clone());
    let chinese = text("summary_zh").unwrap_or_else(|| summary.clone());
    let more = others.saturating_sub(1);
    let code = if more == 0 { "verdict.incident" } else { "verdict.incidents" };
    let params = vec![
        ("id".into(), worst.id.clone()),
        ("name".into(), worst.name.clone()),
        ("summary".into(), summary),
        ("summary_zh".into(), chinese),
        ("more".into(), more.to_string()),
    ];
    Some((level, code, params))
}

/// The graver of a condition and an incident. Of equally grave ones the incident has more to say.
fn graver(condition: Option<Judgement>, incident: Option<Judgement>) -> Option<Judgement> {
    match (condition, incident) {
        (Some(condition), Some(incident))
            if condition.0 == Level::Critical && incident.0 != Level::Critical =>
        {
            Some(condition)
        }
        (condition, incident) => incident.or(condition),
    }
}

/// What is said where no condition holds.
/// `elsewhere` tells how many engines answer by their series: those that another modelwatch looks after.
fn without_fault(
    collector: &Collector,
    elsewhere: impl Fn() -> Result<Option<usize>, QueryError>,
) -> Result<Judgement, QueryError> {
    let engines = collector.engines();
    let up = engines.iter().filter(|engine| engine.state == EngineState::Up).count();
    let up = if up > 0 { up } else { elsewhere()?.unwrap_or(0) };
    if up > 0 {
        return Ok((Level::Ok, "verdict.healthy", vec![("engines".into(), up.to_string())]));
    }
    let has_looked = collector.has_discovered();
    let code = if has_looked { "verdict.no_engine" } else { "verdict.starting" };
    Ok((Level::Unknown, code, Vec::new()))
}

/// Whether time is up.
fn is_late(error: &QueryError) -> bool {
    matches!(error, QueryError::Select(SelectError::TimedOut))
}

fn worst(points: &[(Labels, f64)]) -> Option<(&Labels, f64)> {
    let largest = points.iter().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    Some((&largest.0, largest.1))
}

fn params(condition: &Condition, labels: &Labels, value: f64) -> Vec<(String, String)> {
    let mut params: Vec<(String, String)> =
        labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if !params.iter().any(|(name, _)| name == "model") {
        let name = labels.get("engine").unwrap_or_default();
        params.push(("model".into(), name.to_owned()));
    }
    if !condition.value_name.is_empty() {
        params.push((condition.value_name.into(), format!("{value:.0}")));
    }
    params
}

#[cfg(test)]
mod tests {
    use model::message::MESSAGES;
    use query::{Element, Sample, Stats, Value};

    use super::*;

    #[test]
    fn conditions_parse_and_have_texts() {
        assert!(Verdicts::new(UnixMs(0)).is_ok());
        for condition in CONDITIONS {
            let known = MESSAGES.iter().any(|message| message.code == condition.code);
            assert!(known, "{}", condition.code);
        }
    }

    #[test]
    fn what_could_not_be_asked_in_time_is_not_taken_for_well() {
        let verdicts = Verdicts::new(UnixMs(0)).unwrap();
        let output = |floats: Vec<(Labels, f64)>| {
            let element = |(labels, value)| Element { labels, sample: Sample::Float(value) };
            let value = Value::Vector(floats.into_iter().map(element).collect());
            let (warnings, infos, stats) = (Vec::new(), Vec::new(), Stats::default());
            Ok(Output { value, warnings, infos, stats })
        };
        let late = || Err(QueryError::Select(SelectError::TimedOut));
        let one = || vec![(Labels::from_pairs([("model", "a")]), 1.0)];
        let condition = |code: &str| {
            let found = verdicts.conditions.iter().find(|(condition, _)| condition.code == code);
            found.unwrap().1.clone()
        };
        let check = |evaluate: Evaluate<'_>, expected: Result<Option<&str>, QueryError>| {
            let found = verdicts.holding(evaluate);
            let found = found.map(|found| found.map(|(_, code, _)| code));
            assert_eq!(format!("{found:?}"), format!("{expected:?}"));
        };
        let (full, low) = (condition("verdict.kv_full"), condition("verdict.memory_low"));
        let is = |expr: &Expr, other: &Expr| expr.to_string() == other.to_string();
        check(&|_| output(Vec::new()), Ok(None));
        check(
            &|expr| output(if is(expr, &full) { one() } else { Vec::new() }),
            Ok(Some("verdict.kv_full")),
        );
        check(
            &|expr| if is(expr, &full) { late() } else { output(Vec::new()) },
            Err(QueryError::Select(SelectError::TimedOut)),
        );
        // What is worse than the one that is late is told; one that merely fails is passed over.
        check(
            &|expr| match expr {
                expr if is(expr, &low) => output(one()),
                expr if is(expr, &full) => late(),
                _ => Err(QueryError::Failed("no".into())),
            },
            Ok(Some("verdict.memory_low")),
        );
    }

    #[test]
    fn the_graver_is_told_and_of_equals_the_incident() {
        let one = |level, code| Some((level, code, Vec::new()));
        let check = |condition, incident, expected| {
            assert_eq!(graver(condition, incident).map(|(_, code, _)| code), expected);
        };
        check(None, None, None);
        check(one(Level::Warn, "c"), None, Some("c"));
        check(None, one(Level::Warn, "i"), Some("i"));
        check(one(Level::Warn, "c"), one(Level::Warn, "i"), Some("i"));
        check(one(Level::Warn, "c"), one(Level::Critical, "i"), Some("i"));
        check(one(Level::Critical, "c"), one(Level::Warn, "i"), Some("c"));
        check(one(Level::Critical, "c"), one(Level::Critical, "i"), Some("i"));
    }

    #[test]
    fn the_largest_value_is_told() {
        let points = [("a", 1.0), ("b", 3.0), ("c", f64::NEG_INFINITY)]
            .map(|(name, value)| (Labels::from_pairs([("model", name)]), value));
        let (labels, value) = worst(&points).unwrap();
        let told = params(&CONDITIONS[5], labels, value);
        assert_eq!(told, [("model".into(), "b".into()), ("waiting".into(), "3".into())]);
    }
}
