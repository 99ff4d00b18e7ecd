//! Discovery (OIDC Discovery §3, RFC 8414 §2), generated from the code and the
//! configuration.

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderName, HeaderValue},
    web,
};
use oauth_types::pkce;
use serde_json::{Value, json};
use token_verify::dpop;

use crate::{
    Idp,
    authorize::{self, PROMPTS, RESPONSE_MODE, RESPONSE_TYPE},
    device,
    domain::ACR_PASSWORD,
    grant_management, introspect,
    keys::Algorithm,
    settings::{ASSERTION_ALGORITHM_NAMES, AuthMethod, GrantType, IDENTITY_SCOPES},
    token, userinfo,
};

/// The document of both endpoints, generated once.
pub struct Discovery(String);

impl Discovery {
    /// The metadata of `idp`.
    pub fn new(idp: &Idp) -> Self {
        Self(metadata(idp).to_string())
    }
}

/// `GET /.well-known/openid-configuration` and `…/oauth-authorization-server`. It also gives
/// out a nonce for proofs (RFC 9449 §8.2), so that a client's first request for tokens can
/// have one. The nonce is good for longer than the answer is cached.
pub async fn endpoint(idp: web::Data<Idp>, discovery: web::Data<Discovery>) -> HttpResponse {
    let mut answer = document(&discovery.0);
    if let Ok(nonce) = HeaderValue::try_from(crate::dpop::nonce(&idp)) {
        let name = HeaderName::from_static(dpop::NONCE_HEADER);
        answer.headers_mut().insert(name, nonce);
    }
    answer
}

/// `GET /jwks` (RFC 7517 §5).
pub async fn jwks(idp: web::Data<Idp>) -> HttpResponse {
    idp.keys.refresh_for_jwks(&idp.records).await;
    match idp.keys.jwks() {
        Some(keys) => document(&keys),
        // The store was not reached since the start.
        None => HttpResponse::ServiceUnavailable()
            .insert_header((header::RETRY_AFTER, "1"))
            .finish(),
    }
}

fn document(json: &str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=60"))
        .content_type("application/json")
        .body(json.to_owned())
}

fn metadata(idp: &Idp) -> Value {
    let algorithms: Vec<_> = idp.keys.algorithms().map(Algorithm::as_str).collect();
    let methods = AuthMethod::ALL.into_iter();
    let methods = methods.filter(|method| idp.mtls.is_some() || !method.is_by_certificate());
    let auth_methods: Vec<_> = methods.map(AuthMethod::as_str).collect();
    let mut confidential = auth_methods.clone();
    confidential.retain(|method| *method != AuthMethod::None.as_str());
    let grant_types = GrantType::ALL.iter().map(|grant| grant.as_str());
    let grant_types: Vec<_> = grant_types.collect();
    let mut metadata = json!({
        "issuer": idp.issuer,
        "authorization_endpoint": idp.endpoint("/authorize"),
        "token_endpoint": idp.endpoint(token::PATH),
        "userinfo_endpoint": idp.endpoint(userinfo::PATH),
        "revocation_endpoint": idp.endpoint("/revoke"),
        "introspection_endpoint": idp.endpoint(introspect::PATH),
        "end_session_endpoint": idp.endpoint("/logout"),
        "grants_endpoint": idp.endpoint(grant_management::LIST_PATH),
        "jwks_uri": idp.endpoint("/jwks"),
        "pushed_authorization_request_endpoint": idp.endpoint(authorize::PAR_PATH),
        "device_authorization_endpoint": idp.endpoint(device::AUTHORIZATION_PATH),
        "scopes_supported": scopes(idp),
        "response_types_supported": [RESPONSE_TYPE],
        "response_modes_supported": [RESPONSE_MODE],
        "grant_types_supported": grant_types,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
        "token_endpoint_auth_methods_supported": auth_methods,
        "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHM_NAMES,
        "revocation_endpoint_auth_methods_supported": auth_methods,
        "revocation_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHM_NAMES,
        // A public client cannot introspect (RFC 7662 §2.1).
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHM_NAMES,
        "introspection_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": dpop::ALGORITHM_NAMES,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "code_challenge_methods_supported": [pkce::S256],
        "prompt_values_supported": PROMPTS,
        "acr_values_supported": [ACR_PASSWORD],
        "claim_types_supported": ["normal"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "nonce",
            "name", "preferred_username", "email", "email_verified",
        ],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
    });
    if let Some(mtls) = &idp.mtls {
        metadata["tls_client_certificate_bound_access_tokens"] = true.into();
        metadata["mtls_endpoint_aliases"] = aliases(&mtls.url);
    }
    metadata
}

/// The scopes that a client can ask for.
fn scopes(idp: &Idp) -> Vec<&str> {
    let resources = idp.settings.resources().iter();
    let of_resources = resources.flat_map(|one| one.scopes.keys().map(String::as_str));
    IDENTITY_SCOPES.into_iter().chain(of_resources).collect()
}

/// RFC 8705 §5: the endpoints to which a client sends its certificate.
fn aliases(mtls: &str) -> Value {
    let at = |path: &str| format!("{mtls}{path}");
    json!({
        "token_endpoint": at(token::PATH),
        "userinfo_endpoint": at(userinfo::PATH),
        "revocation_endpoint": at("/revoke"),
        "introspection_endpoint": at(introspect::PATH),
        "pushed_authorization_request_endpoint": at(authorize::PAR_PATH),
        "device_authorization_endpoint": at(device::AUTHORIZATION_PATH),
    })
}
