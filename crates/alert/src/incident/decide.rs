//! Who is told of an incident, and when.

use model::{
    Labels, UnixMs,
    alert::{Alert, Reason},
};

use super::{
    CLOSED_KEPT_MS, CLOSED_MAX, CLOSED_MEMBERS_MAX, Change, Changes, ENDED_MEMBERS_MAX,
    EXPIRED_KEPT_MS, Incidents, NOTIFIED_MAX, TIDY_MS, begin, counts, hours, is_flapping, rank,
    record::{Head, Incident, Member, OWED_MAX, Owed, Record, Repeat, State, Told},
    route::Route,
    severity, steady_at,
};

/// How often one incident may be decided on at one moment: what is due together is told together, and what follows
/// from it waits for the next moment.
const DECISIONS_MAX: usize = 3;

/// Alerts by their fingerprints, in the order in which they are told.
type Listed = Vec<(u64, Alert)>;

/// What is next for an incident.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Plan {
    at: UnixMs,
    /// Absent where it only has to be looked again.
    reason: Option<Reason>,
}

/// How the alerts of an incident stand.
#[derive(Debug, Default)]
struct Standing {
    /// Some fire of which channels are told.
    has_firing: bool,
    /// Nobody has acknowledged some of those.
    is_watched: bool,
    /// Of some of those no channel has been told.
    has_new: bool,
    /// Some have ended whose channels believe that they fire.
    has_ended: bool,
    /// When the first of those that flap counts as steady.
    steady_at: Option<UnixMs>,
}

impl Incidents {
    /// Does what is due.
    pub fn tick(&mut self, now: UnixMs) {
        let mut changes = Changes::new();
        self.expire(now, &mut changes);
        self.settle(changes, now);
        while let Some((at, id)) = self.queue.first().cloned() {
            if at > now {
                break;
            }
            self.decide(&id, now);
        }
        if now.0.saturating_sub(self.tidied.0) >= TIDY_MS {
            self.tidied = now;
            self.tidy(now);
        }
    }

    /// Brings incidents up to date with what happened to them, and looks who is muted where that may have changed.
    pub(super) fn settle(&mut self, mut changes: Changes, now: UnixMs) {
        if self.is_stale || now >= self.boundary {
            self.mute(now, &mut changes);
        }
        for (id, change) in changes {
            self.reckon(&id, &change, now);
        }
    }

    /// Reckons what an incident is from its alerts, and plans what is next for it.
    pub(super) fn reckon(&mut self, id: &str, change: &Change, now: UnixMs) {
        let Some(incident) = self.kept.incidents.get(id) else { return };
        let before = incident.head.clone();
        let mut head = before.clone();
        head.alerts_total += change.new_members;
        head.is_flapping =
            incident.members.values().any(|it| !it.is_dismissed && is_flapping(it, now));
        if change.is_reopened {
            head.acknowledged_by = None;
        }
        head.state = self.state(incident, &head, now);
        head.name = begin::name(incident);
        let worst =
            incident.members.values().filter(|it| counts(it, now)).map(|it| severity(&it.labels));
        if let Some(worst) = worst.min_by_key(|severity| rank(severity)) {
            worst.clone_into(&mut head.severity);
        }
        let ended = incident.members.values().filter_map(|member| member.ends).max();
        head.resolved = match head.state {
            State::Resolved => before.resolved.or(Some(ended.unwrap_or(now.0).min(now.0))),
            _ => None,
        };
        if head.state == State::Resolved {
            head.acknowledged_by = None;
        }
        if change.is_reopened || outgrows(&before, &head) {
            head.escalated = None;
            head.told = head.told.map(|told| Told { first: now.0, ..told });
        }
        if head != before || change.joined + change.ended > 0 {
            head.updated = now.0;
            self.note(Record::Incident { head: head.clone() });
        }
        self.tell_of(&before, &head, change, now);
        let plan = self.kept.incidents.get(id).and_then(|incident| self.plan(incident, now));
        self.set_due(id, plan.map(|plan| plan.at));
    }

