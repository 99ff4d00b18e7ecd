//! The specification of the Secrets, read from TOML; all errors are reported together.

use std::collections::{BTreeMap, BTreeSet};

use kit::config::Problems;
use serde::Deserialize;

/// The maximum number of Secrets, and of keys in one.
const MAX_SECRETS: usize = 32;
const MAX_KEYS: usize = 64;
/// The placeholder of the password in a template.
pub(super) const PASSWORD: &str = "${password}";

/// The specification.
#[derive(Debug)]
pub(super) struct Spec {
    /// The labels of each new Secret.
    pub(super) labels: BTreeMap<String, String>,
    pub(super) secrets: Vec<Wanted>,
}

/// A Secret with its keys.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) keys: BTreeMap<String, Kind>,
}

/// The kind of a key's value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Password,
    Token,
    SealingKey,
    RecordsUpgraded,
    SigningKey(idp::Algorithm),
    ClientKey,
    ClientJwks(Source),
    RedisUrl {
        template: String,
        from: Source,
    },
    Authority,
    AuthorityCertificate(Source),
    ServerCertificate {
        names: Vec<String>,
        from: Source,
    },
    ClientCertificate {
        subject: String,
        /// Its alternative name, if it has one.
        uri: Option<String>,
        from: Source,
    },
    Copy(Source),
}

/// A key of a Secret that another one is derived from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) secret: String,
    pub(super) key: String,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.secret, self.key)
    }
}

