//! The kernel and the drivers it speaks for: Xids, memory, disks, links.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "kernel.xid_13",
        pattern: "Xid (PCI:{device}): 13,",
        severity: Severity::Error,
        cause: Text {
            en: "A program on the GPU at {device} did something the GPU refuses (graphics engine exception), mostly a fault in a kernel of the program, rarely of the hardware.",
            zh: "{device} 上的 GPU 程序触发了图形引擎异常，多为程序内核的缺陷，少数为硬件问题。",
        },
        advice: Text {
            en: "Restart the engine; if it comes again with another program too, test the card with dcgmi diag -r 3 and check its cooling and power.",
            zh: "重启引擎；若换程序后仍出现，用 dcgmi diag -r 3 检测该卡，并检查散热与供电。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 13, pid=4242, name=python3, Graphics Exception: ESR 0x504648=0x8000000e",
    },
    Known {
        id: "kernel.xid_31",
        pattern: "Xid (PCI:{device}): 31,",
        severity: Severity::Error,
        cause: Text {
            en: "A program used an address on the GPU at {device} that it must not use (MMU fault). The program is ended; the card is fine.",
            zh: "{device} 上的程序访问了非法显存地址（MMU fault），程序会被终止，卡本身通常正常。",
        },
        advice: Text {
            en: "Restart the engine and update it: it is a defect of the program or of one of its kernels. Try without custom kernels (for vLLM --enforce-eager, another attention backend).",
            zh: "重启并升级引擎：这是程序或其内核的缺陷。可先停用自定义内核（vLLM 用 --enforce-eager 或更换 attention 后端）。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 31, pid=4242, name=python3, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS",
    },
    Known {
        id: "kernel.xid_43",
        pattern: "Xid (PCI:{device}): 43,",
        severity: Severity::Warn,
        cause: Text {
            en: "The GPU at {device} stopped a program's channel after an error of the program; other programs go on.",
            zh: "{device} 上的 GPU 因程序错误停止了该程序的通道，其他程序不受影响。",
        },
        advice: Text {
            en: "Restart the engine that ended; read its own log for the error that came before.",
            zh: "重启退出的引擎，并在其日志中查看此前的错误。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 43, pid=4242, name=python3, Ch 00000010",
    },
    Known {
        id: "kernel.xid_45",
        pattern: "Xid (PCI:{device}): 45,",
        severity: Severity::Warn,
        cause: Text {
            en: "Work on the GPU at {device} was cleaned up because its program ended or another error came before.",
            zh: "{device} 上的 GPU 任务被清理：程序已退出，或此前已有其他错误。",
        },
        advice: Text {
            en: "Look at the Xid or the engine's error just before this one; this line alone needs nothing.",
            zh: "查看紧接在前的 Xid 或引擎错误；仅有本行时无需处理。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 45, pid=4242, name=python3, Ch 00000012",
    },
    Known {
        id: "kernel.xid_48",
        pattern: "Xid (PCI:{device}): 48,",
        severity: Severity::Fatal,
        cause: Text {
            en: "The memory of the GPU at {device} had an error that ECC could not correct (double bit). What was computed is lost.",
            zh: "{device} 的显存发生 ECC 无法纠正的双比特错误，相关计算结果已丢失。",
        },
        advice: Text {
            en: "Restart the engine; reset the GPU (nvidia-smi --gpu-reset) or reboot so that the page is retired or the row remapped; if it repeats, have the card replaced.",
            zh: "重启引擎；用 nvidia-smi --gpu-reset 或重启主机完成页退役/行重映射；若反复出现，请更换该卡。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 48, pid='<unknown>', name=<unknown>, An uncorrectable double bit error (DBE) has been detected",
    },
    Known {
        id: "kernel.xid_61",
        pattern: "Xid (PCI:{device}): 61,",
        severity: Severity::Error,
        cause: Text {
            en: "The microcontroller of the GPU at {device} hit a breakpoint or warning of its own firmware.",
            zh: "{device} 的 GPU 内部微控制器固件报告断点/警告。",
        },
        advice: Text {
            en: "Restart the host; update driver and VBIOS; if it repeats, have the card checked.",
            zh: "重启主机；升级驱动与 VBIOS；若反复出现，请检修该卡。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 61, pid=4242, 0cec(3098) 00000000 00000000",
    },
    Known {
        id: "kernel.xid_62",
        pattern: "Xid (PCI:{device}): 62,",
        severity: Severity::Error,
        cause: Text {
            en: "The microcontroller of the GPU at {device} halted; the GPU does not answer until it is reset.",
            zh: "{device} 的 GPU 内部微控制器停止工作，复位前 GPU 无响应。",
        },
        advice: Text {
            en: "Reset the GPU (nvidia-smi --gpu-reset) or restart the host; update the driver; check power and temperature.",
            zh: "用 nvidia-smi --gpu-reset 复位或重启主机；升级驱动；检查供电与温度。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 62, pid=4242, 00c0(2bc4) 00000000 00000000",
    },
    Known {
        id: "kernel.xid_63",
        pattern: "Xid (PCI:{device}): 63,",
        severity: Severity::Warn,
        cause: Text {
            en: "The GPU at {device} noted a bad piece of memory to be retired (or remapped); it takes effect with the next reset.",
            zh: "{device} 记录了一处需退役（或重映射）的坏显存，下次复位后生效。",
        },
        advice: Text {
            en: "Plan a reset of the GPU or a reboot; watch nvidia-smi -q -d ROW_REMAPPER,PAGE_RETIREMENT.",
            zh: "安排 GPU 复位或重启；关注 nvidia-smi -q -d ROW_REMAPPER,PAGE_RETIREMENT。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 63, pid='<unknown>', name=<unknown>, Row Remapper: New row marked for remapping, reset gpu to activate.",
    },
    Known {
        id: "kernel.xid_64",
        pattern: "Xid (PCI:{device}): 64,",
        severity: Severity::Error,
        cause: Text {
            en: "The GPU at {device} could not note a bad piece of memory for retirement (or remapping): there is no room left, or the record failed.",
            zh: "{device} 无法记录坏显存的退役（或重映射）：已无可用余量或写入失败。",
        },
        advice: Text {
            en: "Take the card out of service and have it replaced; nvidia-smi -q -d ROW_REMAPPER says whether a remapping failed.",
            zh: "停用并更换该卡；nvidia-smi -q -d ROW_REMAPPER 会显示重映射是否失败。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 64, pid='<unknown>', name=<unknown>, Row Remapper: Error recording row remapping",
    },
    Known {
        id: "kernel.xid_74",
        pattern: "Xid (PCI:{device}): 74,",
        severity: Severity::Error,
        cause: Text {
            en: "A link between GPUs (NVLink) of the card at {device} failed. Tensor parallel work over it hangs or is slow.",
            zh: "{device} 的 NVLink 链路出错，经由它的张量并行会挂起或变慢。",
        },
        advice: Text {
            en: "Look at nvidia-smi nvlink -e; restart the fabric manager and the host; reseat the bridge or the board; if it repeats on the same link, have it replaced.",
            zh: "查看 nvidia-smi nvlink -e；重启 fabric manager 与主机；重新插拔桥接器或板卡；同一链路反复出错则更换。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 74, pid=4242, NVLink: fatal error detected on link 3(0x10000, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0)",
    },
    Known {
        id: "kernel.xid_79",
        pattern: "Xid (PCI:{device}): 79,",
        severity: Severity::Fatal,
        cause: Text {
            en: "The GPU at {device} is gone from the bus: the host cannot reach it any more. Everything on it has ended.",
            zh: "{device} 的 GPU 已掉卡（从总线消失），主机无法再访问，其上的任务全部中断。",
        },
        advice: Text {
            en: "Restart the host (cold, power off and on, if it stays away); check power cables, temperature and seat; read Xids before this one. If it repeats, have it replaced.",
            zh: "重启主机（仍未恢复则断电冷启动）；检查供电线、温度与插槽；查看此前的 Xid。若反复掉卡，请更换。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
    },
    Known {
        id: "kernel.xid_92",
        pattern: "Xid (PCI:{device}): 92,",
        severity: Severity::Warn,
        cause: Text {
            en: "The GPU at {device} corrects memory errors at a high rate. Nothing is lost yet.",
            zh: "{device} 的显存可纠正错误率偏高，目前数据未受影响。",
        },
        advice: Text {
            en: "Watch it; run dcgmi diag -r 3 at the next chance; plan a replacement if the rate grows.",
            zh: "持续关注；择机运行 dcgmi diag -r 3；若继续增多，安排更换。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 92, pid='<unknown>', name=<unknown>, High single-bit ECC error rate",
    },
    Known {
        id: "kernel.xid_94",
        pattern: "Xid (PCI:{device}): 94,",
        severity: Severity::Error,
        cause: Text {
            en: "The memory of the GPU at {device} had an uncorrectable error that was contained: only the program that used it ends.",
            zh: "{device} 的显存出现不可纠正错误，但已被隔离，仅影响使用该内存的程序。",
        },
        advice: Text {
            en: "Restart the engine that ended; reset the GPU at the next chance so that the row is remapped.",
            zh: "重启退出的引擎；择机复位 GPU 以完成行重映射。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 94, pid=4242, name=python3, Contained: SM (0x1). RST: No, D-RST: No",
    },
    Known {
        id: "kernel.xid_95",
        pattern: "Xid (PCI:{device}): 95,",
        severity: Severity::Fatal,
        cause: Text {
            en: "The memory of the GPU at {device} had an uncorrectable error that could not be contained: no result of this GPU can be trusted until it is reset.",
            zh: "{device} 的显存出现不可纠正且无法隔离的错误，复位前该 GPU 的结果均不可信。",
        },
        advice: Text {
            en: "Stop the engines on it, reset the GPU (nvidia-smi --gpu-reset) or reboot; if it repeats, have the card replaced.",
            zh: "停止其上的引擎，用 nvidia-smi --gpu-reset 复位或重启；若反复出现，请更换该卡。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 95, pid='<unknown>', name=<unknown>, Uncontained: LTC TAG (0x2,0x0). RST: Yes, D-RST: No",
    },
    Known {
        id: "kernel.xid_119",
        pattern: "Xid (PCI:{device}): 119,",
        severity: Severity::Error,
        cause: Text {
            en: "The GPU system processor of the card at {device} did not answer the driver in time. Programs on it hang.",
            zh: "{device} 的 GPU 系统处理器（GSP）未及时响应驱动，其上程序会挂起。",
        },
        advice: Text {
            en: "Reset the GPU or restart the host; update the driver; where it repeats, try without GSP firmware (NVreg_EnableGpuFirmware=0) if the card allows it.",
            zh: "复位 GPU 或重启主机；升级驱动；若反复出现且该卡允许，可用 NVreg_EnableGpuFirmware=0 停用 GSP 固件。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 119, pid=4242, name=nvidia-smi, Timeout after 6s of waiting for RPC response from GPU0 GSP! Expected function 76",
    },
    Known {
        id: "kernel.xid_120",
        pattern: "Xid (PCI:{device}): 120,",
        severity: Severity::Error,
        cause: Text {
            en: "The GPU system processor of the card at {device} crashed. Programs on it end.",
            zh: "{device} 的 GPU 系统处理器（GSP）崩溃，其上程序会中断。",
        },
        advice: Text {
            en: "Reset the GPU or restart the host; update the driver; if it repeats, have the card checked.",
            zh: "复位 GPU 或重启主机；升级驱动；若反复出现，请检修该卡。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:08:00): 120, pid=4242, name=python3, GSP Error: Task 1 raised error code 0x5",
    },
    Known {
        id: "kernel.oom_killed",
        pattern: "Out of memory: Killed process {pid} ({name})",
        severity: Severity::Fatal,
        cause: Text {
            en: "The host ran out of memory, and the kernel ended {name} (process {pid}) to go on.",
            zh: "主机内存耗尽，内核终止了 {name}（进程 {pid}）。",
        },
        advice: Text {
            en: "Give the engine less host memory (vLLM: smaller --swap-space and --cpu-offload-gb; llama.cpp: a smaller -c, or --no-mmap off), stop what else runs, or add memory; look for a leak if it grew slowly.",
            zh: "减少引擎占用的内存（vLLM 调小 --swap-space、--cpu-offload-gb；llama.cpp 调小 -c，不要使用 --no-mmap），停止其他程序或增加内存；若缓慢增长则排查泄漏。",
        },
        link: None,
        line: "Out of memory: Killed process 4242 (VLLM::EngineCor) total-vm:98765432kB, anon-rss:61234567kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:123456kB oom_score_adj:0",
    },
    Known {
        id: "kernel.cgroup_oom",
        pattern: "Memory cgroup out of memory: Killed process {pid} ({name})",
        severity: Severity::Fatal,
        cause: Text {
            en: "A container reached its memory limit, and the kernel ended {name} (process {pid}) in it.",
            zh: "容器达到内存上限，内核终止了其中的 {name}（进程 {pid}）。",
        },
        advice: Text {
            en: "Raise the container's limit (docker run --memory, resources.limits.memory), or let the engine use less host memory.",
            zh: "提高容器内存上限（docker run --memory、resources.limits.memory），或减少引擎占用的内存。",
        },
        link: None,
        line: "Memory cgroup out of memory: Killed process 4242 (python3) total-vm:9876543kB, anon-rss:6123456kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:12345kB oom_score_adj:0",
    },
    Known {
        id: "kernel.hung_task",
        pattern: "INFO: task {task} blocked for more than {seconds} seconds.",
        severity: Severity::Error,
        cause: Text {
            en: "{task} has waited for the kernel for over {seconds} s: mostly a disk, a network file system or a GPU driver that does not answer.",
            zh: "{task} 在内核中阻塞超过 {seconds} 秒，多为磁盘、网络文件系统或 GPU 驱动无响应。",
        },
        advice: Text {
            en: "Look at what it waits for (cat /proc/PID/stack), at disks (dmesg, iostat) and at Xids; a model on NFS needs its server.",
            zh: "查看其等待点（cat /proc/PID/stack）、磁盘（dmesg、iostat）与 Xid；模型放在 NFS 上时检查其服务器。",
        },
        link: None,
        line: "INFO: task python3:4242 blocked for more than 120 seconds.",
    },
    Known {
        id: "kernel.cpu_throttled",
        pattern: "Core temperature is above threshold, cpu clock is throttled",
        severity: Severity::Warn,
        cause: Text {
            en: "A processor is too hot and slows itself down. Tokenising, scheduling and CPU inference slow down with it.",
            zh: "CPU 过热降频，分词、调度与 CPU 推理随之变慢。",
        },
        advice: Text {
            en: "Check fans, dust and the room's temperature; modelwatch shows the throttle counters of each processor.",
            zh: "检查风扇、积灰与机房温度；modelwatch 会显示各 CPU 的降频计数。",
        },
        link: None,
        line: "CPU3: Core temperature is above threshold, cpu clock is throttled (total events = 1234)",
    },
    Known {
        id: "kernel.machine_check",
        pattern: "mce: [Hardware Error]: Machine check events logged",
        severity: Severity::Error,
        cause: Text {
            en: "The processor reported a hardware error, mostly of memory or of itself.",
            zh: "CPU 报告硬件错误（MCE），多为内存或 CPU 自身问题。",
        },
        advice: Text {
            en: "Read it with ras-mc-ctl --errors or mcelog; if memory is named, replace that module; if it repeats, have the host checked.",
            zh: "用 ras-mc-ctl --errors 或 mcelog 查看详情；若指明内存条则更换；反复出现请检修主机。",
        },
        link: None,
        line: "mce: [Hardware Error]: Machine check events logged",
    },
    Known {
        id: "kernel.memory_corrected",
        pattern: "EDAC {controller}: {count} CE",
        severity: Severity::Warn,
        cause: Text {
            en: "The host's memory had {count} errors that were corrected ({controller}). Many of them announce one that cannot be.",
            zh: "主机内存发生 {count} 次可纠正错误（{controller}），频繁出现往往预示不可纠正错误。",
        },
        advice: Text {
            en: "Find the module with ras-mc-ctl --error-count and plan to replace it.",
            zh: "用 ras-mc-ctl --error-count 定位内存条并安排更换。",
        },
        link: None,
        line: "EDAC MC0: 1 CE memory read error on CPU_SrcID#0_Ha#0_Chan#1_DIMM#0 (channel:1 slot:0 page:0x12345 offset:0x0 grain:32 syndrome:0x0)",
    },
    Known {
        id: "kernel.memory_uncorrected",
        pattern: "EDAC {controller}: {count} UE",
        severity: Severity::Fatal,
        cause: Text {
            en: "The host's memory had {count} errors that could not be corrected ({controller}). Data is damaged.",
            zh: "主机内存发生 {count} 次不可纠正错误（{controller}），数据已损坏。",
        },
        advice: Text {
            en: "Stop what runs on the host, find the module with ras-mc-ctl --error-count, and replace it.",
            zh: "停止主机上的任务，用 ras-mc-ctl --error-count 定位并更换内存条。",
        },
        link: None,
        line: "EDAC MC0: 1 UE memory read error on CPU_SrcID#0_Ha#0_Chan#1_DIMM#0 (channel:1 slot:0 page:0x12345 offset:0x0 grain:32)",
    },
    Known {
        id: "kernel.pcie_error",
        pattern: "PCIe Bus Error: severity={severity},",
        severity: Severity::Warn,
        cause: Text {
            en: "A PCIe link reported an error ({severity}). GPUs, network cards or disks behind it may be slow or drop out.",
            zh: "PCIe 链路报错（{severity}），其后的 GPU、网卡或磁盘可能变慢或掉线。",
        },
        advice: Text {
            en: "See which device it names (lspci -s), reseat it or its riser, look for a link that is narrower or slower than it can be (modelwatch shows it); many corrected errors deserve a check.",
            zh: "根据行中设备号用 lspci -s 定位，重新插拔板卡或转接卡；检查链路是否降速降宽（modelwatch 会显示）；可纠正错误频繁时也应检修。",
        },
        link: None,
        line: "pcieport 0000:00:01.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)",
    },
    Known {
        id: "kernel.disk_error",
        pattern: "I/O error, dev {device}, sector",
        severity: Severity::Error,
        cause: Text {
            en: "The disk {device} could not read or write something. Loading a model from it may fail, or give a damaged one.",
            zh: "磁盘 {device} 读写出错，从中加载模型可能失败或得到损坏的数据。",
        },
        advice: Text {
            en: "Back up what is on it, look at smartctl -a (nvme smart-log), replace it; check the model's files by their checksums.",
            zh: "备份数据，查看 smartctl -a（nvme smart-log）并更换磁盘；用校验和核对模型文件。",
        },
        link: None,
        line: "I/O error, dev nvme0n1, sector 123456789 op 0x0:(READ) flags 0x80700 phys_seg 4 prio class 2",
    },
    Known {
        id: "kernel.read_only",
        pattern: "Remounting filesystem read-only",
        severity: Severity::Fatal,
        cause: Text {
            en: "A file system was damaged or its disk failed, and the kernel stopped all writing to it.",
            zh: "文件系统损坏或磁盘故障，内核已将其改为只读。",
        },
        advice: Text {
            en: "Look for disk errors before this line, unmount and run fsck, restore from a backup if needed.",
            zh: "查看此前的磁盘错误，卸载后运行 fsck，必要时从备份恢复。",
        },
        link: None,
        line: "EXT4-fs (sda1): Remounting filesystem read-only",
    },
    Known {
        id: "kernel.nvidia_mismatch",
        pattern: "NVRM: API mismatch: the client has the version {client}",
        severity: Severity::Error,
        cause: Text {
            en: "The NVIDIA driver was updated, but the old module is still loaded: programs with version {client} cannot use the GPUs.",
            zh: "NVIDIA 驱动已升级，但内核中仍是旧模块，版本为 {client} 的程序无法使用 GPU。",
        },
        advice: Text {
            en: "Restart the host, or stop what uses the GPUs and reload the modules (rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia; modprobe nvidia); in containers, restart them.",
            zh: "重启主机；或停止占用 GPU 的程序并重新加载模块（rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia; modprobe nvidia）；容器需重启。",
        },
        link: None,
        line: "NVRM: API mismatch: the client has the version 570.124.06, but",
    },
    Known {
        id: "kernel.amdgpu_reset",
        pattern: "amdgpu: GPU reset begin!",
        severity: Severity::Error,
        cause: Text {
            en: "The driver resets an AMD GPU because work on it hung. Programs on it end.",
            zh: "AMD GPU 上的任务挂起，驱动正在复位 GPU，其上程序会中断。",
        },
        advice: Text {
            en: "Restart the engine; update kernel, firmware and ROCm together; if it repeats, try without the kernel or model that was used then.",
            zh: "重启引擎；同时升级内核、固件与 ROCm；若反复出现，排查当时使用的内核或模型。",
        },
        link: None,
        line: "amdgpu 0000:03:00.0: amdgpu: GPU reset begin!. Source:  1",
    },
    Known {
        id: "kernel.conntrack_full",
        pattern: "nf_conntrack: table full, dropping packet",
        severity: Severity::Error,
        cause: Text {
            en: "The firewall's table of connections is full: new connections to the model are dropped.",
            zh: "防火墙连接跟踪表已满，新的连接会被丢弃。",
        },
        advice: Text {
            en: "Raise net.netfilter.nf_conntrack_max (sysctl), and look for a client that opens a connection for each request.",
            zh: "调大 net.netfilter.nf_conntrack_max（sysctl），并排查为每个请求新建连接的客户端。",
        },
        link: None,
        line: "nf_conntrack: nf_conntrack: table full, dropping packet",
    },
    Known {
        id: "kernel.syn_flood",
        pattern: "Possible SYN flooding on port {port}",
        severity: Severity::Warn,
        cause: Text {
            en: "More connections come to port {port} than its program takes up: too many clients, or an attack.",
            zh: "端口 {port} 的新连接超过程序处理能力：客户端过多，或遭受攻击。",
        },
        advice: Text {
            en: "See who connects (ss -tn sport = :PORT); put the gateway with limits in front; raise net.core.somaxconn if they are wanted.",
            zh: "查看连接来源（ss -tn）；在前面部署带限流的网关；若属正常流量，调大 net.core.somaxconn。",
        },
        link: None,
        line: "TCP: request_sock_TCP: Possible SYN flooding on port 8000. Sending cookies.",
    },
    Known {
        id: "kernel.file_limit",
        pattern: "VFS: file-max limit {limit} reached",
        severity: Severity::Error,
        cause: Text {
            en: "The host has {limit} open files, its limit: nothing can open another one, and connections are refused.",
            zh: "主机打开文件数达到上限 {limit}，无法再打开文件，新连接会被拒绝。",
        },
        advice: Text {
            en: "Find who has so many (lsof | cut -d' ' -f1 | sort | uniq -c), restart it, raise fs.file-max.",
            zh: "找出占用者（lsof 按进程统计）并重启，调大 fs.file-max。",
        },
        link: None,
        line: "VFS: file-max limit 9223372 reached",
    },
];
