//! `modelwatch notify test`: sends a test over a channel, by the running modelwatch where there is one, else by itself.

use std::{os::unix::fs::DirBuilderExt as _, process::ExitCode, time::Duration};

use axum::http::StatusCode;
use clap::Subcommand;
use model::{
    Clock,
    message::{Language, render},
};
use serde_json::Value;

use super::{
    WRONG_USE, complain,
    peer::{Answer, Peer},
    query::url_of,
    say,
};
use crate::{alarms::channels::Channels, config::Config};

/// The arguments of `test`, for their help.
pub(super) const TEST: &[&str] = &["channel"];

/// How long a running modelwatch may take, and with it the service.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest answer of a running modelwatch.
const ANSWER_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, Subcommand)]
pub(super) enum NotifyWork {
    Test {
        #[arg(value_name = "NAME")]
        channel: String,
    },
}

/// What came of a test: who sent it, and how long it took or why it was not taken.
struct Tested {
    sender: String,
    result: Result<f64, String>,
}

pub(super) fn notify(config: &Config, work: &NotifyWork, language: Language) -> ExitCode {
    let NotifyWork::Test { channel } = work;
    let text = |code: &str, params: &[(&str, String)]| render(code, params, language);
    if !config.channels.iter().any(|known| known.name == *channel) {
        let names: Vec<&str> = config.channels.iter().map(|known| known.name.as_str()).collect();
        let code = if names.is_empty() { "notify.no_channels" } else { "notify.unknown_channel" };
        let params = [("name", channel.clone()), ("names", names.join(", "))];
        complain(&format!("modelwatch: {}", text(code, &params)));
        return ExitCode::from(WRONG_USE);
    }
    let tested = match by_running(config, channel, language) {
        Some(tested) => Ok(tested),
        None => by_itself(config, channel, language),
    };
    match tested {
        Ok(Tested { sender, result: Ok(seconds) }) => {
            let seconds = format!("{seconds:.2}");
            let params = [("name", channel.clone()), ("seconds", seconds), ("sender", sender)];
            say(&text("notify.taken", &params));
            ExitCode::SUCCESS
        }
        Ok(Tested { sender, result: Err(reason) }) => {
            let params = [("name", channel.clone()), ("reason", reason), ("sender", sender)];
            complain(&format!("modelwatch: {}", text("notify.not_taken", &params)));
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(&format!("modelwatch: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// `None` where no modelwatch runs, or none that knows channels: nothing was sent then. Whatever else goes wrong is told,
/// since a second test may ring a second time.
fn by_running(config: &Config, channel: &str, language: Language) -> Option<Tested> {
    let url = url_of(config.server.listen);
    let mut peer = Peer::new(&url, language).ok()?;
    let known = peer.fetch("/api/mw/v1/channels", PATIENCE, ANSWER_BYTES_MAX).ok().flatten()?;
    if known.status != StatusCode::OK {
        return None;
    }
    let path = format!("/api/mw/v1/channels/{channel}/test");
    let result = match peer.ask(&path, String::new(), PATIENCE, ANSWER_BYTES_MAX) {
        Ok(Some(answer)) => of_answer(&answer, language),
        Ok(None) => Err(render::<&str, &str>("notify.other_configuration", &[], language)),
        Err(error) => Err(format!("{error:#}")),
    };
    let sender = render("notify.sender_running", &[("url", url)], language);
    Some(Tested { sender, result })
}

fn of_answer(answer: &Answer, language: Language) -> Result<f64, String> {
    let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let error = || body["error"].as_str().unwrap_or(&answer.text).to_owned();
    match answer.status {
        StatusCode::OK => body["seconds"].as_f64().ok_or_else(error),
        // It runs, with another configuration: that it knows no such channel is what somebody has to know.
        StatusCode::NOT_FOUND => {
            Err(render::<&str, &str>("notify.other_configuration", &[], language))
        }
        _ => Err(error()),
    }
}

/// Sends it from here. The queue of the data directory is left alone: it may be another user's.
fn by_itself(config: &Config, channel: &str, language: Language) -> anyhow::Result<Tested> {
    let folder = std::env::temp_dir().join(format!("modelwatch-notify-{}", std::process::id()));
    // Fails where somebody else made it.
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let channels = Channels::open(&config.channels, &folder, &Clock::system(), language)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tested = runtime.block_on(channels.test(channel));
    runtime.shutdown_timeout(Duration::from_millis(100));
    std::fs::remove_dir_all(&folder)?;
    let result = tested?.map(|took| took.as_secs_f64()).map_err(|failure| failure.reason);
    Ok(Tested { sender: render::<&str, &str>("notify.sender_self", &[], language), result })
}
