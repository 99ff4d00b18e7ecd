//! A watch on a real server, with all that can happen to its connection.

use std::time::Instant;

use bytes::Bytes;
use redis::Value;

use super::{listener::invalidate, *};
use crate::{Options, RedisStore, Store as _, test_redis::RedisServer};

mod recorder;
mod relay;

pub(in crate::redis) use recorder::{ALL, PATIENCE, Recorder, until};
use relay::Relay;

const MINUTE: Duration = Duration::from_secs(60);

/// Until the watch is current again, and knows of the change to `key` that was
/// made by `made`. All the time, it claims no more than it keeps.
async fn until_whole(recorder: &Recorder, key: &str, made: Instant) {
    until("whole", || {
        let must_know = made.elapsed() > WATCH_BOUND;
        let current = recorder.is_current();
        let knows = recorder.was_told(key);
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
async fn each_kind_of_change_by_another_connection_is_told() {
    let server = RedisServer::start();
    let recorder = Recorder::on(&store_at(&server.url()), "session:").await;
    let other = store_at(&server.url());
    let key = "session:a";
    let now = kit::clock::Timestamp::default();
    other.put("other:a", x(), MINUTE).await.unwrap();
    for change in [
        "put", "swap", "take", "put_new", "remove", "count", "remove", "lease", "release", "rank",
        "claim", "unrank",
    ] {
        recorder.forget();
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
            "count" => assert_eq!(other.increment(key, MINUTE).await, Ok(1)),
            "lease" => assert!(other.lease(key, "me", MINUTE).await.unwrap()),
            "release" => assert!(other.release(key, "me").await.unwrap()),
            "rank" => assert_eq!(other.add_scored(key, "m", now, MINUTE).await, Ok(1)),
            "claim" => assert_eq!(other.claim(key, now, now + MINUTE, 1).await.unwrap(), ["m"]),
            _ => assert!(other.remove_scored(key, "m").await.unwrap()),
        }
        until(change, || recorder.was_told(key)).await;
        let told = recorder.told();
        assert!(
            told.iter().all(|(told, _)| told == key),
            "{change}: {told:?}"
        );
    }
}

#[tokio::test]
async fn an_expiry_is_told_though_nobody_looks() {
    let server = RedisServer::start();
    let store = store_at(&server.url());
    let recorder = Recorder::on(&store, "session:").await;
    let soon = Duration::from_millis(100);
    store.put("session:a", x(), soon).await.unwrap();
    until("told", || recorder.was_told("session:a")).await;
    recorder.forget();
    until("expired", || recorder.was_told("session:a")).await;
}

#[tokio::test]
async fn a_flush_changes_all() {
    let server = RedisServer::start();
    let store = store_at(&server.url());
    let recorder = Recorder::on(&store, "session:").await;
    recorder.forget();
    server.ask("FLUSHALL");
    until("told of a flush", || recorder.was_told(ALL)).await;
}

#[test]
fn an_invalidation_of_another_form_changes_all() {
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
        assert!(recorder.was_told(ALL), "{odd:?}");
    }
}

#[tokio::test]
async fn a_killed_redis_ends_it_and_a_restarted_one_begins_with_all_changed() {
    let mut server = RedisServer::start();
    let recorder = Recorder::on(&store_at(&server.url()), "session:").await;
    recorder.forget();
    server.stop();
    until("not current", || !recorder.is_current()).await;
    assert!(!recorder.was_told(ALL), "nothing is known yet");
    server.restart();
    until("current again", || recorder.is_current()).await;
    let told = recorder.told();
    assert_eq!(
        told,
        [(ALL.to_owned(), false)],
        "forgotten before it is current"
    );
    let other = store_at(&server.url());
    other.put("session:a", x(), MINUTE).await.unwrap();
    until("told", || recorder.was_told("session:a")).await;
}

#[tokio::test]
async fn a_paused_redis_ends_it_in_time_and_what_changed_then_is_told_first() {
    let server = RedisServer::start();
    let recorder = Recorder::on(&store_at(&server.url()), "session:").await;
    let patient = Options {
        response: PATIENCE,
        ..Options::default()
    };
    let other = RedisStore::new(&server.url(), patient).unwrap();
    other.ping().await.unwrap();
    recorder.forget();
    server.pause();
    let changing = tokio::spawn(async move { other.put("session:a", x(), MINUTE).await });
    until("not current", || !recorder.is_current()).await;
    assert!(!recorder.was_told("session:a"));
    server.resume();
    changing.await.unwrap().unwrap();
    until_whole(&recorder, "session:a", Instant::now()).await;
}

#[tokio::test]
async fn a_half_open_connection_is_not_trusted() {
    let server = RedisServer::start();
    let relay = Relay::to(server.port()).await;
    let recorder = Recorder::on(&store_at(&relay.url()), "session:").await;
    let other = store_at(&server.url());
    recorder.forget();
    relay.swallow(true);
    other.put("session:a", x(), MINUTE).await.unwrap();
    let made = Instant::now();
    until("not current", || {
        let must_know = made.elapsed() > WATCH_BOUND;
        let current = recorder.is_current();
        assert!(!(current && must_know), "current for too long");
        !current
    })
    .await;
    assert!(!recorder.was_told("session:a"), "nothing came through");
    relay.swallow(false);
    until_whole(&recorder, "session:a", made).await;
    recorder.forget();
    other.put("session:b", x(), MINUTE).await.unwrap();
    until("told", || recorder.was_told("session:b")).await;
}

/// Too slow for the answer to a question to prove anything in time.
#[tokio::test]
async fn a_slow_connection_promises_nothing_that_it_cannot_keep() {
    let server = RedisServer::start();
    let relay = Relay::to(server.port()).await;
    let recorder = Recorder::on(&store_at(&relay.url()), "session:").await;
    let other = store_at(&server.url());
    relay.dawdle(WATCH_BOUND * 2 / 5);
    until("not current", || !recorder.is_current()).await;
    recorder.forget();
    other.put("session:a", x(), MINUTE).await.unwrap();
    let made = Instant::now();
    until("told", || {
        let must_know = made.elapsed() > WATCH_BOUND;
        let (current, knows) = (recorder.is_current(), recorder.was_told("session:a"));
        assert!(knows || !(current && must_know), "current without it");
        knows
    })
    .await;
    relay.dawdle(Duration::ZERO);
    until_whole(&recorder, "session:a", made).await;
}

#[tokio::test]
async fn a_dropped_watch_gives_its_connection_up() {
    let server = RedisServer::start();
    let store = store_at(&server.url());
    let watches = [(); 3].map(|()| store.watch("session:", Arc::<Recorder>::default()));
    until_watched_by(&server, 3).await;
    drop(watches);
    until_watched_by(&server, 0).await;
}

async fn until_watched_by(server: &RedisServer, expected: usize) {
    let wanted = format!("tracking_clients:{expected}\r");
    until("watched by so many", || {
        server.ask("INFO clients").contains(&wanted)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_outlives_the_runtime_that_asked_for_it() {
    let server = RedisServer::start();
    let store = Arc::new(store_at(&server.url()));
    let asking = Arc::clone(&store);
    let asked = tokio::task::spawn_blocking(move || {
        let mut worker = tokio::runtime::Builder::new_current_thread();
        let worker = worker.enable_all().build().unwrap();
        worker.block_on(Recorder::on(&asking, "session:"))
    });
    let recorder = asked.await.unwrap();
    recorder.forget();
    store.put("session:a", x(), MINUTE).await.unwrap();
    until("told", || recorder.was_told("session:a")).await;
    assert!(recorder.is_current());
}

#[test]
fn without_a_runtime_it_is_never_current() {
    let store = store_at("redis://127.0.0.1:1");
    let watch = store.watch("session:", Arc::<Recorder>::default());
    assert!(!watch.unwrap().is_current());
}
