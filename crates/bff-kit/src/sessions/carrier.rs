//! What the cookie modes have in the browser: who is signed in and how to renew
//! (sealed), and the access tokens as they are. A cookie counts for nothing
//! before it is opened or checked, and all of them must belong together.

mod renewal;
mod seen;

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use actix_web::cookie::Cookie;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::{
    Ground,
    clock::{Clock, Timestamp},
    random::Random,
    seal::Keyring,
};
use oauth_types::claims;
use token_verify::{Jwks, Refusal, Verifier};
use tracing::Span;

pub(crate) use self::renewal::Renewal;
use self::seen::{Place, Seen};
use super::{AccessToken, Minted, SessionError, SessionId, SessionMode, ended, record::About};
use crate::{
    audiences::{API1, API2, Audience},
    bearer::Bearer,
    cookies::{self, Cookies, TooLarge},
    price,
    tokens::audience_of,
};

/// A session as the cookies of one request carry it, found good.
pub(crate) struct Carried {
    /// Whose it is.
    pub(crate) about: About,
    /// The access token that came along.
    pub(crate) token: Option<AccessToken>,
}

/// Writes and reads those cookies.
pub(crate) struct Carrier {
    client_id: String,
    identities: Keyring,
    renewals: Keyring,
    /// One an API.
    verifiers: [(&'static Audience, Verifier); 2],
    seen: Seen,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    idle: Duration,
}

impl Carrier {
    /// `keyring` makes the keyring of a purpose; `jwks` are the provider's keys.
    pub(crate) fn new(
        client_id: &str,
        keyring: impl Fn(&str) -> Keyring,
        jwks: &Arc<Jwks>,
        ground: &Ground,
        idle: Duration,
    ) -> Self {
        let verifier = |audience: &'static Audience| {
            let verifier = Verifier::new(audience.uri, jwks.clone(), ground.clock.clone());
            (audience, verifier)
        };
        Self {
            client_id: client_id.to_owned(),
            identities: keyring("identity cookie"),
            renewals: keyring("renewal cookie"),
            verifiers: [verifier(&API1), verifier(&API2)],
            seen: Seen::default(),
            clock: ground.clock.clone(),
            random: ground.random.clone(),
            idle,
        }
    }

    /// The cookie that says who is signed in.
    pub(super) fn identity(
        &self,
        id: &SessionId,
        about: &About,
    ) -> Result<Vec<Cookie<'static>>, TooLarge> {
        let plain = serde_json::to_vec(about).unwrap_or_default();
        let sealed = self.seal(&self.identities, id, &plain);
        cookies::sealed(cookies::IDENTITY, &sealed)
    }

