//! A picture as a list of primitives, which every back end can write.
//!
//! Light theme only: paper is white. Colours are the page's tokens, so that a hue means the same in both.

/// What something is coloured as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Text,
    Muted,
    Line,
    Paper,
    Accent,
    Good,
    Warning,
    Critical,
    /// 0 to 4, further ones begin anew.
    Series(usize),
}

impl Ink {
    pub fn rgb(self) -> [u8; 3] {
        const SERIES: [[u8; 3]; 5] = [
            [0x00, 0x72, 0xb2],
            [0xb3, 0x5c, 0x00],
            [0x00, 0x7a, 0x5a],
            [0xa3, 0x46, 0x8a],
            [0x3a, 0x86, 0xc8],
        ];
        match self {
            Self::Text => [0x1b, 0x1f, 0x24],
            Self::Muted => [0x57, 0x60, 0x6a],
            Self::Line => [0xd8, 0xde, 0xe4],
            Self::Paper => [0xff, 0xff, 0xff],
            Self::Accent => [0x07, 0x57, 0xb3],
            Self::Good => [0x1a, 0x7f, 0x37],
            Self::Warning => [0x8a, 0x5a, 0x00],
            Self::Critical => [0xb3, 0x26, 0x1e],
            Self::Series(number) => SERIES[number % SERIES.len()],
        }
    }

    /// `#rrggbb`
    pub fn hex(self) -> String {
        let [red, green, blue] = self.rgb();
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

/// Which part of a text is at its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anchor {
    #[default]
    Start,
    Middle,
    End,
}

/// One thing in a picture. Lengths are in points, y grows downwards.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Rect {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        ink: Ink,
        opacity: f32,
    },
    /// A line through points, dashed or not.
    Line {
        points: Vec<(f32, f32)>,
        ink: Ink,
        width: f32,
        is_dashed: bool,
    },
    /// A polygon.
    Area {
        points: Vec<(f32, f32)>,
        ink: Ink,
        opacity: f32,
    },
    Text(Text),
}

/// A line of text whose baseline begins, is centred, or ends at a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    pub x: f32,
    pub y: f32,
    pub size: f32,
    pub ink: Ink,
    pub anchor: Anchor,
    pub is_bold: bool,
    pub text: String,
}

/// A picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scene {
    pub width: f32,
    pub height: f32,
    /// What it shows, in words, for those who do not see it.
    pub title: String,
    pub items: Vec<Item>,
}

impl Scene {
    pub fn new(width: f32, height: f32, title: impl Into<String>) -> Self {
        Self { width, height, title: title.into(), items: Vec::new() }
    }

    pub fn rect(&mut self, (x, y): (f32, f32), (width, height): (f32, f32), ink: Ink) {
        self.shade((x, y), (width, height), ink, 1.0);
    }

    pub fn shade(&mut self, at: (f32, f32), size: (f32, f32), ink: Ink, opacity: f32) {
        let ((x, y), (width, height)) = (at, size);
        self.items.push(Item::Rect { x, y, width, height, ink, opacity });
    }

    pub fn line(&mut self, points: Vec<(f32, f32)>, ink: Ink, width: f32) {
        self.items.push(Item::Line { points, ink, width, is_dashed: false });
    }

    pub fn dashes(&mut self, points: Vec<(f32, f32)>, ink: Ink, width: f32) {
        self.items.push(Item::Line { points, ink, width, is_dashed: true });
    }

    pub fn area(&mut self, points: Vec<(f32, f32)>, ink: Ink, opacity: f32) {
        self.items.push(Item::Area { points, ink, opacity });
    }

    /// Text of the usual size for labels.
    pub fn label(&mut self, (x, y): (f32, f32), anchor: Anchor, ink: Ink, text: impl Into<String>) {
        let text = text.into();
        self.items.push(Item::Text(Text { x, y, size: LABEL, ink, anchor, is_bold: false, text }));
    }
}

/// Size of labels in points.
pub const LABEL: f32 = 8.0;

/// About how wide a text is: what lays pictures out does not know the font.
pub fn text_width(text: &str, size: f32) -> f32 {
    text.chars().map(|c| char_width(c) * size).sum()
}

fn char_width(c: char) -> f32 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | 'I' => 0.32,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.88,
        '0'..='9' => 0.63,
        'A'..='Z' => 0.68,
        c if (c as u32) < 0x2e80 => 0.6,
        _ => 1.0,
    }
}

/// As much of a text as fits, with a mark where it was cut.
pub fn fitted(text: &str, size: f32, width: f32) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut left = width - text_width("…", size);
    let fits = |c: &char| {
        left -= char_width(*c) * size;
        left >= 0.0
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_where_they_do_not_fit() {
        let check = |text: &str, width: f32, expected: &str| {
            assert_eq!(fitted(text, 10.0, width), expected, "{text} {width}");
        };
        check("abc", 100.0, "abc");
        check("abcdefgh", 25.0, "abc…");
        check("推理引擎状态", 40.0, "推理引…");
        check("abc", 0.0, "…");
        check("", 0.0, "");
    }
}
