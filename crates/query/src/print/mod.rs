//! A query as text and as a tree, the way Prometheus shows it.
//!
//! Every form is made from what was understood: comments, blanks and the order of matchers are gone, and the text
//! means what the query meant. Source: Prometheus 3, `printer.go`, `prettier.go` and `translate_ast.go`.

mod line;
mod lines;
mod tree;

use std::fmt;

use crate::ast::Expr;

pub use tree::Tree;

impl fmt::Display for Expr {
    /// The query in its canonical form, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line::write(f, &self.root)
    }
}

impl Expr {
    /// The query in its canonical form, with what is longer than 100 bytes split over indented lines.
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        lines::write(&mut out, &self.root, 0);
        out
    }

    /// What the query consists of.
    pub fn tree(&self) -> Tree {
        Tree::of(&self.root)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod texts;
