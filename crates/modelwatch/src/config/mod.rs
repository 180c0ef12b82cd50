//! Configuration: a TOML file, every error in it at once, and what is resolved from it.
//!
//! Configuration says what to watch; flags say how to run; the environment holds secrets. The keys
//! are declared once in [`keys`], from which parsing, checking and the reference page follow.

mod alerts;
mod channel;
mod gateway;
mod incidents;
mod keys;
mod keys_alerts;
mod keys_channel;
mod keys_gateway;
mod keys_incidents;
mod keys_logs;
mod keys_pipeline;
mod keys_receive;
mod keys_reports;
mod keys_scrape;
mod lines;
mod logs;
mod parse;
mod pipeline;
mod receive;
mod reference;
mod reports;
mod scrape;
mod units;

use std::{
    fs::File,
    io::Read as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use model::message::{Language, render};

use ::logs::{Zone, pipeline::Pipelines};
pub(crate) use alerts::{Alerts, Objective, part};
pub(crate) use channel::Channel;
pub(crate) use gateway::{Address, Gateway, GatewayUpstream};
pub(crate) use incidents::Alertmanager;
use lines::{Lines, text};
pub(crate) use logs::{Logs, NamedLog};
pub(crate) use receive::Receive;
pub(crate) use reference::reference;
#[cfg(test)]
pub(crate) use reports::Report;
pub(crate) use reports::Reports;
pub(crate) use scrape::Scrape;
pub(crate) use units::{duration, duration_text};

/// Largest configuration file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Everything the program needs to know, checked and with defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) alerts: Alerts,
    pub(crate) channels: Vec<Channel>,
    pub(crate) objectives: Vec<Objective>,
    pub(crate) server: Server,
    pub(crate) storage: Storage,
    pub(crate) collect: Collect,
    pub(crate) query: Query,
    pub(crate) engines: Vec<Engine>,
    pub(crate) gateway: Gateway,
    pub(crate) incidents: incidents::Incidents,
    pub(crate) probes: Vec<Probe>,
    pub(crate) receive: Receive,
    pub(crate) reports: Reports,
    pub(crate) scrapes: Vec<Scrape>,
    log_pipelines: Vec<pipeline::LogPipeline>,
    pub(crate) accelerator_commands: Vec<AcceleratorCommand>,
    pub(crate) log_level: String,
    pub(crate) logs: Logs,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    /// The operator lets everybody who reaches the port delete series and make snapshots.
    pub(crate) admin_api: bool,
    /// Names that a `Host` header may carry besides addresses and `localhost`.
    pub(crate) allowed_hosts: Vec<String>,
    /// The operator accepts that there is no login yet.
    pub(crate) allow_remote_without_login: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Storage {
    /// Empty until resolved.
    pub(crate) path: PathBuf,
    pub(crate) retention: Duration,
    pub(crate) bytes_max: u64,
    pub(crate) series_max: u64,
    pub(crate) instance_series_max: u64,
    pub(crate) events_retention: Duration,
    pub(crate) logs_bytes_max: u64,
    pub(crate) logs_retention: Duration,
    pub(crate) requests_bytes_max: u64,
    pub(crate) requests_retention: Duration,
    pub(crate) rows_retention: Duration,
    pub(crate) window: Duration,
    pub(crate) accept_old: bool,
    pub(crate) fsync_every_batch: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Collect {
    /// Where `/proc` and `/sys` of the watched host are found.
    pub(crate) root: PathBuf,
    pub(crate) discover: bool,
    pub(crate) host_period: Duration,
    pub(crate) engine_period: Duration,
    /// Vendor and path of a library, parted by `=`.
    pub(crate) accelerator_libraries: Vec<String>,
    pub(crate) has_dcgm_names: bool,
    pub(crate) model_folders: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) timeout: Duration,
    pub(crate) samples_max: u64,
    pub(crate) result_bytes_max: u64,
    pub(crate) concurrency_max: u64,
    pub(crate) waiting_max: u64,
}

/// An engine named by hand.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Engine {
    pub(crate) url: String,
    pub(crate) kind: Option<String>,
    /// Name of the environment variable that holds the key.
    pub(crate) api_key_env: Option<String>,
    pub(crate) tls: collect::TlsSetting,
    pub(crate) metrics_port: Option<u64>,
    /// Line of the entry, for errors found after parsing.
    pub(crate) line: usize,
}

