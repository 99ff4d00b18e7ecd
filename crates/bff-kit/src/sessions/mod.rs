//! Sessions: who is signed in with which browser, in one of four modes
//! ([`SessionMode`]). Handlers open a session, get tokens for it and end it;
//! none of them can tell where it is kept.

mod access_token;
mod carrier;
mod ended;
mod id;
mod index;
mod listeners;
mod mode;
mod modes;
mod record;
mod session;
mod shelf;

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{HttpRequest, cookie::Cookie};
use futures_util::{StreamExt as _, stream};
use kit::{
    Ground,
    clock::{Clock, Timestamp},
    metrics::Counter,
    random::Random,
    seal::Keyring,
};
use store::{CacheEntries, FanOut, LocalCache, SharedStore, StoreError, Watcher};
use token_verify::Jwks;

pub(crate) use self::{
    access_token::AccessToken,
    carrier::{Carried, Carrier, Renewal},
    ended::Ended,
    id::{Handle, SessionId},
    index::Whose,
    listeners::{Listener, Listeners, News},
    record::{About, Record},
    session::{Kept, Minted, Purpose, Session, SessionError},
    shelf::{Shelf, Stored},
};
use self::{
    listeners::Ears,
    modes::{Cached, Hybrid, Mode, Stateful, Stateless},
};
pub use self::{mode::SessionMode, record::SessionLifetimes};
use crate::{
    audiences::Audience,
    cookies::{self, Cookies},
};

/// How many sessions are read at once for a list.
const READ_AT_ONCE: usize = 16;
/// The most sessions that a process keeps, in `cached`: at some 5 kB each, about
/// 100 MB.
const MAX_NEAR: usize = 20_000;
/// The most sessions of one user that are listed.
const MAX_LISTED: usize = 1000;
/// How many sessions are ended with one look at the index.
const PAGE: usize = 100;

/// All sessions of one app.
pub(crate) struct Sessions {
    shelf: Arc<Shelf>,
    carrier: Arc<Carrier>,
    listeners: Listeners,
    stateful: Stateful,
    cached: Cached,
    hybrid: Hybrid,
    stateless: Stateless,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: SessionSettings,
}

/// A session that has begun.
pub(crate) struct Begun {
    /// The cookies that carry it.
    pub(crate) cookies: Vec<Cookie<'static>>,
    /// The user's sessions that ended for it.
    pub(crate) surplus: Vec<Ended>,
}

/// What a deployment can set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionSettings {
    /// How long sessions last.
    pub(crate) lifetimes: SessionLifetimes,
    /// How many one user has in the store at most.
    pub(crate) per_user: usize,
    /// How new ones are kept unless their login chooses.
    pub(crate) mode: SessionMode,
    /// Whether a login may choose.
    pub(crate) choice: bool,
}

impl SessionSettings {
    /// Whether a session can be `cached`.
    const fn may_cache(&self) -> bool {
        self.choice || matches!(self.mode, SessionMode::Cached)
    }
}