impl Kind {
    /// The key that it is derived from, if any.
    pub(super) const fn source(&self) -> Option<&Source> {
        match self {
            Self::ClientJwks(from)
            | Self::Copy(from)
            | Self::RedisUrl { from, .. }
            | Self::AuthorityCertificate(from)
            | Self::ServerCertificate { from, .. }
            | Self::ClientCertificate { from, .. } => Some(from),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    secrets: Vec<SecretTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretTable {
    name: String,
    keys: BTreeMap<String, KeyTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyTable {
    kind: String,
    from: Option<String>,
    template: Option<String>,
    /// The host names of a server's certificate.
    names: Option<Vec<String>>,
    /// The common name of a client's certificate.
    subject: Option<String>,
    /// A URI in a client's certificate.
    uri: Option<String>,
}

impl Spec {
    /// Reads `text` (called `name` in errors); errors are added to `problems`.
    pub(super) fn parse(name: &str, text: &str, problems: &mut Problems) -> Option<Self> {
        let file: File = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                problems.add(name, error.to_string().trim_end().replace('\n', " "));
                return None;
            }
        };
        let before = problems.lines().len();
        let mut wrong = |key: &str, what: &str| problems.add(format_args!("{name}: {key}"), what);
        if !(1..=MAX_SECRETS).contains(&file.secrets.len()) {
            wrong("secrets", &format!("from 1 to {MAX_SECRETS}"));
        }
        let mut names = BTreeSet::new();
        let mut secrets = Vec::new();
        for table in file.secrets {
            if !is_name(&table.name) {
                wrong(&table.name, "not the name of a Secret");
            }
            if !names.insert(table.name.clone()) {
                wrong(&table.name, "occurs twice");
            }
            if !(1..=MAX_KEYS).contains(&table.keys.len()) {
                wrong(&table.name, &format!("from 1 to {MAX_KEYS} keys"));
            }
            let mut keys = BTreeMap::new();
            for (key, about) in table.keys {
                let place = format!("{}/{key}", table.name);
                if !is_key(&key) {
                    wrong(&place, "not the name of a key");
                }
                match about.read(&table.name) {
                    Ok(kind) => drop(keys.insert(key, kind)),
                    Err(what) => wrong(&place, &what),
                }
            }
            secrets.push(Wanted {
                name: table.name,
                keys,
            });
        }
        let spec = Self {
            labels: file.labels,
            secrets,
        };
        for at in spec.circles() {
            wrong(&at.to_string(), "made from itself in the end");
        }
        (problems.lines().len() == before).then_some(spec)
    }

    /// The source of `source`.
    fn source_of(&self, source: &Source) -> Option<&Source> {
        let secret = self.secrets.iter().find(|one| one.name == source.secret)?;
        secret.keys.get(&source.key)?.source()
    }

    /// Keys that are derived from themselves through their sources.
    fn circles(&self) -> Vec<Source> {
        let all = self.secrets.iter().flat_map(|secret| {
            secret.keys.keys().map(|key| Source {
                secret: secret.name.clone(),
                key: key.clone(),
            })
        });
        let back = |start: &Source| {
            let steps = std::iter::successors(self.source_of(start), |at| self.source_of(at));
            // A chain longer than the number of keys is a circle.
            steps.take(MAX_SECRETS * MAX_KEYS).any(|at| at == start)
        };
        all.filter(back).collect()
    }
}

impl KeyTable {
    fn read(self, secret: &str) -> Result<Kind, String> {
        let from = self.from.map(|from| source(&from, secret)).transpose()?;
        let template = match self.template {
            Some(text) if !text.contains(PASSWORD) => {
                return Err(format!("template: {PASSWORD} is not in it"));
            }
            template => template,
        };
        let kind = self.kind;
        let needs = |what: &str| format!("{kind}: needs {what}");
        if self.uri.is_some() && kind != "client-certificate" {
            return Err(needs("no uri"));
        }
        match (kind.as_str(), self.names, self.subject) {
            ("server-certificate", Some(names), None) if !names.is_empty() => {
                let from = from.ok_or_else(|| needs("from and names"))?;
                return Ok(Kind::ServerCertificate { names, from });
            }
            ("client-certificate", None, Some(subject)) if !subject.is_empty() => {
                let from = from.ok_or_else(|| needs("from and subject"))?;
                let uri = self.uri;
                return Ok(Kind::ClientCertificate { subject, uri, from });
            }
            ("server-certificate", ..) => return Err(needs("from and names")),
            ("client-certificate", ..) => return Err(needs("from and subject")),
            (_, None, None) => {}
            _ => return Err(needs("neither names nor subject")),
        }
        Ok(match (kind.as_str(), from, template) {
            ("password", None, None) => Kind::Password,
            ("token", None, None) => Kind::Token,
            ("sealing-key", None, None) => Kind::SealingKey,
            ("records-upgraded", None, None) => Kind::RecordsUpgraded,
            ("signing-key-es256", None, None) => Kind::SigningKey(idp::Algorithm::Es256),
            ("signing-key-rs256", None, None) => Kind::SigningKey(idp::Algorithm::Rs256),
            ("signing-key-eddsa", None, None) => Kind::SigningKey(idp::Algorithm::EdDsa),
            ("client-key", None, None) => Kind::ClientKey,
            ("client-jwks", Some(from), None) => Kind::ClientJwks(from),
            ("redis-url", Some(from), Some(template)) => Kind::RedisUrl { template, from },
            ("copy", Some(from), None) => Kind::Copy(from),
            ("authority", None, None) => Kind::Authority,
            ("authority-certificate", Some(from), None) => Kind::AuthorityCertificate(from),
            ("client-jwks" | "copy" | "authority-certificate", ..) => {
                return Err(needs("from alone"));
            }
            ("redis-url", ..) => return Err(needs("from and template")),
            (
                "password" | "token" | "sealing-key" | "records-upgraded" | "signing-key-es256"
                | "signing-key-rs256" | "signing-key-eddsa" | "client-key" | "authority",
                ..,
            ) => return Err(needs("neither from nor template")),
            (other, ..) => return Err(format!("{other:?}: no such kind")),
        })
    }
}

/// `KEY` of the same Secret, or `SECRET/KEY`.
fn source(text: &str, own: &str) -> Result<Source, String> {
    let (secret, key) = text.split_once('/').unwrap_or((own, text));
    if !is_name(secret) || !is_key(key) {
        return Err(format!("from: {text:?}: [SECRET/]KEY is expected"));
    }
    Ok(Source {
        secret: secret.to_owned(),
        key: key.to_owned(),
    })
}

/// A label of a DNS name (RFC 1123 §2.1): the form of a namespace's name.
pub(super) fn is_label(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inside)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_key(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=253).contains(&text.len()) && text.bytes().all(inside) && text != "." && text != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Spec, Vec<String>> {
        let mut problems = Problems::new();
        Spec::parse("spec.toml", text, &mut problems).ok_or_else(|| problems.lines().to_vec())
    }

    #[test]
    fn the_helps_example_is_one() {
        let start = super::super::HELP.find("  [labels]").unwrap();
        let end = super::super::HELP.find("Kinds:").unwrap();
        let spec = parse(&super::super::HELP[start..end]).unwrap();
        assert_eq!(spec.labels["app.kubernetes.io/part-of"], "sso-lab");
        let [redis, app2, idp] = &*spec.secrets else {
            panic!("three Secrets: {spec:?}");
        };
        assert_eq!(
            redis.keys["redis-url"].source().unwrap().to_string(),
            "demo-redis/redis-password"
        );
        assert_eq!(app2.keys["app2-client.pem"], Kind::ClientKey);
        assert_eq!(
            idp.keys["app2-client.jwks.json"]
                .source()
                .unwrap()
                .to_string(),
            "demo-app2/app2-client.pem"
        );
    }

    #[test]
    fn every_error_is_named_at_once() {
        let errors = parse(
            r#"
            [[secrets]]
            name = "Upper"
            keys = { a = { kind = "token" }, "b/c" = { kind = "token" } }
            [[secrets]]
            name = "one"
            [secrets.keys]
            a = { kind = "magic" }
            b = { kind = "token", from = "a" }
            c = { kind = "copy" }
            d = { kind = "redis-url", from = "a", template = "redis://x" }
            e = { kind = "client-jwks", from = "A/b/c" }
            f = { kind = "copy", from = "f" }
            g = { kind = "copy", from = "two/h" }
            i = { kind = "server-certificate", from = "a" }
            j = { kind = "client-certificate", subject = "x" }
            k = { kind = "token", names = ["x"] }
            l = { kind = "token", uri = "urn:x" }
            [[secrets]]
            name = "two"
            keys = { h = { kind = "copy", from = "one/g" } }
            [[secrets]]
            name = "two"
            keys = {}
            "#,
        )
        .unwrap_err();
        let expected = [
            "Upper: not the name of a Secret",
            "Upper/b/c: not the name of a key",
            "one/a: \"magic\": no such kind",
            "one/b: token: needs neither",
            "one/c: copy: needs from",
            "one/d: template: ${password} is not in it",
            "one/e: from: \"A/b/c\"",
            "one/i: server-certificate: needs from and names",
            "one/j: client-certificate: needs from and subject",
            "one/k: token: needs neither names nor subject",
            "one/l: token: needs no uri",
            "two: occurs twice",
            "two: from 1 to 64 keys",
            "one/f: made from itself",
            "one/g: made from itself",
            "two/h: made from itself",
        ];
        assert_eq!(errors.len(), expected.len(), "{errors:#?}");
        for (error, expected) in errors.iter().zip(expected) {
            let expected = format!("spec.toml: {expected}");
            assert!(error.starts_with(&expected), "{error} is not {expected}");
        }
    }

    #[test]
    fn what_is_no_specification_is_refused_with_its_place() {
        for wrong in ["", "[[secrets]]\nname = \"a\"", "surprise = 1", "x"] {
            let errors = parse(wrong).unwrap_err();
            assert!(errors[0].starts_with("spec.toml: "), "{errors:?}");
        }
    }

    #[test]
    fn fuzz_lists_of_secrets() {
        let start = super::super::HELP.find("  [labels]").unwrap();
        let end = super::super::HELP.find("Kinds:").unwrap();
        fuzz::run_text(&[&super::super::HELP[start..end]], |text| {
            match parse(text) {
                Ok(spec) => {
                    assert!((1..=MAX_SECRETS).contains(&spec.secrets.len()));
                    assert!(spec.secrets.iter().all(|one| is_name(&one.name)));
                }
                Err(lines) => assert!(!lines.is_empty()),
            }
        });
    }
}
