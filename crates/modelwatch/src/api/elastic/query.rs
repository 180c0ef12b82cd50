//! Elasticsearch's queries, understood: what the store can look for is said in its own language, the rest is looked
//! at document by document.

use model::{UnixMs, series::TimeRange};
use serde_json::{Map, Value as Json};
use store::events::{FILTER_BYTES_MAX, Filter};

use super::{
    dates,
    fields::{Doc, Field, index_of, is_like, level},
    lucene,
};
use crate::api::scan::{self, quoted, slashed};

/// Most conditions of a query, as Elasticsearch has it.
const CLAUSES_MAX: usize = 1_024;
/// Deepest nesting.
pub(super) const DEPTH_MAX: usize = 24;
/// Conditions that are handed to the store together.
const ASKED_MAX: usize = 200;

/// Which documents.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    All,
    Nothing,
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    /// So many of them.
    AtLeast(usize, Vec<Self>),
    /// In the filter language.
    Asked(String, Filter),
    /// Both ends belong to it.
    Time(TimeRange),
    Number {
        field: Field,
        low: Bound,
        high: Bound,
    },
    Ids(Vec<String>),
    Indices(Vec<String>),
}

/// An end of a range: nothing, or the number and whether it is part of the range.
pub(super) type Bound = Option<(f64, bool)>;

