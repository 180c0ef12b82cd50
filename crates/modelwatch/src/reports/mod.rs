//! Reports: what is read for them, the files that are made of them, those that are kept, and those that are made by
//! the clock.
//!
//! What a report says is in the crate `report`; here is where its facts come from and what becomes of it. One is made
//! at a time: it reads much.

mod fonts;
mod gather;
mod hand_on;
mod incidents;
mod keep;
mod schedule;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use model::{
    UnixMs,
    message::{Language, render},
};
use report::{Document, facts::Objective, zone::Zone as ReportZone};
use serde::{Deserialize, Serialize};

use crate::{
    alarms::objectives::{self, Objectives},
    config, whole,
    zone::Zone,
};

pub(crate) use fonts::fonts;
pub(crate) use gather::{Failure, Period, SPAN_MAX, SPAN_MIN, Sources, Subject, gather};
pub(crate) use hand_on::Left;
pub(crate) use incidents::{forgotten, told};
pub(crate) use keep::Entry;
use keep::Kept;
pub(crate) use schedule::{Schedule, ScheduleProblem};

const FOLDER: &str = "reports";
const SCHEDULES: &str = "schedules.json";
const RUNS: &str = "runs.json";
/// Most schedules of the page.
const SCHEDULES_MAX: usize = 50;
/// How long one report may take to be read.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);
/// Samples that one report may read.
pub(crate) const SAMPLES_MAX: u64 = 200_000_000;

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Html,
    Pdf,
    Csv,
}

impl Format {
    const ALL: [Self; 3] = [Self::Html, Self::Pdf, Self::Csv];

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Pdf => "pdf",
            Self::Csv => "csv",
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Pdf => "application/pdf",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    fn file_name(self) -> String {
        format!("report.{}", self.name())
    }

    /// The report in this format, or why there is none, in its own language.
    pub(crate) fn write(self, document: &Document) -> Result<Vec<u8>, String> {
        match self {
            Self::Html => Ok(report::html(document).into_bytes()),
            Self::Csv => Ok(report::csv(document).into_bytes()),
            Self::Pdf => {
                let found = fonts().filter(|fonts| fonts.can_write(document.language));
                let Some(fonts) = found else {
                    return Err(render::<&str, &str>("report.no_font", &[], document.language));
                };
                report::pdf(document, fonts).map_err(|error| error.to_string())
            }
        }
    }
}

/// A report that somebody wants.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) start: UnixMs,
    pub(crate) end: UnixMs,
    pub(crate) language: Language,
    pub(crate) model: Option<String>,
    /// Empty for that of this machine.
    pub(crate) zone: String,
    pub(crate) formats: Vec<Format>,
    pub(crate) schedule: Option<String>,
}

impl Wish {
    /// What is read for it.
    pub(crate) fn subject(&self, deployment: &str, reports: &config::Reports) -> Subject {
        let period = Period::new(self.start, self.end);
        Subject {
            period,
            model: self.model.clone(),
            zone: zone_over(&self.zone, period),
            // The name of the host, without the port.
            deployment: deployment.split(':').next().unwrap_or_default().to_owned(),
            energy_price: reports.price(),
            currency: reports.currency.clone(),
        }
    }
}

/// A zone as reports know it: its differences from UTC over a period and the one before.
pub(crate) fn zone_over(name: &str, period: Period) -> ReportZone {
    const STEP_MS: i64 = 15 * 60_000;
    let named = (!name.is_empty()).then(|| Zone::of_name(name)).flatten();
    let (zone, name) = match named {
        Some(zone) => (zone, name.to_owned()),
        None => (Zone::local(), Zone::local_name().unwrap_or_default()),
    };
    let offset = |time: i64| zone.offset(time.div_euclid(1_000));
    let mut offsets = vec![(period.start, offset(period.start.0))];
    let mut time = period.start.0;
    while time <= period.end.0 {
        let seconds = offset(time);
        if offsets.last().is_none_or(|(_, last)| *last != seconds) {
            offsets.push((UnixMs(time), seconds));
        }
        time += STEP_MS;
    }
    ReportZone { name, offsets }
}

