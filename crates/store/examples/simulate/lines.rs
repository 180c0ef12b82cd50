//! Lines of the logs of the simulated deployment, as its engines, kernels and a router would write them. They say what
//! happened in its incident, and nothing of any date.

use std::sync::Arc;

use model::{
    UnixMs,
    log::{Line, Origin, Severity},
};

use super::{HOUR_MS, Incident, Random};

/// Between the engines' own figures of themselves.
const FIGURES_MS: i64 = 10_000;
/// Requests whose line an engine writes, of each second.
const REQUESTS: f64 = 0.6;
/// Between lines of programs that ask for the health of engines.
const HEALTH_MS: i64 = 15_000;
/// Between warnings of something that lasts.
const WARNING_MS: i64 = 20_000;

/// Kind, model and instance of the engines, in the order of their requests.
const ENGINES: [(&str, &str, &str); 4] = [
    ("vllm", "Qwen3-32B", "node-1:8000"),
    ("vllm", "Qwen3-32B", "node-2:8000"),
    ("sglang", "DeepSeek-R1-Distill-Llama-70B", "node-3:30000"),
    ("mindie", "Qwen2.5-14B-Instruct", "node-4:1025"),
];

/// The last words of the first engine before it is started again.
const LAST_WORDS: &str = "EngineCore encountered a fatal error.
Traceback (most recent call last):
  File \"/opt/vllm/lib/python3.12/site-packages/vllm/v1/engine/core.py\", line 1104, in run_engine_core
    engine_core.run_busy_loop()
  File \"/opt/vllm/lib/python3.12/site-packages/vllm/v1/engine/core.py\", line 1131, in run_busy_loop
    self._process_engine_step()
  File \"/opt/vllm/lib/python3.12/site-packages/vllm/v1/worker/gpu_model_runner.py\", line 3317, in sample_tokens
    logits = self.model.compute_logits(sample_hidden_states)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.02 GiB is free.";

/// What the first engine writes when it has been started again, and how many seconds later.
const START: [(i64, &str); 6] = [
    (1, "vLLM API server version 0.33.0"),
    (
        2,
        "non-default args: {'model': 'Qwen/Qwen3-32B', 'tensor_parallel_size': 4, 'max_num_seqs': 128}",
    ),
    (31, "Loading weights took 27.41 seconds"),
    (38, "GPU KV cache size: 420,352 tokens"),
    (55, "Graph capturing finished in 14 secs, took 0.58 GiB"),
    (58, "Application startup complete."),
];

/// All lines of the hour before `end`; `hot` is when an accelerator of the second node is too hot.
pub(super) fn lines(
    end: i64,
    incident: &Incident,
    hot: (i64, i64),
    random: &mut Random,
) -> Vec<Line> {
    let mut all = Vec::new();
    for which in 0..ENGINES.len() {
        engine(which, end, incident, random, &mut all);
    }
    restart(end, incident.restart, &mut all);
    router(end, incident.full, random, &mut all);
    kernel(end, hot, &mut all);
    all.sort_by_key(|line| line.time);
    all
}

fn origin(which: usize) -> Arc<Origin> {
    let (engine, model, instance) = ENGINES[which];
    Arc::new(Origin {
        source: if engine == "sglang" { "docker" } else { "journal" }.into(),
        origin: if engine == "sglang" { "sglang-r1".into() } else { format!("{engine}.service") },
        host: instance.split(':').next().unwrap_or_default().into(),
        service: engine.into(),
        engine: engine.into(),
        instance: instance.into(),
        model: model.into(),
    })
}

fn line(time: i64, origin: &Arc<Origin>, severity: Severity, body: String) -> Line {
    let (origin, time) = (Arc::clone(origin), UnixMs(time));
    Line { time, origin, severity: Some(severity), body, attributes: Vec::new(), place: None }
}

/// What the product knows of a line, as it would keep it.
fn known(mut line: Line, id: &str) -> Line {
    line.attributes.push(("known".to_owned(), id.to_owned()));
    line
}

/// Figures, requests and health checks of one engine.
fn engine(which: usize, end: i64, incident: &Incident, random: &mut Random, all: &mut Vec<Line>) {
    let origin = origin(which);
    for before_end in (1..=HOUR_MS / 1_000).rev().map(|seconds| seconds * 1_000) {
        let time = end - before_end;
        let trouble = incident.at(which, before_end);
        if trouble.is_down {
            continue;
        }
        if before_end % FIGURES_MS == 0 {
            let body = figures(which, trouble.full, random);
            all.push(line(time, &origin, Severity::Info, body));
        }
        if before_end % HEALTH_MS == 0 {
            let body = "127.0.0.1:48118 - \"GET /health HTTP/1.1\" 200 OK".to_owned();
            all.push(line(time + 3, &origin, Severity::Debug, body));
        }
        if random.next() < REQUESTS {
            all.push(request(time, &origin, random));
        }
        if trouble.full > 0.9 && before_end % WARNING_MS == 0 {
            let body = format!("Aborted request(s) chatcmpl-{:016x}.", random.bits());
            let aborted = line(time + 7, &origin, Severity::Info, body);
            all.push(known(aborted, "vllm.requests_aborted"));
        }
    }
}

