//! What is asked about series: one expression each, the same for a running modelwatch and for one that
//! collects by itself.
//!
//! Nothing is averaged over engines or devices. Sums and percentiles keep the label `source`, so that what two
//! sources tell of one engine is never added up. Windows are those of the page, so that both say the same.
//! An engine counts as there for a minute after it was last read: its series ends at once when its reader sees
//! it go, but when the reader itself died nobody has ended it.

/// Which question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Ask {
    EngineUp,
    EngineInfo,
    Running,
    Waiting,
    KvCache,
    Context,
    TtftP50,
    TtftP95,
    TpotP50,
    TpotP95,
    ItlP95,
    E2eP95,
    TokensOut,
    TokensIn,
    Finished,
    Failed,
    Preemptions,
    TokensCached,
    PrefixHits,
    SpecAccepted,
    EngineResident,
    EngineCpu,
    DeviceInfo,
    DeviceUp,
    DeviceHealth,
    DeviceUtilization,
    DeviceMemoryUsed,
    DeviceMemoryTotal,
    DevicePower,
    DevicePowerLimit,
    DeviceTemperature,
    DeviceClock,
    DeviceClockMax,
    DeviceFan,
    DeviceThrottle,
    DeviceErrors,
    DeviceEcc,
    DeviceFields,
    DeviceProcesses,
    HostCpu,
    HostMemoryUsed,
    HostMemoryTotal,
    HostReceived,
    HostSent,
    HostRead,
    HostWritten,
    HostPressure,
}

/// An expression, and whether its last minutes are drawn.
pub(super) struct Question {
    pub(super) ask: Ask,
    pub(super) query: &'static str,
    pub(super) has_past: bool,
}

const fn now(ask: Ask, query: &'static str) -> Question {
    Question { ask, query, has_past: false }
}

const fn past(ask: Ask, query: &'static str) -> Question {
    Question { ask, query, has_past: true }
}

