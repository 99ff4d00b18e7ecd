//! Answers that go back to the client.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
};
use oauth_types::error::sentence;
use url::Url;

use super::Refusal;
use crate::{domain::AuthorizationRequest, state::Idp, trouble::Trouble};

/// Sends the refusal of a checked request back to the client.
pub(super) fn refuse_request(
    idp: &Idp,
    req: &HttpRequest,
    request: &AuthorizationRequest,
    refusal: &Refusal,
) -> HttpResponse {
    refuse(
        idp,
        req,
        &request.redirect_uri,
        request.state.as_deref(),
        refusal,
    )
}

/// RFC 6749 §4.1.2.1, with `iss` (RFC 9207 §2).
pub(super) fn refuse(
    idp: &Idp,
    req: &HttpRequest,
    redirect_uri: &str,
    state: Option<&str>,
    refusal: &Refusal,
) -> HttpResponse {
    let description = sentence(&refusal.description);
    let answer = [
        ("error", refusal.code.as_str()),
        ("error_description", &description),
    ];
    back(idp, req, redirect_uri, state, &answer)
}

/// Back to the client with `answer`, `state` unchanged and `iss` (RFC 9207 §2).
pub(super) fn back(
    idp: &Idp,
    req: &HttpRequest,
    redirect_uri: &str,
    state: Option<&str>,
    answer: &[(&str, &str)],
) -> HttpResponse {
    let Ok(mut target) = redirect_uri.parse::<Url>() else {
        return Trouble::redirect_uri("redirect_uri is not an address.").page(req);
    };
    {
        let mut query = target.query_pairs_mut();
        query.extend_pairs(answer);
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &idp.issuer);
    }
    // RFC 9700 §4.12: never 307 after a form, or the password would go along.
    let status = if *req.method() == Method::POST {
        StatusCode::SEE_OTHER
    } else {
        StatusCode::FOUND
    };
    HttpResponse::build(status)
        .insert_header((header::LOCATION, target.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish()
}
