//! Other exporters are read as a real Prometheus reads them, and a real Prometheus reads us.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use e2e::{
    Hostile, Modelwatch, NOTICED, PATIENCE, Prometheus, encode, remote_write::recent_ms,
    serve_hostile, skip,
};
use serde_json::Value;
use xtask::{
    engine,
    http::{self, Request},
    process::{self, Process},
    wait,
};

const QUIET: &str = "[collect]\ndiscover = false\n";

/// Answers every request with `reply`; returns `127.0.0.1:PORT`. It ends with the test.
fn serve(reply: Vec<u8>) -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?.to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let answered = stream.read(&mut request).and_then(|_| stream.write_all(&reply));
            answered.unwrap_or_default();
        }
    });
    Ok(address)
}

fn page(kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn job(name: &str, more: &str) -> String {
    format!("[[scrape]]\njob = \"{name}\"\ninterval = \"1s\"\n{more}\n")
}

/// The series of a job as another Prometheus lists them.
fn series(address: &str, matcher: &str) -> Result<BTreeSet<String>> {
    let path = format!("/api/v1/series?match[]={}", encode(matcher));
    let answer = http::get(address, &path)?.json()?;
    let list = answer["data"].as_array().with_context(|| format!("{path}: {answer}"))?;
    Ok(list.iter().map(Value::to_string).collect())
}

fn value(address: &str, query: &str) -> Result<f64> {
    let path = format!("/api/v1/query?query={}", encode(query));
    let answer = http::get(address, &path)?.json()?;
    let result = answer["data"]["result"].as_array().cloned().unwrap_or_default();
    ensure!(result.len() == 1, "{query}: {answer}");
    let value = result[0]["value"][1].as_str().and_then(|value| value.parse().ok());
    value.with_context(|| format!("{query}: {answer}"))
}

/// A node_exporter of this machine's own Debian, or `None` after saying that there is none.
fn node_exporter(folder: &Path) -> Result<Option<(Process, String)>> {
    let program = "prometheus-node-exporter";
    let mut version = process::command(program);
    if version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        skip("there is no node_exporter");
        return Ok(None);
    }
    process::end_children_on_signals()?;
    let address = format!("127.0.0.1:{}", engine::free_port()?);
    let log = fs::File::create(folder.join("node.log"))?;
    let mut command = process::command(program);
    command.arg(format!("--web.listen-address={address}"));
    let process = Process::spawn(command.stdout(log.try_clone()?).stderr(log))?;
    wait::until("a node_exporter", PATIENCE, || {
        ensure!(http::get(&address, "/metrics")?.status == 200);
        Ok(())
    })?;
    Ok(Some((process, address)))
}

