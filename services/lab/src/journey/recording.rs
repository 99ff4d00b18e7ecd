//! The journeys that the lab knows: bounded in number, in steps, in bytes and in time.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use kit::{
    clock::{Clock, Timestamp},
    journey::{JourneyTag, LIFE},
    net::AddrBucket,
    telemetry::JourneySpan,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::step::step_of;

/// The most journeys.
const MAX_JOURNEYS: usize = 200;
/// The most steps of one journey.
const MAX_STEPS: usize = 5_000;
/// The most bytes of the steps of one journey.
const MAX_BYTES: usize = 8 << 20;
/// The most bytes of the steps of all journeys.
const MAX_TOTAL: i64 = 128 << 20;
/// The most event streams of one journey.
const MAX_STREAMS: usize = 8;

/// Why no more steps follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// Its user ended it, or it was idle for too long.
    Ended,
    /// It has as many steps as a journey may have.
    Full,
}

/// All journeys of this process.
pub(super) struct Journeys {
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<JourneyTag, Arc<Recording>>>,
    /// The bytes of all steps. Signed: an end may be subtracted before its last step is added.
    total: AtomicI64,
}

/// One journey's steps.
pub(super) struct Recording {
    tag: JourneyTag,
    /// Where its browser is.
    address: AddrBucket,
    /// Its start, in µs since 1970.
    started: i64,
    /// The last use, in seconds since 1970.
    used: AtomicI64,
    steps: Mutex<Steps>,
    changed: watch::Sender<()>,
    streams: AtomicUsize,
}

#[derive(Default)]
struct Steps {
    /// Each step as JSON. Readers share the texts.
    texts: Vec<Arc<str>>,
    bytes: usize,
    closed: Option<Closed>,
}

/// One open event stream of a journey.
pub(super) struct Listener {
    recording: Arc<Recording>,
    changed: watch::Receiver<()>,
}

impl Journeys {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            known: Mutex::default(),
            total: AtomicI64::new(0),
        }
    }

    /// Begins the journey `tag` for a browser at `address`. If there are too many, one ends:
    /// of the address that has the most, the one that was idle longest.
    pub(super) fn begin(&self, tag: JourneyTag, address: AddrBucket) {
        let now = self.clock.now();
        let mut known = self.known.lock();
        self.end_old(&mut known, now);
        while known.len() >= MAX_JOURNEYS {
            self.end_idlest(&mut known);
        }
        known.insert(tag, Arc::new(Recording::new(tag, address, now)));
    }

    /// The journey `tag`, if it is known. Asking counts as a use.
    pub(super) fn find(&self, tag: JourneyTag) -> Option<Arc<Recording>> {
        let now = self.clock.now();
        let mut known = self.known.lock();
        self.end_old(&mut known, now);
        let found = known.get(&tag)?;
        found.used.store(now.secs(), Ordering::Relaxed);
        Some(Arc::clone(found))
    }

    /// Ends the journey `tag`: its steps are forgotten.
    pub(super) fn end(&self, tag: JourneyTag) {
        self.forget(&mut self.known.lock(), tag);
    }

    /// Adds the step that `span` tells of to its journey, if that is known.
    pub(super) fn record(&self, span: &JourneySpan) {
        let Some(recording) = span.journey().and_then(|tag| self.find(tag)) else {
            return;
        };
        let added = signed(recording.add(span));
        if self.total.fetch_add(added, Ordering::Relaxed) + added <= MAX_TOTAL {
            return;
        }
        let mut known = self.known.lock();
        while self.total.load(Ordering::Relaxed) > MAX_TOTAL && known.len() > 1 {
            self.end_idlest(&mut known);
        }
    }

    fn end_old(&self, known: &mut HashMap<JourneyTag, Arc<Recording>>, now: Timestamp) {
        let life = i64::try_from(LIFE.as_secs()).unwrap_or(i64::MAX);
        let is_old = |one: &Recording| one.used.load(Ordering::Relaxed) + life <= now.secs();
        let old: Vec<_> = known
            .values()
            .filter(|one| is_old(one))
            .map(|one| one.tag)
            .collect();
        for tag in old {
            self.forget(known, tag);
        }
    }

    fn end_idlest(&self, known: &mut HashMap<JourneyTag, Arc<Recording>>) {
        let mut of_address = HashMap::<_, usize>::new();
        for one in known.values() {
            *of_address.entry(one.address).or_default() += 1;
        }
        let most = of_address.values().copied().max();
        let of_most = known
            .values()
            .filter(|one| of_address.get(&one.address).copied() == most);
        let idlest = of_most.min_by_key(|one| (one.used.load(Ordering::Relaxed), one.started));
        if let Some(tag) = idlest.map(|one| one.tag) {
            self.forget(known, tag);
        }
    }

    fn forget(&self, known: &mut HashMap<JourneyTag, Arc<Recording>>, tag: JourneyTag) {
        if let Some(recording) = known.remove(&tag) {
            let freed = signed(recording.close());
            self.total.fetch_sub(freed, Ordering::Relaxed);
        }
    }
}

