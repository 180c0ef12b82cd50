//! One model that arrives: how much of it is there, how fast it comes, and what there is to tell.
//!
//! It begins when a file grows, not when one is there: what an interrupted download left behind is none.
//! It ends when no unfinished file is left for a while, since tools fetch files one after the other.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    time::Duration,
};

use super::unfinished::{self, Size, Unfinished};

/// How long the rate looks back.
const RATE_WINDOW: Duration = Duration::from_secs(30);
/// How long nothing unfinished has to be there until all has arrived.
const OVER_AFTER: Duration = Duration::from_secs(30);
/// How long nothing has to come until it has stopped: longer than tools wait before they try again.
const STOPPED_AFTER: Duration = Duration::from_secs(120);
/// Most files that are remembered as whole.
const WHOLE_MAX: usize = 4_096;

/// What happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Began,
    Ended,
    Stopped,
    WillNotFit,
}

/// What can be told of it now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) bytes: u64,
    pub(super) bytes_per_second: Option<f64>,
    pub(super) total: Option<u64>,
    pub(super) remaining: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Pull {
    pub(super) about: Unfinished,
    files: BTreeMap<PathBuf, Size>,
    /// Bytes of files that became whole while it was watched.
    whole: BTreeMap<PathBuf, u64>,
    /// Where files should be that went away and were not there as a whole.
    missing: Vec<PathBuf>,
    /// Bytes that came while it was watched.
    pub(super) arrived: u64,
    /// When how much had come.
    past: VecDeque<(Duration, u64)>,
    pub(super) began: Option<Duration>,
    pub(super) grew: Duration,
    is_told_full: bool,
    /// What the list of the model's files says, once that is there: it may say nothing.
    declared: Option<Option<u64>>,
}

impl Pull {
    pub(super) fn new(about: Unfinished, now: Duration) -> Self {
        Self {
            about,
            files: BTreeMap::new(),
            whole: BTreeMap::new(),
            missing: Vec::new(),
            arrived: 0,
            past: VecDeque::new(),
            began: None,
            grew: now,
            is_told_full: false,
            declared: None,
        }
    }

    /// Takes in a file that is there.
    pub(super) fn saw(&mut self, path: &Path, size: Size) {
        let before = self.files.insert(path.to_owned(), size);
        // What is there at first may be from long ago, unless other files of it come right now.
        let base =
            before.map(|size| size.bytes).or_else(|| self.began.is_none().then_some(size.bytes));
        self.arrived += size.bytes.saturating_sub(base.unwrap_or_default());
    }

    /// Takes in that a file is not there any more.
    pub(super) fn lost(&mut self, path: &Path, about: &Unfinished) {
        let Some(before) = self.files.remove(path) else { return };
        let Some(whole) = &about.whole else { return };
        match std::fs::metadata(whole) {
            Ok(found) if found.is_file() => {
                self.arrived += found.len().saturating_sub(before.bytes);
                if self.whole.len() < WHOLE_MAX {
                    self.whole.insert(whole.clone(), found.len());
                }
            }
            _ if self.missing.len() < WHOLE_MAX => self.missing.push(whole.clone()),
            _ => {}
        }
    }

    /// What all that was taken in means. `free` is asked for only where it counts.
    pub(super) fn look(
        &mut self,
        now: Duration,
        free: impl FnOnce() -> Option<u64>,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let (since, last) = self.past.back().copied().unwrap_or((now, 0));
        if self.arrived > last {
            self.grew = now;
            if self.began.is_none() {
                self.began = Some(since);
                self.is_told_full = false;
                self.missing.clear();
                changes.push(Change::Began);
            }
        }
        self.past.push_back((now, self.arrived));
        while self.past.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= RATE_WINDOW) {
            self.past.pop_front();
        }
        if self.began.is_none() {
            return changes;
        }
        let quiet = now.saturating_sub(self.grew);
        let is_over = self.files.is_empty() && quiet >= OVER_AFTER;
        if is_over || quiet >= STOPPED_AFTER {
            self.began = None;
            let is_whole = is_over && self.missing.iter().all(|path| unfinished::is_whole(path));
            changes.push(if is_whole { Change::Ended } else { Change::Stopped });
            return changes;
        }
        if !self.is_told_full
            && let Some(remaining) = self.state().remaining
            && free().is_some_and(|free| free < remaining)
        {
            self.is_told_full = true;
            changes.push(Change::WillNotFit);
        }
        changes
    }

    /// Whether there is nothing more to follow.
    pub(super) fn is_over(&self) -> bool {
        self.files.is_empty() && self.began.is_none()
    }

    pub(super) fn state(&mut self) -> State {
        let unfinished: u64 = self.files.values().map(|size| size.bytes).sum();
        let mut bytes = unfinished + self.whole.values().sum::<u64>();
        let totals: Option<u64> = self.files.values().map(|size| size.total).sum();
        let mut total = totals.filter(|_| !self.files.is_empty());
        if total.is_none()
            && let Some(folder) = unfinished::whole_files(&self.about)
        {
            self.declared = self.declared.or_else(|| unfinished::declared(&folder));
            total = self.declared.flatten();
            if total.is_some() {
                bytes = bytes.max(unfinished + unfinished::weights(&folder));
            }
        }
        // More than was declared says that other files come too, of which nobody tells how large they are.
        let remaining = total.and_then(|total| total.checked_sub(bytes));
        let rate = match (self.past.front(), self.past.back()) {
            (Some((from, before)), Some((to, now))) if to > from => {
                Some((now - before) as f64 / (*to - *from).as_secs_f64())
            }
            _ => None,
        };
        State { bytes, bytes_per_second: rate, total, remaining }
    }
}
