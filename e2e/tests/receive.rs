//! Logs that others send: by hand in each protocol, and by real clients, each of which has to be found again by a
//! search. What a client is and which version prints `cargo test -- receive --nocapture`.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use e2e::{Modelwatch, NOTICED, PATIENCE, encode, skip};
use serde_json::{Value, json};
use xtask::{
    http::{self, Request, Response},
    peers,
    process::{self, Process},
    wait,
};

const TOKEN: &str = "0a1b2c3d-hush";
const LISTEN: &str = "syslog_udp = \"127.0.0.1:0\"\nsyslog_tcp = \"127.0.0.1:0\"\n\
                      lumberjack = \"127.0.0.1:0\"\notlp_grpc = \"127.0.0.1:0\"\n";

/// A modelwatch with all receivers that wants a token.
struct World {
    folder: tempfile::TempDir,
    modelwatch: Modelwatch,
}

impl World {
    fn start(more: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let token = folder.path().join("token");
        fs::write(&token, format!("{TOKEN}\n"))?;
        let more = format!(
            "[collect]\ndiscover = false\n[receive]\n{LISTEN}tokens = [\"file:{}\"]\n{more}",
            token.display()
        );
        let modelwatch = Modelwatch::start(folder.path(), &more)?;
        Ok(Self { folder, modelwatch })
    }

    /// The address of a receiver, as it was said at the start.
    fn address(&self, protocol: &str) -> Result<String> {
        let log = self.modelwatch.log();
        let (_, rest) = log.split_once(&format!("{protocol}://")).context("no such receiver")?;
        rest.lines().next().map(str::to_owned).context("the address is missing")
    }

    fn port(&self, protocol: &str) -> Result<String> {
        let address = self.address(protocol)?;
        address.rsplit_once(':').map(|(_, port)| port.to_owned()).context("no port")
    }

    fn post(&self, path: &str, token: &str, kind: &str, body: &[u8]) -> Result<Response> {
        let headers = &[("Authorization", token), ("Content-Type", kind)];
        let request = Request { method: "POST", path, headers, body, timeout: PATIENCE };
        http::send(&self.modelwatch.address, &request)
    }

    /// The lines that a filter finds, once there are so many.
    fn lines(&self, filter: &str, count: usize) -> Result<Vec<Value>> {
        let path = format!("/api/mw/v1/logs?filter={}", encode(filter));
        wait::until("lines", NOTICED, || {
            let found = self.modelwatch.json(&path)?;
            let lines = found["lines"].as_array().context("no lines")?;
            ensure!(lines.len() >= count, "{} of {count} for {filter}: {found}", lines.len());
            Ok(lines.clone())
        })
    }

