//! The head: the newest samples, in memory.
//!
//! A series costs little but its labels until it has samples; those wait in one short vector and are
//! sealed into plain columns. Samples may come late: chunks of a series may overlap, and reading puts
//! them into order.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use model::{
    Labels, UnixMs,
    series::{MatchOp, Matcher, TimeRange},
};
use roaring::RoaringBitmap;

use super::{
    codec,
    histogram::{Encoded, Point, Waiting},
    wal::Ref,
};

/// Samples that wait uncompressed in one series: a kilobyte at most.
const OPEN_POINTS_MAX: usize = 64;

/// What a series would do with a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    /// The same value at the same time was there.
    Repeated,
    /// Another value at the same time was there; the first stays.
    Duplicate,
}

/// Passes a fingerprint through: it is a hash already.
#[derive(Default)]
pub(super) struct Through(u64);

impl Hasher for Through {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

/// The samples that have no block yet.
#[derive(Default)]
pub(crate) struct Head {
    series: Vec<Option<Series>>,
    free: Vec<Ref>,
    /// The first series of each fingerprint; the others follow by [`Series::next`].
    by_fingerprint: HashMap<u64, Ref, BuildHasherDefault<Through>>,
    /// Label name to value to the series that have it.
    postings: BTreeMap<String, BTreeMap<String, RoaringBitmap>>,
    /// Bytes of all sealed chunks and of all histograms.
    chunk_bytes: usize,
    /// Whether there ever was one.
    has_histograms: bool,
}

pub(crate) struct Series {
    pub(crate) labels: Labels,
    /// Time and value, in order.
    open: Vec<(i64, f64)>,
    chunks: Vec<Chunk>,
    /// Few series have any, so the others pay for a pointer only.
    histograms: Option<Box<Waiting>>,
    /// Time of the newest sample.
    pub(crate) newest: i64,
    /// Another series with the same fingerprint.
    next: Option<Ref>,
}

/// Sealed points: a column of times, then one of values.
#[derive(Clone)]
struct Chunk {
    first: i64,
    last: i64,
    count: u16,
    times_length: u16,
    bytes: Arc<[u8]>,
}

/// A copy of what a query needs of one series, so that decoding happens without any lock.
pub(crate) struct Copied {
    pub(crate) labels: Labels,
    chunks: Vec<Chunk>,
    open: Vec<(i64, f64)>,
}

impl Head {
    pub(crate) fn len(&self) -> usize {
        self.series.len() - self.free.len()
    }

    /// Bytes of the sealed samples and of the histograms.
    pub(crate) fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    pub(crate) fn get(&self, reference: Ref) -> Option<&Series> {
        self.series.get(reference as usize)?.as_ref()
    }

    pub(crate) fn find(&self, labels: &Labels) -> Option<Ref> {
        let mut candidate = self.by_fingerprint.get(&labels.fingerprint()).copied();
        while let Some(reference) = candidate {
            let series = self.get(reference)?;
            if series.labels == *labels {
                return Some(reference);
            }
            candidate = series.next;
        }
        None
    }

    /// How many series have this value of this label.
    pub(crate) fn count_having(&self, name: &str, value: &str) -> u64 {
        let values = self.postings.get(name);
        values.and_then(|values| values.get(value)).map_or(0, RoaringBitmap::len)
    }

    /// Adds a series that [`Head::find`] does not know.
    pub(crate) fn create(&mut self, labels: &Labels) -> Ref {
        let reference = self.free.pop().unwrap_or_else(|| {
            self.series.push(None);
            (self.series.len() - 1) as Ref
        });
        self.series[reference as usize] = Some(Series {
            labels: labels.clone(),
            open: Vec::new(),
            chunks: Vec::new(),
            histograms: None,
            newest: i64::MIN,
            next: self.by_fingerprint.insert(labels.fingerprint(), reference),
        });
        for (name, value) in labels.iter() {
            if !self.postings.contains_key(name) {
                self.postings.insert(name.to_owned(), BTreeMap::new());
            }
            let Some(values) = self.postings.get_mut(name) else { continue };
            if let Some(bitmap) = values.get_mut(value) {
                bitmap.insert(reference);
            } else {
                values.insert(value.to_owned(), RoaringBitmap::from_iter([reference]));
            }
        }
        reference
    }

