//! The rules of Back-Channel Logout 1.0, one by one, on tokens that break one
//! each.

use aws_lc_rs::hmac;
use futures_util::FutureExt as _;
use kit::clock::ManualClock;
use serde_json::json;
use token_verify::testing::{START, TestKey, b64, fixed_keys, message};

use super::*;

const ISSUER: &str = "http://idp.localhost:8081";

struct Scene {
    key: TestKey,
    clock: Arc<dyn Clock>,
}

impl Scene {
    fn set() -> Self {
        Self {
            key: TestKey::es256(),
            clock: Arc::new(ManualClock::new(START)),
        }
    }

    fn check(&self, token: &str) -> Result<LogoutToken, BadLogoutToken> {
        self.check_by(&[self.key.jwk("k1")], token)
    }

    /// Checks it by a provider's `keys`.
    fn check_by(&self, keys: &[Value], token: &str) -> Result<LogoutToken, BadLogoutToken> {
        let jwks = fixed_keys(keys, self.clock.clone());
        let parties = Parties {
            issuer: ISSUER,
            client_id: "app1",
            clock: &self.clock,
        };
        let checking = check(token, &jwks, &parties);
        checking.now_or_never().unwrap()
    }

    /// Checks a good token but for `change`: `null` leaves a member out.
    fn with_claims(&self, change: &Value) -> Result<LogoutToken, BadLogoutToken> {
        let token = self.key.sign(&header(), &changed(claims(), change));
        self.check(&token)
    }

    fn with_header(&self, change: &Value) -> Result<LogoutToken, BadLogoutToken> {
        let token = self.key.sign(&changed(header(), change), &claims());
        self.check(&token)
    }
}

fn header() -> Value {
    json!({"alg": "ES256", "typ": "logout+jwt", "kid": "k1"})
}

fn claims() -> Value {
    let now = START.secs();
    json!({
        "iss": ISSUER, "aud": "app1", "iat": now, "exp": now + 120, "jti": "j-1",
        "sub": "u-1", "sid": "s-1", "events": {BACKCHANNEL_LOGOUT_EVENT: {}},
    })
}

fn changed(mut all: Value, change: &Value) -> Value {
    let all_members = all.as_object_mut().unwrap();
    for (name, value) in change.as_object().unwrap() {
        if value.is_null() {
            all_members.remove(name);
        } else {
            all_members.insert(name.clone(), value.clone());
        }
    }
    all
}

#[test]
fn a_good_one_names_the_session_or_else_the_user() {
    let scene = Scene::set();
    let good = scene.with_claims(&json!({})).unwrap();
    assert_eq!(good.subject, Subject::Login("s-1".to_owned()));
    assert_eq!(
        (good.jti.as_str(), good.good_until.secs()),
        ("j-1", START.secs() + 120)
    );
    let by_user = scene.with_claims(&json!({"sid": null})).unwrap();
    assert_eq!(by_user.subject, Subject::User("u-1".to_owned()));
    let by_session = scene.with_claims(&json!({"sub": null})).unwrap();
    assert_eq!(by_session.subject, Subject::Login("s-1".to_owned()));
}

#[test]
fn oidc_backchannel_2_4_typ_is_a_logout_tokens_or_says_nothing() {
    let scene = Scene::set();
    for fine in [
        json!("LOGOUT+JWT"),
        json!("application/logout+jwt"),
        json!("JWT"),
        json!(null),
    ] {
        assert!(scene.with_header(&json!({"typ": fine})).is_ok(), "{fine}");
    }
    for wrong in ["at+jwt", "dpop+jwt", ""] {
        let refused = scene.with_header(&json!({"typ": wrong}));
        assert_eq!(refused, Err(BadLogoutToken::Type), "{wrong}");
    }
}

