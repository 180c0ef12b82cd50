//! The command line: what the words mean, in which language to answer, and the exit status.
//!
//! Exit status: 0 done, 1 something failed while running or a check found damage, 2 nothing was done:
//! the command line or the configuration is wrong, or there is no store to check.

mod bench;
mod check;
mod explain;
mod export;
mod import;
mod input;
mod key;
mod logs;
mod notify;
mod peer;
mod pipeline;
mod progress;
pub(crate) mod query;
mod report;
mod rules;
mod store;
mod top;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Arg, ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use collect::{EngineReport, EngineState, inventory::Inventory};
use model::message::{Language, render};

use crate::{
    agent,
    config::{self, Config, Environment},
    wire,
};

/// Exit status for a wrong command line or configuration.
const WRONG_USE: u8 = 2;

#[derive(Parser)]
#[command(name = "modelwatch", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[arg(long, value_name = "LANGUAGE", global = true)]
    lang: Option<String>,
}

#[derive(Clone, Subcommand)]
enum Command {
    Serve,
    Agent,
    Check,
    Import {
        #[command(flatten)]
        place: Place,
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    Export {
        #[arg(long = "match", value_name = "SELECTOR", required = true)]
        selectors: Vec<String>,
        #[arg(long, value_name = "TIME")]
        start: Option<String>,
        #[arg(long, value_name = "TIME")]
        end: Option<String>,
        #[arg(
            long,
            value_name = "FORMAT",
            value_parser = ["openmetrics", "csv"],
            default_value = "openmetrics",
            hide_default_value = true,
            hide_possible_values = true
        )]
        format: String,
        #[command(flatten)]
        place: Place,
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    Explain {
        #[arg(value_name = "FILE", required = true)]
        logs: Vec<PathBuf>,
    },
    Key {
        #[command(subcommand)]
        work: key::KeyWork,
    },
    Logs(logs::Words),
    Notify {
        #[command(subcommand)]
        work: notify::NotifyWork,
    },
    Pipeline {
        #[command(subcommand)]
        work: pipeline::PipelineWork,
    },
    Query(query::Words),
    Rules {
        #[command(subcommand)]
        work: rules::RulesWork,
    },
    Report(Box<report::Words>),
    Top(top::Options),
    Bench(Box<bench::Words>),
    Store {
        #[command(subcommand)]
        work: StoreWork,
    },
    Docs {
        #[arg(value_enum)]
        page: Page,
    },
}

#[derive(Clone, Subcommand)]
enum StoreWork {
    Verify {
        #[arg(value_name = "PATH")]
        path: Option<PathBuf>,
    },
    Repair {
        #[arg(value_name = "PATH")]
        path: Option<PathBuf>,
    },
}

