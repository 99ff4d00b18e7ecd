//! The JWT bearer grant (RFC 7523 §2.1): `batch-jwt`, for itself and for users.

use std::{collections::BTreeMap, time::Duration};

use bff_kit::ClientKey;
use kit::{random::OsRandom, state_dir::StateDir};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{
    Answer, AssertionKey, Child, ClientAuth, Machine, Platform, RedisServer, UnverifiedClaims,
    binary,
};
use tests::{
    own_addresses,
    words::{API1, API1_READ, API2, API2_READ, API2_WRITE},
};

use crate::exchanging::Exchanger;

const CLIENT: &str = "batch-jwt";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ALICE: &str = "u-7f3c1e0a52";
const BOB: &str = "u-2b90d4c8e1";

/// `batch-jwt`, with its key in the state directory, as its owner makes it.
struct Scene {
    platform: Platform,
    key: AssertionKey,
    machine: Machine,
}

impl Scene {
    async fn start() -> Self {
        Self::on(Platform::start().await)
    }

    fn on(platform: Platform) -> Self {
        let state = StateDir::open(Some(platform.state_dir().to_owned())).unwrap();
        let made: ClientKey = bff_kit::client_key(&state, CLIENT, &OsRandom).unwrap();
        let pem = std::fs::read(platform.state_dir().join("batch-jwt-client.pem")).unwrap();
        let kid = made.public_jwks()["keys"][0]["kid"]
            .as_str()
            .unwrap()
            .to_owned();
        let key = AssertionKey::es256(Some(kid), &pem);
        let auth = ClientAuth::PrivateKeyJwt {
            client_id: CLIENT.to_owned(),
            key: key.clone(),
        };
        Self {
            machine: platform.machine(auth),
            platform,
            key,
        }
    }

    /// A good assertion but for `change`; `null` leaves a claim out.
    fn assertion(&self, jti: &str, change: &Value) -> String {
        self.key.sign(&self.claims(jti, change))
    }

