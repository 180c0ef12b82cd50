//! What may have caused what is seen at a moment: explicit rules over the stored series, and the series that
//! deviate most from what they usually are.
//!
//! A rule is a row of a table: a PromQL condition over the window around the moment, and the queries that show why
//! it holds. Nothing is learned and nothing is guessed: a rule holds or does not, and says by what. Its bias: what
//! is near in time is likely the cause, the more so the nearer it is to hardware and memory.

mod deviation;
mod rules;
#[cfg(test)]
mod tests;

pub(crate) use alert::baseline::Asked;
use alert::baseline::{is_over, matchers, shaped, without_name};
use model::{Labels, UnixMs, log::LogRecord};
use query::QueryError;

pub(crate) use deviation::{Deviation, deviations};
use rules::{EVENTS, RULES, Rule, Side};

/// What came before the window is what is usual, so far back.
const USUAL_MS: i64 = 3_600_000;
/// Evaluations of evidence in a window.
const STEPS: i64 = 60;

// What is asked of a metric: `$m` stands for its name, `$who` for what it is about.
const GAUGE: &str = "$m{$who}";
const RATE: &str = "rate($m{$who}[1m])";
const GROWTH: &str = "increase($m{$who}[2m])";
const CORE_CLOCK: &str = "$m{domain=\"core\",$who}";
const BUSY_SHARE: &str = "1 - avg by (instance, job) (rate($m{mode=\"idle\",$who}[1m]))";

/// The time that is asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) start: UnixMs,
    pub(crate) end: UnixMs,
}

impl Moment {
    /// Whole seconds, because PromQL's windows are given so.
    fn window_seconds(self) -> i64 {
        ((self.end.0 - self.start.0) / 1_000).max(1)
    }
}

/// What is found before the time is up.
#[derive(Debug)]
pub(crate) struct Found<T> {
    pub(crate) items: Vec<T>,
    /// Nothing was left out.
    pub(crate) is_whole: bool,
}

/// Something that likely plays a part.
#[derive(Debug, PartialEq)]
pub(crate) struct Cause {
    pub(crate) code: &'static str,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) evidence: Vec<Evidence>,
    /// What it is told from, where that is no series.
    pub(crate) event: Option<LogRecord>,
}

/// A query, what it is in the window, and what it usually is.
#[derive(Debug, PartialEq)]
pub(crate) struct Evidence {
    pub(crate) query: String,
    pub(crate) value: Option<f64>,
    pub(crate) usual: Option<f64>,
}

/// The rules that hold, most telling first, then the events that may explain something.
pub(crate) fn causes(asked: Asked<'_>, moment: Moment, events: &[LogRecord]) -> Found<Cause> {
    let mut found = Found { items: Vec::new(), is_whole: true };
    for rule in RULES {
        match rule.cause(asked, moment) {
            Ok(cause) => found.items.extend(cause),
            Err(error) => {
                found.is_whole = false;
                if is_over(&error) {
                    break;
                }
                tracing::warn!("rule {}: {error}", rule.code);
            }
        }
    }
    for (event_code, code) in EVENTS {
        // The one that is nearest to the end came last.
        let event = events.iter().find(|event| event.body == *event_code);
        found.items.extend(event.map(|event| Cause {
            code,
            params: event.attributes.clone(),
            evidence: Vec::new(),
            event: Some(event.clone()),
        }));
    }
    found
}

impl Rule {
    fn cause(&self, asked: Asked<'_>, moment: Moment) -> Result<Option<Cause>, QueryError> {
        let window = moment.window_seconds();
        let when = self.when.replace("$w", &format!("{window}s"));
        let holding = asked.floats(&when, moment.end)?;
        let worst = holding.iter().max_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs()));
        let Some((labels, value)) = worst else { return Ok(None) };
        let mut params: Vec<(String, String)> =
            labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        params.push(("value".into(), format!("{value:.0}")));
        params.push(("others".into(), (holding.len() - 1).to_string()));
        params.push(("who".into(), who(labels)));
        let mut evidence = Vec::new();
        for (metric, shape, side, names) in self.evidence {
            let query = shaped(shape, metric, &matchers(labels, names.iter().copied()));
            evidence.push(side.evidence(query, asked, moment)?);
        }
        Ok(Some(Cause { code: self.code, params, evidence, event: None }))
    }
}

/// What a series is about, in a word or two: `qwen3 (10.0.0.1:8000)`, `node-2/gpu3`, `sda`.
pub(crate) fn who(labels: &Labels) -> String {
    let get = |name: &str| labels.get(name).filter(|value| !value.is_empty());
    let place = get("host").or(get("instance"));
    let part = get("index").map(|index| format!("gpu{index}"));
    let part = part.or(get("device").map(str::to_owned));
    let model = if part.is_none() { get("model").or(get("engine")) } else { None };
    match (model, place, part) {
        (Some(model), Some(place), _) => format!("{model} ({place})"),
        (Some(model), None, _) => model.to_owned(),
        (None, Some(place), Some(part)) => format!("{place}/{part}"),
        (None, Some(place), None) => place.to_owned(),
        (None, None, Some(part)) => part,
        (None, None, None) => "localhost".to_owned(),
    }
}

impl Side {
    /// What a query is in the window and usually.
    fn evidence(
        self,
        query: String,
        asked: Asked<'_>,
        moment: Moment,
    ) -> Result<Evidence, QueryError> {
        let window = moment.window_seconds();
        let (function, step) = (self.function(), (window / STEPS).max(1));
        let inside =
            asked.floats(&format!("{function}(({query})[{window}s:{step}s])"), moment.end)?;
        let usual = format!("quantile_over_time(0.5, ({query})[{}s:30s])", USUAL_MS / 1_000);
        let usual = asked.floats(&usual, moment.start)?;
        let by_value = |a: &&(Labels, f64), b: &&(Labels, f64)| a.1.total_cmp(&b.1);
        let chosen = match self {
            Self::Least => inside.iter().min_by(by_value),
            Self::Most | Self::Mean => inside.iter().max_by(by_value),
        };
        let usual = chosen.and_then(|(labels, _)| {
            let is_same = |(other, _): &&(Labels, f64)| without_name(other) == without_name(labels);
            usual.iter().find(is_same).map(|(_, value)| *value)
        });
        Ok(Evidence { query, value: chosen.map(|(_, value)| *value), usual })
    }
}
