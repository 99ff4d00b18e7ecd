//! Sessions in cookies that ended elsewhere: who has heard of it refuses them.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use kit::clock::Clock as _;
use store::{SharedStore, Watcher as _};

use super::{
    super::{Purpose, SessionMode, Whose},
    Browser,
    in_cookies::Setup,
    world,
};
use crate::{audiences::API1, cookies, watched::Watched};

const CALL: Purpose = Purpose::Call(&API1);
const TOKEN_COOKIE_MODES: [SessionMode; 2] = [SessionMode::Hybrid, SessionMode::Stateless];

/// What the browser keeps of the answer to a call.
async fn after_a_call(setup: &Setup, browser: &Browser) -> Browser {
    let req = browser.request("/api1/data");
    let (opened, set) = setup.world.sessions.open(&req, CALL).await.unwrap();
    assert!(opened.is_none());
    let mut after = browser.clone();
    after.take(set.into_cookies());
    after
}

/// The store tells that the session's record changed.
fn told_of_a_change(setup: &Setup, browser: &Browser) {
    let sessions = &setup.world.sessions;
    let key = sessions.records().key(&browser.id().handle());
    sessions.observers.invalidate(&key);
}

/// A setup whose store is counted.
fn observed() -> (Setup, Arc<Watched>) {
    let store = Arc::new(Watched::new(world().store));
    let setup = Setup::with(Some(Arc::clone(&store) as SharedStore));
    (setup, store)
}

/// Whether a call is served, and how often it asks the store.
async fn call((setup, store): &(Setup, Arc<Watched>), browser: &Browser) -> (bool, usize) {
    let before = store.asked.load(SeqCst);
    let served = setup.usable(browser).await;
    (served, store.asked.load(SeqCst) - before)
}

#[actix_web::test]
async fn oidc_backchannel_2_7_the_providers_end_is_the_end_of_what_browsers_carry() {
    for mode in TOKEN_COOKIE_MODES {
        for whose in [Whose::Login("s-1"), Whose::User("user-1")] {
            let scene = observed();
            let setup = &scene.0;
            let browser = setup.browser(mode).await;
            assert!(setup.usable(&browser).await);
            let now = setup.world.clock.now();
            setup.world.sessions.end_all(whose, now).await.unwrap();
            assert_eq!(call(&scene, &browser).await, (false, 0), "{mode}");
            let after = after_a_call(setup, &browser).await;
            assert_eq!(after.names(), [cookies::ENDED], "{mode}: all is forgotten");
            assert!(setup.world.peek(&browser).await.is_none(), "{mode}");
        }
    }
}

#[actix_web::test]
async fn who_signs_in_again_after_the_providers_end_is_signed_in() {
    let setup = Setup::new();
    let logout_at = setup.world.clock.now() - Duration::from_secs(1);
    let user = Whose::User("user-1");
    setup.world.sessions.end_all(user, logout_at).await.unwrap();
    for mode in TOKEN_COOKIE_MODES {
        assert!(setup.usable(&setup.browser(mode).await).await, "{mode}");
    }
}

#[actix_web::test]
async fn a_sign_out_here_is_the_end_of_cookies_that_somebody_kept() {
    let scene = observed();
    let setup = &scene.0;
    for mode in TOKEN_COOKIE_MODES {
        let browser = setup.browser(mode).await;
        assert!(setup.usable(&browser).await);
        let session = setup.world.peek(&browser).await.unwrap();
        let req = browser.request("/logout");
        setup.world.sessions.end(&req, &session).await.unwrap();
        // Without the marker that the answer set.
        assert_eq!(call(&scene, &browser).await, (false, 0), "{mode}");
    }
}

#[actix_web::test]
async fn a_read_that_finds_no_record_is_known_to_the_next_call() {
    let scene = observed();
    let setup = &scene.0;
    let browser = setup.browser(SessionMode::Hybrid).await;
    assert!(setup.usable(&browser).await);
    let key = setup.world.key(&browser);
    setup.world.store.remove(&key).await.unwrap();
    assert!(setup.usable(&browser).await, "nobody has heard of it");
    let req = browser.request("/session");
    let opening = setup.world.sessions.open(&req, Purpose::PEEK);
    let (opened, set) = opening.await.unwrap();
    assert!(opened.is_none());
    let mut after = browser.clone();
    after.take(set.into_cookies());
    assert_eq!(after.names(), [cookies::ENDED]);
    assert_eq!(call(&scene, &browser).await, (false, 0));
}

#[actix_web::test]
async fn a_changed_record_is_read_once_and_one_that_is_gone_is_the_end() {
    let scene = observed();
    let setup = &scene.0;
    let browser = setup.browser(SessionMode::Hybrid).await;
    assert_eq!(call(&scene, &browser).await, (true, 0));
    told_of_a_change(setup, &browser);
    assert_eq!(call(&scene, &browser).await, (true, 1));
    assert_eq!(call(&scene, &browser).await, (true, 0));
    let key = setup.world.key(&browser);
    setup.world.store.remove(&key).await.unwrap();
    told_of_a_change(setup, &browser);
    assert_eq!(call(&scene, &browser).await, (false, 1));
    assert_eq!(call(&scene, &browser).await, (false, 0));
    let after = after_a_call(setup, &browser).await;
    assert_eq!(after.names(), [cookies::ENDED]);
}

#[actix_web::test]
async fn after_a_gap_in_the_watch_the_records_of_older_tokens_are_read() {
    let scene = observed();
    let setup = &scene.0;
    let browser = setup.browser(SessionMode::Hybrid).await;
    assert_eq!(call(&scene, &browser).await, (true, 0));
    setup.world.sessions.observers.invalidate_all();
    assert_eq!(call(&scene, &browser).await, (true, 1));
    assert_eq!(call(&scene, &browser).await, (true, 0));
    setup.world.clock.advance(Duration::from_secs(60));
    let newer = setup.browser(SessionMode::Hybrid).await;
    assert_eq!(call(&scene, &newer).await, (true, 0));
}

#[actix_web::test]
async fn while_the_store_is_away_calls_go_on_and_ask_it_rarely() {
    let (setup, store) = observed();
    let browser = setup.browser(SessionMode::Hybrid).await;
    told_of_a_change(&setup, &browser);
    store.away.store(true, SeqCst);
    for _ in 0..10 {
        assert!(setup.usable(&browser).await);
    }
    let asked = store.asked.load(SeqCst);
    assert!(setup.usable(&browser).await);
    assert_eq!(store.asked.load(SeqCst), asked);
    store.away.store(false, SeqCst);
    let key = setup.world.key(&browser);
    setup.world.store.remove(&key).await.unwrap();
    setup.world.clock.advance(Duration::from_secs(31));
    assert!(!setup.usable(&browser).await, "asked again in the end");
}

#[actix_web::test]
async fn cookies_of_anothers_session_end_nobodys() {
    let setup = Setup::new();
    let (own, others) = (
        setup.browser(SessionMode::Hybrid).await,
        setup.browser(SessionMode::Hybrid).await,
    );
    // The id of the one beside the identity of the other.
    let mut mixed = own.clone();
    mixed.take(others.0.clone().into_values());
    mixed.take([cookies::session(own.id().expose())]);
    let ended = setup.world.peek(&own).await.unwrap();
    let req = own.request("/logout");
    setup.world.sessions.end(&req, &ended).await.unwrap();
    assert!(setup.world.peek(&mixed).await.is_none());
    assert!(setup.usable(&others).await);
}
