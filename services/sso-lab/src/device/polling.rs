//! Waits for the user's confirmation (RFC 8628 §3.4, §3.5).

use std::time::Duration;

use oidc_http::CallError;
use openidconnect::{
    AsyncHttpClient, DeviceAccessTokenRequest, DeviceCodeErrorResponseType as Code,
    EmptyExtraDeviceAuthorizationFields, RequestTokenError, core::CoreTokenResponse,
};
use tokio::time::sleep;

use super::DeviceError;
use crate::client::ProviderError;

/// The shortest interval, whatever the provider says.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest interval after network errors: longer than any after slow_down, because
/// the interval must not shrink.
const LONGEST: Duration = Duration::from_secs(300);

/// A wait.
type Sleep = fn(Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Polls the token endpoint. `openidconnect` keeps the interval: 5 s longer after each
/// slow_down, twice as long after each call without an answer or with a 5xx.
pub(super) struct Polling<S = Sleep> {
    sleep: S,
}

impl Default for Polling {
    fn default() -> Self {
        Self {
            sleep: |time| Box::pin(sleep(time.max(SHORTEST))),
        }
    }
}

impl<S, F> Polling<S>
where
    S: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    /// The tokens, when the user has confirmed.
    pub(super) async fn wait<C>(
        self,
        request: DeviceAccessTokenRequest<
            '_,
            'static,
            CoreTokenResponse,
            EmptyExtraDeviceAuthorizationFields,
        >,
        http: &C,
    ) -> Result<CoreTokenResponse, DeviceError>
    where
        C: for<'c> AsyncHttpClient<'c, Error = CallError>,
    {
        let request = request.set_max_backoff_interval(LONGEST);
        let answer = request.request_async(http, self.sleep, None).await;
        answer.map_err(|error| match error {
            RequestTokenError::ServerResponse(said) if *said.error() == Code::AccessDenied => {
                DeviceError::Denied
            }
            RequestTokenError::ServerResponse(said) if *said.error() == Code::ExpiredToken => {
                DeviceError::Expired
            }
            error => ProviderError::from(error).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::VecDeque, future::ready};

    use openidconnect::{
        ClientId, DeviceAuthorizationUrl, HttpRequest, HttpResponse, IssuerUrl, JsonWebKeySet,
        OAuth2TokenResponse as _, TokenUrl,
        core::{CoreClient, CoreDeviceAuthorizationResponse},
    };

    use super::*;

    const GRANTED: &str = r#"{"access_token": "t", "token_type": "Bearer", "expires_in": 900}"#;

    type Scripted = Result<(u16, String), CallError>;

    fn error(code: &str) -> (u16, String) {
        (400, format!(r#"{{"error": "{code}"}}"#))
    }

    fn granted() -> (u16, String) {
        (200, GRANTED.to_owned())
    }

    /// Polls against `answers`; what came of it, and the waits in seconds.
    async fn poll(answers: Vec<Scripted>) -> (Result<String, String>, Vec<u64>) {
        let issuer = IssuerUrl::new("https://idp.example".into()).unwrap();
        let client = CoreClient::new(ClientId::new("tv".into()), issuer, JsonWebKeySet::default())
            .set_device_authorization_url(
                DeviceAuthorizationUrl::new("https://idp.example/device".into()).unwrap(),
            )
            .set_token_uri(TokenUrl::new("https://idp.example/token".into()).unwrap());
        let details: CoreDeviceAuthorizationResponse = serde_json::from_str(
            r#"{"device_code": "d", "user_code": "u", "verification_uri": "https://idp.example/d",
                "expires_in": 600, "interval": 5}"#,
        )
        .unwrap();
        let answers = parking_lot::Mutex::new(VecDeque::from(answers));
        let http = |request: HttpRequest| {
            let body = String::from_utf8(request.into_body()).unwrap();
            assert!(
                body.contains("device_code=d") && body.contains("client_id=tv"),
                "{body}"
            );
            let next = answers.lock().pop_front().unwrap();
            ready(next.map(|(status, body)| {
                let mut response = HttpResponse::new(body.into_bytes());
                *response.status_mut() = status.try_into().unwrap();
                response
            }))
        };
        let waits = RefCell::new(Vec::new());
        let sleep = |time: Duration| {
            waits.borrow_mut().push(time.as_secs());
            ready(())
        };
        let request = client.exchange_device_access_token(&details);
        let answer = Polling { sleep }.wait(request, &http).await;
        let answer = answer.map(|answer| answer.access_token().secret().clone());
        (
            answer.map_err(|error| error.to_string()),
            waits.into_inner(),
        )
    }

    #[tokio::test]
    async fn rfc8628_3_5_slow_down_adds_5_s_for_all_that_follow() {
        let pending = || error("authorization_pending");
        let answers = [
            pending(),
            error("slow_down"),
            pending(),
            error("slow_down"),
            pending(),
            granted(),
        ];
        let (answer, waits) = poll(answers.map(Ok).into()).await;
        assert_eq!(answer.as_deref(), Ok("t"));
        assert_eq!(waits, [5, 10, 10, 15, 15]);
    }

    #[tokio::test]
    async fn rfc8628_3_5_each_network_error_doubles_the_interval_and_it_never_shrinks() {
        let (answer, waits) = poll(vec![
            Ok(error("slow_down")),
            Err(CallError::Unreachable("no answer".into())),
            Err(CallError::Busy {
                status: 503,
                retry_after: 1,
            }),
            Ok(error("authorization_pending")),
            Ok(granted()),
        ])
        .await;
        assert_eq!(answer.as_deref(), Ok("t"));
        assert_eq!(waits, [10, 20, 40, 40]);
    }

    #[tokio::test]
    async fn rfc8628_3_5_a_denial_and_an_expired_code_end_it_with_a_sentence() {
        for (code, sentence) in [
            ("access_denied", "the sign-in was denied"),
            (
                "expired_token",
                "nobody confirmed the code before it expired; start again",
            ),
        ] {
            let (answer, waits) = poll(vec![Ok(error(code))]).await;
            assert_eq!(answer.unwrap_err(), sentence);
            assert!(waits.is_empty());
        }
        let (answer, _) = poll(vec![Ok(error("invalid_client"))]).await;
        assert!(answer.unwrap_err().contains("invalid_client"));
    }
}
