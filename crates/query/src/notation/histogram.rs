//! Native histograms as scripts write them: `{{schema:1 count:3 buckets:[1 2]}}`.

use std::collections::BTreeMap;

use model::histogram::{Buckets, CUSTOM_SCHEMA, Histogram, ResetHint, Span};

use super::{Read, is_close, words::number};

/// Names of the counter reset hints.
const HINTS: &[(&str, ResetHint)] = &[
    ("unknown", ResetHint::Unknown),
    ("reset", ResetHint::Reset),
    ("not_reset", ResetHint::NoReset),
    ("gauge", ResetHint::Gauge),
];

/// Schemas with exponential buckets.
const SCHEMAS: std::ops::RangeInclusive<i8> = -4..=8;
/// Farthest first bucket: with the finest schema all floats have one within.
const OFFSET_MAX: u32 = 1 << 20;

/// A histogram as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub histogram: Histogram,
    /// Whether the counter reset hint is named. Only then it is compared.
    pub has_hint: bool,
}

/// Reads a histogram at the beginning of `text`; returns it and what follows.
pub fn read(text: &str) -> Read<(Written, &str)> {
    let bad = || format!("not a histogram: {text}");
    let (mut inside, after) =
        text.strip_prefix("{{").and_then(|rest| rest.split_once("}}")).ok_or_else(bad)?;
    let mut values = BTreeMap::new();
    while !inside.trim_start().is_empty() {
        let (key, rest) = inside.trim_start().split_once(':').ok_or_else(bad)?;
        let (value, rest) = match rest.strip_prefix('[') {
            Some(list) => list.split_once(']').ok_or_else(bad)?,
            None => rest.split_once([' ', '\t']).unwrap_or((rest, "")),
        };
        if values.insert(key, value).is_some() {
            return Err(format!("{key} is given twice: {text}"));
        }
        inside = rest;
    }
    let has_hint = values.contains_key("counter_reset_hint");
    let histogram = build(&mut values)?;
    match values.first_key_value() {
        Some((key, _)) => Err(format!("no key of a histogram: {key}")),
        None => Ok((Written { histogram, has_hint }, after)),
    }
}

/// Takes from `values` what it knows.
fn build(values: &mut BTreeMap<&str, &str>) -> Read<Histogram> {
    let mut take = |key: &str| values.remove(key);
    let float = |value: Option<&str>| value.map_or(Ok(0.0), number);
    let whole = |value: Option<&str>| {
        let value = value.unwrap_or("0");
        value.parse::<i32>().map_err(|_| format!("not a whole number: {value}"))
    };
    let list = |value: Option<&str>| -> Read<Vec<f64>> {
        value.unwrap_or_default().split_whitespace().map(number).collect()
    };
    let side = |counts: Vec<f64>, offset: i32| -> Read<Buckets> {
        if offset.abs_diff(0) > OFFSET_MAX {
            return Err(format!("no offset of buckets: {offset}"));
        }
        let span = Span { offset, length: counts.len() as u32 };
        Ok(Buckets { spans: if counts.is_empty() { Vec::new() } else { vec![span] }, counts })
    };
    let hint = take("counter_reset_hint").unwrap_or("unknown");
    let named = HINTS.iter().find(|(name, _)| *name == hint);
    let schema = whole(take("schema"))?;
    let schema = i8::try_from(schema)
        .ok()
        .filter(|schema| SCHEMAS.contains(schema) || *schema == CUSTOM_SCHEMA)
        .ok_or_else(|| format!("no schema: {schema}"))?;
    Ok(Histogram {
        reset_hint: named.ok_or_else(|| format!("no counter reset hint: {hint}"))?.1,
        schema,
        zero_threshold: float(take("z_bucket_w"))?,
        zero_count: float(take("z_bucket"))?,
        count: float(take("count"))?,
        sum: float(take("sum"))?,
        positive: side(list(take("buckets"))?, whole(take("offset"))?)?,
        negative: side(list(take("n_buckets"))?, whole(take("n_offset"))?)?,
        custom_bounds: list(take("custom_values"))?,
    })
}

/// The counts of one side by their index, empty buckets included.
pub fn by_index(side: &Buckets) -> BTreeMap<i32, f64> {
    let mut next = 0;
    let mut indices = Vec::with_capacity(side.counts.len());
    for span in &side.spans {
        let first = next + span.offset;
        next = first + span.length as i32;
        indices.extend(first..next);
    }
    indices.into_iter().zip(side.counts.iter().copied()).collect()
}

