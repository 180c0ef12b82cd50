//! The event store with a million records of requests, in a process of its own: the example `events` of the
//! crate `store`, because automation does not depend on the product.

use anyhow::{Context, Result};

use super::report::{self, Table};
use crate::process;

pub(super) fn run() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("modelwatch-bench-").tempdir()?;
    let mut cargo = process::cargo();
    cargo.args(["run", "--release", "--locked", "--package", "store", "--example", "events", "--"]);
    let text = process::capture(cargo.arg(folder.path().join("data")))?;
    report::publish("events", &table(&text)?.markdown())
}

fn table(text: &str) -> Result<Table> {
    let mut table = Table::new(&["modelwatch"]);
    for line in text.lines() {
        let figure =
            line.rsplit_once(": ").and_then(|(name, value)| Some((name, value.parse().ok()?)));
        let (name, value) = figure.with_context(|| format!("{line:?} is no figure"))?;
        table.set(name, 0, value);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_become_rows() {
        let table = table("a: b, ms: 1.5\nc: 2\n").unwrap();
        assert_eq!(
            table.markdown(),
            "|  | modelwatch |\n|---|---|\n| a: b, ms | 1.50 |\n| c | 2.00 |\n"
        );
        assert!(super::table("nothing").is_err());
    }
}
