//! Saving what a refresh gave. A rotated refresh token that is lost costs its
//! user the session, so a store that fails just then is tried until it is back.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kit::seal::fingerprint;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::{Inner, TokenError};
use crate::{
    provider::Grant,
    sessions::{Handle, Stored},
};

/// How often a result is written again over others' changes of the session.
const MAX_CONFLICTS: usize = 8;
/// The most results that wait for the store.
const MAX_UNSAVED: usize = 10_000;
/// How often the store is tried: from the first to the last.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// For how long.
const LONGEST: Duration = Duration::from_secs(600);

/// What a refresh gave.
pub(super) struct Gain {
    /// The audience that was asked for; `None`: the token is for another one.
    pub(super) audience: Option<&'static str>,
    /// The refresh token that it cost.
    pub(super) redeemed: String,
    /// The tokens.
    pub(super) grant: Grant,
}

/// What the store could not take yet, by a hash of the refresh token that it cost.
#[derive(Default)]
pub(super) struct Unsaved(Mutex<HashMap<String, Arc<Gain>>>);

impl Inner {
    /// Keeps `gain` in the session as it is now. One that has ended meanwhile
    /// stays ended, and its new refresh token is revoked.
    pub(super) async fn keep(
        self: &Arc<Self>,
        current: Arc<Stored>,
        gain: &Arc<Gain>,
    ) -> Result<(), TokenError> {
        let handle = current.handle.clone();
        match self.save(current, gain).await {
            Err(TokenError::Store(why)) => {
                if !self.unsaved.add(gain) {
                    return Err(TokenError::Store(why));
                }
                tracing::warn!("a session's new refresh token waits to be saved: {why}");
                tokio::spawn(self.clone().save_later(handle, gain.clone()));
                Ok(())
            }
            Err(TokenError::Ended) => {
                self.discard(gain).await;
                Err(TokenError::Ended)
            }
            saved => saved,
        }
    }

    /// `current` with what an earlier refresh of this process gave it and could
    /// not save.
    pub(super) async fn caught_up(&self, current: Arc<Stored>) -> Result<Arc<Stored>, TokenError> {
        let refresh_token = current.record.refresh_token.as_deref();
        let Some(gain) = refresh_token.and_then(|token| self.unsaved.get(token)) else {
            return Ok(current);
        };
        self.save(current.clone(), &gain).await?;
        self.unsaved.remove(&gain);
        self.current(&current).await?.ok_or(TokenError::Ended)
    }

    async fn save(&self, mut current: Arc<Stored>, gain: &Gain) -> Result<(), TokenError> {
        for _ in 0..MAX_CONFLICTS {
            let mut record = current.record.clone();
            record.take_over(gain.audience, &gain.redeemed, &gain.grant);
            let replaced = self.sessions.shelf().replace(&current, record);
            if replaced.await?.is_some() {
                return Ok(());
            }
            current = self.current(&current).await?.ok_or(TokenError::Ended)?;
        }
        Err(TokenError::Store(
            "the session changed all the time".to_owned(),
        ))
    }

    async fn save_later(self: Arc<Self>, handle: Handle, gain: Arc<Gain>) {
        let deadline = Instant::now() + LONGEST;
        let mut pause = RETRY.0;
        while Instant::now() < deadline && self.unsaved.get(&gain.redeemed).is_some() {
            sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
            let saved = match self.sessions.shelf().look(&handle).await {
                Ok(Some(current)) if gain.is_next_of(&current) => self.save(current, &gain).await,
                // Somebody else has moved on from it.
                Ok(Some(_)) => Ok(()),
                Ok(None) => {
                    self.discard(&gain).await;
                    Ok(())
                }
                Err(error) => Err(error.into()),
            };
            if !matches!(saved, Err(TokenError::Store(_))) {
                break;
            }
        }
        self.unsaved.remove(&gain);
    }

    /// Nobody needs what it holds: the session has ended.
    async fn discard(&self, gain: &Gain) {
        let Some(refresh_token) = &gain.grant.refresh_token else {
            return;
        };
        if let Err(error) = self.provider.revoke(refresh_token).await {
            tracing::warn!("an ended session's new refresh token was not revoked: {error}");
        }
    }
}

impl Gain {
    fn is_next_of(&self, session: &Stored) -> bool {
        session.record.refresh_token.as_deref() == Some(&self.redeemed)
    }
}

impl Unsaved {
    /// `false`: too many wait already.
    fn add(&self, gain: &Arc<Gain>) -> bool {
        let mut unsaved = self.0.lock();
        let fits = unsaved.len() < MAX_UNSAVED;
        if fits {
            unsaved.insert(fingerprint(&gain.redeemed), gain.clone());
        }
        fits
    }

    fn get(&self, redeemed: &str) -> Option<Arc<Gain>> {
        let unsaved = self.0.lock();
        if unsaved.is_empty() {
            return None;
        }
        unsaved.get(&fingerprint(redeemed)).cloned()
    }

    fn remove(&self, gain: &Gain) {
        self.0.lock().remove(&fingerprint(&gain.redeemed));
    }
}