impl Engine {
    /// As lines that a configuration file could hold.
    fn lines(&self) -> Vec<String> {
        let tls = &self.tls;
        let mut lines = Lines::of("[[engine]]");
        lines.written("url", &self.url);
        lines.written("kind", self.kind.as_deref().unwrap_or_default());
        lines.written("api_key_env", self.api_key_env.as_deref().unwrap_or_default());
        lines.written("ca_file", &tls.ca_file);
        lines.written("cert_file", &tls.cert_file);
        lines.written("key_file", &tls.key_file);
        lines.flag("insecure_skip_verify", tls.insecure_skip_verify);
        lines.plain("metrics_port", self.metrics_port);
        lines.0
    }
}

/// Something that is asked whether it answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Probe {
    pub(crate) kind: String,
    pub(crate) target: String,
    pub(crate) period: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) query: String,
    pub(crate) model: String,
    pub(crate) send_prompt: bool,
    /// Name of the environment variable that holds the key.
    pub(crate) api_key_env: Option<String>,
    pub(crate) ca_file: String,
    /// Line of the entry, for errors found after parsing.
    pub(crate) line: usize,
}

/// A program that tells of accelerators.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AcceleratorCommand {
    pub(crate) command: Vec<String>,
    pub(crate) vendor: String,
    pub(crate) period: Duration,
    pub(crate) timeout: Duration,
    pub(crate) devices: Option<String>,
    pub(crate) pattern: Option<String>,
    pub(crate) fields: Vec<String>,
    /// Line of the entry, for errors found after parsing.
    pub(crate) line: usize,
}

impl Probe {
    /// As lines that a configuration file could hold.
    fn lines(&self) -> Vec<String> {
        let mut lines = Lines::of("[[probe]]");
        lines.written("kind", &self.kind);
        lines.written("target", &self.target);
        lines.period("period", self.period);
        lines.period("timeout", self.timeout);
        lines.written("query", &self.query);
        lines.written("model", &self.model);
        lines.flag("send_prompt", self.send_prompt);
        lines.written("ca_file", &self.ca_file);
        lines.written("api_key_env", self.api_key_env.as_deref().unwrap_or_default());
        lines.0
    }
}

impl AcceleratorCommand {
    fn new(line: usize) -> Self {
        Self {
            command: Vec::new(),
            vendor: String::new(),
            period: Duration::from_secs(15),
            timeout: Duration::from_secs(5),
            devices: None,
            pattern: None,
            fields: Vec::new(),
            line,
        }
    }

    /// What its output means, or what is wrong with that.
    pub(crate) fn rules(&self) -> Result<collect::accelerator::Rules, String> {
        let (devices, pattern) = (self.devices.as_deref(), self.pattern.as_deref());
        collect::accelerator::Rules::parse(devices, pattern, &self.fields)
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Lines::of("[[accelerator_command]]");
        lines.plain("command", Some(text(self.command.as_slice())));
        lines.text("vendor", Some(&self.vendor));
        lines.period("period", Some(self.period));
        lines.period("timeout", Some(self.timeout));
        lines.text("devices", self.devices.as_ref());
        lines.text("pattern", self.pattern.as_ref());
        lines.plain("fields", Some(text(self.fields.as_slice())));
        lines.0
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server {
                listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9640),
                admin_api: false,
                allowed_hosts: Vec::new(),
                allow_remote_without_login: false,
            },
            storage: Storage {
                path: PathBuf::new(),
                retention: Duration::from_secs(15 * 86_400),
                bytes_max: 10 << 30,
                series_max: 2_000_000,
                instance_series_max: 100_000,
                events_retention: Duration::from_secs(90 * 86_400),
                logs_bytes_max: 8 << 30,
                logs_retention: Duration::from_secs(14 * 86_400),
                requests_bytes_max: 4 << 30,
                requests_retention: Duration::from_secs(30 * 86_400),
                rows_retention: Duration::from_secs(396 * 86_400),
                window: Duration::from_secs(600),
                accept_old: false,
                fsync_every_batch: false,
            },
            collect: Collect {
                root: PathBuf::from("/"),
                discover: true,
                host_period: Duration::from_secs(1),
                engine_period: Duration::from_secs(5),
                accelerator_libraries: Vec::new(),
                has_dcgm_names: true,
                model_folders: Vec::new(),
            },
            query: Query {
                timeout: Duration::from_secs(120),
                samples_max: 50_000_000,
                result_bytes_max: 128 << 20,
                concurrency_max: 4,
                waiting_max: 1_000,
            },
            alerts: Alerts::default(),
            channels: Vec::new(),
            objectives: Vec::new(),
            engines: Vec::new(),
            gateway: Gateway::default(),
            incidents: incidents::Incidents::default(),
            probes: Vec::new(),
            receive: Receive::default(),
            reports: Reports::default(),
            scrapes: Vec::new(),
            log_pipelines: Vec::new(),
            accelerator_commands: Vec::new(),
            log_level: "info".into(),
            logs: Logs::default(),
        }
    }
}

