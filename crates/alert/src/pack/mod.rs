//! The built-in rules, as ordinary Prometheus rule files with texts in English and Chinese.
//!
//! A figure that is absent is judged by none of them: no rule takes silence for a fault, but those that say that
//! something was there and is gone. Their bias is to stay quiet: a rule that wakes somebody for a model that is
//! loaded, a restart that was meant, or a machine without an accelerator is worse than none.

mod inhibit;
mod reference;
#[cfg(test)]
mod tests;

pub use inhibit::inhibitions;
pub use reference::page;

/// Name and content of each file.
pub const FILES: &[(&str, &str)] = &[
    ("host", include_str!("host.yml")),
    ("accelerator", include_str!("accelerator.yml")),
    ("engine", include_str!("engine.yml")),
    ("gateway", include_str!("gateway.yml")),
    ("network", include_str!("network.yml")),
    ("store", include_str!("store.yml")),
    ("self", include_str!("self.yml")),
    ("detect", include_str!("detect.yml")),
];