    fn claims(&self, jti: &str, change: &Value) -> Value {
        let now = self.platform.clock().now().secs();
        let mut claims = json!({
            "iss": CLIENT, "sub": CLIENT, "aud": self.platform.issuer(), "jti": jti,
            "iat": now, "exp": now + 60,
        });
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    /// Redeems `assertion` with the parameters `more`.
    async fn redeem(&self, assertion: &str, more: &[(&str, &str)]) -> Answer {
        let own = [("grant_type", GRANT), ("assertion", assertion)];
        self.machine.token(&[&own, more].concat()).await
    }

    /// A token for the subject `sub`.
    async fn token(&self, jti: &str, sub: &str, audience: &str) -> Answer {
        let assertion = self.assertion(jti, &json!({ "sub": sub }));
        self.redeem(&assertion, &[("resource", audience)]).await
    }
}

/// A token for alice at API-2, of `platform`.
pub async fn alices_token_on(platform: Platform) -> (Platform, Answer) {
    let scene = Scene::on(platform);
    let answer = scene.token("once", "alice", API2).await;
    (scene.platform, answer)
}

/// A token for alice, of a platform of its own.
pub async fn token_for_alice() -> Answer {
    Scene::start().await.token("once", "alice", API2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7523_3_the_subject_is_the_user_that_the_assertion_names() {
    let scene = Scene::start().await;
    for (at, (named, sub, role)) in [
        ("alice", ALICE, "manager"),
        (ALICE, ALICE, "manager"),
        ("bob", BOB, "clerk"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = scene.token(&format!("j{at}"), named, API2).await.granted();
        assert_eq!(answer.text("token_type"), "Bearer");
        assert!(answer.json().get("refresh_token").is_none());
        let claims = UnverifiedClaims::of(&answer.text("access_token"));
        assert_eq!(claims.text("sub"), sub);
        assert_eq!(claims.text("client_id"), CLIENT);
        assert_eq!(claims.text("aud"), API2);
        assert_eq!(claims.scopes(), [API2_READ, API2_WRITE]);
        assert_eq!(claims.claims["roles"], json!([role]));
        for of_a_sign_in in ["sid", "auth_time", "acr", "act"] {
            assert_eq!(claims.claims.get(of_a_sign_in), None, "{of_a_sign_in}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7521_6_2_without_a_user_the_client_is_the_subject() {
    let scene = Scene::start().await;
    let answer = scene.token("j", CLIENT, API1).await.granted();
    let claims = UnverifiedClaims::of(&answer.text("access_token"));
    assert_eq!(claims.text("sub"), CLIENT);
    assert_eq!(claims.claims.get("roles"), None);
    // The same as by client credentials.
    let parameters = [("grant_type", "client_credentials"), ("resource", API1)];
    let other = scene.machine.token(&parameters).await.granted();
    let other = UnverifiedClaims::of(&other.text("access_token"));
    assert_eq!(other.text("sub"), CLIENT);
    assert_eq!(other.scopes(), claims.scopes());
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7521_4_1_1_a_user_who_is_not_allowed_is_as_one_who_does_not_exist() {
    let scene = Scene::start().await;
    let mut said = BTreeMap::new();
    for (at, sub) in ["carol", "nobody", "app1", "", "u-7f3c1e0a5", "batch"]
        .into_iter()
        .enumerate()
    {
        let answer = scene.token(&format!("j{at}"), sub, API1).await;
        assert_eq!(answer.refusal(), (400, "invalid_grant".to_owned()), "{sub}");
        said.insert(answer.text("error_description"), sub);
    }
    assert_eq!(said.len(), 1, "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7523_3_an_assertion_that_is_not_good_is_refused() {
    let scene = Scene::start().await;
    let now = scene.platform.clock().now().secs();
    let bad = [
        json!({"iss": "batch"}),
        json!({"iss": null}),
        json!({"sub": null}),
        json!({"aud": "https://elsewhere"}),
        json!({"aud": format!("{}/par", scene.platform.issuer())}),
        json!({"aud": null}),
        json!({"exp": now - 11}),
        json!({"exp": now + 3611}),
        json!({"exp": null}),
        json!({"nbf": now + 60}),
        json!({"iat": now + 60}),
        json!({"jti": ""}),
        json!({"jti": "j".repeat(257)}),
        json!({"jti": null}),
    ];
    for (at, change) in bad.iter().enumerate() {
        let assertion = scene.assertion(&format!("j{at}"), change);
        let answer = scene.redeem(&assertion, &[]).await;
        assert_eq!(
            answer.refusal(),
            (400, "invalid_grant".to_owned()),
            "{change}: {}",
            answer.body
        );
    }
    let good = scene.assertion("good", &json!({}));
    // RFC 8725 §3.11: a JWT for another purpose.
    for typ in ["at+jwt", "dpop+jwt", "logout+jwt"] {
        let typed = scene.key.sign_as(typ, &scene.claims(typ, &json!({})));
        let answer = scene.redeem(&typed, &[]).await;
        assert_eq!(answer.refusal(), (400, "invalid_grant".to_owned()), "{typ}");
    }
    let tampered = testkit::tampered::claims(&good, |claims| claims["sub"] = json!("alice"));
    for bad in [
        tampered,
        testkit::tampered::unsigned(&good),
        "x".repeat(5000),
    ] {
        let answer = scene.redeem(&bad, &[]).await;
        assert_eq!(answer.refusal(), (400, "invalid_grant".to_owned()));
    }
    let missing = scene.machine.token(&[("grant_type", GRANT)]).await;
    assert_eq!(missing.refusal(), (400, "invalid_request".to_owned()));
    scene.redeem(&good, &[]).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8725_3_11_the_typ_tells_a_grant_from_an_authentication() {
    let scene = Scene::start().await;
    let nobody = scene.machine.identified_by(ClientAuth::public(CLIENT));
    for (typ, as_grant, as_authentication) in [
        ("JWT", 200, 200),
        ("authorization-grant+jwt", 200, 401),
        ("client-authentication+jwt", 400, 200),
    ] {
        let of = |jti: &str| scene.key.sign_as(typ, &scene.claims(jti, &json!({})));
        let granted = scene.redeem(&of(&format!("g {typ}")), &[]).await;
        assert_eq!(granted.status, as_grant, "{typ}: {}", granted.body);
        if as_grant == 400 {
            assert_eq!(granted.error(), "invalid_grant", "{typ}");
        }
        let assertion = of(&format!("a {typ}"));
        let parameters = [
            ("grant_type", "client_credentials"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", &*assertion),
        ];
        let authenticated = nobody.token(&parameters).await;
        let said = &authenticated.body;
        assert_eq!(authenticated.status, as_authentication, "{typ}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7523_3_a_jti_counts_once_whatever_its_assertion_is_sent_for() {
    let scene = Scene::start().await;
    let assertion = scene.assertion("once", &json!({}));
    // What is refused for another reason does not use it up.
    let wrong = [("scope", "https://api-1/admin")];
    let refused = scene.redeem(&assertion, &wrong).await;
    assert_eq!(refused.refusal(), (400, "invalid_scope".to_owned()));
    let elsewhere = [("resource", "https://api-3")];
    let refused = scene.redeem(&assertion, &elsewhere).await;
    assert_eq!(refused.refusal(), (400, "invalid_target".to_owned()));
    scene.redeem(&assertion, &[]).await.granted();
    let again = scene.redeem(&assertion, &[]).await;
    assert_eq!(again.refusal(), (400, "invalid_grant".to_owned()));
    let nobody = scene.machine.identified_by(ClientAuth::public(CLIENT));
    let assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let parameters = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", assertion_type),
        ("client_assertion", &*assertion),
    ];
    let replayed = nobody.token(&parameters).await;
    assert_eq!(replayed.refusal(), (401, "invalid_client".to_owned()));
}

async fn one_of_100(platform: Platform) {
    let scene = Scene::on(platform);
    let assertion = scene.assertion("race", &json!({"sub": "alice"}));
    let (scene, assertion) = (&scene, &assertion);
    let all = (0..100).map(|_| scene.redeem(assertion, &[]));
    let answers = futures_util::future::join_all(all).await;
    let granted = answers.iter().filter(|answer| answer.status == 200);
    assert_eq!(granted.count(), 1);
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_100_parallel_redeems_of_one_jti_one_succeeds_in_memory() {
    one_of_100(Platform::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_100_parallel_redeems_of_one_jti_one_succeeds_on_redis() {
    let redis = RedisServer::start();
    one_of_100(Platform::start_on(Some(&redis), &[]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_a_named_user_places_orders_as_the_user() {
    let scene = Scene::start().await;
    let token = scene.token("j", "alice", API1).await.granted();
    let token = token.text("access_token");
    let api1 = scene.platform.url(kit::config::Site::Api1);
    let order = json!({"item": "chess-set", "quantity": 1});
    let url = format!("{api1}/resource");
    let placed = scene.machine.call_json(Method::POST, &url, &token, &order);
    assert_eq!(placed.await.status, 201, "the exchange behind it included");
    let whoami = format!("{api1}/whoami");
    let whoami = scene.machine.call(Method::GET, &whoami, &token).await;
    assert_eq!(whoami.text("sub"), ALICE);
    assert_eq!(whoami.text("client_id"), CLIENT);
    let api1 = Exchanger::api1(&scene.platform);
    let exchanged = api1.exchange(&token, API2, &[]).await.unwrap().claims;
    assert_eq!(exchanged.text("sub"), ALICE);
    assert_eq!(exchanged.claims["act"], json!({"sub": "api-1"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_a_named_user_says_nothing_at_userinfo_and_has_no_grant_to_revoke() {
    let scene = Scene::start().await;
    let token = scene.token("j", "alice", API1).await.granted();
    let token = token.text("access_token");
    let userinfo = format!("{}/userinfo", scene.platform.issuer());
    let answer = scene.machine.call(Method::GET, &userinfo, &token).await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    let body = [("token", token.as_str())];
    let revoked = scene.machine.post_as_client("/revoke", &body).await;
    assert_eq!(revoked.error(), "unsupported_token_type");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7523_2_1_only_a_client_with_the_grant_may_use_it_and_scope_narrows() {
    let scene = Scene::start().await;
    let narrow = [("resource", API1), ("scope", API1_READ)];
    let assertion = scene.assertion("narrow", &json!({"sub": "bob"}));
    let answer = scene.redeem(&assertion, &narrow).await.granted();
    let claims = UnverifiedClaims::of(&answer.text("access_token"));
    assert_eq!(claims.scopes(), [API1_READ]);
    let other = ClientAuth::basic("batch", "batch-secret");
    let other = scene.machine.identified_by(other);
    let assertion = scene.assertion("other", &json!({"sub": "bob"}));
    let parameters = [("grant_type", GRANT), ("assertion", &*assertion)];
    let refused = other.token(&parameters).await;
    assert_eq!(refused.refusal(), (400, "unauthorized_client".to_owned()));
    let metadata = scene.machine.get("/.well-known/openid-configuration").await;
    let grants = metadata.json()["grant_types_supported"].clone();
    assert!(grants.as_array().unwrap().contains(&json!(GRANT)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7523_2_1_batch_makes_its_key_and_places_the_orders_of_the_user_whom_it_names() {
    const SOON: Duration = Duration::from_secs(90);
    let platform = Platform::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.jsonl");
    let orders = "{\"item\": \"tea-pot\", \"quantity\": 1}\n\
                  {\"api\": \"api-2\", \"item\": \"tea-pot\", \"quantity\": 1}\n";
    std::fs::write(&file, orders).unwrap();
    let (file, state) = (
        file.to_str().unwrap(),
        platform.state_dir().to_str().unwrap(),
    );
    let flags = [
        "batch",
        "--client-id",
        CLIENT,
        "--state-dir",
        state,
        "--as",
        "alice",
        file,
    ];
    let environment = own_addresses(&platform);
    let run = || Child::run_to_end(&binary("sso-lab"), &flags, &environment, SOON);
    let (output, code) = tokio::task::block_in_place(run);
    assert_eq!(code, Some(0), "{output}");
    let scene = Scene::on(platform);
    let token = scene.token("j", "alice", API1).await.granted();
    let url = format!("{}/resource", scene.platform.url(kit::config::Site::Api1));
    let token = token.text("access_token");
    let own = scene.machine.call(Method::GET, &url, &token).await.json();
    assert_eq!(own["orders"].as_array().map(Vec::len), Some(1));
}
