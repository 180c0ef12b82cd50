//! A report's tables as CSV (RFC 4180): each begins with a line that names its section.

use crate::document::{Block, Document, Table};

/// All tables. A text that a spreadsheet would take for a formula is put behind an apostrophe.
pub fn csv(document: &Document) -> String {
    let mut out = String::from("\u{feff}");
    line(&mut out, [document.title.as_str()].into_iter());
    for section in &document.sections {
        let mut name = section.title.clone();
        for block in &section.blocks {
            match block {
                Block::Heading(heading) => name = format!("{}: {heading}", section.title),
                Block::Tiles(tiles) => {
                    line(&mut out, [name.as_str()].into_iter());
                    for tile in tiles {
                        let change = tile.change.as_ref().map_or("", |(text, _)| text.as_str());
                        let cells = [&tile.label, &tile.value, change, &tile.detail];
                        line(&mut out, cells.into_iter());
                    }
                    out.push_str("\r\n");
                }
                Block::Table(table) => write(&mut out, &name, table),
                _ => {}
            }
        }
    }
    out
}

fn write(out: &mut String, name: &str, table: &Table) {
    line(out, [name].into_iter());
    line(out, table.columns.iter().map(|(name, _)| name.as_str()));
    for row in &table.rows {
        line(out, row.iter().map(|cell| cell.text.as_str()));
    }
    if !table.omitted.is_empty() {
        line(out, [table.omitted.as_str()].into_iter());
    }
    out.push_str("\r\n");
}

fn line<'a>(out: &mut String, cells: impl Iterator<Item = &'a str>) {
    let cells: Vec<String> = cells.map(field).collect();
    out.push_str(&cells.join(","));
    out.push_str("\r\n");
}

fn field(text: &str) -> String {
    let is_number = |text: &str| text.trim_end_matches('%').replace(',', "").parse::<f64>().is_ok();
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number(text);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_no_formulas() {
        let check = |text: &str, expected: &str| assert_eq!(field(text), expected);
        check("plain", "plain");
        check("a,\"b\"", "\"a,\"\"b\"\"\"");
        check("=1+1", "'=1+1");
        check("-5%", "-5%");
        check("+12%", "+12%");
        check("-x", "'-x");
        check("1,234", "\"1,234\"");
    }
}
