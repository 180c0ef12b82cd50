//! What people do about incidents: acknowledge, assign, note, end; silences and maintenance.

use model::{UnixMs, series::Matcher};

use super::{
    Change, Changes, Incidents, counts, hash,
    record::{Head, Member, NOTES_MAX, Note, Record, Repeat, Silence, State, Window},
};

/// Longest note, and longest comment of a silence, in bytes.
pub const NOTE_BYTES_MAX: usize = 4 << 10;
/// Longest name of a person or a window, in bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Most silences, those that are over included.
pub const SILENCES_MAX: usize = 2_000;
/// Most windows that were made on the page.
pub const WINDOWS_MAX: usize = 200;
/// Longest window that is repeated, by what repeats it.
const DAY_MS: i64 = 86_400_000;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    NoIncident,
    NoSilence,
    NoWindow,
    /// It is over already.
    IsOver,
    NameMissing,
    TextMissing,
    /// What is too long, and the limit.
    TooLong(&'static str, usize),
    TooMany(&'static str, usize),
    /// Matchers are missing, or would match an alert without labels: it would be everything.
    MatchesAll,
    TooManyMatchers(usize),
    EndsBeforeStart,
    EndsInPast,
    /// A window is longer than what it repeats in.
    TooLongToRepeat,
    NoZone(String),
}

/// A silence as it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct SilenceDraft {
    /// That of the silence that is changed; empty for a new one.
    pub id: String,
    pub matchers: Vec<Matcher>,
    pub starts: UnixMs,
    pub ends: UnixMs,
    pub created_by: String,
    pub comment: String,
}

impl Incidents {
    /// Somebody takes care of an incident: it is not repeated or escalated any more, until an alert joins that did
    /// not fire yet.
    pub fn acknowledge(&mut self, id: &str, author: &str, now: UnixMs) -> Result<(), Refusal> {
        let author = name(author)?;
        let mut head = self.open_head(id)?;
        head.acknowledged_by = Some(author.to_owned());
        self.note(Record::Incident { head });
        let incident = self.kept.incidents.get(id).ok_or(Refusal::NoIncident)?;
        let is_other = |it: &&Member| it.is_unacknowledged == counts(it, now);
        let changed: Vec<Member> = incident.members.values().filter(is_other).cloned().collect();
        for member in changed {
            let is_unacknowledged = !member.is_unacknowledged;
            let member = Member { is_unacknowledged, ..member };
            self.note(Record::Member { id: id.to_owned(), member });
        }
        self.entry(id, now, "incident.acknowledged", &[("author", author)]);
        self.reckon(id, &Change::default(), now);
        Ok(())
    }

    pub fn unacknowledge(&mut self, id: &str, author: &str, now: UnixMs) -> Result<(), Refusal> {
        let author = name(author)?;
        let mut head = self.open_head(id)?;
        if head.acknowledged_by.take().is_some() {
            self.note(Record::Incident { head });
            self.entry(id, now, "incident.unacknowledged", &[("author", author)]);
            self.reckon(id, &Change::default(), now);
        }
        Ok(())
    }

    /// Says whose an incident is; nobody's where `assignee` is empty.
    pub fn assign(
        &mut self,
        id: &str,
        author: &str,
        assignee: &str,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        let author = name(author)?;
        let assignee = assignee.trim();
        short("assignee", assignee, NAME_BYTES_MAX)?;
        let mut head = self.head_of(id)?;
        head.assignee = (!assignee.is_empty()).then(|| assignee.to_owned());
        head.updated = now.0;
        self.note(Record::Incident { head });
        let params = [("author", author), ("assignee", assignee)];
        let code = if assignee.is_empty() { "incident.unassigned" } else { "incident.assigned" };
        self.entry(id, now, code, &params);
        Ok(())
    }

    pub fn add_note(
        &mut self,
        id: &str,
        author: &str,
        text: &str,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        let author = name(author)?;
        let text = text.trim();
        if text.is_empty() {
            return Err(Refusal::TextMissing);
        }
        short("text", text, NOTE_BYTES_MAX)?;
        let mut head = self.head_of(id)?;
        let notes = self.kept.incidents.get(id).map_or(0, |incident| incident.notes.len());
        if notes >= NOTES_MAX {
            return Err(Refusal::TooMany("notes", NOTES_MAX));
        }
        head.updated = now.0;
        self.note(Record::Incident { head });
        let note = Note { time: now.0, author: author.to_owned(), text: text.to_owned() };
        self.note(Record::Note { id: id.to_owned(), note });
        self.entry(id, now, "incident.noted", &[("author", author)]);
        Ok(())
    }

