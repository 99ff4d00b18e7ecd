//! The cookies that hold a session or a part of it: who is signed in and the
//! refresh token, both sealed, and the access tokens in plain text. Each cookie is
//! opened or verified before it counts, and all of them must belong to one
//! session. `ends` refuses the cookies of sessions that have ended.

mod ends;
mod renewal;
mod verified;

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use actix_web::cookie::Cookie;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::{
    Deps,
    clock::{Clock, Timestamp},
    random::Random,
    seal::Keyring,
};
use oauth_types::claims;
use token_verify::{Jwks, Refusal, Verifier};
use tracing::Span;

pub(super) use self::renewal::Renewal;
use self::{
    ends::{Digest, Ends},
    verified::{Key, Verified},
};
use super::{
    ended,
    error::SessionError,
    id::{Handle, SessionId},
    index::Whose,
    mode::SessionMode,
    observers::Observer,
    record::{About, AccessToken, SessionLifetimes},
    records::Records,
};
use crate::{
    audiences::{API1, API2, Audience},
    bearer::Bearer,
    cookies::{self, Cookies, TooLarge},
    provider::ProviderError,
    server_timing,
};

/// How long a call waits to learn whether the record of a session in doubt is
/// there: calls go on while the store is unreachable.
const CHECK_TIMEOUT: Duration = Duration::from_millis(250);
/// When to check again where the store did not answer.
const CHECK_AGAIN: Duration = Duration::from_secs(30);

/// What the cookies of one request hold of a session, verified.
pub(super) struct Carried {
    /// Who signed in and how long the session lasts.
    pub(super) about: About,
    /// The access token among the cookies.
    pub(super) token: Option<AccessToken>,
}

