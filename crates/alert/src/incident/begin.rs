//! How alerts come and go.

use model::{
    Labels, UnixMs,
    alert::{ALERT_NAME, Alert},
};

use super::{
    ALERTS_MAX, Change, Changes, FLAP_WINDOW_MS, FLIPS_MAX, Incidents, LABELS_MAX, Live, Muted,
    REOPEN_MS, RESTART_GRACE_MS, TEXT_BYTES_MAX, hash,
    inhibit::Roles,
    record::{Head, Incident, Member, Record, State},
    severity,
};

impl Incidents {
    /// Takes alerts that begin, go on or have ended. Telling the same again changes nothing but until when it is good.
    pub fn take(&mut self, alerts: &[Alert], now: UnixMs) {
        let mut changes = Changes::new();
        for alert in alerts {
            self.take_one(alert, now, &mut changes);
        }
        self.settle(changes, now);
    }

    fn take_one(&mut self, alert: &Alert, now: UnixMs, changes: &mut Changes) {
        let print = alert.labels.fingerprint();
        if !is_acceptable(alert) {
            self.refused += 1;
        } else if alert.is_resolved(now) {
            if let Some(live) = self.live.get_mut(&print) {
                live.alert.annotations.clone_from(&alert.annotations);
                self.end(print, alert.ends_at.min(now), changes);
            }
        } else if let Some(live) = self.live.get_mut(&print) {
            let starts_at = live.alert.starts_at.min(alert.starts_at);
            live.alert = Alert { starts_at, ..alert.clone() };
            live.updated = now;
            self.expiry = self.expiry.min(alert.ends_at);
        } else if self.live.len() >= ALERTS_MAX {
            self.refused += 1;
        } else {
            self.begin(alert, now, changes);
        }
    }

    fn begin(&mut self, alert: &Alert, now: UnixMs, changes: &mut Changes) {
        let routes = self.settings.routes.of(&alert.labels);
        let places: Vec<Place> =
            routes.iter().map(|route| Place::new(route, &alert.labels)).collect();
        let incidents = places.iter().map(|place| self.join(place, alert, now, changes)).collect();
        self.go_live(alert.clone(), incidents, now);
    }

    fn go_live(&mut self, alert: Alert, incidents: Vec<String>, now: UnixMs) {
        let (silences, windows) = self.matching(&alert.labels);
        let roles = Roles::of(&self.settings.inhibitions, &alert.labels);
        let print = alert.labels.fingerprint();
        self.expiry = self.expiry.min(alert.ends_at);
        self.is_stale = true;
        let muted = Muted::default();
        let live = Live { alert, updated: now, incidents, roles, silences, windows, muted };
        self.live.insert(print, live);
    }

    /// Puts an alert into the incident of its group: one that goes on, one that was over a moment ago, or a new one.
    fn join(&mut self, place: &Place, alert: &Alert, now: UnixMs, changes: &mut Changes) -> String {
        let slot = place.slot();
        let known = self.latest.get(&slot).and_then(|id| self.kept.incidents.get(id));
        let known = known.filter(|incident| {
            incident.head.resolved.is_none_or(|at| now.0.saturating_sub(at) <= REOPEN_MS)
        });
        let id = match known {
            Some(incident) => {
                let change = changes.entry(incident.head.id.clone()).or_default();
                change.is_reopened |= incident.head.state == State::Resolved && !change.is_new;
                incident.head.id.clone()
            }
            None => {
                let head = self.head(place, alert, now);
                let id = head.id.clone();
                self.latest.insert(slot, id.clone());
                changes.insert(id.clone(), Change { is_new: true, ..Change::default() });
                self.note(Record::Incident { head });
                id
            }
        };
        let print = alert.labels.fingerprint();
        let incident = self.kept.incidents.get(&id);
        let before = incident.and_then(|incident| incident.members.get(&print));
        let change = changes.entry(id.clone()).or_default();
        change.joined += 1;
        let valid_ms = alert.ends_at.0.saturating_sub(now.0);
        let mut member = Member { valid_ms, ..Member::new(alert) };
        member.is_unacknowledged = incident.is_some_and(|it| it.head.acknowledged_by.is_some())
            && before.is_none_or(|before| before.is_unacknowledged);
        match before {
            Some(before) => {
                member.flips = flipped(&before.flips, now);
                member.told_firing = before.told_firing;
            }
            None => change.new_members += 1,
        }
        self.note(Record::Member { id: id.clone(), member });
        id
    }

    fn head(&mut self, place: &Place, alert: &Alert, now: UnixMs) -> Head {
        let mut id;
        loop {
            self.serial += 1;
            let parts = [&*place.slot(), &now.to_string(), &self.serial.to_string()];
            id = format!("{:010x}", hash(&parts) & 0xff_ffff_ffff);
            if !self.kept.incidents.contains_key(&id) {
                break;
            }
        }
        Head {
            id,
            route: place.route.clone(),
            group_key: place.key.clone(),
            group_labels: place.labels.clone(),
            name: alert.name().to_owned(),
            severity: severity(&alert.labels).to_owned(),
            state: State::Firing,
            started: now.0.min(alert.starts_at.0),
            updated: now.0,
            resolved: None,
            acknowledged_by: None,
            assignee: None,
            is_flapping: false,
            alerts_total: 0,
            told: None,
            escalated: None,
        }
    }

    /// An alert has ended.
    pub(super) fn end(&mut self, print: u64, at: UnixMs, changes: &mut Changes) {
        let Some(live) = self.live.remove(&print) else { return };
        self.is_stale = true;
        for id in live.incidents {
            self.leave(&id, &live.alert, at, changes);
        }
    }

