//! Every metric that modelwatch makes, declared once as data: name, kind, unit, labels, and help in
//! both languages. Collectors, docs, page and exporters take names from here; a raw name elsewhere
//! fails the tidy test. Metrics of engines that are passed on as scraped are not listed.

mod accelerator;
mod container;
mod dcgm;
mod llm;
mod model_pull;
mod modelwatch;
mod node;
mod npu;
mod probe;
mod scrape;

pub use accelerator::*;
pub use container::*;
pub use dcgm::*;
pub use llm::*;
pub use model_pull::*;
pub use modelwatch::*;
pub use node::*;
pub use npu::*;
pub use probe::*;
pub use scrape::*;

/// What a metric's values mean over time (Prometheus' metric types).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Unknown,
}

impl Kind {
    /// The word used in the text exposition format and in `/api/v1/metadata`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Unknown => "unknown",
        }
    }

    /// The kind that a `# TYPE` line names. Kinds that no query of ours tells apart are unknown.
    pub fn from_word(word: &str) -> Self {
        match word {
            "counter" => Self::Counter,
            "gauge" => Self::Gauge,
            "histogram" => Self::Histogram,
            "summary" => Self::Summary,
            _ => Self::Unknown,
        }
    }
}

/// A metric, or with a `*` in its name a family of metrics whose names follow one rule
/// (`node_memory_*_bytes`: one for each field of `/proc/meminfo`).
#[derive(Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    /// Base unit as in the name's suffix; empty for pure numbers.
    pub unit: &'static str,
    pub labels: &'static [&'static str],
    pub help_en: &'static str,
    pub help_zh: &'static str,
}

impl Metric {
    /// Whether `name` is this metric or a member of this family.
    pub fn covers(&self, name: &str) -> bool {
        match self.name.split_once('*') {
            None => name == self.name,
            Some((prefix, suffix)) => {
                name.len() > prefix.len() + suffix.len()
                    && name.starts_with(prefix)
                    && name.ends_with(suffix)
            }
        }
    }

    /// The member of this family for one field.
    pub fn member(&self, field: &str) -> String {
        self.name.replacen('*', field, 1)
    }
}

/// The metric that `name` belongs to, if it is one of ours. Exact names win over families, and of two
/// families the one that says more of the name.
pub fn find(name: &str) -> Option<&'static Metric> {
    let exact = all().find(|metric| metric.name == name);
    let families = || all().filter(|metric| metric.covers(name));
    exact.or_else(|| families().max_by_key(|metric| metric.name.len()))
}

/// All metrics, family by family.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    [ACCELERATOR, CONTAINER, DCGM, LLM, MODEL_PULL, MODELWATCH, NODE, NPU, PROBE, SCRAPE]
        .into_iter()
        .flatten()
        .copied()
}

/// Declares constants and their table in one go; without it every metric would be written twice.
macro_rules! metrics {
    ($table:ident: $($ident:ident = $kind:ident $name:literal $unit:literal [$($label:literal)*] $en:literal $zh:literal;)*) => {
        $(
            #[doc = $en]
            pub const $ident: $crate::catalogue::Metric = $crate::catalogue::Metric {
                name: $name,
                kind: $crate::catalogue::Kind::$kind,
                unit: $unit,
                labels: &[$($label),*],
                help_en: $en,
                help_zh: $zh,
            };
        )*
        pub(super) static $table: &[&$crate::catalogue::Metric] = &[$(&$ident),*];
    };
}
use metrics;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_sorted_in_their_family_and_follow_the_conventions() {
        for table in
            [ACCELERATOR, CONTAINER, DCGM, LLM, MODEL_PULL, MODELWATCH, NODE, NPU, PROBE, SCRAPE]
        {
            for pair in table.windows(2) {
                assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
            }
        }
        for metric in all() {
            assert!(!metric.help_en.is_empty() && !metric.help_zh.is_empty(), "{}", metric.name);
            assert!(!metric.help_en.ends_with('.'), "{}", metric.name);
            if !metric.name.starts_with("node_") && !metric.name.starts_with("DCGM_") {
                assert_eq!(
                    metric.kind == Kind::Counter,
                    metric.name.ends_with("_total"),
                    "{}",
                    metric.name
                );
            }
        }
    }

    /// The names that the public dashboard Node Exporter Full (1860, version 102) reads.
    const DASHBOARD: &str = include_str!("dashboard_1860.txt");

    #[test]
    fn the_public_dashboard_finds_its_names() {
        assert_eq!(DASHBOARD.lines().count(), 229);
        let missing: Vec<_> = DASHBOARD.lines().filter(|name| find(name).is_none()).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }

    #[test]
    fn families() {
        assert_eq!(find("node_memory_MemFree_bytes").unwrap().name, "node_memory_*_bytes");
        assert_eq!(find("node_load1").unwrap().name, "node_load1");
        assert!(find("node_memory__bytes_").is_none());
        assert_eq!(find("node_memory_numa_numa_hit_total").unwrap().kind, Kind::Counter);
        assert_eq!(NODE_MEMORY_BYTES.member("MemFree"), "node_memory_MemFree_bytes");
    }
}
