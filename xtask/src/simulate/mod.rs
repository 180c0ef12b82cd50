//! `cargo xtask simulate`: modelwatch over a simulated busy deployment, to look at pages that one machine cannot
//! fill: 4 nodes, 28 accelerators, 4 engines and an incident. Nothing of it is measured.
//!
//! Series go in through `modelwatch import`; requests, events and log lines through an example of the crate `store`,
//! because the product takes them from its own gateway and collectors only. What it does not do: go on living, so that
//! pages show the past of the time at which it ended.

#[cfg(test)]
mod alarms;
mod metrics;
mod world;

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use model::Clock;

use crate::{
    binary::{self, Profile},
    engine, page, peers,
    process::{self, Process},
    say,
};
use metrics::Deployment;

const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;
/// Between readings of the last hour, and of the days before it, in seconds.
const FINE: f64 = 5.0;
const COARSE: f64 = 60.0;
/// More would only take longer to make.
const DAYS_MAX: f64 = 60.0;
/// Requests are kept for 30 days.
const AGE_MAX: f64 = 29.0 * DAY;
/// A program that needs longer to answer counts as one that did not start.
const START_MAX: Duration = Duration::from_secs(60);

/// What is simulated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wish {
    /// Where the data directory is made.
    folder: PathBuf,
    /// Days before the last hour.
    days: f64,
    /// When it ends, in Unix seconds.
    end: f64,
    /// Of the binaries that make and serve it.
    profile: Profile,
    /// Over the days before the last hour, which has its own.
    requests: u64,
}

impl Wish {
    /// An hour that ends now.
    pub(crate) fn hour(folder: PathBuf) -> Self {
        Self::before(now(), folder)
    }

    /// An hour that ended yesterday at noon (UTC): pictures of two days show the same times of day.
    pub(crate) fn noon(folder: PathBuf) -> Self {
        let today = (now() / DAY).floor() * DAY;
        Self { end: today - DAY / 2.0, ..Self::hour(folder) }
    }

    /// An hour after `days` of history, made by a release binary.
    pub(crate) fn history(folder: PathBuf, days: f64) -> Self {
        Self { days, profile: Profile::Release, ..Self::hour(folder) }
    }

    fn before(now: f64, folder: PathBuf) -> Self {
        Self {
            folder,
            days: 0.0,
            end: (now / 60.0).floor() * 60.0,
            profile: Profile::Dev,
            requests: 0,
        }
    }

    /// With so many requests over the days before the last hour.
    pub(crate) fn with_requests(self, requests: u64) -> Self {
        Self { requests, ..self }
    }

    fn parse(arguments: &[String], now: f64) -> Result<Self> {
        let folder = std::env::temp_dir().join("modelwatch-simulated");
        let mut wish = Self { profile: Profile::Release, ..Self::before(now, folder) };
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            let value = rest.next().with_context(|| format!("{word} needs a value"))?;
            let number = || {
                value
                    .parse::<f64>()
                    .with_context(|| format!("{word} needs a number, not {value:?}"))
            };
            match word.as_str() {
                "--data" => wish.folder = value.into(),
                "--days" => wish.days = number()?,
                "--end" => wish.end = number()?,
                "--profile" if value == "dev" => wish.profile = Profile::Dev,
                _ => bail!(
                    "simulate knows --data FOLDER, --days NUMBER, --end UNIX-SECONDS and --profile dev, not {word} {value}"
                ),
            }
        }
        ensure!((0.0..=DAYS_MAX).contains(&wish.days), "--days goes from 0 to {DAYS_MAX}");
        ensure!(
            (now - AGE_MAX..=now).contains(&wish.end),
            "--end is a time of the last 29 days, in seconds since 1970: older requests are not kept"
        );
        Ok(wish)
    }
}

fn now() -> f64 {
    Clock::system().now().0 as f64 / 1e3
}

/// Makes the data and serves them until Ctrl-C.
pub(crate) fn simulate(arguments: &[String]) -> Result<()> {
    let wish = Wish::parse(arguments, now())?;
    page::build_if_possible()?;
    // The one of the tests is taken as they left it.
    let program = match wish.profile {
        Profile::Release => binary::build(Profile::Release)?,
        Profile::Dev => binary::path(Profile::Dev)?,
    };
    fill(&program, &wish)?;
    let (mut server, address) = serve(&program, &wish.folder)?;
    say(&format!("SIMULATED deployment at http://{address}; Ctrl-C stops it"));
    let status = server.wait()?;
    ensure!(status.success(), "modelwatch ended with {status}");
    Ok(())
}

