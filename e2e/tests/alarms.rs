//! From a sample that crosses a threshold to the notification: rule, incident, queue, channel; and what is left of it
//! when the process is killed. The receiver is a stand-in that takes everything.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, Result, ensure};
use e2e::{
    Modelwatch, PATIENCE,
    remote_write::{Protocol, Sent, message_v1, now_ms},
};
use serde_json::{Value, json};
use xtask::{http, wait};

use crate::described::posted;

const RULES: &str = r#"
groups:
- name: box
  interval: 1s
  rules:
  - alert: Cold
    expr: box_temperature < 10
    labels: {severity: critical}
    annotations:
      summary: "{{ $labels.box }} has {{ $value }} degrees"
      summary_zh: "{{ $labels.box }} 的温度为 {{ $value }} 度"
"#;

/// What came to a webhook.
#[derive(Clone, Default)]
pub(crate) struct Hook(Arc<Mutex<Vec<Value>>>);

impl Hook {
    /// Takes requests until this process ends. Answers its address.
    pub(crate) fn listen() -> Result<(Self, String)> {
        Self::listen_and_answer("200 OK")
    }

    /// The same, with another answer to all.
    pub(crate) fn listen_and_answer(status: &'static str) -> Result<(Self, String)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let hook = Self::default();
        let kept = hook.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // One that breaks off is none.
                drop(kept.take(stream, status));
            }
        });
        Ok((hook, address))
    }

    fn take(&self, mut stream: std::net::TcpStream, status: &str) -> Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(": ") else {
                // What is neither the request's line nor a header ends them.
                if line.trim().is_empty() { break } else { continue }
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(serde_json::from_slice(&body)?);
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes())?;
        Ok(())
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn wait_for(&self, count: usize) -> Result<Vec<Value>> {
        wait::until("a notification", PATIENCE, || {
            let bodies = self.bodies();
            ensure!(bodies.len() >= count, "{} came of {count}", bodies.len());
            Ok(bodies)
        })
    }
}

fn temperature(modelwatch: &Modelwatch, value: f64) -> Result<()> {
    let labels = [("__name__", "box_temperature"), ("box", "a")];
    let samples = [(now_ms()?, value)];
    let sent = [Sent { labels: &labels, samples: &samples }];
    let answer = modelwatch.write(Protocol::V1, &message_v1(&sent))?;
    ensure!(answer.status == 204, "{}", answer.text());
    Ok(())
}

