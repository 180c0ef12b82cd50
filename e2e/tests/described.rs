//! Our own API is as it describes itself, and answers what charts and the drawer of a moment ask.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::{
    Hostile, Modelwatch, PATIENCE, command, encode,
    remote_write::{Protocol, Sent, message_v1, recent_ms},
    run_to_end, serve_hostile,
    shape::expect_schema,
};
use serde_json::{Value, json};
use xtask::{
    engine,
    http::{self, Request},
    wait,
};

use crate::alarms::Hook;

/// A channel whose letters all fail: its address is private, which it may not connect to.
const REFUSED_CHANNEL: &str = "[[channel]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n[[route]]\nname = \"default\"\n";

/// A modelwatch with a gateway in front of a stand-in that answers nonsense, with a key and the record of a request.
fn start(folder: &Path) -> Result<(Modelwatch, String)> {
    let (gateway, nonsense) = (engine::free_port()?, serve_hostile(Hostile::Nonsense)?);
    let more = format!(
        "{REFUSED_CHANNEL}[collect]\ndiscover = false\n[gateway]\nlisten = \"127.0.0.1:{gateway}\"\nkeep_bodies = true\n\
         [[gateway.upstream]]\nname = \"nonsense\"\nurl = \"http://{nonsense}\"\n"
    );
    let modelwatch = Modelwatch::start(folder, &more)?;
    let config = folder.join("modelwatch.toml");
    let words =
        ["key".as_ref(), "create".as_ref(), "a".as_ref(), "--config".as_ref(), config.as_os_str()];
    let made = run_to_end(&mut command(&folder.join("data"), &words))?;
    ensure!(made.code == Some(0), "{made:?}");
    let body = br#"{"model":"m","messages":[{"role":"user","content":"Hello"}]}"#;
    let headers = &[("Content-Type", "application/json")];
    let (method, path) = ("POST", "/v1/chat/completions");
    let request = Request { method, path, headers, body, timeout: PATIENCE };
    http::send(&format!("127.0.0.1:{gateway}"), &request)?;
    let id = wait::until("the record", PATIENCE, || {
        let found = modelwatch.json("/api/mw/v1/requests")?;
        let id = found["requests"][0]["id"].as_str().map(str::to_owned);
        id.with_context(|| found.to_string())
    })?;
    Ok((modelwatch, id))
}

/// One of each thing that lists are of: a window, an objective, a schedule, a report, and an alert that a channel
/// refuses for good. Answers the id of its incident.
fn fill(modelwatch: &Modelwatch, document: &Value) -> Result<String> {
    let post = |path: &str, body: Value| posted(modelwatch, document, path, &[], &body);
    let now = recent_ms()?;
    let window = json!({ "name": "w", "matchers": ["a=\"b\""], "start": now, "end": now + 3_600_000, "repeat": "weekly" });
    let made = post("/api/mw/v1/maintenance", window)?;
    ensure!(made["windows"][0]["name"] == "w", "{made}");
    let refused = post("/api/mw/v1/maintenance", json!({ "name": "w", "matchers": [] }))?;
    ensure!(refused["code"].is_string(), "{refused}");
    let made = post("/api/mw/v1/objectives", json!({ "model": "*", "ttft_seconds": 1.0 }))?;
    ensure!(made["objectives"][0]["model"] == "*", "{made}");
    let schedule = json!({ "name": "s", "every": "weekly", "formats": ["html", "csv"] });
    let made = post("/api/mw/v1/reports/schedules", schedule)?;
    ensure!(made["schedules"][0]["name"] == "s", "{made}");
    let refused = post("/api/mw/v1/reports/schedules", json!({ "name": "s", "every": "hourly" }))?;
    ensure!(refused["code"].is_string(), "{refused}");
    let order = json!({ "start": now - 3_600_000, "end": now, "formats": ["html"] });
    let made = post("/api/mw/v1/reports", order)?;
    ensure!(made["id"].is_string(), "{made}");
    let alert = json!([{ "labels": { "alertname": "Slow", "severity": "critical" } }]);
    let answer = http::post_json(&modelwatch.address, "/api/v2/alerts", &alert)?;
    ensure!(answer.status == 200, "{}", answer.text());
    wait::until("the incident", PATIENCE, || {
        let found = modelwatch.json("/api/mw/v1/incidents")?;
        let mut all = found["incidents"].as_array().into_iter().flatten();
        let slow = all.find(|incident| incident["name"] == "Slow");
        Ok(slow.and_then(|slow| slow["id"].as_str()).with_context(|| found.to_string())?.to_owned())
    })
}

