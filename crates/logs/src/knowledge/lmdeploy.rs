//! LMDeploy.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "lmdeploy.turbomind_memory",
        pattern: "[TM][ERROR] CUDA runtime error: out of memory",
        severity: Severity::Error,
        cause: Text {
            en: "The TurboMind engine found no GPU memory left, at the start or while answering.",
            zh: "TurboMind 引擎在启动或推理时显存不足。",
        },
        advice: Text {
            en: "Start with a smaller --cache-max-entry-count (0.8 by default, the share of free memory for the KV cache), --quant-policy 8, a smaller --session-len, or a larger --tp.",
            zh: "减小 --cache-max-entry-count（KV cache 占空闲显存的比例，默认 0.8），使用 --quant-policy 8，减小 --session-len，或增大 --tp。",
        },
        link: Some("https://lmdeploy.readthedocs.io/en/latest/faq.html"),
        line: "RuntimeError: [TM][ERROR] CUDA runtime error: out of memory /lmdeploy/src/turbomind/utils/memory_utils.cu:32",
    },
    Known {
        id: "lmdeploy.pytorch_memory",
        pattern: "No enough gpu memory for runtime",
        severity: Severity::Error,
        cause: Text {
            en: "After loading the model the GPU has no memory left to compute with, so LMDeploy's PyTorch engine does not start.",
            zh: "加载模型后没有足够显存用于计算，LMDeploy 的 PyTorch 引擎无法启动。",
        },
        advice: Text {
            en: "Take a smaller --max-prefill-token-num or --session-len, a quantized model, or a larger --tp; `nvidia-smi` shows what else uses the memory.",
            zh: "减小 --max-prefill-token-num 或 --session-len，使用量化模型，或增大 --tp；用 `nvidia-smi` 查看其他占用。",
        },
        link: Some("https://lmdeploy.readthedocs.io/en/latest/faq.html"),
        line: "RuntimeError: No enough gpu memory for runtime.",
    },
    Known {
        id: "lmdeploy.prefill_reduced",
        pattern: "No enough memory. Update max_prefill_token_num={tokens}",
        severity: Severity::Warn,
        cause: Text {
            en: "GPU memory is short, so LMDeploy reads only {tokens} tokens of prompts at once; long prompts take longer.",
            zh: "显存紧张，LMDeploy 将一次处理的提示词 token 数降为 {tokens}，长提示词会变慢。",
        },
        advice: Text {
            en: "Free GPU memory or lower --session-len; or set --max-prefill-token-num {tokens} yourself to silence the line.",
            zh: "释放显存或减小 --session-len；也可自行设置 --max-prefill-token-num {tokens} 消除该提示。",
        },
        link: Some("https://lmdeploy.readthedocs.io/en/latest/faq.html"),
        line: "2025-03-12 10:21:33,512 - lmdeploy - WARNING - executor.py:141 - No enough memory. Update max_prefill_token_num=2048",
    },
];
