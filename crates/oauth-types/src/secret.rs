//! Comparison of secrets.

use subtle::ConstantTimeEq as _;

/// Whether two secrets are equal, in a time that does not depend on where they
/// differ. Their lengths are not secret.
pub fn same_secret(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::same_secret;

    #[test]
    fn only_equal_ones_are_the_same() {
        assert!(same_secret("app1-secret", "app1-secret"));
        assert!(!same_secret("app1-secret", "app1-secreT"));
        assert!(!same_secret("app1-secret", "app1-secret "));
        assert!(!same_secret("", "x"));
    }
}
