//! Sessions: who is signed in with which browser, and the access tokens of each session.
//! A session lives in the store ([`StoreSessions`]) or in its browser's cookies
//! ([`CookieSessions`]). It stays in the place in which it began, even if the app's
//! setting changes.

mod backing;
mod cookie_codec;
mod ended;
mod ending;
mod error;
mod id;
mod in_cookies;
mod in_store;
mod index;
mod inspected;
mod mode;
mod observers;
mod record;
mod records;
mod session;
mod settings;
mod single_flight;
mod subscribers;

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{HttpRequest, HttpResponse};
use kit::{
    clock::{Clock, Timestamp},
    random::Random,
    seal::Keyring,
    telemetry::names::{OK, span},
};
use store::{CacheEntries, FanOut, LocalCache, StoreError, Watcher};
use tracing::{Instrument as _, field::Empty};
use web_kit::problem::Problem;

use self::{
    backing::Backing,
    cookie_codec::CookieCodec,
    id::RecordKeys,
    in_cookies::CookieSessions,
    in_store::StoreSessions,
    inspected::Inspected,
    observers::{Observer, Observers},
    records::Records,
    session::Wanted,
    subscribers::Subscribers,
};
pub(crate) use self::{
    backing::{Begun, Listed},
    ended::Ended,
    error::{SessionError, TokenError},
    id::{Handle, SessionId},
    index::Whose,
    record::{About, Record},
    session::{Purpose, Session},
    settings::{SessionParts, SessionSettings},
    subscribers::{SessionEvent, Subscription, Subscriptions},
};
pub use self::{mode::SessionMode, record::SessionLifetimes};
use crate::{
    audiences::Audience,
    bearer::Bearer,
    cookies::{self, Cookies, SetCookies},
    credentials::{Credential, Credentials, Origin},
    problems::not_signed_in,
};

/// The most sessions of which a process has local copies: at some 5 kB each, about
/// 100 MB.
const MAX_CACHED: usize = 20_000;

/// All sessions of one app.
pub(crate) struct Sessions {
    in_store: StoreSessions,
    in_cookies: CookieSessions,
    codec: Arc<CookieCodec>,
    observers: Arc<Observers>,
    subscriptions: Subscriptions,
    credentials: Arc<Credentials>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: SessionSettings,
    /// The sessions of journeys, if this is a lab.
    inspected: Inspected,
}

impl Sessions {
    /// `keyring` makes the keyring of a purpose.
    pub(crate) fn new(parts: &SessionParts<'_>, keyring: impl Fn(&str) -> Keyring) -> Self {
        let (deps, settings) = (parts.deps, parts.settings);
        let (client_id, lifetimes) = (parts.provider.client_id(), settings.lifetimes);
        let keys = RecordKeys::new(client_id);
        let codec = CookieCodec::new(parts.credentials, &keyring, parts.jwks, deps, lifetimes);
        let codec = Arc::new(codec);
        let subscribers: Arc<Subscribers> = Arc::default();
        let observing: Vec<Arc<dyn Observer>> = vec![codec.clone(), subscribers.clone()];
        let observers = Arc::new(Observers::new(keys.clone(), observing));
        let entries = CacheEntries::new(keys.prefix(), MAX_CACHED);
        let watchers: Vec<Arc<dyn Watcher>> = vec![entries.clone(), observers.clone()];
        // `None`: the store is in this process itself.
        let watch = parts.store.watch(keys.prefix(), Arc::new(FanOut(watchers)));
        let watch = watch.map(Arc::new);
        let cache = LocalCache::new(entries, watch.clone().filter(|_| settings.may_cache()));
        let records = Records::new(
            (parts.store.clone(), keyring("session")),
            deps,
            client_id,
            lifetimes,
            Arc::new(cache),
            observers.clone(),
            parts.meters.unlisted.clone(),
        );
        Self {
            in_store: StoreSessions::new(
                parts,
                Arc::new(records),
                codec.clone(),
                observers.clone(),
            ),
            in_cookies: CookieSessions::new(parts, codec.clone()),
            codec,
            observers,
            subscriptions: Subscriptions::new(subscribers, watch, deps.shutdown.clone()),
            credentials: parts.credentials.clone(),
            clock: deps.clock.clone(),
            random: deps.random.clone(),
            settings,
            inspected: Inspected::new(),
        }
    }

