//! End-to-end tests of the real process; see `tests`.
