//! LogQL, as far as it is understood ([docs/logql.md](../../../../../../docs/logql.md)): what a query says, and
//! the parser that reads it. What becomes of it is known elsewhere.

mod lex;
mod parse;
mod stages;

use regex::{Regex, RegexBuilder};

pub(super) use self::parse::{parse, parse_selector};

/// Longest query.
pub(super) const QUERY_BYTES_MAX: usize = 16 << 10;
/// Deepest nesting.
const DEPTH_MAX: usize = 32;
/// Most matchers, stages, names or alternatives of one list.
const LIST_MAX: usize = 100;
/// Most memory that a regular expression may take, in bytes.
const EXPRESSION_BYTES_MAX: usize = 1 << 20;

/// Why a query cannot be understood, in the words of Loki's parser, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parse error at line {line}, col {column}: {problem}")]
pub(super) struct ParseError {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) problem: String,
}

/// A query.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    /// Lines.
    Log(Log),
    Number(f64),
    /// `vector(1)`
    Vector(f64),
    Range(RangeOf),
    Group(Grouped),
    Binary(Box<Binary>),
}

/// Which lines, and what is done with each.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) matchers: Vec<Matcher>,
    pub(super) stages: Vec<Stage>,
}

/// A test of a label.
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    pub(super) label: String,
    pub(super) op: MatchOp,
    /// The value, or the expression as it was written.
    pub(super) value: String,
    pub(super) regex: Option<Regex>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MatchOp {
    Is,
    IsNot,
    Matches,
    MatchesNot,
}

impl MatchOp {
    pub(super) fn is_negative(self) -> bool {
        matches!(self, Self::IsNot | Self::MatchesNot)
    }
}

impl Matcher {
    /// A label that is not there has an empty value.
    pub(super) fn matches(&self, value: &str) -> bool {
        let is_same = match &self.regex {
            Some(regex) => regex.is_match(value),
            None => self.value == value,
        };
        is_same != self.op.is_negative()
    }
}

/// A step of a pipeline.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    Line(LineFilter),
    /// The names to take with the path to each; all, where there are none.
    Json(Vec<(String, Vec<String>)>),
    Logfmt(Vec<(String, String)>),
    Regexp(Regex),
    Pattern(Vec<Piece>),
    Label(LabelFilter),
    LineFormat(Vec<Piece>),
    LabelFormat(Vec<(String, Format)>),
    Drop(Vec<Chosen>),
    Keep(Vec<Chosen>),
    /// Takes colours out.
    Decolorize,
    Unwrap(Unwrap),
}

/// Any of the texts is in the line, or none.
#[derive(Clone, Debug)]
pub(super) struct LineFilter {
    pub(super) is_negative: bool,
    pub(super) texts: Vec<Sought>,
}

#[derive(Clone, Debug)]
pub(super) enum Sought {
    Text(String),
    Expression(Regex),
}

impl Sought {
    pub(super) fn is_in(&self, line: &str) -> bool {
        match self {
            Self::Text(text) => line.contains(text.as_str()),
            Self::Expression(regex) => regex.is_match(line),
        }
    }
}

/// A part of a text that is made of or taken apart into labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// Without a name the part is passed over.
    Label(Option<String>),
}

#[derive(Clone, Debug)]
pub(super) enum Format {
    Rename(String),
    Text(Vec<Piece>),
}

/// A label, whatever its value or with a certain one.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) label: String,
    pub(super) matcher: Option<Matcher>,
}