#[test]
fn a_real_prometheus_scrapes_the_same_of_the_same_target() -> Result<()> {
    let Some(installed) = Prometheus::installed() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let Some((node, address)) = node_exporter(folder.path())? else { return Ok(()) };
    let yaml = format!(
        "scrape_configs:\n- job_name: node\n  scrape_interval: 1s\n  metric_relabel_configs:\n  \
         - {{source_labels: [__name__], regex: 'node_scrape_.*', action: drop}}\n  static_configs:\n  \
         - targets: ['{address}']\n    labels: {{zone: a}}\n"
    );
    let prometheus = Prometheus::start(&installed, folder.path(), &yaml)?;
    let node_job = job(
        "node",
        &format!(
            "targets = [\"{address}\"]\nlabels = {{ zone = \"a\" }}\n[[scrape.metric_relabel]]\n\
             source_labels = [\"__name__\"]\nregex = \"node_scrape_.*\"\naction = \"drop\"\n"
        ),
    );
    let targets = format!("targets = [\"{}\"]\n", prometheus.address);
    let itself = job("prometheus", &targets);
    // It answers with protocol buffers when asked for them.
    let protobuf = job("protobuf", &format!("{targets}native_histograms = true"));
    let modelwatch =
        Modelwatch::start(folder.path(), &format!("{QUIET}{node_job}{itself}{protobuf}"))?;
    wait::until("the same series on both sides", PATIENCE, || {
        let matcher = format!("{{job=\"node\",instance=\"{address}\"}}");
        let (ours, theirs) =
            (series(&modelwatch.address, &matcher)?, series(&prometheus.address, &matcher)?);
        let differ: Vec<_> = ours.symmetric_difference(&theirs).take(5).collect();
        ensure!(differ.is_empty() && ours.len() > 100, "{} series, {differ:#?}", ours.len());
        Ok(())
    })?;
    for name in [
        "up",
        "scrape_samples_scraped",
        "scrape_samples_post_metric_relabeling",
        "scrape_series_added",
    ] {
        wait::until(name, NOTICED, || {
            let query = format!("{name}{{job=\"node\"}}");
            let (ours, theirs) =
                (value(&modelwatch.address, &query)?, value(&prometheus.address, &query)?);
            ensure!(ours == theirs, "{query}: {ours} here, {theirs} there");
            Ok(())
        })?;
    }
    ensure!(modelwatch.value("scrape_duration_seconds{job=\"node\"}")? > 0.0);
    own_page_is_the_same_in_both_formats(&modelwatch)?;
    let targets = modelwatch.json("/api/v1/targets?scrapePool=node")?;
    let target = &targets["data"]["activeTargets"][0];
    ensure!(target["health"] == "up" && target["labels"]["zone"] == "a", "{targets}");
    let theirs = http::get(&prometheus.address, "/api/v1/targets")?.json()?;
    let theirs = &theirs["data"]["activeTargets"][0];
    for field in ["discoveredLabels", "labels", "scrapePool", "scrapeUrl", "scrapeInterval"] {
        ensure!(target[field] == theirs[field], "{field}: {target} here, {theirs} there");
    }
    descriptions_agree(&modelwatch, &prometheus.address)?;
    node.kill()?;
    series_have_ended(&[&modelwatch.address, &prometheus.address], &address)
}

/// What is known of the metrics of a target. Prometheus also keeps what its rules drop.
fn descriptions_agree(modelwatch: &Modelwatch, prometheus: &str) -> Result<()> {
    let ask = |address: &str, parameters: &str| -> Result<Vec<Value>> {
        let selector = encode("{job=\"node\"}");
        let path = format!("/api/v1/targets/metadata?match_target={selector}{parameters}");
        let answer = http::get(address, &path)?.json()?;
        answer["data"].as_array().cloned().with_context(|| format!("{path}: {answer}"))
    };
    let all = |address| -> Result<BTreeSet<String>> {
        let entries = ask(address, "")?;
        let is_kept = |entry: &&Value| {
            !entry["metric"].as_str().is_some_and(|name| name.starts_with("node_scrape_"))
        };
        Ok(entries.iter().filter(is_kept).map(Value::to_string).collect())
    };
    let (ours, theirs) = (all(&modelwatch.address)?, all(prometheus)?);
    let differ: Vec<_> = ours.symmetric_difference(&theirs).take(5).collect();
    ensure!(differ.is_empty() && ours.len() > 100, "{} entries, {differ:#?}", ours.len());
    for parameters in ["&metric=node_load1", "&metric=node_load1&limit=0", "&metric=nothing"] {
        let (ours, theirs) = (ask(&modelwatch.address, parameters)?, ask(prometheus, parameters));
        // Prometheus 2 does not find what is nothing; Prometheus 3 and we find nothing.
        ensure!(ours == theirs.unwrap_or_default(), "{parameters}: {ours:?}");
    }
    Ok(())
}

/// What Prometheus says of itself, read as text and as protocol buffers.
fn own_page_is_the_same_in_both_formats(modelwatch: &Modelwatch) -> Result<()> {
    wait::until("Prometheus' own page", PATIENCE, || {
        ensure!(modelwatch.value("up{job=\"prometheus\"}")? == 1.0);
        let counts = ["prometheus", "protobuf"].map(|job| {
            let names = "count by (__name__) ({job=\"JOB\",__name__!~\"up|scrape_.*\"})";
            modelwatch.query(&names.replace("JOB", job))
        });
        let [Ok(text), Ok(protobuf)] = counts else { anyhow::bail!("no counts") };
        let key = |result: &[Value]| -> BTreeSet<String> {
            result.iter().map(|one| format!("{} {}", one["metric"], one["value"][1])).collect()
        };
        let (text, protobuf) = (key(&text), key(&protobuf));
        let differ: Vec<_> = text.symmetric_difference(&protobuf).take(6).collect();
        ensure!(differ.is_empty() && text.len() > 100, "{} {differ:#?}", text.len());
        Ok(())
    })
}

