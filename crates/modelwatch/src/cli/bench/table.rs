//! What will be sent and what was measured, for a terminal.

use std::{path::Path, time::Duration};

use evaluate::bench::{Arrival, Load, Measured, Plan, Quantiles, Report};
use model::message::{Language, render};

use crate::{
    cli::query::text::{harmless, pad_left, pad_right},
    config::duration_text,
};

/// Columns of a number.
const NUMBER: usize = 10;
/// What stands for a value that is not there.
const NONE: &str = "-";

/// What will happen, before it does.
pub(super) fn announcement(
    plan: &Plan,
    url: &str,
    file: Option<&Path>,
    language: Language,
) -> Vec<String> {
    let text = |code: &str, params: &[(&str, String)]| harmless(&render(code, params, language));
    let prompts = &plan.prompts;
    let place = format!("{url}{}", plan.ask.api.path());
    let mut lines = vec![text("bench.start", &[("url", place), ("model", plan.ask.model.clone())])];
    for load in &plan.loads {
        let load = load_text(*load, language);
        let requests = plan.requests.to_string();
        lines.push(text("bench.start_load", &[("requests", requests), ("load", load)]));
    }
    if let Some(duration) = plan.duration {
        lines.push(text("bench.start_duration", &[("duration", duration_text(duration))]));
    }
    let output = ("output", prompts.output.to_string());
    lines.push(match (&prompts.file, file) {
        (Some(prompts), Some(path)) => {
            let path = path.display().to_string();
            let count = prompts.len().to_string();
            text("bench.start_file", &[("count", count), ("path", path), output])
        }
        _ => {
            let prompt = ("prompt", prompts.lengths.to_string());
            text("bench.start_prompts", &[prompt, output, ("seed", prompts.seed.to_string())])
        }
    });
    if prompts.prefix_tokens > 0 {
        let (tokens, prefixes) = (prompts.prefix_tokens.to_string(), prompts.prefixes.to_string());
        lines.push(text("bench.start_prefix", &[("tokens", tokens), ("prefixes", prefixes)]));
    }
    if plan.warmup > 0 {
        lines.push(text("bench.start_warmup", &[("count", plan.warmup.to_string())]));
    }
    lines.push(text("bench.start_end", &[]));
    lines
}

fn load_text(load: Load, language: Language) -> String {
    match load {
        Load::Closed { concurrency } => {
            render("bench.load_closed", &[("concurrency", concurrency.to_string())], language)
        }
        Load::Open { rate, arrival, in_flight_max } => {
            let arrival = match arrival {
                Arrival::Poisson => "bench.arrival_poisson",
                Arrival::Constant => "bench.arrival_constant",
            };
            let params = [
                ("rate", rate.to_string()),
                ("arrival", render::<&str, &str>(arrival, &[], language)),
                ("limit", in_flight_max.to_string()),
            ];
            render("bench.load_open", &params, language)
        }
    }
}

/// The lines of the report: each load by itself, and of several a table that compares them.
pub(super) fn report(plan: &Plan, measured: &[Measured], language: Language) -> Vec<String> {
    let mut lines = Vec::new();
    for one in measured {
        let of_load = one_load(plan, measured.len(), &one.report, language);
        lines.extend(of_load.into_iter().chain([String::new()]));
    }
    if measured.len() > 1 {
        let reports: Vec<&Report> = measured.iter().map(|one| &one.report).collect();
        lines.extend(sweep(&reports, language));
    }
    if measured.is_empty() {
        lines.push(render::<&str, &str>("bench.nothing_measured", &[], language));
    }
    lines
}

fn one_load(plan: &Plan, loads: usize, report: &Report, language: Language) -> Vec<String> {
    let text = |code: &str, params: &[(&str, String)]| render(code, params, language);
    let wall = format!("{:.2}", report.wall.as_secs_f64());
    let mut lines = vec![
        load_text(report.load, language),
        text(
            "bench.requests",
            &[("ok", report.ok.to_string()), ("sent", report.sent.to_string()), ("seconds", wall)],
        ),
        text(
            "bench.rate",
            &[
                ("requests", number(report.requests_per_second)),
                ("output", number(report.output_per_second)),
                ("input", number(report.input_per_second)),
            ],
        ),
        text(
            "bench.tokens",
            &[("input", number(report.input.mean())), ("output", number(report.output.mean()))],
        ),
    ];
    let estimated = report.output.estimated;
    if estimated > 0 {
        lines.push(text("bench.estimated", &[("count", estimated.to_string())]));
    }
    if let Some(good) = report.goodput {
        let params = [
            ("rate", number(Some(good.per_second))),
            ("count", good.requests.to_string()),
            ("sent", (report.sent - report.cut_short).to_string()),
            ("slo", limits(plan)),
        ];
        lines.push(text("bench.goodput", &params));
    }
    lines.extend(rows(report, language));
    lines.extend(notes(plan, loads, report, language));
    lines
}

fn limits(plan: &Plan) -> String {
    let slo = &plan.slo;
    let limits = [("ttft", slo.ttft), ("tpot", slo.tpot), ("e2e", slo.e2e)];
    let limits = limits
        .into_iter()
        .filter_map(|(name, limit)| Some(format!("{name} {}", duration_text(limit?))));
    limits.collect::<Vec<_>>().join(", ")
}