impl Sessions {
    /// `keyring` makes the keyring of a purpose; `jwks` are the provider's keys;
    /// `unlisted` counts sessions that the store had lost a part of.
    pub(crate) fn new(
        store: &SharedStore,
        keyring: impl Fn(&str) -> Keyring,
        jwks: &Arc<Jwks>,
        ground: &Ground,
        client_id: &str,
        settings: SessionSettings,
        unlisted: Counter,
    ) -> Self {
        let idle = settings.lifetimes.idle;
        let prefix = shelf::prefix(client_id);
        let (entries, ears) = (CacheEntries::new(&prefix, MAX_NEAR), Ears::new(&prefix));
        let carrier = Carrier::new(client_id, &keyring, jwks, ground, settings.lifetimes);
        let carrier = Arc::new(carrier);
        let watchers: Vec<Arc<dyn Watcher>> = vec![entries.clone(), carrier.clone(), ears.clone()];
        let watch = store
            .watch(&prefix, Arc::new(FanOut(watchers)))
            .map(Arc::new);
        let cache = LocalCache::new(entries, watch.clone().filter(|_| settings.may_cache()));
        let cache = Arc::new(cache);
        let shelf = Shelf::new(
            store.clone(),
            keyring("session"),
            ground,
            client_id,
            settings.lifetimes,
            cache.clone(),
            unlisted,
        );
        let shelf = Arc::new(shelf);
        let listeners = Listeners::new(ears, watch, ground.shutdown.clone());
        Self {
            stateful: Stateful(shelf.clone()),
            cached: Cached {
                shelf: shelf.clone(),
                cache,
                clock: ground.clock.clone(),
                idle,
            },
            hybrid: Hybrid {
                shelf: shelf.clone(),
                carrier: carrier.clone(),
            },
            stateless: Stateless {
                carrier: carrier.clone(),
                clock: ground.clock.clone(),
                idle,
            },
            shelf,
            carrier,
            listeners,
            clock: ground.clock.clone(),
            random: ground.random.clone(),
            settings,
        }
    }

    /// What is set.
    pub(crate) const fn settings(&self) -> SessionSettings {
        self.settings
    }

    /// Those in the store.
    pub(crate) const fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    /// Those in cookies.
    pub(crate) const fn carrier(&self) -> &Arc<Carrier> {
        &self.carrier
    }

    /// Who wants to hear of their ends.
    pub(crate) const fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Keeps a new session under a new id, in the mode that its record says.
    pub(crate) async fn begin(&self, record: &Record) -> Result<Begun, SessionError> {
        let (id, about) = (SessionId::new(&*self.random), &record.about);
        let cookies = self.of(about.mode).begin(&id, record).await?;
        let surplus = match about.mode {
            SessionMode::Stateless => Vec::new(),
            _ => self.end_surplus(&id.handle(), about).await,
        };
        Ok(Begun { cookies, surplus })
    }

