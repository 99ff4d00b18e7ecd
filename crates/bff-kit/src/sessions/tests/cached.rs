//! `cached`: sessions kept in the process, dropped when the store tells.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use kit::clock::Clock as _;
use store::{Options, RedisStore, SharedStore, Traced, test_redis::RedisServer};
use tokio::time::{sleep, timeout};

use super::{
    super::{Purpose, SessionMode},
    Browser, World, world,
};
use crate::audiences::API1;

const CALL: Purpose = Purpose::Call(&API1);
/// Far more than it takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn on(redis: &RedisServer) -> SharedStore {
    let store = RedisStore::new(&redis.url(), Options::default()).unwrap();
    Arc::new(Traced::new(store))
}

fn world_on(redis: &RedisServer) -> World {
    let nobody = token_verify::Issuer::new("http://idp.test", "http://127.0.0.1:9");
    World::new(nobody, Some(on(redis)))
}

async fn signed_in(world: &World) -> Browser {
    let record = world.record(SessionMode::Cached, "access-secret", Some("R0"));
    world.begin(&record).await
}

/// How many operations of the store a call costs.
async fn cost(world: &World, browser: &Browser) -> u32 {
    let (session, commands) = store::op_count::counted(world.open(browser, CALL)).await;
    assert!(session.is_some());
    commands
}

/// Calls until one costs nothing: the store has promised to tell by then.
async fn until_cached(world: &World, browser: &Browser) {
    let cached = async {
        while cost(world, browser).await > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, cached).await.unwrap();
}

async fn until_signed_out(world: &World, browser: &Browser) {
    let out = async {
        while world.open(browser, CALL).await.is_some() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, out).await.unwrap();
}

#[actix_web::test]
async fn a_session_costs_nothing_while_nothing_changes_and_ends_on_the_other_replica() {
    let redis = RedisServer::start();
    let (first, second) = (world_on(&redis), world_on(&redis));
    let browser = signed_in(&first).await;
    until_cached(&first, &browser).await;
    until_cached(&second, &browser).await;
    let session = second.peek(&browser).await.unwrap();
    second
        .sessions
        .end(&browser.request("/"), &session)
        .await
        .unwrap();
    until_signed_out(&first, &browser).await;
    until_signed_out(&second, &browser).await;
}

#[actix_web::test]
async fn a_redis_that_is_away_is_an_outage_at_the_latest_after_the_bound_and_no_logout() {
    let mut redis = RedisServer::start_durable();
    let world = world_on(&redis);
    let browser = signed_in(&world).await;
    until_cached(&world, &browser).await;
    redis.stop();
    let refused = async {
        let req = browser.request("/api1/data");
        while world.sessions.open(&req, CALL).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, refused).await.unwrap();
    redis.restart();
    until_cached(&world, &browser).await;
}

#[actix_web::test]
async fn what_changed_while_redis_stood_still_is_seen_once_it_goes_on() {
    let redis = RedisServer::start();
    let (first, second) = (world_on(&redis), world_on(&redis));
    let browser = signed_in(&first).await;
    until_cached(&first, &browser).await;
    redis.pause();
    redis.resume();
    let session = second.peek(&browser).await.unwrap();
    second
        .sessions
        .end_all(
            super::super::Whose::User(&session.about().user.sub),
            second.clock.now(),
        )
        .await
        .unwrap();
    until_signed_out(&first, &browser).await;
}

#[actix_web::test]
async fn sessions_of_stateful_are_read_each_time_where_both_modes_are_in_use() {
    let redis = RedisServer::start();
    let world = world_on(&redis);
    let cached = signed_in(&world).await;
    until_cached(&world, &cached).await;
    let record = world.record(SessionMode::Stateful, "access-secret", None);
    let stateful = world.begin(&record).await;
    for _ in 0..3 {
        assert_eq!(cost(&world, &stateful).await, 1);
    }
}

#[actix_web::test]
async fn with_the_memory_store_it_is_simply_that_store() {
    let world = world();
    let browser = signed_in(&world).await;
    let session = world.open(&browser, CALL).await.unwrap();
    world
        .sessions
        .end(&browser.request("/"), &session)
        .await
        .unwrap();
    assert!(world.open(&browser, CALL).await.is_none());
}

#[actix_web::test]
async fn calls_and_changes_at_once_never_leave_an_ended_session_behind() {
    let redis = RedisServer::start();
    let (reader, writer) = (world_on(&redis), world_on(&redis));
    let ended = AtomicUsize::new(0);
    for _ in 0..50 {
        let browser = signed_in(&writer).await;
        let reading = async {
            for _ in 0..20 {
                reader.open(&browser, CALL).await;
            }
        };
        let ending = async {
            let session = writer.peek(&browser).await.unwrap();
            let request = browser.request("/");
            writer.sessions.end(&request, &session).await.unwrap();
            ended.fetch_add(1, SeqCst);
        };
        tokio::join!(reading, ending);
        until_signed_out(&reader, &browser).await;
    }
    assert_eq!(ended.load(SeqCst), 50);
}
