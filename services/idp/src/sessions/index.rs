//! Which login sessions there are, whose, and what hangs on each: ordered sets
//! in the store, beside the records.
//!
//! A set is written before the record that it leads to, and left after the record
//! has gone. So nothing is ever there and not found; what it leads to may be gone.
//!
//! A store can lose one of the two all the same. A record counts only while the
//! sets name it by which it is ended ([`names_login`], [`names_grant`]): what
//! revocation would not find is not there for anybody else either.

use std::time::Duration;

use kit::{clock::Timestamp, seal::fingerprint};
use store::StoreError;

use crate::{
    domain::{Grant, LoginSession},
    meters::Unlisted,
    state::Idp,
};

/// All login sessions by when they are over: what the worker goes through.
const ALL: &str = "idp:logins";
/// The most grants that are over which a new one clears away.
const TRIMMED: usize = 16;
/// How long a set outlives what it leads to: so long nobody may run here, and a
/// session that expired meanwhile is still ended properly.
const SLACK: Duration = Duration::from_secs(7 * 24 * 3600);
/// How many members are read at once.
const PAGE: usize = 100;

/// A login session, named without its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionName {
    /// `sid`.
    pub sid: String,
    /// Its user.
    pub sub: String,
}

impl SessionName {
    /// The name of `login`.
    pub fn of(login: &LoginSession) -> Self {
        Self {
            sid: login.sid.clone(),
            sub: login.sub.clone(),
        }
    }

    /// As a member of the set of all.
    pub fn member(&self) -> String {
        format!("{}:{}", self.sid, self.sub)
    }

