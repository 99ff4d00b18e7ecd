//! Continuations of explain mode: the statement of a page that its reader may go on to one address
//! of the same service. A continuation skips that page and nothing else.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::JourneyKeys;

impl JourneyKeys {
    /// The continuation for `target`, a path with its query, of `service`.
    pub fn continuation(&self, service: &str, target: &str) -> String {
        let code = self.continuations.code(service, target.as_bytes());
        URL_SAFE_NO_PAD.encode(code)
    }

    /// Whether `continuation` is good for `target` of `service`.
    pub fn is_continuation(&self, continuation: &str, service: &str, target: &str) -> bool {
        let code = URL_SAFE_NO_PAD.decode(continuation).unwrap_or_default();
        self.continuations
            .is_genuine(service, target.as_bytes(), &code)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_keys;

    #[test]
    fn a_pass_is_good_for_its_service_and_its_address_alone() {
        let keys = test_keys();
        let pass = keys.continuation("idp", "/authorize?state=1");
        assert!(keys.is_continuation(&pass, "idp", "/authorize?state=1"));
        for (pass, service, target) in [
            (&*pass, "idp", "/authorize?state=2"),
            (&*pass, "app2-bff", "/authorize?state=1"),
            ("", "idp", "/authorize?state=1"),
            ("forged", "idp", "/authorize?state=1"),
        ] {
            assert!(
                !keys.is_continuation(pass, service, target),
                "{pass} {service}"
            );
        }
    }
}
