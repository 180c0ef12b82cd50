//! What a script expects of an evaluation, and whether it is so.

use std::collections::BTreeMap;

use model::{Labels, UnixMs};
use query::{Grid, Output, QueryError, Sample, Series, Value};

use query::notation::{
    Line, Point, histogram, is_close,
    words::{duration, number, unquote},
};

use super::Read;

/// What a text must be.
#[derive(Clone, Debug)]
enum Text {
    Any,
    Equal(String),
    Like(regex::Regex),
}

impl Text {
    /// What follows the word `warn`, `info` or `fail`.
    fn read(text: &str) -> Read<Self> {
        if text.is_empty() {
            Ok(Self::Any)
        } else if let Some(text) = text.strip_prefix("msg:") {
            Ok(Self::Equal(text.trim().into()))
        } else if let Some(pattern) = text.strip_prefix("regex:") {
            regex::Regex::new(pattern.trim()).map(Self::Like).map_err(|error| error.to_string())
        } else {
            Err(format!("neither msg: nor regex: {text}"))
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Equal(expected) => expected == text,
            Self::Like(pattern) => pattern.is_match(text),
        }
    }
}

/// Annotations of one level.
#[derive(Clone, Debug, Default)]
struct Notes {
    wanted: Vec<Text>,
    has_none: bool,
}

impl Notes {
    fn check(&self, level: &str, notes: &[String]) -> Read<()> {
        if self.has_none && !notes.is_empty() {
            return Err(format!("unexpected {level}: {notes:?}"));
        }
        if self.wanted.is_empty() {
            return Ok(());
        }
        let is_there = |text: &&Text| !notes.iter().any(|note| text.matches(note));
        if let Some(missing) = self.wanted.iter().find(is_there) {
            return Err(format!("no {level} like {missing:?} in {notes:?}"));
        }
        let is_wanted = |note: &&String| !self.wanted.iter().any(|text| text.matches(note));
        match notes.iter().find(is_wanted) {
            Some(note) => Err(format!("{level} that is not expected: {note}")),
            None => Ok(()),
        }
    }
}

/// Everything that follows the line of an `eval`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    pub(crate) is_ordered: bool,
    fail: Option<Text>,
    warnings: Notes,
    infos: Notes,
    pub(crate) string: Option<String>,
    scalar: Option<f64>,
    /// The times of the points of a range vector.
    pub(crate) range: Option<Grid>,
    series: Vec<Line>,
}

impl Expected {
    /// `command` is `eval`, `eval_fail`, `eval_warn`, `eval_info` or `eval_ordered`.
    pub(crate) fn read(command: &str, block: &[&str]) -> Read<Self> {
        let mut expected = Self::default();
        if let Some((_, word)) = command.split_once('_') {
            expected.read_word(word, "")?;
        }
        for line in block {
            if expected.scalar.is_some() {
                return Err(format!("nothing may follow a scalar: {line}"));
            }
            if let Some(rest) = line.strip_prefix("expect ") {
                let (word, rest) = rest.trim().split_once([' ', '\t']).unwrap_or((rest.trim(), ""));
                expected.read_word(word, rest.trim())?;
            } else if let (Ok(value), true) = (number(line), expected.series.is_empty()) {
                expected.scalar = Some(value);
            } else {
                let line = Line::read(line)?;
                if line.points.is_empty() {
                    return Err(format!("{} has no points", line.labels));
                }
                if expected.series.iter().any(|other| other.labels == line.labels) {
                    return Err(format!("{} is expected twice", line.labels));
                }
                expected.series.push(line);
            }
        }
        for notes in [&expected.warnings, &expected.infos] {
            if notes.has_none && !notes.wanted.is_empty() {
                return Err("annotations of a level are both expected and forbidden".into());
            }
        }
        Ok(expected)
    }

    fn read_word(&mut self, word: &str, rest: &str) -> Read<()> {
        match (word, rest) {
            ("ordered", "") => self.is_ordered = true,
            ("fail", _) if self.fail.is_none() => self.fail = Some(Text::read(rest)?),
            ("warn", _) => self.warnings.wanted.push(Text::read(rest)?),
            ("info", _) => self.infos.wanted.push(Text::read(rest)?),
            ("no_warn", "") => self.warnings.has_none = true,
            ("no_info", "") => self.infos.has_none = true,
            ("string", _) => {
                let (string, after) = unquote(rest)?;
                if !after.is_empty() {
                    return Err(format!("not a quoted string: {rest}"));
                }
                self.string = Some(string);
            }
            ("range", _) => self.range = Some(range(rest)?),
            _ => return Err(format!("cannot expect {word} {rest}")),
        }
        Ok(())
    }

    /// Whether the evaluation must fail.
    pub(crate) fn is_failure(&self) -> bool {
        self.fail.is_some()
    }

    /// Whether each series has one point, as instant vectors have.
    pub(crate) fn is_of_an_instant(&self) -> bool {
        self.series.iter().all(|line| line.points.len() == 1)
    }

    /// Whether the result must be a scalar.
    pub(crate) fn is_scalar(&self) -> bool {
        self.scalar.is_some()
    }

