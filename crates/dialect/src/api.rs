//! Which API a request asks, told by method and path alone.
//!
//! Paths match exactly (but for a query and one trailing slash): a path that an engine might normalise to
//! one of these is unknown here, and unknown paths are the caller's policy.

use serde_json::json;

/// One call of one model server's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Api {
    OpenAiChat,
    OpenAiCompletions,
    OpenAiResponses,
    OpenAiEmbeddings,
    OpenAiModels,
    /// `/v1/rerank`, `/v2/rerank` and llama.cpp's `/reranking`: Jina's and Cohere's shape.
    Rerank,
    /// Transcription and translation of speech: a multipart form, or JSON.
    Transcription,
    OllamaChat,
    OllamaGenerate,
    OllamaEmbed,
    OllamaTags,
    AnthropicMessages,
    AnthropicCountTokens,
    /// `/v1/responses/input_tokens` and llama.cpp's likewise for chat.
    OpenAiCountTokens,
    /// llama.cpp's own `/completion`, `/completions` and `/infill`.
    LlamaCppCompletion,
    /// `/generate` of TGI, MindIE and SGLang. TGI never streams here, the others when asked.
    Generate,
    /// `/generate_stream` of TGI and MindIE, which always streams.
    GenerateStream,
}

/// How a server words what it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    OpenAi,
    Anthropic,
    Ollama,
    Tgi,
}

impl Api {
    /// The API that `method` and `path` ask. `None`: another path, of which nothing is known.
    #[must_use]
    pub fn of(method: &str, path: &str) -> Option<Self> {
        let path = plain(path);
        match method {
            "POST" => Self::of_post(path),
            "GET" | "HEAD" => match path {
                "/v1/models" | "/models" => Some(Self::OpenAiModels),
                "/api/tags" => Some(Self::OllamaTags),
                _ => None,
            },
            _ => None,
        }
    }

    fn of_post(path: &str) -> Option<Self> {
        Some(match path {
            "/v1/chat/completions" | "/chat/completions" => Self::OpenAiChat,
            "/v1/completions" => Self::OpenAiCompletions,
            "/v1/responses" | "/responses" => Self::OpenAiResponses,
            "/v1/embeddings" | "/embeddings" | "/embedding" => Self::OpenAiEmbeddings,
            "/v1/rerank" | "/v2/rerank" | "/rerank" | "/v1/reranking" | "/reranking" => {
                Self::Rerank
            }
            "/v1/audio/transcriptions" | "/audio/transcriptions" | "/v1/audio/translations" => {
                Self::Transcription
            }
            "/v1/responses/input_tokens"
            | "/responses/input_tokens"
            | "/v1/chat/completions/input_tokens"
            | "/chat/completions/input_tokens" => Self::OpenAiCountTokens,
            "/api/chat" => Self::OllamaChat,
            "/api/generate" => Self::OllamaGenerate,
            "/api/embed" | "/api/embeddings" => Self::OllamaEmbed,
            "/v1/messages" => Self::AnthropicMessages,
            "/v1/messages/count_tokens" => Self::AnthropicCountTokens,
            "/completion" | "/completions" | "/infill" => Self::LlamaCppCompletion,
            "/generate" => Self::Generate,
            "/generate_stream" => Self::GenerateStream,
            _ => return None,
        })
    }

    /// Whether the answer is made token by token, so that TTFT and TPOT mean something.
    #[must_use]
    pub fn is_generation(self) -> bool {
        match self {
            Self::OpenAiChat
            | Self::OpenAiCompletions
            | Self::OpenAiResponses
            | Self::Transcription
            | Self::OllamaChat
            | Self::OllamaGenerate
            | Self::AnthropicMessages
            | Self::LlamaCppCompletion
            | Self::Generate
            | Self::GenerateStream => true,
            Self::OpenAiEmbeddings
            | Self::OpenAiModels
            | Self::Rerank
            | Self::OllamaEmbed
            | Self::OllamaTags
            | Self::AnthropicCountTokens
            | Self::OpenAiCountTokens => false,
        }
    }

    /// `gen_ai.operation.name` of the OpenTelemetry GenAI conventions; where those have no value, a
    /// custom one, which they allow.
    #[must_use]
    pub fn operation(self) -> &'static str {
        match self {
            Self::OpenAiChat
            | Self::OpenAiResponses
            | Self::OllamaChat
            | Self::AnthropicMessages => "chat",
            Self::OpenAiCompletions
            | Self::OllamaGenerate
            | Self::LlamaCppCompletion
            | Self::Generate
            | Self::GenerateStream => "text_completion",
            Self::OpenAiEmbeddings | Self::OllamaEmbed => "embeddings",
            Self::Rerank => "rerank",
            Self::Transcription => "transcription",
            Self::AnthropicCountTokens | Self::OpenAiCountTokens => "count_tokens",
            Self::OpenAiModels | Self::OllamaTags => "list_models",
        }
    }

    /// A short stable name for labels and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai_chat",
            Self::OpenAiCompletions => "openai_completions",
            Self::OpenAiResponses => "openai_responses",
            Self::OpenAiEmbeddings => "openai_embeddings",
            Self::OpenAiModels => "openai_models",
            Self::Rerank => "rerank",
            Self::Transcription => "transcription",
            Self::OllamaChat => "ollama_chat",
            Self::OllamaGenerate => "ollama_generate",
            Self::OllamaEmbed => "ollama_embed",
            Self::OllamaTags => "ollama_tags",
            Self::AnthropicMessages => "anthropic_messages",
            Self::AnthropicCountTokens => "anthropic_count_tokens",
            Self::OpenAiCountTokens => "openai_count_tokens",
            Self::LlamaCppCompletion => "llamacpp_completion",
            Self::Generate => "generate",
            Self::GenerateStream => "generate_stream",
        }
    }

    /// Whether its answers stream when the request does not say.
    #[must_use]
    pub fn streams_by_default(self) -> bool {
        matches!(self, Self::OllamaChat | Self::OllamaGenerate | Self::GenerateStream)
    }

    #[must_use]
    pub fn dialect(self) -> Dialect {
        match self {
            Self::OllamaChat | Self::OllamaGenerate | Self::OllamaEmbed | Self::OllamaTags => {
                Dialect::Ollama
            }
            Self::AnthropicMessages | Self::AnthropicCountTokens => Dialect::Anthropic,
            Self::Generate | Self::GenerateStream => Dialect::Tgi,
            Self::OpenAiChat
            | Self::OpenAiCompletions
            | Self::OpenAiResponses
            | Self::OpenAiEmbeddings
            | Self::OpenAiModels
            | Self::Rerank
            | Self::Transcription
            | Self::OpenAiCountTokens
            | Self::LlamaCppCompletion => Dialect::OpenAi,
        }
    }

    /// See [`Dialect::refusal`].
    #[must_use]
    pub fn refusal(self, status: u16, kind: &str, message: &str) -> (&'static str, Vec<u8>) {
        self.dialect().refusal(status, kind, message)
    }
}

