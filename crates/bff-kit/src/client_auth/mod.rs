//! How the app proves to the provider which client it is.

mod certificate;
mod key;

use kit::{clock::Clock, random::Random};
use oauth_types::names::client_auth::JWT_BEARER;
use secrecy::SecretString;

pub use certificate::{CertificateAuth, MtlsPeers};
pub use key::{ClientKey, client_key, new_client_key, read_client_key};

/// A client's way to authenticate.
#[derive(Clone, Debug)]
pub enum ClientAuth {
    /// `client_secret_basic` (RFC 6749 §2.3.1).
    SecretBasic(SecretString),
    /// `private_key_jwt` (OIDC Core §9, RFC 7523 §2.2).
    PrivateKeyJwt(ClientKey),
    /// `tls_client_auth` or `self_signed_tls_client_auth` (RFC 8705 §2).
    Certificate(CertificateAuth),
}

impl ClientAuth {
    /// The secret, where there is one.
    pub(crate) const fn secret(&self) -> Option<&SecretString> {
        match self {
            Self::SecretBasic(secret) => Some(secret),
            Self::PrivateKeyJwt(_) | Self::Certificate(_) => None,
        }
    }

    /// The certificate, where there is one.
    pub(crate) const fn certificate(&self) -> Option<&CertificateAuth> {
        match self {
            Self::Certificate(own) => Some(own),
            _ => None,
        }
    }

    /// What goes into the body of a call beside the call's own parameters: a
    /// fresh assertion each time, since the provider takes each one once.
    pub(crate) fn params(
        &self,
        client_id: &str,
        issuer: &str,
        clock: &dyn Clock,
        random: &dyn Random,
    ) -> Result<Vec<(&'static str, String)>, jsonwebtoken::errors::Error> {
        let key = match self {
            Self::SecretBasic(_) => return Ok(Vec::new()),
            // RFC 8705 §2: the provider needs it to know which registration counts.
            Self::Certificate(_) => return Ok(vec![("client_id", client_id.to_owned())]),
            Self::PrivateKeyJwt(key) => key,
        };
        let assertion = key.assertion(client_id, client_id, issuer, clock.now(), random)?;
        Ok(vec![
            ("client_assertion_type", JWT_BEARER.to_owned()),
            ("client_assertion", assertion),
        ])
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    use kit::{
        clock::{ManualClock, Timestamp},
        random::SeededRandom,
        state_dir::StateDir,
    };
    use serde_json::Value;

    use super::*;

    #[test]
    fn rfc7523_3_an_assertion_is_the_clients_own_for_the_issuer_alone_and_short() {
        let random = SeededRandom::new(7);
        let key = client_key(&StateDir::default(), "app2", &random).unwrap();
        let jwk = key.public_jwks()["keys"][0].clone();
        let auth = ClientAuth::PrivateKeyJwt(key);
        let clock = ManualClock::new(Timestamp::from_secs(1000));
        let once = || {
            auth.params("app2", "http://idp.localhost:8081", &clock, &random)
                .unwrap()
        };
        let params = once();
        assert_eq!(params[0], ("client_assertion_type", JWT_BEARER.to_owned()));
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.set_audience(&["http://idp.localhost:8081"]);
        let (x, y) = (jwk["x"].as_str().unwrap(), jwk["y"].as_str().unwrap());
        let public = DecodingKey::from_ec_components(x, y).unwrap();
        let token = decode::<Value>(&params[1].1, &public, &validation).unwrap();
        assert_eq!(token.header.kid.as_deref(), jwk["kid"].as_str());
        let claims = token.claims;
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&"app2".into(), &"app2".into())
        );
        assert_eq!(claims["aud"], "http://idp.localhost:8081");
        assert_eq!(
            (&claims["iat"], &claims["exp"]),
            (&1000.into(), &1060.into())
        );
        assert_ne!(once()[1].1, params[1].1, "each assertion is a new one");
    }

    #[test]
    fn a_secret_stays_out_of_the_body_and_of_debug() {
        let auth = ClientAuth::SecretBasic("app1-secret".to_owned().into());
        let clock = ManualClock::new(Timestamp::from_secs(0));
        assert!(
            auth.params("app1", "i", &clock, &SeededRandom::new(1))
                .unwrap()
                .is_empty()
        );
        assert!(!format!("{auth:?}").contains("app1-secret"));
    }
}
