//! Reads the steps of a pipeline.

use super::{
    Chosen, Compare, Format, LIST_MAX, LabelFilter, LineFilter, MatchOp, Piece, Sought, Stage,
    Unit, Unwrap, expression,
    lex::Token,
    parse::{Parsed, Parser},
};

impl Parser<'_> {
    pub(super) fn stages(&mut self) -> Parsed<Vec<Stage>> {
        let mut stages = Vec::new();
        loop {
            let stage = match self.token {
                Token::Sign("|=") => self.line_filter(false, false)?,
                Token::Sign("!=") => self.line_filter(true, false)?,
                Token::Sign("|~") => self.line_filter(false, true)?,
                Token::Sign("!~") => self.line_filter(true, true)?,
                Token::Sign("|>" | "!>") => {
                    return Err("|> and !> are not understood here; write |~".to_owned());
                }
                Token::Sign("|") => {
                    self.advance();
                    self.stage()?
                }
                _ => return Ok(stages),
            };
            if stages.len() == LIST_MAX {
                return Err(format!("a pipeline has more than {LIST_MAX} steps"));
            }
            stages.push(stage);
        }
    }

    fn line_filter(&mut self, is_negative: bool, is_expression: bool) -> Parsed<Stage> {
        self.advance();
        let mut texts = Vec::new();
        loop {
            if self.is_word("ip") {
                return Err("ip() is not understood here".to_owned());
            }
            if texts.len() == LIST_MAX {
                return Err(format!("a filter has more than {LIST_MAX} texts"));
            }
            let (_, sought) = self.made(|text| match is_expression {
                true => expression(text).map(Sought::Expression),
                false => Ok(Sought::Text(text.to_owned())),
            })?;
            texts.push(sought);
            if !self.take_word("or") {
                return Ok(Stage::Line(LineFilter { is_negative, texts }));
            }
        }
    }

    fn stage(&mut self) -> Parsed<Stage> {
        let Token::Name(name) = &self.token else { return Err(self.expected("a step")) };
        let name = name.clone();
        match name.as_str() {
            "json" => {
                self.advance();
                let pairs = self.extractions(json_path)?;
                Ok(Stage::Json(pairs))
            }
            "logfmt" => {
                self.advance();
                self.flags()?;
                let pairs = self.extractions(|text| Ok(text.to_owned()))?;
                Ok(Stage::Logfmt(pairs))
            }
            "regexp" => {
                self.advance();
                let (_, regex) = self.made(|text| {
                    let regex = expression(text)?;
                    match regex.capture_names().flatten().next() {
                        Some(_) => Ok(regex),
                        None => {
                            Err("the expression must name a group, as (?P<name>...)".to_owned())
                        }
                    }
                })?;
                Ok(Stage::Regexp(regex))
            }
            "pattern" => {
                self.advance();
                let (_, pieces) = self.made(pattern)?;
                Ok(Stage::Pattern(pieces))
            }
            "line_format" => {
                self.advance();
                let (_, pieces) = self.made(template)?;
                Ok(Stage::LineFormat(pieces))
            }
            "label_format" => {
                self.advance();
                Ok(Stage::LabelFormat(self.list(Self::label_format)?))
            }
            "drop" => {
                self.advance();
                Ok(Stage::Drop(self.list(Self::chosen)?))
            }
            "keep" => {
                self.advance();
                Ok(Stage::Keep(self.list(Self::chosen)?))
            }
            "decolorize" => {
                self.advance();
                Ok(Stage::Decolorize)
            }
            "unwrap" => {
                self.advance();
                self.unwrap_stage()
            }
            "unpack" => Err("unpack is not understood here".to_owned()),
            _ => Ok(Stage::Label(self.label_filter()?)),
        }
    }

    /// `--strict`: taken and without effect.
    fn flags(&mut self) -> Parsed<()> {
        while self.take("-") {
            self.need("-")?;
            self.name("a flag")?;
            while self.take("-") {
                self.name("a flag")?;
            }
        }
        Ok(())
    }

    /// `a, b="path"`
    fn extractions<T>(&mut self, make: impl Fn(&str) -> Parsed<T>) -> Parsed<Vec<(String, T)>> {
        if !matches!(self.token, Token::Name(_)) {
            return Ok(Vec::new());
        }
        self.list(|parser| {
            let name = parser.name("a label")?;
            let made = match parser.take("=") {
                true => parser.made(&make)?.1,
                false => make(&name)?,
            };
            Ok((name, made))
        })
    }

    fn label_format(&mut self) -> Parsed<(String, Format)> {
        let name = self.name("a label")?;
        self.need("=")?;
        let format = match &self.token {
            Token::Text(_) => Format::Text(self.made(template)?.1),
            _ => Format::Rename(self.name("a label or a text in quotes")?),
        };
        Ok((name, format))
    }

    fn chosen(&mut self) -> Parsed<Chosen> {
        let label = self.name("a label")?;
        let matcher = match self.match_op() {
            Some(op) => {
                self.advance();
                Some(self.matcher(label.clone(), op)?)
            }
            None => None,
        };
        Ok(Chosen { label, matcher })
    }

    fn unwrap_stage(&mut self) -> Parsed<Stage> {
        let label = self.name("a label")?;
        if !self.is_sign("(") {
            return Ok(Stage::Unwrap(Unwrap { label, unit: Unit::Plain }));
        }
        let unit = match label.as_str() {
            "duration" | "duration_seconds" => Unit::Duration,
            "bytes" => Unit::Bytes,
            other => return Err(format!("there is no conversion {other}")),
        };
        self.advance();
        let label = self.name("a label")?;
        self.need(")")?;
        Ok(Stage::Unwrap(Unwrap { label, unit }))
    }

    fn label_filter(&mut self) -> Parsed<LabelFilter> {
        self.deeper(|parser| {
            let mut filter = parser.label_filters()?;
            while parser.take_word("or") {
                parser.join()?;
                let other = parser.deeper(Self::label_filters)?;
                filter = LabelFilter::Either(Box::new(filter), Box::new(other));
            }
            Ok(filter)
        })
    }

    fn label_filters(&mut self) -> Parsed<LabelFilter> {
        let mut filter = self.one_label_filter()?;
        while self.take_word("and") || self.take(",") {
            self.join()?;
            let other = self.one_label_filter()?;
            filter = LabelFilter::Both(Box::new(filter), Box::new(other));
        }
        Ok(filter)
    }

    fn one_label_filter(&mut self) -> Parsed<LabelFilter> {
        if self.take("(") {
            let inner = self.label_filter()?;
            self.need(")")?;
            return Ok(inner);
        }
        let label = self.name("a label")?;
        let (compare, matching) = (self.compare(), self.match_op());
        if compare.is_none() && matching.is_none() {
            return Err(self.expected("a comparison"));
        }
        self.advance();
        if let (Token::Text(_), Some(op)) = (&self.token, matching) {
            return Ok(LabelFilter::Matches(self.matcher(label, op)?));
        }
        let op = match matching {
            Some(MatchOp::Is) => Some(Compare::Equal),
            _ => compare,
        };
        let Some(op) = op else { return Err(self.expected("a text in quotes")) };
        if self.is_word("ip") {
            return Err("ip() is not understood here".to_owned());
        }
        let is_negative = self.take("-");
        let (number, unit) = match self.token {
            Token::Number(number) => (number, Unit::Plain),
            Token::Duration(seconds) => (seconds, Unit::Duration),
            Token::Bytes(bytes) => (bytes, Unit::Bytes),
            _ => return Err(self.expected("a number, a duration or a size")),
        };
        self.advance();
        let number = if is_negative { -number } else { number };
        Ok(LabelFilter::Compares { label, op, number, unit })
    }
}

