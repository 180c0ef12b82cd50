//! What is asked: invented prompts of given lengths, or prompts from a file, with shared beginnings.
//!
//! There is no tokenizer here. An invented prompt counts a token for each of its words, which are short
//! and common, so that vocabularies have them whole; what an engine counts is told by its usage, and
//! reports show that. Prompts from a file keep their length.

use std::{fs, path::Path, sync::LazyLock};

use serde_json::{Value, json};

use crate::{Problem, random::Random};

/// Longest prompt and longest answer that may be asked for, in tokens.
const TOKENS_MAX: u32 = 262_144;
/// Largest file of prompts; a larger one is refused.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Prompts of a file that are used; a file with more is refused.
const FILE_PROMPTS_MAX: usize = 100_000;
/// Messages of one prompt of a file; a line with more is refused.
const MESSAGES_MAX: usize = 10_000;

/// What the random numbers of a request are for.
const PROMPT: u64 = 1;
const OUTPUT: u64 = 2;
const PREFIX: u64 = 3;
const PREFIX_CHOICE: u64 = 4;

/// Short and common, so that vocabularies have them whole.
static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "the of and to in is was he for it with as his on be at by had not are but from or have an they \
     which one you were all her she there would their we him been has when who will no more if out \
     so up said what its about than into them can only other time new some could these two may first \
     then do any like my now over such our man me even most made after also well did many before \
     must years back through much where your way down should because long each just state those \
     people too mr how little good world make very year still see own work men day get here old life \
     both between being under three never know same last another while us off might great go come \
     since against right came take used few house use place during high without again home around \
     small however found part school every does got left number course war until always away \
     something fact water though less public put think almost hand enough took far head yet system \
     better set told nothing night end why called find going look point given city room"
        .split(' ')
        .collect()
});

/// How long prompts or answers are, in tokens: `128`, `64-256` (evenly) or `128~32` (normal: mean and
/// standard deviation).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lengths {
    Fixed(u32),
    Uniform(u32, u32),
    Normal { mean: f64, deviation: f64 },
}

impl Lengths {
    /// `option` is named where `text` is no distribution of lengths.
    pub fn parse(option: &'static str, text: &str) -> Result<Self, Problem> {
        let wrong = || {
            let params: [(_, &dyn ToString); 3] =
                [("option", &option), ("value", &text), ("limit", &TOKENS_MAX)];
            Problem::new("bench.wrong_lengths", params)
        };
        let whole = |text: &str| {
            let number: u32 = text.trim().parse().ok()?;
            (1..=TOKENS_MAX).contains(&number).then_some(number)
        };
        let lengths = if let Some((mean, deviation)) = text.split_once('~') {
            let deviation: u32 = deviation.trim().parse().map_err(|_| wrong())?;
            let is_bounded = deviation <= TOKENS_MAX;
            let mean = whole(mean).filter(|_| is_bounded);
            mean.map(|mean| Self::Normal { mean: mean.into(), deviation: deviation.into() })
        } else if let Some((from, to)) = text.split_once('-') {
            whole(from)
                .zip(whole(to))
                .filter(|(from, to)| from <= to)
                .map(|(a, b)| Self::Uniform(a, b))
        } else {
            whole(text).map(Self::Fixed)
        };
        lengths.ok_or_else(wrong)
    }

    fn draw(self, random: &mut Random) -> u32 {
        match self {
            Self::Fixed(length) => length,
            Self::Uniform(from, to) => {
                let width = u64::from(to.saturating_sub(from)) + 1;
                from + u32::try_from(random.below(width)).unwrap_or(0)
            }
            Self::Normal { mean, deviation } => {
                let length = mean + deviation * random.normal();
                length.round().clamp(1.0, f64::from(TOKENS_MAX)) as u32
            }
        }
    }
}

impl std::fmt::Display for Lengths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(length) => write!(f, "{length}"),
            Self::Uniform(from, to) => write!(f, "{from}-{to}"),
            Self::Normal { mean, deviation } => write!(f, "{mean}~{deviation}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Content {
    Text(String),
    /// Of a chat, as the file has them.
    Messages(Vec<Value>),
}

