//! Userinfo (OIDC Core §5.3): any live token whose grant holds `openid`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use oauth_types::error::sentence;
use serde::Serialize;
use web_kit::problem::Problem;

use crate::{
    bodies::ClientForm,
    issue::PersonClaims,
    params::Params,
    policy::Permit,
    presented::{Presented, Worthless, presented},
    records::RecordError,
    state::Idp,
    token::is_form,
};

#[derive(Serialize)]
struct UserInfo<'a> {
    sub: &'a str,
    #[serde(flatten)]
    person: PersonClaims<'a>,
}

/// `GET` and `POST /userinfo`.
pub async fn endpoint(
    idp: web::Data<Idp>,
    req: HttpRequest,
    body: ClientForm,
) -> Result<HttpResponse, Problem> {
    let token = bearer(&req, &body)?;
    let access = match presented(&idp, &token).await {
        Ok(Presented::Access(access)) => access,
        Ok(Presented::Refresh(_) | Presented::IdToken) => {
            return Err(invalid_token("it is no access token"));
        }
        Err(Worthless::Records(error)) => return Err(store_away(error)),
        Err(worthless) => return Err(invalid_token(&worthless.to_string())),
    };
    // The grant's client, which an exchanged token's need not be.
    let grant = access.grant.ok_or_else(no_openid)?;
    let ended = || invalid_token("its grant has ended");
    let client = idp.settings.client(&grant.client_id).ok_or_else(ended)?;
    let permit = Permit::of_grant(&idp, client, &(&grant).into()).map_err(|_| ended())?;
    let user = permit.user().ok_or_else(ended)?;
    if !permit.scope().contains("openid") {
        return Err(no_openid());
    }
    let info = UserInfo {
        sub: &user.sub,
        person: PersonClaims::of(user, permit.scope()),
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(info))
}

/// RFC 6750 §2.1 and §2.2: the header or the form's body, one of them. A token
/// in the query is not looked at.
fn bearer(req: &HttpRequest, body: &[u8]) -> Result<String, Problem> {
    let malformed = |why: &str| {
        Problem::new(StatusCode::BAD_REQUEST, "Malformed request")
            .detail(why)
            .www_authenticate(challenge("invalid_request", why))
    };
    let headers: Vec<_> = req.headers().get_all(header::AUTHORIZATION).collect();
    let is_form = req
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(is_form);
    let from_body = match std::str::from_utf8(body) {
        Ok(text) if is_form => {
            let params = Params::parse(text).map_err(|e| malformed(&e.to_string()))?;
            params
                .one("access_token")
                .map_err(|e| malformed(&e.to_string()))?
                .map(str::to_owned)
        }
        _ => None,
    };
    match (&headers[..], from_body) {
        ([], None) => Err(no_token()),
        ([], Some(token)) => Ok(token),
        ([one], None) => {
            let text = one.to_str().unwrap_or_default();
            match text.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                    Ok(token.trim().to_owned())
                }
                // RFC 6750 §3.1: no token of this kind was sent.
                _ => Err(no_token()),
            }
        }
        _ => Err(malformed(
            "More than one access token (RFC 6750 section 2).",
        )),
    }
}

fn no_token() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "No access token")
        .detail("Send an access token in the Authorization header.")
        .www_authenticate("Bearer realm=\"sso-lab\"".to_owned())
}

fn invalid_token(why: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "Invalid access token")
        .detail(format!("The access token is not taken: {why}."))
        .www_authenticate(challenge("invalid_token", why))
}

fn no_openid() -> Problem {
    let why = "the grant does not hold openid";
    Problem::new(StatusCode::FORBIDDEN, "Insufficient scope")
        .detail("Userinfo is for grants with the scope openid.")
        .www_authenticate(format!(
            "{}, scope=\"openid\"",
            challenge("insufficient_scope", why)
        ))
}

fn challenge(error: &str, why: &str) -> String {
    format!(
        "Bearer realm=\"sso-lab\", error=\"{error}\", error_description=\"{}\"",
        sentence(why)
    )
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn store_away(error: RecordError) -> Problem {
    tracing::warn!("{error}");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "The store cannot be reached",
    )
    .detail("Try again.")
    .retry_after(1)
}
