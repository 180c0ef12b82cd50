//! From stored data to judgement: rules, incidents, baselines.
#![forbid(unsafe_code)]

pub mod baseline;
pub mod pack;
pub mod promtest;
pub mod replay;
pub mod rules;
mod yaml;
