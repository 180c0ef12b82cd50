//! Ink on cells: text that stays within its place, colours by meaning, small charts.
//!
//! No meaning is in a colour alone. Where there are no colours, weight and reversal stand in.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
    text::Span,
};

use crate::cli::query::text::harmless;

/// What a text is, which decides how it looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ink {
    #[default]
    Plain,
    Muted,
    Strong,
    /// Names of parts and columns.
    Title,
    Ok,
    Warn,
    Critical,
    Queue,
    Prefill,
    Decode,
    Load,
    Memory,
}

/// A text with its ink.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) ink: Ink,
}

pub(super) fn piece(text: impl Into<String>, ink: Ink) -> Piece {
    Piece { text: text.into(), ink }
}

/// Columns of a terminal that a text takes.
pub(super) fn width(text: &str) -> u16 {
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

/// As much of the beginning as fits, with a mark where something is missing.
pub(super) fn cut(text: &str, columns: u16) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for character in text.chars() {
        let wide = width(character.encode_utf8(&mut [0; 4]));
        if used + wide > columns.saturating_sub(1) {
            break;
        }
        used += wide;
        kept.push(character);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// The cells of one frame.
pub(super) struct Paint<'a> {
    buffer: &'a mut Buffer,
    has_colour: bool,
}

impl<'a> Paint<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, has_colour: bool) -> Self {
        Self { buffer, has_colour }
    }

    pub(super) fn area(&self) -> Rect {
        self.buffer.area
    }

    fn style(&self, ink: Ink) -> Style {
        let plain = Style::new();
        match (ink, self.has_colour) {
            (Ink::Plain, _) => plain,
            (Ink::Muted, _) => plain.add_modifier(Modifier::DIM),
            (Ink::Strong, _) => plain.add_modifier(Modifier::BOLD),
            (Ink::Title, true) => plain.fg(Color::Cyan),
            (Ink::Ok, true) => plain.fg(Color::Green),
            (Ink::Warn, true) => plain.fg(Color::Yellow),
            (Ink::Critical, true) => plain.fg(Color::Red).add_modifier(Modifier::BOLD),
            (Ink::Queue, true) => plain.fg(Color::Yellow),
            (Ink::Prefill, true) => plain.fg(Color::Blue),
            (Ink::Decode, true) => plain.fg(Color::Green),
            (Ink::Load, true) => plain.fg(Color::Blue),
            (Ink::Memory, true) => plain.fg(Color::Magenta),
            (Ink::Title | Ink::Warn, false) => plain.add_modifier(Modifier::BOLD),
            (Ink::Critical, false) => plain.add_modifier(Modifier::BOLD | Modifier::REVERSED),
            (_, false) => plain,
        }
    }

    /// Writes within the next `columns` of a line and returns how many were taken. What does not fit is cut.
    pub(super) fn put(&mut self, x: u16, y: u16, columns: u16, text: &str, ink: Ink) -> u16 {
        let area = self.buffer.area;
        if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
            return 0;
        }
        let columns = columns.min(area.right() - x);
        let text = cut(&harmless(text), columns);
        let style = self.style(ink);
        let (end, _) = self.buffer.set_stringn(x, y, text, usize::from(columns), style);
        end.saturating_sub(x)
    }

    /// Writes several texts one behind the other.
    pub(super) fn pieces(&mut self, x: u16, y: u16, columns: u16, pieces: &[Piece]) -> u16 {
        let mut used = 0;
        for Piece { text, ink } in pieces {
            used += self.put(x + used, y, columns.saturating_sub(used), text, *ink);
        }
        used
    }

    /// The same, ending at the right edge of its place.
    pub(super) fn right(&mut self, x: u16, y: u16, columns: u16, text: &str, ink: Ink) {
        let shown = width(&harmless(text)).min(columns);
        self.put(x + (columns - shown), y, shown, text, ink);
    }

    /// A line with a name, above a part of the screen.
    pub(super) fn rule(&mut self, area: Rect, title: &str, note: &str) {
        if area.height == 0 {
            return;
        }
        let line = "─".repeat(usize::from(area.width));
        self.put(area.x, area.y, area.width, &line, Ink::Muted);
        let room = area.width.saturating_sub(2);
        let used = self.put(area.x + 1, area.y, room, &format!(" {title} "), Ink::Title);
        if !note.is_empty() && used < room {
            self.put(area.x + 1 + used, area.y, room - used, &format!("· {note} "), Ink::Muted);
        }
    }

    /// Turns a line around: it is the chosen one.
    pub(super) fn mark(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        self.buffer.set_style(area, Style::new().add_modifier(Modifier::REVERSED));
    }

    /// Greys everything: what is shown is old.
    pub(super) fn fade(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        let grey = Style::reset().add_modifier(Modifier::DIM);
        self.buffer.set_style(area, grey);
    }

    /// Empties a part, for what lies over it.
    pub(super) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                }
            }
        }
    }
}

