//! The answers of a moment ago. An answer's age counts from the time when it was asked
//! for: whatever the provider decided, it decided later. So a revocation counts at the
//! latest when the bound has passed since.

use std::{sync::Arc, time::Duration};

use kit::{bounded_cache::BoundedCache, clock::Timestamp};

use crate::{
    refusal::Invalid,
    verified::{Fingerprint, Verified},
};

/// The most active tokens.
const MAX_ACTIVE: usize = 4096;
/// The most refused tokens. They have a cache of their own: whoever invents tokens
/// displaces no active one.
const MAX_REFUSED: usize = 1024;

/// What the provider says about a token.
pub(super) type Answer = Result<Arc<Verified>, Invalid>;

struct CachedAnswer<T> {
    asked_at: Timestamp,
    value: T,
}

/// Answers by the hash of their token.
pub(super) struct Answers {
    bound: Duration,
    active: BoundedCache<Fingerprint, CachedAnswer<Arc<Verified>>>,
    refused: BoundedCache<Fingerprint, CachedAnswer<Invalid>>,
}

impl Answers {
    /// An empty cache, in which an answer counts for `bound`.
    pub(super) fn new(bound: Duration) -> Self {
        Self {
            bound,
            active: BoundedCache::new(MAX_ACTIVE),
            refused: BoundedCache::new(MAX_REFUSED),
        }
    }

    /// Whether an answer that was asked for at `asked_at` still counts. A clock that was
    /// set back prolongs nothing.
    pub(super) fn is_fresh(&self, asked_at: Timestamp, now: Timestamp) -> bool {
        asked_at <= now && now < asked_at + self.bound
    }

    /// The answer about `token`, if it still counts.
    pub(super) fn get(&self, token: &Fingerprint, now: Timestamp) -> Option<Answer> {
        let is_fresh = |asked_at| self.is_fresh(asked_at, now);
        if let Some(cached) = self.active.get(token) {
            return is_fresh(cached.asked_at).then(|| Ok(Arc::clone(&cached.value)));
        }
        let cached = self.refused.get(token)?;
        is_fresh(cached.asked_at).then(|| Err(cached.value.clone()))
    }

    /// Keeps the answer about `token`, asked for at `asked_at`, in place of a former one.
    pub(super) fn put(&mut self, token: Fingerprint, answer: &Answer, asked_at: Timestamp) {
        self.active.remove(&token);
        if self.bound.is_zero() {
            return;
        }
        match answer {
            Ok(active) => {
                let value = Arc::clone(active);
                self.active.insert(token, CachedAnswer { asked_at, value });
            }
            Err(why) => {
                let value = why.clone();
                self.refused.insert(token, CachedAnswer { asked_at, value });
            }
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(START.millis() + millis)
    }

    fn refused(cache: &Answers, token: &Fingerprint, now: Timestamp) -> bool {
        cache.get(token, now).is_some()
    }

    #[test]
    fn an_answer_counts_from_the_question_on_and_for_the_bound() {
        let mut cache = Answers::new(Duration::from_secs(5));
        cache.put([1; 32], &Err(Invalid::Inactive), START);
        assert!(refused(&cache, &[1; 32], at(0)));
        assert!(refused(&cache, &[1; 32], at(4999)));
        assert!(!refused(&cache, &[1; 32], at(5000)));
        assert!(!refused(&cache, &[2; 32], at(0)));
        // The clock was set back by an hour.
        assert!(!refused(&cache, &[1; 32], at(-3_600_000)));
    }

    #[test]
    fn without_a_bound_nothing_is_kept() {
        let mut cache = Answers::new(Duration::ZERO);
        cache.put([1; 32], &Err(Invalid::Inactive), START);
        assert!(!refused(&cache, &[1; 32], START));
        assert!(cache.refused.is_empty());
    }

    #[test]
    fn both_parts_are_bounded() {
        let mut cache = Answers::new(Duration::from_secs(5));
        for n in 0..=u16::try_from(MAX_REFUSED).unwrap() {
            let mut token = [0; 32];
            token[..2].copy_from_slice(&n.to_be_bytes());
            cache.put(token, &Err(Invalid::Inactive), START);
        }
        assert_eq!(cache.refused.len(), MAX_REFUSED);
    }
}
