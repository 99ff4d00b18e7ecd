//! A client whose token is bound to its key (DPoP, RFC 9449): the token is of use with a
//! proof alone, and each proof once.

use kit::{
    clock::{Clock as _, SystemClock},
    config::Site,
    random::{OsRandom, Random},
};
use reqwest::Method;
use token_verify::dpop::{HEADER, NONCE_HEADER, ProofKey, ProofRequest};

use super::{
    args::Plan,
    browser::{Answer, Browser},
    machine::basic,
    outcome::{Failure, Found, Step, ensure},
    provider::DISCOVERY,
    ready,
    run::Run,
};
use crate::batch::ClientCredentials;

const NAME: &str = "api1: takes a bound token with a proof of its key alone (DPoP)";
const FORM: &str = "grant_type=client_credentials&resource=https%3A%2F%2Fapi-1";

pub(super) async fn check(run: &mut Run, plan: &Plan, token_endpoint: &str) {
    match &plan.client {
        _ if plan.without.contains(&Site::Api1) => {
            run.skip(NAME, "not reached from here (--without)");
        }
        None => run.skip(NAME, "no client's secret given (--client-secret-file)"),
        Some(client) => {
            let step = is_bound(plan, client, token_endpoint);
            run.step(NAME, &[DISCOVERY, &ready(Site::Api1)], step).await;
        }
    }
}

async fn is_bound(plan: &Plan, client: &ClientCredentials, token_endpoint: &str) -> Step {
    let random: &dyn Random = &OsRandom;
    let key = ProofKey::generate(random).ok_or_else(|| Failure::new("no key can be made"))?;
    let mut holder = Holder {
        browser: Browser::new(&plan.transport),
        key,
        nonce: None,
    };
    let token = holder.token(token_endpoint, &basic(client)).await?;
    // The API may have nonces of its own.
    holder.nonce = None;
    let url = format!("{}/whoami", plan.url(Site::Api1));
    let bound = format!("DPoP {token}");
    let mut proof = holder.proof("GET", &url, Some(&token))?;
    let mut answer = holder.call(&url, &bound, Some(&proof)).await?;
    if answer.status == 401 && holder.learn(&answer) {
        proof = holder.proof("GET", &url, Some(&token))?;
        answer = holder.call(&url, &bound, Some(&proof)).await?;
    }
    let who = answer.expect(200)?.json()?;
    ensure(who["cnf"]["jkt"] == holder.key.jkt(), || {
        Failure::new("the token does not name the key (cnf.jkt)")
    })?;
    let again = holder.call(&url, &bound, Some(&proof)).await?.expect(401)?;
    let challenge = again.header("www-authenticate").unwrap_or_default();
    ensure(challenge.contains("error=\"invalid_dpop_proof\""), || {
        again.failure("does not refuse a proof that was used before")
    })?;
    let bearer = format!("Bearer {token}");
    for (credentials, what) in [(bearer, "as a bearer token"), (bound, "without a proof")] {
        let refused = holder.call(&url, &credentials, None).await?;
        ensure(refused.status == 401, || {
            refused.failure(&format!("takes the bound token {what}"))
        })?;
    }
    Ok(Found::new((), client.id.as_str()))
}

/// A client with a key.
struct Holder {
    browser: Browser,
    key: ProofKey,
    /// The nonce that the server gave out last.
    nonce: Option<String>,
}

impl Holder {
    /// A token that is bound to the key. The provider asks for its nonce first (§8).
    async fn token(&mut self, endpoint: &str, credentials: &str) -> Result<String, Failure> {
        let mut answer = self.ask(endpoint, credentials).await?;
        if answer.status == 400 && self.learn(&answer) {
            answer = self.ask(endpoint, credentials).await?;
        }
        let answer = answer.expect(200)?;
        let tokens = answer.json()?;
        ensure(tokens["token_type"] == "DPoP", || {
            answer.failure("does not say that the token is bound (token_type DPoP)")
        })?;
        let token = tokens["access_token"].as_str().unwrap_or_default();
        ensure(!token.is_empty(), || answer.failure("has no access token"))?;
        Ok(token.to_owned())
    }

    async fn ask(&mut self, endpoint: &str, credentials: &str) -> Result<Answer, Failure> {
        let proof = self.proof("POST", endpoint, None)?;
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("authorization", credentials),
            (HEADER, proof.as_str()),
        ];
        let asking = self.browser.call(Method::POST, endpoint, &headers, FORM);
        asking.await
    }

    async fn call(
        &mut self,
        url: &str,
        credentials: &str,
        proof: Option<&str>,
    ) -> Result<Answer, Failure> {
        let mut headers = vec![("authorization", credentials)];
        headers.extend(proof.map(|proof| (HEADER, proof)));
        self.browser.call(Method::GET, url, &headers, "").await
    }

    fn proof(&self, method: &str, url: &str, token: Option<&str>) -> Result<String, Failure> {
        let request = ProofRequest {
            method,
            url,
            token,
            nonce: self.nonce.as_deref(),
        };
        let random: &dyn Random = &OsRandom;
        let proof = self.key.proof(&request, SystemClock.now(), random);
        proof.ok_or_else(|| Failure::new("the proof cannot be signed"))
    }

    /// Keeps the nonce of `answer`. Returns whether there is one.
    fn learn(&mut self, answer: &Answer) -> bool {
        self.nonce = answer.header(NONCE_HEADER).map(str::to_owned);
        self.nonce.is_some()
    }
}