    /// Checks the result of an evaluation over `grid`.
    pub(crate) fn check(&self, grid: Grid, result: Result<Output, QueryError>) -> Read<()> {
        let output = match (result, &self.fail) {
            (Err(error), _) => return self.check_error(&error.to_string()),
            (Ok(_), Some(_)) => return Err("did not fail".into()),
            (Ok(output), None) => output,
        };
        self.warnings.check("warning", &output.warnings)?;
        self.infos.check("info", &output.infos)?;
        self.check_value(grid, &output.value)
    }

    /// Checks the text of an error, whether of parsing or of evaluation.
    pub(crate) fn check_error(&self, error: &str) -> Read<()> {
        match &self.fail {
            Some(text) if text.matches(error) => Ok(()),
            Some(text) => Err(format!("failed, but not like {text:?}: {error}")),
            None => Err(error.to_owned()),
        }
    }

    /// Checks only the value. `grid` is that of the evaluation.
    pub(crate) fn check_value(&self, grid: Grid, value: &Value) -> Read<()> {
        if let Some(expected) = &self.string {
            let is_same = matches!(value, Value::String(found) if found == expected);
            return if is_same { Ok(()) } else { Err(format!("found {value:?}")) };
        }
        match (value, self.scalar) {
            (Value::Scalar(found), Some(expected)) if is_close(expected, *found) => Ok(()),
            (Value::Scalar(found), Some(expected)) => Err(format!("found {found}, not {expected}")),
            (_, Some(_)) => Err(format!("found no scalar: {value:?}")),
            (Value::Scalar(_) | Value::String(_), None) => Err(format!("found {value:?}")),
            (Value::Vector(elements), None) => {
                let found = elements
                    .iter()
                    .map(|element| (&element.labels, vec![(grid.start.0, element.sample.clone())]));
                self.check_series(grid, &found.collect::<Vec<_>>())
            }
            (Value::Matrix(_), None) if self.is_ordered => Err("a matrix has no order".into()),
            (Value::Matrix(series), None) => {
                if !series.is_sorted_by(|a, b| a.labels <= b.labels) {
                    return Err("series are not sorted by labels".into());
                }
                let found: Vec<_> = series.iter().map(|one| (&one.labels, samples(one))).collect();
                self.check_series(self.range.unwrap_or(grid), &found)
            }
        }
    }

    fn check_series(&self, grid: Grid, found: &[(&Labels, Vec<(i64, Sample)>)]) -> Read<()> {
        for (place, (labels, samples)) in found.iter().enumerate() {
            let expected = self.series.iter().position(|line| line.labels == **labels);
            let Some(expected) = expected else {
                return Err(format!("unexpected series {labels} {}", describe(samples)));
            };
            if self.is_ordered && expected != place {
                return Err(format!("{labels} comes at place {}, not {}", place + 1, expected + 1));
            }
            let line = &self.series[expected];
            let points: Vec<(i64, &Point)> = line.timed(grid.start.0, grid.step_ms).collect();
            let is_beyond = points.last().is_some_and(|(time, _)| *time > grid.end.0);
            let is_same = points.len() == samples.len()
                && points.iter().zip(samples).all(|(point, (time, sample))| {
                    point.0 == *time && is_same_sample(point.1, sample)
                });
            if is_beyond || !is_same {
                return Err(format!("found {labels} {}", describe(samples)));
            }
        }
        let is_missing = |line: &&Line| !found.iter().any(|(labels, _)| **labels == line.labels);
        match self.series.iter().find(is_missing) {
            Some(line) => Err(format!("no series {}", line.labels)),
            None if found.len() > self.series.len() => Err("a series came twice".into()),
            None => Ok(()),
        }
    }
}

/// `vector from A to B step S`.
fn range(text: &str) -> Read<Grid> {
    match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["vector", "from", start, "to", end, "step", step] => Ok(Grid {
            start: UnixMs(duration(start)?),
            end: UnixMs(duration(end)?),
            step_ms: duration(step)?,
        }),
        _ => Err(format!("not a range vector: {text}")),
    }
}

/// The points of both kinds in the order of their times.
pub(crate) fn samples(series: &Series) -> Vec<(i64, Sample)> {
    let floats = series.times.iter().zip(&series.values);
    let floats = floats.map(|(time, value)| (*time, Sample::Float(*value)));
    let histograms = series.histograms.iter();
    let histograms = histograms.map(|(time, one)| (*time, Sample::Histogram(one.clone())));
    floats.chain(histograms).collect::<BTreeMap<_, _>>().into_iter().collect()
}

fn describe(samples: &[(i64, Sample)]) -> String {
    let sample = |(time, sample): &(i64, Sample)| match sample {
        Sample::Float(value) => format!("{value}@{time}"),
        Sample::Histogram(one) => format!("{}@{time}", histogram::describe(one)),
    };
    samples.iter().map(sample).collect::<Vec<_>>().join(" ")
}

fn is_same_sample(expected: &Point, found: &Sample) -> bool {
    match (expected, found) {
        (Point::Float(expected), Sample::Float(found)) => is_close(*expected, *found),
        (Point::Histogram(expected), Sample::Histogram(found)) => {
            histogram::is_same(expected, found)
        }
        _ => false,
    }
}
