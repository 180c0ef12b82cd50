//! PyTorch, CUDA and NCCL, which all engines built on them share.

use super::Known;

pub(super) static LINES: &[Known] = &[];
