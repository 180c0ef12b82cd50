//! The kernel and the drivers it speaks for: memory, Xid, disks, links.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "kernel.xid_13",
        pattern: "Xid (PCI:{device}): 13,",
        severity: Severity::Error,
        cause: Text {
            en: "A program made the GPU at {device} compute something invalid (graphics engine exception), so its work on the GPU was aborted. It is nearly always a fault in a CUDA kernel of the engine, seldom the card.",
            zh: "程序让 {device} 上的 GPU 执行了非法操作（图形引擎异常），它在 GPU 上的任务已被中止。绝大多数情况是推理引擎的 CUDA kernel 有缺陷，很少是显卡本身的问题。",
        },
        advice: Text {
            en: "Restart the engine named in the line, and update it; if only one model or option provokes it, change the attention backend or the quantization. If it also happens with other programs, test the card with `dcgmi diag -r 3`.",
            zh: "重启日志行中的推理引擎并升级版本；若只在某个模型或选项下出现，请更换 attention 后端或量化方式。若其他程序也会触发，用 `dcgmi diag -r 3` 检测显卡。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 13, pid=12345, name=python3, Graphics SM Warp Exception on (GPC 2, TPC 1, SM 1): Out Of Range Address",
    },
    Known {
        id: "kernel.xid_31",
        pattern: "Xid (PCI:{device}): 31,",
        severity: Severity::Error,
        cause: Text {
            en: "A program read or wrote GPU memory that does not belong to it (page fault on {device}), so its work was aborted. The usual cause is a bug in the engine.",
            zh: "程序访问了不属于它的显存地址（{device} 上发生缺页错误），任务已被中止。通常是推理引擎的缺陷。",
        },
        advice: Text {
            en: "Restart the engine and update it and its CUDA libraries. To find the place, start once with CUDA_LAUNCH_BLOCKING=1. If it follows the card and not the program, test it with `dcgmi diag -r 3`.",
            zh: "重启推理引擎，并升级引擎及其 CUDA 库。要定位出错位置，可用 CUDA_LAUNCH_BLOCKING=1 启动一次。若问题跟着卡走而不是跟着程序走，用 `dcgmi diag -r 3` 检测显卡。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 31, pid=12345, name=python3, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f2a_1c000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ",
    },
    Known {
        id: "kernel.xid_43",
        pattern: "Xid (PCI:{device}): 43,",
        severity: Severity::Warn,
        cause: Text {
            en: "A program on the GPU at {device} stopped by its own fault and its channel was reset; the card itself is healthy.",
            zh: "{device} 上的程序因自身错误停止，其通道已被复位；显卡本身是正常的。",
        },
        advice: Text {
            en: "Look into the log of the program with the pid of this line for the error before it, and restart it. Nothing has to be done to the card.",
            zh: "查看该行 pid 对应程序的日志，找到之前的报错并重启程序。显卡无需处理。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 43, pid=12345, name=python3, Ch 00000010",
    },
    Known {
        id: "kernel.xid_45",
        pattern: "Xid (PCI:{device}): 45,",
        severity: Severity::Warn,
        cause: Text {
            en: "The driver cleaned up after a program that had ended or failed on the GPU at {device}. It follows another error, or a program that was killed.",
            zh: "驱动清理了在 {device} 上已结束或出错的程序。它通常跟随另一个错误出现，或因程序被强制结束而产生。",
        },
        advice: Text {
            en: "Look for another Xid just before it: `journalctl -k | grep Xid`, and act on that one. Alone and right after a stop of the engine it needs no action; alone and repeated on a machine with NVSwitch, `systemctl restart nvidia-fabricmanager`.",
            zh: "用 `journalctl -k | grep Xid` 查看它之前的另一个 Xid，并按那个处理。若只在停止引擎后单独出现，无需处理；若在带 NVSwitch 的机器上反复单独出现，执行 `systemctl restart nvidia-fabricmanager`。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 45, pid=12345, name=python3, Ch 00000008",
    },
    Known {
        id: "kernel.xid_48",
        pattern: "Xid (PCI:{device}): 48,",
        severity: Severity::Error,
        cause: Text {
            en: "The memory of the GPU at {device} has an error of two bits that cannot be corrected. What was being computed is lost and the page is taken out of use.",
            zh: "{device} 的显存出现无法纠正的双比特 ECC 错误，正在进行的计算已丢失，出错的显存页会被停用。",
        },
        advice: Text {
            en: "Stop what runs on the card and reset it: `nvidia-smi --gpu-reset -i {device}.0` (or reboot). Then look at `nvidia-smi -q -d ECC,ROW_REMAPPER -i {device}.0`; if it comes again or a remap failed, have the card replaced.",
            zh: "停止该卡上的任务并复位显卡：`nvidia-smi --gpu-reset -i {device}.0`（或重启主机）。然后查看 `nvidia-smi -q -d ECC,ROW_REMAPPER -i {device}.0`；若再次出现或行重映射失败，请更换显卡。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 48, pid='<unknown>', name=<unknown>, An uncorrectable double bit error (DBE) has been detected on GPU in the framebuffer at physAddr 0x7fdf0de80 partition 5, subpartition 0.",
    },
    Known {
        id: "kernel.xid_61",
        pattern: "Xid (PCI:{device}): 61,",
        severity: Severity::Error,
        cause: Text {
            en: "The microcontroller inside the GPU at {device} reported a fault. It has no action of its own in NVIDIA's list; driver or firmware trouble is as likely as the card.",
            zh: "{device} 上 GPU 内部的微控制器报告故障。NVIDIA 未给出专门的处理动作；驱动/固件问题和硬件问题都有可能。",
        },
        advice: Text {
            en: "Reset the card with `nvidia-smi --gpu-reset -i {device}.0` or reboot, and update the driver and the VBIOS. If it comes again, collect `nvidia-bug-report.sh` and ask the vendor.",
            zh: "用 `nvidia-smi --gpu-reset -i {device}.0` 复位显卡或重启主机，并升级驱动和 VBIOS。若再次出现，运行 `nvidia-bug-report.sh` 收集信息后联系厂商。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 61, 0cec(3098) 00000000 00000000",
    },
    Known {
        id: "kernel.xid_62",
        pattern: "Xid (PCI:{device}): 62,",
        severity: Severity::Error,
        cause: Text {
            en: "The controller for power and clocks inside the GPU at {device} halted. The card cannot be used until it is reset.",
            zh: "{device} 上 GPU 内部的电源/频率控制器（PMU）停止工作，复位之前显卡不可用。",
        },
        advice: Text {
            en: "Stop what runs on the card and reset it: `nvidia-smi --gpu-reset -i {device}.0`; if that is refused, reboot. Then update driver and VBIOS, and check power cables and cooling; have the card examined if it comes again.",
            zh: "停止该卡上的任务并复位：`nvidia-smi --gpu-reset -i {device}.0`；若无法复位则重启主机。之后升级驱动和 VBIOS，检查供电线和散热；反复出现则送修。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 62, 023f0f30 00000000 00000000 202c0ffe 202bc4b6 2029bdb6 202bccb8 20297b2a",
    },
    Known {
        id: "kernel.xid_63",
        pattern: "Xid (PCI:{device}): 63,",
        severity: Severity::Warn,
        cause: Text {
            en: "The GPU at {device} found a bad row of its memory and has a spare row ready; the exchange takes effect at the next reset.",
            zh: "{device} 的显存发现坏行，已安排备用行替换，下次复位后生效。",
        },
        advice: Text {
            en: "At the next quiet moment stop what runs on the card and reset it: `nvidia-smi --gpu-reset -i {device}.0`. Check with `nvidia-smi -q -d ROW_REMAPPER -i {device}.0` that nothing is pending any more.",
            zh: "找空闲时间停止该卡上的任务并复位：`nvidia-smi --gpu-reset -i {device}.0`。用 `nvidia-smi -q -d ROW_REMAPPER -i {device}.0` 确认不再有待处理（Pending）的重映射。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 63, pid='<unknown>', name=<unknown>, Row Remapper: New row (0x0000000018f31d80) marked for remapping, reset gpu to activate.",
    },
    Known {
        id: "kernel.xid_64",
        pattern: "Xid (PCI:{device}): 64,",
        severity: Severity::Error,
        cause: Text {
            en: "The GPU at {device} has a bad row of memory and could not put a spare row in its place.",
            zh: "{device} 的显存有坏行，且用备用行替换失败。",
        },
        advice: Text {
            en: "Take the card out of service, reset it with `nvidia-smi --gpu-reset -i {device}.0` and look at `nvidia-smi -q -d ROW_REMAPPER -i {device}.0`. If it says that a remapping failure occurred, have the card replaced (RMA).",
            zh: "将该卡下线，用 `nvidia-smi --gpu-reset -i {device}.0` 复位，再查看 `nvidia-smi -q -d ROW_REMAPPER -i {device}.0`。若显示 Remapping Failure Occurred 为 Yes，请申请更换显卡（RMA）。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 64, pid='<unknown>', name=<unknown>, Row Remapper Error: (0x00000002eebc4100) - All reserved rows for bank are remapped",
    },
    Known {
        id: "kernel.xid_74",
        pattern: "Xid (PCI:{device}): 74,",
        severity: Severity::Error,
        cause: Text {
            en: "A link between GPUs (NVLink) failed at the GPU at {device}. Programs that use several cards hang or end.",
            zh: "{device} 的 NVLink 链路出错，使用多卡的程序会卡住或退出。",
        },
        advice: Text {
            en: "Look at `nvidia-smi nvlink -s -i {device}.0` and `nvidia-smi nvlink -e -i {device}.0`. Stop all programs, reset the cards (`nvidia-smi --gpu-reset -i {device}.0`) or reboot, and restart `nvidia-fabricmanager` where there is one; if the same link fails again, have the bridge or the board seated anew or replaced.",
            zh: "查看 `nvidia-smi nvlink -s -i {device}.0` 和 `nvidia-smi nvlink -e -i {device}.0`。停止所有程序，复位显卡（`nvidia-smi --gpu-reset -i {device}.0`）或重启主机，有 `nvidia-fabricmanager` 的要一并重启；同一链路再次出错时，重新插拔或更换 NVLink 桥/主板。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 74, pid='<unknown>', name=<unknown>, NVLink: fatal error detected on link 6(0x10000, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0)",
    },
    Known {
        id: "kernel.xid_79",
        pattern: "Xid (PCI:{device}): 79,",
        severity: Severity::Fatal,
        cause: Text {
            en: "The GPU at {device} no longer answers: it has fallen off the PCIe bus. All programs on it are lost, and only a reboot brings it back.",
            zh: "{device} 上的 GPU 掉卡：已从 PCIe 总线上消失，其上的程序全部中断，只有重启主机才能恢复。",
        },
        advice: Text {
            en: "Reboot, best with the power off for a minute. Then check the power supply and its cables, the seat of the card and the riser, and the temperature; limit the power with `nvidia-smi -pl` or try `pcie_aspm=off` on the kernel's command line. If it comes again, have the card replaced.",
            zh: "重启主机，最好断电一分钟再开机。然后检查电源功率与供电线、显卡插槽/转接线和温度；可用 `nvidia-smi -pl` 降低功耗上限，或在内核启动参数中加 `pcie_aspm=off`。反复掉卡则更换显卡。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
    },
    Known {
        id: "kernel.xid_92",
        pattern: "Xid (PCI:{device}): 92,",
        severity: Severity::Warn,
        cause: Text {
            en: "The memory of the GPU at {device} needs unusually many corrections of single bits. Results are still right, but it can be the first sign of a failing card.",
            zh: "{device} 的显存单比特 ECC 纠错次数异常偏高。结果仍然正确，但可能是显卡老化的先兆。",
        },
        advice: Text {
            en: "Watch the counters: `nvidia-smi -q -d ECC -i {device}.0`, and check the cooling. If they keep growing or an Xid 48, 63, 64, 94 or 95 follows, plan to replace the card.",
            zh: "关注计数器：`nvidia-smi -q -d ECC -i {device}.0`，并检查散热。若持续增长，或随后出现 Xid 48、63、64、94、95，请计划更换显卡。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 92, pid='<unknown>', name=<unknown>, High single-bit ECC error rate",
    },
    Known {
        id: "kernel.xid_94",
        pattern: "Xid (PCI:{device}): 94,",
        severity: Severity::Error,
        cause: Text {
            en: "The memory of the GPU at {device} had an error that cannot be corrected; it touched one program only, which was ended. Other programs go on.",
            zh: "{device} 的显存出现无法纠正的错误，但被限制在单个程序内，该程序已被终止，其他程序不受影响。",
        },
        advice: Text {
            en: "Restart the engine. Then, when the card is idle, reset it so that the bad row is replaced: `nvidia-smi --gpu-reset -i {device}.0`; several of these in a week speak for a replacement.",
            zh: "重启推理引擎。之后在显卡空闲时复位，使坏行被替换：`nvidia-smi --gpu-reset -i {device}.0`；一周内多次出现应考虑换卡。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 94, pid=12345, name=python3, Contained: CE User Channel (0x9). RST: No, D-RST: No",
    },
    Known {
        id: "kernel.xid_95",
        pattern: "Xid (PCI:{device}): 95,",
        severity: Severity::Fatal,
        cause: Text {
            en: "The memory of the GPU at {device} had an error that cannot be corrected nor kept to one program. Nothing that runs on the card can be trusted.",
            zh: "{device} 的显存出现无法纠正且无法隔离的错误，该卡上运行的所有程序结果都不可信。",
        },
        advice: Text {
            en: "Stop everything on the card at once and reset it: `nvidia-smi --gpu-reset -i {device}.0`, or reboot. Look at `nvidia-smi -q -d ECC,ROW_REMAPPER -i {device}.0`; if it comes again, have the card replaced.",
            zh: "立即停止该卡上的所有程序并复位：`nvidia-smi --gpu-reset -i {device}.0`，或重启主机。查看 `nvidia-smi -q -d ECC,ROW_REMAPPER -i {device}.0`；再次出现则更换显卡。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 95, pid=12345, name=python3, Uncontained: LTC TAG (0x2,0x0). RST: Yes, D-RST: No",
    },
    Known {
        id: "kernel.xid_109",
        pattern: "Xid (PCI:{device}): 109,",
        severity: Severity::Error,
        cause: Text {
            en: "The GPU at {device} did not get a program off the card in time (context switch timeout), so the program was aborted.",
            zh: "{device} 上的 GPU 未能按时完成上下文切换，相关程序已被中止。",
        },
        advice: Text {
            en: "Restart the engine; if it does not start, reset the card with `nvidia-smi --gpu-reset -i {device}.0`. Update driver and engine if it comes again, because a kernel that never ends is the usual cause.",
            zh: "重启推理引擎；若无法启动，用 `nvidia-smi --gpu-reset -i {device}.0` 复位显卡。反复出现时升级驱动和引擎，常见原因是某个 kernel 一直不结束。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 109, pid=12345, name=python3, Ch 00000008, errorString CTX SWITCH TIMEOUT, Info 0x3c046",
    },
    Known {
        id: "kernel.xid_119",
        pattern: "Xid (PCI:{device}): 119,",
        severity: Severity::Error,
        cause: Text {
            en: "The processor inside the GPU at {device} that runs the driver's firmware (GSP) does not answer. Programs and nvidia-smi hang on this card.",
            zh: "{device} 上运行驱动固件的 GSP 处理器没有响应，该卡上的程序和 nvidia-smi 会卡住。",
        },
        advice: Text {
            en: "Reset the card with `nvidia-smi --gpu-reset -i {device}.0`; if that hangs, reboot. Update the driver; if it comes again and the closed kernel module is in use, switch the GSP off with `options nvidia NVreg_EnableGpuFirmware=0` in /etc/modprobe.d and reboot.",
            zh: "用 `nvidia-smi --gpu-reset -i {device}.0` 复位显卡；若命令卡住则重启主机。升级驱动；若仍反复出现且使用闭源内核模块，可在 /etc/modprobe.d 中加入 `options nvidia NVreg_EnableGpuFirmware=0` 关闭 GSP 后重启。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 119, pid=67769, name=nvidia-smi, Timeout waiting for RPC from GSP1! Expected function 76 (GSP_RM_CONTROL) (0x2080014b 0x5).",
    },
    Known {
        id: "kernel.xid_120",
        pattern: "Xid (PCI:{device}): 120,",
        severity: Severity::Error,
        cause: Text {
            en: "The firmware (GSP) of the GPU at {device} crashed. The card cannot be used until it is reset.",
            zh: "{device} 上 GPU 的 GSP 固件崩溃，复位之前显卡不可用。",
        },
        advice: Text {
            en: "Reset the card with `nvidia-smi --gpu-reset -i {device}.0` or reboot, and update the driver, which brings the firmware along. If it comes again, collect `nvidia-bug-report.sh` and ask the vendor.",
            zh: "用 `nvidia-smi --gpu-reset -i {device}.0` 复位显卡或重启主机，并升级驱动（固件随驱动更新）。再次出现时运行 `nvidia-bug-report.sh` 收集信息并联系厂商。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 120, pid=2702, name=Xorg, GSP task exception: supervisor timer interrupt (cause:0x8000000000000005)",
    },
    Known {
        id: "kernel.xid_140",
        pattern: "Xid (PCI:{device}): 140,",
        severity: Severity::Error,
        cause: Text {
            en: "The memory of the GPU at {device} has an ECC error that was not recovered.",
            zh: "{device} 的显存出现未能恢复的 ECC 错误。",
        },
        advice: Text {
            en: "Stop what runs on the card and reset it: `nvidia-smi --gpu-reset -i {device}.0`. Look at `nvidia-smi -q -d ECC,ROW_REMAPPER -i {device}.0`; replace the card if it comes again.",
            zh: "停止该卡上的任务并复位：`nvidia-smi --gpu-reset -i {device}.0`。查看 `nvidia-smi -q -d ECC,ROW_REMAPPER -i {device}.0`；再次出现则更换显卡。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 140, pid='<unknown>', name=<unknown>, An uncorrectable ECC error detected (possible firmware handling failure) DRAM:0, LTC:0, MMU:1, PCIE:0",
    },
    Known {
        id: "kernel.xid_154",
        pattern: "Xid (PCI:{device}): 154,{}recovery action changed from {}) to {} ({action})",
        severity: Severity::Warn,
        cause: Text {
            en: "The driver says what the GPU at {device} needs to recover from the error before: {action}.",
            zh: "驱动给出 {device} 从之前的错误中恢复所需的操作：{action}。",
        },
        advice: Text {
            en: "Do what it names. Reset or drain: stop what runs on the card and `nvidia-smi --gpu-reset -i {device}.0`; reboot: restart the machine. The Xid just before it says why: `journalctl -k | grep Xid`.",
            zh: "按其要求处理。要求复位或排空（Drain/Reset）时，停止该卡上的任务并执行 `nvidia-smi --gpu-reset -i {device}.0`；要求重启（Reboot）时重启主机。原因见它之前的 Xid：`journalctl -k | grep Xid`。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: Xid (PCI:0000:65:00): 154, pid=12345, name=python3, GPU recovery action changed from 0x0 (None) to 0x4 (Drain and Reset)",
    },
    Known {
        id: "kernel.gpu_off_bus",
        pattern: "NVRM: GPU {device}: GPU has fallen off the bus",
        severity: Severity::Fatal,
        cause: Text {
            en: "The GPU at {device} no longer answers: it has fallen off the PCIe bus. All programs on it are lost.",
            zh: "{device} 上的 GPU 掉卡：已从 PCIe 总线上消失，其上的程序全部中断。",
        },
        advice: Text {
            en: "Reboot, best with the power off for a minute. Then check power supply, cables, the seat of the card and the temperature; if it comes again, have the card replaced.",
            zh: "重启主机，最好断电一分钟再开机。然后检查电源、供电线、显卡插槽和温度；反复掉卡则更换显卡。",
        },
        link: Some("https://docs.nvidia.com/deploy/xid-errors/index.html"),
        line: "NVRM: GPU 0000:65:00.0: GPU has fallen off the bus.",
    },
    Known {
        id: "kernel.nvidia_version",
        pattern: "NVRM: API mismatch: the client{}has the version {client}",
        severity: Severity::Error,
        cause: Text {
            en: "The NVIDIA libraries (version {client}) and the driver that is loaded in the kernel are of different versions, mostly after an update without a reboot. No program can use the GPU.",
            zh: "NVIDIA 用户态库（版本 {client}）与内核中已加载的驱动版本不一致，通常是升级驱动后没有重启。所有程序都无法使用 GPU。",
        },
        advice: Text {
            en: "Reboot. Without a reboot: stop all GPU programs, then `sudo rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia && sudo modprobe nvidia`. In a container, restart the container. Compare `cat /proc/driver/nvidia/version` with `nvidia-smi`.",
            zh: "重启主机。若不便重启：停止所有 GPU 程序，再执行 `sudo rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia && sudo modprobe nvidia`。容器内的程序需重启容器。可对比 `cat /proc/driver/nvidia/version` 与 `nvidia-smi`。",
        },
        link: None,
        line: "NVRM: API mismatch: the client has the version 535.183.06, but",
    },
    Known {
        id: "kernel.nvidia_init",
        pattern: "NVRM: GPU {device}: RmInitAdapter failed!",
        severity: Severity::Error,
        cause: Text {
            en: "The NVIDIA driver could not start the GPU at {device}, so no program sees it.",
            zh: "NVIDIA 驱动无法初始化 {device} 上的 GPU，程序看不到这张卡。",
        },
        advice: Text {
            en: "Look at the lines before it: `journalctl -k | grep NVRM`. Reboot with the power off; install a driver that supports the card (new cards need the open kernel module); check power cables and the slot.",
            zh: "查看它之前的日志：`journalctl -k | grep NVRM`。断电重启；安装支持该显卡的驱动（新卡需要 open 版内核模块）；检查供电线和插槽。",
        },
        link: None,
        line: "NVRM: GPU 0000:65:00.0: RmInitAdapter failed! (0x62:0xffff:2477)",
    },
    Known {
        id: "kernel.oom_killer",
        pattern: "Out of memory: Killed process {pid} ({process})",
        severity: Severity::Error,
        cause: Text {
            en: "The machine ran out of main memory, and the kernel ended {process} (pid {pid}) to save the rest.",
            zh: "主机内存耗尽，内核强制结束了 {process}（pid {pid}）。",
        },
        advice: Text {
            en: "Give the engine less main memory: a smaller or more strongly quantized model, a smaller context length, less CPU offload (vLLM: a lower --cpu-offload-gb); or add memory or swap. `dmesg | grep -A30 oom` shows who held how much.",
            zh: "减少引擎占用的主机内存：换更小或量化程度更高的模型、减小上下文长度、减少 CPU offload（vLLM：调低 --cpu-offload-gb）；或增加内存/交换空间。`dmesg | grep -A30 oom` 可查看各进程占用。",
        },
        link: None,
        line: "Out of memory: Killed process 12345 (llama-server) total-vm:81234567kB, anon-rss:65432100kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:150000kB oom_score_adj:0",
    },
    Known {
        id: "kernel.cgroup_oom",
        pattern: "Memory cgroup out of memory: Killed process {pid} ({process})",
        severity: Severity::Error,
        cause: Text {
            en: "The container or service reached its own memory limit, and the kernel ended {process} (pid {pid}) in it. The machine itself may have memory left.",
            zh: "容器或服务达到了自身的内存上限，内核强制结束了其中的 {process}（pid {pid}）。主机本身可能还有空闲内存。",
        },
        advice: Text {
            en: "Raise the limit: `docker run --memory`, resources.limits.memory in Kubernetes, or MemoryMax= of the systemd unit; or load a smaller model. Files in /dev/shm count as well.",
            zh: "提高上限：`docker run --memory`、Kubernetes 的 resources.limits.memory，或 systemd 单元的 MemoryMax=；或换更小的模型。/dev/shm 中的文件也计入其中。",
        },
        link: None,
        line: "Memory cgroup out of memory: Killed process 12345 (VLLM::EngineCor) total-vm:81234567kB, anon-rss:33432100kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:150000kB oom_score_adj:0",
    },
    Known {
        id: "kernel.hung_task",
        pattern: "INFO: task {task} blocked for more than {seconds} seconds",
        severity: Severity::Warn,
        cause: Text {
            en: "{task} has waited in the kernel for more than {seconds} seconds, mostly for a disk, a network file system or a driver that does not answer.",
            zh: "{task} 在内核中等待超过 {seconds} 秒，通常是在等磁盘、网络文件系统或没有响应的驱动。",
        },
        advice: Text {
            en: "Look at the call trace below it (`journalctl -k -n 100`): nvidia there means the GPU, nvme or ext4 the disk, nfs the file server. Check `iostat -x 1` and `nvidia-smi`; a task that stays so can be ended by a reboot only.",
            zh: "查看其后的调用栈（`journalctl -k -n 100`）：出现 nvidia 是 GPU 问题，nvme/ext4 是磁盘问题，nfs 是文件服务器问题。检查 `iostat -x 1` 和 `nvidia-smi`；一直卡住的任务只能靠重启主机解除。",
        },
        link: None,
        line: "INFO: task python3:12345 blocked for more than 122 seconds.",
    },
    Known {
        id: "kernel.soft_lockup",
        pattern: "BUG: soft lockup - CPU#{cpu} stuck for {seconds}s!",
        severity: Severity::Error,
        cause: Text {
            en: "CPU {cpu} ran kernel code for {seconds} seconds without a pause; the machine stalls meanwhile. Causes are a driver, faulty hardware, or a virtual machine that gets no CPU time.",
            zh: "CPU {cpu} 在内核中连续运行 {seconds} 秒没有让出，机器在此期间卡顿。原因可能是驱动、硬件故障，或虚拟机分不到 CPU 时间。",
        },
        advice: Text {
            en: "Read the trace below it with `journalctl -k -n 100` to see the driver. Update kernel and driver; on a virtual machine look at steal time in `top`.",
            zh: "用 `journalctl -k -n 100` 查看其后的调用栈，判断是哪个驱动。升级内核和驱动；虚拟机请在 `top` 中查看 steal（st）时间。",
        },
        link: None,
        line: "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [python3:12345]",
    },
    Known {
        id: "kernel.cpu_throttled",
        pattern: "temperature above threshold, cpu clock throttled",
        severity: Severity::Warn,
        cause: Text {
            en: "A CPU is too hot and was slowed down, which makes models on the CPU and the preparation of requests slower.",
            zh: "CPU 温度过高，已自动降频，CPU 推理和请求预处理都会变慢。",
        },
        advice: Text {
            en: "Check fans, dust, thermal paste and the air in the rack; `sensors` shows the temperatures. Fewer threads help meanwhile (llama.cpp: --threads).",
            zh: "检查风扇、积灰、导热硅脂和机柜散热；用 `sensors` 查看温度。期间可减少线程数（llama.cpp：--threads）。",
        },
        link: None,
        line: "CPU4: Package temperature above threshold, cpu clock throttled (total events = 17)",
    },
    Known {
        id: "kernel.mce",
        pattern: "mce: [Hardware Error]: Machine check events logged",
        severity: Severity::Warn,
        cause: Text {
            en: "The CPU reported a hardware fault to the kernel: memory, cache, or the bus.",
            zh: "CPU 向内核报告了硬件故障：可能是内存、缓存或总线。",
        },
        advice: Text {
            en: "Read what it was: `ras-mc-ctl --errors` (package rasdaemon) or `journalctl -k | grep -i 'hardware error'`. Single corrected ones can be watched; many of them speak for a faulty DIMM or CPU.",
            zh: "查看具体内容：`ras-mc-ctl --errors`（rasdaemon 软件包）或 `journalctl -k | grep -i 'hardware error'`。偶发的可纠正错误继续观察即可；大量出现说明内存条或 CPU 有故障。",
        },
        link: None,
        line: "mce: [Hardware Error]: Machine check events logged",
    },
    Known {
        id: "kernel.memory_corrected",
        pattern: "EDAC MC{controller}: {count} CE ",
        severity: Severity::Warn,
        cause: Text {
            en: "Main memory at controller {controller} had {count} errors that were corrected. Results are right, but a DIMM may be failing.",
            zh: "内存控制器 {controller} 出现 {count} 个已纠正的内存错误。结果仍然正确，但可能有内存条正在老化。",
        },
        advice: Text {
            en: "The line names the DIMM; count with `edac-util -v` or `ras-mc-ctl --error-count`. Replace the DIMM when the count keeps growing.",
            zh: "该行给出了内存条位置；用 `edac-util -v` 或 `ras-mc-ctl --error-count` 统计次数。持续增长时更换该内存条。",
        },
        link: None,
        line: "EDAC MC0: 1 CE memory read error on CPU_SrcID#0_Ha#0_Chan#1_DIMM#0 (channel:1 slot:0 page:0x12345 offset:0x0 grain:32 syndrome:0x0)",
    },
    Known {
        id: "kernel.memory_uncorrected",
        pattern: "EDAC MC{controller}: {count} UE ",
        severity: Severity::Error,
        cause: Text {
            en: "Main memory at controller {controller} had {count} errors that could not be corrected; data was lost, and programs or the machine may crash.",
            zh: "内存控制器 {controller} 出现 {count} 个无法纠正的内存错误，数据已丢失，程序或主机可能崩溃。",
        },
        advice: Text {
            en: "Replace the DIMM that the line names; until then take the machine out of service. `ras-mc-ctl --errors` lists the events.",
            zh: "更换该行指出的内存条，在此之前将机器下线。`ras-mc-ctl --errors` 可列出事件。",
        },
        link: None,
        line: "EDAC MC0: 1 UE memory read error on CPU_SrcID#0_Ha#0_Chan#1_DIMM#0 (channel:1 slot:0 page:0x12345 offset:0x0 grain:32)",
    },
    Known {
        id: "kernel.pcie_corrected",
        pattern: "PCIe Bus Error: severity=Correct",
        severity: Severity::Warn,
        cause: Text {
            en: "A PCIe link had an error that was corrected by sending again. Many of them slow the link and announce a card that falls off the bus.",
            zh: "PCIe 链路出现错误，已通过重传纠正。大量出现会拖慢链路，并可能预示掉卡。",
        },
        advice: Text {
            en: "The line names the device; see what it is with `lspci -s`. Seat the card or the riser anew; compare LnkSta with LnkCap in `sudo lspci -vv`; try `pcie_aspm=off` on the kernel's command line.",
            zh: "该行给出了设备地址，用 `lspci -s` 查看是什么设备。重新插拔显卡或转接线；在 `sudo lspci -vv` 中对比 LnkSta 与 LnkCap；可在内核启动参数中加 `pcie_aspm=off`。",
        },
        link: Some("https://docs.kernel.org/PCI/pcieaer-howto.html"),
        line: "nvidia 0000:65:00.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)",
    },
    Known {
        id: "kernel.pcie_uncorrected",
        pattern: "PCIe Bus Error: severity=Uncorrect",
        severity: Severity::Error,
        cause: Text {
            en: "A PCIe link had an error that could not be corrected; the device may stop or vanish.",
            zh: "PCIe 链路出现无法纠正的错误，设备可能停止工作或消失。",
        },
        advice: Text {
            en: "See which device it is with `lspci -s`, and look for an Xid 79 at the same time. Seat the card or the riser anew, check the power supply, update the BIOS; replace the part if it comes again.",
            zh: "用 `lspci -s` 查看是哪个设备，并检查同一时间有无 Xid 79。重新插拔显卡或转接线，检查电源，升级 BIOS；再次出现则更换部件。",
        },
        link: Some("https://docs.kernel.org/PCI/pcieaer-howto.html"),
        line: "pcieport 0000:64:00.0: PCIe Bus Error: severity=Uncorrectable (Fatal), type=Transaction Layer, (Requester ID)",
    },
    Known {
        id: "kernel.nvme_timeout",
        pattern: "nvme {disk}: I/O {request} timeout, ",
        severity: Severity::Error,
        cause: Text {
            en: "The SSD {disk} did not answer a request in time. Loading of models stalls.",
            zh: "固态硬盘 {disk} 未按时响应请求，模型加载会卡住。",
        },
        advice: Text {
            en: "Look at `sudo nvme smart-log /dev/{disk}` and the temperature of the disk. Update its firmware; try `nvme_core.default_ps_max_latency_us=0` on the kernel's command line; replace the disk if it comes again.",
            zh: "查看 `sudo nvme smart-log /dev/{disk}` 和硬盘温度。升级硬盘固件；可在内核启动参数中加 `nvme_core.default_ps_max_latency_us=0`；反复出现则更换硬盘。",
        },
        link: None,
        line: "nvme nvme0: I/O 123 QID 4 timeout, aborting",
    },
    Known {
        id: "kernel.nvme_down",
        pattern: "controller is down; will reset",
        severity: Severity::Error,
        cause: Text {
            en: "An SSD stopped answering altogether; the kernel resets it. File systems on it may become read-only.",
            zh: "固态硬盘完全没有响应，内核正在复位它，其上的文件系统可能变为只读。",
        },
        advice: Text {
            en: "Check `sudo nvme list` and `sudo nvme smart-log`; try `nvme_core.default_ps_max_latency_us=0 pcie_aspm=off` on the kernel's command line; seat the disk anew or replace it. Save its data first.",
            zh: "检查 `sudo nvme list` 和 `sudo nvme smart-log`；可在内核启动参数中加 `nvme_core.default_ps_max_latency_us=0 pcie_aspm=off`；重新插拔或更换硬盘。请先备份数据。",
        },
        link: None,
        line: "nvme nvme0: controller is down; will reset: CSTS=0xffffffff, PCI_STATUS=0x10",
    },
    Known {
        id: "kernel.disk_error",
        pattern: "I/O error, dev {disk}, sector",
        severity: Severity::Error,
        cause: Text {
            en: "The disk {disk} could not read or write a sector. Files on it, models too, may be damaged.",
            zh: "磁盘 {disk} 的某个扇区读写失败，其上的文件（包括模型文件）可能已损坏。",
        },
        advice: Text {
            en: "Save the data, then `sudo smartctl -a /dev/{disk}`; replace the disk if errors grow. Check the model's files by their checksums, or download them again.",
            zh: "先备份数据，再执行 `sudo smartctl -a /dev/{disk}`；错误增长则更换磁盘。用校验和检查模型文件，或重新下载。",
        },
        link: None,
        line: "I/O error, dev nvme0n1, sector 1234567 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2",
    },
    Known {
        id: "kernel.ext4_error",
        pattern: "EXT4-fs error (device {disk})",
        severity: Severity::Error,
        cause: Text {
            en: "The file system on {disk} is damaged.",
            zh: "{disk} 上的文件系统已损坏。",
        },
        advice: Text {
            en: "Stop what uses it, unmount it, and run `sudo fsck -f /dev/{disk}`. Look for disk errors before it: `journalctl -k | grep 'I/O error'`.",
            zh: "停止使用它的程序并卸载，执行 `sudo fsck -f /dev/{disk}`。检查之前是否有磁盘错误：`journalctl -k | grep 'I/O error'`。",
        },
        link: None,
        line: "EXT4-fs error (device nvme0n1p2): ext4_find_entry:1455: inode #2: comm python3: reading directory lblock 0",
    },
    Known {
        id: "kernel.read_only",
        pattern: "EXT4-fs ({disk}): Remounting filesystem read-only",
        severity: Severity::Error,
        cause: Text {
            en: "After an error the kernel lets {disk} be read only. Engines can no longer write logs, caches or downloaded models there.",
            zh: "发生错误后，内核已将 {disk} 设为只读，引擎无法再写入日志、缓存或下载模型。",
        },
        advice: Text {
            en: "Find the error before it with `journalctl -k`. Check the disk with `sudo smartctl -a`, repair with `sudo fsck -f /dev/{disk}` while it is unmounted, then mount again or reboot.",
            zh: "用 `journalctl -k` 找到之前的错误。用 `sudo smartctl -a` 检查磁盘，卸载后用 `sudo fsck -f /dev/{disk}` 修复，再重新挂载或重启。",
        },
        link: None,
        line: "EXT4-fs (nvme0n1p2): Remounting filesystem read-only",
    },
    Known {
        id: "kernel.nfs_silent",
        pattern: "nfs: server {server} not responding",
        severity: Severity::Warn,
        cause: Text {
            en: "The file server {server} does not answer. Engines that load models from it wait, and cannot even be ended.",
            zh: "文件服务器 {server} 没有响应，从它加载模型的引擎会一直等待，甚至无法被结束。",
        },
        advice: Text {
            en: "Check the network and the server: `ping {server}`, `showmount -e {server}`. Copy models to a local disk so that the service does not depend on it.",
            zh: "检查网络和服务器：`ping {server}`、`showmount -e {server}`。建议把模型复制到本地磁盘，避免依赖网络存储。",
        },
        link: None,
        line: "nfs: server 10.0.0.5 not responding, still trying",
    },
    Known {
        id: "kernel.amdgpu_ring",
        pattern: "ring {ring} timeout, signaled seq",
        severity: Severity::Error,
        cause: Text {
            en: "The AMD GPU did not finish its work on {ring} in time; the driver will try to reset it, and programs on it are lost.",
            zh: "AMD GPU 的 {ring} 任务超时，驱动将尝试复位，其上的程序会中断。",
        },
        advice: Text {
            en: "Restart the engine. Update kernel, amdgpu firmware (linux-firmware) and ROCm to versions that fit one another; reboot if `rocm-smi` no longer shows the card.",
            zh: "重启推理引擎。升级内核、amdgpu 固件（linux-firmware）和 ROCm，并确保版本匹配；若 `rocm-smi` 已看不到显卡，请重启主机。",
        },
        link: None,
        line: "amdgpu 0000:03:00.0: amdgpu: ring comp_1.0.0 timeout, signaled seq=1234, emitted seq=1236",
    },
    Known {
        id: "kernel.amdgpu_reset",
        pattern: "GPU reset begin!",
        severity: Severity::Error,
        cause: Text {
            en: "The AMD GPU hung and is being reset. All programs on it lose their memory and must be restarted.",
            zh: "AMD GPU 卡死，正在复位。其上所有程序的显存内容都会丢失，必须重启程序。",
        },
        advice: Text {
            en: "Restart the engine afterwards. Look for the cause just before it: `journalctl -k | grep amdgpu`; update kernel, firmware and ROCm if it comes again.",
            zh: "复位后重启推理引擎。用 `journalctl -k | grep amdgpu` 查看之前的原因；反复出现时升级内核、固件和 ROCm。",
        },
        link: None,
        line: "amdgpu 0000:03:00.0: amdgpu: GPU reset begin!",
    },
    Known {
        id: "kernel.amdgpu_page_fault",
        pattern: "page fault (src_id:",
        severity: Severity::Error,
        cause: Text {
            en: "A program on the AMD GPU touched GPU memory that does not belong to it; it is nearly always a fault in the engine or in ROCm.",
            zh: "AMD GPU 上的程序访问了不属于它的显存，几乎总是引擎或 ROCm 的缺陷。",
        },
        advice: Text {
            en: "The next lines name the process. Update the engine and ROCm, and check that the card's gfx version is supported; take HSA_OVERRIDE_GFX_VERSION away if it is set.",
            zh: "后续日志行会给出进程名。升级引擎和 ROCm，确认显卡的 gfx 版本受支持；若设置了 HSA_OVERRIDE_GFX_VERSION，请先去掉。",
        },
        link: None,
        line: "amdgpu 0000:03:00.0: amdgpu: [gfxhub] page fault (src_id:0 ring:24 vmid:3 pasid:32777)",
    },
    Known {
        id: "kernel.i915_hang",
        pattern: "GPU HANG: ecode",
        severity: Severity::Error,
        cause: Text {
            en: "The Intel GPU hung and was reset; the program on it is lost.",
            zh: "Intel GPU 卡死并被复位，其上的程序已中断。",
        },
        advice: Text {
            en: "Restart the engine; update kernel, linux-firmware and the compute runtime (intel-opencl, Level Zero). Long-running kernels need `i915.enable_hangcheck=0` on the kernel's command line.",
            zh: "重启推理引擎；升级内核、linux-firmware 和计算运行时（intel-opencl、Level Zero）。运行时间长的 kernel 需要内核启动参数 `i915.enable_hangcheck=0`。",
        },
        link: None,
        line: "i915 0000:00:02.0: [drm] GPU HANG: ecode 12:1:85dffffb, in python3 [12345]",
    },
    Known {
        id: "kernel.xe_timeout",
        pattern: "Timedout job: seqno=",
        severity: Severity::Error,
        cause: Text {
            en: "The Intel GPU did not finish a job in time; the engine that sent it loses the device.",
            zh: "Intel GPU 任务超时，提交该任务的引擎会失去设备。",
        },
        advice: Text {
            en: "Restart the engine; update kernel, linux-firmware and the compute runtime. A smaller batch (llama.cpp: -ub 256) makes single jobs shorter.",
            zh: "重启推理引擎；升级内核、linux-firmware 和计算运行时。减小批大小（llama.cpp：-ub 256）可缩短单个任务的时间。",
        },
        link: None,
        line: "xe 0000:03:00.0: [drm] Tile0: GT0: Timedout job: seqno=106926, lrc_seqno=106926, guc_id=6, flags=0x20 in llama-server [12345]",
    },
    Known {
        id: "kernel.file_handles",
        pattern: "VFS: file-max limit {limit} reached",
        severity: Severity::Error,
        cause: Text {
            en: "The whole machine has no file handles left ({limit}); programs can open neither files nor connections.",
            zh: "整机文件句柄已用尽（上限 {limit}），程序无法打开文件或建立连接。",
        },
        advice: Text {
            en: "Raise it: `sudo sysctl fs.file-max=2097152`, lasting in /etc/sysctl.d. Find who holds them: `sudo lsof -n | cut -d' ' -f1 | sort | uniq -c | sort -n | tail`.",
            zh: "调高上限：`sudo sysctl fs.file-max=2097152`，并写入 /etc/sysctl.d 永久生效。查找占用者：`sudo lsof -n | cut -d' ' -f1 | sort | uniq -c | sort -n | tail`。",
        },
        link: None,
        line: "VFS: file-max limit 65536 reached",
    },
    Known {
        id: "kernel.syn_flood",
        pattern: "Possible SYN flooding on port {port}. ",
        severity: Severity::Warn,
        cause: Text {
            en: "New connections reach port {port} faster than the server takes them: clients come in a burst, the server is stuck, or it is an attack.",
            zh: "到达端口 {port} 的新连接比服务器接收得快：可能是客户端突发、服务卡住，或遭到攻击。",
        },
        advice: Text {
            en: "See who connects: `ss -tn state syn-recv`. If they are your clients, raise `net.core.somaxconn` and `net.ipv4.tcp_max_syn_backlog` and let clients reuse connections; if not, close the port to the outside.",
            zh: "查看连接来源：`ss -tn state syn-recv`。若是自己的客户端，调高 `net.core.somaxconn` 和 `net.ipv4.tcp_max_syn_backlog`，并让客户端复用连接；若不是，请对外关闭该端口。",
        },
        link: None,
        line: "TCP: request_sock_TCP: Possible SYN flooding on port 8000. Sending cookies.  Check SNMP counters.",
    },
    Known {
        id: "kernel.conntrack_full",
        pattern: "nf_conntrack: table full, dropping packet",
        severity: Severity::Error,
        cause: Text {
            en: "The firewall's table of connections is full, so the kernel drops packets: new requests time out.",
            zh: "防火墙连接跟踪表已满，内核开始丢包，新请求会超时。",
        },
        advice: Text {
            en: "Raise it: `sudo sysctl net.netfilter.nf_conntrack_max=1048576`; compare with `sysctl net.netfilter.nf_conntrack_count`. Let clients reuse connections.",
            zh: "调高上限：`sudo sysctl net.netfilter.nf_conntrack_max=1048576`；用 `sysctl net.netfilter.nf_conntrack_count` 查看当前值。让客户端复用连接。",
        },
        link: Some("https://docs.kernel.org/networking/nf_conntrack-sysctl.html"),
        line: "nf_conntrack: nf_conntrack: table full, dropping packet",
    },
    Known {
        id: "kernel.pids_limit",
        pattern: "fork rejected by pids controller in {group}",
        severity: Severity::Error,
        cause: Text {
            en: "A container or service reached its limit of processes and threads ({group}), so the engine cannot start more.",
            zh: "容器或服务达到进程/线程数上限（{group}），引擎无法再创建线程。",
        },
        advice: Text {
            en: "Raise the limit: `docker run --pids-limit`, podPidsLimit in Kubernetes, or TasksMax= of the systemd unit.",
            zh: "提高上限：`docker run --pids-limit`、Kubernetes 的 podPidsLimit，或 systemd 单元的 TasksMax=。",
        },
        link: None,
        line: "cgroup: fork rejected by pids controller in /system.slice/ollama.service",
    },
    Known {
        id: "kernel.segfault",
        pattern: "]: segfault at {address} ip ",
        severity: Severity::Error,
        cause: Text {
            en: "A program crashed because it touched memory that does not belong to it; the line names the program and, at its end, the library.",
            zh: "程序因访问非法内存而崩溃；该行开头是程序名，末尾是出错的库。",
        },
        advice: Text {
            en: "If it is the engine: restart and update it, with driver and libraries of fitting versions. `coredumpctl info` shows where it crashed. Crashes of many different programs speak for faulty main memory.",
            zh: "若是推理引擎：重启并升级，确保驱动与各库版本匹配。`coredumpctl info` 可查看崩溃位置。若多种不同程序都崩溃，可能是内存条故障。",
        },
        link: None,
        line: "llama-server[12345]: segfault at 8 ip 00007f1c2a5b3c40 sp 00007ffd1b2c3d40 error 4 in libggml-cuda.so[7f1c2a400000+2f3000] likely on CPU 5 (core 5, socket 0)",
    },
];