impl Node {
    pub(super) fn and(nodes: Vec<Self>) -> Self {
        let mut kept = Vec::new();
        for node in nodes {
            match node {
                Self::All => {}
                Self::Nothing => return Self::Nothing,
                Self::And(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        one_or(kept, Self::And, Self::All)
    }

    pub(super) fn or(nodes: Vec<Self>) -> Self {
        let mut kept = Vec::new();
        for node in nodes {
            match node {
                Self::All => return Self::All,
                Self::Nothing => {}
                other => kept.push(other),
            }
        }
        one_or(kept, Self::Or, Self::Nothing)
    }

    pub(super) fn not(node: Self) -> Self {
        match node {
            Self::All => Self::Nothing,
            Self::Nothing => Self::All,
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    pub(super) fn matches(&self, doc: &Doc) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::And(nodes) => nodes.iter().all(|node| node.matches(doc)),
            Self::Or(nodes) => nodes.iter().any(|node| node.matches(doc)),
            Self::Not(node) => !node.matches(doc),
            Self::AtLeast(count, nodes) => {
                nodes.iter().filter(|node| node.matches(doc)).count() >= *count
            }
            Self::Asked(_, filter) => doc.matches(filter),
            Self::Time(range) => range.start <= doc.line.time && doc.line.time <= range.end,
            Self::Number { field, low, high } => doc.number(field).is_some_and(|number| {
                let above =
                    |(bound, is_in): (f64, bool)| number > bound || is_in && number == bound;
                let below =
                    |(bound, is_in): (f64, bool)| number < bound || is_in && number == bound;
                low.is_none_or(above) && high.is_none_or(below)
            }),
            Self::Ids(ids) => ids.contains(&doc.id()),
            Self::Indices(indices) => indices.contains(&doc.index()),
        }
    }

    /// In the filter language, if all of it can be said there.
    fn text(&self) -> Option<(String, usize)> {
        let joined = |nodes: &[Self], sign: &str| {
            let texts: Option<Vec<_>> = nodes.iter().map(Self::text).collect();
            let texts = texts?;
            let count = texts.iter().map(|(_, count)| count).sum();
            let texts: Vec<String> = texts.into_iter().map(|(text, _)| text).collect();
            Some((format!("({})", texts.join(sign)), count))
        };
        match self {
            Self::And(nodes) => joined(nodes, " AND "),
            Self::Or(nodes) => joined(nodes, " OR "),
            Self::Not(node) => node.text().map(|(text, count)| (format!("NOT {text}"), count)),
            Self::Asked(text, _) => Some((text.clone(), 1)),
            _ => None,
        }
    }
}

fn one_or(mut nodes: Vec<Node>, join: impl Fn(Vec<Node>) -> Node, none: Node) -> Node {
    match nodes.len() {
        0 => none,
        1 => nodes.pop().unwrap_or(none),
        _ => join(nodes),
    }
}

/// A query in parts.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) text: String,
    pub(super) filter: Filter,
    pub(super) range: TimeRange,
    /// What is left to be looked at.
    pub(super) rest: Node,
}

impl Plan {
    pub(super) fn new(node: Node) -> Self {
        let mut range = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
        let parts = match node {
            Node::And(nodes) => nodes,
            Node::All => Vec::new(),
            other => vec![other],
        };
        let (mut text, mut asked, mut rest) = (String::new(), 0, Vec::new());
        for part in parts {
            match (&part, part.text()) {
                (Node::Time(own), _) => range = both(range, *own),
                (Node::Ids(ids), _) => {
                    range = both(range, of_ids(ids));
                    rest.push(part);
                }
                (_, Some((own, count)))
                    if text.len() + own.len() < FILTER_BYTES_MAX
                        && asked + count <= ASKED_MAX
                        && scan::filter(&own).is_ok() =>
                {
                    asked += count;
                    text = if text.is_empty() { own } else { format!("{text} AND {own}") };
                }
                _ => rest.push(part),
            }
        }
        let filter = scan::filter(&text).unwrap_or_default();
        Self { text, filter, range, rest: Node::and(rest) }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.rest == Node::All
    }
}

fn both(a: TimeRange, b: TimeRange) -> TimeRange {
    TimeRange { start: a.start.max(b.start), end: a.end.min(b.end) }
}

/// The times that ids tell; what is no id of ours tells none.
fn of_ids(ids: &[String]) -> TimeRange {
    let times = ids.iter().filter_map(|id| id.split_once('-')?.0.parse().ok().map(UnixMs));
    let none = TimeRange { start: UnixMs::MAX, end: UnixMs::MIN };
    times.fold(none, |range, time| TimeRange {
        start: range.start.min(time),
        end: range.end.max(time),
    })
}

/// Reads queries, and notes what they look for in messages.
pub(super) struct Reader {
    pub(super) now: UnixMs,
    clauses: usize,
    depth: usize,
    /// Within what must not be.
    is_negative: bool,
    /// Words that are looked for, to be shown where they are found.
    pub(super) words: Vec<String>,
}

pub(super) type Read<T> = Result<T, String>;

impl Reader {
    pub(super) fn new(now: UnixMs) -> Self {
        Self { now, clauses: 0, depth: 0, is_negative: false, words: Vec::new() }
    }

    /// One level deeper.
    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth == DEPTH_MAX {
            return Err(format!("the query is nested deeper than {DEPTH_MAX}"));
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    pub(super) fn negative<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        let outer = std::mem::replace(&mut self.is_negative, true);
        let found = read(self);
        self.is_negative = outer;
        found
    }

    fn count(&mut self) -> Read<()> {
        self.clauses += 1;
        if self.clauses > CLAUSES_MAX {
            return Err(format!("the query has more than {CLAUSES_MAX} clauses"));
        }
        Ok(())
    }

    fn asked(&mut self, text: String) -> Read<Node> {
        self.count()?;
        let filter = scan::filter(&text)?;
        Ok(Node::Asked(text, filter))
    }

    fn note(&mut self, text: &str) {
        if !self.is_negative {
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            self.words.extend(words.filter(|word| !word.is_empty()).map(str::to_lowercase));
        }
    }

    pub(super) fn read(&mut self, query: &Json) -> Read<Node> {
        self.deeper(|reader| reader.one(query))
    }

    fn one(&mut self, query: &Json) -> Read<Node> {
        let Json::Object(members) = query else {
            return Err("a query must be an object".to_owned());
        };
        let (Some((kind, body)), 1) = (members.iter().next(), members.len()) else {
            if members.is_empty() {
                return Ok(Node::All);
            }
            return Err("a query must have one key, which says what kind it is".to_owned());
        };
        match kind.as_str() {
            "match_all" => Ok(Node::All),
            "match_none" => Ok(Node::Nothing),
            "bool" => self.boolean(body),
            "constant_score" => self.read(&body["filter"]),
            "dis_max" => self.any(&body["queries"]),
            "term" => self.single(body, &["value"], Self::exact),
            "terms" => self.terms(body),
            "prefix" => self.single(body, &["value", "prefix"], Self::prefix),
            "wildcard" => self.single(body, &["value", "wildcard"], Self::wildcard),
            "regexp" => self.single(body, &["value"], Self::regexp),
            "range" => self.range(body),
            "exists" => self.exists(body["field"].as_str().unwrap_or_default()),
            "ids" => {
                let ids = body["values"].as_array().map_or(&[][..], Vec::as_slice);
                let ids = ids.iter().filter_map(|id| id.as_str().map(str::to_owned));
                Ok(Node::Ids(ids.take(CLAUSES_MAX).collect()))
            }
            "match" => self.matching(body),
            "match_phrase" => {
                self.single(body, &["query"], |reader, field, text| reader.phrase(field, text, ""))
            }
            "match_phrase_prefix" | "match_bool_prefix" => {
                self.single(body, &["query"], |reader, field, text| reader.phrase(field, text, "*"))
            }
            "multi_match" => self.multi_match(body),
            "query_string" | "simple_query_string" => self.query_string(kind, body),
            other => Err(format!("unknown query [{other}]")),
        }
    }

    fn boolean(&mut self, body: &Json) -> Read<Node> {
        let mut all = Vec::new();
        for name in ["must", "filter"] {
            for query in each(&body[name]) {
                all.push(self.read(query)?);
            }
        }
        for query in each(&body["must_not"]) {
            let node = self.negative(|reader| reader.read(query))?;
            all.push(Node::not(node));
        }
        let mut any = Vec::new();
        for query in each(&body["should"]) {
            any.push(self.read(query)?);
        }
        let is_needed =
            !any.is_empty() && each(&body["must"]).is_empty() && each(&body["filter"]).is_empty();
        let at_least = match &body["minimum_should_match"] {
            Json::Null => usize::from(is_needed),
            given => share(given, any.len()),
        };
        if at_least == 1 {
            all.push(Node::or(any));
        } else if at_least > 1 {
            all.push(if at_least == any.len() {
                Node::and(any)
            } else {
                Node::AtLeast(at_least, any)
            });
        }
        Ok(Node::and(all))
    }

    fn any(&mut self, queries: &Json) -> Read<Node> {
        let mut any = Vec::new();
        for query in each(queries) {
            any.push(self.read(query)?);
        }
        Ok(Node::or(any))
    }

    /// `{"field": "value"}` or `{"field": {"value": "value"}}`
    fn single(
        &mut self,
        body: &Json,
        names: &[&str],
        make: impl FnOnce(&mut Self, &Field, &str) -> Read<Node>,
    ) -> Read<Node> {
        let (field, value) = pair(body)?;
        let value = names.iter().find_map(|name| value.get(name)).unwrap_or(value);
        let text = scalar(value).ok_or_else(|| format!("a value is missing for [{field}]"))?;
        make(self, &Field::named(field), &text)
    }

    fn terms(&mut self, body: &Json) -> Read<Node> {
        let is_field = |(name, _): &(&String, &Json)| *name != "boost" && *name != "_name";
        let mut members = body.as_object().into_iter().flatten().filter(is_field);
        let Some((field, Json::Array(values))) = members.next() else {
            return Err("[terms] needs a field with a list of values".to_owned());
        };
        let field = Field::named(field);
        let mut any = Vec::new();
        for value in values.iter().filter_map(scalar) {
            any.push(self.exact(&field, &value)?);
        }
        Ok(Node::or(any))
    }

    /// The whole value, or one word of a message.
    pub(super) fn exact(&mut self, field: &Field, value: &str) -> Read<Node> {
        match field {
            Field::Time => {
                let time = |is_end| dates::time(value, self.now, is_end);
                let (Some(start), Some(end)) = (time(false), time(true)) else {
                    return Err(format!("failed to parse date field [{value}]"));
                };
                Ok(Node::Time(TimeRange { start, end }))
            }
            Field::Id => Ok(Node::Ids(vec![value.to_owned()])),
            Field::Index => Ok(Node::Indices(vec![value.to_owned()])),
            Field::Body => self.words(value, true),
            Field::Known("severity") => self.tested(field, &quoted(&level(value))),
            _ if value.is_empty() => Ok(Node::Nothing),
            _ => self.tested(field, &quoted(value)),
        }
    }

    fn tested(&mut self, field: &Field, test: &str) -> Read<Node> {
        self.count()?;
        match field.in_filter() {
            Some(field) => self.asked(format!("{field}:{test}")),
            None => Ok(Node::Nothing),
        }
    }

    /// These words of a message, in this order or each anywhere.
    fn words(&mut self, text: &str, is_phrase: bool) -> Read<Node> {
        self.note(text);
        if is_phrase {
            return self.asked(format!("body:{}", quoted(text)));
        }
        let mut all = Vec::new();
        for word in text.split_whitespace() {
            all.push(self.asked(format!("body:{}", quoted(word)))?);
        }
        Ok(Node::and(all))
    }

    pub(super) fn phrase(&mut self, field: &Field, text: &str, end: &str) -> Read<Node> {
        match field {
            Field::Body if text.trim().is_empty() => Ok(Node::Nothing),
            Field::Body if end.is_empty() => self.words(text, true),
            Field::Body => {
                self.note(text);
                let escaped: String = text.chars().flat_map(|letter| ['\\', letter]).collect();
                self.asked(format!("body:{escaped}{end}"))
            }
            field if end.is_empty() => self.exact(field, text),
            field => self.prefix(field, text),
        }
    }

    pub(super) fn prefix(&mut self, field: &Field, text: &str) -> Read<Node> {
        match field {
            Field::Body => {
                self.note(text);
                self.asked(format!("body:{}", slashed(&format!(r"(?i)\b{}", regex::escape(text)))))
            }
            Field::Index => Ok(Node::All),
            field => self.tested(field, &slashed(&format!("(?s){}.*", regex::escape(text)))),
        }
    }

    /// `*` is any text and `?` any character; in a message, of one word.
    pub(super) fn wildcard(&mut self, field: &Field, text: &str) -> Read<Node> {
        if text == "*" {
            return match field {
                Field::Time | Field::Id | Field::Index => Ok(Node::All),
                field => self.tested(field, "*"),
            };
        }
        if *field == Field::Index {
            return Ok(Node::All);
        }
        let is_body = *field == Field::Body;
        let (any, one) = if is_body { (r"\w*", r"\w") } else { (".*", ".") };
        let mut pattern = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '*' => pattern.push_str(any),
                '?' => pattern.push_str(one),
                '\\' => {
                    let literal = letters.next().unwrap_or('\\');
                    pattern.push_str(&regex::escape(&literal.to_string()));
                }
                other => pattern.push_str(&regex::escape(&other.to_string())),
            }
        }
        if is_body {
            self.note(&text.replace(['*', '?'], " "));
            let begin = if text.starts_with('*') { "" } else { r"\b" };
            let end = if text.ends_with('*') { "" } else { r"\b" };
            return self.asked(format!("body:{}", slashed(&format!("(?i){begin}{pattern}{end}"))));
        }
        self.tested(field, &slashed(&format!("(?s){pattern}")))
    }

