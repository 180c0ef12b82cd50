//! From stored data to judgement: rules, incidents, baselines.
#![forbid(unsafe_code)]

pub mod incident;
pub mod matchers;
pub mod rules;
