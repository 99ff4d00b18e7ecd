//! The user who signed in.

use openidconnect::{
    NonceVerifier, TokenResponse as _,
    core::{CoreIdTokenVerifier, CoreTokenResponse},
};

use super::one_line;

/// The scopes that a sign-in from the terminal requests, besides `openid`.
pub(crate) const SIGN_IN_SCOPES: [&str; 2] = ["profile", "https://api-1/read"];

/// The user's name, from a checked id_token (OIDC Core §3.1.3.7).
pub(crate) fn user_name(
    answer: &CoreTokenResponse,
    verifier: &CoreIdTokenVerifier<'_>,
    nonce: impl NonceVerifier,
) -> Result<String, String> {
    let id_token = answer.id_token().ok_or("there is none")?;
    let claims = id_token.claims(verifier, nonce);
    let claims = claims.map_err(|why| one_line(&why.to_string()))?;
    let name = claims.preferred_username().map(|name| name.as_str());
    Ok(one_line(name.unwrap_or_else(|| claims.subject().as_str())))
}
