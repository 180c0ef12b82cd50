//! What to ask in place of a query whose steps are so long that something may happen between them.
//!
//! A selector shows the newest sample at each step and hides the others. Where the extremes of what a query
//! shows between two steps can be asked for exactly, they are: of a selector, of it with constants, of the
//! largest (smallest) of several series the largest (smallest). Windows that tell a mean or an extreme are made
//! as long as the step. For everything else it is said that something may be missed. Its bias: no value is
//! made that the query, with such windows, does not have at some time.

use model::{NAME, series::MatchOp};

use crate::{
    ast::{Aggregate, AggregateKind, Expr, Kind, Length, Node, Operator, Selector, Window},
    eval::functions,
};

/// Functions that still mean the same over a longer window.
const WIDENED: [&str; 4] = ["avg_over_time", "max_over_time", "min_over_time", "rate"];

/// Extremes of a query over the window that ends at each step.
#[derive(Debug)]
pub struct Extremes {
    pub lowest: Option<Expr>,
    pub highest: Option<Expr>,
    /// The metric whose name the query's series have and those of the extremes lack.
    pub name: Option<String>,
}

/// How a query was fitted to its steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// A window was made longer.
    pub is_widened: bool,
    /// Something that happens between two steps may not show.
    pub is_sampled: bool,
}

impl Expr {
    /// Queries for the smallest and the largest value that this one has within `window_ms` before each step,
    /// as far as they can be asked for.
    pub fn extremes(&self, window_ms: i64) -> Extremes {
        let bound = |is_high| {
            let root = bound(&self.root, is_high, window_ms)?;
            Some(Self { root, text: self.text.clone() })
        };
        let name = match &self.root.bare().kind {
            Kind::Selector(selector) => name_of(selector).map(str::to_owned),
            _ => None,
        };
        Extremes { lowest: bound(false), highest: bound(true), name }
    }

    /// The same query with no window shorter than `step_ms` where that keeps its meaning.
    pub fn fitted(&self, step_ms: i64) -> (Self, Fit) {
        let (mut fitted, mut fit) = (self.clone(), Fit::default());
        widen(&mut fitted.root, step_ms, &mut fit);
        (fitted, fit)
    }
}

/// The name that all series of a selector have.
fn name_of(selector: &Selector) -> Option<&str> {
    let is_name = |matcher: &&model::series::Matcher| {
        matcher.name == NAME && matcher.op == MatchOp::Equal && !matcher.value.is_empty()
    };
    selector.matchers.iter().find(is_name).map(|matcher| matcher.value.as_str())
}

/// The same expression at its largest or smallest. The depth of a tree is bounded, and so is the recursion.
fn bound(node: &Node, is_high: bool, window_ms: i64) -> Option<Node> {
    let again = |inner: &Node, is_high| bound(inner, is_high, window_ms);
    let kind = match &node.kind {
        Kind::Selector(selector) => return over(selector, node, is_high, window_ms),
        Kind::Paren(inner) => Kind::Paren(Box::new(again(inner, is_high)?)),
        Kind::Signed { is_negative, inner } => {
            let inner = Box::new(again(inner, is_high != *is_negative)?);
            Kind::Signed { is_negative: *is_negative, inner }
        }
        Kind::Binary(binary) => {
            let mut bounded = (**binary).clone();
            match (constant(&binary.left), constant(&binary.right)) {
                (None, Some(right)) => {
                    let rises = rises(binary.operator, right)?;
                    bounded.left = again(&binary.left, is_high == rises)?;
                }
                (Some(left), None) => {
                    let rises = match binary.operator {
                        Operator::Sub => false,
                        // A constant over something that may change its sign has no order.
                        Operator::Div => return None,
                        operator => rises(operator, left)?,
                    };
                    bounded.right = again(&binary.right, is_high == rises)?;
                }
                _ => return None,
            }
            Kind::Binary(Box::new(bounded))
        }
        Kind::Aggregate(aggregate) => {
            let wanted = if is_high { AggregateKind::Max } else { AggregateKind::Min };
            if aggregate.kind != wanted || aggregate.grouping.keeps(NAME) {
                return None;
            }
            let inner = again(&aggregate.inner, is_high)?;
            Kind::Aggregate(Box::new(Aggregate { inner, ..(**aggregate).clone() }))
        }
        _ => return None,
    };
    // Never deeper than twice what it was, which recursion over a parsed tree has room for.
    Some(Node { kind, start: node.start, depth: node.depth + 1 })
}

/// A selector as the extreme of its samples.
fn over(selector: &Selector, node: &Node, is_high: bool, window_ms: i64) -> Option<Node> {
    let is_plain = selector.extension.is_none()
        && selector.shift.at.is_none()
        && selector.shift.offset.is_none();
    if !is_plain || name_of(selector).is_none() {
        return None;
    }
    let function = functions::find(if is_high { "max_over_time" } else { "min_over_time" })?;
    let window = Window { selector: selector.clone(), range: Length::Fixed(window_ms) };
    let window = Node { kind: Kind::Window(Box::new(window)), start: node.start, depth: 1 };
    Some(Node { kind: Kind::Call(function, vec![window]), start: node.start, depth: 2 })
}

fn constant(node: &Node) -> Option<f64> {
    match &node.bare().kind {
        Kind::Number { value, .. } => Some(*value),
        Kind::Signed { is_negative, inner } => {
            let value = constant(inner)?;
            Some(if *is_negative { -value } else { value })
        }
        _ => None,
    }
}

/// Whether something with a constant beside it rises with that something; `None` where it does neither.
fn rises(operator: Operator, constant: f64) -> Option<bool> {
    match operator {
        Operator::Add | Operator::Sub => Some(true),
        Operator::Mul | Operator::Div if constant > 0.0 => Some(true),
        Operator::Mul | Operator::Div if constant < 0.0 => Some(false),
        _ => None,
    }
}