/// Writes an hour and more of an engine: a full KV cache at sample `spike` of 900, from which on it has preempted
/// requests. Tells when a sample is.
fn write_engine(modelwatch: &Modelwatch, spike: i64) -> Result<impl Fn(i64) -> i64> {
    let (now, period) = (recent_ms()?, 5_000);
    let at = move |index: i64| now - period * (900 - index);
    let samples = |value: &dyn Fn(i64) -> f64| -> Vec<(i64, f64)> {
        (0..900).map(|index| (at(index), value(index))).collect()
    };
    let usages = samples(&|index| if index == spike { 0.99 } else { 0.3 });
    let preempted = samples(&|index| if index > spike { 4.0 } else { 0.0 });
    let labels =
        |name| [("__name__", name), ("engine", "vllm"), ("instance", "a:1"), ("model", "q")];
    let (usage, preemptions) =
        (labels("llm_kv_cache_usage_ratio"), labels("llm_preemptions_total"));
    let sent = [
        Sent { labels: &usage, samples: &usages },
        Sent { labels: &preemptions, samples: &preempted },
    ];
    let response = modelwatch.write(Protocol::V1, &message_v1(&sent))?;
    ensure!(response.status == 204, "{}", response.text());
    Ok(at)
}

/// The form of a chart with a line, a fault and a warning.
fn chart_of(now: i64) -> String {
    format!(
        "query=llm_kv_cache_usage_ratio&query=sum(&query=time()&query=increase(llm_preemptions_total[1s])&start={}&end={now}&px=400",
        now - 30 * 86_400_000
    )
}

/// What is asked of a path, and what an answer that says enough to be compared has.
fn questions(path: &str, now: i64, spike: i64) -> Vec<(String, &'static [&'static str])> {
    match path {
        "/api/mw/v1/range" => vec![(
            chart_of(now),
            &[
                "/results/0/series/0/values/0",
                "/results/1/error/code",
                "/results/3/warnings/0/code",
            ],
        )],
        "/api/mw/v1/moment" => vec![
            (
                format!("at={spike}&around_ms=120000"),
                &[
                    "/verdicts/0/evidence/0",
                    "/deviating/0/labels",
                    "/requests/0/id",
                    "/events/0/code",
                ],
            ),
            (format!("at={now}&around_ms=5000"), &["/at"]),
        ],
        "/api/mw/v1/events" => vec![(String::new(), &["/events/0/code"])],
        // Of a line that is there, it is asked in a test of its own.
        "/api/mw/v1/channels/{name}/dead"
        | "/api/mw/v1/incidents/{id}"
        | "/api/mw/v1/logs/context"
        | "/api/mw/v1/reports/{id}" => Vec::new(),
        "/api/mw/v1/requests" => vec![(String::new(), &["/requests/0/id"])],
        "/api/mw/v1/channels" => vec![(String::new(), &["/channels/0/last_error/text"])],
        "/api/mw/v1/incidents" => {
            vec![(String::new(), &["/incidents/0/alerts/0", "/incidents/0/timeline/0"])]
        }
        "/api/mw/v1/incidents/history" => vec![(String::new(), &["/lanes/0/spans/0"])],
        "/api/mw/v1/maintenance" => vec![(String::new(), &["/windows/0"])],
        "/api/mw/v1/objectives" => vec![(String::new(), &["/objectives/0"])],
        "/api/mw/v1/reports" => vec![(String::new(), &["/reports/0/files/0"])],
        "/api/mw/v1/reports/schedules" => vec![(String::new(), &["/schedules/0"])],
        "/api/mw/v1/routes" => vec![(String::new(), &["/routes/0"])],
        "/api/mw/v1/rules" => vec![(String::new(), &["/groups/0/rules/0"])],
        "/api/mw/v1/requests/summary" => {
            vec![(String::new(), &["/rows/0"]), ("by=key".to_owned(), &["/rows/0"])]
        }
        _ => vec![(String::new(), &[])],
    }
}