    /// The credentials of the app.
    pub(crate) const fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// The settings.
    pub(crate) const fn settings(&self) -> SessionSettings {
        self.settings
    }

    /// The subscriptions to events of sessions.
    pub(crate) const fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    /// Begins a session under a new id, in the mode of its record.
    pub(crate) async fn begin(&self, record: &Record) -> Result<Begun, SessionError> {
        let id = SessionId::new(&*self.random);
        self.begin_as(&id, record).await
    }

    /// Begins a session under the id `id`.
    pub(crate) async fn begin_as(
        &self,
        id: &SessionId,
        record: &Record,
    ) -> Result<Begun, SessionError> {
        self.backing(record.about.mode).begin(id, record).await
    }

    /// Calls `handler` with the live session of `req`. Returns the response with all
    /// cookies that changed; 401 without a session.
    pub(crate) async fn with_session(
        &self,
        req: &HttpRequest,
        purpose: Purpose,
        handler: impl AsyncFnOnce(&mut Session) -> Result<HttpResponse, Problem>,
    ) -> Result<HttpResponse, Problem> {
        let (session, mut set) = self.open(req, purpose).await?;
        let answer = match session {
            Some(mut session) => {
                let answer = handler(&mut session).await;
                set.append(session.cookies);
                answer
            }
            None => Err(not_signed_in()),
        };
        Ok(set.add_to(answer.unwrap_or_else(HttpResponse::from_error)))
    }

    /// The live session that the request's cookies name, and the cookies that
    /// opening it changed. Without a session cookie it costs nothing.
    pub(crate) async fn open(
        &self,
        req: &HttpRequest,
        purpose: Purpose,
    ) -> Result<(Option<Session>, SetCookies), SessionError> {
        let span = kit::step!(
            span::SESSION_LOAD,
            "sso.session_mode" = Empty,
            "sso.cache_hit" = Empty,
            "enduser.id" = Empty
        );
        let mut set = SetCookies::default();
        let opening = self.find(req, purpose, &mut set).instrument(span.clone());
        let mut session = opening.await?;
        if let Some(session) = &mut session {
            self.inspected.remember(session);
            let about = session.about();
            span.record("sso.session_mode", about.mode.as_str());
            span.record("enduser.id", about.user.sub.as_str());
            set.append(std::mem::take(&mut session.cookies));
        }
        Ok((session, set))
    }

    async fn find(
        &self,
        req: &HttpRequest,
        purpose: Purpose,
        set: &mut SetCookies,
    ) -> Result<Option<Session>, SessionError> {
        let cookies = Cookies::of(req);
        let Some(id) = cookies.get(cookies::SESSION).and_then(SessionId::read) else {
            return Ok(None);
        };
        // The names of the cookies say where the session lives. That place verifies them.
        let has_identity = cookies.has(cookies::IDENTITY);
        let in_cookies = has_identity && cookies.has(cookies::RENEWAL);
        let session = if in_cookies {
            self.in_cookies.open(&id, &cookies, purpose).await?
        } else {
            self.in_store.open(&id, &cookies, purpose).await?
        };
        if session.is_some() || !has_identity {
            return Ok(session);
        }
        let Some(about) = self.codec.about(&id, &cookies) else {
            // A late response to a former session left that session's cookies beside this
            // session's id.
            return Box::pin(self.in_store.open_by_id(&id, purpose)).await;
        };
        let handle = id.handle();
        let has_no_record = !in_cookies && matches!(purpose, Purpose::Identify { .. });
        if has_no_record && about.mode == SessionMode::Hybrid {
            self.codec.refuse(&handle);
        }
        if self.codec.refuses(&id, &about) {
            set.add(self.forget(&cookies, &handle, &about, &BTreeMap::new()));
        }
        Ok(None)
    }

