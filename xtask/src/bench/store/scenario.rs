//! What is done to one system, with one load, from an empty folder on.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};

use super::Findings;
use crate::{
    bench::{
        payload::{Load, Shape},
        queries::{self, QUERIES},
        system::{Ingest, Instance, System},
        usage,
    },
    wait::Stopwatch,
};

/// Everything about the mix of an ordinary fleet.
pub(super) fn mix(system: &System, folder: &Path, load: &Load, found: &mut Findings) -> Result<()> {
    let samples = load.shape.samples() as f64;
    let instance = Instance::start(system, folder)?;
    let cpu = instance.cpu()?;
    let Ingest { cpu: ingest_cpu, wall } = instance.ingest(load)?;
    found.figure("ingest, M samples per CPU-second", samples / ingest_cpu.as_secs_f64() / 1e6);
    found.figure("ingest, M samples per second", samples / wall.as_secs_f64() / 1e6);
    let resident = instance.resident_bytes()?;
    instance.settle()?;
    let settled = instance.cpu()?.saturating_sub(cpu).as_secs_f64();
    found.figure("ingest and what it puts off, M samples per CPU-second", samples / settled / 1e6);
    found.figure("RSS after ingest, MB", resident as f64 / 1e6);
    queries::expect_samples(&instance, &load.shape)?;
    for query in QUERIES {
        let measured = query.measure(&instance, load.shape.end_ms)?;
        found.figure(format!("{}, ms", query.title()), milliseconds(measured.best));
        found.figure(format!("{}, CPU ms", query.name), milliseconds(measured.cpu));
        found.answers.push(measured.points);
    }
    instance.stop()?;
    let bytes = usage::folder_bytes(&folder.join("data"))? as f64;
    found.figure("on disk after a stop, bytes per sample", bytes / samples);
    if let Some(finished) = finished_bytes_per_sample(system, folder, &load.shape)? {
        found.figure("on disk without logs and caches, bytes per sample", finished);
    }
    Ok(())
}

/// Ingest and one query with the number of series at hand.
pub(super) fn series(
    system: &System,
    folder: &Path,
    load: &Load,
    found: &mut Findings,
) -> Result<()> {
    // A fifth of all series, and at most ten samples of each.
    const QUERY: &str = "sum(rate(c[50s]))";
    let shape = &load.shape;
    let instance = Instance::start(system, folder)?;
    let Ingest { cpu, wall } = instance.ingest(load)?;
    let name = short_count(shape.series());
    let per_sample = cpu.as_secs_f64() / shape.samples() as f64;
    found.figure(format!("{name} series: ingest, CPU ns per sample"), per_sample * 1e9);
    found.figure(format!("{name} series: ingest, s"), wall.as_secs_f64());
    queries::expect_samples(&instance, shape)?;
    let wall = queries::time_instant(&instance, QUERY, shape.end_ms)?;
    let per_series = wall.as_secs_f64() / (shape.series() / 5) as f64;
    found.figure(format!("{name} series: `{QUERY}`, µs per series"), per_series * 1e6);
    Ok(())
}

/// Memory that series take while they are new.
pub(super) fn memory(
    system: &System,
    folder: &Path,
    load: &Load,
    found: &mut Findings,
) -> Result<()> {
    let series = load.shape.series();
    let instance = Instance::start(system, folder)?;
    let before = instance.resident_bytes()?;
    instance.ingest(load)?;
    let grown = instance.resident_bytes()?.saturating_sub(before) as f64;
    let scrapes = load.shape.scrapes;
    let name = format!("{} series of {scrapes} samples: RSS, KB per series", short_count(series));
    found.figure(name, grown / 1e3 / series as f64);
    Ok(())
}

/// A query over everything, the disk that it takes, and a start on top of it.
pub(super) fn history(
    system: &System,
    folder: &Path,
    name: &str,
    load: &Load,
    found: &mut Findings,
) -> Result<()> {
    let shape = &load.shape;
    let samples = shape.samples() as f64;
    let instance = Instance::start(system, folder)?;
    instance.ingest(load)?;
    instance.settle()?;
    queries::expect_samples(&instance, shape)?;
    let seconds = shape.span_seconds();
    let expression = format!("sum(max_over_time({{job=\"bench\"}}[{seconds}s]))");
    let wall = queries::time_instant(&instance, &expression, shape.end_ms)?;
    found.figure(
        format!("{name} of 100 series: query, ns per sample"),
        wall.as_secs_f64() * 1e9 / samples,
    );
    instance.stop()?;
    let bytes = usage::folder_bytes(&folder.join("data"))? as f64;
    found.figure(format!("{name} of 100 series: on disk, bytes per sample"), bytes / samples);
    let watch = Stopwatch::start();
    let instance = Instance::start(system, folder)?;
    found.figure(format!("{name} of 100 series: start, s"), watch.elapsed().as_secs_f64());
    found.figure(format!("{name} of 100 series: start, CPU s"), instance.cpu()?.as_secs_f64());
    instance.stop()?;
    if let Some(finished) = finished_bytes_per_sample(system, folder, shape)? {
        let what = "on disk without logs and caches, bytes per sample";
        found.figure(format!("{name} of 100 series: {what}"), finished);
    }
    Ok(())
}

/// kill -9 right after a large load, and the start after it.
pub(super) fn recovery(
    system: &System,
    folder: &Path,
    load: &Load,
    found: &mut Findings,
) -> Result<()> {
    let instance = Instance::start(system, folder)?;
    instance.ingest(load)?;
    instance.kill()?;
    let watch = Stopwatch::start();
    let instance = Instance::start(system, folder)?;
    let wall = watch.elapsed();
    let cpu = instance.cpu()?;
    let samples = queries::count_samples(&instance, &load.shape)?;
    found.figure("replay after kill -9, M samples found again", samples as f64 / 1e6);
    found.figure("replay after kill -9, s", wall.as_secs_f64());
    found.figure("replay after kill -9, CPU s", cpu.as_secs_f64());
    queries::expect_samples(&instance, &load.shape)
}

/// Bytes per sample of what is finished: the folder without logs and caches, and the samples that a
/// start on it finds; nothing if there are none. A log is as long as the time since it was last cut,
/// which says little.
fn finished_bytes_per_sample(system: &System, folder: &Path, shape: &Shape) -> Result<Option<f64>> {
    let data = folder.join("data");
    for name in system.transient_folders() {
        fs::remove_dir_all(data.join(name)).with_context(|| format!("failed to remove {name}"))?;
    }
    let bytes = usage::folder_bytes(&data)?;
    let instance = Instance::start(system, folder)?;
    let samples = queries::count_samples(&instance, shape)?;
    Ok((samples > 0).then(|| bytes as f64 / samples as f64))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// `50 k`, `1 M`
fn short_count(count: usize) -> String {
    if count >= 1_000_000 {
        format!("{} M", count / 1_000_000)
    } else {
        format!("{} k", count / 1_000)
    }
}