/// `a.b[0]["c d"]`
fn json_path(text: &str) -> Parsed<Vec<String>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let Some((step, after)) = inside.split_once(']') else {
                return Err("a bracket is not closed".to_owned());
            };
            steps.push(step.trim_matches('"').to_owned());
            rest = after;
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (step, after) = name.split_at(end);
            if step.is_empty() {
                return Err(format!("{text:?} is not a path such as a.b[0]"));
            }
            steps.push(step.to_owned());
            rest = after;
        }
        if steps.len() > LIST_MAX {
            return Err(format!("a path has more than {LIST_MAX} steps"));
        }
    }
    Ok(steps)
}

/// `<ip> - - <_> "<method>`
fn pattern(text: &str) -> Parsed<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let label = rest.strip_prefix('<').and_then(|inside| inside.split_once('>'));
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
        };
        match label.filter(|(name, _)| is_name(name)) {
            Some((name, after)) => {
                if matches!(pieces.last(), Some(Piece::Label(_))) {
                    return Err("there must be a text between two names of a pattern".to_owned());
                }
                pieces.push(Piece::Label((name != "_").then(|| name.to_owned())));
                rest = after;
            }
            None => {
                let first = rest.chars().next().map_or(1, char::len_utf8);
                let later = rest.get(first..).and_then(|later| later.find('<'));
                let (literal, after) = rest.split_at(later.map_or(rest.len(), |at| at + first));
                match pieces.last_mut() {
                    Some(Piece::Text(before)) => before.push_str(literal),
                    _ => pieces.push(Piece::Text(literal.to_owned())),
                }
                rest = after;
            }
        }
        if pieces.len() > LIST_MAX {
            return Err(format!("a pattern has more than {LIST_MAX} parts"));
        }
    }
    if pieces.iter().any(|piece| matches!(piece, Piece::Label(Some(_)))) {
        Ok(pieces)
    } else {
        Err("a pattern must have a name, as <name>".to_owned())
    }
}

/// `{{.host}}: {{__line__}}`
fn template(text: &str) -> Parsed<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inside, after)) = after.split_once("}}") else {
            return Err("{{ is not closed".to_owned());
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        let name = inside.trim_matches(['-', ' ']);
        let own = ["__line__", "__timestamp__"].contains(&name).then_some(name);
        let label = name.strip_prefix('.').filter(|name| {
            !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
        });
        let Some(label) = own.or(label) else {
            let problem = "only {{.label}} is understood in a template, not ";
            return Err(format!("{problem}{{{{{inside}}}}}"));
        };
        pieces.push(Piece::Label(Some(label.to_owned())));
        if pieces.len() > LIST_MAX {
            return Err(format!("a template has more than {LIST_MAX} parts"));
        }
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}