    /// What adding the sample would do.
    pub(crate) fn judge(&self, reference: Ref, time: i64, value: f64) -> Outcome {
        let Some(series) = self.get(reference) else { return Outcome::Accepted };
        match series.value_at(time) {
            None if series.histogram_at(time).is_some() => Outcome::Duplicate,
            None => Outcome::Accepted,
            Some(stored) if stored.to_bits() == value.to_bits() => Outcome::Repeated,
            Some(_) => Outcome::Duplicate,
        }
    }

    /// As [`Head::judge`], for a histogram.
    pub(crate) fn judge_histogram(&self, reference: Ref, time: i64, encoded: &Encoded) -> Outcome {
        let Some(series) = self.get(reference) else { return Outcome::Accepted };
        match series.histogram_at(time) {
            None if series.value_at(time).is_some() => Outcome::Duplicate,
            None => Outcome::Accepted,
            Some(stored) if stored == encoded => Outcome::Repeated,
            Some(_) => Outcome::Duplicate,
        }
    }

    pub(crate) fn push(&mut self, reference: Ref, time: i64, value: f64) {
        if let Some(Some(series)) = self.series.get_mut(reference as usize) {
            self.chunk_bytes += series.push(time, value);
        }
    }

    pub(crate) fn push_histogram(&mut self, reference: Ref, time: i64, encoded: Encoded) {
        self.has_histograms = true;
        if let Some(Some(series)) = self.series.get_mut(reference as usize) {
            series.newest = series.newest.max(time);
            self.chunk_bytes += series.histograms.get_or_insert_default().push(time, encoded);
        }
    }

    /// Copies the floats of the series that satisfy the matchers and have some in `range`.
    pub(crate) fn copy(&self, matchers: &[Matcher], range: TimeRange) -> Vec<Copied> {
        let wanted = self.matching(matchers);
        let series = wanted.iter().filter_map(|reference| self.get(reference));
        series.map(|series| series.copy(range)).filter(|copied| !copied.is_empty()).collect()
    }

