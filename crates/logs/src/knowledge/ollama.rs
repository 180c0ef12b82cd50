//! Ollama.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "ollama.busy",
        pattern: "server busy, please try again.",
        severity: Severity::Warn,
        cause: Text {
            en: "More requests wait than Ollama lets wait; further ones get status 503.",
            zh: "排队请求超过 Ollama 的上限，新请求返回 503。",
        },
        advice: Text {
            en: "Raise OLLAMA_MAX_QUEUE (512), or OLLAMA_NUM_PARALLEL where memory allows, or spread the load.",
            zh: "调大 OLLAMA_MAX_QUEUE（默认 512），显存允许时调大 OLLAMA_NUM_PARALLEL，或分散负载。",
        },
        link: None,
        line: "level=ERROR source=routes.go:1 msg=\"server busy, please try again.  maximum pending requests exceeded\"",
    },
    Known {
        id: "ollama.prompt_cut",
        pattern: "truncating input prompt\" limit={limit} prompt={prompt}",
        severity: Severity::Warn,
        cause: Text {
            en: "A prompt of {prompt} tokens was cut to {limit} without telling the client: the answer does not know the rest.",
            zh: "{prompt} 个 token 的提示词被静默截断为 {limit} 个，回答并不知道其余内容。",
        },
        advice: Text {
            en: "Raise the context: num_ctx in the request or the Modelfile, or OLLAMA_CONTEXT_LENGTH, as far as memory allows.",
            zh: "增大上下文：请求或 Modelfile 中的 num_ctx，或 OLLAMA_CONTEXT_LENGTH，以显存为限。",
        },
        link: None,
        line: "level=WARN source=runner.go:1 msg=\"truncating input prompt\" limit=4096 prompt=9001 keep=5 new=4096",
    },
    Known {
        id: "ollama.context_too_large",
        pattern: "requested context size too large for model",
        severity: Severity::Warn,
        cause: Text {
            en: "A client asked for a larger context than the model was trained with; the model's own is taken.",
            zh: "请求的上下文超过模型训练长度，已改用模型自身的上限。",
        },
        advice: Text {
            en: "Ask for a smaller num_ctx, or take a model with a longer context.",
            zh: "减小 num_ctx，或选用支持更长上下文的模型。",
        },
        link: None,
        line: "level=WARN source=server.go:1 msg=\"requested context size too large for model\" num_ctx=131072 n_ctx_train=8192",
    },
    Known {
        id: "ollama.child_died",
        pattern: "llama-server process has terminated",
        severity: Severity::Error,
        cause: Text {
            en: "The process that runs the model ended; requests to it failed, and Ollama starts it again.",
            zh: "运行模型的子进程退出，相关请求失败，Ollama 会重新启动它。",
        },
        advice: Text {
            en: "Read the lines before this one: out of memory and driver failures are the usual causes.",
            zh: "查看此前的日志：常见原因是显存不足或驱动故障。",
        },
        link: None,
        line: "level=ERROR source=sched.go:1 msg=\"llama-server process has terminated\" status=2",
    },
    Known {
        id: "ollama.runner_died",
        pattern: "model runner has unexpectedly stopped",
        severity: Severity::Error,
        cause: Text {
            en: "The process that runs the model ended while it answered, mostly for want of memory.",
            zh: "运行模型的进程在应答时退出，多因内存或显存不足。",
        },
        advice: Text {
            en: "Take a smaller context (num_ctx) or model, fewer models at once (OLLAMA_MAX_LOADED_MODELS), fewer requests at once (OLLAMA_NUM_PARALLEL).",
            zh: "减小 num_ctx 或换更小的模型，减少同时加载的模型（OLLAMA_MAX_LOADED_MODELS）与并发（OLLAMA_NUM_PARALLEL）。",
        },
        link: None,
        line: "level=ERROR source=routes.go:1 msg=\"model runner has unexpectedly stopped, this may be due to resource limitations or an internal error\"",
    },
    Known {
        id: "ollama.partly_on_cpu",
        pattern: "unable to load full model on GPU",
        severity: Severity::Warn,
        cause: Text {
            en: "The model does not fit onto the GPU as a whole: a part of it runs on the processor, and each token takes many times longer.",
            zh: "模型无法全部载入显存，部分层在 CPU 上运行，生成会慢很多。",
        },
        advice: Text {
            en: "Take a smaller quantisation or context (num_ctx), unload other models (ollama stop), use OLLAMA_KV_CACHE_TYPE=q8_0 with OLLAMA_FLASH_ATTENTION=1.",
            zh: "使用更小的量化或 num_ctx，卸载其他模型（ollama stop），或设置 OLLAMA_KV_CACHE_TYPE=q8_0 与 OLLAMA_FLASH_ATTENTION=1。",
        },
        link: None,
        line: "level=WARN source=server.go:1 msg=\"unable to load full model on GPU\"",
    },
    Known {
        id: "ollama.load_failed",
        pattern: "llama-server load failed; evicting all other models",
        severity: Severity::Warn,
        cause: Text {
            en: "A model did not fit beside the others, so all others were unloaded; their next requests wait until they are loaded again.",
            zh: "模型放不下，已卸载其他所有模型，它们的下一次请求要等待重新加载。",
        },
        advice: Text {
            en: "Let fewer models be loaded at once (OLLAMA_MAX_LOADED_MODELS), or give each its own GPU or host.",
            zh: "减少同时加载的模型数（OLLAMA_MAX_LOADED_MODELS），或为各模型分配独立的 GPU 或主机。",
        },
        link: None,
        line: "level=WARN source=sched.go:1 msg=\"llama-server load failed; evicting all other models and retrying once\"",
    },
    Known {
        id: "ollama.context_reduced",
        pattern: "reducing automatic context and retrying once",
        severity: Severity::Warn,
        cause: Text {
            en: "The model did not load with its automatic context; it is tried with a smaller one, so that long prompts are cut earlier.",
            zh: "按自动上下文加载失败，已用更小的上下文重试，长提示词会更早被截断。",
        },
        advice: Text {
            en: "Set num_ctx yourself to what memory allows.",
            zh: "根据显存自行设置 num_ctx。",
        },
        link: None,
        line: "level=WARN source=sched.go:1 msg=\"llama-server load failed; reducing automatic context and retrying once\"",
    },
    Known {
        id: "ollama.memory_out",
        pattern: "runtime OOM detected; expiring loaded models",
        severity: Severity::Error,
        cause: Text {
            en: "Memory ran out while models were loaded; Ollama unloads them.",
            zh: "运行中显存或内存耗尽，Ollama 正在卸载模型。",
        },
        advice: Text {
            en: "Take smaller models or contexts, fewer at once; see what else uses the memory (nvidia-smi).",
            zh: "使用更小的模型或上下文，减少同时加载数；用 nvidia-smi 查看其他占用。",
        },
        link: None,
        line: "level=ERROR source=sched.go:1 msg=\"runtime OOM detected; expiring loaded models\"",
    },
    Known {
        id: "ollama.host_memory",
        pattern: "model is too large for system memory",
        severity: Severity::Error,
        cause: Text {
            en: "The model does not fit into this machine's memory.",
            zh: "模型超出本机内存。",
        },
        advice: Text {
            en: "Take a smaller model or quantisation, a smaller num_ctx, or add memory or swap.",
            zh: "使用更小的模型或量化、更小的 num_ctx，或增加内存、交换空间。",
        },
        link: None,
        line: "level=WARN source=server.go:1 msg=\"model is too large for system memory\" requested=\"48.1 GiB\" available=\"30.2 GiB\"",
    },
    Known {
        id: "ollama.driver_old",
        pattern: "NVIDIA driver too old",
        severity: Severity::Error,
        cause: Text {
            en: "The NVIDIA driver is older than this Ollama needs: the GPU is not used, and everything runs on the processor.",
            zh: "NVIDIA 驱动过旧，GPU 不会被使用，全部在 CPU 上运行。",
        },
        advice: Text {
            en: "Update the driver and restart Ollama.", zh: "升级驱动并重启 Ollama。"
        },
        link: None,
        line: "level=WARN source=gpu.go:1 msg=\"NVIDIA driver too old\"",
    },
    Known {
        id: "ollama.rocm_missing",
        pattern: "no rocblas support",
        severity: Severity::Error,
        cause: Text {
            en: "ROCm's library has nothing for this AMD GPU, so it is left out, and the processor does its work.",
            zh: "ROCm 库不支持该 AMD GPU，已被弃用，改由 CPU 运行。",
        },
        advice: Text {
            en: "Try HSA_OVERRIDE_GFX_VERSION for a card of the same family, or update ROCm and Ollama.",
            zh: "同系列的卡可尝试 HSA_OVERRIDE_GFX_VERSION，或升级 ROCm 与 Ollama。",
        },
        link: None,
        line: "level=WARN source=amd_linux.go:1 msg=\"dropping ROCm device — no rocblas support\"",
    },
    Known {
        id: "ollama.embed_too_long",
        pattern: "the input length exceeds the context length",
        severity: Severity::Warn,
        cause: Text {
            en: "A text to embed is longer than the model's context; the request was refused.",
            zh: "待嵌入文本超过模型上下文长度，请求被拒绝。",
        },
        advice: Text {
            en: "Split the text, raise num_ctx, or send truncate: true where a cut is good enough.",
            zh: "拆分文本、增大 num_ctx，或在可接受截断时传 truncate: true。",
        },
        link: None,
        line: "level=ERROR source=routes.go:1 msg=\"embedding generation failed\" error=\"the input length exceeds the context length\"",
    },
];
