//! A login in progress: what the app keeps between `/login` and `/callback`. Its
//! record is in the store under a hash of `state`, can be used once, and is bound to
//! the browser by a cookie.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpRequest, cookie::Cookie};
use bytes::Bytes;
use kit::{
    Deps,
    clock::{Clock, Timestamp},
    config::{LoginBudget, Weakness, Weaknesses},
    random::Random,
    seal::{Keyring, fingerprint},
};
use oauth_types::secret::same_secret;
use serde::{Deserialize, Serialize};
use store::{Budget, Charge, OverflowPolicy, Owner, SharedStore, StoreError, cost};
use web_kit::client::client_addr;

use crate::{
    cookies::{self, Cookies},
    credentials::Chosen,
    sessions::SessionMode,
};

/// How long a user may take at the provider.
const LIFETIME: Duration = Duration::from_secs(600);
/// The most logins in progress in one browser: each has a cookie.
pub(crate) const MAX_LOGINS: usize = 5;

/// The most bytes of a record before it is sealed.
const MAX_PLAIN: usize = 2000;
/// How long the provider keeps a pushed request that no browser opens.
const PUSHED: Duration = Duration::from_secs(60);
/// The size of a pushed request there, with the record of the assertion's `jti`.
const PUSH_COST: u64 = 1500;

const VERSION: u32 = 1;

/// What the callback needs. No `Debug`: it holds secrets.
#[derive(Serialize, Deserialize)]
pub(crate) struct PreSession {
    v: u32,
    /// The hash of what the browser's cookie holds.
    binding: String,
    /// For the id_token (OIDC Core §3.1.2.1).
    pub(crate) nonce: String,
    /// For the code (RFC 7636 §4.1).
    pub(crate) verifier: String,
    /// The path to which the login leads.
    pub(crate) return_to: String,
    /// The earliest time of sign-in that counts, where the login asked for a fresh
    /// sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signed_in_since: Option<Timestamp>,
    /// The session's mode, where the login chose one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<SessionMode>,
    /// How the session gets credentials, where the login chose that.
    #[serde(default, skip_serializing_if = "Chosen::is_default")]
    pub(crate) credentials: Chosen,
    /// Whether it is a login with the second provider of a lab.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) second_provider: bool,
    /// What the record is charged to; a record of an older version has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    charge: Option<Charge>,
    /// What its pushed request is charged to, if the request was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    push: Option<Charge>,
}

/// What `/login` decides and the callback needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewLogin<'a> {
    /// The path to which the login leads.
    pub(crate) return_to: &'a str,
    /// The earliest time of sign-in that counts.
    pub(crate) signed_in_since: Option<Timestamp>,
    /// The session's mode, where the login chooses one.
    pub(crate) mode: Option<SessionMode>,
    /// How the session gets credentials, where the login chooses that.
    pub(crate) credentials: Chosen,
    /// Whether its request is pushed to the provider.
    pub(crate) pushes: bool,
    /// Whether it is a login with the second provider of a lab.
    pub(crate) second_provider: bool,
}

/// Why a login cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartLoginError {
    /// Too many requests were pushed lately: in all, or for this address.
    #[error("too many logins were begun and not finished")]
    TooMany,
    /// The record would be too large.
    #[error("the login asks for more than can be kept")]
    TooLarge,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A login that has started.
pub(crate) struct StartedLogin {
    /// `nonce`.
    pub(crate) nonce: String,
    /// The PKCE verifier.
    pub(crate) verifier: String,
    /// Binds the login to this browser, and removes the oldest ones.
    pub(crate) cookies: Vec<Cookie<'static>>,
    /// When it ends.
    pub(crate) ends: Timestamp,
}

/// A login in progress that this browser began. No `Debug`: it holds secrets.
pub(crate) struct Found {
    key: String,
    sealed: Bytes,
    record: PreSession,
}

impl Found {
    /// Whether it is a login with the second provider of a lab.
    pub(crate) const fn is_with_second_provider(&self) -> bool {
        self.record.second_provider
    }
}

/// Why a callback belongs to no login.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoLogin {
    /// This browser did not begin it.
    #[error("this browser did not begin this login")]
    Foreign,
    /// It was used, it has expired, or it never existed.
    #[error("this login was used already or took too long")]
    Gone,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All logins in progress.
pub(crate) struct PreSessions {
    store: SharedStore,
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    client_id: String,
    weaknesses: Weaknesses,
    budget: Budget,
    pushes: Budget,
}

impl PreSessions {
    pub(crate) fn new(
        store: SharedStore,
        keyring: Keyring,
        deps: &Deps,
        client_id: &str,
        budget: LoginBudget,
    ) -> Self {
        let (clock, random) = (deps.clock.clone(), deps.random.clone());
        let (in_all, per_address) = (budget.in_all, budget.per_address);
        let new = |what: &str, in_all, beyond| {
            let (store, clock) = (store.clone(), clock.clone());
            let prefix = format!("bff:{client_id}:budget:{what}");
            Budget::new(store, clock, &prefix, (in_all, per_address), beyond)
        };
        let budget = new("login", in_all, OverflowPolicy::Evict);
        // The provider sees all requests of an app from one address, and cannot tell
        // one browser from another: so too many are refused here. The provider allows
        // each client half a budget.
        let pushes = new("push", in_all / 2, OverflowPolicy::Refuse);
        Self {
            store,
            keyring,
            clock,
            random,
            client_id: client_id.to_owned(),
            weaknesses: Weaknesses::default(),
            budget,
            pushes,
        }
    }

    /// The same without the defences that a lab has switched off.
    pub(crate) fn weakened(self, weaknesses: Weaknesses) -> Self {
        Self { weaknesses, ..self }
    }

