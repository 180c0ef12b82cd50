//! What an alerting rule would have done in the past.
//!
//! The expression is asked for over the whole time at once; what other rules would have written is there only where
//! they were evaluated at that time.

use std::time::Duration;

use model::{Labels, NAME, UnixMs, series::Budget};
use query::{Grid, Series, Value};

use super::{Context, Kind, Rule, millis};

/// From and to; without an end where it went on at the end of the time.
pub type Span = (UnixMs, Option<UnixMs>);

/// One alert in the past.
#[derive(Clone, Debug, PartialEq)]
pub struct Previewed {
    /// Of the series, without the rule's own.
    pub labels: Labels,
    /// When it would have fired.
    pub firing: Vec<Span>,
    /// When its condition held for too short a time.
    pub pending: Vec<Span>,
}

/// What `rule` would have done at the times of `grid`. Alerts that fired come first, those that fired most often
/// before others; an alert whose condition never held is not among them. A recording rule gives nothing.
pub fn preview(rule: &Rule, grid: Grid, context: &Context<'_>) -> Result<Vec<Previewed>, String> {
    let Kind::Alerting { holds_for, keeps_firing_for, .. } = &rule.kind else {
        return Ok(Vec::new());
    };
    let budget = Budget::new(context.clock.clone(), context.timeout, context.samples_max);
    let output = query::evaluate(&rule.expr, context.source, grid, context.settings, &budget)
        .map_err(|error| error.to_string())?;
    let Value::Matrix(series) = output.value else {
        return Err("rule result is not a vector or scalar".into());
    };
    let course = Course {
        step_ms: grid.step_ms.max(1),
        end: grid.end,
        holds_for: *holds_for,
        keeps_firing_for: *keeps_firing_for,
    };
    let mut found: Vec<Previewed> = series.iter().map(|series| course.of(series)).collect();
    found.sort_by(|a, b| {
        let fired = b.firing.len().cmp(&a.firing.len());
        fired.then_with(|| a.labels.cmp(&b.labels))
    });
    Ok(found)
}

struct Course {
    step_ms: i64,
    end: UnixMs,
    holds_for: Duration,
    keeps_firing_for: Duration,
}

impl Course {
    fn of(&self, series: &Series) -> Previewed {
        let mut found = Previewed {
            labels: series.labels.keep(|name| name != NAME),
            firing: Vec::new(),
            pending: Vec::new(),
        };
        let histograms = series.histograms.iter().map(|(time, _)| *time);
        let mut times: Vec<i64> = series.times.iter().copied().chain(histograms).collect();
        times.sort_unstable();
        let mut times = times.into_iter().peekable();
        let (hold, keep) = (millis(self.holds_for), millis(self.keeps_firing_for));
        while let Some(start) = times.next() {
            // The condition goes on as long as no step is missing, or as long as firing is kept without it.
            let mut last = start;
            let fires = |last: i64| last.saturating_sub(start) >= hold;
            while let Some(next) = times.peek() {
                let gap = next - last - self.step_ms;
                let is_bridged = fires(last) && gap < keep;
                if gap > 0 && !is_bridged {
                    break;
                }
                last = *next;
                times.next();
            }
            let kept = if fires(last) { keep } else { 0 };
            let end = last.saturating_add(self.step_ms).saturating_add(kept);
            let end = (end <= self.end.0).then_some(UnixMs(end));
            if fires(last) {
                found.firing.push((UnixMs(start.saturating_add(hold)), end));
            } else {
                found.pending.push((UnixMs(start), end));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn courses() {
        let check =
            |hold: u64, keep: u64, steps: &[i64], firing: &[(i64, i64)], pending: &[(i64, i64)]| {
                let course = Course {
                    step_ms: 1_000,
                    end: UnixMs(20_000),
                    holds_for: Duration::from_secs(hold),
                    keeps_firing_for: Duration::from_secs(keep),
                };
                let times: Vec<i64> = steps.iter().map(|step| step * 1_000).collect();
                let values = vec![1.0; times.len()];
                let found = course.of(&Series { times, values, ..Series::default() });
                let seconds = |spans: &[Span]| -> Vec<(i64, i64)> {
                    let end = |end: Option<UnixMs>| end.map_or(-1, |end| end.0 / 1_000);
                    spans.iter().map(|(start, to)| (start.0 / 1_000, end(*to))).collect()
                };
                assert_eq!(seconds(&found.firing), firing, "{steps:?}");
                assert_eq!(seconds(&found.pending), pending, "{steps:?}");
            };
        check(0, 0, &[], &[], &[]);
        check(0, 0, &[3, 4, 9], &[(3, 5), (9, 10)], &[]);
        check(2, 0, &[3, 4, 9, 10, 11, 12], &[(11, 13)], &[(3, 5)]);
        // Without an end where it goes on.
        check(0, 0, &[19, 20], &[(19, -1)], &[]);
        check(5, 0, &[19, 20], &[], &[(19, -1)]);
        // Kept firing over a gap that is short enough.
        check(0, 3, &[3, 6, 12], &[(3, 10), (12, 16)], &[]);
        check(1, 3, &[3, 6, 7], &[(7, 11)], &[(3, 4)]);
    }
}
