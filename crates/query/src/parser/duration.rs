//! Durations, and the arithmetic that may stand in their place.

use super::{DEPTH_MAX, Parsed, Parser};
use crate::{
    ast::{Computed, ComputedKind, Length, Operator},
    lexer::{DURATION_MS_MAX, Token},
};

/// Operators that durations know, all binding as they do elsewhere.
const KNOWN: [Operator; 6] =
    [Operator::Add, Operator::Sub, Operator::Mul, Operator::Div, Operator::Mod, Operator::Pow];
/// As a sign does before numbers.
const SIGN_BINDING: u8 = 6;

impl Parser<'_> {
    /// A range or step, which must be more than nothing.
    pub(super) fn length(&mut self, place: &str) -> Parsed<Length> {
        let start = self.start();
        let computed = self.computed(0, place)?;
        let length = self.fixed(computed, start)?;
        match length {
            Length::Fixed(..=0) => self.fail(start, "duration must be greater than 0"),
            length => Ok(length),
        }
    }

    /// Without parentheses an offset ends before the next operator.
    pub(super) fn offset(&mut self) -> Parsed<Length> {
        let start = self.start();
        let is_negative = self.eat("-");
        if !is_negative {
            self.eat("+");
        }
        let mut computed = self.computed_part("offset")?;
        if is_negative {
            computed = self.computed_of(ComputedKind::Negative(Box::new(computed)), start)?;
        }
        self.fixed(computed, start)
    }

    /// What is a plain number is known now.
    fn fixed(&self, computed: Computed, start: usize) -> Parsed<Length> {
        let Some((seconds, _)) = computed.literal() else {
            return Ok(Length::Computed(Box::new(computed)));
        };
        let ms = (seconds * 1e3).round();
        if ms.abs() > DURATION_MS_MAX as f64 || ms.is_nan() {
            return self.fail(start, "duration out of range");
        }
        Ok(Length::Fixed(ms as i64))
    }

    fn computed(&mut self, binding_min: u8, place: &str) -> Parsed<Computed> {
        self.deeper(|parser| {
            let mut left = parser.computed_part(place)?;
            while let Some((operator, binding)) = parser.operator()
                && binding >= binding_min
                && KNOWN.contains(&operator)
            {
                parser.at += 1;
                let next = if operator == Operator::Pow { binding } else { binding + 1 };
                let right = parser.computed(next, place)?;
                let start = left.start;
                let kind = ComputedKind::Binary(operator, Box::new(left), Box::new(right));
                left = parser.computed_of(kind, start)?;
            }
            Ok(left)
        })
    }

    fn computed_part(&mut self, place: &str) -> Parsed<Computed> {
        let start = self.start();
        let kind = match self.take() {
            Token::Number(value) => ComputedKind::Number { value, is_duration: false },
            Token::Duration(ms) => {
                ComputedKind::Number { value: ms as f64 / 1e3, is_duration: true }
            }
            Token::Symbol("-") => {
                ComputedKind::Negative(Box::new(self.computed(SIGN_BINDING, place)?))
            }
            Token::Symbol("+") => return self.computed(SIGN_BINDING, place),
            Token::Symbol("(") => {
                let inner = self.computed(0, place)?;
                self.expect(")", place)?;
                ComputedKind::Paren(Box::new(inner))
            }
            Token::Ident(word) => match word.to_ascii_lowercase().as_str() {
                word @ ("step" | "range") => {
                    self.expect("(", place)?;
                    self.expect(")", place)?;
                    if word == "step" { ComputedKind::Step } else { ComputedKind::Range }
                }
                word @ ("min_of" | "max_of") => {
                    self.expect("(", place)?;
                    let left = Box::new(self.computed(0, place)?);
                    self.expect(",", place)?;
                    let right = Box::new(self.computed(0, place)?);
                    self.expect(")", place)?;
                    let is_least = word == "min_of";
                    if is_least {
                        ComputedKind::Least(left, right)
                    } else {
                        ComputedKind::Most(left, right)
                    }
                }
                _ => {
                    self.at -= 1;
                    return self.unexpected(&format!("{place}, expected a duration"));
                }
            },
            _ => {
                self.at -= 1;
                return self.unexpected(&format!("{place}, expected a duration"));
            }
        };
        self.computed_of(kind, start)
    }

    /// A chain of operators is deep as well: its tree leans to one side.
    fn computed_of(&self, kind: ComputedKind, start: usize) -> Parsed<Computed> {
        let mut computed = Computed { kind, start, depth: 1 };
        let parts = computed.parts().into_iter().flatten();
        computed.depth += parts.map(|part| part.depth).max().unwrap_or(0);
        if computed.depth > DEPTH_MAX {
            return self.fail(start, "the duration is too long an expression");
        }
        Ok(computed)
    }
}
