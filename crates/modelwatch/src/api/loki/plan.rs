//! What of a query the store answers: matchers and filters in its own language. The rest is looked at line by line.

use model::log::Line;
use store::events::{Event as _, FILTER_BYTES_MAX, Filter};

use super::{
    entry::field,
    logql::{LabelFilter, LineFilter, Log, MatchOp, Matcher, Sought, Stage},
};
use crate::api::scan::{quoted, slashed};

/// Most conditions that are handed to the store.
const CONDITIONS_MAX: usize = 64;
/// A label stands for attributes with dots in place of its underscores too, of which it may have so many; with more
/// the store is not asked.
const UNDERSCORES_MAX: u32 = 3;

/// A query in two parts.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// As it was written for the store.
    pub(super) text: String,
    pub(super) filter: Filter,
    /// What is left to be looked at.
    pub(super) matchers: Vec<Matcher>,
    pub(super) stages: Vec<Stage>,
}

impl Plan {
    pub(super) fn new(log: &Log) -> Self {
        let mut plan = Self::default();
        let mut conditions = 0;
        for matcher in &log.matchers {
            if !plan.ask(&mut conditions, condition(matcher)) {
                plan.matchers.push(matcher.clone());
            }
        }
        // Lines and labels are what is stored until a step changes them.
        let (mut is_line_stored, mut are_labels_stored) = (true, true);
        for stage in &log.stages {
            let asked = match stage {
                Stage::Line(filter) if is_line_stored => line_condition(filter),
                Stage::Label(filter) if are_labels_stored => label_condition(filter),
                _ => None,
            };
            if asked.is_none() || !plan.ask(&mut conditions, asked) {
                plan.stages.push(stage.clone());
            }
            is_line_stored &= !matches!(stage, Stage::LineFormat(_) | Stage::Decolorize);
            are_labels_stored &= matches!(stage, Stage::Line(_) | Stage::Label(_));
        }
        if let Ok(filter) = Filter::parse(&plan.text, Line::schema()) {
            plan.filter = filter;
        }
        plan
    }

    /// Whether the store knows the whole answer.
    pub(super) fn is_whole(&self) -> bool {
        self.matchers.is_empty() && self.stages.is_empty()
    }

    fn ask(&mut self, conditions: &mut usize, condition: Option<String>) -> bool {
        let Some(condition) = condition else { return false };
        let is_short = self.text.len() + condition.len() < FILTER_BYTES_MAX;
        if !is_short
            || *conditions == CONDITIONS_MAX
            || Filter::parse(&condition, Line::schema()).is_err()
        {
            return false;
        }
        *conditions += 1;
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(&condition);
        true
    }
}

/// The names under which the store may know a label.
fn names(label: &str) -> Option<Vec<String>> {
    if let Some(field) = field(label) {
        return Some(vec![field.to_owned()]);
    }
    let places: Vec<usize> = label.match_indices('_').map(|(at, _)| at).collect();
    if label.starts_with("__") || places.len() > UNDERSCORES_MAX as usize {
        return None;
    }
    let named = |mask: usize| {
        let mut name = label.as_bytes().to_vec();
        for (bit, place) in places.iter().enumerate() {
            if mask & (1 << bit) != 0
                && let Some(byte) = name.get_mut(*place)
            {
                *byte = b'.';
            }
        }
        format!("attributes.{}", String::from_utf8_lossy(&name))
    };
    Some((0..1 << places.len()).map(named).collect())
}

fn any(conditions: Vec<String>) -> String {
    match conditions.as_slice() {
        [one] => one.clone(),
        several => format!("({})", several.join(" OR ")),
    }
}

