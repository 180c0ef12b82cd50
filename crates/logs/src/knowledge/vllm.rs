//! vLLM.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
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
    },
    Known {
        id: "vllm.kv_no_room",
        pattern: "No available memory for the cache blocks",
        severity: Severity::Error,
        cause: Text {
            en: "The model's weights leave no memory for the KV cache, so vLLM does not start.",
            zh: "模型权重占用后没有剩余显存给 KV cache，vLLM 无法启动。",
        },
        advice: Text {
            en: "Raise --gpu-memory-utilization, use a quantised model, or spread it over more GPUs with --tensor-parallel-size.",
            zh: "提高 --gpu-memory-utilization、改用量化模型，或增大 --tensor-parallel-size 用更多 GPU。",
        },
        link: Some("https://docs.vllm.ai/en/latest/configuration/conserving_memory.html"),
        line: "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine",
    },
    Known {
        id: "vllm.memory_taken_at_start",
        pattern: "Free memory on device {device} ({free}/{total} GiB) on startup is less than",
        severity: Severity::Error,
        cause: Text {
            en: "Other processes hold memory of the GPU: {free} of {total} GiB were free, less than vLLM was told to take.",
            zh: "GPU 显存已被其他进程占用：{total} GiB 中仅 {free} GiB 空闲，低于 vLLM 要求的用量。",
        },
        advice: Text {
            en: "Find the other process with nvidia-smi and end it, or lower --gpu-memory-utilization.",
            zh: "用 nvidia-smi 找到并结束占用显存的进程，或降低 --gpu-memory-utilization。",
        },
        link: None,
        line: "ValueError: Free memory on device cuda:0 (10.21/23.64 GiB) on startup is less than desired GPU memory utilization (0.9, 21.28 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
    },
    Known {
        id: "vllm.warmup_out_of_memory",
        pattern: "CUDA out of memory occurred when warming up",
        severity: Severity::Error,
        cause: Text {
            en: "The GPU's memory ran out during the trial run at start with the largest number of concurrent requests.",
            zh: "启动预热时按最大并发数试跑，显存耗尽。",
        },
        advice: Text {
            en: "Lower --max-num-seqs (for example 128), or lower --gpu-memory-utilization.",
            zh: "调小 --max-num-seqs（例如 128），或降低 --gpu-memory-utilization。",
        },
        link: None,
        line: "RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy requests. Please try lowering `max_num_seqs` or `gpu_memory_utilization` when initializing the engine.",
    },
    Known {
        id: "vllm.engine_start_failed",
        pattern: "EngineCore failed to start.",
        severity: Severity::Fatal,
        cause: Text {
            en: "The engine process failed while starting; the model is not served.",
            zh: "引擎进程启动失败，模型没有提供服务。",
        },
        advice: Text {
            en: "Read the last exception in the trace that follows: it names the cause.",
            zh: "查看其后堆栈中的最后一个异常，其中写明了原因。",
        },
        link: None,
        line: "(EngineCore pid=123) ERROR 11-22 09:51:00 [core.py:1510] EngineCore failed to start.",
    },
    Known {
        id: "vllm.engine_fatal",
        pattern: "EngineCore encountered a fatal error.",
        severity: Severity::Fatal,
        cause: Text {
            en: "The engine process broke off while serving; all running requests failed.",
            zh: "引擎进程在服务过程中崩溃，所有进行中的请求均已失败。",
        },
        advice: Text {
            en: "Restart vLLM; the exception that follows names the cause (often GPU memory or a fault of the GPU).",
            zh: "重启 vLLM；其后的异常写明了原因（常见为显存不足或 GPU 故障）。",
        },
        link: None,
        line: "(EngineCore pid=123) ERROR 11-22 09:51:00 [core.py:1520] EngineCore encountered a fatal error.",
    },
    Known {
        id: "vllm.engine_dead",
        pattern: "EngineCore encountered an issue. See stack trace",
        severity: Severity::Fatal,
        cause: Text {
            en: "The engine process is dead; the API server still answers, but every request fails.",
            zh: "引擎进程已退出；API 服务器仍在响应，但所有请求都会失败。",
        },
        advice: Text {
            en: "Restart vLLM, and look for the first error above this line.",
            zh: "重启 vLLM，并查看此行之前的第一条错误。",
        },
        link: None,
        line: "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.",
    },
    Known {
        id: "vllm.engine_init_failed",
        pattern: "Engine core initialization failed.",
        severity: Severity::Fatal,
        cause: Text {
            en: "The engine process ended while starting; this line only reports it.",
            zh: "引擎进程在启动时退出；此行只是转述结果。",
        },
        advice: Text {
            en: "Look for the first error above this line, and correct that.",
            zh: "查看此行之前的第一条错误并加以解决。",
        },
        link: None,
        line: "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}",
    },
    Known {
        id: "vllm.worker_died",
        pattern: "Worker proc {worker} died unexpectedly",
        severity: Severity::Fatal,
        cause: Text {
            en: "The worker process {worker}, which drives one GPU, ended; vLLM shuts down.",
            zh: "驱动某块 GPU 的工作进程 {worker} 意外退出，vLLM 随之关闭。",
        },
        advice: Text {
            en: "Restart vLLM; exit code -9 means the kernel or the container killed it: look into dmesg and the container's memory limit.",
            zh: "重启 vLLM；退出码 -9 表示被内核或容器杀死，请检查 dmesg 与容器内存限制。",
        },
        link: None,
        line: "(EngineCore pid=123) ERROR 11-22 09:51:00 [multiproc_executor.py:316] Worker proc VllmWorker-1 died unexpectedly (exit code: -9), shutting down executor.",
    },
    Known {
        id: "vllm.shm_wait",
        pattern: "No available shared memory broadcast block found in {seconds} seconds",
        severity: Severity::Warn,
        cause: Text {
            en: "The worker processes have not answered for {seconds} seconds: one hangs, or is busy with compiling.",
            zh: "工作进程已有 {seconds} 秒没有响应：可能卡住，或正在编译。",
        },
        advice: Text {
            en: "Wait if vLLM is just starting; if it repeats while serving, restart and check the GPUs with nvidia-smi and dmesg.",
            zh: "若刚启动请等待；若服务中反复出现，请重启，并用 nvidia-smi 和 dmesg 检查 GPU。",
        },
        link: None,
        line: "INFO 11-22 09:51:00 [shm_broadcast.py:542] No available shared memory broadcast block found in 60 seconds. This typically happens when some processes are hanging or doing some time-consuming work (e.g. compilation, weight/kv cache quantization).",
    },
    Known {
        id: "vllm.rpc_timeout",
        pattern: "RPC call to {method} timed out.",
        severity: Severity::Error,
        cause: Text {
            en: "A worker process did not finish {method} in time; it most likely hangs.",
            zh: "工作进程未能按时完成 {method}，很可能已卡死。",
        },
        advice: Text {
            en: "Restart vLLM; with several GPUs, look for NCCL errors, and raise VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS if steps are truly slow.",
            zh: "重启 vLLM；多卡时查看 NCCL 错误；若确实计算很慢，可增大 VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS。",
        },
        link: None,
        line: "TimeoutError: RPC call to execute_model timed out.",
    },
    Known {
        id: "vllm.bfloat16_unsupported",
        pattern: "Bfloat16 is only supported on GPUs",
        severity: Severity::Error,
        cause: Text {
            en: "The GPU is too old to compute in bfloat16, which the model asks for.",
            zh: "GPU 较旧，不支持模型要求的 bfloat16 精度。",
        },
        advice: Text { en: "Start with --dtype half.", zh: "使用 --dtype half 启动。" },
        link: None,
        line: "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU has compute capability 7.5. You can use float16 instead by explicitly setting the `dtype` flag in CLI, for example: --dtype=half.",
    },
    Known {
        id: "vllm.max_len_above_model",
        pattern: "User-specified max_model_len ({asked})",
        severity: Severity::Error,
        cause: Text {
            en: "--max-model-len {asked} is more than the model was made for.",
            zh: "--max-model-len {asked} 超过了模型支持的上下文长度。",
        },
        advice: Text {
            en: "Lower --max-model-len, or leave it out.",
            zh: "减小 --max-model-len，或不设置该参数。",
        },
        link: None,
        line: "ValueError: User-specified max_model_len (65536) is greater than the derived max_model_len (max_position_embeddings=32768 or model_max_length=None in model's config.json).",
    },
    Known {
        id: "vllm.heads_not_divisible",
        pattern: "Total number of attention heads ({heads}) must be divisible by tensor parallel size ({size})",
        severity: Severity::Error,
        cause: Text {
            en: "The model's {heads} attention heads cannot be shared out evenly over {size} GPUs.",
            zh: "模型的 {heads} 个注意力头无法平均分配到 {size} 块 GPU。",
        },
        advice: Text {
            en: "Choose a --tensor-parallel-size that divides {heads}, and use --pipeline-parallel-size for the other GPUs.",
            zh: "选择能整除 {heads} 的 --tensor-parallel-size，其余 GPU 用 --pipeline-parallel-size。",
        },
        link: None,
        line: "ValueError: Total number of attention heads (28) must be divisible by tensor parallel size (8).",
    },
    Known {
        id: "vllm.quantisation_needs_newer_gpu",
        pattern: "is not supported for the current GPU. Minimum capability: {needed}. Current capability: {current}.",
        severity: Severity::Error,
        cause: Text {
            en: "The model's quantisation needs a newer GPU (compute capability {needed}; this one has {current}).",
            zh: "该量化方式需要更新的 GPU（计算能力 {needed}，当前为 {current}）。",
        },
        advice: Text {
            en: "Take another quantisation of the model (AWQ or GPTQ), or a newer GPU.",
            zh: "改用其他量化版本（如 AWQ 或 GPTQ），或更换更新的 GPU。",
        },
        link: None,
        line: "ValueError: The quantization method fp8 is not supported for the current GPU. Minimum capability: 80. Current capability: 75.",
    },
    Known {
        id: "vllm.architecture_unknown",
        pattern: "Model architectures {architecture} are not supported for now",
        severity: Severity::Error,
        cause: Text {
            en: "This version of vLLM does not know the model's architecture {architecture}.",
            zh: "当前版本的 vLLM 不支持模型架构 {architecture}。",
        },
        advice: Text {
            en: "Upgrade vLLM (pip install -U vllm, or a newer image); or choose a supported model.",
            zh: "升级 vLLM（pip install -U vllm 或更新镜像），或选用受支持的模型。",
        },
        link: Some("https://docs.vllm.ai/en/latest/models/supported_models.html"),
        line: "ValueError: Model architectures ['FooForCausalLM'] are not supported for now. Supported architectures: dict_keys(['LlamaForCausalLM'])",
    },
    Known {
        id: "vllm.prompt_too_long",
        pattern: "This model's maximum context length is {limit} tokens. However, your prompt",
        severity: Severity::Warn,
        cause: Text {
            en: "A client's request was longer than the {limit} tokens that the model is served with; it was refused.",
            zh: "客户端请求超过了模型的上下文长度 {limit} token，已被拒绝。",
        },
        advice: Text {
            en: "Shorten the prompt or max_tokens in the client; or raise --max-model-len if the model and memory allow.",
            zh: "在客户端缩短提示词或减小 max_tokens；若模型和显存允许，可提高 --max-model-len。",
        },
        link: None,
        line: "This model's maximum context length is 8192 tokens. However, your prompt contains 9000 input tokens. Please reduce the length of the input prompt.",
    },
    Known {
        id: "vllm.model_name_unknown",
        pattern: "The model `{model}` does not exist.",
        severity: Severity::Warn,
        cause: Text {
            en: "A client asked for the model {model}, which this server does not serve.",
            zh: "客户端请求的模型 {model} 不在此服务中。",
        },
        advice: Text {
            en: "Use a name that GET /v1/models lists, or add the name with --served-model-name.",
            zh: "使用 GET /v1/models 列出的名称，或用 --served-model-name 增加该名称。",
        },
        link: None,
        line: "The model `gpt-4` does not exist.",
    },
    Known {
        id: "vllm.chat_template_missing",
        pattern: "default chat template is no longer allowed",
        severity: Severity::Error,
        cause: Text {
            en: "The model's tokenizer has no chat template, so chat requests fail; it may be a base model.",
            zh: "模型的 tokenizer 没有 chat template，对话请求会失败；它可能是基座模型。",
        },
        advice: Text {
            en: "Give one with --chat-template FILE, or serve the instruct version of the model.",
            zh: "用 --chat-template 文件 指定，或改用 instruct 版本的模型。",
        },
        link: None,
        line: "As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat template if the tokenizer does not define one.",
    },
    Known {
        id: "vllm.tokenizer_slow",
        pattern: "Using a slow tokenizer. This might cause a significant slowdown",
        severity: Severity::Warn,
        cause: Text {
            en: "The tokenizer runs in Python; long prompts take the processor much longer.",
            zh: "正在使用 Python 实现的慢速 tokenizer，长提示词会明显更慢。",
        },
        advice: Text {
            en: "Leave out --tokenizer-mode slow; use a model that comes with tokenizer.json.",
            zh: "去掉 --tokenizer-mode slow；使用带 tokenizer.json 的模型。",
        },
        link: None,
        line: "WARNING 11-22 09:51:00 [registry.py:275] Using a slow tokenizer. This might cause a significant slowdown. Consider using a fast tokenizer instead.",
    },
    Known {
        id: "vllm.graphs_captured",
        pattern: "Graph capturing finished in {seconds} secs, took {memory} GiB",
        severity: Severity::Info,
        cause: Text {
            en: "CUDA graphs were recorded in {seconds} seconds; they hold {memory} GiB of GPU memory.",
            zh: "CUDA graph 捕获耗时 {seconds} 秒，占用显存 {memory} GiB。",
        },
        advice: Text {
            en: "Nothing is needed; if memory is short, --enforce-eager saves it at the cost of speed.",
            zh: "无需处理；显存紧张时可用 --enforce-eager 节省，但速度会下降。",
        },
        link: None,
        line: "INFO 11-22 09:51:00 [gpu_model_runner.py:6582] Graph capturing finished in 21 secs, took 0.58 GiB",
    },
    Known {
        id: "vllm.speculation_metrics",
        pattern: "SpecDecoding metrics: Mean acceptance length: {length},",
        severity: Severity::Info,
        cause: Text {
            en: "Speculative decoding yields {length} tokens per step on average; close to 1 it brings nothing.",
            zh: "投机解码平均每步得到 {length} 个 token；接近 1 说明没有收益。",
        },
        advice: Text {
            en: "If it stays near 1, use a better fitting draft model, fewer num_speculative_tokens, or leave out --speculative-config.",
            zh: "若长期接近 1，请换更匹配的草稿模型、减小 num_speculative_tokens，或去掉 --speculative-config。",
        },
        link: None,
        line: "INFO 11-22 09:51:00 [metrics.py:121] SpecDecoding metrics: Mean acceptance length: 1.08, Accepted throughput: 3.20 tokens/s, Drafted throughput: 80.00 tokens/s",
    },
    Known {
        id: "vllm.device_not_found",
        pattern: "Failed to infer device type",
        severity: Severity::Error,
        cause: Text {
            en: "vLLM finds no GPU or other accelerator.",
            zh: "vLLM 没有找到 GPU 或其他加速器。",
        },
        advice: Text {
            en: "Check nvidia-smi; in a container, start with --gpus all and the NVIDIA Container Toolkit.",
            zh: "检查 nvidia-smi；容器请安装 NVIDIA Container Toolkit 并用 --gpus all 启动。",
        },
        link: None,
        line: "RuntimeError: Failed to infer device type, please set the environment variable `VLLM_LOGGING_LEVEL=DEBUG` to turn on verbose logging to help debug the issue.",
    },
    Known {
        id: "vllm.weights_missing",
        pattern: "Cannot find any model weights with `{model}`",
        severity: Severity::Error,
        cause: Text {
            en: "There are no weight files in {model}: the download is incomplete or the path is wrong.",
            zh: "{model} 中没有权重文件：下载不完整或路径错误。",
        },
        advice: Text {
            en: "Check that the folder holds *.safetensors, and download it again with hf download.",
            zh: "检查目录中是否有 *.safetensors，并用 hf download 重新下载。",
        },
        link: None,
        line: "RuntimeError: Cannot find any model weights with `/models/qwen`",
    },
    Known {
        id: "vllm.open_files_limit",
        pattern: "Found ulimit of {limit} and failed to automatically increase",
        severity: Severity::Warn,
        cause: Text {
            en: "Only {limit} files and connections may be open at once; many clients will exceed that.",
            zh: "进程最多只能打开 {limit} 个文件和连接，客户端多时会超限。",
        },
        advice: Text {
            en: "Run ulimit -n 65535 before starting, or set LimitNOFILE= in systemd, or --ulimit nofile=65535 in Docker.",
            zh: "启动前执行 ulimit -n 65535，或在 systemd 设置 LimitNOFILE=，Docker 用 --ulimit nofile=65535。",
        },
        link: None,
        line: "WARNING 11-22 09:51:00 [system_utils.py:256] Found ulimit of 1024 and failed to automatically increase with error current limit exceeds maximum limit. This can cause fd limit errors like `OSError: [Errno 24] Too many open files`. Consider increasing with ulimit -n",
    },
    Known {
        id: "vllm.requests_aborted",
        pattern: "Aborted request(s) {requests}",
        severity: Severity::Info,
        cause: Text {
            en: "A client went away before its answer was complete; the request was stopped.",
            zh: "客户端在回答完成前断开，请求已终止。",
        },
        advice: Text {
            en: "If there are many, raise the client's or proxy's timeout, or look for slow answers.",
            zh: "若频繁出现，请增大客户端或代理的超时时间，或排查响应慢的原因。",
        },
        link: None,
        line: "INFO 11-22 09:51:00 [async_llm.py:922] Aborted request(s) chatcmpl-1.",
    },
    Known {
        id: "vllm.port_taken_next",
        pattern: "Port {port} is already in use, trying port",
        severity: Severity::Warn,
        cause: Text {
            en: "The internal port {port} is taken; vLLM goes on to the next one.",
            zh: "内部端口 {port} 已被占用，vLLM 改用下一个端口。",
        },
        advice: Text {
            en: "Nothing is needed; look with ss -ltnp whether an old vLLM still runs.",
            zh: "无需处理；可用 ss -ltnp 检查是否有旧的 vLLM 进程未退出。",
        },
        link: None,
        line: "INFO 11-22 09:51:00 [network_utils.py:248] Port 29500 is already in use, trying port 29501",
    },
    Known {
        id: "vllm.lora_rank_too_high",
        pattern: "LoRA rank {rank} is greater than max_lora_rank",
        severity: Severity::Error,
        cause: Text {
            en: "The LoRA adapter has rank {rank}, more than vLLM was told to allow; it is not loaded.",
            zh: "LoRA 适配器的 rank 为 {rank}，超过 vLLM 允许的上限，未能加载。",
        },
        advice: Text {
            en: "Start with --max-lora-rank {rank}.",
            zh: "使用 --max-lora-rank {rank} 启动。",
        },
        link: None,
        line: "ValueError: LoRA rank 64 is greater than max_lora_rank 16.",
    },
    Known {
        id: "vllm.sampling_fallback",
        pattern: "FlashInfer top-p/top-k sampling unavailable: {reason}; falling back",
        severity: Severity::Warn,
        cause: Text {
            en: "The faster way of choosing tokens cannot be used ({reason}); answers are the same, a little slower.",
            zh: "无法使用更快的 FlashInfer 采样（{reason}）；结果不变，速度略慢。",
        },
        advice: Text {
            en: "Install FlashInfer, or set VLLM_USE_FLASHINFER_SAMPLER=0.",
            zh: "安装 FlashInfer，或设置 VLLM_USE_FLASHINFER_SAMPLER=0。",
        },
        link: None,
        line: "WARNING 11-22 09:51:00 [topk_topp_sampler.py:131] FlashInfer top-p/top-k sampling unavailable: flashinfer is not installed; falling back. Set VLLM_USE_FLASHINFER_SAMPLER=0 to silence.",
    },
];
