//! Automation: one word per task, started as `cargo xtask WORD`. This is a tool for people who work
//! on modelwatch, never a part of it: no product crate may depend on it. The end-to-end tests do,
//! for real engines ([`engine`], [`vllm`]) and peers ([`peers`]), processes that cannot outlive them ([`process`]) and plain HTTP.
#![forbid(unsafe_code)]

mod apt;
mod bench;
mod binary;
mod demo;
mod docs;
mod page;
mod run;
mod simulate;
mod suite;
#[cfg(test)]
mod tidy;

pub mod engine;
pub mod http;
pub mod peers;
pub mod process;
pub mod vllm;
pub mod wait;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};

const USAGE: &str = "\
Usage: cargo xtask WORD [ARGUMENTS]

  run [ARGUMENTS]    build the page and the release binary, then start it with ARGUMENTS
  demo               the same beside a real small llama.cpp server that gets gentle real traffic
  test [--quick | --full] [STEP...]
                     install what the tests need and run them all; --quick leaves out the end-to-end
                     and browser tests, --full adds those with a real vLLM (6.3 GB); STEP is one of:
                     format, page, clippy, build, tidy, unit, e2e, browser, vllm
  tidy               only the checks of the house style that no compiler makes
  docs               write the generated files again (metric and configuration pages, message texts)
  engine             only install the llama.cpp server and model that demo and tests use
  screenshots        make the pictures of all pages in docs/screenshots anew, and the snapshots in e2e/browser/snapshots
                     that the tests compare pages with
  simulate [--data FOLDER] [--days NUMBER] [--end UNIX-SECONDS] [--profile dev]
                     modelwatch over a made-up busy deployment (4 nodes, 28 accelerators, 4 engines, an incident in
                     the last hour), to look at pages that one machine cannot fill
  bench NAME         measure, and write the figures into docs/benchmarks.md; NAME is one of: collect (what collecting
                     costs, beside node_exporter and netdata), cost (CPU and memory of a running modelwatch),
                     events (a million records of requests), gateway [nginx|litellm] (the gateway beside them; with
                     the name of a peer only that one, printed only), query (queries beside Prometheus and
                     VictoriaMetrics, six minutes), store [mix|series|history|recovery|full] (the metric store
                     beside them, ten minutes; full adds a million series)

Everything that is downloaded goes to modelwatch-engines and modelwatch-peers in $XDG_CACHE_HOME (else
~/.cache). With CI set in the environment a skipped test is a failure.
";

/// Runs the word on the command line.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Err(error) = process::end_children_on_signals() {
        say(&format!("xtask: Ctrl-C will not stop children: {error:#}"));
    }
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<ExitCode> {
    let Some((word, rest)) = arguments.split_first() else {
        say(USAGE.trim_end());
        return Ok(ExitCode::from(2));
    };
    match (word.as_str(), rest) {
        ("help" | "-h" | "--help", _) => say(USAGE.trim_end()),
        ("run", _) => run::run(rest)?,
        ("test", _) => return suite::test(rest),
        ("demo", []) => demo::demo()?,
        ("docs", []) => docs::write()?,
        ("tidy", []) => {
            let steps = ["tidy".to_owned()];
            return suite::test(&steps);
        }
        ("engine", []) => {
            let installed = engine::install(&say)?;
            say(&format!("installed {}", installed.server.display()));
        }
        ("screenshots", []) => suite::screenshots()?,
        ("simulate", _) => simulate::simulate(rest)?,
        ("bench", [_, ..]) => bench::bench(rest)?,
        _ => bail!("failed to understand {arguments:?}\n\n{}", USAGE.trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The top of the checkout.
pub fn root() -> PathBuf {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    manifest.canonicalize().unwrap_or(manifest)
}

/// One line for the person at the terminal. A closed terminal is no reason to stop.
pub fn say(line: &str) {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}").unwrap_or_default();
}
