//! Pages as a file: what the layout placed, drawn by krilla.

use std::{collections::HashMap, num::NonZeroU16};

use krilla::{
    Document as File, SerializeSettings,
    color::rgb,
    geom::{Path, PathBuilder, Point, Rect},
    metadata::Metadata,
    num::NormalizedF32,
    page::PageSettings,
    paint::{Fill, Stroke, StrokeDash},
    surface::Surface,
    tagging::{
        Artifact, ArtifactType, ContentTag, Identifier, Node, SpanTag, TableHeaderScope, Tag,
        TagGroup, TagTree,
    },
    text::{Font, GlyphId, KrillaGlyph},
};
use model::message::Language;

use super::{
    PdfError,
    layout::{Group, HEIGHT, Pages, Placed, Role, WIDTH},
};
use crate::{
    document::Document,
    fonts::{Faces, Fonts},
    scene::{Anchor, Ink, Item, Text},
};

/// How much wider the strokes of bold letters are, in ems: there is one weight of the font.
const BOLD: f32 = 0.028;

pub(super) fn paint(
    document: &Document,
    pages: Pages,
    fonts: &Fonts,
    faces: &Faces<'_>,
) -> Result<Vec<u8>, PdfError> {
    let found: Option<Vec<Font>> =
        fonts.files().map(|(data, index)| Font::new(data.into(), index)).collect();
    let found = found.ok_or_else(|| PdfError("a font cannot be read".into()))?;
    let pens = Pens { fonts: found, faces };
    let settings = SerializeSettings { compress_content_streams: true, ..Default::default() };
    let mut file = File::new_with(settings);
    let mut told: HashMap<usize, Vec<Identifier>> = HashMap::new();
    for placed in &pages.pages {
        let size = PageSettings::from_wh(WIDTH, HEIGHT);
        let size = size.ok_or_else(|| PdfError("a page has no size".into()))?;
        let mut page = file.start_page_with(size);
        let mut surface = page.surface();
        for Placed { group, item } in placed {
            let tag = match (group, item) {
                (None, _) => ContentTag::Artifact(Artifact::with_kind(ArtifactType::Other)),
                (Some(_), Item::Text(_)) => ContentTag::Span(SpanTag::empty()),
                (Some(_), _) => ContentTag::Other,
            };
            let identifier = surface.start_tagged(tag);
            pens.draw(&mut surface, item);
            surface.end_tagged();
            if let Some(group) = group {
                told.entry(*group).or_default().push(identifier);
            }
        }
        surface.finish();
        page.finish();
    }
    let language = match document.language {
        Language::English => "en",
        Language::Chinese => "zh-CN",
    };
    file.set_tag_tree(tree(&pages.groups, &mut told, language));
    file.set_metadata(
        Metadata::new()
            .title(document.title.clone())
            .language(language.to_owned())
            .creator("modelwatch".to_owned()),
    );
    file.finish().map_err(|error| PdfError(format!("{error:?}")))
}

/// The structure, in the order in which its parts were made.
fn tree(groups: &[Group], told: &mut HashMap<usize, Vec<Identifier>>, language: &str) -> TagTree {
    let mut children: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    for (at, group) in groups.iter().enumerate() {
        children.entry(group.parent).or_default().push(at);
    }
    let mut tree = TagTree::new().with_lang(Some(language.to_owned()));
    for at in children.get(&None).into_iter().flatten() {
        tree.push(branch(*at, groups, &children, told));
    }
    tree
}

/// Parts are three deep at most: tables, rows, cells.
fn branch(
    at: usize,
    groups: &[Group],
    children: &HashMap<Option<usize>, Vec<usize>>,
    told: &mut HashMap<usize, Vec<Identifier>>,
) -> TagGroup {
    let mut group = match groups.get(at).map(|group| &group.role) {
        Some(Role::Heading(level, title)) => {
            let level = NonZeroU16::new(*level).unwrap_or(NonZeroU16::MIN);
            TagGroup::new(Tag::Hn(level, Some(title.clone())))
        }
        Some(Role::Table) => TagGroup::new(Tag::Table),
        Some(Role::Row) => TagGroup::new(Tag::TR),
        Some(Role::HeaderCell) => TagGroup::new(Tag::TH(TableHeaderScope::Column)),
        Some(Role::Cell) => TagGroup::new(Tag::TD),
        Some(Role::Figure(alt)) => TagGroup::new(Tag::Figure(Some(alt.clone()))),
        Some(Role::Paragraph) | None => TagGroup::new(Tag::P),
    };
    for identifier in told.remove(&at).into_iter().flatten() {
        group.push(Node::Leaf(identifier));
    }
    for child in children.get(&Some(at)).into_iter().flatten() {
        group.push(branch(*child, groups, children, told));
    }
    group
}

