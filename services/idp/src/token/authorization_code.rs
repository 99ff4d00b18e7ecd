//! The authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.6).

use kit::config::{Weakness, Weaknesses};
use kit::telemetry::Waivers;
use oauth_types::{Params, TokenResponse, pkce};

use super::new_grant::{self, FirstTokens};
use crate::{
    Idp, audit,
    authorize::is_registered,
    domain::{AuthorizationRequest, Authorized, Code, CodeState, Grant},
    error::OAuthError,
    grants,
    policy::{Granted, Permit},
    records::Stored,
    settings::Client,
    token_binding::TokenBinding,
};

pub(super) async fn redeem(
    idp: &Idp,
    client: &Client,
    params: &Params,
    binding: &TokenBinding,
) -> Result<TokenResponse, OAuthError> {
    let code = params
        .one("code")?
        .ok_or_else(|| OAuthError::request("code is missing."))?;
    let id = kit::seal::fingerprint(code);
    let unknown = || OAuthError::grant("The code is unknown or has expired.");
    let stored = idp.records.get::<Code>(&id).await?.ok_or_else(unknown)?;
    // RFC 6749 §4.1.3: bound to the client that it was issued to.
    if stored.record.client_id != client.client_id {
        return Err(unknown());
    }
    let CodeState::Pending(authorized) = &stored.record.state else {
        return Err(used_again(idp, &stored.record).await?);
    };
    let Authorized { request, login } = &**authorized;
    if stored.record.redeemable_until <= idp.now() {
        return Err(unknown());
    }
    check_redirect_uri(client, request, params)?;
    check_pkce(idp.weaknesses, request, params)?;
    check_key(request, binding)?;
    let granted = Granted::by(request, &login.sub);
    let permit = Permit::of_grant(idp, client, &granted)?;
    let audience = permit.audience(params)?;
    let first = FirstTokens {
        audience,
        scope: permit.scope_for(None, audience)?,
        nonce: request.nonce.as_deref(),
        binding,
    };
    let grant_id = stored.record.grant_id.clone();
    let grant = Grant {
        code: Some(id.clone()),
        ..new_grant::of(idp, client, grant_id, &granted, login, binding)
    };
    if !consume(idp, &id, &stored, &grant).await? {
        // A concurrent request has redeemed it: this is the second use.
        return Err(used_again(idp, &stored.record).await?);
    }
    new_grant::begin(idp, client, &permit, &grant, login, first).await
}

/// RFC 6749 §4.1.3: the redirect_uri must be that of the authorization request.
fn check_redirect_uri(
    client: &Client,
    request: &AuthorizationRequest,
    params: &Params,
) -> Result<(), OAuthError> {
    if !is_registered(client, &request.redirect_uri) {
        return Err(OAuthError::grant(
            "The redirect_uri of the authorization request is no longer registered for the client.",
        ));
    }
    match params.one("redirect_uri")? {
        Some(uri) if uri == request.redirect_uri => Ok(()),
        Some(_) => Err(OAuthError::grant(
            "redirect_uri differs from that of the authorization request.",
        )),
        None => Err(OAuthError::request(
            "redirect_uri is missing (RFC 6749 section 4.1.3).",
        )),
    }
}

/// RFC 7636 §4.6; RFC 9700 §2.1.1: a verifier without a challenge is refused too.
fn check_pkce(
    weaknesses: Weaknesses,
    request: &AuthorizationRequest,
    params: &Params,
) -> Result<(), OAuthError> {
    let waived = |weakness| Waivers::one(weaknesses, weakness);
    match (&request.code_challenge, params.one("code_verifier")?) {
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier)) if pkce::is_verifier(verifier) => {
            if pkce::matches(verifier, challenge) || waived(Weakness::NoPkceCheck) {
                Ok(())
            } else {
                Err(OAuthError::grant(
                    "code_verifier does not match the code_challenge.",
                ))
            }
        }
        (Some(_), Some(_)) => Err(OAuthError::request(
            "code_verifier must have 43 to 128 unreserved characters.",
        )),
        (Some(_), None) => Err(OAuthError::grant(
            "code_verifier is missing (RFC 7636 section 4.5).",
        )),
        (None, Some(_)) if waived(Weakness::PkceOptional) => Ok(()),
        (None, Some(_)) => Err(OAuthError::grant(
            "code_verifier without a code_challenge (RFC 9700 section 2.1.1).",
        )),
    }
}

/// RFC 9449 §10: a code that is bound to a key needs a proof of this key.
fn check_key(request: &AuthorizationRequest, binding: &TokenBinding) -> Result<(), OAuthError> {
    match &request.dpop_jkt {
        Some(bound) if binding.key() != Some(bound) => Err(OAuthError::grant(
            "The code is bound to a key (dpop_jkt): a DPoP proof of this key is required.",
        )),
        _ => Ok(()),
    }
}

/// Marks the code as exchanged and keeps it as long as its grant. Returns whether
/// this request did so.
async fn consume(
    idp: &Idp,
    id: &str,
    stored: &Stored<Code>,
    grant: &Grant,
) -> Result<bool, OAuthError> {
    let exchanged = Code {
        state: CodeState::Exchanged,
        expires_at: grant.expires_at,
        ..stored.record.clone()
    };
    Ok(idp.records.swap(id, stored, &exchanged).await?)
}

/// RFC 6749 §4.1.2: a second use is refused, and the grant of the first one is
/// revoked.
async fn used_again(idp: &Idp, code: &Code) -> Result<OAuthError, OAuthError> {
    grants::revoke(idp, &code.grant_id, code.expires_at).await?;
    audit::code_reused(&idp.meters, &code.client_id);
    Ok(OAuthError::grant(
        "The code was used before. Its tokens are revoked.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::LIMITS;

    /// Whether a code with `challenge` is redeemed with `verifier`.
    fn passes(challenge: Option<&str>, verifier: Option<&str>, weakened: &[Weakness]) -> bool {
        let request = serde_json::from_value(serde_json::json!({
            "client_id": "app1", "redirect_uri": "https://app.example/callback",
            "scope": "openid", "audiences": [], "prompt": [], "code_challenge": challenge,
        }));
        let form = verifier.map_or_else(String::new, |text| format!("code_verifier={text}"));
        let params = Params::parse(form.as_bytes(), LIMITS).unwrap();
        let weaknesses = weakened.iter().copied().collect();
        check_pkce(weaknesses, &request.unwrap(), &params).is_ok()
    }

    #[test]
    fn rfc7636_4_6_a_verifier_counts_only_with_its_challenge_unless_a_lab_says_so() {
        let (own, others) = ("v".repeat(43), "w".repeat(43));
        let challenge = pkce::challenge(&own);
        let challenge = Some(&*challenge);
        assert!(passes(challenge, Some(&own), &[]) && passes(None, None, &[]));
        let optional = [Weakness::PkceOptional];
        let unchecked = [Weakness::NoPkceCheck];
        for (challenge, verifier, opens) in
            [(challenge, &*others, &unchecked), (None, &*own, &optional)]
        {
            assert!(!passes(challenge, Some(verifier), &[]));
            assert!(passes(challenge, Some(verifier), opens));
        }
        assert!(!passes(challenge, Some(&others), &optional));
        assert!(!passes(None, Some(&own), &unchecked));
        for weakness in [&optional, &unchecked] {
            assert!(!passes(challenge, None, weakness));
            assert!(!passes(challenge, Some("short"), weakness));
        }
    }
}
