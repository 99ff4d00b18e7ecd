//! The provider's signing keys: one for each algorithm, parsed once.

mod key;
mod thumbprint;

use std::{io, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
pub use key::{Algorithm, SigningKey, new_signing_key};
use kit::{clock::Timestamp, state_dir::StateDir};
use serde::Serialize;
use serde_json::json;

/// The keys, the default one first.
#[derive(Clone)]
pub struct Keys {
    keys: Arc<[Arc<SigningKey>]>,
    jwks: Arc<str>,
}

impl Keys {
    /// Loads each algorithm's key from the state directory, or generates it.
    /// `default` signs where no algorithm is requested. It blocks: generating an
    /// RSA key takes a tenth of a second and more.
    pub fn load(state_dir: &StateDir, default: Algorithm, now: Timestamp) -> io::Result<Self> {
        let others = Algorithm::ALL
            .into_iter()
            .filter(|algorithm| *algorithm != default);
        let keys = std::iter::once(default)
            .chain(others)
            .map(|algorithm| SigningKey::load(state_dir, algorithm, now).map(Arc::new))
            .collect::<io::Result<Vec<_>>>()?;
        let jwks = jwks_document(&keys).into();
        Ok(Self {
            keys: keys.into(),
            jwks,
        })
    }

    /// The public keys (RFC 7517 §5), as `/jwks` answers.
    pub fn jwks(&self) -> &Arc<str> {
        &self.jwks
    }

    /// The algorithms, the default one first.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.keys.iter().map(|key| key.algorithm())
    }

    /// When each key was generated, if known.
    pub fn created(&self) -> impl Iterator<Item = (Algorithm, Timestamp)> {
        let keys = self.keys.iter();
        keys.filter_map(|key| Some((key.algorithm(), key.created()?)))
    }

    /// The key named `kid`.
    pub fn named(&self, kid: &str) -> Option<&Arc<SigningKey>> {
        self.keys.iter().find(|key| key.kid() == kid)
    }

    /// Signs `claims` as a JWT of this `typ` (RFC 7515 §3.1, compact) with
    /// `algorithm`, or with the default one.
    pub async fn sign(
        &self,
        typ: &str,
        algorithm: Option<Algorithm>,
        claims: &impl Serialize,
    ) -> Result<String, SignError> {
        #[derive(Serialize)]
        struct Header<'a> {
            alg: &'a str,
            typ: &'a str,
            kid: &'a str,
        }
        let fits =
            |key: &&Arc<SigningKey>| algorithm.is_none_or(|wanted| wanted == key.algorithm());
        let key = self.keys.iter().find(fits).ok_or(SignError::Key)?;
        let header = Header {
            alg: key.algorithm().as_str(),
            typ,
            kid: key.kid(),
        };
        let mut jwt = String::with_capacity(1024);
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&header)?, &mut jwt);
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims)?, &mut jwt);
        let signature = match key.algorithm() {
            // About 30 µs: less than a switch to another thread and back.
            Algorithm::Es256 | Algorithm::EdDsa => key.sign(jwt.as_bytes())?,
            // A millisecond would block every other request of this worker.
            Algorithm::Rs256 => {
                let (key, input) = (Arc::clone(key), jwt.clone());
                tokio::task::spawn_blocking(move || key.sign(input.as_bytes()))
                    .await
                    .map_err(|_| SignError::Key)??
            }
        };
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
        Ok(jwt)
    }
}

/// The public keys as JSON (RFC 7517 §5).
fn jwks_document(keys: &[Arc<SigningKey>]) -> String {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| {
            let mut jwk = key.public().clone();
            jwk["alg"] = key.algorithm().as_str().into();
            jwk["use"] = "sig".into();
            jwk["kid"] = key.kid().into();
            jwk
        })
        .collect();
    json!({ "keys": keys }).to_string()
}

/// A token could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The claims do not serialise.
    #[error("claims: {0}")]
    Claims(#[from] serde_json::Error),
    /// The key failed.
    #[error("the signing key failed")]
    Key,
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode, jwk::JwkSet};
    use serde_json::Value;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    #[tokio::test]
    async fn rfc7515_each_algorithm_is_verified_by_the_published_key() {
        for algorithm in Algorithm::ALL {
            let keys = Keys::load(&StateDir::default(), algorithm, NOW).unwrap();
            let claims = json!({"sub": "alice"});
            let jwt = keys.sign("at+jwt", None, &claims).await.unwrap();
            for asked in Algorithm::ALL {
                let jwt = keys.sign("JWT", Some(asked), &claims).await.unwrap();
                let header = jsonwebtoken::decode_header(&jwt).unwrap();
                assert_eq!(format!("{:?}", header.alg), asked.as_str());
            }
            let header = jsonwebtoken::decode_header(&jwt).unwrap();
            assert_eq!(header.typ.as_deref(), Some("at+jwt"));
            let set: JwkSet = serde_json::from_str(keys.jwks()).unwrap();
            let jwk = set.find(&header.kid.unwrap()).unwrap();
            let mut validation = Validation::new(header.alg);
            validation.required_spec_claims.clear();
            validation.validate_exp = false;
            let key = DecodingKey::from_jwk(jwk).unwrap();
            let claims = decode::<Value>(&jwt, &key, &validation).unwrap().claims;
            assert_eq!(claims["sub"], "alice", "{}", algorithm.as_str());
        }
    }

    #[test]
    fn rfc7517_no_private_member_is_published() {
        let keys = Keys::load(&StateDir::default(), Algorithm::Es256, NOW).unwrap();
        let set: Value = serde_json::from_str(keys.jwks()).unwrap();
        for key in set["keys"].as_array().unwrap() {
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(key.get(private).is_none(), "{private} of {key}");
            }
            assert_eq!(key["use"], "sig");
        }
    }

    #[test]
    fn keys_outlive_the_process_in_the_state_directory() {
        let home = tempfile::tempdir().unwrap();
        let dir = StateDir::open(Some(home.path().into())).unwrap();
        let first = Keys::load(&dir, Algorithm::Es256, NOW).unwrap();
        let later = NOW + std::time::Duration::from_secs(60);
        let second = Keys::load(&dir, Algorithm::EdDsa, later).unwrap();
        assert_eq!(second.created().count(), 3);
        assert!(
            second.created().all(|(_, at)| at == NOW),
            "as the file says"
        );
        let first = first
            .keys
            .iter()
            .map(|key| key.kid().to_owned())
            .collect::<Vec<_>>();
        assert!(first.iter().all(|kid| second.named(kid).is_some()));
    }

    #[test]
    fn rfc7468_5_2_a_key_of_somebody_elses_has_no_age_and_is_good() {
        let home = tempfile::tempdir().unwrap();
        let dir = StateDir::open(Some(home.path().into())).unwrap();
        Keys::load(&dir, Algorithm::Es256, NOW).unwrap();
        let file = home.path().join("idp-es256.pem");
        let ours = std::fs::read_to_string(&file).unwrap();
        let (said, key) = ours.split_once('\n').unwrap();
        assert_eq!(said, "Created: 1700000000");
        for before in ["", "Subject: somebody\n", "Created: soon\n"] {
            std::fs::write(&file, format!("{before}{key}")).unwrap();
            let keys = Keys::load(&dir, Algorithm::Es256, NOW).unwrap();
            let aged: Vec<_> = keys.created().map(|(a, _)| a.as_str()).collect();
            assert_eq!(aged, ["RS256", "EdDSA"], "{before:?}");
        }
    }
}
