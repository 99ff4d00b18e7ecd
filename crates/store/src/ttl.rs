//! The ttl of an entry, the same in every store.

use std::time::Duration;

/// Ten years: far beyond any ttl in use, and far from an overflow of `now + ttl`.
const LONGEST: u64 = 10 * 366 * 24 * 60 * 60 * 1000;

/// `ttl` in milliseconds, rounded up, from 1 ms to ten years. Redis accepts no ttl of
/// zero, and a value without one would never expire.
pub(crate) fn millis(ttl: Duration) -> u64 {
    let up = ttl.as_nanos().div_ceil(1_000_000);
    u64::try_from(up).unwrap_or(u64::MAX).clamp(1, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_has_a_minimum_and_a_maximum() {
        assert_eq!(millis(Duration::ZERO), 1);
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_micros(1001)), 2);
        assert_eq!(millis(Duration::from_secs(60)), 60_000);
        assert_eq!(millis(Duration::MAX), LONGEST);
    }
}
