//! Reads and runs one script. Native histograms are not read: what needs them fails.

mod nhcb;

use std::{collections::BTreeMap, time::Duration};

use model::{
    Clock, Labels, UnixMs,
    sample::{is_stale, stale},
    series::{Budget, Matcher, SelectError, SeriesData, SeriesSource, TimeRange},
};
use query::{Grid, Output, Settings, Value, evaluate, parse};

pub(crate) struct Outcome {
    pub(crate) line: usize,
    pub(crate) query: String,
    pub(crate) problem: Option<String>,
}

#[derive(Default)]
struct Memory(BTreeMap<Labels, BTreeMap<i64, f64>>);

impl SeriesSource for Memory {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        budget.check()?;
        let wanted = self.0.iter().filter(|(labels, _)| Matcher::all_match(matchers, labels));
        let series = wanted.filter_map(|(labels, points)| {
            let inside = points.range(range.start.0..=range.end.0.max(range.start.0));
            let (times, values): (Vec<i64>, Vec<f64>) = inside.unzip();
            let labels = labels.clone();
            (!times.is_empty()).then_some(SeriesData { labels, times, values })
        });
        Ok(series.collect())
    }

    fn series(&self, _: &[Matcher], _: TimeRange, _: &Budget) -> Result<Vec<Labels>, SelectError> {
        Ok(self.0.keys().cloned().collect())
    }
}

pub(crate) fn run(text: &str) -> Vec<Outcome> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_blank = |line: &str| line.is_empty() || line.starts_with('#');
    let mut memory = Memory::default();
    let mut outcomes = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let first = at + 1;
        at += 1;
        if is_blank(line) {
            continue;
        }
        if line.eq_ignore_ascii_case("clear") {
            memory = Memory::default();
            continue;
        }
        let from = at;
        while at < lines.len() && !is_blank(lines[at]) {
            at += 1;
        }
        let block = &lines[from..at];
        if let Some(step) =
            line.strip_prefix("load_with_nhcb ").or_else(|| line.strip_prefix("load "))
        {
            load(&mut memory, duration(step), block);
        } else {
            let eval = Eval::read(line, block);
            let problem = eval.check(&memory).err();
            outcomes.push(Outcome { line: first, query: eval.query, problem });
        }
    }
    outcomes
}

/// Milliseconds of `1h30m`, `10s53ms` or plain seconds.
fn duration(text: &str) -> i64 {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds * 1e3) as i64;
    }
    let (mut total, mut digits, mut rest) = (0, String::new(), text);
    while let Some(c) = rest.chars().next() {
        if c.is_ascii_digit() {
            digits.push(c);
            rest = &rest[1..];
            continue;
        }
        let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        let (name, unit) = *units.iter().find(|(name, _)| rest.starts_with(name)).unwrap();
        total += digits.parse::<i64>().unwrap() * unit;
        digits.clear();
        rest = &rest[name.len()..];
    }
    total
}

/// Cuts `name{..} points` into labels and the rest; `None` for what is no series.
fn series(line: &str) -> Option<(Labels, &str)> {
    let end = match line.find(['{', ' ', '\t']) {
        Some(at) if line[at..].starts_with('{') => {
            let mut quote = None;
            let close = line.char_indices().skip(at).find(|(_, c)| match quote {
                Some(open) => {
                    if *c == open {
                        quote = None;
                    }
                    false
                }
                None => {
                    if matches!(c, '"' | '\'' | '`') {
                        quote = Some(*c);
                    }
                    *c == '}'
                }
            });
            close?.0 + 1
        }
        Some(at) => at,
        None => return None,
    };
    let (head, rest) = line.split_at(end);
    if head == "{}" {
        return Some((Labels::empty(), rest));
    }
    let matchers = query::parse_selector(head).ok()?;
    Some((Labels::from_pairs(matchers.into_iter().map(|m| (m.name, m.value))), rest))
}

fn number(text: &str) -> Option<f64> {
    match text.to_ascii_lowercase().as_str() {
        "stale" => return Some(stale()),
        "inf" | "+inf" => return Some(f64::INFINITY),
        "-inf" => return Some(f64::NEG_INFINITY),
        "nan" => return Some(f64::NAN),
        _ => {}
    }
    let (sign, digits) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    if let Some(hex) = digits.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(|value| sign * value as f64);
    }
    text.parse().ok()
}

