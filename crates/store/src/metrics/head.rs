//! The head: the newest samples, in memory.
//!
//! A series costs nothing but its labels until it has samples; those wait in two short vectors and
//! are sealed into compressed chunks. Samples may come late: chunks of a series may overlap, and reading
//! puts them into order.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use model::{
    Labels,
    series::{Matcher, TimeRange},
};
use roaring::RoaringBitmap;

use super::{codec, wal::Ref};

/// Samples that wait uncompressed in one series: a compromise between memory and compression.
const OPEN_POINTS_MAX: usize = 120;

/// What a series did with a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    /// The same value at the same time was there.
    Repeated,
    /// Another value at the same time was there; the first stays.
    Duplicate,
}

/// The samples that have no block yet.
#[derive(Default)]
pub(crate) struct Head {
    series: Vec<Option<Series>>,
    free: Vec<Ref>,
    by_fingerprint: HashMap<u64, Vec<Ref>>,
    /// Label name to value to the series that have it.
    postings: BTreeMap<String, BTreeMap<String, RoaringBitmap>>,
}

pub(crate) struct Series {
    pub(crate) labels: Labels,
    times: Vec<i64>,
    values: Vec<f64>,
    chunks: Vec<Chunk>,
    /// Time of the newest sample.
    pub(crate) newest: i64,
}

#[derive(Clone)]
struct Chunk {
    first: i64,
    last: i64,
    bytes: Arc<[u8]>,
}

/// A copy of what a query needs of one series, so that decoding happens without any lock.
pub(crate) struct Copied {
    pub(crate) labels: Labels,
    chunks: Vec<Chunk>,
    times: Vec<i64>,
    values: Vec<f64>,
}

impl Head {
    pub(crate) fn len(&self) -> usize {
        self.series.len() - self.free.len()
    }

    pub(crate) fn get(&self, reference: Ref) -> Option<&Series> {
        self.series.get(reference as usize)?.as_ref()
    }

    pub(crate) fn find(&self, labels: &Labels) -> Option<Ref> {
        let candidates = self.by_fingerprint.get(&labels.fingerprint())?;
        let is_it =
            |reference: &&Ref| self.get(**reference).is_some_and(|series| series.labels == *labels);
        candidates.iter().find(is_it).copied()
    }

    /// Adds a series that [`Head::find`] does not know.
    pub(crate) fn create(&mut self, labels: &Labels) -> Ref {
        let series = Series {
            labels: labels.clone(),
            times: Vec::new(),
            values: Vec::new(),
            chunks: Vec::new(),
            newest: i64::MIN,
        };
        let reference = match self.free.pop() {
            Some(reference) => {
                self.series[reference as usize] = Some(series);
                reference
            }
            None => {
                self.series.push(Some(series));
                (self.series.len() - 1) as Ref
            }
        };
        self.by_fingerprint.entry(labels.fingerprint()).or_default().push(reference);
        for (name, value) in labels.iter() {
            if !self.postings.contains_key(name) {
                self.postings.insert(name.to_owned(), BTreeMap::new());
            }
            let Some(values) = self.postings.get_mut(name) else { continue };
            match values.get_mut(value) {
                Some(bitmap) => bitmap.insert(reference),
                None => {
                    values.insert(value.to_owned(), RoaringBitmap::from_iter([reference])).is_none()
                }
            };
        }
        reference
    }

    /// What adding the sample would do.
    pub(crate) fn judge(&self, reference: Ref, time: i64, value: f64) -> Outcome {
        let Some(series) = self.get(reference) else { return Outcome::Accepted };
        match series.value_at(time) {
            None => Outcome::Accepted,
            Some(stored) if stored.to_bits() == value.to_bits() => Outcome::Repeated,
            Some(_) => Outcome::Duplicate,
        }
    }

    pub(crate) fn push(&mut self, reference: Ref, time: i64, value: f64) {
        if let Some(Some(series)) = self.series.get_mut(reference as usize) {
            series.push(time, value);
        }
    }

