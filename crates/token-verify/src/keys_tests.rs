use serde_json::json;

use super::*;
use crate::testing::TestKey;

const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const ALL: [Algorithm; 4] = [
    Algorithm::ES256,
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::EdDSA,
];

fn set(keys: &Value) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

#[test]
fn rfc7517_4_2_a_key_for_another_use_is_left_out() {
    let ec = |kid: &str, extra: (&str, Value)| {
        let mut key = json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y, "kid": kid});
        key[extra.0] = extra.1;
        key
    };
    let keys = json!([
        ec("sig", ("use", json!("sig"))),
        ec("enc", ("use", json!("enc"))),
        ec("verify", ("key_ops", json!(["verify"]))),
        ec("wrap", ("key_ops", json!(["wrapKey"]))),
        ec("other alg", ("alg", json!("ES384"))),
        ec("of another kind", ("alg", json!("RS256"))),
        {"kty": "EC", "crv": "P-256", "x": X, "y": Y},
    ]);
    assert_eq!(set(&keys).ids(), ["sig", "verify", "-"]);
}

#[test]
fn rfc8725_3_1_a_symmetric_key_is_never_taken() {
    let keys = json!([{"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256"}]);
    assert!(set(&keys).ids().is_empty());
}

#[test]
fn one_strange_key_does_not_take_the_others_with_it() {
    let keys = json!([
        17,
        {"kty": "quantum", "kid": "q"},
        {"kty": "EC", "crv": "P-256", "x": X, "y": Y, "kid": "a"},
        {"kty": "EC", "crv": "P-256", "x": X, "y": Y, "kid": "b", "x5c": "odd", "exp": {}},
    ]);
    assert_eq!(set(&keys).ids(), ["a", "b"]);
}

#[test]
fn key_operations_are_a_list_or_one_text() {
    let is_taken = |key_ops: Value| {
        let mut key = TestKey::es256().jwk("k");
        key["key_ops"] = key_ops;
        let others = json!([
            TestKey::es256().jwk("before"),
            key,
            TestKey::es256().jwk("after")
        ]);
        let ids = set(&others).ids().join(" ");
        assert!(ids.starts_with("before") && ids.ends_with("after"), "{ids}");
        ids == "before k after"
    };
    for verifies in [
        json!(null),
        json!("verify"),
        json!(["verify"]),
        json!(["sign", "verify"]),
        json!(["verify", 5, "x"]),
    ] {
        assert!(is_taken(verifies.clone()), "{verifies}");
    }
    for other in [
        json!("encrypt"),
        json!([5]),
        json!({"verify": true}),
        json!(7),
    ] {
        assert!(!is_taken(other.clone()), "{other}");
    }
}

#[test]
fn rfc7517_4_5_a_key_id_that_is_a_whole_number_is_its_digits() {
    let (signer, other) = (TestKey::es256(), TestKey::es256());
    for (id, text) in [
        (json!(17), "17"),
        (json!(0), "0"),
        (json!(-1), "-1"),
        (json!(u64::MAX), "18446744073709551615"),
    ] {
        let mut numbered = signer.jwk("1");
        numbered["kid"] = id.clone();
        let keys = json!([other.jwk("1"), numbered, signer.jwk("other")]);
        assert_eq!(set(&keys).ids(), ["1", text, "other"]);
        let header = json!({"alg": "ES256", "kid": id});
        for token in [
            signed(&signer, Some(text)),
            signer.sign(&header, &json!({})),
        ] {
            assert_eq!(check(&keys, &token), Ok(()), "{id}");
        }
        let stranger = other.sign(&header, &json!({}));
        assert_eq!(check(&keys, &stranger), Err(NoSigner::Signature), "{id}");
    }
    for odd in [json!(1.5), json!(["1"]), json!({}), json!(true)] {
        let token = signer.sign(&json!({"alg": "ES256", "kid": odd}), &json!({}));
        assert!(UnverifiedJwt::split(&token).is_none(), "{odd}");
        let mut key = signer.jwk("1");
        key["kid"] = odd.clone();
        assert_eq!(set(&json!([key, other.jwk("2")])).ids(), ["2"], "{odd}");
    }
    let unnamed = signer.sign(&json!({"alg": "ES256", "kid": null}), &json!({}));
    assert_eq!(check(&json!([signer.jwk("1")]), &unnamed), Ok(()));
}

#[test]
fn the_set_is_bounded() {
    let keys: Vec<_> = (0..MAX_KEYS + 9)
        .map(|n| json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y, "kid": n.to_string()}))
        .collect();
    assert_eq!(set(&json!(keys)).ids().len(), MAX_KEYS);
}

fn signed(key: &TestKey, kid: Option<&str>) -> String {
    let mut header = json!({"alg": key.alg()});
    if let Some(kid) = kid {
        header["kid"] = json!(kid);
    }
    key.sign(&header, &json!({}))
}

fn check(keys: &Value, token: &str) -> Result<(), NoSigner> {
    let jwt = UnverifiedJwt::split(token).unwrap();
    set(keys).signer(&jwt, &ALL).map(|_| ())
}

fn without_kid(mut jwk: Value) -> Value {
    jwk.as_object_mut().unwrap().remove("kid");
    jwk
}