struct Pens<'a> {
    fonts: Vec<Font>,
    faces: &'a Faces<'a>,
}

impl Pens<'_> {
    fn draw(&self, surface: &mut Surface<'_>, item: &Item) {
        match item {
            Item::Rect { x, y, width, height, ink, opacity } => {
                let mut path = PathBuilder::new();
                let Some(rect) = Rect::from_xywh(*x, *y, *width, *height) else { return };
                path.push_rect(rect);
                filled(surface, path.finish(), *ink, *opacity);
            }
            Item::Area { points, ink, opacity } => {
                filled(surface, polygon(points, true), *ink, *opacity);
            }
            Item::Line { points, ink, width, is_dashed } => {
                let Some(path) = polygon(points, false) else { return };
                surface.set_fill(None);
                let dash = is_dashed.then(|| StrokeDash { array: vec![4.0, 3.0], offset: 0.0 });
                surface.set_stroke(Some(Stroke { width: *width, dash, ..stroke(*ink) }));
                surface.draw_path(&path);
            }
            Item::Text(text) => self.text(surface, text),
        }
    }

    fn text(&self, surface: &mut Surface<'_>, text: &Text) {
        let width = self.faces.width(&text.text, text.size);
        let mut x = match text.anchor {
            Anchor::Start => text.x,
            Anchor::Middle => text.x - width / 2.0,
            Anchor::End => text.x - width,
        };
        surface.set_fill(Some(fill(text.ink, 1.0)));
        let bold = Stroke { width: text.size * BOLD, ..stroke(text.ink) };
        surface.set_stroke(text.is_bold.then_some(bold));
        let mut run: Vec<KrillaGlyph> = Vec::new();
        let (mut face, mut begin) = (0, x);
        let mut flush = |face: usize, begin: f32, run: &mut Vec<KrillaGlyph>| {
            if let Some(font) = self.fonts.get(face).filter(|_| !run.is_empty()) {
                let at = Point::from_xy(begin, text.y);
                surface.draw_glyphs(at, run, font.clone(), &text.text, text.size, false);
            }
            run.clear();
        };
        for (at, c) in text.text.char_indices() {
            let placed = self.faces.place(c);
            if placed.face != face {
                flush(face, begin, &mut run);
                (face, begin) = (placed.face, x);
            }
            let glyph = GlyphId::new(placed.glyph.to_u32());
            let range = at..at + c.len_utf8();
            run.push(KrillaGlyph::new(glyph, placed.advance, 0.0, 0.0, 0.0, range, None));
            x += placed.advance * text.size;
        }
        flush(face, begin, &mut run);
    }
}

fn color(ink: Ink) -> rgb::Color {
    let [red, green, blue] = ink.rgb();
    rgb::Color::new(red, green, blue)
}

fn fill(ink: Ink, opacity: f32) -> Fill {
    let opacity = NormalizedF32::new(opacity.clamp(0.0, 1.0)).unwrap_or(NormalizedF32::ONE);
    Fill { paint: color(ink).into(), opacity, ..Fill::default() }
}

fn stroke(ink: Ink) -> Stroke {
    Stroke { paint: color(ink).into(), ..Stroke::default() }
}

fn filled(surface: &mut Surface<'_>, path: Option<Path>, ink: Ink, opacity: f32) {
    if let Some(path) = path {
        surface.set_stroke(None);
        surface.set_fill(Some(fill(ink, opacity)));
        surface.draw_path(&path);
    }
}

fn polygon(points: &[(f32, f32)], is_closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    let mut points = points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
    let (x, y) = points.next()?;
    path.move_to(*x, *y);
    for (x, y) in points {
        path.line_to(*x, *y);
    }
    if is_closed {
        path.close();
    }
    path.finish()
}