    fn leave(&mut self, id: &str, alert: &Alert, at: UnixMs, changes: &mut Changes) {
        let incident = self.kept.incidents.get(id);
        let Some(before) = incident.and_then(|it| it.members.get(&alert.labels.fingerprint()))
        else {
            return;
        };
        let member = Member {
            ends: Some(at.0),
            starts: before.starts,
            told_firing: before.told_firing,
            is_dismissed: before.is_dismissed,
            is_unacknowledged: before.is_unacknowledged,
            flips: flipped(&before.flips, at),
            ..Member::new(alert)
        };
        changes.entry(id.to_owned()).or_default().ended += 1;
        self.note(Record::Member { id: id.to_owned(), member });
    }

    /// Ends what was not told again in time.
    pub(super) fn expire(&mut self, now: UnixMs, changes: &mut Changes) {
        if now < self.expiry {
            return;
        }
        let over = self.live.iter().filter(|(_, live)| live.alert.ends_at <= now);
        let over: Vec<(u64, UnixMs)> = over.map(|(print, it)| (*print, it.alert.ends_at)).collect();
        for (print, at) in over {
            self.end(print, at, changes);
        }
        let ends = self.live.values().map(|live| live.alert.ends_at);
        self.expiry = ends.min().unwrap_or(UnixMs::MAX);
    }

    /// Takes up what fired when the program ended. Alerts whose routes are others now are moved.
    pub(super) fn restore(&mut self, now: UnixMs) {
        // Alerts with how long they are waited for: who tells of one every hour may do so in an hour.
        let mut firing: std::collections::BTreeMap<u64, (Alert, i64, Vec<String>)> =
            Default::default();
        let mut started: std::collections::HashMap<String, i64> = Default::default();
        for (id, incident) in &self.kept.incidents {
            let slot = slot(incident);
            if started.get(&slot).is_none_or(|before| *before <= incident.head.started) {
                started.insert(slot.clone(), incident.head.started);
                self.latest.insert(slot, id.clone());
            }
            for (print, member) in incident.members.iter().filter(|(_, it)| it.ends.is_none()) {
                let known = firing
                    .entry(*print)
                    .or_insert_with(|| (member.alert(), RESTART_GRACE_MS, Vec::new()));
                known.1 = known.1.max(member.valid_ms);
                known.2.push(id.clone());
            }
        }
        let mut changes = Changes::new();
        for (_, (mut alert, grace_ms, before)) in firing {
            alert.ends_at = alert.ends_at.max(UnixMs(now.0.saturating_add(grace_ms)));
            let routes = self.settings.routes.of(&alert.labels);
            let places: Vec<Place> =
                routes.iter().map(|route| Place::new(route, &alert.labels)).collect();
            let mut incidents = Vec::new();
            for id in before {
                let slot = self.kept.incidents.get(&id).map(slot).unwrap_or_default();
                if places.iter().any(|place| place.slot() == slot) {
                    changes.entry(id.clone()).or_default();
                    incidents.push(id);
                } else {
                    self.leave(&id, &alert, now, &mut changes);
                }
            }
            for place in places {
                let is_there = |id: &String| {
                    self.kept.incidents.get(id).is_some_and(|it| slot(it) == place.slot())
                };
                if !incidents.iter().any(is_there) {
                    incidents.push(self.join(&place, &alert, now, &mut changes));
                }
            }
            self.go_live(alert, incidents, now);
        }
        // What is over may still have to be told.
        for id in self.kept.incidents.keys() {
            changes.entry(id.clone()).or_default();
        }
        self.settle(changes, now);
    }
}

/// A group of a route.
struct Place {
    route: String,
    labels: Labels,
    key: String,
}

impl Place {
    fn new(route: &super::route::Route, labels: &Labels) -> Self {
        let labels = route.group_labels(labels);
        Self { route: route.name.clone(), key: route.group_key(&labels), labels }
    }

    fn slot(&self) -> String {
        format!("{}\n{}", self.route, self.key)
    }
}

fn slot(incident: &Incident) -> String {
    format!("{}\n{}", incident.head.route, incident.head.group_key)
}

/// When an alert began or ended, with now; what is older than an hour is left out.
fn flipped(flips: &[i64], now: UnixMs) -> Vec<i64> {
    let since = now.0.saturating_sub(FLAP_WINDOW_MS);
    let mut flips: Vec<i64> = flips.iter().copied().filter(|at| *at > since).collect();
    flips.push(now.0);
    let surplus = flips.len().saturating_sub(FLIPS_MAX + 1);
    flips.drain(..surplus);
    flips
}

/// Whether an alert has labels, and neither too many nor too long texts.
fn is_acceptable(alert: &Alert) -> bool {
    let is_short = |text: &str| text.len() <= TEXT_BYTES_MAX;
    !alert.labels.is_empty()
        && alert.labels.len() <= LABELS_MAX
        && alert.annotations.len() <= LABELS_MAX
        && alert.labels.iter().all(|(name, value)| is_short(name) && is_short(value))
        && alert.annotations.iter().all(|(name, value)| is_short(name) && is_short(value))
        && is_short(&alert.generator_url)
}

/// The name of an incident: that of all its alerts, else what they are grouped by.
pub(super) fn name(incident: &Incident) -> String {
    let mut names =
        incident.members.values().map(|it| it.labels.get(ALERT_NAME).unwrap_or_default());
    let first = names.next().unwrap_or_default();
    if names.all(|name| name == first) && !first.is_empty() {
        return first.to_owned();
    }
    let labels = incident.head.group_labels.iter();
    let values: Vec<&str> = labels.map(|(_, value)| value).collect();
    if values.is_empty() { first.to_owned() } else { values.join(", ") }
}
