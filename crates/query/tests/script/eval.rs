//! One `eval` command: the evaluations that it stands for.

use std::time::Duration;

use model::{Clock, UnixMs, series::Budget};
use query::notation::{Memory, words::duration};
use query::{Element, Expr, Grid, Output, QueryError, Settings, Value, evaluate, parse};

use super::{
    Read,
    expect::{Expected, samples},
};

/// Most samples that one evaluation may touch. Larger than any script needs: what runs into it loops.
const SAMPLES_MAX: u64 = 5_000_000;

/// A query, the time or times to evaluate it at, and what is expected then.
pub(crate) struct Eval {
    pub(crate) query: String,
    grid: Grid,
    is_range: bool,
    expected: Expected,
}

impl Eval {
    /// `line` is `eval instant at T QUERY` or `eval range from A to B step S QUERY`.
    pub(crate) fn read(line: &str, block: &[&str]) -> Read<Self> {
        let mut rest = line;
        let mut next = || {
            let (word, after) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
            rest = after.trim_start();
            word
        };
        let bad = || format!("not an eval command: {line}");
        let command = next().to_ascii_lowercase();
        let is_range = match next() {
            "instant" => false,
            "range" => true,
            _ => return Err(bad()),
        };
        let mut time = |word: &str| {
            if next() == word { duration(next()) } else { Err(bad()) }
        };
        let expected = Expected::read(&command, block)?;
        let grid = if is_range {
            let (start, end) = (UnixMs(time("from")?), UnixMs(time("to")?));
            Grid { start, end, step_ms: time("step")?.max(1) }
        } else {
            Grid::instant(UnixMs(time("at")?))
        };
        if expected.range.is_some_and(|range| range.end != grid.end || is_range) {
            return Err("a range vector must end at the time of an instant query".into());
        }
        if !is_range && expected.range.is_none() && !expected.is_of_an_instant() {
            return Err("an instant vector has one point for each series".into());
        }
        if rest.is_empty() {
            return Err(bad());
        }
        Ok(Self { query: rest.into(), grid, is_range, expected })
    }

    /// Evaluates as the command says, and an instant query in the other ways that must yield the same.
    pub(crate) fn check(&self, memory: &Memory, settings: &Settings) -> Read<()> {
        let expr = match parse(&self.query) {
            Ok(expr) => expr,
            Err(error) => return self.expected.check_error(&error.to_string()),
        };
        let evaluate = |expr: &Expr, grid: Grid| {
            let budget =
                Budget::new(Clock::manual(UnixMs(0)), Duration::from_secs(60), SAMPLES_MAX);
            evaluate(expr, memory, grid, settings, &budget)
        };
        self.expected.check(self.grid, evaluate(&expr, self.grid))?;
        if self.is_range {
            return Ok(());
        }
        self.check_as_range(&expr, self.grid.start, &evaluate)?;
        let Some(pinned) = expr.pinned(self.grid.start) else { return Ok(()) };
        for time in other_times(self.grid.start) {
            let place = |problem| format!("pinned, at {time} ms: {problem}");
            let grid = Grid::instant(time);
            self.expected.check(grid, evaluate(&pinned, grid)).map_err(place)?;
            self.check_as_range(&pinned, time, &evaluate).map_err(place)?;
        }
        Ok(())
    }

    /// The same query over three steps must yield the same at the middle one.
    fn check_as_range(
        &self,
        expr: &Expr,
        time: UnixMs,
        evaluate: &dyn Fn(&Expr, Grid) -> Result<Output, QueryError>,
    ) -> Read<()> {
        let depends_on_range =
            ["start()", "end()", "range()", "step()"].iter().any(|call| self.query.contains(call));
        let Expected { string, range, is_ordered, .. } = &self.expected;
        if self.expected.is_failure() || depends_on_range || string.is_some() || range.is_some() {
            return Ok(());
        }
        let minute = Duration::from_secs(60);
        let grid = Grid { start: time - minute, end: time + minute, step_ms: 60_000 };
        let output = evaluate(expr, grid).map_err(|error| format!("as a range query: {error}"))?;
        if *is_ordered {
            return Ok(());
        }
        let Value::Matrix(series) = output.value else {
            return Err("as a range query: no matrix".into());
        };
        if !series.is_sorted_by(|a, b| a.labels <= b.labels) {
            return Err("as a range query: series are not sorted by labels".into());
        }
        let middle = series.iter().filter_map(|one| {
            let (_, sample) = samples(one).into_iter().find(|(at, _)| *at == time.0)?;
            Some(Element { labels: one.labels.clone(), sample })
        });
        let vector = Value::Vector(middle.collect());
        let value = if self.expected.is_scalar() { scalar(vector)? } else { vector };
        self.expected
            .check_value(Grid::instant(time), &value)
            .map_err(|problem| format!("as a range query: {problem}"))
    }
}

/// When a query whose selectors are pinned to `time` is asked as well.
fn other_times(time: UnixMs) -> Vec<UnixMs> {
    let times = match time.0 {
        0 => vec![-1_000, 0, 1_000],
        time => vec![-10 * time, 0, time / 5, time, 10 * time],
    };
    times.into_iter().map(UnixMs).collect()
}

/// The scalar that a vector of one element without labels stands for.
fn scalar(vector: Value) -> Read<Value> {
    match vector.into_floats().as_slice() {
        [(labels, value)] if labels.is_empty() => Ok(Value::Scalar(*value)),
        other => Err(format!("as a range query: no scalar: {other:?}")),
    }
}
