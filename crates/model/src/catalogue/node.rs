//! The host, under node_exporter's names so that public dashboards work.

use super::metrics;

metrics! { NODE:
    NODE_LOAD1 = Gauge "node_load1" "" []
        "Load average over one minute" "1 分钟平均负载";
    NODE_MEMORY_BYTES = Gauge "node_memory_*_bytes" "bytes" []
        "A field of /proc/meminfo" "/proc/meminfo 中的字段";
}
