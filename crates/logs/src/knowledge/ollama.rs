//! Ollama.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "ollama.prompt_truncated",
        pattern: "truncating input prompt\" limit={limit} prompt={prompt} ",
        severity: Severity::Warn,
        cause: Text {
            en: "A prompt of {prompt} tokens was cut to {limit} tokens without telling the client; the model answers without having seen a part of it.",
            zh: "{prompt} token 的提示词被静默截断为 {limit} token，客户端不会收到提示，模型没有看到完整内容。",
        },
        advice: Text {
            en: "Raise the context length: OLLAMA_CONTEXT_LENGTH=32768 in the service's environment (`systemctl edit ollama`), num_ctx in the request's options or the Modelfile; `ollama ps` shows the one in use. Or shorten the prompt.",
            zh: "增大上下文长度：在服务环境变量中设 OLLAMA_CONTEXT_LENGTH=32768（`systemctl edit ollama`），或在请求 options / Modelfile 中设 num_ctx；`ollama ps` 可查看当前值。也可缩短提示词。",
        },
        link: Some("https://docs.ollama.com/faq"),
        line: "time=2026-11-22T09:51:00.123+08:00 level=WARN source=runner.go:153 msg=\"truncating input prompt\" limit=4096 prompt=13789 keep=4 new=4096",
    },
    Known {
        id: "ollama.queue_full",
        pattern: "server busy, please try again.  maximum pending requests exceeded",
        severity: Severity::Error,
        cause: Text {
            en: "More requests wait than Ollama keeps in its queue; new ones are refused with status 503.",
            zh: "等待中的请求超过 Ollama 队列上限，新请求被拒绝（状态码 503）。",
        },
        advice: Text {
            en: "Let more run at once if GPU memory allows: OLLAMA_NUM_PARALLEL=4; lengthen the queue: OLLAMA_MAX_QUEUE; or let clients retry later. Alternation between models that do not fit together makes queues, too.",
            zh: "显存允许时提高并发：OLLAMA_NUM_PARALLEL=4；加长队列：OLLAMA_MAX_QUEUE；或让客户端稍后重试。在放不下的多个模型之间反复切换也会造成排队。",
        },
        link: Some("https://docs.ollama.com/faq"),
        line: "{\"error\":\"server busy, please try again.  maximum pending requests exceeded\"}",
    },
    Known {
        id: "ollama.context_too_large",
        pattern: "requested context size too large for model\" num_ctx={asked} n_ctx_train={trained}",
        severity: Severity::Warn,
        cause: Text {
            en: "A context length of {asked} was asked for, but the model was trained for {trained}; Ollama takes {trained}.",
            zh: "请求的上下文长度为 {asked}，但模型训练长度只有 {trained}，Ollama 将使用 {trained}。",
        },
        advice: Text {
            en: "Ask for {trained} or less (OLLAMA_CONTEXT_LENGTH, num_ctx), or take a model with a longer context.",
            zh: "将 OLLAMA_CONTEXT_LENGTH 或 num_ctx 设为不超过 {trained}，或换上下文更长的模型。",
        },
        link: Some("https://docs.ollama.com/faq"),
        line: "time=2026-11-22T09:51:00.123+08:00 level=WARN source=server.go:114 msg=\"requested context size too large for model\" num_ctx=65536 n_ctx_train=40960",
    },
    Known {
        id: "ollama.no_full_gpu",
        pattern: "unable to load full model on GPU",
        severity: Severity::Warn,
        cause: Text {
            en: "The model does not fit into the GPU's memory as a whole.",
            zh: "模型无法完整放入显存。",
        },
        advice: Text {
            en: "Take a smaller quantization or context length, OLLAMA_KV_CACHE_TYPE=q8_0 with OLLAMA_FLASH_ATTENTION=1, or end other models with `ollama stop`. `ollama ps` shows the share on the GPU.",
            zh: "换更小的量化或上下文长度，或设置 OLLAMA_FLASH_ATTENTION=1 并使用 OLLAMA_KV_CACHE_TYPE=q8_0，或用 `ollama stop` 卸载其他模型。`ollama ps` 可查看 GPU 占比。",
        },
        link: Some("https://docs.ollama.com/faq"),
        line: "time=2026-11-22T09:51:00.123+08:00 level=INFO source=sched.go:468 msg=\"Load failed\" model=/usr/share/ollama/.ollama/models/blobs/sha256-6a0746a1 error=\"unable to load full model on GPU\"",
    },
    Known {
        id: "ollama.system_memory",
        pattern: "model requires more system memory ({needed}) than is available ({available})",
        severity: Severity::Error,
        cause: Text {
            en: "The model needs {needed} of main memory, and only {available} are free, so it is not loaded.",
            zh: "模型需要 {needed} 主机内存，但只有 {available} 可用，因此未加载。",
        },
        advice: Text {
            en: "Take a smaller model, quantization or context length (num_ctx); end other programs; raise the memory limit of the container; add swap.",
            zh: "换更小的模型、量化或上下文长度（num_ctx）；关闭其他程序；提高容器内存上限；或增加交换空间。",
        },
        link: Some("https://docs.ollama.com/faq"),
        line: "time=2026-11-22T09:51:00.123+08:00 level=INFO source=sched.go:433 msg=\"NewLlamaServer failed\" model=/usr/share/ollama/.ollama/models/blobs/sha256-6a0746a1 error=\"model requires more system memory (63.6 GiB) than is available (18.9 GiB)\"",
    },
    Known {
        id: "ollama.runner_died",
        pattern: "llama runner process has terminated: {reason}",
        severity: Severity::Error,
        cause: Text {
            en: "The process that computes the model ended by itself ({reason}); the request failed.",
            zh: "运行模型的子进程意外退出（{reason}），请求失败。",
        },
        advice: Text {
            en: "Look at the lines before it: `journalctl -u ollama -n 200`. 'signal: killed' means that main memory ran out, 'out of memory' that the GPU's did: take a smaller num_ctx or model; else update Ollama and the driver.",
            zh: "查看之前的日志：`journalctl -u ollama -n 200`。signal: killed 表示主机内存不足，out of memory 表示显存不足：减小 num_ctx 或换小模型；其他情况请升级 Ollama 和驱动。",
        },
        link: Some("https://docs.ollama.com/troubleshooting"),
        line: "time=2026-11-22T09:51:00.123+08:00 level=ERROR source=sched.go:489 msg=\"error loading llama server\" error=\"llama runner process has terminated: exit status 2\"",
    },
    Known {
        id: "ollama.server_died",
        pattern: "llama-server process has terminated: {reason}",
        severity: Severity::Error,
        cause: Text {
            en: "The llama-server that Ollama started for the model ended by itself ({reason}); the request failed.",
            zh: "Ollama 为模型启动的 llama-server 意外退出（{reason}），请求失败。",
        },
        advice: Text {
            en: "Look at the lines before it: `journalctl -u ollama -n 200`. If GPU memory ran out, take a smaller num_ctx, OLLAMA_NUM_PARALLEL=1 or a smaller model; else update Ollama and the driver.",
            zh: "查看之前的日志：`journalctl -u ollama -n 200`。若显存不足，减小 num_ctx、设 OLLAMA_NUM_PARALLEL=1 或换小模型；其他情况请升级 Ollama 和驱动。",
        },
        link: Some("https://docs.ollama.com/troubleshooting"),
        line: "time=2026-11-22T09:51:00.123+08:00 level=ERROR source=sched.go:512 msg=\"error loading llama server\" error=\"llama-server process has terminated: exit status 1\"",
    },
    Known {
        id: "ollama.runner_stopped",
        pattern: "model runner has unexpectedly stopped",
        severity: Severity::Error,
        cause: Text {
            en: "The process that computes the model ended in the middle of a request, mostly because memory ran out.",
            zh: "运行模型的子进程在处理请求时意外停止，多为内存或显存不足。",
        },
        advice: Text {
            en: "Look at the lines before it with `journalctl -u ollama -n 200`, and for the OOM killer with `dmesg | grep -i 'killed process'`. Take a smaller num_ctx or OLLAMA_NUM_PARALLEL=1.",
            zh: "用 `journalctl -u ollama -n 200` 查看之前的日志，用 `dmesg | grep -i 'killed process'` 检查是否被 OOM killer 结束。减小 num_ctx 或设 OLLAMA_NUM_PARALLEL=1。",
        },
        link: Some("https://docs.ollama.com/troubleshooting"),
        line: "{\"error\":\"model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check ollama server logs for details\"}",
    },
    Known {
        id: "ollama.load_timeout",
        pattern: "timed out waiting for llama runner to start",
        severity: Severity::Error,
        cause: Text {
            en: "The model made no progress in loading for the allowed time (5 minutes by default), so loading was given up.",
            zh: "模型加载在允许时间内（默认 5 分钟）没有进展，已放弃加载。",
        },
        advice: Text {
            en: "Models on a slow disk or network share need longer: OLLAMA_LOAD_TIMEOUT=15m. Check the disk with `iostat -x 1`. 'context canceled' in the line means that the client left first.",
            zh: "模型在慢速磁盘或网络存储上时需要更长时间：OLLAMA_LOAD_TIMEOUT=15m。用 `iostat -x 1` 检查磁盘。若行中有 context canceled，说明客户端先断开了。",
        },
        link: Some("https://docs.ollama.com/faq"),
        line: "time=2026-11-22T09:51:00.123+08:00 level=ERROR source=sched.go:489 msg=\"error loading llama server\" error=\"timed out waiting for llama runner to start - progress 0.43 - \"",
    },
    Known {
        id: "ollama.client_left",
        pattern: "client connection closed before server finished loading, aborting load",
        severity: Severity::Warn,
        cause: Text {
            en: "The client gave up before the model was loaded, so loading was stopped; the next request begins it again.",
            zh: "客户端在模型加载完成前断开，加载被中止，下次请求会重新加载。",
        },
        advice: Text {
            en: "Raise the client's time limit, or keep the model loaded: OLLAMA_KEEP_ALIVE=-1 or a request with keep_alive.",
            zh: "增大客户端超时，或让模型常驻：OLLAMA_KEEP_ALIVE=-1，或在请求中带 keep_alive。",
        },
        link: Some("https://docs.ollama.com/faq"),
        line: "time=2026-11-22T09:51:00.123+08:00 level=WARN source=server.go:1288 msg=\"client connection closed before server finished loading, aborting load\"",
    },
    Known {
        id: "ollama.evicting",
        pattern: "llama-server load failed; evicting all other models and retrying once",
        severity: Severity::Warn,
        cause: Text {
            en: "The model did not fit beside the loaded ones; Ollama unloads them and tries once more. Clients of the others wait for loading afterwards.",
            zh: "显存放不下新模型，Ollama 正在卸载其他模型并重试一次；其他模型的客户端之后需要重新等待加载。",
        },
        advice: Text {
            en: "Use fewer models at once, OLLAMA_MAX_LOADED_MODELS=1, or smaller ones (num_ctx, quantization), so that they fit together.",
            zh: "减少同时使用的模型数，设 OLLAMA_MAX_LOADED_MODELS=1，或换更小的模型/量化/num_ctx 使其能同时放下。",
        },
        link: Some("https://docs.ollama.com/faq"),
        line: "time=2026-11-22T09:51:00.123+08:00 level=WARN source=sched.go:1102 msg=\"llama-server load failed; evicting all other models and retrying once\" model=/usr/share/ollama/.ollama/models/blobs/sha256-6a0746a1 error=\"cudaMalloc failed\"",
    },
    Known {
        id: "ollama.runtime_oom",
        pattern: "runtime OOM detected; expiring loaded models",
        severity: Severity::Error,
        cause: Text {
            en: "GPU memory ran out while answering; Ollama unloads all models and loads anew at the next request.",
            zh: "生成回答时显存耗尽，Ollama 将卸载所有模型，并在下次请求时重新加载。",
        },
        advice: Text {
            en: "Lower num_ctx or OLLAMA_NUM_PARALLEL, keep memory free with OLLAMA_GPU_OVERHEAD (in bytes), and see with `nvidia-smi` what else uses the GPU.",
            zh: "减小 num_ctx 或 OLLAMA_NUM_PARALLEL，用 OLLAMA_GPU_OVERHEAD（字节）预留显存，并用 `nvidia-smi` 查看其他占用者。",
        },
        link: Some("https://docs.ollama.com/faq"),
        line: "time=2026-11-22T09:51:00.123+08:00 level=WARN source=sched.go:1702 msg=\"runtime OOM detected; expiring loaded models to clear memory before next request\" model=qwen3:8b error=\"signal: aborted\"",
    },
    Known {
        id: "ollama.vram_not_freed",
        pattern: "gpu VRAM usage didn't recover within timeout",
        severity: Severity::Warn,
        cause: Text {
            en: "After a model was unloaded, its GPU memory was not reported free in time; the next model may be put partly on the CPU.",
            zh: "模型卸载后，显存未能及时释放，下一个模型可能会部分落到 CPU 上。",
        },
        advice: Text {
            en: "Mostly harmless. If models then run slowly, look for leftover processes with `nvidia-smi` and restart Ollama: `systemctl restart ollama`.",
            zh: "通常无害。若之后模型变慢，用 `nvidia-smi` 查找残留进程并重启 Ollama：`systemctl restart ollama`。",
        },
        link: Some("https://docs.ollama.com/troubleshooting"),
        line: "time=2026-11-22T09:51:00.123+08:00 level=WARN source=sched.go:687 msg=\"gpu VRAM usage didn't recover within timeout\" seconds=5.21793737 runner.size=\"5.9 GiB\" runner.vram=\"2.7 GiB\"",
    },
    Known {
        id: "ollama.driver_too_old",
        pattern: "NVIDIA driver too old",
        severity: Severity::Warn,
        cause: Text {
            en: "The NVIDIA driver is too old for this version of Ollama, so the GPU is not used through CUDA; models run on the CPU or more slowly.",
            zh: "NVIDIA 驱动版本过旧，当前 Ollama 不会通过 CUDA 使用该 GPU，模型将在 CPU 上运行或变慢。",
        },
        advice: Text {
            en: "Install the driver that the line names under required_driver, and reboot; check with `nvidia-smi`.",
            zh: "安装该行 required_driver 给出的驱动版本并重启，用 `nvidia-smi` 确认。",
        },
        link: Some("https://docs.ollama.com/gpu"),
        line: "time=2026-11-22T09:51:00.123+08:00 level=WARN source=nvidia.go:61 msg=\"NVIDIA driver too old\" device=\"NVIDIA GeForce GTX 1080\" compute=6.1 driver=550 required_driver=\"570 or newer\"",
    },
    Known {
        id: "ollama.rocm_unsupported",
        pattern: "dropping ROCm device",
        severity: Severity::Warn,
        cause: Text {
            en: "The AMD GPU is not supported by the ROCm libraries that come with Ollama, so it is not used through ROCm.",
            zh: "Ollama 自带的 ROCm 库不支持该 AMD GPU，因此不会通过 ROCm 使用它。",
        },
        advice: Text {
            en: "Map it to a related type that is supported, e.g. HSA_OVERRIDE_GFX_VERSION=10.3.0, or use Vulkan (OLLAMA_VULKAN=1); `rocminfo | grep gfx` shows the type.",
            zh: "映射到受支持的相近型号，例如 HSA_OVERRIDE_GFX_VERSION=10.3.0，或改用 Vulkan（OLLAMA_VULKAN=1）；`rocminfo | grep gfx` 可查看型号。",
        },
        link: Some("https://docs.ollama.com/gpu"),
        line: "time=2026-11-22T09:51:00.123+08:00 level=WARN source=amd.go:470 msg=\"dropping ROCm device — no rocblas support for gfx target\" device=\"AMD Radeon RX 6600\" gfx_target=gfx1032 hint=\"set HSA_OVERRIDE_GFX_VERSION to map to a supported target\"",
    },
    Known {
        id: "ollama.no_gpu",
        pattern: "entering low vram mode\" \"total vram\"=\"0 B\"",
        severity: Severity::Warn,
        cause: Text {
            en: "Ollama found no GPU at all; models run on the CPU and are many times slower.",
            zh: "Ollama 没有发现任何 GPU，模型将在 CPU 上运行，速度会慢很多倍。",
        },
        advice: Text {
            en: "Check `nvidia-smi` or `rocminfo` on the host; in Docker start it with `--gpus all` and the NVIDIA container toolkit. OLLAMA_DEBUG=1 says how the GPU was looked for. On a machine without a GPU nothing is to be done.",
            zh: "在主机上检查 `nvidia-smi` 或 `rocminfo`；Docker 需加 `--gpus all` 并安装 NVIDIA container toolkit。设 OLLAMA_DEBUG=1 可查看 GPU 探测过程。没有 GPU 的机器无需处理。",
        },
        link: Some("https://docs.ollama.com/troubleshooting"),
        line: "time=2026-11-22T09:51:00.123+08:00 level=INFO source=routes.go:1648 msg=\"entering low vram mode\" \"total vram\"=\"0 B\" threshold=\"20.0 GiB\"",
    },
    Known {
        id: "ollama.input_too_long",
        pattern: "the input length exceeds the context length",
        severity: Severity::Warn,
        cause: Text {
            en: "A text for embedding is longer than the model's context length and was refused.",
            zh: "用于向量化的文本超过模型的上下文长度，已被拒绝。",
        },
        advice: Text {
            en: "Cut the text into shorter pieces, allow cutting with truncate: true, or raise num_ctx as far as the model goes.",
            zh: "把文本切成更短的片段，或在请求中设 truncate: true 允许截断，或在模型允许范围内增大 num_ctx。",
        },
        link: Some("https://docs.ollama.com/faq"),
        line: "{\"error\":\"the input length exceeds the context length\"}",
    },
    Known {
        id: "ollama.port_taken",
        pattern: "Error: listen tcp {address}: bind: address already in use",
        severity: Severity::Error,
        cause: Text {
            en: "Another program, mostly a second Ollama, already listens at {address}; this one ended.",
            zh: "{address} 已被占用，通常是已有一个 Ollama 在运行，当前进程已退出。",
        },
        advice: Text {
            en: "Use the one that runs (`systemctl status ollama`, `ss -ltnp | grep 11434`), or start with another address: OLLAMA_HOST=127.0.0.1:11435.",
            zh: "直接使用已运行的服务（`systemctl status ollama`、`ss -ltnp | grep 11434`），或换地址启动：OLLAMA_HOST=127.0.0.1:11435。",
        },
        link: Some("https://docs.ollama.com/faq"),
        line: "Error: listen tcp 127.0.0.1:11434: bind: address already in use",
    },
];
