//! What the readers of vendors' libraries with quick calls have in common: asking while noting how each
//! field did, and the pace of the groups.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use model::sample::Batch;

use super::{
    library::{Arg, Buffer, Library},
    report::{FieldState, Group, Health, Readings, Reporter},
};
use crate::{Failure, schedule::Sampler};

const FAST: Duration = Duration::from_secs(1);
const PROCESS: Duration = Duration::from_secs(5);
const SLOW: Duration = Duration::from_secs(60);

/// What a vendor's return codes mean. 0 is success for all of them.
pub(super) struct Codes {
    pub(super) unsupported: &'static [i32],
    pub(super) denied: &'static [i32],
    pub(super) lost: &'static [i32],
}

/// Asks one device and notes how it went.
pub(super) struct Asker {
    codes: &'static Codes,
    /// Function and sub-reading that this device does not have, so that they are not asked for again.
    unsupported: HashSet<(&'static str, u64)>,
    fields: BTreeMap<&'static str, FieldState>,
    has_answered: bool,
    is_gone: bool,
}

impl Asker {
    pub(super) fn new(codes: &'static Codes) -> Self {
        Self {
            codes,
            unsupported: HashSet::new(),
            fields: BTreeMap::new(),
            has_answered: false,
            is_gone: false,
        }
    }

    /// Calls a function; whether it succeeded. `kind` tells its sub-readings apart.
    pub(super) fn ask(
        &mut self,
        library: &Library,
        field: &'static str,
        (name, kind): (&'static str, u64),
        args: &mut [Arg<'_>],
    ) -> bool {
        if self.unsupported.contains(&(name, kind)) {
            return false;
        }
        let code = library.call(name, "", args);
        let state = match code {
            Some(0) => FieldState::Ok,
            None => FieldState::Unsupported,
            Some(code) if self.codes.unsupported.contains(&code) => FieldState::Unsupported,
            Some(code) if self.codes.denied.contains(&code) => FieldState::Denied,
            Some(_) => FieldState::Error,
        };
        if state == FieldState::Unsupported {
            self.unsupported.insert((name, kind));
        }
        // A field with several readings is fine when one of them is.
        if state == FieldState::Ok || self.fields.get(field) != Some(&FieldState::Ok) {
            self.fields.insert(field, state);
        }
        self.has_answered |= state == FieldState::Ok;
        self.is_gone |= code.is_some_and(|code| self.codes.lost.contains(&code));
        state == FieldState::Ok
    }
}

/// One device of a vendor.
pub(super) trait Member: Send {
    fn asker(&mut self) -> &mut Asker;

    /// What is read with each tick.
    fn fast(&mut self, readings: &mut Readings<'_>);

    /// What is read every few seconds.
    fn process(&mut self, readings: &mut Readings<'_>);

    /// Error counters, once a minute.
    fn errors(&mut self, _readings: &mut Readings<'_>) {}

    /// What hardly changes, once a minute.
    fn fixed(&mut self, readings: &mut Readings<'_>);

    /// What the vendor says of the device's health.
    fn health(&mut self) -> Health {
        Health::Unknown
    }
}

/// All devices of a vendor.
pub(super) struct Fleet<M> {
    pub(super) members: Vec<(M, Reporter)>,
}

impl<M: Member> Sampler for Fleet<M> {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        for (member, reporter) in &mut self.members {
            let asker = member.asker();
            (asker.has_answered, asker.is_gone) = (false, false);
            read(member, reporter);
            let asker = member.asker();
            for (field, state) in &asker.fields {
                reporter.set_field(field, *state);
            }
            let is_lost = asker.is_gone && !asker.has_answered;
            reporter.set_up(!is_lost);
            let health = if is_lost { Health::Failed } else { member.health() };
            reporter.set_health(health);
            reporter.deliver(batch);
        }
        Ok(())
    }
}

fn read<M: Member>(member: &mut M, reporter: &mut Reporter) {
    if reporter.is_due(Group::Static, SLOW) {
        reporter.read(Group::Static, |readings| member.fixed(readings));
    }
    if reporter.is_due(Group::Fast, FAST) {
        reporter.read(Group::Fast, |readings| member.fast(readings));
    }
    if reporter.is_due(Group::Process, PROCESS) {
        reporter.read(Group::Process, |readings| member.process(readings));
    }
    if reporter.is_due(Group::Error, SLOW) {
        reporter.read(Group::Error, |readings| member.errors(readings));
    }
}

/// A share that the vendor gives in percent.
pub(super) fn percent(value: Option<u32>) -> Option<f64> {
    value.filter(|percent| *percent <= 100).map(|percent| f64::from(percent) / 100.0)
}

/// A single-precision number.
pub(super) fn float(buffer: &Buffer, offset: usize) -> Option<f64> {
    buffer.u32(offset).map(|bits| f64::from(f32::from_bits(bits))).filter(|one| one.is_finite())
}

/// A temperature that can be one.
pub(super) fn celsius(value: Option<i32>) -> Option<f64> {
    value.filter(|celsius| (-100..300).contains(celsius)).map(f64::from)
}
