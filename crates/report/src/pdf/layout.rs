//! Where everything of a document is on its pages.

use model::message::render;

use super::table;
use crate::{
    document::{Advice, Block, Document, Figure, Section, Tile, Trend},
    fonts::Faces,
    scene::{Anchor, Ink, Item, Scene, Text},
};

/// A4, in points.
pub(super) const WIDTH: f32 = 595.0;
pub(super) const HEIGHT: f32 = 842.0;
pub(super) const MARGIN: f32 = 40.0;
/// Below this nothing but the footer stands.
pub(super) const BOTTOM: f32 = HEIGHT - 48.0;
pub(super) const INNER: f32 = WIDTH - 2.0 * MARGIN;

const TITLE: f32 = 21.0;
const SECTION: f32 = 14.0;
const HEADING: f32 = 10.5;
const BODY: f32 = 9.5;
const NOTE: f32 = 8.0;
/// Height of a line against its size.
const LEADING: f32 = 1.45;
const TILES: usize = 3;
const GAP: f32 = 8.0;

/// What something is to those to whom it is read aloud.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Role {
    Heading(u16, String),
    Paragraph,
    Table,
    Row,
    HeaderCell,
    Cell,
    Figure(String),
}

/// A part of the document's structure.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) role: Role,
    pub(super) parent: Option<usize>,
}

/// Something on a page, and which part it belongs to; what belongs to none is decoration.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) group: Option<usize>,
    pub(super) item: Item,
}

#[derive(Default)]
pub(super) struct Pages {
    pub(super) pages: Vec<Vec<Placed>>,
    pub(super) groups: Vec<Group>,
}

pub(super) struct Layout<'a> {
    pub(super) faces: &'a Faces<'a>,
    pub(super) out: Pages,
    /// Where the next thing begins on the last page.
    pub(super) y: f32,
}

pub(super) fn layout(document: &Document, faces: &Faces<'_>) -> Pages {
    let mut layout = Layout { faces, out: Pages::default(), y: MARGIN };
    layout.out.pages.push(Vec::new());
    layout.head(document);
    for section in &document.sections {
        layout.section(section);
    }
    if faces.missing() > 0 {
        let params = [("count", faces.missing().to_string())];
        let text = render("report.replaced", &params, document.language);
        layout.block(&Block::Note(text));
    }
    layout.footers(document);
    layout.out
}

