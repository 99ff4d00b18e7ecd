//! A map with a bounded number of entries: when it is full, a new entry takes the place
//! of the one that was inserted longest ago. It is for what can be found out again, so
//! any entry may be missing. It has neither a lock nor a clock: who uses it brings both.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// The map. A read costs as much as a read of a `HashMap`.
#[derive(Debug)]
pub struct BoundedCache<K, V> {
    capacity: usize,
    entries: HashMap<K, Entry<V>>,
    /// The keys by the number of their insertion.
    order: BTreeMap<u64, K>,
    next: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    number: u64,
}

impl<K: Clone + Eq + Hash, V> BoundedCache<K, V> {
    /// An empty one for at most `capacity` entries. It takes memory as it fills.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: HashMap::new(),
            order: BTreeMap::new(),
            next: 0,
        }
    }

    /// The value of `key`.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// The value of `key`, to be changed in its place.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key).map(|entry| &mut entry.value)
    }

    /// Inserts `value` as the newest entry, in place of a former one of the same `key`.
    pub fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        while self.entries.len() >= self.capacity && self.remove_oldest().is_some() {}
        let number = self.next;
        self.next += 1;
        self.order.insert(number, key.clone());
        self.entries.insert(key, Entry { value, number });
    }

    /// Removes `key`.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.number);
        Some(entry.value)
    }

    /// Removes the oldest entries, as long as `has_ended` holds for them.
    pub fn remove_oldest_while(&mut self, has_ended: impl Fn(&V) -> bool) {
        while let Some((_, oldest)) = self.order.first_key_value()
            && self.get(oldest).is_none_or(&has_ended)
        {
            self.remove_oldest();
        }
    }

    /// Keeps the entries for which `keep` holds.
    pub fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.entries.retain(|_, entry| {
            let keeps = keep(&entry.value);
            if !keeps {
                self.order.remove(&entry.number);
            }
            keeps
        });
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn remove_oldest(&mut self) -> Option<()> {
        let (_, oldest) = self.order.pop_first()?;
        self.entries.remove(&oldest);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(capacity: usize, keys: &[&'static str]) -> BoundedCache<&'static str, usize> {
        let mut cache = BoundedCache::new(capacity);
        for (value, key) in keys.iter().enumerate() {
            cache.insert(*key, value);
        }
        cache
    }

    /// Both halves agree on these keys.
    fn holds(cache: &BoundedCache<&str, usize>, oldest_first: &[&str]) {
        assert!(cache.order.values().eq(oldest_first), "{cache:?}");
        assert_eq!(cache.len(), oldest_first.len());
        assert!(oldest_first.iter().all(|key| cache.get(key).is_some()));
    }

    #[test]
    fn a_new_entry_takes_the_place_of_the_oldest() {
        holds(&cache(2, &["a", "b", "c"]), &["b", "c"]);
        assert!(cache(0, &["a"]).len() <= 1);
    }

    #[test]
    fn a_key_that_is_inserted_again_is_the_newest_and_pushes_no_other_out() {
        let again = cache(3, &["a", "b", "a", "a", "a", "a"]);
        holds(&again, &["b", "a"]);
        assert_eq!(again.get("a"), Some(&5));
    }

    #[test]
    fn what_is_removed_makes_room() {
        let mut cache = cache(3, &["a", "b", "c"]);
        assert_eq!((cache.remove("b"), cache.remove("b")), (Some(1), None));
        holds(&cache, &["a", "c"]);
        cache.insert("d", 3);
        *cache.get_mut("a").unwrap() = 7;
        holds(&cache, &["a", "c", "d"]);
        cache.retain(|value| *value != 2);
        holds(&cache, &["a", "d"]);
        cache.clear();
        holds(&cache, &[]);
    }

    #[test]
    fn entries_that_have_ended_go_from_the_oldest_on() {
        let mut cache = cache(9, &["a", "b", "c", "d"]);
        cache.remove_oldest_while(|value| *value != 2);
        holds(&cache, &["c", "d"]);
        cache.remove_oldest_while(|_| true);
        holds(&cache, &[]);
    }
}
