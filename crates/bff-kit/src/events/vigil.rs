//! One page's stream: what it says, and when it looks at the session.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use kit::clock::{Clock, Timestamp};

use crate::{
    sessions::{Kept, Listener, News, Session, Sessions},
    state::Bff,
};

/// How often something is said, so that no proxy takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The first words: when to come back after a break, in milliseconds, and a
/// comment that makes a proxy send the headers on.
const OPENING: &str = "retry: 2000\n: listening\n\n";

/// Watches over one session for one page.
pub(super) struct Vigil {
    sessions: Arc<Sessions>,
    clock: Arc<dyn Clock>,
    listener: Listener,
    /// Whether the session has a record that can be read again. Of one that is
    /// in cookies nobody but its browser knows how it stands.
    recorded: bool,
    /// When it ends unless it is used.
    expires_at: Timestamp,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    /// The session has to be read before anything else.
    Doubt,
    Quiet,
    Over,
}

impl Vigil {
    /// `listener` was there before this begins: so nothing is missed between
    /// the request's own look and the first one here.
    pub(super) fn new(bff: &Bff, session: &Session, listener: Listener) -> Self {
        Self {
            sessions: bff.sessions.clone(),
            clock: bff.clock.clone(),
            listener,
            recorded: matches!(session.kept, Kept::Stored(_)),
            expires_at: session.about().expires_at,
            stage: Stage::Opening,
        }
    }

    /// All that is said, to the end.
    pub(super) fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        unfold(self, async |mut vigil| {
            let said = vigil.next().await?;
            Some((Ok(Bytes::from(said)), vigil))
        })
    }

    async fn next(&mut self) -> Option<String> {
        if self.stage == Stage::Over {
            return None;
        }
        if self.stage == Stage::Opening {
            self.stage = self.doubt();
            return Some(OPENING.to_owned());
        }
        loop {
            if self.stage == Stage::Doubt && self.has_ended().await {
                return Some(self.last("ended"));
            }
            let left = self.clock.now().until(self.expires_at);
            let pause = match self.stage {
                // The store is away: no sooner than with the next heartbeat.
                Stage::Doubt => HEARTBEAT,
                _ => left.min(HEARTBEAT),
            };
            match tokio::time::timeout(pause, self.listener.news()).await {
                Ok(News::Ended) => return Some(self.last("ended")),
                Ok(News::Replaced) => return Some(self.last("replaced")),
                Ok(News::Drain) => return Some(self.last("drain")),
                Ok(News::Changed | News::None) => self.stage = self.doubt(),
                Err(_) => return self.beat(),
            }
        }
    }

    /// A heartbeat, or the end of a session's time.
    fn beat(&mut self) -> Option<String> {
        if self.clock.now() >= self.expires_at {
            if !self.recorded {
                // Its cookies may have been moved on: the browser comes back
                // with them, and is told how it stands.
                return None;
            }
            self.stage = Stage::Doubt;
        }
        Some(":\n\n".to_owned())
    }

    const fn doubt(&self) -> Stage {
        if self.recorded {
            Stage::Doubt
        } else {
            Stage::Quiet
        }
    }

    /// Reads the session again. While the store is away, nothing is known: the
    /// next heartbeat asks again.
    async fn has_ended(&mut self) -> bool {
        let listeners = self.sessions.listeners();
        let _turn = listeners.turn().await;
        let looked = self.sessions.shelf().look(self.listener.session()).await;
        if let Ok(Some(stored)) = &looked {
            self.expires_at = stored.record.about.expires_at;
            self.stage = Stage::Quiet;
        }
        matches!(looked, Ok(None))
    }

    fn last(&mut self, event: &str) -> String {
        self.stage = Stage::Over;
        let session = self.listener.session().as_str();
        format!("event: {event}\ndata: {session}\n\n")
    }
}
