//! Rows of a block counted by groups.

use std::{collections::HashMap, io};

use super::{
    find::Found,
    read::{Block, Template},
};
use crate::events::schema::FieldType;

/// By what rows are grouped.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    /// The field at a position, a keyword or the pattern.
    Field(usize),
    /// The attribute of this name.
    Attribute(&'a str),
    /// A step of time in milliseconds.
    Time(i64),
}

/// What the rows of a group have in common, in the order that was asked for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Code {
    Absent,
    Text(Box<str>),
    Time(i64),
}

/// What is counted of a group.
#[derive(Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    /// Of the first and the last row.
    pub(crate) times: (i64, i64),
}

impl Default for Tally {
    fn default() -> Self {
        Self { count: 0, times: (i64::MAX, i64::MIN) }
    }
}

impl Tally {
    fn add(&mut self, time: Option<i64>) {
        self.count += 1;
        if let Some(time) = time {
            self.times = (self.times.0.min(time), self.times.1.max(time));
        }
    }
}

/// The value of each row, as numbers of what is in `codes`.
struct Column {
    codes: Vec<Code>,
    rows: Rows,
}

enum Rows {
    /// The code of a stream or template decides.
    Streams(Vec<u32>),
    Templates(Vec<u32>),
    Each(Vec<u32>),
}

