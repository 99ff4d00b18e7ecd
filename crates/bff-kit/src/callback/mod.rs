//! `GET /callback`: checks state, browser and issuer, redeems the code, checks
//! the id_token, saves the session, and only then sets its cookie.

mod page_error;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use kit::telemetry::names::{OK, span};
use oauth_types::{UniqueParams, claims::Audience};
use tracing::{Instrument as _, Span, field::Empty};
use web_kit::trace::join_login_trace;

use self::page_error::PageError;
use crate::{
    audiences::FIRST,
    cookies::{self, Cookies, SetCookies},
    params,
    pre_session::{NoLogin, PreSession},
    provider::{Expected, Grant, Identity, note},
    revocation::revoke,
    sessions::{Record, SessionError, SessionMode},
    state::Bff,
};

/// Where the provider sends the browser back to.
pub(crate) const CALLBACK: &str = "/callback";
/// The most bytes in a code or a state.
const MAX_VALUE: usize = 2048;

/// The login of this answer, taken from the store, and what the provider promises of
/// its answers.
struct Taken {
    pre_session: PreSession,
    iss_promised: bool,
}

/// The handler.
pub(crate) async fn callback(req: HttpRequest, bff: web::Data<Bff>) -> HttpResponse {
    let params = match params::parse(req.query_string().as_bytes()) {
        Ok(params) => params,
        Err(error) => {
            return PageError::Unreadable(error.to_string())
                .respond(&req, &bff)
                .await;
        }
    };
    let Some(state) = params.get("state").filter(|state| state.len() <= MAX_VALUE) else {
        return PageError::Unreadable("It has no state.".to_owned())
            .respond(&req, &bff)
            .await;
    };
    let journey = join_login_trace(&req, state);
    let answering = async {
        if let Some(name) = doubled(&req, state) {
            bff.meters.logins.add(&["other"]);
            return web_kit::cookies::doubled(&req, bff.app.site, &name);
        }
        let step = kit::step!(span::CALLBACK_CHECK, "sso.outcome" = Empty);
        let checking = check(&req, &bff, &params, state).instrument(step);
        let (checked, over) = checking.await;
        let finished = match checked {
            Ok((code, pre_session)) => finish(&req, &bff, code, pre_session).await,
            Err(error) => Err(error),
        };
        let mut answer = match finished {
            Ok(answer) => {
                bff.meters.logins.add(&[OK]);
                answer
            }
            Err(error) => error.respond(&req, &bff).await,
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

/// A cookie that the request brings twice, so that neither counts: the login could not
/// be matched to this browser, or its session not be read. The login is not used up.
fn doubled(req: &HttpRequest, state: &str) -> Option<String> {
    let cookies = Cookies::of(req);
    let login = cookies::login_name(state);
    if cookies.is_doubled(&login) {
        return Some(login);
    }
    cookies::doubled(&cookies).map(ToOwned::to_owned)
}

/// The code of the answer and the login that it belongs to, which this browser began;
/// and whether that login is over, whatever the answer says.
async fn check<'p>(
    req: &HttpRequest,
    bff: &Bff,
    params: &'p UniqueParams,
    state: &str,
) -> (Result<(&'p str, PreSession), PageError>, bool) {
    let taken = take(req, bff, state).await;
    // A login that is not used up can still be finished, and needs its cookie.
    let over = matches!(taken, Ok(_) | Err(PageError::LoginGone));
    let checked = taken.and_then(|taken| {
        let code = code_of(params, bff.provider.issuer(), taken.iss_promised)?;
        Ok((code, taken.pre_session))
    });
    let outcome = checked.as_ref().err().map_or(OK, PageError::outcome);
    Span::current().record("sso.outcome", outcome);
    (checked, over)
}

async fn finish(
    req: &HttpRequest,
    bff: &Bff,
    code: &str,
    pre_session: PreSession,
) -> Result<HttpResponse, PageError> {
    let redeeming = bff.provider.redeem_code(code, &pre_session.verifier);
    let grant = redeeming.await.map_err(PageError::Code)?;
    let expected = Expected {
        nonce: &pre_session.nonce,
        signed_in_since: pre_session.signed_in_since,
    };
    let step = kit::step!(span::ID_TOKEN_CHECK, "sso.outcome" = Empty);
    let identifying = async { note(bff.provider.identify(&grant, &expected).await) };
    let identity = identifying.instrument(step).await;
    let identity = identity.map_err(PageError::IdToken)?;
    let mode = pre_session.mode.unwrap_or(bff.sessions.settings().mode);
    let saving = save(req, bff, identity, &grant, mode);
    let step = kit::step!(span::SESSION_SAVE, "sso.session_mode" = mode.as_str());
    let cookies = saving.instrument(step).await?;
    let answer = HttpResponse::SeeOther()
        .insert_header((header::LOCATION, pre_session.return_to))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish();
    Ok(cookies.on(answer))
}

/// Takes the login of `state` from the store: a state can be used once. While the
/// provider is unreachable the login could not be finished, so it stays.
async fn take(req: &HttpRequest, bff: &Bff, state: &str) -> Result<Taken, PageError> {
    let found = bff.pre_sessions.find(req, state).await?;
    let known = bff.provider.known().await.map_err(PageError::Provider)?;
    let iss_promised = known.metadata.iss_promised;
    Ok(Taken {
        pre_session: bff.pre_sessions.take(found).await?,
        iss_promised,
    })
}

/// The code of the answer, if the answer comes from the app's provider.
fn code_of<'a>(
    params: &'a UniqueParams,
    issuer: &str,
    iss_promised: bool,
) -> Result<&'a str, PageError> {
    check_issuer(params.get("iss"), issuer, iss_promised)?;
    if let Some(code) = params.get("error") {
        return Err(PageError::Refused(code.chars().take(64).collect()));
    }
    let code = params.get("code").filter(|code| code.len() <= MAX_VALUE);
    code.ok_or_else(|| PageError::Unreadable("It has no code.".to_owned()))
}

/// RFC 9207 §2.4: compared as a string, for errors as well. A provider whose metadata
/// promises `iss` must send it.
fn check_issuer(iss: Option<&str>, issuer: &str, promised: bool) -> Result<(), PageError> {
    match iss {
        Some(iss) if iss == issuer => Ok(()),
        None if !promised => Ok(()),
        _ => Err(PageError::WrongIssuer),
    }
}

/// Begins a session under a new id, and ends the one that this browser had before. If
/// the store fails to end that one, it expires; the new session counts already.
async fn save(
    req: &HttpRequest,
    bff: &Bff,
    identity: Identity,
    grant: &Grant,
    mode: SessionMode,
) -> Result<SetCookies, PageError> {
    let audience = match grant.access_token.unverified_audience() {
        Some(Audience::One(audience)) => audience,
        Some(Audience::Many(_)) | None => FIRST.uri.to_owned(),
    };
    let lifetimes = bff.sessions.settings().lifetimes;
    let user_agent = req.headers().get(header::USER_AGENT);
    let user_agent = user_agent.and_then(|value| value.to_str().ok());
    let record = Record::new(identity, grant, &audience, mode, bff.clock.now(), lifetimes);
    let begun = bff.sessions.begin(&record.on(user_agent)).await?;
    for surplus in &begun.surplus {
        drop(revoke(&bff.provider, surplus));
    }
    let (former, mut set) = bff.sessions.end_former(req).await;
    match former {
        // The login does not wait for the revocation.
        Ok(Some(former)) => drop(revoke(&bff.provider, &former)),
        Ok(None) => {}
        Err(error) => tracing::warn!("a browser's former session was not ended: {error}"),
    }
    set.append(begun.cookies);
    Ok(set)
}

impl From<NoLogin> for PageError {
    fn from(error: NoLogin) -> Self {
        match error {
            NoLogin::Foreign => Self::ForeignLogin,
            NoLogin::Gone => Self::LoginGone,
            NoLogin::Store(error) => Self::Store(error.to_string()),
        }
    }
}

impl From<SessionError> for PageError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::TooLarge(_) | SessionError::Opaque => {
                Self::FitsNoCookie(error.to_string())
            }
            SessionError::EndedMeanwhile => Self::EndedMeanwhile,
            SessionError::Provider(error) => Self::Provider(error),
            SessionError::Store(_) => Self::Store(error.to_string()),
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
