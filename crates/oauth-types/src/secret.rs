//! Secrets: their comparison, and a client's secret in a request.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use form_urlencoded::byte_serialize;
use subtle::ConstantTimeEq as _;

/// Whether two secrets are equal, in a time that does not depend on where they
/// differ. Their lengths are not secret.
pub fn same_secret(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// The header `Authorization` of a client with a secret (`client_secret_basic`). RFC 6749
/// §2.3.1: id and secret are form-encoded before they are joined.
pub fn basic(client_id: &str, secret: &str) -> String {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let joined = format!("{}:{}", encoded(client_id), encoded(secret));
    format!("Basic {}", STANDARD.encode(joined))
}

#[cfg(test)]
mod tests {
    use super::{basic, same_secret};

    #[test]
    fn rfc6749_2_3_1_id_and_secret_are_form_encoded_first() {
        // "a%3Ab:c+d%25" in base64.
        assert_eq!(basic("a:b", "c d%"), "Basic YSUzQWI6YytkJTI1");
    }

    #[test]
    fn only_equal_ones_are_the_same() {
        assert!(same_secret("app1-secret", "app1-secret"));
        assert!(!same_secret("app1-secret", "app1-secreT"));
        assert!(!same_secret("app1-secret", "app1-secret "));
        assert!(!same_secret("", "x"));
    }
}
