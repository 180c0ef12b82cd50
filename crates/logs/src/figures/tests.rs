use model::UnixMs;

use super::*;
use crate::{Reader, Zone};

/// `name{labels} value` for each figure of each record.
fn shown(engine: &str, text: &str) -> Vec<String> {
    let mut reader = Reader::new(Zone::utc());
    let now = UnixMs(1_795_867_200_000);
    let mut entries: Vec<Entry> =
        text.lines().filter_map(|line| reader.push(line.as_bytes(), now, 0)).collect();
    entries.extend(reader.flush());
    let figures = entries.iter().flat_map(|entry| figures(engine, entry));
    let shown = figures.map(|figure| {
        assert!(metric::find(&figure.metric).is_some_and(|known| known.kind == figure.kind));
        let labels: Vec<String> =
            figure.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let value = (figure.value * 1e9).round() / 1e9;
        format!("{}{{{}}} {value}", figure.metric, labels.join(",")).replace("{}", "")
    });
    shown.collect()
}

fn check(engine: &str, text: &str, expected: &[&str]) {
    assert_eq!(shown(engine, text), expected, "{text}");
}

/// Captured: vLLM 0.32.0 on a CPU, started, asked for two completions, and stopped.
const VLLM: &str = include_str!("../../../../e2e/tests/fixtures/logs/vllm-0.32.0.log");
/// Captured: llama.cpp b10434, started, asked for a completion, and stopped.
const LLAMACPP: &str = include_str!("../../../../e2e/tests/fixtures/logs/llamacpp-b10434.log");
/// Captured: the same with the arguments that Ollama starts it with.
const CHILD: &str =
    include_str!("../../../../e2e/tests/fixtures/logs/llamacpp-b10434-as-a-child.log");

#[test]
fn the_log_of_a_vllm() {
    check(
        "vllm",
        VLLM,
        &[
            "llm_engine_start_phase_seconds{phase=weights} 0.74",
            "llm_kv_cache_tokens_max 46592",
            "llm_engine_start_phase_seconds{phase=init} 2.82",
            "llm_http_responses_total{route=/health,status=200} 1",
            "llm_http_responses_total{route=/v1/models,status=200} 1",
            "llm_http_responses_total{route=/v1/completions,status=200} 1",
            "llm_http_responses_total{route=/v1/models,status=200} 1",
            "llm_http_responses_total{route=/v1/completions,status=200} 1",
            "llm_http_responses_total{route=/v1/chat/completions,status=400} 1",
            "llm_http_responses_total{route=other,status=404} 1",
            "llm_prompt_tokens_per_second 3.4",
            "llm_generation_tokens_per_second 36",
            "llm_requests_running 0",
            "llm_requests_waiting 0",
            "llm_kv_cache_usage_ratio 0",
            "llm_prefix_cache_hit_ratio 0",
            "llm_prompt_tokens_per_second 0",
            "llm_generation_tokens_per_second 0",
            "llm_requests_running 0",
            "llm_requests_waiting 0",
            "llm_kv_cache_usage_ratio 0",
            "llm_prefix_cache_hit_ratio 0",
        ],
    );
}

#[test]
fn the_log_of_a_llamacpp() {
    let timings = [
        "llm_time_to_first_token_seconds 0.96743",
        "llm_prompt_tokens_total 31",
        "llm_prompt_tokens_per_second 32.04",
        "llm_generation_tokens_total 8",
        "llm_request_time_per_output_token_seconds 0.02534",
        "llm_generation_tokens_per_second 39.46",
        "llm_e2e_request_latency_seconds 1.14482",
    ];
    let start = ["llm_engine_cold_start_seconds 0.699398"];
    check("llamacpp", LLAMACPP, &[&start[..], &timings].concat());
    let timings = [
        "llm_time_to_first_token_seconds 0.30478",
        "llm_prompt_tokens_total 33",
        "llm_prompt_tokens_per_second 108.27",
        "llm_generation_tokens_total 30",
        "llm_request_time_per_output_token_seconds 0.01218",
        "llm_generation_tokens_per_second 82.13",
    ];
    check("ollama", CHILD, &timings);
}

