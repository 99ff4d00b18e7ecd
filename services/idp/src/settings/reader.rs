//! Reads values of the configuration file and collects every error.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use kit::config::{Problems, parse_duration};
use serde::de::DeserializeOwned;

use super::bounds::json_len;

/// Collects errors, each with the name of the file and the key.
pub(super) struct Reader<'a> {
    pub(super) file: &'a str,
    pub(super) state_dir: Option<&'a Path>,
    pub(super) problems: Problems,
}

impl Reader<'_> {
    /// The tables in `text`, or an error with its line.
    pub(super) fn tables<T: DeserializeOwned>(&mut self, text: &str) -> Option<T> {
        let broken = |error: toml::de::Error| {
            // The number of the line and not its text, which may hold a secret.
            let before = error.span().map_or(0, |span| span.start);
            let line = text[..before.min(text.len())].matches('\n').count() + 1;
            let name = format_args!("{}, line {line}", self.file);
            self.problems.add(name, error.message().replace('\n', " "));
        };
        toml::from_str(text).map_err(broken).ok()
    }

    /// Adds an error.
    pub(super) fn wrong(&mut self, key: impl std::fmt::Display, what: impl std::fmt::Display) {
        self.problems
            .add(format_args!("{}: {key}", self.file), what);
    }

    /// A duration of at least one second.
    pub(super) fn duration(&mut self, key: &str, text: &str) -> Option<Duration> {
        match parse_duration(text) {
            Ok(length) if length >= Duration::from_secs(1) => Some(length),
            Ok(_) => {
                self.wrong(key, "at least 1s");
                None
            }
            Err(what) => {
                self.wrong(key, what);
                None
            }
        }
    }

    /// The values that `find` knows by name; at least one is needed.
    pub(super) fn named<T>(
        &mut self,
        key: &str,
        names: &[String],
        find: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for name in names {
            match find(name) {
                Some(value) => found.push(value),
                None => self.wrong(key, format_args!("{name:?} is unknown")),
            }
        }
        if names.is_empty() {
            self.wrong(key, "at least one");
        }
        found
    }

    /// Refuses a text of more than `most` bytes in a token.
    pub(super) fn bounded(&mut self, key: impl std::fmt::Display, text: &str, most: usize) {
        let quotes = 2;
        let length = json_len(&text) - quotes;
        if length > most {
            self.wrong(
                key,
                format_args!("{length} bytes in a token, at most {most}"),
            );
        }
    }

    /// The path of `file`: a relative one is in the state directory, if there is one.
    pub(super) fn at(&self, file: &Path) -> PathBuf {
        let dir = self.state_dir;
        dir.map_or_else(|| file.to_owned(), |dir| dir.join(file))
    }

    /// Refuses duplicates.
    pub(super) fn unique<'s>(&mut self, key: &str, ids: impl Iterator<Item = &'s String>) {
        let mut seen = std::collections::BTreeSet::new();
        for id in ids {
            if !seen.insert(id) {
                self.wrong(key, format_args!("{id:?} is defined twice"));
            }
        }
    }
}
