//! Tables on pages: widths of columns, rows that do not tear, headers that are repeated.

use super::layout::{INNER, Layout, MARGIN, Role, Style, ink};
use crate::{
    document::{Align, Cell, Table},
    scene::{Anchor, Ink, Item},
};

const SIZE: f32 = 7.8;
const LINE: f32 = SIZE * 1.36;
/// Above and below the text of a row.
const PAD: f32 = 2.6;
/// Tables of so many rows stay on one page.
const WHOLE_ROWS: usize = 6;
/// Texts of so many characters stay on one line, such as times.
const WHOLE_CHARS: usize = 16;
/// Names of columns are broken only if they are longer.
const WHOLE_NAME: f32 = 34.0;
/// Lines of a cell; what is longer is cut. Rows do not tear, and one must fit on a page.
const LINES_MAX: usize = 30;
/// Between columns.
const GUTTER: f32 = 7.0;

pub(super) fn table(layout: &mut Layout<'_>, table: &Table) {
    let widths = widths(layout, table);
    let group = layout.group(Role::Table, None);
    // A short table is not torn.
    let rows = table.rows.len().min(WHOLE_ROWS) as f32;
    layout.need(LINE * 2.0 + rows * (LINE + 2.0 * PAD));
    header(layout, table, &widths, Some(group));
    for row in &table.rows {
        let lines = wrapped(layout, row.iter().map(|cell| cell.text.as_str()), &widths);
        let height = height(&lines);
        if !layout.has_room(height) {
            layout.new_page();
            // Repeated for the eye; who is read to has heard it.
            header(layout, table, &widths, None);
        }
        let parent = Some(layout.group(Role::Row, Some(group)));
        for (column, (cell, lines)) in row.iter().zip(&lines).enumerate() {
            let group = layout.group(Role::Cell, parent);
            put(layout, table, &widths, column, Some(group), lines, cell);
        }
        layout.y += height;
        rule(layout, Ink::Line, 0.5);
    }
    if !table.omitted.is_empty() {
        let group = layout.group(Role::Paragraph, None);
        let style = Style { ink: Ink::Muted, ..Style::of(SIZE) };
        layout.text(Some(group), (MARGIN, layout.y + PAD), &table.omitted, style);
        layout.y += LINE + PAD;
    }
    layout.y += 8.0;
}

fn header(layout: &mut Layout<'_>, table: &Table, widths: &[f32], group: Option<usize>) {
    let lines = wrapped(layout, table.columns.iter().map(|(name, _)| name.as_str()), widths);
    let height = height(&lines);
    let parent = group.map(|group| layout.group(Role::Row, Some(group)));
    for (column, lines) in lines.iter().enumerate() {
        let group = parent.map(|parent| layout.group(Role::HeaderCell, Some(parent)));
        let begin = layout.y;
        // Names of columns stand at the bottom of their row.
        layout.y += height - lines.len() as f32 * LINE - 2.0 * PAD;
        put(layout, table, widths, column, group, lines, &Cell::default());
        layout.y = begin;
    }
    layout.y += height;
    rule(layout, Ink::Text, 0.8);
}

fn rule(layout: &mut Layout<'_>, ink: Ink, width: f32) {
    let points = vec![(MARGIN, layout.y), (MARGIN + INNER, layout.y)];
    layout.put(None, Item::Line { points, ink, width, is_dashed: false });
}

fn height(lines: &[Vec<String>]) -> f32 {
    let most = lines.iter().map(Vec::len).max().unwrap_or(1).max(1);
    most as f32 * LINE + 2.0 * PAD
}

fn wrapped<'a>(
    layout: &Layout<'_>,
    texts: impl Iterator<Item = &'a str>,
    widths: &[f32],
) -> Vec<Vec<String>> {
    // A hair more than reckoned, so that a text that fits exactly is not broken by rounding.
    let lines = |(text, width): (&str, &f32)| layout.faces.lines(text, SIZE, width + 0.1);
    texts.zip(widths).map(|text| cut(lines(text))).collect()
}

/// As many lines as a cell may have; the last says whether there were more.
fn cut(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > LINES_MAX {
        lines.truncate(LINES_MAX);
        if let Some(last) = lines.last_mut() {
            last.pop();
            last.push('…');
        }
    }
    lines
}

