use axum::http::HeaderMap;

use super::*;

/// What is read from an answer, or what is said of it.
fn read_text(status: u16, text: &str) -> Result<Reply, String> {
    let status = StatusCode::from_u16(status).unwrap();
    let answer = Answer { status, headers: HeaderMap::new(), text: text.into() };
    read(answer, "http://x", Language::English).map_err(|failure| match failure {
        Failure::Wrong(error) => format!("wrong: {error:#}"),
        Failure::Failed(error) => format!("failed: {error:#}"),
    })
}

#[test]
fn requests() {
    let check = |when, wants_stats, path: &str, form: &str| {
        assert_eq!(request("a + 1", when, wants_stats), (path, form.to_owned()));
    };
    check(When::Now, false, "/api/v1/query", "query=a+%2B+1");
    check(When::At(UnixMs(1_500)), true, "/api/v1/query", "query=a+%2B+1&stats=true&time=1.5");
    let grid = Grid { start: UnixMs(0), end: UnixMs(60_000), step_ms: 250 };
    let form = "query=a+%2B+1&start=0&end=60&step=0.25";
    check(When::Range(grid), false, "/api/v1/query_range", form);
}

#[test]
fn every_type_of_result_is_read() {
    let check = |data: &str, expected: &Value, time: i64| {
        let reply = read_text(200, &format!("{{\"status\":\"success\",\"data\":{data}}}"));
        let Ok(reply) = reply else { panic!("{data} is not understood") };
        assert_eq!((&reply.value, reply.time), (expected, UnixMs(time)), "{data}");
    };
    check(r#"{"resultType":"scalar","result":[1.5,"+Inf"]}"#, &Value::Scalar(f64::INFINITY), 1_500);
    check(r#"{"result":[2,"é"],"resultType":"string"}"#, &Value::String("é".into()), 2_000);
    check(r#"{"resultType":"vector","result":[]}"#, &Value::Vector(Vec::new()), 0);
    let histogram = Arc::new(Histogram { count: 42.0, sum: -3.1, ..Histogram::default() });
    let labels = Labels::from_pairs([("a", "b")]);
    let element = |sample| Element { labels: labels.clone(), sample };
    let vector =
        vec![element(Sample::Float(0.1)), element(Sample::Histogram(Arc::clone(&histogram)))];
    check(
        r#"{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1.001,"0.1"]},
            {"metric":{"a":"b"},"histogram":[1.001,{"count":"42","sum":"-3.1","buckets":[[0,"1","2","42"]]}]}],
            "stats":{"samples":{"totalQueryableSamples":7}}}"#,
        &Value::Vector(vector),
        1_001,
    );
    let series = Series {
        labels,
        times: vec![1_000, 2_000],
        values: vec![1.0, f64::NEG_INFINITY],
        histograms: vec![(3_000, histogram)],
    };
    check(
        r#"{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1,"1"],[2,"-Inf"]],
            "histograms":[[3,{"count":"42","sum":"-3.1"}]]}]}"#,
        &Value::Matrix(vec![series]),
        0,
    );
}

#[test]
fn what_comes_beside_the_result_is_read() {
    let text = r#"{"status":"success","data":{"resultType":"vector","result":[],"stats":{"timings":{},
        "samples":{"series":3,"totalQueryableSamples":7,"peakSamples":2}}},"warnings":["w"],"infos":["i"]}"#;
    let Ok(reply) = read_text(200, text) else { panic!("not understood") };
    assert_eq!((reply.series, reply.samples), (Some(3), Some(7)));
    assert_eq!((reply.warnings, reply.infos), (vec!["w".to_owned()], vec!["i".to_owned()]));
    assert_eq!(reply.json.as_deref(), Some(text));
}

#[test]
fn other_answers_are_refused() {
    let check = |status, text: &str, expected: &str| {
        let Err(said) = read_text(status, text) else { panic!("{text} is an answer") };
        assert_eq!(said, expected, "{text}");
    };
    let error = |kind: &str| {
        format!(
            "{{\"status\":\"error\",\"errorType\":\"{kind}\",\"error\":\"1:5: parse error: x\"}}"
        )
    };
    check(400, &error("bad_data"), "wrong: 1:5: parse error: x");
    check(422, &error("execution"), "failed: 1:5: parse error: x");
    let strange = "failed: http://x answers, but not as Prometheus' API does: ";
    check(200, "<html>\u{1b}\n", &format!("{strange}200 OK <html>\\u{{1b}}"));
    check(301, "", &format!("{strange}301 Moved Permanently "));
    for text in [
        "{}",
        "[]",
        r#"{"status":"success"}"#,
        r#"{"status":"error"}"#,
        r#"{"status":"success","data":["a"]}"#,
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}"#,
        r#"{"status":"success","data":{"resultType":"scalar","result":[1,"x"]}}"#,
        r#"{"status":"success","data":{"resultType":"cube","result":[]}}"#,
    ] {
        check(200, text, &format!("{strange}200 OK {text}"));
    }
    let long = "x".repeat(1_000);
    check(200, &long, &format!("{strange}200 OK {}", "x".repeat(SHOWN_MAX)));
}

proptest::proptest! {
    #[test]
    fn any_answer_is_an_answer_or_refused(text: String, status in 200_u16..600) {
        proptest::prop_assert!(read_text(status, &text).is_err());
    }
}