/// Makes a data directory; one that is there already is an error, because it may be somebody's.
pub(crate) fn fill(program: &Path, wish: &Wish) -> Result<()> {
    ensure!(
        !wish.folder.exists(),
        "{} is there already; remove it or name another",
        wish.folder.display()
    );
    fs::create_dir_all(&wish.folder)?;
    let config = wish.folder.join("modelwatch.toml");
    write_config(&config, &wish.folder, "127.0.0.1:0")?;
    let text = wish.folder.join("series.txt");
    say("making series");
    write_series(&text, wish)?;
    say("storing them");
    let mut import = process::command(program);
    import.arg("import").arg("--config").arg(&config).arg(&text);
    process::capture(&mut import)?;
    fs::remove_file(&text)?;
    say("making requests, events and log lines");
    let mut cargo = process::cargo();
    cargo.args(["run", "--quiet", "--locked", "--package", "store", "--example", "simulate"]);
    if wish.profile == Profile::Release {
        cargo.arg("--release");
    }
    cargo.arg("--").arg(wish.folder.join("data")).arg(format!("{}", (wish.end * 1e3) as i64));
    for (from, to) in [world::FULL, world::RESTART, world::HOT] {
        cargo.arg(format!("{from}-{to}"));
    }
    if wish.requests > 0 {
        // Older ones are not kept.
        let days = wish.days.min(AGE_MAX / DAY);
        cargo.arg(wish.requests.to_string()).arg(days.to_string());
    }
    process::capture(&mut cargo)?;
    // Whoever looks at it has to know which hour it is about.
    fs::write(
        wish.folder.join("simulated.json"),
        format!("{{\"end_ms\":{}}}\n", (wish.end * 1e3) as i64),
    )?;
    Ok(())
}

/// Starts modelwatch over it, on a free port, and returns it with its address.
pub(crate) fn serve(program: &Path, folder: &Path) -> Result<(Process, String)> {
    let address = format!("127.0.0.1:{}", engine::free_port()?);
    let config = folder.join("modelwatch.toml");
    write_config(&config, folder, &address)?;
    let log = File::create(folder.join("modelwatch.log"))?;
    let mut command = process::command(program);
    command.arg("serve").arg("--config").arg(&config).stdout(log.try_clone()?).stderr(log);
    let mut server = Process::spawn(&mut command)?;
    peers::wait_until_ready(&mut server, &address, "/-/ready", START_MAX)?;
    Ok((server, address))
}

/// This machine's own engines and accelerators stay out of the picture.
fn write_config(path: &Path, folder: &Path, address: &str) -> Result<()> {
    let data = folder.join("data");
    let text = format!(
        "[server]\nlisten = \"{address}\"\n[storage]\npath = {data:?}\nretention = \"90d\"\n\
         [collect]\ndiscover = false\n"
    );
    fs::write(path, text).with_context(|| path.display().to_string())
}

fn write_series(path: &Path, wish: &Wish) -> Result<()> {
    let fine_from = wish.end - HOUR;
    let begin = fine_from - wish.days * DAY;
    let mut deployment = Deployment::new(wish.end, begin);
    let mut out = BufWriter::new(File::create(path)?);
    let mut time = begin;
    while time < wish.end {
        deployment.read(time, &mut out)?;
        time += if time < fine_from { COARSE } else { FINE };
    }
    out.flush().context("the series cannot be written")
}

/// Writes the series of some days in which nothing goes wrong.
pub(crate) fn write_healthy(days: f64, out: &mut dyn io::Write) -> Result<()> {
    // The incident is in the last hour, which is left out.
    let end = (now() / 60.0).floor() * 60.0;
    let (begin, mut time) = (end - days * DAY, end - days * DAY);
    let mut deployment = Deployment::new(end + HOUR, begin);
    while time < end {
        deployment.read(time, out)?;
        time += COARSE;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_agree_and_the_incident_is_in_them() {
        let read = |end: f64| {
            let mut deployment = Deployment::new(end, end - HOUR);
            let mut out = Vec::new();
            for number in 0..60 {
                deployment.read(end - HOUR + f64::from(number) * 60.0, &mut out).unwrap();
            }
            String::from_utf8(out).unwrap()
        };
        let end = 1_795_520_040.0;
        let text = read(end);
        assert_eq!(text, read(end));
        // Two days later nothing is different but dates.
        let undated = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| !line.contains("_time_seconds{"));
            lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
        };
        assert_eq!(undated(&text), undated(&read(end + 2.0 * DAY)));
        let count = |part: &str| text.lines().filter(|line| line.contains(part)).count();
        assert_eq!(count("accelerator_up{"), 28 * 60);
        assert_eq!(count("max-num-seqs 128"), 9);
        let hot = |line: &&str| {
            line.contains("reason=\"hw_thermal\"")
                && line.contains("throttle_active")
                && line.contains("} 1 ")
        };
        let hot: Vec<&str> = text.lines().filter(hot).collect();
        assert!(
            !hot.is_empty() && hot.iter().all(|line| line.contains("host=\"node-2\",index=\"3\""))
        );
        let full = text.lines().filter(|line| {
            line.starts_with("llm_kv_cache_usage_ratio") && line.contains("} 0.995 ")
        });
        assert!(full.count() > 5);
    }

    #[test]
    fn wishes_are_read() {
        let parse = |text: &str| {
            let arguments: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            Wish::parse(&arguments, 1_795_520_059.0)
        };
        let wish = parse("--days 2 --data /x").unwrap();
        assert_eq!((wish.days, wish.end, wish.folder), (2.0, 1_795_520_040.0, "/x".into()));
        assert_eq!(parse("--end 1794000000").unwrap().end, 1_794_000_000.0);
        for wrong in
            ["--days", "--days x", "--days 1000", "--end 5", "--end 1795520060", "--speed 2"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
