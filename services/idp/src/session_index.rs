//! Which login sessions exist, whose they are, and which grants and clients belong
//! to each: ordered sets in the store, beside the records.
//!
//! An entry is added before the record that it leads to, and removed after the
//! record. So every record is listed; an entry may lead to a record that is gone.
//!
//! A store can lose one of the two all the same. A record counts only while the
//! sets by which it is ended contain it ([`contains_session`], [`contains_grant`]):
//! nobody can use what revocation would not find.

use std::time::Duration;

use kit::{clock::Timestamp, seal::fingerprint};
use store::StoreError;

use crate::{
    Idp,
    domain::{Grant, LoginSession},
    meters::Unlisted,
};

/// All login sessions, ordered by their ends, for the worker.
const ALL: &str = "idp:logins";
/// The most expired grants that one new grant removes.
const TRIMMED: usize = 16;
/// How long a set outlives its members. If no process runs for that long, sessions
/// that expired meanwhile are still ended properly.
const SLACK: Duration = Duration::from_secs(7 * 24 * 3600);
/// How many members are read at once.
const PAGE: usize = 100;

/// The identity of a login session, without its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionName {
    /// `sid`.
    pub sid: String,
    /// Its user.
    pub sub: String,
}

impl SessionName {
    /// The identity of `login`.
    pub fn of(login: &LoginSession) -> Self {
        Self {
            sid: login.sid.clone(),
            sub: login.sub.clone(),
        }
    }

    /// The member of the set of all sessions.
    pub fn member(&self) -> String {
        format!("{}:{}", self.sid, self.sub)
    }

    /// Parses a member: a `sid` contains no colon.
    pub fn parse(member: &str) -> Option<Self> {
        let (sid, sub) = member.split_once(':')?;
        Some(Self {
            sid: sid.to_owned(),
            sub: sub.to_owned(),
        })
    }
}

fn of_user(sub: &str) -> String {
    format!("idp:logins-of:{sub}")
}

fn clients(sid: &str) -> String {
    format!("idp:login-clients:{sid}")
}

fn grants(sid: &str) -> String {
    format!("idp:login-grants:{sid}")
}

/// A client id may contain any character. The hash keeps pairs apart.
fn grants_to(client_id: &str, sub: &str) -> String {
    format!(
        "idp:grants-to:{}",
        fingerprint(&format!("{client_id}\n{sub}"))
    )
}

fn ttl_until(idp: &Idp, until: Timestamp) -> Duration {
    idp.now().until(until) + SLACK
}

/// Adds `login`, or extends it. Returns the number of sessions of its user.
pub async fn add_session(idp: &Idp, login: &LoginSession) -> Result<u64, StoreError> {
    let (store, ends) = (idp.records.store(), login.expires_at);
    let ttl = ttl_until(idp, ends);
    let name = SessionName::of(login);
    store.add_scored(ALL, &name.member(), ends, ttl).await?;
    let of_user = of_user(&login.sub);
    let count = store.add_scored(&of_user, &login.sid, ends, ttl).await?;
    // The clients of a continued session must be kept as long.
    let key = clients(&login.sid);
    for (client_id, since) in clients_of(idp, &login.sid).await? {
        store.add_scored(&key, &client_id, since, ttl).await?;
    }
    Ok(count)
}

/// Whether ending all sessions of its user would find `login`. If only the worker's
/// set lacks it, it is added there again.
pub async fn contains_session(idp: &Idp, login: &LoginSession) -> Result<bool, StoreError> {
    let store = idp.records.store();
    let (own, name) = (of_user(&login.sub), SessionName::of(login));
    let member = name.member();
    let (by_user, by_end) =
        tokio::try_join!(store.score(&own, &login.sid), store.score(ALL, &member),)?;
    if by_user.is_some() && by_end.is_none() {
        idp.meters.unlisted(Unlisted::Login);
        schedule(idp, &name, login.expires_at).await?;
    }
    Ok(by_user.is_some())
}

/// Whether ending all grants of its user to its client would find `grant`.
pub async fn contains_grant(idp: &Idp, grant: &Grant) -> Result<bool, StoreError> {
    let key = grants_to(&grant.client_id, &grant.sub);
    let score = idp.records.store().score(&key, &grant.id).await?;
    Ok(score.is_some())
}

/// Whether ending all sessions of `sub` would find the session `sid`.
pub async fn contains_session_of(idp: &Idp, sub: &str, sid: &str) -> Result<bool, StoreError> {
    let score = idp.records.store().score(&of_user(sub), sid).await?;
    Ok(score.is_some())
}

/// Makes the worker check `name` at the time `at`.
pub async fn schedule(idp: &Idp, name: &SessionName, at: Timestamp) -> Result<(), StoreError> {
    let (store, ttl) = (idp.records.store(), ttl_until(idp, at));
    store
        .add_scored(ALL, &name.member(), at, ttl)
        .await
        .map(drop)
}

