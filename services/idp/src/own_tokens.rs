//! Validates tokens that the provider has issued: access tokens at userinfo and token
//! exchange, id_tokens as hints.

use jsonwebtoken::{Algorithm as Alg, Header, Validation, decode, decode_header};
use oauth_types::{
    claims::{AccessToken, Audience},
    names::jwt_type,
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{Idp, keys::Algorithm};

/// The most characters of a token.
pub const MAX_LEN: usize = 8192;

/// The claims of a live access token; otherwise the reason why it is none.
pub fn access_token(idp: &Idp, token: &str) -> Result<AccessToken, &'static str> {
    let is_access_token = |header: &Header| {
        header
            .typ
            .as_deref()
            .is_some_and(|typ| typ.eq_ignore_ascii_case(jwt_type::ACCESS_TOKEN))
    };
    let claims: AccessToken = signed_here(
        idp,
        token,
        is_access_token,
        "not an access token (typ, RFC 9068 section 4)",
    )?;
    check_issuer_and_time(idp, &claims)?;
    Ok(claims)
}

/// Whether an access token with these claims is live.
pub fn check_issuer_and_time(idp: &Idp, claims: &AccessToken) -> Result<(), &'static str> {
    if claims.iss != idp.issuer {
        return Err("from another issuer");
    }
    if claims.exp <= idp.now().secs() {
        return Err("expired");
    }
    Ok(())
}

/// The claims of an id_token that is sent back as a hint.
#[derive(Deserialize)]
pub struct IdTokenHint {
    iss: String,
    /// The user.
    pub sub: String,
    /// Its clients.
    pub aud: Audience,
    /// The login session.
    pub sid: Option<String>,
}

/// The claims of an id_token, which may have expired (OIDC Core §3.1.2.1,
/// RP-Initiated Logout §4).
pub fn id_token_hint(idp: &Idp, token: &str) -> Result<IdTokenHint, &'static str> {
    let is_id_token = |header: &Header| {
        header
            .typ
            .as_deref()
            .is_none_or(|typ| typ.eq_ignore_ascii_case(jwt_type::JWT))
    };
    let hint: IdTokenHint = signed_here(idp, token, is_id_token, "not an id_token")?;
    if hint.iss != idp.issuer {
        return Err("from another issuer");
    }
    Ok(hint)
}

/// The user of an id_token that was issued to this client.
pub fn id_token_subject(idp: &Idp, token: &str, client_id: &str) -> Result<String, &'static str> {
    let hint = id_token_hint(idp, token)?;
    if hint.aud.contains(client_id) {
        Ok(hint.sub)
    } else {
        Err("issued to another client")
    }
}

fn signed_here<C: DeserializeOwned>(
    idp: &Idp,
    token: &str,
    is_right_type: impl Fn(&Header) -> bool,
    wrong_type: &'static str,
) -> Result<C, &'static str> {
    if token.len() > MAX_LEN {
        return Err("too long");
    }
    let header = decode_header(token).map_err(|_| "not a JWT")?;
    if !is_right_type(&header) {
        return Err(wrong_type);
    }
    let key = header
        .kid
        .as_deref()
        .and_then(|kid| idp.keys.named(kid))
        .ok_or("not signed by this provider")?;
    let alg = match key.algorithm() {
        Algorithm::Es256 => Alg::ES256,
        Algorithm::Rs256 => Alg::RS256,
        Algorithm::EdDsa => Alg::EdDSA,
    };
    let mut validation = Validation::new(alg);
    // The callers check the times, by the provider's clock, and the audience.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let decoded = decode::<C>(token, key.verifying(), &validation);
    decoded
        .map(|token| token.claims)
        .map_err(|_| "bad signature or claims")
}
