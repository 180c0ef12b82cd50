//! The gateway within this program: starts it, takes its records, and keeps what budgets were used.
//!
//! It has a runtime of its own, so that a heavy query or scrape takes no time from a request that passes.
//! One thread takes the records: they become series and go to the store of events. Where that thread cannot
//! keep up the gateway drops records and counts them; requests never wait for it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context as _;
use gateway::{Gateway, KeyUsage, config::StartError, keys::KeyFile, samples::Samples};
use model::{
    Clock, UnixMs,
    exchange::Exchange,
    log::LogRecord,
    message::{Language, render},
};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, sync::mpsc, time::timeout};

use crate::{
    config::Config,
    upstreams::{Engines, Follower},
    writer::Queue,
};

/// Records that may wait to be taken, of about 2 kB each: what comes in the second in which a slow disk is
/// waited for. When full the newest is lost and counted.
const RECORDS_MAX: usize = 16_384;
/// Records that are taken at a time.
const BATCH_MAX: usize = 512;
/// How often what was used of budgets is written down.
const USAGE_PERIOD: Duration = Duration::from_secs(10);
/// How long requests that are open may take to end when the program ends.
const GRACE: Duration = Duration::from_secs(2);
/// What was used of budgets, in the data directory.
const USAGE_FILE: &str = "gateway-usage.json";
/// A larger file of usage is none of ours.
const USAGE_BYTES_MAX: u64 = 16 << 20;

/// What becomes of records besides series. Returns at once; what it cannot keep it counts itself.
pub(crate) type Keep = Box<dyn FnMut(Vec<Exchange>) + Send>;

/// Takes what the gateway noticed.
pub(crate) type Note = Box<dyn Fn(LogRecord) + Send>;

/// A running gateway.
pub(crate) struct Exchanges {
    gateway: Arc<Gateway>,
    keys: KeyFile,
    usage: PathBuf,
    runtime: Runtime,
    taker: JoinHandle<()>,
}

/// What others may see of it. It does not keep the gateway from ending.
#[derive(Clone)]
pub(crate) struct View {
    gateway: Weak<Gateway>,
    pub(crate) keys: KeyFile,
}

impl View {
    /// `None` once it has ended.
    pub(crate) fn gateway(&self) -> Option<Arc<Gateway>> {
        self.gateway.upgrade()
    }
}

impl Exchanges {
    /// Starts what the configuration asks for; `None` when it asks for no gateway.
    pub(crate) fn start(
        config: &Config,
        clock: &Clock,
        queue: &Queue,
        keep: Keep,
        engines: Engines,
        note: Note,
        language: Language,
    ) -> anyhow::Result<Option<Self>> {
        let variable = |name: &str| std::env::var(name).ok();
        let data = &config.storage.path;
        let Some(settings) = config.gateway.settings(data, &variable) else { return Ok(None) };
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("gateway")
            .enable_all()
            .build()
            .context("failed to start the gateway's runtime")?;
        let (sender, records) = mpsc::channel(RECORDS_MAX);
        let started = runtime.block_on(Gateway::start(settings, clock.clone(), sender));
        let gateway = started.map_err(|error| not_started(&error, config, language))?;
        let gateway = Arc::new(gateway);
        let usage = data.join(USAGE_FILE);
        gateway.restore_usage(&read_usage(&usage));
        let taker = Taker {
            gateway: Arc::downgrade(&gateway),
            records,
            samples: Samples::new(config.gateway.places(), config.gateway.slo),
            follower: Follower::new(engines, &config.gateway.upstreams),
            period: config.collect.engine_period,
            queue: queue.clone(),
            clock: clock.clone(),
            usage: usage.clone(),
            keep,
            note,
        };
        let handle = runtime.handle().clone();
        let taker = std::thread::Builder::new()
            .name("exchanges".into())
            .spawn(move || handle.block_on(taker.run()))
            .context("failed to start the thread that takes records")?;
        let keys = KeyFile::new(config.gateway.keys_path(data));
        Ok(Some(Self { gateway, keys, usage, runtime, taker }))
    }

    pub(crate) fn view(&self) -> View {
        View { gateway: Arc::downgrade(&self.gateway), keys: self.keys.clone() }
    }

