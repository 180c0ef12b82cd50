//! MindIE, and what CANN says beneath every engine on Ascend.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "mindie.npu_memory",
        pattern: "NPU out of memory. Tried to allocate {size} (NPU {device};",
        severity: Severity::Error,
        cause: Text {
            en: "NPU {device} has no {size} of HBM left; the request or the start failed.",
            zh: "NPU {device} 的 HBM 显存不足，无法再分配 {size}，请求或启动失败。",
        },
        advice: Text {
            en: "Lower the share for the KV cache (npuMemSize in MindIE's config.json, --gpu-memory-utilization in vLLM Ascend), the batch or the context length; spread the model over more NPUs. `npu-smi info` shows what uses the memory.",
            zh: "调低 KV cache 占比（MindIE config.json 的 npuMemSize，vLLM Ascend 的 --gpu-memory-utilization）、批大小或上下文长度；或用更多 NPU 切分模型。`npu-smi info` 可查看显存占用。",
        },
        link: None,
        line: "RuntimeError: NPU out of memory. Tried to allocate 22.00 MiB (NPU 0; 60.97 GiB total capacity; 10.24 GiB already allocated; 10.24 GiB current active; 19.52 MiB free; 10.65 GiB reserved in total by PyTorch) If reserved memory is >> allocated memory try setting max_split_size_mb to avoid fragmentation.",
    },
    Known {
        id: "mindie.cann_memory",
        pattern: "EL0004{}Failed to allocate memory",
        severity: Severity::Error,
        cause: Text {
            en: "CANN could not get memory on the NPU: its HBM is full.",
            zh: "CANN 无法在 NPU 上分配内存：HBM 显存已满。",
        },
        advice: Text {
            en: "See with `npu-smi info` what else runs on the NPU and end leftover processes; lower npuMemSize, batch or context length.",
            zh: "用 `npu-smi info` 查看 NPU 上还有哪些进程并结束残留进程；调低 npuMemSize、批大小或上下文长度。",
        },
        link: None,
        line: "EL0004: [PID: 14004] 2025-11-06-01:17:59.527.855 Failed to allocate memory.",
    },
    Known {
        id: "mindie.hccl_connect",
        pattern: "EI0006{}Getting socket times out",
        severity: Severity::Error,
        cause: Text {
            en: "The NPUs did not find one another in time: one rank is late or gone, or the network between them is blocked.",
            zh: "各 NPU 之间建链超时：某个 rank 启动慢、已退出，或彼此网络不通。",
        },
        advice: Text {
            en: "Look at the logs of all ranks for the one that failed first. Check the links with `hccn_tool -i 0 -link -g` and `hccn_tool -i 0 -ping -g address ...`, the firewall and rank table; a slow start needs HCCL_CONNECT_TIMEOUT=900.",
            zh: "查看所有 rank 的日志，找出最先失败的一个。用 `hccn_tool -i 0 -link -g`、`hccn_tool -i 0 -ping -g address ...` 检查链路，检查防火墙和 rank table；启动慢可设 HCCL_CONNECT_TIMEOUT=900。",
        },
        link: None,
        line: "Communication_Error_Get_Socket(EI0006): Getting socket times out.",
    },
    Known {
        id: "mindie.hccl_execute",
        pattern: "EI0002{}Notify register times out",
        severity: Severity::Error,
        cause: Text {
            en: "An NPU waited in vain for another one in the middle of computing: the other failed or computes something else.",
            zh: "NPU 在计算过程中等待对端超时：对端已出错，或各 rank 执行的算子不一致。",
        },
        advice: Text {
            en: "The rank that failed first is the cause: compare the logs of all ranks (~/ascend/log). Check the links with `hccn_tool -i 0 -link -g`; HCCL_EXEC_TIMEOUT makes the wait longer.",
            zh: "最先失败的 rank 才是原因：对比所有 rank 的日志（~/ascend/log）。用 `hccn_tool -i 0 -link -g` 检查链路；可用 HCCL_EXEC_TIMEOUT 延长等待时间。",
        },
        link: None,
        line: "EI0002: [PID: 12345] 2025-10-24-11:18:29.499.235 The wait execution of the Notify register times out. Reason: The Notify register has not received the Notify record from remote rank [1].",
    },
    Known {
        id: "mindie.vector_core",
        pattern: "The vector core execution is abnormal",
        severity: Severity::Error,
        cause: Text {
            en: "A computation on the NPU's vector core failed, mostly because an operator touched memory outside its data; the process must be restarted.",
            zh: "NPU 向量核执行异常，多为算子访问越界，进程必须重启。",
        },
        advice: Text {
            en: "Restart the service. Update CANN, the driver and the engine to versions that belong together; find the operator in ~/ascend/log/debug/plog. Check the card's health with `npu-smi info -t health -i 0`.",
            zh: "重启服务。将 CANN、驱动和引擎升级到配套版本；在 ~/ascend/log/debug/plog 中查找出错算子。用 `npu-smi info -t health -i 0` 检查卡的健康状态。",
        },
        link: None,
        line: "[Error]: The vector core execution is abnormal. ",
    },
    Known {
        id: "mindie.aicpu",
        pattern: "The aicpu execution is abnormal",
        severity: Severity::Error,
        cause: Text {
            en: "A computation on the NPU's AI CPU failed; the process must be restarted.",
            zh: "NPU 的 AI CPU 执行异常，进程必须重启。",
        },
        advice: Text {
            en: "Restart the service, and see ~/ascend/log/debug/plog for the operator. Check that CANN, driver and firmware belong together.",
            zh: "重启服务，在 ~/ascend/log/debug/plog 中查找出错算子。确认 CANN、驱动和固件版本配套。",
        },
        link: None,
        line: "[Error]: The aicpu execution is abnormal.",
    },
    Known {
        id: "mindie.device_open",
        pattern: "open device {device} failed, runtime result = {code}",
        severity: Severity::Error,
        cause: Text {
            en: "NPU {device} could not be opened (code {code}): it is not there, not passed into the container, or taken or broken.",
            zh: "无法打开 NPU {device}（错误码 {code}）：设备不存在、未映射进容器、被占用或有故障。",
        },
        advice: Text {
            en: "Check `npu-smi info` on the host. Pass /dev/davinci{device}, /dev/davinci_manager, /dev/devmm_svm and /dev/hisi_hdc into the container; check ASCEND_RT_VISIBLE_DEVICES and the rights (group HwHiAiUser).",
            zh: "在主机上检查 `npu-smi info`。将 /dev/davinci{device}、/dev/davinci_manager、/dev/devmm_svm、/dev/hisi_hdc 映射进容器；检查 ASCEND_RT_VISIBLE_DEVICES 和权限（HwHiAiUser 用户组）。",
        },
        link: None,
        line: "[ERROR] open device 2 failed, runtime result = 507033.[FUNC:ReportCallError][FILE:log_inner.cpp][LINE:148]",
    },
    Known {
        id: "mindie.kv_no_room",
        pattern: "Invalid number of NPU blocks: {blocks}",
        severity: Severity::Error,
        cause: Text {
            en: "After loading the model no memory is left for the KV cache ({blocks} blocks), so MindIE does not start.",
            zh: "加载模型后没有剩余显存可用于 KV cache（{blocks} 个块），MindIE 无法启动。",
        },
        advice: Text {
            en: "Raise npuMemSize (or set it to -1) and NPU_MEMORY_FRACTION, lower maxSeqLen, maxPrefillTokens or maxBatchSize in config.json, or raise worldSize to use more NPUs.",
            zh: "在 config.json 中增大 npuMemSize（或设为 -1）并调高 NPU_MEMORY_FRACTION，降低 maxSeqLen、maxPrefillTokens 或 maxBatchSize，或增大 worldSize 使用更多 NPU。",
        },
        link: None,
        line: "ValueError: Invalid number of NPU blocks: -12. It must be non-negative. This is due to warm_up out of memory.",
    },
    Known {
        id: "mindie.out_of_memory",
        pattern: "TEXT_GENERATOR_OUT_OF_MEMORY fault happened",
        severity: Severity::Error,
        cause: Text {
            en: "The NPU's memory ran out while MindIE answered a request.",
            zh: "MindIE 处理请求时 NPU 显存耗尽。",
        },
        advice: Text {
            en: "Lower maxBatchSize, maxPrefillTokens or maxSeqLen in config.json, or leave more free with a smaller NPU_MEMORY_FRACTION.",
            zh: "在 config.json 中降低 maxBatchSize、maxPrefillTokens 或 maxSeqLen，或调小 NPU_MEMORY_FRACTION 预留显存。",
        },
        link: None,
        line: "[2025-05-30 21:47:44,982] [134] [281466201825504] [llm] [ERROR] [logging.py-56] : TEXT_GENERATOR_OUT_OF_MEMORY fault happened in generate_token, error code: MIE05E01000A",
    },
    Known {
        id: "mindie.hbm_ecc",
        pattern: "TEXT_GENERATOR_HBM_MULTI_BIT_ECC_ERROR fault happened",
        severity: Severity::Fatal,
        cause: Text {
            en: "The NPU's HBM has an error of several bits that cannot be corrected; results are lost.",
            zh: "NPU 的 HBM 出现无法纠正的多比特 ECC 错误，计算结果已丢失。",
        },
        advice: Text {
            en: "Restart the service; look at `npu-smi info -t ecc -i 0`. If it comes again, take the card out of service and have it replaced.",
            zh: "重启服务，查看 `npu-smi info -t ecc -i 0`。再次出现则将该卡下线并更换。",
        },
        link: None,
        line: "[2025-05-30 21:47:44,982] [134] [281466201825504] [llm] [ERROR] [logging.py-56] : TEXT_GENERATOR_HBM_MULTI_BIT_ECC_ERROR fault happened in generate_token, error code: MIE05E01000B",
    },
];
