//! The provider's responses for `openidconnect`. Some providers write durations as text or
//! with decimals, and a scope as a list. The library takes whole numbers and text alone.

use std::pin::Pin;

use oauth_types::Members;
use oidc_http::{Backchannel, CallError};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use serde_json::Value;

/// The members that are durations (RFC 6749 §5.1, RFC 8628 §3.2).
const DURATIONS: [&str; 2] = ["expires_in", "interval"];

/// The client for calls to the provider.
#[derive(Clone, Debug)]
pub(crate) struct ProviderHttp(pub(super) Backchannel);

impl<'c> AsyncHttpClient<'c> for ProviderHttp {
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, CallError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let mut answer = self.0.send(request).await?;
            if let Some(body) = plain(answer.body()) {
                *answer.body_mut() = body;
            }
            Ok(answer)
        })
    }
}

/// The same JSON with these members as the library takes them; `None` if it stays as it is.
/// A duration that cannot be read is left out: each of them is optional for a client.
fn plain(body: &[u8]) -> Option<Vec<u8>> {
    let members = Members::read(body).ok()?;
    let mut changes = Vec::new();
    for name in DURATIONS {
        if members.value(name).is_some_and(|value| !value.is_u64()) {
            let seconds = members.seconds(name).ok().flatten();
            let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
            changes.push((name, seconds.map(Value::from)));
        }
    }
    if members.value("scope").is_some_and(Value::is_array) {
        let scope = members.scope("scope").ok().flatten();
        changes.push(("scope", scope.map(|scope| scope.to_string().into())));
    }
    if changes.is_empty() {
        return None;
    }
    let mut json: serde_json::Map<_, _> = serde_json::from_slice(body).ok()?;
    for (name, value) in changes {
        match value {
            Some(value) => json.insert(name.to_owned(), value),
            None => json.remove(name),
        };
    }
    serde_json::to_vec(&json).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_response_is_read_in_every_shape_whose_meaning_is_certain() {
        let read = |json: &Value| {
            let plain = plain(json.to_string().as_bytes());
            plain.map(|json| serde_json::from_slice::<Value>(&json).unwrap())
        };
        let odd = json!({"access_token": "a", "expires_in": "3599", "interval": 5.0, "scope": ["x", "y"]});
        let expected =
            json!({"access_token": "a", "expires_in": 3599, "interval": 5, "scope": "x y"});
        assert_eq!(read(&odd), Some(expected));
        let odd = json!({"access_token": "a", "expires_in": "soon", "interval": -1});
        assert_eq!(read(&odd), Some(json!({"access_token": "a"})));
        assert_eq!(read(&json!({"expires_in": 1, "scope": "x"})), None);
        assert_eq!(read(&json!([])), None);
    }
}
