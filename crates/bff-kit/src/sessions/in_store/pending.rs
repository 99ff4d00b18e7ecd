//! Saves the tokens of a refresh. If a rotated refresh token is lost, the user's session
//! is lost too, so the write is repeated until the store answers.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kit::seal::fingerprint;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::super::{
    error::TokenError,
    id::Handle,
    record::AccessToken,
    records::{Records, Stored},
};
use crate::provider::{Grant, Provider};

/// How often the write is repeated because the session's record changed meanwhile.
const MAX_CONFLICTS: usize = 8;
/// The most writes that wait for the store.
const MAX_PENDING: usize = 10_000;
/// The pauses between two tries, from the first to the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How long the write is repeated.
const LONGEST: Duration = Duration::from_secs(600);

/// The tokens of a refresh.
pub(super) struct Refreshed {
    /// The audience that was requested; `None`: the token is for another one.
    pub(super) audience: Option<&'static str>,
    /// The refresh token that was redeemed.
    pub(super) redeemed: String,
    /// The tokens.
    pub(super) grant: Grant,
}

/// Writes the tokens of refreshes to the store. Tokens that the store could not take yet
/// wait here, by a hash of the refresh token that was redeemed.
pub(super) struct PendingWrites {
    records: Arc<Records>,
    provider: Arc<Provider>,
    waiting: Mutex<HashMap<String, Arc<Refreshed>>>,
}

impl PendingWrites {
    /// Writes to `records`; `provider` revokes the tokens of ended sessions.
    pub(super) fn new(records: Arc<Records>, provider: Arc<Provider>) -> Self {
        Self {
            records,
            provider,
            waiting: Mutex::default(),
        }
    }

    /// Adds `token` to the session of `handle` under the name `key`. One that is not saved
    /// is made again by the next call.
    pub(super) async fn save_token(
        &self,
        handle: &Handle,
        key: &str,
        token: &AccessToken,
    ) -> Result<(), TokenError> {
        for _ in 0..MAX_CONFLICTS {
            let current = match self.records.read(handle).await {
                Ok(current) => current.ok_or(TokenError::Ended)?,
                Err(error) => {
                    tracing::warn!("a session's new access token was not saved: {error}");
                    return Ok(());
                }
            };
            let mut record = current.record.clone();
            record.tokens.insert(key.to_owned(), token.clone());
            match self.records.replace(&current, record).await {
                Ok(None) => {}
                Ok(Some(_)) => return Ok(()),
                Err(error) => {
                    tracing::warn!("a session's new access token was not saved: {error}");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Saves `refreshed` in the session's record, even if the record has changed. A session
    /// that has ended meanwhile stays ended, and its new refresh token is revoked.
    pub(super) async fn save(
        self: &Arc<Self>,
        current: Arc<Stored>,
        refreshed: &Arc<Refreshed>,
    ) -> Result<(), TokenError> {
        let handle = current.handle.clone();
        match self.write(current, refreshed).await {
            Err(TokenError::Store(why)) => {
                if !self.add(refreshed) {
                    return Err(TokenError::Store(why));
                }
                tracing::warn!("a session's new refresh token waits to be saved: {why}");
                tokio::spawn(self.clone().save_later(handle, refreshed.clone()));
                Ok(())
            }
            Err(TokenError::Ended) => {
                self.discard(refreshed).await;
                Err(TokenError::Ended)
            }
            saved => saved,
        }
    }

    /// `current` with the tokens of an earlier refresh of this process that were not
    /// saved.
    pub(super) async fn caught_up(&self, current: Arc<Stored>) -> Result<Arc<Stored>, TokenError> {
        let refresh_token = current.record.refresh_token.as_deref();
        let Some(refreshed) = refresh_token.and_then(|token| self.get(token)) else {
            return Ok(current);
        };
        self.write(current.clone(), &refreshed).await?;
        self.remove(&refreshed);
        self.reread(&current).await
    }

    async fn reread(&self, session: &Stored) -> Result<Arc<Stored>, TokenError> {
        let current = self.records.read(&session.handle).await?;
        current.ok_or(TokenError::Ended)
    }

    async fn write(
        &self,
        mut current: Arc<Stored>,
        refreshed: &Refreshed,
    ) -> Result<(), TokenError> {
        for _ in 0..MAX_CONFLICTS {
            let mut record = current.record.clone();
            let Refreshed {
                audience,
                redeemed,
                grant,
            } = refreshed;
            record.take_over(*audience, redeemed, grant);
            if self.records.replace(&current, record).await?.is_some() {
                return Ok(());
            }
            current = self.reread(&current).await?;
        }
        Err(TokenError::Store(
            "the session's record kept changing".to_owned(),
        ))
    }

    async fn save_later(self: Arc<Self>, handle: Handle, refreshed: Arc<Refreshed>) {
        let deadline = Instant::now() + LONGEST;
        let mut pause = RETRY.0;
        while Instant::now() < deadline && self.get(&refreshed.redeemed).is_some() {
            sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
            let saved = match self.records.read(&handle).await {
                Ok(Some(current)) if refreshed.follows(&current) => {
                    self.write(current, &refreshed).await
                }
                // Another refresh has replaced it.
                Ok(Some(_)) => Ok(()),
                Ok(None) => {
                    self.discard(&refreshed).await;
                    Ok(())
                }
                Err(error) => Err(error.into()),
            };
            if !matches!(saved, Err(TokenError::Store(_))) {
                break;
            }
        }
        self.remove(&refreshed);
    }

    /// Revokes the new refresh token of a session that has ended.
    async fn discard(&self, refreshed: &Refreshed) {
        let Some(refresh_token) = &refreshed.grant.refresh_token else {
            return;
        };
        if let Err(error) = self.provider.revoke(refresh_token).await {
            tracing::warn!("an ended session's new refresh token was not revoked: {error}");
        }
    }

    /// `false`: too many wait already.
    fn add(&self, refreshed: &Arc<Refreshed>) -> bool {
        let mut waiting = self.waiting.lock();
        let fits = waiting.len() < MAX_PENDING;
        if fits {
            waiting.insert(fingerprint(&refreshed.redeemed), refreshed.clone());
        }
        fits
    }

    fn get(&self, redeemed: &str) -> Option<Arc<Refreshed>> {
        let waiting = self.waiting.lock();
        if waiting.is_empty() {
            return None;
        }
        waiting.get(&fingerprint(redeemed)).cloned()
    }

    fn remove(&self, refreshed: &Refreshed) {
        self.waiting
            .lock()
            .remove(&fingerprint(&refreshed.redeemed));
    }
}

impl Refreshed {
    /// Whether the session still holds the refresh token that was redeemed.
    fn follows(&self, session: &Stored) -> bool {
        session.record.refresh_token.as_deref() == Some(&self.redeemed)
    }
}
