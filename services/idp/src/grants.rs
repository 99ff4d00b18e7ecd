//! The life of a grant, apart from how its tokens are had (`token`): it begins
//! with a login session that lives, and ends once.

mod quota;

use std::time::Duration;

use kit::clock::Timestamp;

use crate::{
    domain::{Code, Grant, GrantState, LoginSession},
    meters::Unlisted,
    records::RecordError,
    sessions::{self, index},
    state::Idp,
};

/// For so long nobody can begin a grant that was revoked before: longer than a
/// request takes that makes one.
const BEGINNING: Duration = Duration::from_secs(300);
/// How often a change that another request overtook is tried anew.
const MAX_ATTEMPTS: usize = 8;

/// Why a grant is not there.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// It was revoked before it began, or its login session is over.
    #[error("the grant is over")]
    Over,
    /// Other requests changed it again and again.
    #[error("the grant is busy")]
    Busy,
    /// The store did not do it.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl From<store::StoreError> for GrantError {
    fn from(error: store::StoreError) -> Self {
        Self::Records(error.into())
    }
}

/// Begins `grant` in its login session, which lasts until `session_ends`.
///
/// It is entered under the session first, and the session looked at last:
/// whoever ends the session marks it first and reads what is entered there
/// last. So one of the two sees the other, and no grant outlives the end.
pub async fn begin(idp: &Idp, grant: &Grant, session_ends: Timestamp) -> Result<(), GrantError> {
    let counts = index::enter_grant(idp, grant, session_ends).await?;
    // A second use of the code that came in between has left a revoked one here.
    if !idp.records.create(&grant.id, grant).await? {
        return Err(GrantError::Over);
    }
    if sessions::live(idp, &grant.sid).await?.is_none() {
        revoke(idp, &grant.id, grant.expires_at).await?;
        return Err(GrantError::Over);
    }
    if let Err(error) = quota::end_surplus(idp, grant, counts).await {
        // The client has its grant all the same; the next one ends them.
        tracing::warn!("a user's surplus grants go on for now: {error}");
    }
    Ok(())
}

/// Takes a grant back, also one that is just being made (its place is then
/// taken, no longer than until `remembered_until`). Gives it to the one caller whose call did it.
pub async fn revoke(
    idp: &Idp,
    grant_id: &str,
    remembered_until: Timestamp,
) -> Result<Option<Grant>, GrantError> {
    for _ in 0..MAX_ATTEMPTS {
        let Some(stored) = idp.records.get::<Grant>(grant_id).await? else {
            let until = remembered_until.min(idp.now() + BEGINNING);
            let place = Grant::revoked_before_it_began(grant_id, until);
            if idp.records.create(grant_id, &place).await? {
                return Ok(None);
            }
            continue;
        };
        if stored.record.state == GrantState::Revoked {
            return Ok(None);
        }
        // Its code was exchanged, so nobody makes it again: absent is revoked.
        let Some(revoked) = idp.records.take::<Grant>(grant_id).await? else {
            return Ok(None);
        };
        index::leave_grant(idp, &revoked).await?;
        if let Some(code) = &revoked.code {
            idp.records.take::<Code>(code).await?;
        }
        return Ok(Some(revoked));
    }
    Err(GrantError::Busy)
}

/// The grant, if its record says that it holds. Whoever gives more on its
/// strength asks [`is_listed`] besides.
pub async fn active(idp: &Idp, grant_id: &str) -> Result<Option<Grant>, RecordError> {
    let found = idp.records.get::<Grant>(grant_id).await?;
    Ok(found
        .map(|stored| stored.record)
        .filter(|grant| grant.state == GrantState::Active))
}

/// Whether each way to end `grant` would end it: that of its client, and where it
/// ends with its login session, that of its user and of the session itself. One
/// that would be missed is over.
pub async fn is_listed(idp: &Idp, grant: &Grant) -> Result<bool, RecordError> {
    let by_client = async { Ok(index::names_grant(idp, grant).await?) };
    let listed = if ends_with_session(idp, grant) {
        let by_user = async { Ok(index::names_session_of(idp, &grant.sub, &grant.sid).await?) };
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

/// Whether `grant` ends with its login session, by its client's setting. Without
/// a refresh token it is no offline access, and a client that is known no more
/// has nothing to keep.
pub fn ends_with_session(idp: &Idp, grant: &Grant) -> bool {
    let client = idp.settings.client(&grant.client_id);
    grant.refresh.is_none() || client.is_none_or(|client| client.refresh_ends_with_session)
}
