//! `modelwatch bench`: how fast an endpoint answers, found out by asking it.
//!
//! It generates load, so it says first what it will send, and to whom: there is no default address. The
//! report goes to standard output, everything else to standard error.

mod table;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use evaluate::{
    Lengths, Problem, PromptFile, Prompts,
    bench::{self, Api, Arrival, Ask, CONCURRENCY_MAX, Load, Measured, Plan, Progress, Slo},
    client::{self, Client, Endpoint},
};
use hyper::HeaderMap;
use model::{
    Clock,
    message::{Language, render},
};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::{WRONG_USE, complain, progress, query::text::harmless, say};
use crate::{config::duration, wire};

/// How often the line about the progress is looked at.
const LOOK_PERIOD: Duration = Duration::from_millis(250);
/// Models that are named where one has to be chosen.
const NAMES_MAX: usize = 10;
/// Requests of a load, where neither a number nor a time is given.
const REQUESTS: u64 = 100;

/// The words of the command line.
#[derive(Clone, clap::Args)]
pub(super) struct Words {
    #[arg(id = "bench_url", value_name = "URL")]
    url: String,
    #[arg(id = "bench_model", long = "model", value_name = "NAME")]
    model: Option<String>,
    #[arg(
        id = "bench_api",
        long = "api",
        value_name = "API",
        value_parser = ["chat", "completions"],
        default_value = "chat",
        hide_default_value = true,
        hide_possible_values = true
    )]
    api: String,
    #[arg(id = "bench_no_stream", long = "no-stream")]
    no_stream: bool,
    #[arg(id = "bench_concurrency", long = "concurrency", value_name = "LIST")]
    concurrency: Option<String>,
    #[arg(id = "bench_rate", long = "rate", value_name = "LIST")]
    rate: Option<String>,
    #[arg(
        id = "bench_arrival",
        long = "arrival",
        value_name = "KIND",
        requires = "bench_rate",
        value_parser = ["poisson", "constant"],
        default_value = "poisson",
        hide_default_value = true,
        hide_possible_values = true
    )]
    arrival: String,
    #[arg(id = "bench_requests", long = "requests", value_name = "COUNT")]
    requests: Option<u64>,
    #[arg(id = "bench_duration", long = "duration", value_name = "DURATION")]
    duration: Option<String>,
    #[arg(
        id = "bench_warmup",
        long = "warmup",
        value_name = "COUNT",
        default_value_t = 1,
        hide_default_value = true
    )]
    warmup: u64,
    #[arg(
        id = "bench_prompt_tokens",
        long = "prompt-tokens",
        value_name = "LENGTHS",
        default_value = "128",
        hide_default_value = true,
        conflicts_with = "bench_prompts"
    )]
    prompt_tokens: String,
    #[arg(
        id = "bench_output_tokens",
        long = "output-tokens",
        value_name = "LENGTHS",
        default_value = "128",
        hide_default_value = true
    )]
    output_tokens: String,
    #[arg(id = "bench_prompts", long = "prompts", value_name = "FILE")]
    prompts: Option<PathBuf>,
    #[arg(
        id = "bench_prefix_tokens",
        long = "prefix-tokens",
        value_name = "COUNT",
        default_value = "",
        hide_default_value = true
    )]
    prefix_tokens: String,
    #[arg(
        id = "bench_prefixes",
        long = "prefixes",
        value_name = "COUNT",
        requires = "bench_prefix_tokens",
        default_value_t = 1,
        hide_default_value = true
    )]
    prefixes: u32,
    #[arg(id = "bench_ignore_eos", long = "ignore-eos")]
    ignore_eos: bool,
    #[arg(id = "bench_body", long = "body", value_name = "JSON")]
    body: Option<String>,
    #[arg(
        id = "bench_seed",
        long = "seed",
        value_name = "NUMBER",
        default_value_t = 0,
        hide_default_value = true
    )]
    seed: u64,
    #[arg(id = "bench_slo", long = "slo", value_name = "LIMITS")]
    slo: Option<String>,
    #[arg(
        id = "bench_timeout",
        long = "timeout",
        value_name = "DURATION",
        default_value = "10m",
        hide_default_value = true
    )]
    timeout: String,
    #[arg(id = "bench_api_key_env", long = "api-key-env", value_name = "VARIABLE")]
    api_key_env: Option<String>,
    #[arg(id = "bench_header", long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    #[arg(id = "bench_ca_file", long = "ca-file", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    #[arg(id = "bench_json", long = "json", value_name = "FILE")]
    json: Option<PathBuf>,
    #[arg(id = "bench_svg", long = "svg", value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// The arguments in the order of the help, by which their texts are found.