    /// Ends those sessions in the store of the user of `newest` that are too
    /// many, the one that was used longest ago first.
    async fn end_surplus(&self, newest: &Handle, about: &About) -> Vec<Ended> {
        let whose = Whose::User(&about.user.sub);
        let per_user = self.settings.per_user;
        let mut ended = Vec::new();
        let ending = async {
            let all = self.shelf.index().of(whose, per_user + PAGE).await?;
            let surplus = all.len().saturating_sub(per_user);
            for handle in all.iter().filter(|one| *one != newest).take(surplus) {
                match self.shelf.look(handle).await? {
                    Some(stored) => ended.push(self.end_stored(&stored).await?),
                    None => drop(self.shelf.remove_named(handle, whose).await?),
                }
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = ending.await {
            // The next login ends them.
            tracing::warn!("a user's surplus sessions go on for now: {error}");
        }
        ended
    }

    /// The live session that the request's cookies name. What it costs is up to
    /// its mode; where there is no cookie, nothing.
    pub(crate) async fn open(
        &self,
        req: &HttpRequest,
        purpose: Purpose,
    ) -> Result<Option<Session>, SessionError> {
        let cookies = Cookies::of(req);
        let Some(id) = cookies.get(cookies::SESSION).and_then(SessionId::read) else {
            return Ok(None);
        };
        let mode = self.mode_of(&cookies);
        let mut opened = self.of(mode).open(id.clone(), &cookies, purpose).await?;
        let carried = matches!(mode, SessionMode::Hybrid | SessionMode::Stateless);
        if opened.is_none() && carried {
            opened = Box::pin(self.open_despite(req, &id, mode, purpose)).await?;
        }
        let Some(mut session) = opened else {
            return Ok(None);
        };
        cookies::set(req, std::mem::take(&mut session.cookies));
        Ok(Some(session))
    }

    /// The session of `id` where what is carried beside it in `mode` is none.
    async fn open_despite(
        &self,
        req: &HttpRequest,
        id: &SessionId,
        mode: SessionMode,
        purpose: Purpose,
    ) -> Result<Option<Session>, SessionError> {
        let cookies = Cookies::of(req);
        let Some(about) = self.carrier.about(id, &cookies) else {
            // A late answer to a former session left its cookies beside this one's.
            let own = self.of(self.mode_of_id());
            return own.open(id.clone(), &cookies, purpose).await;
        };
        let handle = id.handle();
        // A look asks for the record, and there is none.
        let recorded = mode == SessionMode::Hybrid && about.mode == mode;
        if recorded && matches!(purpose, Purpose::Look { .. }) {
            self.carrier.refuse(&handle);
        }
        if self.carrier.refuses(id, &about) {
            self.forget_cookies(req, &handle, &about, &BTreeMap::new());
        }
        Ok(None)
    }

    /// Ends the session that the browser of `req` had before it signed in anew,
    /// and makes it forget that one's cookies: some would pass for the new one's.
    pub(crate) async fn end_former(
        &self,
        req: &HttpRequest,
    ) -> Result<Option<Ended>, SessionError> {
        cookies::set(req, cookies::forget_session(&Cookies::of(req)));
        let looked = self.open(req, Purpose::Look { slide: false }).await?;
        match looked {
            Some(former) => self.end(req, &former).await.map(Some),
            None => Ok(None),
        }
    }

    /// The session in the store of `handle`, moved on by this use.
    pub(crate) async fn touch(&self, handle: &Handle) -> Result<Option<Arc<Stored>>, StoreError> {
        self.shelf.load(handle).await
    }

    /// The cookies that carry on what was minted for the session of `id`, kept
    /// in `mode`.
    pub(crate) fn carry(
        &self,
        id: &SessionId,
        mode: SessionMode,
        minted: &Minted,
    ) -> Vec<Cookie<'static>> {
        self.of(mode).carry(id, minted)
    }

    /// Ends `session`, opened for a look, and makes its browser forget it.
    pub(crate) async fn end(
        &self,
        req: &HttpRequest,
        session: &Session,
    ) -> Result<Ended, SessionError> {
        let cookies = Cookies::of(req);
        let about = session.about();
        let mut ended = self.of(about.mode).end(session, &cookies).await?;
        let now = self.clock.now();
        ended.still_good.retain(|_, until| now < *until);
        self.forget_but(req, session, &ended.still_good);
        Ok(ended)
    }

    /// Makes the browser of `req` forget `session`, which has ended.
    pub(crate) fn forget(&self, req: &HttpRequest, session: &Session) {
        self.forget_but(req, session, &BTreeMap::new());
    }

    /// The same; for how long tokens of it are `still_good` is remembered.
    fn forget_but(
        &self,
        req: &HttpRequest,
        session: &Session,
        still_good: &BTreeMap<String, Timestamp>,
    ) {
        let handle = session.id.handle();
        self.has_ended(&handle);
        self.forget_cookies(req, &handle, session.about(), still_good);
    }

    /// Makes the browser of `req` forget the cookies of the session of `handle`,
    /// and keep in mind that it has ended.
    fn forget_cookies(
        &self,
        req: &HttpRequest,
        handle: &Handle,
        about: &About,
        still_good: &BTreeMap<String, Timestamp>,
    ) {
        let cookies = Cookies::of(req);
        let mut gone = cookies::forget_session(&cookies);
        if matches!(about.mode, SessionMode::Hybrid | SessionMode::Stateless) {
            let before = cookies.get(cookies::ENDED);
            let marker = ended::marker(before, handle, about, still_good, &*self.clock);
            gone.extend(marker);
        }
        cookies::set(req, gone);
    }

    /// The session of `handle` has ended: this process refuses what browsers
    /// still have of it, and tells who listens.
    fn has_ended(&self, handle: &Handle) {
        self.carrier.refuse(handle);
        self.listeners.ended(handle);
    }

    /// The APIs that sessions which this browser has ended still have an access
    /// token for, which nobody can call back, and until when.
    pub(crate) fn still_good(&self, req: &HttpRequest) -> Vec<(&'static Audience, Timestamp)> {
        let cookies = Cookies::of(req);
        let marker = cookies.get(cookies::ENDED);
        let told = marker.map(|marker| ended::still_good(marker, self.clock.now()));
        told.unwrap_or_default()
    }

    /// The sessions in the store of `whose` that are live.
    pub(crate) async fn list(&self, whose: Whose<'_>) -> Result<Vec<Arc<Stored>>, StoreError> {
        let handles = self.shelf.index().of(whose, MAX_LISTED).await?;
        let looks = stream::iter(&handles).map(|handle| self.shelf.look(handle));
        let mut looks = looks.buffered(READ_AT_ONCE);
        let mut live = Vec::new();
        while let Some(looked) = looks.next().await {
            live.extend(looked?);
        }
        Ok(live)
    }

    /// Ends all sessions in the store of `whose`, those that are just beginning
    /// included, as the provider said at `said_at`; gives how many. What fails
    /// for one is tried for all others first.
    pub(crate) async fn end_all(
        &self,
        whose: Whose<'_>,
        said_at: Timestamp,
    ) -> Result<usize, StoreError> {
        self.carrier.refuse_all(whose, said_at);
        let index = self.shelf.index();
        index.mark(whose, said_at).await?;
        let (mut ended, mut failed) = (0, None);
        loop {
            let handles = index.of(whose, PAGE).await?;
            for handle in &handles {
                match self.shelf.remove_named(handle, whose).await {
                    Ok(was_there) => ended += usize::from(was_there),
                    Err(error) => failed = Some(error),
                }
                self.has_ended(handle);
            }
            // Each that was ended has left the index.
            if handles.len() < PAGE || failed.is_some() {
                return failed.map_or(Ok(ended), Err);
            }
        }
    }

    /// The same for the provider's session `sid` of `sub`, by the user's sessions:
    /// where the store has lost the place of one under `sid`.
    pub(crate) async fn end_by_user(&self, sub: &str, sid: &str) -> Result<usize, StoreError> {
        let handles = self.shelf.index().of(Whose::User(sub), MAX_LISTED).await?;
        let mut ended = 0;
        for handle in &handles {
            let found = self.shelf.look(handle).await?;
            let Some(session) = found.filter(|one| one.record.about.sid.as_deref() == Some(sid))
            else {
                continue;
            };
            self.end_stored(&session).await?;
            ended += 1;
        }
        Ok(ended)
    }

    /// Ends a session in the store.
    pub(crate) async fn end_stored(&self, session: &Stored) -> Result<Ended, StoreError> {
        self.shelf.remove(&session.handle, &session.record).await?;
        self.has_ended(&session.handle);
        Ok(Ended::of(&session.record))
    }

    /// Told by the cookies: what they carry says the rest, and refuses what it
    /// is not.
    fn mode_of(&self, cookies: &Cookies<'_>) -> SessionMode {
        let carried = cookies.get(cookies::IDENTITY).is_some();
        match (carried, cookies.get(cookies::RENEWAL).is_some()) {
            (true, true) => SessionMode::Stateless,
            (true, false) => SessionMode::Hybrid,
            (false, _) => self.mode_of_id(),
        }
    }

    /// Of a session that has no cookie but its id.
    const fn mode_of_id(&self) -> SessionMode {
        if self.settings.may_cache() {
            SessionMode::Cached
        } else {
            SessionMode::Stateful
        }
    }

    fn of(&self, mode: SessionMode) -> &dyn Mode {
        match mode {
            SessionMode::Stateful => &self.stateful,
            SessionMode::Cached => &self.cached,
            SessionMode::Hybrid => &self.hybrid,
            SessionMode::Stateless => &self.stateless,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
