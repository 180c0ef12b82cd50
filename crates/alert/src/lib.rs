//! From stored data to judgement: rules, incidents, baselines.
#![forbid(unsafe_code)]

pub mod baseline;
pub mod incident;
pub mod matchers;
pub mod pack;
pub mod promtest;
pub mod replay;
pub mod rules;
mod yaml;
