//! Proofs that were used (RFC 9449 §11.1).

use std::{sync::Arc, time::Duration};

use kit::clock::{ManualClock, Timestamp};
use serde_json::json;
use store::test_redis::RedisServer;

use super::{super::UsedProofs, *};

/// A proof that was used is known until it has expired, and no longer.
#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_11_1_of_100_parallel_uses_of_one_proof_one_counts_in_memory_and_on_redis() {
    let redis = RedisServer::start();
    let clock = Arc::new(ManualClock::new(START));
    let on_redis = kit::config::RedisSettings::at(&redis.url());
    for settings in [None, Some(&on_redis)] {
        let open = || store::open(settings, Arc::<ManualClock>::clone(&clock)).unwrap();
        // Two replicas; in memory there is one process.
        let first = open();
        let second = if settings.is_some() {
            open()
        } else {
            first.clone()
        };
        let marks = [first, second].map(|store| UsedProofs::new(store, "test:dpop:"));
        let proof = outcome(&json!({}), &json!({})).unwrap();
        let tasks = (0..100).map(|n| {
            let (used, proof) = (marks[n % 2].clone(), proof.clone());
            tokio::spawn(async move { used.mark(&proof, START).await.unwrap() })
        });
        let mut counted = 0;
        for one in tasks.collect::<Vec<_>>() {
            counted += usize::from(one.await.unwrap());
        }
        assert_eq!(counted, 1);
        let other = outcome(&json!({}), &json!({"jti": "j-2"})).unwrap();
        assert!(marks[1].mark(&other, START).await.unwrap());
    }
}

#[test]
fn rfc9449_11_1_a_proof_is_remembered_for_as_long_as_it_could_be_used() {
    let ttl = |iat: i64, now: Timestamp| {
        let proof = outcome(&json!({}), &json!({ "iat": iat })).unwrap();
        proof.ttl(now)
    };
    assert_eq!(ttl(START.secs() + 10, START), Duration::from_secs(71));
    assert_eq!(ttl(START.secs() - 60, START), Duration::from_secs(1));
    let late = START + Duration::from_secs(999);
    assert_eq!(ttl(START.secs(), late), Duration::from_secs(1));
}

#[test]
fn two_keys_may_use_the_same_jti() {
    let of = || outcome(&json!({}), &json!({})).unwrap().fingerprint;
    assert_ne!(of(), of());
}
