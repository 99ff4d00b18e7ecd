//! Compares the specification with the cluster, and writes the missing keys.
//!
//! A value that is derived from another one is derived from the value in the cluster, never
//! from one that this process only plans to write: of two concurrent runs one gets a
//! conflict, reads again, and continues from the other's values. The keys of one Secret are
//! written together, so within a Secret a value may be derived from a new one.

use std::{collections::BTreeMap, fmt};

use kit::Deps;

use super::{
    api::{Api, ApiError, Data, Found, Written},
    make::{Given, agrees, make},
    spec::{Kind, Source, Spec, Wanted},
};

/// The maximum number of conflicts in one run.
const MAX_OVERTAKEN: usize = 100;

/// An event, for the output.
pub(super) enum Event<'a> {
    /// Existing keys.
    Kept { secret: &'a str, keys: Vec<&'a str> },
    /// Keys that this run wrote.
    Made { secret: &'a str, keys: Vec<&'a str> },
    /// An existing key that does not match its source.
    Differs {
        secret: &'a str,
        key: &'a str,
        source: &'a Source,
    },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept { secret, keys } => write!(f, "{secret}: kept {}", keys.join(", ")),
            Self::Made { secret, keys } => write!(f, "{secret}: made {}", keys.join(", ")),
            Self::Differs {
                secret,
                key,
                source,
            } => write!(
                f,
                "{secret}/{key} does not fit {source}; both are left as they are"
            ),
        }
    }
}

/// Why keys are missing at the end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("{secret}/{key}: {what}")]
    Make {
        secret: String,
        key: String,
        what: String,
    },
    #[error("{secret}/{key}: {source_key} does not exist and is not in the specification")]
    NoSource {
        secret: String,
        key: String,
        source_key: String,
    },
    #[error("the Secrets kept changing during the run")]
    Overtaken,
}

/// The Secrets in the cluster; `None`: no such Secret.
struct ExistingSecrets(BTreeMap<String, Option<Found>>);

