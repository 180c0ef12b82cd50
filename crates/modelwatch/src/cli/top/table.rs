//! Rows and columns. On a narrow screen the least important columns go first.

use ratatui::layout::Rect;

use super::paint::{Ink, Paint, Piece, width};
use crate::cli::query::text::harmless;

/// One column.
pub(super) struct Column {
    pub(super) title: String,
    /// Columns with the highest rank are dropped first; those of rank 0 never.
    pub(super) rank: u8,
    /// Most cells of the terminal that it takes.
    pub(super) widest: u16,
    pub(super) is_right: bool,
    /// Takes what is left over.
    pub(super) grows: bool,
}

pub(super) fn left(title: String, rank: u8, widest: u16) -> Column {
    Column { title, rank, widest, is_right: false, grows: false }
}

pub(super) fn right(title: String, rank: u8, widest: u16) -> Column {
    Column { title, rank, widest, is_right: true, grows: false }
}

/// Cells of a row, each of one or more pieces.
pub(super) type Row = Vec<Vec<Piece>>;

pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    pub(super) chosen: Option<usize>,
    /// Said in the last line when rows are hidden.
    pub(super) more: fn(usize, &super::words::Words) -> String,
}

fn cell_width(cell: &[Piece]) -> u16 {
    cell.iter().map(|piece| width(&harmless(&piece.text))).fold(0, u16::saturating_add)
}

impl Table {
    /// Which columns are shown, and how wide.
    fn fit(&self, room: u16) -> Vec<(usize, u16)> {
        let natural = |(index, column): (usize, &Column)| {
            let cells =
                self.rows.iter().filter_map(|row| row.get(index)).map(|cell| cell_width(cell));
            (index, cells.chain([width(&column.title)]).max().unwrap_or(0).min(column.widest))
        };
        let mut fitting: Vec<(usize, u16)> = self.columns.iter().enumerate().map(natural).collect();
        let taken = |fitting: &[(usize, u16)]| {
            fitting.iter().map(|(_, width)| u32::from(*width) + 1).sum::<u32>().saturating_sub(1)
        };
        while taken(&fitting) > u32::from(room) {
            let rank = |(_, (index, _)): &(usize, &(usize, u16))| self.columns[*index].rank;
            let Some((place, _)) = fitting.iter().enumerate().rev().max_by_key(rank) else { break };
            if self.columns[fitting[place].0].rank == 0 {
                break;
            }
            fitting.remove(place);
        }
        let left = u32::from(room).saturating_sub(taken(&fitting));
        let growing = fitting.iter_mut().find(|(index, _)| self.columns[*index].grows);
        if let Some((_, width)) = growing {
            *width = width.saturating_add(u16::try_from(left).unwrap_or(0));
        }
        fitting
    }

    /// How wide the growing column would be.
    pub(super) fn growing_width(&self, room: u16) -> u16 {
        let fitting = self.fit(room);
        fitting.iter().find(|(index, _)| self.columns[*index].grows).map_or(0, |(_, width)| *width)
    }

    /// Draws a head and as many rows as there is room for, so that the chosen one is seen.
    pub(super) fn draw(&self, paint: &mut Paint<'_>, area: Rect, words: &super::words::Words) {
        if area.height == 0 || area.width == 0 {
            return;
        }
        let fitting = self.fit(area.width);
        let mut x = area.x;
        for (index, width) in &fitting {
            let column = &self.columns[*index];
            let room = (*width).min(area.right().saturating_sub(x));
            if column.is_right {
                paint.right(x, area.y, room, &column.title, Ink::Muted);
            } else {
                paint.put(x, area.y, room, &column.title, Ink::Muted);
            }
            x = x.saturating_add(width + 1);
        }
        let room = usize::from(area.height) - 1;
        // Where there is room for one line alone, it is a row.
        let hides = self.rows.len() > room && room > 1;
        let shown = if hides { room - 1 } else { self.rows.len().min(room) };
        let chosen = self.chosen.unwrap_or(0);
        let first = (chosen + 1).saturating_sub(shown);
        for (row, y) in self.rows.iter().enumerate().skip(first).take(shown).zip(area.y + 1..) {
            self.draw_row(paint, Rect { y, height: 1, ..area }, row, &fitting);
        }
        if hides {
            let text = (self.more)(self.rows.len() - shown, words);
            paint.put(area.x, area.bottom() - 1, area.width, &text, Ink::Muted);
        }
    }

    fn draw_row(
        &self,
        paint: &mut Paint<'_>,
        area: Rect,
        (number, row): (usize, &Row),
        fitting: &[(usize, u16)],
    ) {
        let mut x = area.x;
        for (index, width) in fitting {
            let room = (*width).min(area.right().saturating_sub(x));
            let cell = row.get(*index).map_or(&[][..], Vec::as_slice);
            let taken = cell_width(cell).min(room);
            let shift = if self.columns[*index].is_right { room - taken } else { 0 };
            paint.pieces(x + shift, area.y, room - shift, cell);
            x = x.saturating_add(width + 1);
        }
        if self.chosen == Some(number) {
            paint.mark(area);
        }
    }
}
