//! RFC 9449 at the resource servers: API-1, API-2 over HTTP and gRPC, and userinfo.

use std::{sync::Arc, time::Duration};

use kit::{
    config::Site,
    random::{OsRandom, Random},
};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, ClientAuth, Machine, Platform, ProofKey, tampered};
use tests::{
    Party, new_key,
    words::{API1, API2},
};
use token_verify::{
    dpop::hash_of,
    testing::{TestKey, b64},
    thumbprint::thumbprint,
};

/// A bound token of `batch` for `audience`, and the program that holds its key.
pub async fn bound(platform: &Platform, key: &ProofKey, audience: &str) -> (Machine, String) {
    let machine = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    let machine = machine.with_key(key);
    let wanted = [("grant_type", "client_credentials"), ("resource", audience)];
    let token = machine.token(&wanted).await.granted().text("access_token");
    (machine, token)
}

/// The code in the challenge of a refusal.
pub fn error_in(answer: &Answer) -> String {
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    let after = challenge.split("error=\"").nth(1).unwrap_or_default();
    after.split('"').next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_7_1_a_bound_token_is_taken_with_a_proof_of_its_key() {
    let platform = Platform::start().await;
    let key = new_key();
    for (site, audience) in [(Site::Api1, API1), (Site::Api2, API2)] {
        let (machine, token) = bound(&platform, &key, audience).await;
        for path in ["/resource", "/whoami"] {
            let url = format!("{}{path}", platform.url(site));
            machine
                .call_bound(Method::GET, &url, &token)
                .await
                .granted();
        }
    }
    let party = Party::my_spa(&platform).with_key(&key);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let url = format!("{}/userinfo", platform.issuer());
    for method in [Method::GET, Method::POST] {
        let token = tokens.text("access_token");
        let said = party.machine.call_bound(method, &url, &token).await;
        assert!(said.granted().text("sub").starts_with("u-"));
    }
}

/// A HEAD request is served as a GET without its body; its proof names HEAD.
#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_4_2_the_proof_of_a_head_request_names_head() {
    let platform = Platform::start().await;
    let key = new_key();
    let (machine, token) = bound(&platform, &key, API1).await;
    let party = Party::my_spa(&platform).with_key(&key);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let userinfo = format!("{}/userinfo", platform.issuer());
    let resource = format!("{}/resource", platform.url(Site::Api1));
    for (machine, url, token) in [
        (&machine, resource, token),
        (&party.machine, userinfo, tokens.text("access_token")),
    ] {
        let answer = machine.call_bound(Method::HEAD, &url, &token).await;
        assert_eq!(answer.status, 200, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_7_2_a_bound_token_as_a_bearer_token_is_refused() {
    let platform = Platform::start().await;
    let key = new_key();
    let (machine, token) = bound(&platform, &key, API1).await;
    let party = Party::my_spa(&platform).with_key(&key);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let userinfo = format!("{}/userinfo", platform.issuer());
    for (url, token) in [
        (
            format!("{}/resource", platform.url(Site::Api1)),
            token.clone(),
        ),
        (userinfo.clone(), tokens.text("access_token")),
    ] {
        let refused = machine.call(Method::GET, &url, &token).await;
        assert_eq!(
            (refused.status, &*error_in(&refused)),
            (401, "invalid_token")
        );
        let challenge = refused.header("www-authenticate").unwrap();
        for scheme in ["DPoP algs=\"ES256 EdDSA PS256\"", "Bearer realm="] {
            assert!(challenge.contains(scheme), "{challenge}");
        }
    }
    let form = format!("access_token={}", tokens.text("access_token"));
    let kind = "application/x-www-form-urlencoded";
    let refused = machine.post_raw("/userinfo", kind, form).await;
    assert_eq!(refused.status, 401, "in a form too");
    // Nor does a proof make a bearer token a bound one.
    let bare = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    let bare = bare.token(&[("grant_type", "client_credentials")]).await;
    let bare = bare.granted().text("access_token");
    let url = format!("{}/resource", platform.url(Site::Api1));
    let refused = machine.call_bound(Method::GET, &url, &bare).await;
    assert_eq!(
        (refused.status, &*error_in(&refused)),
        (401, "invalid_token")
    );
}

/// A client whose proofs can be anything: its key signs any header and claims.
struct Forger<'p> {
    platform: &'p Platform,
    key: TestKey,
    token: String,
    url: String,
}

impl<'p> Forger<'p> {
    async fn new(platform: &'p Platform) -> Self {
        let mut forger = Self {
            platform,
            key: TestKey::es256(),
            token: String::new(),
            url: format!("{}/token", platform.issuer()),
        };
        let machine = platform.machine(ClientAuth::basic("batch", "batch-secret"));
        let wanted = [("grant_type", "client_credentials")];
        let send = async |claims: &Value| {
            let proof = forger.proof(&json!({}), claims);
            let headers = [("dpop", &*proof)];
            machine.post_with("/token", &wanted, &headers).await
        };
        let post = json!({"htm": "POST"});
        let nonce = send(&post).await.header("dpop-nonce").unwrap().to_owned();
        let answer = send(&json!({"htm": "POST", "nonce": nonce})).await;
        forger.token = answer.granted().text("access_token");
        forger.url = format!("{}/resource", platform.url(Site::Api1));
        forger
    }

    fn jwk(&self) -> Value {
        let mut jwk = self.key.jwk("x");
        for member in ["kid", "use", "alg"] {
            jwk.as_object_mut().unwrap().remove(member);
        }
        jwk
    }

    /// A proof for a GET of the URL, changed; null removes a member.
    fn proof(&self, header: &Value, claims: &Value) -> String {
        let random: &dyn Random = &OsRandom;
        let now = self.platform.clock().now().secs();
        let usual = json!({
            "jti": random.id(), "htm": "GET", "htu": self.url, "iat": now, "ath": hash_of(&self.token),
        });
        let head = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()});
        self.key
            .sign(&changed(head, header), &changed(usual, claims))
    }

    async fn call(&self, headers: &[(&str, &str)]) -> Answer {
        let machine = self.platform.machine(ClientAuth::public("nobody"));
        machine.call_with(Method::GET, &self.url, headers).await
    }

    async fn call_with_proof(&self, proof: &str) -> Answer {
        let authorization = format!("DPoP {}", self.token);
        let headers = [("authorization", &*authorization), ("dpop", proof)];
        self.call(&headers).await
    }
}

