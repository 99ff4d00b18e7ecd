//! The queue for password checks: bounded in total and for each address; addresses take
//! turns. If the queue is full, the address with the most entries gives one up.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use web_kit::client::AddrBucket;

/// The capacity of the queue.
const MAX_WAITING: usize = 128;
/// The most entries of one address: a class, and at most half.
const MAX_FROM_ONE: usize = 64;
/// The timeout wait.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The queue is full, or the wait was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// The slots and the queue for them.
pub(super) struct Queue {
    state: Mutex<State>,
    timeout: Duration,
}

struct State {
    free: usize,
    number: u64,
    count: usize,
    /// Addresses with entries, in the order of their turns.
    turns: VecDeque<AddrBucket>,
    waiting: HashMap<AddrBucket, VecDeque<Waiter>>,
}

struct Waiter {
    number: u64,
    sender: oneshot::Sender<Slot>,
}

/// The right to check one password. Dropping it passes it on.
pub struct Slot(Option<Arc<Queue>>);

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.pass_on();
        }
    }
}

impl Queue {
    pub(super) fn new(slots: usize) -> Arc<Self> {
        Self::with_timeout(slots, TIMEOUT)
    }

    fn with_timeout(slots: usize, timeout: Duration) -> Arc<Self> {
        let state = State {
            free: slots,
            number: 0,
            count: 0,
            turns: VecDeque::new(),
            waiting: HashMap::new(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            timeout,
        })
    }

    pub(super) async fn slot(self: &Arc<Self>, from: AddrBucket) -> Result<Slot, Busy> {
        let (number, receiver) = {
            let mut state = self.state.lock();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Slot(Some(Arc::clone(self))));
            }
            state.add(from)?
        };
        let mut entry = Entry {
            queue: self,
            from,
            number: Some(number),
        };
        let slot = tokio::time::timeout(self.timeout, receiver).await;
        let slot = slot.ok().and_then(Result::ok).ok_or(Busy)?;
        entry.number = None;
        Ok(slot)
    }

    /// Passes a free slot to the next entry.
    fn pass_on(self: Arc<Self>) {
        loop {
            let next = {
                let mut state = self.state.lock();
                let next = state.next();
                if next.is_none() {
                    state.free += 1;
                }
                next
            };
            let Some(waiter) = next else { return };
            match waiter.sender.send(Slot(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                // The receiver is gone: pass the slot to the next one.
                Err(mut slot) => slot.0 = None,
            }
        }
    }
}

impl State {
    fn add(&mut self, from: AddrBucket) -> Result<(u64, oneshot::Receiver<Slot>), Busy> {
        let own = self.waiting.get(&from).map_or(0, VecDeque::len);
        if own >= MAX_FROM_ONE {
            return Err(Busy);
        }
        if self.count >= MAX_WAITING {
            self.make_room(own)?;
        }
        let (sender, receiver) = oneshot::channel();
        self.number += 1;
        let waiter = Waiter {
            number: self.number,
            sender,
        };
        let entries = self.waiting.entry(from).or_default();
        if entries.is_empty() {
            self.turns.push_back(from);
        }
        entries.push_back(waiter);
        self.count += 1;
        Ok((self.number, receiver))
    }

    /// Removes the last entry of the address with the most, for an address with `own`
    /// entries; unless that one would then have the most.
    fn make_room(&mut self, own: usize) -> Result<(), Busy> {
        let most = self.waiting.iter().max_by_key(|(_, entries)| entries.len());
        let most = most.filter(|(_, entries)| entries.len() > own + 1);
        let from = most.map(|(from, _)| *from).ok_or(Busy)?;
        let last = self.waiting.get_mut(&from).and_then(VecDeque::pop_back);
        if last.is_some() {
            self.count -= 1;
        }
        Ok(())
    }

    /// The next entry: addresses take turns.
    fn next(&mut self) -> Option<Waiter> {
        while let Some(from) = self.turns.pop_front() {
            let Some(entries) = self.waiting.get_mut(&from) else {
                continue;
            };
            let waiter = entries.pop_front();
            if entries.is_empty() {
                self.waiting.remove(&from);
            } else {
                self.turns.push_back(from);
            }
            if waiter.is_some() {
                self.count -= 1;
                return waiter;
            }
        }
        None
    }

    fn remove(&mut self, from: AddrBucket, number: u64) {
        let Some(entries) = self.waiting.get_mut(&from) else {
            return;
        };
        let before = entries.len();
        entries.retain(|waiter| waiter.number != number);
        self.count -= before - entries.len();
        if entries.is_empty() {
            self.waiting.remove(&from);
            self.turns.retain(|turn| *turn != from);
        }
    }
}

