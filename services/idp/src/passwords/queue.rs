//! Who waits for a check of a password: so many at most, from one address only a
//! part of them, and each address in turn. When the queue is full, the address
//! that has most in it gives way.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use web_kit::client::AddrBucket;

/// The most that wait.
const MAX_WAITING: usize = 128;
/// The most that wait from one address: a class, and no more than half.
const MAX_FROM_ONE: usize = 64;
/// The longest that anybody waits.
const LONGEST: Duration = Duration::from_secs(30);

/// Too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// The slots, and who waits for one.
pub(super) struct Queue {
    state: Mutex<State>,
    longest: Duration,
}

struct State {
    free: usize,
    number: u64,
    count: usize,
    /// Addresses with somebody waiting; the first one's turn is next.
    turns: VecDeque<AddrBucket>,
    waiting: HashMap<AddrBucket, VecDeque<Waiter>>,
}

struct Waiter {
    number: u64,
    called: oneshot::Sender<Slot>,
}

/// The right to check one password. It goes to the next when it is dropped.
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
        Self::with_patience(slots, LONGEST)
    }

    fn with_patience(slots: usize, longest: Duration) -> Arc<Self> {
        let state = State {
            free: slots,
            number: 0,
            count: 0,
            turns: VecDeque::new(),
            waiting: HashMap::new(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            longest,
        })
    }

    pub(super) async fn slot(self: &Arc<Self>, from: AddrBucket) -> Result<Slot, Busy> {
        let (number, called) = {
            let mut state = self.state.lock();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Slot(Some(Arc::clone(self))));
            }
            state.enter(from)?
        };
        let mut place = Place {
            queue: self,
            from,
            number: Some(number),
        };
        let slot = tokio::time::timeout(self.longest, called).await;
        let slot = slot.ok().and_then(Result::ok).ok_or(Busy)?;
        place.number = None;
        Ok(slot)
    }

    /// A slot is free: it goes to the next who still waits.
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
            match waiter.called.send(Slot(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                // Gone at this very moment. The slot is still ours to pass on.
                Err(mut slot) => slot.0 = None,
            }
        }
    }
}

impl State {
    fn enter(&mut self, from: AddrBucket) -> Result<(u64, oneshot::Receiver<Slot>), Busy> {
        let own = self.waiting.get(&from).map_or(0, VecDeque::len);
        if own >= MAX_FROM_ONE {
            return Err(Busy);
        }
        if self.count >= MAX_WAITING {
            self.make_room(own)?;
        }
        let (called, slot) = oneshot::channel();
        self.number += 1;
        let waiter = Waiter {
            number: self.number,
            called,
        };
        let line = self.waiting.entry(from).or_default();
        if line.is_empty() {
            self.turns.push_back(from);
        }
        line.push_back(waiter);
        self.count += 1;
        Ok((self.number, slot))
    }

    /// The last of the address that has most makes room for one that has `own`,
    /// unless that one would then have most.
    fn make_room(&mut self, own: usize) -> Result<(), Busy> {
        let most = self.waiting.iter().max_by_key(|(_, line)| line.len());
        let most = most.filter(|(_, line)| line.len() > own + 1);
        let from = most.map(|(from, _)| *from).ok_or(Busy)?;
        let last = self.waiting.get_mut(&from).and_then(VecDeque::pop_back);
        if last.is_some() {
            self.count -= 1;
        }
        Ok(())
    }

    /// The next to be called: each address in turn.
    fn next(&mut self) -> Option<Waiter> {
        while let Some(from) = self.turns.pop_front() {
            let Some(line) = self.waiting.get_mut(&from) else {
                continue;
            };
            let waiter = line.pop_front();
            if line.is_empty() {
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

    fn leave(&mut self, from: AddrBucket, number: u64) {
        let Some(line) = self.waiting.get_mut(&from) else {
            return;
        };
        let before = line.len();
        line.retain(|waiter| waiter.number != number);
        self.count -= before - line.len();
        if line.is_empty() {
            self.waiting.remove(&from);
            self.turns.retain(|turn| *turn != from);
        }
    }
}

/// A place in the queue, given up when it is dropped.
struct Place<'q> {
    queue: &'q Queue,
    from: AddrBucket,
    /// Nothing once it was called.
    number: Option<u64>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.queue.state.lock().leave(self.from, number);
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
            "told that it is busy"
        );
        assert!(poll!(&mut most[0]).is_pending());
        assert_eq!(queue.state.lock().count, MAX_WAITING);
        drop((most, others));
        drop(held);
        assert!(is_called(&mut honest).await.is_some());
    }

    #[tokio::test]
    async fn who_has_gone_leaves_the_queue() {
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
    async fn a_slot_that_nobody_takes_any_more_goes_to_the_next() {
        let queue = Queue::new(1);
        let held = queue.slot(from(1)).await.unwrap();
        let called = wait(&queue, from(1)).await;
        let mut next = wait(&queue, from(2)).await;
        drop(held);
        // It has been called, and goes before it learns of that.
        drop(called);
        assert!(is_called(&mut next).await.is_some());
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let queue = Queue::with_patience(1, Duration::ZERO);
        let _held = queue.slot(from(1)).await.unwrap();
        assert_eq!(queue.slot(from(2)).await.err(), Some(Busy));
        assert_eq!(queue.state.lock().count, 0);
    }
}
