//! An issuer for the tests of resource servers: it makes keys, serves a discovery
//! document and a JWKS on a free port, signs any claims, and answers introspection
//! requests ([`introspection`]).

pub mod introspection;

use std::{
    io,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, web};
use async_trait::async_trait;
use aws_lc_rs::{
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::{
    clock::{Clock, Timestamp},
    config::{Sites, Weaknesses},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use web_kit::client::TrustedProxies;

use self::introspection::Introspected;
use crate::{
    issuer::Issuer,
    jwks::{FetchError, Jwks, KeySource, Timing},
    keys::KeySet,
    resource_server::ResourceServer,
};

/// The start time of the tests' clocks.
pub const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A private key.
pub enum TestKey {
    /// ES256.
    Ec(EcdsaKeyPair),
    /// RS256.
    Rsa(rsa::KeyPair),
    /// PS256.
    Pss(rsa::KeyPair),
    /// `EdDSA`.
    Ed(Ed25519KeyPair),
}

#[expect(clippy::expect_used, reason = "for tests only")]
impl TestKey {
    /// A new key for ES256.
    pub fn es256() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
    }

    /// A new key for RS256.
    pub fn rs256() -> Self {
        Self::Rsa(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("a key"))
    }

    /// A new key for PS256.
    pub fn ps256() -> Self {
        Self::Pss(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("a key"))
    }

    /// A new key for `EdDSA`.
    pub fn eddsa() -> Self {
        Self::Ed(Ed25519KeyPair::generate().expect("a key"))
    }

    /// Another key for the same algorithm.
    pub fn another(&self) -> Self {
        match self {
            Self::Ec(_) => Self::es256(),
            Self::Rsa(_) => Self::rs256(),
            Self::Pss(_) => Self::ps256(),
            Self::Ed(_) => Self::eddsa(),
        }
    }

    /// The name of its algorithm.
    pub fn alg(&self) -> &'static str {
        match self {
            Self::Ec(_) => "ES256",
            Self::Rsa(_) => "RS256",
            Self::Pss(_) => "PS256",
            Self::Ed(_) => "EdDSA",
        }
    }

    /// Its public key (RFC 7517).
    pub fn jwk(&self, kid: &str) -> Value {
        let mut jwk = match self {
            Self::Ec(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..])})
            }
            Self::Rsa(key) | Self::Pss(key) => {
                let public = key.public_key();
                let n = public.modulus().big_endian_without_leading_zero();
                let e = public.exponent().big_endian_without_leading_zero();
                json!({"kty": "RSA", "n": b64(n), "e": b64(e)})
            }
            Self::Ed(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().as_ref())})
            }
        };
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.alg());
        jwk
    }

    /// A signed JWT with `header` and `claims`, valid or not.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let random = SystemRandom::new();
        let signature = match self {
            Self::Ec(key) => {
                let signature = key.sign(&random, message.as_bytes()).expect("a signature");
                signature.as_ref().to_vec()
            }
            Self::Rsa(key) => rsa_signature(key, &RSA_PKCS1_SHA256, &message),
            Self::Pss(key) => rsa_signature(key, &RSA_PSS_SHA256, &message),
            Self::Ed(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", b64(&signature))
    }
}

#[expect(clippy::expect_used, reason = "for tests only")]
fn rsa_signature(key: &rsa::KeyPair, padding: &'static dyn RsaEncoding, message: &str) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        padding,
        &SystemRandom::new(),
        message.as_bytes(),
        &mut signature,
    )
    .expect("a signature");
    signature
}

/// The signing input of a JWT.
pub fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", b64(header.to_string()), b64(claims.to_string()))
}

/// Base64url without padding.
pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A cache of these keys, which fetches nothing over the network.
pub fn fixed_keys(keys: &[Value], clock: Arc<dyn Clock>) -> Arc<Jwks> {
    Jwks::new(
        "fixed",
        Fixed(json!({ "keys": keys })),
        Timing::default(),
        clock,
    )
}

struct Fixed(Value);

