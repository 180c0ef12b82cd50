//! `modelwatch check`: what would happen, without watching anything.

use std::process::ExitCode;

use model::{
    Clock,
    message::{Language, render},
};

use super::{engine_line, host_lines, say};
use crate::{config::Config, wire};

pub(super) fn check(config: &Config, language: Language) -> ExitCode {
    let text = |code: &str, params: &[(&str, String)]| say(&render(code, params, language));
    text("check.config", &[]);
    for line in config.lines() {
        say(&format!("  {line}"));
    }
    text("check.machine", &[]);
    for line in host_lines(&collect::inventory::read(&config.collect.root), language) {
        say(&line);
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let settings = wire::collect_settings(config, "check", config.server.listen.port());
    let found = runtime.block_on(collect::Collector::look_once(settings, Clock::system()));
    text("check.sources", &[]);
    let width = found.sources.iter().map(|report| report.name.len()).max().unwrap_or_default();
    for report in &found.sources {
        let state =
            render::<&str, &str>(&format!("state.{}", report.state.as_str()), &[], language);
        let mut line = format!("  {:<width$} {state}", report.name);
        if let Some(failure) = &report.failure {
            line.push_str(&format!("  {}", failure.detail));
        }
        if let Some((code, params)) = &report.hint {
            line.push_str(&format!("  → {}", render(code, params, language)));
        }
        say(&line);
    }
    text("check.engines", &[]);
    if found.engines.is_empty() {
        text(wire::no_engine(config), &[]);
    }
    for engine in &found.engines {
        say(&engine_line(engine, language));
        for (code, params) in &engine.notes {
            say(&format!("    {}", render(code, params, language)));
        }
    }
    ExitCode::SUCCESS
}
