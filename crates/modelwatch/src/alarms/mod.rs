//! Alarms: what rules find, who is told of it, and by which way.

pub(crate) mod incidents;
