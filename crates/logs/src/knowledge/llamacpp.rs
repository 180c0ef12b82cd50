//! llama.cpp's server.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "llamacpp.device_memory",
        pattern: "allocating {size} MiB on device {device}: cudaMalloc failed: out of memory",
        severity: Severity::Error,
        cause: Text {
            en: "GPU {device} has no {size} MiB of free memory left for the model, its KV cache or its work buffers.",
            zh: "GPU {device} 的显存不足，无法再分配 {size} MiB（用于模型权重、KV cache 或计算缓冲区）。",
        },
        advice: Text {
            en: "Put fewer layers on the GPU (-ngl, or leave it on auto), take a smaller context length (-c) or fewer slots (-np), or --cache-type-k q8_0 --cache-type-v q8_0 with -fa on. `nvidia-smi` shows what else uses the memory.",
            zh: "减少放到 GPU 的层数（-ngl，或保持自动），减小上下文长度（-c）或并发槽数（-np），或在 -fa on 时使用 --cache-type-k q8_0 --cache-type-v q8_0。用 `nvidia-smi` 查看还有谁占用显存。",
        },
        link: Some("https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"),
        line: "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 13285.50 MiB on device 0: cudaMalloc failed: out of memory",
    },
    Known {
        id: "llamacpp.buffer_allocation",
        pattern: "alloc_tensor_range: failed to allocate {buffer} buffer of size {size}",
        severity: Severity::Error,
        cause: Text {
            en: "The device of buffer {buffer} has no room for {size} bytes, so the model or its KV cache cannot be loaded.",
            zh: "{buffer} 所在设备放不下 {size} 字节，模型或 KV cache 无法加载。",
        },
        advice: Text {
            en: "Lower -c or -np, put fewer layers on the GPU (-ngl), or take a smaller quantization. CUDA, ROCm or Vulkan in the name mean GPU memory, CPU means main memory.",
            zh: "减小 -c 或 -np，减少 GPU 层数（-ngl），或换更小的量化。名称中的 CUDA、ROCm、Vulkan 指显存，CPU 指主机内存。",
        },
        link: Some("https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"),
        line: "alloc_tensor_range: failed to allocate CUDA0 buffer of size 17448304640",
    },
    Known {
        id: "llamacpp.kv_allocation",
        pattern: "failed to initialize the context: failed to allocate buffer for kv cache",
        severity: Severity::Error,
        cause: Text {
            en: "The model was loaded, but the KV cache for the asked context length does not fit beside it.",
            zh: "模型已加载，但剩余显存放不下所要求上下文长度的 KV cache。",
        },
        advice: Text {
            en: "Start with a smaller -c (it is divided among the -np slots), or --cache-type-k q8_0 --cache-type-v q8_0 with -fa on, or fewer layers on the GPU (-ngl).",
            zh: "用更小的 -c 启动（由 -np 个槽共享），或在 -fa on 时使用 --cache-type-k q8_0 --cache-type-v q8_0，或减少 GPU 层数（-ngl）。",
        },
        link: Some("https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"),
        line: "llama_init_from_model: failed to initialize the context: failed to allocate buffer for kv cache",
    },
    Known {
        id: "llamacpp.compute_allocation",
        pattern: "failed to initialize the context: failed to allocate compute pp buffers",
        severity: Severity::Error,
        cause: Text {
            en: "The model and its KV cache fit, but not the work buffers for reading prompts.",
            zh: "模型和 KV cache 放得下，但处理提示词的计算缓冲区放不下。",
        },
        advice: Text {
            en: "Take a smaller physical batch (-ub 256), a smaller -c, or one layer less on the GPU (-ngl).",
            zh: "减小物理批大小（-ub 256）、减小 -c，或少放一层到 GPU（-ngl）。",
        },
        link: Some("https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"),
        line: "llama_init_from_model: failed to initialize the context: failed to allocate compute pp buffers",
    },
    Known {
        id: "llamacpp.kv_full",
        pattern: "failed to find free space in the KV cache",
        severity: Severity::Warn,
        cause: Text {
            en: "The requests together need more KV cache than there is. The server tries again with smaller batches, and ends requests if that does not help.",
            zh: "所有请求合计需要的 KV cache 超过了容量。服务器会用更小的批重试，仍不够时会终止请求。",
        },
        advice: Text {
            en: "Raise -c, or let fewer requests run at once: -np 1, or give each slot its own share with --no-kv-unified and -c = slots x longest request.",
            zh: "增大 -c，或减少并发：-np 1；也可用 --no-kv-unified 让每个槽独占份额，并设 -c = 槽数 × 最长请求。",
        },
        link: Some("https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"),
        line: "srv  update_slots: failed to find free space in the KV cache, retrying with smaller batch size, i = 0, n_batch = 1024, ret = 1",
    },
    Known {
        id: "llamacpp.context_exceeded",
        pattern: "exceeds the available context size ({size} tokens)",
        severity: Severity::Warn,
        cause: Text {
            en: "A request is longer than the context length of a slot ({size} tokens) and was refused.",
            zh: "请求长度超过单个槽的上下文长度（{size} token），已被拒绝。",
        },
        advice: Text {
            en: "Shorten the prompt or its history, or raise -c; it is shared by the -np slots, so fewer slots give each more.",
            zh: "缩短提示词或历史消息，或增大 -c；-c 由 -np 个槽平分，减少槽数可让每个槽更长。",
        },
        link: Some("https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"),
        line: "srv    send_error: task id = 12, error: request (48213 tokens) exceeds the available context size (32768 tokens), try increasing it",
    },
    Known {
        id: "llamacpp.batch_too_small",
        pattern: "is too large to process. increase the physical batch size",
        severity: Severity::Error,
        cause: Text {
            en: "An embedding or reranking input must fit into one physical batch, and this one does not.",
            zh: "向量化（embedding）或重排（rerank）的输入必须能放进一个物理批，该输入过长。",
        },
        advice: Text {
            en: "Start with -b and -ub as large as the longest input, e.g. -b 8192 -ub 8192; or cut the texts into shorter pieces.",
            zh: "启动时将 -b 和 -ub 设为不小于最长输入，例如 -b 8192 -ub 8192；或把文本切成更短的片段。",
        },
        link: Some("https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"),
        line: "srv    send_error: task id = 7, error: input (3926 tokens) is too large to process. increase the physical batch size (current batch size: 512)",
    },
    Known {
        id: "llamacpp.context_unused",
        pattern: "< n_ctx_train ({trained}) -- the full capacity",
        severity: Severity::Info,
        cause: Text {
            en: "Each slot has a shorter context length than the {trained} tokens the model was trained for. That is no fault.",
            zh: "每个槽的上下文长度小于模型训练时的 {trained} token。这不是故障。",
        },
        advice: Text {
            en: "Raise -c (up to {trained} per slot) if long requests are cut or refused and there is GPU memory left; otherwise nothing is to be done.",
            zh: "若长请求被截断或拒绝且显存有余，可增大 -c（每槽最多 {trained}）；否则无需处理。",
        },
        link: Some("https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"),
        line: "llama_context: n_ctx_seq (8192) < n_ctx_train (131072) -- the full capacity of the model will not be utilized",
    },
    Known {
        id: "llamacpp.context_overflow",
        pattern: "> n_ctx_train ({trained}) -- possible training context overflow",
        severity: Severity::Warn,
        cause: Text {
            en: "The context length is longer than the {trained} tokens the model was trained for; answers become poor beyond it.",
            zh: "上下文长度超过模型训练时的 {trained} token，超出部分回答质量会变差。",
        },
        advice: Text {
            en: "Set -c to {trained} or less per slot, or use RoPE scaling as the model's card says (--rope-scaling yarn).",
            zh: "将 -c 设为每槽不超过 {trained}，或按模型说明启用 RoPE 扩展（--rope-scaling yarn）。",
        },
        link: Some("https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"),
        line: "llama_context: n_ctx_seq (65536) > n_ctx_train (40960) -- possible training context overflow",
    },
    Known {
        id: "llamacpp.no_gpu",
        pattern: "no usable GPU found, --gpu-layers option will be ignored",
        severity: Severity::Warn,
        cause: Text {
            en: "This build of llama.cpp finds no GPU, so the model runs on the CPU and is many times slower.",
            zh: "当前 llama.cpp 没有找到可用 GPU，模型将在 CPU 上运行，速度会慢很多倍。",
        },
        advice: Text {
            en: "Use a build with the right backend (CUDA, ROCm, Vulkan), check `llama-server --list-devices` and `nvidia-smi`; in a container start it with `--gpus all`.",
            zh: "使用带对应后端（CUDA、ROCm、Vulkan）的版本，检查 `llama-server --list-devices` 和 `nvidia-smi`；容器需加 `--gpus all` 启动。",
        },
        link: Some("https://github.com/ggml-org/llama.cpp/blob/master/docs/build.md"),
        line: "warning: no usable GPU found, --gpu-layers option will be ignored",
    },
    Known {
        id: "llamacpp.port_taken",
        pattern: "couldn't bind HTTP server socket, hostname: {host}, port: {port}",
        severity: Severity::Error,
        cause: Text {
            en: "Port {port} is taken by another program, or {host} is no address of this machine, so the server ended.",
            zh: "端口 {port} 已被其他程序占用，或 {host} 不是本机地址，服务器已退出。",
        },
        advice: Text {
            en: "See who holds it: `ss -ltnp 'sport = :{port}'`; end that one, or start with another --port.",
            zh: "查看占用者：`ss -ltnp 'sport = :{port}'`；结束它，或换一个 --port 启动。",
        },
        link: Some("https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"),
        line: "srv         start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 8080",
    },
    Known {
        id: "llamacpp.file_incomplete",
        pattern: "tensor '{tensor}' data is not within the file bounds",
        severity: Severity::Error,
        cause: Text {
            en: "The model's file is cut off or damaged: the weights of {tensor} lie beyond its end.",
            zh: "模型文件不完整或已损坏：{tensor} 的权重超出了文件末尾。",
        },
        advice: Text {
            en: "Download the file again and compare its size and SHA-256 with the page of the model; check that the disk is not full (`df -h`).",
            zh: "重新下载模型文件，并与模型页面核对大小和 SHA-256；检查磁盘是否已满（`df -h`）。",
        },
        link: None,
        line: "llama_model_load: error loading model: tensor 'blk.54.ffn_down_exps.weight' data is not within the file bounds, model is corrupted or incomplete",
    },
    Known {
        id: "llamacpp.unknown_architecture",
        pattern: "unknown model architecture: '{architecture}'",
        severity: Severity::Error,
        cause: Text {
            en: "This version of llama.cpp does not know models of the kind '{architecture}'; the model is newer than the program, or it is a part such as a projector.",
            zh: "当前版本的 llama.cpp 不支持 '{architecture}' 架构的模型：模型比程序新，或该文件只是投影器等附件。",
        },
        advice: Text {
            en: "Update llama.cpp. If the file is a projector of a vision model, pass it with --mmproj beside the model (-m).",
            zh: "升级 llama.cpp。若文件是视觉模型的投影器，请用 --mmproj 传入，模型本体用 -m 指定。",
        },
        link: None,
        line: "llama_model_load: error loading model: error loading model architecture: unknown model architecture: 'qwen3next'",
    },
    Known {
        id: "llamacpp.open_failed",
        pattern: "gguf_init_from_file: failed to open GGUF file '{file}'",
        severity: Severity::Error,
        cause: Text {
            en: "The model's file {file} cannot be opened: it is not there, or may not be read.",
            zh: "无法打开模型文件 {file}：文件不存在或没有读取权限。",
        },
        advice: Text {
            en: "Check the path after -m and the rights: `ls -l {file}`. In a container the folder must be mounted (-v).",
            zh: "检查 -m 后的路径和权限：`ls -l {file}`。容器内需要用 -v 挂载该目录。",
        },
        link: None,
        line: "gguf_init_from_file: failed to open GGUF file '/models/qwen3-8b-q4_k_m.gguf' (No such file or directory)",
    },
    Known {
        id: "llamacpp.load_failed",
        pattern: "exiting due to model loading error",
        severity: Severity::Fatal,
        cause: Text {
            en: "The server ended because the model could not be loaded.",
            zh: "模型加载失败，服务器已退出。",
        },
        advice: Text {
            en: "The lines just before say why: memory (lower -c or -ngl), a damaged or missing file, or a model that is too new for this version.",
            zh: "原因见前面几行：显存不足（减小 -c 或 -ngl）、文件损坏或缺失，或模型对当前版本来说太新。",
        },
        link: None,
        line: "srv  llama_server: exiting due to model loading error",
    },
    Known {
        id: "llamacpp.prompt_again",
        pattern: "forcing full prompt re-processing due to lack of cache data",
        severity: Severity::Warn,
        cause: Text {
            en: "The cache of the earlier prompt could not be used again, so the whole prompt is computed anew and the first token comes late. Models with sliding window or recurrent memory do this.",
            zh: "之前的提示词缓存无法复用，整个提示词需重新计算，首 token 会变慢。使用滑动窗口（SWA）或循环结构的模型会出现此情况。",
        },
        advice: Text {
            en: "Keep the beginning of the prompt the same between requests (no time of day in it). Start with --swa-full if memory allows and the model has a sliding window, or with more checkpoints (--ctx-checkpoints); update llama.cpp.",
            zh: "让多次请求的提示词开头保持一致（不要放当前时间）。若模型使用滑动窗口且显存允许，加 --swa-full，或增加检查点（--ctx-checkpoints）；并升级 llama.cpp。",
        },
        link: Some("https://github.com/ggml-org/llama.cpp/pull/13194"),
        line: "slot update_slots: id  0 | task 1423 | forcing full prompt re-processing due to lack of cache data (likely due to SWA or hybrid/recurrent memory, see https://github.com/ggml-org/llama.cpp/pull/13194#issuecomment-2868343055)",
    },
    Known {
        id: "llamacpp.mlock",
        pattern: "failed to mlock {size}-byte buffer",
        severity: Severity::Warn,
        cause: Text {
            en: "The model could not be locked in main memory because of the limit for locked memory; parts of it may be swapped out.",
            zh: "由于锁定内存上限，模型无法锁定在主机内存中，部分内容可能被换出。",
        },
        advice: Text {
            en: "Raise the limit: `ulimit -l unlimited`, LimitMEMLOCK=infinity in the systemd unit, or `docker run --ulimit memlock=-1`; or start without --mlock.",
            zh: "提高上限：`ulimit -l unlimited`、systemd 单元中加 LimitMEMLOCK=infinity，或 `docker run --ulimit memlock=-1`；也可去掉 --mlock。",
        },
        link: None,
        line: "warning: failed to mlock 4831838208-byte buffer (after previously locking 0 bytes): Cannot allocate memory",
    },
    Known {
        id: "llamacpp.api_key",
        pattern: "unauthorized: Invalid API Key",
        severity: Severity::Warn,
        cause: Text {
            en: "A client called without the API key of this server, or with a wrong one.",
            zh: "客户端没有携带 API key，或 API key 不正确。",
        },
        advice: Text {
            en: "Give the client the key of --api-key (header `Authorization: Bearer ...`). Many such lines from an unknown address are someone trying keys: close the port to the outside.",
            zh: "为客户端配置 --api-key 中的密钥（请求头 `Authorization: Bearer ...`）。若来自陌生地址且大量出现，说明有人在试探密钥，请对外关闭端口。",
        },
        link: Some("https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"),
        line: "srv    operator(): unauthorized: Invalid API Key",
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
        line: "0.00.018.097 W srv  llama_server: CORS is set to allow all origins ('*') and no API key is set",
    },
];
