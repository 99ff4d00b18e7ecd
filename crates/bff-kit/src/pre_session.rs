//! A login under way: what the app keeps between `/login` and `/callback`. It
//! is in the store under a hash of `state`, works once, and is bound to the
//! browser by a cookie of its own.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpRequest, cookie::Cookie};
use kit::{
    Ground,
    clock::{Clock, Timestamp},
    random::Random,
    seal::{Keyring, fingerprint},
};
use oauth_types::secret::same_secret;
use serde::{Deserialize, Serialize};
use store::{SharedStore, StoreError};

use crate::cookies;

/// How long a user may take at the provider.
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);
/// The most logins under way in one browser: each has a cookie.
pub(crate) const MAX_LOGINS: usize = 5;

const VERSION: u32 = 1;

/// What the callback needs to know again. No `Debug`: it holds secrets.
#[derive(Serialize, Deserialize)]
pub(crate) struct PreSession {
    v: u32,
    /// The hash of what the browser's cookie holds.
    binding: String,
    /// For the id_token (OIDC Core §3.1.2.1).
    pub(crate) nonce: String,
    /// For the code (RFC 7636 §4.1).
    pub(crate) verifier: String,
    /// Where the login leads to.
    pub(crate) return_to: String,
    /// When the user must have signed in at the earliest, where a fresh
    /// sign-in was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signed_in_since: Option<Timestamp>,
}

/// What a login begins with.
pub(crate) struct Begun {
    /// `nonce`.
    pub(crate) nonce: String,
    /// The PKCE verifier.
    pub(crate) verifier: String,
    /// Binds the login to this browser, and makes it forget the oldest ones.
    pub(crate) cookies: Vec<Cookie<'static>>,
}

/// Why a callback belongs to no login.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoLogin {
    /// This browser did not begin it.
    #[error("this browser did not begin this login")]
    Foreign,
    /// It was used, it ran out, or it never was.
    #[error("this login was used already or took too long")]
    Gone,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All logins under way.
pub(crate) struct PreSessions {
    store: SharedStore,
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    client_id: String,
}

impl PreSessions {
    pub(crate) fn new(
        store: SharedStore,
        keyring: Keyring,
        ground: &Ground,
        client_id: &str,
    ) -> Self {
        let (clock, random) = (ground.clock.clone(), ground.random.clone());
        Self {
            store,
            keyring,
            clock,
            random,
            client_id: client_id.to_owned(),
        }
    }

    /// Begins the login of `state` in the browser that sent `req`.
    pub(crate) async fn begin(
        &self,
        req: &HttpRequest,
        state: &str,
        return_to: &str,
        signed_in_since: Option<Timestamp>,
    ) -> Result<Begun, StoreError> {
        let secret = self.random.token();
        let record = PreSession {
            v: VERSION,
            binding: fingerprint(&secret),
            nonce: self.random.token(),
            verifier: self.random.token(),
            return_to: return_to.to_owned(),
            signed_in_since,
        };
        let key = self.key(state);
        let plain = serde_json::to_vec(&record).unwrap_or_default();
        let sealed = self.keyring.seal(&*self.random, &key, &plain);
        self.store.put(&key, sealed.into(), LIFETIME).await?;
        let value = format!("{}.{secret}", self.clock.now().secs());
        let mut cookies = surplus(cookies::logins(req));
        cookies.push(cookies::login(state, &value));
        let PreSession {
            nonce, verifier, ..
        } = record;
        Ok(Begun {
            nonce,
            verifier,
            cookies,
        })
    }

    /// Ends the login of `state`, to one caller alone. A browser that has no
    /// cookie for it leaves it as it is: nobody can use up another's login.
    pub(crate) async fn take(&self, req: &HttpRequest, state: &str) -> Result<PreSession, NoLogin> {
        let cookie = cookies::read(req, &cookies::login_name(state)).ok_or(NoLogin::Foreign)?;
        let (_, secret) = cookie.split_once('.').ok_or(NoLogin::Foreign)?;
        let key = self.key(state);
        let sealed = self.store.take(&key).await?.ok_or(NoLogin::Gone)?;
        let plain = self
            .keyring
            .open(&key, sealed.to_vec())
            .ok_or(NoLogin::Gone)?;
        let record: PreSession = serde_json::from_slice(&plain).map_err(|_| NoLogin::Gone)?;
        if record.v != VERSION {
            return Err(NoLogin::Gone);
        }
        if !same_secret(&fingerprint(secret), &record.binding) {
            return Err(NoLogin::Foreign);
        }
        Ok(record)
    }

