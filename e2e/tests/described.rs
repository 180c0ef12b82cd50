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

#[test]
fn answers_are_as_the_description_says() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (modelwatch, id) = start(folder.path())?;
    // Reading bodies is an event, so that there is one; its endpoint comes last in the order of paths.
    modelwatch.json(&format!("/api/mw/v1/requests/{id}/bodies"))?;
    wait::until("the event", PATIENCE, || {
        let events = modelwatch.json("/api/mw/v1/events")?;
        ensure!(events["events"][0]["code"] == "event.bodies_read", "{events}");
        Ok(())
    })?;
    wait::until("some samples", PATIENCE, || modelwatch.value("node_load1"))?;
    let document = modelwatch.json("/api/mw/openapi.json")?;
    let now = recent_ms()?;
    let range = format!(
        "query=node_load1&query=sum(&query=time()&query=increase(node_load1[1s])&start={}&end={now}&px=400",
        now - 30 * 86_400_000
    );
    let paths = document["paths"].as_object().context("no paths")?;
    for (path, item) in paths {
        let questions = match path.as_str() {
            "/api/mw/v1/range" => vec![range.clone()],
            "/api/mw/v1/moment" => {
                vec![format!("at={now}"), format!("at={}&around_ms=5000", now - 1_000)]
            }
            "/api/mw/v1/requests/summary" => vec![String::new(), "by=key".to_owned()],
            _ => vec![String::new()],
        };
        for question in questions {
            let asked = format!("{}?{question}", path.replace("{id}", &id));
            let found = modelwatch.json(&asked)?;
            let schema = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
            expect_schema(&document, schema, &found).with_context(|| asked.clone())?;
        }
        let wrong = match path.replace("{id}", "nothing") {
            path if path.contains("nothing") => path,
            path => format!("{path}?start=x&at=x"),
        };
        let answer = modelwatch.get(&wrong)?;
        if answer.status != 200 {
            let schema =
                &item["get"]["responses"]["default"]["content"]["application/json"]["schema"];
            let found: Value = answer.json()?;
            expect_schema(&document, schema, &found).with_context(|| wrong.clone())?;
        }
    }
    Ok(())
}

#[test]
fn a_chart_and_a_moment_of_what_was_written() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "[collect]\ndiscover = false\n")?;
    let (now, period) = (recent_ms()?, 5_000);
    let at = |index: i64| now - period * (900 - index);
    let samples = |value: &dyn Fn(i64) -> f64| -> Vec<(i64, f64)> {
        (0..900).map(|index| (at(index), value(index))).collect()
    };
    let spike = samples(&|index| if index == 700 { 0.99 } else { 0.3 });
    let preempted = samples(&|index| if index > 700 { 4.0 } else { 0.0 });
    let labels =
        |name| [("__name__", name), ("engine", "vllm"), ("instance", "a:1"), ("model", "q")];
    let (usage, preemptions) =
        (labels("llm_kv_cache_usage_ratio"), labels("llm_preemptions_total"));
    let sent = [
        Sent { labels: &usage, samples: &spike },
        Sent { labels: &preemptions, samples: &preempted },
    ];
    let response = modelwatch.write(Protocol::V1, &message_v1(&sent))?;
    ensure!(response.status == 204, "{}", response.text());

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