impl Layout<'_> {
    pub(super) fn group(&mut self, role: Role, parent: Option<usize>) -> usize {
        self.out.groups.push(Group { role, parent });
        self.out.groups.len() - 1
    }

    pub(super) fn put(&mut self, group: Option<usize>, item: Item) {
        if let Some(page) = self.out.pages.last_mut() {
            page.push(Placed { group, item });
        }
    }

    pub(super) fn new_page(&mut self) {
        self.out.pages.push(Vec::new());
        self.y = MARGIN;
    }

    /// Begins a page if so much does not fit any more.
    pub(super) fn need(&mut self, height: f32) {
        if self.y + height > BOTTOM && self.y > MARGIN {
            self.new_page();
        }
    }

    pub(super) fn has_room(&self, height: f32) -> bool {
        self.y + height <= BOTTOM
    }

    /// A line of text whose top is at `y`.
    pub(super) fn text(
        &mut self,
        group: Option<usize>,
        (x, y): (f32, f32),
        text: &str,
        style: Style,
    ) {
        let Style { size, ink, is_bold, anchor } = style;
        let y = y + size * 1.06;
        let text = text.to_owned();
        self.put(group, Item::Text(Text { x, y, size, ink, anchor, is_bold, text }));
    }

    /// A paragraph over the whole width.
    fn paragraph(&mut self, text: &str, style: Style, role: Role) {
        let group = self.group(role, None);
        for line in self.faces.lines(text, style.size, INNER) {
            self.need(style.size * LEADING);
            self.text(Some(group), (MARGIN, self.y), &line, style);
            self.y += style.size * LEADING;
        }
    }

    fn head(&mut self, document: &Document) {
        let style = Style { is_bold: true, ..Style::of(TITLE) };
        self.paragraph(&document.title, style, Role::Heading(1, document.title.clone()));
        self.y += 2.0;
        for line in &document.subtitle {
            let style = Style { ink: Ink::Muted, ..Style::of(BODY) };
            self.paragraph(line, style, Role::Paragraph);
        }
        self.y += 6.0;
        let ends = vec![(MARGIN, self.y), (WIDTH - MARGIN, self.y)];
        self.put(None, Item::Line { points: ends, ink: Ink::Text, width: 1.2, is_dashed: false });
        self.y += 14.0;
    }

    fn section(&mut self, section: &Section) {
        // A heading does not stand alone at the end of a page.
        let first = section.blocks.iter().take(2).map(|block| self.least(block)).sum::<f32>();
        self.need(SECTION * LEADING + first.min(320.0));
        let style = Style { is_bold: true, ..Style::of(SECTION) };
        self.paragraph(&section.title, style, Role::Heading(2, section.title.clone()));
        let ends = vec![(MARGIN, self.y), (WIDTH - MARGIN, self.y)];
        self.put(None, Item::Line { points: ends, ink: Ink::Line, width: 0.8, is_dashed: false });
        self.y += 7.0;
        for (at, block) in section.blocks.iter().enumerate() {
            if let Block::Heading(text) = block {
                let next = section.blocks.get(at + 1).map_or(0.0, |next| self.least(next));
                self.need(HEADING * LEADING + 6.0 + next);
                self.y += 5.0;
                let style = Style { is_bold: true, ..Style::of(HEADING) };
                self.paragraph(text, style, Role::Heading(3, text.clone()));
                self.y += 3.0;
            } else {
                self.block(block);
            }
        }
        self.y += 12.0;
    }

    /// How much room the first part of a block needs.
    fn least(&self, block: &Block) -> f32 {
        match block {
            Block::Heading(_) => HEADING * LEADING,
            Block::Text(_) | Block::Note(_) => BODY * LEADING * 2.0,
            Block::Tiles(_) => 62.0,
            Block::Table(_) => 50.0,
            Block::Figure(figure) => height(figure, INNER),
            Block::Pair(left, _) => height(left, (INNER - GAP) / 2.0),
            Block::Advice(_) => 40.0,
        }
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Heading(_) => {}
            Block::Text(text) => {
                self.paragraph(text, Style::of(BODY), Role::Paragraph);
                self.y += 6.0;
            }
            Block::Note(text) => {
                let style = Style { ink: Ink::Muted, ..Style::of(NOTE) };
                self.paragraph(text, style, Role::Paragraph);
                self.y += 5.0;
            }
            Block::Tiles(tiles) => tiles.chunks(TILES).for_each(|row| self.tiles(row)),
            Block::Table(table) => table::table(self, table),
            Block::Figure(figure) => {
                self.need(height(figure, INNER));
                let used = self.figure(figure, MARGIN, INNER);
                self.y += used + 8.0;
            }
            Block::Pair(left, right) => {
                let half = (INNER - GAP) / 2.0;
                self.need(height(left, half).max(height(right, half)));
                let one = self.figure(left, MARGIN, half);
                let other = self.figure(right, MARGIN + half + GAP, half);
                self.y += one.max(other) + 8.0;
            }
            Block::Advice(all) => {
                for (number, advice) in all.iter().enumerate() {
                    self.advice(number + 1, advice);
                }
            }
        }
    }

    fn tiles(&mut self, tiles: &[Tile]) {
        let (width, height) = ((INNER - GAP * (TILES as f32 - 1.0)) / TILES as f32, 54.0);
        self.need(height + GAP);
        for (at, tile) in tiles.iter().enumerate() {
            let (x, y) = (MARGIN + at as f32 * (width + GAP), self.y);
            let corners =
                vec![(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)];
            self.put(
                None,
                Item::Line { points: corners, ink: Ink::Line, width: 0.8, is_dashed: false },
            );
            let group = Some(self.group(Role::Paragraph, None));
            let muted = Style { ink: Ink::Muted, ..Style::of(NOTE) };
            self.text(group, (x + 8.0, y + 6.0), &tile.label, muted);
            let bold = Style { is_bold: true, ..Style::of(15.0) };
            self.text(group, (x + 8.0, y + 18.0), &tile.value, bold);
            if let Some((text, trend)) = &tile.change {
                let x = x + 14.0 + self.faces.width(&tile.value, 15.0);
                let style = Style { ink: ink(Some(*trend)), ..Style::of(NOTE) };
                self.text(group, (x, y + 24.0), text, style);
            }
            if !tile.detail.is_empty() {
                self.text(group, (x + 8.0, y + 39.5), &tile.detail, muted);
            }
        }
        self.y += height + GAP;
    }

    fn advice(&mut self, number: usize, advice: &Advice) {
        let width = INNER - 16.0;
        let lines = self.faces.lines(&advice.text, BODY, width);
        let evidence = self.faces.lines(&advice.evidence, NOTE, width);
        let text_height = lines.len() as f32 * BODY * LEADING;
        self.need(text_height + evidence.len() as f32 * NOTE * LEADING + 6.0);
        let group = Some(self.group(Role::Paragraph, None));
        let bold = Style { is_bold: true, ..Style::of(BODY) };
        self.text(group, (MARGIN, self.y), &format!("{number}."), bold);
        for line in lines {
            self.text(group, (MARGIN + 16.0, self.y), &line, Style::of(BODY));
            self.y += BODY * LEADING;
        }
        for line in evidence.iter().filter(|line| !line.is_empty()) {
            let style = Style { ink: Ink::Muted, ..Style::of(NOTE) };
            self.text(group, (MARGIN + 16.0, self.y), line, style);
            self.y += NOTE * LEADING;
        }
        self.y += 5.0;
    }

    /// A picture with its caption, from the present height on; returns how much it takes.
    fn figure(&mut self, figure: &Figure, x: f32, width: f32) -> f32 {
        let group = self.group(Role::Figure(alt(figure)), None);
        let caption = Style { ink: Ink::Muted, ..Style::of(NOTE) };
        self.text(Some(group), (x, self.y), &figure.caption, caption);
        let top = self.y + NOTE * LEADING + 1.0;
        let scale = width / figure.scene.width.max(1.0);
        for item in &figure.scene.items {
            self.put(Some(group), moved(item, (x, top), scale));
        }
        height(figure, width)
    }

    fn footers(&mut self, document: &Document) {
        let count = self.out.pages.len();
        for (at, page) in self.out.pages.iter_mut().enumerate() {
            let mut put = |x: f32, anchor: Anchor, text: String| {
                let item = Item::Text(Text {
                    x,
                    y: HEIGHT - 26.0,
                    size: 7.5,
                    ink: Ink::Muted,
                    anchor,
                    is_bold: false,
                    text,
                });
                page.push(Placed { group: None, item });
            };
            put(MARGIN, Anchor::Start, document.footer.clone());
            put(WIDTH - MARGIN, Anchor::End, format!("{} / {count}", at + 1));
        }
    }
}

