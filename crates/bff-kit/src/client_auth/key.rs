//! The key with which a client signs its assertions: P-256, PKCS#8.

use std::{fmt, io, path::Path, sync::Arc, time::Duration};

use aws_lc_rs::{
    agreement,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kit::{clock::Timestamp, config::Problems, random::Random, state_dir::StateDir};
use serde::Serialize;

/// How long an assertion is valid.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// A private key with its public half. `Debug` shows the key's id alone.
#[derive(Clone)]
pub struct ClientKey(Arc<Inner>);

struct Inner {
    signing: EncodingKey,
    kid: String,
    x: String,
    y: String,
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey")
            .field("kid", &self.0.kid)
            .finish_non_exhaustive()
    }
}

/// The key of the client `name`: from `state_dir`, made there if it is not
/// there yet. The public half lies beside it for the provider.
pub fn client_key(
    state_dir: &StateDir,
    name: &str,
    random: &dyn Random,
) -> Result<ClientKey, String> {
    let file = format!("{name}-client.pem");
    let make = || new_client_key(random);
    let pem = state_dir
        .load_or_create_text(&file, make)
        .map_err(|e| e.to_string())?;
    let key = ClientKey::from_pem(&pem).map_err(|e| format!("{file}: {e}"))?;
    let public = format!("{name}-client.jwks.json");
    state_dir
        .publish(&public, key.jwks_file().as_bytes())
        .map_err(|e| e.to_string())?;
    Ok(key)
}

/// The key of the client `name`: from `file`, which the setting `setting` names, else from
/// `state_dir`. What is wrong goes to `problems`.
pub fn read_client_key(
    (setting, file): (&'static str, Option<&Path>),
    name: &str,
    state_dir: &StateDir,
    random: &dyn Random,
    problems: &mut Problems,
) -> Option<ClientKey> {
    let Some(file) = file else {
        return client_key(state_dir, name, random)
            .map_err(|error| problems.add("STATE_DIR", error))
            .ok();
    };
    let pem = kit::files::read_text(file).map_err(|error| error.to_string());
    let key = pem.and_then(|pem| ClientKey::from_pem(&pem));
    key.map_err(|error| problems.add(setting, format_args!("{}: {error}", file.display())))
        .ok()
}

/// A new key as its file holds it (PKCS#8, PEM).
pub fn new_client_key(random: &dyn Random) -> io::Result<String> {
    generate(random).ok_or_else(|| io::Error::other("a P-256 key could not be made"))
}

impl ClientKey {
    /// Reads a PKCS#8 PEM. `Err` says what is wrong with it.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        let body = pem
            .trim()
            .strip_prefix(BEGIN)
            .and_then(|rest| rest.strip_suffix(END))
            .ok_or("a PKCS#8 PEM (BEGIN PRIVATE KEY) is expected")?;
        let body: String = body.split_whitespace().collect();
        let der = STANDARD
            .decode(body)
            .map_err(|e| format!("the PEM is damaged: {e}"))?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
            .map_err(|_| "a P-256 key (for ES256) is expected")?;
        // An uncompressed point: 4, then x and y of 32 bytes each (SEC 1 §2.3.3).
        let (x, y) = match pair.public_key().as_ref() {
            [4, point @ ..] if point.len() == 64 => point.split_at(32),
            _ => return Err("the public half cannot be computed".to_owned()),
        };
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let kid = thumbprint(&x, &y);
        Ok(Self(Arc::new(Inner {
            signing: EncodingKey::from_ec_der(&der),
            kid,
            x,
            y,
        })))
    }

    /// The public half as a JWK Set (RFC 7517 §5), for the provider.
    pub fn public_jwks(&self) -> serde_json::Value {
        let Inner { kid, x, y, .. } = &*self.0;
        serde_json::json!({"keys": [{
            "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "use": "sig", "alg": "ES256",
        }]})
    }

    /// The same as the provider's file holds it.
    pub fn jwks_file(&self) -> String {
        format!("{:#}\n", self.public_jwks())
    }

    /// A JWT of the client `client_id` about `sub` for the provider `issuer` (RFC 7523
    /// §3). It is valid for a minute and counts once.
    pub fn assertion(
        &self,
        client_id: &str,
        sub: &str,
        issuer: &str,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        self.sign(&serde_json::json!({
            "iss": client_id,
            "sub": sub,
            // The issuer as one string (FAPI 2.0 §5.3.2.1): good at every endpoint, and nowhere else.
            "aud": issuer,
            "jti": random.id(),
            "iat": now.secs(),
            "exp": (now + ASSERTION_LIFETIME).secs(),
        }))
    }

    /// A JWT with these claims.
    pub(crate) fn sign(
        &self,
        claims: &impl Serialize,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.0.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.0.signing)
    }
}

/// The thumbprint of a P-256 key (RFC 7638).
fn thumbprint(x: &str, y: &str) -> String {
    let members = serde_json::json!({"crv": "P-256", "kty": "EC", "x": x, "y": y});
    token_verify::thumbprint::thumbprint(&members)
}

fn generate(random: &dyn Random) -> Option<String> {
    // A number beyond the curve's order is refused: one draw in four billion.
    let drawn = (0..4).find_map(|_| {
        let scalar: [u8; 32] = random.bytes();
        let private =
            agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, &scalar).ok()?;
        Some((scalar, private.compute_public_key().ok()?))
    });
    let (scalar, public) = drawn?;
    let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair =
        EcdsaKeyPair::from_private_key_and_public_key(signing, &scalar, public.as_ref()).ok()?;
    let body = STANDARD.encode(pair.to_pkcs8v1().ok()?.as_ref());
    let lines: Vec<_> = body
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    Some(format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use kit::random::SeededRandom;

    use super::*;

    #[test]
    fn rfc7638_the_key_id_is_the_thumbprint() {
        // The members' text, hashed by hand: RFC 7638 has no EC example.
        let expected = URL_SAFE_NO_PAD.encode(digest(
            &SHA256,
            br#"{"crv":"P-256","kty":"EC","x":"a","y":"b"}"#,
        ));
        assert_eq!(thumbprint("a", "b"), expected);
    }

    /// What is there already costs no randomness.
    struct Untouched;

    impl Random for Untouched {
        fn fill(&self, _: &mut [u8]) {
            panic!("a key was made although there is one");
        }
    }

    #[test]
    fn a_state_dir_keeps_the_key_and_shows_its_public_half_alone() {
        let home = tempfile::tempdir().unwrap();
        let dir = StateDir::open(Some(home.path().to_owned())).unwrap();
        let first = client_key(&dir, "app2", &SeededRandom::new(1)).unwrap();
        let again = client_key(&dir, "app2", &Untouched).unwrap();
        assert_eq!(first.public_jwks(), again.public_jwks());
        let public = std::fs::read_to_string(home.path().join("app2-client.jwks.json")).unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&public).unwrap(),
            first.public_jwks()
        );
        assert!(!public.contains("\"d\""));
    }

    #[test]
    fn what_is_no_p256_key_in_pkcs8_is_refused_with_a_sentence() {
        for wrong in [
            "",
            "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----",
        ] {
            assert!(ClientKey::from_pem(wrong).unwrap_err().contains("PKCS#8"));
        }
        let damaged = format!("{BEGIN}\nAAAA\n{END}");
        assert!(ClientKey::from_pem(&damaged).unwrap_err().contains("P-256"));
    }
}