fn figures(which: usize, full: f64, random: &mut Random) -> String {
    let running = 20.0 + 40.0 * random.next() + 60.0 * full;
    let waiting = full * (26.0 + 14.0 * random.next());
    let cache = (28.0 + 20.0 * random.next() + 70.0 * full).min(99.5);
    let (prompt, output) = (3_000.0 + 2_000.0 * random.next(), 900.0 + 500.0 * random.next());
    match ENGINES[which].0 {
        "sglang" => format!(
            "Decode batch. #running-req: {running:.0}, #token: {:.0}, token usage: {:.2}, gen throughput (token/s): {output:.2}, #queue-req: {waiting:.0}",
            cache * 6_100.0,
            cache / 100.0
        ),
        "mindie" => format!(
            "[llm_manager] batch size {running:.0}, block usage {cache:.1}%, generated {output:.0} tokens/s"
        ),
        _ => format!(
            "Engine 000: Avg prompt throughput: {prompt:.1} tokens/s, Avg generation throughput: {output:.1} tokens/s, Running: {running:.0} reqs, Waiting: {waiting:.0} reqs, GPU KV cache usage: {cache:.1}%, Prefix cache hit rate: 41.3%"
        ),
    }
}

fn request(time: i64, origin: &Arc<Origin>, random: &mut Random) -> Line {
    let status = if random.next() < 0.01 { "400 Bad Request" } else { "200 OK" };
    let (client, port) = (10 + random.bits() % 6, 40_000 + random.bits() % 9_000);
    let body = format!("10.20.4.{client}:{port} - \"POST /v1/chat/completions HTTP/1.1\" {status}");
    let mut line = line(time + random.bits() as i64 % 900, origin, Severity::Info, body);
    let [code, path] = [
        ("http.response.status_code", status.get(..3).unwrap_or_default()),
        ("url.path", "/v1/chat/completions"),
    ];
    line.attributes = [code, path, ("http.request.method", "POST")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    line
}

fn restart(end: i64, restart: (i64, i64), all: &mut Vec<Line>) {
    let origin = origin(0);
    let mut last = line(end - restart.0 - 400, &origin, Severity::Error, LAST_WORDS.to_owned());
    last.attributes = vec![("exception.type".into(), "torch.OutOfMemoryError".into())];
    all.push(known(last, "vllm.engine_fatal"));
    let begun = end - restart.1 - 60_000;
    for (seconds, body) in START {
        let line = line(begun + seconds * 1_000, &origin, Severity::Info, body.to_owned());
        let is_known = body.starts_with("Graph");
        all.push(if is_known { known(line, "vllm.graphs_captured") } else { line });
    }
}

/// A program in front of the engines, which logs in Chinese and sends what it logs.
fn router(end: i64, full: (i64, i64), random: &mut Random, all: &mut Vec<Line>) {
    let origin = Arc::new(Origin {
        source: "syslog".into(),
        origin: "10.20.4.2".into(),
        host: "gateway-1".into(),
        service: "router".into(),
        ..Origin::default()
    });
    for before_end in (full.1..full.0).rev().step_by(WARNING_MS as usize) {
        let body = format!(
            "请求转发超时：后端 node-1:8000 已等待 {} 秒，request_id={:08x}",
            30 + random.bits() % 30,
            random.bits() as u32
        );
        all.push(line(end - before_end, &origin, Severity::Warn, body));
    }
}

fn kernel(end: i64, hot: (i64, i64), all: &mut Vec<Line>) {
    let origin = Arc::new(Origin {
        source: "kernel".into(),
        origin: "/dev/kmsg".into(),
        host: "node-2".into(),
        service: "kernel".into(),
        ..Origin::default()
    });
    for (count, before_end) in (hot.1..hot.0).rev().step_by(60_000).enumerate() {
        let body = format!(
            "CPU27: Package temperature above threshold, cpu clock throttled (total events = {})",
            41 + 7 * count
        );
        let throttled = line(end - before_end, &origin, Severity::Warn, body);
        all.push(known(throttled, "kernel.cpu_throttled"));
    }
}
