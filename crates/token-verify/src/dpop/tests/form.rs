//! The form of a proof, its key and its signature (RFC 9449 §4.2, §4.3 steps 1 to 7).

use kit::random::{OsRandom, Random};
use oauth_types::BadMember;
use serde_json::json;

use super::{
    super::{ALGORITHM_NAMES, ALGORITHMS, ProofKey, ProofRequest},
    *,
};
use crate::{keys::NoSigner, thumbprint::thumbprint};

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