    /// Lets open requests end for a while, takes their records, and ends.
    pub(crate) fn stop(self) {
        let Self { mut gateway, usage, runtime, taker, .. } = self;
        note_usage(&usage, &gateway.usage());
        // Who looks at it holds it for a moment only.
        let gateway = loop {
            match Arc::try_unwrap(gateway) {
                Ok(gateway) => break gateway,
                Err(shared) => gateway = shared,
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        runtime.block_on(gateway.stop(GRACE));
        // The gateway was the last to send, so that the thread ends when it has taken everything.
        if taker.join().is_err() {
            tracing::error!("the thread that takes the gateway's records ended abnormally");
        }
        runtime.shutdown_timeout(GRACE);
    }
}

/// Takes records until the gateway is gone.
struct Taker {
    gateway: Weak<Gateway>,
    records: mpsc::Receiver<Exchange>,
    samples: Samples,
    follower: Follower,
    period: Duration,
    queue: Queue,
    clock: Clock,
    usage: PathBuf,
    keep: Keep,
    note: Note,
}

impl Taker {
    async fn run(mut self) {
        let (mut next_batch, mut next_usage) = (UnixMs(0), self.clock.monotonic() + USAGE_PERIOD);
        let period = i64::try_from(self.period.as_millis()).unwrap_or(5_000).max(1);
        loop {
            let time = UnixMs(self.clock.now().0.div_euclid(period) * period);
            if time != next_batch {
                next_batch = time;
                let gateway = self.gateway.upgrade();
                let restarted = self.follower.look(&mut self.samples);
                if let Some(gateway) = &gateway {
                    restarted.iter().for_each(|upstream| gateway.note_restart(upstream));
                }
                let notices = gateway.as_ref().map(|it| it.take_notices());
                notices.into_iter().flatten().for_each(&self.note);
                let upstreams = gateway.map(|it| it.upstreams());
                self.queue.send(self.samples.batch(time, &upstreams.unwrap_or_default()));
            }
            if self.clock.monotonic() >= next_usage {
                next_usage = self.clock.monotonic() + USAGE_PERIOD;
                if let Some(gateway) = self.gateway.upgrade() {
                    note_usage(&self.usage, &gateway.usage());
                }
            }
            let left = period - self.clock.now().0.rem_euclid(period);
            let wait = Duration::from_millis(u64::try_from(left).unwrap_or(1));
            let mut taken = Vec::new();
            match timeout(wait, self.records.recv_many(&mut taken, BATCH_MAX)).await {
                Ok(0) => return,
                Ok(_) => {
                    taken.iter().for_each(|exchange| self.samples.observe(exchange));
                    (self.keep)(taken);
                }
                Err(_) => {}
            }
        }
    }
}

/// Why it does not start, for the person at the terminal.
fn not_started(error: &StartError, config: &Config, language: Language) -> anyhow::Error {
    if let StartError::Listen { address, source } = error
        && source.kind() == io::ErrorKind::AddrInUse
    {
        let holder = collect::holder_of(&config.collect.root, address.port());
        let code = match holder {
            Some(_) => "start.gateway_port_taken_by",
            None => "start.gateway_port_taken",
        };
        let params = [("listen", address.to_string()), ("holder", holder.unwrap_or_default())];
        return anyhow::Error::msg(render(code, &params, language));
    }
    let params = [("reason", error.to_string())];
    anyhow::Error::msg(render("start.gateway_failed", &params, language))
}

fn note_usage(path: &Path, usage: &[KeyUsage]) {
    let entries = usage.iter().map(|one| {
        json!({
            "key": one.key_id,
            "day": one.day,
            "tokens_of_day": one.tokens_of_day,
            "month": one.month,
            "tokens_of_month": one.tokens_of_month,
        })
    });
    let text = Value::Array(entries.collect()).to_string();
    let fresh = path.with_extension("new");
    let written = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, path));
    if let Err(error) = written {
        tracing::warn!("what was used of budgets cannot be kept in {}: {error}", path.display());
    }
}

/// What was used before; what cannot be read counts as nothing, and is said.
fn read_usage(path: &Path) -> Vec<KeyUsage> {
    let text = match fs::metadata(path) {
        Ok(file) if file.len() <= USAGE_BYTES_MAX => fs::read(path),
        Ok(_) => Err(io::Error::other("it is too large")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => Err(error),
    };
    let entries = text.and_then(|text| Ok(serde_json::from_slice::<Vec<Value>>(&text)?));
    let entries = entries.unwrap_or_else(|error| {
        let path = path.display();
        tracing::warn!("what was used of budgets is unknown, {path} cannot be read: {error}");
        Vec::new()
    });
    let usage = entries.iter().filter_map(|entry| {
        Some(KeyUsage {
            key_id: entry["key"].as_str().map(str::to_owned),
            day: entry["day"].as_i64()?,
            tokens_of_day: entry["tokens_of_day"].as_u64()?,
            month: entry["month"].as_i64()?,
            tokens_of_month: entry["tokens_of_month"].as_u64()?,
            running: 0,
        })
    });
    usage.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(USAGE_FILE);
        assert_eq!(read_usage(&path), []);
        let usage = [
            KeyUsage {
                key_id: Some("ab".into()),
                day: 20_000,
                tokens_of_day: 7,
                month: 657,
                tokens_of_month: 70,
                running: 0,
            },
            KeyUsage {
                key_id: None,
                day: 20_000,
                tokens_of_day: 1,
                month: 657,
                tokens_of_month: 2,
                running: 0,
            },
        ];
        note_usage(&path, &usage);
        assert_eq!(read_usage(&path), usage);
        for damaged in ["", "{}", "[1,{\"day\":-1}]"] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(read_usage(&path), [], "{damaged}");
        }
    }
}
