//! PyTorch, CUDA and NCCL, which all engines built on them share.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "cuda.out_of_memory",
        pattern: "CUDA out of memory. Tried to allocate {asked} {unit}",
        severity: Severity::Error,
        cause: Text {
            en: "The GPU's memory ran out: {asked} {unit} more were asked for than were free.",
            zh: "显存不足：还需要 {asked} {unit}，但已没有足够的空闲显存。",
        },
        advice: Text {
            en: "See with nvidia-smi whether another process holds memory; then lower the context length or the number of concurrent requests, or use a quantised model or more GPUs.",
            zh: "用 nvidia-smi 检查是否有其他进程占用显存；然后减小上下文长度或并发数，或改用量化模型、增加 GPU。",
        },
        link: Some("https://docs.pytorch.org/docs/stable/notes/cuda.html"),
        line: "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.64 GiB of which 1.10 GiB is free.",
    },
    Known {
        id: "cuda.illegal_memory_access",
        pattern: "an illegal memory access was encountered",
        severity: Severity::Fatal,
        cause: Text {
            en: "A computation on the GPU touched memory that is not its own; the process cannot go on.",
            zh: "GPU 计算访问了非法显存地址，进程无法继续。",
        },
        advice: Text {
            en: "Restart the engine; if it returns, upgrade it, try another attention backend, and look for Xid lines in dmesg.",
            zh: "重启引擎；若再次出现，请升级版本、更换 attention backend，并在 dmesg 中查看 Xid。",
        },
        link: None,
        line: "torch.AcceleratorError: CUDA error: an illegal memory access was encountered",
    },
    Known {
        id: "cuda.device_assert",
        pattern: "CUDA error: device-side assert triggered",
        severity: Severity::Fatal,
        cause: Text {
            en: "A check inside a computation on the GPU failed, often a token or position out of range; the process cannot go on.",
            zh: "GPU 计算中的检查失败，常见为 token 或位置编号越界；进程无法继续。",
        },
        advice: Text {
            en: "Restart the engine; check that the tokenizer belongs to the model and the context length is not above the model's own. CUDA_LAUNCH_BLOCKING=1 shows the place.",
            zh: "重启引擎；检查 tokenizer 与模型是否匹配、上下文长度是否超过模型上限。用 CUDA_LAUNCH_BLOCKING=1 可定位。",
        },
        link: None,
        line: "RuntimeError: CUDA error: device-side assert triggered",
    },
    Known {
        id: "cuda.launch_failure",
        pattern: "unspecified launch failure",
        severity: Severity::Fatal,
        cause: Text {
            en: "A computation on the GPU broke off for a reason that CUDA does not name.",
            zh: "GPU 计算异常中止，CUDA 未给出具体原因。",
        },
        advice: Text {
            en: "Restart the engine; look for Xid lines in dmesg, and check the GPU with dcgmi diag -r 2.",
            zh: "重启引擎；在 dmesg 中查看 Xid，并用 dcgmi diag -r 2 检查 GPU。",
        },
        link: None,
        line: "RuntimeError: CUDA error: unspecified launch failure",
    },
    Known {
        id: "cuda.ecc_uncorrectable",
        pattern: "uncorrectable ECC error encountered",
        severity: Severity::Fatal,
        cause: Text {
            en: "The GPU's memory has a fault that could not be corrected.",
            zh: "显存发生无法纠正的 ECC 错误，属于硬件故障。",
        },
        advice: Text {
            en: "Stop the work on this GPU and reset it (nvidia-smi -r); see nvidia-smi -q -d ECC,ROW_REMAPPER, and have the card replaced if it returns.",
            zh: "停止该 GPU 上的任务并复位（nvidia-smi -r）；查看 nvidia-smi -q -d ECC,ROW_REMAPPER，若再次出现请更换显卡。",
        },
        link: None,
        line: "RuntimeError: CUDA error: uncorrectable ECC error encountered",
    },
    Known {
        id: "cuda.no_kernel_image",
        pattern: "no kernel image is available for execution on the device",
        severity: Severity::Error,
        cause: Text {
            en: "The software was not built for this GPU: the card is too new or too old for it.",
            zh: "软件没有为这块 GPU 编译：显卡过新或过旧。",
        },
        advice: Text {
            en: "Install a build of PyTorch and of the engine for this GPU: a newer CUDA for a new card, an older release for an old one.",
            zh: "安装支持该 GPU 的 PyTorch 和引擎版本：新卡用更新的 CUDA，旧卡用较旧的版本。",
        },
        link: None,
        line: "RuntimeError: CUDA error: no kernel image is available for execution on the device",
    },
    Known {
        id: "cuda.driver_too_old",
        pattern: "The NVIDIA driver on your system is too old (found version {version})",
        severity: Severity::Error,
        cause: Text {
            en: "The NVIDIA driver supports CUDA {version} only, older than PyTorch needs.",
            zh: "NVIDIA 驱动只支持 CUDA {version}，低于 PyTorch 的要求。",
        },
        advice: Text {
            en: "Upgrade the driver on the host, or install a PyTorch or image built for an older CUDA.",
            zh: "升级宿主机驱动，或安装针对较旧 CUDA 构建的 PyTorch 或镜像。",
        },
        link: None,
        line: "RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver",
    },
    Known {
        id: "cuda.no_driver",
        pattern: "Found no NVIDIA driver on your system",
        severity: Severity::Error,
        cause: Text {
            en: "No NVIDIA driver can be seen by the process.",
            zh: "进程看不到 NVIDIA 驱动。",
        },
        advice: Text {
            en: "Run nvidia-smi on the host; in a container, start with --gpus all and the NVIDIA Container Toolkit.",
            zh: "在宿主机运行 nvidia-smi；容器请用 --gpus all 启动并安装 NVIDIA Container Toolkit。",
        },
        link: None,
        line: "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from http://www.nvidia.com/Download/index.aspx",
    },
    Known {
        id: "pytorch.cpu_only_build",
        pattern: "Torch not compiled with CUDA enabled",
        severity: Severity::Error,
        cause: Text {
            en: "The installed PyTorch is the one for the processor only; it cannot use a GPU.",
            zh: "安装的 PyTorch 是仅 CPU 版本，无法使用 GPU。",
        },
        advice: Text {
            en: "Install a CUDA build: pip install torch --index-url https://download.pytorch.org/whl/cu128 (or the engine's own image).",
            zh: "安装 CUDA 版：pip install torch --index-url https://download.pytorch.org/whl/cu128（或使用引擎官方镜像）。",
        },
        link: Some("https://pytorch.org/get-started/locally/"),
        line: "AssertionError: Torch not compiled with CUDA enabled",
    },
    Known {
        id: "nccl.collective_timeout",
        pattern: "Watchdog caught collective operation timeout: {work} ran for {took} milliseconds",
        severity: Severity::Fatal,
        cause: Text {
            en: "The GPUs waited {took} ms for each other and gave up: one of them hangs or its process has died.",
            zh: "GPU 之间互相等待 {took} ms 后超时：其中一块卡住，或其进程已退出。",
        },
        advice: Text {
            en: "Restart the engine; look at the first error of the other ranks and at Xid lines in dmesg; NCCL_DEBUG=INFO tells more, NCCL_P2P_DISABLE=1 helps where PCIe peer access is broken.",
            zh: "重启引擎；查看其他 rank 的第一条错误和 dmesg 中的 Xid；NCCL_DEBUG=INFO 可看详情，PCIe P2P 异常时可试 NCCL_P2P_DISABLE=1。",
        },
        link: None,
        line: "[rank1]:[E1122 09:51:00.1 ProcessGroupNCCL.cpp:616] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=5, OpType=ALLREDUCE, Timeout(ms)=600000) ran for 600029 milliseconds before timing out.",
    },
    Known {
        id: "nccl.watchdog_stuck",
        pattern: "watchdog got stuck for {seconds} seconds",
        severity: Severity::Fatal,
        cause: Text {
            en: "The communication between GPUs has stood still for {seconds} seconds; the process ends itself.",
            zh: "GPU 间通信已停滞 {seconds} 秒，进程将自行终止。",
        },
        advice: Text {
            en: "Restart the engine; look at the GPUs (nvidia-smi, Xid lines in dmesg) and set NCCL_DEBUG=INFO.",
            zh: "重启引擎；检查 GPU（nvidia-smi、dmesg 中的 Xid），并设置 NCCL_DEBUG=INFO。",
        },
        link: None,
        line: "[rank0]:[F1122 09:51:00.1 ProcessGroupNCCL.cpp:1554] [PG ID 0 Rank 0] ProcessGroupNCCL's watchdog got stuck for 480 seconds without making progress in monitoring enqueued collectives.",
    },
    Known {
        id: "nccl.shm_too_small",
        pattern: "Error while creating shared memory segment /dev/shm/nccl",
        severity: Severity::Error,
        cause: Text {
            en: "Shared memory (/dev/shm) is too small for the GPUs to exchange data; Docker gives 64 MB by default.",
            zh: "共享内存 /dev/shm 太小，GPU 之间无法交换数据；Docker 默认只有 64 MB。",
        },
        advice: Text {
            en: "Start the container with --ipc=host or --shm-size=16g; in Kubernetes mount an emptyDir with medium: Memory at /dev/shm.",
            zh: "容器用 --ipc=host 或 --shm-size=16g 启动；Kubernetes 在 /dev/shm 挂载 medium: Memory 的 emptyDir。",
        },
        link: Some(
            "https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/troubleshooting.html",
        ),
        line: "misc/shmutils.cc:113 NCCL WARN Error while creating shared memory segment /dev/shm/nccl-UbzKZ9 (size 9637888)",
    },
    Known {
        id: "nccl.remote_error",
        pattern: "NCCL error: remote process exited or there was a network error",
        severity: Severity::Error,
        cause: Text {
            en: "The process of another GPU or machine ended, or the network between them broke.",
            zh: "另一块 GPU 或另一台机器的进程已退出，或网络中断。",
        },
        advice: Text {
            en: "Look at the log of the other ranks for the first error; with several machines, set NCCL_SOCKET_IFNAME to the right network card.",
            zh: "查看其他 rank 日志中的第一条错误；多机时把 NCCL_SOCKET_IFNAME 设为正确的网卡。",
        },
        link: None,
        line: "RuntimeError: NCCL error: remote process exited or there was a network error",
    },
    Known {
        id: "huggingface.gated",
        pattern: "Cannot access gated repo for url {url}",
        severity: Severity::Error,
        cause: Text {
            en: "The model is given only to accounts that accepted its terms.",
            zh: "该模型为受限（gated）仓库，需先同意条款才能下载。",
        },
        advice: Text {
            en: "Accept the terms on the model's page, then set HF_TOKEN or run hf auth login.",
            zh: "在模型页面同意条款，然后设置 HF_TOKEN 或运行 hf auth login。",
        },
        link: Some("https://huggingface.co/docs/hub/models-gated"),
        line: "Cannot access gated repo for url https://huggingface.co/api/models/meta-llama/Llama-3.1-8B.",
    },
    Known {
        id: "huggingface.not_found",
        pattern: "Repository Not Found for url: {url}",
        severity: Severity::Error,
        cause: Text {
            en: "There is no such model on Hugging Face, or it is private.",
            zh: "Hugging Face 上没有该模型，或它是私有的。",
        },
        advice: Text {
            en: "Check the spelling (owner/name); for a private model set HF_TOKEN.",
            zh: "检查名称拼写（所有者/模型名）；私有模型请设置 HF_TOKEN。",
        },
        link: None,
        line: "Repository Not Found for url: https://huggingface.co/api/models/foo/bar.",
    },
    Known {
        id: "huggingface.not_a_model",
        pattern: "{model} is not a local folder and is not a valid model identifier",
        severity: Severity::Error,
        cause: Text {
            en: "The path or name of the model is wrong: no such folder here, no such model on Hugging Face.",
            zh: "模型路径或名称有误：本地没有该目录，Hugging Face 上也没有该模型。",
        },
        advice: Text {
            en: "Check the path (in a container: the mount), or the name in the form owner/name.",
            zh: "检查路径（容器中检查挂载），或使用“所有者/模型名”格式。",
        },
        link: None,
        line: "OSError: qwen3 is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'",
    },
    Known {
        id: "huggingface.no_connection",
        pattern: "We couldn't connect to '{host}' to load",
        severity: Severity::Error,
        cause: Text {
            en: "The model's files are not here, and {host} cannot be reached.",
            zh: "本地没有模型文件，且无法连接 {host}。",
        },
        advice: Text {
            en: "Check the network and proxy, set HF_ENDPOINT to a mirror (https://hf-mirror.com), or give the path of a downloaded folder.",
            zh: "检查网络和代理，把 HF_ENDPOINT 设为镜像（https://hf-mirror.com），或指定已下载的目录。",
        },
        link: None,
        line: "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the cached files.",
    },
    Known {
        id: "huggingface.offline_missing",
        pattern: "outgoing traffic has been disabled",
        severity: Severity::Error,
        cause: Text {
            en: "Files of the model are missing here, and downloading is switched off (offline mode).",
            zh: "本地缺少模型文件，且已启用离线模式，不会下载。",
        },
        advice: Text {
            en: "Download once with hf download OWNER/NAME, or unset HF_HUB_OFFLINE.",
            zh: "先用 hf download 所有者/模型名 下载，或取消 HF_HUB_OFFLINE。",
        },
        link: None,
        line: "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find the requested files in the disk cache and outgoing traffic has been disabled. To enable hf.co look-ups and downloads online, set 'local_files_only' to False.",
    },
    Known {
        id: "huggingface.disk_full",
        pattern: "Not enough free disk space to download the file",
        severity: Severity::Error,
        cause: Text {
            en: "The disk has no room for the model's files.",
            zh: "磁盘空间不足，无法下载模型文件。",
        },
        advice: Text {
            en: "Free space (hf cache ls shows old models), or set HF_HOME to a larger disk.",
            zh: "清理空间（查看缓存中的旧模型），或把 HF_HOME 设到更大的磁盘。",
        },
        link: None,
        line: "UserWarning: Not enough free disk space to download the file. The expected file size is: 4976.70 MB. The target location /models/huggingface only has 812.00 MB free disk space.",
    },
    Known {
        id: "huggingface.weights_damaged",
        pattern: "Error while deserializing header",
        severity: Severity::Error,
        cause: Text {
            en: "A weight file is damaged or was not downloaded to its end.",
            zh: "权重文件损坏或没有下载完整。",
        },
        advice: Text {
            en: "Delete the file and download it again (hf download --force-download); check the free disk space. A Git LFS pointer instead of the file gives the same error.",
            zh: "删除该文件并重新下载（hf download --force-download），并检查磁盘空间；若文件只是 Git LFS 指针也会报此错。",
        },
        link: None,
        line: "safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata, file not fully covered",
    },
    Known {
        id: "huggingface.custom_code",
        pattern: "contains custom code which must be executed",
        severity: Severity::Error,
        cause: Text {
            en: "The model brings its own program code, which is not run unless it is allowed.",
            zh: "模型带有自定义代码，未经允许不会执行。",
        },
        advice: Text {
            en: "Read the code first; if you trust its author, start with --trust-remote-code.",
            zh: "先检查代码；若信任作者，用 --trust-remote-code 启动。",
        },
        link: None,
        line: "ValueError: The repository foo/bar contains custom code which must be executed to correctly load the model.",
    },
    Known {
        id: "huggingface.architecture_unknown",
        pattern: "but Transformers does not recognize this architecture",
        severity: Severity::Error,
        cause: Text {
            en: "The installed Transformers library is older than this kind of model.",
            zh: "已安装的 Transformers 版本过旧，不认识该模型架构。",
        },
        advice: Text {
            en: "Upgrade the engine, or pip install -U transformers.",
            zh: "升级引擎，或执行 pip install -U transformers。",
        },
        link: None,
        line: "ValueError: The checkpoint you are trying to load has model type `qwen9` but Transformers does not recognize this architecture.",
    },
    Known {
        id: "huggingface.chat_template_missing",
        pattern: "tokenizer.chat_template is not set",
        severity: Severity::Error,
        cause: Text {
            en: "The tokenizer has no chat template, so chat requests fail; it may be a base model.",
            zh: "tokenizer 没有 chat template，对话请求会失败；它可能是基座模型。",
        },
        advice: Text {
            en: "Give one with --chat-template FILE, or use the instruct version of the model.",
            zh: "用 --chat-template 文件 指定，或改用 instruct 版本的模型。",
        },
        link: None,
        line: "ValueError: Cannot use chat template functions because tokenizer.chat_template is not set and no template argument was passed!",
    },
    Known {
        id: "pytorch.python_module_missing",
        pattern: "ModuleNotFoundError: No module named '{module}'",
        severity: Severity::Error,
        cause: Text {
            en: "The Python package {module} is not installed where the engine runs.",
            zh: "引擎运行环境中缺少 Python 包 {module}。",
        },
        advice: Text {
            en: "Install it into the same environment (pip install), or use the engine's official image.",
            zh: "在同一环境中用 pip install 安装，或使用引擎官方镜像。",
        },
        link: None,
        line: "ModuleNotFoundError: No module named 'flash_attn'",
    },
    Known {
        id: "pytorch.port_in_use",
        pattern: "[Errno 98]",
        severity: Severity::Error,
        cause: Text {
            en: "The port is taken by another program, often an old instance that did not end.",
            zh: "端口已被其他程序占用，常见为旧实例没有退出。",
        },
        advice: Text {
            en: "Find it with ss -ltnp and end it, or choose another --port.",
            zh: "用 ss -ltnp 找到并结束该进程，或换一个 --port。",
        },
        link: None,
        line: "OSError: [Errno 98] Address already in use",
    },
    Known {
        id: "pytorch.open_files_limit",
        pattern: "OSError: [Errno 24] Too many open files: ",
        severity: Severity::Error,
        cause: Text {
            en: "The process has as many files and connections open as it may; new requests fail.",
            zh: "进程打开的文件和连接数已达上限，新请求会失败。",
        },
        advice: Text {
            en: "Raise the limit: ulimit -n 65535, LimitNOFILE= in systemd, or --ulimit nofile=65535 in Docker.",
            zh: "提高上限：ulimit -n 65535、systemd 的 LimitNOFILE=，Docker 用 --ulimit nofile=65535。",
        },
        link: None,
        line: "OSError: [Errno 24] Too many open files: '/proc/meminfo'",
    },
    Known {
        id: "pytorch.disk_full",
        pattern: "OSError: [Errno 28] No space left on device",
        severity: Severity::Error,
        cause: Text {
            en: "A disk (or /dev/shm) is full; writing failed.",
            zh: "磁盘（或 /dev/shm）已满，写入失败。",
        },
        advice: Text {
            en: "Look with df -h which one it is, and free space; for /dev/shm start the container with --shm-size=16g.",
            zh: "用 df -h 查看哪个分区已满并清理；若是 /dev/shm，容器用 --shm-size=16g 启动。",
        },
        link: None,
        line: "OSError: [Errno 28] No space left on device",
    },
    Known {
        id: "pytorch.api_key_wrong",
        pattern: "HTTP/1.1\" 401",
        severity: Severity::Warn,
        cause: Text {
            en: "A client sent no API key, or a wrong one; it was refused.",
            zh: "客户端没有携带 API key 或 key 错误，已被拒绝。",
        },
        advice: Text {
            en: "Set the client's key to the one given with --api-key; many of these from an unknown address are someone trying.",
            zh: "把客户端的 key 设为 --api-key 的值；若来自陌生地址且数量很多，可能有人在试探。",
        },
        link: None,
        line: "INFO:     10.0.0.7:50412 - \"POST /v1/chat/completions HTTP/1.1\" 401 Unauthorized",
    },
    Known {
        id: "cuda.device_number_wrong",
        pattern: "CUDA error: invalid device ordinal",
        severity: Severity::Error,
        cause: Text {
            en: "A GPU was asked for that the process does not have.",
            zh: "程序要求使用的 GPU 编号不存在。",
        },
        advice: Text {
            en: "Lower --tensor-parallel-size (or --tp) to the number of GPUs that nvidia-smi lists; check CUDA_VISIBLE_DEVICES.",
            zh: "把 --tensor-parallel-size（或 --tp）降到 nvidia-smi 列出的 GPU 数量；检查 CUDA_VISIBLE_DEVICES。",
        },
        link: None,
        line: "RuntimeError: CUDA error: invalid device ordinal",
    },
];
