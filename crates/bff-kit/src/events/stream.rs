//! One page's stream: what it sends, and when it reads the session again.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use kit::clock::{Clock, Timestamp};

use crate::sessions::{Session, SessionEvent, Sessions, Subscription};

/// How often something is sent, so that no proxy takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How many heartbeats before the stream ends and the page reconnects: a stream whose
/// reader has silently gone does not stay for ever.
const BEATS: u32 = 240;
/// The first lines: when to reconnect, in milliseconds, and a comment that makes a
/// proxy pass on the headers.
const OPENING: &str = "retry: 2000\n: listening\n\n";

/// The events of one session for one page.
pub(super) struct EventStream {
    sessions: Arc<Sessions>,
    clock: Arc<dyn Clock>,
    subscription: Subscription,
    /// Whether the session has a record that can be read again. Of one in cookies only
    /// its browser knows the state.
    recorded: bool,
    /// When it ends unless it is used.
    expires_at: Timestamp,
    stage: Stage,
    beats: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    /// The session has to be read before anything else.
    Doubt,
    Quiet,
    Over,
}

impl EventStream {
    /// `subscription` began before the first read here, so that nothing is missed
    /// between the request's own read and that one.
    pub(super) fn new(
        sessions: Arc<Sessions>,
        clock: Arc<dyn Clock>,
        session: &Session,
        subscription: Subscription,
    ) -> Self {
        Self {
            sessions,
            clock,
            subscription,
            recorded: session.has_record(),
            expires_at: session.about().expires_at,
            stage: Stage::Opening,
            beats: 0,
        }
    }

    /// All that is sent, to the end.
    pub(super) fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        unfold(self, async |mut stream| {
            let sent = stream.next().await?;
            Some((Ok(Bytes::from(sent)), stream))
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
            match tokio::time::timeout(pause, self.subscription.next()).await {
                Ok(SessionEvent::Ended) => return Some(self.last("ended")),
                Ok(SessionEvent::Replaced) => return Some(self.last("replaced")),
                Ok(SessionEvent::Drain) => return Some(self.last("drain")),
                Ok(SessionEvent::Changed | SessionEvent::None) => self.stage = self.doubt(),
                Err(_) => return self.beat(),
            }
        }
    }

    /// A heartbeat, or the end of a session's time.
    fn beat(&mut self) -> Option<String> {
        self.beats += 1;
        if self.beats > BEATS {
            // The browser comes back by itself.
            return None;
        }
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
        let _turn = self.sessions.subscriptions().turn().await;
        let expiry = self.sessions.expiry(self.subscription.session()).await;
        if let Ok(Some(expires_at)) = expiry {
            self.expires_at = expires_at;
            self.stage = Stage::Quiet;
        }
        matches!(expiry, Ok(None))
    }

