//! The error of an invalid configuration: file, line, key and reason.

use std::fmt;
use std::path::Path;

/// Why a configuration is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, or the environment variable.
    pub file: String,
    /// The line in it, from 1, where one can be given.
    pub line: Option<usize>,
    /// The key, such as `pool.quorum` or `source[1].device`, where one can be given.
    pub key: Option<String>,
    /// The reason, with the limit and the value.
    pub reason: String,
}

impl ConfigError {
    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self {
            file: path.display().to_string(),
            line: None,
            key: None,
            reason: format!("cannot be read: {error}"),
        }
    }

    pub(super) fn variable(name: &str, reason: &str) -> Self {
        Self {
            file: format!("environment variable {name}"),
            line: None,
            key: None,
            reason: reason.to_owned(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for ConfigError {}
