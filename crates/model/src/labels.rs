//! Label sets: the identity of a series.
//!
//! A label set is immutable, cheap to clone and hashed once, because one is compared and looked up
//! far more often than it is built.

use std::{cmp::Ordering, fmt, hash, sync::Arc};

/// The label that holds the metric's name.
pub const NAME: &str = "__name__";

/// A sorted set of label names and values without duplicates or empty values.
///
/// An empty value means the same as an absent label (Prometheus data model), so neither is kept.
#[derive(Clone)]
pub struct Labels(Arc<Packed>);

struct Packed {
    hash: u64,
    /// All names and values in order, back to back.
    text: Box<str>,
    /// For each string of `text` where it ends: name, value, name, value, ...
    ends: Box<[u32]>,
}

impl Labels {
    /// The set without labels.
    pub fn empty() -> Self {
        Self::from_pairs::<&str, &str>([])
    }

    /// Builds a set from pairs in any order. Of a name given twice the last value counts.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name, value);
        }
        builder.build()
    }

    /// A series of metric `name` with further labels.
    pub fn metric<N: Into<String>, V: Into<String>>(
        name: &str,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut builder = LabelsBuilder::default();
        builder.set(NAME, name);
        for (label, value) in pairs {
            builder.set(label, value);
        }
        builder.build()
    }

    /// As [`Labels::from_pairs`], and cheaper where the pairs are in order already.
    pub fn from_ordered_pairs(pairs: &[(&str, &str)]) -> Self {
        let is_ordered = pairs.is_sorted_by(|(a, _), (b, _)| a < b)
            && pairs.iter().all(|(_, value)| !value.is_empty());
        if is_ordered { Self::from_sorted(pairs) } else { Self::from_pairs(pairs.iter().copied()) }
    }

    fn from_sorted<S: AsRef<str>>(pairs: &[(S, S)]) -> Self {
        let length = |text: &S| text.as_ref().len();
        let bytes: usize = pairs.iter().map(|(name, value)| length(name) + length(value)).sum();
        let mut text = String::with_capacity(bytes);
        let mut ends = Vec::with_capacity(pairs.len() * 2);
        for string in pairs.iter().flat_map(|(name, value)| [name.as_ref(), value.as_ref()]) {
            text.push_str(string);
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        let hash = hash_of(&text, &ends);
        Self(Arc::new(Packed { hash, text: text.into(), ends: ends.into() }))
    }

    /// Name and value pairs, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        (0..self.len()).map(|index| (self.string(index * 2), self.string(index * 2 + 1)))
    }

    fn string(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.0.ends[index - 1] as usize };
        self.0.text.get(start..self.0.ends[index] as usize).unwrap_or_default()
    }

    /// How many labels there are, the metric's name included.
    pub fn len(&self) -> usize {
        self.0.ends.len() / 2
    }

    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// The value of a label; `None` when absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| value)
    }

    /// The metric's name, or the empty string.
    pub fn name(&self) -> &str {
        self.get(NAME).unwrap_or_default()
    }

    /// A 64-bit hash of the content (FNV-1a), equal on every machine and in every release: it is
    /// written to disk. Two different sets may share it.
    pub fn fingerprint(&self) -> u64 {
        self.0.hash
    }

    /// A copy of only the labels whose name satisfies `keep`.
    pub fn keep(&self, keep: impl Fn(&str) -> bool) -> Self {
        let pairs: Vec<(&str, &str)> = self.iter().filter(|(name, _)| keep(name)).collect();
        Self::from_sorted(&pairs)
    }

    /// Starts a changed copy.
    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder {
            pairs: self.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        }
    }
}

/// The separator bytes cannot occur in UTF-8, so ("ab","c") and ("a","bc") hash differently.
fn hash_of(text: &str, ends: &[u32]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = OFFSET;
    let mut start = 0;
    for end in ends {
        let end = *end as usize;
        for byte in text.as_bytes()[start..end].iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
        start = end;
    }
    hash
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.hash == other.0.hash
                && self.0.ends == other.0.ends
                && self.0.text == other.0.text)
    }
}

impl Eq for Labels {}

