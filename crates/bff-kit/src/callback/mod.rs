//! `GET /callback`: checks state, browser and issuer, redeems the code, checks
//! the id_token, saves the session, and only then sets its cookie.

mod trouble;

use actix_web::{HttpRequest, HttpResponse, cookie::Cookie, http::header, web};
use kit::telemetry::names::{OK, span};
use oauth_types::claims::Audience;
use tracing::{Instrument as _, Span, field::Empty};
use web_kit::trace::join_journey;

use self::trouble::Trouble;
use crate::{
    audiences::FIRST,
    cookies::{self, Cookies},
    logout::leftovers::revoke,
    params::Params,
    pre_session::{NoLogin, PreSession},
    provider::{Expected, Grant, Identity, note},
    sessions::{Record, SessionError, SessionMode},
    state::Bff,
    tokens::audience_of,
};

/// Where the provider sends the browser back to.
pub(crate) const CALLBACK: &str = "/callback";
/// The most bytes in a code or a state.
const MAX_VALUE: usize = 2048;

/// A login that this answer has used up, and what the provider promises of its
/// answers.
struct Taken {
    pre_session: PreSession,
    iss_promised: bool,
}

/// The handler.
pub(crate) async fn callback(req: HttpRequest, bff: web::Data<Bff>) -> HttpResponse {
    let params = match Params::read(req.query_string().as_bytes()) {
        Ok(params) => params,
        Err(error) => {
            return Trouble::Unreadable(error.to_string())
                .respond(&req, &bff)
                .await;
        }
    };
    let Some(state) = params.get("state").filter(|state| state.len() <= MAX_VALUE) else {
        return Trouble::Unreadable("It names no login.".to_owned())
            .respond(&req, &bff)
            .await;
    };
    let journey = join_journey(&req, state);
    let answering = async {
        if let Some(name) = doubled(&req, state) {
            bff.meters.logins.add(&["other"]);
            return web_kit::cookies::doubled(&req, bff.accent(), &name);
        }
        let step = kit::step!(span::CALLBACK_CHECK, "sso.outcome" = Empty);
        let checking = check(&req, &bff, &params, state).instrument(step);
        let (checked, over) = checking.await;
        let finished = match checked {
            Ok((code, pre_session)) => finish(&req, &bff, code, pre_session).await,
            Err(trouble) => Err(trouble),
        };
        let mut answer = match finished {
            Ok(answer) => {
                bff.meters.logins.add(&[OK]);
                answer
            }
            Err(trouble) => trouble.respond(&req, &bff).await,
        };
        let login = cookies::login_name(state);
        if over && Cookies::of(&req).get(&login).is_some() {
            // Removal fails only where the cookie cannot be written as a header.
            let _ = answer.add_cookie(&cookies::forget(&login));
        }
        answer
    };
    answering.instrument(journey).await
}

/// A cookie that is there twice, and so counts for none: the login could not be
/// told from another browser's, or its session not be seen. Nothing is used up.
fn doubled(req: &HttpRequest, state: &str) -> Option<String> {
    let cookies = Cookies::of(req);
    let login = cookies::login_name(state);
    if cookies.is_doubled(&login) {
        return Some(login);
    }
    cookies::doubled(&cookies).map(ToOwned::to_owned)
}

