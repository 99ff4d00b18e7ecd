//! The configuration of services: read once, typed, and refused with all errors at once.

mod addresses;
mod command_line;
mod common;
pub mod demo;
mod drain;
mod flag;
mod lab;
mod listen;
mod login_budget;
mod mtls;
mod redis;
mod sites;
mod tls;
mod trust;
mod weaken;

use std::{
    any::Any,
    fmt,
    num::{IntErrorKind, ParseIntError},
    ops::RangeInclusive,
    path::Path,
    process::ExitCode,
    str::FromStr,
    time::Duration,
};

pub use crate::weakness::{Weakness, Weaknesses};
pub use addresses::{AddressArgs, Addresses};
pub use command_line::parse_args;
pub use common::{Common, CommonArgs};
pub use drain::DrainArgs;
pub use flag::flag;
pub use lab::{Lab, LabArgs};
pub use listen::{Listen, ListenArgs};
pub use login_budget::{LoginBudget, LoginBudgetArgs};
pub use mtls::{Mtls, MtlsArgs};
pub use redis::{RedisArgs, RedisSettings};
use secrecy::{ExposeSecret as _, SecretString};
pub use sites::{Site, Sites};
pub use tls::{TlsArgs, TlsSettings};
pub use trust::TrustArgs;

use crate::files;

/// The exit code for an invalid configuration or a taken port.
pub const EXIT_CONFIG: u8 = 2;

/// The errors of a configuration, a line each.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// No errors.
    pub fn new() -> Self {
        Self::default()
    }

    /// One error.
    pub fn one(key: impl fmt::Display, what: impl fmt::Display) -> Self {
        let mut problems = Self::new();
        problems.add(key, what);
        problems
    }

    /// Adds the error `what` of `key` (a flag, an environment variable, `file:
    /// table.key`), once, however many services read the setting.
    pub fn add(&mut self, key: impl fmt::Display, what: impl fmt::Display) {
        let line = format!("{key}: {what}");
        if !self.0.contains(&line) {
            self.0.push(line);
        }
    }

    /// Whether there are no errors.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines.
    pub fn lines(&self) -> &[String] {
        &self.0
    }

    /// Adds the errors of another part.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// `value`, if there are no errors.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }

    /// Parses `text`. An error is added under `key`.
    pub fn parse<T: FromStr<Err: fmt::Display + 'static>>(
        &mut self,
        key: &str,
        text: &str,
    ) -> Option<T> {
        text.parse()
            .map_err(|error| self.add(key, format_args!("{text:?}: {}", reason(&error))))
            .ok()
    }

    /// A whole number within `range`.
    pub fn number(
        &mut self,
        key: &str,
        text: &str,
        range: &RangeInclusive<usize>,
    ) -> Option<usize> {
        let number = self.parse(key, text)?;
        if range.contains(&number) {
            return Some(number);
        }
        let (least, most) = (range.start(), range.end());
        self.add(key, format_args!("from {least} to {most}"));
        None
    }

    /// Whether `text` is `on` or `off`.
    pub fn switch(&mut self, key: &str, text: &str) -> Option<bool> {
        match text {
            "on" => Some(true),
            "off" => Some(false),
            other => {
                self.add(key, format_args!("{other:?}: on or off is expected"));
                None
            }
        }
    }

    /// A duration, as [`parse_duration`] reads it.
    pub fn time(&mut self, key: &str, text: &str) -> Option<Duration> {
        let time = parse_duration(text);
        time.map_err(|what| self.add(key, what)).ok()
    }

    /// An `http` or `https` address without query or fragment, and without a `/` at its end.
    pub fn http_url(&mut self, key: &str, text: &str) -> Option<String> {
        let url: url::Url = self.parse(key, text)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            self.add(
                key,
                format_args!("{text:?}: expected an http or https address"),
            );
            return None;
        }
        if url.query().is_some() || url.fragment().is_some() {
            self.add(
                key,
                format_args!("{text:?}: expected an address without ? and #"),
            );
            return None;
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    /// The same for `https` alone.
    pub fn https_url(&mut self, key: &str, text: &str) -> Option<String> {
        let url = self.http_url(key, text)?;
        if !text.starts_with("https:") {
            self.add(key, format_args!("{text:?}: expected an https address"));
            return None;
        }
        Some(url)
    }

    /// The issuer of sso-lab's own provider: without a path, which would move discovery
    /// (RFC 8414 §3), and without a / at its end.
    pub fn own_issuer(&mut self, key: &str, text: &str) -> Option<String> {
        let issuer = self.issuer(key, text)?;
        let url: url::Url = self.parse(key, text)?;
        if url.path() != "/" || text.ends_with('/') {
            self.add(
                key,
                format_args!(
                    "{text:?}: expected an issuer without a path and without a / at its end"
                ),
            );
            return None;
        }
        Some(issuer)
    }

    /// A trusted issuer, exactly as written: it is compared character by character (OIDC
    /// Discovery §4.3). It may have a path and a / at its end. Only localhost may use
    /// http.
    pub fn issuer(&mut self, key: &str, text: &str) -> Option<String> {
        self.http_url(key, text)?;
        let url: url::Url = self.parse(key, text)?;
        // Parsing it as an address would silently remove or change these.
        let is_plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        if !is_plain || !url.username().is_empty() || url.password().is_some() {
            self.add(
                key,
                format_args!("{text:?}: expected an address without spaces and credentials"),
            );
            return None;
        }
        let host = url.host_str().unwrap_or_default();
        if url.scheme() == "http" && !crate::net::is_localhost(host) {
            self.add(
                key,
                format_args!("{text:?}: expected https, because only localhost may use http"),
            );
            return None;
        }
        Some(text.to_owned())
    }

    fn not_empty(&mut self, key: &str, secret: &str) -> Option<SecretString> {
        if is_blank(secret) {
            self.add(key, "the secret is empty");
            return None;
        }
        Some(secret.to_owned().into())
    }

    /// A secret, as a value or in a file.
    pub fn secret(
        &mut self,
        key: &str,
        value: Option<&str>,
        file: Option<&Path>,
    ) -> Option<SecretString> {
        // A key of a configuration file is in lower case, a variable in upper case.
        let suffix = if key.ends_with(|last: char| last.is_ascii_lowercase()) {
            "_file"
        } else {
            "_FILE"
        };
        match (value, file) {
            (Some(_), Some(_)) => {
                self.add(key, format_args!("given twice: {key} and {key}{suffix}"));
                None
            }
            (Some(value), None) => self.not_empty(key, value),
            (None, Some(file)) => {
                let key = format!("{key}{suffix}");
                match files::read_text(file) {
                    Ok(text) => self.not_empty(&key, &files::line(text)),
                    Err(e) => {
                        self.add(key, format_args!("{}: {e}", file.display()));
                        None
                    }
                }
            }
            (None, None) => None,
        }
    }
}

