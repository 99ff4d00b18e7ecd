//! Many failures for one user name, from any address, delay each further attempt. They
//! never refuse it: strangers could lock the user out.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use web_kit::client::AddrBucket;

use crate::settings::SignInLimits;

/// The first delay.
const FIRST: Duration = Duration::from_millis(250);
/// The most attempts that are being delayed.
const MAX_WAITING: usize = 1024;
/// The most of them from one address.
const MAX_FROM_ONE: usize = 8;

/// The delay of the attempt with this number: a quarter of a second, doubled each
/// time.
pub(super) fn of(number: u64, limits: &SignInLimits) -> Duration {
    let Some(over) = number.checked_sub(limits.per_user + 1) else {
        return Duration::ZERO;
    };
    let doublings = u32::try_from(over.min(16)).unwrap_or(16);
    (FIRST * (1 << doublings)).min(limits.longest_delay)
}

/// Attempts that are being delayed: a bounded number.
#[derive(Clone, Default)]
pub struct Delays(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    total: usize,
    from: HashMap<AddrBucket, usize>,
}

impl Delays {
    /// Waits for `delay`; `Err` if too many are waiting already.
    pub async fn wait(&self, from: AddrBucket, delay: Duration) -> Result<(), Duration> {
        if delay.is_zero() {
            return Ok(());
        }
        let _entry = self.enter(from).ok_or(delay)?;
        tokio::time::sleep(delay).await;
        Ok(())
    }

    fn enter(&self, from: AddrBucket) -> Option<Entry> {
        let mut waiting = self.0.lock();
        let own = waiting.from.get(&from).copied().unwrap_or(0);
        if waiting.total >= MAX_WAITING || own >= MAX_FROM_ONE {
            return None;
        }
        waiting.total += 1;
        waiting.from.insert(from, own + 1);
        Some(Entry {
            delays: self.clone(),
            from,
        })
    }
}

struct Entry {
    delays: Delays,
    from: AddrBucket,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut waiting = self.delays.0.lock();
        waiting.total -= 1;
        if let Some(own) = waiting.from.get_mut(&self.from) {
            *own -= 1;
            if *own == 0 {
                waiting.from.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use web_kit::client::ClientAddr;

    use super::*;

    #[test]
    fn delays_double_from_the_limit_on_and_end_at_the_longest() {
        let limits = SignInLimits {
            per_user_and_address: 5,
            per_address: 50,
            per_user: 20,
            remembered: Duration::from_secs(900),
            longest_wait: Duration::from_secs(300),
            longest_delay: Duration::from_secs(5),
        };
        let millis = [20, 21, 22, 25, 26, 1000, u64::MAX].map(|n| of(n, &limits).as_millis());
        assert_eq!(millis, [0, 250, 500, 4000, 5000, 5000, 5000]);
    }

    #[test]
    fn those_that_wait_are_bounded_in_all_and_from_each_address() {
        let bucket = |a: u8, b: u8| ClientAddr::from(IpAddr::from([192, 0, a, b])).bucket();
        let delays = Delays::default();
        let mut entries: Vec<_> = (0..MAX_FROM_ONE)
            .map(|_| delays.enter(bucket(1, 1)).unwrap())
            .collect();
        assert!(delays.enter(bucket(1, 1)).is_none());
        entries.pop();
        assert!(
            delays.enter(bucket(1, 1)).is_some(),
            "an entry is free again"
        );
        for n in 0.. {
            let Ok(b) = u8::try_from(n / MAX_FROM_ONE) else {
                break;
            };
            entries.extend(delays.enter(bucket(2, b)));
        }
        assert_eq!(entries.len(), MAX_WAITING);
        drop(entries);
        let left = delays.0.lock();
        assert!(left.total == 0 && left.from.is_empty());
    }
}
