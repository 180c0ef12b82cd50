//! Endpoints that are no engines, or bad ones, and queries that nobody asks in good faith.

use anyhow::{Context, Result, ensure};
use e2e::{
    Hostile, Modelwatch, NOTICED, PATIENCE, encode,
    remote_write::{Protocol, Sent, message_v1, recent_ms},
    serve_hostile,
};
use xtask::{
    http::{self, Request},
    wait,
};

const MANNERS: [Hostile; 5] =
    [Hostile::Garbage, Hostile::Silent, Hostile::Gigabyte, Hostile::Drip, Hostile::Nonsense];

#[test]
fn hostile_endpoints_are_survived_and_reported() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut addresses = Vec::new();
    for manner in MANNERS {
        addresses.push((manner, serve_hostile(manner)?));
    }
    let engines: String = addresses
        .iter()
        .map(|(_, address)| format!("[[engine]]\nurl = \"http://{address}\"\nkind = \"vllm\"\n"))
        .collect();
    let mut modelwatch = Modelwatch::start(folder.path(), &engines)?;
    for (manner, address) in &addresses {
        wait::until(&format!("{manner:?} in the list"), NOTICED + NOTICED, || {
            let source = modelwatch.source(address)?;
            ensure!(source["state"] == "failing", "{manner:?}: {source}");
            let code = source["failure"]["code"].as_str().unwrap_or_default();
            ensure!(code.starts_with("failure."), "{manner:?}: {source}");
            ensure!(source["hint"]["code"] != serde_json::Value::Null, "{manner:?}: {source}");
            Ok(())
        })?;
    }
    // They are asked again and again; neither time nor memory runs away.
    let resident = "modelwatch_process_resident_bytes";
    let rounds = "count_over_time(modelwatch_process_resident_bytes[1m])";
    wait::until("three readings of our own size", PATIENCE, || {
        ensure!(modelwatch.value(rounds)? >= 3.0);
        Ok(())
    })?;
    let bytes = modelwatch.value(resident)?;
    ensure!(bytes < 300e6, "{bytes} bytes resident");
    // Real engines of other tests may be found as well.
    let peers: Vec<&str> = addresses.iter().map(|(_, address)| address.as_str()).collect();
    let up = format!("llm_engine_up{{instance=~\"{}\"}} == 1", peers.join("|"));
    ensure!(modelwatch.query(&up)?.is_empty(), "a hostile peer counts as up");
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    Ok(())
}

/// More memory than a modelwatch of these tests ever needs, with what hostile queries may take on top.
const RESIDENT_BYTES_MAX: f64 = 600e6;

/// Limits that a test reaches soon.
const LIMITS: &str = "[collect]\ndiscover = false\n[query]\ntimeout = \"2s\"\nsamples_max = 1000000\n\
                      result_bytes_max = \"1MiB\"\nconcurrency_max = 2\nwaiting_max = 4\n";

/// Queries that would take all of the processor, the memory or the stack if they could, as `query`, with what
/// may come of each.
fn hostile_queries() -> Vec<(String, &'static [u16])> {
    let nested = |open: &str, close: &str, count| open.repeat(count) + "1" + &close.repeat(count);
    let regex = |pattern: &str| format!("{{__name__=~\"{pattern}\"}}");
    vec![
        (nested("(", ")", 20_000), &[400]),
        (nested("abs(", ")", 10_000), &[400]),
        (nested("-", "", 60_000), &[400]),
        ("(".repeat(60_000), &[400]),
        (format!("1{}", "+1".repeat(30_000)), &[400]),
        ("a".repeat(200_000), &[400]),
        (regex("((a{1000}){1000}){1000}"), &[400]),
        (regex("(.*)*(.*)*(.*)*x"), &[200]),
        (regex("(a|aa)+$"), &[200]),
        ("sum_over_time(vector(1)[10y:1ms])".into(), &[422, 503]),
        ("max_over_time(sum_over_time(crowd[1d:1s])[1d:1s])".into(), &[200, 422, 503]),
        ("count_values(\"v\", sum_over_time(crowd[5m:1ms]))".into(), &[200, 422, 503]),
        ("crowd * on() group_left() crowd".into(), &[422]),
        ("topk(1e18, crowd)".into(), &[200]),
        ("quantile_over_time(0.5, crowd[10y])".into(), &[200]),
        (vec!["crowd"; 100].join(" or "), &[200, 422, 503]),
    ]
}

#[test]
fn hostile_queries_cost_little() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut modelwatch = Modelwatch::start(folder.path(), LIMITS)?;
    let time = recent_ms()?;
    let names: Vec<String> = (0..2_000).map(|index| format!("series {index}")).collect();
    let labels: Vec<_> =
        names.iter().map(|name| [("__name__", "crowd"), ("id", name.as_str())]).collect();
    let samples = [(time, 1.0)];
    let crowd = labels.iter().map(|labels| Sent { labels, samples: &samples });
    let response = modelwatch.write(Protocol::V1, &message_v1(&crowd.collect::<Vec<_>>()))?;
    ensure!(response.status == 204, "{}", response.text());
    let ask = |path: &str, body: &str| {
        let headers = &[("Content-Type", "application/x-www-form-urlencoded")];
        let body = body.as_bytes();
        let request = Request { method: "POST", path, headers, body, timeout: PATIENCE };
        http::send(&modelwatch.address, &request)
    };
    let end = time / 1_000;
    for (query, statuses) in hostile_queries() {
        let body = format!("query={}&time={end}", encode(&query));
        let response = ask("/api/v1/query", &body)?;
        let text = response.text();
        ensure!(
            statuses.contains(&response.status),
            "{query:.80}: {} {text:.300}",
            response.status
        );
        // Drawn as wide and as long as can be.
        let end_ms = end * 1_000;
        let start_ms = end_ms - 10 * 365 * 86_400_000;
        let body = format!(
            "query={}&start={start_ms}&end={end_ms}&px=4000&series_max=500",
            encode(&query)
        );
        let response = ask("/api/mw/v1/range", &body)?;
        let text = response.text();
        let is_known = [200, 422, 503].contains(&response.status);
        ensure!(is_known, "{query:.80}: {} {text:.300}", response.status);
        // Over a grid of the largest size.
        let body = format!("query={}&start={}&end={end}&step=1", encode(&query), end - 10_999);
        let response = ask("/api/v1/query_range", &body)?;
        let text = response.text();
        let is_known = [200, 400, 422, 503].contains(&response.status);
        ensure!(is_known, "{query:.80} over a range: {} {text:.300}", response.status);
    }
    let large = format!("query=crowd&start={}&end={}&step=1", end, end + 200);
    let response = ask("/api/v1/query_range", &large)?;
    ensure!(response.status == 422, "{} {:.300}", response.status, response.text());
    let error = response.json()?["error"].as_str().context("no error")?.to_owned();
    ensure!(error.contains("query.result_bytes_max"), "{error}");
    ensure!(ask("/api/v1/query", &"a=b&".repeat(1 << 19))?.status == 400, "a body of 2 MiB");

    wait::until("our own size", PATIENCE, || {
        modelwatch.value("modelwatch_process_resident_bytes").map(drop)
    })?;
    let bytes = modelwatch.value("max_over_time(modelwatch_process_resident_bytes[5m])")?;
    ensure!(bytes < RESIDENT_BYTES_MAX, "{bytes} bytes resident");
    ensure!(modelwatch.value("count(crowd)")? == 2_000.0, "what was stored is not there");
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    Ok(())
}
