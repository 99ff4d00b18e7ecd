//! How many calls may be open at once, at one address and together. Each takes memory
//! before its client has authenticated.

use std::{collections::HashMap, sync::Arc};

use kit::net::AddrBucket;
use parking_lot::Mutex;

/// Calls that are answered within seconds.
const CALLS: Bounds = Bounds {
    of_one: 512,
    together: 4096,
    always: 32,
};
/// The calls of health and reflection, which last as long as their client likes.
const WATCHES: Bounds = Bounds {
    of_one: 16,
    together: 512,
    always: 2,
};

#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Of one address.
    of_one: usize,
    /// Of all addresses, except for what each may have in any case.
    together: usize,
    /// What an address may have, however many calls others have open.
    always: usize,
}

/// The open calls of a server.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) calls: Kind,
    pub(crate) watches: Kind,
}

/// The open calls of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    open: Arc<Mutex<Open>>,
    bounds: Bounds,
}

#[derive(Debug, Default)]
struct Open {
    together: usize,
    of: HashMap<AddrBucket, usize>,
}

/// One open call, until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenCall {
    kind: Kind,
    by: AddrBucket,
}

impl Streams {
    pub(crate) fn new() -> Self {
        let kind = |bounds| Kind {
            open: Arc::default(),
            bounds,
        };
        Self {
            calls: kind(CALLS),
            watches: kind(WATCHES),
        }
    }
}

impl Kind {
    /// Opens a call of the client at `by`; `None` if there is no room for it.
    pub(crate) fn open(&self, by: AddrBucket) -> Option<OpenCall> {
        let mut open = self.open.lock();
        let own = open.of.get(&by).copied().unwrap_or(0);
        let Bounds {
            of_one,
            together,
            always,
        } = self.bounds;
        if own >= of_one || (open.together >= together && own >= always) {
            return None;
        }
        open.together += 1;
        open.of.insert(by, own + 1);
        drop(open);
        Some(OpenCall {
            kind: self.clone(),
            by,
        })
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let mut open = self.kind.open.lock();
        open.together -= 1;
        if let Some(own) = open.of.get_mut(&self.by) {
            *own -= 1;
            if *own == 0 {
                open.of.remove(&self.by);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u8) -> AddrBucket {
        AddrBucket::of([192, 0, 2, last].into())
    }

    #[test]
    fn one_address_leaves_room_for_others_and_all_together_have_a_bound() {
        let watches = Streams::new().watches;
        let mut open: Vec<_> = (0..WATCHES.of_one).map(|_| watches.open(at(1))).collect();
        assert!(open.iter().all(Option::is_some));
        assert!(watches.open(at(1)).is_none(), "its share");
        assert!(watches.open(at(2)).is_some());
        drop(open.pop());
        assert!(watches.open(at(1)).is_some());
        let all = (3..=250).flat_map(|last| std::iter::repeat_n(at(last), WATCHES.of_one));
        let taken: Vec<_> = all.filter_map(|by| watches.open(by)).collect();
        let most = WATCHES.together + 250 * WATCHES.always;
        assert!((WATCHES.together..most).contains(&taken.len()));
        assert!(watches.open(at(251)).is_some(), "a newcomer");
        drop((taken, open));
        let left = watches.open.lock();
        assert!(left.together == 0 && left.of.is_empty());
    }
}