    pub(super) fn regexp(&mut self, field: &Field, text: &str) -> Read<Node> {
        match field {
            Field::Body => self.asked(format!("body:{}", slashed(&format!(r"(?i)\b(?:{text})\b")))),
            field => self.tested(field, &slashed(text)),
        }
    }

    pub(super) fn exists(&mut self, name: &str) -> Read<Node> {
        match Field::named(name) {
            Field::Time | Field::Id | Field::Index => Ok(Node::All),
            field => self.tested(&field, "*"),
        }
    }

    fn matching(&mut self, body: &Json) -> Read<Node> {
        let (name, value) = pair(body)?;
        let text = scalar(value.get("query").unwrap_or(value));
        let text = text.ok_or_else(|| format!("a value is missing for [{name}]"))?;
        let is_and = value["operator"].as_str().is_some_and(|op| op.eq_ignore_ascii_case("and"));
        match value["type"].as_str() {
            Some("phrase") => self.phrase(&Field::named(name), &text, ""),
            _ => self.match_text(&Field::named(name), &text, is_and),
        }
    }

    fn match_text(&mut self, field: &Field, text: &str, is_and: bool) -> Read<Node> {
        if *field != Field::Body {
            return self.exact(field, text);
        }
        if is_and {
            return self.words(text, false);
        }
        let mut any = Vec::new();
        for word in text.split_whitespace() {
            any.push(self.words(word, true)?);
        }
        Ok(Node::or(any))
    }

