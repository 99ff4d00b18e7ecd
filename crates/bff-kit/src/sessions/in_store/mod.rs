//! Sessions in the store: a record for each, and a random id in the browser's
//! cookie. A call reads the record (`stateful`), unless it can take one of two short
//! cuts: a local copy of the record ([`Cached`]), or an access token in a cookie
//! ([`Hybrid`]). In all three modes, the record is read to renew, list or end a session.

mod cached;
mod hybrid;
mod pending;
mod refresh;

use std::sync::Arc;

use actix_web::HttpRequest;
use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use kit::clock::Timestamp;
use store::StoreError;

#[cfg(test)]
pub(super) use self::refresh::{LEASE, hold};
use self::{cached::Cached, hybrid::Hybrid, pending::PendingWrites, refresh::Refresher};
use super::{
    backing::{Backing, Begun, Listed},
    cookie_codec::CookieCodec,
    ended::Ended,
    error::{SessionError, TokenError},
    id::{Handle, SessionId},
    index::Whose,
    mode::SessionMode,
    observers::Observers,
    record::{About, Record},
    records::{Records, Stored},
    session::{Purpose, Session, Source, Wanted},
    settings::SessionParts,
    single_flight::SingleFlight,
};
use crate::{
    bearer::Bearer,
    cookies::{self, Cookies},
};

/// How many records are read at once for a list.
const READ_AT_ONCE: usize = 16;
/// The most sessions of one user that are listed.
const MAX_LISTED: usize = 1000;
/// How many index entries are read at once to end their sessions.
const PAGE: usize = 100;

/// The sessions of one app that are in the store.
pub(crate) struct StoreSessions {
    pub(super) records: Arc<Records>,
    refresher: Arc<Refresher>,
    /// Set if the app allows `cached` sessions.
    cached: Option<Cached>,
    hybrid: Hybrid,
    observers: Arc<Observers>,
    /// The most sessions of one user.
    per_user: usize,
}

#[async_trait(?Send)]
impl Backing for StoreSessions {
    async fn begin(&self, id: &SessionId, record: &Record) -> Result<Begun, SessionError> {
        let about = &record.about;
        // A session that fits no cookie is refused before anything is saved.
        let mut cookies = match about.mode {
            SessionMode::Hybrid => self.hybrid.cookies(id, record)?,
            _ => Vec::new(),
        };
        let handle = id.handle();
        if !self.records.put(&handle, record).await? {
            return Err(SessionError::EndedMeanwhile);
        }
        cookies.push(cookies::session(id.expose()));
        Ok(Begun {
            cookies: cookies.into(),
            surplus: self.end_surplus(&handle, about).await,
        })
    }

    async fn open(
        &self,
        id: &SessionId,
        cookies: &Cookies<'_>,
        purpose: Purpose,
    ) -> Result<Option<Session>, SessionError> {
        let Purpose::Call(audience) = purpose else {
            return self.open_by_id(id, purpose).await;
        };
        if !cookies.has(cookies::IDENTITY) {
            return self.open_by_id(id, purpose).await;
        }
        let content = self.hybrid.open(id, cookies, audience).await?;
        Ok(content.map(|content| Session::new(id.clone(), Source::Cookies(content))))
    }

    async fn renew(
        &self,
        _: &HttpRequest,
        session: &mut Session,
        wanted: Wanted,
    ) -> Result<Bearer, TokenError> {
        let stored = match &session.source {
            Source::Record(stored) => stored.clone(),
            // The token in the cookie has expired. The record says whether the session has
            // ended too.
            Source::Cookies(_) => {
                let stored = self.records.load(&session.id.handle()).await?;
                stored.ok_or(TokenError::Ended)?
            }
        };
        let of = (wanted.audience, wanted.token);
        let token = self.refresher.clone().access_token(stored, wanted).await?;
        if session.about().mode == SessionMode::Hybrid {
            let cookies = self.hybrid.renewed(&session.id, of, &token);
            session.cookies.add(cookies);
        }
        Ok(token.token)
    }

    async fn list(&self, _: &HttpRequest, session: &Session) -> Result<Vec<Listed>, SessionError> {
        let current = session.id.handle();
        let all = self.all_of(Whose::User(&session.about().user.sub)).await?;
        let listed = all.iter().map(|stored| {
            let Record { about, device, .. } = &stored.record;
            let is_current = stored.handle == current;
            Listed::new(stored.handle.as_str(), device.as_deref(), about, is_current)
        });
        Ok(listed.collect())
    }

    async fn end(&self, _: &HttpRequest, session: &Session) -> Result<Ended, SessionError> {
        match &session.source {
            Source::Record(stored) => {
                self.records.remove(&stored.handle, &stored.record).await?;
                Ok(Ended::of(&stored.record))
            }
            Source::Cookies(_) => Ok(Ended::default()),
        }
    }

    async fn end_other(
        &self,
        _: &HttpRequest,
        session: &Session,
        handle: &str,
    ) -> Result<Option<Ended>, SessionError> {
        let Some(handle) = Handle::read(handle) else {
            return Ok(None);
        };
        let sub = &session.about().user.sub;
        let found = self.records.read(&handle).await?;
        match found.filter(|found| found.record.about.user.sub == *sub) {
            Some(found) => Ok(Some(self.records.end(&found).await?)),
            None => Ok(None),
        }
    }
}

