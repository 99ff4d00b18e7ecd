//! Users whose password or `enabled` flag has changed in the configuration, and users
//! who were removed from it: their sessions and grants end.

use std::time::Duration;

use kit::{clock::Timestamp, seal::fingerprint};
use serde::{Deserialize, Serialize};

use crate::{
    Idp, audit,
    domain::EndReason,
    grants,
    records::{ChangeError, Record},
    session_index, sessions,
    settings::User,
};

/// All users that were ever configured.
const KNOWN: &str = "idp:users";
/// How long a user is remembered between two starts: the longest time that the store
/// keeps anything.
const REMEMBERED: Duration = Duration::from_secs(3650 * 24 * 3600);
/// All users and grants are read.
const ALL: usize = usize::MAX;

/// The state of a user when a process last started: a hash of the password hash and of
/// the `enabled` flag. The password hash is slow, so this one helps nobody to guess.
#[derive(Serialize, Deserialize)]
struct UserFingerprint {
    fingerprint: String,
    expires_at: Timestamp,
}

impl UserFingerprint {
    fn of(user: &User, now: Timestamp) -> Self {
        let facts = format!("{}\n{}", user.password_hash, user.enabled);
        Self {
            fingerprint: fingerprint(&facts),
            expires_at: now + REMEMBERED,
        }
    }
}

impl Record for UserFingerprint {
    const KIND: &'static str = "standing";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// Ends the sessions and grants of all changed users. The fingerprint is written last:
/// after a start that fails half-way, the next start does it again.
pub async fn end_sessions(idp: &Idp) -> Result<(), ChangeError> {
    let store = idp.records.store();
    for user in idp.settings.users() {
        let current = UserFingerprint::of(user, idp.now());
        let before = idp.records.get::<UserFingerprint>(&user.sub).await?;
        let changed = before.is_some_and(|b| b.record.fingerprint != current.fingerprint);
        if changed {
            end_all(idp, &user.sub).await?;
        }
        store
            .add_scored(KNOWN, &user.sub, idp.now(), REMEMBERED)
            .await?;
        idp.records.put(&user.sub, &current).await?;
    }
    for (sub, _) in store.range(KNOWN, Timestamp::default(), ALL).await? {
        if idp.settings.user(&sub).is_none() {
            end_all(idp, &sub).await?;
            idp.records.take::<UserFingerprint>(&sub).await?;
            store.remove_scored(KNOWN, &sub).await?;
        }
    }
    Ok(())
}

/// Ends sessions and offline access: whoever knew the old password may have it.
async fn end_all(idp: &Idp, sub: &str) -> Result<(), ChangeError> {
    let reason = EndReason::UserChanged;
    sessions::end_all_of(idp, sub, None, reason).await?;
    for client in idp.settings.clients() {
        for id in session_index::grants_of_user(idp, &client.client_id, sub, ALL).await? {
            let until = idp.now() + idp.settings.lifetimes.access_token;
            if let Some(grant) = grants::revoke(idp, &id, until).await? {
                audit::grant_ended(&idp.meters, &grant, reason);
            }
        }
    }
    Ok(())
}