/// Sends JSON to a path of the description, with `parts` in place of what it leaves open, and compares the answer with
/// what is described.
pub(crate) fn posted(
    modelwatch: &Modelwatch,
    document: &Value,
    path: &str,
    parts: &[(&str, &str)],
    body: &Value,
) -> Result<Value> {
    let filled =
        parts.iter().fold(path.to_owned(), |path, (part, value)| path.replace(part, value));
    let answer = http::post_json(&modelwatch.address, &filled, body)?;
    let found: Value = answer.json().with_context(|| filled.clone())?;
    let status = if answer.status == 200 { "200" } else { "default" };
    expect_described(document, &document["paths"][path]["post"], status, &found)
        .with_context(|| format!("{filled} {body}: {found}"))?;
    Ok(found)
}

/// Compares an answer with what the description says of a method and a status.
fn expect_described(
    document: &Value,
    operation: &Value,
    status: &str,
    found: &Value,
) -> Result<()> {
    let schema = &operation["responses"][status]["content"]["application/json"]["schema"];
    expect_schema(document, schema, found)
}

#[test]
fn answers_are_as_the_description_says() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (modelwatch, id) = start(folder.path())?;
    let spike = 890;
    let spike = write_engine(&modelwatch, spike)?(spike);
    // Reading bodies is an event, so that there is one; its endpoint comes last in the order of paths.
    modelwatch.json(&format!("/api/mw/v1/requests/{id}/bodies"))?;
    wait::until("the event", PATIENCE, || {
        let events = modelwatch.json("/api/mw/v1/events")?;
        ensure!(events["events"][0]["code"] == "event.bodies_read", "{events}");
        Ok(())
    })?;
    let document = modelwatch.json("/api/mw/openapi.json")?;
    fill(&modelwatch, &document)?;
    wait::until("a failure of the channel", PATIENCE, || {
        let channels = modelwatch.json("/api/mw/v1/channels")?;
        ensure!(channels["channels"][0]["last_error"].is_object(), "{channels}");
        Ok(())
    })?;
    let now = recent_ms()?;
    let mut refused = Vec::new();
    let paths = document["paths"].as_object().context("no paths")?;
    for (path, item) in paths {
        // Files and live sockets have tests of their own.
        if item["get"]["responses"]["200"]["content"]["application/json"].is_null() {
            continue;
        }
        for (question, needed) in questions(path, now, spike) {
            let asked = format!("{}?{question}", path.replace("{id}", &id));
            let found = modelwatch.json(&asked)?;
            expect_described(&document, &item["get"], "200", &found)
                .with_context(|| asked.clone())?;
            for needed in needed {
                ensure!(found.pointer(needed).is_some(), "{asked}: no {needed} in {found}");
            }
        }
        let wrong = match path.replace("{id}", "nothing").replace("{name}", "nothing") {
            path if path.contains("nothing") => path,
            path => format!("{path}?start=x&at=x"),
        };
        let answer = modelwatch.get(&wrong)?;
        if answer.status != 200 {
            refused.push(path.as_str());
            expect_described(&document, &item["get"], "default", &answer.json()?)
                .with_context(|| wrong.clone())?;
        }
    }
    for path in ["/api/mw/v1/moment", "/api/mw/v1/range", "/api/mw/v1/requests/{id}"] {
        ensure!(refused.contains(&path), "{path} refuses nothing: {refused:?}");
    }
    Ok(())
}

