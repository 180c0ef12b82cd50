//! Incidents: what becomes of alerts before anybody is told.
//!
//! Alerts that belong together are one incident. It is decided here who is told of it and when: grouping, repetition,
//! inhibition, silences, maintenance, acknowledgement, escalation, as Alertmanager does where it has a word for it.
//!
//! A state machine without a clock, threads or a network: it is given alerts, what people do, and the time. All that
//! has to survive a restart goes through records ([`record`]), which whoever drives it keeps ([`journal`]) before
//! notifications leave. That an alert was told again is not kept: those who send alerts do so every minute.
//!
//! Bias: rather told twice than not at all, and rather not told again than told all the time.

mod begin;
mod decide;
pub mod hours;
pub mod inhibit;
pub mod journal;
mod people;
pub mod record;
pub mod route;
#[cfg(test)]
mod tests;
pub mod view;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use model::{Labels, UnixMs, alert::Alert, series::Matcher};

use self::{
    hours::Zone,
    inhibit::{Inhibition, Roles, Sources},
    record::{Entry, Incident, Kept, Member, Owed, Record, State, Window},
    route::Routes,
};

pub use people::{
    NAME_BYTES_MAX, NOTE_BYTES_MAX, Refusal, SILENCES_MAX, SilenceDraft, WINDOWS_MAX, check_window,
    window_id,
};

/// Most alerts that fire at once. More are refused and counted.
pub const ALERTS_MAX: usize = 50_000;
/// Most alerts in one notification; the others are counted in it.
pub const NOTIFIED_MAX: usize = 100;
/// Most labels of an alert, and most annotations.
pub const LABELS_MAX: usize = model::limits::LABELS_MAX;
/// Longest text of an alert in bytes: a label's value, an annotation, the link.
pub const TEXT_BYTES_MAX: usize = 16 << 10;
/// A group that fires again within this time is the same incident.
pub const REOPEN_MS: i64 = 5 * 60_000;
/// An alert that began or ended again more often than this within an hour is held as flapping.
pub const FLIPS_MAX: usize = 6;
/// The hour in which that is counted.
pub const FLAP_WINDOW_MS: i64 = 3_600_000;
/// How long alerts are waited for after a start before they count as ended; one that was good for longer is waited
/// for as long as that.
pub const RESTART_GRACE_MS: i64 = 5 * 60_000;
/// How long incidents are kept that are over.
pub const CLOSED_KEPT_MS: i64 = 90 * 86_400_000;
/// How many of them; the oldest are forgotten first.
pub const CLOSED_MAX: usize = 2_000;
/// How many alerts are kept of one that is over.
pub const CLOSED_MEMBERS_MAX: usize = 100;
/// How many alerts that ended are kept of one that goes on.
pub const ENDED_MEMBERS_MAX: usize = 1_000;
/// How long silences are kept that are over, as in Alertmanager.
pub const EXPIRED_KEPT_MS: i64 = 120 * 3_600_000;

/// Finds a zone by its name.
pub type Zones = Arc<dyn Fn(&str) -> Option<Zone> + Send + Sync>;

/// What the configuration says.
#[derive(Clone)]
pub struct Settings {
    pub routes: Routes,
    pub inhibitions: Vec<Inhibition>,
    pub windows: Vec<Window>,
    /// For windows that name no zone.
    pub zone: Zone,
    pub zones: Zones,
    /// The beginning of links to the page; empty where it is not known.
    pub page_url: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("routes", &self.routes).finish_non_exhaustive()
    }
}

/// An alert that fires.
#[derive(Clone, Debug)]
struct Live {
    alert: Alert,
    updated: UnixMs,
    /// The incidents that it belongs to.
    incidents: Vec<String>,
    roles: Roles,
    /// Silences and windows that match it, whenever they hold.
    silences: Vec<String>,
    windows: Vec<String>,
    muted: Muted,
}

