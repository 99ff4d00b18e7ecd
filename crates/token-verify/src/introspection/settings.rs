//! How a resource server checks its access tokens.

use std::{ops::RangeInclusive, str::FromStr, time::Duration};

use clap::Args;
use kit::config::Problems;
use secrecy::SecretString;

/// The range of [`IntrospectionArgs::introspection_cache`].
const CACHE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(300);

/// Settings of every resource server that introspects its tokens.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Token introspection (RFC 7662)")]
pub struct IntrospectionArgs {
    /// How long an API uses an answer again: a revocation counts after this time at the latest (0s to 5m; 0s: each call asks)
    #[arg(
        long,
        env = "INTROSPECTION_CACHE",
        default_value = "5s",
        value_name = "TIME"
    )]
    pub introspection_cache: String,
    /// What an API asks for: json, or jwt (signed by the provider, RFC 9701)
    #[arg(
        long,
        env = "INTROSPECTION_ANSWER",
        default_value = "json",
        value_name = "FORM"
    )]
    pub introspection_answer: String,
}

/// Who says whether an access token is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenCheck {
    /// The API itself: the token is a JWT (RFC 9068).
    Jwt,
    /// The provider, for tokens of any form.
    Introspection,
}

impl FromStr for TokenCheck {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "jwt" => Ok(Self::Jwt),
            "introspection" => Ok(Self::Introspection),
            _ => Err("jwt or introspection is expected"),
        }
    }
}

/// The form of the provider's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerForm {
    /// JSON (RFC 7662 §2.2).
    Json,
    /// A signed JWT (RFC 9701).
    Jwt,
}

impl FromStr for AnswerForm {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "json" => Ok(Self::Json),
            "jwt" => Ok(Self::Jwt),
            _ => Err("json or jwt is expected"),
        }
    }
}

/// How a resource server introspects.
#[derive(Clone, Debug)]
pub struct IntrospectionSettings {
    /// Its client at the provider.
    pub client_id: &'static str,
    /// The secret of this client.
    pub secret: SecretString,
    /// For how long an answer counts; zero: each call asks.
    pub bound: Duration,
    /// The form of the answers.
    pub form: AnswerForm,
}

impl IntrospectionArgs {
    /// The settings of the client `client_id`, if its setting `name` is `check` =
    /// `introspection`; `Some(None)` if it is `jwt`. `secret` reads the client's secret.
    /// Errors are added to `problems`.
    pub fn read(
        &self,
        client_id: &'static str,
        (name, check): (&str, &str),
        secret: impl FnOnce(&mut Problems) -> Option<SecretString>,
        problems: &mut Problems,
    ) -> Option<Option<IntrospectionSettings>> {
        let check = problems.parse(name, check);
        let bound = problems.time("INTROSPECTION_CACHE", &self.introspection_cache);
        let is_usable = bound.is_none_or(|bound| CACHE.contains(&bound));
        if !is_usable {
            problems.add("INTROSPECTION_CACHE", "from 0s to 5m");
        }
        let form = problems.parse("INTROSPECTION_ANSWER", &self.introspection_answer);
        match check? {
            TokenCheck::Jwt => Some(None),
            TokenCheck::Introspection => {
                let secret = secret(problems);
                Some(Some(IntrospectionSettings {
                    client_id,
                    secret: secret?,
                    bound: bound.filter(|_| is_usable)?,
                    form: form?,
                }))
            }
        }
    }
}

#[cfg(test)]
mod unit {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        own: IntrospectionArgs,
    }

    fn read(check: &str, flags: &[&str]) -> Result<Option<IntrospectionSettings>, Vec<String>> {
        let program = Program::parse_from([&["program"], flags].concat());
        let mut problems = Problems::new();
        let secret = |_: &mut Problems| Some("s".to_owned().into());
        let settings = program
            .own
            .read("api-2", ("API2_TOKENS", check), secret, &mut problems);
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(problems.lines().to_vec()),
        }
    }

    #[test]
    fn an_api_verifies_jwts_or_introspects() {
        assert!(read("jwt", &[]).unwrap().is_none());
        let settings = read("introspection", &[]).unwrap().unwrap();
        assert_eq!(settings.bound, Duration::from_secs(5));
        assert_eq!(settings.form, AnswerForm::Json);
        let flags = ["--introspection-cache=0s", "--introspection-answer=jwt"];
        let settings = read("introspection", &flags).unwrap().unwrap();
        assert_eq!(settings.bound, Duration::ZERO);
        assert_eq!(settings.form, AnswerForm::Jwt);
    }

    #[test]
    fn all_errors_at_once() {
        let wrong = ["--introspection-cache=6m", "--introspection-answer=xml"];
        let lines = read("maybe", &wrong).unwrap_err();
        for (line, key) in lines.iter().zip([
            "API2_TOKENS: ",
            "INTROSPECTION_CACHE: ",
            "INTROSPECTION_ANSWER: ",
        ]) {
            assert!(line.starts_with(key), "{line}");
        }
        assert_eq!(lines.len(), 3);
    }
}
