//! The place of each key in the text, so that every error names its line.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::config::error::ConfigError;

/// The keys of one configuration and their places.
pub(super) struct KeyPlaces<'a> {
    file: &'a str,
    text: &'a str,
    found: Vec<(String, Range<usize>)>,
    /// Keys from the environment, one place each behind the end of the text.
    variables: Vec<String>,
}

impl<'a> KeyPlaces<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, found: Vec::new(), variables: Vec::new() }
    }

    /// Records every key in the file.
    pub(super) fn collect(&mut self, table: &DeTable<'_>) {
        self.collect_below("", table);
    }

    fn collect_below(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            self.found.push((name.clone(), key.span().start..value.span().end));
            match value.get_ref() {
                DeValue::Table(inner) => self.collect_below(&format!("{name}."), inner),
                DeValue::Array(array) => {
                    for (number, item) in array.iter().enumerate() {
                        if let DeValue::Table(inner) = item.get_ref() {
                            let place = format!("{name}[{number}]");
                            self.found.push((place.clone(), item.span()));
                            self.collect_below(&format!("{place}."), inner);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Gives a key from the environment a place of its own.
    pub(super) fn variable(&mut self, name: &str, section: &str, key: &str) -> Range<usize> {
        let at = self.text.len() + 1 + self.variables.len();
        self.variables.push(name.to_owned());
        self.found.push((format!("{section}.{key}"), at..at + 1));
        at..at + 1
    }

    /// An error of the parser, with the key it happened in.
    pub(super) fn locate(&self, error: &toml::de::Error) -> ConfigError {
        self.locate_in("", error)
    }

    /// As `locate`, for a key below `prefix`.
    pub(super) fn locate_in(&self, prefix: &str, error: &toml::de::Error) -> ConfigError {
        let span = error.span();
        let holds = |place: &Range<usize>| {
            span.as_ref().is_some_and(|span| place.start <= span.start && span.end <= place.end)
        };
        let innermost = self
            .found
            .iter()
            .filter(|(name, place)| holds(place) && name.starts_with(prefix))
            .min_by_key(|(_, place)| place.len());
        self.at(
            span.as_ref().map(|span| span.start),
            innermost.map(|(name, _)| name.clone()),
            error.message().to_owned(),
        )
    }

    /// An error about `key`, or about the nearest key above it that is in the file.
    pub(super) fn error(&self, key: &str, reason: String) -> ConfigError {
        let exact = self.found.iter().rev().find(|(name, _)| name == key);
        let place = exact.or_else(|| {
            let above = |name: &str| key.starts_with(&format!("{name}."));
            self.found.iter().rev().find(|(name, _)| above(name))
        });
        self.at(place.map(|(_, place)| place.start), Some(key.to_owned()), reason)
    }

    fn at(&self, place: Option<usize>, key: Option<String>, reason: String) -> ConfigError {
        let variable = place.and_then(|place| place.checked_sub(self.text.len() + 1));
        if let Some(name) = variable.and_then(|number| self.variables.get(number)) {
            return ConfigError { key, ..ConfigError::variable(name, &reason) };
        }
        let line = place.map(|place| {
            let before = self.text.get(..place).unwrap_or(self.text);
            1 + before.matches('\n').count()
        });
        ConfigError { file: self.file.to_owned(), line, key, reason }
    }
}
