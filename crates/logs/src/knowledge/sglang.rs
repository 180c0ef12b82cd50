//! SGLang.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "sglang.kv_full",
        pattern: "KV cache pool is full. Retract requests. #retracted_reqs: {count},",
        severity: Severity::Warn,
        cause: Text {
            en: "The KV cache is full: {count} requests were put back and their work thrown away, to be done again later.",
            zh: "KV cache 已满：{count} 个请求被撤回，已完成的计算作废，稍后重做。",
        },
        advice: Text {
            en: "Lower --max-running-requests, raise --mem-fraction-static, use --kv-cache-dtype fp8_e5m2, raise --schedule-conservativeness, or add a GPU (--tp).",
            zh: "降低 --max-running-requests、提高 --mem-fraction-static、使用 --kv-cache-dtype fp8_e5m2、提高 --schedule-conservativeness，或增加 GPU（--tp）。",
        },
        link: None,
        line: "[2026-11-22 09:51:00 TP0] KV cache pool is full. Retract requests. #retracted_reqs: 3, #new_tokens_gained: 4096, #new_token_ratio: 0.30 -> 0.55",
    },
    Known {
        id: "sglang.memory_too_small",
        pattern: "Not enough memory. Please try to increase --mem-fraction-static.",
        severity: Severity::Fatal,
        cause: Text {
            en: "After the model's weights there is no memory left for the KV cache.",
            zh: "加载权重后没有剩余显存给 KV cache。",
        },
        advice: Text {
            en: "Raise --mem-fraction-static, use more GPUs (--tp), a quantised model, or a shorter --context-length.",
            zh: "提高 --mem-fraction-static、增加 GPU（--tp）、使用量化模型或缩短 --context-length。",
        },
        link: None,
        line: "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
    },
    Known {
        id: "sglang.prompt_too_long",
        pattern: "is longer than the model's context length ({limit} tokens)",
        severity: Severity::Warn,
        cause: Text {
            en: "A client's prompt is longer than the model's context of {limit} tokens; it was refused.",
            zh: "客户端提示词超过模型上下文长度（{limit} token），请求被拒绝。",
        },
        advice: Text {
            en: "Shorten the prompt, or raise --context-length where the model allows it.",
            zh: "缩短提示词，或在模型允许时提高 --context-length。",
        },
        link: None,
        line: "ValueError: The input (9001 tokens) is longer than the model's context length (4096 tokens).",
    },
    Known {
        id: "sglang.asked_too_long",
        pattern: "Requested token count exceeds the model's maximum context length of {limit} tokens",
        severity: Severity::Warn,
        cause: Text {
            en: "Prompt and answer together would be longer than the model's context of {limit} tokens; the request was refused.",
            zh: "提示词加输出超过模型上下文长度（{limit} token），请求被拒绝。",
        },
        advice: Text {
            en: "Ask for a smaller max_tokens, or shorten the prompt.",
            zh: "减小 max_tokens 或缩短提示词。",
        },
        link: None,
        line: "ValueError: Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of 9001 tokens",
    },
    Known {
        id: "sglang.detokenizer_hangs",
        pattern: "Server couldn't get a response from detokenizer for last {seconds} seconds",
        severity: Severity::Error,
        cause: Text {
            en: "Nothing came back from the engine for {seconds} s: it hangs, or is overloaded.",
            zh: "引擎已有 {seconds} 秒没有返回结果：挂起或过载。",
        },
        advice: Text {
            en: "Look at the GPUs (busy, but at low power, is a hang of NCCL); take a stack with py-spy dump; restart it.",
            zh: "查看 GPU（利用率高但功耗低多为 NCCL 挂起）；用 py-spy dump 取堆栈；重启。",
        },
        link: None,
        line: "Health check failed. Server couldn't get a response from detokenizer for last 20 seconds. tic start time: 09:51:00. last_heartbeat time: 09:50:40",
    },
    Known {
        id: "sglang.scheduler_died",
        pattern: "Scheduler hit an exception:",
        severity: Severity::Fatal,
        cause: Text {
            en: "The part of SGLang that schedules work failed, and the server ends. The traceback says why.",
            zh: "SGLang 调度器异常，服务将退出，原因见其后的堆栈。",
        },
        advice: Text {
            en: "Read the last line of the traceback; restart the server.",
            zh: "查看堆栈最后一行，并重启服务。",
        },
        link: None,
        line: "[2026-11-22 09:51:00 TP0] Scheduler hit an exception: Traceback (most recent call last):",
    },
    Known {
        id: "sglang.watchdog",
        pattern: "watchdog timeout (self.watchdog_timeout={seconds},",
        severity: Severity::Fatal,
        cause: Text {
            en: "A step of the model took longer than {seconds} s: it hangs, mostly in a collective operation between GPUs.",
            zh: "单步执行超过 {seconds} 秒，已挂起，多发生在 GPU 间的集合通信。",
        },
        advice: Text {
            en: "See which rank is behind, look for Xids and NVLink errors; raise --watchdog-timeout only if steps are really that long.",
            zh: "确认落后的 rank，检查 Xid 与 NVLink 错误；仅当单步确实这么久时才提高 --watchdog-timeout。",
        },
        link: None,
        line: "[2026-11-22 09:51:00 TP0] Scheduler watchdog timeout (self.watchdog_timeout=300, self.soft=False)",
    },
    Known {
        id: "sglang.nccl",
        pattern: "NCCL error: {what}",
        severity: Severity::Fatal,
        cause: Text {
            en: "The communication between GPUs failed ({what}).",
            zh: "GPU 间通信失败（{what}）。",
        },
        advice: Text {
            en: "Set NCCL_DEBUG=INFO and start again; check that all ranks run the same version, that /dev/shm is large enough, and the network between hosts.",
            zh: "设置 NCCL_DEBUG=INFO 后重启；确认各 rank 版本一致、/dev/shm 足够大、主机间网络正常。",
        },
        link: None,
        line: "RuntimeError: NCCL error: unhandled",
    },
];
