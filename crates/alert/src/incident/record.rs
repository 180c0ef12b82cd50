//! What is kept of incidents over a restart, and the records by which it changes.
//!
//! Nothing that is kept changes otherwise than by applying a record, so that applying the same records again gives
//! the same. Bias: a record says what is, not what happened, and can be applied twice without harm, but those that
//! add to a list.

use std::collections::{BTreeMap, VecDeque};

use model::{
    Labels, UnixMs,
    alert::{Alert, Notification, Notified, Reason},
    series::{MatchOp, Matcher},
};
use serde::{Deserialize, Serialize};

/// Most entries of a timeline. The first stays, the oldest after it go.
pub const TIMELINE_MAX: usize = 500;
/// Most notes of an incident.
pub const NOTES_MAX: usize = 100;
/// Most changes of state that are remembered of an incident.
pub const STATES_MAX: usize = 200;
/// Most notifications that wait to be taken over by their channels. The oldest go first.
pub const OWED_MAX: usize = 10_000;

pub(super) type Pairs = Vec<(String, String)>;

/// How an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Firing,
    Acknowledged,
    Silenced,
    Inhibited,
    Maintenance,
    Resolved,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Silenced => "silenced",
            Self::Inhibited => "inhibited",
            Self::Maintenance => "maintenance",
            Self::Resolved => "resolved",
        }
    }
}

/// What was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Unix milliseconds, as all times here.
    pub first: i64,
    pub last: i64,
    /// How many decisions to tell there were; the next has this number.
    pub count: u64,
}

/// An incident without its lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub id: String,
    pub route: String,
    pub group_key: String,
    #[serde(with = "pairs")]
    pub group_labels: Labels,
    pub name: String,
    pub severity: String,
    pub state: State,
    pub started: i64,
    pub updated: i64,
    pub resolved: Option<i64>,
    pub acknowledged_by: Option<String>,
    pub assignee: Option<String>,
    pub is_flapping: bool,
    /// How many alerts ever belonged to it.
    pub alerts_total: u64,
    pub told: Option<Told>,
    /// When those were told who are told if nobody acknowledges.
    pub escalated: Option<i64>,
}

impl Head {
    /// The clock was set by so much: what lay so long ago still does.
    pub(super) fn moved(&mut self, by_ms: i64) {
        let by = |time: &mut i64| *time = time.saturating_add(by_ms);
        by(&mut self.started);
        for time in [&mut self.resolved, &mut self.escalated].into_iter().flatten() {
            by(time);
        }
        if let Some(told) = &mut self.told {
            by(&mut told.first);
            by(&mut told.last);
        }
    }
}

/// An alert of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    #[serde(with = "pairs")]
    pub labels: Labels,
    pub annotations: Pairs,
    pub generator_url: String,
    pub value: Option<f64>,
    pub starts: i64,
    /// When it counts as ended if it is not told again.
    pub expires: i64,
    /// For how many milliseconds it was good when it was told.
    #[serde(default)]
    pub valid_ms: i64,
    /// Absent while it fires.
    pub ends: Option<i64>,
    /// Whether channels were told last that it fires, or that it ended.
    pub told_firing: Option<bool>,
    /// A person said that it is over; it counts for nothing until it has ended indeed.
    pub is_dismissed: bool,
    /// It came after somebody had acknowledged the incident, who therefore did not mean it.
    #[serde(default)]
    pub is_unacknowledged: bool,
    /// When it began or ended again, within the last hour.
    pub flips: Vec<i64>,
}

impl Member {
    pub(super) fn new(alert: &Alert) -> Self {
        Self {
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            generator_url: alert.generator_url.clone(),
            value: alert.value.filter(|value| value.is_finite()),
            starts: alert.starts_at.0,
            expires: alert.ends_at.0,
            valid_ms: 0,
            ends: None,
            told_firing: None,
            is_dismissed: false,
            is_unacknowledged: false,
            flips: Vec::new(),
        }
    }

    pub(super) fn alert(&self) -> Alert {
        Alert {
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            starts_at: UnixMs(self.starts),
            ends_at: UnixMs(self.ends.unwrap_or(self.expires)),
            generator_url: self.generator_url.clone(),
            value: self.value,
        }
    }

    pub(super) fn is_firing(&self) -> bool {
        self.ends.is_none() && !self.is_dismissed
    }
}

/// Something that happened: a code of `model::message` with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub time: i64,
    pub code: String,
    pub params: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub time: i64,
    pub author: String,
    pub text: String,
}

