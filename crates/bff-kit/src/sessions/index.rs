//! The index of sessions: by user, and by the provider's session. By it a logout
//! elsewhere finds them.
//!
//! A store can lose an index entry and keep the record. A session is live only
//! while both sets name it. That is checked where it costs no call anything: when
//! its token is renewed, and when it is extended ([`Index::names`]). A logout that
//! names both user and provider's session finds it by either set.
//!
//! A login and a logout can cross. So a logout writes its mark first and then reads
//! the index, and a login adds its session first and then reads the mark: one of
//! them sees the other.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::try_join_all;
use kit::{
    clock::{Clock, Timestamp},
    seal::fingerprint,
};
use store::{SharedStore, StoreError};

use super::{id::Handle, record::About};

/// How long a logout's mark lasts: longer than a login takes from its id_token to its
/// session.
const MARK: Duration = Duration::from_secs(300);
/// The most expired entries that one login removes.
const SWEPT: usize = 16;

/// Whose sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose<'a> {
    /// A user's, by `sub`.
    User(&'a str),
    /// Those of the provider's session `sid`.
    Login(&'a str),
}

/// The index of one app.
pub(super) struct Index {
    store: SharedStore,
    clock: Arc<dyn Clock>,
    client_id: String,
}

impl Index {
    pub(super) fn new(store: SharedStore, clock: Arc<dyn Clock>, client_id: &str) -> Self {
        Self {
            store,
            clock,
            client_id: client_id.to_owned(),
        }
    }

    /// Adds a session. `false`: a logout has come for it meanwhile.
    pub(super) async fn add(&self, handle: &Handle, about: &About) -> Result<bool, StoreError> {
        let mut still = true;
        for whose in whose(about) {
            self.sweep(&self.key("of", whose)).await?;
            self.add_to(whose, handle, about).await?;
            let mark = self.store.get(&self.key("ended", whose)).await?;
            still &= !mark.is_some_and(|mark| ends(whose, about, &mark));
        }
        Ok(still)
    }

    /// Extends the entries of a session.
    pub(super) async fn extend(&self, handle: &Handle, about: &About) -> Result<(), StoreError> {
        for whose in whose(about) {
            self.add_to(whose, handle, about).await?;
        }
        Ok(())
    }

    async fn add_to(
        &self,
        whose: Whose<'_>,
        handle: &Handle,
        about: &About,
    ) -> Result<(), StoreError> {
        let set = self.key("of", whose);
        let ttl = self.clock.now().until(about.ends_at);
        let ends = about.expires_at;
        let added = self
            .store
            .add_scored(&set, handle.as_str(), ends, ttl)
            .await;
        added.map(drop)
    }

    /// Whether each logout would find the session.
    pub(super) async fn names(&self, handle: &Handle, about: &About) -> Result<bool, StoreError> {
        let looks = whose(about).map(|whose| async move {
            let set = self.key("of", whose);
            self.store.score(&set, handle.as_str()).await
        });
        let found = try_join_all(looks).await?;
        Ok(found.iter().all(Option::is_some))
    }

    /// Removes some entries of sessions that have expired, so that repeated logins do
    /// not fill the set.
    async fn sweep(&self, set: &str) -> Result<(), StoreError> {
        let now = self.clock.now();
        let over = self.store.claim(set, now, now + MARK, SWEPT).await?;
        for handle in over {
            self.store.remove_scored(set, &handle).await?;
        }
        Ok(())
    }

    /// Removes a session.
    pub(super) async fn remove(&self, handle: &Handle, about: &About) -> Result<(), StoreError> {
        for whose in whose(about) {
            self.remove_from(whose, handle).await?;
        }
        Ok(())
    }

    /// Removes a session from the set of `whose` alone.
    pub(super) async fn remove_from(
        &self,
        whose: Whose<'_>,
        handle: &Handle,
    ) -> Result<(), StoreError> {
        let set = self.key("of", whose);
        self.store
            .remove_scored(&set, handle.as_str())
            .await
            .map(drop)
    }

    /// At most `limit` sessions of `whose`, those that end soonest first. Some
    /// of them may have ended already.
    pub(super) async fn of(
        &self,
        whose: Whose<'_>,
        limit: usize,
    ) -> Result<Vec<Handle>, StoreError> {
        let set = self.key("of", whose);
        let listed = self.store.range(&set, self.clock.now(), limit).await?;
        Ok(listed
            .iter()
            .filter_map(|(member, _)| Handle::read(member))
            .collect())
    }

    /// Marks that all sessions of `whose` end, by a logout token that the provider issued at
    /// `logout_at`. A login in progress finds the mark.
    pub(super) async fn mark(
        &self,
        whose: Whose<'_>,
        logout_at: Timestamp,
    ) -> Result<(), StoreError> {
        let logout_at = logout_at.millis().to_string();
        let key = self.key("ended", whose);
        self.store.put(&key, Bytes::from(logout_at), MARK).await
    }

    fn key(&self, what: &str, whose: Whose<'_>) -> String {
        let (kind, name) = match whose {
            Whose::User(sub) => ("user", sub),
            Whose::Login(sid) => ("login", sid),
        };
        format!("bff:{}:{what}-{kind}:{}", self.client_id, fingerprint(name))
    }
}

fn whose(about: &About) -> impl Iterator<Item = Whose<'_>> {
    let user = Whose::User(&about.user.sub);
    let login = about.sid.as_deref().map(Whose::Login);
    std::iter::once(user).chain(login)
}

/// Whether the logout that left `mark` ends this session too. A provider's session that
/// has ended does not begin again. A user can sign in again, and then the provider's
/// clock tells which came first.
fn ends(whose: Whose<'_>, about: &About, mark: &[u8]) -> bool {
    match whose {
        Whose::Login(_) => true,
        Whose::User(_) => {
            let logout_at = std::str::from_utf8(mark)
                .ok()
                .and_then(|text| text.parse().ok());
            logout_at.is_none_or(|logout_at: i64| about.identified_at.millis() <= logout_at)
        }
    }
}
