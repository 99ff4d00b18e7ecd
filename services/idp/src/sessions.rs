//! The browser's session at the provider: found by its cookie, made at sign-in.

use actix_web::{HttpRequest, cookie::Cookie};

use crate::{cookies, domain::LoginSession, records::RecordError, settings::User, state::Idp};

/// The live session of this browser, if its user may still sign in.
pub async fn current(idp: &Idp, req: &HttpRequest) -> Result<Option<LoginSession>, RecordError> {
    let Some(value) = cookies::read(req, cookies::SESSION) else {
        return Ok(None);
    };
    let Some((sid, secret)) = value.split_once('.') else {
        return Ok(None);
    };
    let found = idp.records.get::<LoginSession>(sid).await?;
    let enabled = |sub: &str| idp.settings.user(sub).is_some_and(|user| user.enabled);
    Ok(found
        .map(|stored| stored.record)
        .filter(|session| session.has_secret(secret) && enabled(&session.sub)))
}

/// A session of `user` who has just signed in, not saved yet, and its cookie.
/// The same user in the same browser keeps the `sid`; the cookie's secret is
/// new each time.
pub fn make(
    idp: &Idp,
    before: Option<&LoginSession>,
    user: &User,
) -> (LoginSession, Cookie<'static>) {
    let now = idp.now();
    let ends = now + idp.settings.lifetimes.idp_session;
    let kept = before.filter(|before| before.sub == user.sub);
    let sid = kept.map_or_else(|| idp.random.id(), |kept| kept.sid.clone());
    let secret = idp.random.token();
    let session = LoginSession::new(sid, &secret, user.sub.clone(), now, ends);
    let cookie = cookies::session(&session.sid, &secret, now, ends, idp.weaknesses);
    (session, cookie)
}

/// Saves it. Another user's session that this browser had is over.
pub async fn save(
    idp: &Idp,
    before: Option<&LoginSession>,
    session: &LoginSession,
) -> Result<(), RecordError> {
    idp.records.put(&session.sid, session).await?;
    if let Some(before) = before.filter(|before| before.sid != session.sid) {
        idp.records.take::<LoginSession>(&before.sid).await?;
    }
    Ok(())
}
