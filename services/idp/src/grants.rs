//! The life of a grant, apart from how its tokens are had (`token`): it begins
//! with a login session that lives, and ends once.

use kit::clock::Timestamp;

use crate::{
    domain::{Grant, GrantState},
    records::RecordError,
    sessions::{self, index},
    state::Idp,
};

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
    index::enter_grant(idp, grant, session_ends).await?;
    // A second use of the code that came in between has left a revoked one here.
    if !idp.records.create(&grant.id, grant).await? {
        return Err(GrantError::Over);
    }
    if sessions::live(idp, &grant.sid).await?.is_none() {
        revoke(idp, &grant.id, grant.expires_at).await?;
        return Err(GrantError::Over);
    }
    Ok(())
}

/// Takes a grant back, also one that is just being made (its place is then
/// taken until `remembered_until`). Gives it to the one caller whose call did it.
pub async fn revoke(
    idp: &Idp,
    grant_id: &str,
    remembered_until: Timestamp,
) -> Result<Option<Grant>, GrantError> {
    for _ in 0..MAX_ATTEMPTS {
        let Some(stored) = idp.records.get::<Grant>(grant_id).await? else {
            let place = Grant::revoked_before_it_began(grant_id, remembered_until);
            if idp.records.create(grant_id, &place).await? {
                return Ok(None);
            }
            continue;
        };
        if stored.record.state == GrantState::Revoked {
            return Ok(None);
        }
        let revoked = Grant {
            state: GrantState::Revoked,
            ..stored.record.clone()
        };
        if idp.records.swap(grant_id, &stored, &revoked).await? {
            index::leave_grant(idp, &revoked).await?;
            return Ok(Some(revoked));
        }
    }
    Err(GrantError::Busy)
}

/// The grant, if it still holds.
pub async fn live(idp: &Idp, grant_id: &str) -> Result<Option<Grant>, RecordError> {
    let found = idp.records.get::<Grant>(grant_id).await?;
    Ok(found
        .map(|stored| stored.record)
        .filter(|grant| grant.state == GrantState::Active))
}