#[test]
fn what_can_be_posted_answers_as_it_is_described() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "[collect]\ndiscover = false\n")?;
    drop(write_engine(&modelwatch, 700)?);
    let document = modelwatch.json("/api/mw/openapi.json")?;
    let paths = document["paths"].as_object().context("no paths")?;
    let posted: Vec<&String> =
        paths.iter().filter(|(_, item)| item["post"].is_object()).map(|(path, _)| path).collect();
    // The others have tests of their own.
    ensure!(
        posted
            == [
                "/api/mw/v1/channels/{name}/dead/{id}/retry",
                "/api/mw/v1/channels/{name}/test",
                "/api/mw/v1/incidents/{id}/acknowledge",
                "/api/mw/v1/incidents/{id}/assign",
                "/api/mw/v1/incidents/{id}/note",
                "/api/mw/v1/incidents/{id}/resolve",
                "/api/mw/v1/incidents/{id}/unacknowledge",
                "/api/mw/v1/logs/saved",
                "/api/mw/v1/maintenance",
                "/api/mw/v1/objectives",
                "/api/mw/v1/range",
                "/api/mw/v1/reports",
                "/api/mw/v1/reports/schedules",
                "/api/mw/v1/rules/change",
                "/api/mw/v1/rules/page",
                "/api/mw/v1/rules/preview",
            ],
        "{posted:?}: say here what else is to be asked"
    );
    let operation = &paths["/api/mw/v1/range"]["post"];
    let post = |form: &str| {
        let headers = &[("Content-Type", "application/x-www-form-urlencoded")];
        let (method, path, body) = ("POST", "/api/mw/v1/range", form.as_bytes());
        let request = Request { method, path, headers, body, timeout: PATIENCE };
        http::send(&modelwatch.address, &request)
    };
    let form = chart_of(recent_ms()?);
    let answer = post(&form)?;
    ensure!(answer.status == 200, "{}", answer.text());
    let found: Value = answer.json()?;
    expect_described(&document, operation, "200", &found)?;
    ensure!(found.pointer("/results/0/series/0/values/0").is_some(), "{found}");
    let same = modelwatch.json(&format!("/api/mw/v1/range?{form}"))?;
    ensure!(found["results"][1] == same["results"][1], "{found} {same}");
    let refused = post("query=up&start=2&end=1&px=400")?;
    ensure!(refused.status == 400, "{}: {}", refused.status, refused.text());
    let refused: Value = refused.json()?;
    ensure!(refused["code"] == "refused.backwards", "{refused}");
    expect_described(&document, operation, "default", &refused)
}

