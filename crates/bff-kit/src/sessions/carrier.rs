//! What the cookie modes have in the browser: who is signed in and how to renew
//! (sealed), and the access tokens as they are. A cookie counts for nothing
//! before it is opened or checked, and all of them must belong together. What
//! is known of their ends is in `ends`.

mod ends;
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
use store::Watcher;
use token_verify::{Jwks, Refusal, Verifier};
use tracing::Span;

pub(crate) use self::renewal::Renewal;
use self::{
    ends::{Digest, Ends},
    seen::{Place, Seen},
};
use super::{
    AccessToken, Handle, Minted, SessionError, SessionId, SessionLifetimes, SessionMode, Shelf,
    Whose, ended, record::About, shelf,
};
use crate::{
    audiences::{API1, API2, Audience},
    bearer::Bearer,
    cookies::{self, Cookies, TooLarge},
    price,
    tokens::audience_of,
};

/// How long a call waits to learn whether the record of a session in doubt is
/// there: calls go on while the store is away.
const LOOK: Duration = Duration::from_millis(250);
/// When to look again where the store did not answer.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

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
    ends: Ends,
    /// Of the keys of records.
    prefix: String,
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
        lifetimes: SessionLifetimes,
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
            ends: Ends::new(lifetimes.longest),
            prefix: shelf::prefix(client_id),
            clock: ground.clock.clone(),
            random: ground.random.clone(),
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

    /// Whose session is carried among `cookies`, if it is that of `id`. It may
    /// have ended.
    pub(super) fn about(&self, id: &SessionId, cookies: &Cookies<'_>) -> Option<About> {
        let sealed = cookies::whole(cookies, cookies::IDENTITY)?;
        self.read_identity(id, &sealed)
    }

    /// Refuses the cookies of `session` from now on.
    pub(super) fn refuse(&self, session: &Handle) {
        if let Some(session) = digest(session) {
            self.ends.session(session, self.clock.now());
            self.seen.forget(session);
        }
    }

    /// Refuses the cookies of all sessions of `whose`, as the provider said at
    /// `said_at`.
    pub(super) fn refuse_all(&self, whose: Whose<'_>, said_at: Timestamp) {
        self.ends.all_of(whose, said_at, self.clock.now());
        self.seen.forget_where(|about| match whose {
            Whose::Login(sid) => about.sid.as_deref() == Some(sid),
            Whose::User(sub) => about.user.sub == sub,
        });
    }

    /// Whether the session of `id` is known to have ended.
    pub(super) fn refuses(&self, id: &SessionId, about: &About) -> bool {
        self.ends.cover(ends::digest_of(id.expose()), about)
    }

    /// What renews the session of `id`, if its cookie is genuine.
    pub(crate) fn renewal_in(&self, id: &SessionId, cookies: &Cookies<'_>) -> Option<Renewal> {
        let sealed = cookies::whole(cookies, cookies::RENEWAL)?;
        let plain = unseal(&self.renewals, id, &sealed)?;
        serde_json::from_slice(&plain).ok()
    }

    /// The session of `id` in `mode` that `cookies` carry, with the access token
    /// for `audience` where that is a good one. `records`: where a session that
    /// is in doubt has its record.
    pub(super) async fn open(
        &self,
        id: &SessionId,
        cookies: &Cookies<'_>,
        mode: SessionMode,
        audience: Option<&'static Audience>,
        records: Option<&Shelf>,
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
        price::verifying(checking).await
    }

    async fn check(
        &self,
        id: &SessionId,
        identity: &str,
        token: Option<(&'static Audience, Cow<'_, str>)>,
        mode: SessionMode,
        records: Option<&Shelf>,
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
        let session = place.session;
        if !about.is_live(now) || about.mode != mode || self.ends.cover(session, &about) {
            return Ok(None);
        }
        let had_token = token.is_some();
        let token = match token {
            // Boxed: most calls bring what was seen, and need no room for this.
            Some((audience, token)) => Box::pin(self.checked(&about, audience, &token)).await?,
            None => None,
        };
        // One without a token is renewed, and its record is asked for then.
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
            self.seen.put(place, identity, carried.clone(), now);
            // Learned meanwhile: then nothing could be forgotten yet.
            let ended = self.ends.cover(session, &carried.about);
            if ended || (records.is_some() && self.ends.doubts_itself(session, now)) {
                self.seen.forget(session);
            }
        }
        Ok(Some(carried))
    }

    /// Whether the session in doubt is there. While the store is away it counts
    /// as there.
    async fn has_record(&self, records: &Shelf, id: &SessionId, session: Digest) -> bool {
        let (handle, mark) = (id.handle(), self.ends.mark(session));
        match tokio::time::timeout(LOOK, records.look(&handle)).await {
            Ok(Ok(Some(_))) => {
                self.ends.settle(session, mark);
                true
            }
            Ok(Ok(None)) => {
                self.refuse(&handle);
                false
            }
            Ok(Err(_)) | Err(_) => {
                self.ends.postpone(session, self.clock.now() + LOOK_AGAIN);
                true
            }
        }
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

/// The store tells of records. Cookies whose record changed are in doubt.
impl Watcher for Carrier {
    fn invalidate(&self, key: &str) {
        let handle = key.strip_prefix(&self.prefix).and_then(Handle::read);
        if let Some(session) = handle.as_ref().and_then(digest) {
            self.ends.doubt(session, self.clock.now());
            self.seen.forget(session);
        }
    }

    fn invalidate_all(&self) {
        self.ends.doubt_all(self.clock.now());
        self.seen.clear();
    }
}

/// What a session is known by in memory.
fn digest(session: &Handle) -> Option<Digest> {
    let bytes = URL_SAFE_NO_PAD.decode(session.as_str()).ok()?;
    bytes.try_into().ok()
}

/// The other half of [`Carrier::seal`].
fn unseal(keyring: &Keyring, id: &SessionId, sealed: &str) -> Option<Vec<u8>> {
    let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    keyring.open(id.expose(), sealed)
}