    /// Copies the series that satisfy the matchers and have samples in `range`.
    pub(crate) fn copy(&self, matchers: &[Matcher], range: TimeRange) -> Vec<Copied> {
        let wanted = self.matching(matchers);
        let series = wanted.iter().filter_map(|reference| self.get(reference));
        series.filter_map(|series| series.copy(range)).collect()
    }

    /// Labels of the series that satisfy the matchers and have samples in `range`.
    pub(crate) fn labels(&self, matchers: &[Matcher], range: TimeRange) -> Vec<Labels> {
        let wanted = self.matching(matchers);
        let series = wanted.iter().filter_map(|reference| self.get(reference));
        series.filter(|series| series.overlaps(range)).map(|series| series.labels.clone()).collect()
    }

    fn matching(&self, matchers: &[Matcher]) -> RoaringBitmap {
        let mut result: Option<RoaringBitmap> = None;
        // Matchers that an absent label satisfies can only take away, so they come last.
        for matcher in matchers.iter().filter(|matcher| !matcher.matches("")) {
            let found = self.having(matcher);
            result = Some(result.map_or(found.clone(), |result| result & found));
        }
        let mut result = result.unwrap_or_else(|| self.all());
        for matcher in matchers.iter().filter(|matcher| matcher.matches("")) {
            let Some(values) = self.postings.get(&matcher.name) else { continue };
            for (value, bitmap) in values {
                if !matcher.matches(value) {
                    result -= bitmap;
                }
            }
        }
        result
    }

    fn having(&self, matcher: &Matcher) -> RoaringBitmap {
        let Some(values) = self.postings.get(&matcher.name) else { return RoaringBitmap::new() };
        if matcher.op == model::series::MatchOp::Equal {
            return values.get(&matcher.value).cloned().unwrap_or_default();
        }
        let matching = values.iter().filter(|(value, _)| matcher.matches(value));
        matching.fold(RoaringBitmap::new(), |union, (_, bitmap)| union | bitmap)
    }

    fn all(&self) -> RoaringBitmap {
        let used = self.series.iter().enumerate().filter(|(_, series)| series.is_some());
        used.map(|(index, _)| index as Ref).collect()
    }

    /// The spans that have samples.
    pub(crate) fn spans(&self, span_ms: i64) -> Vec<i64> {
        let mut spans = std::collections::BTreeSet::new();
        for series in self.series.iter().flatten() {
            spans.extend(series.times.iter().map(|time| time.div_euclid(span_ms)));
            for chunk in &series.chunks {
                spans.extend(chunk.first.div_euclid(span_ms)..=chunk.last.div_euclid(span_ms));
            }
        }
        spans.into_iter().collect()
    }

    /// Removes the samples in `range`, which a block holds now, and the series that have none left
    /// and got none since `idle_before`. Returns the numbers of the removed series.
    pub(crate) fn remove(&mut self, range: TimeRange, idle_before: i64) -> Vec<Ref> {
        let mut removed = Vec::new();
        for index in 0..self.series.len() {
            let Some(series) = &mut self.series[index] else { continue };
            series.remove(range);
            if series.times.is_empty() && series.chunks.is_empty() && series.newest < idle_before {
                removed.push(index as Ref);
            }
        }
        for reference in &removed {
            self.delete(*reference);
        }
        removed
    }

    fn delete(&mut self, reference: Ref) {
        let Some(series) = self.series[reference as usize].take() else { return };
        self.free.push(reference);
        let fingerprint = series.labels.fingerprint();
        if let Some(references) = self.by_fingerprint.get_mut(&fingerprint) {
            references.retain(|other| *other != reference);
            if references.is_empty() {
                self.by_fingerprint.remove(&fingerprint);
            }
        }
        for (name, value) in series.labels.iter() {
            let Some(values) = self.postings.get_mut(name) else { continue };
            if let Some(bitmap) = values.get_mut(value) {
                bitmap.remove(reference);
                if bitmap.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.postings.remove(name);
            }
        }
    }
}