/// Written, as all below, after the formats in the engines' sources and references.
#[test]
fn lines_of_vllm() {
    check(
        "vllm",
        "(APIServer pid=1) INFO 11-22 09:51:00 [loggers.py:1] Engine 001: Avg prompt throughput: 12.3 tokens/s, Avg generation throughput: 45.6 tokens/s, Running: 2 reqs, Waiting: 1 reqs, Deferred: 1 reqs, Preemptions: 3, GPU KV cache usage: 3.1%, Prefix cache hit rate: 40.0%, External prefix cache hit rate: 1.0%",
        &[
            "llm_prompt_tokens_per_second{rank=1} 12.3",
            "llm_generation_tokens_per_second{rank=1} 45.6",
            "llm_requests_running{rank=1} 2",
            "llm_requests_waiting{rank=1} 1",
            "llm_preemptions_total{rank=1} 3",
            "llm_kv_cache_usage_ratio{rank=1} 0.031",
            "llm_prefix_cache_hit_ratio{rank=1} 0.4",
        ],
    );
    check(
        "vllm",
        "(Worker_TP0 pid=2) INFO 11-22 09:51:00 [m.py:1] Model loading took 15.5 GiB memory and 12.345678 seconds\n(Worker_TP1 pid=3) INFO 11-22 09:51:00 [m.py:1] Model loading took 15.5 GiB memory and 13 seconds\n(Worker_TP0 pid=2) INFO 11-22 09:51:00 [m.py:1] Graph capturing finished in 21 secs, took 0.50 GiB\n(EngineCore pid=2) INFO 11-22 09:51:00 [m.py:1] torch.compile took 33.10 s in total",
        &[
            "llm_engine_accelerator_bytes{part=weights} 16642998272",
            "llm_model_load_seconds 12.345678",
            "llm_engine_start_phase_seconds{phase=graphs} 21",
            "llm_engine_accelerator_bytes{part=graphs} 536870912",
            "llm_engine_start_phase_seconds{phase=compile} 33.1",
        ],
    );
    check(
        "vllm",
        "INFO 11-22 09:51:00 [metrics.py:1] SpecDecoding metrics: Mean acceptance length: 2.10, Accepted throughput: 5.00 tokens/s, Drafted throughput: 9.00 tokens/s, Accepted: 50 tokens, Drafted: 90 tokens, Per-position acceptance rate: 0.6, 0.5, Avg Draft acceptance rate: 55.6%",
        &[
            "llm_spec_decode_accepted_tokens_total 50",
            "llm_spec_decode_draft_tokens_total 90",
            "llm_spec_decode_acceptance_ratio 0.556",
        ],
    );
}

#[test]
fn lines_of_sglang_and_ollama() {
    check(
        "sglang",
        "[2026-11-22 09:51:00 TP0] Decode batch, #running-req: 4, #token: 8192, token usage: 0.12, accept len: 2.10, accept rate: 0.55, cuda graph: True, gen throughput (token/s): 321.09, #queue-req: 0",
        &[
            "llm_requests_running 4",
            "llm_requests_waiting 0",
            "llm_kv_cache_usage_ratio 0.12",
            "llm_generation_tokens_per_second 321.09",
            "llm_spec_decode_acceptance_ratio 0.55",
        ],
    );
    check(
        "sglang",
        "[2026-11-22 09:51:00 DP1 TP0] Prefill batch, #new-seq: 1, #new-token: 512, #cached-token: 64, token usage: 0.05, #running-req: 0, #queue-req: 2, #pending-token: 0, cuda graph: False, input throughput (token/s): 1234.56\n[2026-11-22 09:51:00 DP1 TP1] Prefill batch, #new-token: 512\n[2026-11-22 09:51:01] KV cache pool is full. Retract requests. #retracted_reqs: 2, #new_tokens_gained: 10",
        &[
            "llm_requests_running{rank=1} 0",
            "llm_requests_waiting{rank=1} 2",
            "llm_kv_cache_usage_ratio{rank=1} 0.05",
            "llm_prompt_tokens_total{rank=1} 512",
            "llm_prompt_tokens_cached_total{rank=1} 64",
            "llm_prompt_tokens_per_second{rank=1} 1234.56",
            "llm_preemptions_total 2",
        ],
    );
    check(
        "ollama",
        "[GIN] 2026/11/22 - 09:51:00 | 200 |  1.253s |  127.0.0.1 | POST     \"/api/chat\"\n[GIN] 2026/11/22 - 09:51:00 | 503 |  10ms |  127.0.0.1 | POST     \"/api/chat\"\n[GIN] 2026/11/22 - 09:51:00 | 200 |  10µs |  127.0.0.1 | GET     \"/api/tags\"\ntime=2026-11-22T09:51:00.1Z level=INFO source=server.go:1 msg=\"llama runner started in 2.51 seconds\"\ntime=2026-11-22T09:51:00.1Z level=WARN source=runner.go:1 msg=\"truncating input prompt\" limit=4096 prompt=5000 keep=4 new=4096",
        &[
            "llm_http_responses_total{route=/api/chat,status=200} 1",
            "llm_e2e_request_latency_seconds 1.253",
            "llm_http_responses_total{route=/api/chat,status=503} 1",
            "llm_http_responses_total{route=/api/tags,status=200} 1",
            "llm_model_load_seconds 2.51",
            "llm_prompts_truncated_total 1",
        ],
    );
}

