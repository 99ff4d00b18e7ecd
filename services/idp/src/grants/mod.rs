//! The life of a grant, apart from its tokens (`token`). A grant begins in a live
//! login session (`token::new_grant`) and ends once.

pub mod quota;

use std::time::Duration;

use kit::clock::Timestamp;

use crate::{
    Idp,
    domain::{Code, Grant, GrantState, LoginSession},
    meters::Unlisted,
    records::{ChangeError, RecordError},
    session_index,
    settings::{Client, GrantType},
};

/// How long a grant that was revoked before it began cannot begin: longer than the
/// request takes that creates it.
const BEGINNING: Duration = Duration::from_secs(300);
/// How often a change is retried after concurrent requests.
const MAX_ATTEMPTS: usize = 8;

/// Revokes a grant, also one that is just being created: a revoked record then
/// takes its id, until `remembered_until` at most. Returns the grant to the one
/// caller whose call revoked it.
pub async fn revoke(
    idp: &Idp,
    grant_id: &str,
    remembered_until: Timestamp,
) -> Result<Option<Grant>, ChangeError> {
    for _ in 0..MAX_ATTEMPTS {
        let Some(stored) = idp.records.get::<Grant>(grant_id).await? else {
            let until = remembered_until.min(idp.now() + BEGINNING);
            let revoked = Grant::revoked_before_it_began(grant_id, until);
            if idp.records.create(grant_id, &revoked).await? {
                return Ok(None);
            }
            continue;
        };
        if stored.record.state == GrantState::Revoked {
            return Ok(None);
        }
        // Its code was exchanged, so no request can create it again: absent means
        // revoked.
        let Some(revoked) = idp.records.take::<Grant>(grant_id).await? else {
            return Ok(None);
        };
        session_index::remove_grant(idp, &revoked).await?;
        if let Some(code) = &revoked.code {
            idp.records.take::<Code>(code).await?;
        }
        return Ok(Some(revoked));
    }
    Err(ChangeError::Contended)
}

/// The grant, if its record is active. Before more is issued for it, [`is_listed`]
/// must hold too.
pub async fn active(idp: &Idp, grant_id: &str) -> Result<Option<Grant>, RecordError> {
    let found = idp.records.get::<Grant>(grant_id).await?;
    Ok(found
        .map(|stored| stored.record)
        .filter(|grant| grant.state == GrantState::Active))
}

/// Whether every way to end `grant` would find it: by its client and, if it ends
/// with its login session, by its user and by the session. A grant that one of them
/// would miss counts as ended.
pub async fn is_listed(idp: &Idp, grant: &Grant) -> Result<bool, RecordError> {
    let by_client = async { Ok(session_index::contains_grant(idp, grant).await?) };
    let listed = if ends_with_session(idp, grant) {
        let by_user =
            async { Ok(session_index::contains_session_of(idp, &grant.sub, &grant.sid).await?) };
        let login = idp.records.get::<LoginSession>(&grant.sid);
        let (by_client, by_user, login) = tokio::try_join!(by_client, by_user, login)?;
        if login.is_none_or(|login| !login.record.is_live()) {
            return Ok(false);
        }
        by_client && by_user
    } else {
        by_client.await?
    };
    if !listed {
        idp.meters.unlisted(Unlisted::Grant);
    }
    Ok(listed)
}

/// The live grants of `sub` that outlive their login sessions, at most `limit` to each
/// client.
pub async fn lasting(idp: &Idp, sub: &str, limit: usize) -> Result<Vec<Grant>, RecordError> {
    let mut found = Vec::new();
    let clients = idp.settings.clients();
    let lasting =
        |client: &&Client| client.may(GrantType::RefreshToken) && !client.refresh_ends_with_session;
    for client in clients.filter(lasting) {
        for id in session_index::grants_of_user(idp, &client.client_id, sub, limit).await? {
            let grant = active(idp, &id).await?;
            found.extend(grant.filter(|grant| !ends_with_session(idp, grant)));
        }
    }
    Ok(found)
}

/// Whether `grant` ends with its login session, as its client is configured. A grant
/// without a refresh token, or of a client that is no longer configured, always does.
pub fn ends_with_session(idp: &Idp, grant: &Grant) -> bool {
    let client = idp.settings.client(&grant.client_id);
    grant.refresh.is_none() || client.is_none_or(|client| client.refresh_ends_with_session)
}