#[test]
fn rfc7517_4_5_keys_of_one_kid_are_told_apart_by_kind_algorithm_and_use() {
    let (ec, rsa, ed) = (TestKey::es256(), TestKey::rs256(), TestKey::eddsa());
    let other = TestKey::es256();
    let mut for_encryption = TestKey::es256().jwk("1");
    for_encryption["use"] = json!("enc");
    let keys = json!([
        for_encryption,
        other.jwk("1"),
        rsa.jwk("1"),
        ec.jwk("1"),
        ed.jwk("1")
    ]);
    for key in [&ec, &rsa, &ed, &other] {
        assert_eq!(
            check(&keys, &signed(key, Some("1"))),
            Ok(()),
            "{}",
            key.alg()
        );
    }
    let stranger = signed(&TestKey::es256(), Some("1"));
    assert_eq!(check(&keys, &stranger), Err(NoSigner::Signature));
    let rsa_alone = json!([rsa.jwk("1")]);
    assert_eq!(
        check(&rsa_alone, &signed(&ec, Some("1"))),
        Err(NoSigner::OtherAlgorithm)
    );
}

#[test]
fn rfc7515_4_1_4_a_jwt_or_a_key_may_have_no_kid() {
    let (first, second) = (TestKey::es256(), TestKey::es256());
    let named = json!([first.jwk("1"), second.jwk("2")]);
    let unnamed = json!([without_kid(first.jwk("1")), without_kid(second.jwk("2"))]);
    for keys in [&named, &unnamed] {
        assert_eq!(check(keys, &signed(&second, None)), Ok(()));
        let stranger = signed(&TestKey::es256(), None);
        assert_eq!(check(keys, &stranger), Err(NoSigner::Unknown));
    }
    // A key id that no key has may be one of the keys without.
    assert_eq!(check(&unnamed, &signed(&second, Some("2"))), Ok(()));
    assert_eq!(
        check(&named, &signed(&second, Some("3"))),
        Err(NoSigner::Unknown)
    );
    assert_eq!(
        check(&named, &signed(&second, Some("1"))),
        Err(NoSigner::Signature),
        "whose key id is another's is not tried with the others"
    );
}

#[test]
fn a_signature_is_tried_with_few_keys() {
    let signer = TestKey::es256();
    let strangers = |count: usize| {
        let keys = (0..count).map(|_| TestKey::es256().jwk("1"));
        json!(keys.chain([signer.jwk("1")]).collect::<Vec<_>>())
    };
    let token = signed(&signer, Some("1"));
    assert_eq!(check(&strangers(MAX_TRIED - 1), &token), Ok(()));
    assert_eq!(
        check(&strangers(MAX_TRIED), &token),
        Err(NoSigner::Signature)
    );
}

#[test]
fn fuzz_tokens_against_a_key() {
    let key = TestKey::es256();
    let keys = set(&json!([key.jwk("1"), TestKey::eddsa().jwk("2")]));
    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "1", "crit": null});
    let plain = json!({"alg": "ES256", "kid": "1"});
    let claims = json!({"sub": "a", "exp": 1_800_000_000.5, "aud": ["x"]});
    let genuine = [key.sign(&header, &claims), key.sign(&plain, &claims)];
    fuzz::run_text(&genuine.each_ref().map(String::as_str), |token| {
        let Some(jwt) = UnverifiedJwt::split(token) else {
            return;
        };
        assert_eq!(format!("{}.{}", jwt.message, jwt.signature), token);
        let _ = jwt.claims::<Value>();
        if keys.signer(&jwt, &ALL).is_ok() {
            assert!(genuine.iter().any(|one| one == token), "forged");
            assert!(!jwt.header.is_critical, "RFC 7515 section 4.1.11");
        }
    });
}

#[test]
fn fuzz_key_sets() {
    let key = TestKey::es256();
    let jwk = key.jwk("1");
    let token = key.sign(&json!({"alg": "ES256", "kid": "1"}), &json!({"sub": "a"}));
    let jwt = UnverifiedJwt::split(&token).unwrap();
    let more = [
        TestKey::eddsa().jwk("1"),
        json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y, "use": "enc"}),
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "key_ops": ["verify"]}),
    ];
    let own = json!({ "keys": [jwk] }).to_string();
    let others = json!({ "keys": more, "more": 1 }).to_string();
    fuzz::run(&[&own, &others], |document| {
        let Ok(keys) = KeySet::parse(document) else {
            return;
        };
        assert!(keys.0.len() <= MAX_KEYS);
        if keys.signer(&jwt, &ALL).is_ok() {
            let text = String::from_utf8_lossy(document);
            assert!(
                ["x", "y"]
                    .iter()
                    .all(|name| text.contains(jwk[name].as_str().unwrap()))
            );
        }
    });
}

#[test]
fn the_member_that_makes_a_key_unreadable_is_named() {
    let key = |change: (&str, Value)| {
        let mut key = TestKey::es256().jwk("k1");
        key[change.0] = change.1;
        unreadable(&key)
    };
    assert_eq!(key(("key_ops", json!({"verify": true}))), Some("key_ops"));
    assert_eq!(key(("kid", json!([1]))), Some("kid"));
    assert_eq!(key(("kid", json!(1))), None, "it can be read");
    assert_eq!(key(("use", json!("sig"))), None, "it can be read");
    assert_eq!(key(("kty", json!("XYZ"))), None, "an unknown type");
}