/// Why nobody is told of an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Muted {
    /// Identifiers of silences.
    pub silenced_by: Vec<String>,
    /// Fingerprints of alerts.
    pub inhibited_by: Vec<u64>,
    /// Identifiers of windows.
    pub maintained_by: Vec<String>,
}

impl Muted {
    pub fn is_any(&self) -> bool {
        !self.silenced_by.is_empty()
            || !self.inhibited_by.is_empty()
            || !self.maintained_by.is_empty()
    }

    fn state(&self) -> State {
        if !self.maintained_by.is_empty() {
            State::Maintenance
        } else if !self.silenced_by.is_empty() {
            State::Silenced
        } else if !self.inhibited_by.is_empty() {
            State::Inhibited
        } else {
            State::Firing
        }
    }
}

/// What happened to an incident at once.
#[derive(Debug, Default)]
struct Change {
    is_new: bool,
    is_reopened: bool,
    joined: u64,
    /// Of those that joined, who had never belonged to it.
    new_members: u64,
    ended: u64,
}

type Changes = BTreeMap<String, Change>;

/// The state machine.
#[derive(Debug)]
pub struct Incidents {
    settings: Settings,
    kept: Kept,
    /// Records that were applied and not taken yet.
    fresh: Vec<Record>,
    live: HashMap<u64, Live>,
    /// The newest incident of each group of each route.
    latest: HashMap<String, String>,
    due: HashMap<String, UnixMs>,
    queue: BTreeSet<(UnixMs, String)>,
    /// Zones of the windows, by their identifiers.
    zones: HashMap<String, Zone>,
    /// Whether it has to be looked again who is muted.
    is_stale: bool,
    /// When that has to be done at the latest.
    boundary: UnixMs,
    /// Before this no alert expires.
    expiry: UnixMs,
    tidied: UnixMs,
    refused: u64,
    serial: u64,
}