#[test]
fn a_threshold_that_is_crossed_reaches_people_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, RULES)?;
    let (hook, address) = Hook::listen()?;
    let config = format!(
        "[collect]\ndiscover = false\n[alerts]\nbuiltin = false\nrule_files = [{:?}]\n\
         [[channel]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://{address}/x\"\n\
         allow_private_addresses = true\n[[route]]\nname = \"default\"\ngroup_interval = \"1s\"\n",
        rules.display().to_string()
    );
    let mut modelwatch = Modelwatch::start(folder.path(), &config)?;
    temperature(&modelwatch, 20.0)?;
    wait::until("a healthy rule", PATIENCE, || {
        let rules = modelwatch.json("/api/v1/rules")?;
        let rule = &rules["data"]["groups"][0]["rules"][0];
        ensure!(rule["health"] == "ok" && rule["state"] == "inactive", "{rules}");
        Ok(())
    })?;
    temperature(&modelwatch, 5.0)?;
    let crossed = now_ms()?;
    let first = hook.wait_for(1)?.swap_remove(0);
    xtask::say(&format!("from the sample to the notification: {} ms", now_ms()? - crossed));
    ensure!(first["version"] == "4" && first["status"] == "firing", "{first}");
    let alert = &first["alerts"][0];
    ensure!(alert["labels"]["alertname"] == "Cold", "{first}");
    ensure!(alert["annotations"]["summary"] == "a has 5 degrees", "{first}");

    let incidents = modelwatch.json("/api/mw/v1/incidents")?;
    let incident = &incidents["incidents"][0];
    ensure!(incident["state"] == "firing" && incident["name"] == "Cold", "{incidents}");
    let id = incident["id"].as_str().context("no id")?.to_owned();
    wait::until("the verdict", PATIENCE, || {
        let overview = modelwatch.json("/api/v1/overview")?;
        let verdict = &overview["verdict"];
        ensure!(verdict["code"] == "verdict.incident" && verdict["level"] == "crit", "{overview}");
        ensure!(verdict["params"]["id"] == id.as_str(), "{verdict}");
        ensure!(verdict["params"]["summary_zh"] == "a 的温度为 5 度", "{verdict}");
        Ok(())
    })?;
    let path = format!("/api/mw/v1/incidents/{id}/acknowledge");
    let answer = http::post_json(&modelwatch.address, &path, &json!({ "author": "li" }))?;
    ensure!(answer.status == 200, "{}", answer.text());
    wait::until("what became of it", PATIENCE, || {
        let incident = modelwatch.json(&format!("/api/mw/v1/incidents/{id}"))?;
        let timeline = incident["timeline"].to_string();
        ensure!(timeline.contains("incident.delivered"), "{timeline}");
        Ok(())
    })?;

    // It is killed: the alert goes on, and nobody is told of it again.
    modelwatch.kill()?;
    let modelwatch = Modelwatch::start(folder.path(), &config)?;
    temperature(&modelwatch, 5.0)?;
    wait::until("the rule firing", PATIENCE, || {
        let alerts = modelwatch.json("/api/v1/alerts")?;
        ensure!(alerts["data"]["alerts"][0]["state"] == "firing", "{alerts}");
        Ok(())
    })?;
    let again = modelwatch.json(&format!("/api/mw/v1/incidents/{id}"))?;
    ensure!(again["state"] == "acknowledged" && again["acknowledged_by"] == "li", "{again}");
    ensure!(again["started"] == incident["started"], "{again}");
    temperature(&modelwatch, 20.0)?;
    let bodies = hook.wait_for(2)?;
    ensure!(bodies.len() == 2, "{bodies:?}");
    ensure!(bodies[1]["status"] == "resolved", "{}", bodies[1]);
    ensure!(bodies[1]["alerts"][0]["startsAt"] == alert["startsAt"], "{}", bodies[1]);
    Ok(())
}

/// The rule of that name as `/api/v1/rules` tells of it.
fn rule(modelwatch: &Modelwatch, name: &str) -> Result<Value> {
    let rules = modelwatch.json("/api/v1/rules")?;
    let groups = rules["data"]["groups"].as_array().into_iter().flatten();
    let mut all = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
    let found = all.find(|rule| rule["name"] == name);
    found.cloned().with_context(|| format!("no {name} in {rules}"))
}

#[test]
fn files_of_rules_are_read_again_in_operation() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("rules.yml");
    fs::write(&path, RULES)?;
    let config = format!(
        "[collect]\ndiscover = false\n[alerts]\nbuiltin = false\nrule_files = [{:?}]\n",
        path.display().to_string()
    );
    let modelwatch = Modelwatch::start(folder.path(), &config)?;
    temperature(&modelwatch, 20.0)?;
    wait::until("the first rule", PATIENCE, || {
        let rule = rule(&modelwatch, "Cold")?;
        ensure!(rule["health"] == "ok", "{rule}");
        Ok(())
    })?;
    let more = format!("{RULES}  - alert: Hot\n    expr: box_temperature > 15\n");
    fs::write(&path, &more)?;
    wait::until("the rule that was added", PATIENCE, || {
        let rule = rule(&modelwatch, "Hot")?;
        ensure!(rule["state"] == "firing", "{rule}");
        Ok(())
    })?;
    fs::write(&path, format!("{more}  - alert: Broken\n    expr: box_temperature >\n"))?;
    let problems = wait::until("the problem", PATIENCE, || {
        let rules = modelwatch.json("/api/mw/v1/rules")?;
        ensure!(rules["problems"][0].is_object(), "{rules}");
        Ok(rules["problems"].clone())
    })?;
    ensure!(problems[0]["line"] == 15, "{problems}");
    // What the file said before still holds, and is evaluated on.
    let before = rule(&modelwatch, "Cold")?["lastEvaluation"].clone();
    temperature(&modelwatch, 5.0)?;
    wait::until("the rules of before", PATIENCE, || {
        let (cold, hot) = (rule(&modelwatch, "Cold")?, rule(&modelwatch, "Hot")?);
        ensure!(cold["lastEvaluation"] != before && cold["state"] == "firing", "{cold}");
        ensure!(hot["state"] == "inactive", "{hot}");
        Ok(())
    })?;
    ensure!(rule(&modelwatch, "Broken").is_err());
    fs::write(&path, RULES)?;
    wait::until("an end of the problem", PATIENCE, || {
        let rules = modelwatch.json("/api/mw/v1/rules")?;
        ensure!(rules["problems"] == json!([]) && rule(&modelwatch, "Hot").is_err(), "{rules}");
        Ok(())
    })
}

