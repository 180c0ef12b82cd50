//! Incidents among real peers: Prometheus and vmalert send alerts here, `amtool` asks and silences, a real
//! Alertmanager is sent to, and nothing that anybody did is lost when the process is killed.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use e2e::{Modelwatch, Output, PATIENCE, Prometheus, run_to_end, skip};
use serde_json::{Value, json};
use xtask::{
    engine, http, peers,
    process::{self, Process},
    wait,
};

const ROUTES: &str = r#"
[collect]
discover = false
[alerts]
builtin = false
[[channel]]
name = "mail"
kind = "command"
command = ["/bin/true"]
[[channel]]
name = "pager"
kind = "command"
command = ["/bin/true"]
[[route]]
name = "default"
channels = ["mail"]
[[route]]
name = "grave"
match = ["severity=\"critical\""]
channels = ["pager"]
[[route]]
name = "grave-qwen"
parent = "grave"
match = ["model=~\"qwen.*\""]
group_by = ["alertname", "model"]
[[inhibit]]
source = ["alertname=\"Down\""]
target = ["severity=\"warning\""]
equal = ["instance"]
"#;

/// A rule that fires at once, for whoever evaluates it.
const RULES: &str = r#"
groups:
  - name: always
    interval: 1s
    rules:
      - alert: Always
        expr: vector(42) > 1
        labels: {severity: critical, model: qwen3}
        annotations: {summary: "it is {{ $value }}"}
"#;

/// A program in PATH, or `None` after saying that it is not there.
fn installed(name: &str) -> Option<PathBuf> {
    let found = peers::installed(name);
    if found.is_none() {
        skip(&format!("there is no {name}; `cargo xtask test` installs it"));
    }
    found
}

/// Starts a peer that writes to a log in `folder`, and waits until `path` is answered.
fn start(command: &mut Command, folder: &Path, address: &str, path: &str) -> Result<Process> {
    process::end_children_on_signals()?;
    let log = folder.join("peer.log");
    let output = File::create(&log)?;
    let process = Process::spawn(command.stdout(output.try_clone()?).stderr(output))?;
    wait::until("a ready peer", PATIENCE, || {
        let status = http::get(address, path)?.status;
        ensure!(status == 200, "{path} answers {status}");
        Ok(())
    })
    .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
    Ok(process)
}

fn amtool(program: &Path, address: &str, arguments: &[&str]) -> Result<String> {
    let mut command = process::command(program);
    command.arg(format!("--alertmanager.url=http://{address}")).arg("--no-version-check");
    let Output { code, text } = run_to_end(command.args(arguments))?;
    ensure!(code == Some(0), "amtool {arguments:?}: {code:?}\n{text}");
    Ok(text)
}

fn post(modelwatch: &Modelwatch, path: &str, body: &Value) -> Result<Value> {
    let answer = http::post_json(&modelwatch.address, path, body)?;
    ensure!(answer.status == 200, "{path}: {}: {}", answer.status, answer.text());
    if answer.body.is_empty() { Ok(Value::Null) } else { answer.json() }
}

fn incident(modelwatch: &Modelwatch, name: &str) -> Result<Value> {
    let all = modelwatch.json("/api/mw/v1/incidents?state=all")?;
    let found = all["incidents"].as_array().context("no incidents")?;
    let found = found.iter().find(|incident| incident["name"] == name);
    found.cloned().with_context(|| format!("no {name} in {all}"))
}

#[test]
fn amtool_finds_an_alertmanager_here() -> Result<()> {
    let Some(program) = installed("amtool") else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), ROUTES)?;
    for address in [modelwatch.address.clone(), format!("{}/alertmanager", modelwatch.address)] {
        let run = |arguments: &[&str]| amtool(&program, &address, arguments);
        run(&[
            "alert",
            "add",
            "alertname=Slow",
            "instance=a:1",
            "severity=warning",
            "--annotation=summary=slow",
        ])?;
        run(&["alert", "add", "Down", "instance=a:1", "severity=critical"])?;
        let found = run(&["alert", "query"])?;
        ensure!(found.contains("Down") && !found.contains("Slow"), "{found}");
        let found = run(&["alert", "query", "--inhibited"])?;
        ensure!(found.contains("Slow"), "{found}");
        let found = run(&["alert", "query", "-o", "json", "--receiver=pager", "severity=~crit.*"])?;
        let found: Value = serde_json::from_str(&found)?;
        ensure!(found[0]["labels"]["alertname"] == "Down" && found[1].is_null(), "{found}");

        let id = run(&["silence", "add", "-a", "li", "-d", "2h", "-c", "known", "alertname=Down"])?;
        let id = id.trim();
        let found = run(&["silence", "query"])?;
        ensure!(found.contains(id) && found.contains("alertname=\"Down\""), "{found}");
        ensure!(!run(&["alert", "query"])?.contains("Down"));
        ensure!(run(&["alert", "query", "--silenced"])?.contains("Down"));
        let updated = run(&["silence", "update", "-d", "3h", "-c", "longer", id])?;
        ensure!(updated.contains("longer"), "{updated}");
        ensure!(run(&["silence", "query", "-q"])?.trim() == id);
        run(&["silence", "expire", id])?;
        ensure!(run(&["silence", "query", "-q"])?.trim().is_empty());
        ensure!(run(&["silence", "query", "-q", "--expired"])?.contains(id));

        let shown = run(&["config", "routes", "show"])?;
        ensure!(shown.contains("qwen"), "{shown}");
        let receiver = run(&["config", "routes", "test", "severity=critical", "model=qwen3"])?;
        ensure!(receiver.trim() == "pager", "{receiver}");
        ensure!(run(&["config", "routes", "test", "a=b"])?.trim() == "mail");
    }
    let audited = modelwatch.json("/api/mw/v1/events?source=audit")?;
    let codes: Vec<&Value> =
        audited["events"].as_array().context("no events")?.iter().map(|it| &it["code"]).collect();
    ensure!(codes.len() >= 3 && codes.iter().any(|code| *code == "audit.silence_put"), "{audited}");
    Ok(())
}

