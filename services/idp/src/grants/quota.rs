//! The quota of grants of one user: beyond it the oldest is revoked. Within the quota
//! the check costs nothing: the index counts as it adds.

use std::collections::HashSet;

use super::{active, revoke};
use crate::{
    Idp, audit,
    domain::{EndReason, Grant},
    records::ChangeError,
    session_index::{self, GrantCounts},
};

/// How many grants are read; no quota is larger.
const MAX_READ: usize = 2000;

/// Revokes the oldest grants beyond the quota of the user of `newest`.
pub async fn end_surplus(
    idp: &Idp,
    newest: &Grant,
    counts: GrantCounts,
) -> Result<(), ChangeError> {
    let is_beyond = |count: u64, quota: usize| count > quota as u64;
    let (quota, in_session) = (idp.quotas.grants, idp.quotas.grants_in_session);
    let session_is_full = is_beyond(counts.in_session, in_session);
    if !session_is_full && !is_beyond(counts.to_client, quota) {
        return Ok(());
    }
    let (client_id, sub) = (&newest.client_id, &newest.sub);
    let mut theirs = session_index::grants_of_user(idp, client_id, sub, MAX_READ).await?;
    theirs.retain(|id| *id != newest.id);
    if session_is_full {
        let here = session_index::grants_in(idp, &newest.sid, MAX_READ).await?;
        let here: HashSet<_> = here.into_iter().collect();
        let here: Vec<_> = theirs
            .iter()
            .filter(|id| here.contains(*id))
            .cloned()
            .collect();
        let surplus = surplus(here.len(), in_session);
        if surplus > 0 {
            let oldest = oldest_first(idp, &here).await?;
            let oldest = &oldest[..surplus.min(oldest.len())];
            for id in oldest {
                end(idp, id).await?;
            }
            theirs.retain(|id| !oldest.contains(id));
        }
    }
    // The grants that end first are the oldest: all last equally long.
    for id in theirs.iter().take(surplus(theirs.len(), quota)) {
        end(idp, id).await?;
    }
    Ok(())
}

/// How many of `others` are surplus beside the newest one.
const fn surplus(others: usize, quota: usize) -> usize {
    (others + 1).saturating_sub(quota)
}

/// Grants of one session, which end together: ordered by their creation.
async fn oldest_first(idp: &Idp, ids: &[String]) -> Result<Vec<String>, ChangeError> {
    let mut found = Vec::new();
    for id in ids {
        // An absent grant is being created, or has just ended.
        if let Some(made) = idp.records.get::<Grant>(id).await? {
            found.push((made.record.created_at, id.clone()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, id)| id).collect())
}

async fn end(idp: &Idp, id: &str) -> Result<(), ChangeError> {
    if let Some(grant) = active(idp, id).await?
        && let Some(grant) = revoke(idp, id, grant.expires_at).await?
    {
        audit::grant_ended(&idp.meters, &grant, EndReason::TooMany);
    }
    Ok(())
}
