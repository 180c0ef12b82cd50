//! Which series are not as usual: a curated list of them, each measured by a robust score.
//!
//! The usual value is the median of the hour before the window, the spread that of [`Usual`]: never less than a floor
//! that each metric has, and 2 % of the usual value, so that a series which hardly ever moves is no sensation when it
//! does. The score is the distance of the window's most unusual value in spreads.

use std::collections::BTreeMap;

use alert::baseline::{Least, robust::Usual};
use model::{Labels, NAME, catalogue as metric, catalogue::Metric};
use query::{Grid, QueryError, Value};

use super::{
    Asked, BUSY_SHARE, CORE_CLOCK, Found, GAUGE, Moment, RATE, USUAL_MS, is_over, matchers, shaped,
    without_name,
};

/// Series of one metric that are looked at; further ones are left out and the answer is not whole.
const SERIES_MAX: usize = 500;
/// Values that make something usual.
const USUAL_VALUES_MIN: usize = 20;
/// Smaller scores are nothing.
const SCORE_MIN: f64 = 4.0;
/// The distance of the values that make something usual.
const USUAL_STEP_MS: i64 = 15_000;
/// Most evaluations in the window.
const STEPS_MAX: i64 = 300;
/// A spread is at least this share of what is usual.
const SHARE_MIN: f64 = 0.02;

/// A series that deviates.
#[derive(Debug, PartialEq)]
pub(crate) struct Deviation {
    pub(crate) labels: Labels,
    /// What shows it.
    pub(crate) query: String,
    pub(crate) value: f64,
    pub(crate) usual: f64,
    pub(crate) spread: f64,
    /// Below zero where the value is lower than usual.
    pub(crate) score: f64,
}

const P95: &str = "histogram_quantile(0.95, sum by (le, engine, model, instance, source) (rate($m_bucket{$who}[1m])))";
const TEMPERATURE: &str = "max by (host, index, uuid, vendor, model) ($m{$who})";
const NETWORK: &str = "rate($m{device!=\"lo\",$who}[1m])";

/// What is looked at, how, and the least spread of its values.
static WATCHED: &[(&Metric, &str, f64)] = &[
    (&metric::LLM_REQUESTS_RUNNING, GAUGE, 1.0),
    (&metric::LLM_REQUESTS_WAITING, GAUGE, 1.0),
    (&metric::LLM_KV_CACHE_USAGE_RATIO, GAUGE, 0.05),
    (&metric::LLM_PREEMPTIONS_TOTAL, RATE, 0.05),
    (&metric::LLM_GENERATION_TOKENS_TOTAL, RATE, 5.0),
    (&metric::LLM_PROMPT_TOKENS_TOTAL, RATE, 20.0),
    (&metric::LLM_PROMPT_TOKENS_CACHED_TOTAL, RATE, 20.0),
    (&metric::LLM_REQUESTS_FINISHED_TOTAL, RATE, 0.1),
    (&metric::LLM_REQUESTS_TOTAL, RATE, 0.1),
    (&metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS, P95, 0.05),
    (&metric::LLM_REQUEST_TIME_PER_OUTPUT_TOKEN_SECONDS, P95, 0.005),
    (&metric::LLM_INTER_TOKEN_LATENCY_SECONDS, P95, 0.005),
    (&metric::LLM_E2E_REQUEST_LATENCY_SECONDS, P95, 0.5),
    (&metric::LLM_REQUEST_QUEUE_TIME_SECONDS, P95, 0.05),
    (&metric::LLM_ENGINE_STALLED_SECONDS, GAUGE, 5.0),
    (&metric::LLM_ENGINE_UP, GAUGE, 0.2),
    (&metric::LLM_ENGINE_PROCESS_CPU_SECONDS_TOTAL, RATE, 0.2),
    (&metric::LLM_ENGINE_PROCESS_RESIDENT_BYTES, GAUGE, 256e6),
    (&metric::LLM_ENGINE_PROCESS_MAJOR_FAULTS_TOTAL, RATE, 5.0),
    (&metric::LLM_ENGINE_PROCESS_READ_BYTES_TOTAL, RATE, 5e6),
    (&metric::LLM_ACCEPT_QUEUE_CONNECTIONS, GAUGE, 1.0),
    (&metric::LLM_CONNECTIONS_AWAITING_FIRST_BYTE, GAUGE, 1.0),
    (&metric::LLM_CONNECTION_RETRANSMITS_TOTAL, RATE, 1.0),
    (&metric::LLM_CONNECTION_RTT_SECONDS, GAUGE, 0.005),
    (&metric::ACCELERATOR_UTILIZATION_RATIO, GAUGE, 0.05),
    (&metric::ACCELERATOR_MEMORY_USED_BYTES, GAUGE, 256e6),
    (&metric::ACCELERATOR_MEMORY_BANDWIDTH_UTILIZATION_RATIO, GAUGE, 0.05),
    (&metric::ACCELERATOR_POWER_WATTS, GAUGE, 10.0),
    (&metric::ACCELERATOR_TEMPERATURE_CELSIUS, TEMPERATURE, 3.0),
    (&metric::ACCELERATOR_CLOCK_HERTZ, CORE_CLOCK, 50e6),
    (&metric::ACCELERATOR_THROTTLE_SECONDS_TOTAL, RATE, 0.05),
    (&metric::ACCELERATOR_ERRORS_TOTAL, RATE, 0.01),
    (&metric::ACCELERATOR_LINK_RECEIVE_BYTES_TOTAL, RATE, 50e6),
    (&metric::ACCELERATOR_LINK_TRANSMIT_BYTES_TOTAL, RATE, 50e6),
    (&metric::NODE_CPU_SECONDS_TOTAL, BUSY_SHARE, 0.05),
    (&metric::NODE_LOAD1, GAUGE, 1.0),
    (&metric::NODE_PRESSURE_CPU_WAITING_SECONDS_TOTAL, RATE, 0.02),
    (&metric::NODE_PRESSURE_IO_WAITING_SECONDS_TOTAL, RATE, 0.02),
    (&metric::NODE_PRESSURE_MEMORY_WAITING_SECONDS_TOTAL, RATE, 0.02),
    (&metric::NODE_DISK_IO_TIME_SECONDS_TOTAL, RATE, 0.05),
    (&metric::NODE_DISK_READ_BYTES_TOTAL, RATE, 5e6),
    (&metric::NODE_DISK_WRITTEN_BYTES_TOTAL, RATE, 5e6),
    (&metric::NODE_NETWORK_RECEIVE_BYTES_TOTAL, NETWORK, 5e6),
    (&metric::NODE_NETWORK_TRANSMIT_BYTES_TOTAL, NETWORK, 5e6),
    (&metric::CONTAINER_CPU_CFS_THROTTLED_SECONDS_TOTAL, RATE, 0.05),
    (&metric::MODEL_PULL_BYTES_PER_SECOND, GAUGE, 1e6),
];

