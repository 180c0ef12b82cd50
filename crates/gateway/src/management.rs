//! Paths of engines that change them, stop them, or show what others ask: refused unless allowed.
//!
//! A path is compared after undoing what servers undo too: percent-encoding, doubled slashes, dots, a slash
//! at the end, and case. Some of these act on GET, so the method matters only where the same path also
//! serves harmless reading.

use Methods::{All, Writing};

/// Which methods of a path are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Methods {
    All,
    /// All but GET, HEAD and OPTIONS: the same path also serves harmless reading.
    Writing,
}

/// A path that ends with `*` stands for all that begin so; a `*` in its middle for one part.
pub const ROUTES: &[(Methods, &str)] = &[
    // Aphrodite, LMDeploy, SGLang and vLLM
    (All, "/abort_request"),
    (All, "/add_worker"),
    (All, "/attach_hicache*"),
    (All, "/clear_hicache*"),
    (All, "/collective_rpc"),
    (All, "/configure_logging"),
    (All, "/continue_generation"),
    (All, "/destroy_weights*"),
    (All, "/detach_hicache*"),
    (All, "/distserve/*"),
    (All, "/dump_expert*"),
    (All, "/finish_weight*"),
    (All, "/flush_cache"),
    (All, "/freeze_gc"),
    (All, "/get_weights_by_name"),
    (All, "/init_weight*"),
    (All, "/is_sleeping"),
    (All, "/load_lora_adapter*"),
    (All, "/pause"),
    (All, "/pause_generation"),
    (All, "/release_memory_occupation"),
    (All, "/remove_worker"),
    (All, "/reset_encoder_cache"),
    (All, "/reset_mm_cache"),
    (All, "/reset_prefix_cache"),
    (All, "/resume"),
    (All, "/resume_memory_occupation"),
    (All, "/scale_elastic_ep"),
    (All, "/send_weights*"),
    (All, "/server_info"),
    (All, "/set_internal_state"),
    (All, "/set_trace_level"),
    (All, "/sleep"),
    (All, "/slow_down"),
    (All, "/start_expert*"),
    (All, "/start_profile"),
    (All, "/start_weight*"),
    (All, "/stop_expert*"),
    (All, "/stop_profile"),
    (All, "/terminate"),
    (All, "/unload_lora_adapter"),
    (All, "/update_weight*"),
    (All, "/v1/load_lora_adapter"),
    (All, "/v1/unload_lora_adapter"),
    (All, "/wake_up"),
    (All, "/wakeup"),
    // KoboldCpp
    (All, "/api/admin*"),
    (All, "/api/extra/generate/abort"),
    (All, "/api/extra/generate/check"),
    (All, "/api/extra/last_logprobs"),
    // llama.cpp and llama-swap
    (All, "/api/models/unload*"),
    (All, "/cors-proxy*"),
    (All, "/logs*"),
    (Writing, "/lora-adapters"),
    (All, "/models/load"),
    (All, "/models/unload"),
    (Writing, "/props"),
    (All, "/slots*"),
    (All, "/tools*"),
    (All, "/unload"),
    (All, "/upstream/*"),
    // LocalAI
    (All, "/backend/shutdown"),
    (All, "/backends*"),
    (All, "/models/apply"),
    (All, "/models/delete*"),
    (All, "/models/edit*"),
    (All, "/models/galleries"),
    (All, "/models/import*"),
    (All, "/models/reload"),
    // LM Studio and Lemonade
    (All, "/api/v1/delete"),
    (All, "/api/v1/load"),
    (All, "/api/v1/models/download*"),
    (All, "/api/v1/models/load"),
    (All, "/api/v1/models/unload"),
    (All, "/api/v1/pull"),
    (All, "/api/v1/unload"),
    // MindIE
    (All, "/stopservice"),
    (All, "/v1/config*"),
    // Ollama
    (All, "/api/blobs/*"),
    (All, "/api/copy"),
    (All, "/api/create"),
    (All, "/api/delete"),
    (All, "/api/pull"),
    (All, "/api/push"),
    (All, "/api/signout"),
    // TabbyAPI and text-generation-webui
    (All, "/v1/download"),
    (All, "/v1/internal/lora/*"),
    (All, "/v1/internal/model/load"),
    (All, "/v1/internal/model/unload"),
    (All, "/v1/internal/stop-generation"),
    (All, "/v1/lora/load"),
    (All, "/v1/lora/unload"),
    (All, "/v1/model/embedding/*"),
    (All, "/v1/model/load"),
    (All, "/v1/model/unload"),
    (All, "/v1/sampling/override/*"),
    (All, "/v1/template/switch"),
    (All, "/v1/template/unload"),
    // trtllm-serve: reading these takes them away from whom they are for
    (All, "/kv_cache_events"),
    (All, "/perf_metrics"),
    // Triton
    (Writing, "/v2/logging"),
    (All, "/v2/*sharedmemory/*"),
    (Writing, "/v2/models/*/trace/setting"),
    (All, "/v2/repository/models/*/load"),
    (All, "/v2/repository/models/*/unload"),
    (Writing, "/v2/trace/setting"),
    // Xinference
    (All, "/v1/audit*"),
    (All, "/v1/cluster/*"),
    (Writing, "/v1/models*"),
    (All, "/v1/virtualenvs*"),
];

