//! The generator against a stand-in whose timing is known.

use std::{sync::Arc, time::Duration};

use hyper::HeaderMap;
use model::{Clock, message::Language};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use self::mock::{Mock, Script};
use super::*;
use crate::{
    Lengths,
    client::{Endpoint, set_key},
};

mod mock;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn plan(load: Load, requests: u64) -> Plan {
    let lengths = |text: &str| Lengths::parse("x", text).unwrap();
    Plan {
        ask: Ask {
            api: Api::Chat,
            model: "m".into(),
            is_streaming: true,
            ignore_eos: false,
            extra: Map::new(),
        },
        prompts: Prompts {
            lengths: lengths("4-9"),
            file: None,
            output: lengths("5-8"),
            prefix_tokens: 0,
            prefixes: 1,
            seed: 42,
        },
        loads: vec![load],
        requests,
        duration: None,
        warmup: 0,
        timeout: Duration::from_secs(60),
        slo: Slo::default(),
    }
}

fn closed(concurrency: u32) -> Load {
    Load::Closed { concurrency }
}

fn open(rate: f64, in_flight_max: u32) -> Load {
    Load::Open { rate, arrival: Arrival::Constant, in_flight_max }
}

fn tokens(count: usize, first: u64, gap: u64) -> Script {
    Script::Tokens { count, first: MS(first), gap: MS(gap), has_usage: true }
}

fn client(url: &str, clock: &Clock) -> Arc<Client> {
    let mut headers = HeaderMap::new();
    set_key(&mut headers, "k").unwrap();
    let endpoint = Endpoint::parse(url).unwrap();
    Arc::new(Client::new(endpoint, headers, None, clock.clone()).unwrap())
}

async fn measure(plan: Plan, url: &str, clock: &Clock) -> Vec<Measured> {
    plan.check().unwrap();
    let (_stop, stopped) = watch::channel(false);
    run(Arc::new(plan), client(url, clock), clock.clone(), stopped, Arc::default()).await
}

