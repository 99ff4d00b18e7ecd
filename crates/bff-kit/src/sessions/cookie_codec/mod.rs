//! The cookies that hold a session or a part of it: who is signed in and the
//! refresh token, both sealed, and the access tokens ([`access_tokens`]). Each cookie
//! is opened or verified before it counts, and all of them must belong to one session.
//! `ends` refuses the cookies of sessions that have ended.

mod access_tokens;
mod ends;
mod renewal;
mod verified;

use std::{borrow::Cow, sync::Arc, time::Duration};

use actix_web::cookie::Cookie;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::{
    Deps,
    clock::{Clock, Timestamp},
    random::Random,
    seal::Keyring,
};
use token_verify::{Jwks, Verifier};
use tracing::Span;

pub(super) use self::renewal::Renewal;
use self::{
    ends::{Digest, EndedSessions},
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
    cookies::{self, Cookies, TooLarge},
    credentials::Credentials,
    server_timing,
};

/// How long a call waits to learn whether the record of a session in doubt is
/// there: calls go on while the store is unreachable.
const CHECK_TIMEOUT: Duration = Duration::from_millis(250);
/// When to check again where the store did not answer.
const CHECK_AGAIN: Duration = Duration::from_secs(30);

/// The verified content of a request's session cookies.
pub(super) struct CookieContent {
    /// Who signed in and how long the session lasts.
    pub(super) about: About,
    /// The access token among the cookies.
    pub(super) token: Option<AccessToken>,
    /// The text of the token's cookie, if it is sealed.
    sealed: Option<Box<str>>,
}

impl CookieContent {
    /// Without a cookie that it was read from.
    pub(super) const fn new(about: About, token: Option<AccessToken>) -> Self {
        Self {
            about,
            token,
            sealed: None,
        }
    }
}

/// Writes and reads the cookies of one app's sessions.
pub(super) struct CookieCodec {
    credentials: Arc<Credentials>,
    identities: Keyring,
    renewals: Keyring,
    tokens: Keyring,
    /// One for each API.
    verifiers: [(&'static Audience, Verifier); 2],
    verified: Verified,
    ends: EndedSessions,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    idle: Duration,
}

impl CookieCodec {
    /// `keyring` makes the keyring of a purpose; `jwks` are the provider's keys.
    pub(super) fn new(
        credentials: &Arc<Credentials>,
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
            credentials: credentials.clone(),
            identities: keyring("identity cookie"),
            renewals: keyring("renewal cookie"),
            tokens: keyring("access token cookie"),
            verifiers: [verifier(&API1), verifier(&API2)],
            verified: Verified::default(),
            ends: EndedSessions::new(lifetimes.longest),
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

    /// Refuses the cookies of all sessions of `whose`, by a logout token that the provider
    /// issued at `logout_at`.
    pub(super) fn refuse_all(&self, whose: Whose<'_>, logout_at: Timestamp) {
        self.ends.all_of(whose, logout_at, self.clock.now());
        self.verified.forget_where(|about| match whose {
            Whose::Login(sid) => about.sid.as_deref() == Some(sid),
            Whose::User(sub) => about.user.sub == sub,
        });
    }

    /// Whether the session of `id` is known to have ended.
    pub(super) fn refuses(&self, id: &SessionId, about: &About) -> bool {
        self.ends.includes(ends::digest_of(id.expose()), about)
    }

    /// What renews the session of `id`, if its cookie is genuine.
    pub(super) fn renewal_in(&self, id: &SessionId, cookies: &Cookies<'_>) -> Option<Renewal> {
        let sealed = cookies::whole(cookies, cookies::RENEWAL)?;
        let plain = unseal(&self.renewals, id, &sealed)?;
        serde_json::from_slice(&plain).ok()
    }

    /// The content of `cookies` for the session of `id` in `mode`, with the access token
    /// for `audience` if it is valid. `records` is asked about a session that may have
    /// ended in another process.
    pub(super) async fn open(
        &self,
        id: &SessionId,
        cookies: &Cookies<'_>,
        mode: SessionMode,
        audience: Option<&'static Audience>,
        records: Option<&Records>,
    ) -> Result<Option<Arc<CookieContent>>, SessionError> {
        let Some(identity) = cookies::whole(cookies, cookies::IDENTITY) else {
            return Ok(None);
        };
        match cookies.get(cookies::ENDED) {
            Some(marker) if ended::names(marker, &id.handle(), self.clock.now()) => {
                return Ok(None);
            }
            // One of the two may be another site's.
            None if cookies.is_duplicate(cookies::ENDED) => return Ok(None),
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
    ) -> Result<Option<Arc<CookieContent>>, SessionError> {
        let now = self.clock.now();
        let key = Key::new(id, token.as_ref().map(|(audience, _)| *audience));
        let sent = token.as_ref().map(|(_, text)| &**text);
        let verified = self.verified.get(&key, identity, sent, now);
        Span::current().record("sso.cache_hit", verified.is_some());
        if let Some(content) = verified {
            let live = content.about.is_live(now) && content.about.mode == mode;
            return Ok(live.then_some(content));
        }
        let Some(about) = self.read_identity(id, identity) else {
            return Ok(None);
        };
        let session = key.session;
        if !about.is_live(now) || about.mode != mode || self.ends.includes(session, &about) {
            return Ok(None);
        }
        let had_token = token.is_some();
        let sealed = token
            .as_ref()
            .filter(|(_, text)| access_tokens::is_sealed(text));
        let sealed = sealed.map(|(_, text)| Box::from(&**text));
        let token = match token {
            Some((audience, text)) if sealed.is_some() => self.opened(id, &about, audience, &text),
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
        let content = Arc::new(CookieContent {
            about,
            token,
            sealed,
        });
        // A token that counts as absent is renewed, and comes no second time.
        if all_good {
            self.verified.put(key, identity, content.clone(), now);
            // Learned meanwhile: then nothing could be forgotten yet.
            let ended = self.ends.includes(session, &content.about);
            if ended || (records.is_some() && self.ends.doubts_itself(session, now)) {
                self.verified.forget(session);
            }
        }
        Ok(Some(content))
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
