//! What a filter is in the terms of the index.

use std::ops::Bound as End;

use tantivy::{
    Term,
    query::{
        AllQuery, BooleanQuery, EmptyQuery, ExistsQuery, Occur, PhrasePrefixQuery, PhraseQuery,
        Query, RangeQuery, RegexQuery, TermQuery,
    },
    schema::{Field, IndexRecordOption},
};

use super::{
    filter::{Bound, Condition, Filter, Node, Test, push_literal},
    matching::is_between,
    part::{Indexed, NAME_END},
    schema::{FieldType, Schema, from_thousandths, thousandths},
};

/// Words that a beginning may stand for in a phrase; what further ones are in is not found.
const EXPANSIONS_MAX: u32 = 10_000;
/// Numbers beyond it are not exact as a float.
const EXACT_MAX: f64 = 9e15;

type Built = tantivy::Result<Box<dyn Query>>;

impl Indexed {
    pub(super) fn query(&self, schema: &Schema, filter: &Filter) -> Built {
        self.node(schema, &filter.0)
    }

    fn node(&self, schema: &Schema, node: &Node) -> Built {
        match node {
            Node::All => Ok(Box::new(AllQuery)),
            Node::And(nodes) => self.both(schema, nodes),
            Node::Not(node) => self.both(schema, &[Node::Not(node.clone())]),
            Node::Or(nodes) => {
                let built = nodes.iter().map(|node| self.node(schema, node));
                Ok(Box::new(BooleanQuery::union(built.collect::<Result<_, _>>()?)))
            }
            Node::Is(condition) => self.condition(schema, condition),
        }
    }

    fn both(&self, schema: &Schema, nodes: &[Node]) -> Built {
        let mut clauses = Vec::new();
        for node in nodes {
            clauses.push(match node {
                Node::Not(inner) => (Occur::MustNot, self.node(schema, inner)?),
                other => (Occur::Must, self.node(schema, other)?),
            });
        }
        if clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
            clauses.push((Occur::Must, Box::new(AllQuery)));
        }
        Ok(Box::new(BooleanQuery::new(clauses)))
    }

    fn condition(&self, schema: &Schema, condition: &Condition) -> Built {
        let Some(described) = schema.fields.get(condition.position) else {
            return Ok(Box::new(EmptyQuery));
        };
        let has_column = condition.field_type.has_column();
        if condition.test == Test::Present && condition.name.is_none() && !has_column {
            return Ok(term(self.has_field(), described.name));
        }
        // Parts of an older version know nothing of newer fields.
        let Some(field) = self.field(condition.position) else {
            return Ok(Box::new(EmptyQuery));
        };
        let exists = || Box::new(ExistsQuery::new(described.name.to_owned(), false));
        let name = condition.name.as_ref().map(|name| format!("{name}{NAME_END}"));
        let name = name.as_deref().unwrap_or_default();
        let regex = |rest: &str| {
            let mut regex = String::new();
            name.chars().for_each(|character| push_literal(&mut regex, character));
            regex.push_str(rest);
            RegexQuery::from_pattern(&regex, field)
        };
        Ok(match &condition.test {
            Test::Present if name.is_empty() => exists(),
            Test::Present => Box::new(regex("(.|\n)*")?),
            Test::Exact(value) => term(field, &format!("{name}{value}")),
            Test::Pattern(pattern) => Box::new(regex(&pattern.regex())?),
            Test::Words { words, is_prefix } => phrase(field, words, *is_prefix)?,
            Test::Character(character) => {
                // In the index it is a word where it stood alone, else one half of a pair.
                Box::new(RegexQuery::from_pattern(&format!("{character}.?|.{character}"), field)?)
            }
            // Only bodies are searched by expressions, and only lines have one.
            Test::Expression(_) => Box::new(EmptyQuery),
            Test::Between(None, None) => exists(),
            Test::Between(low, high) => between(field, condition.field_type, *low, *high),
        })
    }
}

fn term(field: Field, text: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic))
}

fn phrase(field: Field, words: &[String], is_prefix: bool) -> Built {
    let terms = || words.iter().map(|word| Term::from_field_text(field, word)).collect();
    Ok(match words {
        [] => Box::new(EmptyQuery),
        [word] if is_prefix => {
            let mut regex = String::new();
            word.chars().for_each(|character| push_literal(&mut regex, character));
            regex.push_str(".*");
            Box::new(RegexQuery::from_pattern(&regex, field)?)
        }
        [word] => term(field, word),
        _ if is_prefix => {
            let mut query = PhrasePrefixQuery::new(terms());
            query.set_max_expansions(EXPANSIONS_MAX);
            Box::new(query)
        }
        _ => Box::new(PhraseQuery::new(terms())),
    })
}

/// The whole numbers that a range of a column spans.
fn between(field: Field, field_type: FieldType, low: Bound, high: Bound) -> Box<dyn Query> {
    let is_millis = field_type == FieldType::Millis;
    let number = |whole: i64| if is_millis { from_thousandths(whole) } else { whole as f64 };
    let nearest = |bound: f64| {
        if is_millis { thousandths(bound) } else { bound.clamp(-EXACT_MAX, EXACT_MAX) as i64 }
    };
    // Rounding may be wrong by one, so the neighbours are asked.
    let low = low.map(|(bound, includes)| {
        let near = nearest(bound);
        let is_inside = |whole: &i64| is_between(number(*whole), Some((bound, includes)), None);
        (near - 2..=near + 2).find(is_inside).unwrap_or(i64::MAX)
    });
    let high = high.map(|(bound, includes)| {
        let near = nearest(bound);
        let is_inside = |whole: &i64| is_between(number(*whole), None, Some((bound, includes)));
        (near - 2..=near + 2).rev().find(is_inside).unwrap_or(i64::MIN)
    });
    if is_millis {
        let end = |whole: Option<i64>| {
            whole.map_or(End::Unbounded, |whole| End::Included(Term::from_field_i64(field, whole)))
        };
        return Box::new(RangeQuery::new(end(low), end(high)));
    }
    if high.is_some_and(|high| high < 0) {
        return Box::new(EmptyQuery);
    }
    let end = |whole: Option<i64>| {
        let count = whole.map(|whole| u64::try_from(whole).unwrap_or(0));
        count.map_or(End::Unbounded, |count| End::Included(Term::from_field_u64(field, count)))
    };
    Box::new(RangeQuery::new(end(low), end(high)))
}
