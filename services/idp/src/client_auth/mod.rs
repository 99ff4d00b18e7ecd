//! Client authentication (RFC 6749 §2.3, OIDC Core §9): one file per method.

mod assertion;
mod basic;
mod failures;
mod form;

use std::time::Duration;

pub use assertion::{AssertionKeys, ClientAssertion, configured_keys, name_missing_keys};
pub use failures::{FailureKey, Failures};
pub use form::AuthenticatedForm;
use kit::{
    step,
    telemetry::names::{OK, span},
};
use oauth_types::{Params, error::sentence, names::client_auth::JWT_BEARER};
use tracing::{Instrument as _, field::Empty};
use web_kit::client::{AddrBucket, ClientAddr};

use crate::{
    Idp,
    error::OAuthError,
    settings::{AuthMethod, Client},
};

/// The most characters of a refused client's id in the log.
const MAX_NAMED: usize = 100;

/// Authenticates the client of a request to the token endpoint or a similar one.
/// `authorization` is the header; `from` is the address of the client.
pub async fn authenticate<'i>(
    idp: &'i Idp,
    authorization: Option<&str>,
    from: ClientAddr,
    params: &Params,
) -> Result<&'i Client, OAuthError> {
    let span = step!(
        span::CLIENT_AUTH,
        "sso.client_id" = Empty,
        "sso.outcome" = Empty
    );
    let authenticated = by_method(idp, authorization, from.bucket(), params)
        .instrument(span.clone())
        .await;
    let outcome = match &authenticated {
        Ok(client) => {
            span.record("sso.client_id", &client.client_id);
            OK
        }
        Err(error) => {
            let (code, why) = (error.code.as_str(), sentence(&error.description));
            let client = claimed_client(authorization, params);
            tracing::info!(code, client, address = %from, "client authentication failed: {why}");
            code
        }
    };
    span.record("sso.outcome", outcome);
    idp.meters.client_authentications.add(&[outcome]);
    authenticated
}

async fn by_method<'i>(
    idp: &'i Idp,
    authorization: Option<&str>,
    from: AddrBucket,
    params: &Params,
) -> Result<&'i Client, OAuthError> {
    let named = params.one("client_id")?;
    let secret = params.one("client_secret")?;
    let assertion = params.one("client_assertion")?;
    let assertion_type = params.one("client_assertion_type")?;
    // RFC 6749 §2.3: one method in a request.
    let methods = [
        authorization.is_some(),
        secret.is_some(),
        assertion.is_some(),
    ];
    if methods.into_iter().filter(|used| *used).count() > 1 {
        return Err(OAuthError::request(
            "Use one client authentication method only (RFC 6749 section 2.3).",
        ));
    }
    if let Some(header) = authorization {
        let (id, secret) = basic::credentials(header).map_err(OAuthError::after_basic)?;
        if named.is_some_and(|named| named != id) {
            return Err(OAuthError::request(
                "client_id differs from the Authorization header's.",
            ));
        }
        return by_secret(idp, &id, &secret, AuthMethod::Basic, from)
            .map_err(OAuthError::after_basic);
    }
    if let Some(assertion) = assertion {
        if assertion_type != Some(JWT_BEARER) {
            return Err(OAuthError::client(format!(
                "client_assertion_type must be {JWT_BEARER}."
            )));
        }
        return assertion::authenticate(idp, named, assertion, from).await;
    }
    let Some(id) = named else {
        return Err(OAuthError::client("The request names no client."));
    };
    match secret {
        Some(secret) => by_secret(idp, id, secret, AuthMethod::Post, from),
        None => idp
            .settings
            .client(id)
            .filter(|client| client.is_public())
            .ok_or_else(|| OAuthError::client("The client is unknown, or has to authenticate.")),
    }
}

/// The client that a refused request claims to be, for the log: bounded, printable
/// ASCII.
fn claimed_client(authorization: Option<&str>, params: &Params) -> String {
    let by_header = authorization.and_then(|header| basic::credentials(header).ok());
    let id = by_header.map(|(id, _)| id).or_else(|| {
        let named = params.one("client_id").ok().flatten();
        let asserted = || assertion::issuer(params.one("client_assertion").ok().flatten()?);
        named.map(ToOwned::to_owned).or_else(asserted)
    });
    let mut id = sentence(&id.unwrap_or_default());
    id.truncate(MAX_NAMED);
    id
}

fn by_secret<'i>(
    idp: &'i Idp,
    id: &str,
    secret: &str,
    method: AuthMethod,
    from: AddrBucket,
) -> Result<&'i Client, OAuthError> {
    let client = idp.settings.client(id);
    let key = client.map_or(FailureKey::Unknown, |client| {
        FailureKey::Client(&client.client_id)
    });
    let is_right = || client.is_some_and(|client| client.has_secret(secret));
    let checked = idp.failures.check(key, from, idp.now(), is_right);
    let right = checked.map_err(too_many)?;
    match client {
        Some(client) if right && client.authenticates_by(method) => Ok(client),
        Some(_) if right => Err(OAuthError::client(format!(
            "This client may not use {}.",
            method.as_str()
        ))),
        _ => Err(OAuthError::client(
            "The client is unknown, or its secret is wrong.",
        )),
    }
}

/// Too many failures from this address.
fn too_many(wait: Duration) -> OAuthError {
    OAuthError::too_early("Too many failed attempts from this address.", wait)
}