pub(super) const ARGUMENTS: &[&str] = &[
    "bench_url",
    "bench_model",
    "bench_api",
    "bench_no_stream",
    "bench_concurrency",
    "bench_rate",
    "bench_arrival",
    "bench_requests",
    "bench_duration",
    "bench_warmup",
    "bench_prompt_tokens",
    "bench_output_tokens",
    "bench_prompts",
    "bench_prefix_tokens",
    "bench_prefixes",
    "bench_ignore_eos",
    "bench_body",
    "bench_seed",
    "bench_slo",
    "bench_timeout",
    "bench_api_key_env",
    "bench_header",
    "bench_ca_file",
    "bench_json",
    "bench_svg",
];

pub(super) fn bench(words: &Words, language: Language) -> ExitCode {
    let clock = Clock::system();
    let wrong = |problem: &Problem| {
        complain(&format!("modelwatch: {}", harmless(&problem.render(language))));
        ExitCode::from(WRONG_USE)
    };
    let (mut plan, client) = match planned(words, &clock) {
        Ok(both) => both,
        Err(problem) => return wrong(&problem),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("modelwatch: {error}"));
            return ExitCode::FAILURE;
        }
    };
    if plan.ask.model.is_empty() {
        match runtime.block_on(only_model(&client)) {
            Ok(model) => plan.ask.model = model,
            Err(problem) => return wrong(&problem),
        }
    }
    // Made before anything is sent: nobody wants to measure for an hour and then learn of a typing error.
    let mut files = match opened(words) {
        Ok(files) => files,
        Err(problem) => return wrong(&problem),
    };
    let endpoint = client.endpoint().url();
    for line in table::announcement(&plan, &endpoint, words.prompts.as_deref(), language) {
        complain(&line);
    }
    allow_connections();
    let plan = Arc::new(plan);
    let started = clock.now();
    let measured = match runtime.block_on(watched(&plan, client, &clock, language)) {
        Ok(measured) => measured,
        Err(error) => {
            complain(&format!("modelwatch: {error:#}"));
            return ExitCode::FAILURE;
        }
    };
    for line in table::report(&plan, &measured, language) {
        say(&line);
    }
    let about = Map::from_iter([
        ("tool".to_owned(), json!(concat!("modelwatch bench ", env!("CARGO_PKG_VERSION")))),
        ("url".to_owned(), json!(endpoint)),
        ("started_ms".to_owned(), json!(started.0)),
    ]);
    let mut is_done = measured.iter().any(|one| one.report.ok > 0);
    for file in &mut files {
        let title = format!("{endpoint} {}", plan.ask.model);
        let written = match file.kind {
            Kind::Json => bench::write_json(&plan, &measured, about.clone(), &mut file.out),
            Kind::Svg => file.out.write_all(bench::svg(&measured, &title, language).as_bytes()),
        };
        let written = written.and_then(|()| file.out.flush());
        is_done &= told(file, written, language);
    }
    if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

enum Kind {
    Json,
    Svg,
}

struct Output {
    kind: Kind,
    path: PathBuf,
    out: BufWriter<File>,
}

fn opened(words: &Words) -> Result<Vec<Output>, Problem> {
    let wanted = [(Kind::Json, &words.json), (Kind::Svg, &words.svg)];
    let wanted = wanted.into_iter().filter_map(|(kind, path)| Some((kind, path.as_ref()?)));
    let open = |(kind, path): (Kind, &PathBuf)| match File::create(path) {
        Ok(file) => Ok(Output { kind, path: path.clone(), out: BufWriter::new(file) }),
        Err(error) => Err(unusable(path, &error)),
    };
    wanted.map(open).collect()
}

fn unusable(path: &Path, error: &io::Error) -> Problem {
    let params = vec![("path", path.display().to_string()), ("reason", error.to_string())];
    Problem { code: "bench.file", params }
}

/// Says that the file was written, or why it was not.
fn told(file: &Output, written: io::Result<()>, language: Language) -> bool {
    match &written {
        Ok(()) => {
            let params = [("path", file.path.display().to_string())];
            complain(&render("bench.wrote", &params, language));
        }
        Err(error) => {
            complain(&format!("modelwatch: {}", unusable(&file.path, error).render(language)));
        }
    }
    written.is_ok()
}

