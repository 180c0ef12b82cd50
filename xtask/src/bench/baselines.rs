//! How often what looks for the unusual is wrong, and what it finds: the example `baselines` of the crate `alert`, in a
//! process of its own, because automation does not depend on the product. It is given made-up deployments, healthy ones
//! and such with a fault, and the simulated deployment without its incident.

use std::{fs::File, io::Write as _};

use anyhow::{Context as _, Result};

use super::report;
use crate::{process, say, simulate};

/// Days of each made-up deployment, and how many of them; what is known by weeks needs more than two.
const DAYS: &str = "30";
const DEPLOYMENTS: &str = "3";
/// Deployments with each fault.
const FAULTY: &str = "10";
/// Days of the simulated deployment.
const SIMULATED_DAYS: f64 = 7.0;

pub(super) fn run() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("modelwatch-bench-").tempdir()?;
    let lines = folder.path().join("series.txt");
    let file = File::create(&lines).with_context(|| lines.display().to_string())?;
    let mut out = std::io::BufWriter::new(file);
    simulate::write_healthy(SIMULATED_DAYS, &mut out)?;
    out.flush()?;
    let mut text = String::new();
    for (title, arguments) in [
        ("Made-up deployments in which nothing is wrong", vec!["healthy", DAYS, DEPLOYMENTS]),
        ("Made-up deployments with one fault", vec!["faults", FAULTY]),
        ("The simulated deployment without its incident", vec!["recording"]),
    ] {
        say(title);
        let mut cargo = process::cargo();
        cargo.args([
            "run",
            "--release",
            "--locked",
            "--package",
            "alert",
            "--example",
            "baselines",
        ]);
        cargo.arg("--").args(&arguments).stdin(File::open(&lines)?);
        let found = process::capture(&mut cargo)?;
        text.push_str(&format!("**{title}**\n\n{}\n\n", found.trim()));
    }
    report::publish("baselines", &text)
}
