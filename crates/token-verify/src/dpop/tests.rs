//! Each step of RFC 9449 §4.3, and the properties of the parser.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use kit::{
    clock::{ManualClock, Timestamp},
    random::{OsRandom, Random},
};
use oauth_types::{BadMember, ErrorCode};
use serde_json::{Value, json};
use store::test_redis::RedisServer;

use super::{
    ALGORITHM_NAMES, ALGORITHMS, BadProof, Nonces, ProofKey, ProofRequest, ProofTarget, UsedProofs,
    ValidProof, check,
};
use crate::{
    keys::NoSigner,
    testing::{START, TestKey},
    thumbprint::thumbprint,
};

const BASE: &str = "https://api.example";
const URL: &str = "https://api.example/orders";
const TOKEN: &str = "an.access.token";
/// SHA-256 of the token, base64url.
const ATH: &str = "UkM2b42E54u4hWzuKV_B3zyulUA6vtNYjJUv_ru2Qck";

fn target<'r>() -> ProofTarget<'r> {
    ProofTarget {
        method: "POST",
        bases: &[BASE],
        path: "/orders",
        token: None,
        nonces: None,
    }
}

fn jwk(key: &TestKey) -> Value {
    let mut jwk = key.jwk("x");
    for member in ["kid", "use", "alg"] {
        jwk.as_object_mut().unwrap().remove(member);
    }
    jwk
}

fn header(key: &TestKey) -> Value {
    json!({"typ": "dpop+jwt", "alg": key.alg(), "jwk": jwk(key)})
}

fn claims() -> Value {
    json!({"jti": "j-1", "htm": "POST", "htu": URL, "iat": START.secs()})
}

/// `value` with `changes`; null removes a member.
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

fn judge(proof: &str) -> Result<ValidProof, BadProof> {
    check(&[proof.as_bytes()], &target(), START)
}

/// The outcome of a proof whose header and claims are changed.
fn outcome(in_header: &Value, in_claims: &Value) -> Result<ValidProof, BadProof> {
    let key = TestKey::es256();
    let header = changed(header(&key), in_header);
    judge(&key.sign(&header, &changed(claims(), in_claims)))
}

fn with_claims(changes: &Value) -> Option<BadProof> {
    outcome(&json!({}), changes).err()
}

fn with_header(changes: &Value) -> Option<BadProof> {
    outcome(changes, &json!({})).err()
}

#[test]
fn rfc9449_4_3_a_good_proof_names_its_key() {
    for key in [TestKey::es256(), TestKey::eddsa(), TestKey::ps256()] {
        let valid = judge(&key.sign(&header(&key), &claims())).unwrap();
        assert_eq!(valid.jkt, thumbprint(&jwk(&key)), "{}", key.alg());
    }
    let unknown = json!({"more": {"a": []}, "aud": 5});
    assert_eq!(
        outcome(&unknown, &unknown).err(),
        None,
        "members that nobody knows"
    );
}

#[test]
fn rfc9449_4_2_the_clients_key_makes_good_proofs() {
    let random: &dyn Random = &OsRandom;
    let key = ProofKey::generate(random).unwrap();
    let request = ProofRequest {
        method: "POST",
        url: URL,
        token: Some(TOKEN),
        nonce: None,
    };
    let proof = key.proof(&request, START, random).unwrap();
    let target = ProofTarget {
        token: Some(TOKEN),
        ..target()
    };
    let valid = check(&[proof.as_bytes()], &target, START).unwrap();
    assert_eq!(valid.jkt, key.jkt());
    let again = key.proof(&request, START, random).unwrap();
    let again = check(&[again.as_bytes()], &target, START).unwrap();
    assert_ne!(
        valid.fingerprint, again.fingerprint,
        "each has a jti of its own"
    );
}

#[test]
fn a_derived_key_is_the_same_at_each_replica_and_another_for_each_purpose() {
    let derive = |master: u8, purpose| ProofKey::derive(&[master; 32], purpose).unwrap();
    let key = derive(1, "app1");
    assert_eq!(key.jkt(), derive(1, "app1").jkt());
    assert_ne!(key.jkt(), derive(1, "app2").jkt());
    assert_ne!(key.jkt(), derive(2, "app1").jkt());
    assert!(!format!("{key:?}").contains("pair"));
}

