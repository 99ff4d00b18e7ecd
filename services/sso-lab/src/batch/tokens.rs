//! Access tokens of the client itself (RFC 6749 §4.4), or of the user whom it names (RFC
//! 7523 §2.1): one for each API, used until it
//! ends and renewed once for all orders in flight.

use std::{sync::Arc, time::Duration};

use kit::clock::{Clock, Timestamp};
use oauth_types::TokenResponse;
use openidconnect::OAuth2TokenResponse as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{sync::Mutex, time::sleep};

use super::{BatchClient, ClientCredentials, KeyClient, MtlsClient, pace::Backoff};
use crate::client::{MtlsEndpoint, OidcClient, Provider, ProviderError};

/// The lifetime of a token that names none (RFC 6749 §5.1): short, so that a wrong
/// guess costs little.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(60);
/// A token is renewed this long before its end, or a tenth of its lifetime before.
const MARGIN: Duration = Duration::from_secs(30);
/// Attempts to get a token.
const TRIES: u32 = 5;

/// A token and its lifetime.
pub(super) struct Fetched {
    pub(super) token: SecretString,
    lifetime: Duration,
}

/// Where tokens come from.
pub(super) trait Fetch {
    /// A new token for the API `audience`.
    async fn fetch(&self, audience: &'static str) -> Result<Fetched, ProviderError>;
}

/// The provider's token endpoint, for one client.
pub(super) struct TokenEndpoint<'p> {
    provider: &'p Provider,
    client: Client,
}

enum Client {
    Secret(Box<OidcClient>),
    Key(KeyClient),
    Mtls(Box<(MtlsClient, MtlsEndpoint)>),
}

impl<'p> TokenEndpoint<'p> {
    pub(super) fn new(provider: &'p Provider, client: &BatchClient) -> Result<Self, String> {
        let client = match client {
            BatchClient::Secret(ClientCredentials { id, secret }) => {
                Client::Secret(Box::new(provider.client(id, Some(secret))))
            }
            BatchClient::Key(client) => Client::Key(client.clone()),
            BatchClient::Mtls(client) => {
                let endpoint = provider.mtls_token_endpoint(|trust| client.trust(trust));
                let endpoint = endpoint.map_err(|error| error.to_string())?;
                Client::Mtls(Box::new((client.clone(), endpoint)))
            }
        };
        Ok(Self { provider, client })
    }

    /// RFC 7523 §2.1.
    async fn by_assertion(
        &self,
        client: &KeyClient,
        audience: &str,
    ) -> Result<Fetched, ProviderError> {
        let issuer = self.provider.issuer();
        let assertion = client.assertion(issuer, client.subject());
        let form = assertion.and_then(|assertion| client.form(issuer, audience, &assertion));
        let form = form.map_err(ProviderError::Unusable)?;
        Ok(self.provider.token(form).await?.into())
    }
}

impl From<TokenResponse> for Fetched {
    fn from(tokens: TokenResponse) -> Self {
        Self {
            token: tokens.access_token.into(),
            lifetime: Duration::from_secs(tokens.expires_in),
        }
    }
}

impl Fetch for TokenEndpoint<'_> {
    async fn fetch(&self, audience: &'static str) -> Result<Fetched, ProviderError> {
        let client = match &self.client {
            Client::Secret(client) => client,
            Client::Key(client) => return self.by_assertion(client, audience).await,
            Client::Mtls(by_mtls) => {
                let (client, endpoint) = &**by_mtls;
                return Ok(endpoint.token(client.form(audience)).await?.into());
            }
        };
        let request = client.exchange_client_credentials();
        let request = request.map_err(|error| ProviderError::Unusable(error.to_string()))?;
        // RFC 8707 §2.2.
        let request = request.add_extra_param("resource", audience);
        let answer = request.request_async(&self.provider.http).await?;
        Ok(Fetched {
            token: answer.access_token().secret().clone().into(),
            lifetime: answer.expires_in().unwrap_or(ASSUMED_LIFETIME),
        })
    }
}

/// A token in use.
struct Current {
    token: SecretString,
    renew_at: Timestamp,
}

/// The tokens for one API.
pub(super) struct Tokens<F> {
    from: F,
    audience: &'static str,
    clock: Arc<dyn Clock>,
    backoff: Backoff,
    /// Held while somebody renews the token.
    current: Mutex<Option<Current>>,
}

impl<F: Fetch> Tokens<F> {
    pub(super) fn new(
        from: F,
        audience: &'static str,
        clock: Arc<dyn Clock>,
        backoff: Backoff,
    ) -> Self {
        Self {
            from,
            audience,
            clock,
            backoff,
            current: Mutex::new(None),
        }
    }

