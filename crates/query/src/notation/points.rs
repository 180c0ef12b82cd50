//! The points of a series: numbers, gaps, ends and sequences of them.

use model::{Labels, sample::stale};

use super::{
    Read,
    histogram::{self, Written},
    words::{self, number_or_duration},
};

/// Most points that one item of a line stands for; a larger repetition is an error.
const REPEAT_MAX: usize = 100_000;

/// Most points of one line, the last item apart.
const POINTS_MAX: usize = 200_000;

/// What a series has at one step.
#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    Float(f64),
    Histogram(Written),
}

/// One line: a series and, for each step, its point or `None`.
#[derive(Clone, Debug)]
pub struct Line {
    pub labels: Labels,
    pub points: Vec<Option<Point>>,
}

impl Line {
    pub fn read(text: &str) -> Read<Self> {
        let (labels, rest) = words::labels(text)?;
        Ok(Self { labels, points: points(rest)? })
    }

    /// The points with their times.
    pub fn timed(&self, start: i64, step: i64) -> impl Iterator<Item = (i64, &Point)> {
        let points = self.points.iter().enumerate();
        points.filter_map(move |(index, point)| {
            let time = start.saturating_add(step.saturating_mul(index as i64));
            Some((time, point.as_ref()?))
        })
    }
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
        if points.len() > POINTS_MAX {
            return Err(format!("a series of more than {POINTS_MAX} points"));
        }
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
    let sign =
        signs.find(|(at, _)| !values.get(..*at).is_some_and(|before| before.ends_with(['e', 'E'])));
    let (mut value, step) = match sign {
        Some((at, _)) => {
            let (first, step) = values.split_at(at);
            (float(first)?, Some(float(step)?))
        }
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
            let (change, after) = histogram::read(rest.get(1..).unwrap_or_default())?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
        for bad in
            ["x", "1x", "1+x2", "1x2x3", "a", "1,2", "1x999999999", "{{}", "{{}}y", "{{}}+{{}}"]
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
        assert_eq!(
            sums("{{sum:1 count:2}}+{{sum:2}}x2 _"),
            [Some(1.0), Some(3.0), Some(5.0), None]
        );
        assert_eq!(sums("_ {{ sum:1 }}-{{sum:2}}x1"), [None, Some(1.0), Some(-1.0)]);
    }
}