impl hash::Hash for Labels {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

/// Compares pair by pair as Prometheus does when it sorts results.
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `name{label="value", ...}`, the way PromQL writes it.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        f.write_str(name)?;
        let mut others = self.iter().filter(|(label, _)| *label != NAME).peekable();
        if others.peek().is_none() && !name.is_empty() {
            return Ok(());
        }
        f.write_str("{")?;
        for (index, (label, value)) in others.enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{label}={value:?}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Collects labels in any order and makes a [`Labels`] of them.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        let (name, value) = (name.into(), value.into());
        match self.pairs.iter_mut().find(|(candidate, _)| *candidate == name) {
            Some(pair) => pair.1 = value,
            None => self.pairs.push((name, value)),
        }
        self
    }

    /// The value of a label as it is set so far.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Name and value pairs in the order in which they were set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.pairs.retain(|(candidate, _)| candidate != name);
        self
    }

    /// Keeps only the labels whose name satisfies `keep`.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) -> &mut Self {
        self.pairs.retain(|(name, _)| keep(name));
        self
    }

    /// Writes the bounds of classic histograms and the quantiles of summaries as floats, as
    /// Prometheus 3 does at ingest: the same bound sent as `1` and as `1.0` is one series.
    pub fn write_bounds_as_floats(&mut self) -> &mut Self {
        let is_bucket =
            self.pairs.iter().any(|(name, value)| name == NAME && value.ends_with("_bucket"));
        for (name, value) in &mut self.pairs {
            let is_bound = name == "quantile" || (is_bucket && name == "le");
            if is_bound && let Ok(bound) = value.parse() {
                *value = float_text(bound);
            }
        }
        self
    }

    pub fn build(mut self) -> Labels {
        self.pairs.retain(|(_, value)| !value.is_empty());
        self.pairs.sort_unstable();
        Labels::from_sorted(&self.pairs)
    }
}

/// A float as OpenMetrics' canonical form has it: shortest, and never without a point or an exponent.
fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        format!("{value:?}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)], expected: &str) {
        assert_eq!(Labels::from_pairs(pairs.iter().copied()).to_string(), expected);
    }

    #[test]
    fn sets_are_sorted_deduplicated_and_without_empty_values() {
        check(&[], "{}");
        check(&[(NAME, "up")], "up");
        check(&[("b", "2"), (NAME, "up"), ("a", "1")], r#"up{a="1", b="2"}"#);
        check(&[("a", "1"), ("a", "2")], r#"{a="2"}"#);
        check(&[("a", "1"), ("b", "")], r#"{a="1"}"#);
        check(&[("a", "1"), ("a", "")], "{}");
    }

    #[test]
    fn some_labels_are_kept() {
        let labels = Labels::metric("up", [("a", "1"), ("b", "2")]);
        assert_eq!(labels.keep(|name| name != NAME), Labels::from_pairs([("a", "1"), ("b", "2")]));
        assert_eq!(labels.keep(|_| false), Labels::empty());
    }

    #[test]
    fn the_boundary_between_name_and_value_counts() {
        let left = Labels::from_pairs([("ab", "c")]);
        let right = Labels::from_pairs([("a", "bc")]);
        assert_ne!(left, right);
        assert_ne!(left.fingerprint(), right.fingerprint());
    }

    #[test]
    fn the_fingerprint_never_changes() {
        let labels = Labels::metric("up", [("job", "node"), ("instance", "a:1")]);
        assert_eq!(labels.fingerprint(), 8_511_833_761_154_723_903);
    }

    #[test]
    fn bounds_become_floats() {
        let check = |bound, expected| assert_eq!(float_text(bound), expected);
        check(0.0, "0.0");
        check(1.0, "1.0");
        check(-1.0, "-1.0");
        check(0.0005, "0.0005");
        check(0.00001, "1e-05");
        check(100_000.0, "100000.0");
        check(1e6, "1e+06");
        check(1_234_567.5, "1.2345675e+06");
        check(f64::INFINITY, "+Inf");
        check(f64::NAN, "NaN");
        let normal = |name, label, value| {
            let mut builder = LabelsBuilder::default();
            builder.set(NAME, name).set(label, value).write_bounds_as_floats();
            builder.build().to_string()
        };
        assert_eq!(normal("a_bucket", "le", "1"), r#"a_bucket{le="1.0"}"#);
        assert_eq!(normal("a_bucket", "le", "wide"), r#"a_bucket{le="wide"}"#);
        assert_eq!(normal("a", "le", "1"), r#"a{le="1"}"#);
        assert_eq!(normal("a", "quantile", ".5"), r#"a{quantile="0.5"}"#);
    }

    #[test]
    fn order_is_by_pairs() {
        let mut sets = [
            Labels::from_pairs([("a", "2")]),
            Labels::from_pairs([("b", "1")]),
            Labels::from_pairs([("a", "1"), ("b", "9")]),
            Labels::from_pairs([("a", "1")]),
        ];
        sets.sort();
        let text: Vec<_> = sets.iter().map(Labels::to_string).collect();
        assert_eq!(text, [r#"{a="1"}"#, r#"{a="1", b="9"}"#, r#"{a="2"}"#, r#"{b="1"}"#]);
    }
}
