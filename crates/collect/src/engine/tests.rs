//! All kinds together: recognition, safety, and pages that are damaged in every way.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper::StatusCode;
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

pub(super) fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        server: String::new(),
        body: body.as_bytes().to_vec().into(),
        cut: None,
    }
}

/// A reading from answers given as path, status and body.
pub(super) fn read(kind: &Kind, given: &[(&'static str, u16, &str)]) -> Result<Reading, Failure> {
    let mut answers = Answers::default();
    for (path, status, body) in given {
        answers.0.insert(path, Ok(answer(*status, body)));
    }
    let mut reading = Reading::default();
    (kind.read)(&answers, &mut reading)?;
    Ok(reading)
}

/// The neutral samples of a reading, as text.
pub(super) fn neutral(reading: &Reading, kind: &Kind) -> Vec<String> {
    let samples = reading.samples(kind, "h:1").into_iter();
    samples
        .filter(|(labels, _)| labels.name().starts_with("llm_"))
        .map(|(labels, value)| {
            let mut builder = labels.to_builder();
            builder.remove("engine").remove("instance").remove("source");
            format!("{} {value}", builder.build())
        })
        .collect()
}

fn owned(owner: &str) -> Clues {
    Clues {
        first: Some("m".into()),
        owned_by: Some(owner.into()),
        lists_models: true,
        status: 200,
        ..Clues::default()
    }
}

#[test]
fn names() {
    let check = |clues: Clues, expected: Option<&str>| {
        let found = known_by_name(&clues).map(|kind| kind.name);
        assert_eq!(found, expected, "{clues:?}");
    };
    for (owner, kind) in [
        ("vllm", "vllm"),
        ("llamacpp", "llamacpp"),
        ("sglang", "sglang"),
        ("tensorrt_llm", "trtllm"),
        ("lmdeploy", "lmdeploy"),
        ("xinference", "xinference"),
        ("koboldcpp", "koboldcpp"),
        ("MindIE Server", "mindie"),
        ("aphrodite", "aphrodite"),
        ("tabbyAPI", "tabbyapi"),
        ("llama-swap", "llama-swap"),
        ("lemonade", "lemonade"),
    ] {
        check(owned(owner), Some(kind));
    }
    // Names that several engines may give.
    for owner in ["library", "user", "m", "", "organization_owner"] {
        check(owned(owner), None);
    }
    let server = |server: &str| Clues { server: server.into(), status: 503, ..Clues::default() };
    check(server("llama.cpp"), Some("llamacpp"));
    check(server("ConcedoLlamaForKoboldServer"), Some("koboldcpp"));
    check(server("uvicorn"), None);
    // What passes on the header of an engine behind it has another owner.
    check(Clues { server: "llama.cpp".into(), ..owned("llama-swap") }, Some("llama-swap"));
    check(Clues { server: "llama.cpp".into(), ..owned("somebody") }, None);
}

#[test]
fn processes() {
    let check = |status: u16, command: &str, expected: Option<&str>| {
        let clues = Clues { status, command: command.into(), ..Clues::default() };
        let found = KINDS.iter().find(|kind| (kind.signs.process)(&clues));
        assert_eq!(found.map(|kind| kind.name), expected, "{clues:?}");
    };
    check(401, "/usr/bin/python3 /usr/bin/vllm serve m", Some("vllm"));
    check(401, "/opt/llama-server -m x", Some("llamacpp"));
    check(401, "python3 -m sglang.launch_server --model x", Some("sglang"));
    check(401, "nginx: worker", None);
    check(404, "/usr/bin/ollama serve", Some("ollama"));
    check(404, "", None);
}

#[test]
fn workers_are_told_from_servers() {
    let check = |command: &str, expected: bool| {
        assert_eq!(is_worker(command), expected, "{command}");
    };
    check("VLLM::Worker", true);
    check("mine::EngineCore_DP0", true);
    check("sglang::scheduler_TP0", true);
    check("ray::RayWorkerWrapper.execute_method", true);
    check("VLLM::APIServer_1", false);
    check("ray::ServeReplica:x", false);
    check("python -m vllm.entrypoints.openai.api_server --title VLLM::Worker", false);
    check("", false);
}

#[test]
fn every_kind_is_whole() {
    for pair in KINDS.windows(2) {
        let [before, after] = pair else { unreachable!() };
        assert_ne!(before.name, after.name);
    }
    // GET paths that change something, lose something, or make the engine work.
    let harmful = [
        "/stopService",
        "/terminate",
        "/flush_cache",
        "/release_memory_occupation",
        "/start_profile",
        "/health_generate",
        "/perf_metrics",
        "/kv_cache_events",
        "/unload",
        "/upstream",
    ];
    for kind in KINDS {
        assert!(!kind.title.is_empty() && !kind.paths.is_empty(), "{kind:?}");
        let asked = kind.signs.asked.map(|asked| asked.path);
        for path in kind.paths.iter().chain(kind.seldom).copied().chain(asked) {
            assert!(!harmful.iter().any(|harmful| path.starts_with(harmful)), "{path}");
        }
    }
    let asks_health: Vec<_> =
        KINDS.iter().filter(|kind| kind.paths.contains(&"/health")).map(|kind| kind.name).collect();
    assert_eq!(asks_health, ["aphrodite", "llamacpp", "tabbyapi", "vllm"]);
}

/// What a stand-in answers by path; a test may change it meanwhile.
pub(super) type Pages = Arc<Mutex<Vec<(&'static str, String)>>>;

/// Answers like an engine: by path, everything else with 404. Ends with the test.
pub(super) async fn serve(pages: &Pages) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let pages = Arc::clone(pages);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let page = pages.lock().unwrap().iter().find(|(known, _)| *known == path).cloned();
            let nothing = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned();
            let reply = page.map_or(nothing, |(_, page)| page);
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    Endpoint::plain(authority)
}

pub(super) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn engines_that_imitate_others() {
    let models = |owner: &str| ok(&format!(r#"{{"data":[{{"id":"m","owned_by":"{owner}"}}]}}"#));
    let version = || ("/api/version", ok(r#"{"version":"0.6.4"}"#));
    let tags = || ("/", ok("Ollama is running"));
    for (pages, command, expected) in [
        (vec![("/v1/models", models("sglang")), version(), tags()], "", Some("sglang")),
        (vec![("/v1/models", models("library")), version(), tags()], "", Some("ollama")),
        (vec![("/v1/models", models("tabbyAPI")), ("/props", ok("{}"))], "", Some("tabbyapi")),
        (
            vec![
                ("/v1/models", models("m")),
                ("/info", ok(r#"{"router":"text-generation-router"}"#)),
            ],
            "",
            Some("tgi"),
        ),
        (
            vec![
                ("/v1/models", ok(r#"{"data":[{"id":"m"}]}"#)),
                ("/system", ok(r#"{"backends":[],"loaded_models":[]}"#)),
                version(),
            ],
            "",
            Some("localai"),
        ),
        (
            vec![("/v2", ok(r#"{"name":"triton","version":"2"}"#))],
            "/opt/tritonserver",
            Some("triton"),
        ),
        (
            vec![
                ("/v1/models", models("user")),
                ("/v1/internal/model/info", ok(r#"{"model_name":"m"}"#)),
            ],
            "",
            Some("text-generation-webui"),
        ),
        (vec![("/v1/models", models("user"))], "", None),
        (vec![("/", ok("Ollama is running"))], "", None),
        (vec![("/metrics", ok("vllm:cache_config_info 1\n"))], "", None),
        (
            vec![("/metrics", ok("xinference:model_serve_count 1\n"))],
            "python3 /usr/bin/xinference-worker",
            Some("xinference"),
        ),
    ] {
        let endpoint = serve(&Arc::new(Mutex::new(pages.clone()))).await;
        let found = recognise(&endpoint, command).await.unwrap();
        assert_eq!(found.map(|kind| kind.name), expected, "{pages:?}");
    }
}

/// Pages of metrics, captured and written.
const PAGES: &[(&str, &str)] = &[
    ("vllm", include_str!("../../fixtures/vllm-0.32.0.metrics")),
    ("llamacpp", include_str!("../../fixtures/llamacpp-b10434-load.metrics")),
    ("sglang", include_str!("../../fixtures/sglang-written.metrics")),
    ("tgi", include_str!("../../fixtures/tgi-written.metrics")),
    ("trtllm", include_str!("../../fixtures/trtllm-written.metrics")),
    ("vllm", include_str!("../../fixtures/vllm-0.32.0-load.metrics")),
    ("aphrodite", include_str!("../../fixtures/aphrodite-written.metrics")),
    ("lemonade", include_str!("../../fixtures/lemonade-written.metrics")),
    ("lmdeploy", include_str!("../../fixtures/lmdeploy-written.metrics")),
    ("localai", include_str!("../../fixtures/localai-written.metrics")),
    ("mindie", include_str!("../../fixtures/mindie-written.metrics")),
    ("triton", include_str!("../../fixtures/triton-written.metrics")),
];

/// Reads a page of metrics as every kind that has one, with answers that say who it is.
fn read_as_all(page: &[u8], cut: Option<Failure>) -> Vec<Result<Reading, Failure>> {
    let about = r#"{"version":"1","build_info":"b","name":"triton","running":[]}"#;
    KINDS
        .iter()
        .map(|kind| {
            let mut answers = Answers::default();
            for path in kind.paths.iter().chain(kind.seldom) {
                let is_page = path.ends_with("metrics");
                let body = if is_page { page } else { about.as_bytes() };
                let body = body.to_vec().into();
                let cut = cut.clone().filter(|_| is_page);
                answers.0.insert(path, Ok(Answer { body, cut, ..answer(200, "") }));
            }
            let mut reading = Reading::default();
            (kind.read)(&answers, &mut reading).map(|()| reading)
        })
        .collect()
}

#[test]
fn pages_that_end_anywhere_keep_their_whole_lines() {
    let cut = Failure::new(FailureKind::Unreachable, "the connection broke");
    for (name, page) in PAGES {
        let kind = KINDS.iter().find(|kind| kind.name == *name).unwrap();
        let path = kind.paths.iter().find(|path| path.ends_with("metrics")).unwrap();
        let all = exposition::parse(page.as_bytes()).samples;
        let (cuts, counts) = exposition::tests::cut_everywhere(page.as_bytes());
        assert_eq!((cuts.len(), counts[page.len()]), (page.len() + 1, all.len()), "{name}");
        for range in cuts {
            let expected = &all[counts[range.start]..counts[range.end]];
            let body = page.as_bytes()[range.clone()].to_vec().into();
            let mut answers = Answers::default();
            answers.0.insert(path, Ok(Answer { body, cut: Some(cut.clone()), ..answer(200, "") }));
            match answers.exposition(path) {
                Ok(found) => {
                    assert_eq!(found.samples, expected, "{name} at {range:?}");
                    assert_eq!(found.cut.as_ref(), Some(&cut));
                }
                Err(failure) => {
                    assert_eq!((&failure, expected), (&cut, &[][..]), "{name} at {range:?}");
                }
            }
        }
    }
}

/// Answers in JSON, captured and written, by kind and path.
const ANSWERS: &[(&str, &str, &str)] = &[
    ("llamacpp", "/props", include_str!("../../fixtures/llamacpp-b10434-props.json")),
    ("llamacpp", "/slots", include_str!("../../fixtures/llamacpp-b10434-slots-load.json")),
    ("llamacpp", "/v1/models", include_str!("../../fixtures/llamacpp-b10434-models.json")),
    ("vllm", "/v1/models", include_str!("../../fixtures/vllm-0.32.0-models.json")),
    ("ollama", "/api/ps", include_str!("../../fixtures/ollama-ps-written.json")),
];

/// Half an answer in JSON is none; it takes nothing from the other answers.
#[test]
fn answers_that_end_anywhere_count_as_none() {
    for (name, path, whole) in ANSWERS {
        let kind = KINDS.iter().find(|kind| kind.name == *name).unwrap();
        let page = PAGES.iter().find(|(of, _)| of == name).map_or("", |(_, page)| page);
        let others = [
            ("/metrics", page),
            ("/health", r#"{"status":"ok"}"#),
            ("/version", r#"{"version":"1"}"#),
            ("/api/version", r#"{"version":"1"}"#),
            ("/props", ANSWERS[0].2),
        ];
        let with = |body: &str| {
            let given = others.into_iter().chain([(*path, body)]);
            let given: Vec<_> = given.map(|(path, body)| (path, 200, body)).collect();
            let reading = read(kind, &given);
            reading.map(|reading| neutral(&reading, kind)).map_err(|failure| failure.kind)
        };
        let (whole, none) = (whole.trim_end(), with("{"));
        assert_ne!(with(whole), none, "{name} {path}: the answer says something");
        for (end, _) in whole.char_indices() {
            let (half, _) = whole.split_at(end);
            assert_eq!(with(half), none, "{name} {path} at {end}");
        }
    }
}

#[test]
fn one_bad_line_hides_no_other() {
    let huge = format!("vllm:x{{a=\"{}\"}} 1\n", "y".repeat(1 << 20));
    let good = "vllm:num_requests_running{model_name=\"m\"} 2\n";
    for (bad, bad_lines) in [
        (huge.as_bytes(), 1),
        (b"vllm:x{a=\"\xff\"} 1\n", 1),
        (b"vllm:x notanumber\n", 1),
        (b"vllm:num_requests_running{model_name=\"m\",engine=\"1\"} NaN\n", 0),
        (good.as_bytes(), 1),
        (b"\x00\x00\n{{{{\n", 2),
    ] {
        let page = [good.as_bytes(), bad].concat();
        let mut answers = Answers::default();
        let body = page.clone().into();
        answers.0.insert("/metrics", Ok(Answer { body, ..answer(200, "") }));
        answers.0.insert("/version", Ok(answer(200, r#"{"version":"1"}"#)));
        let mut reading = Reading::default();
        (vllm::KIND.read)(&answers, &mut reading).unwrap();
        assert_eq!(reading.raw.bad_lines, bad_lines);
        let expected = [r#"llm_requests_running{model="m"} 2"#];
        assert_eq!(neutral(&reading, &vllm::KIND), expected);
    }
}

#[tokio::test]
async fn endpoints_that_misbehave() {
    let good = "vllm:num_requests_running{model_name=\"m\"} 2\n";
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    let version = ("/version", ok(r#"{"version":"1"}"#));
    let moved = "HTTP/1.1 302 Found\r\nLocation: /version\r\nContent-Length: 0\r\n\r\n";
    for (page, expected) in [
        (format!("{head}{good}vllm:num_req"), Ok(FailureKind::Unreachable)),
        (moved.to_owned(), Err(FailureKind::Refused)),
        (head.to_owned(), Err(FailureKind::Unreachable)),
    ] {
        let pages = vec![version.clone(), ("/metrics", page.clone())];
        let endpoint = serve(&Arc::new(Mutex::new(pages))).await;
        let found = vllm::KIND.scrape(&endpoint, &mut Kept::default(), Duration::ZERO).await;
        let found = found.map(|reading| {
            assert_eq!(neutral(&reading, &vllm::KIND), [r#"llm_requests_running{model="m"} 2"#]);
            reading.raw.cut.unwrap().kind
        });
        assert_eq!(found.map_err(|failure| failure.kind), expected, "{page}");
    }
}

#[tokio::test]
async fn slow_drips_end_in_time_and_keep_what_came() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let drip = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
        stream.write_all(head).await.unwrap();
        while stream.write_all(b"a 1\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let endpoint = Endpoint::plain(authority);
    let started = tokio::time::Instant::now();
    let answer = get(&endpoint, "/metrics").await.unwrap();
    drip.abort();
    assert!(started.elapsed() >= Duration::from_secs(1), "it waited for more");
    assert_eq!(answer.cut.map(|cut| cut.kind), Some(FailureKind::TimedOut));
    assert!(answer.body.starts_with(b"a 1\na 1\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_page_is_survived_by_every_kind(page: Vec<u8>, is_cut: bool) {
        let cut = is_cut.then(|| Failure::new(FailureKind::TimedOut, "late"));
        drop(read_as_all(&page, cut));
    }

    #[test]
    fn damaged_pages_are_survived_by_every_kind(
        which in 0..PAGES.len(),
        damage in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..20),
    ) {
        let mut page = PAGES[which].1.as_bytes().to_vec();
        for (at, byte) in damage {
            let at = usize::from(at) % page.len();
            page[at] = byte;
        }
        drop(read_as_all(&page, None));
    }

    #[test]
    fn any_answers_are_survived_by_every_kind(
        body in r#"[\[\]{}":,a-z0-9._\- ]{0,80}|\{"(models|data|running|version|loaded_models)":[\[\]{}":,a-z0-9]{0,40}\}"#,
        status in prop::sample::select(vec![200_u16, 302, 401, 404, 500, 503]),
    ) {
        for kind in KINDS {
            let paths = kind.paths.iter().chain(kind.seldom);
            let given: Vec<_> = paths.map(|path| (*path, status, body.as_str())).collect();
            drop(read(kind, &given));
        }
        let clues = clues(&answer(status, &body), &body, 8000);
        let _ = known_by_name(&clues);
    }
}