    /// The cookie that renews the session.
    pub(super) fn renewal(
        &self,
        id: &SessionId,
        renewal: &Renewal,
    ) -> Result<Vec<Cookie<'static>>, TooLarge> {
        let plain = serde_json::to_vec(renewal).unwrap_or_default();
        let sealed = self.seal(&self.renewals, id, &plain);
        cookies::sealed(cookies::RENEWAL, &sealed)
    }

    /// The cookie of an access token for `audience`.
    pub(super) fn token(
        &self,
        audience: &Audience,
        token: &AccessToken,
    ) -> Result<Vec<Cookie<'static>>, TooLarge> {
        let lives = self.clock.now().until(token.expires_at);
        cookies::access_token(audience, token.token.token(), lives)
    }

    /// The cookies of an access token that was minted: none where it fits none.
    pub(super) fn carried_token(&self, minted: &Minted) -> Vec<Cookie<'static>> {
        let cookies = self.token(minted.audience, &minted.token);
        cookies.unwrap_or_else(|error| {
            tracing::warn!("an access token fits no cookie: {error}");
            Vec::new()
        })
    }

    /// The cookies of all that a login brought. Opaque tokens are refused: they
    /// would be minted anew at each call, for none that comes back can be checked.
    pub(super) fn tokens(
        &self,
        tokens: &BTreeMap<String, AccessToken>,
    ) -> Result<Vec<Cookie<'static>>, SessionError> {
        let mut all = Vec::new();
        for (uri, token) in tokens {
            if audience_of(token.token.token()).is_none() {
                return Err(SessionError::Opaque);
            }
            if let Some(audience) = Audience::named(uri) {
                all.extend(self.token(audience, token)?);
            }
        }
        Ok(all)
    }

    /// Whether the identity among `cookies` is that of `id`.
    pub(super) fn belongs(&self, id: &SessionId, cookies: &Cookies<'_>) -> bool {
        let identity = cookies.whole(cookies::IDENTITY);
        identity.is_some_and(|sealed| self.read_identity(id, &sealed).is_some())
    }

    /// What renews the session of `id`, if its cookie is genuine.
    pub(crate) fn renewal_in(&self, id: &SessionId, cookies: &Cookies<'_>) -> Option<Renewal> {
        let sealed = cookies.whole(cookies::RENEWAL)?;
        let plain = unseal(&self.renewals, id, &sealed)?;
        serde_json::from_slice(&plain).ok()
    }

    /// The session of `id` in `mode` that `cookies` carry, with the access token
    /// for `audience` where that is a good one.
    pub(super) async fn open(
        &self,
        id: &SessionId,
        cookies: &Cookies<'_>,
        mode: SessionMode,
        audience: Option<&'static Audience>,
    ) -> Result<Option<Arc<Carried>>, SessionError> {
        let Some(identity) = cookies.whole(cookies::IDENTITY) else {
            return Ok(None);
        };
        if let Some(marker) = cookies.get(cookies::ENDED)
            && ended::names(marker, &id.handle(), self.clock.now())
        {
            return Ok(None);
        }
        let token = audience.and_then(|audience| {
            let token = cookies.whole(audience.cookie)?;
            Some((audience, token))
        });
        let checking = self.check(id, &identity, token, mode);
        price::verifying(checking).await
    }

    async fn check(
        &self,
        id: &SessionId,
        identity: &str,
        token: Option<(&'static Audience, Cow<'_, str>)>,
        mode: SessionMode,
    ) -> Result<Option<Arc<Carried>>, SessionError> {
        let now = self.clock.now();
        let place = Place::new(id, token.as_ref().map(|(audience, _)| *audience));
        let sent = token.as_ref().map(|(_, text)| &**text);
        let seen = self.seen.get(&place, identity, sent, now);
        Span::current().record("sso.cache_hit", seen.is_some());
        if let Some(carried) = seen {
            let live = carried.about.is_live(now) && carried.about.mode == mode;
            return Ok(live.then_some(carried));
        }
        let Some(about) = self.read_identity(id, identity) else {
            return Ok(None);
        };
        if !about.is_live(now) || about.mode != mode {
            return Ok(None);
        }
        let had_token = token.is_some();
        let token = match token {
            // Boxed: most calls bring what was seen, and need no room for this.
            Some((audience, token)) => Box::pin(self.checked(&about, audience, &token)).await?,
            None => None,
        };
        let all_good = token.is_some() == had_token;
        let carried = Arc::new(Carried { about, token });
        // A token that counts as absent is renewed, and comes no second time.
        if all_good {
            self.seen.put(place, identity, carried.clone(), now);
        }
        Ok(Some(carried))
    }

    fn read_identity(&self, id: &SessionId, sealed: &str) -> Option<About> {
        let plain = unseal(&self.identities, id, sealed)?;
        serde_json::from_slice(&plain).ok()
    }

    /// An access token that came in a cookie, if it is good in full: the
    /// provider's signature (RFC 9068 §4), this app's, and this session's. One
    /// that is not counts as absent: it is renewed.
    async fn checked(
        &self,
        about: &About,
        audience: &'static Audience,
        token: &str,
    ) -> Result<Option<AccessToken>, SessionError> {
        let own = self.verifiers.iter().find(|(own, _)| *own == audience);
        let Some((_, verifier)) = own else {
            return Ok(None);
        };
        let found = match verifier.verify(token).await {
            Ok(found) => found,
            Err(Refusal::NoKeys) => return Err(SessionError::NoKeys),
            Err(_) => return Ok(None),
        };
        let claims = found.claims();
        if !self.is_of(about, claims) {
            return Ok(None);
        }
        let issued_at = Timestamp::from_secs(claims.iat);
        let ends = Timestamp::from_secs(claims.exp);
        // `hybrid` is moved on with each renewal: often enough that a session
        // in use does not end as an idle one.
        let expires_at = match about.mode {
            SessionMode::Hybrid => ends.min(issued_at + self.idle / 2),
            _ => ends,
        };
        Ok(Bearer::new(token).map(|token| AccessToken {
            token,
            issued_at,
            expires_at,
        }))
    }

    /// A sibling host can plant a cookie without `__Host-`: it must be of this
    /// app, this user and this login. (Not every provider says `sid`.)
    fn is_of(&self, about: &About, claims: &claims::AccessToken) -> bool {
        let same_login = claims.sid.is_none() || claims.sid == about.sid;
        claims.client_id == self.client_id && claims.sub == about.user.sub && same_login
    }

    /// Bound to the session's id: a cookie opens beside its own alone.
    fn seal(&self, keyring: &Keyring, id: &SessionId, plain: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(keyring.seal(&*self.random, id.expose(), plain))
    }
}

/// The other half of [`Carrier::seal`].
fn unseal(keyring: &Keyring, id: &SessionId, sealed: &str) -> Option<Vec<u8>> {
    let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    keyring.open(id.expose(), sealed)
}
