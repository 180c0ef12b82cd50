//! YAML with places, as far as rule files and their tests need it: a tree of texts, lists and maps in which every
//! node knows its line, so that whoever reads it can say where something is wrong.
//!
//! It follows what Prometheus accepts (YAML 1.1 of Go's yaml.v3): aliases and merge keys work, a key twice is an
//! error, only the first document counts. What a text stands for is the reader's decision.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::rules::Problem;

/// Longest file.
pub(crate) const BYTES_MAX: usize = 1 << 20;
/// Deepest nesting.
const DEPTH_MAX: usize = 32;
/// Most nodes, those that aliases stand for included.
const NODES_MAX: usize = 200_000;

/// A node and where it begins, both from 1.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) value: Yaml,
}

#[derive(Clone, Debug)]
pub(crate) enum Yaml {
    Text { text: String, style: Style },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// How a text is written, which says where its parts are in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// On one line, without quotes.
    Plain,
    /// On one line, in quotes.
    Quoted,
    /// Line for line, from the next line on, at this column.
    Block(usize),
    /// In a way that moves its lines.
    Folded,
}

impl Node {
    pub(crate) fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem { line: self.line, column: self.column, reason: reason.into() }
    }

    /// Whether it is written as nothing: empty, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        match &self.value {
            Yaml::Text { text, style: Style::Plain } => {
                matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// The text of a scalar; that of nothing is empty.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Yaml::Text { .. } if self.is_null() => Some(""),
            Yaml::Text { text, .. } => Some(text),
            Yaml::List(_) | Yaml::Map(_) => None,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            _ if self.is_null() => "nothing",
            Yaml::Text { .. } => "text",
            Yaml::List(_) => "a list",
            Yaml::Map(_) => "a map",
        }
    }

    /// Where in the file a place within the text is; lines and columns from 1.
    pub(crate) fn place(&self, line: usize, column: usize) -> (usize, usize) {
        let Yaml::Text { style, text } = &self.value else { return (self.line, self.column) };
        match style {
            Style::Plain if line == 1 => (self.line, self.column + column - 1),
            Style::Quoted if line == 1 => (self.line, self.column + column),
            Style::Block(indent) => {
                // It begins with its first line that is not empty.
                let empty = text.len() - text.trim_start_matches('\n').len();
                ((self.line + line - 1).saturating_sub(empty), indent + column - 1)
            }
            _ => (self.line, self.column),
        }
    }
}

/// Parses the first document; nothing where there is none.
pub(crate) fn parse(text: &str) -> Result<Option<Node>, Problem> {
    if text.len() > BYTES_MAX {
        return Err(Problem {
            line: 0,
            column: 0,
            reason: format!("the file is longer than {BYTES_MAX} bytes"),
        });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let builder = Builder {
        parser: Parser::new_from_str(text),
        lines: text.lines().collect(),
        anchors: HashMap::new(),
        nodes: 0,
    };
    builder.document()
}

type Built<T> = Result<T, Problem>;

struct Builder<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    lines: Vec<&'a str>,
    anchors: HashMap<usize, Node>,
    /// How many there are so far.
    nodes: usize,
}

fn problem<T>(span: Span, reason: impl Into<String>) -> Built<T> {
    let (line, column) = (span.start.line(), span.start.col() + 1);
    Err(Problem { line, column, reason: reason.into() })
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Built<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let (line, column) = (error.marker().line(), error.marker().col() + 1);
                Err(Problem { line, column, reason: format!("not YAML: {}", error.info()) })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn document(mut self) -> Built<Option<Node>> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(None),
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (event, span) => return self.node(event, span, 0).map(Some),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Built<Node> {
        self.count(span, 1)?;
        if depth == DEPTH_MAX {
            return problem(span, format!("nested deeper than {DEPTH_MAX} levels"));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let style = self.style(style, span);
                (Yaml::Text { text: text.into_owned(), style }, anchor)
            }
            Event::SequenceStart(anchor, _) => (Yaml::List(self.list(depth)?), anchor),
            Event::MappingStart(anchor, _) => (Yaml::Map(self.map(depth)?), anchor),
            Event::Alias(anchor) => return self.alias(anchor, span, depth),
            _ => return problem(span, "not YAML: a value is missing"),
        };
        let node = Node { line: span.start.line(), column: span.start.col() + 1, value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn count(&mut self, span: Span, nodes: usize) -> Built<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            return problem(span, format!("more than {NODES_MAX} values"));
        }
        Ok(())
    }

    /// A copy of what an anchor names, which counts as often as it is copied.
    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Built<Node> {
        let Some(node) = self.anchors.get(&anchor) else {
            return problem(span, "an alias that stands inside what it names");
        };
        let (nodes, levels) = size(node);
        if depth + levels > DEPTH_MAX {
            return problem(span, format!("nested deeper than {DEPTH_MAX} levels"));
        }
        let copy = node.clone();
        self.count(span, nodes)?;
        Ok(copy)
    }

    fn list(&mut self, depth: usize) -> Built<Vec<Node>> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Built<Vec<(Node, Node)>> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        let mut merged = Vec::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => break,
                (event, span) => self.node(event, span, depth + 1)?,
            };
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            let Yaml::Text { text, style } = &key.value else {
                return Err(key.problem(format!("a key must be text, not {}", key.kind())));
            };
            if text == "<<" && *style == Style::Plain {
                merged.extend(sources(value)?);
                continue;
            }
            if let Some(line) = lines.insert(text.clone(), key.line) {
                return Err(key.problem(format!("key {text:?} is already in line {line}")));
            }
            entries.push((key, value));
        }
        // What is written itself counts more than what is merged, and that more than what is merged later.
        for (key, value) in merged {
            let name = key.text().unwrap_or_default().to_owned();
            if let std::collections::hash_map::Entry::Vacant(place) = lines.entry(name) {
                place.insert(key.line);
                entries.push((key, value));
            }
        }
        Ok(entries)
    }

    fn style(&self, style: ScalarStyle, span: Span) -> Style {
        let is_on_one_line = span.start.line() == span.end.line();
        match style {
            ScalarStyle::Plain if is_on_one_line => Style::Plain,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted if is_on_one_line => {
                Style::Quoted
            }
            // Its span begins behind the line with the sign.
            ScalarStyle::Literal => {
                let content = self.lines.iter().skip(span.start.line().saturating_sub(1));
                let first = content.copied().find(|line| !line.trim().is_empty());
                Style::Block(first.map_or(1, |line| line.len() - line.trim_start().len() + 1))
            }
            _ => Style::Folded,
        }
    }
}

