//! The host, under node_exporter's names so that public dashboards work.

use super::metrics;

metrics! { NODE:
    NODE_BOOT_TIME_SECONDS = Gauge "node_boot_time_seconds" "seconds" []
        "Unix time at which the machine was started" "系统启动时间（Unix 时间）";
    NODE_CONTEXT_SWITCHES_TOTAL = Counter "node_context_switches_total" "" []
        "Context switches since boot" "启动以来的上下文切换次数";
    NODE_CPU_GUEST_SECONDS_TOTAL = Counter "node_cpu_guest_seconds_total" "seconds" ["cpu" "mode"]
        "CPU time spent running guests, which is part of the user and nice modes" "运行虚拟机所用的 CPU 时间（已计入 user 与 nice）";
    NODE_CPU_SECONDS_TOTAL = Counter "node_cpu_seconds_total" "seconds" ["cpu" "mode"]
        "CPU time by CPU and mode" "各 CPU 在各模式下的时间";
    NODE_DISK_DISCARD_TIME_SECONDS_TOTAL = Counter "node_disk_discard_time_seconds_total" "seconds" ["device"]
        "Time spent on discards" "丢弃（discard）操作耗时";
    NODE_DISK_DISCARDED_SECTORS_TOTAL = Counter "node_disk_discarded_sectors_total" "sectors" ["device"]
        "Sectors discarded" "已丢弃的扇区数";
    NODE_DISK_DISCARDS_COMPLETED_TOTAL = Counter "node_disk_discards_completed_total" "" ["device"]
        "Discards finished" "已完成的丢弃操作数";
    NODE_DISK_DISCARDS_MERGED_TOTAL = Counter "node_disk_discards_merged_total" "" ["device"]
        "Discards merged in the queue" "队列中合并的丢弃操作数";
    NODE_DISK_FLUSH_REQUESTS_TIME_SECONDS_TOTAL = Counter "node_disk_flush_requests_time_seconds_total" "seconds" ["device"]
        "Time spent on flushes" "刷盘操作耗时";
    NODE_DISK_FLUSH_REQUESTS_TOTAL = Counter "node_disk_flush_requests_total" "" ["device"]
        "Flushes finished" "已完成的刷盘操作数";
    NODE_DISK_IO_NOW = Gauge "node_disk_io_now" "" ["device"]
        "Requests in flight" "正在处理的 I/O 请求数";
    NODE_DISK_IO_TIME_SECONDS_TOTAL = Counter "node_disk_io_time_seconds_total" "seconds" ["device"]
        "Time during which the disk was busy" "磁盘处于忙碌状态的时间";
    NODE_DISK_IO_TIME_WEIGHTED_SECONDS_TOTAL = Counter "node_disk_io_time_weighted_seconds_total" "seconds" ["device"]
        "Busy time weighted by the length of the queue" "按队列长度加权的忙碌时间";
    NODE_DISK_READ_BYTES_TOTAL = Counter "node_disk_read_bytes_total" "bytes" ["device"]
        "Bytes read" "读取的字节数";
    NODE_DISK_READ_TIME_SECONDS_TOTAL = Counter "node_disk_read_time_seconds_total" "seconds" ["device"]
        "Time spent on reads, summed over requests" "读取请求的累计耗时";
    NODE_DISK_READS_COMPLETED_TOTAL = Counter "node_disk_reads_completed_total" "" ["device"]
        "Reads finished" "已完成的读取次数";
    NODE_DISK_READS_MERGED_TOTAL = Counter "node_disk_reads_merged_total" "" ["device"]
        "Reads merged in the queue" "队列中合并的读取次数";
    NODE_DISK_WRITE_TIME_SECONDS_TOTAL = Counter "node_disk_write_time_seconds_total" "seconds" ["device"]
        "Time spent on writes, summed over requests" "写入请求的累计耗时";
    NODE_DISK_WRITES_COMPLETED_TOTAL = Counter "node_disk_writes_completed_total" "" ["device"]
        "Writes finished" "已完成的写入次数";
    NODE_DISK_WRITES_MERGED_TOTAL = Counter "node_disk_writes_merged_total" "" ["device"]
        "Writes merged in the queue" "队列中合并的写入次数";
    NODE_DISK_WRITTEN_BYTES_TOTAL = Counter "node_disk_written_bytes_total" "bytes" ["device"]
        "Bytes written" "写入的字节数";
    NODE_FILEFD_ALLOCATED = Gauge "node_filefd_allocated" "" []
        "Open file handles" "已打开的文件句柄数";
    NODE_FILEFD_MAXIMUM = Gauge "node_filefd_maximum" "" []
        "Most file handles that may be open" "可打开文件句柄的上限";
    NODE_FILESYSTEM_AVAIL_BYTES = Gauge "node_filesystem_avail_bytes" "bytes" ["device" "mountpoint" "fstype" "device_error"]
        "Space free for ordinary users" "普通用户可用空间";
    NODE_FILESYSTEM_DEVICE_ERROR = Gauge "node_filesystem_device_error" "" ["device" "mountpoint" "fstype" "device_error"]
        "1 when the file system does not answer" "文件系统无响应时为 1";
    NODE_FILESYSTEM_FILES = Gauge "node_filesystem_files" "" ["device" "mountpoint" "fstype" "device_error"]
        "Inodes" "inode 总数";
    NODE_FILESYSTEM_FILES_FREE = Gauge "node_filesystem_files_free" "" ["device" "mountpoint" "fstype" "device_error"]
        "Free inodes" "空闲 inode 数";
    NODE_FILESYSTEM_FREE_BYTES = Gauge "node_filesystem_free_bytes" "bytes" ["device" "mountpoint" "fstype" "device_error"]
        "Space free, what is kept for root included" "空闲空间（含为 root 保留的部分）";
    NODE_FILESYSTEM_READONLY = Gauge "node_filesystem_readonly" "" ["device" "mountpoint" "fstype" "device_error"]
        "1 when mounted read-only" "只读挂载时为 1";
    NODE_FILESYSTEM_SIZE_BYTES = Gauge "node_filesystem_size_bytes" "bytes" ["device" "mountpoint" "fstype" "device_error"]
        "Size of the file system" "文件系统大小";
    NODE_FORKS_TOTAL = Counter "node_forks_total" "" []
        "Processes and threads created since boot" "启动以来创建的进程与线程数";
    NODE_HWMON_CHIP_NAMES = Gauge "node_hwmon_chip_names" "" ["chip" "chip_name"]
        "Name of a sensor chip; the value is always 1" "传感器芯片名称，值恒为 1";
    NODE_HWMON_TEMP_CELSIUS = Gauge "node_hwmon_temp_celsius" "celsius" ["chip" "sensor"]
        "Temperature of a sensor" "传感器温度";
    NODE_INTR_TOTAL = Counter "node_intr_total" "" []
        "Interrupts serviced since boot" "启动以来处理的中断数";
    NODE_LOAD1 = Gauge "node_load1" "" []
        "Load average over one minute" "1 分钟平均负载";
    NODE_LOAD15 = Gauge "node_load15" "" []
        "Load average over fifteen minutes" "15 分钟平均负载";
    NODE_LOAD5 = Gauge "node_load5" "" []
        "Load average over five minutes" "5 分钟平均负载";
    NODE_MEMORY_BYTES = Gauge "node_memory_*_bytes" "bytes" []
        "A field of /proc/meminfo" "/proc/meminfo 中的字段";
    NODE_MEMORY_HUGEPAGES = Gauge "node_memory_HugePages_*" "" []
        "A count of huge pages from /proc/meminfo" "/proc/meminfo 中的大页计数";
    NODE_NETWORK_RECEIVE_BYTES_TOTAL = Counter "node_network_receive_bytes_total" "bytes" ["device"]
        "Bytes received" "接收的字节数";
    NODE_NETWORK_RECEIVE_COMPRESSED_TOTAL = Counter "node_network_receive_compressed_total" "" ["device"]
        "Compressed packets received" "接收的压缩数据包数";
    NODE_NETWORK_RECEIVE_DROP_TOTAL = Counter "node_network_receive_drop_total" "" ["device"]
        "Packets dropped instead of being received" "接收时丢弃的数据包数";
    NODE_NETWORK_RECEIVE_ERRS_TOTAL = Counter "node_network_receive_errs_total" "" ["device"]
        "Packets not received because of errors" "接收出错的数据包数";
    NODE_NETWORK_RECEIVE_FIFO_TOTAL = Counter "node_network_receive_fifo_total" "" ["device"]
        "FIFO overruns while packets were received" "接收时的 FIFO 溢出数";
    NODE_NETWORK_RECEIVE_FRAME_TOTAL = Counter "node_network_receive_frame_total" "" ["device"]
        "Frames received with a wrong length or checksum" "接收到的帧错误数";
    NODE_NETWORK_RECEIVE_MULTICAST_TOTAL = Counter "node_network_receive_multicast_total" "" ["device"]
        "Multicast packets received" "接收的组播数据包数";
    NODE_NETWORK_RECEIVE_PACKETS_TOTAL = Counter "node_network_receive_packets_total" "" ["device"]
        "Packets received" "接收的数据包数";
    NODE_NETWORK_SPEED_BYTES = Gauge "node_network_speed_bytes" "bytes" ["device"]
        "Speed of the link in bytes per second" "链路速率（字节/秒）";
    NODE_NETWORK_TRANSMIT_BYTES_TOTAL = Counter "node_network_transmit_bytes_total" "bytes" ["device"]
        "Bytes sent" "发送的字节数";
    NODE_NETWORK_TRANSMIT_CARRIER_TOTAL = Counter "node_network_transmit_carrier_total" "" ["device"]
        "Packets not sent because the carrier was lost" "因载波丢失未能发送的数据包数";
    NODE_NETWORK_TRANSMIT_COLLS_TOTAL = Counter "node_network_transmit_colls_total" "" ["device"]
        "Collisions" "冲突次数";
    NODE_NETWORK_TRANSMIT_COMPRESSED_TOTAL = Counter "node_network_transmit_compressed_total" "" ["device"]
        "Compressed packets sent" "发送的压缩数据包数";
    NODE_NETWORK_TRANSMIT_DROP_TOTAL = Counter "node_network_transmit_drop_total" "" ["device"]
        "Packets dropped instead of being sent" "发送时丢弃的数据包数";
    NODE_NETWORK_TRANSMIT_ERRS_TOTAL = Counter "node_network_transmit_errs_total" "" ["device"]
        "Packets not sent because of errors" "发送出错的数据包数";
    NODE_NETWORK_TRANSMIT_FIFO_TOTAL = Counter "node_network_transmit_fifo_total" "" ["device"]
        "FIFO overruns while packets were sent" "发送时的 FIFO 溢出数";
    NODE_NETWORK_TRANSMIT_PACKETS_TOTAL = Counter "node_network_transmit_packets_total" "" ["device"]
        "Packets sent" "发送的数据包数";
    NODE_NETWORK_UP = Gauge "node_network_up" "" ["device"]
        "1 when the interface is up" "接口已启用时为 1";
    NODE_PRESSURE_CPU_WAITING_SECONDS_TOTAL = Counter "node_pressure_cpu_waiting_seconds_total" "seconds" []
        "Time during which some task waited for a CPU" "有任务等待 CPU 的时间";
    NODE_PRESSURE_IO_STALLED_SECONDS_TOTAL = Counter "node_pressure_io_stalled_seconds_total" "seconds" []
        "Time during which no task could go on because of I/O" "所有任务因 I/O 停滞的时间";
    NODE_PRESSURE_IO_WAITING_SECONDS_TOTAL = Counter "node_pressure_io_waiting_seconds_total" "seconds" []
        "Time during which some task waited for I/O" "有任务等待 I/O 的时间";
    NODE_PRESSURE_IRQ_STALLED_SECONDS_TOTAL = Counter "node_pressure_irq_stalled_seconds_total" "seconds" []
        "Time lost to interrupts" "被中断占用的时间";
    NODE_PRESSURE_MEMORY_STALLED_SECONDS_TOTAL = Counter "node_pressure_memory_stalled_seconds_total" "seconds" []
        "Time during which no task could go on for lack of memory" "所有任务因内存不足停滞的时间";
    NODE_PRESSURE_MEMORY_WAITING_SECONDS_TOTAL = Counter "node_pressure_memory_waiting_seconds_total" "seconds" []
        "Time during which some task waited for memory" "有任务等待内存的时间";
    NODE_PROCS_BLOCKED = Gauge "node_procs_blocked" "" []
        "Tasks that wait for I/O" "等待 I/O 的任务数";
    NODE_PROCS_RUNNING = Gauge "node_procs_running" "" []
        "Tasks that can run" "可运行的任务数";
    NODE_THERMAL_ZONE_TEMP = Gauge "node_thermal_zone_temp" "celsius" ["zone" "type"]
        "Temperature of a thermal zone in degrees Celsius" "热区温度（摄氏度）";
    NODE_TIME_SECONDS = Gauge "node_time_seconds" "seconds" []
        "The wall clock as Unix time" "系统时钟（Unix 时间）";
    NODE_UNAME_INFO = Gauge "node_uname_info" "" ["sysname" "release" "version" "machine" "nodename" "domainname"]
        "Identity of the kernel as labels; the value is always 1" "以标签形式给出的内核信息，值恒为 1";
    NODE_VMSTAT = Unknown "node_vmstat_*" "" []
        "A field of /proc/vmstat" "/proc/vmstat 中的字段";
}