/// Prompts from a file of JSON lines.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptFile(Vec<(Content, Option<u32>)>);

impl PromptFile {
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let unusable = |reason: &dyn ToString| {
            Problem::new("bench.file", [("path", &path.display()), ("reason", reason)])
        };
        if fs::metadata(path).map_err(|error| unusable(&error))?.len() > FILE_BYTES_MAX {
            return Err(unusable(&format!("> {} MiB", FILE_BYTES_MAX >> 20)));
        }
        let text = fs::read_to_string(path).map_err(|error| unusable(&error))?;
        Self::parse(&text, &path.display().to_string())
    }

    fn parse(text: &str, path: &str) -> Result<Self, Problem> {
        let mut prompts = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let prompt = serde_json::from_str(line).ok().and_then(|line| prompt_of(&line));
            let params: [(_, &dyn ToString); 2] = [("path", &path), ("line", &(index + 1))];
            prompts.push(prompt.ok_or_else(|| Problem::new("bench.wrong_prompt", params))?);
            if prompts.len() > FILE_PROMPTS_MAX {
                let reason = format!("> {FILE_PROMPTS_MAX}");
                return Err(Problem::new("bench.file", [("path", &path), ("reason", &reason)]));
            }
        }
        if prompts.is_empty() {
            return Err(Problem::new("bench.no_prompts", [("path", &path)]));
        }
        Ok(Self(prompts))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A JSON string; the body of a chat (`messages`) or completion (`prompt`) with its limit of tokens; or a
/// conversation of ShareGPT, of which the first question is asked.
fn prompt_of(line: &Value) -> Option<(Content, Option<u32>)> {
    let limit = ["max_completion_tokens", "max_tokens"]
        .iter()
        .find_map(|name| u32::try_from(line.get(name)?.as_u64()?).ok())
        .filter(|limit| (1..=TOKENS_MAX).contains(limit));
    let text = |value: &Value| {
        value.as_str().filter(|text| !text.is_empty()).map(|text| Content::Text(text.to_owned()))
    };
    let content = if line.is_string() {
        text(line)
    } else if let Some(messages) = line.get("messages") {
        let messages = messages.as_array().filter(|messages| messages.len() <= MESSAGES_MAX)?;
        let is_usable = !messages.is_empty() && messages.iter().all(Value::is_object);
        is_usable.then(|| Content::Messages(messages.clone()))
    } else if let Some(prompt) = line.get("prompt") {
        text(prompt)
    } else {
        let turns = line.get("conversations")?.as_array()?;
        let asked = |turn: &&Value| matches!(turn["from"].as_str(), Some("human" | "user"));
        turns.iter().find(asked).and_then(|turn| text(&turn["value"]))
    };
    Some((content?, limit))
}

/// Where prompts come from and how long they and their answers are.
#[derive(Clone, Debug)]
pub struct Prompts {
    pub lengths: Lengths,
    /// Instead of invented ones of `lengths`, in the order of the file and from its beginning again.
    pub file: Option<PromptFile>,
    /// Limit of the answer, where the file has none.
    pub output: Lengths,
    /// Words that come before each prompt and are the same for many. 0: none.
    pub prefix_tokens: u32,
    /// How many such beginnings there are; each request takes one at random.
    pub prefixes: u32,
    pub seed: u64,
}

/// One prompt and the limit of its answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prompt {
    content: Content,
    pub(crate) output_tokens: u32,
}

