//! The keys of counters in the store: tables of a fixed size. A stranger chooses names
//! and addresses, and so what is counted, but not how many keys the store holds. A
//! keyed hash selects the key, so nobody can aim at the counter of another.

use aws_lc_rs::hmac;
use kit::seal::KEY_LEN;

use crate::derived_key::derived_key;

/// The size of a table.
const SIZE: u64 = 4096;
/// Pairs of a name and an address have a lower limit, so their table is larger.
const SIZE_OF_PAIRS: u64 = 8192;

/// Selects the key of a counter.
pub struct CounterKeys(hmac::Key);

impl CounterKeys {
    /// With a key derived from `master`.
    pub fn new(master: &[u8; KEY_LEN]) -> Self {
        Self(derived_key(master, "sso-lab sign-in throttle v1"))
    }

    /// The key of the counter of `what` in the table `kind`.
    pub fn key(&self, kind: &'static str, what: &str) -> String {
        let mac = hmac::sign(&self.0, format!("{kind}\n{what}").as_bytes());
        let hash = mac.as_ref().first_chunk().copied().unwrap_or_default();
        counter_key(kind, u64::from_be_bytes(hash) % size_of(kind))
    }
}

fn size_of(kind: &str) -> u64 {
    if kind == "pair" { SIZE_OF_PAIRS } else { SIZE }
}

fn counter_key(kind: &str, number: u64) -> String {
    format!("idp:failed:{kind}:{number}")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use futures_util::{StreamExt as _, stream};
    use kit::clock::Timestamp;
    use store::{
        Counters as _, Options, RedisStore, Store as _, Values as _, test_redis::RedisServer,
    };

    use super::*;
    use crate::throttle::counter::{mark_of, over_key, wait_key};

    /// The most that all counters may take of Redis, in bytes.
    const MOST_OF_REDIS: u64 = 10_000_000;

    #[test]
    fn strangers_fill_a_table_and_no_more() {
        let counters = CounterKeys::new(&[7; KEY_LEN]);
        let keys: BTreeSet<_> = (0..100_000)
            .map(|n| counters.key("address", &n.to_string()))
            .collect();
        assert!(keys.len() as u64 <= SIZE, "{}", keys.len());
        assert!(keys.len() as u64 > SIZE / 2, "spread over it");
    }

    #[test]
    fn replicas_agree_and_without_the_key_nobody_knows_a_counter() {
        let key = |master| CounterKeys::new(&[master; KEY_LEN]).key("user", "alice");
        assert_eq!(key(7), key(7));
        assert_ne!(key(7), key(8));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn failed_sign_ins_fill_a_bounded_part_of_redis() {
        let redis = RedisServer::start();
        let store = RedisStore::new(&redis.url(), Options::default()).unwrap();
        let life = Duration::from_secs(15 * 60);
        let wait = mark_of(Timestamp::from_millis(1_767_225_600_000), &"x".repeat(22));
        store.ping().await.unwrap();
        let before = redis.used_memory();
        let all: Vec<_> = ["address", "pair", "browser", "user"]
            .into_iter()
            .flat_map(|kind| (0..size_of(kind)).map(move |number| (kind, number)))
            .collect();
        stream::iter(&all)
            .for_each_concurrent(64, async |(kind, number)| {
                let key = counter_key(kind, *number);
                store.increment(&key, life).await.unwrap();
                // Tries at a user are delayed and none has to wait.
                if *kind != "user" {
                    store.increment(&over_key(&key), life).await.unwrap();
                    let mark = wait.clone().into();
                    store.put(&wait_key(&key), mark, life).await.unwrap();
                }
            })
            .await;
        let bytes = redis.used_memory() - before;
        let keys = 3 * all.len() as u64 - 2 * size_of("user");
        println!("{keys} keys take {bytes} bytes");
        assert!(bytes < MOST_OF_REDIS, "{keys} keys take {bytes} bytes");
        let filled = redis.ask("DBSIZE");
        assert!(
            filled.contains(&keys.to_string()),
            "{filled} for {keys} keys"
        );
        if let Some(file) = std::env::var_os("WRITE_FIGURES") {
            let figures = serde_json::json!({ "keys": keys, "bytes": bytes });
            std::fs::write(file, format!("{figures:#}\n")).unwrap();
        }
    }
}