/// All questions. The place of one is its number in the live socket.
#[rustfmt::skip]
pub(super) static QUESTIONS: &[Question] = &[
    now(Ask::EngineUp, "max by (engine, instance) (llm_engine_up and last_over_time(llm_engine_up[1m]))"),
    now(Ask::EngineInfo, "max by (engine, instance, model, version, url, pid) (llm_engine_info and last_over_time(llm_engine_info[1m]))"),
    now(Ask::Running, "sum by (instance, source) (llm_requests_running and last_over_time(llm_requests_running[1m]))"),
    now(Ask::Waiting, "sum by (instance, source) (llm_requests_waiting and last_over_time(llm_requests_waiting[1m]))"),
    now(Ask::KvCache, "max by (instance, source) (llm_kv_cache_usage_ratio and last_over_time(llm_kv_cache_usage_ratio[1m]))"),
    now(Ask::Context, "max by (instance, source) (llm_context_usage_ratio and last_over_time(llm_context_usage_ratio[1m]))"),
    now(Ask::TtftP50, "histogram_quantile(0.5, sum by (instance, source, le) (rate(llm_time_to_first_token_seconds_bucket[1m])))"),
    past(Ask::TtftP95, "histogram_quantile(0.95, sum by (instance, source, le) (rate(llm_time_to_first_token_seconds_bucket[1m])))"),
    now(Ask::TpotP50, "histogram_quantile(0.5, sum by (instance, source, le) (rate(llm_request_time_per_output_token_seconds_bucket[1m])))"),
    now(Ask::TpotP95, "histogram_quantile(0.95, sum by (instance, source, le) (rate(llm_request_time_per_output_token_seconds_bucket[1m])))"),
    now(Ask::ItlP95, "histogram_quantile(0.95, sum by (instance, source, le) (rate(llm_inter_token_latency_seconds_bucket[1m])))"),
    now(Ask::E2eP95, "histogram_quantile(0.95, sum by (instance, source, le) (rate(llm_e2e_request_latency_seconds_bucket[1m])))"),
    past(Ask::TokensOut, "sum by (instance, source) (rate(llm_generation_tokens_total[20s]))"),
    now(Ask::TokensIn, "sum by (instance, source) (rate(llm_prompt_tokens_total[20s]))"),
    now(Ask::Finished, "sum by (instance, source) (rate(llm_requests_finished_total[1m]))"),
    // Who counts requests knows that there were no failures; who has no such counter knows nothing.
    now(Ask::Failed, "sum by (instance, source) (increase(llm_requests_total{outcome!~\"ok|client_abort\"}[5m])) \
        or sum by (instance, source) (increase(llm_requests_finished_total{source!=\"gateway\",reason=~\".*(err|fail|abort|timeout).*\"}[5m])) \
        or 0 * sum by (instance, source) (increase(llm_requests_total[5m]))"),
    now(Ask::Preemptions, "sum by (instance, source) (increase(llm_preemptions_total[5m]))"),
    now(Ask::TokensCached, "sum by (instance, source) (rate(llm_prompt_tokens_cached_total[20s]))"),
    // Of what was looked up: some engines count what came from the cache in the input, some do not.
    now(Ask::PrefixHits, "sum by (instance, source) (increase(llm_prompt_tokens_cached_total[5m])) / (sum by (instance, source) (increase(llm_prompt_tokens_looked_up_total[5m])) > 0)"),
    now(Ask::SpecAccepted, "sum by (instance, source) (increase(llm_spec_decode_accepted_tokens_total[5m])) / (sum by (instance, source) (increase(llm_spec_decode_draft_tokens_total[5m])) > 0)"),
    now(Ask::EngineResident, "sum by (instance, source) (llm_engine_process_resident_bytes)"),
    now(Ask::EngineCpu, "sum by (instance, source) (rate(llm_engine_process_cpu_seconds_total[20s]))"),
    now(Ask::DeviceInfo, "max by (host, index, partition, uuid, vendor, model, driver_version) (accelerator_info)"),
    now(Ask::DeviceUp, "min by (host, index, partition) (accelerator_up)"),
    now(Ask::DeviceHealth, "max by (host, index, partition, state) (accelerator_health) == 1"),
    past(Ask::DeviceUtilization, "max by (host, index, partition) (accelerator_utilization_ratio)"),
    now(Ask::DeviceMemoryUsed, "max by (host, index, partition) (accelerator_memory_used_bytes)"),
    now(Ask::DeviceMemoryTotal, "max by (host, index, partition) (accelerator_memory_total_bytes)"),
    now(Ask::DevicePower, "max by (host, index, partition) (accelerator_power_watts)"),
    now(Ask::DevicePowerLimit, "max by (host, index, partition) (accelerator_power_limit_watts{kind=\"enforced\"})"),
    now(Ask::DeviceTemperature, "max by (host, index, partition, sensor) (accelerator_temperature_celsius)"),
    now(Ask::DeviceClock, "max by (host, index, partition) (accelerator_clock_hertz{domain=\"core\"})"),
    now(Ask::DeviceClockMax, "max by (host, index, partition) (accelerator_clock_max_hertz{domain=\"core\"})"),
    now(Ask::DeviceFan, "max by (host, index, partition) (accelerator_fan_speed_ratio)"),
    now(Ask::DeviceThrottle, "max by (host, index, partition, reason) (accelerator_throttle_active)"),
    now(Ask::DeviceErrors, "sum by (host, index, partition) (increase(accelerator_errors_total[5m]))"),
    now(Ask::DeviceEcc, "sum by (host, index, partition, type) (accelerator_ecc_errors_total{scope=\"volatile\"})"),
    now(Ask::DeviceFields, "max by (host, index, partition, field, state) (accelerator_field_state{state=~\"unsupported|denied|error\"}) == 1"),
    now(Ask::DeviceProcesses, "max by (host, index, partition, pid, process, engine, container) (accelerator_process_memory_bytes)"),
    // Of every host there is; the one that modelwatch runs on is picked by its name.
    past(Ask::HostCpu, "1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[10s]))"),
    now(Ask::HostMemoryUsed, "sum by (instance) (node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)"),
    now(Ask::HostMemoryTotal, "sum by (instance) (node_memory_MemTotal_bytes)"),
    now(Ask::HostReceived, "sum by (instance) (rate(node_network_receive_bytes_total{device!~\"lo|veth.*|docker.*|br-.*\"}[10s]))"),
    now(Ask::HostSent, "sum by (instance) (rate(node_network_transmit_bytes_total{device!~\"lo|veth.*|docker.*|br-.*\"}[10s]))"),
    now(Ask::HostRead, "sum by (instance) (rate(node_disk_read_bytes_total{device!~\"loop.*|dm-.*|ram.*\"}[10s]))"),
    now(Ask::HostWritten, "sum by (instance) (rate(node_disk_written_bytes_total{device!~\"loop.*|dm-.*|ram.*\"}[10s]))"),
    now(Ask::HostPressure, "max by (instance, resource) (\
        label_replace(rate(node_pressure_cpu_waiting_seconds_total[10s]), \"resource\", \"cpu\", \"\", \"\") \
        or label_replace(rate(node_pressure_memory_waiting_seconds_total[10s]), \"resource\", \"memory\", \"\", \"\") \
        or label_replace(rate(node_pressure_io_waiting_seconds_total[10s]), \"resource\", \"io\", \"\", \"\"))"),
];

/// How far back the drawn ones go, in milliseconds.
pub(super) const PAST_MS: i64 = 300_000;

/// The longest window that a question looks back.
pub(super) const WINDOW_MS: i64 = 300_000;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use model::catalogue;

    use super::*;

    #[test]
    fn all_parse_and_ask_for_metrics_that_exist() {
        let mut seen = HashSet::new();
        for question in QUESTIONS {
            assert!(seen.insert(question.ask), "{:?} is asked twice", question.ask);
            query::parse(question.query)
                .unwrap_or_else(|error| panic!("{}: {error}", question.query));
            let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
            for word in question.query.split(|character| !is_part(character)) {
                let prefixes = ["llm_", "accelerator_", "node_"];
                if prefixes.iter().any(|prefix| word.starts_with(prefix)) {
                    let name = word.strip_suffix("_bucket").unwrap_or(word);
                    assert!(catalogue::find(name).is_some(), "{word} is not in the catalogue");
                }
            }
        }
        // The live socket gives a connection at most 64.
        assert!(QUESTIONS.len() <= 60);
    }
}
