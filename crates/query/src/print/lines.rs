//! An expression over several lines.

use std::fmt::{self, Write};

use super::line;
use crate::ast::{Kind, Node};

/// Longest line, in bytes without what it is indented by, that need not be split.
const LINE_BYTES_MAX: usize = 100;

/// Writes an expression that is `level` deep, on a line that has not begun.
pub(super) fn write(out: &mut String, node: &Node, level: usize) {
    write_on(out, node, level, false);
}

/// As [`write`], on a line that may have begun: then nothing is put in front of the expression.
fn write_on(out: &mut String, node: &Node, level: usize, has_begun: bool) {
    let blanks = if has_begun { 0 } else { level };
    match &node.kind {
        // As in Prometheus, which does not indent a short subquery.
        Kind::Subquery(subquery) if is_long(node) => {
            write_on(out, &subquery.inner, level, has_begun);
            append(out, |out| line::write_steps(out, subquery));
        }
        Kind::Subquery(_) => append(out, |out| line::write(out, node)),
        Kind::Signed { is_negative, inner } => {
            indent(out, blanks);
            out.push_str(line::sign(*is_negative));
            write_on(out, inner, level, true);
        }
        Kind::Paren(inner) if is_long(node) => {
            indent(out, blanks);
            write_list(out, &[inner.as_ref()], level);
        }
        Kind::Binary(binary) if is_long(node) => {
            write_on(out, &binary.left, level + 1, has_begun);
            out.push('\n');
            indent(out, level);
            append(out, |out| line::write_operator(out, binary));
            out.push('\n');
            write(out, &binary.right, level + 1);
        }
        Kind::Aggregate(aggregate) if is_long(node) => {
            indent(out, blanks);
            append(out, |out| line::write_aggregate(out, aggregate));
            write_list(out, &node.children(), level);
        }
        Kind::Call(function, _) if is_long(node) => {
            indent(out, blanks);
            out.push_str(function.name);
            write_list(out, &node.children(), level);
        }
        _ => {
            indent(out, blanks);
            append(out, |out| line::write(out, node));
        }
    }
}

/// Expressions in parentheses, each on lines of its own.
fn write_list(out: &mut String, nodes: &[&Node], level: usize) {
    out.push('(');
    for (index, node) in nodes.iter().enumerate() {
        out.push_str(if index > 0 { ",\n" } else { "\n" });
        write(out, node, level + 1);
    }
    out.push('\n');
    indent(out, level);
    out.push(')');
}

fn indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n("  ", level));
}

fn append(out: &mut String, write: impl FnOnce(&mut String) -> fmt::Result) {
    #[expect(clippy::let_underscore_must_use, reason = "writing to a string cannot fail")]
    let _ = write(out);
}

/// Whether an expression is too long for a line. Looks at no more of it than it takes to know.
fn is_long(node: &Node) -> bool {
    has_many_parts(node) || line::write(&mut Room(LINE_BYTES_MAX), node).is_err()
}

/// Whether an expression is too long whatever it looks like: each part of it is a byte at least.
fn has_many_parts(node: &Node) -> bool {
    let mut pending = vec![node];
    let mut bytes = 0;
    while let Some(node) = pending.pop() {
        bytes += match &node.kind {
            Kind::String(text) => text.len(),
            Kind::Selector(selector) => selector.matchers.len(),
            Kind::Window(window) => window.selector.matchers.len(),
            _ => 1,
        };
        if bytes > LINE_BYTES_MAX {
            return true;
        }
        pending.extend(node.children());
    }
    false
}

/// Refuses what is longer than the room that is left.
struct Room(usize);

impl Write for Room {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}
