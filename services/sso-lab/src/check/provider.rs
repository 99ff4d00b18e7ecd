//! The provider's metadata and keys, and whether they are consistent.

use std::collections::BTreeSet;

use kit::config::Site;
use reqwest::Method;
use serde_json::Value;

use super::{
    args::Plan,
    browser::Browser,
    outcome::{Failure, Found, Step, done, ensure},
    ready,
    run::Run,
};

/// The step that reads the provider's metadata.
pub(super) const DISCOVERY: &str = "idp: discovery documents agree";
const DOCUMENTS: [&str; 2] = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
];
/// The endpoints that the metadata must name, on the issuer.
const ENDPOINTS: [&str; 9] = [
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "end_session_endpoint",
    "jwks_uri",
    "pushed_authorization_request_endpoint",
    "device_authorization_endpoint",
];

/// Returns the metadata.
pub(super) async fn check(run: &mut Run, plan: &Plan) -> Value {
    let idp = ready(Site::Idp);
    let metadata = run.step(DISCOVERY, &[&idp], discovery(plan)).await;
    let metadata = metadata.unwrap_or_default();
    let keys = keys(plan, &metadata);
    run.step(
        "idp: the keys are public and cover the advertised algorithms",
        &[DISCOVERY],
        keys,
    )
    .await;
    let refused = unknown_client(plan, &metadata);
    let name = "idp: the token endpoint refuses an unknown client";
    run.step(name, &[DISCOVERY], refused).await;
    metadata
}

/// OIDC Discovery §3, RFC 8414 §3: both documents exist and are equal.
async fn discovery(plan: &Plan) -> Step<Value> {
    let mut browser = Browser::new(&plan.transport);
    let mut found: Option<Value> = None;
    for path in DOCUMENTS {
        let answer = browser.get(&format!("{}{path}", plan.issuer)).await?;
        let answer = answer.expect(200)?;
        let document = answer.json()?;
        let wrong = |what: &str| answer.failure(what);
        // Character by character (OIDC Discovery §4.3, RFC 8414 §3.3).
        ensure(document["issuer"] == plan.issuer, || {
            let named = &document["issuer"];
            wrong(&format!(
                "names the issuer {named} instead of {:?}",
                plan.issuer
            ))
        })?;
        for name in ENDPOINTS {
            let on_issuer = document[name]
                .as_str()
                .and_then(|url| url.strip_prefix(&plan.issuer))
                .is_some_and(|path| path.starts_with('/'));
            ensure(on_issuer, || wrong(&format!("has no {name} on the issuer")))?;
        }
        let lists = |name: &str, value: &str| {
            let all = document[name].as_array();
            all.is_some_and(|all| all.iter().any(|one| one == value))
        };
        ensure(lists("code_challenge_methods_supported", "S256"), || {
            wrong("does not advertise PKCE with S256 (RFC 7636)")
        })?;
        ensure(
            document["authorization_response_iss_parameter_supported"] == true,
            || wrong("does not advertise iss in authorization responses (RFC 9207)"),
        )?;
        if let Some(before) = &found {
            ensure(*before == document, || {
                wrong("differs from the other document")
            })?;
        }
        found = Some(document);
    }
    Ok(Found::new(found.unwrap_or_default(), plan.issuer.as_str()))
}

/// RFC 7517 §5: public keys only, each with its own `kid`, and one for each advertised
/// algorithm.
async fn keys(plan: &Plan, metadata: &Value) -> Step {
    const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];
    let mut browser = Browser::new(&plan.transport);
    let answer = browser.get(text(metadata, "jwks_uri")).await?.expect(200)?;
    let document = answer.json()?;
    let keys = document["keys"].as_array().cloned().unwrap_or_default();
    let wrong = |what: &str| answer.failure(what);
    ensure(!keys.is_empty(), || wrong("has no key"))?;
    let mut names = BTreeSet::new();
    for key in &keys {
        ensure(PRIVATE.iter().all(|name| key.get(name).is_none()), || {
            wrong("publishes a PRIVATE key: anybody can sign with it")
        })?;
        let kid = text(key, "kid");
        ensure(!kid.is_empty() && names.insert(kid), || {
            wrong("has a key without a kid, or two keys with the same kid")
        })?;
    }
    let algorithms = metadata["id_token_signing_alg_values_supported"].as_array();
    let algorithms: Vec<_> = algorithms
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for algorithm in &algorithms {
        ensure(keys.iter().any(|key| key["alg"] == **algorithm), || {
            wrong(&format!(
                "has no key for the advertised algorithm {algorithm}"
            ))
        })?;
    }
    Ok(Found::new((), algorithms.join(", ")))
}

/// RFC 6749 §5.2.
async fn unknown_client(plan: &Plan, metadata: &Value) -> Step {
    let mut browser = Browser::new(&plan.transport);
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let body = "grant_type=client_credentials&client_id=nobody";
    let url = text(metadata, "token_endpoint");
    let answer = browser.call(Method::POST, url, &kind, body).await?;
    let is_refused =
        matches!(answer.status, 400 | 401) && answer.json()?["error"] == "invalid_client";
    ensure(is_refused, || answer.failure("should be invalid_client"))?;
    Ok(done())
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// An authorization response must name its issuer (RFC 9207 §2.4).
pub(super) fn is_from(issuer: &str, answer: &url::Url) -> Result<(), Failure> {
    let iss = answer.query_pairs().find(|(name, _)| name == "iss");
    ensure(iss.is_some_and(|(_, iss)| iss == issuer), || {
        Failure::new("the authorization response does not name its issuer (RFC 9207)")
    })
}
