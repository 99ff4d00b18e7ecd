//! Error codes, and the JSON of an error response (RFC 6749 §5.2).

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal),* $(,)?) => {
        /// An error code of the protocols.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// The code as sent.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

codes! {
    /// RFC 6749 §4.1.2.1, §5.2.
    InvalidRequest = "invalid_request",
    /// RFC 6749 §5.2.
    InvalidClient = "invalid_client",
    /// RFC 6749 §5.2.
    InvalidGrant = "invalid_grant",
    /// RFC 6749 §4.1.2.1, §5.2.
    UnauthorizedClient = "unauthorized_client",
    /// RFC 6749 §5.2.
    UnsupportedGrantType = "unsupported_grant_type",
    /// RFC 7009 §2.2.1.
    UnsupportedTokenType = "unsupported_token_type",
    /// RFC 6749 §4.1.2.1, §5.2.
    InvalidScope = "invalid_scope",
    /// RFC 6749 §4.1.2.1.
    AccessDenied = "access_denied",
    /// RFC 6749 §4.1.2.1.
    UnsupportedResponseType = "unsupported_response_type",
    /// RFC 6749 §4.1.2.1.
    ServerError = "server_error",
    /// RFC 6749 §4.1.2.1.
    TemporarilyUnavailable = "temporarily_unavailable",
    /// RFC 8707 §2.
    InvalidTarget = "invalid_target",
    /// OIDC Core §3.1.2.6.
    LoginRequired = "login_required",
    /// OIDC Core §3.1.2.6.
    ConsentRequired = "consent_required",
    /// OIDC Core §3.1.2.6.
    InteractionRequired = "interaction_required",
    /// OIDC Core §3.1.2.6.
    RequestNotSupported = "request_not_supported",
    /// OIDC Core §3.1.2.6.
    RequestUriNotSupported = "request_uri_not_supported",
    /// OIDC Core §3.1.2.6.
    InvalidRequestUri = "invalid_request_uri",
    /// OIDC Core §3.1.2.6.
    RegistrationNotSupported = "registration_not_supported",
    /// RFC 8628 §3.5.
    AuthorizationPending = "authorization_pending",
    /// RFC 8628 §3.5.
    SlowDown = "slow_down",
    /// RFC 8628 §3.5.
    ExpiredToken = "expired_token",
    /// RFC 6750 §3.1.
    InvalidToken = "invalid_token",
    /// RFC 6750 §3.1.
    InsufficientScope = "insufficient_scope",
    /// RFC 9449 §5, §7.1.
    InvalidDpopProof = "invalid_dpop_proof",
    /// RFC 9449 §8, §9.
    UseDpopNonce = "use_dpop_nonce",
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error response (RFC 6749 §5.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The code.
    pub error: String,
    /// A sentence for the client's developer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
}

impl ErrorBody {
    /// An error with a description. Replaces the characters that RFC 6749 §5.2 does
    /// not allow.
    pub fn new(code: ErrorCode, description: &str) -> Self {
        Self {
            error: code.as_str().to_owned(),
            error_description: Some(sentence(description)),
        }
    }
}

/// `text` as an `error_description`: the characters that RFC 6749 §5.2 allows
/// (printable ASCII without `"` and `\`), 300 at most.
pub fn sentence(text: &str) -> String {
    let allowed = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
    text.chars()
        .take(300)
        .map(|c| if allowed(c) { c } else { '\'' })
        .collect()
}

/// Whether `text` has the form of an error code. Responses and spans repeat other
/// parties' error codes, so anything else must be kept out.
pub fn sounds_like_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_5_2_a_description_holds_only_the_allowed_characters() {
        assert_eq!(
            sentence("no \"quotes\" \\ or\nlines, ä"),
            "no 'quotes' ' or'lines, '"
        );
        assert_eq!(sentence(&"x".repeat(999)).len(), 300);
    }

    #[test]
    fn fuzz_sentences_of_others() {
        let seeds = ["no \"quotes\" \\ or\nlines, ä", "invalid_request"];
        fuzz::run_text(&seeds, |text| {
            let said = sentence(text);
            assert!(said.len() <= 300, "{said}");
            assert!(
                said.bytes()
                    .all(|b| (b' '..=b'~').contains(&b) && !b"\"\\".contains(&b))
            );
            if sounds_like_code(text) {
                assert_eq!(said, text);
            }
        });
    }
}