    fn key(&self, state: &str) -> String {
        format!("bff:{}:login:{}", self.client_id, fingerprint(state))
    }
}

/// Forgets the oldest logins, so that one more fits.
fn surplus(mut logins: Vec<(String, String)>) -> Vec<Cookie<'static>> {
    let began = |value: &str| {
        value
            .split_once('.')
            .and_then(|(secs, _)| secs.parse::<i64>().ok())
    };
    logins.sort_by_key(|(_, value)| began(value).unwrap_or(i64::MIN));
    let too_many = (logins.len() + 1).saturating_sub(MAX_LOGINS);
    logins
        .iter()
        .take(too_many)
        .map(|(name, _)| cookies::forget(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use futures_util::future::join_all;

    use super::*;
    use crate::sessions::tests::{World, world};

    fn logins(world: &World) -> PreSessions {
        PreSessions::new(
            world.store.clone(),
            Keyring::new(&[[9; 32]], "login"),
            &world.ground,
            "app1",
        )
    }

    fn browser(cookies: &[Cookie<'static>]) -> HttpRequest {
        let live = cookies.iter().filter(|cookie| !cookie.value().is_empty());
        live.fold(TestRequest::default(), |req, cookie| {
            req.cookie(cookie.clone())
        })
        .to_http_request()
    }

    #[tokio::test]
    async fn a_state_works_once_under_concurrency() {
        let world = world();
        let logins = logins(&world);
        let begun = logins
            .begin(&browser(&[]), "S555", "/docs", None)
            .await
            .unwrap();
        let req = browser(&begun.cookies);
        let takes = (0..32).map(|_| logins.take(&req, "S555"));
        let won: Vec<_> = join_all(takes)
            .await
            .into_iter()
            .filter_map(Result::ok)
            .collect();
        assert_eq!(won.len(), 1);
        assert_eq!(won[0].return_to, "/docs");
        assert_eq!(
            (&won[0].nonce, &won[0].verifier),
            (&begun.nonce, &begun.verifier)
        );
    }

    #[tokio::test]
    async fn another_browser_can_neither_use_a_login_nor_use_it_up() {
        let world = world();
        let logins = logins(&world);
        let begun = logins
            .begin(&browser(&[]), "S555", "/", None)
            .await
            .unwrap();
        let stranger = browser(&[]);
        assert!(matches!(
            logins.take(&stranger, "S555").await,
            Err(NoLogin::Foreign)
        ));
        assert!(logins.take(&browser(&begun.cookies), "S555").await.is_ok());
    }

    #[tokio::test]
    async fn a_cookie_of_another_login_does_not_bind() {
        let world = world();
        let logins = logins(&world);
        logins
            .begin(&browser(&[]), "S555", "/", None)
            .await
            .unwrap();
        let forged = cookies::login("S555", "1.guess");
        assert!(matches!(
            logins.take(&browser(&[forged]), "S555").await,
            Err(NoLogin::Foreign)
        ));
    }

    #[tokio::test]
    async fn a_login_runs_out_after_ten_minutes() {
        let world = world();
        let logins = logins(&world);
        let begun = logins
            .begin(&browser(&[]), "S555", "/", None)
            .await
            .unwrap();
        world.clock.advance(LIFETIME);
        assert!(matches!(
            logins.take(&browser(&begun.cookies), "S555").await,
            Err(NoLogin::Gone)
        ));
    }

    #[tokio::test]
    async fn tabs_do_not_overwrite_each_other_and_the_sixth_forgets_the_oldest() {
        let world = world();
        let logins = logins(&world);
        let mut held: Vec<Cookie<'static>> = Vec::new();
        for tab in 0..MAX_LOGINS {
            let begun = logins
                .begin(&browser(&held), &format!("S{tab}"), "/", None)
                .await
                .unwrap();
            assert_eq!(begun.cookies.len(), 1, "tab {tab} forgets none");
            held.extend(begun.cookies);
            world.clock.advance(Duration::from_secs(1));
        }
        let sixth = logins
            .begin(&browser(&held), "S5", "/", None)
            .await
            .unwrap();
        assert_eq!(sixth.cookies.len(), 2);
        assert_eq!(sixth.cookies[0].name(), cookies::login_name("S0"));
        assert_eq!(
            sixth.cookies[0].max_age(),
            Some(actix_web::cookie::time::Duration::ZERO)
        );
        assert!(logins.take(&browser(&held), "S1").await.is_ok());
    }
}
