//! A client with a certificate (mTLS, RFC 8705): its token counts for the owner of the
//! certificate alone.

use headless_browser::Transport;
use kit::{config::Site, net::Trust};
use reqwest::Method;
use serde_json::Value;

use super::{
    args::Plan,
    browser::{Answer, Browser},
    outcome::{Failure, Found, Step, Stop, ensure},
    provider::DISCOVERY,
    ready,
    run::Run,
};
use crate::batch::MtlsClient;

const AUDIENCE: &str = "https://api-1";

/// The steps before API-1's.
const STRANGER: &str =
    "idp: refuses a certificate of an authority that is not trusted, and not registered";
const SELF_SIGNED: &str = "idp: takes a self-signed certificate that is registered for its client";
const NO_CLIENT: &str = "no client's certificate given (--client-certificate-file, --state-dir)";

pub(super) async fn check(run: &mut Run, plan: &Plan, metadata: &Value) {
    match &plan.mtls_client {
        None => {
            run.skip(STRANGER, NO_CLIENT);
            run.skip(SELF_SIGNED, NO_CLIENT);
        }
        // The wrong one first: the right one then ends what is counted against the client.
        Some(client) => {
            let step = refuses_stranger(plan, client, metadata);
            run.step(STRANGER, &[DISCOVERY], step).await;
            let step = takes_self_signed(plan, client, metadata);
            run.step(SELF_SIGNED, &[DISCOVERY], step).await;
        }
    }
    at_api1(run, plan, metadata).await;
}

async fn at_api1(run: &mut Run, plan: &Plan, metadata: &Value) {
    let api = ready(Site::Api1);
    let name = "api1: takes a bound token from the owner of its certificate alone";
    match &plan.mtls_client {
        _ if plan.without.contains(&Site::Api1) => {
            run.skip(name, "not reached from here (--without)");
        }
        None => run.skip(name, NO_CLIENT),
        Some(client) => {
            let step = is_bound(plan, client, metadata);
            run.step(name, &[DISCOVERY, &api], step).await;
        }
    }
}

/// The token endpoint of the mTLS port.
fn endpoint(metadata: &Value) -> Result<&str, Stop> {
    let endpoint = metadata["mtls_endpoint_aliases"]["token_endpoint"].as_str();
    endpoint.ok_or_else(|| {
        Stop::Skipped("the provider has no mTLS port (mtls_endpoint_aliases)".to_owned())
    })
}

/// A browser that shows the certificate of `trust`.
fn showing(plan: &Plan, trust: &Trust) -> Browser {
    Browser::new(&Transport {
        http: trust.browsers_http_client(),
        ..plan.transport.clone()
    })
}

/// RFC 8705 §2: a certificate with the client's name proves nothing by itself.
async fn refuses_stranger(plan: &Plan, client: &MtlsClient, metadata: &Value) -> Step {
    let endpoint = endpoint(metadata)?;
    let trust = client
        .trust_as_stranger(&plan.trust)
        .map_err(Failure::new)?;
    let mut stranger = showing(plan, &trust);
    let refused = ask(&mut stranger, client, endpoint).await?.expect(401)?;
    ensure(refused.json()?["error"] == "invalid_client", || {
        refused.failure("should be invalid_client")
    })?;
    Ok(Found::new((), client.id.as_str()))
}

/// `self_signed_tls_client_auth` (RFC 8705 §2.2).
async fn takes_self_signed(plan: &Plan, client: &MtlsClient, metadata: &Value) -> Step {
    let endpoint = endpoint(metadata)?;
    if !client.is_self_signed() {
        let why = "the client's certificate is one of an authority; give one that is registered (--client-certificate-file)";
        return Err(Stop::Skipped(why.to_owned()));
    }
    let mut owner = showing(plan, &client.trust(&plan.trust));
    let answer = ask(&mut owner, client, endpoint).await?.expect(200)?;
    ensure(answer.json()?["access_token"].is_string(), || {
        answer.failure("has no access token")
    })?;
    Ok(Found::new((), client.id.as_str()))
}

/// A token of mTLS client authentication, used with its certificate and without.
async fn is_bound(plan: &Plan, client: &MtlsClient, metadata: &Value) -> Step {
    let endpoint = endpoint(metadata)?;
    let mut owner = showing(plan, &client.trust(&plan.trust));
    let mut other = Browser::new(&plan.transport);
    // RFC 8705 §2: without the certificate, the same request authenticates nobody.
    let usual = metadata["token_endpoint"].as_str().unwrap_or_default();
    let refused = ask(&mut other, client, usual).await?.expect(401)?;
    ensure(refused.json()?["error"] == "invalid_client", || {
        refused.failure("should be invalid_client")
    })?;
    let answer = ask(&mut owner, client, endpoint).await?.expect(200)?;
    let tokens = answer.json()?;
    let token = tokens["access_token"].as_str().unwrap_or_default();
    ensure(!token.is_empty(), || answer.failure("has no access token"))?;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let url = format!("{}/whoami", client.api1);
    let answer = owner.call(Method::GET, &url, &headers, "").await?;
    let answer = answer.expect(200)?;
    let bound = &answer.json()?["cnf"]["x5t#S256"];
    ensure(bound.is_string(), || {
        answer.failure("does not say that the token is bound to a certificate (cnf)")
    })?;
    // §3: a stolen token is of no use on a connection without the certificate.
    let url = format!("{}/whoami", plan.url(Site::Api1));
    let stolen = other.call(Method::GET, &url, &headers, "").await?;
    let stolen = stolen.expect(401)?;
    let challenge = stolen.header("www-authenticate").unwrap_or_default();
    ensure(challenge.contains("error=\"invalid_token\""), || {
        stolen.failure("should name invalid_token")
    })?;
    Ok(Found::new((), client.id.as_str()))
}

async fn ask(browser: &mut Browser, client: &MtlsClient, url: &str) -> Result<Answer, Failure> {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let form = client.form(AUDIENCE);
    browser.call(Method::POST, url, &headers, &form).await
}