/// The points of a series; `None` for histograms.
fn points(text: &str) -> Option<Vec<Option<f64>>> {
    let mut points = Vec::new();
    for word in text.split_whitespace() {
        if word.contains("{{") {
            return None;
        }
        if word == "_" {
            points.push(None);
        } else if let Some(count) = word.strip_prefix("_x") {
            points.extend(vec![None; count.parse().ok()?]);
        } else if let Some((values, count)) =
            word.rsplit_once('x').filter(|(values, _)| *values != "0" && *values != "-0")
        {
            let count: usize = count.parse().ok()?;
            let sign = values
                .char_indices()
                .skip(1)
                .find(|(at, c)| matches!(c, '+' | '-') && !values[..*at].ends_with(['e', 'E']));
            let (start, step) = match sign {
                Some((at, _)) => {
                    (number(&values[..at])?, number(values[at..].trim_start_matches('+'))?)
                }
                None => (number(values)?, 0.0),
            };
            points.extend(
                (0..=count).map(|index| {
                    Some(if step == 0.0 { start } else { start + step * index as f64 })
                }),
            );
        } else {
            points.push(Some(number(word).or_else(|| Some(duration_value(word)))?));
        }
    }
    Some(points)
}

fn duration_value(word: &str) -> f64 {
    duration(word) as f64 / 1e3
}

fn load(memory: &mut Memory, step: i64, block: &[&str]) {
    for line in block {
        let Some((labels, rest)) = series(line) else { continue };
        let Some(points) = points(rest) else { continue };
        let stored = memory.0.entry(labels).or_default();
        for (index, value) in points.into_iter().enumerate() {
            if let Some(value) = value {
                stored.insert(index as i64 * step, value);
            }
        }
    }
}

struct Eval {
    grid: Grid,
    is_range: bool,
    query: String,
    expects: Vec<String>,
    results: Vec<String>,
}

impl Eval {
    fn read(line: &str, block: &[&str]) -> Self {
        let mut words = line.split_whitespace();
        let command = words.next().unwrap();
        let is_range = words.next() == Some("range");
        let mut take = |count: usize| words.by_ref().nth(count).unwrap().to_owned();
        let (grid, last) = if is_range {
            let (start, end, step) = (take(1), take(1), take(1));
            let grid = Grid {
                start: UnixMs(duration(&start)),
                end: UnixMs(duration(&end)),
                step_ms: duration(&step),
            };
            (grid, format!("step {step}"))
        } else {
            let at = take(1);
            (Grid::instant(UnixMs(duration(&at))), format!("at {at}"))
        };
        let query_at = line.find(&last).unwrap() + last.len();
        let (expects, results) = block
            .iter()
            .map(|line| (*line).to_owned())
            .partition(|line: &String| line.starts_with("expect "));
        let mut eval =
            Self { grid, is_range, query: line[query_at..].trim().into(), expects, results };
        if command == "eval_fail" {
            eval.expects.push("expect fail".into());
        }
        eval
    }

    fn expects(&self, word: &str) -> impl Iterator<Item = &str> {
        let prefix = format!("expect {word}");
        self.expects.iter().filter_map(move |line| {
            let rest = line.strip_prefix(&prefix)?;
            (rest.is_empty() || rest.starts_with(' ')).then_some(rest.trim())
        })
    }

    fn check(&self, memory: &Memory) -> Result<(), String> {
        let budget = Budget::new(Clock::manual(UnixMs(0)), Duration::from_secs(60), 50_000_000);
        let expr = parse(&self.query).map_err(|error| error.to_string())?;
        let result = evaluate(&expr, memory, self.grid, &Settings::default(), &budget);
        if let Some(expected) = self.expects("fail").next() {
            let Err(error) = result else { return Err("did not fail".into()) };
            return matches_text(expected, &error.to_string());
        }
        let output = result.map_err(|error| error.to_string())?;
        self.check_notes("warn", &output.warnings)?;
        self.check_notes("info", &output.infos)?;
        self.check_value(&output)
    }

