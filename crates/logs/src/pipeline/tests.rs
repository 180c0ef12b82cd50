use std::sync::{Arc, LazyLock};

use model::{
    catalogue::Kind,
    log::{Origin, Severity},
};
use proptest::prelude::*;

use super::*;
use crate::ATTRIBUTES_MAX;

/// 2026-11-28T12:00:00Z
const NOW: UnixMs = UnixMs(1_795_867_200_000);

fn line(body: &str) -> Line {
    let origin = Origin { source: "file".into(), service: "app".into(), ..Origin::default() };
    Line {
        time: NOW,
        origin: Arc::new(origin),
        severity: None,
        body: body.into(),
        attributes: Vec::new(),
        place: None,
    }
}

fn pipelines(steps: Vec<StepText>) -> Result<Pipelines, Vec<BadPipeline>> {
    let text = PipelineText { name: "p".into(), matches: String::new(), steps };
    Pipelines::compile(&[text], Zone::new(|_| 480))
}

fn step(change: impl FnOnce(&mut StepText)) -> StepText {
    let mut step = StepText::default();
    change(&mut step);
    step
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

/// `severity@seconds before now service|body|name=value ...`, or that it was dropped.
fn after(steps: Vec<StepText>, line: &Line) -> String {
    let mut line = line.clone();
    let pipelines = pipelines(steps).unwrap();
    if pipelines.apply(&mut line, &mut Vec::new()) == Verdict::Dropped {
        return "dropped".into();
    }
    let attributes: Vec<String> =
        line.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let severity = line.severity.map_or("-", Severity::as_str);
    let age = (NOW.0 - line.time.0) as f64 / 1e3;
    format!("{severity}@{age} {}|{}|{}", line.origin.service, line.body, attributes.join(" "))
}

fn check(body: &str, steps: Vec<StepText>, expected: &str) {
    assert_eq!(after(steps, &line(body)), expected, "{body}");
}

#[test]
fn fields_are_taken_out_of_lines() {
    let regex = |text: &str| step(|step| step.regex = some(text));
    check(
        "took 12ms ok",
        vec![regex(r"took (?<took>\w+) (?<result>\w+)")],
        "-@0 app|took 12ms ok|took=12ms result=ok",
    );
    check("no match", vec![regex(r"took (?<took>\w+)")], "-@0 app|no match|");
    check(
        "W 2026-11-28 19:59:59 the rest",
        vec![regex(r"^(?<severity>\w) (?<time>[\d :-]+) (?<body>.*)")],
        "warn@1 app|the rest|",
    );
    check(
        "? yesterday x",
        vec![regex(r"^(?<severity>\S) (?<time>\w+) (?<service>\w)")],
        "-@0 x|? yesterday x|severity=? time=yesterday",
    );
    let grok = step(|step| {
        step.grok = some("%{IP:client.address} %{TOOK:took}");
        step.patterns = pairs(&[("TOOK", r"\d+ms")]);
    });
    check(
        "from 10.0.0.1 5ms",
        vec![grok],
        "-@0 app|from 10.0.0.1 5ms|client.address=10.0.0.1 took=5ms",
    );
    let json = step(|step| {
        step.json = Some(true);
        step.prefix = some("x.");
    });
    check(
        r#" {"a":1,"traceId":"4f"}"#,
        vec![json],
        r#"-@0 app| {"a":1,"traceId":"4f"}|x.a=1 x.trace_id=4f"#,
    );
    let steps = vec![
        regex("^prefix (?<payload>.*)$"),
        step(|step| {
            step.logfmt = Some(true);
            step.from = some("payload");
        }),
        step(|step| step.remove = vec!["payload".into()]),
    ];
    check("prefix a=1 b=\"2 3\"", steps, "-@0 app|prefix a=1 b=\"2 3\"|a=1 b=2 3");
}

#[test]
fn fields_are_changed() {
    let given = |attributes: &[(&str, &str)]| Line { attributes: pairs(attributes), ..line("x") };
    let check = |attributes: &[(&str, &str)], steps: Vec<StepText>, expected: &str| {
        assert_eq!(after(steps, &given(attributes)), expected);
    };
    let rename = |from: &str, to: &str| step(|step| step.rename = pairs(&[(from, to)]));
    check(
        &[("lvl", "WARN"), ("msg", "hi")],
        vec![rename("lvl", "severity"), rename("msg", "body")],
        "warn@0 app|hi|",
    );
    check(
        &[("lvl", "loud")],
        vec![rename("lvl", "severity"), rename("nothing", "a")],
        "-@0 app|x|lvl=loud",
    );
    let set = step(|step| step.set = pairs(&[("who", "${service}/${a}"), ("service", "s")]));
    check(&[("a", "1")], vec![set], "-@0 s|x|a=1 who=app/1");
    let severity = |names: &[(&str, &str)]| step(|step| step.severity = Some(pairs(names)));
    check(&[("level", "Ouch")], vec![severity(&[("ouch", "error")])], "error@0 app|x|level=Ouch");
    check(&[("level", "3")], vec![severity(&[])], "error@0 app|x|level=3");
    let time = |examples: &[&str]| {
        step(|step| step.time = Some(examples.iter().map(|&example| example.to_owned()).collect()))
    };
    check(
        &[("time", "28.11.2026 19:59")],
        vec![time(&["2006/01/02 15:04", "02.01.2006 15:04"])],
        "-@60 app|x|time=28.11.2026 19:59",
    );
    check(&[("time", "1795867199")], vec![time(&[])], "-@1 app|x|time=1795867199");
    let route = step(|step| step.route = pairs(&[("service", "y"), ("engine", "vllm")]));
    check(&[], vec![route], "-@0 y|x|");
}

#[test]
fn lines_are_redacted_and_dropped() {
    let redact = step(|step| step.redact = vec!["email".into(), "secret".into()]);
    let mut given = line("a@b.example password=x1");
    given.attributes = pairs(&[("to", "c@d.example")]);
    assert_eq!(after(vec![redact], &given), "-@0 app|<email> password=<secret>|to=<email>");
    let only = step(|step| {
        step.redact = vec![r"\w+@".into()];
        step.replacement = some("?@");
        step.from = some("to");
    });
    assert_eq!(after(vec![only], &given), "-@0 app|a@b.example password=x1|to=?@d.example");
    let drop = |condition: &str| step(|step| step.drop = some(condition));
    check("GET /health", vec![drop("body ~ /health")], "dropped");
    check("GET /x", vec![drop("body ~ /health")], "-@0 app|GET /x|");
    let when = step(|step| {
        step.when = some("service = other");
        step.drop = some("body = *");
    });
    check("x", vec![when], "-@0 app|x|");
}

#[test]
fn samples_stand_for_others() {
    let sample = |by: Option<&str>| {
        pipelines(vec![step(|step| {
            step.sample = Some(3);
            step.by = by.map(str::to_owned);
        })])
        .unwrap()
    };
    let kept = |pipelines: &Pipelines, bodies: &[&str]| {
        let verdicts = bodies.iter().map(|body| pipelines.apply(&mut line(body), &mut Vec::new()));
        verdicts.map(|verdict| verdict == Verdict::Kept).collect::<Vec<_>>()
    };
    assert_eq!(kept(&sample(None), &["a", "b", "c", "d"]), [true, false, false, true]);
    let by_pattern = sample(Some("pattern"));
    assert_eq!(
        kept(&by_pattern, &["took 1", "took 2", "other", "took 3", "took 4"]),
        [true, false, true, false, true]
    );
    assert_eq!(kept(&sample(Some("body")), &["a", "b", "a"]), [true, true, false]);
    let mut one = line("x");
    sample(None).apply(&mut one, &mut Vec::new());
    assert_eq!(one.attributes, pairs(&[("sampled", "3")]));
    let counts: Vec<(u64, u64)> =
        by_pattern.counts().map(|step| (step.done, step.dropped)).collect();
    assert_eq!(counts, [(3, 2)]);
}

#[test]
fn lines_become_metrics() {
    let metric = step(|step| {
        step.metric = some("app_took_seconds");
        step.from = some("took");
        step.labels = pairs(&[("status", "http.response.status_code"), ("absent", "nothing")]);
    });
    let counter = step(|step| {
        step.metric = some("app_lines_total");
        step.kind = some("counter");
    });
    let pipelines = pipelines(vec![metric, counter]).unwrap();
    let mut given = line("x");
    given.attributes = pairs(&[("took", "250ms"), ("http.response.status_code", "200")]);
    let mut figures = Vec::new();
    pipelines.apply(&mut given, &mut figures);
    pipelines.apply(&mut line("y"), &mut figures);
    let counter = Figure {
        metric: "app_lines_total".into(),
        kind: Kind::Counter,
        labels: vec![],
        value: 1.0,
    };
    let gauge = Figure {
        metric: "app_took_seconds".into(),
        kind: Kind::Gauge,
        labels: vec![("status".into(), "200".into())],
        value: 0.25,
    };
    assert_eq!(figures, [gauge, counter.clone(), counter]);
}

#[test]
fn lines_go_through_the_pipelines_that_are_for_them() {
    let pipeline = |name: &str, matches: &str, to: &str| PipelineText {
        name: name.into(),
        matches: matches.into(),
        steps: vec![step(|step| step.set = pairs(&[("seen", to)]))],
    };
    let texts = [
        pipeline("a", "service = app", "${seen}a"),
        pipeline("b", "service = other", "${seen}b"),
        pipeline("c", "", "${seen}c"),
    ];
    let pipelines = Pipelines::compile(&texts, Zone::utc()).unwrap();
    let mut given = line("x");
    pipelines.apply(&mut given, &mut Vec::new());
    assert_eq!(given.attributes, pairs(&[("seen", "ac")]));
    let mut told = Vec::new();
    let mut given = line("x");
    pipelines.trace(Some("b"), &mut given, &mut Vec::new(), &mut |trace| {
        told.push(format!("{} {} {} {:?}", trace.pipeline, trace.step, trace.kind, trace.effect));
    });
    assert_eq!(told, ["b 1 set Done"]);
    assert!(Pipelines::compile(&[], Zone::utc()).unwrap().is_empty());
}

#[test]
fn lines_of_one_origin_share_it_after_a_route() {
    let pipelines = pipelines(vec![step(|step| step.route = pairs(&[("service", "y")]))]).unwrap();
    let (mut a, mut b) = (line("a"), line("b"));
    b.origin = Arc::clone(&a.origin);
    pipelines.apply(&mut a, &mut Vec::new());
    pipelines.apply(&mut b, &mut Vec::new());
    assert!(Arc::ptr_eq(&a.origin, &b.origin) && a.origin.service == "y");
}

fn check_bad(step: StepText, expected: &str) {
    let bad = pipelines(vec![step]).unwrap_err();
    assert_eq!(bad.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
}

#[test]
fn what_is_wrong_with_a_step_is_said_with_its_place() {
    let check = check_bad;
    check(
        StepText::default(),
        "pipeline 1, step 1, step: it does nothing; give it one of regex, grok, json, logfmt, rename, set, remove, drop, redact, route, sample, severity, time, metric",
    );
    check(
        step(|step| {
            step.json = Some(true);
            step.drop = some("a = b");
        }),
        "pipeline 1, step 1, drop: the step has json already; make two steps of it",
    );
    check(
        step(|step| {
            step.drop = some("a = b");
            step.from = some("a");
        }),
        "pipeline 1, step 1, from: it means nothing beside drop",
    );
    check(step(|step| step.regex = some("(?<a>")), "pipeline 1, step 1, regex: unclosed group");
    check(
        step(|step| step.regex = some("a")),
        "pipeline 1, step 1, regex: it has no named group, so that it gives no field a value",
    );
    check(
        step(|step| step.regex = some("(?<source>a)")),
        "pipeline 1, step 1, regex: how a line came cannot be changed, but attributes.source can",
    );
    check(
        step(|step| step.regex = some(r"(?<a>\w{1000}{1000})")),
        "pipeline 1, step 1, regex: Compiled regex exceeds size limit of 4194304 bytes.",
    );
    check(
        step(|step| step.grok = some("%{X:a}")),
        "pipeline 1, step 1, grok: there is no pattern \"X\"",
    );
}

#[test]
fn what_is_wrong_with_values_and_names_is_said_too() {
    let check = check_bad;
    check(
        step(|step| step.rename = pairs(&[("a", "origin")])),
        "pipeline 1, step 1, rename: how a line came cannot be changed, but attributes.origin can",
    );
    check(step(|step| step.set = pairs(&[("a", "${b")])), "pipeline 1, step 1, set: a ${ has no }");
    check(
        step(|step| step.remove = vec!["body".into()]),
        "pipeline 1, step 1, remove: body is no attribute and cannot be removed",
    );
    check(
        step(|step| step.route = pairs(&[("body", "x")])),
        "pipeline 1, step 1, route: body is none of host, service, engine, instance, model",
    );
    check(
        step(|step| step.severity = Some(pairs(&[("x", "loud")]))),
        "pipeline 1, step 1, severity: \"loud\" is not a severity",
    );
    check(
        step(|step| step.metric = some("1x")),
        "pipeline 1, step 1, metric: \"1x\" is not the name of a metric",
    );
    check(
        step(|step| step.metric = some("llm_slots")),
        "pipeline 1, step 1, metric: modelwatch has a metric of that name itself",
    );
    check(
        step(|step| step.metric = some("x_total")),
        "pipeline 1, step 1, metric: the name of a counter, and no other, ends with _total",
    );
    check(
        step(|step| step.metric = some("x")),
        "pipeline 1, step 1, metric: a gauge needs from, the field with its value",
    );
    check(
        step(|step| {
            step.when = some("a");
            step.json = Some(true);
        }),
        "pipeline 1, step 1, if: expected FIELD = VALUE, or one of != ~ !~ > >= < <= in the place of =",
    );
    let twice = PipelineText { name: "p".into(), matches: "x".into(), ..PipelineText::default() };
    let bad = Pipelines::compile(&[twice.clone(), twice], Zone::utc()).unwrap_err();
    let places: Vec<(usize, &str)> = bad.iter().map(|bad| (bad.pipeline, bad.key)).collect();
    assert_eq!(places, [(0, "match"), (1, "name"), (1, "match")]);
    let bad = pipelines(vec![step(|step| step.json = Some(true)); STEPS_MAX + 1]).unwrap_err();
    assert_eq!(bad[0].reason, "more than 50 steps");
}

#[test]
fn attributes_are_bounded() {
    let object: Vec<String> =
        (0..100).map(|number| format!("\"a{number}\":\"{}\"", "x".repeat(2_000))).collect();
    let mut given = line(&format!("{{{}}}", object.join(",")));
    let pipelines = pipelines(vec![step(|step| step.json = Some(true))]).unwrap();
    pipelines.apply(&mut given, &mut Vec::new());
    assert_eq!(given.attributes.len(), ATTRIBUTES_MAX);
    assert!(given.attributes.iter().all(|(_, value)| value.len() <= crate::ATTRIBUTE_BYTES_MAX));
}

static MANY: LazyLock<Pipelines> = LazyLock::new(|| {
    let steps = vec![
        step(|step| step.regex = some("(?<a>.)(?<severity>.*)(?<time>.*)")),
        step(|step| step.grok = some("%{COMBINEDAPACHELOG}|%{GREEDYDATA:b}")),
        step(|step| step.json = Some(true)),
        step(|step| step.logfmt = Some(true)),
        step(|step| step.redact = vec!["secret".into(), "phone_cn".into(), "x*".into()]),
        step(|step| step.set = pairs(&[("body", "${body}${a}")])),
        step(|step| step.time = Some(Vec::new())),
    ];
    pipelines(steps).unwrap()
});

proptest! {
    #[test]
    fn any_line_is_survived(body in ".{0,80}|\\{\"a\":\"[a-z]{0,5}\"\\}|[a-z]{1,3}=.{0,9}") {
        let mut given = line(&body);
        MANY.apply(&mut given, &mut Vec::new());
        prop_assert!(given.attributes.len() <= ATTRIBUTES_MAX);
    }
}

/// Not a check: says what steps cost, when it is asked to. `cargo test --release -p logs -- --ignored --nocapture`
#[test]
#[ignore = "measures; only its numbers matter"]
#[expect(clippy::print_stdout, reason = "its numbers are for a person")]
fn speed() {
    const BODY: &str = "10.0.0.1 - bob [28/Nov/2026:10:42:35 +0800] \"POST /v1/chat/completions HTTP/1.1\" 200 612 \"-\" \"curl/8\"";
    let sorts = [
        ("match that fails", step(|step| step.drop = some("service = other"))),
        ("grok", step(|step| step.grok = some("^%{COMBINEDAPACHELOG}"))),
        ("redact", step(|step| step.redact = vec!["email".into(), "secret".into()])),
        ("route", step(|step| step.route = pairs(&[("service", "y")]))),
    ];
    for (name, one) in sorts {
        let pipelines = pipelines(vec![one]).unwrap();
        let clock = model::Clock::system();
        let mut given: Vec<Line> = vec![line(BODY); 100_000];
        let before = clock.monotonic();
        for line in &mut given {
            pipelines.apply(line, &mut Vec::new());
        }
        let nanos = (clock.monotonic() - before).as_nanos() / given.len() as u128;
        println!("{name:16} {nanos:6} ns a line of {} bytes", BODY.len());
    }
}