    /// A credential for a call to `audience` that differs from `rejected`. Cookies that change
    /// are collected in the session.
    pub(crate) async fn credential(
        &self,
        req: &HttpRequest,
        session: &mut Session,
        audience: &'static Audience,
        rejected: Option<Credential>,
    ) -> Result<Credential, TokenError> {
        let chosen = session.about().credentials;
        let method = self.credentials.method(chosen, audience);
        let is_users = method.origin() == Origin::UserToken;
        let users = rejected.as_ref().filter(|_| is_users);
        let wanted = Wanted {
            audience,
            token: method.user_token(),
            rejected: users.and_then(Credential::token).cloned(),
        };
        let token = self.access_token(req, session, wanted).await?;
        if is_users {
            return Ok(Credential::of_token(method, token));
        }
        let sub = &session.about().user.sub;
        let credentials = &self.credentials;
        let getting = credentials.beside_session(method, sub, audience, rejected.as_ref());
        // An error about the app's own credential does not end the session.
        getting.await.map_err(TokenError::Provider)
    }

    /// An access token for the call: the one that the session has, or a new one by its
    /// refresh token. Cookies that change are collected in the session.
    async fn access_token(
        &self,
        req: &HttpRequest,
        session: &mut Session,
        wanted: Wanted,
    ) -> Result<Bearer, TokenError> {
        let mode = session.about().mode;
        let span = kit::step!(
            span::ACCESS_TOKEN,
            "sso.audience" = wanted.audience.uri,
            "sso.session_mode" = mode.as_str(),
            "sso.token_source" = Empty,
            "sso.lease_waited_ms" = Empty,
            "sso.outcome" = Empty
        );
        let (now, margin) = (self.clock.now(), self.settings.margin);
        if let Some(token) = session.access_token(wanted.token, wanted.audience, now, margin)
            && wanted.accepts(&token.token)
        {
            span.record("sso.token_source", "session");
            span.record("sso.outcome", OK);
            return Ok(token.token.clone());
        }
        let renewing = self.backing(mode).renew(req, session, wanted);
        let renewed = renewing.instrument(span.clone()).await;
        let outcome = renewed.as_ref().err().map_or(OK, TokenError::outcome);
        span.record("sso.outcome", outcome);
        if renewed == Err(TokenError::Ended) && !session.has_record() {
            let handle = session.id.handle();
            self.observers.ended(&handle);
            let (cookies, about) = (Cookies::of(req), session.about());
            let gone = self.forget(&cookies, &handle, about, &BTreeMap::new());
            session.cookies.add(gone);
        }
        renewed
    }

    /// The sessions of the same user, `session` among them.
    pub(crate) async fn list(
        &self,
        req: &HttpRequest,
        session: &Session,
    ) -> Result<Vec<Listed>, SessionError> {
        self.backing(session.about().mode).list(req, session).await
    }

    /// When the session of `handle` expires, by its record; `None` once it has ended.
    pub(crate) async fn expiry(&self, handle: &Handle) -> Result<Option<Timestamp>, StoreError> {
        let stored = self.in_store.records.read(handle).await?;
        Ok(stored.map(|stored| stored.record.about.expires_at))
    }

    fn backing(&self, mode: SessionMode) -> &dyn Backing {
        if mode.is_in_cookies() {
            &self.in_cookies
        } else {
            &self.in_store
        }
    }

    #[cfg(test)]
    fn records(&self) -> &Records {
        &self.in_store.records
    }
}

#[cfg(test)]
pub(crate) mod tests;
