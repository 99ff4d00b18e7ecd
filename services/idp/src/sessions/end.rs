//! The one way in which a login session ends, whatever the reason.
//!
//! It is marked first, by one caller alone; then what hangs on it is undone,
//! and only then the record goes. Each step can be done again: where a process
//! dies half-way, another's worker finishes.

use std::{collections::BTreeSet, time::Duration};

use tokio::task::JoinHandle;

use super::index::{self, SessionName};
use crate::{
    audit,
    backchannel::Notice,
    domain::{EndReason, LoginSession, LoginState},
    grants::{self, GrantError},
    state::Idp,
};

/// After so long the worker takes over what a process began and did not finish.
const RESUME: Duration = Duration::from_secs(30);
/// How often a change that another request overtook is tried anew.
const MAX_ATTEMPTS: usize = 8;
/// How many sessions a user's end takes at once.
const PAGE: usize = 100;
/// How many grants of a user to a client are looked at, at most: what a set of
/// the store holds.
const ALL: usize = 100_000;
/// How many expired sessions the worker takes at once.
const BATCH: usize = 64;

/// For so long whoever ended a session waits until the apps were told.
const TELLING: Duration = Duration::from_secs(2);

/// Back-channel logouts that are on their way.
#[derive(Debug, Default)]
pub struct Ended {
    /// How many sessions it were.
    pub sessions: usize,
    notices: Vec<JoinHandle<()>>,
}

impl Ended {
    /// Waits until each app was tried once, but not for long. They are told all
    /// the same when nobody waits.
    pub async fn told(self) {
        let all = async {
            for notice in self.notices {
                // One that failed is tried again by the worker.
                let _ = notice.await;
            }
        };
        let _ = tokio::time::timeout(TELLING, all).await;
    }

    /// With `other` too.
    pub fn and(mut self, other: Self) -> Self {
        self.sessions += other.sessions;
        self.notices.extend(other.notices);
        self
    }
}

/// Ends the session `sid`; nothing where it is over already.
pub async fn end(idp: &Idp, sid: &str, reason: EndReason) -> Result<Ended, GrantError> {
    for _ in 0..MAX_ATTEMPTS {
        let Some(stored) = idp.records.get::<LoginSession>(sid).await? else {
            return end_remains(idp, sid, reason).await;
        };
        let login = &stored.record;
        if !login.is_live() {
            return Ok(Ended::default());
        }
        let name = SessionName::of(login);
        index::look_at(idp, &name, idp.now() + RESUME).await?;
        if idp
            .records
            .swap(sid, &stored, &login.ending(reason))
            .await?
        {
            audit::session_ended(&idp.meters, &name.sub, reason);
            return finish(idp, &name, reason).await;
        }
    }
    Err(GrantError::Busy)
}

/// Ends what hangs on a session whose record is not there: it is over, or the
/// store has lost the record and kept the rest.
async fn end_remains(idp: &Idp, sid: &str, reason: EndReason) -> Result<Ended, GrantError> {
    for id in index::grants_of(idp, sid).await? {
        if let Some(grant) = grants::active(idp, &id).await? {
            let (sid, sub) = (sid.to_owned(), grant.sub);
            return finish(idp, &SessionName { sid, sub }, reason).await;
        }
    }
    Ok(Ended::default())
}

/// Ends all sessions of `sub` but the one named `except`.
pub async fn end_all_of(
    idp: &Idp,
    sub: &str,
    except: Option<&str>,
    reason: EndReason,
) -> Result<Ended, GrantError> {
    let mut ended = Ended::default();
    loop {
        let mut sids = index::sessions_of(idp, sub, PAGE).await?;
        let (is_last, before) = (sids.len() < PAGE, ended.sessions);
        sids.retain(|sid| Some(sid.as_str()) != except);
        for sid in &sids {
            ended = ended.and(end(idp, sid, reason).await?);
            if idp.records.get::<LoginSession>(sid).await?.is_none() {
                // Where its record was lost, nobody else takes it out of the list.
                index::leave_user(idp, sub, sid).await?;
            }
        }
        // Those that another process is just ending stay there a little longer.
        if is_last || ended.sessions == before {
            return Ok(ended);
        }
    }
}