impl Incidents {
    /// Begins with what was kept. Routes and the like may be others than before.
    pub fn new(settings: Settings, kept: Kept, now: UnixMs) -> Self {
        let mut made = Self {
            settings,
            kept,
            fresh: Vec::new(),
            live: HashMap::new(),
            latest: HashMap::new(),
            due: HashMap::new(),
            queue: BTreeSet::new(),
            zones: HashMap::new(),
            is_stale: true,
            boundary: UnixMs::MIN,
            expiry: UnixMs::MIN,
            tidied: now,
            refused: 0,
            serial: 0,
        };
        made.find_zones();
        made.restore(now);
        made
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Alerts that were refused because there were too many, or because they had too many or too long labels.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The changes since the last call, in their order. They have to be kept before notifications leave.
    pub fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.fresh)
    }

    /// Notifications that their channels have not taken over yet.
    pub fn owed(&self) -> impl Iterator<Item = &Owed> {
        self.kept.owed.iter()
    }

    /// A channel has taken a notification over.
    pub fn paid(&mut self, key: &str) {
        if self.kept.owed.iter().any(|owed| owed.key == key) {
            self.note(Record::Paid { key: key.to_owned() });
        }
    }

    /// When [`Incidents::tick`] has something to do.
    pub fn next_due(&self) -> UnixMs {
        let first = self.queue.first().map_or(UnixMs::MAX, |(at, _)| *at);
        let expiry = if self.live.is_empty() { UnixMs::MAX } else { self.expiry };
        let boundary = if self.is_stale { UnixMs::MIN } else { self.boundary };
        first.min(expiry).min(boundary).min(UnixMs(self.tidied.0.saturating_add(TIDY_MS)))
    }

    /// The clock was set: alerts and what was told are moved along, so that nothing ends or is told for it. Silences
    /// and windows are not: people meant the time on the wall.
    pub fn clock_jumped(&mut self, by_ms: i64, now: UnixMs) {
        for live in self.live.values_mut() {
            live.alert.ends_at = UnixMs(live.alert.ends_at.0.saturating_add(by_ms));
        }
        self.expiry = UnixMs::MIN;
        self.tidied = UnixMs(self.tidied.0.saturating_add(by_ms));
        self.is_stale = true;
        let before = now.0.saturating_sub(by_ms);
        let is_over = |it: &&Incident| {
            it.head.resolved.is_some_and(|at| before.saturating_sub(at) > REOPEN_MS)
                && !self.due.contains_key(&it.head.id)
        };
        let moved: Vec<Incident> =
            self.kept.incidents.values().filter(|it| !is_over(it)).cloned().collect();
        for Incident { mut head, members, .. } in moved {
            let id = head.id.clone();
            head.moved(by_ms);
            self.note(Record::Incident { head });
            for mut member in members.into_values().filter(|member| !member.flips.is_empty()) {
                member.flips.iter_mut().for_each(|at| *at = at.saturating_add(by_ms));
                self.note(Record::Member { id: id.clone(), member });
            }
            self.set_due(&id, Some(now));
        }
    }

    /// Applies a record and remembers it.
    fn note(&mut self, record: Record) {
        self.kept.apply(record.clone());
        self.fresh.push(record);
    }

    fn entry(&mut self, id: &str, time: UnixMs, code: &str, params: &[(&str, &str)]) {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let entry = Entry { time: time.0, code: code.to_owned(), params: params.collect() };
        self.note(Record::Entry { id: id.to_owned(), entry });
    }

    /// Something happened to an incident that others know of: a channel delivered, or could not.
    pub fn happened(&mut self, id: &str, time: UnixMs, code: &str, params: &[(&str, &str)]) {
        if self.kept.incidents.contains_key(id) {
            self.entry(id, time, code, params);
        }
    }

    fn set_due(&mut self, id: &str, at: Option<UnixMs>) {
        if let Some(before) = self.due.remove(id) {
            self.queue.remove(&(before, id.to_owned()));
        }
        if let Some(at) = at {
            self.due.insert(id.to_owned(), at);
            self.queue.insert((at, id.to_owned()));
        }
    }

    /// All windows, those of the configuration first.
    fn windows(&self) -> impl Iterator<Item = &Window> {
        self.settings.windows.iter().chain(self.kept.windows.values())
    }

    fn find_zones(&mut self) {
        let zone = |window: &Window| {
            let named = (!window.zone.is_empty()).then(|| (self.settings.zones)(&window.zone));
            (window.id.clone(), named.flatten().unwrap_or_else(|| self.settings.zone.clone()))
        };
        self.zones = self.windows().map(zone).collect();
    }

    fn is_open(&self, window: &Window, now: UnixMs) -> bool {
        let zone = self.zones.get(&window.id).unwrap_or(&self.settings.zone);
        hours::is_open(window, now, zone)
    }

    /// Which silences and windows match labels, whenever they hold.
    fn matching(&self, labels: &Labels) -> (Vec<String>, Vec<String>) {
        let silences = self.kept.silences.values();
        let silences = silences.filter(|silence| Matcher::all_match(&silence.matchers, labels));
        let windows = self.windows().filter(|window| Matcher::all_match(&window.matchers, labels));
        (silences.map(|it| it.id.clone()).collect(), windows.map(|it| it.id.clone()).collect())
    }

    /// Silences or windows are others now.
    fn match_anew(&mut self) {
        self.find_zones();
        let prints: Vec<u64> = self.live.keys().copied().collect();
        for print in prints {
            let Some(labels) = self.live.get(&print).map(|live| live.alert.labels.clone()) else {
                continue;
            };
            let (silences, windows) = self.matching(&labels);
            if let Some(live) = self.live.get_mut(&print) {
                (live.silences, live.windows) = (silences, windows);
            }
        }
        self.is_stale = true;
    }

    /// Looks who is muted now, and notes which incidents that changes.
    fn mute(&mut self, now: UnixMs, changes: &mut Changes) {
        let silences = self.kept.silences.values();
        let active: BTreeSet<&str> =
            silences.filter(|it| it.state(now) == "active").map(|it| it.id.as_str()).collect();
        let windows = self.windows().filter(|window| self.is_open(window, now));
        let open: BTreeSet<&str> = windows.map(|window| window.id.as_str()).collect();
        let firing = self.live.iter().map(|(print, it)| (*print, &it.alert.labels, &it.roles));
        let sources = Sources::new(&self.settings.inhibitions, firing);
        let mut changed = Vec::new();
        for (print, live) in &self.live {
            let among = |ids: &[String], set: &BTreeSet<&str>| {
                ids.iter().filter(|id| set.contains(id.as_str())).cloned().collect()
            };
            let muted = Muted {
                silenced_by: among(&live.silences, &active),
                inhibited_by: sources.against(*print, &live.alert.labels, &live.roles),
                maintained_by: among(&live.windows, &open),
            };
            if muted != live.muted {
                changed.push((*print, muted));
            }
        }
        let bounds = self.kept.silences.values().flat_map(|it| [it.starts, it.ends]);
        let next = bounds.filter(|at| *at > now.0).min().map_or(UnixMs::MAX, UnixMs);
        let has_windows = self.windows().next().is_some();
        self.boundary = if has_windows { next.min(hours::next_minute(now)) } else { next };
        self.is_stale = false;
        for (print, muted) in changed {
            if let Some(live) = self.live.get_mut(&print) {
                live.muted = muted;
                for id in &live.incidents {
                    changes.entry(id.clone()).or_default();
                }
            }
        }
    }

    /// Whether nobody is told of a member, and why.
    fn muted(&self, print: u64, member: &Member, now: UnixMs) -> Muted {
        if let Some(live) = self.live.get(&print) {
            return live.muted.clone();
        }
        let (silences, windows) = self.matching(&member.labels);
        let is_active = |id: &String| {
            self.kept.silences.get(id).is_some_and(|silence| silence.state(now) == "active")
        };
        let open = self.windows().filter(|it| windows.contains(&it.id) && self.is_open(it, now));
        Muted {
            silenced_by: silences.into_iter().filter(is_active).collect(),
            inhibited_by: Vec::new(),
            maintained_by: open.map(|window| window.id.clone()).collect(),
        }
    }
}

