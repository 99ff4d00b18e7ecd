//! The address at which a browser ends its session with the provider (OpenID Connect
//! RP-Initiated Logout 1.0 §2).

use url::Url;

use super::{Provider, ProviderError};

impl Provider {
    /// The address that ends the session of `id_token` and leads back to `back_to`;
    /// `None` if the provider has no such endpoint. There is no `state`: the app takes
    /// nothing from the response.
    pub(crate) async fn end_session_url(
        &self,
        id_token: Option<&str>,
        back_to: &str,
    ) -> Result<Option<String>, ProviderError> {
        let discovery = self.discovery().await?;
        let endpoint = &discovery.metadata.end_session_endpoint;
        let Some(endpoint) = endpoint else {
            return Ok(None);
        };
        address(endpoint, self.client_id(), id_token, back_to).map(Some)
    }
}

fn address(
    endpoint: &str,
    client_id: &str,
    id_token: Option<&str>,
    back_to: &str,
) -> Result<String, ProviderError> {
    let invalid =
        |why: &str| ProviderError::Invalid(format!("its metadata's end_session_endpoint: {why}"));
    let mut url = Url::parse(endpoint).map_err(|error| invalid(&error.to_string()))?;
    // The app's script navigates there: never to `javascript:`.
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("it is no web address"));
    }
    let hint = id_token.map(|token| ("id_token_hint", token));
    url.query_pairs_mut()
        .extend_pairs(hint)
        .append_pair("client_id", client_id)
        .append_pair("post_logout_redirect_uri", back_to);
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACK: &str = "http://app1.localhost:8082/";

    #[test]
    fn rp_initiated_logout_2_hint_client_and_way_back_are_encoded() {
        let endpoint = "http://idp.localhost:8081/logout?a=b";
        let all = address(endpoint, "app1", Some("a.b.c"), BACK);
        assert_eq!(
            all.unwrap(),
            "http://idp.localhost:8081/logout?a=b&id_token_hint=a.b.c&client_id=app1\
             &post_logout_redirect_uri=http%3A%2F%2Fapp1.localhost%3A8082%2F"
        );
        let without = address(endpoint, "app1", None, BACK);
        assert!(!without.unwrap().contains("id_token_hint"));
    }

    #[test]
    fn an_endpoint_that_is_no_web_address_is_refused() {
        for wrong in ["javascript:alert(1)", "/logout", ""] {
            assert!(address(wrong, "app1", None, BACK).is_err(), "{wrong}");
        }
    }
}