#[test]
fn oidc_backchannel_2_6_2_signed_by_the_provider_and_never_none_or_mac() {
    let scene = Scene::set();
    let refused = |token: &str| scene.check(token).unwrap_err();
    for alg in ["none", "ES384", "nonsense"] {
        let unsigned = message(&changed(header(), &json!({"alg": alg})), &claims());
        assert_eq!(
            refused(&format!("{unsigned}.")),
            BadLogoutToken::Algorithm,
            "{alg}"
        );
    }
    // The public key as the secret of a MAC (RFC 8725 §2.1).
    let mac = message(&changed(header(), &json!({"alg": "HS256"})), &claims());
    let public = hmac::Key::new(
        hmac::HMAC_SHA256,
        scene.key.jwk("k1").to_string().as_bytes(),
    );
    let tag = b64(hmac::sign(&public, mac.as_bytes()));
    assert_eq!(refused(&format!("{mac}.{tag}")), BadLogoutToken::Algorithm);
    let strangers = TestKey::es256().sign(&header(), &claims());
    assert_eq!(refused(&strangers), BadLogoutToken::Signature);
    let other_kind = TestKey::eddsa().sign(&changed(header(), &json!({"alg": "EdDSA"})), &claims());
    // Of the same kid, but of another type: the provider may have a newer key.
    assert_eq!(refused(&other_kind), BadLogoutToken::UnknownKey);
    let unknown = scene.with_header(&json!({"kid": "k2"}));
    assert_eq!(unknown, Err(BadLogoutToken::UnknownKey));
    // RFC 7515 §4.1.4: kid may be left out.
    assert!(scene.with_header(&json!({"kid": null})).is_ok());
    let extended = scene.with_header(&json!({"crit": ["b64"]}));
    assert_eq!(extended, Err(BadLogoutToken::Unreadable));
}

#[test]
fn rfc7517_4_5_of_several_keys_of_one_kid_the_one_that_signed_is_found() {
    let scene = Scene::set();
    let ours = scene.key.jwk("k1");
    let for_encryption = changed(TestKey::es256().jwk("k1"), &json!({"use": "enc"}));
    let others = [
        TestKey::rs256().jwk("k1"),
        for_encryption,
        TestKey::es256().jwk("k1"),
    ];
    let all = [&others[..], std::slice::from_ref(&ours)].concat();
    // Without a kid no key is named that the signature could fail.
    for (kid, refused) in [
        (json!("k1"), BadLogoutToken::Signature),
        (json!(null), BadLogoutToken::UnknownKey),
    ] {
        let header = changed(header(), &json!({"kid": kid}));
        let token = scene.key.sign(&header, &claims());
        assert!(scene.check_by(&all, &token).is_ok(), "{kid}");
        let none = scene.check_by(&others, &token);
        assert_eq!(none, Err(refused), "{kid}");
        // The key that signed, if it is not for signatures; and keys of another type.
        let not_for_this = changed(ours.clone(), &json!({"use": "enc"}));
        for misfits in [&[not_for_this][..], &others[..2]] {
            let none = scene.check_by(misfits, &token);
            assert_eq!(none, Err(BadLogoutToken::UnknownKey), "{kid}");
        }
    }
}

#[test]
fn every_algorithm_of_the_provider_is_taken() {
    for key in [TestKey::es256(), TestKey::rs256(), TestKey::eddsa()] {
        let scene = Scene {
            key,
            ..Scene::set()
        };
        let alg = scene.key.alg();
        assert!(scene.with_header(&json!({"alg": alg})).is_ok(), "{alg}");
    }
}

#[test]
fn oidc_backchannel_2_6_3_issuer_audience_and_times_as_of_an_id_token() {
    let scene = Scene::set();
    let now = START.secs();
    for (change, why) in [
        (
            json!({"iss": "http://idp.localhost:8081/"}),
            BadLogoutToken::Issuer,
        ),
        (json!({"aud": "app2"}), BadLogoutToken::Audience),
        (json!({"aud": ["app1", "app2"]}), BadLogoutToken::Audience),
        (json!({"aud": []}), BadLogoutToken::Audience),
        (json!({"exp": now}), BadLogoutToken::Expired),
    ] {
        assert_eq!(scene.with_claims(&change), Err(why), "{change}");
    }
    assert!(scene.with_claims(&json!({"aud": ["app1"]})).is_ok());
    for wrong in [now + 11, now - 601] {
        let refused = scene.with_claims(&json!({"iat": wrong}));
        assert!(
            matches!(refused, Err(BadLogoutToken::IssueTime(_))),
            "{wrong}"
        );
    }
    // Its mark need not last longer than it counts.
    let long = scene.with_claims(&json!({"exp": now + 86_400})).unwrap();
    assert_eq!(long.good_until, START + MAX_AGE);
}