impl StoreSessions {
    pub(super) fn new(
        parts: &SessionParts<'_>,
        records: Arc<Records>,
        codec: Arc<CookieCodec>,
        observers: Arc<Observers>,
    ) -> Self {
        let (clock, settings) = (&parts.deps.clock, parts.settings);
        let provider = parts.provider;
        let pending = PendingWrites::new(records.clone(), provider.clone());
        let refresher = Refresher {
            records: records.clone(),
            provider: provider.clone(),
            credentials: parts.credentials.clone(),
            leases: parts.store.clone(),
            clock: clock.clone(),
            random: parts.deps.random.clone(),
            margin: settings.margin,
            audience_by: settings.audience_by,
            single_flight: SingleFlight::new(parts.meters.refresh_waits.clone()),
            pending: Arc::new(pending),
        };
        Self {
            refresher: Arc::new(refresher),
            cached: settings.may_cache().then(|| Cached {
                records: records.clone(),
                clock: clock.clone(),
                idle: settings.lifetimes.idle,
            }),
            hybrid: Hybrid {
                codec,
                records: records.clone(),
            },
            records,
            observers,
            per_user: settings.per_user,
        }
    }

    /// The live session of `id`, by its record; other cookies are ignored.
    pub(super) async fn open_by_id(
        &self,
        id: &SessionId,
        purpose: Purpose,
    ) -> Result<Option<Session>, SessionError> {
        let handle = id.handle();
        let stored = match (purpose, &self.cached) {
            (Purpose::Call(_), Some(cached)) => cached.load(&handle).await?,
            (Purpose::Call(_), None) | (Purpose::Identify { slide: true }, _) => {
                self.records.load(&handle).await?
            }
            (Purpose::Identify { slide: false }, _) => self.records.read(&handle).await?,
        };
        Ok(stored.map(|stored| Session::new(id.clone(), Source::Record(stored))))
    }

    /// The live sessions of `whose`.
    pub(super) async fn all_of(&self, whose: Whose<'_>) -> Result<Vec<Arc<Stored>>, StoreError> {
        let handles = self.records.index().of(whose, MAX_LISTED).await?;
        let reads = stream::iter(&handles).map(|handle| self.records.read(handle));
        let mut reads = reads.buffered(READ_AT_ONCE);
        let mut live = Vec::new();
        while let Some(read) = reads.next().await {
            live.extend(read?);
        }
        Ok(live)
    }

    /// Ends the user's sessions above the quota, the least recently used first, and keeps
    /// `newest`.
    async fn end_surplus(&self, newest: &Handle, about: &About) -> Vec<Ended> {
        let whose = Whose::User(&about.user.sub);
        let mut ended = Vec::new();
        let ending = async {
            let index = self.records.index();
            let all = index.of(whose, self.per_user + PAGE).await?;
            let surplus = all.len().saturating_sub(self.per_user);
            for handle in all.iter().filter(|one| *one != newest).take(surplus) {
                match self.records.read(handle).await? {
                    Some(stored) => ended.push(self.records.end(&stored).await?),
                    None => drop(self.records.remove_named(handle, whose).await?),
                }
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = ending.await {
            // The user's next login ends them.
            tracing::warn!("a user's sessions above the quota were not ended: {error}");
        }
        ended
    }

    /// Ends all sessions of `whose`, by a logout token that the provider issued at
    /// `logout_at`; returns how many. A login that is being completed at this moment finds
    /// the mark of the logout. If one session cannot be ended, the others still are.
    pub(super) async fn end_all(
        &self,
        whose: Whose<'_>,
        logout_at: Timestamp,
    ) -> Result<usize, StoreError> {
        let index = self.records.index();
        index.mark(whose, logout_at).await?;
        let (mut ended, mut failed) = (0, None);
        loop {
            let handles = index.of(whose, PAGE).await?;
            for handle in &handles {
                match self.records.remove_named(handle, whose).await {
                    Ok(was_there) => ended += usize::from(was_there),
                    Err(error) => failed = Some(error),
                }
                self.observers.ended(handle);
            }
            // Each session that has ended has left the index.
            if handles.len() < PAGE || failed.is_some() {
                return failed.map_or(Ok(ended), Err);
            }
        }
    }

    /// Ends the sessions of the provider's session `sid`, found by the index entries of
    /// the user `sub`: for the case that the store has lost the entry under `sid`, or the
    /// session has none.
    pub(super) async fn end_by_user(&self, sub: &str, sid: &str) -> Result<usize, StoreError> {
        let index = self.records.index();
        let handles = index.of(Whose::User(sub), MAX_LISTED).await?;
        let mut ended = 0;
        for handle in &handles {
            let found = self.records.read(handle).await?;
            // The session may know no `sid`: its ID token named none.
            let is_meant = |own: Option<&str>| own.is_none_or(|own| own == sid);
            let Some(stored) = found.filter(|one| is_meant(one.record.about.sid.as_deref())) else {
                continue;
            };
            self.records.end(&stored).await?;
            ended += 1;
        }
        Ok(ended)
    }
}