impl Series {
    fn push(&mut self, time: i64, value: f64) {
        self.newest = self.newest.max(time);
        // Nearly always the end; a late sample is put into its place.
        let at = self.times.partition_point(|other| *other <= time);
        self.times.insert(at, time);
        self.values.insert(at, value);
        if self.times.len() >= OPEN_POINTS_MAX {
            self.seal();
        }
    }

    fn seal(&mut self) {
        let bytes = codec::encode(&self.times, &self.values).into();
        let (first, last) = (self.times[0], self.times[self.times.len() - 1]);
        self.chunks.push(Chunk { first, last, bytes });
        self.times = Vec::new();
        self.values = Vec::new();
    }

    fn value_at(&self, time: i64) -> Option<f64> {
        if time > self.newest {
            return None;
        }
        if let Ok(at) = self.times.binary_search(&time) {
            return Some(self.values[at]);
        }
        let covering = self.chunks.iter().filter(|chunk| chunk.first <= time && time <= chunk.last);
        covering.into_iter().find_map(|chunk| {
            let (mut times, mut values) = (Vec::new(), Vec::new());
            codec::decode(&chunk.bytes, &mut times, &mut values)?;
            times.binary_search(&time).ok().map(|at| values[at])
        })
    }

    fn overlaps(&self, range: TimeRange) -> bool {
        let (start, end) = (range.start.0, range.end.0);
        self.chunks.iter().any(|chunk| chunk.last >= start && chunk.first <= end)
            || self.times.iter().any(|time| (start..=end).contains(time))
    }

    fn copy(&self, range: TimeRange) -> Option<Copied> {
        if !self.overlaps(range) {
            return None;
        }
        let (start, end) = (range.start.0, range.end.0);
        let chunks = self.chunks.iter().filter(|chunk| chunk.last >= start && chunk.first <= end);
        let from = self.times.partition_point(|time| *time < start);
        let to = self.times.partition_point(|time| *time <= end);
        Some(Copied {
            labels: self.labels.clone(),
            chunks: chunks.cloned().collect(),
            times: self.times[from..to].to_vec(),
            values: self.values[from..to].to_vec(),
        })
    }

    fn remove(&mut self, range: TimeRange) {
        let inside = |time: i64| (range.start.0..=range.end.0).contains(&time);
        let mut kept_times = Vec::new();
        let mut kept_values = Vec::new();
        self.chunks.retain(|chunk| {
            let is_apart = chunk.last < range.start.0 || chunk.first > range.end.0;
            let is_inside = inside(chunk.first) && inside(chunk.last);
            if !is_apart && !is_inside {
                // The chunk reaches over the border: what lies outside goes back to the open ones.
                let (mut times, mut values) = (Vec::new(), Vec::new());
                if codec::decode(&chunk.bytes, &mut times, &mut values).is_some() {
                    let outside = times.iter().zip(&values).filter(|(time, _)| !inside(**time));
                    for (time, value) in outside {
                        kept_times.push(*time);
                        kept_values.push(*value);
                    }
                }
            }
            is_apart
        });
        for (time, value) in self.times.iter().zip(&self.values) {
            if !inside(*time) {
                kept_times.push(*time);
                kept_values.push(*value);
            }
        }
        (self.times, self.values) = in_order(kept_times, kept_values);
        while self.times.len() >= OPEN_POINTS_MAX {
            let (times, values) =
                (self.times.split_off(OPEN_POINTS_MAX), self.values.split_off(OPEN_POINTS_MAX));
            self.seal();
            (self.times, self.values) = (times, values);
        }
    }
}

