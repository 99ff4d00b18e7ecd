//! A lock for each key, for as long as somebody holds the lock or waits for it: work that
//! several requests need at the same moment is done once, and the lock has its result.

use std::{collections::HashMap, hash::Hash, ops::Deref, sync::Arc};

use parking_lot::Mutex;

type Lock<T> = Arc<tokio::sync::Mutex<T>>;
type Locks<K, T> = Arc<Mutex<HashMap<K, Shared<T>>>>;

/// The locks. A clone shares them.
#[derive(Debug)]
pub struct KeyedLocks<K, T>(Locks<K, T>);

/// The lock of one key, with the number of its users.
#[derive(Debug)]
struct Shared<T> {
    lock: Lock<T>,
    users: usize,
}

/// The use of one key's lock. The lock is removed with its last use.
#[derive(Debug)]
pub struct KeyedLock<K: Eq + Hash, T> {
    locks: Locks<K, T>,
    key: K,
    lock: Lock<T>,
}

impl<K, T> Default for KeyedLocks<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, T> Clone for KeyedLocks<K, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Clone + Eq + Hash, T: Default> KeyedLocks<K, T> {
    /// The lock of `key`; one that nobody uses yet has the default content.
    pub fn of(&self, key: K) -> KeyedLock<K, T> {
        self.used(&mut self.0.lock(), key)
    }

    /// The same, or `None` if `key` would be one more than `most` keys.
    pub fn of_at_most(&self, most: usize, key: K) -> Option<KeyedLock<K, T>> {
        let mut locks = self.0.lock();
        let is_one_more = locks.len() >= most && !locks.contains_key(&key);
        (!is_one_more).then(|| self.used(&mut locks, key))
    }

    fn used(&self, locks: &mut HashMap<K, Shared<T>>, key: K) -> KeyedLock<K, T> {
        let shared = locks.entry(key.clone()).or_insert_with(|| Shared {
            lock: Arc::default(),
            users: 0,
        });
        shared.users += 1;
        KeyedLock {
            locks: Arc::clone(&self.0),
            key,
            lock: Arc::clone(&shared.lock),
        }
    }
}

impl<K: Eq + Hash, T> KeyedLocks<K, T> {
    /// The number of users of the lock of `key`.
    pub fn users(&self, key: &K) -> usize {
        self.0.lock().get(key).map_or(0, |shared| shared.users)
    }

    /// Whether no lock is in use.
    pub fn is_unused(&self) -> bool {
        self.0.lock().is_empty()
    }
}

impl<K: Eq + Hash, T> Deref for KeyedLock<K, T> {
    type Target = Lock<T>;

    fn deref(&self) -> &Lock<T> {
        &self.lock
    }
}

impl<K: Eq + Hash, T> Drop for KeyedLock<K, T> {
    fn drop(&mut self) {
        let mut locks = self.locks.lock();
        if let Some(shared) = locks.get_mut(&self.key) {
            shared.users -= 1;
            if shared.users == 0 {
                locks.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_lasts_as_long_as_somebody_uses_it() {
        let locks = KeyedLocks::<_, u8>::default();
        let first = locks.of("a");
        let second = locks.of("a");
        assert!(Arc::ptr_eq(&first, &second));
        assert!(!Arc::ptr_eq(&first, &locks.of("b")));
        *first.try_lock().unwrap() = 7;
        drop(first);
        assert_eq!(locks.users(&"a"), 1);
        assert_eq!(*second.try_lock().unwrap(), 7);
        drop(second);
        assert!(locks.is_unused());
        assert_eq!(*locks.of("a").try_lock().unwrap(), 0, "a new one");
    }

    #[test]
    fn users_that_leave_at_the_same_moment_leave_nothing_behind() {
        let locks = KeyedLocks::<_, u8>::default();
        for _ in 0..200 {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| drop(locks.of("a")));
                }
            });
            assert!(locks.is_unused());
        }
    }

    #[test]
    fn the_number_of_keys_is_bounded_and_a_key_in_use_is_not_one_more() {
        let locks = KeyedLocks::<_, u8>::default();
        let _first = locks.of_at_most(1, "a").unwrap();
        assert!(locks.of_at_most(1, "a").is_some());
        assert!(locks.of_at_most(1, "b").is_none());
        assert!(locks.of_at_most(2, "b").is_some());
    }
}
