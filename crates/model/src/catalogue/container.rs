//! The container or unit of systemd that an engine runs in, under cAdvisor's names where cAdvisor has one.
//! Label `id` is the path of the control group; `llm_engine_container_info` says what it belongs to.

use super::metrics;

metrics! { CONTAINER:
    CONTAINER_CPU_CFS_PERIODS_TOTAL = Counter "container_cpu_cfs_periods_total" "" ["engine" "instance" "id"]
        "Periods of the CPU limit that have passed" "CPU 配额周期的累计数";
    CONTAINER_CPU_CFS_THROTTLED_PERIODS_TOTAL = Counter "container_cpu_cfs_throttled_periods_total" "" ["engine" "instance" "id"]
        "Periods of the CPU limit in which the group was held up" "触发 CPU 限流的周期数";
    CONTAINER_CPU_CFS_THROTTLED_SECONDS_TOTAL = Counter "container_cpu_cfs_throttled_seconds_total" "seconds" ["engine" "instance" "id"]
        "Time in which the group was held up by its CPU limit" "因 CPU 限额而被限流的时间";
    CONTAINER_CPU_USAGE_SECONDS_TOTAL = Counter "container_cpu_usage_seconds_total" "seconds" ["engine" "instance" "id"]
        "CPU time that the engine's container or unit used" "推理引擎所在容器或单元所用的 CPU 时间";
    CONTAINER_FS_READS_BYTES_TOTAL = Counter "container_fs_reads_bytes_total" "bytes" ["engine" "instance" "id" "device"]
        "Bytes read by device" "按设备统计的读取字节数";
    CONTAINER_FS_READS_TOTAL = Counter "container_fs_reads_total" "" ["engine" "instance" "id" "device"]
        "Reads by device" "按设备统计的读取次数";
    CONTAINER_FS_WRITES_BYTES_TOTAL = Counter "container_fs_writes_bytes_total" "bytes" ["engine" "instance" "id" "device"]
        "Bytes written by device" "按设备统计的写入字节数";
    CONTAINER_FS_WRITES_TOTAL = Counter "container_fs_writes_total" "" ["engine" "instance" "id" "device"]
        "Writes by device" "按设备统计的写入次数";
    CONTAINER_MEMORY_CACHE = Gauge "container_memory_cache" "bytes" ["engine" "instance" "id"]
        "Page cache of the group" "控制组的页缓存";
    CONTAINER_MEMORY_MAX_USAGE_BYTES = Gauge "container_memory_max_usage_bytes" "bytes" ["engine" "instance" "id"]
        "Most memory that the group ever used" "控制组历史最大内存用量";
    CONTAINER_MEMORY_RSS = Gauge "container_memory_rss" "bytes" ["engine" "instance" "id"]
        "Anonymous memory of the group" "控制组的匿名内存";
    CONTAINER_MEMORY_SWAP = Gauge "container_memory_swap" "bytes" ["engine" "instance" "id"]
        "Swap that the group uses" "控制组使用的交换空间";
    CONTAINER_MEMORY_USAGE_BYTES = Gauge "container_memory_usage_bytes" "bytes" ["engine" "instance" "id"]
        "Memory of the group, page cache included" "控制组的内存用量（含页缓存）";
    CONTAINER_MEMORY_WORKING_SET_BYTES = Gauge "container_memory_working_set_bytes" "bytes" ["engine" "instance" "id"]
        "Memory of the group without the inactive part of its page cache" "控制组的工作集内存（不含不活跃的页缓存）";
    CONTAINER_OOM_EVENTS_TOTAL = Counter "container_oom_events_total" "" ["engine" "instance" "id"]
        "Processes of the group that the kernel killed for lack of memory" "控制组中因内存不足被内核终止的进程数";
    CONTAINER_PRESSURE_CPU_WAITING_SECONDS_TOTAL = Counter "container_pressure_cpu_waiting_seconds_total" "seconds" ["engine" "instance" "id"]
        "Time in which some task of the group waited for a CPU" "控制组中有任务等待 CPU 的时间";
    CONTAINER_PRESSURE_IO_WAITING_SECONDS_TOTAL = Counter "container_pressure_io_waiting_seconds_total" "seconds" ["engine" "instance" "id"]
        "Time in which some task of the group waited for I/O" "控制组中有任务等待 I/O 的时间";
    CONTAINER_PRESSURE_MEMORY_WAITING_SECONDS_TOTAL = Counter "container_pressure_memory_waiting_seconds_total" "seconds" ["engine" "instance" "id"]
        "Time in which some task of the group waited for memory" "控制组中有任务等待内存的时间";
    CONTAINER_SPEC_CPU_PERIOD = Gauge "container_spec_cpu_period" "" ["engine" "instance" "id"]
        "Length of a period of the CPU limit in microseconds" "CPU 配额周期（微秒）";
    CONTAINER_SPEC_CPU_QUOTA = Gauge "container_spec_cpu_quota" "" ["engine" "instance" "id"]
        "CPU time in microseconds that the group may use in a period; absent without a limit" "每个周期可用的 CPU 时间（微秒），无限制时不提供";
    CONTAINER_SPEC_MEMORY_LIMIT_BYTES = Gauge "container_spec_memory_limit_bytes" "bytes" ["engine" "instance" "id"]
        "Most memory that the group may use; absent without a limit" "控制组的内存上限，无限制时不提供";
    CONTAINER_THREADS = Gauge "container_threads" "" ["engine" "instance" "id"]
        "Threads in the group" "控制组中的线程数";
}
