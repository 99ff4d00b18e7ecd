//! One page's event stream (server-sent events, HTML standard §9.2), and a whole recording.
//! Both read the journey's steps piece by piece, so a slow reader holds back nothing.

use std::{convert::Infallible, fmt::Write as _, time::Duration};

use actix_web::web::Bytes;
use futures_util::stream::{Stream, unfold};
use kit::shutdown::Shutdown;

use super::recording::{Closed, Listener};

/// How often something is sent, so that no proxy takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How many heartbeats before the stream ends and the page reconnects.
const BEATS: u32 = 240;
/// The most steps in one piece.
const PIECE: usize = 64;
/// When to reconnect, in milliseconds, and a comment that makes a proxy pass on the headers.
const OPENING: &str = "retry: 1000\n: listening\n\n";

/// All steps so far as one JSON object, piece by piece.
pub(super) fn recording(listener: Listener) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let started = listener.recording().started();
    let head = format!("{{\"version\":1,\"started\":{started},\"steps\":[");
    unfold(Some((listener, 0, Some(head))), async |rest| {
        let (listener, sent, head) = rest?;
        let is_first = head.is_some();
        let mut piece = head.unwrap_or_default();
        let (steps, _) = listener.recording().after(sent, PIECE);
        for (at, step) in steps.iter().enumerate() {
            if !is_first || at > 0 {
                piece.push(',');
            }
            piece.push_str(step);
        }
        if steps.is_empty() {
            piece.push_str("]}\n");
            return Some((Ok(Bytes::from(piece)), None));
        }
        let sent = sent + steps.len();
        Some((Ok(Bytes::from(piece)), Some((listener, sent, None))))
    })
}

/// The events of one journey for one page.
pub(super) struct EventStream {
    listener: Listener,
    shutdown: Shutdown,
    /// The number of the last step that was sent.
    sent: usize,
    beats: u32,
    is_open: bool,
    is_over: bool,
}

impl EventStream {
    /// `after` is the number of the last step that the page has.
    pub(super) fn new(listener: Listener, shutdown: Shutdown, after: usize) -> Self {
        Self {
            listener,
            shutdown,
            sent: after,
            beats: 0,
            is_open: false,
            is_over: false,
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
        if self.is_over || self.beats > BEATS {
            return None;
        }
        if !std::mem::replace(&mut self.is_open, true) {
            return Some(OPENING.to_owned());
        }
        loop {
            if let Some(piece) = self.piece() {
                return Some(piece);
            }
            let waiting = self.shutdown.unless_begun(self.listener.changed());
            match tokio::time::timeout(HEARTBEAT, waiting).await {
                Ok(Some(())) => {}
                // The page comes back by itself, when the lab is there again.
                Ok(None) => return None,
                Err(_) => {
                    self.beats += 1;
                    return Some(":\n\n".to_owned());
                }
            }
        }
    }

    /// The steps that were not sent yet, or the last event.
    fn piece(&mut self) -> Option<String> {
        let (steps, closed) = self.listener.recording().after(self.sent, PIECE);
        match closed {
            Some(closed) => return Some(self.last(closed)),
            None if steps.is_empty() => return None,
            None => {}
        }
        let mut piece = String::new();
        for step in steps {
            self.sent += 1;
            let _ = write!(piece, "event: step\nid: {}\ndata: {step}\n\n", self.sent);
        }
        Some(piece)
    }

    fn last(&mut self, closed: Closed) -> String {
        self.is_over = true;
        let reason = match closed {
            Closed::Ended => "ended",
            Closed::Full => "full",
        };
        format!("event: end\ndata: {{\"reason\":\"{reason}\"}}\n\n")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::StreamExt as _;
    use kit::{
        clock::SystemClock,
        journey::JourneyTag,
        net::AddrBucket,
        telemetry::{
            JourneySpan,
            names::{JOURNEY, span},
        },
    };

    use super::{super::recording::Journeys, *};

    struct World {
        journeys: Journeys,
        shutdown: Shutdown,
    }

    fn tag() -> JourneyTag {
        "0af7651916cd43dd8448eb211c80319c".parse().unwrap()
    }

    impl World {
        fn new() -> Self {
            let journeys = Journeys::new(Arc::new(SystemClock));
            journeys.begin(tag(), AddrBucket::UNKNOWN);
            let shutdown = Shutdown::new();
            Self { journeys, shutdown }
        }

        fn step(&self) {
            self.journeys.record(&JourneySpan {
                name: span::ID_TOKEN_CHECK.to_owned(),
                attributes: vec![(JOURNEY.to_owned(), tag().to_string())],
                ..JourneySpan::default()
            });
        }

        fn listener(&self) -> Listener {
            let found = self.journeys.find(tag()).unwrap();
            self.journeys.listen(found, AddrBucket::UNKNOWN).unwrap()
        }

        async fn stream(&self, after: usize) -> EventStream {
            let listener = self.listener();
            let mut stream = EventStream::new(listener, self.shutdown.clone(), after);
            assert_eq!(stream.next().await.as_deref(), Some(OPENING));
            stream
        }
    }

    #[actix_web::test]
    async fn each_step_is_sent_once_and_a_page_that_comes_back_gets_the_rest() {
        let world = World::new();
        world.step();
        world.step();
        let mut stream = world.stream(0).await;
        let both = stream.next().await.unwrap();
        assert!(
            both.starts_with("event: step\nid: 1\ndata: {\"seq\":1,"),
            "{both}"
        );
        assert!(both.contains("\n\nevent: step\nid: 2\n"), "{both}");
        world.step();
        let third = stream.next().await.unwrap();
        assert!(third.starts_with("event: step\nid: 3\n"), "{third}");
        let mut again = world.stream(2).await;
        assert_eq!(again.next().await, Some(third));
    }

    #[actix_web::test]
    async fn the_end_of_the_journey_is_the_last_event() {
        let world = World::new();
        world.step();
        let mut stream = world.stream(0).await;
        assert!(stream.next().await.unwrap().starts_with("event: step\n"));
        world.step();
        world.journeys.end(tag());
        let last = stream.next().await;
        let expected = "event: end\ndata: {\"reason\":\"ended\"}\n\n";
        assert_eq!(last.as_deref(), Some(expected));
        assert_eq!(stream.next().await, None);
    }

    #[actix_web::test]
    async fn a_recording_is_one_json_object_of_all_steps() {
        for count in [0, 1, PIECE, 2 * PIECE + 1] {
            let world = World::new();
            for _ in 0..count {
                world.step();
            }
            let listener = world.listener();
            let pieces: Vec<_> = recording(listener).map(Result::unwrap).collect().await;
            assert!(pieces.len() > count / PIECE);
            let whole: serde_json::Value = serde_json::from_slice(&pieces.concat()).unwrap();
            let steps = whole["steps"].as_array().unwrap();
            assert_eq!(steps.len(), count);
            assert!(steps.iter().zip(1..).all(|(step, seq)| step["seq"] == seq));
        }
    }

    #[actix_web::test]
    async fn a_drain_ends_the_stream() {
        let world = World::new();
        let mut stream = world.stream(0).await;
        world.shutdown.begin();
        assert_eq!(stream.next().await, None);
    }
}
