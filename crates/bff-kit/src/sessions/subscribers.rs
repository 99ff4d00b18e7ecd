//! Subscriptions to a session's events. An end in this process is an event at once.
//! The store's watch ([`store::Watch`]) reports every other change, and the subscriber
//! then reads the session again.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use kit::shutdown::Shutdown;
use parking_lot::Mutex;
use store::Watch;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use web_kit::client::AddrBucket;

use super::{id::Handle, observers::Observer};

/// The most subscriptions to one session; a newer one replaces the oldest. The
/// connection of a page that has gone is noticed late, and must not keep the next
/// page out.
const MAX_OF_A_SESSION: usize = 4;
/// The most subscriptions of one client address: enough for a classroom behind it.
const MAX_OF_AN_ADDRESS: usize = 256;
/// The most subscriptions of an app in a process. Each keeps a connection, of which
/// a process has [`kit::admission::Limits::connections`].
const MAX: usize = 768;
/// How many sessions are read again at once when everything may have changed.
const READ_AT_ONCE: usize = 16;

/// What can happen to a session. Of several at once the last one here is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SessionEvent {
    /// Nothing yet.
    #[default]
    None,
    /// The session may have changed: it is to be read again.
    Changed,
    /// The service is shutting down.
    Drain,
    /// Newer subscriptions to the same session have replaced this one.
    Replaced,
    /// The session has ended.
    Ended,
}

/// All subscriptions of one app in this process.
pub(crate) struct Subscriptions {
    subscribers: Arc<Subscribers>,
    reading: Semaphore,
    shutdown: Shutdown,
    /// `None`: the store is in this process itself, and so is every end.
    _watch: Option<Arc<Watch>>,
}

/// A subscription to one session, until it is dropped.
pub(crate) struct Subscription {
    subscribers: Arc<Subscribers>,
    handle: Handle,
    address: AddrBucket,
    number: u64,
    events: watch::Receiver<SessionEvent>,
    shutdown: Shutdown,
}

/// The open subscriptions, to which events are delivered.
#[derive(Default)]
pub(super) struct Subscribers {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// By session, the oldest first.
    senders: HashMap<Handle, VecDeque<Sender>>,
    /// How many by client address.
    of_address: HashMap<AddrBucket, usize>,
    count: usize,
    next: u64,
}

struct Sender {
    number: u64,
    events: watch::Sender<SessionEvent>,
}

impl Subscriptions {
    /// Of `subscribers`. The `watch`, which reports changes to them, lives as long.
    pub(super) fn new(
        subscribers: Arc<Subscribers>,
        watch: Option<Arc<Watch>>,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            subscribers,
            reading: Semaphore::new(READ_AT_ONCE),
            shutdown,
            _watch: watch,
        }
    }

    /// Subscribes the client at `address` to the session of `handle`; `None` where a
    /// bound is reached.
    pub(crate) fn subscribe(&self, handle: &Handle, address: AddrBucket) -> Option<Subscription> {
        let mut open = self.subscribers.open.lock();
        let own = open.of_address.get(&address).copied().unwrap_or(0);
        if open.count >= MAX || own >= MAX_OF_AN_ADDRESS {
            return None;
        }
        open.of_address.insert(address, own + 1);
        open.count += 1;
        open.next += 1;
        let number = open.next;
        let (sender, events) = watch::channel(SessionEvent::None);
        let senders = open.senders.entry(handle.clone()).or_default();
        senders.push_back(Sender {
            number,
            events: sender,
        });
        // Those before it have been replaced already.
        if let Some(surplus) = senders.iter().rev().nth(MAX_OF_A_SESSION) {
            surplus.send(SessionEvent::Replaced);
        }
        Some(Subscription {
            subscribers: self.subscribers.clone(),
            handle: handle.clone(),
            address,
            number,
            events,
            shutdown: self.shutdown.clone(),
        })
    }

    /// Waits for a turn to read the store: all subscribers would ask at once
    /// otherwise.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.reading.acquire().await.ok()
    }
}

impl Subscription {
    /// Its session.
    pub(crate) const fn session(&self) -> &Handle {
        &self.handle
    }

    /// Waits for the next event.
    pub(crate) async fn next(&mut self) -> SessionEvent {
        match self.shutdown.unless_begun(self.events.changed()).await {
            Some(_) => *self.events.borrow_and_update(),
            None => SessionEvent::Drain,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut open = self.subscribers.open.lock();
        open.count -= 1;
        if let Some(own) = open.of_address.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                open.of_address.remove(&self.address);
            }
        }
        if let Some(senders) = open.senders.get_mut(&self.handle) {
            senders.retain(|sender| sender.number != self.number);
            if senders.is_empty() {
                open.senders.remove(&self.handle);
            }
        }
    }
}