    /// As [`Head::copy`], the histograms.
    pub(crate) fn copy_histograms(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Vec<(Labels, Vec<Point>)> {
        if !self.has_histograms {
            return Vec::new();
        }
        let wanted = self.matching(matchers);
        let series = wanted.iter().filter_map(|reference| self.get(reference));
        let found = series.filter_map(|series| {
            let points = series.histograms.as_ref()?.within(range);
            (!points.is_empty()).then(|| (series.labels.clone(), points.to_vec()))
        });
        found.collect()
    }

    /// Copies what one series has in `range`: floats and histograms.
    pub(crate) fn copy_one(
        &self,
        reference: Ref,
        range: TimeRange,
    ) -> Option<(Copied, Vec<Point>)> {
        let series = self.get(reference)?;
        let histograms = series.histograms.as_ref().map(|waiting| waiting.within(range).to_vec());
        Some((series.copy(range), histograms.unwrap_or_default()))
    }

    /// Labels of the series that satisfy the matchers and have samples in `range`.
    pub(crate) fn labels(&self, matchers: &[Matcher], range: TimeRange) -> Vec<Labels> {
        let wanted = self.matching(matchers);
        let series = wanted.iter().filter_map(|reference| self.get(reference));
        series.filter(|series| series.overlaps(range)).map(|series| series.labels.clone()).collect()
    }

    /// The series with samples in `range`, in the order of their labels.
    pub(crate) fn sorted(&self, range: TimeRange) -> Vec<Ref> {
        let mut found: Vec<(&Labels, Ref)> = Vec::new();
        for (index, series) in self.series.iter().enumerate() {
            if let Some(series) = series.as_ref().filter(|series| series.overlaps(range)) {
                found.push((&series.labels, index as Ref));
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, reference)| reference).collect()
    }

    pub(crate) fn matching(&self, matchers: &[Matcher]) -> RoaringBitmap {
        let mut result: Option<RoaringBitmap> = None;
        // Matchers that an absent label satisfies can only take away, so they come last.
        for matcher in matchers.iter().filter(|matcher| !matcher.matches("")) {
            let found = self.having(matcher);
            result = Some(match result {
                Some(result) => result & found,
                None => found,
            });
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
        if matcher.op == MatchOp::Equal {
            return values.get(&matcher.value).cloned().unwrap_or_default();
        }
        let matching = values.iter().filter(|(value, _)| matcher.matches(value));
        matching.fold(RoaringBitmap::new(), |union, (_, bitmap)| union | bitmap)
    }

    fn all(&self) -> RoaringBitmap {
        let used = self.series.iter().enumerate().filter(|(_, series)| series.is_some());
        used.map(|(index, _)| index as Ref).collect()
    }

    /// Time of the oldest sample; [`UnixMs::MAX`] when there is none.
    pub(crate) fn oldest(&self) -> UnixMs {
        let oldest = self.series.iter().flatten().filter_map(|series| {
            let chunks = series.chunks.iter().map(|chunk| chunk.first);
            let first_histogram = series.histograms().first().map(|(time, _)| *time);
            chunks.chain(series.open.first().map(|(time, _)| *time)).chain(first_histogram).min()
        });
        UnixMs(oldest.min().unwrap_or(i64::MAX))
    }

    /// The spans that have samples.
    pub(crate) fn spans(&self, span_ms: i64) -> Vec<i64> {
        let mut spans = BTreeSet::new();
        let mut newest = None;
        for series in self.series.iter().flatten() {
            let open = series.open.iter().map(|(time, _)| time);
            for time in open.chain(series.histograms().iter().map(|(time, _)| time)) {
                let span = time.div_euclid(span_ms);
                if newest != Some(span) {
                    newest = Some(span);
                    spans.insert(span);
                }
            }
            for chunk in &series.chunks {
                chunk.note_spans(span_ms, &mut spans);
            }
        }
        spans.into_iter().collect()
    }

    /// Removes the samples in `range`, which a block holds now or nobody wants any more, of the given
    /// series, or of all.
    pub(crate) fn remove(&mut self, range: TimeRange, only: Option<&RoaringBitmap>) {
        let mut bytes = 0;
        for (index, series) in self.series.iter_mut().enumerate() {
            let Some(series) = series else { continue };
            if only.is_none_or(|only| only.contains(index as Ref)) {
                series.remove(range);
            }
            bytes += series.chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>();
            bytes += series.histograms.as_ref().map_or(0, |waiting| waiting.bytes());
        }
        self.chunk_bytes = bytes;
    }

    /// Forgets the series that have no samples and got none since `idle_before`. Returns their
    /// numbers.
    pub(crate) fn forget_idle(&mut self, idle_before: i64) -> Vec<Ref> {
        let mut forgotten = Vec::new();
        for (index, series) in self.series.iter().enumerate() {
            if let Some(series) = series
                && series.open.is_empty()
                && series.chunks.is_empty()
                && series.histograms.is_none()
                && series.newest < idle_before
            {
                forgotten.push(index as Ref);
            }
        }
        for reference in &forgotten {
            self.delete(*reference);
        }
        forgotten
    }

    fn delete(&mut self, reference: Ref) {
        let Some(series) = self.series[reference as usize].take() else { return };
        self.free.push(reference);
        self.unchain(&series, reference);
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

    /// Takes a series out of the chain of its fingerprint.
    fn unchain(&mut self, series: &Series, reference: Ref) {
        let fingerprint = series.labels.fingerprint();
        let mut at = self.by_fingerprint.get(&fingerprint).copied();
        if at == Some(reference) {
            match series.next {
                Some(next) => self.by_fingerprint.insert(fingerprint, next),
                None => self.by_fingerprint.remove(&fingerprint),
            };
            return;
        }
        while let Some(Some(other)) = at.and_then(|at| self.series.get_mut(at as usize)) {
            if other.next == Some(reference) {
                other.next = series.next;
                return;
            }
            at = other.next;
        }
    }
}

impl Series {
    /// Returns how many bytes a chunk took that was sealed by this.
    fn push(&mut self, time: i64, value: f64) -> usize {
        self.newest = self.newest.max(time);
        match self.open.last() {
            // A late sample is put into its place.
            Some((last, _)) if *last > time => {
                let at = self.open.partition_point(|(other, _)| *other <= time);
                self.open.insert(at, (time, value));
            }
            _ => self.open.push((time, value)),
        }
        if self.open.len() < OPEN_POINTS_MAX { 0 } else { self.seal() }
    }

    fn seal(&mut self) -> usize {
        let chunk = Chunk::seal(&self.open);
        self.open = Vec::new();
        let bytes = chunk.bytes.len();
        self.chunks.push(chunk);
        bytes
    }

    fn value_at(&self, time: i64) -> Option<f64> {
        if time > self.newest {
            return None;
        }
        if let Ok(at) = self.open.binary_search_by_key(&time, |(other, _)| *other) {
            return Some(self.open[at].1);
        }
        let covering = self.chunks.iter().filter(|chunk| chunk.first <= time && time <= chunk.last);
        covering.into_iter().find_map(|chunk| {
            let (mut times, mut values) = (Vec::new(), Vec::new());
            chunk.open(&mut times, &mut values)?;
            times.binary_search(&time).ok().map(|at| values[at])
        })
    }

    fn histograms(&self) -> &[Point] {
        self.histograms.as_ref().map_or(&[], |waiting| waiting.all())
    }

    fn histogram_at(&self, time: i64) -> Option<&Encoded> {
        self.histograms.as_ref()?.at(time)
    }

    fn overlaps(&self, range: TimeRange) -> bool {
        let inside = |time: i64| (range.start.0..=range.end.0).contains(&time);
        self.chunks.iter().any(|chunk| chunk.overlaps(range))
            || self.open.iter().any(|(time, _)| inside(*time))
            || self.histograms.as_ref().is_some_and(|waiting| !waiting.within(range).is_empty())
    }

    fn copy(&self, range: TimeRange) -> Copied {
        let from = self.open.partition_point(|(time, _)| *time < range.start.0);
        let to = self.open.partition_point(|(time, _)| *time <= range.end.0).max(from);
        let chunks = self.chunks.iter().filter(|chunk| chunk.overlaps(range)).cloned().collect();
        Copied { labels: self.labels.clone(), chunks, open: self.open[from..to].to_vec() }
    }

    fn remove(&mut self, range: TimeRange) {
        self.histograms.take_if(|waiting| {
            waiting.remove(range);
            waiting.all().is_empty()
        });
        let inside = |time: i64| (range.start.0..=range.end.0).contains(&time);
        self.chunks.retain_mut(|chunk| {
            if !chunk.overlaps(range) {
                return true;
            }
            let is_whole = inside(chunk.first) && inside(chunk.last);
            // Of a chunk that reaches over the border the rest stays in its place, so that chunks stay in
            // the order of their times and reading has nothing to sort.
            let rest = if is_whole { None } else { chunk.without(&inside) };
            match rest {
                Some(rest) => *chunk = rest,
                None => return false,
            }
            true
        });
        self.open.retain(|(time, _)| !inside(*time));
        if self.open.is_empty() {
            self.open = Vec::new();
        }
    }
}

impl Chunk {
    fn seal(points: &[(i64, f64)]) -> Self {
        let (times, values): (Vec<i64>, Vec<f64>) = points.iter().copied().unzip();
        let mut bytes = Vec::with_capacity(points.len() * 4);
        codec::put_times(&mut bytes, &times);
        let times_length = bytes.len() as u16;
        codec::put_values(&mut bytes, &values);
        Self {
            first: times[0],
            last: times[times.len() - 1],
            count: times.len() as u16,
            times_length,
            bytes: bytes.into(),
        }
    }

    /// A chunk of the points that are not `inside`, if there are any.
    fn without(&self, inside: &impl Fn(i64) -> bool) -> Option<Self> {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        self.open(&mut times, &mut values)?;
        let points = times.into_iter().zip(values).filter(|(time, _)| !inside(*time));
        let points: Vec<(i64, f64)> = points.collect();
        (!points.is_empty()).then(|| Self::seal(&points))
    }

    fn overlaps(&self, range: TimeRange) -> bool {
        self.last >= range.start.0 && self.first <= range.end.0
    }

    fn note_spans(&self, span_ms: i64, spans: &mut BTreeSet<i64>) {
        let (first, last) = (self.first.div_euclid(span_ms), self.last.div_euclid(span_ms));
        spans.extend([first, last]);
        // Two samples of an import may lie decades apart, with nothing between them.
        if last - first > 1 {
            let (mut times, mut values) = (Vec::new(), Vec::new());
            let decoded = self.open(&mut times, &mut values);
            debug_assert!(decoded.is_some(), "a chunk of the head decodes");
            spans.extend(times.iter().map(|time| time.div_euclid(span_ms)));
        }
    }

    fn open(&self, times: &mut Vec<i64>, values: &mut Vec<f64>) -> Option<()> {
        let (time_bytes, value_bytes) =
            self.bytes.split_at_checked(usize::from(self.times_length))?;
        codec::read_times(time_bytes, usize::from(self.count), times)?;
        codec::read_values(value_bytes, usize::from(self.count), values)
    }
}

impl Copied {
    fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.open.is_empty()
    }

    /// At most how many points it has.
    pub(crate) fn count(&self) -> usize {
        self.chunks.iter().map(|chunk| usize::from(chunk.count)).sum::<usize>() + self.open.len()
    }

    /// Appends all points in `range`, in order.
    pub(crate) fn decode(&self, range: TimeRange, times: &mut Vec<i64>, values: &mut Vec<f64>) {
        let before = times.len();
        let count = self.count();
        times.reserve(count);
        values.reserve(count);
        for chunk in &self.chunks {
            // A chunk of the head never left memory, so it decodes.
            let decoded = chunk.open(times, values);
            debug_assert!(decoded.is_some(), "a chunk of the head decodes");
        }
        times.extend(self.open.iter().map(|(time, _)| *time));
        values.extend(self.open.iter().map(|(_, value)| *value));
        if !times[before..].is_sorted_by(|a, b| a < b) {
            let sorted = in_order(times.split_off(before), values.split_off(before));
            times.extend(sorted.0);
            values.extend(sorted.1);
        }
        let own = &times[before..];
        let end = before + own.partition_point(|time| *time <= range.end.0);
        let start = before + own.partition_point(|time| *time < range.start.0);
        times.truncate(end);
        values.truncate(end);
        times.drain(before..start.min(end));
        values.drain(before..start.min(end));
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

/// Keeps the points in `range`.
pub(crate) fn clip(times: &mut Vec<i64>, values: &mut Vec<f64>, range: TimeRange) {
    let end = times.partition_point(|time| *time <= range.end.0);
    let start = times.partition_point(|time| *time < range.start.0).min(end);
    times.truncate(end);
    values.truncate(end);
    times.drain(..start);
    values.drain(..start);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange { start: UnixMs(start), end: UnixMs(end) }
    }

    fn points(head: &Head, span: TimeRange) -> Vec<(i64, f64)> {
        let (mut times, mut values) = (Vec::new(), Vec::new());
        if let Some(copied) = head.copy(&[], span).pop() {
            copied.decode(span, &mut times, &mut values);
        }
        times.into_iter().zip(values).collect()
    }

    #[test]
    fn matching_follows_prometheus() {
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
        head.remove(range(0, 299), None);
        assert!(head.forget_idle(0).is_empty());
        let left = points(&head, range(0, 1_000));
        assert_eq!((left.len(), left[0], left[199]), (200, (300, 300.0), (499, 499.0)));
        let series = head.get(reference).unwrap();
        assert!(series.chunks.is_sorted_by_key(|chunk| chunk.first), "reading has nothing to sort");
        head.remove(range(300, 499), Some(&RoaringBitmap::new()));
        assert_eq!(points(&head, range(0, 1_000)).len(), 200);
        head.remove(range(300, 499), None);
        assert_eq!(head.forget_idle(1_000), [reference]);
        assert_eq!((head.len(), head.postings.len(), head.by_fingerprint.len()), (0, 0, 0));
        assert_eq!(head.chunk_bytes(), 0);
    }

    #[test]
    fn spans_are_those_with_samples_however_far_apart() {
        let mut head = Head::default();
        let reference = head.create(&Labels::metric("m", [("a", "b")]));
        head.push(reference, i64::MIN, 0.0);
        for time in 0..80 {
            head.push(reference, time, 0.0);
        }
        head.push(reference, 1_000, 0.0);
        head.push(reference, i64::MAX, 0.0);
        let expected = [i64::MIN.div_euclid(100), 0, 10, i64::MAX / 100];
        assert_eq!(head.spans(100), expected);
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
