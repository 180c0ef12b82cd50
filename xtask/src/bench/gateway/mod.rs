//! What the gateway adds to a request, beside nginx and LiteLLM in front of the same upstream, with keys, limits
//! and records on.
//!
//! Latency is measured in rounds: each asks every path once, in an order that goes round, so that what the
//! machine does meanwhile meets all of them; differences are paired. LiteLLM goes on working after it has
//! answered, which would meet the others, so it is measured apart, against its own direct requests. The upstream
//! is a stand-in within this program, which writes into each chunk when it sent it.

mod client;
mod upstream;

use std::{
    fs::{self, File},
    net::TcpStream,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use model::Clock;

use super::{
    report::{self, short},
    usage,
};
use crate::{
    apt,
    binary::{self, Profile},
    engine, http, peers,
    process::{self, Process},
    say, wait,
};
use client::{Connection, STREAM};
use upstream::Upstream;

const ROUNDS: usize = 1_000;
/// Connections are warm, and the pools filled, after so many.
const WARM_UP: usize = 50;
const STREAM_ROUNDS: usize = 12;
/// Of what takes milliseconds.
const HEAVY_ROUNDS: usize = 300;
const CONNECTIONS: usize = 16;
const LOAD: Duration = Duration::from_secs(5);
const OPEN_STREAMS: usize = 1_000;
/// A program that needs longer to answer counts as one that did not start.
const START_MAX: Duration = Duration::from_secs(60);
/// One that imports half of PyPI takes a while on a busy machine.
const HEAVY_START_MAX: Duration = Duration::from_secs(240);

/// A way to the upstream.
struct Route {
    name: &'static str,
    address: String,
    /// Sent with each request, as a header line.
    login: String,
    process: Option<Process>,
    /// Whether it is measured apart, in fewer rounds and without many open streams.
    is_heavy: bool,
}

/// What was found of one of them.
#[derive(Default)]
struct Found {
    latency_ms: Vec<f64>,
    /// Of direct requests, in the same rounds.
    direct_ms: Vec<f64>,
    lag_ms: Vec<f64>,
    requests_per_second: f64,
    requests: u64,
    cpu_us_per_request: Option<f64>,
    memory_mib: [Option<f64>; 3],
}

/// All of them, published; or one peer beside direct requests, printed only.
pub(super) fn run(only: Option<&str>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let clock = Clock::system();
    let upstream = Upstream::start(clock.clone())?;
    let address = upstream.address.clone();
    let mut routes = vec![Route {
        name: "direct",
        address: address.clone(),
        login: String::new(),
        process: None,
        is_heavy: false,
    }];
    if only.is_none() {
        let program = binary::build(Profile::Release)?;
        routes.push(ours(&program, folder.path(), &address)?);
    }
    type Start = fn(&Path, &str) -> Result<Route>;
    let peers: [(&str, Start); 2] = [("nginx", nginx), ("litellm", litellm)];
    for (name, start) in peers.into_iter().filter(|(name, _)| only.is_none_or(|it| it == *name)) {
        match start(folder.path(), &address) {
            Ok(route) => routes.push(route),
            Err(error) => say(&format!("going on without {name}: {error:#}")),
        }
    }
    ensure!(routes.len() > 1, "there is nothing to measure: peers are nginx and litellm");
    let mut found: Vec<Found> = routes.iter().map(|_| Found::default()).collect();
    for (route, found) in routes.iter().zip(&mut found) {
        found.memory_mib[0] = route.resident_mib();
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let (light, heavy): (Vec<usize>, Vec<usize>) =
        (0..routes.len()).partition(|at| !routes[*at].is_heavy);
    let mut groups = vec![(light, ROUNDS)];
    groups.extend(heavy.into_iter().map(|at| (vec![0, at], HEAVY_ROUNDS)));
    for (group, rounds) in groups.iter().filter(|(group, _)| group.len() > 1) {
        latencies(&routes, group, *rounds, &mut found, &clock)?;
        lags(&routes, group, &mut found, &clock)?;
    }
    for (route, found) in routes.iter().zip(&mut found) {
        route.load(found, &clock)?;
        found.memory_mib[1] = route.resident_mib();
        found.memory_mib[2] = route.with_streams()?;
    }
    let mut text = text(&routes, &found, load.trim());
    if only.is_some() {
        say(&text);
        return Ok(());
    }
    let recorded = recorded(&routes[1], folder.path())?;
    text.push_str(&format!(
        "\nmodelwatch recorded {recorded} requests of {} sent, before the open streams ended.",
        found[1].requests
    ));
    report::publish("gateway", &text)
}

fn ours(program: &Path, folder: &Path, upstream: &str) -> Result<Route> {
    let [page, gateway] = [engine::free_port()?, engine::free_port()?];
    let (config, data) = (folder.join("modelwatch.toml"), folder.join("data"));
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{page}\"\n[storage]\npath = {data:?}\n\
         [collect]\ndiscover = false\n[gateway]\nlisten = \"127.0.0.1:{gateway}\"\n\
         anonymous = \"refuse\"\n[[gateway.upstream]]\nname = \"mock\"\nurl = \"http://{upstream}\"\n"
    );
    fs::write(&config, text)?;
    let mut command = process::command(program);
    command.args(["key", "create", "bench", "--requests-per-minute", "4000000000"]);
    command.args(["--tokens-per-day", "4000000000000", "--config"]).arg(&config);
    let key = process::capture(&mut command)?;
    let log = File::create(folder.join("modelwatch.log"))?;
    let mut command = process::command(program);
    command.arg("serve").arg("--config").arg(&config).stdout(log.try_clone()?).stderr(log);
    let mut process = Process::spawn(&mut command)?;
    let page = format!("127.0.0.1:{page}");
    peers::wait_until_ready(&mut process, &page, "/-/ready", START_MAX)?;
    fs::write(folder.join("page"), &page)?;
    Ok(Route {
        name: "modelwatch",
        address: format!("127.0.0.1:{gateway}"),
        login: format!("Authorization: Bearer {}\r\n", key.trim()),
        process: Some(process),
        is_heavy: false,
    })
}

fn nginx(folder: &Path, upstream: &str) -> Result<Route> {
    const NAMES: &[&str] = &["nginx", "/usr/sbin/nginx"];
    if find(NAMES).is_none() {
        apt::install(&["nginx-light"], &["nginx"])?;
    }
    let program = find(NAMES).context("no nginx")?;
    let port = engine::free_port()?;
    let own = folder.join("nginx");
    fs::create_dir_all(&own)?;
    let path = own.display();
    let text = format!(
        "daemon off; worker_processes auto; pid {path}/pid; error_log {path}/error;\n\
         events {{ worker_connections 8192; }}\n\
         http {{ access_log off; client_body_temp_path {path}; proxy_temp_path {path};\n\
         fastcgi_temp_path {path}; uwsgi_temp_path {path}; scgi_temp_path {path};\n\
         keepalive_requests 1000000000;\n\
         upstream engine {{ server {upstream}; keepalive 64; keepalive_requests 1000000000; }}\n\
         server {{ listen 127.0.0.1:{port};\n\
         location / {{ proxy_pass http://engine; proxy_http_version 1.1; proxy_buffering off;\n\
         proxy_set_header Connection \"\"; }} }} }}\n"
    );
    let config = own.join("nginx.conf");
    fs::write(&config, text)?;
    let log = File::create(own.join("log"))?;
    let mut command = process::command(&program);
    command.arg("-c").arg(&config).arg("-p").arg(&own);
    let mut process = Process::spawn(command.stdout(log.try_clone()?).stderr(log))?;
    let address = format!("127.0.0.1:{port}");
    peers::wait_until_ready(&mut process, &address, "/health", START_MAX)?;
    let login = String::new();
    Ok(Route { name: "nginx", address, login, process: Some(process), is_heavy: false })
}

/// One worker, without a database, which is how it is fastest on few cores; with a key, since it starts
/// with a strong one only.
fn litellm(folder: &Path, upstream: &str) -> Result<Route> {
    const KEY: &str = "sk-3f9c1b70d24e4aa8b6f50e7d9182c6a3";
    let peers::Program { path, version } = peers::litellm()?;
    let port = engine::free_port()?;
    let config = folder.join("litellm.yaml");
    let text = format!(
        "model_list:\n- model_name: m\n  litellm_params:\n    model: openai/m\n    \
         api_base: http://{upstream}/v1\n    api_key: none\n\
         general_settings:\n  master_key: {KEY}\n"
    );
    fs::write(&config, text)?;
    say(&format!("starting LiteLLM {version}"));
    let log = File::create(folder.join("litellm.log"))?;
    let mut command = process::command(&path);
    command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--num_workers", "1"]);
    command.args(["--telemetry", "False", "--config"]).arg(&config).current_dir(folder);
    // It would fetch its list of prices.
    command.env("LITELLM_LOCAL_MODEL_COST_MAP", "True").env("LITELLM_LOG", "ERROR");
    let mut process = Process::spawn(command.stdout(log.try_clone()?).stderr(log))?;
    let address = format!("127.0.0.1:{port}");
    peers::wait_until_ready(&mut process, &address, "/health/liveliness", HEAVY_START_MAX)?;
    let login = format!("Authorization: Bearer {KEY}\r\n");
    Ok(Route { name: "LiteLLM", address, login, process: Some(process), is_heavy: true })
}

fn find(names: &[&str]) -> Option<PathBuf> {
    apt::find(names).or_else(|| names.iter().map(PathBuf::from).find(|path| path.is_file()))
}

/// The first of a group is asked directly.
fn latencies(
    routes: &[Route],
    group: &[usize],
    rounds: usize,
    found: &mut [Found],
    clock: &Clock,
) -> Result<()> {
    let mut connections: Vec<Connection> =
        group.iter().map(|at| routes[*at].connect(clock)).collect::<Result<_>>()?;
    say(&format!("asking {rounds} times each way"));
    let mut direct_ms = Vec::new();
    for round in 0..rounds + WARM_UP {
        for place in 0..group.len() {
            let place = (round + place) % group.len();
            let took = connections[place].ask()?;
            let found = &mut found[group[place]];
            found.requests += 1;
            if round >= WARM_UP {
                let times = if place == 0 { &mut direct_ms } else { &mut found.latency_ms };
                times.push(took);
            }
        }
    }
    share(group, found, &direct_ms);
    Ok(())
}

/// What was asked directly beside each of a group. What is shown of direct requests themselves is of the first
/// group, whose others leave the machine alone when they have answered.
fn share(group: &[usize], found: &mut [Found], direct_ms: &[f64]) {
    let is_first = found[group[0]].latency_ms.is_empty();
    if is_first {
        found[group[0]].latency_ms = direct_ms.to_vec();
    }
    for at in group.iter().skip(usize::from(!is_first)) {
        found[*at].direct_ms = direct_ms.to_vec();
    }
}

fn lags(routes: &[Route], group: &[usize], found: &mut [Found], clock: &Clock) -> Result<()> {
    say(&format!("{STREAM_ROUNDS} streams each way"));
    let mut connections: Vec<Connection> =
        group.iter().map(|at| routes[*at].connect(clock)).collect::<Result<_>>()?;
    let is_first = found[group[0]].lag_ms.is_empty();
    for round in 0..STREAM_ROUNDS {
        for place in 0..group.len() {
            let place = (round + place) % group.len();
            let lags = connections[place].stream()?;
            let found = &mut found[group[place]];
            found.requests += 1;
            if place > 0 || is_first {
                found.lag_ms.extend(lags);
            }
        }
    }
    Ok(())
}

impl Route {
    fn connect(&self, clock: &Clock) -> Result<Connection> {
        Connection::open(&self.address, &self.login, clock.clone())
    }

    fn pids(&self) -> Vec<u32> {
        let pid = self.process.as_ref().map(Process::pid);
        pid.and_then(|pid| usage::tree(pid).ok()).unwrap_or_default()
    }

    fn resident_mib(&self) -> Option<f64> {
        let pids = self.pids();
        let bytes = pids.iter().filter_map(|pid| usage::resident_bytes(*pid).ok());
        (!pids.is_empty()).then(|| bytes.sum::<u64>() as f64 / f64::from(1 << 20))
    }

    fn cpu(&self) -> Duration {
        usage::cpu_of_all(&self.pids()).unwrap_or_default()
    }

    /// As many requests as come through.
    fn load(&self, found: &mut Found, clock: &Clock) -> Result<()> {
        say(&format!("load through {}", self.name));
        let before = self.cpu();
        let until = clock.monotonic() + LOAD;
        let clients: Vec<thread::JoinHandle<Result<u64>>> = (0..CONNECTIONS)
            .map(|_| {
                let mut connection = self.connect(clock)?;
                let clock = clock.clone();
                Ok(thread::spawn(move || {
                    let mut count = 0;
                    while clock.monotonic() < until {
                        connection.ask()?;
                        count += 1;
                    }
                    Ok(count)
                }))
            })
            .collect::<Result<_>>()?;
        let mut count = 0;
        for client in clients {
            let asked = client.join().map_err(|_| anyhow::anyhow!("a client ended badly"))?;
            count += asked.with_context(|| format!("through {}", self.name))?;
        }
        found.requests += count;
        found.requests_per_second = count as f64 / LOAD.as_secs_f64();
        if self.process.is_some() {
            let used = self.cpu().saturating_sub(before);
            found.cpu_us_per_request = Some(used.as_secs_f64() * 1e6 / count as f64);
        }
        Ok(())
    }

    /// Memory while so many streams are open.
    fn with_streams(&self) -> Result<Option<f64>> {
        if self.process.is_none() || self.is_heavy {
            return Ok(None);
        }
        say(&format!("{OPEN_STREAMS} streams through {}", self.name));
        let streams: Vec<TcpStream> = (0..OPEN_STREAMS)
            .map(|_| client::begin(&self.address, &self.login, STREAM))
            .collect::<Result<_>>()?;
        for stream in &streams {
            client::wait_for_chunk(stream)?;
        }
        Ok(self.resident_mib())
    }
}

/// How many requests the product recorded, once it has all of them.
fn recorded(route: &Route, folder: &Path) -> Result<u64> {
    let page = fs::read_to_string(folder.join("page"))?;
    let mut last = None;
    wait::until("the last record", START_MAX, || {
        let path = "/api/mw/v1/requests?limit=1&filter=operation:chat";
        let total = http::get(&page, path)?.json()?["total"].as_u64();
        let is_steady = total.is_some() && total == last;
        last = total;
        wait::pause(Duration::from_secs(1));
        ensure!(is_steady, "{} still gets records", route.name);
        total.context("no total")
    })
}

fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn text(routes: &[Route], found: &[Found], load: &str) -> String {
    let names: Vec<&str> = routes.iter().map(|route| route.name).collect();
    let heavy = routes.iter().filter(|route| route.is_heavy);
    let heavy: String = heavy.map(|route| format!(", {HEAVY_ROUNDS} of {}", route.name)).collect();
    let mut text = format!(
        "{ROUNDS} rounds{heavy}; load average before: {load}.\n\n| | {} |\n|{}\n",
        names.join(" | "),
        "---|".repeat(names.len() + 1)
    );
    let mut row = |name: &str, values: Vec<Option<f64>>| {
        let cells = values.into_iter().map(|value| value.map_or("-".to_owned(), short));
        text.push_str(&format!("| {name} | {} |\n", cells.collect::<Vec<_>>().join(" | ")));
    };
    let all = |value: &dyn Fn(&Found) -> Option<f64>| found.iter().map(value).collect();
    row("latency, p50 ms", all(&|one| Some(quantile(&one.latency_ms, 0.5))));
    row("latency, p99 ms", all(&|one| Some(quantile(&one.latency_ms, 0.99))));
    let added = |one: &Found, part: f64| {
        let pairs = one.latency_ms.iter().zip(&one.direct_ms).map(|(own, direct)| own - direct);
        Some(quantile(&pairs.collect::<Vec<_>>(), part))
    };
    for (name, part) in [("p25", 0.25), ("p50", 0.5), ("p75", 0.75)] {
        row(&format!("added, {name} ms of paired differences"), all(&|one| added(one, part)));
    }
    row("chunk lag, p50 ms", all(&|one| Some(quantile(&one.lag_ms, 0.5))));
    row("chunk lag, p99 ms", all(&|one| Some(quantile(&one.lag_ms, 0.99))));
    let throughput = format!("requests per second, {CONNECTIONS} connections");
    row(&throughput, all(&|one| Some(one.requests_per_second)));
    row("CPU of the proxy, µs per request", all(&|one| one.cpu_us_per_request));
    row("memory at rest, MiB", all(&|one| one.memory_mib[0]));
    row("memory after the load, MiB", all(&|one| one.memory_mib[1]));
    row(&format!("memory with {OPEN_STREAMS} open streams, MiB"), all(&|one| one.memory_mib[2]));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direct_requests_add_nothing_to_themselves() {
        let mut found: Vec<Found> = (0..3).map(|_| Found::default()).collect();
        share(&[0, 1], &mut found, &[1.0, 2.0]);
        share(&[0, 2], &mut found, &[5.0]);
        let direct: Vec<&[f64]> = found.iter().map(|one| one.direct_ms.as_slice()).collect();
        assert_eq!(direct, [&[1.0, 2.0][..], &[1.0, 2.0], &[5.0]]);
        assert_eq!(found[0].latency_ms, found[0].direct_ms);
    }
}