/// An entry of the queue. Dropping it leaves the queue.
struct Entry<'q> {
    queue: &'q Queue,
    from: AddrBucket,
    /// `None` once it has a slot.
    number: Option<u64>,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.queue.state.lock().remove(self.from, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, pin::Pin, task::Poll};

    use futures_util::{future::BoxFuture, poll};
    use web_kit::client::ClientAddr;

    use super::*;

    type Waiting = Pin<Box<dyn Future<Output = Result<Slot, Busy>> + Send>>;

    fn from(last: u8) -> AddrBucket {
        ClientAddr::from(IpAddr::from([192, 0, 2, last])).bucket()
    }

    async fn wait(queue: &Arc<Queue>, from: AddrBucket) -> Waiting {
        let queue = Arc::clone(queue);
        let mut waiting: BoxFuture<'static, _> = Box::pin(async move { queue.slot(from).await });
        assert!(poll!(&mut waiting).is_pending(), "the only slot is taken");
        waiting
    }

    async fn is_called(waiting: &mut Waiting) -> Option<Slot> {
        match poll!(waiting) {
            Poll::Ready(Ok(slot)) => Some(slot),
            _ => None,
        }
    }

    #[tokio::test]
    async fn addresses_take_turns_however_many_wait_at_one() {
        let queue = Queue::new(1);
        let held = queue.slot(from(1)).await.unwrap();
        let mut first = wait(&queue, from(1)).await;
        let mut second = wait(&queue, from(1)).await;
        let mut other = wait(&queue, from(2)).await;
        drop(held);
        let slot = is_called(&mut first).await.unwrap();
        assert!(is_called(&mut second).await.is_none());
        drop(slot);
        let slot = is_called(&mut other)
            .await
            .expect("the other address's turn");
        drop(slot);
        assert!(is_called(&mut second).await.is_some());
    }

    #[tokio::test]
    async fn one_address_has_only_a_part_of_the_queue() {
        let queue = Queue::new(1);
        let _held = queue.slot(from(1)).await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..MAX_FROM_ONE {
            waiting.push(wait(&queue, from(1)).await);
        }
        assert_eq!(queue.slot(from(1)).await.err(), Some(Busy));
        waiting.push(wait(&queue, from(2)).await);
    }

    #[tokio::test]
    async fn a_full_queue_makes_room_at_the_address_that_has_most() {
        let queue = Queue::new(1);
        let held = queue.slot(from(1)).await.unwrap();
        let mut most = Vec::new();
        for _ in 0..MAX_FROM_ONE {
            most.push(wait(&queue, from(1)).await);
        }
        let mut others = Vec::new();
        for _ in 0..(MAX_WAITING - MAX_FROM_ONE) / 32 {
            for last in 2..34 {
                others.push(wait(&queue, from(last)).await);
            }
        }
        let mut honest = wait(&queue, from(99)).await;
        assert!(
            poll!(most.last_mut().unwrap()).is_ready(),
            "refused as busy"
        );
        assert!(poll!(&mut most[0]).is_pending());
        assert_eq!(queue.state.lock().count, MAX_WAITING);
        drop((most, others));
        drop(held);
        assert!(is_called(&mut honest).await.is_some());
    }

    #[tokio::test]
    async fn a_dropped_entry_leaves_the_queue() {
        let queue = Queue::new(1);
        let held = queue.slot(from(1)).await.unwrap();
        let mut gone = Vec::new();
        for _ in 0..MAX_FROM_ONE {
            gone.push(wait(&queue, from(1)).await);
        }
        drop(gone);
        assert_eq!(queue.state.lock().count, 0);
        let mut honest = wait(&queue, from(1)).await;
        drop(held);
        assert!(is_called(&mut honest).await.is_some());
        assert!(queue.state.lock().waiting.is_empty() && queue.state.lock().turns.is_empty());
    }

    #[tokio::test]
    async fn a_slot_that_is_not_received_passes_to_the_next() {
        let queue = Queue::new(1);
        let held = queue.slot(from(1)).await.unwrap();
        let called = wait(&queue, from(1)).await;
        let mut next = wait(&queue, from(2)).await;
        drop(held);
        // It was sent a slot, and is dropped before it receives it.
        drop(called);
        assert!(is_called(&mut next).await.is_some());
    }

    #[tokio::test]
    async fn a_wait_ends_with_the_timeout() {
        let queue = Queue::with_timeout(1, Duration::ZERO);
        let _held = queue.slot(from(1)).await.unwrap();
        assert_eq!(queue.slot(from(2)).await.err(), Some(Busy));
        assert_eq!(queue.state.lock().count, 0);
    }
}