/// What configuration and page ask of models, as reports know it.
pub(crate) fn objectives(all: &Objectives) -> Vec<(String, Objective)> {
    let objective = |(it, _): (objectives::Objective, bool)| {
        let objective = Objective {
            ttft_seconds: it.ttft_seconds,
            tpot_seconds: it.tpot_seconds,
            success_ratio: it.success_ratio,
            ratio: Some(it.ratio),
        };
        (it.model, objective)
    };
    all.all().into_iter().map(objective).collect()
}

/// When a schedule was last done with, and how that ended.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Run {
    /// The time at which it was due, in Unix milliseconds.
    pub(crate) due: i64,
    /// When it was made; absent where it was only noted that it need not be.
    pub(crate) made: Option<i64>,
    pub(crate) error: Option<String>,
    /// What of it is still to be handed on.
    pub(crate) left: Option<Left>,
}

#[derive(Default, Deserialize, Serialize)]
struct Saved {
    schedules: Vec<Schedule>,
}

#[derive(Default, Deserialize, Serialize)]
struct Runs {
    runs: BTreeMap<String, Run>,
}

/// Why a schedule of the page cannot be saved or forgotten.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScheduleError {
    #[error("{}: {:?} cannot be used", .0.key, .0.value)]
    Problem(ScheduleProblem),
    #[error("a schedule of this name is in the configuration; change it there")]
    Configured,
    #[error("there are {SCHEDULES_MAX} schedules already; delete one first")]
    TooMany,
    #[error("schedules of the page may not write into {0}; see reports.folders")]
    Folder(String),
    #[error("no schedule of the page has this name")]
    None,
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Where a schedule comes from, with what became of it.
pub(crate) struct Planned {
    pub(crate) schedule: Schedule,
    pub(crate) is_configured: bool,
    pub(crate) run: Run,
}

/// Reports that are kept, and schedules.
pub(crate) struct Reports {
    folder: PathBuf,
    kept: Kept,
    configured: Vec<Schedule>,
    /// Where schedules of the page may write.
    folders: Vec<PathBuf>,
    turn: Mutex<()>,
    language: Language,
    /// Held while one is made.
    pub(crate) making: tokio::sync::Semaphore,
}

