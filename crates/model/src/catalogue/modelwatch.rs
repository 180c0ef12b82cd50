//! Health and cost of modelwatch itself.

use super::metrics;

metrics! { MODELWATCH:
    MODELWATCH_ALERTMANAGER_ALERTS_TOTAL = Counter "modelwatch_alertmanager_alerts_total" "" ["url" "outcome"]
        "Alerts sent to an Alertmanager (outcome sent), and those it refused or that were given up because too many waited (failed)" "发送给 Alertmanager 的告警数（outcome 为 sent），以及被拒绝或因积压过多而放弃的告警数（failed）";
    MODELWATCH_ALERTMANAGER_WAITING = Gauge "modelwatch_alertmanager_waiting" "" ["url"]
        "Alerts that wait to be sent to an Alertmanager" "等待发送给 Alertmanager 的告警数";
    MODELWATCH_ALERTS_FIRING = Gauge "modelwatch_alerts_firing" "" []
        "Alerts that fire, of our rules and of others that send here" "触发中的告警数，包括内置规则与外部发送的告警";
    MODELWATCH_ALERTS_REFUSED_TOTAL = Counter "modelwatch_alerts_refused_total" "" []
        "Alerts refused because too many fire, or because their labels are too many or too long" "因触发中的告警过多，或标签过多、过长而被拒绝的告警数";
    MODELWATCH_BASELINE_FAILURES_TOTAL = Counter "modelwatch_baseline_failures_total" "" []
        "Times that what is usual could not be found out" "基线计算失败的次数";
    MODELWATCH_BASELINE_RATIO = Gauge "modelwatch_baseline_ratio" "ratio" ["kind" "signal" "engine" "model" "instance" "source" "host" "index" "uuid" "vendor" "change" "old" "new"]
        "A signal against what it usually is; 1 is usual. kind says against what: peer that do the same work, load of the day before, week the same hour of other weeks, change before a restart, upgrade or other settings, floor the beginning" "信号当前值与其常态之比，1 为正常；kind 表示比较对象：peer 同类、load 前一天同等负载、week 往周同一小时、change 重启或升级或改配置之前、floor 起始值";
    MODELWATCH_BASELINE_SCORE = Gauge "modelwatch_baseline_score" "" ["kind" "signal" "engine" "model" "instance" "source" "host" "index" "uuid" "vendor" "change" "old" "new"]
        "How sure it is that a signal is not as usual, in spreads or standard deviations; of load the sum of scores; below 0 where it is lower" "信号偏离常态的确信程度（以离散度或标准差计，load 为累积和），低于常态时为负";
    MODELWATCH_BASELINE_SECONDS_TOTAL = Counter "modelwatch_baseline_seconds_total" "seconds" []
        "Time spent to find out what is usual" "计算基线所用的时间";
    MODELWATCH_BATCHES_DROPPED_TOTAL = Counter "modelwatch_batches_dropped_total" "" []
        "Batches refused because the writer's queue was full" "因写入队列已满而丢弃的批次数";
    MODELWATCH_BUILD_INFO = Gauge "modelwatch_build_info" "" ["version"]
        "Facts about the program as labels; the value is always 1" "以标签形式给出的程序信息，值恒为 1";
    MODELWATCH_EVENTS_LOST_TOTAL = Counter "modelwatch_events_lost_total" "" []
        "Events that could not be kept because the writer's queue was full or the disk refused" "因写入队列已满或磁盘拒绝写入而未能保存的事件数";
    MODELWATCH_FLOOR_GROWTH_PER_DAY = Gauge "modelwatch_floor_growth_per_day" "" ["kind" "signal" "engine" "model" "instance" "source" "uuid" "index" "vendor"]
        "How much the floor of a signal grows by day, in the signal's own unit, since its process started" "信号底部（每小时最小值）自进程启动以来的每日增长量，单位与信号相同";
    MODELWATCH_FORECAST_EMPTY_SECONDS = Gauge "modelwatch_forecast_empty_seconds" "seconds" ["kind" "signal" "instance" "device" "mountpoint" "fstype"]
        "When nothing will be left if it goes on so; only where what is left surely falls" "按当前趋势耗尽所需的时间；仅在确定下降时给出";
    MODELWATCH_GATEWAY_CONNECTIONS = Gauge "modelwatch_gateway_connections" "" []
        "Open connections of clients to the gateway" "客户端与网关之间打开的连接数";
    MODELWATCH_GATEWAY_CONNECTIONS_MAX = Gauge "modelwatch_gateway_connections_max" "" []
        "Connections of clients that the gateway takes at the same time, gateway.connections_max" "网关同时接受的客户端连接数上限，即 gateway.connections_max";
    MODELWATCH_GATEWAY_PARTS_UNSEEN_TOTAL = Counter "modelwatch_gateway_parts_unseen_total" "" []
        "Parts of answers that passed the gateway unseen because reading them could not keep up" "因解析跟不上而未被观察到的响应片段数（转发不受影响）";
    MODELWATCH_GATEWAY_RECORDS_LOST_TOTAL = Counter "modelwatch_gateway_records_lost_total" "" []
        "Records of requests that nobody took because storing them could not keep up" "因存储跟不上而丢失的请求记录数";
    MODELWATCH_INCIDENTS = Gauge "modelwatch_incidents" "" ["state" "severity"]
        "Incidents that are not over" "未结束的事件数";
    MODELWATCH_LIVE_CLIENTS = Gauge "modelwatch_live_clients" "" []
        "Open live connections of pages" "页面打开的实时连接数";
    MODELWATCH_LIVE_EVALUATIONS_TOTAL = Counter "modelwatch_live_evaluations_total" "" []
        "Evaluations of queries for live pages; each query counts once a tick, however many pages show it" "为实时页面执行的查询次数；同一查询每个周期只执行一次，与页面数量无关";
    MODELWATCH_LIVE_TICKS_DROPPED_TOTAL = Counter "modelwatch_live_ticks_dropped_total" "" []
        "Live ticks not sent because a page read too slowly" "因页面读取过慢而未发送的实时数据帧数";
    MODELWATCH_LOG_BYTES_TOTAL = Counter "modelwatch_log_bytes_total" "bytes" ["instance" "log" "origin"]
        "Bytes read of a log" "从日志读取的字节数";
    MODELWATCH_LOG_FILES = Gauge "modelwatch_log_files" "" ["instance"]
        "Files of logs that are followed" "正在跟踪的日志文件数";
    MODELWATCH_LOG_LAG_BYTES = Gauge "modelwatch_log_lag_bytes" "bytes" ["instance" "log" "origin"]
        "What a log has that is not stored yet" "日志中尚未存储的字节数";
    MODELWATCH_LOG_LINES_CUT_TOTAL = Counter "modelwatch_log_lines_cut_total" "" ["instance" "log" "origin"]
        "Lines of a log of which only the first MiB was kept" "过长而只保留前 1 MiB 的日志行数";
    MODELWATCH_LOG_LINES_SKIPPED_TOTAL = Counter "modelwatch_log_lines_skipped_total" "" ["instance" "log" "origin"]
        "Lines of a log that were overwritten or could not be understood before they were read" "在读取之前已被覆盖或无法解析的日志行数";
    MODELWATCH_LOG_LINES_TOTAL = Counter "modelwatch_log_lines_total" "" ["instance" "log" "origin"]
        "Lines read of a log" "从日志读取的行数";
    MODELWATCH_LOG_PIPELINE_LINES_TOTAL = Counter "modelwatch_log_pipeline_lines_total" "" ["pipeline" "step" "kind" "effect"]
        "Lines that came to a step of a log pipeline, by what it did: done, missed where it found nothing to do, skipped where its condition did not hold, dropped" "到达日志流水线各步骤的行数，按结果划分：done 已执行、missed 无需处理、skipped 条件不满足、dropped 已丢弃";
    MODELWATCH_LOG_THROTTLED_TOTAL = Counter "modelwatch_log_throttled_total" "" ["instance" "log" "origin"]
        "Times that a log was made to wait because it brought more than it may" "日志因超出速率上限而被要求等待的次数";
    MODELWATCH_NOTIFICATION_SECONDS_TOTAL = Counter "modelwatch_notification_seconds_total" "seconds" ["channel" "kind"]
        "What it took to hand notifications to a channel that took them; divided by those with outcome sent, the mean" "成功发送通知所用的总时间；除以 outcome 为 sent 的次数即平均耗时";
    MODELWATCH_NOTIFICATIONS_DEAD = Gauge "modelwatch_notifications_dead" "" ["channel" "kind"]
        "Notifications of a channel that were given up and are kept" "已放弃发送并保留的通知数";
    MODELWATCH_NOTIFICATIONS_OWED = Gauge "modelwatch_notifications_owed" "" []
        "Notifications that were decided on and that their channels have not taken over yet" "已决定但尚未被渠道接收的通知数";
    MODELWATCH_NOTIFICATIONS_TOTAL = Counter "modelwatch_notifications_total" "" ["channel" "kind" "outcome"]
        "Notifications that a channel took (sent), attempts that failed (failed), notifications that were given up (given_up)" "通知次数，按结果划分：sent 已送达、failed 单次尝试失败、given_up 已放弃";
    MODELWATCH_NOTIFICATIONS_WAITING = Gauge "modelwatch_notifications_waiting" "" ["channel" "kind"]
        "Notifications that wait for a channel" "等待发送的通知数";
    MODELWATCH_PCIE_ERRORS_TOTAL = Counter "modelwatch_pcie_errors_total" "" ["pci_bus_id" "severity"]
        "Errors on the PCIe link of a device as the kernel counts them (AER): correctable, nonfatal or fatal" "内核统计的设备 PCIe 链路错误数（AER）：correctable、nonfatal 或 fatal";
    MODELWATCH_PROCESS_CPU_SECONDS_TOTAL = Counter "modelwatch_process_cpu_seconds_total" "seconds" []
        "CPU time that modelwatch itself used" "modelwatch 自身所用的 CPU 时间";
    MODELWATCH_PROCESS_RESIDENT_BYTES = Gauge "modelwatch_process_resident_bytes" "bytes" []
        "Resident memory of modelwatch itself" "modelwatch 自身的常驻内存";
    MODELWATCH_QUEUE_BATCHES = Gauge "modelwatch_queue_batches" "" []
        "Batches that wait for the writer" "等待写入的批次数";
    MODELWATCH_RECEIVER_BYTES_TOTAL = Counter "modelwatch_receiver_bytes_total" "bytes" ["receiver"]
        "Bytes of logs that came to a receiver, before they were expanded" "各日志接收端口收到的字节数（解压前）";
    MODELWATCH_RECEIVER_CONNECTIONS = Gauge "modelwatch_receiver_connections" "" ["receiver"]
        "Open connections of a receiver of logs that has an address of its own" "拥有独立地址的日志接收端口当前打开的连接数";
    MODELWATCH_RECEIVER_LINES_TOTAL = Counter "modelwatch_receiver_lines_total" "" ["receiver"]
        "Lines that came to a receiver and are stored" "各日志接收端口收到并已存储的行数";
    MODELWATCH_RECEIVER_REFUSED_TOTAL = Counter "modelwatch_receiver_refused_total" "" ["reason" "receiver"]
        "Requests, connections, messages and items that a receiver of logs refused, by reason" "各日志接收端口拒绝的请求、连接与消息数（按原因）";
    MODELWATCH_REMOTE_WRITE_REFUSED_TOTAL = Counter "modelwatch_remote_write_refused_total" "" ["reason"]
        "Samples that came by remote write and were not stored, by reason" "通过远程写入到达但未存储的样本数（按原因）";
    MODELWATCH_REMOTE_WRITE_REQUESTS_TOTAL = Counter "modelwatch_remote_write_requests_total" "" ["code"]
        "Requests of remote write by the HTTP status that answered them" "远程写入请求数（按 HTTP 响应状态码）";
    MODELWATCH_REMOTE_WRITE_SAMPLES_TOTAL = Counter "modelwatch_remote_write_samples_total" "" []
        "Samples that came by remote write and are stored" "通过远程写入到达并已存储的样本数";
    MODELWATCH_REQUESTS_BYTES = Gauge "modelwatch_requests_bytes" "bytes" []
        "Size of the records of requests in the data directory" "数据目录中请求记录的大小";
    MODELWATCH_REQUESTS_STORED = Gauge "modelwatch_requests_stored" "" []
        "Records of requests that can be found" "可查询的请求记录数";
    MODELWATCH_RULE_EVALUATION_SECONDS = Gauge "modelwatch_rule_evaluation_seconds" "seconds" ["file" "group"]
        "How long the last evaluation of a group of rules took" "规则组最近一次评估的耗时";
    MODELWATCH_RULE_EVALUATIONS_MISSED_TOTAL = Counter "modelwatch_rule_evaluations_missed_total" "" ["file" "group"]
        "Evaluations of a group of rules that were left out because the one before took too long" "因上一次评估耗时过长而跳过的规则组评估次数";
    MODELWATCH_RULE_FILES_FAILED = Gauge "modelwatch_rule_files_failed" "" []
        "Files of rules that cannot be used; what they said before is still in force" "无法使用的规则文件数（继续沿用之前的内容）";
    MODELWATCH_RULES = Gauge "modelwatch_rules" "" ["health"]
        "Rules by how their last evaluation went: ok, err or unknown" "按最近一次评估结果统计的规则数：ok、err 或 unknown";
    MODELWATCH_SAMPLES_APPENDED_TOTAL = Counter "modelwatch_samples_appended_total" "" []
        "Samples that the store accepted" "存储已接受的样本数";
    MODELWATCH_SAMPLES_LOST_TOTAL = Counter "modelwatch_samples_lost_total" "" []
        "Samples that arrived while the disk refused writing" "磁盘拒绝写入期间到达而丢失的样本数";
    MODELWATCH_SAMPLES_REFUSED_TOTAL = Counter "modelwatch_samples_refused_total" "" ["reason"]
        "Samples that the store refused, by reason" "存储拒绝的样本数（按原因）";
    MODELWATCH_SOURCE_DURATION_SECONDS = Gauge "modelwatch_source_duration_seconds" "seconds" ["collector"]
        "How long the last reading of a source took" "数据源最近一次读取的耗时";
    MODELWATCH_SOURCE_SERIES = Gauge "modelwatch_source_series" "" ["collector"]
        "Series that a source delivered last time" "数据源最近一次提供的序列数";
    MODELWATCH_SOURCE_UP = Gauge "modelwatch_source_up" "" ["collector"]
        "1 when the last reading of a source succeeded, else 0" "数据源最近一次读取成功为 1，否则为 0";
    MODELWATCH_STORE_BLOCKS = Gauge "modelwatch_store_blocks" "" []
        "Blocks of samples and of rows in the data directory" "数据目录中样本块与降采样块的数量";
    MODELWATCH_STORE_BYTES = Gauge "modelwatch_store_bytes" "bytes" []
        "Size of blocks and log in the data directory" "数据目录中数据块与日志的大小";
    MODELWATCH_STORE_CHUNKS_DAMAGED_TOTAL = Counter "modelwatch_store_chunks_damaged_total" "" []
        "Damaged chunks that queries met and left out" "查询时遇到并跳过的损坏数据块数";
    MODELWATCH_STORE_SERIES = Gauge "modelwatch_store_series" "" []
        "Series in the store's head" "存储头部中的序列数";
    MODELWATCH_STORE_WAL_BYTES = Gauge "modelwatch_store_wal_bytes" "bytes" []
        "Size of the log of samples that are in no block yet" "尚未写入数据块的样本日志大小";
    MODELWATCH_STORE_WRITABLE = Gauge "modelwatch_store_writable" "" []
        "1 while samples can be written, 0 while the disk refuses" "可写入样本时为 1，磁盘拒绝写入时为 0";
}
