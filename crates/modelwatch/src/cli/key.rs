//! `modelwatch key`: who may ask the gateway. A key is shown once, when it is made.

use std::{path::Path, process::ExitCode};

use clap::Subcommand;
use gateway::keys::{Grant, Key, KeyFile, KeysError};
use model::{
    Clock, UnixMs,
    message::{Language, render},
};

use super::{WRONG_USE, complain, say};
use crate::{api::date, config::Config};

/// The arguments of `create`, for their help.
pub(super) const CREATE: &[&str] = &[
    "name",
    "expires",
    "models",
    "requests_per_minute",
    "tokens_per_minute",
    "concurrent_max",
    "tokens_per_day",
    "tokens_per_month",
];

#[derive(Clone, Subcommand)]
pub(super) enum KeyWork {
    Create(Box<Wanted>),
    List,
    Revoke {
        #[arg(value_name = "ID|NAME")]
        which: String,
    },
}

#[derive(Clone, clap::Args)]
pub(super) struct Wanted {
    #[arg(value_name = "NAME")]
    name: String,
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    #[arg(long, value_name = "MODEL,...", value_delimiter = ',')]
    models: Vec<String>,
    #[arg(long = "requests-per-minute", value_name = "COUNT")]
    requests_per_minute: Option<u32>,
    #[arg(long = "tokens-per-minute", value_name = "COUNT")]
    tokens_per_minute: Option<u64>,
    #[arg(long = "concurrent-max", value_name = "COUNT")]
    concurrent_max: Option<u32>,
    #[arg(long = "tokens-per-day", value_name = "COUNT")]
    tokens_per_day: Option<u64>,
    #[arg(long = "tokens-per-month", value_name = "COUNT")]
    tokens_per_month: Option<u64>,
}

pub(super) fn key(config: &Config, work: KeyWork, language: Language) -> ExitCode {
    let path = config.gateway.keys_path(&config.storage.path);
    let (file, now) = (KeyFile::new(&path), Clock::system().now());
    let done = match work {
        KeyWork::Create(wanted) => {
            // The data directory is made by the first who needs it.
            if let Some(folder) = path.parent() {
                drop(std::fs::create_dir_all(folder));
            }
            return create(config, &file, *wanted, now, language);
        }
        KeyWork::List => file.load().map(|keys| list(&path, &keys, now, language)),
        KeyWork::Revoke { which } => file.revoke(&which, now).map(|key| {
            let params = [("name", key.name), ("id", key.id)];
            say(&render("key.revoked", &params, language));
        }),
    };
    ended(done, language)
}

fn create(
    config: &Config,
    file: &KeyFile,
    wanted: Wanted,
    now: UnixMs,
    language: Language,
) -> ExitCode {
    let expires = match wanted.expires.as_deref().map(crate::config::duration) {
        Some(None) => {
            let params = [("value", wanted.expires.unwrap_or_default())];
            complain(&render("key.bad_expiry", &params, language));
            return ExitCode::from(WRONG_USE);
        }
        Some(Some(duration)) => Some(now + duration),
        None => None,
    };
    let grant = Grant {
        models: wanted.models,
        requests_per_minute: wanted.requests_per_minute,
        tokens_per_minute: wanted.tokens_per_minute,
        concurrent_max: wanted.concurrent_max,
        tokens_per_day: wanted.tokens_per_day,
        tokens_per_month: wanted.tokens_per_month,
    };
    let made = file.create(&wanted.name, grant, expires, now).map(|(key, secret)| {
        // On standard output the key alone, so that a script can take it.
        let params = [("name", key.name), ("id", key.id)];
        complain(&render("key.created", &params, language));
        if config.gateway.allows_anonymous() {
            complain(&render::<&str, &str>("key.anonymous_allowed", &[], language));
        }
        say(secret.expose());
    });
    ended(made, language)
}

fn list(path: &Path, keys: &[Key], now: UnixMs, language: Language) {
    if keys.is_empty() {
        let params = [("path", path.display().to_string())];
        say(&render("key.none", &params, language));
        return;
    }
    let text = |code: &str| render::<&str, &str>(code, &[], language);
    let titles = ["key.id", "key.name", "key.made", "key.expires", "key.state", "key.limits"];
    let mut rows: Vec<Vec<String>> = vec![titles.map(text).into()];
    for key in keys {
        let state = match (key.revoked, key.expires) {
            (Some(_), _) => "key.state_revoked",
            (None, Some(expires)) if expires <= now.0 => "key.state_expired",
            _ => "key.state_valid",
        };
        let day = |time: i64| date(UnixMs(time));
        rows.push(vec![
            key.id.clone(),
            // A name may be anything that a person typed but control characters.
            key.name.clone(),
            day(key.created),
            key.expires.map_or("–".into(), day),
            text(state),
            limits(&key.grant, language),
        ]);
    }
    for row in &rows {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = rows.iter().map(|row| width(&row[column])).max().unwrap_or_default();
            format!("{cell}{}", " ".repeat(width - self::width(cell)))
        });
        say(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// How many columns of a terminal a text takes: Chinese characters take two.
fn width(text: &str) -> usize {
    let of = |c: char| if ('\u{1100}'..='\u{ffdc}').contains(&c) && c > '\u{2e7f}' { 2 } else { 1 };
    text.chars().map(of).sum()
}

fn limits(grant: &Grant, language: Language) -> String {
    let number = |code: &str, value: Option<u64>| {
        value.map(|value| render(code, &[("count", value.to_string())], language))
    };
    let models = (!grant.models.is_empty()).then(|| grant.models.join(","));
    let limits = [
        models,
        number("key.limit_requests", grant.requests_per_minute.map(u64::from)),
        number("key.limit_tokens", grant.tokens_per_minute),
        number("key.limit_concurrent", grant.concurrent_max.map(u64::from)),
        number("key.limit_day", grant.tokens_per_day),
        number("key.limit_month", grant.tokens_per_month),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    if limits.is_empty() { "–".into() } else { limits.join(" · ") }
}

fn ended(done: Result<(), KeysError>, language: Language) -> ExitCode {
    let Err(error) = done else { return ExitCode::SUCCESS };
    let path = |path: &Path| ("path", path.display().to_string());
    let (code, params) = match &error {
        KeysError::Io { path: file, source } => {
            ("key.io", vec![path(file), ("reason", source.to_string())])
        }
        KeysError::Format { path: file, reason } => {
            ("key.format", vec![path(file), ("reason", reason.clone())])
        }
        KeysError::NameTaken(name) => ("key.name_taken", vec![("name", name.clone())]),
        KeysError::BadName => ("key.bad_name", Vec::new()),
        KeysError::NotFound(name) => ("key.not_found", vec![("name", name.clone())]),
        KeysError::NoRandom => ("key.no_random", Vec::new()),
    };
    complain(&format!("modelwatch: {}", render(code, &params, language)));
    ExitCode::FAILURE
}