fn condition(matcher: &Matcher) -> Option<String> {
    let names = names(&matcher.label)?;
    let each = |value: &str| any(names.iter().map(|name| format!("{name}:{value}")).collect());
    let is_empty_right = match &matcher.regex {
        Some(regex) => regex.is_match(""),
        None => matcher.value.is_empty(),
    };
    let value = match matcher.op {
        MatchOp::Is | MatchOp::IsNot if matcher.value.is_empty() => None,
        MatchOp::Is | MatchOp::IsNot => Some(each(&quoted(&matcher.value))),
        MatchOp::Matches | MatchOp::MatchesNot => {
            Some(each(&slashed(&format!("(?s:{})", matcher.value))))
        }
    };
    let absent = format!("-{}", each("*"));
    let positive = match value {
        Some(value) if is_empty_right => format!("({value} OR {absent})"),
        Some(value) => value,
        None => absent,
    };
    Some(if matcher.op.is_negative() { format!("NOT {positive}") } else { positive })
}

fn line_condition(filter: &LineFilter) -> Option<String> {
    let one = |sought: &Sought| match sought {
        // It is in every line.
        Sought::Text(text) if text.is_empty() => None,
        Sought::Text(text) => Some(format!("body:{}", slashed(&regex::escape(text)))),
        Sought::Expression(regex) if regex.is_match("") => None,
        Sought::Expression(regex) => Some(format!("body:{}", slashed(regex.as_str()))),
    };
    let conditions: Option<Vec<String>> = filter.texts.iter().map(one).collect();
    let any = any(conditions?);
    Some(if filter.is_negative { format!("NOT {any}") } else { any })
}

fn label_condition(filter: &LabelFilter) -> Option<String> {
    match filter {
        LabelFilter::Matches(matcher) => condition(matcher),
        LabelFilter::Compares { .. } => None,
        LabelFilter::Both(a, b) => {
            Some(format!("({} {})", label_condition(a)?, label_condition(b)?))
        }
        LabelFilter::Either(a, b) => {
            Some(format!("({} OR {})", label_condition(a)?, label_condition(b)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::logql::{Expr, parse},
        *,
    };

    fn plan(query: &str) -> Plan {
        let Expr::Log(log) = parse(query).unwrap() else { panic!("{query}") };
        Plan::new(&log)
    }

    #[test]
    fn what_the_store_is_asked() {
        let check = |query: &str, expected: &str, is_whole: bool| {
            let plan = plan(query);
            assert_eq!(plan.text, expected, "{query}");
            assert_eq!(plan.is_whole(), is_whole, "{query}");
        };
        check("{}", "", true);
        check("{host=`a b`}", "host:\"a b\"", true);
        check("{level=`error`, service_name!=`x`}", "severity:\"error\" NOT service:\"x\"", true);
        check("{host=``}", "-host:*", true);
        check("{host!=``}", "NOT -host:*", true);
        check("{host=~`a|b/c`}", r"host:/(?s:a|b\/c)/", true);
        check("{host=~`a*`}", "(host:/(?s:a*)/ OR -host:*)", true);
        check("{host!~`.+`}", "NOT host:/(?s:.+)/", true);
        check("{job=`x`}", "attributes.job:\"x\"", true);
        check("{trace_id=`x`}", "(attributes.trace_id:\"x\" OR attributes.trace.id:\"x\")", true);
        check("{a_b_c_d_e=`x`}", "", false);
        check("{} |= `a.b/c`", r"body:/a\.b\/c/", true);
        check("{} != `a` or `b`", "NOT (body:/a/ OR body:/b/)", true);
        check("{} |~ `a b`", "body:/a b/", true);
        check("{} |= `` |~ `x*`", "", false);
        check("{} | host=`a` or level=`b`", "(host:\"a\" OR severity:\"b\")", true);
        check("{} | json | host=`a` |= `x`", "body:/x/", false);
        check("{} | line_format `{{.x}}` |= `x`", "", false);
        check("{} | size > 5KB", "", false);
        check("{} | __error__=``", "", false);
    }

    #[test]
    fn what_is_too_long_for_the_store_is_looked_at_here() {
        let text = "x".repeat(FILTER_BYTES_MAX);
        let plan = plan(&format!("{{host=`a`}} |= `{text}` |= `y`"));
        assert_eq!(plan.text, "host:\"a\" body:/y/");
        assert_eq!(plan.stages.len(), 1);
    }
}