#[derive(Clone, Debug)]
pub(super) enum LabelFilter {
    Both(Box<Self>, Box<Self>),
    Either(Box<Self>, Box<Self>),
    Matches(Matcher),
    Compares { label: String, op: Compare, number: f64, unit: Unit },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Compare {
    pub(super) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// What a number is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Plain,
    /// Kept in seconds.
    Duration,
    Bytes,
}

impl Unit {
    /// A number as it stands in a line.
    pub(super) fn read(self, text: &str) -> Option<f64> {
        match self {
            Self::Plain => text.parse().ok().filter(|number: &f64| number.is_finite()),
            Self::Duration => lex::seconds(text),
            Self::Bytes => lex::bytes(text),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Unwrap {
    pub(super) label: String,
    pub(super) unit: Unit,
}

/// Samples out of the lines of a span of time before each step.
#[derive(Clone, Debug)]
pub(super) struct RangeOf {
    pub(super) op: RangeOp,
    pub(super) log: Log,
    pub(super) range_ms: i64,
    pub(super) offset_ms: i64,
    /// Of a quantile.
    pub(super) parameter: f64,
    pub(super) grouping: Option<Grouping>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangeOp {
    Count,
    Rate,
    Bytes,
    BytesRate,
    Absent,
    Sum,
    Average,
    Min,
    Max,
    First,
    Last,
    Quantile,
}

impl RangeOp {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "count_over_time" => Self::Count,
            "rate" => Self::Rate,
            "bytes_over_time" => Self::Bytes,
            "bytes_rate" => Self::BytesRate,
            "absent_over_time" => Self::Absent,
            "sum_over_time" => Self::Sum,
            "avg_over_time" => Self::Average,
            "min_over_time" => Self::Min,
            "max_over_time" => Self::Max,
            "first_over_time" => Self::First,
            "last_over_time" => Self::Last,
            "quantile_over_time" => Self::Quantile,
            _ => return None,
        })
    }

    /// Whether it needs a number of each line.
    fn needs_unwrap(self) -> bool {
        matches!(
            self,
            Self::Sum
                | Self::Average
                | Self::Min
                | Self::Max
                | Self::First
                | Self::Last
                | Self::Quantile
        )
    }
}

impl RangeOf {
    pub(super) fn unwrap(&self) -> Option<&Unwrap> {
        self.log.stages.iter().find_map(|stage| match stage {
            Stage::Unwrap(unwrap) => Some(unwrap),
            _ => None,
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Grouping {
    pub(super) is_without: bool,
    pub(super) labels: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Grouped {
    pub(super) op: GroupOp,
    pub(super) grouping: Option<Grouping>,
    /// Of `topk` and `bottomk`.
    pub(super) count: usize,
    pub(super) inner: Box<Expr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupOp {
    Sum,
    Average,
    Min,
    Max,
    Count,
    Top,
    Bottom,
}

impl GroupOp {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sum" => Self::Sum,
            "avg" => Self::Average,
            "min" => Self::Min,
            "max" => Self::Max,
            "count" => Self::Count,
            "topk" => Self::Top,
            "bottomk" => Self::Bottom,
            _ => return None,
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Binary {
    pub(super) op: BinaryOp,
    /// Whether a comparison gives 0 or 1 instead of leaving out.
    pub(super) is_bool: bool,
    pub(super) left: Expr,
    pub(super) right: Expr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Compare(Compare),
    And,
    Or,
    Unless,
}

fn expression(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).size_limit(EXPRESSION_BYTES_MAX).build();
    built.map_err(|_| format!("{pattern:?} is not a regular expression, or too large a one"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_understood() {
        for query in [
            r#"{host="box"}"#,
            "{host=~`n.*`, severity!=\"info\",} |= `a\"b` or \"c\" != \"x\" |~ \"y|z\" !~ `q` # why\n",
            r#"{host="a"} | json | logfmt --strict | regexp "(?P<x>\\d+)" | pattern "<a> <_> <b>""#,
            r#"{host="a"} | json x="a.b[0]", y | status >= 400 and (took > 250ms or size<=20KB) | a="b", c!="d""#,
            r#"{host="a"} | line_format "{{.x}} {{ .y }}" | label_format a=b, c="{{.d}}-x" | drop a, b="c" | keep d"#,
            r#"sum by (level, detected_level) (count_over_time({service_name="x"} |= "" [1m]))"#,
            r#"sum(rate({a="b"}[5m])) by (host) / 100 > bool 0.5"#,
            r#"avg_over_time({a="b"} | logfmt | unwrap duration(took) | __error__="" [1h30m] offset 5m) by (host)"#,
            r#"quantile_over_time(0.99, {a="b"} | json | unwrap ms [1m]) without (x)"#,
            r#"topk(5, sum by (host) (rate({a="b"}[1m]))) or vector(0)"#,
            r#"count_over_time({a="b"}[5m] |= "x")"#,
            r#"count_over_time(({a="b"} |= "x")[5m])"#,
            "vector(1)+vector(1)",
            "-1 + 2 ^ 3 ^ 2",
        ] {
            if let Err(error) = parse(query) {
                panic!("{query}: {error}");
            }
        }
    }

    #[test]
    fn what_is_not() {
        let check = |query: &str, expected: &str| {
            let found = parse(query).map(|_| ()).unwrap_err().to_string();
            assert_eq!(found, format!("parse error at {expected}"), "{query}");
        };
        check("", "line 1, col 1: a query is expected, not the end");
        check("{a=\"b\"", "line 1, col 7: , or } is expected, not the end");
        check("{a=b}", "line 1, col 4: a text in quotes is expected, not b");
        check("{a=\"b\"} |=", "line 1, col 11: a text in quotes is expected, not the end");
        check("{a=\"b\"}\n|= \"open", "line 2, col 4: a quote is not closed");
        check("{a=~\"(\"}", "line 1, col 5: \"(\" is not a regular expression, or too large a one");
        check("rate({a=\"b\"})", "line 1, col 13: a range such as [5m] is expected, not )");
        check(
            "rate({a=\"b\"}[5x])",
            "line 1, col 14: 5x is neither a number nor a duration nor a size",
        );
        check("colour({a=\"b\"}[5m])", "line 1, col 1: there is no function colour here");
        check("{a=\"b\"} | colour \"x\"", "line 1, col 18: a comparison is expected, not \"x\"");
        check("{a=\"b\"} + 1", "line 1, col 9: only metrics can be calculated with");
        check("{a=\"b\"} | unwrap x", "line 1, col 19: unwrap is only for functions over time");
        check("sum_over_time({a=\"b\"}[5m])", "line 1, col 27: this function needs an unwrap");
        check("{a=\"b\"} |= ip(\"10.0.0.0/8\")", "line 1, col 12: ip() is not understood here");
        check(
            "{a=\"b\"} | line_format \"{{ToUpper .x}}\"",
            "line 1, col 23: only {{.label}} is understood in a template, not {{ToUpper .x}}",
        );
        check(&"(".repeat(100), "line 1, col 33: the query is nested deeper than 32");
        check(&"-".repeat(100), "line 1, col 33: the query is nested deeper than 32");
        check(
            &" ".repeat(QUERY_BYTES_MAX + 1),
            "line 1, col 1: the query is longer than 16384 bytes",
        );
        check("1 + on(x) 2", "line 1, col 5: on, ignoring and group_left are not understood here");
    }

    #[test]
    fn numbers_with_units() {
        let check = |unit: Unit, text, expected| assert_eq!(unit.read(text), expected, "{text}");
        check(Unit::Plain, "1.5e3", Some(1500.0));
        check(Unit::Plain, "5s", None);
        check(Unit::Plain, "inf", None);
        check(Unit::Duration, "1m30s", Some(90.0));
        check(Unit::Duration, "-1.5ms", Some(-0.0015));
        check(Unit::Duration, "12", None);
        check(Unit::Bytes, "5.2 MiB", Some(5.2 * 1024.0 * 1024.0));
        check(Unit::Bytes, "20KB", Some(20_000.0));
        check(Unit::Bytes, "42", Some(42.0));
        check(Unit::Bytes, "42x", None);
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in "[{}()\\[\\]a-c=~!|<>\"`0-9.,+ \\\\-]{0,60}|.{0,40}") {
            drop(parse(&text));
        }

        #[test]
        fn a_query_may_end_anywhere(length in 0..200_usize) {
            let whole = r#"topk(3, sum by (a) (avg_over_time({x=~"y.+"} |= `z` | json a="b[0]" | c >= 2.5s or d!="e" | unwrap bytes(f) [5m] offset 1h))) > bool 3"#;
            let cut: String = whole.chars().take(length).collect();
            drop(parse(&cut));
        }
    }
}
