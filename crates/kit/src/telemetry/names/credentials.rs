//! The names of calls to an API that bring no access token, by the attribute
//! `sso.credential` of the span.

use super::requests::WITH_TOKEN;

/// The credential `api_key`, in `sso.credential`.
pub const API_KEY: &str = "api_key";
/// The credential `identity_header`, in `sso.credential`.
pub const IDENTITY_HEADER: &str = "identity_header";

/// A call without an access token.
pub struct Call {
    /// The value of `sso.credential`.
    pub credential: &'static str,
    /// The step of the app's span.
    pub sent: &'static str,
    /// The step of the API's span.
    pub received: &'static str,
}

/// All of them. No specification defines them.
pub const CALLS: [Call; 2] = [
    Call {
        credential: API_KEY,
        sent: "The app calls an API with its API key",
        received: "A call with an API key",
    },
    Call {
        credential: IDENTITY_HEADER,
        sent: "The app calls an API and states who the user is",
        received: "A call that states who the user is",
    },
];

/// The step of a span with this `sso.credential`, in place of the registered `step`; `None` if
/// the call brings an access token.
pub fn without_token(step: &str, credential: &str) -> Option<&'static str> {
    let call = CALLS.iter().find(|call| call.credential == credential)?;
    Some(if step == WITH_TOKEN {
        call.received
    } else {
        call.sent
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_without_an_access_token_has_a_step_of_its_own() {
        let app = "The app calls an API";
        assert_eq!(without_token(app, "refresh"), None);
        assert_eq!(
            without_token(app, API_KEY),
            Some("The app calls an API with its API key")
        );
        let at_api = without_token(WITH_TOKEN, IDENTITY_HEADER);
        assert_eq!(at_api, Some("A call that states who the user is"));
    }
}
