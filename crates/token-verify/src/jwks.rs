//! The keys of one signer (an issuer, or a client): cached, fetched again from time to
//! time and when no cached key signed a JWT. A failed fetch keeps the old set.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use jsonwebtoken::Algorithm;
use kit::{
    clock::{Clock, Timestamp},
    net::ReadError,
    shutdown::Shutdown,
};
use parking_lot::RwLock;

use crate::{
    jwt::UnverifiedJwt,
    keys::{Key, KeySet, NoSigner},
};

/// Where a signer publishes its keys.
#[async_trait]
pub trait KeySource: Send + Sync + 'static {
    /// Fetches the current set.
    async fn fetch(&self) -> Result<KeySet, FetchError>;
}

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The signer is unreachable, or the connection broke.
    #[error("{url}: {source}")]
    Unreachable {
        /// The requested address.
        url: String,
        /// The cause.
        source: ReadError,
    },
    /// The status is not 200.
    #[error("{url}: answered with status {status}")]
    Status {
        /// The requested address.
        url: String,
        /// The status.
        status: u16,
    },
    /// The response is not the expected JSON.
    #[error("{url}: not the expected document: {source}")]
    Malformed {
        /// The requested address.
        url: String,
        /// The error.
        source: serde_json::Error,
    },
    /// OIDC Discovery §4.3, RFC 8414 §3.3: the document must name the requested
    /// issuer.
    #[error("{url}: the document names the issuer {found:?}, not {expected:?}")]
    OtherIssuer {
        /// The requested address.
        url: String,
        /// The issuer in the document.
        found: String,
        /// The expected issuer.
        expected: String,
    },
    /// The keys are not fetched over the network, and cannot be read.
    #[error(transparent)]
    Unreadable(Box<dyn Error + Send + Sync>),
}

/// When the set is fetched again.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Between regular fetches.
    pub refresh: Duration,
    /// Between fetches for JWTs that no cached key signed: a stranger can send any
    /// number of them.
    pub cooldown: Duration,
    /// The cooldown after a failed fetch.
    pub failed_cooldown: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(300),
            cooldown: Duration::from_secs(30),
            failed_cooldown: Duration::from_secs(1),
        }
    }
}

/// Why the key that signed a JWT was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// No set was ever fetched: nothing is known about the JWT.
    #[error("the signer's keys could not be fetched yet")]
    NoKeys,
    /// No key of the cached set signed it, and a newer set could not be fetched.
    #[error("{0}, and newer keys could not be fetched")]
    Outdated(NoSigner),
    /// No key of the newest set that the cooldown allows signed it.
    #[error(transparent)]
    NoSigner(NoSigner),
}

/// The cache of one signer's keys.
pub struct Jwks {
    owner: String,
    source: Box<dyn KeySource>,
    timing: Timing,
    clock: Arc<dyn Clock>,
    keys: RwLock<Option<Arc<KeySet>>>,
    /// The task that holds the lock fetches; others wait for its result.
    last_fetch: tokio::sync::Mutex<LastFetch>,
}

/// The last fetch for a JWT that no cached key signed.
#[derive(Default)]
struct LastFetch {
    has_failed: bool,
    cooldown_ends: Timestamp,
}

/// A newer set could not be fetched.
struct FetchFailed;

impl Jwks {
    /// An empty cache of the keys of `owner` (the issuer's identifier, or the
    /// client's id), which `source` publishes.
    pub fn new(
        owner: impl Into<String>,
        source: impl KeySource,
        timing: Timing,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self {
            owner: owner.into(),
            source: Box::new(source),
            timing,
            clock,
            keys: RwLock::new(None),
            last_fetch: tokio::sync::Mutex::default(),
        })
    }

    /// Whose keys they are.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Fetches the set. The old one stays if that fails.
    pub async fn refresh(&self) -> Result<(), FetchError> {
        let set = self.source.fetch().await?;
        *self.keys.write() = Some(Arc::new(set));
        Ok(())
    }

    /// Fetches the set from time to time until the drain. For a task of its own.
    pub async fn keep_fresh(self: Arc<Self>, shutdown: Shutdown) {
        loop {
            let pause = tokio::time::sleep(self.timing.refresh);
            if shutdown.unless_begun(pause).await.is_none() {
                return;
            }
            match shutdown.unless_begun(self.refresh()).await {
                None => return,
                Some(Ok(())) => {}
                Some(Err(error)) => self.warn(&error),
            }
        }
    }

    /// The key that signed `jwt` with one of the algorithms `allowed`. If no cached key
    /// did, fetches a newer set first, unless the last fetch was a moment ago.
    pub async fn signer(
        &self,
        jwt: &UnverifiedJwt<'_>,
        allowed: &[Algorithm],
    ) -> Result<Arc<Key>, SignerError> {
        let signer = |set: &KeySet| set.signer(jwt, allowed).cloned();
        let held = self.keys.read().clone();
        let outdated = match held.as_deref().map(signer) {
            Some(Ok(key)) => return Ok(key),
            Some(Err(none)) if !none.may_be_outdated() => return Err(SignerError::NoSigner(none)),
            Some(Err(none)) => Some(none),
            None => None,
        };
        match (self.newer_than(held.as_ref()).await, outdated) {
            (Ok(Some(newer)), _) => signer(&newer).map_err(SignerError::NoSigner),
            (Ok(None), Some(none)) => Err(SignerError::NoSigner(none)),
            (Err(FetchFailed), Some(none)) => Err(SignerError::Outdated(none)),
            (_, None) => Err(SignerError::NoKeys),
        }
    }

    /// Whether `key` is still one of the signer's.
    pub(crate) fn holds(&self, key: &Arc<Key>) -> bool {
        self.keys.read().as_ref().is_some_and(|set| set.holds(key))
    }

    /// A set newer than `seen`, fetched if necessary; `None` during the cooldown.
    async fn newer_than(
        &self,
        seen: Option<&Arc<KeySet>>,
    ) -> Result<Option<Arc<KeySet>>, FetchFailed> {
        let newer = || {
            let held = self.keys.read().clone();
            held.filter(|held| seen.is_none_or(|seen| !Arc::ptr_eq(seen, held)))
        };
        let mut last = self.last_fetch.lock().await;
        // Another task may have fetched it meanwhile.
        if let Some(newer) = newer() {
            return Ok(Some(newer));
        }
        let now = self.clock.now();
        if now >= last.cooldown_ends {
            let fetched = self.refresh().await.inspect_err(|error| self.warn(error));
            last.has_failed = fetched.is_err();
            last.cooldown_ends = now
                + match fetched {
                    Ok(()) => self.timing.cooldown,
                    Err(_) => self.timing.failed_cooldown,
                };
        }
        if last.has_failed {
            return Err(FetchFailed);
        }
        drop(last);
        Ok(newer())
    }

    fn warn(&self, error: &FetchError) {
        let owner = &self.owner;
        tracing::warn!(owner, "the keys are not up to date: {error}");
    }
}