impl Recording {
    fn new(tag: JourneyTag, address: AddrBucket, now: Timestamp) -> Self {
        Self {
            tag,
            address,
            started: now.millis() * 1_000,
            used: AtomicI64::new(now.secs()),
            steps: Mutex::default(),
            changed: watch::Sender::new(()),
            streams: AtomicUsize::new(0),
        }
    }

    /// Adds a step. Returns how many bytes it takes.
    fn add(&self, span: &JourneySpan) -> usize {
        let added = self.steps.lock().add(span);
        self.changed.send_replace(());
        added
    }

    /// No more steps follow, and those that are known are forgotten. Returns how many bytes
    /// are no longer needed.
    fn close(&self) -> usize {
        let mut steps = self.steps.lock();
        steps.closed = Some(Closed::Ended);
        steps.texts = Vec::new();
        let freed = std::mem::take(&mut steps.bytes);
        drop(steps);
        self.changed.send_replace(());
        freed
    }

    /// At most `most` steps after the step number `after`, and what follows if there are none.
    pub(super) fn after(&self, after: usize, most: usize) -> (Vec<Arc<str>>, Option<Closed>) {
        let steps = self.steps.lock();
        let rest = steps.texts.iter().skip(after).take(most);
        let found: Vec<_> = rest.map(Arc::clone).collect();
        let closed = steps.closed.filter(|_| found.is_empty());
        (found, closed)
    }

    /// When the journey began, in microseconds since 1970.
    pub(super) const fn started(&self) -> i64 {
        self.started
    }

    /// One more event stream, unless there are too many.
    pub(super) fn listen(self: Arc<Self>) -> Option<Listener> {
        let open = self.streams.fetch_add(1, Ordering::AcqRel);
        // Its end counts it down.
        let listener = Listener {
            changed: self.changed.subscribe(),
            recording: self,
        };
        (open < MAX_STREAMS).then_some(listener)
    }
}

impl Steps {
    fn add(&mut self, span: &JourneySpan) -> usize {
        if self.closed.is_some() {
            return 0;
        }
        if self.texts.len() == MAX_STEPS {
            self.closed = Some(Closed::Full);
            return 0;
        }
        // Texts, numbers and lists have a JSON form.
        let step = serde_json::to_string(&step_of(span, self.texts.len() + 1)).unwrap_or_default();
        if self.bytes + step.len() > MAX_BYTES {
            self.closed = Some(Closed::Full);
            return 0;
        }
        self.bytes += step.len();
        let added = step.len();
        self.texts.push(step.into());
        added
    }
}

