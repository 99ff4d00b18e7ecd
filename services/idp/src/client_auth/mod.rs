//! Client authentication (RFC 6749 §2.3, OIDC Core §9): one file per method.

mod assertion;
mod basic;
mod certificate;
mod form;
mod pki;
mod self_signed;

use std::time::Duration;

pub use assertion::{AssertionKeys, ClientAssertion, configured_keys, name_missing_keys};
pub use certificate::not_by_mtls;
pub use form::AuthenticatedForm;
use kit::{
    step,
    telemetry::names::{OK, span},
    tls::PeerCertificates,
};
use oauth_types::{Params, error::sentence, names::client_auth::JWT_BEARER};
pub use self_signed::RegisteredCertificates;
use tracing::{Instrument as _, Span, field::Empty};
use web_kit::client::{AddrBucket, ClientAddr};

use crate::{
    Idp,
    error::OAuthError,
    settings::{AuthMethod, Client},
    used_once::Cause,
};

/// Whose secret is being guessed, for `web_kit::failures`.
#[derive(Clone, Copy, Debug, Hash)]
pub enum FailureKey<'a> {
    /// A client of the configuration.
    Client(&'a str),
    /// An unknown client: all names at one address count together.
    Unknown,
    /// The operator's key.
    Operator,
}

/// The most characters of a refused client's id in the log.
const MAX_NAMED: usize = 100;

/// What a request presents for its client, beside its parameters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Presented<'r> {
    /// The header Authorization.
    pub authorization: Option<&'r str>,
    /// The certificate of its connection, on the mTLS port.
    pub certificate: Option<&'r PeerCertificates>,
    /// Who makes the client send the request.
    pub cause: Cause,
}

/// Authenticates the client of a request to the token endpoint or a similar one.
/// `from` is the address of the client.
pub async fn authenticate<'i>(
    idp: &'i Idp,
    presented: Presented<'_>,
    from: ClientAddr,
    params: &Params,
) -> Result<&'i Client, OAuthError> {
    let span = step!(
        span::CLIENT_AUTH,
        "sso.client_id" = Empty,
        "sso.client_auth" = Empty,
        "sso.outcome" = Empty
    );
    let authenticated = by_method(idp, presented, from.bucket(), params, &span)
        .instrument(span.clone())
        .await;
    let outcome = match &authenticated {
        Ok(client) => {
            span.record("sso.client_id", &client.client_id);
            OK
        }
        Err(error) => {
            let (code, why) = (error.code.as_str(), sentence(&error.description));
            let client = claimed_client(presented.authorization, params);
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
    presented: Presented<'_>,
    from: AddrBucket,
    params: &Params,
    span: &Span,
) -> Result<&'i Client, OAuthError> {
    let authorization = presented.authorization;
    let named = params.one("client_id")?;
    let secret = params.one("client_secret")?;
    let assertion = params.one("client_assertion")?;
    let assertion_type = params.one("client_assertion_type")?;
    one_of([authorization, secret, assertion])?;
    let tried = |method: AuthMethod| {
        span.record("sso.client_auth", method.as_str());
    };
    if let Some(header) = authorization {
        tried(AuthMethod::Basic);
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
        tried(AuthMethod::PrivateKeyJwt);
        if assertion_type != Some(JWT_BEARER) {
            return Err(OAuthError::client(format!(
                "client_assertion_type must be {JWT_BEARER}."
            )));
        }
        return assertion::authenticate(idp, named, assertion, (from, presented.cause)).await;
    }
    let Some(id) = named else {
        return Err(OAuthError::client("The request names no client."));
    };
    if let Some(secret) = secret {
        tried(AuthMethod::Post);
        return by_secret(idp, id, secret, AuthMethod::Post, from);
    }
    match idp.settings.client(id) {
        Some(client) if client.is_public() => {
            tried(AuthMethod::None);
            Ok(client)
        }
        Some(client) if client.authenticates_by_certificate() => {
            tried(certificate::authenticate(idp, client, presented.certificate, from).await?);
            Ok(client)
        }
        _ => {
            let why = "The client is unknown, or has to authenticate.";
            Err(OAuthError::client(why))
        }
    }
}

/// RFC 6749 §2.3: one method in a request. A certificate beside it only binds tokens
/// (RFC 8705 §3).
fn one_of(presented: [Option<&str>; 3]) -> Result<(), OAuthError> {
    if presented.iter().flatten().count() > 1 {
        return Err(OAuthError::request(
            "Use one client authentication method only (RFC 6749 section 2.3).",
        ));
    }
    Ok(())
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
