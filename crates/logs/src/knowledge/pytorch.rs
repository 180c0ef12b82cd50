//! PyTorch, CUDA, NCCL and Hugging Face's libraries, which all engines built on them share.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "cuda.memory",
        pattern: "CUDA out of memory. Tried to allocate {size}.",
        severity: Severity::Fatal,
        cause: Text {
            en: "The GPU's memory is full: {size} more were needed.",
            zh: "显存不足：还需要 {size}。",
        },
        advice: Text {
            en: "Lower what the engine takes (vLLM: --gpu-memory-utilization, --max-num-seqs, --max-model-len), stop other users of the GPU (nvidia-smi), or spread the model over more GPUs; where much is reserved but unused, PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True.",
            zh: "降低引擎占用（vLLM：--gpu-memory-utilization、--max-num-seqs、--max-model-len），停止其他占用者（nvidia-smi），或分布到更多 GPU；碎片较多时设置 PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True。",
        },
        link: None,
        line: "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.10 GiB is free.",
    },
    Known {
        id: "cuda.illegal_access",
        pattern: "CUDA error: an illegal memory access was encountered",
        severity: Severity::Fatal,
        cause: Text {
            en: "A kernel used memory that is not its own; everything on this GPU's process is lost, and it has to be started again.",
            zh: "CUDA 内核访问了非法地址，该进程状态已损坏，必须重启。",
        },
        advice: Text {
            en: "Restart; to find the kernel set CUDA_LAUNCH_BLOCKING=1, switch custom kernels off (vLLM --enforce-eager, another attention backend), update; look for Xid 31 or 13.",
            zh: "重启；定位可设 CUDA_LAUNCH_BLOCKING=1，停用自定义内核（vLLM --enforce-eager、更换 attention 后端），升级版本；查看 Xid 31、13。",
        },
        link: None,
        line: "RuntimeError: CUDA error: an illegal memory access was encountered",
    },
    Known {
        id: "cuda.device_assert",
        pattern: "CUDA error: device-side assert triggered",
        severity: Severity::Fatal,
        cause: Text {
            en: "A kernel found an index or value that must not be; mostly a token outside the vocabulary or a wrong LoRA. The process has to be started again.",
            zh: "CUDA 内核断言失败，多为越界 token 或不匹配的 LoRA，进程必须重启。",
        },
        advice: Text {
            en: "Restart; check that tokenizer, LoRA adapters and model belong together; CUDA_LAUNCH_BLOCKING=1 shows the place.",
            zh: "重启；确认分词器、LoRA 与模型匹配；设 CUDA_LAUNCH_BLOCKING=1 可定位。",
        },
        link: None,
        line: "RuntimeError: CUDA error: device-side assert triggered",
    },
    Known {
        id: "cuda.launch_failure",
        pattern: "CUDA error: unspecified launch failure",
        severity: Severity::Fatal,
        cause: Text {
            en: "Work on the GPU failed without a known reason; the process has to be started again.",
            zh: "GPU 任务失败，原因不明，进程必须重启。",
        },
        advice: Text {
            en: "Look for Xids of the kernel at that time; restart; if it repeats, test the card (dcgmi diag -r 3).",
            zh: "查看同一时刻的 Xid；重启；若反复出现，用 dcgmi diag -r 3 检测该卡。",
        },
        link: None,
        line: "RuntimeError: CUDA error: unspecified launch failure",
    },
    Known {
        id: "cuda.ecc",
        pattern: "uncorrectable ECC error encountered",
        severity: Severity::Fatal,
        cause: Text {
            en: "The GPU's memory had an error that could not be corrected.",
            zh: "显存发生不可纠正的 ECC 错误。",
        },
        advice: Text {
            en: "Reset the GPU (nvidia-smi --gpu-reset) or restart the host; if it repeats, have the card replaced.",
            zh: "用 nvidia-smi --gpu-reset 复位或重启主机；若反复出现，请更换该卡。",
        },
        link: None,
        line: "RuntimeError: CUDA error: uncorrectable ECC error encountered",
    },
    Known {
        id: "cuda.no_kernel",
        pattern: "CUDA error: no kernel image is available for execution on the device",
        severity: Severity::Fatal,
        cause: Text {
            en: "This build of PyTorch or of a kernel was not made for this GPU: it is too new or too old.",
            zh: "当前 PyTorch 或内核构建不支持该 GPU（过新或过旧）。",
        },
        advice: Text {
            en: "Install a build for its compute capability (newer CUDA wheels for new cards), or build with TORCH_CUDA_ARCH_LIST.",
            zh: "安装支持其计算能力的构建（新卡需更新的 CUDA 版本），或以 TORCH_CUDA_ARCH_LIST 自行编译。",
        },
        link: None,
        line: "RuntimeError: CUDA error: no kernel image is available for execution on the device",
    },
    Known {
        id: "cuda.driver_old",
        pattern: "The NVIDIA driver on your system is too old (found version {version})",
        severity: Severity::Fatal,
        cause: Text {
            en: "The NVIDIA driver ({version}) is older than this PyTorch needs.",
            zh: "NVIDIA 驱动（{version}）低于该 PyTorch 的要求。",
        },
        advice: Text {
            en: "Update the driver, or install PyTorch for an older CUDA.",
            zh: "升级驱动，或安装面向较旧 CUDA 的 PyTorch。",
        },
        link: None,
        line: "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
    },
    Known {
        id: "cuda.no_driver",
        pattern: "Found no NVIDIA driver on your system",
        severity: Severity::Fatal,
        cause: Text {
            en: "No NVIDIA driver is found: it is not installed, not loaded, or the container does not get the GPUs.",
            zh: "未找到 NVIDIA 驱动：未安装、未加载，或容器未获得 GPU。",
        },
        advice: Text {
            en: "Run nvidia-smi; in containers docker run --gpus all with the NVIDIA container toolkit.",
            zh: "运行 nvidia-smi；容器需安装 NVIDIA container toolkit 并用 docker run --gpus all。",
        },
        link: None,
        line: "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from http://www.nvidia.com/Download/index.aspx",
    },
    Known {
        id: "nccl.watchdog",
        pattern: "Watchdog caught collective operation timeout: {work} ran for",
        severity: Severity::Fatal,
        cause: Text {
            en: "GPUs that work together did not come together within the time limit: one of them hangs or died ({work}).",
            zh: "协同工作的 GPU 未在时限内完成集合通信，其中某个已挂起或退出（{work}）。",
        },
        advice: Text {
            en: "Find the rank that did not take part: the one without this line, or with an Xid; check NVLink and network; NCCL_DEBUG=INFO; restart all ranks.",
            zh: "找出未参与的 rank（没有该行或有 Xid 的那个）；检查 NVLink 与网络；设 NCCL_DEBUG=INFO；重启所有 rank。",
        },
        link: None,
        line: "[rank1]:[E1122 09:51:00.123456789 ProcessGroupNCCL.cpp:616] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=42, OpType=ALLREDUCE, NumelIn=4096, NumelOut=4096, Timeout(ms)=600000) ran for 600001 milliseconds before timing out.",
    },
    Known {
        id: "nccl.stuck",
        pattern: "watchdog got stuck for {seconds} seconds without making progress",
        severity: Severity::Fatal,
        cause: Text {
            en: "The thread that watches the communication of GPUs has been stuck for {seconds} s: mostly a deadlock with the GPU's driver.",
            zh: "监视 GPU 通信的线程已卡住 {seconds} 秒，多为与驱动死锁。",
        },
        advice: Text {
            en: "Restart the engine; look for Xids; update the driver and NCCL.",
            zh: "重启引擎；查看 Xid；升级驱动与 NCCL。",
        },
        link: None,
        line: "ProcessGroupNCCL's watchdog got stuck for 480 seconds without making progress in monitoring enqueued collectives.",
    },
    Known {
        id: "nccl.shared_memory",
        pattern: "Error while creating shared memory segment",
        severity: Severity::Fatal,
        cause: Text {
            en: "NCCL found no room in /dev/shm, which is 64 MB in a container unless told otherwise.",
            zh: "NCCL 在 /dev/shm 中空间不足；容器默认仅 64 MB。",
        },
        advice: Text {
            en: "Start the container with --ipc=host or --shm-size=16g (Kubernetes: an emptyDir of medium Memory at /dev/shm).",
            zh: "以 --ipc=host 或 --shm-size=16g 启动容器（Kubernetes 在 /dev/shm 挂载 medium: Memory 的 emptyDir）。",
        },
        link: None,
        line: "NCCL WARN Error while creating shared memory segment /dev/shm/nccl-AbCdEf (size 9637888), error: No space left on device (28)",
    },
    Known {
        id: "nccl.remote",
        pattern: "ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely",
        severity: Severity::Fatal,
        cause: Text {
            en: "Another rank ended, or the network between ranks failed.",
            zh: "其他 rank 已退出，或 rank 之间网络故障。",
        },
        advice: Text {
            en: "Look for the first error among the other ranks; check the network (NCCL_SOCKET_IFNAME names the interface).",
            zh: "在其他 rank 中查找最早的错误；检查网络（NCCL_SOCKET_IFNAME 指定网卡）。",
        },
        link: None,
        line: "torch.distributed.DistBackendError: NCCL error in: ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.",
    },
    Known {
        id: "pytorch.port_taken",
        pattern: "[Errno 98] {}ddress already in use",
        severity: Severity::Fatal,
        cause: Text {
            en: "The port is taken by another program, often by the engine's own former process.",
            zh: "端口已被其他程序占用，常为引擎未退出的旧进程。",
        },
        advice: Text {
            en: "See who has it (ss -ltnp), stop it, or take another port.",
            zh: "用 ss -ltnp 查看并停止占用者，或更换端口。",
        },
        link: None,
        line: "OSError: [Errno 98] Address already in use",
    },
    Known {
        id: "pytorch.disk_full",
        pattern: "No space left on device (os error 28)",
        severity: Severity::Fatal,
        cause: Text {
            en: "The disk is full: a download or a cache could not be written.",
            zh: "磁盘已满，下载或缓存无法写入。",
        },
        advice: Text {
            en: "Free space (hf cache scan, docker system df), or put HF_HOME on a larger disk.",
            zh: "清理空间（hf cache scan、docker system df），或将 HF_HOME 指向更大的磁盘。",
        },
        link: None,
        line: "RuntimeError: Data processing error: CAS service error : IO Error: No space left on device (os error 28)",
    },
    Known {
        id: "pytorch.open_files",
        pattern: "OSError: [Errno 24] Too many open files",
        severity: Severity::Error,
        cause: Text {
            en: "The engine has as many open files and connections as it may: new requests fail.",
            zh: "引擎打开的文件与连接数达到上限，新请求会失败。",
        },
        advice: Text {
            en: "Raise the limit (ulimit -n 65536, LimitNOFILE in the unit, docker run --ulimit nofile=65536); look for clients that leave connections open.",
            zh: "提高上限（ulimit -n 65536、systemd 的 LimitNOFILE、docker run --ulimit nofile=65536）；排查不关闭连接的客户端。",
        },
        link: None,
        line: "OSError: [Errno 24] Too many open files",
    },
    Known {
        id: "huggingface.gated",
        pattern: "Cannot access gated repo for url",
        severity: Severity::Fatal,
        cause: Text {
            en: "The model needs an account that accepted its licence, and a token.",
            zh: "该模型需要登录并接受许可后才能下载。",
        },
        advice: Text {
            en: "Accept the licence on the model's page and give the token (HF_TOKEN), or copy the model's files onto this machine and name the folder.",
            zh: "在模型页面接受许可并设置 HF_TOKEN，或将模型文件复制到本机并指定目录。",
        },
        link: None,
        line: "Cannot access gated repo for url https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct/resolve/main/config.json.",
    },
    Known {
        id: "huggingface.offline",
        pattern: "couldn't connect to 'https://huggingface.co' to load",
        severity: Severity::Fatal,
        cause: Text {
            en: "The model's files are not on this machine, and the network does not reach Hugging Face.",
            zh: "本机没有模型文件，且无法连接 Hugging Face。",
        },
        advice: Text {
            en: "Copy the model onto this machine and name the folder; or set HF_ENDPOINT to a mirror; with the files in the cache set HF_HUB_OFFLINE=1.",
            zh: "将模型复制到本机并指定目录；或用 HF_ENDPOINT 指向镜像；缓存中已有文件时设 HF_HUB_OFFLINE=1。",
        },
        link: None,
        line: "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the cached files.",
    },
    Known {
        id: "huggingface.not_a_model",
        pattern: "is not a local folder and is not a valid model identifier listed on",
        severity: Severity::Fatal,
        cause: Text {
            en: "There is no model of that name, neither as a folder here nor at Hugging Face, or it is private.",
            zh: "没有该名称的模型：既不是本地目录，也不在 Hugging Face 上，或为私有仓库。",
        },
        advice: Text {
            en: "Check the name and the folder (in containers the mounted path); give HF_TOKEN for private ones.",
            zh: "检查名称与目录（容器内的挂载路径）；私有仓库需设置 HF_TOKEN。",
        },
        link: None,
        line: "OSError: my/model is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'",
    },
    Known {
        id: "huggingface.weights_damaged",
        pattern: "Error while deserializing header:",
        severity: Severity::Fatal,
        cause: Text {
            en: "A file of the model's weights is damaged or not whole, often because a download broke off or Git LFS left a pointer.",
            zh: "模型权重文件损坏或不完整，常因下载中断或只拉取了 Git LFS 指针。",
        },
        advice: Text {
            en: "Compare sizes and checksums, download it again (hf download), run git lfs pull.",
            zh: "核对大小与校验和，重新下载（hf download），或执行 git lfs pull。",
        },
        link: None,
        line: "safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata, file not fully covered",
    },
];
