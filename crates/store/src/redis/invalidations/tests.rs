//! A watch on a real server whose connection fails in every way.

use std::time::Instant;

use bytes::Bytes;
use redis::Value;

use super::{listener::invalidate, *};
use crate::{
    Counters as _, Leases as _, Options, OrderedSets as _, RedisStore, Store as _, Values as _,
    test_redis::RedisServer,
};

mod recorder;
mod relay;

pub(in crate::redis) use recorder::{ALL, Recorder, TIMEOUT, until};
use relay::Relay;

const MINUTE: Duration = Duration::from_secs(60);

/// Waits until the watch is current and has reported the change to `key`, which was
/// made before `made`. In between, it must not be current without it.
async fn until_complete(recorder: &Recorder, key: &str, made: Instant) {
    until("complete", || {
        let must_know = made.elapsed() > WATCH_BOUND;
        let current = recorder.is_current();
        let knows = recorder.saw(key);
        assert!(knows || !(current && must_know), "current without {key}");
        current && knows
    })
    .await;
}

fn store_at(url: &str) -> RedisStore {
    RedisStore::new(url, Options::default()).unwrap()
}

fn x() -> Bytes {
    Bytes::from_static(b"x")
}

#[tokio::test]
async fn each_kind_of_write_by_another_connection_is_invalidated() {
    let server = RedisServer::start();
    let recorder = Recorder::on(&store_at(&server.url()), "session:").await;
    let other = store_at(&server.url());
    let key = "session:a";
    let now = kit::clock::Timestamp::default();
    other.put("other:a", x(), MINUTE).await.unwrap();
    for change in [
        "put",
        "swap",
        "take",
        "put_new",
        "remove",
        "increment",
        "remove",
        "lease",
        "release",
        "add_scored",
        "claim",
        "remove_scored",
    ] {
        recorder.clear();
        match change {
            "put" => other.put(key, x(), MINUTE).await.unwrap(),
            "swap" => assert!(
                other
                    .compare_and_swap(key, b"x", x(), MINUTE)
                    .await
                    .unwrap()
            ),
            "take" => assert!(other.take(key).await.unwrap().is_some()),
            "put_new" => assert!(other.put_new(key, x(), MINUTE).await.unwrap()),
            "remove" => assert!(other.remove(key).await.unwrap()),
            "increment" => assert_eq!(other.increment(key, MINUTE).await, Ok(1)),
            "lease" => assert!(other.lease(key, "me", MINUTE).await.unwrap()),
            "release" => assert!(other.release(key, "me").await.unwrap()),
            "add_scored" => assert_eq!(other.add_scored(key, "m", now, MINUTE).await, Ok(1)),
            "claim" => assert_eq!(other.claim(key, now, now + MINUTE, 1).await.unwrap(), ["m"]),
            _ => assert!(other.remove_scored(key, "m").await.unwrap()),
        }
        until(change, || recorder.saw(key)).await;
        let seen = recorder.seen();
        assert!(
            seen.iter().all(|(seen, _)| seen == key),
            "{change}: {seen:?}"
        );
    }
}

#[tokio::test]
async fn an_expiry_is_invalidated_without_a_read() {
    let server = RedisServer::start();
    let store = store_at(&server.url());
    let recorder = Recorder::on(&store, "session:").await;
    let soon = Duration::from_millis(100);
    store.put("session:a", x(), soon).await.unwrap();
    until("invalidated", || recorder.saw("session:a")).await;
    recorder.clear();
    until("expired", || recorder.saw("session:a")).await;
}

#[tokio::test]
async fn a_flush_invalidates_everything() {
    let server = RedisServer::start();
    let store = store_at(&server.url());
    let recorder = Recorder::on(&store, "session:").await;
    recorder.clear();
    server.ask("FLUSHALL");
    until("invalidated by a flush", || recorder.saw(ALL)).await;
}

#[test]
fn an_invalidation_of_an_unknown_form_invalidates_everything() {
    let key = |text: &str| Value::BulkString(text.into());
    for odd in [
        vec![],
        vec![Value::Nil],
        vec![key("sso-lab:session:a")],
        vec![Value::Array(vec![key("another:a")])],
        vec![Value::Array(vec![Value::BulkString(vec![0xff])])],
        vec![Value::Array(vec![Value::Int(1)])],
    ] {
        let recorder = Recorder::default();
        invalidate(&recorder, &odd);
        assert!(recorder.saw(ALL), "{odd:?}");
    }
}