    /// The three lines of a client, whole, from the source that its protocol is.
    fn expect(&self, word: &str, source: &str) -> Result<Vec<Value>> {
        let lines = self.lines(word, 3)?;
        ensure!(lines.len() == 3, "{} lines of {word}", lines.len());
        for end in ["slow first token", "línea \"UTF-8\" 模型", "CUDA error: out of memory"] {
            let body = format!("{word} {end}");
            let found = lines.iter().any(|line| line["body"] == body.as_str());
            ensure!(found, "{body:?} is not among {lines:?}");
        }
        ensure!(lines.iter().all(|line| line["source"] == source), "{lines:?}");
        Ok(lines)
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() -> Result<()> {
    let World { folder, mut modelwatch } = World::start("")?;
    let post = |path: &str, token: &str, kind: &str, body: &[u8]| {
        let headers = &[("Authorization", token), ("Content-Type", kind)];
        let request = Request { method: "POST", path, headers, body, timeout: PATIENCE };
        http::send(&modelwatch.address, &request)
    };
    let bearer = format!("Bearer {TOKEN}");
    let bulk = b"{\"create\":{}}\n{\"message\":\"kept one\"}\n{\"index\":{}}\nx\n";
    let answer = post("/elasticsearch/logs/_bulk", &bearer, "application/x-ndjson", bulk)?;
    let items = answer.json()?;
    ensure!(answer.header("X-Elastic-Product") == Some("Elasticsearch"), "{:?}", answer.headers);
    ensure!(items["errors"] == true && items["items"][0]["create"]["status"] == 201, "{items}");
    ensure!(items["items"][1]["index"]["status"] == 400, "{items}");
    let splunk = format!("Splunk {TOKEN}");
    let path = "/services/collector/event?channel=0A1B";
    let answer = post(path, &splunk, "application/json", b"{\"event\":\"kept two\"}")?.json()?;
    ensure!(answer == json!({"text": "Success", "code": 0, "ackId": 0}), "{answer}");
    let path = "/services/collector/ack?channel=0A1B";
    let acks = post(path, &splunk, "application/json", b"{\"acks\":[0,7]}")?.json()?;
    ensure!(acks == json!({"acks": {"0": true, "7": false}}), "{acks}");
    modelwatch.kill()?;
    let modelwatch = Modelwatch::start(folder.path(), "[collect]\ndiscover = false\n")?;
    let found = modelwatch.json("/api/mw/v1/logs?filter=kept")?;
    ensure!(found["total"] == 2, "{found}");
    Ok(())
}

#[test]
fn nobody_sends_without_a_token() -> Result<()> {
    let world = World::start("")?;
    let check = |path: &str, kind: &str, token: &str, status: u16, text: &str| {
        let answer = world.post(path, token, kind, b"{}")?;
        let found = answer.text();
        ensure!(answer.status == status && found.contains(text), "{path}: {found}");
        anyhow::Ok(())
    };
    let json = "application/json";
    check("/loki/api/v1/push", json, "", 401, "a token is needed")?;
    check("/loki/api/v1/push", json, "Bearer x", 401, "this token is not known")?;
    check("/elasticsearch/_bulk", json, "ApiKey x", 401, "security_exception")?;
    check("/services/collector", json, "", 401, "\"code\":2")?;
    check("/services/collector", json, "Splunk x", 403, "\"code\":4")?;
    check(&format!("/services/collector?token={TOKEN}"), json, "", 400, "\"code\":12")?;
    check("/v1/logs", json, "", 401, "a token is needed")?;
    check("/v1/logs", json, &format!("Bearer {TOKEN}"), 200, "{}")?;
    let health = world.modelwatch.json("/services/collector/health")?;
    ensure!(health["code"] == 17, "{health}");
    let metrics = world.modelwatch.get("/metrics")?.text();
    let counted = "modelwatch_receiver_refused_total{reason=\"unauthorized\",receiver=\"loki\"} 2";
    ensure!(metrics.contains(counted), "{metrics}");
    ensure!(!world.modelwatch.log().contains("hush"), "the token is in the log");
    Ok(())
}

#[test]
fn what_is_malformed_is_refused_in_the_words_of_its_protocol() -> Result<()> {
    let world = World::start("")?;
    let bearer = format!("Bearer {TOKEN}");
    let check = |path: &str, kind: &str, body: &[u8], status: u16, text: &str| {
        let answer = world.post(path, &bearer, kind, body)?;
        let found = answer.text();
        ensure!(
            answer.status == status && found.contains(text),
            "{path}: {} {found}",
            answer.status
        );
        anyhow::Ok(())
    };
    let json = "application/json";
    check("/loki/api/v1/push", json, b"[", 400, "not the JSON")?;
    check("/loki/api/v1/push", "application/x-protobuf", b"\xff", 400, "not what")?;
    check("/elasticsearch/_bulk", json, b"{}\n", 400, "Malformed action/metadata line [1]")?;
    check("/elasticsearch/_bulk", json, b"", 400, "request body is required")?;
    check("/services/collector", json, b"", 400, "\"code\":5")?;
    check("/services/collector", json, b"{\"event\":1}{", 400, "\"invalid-event-number\":1")?;
    check("/services/collector?channel=a%20b", json, b"", 400, "\"code\":11")?;
    check("/services/collector/ack", json, b"{}", 400, "\"code\":10")?;
    check("/v1/logs", json, b"{", 400, "not the JSON")?;
    check("/v1/logs", "application/x-protobuf", b"\xff", 400, "malformed protocol buffer")?;
    check("/v1/logs", "text/plain", b"", 415, "Content-Type")?;
    let mut stream = TcpStream::connect(world.address("lumberjack")?)?;
    stream.write_all(b"\x16\x03\x01 TLS where none is spoken")?;
    let mut rest = Vec::new();
    // Reset or closed: it is left either way.
    stream.read_to_end(&mut rest).unwrap_or_default();
    ensure!(rest.is_empty(), "{rest:?}");
    let answer = world.modelwatch.json("/elasticsearch/_cluster/health")?;
    ensure!(answer["status"] == "green", "{answer}");
    ensure!(world.modelwatch.get("/elasticsearch/_ilm/policy/filebeat")?.status == 404);
    ensure!(world.modelwatch.source("receive.loki")?["state"] == "ok");
    Ok(())
}

/// Runs a client of PyPI, or says why that is not possible.
fn run_client(
    world: &World,
    name: &str,
    packages: &[&str],
    client: &str,
    protocol: &str,
) -> Result<()> {
    let folder = match peers::python(name, packages) {
        Ok(folder) => folder,
        Err(error) => {
            skip(&format!("there is no {name}: {error:#}"));
            return Ok(());
        }
    };
    let address = match protocol {
        "http" => world.modelwatch.address.clone(),
        protocol => world.address(protocol)?,
    };
    let word = format!("said{}", name.replace('-', ""));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/receive/clients.py");
    let mut python = process::command("python3");
    python.arg(script).args([client, &address, TOKEN, &word]).env("PYTHONPATH", folder);
    let version = process::capture(&mut python).with_context(|| format!("{name} failed"))?;
    let source = match client {
        "elasticsearch" | "opensearch" => "elasticsearch",
        "splunk-handler" | "splunk-hec-handler" => "splunk",
        "pylogbeat" => "beats",
        "loki" => "loki",
        _ => "otlp",
    };
    let lines = world.expect(&word, source)?;
    // The Splunk handlers of plain lines say no level.
    let is_told = |line: &&Value| line["severity"] == "error";
    let severities = lines.iter().filter(is_told).count();
    ensure!(severities == 3 || client == "splunk-handler", "{client}: {lines:?}");
    xtask::say(&format!("{name} {}: 3 of 3 lines", version.trim()));
    Ok(())
}

#[test]
fn clients_of_elasticsearch() -> Result<()> {
    let world = World::start("")?;
    for (name, package) in [
        ("elasticsearch-9", "elasticsearch==9.5.1"),
        ("elasticsearch-8", "elasticsearch==8.19.3"),
        ("elasticsearch-7", "elasticsearch==7.17.13"),
    ] {
        run_client(&world, name, &[package], "elasticsearch", "http")?;
    }
    run_client(&world, "opensearch-py", &["opensearch-py==3.2.0"], "opensearch", "http")
}

#[test]
fn clients_of_splunk() -> Result<()> {
    let world = World::start("")?;
    for (name, package) in [
        ("splunk-handler", "splunk-handler==3.0.0"),
        ("splunk-hec-handler", "splunk-hec-handler==1.2.0"),
    ] {
        run_client(&world, name, &[package], name, "http")?;
    }
    Ok(())
}

#[test]
fn clients_of_loki_and_logstash() -> Result<()> {
    let world = World::start("")?;
    let loki = "python-logging-loki";
    run_client(&world, loki, &["python-logging-loki==0.3.1"], "loki", "http")?;
    run_client(&world, "pylogbeat", &["pylogbeat==2.1.0"], "pylogbeat", "lumberjack")
}

const OTEL: &[&str] = &[
    "opentelemetry-sdk==1.45.2",
    "opentelemetry-exporter-otlp==1.45.2",
    "opentelemetry-instrumentation-logging==0.66b2",
];

#[test]
fn clients_of_opentelemetry() -> Result<()> {
    let world = World::start("")?;
    run_client(&world, "opentelemetry", OTEL, "otlp-http", "http")?;
    // The same packages; another word, so that its lines are its own.
    let Ok(folder) = peers::python("opentelemetry", OTEL) else { return Ok(()) };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/receive/clients.py");
    let address = world.address("otlp-grpc")?;
    let mut python = process::command("python3");
    python.arg(&script).args(["otlp-grpc", &address, TOKEN, "saidgrpc"]);
    let version = process::capture(python.env("PYTHONPATH", &folder)).context("gRPC failed")?;
    let lines = world.expect("saidgrpc", "otlp")?;
    ensure!(lines[0]["service"] == "chat" && lines[0]["host"] == "gpu-node-1", "{lines:?}");
    xtask::say(&format!("opentelemetry gRPC {}: 3 of 3 lines", version.trim()));
    rotel(&world, &folder)
}

/// OpenTelemetry's client sends to a collector, which passes on to us.
fn rotel(world: &World, client: &Path) -> Result<()> {
    let folder = match peers::python("rotel", &["rotel==0.0.1a15"]) {
        Ok(folder) => folder,
        Err(error) => {
            skip(&format!("there is no rotel: {error:#}"));
            return Ok(());
        }
    };
    let agent = folder.join("rotel/rotel-agent");
    let (grpc, otlp) = (free_port()?, free_port()?);
    let log = world.folder.path().join("rotel.log");
    let mut command = process::command(agent);
    command.args(["start", "--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")]);
    command.args(["--otlp-http-endpoint", &format!("127.0.0.1:{otlp}"), "--exporter", "otlp"]);
    let target = format!("http://{}", world.modelwatch.address);
    command.args(["--otlp-exporter-endpoint", &target, "--otlp-exporter-protocol", "http"]);
    let header = format!("authorization=Bearer {TOKEN}");
    command.args(["--otlp-exporter-custom-headers", &header]);
    let file = fs::File::create(&log)?;
    let _rotel = Process::spawn(command.stdout(file.try_clone()?).stderr(file))?;
    let text = || fs::read_to_string(&log).unwrap_or_default();
    wait::until("rotel", PATIENCE, || {
        TcpStream::connect(("127.0.0.1", otlp)).map(drop).with_context(text)
    })?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/receive/clients.py");
    let mut python = process::command("python3");
    python.arg(script).args(["otlp-http", &format!("127.0.0.1:{otlp}"), TOKEN, "saidrotel"]);
    process::capture(python.env("PYTHONPATH", client)).with_context(text)?;
    world.expect("saidrotel", "otlp").with_context(text)?;
    xtask::say("rotel 0.0.1a15: 3 of 3 lines");
    Ok(())
}

#[test]
fn clients_of_npm() -> Result<()> {
    let world = World::start("")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/receive/clients.mjs");
    for (client, source, packages) in [
        ("elasticsearch", "elasticsearch", &["@elastic/elasticsearch@9.5.1"][..]),
        ("loki", "loki", &["winston@3.19.0", "winston-loki@6.1.7"]),
        (
            "otlp",
            "otlp",
            &[
                "@opentelemetry/exporter-logs-otlp-http@0.301.0",
                "@opentelemetry/sdk-logs@3.1.1",
                "@opentelemetry/resources@3.1.1",
            ],
        ),
    ] {
        let folder = match peers::node(client, packages) {
            Ok(folder) => folder,
            Err(error) => {
                skip(&format!("there is no {client} of npm: {error:#}"));
                continue;
            }
        };
        let word = format!("saidnode{client}");
        let mut node = process::command("node");
        node.arg(&script).args([client, &world.modelwatch.address, TOKEN, &word]);
        let version = process::capture(node.env("PACKAGES", folder))
            .with_context(|| format!("{client} of npm failed"))?;
        let lines = world.expect(&word, source)?;
        ensure!(lines.iter().all(|line| line["severity"] == "error"), "{client}: {lines:?}");
        xtask::say(&format!("{client} of npm {}: 3 of 3 lines", version.trim()));
    }
    Ok(())
}

/// A body that is small and expands to more than anybody has, and one that is just too large.
#[test]
fn bombs_are_refused_and_do_no_harm() -> Result<()> {
    let world = World::start("")?;
    let bearer = format!("Bearer {TOKEN}");
    let bomb = gzip_of_zeros(world.folder.path(), 200 << 20)?;
    ensure!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    for (path, kind, text) in [
        ("/loki/api/v1/push", "application/json", "expands to more"),
        ("/elasticsearch/_bulk", "application/x-ndjson", "expands to more"),
        ("/services/collector", "application/json", "Request entity too large"),
        ("/v1/logs", "application/x-protobuf", "expands to more"),
    ] {
        let headers = &[
            ("Authorization", bearer.as_str()),
            ("Content-Type", kind),
            ("Content-Encoding", "gzip"),
        ];
        let request = Request { method: "POST", path, headers, body: &bomb, timeout: PATIENCE };
        let answer = http::send(&world.modelwatch.address, &request)?;
        let found = answer.text();
        ensure!(answer.status == 413 && found.contains(text), "{path}: {} {found}", answer.status);
    }
    let metrics = world.modelwatch.get("/metrics")?.text();
    let resident = metrics.lines().find_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        name.starts_with("modelwatch_process_resident_bytes").then(|| value.parse::<f64>().ok())?
    });
    let resident = resident.context("no resident bytes")?;
    ensure!(resident < 400e6, "{resident} bytes are resident");
    Ok(())
}