#[test]
fn rfc9449_4_3_1_there_is_one_header() {
    let key = TestKey::es256();
    let proof = key.sign(&header(&key), &claims());
    let proof = proof.as_bytes();
    assert_eq!(check(&[], &target(), START), Err(BadProof::Missing));
    assert_eq!(
        check(&[proof, proof], &target(), START),
        Err(BadProof::Repeated)
    );
    let joined = [proof, b", ", proof].concat();
    assert_eq!(
        check(&[&joined], &target(), START),
        Err(BadProof::NotAJwt),
        "two in one field line (RFC 9110 section 5.3)"
    );
}

#[test]
fn rfc9449_4_3_2_it_is_a_well_formed_jwt_of_bounded_length() {
    for wrong in ["", "x", "a.b", "a.b.c", "{}", "a.b.c.d.e"] {
        assert_eq!(judge(wrong), Err(BadProof::NotAJwt), "{wrong}");
    }
    assert_eq!(
        check(&[b"\xff\xfe"], &target(), START),
        Err(BadProof::NotAJwt)
    );
    assert_eq!(judge(&"x".repeat(5000)), Err(BadProof::TooLong));
    let long = with_claims(&json!({"more": "x".repeat(4000)}));
    assert_eq!(long, Some(BadProof::TooLong));
}

#[test]
fn rfc9449_4_3_3_all_required_claims_are_there() {
    for name in ["jti", "htm", "htu", "iat"] {
        let missing = Some(BadProof::Claim(BadMember::Missing(name)));
        assert_eq!(with_claims(&json!({name: null})), missing);
        let odd = with_claims(&json!({name: ["x"]})).unwrap().to_string();
        assert!(odd.contains(&format!("its member {name} is not ")), "{odd}");
    }
    for jti in [String::new(), "j".repeat(257)] {
        assert_eq!(with_claims(&json!({"jti": jti})), Some(BadProof::Jti));
    }
}

#[test]
fn rfc9449_4_3_4_its_type_is_dpop_jwt() {
    for typ in [json!(null), json!("JWT"), json!("at+jwt"), json!("dpop")] {
        let refused = with_header(&json!({ "typ": typ }));
        assert_eq!(refused, Some(BadProof::Type), "{typ}");
    }
    for typ in ["DPoP+JWT", "application/dpop+jwt"] {
        assert_eq!(with_header(&json!({ "typ": typ })), None, "{typ}");
    }
}

#[test]
fn rfc9449_4_3_5_its_algorithm_is_asymmetric_and_one_of_the_list() {
    for alg in ["none", "HS256", "RS256", "ES512", "x"] {
        let refused = with_header(&json!({ "alg": alg }));
        let expected = BadProof::Header(NoSigner::Algorithm);
        assert_eq!(refused, Some(expected), "{alg}");
    }
    let critical = with_header(&json!({"crit": ["b64"], "b64": false}));
    assert_eq!(critical, Some(BadProof::Header(NoSigner::Critical)));
    let names: Vec<_> = ALGORITHMS.iter().map(|alg| format!("{alg:?}")).collect();
    assert_eq!(names, ALGORITHM_NAMES, "metadata names what is accepted");
}

