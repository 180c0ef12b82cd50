//! What a configuration makes of lines that are not understood by themselves: `[[log_pipeline]]`.
//!
//! A pipeline is a condition and steps. A line goes through each pipeline whose condition holds, in the order of the
//! configuration, and through its steps one after the other, until one drops it. Everything is compiled and checked
//! before the first line; a step that finds nothing to do leaves the line as it is, and that is counted.
//!
//! What this does not do: read the configuration, or keep figures.

mod condition;
mod field;
mod grok;
mod layout;
mod redact;
mod step;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use model::{UnixMs, log::Line};
use regex::{Regex, RegexBuilder};

use crate::{Figure, Zone, time::Seen};
use condition::Condition;
use step::Work;

/// Pipelines in a configuration.
pub const PIPELINES_MAX: usize = 100;
/// Steps in a pipeline.
pub const STEPS_MAX: usize = 50;
/// Longest regular expression or grok pattern.
pub const REGEX_BYTES_MAX: usize = 4 << 10;
/// What a compiled expression may take.
const REGEX_MEMORY_MAX: usize = 4 << 20;
/// What makes long lines with hard expressions quick; beyond it they are slower.
const REGEX_CACHE_MAX: usize = 1 << 20;

/// A pipeline as it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PipelineText {
    pub name: String,
    /// Which lines it is for; all where it is empty.
    pub matches: String,
    pub steps: Vec<StepText>,
}

/// A step as it is written: one of the keys that say what it does, and what belongs to that.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepText {
    pub when: Option<String>,
    pub from: Option<String>,
    pub prefix: Option<String>,
    pub regex: Option<String>,
    pub grok: Option<String>,
    pub patterns: Vec<(String, String)>,
    pub json: Option<bool>,
    pub logfmt: Option<bool>,
    pub rename: Vec<(String, String)>,
    pub set: Vec<(String, String)>,
    pub remove: Vec<String>,
    pub drop: Option<String>,
    pub redact: Vec<String>,
    pub replacement: Option<String>,
    pub route: Vec<(String, String)>,
    pub sample: Option<u64>,
    pub by: Option<String>,
    pub severity: Option<Vec<(String, String)>>,
    pub time: Option<Vec<String>>,
    pub metric: Option<String>,
    pub kind: Option<String>,
    pub labels: Vec<(String, String)>,
}

/// Why a pipeline cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPipeline {
    /// Which one, from 0.
    pub pipeline: usize,
    /// Which of its steps, from 1; 0 where it is not about a step.
    pub step: usize,
    pub key: &'static str,
    pub reason: String,
}

impl fmt::Display for BadPipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pipeline, step, key, reason } = self;
        write!(f, "pipeline {}, step {step}, {key}: {reason}", pipeline + 1)
    }
}

impl std::error::Error for BadPipeline {}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Kept,
    Dropped,
}

/// What a step did with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Its own condition does not hold.
    Skipped,
    /// It found nothing to do: no match, no such field, or a value that is none.
    Missed,
    Done,
    Dropped,
}

/// A step that was taken, and the line after it.
#[derive(Debug)]
pub struct Trace<'a> {
    pub pipeline: &'a str,
    /// From 1.
    pub step: usize,
    /// The key that says what it does.
    pub kind: &'static str,
    pub effect: Effect,
    pub line: &'a Line,
}

/// How often a step was taken since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepCounts {
    pub pipeline: String,
    /// From 1.
    pub step: usize,
    pub kind: &'static str,
    pub done: u64,
    pub missed: u64,
    pub skipped: u64,
    pub dropped: u64,
}

/// All pipelines of a configuration, ready for lines.
#[derive(Debug)]
pub struct Pipelines {
    pipelines: Vec<Pipeline>,
    zone: Zone,
}

#[derive(Debug)]
struct Pipeline {
    name: String,
    condition: Option<Condition>,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    condition: Option<Condition>,
    work: Work,
    /// By effect.
    counts: [AtomicU64; 4],
}

/// What is needed to understand times in lines.
#[derive(Clone, Copy, Debug)]
struct Reading<'a> {
    zone: &'a Zone,
}

impl Reading<'_> {
    fn seen(&self, at: UnixMs) -> Seen<'_> {
        Seen { at, zone: self.zone, started: None }
    }
}

