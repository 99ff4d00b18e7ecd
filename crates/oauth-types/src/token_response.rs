//! The token response (RFC 6749 §5.1, RFC 8693 §2.2.1).

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use crate::members::whole_seconds;

/// A token response. Its `Debug` shows no token.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: String,
    /// The access token's lifetime in seconds. Some providers write it as digits in a
    /// string, or with decimals.
    #[serde(deserialize_with = "lifetime")]
    pub expires_in: u64,
    /// The access token's scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The refresh token; a new one if refresh tokens rotate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// The ID token (OIDC Core §3.1.3.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// The type of the issued token; token exchange only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<String>,
}

fn lifetime<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(from)?;
    let seconds = whole_seconds(&value).and_then(|seconds| u64::try_from(seconds).ok());
    seconds.ok_or_else(|| D::Error::custom("expires_in is no number of seconds"))
}

impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenResponse")
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expires_in_is_read_in_every_shape_whose_meaning_is_certain() {
        let read = |expires_in: Value| {
            let response =
                json!({"access_token": "a", "token_type": "Bearer", "expires_in": expires_in});
            let read: Result<TokenResponse, _> = serde_json::from_value(response);
            read.map(|read| read.expires_in)
        };
        for same in [json!(3599), json!("3599"), json!(3599.5)] {
            assert_eq!(read(same).unwrap(), 3599);
        }
        for odd in [json!("soon"), json!(-1), json!(null), json!([3599])] {
            assert!(read(odd.clone()).is_err(), "{odd}");
        }
    }
}
