//! What `load` commands load.

use std::collections::BTreeMap;

use model::{Labels, NAME};
use query::notation::{Line, Memory, Point, words};

use super::{Read, nhcb};

/// Runs a `load` block: point number i of a line lies at i times `step`.
pub(crate) fn load(memory: &mut Memory, step: &str, block: &[&str]) -> Read<()> {
    let step = words::duration(step.trim())?;
    for line in lines(block)? {
        memory.load(&line, 0, step);
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
