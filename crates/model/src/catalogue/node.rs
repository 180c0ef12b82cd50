//! The host, under node_exporter's names so that public dashboards work, and the conventional metrics of
//! a process about ourselves.

use super::metrics;

metrics! { NODE:
    NODE_ARP_ENTRIES = Gauge "node_arp_entries" "" ["device"]
        "Entries of the ARP table" "ARP 表项数";
    NODE_BONDING_ACTIVE = Gauge "node_bonding_active" "" ["master"]
        "Interfaces of a bond that have a link" "绑定接口中链路正常的成员数";
    NODE_BONDING_SLAVES = Gauge "node_bonding_slaves" "" ["master"]
        "Interfaces that belong to a bond" "绑定接口的成员数";
    NODE_BOOT_TIME_SECONDS = Gauge "node_boot_time_seconds" "seconds" []
        "Unix time at which the machine was started" "系统启动时间（Unix 时间）";
    NODE_CONTEXT_SWITCHES_TOTAL = Counter "node_context_switches_total" "" []
        "Context switches since boot" "启动以来的上下文切换次数";
    NODE_COOLING_DEVICE_CUR_STATE = Gauge "node_cooling_device_cur_state" "" ["name" "type"]
        "Step at which a cooling device throttles or cools now, 0 for none" "散热设备当前的降频或散热档位，0 表示未启用";
    NODE_COOLING_DEVICE_MAX_STATE = Gauge "node_cooling_device_max_state" "" ["name" "type"]
        "Highest step of a cooling device" "散热设备的最高档位";
    NODE_CPU_FREQUENCY_MAX_HERTZ = Gauge "node_cpu_frequency_max_hertz" "hertz" ["cpu"]
        "Highest clock that a CPU can have" "CPU 支持的最高频率";
    NODE_CPU_FREQUENCY_MIN_HERTZ = Gauge "node_cpu_frequency_min_hertz" "hertz" ["cpu"]
        "Lowest clock that a CPU can have" "CPU 支持的最低频率";
    NODE_CPU_GUEST_SECONDS_TOTAL = Counter "node_cpu_guest_seconds_total" "seconds" ["cpu" "mode"]
        "CPU time spent running guests, which is part of the user and nice modes" "运行虚拟机所用的 CPU 时间（已计入 user 与 nice）";
    NODE_CPU_SCALING_FREQUENCY_HERTZ = Gauge "node_cpu_scaling_frequency_hertz" "hertz" ["cpu"]
        "Clock of a CPU now" "CPU 当前频率";
    NODE_CPU_SCALING_FREQUENCY_MAX_HERTZ = Gauge "node_cpu_scaling_frequency_max_hertz" "hertz" ["cpu"]
        "Highest clock that the governor allows" "调频策略允许的最高频率";
    NODE_CPU_SCALING_FREQUENCY_MIN_HERTZ = Gauge "node_cpu_scaling_frequency_min_hertz" "hertz" ["cpu"]
        "Lowest clock that the governor allows" "调频策略允许的最低频率";
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
    NODE_DISK_INFO = Gauge "node_disk_info" "" ["device" "major" "minor" "path" "wwn" "model" "serial" "revision" "rotational"]
        "Facts about a disk as labels; the value is always 1" "以标签形式给出的磁盘信息，值恒为 1";
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
    NODE_DMI_INFO = Gauge "node_dmi_info" "" ["bios_date" "bios_release" "bios_vendor" "bios_version" "board_asset_tag" "board_name" "board_serial" "board_vendor" "board_version" "chassis_asset_tag" "chassis_serial" "chassis_vendor" "chassis_version" "product_family" "product_name" "product_serial" "product_sku" "product_uuid" "product_version" "system_vendor"]
        "What the board and its firmware say they are, as labels; the value is always 1" "以标签形式给出的主板与固件信息，值恒为 1";
    NODE_EDAC_CORRECTABLE_ERRORS_TOTAL = Counter "node_edac_correctable_errors_total" "" ["controller"]
        "Memory errors that the controller corrected" "内存控制器已纠正的内存错误数";
    NODE_EDAC_CSROW_CORRECTABLE_ERRORS_TOTAL = Counter "node_edac_csrow_correctable_errors_total" "" ["controller" "csrow"]
        "Corrected memory errors of a row of chips; unknown where the row is not known" "按内存芯片行统计的已纠正错误数，无法定位时为 unknown";
    NODE_EDAC_CSROW_UNCORRECTABLE_ERRORS_TOTAL = Counter "node_edac_csrow_uncorrectable_errors_total" "" ["controller" "csrow"]
        "Uncorrectable memory errors of a row of chips; unknown where the row is not known" "按内存芯片行统计的不可纠正错误数，无法定位时为 unknown";
    NODE_EDAC_UNCORRECTABLE_ERRORS_TOTAL = Counter "node_edac_uncorrectable_errors_total" "" ["controller"]
        "Memory errors that could not be corrected" "不可纠正的内存错误数";
    NODE_ENTROPY_AVAILABLE_BITS = Gauge "node_entropy_available_bits" "bits" []
        "Entropy that the kernel has" "内核可用熵";
    NODE_ENTROPY_POOL_SIZE_BITS = Gauge "node_entropy_pool_size_bits" "bits" []
        "Size of the kernel's entropy pool" "内核熵池大小";
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
    NODE_HWMON_AMPS = Gauge "node_hwmon_*_amps" "amperes" ["chip" "sensor"]
        "A current that a sensor measures, or one of its limits" "传感器测得的电流或其阈值";
    NODE_HWMON_CELSIUS = Gauge "node_hwmon_*_celsius" "celsius" ["chip" "sensor"]
        "A temperature that a sensor measures, or one of its limits; alarm flags read 0.001" "传感器测得的温度或其阈值；告警标志读作 0.001";
    NODE_HWMON_JOULE_TOTAL = Counter "node_hwmon_*_joule_total" "joules" ["chip" "sensor"]
        "Energy that a sensor has counted" "传感器累计的能量";
    NODE_HWMON_RPM = Gauge "node_hwmon_*_rpm" "" ["chip" "sensor"]
        "Speed of a fan in turns per minute, or one of its limits" "风扇转速（转/分）或其阈值";
    NODE_HWMON_VOLTS = Gauge "node_hwmon_*_volts" "volts" ["chip" "sensor"]
        "A voltage that a sensor measures, or one of its limits" "传感器测得的电压或其阈值";
    NODE_HWMON_WATT = Gauge "node_hwmon_*_watt" "watts" ["chip" "sensor"]
        "Power that a sensor measures, or one of its limits" "传感器测得的功率或其阈值";
    NODE_HWMON_CHIP_NAMES = Gauge "node_hwmon_chip_names" "" ["chip" "chip_name"]
        "Name of a sensor chip; the value is always 1" "传感器芯片名称，值恒为 1";
    NODE_HWMON_SENSOR_LABEL = Gauge "node_hwmon_sensor_label" "" ["chip" "sensor" "label"]
        "Name of a sensor; the value is always 1" "传感器名称，值恒为 1";
    NODE_INFINIBAND = Counter "node_infiniband_*_total" "" ["device" "port"]
        "A counter of an InfiniBand or RoCE port" "InfiniBand 或 RoCE 端口计数器";
    NODE_INFINIBAND_INFO = Gauge "node_infiniband_info" "" ["device" "board_id" "firmware_version" "hca_type"]
        "Facts about an InfiniBand or RoCE device as labels; the value is always 1" "以标签形式给出的 InfiniBand 或 RoCE 设备信息，值恒为 1";
    NODE_INFINIBAND_PHYSICAL_STATE_ID = Gauge "node_infiniband_physical_state_id" "" ["device" "port"]
        "Physical state of a port: 0 no change, 1 sleep, 2 polling, 3 disabled, 4 shift, 5 link up, 6 link error recovery, 7 PHY test" "端口物理状态：0 无变化，1 休眠，2 轮询，3 禁用，4 训练，5 链路已连接，6 链路错误恢复，7 PHY 测试";
    NODE_INFINIBAND_RATE_BYTES_PER_SECOND = Gauge "node_infiniband_rate_bytes_per_second" "bytes" ["device" "port"]
        "Rate that a port has agreed on" "端口协商速率";
    NODE_INFINIBAND_STATE_ID = Gauge "node_infiniband_state_id" "" ["device" "port"]
        "Logical state of a port: 0 no change, 1 down, 2 initialising, 3 armed, 4 active, 5 active with deferred error" "端口逻辑状态：0 无变化，1 断开，2 初始化，3 就绪，4 活动，5 活动（延迟错误）";
    NODE_INTERRUPTS_TOTAL = Counter "node_interrupts_total" "" ["cpu" "type" "info" "devices"]
        "Interrupts by source and CPU" "按来源与 CPU 统计的中断数";
    NODE_INTR_TOTAL = Counter "node_intr_total" "" []
        "Interrupts serviced since boot" "启动以来处理的中断数";
    NODE_KERNEL_HUNG_TASKS = Unknown "node_kernel_hung_tasks" "" []
        "The same as node_kernel_hung_tasks_total, under the name that dashboards ask for" "同 node_kernel_hung_tasks_total，供仪表盘使用的名称";
    NODE_KERNEL_HUNG_TASKS_TOTAL = Counter "node_kernel_hung_tasks_total" "" []
        "Tasks that the kernel found hanging since boot" "启动以来内核检测到的挂起任务数";
    NODE_LOAD1 = Gauge "node_load1" "" []
        "Load average over one minute" "1 分钟平均负载";
    NODE_LOAD15 = Gauge "node_load15" "" []
        "Load average over fifteen minutes" "15 分钟平均负载";
    NODE_LOAD5 = Gauge "node_load5" "" []
        "Load average over five minutes" "5 分钟平均负载";
    NODE_MD_BLOCKS = Gauge "node_md_blocks" "" ["device"]
        "Blocks of an array of software RAID" "软件 RAID 阵列的块数";
    NODE_MD_BLOCKS_SYNCED = Gauge "node_md_blocks_synced" "" ["device"]
        "Blocks of an array that are in sync; of one that waits to be synced none" "阵列中已同步的块数；等待同步时为 0";
    NODE_MD_DEGRADED = Gauge "node_md_degraded" "" ["device"]
        "Disks that an array lacks" "阵列缺少的磁盘数";
    NODE_MD_DISKS = Gauge "node_md_disks" "" ["device" "state"]
        "Disks of an array that are active, failed or spare" "阵列中各状态（active、failed、spare）的磁盘数";
    NODE_MD_DISKS_REQUIRED = Gauge "node_md_disks_required" "" ["device"]
        "Disks that an array needs to be whole, from /proc/mdstat" "阵列完整所需的磁盘数（取自 /proc/mdstat）";
    NODE_MD_RAID_DISKS = Gauge "node_md_raid_disks" "" ["device"]
        "Disks that an array needs to be whole, from /sys" "阵列完整所需的磁盘数（取自 /sys）";
    NODE_MD_STATE = Gauge "node_md_state" "" ["device" "state"]
        "State of an array: of the series active, check, inactive, recovering and resync one is 1" "阵列状态：active、check、inactive、recovering、resync 中有一个为 1";
    NODE_MEMORY_BYTES = Gauge "node_memory_*_bytes" "bytes" []
        "A field of /proc/meminfo" "/proc/meminfo 中的字段";
    NODE_MEMORY_HUGEPAGES = Gauge "node_memory_HugePages_*" "" []
        "A count of huge pages from /proc/meminfo" "/proc/meminfo 中的大页计数";
    NODE_MEMORY_NUMA = Gauge "node_memory_numa_*" "" ["node"]
        "A field of the memory of a NUMA node, in bytes, or a count of huge pages" "NUMA 节点内存字段（字节）或大页计数";
    NODE_MEMORY_NUMA_TOTAL = Counter "node_memory_numa_*_total" "" ["node"]
        "A counter of pages allocated on a NUMA node" "NUMA 节点的页面分配计数";
    NODE_NETSTAT = Unknown "node_netstat_*" "" []
        "A field of /proc/net/netstat, snmp or snmp6" "/proc/net/netstat、snmp 或 snmp6 中的字段";
    NODE_NETWORK_ADDRESS_ASSIGN_TYPE = Gauge "node_network_address_assign_type" "" ["device"]
        "How the interface came by its address: 0 permanent, 1 random, 2 stolen, 3 set" "接口地址的来源：0 固定，1 随机，2 借用，3 手动设置";
    NODE_NETWORK_CARRIER = Gauge "node_network_carrier" "" ["device"]
        "1 when the interface has a physical link" "接口有物理链路时为 1";
    NODE_NETWORK_CARRIER_CHANGES_TOTAL = Counter "node_network_carrier_changes_total" "" ["device"]
        "Times that the physical link came or went" "物理链路通断次数";
    NODE_NETWORK_CARRIER_DOWN_CHANGES_TOTAL = Counter "node_network_carrier_down_changes_total" "" ["device"]
        "Times that the physical link went" "物理链路断开次数";
    NODE_NETWORK_CARRIER_UP_CHANGES_TOTAL = Counter "node_network_carrier_up_changes_total" "" ["device"]
        "Times that the physical link came" "物理链路接通次数";
    NODE_NETWORK_DEVICE_ID = Gauge "node_network_device_id" "" ["device"]
        "Device number of the interface" "接口设备号";
    NODE_NETWORK_DORMANT = Gauge "node_network_dormant" "" ["device"]
        "1 while the interface waits for an event, such as 802.1X" "接口等待外部事件（如 802.1X）时为 1";
    NODE_NETWORK_FLAGS = Gauge "node_network_flags" "" ["device"]
        "Flags of the interface as a number" "接口标志（数值）";
    NODE_NETWORK_IFACE_ID = Gauge "node_network_iface_id" "" ["device"]
        "Number of the interface" "接口编号";
    NODE_NETWORK_IFACE_LINK = Gauge "node_network_iface_link" "" ["device"]
        "Number of the interface that this one is on, or its own" "下层接口编号，无下层时为自身编号";
    NODE_NETWORK_IFACE_LINK_MODE = Gauge "node_network_iface_link_mode" "" ["device"]
        "Link mode of the interface: 0 default, 1 dormant" "接口链路模式：0 默认，1 休眠";
    NODE_NETWORK_INFO = Gauge "node_network_info" "" ["device" "address" "broadcast" "duplex" "operstate" "adminstate" "ifalias"]
        "Facts about an interface as labels; the value is always 1" "以标签形式给出的接口信息，值恒为 1";
    NODE_NETWORK_MTU_BYTES = Gauge "node_network_mtu_bytes" "bytes" ["device"]
        "Largest packet (MTU)" "最大传输单元（MTU）";
    NODE_NETWORK_NAME_ASSIGN_TYPE = Gauge "node_network_name_assign_type" "" ["device"]
        "How the interface came by its name: 1 by the kernel, 2 predictable, 3 by a user, 4 renamed" "接口名称的来源：1 内核分配，2 可预测命名，3 用户指定，4 已重命名";
    NODE_NETWORK_NET_DEV_GROUP = Gauge "node_network_net_dev_group" "" ["device"]
        "Group of the interface" "接口所属组";
    NODE_NETWORK_PROTOCOL_TYPE = Gauge "node_network_protocol_type" "" ["device"]
        "Kind of hardware (ARPHRD)" "硬件类型（ARPHRD）";
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
    NODE_NETWORK_RECEIVE_NOHANDLER_TOTAL = Counter "node_network_receive_nohandler_total" "" ["device"]
        "Packets received that nobody wanted" "收到但无处理程序的数据包数";
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
    NODE_NETWORK_TRANSMIT_QUEUE_LENGTH = Gauge "node_network_transmit_queue_length" "" ["device"]
        "Packets that the transmit queue may hold" "发送队列长度上限（数据包数）";
    NODE_NETWORK_UP = Gauge "node_network_up" "" ["device"]
        "1 when the interface is up" "接口已启用时为 1";
    NODE_NF_CONNTRACK_ENTRIES = Gauge "node_nf_conntrack_entries" "" []
        "Connections that the firewall tracks" "防火墙跟踪的连接数";
    NODE_NF_CONNTRACK_ENTRIES_LIMIT = Gauge "node_nf_conntrack_entries_limit" "" []
        "Connections that the firewall can track; beyond it packets are dropped" "防火墙可跟踪的连接数上限，超出后会丢包";
    NODE_NF_CONNTRACK_STAT = Gauge "node_nf_conntrack_stat_*" "" []
        "A counter of connection tracking, summed over all CPUs" "连接跟踪计数（所有 CPU 合计）";
    NODE_NFS_CONNECTIONS_TOTAL = Counter "node_nfs_connections_total" "" []
        "Connections that the NFS client made to its servers" "NFS 客户端与服务器建立的连接数";
    NODE_NFS_PACKETS_TOTAL = Counter "node_nfs_packets_total" "" ["protocol"]
        "Packets of the NFS client by protocol" "NFS 客户端收发的数据包数（按协议）";
    NODE_NFS_REQUESTS_TOTAL = Counter "node_nfs_requests_total" "" ["proto" "method"]
        "Procedures that the NFS client called, by version of NFS and name" "NFS 客户端调用的过程数（按 NFS 版本与名称）";
    NODE_NFS_RPC_AUTHENTICATION_REFRESHES_TOTAL = Counter "node_nfs_rpc_authentication_refreshes_total" "" []
        "Times that the NFS client refreshed its credentials" "NFS 客户端刷新凭据的次数";
    NODE_NFS_RPC_RETRANSMISSIONS_TOTAL = Counter "node_nfs_rpc_retransmissions_total" "" []
        "Calls that the NFS client sent again because no answer came in time" "NFS 客户端因未及时收到应答而重传的调用数";
    NODE_NFS_RPCS_TOTAL = Counter "node_nfs_rpcs_total" "" []
        "Calls of the NFS client" "NFS 客户端的 RPC 调用数";
    NODE_NVME_INFO = Gauge "node_nvme_info" "" ["device" "model" "serial" "firmware_revision" "state" "cntlid"]
        "Facts about an NVMe disk as labels; the value is always 1" "以标签形式给出的 NVMe 磁盘信息，值恒为 1";
    NODE_OS_INFO = Gauge "node_os_info" "" ["id" "id_like" "name" "pretty_name" "version" "version_id" "version_codename" "variant" "variant_id" "build_id" "image_id" "image_version"]
        "Facts about the operating system as labels; the value is always 1" "以标签形式给出的操作系统信息，值恒为 1";
    NODE_OS_VERSION = Gauge "node_os_version" "" ["id" "id_like" "name"]
        "Version of the operating system as a number, major.minor" "操作系统版本号（主版本.次版本）";
    NODE_PCIDEVICE_CURRENT_LINK_TRANSFERS_PER_SECOND = Gauge "node_pcidevice_current_link_transfers_per_second" "" ["segment" "bus" "device" "function"]
        "Speed of the PCIe link now, in transfers per second and lane; idle devices lower it" "PCIe 链路当前速率（每通道每秒传输次数）；设备空闲时会降低";
    NODE_PCIDEVICE_CURRENT_LINK_WIDTH = Gauge "node_pcidevice_current_link_width" "" ["segment" "bus" "device" "function"]
        "Lanes of the PCIe link now" "PCIe 链路当前通道数";
    NODE_PCIDEVICE_INFO = Gauge "node_pcidevice_info" "" ["segment" "bus" "device" "function" "class_id" "vendor_id" "device_id"]
        "Facts about a PCIe device as labels; the value is always 1" "以标签形式给出的 PCIe 设备信息，值恒为 1";
    NODE_PCIDEVICE_MAX_LINK_TRANSFERS_PER_SECOND = Gauge "node_pcidevice_max_link_transfers_per_second" "" ["segment" "bus" "device" "function"]
        "Highest speed of the PCIe link, in transfers per second and lane" "PCIe 链路最高速率（每通道每秒传输次数）";
    NODE_PCIDEVICE_MAX_LINK_WIDTH = Gauge "node_pcidevice_max_link_width" "" ["segment" "bus" "device" "function"]
        "Most lanes of the PCIe link" "PCIe 链路最大通道数";
    NODE_POWER_SUPPLY_CAPACITY = Gauge "node_power_supply_capacity" "percent" ["power_supply"]
        "Charge of a battery, 0 to 100" "电池电量百分比，0 到 100";
    NODE_POWER_SUPPLY_CURRENT_AMPERE = Gauge "node_power_supply_current_ampere" "amperes" ["power_supply"]
        "Current of a power supply" "电源电流";
    NODE_POWER_SUPPLY_ENERGY_WATTHOUR = Gauge "node_power_supply_energy_watthour" "" ["power_supply"]
        "Energy in a battery, in watt-hours" "电池剩余能量（瓦时）";
    NODE_POWER_SUPPLY_INFO = Gauge "node_power_supply_info" "" ["power_supply" "type" "status" "manufacturer" "model_name"]
        "Facts about a power supply as labels; the value is always 1" "以标签形式给出的电源信息，值恒为 1";
    NODE_POWER_SUPPLY_ONLINE = Gauge "node_power_supply_online" "" ["power_supply"]
        "1 when a power supply has power" "电源供电时为 1";
    NODE_POWER_SUPPLY_POWER_WATT = Gauge "node_power_supply_power_watt" "watts" ["power_supply"]
        "Power of a power supply" "电源功率";
    NODE_POWER_SUPPLY_VOLTAGE_VOLT = Gauge "node_power_supply_voltage_volt" "volts" ["power_supply"]
        "Voltage of a power supply" "电源电压";
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
    NODE_PROCESSES_MAX_PROCESSES = Gauge "node_processes_max_processes" "" []
        "Most process numbers that the kernel gives out" "内核可分配的进程号上限";
    NODE_PROCESSES_MAX_THREADS = Gauge "node_processes_max_threads" "" []
        "Most threads that the kernel allows" "内核允许的线程数上限";
    NODE_PROCESSES_PIDS = Gauge "node_processes_pids" "" []
        "Processes" "进程数";
    NODE_PROCESSES_STATE = Gauge "node_processes_state" "" ["state"]
        "Processes by state: R running, S sleeping, D waiting for I/O, I idle, T stopped, Z zombie" "按状态统计的进程数：R 运行，S 睡眠，D 等待 I/O，I 空闲，T 停止，Z 僵尸";
    NODE_PROCESSES_THREADS = Gauge "node_processes_threads" "" []
        "Threads of all processes" "所有进程的线程数";
    NODE_PROCS_BLOCKED = Gauge "node_procs_blocked" "" []
        "Tasks that wait for I/O" "等待 I/O 的任务数";
    NODE_PROCS_RUNNING = Gauge "node_procs_running" "" []
        "Tasks that can run" "可运行的任务数";
    NODE_RAPL_JOULES_TOTAL = Counter "node_rapl_*_joules_total" "joules" ["index" "path"]
        "Energy that a part of the processor used (RAPL); the counter wraps" "处理器各域消耗的能量（RAPL），计数器会回绕";
    NODE_SCHEDSTAT_RUNNING_SECONDS_TOTAL = Counter "node_schedstat_running_seconds_total" "seconds" ["cpu"]
        "Time that a CPU ran tasks" "CPU 运行任务的时间";
    NODE_SCHEDSTAT_TIMESLICES_TOTAL = Counter "node_schedstat_timeslices_total" "" ["cpu"]
        "Timeslices that a CPU ran" "CPU 运行的时间片数";
    NODE_SCHEDSTAT_WAITING_SECONDS_TOTAL = Counter "node_schedstat_waiting_seconds_total" "seconds" ["cpu"]
        "Time that tasks waited for a CPU" "任务等待 CPU 的时间";
    NODE_SCRAPE_COLLECTOR_DURATION_SECONDS = Gauge "node_scrape_collector_duration_seconds" "seconds" ["collector"]
        "How long the last reading of a kind took; readings that share a file share the time" "某类数据最近一次读取的耗时；共用文件的类别共享该耗时";
    NODE_SCRAPE_COLLECTOR_SUCCESS = Gauge "node_scrape_collector_success" "" ["collector"]
        "1 when the last reading of a kind succeeded; 0 also where the machine has no such thing" "某类数据最近一次读取成功为 1；本机没有该设备时也为 0";
    NODE_SELINUX_ENABLED = Gauge "node_selinux_enabled" "" []
        "1 when SELinux is enabled" "启用 SELinux 时为 1";
    NODE_SOCKSTAT = Gauge "node_sockstat_*" "" []
        "A field of /proc/net/sockstat or sockstat6" "/proc/net/sockstat 或 sockstat6 中的字段";
    NODE_SOFTNET_BACKLOG_LEN = Gauge "node_softnet_backlog_len" "" ["cpu"]
        "Packets that wait in the backlog of a CPU" "CPU 收包队列中等待的数据包数";
    NODE_SOFTNET_DROPPED_TOTAL = Counter "node_softnet_dropped_total" "" ["cpu"]
        "Packets dropped because the backlog of a CPU was full" "因 CPU 收包队列已满而丢弃的数据包数";
    NODE_SOFTNET_FLOW_LIMIT_COUNT_TOTAL = Counter "node_softnet_flow_limit_count_total" "" ["cpu"]
        "Packets dropped because their flow had too large a share of the backlog" "因所属流占用队列过多而丢弃的数据包数";
    NODE_SOFTNET_PROCESSED_TOTAL = Counter "node_softnet_processed_total" "" ["cpu"]
        "Packets that a CPU processed" "CPU 处理的数据包数";
    NODE_SOFTNET_RECEIVED_RPS_TOTAL = Counter "node_softnet_received_rps_total" "" ["cpu"]
        "Times that another CPU woke this one to process packets (RPS)" "被其他 CPU 唤醒处理数据包的次数（RPS）";
    NODE_SOFTNET_TIMES_SQUEEZED_TOTAL = Counter "node_softnet_times_squeezed_total" "" ["cpu"]
        "Times that a CPU stopped processing packets because its budget was used up" "因预算用尽而中断收包处理的次数";
    NODE_SYSTEMD_SOCKET_ACCEPTED_CONNECTIONS_TOTAL = Counter "node_systemd_socket_accepted_connections_total" "" ["name"]
        "Connections that a socket unit of systemd accepted" "systemd 套接字单元已接受的连接数";
    NODE_SYSTEMD_SOCKET_CURRENT_CONNECTIONS = Gauge "node_systemd_socket_current_connections" "" ["name"]
        "Connections that a socket unit of systemd has now" "systemd 套接字单元的当前连接数";
    NODE_SYSTEMD_SOCKET_REFUSED_CONNECTIONS_TOTAL = Counter "node_systemd_socket_refused_connections_total" "" ["name"]
        "Connections that a socket unit of systemd refused" "systemd 套接字单元拒绝的连接数";
    NODE_SYSTEMD_UNITS = Gauge "node_systemd_units" "" ["state"]
        "Units of systemd by state" "按状态统计的 systemd 单元数";
    NODE_TCP_CONNECTION_STATES = Gauge "node_tcp_connection_states" "" ["state"]
        "TCP connections by state; the two states that end in _bytes are bytes that wait in queues of connections" "按状态统计的 TCP 连接数；以 _bytes 结尾的两项为连接队列中等待的字节数";
    NODE_TEXTFILE_SCRAPE_ERROR = Gauge "node_textfile_scrape_error" "" []
        "Always 0: no text files are read" "恒为 0：不读取文本文件";
    NODE_THERMAL_ZONE_TEMP = Gauge "node_thermal_zone_temp" "celsius" ["zone" "type"]
        "Temperature of a thermal zone in degrees Celsius" "热区温度（摄氏度）";
    NODE_TIME_CLOCKSOURCE_AVAILABLE_INFO = Gauge "node_time_clocksource_available_info" "" ["device" "clocksource"]
        "A clock source that the kernel could use; the value is always 1" "内核可用的时钟源，值恒为 1";
    NODE_TIME_CLOCKSOURCE_CURRENT_INFO = Gauge "node_time_clocksource_current_info" "" ["device" "clocksource"]
        "The clock source that the kernel uses; the value is always 1" "内核当前使用的时钟源，值恒为 1";
    NODE_TIME_SECONDS = Gauge "node_time_seconds" "seconds" []
        "The wall clock as Unix time" "系统时钟（Unix 时间）";
    NODE_TIMEX_ESTIMATED_ERROR_SECONDS = Gauge "node_timex_estimated_error_seconds" "seconds" []
        "Estimated error of the clock" "时钟的估计误差";
    NODE_TIMEX_FREQUENCY_ADJUSTMENT_RATIO = Gauge "node_timex_frequency_adjustment_ratio" "ratio" []
        "Rate of the clock after correction, 1 for none" "时钟频率校正系数，1 表示无校正";
    NODE_TIMEX_LOOP_TIME_CONSTANT = Gauge "node_timex_loop_time_constant" "" []
        "Time constant of the clock's control loop" "时钟锁相环时间常数";
    NODE_TIMEX_MAXERROR_SECONDS = Gauge "node_timex_maxerror_seconds" "seconds" []
        "Largest possible error of the clock" "时钟的最大可能误差";
    NODE_TIMEX_OFFSET_SECONDS = Gauge "node_timex_offset_seconds" "seconds" []
        "Offset of the clock from its reference" "时钟与参考源的偏差";
    NODE_TIMEX_PPS_CALIBRATION_TOTAL = Counter "node_timex_pps_calibration_total" "" []
        "Calibration intervals of the pulse-per-second signal" "PPS 信号校准次数";
    NODE_TIMEX_PPS_ERROR_TOTAL = Counter "node_timex_pps_error_total" "" []
        "Calibration errors of the pulse-per-second signal" "PPS 信号校准错误数";
    NODE_TIMEX_PPS_FREQUENCY_HERTZ = Gauge "node_timex_pps_frequency_hertz" "hertz" []
        "Frequency of the pulse-per-second signal" "PPS 信号频率";
    NODE_TIMEX_PPS_JITTER_SECONDS = Gauge "node_timex_pps_jitter_seconds" "seconds" []
        "Jitter of the pulse-per-second signal" "PPS 信号抖动";
    NODE_TIMEX_PPS_JITTER_TOTAL = Counter "node_timex_pps_jitter_total" "" []
        "Times that the jitter of the pulse-per-second signal was too large" "PPS 信号抖动超限次数";
    NODE_TIMEX_PPS_SHIFT_SECONDS = Gauge "node_timex_pps_shift_seconds" "seconds" []
        "Length of the interval over which the pulse-per-second signal is measured" "PPS 信号测量间隔";
    NODE_TIMEX_PPS_STABILITY_EXCEEDED_TOTAL = Counter "node_timex_pps_stability_exceeded_total" "" []
        "Times that the pulse-per-second signal was not stable" "PPS 信号稳定度超限次数";
    NODE_TIMEX_PPS_STABILITY_HERTZ = Gauge "node_timex_pps_stability_hertz" "hertz" []
        "Stability of the pulse-per-second signal" "PPS 信号稳定度";
    NODE_TIMEX_STATUS = Gauge "node_timex_status" "" []
        "Status bits of the clock" "时钟状态位";
    NODE_TIMEX_SYNC_STATUS = Gauge "node_timex_sync_status" "" []
        "1 when the clock is synchronised" "时钟已同步时为 1";
    NODE_TIMEX_TAI_OFFSET_SECONDS = Gauge "node_timex_tai_offset_seconds" "seconds" []
        "Offset between atomic time and UTC that the kernel knows" "内核记录的 TAI 与 UTC 的差值";
    NODE_TIMEX_TICK_SECONDS = Gauge "node_timex_tick_seconds" "seconds" []
        "Time between two ticks of the clock" "时钟节拍间隔";
    NODE_UDP_QUEUES = Gauge "node_udp_queues" "bytes" ["queue" "ip"]
        "Bytes that wait in queues of UDP sockets" "UDP 套接字队列中等待的字节数";
    NODE_UNAME_INFO = Gauge "node_uname_info" "" ["sysname" "release" "version" "machine" "nodename" "domainname"]
        "Identity of the kernel as labels; the value is always 1" "以标签形式给出的内核信息，值恒为 1";
    NODE_VMSTAT = Unknown "node_vmstat_*" "" []
        "A field of /proc/vmstat" "/proc/vmstat 中的字段";
    NODE_ZFS_STAT = Unknown "node_zfs_*" "" []
        "A field of the statistics of ZFS" "ZFS 统计字段";
    NODE_ZFS_ZPOOL_STAT = Unknown "node_zfs_zpool_*" "" ["zpool"]
        "A field of the traffic of a pool of ZFS" "ZFS 存储池的读写统计字段";
    NODE_ZFS_ZPOOL_DATASET_STAT = Unknown "node_zfs_zpool_dataset_*" "" ["zpool" "dataset"]
        "A field of the traffic of a dataset of ZFS" "ZFS 数据集的读写统计字段";
    NODE_ZFS_ZPOOL_STATE = Gauge "node_zfs_zpool_state" "" ["zpool" "state"]
        "State of a pool of ZFS: of the series one is 1" "ZFS 存储池状态：各序列中有一个为 1";
    PROCESS_CPU_SECONDS_TOTAL = Counter "process_cpu_seconds_total" "seconds" []
        "CPU time that modelwatch itself used" "modelwatch 自身所用的 CPU 时间";
    PROCESS_MAX_FDS = Gauge "process_max_fds" "" []
        "Most files that modelwatch may have open" "modelwatch 可打开的文件数上限";
    PROCESS_OPEN_FDS = Gauge "process_open_fds" "" []
        "Files that modelwatch has open" "modelwatch 打开的文件数";
    PROCESS_RESIDENT_MEMORY_BYTES = Gauge "process_resident_memory_bytes" "bytes" []
        "Resident memory of modelwatch itself" "modelwatch 自身的常驻内存";
    PROCESS_START_TIME_SECONDS = Gauge "process_start_time_seconds" "seconds" []
        "Unix time at which modelwatch started" "modelwatch 的启动时间（Unix 时间）";
    PROCESS_VIRTUAL_MEMORY_BYTES = Gauge "process_virtual_memory_bytes" "bytes" []
        "Virtual memory of modelwatch itself" "modelwatch 自身的虚拟内存";
    PROCESS_VIRTUAL_MEMORY_MAX_BYTES = Gauge "process_virtual_memory_max_bytes" "bytes" []
        "Most virtual memory that modelwatch may have" "modelwatch 可用虚拟内存上限";
}