/// Writes the missing keys.
pub(super) async fn apply(
    spec: &Spec,
    api: &Api,
    deps: &Deps,
    tell: &mut dyn FnMut(&Event<'_>),
) -> Result<(), ApplyError> {
    let mut existing = ExistingSecrets::read(spec, api).await?;
    let mut made: Vec<(&str, Vec<String>)> = Vec::new();
    for wanted in &spec.secrets {
        let kept: Vec<_> = existing.present(wanted).collect();
        if !kept.is_empty() {
            let secret = &wanted.name;
            tell(&Event::Kept { secret, keys: kept });
        }
    }
    let mut overtaken = 0;
    while let Some(wanted) = existing.next(spec)? {
        let name = wanted.name.as_str();
        let new = existing.make(wanted, deps)?;
        let written = match existing.secret(name) {
            None => api.create(name, &spec.labels, &new).await?,
            Some(found) => api.add(name, found, &new).await?,
        };
        match written {
            Written::Done(found) => {
                existing.0.insert(name.to_owned(), Some(found));
                let keys = new.keys().map(String::as_str).collect();
                tell(&Event::Made { secret: name, keys });
                made.push((name, new.into_keys().collect()));
            }
            Written::Overtaken => {
                overtaken += 1;
                if overtaken > MAX_OVERTAKEN {
                    return Err(ApplyError::Overtaken);
                }
                existing.0.insert(name.to_owned(), api.get(name).await?);
            }
        }
    }
    for (secret, key, source) in existing.misfits(spec, deps) {
        let ours =
            |(name, keys): &(&str, Vec<String>)| *name == secret && keys.iter().any(|k| k == key);
        if !made.iter().any(ours) {
            tell(&Event::Differs {
                secret,
                key,
                source,
            });
        }
    }
    Ok(())
}

impl ExistingSecrets {
    async fn read(spec: &Spec, api: &Api) -> Result<Self, ApiError> {
        let sources = spec
            .secrets
            .iter()
            .flat_map(|wanted| wanted.keys.values().filter_map(Kind::source))
            .map(|source| &source.secret);
        let names = spec.secrets.iter().map(|wanted| &wanted.name);
        let mut existing = BTreeMap::new();
        for name in names.chain(sources) {
            if !existing.contains_key(name) {
                existing.insert(name.clone(), api.get(name).await?);
            }
        }
        Ok(Self(existing))
    }

    fn secret(&self, name: &str) -> Option<&Found> {
        self.0.get(name)?.as_ref()
    }

    fn value(&self, source: &Source) -> Option<&[u8]> {
        let secret = self.secret(&source.secret)?;
        secret.data.get(&source.key).map(Vec::as_slice)
    }

    fn present<'s>(&self, wanted: &'s Wanted) -> impl Iterator<Item = &'s str> {
        let keys = wanted.keys.keys().map(String::as_str);
        keys.filter(|key| self.has(&wanted.name, key))
    }

    fn has(&self, secret: &str, key: &str) -> bool {
        self.secret(secret)
            .is_some_and(|found| found.data.contains_key(key))
    }

    fn missing<'s>(&self, wanted: &'s Wanted) -> impl Iterator<Item = (&'s String, &'s Kind)> {
        let keys = wanted.keys.iter();
        keys.filter(|(key, _)| !self.has(&wanted.name, key))
    }

    /// Whether `kind` of `wanted` can be made now: its source exists, or is written with it.
    fn can_make(&self, wanted: &Wanted, kind: &Kind) -> bool {
        kind.source().is_none_or(|source| {
            self.value(source).is_some()
                || (source.secret == wanted.name
                    && wanted
                        .keys
                        .get(&source.key)
                        .is_some_and(|kind| self.can_make(wanted, kind)))
        })
    }

    /// The Secret to write next: preferably one that is then complete, because a pod may be
    /// waiting for it.
    fn next<'s>(&self, spec: &'s Spec) -> Result<Option<&'s Wanted>, ApplyError> {
        let mut some = None;
        for wanted in &spec.secrets {
            let missing = self.missing(wanted).count();
            let makeable = self
                .missing(wanted)
                .filter(|(_, kind)| self.can_make(wanted, kind))
                .count();
            if missing > 0 && makeable == missing {
                return Ok(Some(wanted));
            }
            if makeable > 0 {
                some = some.or(Some(wanted));
            }
        }
        let first = |wanted: &'s Wanted| Some((wanted, self.missing(wanted).next()?));
        match (some, spec.secrets.iter().find_map(first)) {
            (None, Some((wanted, (key, kind)))) => Err(ApplyError::NoSource {
                secret: wanted.name.clone(),
                key: key.clone(),
                source_key: kind.source().map(ToString::to_string).unwrap_or_default(),
            }),
            (some, _) => Ok(some),
        }
    }

    /// The missing values of `wanted` that can be made now.
    fn make(&self, wanted: &Wanted, deps: &Deps) -> Result<Data, ApplyError> {
        let mut new = Data::new();
        let makeable: Vec<_> = self
            .missing(wanted)
            .filter(|(_, kind)| self.can_make(wanted, kind))
            .collect();
        // Each round makes values whose sources the previous round made.
        while new.len() < makeable.len() {
            let before = new.len();
            for (key, kind) in &makeable {
                let source = kind.source();
                let value = source.and_then(|source| {
                    let with_it = (source.secret == wanted.name).then(|| new.get(&source.key));
                    self.value(source).or(with_it.flatten().map(Vec::as_slice))
                });
                if new.contains_key(*key) || (source.is_some() && value.is_none()) {
                    continue;
                }
                let given = Given {
                    source: value,
                    is_older: self.secret(&wanted.name).is_some(),
                };
                let value = make(kind, given, deps).map_err(|what| ApplyError::Make {
                    secret: wanted.name.clone(),
                    key: (*key).clone(),
                    what,
                })?;
                new.insert((*key).clone(), value);
            }
            if new.len() == before {
                break;
            }
        }
        Ok(new)
    }

    /// Keys whose value does not match their source.
    fn misfits<'s>(&self, spec: &'s Spec, deps: &Deps) -> Vec<(&'s str, &'s str, &'s Source)> {
        let mut misfits = Vec::new();
        for wanted in &spec.secrets {
            for (key, kind) in &wanted.keys {
                let Some(source) = kind.source() else {
                    continue;
                };
                let own = Source {
                    secret: wanted.name.clone(),
                    key: key.clone(),
                };
                let given = Given {
                    source: self.value(source),
                    ..Given::default()
                };
                let expected = make(kind, given, deps);
                let fits = match (self.value(&own), expected) {
                    (Some(there), Ok(expected)) => agrees(kind, there, &expected),
                    _ => false,
                };
                if !fits {
                    misfits.push((wanted.name.as_str(), key.as_str(), source));
                }
            }
        }
        misfits
    }
}