impl Sender {
    fn send(&self, event: SessionEvent) {
        self.events
            .send_modify(|pending| *pending = event.max(*pending));
    }
}

impl Subscribers {
    fn deliver(&self, handle: &Handle, event: SessionEvent) {
        if let Some(senders) = self.open.lock().senders.get(handle) {
            for sender in senders {
                sender.send(event);
            }
        }
    }
}

impl Observer for Subscribers {
    fn ended(&self, handle: &Handle) {
        self.deliver(handle, SessionEvent::Ended);
    }

    fn changed(&self, handle: &Handle) {
        self.deliver(handle, SessionEvent::Changed);
    }

    fn all_changed(&self) {
        let open = self.open.lock();
        for sender in open.senders.values().flatten() {
            sender.send(SessionEvent::Changed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use store::Watcher as _;
    use web_kit::client::ClientAddr;

    use super::{
        super::{id::RecordKeys, observers::Observers},
        *,
    };

    /// A store in this process.
    fn subscriptions() -> Subscriptions {
        let world = super::super::tests::world();
        Subscriptions::new(Arc::default(), None, world.deps.shutdown)
    }

    fn at(number: usize) -> AddrBucket {
        let number = u32::try_from(number).unwrap();
        ClientAddr::from(IpAddr::V4(number.into())).bucket()
    }

    fn here() -> AddrBucket {
        ClientAddr::UNKNOWN.bucket()
    }

    fn handle(letter: &str) -> Handle {
        Handle::read(&letter.repeat(43)).unwrap()
    }

    #[tokio::test]
    async fn events_reach_the_subscribers_of_the_session_alone() {
        let all = subscriptions();
        let (mut a, b) = (
            all.subscribe(&handle("a"), here()).unwrap(),
            all.subscribe(&handle("b"), here()).unwrap(),
        );
        let keys = RecordKeys::new("app1");
        let observers = Observers::new(keys.clone(), vec![all.subscribers.clone()]);
        observers.invalidate(&keys.key(&handle("a")));
        assert_eq!(a.next().await, SessionEvent::Changed);
        observers.invalidate("bff:app1:login:x");
        assert!(!b.events.has_changed().unwrap());
        observers.invalidate_all();
        assert!(a.events.has_changed().unwrap() && b.events.has_changed().unwrap());
    }

    #[tokio::test]
    async fn the_end_is_delivered_last() {
        let all = subscriptions();
        let mut subscription = all.subscribe(&handle("a"), here()).unwrap();
        all.subscribers.ended(&handle("a"));
        all.subscribers.all_changed();
        assert_eq!(subscription.next().await, SessionEvent::Ended);
    }

    #[tokio::test]
    async fn the_newest_of_a_session_replace_the_oldest() {
        let all = subscriptions();
        let mut joined: Vec<_> = (0..=MAX_OF_A_SESSION)
            .map(|_| all.subscribe(&handle("a"), here()).unwrap())
            .collect();
        assert_eq!(joined[0].next().await, SessionEvent::Replaced);
        assert!(!joined[1].events.has_changed().unwrap());
    }

    #[tokio::test]
    async fn a_process_has_a_limit_and_a_closed_subscription_makes_room() {
        let all = subscriptions();
        let each = |number| Handle::read(&format!("{number:0>43}")).unwrap();
        let mut joined: Vec<_> = (0..MAX)
            .map(|number| all.subscribe(&each(number), at(number)).unwrap())
            .collect();
        assert!(all.subscribe(&handle("b"), here()).is_none());
        joined.pop();
        assert!(all.subscribe(&handle("b"), here()).is_some());
        joined.clear();
        let open = all.subscribers.open.lock();
        assert!(open.count == 0 && open.senders.is_empty() && open.of_address.is_empty());
    }

    #[tokio::test]
    async fn an_address_has_a_limit_and_takes_no_room_from_others() {
        let all = subscriptions();
        let each = |number| Handle::read(&format!("{number:0>43}")).unwrap();
        let _joined: Vec<_> = (0..MAX_OF_AN_ADDRESS)
            .map(|number| all.subscribe(&each(number), here()).unwrap())
            .collect();
        assert!(all.subscribe(&handle("b"), here()).is_none());
        assert!(all.subscribe(&handle("b"), at(1)).is_some());
    }

    #[tokio::test]
    async fn a_drain_is_an_event_for_all() {
        let all = subscriptions();
        let mut subscription = all.subscribe(&handle("a"), here()).unwrap();
        all.shutdown.begin();
        assert_eq!(subscription.next().await, SessionEvent::Drain);
    }
}
