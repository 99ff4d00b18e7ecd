//! Responses that redirect the browser to the client.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
};
use oauth_types::error::sentence;
use url::Url;
use web_kit::explain::with_explanation;

use super::{checks::Refusal, explained};
use crate::{Idp, domain::AuthorizationRequest, page_error::PageError};

/// Redirects with the refusal of a checked request.
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

/// Redirects with an error (RFC 6749 §4.1.2.1).
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
    let response = redirect(idp, req, redirect_uri, state, &answer);
    with_explanation(response, || explained::refusal(redirect_uri))
}

/// Redirects with `answer`, `state` unchanged and `iss` (RFC 9207 §2).
pub(super) fn redirect(
    idp: &Idp,
    req: &HttpRequest,
    redirect_uri: &str,
    state: Option<&str>,
    answer: &[(&str, &str)],
) -> HttpResponse {
    let Ok(mut target) = redirect_uri.parse::<Url>() else {
        return PageError::redirect_uri("redirect_uri is not a URL.").page(req);
    };
    {
        let mut query = target.query_pairs_mut();
        query.extend_pairs(answer);
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &idp.issuer);
    }
    // RFC 9700 §4.12: not 307, which would send the form and its password along.
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