    /// Somebody says that an incident is over. Its alerts count for nothing until they have ended indeed; when they
    /// fire again after that they are told again.
    pub fn resolve(&mut self, id: &str, author: &str, now: UnixMs) -> Result<(), Refusal> {
        let author = name(author)?;
        self.open_head(id)?;
        let incident = self.kept.incidents.get(id).ok_or(Refusal::NoIncident)?;
        let firing: Vec<_> = incident.members.values().cloned().collect();
        for mut member in firing {
            // What ended while it flapped counts as firing as well.
            if member.ends.is_none() || !member.flips.is_empty() {
                member.is_dismissed = member.ends.is_none();
                member.flips = Vec::new();
                self.note(Record::Member { id: id.to_owned(), member });
            }
        }
        self.entry(id, now, "incident.dismissed", &[("author", author)]);
        let mut changes = Changes::new();
        changes.insert(id.to_owned(), Change::default());
        self.settle(changes, now);
        Ok(())
    }

    fn head_of(&self, id: &str) -> Result<Head, Refusal> {
        let incident = self.kept.incidents.get(id).ok_or(Refusal::NoIncident)?;
        Ok(incident.head.clone())
    }

    fn open_head(&self, id: &str) -> Result<Head, Refusal> {
        let head = self.head_of(id)?;
        if head.state == State::Resolved { Err(Refusal::IsOver) } else { Ok(head) }
    }

    /// Makes or changes a silence, and says its identifier. As in Alertmanager one that is over is not changed, nor
    /// are the matchers of one: then the old one ends and a new one begins.
    pub fn put_silence(&mut self, draft: SilenceDraft, now: UnixMs) -> Result<String, Refusal> {
        check_matchers(&draft.matchers)?;
        let created_by = name(&draft.created_by)?.to_owned();
        short("comment", &draft.comment, NOTE_BYTES_MAX)?;
        if draft.ends <= draft.starts {
            return Err(Refusal::EndsBeforeStart);
        }
        if draft.ends <= now {
            return Err(Refusal::EndsInPast);
        }
        let before = match draft.id.as_str() {
            "" => None,
            id => Some(self.kept.silences.get(id).cloned().ok_or(Refusal::NoSilence)?),
        };
        let mut silence = Silence {
            id: String::new(),
            matchers: draft.matchers,
            starts: draft.starts.0.max(now.0),
            ends: draft.ends.0,
            updated: now.0,
            created_by,
            comment: draft.comment,
        };
        match before {
            Some(before) if can_become(&before, &silence, now) => {
                silence.id = before.id;
                if before.starts <= now.0 {
                    silence.starts = before.starts;
                }
            }
            before => {
                if self.kept.silences.len() >= SILENCES_MAX {
                    return Err(Refusal::TooMany("silences", SILENCES_MAX));
                }
                if let Some(before) = before.filter(|it| it.state(now) != "expired") {
                    self.end_silence(before, now);
                }
                silence.id = self.uuid(&silence, now);
            }
        }
        let id = silence.id.clone();
        self.note(Record::Silence { silence });
        self.match_anew();
        self.settle(Changes::new(), now);
        Ok(id)
    }

    /// Ends a silence.
    pub fn expire_silence(&mut self, id: &str, now: UnixMs) -> Result<(), Refusal> {
        let silence = self.kept.silences.get(id).cloned().ok_or(Refusal::NoSilence)?;
        if silence.state(now) == "expired" {
            return Err(Refusal::IsOver);
        }
        self.end_silence(silence, now);
        self.is_stale = true;
        self.settle(Changes::new(), now);
        Ok(())
    }

    fn end_silence(&mut self, mut silence: Silence, now: UnixMs) {
        silence.starts = silence.starts.min(now.0);
        (silence.ends, silence.updated) = (now.0, now.0);
        self.note(Record::Silence { silence });
    }

