//! The contract suite on a real server, and the effect of failing servers on callers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kit::clock::Timestamp;

use super::*;
use crate::{
    Counters as _, Leases as _, OrderedSets as _, Store as _, Values as _,
    contract::{self, Time},
    redis::invalidations::tests::{TIMEOUT, until},
    test_redis::{RedisServer, RedisUser},
};

mod cluster;
mod sentinels;
mod tls_and_users;

const MINUTE: Duration = Duration::from_secs(60);
const NOON: Timestamp = Timestamp::from_secs(1_700_000_000);
const OPTIONS: Options = Options {
    connect: Duration::from_secs(1),
    response: Duration::from_millis(500),
    shared_connections: 2,
};
/// The node timeout of tests in which a replica takes over.
const FAST_FAILOVER: Duration = Duration::from_secs(2);
/// The node timeout of tests without a failover, on a busy machine too.
const NO_FAILOVER: Duration = Duration::from_secs(30);
/// How much later than a timeout an operation may end on a busy machine.
const SLACK: Duration = Duration::from_secs(2);

fn store(server: &RedisServer) -> RedisStore {
    RedisStore::new(&server.url(), OPTIONS).unwrap()
}

/// Runs all operations at once: each fails as unreachable within `limit`.
async fn assert_all_unreachable(store: &RedisStore, limit: Duration) {
    let x = || Bytes::from_static(b"x");
    let begun = Instant::now();
    let values = async {
        tokio::join!(
            async { store.ping().await.err() },
            async { store.put("k", x(), MINUTE).await.err() },
            async { store.put_new("k", x(), MINUTE).await.err() },
            async { store.get("k").await.err() },
            async { store.take("k").await.err() },
            async { store.compare_and_swap("k", b"x", x(), MINUTE).await.err() },
            async { store.remove("k").await.err() },
            async { store.increment("k", MINUTE).await.err() },
            async { store.lease("k", "me", MINUTE).await.err() },
            async { store.release("k", "me").await.err() },
        )
    };
    let sets = async {
        tokio::join!(
            async { store.add_scored("s", "m", NOON, MINUTE).await.err() },
            async { store.range("s", NOON, 1).await.err() },
            async { store.remove_scored("s", "m").await.err() },
            async { store.claim("s", NOON, NOON, 1).await.err() },
        )
    };
    let (values, sets) = tokio::join!(values, sets);
    let (values, sets): ([_; 10], [_; 4]) = (values.into(), sets.into());
    for error in values.into_iter().chain(sets) {
        assert!(
            matches!(error, Some(StoreError::Unreachable(_))),
            "{error:?}"
        );
    }
    assert!(begun.elapsed() < limit + SLACK, "{:?}", begun.elapsed());
}