#[test]
fn prometheus_and_vmalert_send_alerts_here() -> Result<()> {
    let Some(prometheus) = Prometheus::installed() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), ROUTES)?;
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, RULES)?;
    let config = format!(
        "global: {{evaluation_interval: 1s, external_labels: {{site: lab}}}}\nrule_files: [{}]\n\
         alerting: {{alertmanagers: [{{path_prefix: /alertmanager, static_configs: [{{targets: ['{}']}}]}}]}}\n",
        rules.display(),
        modelwatch.address
    );
    let peer = Prometheus::start(&prometheus, folder.path(), &config)?;
    // Prometheus may look for Alertmanagers after its first alerts, and tells them again after a minute.
    let patience = PATIENCE.max(std::time::Duration::from_secs(90));
    let found =
        wait::until("the alert of Prometheus", patience, || incident(&modelwatch, "Always"))?;
    let labels = &found["common_labels"];
    ensure!(labels["site"] == "lab" && found["route"] == "grave-qwen", "{found}");
    ensure!(found["annotations"]["summary"] == "it is 42", "{found}");
    ensure!(found["channels"] == json!(["pager"]), "{found}");
    drop(peer);
    let Some(vmalert) = installed("vmalert") else { return Ok(()) };
    let source = Prometheus::start(&prometheus, folder.path(), "{}")?;
    let address = format!("127.0.0.1:{}", engine::free_port()?);
    let mut command = process::command(vmalert);
    command
        .arg(format!("-rule={}", rules.display()))
        .arg(format!("-datasource.url=http://{}", source.address))
        .arg(format!("-notifier.url=http://{}", modelwatch.address))
        .arg(format!("-httpListenAddr={address}"))
        .arg("-evaluationInterval=1s");
    let _vmalert = start(&mut command, folder.path(), &address, "/health")?;
    wait::until("the alert of vmalert", PATIENCE, || {
        // It names a label twice.
        let found = modelwatch.json("/api/v2/alerts?filter=alertgroup%3D%22always%22")?;
        ensure!(found[0]["labels"]["alertname"] == "Always", "{found}");
        Ok(())
    })
}

#[test]
fn what_rules_find_goes_on_to_a_real_alertmanager() -> Result<()> {
    let Some(program) = installed("prometheus-alertmanager") else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let address = format!("127.0.0.1:{}", engine::free_port()?);
    let config = folder.path().join("alertmanager.yml");
    fs::write(&config, "route: {receiver: none}\nreceivers: [{name: none}]\n")?;
    let mut command = process::command(program);
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", folder.path().join("am").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--cluster.listen-address=");
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, RULES)?;
    let more = format!(
        "[collect]\ndiscover = false\n[alerts]\nbuiltin = false\nevaluation_interval = \"1s\"\nrule_files = [\"{}\"]\n\
         [[alertmanager]]\nurl = \"http://{address}\"\n",
        rules.display()
    );
    // It is not there yet when the first alerts come.
    let modelwatch = Modelwatch::start(folder.path(), &more)?;
    let state = |expected: &str| {
        let found = modelwatch.json("/api/mw/v1/routes")?;
        ensure!(found["alertmanagers"][0]["state"] == expected, "{found}");
        Ok(found["alertmanagers"][0].clone())
    };
    wait::until("a failure", PATIENCE, || state("failing"))?;
    let _alertmanager = start(&mut command, folder.path(), &address, "/-/ready")?;
    wait::until("the alert at Alertmanager", PATIENCE, || {
        let found = http::get(&address, "/api/v2/alerts")?.json()?;
        ensure!(found[0]["labels"]["alertname"] == "Always", "{found}");
        ensure!(found[0]["annotations"]["summary"] == "it is 42", "{found}");
        ensure!(
            found[0]["fingerprint"] == incident(&modelwatch, "Always")?["alerts"][0]["fingerprint"]
        );
        Ok(())
    })?;
    ensure!(wait::until("success", PATIENCE, || state("ok"))?["sent"].as_u64() > Some(0));
    let active = modelwatch.json("/api/v1/alertmanagers")?;
    let url = format!("http://{address}/api/v2/alerts");
    ensure!(active["data"]["activeAlertmanagers"][0]["url"] == url, "{active}");
    let codes = modelwatch.events(&format!("http://{address}"))?;
    ensure!(codes == ["event.alertmanager_back", "event.alertmanager_lost"], "{codes:?}");
    Ok(())
}

