//! How much of one thing, such as open streams, may be in use at a time: by one client
//! address, and by all together.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::net::AddrBucket;

/// The bounds of one thing.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of one address.
    pub of_one: usize,
    /// Of all addresses, except for what each may have in any case.
    pub together: usize,
    /// What an address may have, however much others have.
    pub always: usize,
}

/// What is in use.
#[derive(Clone, Debug)]
pub struct Shares {
    open: Arc<Mutex<Open>>,
    bounds: Bounds,
}

#[derive(Debug, Default)]
struct Open {
    together: usize,
    of: HashMap<AddrBucket, usize>,
}

/// One that is in use, until it is dropped.
#[derive(Debug)]
pub struct Share {
    shares: Shares,
    by: AddrBucket,
}

impl Shares {
    /// None is in use.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            open: Arc::default(),
            bounds,
        }
    }

    /// Takes one for the client at `by`; `None` if there is no room for it.
    pub fn take(&self, by: AddrBucket) -> Option<Share> {
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
        Some(Share {
            shares: self.clone(),
            by,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.shares.open.lock();
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

    const BOUNDS: Bounds = Bounds {
        of_one: 16,
        together: 512,
        always: 2,
    };

    fn at(last: u8) -> AddrBucket {
        AddrBucket::of([192, 0, 2, last].into())
    }

    #[test]
    fn one_address_leaves_room_for_others_and_all_together_have_a_bound() {
        let shares = Shares::new(BOUNDS);
        let mut open: Vec<_> = (0..BOUNDS.of_one).map(|_| shares.take(at(1))).collect();
        assert!(open.iter().all(Option::is_some));
        assert!(shares.take(at(1)).is_none(), "its share");
        assert!(shares.take(at(2)).is_some());
        drop(open.pop());
        assert!(shares.take(at(1)).is_some());
        let all = (3..=250).flat_map(|last| std::iter::repeat_n(at(last), BOUNDS.of_one));
        let taken: Vec<_> = all.filter_map(|by| shares.take(by)).collect();
        let most = BOUNDS.together + 250 * BOUNDS.always;
        assert!((BOUNDS.together..most).contains(&taken.len()));
        assert!(shares.take(at(251)).is_some(), "a newcomer");
        drop((taken, open));
        let left = shares.open.lock();
        assert!(left.together == 0 && left.of.is_empty());
    }
}