/// Whether `text` is empty or white space alone.
pub(crate) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// The length of a secret in characters, for the check that it is long enough. White space
/// around it does not count: it is a slip of whoever wrote the secret down.
pub fn secret_length(secret: &SecretString) -> usize {
    secret.expose_secret().trim().chars().count()
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// Prints a line for each error and returns the exit code 2.
#[expect(clippy::print_stderr, reason = "the log may not have started")]
pub fn refuse(program: &str, problems: &Problems) -> ExitCode {
    for line in problems.lines() {
        eprintln!("{program}: {line}");
    }
    ExitCode::from(EXIT_CONFIG)
}

/// Why a text is invalid. The errors of number and URL parsers speak of Rust.
fn reason<E: fmt::Display + 'static>(error: &E) -> String {
    let any: &dyn Any = error;
    let number = any.downcast_ref::<ParseIntError>();
    match (number.map(ParseIntError::kind), any.downcast_ref()) {
        (Some(IntErrorKind::PosOverflow), _) => "the number is too large".to_owned(),
        (Some(_), _) => "a whole number is expected".to_owned(),
        (None, Some(url::ParseError::RelativeUrlWithoutBase)) => {
            "a URL with its scheme is expected, such as http://host:port".to_owned()
        }
        (None, _) => error.to_string(),
    }
}

/// A duration such as `90s`, `15m`, `8h`, `7d` or `250ms`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let what = || format!("{text:?}: expected a duration such as 90s, 15m, 8h or 7d");
    let number: u64 = number.parse().map_err(|_| what())?;
    let millis_each = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(what()),
    };
    number
        .checked_mul(millis_each)
        .map(Duration::from_millis)
        .ok_or_else(what)
}

#[cfg(test)]
mod tests;