/// The code of an answer to a login that this browser began, and that login;
/// and whether it is over, whatever the answer says.
async fn check<'p>(
    req: &HttpRequest,
    bff: &Bff,
    params: &'p Params,
    state: &str,
) -> (Result<(&'p str, PreSession), Trouble>, bool) {
    let taken = take(req, bff, state).await;
    // A login that is not used up can still be ended, and needs its cookie for it.
    let over = matches!(taken, Ok(_) | Err(Trouble::LoginGone));
    let checked = taken.and_then(|taken| {
        let code = code_of(params, bff.provider.issuer(), taken.iss_promised)?;
        Ok((code, taken.pre_session))
    });
    let outcome = checked.as_ref().err().map_or(OK, Trouble::outcome);
    Span::current().record("sso.outcome", outcome);
    (checked, over)
}

async fn finish(
    req: &HttpRequest,
    bff: &Bff,
    code: &str,
    pre_session: PreSession,
) -> Result<HttpResponse, Trouble> {
    let redeeming = bff.provider.redeem_code(code, &pre_session.verifier);
    let grant = redeeming.await.map_err(Trouble::Code)?;
    let expected = Expected {
        nonce: &pre_session.nonce,
        signed_in_since: pre_session.signed_in_since,
    };
    let step = kit::step!(span::ID_TOKEN_CHECK, "sso.outcome" = Empty);
    let identifying = async { note(bff.provider.identify(&grant, &expected).await) };
    let identity = identifying.instrument(step).await;
    let identity = identity.map_err(Trouble::IdToken)?;
    let mode = pre_session.mode.unwrap_or(bff.sessions.settings().mode);
    let saving = save(req, bff, identity, &grant, mode);
    let step = kit::step!(span::SESSION_SAVE, "sso.session_mode" = mode.as_str());
    let cookies = saving.instrument(step).await?;
    let mut answer = HttpResponse::SeeOther();
    answer
        .insert_header((header::LOCATION, pre_session.return_to))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    for cookie in cookies {
        answer.cookie(cookie);
    }
    Ok(answer.finish())
}

/// Ends the login of `state`, whatever comes of it then: a state works once.
/// Without the provider nothing could come of it, so it is not used up then.
async fn take(req: &HttpRequest, bff: &Bff, state: &str) -> Result<Taken, Trouble> {
    let found = bff.pre_sessions.find(req, state).await?;
    let known = bff.provider.known().await.map_err(Trouble::Provider)?;
    let iss_promised = known.metadata.iss_promised;
    Ok(Taken {
        pre_session: bff.pre_sessions.take(found).await?,
        iss_promised,
    })
}

/// The code of an answer that is our provider's.
fn code_of<'a>(params: &'a Params, issuer: &str, iss_promised: bool) -> Result<&'a str, Trouble> {
    check_issuer(params.get("iss"), issuer, iss_promised)?;
    if let Some(code) = params.get("error") {
        return Err(Trouble::Refused(code.chars().take(64).collect()));
    }
    let code = params.get("code").filter(|code| code.len() <= MAX_VALUE);
    code.ok_or_else(|| Trouble::Unreadable("It brings no code.".to_owned()))
}

/// RFC 9207 §2.4: compared as a string, for errors as well. Who promises it in
/// the metadata must send it.
fn check_issuer(iss: Option<&str>, issuer: &str, promised: bool) -> Result<(), Trouble> {
    match iss {
        Some(iss) if iss == issuer => Ok(()),
        None if !promised => Ok(()),
        _ => Err(Trouble::WrongIssuer),
    }
}

/// A new id at each login. The session that this browser had before ends: where
/// the store fails just then, it ends by itself, and the new one counts already.
async fn save(
    req: &HttpRequest,
    bff: &Bff,
    identity: Identity,
    grant: &Grant,
    mode: SessionMode,
) -> Result<Vec<Cookie<'static>>, Trouble> {
    let audience = match audience_of(grant.access_token.token()) {
        Some(Audience::One(audience)) => audience,
        Some(Audience::Many(_)) | None => FIRST.uri.to_owned(),
    };
    let lifetimes = bff.sessions.settings().lifetimes;
    let user_agent = req.headers().get(header::USER_AGENT);
    let user_agent = user_agent.and_then(|value| value.to_str().ok());
    let record = Record::new(identity, grant, &audience, mode, bff.clock.now(), lifetimes);
    let begun = bff.sessions.begin(&record.on(user_agent)).await?;
    for surplus in &begun.surplus {
        drop(revoke(bff, surplus));
    }
    match bff.sessions.end_former(req).await {
        // This login does not wait for it.
        Ok(Some(former)) => drop(revoke(bff, &former)),
        Ok(None) => {}
        Err(error) => tracing::warn!("a browser's former session was not ended: {error}"),
    }
    Ok(begun.cookies)
}

impl From<NoLogin> for Trouble {
    fn from(error: NoLogin) -> Self {
        match error {
            NoLogin::Foreign => Self::ForeignLogin,
            NoLogin::Gone => Self::LoginGone,
            NoLogin::Store(error) => Self::Store(error.to_string()),
        }
    }
}

impl From<SessionError> for Trouble {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::TooLarge(_) | SessionError::Opaque => {
                Self::FitsNoCookie(error.to_string())
            }
            SessionError::EndedMeanwhile => Self::EndedMeanwhile,
            SessionError::Store(_) | SessionError::NoKeys => Self::Store(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9207_2_4_iss_is_compared_as_a_string_and_demanded_where_it_is_promised() {
        const ISSUER: &str = "http://idp.localhost:8081";
        assert!(check_issuer(Some(ISSUER), ISSUER, true).is_ok());
        assert!(check_issuer(None, ISSUER, false).is_ok());
        assert!(check_issuer(None, ISSUER, true).is_err());
        for wrong in [
            "http://idp.localhost:8081/",
            "http://evil",
            "HTTP://idp.localhost:8081",
        ] {
            assert!(check_issuer(Some(wrong), ISSUER, false).is_err(), "{wrong}");
        }
    }
}