impl Prompts {
    /// The prompt with this index, which is the same in every run with the same settings.
    pub(crate) fn prompt(&self, index: u64) -> Prompt {
        let random = |purpose: u64| Random::of(self.seed, purpose, index);
        let drawn = self.output.draw(&mut random(OUTPUT));
        let prefix = (self.prefix_tokens > 0).then(|| {
            let choice = random(PREFIX_CHOICE).below(self.prefixes.max(1).into());
            words(&mut Random::of(self.seed, PREFIX, choice), self.prefix_tokens)
        });
        let (mut content, limit) = match &self.file {
            Some(PromptFile(prompts)) => {
                let place = (index % prompts.len().max(1) as u64) as usize;
                let found = prompts.get(place).cloned();
                found.unwrap_or_else(|| (Content::Text(String::new()), None))
            }
            None => {
                let mut random = random(PROMPT);
                let length = self.lengths.draw(&mut random);
                (Content::Text(words(&mut random, length)), None)
            }
        };
        if let Some(prefix) = prefix {
            match &mut content {
                Content::Text(text) => *text = format!("{prefix} {text}"),
                Content::Messages(messages) => {
                    messages.insert(0, json!({"role": "system", "content": prefix}));
                }
            }
        }
        Prompt { content, output_tokens: limit.unwrap_or(drawn) }
    }
}

impl Prompt {
    /// As the member `messages` of a chat.
    pub(crate) fn messages(&self) -> Value {
        match &self.content {
            Content::Text(text) => json!([{"role": "user", "content": text}]),
            Content::Messages(messages) => json!(messages),
        }
    }

    /// As the member `prompt` of a completion; of a chat the texts of its messages.
    pub(crate) fn text(&self) -> Value {
        match &self.content {
            Content::Text(text) => json!(text),
            Content::Messages(messages) => {
                let texts = messages.iter().filter_map(|message| message["content"].as_str());
                json!(texts.collect::<Vec<_>>().join("\n\n"))
            }
        }
    }
}

