//! The engine-neutral family. Labels of every series: `engine` (kind of engine), `model`,
//! `instance`, and `source`, which says who measured it: `engine`, `gateway`, `wire` for what is told
//! from TCP, `log` for what is read from lines of its log, or `host` for what the kernel says of its
//! processes. Series from a log have `rank` besides where it tells several parts of an engine apart.

use super::metrics;

metrics! { LLM:
    LLM_ACCEPT_QUEUE_CONNECTIONS = Gauge "llm_accept_queue_connections" "" ["engine" "model" "instance" "source"]
        "Connections that wait to be accepted by the engine: the first sign of an overloaded server" "等待推理引擎接受的连接数，服务过载的最早信号";
    LLM_ACCEPT_QUEUE_CONNECTIONS_MAX = Gauge "llm_accept_queue_connections_max" "" ["engine" "model" "instance" "source"]
        "Room in the accept queue; connections beyond it are dropped" "全连接队列的容量，超出的连接会被丢弃";
    LLM_CONNECTION_BUSY_SECONDS_TOTAL = Counter "llm_connection_busy_seconds_total" "seconds" ["engine" "model" "instance" "source"]
        "Time in which connections had data to send, over all connections seen" "连接处于有数据待发送状态的时间（所有观察到的连接合计）";
    LLM_CONNECTION_PATH_MTU_BYTES = Gauge "llm_connection_path_mtu_bytes" "bytes" ["engine" "model" "instance" "source"]
        "Smallest path MTU among the open connections" "已打开连接中最小的路径 MTU";
    LLM_CONNECTION_RECEIVED_BYTES_TOTAL = Counter "llm_connection_received_bytes_total" "bytes" ["engine" "model" "instance" "source"]
        "Bytes received from clients, over all connections seen" "从客户端接收的字节数（所有观察到的连接合计）";
    LLM_CONNECTION_RETRANSMITS_TOTAL = Counter "llm_connection_retransmits_total" "" ["engine" "model" "instance" "source"]
        "Segments sent again, over all connections seen" "TCP 重传的报文段数（所有观察到的连接合计）";
    LLM_CONNECTION_RTT_MIN_SECONDS = Gauge "llm_connection_rtt_min_seconds" "seconds" ["engine" "model" "instance" "source"]
        "Smallest round-trip time of the open connections; behind a proxy that to the proxy" "已打开连接的最小往返时延；经代理访问时为到代理的时延";
    LLM_CONNECTION_RTT_SECONDS = Gauge "llm_connection_rtt_seconds" "seconds" ["engine" "model" "instance" "source"]
        "Mean of the smoothed round-trip times of the open connections; behind a proxy that to the proxy" "已打开连接的平滑往返时延均值；经代理访问时为到代理的时延";
    LLM_CONNECTION_RWND_LIMITED_SECONDS_TOTAL = Counter "llm_connection_rwnd_limited_seconds_total" "seconds" ["engine" "model" "instance" "source"]
        "Time in which sending waited for the client to read, over all connections seen" "因客户端读取过慢（接收窗口）而停止发送的时间（所有观察到的连接合计）";
    LLM_CONNECTION_SENT_BYTES_TOTAL = Counter "llm_connection_sent_bytes_total" "bytes" ["engine" "model" "instance" "source"]
        "Bytes sent to clients, those sent again not counted, over all connections seen" "向客户端发送的字节数，不含重传（所有观察到的连接合计）";
    LLM_CONNECTION_SNDBUF_LIMITED_SECONDS_TOTAL = Counter "llm_connection_sndbuf_limited_seconds_total" "seconds" ["engine" "model" "instance" "source"]
        "Time in which sending waited for room in the engine's own send buffer, over all connections seen" "因本端发送缓冲区不足而停止发送的时间（所有观察到的连接合计）";
    LLM_CONNECTIONS = Gauge "llm_connections" "" ["engine" "model" "instance" "source" "state"]
        "Connections to the engine by TCP state, TIME_WAIT and our own left out" "按 TCP 状态统计的引擎连接数，不含 TIME_WAIT 与 modelwatch 自身的连接";
    LLM_CONNECTIONS_AWAITING_FIRST_BYTE = Gauge "llm_connections_awaiting_first_byte" "" ["engine" "model" "instance" "source"]
        "Connections whose last request has not been answered with a byte yet" "最近一次请求尚未收到任何响应字节的连接数";
    LLM_CONNECTIONS_BY_CLIENT = Gauge "llm_connections_by_client" "" ["engine" "model" "instance" "source" "client" "scope"]
        "Established connections by client address; other is all that are not named. The scope is loopback, private, onlink (an address of this machine or in an IPv6 network that it has an address in) or public" "按客户端地址统计的已建立连接数；other 为未单独列出的客户端合计。scope 取 loopback（环回）、private（内网）、onlink（本机地址，或与本机同一 IPv6 网段的地址）或 public（公网）";
    LLM_CONTEXT_TOKENS_MAX = Gauge "llm_context_tokens_max" "tokens" ["engine" "model" "instance" "source"]
        "Longest context that one request may have" "单个请求允许的最大上下文长度";
    LLM_CONTEXT_USAGE_RATIO = Gauge "llm_context_usage_ratio" "ratio" ["engine" "model" "instance" "source"]
        "Share of the fullest slot's context that is in use, 0 to 1" "最满的槽位已使用的上下文比例，0 到 1";
    LLM_E2E_REQUEST_LATENCY_SECONDS = Histogram "llm_e2e_request_latency_seconds" "seconds" ["engine" "model" "instance" "source"]
        "Time from the arrival of a request to its last token" "请求从到达到最后一个 Token 的耗时";
    LLM_ENGINE_ACCELERATOR_BYTES = Gauge "llm_engine_accelerator_bytes" "bytes" ["engine" "model" "instance" "source" "part"]
        "Memory that the engine says it took on its fullest accelerator, by what it holds; others is what its processes hold there beyond that" "推理引擎自报的占用最多的单卡显存，按用途划分；others 为其进程实际占用中超出自报的部分";
    LLM_ENGINE_ACCELERATOR_MEMORY_BYTES = Gauge "llm_engine_accelerator_memory_bytes" "bytes" ["engine" "model" "instance" "source" "uuid" "index" "vendor" "partition"]
        "Memory of an accelerator that the engine's process and its descendants hold, as the driver lists processes" "推理引擎进程及其子进程占用的加速卡显存（按驱动的进程列表）";
    LLM_ENGINE_ACCELERATOR_OPEN = Gauge "llm_engine_accelerator_open" "" ["engine" "model" "instance" "source"]
        "1 when a process of the engine has an accelerator open, 0 when none has" "推理引擎有进程打开了加速卡时为 1，没有则为 0";
    LLM_ENGINE_ACCELERATOR_UTILIZATION_RATIO = Gauge "llm_engine_accelerator_utilization_ratio" "ratio" ["engine" "model" "instance" "source" "uuid" "index" "vendor" "partition"]
        "Share of an accelerator's time that the engine's process and its descendants used, 0 to 1, as the driver lists processes" "推理引擎进程及其子进程占用的加速卡算力比例，0 到 1（按驱动的进程列表）";
    LLM_ENGINE_COLD_START_SECONDS = Gauge "llm_engine_cold_start_seconds" "seconds" ["engine" "model" "instance" "source"]
        "Time from the start of the engine's process to its first answer that it can serve, as exact as the periods of reading and discovery" "推理引擎从进程启动到首次可提供服务的耗时，精度取决于采集与发现周期";
    LLM_ENGINE_CONFIG_INFO = Gauge "llm_engine_config_info" "" ["engine" "model" "instance" "source" "context_tokens" "data_parallel" "device" "dtype" "flags" "gpu_layers" "gpu_memory_utilization" "kv_cache_blocks" "kv_cache_dtype" "kv_cache_tokens" "parallel" "pipeline_parallel" "quantization" "tensor_parallel"]
        "How an engine is set up, as labels, secrets left out; the value is always 1" "以标签形式给出的推理引擎配置（已去除密钥），值恒为 1";
    LLM_ENGINE_CONTAINER_INFO = Gauge "llm_engine_container_info" "" ["engine" "model" "instance" "source" "id" "runtime" "container" "pod_uid" "qos" "unit"]
        "Which container, pod or unit of systemd the engine runs in, as labels; the value is always 1" "以标签形式给出推理引擎所在的容器、Pod 或 systemd 单元，值恒为 1";
    LLM_ENGINE_INFO = Gauge "llm_engine_info" "" ["engine" "model" "instance" "source" "version" "url" "pid"]
        "Facts about an engine as labels; the value is always 1" "以标签形式给出的推理引擎信息，值恒为 1";
    LLM_ENGINE_LISTEN_INFO = Gauge "llm_engine_listen_info" "" ["engine" "model" "instance" "source" "address" "scope"]
        "An address that the engine's port is bound to, and who that lets in: loopback, private, public, or all for every address of the machine; firewalls are not asked; the value is always 1" "推理引擎端口绑定的地址及其开放范围：loopback 仅本机、private 内网、public 公网、all 为本机所有地址；不考虑防火墙，值恒为 1";
    LLM_ENGINE_PROCESS_CPU_SECONDS_TOTAL = Counter "llm_engine_process_cpu_seconds_total" "seconds" ["engine" "model" "instance" "source"]
        "CPU time used by the engine's process and its descendants" "推理引擎进程及其子进程所用的 CPU 时间";
    LLM_ENGINE_PROCESS_INVOLUNTARY_SWITCHES_TOTAL = Counter "llm_engine_process_involuntary_switches_total" "" ["engine" "model" "instance" "source"]
        "Times that the CPU was taken from a thread of the engine's processes" "推理引擎各线程的非自愿上下文切换次数";
    LLM_ENGINE_PROCESS_MAJOR_FAULTS_TOTAL = Counter "llm_engine_process_major_faults_total" "" ["engine" "model" "instance" "source"]
        "Page faults of the engine's processes that read from a disk" "推理引擎进程需要读盘的缺页次数（major fault）";
    LLM_ENGINE_PROCESS_MINOR_FAULTS_TOTAL = Counter "llm_engine_process_minor_faults_total" "" ["engine" "model" "instance" "source"]
        "Page faults of the engine's processes that needed no disk" "推理引擎进程无需读盘的缺页次数（minor fault）";
    LLM_ENGINE_PROCESS_OPEN_FILES = Gauge "llm_engine_process_open_files" "" ["engine" "model" "instance" "source"]
        "Open files of the engine's processes" "推理引擎进程打开的文件数";
    LLM_ENGINE_PROCESS_OPEN_FILES_MAX = Gauge "llm_engine_process_open_files_max" "" ["engine" "model" "instance" "source"]
        "Most files that the engine's main process may have open" "推理引擎主进程可打开的文件数上限";
    LLM_ENGINE_PROCESS_READ_BYTES_TOTAL = Counter "llm_engine_process_read_bytes_total" "bytes" ["engine" "model" "instance" "source"]
        "Bytes that the engine's processes made block devices read" "推理引擎进程引起的块设备读取字节数";
    LLM_ENGINE_PROCESS_RESIDENT_BYTES = Gauge "llm_engine_process_resident_bytes" "bytes" ["engine" "model" "instance" "source"]
        "Resident memory of the engine's process and its descendants; shared pages count once per process" "推理引擎进程及其子进程的常驻内存，共享页按进程重复计入";
    LLM_ENGINE_PROCESS_START_TIME_SECONDS = Gauge "llm_engine_process_start_time_seconds" "seconds" ["engine" "model" "instance" "source"]
        "Unix time at which the engine's process started" "推理引擎进程的启动时间（Unix 时间）";
    LLM_ENGINE_PROCESS_THREADS = Gauge "llm_engine_process_threads" "" ["engine" "model" "instance" "source"]
        "Threads of the engine's process and its descendants" "推理引擎进程及其子进程的线程数";
    LLM_ENGINE_PROCESS_VOLUNTARY_SWITCHES_TOTAL = Counter "llm_engine_process_voluntary_switches_total" "" ["engine" "model" "instance" "source"]
        "Times that a thread of the engine's processes gave the CPU up" "推理引擎各线程的自愿上下文切换次数";
    LLM_ENGINE_PROCESS_WRITTEN_BYTES_TOTAL = Counter "llm_engine_process_written_bytes_total" "bytes" ["engine" "model" "instance" "source"]
        "Bytes that the engine's processes made block devices write" "推理引擎进程引起的块设备写入字节数";
    LLM_ENGINE_PROCESSES = Gauge "llm_engine_processes" "" ["engine" "model" "instance" "source"]
        "The engine's process and its descendants" "推理引擎进程及其子进程的数量";
    LLM_ENGINE_RESTARTS_TOTAL = Counter "llm_engine_restarts_total" "" ["engine" "model" "instance" "source"]
        "Restarts of the engine's process that were seen" "观察到的推理引擎进程重启次数";
    LLM_ENGINE_STALLED_SECONDS = Gauge "llm_engine_stalled_seconds" "seconds" ["engine" "model" "instance" "source"]
        "Time without a step, token or finished request while requests run, from 120 s on, or 600 s while all are at their prompts; 0 before, and while the engine works or has nothing to do" "有请求在执行却没有任何迭代、Token 或完成请求的持续时间，自 120 秒（请求均处于提示词处理阶段时为 600 秒）起计；未达到时以及正常工作或空闲时为 0";
    LLM_ENGINE_START_PHASE_SECONDS = Gauge "llm_engine_start_phase_seconds" "seconds" ["engine" "model" "instance" "source" "phase"]
        "How long a part of the engine's last start took, as its log says: weights, compile, graphs, and init, which is all from the profile to the warm-up" "引擎日志中最近一次启动各阶段的耗时：weights 加载权重、compile 编译、graphs 捕获计算图、init 从显存分析到预热的总和";
    LLM_ENGINE_STEPS_TOTAL = Counter "llm_engine_steps_total" "" ["engine" "model" "instance" "source"]
        "Iterations of the engine: its heartbeat" "推理引擎的迭代次数，即其心跳";
    LLM_ENGINE_UP = Gauge "llm_engine_up" "" ["engine" "model" "instance" "source"]
        "1 when the engine answered the last scrape, else 0" "最近一次抓取有响应时为 1，否则为 0";
    LLM_GENERATION_TOKENS_PER_SECOND = Gauge "llm_generation_tokens_per_second" "" ["engine" "model" "instance" "source"]
        "Generated tokens per second, as the engine's log says of its last period or request" "引擎日志给出的最近一个周期或请求的生成速度（Token/s）";
    LLM_GENERATION_TOKENS_TOTAL = Counter "llm_generation_tokens_total" "tokens" ["engine" "model" "instance" "source"]
        "Generated tokens" "已生成的 Token 数";
    LLM_HTTP_RESPONSES_TOTAL = Counter "llm_http_responses_total" "" ["engine" "model" "instance" "source" "route" "status"]
        "Answers of the engine by route and status, as the access lines of its log say" "按路由与状态码统计的响应数（来自引擎访问日志）";
    LLM_INTER_TOKEN_LATENCY_SECONDS = Histogram "llm_inter_token_latency_seconds" "seconds" ["engine" "model" "instance" "source"]
        "Time between two output tokens of a request" "同一请求相邻两个输出 Token 的间隔";
    LLM_KEY_REQUESTS_TOTAL = Counter "llm_key_requests_total" "" ["source" "key" "outcome"]
        "Requests by key and outcome; key is the name of the key, anonymous, or __other__ beyond the limit of names" "按密钥与结果统计的请求数；key 为密钥名称、anonymous，超出名称上限时为 __other__";
    LLM_KEY_TOKENS_TOTAL = Counter "llm_key_tokens_total" "tokens" ["source" "key" "model" "type"]
        "Tokens by key, model and type: input or output" "按密钥、模型与类型（input 为输入，output 为输出）统计的 Token 数";
    LLM_KV_CACHE_BLOCKS_MAX = Gauge "llm_kv_cache_blocks_max" "" ["engine" "model" "instance" "source"]
        "Blocks that the KV cache has" "KV 缓存的总块数";
    LLM_KV_CACHE_TOKENS_MAX = Gauge "llm_kv_cache_tokens_max" "tokens" ["engine" "model" "instance" "source"]
        "Tokens for which the KV cache has room" "KV 缓存可容纳的 Token 数";
    LLM_KV_CACHE_USAGE_RATIO = Gauge "llm_kv_cache_usage_ratio" "ratio" ["engine" "model" "instance" "source"]
        "Share of the KV cache that is in use, 0 to 1" "KV 缓存使用率，0 到 1";
    LLM_MODEL_LOAD_SECONDS = Gauge "llm_model_load_seconds" "seconds" ["engine" "model" "instance" "source"]
        "How long the last load of a model took, where it was seen" "最近一次观察到的模型加载耗时";
    LLM_MODEL_LOADED = Gauge "llm_model_loaded" "" ["engine" "model" "instance" "source"]
        "1 while a model is in memory, 0 after it was unloaded" "模型在内存中时为 1，卸载后为 0";
    LLM_MODEL_LOADS_TOTAL = Counter "llm_model_loads_total" "" ["engine" "model" "instance" "source"]
        "Loads of a model that were seen" "观察到的模型加载次数";
    LLM_MODEL_OFFLOAD_RATIO = Gauge "llm_model_offload_ratio" "ratio" ["engine" "model" "instance" "source"]
        "Share of a loaded model that is in accelerator memory, 0 to 1" "已加载模型位于显存中的比例，0 到 1";
    LLM_MODEL_RESIDENT_BYTES = Gauge "llm_model_resident_bytes" "bytes" ["engine" "model" "instance" "source"]
        "Memory that a loaded model takes, on all devices" "已加载模型占用的内存（所有设备合计）";
    LLM_MODEL_THRASH_TOTAL = Counter "llm_model_thrash_total" "" ["engine" "model" "instance" "source"]
        "Models that were loaded again within 10 minutes after another had taken their place" "被其他模型换出后 10 分钟内又重新加载的次数";
    LLM_MODEL_UNLOADS_TOTAL = Counter "llm_model_unloads_total" "" ["engine" "model" "instance" "source"]
        "Unloads of a model that were seen" "观察到的模型卸载次数";
    LLM_MODEL_VRAM_BYTES = Gauge "llm_model_vram_bytes" "bytes" ["engine" "model" "instance" "source"]
        "Accelerator memory that a loaded model takes" "已加载模型占用的显存";
    LLM_OBJECTIVE_RATIO = Gauge "llm_objective_ratio" "ratio" ["model" "kind"]
        "The part of the requests that has to be good: within the objective for ttft or tpot, or without failure (success)" "要求达标的请求比例：kind 为 ttft、tpot（在目标时间内）或 success（成功完成）";
    LLM_OBJECTIVE_TPOT_SECONDS = Gauge "llm_objective_tpot_seconds" "seconds" ["model" "engine" "source" "le"]
        "The longest time per output token that counts as good; le is the bound of the histogram that it is compared at" "每个输出 token 耗时的目标上限；le 为与之比较的直方图边界";
    LLM_OBJECTIVE_TTFT_SECONDS = Gauge "llm_objective_ttft_seconds" "seconds" ["model" "engine" "source" "le"]
        "The longest time to first token that counts as good; le is the bound of the histogram that it is compared at" "首 Token 延迟的目标上限；le 为与之比较的直方图边界";
    LLM_PREEMPTIONS_TOTAL = Counter "llm_preemptions_total" "" ["engine" "model" "instance" "source"]
        "Requests whose work was thrown away for lack of KV cache" "因 KV 缓存不足而被抢占的请求数";
    LLM_PREFIX_CACHE_HIT_RATIO = Gauge "llm_prefix_cache_hit_ratio" "ratio" ["engine" "model" "instance" "source"]
        "Share of prompt tokens that the prefix cache had, 0 to 1, as the engine's log says" "前缀缓存命中率，0 到 1（来自引擎日志）";
    LLM_PROMPT_TOKENS_CACHED_TOTAL = Counter "llm_prompt_tokens_cached_total" "tokens" ["engine" "model" "instance" "source"]
        "Prompt tokens served from the prefix cache" "由前缀缓存命中的提示 Token 数";
    LLM_PROMPT_TOKENS_LOOKED_UP_TOTAL = Counter "llm_prompt_tokens_looked_up_total" "tokens" ["engine" "model" "instance" "source" "part"]
        "Prompt tokens for which the prefix cache was asked, those it had and those it had not; the parts add up" "查询过前缀缓存的提示词 Token 数（含命中与未命中），各部分可相加";
    LLM_PROMPT_TOKENS_PER_SECOND = Gauge "llm_prompt_tokens_per_second" "" ["engine" "model" "instance" "source"]
        "Prompt tokens computed per second, as the engine's log says of its last period or request" "引擎日志给出的最近一个周期或请求的提示词处理速度（Token/s）";
    LLM_PROMPT_TOKENS_TOTAL = Counter "llm_prompt_tokens_total" "tokens" ["engine" "model" "instance" "source"]
        "Prompt tokens; llama.cpp leaves cached ones out, vLLM counts them" "提示 Token 数；llama.cpp 不含缓存命中部分，vLLM 包含";
    LLM_PROMPTS_TRUNCATED_TOTAL = Counter "llm_prompts_truncated_total" "" ["engine" "model" "instance" "source"]
        "Prompts, of those that ran at a reading, whose beginning was dropped, surely or probably" "采集时正在执行、且开头确定或很可能已被丢弃的提示词数";
    LLM_REQUEST_QUEUE_TIME_SECONDS = Histogram "llm_request_queue_time_seconds" "seconds" ["engine" "model" "instance" "source"]
        "Time that requests waited before execution" "请求执行前的排队时间";
    LLM_REQUEST_SLO_TOTAL = Counter "llm_request_slo_total" "" ["engine" "model" "instance" "source" "result"]
        "Finished generations that met all targets for TTFT, TPOT and latency, or missed one; those that met them are the goodput" "已完成的生成请求中，满足全部 TTFT、TPOT 与时延目标（met）或未满足（missed）的数量；met 即有效吞吐（goodput）";
    LLM_REQUEST_TIME_PER_OUTPUT_TOKEN_SECONDS = Histogram "llm_request_time_per_output_token_seconds" "seconds" ["engine" "model" "instance" "source"]
        "Mean time per output token of a request after the first one (TPOT)" "请求中首个 Token 之后平均每个输出 Token 的耗时（TPOT）";
    LLM_REQUESTS_COLD_TOTAL = Counter "llm_requests_cold_total" "" ["engine" "model" "instance" "source"]
        "Requests of a sort that the engine had not answered before since it started; their times are not in the histograms" "引擎启动后首次处理的同类请求数；其耗时不计入各直方图";
    LLM_REQUESTS_FINISHED_TOTAL = Counter "llm_requests_finished_total" "" ["engine" "model" "instance" "source" "reason"]
        "Finished requests by reason" "按结束原因统计的已完成请求数";
    LLM_REQUESTS_RUNNING = Gauge "llm_requests_running" "" ["engine" "model" "instance" "source"]
        "Requests in execution" "正在执行的请求数";
    LLM_REQUESTS_TOTAL = Counter "llm_requests_total" "" ["engine" "model" "instance" "source" "outcome"]
        "Requests that came through the gateway, by how they ended: ok, client_abort, upstream_error, truncated, timeout, refused" "经网关的请求数，按结果划分：ok、client_abort（客户端中断）、upstream_error（引擎出错）、truncated（回答不完整）、timeout（超时）、refused（被网关拒绝）";
    LLM_REQUESTS_WAITING = Gauge "llm_requests_waiting" "" ["engine" "model" "instance" "source"]
        "Requests that wait for a place" "排队等待的请求数";
    LLM_SLOTS = Gauge "llm_slots" "" ["engine" "model" "instance" "source"]
        "Requests that the engine can execute at the same time" "推理引擎可同时执行的请求数";
    LLM_SPEC_DECODE_ACCEPTANCE_RATIO = Gauge "llm_spec_decode_acceptance_ratio" "ratio" ["engine" "model" "instance" "source"]
        "Share of the tokens proposed by speculative decoding that were accepted, 0 to 1, as the engine's log says" "推测解码草稿 Token 的接受率，0 到 1（来自引擎日志）";
    LLM_SPEC_DECODE_ACCEPTED_TOKENS_TOTAL = Counter "llm_spec_decode_accepted_tokens_total" "tokens" ["engine" "model" "instance" "source"]
        "Tokens of speculative decoding that were accepted" "推测解码中被接受的 Token 数";
    LLM_SPEC_DECODE_DRAFT_TOKENS_TOTAL = Counter "llm_spec_decode_draft_tokens_total" "tokens" ["engine" "model" "instance" "source"]
        "Tokens that speculative decoding proposed" "推测解码提出的草稿 Token 数";
    LLM_TIME_TO_FIRST_TOKEN_SECONDS = Histogram "llm_time_to_first_token_seconds" "seconds" ["engine" "model" "instance" "source"]
        "Time from the arrival of a request to its first output token (TTFT)" "请求到达到首个输出 Token 的延迟（TTFT）";
}
