//! The browser's session at the provider: found by its cookie, created at sign-in,
//! and ended in one way for every reason (`end`).

mod end;

use actix_web::{HttpRequest, cookie::Cookie, http::header};
pub use end::{EndedSessions, end, end_all_of, end_client, end_due};
use kit::clock::Timestamp;

use crate::{
    Idp, cookies,
    domain::{EndReason, LoginSession},
    meters::Unlisted,
    records::{ChangeError, RecordError, Stored},
    session_index,
    settings::User,
};

/// How many sessions of a user one sign-in reads; no quota is larger.
const MAX_READ: usize = 2000;

/// The live session of this browser, if its user may still sign in.
pub async fn current(idp: &Idp, req: &HttpRequest) -> Result<Option<LoginSession>, RecordError> {
    Ok(stored(idp, req).await?.map(|stored| stored.record))
}

/// The same, as it was read, for [`save`].
pub async fn stored(
    idp: &Idp,
    req: &HttpRequest,
) -> Result<Option<Stored<LoginSession>>, RecordError> {
    let Some(value) = cookies::read(req, cookies::SESSION) else {
        return Ok(None);
    };
    let Some((sid, secret)) = value.split_once('.') else {
        return Ok(None);
    };
    let found = idp.records.get::<LoginSession>(sid).await?;
    let enabled = |sub: &str| idp.settings.user(sub).is_some_and(|user| user.enabled);
    let found = found.filter(|stored| {
        let login = &stored.record;
        login.is_live() && login.has_secret(secret) && enabled(&login.sub)
    });
    match found {
        Some(stored) if is_listed(idp, &stored.record).await? => {
            idp.watched.remember(&stored.record.sid);
            Ok(Some(stored))
        }
        _ => Ok(None),
    }
}

/// The session `sid`, if it is live.
pub async fn live(idp: &Idp, sid: &str) -> Result<Option<LoginSession>, RecordError> {
    let found = idp.records.get::<LoginSession>(sid).await?;
    let found = found.map(|stored| stored.record);
    match found.filter(LoginSession::is_live) {
        Some(login) if is_listed(idp, &login).await? => Ok(Some(login)),
        _ => Ok(None),
    }
}

/// Whether ending all sessions of its user would find `login`. If not, the session
/// ends here, and its clients are notified.
async fn is_listed(idp: &Idp, login: &LoginSession) -> Result<bool, RecordError> {
    if session_index::contains_session(idp, login).await? {
        return Ok(true);
    }
    idp.meters.unlisted(Unlisted::Login);
    // Boxed, to keep the future of a call that only reads small.
    let ending = Box::pin(end(idp, &login.sid, EndReason::Unlisted));
    if let Err(error) = ending.await {
        tracing::warn!("a session that its user's list lacks could not be ended yet: {error}");
    }
    Ok(false)
}

/// A session of `user`, who has just signed in, and its cookie; not saved yet. The same
/// user in the same browser keeps the `sid`. The cookie's secret, which `secret` makes
/// for the `sid` and this moment, is new each time.
pub fn make(
    idp: &Idp,
    req: &HttpRequest,
    before: Option<&LoginSession>,
    user: &User,
    secret: impl FnOnce(&str, Timestamp) -> String,
) -> (LoginSession, Cookie<'static>) {
    let now = idp.now();
    let ends = now + idp.settings.lifetimes.idp_session;
    let before = before.filter(|before| before.sub == user.sub);
    let sid = before.map_or_else(|| idp.random.id(), |before| before.sid.clone());
    let secret = secret(&sid, now);
    let user_agent = req.headers().get(header::USER_AGENT);
    let session = LoginSession::new(sid, &secret, user.sub.clone(), now, ends)
        .in_browser(user_agent.and_then(|value| value.to_str().ok()));
    let session = match before {
        Some(before) => session.continuing(before),
        None => session,
    };
    let cookie = cookies::session(&session.sid, &secret, now, ends, idp.weaknesses);
    (session, cookie)
}

/// Saves `session`. It fails with `Ended` if it continues a session that ended
/// meanwhile. A session that another user had in this browser ends.
pub async fn save(
    idp: &Idp,
    before: Option<&Stored<LoginSession>>,
    session: &LoginSession,
) -> Result<(), ChangeError> {
    idp.watched.remember(&session.sid);
    let Some(before) = before else {
        return begin(idp, session).await;
    };
    if before.record.sid != session.sid {
        begin(idp, session).await?;
        end(idp, &before.record.sid, EndReason::AnotherUser).await?;
        return Ok(());
    }
    session_index::add_session(idp, session).await?;
    // Swapped and never overwritten: a session that has just ended stays ended.
    let swapped = idp.records.swap(&session.sid, before, session).await?;
    swapped.then_some(()).ok_or(ChangeError::Ended)
}

async fn begin(idp: &Idp, session: &LoginSession) -> Result<(), ChangeError> {
    let count = session_index::add_session(idp, session).await?;
    idp.records.put(&session.sid, session).await?;
    if count > idp.quotas.sessions as u64
        && let Err(error) = end_surplus(idp, session).await
    {
        // The user is signed in; the next sign-in ends the surplus.
        tracing::warn!("a user's surplus sessions could not be ended yet: {error}");
    }
    Ok(())
}

/// Ends the oldest sessions beyond the quota of a user, and notifies their clients.
async fn end_surplus(idp: &Idp, newest: &LoginSession) -> Result<(), ChangeError> {
    let all = session_index::sessions_of(idp, &newest.sub, MAX_READ).await?;
    let surplus = all.len().saturating_sub(idp.quotas.sessions);
    let others = all.iter().filter(|sid| **sid != newest.sid);
    for sid in others.take(surplus) {
        end(idp, sid, EndReason::TooMany).await?;
    }
    Ok(())
}