fn series_have_ended(addresses: &[&String], target: &str) -> Result<()> {
    wait::until("the end of its series", NOTICED, || {
        for address in addresses {
            ensure!(value(address, "up{job=\"node\"}")? == 0.0);
            // Our own host has that job, too.
            let count = format!("count(node_load1{{instance=\"{target}\"}}) or vector(0)");
            ensure!(value(address, &count)? == 0.0, "{address} goes on");
            ensure!(value(address, "scrape_samples_scraped{job=\"node\"}")? == 0.0);
        }
        Ok(())
    })
}

#[test]
fn targets_come_and_go_with_their_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text = |name: &str| page("text/plain; version=0.0.4", format!("{name} 1\n").as_bytes());
    let (one, two) = (serve(text("one"))?, serve(text("two"))?);
    let list = folder.path().join("targets.json");
    let write = |addresses: &[&str]| -> Result<()> {
        let group = serde_json::json!([{"targets": addresses, "labels": {"__meta_zone": "z"}}]);
        Ok(fs::write(&list, group.to_string())?)
    };
    write(&[&one])?;
    let served = serde_json::json!([{"targets": [two], "labels": {"from": "http"}}]).to_string();
    let lists = serve(page("application/json", served.as_bytes()))?;
    let file_job = job(
        "files",
        &format!(
            "file_sd = [\"{}/*.json\"]\n[[scrape.relabel]]\nsource_labels = [\"__meta_zone\"]\n\
             target_label = \"zone\"\n",
            folder.path().display()
        ),
    );
    let http_job = job("http", &format!("http_sd = \"http://{lists}/list\""));
    let modelwatch = Modelwatch::start(folder.path(), &format!("{QUIET}{file_job}{http_job}"))?;
    wait::until("the first target", PATIENCE, || {
        ensure!(modelwatch.value("one{job=\"files\",zone=\"z\"}")? == 1.0);
        ensure!(modelwatch.value("two{job=\"http\",from=\"http\"}")? == 1.0);
        Ok(())
    })?;
    write(&[&two])?;
    wait::until("the change", NOTICED, || {
        ensure!(modelwatch.value("two{job=\"files\"}")? == 1.0);
        ensure!(modelwatch.query("one")?.is_empty(), "the old target goes on");
        ensure!(modelwatch.query(&format!("up{{instance=\"{one}\"}}"))?.is_empty());
        Ok(())
    })?;
    fs::write(&list, "[{")?;
    wait::until("the broken file on the page", NOTICED, || {
        let source = modelwatch.source("*.json")?;
        ensure!(source["state"] == "failing", "{source}");
        Ok(())
    })?;
    ensure!(modelwatch.value("two{job=\"files\"}")? == 1.0, "a broken file changes nothing");
    Ok(())
}

