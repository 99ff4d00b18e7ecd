//! The lifetime of a value, the same in every store.

use std::time::Duration;

/// Far beyond any lifetime here, and far from where `now + ttl` overflows.
const LONGEST: u64 = 10 * 366 * 24 * 60 * 60 * 1000;

/// `ttl` in milliseconds, rounded up, from 1 to ten years. Redis takes no
/// lifetime of zero, and a value without one would never end.
pub(crate) fn millis(ttl: Duration) -> u64 {
    let up = ttl.as_nanos().div_ceil(1_000_000);
    u64::try_from(up).unwrap_or(u64::MAX).clamp(1, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_lifetime_is_zero_nor_endless() {
        assert_eq!(millis(Duration::ZERO), 1);
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_micros(1001)), 2);
        assert_eq!(millis(Duration::from_secs(60)), 60_000);
        assert_eq!(millis(Duration::MAX), LONGEST);
    }
}