/// How often what is too old is forgotten.
const TIDY_MS: i64 = 3_600_000;

/// Whether a member counts as firing: an alert that flaps does, so that it is not told each time.
fn counts(member: &Member, now: UnixMs) -> bool {
    !member.is_dismissed && (member.ends.is_none() || is_flapping(member, now))
}

fn is_flapping(member: &Member, now: UnixMs) -> bool {
    steady_at(member).is_some_and(|at| now < at)
}

/// When an alert will have begun and ended seldom enough, if it does not do so again.
fn steady_at(member: &Member) -> Option<UnixMs> {
    let oldest = member.flips.len().checked_sub(FLIPS_MAX + 1)?;
    member.flips.get(oldest).map(|at| UnixMs(at.saturating_add(FLAP_WINDOW_MS)))
}

/// `critical`, `warning` or `info`: what other programs call it as well. Without a word for it an alert is a warning.
pub fn severity(labels: &Labels) -> &'static str {
    match labels.get("severity").unwrap_or_default().to_ascii_lowercase().as_str() {
        "critical" | "page" | "error" | "fatal" | "emergency" | "disaster" | "high" => "critical",
        "info" | "informational" | "information" | "notice" | "none" | "low" | "debug" => "info",
        _ => "warning",
    }
}

/// The worse the smaller.
fn rank(severity: &str) -> u8 {
    match severity {
        "critical" => 0,
        "warning" => 1,
        _ => 2,
    }
}

/// FNV-1a, for identifiers.
fn hash(parts: &[&str]) -> u64 {
    Labels::from_pairs(parts.iter().enumerate().map(|(at, part)| (format!("{at:03}"), *part)))
        .fingerprint()
}
