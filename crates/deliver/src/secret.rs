//! Secrets are named, never written: `env:NAME` or `file:/path`. A file is read each time, so that a changed secret
//! counts at once.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// Longest secret. A larger file is none.
const SECRET_BYTES_MAX: u64 = 4 << 10;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    Variable(String),
    File(PathBuf),
}

/// Why a reference leads to no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSecret {
    #[error("the environment variable {0} is not set")]
    Variable(String),
    #[error("the secret in {0} cannot be read: {1}")]
    File(String, String),
}

impl Reference {
    /// Reads `env:NAME` or `file:/path`. Anything else may be the secret itself, so that nobody should be shown it.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("env", name) if !name.is_empty() => Some(Self::Variable(name.to_owned())),
            ("file", path) if Path::new(path).is_absolute() => Some(Self::File(path.into())),
            _ => None,
        }
    }

    /// The secret, without space around it. `variable` looks into the environment.
    pub fn read(&self, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, NoSecret> {
        match self {
            Self::Variable(name) => {
                let value = variable(name).map(|value| value.trim().to_owned());
                let value = value.filter(|value| !value.is_empty());
                value.ok_or_else(|| NoSecret::Variable(name.clone()))
            }
            Self::File(path) => {
                let text = read(path).and_then(|text| match text.trim() {
                    "" => Err(io::Error::other("it is empty")),
                    text => Ok(text.to_owned()),
                });
                text.map_err(|error| NoSecret::File(path.display().to_string(), error.to_string()))
            }
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(io::Error::other(format!("more than {SECRET_BYTES_MAX} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let check = |text: &str, expected: Option<&str>| {
            let found = Reference::parse(text).map(|reference| reference.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("env:A", Some("env:A"));
        check("file:/a", Some("file:/a"));
        for text in ["", "env:", "file:a", "secret", "https://x"] {
            check(text, None);
        }
    }

    #[test]
    fn secrets_are_read_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let none = |_: &str| None;
        let read = || Reference::File(path.clone()).read(&none);
        assert!(matches!(read(), Err(NoSecret::File(..))));
        std::fs::write(&path, " hush\n").unwrap();
        assert_eq!(read(), Ok("hush".to_owned()));
        std::fs::write(&path, "x".repeat(5_000)).unwrap();
        assert!(read().unwrap_err().to_string().ends_with("more than 4096 bytes"));
        std::fs::write(&path, "\n").unwrap();
        assert!(read().unwrap_err().to_string().ends_with("it is empty"));
        let reference = Reference::Variable("A".to_owned());
        assert_eq!(reference.read(&|_| Some("a ".to_owned())), Ok("a".to_owned()));
        assert_eq!(reference.read(&none), Err(NoSecret::Variable("A".to_owned())));
    }
}