/// A silence as Alertmanager has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    pub id: String,
    #[serde(with = "matchers")]
    pub matchers: Vec<Matcher>,
    pub starts: i64,
    pub ends: i64,
    pub updated: i64,
    pub created_by: String,
    pub comment: String,
}

impl Silence {
    /// Alertmanager's word for how it is.
    pub fn state(&self, now: UnixMs) -> &'static str {
        match now.0 {
            now if now < self.starts => "pending",
            now if now < self.ends => "active",
            _ => "expired",
        }
    }
}

/// A time in which nobody is told what matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    pub id: String,
    pub name: String,
    #[serde(with = "matchers")]
    pub matchers: Vec<Matcher>,
    pub start: i64,
    pub end: i64,
    pub repeat: Repeat,
    /// The zone in which it repeats; empty for the program's.
    pub zone: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Repeat {
    #[default]
    None,
    Daily,
    Weekly,
}

/// One change. Records of one line of the journal belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    Incident {
        head: Head,
    },
    IncidentForgotten {
        id: String,
    },
    Member {
        id: String,
        member: Member,
    },
    MemberForgotten {
        id: String,
        fingerprint: u64,
    },
    /// Channels were told that these fire and that those ended.
    Told {
        id: String,
        firing: Vec<u64>,
        ended: Vec<u64>,
    },
    State {
        id: String,
        time: i64,
        state: State,
    },
    Entry {
        id: String,
        entry: Entry,
    },
    Note {
        id: String,
        note: Note,
    },
    Silence {
        silence: Silence,
    },
    SilenceForgotten {
        id: String,
    },
    Window {
        window: Window,
    },
    WindowForgotten {
        id: String,
    },
    Owed {
        owed: Owed,
    },
    Paid {
        key: String,
    },
}

/// A notification that its channel has not taken over yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Owed {
    pub key: String,
    pub incident: String,
    pub channel: String,
    pub group_key: String,
    pub reason: String,
    pub time: i64,
    pub severity: String,
    pub group_labels: Pairs,
    pub common_labels: Pairs,
    pub common_annotations: Pairs,
    /// With whether it fires.
    pub alerts: Vec<(Member, bool)>,
    pub truncated: u64,
    pub url: String,
}

/// All reasons, to find one by its name.
const REASONS: [Reason; 5] =
    [Reason::First, Reason::Changed, Reason::Repeat, Reason::Escalated, Reason::Resolved];

impl Owed {
    pub fn notification(&self) -> Notification {
        let reason = REASONS.into_iter().find(|reason| reason.as_str() == self.reason);
        let notified = |(member, is_firing): &(Member, bool)| Notified {
            alert: member.alert(),
            is_firing: *is_firing,
        };
        Notification {
            key: self.key.clone(),
            incident: self.incident.clone(),
            channel: self.channel.clone(),
            group_key: self.group_key.clone(),
            reason: reason.unwrap_or(Reason::Changed),
            time: UnixMs(self.time),
            severity: self.severity.clone(),
            group_labels: self.group_labels.clone(),
            common_labels: self.common_labels.clone(),
            common_annotations: self.common_annotations.clone(),
            alerts: self.alerts.iter().map(notified).collect(),
            truncated: self.truncated,
            url: self.url.clone(),
        }
    }
}

/// An incident with all that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    pub head: Head,
    /// By the fingerprints of their labels.
    pub members: BTreeMap<u64, Member>,
    pub notes: Vec<Note>,
    pub timeline: VecDeque<Entry>,
    pub states: VecDeque<(i64, State)>,
    /// How many of the members fire.
    pub(super) firing: usize,
}

/// All that is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    pub incidents: BTreeMap<String, Incident>,
    pub silences: BTreeMap<String, Silence>,
    pub windows: BTreeMap<String, Window>,
    /// In the order in which they were decided.
    pub owed: VecDeque<Owed>,
}

