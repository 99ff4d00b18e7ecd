//! `GET /callback`: checks state, browser and issuer, redeems the code, checks
//! the id_token, saves the session, and only then sets its cookie.

mod page_error;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use kit::telemetry::Waivers;
use kit::{
    config::{Weakness, Weaknesses},
    telemetry::names::{OK, span},
};
use oauth_types::{UniqueParams, claims::Audience};
use tracing::{Instrument as _, Span, field::Empty};
use web_kit::{explain::with_explanation, trace::join_login_trace};

use self::page_error::PageError;
use crate::{
    audiences::FIRST,
    cookies::{self, Cookies, SetCookies},
    credentials::Chosen,
    pages::explain,
    params,
    pre_session::{NoLogin, PreSession},
    provider::{Expected, Grant, Identity, Provider, ProviderError, record_outcome},
    revocation::revoke,
    sessions::{Record, SessionError, SessionId, SessionMode},
    state::Bff,
};

/// Where the provider sends the browser back to.
pub(crate) const CALLBACK: &str = "/callback";
/// The most bytes in a code or a state.
const MAX_VALUE: usize = 2048;

/// The login that the response belongs to, taken from the store.
struct Taken<'b> {
    pre_session: PreSession,
    /// Where the login began.
    provider: &'b Provider,
    /// Whether the provider's metadata promises `iss` in each response (RFC 9207 §3).
    iss_promised: bool,
}

/// `GET /callback`.
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
        return PageError::Unreadable("The response has no state.".to_owned())
            .respond(&req, &bff)
            .await;
    };
    let span = join_login_trace(&req, state);
    let answering = async {
        if let Some(name) = duplicate(&req, state) {
            bff.meters.logins.add(&["other"]);
            return web_kit::cookies::duplicate_page(&req, bff.app.site, &name);
        }
        let step = kit::step!(span::CALLBACK_CHECK, "sso.outcome" = Empty);
        let checking = check(&req, &bff, &params, state).instrument(step);
        let (checked, is_over) = checking.await;
        let finished = match checked {
            Ok((code, taken)) => finish(&req, &bff, (code, state), taken).await,
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
        if is_over && Cookies::of(&req).get(&login).is_some() {
            // This fails only if the cookie cannot be written as a header.
            let _ = answer.add_cookie(&cookies::forget(&login));
        }
        answer
    };
    answering.instrument(span).await
}

/// A cookie that the browser sends twice, so neither is used: the login's own, or one of
/// the session's. The login stays in the store, so the user can try again.
fn duplicate(req: &HttpRequest, state: &str) -> Option<String> {
    let cookies = Cookies::of(req);
    let login = cookies::login_name(state);
    if cookies.is_duplicate(&login) {
        return Some(login);
    }
    cookies::duplicate(&cookies).map(ToOwned::to_owned)
}

/// Checks the authorization response. Returns its code and its login, and whether that
/// login is over: then its cookie can be removed, even if the check failed.
async fn check<'p, 'b>(
    req: &HttpRequest,
    bff: &'b Bff,
    params: &'p UniqueParams,
    state: &str,
) -> (Result<(&'p str, Taken<'b>), PageError>, bool) {
    let taken = take(req, bff, state).await;
    // A login that is still in the store can be completed, and needs its cookie.
    let is_over = matches!(taken, Ok(_) | Err(PageError::LoginGone));
    let checked = taken.and_then(|taken| {
        let code = code_of(params, &taken, bff.weaknesses)?;
        Ok((code, taken))
    });
    let outcome = checked.as_ref().err().map_or(OK, PageError::outcome);
    Span::current().record("sso.outcome", outcome);
    (checked, is_over)
}

async fn finish(
    req: &HttpRequest,
    bff: &Bff,
    (code, state): (&str, &str),
    taken: Taken<'_>,
) -> Result<HttpResponse, PageError> {
    let Taken {
        pre_session,
        provider,
        ..
    } = taken;
    let redeeming = provider.redeem_code(code, &pre_session.verifier);
    let grant = redeeming.await.map_err(PageError::Code)?;
    let expected = Expected {
        nonce: &pre_session.nonce,
        signed_in_since: pre_session.signed_in_since,
    };
    let step = kit::step!(span::ID_TOKEN_CHECK, "sso.outcome" = Empty);
    let identifying = async { record_outcome(provider.identify(&grant, &expected).await) };
    let identity = identifying.instrument(step).await;
    let identity = identity.map_err(PageError::IdToken)?;
    if pre_session.second_provider {
        return Err(PageError::IdToken(ProviderError::Invalid(
            "the second provider has no users here".to_owned(),
        )));
    }
    let mode = pre_session.mode.unwrap_or(bff.sessions.settings().mode);
    let chosen = pre_session.credentials;
    let saving = save(req, bff, identity, &grant, (mode, chosen));
    let step = kit::step!(span::SESSION_SAVE, "sso.session_mode" = mode.as_str());
    let cookies = saving.instrument(step).await?;
    bff.pre_sessions.completed(state, &pre_session).await;
    let answer = HttpResponse::SeeOther()
        .insert_header((header::LOCATION, pre_session.return_to))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish();
    let answer = with_explanation(answer, || explain::signed_in(&bff.app, mode));
    Ok(cookies.add_to(answer))
}

