//! All files that are followed, and what becomes of them: they are renamed, emptied after they were copied,
//! deleted, and begun anew.
//!
//! A file that was renamed is read to its end before the one that took its name. Where a file was emptied, what
//! was not read yet is looked for in the copy that was made of it, in the same folder. A copy whose original is
//! known is not read as a file of its own. What was written and emptied within one look, and copied nowhere or
//! into another folder, is lost.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use model::{UnixMs, log::Origin};

use super::{
    From, Limits, LineSink,
    cursor::{Cursor, Step},
    feed::{Counts, Feed},
    history::{self, History, Progress},
    place::{Head, Inode},
    positions::{self, Position, Positions},
    report::Amount,
    siblings::{self, Likeness},
    unwrap::{Form, Unwrapper},
};
use crate::Failure;

/// What is read at once.
const BUFFER: usize = 256 * 1024;
/// How much of a log that says when each line was written is read of what was there before.
const RECENT_BYTES: u64 = 4 << 20;
/// Most packed files that wait.
const PACKED_MAX: usize = 1_024;
/// How often a file is looked at that changed within [`LIVELY`], within [`CALM`], and longer ago.
const PERIODS: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(2)];
const LIVELY: Duration = Duration::from_secs(10);
const CALM: Duration = Duration::from_secs(60);
/// How soon a file is looked at again that brought too much.
const THROTTLED: Duration = Duration::from_millis(50);
/// So few bytes do not tell that a file is still the same: its head is looked at too.
const SHORT: u64 = 256;
/// For how long a file may hold back the one that took its name.
const FIRST_MAX: Duration = Duration::from_secs(10);
/// How long the last word of a file is waited for that was deleted, and of one that was renamed.
const DELETED_QUIET: Duration = Duration::from_secs(60);
const RENAMED_QUIET: Duration = Duration::from_secs(600);

/// Both times of one look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) wall: UnixMs,
    pub(super) monotonic: Duration,
}

/// A file that should be followed.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) origin: Arc<Origin>,
    pub(super) from: From,
    /// The pattern that found it.
    pub(super) pattern: Option<Arc<str>>,
    pub(super) form: Form,
    /// Whether to read it too if gzip or zstd made it smaller.
    pub(super) is_history_read: bool,
    pub(super) only: Only,
}

/// Which file counts, whatever is at the path: who names a path to us may not be who may read the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Only {
    Any,
    OwnedBy(u32),
    Is(Inode),
}

impl Only {
    fn allows(self, about: &fs::Metadata) -> bool {
        match self {
            Self::Any => true,
            Self::OwnedBy(user) => about.uid() == user,
            Self::Is(inode) => Inode::of(about) == inode,
        }
    }
}

/// A packed file that is to be read.
struct Packed {
    candidate: Candidate,
    /// What it may have been made of, and whether it counts only then.
    known: Vec<Position>,
    is_expected: bool,
}

#[derive(Debug)]
struct Followed {
    path: PathBuf,
    inode: Inode,
    file: File,
    origin: Arc<Origin>,
    head: Option<Head>,
    generation: u32,
    /// Absent while the first line is not complete.
    feed: Option<Feed>,
    cursor: Cursor,
    form: Form,
    unwrapper: Unwrapper,
    /// At the last look.
    size: u64,
    is_at_end: bool,
    /// The file that had its name before and is read first, until then at most.
    after: Option<(Inode, Duration)>,
    /// Since when another file, or none, has its name.
    moved: Option<Duration>,
    changed: Duration,
    due: Duration,
    /// Why it could not be read the last time.
    failure: Option<Failure>,
}

