//! Introspection answers as JWTs (RFC 9701): a resource server that asks for one can show
//! to others, and later, what the provider said.

use kit::{
    clock::{Clock as _, SystemClock},
    config::Site,
};
use oauth_types::names::{TOKEN_INTROSPECTION_MEDIA_TYPE, jwt_type};
use reqwest::Method;
use serde_json::{Value, json};
use token_verify::{jwt::UnverifiedJwt, keys::KeySet, verified::ALGORITHMS};
use url::form_urlencoded;

use super::{
    args::Plan,
    browser::{Answer, Browser},
    machine::{basic, token},
    outcome::{Failure, Found, Step, ensure},
    provider::DISCOVERY,
    run::Run,
};
use crate::batch::ClientCredentials;

const NAME: &str = "idp: signs what it says about a token, for the resource server that asks";
/// How far the clocks may differ, in seconds.
const SKEW: i64 = 60;

pub(super) async fn check(run: &mut Run, plan: &Plan, metadata: &Value) {
    match (&plan.client, &plan.api1_client) {
        (None, _) => run.skip(NAME, "no client's secret given (--client-secret-file)"),
        (_, None) => run.skip(
            NAME,
            "no secret of API-1's client given (--api1-client-secret-file)",
        ),
        (Some(client), Some(api1)) => {
            let step = is_signed(plan, client, api1, metadata);
            run.step(NAME, &[DISCOVERY], step).await;
        }
    }
}

/// RFC 9701 §5, about a live token and about a text that is none.
async fn is_signed(
    plan: &Plan,
    client: &ClientCredentials,
    api1: &ClientCredentials,
    metadata: &Value,
) -> Step {
    let mut browser = Browser::new(&plan.transport);
    let url = |name: &str| metadata[name].as_str().unwrap_or_default().to_owned();
    let keys = browser.get(&url("jwks_uri")).await?.expect(200)?;
    let keys = KeySet::parse(keys.body.as_bytes());
    let keys = keys.map_err(|error| Failure::new(format!("the keys: {error}")))?;
    let token = token(&mut browser, client, &url("token_endpoint"), Site::Api1).await?;
    let mut algorithm = String::new();
    for (asked, is_live) in [(token.as_str(), true), ("no-token", false)] {
        let endpoint = url("introspection_endpoint");
        let answer = introspect(&mut browser, api1, &endpoint, asked).await?;
        let claims = verified(&answer, &keys)?;
        let wrong = |what: &str| answer.failure(what);
        ensure(
            claims["iss"] == plan.issuer && claims["aud"] == *api1.id,
            || wrong("is not from the issuer, or not for API-1's client"),
        )?;
        let now = SystemClock.now().secs();
        let is_new = |iat: i64| (now - SKEW..=now + SKEW).contains(&iat);
        ensure(claims["iat"].as_i64().is_some_and(is_new), || {
            wrong("was not issued now (iat)")
        })?;
        let said = &claims["token_introspection"];
        let is_right = if is_live {
            said["active"] == true && said["client_id"] == *client.id
        } else {
            *said == json!({"active": false})
        };
        ensure(is_right, || wrong("does not say what the token is worth"))?;
        let header = UnverifiedJwt::split(&answer.body).map(|jwt| jwt.header.alg);
        algorithm = header.unwrap_or_default();
    }
    Ok(Found::new((), format!("{}, {algorithm}", api1.id)))
}

async fn introspect(
    browser: &mut Browser,
    api1: &ClientCredentials,
    endpoint: &str,
    token: &str,
) -> Result<Answer, Failure> {
    let credentials = basic(api1);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", TOKEN_INTROSPECTION_MEDIA_TYPE),
        ("authorization", credentials.as_str()),
    ];
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token);
    let form = form.finish();
    let asking = browser.call(Method::POST, endpoint, &headers, &form);
    asking.await?.expect(200)
}

/// The claims of the JWT in `answer`, which one of `keys` signed.
fn verified(answer: &Answer, keys: &KeySet) -> Result<Value, Failure> {
    let kind = answer.header("content-type").unwrap_or_default();
    ensure(kind == TOKEN_INTROSPECTION_MEDIA_TYPE, || {
        answer.failure("is not a JWT (RFC 9701 section 4)")
    })?;
    let jwt = UnverifiedJwt::split(&answer.body).ok_or_else(|| answer.failure("is not a JWT"))?;
    ensure(jwt.header.is_of_type(jwt_type::TOKEN_INTROSPECTION), || {
        answer.failure("has the typ of a JWT for another purpose (RFC 8725)")
    })?;
    keys.signer(&jwt, &ALGORITHMS)
        .map_err(|why| answer.failure(&format!("is not signed by a key of the provider: {why}")))?;
    let claims = jwt.claims();
    claims.ok_or_else(|| answer.failure("has no claims"))
}
