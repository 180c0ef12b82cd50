//! vLLM.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "vllm.kv_too_small",
        pattern: "To serve at least one request with the model's max seq len ({asked}){}the estimated maximum model length is {fits}",
        severity: Severity::Fatal,
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
    },
    Known {
        id: "vllm.no_room_for_kv",
        pattern: "No available memory for the cache blocks",
        severity: Severity::Fatal,
        cause: Text {
            en: "After the model's weights there is no memory left for the KV cache, so vLLM does not start.",
            zh: "加载权重后没有剩余显存给 KV cache，vLLM 无法启动。",
        },
        advice: Text {
            en: "Raise --gpu-memory-utilization, use more GPUs (--tensor-parallel-size), a quantised model, or stop what else uses the GPU (nvidia-smi).",
            zh: "提高 --gpu-memory-utilization、增加 GPU（--tensor-parallel-size）、使用量化模型，或停止占用该 GPU 的其他程序（nvidia-smi）。",
        },
        link: Some("https://docs.vllm.ai/en/latest/configuration/conserving_memory.html"),
        line: "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.",
    },
    Known {
        id: "vllm.memory_taken",
        pattern: "on startup is less than desired GPU memory utilization",
        severity: Severity::Fatal,
        cause: Text {
            en: "Another process holds memory of the GPU, so that vLLM does not find as much as it is told to take.",
            zh: "GPU 显存被其他进程占用，少于 vLLM 被要求使用的量。",
        },
        advice: Text {
            en: "See who has it (nvidia-smi), stop it, or lower --gpu-memory-utilization.",
            zh: "用 nvidia-smi 查看并停止占用者，或降低 --gpu-memory-utilization。",
        },
        link: Some("https://docs.vllm.ai/en/latest/configuration/conserving_memory.html"),
        line: "ValueError: Free memory on device (20.11/79.11 GiB) on startup is less than desired GPU memory utilization (0.9, 71.2 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
    },
    Known {
        id: "vllm.warm_up_memory",
        pattern: "CUDA out of memory occurred when warming up sampler with {count}",
        severity: Severity::Fatal,
        cause: Text {
            en: "Memory ran out when vLLM tried {count} requests at once at its start.",
            zh: "启动预热 {count} 个并发请求时显存不足。",
        },
        advice: Text {
            en: "Lower --max-num-seqs or --gpu-memory-utilization.",
            zh: "降低 --max-num-seqs 或 --gpu-memory-utilization。",
        },
        link: Some("https://docs.vllm.ai/en/latest/configuration/conserving_memory.html"),
        line: "RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy requests. Please try lowering `max_num_seqs` or `gpu_memory_utilization` when initializing the engine.",
    },
    Known {
        id: "vllm.core_not_started",
        pattern: "EngineCore failed to start.",
        severity: Severity::Fatal,
        cause: Text {
            en: "vLLM's engine did not start. The last line of the traceback says why.",
            zh: "vLLM 引擎启动失败，原因见堆栈最后一行。",
        },
        advice: Text {
            en: "Read the error that follows; it is explained here too where it is known.",
            zh: "查看其后的错误；已收录的错误在此也会给出说明。",
        },
        link: Some("https://docs.vllm.ai/en/latest/usage/troubleshooting.html"),
        line: "ERROR 11-22 09:51:00 [core.py:790] EngineCore failed to start.",
    },
    Known {
        id: "vllm.core_died",
        pattern: "EngineCore encountered a fatal error.",
        severity: Severity::Fatal,
        cause: Text {
            en: "vLLM's engine died while it worked; all requests fail until it is started again.",
            zh: "vLLM 引擎在运行中崩溃，重启前所有请求都会失败。",
        },
        advice: Text {
            en: "Restart it; read the traceback's last line, and the kernel's log for Xids at that time.",
            zh: "重启；查看堆栈最后一行，以及同一时刻内核日志中的 Xid。",
        },
        link: Some("https://docs.vllm.ai/en/latest/usage/troubleshooting.html"),
        line: "ERROR 11-22 09:51:00 [core.py:800] EngineCore encountered a fatal error.",
    },
    Known {
        id: "vllm.core_issue",
        pattern: "EngineCore encountered an issue. See stack trace (above) for the root cause.",
        severity: Severity::Fatal,
        cause: Text {
            en: "The API server noticed that vLLM's engine is dead; the reason is in the lines before.",
            zh: "API 服务发现引擎已崩溃，原因见此前的日志。",
        },
        advice: Text {
            en: "Go up to the first error, and restart vLLM.",
            zh: "向上查找第一个错误，并重启 vLLM。",
        },
        link: Some("https://docs.vllm.ai/en/latest/usage/troubleshooting.html"),
        line: "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.",
    },
    Known {
        id: "vllm.worker_died",
        pattern: "died unexpectedly (exit code: {code}), shutting down executor.",
        severity: Severity::Fatal,
        cause: Text {
            en: "A worker process (one for each GPU) ended with code {code}, and vLLM stops. Code -9 is mostly the kernel for want of memory.",
            zh: "某个工作进程（每 GPU 一个）以 {code} 退出，vLLM 停止。-9 多为内存不足被内核终止。",
        },
        advice: Text {
            en: "Look for Out of memory and Xid in the kernel's log (journalctl -k), then restart.",
            zh: "在内核日志（journalctl -k）中查找 Out of memory 与 Xid，然后重启。",
        },
        link: None,
        line: "ERROR 11-22 09:51:00 [multiproc_executor.py:1] Worker proc VllmWorker-1 died unexpectedly (exit code: -9), shutting down executor.",
    },
    Known {
        id: "vllm.rpc_timeout",
        pattern: "RPC call to {call} timed out.",
        severity: Severity::Error,
        cause: Text {
            en: "A worker did not answer in time ({call}): it hangs, or its step takes too long.",
            zh: "工作进程未及时响应（{call}）：挂起或单步过慢。",
        },
        advice: Text {
            en: "Look at the GPUs (busy at low power is a hang of NCCL), take a stack with py-spy dump, restart; VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS makes it wait longer.",
            zh: "查看 GPU（高利用率、低功耗多为 NCCL 挂起），用 py-spy dump 取堆栈后重启；VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS 可延长等待。",
        },
        link: None,
        line: "TimeoutError: RPC call to execute_model timed out.",
    },
    Known {
        id: "vllm.workers_hang",
        pattern: "No available shared memory broadcast block found in {seconds} seconds",
        severity: Severity::Warn,
        cause: Text {
            en: "The workers took no work for {seconds} s: they compile, load, or hang.",
            zh: "工作进程已 {seconds} 秒未取任务：正在编译、加载，或已挂起。",
        },
        advice: Text {
            en: "Wait if vLLM has just started. Otherwise look at the GPUs and take a stack with py-spy dump; check /dev/shm (docker run --ipc=host or --shm-size).",
            zh: "若刚启动可等待；否则查看 GPU 并用 py-spy dump 取堆栈；检查 /dev/shm（docker run --ipc=host 或 --shm-size）。",
        },
        link: None,
        line: "INFO 11-22 09:51:00 [shm_broadcast.py:1] No available shared memory broadcast block found in 60 seconds. This typically happens when some processes are hanging",
    },
    Known {
        id: "vllm.prompt_too_long",
        pattern: "This model's maximum context length is {limit} tokens",
        severity: Severity::Warn,
        cause: Text {
            en: "A client asked for more tokens than the model's context of {limit}; the request got status 400.",
            zh: "请求的 token 数超过模型上下文长度 {limit}，返回 400。",
        },
        advice: Text {
            en: "Shorten the prompt or max_tokens, or raise --max-model-len where the model and memory allow it.",
            zh: "缩短提示词或减小 max_tokens；模型与显存允许时提高 --max-model-len。",
        },
        link: None,
        line: "ValueError: This model's maximum context length is 4096 tokens. However, your prompt contains 9001 input tokens. Please reduce the length of the input messages.",
    },
    Known {
        id: "vllm.max_len_beyond_model",
        pattern: "User-specified max_model_len ({asked}) is greater than the derived max_model_len",
        severity: Severity::Fatal,
        cause: Text {
            en: "The context that was asked for ({asked}) is longer than the model was made for.",
            zh: "指定的上下文长度（{asked}）超过模型本身支持的长度。",
        },
        advice: Text {
            en: "Lower --max-model-len; VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 forces it, with wrong answers or a crash beyond the model's own length unless RoPE scaling is set.",
            zh: "减小 --max-model-len；VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 可强制，但未配置 RoPE 缩放时超长部分会出错或崩溃。",
        },
        link: None,
        line: "ValueError: User-specified max_model_len (131072) is greater than the derived max_model_len (max_position_embeddings=32768.0 or model_max_length=None in model's config.json).",
    },
    Known {
        id: "vllm.bfloat16",
        pattern: "Bfloat16 is only supported on GPUs with compute capability of at least 8.0.",
        severity: Severity::Fatal,
        cause: Text {
            en: "This GPU is too old for the number format bfloat16, in which the model is stored.",
            zh: "该 GPU 较旧，不支持模型使用的 bfloat16。",
        },
        advice: Text { en: "Start with --dtype half.", zh: "用 --dtype half 启动。" },
        link: None,
        line: "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU has compute capability 7.5. You can use float16 instead by explicitly setting the `dtype` flag in CLI, for example: --dtype=half.",
    },
    Known {
        id: "vllm.architecture",
        pattern: "Model architectures {names} are not supported for now",
        severity: Severity::Fatal,
        cause: Text {
            en: "This version of vLLM does not know the model's architecture ({names}).",
            zh: "当前 vLLM 版本不支持该模型架构（{names}）。",
        },
        advice: Text {
            en: "Update vLLM; where the model brings its own code, --trust-remote-code; or use --model-impl transformers.",
            zh: "升级 vLLM；模型自带代码时加 --trust-remote-code；或使用 --model-impl transformers。",
        },
        link: None,
        line: "ValueError: Model architectures ['FooForCausalLM'] are not supported for now.",
    },
    Known {
        id: "vllm.chat_template",
        pattern: "default chat template is no longer allowed",
        severity: Severity::Error,
        cause: Text {
            en: "The model has no chat template, so that chat requests fail.",
            zh: "模型没有对话模板，聊天请求会失败。",
        },
        advice: Text {
            en: "Give one with --chat-template FILE, or use the instruct variant of the model; completions work without.",
            zh: "用 --chat-template FILE 指定，或改用 instruct 版模型；补全接口不受影响。",
        },
        link: None,
        line: "ValueError: As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat template if the tokenizer does not define one.",
    },
    Known {
        id: "vllm.heads",
        pattern: "must be divisible by tensor parallel size ({size})",
        severity: Severity::Fatal,
        cause: Text {
            en: "The model cannot be divided among {size} GPUs: its attention heads do not go into as many equal parts.",
            zh: "模型的注意力头数无法被张量并行数 {size} 整除。",
        },
        advice: Text {
            en: "Choose a --tensor-parallel-size that divides the number of heads, or use --pipeline-parallel-size.",
            zh: "选择能整除头数的 --tensor-parallel-size，或使用 --pipeline-parallel-size。",
        },
        link: None,
        line: "ValueError: Total number of attention heads (28) must be divisible by tensor parallel size (8).",
    },
];
