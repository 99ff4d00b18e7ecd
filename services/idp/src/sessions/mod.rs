//! The browser's session at the provider: found by its cookie, made at sign-in,
//! ended in one way whatever the reason (`end`).

mod end;
pub mod index;

use actix_web::{HttpRequest, cookie::Cookie, http::header};
pub use end::{Ended, end, end_all_of, end_client, end_due};
use kit::clock::Timestamp;

use crate::{
    cookies,
    domain::{EndReason, LoginSession},
    grants::GrantError,
    meters::Unlisted,
    records::{RecordError, Stored},
    settings::User,
    state::Idp,
};

/// How many sessions of a user one sign-in looks at; a quota is no larger.
const MAX_LOOKED_AT: usize = 2000;

/// The live session of this browser, if its user may still sign in.
pub async fn current(idp: &Idp, req: &HttpRequest) -> Result<Option<LoginSession>, RecordError> {
    Ok(stored(idp, req).await?.map(|stored| stored.record))
}

/// The same, as it was read: what [`save`] goes on with.
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
        Some(stored) if is_listed(idp, &stored.record).await? => Ok(Some(stored)),
        _ => Ok(None),
    }
}

/// The session `sid`, while it lives.
pub async fn live(idp: &Idp, sid: &str) -> Result<Option<LoginSession>, RecordError> {
    let found = idp.records.get::<LoginSession>(sid).await?;
    let found = found.map(|stored| stored.record);
    match found.filter(LoginSession::is_live) {
        Some(login) if is_listed(idp, &login).await? => Ok(Some(login)),
        _ => Ok(None),
    }
}

/// Whether `login` would be found by whoever ends its user's sessions. One that
/// would not be ends here and now, and its apps are told.
async fn is_listed(idp: &Idp, login: &LoginSession) -> Result<bool, RecordError> {
    if index::names_login(idp, login).await? {
        return Ok(true);
    }
    idp.meters.unlisted(Unlisted::Login);
    // Boxed: what begins a grant asks here too, and an end may revoke one.
    let ending = Box::pin(end(idp, &login.sid, EndReason::Unlisted));
    if let Err(error) = ending.await {
        tracing::warn!("a session that no list names is not ended yet: {error}");
    }
    Ok(false)
}

/// A session of `user` who has just signed in, not saved yet, and its cookie.
/// The same user in the same browser keeps the `sid`; the cookie's secret, which
/// `secret` makes for the `sid` and this moment, is new each time.
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

/// Saves it; `Over` where it goes on with one that ended meanwhile. Another
/// user's session that this browser had is over.
pub async fn save(
    idp: &Idp,
    before: Option<&Stored<LoginSession>>,
    session: &LoginSession,
) -> Result<(), GrantError> {
    let Some(before) = before else {
        return begin(idp, session).await;
    };
    if before.record.sid != session.sid {
        begin(idp, session).await?;
        end(idp, &before.record.sid, EndReason::AnotherUser).await?;
        return Ok(());
    }
    index::enter(idp, session).await?;
    // Never written over: a session that has just been ended stays so.
    let swapped = idp.records.swap(&session.sid, before, session).await?;
    swapped.then_some(()).ok_or(GrantError::Over)
}

async fn begin(idp: &Idp, session: &LoginSession) -> Result<(), GrantError> {
    let count = index::enter(idp, session).await?;
    idp.records.put(&session.sid, session).await?;
    if count > idp.quotas.sessions as u64
        && let Err(error) = end_surplus(idp, session).await
    {
        // The user is signed in all the same; the next sign-in ends them.
        tracing::warn!("a user's surplus sessions go on for now: {error}");
    }
    Ok(())
}

/// A user has so many sessions at most: the oldest end, and their apps are told.
async fn end_surplus(idp: &Idp, newest: &LoginSession) -> Result<(), GrantError> {
    let all = index::sessions_of(idp, &newest.sub, MAX_LOOKED_AT).await?;
    let surplus = all.len().saturating_sub(idp.quotas.sessions);
    let others = all.iter().filter(|sid| **sid != newest.sid);
    for sid in others.take(surplus) {
        end(idp, sid, EndReason::TooMany).await?;
    }
    Ok(())
}
