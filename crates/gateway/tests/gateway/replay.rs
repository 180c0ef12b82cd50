//! Streams captured from real engines, replayed by the stand-in: the client gets the same bytes, the engine
//! got the same request, and the record says what reading the capture by itself says.
//!
//! The captures are in `shared` beside the repository, a few of them among the fixtures of `dialect`.

use std::{fs, path::PathBuf, time::Duration};

use dialect::{Api, End, Fold};
use model::exchange::Outcome;
use serde_json::Value;

use crate::{
    client::{Bench, post_with},
    mock::{Mock, Step, chunk, last_chunk},
    streams::packed,
};

struct Capture {
    name: String,
    api: Api,
    path: String,
    content_type: String,
    request: String,
    chunks: Vec<Vec<u8>>,
    is_complete: bool,
}

fn captures() -> Vec<Capture> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let shared = here.join("../../../shared/data/engines");
    let root = if shared.is_dir() { shared } else { here.join("../dialect/fixtures") };
    let mut captures = Vec::new();
    for engine in ["llamacpp-b10434", "ollama-handwritten", "vllm-0.32.0"] {
        for entry in fs::read_dir(root.join(engine)).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap();
            if let Some(name) = file.strip_suffix(".jsonl").filter(|name| !name.ends_with(".wire"))
            {
                captures.extend(read(&root.join(engine), name));
            }
        }
    }
    captures
}

fn read(folder: &std::path::Path, name: &str) -> Option<Capture> {
    let text = |suffix: &str| fs::read_to_string(folder.join(format!("{name}{suffix}"))).unwrap();
    let meta: Value = serde_json::from_str(&text(".meta.json")).unwrap();
    let path = meta["request"]["path"].as_str()?.to_owned();
    let api = Api::of(meta["request"]["method"].as_str()?, &path)?;
    let headers = meta["response"]["headers"].as_array()?;
    let content_type = headers
        .iter()
        .find(|header| header[0].as_str().unwrap().eq_ignore_ascii_case("content-type"))?;
    // How a client leaves, and that silence ends, are tests of their own.
    let is_complete = match meta["ended"].as_str()? {
        "complete" => true,
        "connection_closed" => false,
        _ => return None,
    };
    let jsonl = text(".jsonl");
    let chunks = jsonl.lines().map(|line| {
        let chunk: Value = serde_json::from_str(line).unwrap();
        base64(chunk["b64"].as_str().unwrap())
    });
    Some(Capture {
        name: name.to_owned(),
        api,
        path,
        content_type: content_type[1].as_str()?.to_owned(),
        request: text(".req.json"),
        chunks: chunks.collect(),
        is_complete,
    })
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte));
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_usize, 0);
    for digit in digits {
        (bits, count) = ((bits << 6 | digit) & 0xFFFF, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

#[tokio::test]
async fn captured_streams_pass_unchanged_and_are_read_as_by_themselves() {
    let captures = captures();
    assert!(captures.len() >= 8, "only {} streams", captures.len());
    for (capture, encoding) in captures.iter().flat_map(|it| ["", "gzip", "zstd"].map(|e| (it, e)))
    {
        let name = &format!("{} {encoding}", capture.name);
        let mut head = format!("HTTP/1.1 200 OK\r\ncontent-type: {}\r\n", capture.content_type);
        let chunks = match encoding {
            "" => capture.chunks.clone(),
            _ => {
                head.push_str(&format!("content-encoding: {encoding}\r\n"));
                packed(encoding, &capture.chunks)
            }
        };
        head.push_str("transfer-encoding: chunked\r\n\r\n");
        let mut steps = vec![Step::Send(head.into_bytes())];
        steps.extend(chunks.iter().map(chunk));
        steps.push(if capture.is_complete { last_chunk() } else { Step::Close });
        let mock = Mock::start(move |_| steps.clone()).await;
        let mut bench = Bench::before(&mock).await;
        let reply = bench.ask(post_with(&capture.path, "", &capture.request)).await;
        assert!(reply.body == chunks.concat(), "{name}");
        assert_eq!(reply.is_whole, capture.is_complete, "{name}");
        assert!(mock.seen()[0].body == capture.request.as_bytes(), "{name}");

        let mut fold = Fold::of_response(capture.api, Some(&capture.content_type), true);
        capture.chunks.iter().for_each(|chunk| fold.push(chunk, Duration::ZERO));
        let end = if capture.is_complete { End::Complete } else { End::Broken };
        let summary = fold.finish(end, Duration::ZERO);
        let record = bench.record().await;
        let outcome = match summary.outcome {
            dialect::Outcome::Ok => Outcome::Ok,
            dialect::Outcome::Error => Outcome::UpstreamError,
            dialect::Outcome::Truncated => Outcome::Truncated,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(record.outcome, outcome, "{name}");
        assert_eq!(record.tokens.input, summary.tokens.input.map(|count| count.value), "{name}");
        assert_eq!(record.tokens.output, summary.tokens.output.map(|count| count.value), "{name}");
        assert_eq!(record.output_events, summary.output_events, "{name}");
        assert_eq!(record.ttft.is_some(), summary.ttft.is_some(), "{name}");
        assert_eq!(record.finish_reason.as_deref(), summary.finish_reasons().next(), "{name}");
        assert_eq!(record.gaps.count(), summary.gaps.count(), "{name}");
        assert!(!record.is_partially_observed, "{name}");
    }
}