    fn multi_match(&mut self, body: &Json) -> Read<Node> {
        let text = scalar(&body["query"]).ok_or("[multi_match] needs a query")?;
        let is_phrase = body["type"].as_str().is_some_and(|kind| kind.starts_with("phrase"));
        let is_and = body["operator"].as_str().is_some_and(|op| op.eq_ignore_ascii_case("and"));
        let mut any = Vec::new();
        for field in named_fields(&body["fields"]) {
            any.push(match is_phrase {
                true => self.phrase(&field, &text, "")?,
                false => self.match_text(&field, &text, is_and)?,
            });
        }
        Ok(Node::or(any))
    }

    fn query_string(&mut self, kind: &str, body: &Json) -> Read<Node> {
        let text = scalar(&body["query"]).ok_or_else(|| format!("[{kind}] needs a query"))?;
        let is_and =
            body["default_operator"].as_str().is_some_and(|op| op.eq_ignore_ascii_case("and"));
        let mut fields = match body["default_field"].as_str() {
            Some("*") | None => Vec::new(),
            Some(field) => vec![Field::named(field)],
        };
        if body["fields"].is_array() {
            fields = named_fields(&body["fields"]);
        }
        match lucene::read(self, &text, is_and, &fields) {
            // It never fails in Elasticsearch.
            Err(_) if kind == "simple_query_string" => self.match_text(&Field::Body, &text, is_and),
            other => other,
        }
    }

