//! PromQL: the language of Prometheus over anything that holds series.
//!
//! A query is parsed once, then evaluated for all steps of a grid together, one series at a time. Where a
//! store has sums of samples (rows), they are read if the answer is the same or the samples are gone.
//! What it does not do yet: native histograms and the experimental functions; both are refused by name.
//! Source: Prometheus documentation, "Querying basics", "Operators", "Functions" (3.x).

mod ast;
mod eval;
mod format;
mod lexer;
mod parser;
mod value;

pub use ast::Expr;
pub use eval::{Grid, QueryError, Settings, evaluate};
pub use format::{format_float, write_float, write_integer, write_json_float, write_text_float};
pub use parser::{ParseError, parse, parse_selector};
pub use value::{Element, Output, Sample, Series, Stats, Value};
