//! `identity_header`: the app states who the user is, in a header. API-1 takes it on
//! connections with the app's certificate alone; no token takes part. As with
//! `jwt_bearer`, the API believes the app, not a sign-in.

use http::{HeaderName, HeaderValue};
use kit::tls::AlternativeName;
use oauth_types::{StatedIdentity, stated_identity};

use crate::provider::ProviderError;

/// The header that brings it.
pub(super) const HEADER: HeaderName = HeaderName::from_static(stated_identity::HEADER);

/// The name in the certificate of the app `client_id` that the lab's CA issues, by which
/// API-1 knows the app (a SPIFFE ID).
pub fn spiffe_id(client_id: &str) -> String {
    format!("spiffe://sso-lab/{client_id}")
}

/// The same, for the CA.
pub(crate) fn alternative_names(client_id: &str) -> [AlternativeName; 1] {
    [AlternativeName::Uri(spiffe_id(client_id))]
}

/// The statement that the user is `sub`, as the value of its header.
pub(super) fn header(sub: &str) -> Result<HeaderValue, ProviderError> {
    let wrong = |why: String| ProviderError::Invalid(format!("the user cannot be stated: {why}"));
    let stated = StatedIdentity::new(sub, None).map_err(|why| wrong(why.to_string()))?;
    HeaderValue::try_from(stated.to_string()).map_err(|why| wrong(why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_states_the_user_whatever_the_name() {
        for sub in ["6f0c3a52-alice", "auth0|1&scope=x", "a b=c"] {
            let value = header(sub).unwrap();
            let stated = StatedIdentity::read(value.as_bytes()).unwrap();
            assert_eq!((stated.sub(), stated.scope()), (sub, None));
        }
        for wrong in ["", "Zo\u{eb}", "a\nb"] {
            assert!(header(wrong).is_err(), "{wrong:?}");
        }
    }
}