fn from_index(counts: BTreeMap<i32, f64>) -> Buckets {
    let mut spans: Vec<Span> = Vec::new();
    let mut next = 0;
    for index in counts.keys() {
        match spans.last_mut() {
            Some(span) if *index == next => span.length += 1,
            _ => spans.push(Span { offset: index - next, length: 1 }),
        }
        next = index + 1;
    }
    Buckets { spans, counts: counts.into_values().collect() }
}

/// `base` and `sign` times `step`, for sequences. Buckets of `step` may be finer.
pub fn combine(base: &Histogram, step: &Histogram, sign: f64) -> Read<Histogram> {
    let finer = u32::try_from(i32::from(step.schema) - i32::from(base.schema));
    let is_alike = base.zero_threshold == step.zero_threshold
        && base.custom_bounds == step.custom_bounds
        && (base.schema == CUSTOM_SCHEMA) == (step.schema == CUSTOM_SCHEMA);
    let Some(finer) = finer.ok().filter(|_| is_alike) else {
        return Err("the histograms of a sequence have different kinds of buckets".into());
    };
    let side = |base: &Buckets, step: &Buckets| {
        let mut counts = by_index(base);
        for (index, count) in by_index(step) {
            // Bucket i ends at 2^i, so two buckets end where the second one does.
            let coarse = if finer == 0 { index } else { ((index - 1) >> finer) + 1 };
            *counts.entry(coarse).or_default() += sign * count;
        }
        from_index(counts)
    };
    let reset_hint = match (base.reset_hint, step.reset_hint) {
        (a, b) if a == b => a,
        (ResetHint::Gauge, _) | (_, ResetHint::Gauge) => ResetHint::Gauge,
        _ => ResetHint::Unknown,
    };
    Ok(Histogram {
        reset_hint,
        zero_count: base.zero_count + sign * step.zero_count,
        count: base.count + sign * step.count,
        sum: base.sum + sign * step.sum,
        positive: side(&base.positive, &step.positive),
        negative: side(&base.negative, &step.negative),
        ..base.clone()
    })
}

/// Whether `found` is the histogram that is expected, empty buckets left out.
pub fn is_same(expected: &Written, found: &Histogram) -> bool {
    let Written { histogram, has_hint } = expected;
    let is_same_side = |expected: &Buckets, found: &Buckets| {
        let filled = |side| -> Vec<(i32, f64)> {
            by_index(side).into_iter().filter(|(_, count)| *count != 0.0).collect()
        };
        let (expected, found) = (filled(expected), filled(found));
        expected.len() == found.len()
            && expected.iter().zip(&found).all(|(a, b)| a.0 == b.0 && is_close(a.1, b.1))
    };
    let has_custom = histogram.schema == CUSTOM_SCHEMA;
    histogram.schema == found.schema
        && is_close(histogram.count, found.count)
        && is_close(histogram.sum, found.sum)
        && (!has_custom || histogram.custom_bounds == found.custom_bounds)
        && histogram.zero_threshold == found.zero_threshold
        && is_close(histogram.zero_count, found.zero_count)
        && is_same_side(&histogram.positive, &found.positive)
        && is_same_side(&histogram.negative, &found.negative)
        && (!has_hint || histogram.reset_hint == found.reset_hint)
}

/// Whether two histograms are the same, the counter reset hint included.
pub fn is_same_histogram(expected: &Histogram, found: &Histogram) -> bool {
    is_same(&Written { histogram: expected.clone(), has_hint: true }, found)
}

