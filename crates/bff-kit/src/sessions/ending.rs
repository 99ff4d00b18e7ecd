//! How sessions end, and what their browsers keep of them.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, cookie::Cookie};
use kit::clock::Timestamp;
use store::StoreError;

use super::{About, Ended, Handle, Purpose, Session, SessionError, Sessions, Whose, ended};
use crate::{
    audiences::Audience,
    cookies::{self, Cookies, SetCookies},
};

impl Sessions {
    /// Ends `session`, opened to identify its user. [`Ended::cookies`] removes it from
    /// its browser.
    pub(crate) async fn end(
        &self,
        req: &HttpRequest,
        session: &Session,
    ) -> Result<Ended, SessionError> {
        let about = session.about();
        let mut ended = self.backing(about.mode).end(req, session).await?;
        let now = self.clock.now();
        ended.still_good.retain(|_, until| now < *until);
        let handle = session.id.handle();
        self.observers.ended(&handle);
        let gone = self.forget(&Cookies::of(req), &handle, about, &ended.still_good);
        ended.cookies.add(gone);
        Ok(ended)
    }

    /// Ends the browser's previous session after a new sign-in and clears its cookies,
    /// so that none is mistaken for the new session's.
    pub(crate) async fn end_former(
        &self,
        req: &HttpRequest,
    ) -> (Result<Option<Ended>, SessionError>, SetCookies) {
        let mut set = SetCookies::from(cookies::forget_session(&Cookies::of(req)));
        let former = match self.open(req, Purpose::PEEK).await {
            Ok((former, changed)) => {
                set.append(changed);
                former
            }
            Err(error) => return (Err(error), set),
        };
        let Some(former) = former else {
            return (Ok(None), set);
        };
        let ended = self.end(req, &former).await.map(|mut ended| {
            set.append(std::mem::take(&mut ended.cookies));
            Some(ended)
        });
        (ended, set)
    }

    /// Ends another session of the same user, as [`list`](Self::list) names it.
    pub(crate) async fn end_other(
        &self,
        req: &HttpRequest,
        session: &Session,
        handle: &str,
    ) -> Result<Option<Ended>, SessionError> {
        let backing = self.backing(session.about().mode);
        backing.end_other(req, session, handle).await
    }

    /// Ends all sessions of `whose`, by a logout token that the provider issued at
    /// `logout_at`; returns how many were in the store.
    pub(crate) async fn end_all(
        &self,
        whose: Whose<'_>,
        logout_at: Timestamp,
    ) -> Result<usize, StoreError> {
        self.in_cookies.end_all(whose, logout_at);
        self.in_store.end_all(whose, logout_at).await
    }

    /// Ends the stored sessions of the provider's session `sid`, found by their user `sub`.
    pub(crate) async fn end_by_user(&self, sub: &str, sid: &str) -> Result<usize, StoreError> {
        self.in_store.end_by_user(sub, sid).await
    }

    /// The APIs for which a session that ended in this browser still has a valid access
    /// token, and until when.
    pub(crate) fn still_good(&self, req: &HttpRequest) -> Vec<(&'static Audience, Timestamp)> {
        let cookies = Cookies::of(req);
        let marker = cookies.get(cookies::ENDED);
        let named = marker.map(|marker| ended::still_good(marker, self.clock.now()));
        named.unwrap_or_default()
    }

    /// Removes the cookies of the session of `handle` from its browser, and marks it as
    /// ended there.
    pub(super) fn forget(
        &self,
        cookies: &Cookies<'_>,
        handle: &Handle,
        about: &About,
        still_good: &BTreeMap<String, Timestamp>,
    ) -> Vec<Cookie<'static>> {
        let mut gone = cookies::forget_session(cookies);
        if about.mode.has_token_cookies() {
            let before = cookies.get(cookies::ENDED);
            gone.extend(ended::marker(
                before,
                handle,
                about,
                still_good,
                &*self.clock,
            ));
        }
        gone
    }
}
