//! The built-in rules.

/// Names and contents of their files.
pub const FILES: &[(&str, &str)] = &[];