pub(super) struct Files {
    followed: Vec<Followed>,
    /// Where each is in the list, during a scan.
    places: HashMap<Inode, usize>,
    /// The packed file that is read, and those that wait.
    history: Option<History>,
    packed: Vec<Packed>,
    /// Of files that are gone, until all is stored.
    leaving: Vec<Feed>,
    /// What files gave that are not followed any more, by origin.
    past: BTreeMap<String, (Arc<Origin>, Counts)>,
    buffer: Vec<u8>,
    limits: Limits,
    files_max: usize,
    /// Where the last round was broken off.
    turn: usize,
    has_scanned: bool,
    /// There are files, or beginnings of files, that are not on the list of positions on the disk.
    has_new: bool,
    /// Files that could not be opened, and why.
    pub(super) failures: BTreeMap<String, Failure>,
    /// Files beyond `files_max`.
    pub(super) left_out: usize,
    /// Somebody waits for a place: to be scanned again soon.
    pub(super) is_waited_for: bool,
}

/// What a round over all files came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// The sink takes nothing now.
    Refused,
    /// Nothing to do before that time.
    Until(Duration),
}

impl Round {
    /// What two rounds come to together.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Until(one), Self::Until(other)) => Self::Until(one.min(other)),
            _ => Self::Refused,
        }
    }
}

impl Files {
    pub(super) fn new(limits: Limits, files_max: usize) -> Self {
        Self {
            followed: Vec::new(),
            places: HashMap::new(),
            history: None,
            packed: Vec::new(),
            leaving: Vec::new(),
            past: BTreeMap::new(),
            buffer: vec![0; BUFFER],
            limits,
            files_max,
            turn: 0,
            has_scanned: false,
            has_new: false,
            failures: BTreeMap::new(),
            left_out: 0,
            is_waited_for: false,
        }
    }

    /// Follows what was not followed yet. The first scan looks also for what was renamed meanwhile.
    pub(super) fn scan(
        &mut self,
        candidates: Vec<Candidate>,
        positions: &mut Positions,
        sink: &dyn LineSink,
        now: Now,
    ) {
        self.note(positions, now);
        self.failures.clear();
        let places = self.followed.iter().enumerate().map(|(at, one)| (one.inode, at));
        self.places = places.collect();
        (self.left_out, self.is_waited_for) = (0, false);
        let mut seen = BTreeSet::new();
        let mut patterns = BTreeSet::new();
        for candidate in candidates {
            patterns.extend(candidate.pattern.clone());
            let path = candidate.path.display().to_string();
            if let Err(error) = self.admit(candidate, &mut seen, positions, sink, now)
                && error.kind() != io::ErrorKind::NotFound
            {
                self.failures.insert(path.clone(), Failure::from_io(path, &error));
            }
        }
        if !self.has_scanned {
            self.find_renamed(&seen, positions, sink, now);
            self.has_scanned = true;
        }
        for pattern in patterns {
            self.has_new |= positions.patterns.insert(pattern.to_string());
        }
        if self.has_new {
            self.save(positions, now);
        }
    }

    /// Has on the disk what tells files from others before any of their lines is taken: they may be renamed or
    /// emptied while nobody looks.
    fn save(&mut self, positions: &mut Positions, now: Now) {
        self.note(positions, now);
        self.has_new = false;
        // An error is told when everything is saved the next time.
        positions.is_changed |= positions.save(now.wall).is_err();
    }

    fn admit(
        &mut self,
        candidate: Candidate,
        seen: &mut BTreeSet<Inode>,
        positions: &mut Positions,
        sink: &dyn LineSink,
        now: Now,
    ) -> io::Result<()> {
        let about = fs::metadata(&candidate.path)?;
        let inode = Inode::of(&about);
        if !about.is_file() || !seen.insert(inode) {
            return Ok(());
        }
        if let Some(position) = positions.files.get_mut(&inode) {
            position.seen = now.wall.0;
        }
        let place = self.places.get(&inode);
        if let Some(followed) = place.and_then(|at| self.followed.get_mut(*at)) {
            followed.moved = None;
            followed.path = candidate.path;
            followed.set_origin(candidate.origin);
            return Ok(());
        }
        if self.followed.len() >= self.files_max {
            self.left_out += 1;
            return Ok(());
        }
        let file = File::open(&candidate.path)?;
        let about = file.metadata()?;
        // Another one may have come between.
        if Inode::of(&about) != inode || !candidate.only.allows(&about) {
            return Ok(());
        }
        if siblings::is_compressed(&file)? {
            if candidate.is_history_read {
                self.wait_for(candidate, &about, positions);
            }
            return Ok(());
        }
        self.begin(candidate, file, positions, sink, now)
    }