/// Whether this path, as it stands in a request, is one of them.
pub fn is_management(method: &str, path: &str) -> bool {
    let path = plain(path);
    let is_reading = matches!(method, "GET" | "HEAD" | "OPTIONS");
    ROUTES
        .iter()
        .any(|(methods, pattern)| (*methods == All || !is_reading) && matches(pattern, &path))
}

fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((start, "")) => {
            path.starts_with(start) || start.strip_suffix('/').is_some_and(|whole| whole == path)
        }
        Some((start, end)) => path.strip_prefix(start).is_some_and(|rest| {
            let (end, open) = end.strip_suffix("/*").map_or((end, false), |end| (end, true));
            rest.match_indices(end).any(|(place, _)| {
                let between = rest.get(..place).unwrap_or_default();
                let after = rest.get(place + end.len()..).unwrap_or_default();
                !between.contains('/') && (after.is_empty() || open && after.starts_with('/'))
            })
        }),
    }
}

/// The path as a lenient server may read it: decoded, without doubled slashes and dots, in lower case.
fn plain(path: &str) -> String {
    let path = path.split(['?', '#', ';']).next().unwrap_or_default();
    let decoded = decode(&decode(path.as_bytes()));
    let text = String::from_utf8_lossy(&decoded).to_lowercase();
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part.split([';', '?', '#']).next().unwrap_or_default()),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Undoes percent-encoding.
pub(crate) fn decoded(path: &str) -> String {
    String::from_utf8_lossy(&decode(path.as_bytes())).into_owned()
}

fn decode(bytes: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(byte) = bytes.get(place) {
        match (byte, digit(bytes.get(place + 1)), digit(bytes.get(place + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                place += 3;
            }
            _ => {
                decoded.push(*byte);
                place += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn management_is_told_from_inference() {
        let check = |method: &str, path: &str, expected: bool| {
            assert_eq!(is_management(method, path), expected, "{method} {path}");
        };
        for (method, path) in [
            ("POST", "/api/pull"),
            ("DELETE", "/api/delete"),
            ("GET", "/stopService"),
            ("GET", "/release_memory_occupation"),
            ("GET", "/slots"),
            ("POST", "/slots/0?action=save"),
            ("POST", "/props"),
            ("PATCH", "/props"),
            ("POST", "/v1/load_lora_adapter"),
            ("POST", "/v2/repository/models/llama/load"),
            ("POST", "/v2/systemsharedmemory/region/a/register"),
            ("DELETE", "/v1/models/llama"),
            ("POST", "/distserve/p2p_connect"),
            ("POST", "/update_weights_from_disk"),
            // as a lenient server may read them
            ("POST", "//api//pull/"),
            ("POST", "/api/./pull"),
            ("POST", "/v1/../api/pull"),
            ("POST", "/api/%70ull"),
            ("POST", "/api/%2570ull"),
            ("POST", "/API/Pull"),
            ("POST", "/api/pull;a=b"),
            ("POST", "/api%2fpull?x"),
            ("GET", "\\sleep"),
        ] {
            check(method, path, true);
        }
        for (method, path) in [
            ("POST", "/v1/chat/completions"),
            ("POST", "/api/chat"),
            ("POST", "/api/show"),
            ("GET", "/props"),
            ("GET", "/v1/models"),
            ("GET", "/v1/models/llama"),
            ("GET", "/api/tags"),
            ("POST", "/v2/models/llama/infer"),
            ("GET", "/metrics"),
            ("GET", "/"),
            ("GET", ""),
            ("GET", "/sleeping"),
            ("OPTIONS", "/v1/models"),
        ] {
            check(method, path, false);
        }
    }

    #[test]
    fn patterns_are_written_as_paths_are_compared() {
        for (methods, path) in ROUTES {
            assert!(path.starts_with('/') && *path == path.to_lowercase(), "{methods:?} {path}");
        }
    }

    proptest! {
        #[test]
        fn anything_may_be_thrown_at_it(path in ".*") {
            is_management("POST", &path);
            let hidden = format!("/api/pull/?{path}");
            prop_assert!(is_management("POST", &hidden));
        }
    }
}
