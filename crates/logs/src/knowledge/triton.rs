//! Triton Inference Server with its TensorRT-LLM backend.

use model::log::Severity;

use super::{Known, Text};

pub(super) static LINES: &[Known] = &[
    Known {
        id: "triton.load_all",
        pattern: "creating server: Internal - failed to load all models",
        severity: Severity::Fatal,
        cause: Text {
            en: "Triton ended because at least one model of the repository could not be loaded.",
            zh: "模型仓库中至少有一个模型加载失败，Triton 已退出。",
        },
        advice: Text {
            en: "The table before it names the model and the reason. To start with the others, --exit-on-error=false.",
            zh: "前面的表格列出了失败的模型和原因。若要先启动其他模型，使用 --exit-on-error=false。",
        },
        link: Some(
            "https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_management.html",
        ),
        line: "error: creating server: Internal - failed to load all models",
    },
    Known {
        id: "triton.load_one",
        pattern: "failed to load '{model}' version {version}: ",
        severity: Severity::Error,
        cause: Text {
            en: "Model '{model}' version {version} could not be loaded.",
            zh: "模型 '{model}' 版本 {version} 加载失败。",
        },
        advice: Text {
            en: "The end of the line says why: check config.pbtxt and the files under {model}/{version}, the backend of the image, and GPU memory (`nvidia-smi`).",
            zh: "原因在该行末尾：检查 config.pbtxt、{model}/{version} 下的文件、镜像包含的后端以及显存（`nvidia-smi`）。",
        },
        link: Some(
            "https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_management.html",
        ),
        line: "E1220 01:42:30.123456 100348 model_lifecycle.cc:621] failed to load 'tensorrt_llm' version 1: Internal: unexpected error when creating modelInstanceState",
    },
    Known {
        id: "triton.engine_version",
        pattern: "The engine plan file is not compatible with this version of TensorRT",
        severity: Severity::Error,
        cause: Text {
            en: "The TensorRT engine was built with another version of TensorRT than the one that runs, so it cannot be loaded.",
            zh: "TensorRT engine 的构建版本与当前运行的 TensorRT 版本不一致，无法加载。",
        },
        advice: Text {
            en: "Build the engine anew in the same image that serves it (`trtllm-build`), or run the image whose version it was built with.",
            zh: "在提供服务的同一镜像中重新构建 engine（`trtllm-build`），或使用构建时对应版本的镜像。",
        },
        link: None,
        line: "[TensorRT-LLM][ERROR] 6: The engine plan file is not compatible with this version of TensorRT, expecting library version 9.2.0.5 got 9.3.0.1, please rebuild.",
    },
    Known {
        id: "triton.engine_read",
        pattern: "Failed to deserialize cuda engine",
        severity: Severity::Error,
        cause: Text {
            en: "A TensorRT-LLM engine could not be read: it was built for another GPU or version, or its file is incomplete.",
            zh: "无法读取 TensorRT-LLM engine：它是为其他 GPU 或版本构建的，或文件不完整。",
        },
        advice: Text {
            en: "Build it anew on a GPU of the same kind with the same version of TensorRT-LLM (`trtllm-build`); check engine_dir in config.pbtxt.",
            zh: "在同型号 GPU 上用相同版本的 TensorRT-LLM 重新构建（`trtllm-build`）；检查 config.pbtxt 中的 engine_dir。",
        },
        link: None,
        line: "[TensorRT-LLM][ERROR] Assertion failed: Failed to deserialize cuda engine (/app/tensorrt_llm/cpp/tensorrt_llm/runtime/tllmRuntime.cpp:73)",
    },
    Known {
        id: "triton.prompt_too_long",
        pattern: "Prompt length ({length}) exceeds maximum input length ({limit})",
        severity: Severity::Warn,
        cause: Text {
            en: "A prompt of {length} tokens is longer than the engine was built for ({limit}) and was refused.",
            zh: "{length} token 的提示词超过 engine 构建时的上限（{limit}），已被拒绝。",
        },
        advice: Text {
            en: "Shorten the prompt, or build the engine with larger --max_input_len and --max_seq_len; chunked context lifts the limit of --max_num_tokens.",
            zh: "缩短提示词，或用更大的 --max_input_len、--max_seq_len 重新构建 engine；启用 chunked context 可突破 --max_num_tokens 的限制。",
        },
        link: None,
        line: "[TensorRT-LLM][ERROR] Encountered an error when fetching new request: Prompt length (8192) exceeds maximum input length (4096). Set log level to info and check TRTGptModel logs for how maximum input length is set",
    },
    Known {
        id: "triton.queue_full",
        pattern: "Exceeds maximum queue size",
        severity: Severity::Warn,
        cause: Text {
            en: "More requests wait for a model than its queue may hold; new ones are refused.",
            zh: "等待某个模型的请求超过队列上限，新请求被拒绝。",
        },
        advice: Text {
            en: "Raise max_queue_size in the model's config.pbtxt (dynamic_batching, default_queue_policy), add instances (instance_group), or send less.",
            zh: "在模型的 config.pbtxt 中增大 max_queue_size（dynamic_batching 的 default_queue_policy），增加实例（instance_group），或降低请求量。",
        },
        link: None,
        line: "[request id: <id_unknown>] Exceeds maximum queue size",
    },
];