    /// Enters into the timeline what happened.
    fn tell_of(&mut self, before: &Head, head: &Head, change: &Change, now: UnixMs) {
        let id = &head.id;
        let (joined, ended) = (change.joined.to_string(), change.ended.to_string());
        // Else a timeline would be full of it.
        let flaps_on = before.is_flapping && head.is_flapping;
        let mut tell = |code: &str, params: &[(&str, &str)]| self.entry(id, now, code, params);
        if change.is_new {
            tell("incident.fired", &[("name", &head.name), ("count", &joined)]);
        } else if change.is_reopened {
            tell("incident.reopened", &[("count", &joined)]);
        } else if change.joined > 0 && !flaps_on {
            tell("incident.joined", &[("count", &joined)]);
        }
        if change.ended > 0 && head.state != State::Resolved && !flaps_on {
            tell("incident.left", &[("count", &ended)]);
        }
        if let Some(author) = head.acknowledged_by.as_deref().filter(|_| outgrows(before, head)) {
            tell("incident.outgrown", &[("author", author)]);
        }
        match (before.is_flapping, head.is_flapping) {
            (false, true) => tell("incident.flapping", &[]),
            (true, false) => tell("incident.steady", &[]),
            _ => {}
        }
        if before.state != head.state {
            match head.state {
                State::Silenced => tell("incident.silenced", &[]),
                State::Inhibited => tell("incident.inhibited", &[]),
                State::Maintenance => tell("incident.maintenance", &[]),
                State::Resolved => tell("incident.resolved", &[]),
                State::Firing if is_muted(before.state) => tell("incident.unmuted", &[]),
                State::Firing | State::Acknowledged => {}
            }
        }
        if before.state != head.state || change.is_new {
            let time = match head.resolved {
                Some(resolved) => resolved,
                None if change.is_new => head.started,
                None => now.0,
            };
            self.note(Record::State { id: id.clone(), time, state: head.state });
        }
    }

    fn state(&self, incident: &Incident, head: &Head, now: UnixMs) -> State {
        let mut muted = None;
        let mut has_acknowledged = false;
        for (print, member) in incident.members.iter().filter(|(_, member)| counts(member, now)) {
            if is_acknowledged(head, member) {
                has_acknowledged = true;
                continue;
            }
            match self.muted(*print, member, now).state() {
                State::Firing => return State::Firing,
                state => muted = Some(gravest(muted, state)),
            }
        }
        let acknowledged = has_acknowledged.then_some(State::Acknowledged);
        acknowledged.or(muted).unwrap_or(State::Resolved)
    }

    fn standing(&self, incident: &Incident, now: UnixMs) -> Standing {
        let mut standing = Standing::default();
        for (print, member) in &incident.members {
            if counts(member, now) {
                let is_told = !self.muted(*print, member, now).is_any();
                standing.has_firing |= is_told;
                standing.is_watched |= is_told && !is_acknowledged(&incident.head, member);
                standing.has_new |= is_told && member.told_firing != Some(true);
            } else {
                standing.has_ended |= member.told_firing == Some(true);
            }
            if !member.is_dismissed && is_flapping(member, now) {
                let at = steady_at(member);
                standing.steady_at = match (standing.steady_at, at) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
            }
        }
        standing
    }

