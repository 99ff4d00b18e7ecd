//! Configuration is read once, typed, and refused with every error at once.

mod addresses;
mod common;

use std::{fmt, path::Path, process::ExitCode, str::FromStr, time::Duration};

pub use addresses::{Addresses, Site};
pub use common::{Common, CommonArgs};
use secrecy::SecretString;

/// The exit code of a bad configuration or a taken port.
pub const EXIT_CONFIG: u8 = 2;

/// All that is wrong with a configuration, a line each.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// None so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// `key` (a flag, an environment variable, `file: table.key`) is wrong: `what`.
    pub fn add(&mut self, key: impl fmt::Display, what: impl fmt::Display) {
        self.0.push(format!("{key}: {what}"));
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines.
    pub fn lines(&self) -> &[String] {
        &self.0
    }

    /// Takes over what another part found.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// `value` when nothing is wrong.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }

    /// Parses `text`, noting under `key` what is wrong with it.
    pub fn parse<T: FromStr<Err: fmt::Display>>(&mut self, key: &str, text: &str) -> Option<T> {
        text.parse()
            .map_err(|e| self.add(key, format_args!("{text:?}: {e}")))
            .ok()
    }

    /// An `http` or `https` address without query or fragment, its last `/` cut off.
    pub fn http_url(&mut self, key: &str, text: &str) -> Option<String> {
        let url: url::Url = self.parse(key, text)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            self.add(
                key,
                format_args!("{text:?}: an http or https address is expected"),
            );
            return None;
        }
        if url.query().is_some() || url.fragment().is_some() {
            self.add(
                key,
                format_args!("{text:?}: an address without ? and # is expected"),
            );
            return None;
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    /// A secret, given in itself or by the name of a file that holds it.
    pub fn secret(
        &mut self,
        key: &str,
        value: Option<&str>,
        file: Option<&Path>,
    ) -> Option<SecretString> {
        match (value, file) {
            (Some(_), Some(_)) => {
                self.add(key, format_args!("given twice: {key} and {key}_FILE"));
                None
            }
            (Some(value), None) => Some(value.to_owned().into()),
            (None, Some(file)) => match std::fs::read_to_string(file) {
                Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned().into()),
                Err(e) => {
                    self.add(
                        format_args!("{key}_FILE"),
                        format_args!("{}: {e}", file.display()),
                    );
                    None
                }
            },
            (None, None) => None,
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// Prints each problem on a line of its own and gives the exit code 2.
#[expect(clippy::print_stderr, reason = "the log may not be there yet")]
pub fn refuse(program: &str, problems: &Problems) -> ExitCode {
    for line in problems.lines() {
        eprintln!("{program}: {line}");
    }
    ExitCode::from(EXIT_CONFIG)
}

/// A length of time as people write it: `90s`, `15m`, `8h`, `7d`, `250ms`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let what = || format!("{text:?}: a length of time such as 90s, 15m, 8h or 7d is expected");
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
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "15", "m", "-1s", "1.5h", "1 h", "99999999999999999999d"] {
            assert!(parse_duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_problem_is_kept() {
        let mut problems = Problems::new();
        assert_eq!(problems.http_url("A", "ftp://x"), None);
        assert_eq!(problems.http_url("B", "http://x/?q"), None);
        assert_eq!(
            problems.http_url("C", "http://x:1/"),
            Some("http://x:1".into())
        );
        assert!(
            problems
                .secret("D", None, Some(Path::new("/nowhere")))
                .is_none()
        );
        assert_eq!(problems.lines().len(), 3);
        assert!(problems.lines()[2].starts_with("D_FILE: /nowhere: "));
    }
}
