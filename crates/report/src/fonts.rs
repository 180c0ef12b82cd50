//! The fonts that PDF and PNG are written with: the first that has a character draws it.
//!
//! Text is laid out a character at a time, without shaping: right for Latin, Greek, Cyrillic and Chinese, wrong for
//! scripts whose letters join. A character that no font has is drawn as U+FFFD, and the document says so.

use std::{cell::RefCell, collections::BTreeSet, sync::Arc};

use model::message::Language;
use skrifa::{
    FontRef, GlyphId, MetadataProvider as _,
    charmap::Charmap,
    instance::{LocationRef, Size},
    metrics::GlyphMetrics,
};

const REPLACEMENT: char = '\u{fffd}';

/// Files of fonts that can be read.
#[derive(Clone)]
pub struct Fonts {
    files: Vec<File>,
}

#[derive(Clone)]
struct File {
    data: Arc<Vec<u8>>,
    /// In a collection of fonts.
    index: u32,
}

impl Fonts {
    /// From the contents of files, each with the index of a font in it. Those that cannot be read are left out;
    /// nothing if none can.
    pub fn new(files: impl IntoIterator<Item = (Arc<Vec<u8>>, u32)>) -> Option<Self> {
        let files = files.into_iter().map(|(data, index)| File { data, index });
        let is_font = |file: &File| FontRef::from_index(&file.data, file.index).is_ok();
        let files: Vec<File> = files.filter(is_font).collect();
        (!files.is_empty()).then_some(Self { files })
    }

    /// Whether a text in this language can be written.
    pub fn can_write(&self, language: Language) -> bool {
        let sample = match language {
            Language::English => "ao",
            Language::Chinese => "的延迟",
        };
        let faces = self.faces();
        sample.chars().all(|c| !faces.place(c).is_replacement)
    }

    pub(crate) fn faces(&self) -> Faces<'_> {
        fn face(file: &File) -> Option<Face<'_>> {
            let font = FontRef::from_index(&file.data, file.index).ok()?;
            let per_em = font.metrics(Size::unscaled(), LocationRef::default()).units_per_em;
            Some(Face {
                charmap: font.charmap(),
                metrics: font.glyph_metrics(Size::unscaled(), LocationRef::default()),
                per_em: f32::from(per_em).max(1.0),
                font,
            })
        }
        let faces = self.files.iter().filter_map(face).collect();
        Faces { faces, missing: RefCell::default() }
    }

    /// The contents of each file with the index of the font in it, in the order of [`Placed::face`].
    pub(crate) fn files(&self) -> impl Iterator<Item = (Arc<Vec<u8>>, u32)> + '_ {
        self.files.iter().map(|file| (Arc::clone(&file.data), file.index))
    }
}

pub(crate) struct Face<'a> {
    charmap: Charmap<'a>,
    metrics: GlyphMetrics<'a>,
    per_em: f32,
    font: FontRef<'a>,
}

/// A character with the glyph that draws it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    /// Which font.
    pub(crate) face: usize,
    pub(crate) glyph: GlyphId,
    /// In ems.
    pub(crate) advance: f32,
    /// It stands for another that no font has.
    pub(crate) is_replacement: bool,
}

pub(crate) struct Faces<'a> {
    faces: Vec<Face<'a>>,
    /// Characters that no font has.
    missing: RefCell<BTreeSet<char>>,
}