/// Ends what one client holds in a session that goes on for the user and all
/// other clients. It can be done again, like the end of a session.
pub async fn end_client(
    idp: &Idp,
    login: &LoginSession,
    client_id: &str,
    reason: EndReason,
) -> Result<Ended, GrantError> {
    for id in index::grants_of_user(idp, client_id, &login.sub, ALL).await? {
        if let Some(grant) = grants::active(idp, &id).await?
            && grant.sid == login.sid
            && grants::ends_with_session(idp, &grant)
            && let Some(grant) = grants::revoke(idp, &id, grant.expires_at).await?
        {
            audit::grant_ended(&idp.meters, &grant, reason);
        }
    }
    let notice = Notice::new(client_id, &SessionName::of(login), idp.now());
    let mut ended = Ended::default();
    ended.notices.extend(idp.outbox.add(notice).await?);
    index::leave_client(idp, &login.sid, client_id).await?;
    Ok(ended)
}

/// Ends what has expired, and finishes what another process left half-way.
pub async fn end_due(idp: &Idp) -> Result<(), GrantError> {
    loop {
        let due = index::due(idp, idp.now() + RESUME, BATCH).await?;
        let mut outcome = Ok(());
        for name in &due {
            // One that cannot be ended now does not hold up the others.
            outcome = outcome.and(end_one_due(idp, name).await);
        }
        if due.len() < BATCH || outcome.is_err() {
            return outcome;
        }
    }
}

async fn end_one_due(idp: &Idp, name: &SessionName) -> Result<(), GrantError> {
    let found = idp.records.get::<LoginSession>(&name.sid).await?;
    let reason = match found.map(|stored| stored.record) {
        // The user signed in again meanwhile, or the clocks differ a little.
        Some(login) if login.is_live() => {
            return Ok(index::look_at(idp, name, login.expires_at).await?);
        }
        Some(LoginSession {
            state: LoginState::Ending(reason),
            ..
        }) => reason,
        _ => {
            audit::session_ended(&idp.meters, &name.sub, EndReason::Expiry);
            EndReason::Expiry
        }
    };
    finish(idp, name, reason).await?;
    Ok(())
}

/// Undoes what hangs on a session that is marked or has expired.
async fn finish(idp: &Idp, name: &SessionName, reason: EndReason) -> Result<Ended, GrantError> {
    // Who had a grant has taken part, whatever has become of the list of those.
    let mut parties = BTreeSet::new();
    loop {
        let ids = index::grants_of(idp, &name.sid).await?;
        if ids.is_empty() {
            break;
        }
        for id in &ids {
            if let Some(grant) = grants::active(idp, id).await? {
                parties.insert(grant.client_id.clone());
                if grants::ends_with_session(idp, &grant)
                    && let Some(grant) = grants::revoke(idp, id, grant.expires_at).await?
                {
                    audit::grant_ended(&idp.meters, &grant, reason);
                }
            }
            // One that is still being made finds its session over (`grants::begin`).
            index::leave_session(idp, &name.sid, id).await?;
        }
    }
    let mut ended = Ended {
        sessions: 1,
        notices: Vec::new(),
    };
    loop {
        let clients = index::clients_of(idp, &name.sid).await?;
        if clients.is_empty() {
            break;
        }
        for (client_id, _) in &clients {
            let notice = Notice::new(client_id, name, idp.now());
            ended.notices.extend(idp.outbox.add(notice).await?);
            index::leave_client(idp, &name.sid, client_id).await?;
            parties.remove(client_id);
        }
    }
    for client_id in &parties {
        let notice = Notice::new(client_id, name, idp.now());
        ended.notices.extend(idp.outbox.add(notice).await?);
    }
    idp.records.take::<LoginSession>(&name.sid).await?;
    index::leave(idp, name).await?;
    Ok(ended)
}
