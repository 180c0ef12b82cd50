//! Our own API is as it describes itself, and answers what charts and the drawer of a moment ask.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::{
    Hostile, Modelwatch, PATIENCE, command, encode,
    remote_write::{Protocol, Sent, message_v1, recent_ms},
    run_to_end, serve_hostile,
    shape::expect_schema,
};
use serde_json::Value;
use xtask::{
    engine,
    http::{self, Request},
    wait,
};

/// A modelwatch with a gateway in front of a stand-in that answers nonsense, with a key and the record of a request.
fn start(folder: &Path) -> Result<(Modelwatch, String)> {
    let (gateway, nonsense) = (engine::free_port()?, serve_hostile(Hostile::Nonsense)?);
    let more = format!(
        "[collect]\ndiscover = false\n[gateway]\nlisten = \"127.0.0.1:{gateway}\"\nkeep_bodies = true\n\
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
        "/api/mw/v1/requests/summary" => {
            vec![(String::new(), &["/rows/0"]), ("by=key".to_owned(), &["/rows/0"])]
        }
        _ => vec![(String::new(), &[])],
    }
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