    /// Begins the login of `state` in the browser that sent `req`.
    pub(crate) async fn begin(
        &self,
        req: &HttpRequest,
        state: &str,
        login: NewLogin<'_>,
    ) -> Result<StartedLogin, StartLoginError> {
        let owner = Owner::at(client_addr(req).ip());
        let key = self.key(state);
        let push = login.pushes.then(|| Charge::new(owner.clone(), PUSH_COST));
        if let Some(push) = &push {
            let ends = self.clock.now() + PUSHED;
            if !self.pushes.enter_name(push, &key, ends).await? {
                return Err(StartLoginError::TooMany);
            }
        }
        let secret = self.random.token();
        let mut record = PreSession {
            v: VERSION,
            binding: fingerprint(&secret),
            nonce: self.random.token(),
            verifier: self.random.token(),
            return_to: login.return_to.to_owned(),
            signed_in_since: login.signed_in_since,
            mode: login.mode,
            credentials: login.credentials,
            second_provider: login.second_provider,
            charge: None,
            push,
        };
        self.keep(&key, owner, &mut record).await?;
        let value = format!("{}.{secret}", self.clock.now().secs());
        let mut cookies = surplus(cookies::logins(req));
        cookies.push(cookies::login(state, &value, LIFETIME));
        let PreSession {
            nonce, verifier, ..
        } = record;
        Ok(StartedLogin {
            nonce,
            verifier,
            cookies,
            ends: self.clock.now() + LIFETIME,
        })
    }

    /// Saves `record`, charged to `owner`; older records of the owner may be removed.
    async fn keep(
        &self,
        key: &str,
        owner: Owner,
        record: &mut PreSession,
    ) -> Result<(), StartLoginError> {
        let size = serde_json::to_vec(record).unwrap_or_default().len();
        let charge = Charge::new(owner, cost(key, size));
        record.charge = Some(charge.clone());
        let plain = serde_json::to_vec(record).unwrap_or_default();
        if plain.len() > MAX_PLAIN {
            return Err(StartLoginError::TooLarge);
        }
        let sealed = self.keyring.seal(&*self.random, key, &plain);
        self.store.put(key, sealed.into(), LIFETIME).await?;
        let ends = self.clock.now() + LIFETIME;
        let entered = self.budget.enter(&charge, key, ends).await;
        if !matches!(entered, Ok(true)) {
            // A record without an entry in the budget is not kept.
            self.store.remove(key).await.and(entered)?;
        }
        Ok(())
    }

    /// The login of `state` that the browser of `req` began. It stays in the store: a
    /// client that only knows a `state` cannot use up another browser's login.
    pub(crate) async fn find(&self, req: &HttpRequest, state: &str) -> Result<Found, NoLogin> {
        let anybodys = self.weaknesses.has(Weakness::LoginUnbound);
        let cookie = Cookies::of(req).get(&cookies::login_name(state));
        let secret = cookie.and_then(|cookie| Some(cookie.split_once('.')?.1));
        if secret.is_none() && !anybodys {
            return Err(NoLogin::Foreign);
        }
        let key = self.key(state);
        let sealed = self.store.get(&key).await?.ok_or(NoLogin::Gone)?;
        let plain = self
            .keyring
            .open(&key, sealed.to_vec())
            .ok_or(NoLogin::Gone)?;
        let record: PreSession = serde_json::from_slice(&plain).map_err(|_| NoLogin::Gone)?;
        if record.v != VERSION {
            return Err(NoLogin::Gone);
        }
        let began_here = |secret: &str| same_secret(&fingerprint(secret), &record.binding);
        if !secret.is_some_and(began_here) && !anybodys {
            return Err(NoLogin::Foreign);
        }
        Ok(Found {
            key,
            sealed,
            record,
        })
    }

    /// Takes the login out of the store. Of concurrent callers one succeeds.
    pub(crate) async fn take(&self, found: Found) -> Result<PreSession, NoLogin> {
        let Found {
            key,
            sealed,
            record,
        } = found;
        let taken = self.store.take(&key).await?;
        if taken != Some(sealed) {
            return Err(NoLogin::Gone);
        }
        release(&self.budget, record.charge.as_ref(), &key).await;
        Ok(record)
    }

    /// The login of `state` has ended in a session. Any other end leaves its pushed request
    /// charged: anybody can end a login with a made-up code.
    pub(crate) async fn completed(&self, state: &str, login: &PreSession) {
        release(&self.pushes, login.push.as_ref(), &self.key(state)).await;
    }

    fn key(&self, state: &str) -> String {
        format!("bff:{}:login:{}", self.client_id, fingerprint(state))
    }
}

/// Releases the charge of `key`, if there is one.
async fn release(budget: &Budget, charge: Option<&Charge>, key: &str) {
    if let Some(charge) = charge
        && let Err(error) = budget.leave(charge, key).await
    {
        // The entry expires with the record.
        tracing::warn!("a login that has ended still counts: {error}");
    }
}

/// Removes the cookies of the oldest logins, so that one more fits.
fn surplus(mut logins: Vec<(String, String)>) -> Vec<Cookie<'static>> {
    let began = |value: &str| {
        value
            .split_once('.')
            .and_then(|(secs, _)| secs.parse::<i64>().ok())
    };
    logins.sort_by_key(|(_, value)| began(value).unwrap_or(i64::MIN));
    let too_many = (logins.len() + 1).saturating_sub(MAX_LOGINS);
    logins
        .iter()
        .take(too_many)
        .map(|(name, _)| cookies::forget(name))
        .collect()
}

#[cfg(test)]
#[path = "pre_session_tests.rs"]
mod tests;
