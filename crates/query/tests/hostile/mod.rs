//! Queries that mean harm, and text that means nothing: neither may cost more than it is allowed to.
//!
//! What a query costs is counted in what it asks of the source and in what it yields, never in time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use model::{
    Clock, Labels, UnixMs,
    histogram::Histogram,
    series::{Budget, HistogramSeries, Matcher, SelectError, SeriesData, SeriesSource, TimeRange},
};
use proptest::{collection::vec, prelude::*, sample::select};
use query::{Grid, Output, QueryError, Sample, Settings, Value, evaluate, parse};

use crate::{
    laws::{
        grammar::{query, scalar, vector},
        world::World,
    },
    script::Memory,
};

/// Most samples that a hostile query may touch.
const SAMPLES_MAX: u64 = 20_000;
/// What a thread has unless told otherwise.
const STACK_BYTES: usize = 2 << 20;

/// A source that counts what is asked of it.
struct Counting<'a> {
    memory: &'a Memory,
    selections: AtomicU64,
    samples: AtomicU64,
}

impl<'a> Counting<'a> {
    fn new(memory: &'a Memory) -> Self {
        Self { memory, selections: AtomicU64::new(0), samples: AtomicU64::new(0) }
    }

    fn count(&self, samples: usize) {
        self.selections.fetch_add(1, Ordering::Relaxed);
        self.samples.fetch_add(samples as u64, Ordering::Relaxed);
    }
}

