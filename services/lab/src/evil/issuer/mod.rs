//! The attacker's own authorization server, for the mix-up attack (RFC 9700 §4.4.1): apps are
//! its clients, as they are those of the honest provider. Its authorization endpoint sends the
//! browser on to the honest provider, with the app's client id there and the `state` of the
//! login; its token endpoint keeps the code that a confused app sends to it. It issues no
//! tokens, and acts only for a journey whose attack is running.

mod traps;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web::{self, Data, ServiceConfig},
};
use kit::{
    config::{Addresses, Site},
    journey::JourneyTag,
    telemetry::context::TraceContext,
};
use oauth_types::{ErrorBody, ErrorCode};
use serde_json::json;
use url::{Url, form_urlencoded};
use web_kit::{body::Body, trace::Origin, ui::Message};

pub use self::traps::Traps;

/// Its path below the attacker's site.
const PATH: &str = "/issuer";
/// Its authorization endpoint, which browsers open.
const AUTHORIZE: &str = "/issuer/authorize";
/// The most bytes of a token request.
const MAX_FORM: usize = 1024;

/// Where the trace of a request begins: at the app, or here for a browser.
pub(crate) fn trace(_: &Method, path: &str) -> Origin {
    if path.starts_with(PATH) && path != AUTHORIZE {
        Origin::Caller
    } else {
        Origin::New
    }
}

/// Its endpoints.
pub(super) fn routes(cfg: &mut ServiceConfig, addresses: &Addresses, traps: Arc<Traps>) {
    let issuer = format!("{}{PATH}", addresses.url(Site::Evil));
    let metadata = Data::new(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
    }));
    let traps = Data::from(traps);
    let at = |path: &str| web::resource(format!("{PATH}{path}")).app_data(traps.clone());
    let show = async |metadata: Data<serde_json::Value>| HttpResponse::Ok().json(&**metadata);
    let keys = async || HttpResponse::Ok().json(json!({ "keys": [] }));
    cfg.service(
        at("/.well-known/openid-configuration")
            .app_data(metadata)
            .route(web::get().to(show)),
    )
    .service(at("/jwks").route(web::get().to(keys)))
    .service(at("/authorize").route(web::get().to(authorize)))
    .service(at("/token").route(web::post().to(token)));
}

/// The journey of the current request.
fn journey() -> Option<JourneyTag> {
    TraceContext::current_journey().map(|journey| journey.tag())
}

/// The authorization endpoint: the browser goes on to the honest provider.
async fn authorize(req: HttpRequest, traps: Data<Traps>) -> HttpResponse {
    let prepared = journey().and_then(|journey| traps.request(journey));
    let Some(prepared) = prepared else {
        return Message::new(
            "No attack is running",
            "This is the attacker's authorization server. It acts only while the lab's mix-up attack is running.",
        )
        .respond(Site::Evil, StatusCode::BAD_REQUEST);
    };
    let mut query = form_urlencoded::parse(req.query_string().as_bytes());
    let state = query.find(|(name, _)| name == "state");
    let state = state.map(|(_, state)| state).unwrap_or_default();
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, with_state(&prepared, &state).as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// `request` with another `state`: that of the login which the victim has begun.
fn with_state(request: &Url, state: &str) -> Url {
    let pairs = request.query_pairs().into_owned();
    let kept: Vec<_> = pairs.filter(|(name, _)| name != "state").collect();
    let mut changed = request.clone();
    let mut pairs = changed.query_pairs_mut();
    pairs.clear().extend_pairs(kept).append_pair("state", state);
    drop(pairs);
    changed
}

/// The token endpoint: it keeps the code, and answers that it is of no use.
async fn token(body: Body, traps: Data<Traps>) -> HttpResponse {
    let form = match body.read(MAX_FORM).await {
        Ok(form) => form,
        Err(error) => {
            let said = ErrorBody::new(ErrorCode::InvalidRequest, &error.to_string());
            return HttpResponse::build(error.status()).json(said);
        }
    };
    let code = form_urlencoded::parse(&form).find(|(name, _)| name == "code");
    if let Some(((_, code), journey)) = code.zip(journey()) {
        traps.keep(journey, &code);
    }
    HttpResponse::BadRequest()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "error": "invalid_grant", "error_description": "The code is unknown." }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_goes_on_with_the_attackers_request_and_the_victims_state() {
        let own = "https://idp.example/authorize?client_id=app1&state=attackers&nonce=n";
        let changed = with_state(&Url::parse(own).unwrap(), "victims");
        let expected = "https://idp.example/authorize?client_id=app1&nonce=n&state=victims";
        assert_eq!(changed.as_str(), expected);
    }

    #[test]
    fn apps_are_callers_and_browsers_are_not() {
        let origin = |path| trace(&Method::GET, path);
        assert_eq!(origin("/issuer/token"), Origin::Caller);
        assert_eq!(origin("/issuer/authorize"), Origin::New);
        assert_eq!(origin("/image"), Origin::New);
    }
}