    /// Has a packed file read that was not read to its end before.
    fn wait_for(&mut self, candidate: Candidate, about: &fs::Metadata, positions: &Positions) {
        let known = positions.files.get(&Inode::of(about));
        let is_read = known.is_some_and(|position| position.packed == Some(about.len()));
        let mut waiting = self.packed.iter().map(|packed| packed.candidate.path.as_path());
        let is_waiting = waiting.any(|path| path == candidate.path)
            || self.history.as_ref().is_some_and(|history| history.path() == candidate.path);
        if is_read || is_waiting || self.packed.len() >= PACKED_MAX {
            return;
        }
        let is_alike = |position: &&Position| {
            position.packed.is_none()
                && siblings::is_derived(Path::new(&position.path), &candidate.path)
        };
        let known = positions.files.values().filter(is_alike).cloned().collect();
        self.packed.push(Packed { candidate, known, is_expected: false });
    }

    /// Reads a little of the packed file whose turn it is.
    fn unpack(&mut self, positions: &mut Positions, sink: &dyn LineSink, now: Now) -> Round {
        if self.history.is_none()
            && let Some(Packed { candidate, known, is_expected }) = self.packed.pop()
        {
            let path = candidate.path.display().to_string();
            match History::open(candidate, &known, is_expected, sink, self.limits) {
                Ok(history) => self.history = history,
                Err(error) => {
                    drop(self.failures.insert(path.clone(), Failure::from_io(path, &error)))
                }
            }
        }
        let Some(history) = &mut self.history else {
            let is_waiting = !self.packed.is_empty();
            return Round::Until(now.monotonic + PERIODS[usize::from(!is_waiting) * 2]);
        };
        let (inode, position) = match history.turn(sink, now) {
            Ok(Progress::Refused) => return Round::Refused,
            Ok(Progress::Until(time)) => {
                let (inode, position) = history.position(now);
                positions.files.insert(inode, position);
                positions.is_changed = true;
                return Round::Until(time);
            }
            Ok(Progress::Done) => history.position(now),
            Err(error) => {
                let path = history.path().display().to_string();
                self.failures.insert(path.clone(), Failure::from_io(path, &error));
                history.given_up(now)
            }
        };
        keep_counts(&mut self.past, &history.feed);
        positions.files.insert(inode, position);
        positions.is_changed = true;
        self.history = None;
        Round::Until(now.monotonic)
    }

    /// Finds out where to go on in a file, or that it is none of its own.
    fn begin(
        &mut self,
        candidate: Candidate,
        file: File,
        positions: &mut Positions,
        sink: &dyn LineSink,
        now: Now,
    ) -> io::Result<()> {
        let about = file.metadata()?;
        let inode = Inode::of(&about);
        if !positions.files.contains_key(&inode) {
            let is_followed = |inode: &Inode| self.followed.iter().any(|one| one.inode == *inode);
            match siblings::likeness(
                &candidate.path,
                &file,
                &positions.files,
                is_followed,
                !self.has_scanned,
                now,
            )? {
                Likeness::None => {}
                Likeness::Copy => return Ok(()),
                Likeness::Growing => {
                    self.is_waited_for = true;
                    return Ok(());
                }
                Likeness::Same(old) => {
                    if let Some(position) = positions.files.remove(&old) {
                        positions.files.insert(inode, position);
                    }
                }
            }
        }
        let followed = match positions.files.get(&inode).cloned() {
            None => {
                let is_looked_for = |pattern: &Arc<str>| positions.patterns.contains(&**pattern);
                let is_news = candidate.pattern.as_ref().is_some_and(is_looked_for);
                let from = if is_news { From::Start } else { candidate.from };
                self.first_time(candidate, file, from, sink)?
            }
            Some(position) => match continued(&candidate, &file, &position, sink, self.limits)? {
                Some(followed) => followed,
                None => {
                    if !self.find_copy(&position, inode, sink, now) {
                        self.find_packed(&position);
                    }
                    let cursor = Cursor::begin_with_data(&file);
                    let mut followed = Followed::new(candidate, file, cursor)?;
                    followed.generation = position.generation + 1;
                    followed.name(sink, self.limits)?;
                    followed
                }
            },
        };
        let is_before = |one: &&Followed| one.path == followed.path && !one.is_finished();
        let before = self.followed.iter().find(is_before);
        let after = before.map(|one| (one.inode, now.monotonic + FIRST_MAX));
        positions.files.insert(inode, followed.position(now));
        positions.is_changed = true;
        self.has_new = true;
        self.places.insert(inode, self.followed.len());
        self.followed.push(Followed { after, ..followed });
        Ok(())
    }

