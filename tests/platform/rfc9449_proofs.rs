//! RFC 9449 at the token endpoint: which proofs are refused, the provider's nonces, and that
//! a proof counts once.

use std::{sync::Arc, time::Duration};

use kit::{
    config::Site,
    random::{OsRandom, Random},
};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{ClientAuth, Machine, Platform, ProofKey, RedisServer};
use tests::new_key;
use token_verify::testing::TestKey;

pub const CREDENTIALS: [(&str, &str); 1] = [("grant_type", "client_credentials")];

pub fn batch(platform: &Platform) -> Machine {
    platform.machine(ClientAuth::basic("batch", "batch-secret"))
}

/// A proof for the token endpoint, with `nonce`.
fn proof(platform: &Platform, key: &ProofKey, nonce: Option<&str>) -> String {
    let url = format!("{}/token", platform.issuer());
    tests::proof(platform, key, ("POST", &url), (None, nonce))
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_8_2_discovery_gives_a_page_the_nonce_of_its_first_proof() {
    let platform = Platform::start().await;
    let (idp, spa) = (platform.url(Site::Idp), platform.url(Site::Spa));
    let url = format!("{idp}/.well-known/openid-configuration");
    let from = [("origin", &*spa)];
    let found = platform.cli().raw(Method::GET, &url, &from, "").await;
    let exposed = found.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("dpop-nonce"), "{exposed}");
    let given = found.header("dpop-nonce").unwrap();
    assert_eq!(given, nonce(&platform).await);
    // As long as a cache may keep the answer, the nonce is good.
    assert_eq!(found.header("cache-control"), Some("public, max-age=60"));
    platform.advance(Duration::from_secs(60));
    let key = new_key();
    let form = "grant_type=client_credentials";
    let headers = [
        ("authorization", "Basic YmF0Y2g6YmF0Y2gtc2VjcmV0"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("dpop", &*proof(&platform, &key, Some(given))),
    ];
    let url = format!("{idp}/token");
    let answer = platform.cli().raw(Method::POST, &url, &headers, form).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The nonce that the provider gives out now.
pub async fn nonce(platform: &Platform) -> String {
    let without = proof(platform, &new_key(), None);
    let headers = [("dpop", &*without)];
    let machine = batch(platform);
    let answer = machine.post_with("/token", &CREDENTIALS, &headers);
    answer.await.header("dpop-nonce").unwrap().to_owned()
}

/// A proof for the token endpoint, whose header and claims are changed.
pub fn crafted(platform: &Platform, key: &TestKey, header: &Value, claims: &Value) -> String {
    let merge = |mut into: Value, changes: &Value| {
        for (name, value) in changes.as_object().unwrap() {
            into[name] = value.clone();
        }
        into
    };
    let mut jwk = key.jwk("x");
    jwk.as_object_mut().unwrap().remove("kid");
    let usual = json!({"typ": "dpop+jwt", "alg": key.alg(), "jwk": jwk});
    let header = merge(usual, header);
    let random: &dyn Random = &OsRandom;
    let usual = json!({
        "jti": random.id(), "htm": "POST", "htu": format!("{}/token", platform.issuer()),
        "iat": platform.clock().now().secs(),
    });
    key.sign(&header, &merge(usual, claims))
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_4_3_the_token_endpoint_refuses_every_proof_that_is_not_for_it() {
    let platform = Platform::start().await;
    let key = TestKey::es256();
    let now = platform.clock().now().secs();
    let elsewhere = format!("{}/token", platform.url(Site::Api1));
    let plain = json!({});
    let mut private = key.jwk("x");
    private["d"] = json!("AA");
    let nonce = nonce(&platform).await;
    let machine = batch(&platform);
    for (header, claims) in [
        (json!({"typ": "JWT"}), plain.clone()),
        (json!({"alg": "RS256"}), plain.clone()),
        (json!({"alg": "none"}), plain.clone()),
        (json!({"jwk": null}), plain.clone()),
        (json!({ "jwk": private }), plain.clone()),
        (json!({"jwk": TestKey::es256().jwk("x")}), plain.clone()),
        (plain.clone(), json!({"jti": null})),
        (plain.clone(), json!({"htm": "GET"})),
        (plain.clone(), json!({ "htu": elsewhere })),
    ] {
        let mut claims = claims;
        claims["nonce"] = json!(nonce);
        let proof = crafted(&platform, &key, &header, &claims);
        let headers = [("dpop", &*proof)];
        let refused = machine.post_with("/token", &CREDENTIALS, &headers).await;
        let expected = (400, "invalid_dpop_proof".to_owned());
        assert_eq!(refused.refusal(), expected, "{header} {claims}");
        assert_eq!(refused.header("cache-control"), Some("no-store"));
    }
    // The nonce tells the time: a client's clock may be wrong (section 4.3, step 11), but not
    // by an hour.
    for (ahead, status) in [(-1700, 200), (1700, 200), (-3600, 400), (3600, 400)] {
        let iat = now + ahead;
        let proof = crafted(
            &platform,
            &key,
            &plain,
            &json!({ "nonce": nonce, "iat": iat }),
        );
        let headers = [("dpop", &*proof)];
        let answer = machine.post_with("/token", &CREDENTIALS, &headers).await;
        assert_eq!(answer.status, status, "{ahead} s: {}", answer.body);
    }
    let good = crafted(&platform, &key, &plain, &json!({ "nonce": nonce }));
    let twice = [("dpop", &*good), ("dpop", &*good)];
    let refused = batch(&platform)
        .post_with("/token", &CREDENTIALS, &twice)
        .await;
    assert_eq!(refused.error(), "invalid_dpop_proof", "two headers");
    let once = machine.post_with("/token", &CREDENTIALS, &twice[..1]);
    once.await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_8_the_provider_asks_for_its_nonce_and_accepts_it_for_minutes() {
    let platform = Platform::start().await;
    let key = new_key();
    let send = async |nonce: Option<&str>| {
        let proof = proof(&platform, &key, nonce);
        let headers = [("dpop", &*proof)];
        let machine = batch(&platform);
        machine.post_with("/token", &CREDENTIALS, &headers).await
    };
    let refused = send(None).await;
    assert_eq!(refused.refusal(), (400, "use_dpop_nonce".to_owned()));
    let nonce = refused.header("dpop-nonce").unwrap().to_owned();
    let granted = send(Some(&nonce)).await.granted();
    assert_eq!(granted.header("dpop-nonce"), Some(&*nonce), "section 8.2");
    platform.advance(Duration::from_secs(100));
    send(Some(&nonce)).await.granted();
    platform.advance(Duration::from_secs(300));
    let stale = send(Some(&nonce)).await;
    assert_eq!(stale.refusal(), (400, "use_dpop_nonce".to_owned()));
    let newer = stale.header("dpop-nonce").unwrap().to_owned();
    assert_ne!(newer, nonce);
    send(Some(&newer)).await.granted();
    // A request without a proof gets no nonce, and pays for none.
    let without = batch(&platform).token(&CREDENTIALS).await.granted();
    assert_eq!(without.header("dpop-nonce"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_11_1_of_100_parallel_uses_of_one_proof_one_gets_a_token_on_both_stores() {
    let redis = RedisServer::start();
    for redis in [None, Some(&redis)] {
        let platform = Platform::start_on(redis, &[]).await;
        let nonce = nonce(&platform).await;
        let proof: Arc<str> = proof(&platform, &new_key(), Some(&nonce)).into();
        let machine = batch(&platform);
        let uses = (0..100).map(|_| {
            let (machine, proof) = (machine.clone(), Arc::clone(&proof));
            tokio::spawn(async move {
                let headers = [("dpop", &*proof)];
                machine.post_with("/token", &CREDENTIALS, &headers).await
            })
        });
        let mut granted = 0;
        for one in uses.collect::<Vec<_>>() {
            let answer = one.await.unwrap();
            if answer.status == 200 {
                granted += 1;
            } else {
                // On a busy machine a store may answer too late: no token for that either.
                let expected = ["invalid_dpop_proof", "temporarily_unavailable"];
                assert!(expected.contains(&&*answer.error()), "{}", answer.body);
            }
        }
        assert_eq!(granted, 1);
    }
}