/// Claims the sessions that are due, until `until`.
pub async fn due(
    idp: &Idp,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<SessionName>, StoreError> {
    let store = idp.records.store();
    let members = store.claim(ALL, idp.now(), until, limit).await?;
    Ok(members
        .iter()
        .filter_map(|member| SessionName::parse(member))
        .collect())
}

/// The number of login sessions.
pub async fn count(idp: &Idp) -> Result<u64, StoreError> {
    idp.records.store().count_range(ALL, idp.now()).await
}

/// Removes a session that has ended.
pub async fn remove_session(idp: &Idp, name: &SessionName) -> Result<(), StoreError> {
    let store = idp.records.store();
    store.remove_scored(&of_user(&name.sub), &name.sid).await?;
    store.remove_scored(ALL, &name.member()).await?;
    Ok(())
}

/// Removes the session `sid` from those of `sub`.
pub async fn remove_from_user(idp: &Idp, sub: &str, sid: &str) -> Result<(), StoreError> {
    idp.records
        .store()
        .remove_scored(&of_user(sub), sid)
        .await?;
    Ok(())
}

/// The live sessions of `sub`, in the order of their ends; at most `limit`.
pub async fn sessions_of(idp: &Idp, sub: &str, limit: usize) -> Result<Vec<String>, StoreError> {
    let key = of_user(sub);
    let found = idp.records.store().range(&key, idp.now(), limit);
    Ok(found.await?.into_iter().map(|(sid, _)| sid).collect())
}

/// Sessions that end at `from` or later, of `sub` or of all, in the order of
/// their ends; at most `limit`.
pub async fn ending_from(
    idp: &Idp,
    sub: Option<&str>,
    from: Timestamp,
    limit: usize,
) -> Result<Vec<(SessionName, Timestamp)>, StoreError> {
    let key = sub.map_or_else(|| ALL.to_owned(), of_user);
    let found = idp.records.store().range(&key, from, limit).await?;
    let named = |(member, at): (String, _)| match sub {
        Some(sub) => {
            let (sid, sub) = (member, sub.to_owned());
            Some((SessionName { sid, sub }, at))
        }
        None => Some((SessionName::parse(&member)?, at)),
    };
    Ok(found.into_iter().filter_map(named).collect())
}

/// Numbers of grants, including one that has just been added.
#[derive(Clone, Copy, Debug)]
pub struct GrantCounts {
    /// In its login session, to all clients.
    pub in_session: u64,
    /// Of its user to its client.
    pub to_client: u64,
}

/// Adds `grant` to its login session, which lasts until `ends`.
pub async fn add_grant(
    idp: &Idp,
    grant: &Grant,
    ends: Timestamp,
) -> Result<GrantCounts, StoreError> {
    let store = idp.records.store();
    let ttl = ttl_until(idp, ends);
    store
        .add_scored(&clients(&grant.sid), &grant.client_id, idp.now(), ttl)
        .await?;
    let ttl = ttl_until(idp, grant.expires_at);
    let until = grant.expires_at;
    let in_session = grants(&grant.sid);
    let in_session = store.add_scored(&in_session, &grant.id, until, ttl).await?;
    let key = grants_to(&grant.client_id, &grant.sub);
    // Expired grants do not remove themselves.
    for expired in store.claim(&key, idp.now(), until, TRIMMED).await? {
        store.remove_scored(&key, &expired).await?;
    }
    Ok(GrantCounts {
        in_session,
        to_client: store.add_scored(&key, &grant.id, until, ttl).await?,
    })
}

/// The clients that take part in a session, and since when.
pub async fn clients_of(idp: &Idp, sid: &str) -> Result<Vec<(String, Timestamp)>, StoreError> {
    let store = idp.records.store();
    store.range(&clients(sid), Timestamp::default(), PAGE).await
}

/// Removes `client_id` from a session that has ended for it.
pub async fn remove_client(idp: &Idp, sid: &str, client_id: &str) -> Result<(), StoreError> {
    idp.records
        .store()
        .remove_scored(&clients(sid), client_id)
        .await?;
    Ok(())
}

/// Some of the grants of a session.
pub async fn grants_of(idp: &Idp, sid: &str) -> Result<Vec<String>, StoreError> {
    grants_in(idp, sid, PAGE).await
}

/// The grants of a session; at most `limit`.
pub async fn grants_in(idp: &Idp, sid: &str, limit: usize) -> Result<Vec<String>, StoreError> {
    let key = grants(sid);
    let found = idp.records.store();
    let found = found.range(&key, Timestamp::default(), limit);
    Ok(found.await?.into_iter().map(|(id, _)| id).collect())
}

/// Removes a grant from its session.
pub async fn remove_from_session(idp: &Idp, sid: &str, grant_id: &str) -> Result<(), StoreError> {
    idp.records
        .store()
        .remove_scored(&grants(sid), grant_id)
        .await?;
    Ok(())
}

/// The grants of `sub` to `client_id` that have not expired; at most `limit`.
pub async fn grants_of_user(
    idp: &Idp,
    client_id: &str,
    sub: &str,
    limit: usize,
) -> Result<Vec<String>, StoreError> {
    let key = grants_to(client_id, sub);
    let found = idp.records.store().range(&key, idp.now(), limit);
    Ok(found.await?.into_iter().map(|(id, _)| id).collect())
}

/// Removes a grant that has ended.
pub async fn remove_grant(idp: &Idp, grant: &Grant) -> Result<(), StoreError> {
    remove_from_session(idp, &grant.sid, &grant.id).await?;
    let key = grants_to(&grant.client_id, &grant.sub);
    idp.records.store().remove_scored(&key, &grant.id).await?;
    Ok(())
}
