//! How a login session ends, for every reason.
//!
//! One caller marks it as ending; then its grants are revoked and its clients
//! notified, and only then the record is removed. Each step is idempotent: if a
//! process dies in between, another process's worker finishes.

use std::{collections::BTreeSet, time::Duration};

use tokio::task::JoinHandle;

use crate::{
    Idp, audit,
    backchannel::Notice,
    domain::{EndReason, LoginSession, LoginState},
    grants,
    records::ChangeError,
    session_index::{self, SessionName},
};

/// After this time the worker finishes an end that another process began.
const RESUME: Duration = Duration::from_secs(30);
/// How often a change is retried after concurrent requests.
const MAX_ATTEMPTS: usize = 8;
/// How many sessions of a user are read at once.
const PAGE: usize = 100;
/// How many grants of a user to a client are read at most: as many as a set of the
/// store holds.
const ALL: usize = 100_000;
/// How many expired sessions the worker claims at once.
const BATCH: usize = 64;

/// How long the end of a session waits for the notification of its clients.
const NOTIFICATION: Duration = Duration::from_secs(2);

/// Sessions that have ended, and the back-channel logouts that are being delivered.
#[derive(Debug, Default)]
pub struct EndedSessions {
    /// The number of sessions.
    pub sessions: usize,
    notices: Vec<JoinHandle<()>>,
}

impl EndedSessions {
    /// Waits briefly until one delivery to each client was attempted. Delivery goes on
    /// if nobody waits.
    pub async fn notified(self) {
        let all = async {
            for notice in self.notices {
                // The worker retries a failed delivery.
                let _ = notice.await;
            }
        };
        let _ = tokio::time::timeout(NOTIFICATION, all).await;
    }

    /// Both together.
    pub fn and(mut self, other: Self) -> Self {
        self.sessions += other.sessions;
        self.notices.extend(other.notices);
        self
    }
}

/// Ends the session `sid`, unless it has ended.
pub async fn end(idp: &Idp, sid: &str, reason: EndReason) -> Result<EndedSessions, ChangeError> {
    for _ in 0..MAX_ATTEMPTS {
        let Some(stored) = idp.records.get::<LoginSession>(sid).await? else {
            return end_remains(idp, sid, reason).await;
        };
        let login = &stored.record;
        if !login.is_live() {
            return Ok(EndedSessions::default());
        }
        let name = SessionName::of(login);
        session_index::schedule(idp, &name, idp.now() + RESUME).await?;
        if idp
            .records
            .swap(sid, &stored, &login.ending(reason))
            .await?
        {
            audit::session_ended(&idp.meters, &name.sub, reason);
            return finish(idp, &name, reason).await;
        }
    }
    Err(ChangeError::Contended)
}

/// Ends the rest of a session whose record is gone: the session has ended, or the
/// store has lost its record.
async fn end_remains(
    idp: &Idp,
    sid: &str,
    reason: EndReason,
) -> Result<EndedSessions, ChangeError> {
    for id in session_index::grants_of(idp, sid).await? {
        if let Some(grant) = grants::active(idp, &id).await? {
            let (sid, sub) = (sid.to_owned(), grant.sub);
            return finish(idp, &SessionName { sid, sub }, reason).await;
        }
    }
    Ok(EndedSessions::default())
}

/// Ends all sessions of `sub` except the one named `except`.
pub async fn end_all_of(
    idp: &Idp,
    sub: &str,
    except: Option<&str>,
    reason: EndReason,
) -> Result<EndedSessions, ChangeError> {
    let mut ended = EndedSessions::default();
    loop {
        let mut sids = session_index::sessions_of(idp, sub, PAGE).await?;
        let (is_last, before) = (sids.len() < PAGE, ended.sessions);
        sids.retain(|sid| Some(sid.as_str()) != except);
        for sid in &sids {
            ended = ended.and(end(idp, sid, reason).await?);
            if idp.records.get::<LoginSession>(sid).await?.is_none() {
                // Nobody else removes a session from the list whose record was lost.
                session_index::remove_from_user(idp, sub, sid).await?;
            }
        }
        // Sessions that another process is ending stay listed a little longer.
        if is_last || ended.sessions == before {
            return Ok(ended);
        }
    }
}

/// Ends a session for one client. It continues for the user and all other clients.
/// Like the end of a session, it is idempotent.
pub async fn end_client(
    idp: &Idp,
    login: &LoginSession,
    client_id: &str,
    reason: EndReason,
) -> Result<EndedSessions, ChangeError> {
    for id in session_index::grants_of_user(idp, client_id, &login.sub, ALL).await? {
        if let Some(grant) = grants::active(idp, &id).await?
            && grant.sid == login.sid
            && grants::ends_with_session(idp, &grant)
            && let Some(grant) = grants::revoke(idp, &id, grant.expires_at).await?
        {
            audit::grant_ended(&idp.meters, &grant, reason);
        }
    }
    let notice = Notice::new(client_id, &SessionName::of(login), idp.now());
    let mut ended = EndedSessions::default();
    ended.notices.extend(idp.outbox.add(notice).await?);
    session_index::remove_client(idp, &login.sid, client_id).await?;
    Ok(ended)
}

/// Ends expired sessions, and finishes ends that another process began.
pub async fn end_due(idp: &Idp) -> Result<(), ChangeError> {
    loop {
        let due = session_index::due(idp, idp.now() + RESUME, BATCH).await?;
        let mut outcome = Ok(());
        for name in &due {
            // A failure does not block the others.
            outcome = outcome.and(end_one_due(idp, name).await);
        }
        if due.len() < BATCH || outcome.is_err() {
            return outcome;
        }
    }
}

async fn end_one_due(idp: &Idp, name: &SessionName) -> Result<(), ChangeError> {
    let found = idp.records.get::<LoginSession>(&name.sid).await?;
    let reason = match found.map(|stored| stored.record) {
        // The user has signed in again, or the clocks differ a little.
        Some(login) if login.is_live() => {
            return Ok(session_index::schedule(idp, name, login.expires_at).await?);
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

/// Revokes the grants and notifies the clients of a session that is marked as ending
/// or has expired; then removes it.
async fn finish(
    idp: &Idp,
    name: &SessionName,
    reason: EndReason,
) -> Result<EndedSessions, ChangeError> {
    // A client with a grant takes part, even if the store has lost the list of clients.
    let mut parties = BTreeSet::new();
    loop {
        let ids = session_index::grants_of(idp, &name.sid).await?;
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
            // A grant that is being created finds its session ended (`token::new_grant`).
            session_index::remove_from_session(idp, &name.sid, id).await?;
        }
    }
    let mut ended = EndedSessions {
        sessions: 1,
        notices: Vec::new(),
    };
    loop {
        let clients = session_index::clients_of(idp, &name.sid).await?;
        if clients.is_empty() {
            break;
        }
        for (client_id, _) in &clients {
            let notice = Notice::new(client_id, name, idp.now());
            ended.notices.extend(idp.outbox.add(notice).await?);
            session_index::remove_client(idp, &name.sid, client_id).await?;
            parties.remove(client_id);
        }
    }
    for client_id in &parties {
        let notice = Notice::new(client_id, name, idp.now());
        ended.notices.extend(idp.outbox.add(notice).await?);
    }
    idp.records.take::<LoginSession>(&name.sid).await?;
    session_index::remove_session(idp, name).await?;
    Ok(ended)
}
