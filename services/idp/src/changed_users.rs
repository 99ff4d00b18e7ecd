//! A user whose password, or whether the user may sign in, differs from what
//! the configuration said before: what was had with the old one ends.

use std::time::Duration;

use kit::{clock::Timestamp, seal::fingerprint};
use serde::{Deserialize, Serialize};

use crate::{
    audit,
    domain::EndReason,
    grants::{self, GrantError},
    records::Record,
    sessions::{self, index},
    settings::User,
    state::Idp,
};

/// All users that were ever known.
const KNOWN: &str = "idp:users";
/// How long a user is remembered without a start in between: the longest that
/// the store keeps anything.
const REMEMBERED: Duration = Duration::from_secs(3650 * 24 * 3600);
/// All users and grants are looked at.
const ALL: usize = usize::MAX;

/// What a user's standing was when a process last started. A hash of the
/// password's slow hash: it helps nobody to guess.
#[derive(Serialize, Deserialize)]
struct Standing {
    fingerprint: String,
    expires_at: Timestamp,
}

impl Standing {
    fn of(user: &User, now: Timestamp) -> Self {
        let facts = format!("{}\n{}", user.password_hash, user.enabled);
        Self {
            fingerprint: fingerprint(&facts),
            expires_at: now + REMEMBERED,
        }
    }
}

impl Record for Standing {
    const KIND: &'static str = "standing";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// Compares all users with what they were, and ends what has to end. What is
/// remembered changes last: a start that dies half-way leaves it to the next.
pub async fn end_theirs(idp: &Idp) -> Result<(), GrantError> {
    let store = idp.records.store();
    for user in idp.settings.users() {
        let standing = Standing::of(user, idp.now());
        let before = idp.records.get::<Standing>(&user.sub).await?;
        let changed = before.is_some_and(|b| b.record.fingerprint != standing.fingerprint);
        if changed {
            end_all(idp, &user.sub).await?;
        }
        store
            .add_scored(KNOWN, &user.sub, idp.now(), REMEMBERED)
            .await?;
        idp.records.put(&user.sub, &standing).await?;
    }
    for (sub, _) in store.range(KNOWN, Timestamp::default(), ALL).await? {
        if idp.settings.user(&sub).is_none() {
            end_all(idp, &sub).await?;
            idp.records.take::<Standing>(&sub).await?;
            store.remove_scored(KNOWN, &sub).await?;
        }
    }
    Ok(())
}

/// The sessions, and offline access too: whoever had the old password may hold it.
async fn end_all(idp: &Idp, sub: &str) -> Result<(), GrantError> {
    let reason = EndReason::UserChanged;
    sessions::end_all_of(idp, sub, None, reason).await?;
    for client in idp.settings.clients() {
        for id in index::grants_of_user(idp, &client.client_id, sub, ALL).await? {
            let until = idp.now() + idp.settings.lifetimes.access_token;
            if let Some(grant) = grants::revoke(idp, &id, until).await? {
                audit::grant_ended(&idp.meters, &grant, reason);
            }
        }
    }
    Ok(())
}