    fn range(&mut self, body: &Json) -> Read<Node> {
        let (name, bounds) = pair(body)?;
        let field = Field::named(name);
        let (mut low, mut high) = (None, None);
        for (key, is_low, is_in) in [
            ("gte", true, true),
            ("from", true, true),
            ("gt", true, false),
            ("lte", false, true),
            ("to", false, true),
            ("lt", false, false),
        ] {
            if let Some(value) = bounds.get(key).and_then(scalar) {
                let bound = Some((value, is_in));
                if is_low { low = bound } else { high = bound }
            }
        }
        let is_seconds = bounds["format"].as_str() == Some("epoch_second");
        self.between(&field, low, high, is_seconds)
    }

    /// From and to, and whether that belongs to it.
    pub(super) fn between(
        &mut self,
        field: &Field,
        low: Option<(String, bool)>,
        high: Option<(String, bool)>,
        is_seconds: bool,
    ) -> Read<Node> {
        self.count()?;
        if *field == Field::Time {
            let read = |text: &str, is_end: bool| {
                let seconds = is_seconds.then(|| text.parse::<i64>().ok()).flatten();
                let seconds = seconds.and_then(|seconds| seconds.checked_mul(1_000)).map(UnixMs);
                seconds
                    .or_else(|| dates::time(text, self.now, is_end))
                    .ok_or_else(|| format!("failed to parse date field [{text}]"))
            };
            let mut range = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
            if let Some((text, is_in)) = low {
                // What is greater than a day begins after it.
                let time = read(&text, !is_in)?;
                range.start = if is_in { time } else { UnixMs(time.0.saturating_add(1)) };
            }
            if let Some((text, is_in)) = high {
                let time = read(&text, is_in)?;
                range.end = if is_in { time } else { UnixMs(time.0.saturating_sub(1)) };
            }
            return Ok(Node::Time(range));
        }
        let number = |bound: Option<(String, bool)>| match bound {
            None => Ok(None),
            Some((text, is_in)) => match text.parse::<f64>() {
                Ok(number) => Ok(Some((number, is_in))),
                Err(_) => Err(format!("only numbers and times have ranges, not [{text}]")),
            },
        };
        Ok(Node::Number { field: field.clone(), low: number(low)?, high: number(high)? })
    }

