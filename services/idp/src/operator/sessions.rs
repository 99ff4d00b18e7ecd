//! `sso.idp.v1.Sessions`: lists and ends login sessions.

use std::{collections::BTreeSet, sync::Arc};

use kit::clock::Timestamp;
use sso_proto::idp::{
    EndSessionsRequest, EndSessionsResponse, ListSessionsRequest, ListSessionsResponse,
    LoginSession as ListedSession, end_sessions_request::Which, sessions_server::Sessions,
};
use store::StoreError;
use tonic::{Request, Response, Status};
use web_kit::device;

use super::Service;
use crate::{
    Idp, audit,
    domain::EndReason,
    records::{ChangeError, RecordError},
    session_index::{self, SessionName},
    sessions,
    settings::User,
};

/// The default size of a page.
const PAGE: usize = 100;
/// The largest size of a page.
const MAX_PAGE: usize = 200;

impl Service {
    fn user(&self, name: &str) -> Result<&User, Status> {
        let user = self.idp.settings.user_by_name_or_sub(name);
        user.ok_or_else(|| Status::not_found("no such user"))
    }

    async fn listed(&self, name: &SessionName) -> Result<Option<ListedSession>, Status> {
        let idp = &*self.idp;
        let Some(login) = sessions::live(idp, &name.sid).await.map_err(unavailable)? else {
            return Ok(None);
        };
        let clients = session_index::clients_of(idp, &name.sid)
            .await
            .map_err(store_unavailable)?;
        let user = idp.settings.user(&login.sub);
        Ok(Some(ListedSession {
            username: user.map(|user| user.username.clone()).unwrap_or_default(),
            began_at: login.began().secs(),
            expires_at: login.expires_at.secs(),
            device: device::in_words(login.user_agent.as_deref()),
            clients: clients.into_iter().map(|(id, _)| id).collect(),
            sid: login.sid,
            sub: login.sub,
        }))
    }
}

#[tonic::async_trait]
impl Sessions for Service {
    async fn list(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        self.check(&request)?;
        let request = request.into_inner();
        let sub = match request.user.as_str() {
            "" => None,
            name => Some(self.user(name)?.sub.as_str()),
        };
        audit::operator_listed(sub);
        let from = Cursor::parse(&request.page_token)?;
        let size = match usize::try_from(request.page_size).unwrap_or(MAX_PAGE) {
            0 => PAGE,
            size => size.min(MAX_PAGE),
        };
        let (names, next) = page(&self.idp, sub, from, size)
            .await
            .map_err(store_unavailable)?;
        let mut found = Vec::new();
        for name in &names {
            found.extend(self.listed(name).await?);
        }
        Ok(Response::new(ListSessionsResponse {
            sessions: found,
            next_page_token: next.map(|cursor| cursor.text()).unwrap_or_default(),
        }))
    }

    async fn end(
        &self,
        request: Request<EndSessionsRequest>,
    ) -> Result<Response<EndSessionsResponse>, Status> {
        self.check(&request)?;
        let idp = Arc::clone(&self.idp);
        let ended = match request.into_inner().which {
            Some(Which::User(name)) => {
                let sub = self.user(&name)?.sub.clone();
                // A task of its own: all sessions end even if the caller disconnects.
                let ending = tokio::spawn(async move {
                    sessions::end_all_of(&idp, &sub, None, EndReason::Operator).await
                });
                ending
                    .await
                    .map_err(|error| Status::internal(error.to_string()))?
            }
            Some(Which::Sid(sid)) => {
                if sessions::live(&idp, &sid)
                    .await
                    .map_err(unavailable)?
                    .is_none()
                {
                    return Err(Status::not_found("no such session"));
                }
                sessions::end(&idp, &sid, EndReason::Operator).await
            }
            None => return Err(Status::invalid_argument("name a user or a sid")),
        };
        let ended = ended.map_err(|error| match error {
            ChangeError::Record(error) => unavailable(error),
            other => Status::unavailable(other.to_string()),
        })?;
        let count = ended.sessions;
        ended.notified().await;
        Ok(Response::new(EndSessionsResponse {
            ended: u32::try_from(count).unwrap_or(u32::MAX),
        }))
    }
}

/// The last session of a page. The next page has the sessions that end later, or at the
/// same time with a greater `sid`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    at: Timestamp,
    sid: String,
}

impl Cursor {
    fn text(&self) -> String {
        format!("{}.{}", self.at.millis(), self.sid)
    }

    fn parse(text: &str) -> Result<Self, Status> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let parsed = text.split_once('.').and_then(|(at, sid)| {
            let (at, sid) = (Timestamp::from_millis(at.parse().ok()?), sid.to_owned());
            Some(Self { at, sid })
        });
        parsed.ok_or_else(|| Status::invalid_argument("page_token: invalid"))
    }
}

/// The sessions after `from`, and the cursor of the next page.
async fn page(
    idp: &Idp,
    sub: Option<&str>,
    from: Cursor,
    size: usize,
) -> Result<(Vec<SessionName>, Option<Cursor>), StoreError> {
    // Expired sessions are left to the worker.
    let start = from.at.max(idp.now());
    let mut limit = size + 1;
    loop {
        let found = session_index::ending_from(idp, sub, start, limit).await?;
        let is_all = found.len() < limit;
        let sids = |(name, at): (SessionName, _)| (Cursor { at, sid: name.sid }, name.sub);
        let after: BTreeSet<_> = found.into_iter().map(sids).collect();
        let after: Vec<_> = after.into_iter().filter(|(at, _)| *at > from).collect();
        // Many sessions may end at the time of the cursor.
        if after.len() <= size && !is_all {
            limit *= 2;
            continue;
        }
        let has_more = after.len() > size;
        let mut last = None;
        let mut names = Vec::new();
        for (cursor, sub) in after.into_iter().take(size) {
            let sid = cursor.sid.clone();
            last = Some(cursor);
            names.push(SessionName { sid, sub });
        }
        return Ok((names, last.filter(|_| has_more)));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unavailable(error: RecordError) -> Status {
    tracing::warn!("{error}");
    Status::unavailable("the store is unavailable; try again")
}

fn store_unavailable(error: StoreError) -> Status {
    unavailable(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        let cursor = Cursor {
            at: Timestamp::from_millis(1234),
            sid: "a.b".into(),
        };
        assert_eq!(Cursor::parse(&cursor.text()).unwrap(), cursor);
        assert_eq!(Cursor::parse("").unwrap(), Cursor::default());
        for wrong in ["x", "x.y", "12"] {
            assert!(Cursor::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn fuzz_page_tokens() {
        fuzz::run_text(&["1234.a.b", "", "-1.", "x.y"], |text| {
            if let Ok(cursor) = Cursor::parse(text) {
                assert_eq!(Cursor::parse(&cursor.text()).unwrap(), cursor);
            }
        });
    }
}