#[test]
fn hostile_targets_are_survived_and_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text = "text/plain; version=0.0.4";
    let huge = format!("good 1\nbad{{a=\"{}\"}} 1\n", "x".repeat(100_000));
    let redirect = b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n";
    // What each answers, the failure's code, what is said, and whether a good sample is kept.
    let cases: Vec<(&str, String, &str, &str, bool)> = vec![
        ("garbage", serve_hostile(Hostile::Garbage)?, "malformed", "", false),
        ("silent", serve_hostile(Hostile::Silent)?, "timed_out", "no whole answer", false),
        ("drip", serve_hostile(Hostile::Drip)?, "timed_out", "no whole answer", false),
        ("endless", serve_hostile(Hostile::Gigabyte)?, "too_large", "1048576 bytes", false),
        ("redirect", serve(redirect.to_vec())?, "refused", "302 to \"http://x/\"", false),
        ("huge", serve(page(text, huge.as_bytes()))?, "malformed", "line 2: a name or", true),
        ("utf8", serve(page(text, b"good 1\nbad{a=\"\xff\"} 1\n"))?, "malformed", "UTF-8", true),
        ("html", serve(page("text/html", b"<html>\ngood 1\n"))?, "malformed", "line 1", true),
    ];
    let twice = serve(page(text, b"good 1\ngood 2\n"))?;
    let mut config = String::from(QUIET);
    for (name, address, ..) in &cases {
        let more = format!("targets = [\"{address}\"]\nbody_size_limit = \"1MiB\"");
        config.push_str(&job(name, &more));
    }
    config.push_str(&job("twice", &format!("targets = [\"{twice}\"]")));
    let tls = "targets = [\"127.0.0.1:1\"]\n[[scrape.relabel]]\ntarget_label = \"__scheme__\"\n\
               replacement = \"https\"";
    config.push_str(&job("tls", tls));
    let mut modelwatch = Modelwatch::start(folder.path(), &config)?;
    for (name, address, code, text, is_kept) in &cases {
        wait::until(name, NOTICED + NOTICED, || {
            let source = modelwatch.source(&format!("scrape {name} http://{address}/metrics"))?;
            ensure!(source["failure"]["code"] == format!("failure.{code}"), "{source}");
            let detail = source["failure"]["params"]["detail"].as_str().unwrap_or_default();
            ensure!(detail.contains(text), "{source}");
            ensure!(source["hint"]["code"] != Value::Null, "{source}");
            ensure!(modelwatch.value(&format!("up{{job=\"{name}\"}}"))? == 0.0);
            let good = modelwatch.query(&format!("good{{job=\"{name}\"}}"))?;
            ensure!(good.is_empty() != *is_kept, "{good:?}");
            Ok(())
        })?;
    }
    wait::until("the page with a series twice", NOTICED, || {
        ensure!(modelwatch.value("up{job=\"twice\"}")? == 1.0);
        ensure!(modelwatch.value("good{job=\"twice\"}")? == 1.0, "the first counts");
        let source = modelwatch.source(&format!("{twice}/metrics"))?;
        ensure!(source["hint"]["code"] == "hint.scrape_twice", "{source}");
        let source = modelwatch.source("https://127.0.0.1:1/metrics")?;
        let detail = source["failure"]["params"]["detail"].as_str().unwrap_or_default();
        ensure!(detail.contains("only http:// is spoken"), "{source}");
        Ok(())
    })?;
    let bytes = modelwatch.value("max_over_time(modelwatch_process_resident_bytes[1m])");
    let bytes = bytes.or_else(|_| {
        wait::until("our own size", PATIENCE, || {
            modelwatch.value("max_over_time(modelwatch_process_resident_bytes[1m])")
        })
    })?;
    ensure!(bytes < 300e6, "{bytes} bytes resident");
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    Ok(())
}