    /// What is next. What is past is due now.
    fn plan(&self, incident: &Incident, now: UnixMs) -> Option<Plan> {
        let (head, route) = (&incident.head, self.settings.routes.named(&incident.head.route));
        let standing = self.standing(incident, now);
        let mut plans = Vec::new();
        let mut add = |since: i64, after: std::time::Duration, reason| {
            // A time that is to come is that of a clock that was put back.
            plans.push(Plan { at: UnixMs(since.min(now.0)) + after, reason: Some(reason) });
        };
        match head.told {
            _ if route.channels.is_empty() => {}
            None if standing.has_firing => add(head.started, route.group_wait, Reason::First),
            None => {}
            Some(told) if standing.has_new || standing.has_ended => {
                let reason = if standing.has_firing { Reason::Changed } else { Reason::Resolved };
                add(told.last, route.group_interval, reason);
            }
            Some(told) if standing.is_watched && !route.repeat_interval.is_zero() => {
                add(told.last, route.repeat_interval, Reason::Repeat);
            }
            Some(_) => {}
        }
        let escalates = standing.is_watched
            && head.escalated.is_none()
            && !route.escalate_after.is_zero()
            && !route.escalate_to.is_empty();
        if escalates {
            let since = head.told.map_or(head.started, |told| told.first);
            add(since, route.escalate_after, Reason::Escalated);
        }
        if route.is_quiet(now) {
            for plan in &mut plans {
                plan.at = plan.at.max(hours::next_minute(now));
            }
        }
        plans.extend(standing.steady_at.map(|at| Plan { at, reason: None }));
        plans.into_iter().min_by_key(|plan| plan.at)
    }

    /// Tells what is due of one incident, and plans what comes after.
    fn decide(&mut self, id: &str, now: UnixMs) {
        self.reckon(id, &Change::default(), now);
        for _ in 0..DECISIONS_MAX {
            let plan = self.kept.incidents.get(id).and_then(|incident| self.plan(incident, now));
            match plan {
                Some(Plan { at, reason: Some(reason) }) if at <= now => self.tell(id, reason, now),
                _ => break,
            }
        }
        let plan = self.kept.incidents.get(id).and_then(|incident| self.plan(incident, now));
        // Strictly later, so that the same moment has an end.
        let at = plan.map(|plan| plan.at.max(UnixMs(now.0.saturating_add(1))));
        self.set_due(id, at);
    }

    /// Owes every channel of an incident a notification.
    fn tell(&mut self, id: &str, reason: Reason, now: UnixMs) {
        let Some(incident) = self.kept.incidents.get(id) else { return };
        let route = self.settings.routes.named(&incident.head.route);
        let mut head = incident.head.clone();
        let is_escalation = reason == Reason::Escalated;
        let told = head.told.unwrap_or(Told { first: now.0, last: now.0, count: 0 });
        let count = told.count + 1;
        let (firing, ended) = self.to_tell(incident, is_escalation, now);
        let channels = channels(route, is_escalation, head.escalated.is_some());
        let draft = self.draft(incident, route, reason, (&firing, &ended), now);
        let owed: Vec<Owed> = channels
            .iter()
            .map(|channel| Owed {
                key: format!("{id}-{count}-{channel}"),
                channel: channel.clone(),
                ..draft.clone()
            })
            .collect();
        if is_escalation {
            // Who is told otherwise is not told by this, so that what is new stays new.
            head.escalated = Some(now.0);
            head.told = head.told.map(|told| Told { count, ..told });
            self.entry(id, now, "incident.escalated", &[("channel", &channels.join(", "))]);
        } else {
            head.told = Some(Told { last: now.0, count, ..told });
            let prints = |alerts: &[(u64, Alert)]| alerts.iter().map(|(print, _)| *print).collect();
            let (firing, ended) = (prints(&firing), prints(&ended));
            self.note(Record::Told { id: id.to_owned(), firing, ended });
        }
        self.note(Record::Incident { head });
        for owed in owed {
            let code = format!("incident.notified_{}", reason.as_str());
            self.entry(id, now, &code, &[("channel", owed.channel.as_str())]);
            self.make_room(now);
            self.note(Record::Owed { owed });
        }
    }