#[test]
fn lines_of_others() {
    check(
        "lmdeploy",
        "[2026-11-22 09:51:00 DP0] Avg thr (in/out): 10.5 / 20.5 tokens/s, Server (succeeded/failed/routed/waiting): 1 / 2 / 3 / 4, Engine (running/waiting): 5 / 6, KV cache: 12.5%, Prefix cache hit rate: 50.0%",
        &[
            "llm_prompt_tokens_per_second 10.5",
            "llm_generation_tokens_per_second 20.5",
            "llm_requests_running 5",
            "llm_requests_waiting 6",
            "llm_kv_cache_usage_ratio 0.125",
            "llm_prefix_cache_hit_ratio 0.5",
        ],
    );
    check(
        "llamacpp",
        "slot x: draft acceptance = 0.55 (   11 accepted /    20 generated), mean len = 2.1\nllama_perf_context_print:        load time =    3519.35 ms",
        &[
            "llm_spec_decode_acceptance_ratio 0.55",
            "llm_spec_decode_accepted_tokens_total 11",
            "llm_spec_decode_draft_tokens_total 20",
            "llm_model_load_seconds 3.51935",
        ],
    );
    check(
        "koboldcpp",
        "CtxLimit:100/4096, Amt:40/120, Init:0.01s, Process:0.50s (5.0ms/T = 200.00T/s), Generate:2.00s (50.0ms/T = 20.00T/s), Total:2.50s (16.00T/s)",
        &[
            "llm_generation_tokens_total 40",
            "llm_prompt_tokens_per_second 200",
            "llm_generation_tokens_per_second 20",
            "llm_e2e_request_latency_seconds 2.5",
        ],
    );
    check(
        "tabbyapi",
        "INFO:     Metrics (ID: 4f): 79 tokens generated in 3.21 seconds (Queue: 0.0 s, Process: 0 cached tokens and 500 new tokens at 2000.5 T/s, Generate: 24.5 T/s, Context: 512 tokens)",
        &[
            "llm_generation_tokens_total 79",
            "llm_e2e_request_latency_seconds 3.21",
            "llm_generation_tokens_per_second 24.5",
        ],
    );
    check(
        "text-generation-webui",
        "Output generated in 3.21 seconds (24.50 tokens/s, 79 tokens, context 512, seed 1)",
        &[
            "llm_e2e_request_latency_seconds 3.21",
            "llm_generation_tokens_per_second 24.5",
            "llm_generation_tokens_total 79",
        ],
    );
}

#[test]
fn a_line_without_figures_has_none() {
    for engine in ["vllm", "sglang", "llamacpp", "ollama", "lmdeploy", "koboldcpp", "tgi", ""] {
        check(
            engine,
            "INFO 11-22 09:51:00 [a.py:1] Engine 000: Avg prompt throughput: nan tokens/s",
            &[],
        );
        check(engine, "Model loading took ages and ages", &[]);
        check(engine, "", &[]);
    }
}