/// Replaces what only some terminals can show by what all can.
pub(super) fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let Some(first) = cell.symbol().chars().next() else { continue };
        let plain = match first {
            '─' => '-',
            '→' => '>',
            '│' => '|',
            '…' => '~',
            '–' | '·' => '-',
            '●' => '*',
            '▲' | '✖' => '!',
            '○' => 'o',
            '▶' => '>',
            '⏎' => '.',
            '°' => ' ',
            '↓' => 'v',
            '↑' => '^',
            '▁' | '⣀'..='⣠' => '_',
            '░' | '▒' => '.',
            '▂'..='▄' => '-',
            '▅'..='▇' => '=',
            '▓' => '+',
            '█' => '#',
            '\u{2800}' => ' ',
            '\u{2801}'..='\u{28ff}' => '.',
            _ => continue,
        };
        cell.set_symbol(plain.encode_utf8(&mut [0; 4]));
    }
}

/// A share of a length, in whole cells; what is more than nothing has one.
pub(super) fn bar(share: f64, columns: usize) -> String {
    let share = share.clamp(0.0, 1.0);
    let full = (share * columns as f64).round() as usize;
    let full = if share > 0.0 { full.max(1) } else { full }.min(columns);
    format!("{}{}", "█".repeat(full), "░".repeat(columns - full))
}

/// How long a value stands for what came after it.
const HOLD_MS: i64 = 15_000;

/// The largest value of each of `columns` equal parts of the time from `start` to `end`.
fn largest(points: &[(i64, f64)], start: i64, end: i64, columns: usize) -> Vec<Option<f64>> {
    let mut found: Vec<Option<f64>> = vec![None; columns];
    let span = i128::from(end) - i128::from(start);
    if span <= 0 {
        return found;
    }
    let place = |time: i64| {
        let at = (i128::from(time) - i128::from(start) - 1) * columns as i128 / span;
        usize::try_from(at).ok().filter(|at| *at < columns)
    };
    let mut before: Option<(i64, f64)> = None;
    for (time, value) in points.iter().filter(|(_, value)| value.is_finite()) {
        let Some(at) = place(*time) else { continue };
        found[at] = Some(found[at].map_or(*value, |known| known.max(*value)));
        // A value holds until the next, unless that is long in coming.
        if let Some((then, held)) = before.filter(|(then, _)| time.saturating_sub(*then) <= HOLD_MS)
        {
            let from = place(then).map_or(at, |from| from + 1);
            found.iter_mut().take(at).skip(from).for_each(|between| *between = Some(held));
        }
        before = Some((*time, *value));
    }
    found
}

/// One line of blocks from nothing to the largest value; blank where there is no value.
pub(super) fn spark(points: &[(i64, f64)], start: i64, end: i64, columns: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values = largest(points, start, end, columns);
    let top = values.iter().flatten().copied().fold(0.0, f64::max);
    let block = |value: &Option<f64>| {
        let Some(value) = value else { return ' ' };
        let share = if top > 0.0 { (value / top).clamp(0.0, 1.0) } else { 0.0 };
        BLOCKS.get((share * 7.0).round() as usize).copied().unwrap_or('█')
    };
    values.iter().map(block).collect()
}