    fn first_time(
        &mut self,
        candidate: Candidate,
        file: File,
        from: From,
        sink: &dyn LineSink,
    ) -> io::Result<Followed> {
        let about = file.metadata()?;
        let (inode, size) = (Inode::of(&about), about.len());
        let mut generation = 0;
        let mut offset = 0;
        if let Some(head) = Head::read(&file)? {
            // The positions may be lost; then a file that is longer now may be the one that was read.
            while let Some(stored) = sink.stored(&head.name(inode, generation)) {
                if stored <= size && stored > 0 {
                    offset = stored;
                    break;
                }
                generation += 1;
            }
        }
        let cursor = match from {
            _ if offset > 0 => Cursor::at(&file, offset)?.unwrap_or_else(Cursor::beginning),
            From::Start => Cursor::beginning(),
            From::End => Cursor::behind_last_line(&file, size, &mut self.buffer)?,
            From::Recent => {
                let from = size.saturating_sub(RECENT_BYTES);
                Cursor::from_line(&file, from, &mut self.buffer)?
            }
        };
        let mut followed = Followed::new(candidate, file, cursor)?;
        followed.generation = generation;
        followed.name(sink, self.limits)?;
        Ok(followed)
    }

    /// Files that were followed when this program was last alive and have another name now.
    fn find_renamed(
        &mut self,
        seen: &BTreeSet<Inode>,
        positions: &mut Positions,
        sink: &dyn LineSink,
        now: Now,
    ) {
        let saved = positions.saved.unwrap_or(now.wall);
        let lost: Vec<(Inode, Position)> = positions
            .files
            .iter()
            .filter(|(inode, position)| !seen.contains(inode) && position.seen >= saved.0)
            .map(|(inode, position)| (*inode, position.clone()))
            .collect();
        for (inode, position) in lost {
            let is_followed = self.followed.iter().any(|one| one.inode == inode);
            let Some(path) = siblings::renamed(&position, inode).filter(|_| !is_followed) else {
                if !is_followed && !self.find_copy(&position, inode, sink, now) {
                    self.find_packed(&position);
                }
                continue;
            };
            let candidate = Candidate::again(path, &position);
            let Ok(file) = File::open(&candidate.path) else { continue };
            let limits = self.limits;
            if let Ok(Some(followed)) = continued(&candidate, &file, &position, sink, limits) {
                self.followed.push(Followed { moved: Some(now.monotonic), ..followed });
            }
        }
    }

    /// Follows the copy of a file that is not what it was, from where it was read.
    fn find_copy(
        &mut self,
        position: &Position,
        inode: Inode,
        sink: &dyn LineSink,
        now: Now,
    ) -> bool {
        let Some((path, file)) = siblings::copy(position, inode) else { return false };
        let candidate = Candidate::again(path, position);
        let Ok(Some(followed)) = continued(&candidate, &file, position, sink, self.limits) else {
            return false;
        };
        if self.followed.iter().all(|one| one.inode != followed.inode) {
            self.places.insert(followed.inode, self.followed.len());
            self.followed.push(Followed { moved: Some(now.monotonic), ..followed });
        }
        true
    }

