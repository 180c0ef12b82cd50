//! Series and their points, as loads and expectations write them.

use std::collections::BTreeMap;

use model::{Labels, NAME, sample::stale};

use super::{
    Read,
    histogram::{self, Written},
    memory::Memory,
    nhcb,
    words::{self, number_or_duration},
};

/// Most points that one item of a line stands for; a larger repetition is an error.
const REPEAT_MAX: usize = 100_000;

/// What a series has at one step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Point {
    Float(f64),
    Histogram(Written),
}

/// One line: a series and, for each step, its point or `None`.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) labels: Labels,
    pub(crate) points: Vec<Option<Point>>,
}

impl Line {
    pub(crate) fn read(text: &str) -> Read<Self> {
        let (labels, rest) = words::labels(text)?;
        Ok(Self { labels, points: points(rest)? })
    }

    /// The points with their times.
    pub(crate) fn timed(&self, start: i64, step: i64) -> impl Iterator<Item = (i64, &Point)> {
        let points = self.points.iter().enumerate();
        points
            .filter_map(move |(index, point)| Some((start + index as i64 * step, point.as_ref()?)))
    }
}

/// Runs a `load` block: point number i of a line lies at i times `step`.
pub(crate) fn load(memory: &mut Memory, step: &str, block: &[&str]) -> Read<()> {
    let step = words::duration(step.trim())?;
    for line in lines(block)? {
        for (time, point) in line.timed(0, step) {
            memory.insert(&line.labels, time, point);
        }
    }
    Ok(())
}

/// As [`load`], and of the parts of each classic histogram it makes a native one with custom buckets.
pub(crate) fn load_with_nhcb(memory: &mut Memory, step: &str, block: &[&str]) -> Read<()> {
    load(memory, step, block)?;
    let step = words::duration(step.trim())?;
    let mut classic: BTreeMap<(Labels, i64), Classic> = BTreeMap::new();
    for line in lines(block)? {
        let Some((base, part)) = part_of_classic(&line.labels) else { continue };
        for (time, point) in line.timed(0, step) {
            let Point::Float(value) = point else { continue };
            let histogram = classic.entry((base.clone(), time)).or_default();
            match part {
                Part::Bucket(bound) => histogram.buckets.push((bound, *value)),
                Part::Count => histogram.count = Some(*value),
                Part::Sum => histogram.sum = Some(*value),
            }
        }
    }
    for ((labels, time), Classic { buckets, count, sum }) in classic {
        let histogram = nhcb::convert(&buckets, count, sum)
            .map_err(|problem| format!("{labels} at {time} ms: {problem}"))?;
        memory.insert_histogram(&labels, time, histogram);
    }
    Ok(())
}

/// A classic histogram at one time.
#[derive(Default)]
struct Classic {
    /// Upper bounds and what is below them.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: Option<f64>,
}

#[derive(Clone, Copy)]
enum Part {
    Bucket(f64),
    Count,
    Sum,
}

/// The labels of the histogram that a series belongs to, and what the series is of it; `None` also for a
/// bucket without a bound.
fn part_of_classic(labels: &Labels) -> Option<(Labels, Part)> {
    let name = labels.name();
    let (base, part) = if let Some(base) = name.strip_suffix("_bucket") {
        let bound = words::number(labels.get("le")?).ok().filter(|bound| !bound.is_nan())?;
        (base, Part::Bucket(bound))
    } else if let Some(base) = name.strip_suffix("_count") {
        (base, Part::Count)
    } else {
        (name.strip_suffix("_sum")?, Part::Sum)
    };
    let mut builder = labels.to_builder();
    builder.set(NAME, base).remove("le");
    Some((builder.build(), part))
}

/// The lines of a block; of a series that is named twice the last one.
fn lines(block: &[&str]) -> Read<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    for text in block {
        let line = Line::read(text)?;
        lines.retain(|other| other.labels != line.labels);
        lines.push(line);
    }
    Ok(lines)
}

fn points(text: &str) -> Read<Vec<Option<Point>>> {
    let mut points = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if rest.starts_with("{{") {
            rest = histograms(rest, &mut points)?;
        } else {
            let end = rest.find([' ', '\t']).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            floats(word, &mut points)?;
            rest = after;
        }
        rest = rest.trim_start();
    }
    Ok(points)
}

