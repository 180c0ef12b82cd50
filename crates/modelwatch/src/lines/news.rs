//! What a program says for the first time, where it is a warning or worse.
//!
//! Patterns are mined for each program apart, and only from lines that differ in more than values, so that most lines
//! cost no more than taking their values out. After a start everything is new, so nothing is told for a while. Bias:
//! what is said once an hour is told as new after each restart.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use logs::Patterns;
use model::log::{Line, LogRecord, Severity};
use store::events::pattern;

/// So long after the start everything is taken for known.
const LEARNING: Duration = Duration::from_secs(10 * 60);
/// Programs that are told apart; those beyond are not looked at.
const PROGRAMS_MAX: usize = 200;
/// Texts without values that are remembered; beyond them nothing is new any more.
const TEXTS_MAX: usize = 100_000;
/// At most so many events,
const EVENTS_MAX: u32 = 10;
/// in so much time.
const PERIOD: Duration = Duration::from_secs(10 * 60);
/// Of a line so much is in the event.
const EXAMPLE_BYTES: usize = 200;

pub(super) struct News {
    started: Duration,
    texts: HashSet<u64>,
    programs: HashMap<String, Patterns>,
    period: Duration,
    told: u32,
}

impl News {
    pub(super) fn new(now: Duration) -> Self {
        let (texts, programs) = (HashSet::new(), HashMap::new());
        Self { started: now, texts, programs, period: now, told: 0 }
    }

    /// The event that is to be told of a line, if it is the first of its kind.
    pub(super) fn look(&mut self, line: &Line, now: Duration) -> Option<LogRecord> {
        line.severity.filter(|severity| *severity >= Severity::Warn)?;
        let origin = &line.origin;
        let names = [&origin.service, &origin.engine, &origin.source];
        let program = names.into_iter().find(|name| !name.is_empty())?;
        let first = line.body.lines().next()?;
        let mut hasher = DefaultHasher::new();
        (program, pattern(first)).hash(&mut hasher);
        let hash = hasher.finish();
        if self.texts.contains(&hash) || self.texts.len() >= TEXTS_MAX {
            return None;
        }
        self.texts.insert(hash);
        if !self.programs.contains_key(program) && self.programs.len() >= PROGRAMS_MAX {
            return None;
        }
        let patterns = self.programs.entry(program.clone()).or_default();
        let before = patterns.all().len();
        patterns.push(first);
        let is_new = patterns.all().len() > before;
        (is_new && self.may_tell(now)).then(|| event(line, program, first))
    }

    fn may_tell(&mut self, now: Duration) -> bool {
        if now.saturating_sub(self.period) >= PERIOD {
            (self.period, self.told) = (now, 0);
        }
        let may = now.saturating_sub(self.started) >= LEARNING && self.told < EVENTS_MAX;
        self.told += u32::from(may);
        may
    }
}

fn event(line: &Line, program: &str, text: &str) -> LogRecord {
    let example = text.get(..text.floor_char_boundary(EXAMPLE_BYTES)).unwrap_or_default();
    let mut attributes = vec![
        ("service".to_owned(), program.to_owned()),
        ("line".to_owned(), logs::visible(example).into_owned()),
    ];
    if !line.origin.instance.is_empty() {
        attributes.push(("instance".to_owned(), line.origin.instance.clone()));
    }
    LogRecord {
        time: line.time,
        source: "logs".into(),
        severity: line.severity.unwrap_or(Severity::Warn).min(Severity::Warn),
        body: "event.log_pattern_new".into(),
        attributes,
    }
}