/// Every request has a connection, and many systems allow a process but 1,024 files unless it asks.
fn allow_connections() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = u64::from(CONCURRENCY_MAX) + 256;
    let wanted = maximum.map_or(wanted, |maximum| wanted.min(maximum));
    if current.is_some_and(|current| current < wanted) {
        // Refused, requests beyond the limit fail and say so.
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).ok();
    }
}

/// Runs the plan and shows how far it is, until it ends or somebody ends it.
async fn watched(
    plan: &Arc<Plan>,
    client: Client,
    clock: &Clock,
    language: Language,
) -> anyhow::Result<Vec<Measured>> {
    let (stop, stopped) = watch::channel(false);
    let progress = Arc::new(Progress::default());
    let (plan_, progress_) = (Arc::clone(plan), Arc::clone(&progress));
    let running = bench::run(plan_, Arc::new(client), clock.clone(), stopped, progress_);
    let mut running = tokio::spawn(running);
    let mut line = progress::Progress::new(clock.clone());
    let loads = plan.loads.len();
    let show = async {
        loop {
            tokio::time::sleep(LOOK_PERIOD).await;
            line.show(|| {
                let (done, failed) = progress.done();
                let params = [
                    ("place", (progress.load() + 1).to_string()),
                    ("loads", loads.to_string()),
                    ("done", done.to_string()),
                    ("failed", failed.to_string()),
                ];
                render("bench.progress", &params, language)
            });
        }
    };
    let signals = wire::Signals::catch()?;
    let ended = tokio::select! {
        measured = &mut running => Some(measured),
        () = signals.wait(show) => None,
    };
    drop(line);
    match ended {
        Some(measured) => Ok(measured?),
        None => {
            stop.send_replace(true);
            Ok(running.await?)
        }
    }
}

async fn only_model(client: &Client) -> Result<String, Problem> {
    let mut models = client.models().await?;
    let url = || ("url", client.endpoint().url());
    match models.len() {
        0 => Err(Problem { code: "bench.no_model", params: vec![url()] }),
        1 => Ok(models.remove(0)),
        count => {
            models.truncate(NAMES_MAX);
            let names = models.join(", ") + if count > NAMES_MAX { ", …" } else { "" };
            let params = vec![url(), ("count", count.to_string()), ("names", names)];
            Err(Problem { code: "bench.model_choice", params })
        }
    }
}

fn wrong(code: &'static str, option: &str, value: &str) -> Problem {
    Problem { code, params: vec![("option", option.to_owned()), ("value", value.to_owned())] }
}

/// What the words mean together; the model is empty where it has to be asked for.
fn planned(words: &Words, clock: &Clock) -> Result<(Plan, Client), Problem> {
    let length = |option, text: &String| {
        duration(text).ok_or_else(|| wrong("bench.wrong_duration", option, text))
    };
    let extra = match &words.body {
        None => Map::new(),
        Some(text) => match serde_json::from_str(text) {
            Ok(Value::Object(members)) => members,
            _ => return Err(wrong("bench.wrong_body", "--body", text)),
        },
    };
    let prefix_tokens = match words.prefix_tokens.as_str() {
        "" | "0" => 0,
        text => match Lengths::parse("--prefix-tokens", text)? {
            Lengths::Fixed(tokens) => tokens,
            _ => return Err(wrong("bench.wrong_list", "--prefix-tokens", text)),
        },
    };
    let duration = words.duration.as_ref().map(|text| length("--duration", text)).transpose()?;
    let loads = loads(words)?;
    // Time alone ends it, as far as the bound allows.
    let bound = (bench::REQUESTS_MAX / loads.len().max(1) as u64).saturating_sub(words.warmup);
    let requests = words.requests.unwrap_or(if duration.is_some() { bound } else { REQUESTS });
    let plan = Plan {
        ask: Ask {
            api: if words.api == "chat" { Api::Chat } else { Api::Completions },
            model: words.model.clone().unwrap_or_default(),
            is_streaming: !words.no_stream,
            ignore_eos: words.ignore_eos,
            extra,
        },
        prompts: Prompts {
            lengths: Lengths::parse("--prompt-tokens", &words.prompt_tokens)?,
            file: words.prompts.as_deref().map(PromptFile::read).transpose()?,
            output: Lengths::parse("--output-tokens", &words.output_tokens)?,
            prefix_tokens,
            prefixes: words.prefixes,
            seed: words.seed,
        },
        loads,
        requests,
        duration,
        warmup: words.warmup,
        timeout: length("--timeout", &words.timeout)?,
        slo: words.slo.as_deref().map(slo).transpose()?.unwrap_or_default(),
    };
    plan.check()?;
    Ok((plan, asked(words, clock)?))
}