/// Takes the login of `state` from the store: a state can be used once. The login stays
/// there while the provider is unreachable, because it could not be completed.
async fn take<'b>(req: &HttpRequest, bff: &'b Bff, state: &str) -> Result<Taken<'b>, PageError> {
    let found = bff.pre_sessions.find(req, state).await?;
    let provider = bff.provider_of(found.is_with_second_provider());
    let provider = provider.ok_or(PageError::LoginGone)?;
    let discovery = provider.discovery().await.map_err(PageError::Provider)?;
    let iss_promised = discovery.metadata.iss_promised;
    Ok(Taken {
        pre_session: bff.pre_sessions.take(found).await?,
        provider,
        iss_promised,
    })
}

/// The code of the response, if the response comes from the provider of its login.
fn code_of<'a>(
    params: &'a UniqueParams,
    taken: &Taken<'_>,
    weaknesses: Weaknesses,
) -> Result<&'a str, PageError> {
    let (iss, issuer) = (params.get("iss"), taken.provider.issuer());
    check_issuer(iss, issuer, taken.iss_promised, weaknesses)?;
    if let Some(code) = params.get("error") {
        return Err(PageError::Refused(code.chars().take(64).collect()));
    }
    let code = params.get("code").filter(|code| code.len() <= MAX_VALUE);
    code.ok_or_else(|| PageError::Unreadable("The response has no code.".to_owned()))
}

/// RFC 9207 §2.4: compared as a string, for errors as well. A provider whose metadata
/// promises `iss` must send it.
fn check_issuer(
    iss: Option<&str>,
    issuer: &str,
    promised: bool,
    weaknesses: Weaknesses,
) -> Result<(), PageError> {
    match iss {
        Some(iss) if iss == issuer => Ok(()),
        None if !promised => Ok(()),
        _ if Waivers::one(weaknesses, Weakness::NoIssuerCheck) => Ok(()),
        _ => Err(PageError::WrongIssuer),
    }
}

/// Begins a session under a new id, and ends the browser's former session. If the store
/// fails to end the former session, the new one is valid all the same, and the former
/// one expires.
async fn save(
    req: &HttpRequest,
    bff: &Bff,
    identity: Identity,
    grant: &Grant,
    (mode, credentials): (SessionMode, Chosen),
) -> Result<SetCookies, PageError> {
    let audience = match grant.access_token.unverified_audience() {
        Some(Audience::One(audience)) => audience,
        Some(Audience::Many(_)) | None => FIRST.uri.to_owned(),
    };
    let lifetimes = bff.sessions.settings().lifetimes;
    let user_agent = req.headers().get(header::USER_AGENT);
    let user_agent = user_agent.and_then(|value| value.to_str().ok());
    let record = Record::new(identity, grant, &audience, mode, bff.clock.now(), lifetimes);
    let record = record.with_user_agent(user_agent).choosing(credentials);
    if let Some(id) = kept_id(req, bff.weaknesses) {
        return Ok(bff.sessions.begin_as(&id, &record).await?.cookies);
    }
    let begun = bff.sessions.begin(&record).await?;
    // Revocation runs in a task of its own: the login does not wait for it.
    for surplus in &begun.surplus {
        drop(revoke(&bff.provider, surplus));
    }
    let (former, mut set) = bff.sessions.end_former(req).await;
    match former {
        Ok(Some(former)) => drop(revoke(&bff.provider, &former)),
        Ok(None) => {}
        Err(error) => tracing::warn!("a browser's former session was not ended: {error}"),
    }
    set.append(begun.cookies);
    Ok(set)
}

/// The session id in the browser's cookie, if the weakness `keep-session-id` of a lab lets
/// the new session begin under it.
fn kept_id(req: &HttpRequest, weaknesses: Weaknesses) -> Option<SessionId> {
    let cookies = Cookies::of(req);
    let id = SessionId::read(cookies.get(cookies::SESSION)?)?;
    Waivers::one(weaknesses, Weakness::KeepSessionId).then_some(id)
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
            SessionError::TooLarge(_) => Self::FitsNoCookie(error.to_string()),
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
        let check_issuer =
            |iss, issuer, promised| check_issuer(iss, issuer, promised, Weaknesses::default());
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

    #[test]
    fn another_issuer_passes_only_where_a_lab_does_not_check_it() {
        let check = |weaknesses: &[Weakness]| {
            let weaknesses = weaknesses.iter().copied().collect();
            check_issuer(Some("http://idp"), "http://evil", false, weaknesses)
        };
        assert!(check(&[]).is_err() && check(&[Weakness::NoNonceCheck]).is_err());
        assert!(check(&[Weakness::NoIssuerCheck]).is_ok());
    }

    #[test]
    fn a_session_begins_under_the_browsers_id_only_where_a_lab_keeps_it() {
        let id = "a".repeat(43);
        let kept = |cookie: &str, weaknesses: &[Weakness]| {
            let cookie = format!("{}={cookie}", cookies::SESSION);
            let request = actix_web::test::TestRequest::default();
            let request = request.insert_header((header::COOKIE, cookie));
            let weaknesses = weaknesses.iter().copied().collect();
            kept_id(&request.to_http_request(), weaknesses)
        };
        assert_eq!(kept(&id, &[]), None);
        assert_eq!(kept(&id, &[Weakness::LoginUnbound]), None);
        let weakened = [Weakness::KeepSessionId];
        assert_eq!(kept(&id, &weakened), SessionId::read(&id));
        assert_eq!(kept("short", &weakened), None);
    }
}