/// The result of `attempt`, repeated while the store is unreachable.
async fn eventually<T>(mut attempt: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(StoreError::Unreachable(why)) => assert!(Instant::now() < deadline, "{why}"),
            Err(refused) => panic!("{refused}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until `store` answers, for a bounded number of attempts.
async fn until_reachable(store: &RedisStore) {
    for _ in 0..100 {
        if store.ping().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it does not answer: {:?}", store.ping().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_store_passes_the_contract_suite() {
    let server = RedisServer::start();
    contract::check(Arc::new(store(&server)), Time::Real)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_killed_redis_is_unreachable_and_serves_again_after_a_restart() {
    let mut server = RedisServer::start();
    let store = store(&server);
    store
        .put("k", Bytes::from_static(b"x"), MINUTE)
        .await
        .unwrap();
    server.stop();
    assert_all_unreachable(&store, OPTIONS.response).await;
    server.restart();
    store
        .put("k", Bytes::from_static(b"y"), MINUTE)
        .await
        .unwrap();
    // The new process does not have the scripts: they are loaded again.
    assert!(
        store
            .compare_and_swap("k", b"y", Bytes::from_static(b"z"), MINUTE)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn an_idle_connection_that_was_lost_is_replaced_before_the_next_write() {
    let mut server = RedisServer::start();
    let store = store(&server);
    store.ping().await.unwrap();
    let Servers::One(connections) = &*store.servers else {
        panic!("more than one server");
    };
    assert!(connections.is_connected());
    server.restart();
    until("lost", || !connections.is_connected()).await;
    let put = store.put("k", Bytes::from_static(b"x"), MINUTE).await;
    assert_eq!(put, Ok(()));
}

#[tokio::test]
async fn without_a_server_every_operation_fails_within_the_connect_timeout() {
    for url in [
        "redis://127.0.0.1:1",
        "redis+sentinel://127.0.0.1:1,127.0.0.1:2,127.0.0.1:3/main",
        "redis+cluster://127.0.0.1:1,127.0.0.1:2",
    ] {
        let store = RedisStore::new(url, OPTIONS).unwrap();
        assert_all_unreachable(&store, OPTIONS.connect).await;
    }
}

#[tokio::test]
async fn a_read_succeeds_after_an_unnoticed_restart() {
    let mut server = RedisServer::start();
    let store = store(&server);
    store.ping().await.unwrap();
    server.restart();
    assert_eq!(store.get("k").await, Ok(None));
}

#[tokio::test]
async fn a_paused_redis_is_unreachable_within_the_timeouts_and_serves_again_when_resumed() {
    let server = RedisServer::start();
    let store = store(&server);
    store
        .put("k", Bytes::from_static(b"x"), MINUTE)
        .await
        .unwrap();
    server.pause();
    assert_all_unreachable(&store, OPTIONS.response).await;
    // The connection was dropped: operations wait for a new one.
    assert_all_unreachable(&store, OPTIONS.connect).await;
    server.resume();
    until_reachable(&store).await;
    assert!(
        store
            .put_new("after", Bytes::from_static(b"x"), MINUTE)
            .await
            .unwrap()
    );
}

/// How many connections the server has accepted, the one of this question included.
fn connections_accepted(server: &RedisServer) -> usize {
    let stats = server.ask("INFO stats");
    let mut lines = stats.lines();
    let accepted = lines.find_map(|line| line.strip_prefix("total_connections_received:"));
    accepted.unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_operations_share_the_connection_of_their_slot() {
    let server = RedisServer::start();
    let before = connections_accepted(&server);
    let store = Arc::new(store(&server));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..64 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.get(&n.to_string()).await });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    let made = connections_accepted(&server) - before - 1;
    assert!((1..=OPTIONS.shared_connections).contains(&made), "{made}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_outlives_the_runtime_that_used_it_first() {
    let server = RedisServer::start();
    let options = Options {
        shared_connections: 1,
        ..OPTIONS
    };
    let store = Arc::new(RedisStore::new(&server.url(), options).unwrap());
    let first = Arc::clone(&store);
    let used = tokio::task::spawn_blocking(move || {
        let mut worker = tokio::runtime::Builder::new_current_thread();
        worker.enable_all().build().unwrap().block_on(first.ping())
    });
    used.await.unwrap().unwrap();
    // A write: a read would be repeated.
    let put = store.put("k", Bytes::from_static(b"x"), MINUTE).await;
    assert_eq!(put, Ok(()));
}

#[test]
fn a_store_made_outside_a_runtime_connects_on_its_callers_runtime() {
    let server = RedisServer::start();
    let store = store(&server);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(store.ping()).unwrap();
}

#[tokio::test]
async fn every_key_has_the_prefix_and_a_lifetime() {
    let server = RedisServer::start();
    let store = store(&server);
    let x = Bytes::from_static(b"x");
    store.put("put", x.clone(), MINUTE).await.unwrap();
    store.put_new("put_new", x.clone(), MINUTE).await.unwrap();
    assert!(
        store
            .compare_and_swap("put", b"x", x, MINUTE)
            .await
            .unwrap()
    );
    store.increment("count", MINUTE).await.unwrap();
    store.increment("count", MINUTE).await.unwrap();
    store.lease("lease", "me", MINUTE).await.unwrap();
    store.add_scored("set", "m", NOON, MINUTE).await.unwrap();
    store.claim("set", NOON, NOON, 1).await.unwrap();
    let keys = server.ask("KEYS *");
    let keys: Vec<&str> = keys.lines().filter(|line| line.contains(':')).collect();
    assert_eq!(keys.len(), 5, "{keys:?}");
    for key in keys {
        assert!(key.starts_with("sso-lab:"), "{key}");
        let left = server.ask(&format!("PTTL {key}"));
        let left: u64 = left.lines().next().unwrap()[1..].parse().unwrap();
        assert!((1..=60_000).contains(&left), "{key}: {left}");
    }
}

#[tokio::test]
async fn an_ordered_set_has_no_size_limit() {
    let server = RedisServer::start();
    let store = store(&server);
    let fill = "for n = ARGV[1], ARGV[1] + 9999 do redis.call('ZADD', KEYS[1], n, n) end";
    for first in (1..=120_000).step_by(10_000) {
        server.ask(&format!("EVAL \"{fill}\" 1 sso-lab:s {first}"));
    }
    let count = store.add_scored("s", "one more", NOON, MINUTE).await;
    assert_eq!(count, Ok(120_001));
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated() {
    let server = RedisServer::start();
    server.ask("CONFIG SET requirepass right");
    let url = |password| format!("redis://:{password}@127.0.0.1:{}", server.port());
    let wrong = RedisStore::new(&url("hunter2"), OPTIONS).unwrap();
    let error = wrong.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    RedisStore::new(&url("right"), OPTIONS)
        .unwrap()
        .ping()
        .await
        .unwrap();
}

#[tokio::test]
async fn rfc6761_a_localhost_name_leads_to_loopback() {
    let server = RedisServer::start();
    let url = format!("redis://store.localhost:{}", server.port());
    RedisStore::new(&url, OPTIONS)
        .unwrap()
        .ping()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_redis_is_unreachable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let speaking = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.writable().await.unwrap();
            stream
                .try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .unwrap();
        }
    });
    let store = RedisStore::new(&format!("redis://127.0.0.1:{port}"), OPTIONS).unwrap();
    let error = store.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    speaking.abort();
}

/// Redis reads its file as the default user, and drops scripts and transactions with
/// two writes that this user may not run.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_with_the_default_user_off_reads_its_whole_file() {
    let mut server = RedisServer::start_guarded_durable();
    let user = RedisUser::named("sso-lab-idp");
    let store = RedisStore::new(&server.url_for(&user), OPTIONS).unwrap();
    let value = || Bytes::from_static(b"x");
    store.put("idp:v", value(), MINUTE).await.unwrap();
    for member in ["a", "b"] {
        store
            .add_scored("idp:s", member, NOON, MINUTE)
            .await
            .unwrap();
    }
    let claimed = store.claim("idp:s", NOON, NOON + MINUTE, 9).await.unwrap();
    assert_eq!(claimed, ["a", "b"]);
    assert_eq!(store.increment("idp:n", MINUTE).await, Ok(1));
    server.restart();
    let unauthenticated = server.ask_as(None, "GET sso-lab:idp:v");
    assert!(unauthenticated.starts_with("-NOAUTH"), "{unauthenticated}");
    eventually(async || store.ping().await).await;
    assert_eq!(store.get("idp:v").await, Ok(Some(value())));
    let kept = store.range("idp:s", NOON, 9).await.unwrap();
    let moved = NOON + MINUTE;
    assert_eq!(kept, [("a".to_owned(), moved), ("b".to_owned(), moved)]);
    assert_eq!(store.increment("idp:n", MINUTE).await, Ok(2));
}
