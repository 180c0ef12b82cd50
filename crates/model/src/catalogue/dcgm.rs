//! NVIDIA GPUs under the names of DCGM and its exporter, so that public dashboards work. Units and scales
//! are theirs: MiB, MHz, 0 to 100 where they have it. The byte rates of GPM are left out until hardware
//! has settled their unit.

use super::metrics;

metrics! { DCGM:
    DCGM_EXP_XID_ERRORS_COUNT = Gauge "DCGM_EXP_XID_ERRORS_COUNT" "" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID" "xid" "window_size_in_ms"]
        "Xid errors within a window of time, by code" "时间窗口内的 Xid 错误数（按代码）";
    DCGM_FI_DEV_CLOCK_THROTTLE_REASONS = Gauge "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS" "" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Bit mask of the reasons that limit the clocks now" "当前限制时钟频率的原因（位掩码）";
    DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS = Counter "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS" "rows" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Memory rows remapped because of corrected errors" "因可纠正错误而重映射的显存行数";
    DCGM_FI_DEV_DEC_UTIL = Gauge "DCGM_FI_DEV_DEC_UTIL" "percent" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Utilisation of the video decoder, 0 to 100" "视频解码器利用率，0 到 100";
    DCGM_FI_DEV_ECC_DBE_VOL_TOTAL = Counter "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL" "" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Uncorrected memory errors since the driver was loaded" "驱动加载以来的不可纠正显存错误数";
    DCGM_FI_DEV_ECC_SBE_VOL_TOTAL = Counter "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL" "" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Corrected memory errors since the driver was loaded" "驱动加载以来的可纠正显存错误数";
    DCGM_FI_DEV_ENC_UTIL = Gauge "DCGM_FI_DEV_ENC_UTIL" "percent" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Utilisation of the video encoder, 0 to 100" "视频编码器利用率，0 到 100";
    DCGM_FI_DEV_FB_FREE = Gauge "DCGM_FI_DEV_FB_FREE" "MiB" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Free device memory in MiB" "空闲显存（MiB）";
    DCGM_FI_DEV_FB_RESERVED = Gauge "DCGM_FI_DEV_FB_RESERVED" "MiB" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Reserved device memory in MiB" "保留显存（MiB）";
    DCGM_FI_DEV_FB_USED = Gauge "DCGM_FI_DEV_FB_USED" "MiB" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Used device memory in MiB" "已用显存（MiB）";
    DCGM_FI_DEV_GPU_TEMP = Gauge "DCGM_FI_DEV_GPU_TEMP" "celsius" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Temperature of the GPU" "GPU 温度";
    DCGM_FI_DEV_GPU_UTIL = Gauge "DCGM_FI_DEV_GPU_UTIL" "percent" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Share of time in which a kernel ran, 0 to 100" "有内核运行的时间占比，0 到 100";
    DCGM_FI_DEV_MEMORY_TEMP = Gauge "DCGM_FI_DEV_MEMORY_TEMP" "celsius" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Temperature of the memory" "显存温度";
    DCGM_FI_DEV_MEM_CLOCK = Gauge "DCGM_FI_DEV_MEM_CLOCK" "MHz" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Clock of the memory in MHz" "显存频率（MHz）";
    DCGM_FI_DEV_MEM_COPY_UTIL = Gauge "DCGM_FI_DEV_MEM_COPY_UTIL" "percent" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Share of time in which memory was read or written, 0 to 100" "显存读写的时间占比，0 到 100";
    DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL = Gauge "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL" "MB/s" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION"]
        "Rate of data over all NVLinks in MB/s; dcgm-exporter calls it a counter, but it is a rate" "所有 NVLink 的数据速率（MB/s）；dcgm-exporter 标为计数器，实为速率";
    DCGM_FI_DEV_PCIE_REPLAY_COUNTER = Counter "DCGM_FI_DEV_PCIE_REPLAY_COUNTER" "" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "PCIe packets sent again because of errors" "因错误而重传的 PCIe 数据包数";
    DCGM_FI_DEV_POWER_USAGE = Gauge "DCGM_FI_DEV_POWER_USAGE" "watts" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Power that the board draws" "板卡功耗";
    DCGM_FI_DEV_POWER_VIOLATION = Counter "DCGM_FI_DEV_POWER_VIOLATION" "ns" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Time below the wanted clocks because of the power limit, in nanoseconds" "因功率限制而降频的时间（纳秒）";
    DCGM_FI_DEV_ROW_REMAP_FAILURE = Gauge "DCGM_FI_DEV_ROW_REMAP_FAILURE" "" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "1 when remapping a memory row failed" "显存行重映射失败时为 1";
    DCGM_FI_DEV_SM_CLOCK = Gauge "DCGM_FI_DEV_SM_CLOCK" "MHz" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Clock of the SMs in MHz" "SM 频率（MHz）";
    DCGM_FI_DEV_THERMAL_VIOLATION = Counter "DCGM_FI_DEV_THERMAL_VIOLATION" "ns" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Time below the wanted clocks because of heat, in nanoseconds" "因温度而降频的时间（纳秒）";
    DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION = Counter "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION" "mJ" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Energy in mJ since the driver was loaded" "驱动加载以来的能耗（毫焦）";
    DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS = Counter "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS" "rows" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Memory rows remapped because of uncorrected errors" "因不可纠正错误而重映射的显存行数";
    DCGM_FI_DEV_VGPU_LICENSE_STATUS = Gauge "DCGM_FI_DEV_VGPU_LICENSE_STATUS" "" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "1 when a vGPU has its licence, 0 when not; absent where the device is no vGPU" "vGPU 已授权为 1，未授权为 0；非 vGPU 设备无此序列";
    DCGM_FI_DEV_XID_ERRORS = Gauge "DCGM_FI_DEV_XID_ERRORS" "" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID" "err_code" "err_msg"]
        "Code of the last Xid error" "最近一次 Xid 错误的代码";
    DCGM_FI_PROF_DRAM_ACTIVE = Gauge "DCGM_FI_PROF_DRAM_ACTIVE" "ratio" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Share of cycles in which device memory moved data, 0 to 1" "显存传输数据的周期占比，0 到 1";
    DCGM_FI_PROF_GR_ENGINE_ACTIVE = Gauge "DCGM_FI_PROF_GR_ENGINE_ACTIVE" "ratio" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Share of time in which the graphics or compute engine was active, 0 to 1" "图形或计算引擎处于活动状态的时间占比，0 到 1";
    DCGM_FI_PROF_PIPE_FP16_ACTIVE = Gauge "DCGM_FI_PROF_PIPE_FP16_ACTIVE" "ratio" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Share of cycles in which the FP16 pipe was active, 0 to 1" "FP16 流水线处于活动状态的周期占比，0 到 1";
    DCGM_FI_PROF_PIPE_FP32_ACTIVE = Gauge "DCGM_FI_PROF_PIPE_FP32_ACTIVE" "ratio" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Share of cycles in which the FP32 pipe was active, 0 to 1" "FP32 流水线处于活动状态的周期占比，0 到 1";
    DCGM_FI_PROF_PIPE_TENSOR_ACTIVE = Gauge "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE" "ratio" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Share of cycles in which the tensor cores were active, 0 to 1" "张量核心处于活动状态的周期占比，0 到 1";
    DCGM_FI_PROF_SM_ACTIVE = Gauge "DCGM_FI_PROF_SM_ACTIVE" "ratio" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Share of cycles in which a warp was resident on an SM, 0 to 1" "SM 上有线程束驻留的周期占比，0 到 1";
    DCGM_FI_PROF_SM_OCCUPANCY = Gauge "DCGM_FI_PROF_SM_OCCUPANCY" "ratio" ["gpu" "UUID" "pci_bus_id" "device" "modelName" "hostname" "DCGM_FI_DRIVER_VERSION" "GPU_I_PROFILE" "GPU_I_ID"]
        "Resident warps against the maximum, 0 to 1" "驻留线程束占上限的比例，0 到 1";
}