    /// A `sid` has no colon.
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

/// A client id may hold any character: hashed, no two pairs share a key.
fn grants_to(client_id: &str, sub: &str) -> String {
    format!(
        "idp:grants-to:{}",
        fingerprint(&format!("{client_id}\n{sub}"))
    )
}

fn lasting(idp: &Idp, until: Timestamp) -> Duration {
    idp.now().until(until) + SLACK
}

/// `login` begins, or goes on longer. Gives how many sessions its user has.
pub async fn enter(idp: &Idp, login: &LoginSession) -> Result<u64, StoreError> {
    let (store, ends) = (idp.records.store(), login.expires_at);
    let ttl = lasting(idp, ends);
    let name = SessionName::of(login);
    store.add_scored(ALL, &name.member(), ends, ttl).await?;
    let of_user = of_user(&login.sub);
    let count = store.add_scored(&of_user, &login.sid, ends, ttl).await?;
    // What was there before must last as long.
    let key = clients(&login.sid);
    for (client_id, since) in clients_of(idp, &login.sid).await? {
        store.add_scored(&key, &client_id, since, ttl).await?;
    }
    Ok(count)
}

/// Whether the end of all its user's sessions would find `login`. Where the
/// worker alone would not, it is told.
pub async fn names_login(idp: &Idp, login: &LoginSession) -> Result<bool, StoreError> {
    let store = idp.records.store();
    let (own, name) = (of_user(&login.sub), SessionName::of(login));
    let member = name.member();
    let (by_user, by_end) =
        tokio::try_join!(store.score(&own, &login.sid), store.score(ALL, &member),)?;
    if by_user.is_some() && by_end.is_none() {
        idp.meters.unlisted(Unlisted::Login);
        look_at(idp, &name, login.expires_at).await?;
    }
    Ok(by_user.is_some())
}

/// Whether the end of all grants of its user to its client would find `grant`.
pub async fn names_grant(idp: &Idp, grant: &Grant) -> Result<bool, StoreError> {
    let key = grants_to(&grant.client_id, &grant.sub);
    let place = idp.records.store().score(&key, &grant.id).await?;
    Ok(place.is_some())
}

/// Whether the end of all sessions of `sub` would find the session `sid`.
pub async fn names_session_of(idp: &Idp, sub: &str, sid: &str) -> Result<bool, StoreError> {
    let place = idp.records.store().score(&of_user(sub), sid).await?;
    Ok(place.is_some())
}

/// The worker looks at `name` at the moment `at`.
pub async fn look_at(idp: &Idp, name: &SessionName, at: Timestamp) -> Result<(), StoreError> {
    let (store, ttl) = (idp.records.store(), lasting(idp, at));
    store
        .add_scored(ALL, &name.member(), at, ttl)
        .await
        .map(drop)
}

/// Sessions that somebody has to look at now, handed out until `until`.
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

/// How many there are.
pub async fn count(idp: &Idp) -> Result<u64, StoreError> {
    idp.records.store().count_range(ALL, idp.now()).await
}

/// `name` is over, and all that hung on it is undone.
pub async fn leave(idp: &Idp, name: &SessionName) -> Result<(), StoreError> {
    let store = idp.records.store();
    store.remove_scored(&of_user(&name.sub), &name.sid).await?;
    store.remove_scored(ALL, &name.member()).await?;
    Ok(())
}

/// `sub` has the session `sid` no more.
pub async fn leave_user(idp: &Idp, sub: &str, sid: &str) -> Result<(), StoreError> {
    idp.records
        .store()
        .remove_scored(&of_user(sub), sid)
        .await?;
    Ok(())
}

/// The live sessions of `sub`, the one that ends first before the others; at
/// most `limit`.
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

/// How many grants there are, with one that has just been entered.
#[derive(Clone, Copy, Debug)]
pub struct GrantCounts {
    /// In its login session, to all clients.
    pub in_session: u64,
    /// Of its user to its client.
    pub to_client: u64,
}

/// A client gets `grant` in its login session, which lasts until `ends`.
pub async fn enter_grant(
    idp: &Idp,
    grant: &Grant,
    ends: Timestamp,
) -> Result<GrantCounts, StoreError> {
    let store = idp.records.store();
    let ttl = lasting(idp, ends);
    store
        .add_scored(&clients(&grant.sid), &grant.client_id, idp.now(), ttl)
        .await?;
    let ttl = lasting(idp, grant.expires_at);
    let until = grant.expires_at;
    let in_session = grants(&grant.sid);
    let in_session = store.add_scored(&in_session, &grant.id, until, ttl).await?;
    let key = grants_to(&grant.client_id, &grant.sub);
    // Those that ended by themselves leave no word.
    for over in store.claim(&key, idp.now(), until, TRIMMED).await? {
        store.remove_scored(&key, &over).await?;
    }
    Ok(GrantCounts {
        in_session,
        to_client: store.add_scored(&key, &grant.id, until, ttl).await?,
    })
}

/// The clients that took part in a session, and since when.
pub async fn clients_of(idp: &Idp, sid: &str) -> Result<Vec<(String, Timestamp)>, StoreError> {
    let store = idp.records.store();
    store.range(&clients(sid), Timestamp::default(), PAGE).await
}

/// `client_id` has been told that the session is over.
pub async fn leave_client(idp: &Idp, sid: &str, client_id: &str) -> Result<(), StoreError> {
    idp.records
        .store()
        .remove_scored(&clients(sid), client_id)
        .await?;
    Ok(())
}

/// Some of the grants that hang on a session.
pub async fn grants_of(idp: &Idp, sid: &str) -> Result<Vec<String>, StoreError> {
    grants_in(idp, sid, PAGE).await
}

/// The grants that hang on a session; at most `limit`.
pub async fn grants_in(idp: &Idp, sid: &str, limit: usize) -> Result<Vec<String>, StoreError> {
    let key = grants(sid);
    let found = idp.records.store();
    let found = found.range(&key, Timestamp::default(), limit);
    Ok(found.await?.into_iter().map(|(id, _)| id).collect())
}

/// A grant hangs on the session no more.
pub async fn leave_session(idp: &Idp, sid: &str, grant_id: &str) -> Result<(), StoreError> {
    idp.records
        .store()
        .remove_scored(&grants(sid), grant_id)
        .await?;
    Ok(())
}

/// The grants of `sub` to `client_id` that may still live; at most `limit`.
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

/// A grant is over.
pub async fn leave_grant(idp: &Idp, grant: &Grant) -> Result<(), StoreError> {
    leave_session(idp, &grant.sid, &grant.id).await?;
    let key = grants_to(&grant.client_id, &grant.sub);
    idp.records.store().remove_scored(&key, &grant.id).await?;
    Ok(())
}
