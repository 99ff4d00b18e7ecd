//! The request that a proof is for: method, URL, nonce, time and access token (RFC 9449 §4.3,
//! steps 8 to 12).

use std::time::Duration;

use aws_lc_rs::hmac;
use oauth_types::{BadMember, ErrorCode};
use serde_json::{Value, json};

use super::{
    super::{Nonces, hash_of},
    *,
};

#[test]
fn rfc9449_4_3_8_it_is_for_this_method() {
    for htm in ["GET", "post", "POST ", ""] {
        let refused = with_claims(&json!({ "htm": htm }));
        assert_eq!(refused, Some(BadProof::Method), "{htm:?}");
    }
}

#[test]
fn rfc9449_4_3_9_it_is_for_this_url() {
    for htu in [
        "https://api.example/other",
        "https://evil.example/orders",
        "/orders",
        "",
    ] {
        let refused = with_claims(&json!({ "htu": htu }));
        assert_eq!(refused, Some(BadProof::Url), "{htu:?}");
    }
    let same = "HTTPS://API.example:443/orders?page=2#top";
    assert_eq!(with_claims(&json!({ "htu": same })), None);
}

#[test]
fn rfc8705_5_the_url_at_the_port_for_mtls_is_the_endpoints_too() {
    let key = TestKey::es256();
    let judge = |bases, htu: &str| {
        let target = ProofTarget { bases, ..target() };
        let claims = changed(claims(), &json!({ "htu": htu }));
        let proof = key.sign(&header(&key), &claims);
        check(&[proof.as_bytes()], &target, START).err()
    };
    let (alias, both) = (
        "https://api.example:8484/orders",
        ["https://api.example:8484", BASE],
    );
    assert_eq!(judge(&both, alias), None);
    assert_eq!(judge(&both, URL), None);
    assert_eq!(judge(&[BASE], alias), Some(BadProof::Url));
    assert_eq!(judge(&[], URL), Some(BadProof::Url), "a port without a URL");
    let other = "https://api.example:8484/other";
    assert_eq!(judge(&both, other), Some(BadProof::Url));
}

#[test]
fn rfc9449_4_3_10_it_has_the_servers_nonce_where_the_server_requires_one() {
    let nonces = |key| Nonces::new(hmac::Key::new(hmac::HMAC_SHA256, &[key; 32]));
    let own = nonces(1);
    let target = ProofTarget {
        nonces: Some(&own),
        ..target()
    };
    let key = TestKey::es256();
    let judge = |nonce: Value| {
        let claims = changed(claims(), &json!({ "nonce": nonce }));
        check(
            &[key.sign(&header(&key), &claims).as_bytes()],
            &target,
            START,
        )
        .err()
    };
    assert_eq!(judge(json!(own.current(START))), None);
    assert_eq!(judge(json!(null)), Some(BadProof::NoNonce));
    for stale in [
        own.current(START + Duration::from_secs(900)),
        nonces(2).current(START),
        String::new(),
    ] {
        assert_eq!(judge(json!(stale)), Some(BadProof::StaleNonce));
    }
    let odd = BadMember::Odd {
        name: "nonce",
        expected: "a string",
    };
    assert_eq!(judge(json!(5)), Some(BadProof::Claim(odd)));
    let made = |ahead: i64| {
        let claims = json!({"iat": START.secs() + ahead, "nonce": own.current(START)});
        let claims = changed(self::claims(), &claims);
        let proof = key.sign(&header(&key), &claims);
        check(&[proof.as_bytes()], &target, START).err()
    };
    for (ahead, expected) in [
        (1800, None),
        (-1800, None),
        (1801, Some(BadProof::Early)),
        (-1801, Some(BadProof::Old)),
        (3600, Some(BadProof::Early)),
        (-3600, Some(BadProof::Old)),
    ] {
        assert_eq!(made(ahead), expected, "the client's clock: {ahead} s");
    }
    assert_eq!(BadProof::NoNonce.code(), ErrorCode::UseDpopNonce);
    assert_eq!(BadProof::StaleNonce.code(), ErrorCode::UseDpopNonce);
    assert_eq!(BadProof::Url.code(), ErrorCode::InvalidDpopProof);
    assert_eq!(
        with_claims(&json!({"nonce": "of another server"})),
        None,
        "a server without nonces"
    );
}

#[test]
fn rfc9449_4_3_11_it_was_made_just_now() {
    for (ahead, expected) in [
        (0, None),
        (10, None),
        (-10, None),
        (-60, None),
        (11, Some(BadProof::Early)),
        (3600, Some(BadProof::Early)),
        (-61, Some(BadProof::Old)),
        (-3600, Some(BadProof::Old)),
    ] {
        let made = START.secs() + ahead;
        assert_eq!(with_claims(&json!({ "iat": made })), expected, "{ahead}");
    }
    for odd in [i64::MIN, i64::MAX] {
        assert!(with_claims(&json!({ "iat": odd })).is_some());
    }
}

#[test]
fn rfc7519_4_1_4_a_proof_that_names_its_time_counts_within_it() {
    for (times, expected) in [
        (json!({"exp": 60, "nbf": 0}), None),
        (json!({"exp": -9, "nbf": 10}), None),
        (json!({"exp": -10}), Some(BadProof::Expired)),
        (json!({"exp": -3600}), Some(BadProof::Expired)),
        (json!({"nbf": 11}), Some(BadProof::NotYet)),
        (json!({"nbf": 3600}), Some(BadProof::NotYet)),
    ] {
        let ahead = |name: &str| times.get(name).and_then(Value::as_i64);
        let at = |name| ahead(name).map(|ahead| START.secs() + ahead);
        let times = json!({"exp": at("exp"), "nbf": at("nbf")});
        assert_eq!(with_claims(&times), expected, "{times}");
    }
}

#[test]
fn rfc9449_4_3_12_it_has_the_hash_of_the_access_token() {
    let target = ProofTarget {
        token: Some(TOKEN),
        ..target()
    };
    let key = TestKey::es256();
    let judge = |ath: Value| {
        let claims = changed(claims(), &json!({ "ath": ath }));
        check(
            &[key.sign(&header(&key), &claims).as_bytes()],
            &target,
            START,
        )
        .err()
    };
    assert_eq!(hash_of(TOKEN), ATH);
    assert_eq!(judge(json!(ATH)), None);
    for wrong in [
        json!(null),
        json!(""),
        json!(TOKEN),
        json!(ATH.to_lowercase()),
    ] {
        assert_eq!(judge(wrong.clone()), Some(BadProof::Token), "{wrong}");
    }
}
