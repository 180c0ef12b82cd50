//! Accelerators of every vendor: one family, base units only. Labels of every series: `uuid` (stable
//! over reboots), `index` (the number that the vendor's own tool shows), `vendor`, `model`, `pci_bus_id`
//! and `host`; a partition of a device has the label `partition` too.

use super::metrics;

metrics! { ACCELERATOR:
    ACCELERATOR_CLOCK_HERTZ = Gauge "accelerator_clock_hertz" "hertz" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "domain"]
        "Current clock of a domain: core, memory or video" "各时钟域（core、memory、video）的当前频率";
    ACCELERATOR_CLOCK_MAX_HERTZ = Gauge "accelerator_clock_max_hertz" "hertz" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "domain"]
        "Highest clock that a domain can reach" "各时钟域可达到的最高频率";
    ACCELERATOR_COLLECT_SECONDS_TOTAL = Counter "accelerator_collect_seconds_total" "seconds" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "group"]
        "Time spent in calls of the vendor's library or files, by group of readings" "按读取分组统计的厂商接口调用耗时";
    ACCELERATOR_ECC_ERRORS_TOTAL = Counter "accelerator_ecc_errors_total" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "type" "scope" "location"]
        "Memory errors found by ECC; scope volatile begins anew with the driver" "ECC 发现的显存错误数；scope 为 volatile 的计数随驱动加载重新开始";
    ACCELERATOR_ENERGY_JOULES_TOTAL = Counter "accelerator_energy_joules_total" "joules" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Energy drawn; begins anew with the driver" "累计能耗，随驱动加载重新开始";
    ACCELERATOR_ENGINE_UTILIZATION_RATIO = Gauge "accelerator_engine_utilization_ratio" "ratio" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "engine"]
        "Share of time or cycles in which an engine was active, 0 to 1" "各引擎处于活动状态的时间或周期占比，0 到 1";
    ACCELERATOR_ERRORS_TOTAL = Counter "accelerator_errors_total" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "code" "class" "action"]
        "Error events that the device or its driver reported since modelwatch started, such as NVIDIA's Xid" "modelwatch 启动以来设备或其驱动报告的错误事件数，例如 NVIDIA 的 Xid";
    ACCELERATOR_FAN_SPEED_RATIO = Gauge "accelerator_fan_speed_ratio" "ratio" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Fan speed against its maximum, 0 to 1" "风扇转速占最大转速的比例，0 到 1";
    ACCELERATOR_FAN_SPEED_RPM = Gauge "accelerator_fan_speed_rpm" "rpm" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Fan speed in revolutions per minute" "风扇转速（转/分）";
    ACCELERATOR_FIELD_STATE = Gauge "accelerator_field_state" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "field" "state"]
        "How a reading is doing: ok, estimated, unsupported, denied or error; tells why a series is missing; always 1" "各读数项的状态：ok、estimated、unsupported、denied 或 error，用于说明序列缺失的原因，值恒为 1";
    ACCELERATOR_HEALTH = Gauge "accelerator_health" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "state"]
        "State of the device: of the series ok, degraded, failed and unknown exactly one is 1" "设备健康状态：ok、degraded、failed、unknown 中恰有一个为 1";
    ACCELERATOR_INFO = Gauge "accelerator_info" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "serial" "driver_version" "firmware_version" "library_version" "numa_node" "partition_mode"]
        "Facts about the device as labels; the value is always 1" "以标签形式给出的设备信息，值恒为 1";
    ACCELERATOR_LAST_ERROR_TIMESTAMP_SECONDS = Gauge "accelerator_last_error_timestamp_seconds" "seconds" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "code"]
        "Unix time of the last error event of that code" "该错误代码最近一次出现的时间（Unix 时间）";
    ACCELERATOR_LINK_ERRORS_TOTAL = Counter "accelerator_link_errors_total" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "link" "type" "port"]
        "Errors on a link, by type" "链路错误数（按类型）";
    ACCELERATOR_LINK_RECEIVE_BYTES_TOTAL = Counter "accelerator_link_receive_bytes_total" "bytes" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "link" "port"]
        "Bytes that the device received over a link" "设备经链路接收的字节数";
    ACCELERATOR_LINK_TRANSMIT_BYTES_TOTAL = Counter "accelerator_link_transmit_bytes_total" "bytes" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "link" "port"]
        "Bytes that the device sent over a link" "设备经链路发送的字节数";
    ACCELERATOR_LINK_UP = Gauge "accelerator_link_up" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "link" "port"]
        "1 when a port of a link is up, else 0" "链路端口处于连接状态为 1，否则为 0";
    ACCELERATOR_MEMORY_BANDWIDTH_UTILIZATION_RATIO = Gauge "accelerator_memory_bandwidth_utilization_ratio" "ratio" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Bytes moved to and from device memory against the peak, 0 to 1" "显存实际带宽占峰值带宽的比例，0 到 1";
    ACCELERATOR_MEMORY_BUSY_RATIO = Gauge "accelerator_memory_busy_ratio" "ratio" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Share of time in which the memory controller was active, 0 to 1; weaker than the bandwidth figure" "显存控制器处于活动状态的时间占比，0 到 1；参考意义弱于带宽利用率";
    ACCELERATOR_MEMORY_FREE_BYTES = Gauge "accelerator_memory_free_bytes" "bytes" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Device memory that can be allocated now" "当前可分配的显存";
    ACCELERATOR_MEMORY_PAGES_RETIRED_TOTAL = Counter "accelerator_memory_pages_retired_total" "pages" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "cause"]
        "Memory pages taken out of use because of errors" "因错误而停用的显存页数";
    ACCELERATOR_MEMORY_REPAIR_FAILED = Gauge "accelerator_memory_repair_failed" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "1 when a repair of memory failed and the device should be replaced" "显存修复失败、设备应更换时为 1";
    ACCELERATOR_MEMORY_REPAIR_PENDING = Gauge "accelerator_memory_repair_pending" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "1 when a repair of memory waits for the next reset" "有显存修复等待下次复位后生效时为 1";
    ACCELERATOR_MEMORY_RESERVED_BYTES = Gauge "accelerator_memory_reserved_bytes" "bytes" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Device memory that driver and firmware keep for themselves" "驱动与固件保留的显存";
    ACCELERATOR_MEMORY_ROWS_REMAPPED_TOTAL = Counter "accelerator_memory_rows_remapped_total" "rows" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "cause"]
        "Memory rows replaced by spare ones because of errors" "因错误而被备用行替换的显存行数";
    ACCELERATOR_MEMORY_SHARED_TOTAL_BYTES = Gauge "accelerator_memory_shared_total_bytes" "bytes" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "System memory that may be mapped for the device" "可供设备映射的系统内存总量";
    ACCELERATOR_MEMORY_SHARED_USED_BYTES = Gauge "accelerator_memory_shared_used_bytes" "bytes" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "System memory that is mapped for the device" "已为设备映射的系统内存";
    ACCELERATOR_MEMORY_TOTAL_BYTES = Gauge "accelerator_memory_total_bytes" "bytes" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Size of the device's memory" "显存总量";
    ACCELERATOR_MEMORY_USED_BYTES = Gauge "accelerator_memory_used_bytes" "bytes" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Allocated device memory; without the driver's reservation where the vendor tells them apart" "已分配的显存；厂商可区分时不含驱动保留部分";
    ACCELERATOR_OCCUPANCY_RATIO = Gauge "accelerator_occupancy_ratio" "ratio" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Resident warps against the maximum, 0 to 1" "驻留线程束占上限的比例，0 到 1";
    ACCELERATOR_PARTITION_INFO = Gauge "accelerator_partition_info" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "profile" "parent"]
        "A partition of a device (MIG instance, compute partition, vNPU); the value is always 1" "设备分区（MIG 实例、计算分区、vNPU）信息，值恒为 1";
    ACCELERATOR_PCIE_LINK_GENERATION = Gauge "accelerator_pcie_link_generation" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "kind"]
        "PCIe generation of the link, current and maximum; idle devices lower the current one" "PCIe 链路代数（当前与最大）；设备空闲时当前值会降低";
    ACCELERATOR_PCIE_LINK_WIDTH = Gauge "accelerator_pcie_link_width" "lanes" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "kind"]
        "PCIe lanes of the link, current and maximum" "PCIe 链路通道数（当前与最大）";
    ACCELERATOR_PERFORMANCE_STATE = Gauge "accelerator_performance_state" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Performance state, 0 is the fastest and 15 the slowest" "性能状态，0 最快，15 最慢";
    ACCELERATOR_POWER_LIMIT_WATTS = Gauge "accelerator_power_limit_watts" "watts" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "kind"]
        "Limits of power: enforced, requested, default, min, max" "功率限制：enforced、requested、default、min、max";
    ACCELERATOR_POWER_WATTS = Gauge "accelerator_power_watts" "watts" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Power that the board draws" "板卡功耗";
    ACCELERATOR_PROCESS_COUNT = Gauge "accelerator_process_count" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Processes that hold the device" "占用设备的进程数";
    ACCELERATOR_PROCESS_MEMORY_BYTES = Gauge "accelerator_process_memory_bytes" "bytes" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "pid" "process" "engine" "container"]
        "Device memory of a process; the smallest ones are summed as pid other" "进程占用的显存；占用较少的进程合并为 pid=other";
    ACCELERATOR_PROCESS_UTILIZATION_RATIO = Gauge "accelerator_process_utilization_ratio" "ratio" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "pid" "process" "engine" "container"]
        "Share of the device's compute that a process used, 0 to 1" "进程使用的设备算力占比，0 到 1";
    ACCELERATOR_RECOVERY_ACTION = Gauge "accelerator_recovery_action" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "action"]
        "What the driver asks for: of the series none, gpu_reset, node_reboot, drain_p2p, drain_and_reset and recover_imex exactly one is 1" "驱动要求的恢复操作：none、gpu_reset、node_reboot、drain_p2p、drain_and_reset、recover_imex 中恰有一个为 1";
    ACCELERATOR_SAMPLE_AGE_SECONDS = Gauge "accelerator_sample_age_seconds" "seconds" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "group"]
        "Age of the newest reading of a group: fast, process, error or static" "各读取分组（fast、process、error、static）最新数据的时效";
    ACCELERATOR_TEMPERATURE_CELSIUS = Gauge "accelerator_temperature_celsius" "celsius" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "sensor"]
        "Temperature of a sensor: core, hotspot, memory or board" "各传感器温度：core、hotspot、memory、board";
    ACCELERATOR_TEMPERATURE_LIMIT_CELSIUS = Gauge "accelerator_temperature_limit_celsius" "celsius" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "kind"]
        "Temperatures at which the device slows down or shuts down, and the highest for memory and core" "设备降频与关机的温度阈值，以及显存与核心的最高温度";
    ACCELERATOR_THROTTLE_ACTIVE = Gauge "accelerator_throttle_active" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "reason"]
        "1 while a reason limits the clocks, else 0; idle, app_clocks and sw_power_cap are normal" "某原因正在限制时钟频率为 1，否则为 0；idle、app_clocks、sw_power_cap 属正常情况";
    ACCELERATOR_THROTTLE_SECONDS_TOTAL = Counter "accelerator_throttle_seconds_total" "seconds" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition" "reason"]
        "Time for which a reason limited the clocks" "某原因限制时钟频率的累计时间";
    ACCELERATOR_UP = Gauge "accelerator_up" "" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "1 while the device answers, 0 when it is lost or needs a reset" "设备有响应为 1，失联或需要复位为 0";
    ACCELERATOR_UTILIZATION_RATIO = Gauge "accelerator_utilization_ratio" "ratio" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Share of time in which some work was resident, 0 to 1; says nothing of efficiency" "有任务驻留的时间占比，0 到 1；不反映效率";
    ACCELERATOR_VOLTAGE_VOLTS = Gauge "accelerator_voltage_volts" "volts" ["uuid" "index" "vendor" "model" "pci_bus_id" "host" "partition"]
        "Voltage of the core" "核心电压";
}