/// The `limit` series that deviate most, most unusual first.
pub(crate) fn deviations(asked: Asked<'_>, moment: Moment, limit: usize) -> Found<Deviation> {
    let mut found = Found { items: Vec::new(), is_whole: true };
    for watched in WATCHED {
        match of_metric(asked, moment, watched) {
            Ok(of_metric) => {
                found.items.extend(of_metric.items);
                found.is_whole &= of_metric.is_whole;
            }
            Err(error) => {
                found.is_whole = false;
                if is_over(&error) {
                    break;
                }
                tracing::warn!("deviations of {}: {error}", watched.0.name);
            }
        }
    }
    found.items.sort_by(|a, b| b.score.abs().total_cmp(&a.score.abs()));
    found.items.truncate(limit);
    found
}

fn of_metric(
    asked: Asked<'_>,
    moment: Moment,
    &(metric, shape, floor): &(&Metric, &str, f64),
) -> Result<Found<Deviation>, QueryError> {
    let query = |who: &str| shaped(shape, metric.name, who);
    let all = query("");
    let step_ms = ((moment.end.0 - moment.start.0) / STEPS_MAX).max(1_000);
    let inside = Grid { start: moment.start, end: moment.end, step_ms };
    let inside = series(asked.evaluate(&all, inside)?);
    let mut found = Found { items: Vec::new(), is_whole: inside.len() <= SERIES_MAX };
    if inside.is_empty() {
        return Ok(found);
    }
    let start = model::UnixMs(moment.start.0 - USUAL_MS);
    let before = Grid { start, end: moment.start, step_ms: USUAL_STEP_MS };
    let before = series(asked.evaluate(&all, before)?);
    for (labels, values) in inside.into_iter().take(SERIES_MAX) {
        let least = Least { count: USUAL_VALUES_MIN, spread: floor, share: SHARE_MIN };
        let Some(usual) = before.get(&labels).and_then(|values| Usual::of(values, least)) else {
            continue;
        };
        let Some(value) = most_unusual(usual, &values) else { continue };
        let score = usual.score(value);
        if score.abs() < SCORE_MIN {
            continue;
        }
        let own = without_name(&labels);
        let names: Vec<&str> = own.iter().map(|(name, _)| name).collect();
        let query = query(&matchers(&own, names));
        let mut named = labels.to_builder();
        named.set(NAME, metric.name);
        let Usual { median, spread } = usual;
        let labels = named.build();
        found.items.push(Deviation { labels, query, value, usual: median, spread, score });
    }
    Ok(found)
}

fn series(value: Value) -> BTreeMap<Labels, Vec<f64>> {
    let Value::Matrix(series) = value else { return BTreeMap::new() };
    series.into_iter().map(|series| (series.labels, series.values)).collect()
}

fn most_unusual(usual: Usual, values: &[f64]) -> Option<f64> {
    let distance = |value: &f64| usual.score(*value).abs();
    let known = values.iter().copied().filter(|value| value.is_finite());
    known.max_by(|a, b| distance(a).total_cmp(&distance(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_parses_with_and_without_who() {
        for (metric, shape, floor) in WATCHED {
            for who in ["", "a=\"b\",\"c.d\"=\"e\""] {
                let query = shaped(shape, metric.name, who);
                assert!(query::parse(&query).is_ok(), "{query}");
            }
            assert!(*floor > 0.0);
        }
    }
}
