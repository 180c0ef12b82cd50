//! Handing a report on: each of its files to the folder and to each channel of its schedule.
//!
//! What is still to be handed on is noted beside the schedule and crossed out one by one, so that what failed is tried
//! again, after a restart too, and a channel is given each file under one key, so that nobody gets it twice. Its bias:
//! what could not be handed on for a day is given up and said, not sent when it is old.

use std::io;

use deliver::FileToSend;
use model::{UnixMs, message::render};
use serde::{Deserialize, Serialize};

use super::{Entry, Format, Reports, Run, Schedule};

/// How long it is tried.
const TRIED_MS: i64 = 86_400_000;

/// What is still to be handed on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Left {
    /// Of the report that is kept.
    id: String,
    /// When it is given up, in Unix milliseconds.
    until: i64,
    parts: Vec<Part>,
}

/// One file for one receiver.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Part {
    format: String,
    /// Absent for the folder.
    channel: Option<String>,
}

impl Left {
    /// All that a schedule wants of a report; nothing where it wants none.
    pub(crate) fn of(schedule: &Schedule, entry: &Entry) -> Option<Self> {
        let folder = (!schedule.folder.is_empty()).then_some(None);
        let receivers: Vec<Option<String>> =
            folder.into_iter().chain(schedule.channels.iter().cloned().map(Some)).collect();
        let parts = entry.files.iter().flat_map(|file| {
            let part = |channel: &Option<String>| Part {
                format: file.format.clone(),
                channel: channel.clone(),
            };
            receivers.iter().map(part)
        });
        let left =
            Self { id: entry.id.clone(), until: entry.created + TRIED_MS, parts: parts.collect() };
        (!left.parts.is_empty()).then_some(left)
    }
}

impl Part {
    /// Whether the schedule, which may have changed since, still wants it.
    fn is_wanted(&self, schedule: &Schedule) -> bool {
        match &self.channel {
            None => !schedule.folder.is_empty(),
            Some(channel) => schedule.channels.contains(channel),
        }
    }
}

impl Reports {
    /// Schedules of whose last reports something is left to be handed on.
    pub(crate) fn left(&self) -> io::Result<Vec<Schedule>> {
        let planned = self.schedules()?.into_iter();
        Ok(planned.filter(|it| it.run.left.is_some()).map(|it| it.schedule).collect())
    }

    /// Hands on what is left of a schedule's last report. All of it is tried; the first that fails is told, and is
    /// the schedule's error. `send` gives a parcel to a channel.
    pub(crate) fn hand_on(
        &self,
        schedule: &Schedule,
        now: UnixMs,
        send: &dyn Fn(&str, FileToSend) -> Result<(), String>,
    ) -> Result<(), String> {
        let said = |error: io::Error| error.to_string();
        let planned = self.schedules().map_err(said)?.into_iter();
        let run = planned.into_iter().find(|it| it.schedule.name == schedule.name);
        let Some(mut left) = run.and_then(|it| it.run.left) else { return Ok(()) };
        let mut failed = None;
        let Some(entry) = self.list().into_iter().find(|entry| entry.id == left.id) else {
            let text = render::<&str, &str>("report.no_longer_kept", &[], self.language);
            self.end(schedule, Some(text.clone()))?;
            return Err(text);
        };
        left.parts.retain(|part| part.is_wanted(schedule));
        for part in left.parts.clone() {
            match self.hand_on_part(schedule, &entry, &part, send) {
                Err(text) => failed = failed.or(Some(text)),
                Ok(()) => {
                    left.parts.retain(|other| *other != part);
                    let left = left.clone();
                    let crossed_out = move |run: &mut Run| run.left = Some(left);
                    self.change_run(&schedule.name, crossed_out).map_err(said)?;
                }
            }
        }
        let Some(text) = failed else { return self.end(schedule, None) };
        if now.0 >= left.until {
            let given_up = render("report.given_up", &[("reason", &text)], self.language);
            self.end(schedule, Some(given_up.clone()))?;
            return Err(given_up);
        }
        let error = Some(text.clone());
        self.change_run(&schedule.name, move |run| run.error = error).map_err(said)?;
        Err(text)
    }

    /// Nothing is left to be handed on.
    fn end(&self, schedule: &Schedule, error: Option<String>) -> Result<(), String> {
        let ended = move |run: &mut Run| *run = Run { left: None, error, ..run.clone() };
        self.change_run(&schedule.name, ended).map_err(|error| error.to_string())
    }

