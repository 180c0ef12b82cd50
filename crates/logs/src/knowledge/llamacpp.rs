//! llama.cpp's server.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "llamacpp.device_memory",
        pattern: "cudaMalloc failed: out of memory",
        severity: Severity::Fatal,
        cause: Text {
            en: "The model, its context or its buffers do not fit into the GPU's memory.",
            zh: "模型、上下文或缓冲区放不进显存。",
        },
        advice: Text {
            en: "Offload fewer layers (-ngl), take a smaller context (-c) or fewer slots (-np), a KV cache of --cache-type-k q8_0 --cache-type-v q8_0, or a smaller quantisation; stop what else uses the GPU.",
            zh: "减少卸载层数（-ngl）、缩小上下文（-c）或并发槽位（-np），使用 --cache-type-k q8_0 --cache-type-v q8_0，或更小的量化；停止占用该 GPU 的其他程序。",
        },
        link: None,
        line: "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 17408.00 MiB on device 0: cudaMalloc failed: out of memory",
    },
    Known {
        id: "llamacpp.kv_full",
        pattern: "failed to find free space in the KV cache, retrying with smaller batch size",
        severity: Severity::Warn,
        cause: Text {
            en: "The KV cache has no room for the next batch, so it is worked off in smaller pieces: slower, and the next step is a failure.",
            zh: "KV cache 没有足够空间，只能以更小的批次处理：变慢，再不足就会失败。",
        },
        advice: Text {
            en: "Give a larger context (-c) or fewer slots (-np), or shorter prompts.",
            zh: "增大上下文（-c）、减少槽位（-np），或缩短提示词。",
        },
        link: None,
        line: "srv  update_slots: failed to find free space in the KV cache, retrying with smaller batch size, i = 0, n_batch = 256, ret = 1",
    },
    Known {
        id: "llamacpp.context_shift_off",
        pattern: "context shift is disabled",
        severity: Severity::Warn,
        cause: Text {
            en: "The answer reached the end of the context and stopped there, because the context is not shifted.",
            zh: "生成到达上下文末尾而停止，因为未启用上下文移位。",
        },
        advice: Text {
            en: "Give a larger context (-c), ask for fewer tokens (max_tokens), or start with --context-shift, which forgets the beginning.",
            zh: "增大上下文（-c）、减少 max_tokens，或用 --context-shift 启动（会丢弃开头内容）。",
        },
        link: None,
        line: "slot update_slots: id  0 | task 12 | context shift is disabled, stopping generation",
    },
    Known {
        id: "llamacpp.context_shifted",
        pattern: "slot context shift, n_keep =",
        severity: Severity::Warn,
        cause: Text {
            en: "The context was full, and the oldest half of the conversation was forgotten to go on.",
            zh: "上下文已满，为继续生成丢弃了最早的一半内容。",
        },
        advice: Text {
            en: "Give a larger context (-c), or shorter conversations: answers after this line do not know what was said first.",
            zh: "增大上下文（-c）或缩短对话：此行之后的回答已不知道最初的内容。",
        },
        link: None,
        line: "slot update_slots: id  0 | task 12 | slot context shift, n_keep = 1, n_left = 4094, n_discard = 2047",
    },
    Known {
        id: "llamacpp.prompt_too_long",
        pattern: "exceeds the available context size",
        severity: Severity::Warn,
        cause: Text {
            en: "A client's prompt is longer than the context of a slot; it was refused with status 400.",
            zh: "客户端提示词超过单个槽位的上下文长度，请求以 400 被拒绝。",
        },
        advice: Text {
            en: "Give a larger context (-c, which all slots share unless the KV cache is unified), fewer slots (-np), or shorter prompts.",
            zh: "增大上下文（-c；非统一 KV 时由各槽位平分）、减少槽位（-np）或缩短提示词。",
        },
        link: None,
        line: "srv  send_error: task id = 3, error: request (9001 tokens) exceeds the available context size (4096 tokens), try increasing it",
    },
    Known {
        id: "llamacpp.no_slot",
        pattern: "no slot available",
        severity: Severity::Warn,
        cause: Text {
            en: "All slots are busy, and a request found none.",
            zh: "所有槽位都在忙，请求没有可用槽位。",
        },
        advice: Text {
            en: "Start it with more slots (-np) and the context for them (-c), or send fewer requests at once.",
            zh: "增加槽位（-np）及相应上下文（-c），或降低并发。",
        },
        link: None,
        line: "res  error: 503 no slot available",
    },
    Known {
        id: "llamacpp.key_wrong",
        pattern: "Unauthorized: Invalid API Key",
        severity: Severity::Warn,
        cause: Text {
            en: "Somebody asked with a wrong key, or with none.",
            zh: "有请求使用了错误的密钥或未带密钥。",
        },
        advice: Text {
            en: "Check the client's key against --api-key; many such lines from one address deserve a look.",
            zh: "核对客户端密钥与 --api-key；同一地址频繁出现时应予排查。",
        },
        link: None,
        line: "srv  operator(): Unauthorized: Invalid API Key",
    },
    Known {
        id: "llamacpp.open_to_all",
        pattern: "CORS is set to allow all origins ('*') and no API key is set",
        severity: Severity::Warn,
        cause: Text {
            en: "Any web page that a user of this network opens can talk to this server: it asks for no key and takes requests from every origin.",
            zh: "服务器未设密钥且允许任意来源跨域访问，本网络用户打开的任何网页都能调用它。",
        },
        advice: Text {
            en: "Start it with --api-key, let it listen on 127.0.0.1, or put the gateway in front.",
            zh: "用 --api-key 启动、仅监听 127.0.0.1，或在前面部署网关。",
        },
        link: None,
        line: "srv  llama_server: CORS is set to allow all origins ('*') and no API key is set",
    },
    Known {
        id: "llamacpp.cuda_error",
        pattern: "current device: {device}, in function {function} at",
        severity: Severity::Fatal,
        cause: Text {
            en: "GPU {device} or its driver failed during work; the server ends. The line before says how.",
            zh: "GPU {device} 或其驱动在运行中出错，服务退出；前一行说明了错误。",
        },
        advice: Text {
            en: "Look for Xids of the kernel at the same time (journalctl -k | grep Xid); restart the server; update the driver; where memory was short, see -ngl and -c.",
            zh: "查看同一时刻内核的 Xid（journalctl -k | grep Xid）；重启服务；升级驱动；若为显存不足，调整 -ngl 与 -c。",
        },
        link: None,
        line: "  current device: 0, in function ggml_backend_cuda_synchronize at /app/ggml/src/ggml-cuda/ggml-cuda.cu:2946",
    },
    Known {
        id: "llamacpp.no_gpu",
        pattern: "no usable GPU found, --gpu-layers option will be ignored",
        severity: Severity::Error,
        cause: Text {
            en: "No GPU was found, so that everything runs on the processor, many times slower.",
            zh: "未找到可用 GPU，全部在 CPU 上运行，速度会慢很多。",
        },
        advice: Text {
            en: "Check nvidia-smi (rocm-smi, vulkaninfo); use a build with the right backend; in a container give it the GPUs (docker run --gpus all).",
            zh: "检查 nvidia-smi（rocm-smi、vulkaninfo）；使用带相应后端的构建；容器需传入 GPU（docker run --gpus all）。",
        },
        link: None,
        line: "warning: no usable GPU found, --gpu-layers option will be ignored",
    },
    Known {
        id: "llamacpp.file_bad",
        pattern: "error loading model: {why}",
        severity: Severity::Fatal,
        cause: Text {
            en: "The model's file cannot be used: {why}.",
            zh: "无法加载模型文件：{why}。",
        },
        advice: Text {
            en: "Check the file by its checksum and download it again; take a newer llama.cpp where it does not know the architecture or the quantisation.",
            zh: "用校验和核对文件并重新下载；若是不认识的架构或量化类型，请升级 llama.cpp。",
        },
        link: None,
        line: "llama_model_load: error loading model: tensor",
    },
    Known {
        id: "llamacpp.bind",
        pattern: "couldn't bind HTTP server socket",
        severity: Severity::Fatal,
        cause: Text {
            en: "The port is taken, or its address is not this machine's.",
            zh: "端口已被占用，或监听地址不属于本机。",
        },
        advice: Text {
            en: "Stop who listens there (ss -ltnp), or take another --port.",
            zh: "停止占用者（ss -ltnp），或更换 --port。",
        },
        link: None,
        line: "srv  llama_server: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 8080",
    },
    Known {
        id: "llamacpp.mlock",
        pattern: "failed to mlock",
        severity: Severity::Warn,
        cause: Text {
            en: "The model could not be kept in memory for good, so that parts of it may be read from disk again while it answers.",
            zh: "无法将模型锁定在内存中，运行时可能再次从磁盘读取。",
        },
        advice: Text {
            en: "Raise the limit of locked memory (ulimit -l unlimited, LimitMEMLOCK=infinity in the unit), or leave out --mlock.",
            zh: "提高内存锁定上限（ulimit -l unlimited，或 systemd 的 LimitMEMLOCK=infinity），或去掉 --mlock。",
        },
        link: None,
        line: "warning: failed to mlock 4294967296-byte buffer (after previously locking 0 bytes): Cannot allocate memory",
    },
];