fn put(
    layout: &mut Layout<'_>,
    table: &Table,
    widths: &[f32],
    column: usize,
    group: Option<usize>,
    lines: &[String],
    cell: &Cell,
) {
    let left = MARGIN + widths.iter().take(column).map(|width| width + GUTTER).sum::<f32>();
    let width = widths.get(column).copied().unwrap_or(0.0);
    let is_right = matches!(table.columns.get(column), Some((_, Align::Right)));
    let (x, anchor) = if is_right { (left + width, Anchor::End) } else { (left, Anchor::Start) };
    let is_header = cell.text.is_empty() && !lines.iter().all(String::is_empty);
    let ink = if is_header { Ink::Muted } else { ink(cell.trend) };
    let style = Style { ink, is_bold: is_header, anchor, ..Style::of(SIZE) };
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let y = layout.y + PAD + number as f32 * LINE;
        layout.text(group, (x, y), line, style);
    }
}

/// As wide as their texts where that fits, else the widest of them narrower, but no word broken if it can be helped.
fn widths(layout: &Layout<'_>, table: &Table) -> Vec<f32> {
    let room = INNER - GUTTER * table.columns.len().saturating_sub(1) as f32;
    let texts = |column: usize| {
        table.rows.iter().filter_map(move |row| Some(row.get(column)?.text.as_str()))
    };
    let faces = layout.faces;
    let wanted = |column: usize, name: &str| {
        let widest = texts(column).map(|text| faces.width(text, SIZE)).fold(0.0, f32::max);
        // Long names of columns may be broken, short ones not.
        let whole = faces.width(name, SIZE).min(WHOLE_NAME);
        widest.max(faces.widest_piece(name, SIZE).max(whole) * 1.03)
    };
    let least = |column: usize, name: &str| {
        let piece = |text: &str| match text.chars().count() {
            count if count <= WHOLE_CHARS => faces.width(text, SIZE),
            _ => faces.widest_piece(text, SIZE),
        };
        let pieces = texts(column).map(piece);
        pieces.fold(faces.widest_piece(name, SIZE) * 1.03, f32::max).min(room * 0.4)
    };
    let columns: Vec<(f32, f32)> = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, (name, align))| {
            let wanted = wanted(at, name);
            // Numbers are not broken.
            let least = if *align == Align::Right { wanted } else { least(at, name) };
            (wanted, least.min(wanted))
        })
        .collect();
    share(&columns, room)
}

/// Shares a room among columns that want so much and need at least so much.
fn share(columns: &[(f32, f32)], room: f32) -> Vec<f32> {
    let wanted: f32 = columns.iter().map(|(wanted, _)| wanted).sum();
    let least: f32 = columns.iter().map(|(_, least)| least).sum();
    if wanted <= room {
        // What is left goes to all alike, so that tables are as wide as the page.
        let more = (room - wanted) / columns.len().max(1) as f32;
        return columns.iter().map(|(wanted, _)| wanted + more).collect();
    }
    if least >= room {
        return columns.iter().map(|(_, own)| own * room / least).collect();
    }
    let part = (room - least) / (wanted - least);
    columns.iter().map(|(wanted, least)| least + (wanted - least) * part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdf::layout::BOTTOM;

    #[test]
    fn no_cell_is_taller_than_a_page() {
        let lines = |count: usize| vec!["word".to_owned(); count];
        assert_eq!(cut(lines(LINES_MAX)), lines(LINES_MAX));
        let long = cut(lines(5_000));
        assert_eq!((long.len(), long.last().map(String::as_str)), (LINES_MAX, Some("wor…")));
        assert!(height(&[long]) < (BOTTOM - MARGIN) / 2.0);
    }

    #[test]
    fn columns_share_the_page() {
        let check = |columns: &[(f32, f32)], expected: &[f32]| {
            let found = share(columns, 100.0);
            let is_near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.01);
            assert!(is_near && found.len() == expected.len(), "{found:?}");
        };
        check(&[(20.0, 10.0), (40.0, 10.0)], &[40.0, 60.0]);
        check(&[(40.0, 40.0), (160.0, 20.0)], &[40.0, 60.0]);
        check(&[(100.0, 50.0), (100.0, 50.0)], &[50.0, 50.0]);
        check(&[], &[]);
    }
}
