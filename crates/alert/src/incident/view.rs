//! Incidents, alerts and windows as they are shown.

use std::collections::BTreeMap;

use model::{Labels, UnixMs, alert::Alert, series::Matcher};
use serde::Serialize;

use super::{
    Incidents, Muted, counts, decide,
    record::{Entry, Head, Incident, Note, State, Window},
};

/// Most alerts of an incident in an answer.
pub const ALERTS_SHOWN_MAX: usize = 1_000;

type Texts = BTreeMap<String, String>;

/// An incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IncidentView {
    pub id: String,
    pub state: State,
    pub severity: String,
    pub name: String,
    pub started: i64,
    pub updated: i64,
    pub resolved: Option<i64>,
    pub group_labels: Texts,
    pub common_labels: Texts,
    /// Those that all of its alerts have, as `NAME` and `NAME_zh`.
    pub annotations: Texts,
    /// Firing first, newest first; [`ALERTS_SHOWN_MAX`] at most.
    pub alerts: Vec<AlertView>,
    /// All that ever belonged to it.
    pub alerts_total: u64,
    pub route: String,
    pub channels: Vec<String>,
    pub acknowledged_by: Option<String>,
    pub assignee: Option<String>,
    pub is_flapping: bool,
    pub notes: Vec<Note>,
    pub timeline: Vec<Entry>,
}

/// An alert of an incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertView {
    pub fingerprint: String,
    pub labels: Texts,
    pub annotations: Texts,
    pub starts: i64,
    pub ends: Option<i64>,
    pub state: &'static str,
    pub value: Option<f64>,
    pub generator_url: String,
    pub silenced_by: Vec<String>,
    pub inhibited_by: Vec<String>,
}

/// How a group was over some time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lane {
    pub name: String,
    pub labels: Texts,
    pub severity: String,
    /// Beginning, end unless it goes on, and `firing`, `silenced` or `acknowledged`.
    pub spans: Vec<(i64, Option<i64>, &'static str)>,
}

/// An alert that fires, for Alertmanager's API.
#[derive(Clone, Debug)]
pub struct Firing<'a> {
    pub fingerprint: u64,
    pub alert: &'a Alert,
    pub updated: UnixMs,
    pub muted: &'a Muted,
    /// The incidents that it belongs to.
    pub incidents: &'a [String],
}

impl Incidents {
    /// One incident.
    pub fn view(&self, id: &str, now: UnixMs) -> Option<IncidentView> {
        self.kept.incidents.get(id).map(|incident| self.view_of(incident, ALERTS_SHOWN_MAX, now))
    }

    /// Incidents of a time in the order of their beginnings, newest first; the closed only if they are wanted. Of
    /// each at most `alerts_max` alerts. `after` is the last of the page before. With whether there are more.
    pub fn list(
        &self,
        wanted: &Wanted<'_>,
        limit: usize,
        alerts_max: usize,
        now: UnixMs,
    ) -> (Vec<IncidentView>, bool) {
        let mut found: Vec<&Incident> =
            self.kept.incidents.values().filter(|incident| wanted.is(incident)).collect();
        let key = |incident: &Incident| {
            (std::cmp::Reverse(incident.head.started), incident.head.id.clone())
        };
        found.sort_by_cached_key(|incident| key(incident));
        let skip = match &wanted.after {
            Some((started, id)) => {
                let last = (std::cmp::Reverse(*started), id.clone());
                found.partition_point(|incident| key(incident) <= last)
            }
            None => 0,
        };
        let rest = found.get(skip..).unwrap_or_default();
        let shown = rest.iter().take(limit).map(|incident| self.view_of(incident, alerts_max, now));
        (shown.collect(), rest.len() > limit)
    }

