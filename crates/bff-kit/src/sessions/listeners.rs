//! Who wants to hear when a session ends. What ends in this process is told
//! here at once; of all else the store tells ([`store::Watch`]) that something
//! changed, and whoever listens reads the session again.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use kit::shutdown::Shutdown;
use parking_lot::Mutex;
use store::{Watch, Watcher};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use web_kit::client::AddrBucket;

use super::Handle;

/// The most listeners of one session: the newest. The connection of a page that
/// has gone is noticed late, and must not keep the next page out.
const MAX_OF_A_SESSION: usize = 4;
/// The most listeners at one client address: more than a class behind one has.
const MAX_OF_AN_ADDRESS: usize = 256;
/// The most listeners of an app in a process. Each keeps a connection, of which
/// a process has [`kit::admission::Limits::connections`].
const MAX: usize = 768;
/// How many of them read their sessions at once when everything may have changed.
const READ_AT_ONCE: usize = 16;

/// What a listener hears. The last one is heard where several come at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum News {
    /// Nothing yet.
    #[default]
    None,
    /// The session may have changed: it is to be read again.
    Changed,
    /// The service drains.
    Drain,
    /// Newer ones of the same session have taken this one's place.
    Replaced,
    /// The session has ended.
    Ended,
}

/// All listeners of one app in this process.
pub(crate) struct Listeners {
    ears: Arc<Ears>,
    reading: Semaphore,
    shutdown: Shutdown,
    /// `None`: the store is in this process itself, and so is every end.
    _watch: Option<Arc<Watch>>,
}

/// One of them, until it is dropped.
pub(crate) struct Listener {
    ears: Arc<Ears>,
    handle: Handle,
    address: AddrBucket,
    number: u64,
    news: watch::Receiver<News>,
    shutdown: Shutdown,
}

/// Where the store tells what changes.
pub(super) struct Ears {
    prefix: String,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// By session, the oldest first.
    ears: HashMap<Handle, VecDeque<Ear>>,
    /// How many by client address.
    of_address: HashMap<AddrBucket, usize>,
    count: usize,
    next: u64,
}

struct Ear {
    number: u64,
    news: watch::Sender<News>,
}

impl Listeners {
    /// With `ears`, to which `watch` tells what changes.
    pub(super) fn new(ears: Arc<Ears>, watch: Option<Arc<Watch>>, shutdown: Shutdown) -> Self {
        Self {
            ears,
            reading: Semaphore::new(READ_AT_ONCE),
            shutdown,
            _watch: watch,
        }
    }

    /// Listens for `handle` at `address`; `None` where a bound is reached.
    pub(crate) fn join(&self, handle: &Handle, address: AddrBucket) -> Option<Listener> {
        let mut open = self.ears.open.lock();
        let own = open.of_address.get(&address).copied().unwrap_or(0);
        if open.count >= MAX || own >= MAX_OF_AN_ADDRESS {
            return None;
        }
        open.of_address.insert(address, own + 1);
        open.count += 1;
        open.next += 1;
        let number = open.next;
        let (sender, news) = watch::channel(News::None);
        let ears = open.ears.entry(handle.clone()).or_default();
        let ear = Ear {
            number,
            news: sender,
        };
        ears.push_back(ear);
        // Those before it have been told already.
        if let Some(surplus) = ears.iter().rev().nth(MAX_OF_A_SESSION) {
            surplus.hear(News::Replaced);
        }
        Some(Listener {
            ears: self.ears.clone(),
            handle: handle.clone(),
            address,
            number,
            news,
            shutdown: self.shutdown.clone(),
        })
    }

    /// Tells that the session of `handle` has ended.
    pub(super) fn ended(&self, handle: &Handle) {
        self.ears.tell(handle, News::Ended);
    }

    /// A listener's turn to read the store: they would all ask at once otherwise.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.reading.acquire().await.ok()
    }
}

impl Listener {
    /// The session that it listens for.
    pub(crate) const fn session(&self) -> &Handle {
        &self.handle
    }

