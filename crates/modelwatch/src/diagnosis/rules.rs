//! The rules: when each holds, and what shows it. `$w` stands for the window, `$who` for what it is about.
//!
//! Each row has a message of its name in both languages, with `{who}`, `{value}` (that of the condition), and the
//! labels of the condition as parameters. Rows that are further up are told first.

use model::catalogue as metric;

use super::{BUSY_SHARE, CORE_CLOCK, GAUGE, GROWTH, RATE};

/// How a query's values in the window become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Most,
    Least,
    Mean,
}

impl Side {
    pub(super) fn function(self) -> &'static str {
        match self {
            Self::Most => "max_over_time",
            Self::Least => "min_over_time",
            Self::Mean => "avg_over_time",
        }
    }
}

/// A metric, what is asked of it (as `$m`), how the values become one, and the labels that `$who` stands for.
pub(super) type Shown = (&'static str, &'static str, Side, &'static [&'static str]);

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) code: &'static str,
    /// Holds where it yields anything; the largest is told.
    pub(super) when: &'static str,
    pub(super) evidence: &'static [Shown],
}

/// Events that explain something by themselves, and as what they are told.
pub(super) const EVENTS: &[(&str, &str)] = &[
    ("event.engine_changed", "cause.engine_changed"),
    ("event.engine_oom_killed", "cause.engine_oom_killed"),
    ("event.engine_on_cpu", "cause.engine_on_cpu"),
];

use Side::{Least, Mean, Most};

/// For a query that names its metric itself, where the catalogue has no constant for it.
const NAMED: &str = "";

const ENGINE: &[&str] = &["engine", "model", "instance"];
const PROCESS: &[&str] = &["engine", "instance"];
const DEVICE: &[&str] = &["host", "index", "uuid"];
const HOST: &[&str] = &["instance", "job"];
const PART: &[&str] = &["instance", "job", "device"];
const CONTAINER: &[&str] = &["engine", "instance", "id"];
const ANY: &[&str] = &[];

const WAITING: Shown = (metric::LLM_REQUESTS_WAITING.name, GAUGE, Most, ENGINE);
const RUNNING: Shown = (metric::LLM_REQUESTS_RUNNING.name, GAUGE, Mean, ENGINE);
const KV: Shown = (metric::LLM_KV_CACHE_USAGE_RATIO.name, GAUGE, Most, ENGINE);
const PREEMPTIONS: Shown = (metric::LLM_PREEMPTIONS_TOTAL.name, RATE, Most, ENGINE);
const CLOCK: Shown = (metric::ACCELERATOR_CLOCK_HERTZ.name, CORE_CLOCK, Least, DEVICE);
const POWER: Shown = (metric::ACCELERATOR_POWER_WATTS.name, GAUGE, Most, DEVICE);
const UTILIZATION: Shown = (metric::ACCELERATOR_UTILIZATION_RATIO.name, GAUGE, Mean, DEVICE);
const ANY_UTILIZATION: Shown = (metric::ACCELERATOR_UTILIZATION_RATIO.name, "max($m)", Mean, ANY);
const TEMPERATURE: Shown = (
    metric::ACCELERATOR_TEMPERATURE_CELSIUS.name,
    "max by (host, index, uuid) ($m{$who})",
    Most,
    DEVICE,
);
const GENERATED: Shown = (metric::LLM_GENERATION_TOKENS_TOTAL.name, RATE, Least, ENGINE);
const PROMPTED: Shown = (metric::LLM_PROMPT_TOKENS_TOTAL.name, RATE, Most, ENGINE);
const BUSY: Shown = (metric::NODE_CPU_SECONDS_TOTAL.name, BUSY_SHARE, Mean, HOST);