    fn view_of(&self, incident: &Incident, alerts_max: usize, now: UnixMs) -> IncidentView {
        let head = &incident.head;
        let route = self.settings.routes.named(&head.route);
        let mut members: Vec<_> = incident.members.iter().collect();
        members.sort_by_key(|(_, member)| (!member.is_firing(), std::cmp::Reverse(member.starts)));
        // What all have is asked of those that fire, or of all where none does.
        let firing = members.iter().filter(|(_, member)| counts(member, now));
        let mut asked: Vec<&(&u64, &super::record::Member)> = firing.collect();
        if asked.is_empty() {
            asked = members.iter().collect();
        }
        let common = decide::common_labels(asked.iter().map(|(_, member)| &member.labels));
        let mut annotations: Option<Vec<(String, String)>> = None;
        for (print, member) in &asked {
            let own = self.live.get(*print).map_or(&member.annotations, |it| &it.alert.annotations);
            match &mut annotations {
                None => annotations = Some(own.clone()),
                Some(shared) => shared.retain(|pair| own.contains(pair)),
            }
        }
        let alerts = members.iter().take(alerts_max);
        let alerts = alerts.map(|(print, member)| self.alert_view(**print, member, now)).collect();
        IncidentView {
            id: head.id.clone(),
            state: head.state,
            severity: head.severity.clone(),
            name: head.name.clone(),
            started: head.started,
            updated: head.updated,
            resolved: head.resolved,
            group_labels: texts(&head.group_labels),
            common_labels: texts(&common),
            annotations: annotations.unwrap_or_default().into_iter().collect(),
            alerts,
            alerts_total: head.alerts_total,
            route: route.name.clone(),
            channels: route.channels.clone(),
            acknowledged_by: head.acknowledged_by.clone(),
            assignee: head.assignee.clone(),
            is_flapping: head.is_flapping,
            notes: incident.notes.clone(),
            timeline: incident.timeline.iter().cloned().collect(),
        }
    }

    fn alert_view(&self, print: u64, member: &super::record::Member, now: UnixMs) -> AlertView {
        let alert = self.alert(print, member);
        let muted =
            if member.is_firing() { self.muted(print, member, now) } else { Muted::default() };
        let state =
            if member.is_firing() { muted.state().as_str() } else { State::Resolved.as_str() };
        AlertView {
            fingerprint: format!("{print:016x}"),
            labels: texts(&alert.labels),
            annotations: alert.annotations.iter().cloned().collect(),
            starts: member.starts,
            ends: member.ends,
            state,
            value: alert.value.filter(|value| value.is_finite()),
            generator_url: alert.generator_url,
            silenced_by: muted.silenced_by,
            inhibited_by: muted.inhibited_by.iter().map(|print| format!("{print:016x}")).collect(),
        }
    }

    /// What is known of each incident beside its alerts and what happened to it.
    pub fn heads(&self) -> impl Iterator<Item = &Head> {
        self.kept.incidents.values().map(|incident| &incident.head)
    }

    /// Groups that fired within a time, newest first, and how many more there are than `limit`.
    pub fn history(&self, start: UnixMs, end: UnixMs, limit: usize) -> (Vec<Lane>, usize) {
        let mut lanes: BTreeMap<(String, String), (i64, Lane)> = BTreeMap::new();
        for incident in self.kept.incidents.values() {
            let head = &incident.head;
            if head.started > end.0 || head.resolved.is_some_and(|at| at < start.0) {
                continue;
            }
            let lane = Lane {
                name: head.name.clone(),
                labels: texts(&head.group_labels),
                severity: head.severity.clone(),
                spans: Vec::new(),
            };
            let key = (head.route.clone(), head.group_key.clone());
            let (newest, lane) = lanes.entry(key).or_insert((head.started, lane));
            if head.started >= *newest {
                *newest = head.started;
                (lane.name, lane.severity) = (head.name.clone(), head.severity.clone());
            }
            lane.spans.extend(spans(incident, start, end));
        }
        let mut lanes: Vec<(i64, Lane)> = lanes.into_values().collect();
        lanes.sort_by_key(|(newest, _)| std::cmp::Reverse(*newest));
        let omitted = lanes.len().saturating_sub(limit);
        lanes.truncate(limit);
        let mut lanes: Vec<Lane> = lanes.into_iter().map(|(_, lane)| lane).collect();
        lanes.iter_mut().for_each(|lane| lane.spans.sort_by_key(|(start, ..)| *start));
        (lanes, omitted)
    }

