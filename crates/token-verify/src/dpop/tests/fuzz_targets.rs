//! The properties of the parser.

use serde_json::{Value, json};

use super::*;

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