/// The entries that a merge key brings.
fn sources(value: Node) -> Built<Vec<(Node, Node)>> {
    match value.value {
        Yaml::Map(entries) => Ok(entries),
        Yaml::List(maps) => {
            let each = maps.into_iter().map(|map| match map.value {
                Yaml::Map(entries) => Ok(entries),
                _ => Err(map.problem("only maps can be merged")),
            });
            each.collect::<Built<Vec<_>>>().map(|maps| maps.into_iter().flatten().collect())
        }
        Yaml::Text { .. } => Err(value.problem("only maps can be merged")),
    }
}

/// How many nodes a tree has, and how many levels.
fn size(node: &Node) -> (usize, usize) {
    let of_all = |nodes: &mut dyn Iterator<Item = &Node>| {
        nodes
            .map(size)
            .fold((1, 0), |(count, levels), (inner, deep)| (count + inner, levels.max(deep)))
    };
    let (count, levels) = match &node.value {
        Yaml::Text { .. } => (1, 0),
        Yaml::List(items) => of_all(&mut items.iter()),
        Yaml::Map(entries) => of_all(&mut entries.iter().flat_map(|(key, value)| [key, value])),
    };
    (count, levels + 1)
}

/// The entries of a map that has certain keys, read one by one. Everything that is wrong is collected.
pub(crate) struct Fields<'a> {
    node: &'a Node,
    entries: &'a [(Node, Node)],
}

/// Most problems that are told of one file.
const PROBLEMS_MAX: usize = 100;

/// What is wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn add(&mut self, problem: Problem) {
        if self.0.len() < PROBLEMS_MAX {
            self.0.push(problem);
        }
    }

    /// In the order of the file.
    pub(crate) fn into_sorted(mut self) -> Vec<Problem> {
        self.0.sort_by_key(|problem| (problem.line, problem.column));
        self.0
    }
}

impl<'a> Fields<'a> {
    /// Reads a node as a map with these keys; `what` names it in errors. Nothing where it is no map.
    pub(crate) fn read(
        node: &'a Node,
        what: &str,
        known: &[&str],
        problems: &mut Problems,
    ) -> Option<Self> {
        let entries = match &node.value {
            Yaml::Map(entries) => entries.as_slice(),
            _ if node.is_null() => &[],
            _ => {
                problems.add(node.problem(format!("{what} must be a map, not {}", node.kind())));
                return None;
            }
        };
        for (key, _) in entries {
            let name = key.text().unwrap_or_default();
            if !known.contains(&name) {
                let keys = known.join(", ");
                problems
                    .add(key.problem(format!("{what} has no key {name:?}; its keys are {keys}")));
            }
        }
        Some(Self { node, entries })
    }

    pub(crate) fn node(&self) -> &'a Node {
        self.node
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a Node> {
        let found = self.entries.iter().find(|(key, _)| key.text() == Some(name));
        found.map(|(_, value)| value)
    }