    /// Where too many notifications wait, the oldest is not told any more, which its incident says.
    fn make_room(&mut self, now: UnixMs) {
        while self.kept.owed.len() >= OWED_MAX {
            let Some(oldest) = self.kept.owed.front() else { return };
            let (id, channel, key) =
                (oldest.incident.clone(), oldest.channel.clone(), oldest.key.clone());
            self.entry(&id, now, "incident.not_told", &[("channel", &channel)]);
            self.note(Record::Paid { key });
        }
    }

    /// The alerts of a notification: those that fire, and those that have ended since channels were told.
    fn to_tell(&self, incident: &Incident, is_escalation: bool, now: UnixMs) -> (Listed, Listed) {
        let (mut firing, mut ended) = (Vec::new(), Vec::new());
        for (print, member) in &incident.members {
            if counts(member, now) {
                if !self.muted(*print, member, now).is_any() {
                    firing.push((*print, self.alert(*print, member)));
                }
            } else if member.told_firing == Some(true) && !is_escalation {
                let mut alert = self.alert(*print, member);
                alert.ends_at = UnixMs(member.ends.unwrap_or(now.0).min(now.0));
                ended.push((*print, alert));
            }
        }
        for alerts in [&mut firing, &mut ended] {
            alerts.sort_by(|(_, a), (_, b)| a.labels.cmp(&b.labels));
        }
        (firing, ended)
    }

    /// A member as it was told last.
    pub(super) fn alert(&self, print: u64, member: &Member) -> Alert {
        let live = self.live.get(&print).filter(|_| member.ends.is_none());
        live.map_or_else(|| member.alert(), |live| live.alert.clone())
    }

    fn draft(
        &self,
        incident: &Incident,
        route: &Route,
        reason: Reason,
        (firing, ended): (&Listed, &Listed),
        now: UnixMs,
    ) -> Owed {
        let all = || firing.iter().chain(ended).map(|(_, alert)| alert);
        let of = if firing.is_empty() { ended } else { firing };
        let worst = of.iter().map(|(_, it)| severity(&it.labels)).min_by_key(|it| rank(it));
        let shown = firing.iter().map(|it| (it, true)).chain(ended.iter().map(|it| (it, false)));
        let shown = shown.take(NOTIFIED_MAX).map(|((_, alert), is_firing)| {
            let ends = (!is_firing).then_some(alert.ends_at.0);
            (Member { ends, ..Member::new(alert) }, is_firing)
        });
        let total = firing.len() + ended.len();
        let url = match &self.settings.page_url {
            base if base.is_empty() => String::new(),
            base => {
                let (base, head) = (base.trim_end_matches('/'), &incident.head);
                format!("{base}/#/alerts?incident={}&at={}", head.id, head.started)
            }
        };
        Owed {
            key: String::new(),
            incident: incident.head.id.clone(),
            channel: String::new(),
            group_key: route.group_key(&incident.head.group_labels),
            reason: reason.as_str().to_owned(),
            time: now.0,
            severity: worst.unwrap_or("warning").to_owned(),
            group_labels: owned(incident.head.group_labels.iter()),
            common_labels: common(all().map(|alert| owned(alert.labels.iter()))),
            common_annotations: common(all().map(|alert| {
                let mut annotations = alert.annotations.clone();
                annotations.sort_unstable();
                annotations
            })),
            alerts: shown.collect(),
            truncated: total.saturating_sub(NOTIFIED_MAX) as u64,
            url,
        }
    }

