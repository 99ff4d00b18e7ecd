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
    shares::{Bounds, Share, Shares},
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
/// The event streams of all journeys: an address, such as a class, leaves room for others.
const STREAMS: Bounds = Bounds {
    of_one: 256,
    together: 768,
    always: 4,
};

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
    /// The open event streams, by the address of their reader.
    streams: Shares,
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
    _share: Share,
}

impl Journeys {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            known: Mutex::default(),
            streams: Shares::new(STREAMS),
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
            self.end_idlest(&mut known, |_| 1);
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

    /// One more event stream of `recording` for a reader at `from`, unless there are too many
    /// of the journey, of the address or together.
    pub(super) fn listen(&self, recording: Arc<Recording>, from: AddrBucket) -> Option<Listener> {
        recording.listen(self.streams.take(from)?)
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
            self.end_idlest(&mut known, Recording::bytes);
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

    /// Ends one journey of the address that has the most, by what each journey takes: the
    /// one that was idle longest.
    fn end_idlest(
        &self,
        known: &mut HashMap<JourneyTag, Arc<Recording>>,
        takes: impl Fn(&Recording) -> usize,
    ) {
        let mut of_address = HashMap::<_, usize>::new();
        for one in known.values() {
            *of_address.entry(one.address).or_default() += takes(one);
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

    /// The bytes of its steps.
    fn bytes(&self) -> usize {
        self.steps.lock().bytes
    }

    /// When the journey began, in microseconds since 1970.
    pub(super) const fn started(&self) -> i64 {
        self.started
    }

    /// One more event stream, unless the journey has too many.
    fn listen(self: Arc<Self>, share: Share) -> Option<Listener> {
        let open = self.streams.fetch_add(1, Ordering::AcqRel);
        // Its end counts it down.
        let listener = Listener {
            changed: self.changed.subscribe(),
            recording: self,
            _share: share,
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
mod tests;