fn changed(mut value: Value, changes: &Value) -> Value {
    let members = value.as_object_mut().unwrap();
    for (name, change) in changes.as_object().unwrap() {
        if change.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), change.clone());
        }
    }
    value
}

/// Header members and claims, each of which makes a proof a bad one.
fn bad_members(forger: &Forger<'_>) -> Vec<(Value, Value)> {
    let now = forger.platform.clock().now().secs();
    let none = json!({});
    let mut private = forger.jwk();
    private["d"] = json!(b64([1; 32]));
    vec![
        (json!({"typ": null}), none.clone()),
        (json!({"typ": "JWT"}), none.clone()),
        (json!({"alg": null}), none.clone()),
        (json!({"alg": "none"}), none.clone()),
        (json!({"alg": "HS256"}), none.clone()),
        (json!({"alg": "RS256"}), none.clone()),
        (json!({"jwk": null}), none.clone()),
        (json!({"jwk": "x"}), none.clone()),
        (json!({ "jwk": private }), none.clone()),
        (json!({"jwk": TestKey::es256().jwk("x")}), none.clone()),
        (json!({"crit": ["x"]}), none.clone()),
        (none.clone(), json!({"jti": null})),
        (none.clone(), json!({"jti": ""})),
        (none.clone(), json!({"htm": null})),
        (none.clone(), json!({"htm": "POST"})),
        (none.clone(), json!({"htu": null})),
        (
            none.clone(),
            json!({"htu": forger.platform.url(Site::Api2) + "/resource"}),
        ),
        (
            none.clone(),
            json!({"htu": forger.platform.url(Site::Api1) + "/whoami"}),
        ),
        (none.clone(), json!({"iat": null})),
        (none.clone(), json!({"iat": now - 3600})),
        (none.clone(), json!({"iat": now + 3600})),
        (none.clone(), json!({"ath": null})),
        (none.clone(), json!({"ath": hash_of("another token")})),
    ]
}