#[test]
fn rfc9449_4_3_6_its_own_key_has_signed_it() {
    let (key, other) = (TestKey::es256(), TestKey::es256());
    let stolen = other.sign(&header(&key), &claims());
    assert_eq!(judge(&stolen), Err(BadProof::Signature));
    let proof = key.sign(&header(&key), &claims());
    let (signed, _) = proof.rsplit_once('.').unwrap();
    for signature in ["", "AAAA", "!"] {
        let bent = format!("{signed}.{signature}");
        assert_eq!(judge(&bent), Err(BadProof::Signature), "{signature}");
    }
    for jwk in [json!(null), json!("x"), json!({}), jwk(&TestKey::eddsa())] {
        let refused = with_header(&json!({ "jwk": jwk }));
        assert_eq!(refused, Some(BadProof::Key), "{jwk}");
    }
    let no_point = json!({"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}});
    assert_eq!(with_header(&no_point), Some(BadProof::Signature));
    // Neither a key id nor an address of a key counts.
    let elsewhere = json!({"jwk": null, "kid": "x", "jku": "https://evil.example/keys"});
    assert_eq!(with_header(&elsewhere), Some(BadProof::Key));
}

#[test]
fn rfc9449_4_3_7_its_key_is_the_public_half_alone() {
    let key = TestKey::es256();
    for (member, value) in [("d", json!("AA")), ("k", json!("AA")), ("oth", json!([]))] {
        let mut header = header(&key);
        header["jwk"][member] = value;
        let refused = judge(&key.sign(&header, &claims()));
        assert_eq!(refused, Err(BadProof::PrivateKey), "{member}");
    }
}

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
    assert_eq!(super::proof::hash_of(TOKEN), ATH);
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

/// A proof that was used is known until it has expired, and no longer.
#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_11_1_of_100_parallel_uses_of_one_proof_one_counts_in_memory_and_on_redis() {
    let redis = RedisServer::start();
    let clock = Arc::new(ManualClock::new(START));
    let on_redis = kit::config::RedisSettings::at(&redis.url());
    for settings in [None, Some(&on_redis)] {
        let open = || store::open(settings, Arc::<ManualClock>::clone(&clock)).unwrap();
        // Two replicas; in memory there is one process.
        let first = open();
        let second = if settings.is_some() {
            open()
        } else {
            first.clone()
        };
        let marks = [first, second].map(|store| UsedProofs::new(store, "test:dpop:"));
        let proof = outcome(&json!({}), &json!({})).unwrap();
        let tasks = (0..100).map(|n| {
            let (used, proof) = (marks[n % 2].clone(), proof.clone());
            tokio::spawn(async move { used.mark(&proof, START).await.unwrap() })
        });
        let mut counted = 0;
        for one in tasks.collect::<Vec<_>>() {
            counted += usize::from(one.await.unwrap());
        }
        assert_eq!(counted, 1);
        let other = outcome(&json!({}), &json!({"jti": "j-2"})).unwrap();
        assert!(marks[1].mark(&other, START).await.unwrap());
    }
}

#[test]
fn rfc9449_11_1_a_proof_is_remembered_for_as_long_as_it_could_be_used() {
    let ttl = |iat: i64, now: Timestamp| {
        let proof = outcome(&json!({}), &json!({ "iat": iat })).unwrap();
        proof.ttl(now)
    };
    assert_eq!(ttl(START.secs() + 10, START), Duration::from_secs(71));
    assert_eq!(ttl(START.secs() - 60, START), Duration::from_secs(1));
    let late = START + Duration::from_secs(999);
    assert_eq!(ttl(START.secs(), late), Duration::from_secs(1));
}

#[test]
fn two_keys_may_use_the_same_jti() {
    let of = || outcome(&json!({}), &json!({})).unwrap().fingerprint;
    assert_ne!(of(), of());
}

#[test]
fn fuzz_proofs_as_they_are_sent() {
    let key = TestKey::es256();
    let more = json!({"nonce": "n", "ath": ATH, "more": {"a": [1.5]}});
    let genuine = [
        key.sign(&header(&key), &claims()),
        key.sign(&header(&key), &changed(claims(), &more)),
    ];
    fuzz::run(&genuine.each_ref().map(String::as_bytes), |sent| {
        if check(&[sent], &target(), START).is_ok() {
            assert!(genuine.iter().any(|one| one.as_bytes() == sent), "forged");
        }
    });
}

#[test]
fn fuzz_claims_of_proofs() {
    let key = TestKey::es256();
    let more = json!({"nonce": "n", "ath": ATH, "htu": "HTTPS://API.example:443/%6frders?a"});
    let good = [claims().to_string(), changed(claims(), &more).to_string()];
    fuzz::run_text(&good.each_ref().map(String::as_str), |text| {
        let Ok(claims) = serde_json::from_str::<Value>(text) else {
            return;
        };
        if judge(&key.sign(&header(&key), &claims)).is_ok() {
            assert_eq!(claims["htm"], "POST");
            assert!(claims["jti"].as_str().is_some_and(|jti| !jti.is_empty()));
            let htu: url::Url = claims["htu"].as_str().unwrap().parse().unwrap();
            assert_eq!(htu.host_str(), Some("api.example"));
        }
    });
}

#[test]
fn fuzz_headers_of_proofs() {
    let key = TestKey::es256();
    let (own, other) = (header(&key), header(&TestKey::es256()));
    let good = [own.to_string(), other.to_string()];
    fuzz::run_text(&good.each_ref().map(String::as_str), |text| {
        let Ok(header) = serde_json::from_str::<Value>(text) else {
            return;
        };
        if judge(&key.sign(&header, &claims())).is_ok() {
            assert_eq!(header["alg"], "ES256");
            for member in ["x", "y", "crv", "kty"] {
                assert_eq!(header["jwk"][member], own["jwk"][member]);
            }
            assert!(header["jwk"].get("d").is_none());
        }
    });
}
