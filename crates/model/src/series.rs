//! Reading series back: what a query asks of any store, local or remote.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{Clock, Labels, UnixMs, histogram::Histogram, limits::REGEX_BYTES_MAX};

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    Equal,
    NotEqual,
    Regex,
    NotRegex,
}

impl MatchOp {
    /// The operator as PromQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// A condition on one label. An absent label has the empty value.
#[derive(Clone, Debug)]
pub struct Matcher {
    pub name: String,
    pub op: MatchOp,
    pub value: String,
    /// Present exactly for the two regex operators.
    regex: Option<regex::Regex>,
}

/// A regular expression that cannot be compiled, or would be too large when compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid regular expression {pattern:?}: {reason}")]
pub struct BadRegex {
    pub pattern: String,
    pub reason: String,
}

impl Matcher {
    /// Compiles the pattern of a regex matcher as Prometheus 3 does: anchored at both ends, `.`
    /// matching newlines. Costs time linear in text for any pattern; its compiled size is capped.
    pub fn new(
        name: impl Into<String>,
        op: MatchOp,
        value: impl Into<String>,
    ) -> Result<Self, BadRegex> {
        let value = value.into();
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(anchored(&value)?),
        };
        Ok(Self { name: name.into(), op, value, regex })
    }

    /// A matcher for equality, which cannot fail.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), regex: None }
    }

    /// Whether a label's value ("" when absent) satisfies the condition.
    pub fn matches(&self, value: &str) -> bool {
        match self.op {
            MatchOp::Equal => value == self.value,
            MatchOp::NotEqual => value != self.value,
            MatchOp::Regex => self.regex.as_ref().is_some_and(|regex| regex.is_match(value)),
            MatchOp::NotRegex => !self.regex.as_ref().is_some_and(|regex| regex.is_match(value)),
        }
    }

    /// Whether every one of `matchers` holds for `labels`.
    pub fn all_match(matchers: &[Self], labels: &Labels) -> bool {
        matchers
            .iter()
            .all(|matcher| matcher.matches(labels.get(&matcher.name).unwrap_or_default()))
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:?}", self.name, self.op.as_str(), self.value)
    }
}

/// Compiles `^(?s:PATTERN)$` with the size limit that every pattern from outside gets.
pub fn anchored(pattern: &str) -> Result<regex::Regex, BadRegex> {
    let bad = |error: &regex::Error| BadRegex { pattern: pattern.into(), reason: reason(error) };
    let compile = |pattern: &str| {
        regex::RegexBuilder::new(pattern)
            .size_limit(REGEX_BYTES_MAX)
            .dfa_size_limit(REGEX_BYTES_MAX)
            .build()
            .map_err(|error| bad(&error))
    };
    // Compiled alone first, so that `a)(b` is refused instead of escaping the group below.
    compile(pattern)?;
    compile(&format!("^(?s:{pattern})$"))
}

/// What is wrong, in one line: an error of syntax draws the pattern first, which is said already.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").trim_end_matches('.').to_owned()
}

/// Both ends inclusive, in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    pub start: UnixMs,
    pub end: UnixMs,
}

/// The stored points of one series, oldest first, times strictly increasing. `times` and `values`
/// have equal length. Stale markers are included: what they mean is the query's business.
#[derive(Clone, Debug, Default)]
pub struct SeriesData {
    pub labels: Labels,
    /// Unix milliseconds.
    pub times: Vec<i64>,
    pub values: Vec<f64>,
}

/// The native histograms of one series, as [`SeriesData`] has its floats.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSeries {
    pub labels: Labels,
    /// Unix milliseconds.
    pub times: Vec<i64>,
    pub histograms: Vec<Histogram>,
}

/// What bounds one query: its deadline, its reader having gone away, and its share of samples.
#[derive(Clone, Debug)]
pub struct Budget {
    cancelled: Arc<AtomicBool>,
    clock: Clock,
    /// In the clock's monotonic time.
    deadline: Duration,
    /// Most samples that one query may touch.
    pub samples_max: u64,
}

impl Budget {
    pub fn new(clock: Clock, timeout: Duration, samples_max: u64) -> Self {
        let deadline = clock.monotonic().saturating_add(timeout);
        Self { cancelled: Arc::new(AtomicBool::new(false)), clock, deadline, samples_max }
    }

    /// The flag that ends the query from another thread once it is true.
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// How long the query may still take.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.clock.monotonic())
    }

    /// To be asked at least every few thousand steps of any loop.
    pub fn check(&self) -> Result<(), SelectError> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(SelectError::Cancelled)
        } else if self.clock.monotonic() > self.deadline {
            Err(SelectError::TimedOut)
        } else {
            Ok(())
        }
    }
}

/// Why series could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    #[error("query was cancelled")]
    Cancelled,
    #[error("query timed out")]
    TimedOut,
    #[error("query processing would load too many samples into memory")]
    TooManySamples,
    /// Data on disk or at a remote end that could not be read.
    #[error("failed to read series: {0}")]
    Storage(String),
}

/// What a row says of the samples that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Min,
    Max,
    Sum,
    /// How many samples.
    Count,
    /// The newest sample, which may be a stale marker.
    Last,
    /// What a counter grew by since the sample before the row's first, resets taken into account; NaN
    /// for what falls too often to be a counter.
    Growth,
}