/// Most telling first.
pub(super) static RULES: &[Rule] = &[
    Rule {
        code: "cause.accelerator_lost",
        when: "1 - min by (host, index, uuid) (min_over_time(accelerator_up[$w])) > 0",
        evidence: &[(metric::ACCELERATOR_UP.name, GAUGE, Least, DEVICE), UTILIZATION],
    },
    Rule {
        code: "cause.accelerator_error",
        when: "sum by (host, index, uuid) (increase(accelerator_errors_total[$w])) > 0",
        evidence: &[
            (
                metric::ACCELERATOR_ERRORS_TOTAL.name,
                "sum by (code) (increase($m{$who}[2m]))",
                Most,
                DEVICE,
            ),
            CLOCK,
        ],
    },
    Rule {
        code: "cause.engine_down",
        when: "1 - min_over_time(llm_engine_up[$w]) > 0",
        evidence: &[(metric::LLM_ENGINE_UP.name, GAUGE, Least, ENGINE)],
    },
    Rule {
        code: "cause.engine_restarted",
        when: "increase(llm_engine_restarts_total[$w]) > 0",
        evidence: &[
            (metric::LLM_ENGINE_RESTARTS_TOTAL.name, GROWTH, Most, ENGINE),
            (metric::LLM_ENGINE_COLD_START_SECONDS.name, GAUGE, Most, ENGINE),
        ],
    },
    Rule {
        code: "cause.engine_hung",
        when: "max_over_time(llm_engine_stalled_seconds[$w]) > 30",
        evidence: &[
            (metric::LLM_ENGINE_STALLED_SECONDS.name, GAUGE, Most, ENGINE),
            GENERATED,
            RUNNING,
        ],
    },
    Rule {
        code: "cause.cpu_fallback",
        when: "1 - max_over_time(llm_engine_accelerator_open[$w]) > 0 and on (engine, instance) \
               max_over_time(llm_engine_accelerator_open[1h] offset $w) == 1",
        evidence: &[(metric::LLM_ENGINE_ACCELERATOR_OPEN.name, GAUGE, Least, PROCESS), GENERATED],
    },
    Rule {
        code: "cause.partly_on_cpu",
        when: "100 * min_over_time(llm_model_offload_ratio[$w]) > 0 < 99",
        evidence: &[(metric::LLM_MODEL_OFFLOAD_RATIO.name, GAUGE, Least, ENGINE), GENERATED],
    },
    Rule {
        code: "cause.model_thrash",
        when: "increase(llm_model_thrash_total[$w]) > 0",
        evidence: &[(metric::LLM_MODEL_THRASH_TOTAL.name, GROWTH, Most, ENGINE)],
    },
    Rule {
        code: "cause.model_loaded",
        when: "increase(llm_model_loads_total[$w]) > 0",
        evidence: &[
            (metric::LLM_MODEL_LOADS_TOTAL.name, GROWTH, Most, ENGINE),
            (metric::LLM_MODEL_LOAD_SECONDS.name, GAUGE, Most, ENGINE),
        ],
    },
    Rule {
        code: "cause.kv_preempted",
        when: "100 * max_over_time(llm_kv_cache_usage_ratio[$w]) > 90 and on (engine, model, instance) \
               increase(llm_preemptions_total[$w]) > 0",
        evidence: &[KV, PREEMPTIONS, WAITING],
    },
    Rule {
        code: "cause.kv_full",
        when: "100 * max_over_time(llm_kv_cache_usage_ratio[$w]) > 95 and on (engine, model, instance) \
               max_over_time(llm_requests_waiting[$w]) > 0 unless on (engine, model, instance) \
               increase(llm_preemptions_total[$w]) > 0",
        evidence: &[KV, WAITING],
    },
    Rule {
        // That clocks are held back is no cause where they are as high as ever.
        code: "cause.thermal",
        when: "max by (host, index, uuid) (max_over_time(accelerator_throttle_active{reason=~\"hw_thermal|sw_thermal\"}[$w])) > 0 \
               unless on (host, index, uuid) min_over_time(accelerator_clock_hertz{domain=\"core\"}[$w]) \
               >= 0.95 * quantile_over_time(0.5, accelerator_clock_hertz{domain=\"core\"}[1h] offset $w)",
        evidence: &[
            (
                metric::ACCELERATOR_THROTTLE_ACTIVE.name,
                "max by (host, index, uuid) ($m{reason=~\"hw_thermal|sw_thermal\",$who})",
                Most,
                DEVICE,
            ),
            CLOCK,
            TEMPERATURE,
        ],
    },
    Rule {
        // A cap of power is normal by itself; one that lowers clocks as never before is not.
        code: "cause.power",
        when: "100 * (1 - min_over_time(accelerator_clock_hertz{domain=\"core\"}[$w]) \
               / (quantile_over_time(0.5, accelerator_clock_hertz{domain=\"core\"}[1h] offset $w) > 0)) > 10 \
               and on (host, index, uuid) max_over_time(accelerator_throttle_active{reason=~\"sw_power_cap|hw_power_brake|hw_slowdown\"}[$w]) > 0 \
               unless on (host, index, uuid) max_over_time(accelerator_throttle_active{reason=~\"hw_thermal|sw_thermal\"}[$w]) > 0",
        evidence: &[
            CLOCK,
            POWER,
            (
                metric::ACCELERATOR_THROTTLE_ACTIVE.name,
                "max by (host, index, uuid) ($m{reason=~\"sw_power_cap|hw_power_brake|hw_slowdown\",$who})",
                Most,
                DEVICE,
            ),
        ],
    },
    Rule {
        code: "cause.slots_full",
        when: "max_over_time(llm_requests_waiting[$w]) > 0 and on (engine, instance) \
               sum by (engine, instance) (avg_over_time(llm_requests_running[$w])) \
               >= 0.95 * sum by (engine, instance) (llm_slots)",
        evidence: &[WAITING, RUNNING, (metric::LLM_SLOTS.name, GAUGE, Most, ENGINE)],
    },
    Rule {
        code: "cause.prefill_burst",
        when: "max_over_time(rate(llm_prompt_tokens_total[30s])[$w:10s]) > 500 \
               > 3 * quantile_over_time(0.5, rate(llm_prompt_tokens_total[1m])[1h:1m] offset $w)",
        evidence: &[PROMPTED, GENERATED, RUNNING],
    },
    Rule {
        // The engine's own accelerators where its processes are known, else all that there are.
        code: "cause.host_bound",
        when: "avg_over_time(llm_requests_waiting[$w]) >= 1 \
               and on (engine, instance) (max by (engine, instance) (group by (engine, instance, uuid) \
               (llm_engine_accelerator_memory_bytes) * on (uuid) group_left () max by (uuid) \
               (avg_over_time(accelerator_utilization_ratio[$w]))) < 0.7 \
               or (group by (engine, instance) (llm_requests_waiting) \
               unless on (engine, instance) llm_engine_accelerator_memory_bytes) \
               and on () max(avg_over_time(accelerator_utilization_ratio[$w])) < 0.7) \
               unless on (engine, instance) max_over_time(llm_kv_cache_usage_ratio[$w]) > 0.95",
        evidence: &[
            WAITING,
            ANY_UTILIZATION,
            (metric::LLM_ENGINE_PROCESS_CPU_SECONDS_TOTAL.name, RATE, Most, PROCESS),
        ],
    },
    Rule {
        code: "cause.cpu_throttled",
        when: "100 * rate(container_cpu_cfs_throttled_periods_total{engine!=\"\"}[$w]) / (rate(container_cpu_cfs_periods_total[$w]) > 0) > 25",
        evidence: &[(
            metric::CONTAINER_CPU_CFS_THROTTLED_PERIODS_TOTAL.name,
            "rate($m{$who}[1m]) / rate(container_cpu_cfs_periods_total{$who}[1m])",
            Most,
            CONTAINER,
        )],
    },
    Rule {
        code: "cause.host_cpu",
        when: "100 * (1 - avg by (instance, job) (rate(node_cpu_seconds_total{mode=\"idle\"}[$w]))) > 90",
        evidence: &[BUSY],
    },
    Rule {
        code: "cause.swapping",
        when: "rate(node_vmstat_pswpin[$w]) > 100",
        evidence: &[(NAMED, "rate(node_vmstat_pswpin{$who}[1m])", Most, HOST)],
    },
    Rule {
        code: "cause.memory_low",
        when: "100 * min_over_time(node_memory_MemAvailable_bytes[$w]) / node_memory_MemTotal_bytes < 5",
        evidence: &[(NAMED, "node_memory_MemAvailable_bytes{$who}", Least, HOST)],
    },
    Rule {
        code: "cause.disk",
        when: "100 * rate(node_disk_io_time_seconds_total{device!~\"loop.*|ram.*|dm-.*\"}[$w]) > 90",
        evidence: &[
            (metric::NODE_DISK_IO_TIME_SECONDS_TOTAL.name, RATE, Most, PART),
            (metric::NODE_DISK_READ_BYTES_TOTAL.name, RATE, Most, PART),
            (metric::NODE_DISK_WRITTEN_BYTES_TOTAL.name, RATE, Most, PART),
        ],
    },
    Rule {
        code: "cause.network",
        when: "100 * rate(node_network_receive_bytes_total{device!=\"lo\"}[$w]) / (node_network_speed_bytes > 0) > 90 \
               or 100 * rate(node_network_transmit_bytes_total{device!=\"lo\"}[$w]) / (node_network_speed_bytes > 0) > 90",
        evidence: &[
            (metric::NODE_NETWORK_RECEIVE_BYTES_TOTAL.name, RATE, Most, PART),
            (metric::NODE_NETWORK_TRANSMIT_BYTES_TOTAL.name, RATE, Most, PART),
        ],
    },
    Rule {
        code: "cause.clients_slow",
        when: "100 * rate(llm_connection_rwnd_limited_seconds_total[$w]) / (rate(llm_connection_busy_seconds_total[$w]) > 0.1) > 50",
        evidence: &[(
            metric::LLM_CONNECTION_RWND_LIMITED_SECONDS_TOTAL.name,
            "rate($m{$who}[1m]) / rate(llm_connection_busy_seconds_total{$who}[1m])",
            Most,
            ENGINE,
        )],
    },
    Rule {
        code: "cause.download",
        when: "max_over_time(model_pull_bytes_per_second[$w]) / 1e6 > 1",
        evidence: &[(
            metric::MODEL_PULL_BYTES_PER_SECOND.name,
            GAUGE,
            Most,
            &["instance", "tool", "model", "path"],
        )],
    },
];