#[test]
fn what_people_did_survives_a_kill() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut modelwatch = Modelwatch::start(folder.path(), ROUTES)?;
    let alerts: Vec<Value> = (0..200)
        .map(|at| json!({ "labels": { "alertname": "Slow", "instance": format!("i{at}"), "severity": "critical" } }))
        .collect();
    post(&modelwatch, "/api/v2/alerts", &json!(alerts))?;
    let found = wait::until("the incident", PATIENCE, || incident(&modelwatch, "Slow"))?;
    ensure!(found["alerts_total"] == 200 && found["state"] == "firing", "{found}");
    let id = found["id"].as_str().context("no id")?.to_owned();
    let of = |deed: &str| format!("/api/mw/v1/incidents/{id}/{deed}");
    post(&modelwatch, &of("acknowledge"), &json!({ "author": "李" }))?;
    post(&modelwatch, &of("assign"), &json!({ "author": "li", "assignee": "wang" }))?;
    post(&modelwatch, &of("note"), &json!({ "text": "new driver" }))?;
    let now = e2e::remote_write::recent_ms()?;
    let window = json!({ "name": "w", "matchers": ["a=\"b\""], "start": now, "end": now + 3_600_000, "repeat": "weekly", "zone": "Asia/Shanghai" });
    post(&modelwatch, "/api/mw/v1/maintenance", &window)?;
    let silence = json!({ "matchers": [{ "name": "a", "value": "b", "isRegex": false }], "createdBy": "li", "comment": "c",
        "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z" });
    let silence = post(&modelwatch, "/api/v2/silences", &silence)?["silenceID"].clone();
    let before = modelwatch.json(&format!("/api/mw/v1/incidents/{id}"))?;
    modelwatch.kill()?;

    let modelwatch = Modelwatch::start(folder.path(), ROUTES)?;
    let after = modelwatch.json(&format!("/api/mw/v1/incidents/{id}"))?;
    for member in [
        "state",
        "started",
        "acknowledged_by",
        "assignee",
        "notes",
        "alerts_total",
        "group_labels",
        "timeline",
    ] {
        ensure!(before[member] == after[member], "{member}: {} {}", before[member], after[member]);
    }
    ensure!(
        after["acknowledged_by"] == "李" && after["notes"][0]["author"] == "127.0.0.1",
        "{after}"
    );
    ensure!(modelwatch.json("/api/mw/v1/maintenance")?["windows"][0]["zone"] == "Asia/Shanghai");
    ensure!(modelwatch.json("/api/v2/silences")?[0]["id"] == silence);
    // It fires on, and nobody is told of another incident.
    post(&modelwatch, "/api/v2/alerts", &json!(alerts))?;
    let all = modelwatch.json("/api/mw/v1/incidents?state=all")?;
    ensure!(all["incidents"].as_array().is_some_and(|all| all.len() == 1), "{all}");
    let resolved = post(&modelwatch, &of("resolve"), &json!({}))?;
    ensure!(resolved["state"] == "resolved", "{resolved}");
    let refused = http::post_json(&modelwatch.address, &of("acknowledge"), &json!({}))?;
    ensure!(refused.status == 400 && refused.json()?["code"] == "refused.incident_over");
    let history = modelwatch.json("/api/mw/v1/incidents/history")?;
    ensure!(history["lanes"][0]["spans"][1][2] == "acknowledged", "{history}");
    let document = modelwatch.json("/api/mw/openapi.json")?;
    for (path, found) in [
        ("/api/mw/v1/incidents/{id}", &after),
        ("/api/mw/v1/incidents/history", &history),
        ("/api/mw/v1/incidents", &all),
    ] {
        let schema = &document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
            ["schema"];
        e2e::shape::expect_schema(&document, schema, found).with_context(|| path)?;
    }
    Ok(())
}