impl Reports {
    /// Those of a data directory. `language` is that of reports that name none.
    pub(crate) fn new(data: &Path, config: &config::Reports, language: Language) -> Self {
        let folder = data.join(FOLDER);
        let configured = config.schedules.iter().filter_map(|one| one.schedule().ok()).collect();
        Self {
            kept: Kept::new(folder.clone()),
            folder,
            configured,
            folders: config.folders.iter().map(PathBuf::from).collect(),
            turn: Mutex::default(),
            language,
            making: tokio::sync::Semaphore::new(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The language of that tag, or that of the program.
    pub(crate) fn language(&self, tag: &str) -> Language {
        if tag.is_empty() { self.language } else { Language::from_tag(tag) }
    }

    pub(crate) fn list(&self) -> Vec<Entry> {
        self.kept.list()
    }

    pub(crate) fn file(&self, id: &str, format: Format) -> std::io::Result<Option<Vec<u8>>> {
        self.kept.file(id, format)
    }

    pub(crate) fn remove(&self, id: &str) -> std::io::Result<bool> {
        let _turn = self.lock();
        self.kept.remove(id)
    }

    /// Writes a report in its formats and keeps it.
    pub(crate) fn keep(&self, wish: &Wish, facts: &report::Facts) -> std::io::Result<Entry> {
        let document = report::compose(facts, wish.language);
        let file = |format: Format| Ok((format, format.write(&document)?));
        // Each once, however often it was asked for.
        let wanted = Format::ALL.into_iter().filter(|format| wish.formats.contains(format));
        let files: Result<Vec<_>, String> = wanted.map(file).collect();
        let files = files.map_err(std::io::Error::other)?;
        let entry = Entry {
            title: document.title.clone(),
            start: facts.start.0,
            end: facts.end.0,
            first_day: facts.zone.day(wish.start),
            last_day: facts.zone.day(UnixMs(wish.end.0 - 1)),
            created: facts.created.0,
            language: wish.language.tag().to_owned(),
            model: wish.model.clone(),
            schedule: wish.schedule.clone(),
            ..Entry::default()
        };
        let _turn = self.lock();
        self.kept.add(entry, &files)
    }

    /// All schedules, those of the configuration first.
    pub(crate) fn schedules(&self) -> std::io::Result<Vec<Planned>> {
        let saved: Saved = whole::read(&self.folder.join(SCHEDULES))?;
        let runs: Runs = whole::read(&self.folder.join(RUNS))?;
        let configured = self.configured.iter().map(|one| (one.clone(), true));
        let is_new = |one: &Schedule| self.configured.iter().all(|other| other.name != one.name);
        let saved = saved.schedules.into_iter().filter(is_new).map(|one| (one, false));
        let planned = configured.chain(saved).map(|(schedule, is_configured)| {
            let run = runs.runs.get(&schedule.name).cloned().unwrap_or_default();
            Planned { schedule, is_configured, run }
        });
        Ok(planned.collect())
    }

    /// Saves a schedule of the page, in place of one of the same name.
    pub(crate) fn save_schedule(&self, schedule: Schedule) -> Result<(), ScheduleError> {
        let schedule = schedule.checked().map_err(ScheduleError::Problem)?;
        if self.configured.iter().any(|one| one.name == schedule.name) {
            return Err(ScheduleError::Configured);
        }
        if !self.may_write(&schedule) {
            return Err(ScheduleError::Folder(schedule.folder));
        }
        let _turn = self.lock();
        let path = self.folder.join(SCHEDULES);
        let mut saved: Saved = whole::read(&path)?;
        saved.schedules.retain(|one| one.name != schedule.name);
        if saved.schedules.len() >= SCHEDULES_MAX {
            return Err(ScheduleError::TooMany);
        }
        saved.schedules.push(schedule);
        saved.schedules.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(whole::write(&path, &saved)?)
    }

    /// Whether a schedule may write into the folder that it names: those of the configuration may, those of the page
    /// only below folders that the configuration allows them. What is written there is others' to read.
    fn may_write(&self, schedule: &Schedule) -> bool {
        let folder = Path::new(&schedule.folder);
        let is_plain = folder.components().all(|part| part != std::path::Component::ParentDir);
        let is_below = || self.folders.iter().any(|allowed| folder.starts_with(allowed));
        schedule.folder.is_empty() || self.configured.contains(schedule) || is_plain && is_below()
    }

    /// Puts a file of a report into the folder of its schedule, under a name that tells what it is.
    pub(crate) fn copy_to(
        &self,
        schedule: &Schedule,
        name: &str,
        bytes: &[u8],
    ) -> std::io::Result<()> {
        if !self.may_write(schedule) {
            return Err(std::io::Error::other(ScheduleError::Folder(schedule.folder.clone())));
        }
        let folder = Path::new(&schedule.folder);
        let fresh = folder.join(format!(".{name}.new"));
        whole::write_bytes(&fresh, bytes, whole::Readers::Everybody)?;
        std::fs::rename(&fresh, folder.join(name))
    }

    pub(crate) fn forget_schedule(&self, name: &str) -> Result<(), ScheduleError> {
        if self.configured.iter().any(|one| one.name == name) {
            return Err(ScheduleError::Configured);
        }
        let _turn = self.lock();
        let path = self.folder.join(SCHEDULES);
        let mut saved: Saved = whole::read(&path)?;
        let before = saved.schedules.len();
        saved.schedules.retain(|one| one.name != name);
        if saved.schedules.len() == before {
            return Err(ScheduleError::None);
        }
        Ok(whole::write(&path, &saved)?)
    }

    /// Schedules that are due, each with when it was. One that is new is not made up for what was before it; of
    /// several that were missed only the last is made.
    pub(crate) fn due(&self, now: UnixMs) -> std::io::Result<Vec<(Schedule, UnixMs)>> {
        let mut due = Vec::new();
        for planned in self.schedules()? {
            let last = planned.schedule.last_due(now);
            if planned.run.due == 0 {
                self.note(&planned.schedule.name, Run { due: last.0, ..Run::default() })?;
            } else if last.0 > planned.run.due {
                due.push((planned.schedule, last));
            }
        }
        Ok(due)
    }

    /// From now on the next time of a schedule counts, whatever it was before.
    pub(crate) fn begin(&self, name: &str, now: UnixMs) -> std::io::Result<()> {
        let planned = self.schedules()?.into_iter().find(|it| it.schedule.name == name);
        planned.map_or(Ok(()), |planned| {
            let due = planned.schedule.last_due(now).0;
            self.note(name, Run { due, ..planned.run })
        })
    }

    /// Remembers how a schedule ended.
    pub(crate) fn note(&self, name: &str, run: Run) -> std::io::Result<()> {
        self.change_run(name, |it| *it = run)
    }

    fn change_run(&self, name: &str, change: impl FnOnce(&mut Run)) -> std::io::Result<()> {
        let _turn = self.lock();
        let path = self.folder.join(RUNS);
        let mut runs: Runs = whole::read(&path)?;
        // Of schedules that are gone nothing is remembered.
        let names: Vec<String> =
            self.schedules()?.into_iter().map(|planned| planned.schedule.name).collect();
        runs.runs.retain(|name, _| names.contains(name));
        change(runs.runs.entry(name.to_owned()).or_default());
        whole::write(&path, &runs)
    }
}

#[cfg(test)]
mod tests {
    use model::parse_rfc3339;

    use super::*;

    fn schedule(name: &str) -> Schedule {
        Schedule { name: name.into(), zone: "UTC".into(), ..Schedule::default() }
    }

    #[test]
    fn schedules_are_due_once_and_missed_ones_are_made_up_for_once() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Reports::new(folder.path(), &config::Reports::default(), Language::English);
        let reports = open();
        let time = |text: &str| parse_rfc3339(text).unwrap();
        reports.save_schedule(schedule("daily")).unwrap();
        let due = |reports: &Reports, now: &str| {
            let due = reports.due(time(now)).unwrap();
            due.into_iter().map(|(schedule, due)| (schedule.name, due)).collect::<Vec<_>>()
        };
        // A new one is not due for yesterday.
        assert_eq!(due(&reports, "2026-11-28T09:00:00Z"), []);
        assert_eq!(due(&reports, "2026-11-29T07:59:00Z"), []);
        let expected = [("daily".to_owned(), time("2026-11-29T08:00:00Z"))];
        assert_eq!(due(&reports, "2026-11-29T08:00:00Z"), expected);
        // Not made yet, and the program was away for days.
        let reports = open();
        let late = [("daily".to_owned(), time("2026-12-03T08:00:00Z"))];
        assert_eq!(due(&reports, "2026-12-03T10:00:00Z"), late);
        reports.note("daily", Run { due: late[0].1.0, ..Run::default() }).unwrap();
        assert_eq!(due(&reports, "2026-12-03T10:00:00Z"), []);
        reports.forget_schedule("daily").unwrap();
        assert!(matches!(reports.forget_schedule("daily"), Err(ScheduleError::None)));
        assert_eq!(due(&reports, "2026-12-05T10:00:00Z"), []);
    }

    #[test]
    fn schedules_of_the_configuration_are_not_changed_by_the_page() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config::Reports::default();
        config.schedules.push(config::Report::named("weekly"));
        let reports = Reports::new(folder.path(), &config, Language::Chinese);
        let saved = reports.save_schedule(schedule("weekly"));
        assert!(matches!(saved, Err(ScheduleError::Configured)));
        assert!(matches!(reports.forget_schedule("weekly"), Err(ScheduleError::Configured)));
        let all = reports.schedules().unwrap();
        assert!(all.iter().all(|planned| planned.is_configured) && all.len() == 1);
        assert_eq!(
            (reports.language(""), reports.language("en")),
            (Language::Chinese, Language::English)
        );
    }

    #[test]
    fn schedules_of_the_page_write_only_where_they_may() {
        let folder = tempfile::tempdir().unwrap();
        let check = |folders: &[&str], wanted: &str, expected: bool| {
            let mut config = config::Reports::default();
            let fixed =
                config::Report { folder: "/fixed".into(), ..config::Report::named("fixed") };
            config.schedules.push(fixed.clone());
            config.folders = folders.iter().map(|folder| (*folder).to_owned()).collect();
            let reports = Reports::new(folder.path(), &config, Language::English);
            assert!(reports.may_write(&fixed.schedule().unwrap()));
            let schedule = Schedule { folder: wanted.into(), ..schedule("page") };
            let refused = |error: Option<ScheduleError>| match error {
                Some(ScheduleError::Folder(folder)) => folder == wanted,
                _ => false,
            };
            assert_eq!(
                !refused(reports.save_schedule(schedule.clone()).err()),
                expected,
                "{wanted}"
            );
            assert_eq!(reports.may_write(&schedule), expected, "{wanted}");
        };
        check(&[], "", true);
        check(&[], "/fixed", false);
        check(&["/srv/a"], "/srv/a", true);
        check(&["/srv/b", "/srv/a"], "/srv/a/b", true);
        check(&["/srv/a"], "/srv/ab", false);
        check(&["/srv/a"], "/srv/a/../../etc", false);
    }

    #[test]
    fn files_are_named_after_the_days_of_the_zone() {
        let folder = tempfile::tempdir().unwrap();
        let reports = Reports::new(folder.path(), &config::Reports::default(), Language::English);
        let check = |zone: &str, start: &str, end: &str, expected: &str| {
            let (start, end) = (parse_rfc3339(start).unwrap(), parse_rfc3339(end).unwrap());
            let wish = Wish {
                start,
                end,
                language: Language::Chinese,
                model: None,
                zone: zone.into(),
                formats: vec![Format::Csv],
                schedule: None,
            };
            let Subject { period, zone, .. } = wish.subject("n:1", &config::Reports::default());
            let (start, end) = (period.start, period.end);
            let facts = report::Facts { start, end, zone, ..report::Facts::default() };
            let entry = reports.keep(&wish, &facts).unwrap();
            assert_eq!(entry.file_name(Format::Csv), format!("modelwatch-{expected}-zh.csv"));
            assert_eq!(reports.list().first(), Some(&entry));
        };
        // The 27th in China.
        let (start, end) = ("2026-11-26T16:00:00Z", "2026-11-27T16:00:00Z");
        check("UTC-8", start, end, "2026-11-27-2026-11-27");
        check("UTC", start, end, "2026-11-26-2026-11-27");
        // November in India, whose months begin within an hour of UTC.
        let (start, end) = ("2026-10-31T18:30:00Z", "2026-11-30T18:30:00Z");
        check("IST-5:30", start, end, "2026-11-01-2026-11-30");
    }

    #[test]
    fn zones_follow_the_clocks_over_a_period() {
        let (start, end) = ("2026-10-20T00:00:00Z", "2026-10-27T00:00:00Z");
        let period = Period::new(parse_rfc3339(start).unwrap(), parse_rfc3339(end).unwrap());
        let zone = zone_over("CET-1CEST,M3.5.0,M10.5.0/3", period);
        let change = parse_rfc3339("2026-10-25T01:00:00Z").unwrap();
        assert_eq!(zone.offsets, [(period.start, 7_200), (change, 3_600)]);
    }
}