impl Faces<'_> {
    fn find(&self, c: char) -> Option<Placed> {
        self.faces.iter().enumerate().find_map(|(number, face)| {
            let glyph = face.charmap.map(c).filter(|glyph| glyph.to_u32() > 0)?;
            let advance = face.metrics.advance_width(glyph)? / face.per_em;
            Some(Placed { face: number, glyph, advance, is_replacement: false })
        })
    }

    pub(crate) fn font(&self, face: usize) -> Option<&FontRef<'_>> {
        self.faces.get(face).map(|face| &face.font)
    }

    pub(crate) fn place(&self, c: char) -> Placed {
        // Spaces of other widths and hyphens that do not break are in few fonts.
        let plain = match c {
            '\t' | '\n' | '\r' | '\u{a0}' | '\u{2009}' | '\u{202f}' => ' ',
            '\u{2011}' => '-',
            other => other,
        };
        let replaced = || {
            let found = self.find(REPLACEMENT).or_else(|| self.find('?'));
            found.map(|placed| Placed { is_replacement: true, ..placed })
        };
        let missing =
            Placed { face: 0, glyph: GlyphId::NOTDEF, advance: 0.5, is_replacement: true };
        self.find(plain).unwrap_or_else(|| {
            self.missing.borrow_mut().insert(c);
            replaced().unwrap_or(missing)
        })
    }

    /// How many different characters were looked for and not found.
    pub(crate) fn missing(&self) -> usize {
        self.missing.borrow().len()
    }

    pub(crate) fn width(&self, text: &str, size: f32) -> f32 {
        text.chars().map(|c| self.place(c).advance * size).sum()
    }

    /// A text in lines of a width. Words stay whole where they fit into a line; Chinese breaks between any two
    /// characters but before those that end something.
    pub(crate) fn lines(&self, text: &str, size: f32, width: f32) -> Vec<String> {
        let mut lines = Vec::new();
        let (mut line, mut used) = (String::new(), 0.0);
        for piece in pieces(text) {
            let wide = self.width(piece, size);
            let is_full = used > 0.0 && used + self.width(piece.trim_end(), size) > width;
            if is_full {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            if used == 0.0 && wide > width {
                // Longer than a line: broken wherever it has to be.
                for c in piece.chars() {
                    let advance = self.place(c).advance * size;
                    if used > 0.0 && used + advance > width {
                        lines.push(std::mem::take(&mut line));
                        used = 0.0;
                    }
                    line.push(c);
                    used += advance;
                }
                continue;
            }
            line.push_str(piece);
            used += wide;
        }
        if !line.is_empty() || lines.is_empty() {
            lines.push(line);
        }
        lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
    }

    /// The widest part of a text that should not be broken.
    pub(crate) fn widest_piece(&self, text: &str, size: f32) -> f32 {
        pieces(text).into_iter().map(|piece| self.width(piece.trim_end(), size)).fold(0.0, f32::max)
    }
}

/// Where a text may be broken: behind spaces and some marks, and around Chinese characters.
fn pieces(text: &str) -> Vec<&str> {
    let is_wide = |c: char| (c as u32) >= 0x2e80;
    let is_end = |c: char| "，。、；：！？）》」』】”’…,.;:!?)%".contains(c);
    let is_begin = |c: char| "（《「『【“‘(".contains(c);
    let mut found = Vec::new();
    let mut begin = 0;
    let mut last: Option<char> = None;
    for (at, c) in text.char_indices() {
        if let Some(before) = last {
            let is_break = (before == ' ' && c != ' ')
                || (matches!(before, '/' | '-' | '_' | '·') && c.is_alphanumeric())
                || ((is_wide(before) || is_wide(c)) && !is_end(c) && !is_begin(before) && c != ' ');
            if is_break && let Some(piece) = text.get(begin..at) {
                found.push(piece);
                begin = at;
            }
        }
        last = Some(c);
    }
    found.extend(text.get(begin..).filter(|piece| !piece.is_empty()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_break_where_people_break_them() {
        let check = |text: &str, expected: &[&str]| assert_eq!(pieces(text), expected);
        check("one two  three", &["one ", "two  ", "three"]);
        check("首 Token 延迟，p95。", &["首 ", "Token ", "延", "迟，", "p95。"]);
        check("node-1/7", &["node-", "1/", "7"]);
        check("（可用）性", &["（可", "用）", "性"]);
        check("", &[]);
    }
}
