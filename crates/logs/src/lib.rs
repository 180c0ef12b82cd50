//! What log lines mean: which of them matter, what they say in plain words, and what to do.
//!
//! Pure: no I/O, no clock. Reading files, receiving and keeping lines are others' work.

pub mod knowledge;
