//! Every text that the server, the command line and the page share, in both languages.
//!
//! Stored and sent data carries a code and parameters; the reader's language is applied last.
//! Texts that only the page uses live in the page's own catalogues.

/// A language that texts exist in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    Chinese,
}

impl Language {
    /// From a locale or language tag: anything that starts with `zh` is Chinese, the rest English.
    pub fn from_tag(tag: &str) -> Self {
        if tag.trim_start().to_ascii_lowercase().starts_with("zh") {
            Self::Chinese
        } else {
            Self::English
        }
    }
}

/// One text. `{name}` stands for a parameter.
#[derive(Debug)]
pub struct Message {
    pub code: &'static str,
    pub en: &'static str,
    pub zh: &'static str,
}

/// The text of `code` with its parameters filled in. An unknown code is shown as it is: a newer
/// peer may know more codes than we do.
pub fn render(
    code: &str,
    params: &[(impl AsRef<str>, impl AsRef<str>)],
    language: Language,
) -> String {
    let Ok(index) = MESSAGES.binary_search_by(|message| message.code.cmp(code)) else {
        return code.to_owned();
    };
    let message = &MESSAGES[index];
    let template = match language {
        Language::English => message.en,
        Language::Chinese => message.zh,
    };
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        text.push_str(before);
        let value = params.iter().find(|(candidate, _)| candidate.as_ref() == name);
        text.push_str(value.map_or("?", |(_, value)| value.as_ref()));
        rest = after;
    }
    text.push_str(rest);
    text
}

/// All messages, sorted by code.
pub static MESSAGES: &[Message] = &[
    Message {
        code: "event.engine_down",
        en: "{engine} at {url} stopped answering: {reason}",
        zh: "{engine}（{url}）已停止响应：{reason}",
    },
    Message {
        code: "event.engine_found",
        en: "{engine} {version} found at {url}, model {model}",
        zh: "发现 {engine} {version}（{url}），模型 {model}",
    },
    Message {
        code: "event.engine_restarted",
        en: "{engine} at {url} was restarted",
        zh: "{engine}（{url}）已重启",
    },
    Message {
        code: "event.engine_up",
        en: "{engine} at {url} answers again",
        zh: "{engine}（{url}）已恢复响应",
    },
    Message {
        code: "event.storage_failed",
        en: "samples can no longer be written: {reason}. What is stored stays readable; free space in {path} and writing resumes by itself",
        zh: "无法继续写入样本：{reason}。已存储的数据仍可读取；请为 {path} 释放空间，写入会自动恢复",
    },
    Message {
        code: "event.storage_recovered",
        en: "samples are written again to {path}; {lost} were dropped meanwhile",
        zh: "已恢复向 {path} 写入样本；其间丢弃了 {lost} 个样本",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_both_languages_use_the_same_parameters() {
        assert!(MESSAGES.is_sorted_by(|a, b| a.code < b.code));
        for message in MESSAGES {
            let names = |text: &str| {
                let mut names: Vec<String> = text
                    .split('{')
                    .skip(1)
                    .filter_map(|part| part.split_once('}').map(|(name, _)| name.to_owned()))
                    .collect();
                names.sort();
                names
            };
            assert_eq!(names(message.en), names(message.zh), "{}", message.code);
        }
    }

    #[test]
    fn rendering() {
        let params = [("engine", "vllm"), ("url", "http://x")];
        assert_eq!(
            render("event.engine_up", &params, Language::English),
            "vllm at http://x answers again"
        );
        assert_eq!(
            render("event.engine_up", &params, Language::Chinese),
            "vllm（http://x）已恢复响应"
        );
        assert_eq!(
            render("event.engine_up", &params[..1], Language::English),
            "vllm at ? answers again"
        );
        assert_eq!(render("no.such", &params, Language::English), "no.such");
    }

    #[test]
    fn languages() {
        assert_eq!(Language::from_tag("zh_CN.UTF-8"), Language::Chinese);
        assert_eq!(Language::from_tag("C.UTF-8"), Language::English);
    }
}
