//! An expression over several lines.

use std::fmt::{self, Write};

use super::line;
use crate::ast::{Kind, Node};

/// Longest line, in bytes without what it is indented by, that need not be split.
const LINE_BYTES_MAX: usize = 100;

/// Writes an expression that begins on a line of its own, `level` deep.
pub(super) fn write(out: &mut String, node: &Node, level: usize) {
    match &node.kind {
        // As in Prometheus, which does not indent a short subquery.
        Kind::Subquery(subquery) if is_long(node) => {
            write(out, &subquery.inner, level);
            append(out, |out| line::write_steps(out, subquery));
        }
        Kind::Subquery(_) => append(out, |out| line::write(out, node)),
        Kind::Signed { is_negative, inner } => {
            indent(out, level);
            out.push_str(line::sign(*is_negative));
            let mut text = String::new();
            write(&mut text, inner, level);
            out.push_str(text.trim());
        }
        Kind::Paren(inner) if is_long(node) => {
            indent(out, level);
            write_list(out, &[inner.as_ref()], level);
        }
        Kind::Binary(binary) if is_long(node) => {
            write(out, &binary.left, level + 1);
            out.push('\n');
            indent(out, level);
            append(out, |out| line::write_operator(out, binary));
            out.push('\n');
            write(out, &binary.right, level + 1);
        }
        Kind::Aggregate(aggregate) if is_long(node) => {
            indent(out, level);
            append(out, |out| line::write_aggregate(out, aggregate));
            write_list(out, &node.children(), level);
        }
        Kind::Call(function, _) if is_long(node) => {
            indent(out, level);
            out.push_str(function.name);
            write_list(out, &node.children(), level);
        }
        _ => {
            indent(out, level);
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

/// Whether an expression is too long for a line. Writes no more of it than it takes to know.
fn is_long(node: &Node) -> bool {
    line::write(&mut Room(LINE_BYTES_MAX), node).is_err()
}

/// Refuses what is longer than the room that is left.
struct Room(usize);

impl Write for Room {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}
