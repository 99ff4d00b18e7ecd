//! One signing key.

use std::{io, sync::Arc};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use jsonwebtoken::DecodingKey;
use kit::{clock::Timestamp, state_dir::StateDir};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use token_verify::thumbprint::{base64url, thumbprint};

use super::SignError;

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSA PKCS#1 v1.5, which OIDC Core §15.1 requires of every provider.
    #[serde(rename = "RS256")]
    Rs256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Es256, Self::Rs256, Self::EdDsa];

    /// On the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }

    const fn file(self) -> &'static str {
        match self {
            Self::Es256 => "idp-es256.pem",
            Self::Rs256 => "idp-rs256.pem",
            Self::EdDsa => "idp-eddsa.pem",
        }
    }
}

impl std::str::FromStr for Algorithm {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text);
        known.ok_or("ES256, RS256 or EdDSA is expected")
    }
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// The public half of a key, parsed once.
pub struct PublicKey {
    algorithm: Algorithm,
    kid: String,
    members: Value,
    verifying: DecodingKey,
}

impl PublicKey {
    /// The key with these members of its JWK.
    pub(super) fn of(algorithm: Algorithm, members: Value) -> Result<Self, String> {
        let jwk = serde_json::from_value(members.clone()).map_err(|e| e.to_string())?;
        Ok(Self {
            algorithm,
            kid: thumbprint(&members),
            verifying: DecodingKey::from_jwk(&jwk).map_err(|e| e.to_string())?,
            members,
        })
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its name: the thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// To verify its signatures.
    pub const fn verifying(&self) -> &DecodingKey {
        &self.verifying
    }

    /// The members of its JWK that the thumbprint covers.
    pub(super) const fn members(&self) -> &Value {
        &self.members
    }
}

/// A private key, parsed once.
pub struct SigningKey {
    public: Arc<PublicKey>,
    pair: Pair,
}

impl SigningKey {
    /// Parses a private key (PKCS#8, DER).
    pub(super) fn parse(algorithm: Algorithm, der: &[u8]) -> Result<Self, String> {
        let pair = parse(algorithm, der).map_err(|e| e.to_string())?;
        let public = PublicKey::of(algorithm, public_members(&pair))?;
        Ok(Self {
            public: Arc::new(public),
            pair,
        })
    }

    /// Its public half.
    pub(super) const fn public(&self) -> &Arc<PublicKey> {
        &self.public
    }

    /// The signature over `input`.
    pub(super) fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => pair
                .sign(&random, input)
                .map(|s| s.as_ref().to_vec())
                .map_err(|_| SignError::Key),
            Pair::Ed25519(pair) => Ok(pair.sign(input).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature)
                    .map_err(|_| SignError::Key)?;
                Ok(signature)
            }
        }
    }
}

/// A key that comes into the record: of the state directory, or generated.
pub(super) struct Seed {
    pub(super) key: SigningKey,
    /// PKCS#8.
    pub(super) der: Vec<u8>,
    pub(super) created: Option<Timestamp>,
}

/// Precedes the time of generation in a key's file. It is explanatory text (RFC 7468
/// §5.2), which PEM parsers ignore. The modification time of the file would change
/// with each copy.
const CREATED: &str = "Created: ";

impl Seed {
    /// Loads the algorithm's key from its file (PKCS#8, PEM), or generates it.
    pub(super) fn load(
        state_dir: &StateDir,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> io::Result<Self> {
        let make = || new_signing_key(algorithm, now);
        let text = state_dir.load_or_create_text(algorithm.file(), make)?;
        let bad = |what: &str| {
            let what = format!("{}: {what}", algorithm.file());
            io::Error::new(io::ErrorKind::InvalidData, what)
        };
        let created = created(&text);
        let der = pem::parse(text).map_err(|_| bad("not PEM (RFC 7468)"))?;
        let der = der.into_contents();
        Ok(Self {
            key: SigningKey::parse(algorithm, &der).map_err(|e| bad(&e))?,
            der,
            created,
        })
    }

    /// A new key. Generating an RSA key takes a tenth of a second and more.
    pub(super) fn generate(algorithm: Algorithm, now: Timestamp) -> Option<Self> {
        let der = generate(algorithm)?;
        Some(Self {
            key: SigningKey::parse(algorithm, &der).ok()?,
            der,
            created: Some(now),
        })
    }

    /// Its name.
    pub(super) fn kid(&self) -> &str {
        self.key.public().kid()
    }
}

/// A new key in the format of its file: the time of generation, and PKCS#8 as PEM.
/// Generating an RSA key takes a tenth of a second and more.
pub fn new_signing_key(algorithm: Algorithm, now: Timestamp) -> io::Result<String> {
    let der =
        generate(algorithm).ok_or_else(|| io::Error::other("the key could not be generated"))?;
    let key = kit::pem::encode("PRIVATE KEY", &der);
    Ok(format!("{CREATED}{}\n{key}", now.secs()))
}

fn created(text: &str) -> Option<Timestamp> {
    let before = text.lines().take_while(|line| !line.starts_with("-----"));
    let mut found = before.filter_map(|line| line.strip_prefix(CREATED));
    let secs = found.next()?.trim().parse().ok()?;
    Some(Timestamp::from_secs(secs))
}

fn generate(algorithm: Algorithm) -> Option<Vec<u8>> {
    let random = SystemRandom::new();
    match algorithm {
        Algorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .ok()
            .map(|document| document.as_ref().to_vec()),
        Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random)
            .ok()
            .map(|document| document.as_ref().to_vec()),
        Algorithm::Rs256 => {
            let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).ok()?;
            let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
            Some(der.as_ref().to_vec())
        }
    }
}

fn parse(algorithm: Algorithm, der: &[u8]) -> Result<Pair, aws_lc_rs::error::KeyRejected> {
    Ok(match algorithm {
        Algorithm::Es256 => Pair::Ecdsa(EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            der,
        )?),
        Algorithm::EdDsa => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(der)?),
        Algorithm::Rs256 => Pair::Rsa(RsaKeyPair::from_pkcs8(der)?),
    })
}

fn public_members(pair: &Pair) -> Value {
    let b64 = base64url;
    match pair {
        Pair::Ecdsa(pair) => {
            // 0x04, then x and y of 32 bytes each (SEC 1 §2.3.3).
            let point = pair.public_key().as_ref();
            json!({"crv": "P-256", "kty": "EC", "x": b64(&point[1..33]), "y": b64(&point[33..65])})
        }
        Pair::Ed25519(pair) => {
            json!({"crv": "Ed25519", "kty": "OKP", "x": b64(pair.public_key().as_ref())})
        }
        Pair::Rsa(pair) => {
            let public = pair.public_key();
            json!({
                "e": b64(public.exponent().big_endian_without_leading_zero()),
                "kty": "RSA",
                "n": b64(public.modulus().big_endian_without_leading_zero()),
            })
        }
    }
}