/// Writes and reads the cookies of one app's sessions.
pub(super) struct CookieCodec {
    client_id: String,
    identities: Keyring,
    renewals: Keyring,
    /// One for each API.
    verifiers: [(&'static Audience, Verifier); 2],
    verified: Verified,
    ends: Ends,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    idle: Duration,
}

impl CookieCodec {
    /// `keyring` makes the keyring of a purpose; `jwks` are the provider's keys.
    pub(super) fn new(
        client_id: &str,
        keyring: impl Fn(&str) -> Keyring,
        jwks: &Arc<Jwks>,
        deps: &Deps,
        lifetimes: SessionLifetimes,
    ) -> Self {
        let verifier = |audience: &'static Audience| {
            let verifier = Verifier::new(audience.uri, jwks.clone(), deps.clock.clone());
            (audience, verifier)
        };
        Self {
            client_id: client_id.to_owned(),
            identities: keyring("identity cookie"),
            renewals: keyring("renewal cookie"),
            verifiers: [verifier(&API1), verifier(&API2)],
            verified: Verified::default(),
            ends: Ends::new(lifetimes.longest),
            clock: deps.clock.clone(),
            random: deps.random.clone(),
            idle: lifetimes.idle,
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

    /// The cookies of a renewed access token. One that is too large is left out: the
    /// call is answered all the same, and the next one renews it again.
    pub(super) fn renewed_token(
        &self,
        audience: &Audience,
        token: &AccessToken,
    ) -> Vec<Cookie<'static>> {
        self.token(audience, token).unwrap_or_else(|error| {
            tracing::warn!("an access token fits no cookie: {error}");
            Vec::new()
        })
    }

    /// The cookies of all access tokens of a login. Opaque tokens are refused: none
    /// that comes back can be verified, so each call would renew them.
    pub(super) fn tokens(
        &self,
        tokens: &BTreeMap<String, AccessToken>,
    ) -> Result<Vec<Cookie<'static>>, SessionError> {
        let mut all = Vec::new();
        for (uri, token) in tokens {
            if token.token.unverified_audience().is_none() {
                return Err(SessionError::Opaque);
            }
            if let Some(audience) = Audience::named(uri) {
                all.extend(self.token(audience, token)?);
            }
        }
        Ok(all)
    }

    /// Who is signed in with the session of `id`, by its sealed cookie. It may have
    /// ended.
    pub(super) fn about(&self, id: &SessionId, cookies: &Cookies<'_>) -> Option<About> {
        let sealed = cookies::whole(cookies, cookies::IDENTITY)?;
        self.read_identity(id, &sealed)
    }

    /// Refuses the cookies of `session` from now on.
    pub(super) fn refuse(&self, session: &Handle) {
        if let Some(session) = digest(session) {
            self.ends.session(session, self.clock.now());
            self.verified.forget(session);
        }
    }

    /// Refuses the cookies of all sessions of `whose`, as the provider said at
    /// `said_at`.
    pub(super) fn refuse_all(&self, whose: Whose<'_>, said_at: Timestamp) {
        self.ends.all_of(whose, said_at, self.clock.now());
        self.verified.forget_where(|about| match whose {
            Whose::Login(sid) => about.sid.as_deref() == Some(sid),
            Whose::User(sub) => about.user.sub == sub,
        });
    }

    /// Whether the session of `id` is known to have ended.
    pub(super) fn refuses(&self, id: &SessionId, about: &About) -> bool {
        self.ends.cover(ends::digest_of(id.expose()), about)
    }

    /// What renews the session of `id`, if its cookie is genuine.
    pub(super) fn renewal_in(&self, id: &SessionId, cookies: &Cookies<'_>) -> Option<Renewal> {
        let sealed = cookies::whole(cookies, cookies::RENEWAL)?;
        let plain = unseal(&self.renewals, id, &sealed)?;
        serde_json::from_slice(&plain).ok()
    }

    /// What `cookies` hold of the session of `id` in `mode`, with the access token
    /// for `audience` where that is valid. `records` has the record of a session that
    /// may have ended elsewhere.
    pub(super) async fn open(
        &self,
        id: &SessionId,
        cookies: &Cookies<'_>,
        mode: SessionMode,
        audience: Option<&'static Audience>,
        records: Option<&Records>,
    ) -> Result<Option<Arc<Carried>>, SessionError> {
        let Some(identity) = cookies::whole(cookies, cookies::IDENTITY) else {
            return Ok(None);
        };
        match cookies.get(cookies::ENDED) {
            Some(marker) if ended::names(marker, &id.handle(), self.clock.now()) => {
                return Ok(None);
            }
            // Nobody can tell which one this browser was given.
            None if cookies.is_doubled(cookies::ENDED) => return Ok(None),
            Some(_) | None => {}
        }
        let token = audience.and_then(|audience| {
            let token = cookies::whole(cookies, audience.cookie)?;
            Some((audience, token))
        });
        let checking = self.check(id, &identity, token, mode, records);
        server_timing::verifying(checking).await
    }

    async fn check(
        &self,
        id: &SessionId,
        identity: &str,
        token: Option<(&'static Audience, Cow<'_, str>)>,
        mode: SessionMode,
        records: Option<&Records>,
    ) -> Result<Option<Arc<Carried>>, SessionError> {
        let now = self.clock.now();
        let key = Key::new(id, token.as_ref().map(|(audience, _)| *audience));
        let sent = token.as_ref().map(|(_, text)| &**text);
        let verified = self.verified.get(&key, identity, sent, now);
        Span::current().record("sso.cache_hit", verified.is_some());
        if let Some(carried) = verified {
            let live = carried.about.is_live(now) && carried.about.mode == mode;
            return Ok(live.then_some(carried));
        }
        let Some(about) = self.read_identity(id, identity) else {
            return Ok(None);
        };
        let session = key.session;
        if !about.is_live(now) || about.mode != mode || self.ends.cover(session, &about) {
            return Ok(None);
        }
        let had_token = token.is_some();
        let token = match token {
            // Boxed: most calls bring what was verified before, and need no room for this.
            Some((audience, token)) => Box::pin(self.checked(&about, audience, &token)).await?,
            None => None,
        };
        // One without a token is renewed, and its record is read then.
        if let (Some(records), Some(token)) = (records, &token)
            && self.ends.doubts(session, token.issued_at, now)
            && !Box::pin(self.has_record(records, id, session)).await
        {
            return Ok(None);
        }
        let all_good = token.is_some() == had_token;
        let carried = Arc::new(Carried { about, token });
        // A token that counts as absent is renewed, and comes no second time.
        if all_good {
            self.verified.put(key, identity, carried.clone(), now);
            // Learned meanwhile: then nothing could be forgotten yet.
            let ended = self.ends.cover(session, &carried.about);
            if ended || (records.is_some() && self.ends.doubts_itself(session, now)) {
                self.verified.forget(session);
            }
        }
        Ok(Some(carried))
    }

    /// Whether the record of the session is there. While the store is unreachable it
    /// counts as there.
    async fn has_record(&self, records: &Records, id: &SessionId, session: Digest) -> bool {
        let (handle, mark) = (id.handle(), self.ends.mark(session));
        match tokio::time::timeout(CHECK_TIMEOUT, records.read(&handle)).await {
            Ok(Ok(Some(_))) => {
                self.ends.settle(session, mark);
                true
            }
            Ok(Ok(None)) => {
                self.refuse(&handle);
                false
            }
            Ok(Err(_)) | Err(_) => {
                self.ends.postpone(session, self.clock.now() + CHECK_AGAIN);
                true
            }
        }
    }

    fn read_identity(&self, id: &SessionId, sealed: &str) -> Option<About> {
        let plain = unseal(&self.identities, id, sealed)?;
        serde_json::from_slice(&plain).ok()
    }

    /// An access token that came in a cookie, fully verified: the provider's
    /// signature (RFC 9068 §4), issued to this app and for this session. A token that
    /// fails counts as absent and is renewed.
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
            Err(Refusal::NoKeys) => return Err(ProviderError::no_keys().into()),
            Err(_) => return Ok(None),
        };
        let claims = found.claims();
        if !self.is_of(about, claims) {
            return Ok(None);
        }
        let issued_at = Timestamp::from_secs(claims.iat);
        let ends = Timestamp::from_secs(claims.exp);
        // In `hybrid` a renewal extends the session: often enough that one in use
        // does not end as idle.
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

impl Observer for CookieCodec {
    fn ended(&self, handle: &Handle) {
        self.refuse(handle);
    }

    /// Its cookies are in doubt.
    fn changed(&self, handle: &Handle) {
        if let Some(session) = digest(handle) {
            self.ends.doubt(session, self.clock.now());
            self.verified.forget(session);
        }
    }

    fn all_changed(&self) {
        self.ends.doubt_all(self.clock.now());
        self.verified.clear();
    }
}

/// What a session is known by in memory.
fn digest(session: &Handle) -> Option<Digest> {
    let bytes = URL_SAFE_NO_PAD.decode(session.as_str()).ok()?;
    bytes.try_into().ok()
}

/// The other half of [`CookieCodec::seal`].
fn unseal(keyring: &Keyring, id: &SessionId, sealed: &str) -> Option<Vec<u8>> {
    let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    keyring.open(id.expose(), sealed)
}