#[async_trait]
impl KeySource for Fixed {
    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let keys = KeySet::parse(self.0.to_string().as_bytes());
        keys.map_err(|error| FetchError::Unreadable(error.into()))
    }
}

/// An issuer on a port of its own.
pub struct TestIssuer {
    /// Its issuer identifier, which is also its address.
    pub url: String,
    /// Its first key, `k1`.
    pub key: Arc<TestKey>,
    /// What it says about tokens.
    pub introspected: Arc<Introspected>,
    published: Arc<Published>,
    server: ServerHandle,
}

#[derive(Default)]
struct Published {
    issuer: String,
    keys: Mutex<Vec<Value>>,
    fetches: AtomicU32,
}

impl TestIssuer {
    /// Starts one that publishes `key` as `k1`. Call it inside a runtime.
    pub fn start(key: TestKey) -> io::Result<Self> {
        Self::start_at("127.0.0.1", key)
    }

    /// The same under the name `host`, which leads to this machine.
    pub fn start_at(host: &str, key: TestKey) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let url = format!("http://{host}:{}", listener.local_addr()?.port());
        let published = Arc::new(Published {
            issuer: url.clone(),
            keys: Mutex::new(vec![key.jwk("k1")]),
            ..Published::default()
        });
        let shown = web::Data::from(Arc::clone(&published));
        let key = Arc::new(key);
        let introspected = Arc::new(Introspected::new(&url, &key));
        let asked = web::Data::from(Arc::clone(&introspected));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shown.clone())
                .app_data(asked.clone())
                .route("/introspect", web::post().to(introspection::endpoint))
                .route(
                    "/.well-known/openid-configuration",
                    web::get().to(discovery),
                )
                .route("/jwks", web::get().to(jwks))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)?
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self {
            url,
            key,
            introspected,
            published,
            server: handle,
        })
    }

    /// The issuer as a resource server configures it.
    pub fn issuer(&self) -> Issuer {
        Issuer::new(self.url.clone(), &self.url)
    }

    /// A resource server at `url` that takes this issuer's tokens.
    pub fn resource_server(
        &self,
        service: &'static str,
        audience: &'static str,
        url: &str,
    ) -> ResourceServer {
        ResourceServer {
            service,
            audience,
            issuer: self.issuer(),
            introspection: None,
            url: url.to_owned(),
            mtls_url: None,
            grpc_url: None,
            nonces: None,
            proofs_per_caller: 100,
            workers: 1,
            sites: Sites::default(),
            trusted_proxies: TrustedProxies::default(),
            weaknesses: Weaknesses::default(),
        }
    }

    /// Replaces the published keys.
    pub fn publish(&self, keys: Vec<Value>) {
        *self.published.keys.lock() = keys;
    }

    /// The number of fetches of its keys.
    pub fn fetches(&self) -> u32 {
        self.published.fetches.load(Ordering::SeqCst)
    }

    /// Stops it.
    pub async fn stop(self) {
        self.server.stop(false).await;
    }

    /// The header of its tokens.
    pub fn header(&self) -> Value {
        json!({"alg": self.key.alg(), "typ": "at+jwt", "kid": "k1"})
    }

    /// The claims of a token for `audience` with `scope`, valid for 5 minutes from
    /// [`START`].
    pub fn claims(&self, audience: &str, scope: &str) -> Value {
        json!({
            "iss": self.url, "aud": audience, "sub": "user-1", "client_id": "app1",
            "iat": START.secs(), "exp": START.secs() + 300, "jti": "t-1",
            "scope": scope, "roles": ["manager"],
        })
    }

    /// A valid access token for `audience` with `scope`.
    pub fn token(&self, audience: &str, scope: &str) -> String {
        self.key.sign(&self.header(), &self.claims(audience, scope))
    }
}

async fn discovery(published: web::Data<Published>) -> HttpResponse {
    let issuer = &published.issuer;
    HttpResponse::Ok().json(json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks")}))
}

async fn jwks(published: web::Data<Published>) -> HttpResponse {
    published.fetches.fetch_add(1, Ordering::SeqCst);
    HttpResponse::Ok().json(json!({"keys": *published.keys.lock()}))
}