/// Widens what can be, and notes what is missed. Subqueries have steps of their own.
fn widen(node: &mut Node, step_ms: i64, fit: &mut Fit) {
    match &mut node.kind {
        Kind::Number { .. } | Kind::String(_) => {}
        Kind::Selector(selector) => fit.is_sampled |= selector.shift.at.is_none(),
        Kind::Window(window) => fit.is_sampled |= is_missed(window, step_ms),
        Kind::Subquery(subquery) => {
            fit.is_sampled |= subquery.shift.at.is_none() && is_short(&subquery.range, step_ms);
        }
        Kind::Paren(inner) | Kind::Signed { inner, .. } => widen(inner, step_ms, fit),
        Kind::Binary(binary) => {
            widen(&mut binary.left, step_ms, fit);
            widen(&mut binary.right, step_ms, fit);
        }
        Kind::Aggregate(aggregate) => {
            for part in aggregate.parameter.iter_mut().chain([&mut aggregate.inner]) {
                widen(part, step_ms, fit);
            }
        }
        Kind::Call(function, arguments) => {
            let can_widen = WIDENED.contains(&function.name);
            for argument in arguments {
                match &mut argument.kind {
                    Kind::Window(window) if can_widen && window.selector.extension.is_none() => {
                        if is_missed(window, step_ms) {
                            window.range = Length::Fixed(step_ms);
                            fit.is_widened = true;
                        }
                    }
                    _ => widen(argument, step_ms, fit),
                }
            }
        }
    }
}

/// Whether something between two steps is in no window. One at a fixed time is the same at each step.
fn is_missed(window: &Window, step_ms: i64) -> bool {
    window.selector.shift.at.is_none() && is_short(&window.range, step_ms)
}

/// Whether a window leaves something out between two steps. Of one that is computed its author took care.
fn is_short(range: &Length, step_ms: i64) -> bool {
    matches!(range, Length::Fixed(range) if *range < step_ms)
}

#[cfg(test)]
mod tests {
    use crate::parse;

    const STEP_MS: i64 = 300_000;

    #[test]
    fn extremes_are_asked_for_where_they_are_known() {
        let check = |query: &str, lowest: &str, highest: &str, name: Option<&str>| {
            let extremes = parse(query).unwrap().extremes(STEP_MS);
            let text = |expr: Option<crate::Expr>| expr.map(|expr| expr.to_string());
            let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            assert_eq!(text(extremes.lowest), optional(lowest), "{query}");
            assert_eq!(text(extremes.highest), optional(highest), "{query}");
            assert_eq!(extremes.name.as_deref(), name, "{query}");
        };
        let (low, high) = ("min_over_time(a[5m])", "max_over_time(a[5m])");
        check("a", low, high, Some("a"));
        check("(a)", &format!("({low})"), &format!("({high})"), Some("a"));
        check("100 * a", &format!("100 * {low}"), &format!("100 * {high}"), None);
        check("1 - a", &format!("1 - {high}"), &format!("1 - {low}"), None);
        check("-a / -2", &format!("-{low} / -2"), &format!("-{high} / -2"), None);
        check("max(a)", "", &format!("max({high})"), None);
        check("min by (b) (a)", &format!("min by (b) ({low})"), "", None);
        check("1 - min(a)", "", &format!("1 - min({low})"), None);
        check("max(1 - a)", "", &format!("max(1 - {low})"), None);
        let none = [
            "a offset 5m",
            "a @ 7",
            "{b=\"c\"}",
            "{__name__=~\"a|b\"}",
            "sum(a)",
            "a / b",
            "1 / a",
            "0 * a",
            "a > 5",
            "rate(a[1m])",
            "topk(3, a)",
            "max by (__name__) (a)",
            "time()",
        ];
        for query in none {
            check(query, "", "", name_if_selector(query));
        }
    }

    fn name_if_selector(query: &str) -> Option<&'static str> {
        query.starts_with("a offset").then_some("a").or((query == "a @ 7").then_some("a"))
    }

    #[test]
    fn windows_reach_from_step_to_step_where_that_keeps_the_meaning() {
        let check = |query: &str, expected: &str, is_sampled: bool| {
            let (fitted, fit) = parse(query).unwrap().fitted(STEP_MS);
            assert_eq!(fitted.to_string(), expected);
            let is_other = parse(query).unwrap().to_string() != expected;
            assert_eq!(fit.is_widened, is_other, "{query}");
            assert_eq!(fit.is_sampled, is_sampled, "{query}");
        };
        check("rate(a[1m])", "rate(a[5m])", false);
        check("rate(a[10m])", "rate(a[10m])", false);
        check("sum by (b) (rate(a[1m]))", "sum by (b) (rate(a[5m]))", false);
        check("increase(a[1m])", "increase(a[1m])", true);
        check("increase(a[5m])", "increase(a[5m])", false);
        check("sum(a)", "sum(a)", true);
        check("rate(a[1m]) / b", "rate(a[5m]) / b", true);
        check("max_over_time(a[1m:])", "max_over_time(a[1m:])", true);
        check("max_over_time(rate(a[1m])[10m:1m])", "max_over_time(rate(a[1m])[10m:1m])", false);
        check("time()", "time()", false);
        check("a @ 7", "a @ 7.000", false);
        check("rate(a[1m] @ 7)", "rate(a[1m] @ 7.000)", false);
        check("increase(a[1m] @ 7)", "increase(a[1m] @ 7.000)", false);
        check("max_over_time(a[1m:] @ 7)", "max_over_time(a[1m:] @ 7.000)", false);
    }
}