/// Where the samples are: in a running modelwatch, in a folder, or where the configuration says.
#[derive(Clone, clap::Args)]
struct Place {
    #[arg(long, value_name = "URL", conflicts_with = "path")]
    url: Option<String>,
    #[arg(long, value_name = "FOLDER")]
    path: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Page {
    AlertRules,
    Configuration,
    Engines,
}

pub(crate) fn main() -> ExitCode {
    let version = match crate::api::page_kind() {
        "full" => concat!(env!("CARGO_PKG_VERSION"), " (ui: full)"),
        _ => concat!(env!("CARGO_PKG_VERSION"), " (ui: mini)"),
    };
    let words: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    // The help speaks before the words are parsed, so it looks for its language itself.
    let command = translated(Arguments::command(), language(asked_language(&words)));
    let matches = command.version(version).get_matches();
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let language = language(arguments.lang.as_deref());
    let command = arguments.command.unwrap_or(Command::Serve);
    run(command, arguments.config.as_deref(), language)
}

/// Does what a command says, by the configuration in that file.
fn run(command: Command, config: Option<&Path>, language: Language) -> ExitCode {
    match command {
        Command::Docs { page } => print_page(page, language),
        Command::Serve => with_config(config, language, |config| serve(config, language)),
        Command::Agent => with_config(config, language, |config| {
            start_log(&config.log_level);
            ended(agent::run(config, language, &say).map(|()| true))
        }),
        Command::Check => with_config(config, language, |config| check::check(&config, language)),
        Command::Import { place, files } => with_config(config, language, |config| {
            let config = place.apply(config);
            ended(import::import(&config, place.url.as_deref(), &files, language))
        }),
        Command::Export { selectors, start, end, format, place, output } => {
            let wanted = export::Wanted {
                selectors: &selectors,
                start: start.as_deref(),
                end: end.as_deref(),
                format: &format,
                url: place.url.as_deref(),
                output: output.as_deref(),
            };
            with_config(config, language, |config| {
                ended(export::export(&place.apply(config), &wanted, language).map(|()| true))
            })
        }
        Command::Explain { logs } => ended(explain::explain(&logs, language)),
        Command::Key { work } => {
            with_config(config, language, |config| key::key(&config, work, language))
        }
        Command::Logs(words) => {
            with_config(config, language, |config| logs::logs(&config, &words, language))
        }
        Command::Notify { work } => {
            with_config(config, language, |config| notify::notify(&config, &work, language))
        }
        Command::Pipeline { work } => {
            with_config(config, language, |config| pipeline::pipeline(&config, work, language))
        }
        Command::Query(words) => {
            with_config(config, language, |config| query::query(&config, &words, language))
        }
        Command::Rules { work } => rules::rules(&work, language),
        Command::Report(words) => with_config(config, language, |config| {
            ended(report::report(&config, &words, language).map(|()| true))
        }),
        Command::Top(options) => {
            with_config(config, language, |config| top::top(&config, &options, language))
        }
        Command::Bench(words) => bench::bench(&words, language),
        Command::Store { work } => with_config(config, language, |config| {
            let configured = config.storage.path;
            match work {
                StoreWork::Verify { path } => store::verify(&path.unwrap_or(configured), language),
                StoreWork::Repair { path } => store::repair(&path.unwrap_or(configured), language),
            }
        }),
    }
}

fn print_page(page: Page, language: Language) -> ExitCode {
    let text = match page {
        Page::AlertRules => alert::pack::page(language == Language::Chinese),
        Page::Configuration => config::reference(language),
        Page::Engines => collect::EngineSetting::kinds_page(language == Language::Chinese),
    };
    say(text.trim_end());
    ExitCode::SUCCESS
}

impl Place {
    fn apply(&self, mut config: Config) -> Config {
        if let Some(path) = &self.path {
            config.storage.path.clone_from(path);
        }
        config
    }
}

/// The exit status of work that succeeded, was done in part, or failed with a reason to tell.
fn ended(result: anyhow::Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&format!("modelwatch: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The value of `--lang` among the words, however it is written.
fn asked_language(words: &[String]) -> Option<&str> {
    let at = words.iter().position(|word| word == "--lang" || word.starts_with("--lang="))?;
    let given = words[at].strip_prefix("--lang=");
    given.or_else(|| words.get(at + 1).map(String::as_str))
}

/// Arguments by their names in the program.
type Names = &'static [&'static str];

/// Commands that have commands below them, with the arguments of those.
const NESTED: &[(&str, &[(&str, Names)])] = &[
    ("key", &[("create", key::CREATE), ("list", &[]), ("revoke", &["which"])]),
    ("notify", &[("test", notify::TEST)]),
    ("pipeline", &[("test", pipeline::TEST)]),
    ("rules", &[("check", rules::CHECK), ("test", rules::TEST)]),
    ("store", &[("verify", &["path"]), ("repair", &["path"])]),
];
/// Other commands with their arguments.
const PLAIN: &[(&str, Names)] = &[
    ("serve", &[]),
    ("agent", &[]),
    ("check", &[]),
    ("import", &["files", "path", "url"]),
    ("export", &["selectors", "start", "end", "format", "path", "url", "output"]),
    ("explain", &["logs"]),
];
/// Those whose help ends with examples, with the code of what they do.
const WITH_EXAMPLES: &[(&str, &str, Names)] = &[
    ("logs", "help.logs_command", logs::ARGUMENTS),
    ("query", "help.query", query::ARGUMENTS),
    ("report", "help.report", report::ARGUMENTS),
    ("top", "help.top", top::ARGUMENTS),
    ("bench", "help.bench", bench::ARGUMENTS),
];

/// Gives the command its texts, which are in the catalogue like all others.
fn translated(command: clap::Command, language: Language) -> clap::Command {
    let text = |code: &str| render::<&str, &str>(code, &[], language);
    let options = text("help.options");
    let flag = |name: &'static str, short: char, action: ArgAction| {
        let help = text(&format!("help.{name}"));
        Arg::new(name).short(short).long(name).action(action).help(help).help_heading(&options)
    };
    let described = |command: clap::Command, code: &str| {
        command
            .about(text(code))
            .help_template(format!(
                "{{about-with-newline}}\n{} {{usage}}\n\n{{all-args}}{{after-help}}",
                text("help.usage")
            ))
            .subcommand_help_heading(text("help.commands"))
            .disable_help_flag(true)
            .disable_help_subcommand(true)
    };
    let command = NESTED.iter().copied().fold(command, |command, (name, works)| {
        command.mut_subcommand(name, |command| {
            let command = described(command, &format!("help.{name}"));
            works.iter().fold(command, |command, (work, arguments)| {
                command.mut_subcommand(work, |command| {
                    let command = described(command, &format!("help.{name}_{work}"));
                    with_texts(command, arguments, language)
                })
            })
        })
    });
    let command = PLAIN.iter().copied().fold(command, |command, (name, arguments)| {
        command.mut_subcommand(name, |command| {
            with_texts(described(command, &format!("help.{name}")), arguments, language)
        })
    });
    let command =
        WITH_EXAMPLES.iter().copied().fold(command, |command, (name, about, arguments)| {
            let after = text(&format!("help.{name}_after"));
            command.mut_subcommand(name, |command| {
                with_texts(described(command, about), arguments, language).after_help(after)
            })
        });
    described(command, "help.about")
        .after_help(text("help.after"))
        .disable_version_flag(true)
        .arg(flag("help", 'h', ArgAction::Help).global(true))
        .arg(flag("version", 'V', ArgAction::Version))
        .mut_arg("config", |arg| arg.help(text("help.config")).help_heading(&options))
        .mut_arg("lang", |arg| arg.help(text("help.lang")).help_heading(&options))
        .mut_subcommand("docs", |command| {
            with_texts(described(command, "help.docs"), &["page"], language)
                .mut_arg("page", |arg| arg.hide_possible_values(true))
        })
}

/// Gives arguments the texts `help.NAME`.
fn with_texts(
    command: clap::Command,
    arguments: &[&'static str],
    language: Language,
) -> clap::Command {
    let text = |code: &str| render::<&str, &str>(code, &[], language);
    let (options, positional) = (text("help.options"), text("help.arguments"));
    arguments.iter().fold(command, |command, name| {
        command.mut_arg(name, |argument| {
            let is_option = argument.get_long().is_some();
            let argument = argument.help(text(&format!("help.{name}")));
            argument.help_heading(if is_option { &options } else { &positional })
        })
    })
}

fn serve(config: Config, language: Language) -> ExitCode {
    start_log(&config.log_level);
    ended(wire::serve(config, language, &say).map(|()| true))
}

fn with_config(
    file: Option<&Path>,
    language: Language,
    then: impl FnOnce(Config) -> ExitCode,
) -> ExitCode {
    let environment = Environment {
        variable: &|name| std::env::var(name).ok(),
        is_root: rustix::process::geteuid().is_root(),
    };
    match config::load(file, &environment) {
        Ok(config) => then(config),
        Err(problems) => {
            let path = file.map(|path| path.display().to_string()).unwrap_or_default();
            let params = [("path", path)];
            complain(&render("config.errors", &params, language));
            for problem in problems {
                complain(&format!("  {}", problem.render(language)));
            }
            ExitCode::from(WRONG_USE)
        }
    }
}

/// The language asked for, else that of the terminal.
fn language(asked: Option<&str>) -> Language {
    let from_environment = || {
        let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
        names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    let tag = asked.map(str::to_owned).or_else(from_environment);
    Language::from_tag(tag.as_deref().unwrap_or_default())
}

fn start_log(level: &str) {
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // It would be written to the very place that cannot be written to, and panic.
        .log_internal_errors(false)
        .with_target(false)
        .with_env_filter(tracing_subscriber::EnvFilter::new(format!(
            "warn,modelwatch={level},collect={level},store={level},query={level}"
        )));
    subscriber.init();
}

/// The lines that describe this machine.
pub(crate) fn host_lines(inventory: &Inventory, language: Language) -> Vec<String> {
    let unknown = || "?".to_owned();
    let gib =
        inventory.memory_bytes.map(|bytes| format!("{:.0}", bytes as f64 / f64::from(1 << 30)));
    let host = [
        ("name", inventory.hostname.clone().unwrap_or_else(unknown)),
        ("os", inventory.os_name.clone().unwrap_or_else(unknown)),
        ("kernel", inventory.kernel.clone().unwrap_or_else(unknown)),
        ("cpus", inventory.cpus.map_or_else(unknown, |cpus| cpus.to_string())),
        ("cpu", inventory.cpu_model.clone().unwrap_or_else(unknown)),
        ("memory", gib.unwrap_or_else(unknown)),
    ];
    let mut lines = vec![render("start.host", &host, language)];
    if inventory.accelerators.is_empty() {
        lines.push(render::<&str, &str>("start.no_accelerator", &[], language));
    }
    for accelerator in &inventory.accelerators {
        let driver = accelerator.driver.clone();
        let params = [
            ("vendor", accelerator.vendor.clone()),
            ("device", accelerator.device.clone()),
            ("address", accelerator.address.clone()),
            ("driver", driver.unwrap_or_else(|| "-".into())),
        ];
        lines.push(render("start.accelerator", &params, language));
    }
    lines
}

/// The line about an engine that was found or named.
pub(crate) fn engine_line(engine: &EngineReport, language: Language) -> String {
    let code = match engine.state {
        EngineState::Up => "start.engine",
        EngineState::Starting => "start.engine_starting",
        EngineState::Down => "start.engine_down",
    };
    let models = engine.models.join(", ");
    let params = [
        ("name", engine.name.clone()),
        ("version", engine.version.clone().unwrap_or_default()),
        ("url", engine.url.clone()),
        ("models", if models.is_empty() { "-".into() } else { models }),
    ];
    render(code, &params, language)
}

/// A terminal or pipe that went away is no reason to end, so that errors of writing are ignored.
fn say(line: &str) {
    drop(writeln!(std::io::stdout(), "{line}"));
}

fn complain(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}
