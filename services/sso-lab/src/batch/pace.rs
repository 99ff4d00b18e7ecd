//! When an API may be called again.

use std::time::{Duration, UNIX_EPOCH};

use kit::clock::Timestamp;
use parking_lot::Mutex;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::{Instant, sleep_until};

/// The longest wait that is granted.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// The waits between attempts where nobody asks for one: each is twice the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    first: Duration,
}

impl Backoff {
    /// The longest wait.
    const LONGEST: Duration = Duration::from_secs(10);

    /// The wait after the attempt with this number, from 1.
    pub(super) fn after(self, attempt: u32) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1 << attempt.saturating_sub(1).min(16));
        doubled.min(Self::LONGEST)
    }

    /// Short waits.
    #[cfg(test)]
    pub(super) const fn quick() -> Self {
        Self {
            first: Duration::from_millis(10),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(250),
        }
    }
}

/// Makes all calls of an API wait when it asks to.
#[derive(Default)]
pub(super) struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// Waits as long as the API has asked to.
    pub(super) async fn wait(&self) {
        loop {
            let until = *self.0.lock();
            match until {
                Some(until) if until > Instant::now() => sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// The API asks to wait for `time`.
    pub(super) fn asks(&self, time: Duration) {
        let until = Instant::now() + time.min(LONGEST);
        let mut known = self.0.lock();
        *known = Some(known.map_or(until, |known| known.max(until)));
    }
}

/// `Retry-After` at the time `now`, in seconds or as a date (RFC 9110 §10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let since_epoch = date.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let now = u64::try_from(now.secs()).unwrap_or_default();
    Some(Duration::from_secs(since_epoch.saturating_sub(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_10_2_3_retry_after_is_seconds_or_a_date() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers, Timestamp::from_secs(946_684_790))
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        let date = read("Fri, 31 Dec 1999 23:59:59 GMT");
        assert_eq!(date, Some(Duration::from_secs(9)));
        let past = read("Fri, 31 Dec 1999 23:00:00 GMT");
        assert_eq!(past, Some(Duration::ZERO));
        for odd in ["", "soon", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(read(odd), None, "{odd}");
        }
        assert_eq!(
            retry_after(&HeaderMap::new(), Timestamp::from_secs(0)),
            None
        );
    }

    #[test]
    fn each_wait_is_twice_the_one_before_and_bounded() {
        let backoff = Backoff::default();
        let waits: Vec<_> = (1..=4).map(|n| backoff.after(n).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000]);
        assert_eq!(backoff.after(u32::MAX), Backoff::LONGEST);
    }

    #[tokio::test]
    async fn all_calls_of_an_api_wait_as_long_as_it_asks() {
        let (pace, began) = (Pace::default(), Instant::now());
        let long = Duration::from_millis(60);
        pace.asks(long);
        pace.asks(Duration::from_millis(1));
        tokio::join!(pace.wait(), pace.wait());
        assert!(began.elapsed() >= long);
        pace.asks(Duration::from_secs(86_400));
        let until = pace.0.lock().unwrap();
        assert!(until <= Instant::now() + LONGEST);
    }
}