fn words(random: &mut Random, count: u32) -> String {
    let mut text = String::new();
    for index in 0..count {
        if index > 0 {
            text.push(' ');
        }
        let place = random.below(WORDS.len() as u64) as usize;
        text.push_str(WORDS.get(place).copied().unwrap_or_default());
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prompts(lengths: &str, output: &str) -> Prompts {
        Prompts {
            lengths: Lengths::parse("--prompt-tokens", lengths).unwrap(),
            file: None,
            output: Lengths::parse("--output-tokens", output).unwrap(),
            prefix_tokens: 0,
            prefixes: 1,
            seed: 7,
        }
    }

    fn text(prompt: &Prompt) -> String {
        prompt.text().as_str().unwrap().to_owned()
    }

    #[test]
    fn lengths_are_read() {
        let check = |text: &str, expected: Option<Lengths>| {
            assert_eq!(Lengths::parse("--prompt-tokens", text).ok(), expected, "{text}");
        };
        check("128", Some(Lengths::Fixed(128)));
        check(" 64 - 256 ", Some(Lengths::Uniform(64, 256)));
        check("128~32", Some(Lengths::Normal { mean: 128.0, deviation: 32.0 }));
        check("5-5", Some(Lengths::Uniform(5, 5)));
        for wrong in ["", "0", "-1", "9-3", "1-", "~", "5~x", "1e3", "262145", "9~262145"] {
            check(wrong, None);
        }
    }

    #[test]
    fn prompts_of_files_are_read() {
        let check = |line: &str, chat: Value, text: &str, limit: u32| {
            let mut prompts = prompts("4", "9");
            prompts.file = Some(PromptFile::parse(&format!("\n{line}\n\n"), "f").unwrap());
            let prompt = prompts.prompt(12);
            let found = (prompt.messages(), prompt.text(), prompt.output_tokens);
            assert_eq!(found, (chat, json!(text), limit), "{line}");
        };
        let user = |text: &str| json!([{"role": "user", "content": text}]);
        check(r#""Hi""#, user("Hi"), "Hi", 9);
        check(r#"{"prompt": "Hi", "max_tokens": 3}"#, user("Hi"), "Hi", 3);
        let chat = json!([{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]);
        let body = json!({"model": "x", "messages": chat, "max_completion_tokens": 5});
        check(&body.to_string(), chat, "S\n\nU", 5);
        let talk = r#"{"id": "1", "conversations": [{"from": "gpt", "value": "No"},
            {"from": "human", "value": "Q"}, {"from": "human", "value": "R"}]}"#;
        check(&talk.replace('\n', ""), user("Q"), "Q", 9);
    }

    #[test]
    fn files_that_hold_no_prompts_are_refused() {
        let check = |text: &str, code: &str| {
            assert_eq!(PromptFile::parse(text, "f").unwrap_err().code, code, "{text}");
        };
        check("\n \n", "bench.no_prompts");
        for wrong in ["{", "1", "{}", r#""""#, r#"{"messages": []}"#, r#"{"messages": ["a"]}"#] {
            check(wrong, "bench.wrong_prompt");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "\"a\"\n\"b\"\n").unwrap();
        assert_eq!(PromptFile::read(file.path()).unwrap().len(), 2);
        assert_eq!(PromptFile::read(Path::new("/nowhere")).unwrap_err().code, "bench.file");
    }

    #[test]
    fn beginnings_are_shared() {
        let mut prompts = prompts("5", "1");
        (prompts.prefix_tokens, prompts.prefixes) = (50, 3);
        let mut beginnings = std::collections::BTreeSet::new();
        let mut whole = std::collections::BTreeSet::new();
        for index in 0..60 {
            let text = text(&prompts.prompt(index));
            let all: Vec<&str> = text.split(' ').collect();
            assert_eq!(all.len(), 55);
            beginnings.insert(all[..50].join(" "));
            whole.insert(text);
        }
        assert_eq!((beginnings.len(), whole.len()), (3, 60));
        prompts.file = Some(PromptFile::parse(r#"{"messages": [{"role": "user"}]}"#, "f").unwrap());
        let messages = prompts.prompt(0).messages();
        assert_eq!(messages[0]["role"], "system");
        assert_eq!(messages.as_array().unwrap().len(), 2);
    }

    #[test]
    fn normal_lengths_have_their_mean_and_deviation() {
        let lengths = Lengths::parse("--prompt-tokens", "500~100").unwrap();
        let draw = |index| f64::from(lengths.draw(&mut Random::of(1, 2, index)));
        let count = 20_000_u32;
        let mean = (0..count).map(|index| draw(index.into())).sum::<f64>() / f64::from(count);
        let squares = (0..count).map(|index| (draw(index.into()) - mean).powi(2)).sum::<f64>();
        let deviation = (squares / f64::from(count)).sqrt();
        assert!((mean - 500.0).abs() < 3.0, "{mean}");
        assert!((deviation - 100.0).abs() < 3.0, "{deviation}");
    }

    proptest! {
        #[test]
        fn lengths_stay_within_their_bounds(a in 1_u32..5_000, b in 1_u32..5_000, deviation in 0_u32..9_000, seed: u64, index: u64) {
            let (from, to) = (a.min(b), a.max(b));
            let mut random = Random::of(seed, 0, index);
            let uniform = Lengths::parse("x", &format!("{from}-{to}")).unwrap().draw(&mut random);
            prop_assert!((from..=to).contains(&uniform));
            let normal = Lengths::parse("x", &format!("{a}~{deviation}")).unwrap().draw(&mut random);
            prop_assert!((1..=TOKENS_MAX).contains(&normal));
            prop_assert_eq!(Lengths::parse("x", &a.to_string()).unwrap().draw(&mut random), a);
        }

        #[test]
        fn a_prompt_depends_on_seed_and_index_alone(seed: u64, index: u64, length in 1_u32..200) {
            let mut prompts = prompts(&length.to_string(), "3-8");
            prompts.seed = seed;
            let prompt = prompts.prompt(index);
            prop_assert_eq!(&prompt, &prompts.prompt(index));
            let words = text(&prompt).split(' ').count();
            prop_assert_eq!(words, length as usize);
            prop_assert!((3..=8).contains(&prompt.output_tokens));
        }

        #[test]
        fn written_lengths_are_read_again(text in "[0-9~-]{1,9}") {
            if let Ok(lengths) = Lengths::parse("x", &text) {
                prop_assert_eq!(Lengths::parse("x", &lengths.to_string()).ok(), Some(lengths));
            }
        }

        #[test]
        fn any_file_is_survived(text: String) {
            drop(PromptFile::parse(&text, "f"));
            drop(PromptFile::parse(&format!("{{\"messages\": {text}}}"), "f"));
        }
    }
}