impl Column {
    pub const ALL: [Self; 6] =
        [Self::Last, Self::Min, Self::Max, Self::Sum, Self::Count, Self::Growth];
}

/// Rows that are ready: one for each whole `step_ms` that a series has samples in, at its end. They stand
/// for all samples in `range`, which begins and ends at whole steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    pub step_ms: i64,
    /// Open at its start, as PromQL's windows are.
    pub range: TimeRange,
}

/// Takes one series, whose points it may move out or change.
pub type Visit<'a> = &'a (dyn Fn(u64, &mut SeriesData) -> Result<(), SelectError> + Sync);

/// Anything that holds series and answers questions about them. An implementation answers each
/// call from one consistent snapshot.
pub trait SeriesSource: Send + Sync {
    /// The series that satisfy all `matchers` and have a point in `range`, in any order, each with
    /// all its points in `range`.
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError>;

    /// As [`SeriesSource::select`], one series after the other and perhaps several at the same time, so that
    /// they need not all be held. Each is given with its place among all of them.
    fn visit(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
        visit: Visit<'_>,
    ) -> Result<(), SelectError> {
        let series = self.select(matchers, range, budget)?;
        (0..).zip(series).try_for_each(|(place, mut series)| visit(place, &mut series))
    }

    /// As [`SeriesSource::select`], the native histograms in place of the floats. Each counts as many
    /// samples as it weighs.
    fn select_histograms(
        &self,
        _matchers: &[Matcher],
        _range: TimeRange,
        _budget: &Budget,
    ) -> Result<Vec<HistogramSeries>, SelectError> {
        Ok(Vec::new())
    }

    /// The rows that may be asked for instead of samples, smallest step first.
    fn rows(&self) -> Vec<Rows> {
        Vec::new()
    }

    /// As [`SeriesSource::select`], with one column of rows in place of samples.
    fn select_rows(
        &self,
        _matchers: &[Matcher],
        _range: TimeRange,
        _step_ms: i64,
        _column: Column,
        _budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        Ok(Vec::new())
    }

    /// Time of the oldest sample; [`UnixMs::MAX`] when there is none.
    fn oldest_sample(&self) -> UnixMs {
        UnixMs::MIN
    }

    /// When the oldest row of `step_ms` ends; [`UnixMs::MAX`] when there is none.
    fn oldest_row(&self, _step_ms: i64) -> UnixMs {
        UnixMs::MAX
    }

    /// The label sets of the series that satisfy all `matchers` and may have a point in `range`.
    fn series(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<Labels>, SelectError>;

    /// The names of all labels, sorted.
    fn label_names(&self, range: TimeRange, budget: &Budget) -> Result<Vec<String>, SelectError> {
        let series = self.series(&[], range, budget)?;
        Ok(sorted(series.iter().flat_map(|labels| labels.iter().map(|(name, _)| name))))
    }

    /// The values of one label, sorted.
    fn label_values(
        &self,
        name: &str,
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<String>, SelectError> {
        let (name, op, value, regex) = (name.to_owned(), MatchOp::NotEqual, String::new(), None);
        let present = Matcher { name, op, value, regex };
        let series = self.series(std::slice::from_ref(&present), range, budget)?;
        Ok(sorted(series.iter().filter_map(|labels| labels.get(&present.name))))
    }
}

/// Each text once, in order.
pub fn sorted<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let set: BTreeSet<&str> = texts.collect();
    set.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(op: MatchOp, pattern: &str, value: &str, expected: bool) {
        let matcher = Matcher::new("a", op, pattern).unwrap();
        assert_eq!(matcher.matches(value), expected, "{matcher} on {value:?}");
    }

    #[test]
    fn matchers() {
        check(MatchOp::Equal, "x", "x", true);
        check(MatchOp::Equal, "", "", true);
        check(MatchOp::NotEqual, "x", "", true);
        check(MatchOp::Regex, "a|b", "b", true);
        check(MatchOp::Regex, "a|b", "ab", false);
        check(MatchOp::Regex, "a.b", "a\nb", true);
        check(MatchOp::NotRegex, "a.*", "b", true);
        check(MatchOp::Regex, ".*", "", true);
    }

    #[test]
    fn hostile_patterns_are_refused() {
        for pattern in ["a)(b", "(", "((a{1000}){1000}){1000}"] {
            let error = Matcher::new("a", MatchOp::Regex, pattern).unwrap_err();
            assert!(!error.reason.is_empty() && !error.reason.contains('\n'), "{error}");
        }
        let error = Matcher::new("a", MatchOp::Regex, "[").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"invalid regular expression "[": unclosed character class"#
        );
    }

    #[test]
    fn a_budget_ends_by_time_and_by_hand() {
        let clock = Clock::manual(UnixMs(0));
        let budget = Budget::new(clock.clone(), Duration::from_secs(1), 10);
        assert_eq!(budget.check(), Ok(()));
        clock.set(UnixMs(1_001));
        assert_eq!(budget.check(), Err(SelectError::TimedOut));
        budget.cancel_flag().store(true, Ordering::Relaxed);
        assert_eq!(budget.check(), Err(SelectError::Cancelled));
    }
}