    /// A token that is valid for a while. `refused` is one that the API did not take:
    /// if it is still the one in use, it is replaced.
    pub(super) async fn token(
        &self,
        refused: Option<&SecretString>,
    ) -> Result<SecretString, ProviderError> {
        let mut current = self.current.lock().await;
        let is_refused = |token: &SecretString| {
            refused.is_some_and(|refused| refused.expose_secret() == token.expose_secret())
        };
        if let Some(Current { token, renew_at }) = &*current
            && *renew_at > self.clock.now()
            && !is_refused(token)
        {
            return Ok(token.clone());
        }
        let asked_at = self.clock.now();
        let fetched = self.fetch().await?;
        let margin = MARGIN.min(fetched.lifetime / 10);
        *current = Some(Current {
            token: fetched.token.clone(),
            renew_at: asked_at + fetched.lifetime.saturating_sub(margin),
        });
        Ok(fetched.token)
    }

    /// A token request changes nothing at the provider, so it may be repeated.
    async fn fetch(&self) -> Result<Fetched, ProviderError> {
        for attempt in 1..TRIES {
            match self.from.fetch(self.audience).await {
                Err(ProviderError::Unavailable(_)) => {
                    sleep(self.backoff.after(attempt)).await;
                }
                outcome => return outcome,
            }
        }
        self.from.fetch(self.audience).await
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use kit::clock::ManualClock;

    use super::*;

    /// Counts its tokens: `token-1`, `token-2` and so on.
    #[derive(Default)]
    pub(in crate::batch) struct Counter {
        pub(in crate::batch) asked: AtomicU32,
        /// The first so many requests fail.
        pub(in crate::batch) away: u32,
        /// Refuses the requests for this audience, or all, with this code.
        pub(in crate::batch) refuses: Option<(Option<&'static str>, &'static str)>,
    }

    impl Fetch for &Counter {
        async fn fetch(&self, audience: &'static str) -> Result<Fetched, ProviderError> {
            sleep(Duration::from_millis(10)).await;
            let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            if number <= self.away {
                return Err(ProviderError::Unavailable("status 503".into()));
            }
            if let Some((only, code)) = self.refuses
                && only.is_none_or(|only| only == audience)
            {
                let (code, said) = (code.to_owned(), code.to_owned());
                return Err(ProviderError::Refused { code, said });
            }
            Ok(Fetched {
                token: format!("token-{number}").into(),
                lifetime: Duration::from_secs(600),
            })
        }
    }

    fn tokens(from: &Counter) -> (Tokens<&Counter>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1000)));
        let own: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        (
            Tokens::new(from, "https://api-1", own, Backoff::quick()),
            clock,
        )
    }

    async fn token(tokens: &Tokens<&Counter>) -> String {
        let token = tokens.token(None).await.unwrap();
        token.expose_secret().to_owned()
    }

    #[tokio::test]
    async fn rfc6749_4_4_3_a_token_is_used_until_shortly_before_its_end() {
        let counter = Counter::default();
        let (tokens, clock) = tokens(&counter);
        let all = tokio::join!(token(&tokens), token(&tokens), token(&tokens));
        assert_eq!(all.0, "token-1");
        assert_eq!((&all.1, &all.2), (&all.0, &all.0));
        clock.advance(Duration::from_secs(569));
        assert_eq!(token(&tokens).await, "token-1");
        clock.advance(Duration::from_secs(1));
        let all = tokio::join!(token(&tokens), token(&tokens));
        assert_eq!(all, ("token-2".into(), "token-2".into()));
        assert_eq!(counter.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn rfc6750_3_1_a_refused_token_is_renewed_once_for_all() {
        let counter = Counter::default();
        let (tokens, _) = tokens(&counter);
        let first = tokens.token(None).await.unwrap();
        let renew = async || tokens.token(Some(&first)).await.unwrap();
        let (a, b, c) = tokio::join!(renew(), renew(), renew());
        for token in [a, b, c] {
            assert_eq!(token.expose_secret(), "token-2");
        }
    }

    #[tokio::test]
    async fn an_absent_provider_is_asked_again_and_a_refusal_is_final() {
        let away = Counter {
            away: 4,
            ..Counter::default()
        };
        assert_eq!(token(&tokens(&away).0).await, "token-5");
        let gone = Counter {
            away: 99,
            ..Counter::default()
        };
        assert!(tokens(&gone).0.token(None).await.is_err());
        assert_eq!(gone.asked.load(Ordering::SeqCst), TRIES);
        let refuses = Counter {
            refuses: Some((None, "invalid_client")),
            ..Counter::default()
        };
        assert!(tokens(&refuses).0.token(None).await.is_err());
        assert_eq!(refuses.asked.load(Ordering::SeqCst), 1);
    }
}