impl SeriesSource for Counting<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        let found = self.memory.select(matchers, range, budget)?;
        self.count(found.iter().map(|series| series.times.len()).sum());
        Ok(found)
    }

    fn select_histograms(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<HistogramSeries>, SelectError> {
        let found = self.memory.select_histograms(matchers, range, budget)?;
        self.count(found.iter().map(|series| series.times.len()).sum());
        Ok(found)
    }

    fn series(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<Labels>, SelectError> {
        self.memory.series(matchers, range, budget)
    }
}

fn budget(samples_max: u64) -> Budget {
    Budget::new(Clock::manual(UnixMs(0)), Duration::from_secs(60), samples_max)
}

fn run(
    source: &dyn SeriesSource,
    query: &str,
    grid: Grid,
    samples_max: u64,
) -> Result<Output, QueryError> {
    let expr = parse(query).map_err(|error| QueryError::Failed(error.to_string()))?;
    evaluate(&expr, source, grid, &Settings::default(), &budget(samples_max))
}

/// What a result weighs: each float as one, each histogram that is in memory once.
fn size(value: &Value) -> u64 {
    let mut histograms = BTreeMap::new();
    let mut add = |one: &Arc<Histogram>| {
        histograms.insert(Arc::as_ptr(one), one.weight());
    };
    let mut floats = 0;
    match value {
        Value::Scalar(_) | Value::String(_) => floats += 1,
        Value::Vector(elements) => elements.iter().for_each(|one| match &one.sample {
            Sample::Float(_) => floats += 1,
            Sample::Histogram(histogram) => add(histogram),
        }),
        Value::Matrix(series) => series.iter().for_each(|one| {
            floats += one.times.len() as u64;
            one.histograms.iter().for_each(|(_, histogram)| add(histogram));
        }),
    }
    floats + histograms.values().sum::<u64>()
}

/// A hundred series `a` with 600 samples each.
static MANY: LazyLock<Memory> = LazyLock::new(|| {
    let mut memory = Memory::default();
    for series in 0..100 {
        let labels = Labels::metric("a", [("x", series.to_string())]);
        for second in 0..600 {
            memory.insert_float(&labels, second * 1_000, second as f64);
        }
    }
    memory
});

/// Evaluates on a small stack over [`MANY`] series; the error, or what was asked of the source.
fn attack(query: String, grid: Grid) -> Result<(u64, u64), QueryError> {
    let attack = move || {
        let source = Counting::new(&MANY);
        run(&source, &query, grid, SAMPLES_MAX).map(|output| {
            assert!(size(&output.value) <= SAMPLES_MAX, "{query}");
            assert!(output.stats.samples_peak <= 2 * SAMPLES_MAX, "{query}: {:?}", output.stats);
            (source.selections.into_inner(), source.samples.into_inner())
        })
    };
    let small = thread::Builder::new().stack_size(STACK_BYTES);
    small.spawn(attack).unwrap().join().unwrap()
}

fn instant() -> Grid {
    Grid::instant(UnixMs(600_000))
}

#[track_caller]
fn is_too_much(query: &str, grid: Grid) {
    let result = attack(query.to_owned(), grid);
    let expected = QueryError::Select(SelectError::TooManySamples);
    assert_eq!(result, Err(expected), "{query:.200}");
}

/// The query is refused with an error that has `words` in it.
#[track_caller]
fn is_refused(query: String, words: &str) {
    let result = attack(query.clone(), instant());
    let Err(QueryError::Failed(error)) = result else { panic!("{query:.200}: {result:?}") };
    assert!(error.contains(words), "{query:.200}: {error}");
}

#[test]
fn deep_queries_are_refused() {
    for open in ["(", "sum(", "abs(", "-", "+-", "max_over_time(", "1 + (", "a or (", "a ^ "] {
        for depth in [300, 4_000] {
            is_refused(open.repeat(depth), "parse error: expressions nest deeper than");
        }
    }
    let nested =
        |depth: usize| format!("{}a{{x=\"1\"}}{}", "abs(".repeat(depth), ")".repeat(depth));
    is_refused(nested(1_000), "expressions nest deeper than");
    // Chains within parentheses within chains, each of which is short.
    let mut range = "1".to_owned();
    for level in 0..130 {
        range = format!("({range}{})", "+1".repeat(230 - level));
    }
    is_refused(format!("a[{range}]"), "the duration is too long an expression");
    let subqueries = "a".to_owned() + &"[1s:1s]".repeat(1_000);
    is_refused(subqueries, "parse error");
    // What is not deep is evaluated, on the same small stack.
    assert_eq!(attack(nested(140), instant()).map(|(selections, _)| selections), Ok(2));
}

#[test]
fn long_queries_are_refused_or_linear() {
    is_refused("1".repeat(1 << 17), "the query is longer than");
    is_refused(format!("a{{x=~\"{}\"}}", "(a|b)*".repeat(1 << 14)), "the query is longer than");
    for terms in [100, 1_000, 32_000] {
        let numbers = vec!["1"; terms].join("+");
        assert!(numbers.len() < 1 << 16);
        match attack(numbers, instant()) {
            Ok(asked) => assert_eq!(asked, (0, 0)),
            Err(error) => assert!(error.to_string().contains("nest deeper than"), "{error}"),
        }
    }
    // Each selector is read at most once for floats and once for histograms.
    let sums = vec!["a{x=\"1\"}"; 50].join(" + ");
    let (selections, samples) = attack(sums, instant()).unwrap();
    assert!(selections <= 2 * 50 && samples <= 50 * 300, "{selections} {samples}");
}

#[test]
fn wide_queries_are_stopped() {
    let day = 86_400_000;
    let long = Grid { start: UnixMs(0), end: UnixMs(10_000 * day), step_ms: 1 };
    let endless = Grid { start: UnixMs(i64::MIN / 2), end: UnixMs(i64::MAX / 2), step_ms: 1 };
    for grid in [long, endless] {
        for query in
            ["1", "time()", "a", "vector(1)", "sum(a)", "rate(a[5m])", "absent(a)", "a or a"]
        {
            is_too_much(query, grid);
        }
    }
    let window = Grid { start: UnixMs(0), end: UnixMs(600_000), step_ms: 1_000 };
    is_too_much("a", window);
    is_too_much("count_over_time(a[10m])", window);
    is_too_much("sum(a)", window);
    // One series, of which each step makes another one.
    is_too_much("count_values(\"v\", a{x=\"1\"})", window);
}

#[test]
fn exploding_subqueries_are_stopped() {
    for query in [
        "count_over_time(vector(1)[1y:1ms])",
        "count_over_time(time()[290y:1ms])",
        "sum_over_time(a[10m:1s])",
        "max_over_time(max_over_time(vector(1)[1h:1s])[1d:1s])",
        "max_over_time(max_over_time(max_over_time(vector(1)[1m:1s])[1h:1s])[6h:1s])",
        "count_over_time(vector(1)[1h:1ms] @ 0)",
        "count_over_time(vector(1)[1h:1ms] offset -1h)",
        "absent_over_time(a[1y:1ms])",
        "a[1y:1ms]",
    ] {
        is_too_much(query, instant());
    }
    // The smallest windows and steps are harmless, however deep.
    let mut query = "a{x=\"1\"}".to_owned();
    for _ in 0..50 {
        query = format!("last_over_time({query}[1ms:1ms])");
    }
    let (selections, samples) = attack(query, instant()).unwrap();
    assert!(selections <= 2 && samples <= 600, "{selections} {samples}");
}

/// Text that grows twofold with each call must not be built.
#[test]
fn exploding_labels_are_stopped() {
    for call in [
        "label_replace(#, \"x\", \"$1$1\", \"x\", \"(.*)\")",
        "label_join(#, \"x\", \"\", \"x\", \"x\")",
    ] {
        let mut query = "a{x=\"1\"}".to_owned();
        for _ in 0..100 {
            query = call.replace('#', &query);
        }
        let result = attack(query, instant());
        assert!(result.is_err(), "{call}: {result:?}");
    }
}

#[test]
fn hostile_patterns_are_refused() {
    for pattern in ["(a{1000}){1000}", "((a{100}){100}){100}", "(x+x+)+y{1000000}", "("] {
        is_refused(format!("a{{x=~\"{pattern}\"}}"), "parse error");
        is_refused(
            format!("label_replace(a, \"y\", \"\", \"x\", \"{pattern}\")"),
            "regular expression",
        );
    }
    let many = |count: usize| format!("a{{{}}}", ["x=~\"1|2\""].repeat(count).join(","));
    assert!(attack(many(100), instant()).is_ok());
    is_refused(many(3_000), "more than 128 regular expressions");
    // What makes other engines backtrace for ever costs as much as its text is long.
    let backtracking = "a{x=~\"(x+x+)+y\", x!~\"(1|11)*(1|11)*(1|11)*$\"}".to_owned();
    assert_eq!(attack(backtracking, instant()).map(|(selections, _)| selections), Ok(2));
}

/// Numbers at the ends of what a float or a time can be.
#[test]
fn extreme_numbers_do_no_harm() {
    let numbers = [
        "0",
        "-0",
        "-1",
        "0.5",
        "1e300",
        "-1e300",
        "9223372036854775807",
        "-9223372036854775808",
        "Inf",
        "-Inf",
        "NaN",
        "5e-324",
    ];
    for number in numbers {
        for template in [
            "topk(#, a)",
            "bottomk(#, a)",
            "limitk(#, a)",
            "limit_ratio(#, a)",
            "quantile(#, a)",
            "quantile_over_time(#, a[1m])",
            "predict_linear(a[1m], #)",
            "round(a, #)",
            "clamp(a, #, #)",
            "double_exponential_smoothing(a[1m], #, #)",
            "histogram_quantile(#, a)",
            "vector(#) % 0",
            "day_of_month(vector(#))",
            "days_in_month(vector(#))",
            "year(vector(#))",
            "hour(vector(#))",
            "count_values(\"v\", vector(#))",
            "a ^ #",
            "a % #",
            "min_of(#, #)",
            "a @ #",
            "a[1m] @ #",
            "a offset #",
            "a[#]",
            "a[1m:#]",
            "a[#:1s]",
            "a[1m] offset #",
            "a[1m:1s] offset #",
            "a[1m:1s] @ #",
            "a[# * #]",
            "a[1m ^ #]",
            "a + fill(#) on () a",
            "histogram_fraction(#, #, a)",
            "histogram_quantiles(a, \"q\", #, #)",
            "a </ #",
            "a >/ #",
        ] {
            let query = template.replace('#', number);
            // Any answer is right here but a panic, which joining the thread passes on.
            let _answer = attack(query, instant());
        }
    }
}

#[test]
fn a_cancelled_query_asks_for_nothing() {
    let source = Counting::new(&MANY);
    let cancelled = budget(SAMPLES_MAX);
    cancelled.cancel_flag().store(true, Ordering::Relaxed);
    for query in ["a", "sum(rate(a[1m]))", "vector(1)", "max_over_time(a[1m:1s])"] {
        let expr = parse(query).unwrap();
        let result = evaluate(&expr, &source, instant(), &Settings::default(), &cancelled);
        assert_eq!(
            result.map(|output| output.value),
            Err(SelectError::Cancelled.into()),
            "{query}"
        );
    }
    assert_eq!(source.selections.into_inner(), 0);
}

/// Pieces that queries are made of, and some that they are not.
const TOKENS: &str = r#"
    a b c_total h x y __name__ sum by without topk quantile count_values rate label_replace histogram_quantile
    info ( ) [ ] { } , : = != =~ !~ == > < >= <= + - * / % ^ </ >/ atan2 and or unless bool on ignoring group_left
    group_right fill offset @ anchored smoothed start() end() step() 5m 1h 1 0x1F 1_000 1e3 .5 Inf NaN "x" 'y' `z`
    "\x # §
"#;

fn token() -> impl Strategy<Value = String> {
    let known = select(TOKENS.split_whitespace().collect::<Vec<_>>());
    prop_oneof![20 => known.prop_map(str::to_owned), 1 => "\\PC{1,3}", 1 => ".{1,2}", 1 => "\n|\u{0}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is typed is either understood or refused, at a place in it.
    #[test]
    fn any_text(tokens in vec(token(), 0..40), space in select(vec!["", " ", "\n"]), world in World::any()) {
        let text = tokens.join(space);
        match parse(&text) {
            Ok(expr) => {
                let grid = Grid { start: UnixMs(0), end: UnixMs(600_000), step_ms: 60_000 };
                let source = world.load(0);
                for grid in [grid, instant()] {
                    let _answer = evaluate(&expr, &source, grid, &Settings::default(), &budget(SAMPLES_MAX));
                }
            }
            Err(error) => {
                let error = error.to_string();
                prop_assert!(error.contains("parse error: "), "{:?}: {}", text, error);
            }
        }
    }

    /// Halves of queries, glued together.
    #[test]
    fn damaged_queries(left in query(), right in query(), cut in 0_usize..200, from in 0_usize..200) {
        let head: String = left.chars().take(cut).collect();
        let tail: String = right.chars().skip(from).collect();
        if let Ok(expr) = parse(&format!("{head}{tail}")) {
            let source = Memory::default();
            let _answer = evaluate(&expr, &source, instant(), &Settings::default(), &budget(SAMPLES_MAX));
        }
    }

    /// The grammar yields queries that parse, and as shown they parse again.
    #[test]
    fn queries_of_the_grammar_parse(query in prop_oneof![query(), vector(4), scalar()]) {
        let expr = parse(&query);
        prop_assert!(expr.is_ok(), "{}: {:?}", query, expr.err());
    }

    /// No query reads or yields more than its budget, however small.
    #[test]
    fn budgets_hold(
        world in World::any(), query in query(), samples_max in 0_u64..2_000, steps in 0_i64..500,
    ) {
        let memory = world.load(0);
        let source = Counting::new(&memory);
        let grid = Grid { start: UnixMs(0), end: UnixMs(steps * 1_000), step_ms: 1_000 };
        if let Ok(output) = run(&source, &query, grid, samples_max) {
            prop_assert!(size(&output.value) <= samples_max.max(1), "{}: {:?}", query, output.stats);
            prop_assert!(source.samples.into_inner() <= samples_max, "{}: {:?}", query, output.stats);
        }
    }
}