    /// Forgets what is too old or too much.
    fn tidy(&mut self, now: UnixMs) {
        let over = |ends: i64, kept: i64| now.0.saturating_sub(ends) > kept;
        let silences = self.kept.silences.values().filter(|it| over(it.ends, EXPIRED_KEPT_MS));
        let mut records: Vec<Record> =
            silences.map(|it| Record::SilenceForgotten { id: it.id.clone() }).collect();
        let windows = self.kept.windows.values();
        let windows =
            windows.filter(|it| it.repeat == Repeat::None && over(it.end, CLOSED_KEPT_MS));
        records.extend(windows.map(|it| Record::WindowForgotten { id: it.id.clone() }));
        let mut closed: Vec<(i64, &Incident)> = Vec::new();
        for incident in self.kept.incidents.values() {
            let id = || incident.head.id.clone();
            let forget = |print: &u64| Record::MemberForgotten { id: id(), fingerprint: *print };
            let is_done =
                |member: &Member| member.ends.is_some() && member.told_firing != Some(true);
            match incident.head.resolved {
                Some(at) if !self.due.contains_key(&incident.head.id) => {
                    closed.push((at, incident));
                    let members = incident.members.iter().filter(|(_, it)| it.ends.is_some());
                    records
                        .extend(members.skip(CLOSED_MEMBERS_MAX).map(|(print, _)| forget(print)));
                }
                _ => {
                    let mut members: Vec<_> =
                        incident.members.iter().filter(|(_, it)| is_done(it)).collect();
                    members.sort_by_key(|(_, member)| std::cmp::Reverse(member.ends));
                    let surplus = members.iter().skip(ENDED_MEMBERS_MAX);
                    records.extend(surplus.map(|(print, _)| forget(print)));
                }
            }
        }
        closed.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (place, (at, incident)) in closed.iter().enumerate() {
            let is_live = incident.members.values().any(|member| member.ends.is_none());
            if (place >= CLOSED_MAX || over(*at, CLOSED_KEPT_MS)) && !is_live {
                records.push(Record::IncidentForgotten { id: incident.head.id.clone() });
            }
        }
        let is_changed = !records.is_empty();
        records.into_iter().for_each(|record| self.note(record));
        if is_changed {
            self.latest.retain(|_, id| self.kept.incidents.contains_key(id));
            self.match_anew();
        }
    }
}

/// Whether somebody takes care of an alert that fires.
fn is_acknowledged(head: &Head, member: &Member) -> bool {
    head.acknowledged_by.is_some() && !member.is_unacknowledged
}

/// Whether an incident that somebody had acknowledged has become more than that somebody knew of.
fn outgrows(before: &Head, head: &Head) -> bool {
    let is_acknowledged = head.acknowledged_by.is_some();
    before.state == State::Acknowledged && head.state == State::Firing && is_acknowledged
}

fn is_muted(state: State) -> bool {
    matches!(state, State::Silenced | State::Inhibited | State::Maintenance)
}

/// Of several reasons for silence the one that says most.
fn gravest(one: Option<State>, other: State) -> State {
    let weight = |state: State| match state {
        State::Maintenance => 3,
        State::Silenced => 2,
        State::Inhibited => 1,
        _ => 0,
    };
    one.filter(|one| weight(*one) >= weight(other)).unwrap_or(other)
}

/// Whom a notification is for, each once.
fn channels(route: &Route, is_escalation: bool, is_escalated: bool) -> Vec<String> {
    let own = route.channels.iter().filter(|_| !is_escalation);
    let more = route.escalate_to.iter().filter(|_| is_escalation || is_escalated);
    let mut channels: Vec<String> = Vec::new();
    for channel in own.chain(more) {
        if !channels.contains(channel) {
            channels.push(channel.clone());
        }
    }
    channels
}

fn owned<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The pairs that all have.
fn common(mut all: impl Iterator<Item = Vec<(String, String)>>) -> Vec<(String, String)> {
    let mut shared = all.next().unwrap_or_default();
    for pairs in all {
        shared.retain(|pair| pairs.contains(pair));
    }
    shared
}

/// For views: the labels that all alerts have.
pub(super) fn common_labels<'a>(mut all: impl Iterator<Item = &'a Labels>) -> Labels {
    let Some(first) = all.next() else { return Labels::empty() };
    let mut shared = owned(first.iter());
    for labels in all {
        shared.retain(|(name, value)| labels.get(name) == Some(value));
    }
    Labels::from_pairs(shared)
}