impl Dialect {
    /// How to word a refusal of a path that [`Api::of`] may not know.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        let path = plain(path);
        if path == "/v1/messages" || path.starts_with("/v1/messages/") {
            Self::Anthropic
        } else if path.starts_with("/api/") {
            Self::Ollama
        } else if matches!(path, "/generate" | "/generate_stream") {
            Self::Tgi
        } else {
            Self::OpenAi
        }
    }

    /// Content type and body of an error answer. `kind` is the caller's own stable word for the reason
    /// (`model_not_allowed`), which goes where the dialect has a place for it; the dialect's type of error
    /// follows from the status.
    #[must_use]
    pub fn refusal(self, status: u16, kind: &str, message: &str) -> (&'static str, Vec<u8>) {
        let body = match self {
            Self::OpenAi => json!({"error": {
                "message": message, "type": error_type(status), "param": null, "code": kind,
            }}),
            Self::Anthropic => json!({"type": "error", "error": {
                "type": error_type(status), "message": message,
            }}),
            Self::Ollama => json!({"error": message}),
            Self::Tgi => json!({"error": message, "error_type": kind}),
        };
        ("application/json", body.to_string().into_bytes())
    }
}

/// Anthropic's documented types, which OpenAI's clients do not look at: those go by the status.
fn error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

fn plain(path: &str) -> &str {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.strip_suffix('/').unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apis_are_told_by_method_and_path() {
        let check = |method: &str, path: &str, expected: Option<Api>| {
            assert_eq!(Api::of(method, path), expected, "{method} {path}");
        };
        check("POST", "/v1/chat/completions", Some(Api::OpenAiChat));
        check("POST", "/v1/chat/completions/?x=1", Some(Api::OpenAiChat));
        check("POST", "/api/embeddings", Some(Api::OllamaEmbed));
        check("POST", "/v1/messages/count_tokens", Some(Api::AnthropicCountTokens));
        check("POST", "/completion", Some(Api::LlamaCppCompletion));
        check("POST", "/completions", Some(Api::LlamaCppCompletion));
        check("POST", "/v1/responses/input_tokens", Some(Api::OpenAiCountTokens));
        check("POST", "/generate_stream", Some(Api::GenerateStream));
        check("GET", "/v1/models", Some(Api::OpenAiModels));
        check("HEAD", "/api/tags", Some(Api::OllamaTags));
        check("GET", "/v1/chat/completions", None);
        check("POST", "/v1/models", None);
        check("post", "/v1/chat/completions", None);
        check("POST", "//v1/chat/completions", None);
        check("POST", "/v1/chat/completions//", None);
        check("POST", "/v1/chat/../chat/completions", None);
        check("POST", "", None);
    }

    #[test]
    fn refusals_have_the_shape_of_their_dialect() {
        let check = |api: Api, expected: &str| {
            let (content_type, body) = api.refusal(429, "requests_per_minute", "Wait \"3\" s.");
            assert_eq!(content_type, "application/json");
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body, serde_json::from_str::<serde_json::Value>(expected).unwrap());
        };
        check(
            Api::OpenAiChat,
            r#"{"error":{"message":"Wait \"3\" s.","type":"rate_limit_error","param":null,
                "code":"requests_per_minute"}}"#,
        );
        check(
            Api::AnthropicMessages,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"Wait \"3\" s."}}"#,
        );
        check(Api::OllamaTags, r#"{"error":"Wait \"3\" s."}"#);
        check(
            Api::GenerateStream,
            r#"{"error":"Wait \"3\" s.","error_type":"requests_per_minute"}"#,
        );
        assert_eq!(Dialect::of_path("/api/pull"), Dialect::Ollama);
        assert_eq!(Dialect::of_path("/v1/messages/batches"), Dialect::Anthropic);
        assert_eq!(Dialect::of_path("/metrics"), Dialect::OpenAi);
    }

    #[test]
    fn every_status_of_a_refusal_has_a_type() {
        let types = [400, 401, 403, 404, 413, 429, 502, 503, 504].map(error_type);
        assert_eq!(
            types,
            [
                "invalid_request_error",
                "authentication_error",
                "permission_error",
                "not_found_error",
                "request_too_large",
                "rate_limit_error",
                "api_error",
                "overloaded_error",
                "timeout_error"
            ]
        );
    }
}