#[test]
fn rules_are_tried_written_changed_and_forgotten_over_the_api() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "[collect]\ndiscover = false\n")?;
    temperature(&modelwatch, 5.0)?;
    let document = modelwatch.json("/api/mw/openapi.json")?;
    let post = |path: &str, body: Value| posted(&modelwatch, &document, path, &[], &body);
    let yaml = "alert: Cold\nexpr: box_temperature < 10\nlabels: {severity: warning}\n";
    let preview = wait::until("the sample in a preview", PATIENCE, || {
        let end = now_ms()? + 60_000;
        let body = json!({ "yaml": yaml, "end": end, "start": end - 600_000 });
        let found = post("/api/mw/v1/rules/preview", body)?;
        ensure!(found["rules"][0]["fired"] == 1, "{found}");
        Ok(found)
    })?;
    ensure!(preview["rules"][0]["series"][0]["labels"]["box"] == "a", "{preview}");
    let broken = post("/api/mw/v1/rules/preview", json!({ "yaml": "alert: A\nexpr: up <\n" }))?;
    ensure!(broken["problems"][0]["line"] == 2, "{broken}");

    let rule = post("/api/mw/v1/rules/page", json!({ "yaml": yaml, "author": "li" }))?;
    let id = rule["id"].as_str().context("no id")?;
    ensure!(rule["thresholds"][0]["text"] == "< 10" && rule["yaml"] == yaml, "{rule}");
    let refused = post("/api/mw/v1/rules/page", json!({ "yaml": "alert: A\nexpr: up <\n" }))?;
    ensure!(refused["code"] == "refused.rule" && refused["params"]["line"] == "2", "{refused}");
    let change = json!({ "id": id, "thresholds": [3.5], "for_ms": 60_000, "author": "li" });
    let changed = post("/api/mw/v1/rules/change", change)?;
    ensure!(
        changed["query"] == "box_temperature < 3.5" && changed["for_ms"] == 60_000,
        "{changed}"
    );
    let refused = post("/api/mw/v1/rules/change", json!({ "id": id, "thresholds": [1.0, 2.0] }))?;
    ensure!(refused["code"] == "refused.thresholds", "{refused}");
    let objective = json!({ "model": "*", "ttft_seconds": 1.0, "author": "li" });
    let objectives = post("/api/mw/v1/objectives", objective)?;
    ensure!(objectives["objectives"][0]["ratio"] == 0.95, "{objectives}");
    let refused = post("/api/mw/v1/objectives", json!({ "model": "m", "ttft_seconds": -1.0 }))?;
    ensure!(refused["code"] == "refused.objective", "{refused}");

    let rules = modelwatch.json("/api/mw/v1/rules")?;
    let groups = rules["groups"].as_array().context("no groups")?;
    let builtin = groups.iter().filter(|group| group["origin"] == "builtin");
    let count: usize = builtin.filter_map(|group| Some(group["rules"].as_array()?.len())).sum();
    ensure!(count >= 70, "{count} built-in rules");
    for path in ["/api/mw/v1/rules/page?name=Cold", "/api/mw/v1/objectives?model=*"] {
        let (method, headers, body) = ("DELETE", &[][..], &[][..]);
        let request = http::Request { method, path, headers, body, timeout: PATIENCE };
        let answer = http::send(&modelwatch.address, &request)?;
        ensure!(answer.status == 200, "{path}: {}", answer.text());
    }
    let audited = modelwatch.json("/api/mw/v1/events?source=audit")?.to_string();
    for code in ["event.rule_written", "event.rule_changed", "event.objective_set"] {
        ensure!(audited.contains(code), "{code} is not in {audited}");
    }
    Ok(())
}
