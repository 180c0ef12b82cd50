//! Go's `text/template` over plain values, for the texts that people bring with their alert rules.
#![forbid(unsafe_code)]
