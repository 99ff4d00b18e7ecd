//! The page `/device` (RFC 8628 §3.3): a signed-in user types the code that the device
//! shows, or brings it by the device's link.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use kit::{
    clock::whole_secs,
    step,
    telemetry::names::{OK, span},
};
use oauth_types::Params;
use tracing::{Instrument as _, field::Empty};
use web_kit::client::client_addr;

use super::{
    answer,
    codes::UserCode,
    link::{self, USER_CODE, code_in},
    lookup::{Found, find_typed},
    sign_in,
};
use crate::{
    Idp,
    cookies::{self, with_cookie},
    domain::LoginSession,
    form_token,
    forms::{self, PageForm},
    page_error::PageError,
    pages::DevicePage,
    records::RecordError,
    sessions,
    settings::Client,
    throttle::CodeAttempt,
};

/// `GET /device`. Nothing is looked up yet: another site can lead a browser here.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest) -> HttpResponse {
    let handled = show(&idp, &req).await;
    handled.unwrap_or_else(|error| error.page(&req))
}

async fn show(idp: &Idp, req: &HttpRequest) -> Result<HttpResponse, PageError> {
    let params = Params::parse(req.query_string().as_bytes(), forms::LIMITS)?;
    let code = code_in(&params)?;
    cookies::none_twice(req)?;
    match sessions::current(idp, req).await? {
        Some(login) => Ok(form(idp, req, &login, code.as_ref(), None)),
        None => Ok(sign_in::show(idp, req, code.as_ref())),
    }
}

/// `POST /device`: looks the code up.
pub async fn submit(idp: web::Data<Idp>, req: HttpRequest, form: PageForm) -> HttpResponse {
    let handled = look_up(&idp, &req, &form).await;
    handled.unwrap_or_else(|error| error.page(&req))
}

/// Why a code is not taken.
enum Refused {
    /// It does not have the form of a code.
    Malformed,
    /// No device waits with it.
    Unknown,
    /// Too many codes were wrong: the time to wait.
    TooEarly(Duration),
}

async fn look_up(
    idp: &Idp,
    req: &HttpRequest,
    submitted: &PageForm,
) -> Result<HttpResponse, PageError> {
    let params = submitted.params()?;
    cookies::none_twice(req)?;
    let code = code_in(&params)?;
    let Some(login) = sessions::current(idp, req).await? else {
        return Ok(sign_in::show(idp, req, code.as_ref()));
    };
    form_token::check(req, &params, &purpose(&login))?;
    let Some(code) = code else {
        return Ok(form(idp, req, &login, None, Some(&Refused::Malformed)));
    };
    let span = step!(
        span::USER_CODE,
        "sso.client_id" = Empty,
        "sso.outcome" = Empty
    );
    let found = guess(idp, req, &login, &code)
        .instrument(span.clone())
        .await?;
    let outcome = match &found {
        Ok((client, _)) => {
            span.record("sso.client_id", &client.client_id);
            OK
        }
        Err(Refused::TooEarly(_)) => "slowed",
        Err(_) => "unknown",
    };
    span.record("sso.outcome", outcome);
    idp.meters.user_codes.add(&[outcome]);
    match found {
        Ok((client, device)) => Ok(answer::ask(idp, req, &login, client, &code, &device)),
        Err(why) => Ok(form(idp, req, &login, Some(&code), Some(&why))),
    }
}

/// Looks up `code`. The attempt is counted first, and a right code takes its count back
/// (RFC 8628 §5.1).
async fn guess<'i>(
    idp: &'i Idp,
    req: &HttpRequest,
    login: &LoginSession,
    code: &UserCode,
) -> Result<Result<(&'i Client, Found), Refused>, RecordError> {
    let attempt = CodeAttempt {
        sid: &login.sid,
        address: client_addr(req).bucket(),
    };
    let counted = match attempt.count(idp).await? {
        Ok(counted) => counted,
        Err(wait) => {
            tracing::warn!(user = login.sub, address = %client_addr(req), "user codes throttled");
            return Ok(Err(Refused::TooEarly(wait)));
        }
    };
    let found = find_typed(idp, code).await?;
    let open = found.filter(|(_, found)| found.stored.record.is_open(idp.now()));
    match open {
        Some(found) => {
            counted.succeeded().await;
            Ok(Ok(found))
        }
        None => Ok(Err(Refused::Unknown)),
    }
}

/// The page, with the reason why a code was not taken.
fn form(
    idp: &Idp,
    req: &HttpRequest,
    login: &LoginSession,
    code: Option<&UserCode>,
    refused: Option<&Refused>,
) -> HttpResponse {
    let (browser, cookie) = form_token::browser(idp, req);
    let (status, problem, retry) = match refused {
        None => (StatusCode::OK, None, None),
        Some(Refused::Malformed) => (
            StatusCode::BAD_REQUEST,
            Some("A code has eight letters, for example WDJB-MJHT.".to_owned()),
            None,
        ),
        Some(Refused::Unknown) => (
            StatusCode::BAD_REQUEST,
            Some("No device waits with this code. Compare it with the one on the device. A code works once and for a short time only: perhaps the device shows a new one by now.".to_owned()),
            None,
        ),
        Some(Refused::TooEarly(wait)) => {
            let seconds = whole_secs(*wait);
            let problem = format!("Too many wrong codes. Try again in {seconds} s.");
            (StatusCode::TOO_MANY_REQUESTS, Some(problem), Some(seconds))
        }
    };
    let user = idp.settings.user(&login.sub);
    let page = DevicePage {
        action: link::PATH,
        hidden: vec![form_token::field(&browser, &purpose(login))],
        code_field: USER_CODE,
        code: code.map(ToString::to_string).unwrap_or_default(),
        user_name: user.map(|user| user.name.clone()).unwrap_or_default(),
        problem,
    };
    let mut response = with_cookie(page.respond(status), &cookie);
    if let Some(seconds) = retry {
        let value = header::HeaderValue::from(seconds);
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// The form is valid for the session that it was shown to.
fn purpose(login: &LoginSession) -> String {
    format!("device {}", login.sid)
}