/// Lines of braille, top first, of two points a cell across and four down, from nothing to `top`.
///
/// Of several lines the largest value at each moment is drawn.
pub(super) fn braille(
    of: &[&[(i64, f64)]],
    (start, end): (i64, i64),
    top: f64,
    (columns, lines): (usize, usize),
) -> Vec<String> {
    const DOTS: [[u32; 4]; 2] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];
    let mut cells = vec![vec![0_u32; columns]; lines];
    let mut values: Vec<Option<f64>> = vec![None; columns * 2];
    for points in of {
        for (most, value) in values.iter_mut().zip(largest(points, start, end, columns * 2)) {
            *most = most.iter().copied().chain(value).reduce(f64::max);
        }
    }
    let mut before: Option<usize> = None;
    for (at, value) in values.iter().enumerate() {
        let height = lines * 4;
        let level = |value: f64| {
            let share = if top > 0.0 { (value / top).clamp(0.0, 1.0) } else { 0.0 };
            ((share * (height.saturating_sub(1)) as f64).round() as usize).min(height - 1)
        };
        let Some(now) = value.filter(|_| height > 0).map(level) else {
            before = None;
            continue;
        };
        // Joined to its neighbour, so that a spike is a line.
        let from = before.map_or(now, |before| before.min(now));
        let to = before.map_or(now, |before| before.max(now));
        for dot in from..=to {
            let line = lines - 1 - dot / 4;
            if let Some(cell) = cells.get_mut(line).and_then(|line| line.get_mut(at / 2)) {
                *cell |= DOTS[at % 2][dot % 4];
            }
        }
        before = Some(now);
    }
    let symbol = |cell: &u32| char::from_u32(0x2800 + cell).filter(|_| *cell > 0).unwrap_or(' ');
    cells.iter().map(|line| line.iter().map(symbol).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_lines() {
        assert_eq!(bar(0.0, 4), "░░░░");
        assert_eq!(bar(0.001, 4), "█░░░");
        assert_eq!(bar(0.5, 4), "██░░");
        assert_eq!(bar(7.0, 4), "████");
        assert_eq!(bar(0.5, 0), "");
        let points = [(10_000, 0.0), (20_000, 4.0), (40_000, 8.0), (90_000, f64::NAN)];
        assert_eq!(spark(&points, 0, 50_000, 5), "▁▅ █ ");
        assert_eq!(spark(&points, 0, 50_000, 10), " ▁▁▅   █  ", "held for a while");
        assert_eq!(spark(&[(1_000, 0.0)], 0, 1_000, 1), "▁");
        assert_eq!(spark(&points, 5, 5, 3), "   ");
        assert_eq!(braille(&[&points], (0, 40_000), 8.0, (2, 1)), ["⣰⠈"]);
        // Lines that take turns in being the largest, in any order.
        let other = [(10_000, 8.0), (20_000, 0.0), (30_000, 8.0), (40_000, 0.0)];
        for of in [[&points[..], &other[..]], [&other[..], &points[..]]] {
            assert_eq!(braille(&of, (0, 40_000), 8.0, (2, 1)), ["⠙⠋"]);
        }
        assert_eq!(braille(&[&[]], (0, 1), 1.0, (2, 2)), ["  ", "  "]);
        assert_eq!(braille(&[&points], (0, 40_000), 8.0, (2, 0)), Vec::<String>::new());
    }

    #[test]
    fn texts_are_cut_by_columns() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("模型名称", 4), "模…");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn ascii_shows_as_much_as_it_can() {
        let mut buffer = Buffer::with_lines(["─▲ 模 ██░ – ⡰"]);
        to_ascii(&mut buffer);
        let line: String = buffer.content.iter().map(|cell| cell.symbol()).collect();
        assert_eq!(line, "-! 模  ##. - .");
    }
}