impl Config {
    /// The pipelines for lines of logs, whose times are of `zone` where they do not say. What could be wrong with
    /// them was found with the configuration.
    pub(crate) fn log_pipelines(&self, zone: Zone) -> anyhow::Result<Pipelines> {
        pipeline::compile(&self.log_pipelines, zone).map_err(|bad| {
            let texts: Vec<String> = bad.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("log pipelines cannot be used: {}", texts.join("; "))
        })
    }

    /// The settings in force, as lines that a configuration file could hold.
    pub(crate) fn lines(&self) -> Vec<String> {
        let (server, storage, collect, query) =
            (&self.server, &self.storage, &self.collect, &self.query);
        let list = |texts: &[String]| text(texts);
        let path = |path: &Path| text(path.to_string_lossy());
        let mut lines = vec![
            format!("collect.accelerator_libraries = {}", list(&collect.accelerator_libraries)),
            format!("collect.dcgm_names = {}", collect.has_dcgm_names),
            format!("collect.discover = {}", collect.discover),
            format!("collect.engine_period = \"{}\"", duration_text(collect.engine_period)),
            format!("collect.host_period = \"{}\"", duration_text(collect.host_period)),
            format!("collect.model_folders = {}", list(&collect.model_folders)),
            format!("collect.root = {}", path(&collect.root)),
            format!("log.level = {}", text(self.log_level.as_str())),
            format!("query.concurrency_max = {}", query.concurrency_max),
            format!("query.result_bytes_max = \"{}\"", units::bytes_text(query.result_bytes_max)),
            format!("query.samples_max = {}", query.samples_max),
            format!("query.timeout = \"{}\"", duration_text(query.timeout)),
            format!("query.waiting_max = {}", query.waiting_max),
            format!("server.admin_api = {}", server.admin_api),
            format!("server.allow_remote_without_login = {}", server.allow_remote_without_login),
            format!("server.allowed_hosts = {}", list(&server.allowed_hosts)),
            format!("server.listen = \"{}\"", server.listen),
            format!("storage.accept_old = {}", storage.accept_old),
            format!("storage.bytes_max = \"{}\"", units::bytes_text(storage.bytes_max)),
            format!("storage.events_retention = \"{}\"", duration_text(storage.events_retention)),
            format!("storage.fsync_every_batch = {}", storage.fsync_every_batch),
            format!("storage.instance_series_max = {}", storage.instance_series_max),
            format!("storage.logs_bytes_max = \"{}\"", units::bytes_text(storage.logs_bytes_max)),
            format!("storage.logs_retention = \"{}\"", duration_text(storage.logs_retention)),
            format!("storage.path = {}", path(&storage.path)),
            format!(
                "storage.requests_bytes_max = \"{}\"",
                units::bytes_text(storage.requests_bytes_max)
            ),
            format!(
                "storage.requests_retention = \"{}\"",
                duration_text(storage.requests_retention)
            ),
            format!("storage.retention = \"{}\"", duration_text(storage.retention)),
            format!("storage.rows_retention = \"{}\"", duration_text(storage.rows_retention)),
            format!("storage.series_max = {}", storage.series_max),
            format!("storage.window = \"{}\"", duration_text(storage.window)),
        ];
        lines.extend(self.alerts.lines());
        lines.extend(self.logs.lines());
        lines.extend(self.reports.lines());
        let has_inhibitions = self.incidents.has_builtin_inhibitions;
        lines.push(format!("incidents.builtin_inhibitions = {has_inhibitions}"));
        lines.sort();
        lines.extend(self.accelerator_commands.iter().flat_map(AcceleratorCommand::lines));
        lines.extend(self.channels.iter().flat_map(Channel::lines));
        lines.extend(self.engines.iter().flat_map(Engine::lines));
        lines.extend(self.gateway.lines());
        lines.extend(self.incidents.lines());
        lines.extend(self.logs.files.iter().flat_map(NamedLog::lines));
        lines.extend(self.log_pipelines.iter().flat_map(pipeline::LogPipeline::lines));
        lines.extend(self.objectives.iter().flat_map(Objective::lines));
        lines.extend(self.probes.iter().flat_map(Probe::lines));
        lines.extend(self.receive.lines());
        lines.extend(self.reports.schedule_lines());
        lines.extend(self.scrapes.iter().flat_map(Scrape::lines));
        lines
    }
}