fn alt(figure: &Figure) -> String {
    match figure.scene.title.as_str() {
        "" => figure.caption.clone(),
        title => title.to_owned(),
    }
}

/// Of a picture with its caption.
fn height(figure: &Figure, width: f32) -> f32 {
    let Scene { width: own, height, .. } = figure.scene;
    NOTE * LEADING + 1.0 + height * width / own.max(1.0)
}

pub(super) fn ink(trend: Option<Trend>) -> Ink {
    match trend {
        Some(Trend::Better) => Ink::Good,
        Some(Trend::Worse) => Ink::Critical,
        Some(Trend::Neutral) => Ink::Muted,
        None => Ink::Text,
    }
}

/// How a line of text looks.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) size: f32,
    pub(super) ink: Ink,
    pub(super) is_bold: bool,
    pub(super) anchor: Anchor,
}

impl Style {
    pub(super) fn of(size: f32) -> Self {
        Self { size, ink: Ink::Text, is_bold: false, anchor: Anchor::Start }
    }
}

fn moved(item: &Item, (left, top): (f32, f32), scale: f32) -> Item {
    let place = |(x, y): (f32, f32)| (left + x * scale, top + y * scale);
    match item.clone() {
        Item::Rect { x, y, width, height, ink, opacity } => {
            let (x, y) = place((x, y));
            Item::Rect { x, y, width: width * scale, height: height * scale, ink, opacity }
        }
        Item::Line { points, ink, width, is_dashed } => {
            let points = points.into_iter().map(place).collect();
            Item::Line { points, ink, width: width * scale, is_dashed }
        }
        Item::Area { points, ink, opacity } => {
            Item::Area { points: points.into_iter().map(place).collect(), ink, opacity }
        }
        Item::Text(text) => {
            let (x, y) = place((text.x, text.y));
            Item::Text(Text { x, y, size: text.size * scale, ..text })
        }
    }
}
