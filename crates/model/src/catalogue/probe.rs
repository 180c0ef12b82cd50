//! Active probes, under blackbox_exporter's names. Label `instance` is the target, `module` the kind.

use super::metrics;

metrics! { PROBE:
    PROBE_DNS_ANSWER_RRS = Gauge "probe_dns_answer_rrs" "" ["instance" "module" "query"]
        "Records in the answer of the DNS server" "DNS 应答中的记录数";
    PROBE_DNS_DURATION_SECONDS = Gauge "probe_dns_duration_seconds" "seconds" ["instance" "module" "query" "phase"]
        "Time until the DNS server answered, by phase" "DNS 查询各阶段耗时";
    PROBE_DNS_LOOKUP_TIME_SECONDS = Gauge "probe_dns_lookup_time_seconds" "seconds" ["instance" "module" "query"]
        "Time that finding the target's address took" "解析目标地址的耗时";
    PROBE_DURATION_SECONDS = Gauge "probe_duration_seconds" "seconds" ["instance" "module" "query"]
        "Time that the whole probe took" "整个探测的耗时";
    PROBE_HTTP_DURATION_SECONDS = Gauge "probe_http_duration_seconds" "seconds" ["instance" "module" "query" "phase"]
        "Time that the HTTP request took, by phase: resolve, connect, tls, processing, transfer" "HTTP 请求各阶段耗时：resolve、connect、tls、processing、transfer";
    PROBE_HTTP_STATUS_CODE = Gauge "probe_http_status_code" "" ["instance" "module" "query"]
        "Status code of the answer" "响应的 HTTP 状态码";
    PROBE_HTTP_UNCOMPRESSED_BODY_LENGTH = Gauge "probe_http_uncompressed_body_length" "bytes" ["instance" "module" "query"]
        "Length of the body of the answer" "响应正文的长度";
    PROBE_ICMP_DURATION_SECONDS = Gauge "probe_icmp_duration_seconds" "seconds" ["instance" "module" "query" "phase"]
        "Time that the ping took, by phase: resolve, setup, rtt" "ping 各阶段耗时：resolve、setup、rtt";
    PROBE_IP_PROTOCOL = Gauge "probe_ip_protocol" "" ["instance" "module" "query"]
        "Version of the Internet Protocol that was used, 4 or 6" "使用的 IP 协议版本，4 或 6";
    PROBE_SSL_EARLIEST_CERT_EXPIRY = Gauge "probe_ssl_earliest_cert_expiry" "seconds" ["instance" "module" "query"]
        "Unix time at which the first certificate of the chain expires" "证书链中最早到期的证书的到期时间（Unix 时间）";
    PROBE_SUCCESS = Gauge "probe_success" "" ["instance" "module" "query"]
        "1 when the probe succeeded, else 0" "探测成功为 1，否则为 0";
}