impl Listener {
    /// The journey.
    pub(super) fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Waits for the next change.
    pub(super) async fn changed(&mut self) {
        // The sender lives as long as the recording, which is held here.
        let _ = self.changed.changed().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.recording.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kit::{
        clock::ManualClock,
        telemetry::names::{JOURNEY, span},
    };

    use super::*;

    const HERE: AddrBucket = AddrBucket::UNKNOWN;
    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn tag(number: usize) -> JourneyTag {
        format!("{number:032x}").parse().unwrap()
    }

    fn span_of(number: usize) -> JourneySpan {
        JourneySpan {
            service: "app1-bff".to_owned(),
            name: span::ID_TOKEN_CHECK.to_owned(),
            attributes: vec![(JOURNEY.to_owned(), tag(number).to_string())],
            ..JourneySpan::default()
        }
    }

    fn journeys() -> (Arc<ManualClock>, Journeys) {
        let clock = Arc::new(ManualClock::new(NOW));
        let journeys = Journeys::new(Arc::<ManualClock>::clone(&clock));
        (clock, journeys)
    }

    #[test]
    fn a_span_is_a_step_of_its_own_journey_and_of_none_that_is_unknown() {
        let (_, journeys) = journeys();
        journeys.begin(tag(1), HERE);
        journeys.begin(tag(2), HERE);
        for number in [1, 3, 1] {
            journeys.record(&span_of(number));
        }
        let one = journeys.find(tag(1)).unwrap();
        let (steps, closed) = one.after(0, 10);
        assert_eq!((steps.len(), closed), (2, None));
        assert!(steps[1].contains("\"seq\":2"), "{}", steps[1]);
        assert_eq!(one.after(1, 10).0.len(), 1);
        assert!(journeys.find(tag(2)).unwrap().after(0, 1).0.is_empty());
        assert!(journeys.find(tag(3)).is_none());
        assert_eq!(one.started(), NOW.millis() * 1_000);
    }

    #[test]
    fn the_idlest_journey_makes_room() {
        let (clock, journeys) = journeys();
        for number in 0..MAX_JOURNEYS {
            journeys.begin(tag(number), HERE);
        }
        clock.advance(Duration::from_secs(60));
        journeys.record(&span_of(0));
        journeys.begin(tag(MAX_JOURNEYS), HERE);
        assert!(journeys.find(tag(0)).is_some());
        assert_eq!(journeys.known.lock().len(), MAX_JOURNEYS);
    }

    #[test]
    fn an_address_with_many_journeys_ends_its_own_alone() {
        let (clock, journeys) = journeys();
        let there = AddrBucket::of("192.0.2.7".parse().unwrap());
        journeys.begin(tag(0), HERE);
        clock.advance(Duration::from_secs(60));
        for number in 1..=2 * MAX_JOURNEYS {
            // Of two that began together either may end first.
            clock.advance(Duration::from_millis(1));
            journeys.begin(tag(number), there);
        }
        assert!(journeys.find(tag(0)).is_some());
        assert!(journeys.find(tag(1)).is_none());
    }

    #[test]
    fn a_journey_ends_when_its_user_says_so_or_after_two_hours_without_use() {
        let (clock, journeys) = journeys();
        journeys.begin(tag(1), HERE);
        journeys.begin(tag(2), HERE);
        journeys.record(&span_of(1));
        let one = journeys.find(tag(1)).unwrap();
        journeys.end(tag(1));
        assert_eq!(one.after(1, 10), (Vec::new(), Some(Closed::Ended)));
        assert_eq!(journeys.total.load(Ordering::Relaxed), 0);
        assert!(journeys.find(tag(1)).is_none());
        clock.advance(LIFE);
        assert!(journeys.find(tag(2)).is_none());
    }

    #[test]
    fn a_journey_is_full_after_so_many_steps() {
        let (_, journeys) = journeys();
        journeys.begin(tag(1), HERE);
        for _ in 0..=MAX_STEPS {
            journeys.record(&span_of(1));
        }
        let one = journeys.find(tag(1)).unwrap();
        let all = one.after(0, usize::MAX);
        assert_eq!((all.0.len(), all.1), (MAX_STEPS, None));
        assert_eq!(one.after(MAX_STEPS, 1).1, Some(Closed::Full));
    }

    #[test]
    fn a_journey_has_so_many_streams_and_a_closed_one_makes_room() {
        let (_, journeys) = journeys();
        journeys.begin(tag(1), HERE);
        let listen = || journeys.find(tag(1)).unwrap().listen();
        let mut open: Vec<_> = (0..MAX_STREAMS).map_while(|_| listen()).collect();
        assert_eq!(open.len(), MAX_STREAMS);
        assert!(listen().is_none());
        open.pop();
        assert!(listen().is_some());
    }
}