    /// In the form that Alertmanager's have.
    fn uuid(&mut self, silence: &Silence, now: UnixMs) -> String {
        loop {
            self.serial += 1;
            let parts =
                [now.to_string(), self.serial.to_string(), format!("{:?}", silence.matchers)];
            let one = hash(&[&parts[0], &parts[1], &parts[2]]);
            let two = hash(&[&parts[2], &parts[1], &parts[0], &silence.comment]);
            let id = format!(
                "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
                one >> 32,
                one >> 16 & 0xffff,
                one & 0xfff,
                two >> 48 & 0x3fff | 0x8000,
                two & 0xffff_ffff_ffff,
            );
            if !self.kept.silences.contains_key(&id) {
                return id;
            }
        }
    }

    /// Makes a maintenance window, in place of one of the same name that was made so too, and says its identifier.
    pub fn put_window(&mut self, mut window: Window, now: UnixMs) -> Result<String, Refusal> {
        window.name = name(&window.name)?.to_owned();
        check_window(&window)?;
        if window.repeat == Repeat::None && window.end <= now.0 {
            return Err(Refusal::EndsInPast);
        }
        if !window.zone.is_empty() && (self.settings.zones)(&window.zone).is_none() {
            return Err(Refusal::NoZone(window.zone));
        }
        window.id = window_id(&window.name);
        if !self.kept.windows.contains_key(&window.id) && self.kept.windows.len() >= WINDOWS_MAX {
            return Err(Refusal::TooMany("windows", WINDOWS_MAX));
        }
        let id = window.id.clone();
        self.note(Record::Window { window });
        self.match_anew();
        self.settle(Changes::new(), now);
        Ok(id)
    }

    /// Forgets a window that was made on the page.
    pub fn forget_window(&mut self, id: &str, now: UnixMs) -> Result<Window, Refusal> {
        let window = self.kept.windows.get(id).cloned().ok_or(Refusal::NoWindow)?;
        self.note(Record::WindowForgotten { id: id.to_owned() });
        self.match_anew();
        self.settle(Changes::new(), now);
        Ok(window)
    }
}

/// Whether a silence can be changed into another, rather than ended for it.
fn can_become(before: &Silence, after: &Silence, now: UnixMs) -> bool {
    let has_begun = before.starts <= now.0;
    before.matchers == after.matchers
        && before.state(now) != "expired"
        && (!has_begun || after.starts <= now.0.max(before.starts))
}

fn name(text: &str) -> Result<&str, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Refusal::NameMissing);
    }
    short("name", text, NAME_BYTES_MAX)?;
    Ok(text)
}

fn short(what: &'static str, text: &str, max: usize) -> Result<(), Refusal> {
    if text.len() > max { Err(Refusal::TooLong(what, max)) } else { Ok(()) }
}

/// As in Alertmanager at least one matcher must want something of an alert.
fn check_matchers(matchers: &[Matcher]) -> Result<(), Refusal> {
    if matchers.len() > crate::matchers::MATCHERS_MAX {
        return Err(Refusal::TooManyMatchers(crate::matchers::MATCHERS_MAX));
    }
    if matchers.iter().all(|matcher| matcher.matches("")) {
        return Err(Refusal::MatchesAll);
    }
    Ok(())
}

/// The end of the year 9999, in Unix milliseconds.
const TIME_MAX: i64 = 253_402_300_799_999;

/// What is wrong with a window, wherever it comes from. One may match everything: the whole house is switched off.
pub fn check_window(window: &Window) -> Result<(), Refusal> {
    if window.matchers.len() > crate::matchers::MATCHERS_MAX {
        return Err(Refusal::TooManyMatchers(crate::matchers::MATCHERS_MAX));
    }
    // What lies outside of any calendar is no time that somebody meant.
    let is_time = |time: i64| (0..=TIME_MAX).contains(&time);
    if window.end <= window.start || !is_time(window.start) || !is_time(window.end) {
        return Err(Refusal::EndsBeforeStart);
    }
    let length = window.end.saturating_sub(window.start);
    let longest = match window.repeat {
        Repeat::None => i64::MAX,
        Repeat::Daily => DAY_MS,
        Repeat::Weekly => 7 * DAY_MS,
    };
    if length > longest { Err(Refusal::TooLongToRepeat) } else { Ok(()) }
}

/// The identifier of the window of a name.
pub fn window_id(name: &str) -> String {
    format!("{:010x}", hash(&[name]) & 0xff_ffff_ffff)
}
