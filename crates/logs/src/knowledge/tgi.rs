//! Text Generation Inference.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "tgi.shard_killed",
        pattern: "Shard process was signaled to shutdown with signal {signal}",
        severity: Severity::Error,
        cause: Text {
            en: "The process that computes the model was ended by signal {signal}. 9 mostly means that main memory ran out, 7 that shared memory is too small, 4 and 11 a crash.",
            zh: "运行模型的 shard 进程被信号 {signal} 结束。9 多为主机内存不足，7 多为共享内存过小，4 和 11 为程序崩溃。",
        },
        advice: Text {
            en: "For 9: `dmesg | grep -i 'killed process'`, and give the container more memory. For 7: `docker run --shm-size 1g`. For 4 or 11: check that the image fits the CPU and the GPU.",
            zh: "9：执行 `dmesg | grep -i 'killed process'`，并提高容器内存。7：`docker run --shm-size 1g`。4 或 11：确认镜像与 CPU、GPU 匹配。",
        },
        link: None,
        line: "2024-08-11T09:36:31.932556Z ERROR shard-manager: text_generation_launcher: Shard process was signaled to shutdown with signal 9 rank=0",
    },
    Known {
        id: "tgi.warmup_memory",
        pattern: "Not enough memory to handle {tokens} prefill tokens",
        severity: Severity::Error,
        cause: Text {
            en: "GPU memory does not suffice to read {tokens} tokens of prompts at once, so TGI does not start.",
            zh: "显存不足以一次处理 {tokens} 个 prefill token，TGI 无法启动。",
        },
        advice: Text {
            en: "Start with a smaller --max-batch-prefill-tokens (and --max-input-tokens), with --quantize, or on more GPUs with --num-shard.",
            zh: "减小 --max-batch-prefill-tokens（以及 --max-input-tokens），使用 --quantize，或用 --num-shard 增加 GPU。",
        },
        link: Some("https://huggingface.co/docs/text-generation-inference/reference/launcher"),
        line: "RuntimeError: Not enough memory to handle 4096 prefill tokens. You need to decrease `--max-batch-prefill-tokens`",
    },
    Known {
        id: "tgi.shard_start",
        pattern: "Error: ShardCannotStart",
        severity: Severity::Fatal,
        cause: Text {
            en: "TGI ended because the process for the model did not start.",
            zh: "模型 shard 未能启动，TGI 已退出。",
        },
        advice: Text {
            en: "The cause is in the error of the shard some lines before: memory (--quantize, --num-shard), a model that is not supported, or missing files.",
            zh: "原因见前面几行 shard 的报错：显存不足（--quantize、--num-shard）、模型不受支持或文件缺失。",
        },
        link: None,
        line: "Error: ShardCannotStart",
    },
    Known {
        id: "tgi.download",
        pattern: "Error: DownloadError",
        severity: Severity::Error,
        cause: Text {
            en: "The model's files could not be downloaded.", zh: "模型文件下载失败。"
        },
        advice: Text {
            en: "Check the name of the model and the network; gated models need HF_TOKEN; set HF_ENDPOINT for a mirror, or mount a folder with the files and give its path as --model-id. Check `df -h`.",
            zh: "检查模型名称和网络；受限模型需设置 HF_TOKEN；可用 HF_ENDPOINT 指定镜像，或挂载已下载的目录并将路径作为 --model-id。检查 `df -h`。",
        },
        link: Some("https://huggingface.co/docs/text-generation-inference/reference/launcher"),
        line: "Error: DownloadError",
    },
    Known {
        id: "tgi.overloaded",
        pattern: "Model is overloaded",
        severity: Severity::Warn,
        cause: Text {
            en: "More requests run and wait than TGI accepts; new ones are refused with status 429.",
            zh: "并发请求超过 TGI 上限，新请求被拒绝（状态码 429）。",
        },
        advice: Text {
            en: "Raise --max-concurrent-requests if GPU memory allows, add an instance, or let clients retry later.",
            zh: "显存允许时调高 --max-concurrent-requests，增加实例，或让客户端稍后重试。",
        },
        link: Some("https://huggingface.co/docs/text-generation-inference/reference/launcher"),
        line: "{\"error\":\"Model is overloaded\",\"error_type\":\"overloaded\"}",
    },
];
