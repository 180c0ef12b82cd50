//! The language of `query_string`: Lucene's, with its way of reading AND and OR.

use super::{
    fields::Field,
    query::{DEPTH_MAX, Node, Read, Reader},
};

/// Longest text.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// How a part takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occur {
    Must,
    Should,
    MustNot,
}

/// What stands between two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    None,
    And,
    Or,
}

struct Parser<'a> {
    letters: Vec<char>,
    at: usize,
    depth: usize,
    is_and: bool,
    /// Where parts without a field are looked for; anywhere, if there are none.
    fields: Vec<Field>,
    reader: &'a mut Reader,
}

pub(super) fn read(reader: &mut Reader, text: &str, is_and: bool, fields: &[Field]) -> Read<Node> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("the query is longer than {TEXT_BYTES_MAX} bytes"));
    }
    let (letters, fields) = (text.chars().collect(), fields.to_vec());
    let mut parser = Parser { letters, at: 0, depth: 0, is_and, fields, reader };
    let node = parser.group()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => {
            Err(format!("Failed to parse query [{text}]: a parenthesis is closed too often"))
        }
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// Takes a sign or a word that stands alone.
    fn take_text(&mut self, text: &str) -> bool {
        let length = text.chars().count();
        let found = self.letters.get(self.at..self.at + length);
        let is_there = found.is_some_and(|found| found.iter().copied().eq(text.chars()));
        let next = self.letters.get(self.at + length);
        let is_word = text.chars().all(char::is_alphabetic);
        let ends = !is_word || next.is_none_or(|c| c.is_whitespace() || *c == '(');
        self.at += if is_there && ends { length } else { 0 };
        is_there && ends
    }

    fn join(&mut self) -> Join {
        self.blanks();
        if self.take_text("AND") || self.take_text("&&") {
            Join::And
        } else if self.take_text("OR") || self.take_text("||") {
            Join::Or
        } else {
            Join::None
        }
    }

    /// Up to the end or the parenthesis that closes.
    fn group(&mut self) -> Read<Node> {
        let mut parts: Vec<(Occur, Node)> = Vec::new();
        loop {
            let join = self.join();
            self.blanks();
            if matches!(self.peek(), None | Some(')')) {
                break;
            }
            let sign = self.occur();
            let occur = match sign {
                Some(occur) => occur,
                None if join == Join::And => Occur::Must,
                None if self.is_and && join != Join::Or => Occur::Must,
                None => Occur::Should,
            };
            // AND makes what stands before it needed, OR in a language of ANDs the contrary.
            if let Some((before, _)) = parts.last_mut() {
                match (join, *before) {
                    (Join::And, Occur::Should) => *before = Occur::Must,
                    (Join::Or, Occur::Must) if self.is_and => *before = Occur::Should,
                    _ => {}
                }
            }
            let node = match occur {
                Occur::MustNot => self.negative_part()?,
                _ => self.part()?,
            };
            parts.push((occur, node));
        }
        Ok(combined(parts))
    }

    fn occur(&mut self) -> Option<Occur> {
        if self.take_text("NOT") || self.take('-') || self.take('!') {
            self.blanks();
            Some(Occur::MustNot)
        } else if self.take('+') {
            Some(Occur::Must)
        } else {
            None
        }
    }

    fn negative_part(&mut self) -> Read<Node> {
        let words = self.reader.words.len();
        let node = self.part();
        self.reader.words.truncate(words);
        node
    }

    fn part(&mut self) -> Read<Node> {
        let begin = self.at;
        let Some(name) = self.field() else {
            self.at = begin;
            return self.value();
        };
        if name == "_exists_" {
            let (name, _) = self.word();
            return self.reader.exists(&name);
        }
        if name == "*" {
            self.word();
            return Ok(Node::All);
        }
        let outer = std::mem::replace(&mut self.fields, vec![Field::named(&name)]);
        let node = self.value();
        self.fields = outer;
        node
    }

    /// A name with a colon behind it.
    fn field(&mut self) -> Option<String> {
        let mut name = String::new();
        loop {
            match self.peek()? {
                ':' if !name.is_empty() => {
                    self.at += 1;
                    return Some(name);
                }
                '\\' => {
                    self.at += 1;
                    name.push(self.peek()?);
                }
                c if c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '@' | '*' | '/') => {
                    name.push(c);
                }
                _ => return None,
            }
            self.at += 1;
        }
    }

    fn value(&mut self) -> Read<Node> {
        self.blanks();
        let node = match self.peek() {
            Some('(') => {
                self.at += 1;
                let node = self.deeper()?;
                if !self.take(')') {
                    return Err("Failed to parse query: a parenthesis is not closed".to_owned());
                }
                node
            }
            Some('"') => {
                self.at += 1;
                let text = self.until('"')?;
                self.in_fields(|reader, field| match field {
                    Some(field) => reader.phrase(field, &text, ""),
                    None => reader.free(&text),
                })?
            }
            Some('/') => {
                self.at += 1;
                let text = self.until_slash()?;
                self.in_fields(|reader, field| reader.regexp(field.unwrap_or(&Field::Body), &text))?
            }
            Some('[' | '{') => self.range()?,
            Some('>' | '<') => self.comparison()?,
            _ => self.term()?,
        };
        self.boost();
        Ok(node)
    }

    /// What stands in a parenthesis.
    fn deeper(&mut self) -> Read<Node> {
        if self.depth == DEPTH_MAX {
            return Err(format!("the query is nested deeper than {DEPTH_MAX}"));
        }
        self.depth += 1;
        let node = self.group()?;
        self.depth -= 1;
        Ok(node)
    }

    fn in_fields(
        &mut self,
        mut make: impl FnMut(&mut Reader, Option<&Field>) -> Read<Node>,
    ) -> Read<Node> {
        if self.fields.is_empty() {
            return make(self.reader, None);
        }
        let mut any = Vec::new();
        for field in &self.fields {
            any.push(make(self.reader, Some(field))?);
        }
        Ok(Node::or(any))
    }

    /// `^2`, `~1`: taken and without effect.
    fn boost(&mut self) {
        while self.take('^') || self.take('~') {
            while self.peek().is_some_and(|c| c.is_ascii_digit() || c == '.') {
                self.at += 1;
            }
        }
    }

    fn until(&mut self, end: char) -> Read<String> {
        let mut text = String::new();
        while let Some(letter) = self.peek() {
            self.at += 1;
            match letter {
                '\\' => {
                    text.extend(self.peek());
                    self.at += 1;
                }
                letter if letter == end => return Ok(text),
                other => text.push(other),
            }
        }
        Err("Failed to parse query: a quote is not closed".to_owned())
    }

    fn until_slash(&mut self) -> Read<String> {
        let mut text = String::new();
        while let Some(letter) = self.peek() {
            self.at += 1;
            match letter {
                '\\' => {
                    text.push('\\');
                    text.extend(self.peek());
                    self.at += 1;
                }
                '/' => return Ok(text),
                other => text.push(other),
            }
        }
        Err("Failed to parse query: an expression is not closed".to_owned())
    }

    /// Up to a blank or a sign, with `*` and `?` still escaped where they mean themselves; and whether any does not.
    fn word(&mut self) -> (String, bool) {
        let (mut text, mut has_wildcards) = (String::new(), false);
        while let Some(letter) = self.peek() {
            match letter {
                '\\' => {
                    self.at += 1;
                    let Some(next) = self.peek() else { break };
                    if matches!(next, '*' | '?' | '\\') {
                        text.push('\\');
                    }
                    text.push(next);
                }
                '*' | '?' => {
                    has_wildcards = true;
                    text.push(letter);
                }
                c if c.is_whitespace() || matches!(c, '(' | ')' | '"' | '^' | '~' | ']' | '}') => {
                    break;
                }
                other => text.push(other),
            }
            self.at += 1;
        }
        (text, has_wildcards)
    }

    fn term(&mut self) -> Read<Node> {
        let begin = self.at;
        let (text, has_wildcards) = self.word();
        if self.at == begin {
            return Err("Failed to parse query: a value is missing".to_owned());
        }
        if has_wildcards {
            return self.in_fields(|reader, field| match (field, text.as_str()) {
                (None, "*") => Ok(Node::All),
                (field, text) => reader.wildcard(field.unwrap_or(&Field::Body), text),
            });
        }
        let mut plain = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            plain.push(if letter == '\\' { letters.next().unwrap_or('\\') } else { letter });
        }
        self.in_fields(|reader, field| match field {
            Some(field) => reader.exact(field, &plain),
            None => reader.free(&plain),
        })
    }

    /// `[a TO b}`
    fn range(&mut self) -> Read<Node> {
        let is_low_in = self.peek() == Some('[');
        self.at += 1;
        self.blanks();
        let low = self.bound()?;
        self.blanks();
        if !self.take_text("TO") {
            return Err("Failed to parse query: TO is missing in a range".to_owned());
        }
        self.blanks();
        let high = self.bound()?;
        self.blanks();
        let is_high_in = self.take(']');
        if !is_high_in && !self.take('}') {
            return Err("Failed to parse query: a range is not closed".to_owned());
        }
        let bound = |text: String, is_in| (text != "*").then_some((text, is_in));
        let (low, high) = (bound(low, is_low_in), bound(high, is_high_in));
        self.in_fields(|reader, field| {
            reader.between(field.unwrap_or(&Field::Body), low.clone(), high.clone(), false)
        })
    }

    fn bound(&mut self) -> Read<String> {
        if self.take('"') { self.until('"') } else { Ok(self.word().0) }
    }

    /// `>=5`
    fn comparison(&mut self) -> Read<Node> {
        let is_low = self.take('>');
        if !is_low {
            self.at += 1;
        }
        let is_in = self.take('=');
        let text = self.bound()?;
        let bound = Some((text, is_in));
        let (low, high) = if is_low { (bound, None) } else { (None, bound) };
        self.in_fields(|reader, field| {
            reader.between(field.unwrap_or(&Field::Body), low.clone(), high.clone(), false)
        })
    }
}

fn combined(parts: Vec<(Occur, Node)>) -> Node {
    if parts.is_empty() {
        return Node::All;
    }
    let (mut all, mut any) = (Vec::new(), Vec::new());
    for (occur, node) in parts {
        match occur {
            Occur::Must => all.push(node),
            Occur::MustNot => all.push(Node::not(node)),
            Occur::Should => any.push(node),
        }
    }
    let has_needed = all.iter().any(|node| !matches!(node, Node::Not(_)));
    if !any.is_empty() && !has_needed {
        all.push(Node::or(any));
    }
    Node::and(all)
}