/// The client that asks what the words say.
fn asked(words: &Words, clock: &Clock) -> Result<Client, Problem> {
    let mut headers = HeaderMap::new();
    for header in &words.headers {
        client::add_header(&mut headers, header)?;
    }
    if let Some(name) = &words.api_key_env {
        let key = std::env::var(name).ok().filter(|key| !key.is_empty());
        let params = vec![("name", name.clone())];
        let key = key.ok_or(Problem { code: "bench.no_key", params })?;
        client::set_key(&mut headers, &key)?;
    }
    let endpoint = Endpoint::parse(&words.url)?;
    Client::new(endpoint, headers, words.ca_file.as_deref(), clock.clone())
}

fn loads(words: &Words) -> Result<Vec<Load>, Problem> {
    let concurrency: Option<Vec<u32>> =
        words.concurrency.as_ref().map(|text| list("--concurrency", text)).transpose()?;
    let Some(rates) = &words.rate else {
        let concurrency = concurrency.unwrap_or_else(|| vec![1]);
        return Ok(concurrency
            .into_iter()
            .map(|concurrency| Load::Closed { concurrency })
            .collect());
    };
    let rates: Vec<f64> = list("--rate", rates)?;
    let in_flight_max = match concurrency.as_deref() {
        None => CONCURRENCY_MAX,
        Some([one]) => *one,
        Some(_) => {
            let text = words.concurrency.as_deref().unwrap_or_default();
            return Err(wrong("bench.one_limit", "--concurrency", text));
        }
    };
    let arrival = if words.arrival == "poisson" { Arrival::Poisson } else { Arrival::Constant };
    Ok(rates.into_iter().map(|rate| Load::Open { rate, arrival, in_flight_max }).collect())
}

fn list<T: std::str::FromStr>(option: &str, text: &str) -> Result<Vec<T>, Problem> {
    let numbers = text.split(',').map(|number| number.trim().parse().ok());
    numbers.collect::<Option<_>>().ok_or_else(|| wrong("bench.wrong_list", option, text))
}

fn slo(text: &str) -> Result<Slo, Problem> {
    let mut slo = Slo::default();
    for limit in text.split(',') {
        let limit = limit.split_once('=').and_then(|(name, limit)| {
            let limit = duration(limit).filter(|limit| !limit.is_zero())?;
            let place = match name.trim() {
                "ttft" => &mut slo.ttft,
                "tpot" => &mut slo.tpot,
                "e2e" => &mut slo.e2e,
                _ => return None,
            };
            place.replace(limit).is_none().then_some(())
        });
        limit.ok_or_else(|| wrong("bench.wrong_slo", "--slo", text))?;
    }
    Ok(slo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let check = |text: &str, expected: Option<(Option<u64>, Option<u64>, Option<u64>)>| {
            let millis = |time: Option<Duration>| time.map(|time| time.as_millis() as u64);
            let found = slo(text).ok();
            let found = found.map(|slo| (millis(slo.ttft), millis(slo.tpot), millis(slo.e2e)));
            assert_eq!(found, expected, "{text}");
        };
        check("ttft=500ms,tpot=50ms", Some((Some(500), Some(50), None)));
        check("e2e=1m30s", Some((None, None, Some(90_000))));
        for wrong in ["", "ttft", "ttft=5", "x=5s", "ttft=0s", "ttft=1s,ttft=2s", "ttft=1s,"] {
            check(wrong, None);
        }
    }

    #[test]
    fn lists_are_read() {
        assert_eq!(list::<u32>("x", "1, 2,4").ok(), Some(vec![1, 2, 4]));
        assert_eq!(list::<f64>("x", "0.5").ok(), Some(vec![0.5]));
        for wrong in ["", "1,", "a", "-1", "1.5"] {
            assert!(list::<u32>("x", wrong).is_err(), "{wrong}");
        }
    }
}
