//! Ollama.

use super::Known;

pub(super) static LINES: &[Known] = &[];