#[test]
fn oidc_backchannel_2_4_every_required_claim_is_there() {
    let scene = Scene::set();
    for name in ["iss", "iat", "exp", "jti"] {
        let missing = Err(BadLogoutToken::Claim(BadMember::Missing(name)));
        assert_eq!(scene.with_claims(&json!({ name: null })), missing, "{name}");
    }
    let without = |name: &str| scene.with_claims(&json!({ name: null }));
    assert_eq!(without("aud"), Err(BadLogoutToken::Audience));
    assert_eq!(without("events"), Err(BadLogoutToken::Event));
}

#[test]
fn what_nobody_reads_of_it_may_have_any_shape_and_what_is_odd_is_named() {
    let scene = Scene::set();
    let odd = json!({"sub": 5, "auth_time": "x", "trace": [{}], "exp": START.secs() + 120});
    assert!(scene.with_claims(&odd).is_ok(), "sid says enough");
    for name in ["iat", "exp"] {
        let as_text = START.secs() + 60 * i64::from(name == "exp");
        let fine = scene.with_claims(&json!({ name: as_text.to_string() }));
        assert!(fine.is_ok(), "{name} in digits");
    }
    for (name, value) in [("jti", json!({})), ("iss", json!([ISSUER]))] {
        let refused = scene.with_claims(&json!({ name: value })).unwrap_err();
        assert!(
            refused.to_string().contains(&format!("member {name} ")),
            "{refused}"
        );
    }
}

#[test]
fn oidc_backchannel_2_6_4_a_session_or_a_user_is_named() {
    let scene = Scene::set();
    for nobody in [
        json!({"sub": null, "sid": null}),
        json!({"sub": "", "sid": ""}),
    ] {
        let refused = scene.with_claims(&nobody);
        assert_eq!(refused, Err(BadLogoutToken::Nobody), "{nobody}");
    }
    let refused = scene.with_claims(&json!({"sid": 5, "sub": null}));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("member sid "), "{refused}");
    // As in the ID token, what is empty or odd counts as missing beside the other one.
    for sid in [json!(""), json!(5), json!(null)] {
        let token = scene
            .with_claims(&json!({"sid": sid, "sub": "u-1"}))
            .unwrap();
        assert_eq!(token.subject, Subject::User("u-1".to_owned()), "{sid}");
    }
}

#[test]
fn rfc7519_4_1_5_a_token_that_is_not_valid_yet_is_refused() {
    let scene = Scene::set();
    let refused = scene.with_claims(&json!({"nbf": START.secs() + 900}));
    assert!(matches!(refused, Err(BadLogoutToken::NotYet(_))));
    assert!(scene.with_claims(&json!({"nbf": START.secs()})).is_ok());
}

#[test]
fn oidc_backchannel_2_6_5_the_event_is_a_logout() {
    let scene = Scene::set();
    for events in [
        json!({}),
        json!({"http://schemas.openid.net/event/other": {}}),
        json!({BACKCHANNEL_LOGOUT_EVENT: "yes"}),
    ] {
        let refused = scene.with_claims(&json!({ "events": events }));
        assert_eq!(refused, Err(BadLogoutToken::Event), "{events}");
    }
}

#[test]
fn oidc_backchannel_2_6_6_there_is_no_nonce() {
    let scene = Scene::set();
    let refused = scene.with_claims(&json!({"nonce": "n"}));
    assert_eq!(refused, Err(BadLogoutToken::Nonce));
    let mut null = claims();
    null["nonce"] = Value::Null;
    let refused = scene.check(&scene.key.sign(&header(), &null));
    assert_eq!(refused, Err(BadLogoutToken::Nonce));
}

#[test]
fn what_is_no_jwt_or_too_long_is_refused() {
    let scene = Scene::set();
    for wrong in ["", "a", "a.b", "a.b.c", "..", "é.é.é"] {
        assert_eq!(
            scene.check(wrong),
            Err(BadLogoutToken::Unreadable),
            "{wrong}"
        );
    }
    let long = "x".repeat(MAX_TOKEN + 1);
    assert_eq!(scene.check(&long), Err(BadLogoutToken::TooLong));
}
