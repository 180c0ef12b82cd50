//! llama.cpp's server.

use super::Known;

pub(super) static LINES: &[Known] = &[];