    /// The text of a key; empty where it is missing or not text, which is a problem.
    pub(crate) fn text(&self, name: &str, problems: &mut Problems) -> &'a str {
        let Some(node) = self.get(name) else { return "" };
        node.text().unwrap_or_else(|| {
            problems.add(node.problem(format!("{name:?} must be text, not {}", node.kind())));
            ""
        })
    }

    pub(crate) fn list(&self, name: &str, problems: &mut Problems) -> &'a [Node] {
        let Some(node) = self.get(name) else { return &[] };
        match &node.value {
            Yaml::List(items) => items,
            _ if node.is_null() => &[],
            _ => {
                problems.add(node.problem(format!("{name:?} must be a list, not {}", node.kind())));
                &[]
            }
        }
    }

    /// A map of texts: names with their places, and values.
    pub(crate) fn texts(&self, name: &str, problems: &mut Problems) -> Vec<(&'a Node, &'a Node)> {
        let Some(node) = self.get(name) else { return Vec::new() };
        let Yaml::Map(entries) = &node.value else {
            if !node.is_null() {
                problems.add(node.problem(format!("{name:?} must be a map, not {}", node.kind())));
            }
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (key, value) in entries {
            match value.text() {
                Some(_) => texts.push((key, value)),
                None => {
                    let key = key.text().unwrap_or_default();
                    let reason = format!("{key:?} in {name:?} must be text, not {}", value.kind());
                    problems.add(value.problem(reason));
                }
            }
        }
        texts
    }

    /// What `read` makes of the text of a key that is there.
    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        problems: &mut Problems,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let node = self.get(name).filter(|node| !node.is_null())?;
        let result = match node.text() {
            Some(text) => read(text),
            None => Err(format!("must be text, not {}", node.kind())),
        };
        result.map_err(|reason| problems.add(node.problem(format!("{name:?}: {reason}")))).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tree in one line.
    fn shown(node: &Node) -> String {
        match &node.value {
            Yaml::Text { .. } if node.is_null() => "~".into(),
            Yaml::Text { text, .. } => format!("{text:?}"),
            Yaml::List(items) => {
                format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" "))
            }
            Yaml::Map(entries) => {
                let pair = |(key, value): &(Node, Node)| format!("{}:{}", shown(key), shown(value));
                format!("{{{}}}", entries.iter().map(pair).collect::<Vec<_>>().join(" "))
            }
        }
    }

    fn check(text: &str, expected: &str) {
        let found = match parse(text) {
            Ok(node) => node.map_or("-".into(), |node| shown(&node)),
            Err(problem) => format!("{}:{}: {}", problem.line, problem.column, problem.reason),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn trees() {
        check("", "-");
        check("# nothing\n", "-");
        check("a: 1\nb: [x, 'y', \"z\\n\"]\n", r#"{"a":"1" "b":["x" "y" "z\n"]}"#);
        check("a: |\n  x\n   y\nb: >-\n  x\n  y\n", r#"{"a":"x\n y\n" "b":"x y"}"#);
        check(
            "a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\ne: *x\n",
            r#"{"a":{"b":"1" "c":"2"} "d":{"c":"3" "b":"1"} "e":{"b":"1" "c":"2"}}"#,
        );
        check("a:\nb: ~\nc: 'null'\n", r#"{"a":~ "b":~ "c":"null"}"#);
        check("a: 1\n---\nb: 2\n", r#"{"a":"1"}"#);
    }

    #[test]
    fn what_is_no_tree_says_where() {
        check("a: 1\na: 2\n", r#"2:1: key "a" is already in line 1"#);
        check("[a]: 1\n", "1:1: a key must be text, not a list");
        check("a: 1\n<<: 5\n", "2:5: only maps can be merged");
        check("a: b: c\n", "1:5: not YAML: mapping values are not allowed in this context");
        check(&format!("{}1", "[".repeat(100)), "1:33: nested deeper than 32 levels");
        let bomb = format!(
            "a: &a [{}]\nb: &b [{}]\nc: [{}]\n",
            "x,".repeat(100),
            "*a,".repeat(100),
            "*b,".repeat(100)
        );
        check(&bomb, "3:59: more than 200000 values");
    }

    #[test]
    fn places_within_texts() {
        let place = |text: &str, line, column| {
            let Some(Node { value: Yaml::Map(entries), .. }) = parse(text).unwrap() else {
                panic!()
            };
            entries[0].1.place(line, column)
        };
        assert_eq!(place("expr: sum(\n", 1, 5), (1, 11));
        assert_eq!(place("expr: 'sum('\n", 1, 5), (1, 12));
        assert_eq!(place("expr: |\n    a +\n    sum(\n", 2, 5), (3, 9));
        assert_eq!(place("expr: |\n\n    sum(\n", 2, 3), (3, 7));
        assert_eq!(place("expr: >\n    a +\n    sum(\n", 1, 9), (2, 5));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-c:\\-\\[\\]{}&*<>|'\"#!%, \n\t~?]{0,60}") {
            if let Err(problem) = parse(&text) {
                prop_assert!(!problem.reason.is_empty());
            }
        }

        #[test]
        fn any_characters_do(text in ".*") {
            drop(parse(&text));
        }
    }
}