impl Kept {
    /// What belongs to an incident that is not known is left out.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Incident { head } => self.put(head),
            Record::IncidentForgotten { id } => drop(self.incidents.remove(&id)),
            Record::Silence { silence } => {
                self.silences.insert(silence.id.clone(), silence);
            }
            Record::SilenceForgotten { id } => drop(self.silences.remove(&id)),
            Record::Window { window } => {
                self.windows.insert(window.id.clone(), window);
            }
            Record::WindowForgotten { id } => drop(self.windows.remove(&id)),
            Record::Owed { owed } => {
                self.owed.push_back(owed);
            }
            Record::Paid { key } => self.owed.retain(|owed| owed.key != key),
            Record::Member { ref id, .. }
            | Record::MemberForgotten { ref id, .. }
            | Record::Told { ref id, .. }
            | Record::State { ref id, .. }
            | Record::Entry { ref id, .. }
            | Record::Note { ref id, .. } => {
                if let Some(incident) = self.incidents.get_mut(id) {
                    incident.apply(record);
                }
            }
        }
    }

    fn put(&mut self, head: Head) {
        match self.incidents.get_mut(&head.id) {
            Some(incident) => incident.head = head,
            None => {
                let incident = Incident {
                    head: head.clone(),
                    members: BTreeMap::new(),
                    notes: Vec::new(),
                    timeline: VecDeque::new(),
                    states: VecDeque::new(),
                    firing: 0,
                };
                self.incidents.insert(head.id, incident);
            }
        }
    }

    /// Records that make the same of nothing, for a journal that is begun anew.
    pub fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (id, incident) in &self.incidents {
            records.push(Record::Incident { head: incident.head.clone() });
            let id = || id.clone();
            let members = incident.members.values().cloned();
            records.extend(members.map(|member| Record::Member { id: id(), member }));
            let notes = incident.notes.iter().cloned();
            records.extend(notes.map(|note| Record::Note { id: id(), note }));
            let timeline = incident.timeline.iter().cloned();
            records.extend(timeline.map(|entry| Record::Entry { id: id(), entry }));
            let states = incident.states.iter().copied();
            records.extend(states.map(|(time, state)| Record::State { id: id(), time, state }));
        }
        let silences = self.silences.values().cloned();
        records.extend(silences.map(|silence| Record::Silence { silence }));
        records.extend(self.windows.values().cloned().map(|window| Record::Window { window }));
        records.extend(self.owed.iter().cloned().map(|owed| Record::Owed { owed }));
        records
    }
}

impl Incident {
    fn apply(&mut self, record: Record) {
        match record {
            Record::Member { member, .. } => {
                self.firing += usize::from(member.is_firing());
                let before = self.members.insert(member.labels.fingerprint(), member);
                self.firing -= usize::from(before.is_some_and(|member| member.is_firing()));
            }
            Record::MemberForgotten { fingerprint, .. } => {
                let before = self.members.remove(&fingerprint);
                self.firing -= usize::from(before.is_some_and(|member| member.is_firing()));
            }
            Record::Told { firing, ended, .. } => {
                for (prints, is_firing) in [(firing, true), (ended, false)] {
                    for print in prints {
                        if let Some(member) = self.members.get_mut(&print) {
                            member.told_firing = Some(is_firing);
                        }
                    }
                }
            }
            Record::State { time, state, .. } => {
                bounded(&mut self.states, (time, state), STATES_MAX);
            }
            Record::Entry { entry, .. } => bounded(&mut self.timeline, entry, TIMELINE_MAX),
            Record::Note { note, .. } if self.notes.len() < NOTES_MAX => self.notes.push(note),
            _ => {}
        }
    }
}

/// Adds to a list; where it is full the second goes, because the first says how it began.
fn bounded<T>(list: &mut VecDeque<T>, item: T, max: usize) {
    if list.len() >= max {
        list.remove(1);
    }
    list.push_back(item);
}

/// Labels as a table.
mod pairs {
    use std::collections::BTreeMap;

    use super::{Deserialize, Labels};

    pub(super) fn serialize<S: serde::Serializer>(
        labels: &Labels,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(labels.iter())
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Labels, D::Error> {
        let pairs = BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(Labels::from_pairs(pairs))
    }
}

/// Matchers as name, operator and value.
mod matchers {
    use super::{Deserialize, MatchOp, Matcher};

    pub(super) fn serialize<S: serde::Serializer>(
        matchers: &[Matcher],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(matchers.iter().map(|it| (&it.name, it.op.as_str(), &it.value)))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Matcher>, D::Error> {
        let parts = Vec::<(String, String, String)>::deserialize(deserializer)?;
        let matchers = parts.into_iter().map(|(name, op, value)| {
            let op = match op.as_str() {
                "=" => MatchOp::Equal,
                "!=" => MatchOp::NotEqual,
                "=~" => MatchOp::Regex,
                "!~" => MatchOp::NotRegex,
                other => return Err(format!("{other:?} compares nothing")),
            };
            Matcher::new(name, op, value).map_err(|error| error.to_string())
        });
        matchers.collect::<Result<_, _>>().map_err(serde::de::Error::custom)
    }
}