impl Block<'_> {
    /// How many of the rows are in which group, and the times of the first and last of each, where these are wanted.
    pub(crate) fn counted(
        &self,
        found: &Found,
        by: &[By<'_>],
        has_times: bool,
    ) -> io::Result<Vec<(Vec<Code>, Tally)>> {
        if by.is_empty() && !has_times {
            return Ok(vec![(Vec::new(), Tally { count: found.count(), ..Tally::default() })]);
        }
        let times = if has_times { self.times()? } else { Default::default() };
        let columns =
            by.iter().map(|by| self.column(*by, found)).collect::<io::Result<Vec<_>>>()?;
        let mut totals: Vec<Tally> = Vec::new();
        let sizes: Vec<usize> = columns.iter().map(|column| column.codes.len()).collect();
        let product = sizes.iter().try_fold(1_usize, |all, size| all.checked_mul(*size));
        let mut sparse: HashMap<Vec<u32>, Tally> = HashMap::new();
        // A table is faster than a hash map as long as it is not mostly empty.
        let table = product.filter(|product| *product <= 4 * self.rows() as usize + 1_024);
        totals.resize(table.unwrap_or(0), Tally::default());
        let (streams, templates) = (self.streams()?, self.templates()?);
        let code = |column: &Column, row: usize| match &column.rows {
            Rows::Streams(codes) => codes.get(streams.get(row)).copied().unwrap_or(0),
            Rows::Templates(codes) => codes.get(templates.get(row)).copied().unwrap_or(0),
            Rows::Each(codes) => codes.get(row).copied().unwrap_or(0),
        };
        found.each(|row| {
            let time = times.get(row).copied();
            if table.is_some() {
                let at = columns
                    .iter()
                    .zip(&sizes)
                    .fold(0, |at, (column, size)| at * size + code(column, row) as usize);
                if let Some(total) = totals.get_mut(at) {
                    total.add(time);
                }
            } else {
                let key = columns.iter().map(|column| code(column, row)).collect();
                sparse.entry(key).or_default().add(time);
            }
        });
        let named = |codes: &[u32]| {
            let named = columns.iter().zip(codes);
            let named = named.map(|(column, code)| column.codes.get(*code as usize).cloned());
            named.map(|code| code.unwrap_or(Code::Absent)).collect::<Vec<Code>>()
        };
        let mut groups: Vec<(Vec<Code>, Tally)> =
            sparse.into_iter().map(|(codes, tally)| (named(&codes), tally)).collect();
        for (at, tally) in totals.into_iter().enumerate().filter(|(_, tally)| tally.count > 0) {
            let mut codes = vec![0; sizes.len()];
            let mut left = at;
            for (code, size) in codes.iter_mut().zip(&sizes).rev() {
                *code = (left % size) as u32;
                left /= size;
            }
            groups.push((named(&codes), tally));
        }
        Ok(groups)
    }

    /// Tells each word of a field, and the largest value of a count among its rows.
    pub(crate) fn largest(
        &self,
        (word, count): (usize, usize),
        tell: &mut impl FnMut(&str, u64),
    ) -> io::Result<()> {
        let words: Vec<Option<&str>> =
            self.dictionary()?.streams().map(|stream| stream.get(word)).collect();
        if words.iter().all(Option::is_none) {
            return Ok(());
        }
        let counts = self.counts(count)?;
        let mut largest = vec![0; words.len()];
        self.streams()?.each(|row, stream| {
            if let (Some(largest), Some(count)) = (largest.get_mut(stream), counts.get(row)) {
                *largest = (*count).max(*largest);
            }
        });
        for (word, largest) in words.into_iter().zip(largest) {
            if let (Some(word), Some(largest)) = (word, largest.checked_sub(1)) {
                tell(word, largest);
            }
        }
        Ok(())
    }

    fn column(&self, by: By<'_>, found: &Found) -> io::Result<Column> {
        let mut codes = vec![Code::Absent];
        let mut known: HashMap<Code, u32> = HashMap::new();
        let mut code_of = |code: Code| {
            *known.entry(code.clone()).or_insert_with(|| {
                codes.push(code);
                codes.len() as u32 - 1
            })
        };
        let rows = match by {
            By::Time(step) => {
                let times = self.times()?;
                let (mut each, mut last) = (vec![0; times.len()], (0..0, 0));
                found.each(|row| {
                    let (Some(time), Some(place)) = (times.get(row), each.get_mut(row)) else {
                        return;
                    };
                    // Neighbours are mostly of one step.
                    if !last.0.contains(time) {
                        let begin = time.div_euclid(step) * step;
                        let end = begin.saturating_add(step);
                        last = (begin..end, code_of(Code::Time(begin)));
                    }
                    *place = last.1;
                });
                Rows::Each(each)
            }
            By::Attribute(name) => {
                let mut of = |value: &str| code_of(Code::Text(value.into()));
                Rows::Each(self.attribute(name, found, &mut of)?)
            }
            By::Field(position) => {
                let field_type = self.schema.fields.get(position).map(|field| field.field_type);
                let dictionary = self.dictionary()?;
                let mut of =
                    |text: Option<&str>| text.map_or(0, |text| code_of(Code::Text(text.into())));
                match field_type {
                    Some(FieldType::Pattern) => self.patterns(found, &mut of)?,
                    Some(FieldType::Count) => {
                        let counts = self.counts(position)?;
                        let text =
                            |count: &u64| count.checked_sub(1).map(|count| count.to_string());
                        Rows::Each(counts.iter().map(|count| of(text(count).as_deref())).collect())
                    }
                    _ => {
                        let streams = dictionary.streams();
                        Rows::Streams(streams.map(|stream| of(stream.get(position))).collect())
                    }
                }
            }
        };
        Ok(Column { codes, rows })
    }

    fn attribute(
        &self,
        name: &str,
        found: &Found,
        of: &mut dyn FnMut(&str) -> u32,
    ) -> io::Result<Vec<u32>> {
        let templates = &self.dictionary()?.templates;
        let slot = |template: &Template| {
            let at = template.names.iter().position(|known| &**known == name)?;
            Some(template.slots() + at)
        };
        let slots: Vec<Option<usize>> = templates.iter().map(slot).collect();
        let mut each = vec![0; self.rows() as usize];
        if slots.iter().all(Option::is_none) {
            return Ok(each);
        }
        let (ids, ordinals) = (self.templates()?, self.ordinals()?);
        let mut groups = vec![None; templates.len()];
        let mut result = Ok(());
        found.each(|row| {
            let id = ids.get(row);
            let Some(slot) = slots.get(id).copied().flatten() else { return };
            let (Some(place), Some(group)) = (each.get_mut(row), groups.get_mut(id)) else {
                return;
            };
            if group.is_none() {
                match self.group(id) {
                    Ok(read) => *group = Some(read),
                    Err(error) => result = Err(error),
                }
            }
            if let (Some(group), Some(ordinal)) = (group, ordinals.get(row)) {
                *place = of(group.value(slot, *ordinal));
            }
        });
        result.map(|()| each)
    }

    fn patterns(&self, found: &Found, of: &mut dyn FnMut(Option<&str>) -> u32) -> io::Result<Rows> {
        let templates = &self.dictionary()?.templates;
        let all_known = templates.iter().all(|template| template.pattern.is_some());
        if all_known {
            let pattern =
                |template: &Template| of(template.pattern.as_deref().filter(|p| !p.is_empty()));
            return Ok(Rows::Templates(templates.iter().map(pattern).collect()));
        }
        let mut each = vec![0; self.rows() as usize];
        let (mut body, mut result) = (String::new(), Ok(()));
        found.each(|row| match self.pattern(row, &mut body) {
            Ok(pattern) => {
                if let Some(place) = each.get_mut(row).filter(|_| !pattern.is_empty()) {
                    *place = of(Some(&pattern));
                }
            }
            Err(error) => result = Err(error),
        });
        result.map(|()| Rows::Each(each))
    }
}