    /// Waits for news.
    pub(crate) async fn news(&mut self) -> News {
        match self.shutdown.unless_begun(self.news.changed()).await {
            Some(_) => *self.news.borrow_and_update(),
            None => News::Drain,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut open = self.ears.open.lock();
        open.count -= 1;
        if let Some(own) = open.of_address.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                open.of_address.remove(&self.address);
            }
        }
        if let Some(ears) = open.ears.get_mut(&self.handle) {
            ears.retain(|ear| ear.number != self.number);
            if ears.is_empty() {
                open.ears.remove(&self.handle);
            }
        }
    }
}

impl Ear {
    fn hear(&self, news: News) {
        self.news.send_modify(|heard| *heard = news.max(*heard));
    }
}

impl Ears {
    /// Of the sessions whose keys begin with `prefix`.
    pub(super) fn new(prefix: &str) -> Arc<Self> {
        Arc::new(Self {
            prefix: prefix.to_owned(),
            open: Mutex::default(),
        })
    }

    fn tell(&self, handle: &Handle, news: News) {
        if let Some(ears) = self.open.lock().ears.get(handle) {
            for ear in ears {
                ear.hear(news);
            }
        }
    }
}

impl Watcher for Ears {
    fn invalidate(&self, key: &str) {
        if let Some(handle) = key.strip_prefix(&self.prefix).and_then(Handle::read) {
            self.tell(&handle, News::Changed);
        }
    }

    fn invalidate_all(&self) {
        let open = self.open.lock();
        for ear in open.ears.values().flatten() {
            ear.hear(News::Changed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use web_kit::client::ClientAddr;

    use super::*;

    const PREFIX: &str = "bff:app1:session:";

    /// A store in this process.
    fn listeners() -> Listeners {
        let world = super::super::tests::world();
        Listeners::new(Ears::new(PREFIX), None, world.ground.shutdown)
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
    async fn news_reach_those_of_the_session_alone() {
        let all = listeners();
        let (mut a, b) = (
            all.join(&handle("a"), here()).unwrap(),
            all.join(&handle("b"), here()).unwrap(),
        );
        all.ears
            .invalidate(&format!("{PREFIX}{}", handle("a").as_str()));
        assert_eq!(a.news().await, News::Changed);
        all.ears.invalidate("bff:app1:login:x");
        assert!(!b.news.has_changed().unwrap());
        all.ears.invalidate_all();
        assert!(a.news.has_changed().unwrap() && b.news.has_changed().unwrap());
    }

    #[tokio::test]
    async fn the_end_is_the_last_word() {
        let all = listeners();
        let mut listener = all.join(&handle("a"), here()).unwrap();
        all.ended(&handle("a"));
        all.ears.invalidate_all();
        assert_eq!(listener.news().await, News::Ended);
    }

    #[tokio::test]
    async fn the_newest_of_a_session_replace_the_oldest() {
        let all = listeners();
        let mut joined: Vec<_> = (0..=MAX_OF_A_SESSION)
            .map(|_| all.join(&handle("a"), here()).unwrap())
            .collect();
        assert_eq!(joined[0].news().await, News::Replaced);
        assert!(!joined[1].news.has_changed().unwrap());
    }

    #[tokio::test]
    async fn a_process_has_so_many_and_who_goes_makes_room() {
        let all = listeners();
        let each = |number| Handle::read(&format!("{number:0>43}")).unwrap();
        let mut joined: Vec<_> = (0..MAX)
            .map(|number| all.join(&each(number), at(number)).unwrap())
            .collect();
        assert!(all.join(&handle("b"), here()).is_none());
        joined.pop();
        assert!(all.join(&handle("b"), here()).is_some());
        joined.clear();
        let open = all.ears.open.lock();
        assert!(open.count == 0 && open.ears.is_empty() && open.of_address.is_empty());
    }

    #[tokio::test]
    async fn an_address_has_so_many_and_takes_no_room_from_others() {
        let all = listeners();
        let each = |number| Handle::read(&format!("{number:0>43}")).unwrap();
        let _joined: Vec<_> = (0..MAX_OF_AN_ADDRESS)
            .map(|number| all.join(&each(number), here()).unwrap())
            .collect();
        assert!(all.join(&handle("b"), here()).is_none());
        assert!(all.join(&handle("b"), at(1)).is_some());
    }

    #[tokio::test]
    async fn a_drain_is_news_for_all() {
        let all = listeners();
        let mut listener = all.join(&handle("a"), here()).unwrap();
        all.shutdown.begin();
        assert_eq!(listener.news().await, News::Drain);
    }
}