async fn measure_one(plan: Plan, url: &str, clock: &Clock) -> Measured {
    let mut measured = measure(plan, url, clock).await;
    assert_eq!(measured.len(), 1);
    measured.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_those_of_the_engine() {
    let clock = Clock::system();
    // Every request is slower than the one before.
    let mock = Mock::start(&clock, |number| tokens(4, 10 + 5 * number as u64, 10)).await;
    let mut plan = plan(closed(2), 20);
    plan.warmup = 3;
    let measured = measure_one(plan, &mock.url, &clock).await;
    let report = &measured.report;
    let seen = mock.seen().split_off(3);
    assert_eq!((report.sent, report.ok, seen.len()), (20, 20, 20));
    // The client cannot see anything before it was written, nor have asked after it was received.
    let at_least = |name: &str, found: Option<Quantiles>, of: &dyn Fn(&mock::Seen) -> Duration| {
        let (found, least) = (found.unwrap(), Quantiles::of(seen.iter().map(of)).unwrap());
        for (found, least) in [
            (found.min, least.min),
            (found.p50, least.p50),
            (found.p90, least.p90),
            (found.p99, least.p99),
            (found.max, least.max),
        ] {
            assert!(least <= found && found < least + MS(2_000), "{name}: {found:?} {least:?}");
        }
    };
    at_least("ttft", report.ttft, &|seen| seen.sent[0] - seen.received);
    at_least("e2e", report.e2e, &|seen| seen.sent[3] - seen.received);
    assert_eq!(report.ttft, report.ttfa);
    assert_eq!(report.itl.unwrap().count, 20 * 3);
    for record in &measured.records {
        let pace = (record.e2e.unwrap() - record.ttft.unwrap()) / 3;
        assert!(record.tpot.unwrap().abs_diff(pace) < Duration::from_micros(1));
        assert!(record.start + record.e2e.unwrap() <= report.wall);
    }
    assert_eq!(report.output, TokenSum { tokens: 80, exact: 20, estimated: 0 });
    assert_eq!(report.input, TokenSum { tokens: 140, exact: 20, estimated: 0 });
    let rate = report.requests_per_second.unwrap();
    assert!((rate - 20.0 / report.wall.as_secs_f64()).abs() < 1e-6);
    assert!(report.lag.is_none() && report.own_lag.unwrap().count == 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_loop_charges_a_stall_to_those_that_had_to_wait() {
    let clock = Clock::system();
    let script = |number| if number == 20 { Script::Stall(MS(400)) } else { tokens(1, 0, 0) };
    // A request every 10 ms, one at a time: some 40 are due while the engine stalls.
    let mock = Mock::start(&clock, script).await;
    let measured = measure_one(plan(open(100.0, 1), 100), &mock.url, &clock).await;
    let late = |time: fn(&Record) -> Duration| {
        measured.records.iter().filter(|record| time(record) >= MS(100)).count()
    };
    assert!(late(|record| record.e2e.unwrap()) >= 28);
    assert!(late(|record| record.ttft.unwrap()) >= 28);
    assert!(late(|record| record.lag) >= 27);
    let (ttft, lag) = (measured.report.ttft.unwrap(), measured.report.lag.unwrap());
    assert!(ttft.p99 >= MS(300) && ttft.p90 >= MS(150), "{ttft:?}");
    assert!(lag.p99 >= MS(300), "{lag:?}");
    // That was the engine, not the generator: it sent every request as soon as it could.
    let own = measured.report.own_lag.unwrap();
    assert!(own.p50 < lag.p90, "{own:?} {lag:?}");

    // A closed loop waits with the engine, and the stall is that of one request.
    let mock = Mock::start(&clock, script).await;
    let measured = measure_one(plan(closed(1), 100), &mock.url, &clock).await;
    let e2e = measured.report.e2e.unwrap();
    assert!(e2e.max >= MS(400) && e2e.p90 < e2e.max, "{e2e:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn arrivals_are_as_many_as_the_rate_says() {
    let clock = Clock::system();
    let mock = Mock::start(&clock, |_| tokens(2, 1, 1)).await;
    let mut constant = plan(open(50.0, 64), 1_000);
    constant.duration = Some(MS(200));
    let measured = measure_one(constant, &mock.url, &clock).await;
    let mut starts: Vec<Duration> = measured.records.iter().map(|record| record.start).collect();
    starts.sort_unstable();
    assert_eq!(starts, (0..10).map(|place| MS(20 * place)).collect::<Vec<_>>());

    let arrival = Arrival::Poisson;
    let poisson = plan(Load::Open { rate: 1_000.0, arrival, in_flight_max: 64 }, 400);
    let measured = measure_one(poisson, &mock.url, &clock).await;
    let last = measured.records.iter().map(|record| record.start).max().unwrap();
    // 400 pauses of 1 ms in the mean; the standard deviation of their sum is 20 ms.
    assert!(last > MS(300) && last < MS(500), "{last:?}");
    assert_eq!(measured.report.ok, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_apart() {
    let clock = Clock::system();
    let check = async |script: Script, kind: &str, reason: &str| {
        let mock = Mock::start(&clock, move |_| script.clone()).await;
        let mut plan = plan(closed(1), 2);
        plan.timeout = if kind == "timeout" { MS(50) } else { Duration::from_secs(60) };
        let report = measure_one(plan, &mock.url, &clock).await.report;
        assert_eq!((report.ok, report.sent), (0, 2), "{kind}");
        let [failures] = &report.failures[..] else { panic!("{:?}", report.failures) };
        assert_eq!((failures.kind.as_str(), failures.count), (kind, 2));
        assert!(failures.reason.contains(reason), "{failures:?}");
        assert_eq!((report.ttft, report.e2e, report.output.mean()), (None, None, None));
    };
    let busy = r#"{"error":{"message":"too busy","type":"x","code":429}}"#;
    check(Script::Whole { status: 429, body: busy }, "http_429", "too busy").await;
    check(Script::Whole { status: 502, body: "<html>" }, "http_502", "").await;
    let failed = "data: {\"error\":{\"message\":\"core died\",\"code\":500}}\n\ndata: [DONE]\n\n";
    check(Script::Stream(failed), "error", "core died").await;
    let half = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    check(Script::Stream(half), "truncated", "").await;
    let empty = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
                 data: [DONE]\n\n";
    check(Script::Stream(empty), "empty", "").await;
    check(Script::Cut, "broken", "").await;
    check(Script::Close, "broken", "").await;
    check(Script::Silence, "timeout", "").await;

    // A port that was just free; nobody listens.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let report = measure_one(plan(closed(1), 2), &url, &clock).await.report;
    assert_eq!((report.failures[0].kind.as_str(), report.failures[0].count), ("connect", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_closed_is_replaced() {
    let clock = Clock::system();
    // The second request finds a connection that ends in that moment.
    let script = |number| if number == 1 { Script::Close } else { tokens(1, 0, 0) };
    let mock = Mock::start(&clock, script).await;
    let report = measure_one(plan(closed(1), 3), &mock.url, &clock).await.report;
    assert_eq!((report.ok, report.sent_again, mock.seen().len()), (3, 1, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_streamed_has_no_ttft() {
    let clock = Clock::system();
    let body = r#"{"choices":[{"index":0,"text":"a b","finish_reason":"stop"}],
        "usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
    let mock = Mock::start(&clock, |_| Script::Whole { status: 200, body }).await;
    let mut plan = plan(closed(1), 2);
    (plan.ask.is_streaming, plan.ask.api) = (false, Api::Completions);
    plan.ask.ignore_eos = true;
    plan.ask.extra.insert("temperature".into(), json!(0));
    let report = measure_one(plan, &mock.url, &clock).await.report;
    assert_eq!((report.ok, report.ttft, report.tpot, report.itl), (2, None, None, None));
    assert!(report.e2e.is_some());
    assert_eq!(report.output, TokenSum { tokens: 4, exact: 2, estimated: 0 });
    let seen = &mock.seen()[0];
    assert!(seen.head.starts_with("POST /v1/completions HTTP/1.1\r\n"));
    assert!(seen.head.contains("authorization: Bearer k\r\n"), "{}", seen.head);
    let limit = seen.body["max_tokens"].as_u64().unwrap();
    let prompt = seen.body["prompt"].as_str().unwrap();
    assert!((5..=8).contains(&limit) && (4..=9).contains(&prompt.split(' ').count()));
    let expected = json!({"model": "m", "prompt": prompt, "max_tokens": limit, "stream": false,
        "ignore_eos": true, "temperature": 0});
    assert_eq!(seen.body, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_nobody_tells_are_estimated() {
    let clock = Clock::system();
    let script = Script::Tokens { count: 3, first: MS(0), gap: MS(0), has_usage: false };
    let mock = Mock::start(&clock, move |_| script.clone()).await;
    let report = measure_one(plan(closed(1), 2), &mock.url, &clock).await.report;
    assert_eq!(report.output, TokenSum { tokens: 6, exact: 0, estimated: 2 });
    assert_eq!((report.input.mean(), report.input_per_second), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_tells_what_it_has() {
    let clock = Clock::system();
    let script = |number| if number < 5 { tokens(1, 0, 0) } else { Script::Silence };
    for load in [closed(3), open(1_000.0, 3)] {
        let mock = Mock::start(&clock, script).await;
        let (stop, stopped) = watch::channel(false);
        let progress = Arc::new(Progress::default());
        let client = client(&mock.url, &clock);
        let mut plan = plan(load, 100);
        plan.loads.push(closed(1));
        let running = tokio::spawn(run(
            Arc::new(plan),
            client,
            clock.clone(),
            stopped,
            Arc::clone(&progress),
        ));
        while progress.done().0 < 5 || mock.seen().len() < 8 {
            tokio::task::yield_now().await;
        }
        stop.send(true).unwrap();
        let measured = running.await.unwrap();
        let [one] = &measured[..] else { panic!("{}", measured.len()) };
        let report = &one.report;
        assert_eq!((report.ok, report.cut_short, report.failures.len()), (5, 3, 0), "{load:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_with_one_seed_ask_the_same_and_loads_ask_different_things() {
    let clock = Clock::system();
    let mut asked = Vec::new();
    for concurrency in [1, 4] {
        let mock = Mock::start(&clock, |_| tokens(1, 0, 0)).await;
        let mut plan = plan(closed(concurrency), 6);
        plan.loads.push(closed(2));
        plan.warmup = 1;
        let measured = measure(plan, &mock.url, &clock).await;
        assert_eq!(measured.len(), 2);
        let mut bodies: Vec<String> =
            mock.seen().iter().map(|seen| seen.body.to_string()).collect();
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), 14);
        asked.push(bodies);
    }
    assert_eq!(asked[0], asked[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_json_and_drawings() {
    let clock = Clock::system();
    let mock = Mock::start(&clock, |_| tokens(3, 5, 2)).await;
    let mut plan = plan(closed(1), 4);
    plan.slo.ttft = Some(MS(60_000));
    let one = measure(plan.clone(), &mock.url, &clock).await;
    plan.loads = vec![closed(1), closed(2)];
    let two = measure(plan.clone(), &mock.url, &clock).await;
    let about: Map<String, Value> = [("url".to_owned(), json!("u"))].into_iter().collect();
    let mut written = Vec::new();
    write_json(&plan, &two, about, &mut written).unwrap();
    let document: Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(document["url"], "u");
    assert_eq!(document["plan"]["seed"], 42);
    assert_eq!(document["loads"][1]["load"]["concurrency"], 2);
    assert_eq!(document["loads"][1]["requests"].as_array().unwrap().len(), 4);
    assert_eq!(document["loads"][0]["goodput"]["requests"], 4);
    assert_eq!(document["loads"][0]["lag_seconds"], Value::Null);
    let first = &document["loads"][0]["requests"][0];
    assert!(first["ttft_seconds"].as_f64().unwrap() >= 0.005, "{first}");
    for (measured, lines, titles) in [(&one, 2, ["TTFT", "ITL"]), (&two, 4, ["TTFT", "TPOT"])] {
        let drawn = svg(measured, "t", Language::English);
        assert_eq!(drawn.matches("<polyline").count(), lines);
        assert!(titles.iter().all(|title| drawn.contains(&format!(">{title}</text>"))));
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_listed() {
    let clock = Clock::system();
    let mock = Mock::start(&clock, |_| Script::Close).await;
    let models = client(&format!("{}/v1", mock.url), &clock).models().await.unwrap();
    assert_eq!(models, ["m", "n"]);
    let wrong = client(&format!("{}/x", mock.url), &clock).models().await.unwrap_err();
    assert_eq!(wrong.code, "bench.no_models");
}

#[test]
fn what_is_beyond_the_bounds_is_refused() {
    let check = |change: &dyn Fn(&mut Plan), is_refused: bool| {
        let mut plan = plan(closed(1), 10);
        change(&mut plan);
        assert_eq!(plan.check().is_err(), is_refused, "{plan:?}");
    };
    check(&|_| {}, false);
    check(&|plan| plan.requests = 0, true);
    check(&|plan| plan.requests = REQUESTS_MAX, false);
    check(&|plan| plan.requests = u64::MAX, true);
    check(&|plan| plan.warmup = REQUESTS_MAX, true);
    check(&|plan| plan.loads = Vec::new(), true);
    check(&|plan| plan.loads = vec![closed(1); LOADS_MAX + 1], true);
    check(&|plan| plan.loads = vec![closed(CONCURRENCY_MAX)], false);
    check(&|plan| plan.loads = vec![closed(CONCURRENCY_MAX + 1)], true);
    check(&|plan| plan.loads = vec![closed(0)], true);
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, RATE_MAX + 1.0] {
        check(&|plan| plan.loads = vec![open(rate, 1)], true);
    }
    check(&|plan| plan.loads = vec![open(RATE_MAX, CONCURRENCY_MAX)], false);
    check(&|plan| plan.timeout = Duration::ZERO, true);
    check(&|plan| plan.duration = Some(DURATION_MAX + MS(1)), true);
}

mod tls {
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{
            ServerConfig,
            crypto::ring,
            pki_types::{CertificateDer, PrivateKeyDer},
        },
    };

    use super::*;

    /// Made with openssl for tests: for `localhost` and 127.0.0.1, signed by itself, expires in 2126.
    const CERTIFICATE: &[u8] = include_bytes!("../../fixtures/cert.der");
    const KEY: &[u8] = include_bytes!("../../fixtures/key.der");
    const PEM: &str = include_str!("../../fixtures/cert.pem");

    #[tokio::test(flavor = "multi_thread")]
    async fn only_a_trusted_endpoint_is_asked() {
        let clock = Clock::system();
        let mock = Mock::start(&clock, |_| tokens(1, 0, 0)).await;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(CERTIFICATE)],
                PrivateKeyDer::try_from(KEY).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let serving = mock.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serving, acceptor) = (serving.clone(), acceptor.clone());
                tokio::spawn(
                    async move { serving.serve(acceptor.accept(stream).await.ok()?).await },
                );
            }
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), PEM).unwrap();
        let endpoint = || Endpoint::parse(&url).unwrap();
        let trusting = Client::new(endpoint(), HeaderMap::new(), Some(file.path()), clock.clone());
        assert_eq!(trusting.unwrap().models().await.unwrap(), ["m", "n"]);
        // A system without a bundle cannot get so far.
        if let Ok(wary) = Client::new(endpoint(), HeaderMap::new(), None, clock.clone()) {
            assert_eq!(wary.models().await.unwrap_err().code, "bench.no_models");
        }
        std::fs::write(file.path(), "nothing").unwrap();
        let empty = Client::new(endpoint(), HeaderMap::new(), Some(file.path()), clock);
        assert_eq!(empty.err().unwrap().code, "bench.no_certificate");
    }
}
