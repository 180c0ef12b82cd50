//! Inhibitions that nobody has to write: what is down explains what is slow, and the worse of two thresholds the
//! other.
//!
//! They hold back only where both alerts have all labels that must be equal: labels that both lack would be equal
//! too, and one machine's fault would hide another's.

use model::{
    alert::ALERT_NAME,
    series::{MatchOp, Matcher},
};

use crate::incident::inhibit::Inhibition;

/// The names of alerts that hold back, those that are held back, and the labels that must be equal.
const INHIBITIONS: &[(&str, &str, &str)] = &[
    (
        "EngineDown",
        "Engine(Stalled|RequestsStarved|Kv.*|Queue.*|FirstTokenVerySlow|DecodeVerySlow|Errors|ServerErrors)|ProbeOfModelFailed|TargetDown",
        "instance",
    ),
    ("EngineCrashLoop", "EngineDown|ProbeOfModelFailed|TargetDown", "instance"),
    ("EngineKvFull", "EngineKvPressure", "instance model"),
    (
        "Accelerator(Lost|Failed)",
        "Accelerator(Stuck|ReadingsOld|ClockLow|Degraded|NeedsRecovery|LinkDown)",
        "host uuid",
    ),
    ("AgentLost", "Host.*", "instance"),
    ("HostDiskFull", "HostDiskLow|HostDiskFull.+", "instance mountpoint"),
    ("HostDiskFullVerySoon", "HostDiskFull(Soon|WithinDays)", "instance mountpoint"),
    ("HostDiskFullSoon", "HostDiskFullWithinDays", "instance mountpoint"),
    ("HostMemoryLow", "HostMemory(FloorRising|UsedUpWithinDays)", "instance"),
    ("HostMemoryUsedUpWithinDays", "HostMemoryFloorRising", "instance"),
    ("EngineFilesNearLimit", "EngineFileLeak", "instance"),
    // The same leak, by thresholds and as a trend.
    ("EngineMemoryFloorRising", "EngineMemoryLeak", "instance"),
    ("AcceleratorMemoryFloorRising", "AcceleratorMemoryLeak", "instance uuid"),
    ("CertificateExpired", "CertificateExpires.*Soon", "instance"),
    ("CertificateExpiresVerySoon", "CertificateExpiresSoon", "instance"),
    ("ObjectiveTtftBurnsFast", "ObjectiveTtftBurnsSlow", "model"),
    ("ObjectiveTpotBurnsFast", "ObjectiveTpotBurnsSlow", "model"),
    ("ObjectiveSuccessBurnsFast", "ObjectiveSuccessBurnsSlow", "model"),
];

/// The inhibitions between the built-in rules, in the order of the table above.
pub fn inhibitions() -> Vec<Inhibition> {
    let list =
        |pattern: &str| Matcher::new(ALERT_NAME, MatchOp::Regex, pattern).into_iter().collect();
    let inhibition = |(source, target, equal): &(&str, &str, &str)| Inhibition {
        source: list(source),
        target: list(target),
        equal: equal.split(' ').map(str::to_owned).collect(),
        is_builtin: true,
    };
    INHIBITIONS.iter().map(inhibition).collect()
}
