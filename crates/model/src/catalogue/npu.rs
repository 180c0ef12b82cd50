//! Huawei's Ascend NPUs under the names and in the units of npu-exporter, so that its dashboards work.

use super::metrics;

metrics! { NPU:
    MACHINE_HEALTHY_NPU_NUMS = Gauge "machine_healthy_npu_nums" "" ["host"]
        "NPUs that report no fault" "报告无故障的 NPU 数";
    MACHINE_NPU_NUMS = Gauge "machine_npu_nums" "" ["host"]
        "NPUs of this machine" "本机的 NPU 数";
    MACHINE_UNHEALTHY_NPU_NUMS = Gauge "machine_unhealthy_npu_nums" "" ["host"]
        "NPUs that report a fault" "报告故障的 NPU 数";
    MACHINE_UNKNOWN_NPU_NUMS = Gauge "machine_unknown_npu_nums" "" ["host"]
        "NPUs whose health could not be read" "无法读取健康状态的 NPU 数";
    NPU_CHIP_INFO_AICORE_CURRENT_FREQ = Gauge "npu_chip_info_aicore_current_freq" "megahertz" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Current clock of the AI cores in MHz" "AI Core 当前频率（MHz）";
    NPU_CHIP_INFO_CUBE_UTILIZATION = Gauge "npu_chip_info_cube_utilization" "percent" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Share of time in which the cube units were active, 0 to 100" "Cube 单元利用率，0 到 100";
    NPU_CHIP_INFO_ERROR_CODE = Gauge "npu_chip_info_error_code" "" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "The first error code that the chip reports; absent when there is none" "芯片报告的第一个错误码；无错误时不存在";
    NPU_CHIP_INFO_ERROR_CODES = Gauge "npu_chip_info_error_code_*" "" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Further error codes that the chip reports" "芯片报告的其他错误码";
    NPU_CHIP_INFO_HBM_BANDWIDTH_UTILIZATION = Gauge "npu_chip_info_hbm_bandwidth_utilization" "percent" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Use of the bandwidth of the HBM, 0 to 100" "HBM 带宽利用率，0 到 100";
    NPU_CHIP_INFO_HBM_ECC = Gauge "npu_chip_info_hbm_ecc_*" "" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "A flag or counter of the HBM's ECC" "HBM ECC 的标志或计数";
    NPU_CHIP_INFO_HBM_TEMPERATURE = Gauge "npu_chip_info_hbm_temperature" "celsius" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Temperature of the HBM" "HBM 温度";
    NPU_CHIP_INFO_HBM_TOTAL_MEMORY = Gauge "npu_chip_info_hbm_total_memory" "mebibytes" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Size of the HBM in MiB" "HBM 总量（MiB）";
    NPU_CHIP_INFO_HBM_USED_MEMORY = Gauge "npu_chip_info_hbm_used_memory" "mebibytes" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Used HBM in MiB" "HBM 已用量（MiB）";
    NPU_CHIP_INFO_HBM_UTILIZATION = Gauge "npu_chip_info_hbm_utilization" "percent" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Use of the HBM, 0 to 100" "HBM 利用率，0 到 100";
    NPU_CHIP_INFO_HCCS_BANDWIDTH_INFO_TOTAL_RX = Gauge "npu_chip_info_hccs_bandwidth_info_total_rx" "GB/s" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Rate at which the chip receives over all HCCS links in GB/s, measured for a short time" "芯片经所有 HCCS 链路接收数据的速率（GB/s，短时采样）";
    NPU_CHIP_INFO_HCCS_BANDWIDTH_INFO_TOTAL_TX = Gauge "npu_chip_info_hccs_bandwidth_info_total_tx" "GB/s" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Rate at which the chip sends over all HCCS links in GB/s, measured for a short time" "芯片经所有 HCCS 链路发送数据的速率（GB/s，短时采样）";
    NPU_CHIP_INFO_HEALTH_STATUS = Gauge "npu_chip_info_health_status" "" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "1 when the chip is healthy, 0 when it is not, -1 when that is not known" "芯片健康为 1，不健康为 0，未知为 -1";
    NPU_CHIP_INFO_NAME = Gauge "npu_chip_info_name" "" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "The chip as labels; the value is always 1" "以标签形式给出的芯片信息，值恒为 1";
    NPU_CHIP_INFO_NETWORK_STATUS = Gauge "npu_chip_info_network_status" "" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "1 when the chip's network port is healthy, else 0" "芯片网口健康为 1，否则为 0";
    NPU_CHIP_INFO_OVERALL_UTILIZATION = Gauge "npu_chip_info_overall_utilization" "percent" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Share of time in which the chip was active, 0 to 100" "芯片整体利用率，0 到 100";
    NPU_CHIP_INFO_POWER = Gauge "npu_chip_info_power" "watts" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Power that the chip draws" "芯片功耗";
    NPU_CHIP_INFO_PROCESS_INFO = Gauge "npu_chip_info_process_info" "mebibytes" ["host" "id" "model_name" "vdie_id" "pcie_bus_info" "process_id"]
        "Memory that a process holds on the chip in MiB" "进程占用的芯片内存（MiB）";
    NPU_CHIP_INFO_PROCESS_INFO_NUM = Gauge "npu_chip_info_process_info_num" "" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Processes that hold memory on the chip" "占用芯片内存的进程数";
    NPU_CHIP_INFO_TEMPERATURE = Gauge "npu_chip_info_temperature" "celsius" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Temperature of the chip" "芯片温度";
    NPU_CHIP_INFO_TOTAL_MEMORY = Gauge "npu_chip_info_total_memory" "mebibytes" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Size of the chip's DDR memory in MiB" "芯片 DDR 内存总量（MiB）";
    NPU_CHIP_INFO_USED_MEMORY = Gauge "npu_chip_info_used_memory" "mebibytes" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Used DDR memory of the chip in MiB" "芯片 DDR 内存已用量（MiB）";
    NPU_CHIP_INFO_UTILIZATION = Gauge "npu_chip_info_utilization" "percent" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Share of time in which the AI cores were active, 0 to 100" "AI Core 利用率，0 到 100";
    NPU_CHIP_INFO_VECTOR_UTILIZATION = Gauge "npu_chip_info_vector_utilization" "percent" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Share of time in which the vector units were active, 0 to 100" "Vector 单元利用率，0 到 100";
    NPU_CHIP_INFO_VOLTAGE = Gauge "npu_chip_info_voltage" "volts" ["host" "id" "model_name" "vdie_id" "pcie_bus_info"]
        "Voltage of the chip" "芯片电压";
}