    /// All alerts that fire and that nobody said are over, by their labels.
    pub fn firing(&self) -> Vec<Firing<'_>> {
        let shown = self.live.iter().filter(|(print, live)| {
            live.incidents.iter().any(|id| {
                let incident = self.kept.incidents.get(id);
                incident.and_then(|it| it.members.get(*print)).is_some_and(|it| !it.is_dismissed)
            })
        });
        let mut firing: Vec<Firing<'_>> = shown
            .map(|(print, live)| Firing {
                fingerprint: *print,
                alert: &live.alert,
                updated: live.updated,
                muted: &live.muted,
                incidents: &live.incidents,
            })
            .collect();
        firing.sort_by(|a, b| a.alert.labels.cmp(&b.alert.labels));
        firing
    }

    /// The windows, with whether they are of the configuration and whether they are open.
    pub fn windows_view(&self, now: UnixMs) -> Vec<(&Window, bool, bool)> {
        let configured = self.settings.windows.iter().map(|window| (window, true));
        let made = self.kept.windows.values().map(|window| (window, false));
        let all = configured.chain(made);
        all.map(|(window, is_configured)| (window, is_configured, self.is_open(window, now)))
            .collect()
    }

    /// How many incidents that are not over there are, by state and severity.
    pub fn counts(&self) -> BTreeMap<(State, String), usize> {
        let mut counts = BTreeMap::new();
        let open = self.kept.incidents.values().filter(|it| it.head.state != State::Resolved);
        for incident in open {
            *counts.entry((incident.head.state, incident.head.severity.clone())).or_insert(0) += 1;
        }
        counts
    }

    /// How many alerts fire.
    pub fn firing_total(&self) -> usize {
        self.live.len()
    }
}

/// Which incidents are asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    pub is_open_only: bool,
    pub start: Option<UnixMs>,
    pub end: Option<UnixMs>,
    /// One of its alerts must match all.
    pub matchers: &'a [Matcher],
    /// Beginning and identifier of the last one that was shown.
    pub after: Option<(i64, String)>,
}

impl Wanted<'_> {
    fn is(&self, incident: &Incident) -> bool {
        let head = &incident.head;
        let is_within = self.end.is_none_or(|end| head.started <= end.0)
            && self.start.is_none_or(|start| head.resolved.is_none_or(|at| at >= start.0));
        let is_wanted = !self.is_open_only || head.state != State::Resolved;
        let matches = |labels: &Labels| Matcher::all_match(self.matchers, labels);
        is_within
            && is_wanted
            && (self.matchers.is_empty() || incident.members.values().any(|it| matches(&it.labels)))
    }
}

fn texts(labels: &Labels) -> Texts {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The spans of an incident within a time.
fn spans(incident: &Incident, start: UnixMs, end: UnixMs) -> Vec<(i64, Option<i64>, &'static str)> {
    let mut spans: Vec<(i64, Option<i64>, &'static str)> = Vec::new();
    let mut states = incident.states.iter().peekable();
    while let Some((from, state)) = states.next() {
        let to = states.peek().map(|(at, _)| *at).or(incident.head.resolved);
        let word = match state {
            State::Resolved => continue,
            State::Firing => "firing",
            State::Acknowledged => "acknowledged",
            State::Silenced | State::Inhibited | State::Maintenance => "silenced",
        };
        match spans.last_mut() {
            Some(last) if last.1 == Some(*from) && last.2 == word => last.1 = to,
            _ => spans.push((*from, to, word)),
        }
    }
    spans.retain(|(from, to, _)| *from <= end.0 && to.is_none_or(|to| to >= start.0));
    spans
}
