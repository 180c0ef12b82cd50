//! `[[scrape]]`: what is checked once all of it is known, and what becomes of it.

use std::time::Duration;

use collect::scrape::{Action, BadRule, Job, Limits, Login, RULES_MAX, Rule, RuleText};

use super::{Environment, Problem, duration_text, lines::Lines};

/// Defaults, which are those of the reference page.
const INTERVAL: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(10);
const HTTP_SD_INTERVAL: Duration = Duration::from_secs(60);
/// Default of `body_size_limit`; a larger page is refused.
const BODY_BYTES_MAX: u64 = 16 << 20;

type Pairs = Vec<(String, String)>;

/// A job as it is written; what is absent has its default when it is used.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scrape {
    pub(super) job: String,
    pub(super) targets: Vec<String>,
    pub(super) labels: Pairs,
    pub(super) file_sd: Vec<String>,
    pub(super) http_sd: Option<String>,
    pub(super) http_sd_interval: Option<Duration>,
    pub(super) path: Option<String>,
    pub(super) params: Pairs,
    pub(super) interval: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) honor_labels: Option<bool>,
    pub(super) honor_timestamps: Option<bool>,
    pub(super) native_histograms: Option<bool>,
    pub(super) bearer_token_env: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password_env: Option<String>,
    pub(super) body_size_limit: Option<u64>,
    pub(super) sample_limit: Option<u64>,
    pub(super) label_limit: Option<u64>,
    pub(super) label_name_length_limit: Option<u64>,
    pub(super) label_value_length_limit: Option<u64>,
    pub(super) relabel: Vec<RelabelRule>,
    pub(super) metric_relabel: Vec<RelabelRule>,
    /// Line of the entry, for errors found after parsing.
    pub(super) line: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RelabelRule {
    pub(super) action: Option<String>,
    pub(super) source_labels: Vec<String>,
    pub(super) separator: Option<String>,
    pub(super) regex: Option<String>,
    pub(super) target_label: Option<String>,
    pub(super) replacement: Option<String>,
    pub(super) modulus: Option<u64>,
}

impl RelabelRule {
    fn compile(&self) -> Result<Rule, BadRule> {
        let action = self.action.as_deref().and_then(Action::from_word);
        Rule::new(&RuleText {
            action: action.unwrap_or_default(),
            source_labels: self.source_labels.clone(),
            separator: self.separator.clone(),
            regex: self.regex.clone(),
            target_label: self.target_label.clone(),
            replacement: self.replacement.clone(),
            modulus: self.modulus.unwrap_or_default(),
        })
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Lines::default();
        lines.text("action", self.action.as_ref());
        lines.texts("source_labels", &self.source_labels);
        lines.text("separator", self.separator.as_ref());
        lines.text("regex", self.regex.as_ref());
        lines.text("target_label", self.target_label.as_ref());
        lines.text("replacement", self.replacement.as_ref());
        lines.plain("modulus", self.modulus);
        lines.0
    }
}

impl Scrape {
    /// Of the job.
    pub(crate) fn name(&self) -> &str {
        &self.job
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval.unwrap_or(INTERVAL)
    }

    fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT.min(self.interval()))
    }

    /// What the collectors need. Secrets come from the environment; what could be wrong was checked.
    pub(crate) fn job(&self, variable: &dyn Fn(&str) -> Option<String>) -> Job {
        let secret = |name: &String| variable(name).map(collect::Secret::new);
        let rules = |rules: &[RelabelRule]| {
            rules.iter().filter_map(|rule| rule.compile().ok()).collect::<Vec<_>>()
        };
        let size = |limit: Option<u64>| usize::try_from(limit.unwrap_or(0)).unwrap_or(usize::MAX);
        let login = match (&self.bearer_token_env, &self.username, &self.password_env) {
            (Some(name), _, _) => secret(name).map(Login::Bearer),
            (_, Some(user), Some(name)) => {
                secret(name).map(|password| Login::Basic { user: user.clone(), password })
            }
            _ => None,
        };
        Job {
            name: self.job.clone(),
            interval: self.interval(),
            timeout: self.timeout(),
            targets: self.targets.clone(),
            labels: self.labels.clone(),
            path: self.path.clone().unwrap_or_else(|| "/metrics".into()),
            params: self.params.clone(),
            login: login.unwrap_or_default(),
            honor_labels: self.honor_labels.unwrap_or(false),
            honor_timestamps: self.honor_timestamps.unwrap_or(true),
            native_histograms: self.native_histograms.unwrap_or(false),
            limits: Limits {
                samples: size(self.sample_limit),
                body_bytes: size(self.body_size_limit.or(Some(BODY_BYTES_MAX))),
                labels: size(self.label_limit),
                label_name_bytes: size(self.label_name_length_limit),
                label_value_bytes: size(self.label_value_length_limit),
            },
            files: self.file_sd.iter().map(Into::into).collect(),
            urls: self.http_sd.iter().cloned().collect(),
            refresh: self.http_sd_interval.unwrap_or(HTTP_SD_INTERVAL),
            relabel: rules(&self.relabel),
            metric_relabel: rules(&self.metric_relabel),
        }
    }

    /// As lines that a configuration file could hold.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Lines::of("[[scrape]]");
        lines.text("job", Some(&self.job));
        lines.texts("targets", &self.targets);
        lines.pairs("labels", &self.labels);
        lines.texts("file_sd", &self.file_sd);
        lines.text("http_sd", self.http_sd.as_ref());
        lines.period("http_sd_interval", self.http_sd_interval);
        lines.text("path", self.path.as_ref());
        lines.pairs("params", &self.params);
        lines.period("interval", self.interval);
        lines.period("timeout", self.timeout);
        lines.plain("honor_labels", self.honor_labels);
        lines.plain("honor_timestamps", self.honor_timestamps);
        lines.plain("native_histograms", self.native_histograms);
        lines.text("bearer_token_env", self.bearer_token_env.as_ref());
        lines.text("username", self.username.as_ref());
        lines.text("password_env", self.password_env.as_ref());
        lines.plain("body_size_limit", self.body_size_limit);
        lines.plain("sample_limit", self.sample_limit);
        lines.plain("label_limit", self.label_limit);
        lines.plain("label_name_length_limit", self.label_name_length_limit);
        lines.plain("label_value_length_limit", self.label_value_length_limit);
        let mut lines = lines.0;
        for (list, rules) in [("relabel", &self.relabel), ("metric_relabel", &self.metric_relabel)]
        {
            for rule in rules {
                lines.push(format!("[[scrape.{list}]]"));
                lines.extend(rule.lines());
            }
        }
        lines
    }

    fn check(&self, environment: &Environment<'_>) -> Vec<Problem> {
        let job = ("job", self.job.clone());
        let problem = |code, more: Vec<(&'static str, String)>| {
            Problem::new(self.line, code, std::iter::once(job.clone()).chain(more))
        };
        let mut problems = Vec::new();
        if self.targets.is_empty() && self.file_sd.is_empty() && self.http_sd.is_none() {
            problems.push(problem("config.scrape_without_targets", vec![]));
        }
        let (interval, timeout) = (self.interval(), self.timeout());
        if timeout > interval {
            let times = [("timeout", timeout), ("interval", interval)];
            let times = times.map(|(name, time)| (name, duration_text(time)));
            problems.push(problem("config.scrape_timeout", times.to_vec()));
        }
        let is_basic = self.username.is_some();
        if is_basic != self.password_env.is_some() || (is_basic && self.bearer_token_env.is_some())
        {
            problems.push(problem("config.scrape_login", vec![]));
        }
        let names =
            [("bearer_token_env", &self.bearer_token_env), ("password_env", &self.password_env)];
        for (key, name) in names {
            let Some(name) = name.as_ref().filter(|name| (environment.variable)(name).is_none())
            else {
                continue;
            };
            let params = [("name", name.clone()), ("key", key.to_owned())];
            problems.push(Problem::new(self.line, "config.variable_missing", params));
        }
        for list in [&self.relabel, &self.metric_relabel] {
            let bad = list.iter().find_map(|rule| Some(rule.compile().err()?.to_string()));
            let many = || (list.len() > RULES_MAX).then(|| format!("> {RULES_MAX}"));
            if let Some(reason) = bad.or_else(many) {
                problems.push(problem("config.relabel", vec![("reason", reason)]));
            }
        }
        problems
    }
}

/// Everything that is wrong with the jobs together.
pub(super) fn check(jobs: &[Scrape], environment: &Environment<'_>, problems: &mut Vec<Problem>) {
    for (index, scrape) in jobs.iter().enumerate() {
        // A job without a name was complained of already.
        if !scrape.job.is_empty() {
            if jobs[..index].iter().any(|other| other.job == scrape.job) {
                let params = [("job", scrape.job.clone())];
                problems.push(Problem::new(scrape.line, "config.job_twice", params));
            }
            problems.extend(scrape.check(environment));
        }
    }
}