    fn check_notes(&self, level: &str, notes: &[String]) -> Result<(), String> {
        if self.expects(&format!("no_{level}")).next().is_some() && !notes.is_empty() {
            return Err(format!("unexpected {level}: {notes:?}"));
        }
        let expected: Vec<&str> = self.expects(level).collect();
        for text in &expected {
            if !notes.iter().any(|note| matches_text(text, note).is_ok()) {
                return Err(format!("no {level} like {text:?} in {notes:?}"));
            }
        }
        let is_expected =
            |note: &String| expected.iter().any(|text| matches_text(text, note).is_ok());
        if !expected.is_empty() && !notes.iter().all(is_expected) {
            return Err(format!("{level} nobody expects: {notes:?}"));
        }
        Ok(())
    }

    fn check_value(&self, output: &Output) -> Result<(), String> {
        if let Some(text) = self.expects("string").next() {
            let text = text.trim_matches(['"', '`', '\'']);
            return same(output.value == Value::String(text.into()), &output.value);
        }
        if let [only] = self.results.as_slice()
            && let (Some(expected), Value::Scalar(found)) = (number(only), &output.value)
        {
            return same(close(expected, *found), found);
        }
        let mut grid = self.grid;
        if let Some(rest) = self.expects("range").next() {
            let words: Vec<&str> = rest.split_whitespace().collect();
            grid = Grid {
                start: UnixMs(duration(words[2])),
                end: UnixMs(duration(words[4])),
                step_ms: duration(words[6]),
            };
        }
        let found = flatten(&output.value, self.grid.start.0);
        let mut expected = Vec::new();
        for line in &self.results {
            let (labels, rest) = series(line).ok_or_else(|| format!("not a series: {line}"))?;
            let points = points(rest).ok_or("a native histogram is expected")?;
            let times = points.into_iter().enumerate().filter_map(|(index, value)| {
                Some((grid.start.0 + index as i64 * grid.step_ms, value?))
            });
            expected.push((labels, times.collect::<Vec<_>>()));
        }
        let is_ordered = self.expects("ordered").next().is_some();
        let (mut found, mut expected) = (found, expected);
        if !is_ordered {
            if self.is_range && !found.is_sorted_by(|a, b| a.0 <= b.0) {
                return Err("series are not sorted".into());
            }
            found.sort_by(|a, b| a.0.cmp(&b.0));
            expected.sort_by(|a, b| a.0.cmp(&b.0));
        }
        expected.retain(|(_, points)| !points.is_empty());
        let is_same = found.len() == expected.len()
            && found.iter().zip(&expected).all(|(a, b)| {
                a.0 == b.0
                    && a.1.len() == b.1.len()
                    && a.1.iter().zip(&b.1).all(|(a, b)| a.0 == b.0 && close(b.1, a.1))
            });
        same(is_same, &(found, "expected", expected))
    }
}

fn same(is_same: bool, found: &impl std::fmt::Debug) -> Result<(), String> {
    if is_same { Ok(()) } else { Err(format!("found {found:?}")) }
}

fn matches_text(expected: &str, found: &str) -> Result<(), String> {
    let is_match = if let Some(text) = expected.strip_prefix("msg:") {
        found == text.trim()
    } else if let Some(pattern) = expected.strip_prefix("regex:") {
        regex::Regex::new(pattern.trim()).unwrap().is_match(found)
    } else {
        true
    };
    if is_match { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
}

type Points = Vec<(i64, f64)>;

fn flatten(value: &Value, time: i64) -> Vec<(Labels, Points)> {
    match value {
        Value::Matrix(series) => series
            .iter()
            .map(|s| {
                let points = s.times.iter().copied().zip(s.values.iter().copied());
                (s.labels.clone(), points.collect())
            })
            .collect(),
        value => {
            let floats = value.clone().into_floats().into_iter();
            floats.map(|(labels, value)| (labels, vec![(time, value)])).collect()
        }
    }
}

fn close(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    if a == 0.0 || b == 0.0 {
        return (a - b).abs() < 1e-6 * f64::MIN_POSITIVE;
    }
    (a - b).abs() / (a.abs() + b.abs()) < 1e-6
}