fn is_a_bad_proof(refused: &Answer, what: &str) {
    assert_eq!(refused.status, 401, "{what}");
    assert_eq!(error_in(refused), "invalid_dpop_proof", "{what}");
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("DPoP algs="), "{what}: {challenge}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_4_3_the_resource_refuses_each_kind_of_bad_proof() {
    let platform = Platform::start().await;
    let forger = Forger::new(&platform).await;
    for (header, claims) in bad_members(&forger) {
        let proof = forger.proof(&header, &claims);
        let refused = forger.call_with_proof(&proof).await;
        is_a_bad_proof(&refused, &format!("{header} {claims}"));
    }
    let good = forger.proof(&json!({}), &json!({}));
    let refused = forger.call_with_proof(&tampered::signature(&good)).await;
    is_a_bad_proof(&refused, "its signature is not its key's");
    let authorization = format!("DPoP {}", forger.token);
    let authorization = ("authorization", &*authorization);
    let refused = forger.call(&[authorization]).await;
    is_a_bad_proof(&refused, "no proof");
    let two = [authorization, ("dpop", &*good), ("dpop", &*good)];
    is_a_bad_proof(&forger.call(&two).await, "two proofs");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_7_1_the_resource_refuses_a_good_proof_of_another_key_than_the_tokens() {
    let platform = Platform::start().await;
    let forger = Forger::new(&platform).await;
    let now = platform.clock().now().secs();
    let other = TestKey::es256();
    let mut head = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": other.jwk("x")});
    head["jwk"].as_object_mut().unwrap().remove("kid");
    let stranger = json!({
        "jti": "a", "htm": "GET", "htu": forger.url, "iat": now, "ath": hash_of(&forger.token),
    });
    let refused = forger.call_with_proof(&other.sign(&head, &stranger)).await;
    assert_eq!(
        (refused.status, &*error_in(&refused)),
        (401, "invalid_token")
    );
    assert_ne!(thumbprint(&forger.jwk()), thumbprint(&head["jwk"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_4_3_what_does_not_matter_is_taken() {
    let platform = Platform::start().await;
    let forger = Forger::new(&platform).await;
    let now = platform.clock().now().secs();
    let url = &forger.url;
    for claims in [
        json!({"htu": format!("{url}?page=2")}),
        json!({"htu": format!("{url}#top")}),
        json!({"htu": url.replace("http:", "HTTP:").replace("api1", "API1")}),
        json!({"iat": now - 10}),
        json!({"iat": now + 10}),
        json!({"nonce": "of another server", "more": [1]}),
    ] {
        let proof = forger.proof(&json!({"typ": "DPOP+JWT", "more": {}}), &claims);
        let taken = forger.call_with_proof(&proof).await;
        assert_eq!(taken.status, 200, "{claims}: {}", taken.body);
    }
    let proof = forger.proof(&json!({}), &json!({}));
    let authorization = format!("dpop {}", forger.token);
    let headers = [("authorization", &*authorization), ("dpop", &*proof)];
    forger.call(&headers).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_11_1_a_proof_counts_once_at_a_resource_however_many_use_it() {
    let platform = Platform::start().await;
    let forger = Forger::new(&platform).await;
    let proof: Arc<str> = forger.proof(&json!({}), &json!({})).into();
    let authorization: Arc<str> = format!("DPoP {}", forger.token).into();
    let machine = platform.machine(ClientAuth::public("nobody"));
    let calls = (0..100).map(|_| {
        let machine = machine.clone();
        let (proof, authorization) = (Arc::clone(&proof), Arc::clone(&authorization));
        let url = forger.url.clone();
        tokio::spawn(async move {
            let headers = [("authorization", &*authorization), ("dpop", &*proof)];
            machine.call_with(Method::GET, &url, &headers).await
        })
    });
    let mut taken = 0;
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap();
        if answer.status == 200 {
            taken += 1;
        } else {
            assert_eq!(error_in(&answer), "invalid_dpop_proof", "{}", answer.body);
        }
    }
    assert_eq!(taken, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_9_an_api_with_a_key_for_nonces_requires_them() {
    let nonce_key = ["--api-dpop-nonce-key", "0123456789abcdef0123456789abcdef"];
    let platform = Platform::start_with_apis(&[], &nonce_key, &[]).await;
    let forger = Forger::new(&platform).await;
    let refused = forger
        .call_with_proof(&forger.proof(&json!({}), &json!({})))
        .await;
    assert_eq!(
        (refused.status, &*error_in(&refused)),
        (401, "use_dpop_nonce")
    );
    let nonce = refused.header("dpop-nonce").unwrap().to_owned();
    let send = async || {
        let proof = forger.proof(&json!({}), &json!({ "nonce": nonce }));
        forger.call_with_proof(&proof).await
    };
    send().await.granted();
    platform.advance(Duration::from_secs(400));
    assert_eq!(error_in(&send().await), "use_dpop_nonce");
    // Each API has nonces of its own, and a client that follows them gets on.
    let key = new_key();
    for (site, audience) in [(Site::Api1, API1), (Site::Api2, API2)] {
        let (machine, token) = bound(&platform, &key, audience).await;
        let url = format!("{}/resource", platform.url(site));
        machine
            .call_bound(Method::GET, &url, &token)
            .await
            .granted();
    }
}