/// One thing wrong with a configuration, as a message code with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// 1-based; 0 when the problem has no place in the file.
    pub(crate) line: usize,
    pub(crate) code: &'static str,
    pub(crate) params: Vec<(&'static str, String)>,
}

impl Problem {
    fn new(
        line: usize,
        code: &'static str,
        params: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        Self { line, code, params: params.into_iter().collect() }
    }

    /// The sentence for a person.
    pub(crate) fn render(&self, language: Language) -> String {
        let text = render(self.code, &self.params, language);
        match (self.line, language) {
            (0, _) => text,
            (line, Language::English) => format!("line {line}: {text}"),
            (line, Language::Chinese) => format!("第 {line} 行：{text}"),
        }
    }
}

/// What the process environment contributes. A parameter, so that tests need no global state.
pub(crate) struct Environment<'a> {
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) is_root: bool,
}

/// Reads `file`, or takes the defaults when there is none.
pub(crate) fn load(
    file: Option<&Path>,
    environment: &Environment<'_>,
) -> Result<Config, Vec<Problem>> {
    let text = match file {
        None => String::new(),
        Some(path) => read(path).map_err(|problem| vec![problem])?,
    };
    resolve(&text, environment)
}

fn read(path: &Path) -> Result<String, Problem> {
    let unreadable = |reason: String| {
        let params = [("path", path.display().to_string()), ("reason", reason)];
        Problem::new(0, "config.unreadable", params)
    };
    let mut text = String::new();
    // A device or a pipe has no length to look at first.
    let file = File::open(path).map(|file| file.take(FILE_BYTES_MAX + 1));
    file.and_then(|mut file| file.read_to_string(&mut text))
        .map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(format!("more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// Parses `text` and checks what only makes sense together.
fn resolve(text: &str, environment: &Environment<'_>) -> Result<Config, Vec<Problem>> {
    let (mut config, mut problems) = parse::parse(text);
    if config.storage.path.as_os_str().is_empty() {
        config.storage.path = default_storage_path(environment);
    }
    let server = &config.server;
    if !server.listen.ip().is_loopback() && !server.allow_remote_without_login {
        let line = parse::line_of(text, "listen");
        let params = [("listen", server.listen.to_string())];
        problems.push(Problem::new(line, "config.remote_without_login", params));
    }
    alerts::check(&config.objectives, &mut problems);
    channel::check(&config.channels, environment, &mut problems);
    check_engines(&config.engines, environment, &mut problems);
    check_probes(&config.probes, environment, &mut problems);
    let line_of = |name: &str| parse::line_in(text, "gateway", name);
    gateway::check(&config.gateway, &line_of, environment, &mut problems);
    let channels: Vec<&str> = config.channels.iter().map(|channel| &*channel.name).collect();
    incidents::check(&config.incidents, &channels, environment, &mut problems);
    logs::check(&config.logs, &mut problems);
    let line_of = |name: &str| parse::line_in(text, "receive", name);
    receive::check(&config.receive, &line_of, environment, &mut problems);
    let line_of = |name: &str| parse::line_in(text, "reports", name);
    reports::check(&config.reports, &line_of, &mut problems);
    scrape::check(&config.scrapes, environment, &mut problems);
    pipeline::check(&config.log_pipelines, &mut problems);
    check_commands(&config.accelerator_commands, &mut problems);
    let line = parse::line_of(text, "accelerator_libraries");
    check_libraries(&config.collect.accelerator_libraries, line, &mut problems);
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// What a text gives, for tests of other modules.
#[cfg(test)]
pub(crate) fn for_test(text: &str) -> Config {
    resolve(text, &Environment { variable: &|_| None, is_root: true }).unwrap()
}

fn check_probes(probes: &[Probe], environment: &Environment<'_>, problems: &mut Vec<Problem>) {
    for (index, probe) in probes.iter().enumerate() {
        let mut complain = |code, params: Vec<(&'static str, String)>| {
            problems.push(Problem::new(probe.line, code, params));
        };
        let is_same = |other: &Probe| {
            (&other.kind, &other.target, &other.query) == (&probe.kind, &probe.target, &probe.query)
        };
        // What is not written has been complained of.
        let Some(kind) = collect::probe::ProbeKind::from_name(&probe.kind) else { continue };
        if !probe.target.is_empty() && !kind.accepts(&probe.target) {
            let params = vec![("target", probe.target.clone()), ("kind", probe.kind.clone())];
            complain("config.probe_target", params);
        }
        if probes[..index].iter().any(is_same) {
            complain("config.probe_twice", vec![("target", probe.target.clone())]);
        }
        if kind == collect::probe::ProbeKind::Dns && probe.query.is_empty() {
            complain(
                "config.key_missing",
                vec![("section", "probe".into()), ("key", "query".into())],
            );
        }
        let is_accepted = probe.send_prompt && !probe.model.is_empty();
        if kind == collect::probe::ProbeKind::Llm && !is_accepted {
            complain("config.probe_prompt", Vec::new());
        }
        if let Some(name) = &probe.api_key_env
            && (environment.variable)(name).is_none()
        {
            complain("config.variable_missing", vec![("name", name.clone())]);
        }
    }
}

fn check_engines(engines: &[Engine], environment: &Environment<'_>, problems: &mut Vec<Problem>) {
    for (index, engine) in engines.iter().enumerate() {
        let place = |engine: &Engine| engine.url.split_once("://").map(|(_, rest)| rest.to_owned());
        let is_same = |other: &Engine| place(other) == place(engine);
        if !engine.url.is_empty() && engines[..index].iter().any(is_same) {
            let params = [("url", engine.url.clone())];
            problems.push(Problem::new(engine.line, "config.engine_twice", params));
        }
        let tls = &engine.tls;
        if *tls != collect::TlsSetting::default() && engine.url.starts_with("http://") {
            let params = [("url", engine.url.clone())];
            problems.push(Problem::new(engine.line, "config.engine_plain", params));
        }
        if let Some(port) = engine.metrics_port.filter(|port| *port > u64::from(u16::MAX)) {
            let params = [("port", port.to_string())];
            problems.push(Problem::new(engine.line, "config.engine_port", params));
        }
        if tls.cert_file.is_empty() != tls.key_file.is_empty() {
            let key = if tls.key_file.is_empty() { "key_file" } else { "cert_file" };
            let params = [("section", "engine".to_owned()), ("key", key.to_owned())];
            problems.push(Problem::new(engine.line, "config.key_missing", params));
        }
        if let Some(name) = &engine.api_key_env
            && (environment.variable)(name).is_none()
        {
            let params = [("name", name.clone()), ("key", "api_key_env".to_owned())];
            problems.push(Problem::new(engine.line, "config.variable_missing", params));
        }
    }
}

fn check_commands(commands: &[AcceleratorCommand], problems: &mut Vec<Problem>) {
    for command in commands {
        let missing = [
            ("command", command.command.is_empty()),
            ("fields", command.fields.is_empty()),
            ("vendor", command.vendor.trim().is_empty()),
        ];
        let missing: Vec<_> = missing.iter().filter(|(_, is_missing)| *is_missing).collect();
        for (key, _) in &missing {
            let params = [("key", (*key).to_owned())];
            problems.push(Problem::new(command.line, "config.command_incomplete", params));
        }
        if missing.is_empty()
            && let Err(reason) = command.rules()
        {
            let params = [("reason", reason)];
            problems.push(Problem::new(command.line, "config.command_rules", params));
        }
    }
}

fn check_libraries(libraries: &[String], line: usize, problems: &mut Vec<Problem>) {
    for library in libraries {
        let vendor = library.split_once('=').map(|(vendor, _)| vendor.trim());
        let vendors: Vec<&str> = collect::accelerator::vendors().collect();
        if !vendor.is_some_and(|vendor| vendors.contains(&vendor)) {
            let expected = format!("vendor=path, vendor: {}", vendors.join(", "));
            let key = "collect.accelerator_libraries".to_owned();
            let params = [("key", key), ("value", library.clone()), ("expected", expected)];
            problems.push(Problem::new(line, "config.wrong_type", params));
        }
    }
}

/// systemd's state directory, else the system's place for root, else the user's (XDG).
fn default_storage_path(environment: &Environment<'_>) -> PathBuf {
    let variable = |name: &str| (environment.variable)(name).filter(|value| !value.is_empty());
    if let Some(directory) = variable("STATE_DIRECTORY") {
        // systemd joins several directories with colons; the first is ours.
        return directory.split(':').next().unwrap_or_default().into();
    }
    if environment.is_root {
        return "/var/lib/modelwatch".into();
    }
    let data = variable("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".local/share")));
    data.unwrap_or_else(std::env::temp_dir).join("modelwatch")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str, variables: &[(&str, &str)], is_root: bool) -> Result<Config, String> {
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        resolve(text, &Environment { variable: &variable, is_root }).map_err(|problems| {
            let lines: Vec<_> =
                problems.iter().map(|problem| problem.render(Language::English)).collect();
            lines.join("\n")
        })
    }

    #[test]
    fn storage_path_follows_the_environment() {
        let check = |variables: &[(&str, &str)], is_root, expected: &str| {
            let path = resolved("", variables, is_root).unwrap().storage.path;
            assert_eq!(path, Path::new(expected));
        };
        check(&[("STATE_DIRECTORY", "/s/a:/s/b"), ("HOME", "/h")], true, "/s/a");
        check(&[("HOME", "/h")], true, "/var/lib/modelwatch");
        check(&[("XDG_DATA_HOME", "/x"), ("HOME", "/h")], false, "/x/modelwatch");
        check(&[("HOME", "/h")], false, "/h/.local/share/modelwatch");
        check(&[], false, &std::env::temp_dir().join("modelwatch").display().to_string());
    }

    #[test]
    fn every_error_is_reported_at_once() {
        let text = "[server]\nlisten = \"0.0.0.0:9640\"\nlisen = 1\n[storage]\nretention = \"15x\"\n\
                    [[engine]]\nkind = \"llamacpp\"\n[[engine]]\nurl = \"ftp://x\"\n";
        let errors = resolved(text, &[], false).unwrap_err();
        for expected in [
            "line 3: unknown key server.lisen; did you mean server.listen?",
            "line 5: storage.retention",
            "line 9: engine.url",
            "line 2: server.listen = \"0.0.0.0:9640\"",
            "line 6: this [[engine]] has no url",
        ] {
            assert!(errors.contains(expected), "{expected:?} not in\n{errors}");
        }
        assert_eq!(errors.lines().count(), 5, "{errors}");
    }

    #[test]
    fn the_printed_settings_mean_what_is_in_force() {
        let text = "[storage]\npath = \"/x\"\n[[engine]]\nurl = \"http://h:1\"\nkind = \"vllm\"\n";
        let config = resolved(text, &[], false).unwrap();
        let mut again = resolved(&config.lines().join("\n"), &[], false).unwrap();
        again.engines[0].line = config.engines[0].line;
        assert_eq!(again, config);
    }

    const SCRAPE: &str = "[[scrape]]\njob = \"a\"\ntargets = [\"h:1\"]\nlabels = { zone = \"x\\\"y\" }\n\
                          interval = \"5s\"\nusername = \"u\"\npassword_env = \"P\"\nsample_limit = 10\n\
                          body_size_limit = \"1MiB\"\nhonor_labels = true\n\
                          [[scrape.relabel]]\nsource_labels = [\"__address__\"]\nregex = \"(.*)\"\n\
                          target_label = \"instance\"\n[[scrape.metric_relabel]]\naction = \"labeldrop\"\n\
                          regex = \"x.*\"\n";

    #[test]
    fn scrape_jobs_are_read_and_printed() {
        let config = resolved(SCRAPE, &[("P", "p")], true).unwrap();
        let printed = config.lines().join("\n");
        let mut again = resolved(&printed, &[("P", "p")], true).unwrap();
        again.scrapes[0].line = config.scrapes[0].line;
        assert_eq!(again, config);
        let job = config.scrapes[0].job(&|name| (name == "P").then(|| "p".to_owned()));
        assert_eq!((job.name.as_str(), job.timeout), ("a", Duration::from_secs(5)));
        assert_eq!((job.relabel.len(), job.metric_relabel.len()), (1, 1));
        assert_eq!((job.limits.samples, job.limits.body_bytes), (10, 1 << 20));
        assert!(matches!(job.login, collect::scrape::Login::Basic { .. }));
        assert!(job.honor_labels && job.honor_timestamps);
    }

    #[test]
    fn errors_of_scrape_jobs() {
        let check = |change: &dyn Fn(&str) -> String, expected: &str| {
            let errors = resolved(&change(SCRAPE), &[("P", "p")], true).unwrap_err();
            assert!(errors.contains(expected), "{expected:?} not in {errors}");
        };
        check(&|text| text.repeat(2), "line 18: the scrape job a is there twice");
        check(&|text| text.replace("targets", "# "), "none of targets");
        check(&|text| text.replace("\"P\"", "\"Q\""), "Q, named by password_env, is not set");
        check(&|text| text.replace("username", "# "), "needs either bearer_token_env");
        check(
            &|text| text.replace("interval =", "timeout = \"20s\"\n#"),
            "longer than its interval of 15s",
        );
        check(&|text| text.replace("(.*)", "("), "a rule of the scrape job a cannot be used");
        check(&|text| text.replace("labeldrop", "hashmod"), "needs a target_label");
    }

    #[test]
    fn objectives_are_checked_and_printed() {
        let text = "[alerts]\nexternal_labels = { site = \"a\" }\nrule_files = [\"/r/*.yml\"]\n\
                    [[objective]]\nmodel = \"*\"\nttft = \"1s\"\nsuccess = \"99%\"\n";
        let config = resolved(text, &[], false).unwrap();
        let mut again = resolved(&config.lines().join("\n"), &[], false).unwrap();
        again.objectives[0].line = config.objectives[0].line;
        assert_eq!(again, config);
        let check = |from: &str, to: &str, expected: &str| {
            let errors = resolved(&text.replace(from, to), &[], false).unwrap_err();
            assert!(errors.contains(expected), "{expected:?} not in {errors}");
        };
        check("99%", "much", "objective.success");
        check("ttft = \"1s\"\nsuccess = \"99%\"", "", "line 4: the objective of *");
        check("ttft = \"1s\"", "[[objective]]\nmodel = \"*\"", "line 6: ");
    }

    #[test]
    fn commands_are_checked_and_printed() {
        let text = "[[accelerator_command]]\ncommand = [\"x-smi\", \"-q\", \"a\\\"b\"]\n\
                    vendor = \"x\"\npattern = '(?P<n>\\d+) W'\nperiod = \"30s\"\n\
                    fields = [\"accelerator_power_watts = n\"]\n";
        let config = resolved(text, &[], false).unwrap();
        let command = &config.accelerator_commands[0];
        assert_eq!(command.command, ["x-smi", "-q", "a\"b"]);
        assert_eq!((command.period, command.timeout.as_secs()), (Duration::from_secs(30), 5));
        let mut again = resolved(&config.lines().join("\n"), &[], false).unwrap();
        again.accelerator_commands[0].line = command.line;
        assert_eq!(again, config);
        let check = |from: &str, to: &str, expected: &str| {
            let errors = resolved(&text.replace(from, to), &[], false).unwrap_err();
            assert!(errors.contains(expected), "{errors}");
        };
        check("vendor = \"x\"", "", "line 1: this [[accelerator_command]] has no vendor");
        check("= n\"", "= m\"", "line 1: this [[accelerator_command]] cannot be used: ");
        check("period = \"30s\"", "period = \"1s\"", "at least 10s");
        check("[[accelerator_command]]", "[accelerator_command]", "as [[accelerator_command]]");
    }

    #[test]
    fn one_engine_is_named_once() {
        let text = "[[engine]]\nurl = \"http://h:1\"\n[[engine]]\nurl = \"HTTP://h:1/\"\n";
        assert!(resolved(text, &[], false).unwrap_err().starts_with("line 3: "));
        let text = "[[engine]]\nurl = \"http://h:1\"\n[[engine]]\nurl = \"https://h:1\"\n";
        assert!(resolved(text, &[], false).unwrap_err().contains("https://h:1"));
        let text = "[[engine]]\nurl = \"http://h:1/a\"\n[[engine]]\nurl = \"http://h:1/b\"\n";
        assert!(resolved(text, &[], false).is_ok());
    }

    #[test]
    fn a_library_belongs_to_a_vendor() {
        for (text, is_right) in [("iluvatar=/x.so", true), ("/x.so", false), ("ilu=/x.so", false)] {
            let text = format!("[collect]\naccelerator_libraries = [\"{text}\"]\n");
            match resolved(&text, &[], false) {
                Ok(_) => assert!(is_right, "{text}"),
                Err(problem) => assert!(!is_right && problem.contains("line 2: "), "{problem}"),
            }
        }
    }

    #[test]
    fn an_endless_file_is_refused() {
        let problem = read(Path::new("/dev/zero")).unwrap_err();
        assert!(problem.render(Language::English).contains("more than"), "{problem:?}");
    }

    #[test]
    fn probes_are_checked() {
        let check = |text: &str, expected: &str| {
            let text = format!("[[probe]]\n{text}");
            match resolved(&text, &[], false) {
                Ok(config) => assert_eq!(expected, "", "{text}: {:?}", config.probes),
                Err(why) => {
                    assert!(!expected.is_empty() && why.contains(expected), "{text}: {why}")
                }
            }
        };
        check("kind = \"tcp\"\ntarget = \"a:80\"\nperiod = \"30s\"\ntimeout = \"1s\"", "");
        check("kind = \"tcp\"", "has no target");
        check("target = \"a:80\"", "has no kind");
        check("kind = \"tcp\"\ntarget = \"http://a\"", "a probe of kind tcp");
        check("kind = \"http\"\ntarget = \"a:80\"", "a probe of kind http");
        check("kind = \"icmp\"\ntarget = \"a\"", "");
        check("kind = \"tls\"\ntarget = \"a\"\nca_file = \"x.pem\"", "");
        check("kind = \"dns\"\ntarget = \"10.0.0.1\"", "has no query");
        check("kind = \"dns\"\ntarget = \"10.0.0.1\"\nquery = \"a.example\"", "");
        check("kind = \"llm\"\ntarget = \"http://a\"\nmodel = \"m\"", "send_prompt = true");
        check("kind = \"llm\"\ntarget = \"http://a\"\nmodel = \"m\"\nsend_prompt = true", "");
        check(
            "kind = \"tcp\"\ntarget = \"a:80\"\n[[probe]]\nkind = \"tcp\"\ntarget = \"a:80\"",
            "twice",
        );
        check("kind = \"http\"\ntarget = \"http://a\"\napi_key_env = \"NONE\"", "NONE");
        let text = "[[probe]]\nkind = \"dns\"\ntarget = \"h\"\nquery = \"q\"\nperiod = \"30s\"\n";
        let config = resolved(text, &[], false).unwrap();
        let lines = config.lines().join("\n");
        assert!(
            lines.ends_with(
                "[[probe]]\nkind = \"dns\"\ntarget = \"h\"\nperiod = \"30s\"\nquery = \"q\""
            ),
            "{lines}"
        );
    }

    #[test]
    fn engines_that_speak_tls() {
        let check = |text: &str, expected: &str| {
            let text = format!("[[engine]]\n{text}\n");
            match resolved(&text, &[], false) {
                Ok(config) => {
                    let lines = config.lines().join("\n");
                    assert!(expected.is_empty() && lines.ends_with(text.trim()), "{lines}");
                }
                Err(why) => assert!(!expected.is_empty() && why.contains(expected), "{why}"),
            }
        };
        check("url = \"https://h:1025\"\nca_file = \"/a\"\nmetrics_port = 1030", "");
        check("url = \"https://h:1\"\ncert_file = \"/a\"\nkey_file = \"/b\"", "");
        check("url = \"https://h:1\"\ninsecure_skip_verify = true", "");
        check("url = \"http://h:1\"\ninsecure_skip_verify = true", "https://, and http://h:1");
        check("url = \"https://h:1\"\ncert_file = \"/a\"", "has no key_file");
        check("url = \"https://h:1\"\nkey_file = \"/a\"", "has no cert_file");
        check("url = \"http://h:1\"\nmetrics_port = 70000", "70000: no port");
    }

    #[test]
    fn a_missing_secret_is_named() {
        let text = "[[engine]]\nurl = \"http://h:1\"\napi_key_env = \"KEY\"\n";
        assert!(resolved(text, &[], false).unwrap_err().contains("KEY"));
        assert!(resolved(text, &[("KEY", "k")], false).is_ok());
    }
}