impl Pipelines {
    /// Compiles all of them, or says everything that is wrong. Times without a zone are of `zone`.
    pub fn compile(texts: &[PipelineText], zone: Zone) -> Result<Self, Vec<BadPipeline>> {
        let mut bad = Vec::new();
        let mut pipelines = Vec::new();
        let problem = |pipeline, step, key, reason| BadPipeline { pipeline, step, key, reason };
        for (index, text) in texts.iter().enumerate() {
            if index == PIPELINES_MAX {
                bad.push(problem(index, 0, "name", format!("more than {PIPELINES_MAX} pipelines")));
                break;
            }
            if texts.iter().take(index).any(|other| other.name == text.name) {
                bad.push(problem(index, 0, "name", "another pipeline has that name".into()));
            }
            let condition = optional(&text.matches).unwrap_or_else(|reason| {
                bad.push(problem(index, 0, "match", reason));
                None
            });
            if text.steps.len() > STEPS_MAX {
                bad.push(problem(index, 0, "step", format!("more than {STEPS_MAX} steps")));
            }
            let mut steps = Vec::new();
            for (place, step) in text.steps.iter().take(STEPS_MAX).enumerate() {
                match Step::compile(step) {
                    Ok(step) => steps.push(step),
                    Err((key, reason)) => bad.push(problem(index, place + 1, key, reason)),
                }
            }
            pipelines.push(Pipeline { name: text.name.clone(), condition, steps });
        }
        if bad.is_empty() { Ok(Self { pipelines, zone }) } else { Err(bad) }
    }

    /// Whether there is nothing to do for any line.
    pub fn is_empty(&self) -> bool {
        self.pipelines.is_empty()
    }

    /// Whether there is one of that name.
    pub fn has(&self, name: &str) -> bool {
        self.pipelines.iter().any(|pipeline| pipeline.name == name)
    }

    /// Takes a line through the pipelines that are for it, and adds the figures found on the way.
    pub fn apply(&self, line: &mut Line, figures: &mut Vec<Figure>) -> Verdict {
        for pipeline in &self.pipelines {
            let is_for = pipeline.condition.as_ref().is_none_or(|one| one.holds(line));
            if is_for && self.run(pipeline, line, figures, &mut |_| {}) == Verdict::Dropped {
                return Verdict::Dropped;
            }
        }
        Verdict::Kept
    }

    /// As [`Pipelines::apply`], telling of each step. With a name only that pipeline is taken, whatever its condition.
    pub fn trace(
        &self,
        only: Option<&str>,
        line: &mut Line,
        figures: &mut Vec<Figure>,
        tell: &mut dyn FnMut(Trace<'_>),
    ) -> Verdict {
        for pipeline in &self.pipelines {
            let is_for = match only {
                Some(name) => pipeline.name == name,
                None => pipeline.condition.as_ref().is_none_or(|one| one.holds(line)),
            };
            if is_for && self.run(pipeline, line, figures, tell) == Verdict::Dropped {
                return Verdict::Dropped;
            }
        }
        Verdict::Kept
    }

    /// What each step did so far.
    pub fn counts(&self) -> impl Iterator<Item = StepCounts> {
        self.pipelines.iter().flat_map(|pipeline| {
            pipeline.steps.iter().zip(1..).map(|(step, place)| {
                let count = |effect: Effect| step.counts[effect as usize].load(Ordering::Relaxed);
                StepCounts {
                    pipeline: pipeline.name.clone(),
                    step: place,
                    kind: step.work.kind(),
                    done: count(Effect::Done),
                    missed: count(Effect::Missed),
                    skipped: count(Effect::Skipped),
                    dropped: count(Effect::Dropped),
                }
            })
        })
    }

    fn run(
        &self,
        pipeline: &Pipeline,
        line: &mut Line,
        figures: &mut Vec<Figure>,
        tell: &mut dyn FnMut(Trace<'_>),
    ) -> Verdict {
        let reading = Reading { zone: &self.zone };
        for (step, place) in pipeline.steps.iter().zip(1..) {
            let is_for = step.condition.as_ref().is_none_or(|one| one.holds(line));
            let effect =
                if is_for { step.work.run(line, figures, &reading) } else { Effect::Skipped };
            step.counts[effect as usize].fetch_add(1, Ordering::Relaxed);
            let (pipeline, kind) = (pipeline.name.as_str(), step.work.kind());
            tell(Trace { pipeline, step: place, kind, effect, line });
            if effect == Effect::Dropped {
                return Verdict::Dropped;
            }
        }
        Verdict::Kept
    }
}

impl Step {
    fn compile(text: &StepText) -> Result<Self, (&'static str, String)> {
        let condition = optional(text.when.as_deref().unwrap_or_default());
        Ok(Self {
            condition: condition.map_err(|reason| ("if", reason))?,
            work: Work::compile(text)?,
            counts: Default::default(),
        })
    }
}

fn optional(condition: &str) -> Result<Option<Condition>, String> {
    let is_empty = condition.trim().is_empty();
    if is_empty { Ok(None) } else { Condition::parse(condition).map(Some) }
}

/// An expression of the configuration, bounded.
fn compiled(expression: &str) -> Result<Regex, String> {
    if expression.len() > REGEX_BYTES_MAX {
        return Err(format!("longer than {REGEX_BYTES_MAX} bytes"));
    }
    bounded(expression)
}

fn bounded(expression: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(expression)
        .size_limit(REGEX_MEMORY_MAX)
        .dfa_size_limit(REGEX_CACHE_MAX)
        .build();
    built.map_err(|error| {
        let text = error.to_string();
        // The last line says what is wrong; those above show where.
        text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

#[cfg(test)]
mod tests;