    fn last(&mut self, event: &str) -> String {
        self.stage = Stage::Over;
        let session = self.subscription.session().as_str();
        format!("event: {event}\ndata: {session}\n\n")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::SeqCst;

    use kit::clock::ManualClock;
    use store::SharedStore;

    use super::*;
    use crate::{
        sessions::{
            SessionMode,
            tests::{Browser, IDLE, UNSIGNED, World, world},
        },
        watched::Watched,
    };

    /// A page whose stream has begun.
    struct Page {
        world: World,
        browser: Browser,
        stream: EventStream,
    }

    async fn page(mode: SessionMode) -> Page {
        page_in(world(), mode).await
    }

    async fn page_in(world: World, mode: SessionMode) -> Page {
        let browser = world.begin(&world.record(mode, UNSIGNED, Some("R0"))).await;
        let session = world.peek(&browser).await.unwrap();
        let here = web_kit::client::ClientAddr::UNKNOWN.bucket();
        let subscriptions = world.sessions.subscriptions();
        let subscription = subscriptions.subscribe(&session.id.handle(), here);
        let (sessions, clock) = (world.sessions.clone(), world.clock.clone());
        let mut stream = EventStream::new(sessions, clock, &session, subscription.unwrap());
        assert_eq!(stream.next().await.as_deref(), Some(OPENING));
        Page {
            world,
            browser,
            stream,
        }
    }

    impl Page {
        /// Hears that it is over, and then nothing.
        async fn hears(&mut self, event: &str) {
            let handle = self.browser.id().handle();
            let expected = format!("event: {event}\ndata: {}\n\n", handle.as_str());
            assert_eq!(self.stream.next().await, Some(expected));
            assert_eq!(self.stream.next().await, None);
        }

        /// The clock stands just before the session's time is over.
        fn is_nearly_over(&self) -> &ManualClock {
            let clock = &self.world.clock;
            clock.advance(IDLE.checked_sub(Duration::from_millis(20)).unwrap());
            clock
        }
    }

    #[actix_web::test]
    async fn an_end_in_this_process_is_told_in_every_mode() {
        for mode in SessionMode::ALL {
            let mut page = page(mode).await;
            let session = page.world.peek(&page.browser).await.unwrap();
            let req = page.browser.request("/logout");
            page.world.sessions.end(&req, &session).await.unwrap();
            page.hears("ended").await;
        }
    }

    #[actix_web::test]
    async fn an_end_between_the_requests_look_and_the_stream_is_not_missed() {
        let mut page = page(SessionMode::Stateful).await;
        // Elsewhere: nobody tells.
        let key = page.world.key(&page.browser);
        page.world.store.remove(&key).await.unwrap();
        page.hears("ended").await;
    }

    #[actix_web::test]
    async fn a_record_that_is_over_in_time_has_ended() {
        let mut page = page(SessionMode::Hybrid).await;
        let clock = page.is_nearly_over();
        clock.advance(Duration::from_millis(20));
        page.hears("ended").await;
    }

    #[actix_web::test]
    async fn a_session_that_was_moved_on_meanwhile_lives() {
        let mut page = page(SessionMode::Stateful).await;
        page.stream.stage = Stage::Quiet;
        page.is_nearly_over();
        assert!(page.world.extend(&page.browser).await);
        page.world.clock.advance(Duration::from_millis(20));
        assert_eq!(page.stream.next().await.as_deref(), Some(":\n\n"));
        assert!(page.stream.stage == Stage::Doubt);
        assert!(!page.stream.has_ended().await);
        assert!(page.stream.stage == Stage::Quiet);
    }

    #[actix_web::test]
    async fn of_a_session_in_cookies_the_browser_is_asked_again() {
        let mut page = page(SessionMode::Stateless).await;
        page.is_nearly_over().advance(Duration::from_millis(20));
        assert_eq!(page.stream.next().await, None);
    }

    #[actix_web::test]
    async fn nothing_is_told_while_the_store_is_away() {
        let memory = world().store;
        let store = Arc::new(Watched::new(memory));
        let nobody = token_verify::Issuer::new("http://idp.test", "http://127.0.0.1:9");
        let world = World::new(nobody, Some(Arc::clone(&store) as SharedStore));
        let mut page = page_in(world, SessionMode::Stateful).await;
        store.away.store(true, SeqCst);
        assert!(!page.stream.has_ended().await);
        assert!(page.stream.stage == Stage::Doubt);
        store.away.store(false, SeqCst);
        assert!(!page.stream.has_ended().await);
    }

    #[actix_web::test]
    async fn a_stream_ends_after_an_hour_and_the_browser_comes_again() {
        let mut page = page(SessionMode::Stateful).await;
        for _ in 0..BEATS {
            assert!(page.stream.beat().is_some());
        }
        assert_eq!(page.stream.beat(), None);
    }

    #[actix_web::test]
    async fn a_drain_ends_the_stream() {
        let mut page = page(SessionMode::Cached).await;
        page.world.deps.shutdown.begin();
        page.hears("drain").await;
    }
}