    /// Has the rest of a file read that was renamed and packed while nobody looked.
    fn find_packed(&mut self, position: &Position) {
        if position.packed.is_some() || position.head.is_none() {
            return;
        }
        let found = history::made_of(position).into_iter().map(|path| Packed {
            candidate: Candidate::again(path, position),
            known: vec![position.clone()],
            is_expected: true,
        });
        self.packed.extend(found.take(PACKED_MAX.saturating_sub(self.packed.len())));
    }

    /// Reads a little of every file that has something, beginning where it was broken off.
    pub(super) fn round(
        &mut self,
        positions: &mut Positions,
        sink: &dyn LineSink,
        now: Now,
    ) -> Round {
        let mut until = now.monotonic + PERIODS[2];
        for feed in &mut self.leaving {
            if !feed.offer(sink, now.wall, now.monotonic) {
                return Round::Refused;
            }
        }
        let (past, leaving) = (&mut self.past, &mut self.leaving);
        leaving.retain(|feed| {
            !feed.is_done() || {
                keep_counts(past, feed);
                false
            }
        });
        if !self.leaving.is_empty() {
            until = until.min(now.monotonic + PERIODS[1]);
        }
        let count = self.followed.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let Some(due) = self.followed.get(at).map(|one| one.due) else { continue };
            if due > now.monotonic {
                until = until.min(due);
                continue;
            }
            if self.has_to_wait(at, now) {
                until = until.min(now.monotonic + PERIODS[0]);
                continue;
            }
            match self.turn(at, positions, sink, now) {
                Ok(true) => {
                    if let Some(one) = self.followed.get_mut(at) {
                        one.failure = None;
                    }
                }
                Ok(false) => {
                    self.turn = at;
                    return Round::Refused;
                }
                Err(error) => self.fail(at, &error, now),
            }
            until = until.min(self.followed.get(at).map_or(now.monotonic, |one| one.due));
        }
        self.turn = if count == 0 { 0 } else { (self.turn + 1) % count };
        self.end_finished(positions, now);
        Round::Until(until).and(self.unpack(positions, sink, now))
    }

    /// Whether the file that had this one's name before is still being read.
    fn has_to_wait(&mut self, at: usize, now: Now) -> bool {
        let Some((inode, until)) = self.followed.get(at).and_then(|one| one.after) else {
            return false;
        };
        let is_read = |one: &Followed| one.inode != inode || one.is_finished();
        let waits = now.monotonic < until && !self.followed.iter().all(is_read);
        if let Some(one) = self.followed.get_mut(at).filter(|_| !waits) {
            one.after = None;
        }
        waits
    }

    /// Returns whether the sink took what there was.
    fn turn(
        &mut self,
        at: usize,
        positions: &mut Positions,
        sink: &dyn LineSink,
        now: Now,
    ) -> io::Result<bool> {
        let limits = self.limits;
        let Some(one) = self.followed.get_mut(at) else { return Ok(true) };
        if one.feed.as_mut().is_some_and(|feed| !feed.offer(sink, now.wall, now.monotonic)) {
            return Ok(false);
        }
        let size = one.look(now)?;
        if size == one.size && one.is_at_end {
            one.say_what_waits(now);
            one.say_last_word(now)?;
            one.rest(now);
            return Ok(true);
        }
        if one.feed.is_none() {
            if !one.name(sink, limits)? {
                one.size = size;
                one.rest(now);
                return Ok(true);
            }
            self.save(positions, now);
        }
        let Self { followed, buffer, .. } = self;
        let Some(one) = followed.get_mut(at) else { return Ok(true) };
        let Some(feed) = &mut one.feed else { return Ok(true) };
        let Some(room) = feed.room(now.monotonic) else {
            one.due = now.monotonic + THROTTLED;
            return Ok(true);
        };
        let mut lines = Vec::new();
        let is_short = one.cursor.start < SHORT && Head::read(&one.file)? != one.head;
        let step = match is_short {
            true => Step::Replaced,
            false => one.cursor.read(&one.file, size, room, buffer, &mut lines)?,
        };
        if step == Step::Replaced {
            self.replace(at, positions, sink, now)?;
            return Ok(true);
        }
        if !lines.is_empty() {
            one.changed = now.monotonic;
            positions.is_changed = true;
        }
        feed.put(one.unwrapper.take(lines), now.wall, now.monotonic);
        let was_taken = feed.offer(sink, now.wall, now.monotonic);
        (one.size, one.is_at_end) = (size, step == Step::End);
        if one.is_at_end && was_taken {
            one.rest(now);
        } else {
            one.due = now.monotonic;
        }
        Ok(was_taken)
    }

    /// Begins a file anew that was emptied, after what was not read of it in the copy. What tells the new file
    /// from the old one is on the disk before any line is taken.
    fn replace(
        &mut self,
        at: usize,
        positions: &mut Positions,
        sink: &dyn LineSink,
        now: Now,
    ) -> io::Result<()> {
        let Some(one) = self.followed.get_mut(at) else { return Ok(()) };
        let old = one.position(now);
        let inode = one.inode;
        one.head = None;
        one.generation += 1;
        one.cursor = Cursor::begin_with_data(&one.file);
        (one.size, one.is_at_end) = (0, false);
        one.due = now.monotonic;
        one.changed = now.monotonic;
        let feed = one.feed.take();
        let mut unwrapper = std::mem::replace(&mut one.unwrapper, Unwrapper::new(one.form));
        one.name(sink, self.limits)?;
        if let Some(feed) = feed {
            let found = siblings::copy(&old, inode);
            let is_known = |inode: Inode| self.followed.iter().any(|one| one.inode == inode);
            let copy = found.filter(|(_, file)| {
                file.metadata().is_ok_and(|about| !is_known(Inode::of(&about)))
            });
            match copy {
                Some(copy) => {
                    let copy = Followed::rest_of(copy, &old, feed, unwrapper, now)?;
                    self.followed.push(copy);
                }
                None => {
                    let mut feed = feed;
                    feed.put(unwrapper.rest(), now.wall, now.monotonic);
                    self.leaving.push(feed);
                }
            }
        }
        for feed in &mut self.leaving {
            feed.complete(sink, now.wall);
        }
        self.save(positions, now);
        Ok(())
    }

    fn fail(&mut self, at: usize, error: &io::Error, now: Now) {
        let Some(one) = self.followed.get_mut(at) else { return };
        one.due = now.monotonic + CALM;
        one.failure = Some(Failure::from_io(one.path.display(), error));
    }

    /// Lets go of files that will say no more.
    fn end_finished(&mut self, positions: &mut Positions, now: Now) {
        let past = &mut self.past;
        self.followed.retain(|one| {
            let Some(since) = one.moved.filter(|_| one.is_finished()) else { return true };
            let is_deleted = one.file.metadata().is_ok_and(|about| about.nlink() == 0);
            let quiet = if is_deleted { DELETED_QUIET } else { RENAMED_QUIET };
            if now.monotonic.saturating_sub(since.max(one.changed)) < quiet {
                return true;
            }
            positions.files.insert(one.inode, one.position(now));
            positions.is_changed = true;
            if let Some(feed) = &one.feed {
                keep_counts(past, feed);
            }
            false
        });
    }

    /// Enters where all files are.
    pub(super) fn note(&self, positions: &mut Positions, now: Now) {
        for one in &self.followed {
            positions.files.insert(one.inode, one.position(now));
        }
    }

    /// What files gave, those that are gone included.
    pub(super) fn amounts(&self) -> Vec<Amount> {
        let amount = |one: &Followed| Amount {
            origin: Arc::clone(&one.origin),
            counts: one.feed.as_ref().map(|feed| feed.counts).unwrap_or_default(),
            lag: Some(one.size.saturating_sub(one.feed.as_ref().map_or(0, Feed::stored))),
            skipped: 0,
        };
        let past = self.past.values().map(|(origin, counts)| Amount {
            origin: Arc::clone(origin),
            counts: *counts,
            lag: None,
            skipped: 0,
        });
        let history = self.history.iter().map(|history| Amount {
            origin: Arc::clone(&history.feed.origin),
            counts: history.feed.counts,
            lag: None,
            skipped: 0,
        });
        self.followed.iter().map(amount).chain(history).chain(past).collect()
    }

    /// Files that cannot be read, and why.
    pub(super) fn failures(&self) -> impl Iterator<Item = (String, &Failure)> {
        let followed = self.followed.iter();
        let broken = followed
            .filter_map(|one| Some((one.path.display().to_string(), one.failure.as_ref()?)));
        self.failures.iter().map(|(path, failure)| (path.clone(), failure)).chain(broken)
    }

    /// How many files are followed of which that is so.
    pub(super) fn count_of(&self, is_meant: impl Fn(&Origin) -> bool) -> usize {
        self.followed.iter().filter(|one| is_meant(&one.origin)).count()
    }

    pub(super) fn count(&self) -> usize {
        self.followed.len()
    }
}

