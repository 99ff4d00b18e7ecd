//! The JWT bearer grant (RFC 7523 §2.1): a JWT that the client signed names the subject
//! of the token, the client itself or a user whom its configuration allows.

use oauth_types::{Params, TokenResponse};

use super::client_credentials::Target;
use crate::{
    Idp, audit,
    client_auth::ClientAssertion,
    error::OAuthError,
    issue::Subject,
    policy::{NOT_FOR_THIS_USER, Permit},
    settings::Client,
    token_binding::TokenBinding,
    used_once::Cause,
};

pub(super) async fn issue(
    idp: &Idp,
    client: &Client,
    params: &Params,
    binding: &TokenBinding,
) -> Result<TokenResponse, OAuthError> {
    let assertion = params
        .one("assertion")?
        .ok_or_else(|| OAuthError::request("assertion is missing (RFC 7523 section 2.1)."))?;
    // RFC 7521 §4.1.1.
    let refused = |why: &str| OAuthError::grant(format!("assertion: {why}."));
    let assertion = ClientAssertion::of_grant(idp, client, assertion).await;
    let assertion = assertion.map_err(|why| refused(&why))?;
    // Everything that can refuse the request comes before the assertion is used.
    let permit = if assertion.sub == client.client_id {
        Permit::of_client(idp, client)
    } else {
        let user = idp.settings.user_by_name_or_sub(&assertion.sub);
        let user = user.ok_or_else(|| OAuthError::grant(NOT_FOR_THIS_USER))?;
        Permit::of_named_user(idp, client, user)?
    };
    let target = Target::read(idp, client, &permit, params)?;
    let redeemed = assertion.redeem(idp, Cause::Client).await;
    redeemed.map_err(|error| error.respond(refused))?;
    let subject = match permit.user() {
        None => Subject::Client,
        Some(user) => {
            audit::user_represented(&user.sub, &client.client_id, "an assertion of the client");
            Subject::NamedUser
        }
    };
    target.issue(idp, client, subject, binding).await
}
