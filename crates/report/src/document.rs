//! A report in one language: sections of texts, tables and pictures, before it is HTML or PDF.

use model::message::Language;

use crate::scene::Scene;

#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub language: Language,
    pub title: String,
    /// Which deployment, which time, which zone.
    pub subtitle: Vec<String>,
    pub sections: Vec<Section>,
    /// Who made it, and when.
    pub footer: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    pub title: String,
    pub blocks: Vec<Block>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A heading within a section.
    Heading(String),
    Text(String),
    /// Smaller: how something is reckoned, what is missing.
    Note(String),
    Tiles(Vec<Tile>),
    Table(Table),
    Figure(Figure),
    /// Two that stand beside each other where there is room.
    Pair(Figure, Figure),
    Advice(Vec<Advice>),
}

/// A picture with what it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub caption: String,
    pub scene: Scene,
}

/// Whether a change is welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    Better,
    Worse,
    Neutral,
}

/// A figure that stands out.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    pub label: String,
    pub value: String,
    pub change: Option<(String, Trend)>,
    /// What it is measured against.
    pub detail: String,
}

/// Where a column's texts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub columns: Vec<(String, Align)>,
    pub rows: Vec<Vec<Cell>>,
    /// How many rows were left out, in words; empty where none were.
    pub omitted: String,
}

/// A text in a table, with what colour it has if it means something.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    pub text: String,
    pub trend: Option<Trend>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, trend: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// Something that should be done, and what shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    pub text: String,
    pub evidence: String,
}