    /// What is written without a field: words of the message or a whole value.
    pub(super) fn free(&mut self, text: &str) -> Read<Node> {
        self.note(text);
        self.asked(quoted(text))
    }
}

/// A list, or the one thing in place of it.
pub(super) fn each(value: &Json) -> &[Json] {
    match value {
        Json::Null => &[],
        Json::Array(items) => items,
        one => std::slice::from_ref(one),
    }
}

fn pair(body: &Json) -> Read<(&str, &Json)> {
    let is_field = |(name, _): &(&String, &Json)| *name != "boost" && *name != "_name";
    let members: Option<&Map<String, Json>> = body.as_object();
    let found = members.and_then(|members| members.iter().find(is_field));
    found.map(|(name, value)| (name.as_str(), value)).ok_or_else(|| "a field is missing".to_owned())
}

/// A value as text.
pub(super) fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// How many must match.
fn share(given: &Json, count: usize) -> usize {
    let text = scalar(given).unwrap_or_default();
    let whole = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().map(|part| (part / 100.0 * count as f64) as i64),
        None => return at_least(text.parse().unwrap_or(1), count),
    };
    at_least(whole.unwrap_or(1), count)
}

fn at_least(number: i64, count: usize) -> usize {
    let all = i64::try_from(count).unwrap_or(i64::MAX);
    let number = if number < 0 { all.saturating_add(number) } else { number };
    usize::try_from(number.max(0)).unwrap_or_default()
}

/// Fields that text is looked for in; of those that are not named one by one, the message.
fn named_fields(fields: &Json) -> Vec<Field> {
    let mut found: Vec<Field> = Vec::new();
    for name in each(fields).iter().filter_map(Json::as_str) {
        let name = name.split('^').next().unwrap_or_default();
        let field = if name.contains('*') { Field::Body } else { Field::named(name) };
        if !found.contains(&field) {
            found.push(field);
        }
    }
    if found.is_empty() {
        found.push(Field::Body);
    }
    found
}

/// The indices that patterns mean, of those that there are. `None`: all.
pub(super) fn indices(patterns: &str, sources: &[String]) -> Option<Vec<String>> {
    let known: Vec<String> = sources.iter().map(|source| index_of(source)).collect();
    let (mut chosen, mut is_all): (Vec<String>, bool) = (Vec::new(), false);
    for pattern in patterns.split(',').map(str::trim) {
        match pattern.strip_prefix('-') {
            Some(out) => {
                if is_all {
                    chosen = known.clone();
                    is_all = false;
                }
                chosen.retain(|name| !is_like(name, out));
            }
            None if matches!(pattern, "" | "*" | "_all" | "logs" | "logs-*" | "logs*") => {
                is_all = true;
            }
            None => chosen.extend(known.iter().filter(|name| is_like(name, pattern)).cloned()),
        }
    }
    (!is_all).then_some(chosen)
}