/// `A`, `AxN`, `A+BxN`, `A-BxN`, `_`, `_xN` or `stale`.
fn floats(word: &str, points: &mut Vec<Option<Point>>) -> Read<()> {
    if word == "_" {
        points.push(None);
        return Ok(());
    }
    let repeated = word.rsplit_once('x').filter(|(_, count)| is_count(count));
    let Some((values, count)) = repeated else {
        points.push(Some(Point::Float(float(word)?)));
        return Ok(());
    };
    let count = repetitions(count)?;
    if values == "_" {
        points.extend(std::iter::repeat_n(None, count));
        return Ok(());
    }
    let mut signs = values.char_indices().skip(1).filter(|(_, c)| matches!(c, '+' | '-'));
    let sign = signs.find(|(at, _)| !values[..*at].ends_with(['e', 'E']));
    let (mut value, step) = match sign {
        Some((at, _)) => (float(&values[..at])?, Some(float(&values[at..])?)),
        None => (float(values)?, None),
    };
    for _ in 0..=count {
        points.push(Some(Point::Float(value)));
        // A stale marker must stay one.
        value = step.map_or(value, |step| value + step);
    }
    Ok(())
}

/// As [`floats`], of histograms; returns what follows.
fn histograms<'a>(text: &'a str, points: &mut Vec<Option<Point>>) -> Read<&'a str> {
    let (mut written, mut rest) = histogram::read(text)?;
    let mut step = None;
    for (start, sign) in [("+{{", 1.0), ("-{{", -1.0)] {
        if rest.starts_with(start) {
            let (change, after) = histogram::read(&rest[1..])?;
            written.has_hint = change.has_hint;
            (step, rest) = (Some((change, sign)), after);
            break;
        }
    }
    let (word, rest) = rest.split_at(rest.find([' ', '\t']).unwrap_or(rest.len()));
    let count = match word.strip_prefix('x') {
        Some(count) if is_count(count) => repetitions(count)?,
        None if word.is_empty() && step.is_none() => 0,
        _ => return Err(format!("not a repetition: {word:?}")),
    };
    for index in 0..=count {
        if let (Some((change, sign)), true) = (&step, index > 0) {
            written.histogram = histogram::combine(&written.histogram, &change.histogram, *sign)?;
        }
        points.push(Some(Point::Histogram(written.clone())));
    }
    Ok(rest)
}

fn is_count(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

fn repetitions(text: &str) -> Read<usize> {
    let count = text.parse().ok().filter(|count| *count <= REPEAT_MAX);
    count.ok_or_else(|| format!("too many points: {text}"))
}

fn float(text: &str) -> Read<f64> {
    if text == "stale" { Ok(stale()) } else { number_or_duration(text) }
}

#[test]
fn sequences() {
    let check = |text: &str, expected: &[Option<f64>]| {
        let read = points(text).unwrap();
        let floats: Vec<Option<f64>> = read
            .iter()
            .map(|point| match point {
                Some(Point::Float(value)) => Some(*value),
                _ => None,
            })
            .collect();
        assert_eq!(floats, expected, "{text}");
    };
    check(" 1 -2\t3e1", &[Some(1.0), Some(-2.0), Some(30.0)]);
    check("_ 5 _x2 6", &[None, Some(5.0), None, None, Some(6.0)]);
    check("7x2", &[Some(7.0); 3]);
    check("1+2x2", &[Some(1.0), Some(3.0), Some(5.0)]);
    check("-1e1-5x1 +1", &[Some(-10.0), Some(-15.0), Some(1.0)]);
    check("1e-1x1", &[Some(0.1); 2]);
    check("0x3", &[Some(0.0); 4]);
    check("0x1F 5m", &[Some(31.0), Some(300.0)]);
    check("Inf-1x1 1-Infx1", &[f64::INFINITY, f64::INFINITY, 1.0, f64::NEG_INFINITY].map(Some));
    check("", &[]);
    let markers = points("stalex1").unwrap();
    let is_marker = |point: &Option<Point>| matches!(point, Some(Point::Float(value)) if model::sample::is_stale(*value));
    assert!(markers.len() == 2 && markers.iter().all(is_marker));
    for bad in ["x", "1x", "1+x2", "1x2x3", "a", "1,2", "1x999999999", "{{}", "{{}}y", "{{}}+{{}}"]
    {
        assert!(points(bad).is_err(), "{bad}");
    }
}

#[test]
fn sequences_of_histograms() {
    let sums = |text: &str| -> Vec<Option<f64>> {
        let sum = |point: Option<Point>| match point {
            Some(Point::Histogram(Written { histogram, .. })) => Some(histogram.sum),
            _ => None,
        };
        points(text).unwrap().into_iter().map(sum).collect()
    };
    assert_eq!(sums("{{sum:1}}x1 {{sum:2}}"), [1.0, 1.0, 2.0].map(Some));
    assert_eq!(sums("{{sum:1 count:2}}+{{sum:2}}x2 _"), [Some(1.0), Some(3.0), Some(5.0), None]);
    assert_eq!(sums("_ {{ sum:1 }}-{{sum:2}}x1"), [None, Some(1.0), Some(-1.0)]);
}