/// Adds what a log gave that is not followed any more.
fn keep_counts(past: &mut BTreeMap<String, (Arc<Origin>, Counts)>, feed: &Feed) {
    let (_, sum) = past
        .entry(feed.origin.origin.clone())
        .or_insert_with(|| (Arc::clone(&feed.origin), Counts::default()));
    sum.add(feed.counts);
}

/// Goes on in a file that was read before; absent where it is not that file any more.
fn continued(
    candidate: &Candidate,
    file: &File,
    position: &Position,
    sink: &dyn LineSink,
    limits: Limits,
) -> io::Result<Option<Followed>> {
    let (candidate, handle) = (candidate.clone(), file.try_clone()?);
    let Some(name) = &position.file else {
        let cursor = Cursor::begin_with_data(&handle);
        let mut followed = Followed::new(candidate, handle, cursor)?;
        followed.generation = position.generation;
        followed.name(sink, limits)?;
        return Ok(Some(followed));
    };
    let offset = position.offset.max(sink.stored(name).unwrap_or(0));
    let is_same = Head::read(file)? == position.head && siblings::has_tail(file, position)?;
    let Some(cursor) = Cursor::at(file, offset)?.filter(|_| is_same) else { return Ok(None) };
    let mut followed = Followed::new(candidate, handle, cursor)?;
    (followed.head, followed.generation) = (position.head, position.generation);
    let origin = Arc::clone(&followed.origin);
    followed.feed = Some(Feed::new(name.as_str().into(), origin, offset, limits));
    Ok(Some(followed))
}

