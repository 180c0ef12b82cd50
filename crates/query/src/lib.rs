//! PromQL: the language of Prometheus over anything that holds series.
//!
//! A query is parsed once, then evaluated for all steps of a grid together, one series at a time. Where a
//! store has sums of samples (rows), they are read if the answer is the same or the samples are gone.
//! Native histograms and Prometheus' experimental functions and operators are in it.
//! Source: Prometheus documentation, "Querying basics", "Operators", "Functions" (3.x).

mod ast;
mod coarse;
mod eval;
pub mod format;
pub mod histogram;
mod lexer;
pub mod notation;
mod parser;
mod print;
mod thresholds;
mod value;

pub use ast::Expr;
pub use eval::{Grid, QueryError, Settings, evaluate, functions::function_names};
pub use parser::{ParseError, parse, parse_selector};
pub use print::Tree;
pub use thresholds::Threshold;
pub use value::{Element, Output, Sample, Series, Stats, Value};