#[test]
fn what_people_do_to_incidents_and_letters_is_answered_as_it_is_described() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_hook, address) = Hook::listen_and_answer("400 Bad Request")?;
    let more = format!(
        "[collect]\ndiscover = false\n[alerts]\nbuiltin = false\n[[channel]]\nname = \"hook\"\n\
         kind = \"webhook\"\nurl = \"http://{address}/x\"\nallow_private_addresses = true\n\
         [[route]]\nname = \"default\"\n"
    );
    let modelwatch = Modelwatch::start(folder.path(), &more)?;
    let document = modelwatch.json("/api/mw/openapi.json")?;
    let id = fill(&modelwatch, &document)?;
    let deed = |deed: &str, body: Value| {
        let path = format!("/api/mw/v1/incidents/{{id}}/{deed}");
        posted(&modelwatch, &document, &path, &[("{id}", &id)], &body)
    };
    let found = deed("acknowledge", json!({ "author": "li" }))?;
    ensure!(found["state"] == "acknowledged" && found["acknowledged_by"] == "li", "{found}");
    let found = deed("unacknowledge", json!({ "author": "wang" }))?;
    ensure!(found["state"] == "firing" && found["acknowledged_by"].is_null(), "{found}");
    let found = deed("assign", json!({ "assignee": "wang" }))?;
    ensure!(found["assignee"] == "wang", "{found}");
    let found = deed("note", json!({ "text": "new driver", "author": "li" }))?;
    ensure!(found["notes"][0]["text"] == "new driver", "{found}");
    let found = deed("resolve", json!({}))?;
    ensure!(found["state"] == "resolved", "{found}");
    let refused = deed("unacknowledge", json!({}))?;
    ensure!(refused["code"] == "refused.incident_over", "{refused}");

    let channel = [("{name}", "hook")];
    let test = "/api/mw/v1/channels/{name}/test";
    let tried = posted(&modelwatch, &document, test, &channel, &json!({}))?;
    ensure!(tried["is_ok"] == false && tried["error"].is_string(), "{tried}");
    let refused = posted(&modelwatch, &document, test, &[("{name}", "none")], &json!({}))?;
    ensure!(refused["errorType"] == "not_found", "{refused}");
    let dead = wait::until("the dead letter", PATIENCE, || {
        let found = modelwatch.json("/api/mw/v1/channels/hook/dead")?;
        ensure!(found["dead"][0]["id"].is_string(), "{found}");
        Ok(found)
    })?;
    let get = &document["paths"]["/api/mw/v1/channels/{name}/dead"]["get"];
    expect_described(&document, get, "200", &dead)?;
    let letter = dead["dead"][0]["id"].as_str().context("no id")?;
    let retry = "/api/mw/v1/channels/{name}/dead/{id}/retry";
    let parts = [("{name}", "hook"), ("{id}", letter)];
    posted(&modelwatch, &document, retry, &parts, &json!({}))?;
    let refused = posted(&modelwatch, &document, retry, &[parts[0], ("{id}", "999")], &json!({}))?;
    ensure!(refused["errorType"] == "not_found", "{refused}");
    Ok(())
}

#[test]
fn a_chart_and_a_moment_of_what_was_written() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "[collect]\ndiscover = false\n")?;
    let at = write_engine(&modelwatch, 700)?;
    let now = at(900);

    let query = encode("llm_kv_cache_usage_ratio");
    let chart = format!("/api/mw/v1/range?query={query}&start={}&end={now}&px=20", at(0));
    let chart = modelwatch.json(&chart)?;
    let values = chart["results"][0]["series"][0]["values"].as_array().context("no values")?;
    let most = values.iter().filter_map(Value::as_f64).fold(0.0, f64::max);
    ensure!(most == 0.99 && values.len() <= 88, "{chart}");

    let moment = modelwatch.json(&format!("/api/mw/v1/moment?at={}", at(700)))?;
    ensure!(moment["verdicts"][0]["code"] == "cause.kv_preempted", "{moment}");
    ensure!(moment["verdicts"][0]["params"]["who"] == "q (a:1)", "{moment}");
    ensure!(moment["verdicts"][0]["evidence"][0]["usual"] == 0.3, "{moment}");
    let deviating = moment["deviating"].as_array().context("nothing deviates")?;
    let name = |deviation: &Value| deviation["labels"]["__name__"].clone();
    ensure!(deviating.iter().any(|it| name(it) == "llm_kv_cache_usage_ratio"), "{moment}");
    // What it says shows it can be asked for.
    for shown in
        deviating.iter().chain(moment["verdicts"][0]["evidence"].as_array().into_iter().flatten())
    {
        let query = shown["query"].as_str().context("no query")?;
        let time = at(700) / 1_000;
        modelwatch.json(&format!("/api/v1/query?query={}&time={time}", encode(query)))?;
    }
    Ok(())
}
