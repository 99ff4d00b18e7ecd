//! Which sessions are whose: by user, and by the provider's session. Without it
//! a logout elsewhere could not find them.
//!
//! A login and a logout can cross. So a logout first leaves a mark and looks
//! then, and a login first adds its session and then looks for the mark: one of
//! them sees the other.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::{clock::Clock, seal::fingerprint};
use store::{SharedStore, StoreError};

use super::{Handle, record::About};

/// The most sessions of one user, or of one provider's session, that are
/// listed or ended at once.
pub(crate) const MAX_LISTED: usize = 1000;
/// How long a logout's mark stands: longer than any login under way takes from
/// its id_token to its session.
const MARK: Duration = Duration::from_secs(300);

/// The most that one login clears away.
const SWEPT: usize = 16;

/// Whose sessions are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose<'a> {
    /// A user's, by `sub`.
    User(&'a str),
    /// Those of the provider's session `sid`.
    Login(&'a str),
}

/// The index of one app.
pub(crate) struct Index {
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
        let ttl = self.clock.now().until(about.ends_at);
        let mut still = true;
        for whose in whose(about) {
            let set = self.key("of", whose);
            self.store
                .rank(&set, handle.as_str(), about.ends_at, ttl)
                .await?;
            let mark = self.store.get(&self.key("ended", whose)).await?;
            still &= mark.is_none_or(|mark| outlives(whose, about, &mark));
            self.sweep(&set).await?;
        }
        Ok(still)
    }

    /// Takes out some of those that have ended by themselves, so that who signs
    /// in again and again does not fill the set.
    async fn sweep(&self, set: &str) -> Result<(), StoreError> {
        let now = self.clock.now();
        let over = self.store.claim(set, now, now + MARK, SWEPT).await?;
        for handle in over {
            self.store.unrank(set, &handle).await?;
        }
        Ok(())
    }

    /// Takes a session out.
    pub(super) async fn remove(&self, handle: &Handle, about: &About) -> Result<(), StoreError> {
        for whose in whose(about) {
            let set = self.key("of", whose);
            self.store.unrank(&set, handle.as_str()).await?;
        }
        Ok(())
    }

    /// The sessions of `whose`, those that end soonest first. Some of them may
    /// have ended already.
    pub(crate) async fn of(&self, whose: Whose<'_>) -> Result<Vec<Handle>, StoreError> {
        let set = self.key("of", whose);
        let listed = self
            .store
            .ranked(&set, self.clock.now(), MAX_LISTED)
            .await?;
        Ok(listed
            .iter()
            .filter_map(|(member, _)| Handle::read(member))
            .collect())
    }

    /// Marks that all of `whose` are being ended: a login under way is one of them.
    pub(super) async fn mark(&self, whose: Whose<'_>) -> Result<(), StoreError> {
        let now = self.clock.now().millis().to_string();
        let key = self.key("ended", whose);
        self.store.put(&key, Bytes::from(now), MARK).await
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

/// Whether a session began after the logout that left `mark`. The provider's
/// session that has ended never begins again, however late its login arrives; a
/// user signs in anew.
fn outlives(whose: Whose<'_>, about: &About, mark: &[u8]) -> bool {
    match whose {
        Whose::Login(_) => false,
        Whose::User(_) => about.created_at.millis() > read_mark(mark),
    }
}

/// What cannot be read counts as a mark of just now.
fn read_mark(mark: &[u8]) -> i64 {
    let text = std::str::from_utf8(mark).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(i64::MAX)
}
