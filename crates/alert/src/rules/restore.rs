//! Gives alerts the times back that they had before a restart, from the series that told of them.
//!
//! The time during which nothing was evaluated counts neither for nor against an alert.

use std::{collections::HashMap, time::Duration};

use model::{
    Labels, NAME, UnixMs,
    alert::ALERT_NAME,
    sample::is_stale,
    series::{Budget, Matcher, TimeRange},
};

use super::{
    Rule,
    evaluate::{ALERTS_FOR_STATE, Active, Context},
    millis,
};

/// An alert that was told of longer ago begins anew.
const OUTAGE_MAX: Duration = Duration::from_secs(3_600);

/// How long after the start alerts are given their times: what they are about may only just have been read.
const WINDOW: Duration = Duration::from_secs(120);

/// What a series tells of an alert: since when it had been active, and when that was said last.
#[derive(Debug)]
pub(super) struct Before {
    active_at: UnixMs,
    said_at: UnixMs,
}

/// Whether the alerts of a rule have their times back.
#[derive(Debug, Default)]
pub(super) enum Restoring {
    #[default]
    NotBegun,
    /// What is known of those that were not seen yet, and until when they are waited for.
    Waiting {
        until: UnixMs,
        before: HashMap<Labels, Before>,
    },
    Done,
}

impl Restoring {
    pub(super) fn clock_set_back(&mut self, by: Duration) {
        if let Self::Waiting { until, .. } = self {
            *until = *until - by;
        }
    }

    /// `alerts` are those whose condition holds at `at`.
    pub(super) fn restore(
        &mut self,
        rule: &Rule,
        holds_for: Duration,
        alerts: &mut [Active],
        at: UnixMs,
        context: &Context<'_>,
    ) -> Result<(), String> {
        if matches!(self, Self::NotBegun) {
            // Where this fails it is tried again: afterwards nobody would know.
            *self = Self::Waiting { until: at + WINDOW, before: before(rule, at, context)? };
        }
        let Self::Waiting { until, before } = self else { return Ok(()) };
        for alert in alerts {
            let Some(Before { active_at, said_at }) = before.remove(&alert.labels) else {
                continue;
            };
            let pending = said_at.0.saturating_sub(active_at.0);
            let hold = millis(holds_for);
            let outage = at.0.saturating_sub(said_at.0).max(0);
            // It had begun to fire: it goes on. Else it goes on waiting from where it was.
            let restored = if pending >= hold { active_at.0 } else { active_at.0 + outage };
            alert.active_at = UnixMs(restored.min(alert.active_at.0));
        }
        if before.is_empty() || at >= *until {
            *self = Self::Done;
        }
        Ok(())
    }
}

fn before(
    rule: &Rule,
    at: UnixMs,
    context: &Context<'_>,
) -> Result<HashMap<Labels, Before>, String> {
    let matchers =
        [Matcher::equal(NAME, ALERTS_FOR_STATE), Matcher::equal(ALERT_NAME, rule.name())];
    let range = TimeRange { start: at - OUTAGE_MAX, end: UnixMs(at.0 - 1) };
    let budget = Budget::new(context.clock.clone(), context.timeout, context.samples_max);
    let found = context.source.select(&matchers, range, &budget);
    let found = found.map_err(|error| format!("restoring the state of its alerts: {error}"))?;
    let newest = found.into_iter().filter_map(|series| {
        let mut points = series.times.iter().zip(&series.values);
        // An end is marked when an alert is over, not when the program ends.
        let (time, value) = points.next_back().filter(|(_, value)| !is_stale(**value))?;
        let before = Before { active_at: UnixMs((value * 1_000.0) as i64), said_at: UnixMs(*time) };
        Some((series.labels.keep(|name| name != NAME), before))
    });
    Ok(newest.collect())
}
