//! Client authentication: a variant for each method (RFC 6749 §2.3, OIDC Core §9).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kit::{
    clock::Timestamp,
    random::{OsRandom, Random},
};
use serde_json::json;
use url::form_urlencoded::byte_serialize;

/// A client's authentication.
#[derive(Clone)]
pub enum ClientAuth {
    /// `client_secret_basic`.
    Basic {
        /// The id.
        client_id: String,
        /// Its secret.
        secret: String,
    },
    /// `client_secret_post`.
    Post {
        /// The id.
        client_id: String,
        /// Its secret.
        secret: String,
    },
    /// `private_key_jwt`.
    PrivateKeyJwt {
        /// The id.
        client_id: String,
        /// Its key.
        key: AssertionKey,
    },
    /// `none`: a public client.
    None {
        /// The id.
        client_id: String,
    },
}

/// A client's private key.
#[derive(Clone)]
pub struct AssertionKey {
    /// Its key id.
    pub kid: Option<String>,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// The key.
    pub key: EncodingKey,
}

impl AssertionKey {
    /// A P-256 key as its PEM file has it.
    pub fn es256(kid: Option<String>, pem: &[u8]) -> Self {
        Self {
            kid,
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_pem(pem).unwrap(),
        }
    }

    /// An assertion (RFC 7523 §3) of `client_id` for `audience`.
    pub fn assertion(&self, client_id: &str, audience: &str, now: Timestamp) -> String {
        let random: &dyn Random = &OsRandom;
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": random.id(),
            "iat": now.secs(),
            "exp": (now + Duration::from_secs(60)).secs(),
        });
        self.sign(&claims)
    }

    /// Signs `claims`.
    pub fn sign(&self, claims: &serde_json::Value) -> String {
        self.sign_as("JWT", claims)
    }

    /// Signs `claims` as a JWT of the type `typ`.
    pub fn sign_as(&self, typ: &str, claims: &serde_json::Value) -> String {
        let header = Header {
            kid: self.kid.clone(),
            typ: Some(typ.to_owned()),
            ..Header::new(self.algorithm)
        };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

impl ClientAuth {
    /// `client_secret_basic`.
    pub fn basic(client_id: &str, secret: &str) -> Self {
        Self::Basic {
            client_id: client_id.to_owned(),
            secret: secret.to_owned(),
        }
    }

    /// `client_secret_post`.
    pub fn post(client_id: &str, secret: &str) -> Self {
        Self::Post {
            client_id: client_id.to_owned(),
            secret: secret.to_owned(),
        }
    }

    /// `none`.
    pub fn public(client_id: &str) -> Self {
        Self::None {
            client_id: client_id.to_owned(),
        }
    }

    /// Adds the authentication to `form`; returns the `Authorization` header, if the method uses it.
    pub(super) fn apply(
        &self,
        form: &mut Vec<(String, String)>,
        audience: &str,
        now: Timestamp,
    ) -> Option<String> {
        let mut add = |name: &str, value: &str| form.push((name.to_owned(), value.to_owned()));
        match self {
            Self::Basic { client_id, secret } => {
                // RFC 6749 §2.3.1: each part is form-encoded first.
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", encoded(client_id), encoded(secret));
                return Some(format!("Basic {}", STANDARD.encode(pair)));
            }
            Self::Post { client_id, secret } => {
                add("client_id", client_id);
                add("client_secret", secret);
            }
            Self::PrivateKeyJwt { client_id, key } => {
                add("client_id", client_id);
                add(
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                );
                add("client_assertion", &key.assertion(client_id, audience, now));
            }
            Self::None { client_id } => add("client_id", client_id),
        }
        None
    }
}