    fn hand_on_part(
        &self,
        schedule: &Schedule,
        entry: &Entry,
        part: &Part,
        send: &dyn Fn(&str, FileToSend) -> Result<(), String>,
    ) -> Result<(), String> {
        // A format that this version does not know can be handed on by none.
        let Some(format) = Format::from_name(&part.format) else { return Ok(()) };
        let bytes = self.file(&entry.id, format).map_err(|error| error.to_string())?;
        let bytes = bytes.ok_or_else(|| format!("report {} has no {}", entry.id, format.name()))?;
        let name = format!("{}-{}", schedule.name, entry.file_name(format));
        let Some(channel) = &part.channel else {
            let copied = self.copy_to(schedule, &name, &bytes);
            return copied.map_err(|error| format!("{}: {error}", schedule.folder));
        };
        let days = [("start", &entry.first_day), ("end", &entry.last_day)];
        let parcel = FileToSend {
            key: format!("report-{}-{}", entry.id, format.name()),
            subject: format!("{}: {}", schedule.name, entry.title),
            text: render("report.mail", &days, self.language(&entry.language)),
            file_name: name,
            media_type: format.media_type().to_owned(),
            bytes,
        };
        send(channel, parcel).map_err(|error| format!("{channel}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, path::Path};

    use model::message::Language;

    use super::*;
    use crate::{config, reports::Wish};

    const NOW: UnixMs = UnixMs(1_795_219_200_000);

    /// A schedule with its last report, nothing of which is handed on yet.
    fn made(folder: &Path) -> (Reports, Schedule) {
        let config = config::Reports { folders: vec!["/".into()], ..config::Reports::default() };
        let reports = Reports::new(&folder.join("data"), &config, Language::English);
        let schedule = Schedule {
            name: "daily".into(),
            zone: "UTC".into(),
            folder: folder.join("shared").display().to_string(),
            channels: vec!["mail".into(), "chat".into()],
            formats: vec!["html".into(), "csv".into()],
            ..Schedule::default()
        };
        let schedule = schedule.checked().unwrap();
        reports.save_schedule(schedule.clone()).unwrap();
        let wish = Wish {
            start: UnixMs(NOW.0 - 86_400_000),
            end: NOW,
            language: Language::English,
            model: None,
            zone: String::new(),
            formats: vec![Format::Html, Format::Csv],
            schedule: Some("daily".into()),
        };
        let facts = report::Facts { created: NOW, ..report::Facts::default() };
        let entry = reports.keep(&wish, &facts).unwrap();
        let left = Left::of(&schedule, &entry);
        reports.note("daily", Run { due: NOW.0, left, ..Run::default() }).unwrap();
        (reports, schedule)
    }

    fn error(reports: &Reports) -> Option<String> {
        reports.schedules().unwrap().into_iter().find_map(|it| it.run.error)
    }

    #[test]
    fn only_what_failed_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let (reports, schedule) = made(folder.path());
        let sent = RefCell::new(Vec::new());
        let try_again = |reports: &Reports, fails: &str| {
            let send = |channel: &str, parcel: FileToSend| {
                sent.borrow_mut().push(format!("{channel} {}", parcel.media_type));
                if channel == fails { Err("refused".to_owned()) } else { Ok(()) }
            };
            let handed_on = reports.hand_on(&schedule, NOW, &send);
            let mut sent = sent.take();
            sent.sort();
            (handed_on.is_ok(), sent)
        };
        let (html, csv) = (Format::Html.media_type(), Format::Csv.media_type());
        let both = |channel: &str| vec![format!("{channel} {csv}"), format!("{channel} {html}")];
        // The folder is not there yet, and a channel refuses.
        let all = [both("chat"), both("mail")].concat();
        assert_eq!(try_again(&reports, "chat"), (false, all));
        assert!(error(&reports).unwrap().contains("shared"));
        assert_eq!(reports.left().unwrap(), std::slice::from_ref(&schedule));
        std::fs::create_dir(folder.path().join("shared")).unwrap();
        // Another process takes over.
        let (config, data) = (config::Reports::default(), folder.path().join("data"));
        let config = config::Reports { folders: vec!["/".into()], ..config };
        let reports = Reports::new(&data, &config, Language::English);
        assert_eq!(try_again(&reports, "chat"), (false, both("chat")));
        assert_eq!(error(&reports).as_deref(), Some("chat: refused"));
        assert_eq!(std::fs::read_dir(folder.path().join("shared")).unwrap().count(), 2);
        assert_eq!(try_again(&reports, ""), (true, both("chat")));
        assert_eq!((error(&reports), reports.left().unwrap()), (None, Vec::new()));
        assert_eq!(try_again(&reports, ""), (true, Vec::new()));
    }

    #[test]
    fn what_cannot_be_handed_on_for_a_day_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let (reports, schedule) = made(folder.path());
        let refuse = |_: &str, _: FileToSend| Err("refused".to_owned());
        let late = |ms: i64| reports.hand_on(&schedule, UnixMs(NOW.0 + ms), &refuse);
        late(TRIED_MS - 1).unwrap_err();
        assert_eq!(reports.left().unwrap().len(), 1);
        let text = late(TRIED_MS).unwrap_err();
        assert!(text.contains("given up") && text.contains("shared"), "{text}");
        assert_eq!((error(&reports), reports.left().unwrap()), (Some(text), Vec::new()));
    }

    #[test]
    fn what_nobody_wants_any_more_is_not_handed_on() {
        let folder = tempfile::tempdir().unwrap();
        let (reports, schedule) = made(folder.path());
        let fewer = Schedule { folder: String::new(), channels: Vec::new(), ..schedule.clone() };
        let refuse = |_: &str, _: FileToSend| Err("refused".to_owned());
        assert_eq!(reports.hand_on(&fewer, NOW, &refuse), Ok(()));
        assert_eq!(reports.left().unwrap(), []);
        // The report was deleted before.
        let (reports, schedule) = made(&folder.path().join("other"));
        for entry in reports.list() {
            reports.remove(&entry.id).unwrap();
        }
        let text = reports.hand_on(&schedule, NOW, &refuse).unwrap_err();
        assert_eq!((error(&reports), reports.left().unwrap()), (Some(text), Vec::new()));
    }
}
