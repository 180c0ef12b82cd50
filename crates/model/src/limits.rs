//! Limits on what comes from outside, where more than one crate must agree on them.

/// Largest compiled size of a regular expression from outside.
pub const REGEX_BYTES_MAX: usize = 1 << 20;

/// Longest label name or value that is accepted from a scrape, in bytes.
pub const LABEL_BYTES_MAX: usize = 4096;

/// Most labels of one series, the metric's name included.
pub const LABELS_MAX: usize = 64;