/// A job of both sides: its name, what it reads, and its settings in TOML and in YAML.
type Case = (&'static str, Vec<u8>, &'static str, &'static str);

fn cases(now_ms: i64) -> Vec<Case> {
    let text = |body: &str| page("text/plain; version=0.0.4", body.as_bytes());
    let clash = "a{job=\"x\",instance=\"y\",exported_job=\"z\"} 1\nb{instance=\"\"} 2\n";
    let timed = format!("a 1 {now_ms}\nb 2\n");
    let many = "a{b=\"c\",d=\"E\"} 1\nb 2\nc_total 3\n";
    vec![
        ("clash", text(clash), "", ""),
        ("honour", text(clash), "honor_labels = true", "honor_labels: true"),
        ("twice", text("a 1\na 2\nb 3\n"), "", ""),
        ("empty", text(""), "", ""),
        ("timed", text(&timed), "", ""),
        ("untimed", text(&timed), "honor_timestamps = false", "honor_timestamps: false"),
        ("few", text(many), "sample_limit = 2", "sample_limit: 2"),
        ("enough", text(many), "sample_limit = 3", "sample_limit: 3"),
        ("labels", text(many), "label_limit = 4", "label_limit: 4"),
        ("values", text(many), "label_value_length_limit = 5", "label_value_length_limit: 5"),
        ("utf8", page("text/plain", b"a{b=\"\xff\"} 1\n"), "", ""),
        ("html", page("text/plain", b"<html>\n"), "", ""),
        ("cut", page("application/openmetrics-text; version=1.0.0", b"a 1\n"), "", ""),
        (
            "open",
            page(
                "application/openmetrics-text; version=1.0.0",
                b"# TYPE a counter\na_total 1 # {t=\"x\"} 1\na_created 5\n# EOF\n",
            ),
            "",
            "",
        ),
        (
            "rules",
            text(many),
            "params = { module = \"m\" }\npath = \"/x\"\n\
             [[scrape.relabel]]\nsource_labels = [\"__param_module\", \"__metrics_path__\"]\n\
             separator = \"-\"\ntarget_label = \"from\"\n\
             [[scrape.relabel]]\naction = \"hashmod\"\nsource_labels = [\"job\"]\nmodulus = 97\n\
             target_label = \"shard\"\n\
             [[scrape.metric_relabel]]\naction = \"labelmap\"\nregex = \"(b|d)\"\n\
             replacement = \"my_$1\"\n\
             [[scrape.metric_relabel]]\naction = \"lowercase\"\nsource_labels = [\"d\"]\n\
             target_label = \"low\"\n\
             [[scrape.metric_relabel]]\naction = \"labeldrop\"\nregex = \"d\"\n\
             [[scrape.metric_relabel]]\naction = \"drop\"\nsource_labels = [\"__name__\"]\n\
             regex = \".*_total\"",
            "metrics_path: /x\n  params: {module: [m]}\n  relabel_configs:\n  \
             - {source_labels: [__param_module, __metrics_path__], separator: '-', target_label: from}\n  \
             - {action: hashmod, source_labels: [job], modulus: 97, target_label: shard}\n  \
             metric_relabel_configs:\n  \
             - {action: labelmap, regex: '(b|d)', replacement: 'my_$1'}\n  \
             - {action: lowercase, source_labels: [d], target_label: low}\n  \
             - {action: labeldrop, regex: d}\n  \
             - {action: drop, source_labels: [__name__], regex: '.*_total'}",
        ),
    ]
}

#[test]
fn odd_pages_and_rules_have_the_same_outcome_in_prometheus() -> Result<()> {
    let Some(installed) = Prometheus::installed() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    // Our own rules would add their alerts about these targets.
    let mut toml = format!("[alerts]\nbuiltin = false\n{QUIET}");
    let mut yaml = "scrape_configs:\n".to_owned();
    let cases = cases(recent_ms()?);
    for (name, reply, ours, theirs) in &cases {
        let address = serve(reply.clone())?;
        toml.push_str(&job(name, &format!("targets = [\"{address}\"]\n{ours}")));
        yaml.push_str(&format!(
            "- job_name: {name}\n  scrape_interval: 1s\n  static_configs:\n  \
             - targets: ['{address}']\n  {theirs}\n"
        ));
    }
    let modelwatch = Modelwatch::start(folder.path(), &toml)?;
    let prometheus = Prometheus::start(&installed, folder.path(), &yaml)?;
    for (name, ..) in &cases {
        wait::until(name, NOTICED, || {
            let both = |query: &str| -> Result<f64> {
                let ours = value(&modelwatch.address, query)?;
                let theirs = value(&prometheus.address, query)?;
                ensure!(ours == theirs, "{query}: {ours} here, {theirs} there");
                Ok(ours)
            };
            // Of a page that is partly bad we keep and count the rest.
            if both(&format!("up{{job=\"{name}\"}}"))? == 0.0
                && ["utf8", "html", "cut"].contains(name)
            {
                return Ok(());
            }
            for metric in [
                "scrape_samples_scraped",
                "scrape_samples_post_metric_relabeling",
                "scrape_series_added",
            ] {
                both(&format!("{metric}{{job=\"{name}\"}}"))?;
            }
            for matcher in [format!("{{job=\"{name}\"}}"), "{job=\"x\"}".into(), "b".into()] {
                let ours = series(&modelwatch.address, &matcher)?;
                let theirs = series(&prometheus.address, &matcher)?;
                ensure!(ours == theirs, "{matcher}: {ours:#?} here, {theirs:#?} there");
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Complaints of `promtool` about names that are node_exporter's own.
fn is_customary(line: &str) -> bool {
    let is_bits = line.starts_with("node_entropy_") && line.contains("instead of \"bits\"");
    is_bits || (line.starts_with("node_") && line.contains("snake_case"))
}

#[test]
fn a_real_prometheus_scrapes_us_as_its_one_exporter() -> Result<()> {
    let Some(installed) = Prometheus::installed() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let text = "# HELP other_requests_total Requests\n# TYPE other_requests_total counter\n\
                other_requests_total{code=\"200\"} 3\n# HELP other_seconds Times\n\
                # TYPE other_seconds histogram\nother_seconds_bucket{le=\"1\"} 1\n\
                other_seconds_bucket{le=\"+Inf\"} 2\nother_seconds_sum 3\nother_seconds_count 2\n";
    let exporter = serve(page("text/plain; version=0.0.4", text.as_bytes()))?;
    let other = job("other", &format!("targets = [\"{exporter}\"]"));
    let modelwatch = Modelwatch::start(folder.path(), &format!("{QUIET}{other}"))?;
    wait::until("the exporter", PATIENCE, || modelwatch.value("other_requests_total"))?;

    let plain = modelwatch.get("/metrics")?;
    ensure!(plain.header("Content-Type").is_some_and(|kind| kind.starts_with("text/plain")));
    let mut command = process::command(&installed.promtool);
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("no standard input")?.write_all(&plain.body)?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let complaints: Vec<&str> =
        said.lines().filter(|line| !line.is_empty() && !is_customary(line)).collect();
    ensure!(complaints.is_empty(), "promtool says\n{}", complaints.join("\n"));

    let headers = [
        ("Accept", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"),
        ("Accept-Encoding", "gzip"),
    ];
    let request = Request {
        method: "GET",
        path: "/metrics",
        headers: &headers,
        body: b"",
        timeout: PATIENCE,
    };
    let zipped = http::send(&modelwatch.address, &request)?;
    ensure!(zipped.header("Content-Encoding") == Some("gzip"), "{:?}", zipped.headers);
    let kind = zipped.header("Content-Type").unwrap_or_default();
    ensure!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");

    let yaml = format!(
        "scrape_configs:\n- job_name: watch\n  scrape_interval: 1s\n  honor_labels: true\n  \
         static_configs:\n  - targets: ['{}']\n",
        modelwatch.address
    );
    let prometheus = Prometheus::start(&installed, folder.path(), &yaml)?;
    wait::until("our samples in Prometheus", PATIENCE, || {
        let ask = |query: &str| value(&prometheus.address, query);
        ensure!(ask("up{job=\"watch\"}")? == 1.0, "it cannot read us");
        let ours = format!("{{job=\"watch\",instance=\"{}\"}}", modelwatch.address);
        ensure!(ask(&format!("node_memory_MemTotal_bytes{ours}"))? > 0.0);
        ensure!(ask(&format!("modelwatch_build_info{ours}"))? == 1.0);
        let other = format!("job=\"other\",instance=\"{exporter}\"");
        ensure!(ask(&format!("other_requests_total{{{other},code=\"200\"}}"))? == 3.0);
        ensure!(ask(&format!("other_seconds_bucket{{{other},le=\"+Inf\"}}"))? == 2.0);
        ensure!(ask(&format!("up{{{other}}}"))? == 1.0);
        Ok(())
    })?;
    let metadata = http::get(&prometheus.address, "/api/v1/targets/metadata?metric=node_load1")?;
    ensure!(metadata.json()?["data"][0]["type"] == "gauge", "{}", metadata.text());
    Ok(())
}