/// What was less than whole, or may mislead.
fn notes(plan: &Plan, loads: usize, report: &Report, language: Language) -> Vec<String> {
    let text = |code: &str, params: &[(&str, String)]| render(code, params, language);
    let mut lines = Vec::new();
    for failures in &report.failures {
        let params = [
            ("count", failures.count.to_string()),
            ("kind", failures.kind.clone()),
            ("reason", harmless(&failures.reason)),
        ];
        lines.push(text("bench.failed", &params).trim_end().to_owned());
    }
    if report.cut_short > 0 {
        let left = plan.loads.len().saturating_sub(loads).to_string();
        lines.push(text(
            "bench.cut_short",
            &[("count", report.cut_short.to_string()), ("loads", left)],
        ));
    }
    for (code, count) in [("bench.hidden", report.hidden), ("bench.sent_again", report.sent_again)]
    {
        if count > 0 {
            lines.push(text(code, &[("count", count.to_string())]));
        }
    }
    let percent = ("percent", format!("{:.0}", 100.0 * report.cpu_share));
    if report.is_generator_limited() {
        let lag = report.own_lag.map_or_else(|| NONE.into(), |lag| millis(lag.p99));
        lines.push(text("bench.generator_limited", &[("lag", lag), percent]));
    } else {
        lines.push(text("bench.cpu", &[percent]));
    }
    lines
}

/// The percentiles, a line for each quantity that was measured.
fn rows(report: &Report, language: Language) -> Vec<String> {
    let quantities = [
        ("bench.row_ttft", report.ttft),
        // Where nothing but answers came, it says the same twice.
        ("bench.row_ttfa", report.ttfa.filter(|ttfa| Some(*ttfa) != report.ttft)),
        ("bench.row_tpot", report.tpot),
        ("bench.row_itl", report.itl),
        ("bench.row_e2e", report.e2e),
        ("bench.row_engine_prefill", report.engine_prefill),
        ("bench.row_engine_tpot", report.engine_tpot),
        ("bench.row_lag", report.lag),
        ("bench.row_own_lag", report.own_lag),
    ];
    let text = |code: &str| render::<&str, &str>(code, &[], language);
    let [p50, p90, p95, p99] = ["p50", "p90", "p95", "p99"].map(str::to_owned);
    let mean = text("bench.mean");
    let mut cells = vec![vec![text("bench.ms"), mean, p50, p90, p95, p99, text("bench.max")]];
    for (code, of) in quantities {
        let Some(Quantiles { mean, p50, p90, p95, p99, max, .. }) = of else { continue };
        let name = text(code);
        let times = [mean, p50, p90, p95, p99, max].map(millis);
        cells.push([name].into_iter().chain(times).collect());
    }
    if cells.len() == 1 {
        return Vec::new();
    }
    aligned(&cells)
}

fn sweep(reports: &[&Report], language: Language) -> Vec<String> {
    let text = |code: &str| render::<&str, &str>(code, &[], language);
    let has_goodput = reports.iter().any(|report| report.goodput.is_some());
    let mut head =
        vec![text("bench.sweep_load"), text("bench.sweep_rate"), text("bench.sweep_output")];
    for name in ["TTFT", "TPOT", "E2E"] {
        head.extend(["p50", "p99"].map(|quantile| format!("{name} {quantile}")));
    }
    if has_goodput {
        head.push(text("bench.sweep_goodput"));
    }
    head.push(text("bench.sweep_failed"));
    let mut cells = vec![head];
    for report in reports {
        let load = match report.load {
            Load::Closed { concurrency } => concurrency.to_string(),
            Load::Open { rate, .. } => format!("{rate}/s"),
        };
        let mut row =
            vec![load, number(report.requests_per_second), number(report.output_per_second)];
        for of in [report.ttft, report.tpot, report.e2e] {
            let cell = |time: Option<Duration>| time.map_or_else(|| NONE.into(), millis);
            row.extend([cell(of.map(|of| of.p50)), cell(of.map(|of| of.p99))]);
        }
        if has_goodput {
            row.push(number(report.goodput.map(|good| good.per_second)));
        }
        row.push((report.sent - report.ok - report.cut_short).to_string());
        cells.push(row);
    }
    aligned(&cells)
}

/// The first column to the left, numbers to the right.
fn aligned(cells: &[Vec<String>]) -> Vec<String> {
    use crate::cli::query::text::width;
    let columns = cells.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| cells.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max())
        .map(|width| width.unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column == 0 {
                pad_right(cell, *width)
            } else {
                pad_left(cell, NUMBER.max(width + 2))
            }
        });
        format!("  {}", padded.collect::<String>())
    };
    cells.iter().map(line).collect()
}

/// Milliseconds with what of the decimals counts.
fn millis(time: Duration) -> String {
    decimals(time.as_secs_f64() * 1e3)
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.into(), decimals)
}

fn decimals(value: f64) -> String {
    match value {
        ..100.0 => format!("{value:.2}"),
        ..1_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_in_both_scripts() {
        let rows = [["ms", "p50"], ["首个 token", "1.25"], ["E2E", "1250"]];
        let lines = aligned(&rows.map(|row| row.map(str::to_owned).to_vec()));
        assert_eq!(
            lines,
            ["  ms               p50", "  首个 token      1.25", "  E2E             1250"]
        );
    }

    #[test]
    fn numbers_have_the_decimals_that_count() {
        let check = |value: f64, expected: &str| assert_eq!(decimals(value), expected);
        check(0.0, "0.00");
        check(4.469, "4.47");
        check(244.86, "244.9");
        check(3_360.7, "3361");
        assert_eq!(number(None), "-");
    }
}
