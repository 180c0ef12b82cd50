//! From stored data to judgement: rules, incidents, baselines.
#![forbid(unsafe_code)]

pub mod baseline;
pub mod rules;