impl Candidate {
    /// The file of a position under another name.
    fn again(path: PathBuf, position: &Position) -> Self {
        let origin = Arc::new(position.origin());
        let form = position.form;
        Self {
            path,
            origin,
            from: From::Start,
            pattern: None,
            form,
            is_history_read: false,
            only: Only::Any,
        }
    }
}

impl Followed {
    fn new(candidate: Candidate, file: File, cursor: Cursor) -> io::Result<Self> {
        Ok(Self {
            path: candidate.path,
            inode: Inode::of(&file.metadata()?),
            file,
            origin: candidate.origin,
            head: None,
            generation: 0,
            feed: None,
            cursor,
            form: candidate.form,
            unwrapper: Unwrapper::new(candidate.form),
            size: 0,
            is_at_end: false,
            after: None,
            moved: None,
            changed: Duration::ZERO,
            due: Duration::ZERO,
            failure: None,
        })
    }

    /// What was not read yet of a file that was emptied, in its copy.
    fn rest_of(
        (path, file): (PathBuf, File),
        old: &Position,
        feed: Feed,
        unwrapper: Unwrapper,
        now: Now,
    ) -> io::Result<Self> {
        let cursor = Cursor::at(&file, old.read)?.unwrap_or_else(Cursor::beginning);
        Ok(Self {
            path,
            inode: Inode::of(&file.metadata()?),
            file,
            origin: Arc::clone(&feed.origin),
            head: old.head,
            generation: old.generation,
            feed: Some(feed),
            cursor,
            form: old.form,
            unwrapper,
            size: 0,
            is_at_end: false,
            after: None,
            moved: Some(now.monotonic),
            changed: now.monotonic,
            due: now.monotonic,
            failure: None,
        })
    }

