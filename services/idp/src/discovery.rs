//! Discovery (OIDC Discovery §3, RFC 8414 §2), generated from the code and the
//! configuration.

use actix_web::{HttpResponse, http::header, web};
use oauth_types::pkce;
use serde_json::{Value, json};

use crate::{
    Idp, device,
    domain::ACR_PASSWORD,
    grant_management, introspect,
    keys::Algorithm,
    settings::{ASSERTION_ALGORITHM_NAMES, AuthMethod, GrantType, IDENTITY_SCOPES},
};

/// The document of both endpoints, generated once.
pub struct Discovery(String);

impl Discovery {
    /// The metadata of `idp`.
    pub fn new(idp: &Idp) -> Self {
        Self(metadata(idp).to_string())
    }
}

/// `GET /.well-known/openid-configuration` and `…/oauth-authorization-server`.
pub async fn endpoint(discovery: web::Data<Discovery>) -> HttpResponse {
    document(&discovery.0)
}

/// `GET /jwks` (RFC 7517 §5).
pub async fn jwks(idp: web::Data<Idp>) -> HttpResponse {
    document(idp.keys.jwks())
}

fn document(json: &str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=60"))
        .content_type("application/json")
        .body(json.to_owned())
}

fn metadata(idp: &Idp) -> Value {
    let algorithms: Vec<_> = idp.keys.algorithms().map(Algorithm::as_str).collect();
    let resources = idp.settings.resources().iter();
    let scopes: Vec<_> = IDENTITY_SCOPES
        .into_iter()
        .chain(resources.flat_map(|resource| resource.scopes.keys().map(String::as_str)))
        .collect();
    let auth_methods = AuthMethod::ALL.map(AuthMethod::as_str);
    let mut confidential = AuthMethod::ALL.to_vec();
    confidential.retain(|method| *method != AuthMethod::None);
    let confidential: Vec<_> = confidential.into_iter().map(AuthMethod::as_str).collect();
    let grant_types = GrantType::ALL.iter().map(|grant| grant.as_str());
    let grant_types: Vec<_> = grant_types.collect();
    json!({
        "issuer": idp.issuer,
        "authorization_endpoint": idp.endpoint("/authorize"),
        "token_endpoint": idp.endpoint("/token"),
        "userinfo_endpoint": idp.endpoint("/userinfo"),
        "revocation_endpoint": idp.endpoint("/revoke"),
        "introspection_endpoint": idp.endpoint(introspect::PATH),
        "end_session_endpoint": idp.endpoint("/logout"),
        "grants_endpoint": idp.endpoint(grant_management::LIST_PATH),
        "jwks_uri": idp.endpoint("/jwks"),
        "pushed_authorization_request_endpoint": idp.endpoint("/par"),
        "device_authorization_endpoint": idp.endpoint(device::AUTHORIZATION_PATH),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
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
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "code_challenge_methods_supported": [pkce::S256],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
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
    })
}
