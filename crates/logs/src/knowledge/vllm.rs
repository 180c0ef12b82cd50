//! vLLM.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[Known {
    id: "vllm.kv_too_small",
    pattern: "To serve at least one request with the model's max seq len ({asked}){}the estimated maximum model length is {fits}.",
    severity: Severity::Error,
    cause: Text {
        en: "The KV cache that fits into the accelerator's memory does not hold even one request of {asked} tokens, so vLLM does not start.",
        zh: "显存中可用的 KV cache 连一个 {asked} token 的请求都放不下，vLLM 因此无法启动。",
    },
    advice: Text {
        en: "Start it with --max-model-len {fits} or less; or give it more memory with a higher --gpu-memory-utilization, --kv-cache-dtype fp8, or a larger --tensor-parallel-size.",
        zh: "用 --max-model-len {fits} 或更小的值启动；或提高 --gpu-memory-utilization、使用 --kv-cache-dtype fp8、增大 --tensor-parallel-size 以获得更多显存。",
    },
    link: Some("https://docs.vllm.ai/en/latest/configuration/conserving_memory.html"),
    line: "ValueError: To serve at least one request with the model's max seq len (131072), (16.00 GiB KV cache is needed, which is larger than the available KV cache memory (9.53 GiB). Based on the available memory, the estimated maximum model length is 78080. Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine.",
}];