    /// Gives the file its name once its first line is complete, and goes on where that file is stored.
    fn name(&mut self, sink: &dyn LineSink, limits: Limits) -> io::Result<bool> {
        self.head = Head::read(&self.file)?;
        let Some(head) = self.head else { return Ok(false) };
        let name = head.name(self.inode, self.generation);
        if let Some(stored) = sink.stored(&name).filter(|stored| *stored > self.cursor.start)
            && let Some(cursor) = Cursor::at(&self.file, stored)?
        {
            self.cursor = cursor;
        }
        let origin = Arc::clone(&self.origin);
        self.feed = Some(Feed::new(name.into(), origin, self.cursor.start, limits));
        Ok(true)
    }

    /// How long the file is by now, and whether it still has its name.
    fn look(&mut self, now: Now) -> io::Result<u64> {
        match fs::metadata(&self.path) {
            Ok(about) if Inode::of(&about) == self.inode => Ok(about.len()),
            _ => {
                self.moved.get_or_insert(now.monotonic);
                Ok(self.file.metadata()?.len())
            }
        }
    }

    /// Takes parts of lines whose rest does not come.
    fn say_what_waits(&mut self, now: Now) {
        let is_quiet = now.monotonic.saturating_sub(self.changed) >= PERIODS[1];
        if let Some(feed) = self.feed.as_mut().filter(|feed| is_quiet && feed.is_free()) {
            feed.put(self.unwrapper.rest(), now.wall, now.monotonic);
        }
    }

    /// Takes what is behind the last line end of a file that was deleted or renamed a while ago.
    fn say_last_word(&mut self, now: Now) -> io::Result<()> {
        let Some(since) = self.moved else { return Ok(()) };
        if now.monotonic.saturating_sub(since.max(self.changed)) < DELETED_QUIET / 2 {
            return Ok(());
        }
        if let Some(feed) = self.feed.as_mut().filter(|feed| feed.is_done())
            && let Some(line) = self.cursor.rest(&self.file, self.size)?
        {
            let mut lines = self.unwrapper.take(vec![line]);
            lines.extend(self.unwrapper.rest());
            feed.put(lines, now.wall, now.monotonic);
            self.changed = now.monotonic;
        }
        Ok(())
    }

    /// Nothing to do for a while: the longer it was quiet the longer. Files are due together, so that the thread
    /// wakes up once for all.
    fn rest(&mut self, now: Now) {
        let quiet = now.monotonic.saturating_sub(self.changed);
        let is_open = self.feed.as_ref().is_some_and(|feed| !feed.is_done());
        let period = match quiet {
            quiet if quiet < LIVELY => PERIODS[0],
            quiet if quiet < CALM || is_open => PERIODS[1],
            _ => PERIODS[2],
        };
        let step = PERIODS[0].as_millis().max(1);
        let due = (now.monotonic + period).as_millis() / step * step;
        self.due = Duration::from_millis(u64::try_from(due).unwrap_or(u64::MAX));
    }

    fn is_finished(&self) -> bool {
        self.is_at_end && self.unwrapper.is_empty() && self.feed.as_ref().is_none_or(Feed::is_done)
    }

    fn set_origin(&mut self, origin: Arc<Origin>) {
        if *self.origin != *origin {
            if let Some(feed) = &mut self.feed {
                feed.origin = Arc::clone(&origin);
            }
            self.origin = origin;
        }
    }

    fn position(&self, now: Now) -> Position {
        Position {
            file: self.feed.as_ref().map(|feed| feed.file.to_string()),
            head: self.head,
            generation: self.generation,
            offset: self.feed.as_ref().map_or(0, Feed::stored),
            read: self.cursor.start,
            tail: self.cursor.tail.clone(),
            path: self.path.display().to_string(),
            seen: now.wall.0,
            origin: positions::packed(&self.origin),
            form: self.form,
            packed: None,
        }
    }
}
