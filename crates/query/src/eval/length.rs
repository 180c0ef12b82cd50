//! Durations that are computed from what the query is asked with, and the times that selectors look at.

use super::{Context, Evaluated, fail};
use crate::{
    ast::{At, Computed, ComputedKind, Length, Operator, Shift},
    lexer::DURATION_MS_MAX,
    parser::position,
};

impl Context<'_> {
    /// A range or step in milliseconds, more than 0.
    pub(super) fn length(&self, length: &Length) -> Evaluated<i64> {
        let ms = self.offset(length)?;
        match length {
            Length::Computed(computed) if ms <= 0 => {
                self.misfit(computed, "duration must be greater than 0")
            }
            _ => Ok(ms),
        }
    }

    /// A duration of either sign in milliseconds.
    fn offset(&self, length: &Length) -> Evaluated<i64> {
        let computed = match length {
            Length::Fixed(ms) => return Ok(*ms),
            Length::Computed(computed) => computed,
        };
        let ms = (self.seconds(computed)? * 1e3).round();
        if ms.is_nan() || ms.abs() > DURATION_MS_MAX as f64 {
            return self.misfit(computed, "duration is out of range");
        }
        Ok(ms as i64)
    }

    fn misfit<T>(&self, computed: &Computed, message: &str) -> Evaluated<T> {
        let (line, column) = position(self.text, computed.start);
        fail(format!("{line}:{column}: {message}"))
    }

    fn seconds(&self, computed: &Computed) -> Evaluated<f64> {
        Ok(match &computed.kind {
            ComputedKind::Number { value, .. } => *value,
            ComputedKind::Step => self.step_seconds(),
            ComputedKind::Range => self.range_seconds(),
            ComputedKind::Negative(inner) => -self.seconds(inner)?,
            ComputedKind::Paren(inner) => self.seconds(inner)?,
            ComputedKind::Least(a, b) => self.seconds(a)?.min(self.seconds(b)?),
            ComputedKind::Most(a, b) => self.seconds(a)?.max(self.seconds(b)?),
            ComputedKind::Binary(operator, a, b) => {
                let (a, b) = (self.seconds(a)?, self.seconds(b)?);
                match operator {
                    Operator::Div if b == 0.0 => return self.misfit(computed, "division by zero"),
                    Operator::Mod if b == 0.0 => return self.misfit(computed, "modulo by zero"),
                    _ => super::binary::scalar(*operator, a, b),
                }
            }
        })
    }

    /// The step of the whole query; 0 of an instant.
    pub(super) fn step_seconds(&self) -> f64 {
        self.outer.step_ms as f64 / 1e3
    }

    /// From the first to the last step of the whole query.
    pub(super) fn range_seconds(&self) -> f64 {
        self.outer.end.0.saturating_sub(self.outer.start.0) as f64 / 1e3
    }

    /// The time that each step looks at, under `offset` and `@`.
    pub(super) fn times(&self, shift: &Shift) -> Evaluated<Vec<i64>> {
        self.check_size(1)?;
        let offset = shift.offset.as_ref().map_or(Ok(0), |offset| self.offset(offset))?;
        let fixed = match shift.at {
            Some(At::Start) => Some(self.outer.start.0),
            Some(At::End) => Some(self.outer.end.0),
            Some(At::Time(time)) => Some(time),
            None => None,
        };
        let time =
            |step: usize| fixed.unwrap_or_else(|| self.grid.time(step)).saturating_sub(offset);
        Ok((0..self.steps()).map(time).collect())
    }
}
