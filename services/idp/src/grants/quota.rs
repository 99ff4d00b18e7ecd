//! How many grants one user may have: the oldest is revoked when there is one
//! more. It costs nothing while there are few: the index counts as it enters.

use std::collections::HashSet;

use super::{GrantError, active, revoke};
use crate::{
    audit,
    domain::{EndReason, Grant},
    sessions::index::{self, GrantCounts},
    state::Idp,
};

/// How many grants are looked at; a quota is no larger.
const LOOKED_AT: usize = 2000;

/// Revokes the oldest grants of the user of `newest` that are too many.
pub(super) async fn end_surplus(
    idp: &Idp,
    newest: &Grant,
    counts: GrantCounts,
) -> Result<(), GrantError> {
    let is_beyond = |count: u64, quota: usize| count > quota as u64;
    let (quota, in_session) = (idp.quotas.grants, idp.quotas.grants_in_session);
    let crowded = is_beyond(counts.in_session, in_session);
    if !crowded && !is_beyond(counts.to_client, quota) {
        return Ok(());
    }
    let (client_id, sub) = (&newest.client_id, &newest.sub);
    let mut theirs = index::grants_of_user(idp, client_id, sub, LOOKED_AT).await?;
    theirs.retain(|id| *id != newest.id);
    if crowded {
        let here = index::grants_in(idp, &newest.sid, LOOKED_AT).await?;
        let here: HashSet<_> = here.into_iter().collect();
        let here: Vec<_> = theirs
            .iter()
            .filter(|id| here.contains(*id))
            .cloned()
            .collect();
        let too_many = surplus(here.len(), in_session);
        if too_many > 0 {
            let oldest = oldest_first(idp, &here).await?;
            let oldest = &oldest[..too_many.min(oldest.len())];
            for id in oldest {
                end(idp, id).await?;
            }
            theirs.retain(|id| !oldest.contains(id));
        }
    }
    // Those that end first are the oldest: all last equally long.
    for id in theirs.iter().take(surplus(theirs.len(), quota)) {
        end(idp, id).await?;
    }
    Ok(())
}

/// How many of `others` are too many beside the newest one.
const fn surplus(others: usize, quota: usize) -> usize {
    (others + 1).saturating_sub(quota)
}

/// Of one session, where all end with it: by when they were made.
async fn oldest_first(idp: &Idp, ids: &[String]) -> Result<Vec<String>, GrantError> {
    let mut found = Vec::new();
    for id in ids {
        // One that is not there is being made, or has just ended.
        if let Some(made) = idp.records.get::<Grant>(id).await? {
            found.push((made.record.created_at, id.clone()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, id)| id).collect())
}

async fn end(idp: &Idp, id: &str) -> Result<(), GrantError> {
    if let Some(grant) = active(idp, id).await?
        && let Some(grant) = revoke(idp, id, grant.expires_at).await?
    {
        audit::grant_ended(&idp.meters, &grant, EndReason::TooMany);
    }
    Ok(())
}