fn gzip_of_zeros(folder: &Path, bytes: usize) -> Result<Vec<u8>> {
    let file = folder.join("zeros.gz");
    let mut gzip = process::command("sh");
    gzip.arg("-c").arg(format!("head -c {bytes} /dev/zero | gzip -9 > {}", file.display()));
    process::capture(&mut gzip)?;
    Ok(fs::read(file)?)
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn logger(path: &Path, port: &str, more: &[&str], text: &str) -> Result<()> {
    let mut logger: Command = process::command(path);
    logger.args(["--server", "127.0.0.1", "--port", port, "-t", "vllm", "-p", "daemon.err"]);
    process::capture(logger.args(more).arg(text)).map(drop)
}

#[test]
fn util_linux_logger() -> Result<()> {
    let Some(path) = peers::logger() else {
        skip("there is no logger of util-linux");
        return Ok(());
    };
    let world = World::start("")?;
    let (udp, tcp) = (world.port("syslog-udp")?, world.port("syslog-tcp")?);
    for (port, more) in [
        (&udp, &["-d", "--rfc3164"][..]),
        (&udp, &["-d", "--rfc5424"]),
        (&udp, &["-d", "--rfc5424=notime,nohost"]),
        (&udp, &["-d", "--rfc5424", "--sd-id", "llm@32473", "--sd-param", "model=\"q\""]),
        (&tcp, &["-T", "--octet-count", "--rfc5424"]),
        (&tcp, &["-T", "--rfc3164"]),
    ] {
        logger(&path, port, more, &format!("saidlogger {}", more.join(" ")))?;
    }
    let lines = world.lines("saidlogger", 6)?;
    ensure!(lines.len() == 6, "{lines:?}");
    ensure!(lines.iter().all(|line| line["service"] == "vllm" && line["severity"] == "error"));
    let with_data = lines.iter().find(|line| line["attributes"]["llm.model"] == "q");
    ensure!(with_data.is_some(), "{lines:?}");
    let version = process::capture(process::command(path).arg("--version"))?;
    xtask::say(&format!("{}: 6 of 6 lines", version.trim()));
    Ok(())
}

/// A certificate of localhost and its key, made by openssl.
fn certificate(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let mut openssl = process::command("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
    openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
    process::capture(&mut openssl)?;
    Ok((certificate, key))
}

/// Lines come to rsyslog by its own socket and leave it in every way that we take.
#[test]
fn rsyslog() -> Result<()> {
    let (program, logger) = match (peers::rsyslog(), peers::logger()) {
        (Ok(program), Some(logger)) => (program, logger),
        (Err(error), _) => {
            skip(&format!("there is no rsyslog: {error:#}"));
            return Ok(());
        }
        (_, None) => {
            skip("there is no logger of util-linux");
            return Ok(());
        }
    };
    let keys = tempfile::tempdir()?;
    let (certificate, key) = match certificate(keys.path()) {
        Ok(files) => files,
        Err(error) => {
            skip(&format!("there is no openssl: {error:#}"));
            return Ok(());
        }
    };
    let more = format!(
        "syslog_tls = \"127.0.0.1:0\"\ntls_cert_file = \"{}\"\ntls_key_file = \"{}\"\n",
        certificate.display(),
        key.display()
    );
    let world = World::start(&more)?;
    let folder = world.folder.path();
    let socket = folder.join("log.sock");
    let config = folder.join("rsyslog.conf");
    fs::write(&config, rsyslog_config(&world, &socket, &certificate)?)?;
    let log = folder.join("rsyslog.log");
    let file = fs::File::create(&log)?;
    let mut command = process::command(&program.path);
    command.arg("-n").arg("-f").arg(&config).arg("-i").arg(folder.join("rsyslog.pid"));
    let _rsyslog = Process::spawn(command.stdout(file.try_clone()?).stderr(file))?;
    let text = || fs::read_to_string(&log).unwrap_or_default();
    wait::until("the socket of rsyslog", PATIENCE, || {
        ensure!(socket.exists(), "{}", text());
        Ok(())
    })?;
    for end in ["slow first token", "línea \"UTF-8\" 模型", "CUDA error: out of memory"] {
        let mut send = process::command(&logger);
        send.arg("-u").arg(&socket).args(["-t", "vllm", "-p", "daemon.err"]);
        process::capture(send.arg(format!("saidrsyslog {end}")))?;
    }
    // UDP, TCP in both framings, TLS; and as documents.
    let lines = world.lines("saidrsyslog source:syslog", 12).with_context(text)?;
    ensure!(lines.len() == 12, "{} lines: {lines:?}", lines.len());
    ensure!(lines.iter().all(|line| line["service"] == "vllm" && line["severity"] == "error"));
    let documents = world.lines("saidrsyslog source:elasticsearch", 3).with_context(text)?;
    ensure!(documents.len() == 3 && documents[0]["service"] == "vllm", "{documents:?}");
    let metrics = world.modelwatch.get("/metrics")?.text();
    for (receiver, count) in
        [("syslog_udp", 3), ("syslog_tcp", 6), ("syslog_tls", 3), ("elasticsearch", 3)]
    {
        let line = format!("modelwatch_receiver_lines_total{{receiver=\"{receiver}\"}} {count}");
        ensure!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    xtask::say(&format!(
        "rsyslog {}: UDP, TCP octet-counted, TCP newline, TLS, omelasticsearch: 3 of 3 lines each",
        program.version
    ));
    Ok(())
}

fn rsyslog_config(world: &World, socket: &Path, certificate: &Path) -> Result<String> {
    let (udp, tcp) = (world.port("syslog-udp")?, world.port("syslog-tcp")?);
    let tls = world.port("syslog-tcp+tls")?;
    let (_, http) = world.modelwatch.address.rsplit_once(':').context("no port")?;
    let (socket, certificate) = (socket.display(), certificate.display());
    let folder = world.folder.path().display();
    Ok(format!(
        r#"global(workDirectory="{folder}" localHostname="gpu-node-1" defaultNetstreamDriverCAFile="{certificate}")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{socket}")
module(load="omelasticsearch")
template(name="ecs" type="list" option.jsonf="on") {{
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
  property(outname="host.name" name="hostname" format="jsonf")
  property(outname="process.name" name="programname" format="jsonf")
  property(outname="log.level" name="syslogseverity-text" format="jsonf")
}}
action(type="omelasticsearch" server="http://127.0.0.1:{http}/elasticsearch" template="ecs" searchType="" bulkmode="on"
  esVersion.major="8" searchIndex="logs-llm-default" uid="anybody" pwd="{TOKEN}")
action(type="omfwd" target="127.0.0.1" port="{udp}" protocol="udp" template="RSYSLOG_ForwardFormat")
action(type="omfwd" target="127.0.0.1" port="{tcp}" protocol="tcp" template="RSYSLOG_SyslogProtocol23Format"
  TCP_Framing="octet-counted")
action(type="omfwd" target="127.0.0.1" port="{tcp}" protocol="tcp" template="RSYSLOG_TraditionalForwardFormat")
action(type="omfwd" target="localhost" port="{tls}" protocol="tcp" template="RSYSLOG_SyslogProtocol23Format"
  TCP_Framing="octet-counted" StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/name"
  StreamDriverPermittedPeers="localhost")
"#
    ))
}
