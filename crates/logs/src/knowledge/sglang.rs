//! SGLang.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "sglang.kv_pool_full",
        pattern: "KV cache pool is full. Retract requests. #retracted_reqs: {requests},",
        severity: Severity::Warn,
        cause: Text {
            en: "The KV cache is full; {requests} running requests were put back into the queue and are computed again later.",
            zh: "KV cache 已满，{requests} 个进行中的请求被抢占退回队列，之后要重新计算。",
        },
        advice: Text {
            en: "If it happens often: raise --schedule-conservativeness to 1.3, lower --max-running-requests, or raise --mem-fraction-static.",
            zh: "若频繁出现：把 --schedule-conservativeness 提高到 1.3、减小 --max-running-requests，或提高 --mem-fraction-static。",
        },
        link: Some("https://docs.sglang.ai/advanced_features/hyperparameter_tuning.html"),
        line: "[2026-11-22 09:51:00 TP0] KV cache pool is full. Retract requests. #retracted_reqs: 2, #new_tokens_gained: 512, #new_token_ratio: 0.6015 -> 1.0000",
    },
    Known {
        id: "sglang.decode_out_of_memory",
        pattern: "ecode out of memory happened",
        severity: Severity::Warn,
        cause: Text {
            en: "The KV cache is full; running requests were put back into the queue (wording of older versions).",
            zh: "KV cache 已满，进行中的请求被抢占退回队列（旧版本的写法）。",
        },
        advice: Text {
            en: "If it happens often: raise --schedule-conservativeness to 1.3, lower --max-running-requests, or raise --mem-fraction-static.",
            zh: "若频繁出现：把 --schedule-conservativeness 提高到 1.3、减小 --max-running-requests，或提高 --mem-fraction-static。",
        },
        link: Some("https://docs.sglang.ai/advanced_features/hyperparameter_tuning.html"),
        line: "[2025-03-07 15:52:26 TP0] Decode out of memory happened. #retracted_reqs: 1, #new_token_ratio: 0.6015 -> 1.0000",
    },
    Known {
        id: "sglang.kv_no_room",
        pattern: "Not enough memory. Please try to increase --mem-fraction-static",
        severity: Severity::Error,
        cause: Text {
            en: "The model's weights leave no memory for the KV cache, so SGLang does not start.",
            zh: "模型权重占用后没有剩余显存给 KV cache，SGLang 无法启动。",
        },
        advice: Text {
            en: "Raise --mem-fraction-static (for example 0.9), end other processes on the GPU, or use a quantised model or a larger --tp.",
            zh: "提高 --mem-fraction-static（例如 0.9）、结束占用 GPU 的其他进程，或改用量化模型、增大 --tp。",
        },
        link: None,
        line: "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static. Current value: mem_fraction_static=0.8",
    },
    Known {
        id: "sglang.prefill_out_of_memory",
        pattern: "Prefill out of memory. Try to lower your batch size",
        severity: Severity::Error,
        cause: Text {
            en: "The KV cache had no room for a prompt that was let in; the engine process usually ends.",
            zh: "KV cache 放不下已接纳的提示词，引擎进程通常会退出。",
        },
        advice: Text {
            en: "Restart SGLang with a smaller --chunked-prefill-size and --max-running-requests; upgrade if it returns.",
            zh: "减小 --chunked-prefill-size 和 --max-running-requests 后重启；若仍出现请升级版本。",
        },
        link: None,
        line: "RuntimeError: Prefill out of memory. Try to lower your batch size.",
    },
    Known {
        id: "sglang.graph_capture_failed",
        pattern: "Capture cuda graph failed",
        severity: Severity::Error,
        cause: Text {
            en: "Recording the CUDA graphs failed at start, most often because too little memory was left.",
            zh: "启动时捕获 CUDA graph 失败，最常见的原因是剩余显存不足。",
        },
        advice: Text {
            en: "Lower --mem-fraction-static (0.8 or 0.7) or --cuda-graph-max-bs (16); as a last resort --disable-cuda-graph, which is slower.",
            zh: "降低 --mem-fraction-static（0.8 或 0.7）或 --cuda-graph-max-bs（16）；最后可用 --disable-cuda-graph，但速度会下降。",
        },
        link: None,
        line: "Exception: Capture cuda graph failed: CUDA error: operation not permitted when stream is capturing",
    },
    Known {
        id: "sglang.memory_unbalanced",
        pattern: "The memory capacity is unbalanced",
        severity: Severity::Error,
        cause: Text {
            en: "One of the GPUs has much less free memory than the others.",
            zh: "其中一块 GPU 的空闲显存明显少于其他 GPU。",
        },
        advice: Text {
            en: "Find the process that holds memory with nvidia-smi and end it, or choose other GPUs with CUDA_VISIBLE_DEVICES.",
            zh: "用 nvidia-smi 找到并结束占用显存的进程，或用 CUDA_VISIBLE_DEVICES 选择其他 GPU。",
        },
        link: None,
        line: "RuntimeError: The memory capacity is unbalanced. Some GPUs may be occupied by other processes. min_per_gpu_memory=16.28, local_gpu_memory=46.81",
    },
    Known {
        id: "sglang.scheduler_exception",
        pattern: "Scheduler hit an exception",
        severity: Severity::Fatal,
        cause: Text {
            en: "The process that computes broke off; SGLang ends and all requests fail.",
            zh: "负责计算的进程出现异常，SGLang 将退出，所有请求失败。",
        },
        advice: Text {
            en: "Read the last line of the trace that follows: it names the cause. Then restart.",
            zh: "查看其后堆栈的最后一行，其中写明原因，然后重启。",
        },
        link: None,
        line: "[2026-11-22 09:51:00 TP0] Scheduler hit an exception: Traceback (most recent call last):",
    },
    Known {
        id: "sglang.child_failed",
        pattern: "Received sigquit from a child process",
        severity: Severity::Fatal,
        cause: Text {
            en: "One of SGLang's processes failed, so all of it ends.",
            zh: "SGLang 的一个子进程失败，整个服务随之退出。",
        },
        advice: Text {
            en: "Look for the first error above this line; exit code -9 or no error at all points to the out-of-memory killer (dmesg).",
            zh: "查看此行之前的第一条错误；若退出码为 -9 或没有任何错误，多半是被 OOM killer 杀死（查看 dmesg）。",
        },
        link: None,
        line: "[2026-02-27 15:27:13] Received sigquit from a child process. It usually means the child failed.",
    },
    Known {
        id: "sglang.health_check_failed",
        pattern: "couldn't get a response from detokenizer for last {seconds} seconds",
        severity: Severity::Error,
        cause: Text {
            en: "The engine has given no token for {seconds} seconds: it hangs, or is busy with a very long prompt.",
            zh: "引擎已有 {seconds} 秒没有产出：可能卡住，或正在处理很长的提示词。",
        },
        advice: Text {
            en: "If it repeats, restart SGLang and look for the first error; where prompts are long, raise SGLANG_HEALTH_CHECK_TIMEOUT.",
            zh: "若反复出现，请重启 SGLang 并查找第一条错误；提示词很长时可增大 SGLANG_HEALTH_CHECK_TIMEOUT。",
        },
        link: None,
        line: "[2025-10-15 10:47:27] Health check failed. Server couldn't get a response from detokenizer for last 20 seconds. tic start time: 10:47:07. last_heartbeat time: 09:44:42",
    },
    Known {
        id: "sglang.watchdog_timeout",
        pattern: "watchdog timeout (self.watchdog_timeout={seconds}",
        severity: Severity::Fatal,
        cause: Text {
            en: "One step of the computation took longer than {seconds} seconds; SGLang ends itself.",
            zh: "单步计算超过 {seconds} 秒，SGLang 将自行终止。",
        },
        advice: Text {
            en: "Restart; look at NCCL and Xid errors; where a step is truly that slow, raise --watchdog-timeout.",
            zh: "重启；检查 NCCL 和 Xid 错误；若单步确实很慢，可增大 --watchdog-timeout。",
        },
        link: None,
        line: "[2026-11-22 09:51:00 TP0] Scheduler watchdog timeout (self.watchdog_timeout=300, self.soft=False)",
    },
    Known {
        id: "sglang.input_too_long",
        pattern: "is longer than the model's context length ({limit} tokens)",
        severity: Severity::Warn,
        cause: Text {
            en: "A client's prompt was longer than the {limit} tokens that the model is served with; it was refused.",
            zh: "客户端提示词超过模型的上下文长度 {limit} token，已被拒绝。",
        },
        advice: Text {
            en: "Shorten the prompt in the client, or raise --context-length if the model and memory allow.",
            zh: "在客户端缩短提示词；若模型和显存允许，可增大 --context-length。",
        },
        link: None,
        line: "The input (40000 tokens) is longer than the model's context length (32768 tokens).",
    },
    Known {
        id: "sglang.tokens_too_many",
        pattern: "Requested token count exceeds the model's maximum context length of {limit} tokens",
        severity: Severity::Warn,
        cause: Text {
            en: "A client's prompt and max_tokens together are more than {limit} tokens; the request was refused.",
            zh: "客户端的提示词加 max_tokens 超过 {limit} token，请求已被拒绝。",
        },
        advice: Text {
            en: "Lower max_tokens or shorten the prompt in the client, or raise --context-length.",
            zh: "在客户端减小 max_tokens 或缩短提示词，或增大 --context-length。",
        },
        link: None,
        line: "Requested token count exceeds the model's maximum context length of 32768 tokens.",
    },
    Known {
        id: "sglang.context_above_model",
        pattern: "context_length ({asked}) is greater than the derived context_length ({derived})",
        severity: Severity::Warn,
        cause: Text {
            en: "--context-length {asked} is more than the {derived} tokens that the model was made for.",
            zh: "--context-length {asked} 超过了模型支持的 {derived} token。",
        },
        advice: Text {
            en: "Lower --context-length to {derived}; only with RoPE scaling set up, allow it with SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN=1.",
            zh: "把 --context-length 降到 {derived}；只有配置了 RoPE 扩展时才用 SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN=1 放行。",
        },
        link: None,
        line: "Warning: User-specified context_length (65536) is greater than the derived context_length (32768). This may lead to incorrect model outputs or CUDA errors.",
    },
    Known {
        id: "sglang.bfloat16_unsupported",
        pattern: "Compute capability below sm80. Use float16",
        severity: Severity::Info,
        cause: Text {
            en: "The GPU is too old for bfloat16; SGLang computes in float16 instead.",
            zh: "GPU 较旧，不支持 bfloat16，SGLang 改用 float16。",
        },
        advice: Text {
            en: "Nothing is needed, unless answers are garbled: then use a newer GPU.",
            zh: "一般无需处理；若回答出现乱码，请换用更新的 GPU。",
        },
        link: None,
        line: "[2025-02-12 02:56:48 TP0] Compute capability below sm80. Use float16 due to lack of bfloat16 support.",
    },
    Known {
        id: "sglang.gpu_too_old",
        pattern: "SGLang only supports sm75 and above",
        severity: Severity::Error,
        cause: Text {
            en: "The GPU is older than SGLang supports (Turing, compute capability 7.5, or newer).",
            zh: "GPU 过旧，SGLang 只支持 Turing（计算能力 7.5）及更新的架构。",
        },
        advice: Text {
            en: "Use a newer GPU, or llama.cpp or Ollama on this one.",
            zh: "换用更新的 GPU，或在此 GPU 上使用 llama.cpp 或 Ollama。",
        },
        link: None,
        line: "RuntimeError: SGLang only supports sm75 and above.",
    },
    Known {
        id: "sglang.queue_full",
        pattern: "The request queue is full.",
        severity: Severity::Warn,
        cause: Text {
            en: "More requests wait than --max-queued-requests allows; new ones are refused.",
            zh: "排队请求数超过 --max-queued-requests，新请求被拒绝。",
        },
        advice: Text {
            en: "Send fewer requests at a time, raise --max-queued-requests, or add another instance.",
            zh: "降低请求并发、增大 --max-queued-requests，或增加实例。",
        },
        link: None,
        line: "Streaming response failed: [503] The request queue is full.",
    },
];
