//! Numbers that a query compares with: what a person changes of an alert's condition.

use std::ops::Range;

use crate::{
    ParseError,
    ast::{Expr, Kind, Node, Operator, Type},
};

/// A number on one side of `<`, `<=`, `>` or `>=`, with something that is not constant on the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// Where it stands in the query's text.
    pub range: Range<usize>,
    pub value: f64,
    /// As it is with the number on the right.
    pub operator: &'static str,
}

impl Expr {
    /// The thresholds from left to right.
    pub fn thresholds(&self) -> Vec<Threshold> {
        let mut found = Vec::new();
        let mut pending = vec![&self.root];
        while let Some(node) = pending.pop() {
            if let Kind::Binary(binary) = &node.kind {
                let right = operator(binary.operator, false).zip(number(&binary.right));
                let left = operator(binary.operator, true).zip(number(&binary.left));
                if let (Some((operator, (start, value))), None)
                | (None, Some((operator, (start, value)))) = (right, left)
                {
                    let range = start..self.end_of_number(start);
                    found.push(Threshold { range, value, operator });
                }
            }
            pending.extend(node.children());
        }
        found.sort_by_key(|threshold| threshold.range.start);
        found
    }

    /// Of a query that is a comparison with a number, what is compared and the number.
    pub fn compared(&self) -> Option<(Self, f64)> {
        let Kind::Binary(binary) = &self.root.bare().kind else { return None };
        operator(binary.operator, false)?;
        let (start, limit) = number(&binary.right)?;
        let left = self.text.get(binary.left.start..start)?;
        let left = left.trim_end_matches(|letter: char| {
            letter.is_whitespace() || matches!(letter, '<' | '>' | '=')
        });
        // What is left of another form, such as one with `bool`, does not parse, or says something else.
        let left = crate::parse(left).ok()?;
        (left.root.kind_of() == Type::Vector).then_some((left, limit))
    }

    /// The same query with other numbers for its thresholds, in their order; what `values` does not reach, or has
    /// nothing for, stays.
    pub fn with_thresholds(&self, values: &[Option<f64>]) -> Result<Self, ParseError> {
        let mut text = String::with_capacity(self.text.len());
        let mut copied = 0;
        for (threshold, value) in self.thresholds().into_iter().zip(values) {
            let Some(value) = value else { continue };
            text.push_str(self.text.get(copied..threshold.range.start).unwrap_or_default());
            text.push_str(&value.to_string());
            copied = threshold.range.end;
        }
        text.push_str(self.text.get(copied..).unwrap_or_default());
        crate::parse(&text)
    }

    /// Behind the last character of the number that begins at `start`.
    fn end_of_number(&self, start: usize) -> usize {
        let rest = self.text.get(start..).unwrap_or_default();
        let unsigned = rest.trim_start_matches(|letter: char| {
            matches!(letter, '+' | '-') || letter.is_whitespace()
        });
        let sign = rest.len() - unsigned.len();
        let is_hex = unsigned.starts_with("0x") || unsigned.starts_with("0X");
        let mut before = ' ';
        let length = unsigned.find(|letter: char| {
            let is_exponent = !is_hex && matches!(before, 'e' | 'E') && matches!(letter, '+' | '-');
            before = letter;
            !(letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_') || is_exponent)
        });
        start + sign + length.unwrap_or(unsigned.len())
    }
}

/// The name of an operator that compares by size, turned round where the number is on the left.
fn operator(operator: Operator, is_turned: bool) -> Option<&'static str> {
    let pair = match operator {
        Operator::Less => ("<", ">"),
        Operator::LessEqual => ("<=", ">="),
        Operator::Greater => (">", "<"),
        Operator::GreaterEqual => (">=", "<="),
        _ => return None,
    };
    Some(if is_turned { pair.1 } else { pair.0 })
}

/// Where a constant begins, and its value.
fn number(node: &Node) -> Option<(usize, f64)> {
    match &node.kind {
        Kind::Number { value, .. } => Some((node.start, *value)),
        Kind::Signed { is_negative, inner } => {
            let (_, value) = number(inner)?;
            Some((node.start, if *is_negative { -value } else { value }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn thresholds_are_found_and_changed() {
        let check = |query: &str, expected: &[(&str, f64, &str)], changed: &str| {
            let expr = crate::parse(query).unwrap();
            let thresholds = expr.thresholds();
            let found: Vec<(&str, f64, &str)> = thresholds
                .iter()
                .map(|one| (query.get(one.range.clone()).unwrap(), one.value, one.operator))
                .collect();
            assert_eq!(found, expected, "{query}");
            let values = vec![Some(7.5); expected.len()];
            assert_eq!(expr.with_thresholds(&values).unwrap().text(), changed, "{query}");
            assert_eq!(expr.with_thresholds(&[]).unwrap().text(), query);
        };
        check("up", &[], "up");
        check("up == 0", &[], "up == 0");
        check("a > 90", &[("90", 90.0, ">")], "a > 7.5");
        check("90 < a", &[("90", 90.0, ">")], "7.5 < a");
        check("a>bool 1e-3", &[("1e-3", 1e-3, ">")], "a>bool 7.5");
        check("a < -5 and b", &[("-5", -5.0, "<")], "a < 7.5 and b");
        check(
            "rate(a[5m]) > 0x1F and (b / c >= .5) unless sum(d) <= 1_0",
            &[("0x1F", 31.0, ">"), (".5", 0.5, ">="), ("1_0", 10.0, "<=")],
            "rate(a[5m]) > 7.5 and (b / c >= 7.5) unless sum(d) <= 7.5",
        );
        check("a > 1h", &[("1h", 3600.0, ">")], "a > 7.5");
        check("1 > bool 2", &[], "1 > bool 2");
        check("count(a > 3) > b", &[("3", 3.0, ">")], "count(a > 7.5) > b");
    }

    #[test]
    fn what_is_compared() {
        let check = |query: &str, expected: Option<(&str, f64)>| {
            let compared = crate::parse(query).unwrap().compared();
            let compared = compared.as_ref().map(|(left, limit)| (left.text(), *limit));
            assert_eq!(compared, expected, "{query}");
        };
        check("a > 5", Some(("a", 5.0)));
        check("rate(a[5m]) / b<=-0.5", Some(("rate(a[5m]) / b", -0.5)));
        check("a", None);
        check("a == 0", None);
        check("a > b", None);
        check("5 < a", None);
        check("a > bool 5", None);
        check("a > 1 and b > 2", None);
    }

    #[test]
    fn some_can_stay() {
        let expr = crate::parse("a > 1 and b > 2").unwrap();
        assert_eq!(expr.with_thresholds(&[None, Some(-3.0)]).unwrap().text(), "a > 1 and b > -3");
    }
}
