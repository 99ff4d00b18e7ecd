//! The format of refresh tokens: `<grant>.<generation>.<mac>`. A token is derived from a
//! key that is not in the store. So the store holds no token, forged tokens differ from
//! used ones, and a lost response can be repeated.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::seal::KEY_LEN;

use crate::derived_key::derived_key;

/// The most characters of a refresh token.
const MAX_LEN: usize = 128;

/// Creates and reads refresh tokens.
#[derive(Clone)]
pub struct RefreshTokens {
    key: Arc<hmac::Key>,
}

impl RefreshTokens {
    /// With keys derived from `master`.
    pub fn new(master: &[u8; KEY_LEN]) -> Self {
        Self {
            key: Arc::new(derived_key(master, "sso-lab refresh token v1")),
        }
    }

    /// The token of a grant and generation.
    pub fn token(&self, grant_id: &str, generation: u32) -> String {
        let named = format!("{grant_id}.{generation}");
        let mac = hmac::sign(&self.key, named.as_bytes());
        format!("{named}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// The grant and the generation of a genuine token.
    pub fn read<'t>(&self, token: &'t str) -> Option<(&'t str, u32)> {
        if token.len() > MAX_LEN {
            return None;
        }
        let (named, mac) = token.rsplit_once('.')?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        hmac::verify(&self.key, named.as_bytes(), &mac).ok()?;
        let (grant_id, generation) = named.rsplit_once('.')?;
        Some((grant_id, generation.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_genuine_token_is_read() {
        let tokens = RefreshTokens::new(&[7; KEY_LEN]);
        let token = tokens.token("grant", 3);
        assert_eq!(tokens.read(&token), Some(("grant", 3)));
        assert_eq!(tokens.read(&token.replace(".3.", ".4.")), None);
        assert_eq!(tokens.read(&token.replace("grant", "grunt")), None);
        assert_eq!(RefreshTokens::new(&[8; KEY_LEN]).read(&token), None);
        for wrong in ["", ".", "..", "a.b.c", &"x".repeat(500)] {
            assert_eq!(tokens.read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn fuzz_refresh_tokens() {
        let tokens = RefreshTokens::new(&[7; KEY_LEN]);
        let genuine = tokens.token("grant", 3);
        fuzz::run_text(&[&genuine], |token| {
            assert_eq!(tokens.read(token).is_some(), token == genuine);
        });
    }
}