impl Copied {
    /// All points in `range`, in order.
    pub(crate) fn decode(self, range: TimeRange) -> (Labels, Vec<i64>, Vec<f64>) {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        for chunk in &self.chunks {
            // A chunk of the head never left memory, so it decodes.
            let decoded = codec::decode(&chunk.bytes, &mut times, &mut values);
            debug_assert!(decoded.is_some(), "a chunk of the head decodes");
        }
        times.extend_from_slice(&self.times);
        values.extend_from_slice(&self.values);
        let (mut times, mut values) = in_order(times, values);
        super::block::clip(&mut times, &mut values, range);
        (self.labels, times, values)
    }
}

/// Sorts points by time; of equal times the first given stays.
pub(crate) fn in_order(times: Vec<i64>, values: Vec<f64>) -> (Vec<i64>, Vec<f64>) {
    if times.is_sorted_by(|a, b| a < b) {
        return (times, values);
    }
    let mut points: Vec<(i64, f64)> = times.into_iter().zip(values).collect();
    points.sort_by_key(|(time, _)| *time);
    points.dedup_by_key(|(time, _)| *time);
    points.into_iter().unzip()
}

#[cfg(test)]
mod tests {
    use model::UnixMs;
    use proptest::prelude::*;

    use super::*;

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange { start: UnixMs(start), end: UnixMs(end) }
    }

    fn points(head: &Head, span: TimeRange) -> Vec<(i64, f64)> {
        let copied = head.copy(&[], span).pop();
        let Some((_, times, values)) = copied.map(|copied| copied.decode(span)) else {
            return Vec::new();
        };
        times.into_iter().zip(values).collect()
    }

    #[test]
    fn matching_follows_prometheus() {
        use model::series::MatchOp;
        let mut head = Head::default();
        for (name, job) in [("up", "a"), ("up", "b"), ("down", "a"), ("bare", "")] {
            head.create(&Labels::metric(name, [("job", job)]));
        }
        let count = |name: &str, op, value: &str| {
            head.matching(&[Matcher::new(name, op, value).unwrap()]).len()
        };
        assert_eq!(count("job", MatchOp::Equal, "a"), 2);
        assert_eq!(count("job", MatchOp::NotEqual, "a"), 2);
        assert_eq!(count("job", MatchOp::Equal, ""), 1);
        assert_eq!(count("job", MatchOp::Regex, "a|b"), 3);
        assert_eq!(count("job", MatchOp::Regex, ".*"), 4);
        assert_eq!(count("job", MatchOp::NotRegex, ".+"), 1);
        assert_eq!(count("nope", MatchOp::Equal, "x"), 0);
        assert_eq!(count("nope", MatchOp::NotEqual, "x"), 4);
    }

    #[test]
    fn removing_a_span_keeps_the_rest_and_drops_idle_series() {
        let mut head = Head::default();
        let reference = head.create(&Labels::metric("m", [("a", "b")]));
        for time in 0..500 {
            head.push(reference, time, time as f64);
        }
        assert_eq!(head.remove(range(0, 299), 0), []);
        let left = points(&head, range(0, 1_000));
        assert_eq!((left.len(), left[0], left[199]), (200, (300, 300.0), (499, 499.0)));
        assert_eq!(head.remove(range(300, 499), 1_000), [reference]);
        assert_eq!((head.len(), head.postings.len(), head.by_fingerprint.len()), (0, 0, 0));
    }

    proptest! {
        #[test]
        fn any_order_reads_back_sorted(times in proptest::collection::vec(0_i64..400, 1..400)) {
            let mut head = Head::default();
            let reference = head.create(&Labels::metric("m", [("a", "b")]));
            let mut expected = BTreeMap::new();
            for (value, time) in times.into_iter().enumerate() {
                let value = value as f64;
                let outcome = head.judge(reference, time, value);
                prop_assert_eq!(outcome == Outcome::Accepted, !expected.contains_key(&time));
                if outcome == Outcome::Accepted {
                    head.push(reference, time, value);
                    expected.insert(time, value);
                }
            }
            let expected: Vec<_> = expected.into_iter().collect();
            prop_assert_eq!(points(&head, range(0, 400)), expected);
        }
    }
}
