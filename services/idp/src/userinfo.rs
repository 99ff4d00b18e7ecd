//! Userinfo (OIDC Core §5.3): any live token whose grant holds `openid`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use oauth_types::{error::sentence, params::BadParams};
use serde::Serialize;
use web_kit::problem::Problem;

use crate::{
    Idp,
    forms::ClientForm,
    issue::PersonClaims,
    policy::Permit,
    presented_token::{InvalidToken, Presented, presented},
    records::RecordError,
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
    form: ClientForm,
) -> Result<HttpResponse, Problem> {
    let token = bearer(&req, &form)?;
    let access = match presented(&idp, &token).await {
        Ok(Presented::Access(access)) => access,
        Ok(Presented::Refresh(_) | Presented::IdToken) => {
            return Err(invalid_token("it is not an access token"));
        }
        Err(InvalidToken::Records(error)) => return Err(store_unavailable(error)),
        Err(invalid) => return Err(invalid_token(&invalid.to_string())),
    };
    // The client of the grant: an exchanged token may have another one.
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

/// RFC 6750 §2.1 and §2.2: the token in the header or in a form, one of them. A token
/// in the query is ignored.
fn bearer(req: &HttpRequest, form: &ClientForm) -> Result<String, Problem> {
    let malformed = |why: &str| {
        Problem::new(StatusCode::BAD_REQUEST, "Malformed request")
            .detail(why)
            .www_authenticate(challenge("invalid_request", why))
    };
    let headers: Vec<_> = req.headers().get_all(header::AUTHORIZATION).collect();
    let from_form = || -> Result<Option<String>, BadParams> {
        let Some(params) = form.optional_params()? else {
            return Ok(None);
        };
        Ok(params.one("access_token")?.map(str::to_owned))
    };
    let from_form = from_form().map_err(|error| malformed(&error.to_string()))?;
    match (&headers[..], from_form) {
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
        .detail(format!("The access token is invalid: {why}."))
        .www_authenticate(challenge("invalid_token", why))
}

fn no_openid() -> Problem {
    let why = "the grant does not include openid";
    Problem::new(StatusCode::FORBIDDEN, "Insufficient scope")
        .detail("Userinfo requires a grant with the scope openid.")
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
fn store_unavailable(error: RecordError) -> Problem {
    tracing::warn!("{error}");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The store is unavailable")
        .detail("Try again.")
        .retry_after(1)
}
