//! From stored data to judgement: rules, incidents, baselines.
#![forbid(unsafe_code)]

pub mod promtest;
pub mod rules;
mod yaml;
