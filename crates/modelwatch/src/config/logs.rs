//! `[logs]` and `[[log_file]]`: which logs are followed.

use collect::log::{From, Limits, LogFile, Settings};

use super::{Problem, lines::Lines};

/// The words for where to begin in a file.
pub(super) const FROM: &[&str] = &["end", "start"];

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Logs {
    pub(crate) discover: bool,
    pub(crate) kernel: bool,
    pub(crate) auth: bool,
    pub(crate) limits: Limits,
    pub(crate) files: Vec<NamedLog>,
}

/// Files that a person named.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NamedLog {
    pub(crate) file: LogFile,
    /// Line of the entry, for errors found after parsing.
    pub(crate) line: usize,
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            discover: true,
            kernel: true,
            auth: true,
            limits: Limits::default(),
            files: Vec::new(),
        }
    }
}

impl Logs {
    /// What the collectors need to know.
    pub(crate) fn settings(&self, positions: std::path::PathBuf) -> Settings {
        Settings {
            discover: self.discover,
            kernel: self.kernel,
            auth: self.auth,
            files: self.files.iter().map(|named| named.file.clone()).collect(),
            positions: Some(positions),
            limits: self.limits,
        }
    }

    /// As lines that a configuration file could hold.
    pub(super) fn lines(&self) -> Vec<String> {
        vec![
            format!("logs.auth = {}", self.auth),
            format!("logs.bytes_per_second_max = {}", self.limits.bytes_per_second),
            format!("logs.discover = {}", self.discover),
            format!("logs.kernel = {}", self.kernel),
            format!("logs.lines_per_second_max = {}", self.limits.lines_per_second),
        ]
    }
}

impl NamedLog {
    pub(super) fn lines(&self) -> Vec<String> {
        let file = &self.file;
        let mut lines = Lines::of("[[log_file]]");
        lines.flag("compressed_history", file.is_compressed_history_read);
        lines.written("engine", &file.engine);
        lines.written("from", if file.from == From::Start { "start" } else { "" });
        lines.written("instance", &file.instance);
        lines.written("path", &file.path);
        lines.written("service", &file.service);
        lines.0
    }
}

/// A path that does not begin at the root would depend on where the program was started.
pub(super) fn check(logs: &Logs, problems: &mut Vec<Problem>) {
    for named in &logs.files {
        let path = &named.file.path;
        if !path.is_empty() && !path.starts_with('/') {
            let params = [("path", path.clone())];
            problems.push(Problem::new(named.line, "config.log_path", params));
        }
    }
}
