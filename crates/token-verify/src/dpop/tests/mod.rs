//! Each step of RFC 9449 §4.3, and the properties of the parser.

mod form;
mod fuzz_targets;
mod request;
mod used;

use serde_json::{Value, json};

use super::{BadProof, ProofTarget, ValidProof, check};
use crate::testing::{START, TestKey};

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