/// As a script would write it, with the index of each bucket, for people.
pub fn describe(histogram: &Histogram) -> String {
    let side = |name: &str, side: &Buckets| {
        let counts = by_index(side);
        let parts: Vec<String> =
            counts.iter().map(|(index, count)| format!("{index}={count}")).collect();
        if parts.is_empty() { String::new() } else { format!(" {name}:[{}]", parts.join(" ")) }
    };
    let hint = HINTS.iter().find(|(_, hint)| *hint == histogram.reset_hint);
    let hint = hint.map_or("?", |(name, _)| name);
    let Histogram { schema, count, sum, zero_count, zero_threshold, custom_bounds, .. } = histogram;
    let positive = side("buckets", &histogram.positive);
    let negative = side("n_buckets", &histogram.negative);
    let bounds = match custom_bounds.as_slice() {
        [] => String::new(),
        bounds => format!(" custom_values:{bounds:?}"),
    };
    format!(
        "{{{{schema:{schema} count:{count} sum:{sum} z_bucket:{zero_count} z_bucket_w:{zero_threshold}\
         {positive}{negative}{bounds} counter_reset_hint:{hint}}}}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms() {
        let text = "{{schema:-53 sum:3 count:2 custom_values:[5 10] buckets:[1 0 1] offset:0 counter_reset_hint:gauge}}x3";
        let (Written { histogram, has_hint }, rest) = read(text).unwrap();
        assert_eq!((histogram.check(), has_hint, rest), (Ok(()), true, "x3"));
        assert_eq!(histogram.custom_bounds, [5.0, 10.0]);
        let (written, _) =
            read("{{n_buckets:[1 2] n_offset:-2 z_bucket:1 z_bucket_w:0.5}}").unwrap();
        assert!(!written.has_hint);
        let Histogram { zero_count, zero_threshold, negative, .. } = &written.histogram;
        assert_eq!((*zero_count, *zero_threshold), (1.0, 0.5));
        assert_eq!(by_index(negative), BTreeMap::from([(-2, 1.0), (-1, 2.0)]));
        for bad in
            ["{{", "{{a:1}}", "{{sum}}", "{{sum:1 sum:2}}", "{{schema:1.5}}", "{{buckets:[1}}"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn histograms_are_told_apart() {
        let check = |expected: &str, found: &str, is_equal: bool| {
            let (expected, found) = (read(expected).unwrap().0, read(found).unwrap().0);
            assert_eq!(is_same(&expected, &found.histogram), is_equal, "{expected:?} {found:?}");
        };
        let plain = "{{count:3 sum:4 buckets:[1 2]}}";
        check(plain, plain, true);
        check(plain, "{{count:3 sum:4 buckets:[0 1 2 0] offset:-1}}", true);
        check(plain, "{{count:3 sum:4 buckets:[1 2] counter_reset_hint:gauge}}", true);
        check(
            "{{count:1 counter_reset_hint:unknown}}",
            "{{count:1 counter_reset_hint:gauge}}",
            false,
        );
        for other in [
            "{{count:3.1 sum:4 buckets:[1 2]}}",
            "{{count:3 sum:4.1 buckets:[1 2]}}",
            "{{count:3 sum:4 buckets:[1 2.1]}}",
            "{{count:3 sum:4 buckets:[1 2] offset:1}}",
            "{{count:3 sum:4 n_buckets:[1 2]}}",
            "{{count:3 sum:4 buckets:[1 2] schema:1}}",
            "{{count:3 sum:4 buckets:[1 2] z_bucket:1}}",
            "{{count:3 sum:4 buckets:[1 2] z_bucket_w:1}}",
        ] {
            check(plain, other, false);
        }
        let custom = "{{schema:-53 custom_values:[1]}}";
        check(custom, custom, true);
        check(custom, "{{schema:-53 custom_values:[2]}}", false);
    }

    #[test]
    fn histograms_add_up() {
        let (base, step) =
            ("{{count:1 buckets:[1] offset:2}}", "{{count:3 sum:2 buckets:[1 0 0 2]}}");
        let (base, step) = (read(base).unwrap().0.histogram, read(step).unwrap().0.histogram);
        let sum = combine(&base, &step, 1.0).unwrap();
        assert_eq!((sum.count, sum.sum), (4.0, 2.0));
        assert_eq!(sum.positive.spans, [Span { offset: 0, length: 4 }]);
        assert_eq!(sum.positive.counts, [1.0, 0.0, 1.0, 2.0]);
        assert_eq!(combine(&sum, &step, -1.0).unwrap().count, base.count);
        let finer = Histogram { schema: 1, ..step };
        assert!(combine(&finer, &base, 1.0).is_err());
        let sum = combine(&base, &finer, 1.0).unwrap();
        assert_eq!(by_index(&sum.positive), BTreeMap::from([(0, 1.0), (1, 0.0), (2, 3.0)]));
    }
}