#[tokio::test]
async fn a_killed_redis_ends_the_watch_and_a_restarted_one_invalidates_everything_first() {
    let mut server = RedisServer::start();
    let recorder = Recorder::on(&store_at(&server.url()), "session:").await;
    recorder.clear();
    server.stop();
    until("not current", || !recorder.is_current()).await;
    assert!(!recorder.saw(ALL), "nothing was invalidated yet");
    server.restart();
    until("current again", || recorder.is_current()).await;
    let seen = recorder.seen();
    assert_eq!(
        seen,
        [(ALL.to_owned(), false)],
        "invalidated before it is current"
    );
    let other = store_at(&server.url());
    other.put("session:a", x(), MINUTE).await.unwrap();
    until("invalidated", || recorder.saw("session:a")).await;
}

#[tokio::test]
async fn a_paused_redis_ends_the_watch_in_time_and_missed_changes_are_invalidated_first() {
    let server = RedisServer::start();
    let recorder = Recorder::on(&store_at(&server.url()), "session:").await;
    let waiting = Options {
        response: TIMEOUT,
        ..Options::default()
    };
    let other = RedisStore::new(&server.url(), waiting).unwrap();
    other.ping().await.unwrap();
    recorder.clear();
    server.pause();
    let changing = tokio::spawn(async move { other.put("session:a", x(), MINUTE).await });
    until("not current", || !recorder.is_current()).await;
    assert!(!recorder.saw("session:a"));
    server.resume();
    changing.await.unwrap().unwrap();
    until_complete(&recorder, "session:a", Instant::now()).await;
}

#[tokio::test]
async fn a_half_open_connection_ends_the_watch_in_time() {
    let server = RedisServer::start();
    let relay = Relay::to(server.port()).await;
    let recorder = Recorder::on(&store_at(&relay.url()), "session:").await;
    let other = store_at(&server.url());
    recorder.clear();
    relay.drop_data(true);
    other.put("session:a", x(), MINUTE).await.unwrap();
    let made = Instant::now();
    until("not current", || {
        let must_know = made.elapsed() > WATCH_BOUND;
        let current = recorder.is_current();
        assert!(!(current && must_know), "current for too long");
        !current
    })
    .await;
    assert!(!recorder.saw("session:a"), "the relay dropped it");
    relay.drop_data(false);
    until_complete(&recorder, "session:a", made).await;
    recorder.clear();
    other.put("session:b", x(), MINUTE).await.unwrap();
    until("invalidated", || recorder.saw("session:b")).await;
}

/// The replies come too late to prove anything.
#[tokio::test]
async fn a_watch_on_a_slow_connection_is_current_only_while_it_is() {
    let server = RedisServer::start();
    let relay = Relay::to(server.port()).await;
    let recorder = Recorder::on(&store_at(&relay.url()), "session:").await;
    let other = store_at(&server.url());
    relay.delay(WATCH_BOUND * 2 / 5);
    until("not current", || !recorder.is_current()).await;
    recorder.clear();
    other.put("session:a", x(), MINUTE).await.unwrap();
    let made = Instant::now();
    until("invalidated", || {
        let must_know = made.elapsed() > WATCH_BOUND;
        let (current, knows) = (recorder.is_current(), recorder.saw("session:a"));
        assert!(knows || !(current && must_know), "current without it");
        knows
    })
    .await;
    relay.delay(Duration::ZERO);
    until_complete(&recorder, "session:a", made).await;
}

#[tokio::test]
async fn a_dropped_watch_closes_its_connection() {
    let server = RedisServer::start();
    let store = store_at(&server.url());
    let watches = [(); 3].map(|()| store.watch("session:", Arc::<Recorder>::default()));
    until_tracking_clients(&server, 3).await;
    drop(watches);
    until_tracking_clients(&server, 0).await;
}

async fn until_tracking_clients(server: &RedisServer, expected: usize) {
    let wanted = format!("tracking_clients:{expected}\r");
    until("tracked by so many", || {
        server.ask("INFO clients").contains(&wanted)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_outlives_the_runtime_that_began_it() {
    let server = RedisServer::start();
    let store = Arc::new(store_at(&server.url()));
    let asking = Arc::clone(&store);
    let asked = tokio::task::spawn_blocking(move || {
        let mut worker = tokio::runtime::Builder::new_current_thread();
        let worker = worker.enable_all().build().unwrap();
        worker.block_on(Recorder::on(&asking, "session:"))
    });
    let recorder = asked.await.unwrap();
    recorder.clear();
    store.put("session:a", x(), MINUTE).await.unwrap();
    until("invalidated", || recorder.saw("session:a")).await;
    assert!(recorder.is_current());
}

#[test]
fn without_a_runtime_a_watch_is_never_current() {
    let store = store_at("redis://127.0.0.1:1");
    let watch = store.watch("session:", Arc::<Recorder>::default());
    assert!(!watch.unwrap().is_current());
}
