//! Reports and the pictures in them: a report's facts in, HTML, PDF, CSV, SVG and PNG out.
//!
//! [`Facts`] is what was found, in numbers and without a language. [`compose`] makes a [`Document`] of it in one
//! language, and the back ends ([`html`], [`fn@pdf`], [`csv`]) write that. Pictures are a [`scene::Scene`] each,
//! made by [`chart`] and written by the same back ends, so that page, mail and paper show the same.
//!
//! What it does not do: find anything out, keep anything, send anything. Its bias: what is not known is said to be
//! not known; no figure is shown without its unit, and none is rounded to something better than it is.
#![forbid(unsafe_code)]

mod advice;
pub mod chart;
mod compose;
mod csv;
pub mod document;
pub mod facts;
mod fonts;
mod html;
pub mod number;
mod pdf;
mod picture;
pub mod scene;
mod svg;
#[cfg(test)]
mod tests;
pub mod zone;

pub use compose::compose;
pub use csv::csv;
pub use document::Document;
pub use facts::Facts;
pub use fonts::Fonts;
pub use html::html;
pub use pdf::{PdfError, pdf};
pub use picture::png;
pub use svg::svg;
