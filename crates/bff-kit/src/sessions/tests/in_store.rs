//! Sessions in the store.

use std::time::Duration;

use kit::{clock::Clock as _, seal::fingerprint};

use super::{
    super::{Purpose, Session, SessionMode, Whose, records::Stored, session::Source},
    IDLE, World, world,
    world::LONGEST,
};
use crate::{audiences::API1, credentials::UserToken};

const USE: Purpose = Purpose::USE;

fn stored(session: &Session) -> &Stored {
    match &session.source {
        Source::Record(stored) => stored,
        Source::Cookies(_) => panic!("a session in the store"),
    }
}

fn key(world: &World, session: &Session) -> String {
    world.sessions.records().key(&session.id.handle())
}

#[actix_web::test]
async fn a_session_comes_back_whole_and_lies_sealed_under_a_hash() {
    let world = world();
    let (browser, session) = world.session().await;
    assert_eq!(browser.names(), ["__Host-session_id"]);
    assert_eq!(session.about().user.name, "Alice");
    assert_eq!(stored(&session).record.refresh_token.as_deref(), Some("R0"));
    let now = world.clock.now();
    let token = session
        .access_token(UserToken::Own, &API1, now, Duration::ZERO)
        .unwrap();
    assert_eq!(token.token.token(), "access-secret");
    let key = key(&world, &session);
    assert!(!key.contains(browser.id().expose()));
    let raw = world.store.get(&key).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&raw);
    for secret in ["access-secret", "id-token-secret", "refresh_token", "Alice"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[actix_web::test]
async fn a_record_moved_to_another_sessions_key_counts_as_absent() {
    let world = world();
    let (_, first) = world.session().await;
    let (browser, second) = world.session().await;
    let stolen = world
        .store
        .get(&key(&world, &first))
        .await
        .unwrap()
        .unwrap();
    let place = key(&world, &second);
    world.store.put(&place, stolen, IDLE).await.unwrap();
    assert!(world.peek(&browser).await.is_none());
}

#[actix_web::test]
async fn use_extends_a_session_in_steps_of_a_twentieth_and_a_peek_does_not() {
    let world = world();
    let (browser, session) = world.session().await;
    let key = key(&world, &session);
    let before = world.store.get(&key).await.unwrap();
    let second = Duration::from_secs(1);
    world.clock.advance((IDLE / 20).saturating_sub(second));
    world.open(&browser, USE).await.unwrap();
    let same = world.store.get(&key).await.unwrap();
    assert_eq!(same, before, "too soon to write");
    world.clock.advance(second);
    world.peek(&browser).await.unwrap();
    let same = world.store.get(&key).await.unwrap();
    assert_eq!(same, before, "a peek is no use");
    world.open(&browser, USE).await.unwrap();
    let extended = world.peek(&browser).await.unwrap();
    assert_eq!(extended.about().expires_at, world.clock.now() + IDLE);
}

#[actix_web::test]
async fn a_session_ends_when_idle_and_at_the_latest_after_its_longest_time() {
    let world = world();
    let (browser, _) = world.session().await;
    world.clock.advance(IDLE);
    assert!(world.peek(&browser).await.is_none());
    let (browser, session) = world.session().await;
    let mut used = Duration::ZERO;
    while used + IDLE / 2 < LONGEST {
        world.clock.advance(IDLE / 2);
        used += IDLE / 2;
        let live = world.open(&browser, USE).await.is_some();
        assert!(live, "after {used:?}");
    }
    assert!(world.clock.now() < session.about().ends_at);
    world.clock.advance(IDLE / 2);
    assert!(world.peek(&browser).await.is_none());
}

#[actix_web::test]
async fn a_request_that_finishes_late_does_not_bring_an_ended_session_back() {
    let world = world();
    let (browser, session) = world.session().await;
    let request = browser.request("/");
    world.sessions.end(&request, &session).await.unwrap();
    let kept = stored(&session);
    let late = world.sessions.records().replace(kept, kept.record.clone());
    assert!(late.await.unwrap().is_none());
    assert!(world.peek(&browser).await.is_none());
}

#[actix_web::test]
async fn a_session_of_one_app_is_not_valid_at_the_other() {
    let world = world();
    let (browser, _) = world.session().await;
    let other = world.sessions_in(&world.store, "app2");
    let looked = other.open(&browser.request("/"), USE).await;
    assert!(looked.unwrap().0.is_none());
}

#[actix_web::test]
async fn all_sessions_of_a_user_or_of_a_login_are_found_and_ended() {
    let world = world();
    let (first, _) = world.session().await;
    let (second, _) = world.session().await;
    let user = Whose::User("user-1");
    assert_eq!(world.sessions.in_store.all_of(user).await.unwrap().len(), 2);
    let none = world
        .sessions
        .in_store
        .all_of(Whose::User("user-2"))
        .await
        .unwrap();
    assert!(none.is_empty());
    let ending = world
        .sessions
        .end_all(Whose::Login("s-1"), world.clock.now());
    assert_eq!(ending.await.unwrap(), 2);
    for browser in [first, second] {
        assert!(world.peek(&browser).await.is_none());
    }
    assert!(
        world
            .sessions
            .in_store
            .all_of(user)
            .await
            .unwrap()
            .is_empty()
    );
}

#[actix_web::test]
async fn a_login_that_a_logout_crosses_makes_no_session() {
    let world = world();
    let record = || world.record(SessionMode::Stateful, "access-secret", None);
    let crossed = record();
    // The logout finds nothing yet, and the login is saved after it.
    let login = Whose::Login("s-1");
    let logout_at = world.clock.now();
    world.sessions.end_all(login, logout_at).await.unwrap();
    assert!(world.sessions.begin(&crossed).await.is_err());
    world.clock.advance(Duration::from_secs(60));
    let late = world.sessions.begin(&record()).await;
    assert!(late.is_err(), "the provider's session does not begin again");
    let user = Whose::User("user-1");
    assert!(
        world
            .sessions
            .in_store
            .all_of(user)
            .await
            .unwrap()
            .is_empty()
    );
}

#[actix_web::test]
async fn a_user_who_signs_in_anew_after_a_logout_is_signed_in() {
    let world = world();
    let user = Whose::User("user-1");
    let before = world.record(SessionMode::Stateful, "access-secret", None);
    let logout_at = world.clock.now();
    world.sessions.end_all(user, logout_at).await.unwrap();
    assert!(world.sessions.begin(&before).await.is_err());
    world.clock.advance(Duration::from_secs(1));
    let anew = world.record(SessionMode::Stateful, "access-secret", None);
    assert!(world.sessions.begin(&anew).await.is_ok());
}

#[actix_web::test]
async fn all_sessions_end_however_many_there_are() {
    let world = world();
    for _ in 0..250 {
        world.session().await;
    }
    let ending = world
        .sessions
        .end_all(Whose::User("user-1"), world.clock.now());
    assert_eq!(ending.await.unwrap(), 250);
    let listed = world
        .sessions
        .in_store
        .all_of(Whose::User("user-1"))
        .await
        .unwrap();
    assert!(listed.is_empty());
}

#[actix_web::test]
async fn a_store_that_only_reads_costs_nobody_a_call() {
    let world = world();
    let (browser, _) = world.session().await;
    world.clock.advance(IDLE / 20);
    let watched = std::sync::Arc::new(crate::watched::Watched::new(world.store.clone()));
    watched
        .only_reads
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let shared: store::SharedStore = watched;
    let sessions = world.sessions_in(&shared, "app1");
    let opened = sessions.open(&browser.request("/"), USE).await;
    assert!(opened.unwrap().0.is_some());
}

#[actix_web::test]
async fn repeated_logins_do_not_fill_the_index() {
    let world = world();
    for _ in 0..5 {
        world.session().await;
        world.clock.advance(LONGEST);
    }
    world.session().await;
    let handles = world
        .sessions
        .records()
        .index()
        .of(Whose::User("user-1"), 10);
    assert_eq!(handles.await.unwrap().len(), 1);
}

/// The store loses the session's entry in each set whose name begins with one of
/// `kinds`.
async fn lose_entries(world: &World, session: &Session, kinds: &[&str]) {
    let member = session.id.handle();
    for (kind, name) in [("of-user", "user-1"), ("of-login", "s-1")] {
        if kinds.contains(&kind) {
            let set = format!("bff:app1:{kind}:{}", fingerprint(name));
            assert!(
                world
                    .store
                    .remove_scored(&set, member.as_str())
                    .await
                    .unwrap(),
                "{set}"
            );
        }
    }
}

#[actix_web::test]
async fn a_session_that_a_set_does_not_name_ends_when_it_is_extended() {
    for lost in [&["of-user"][..], &["of-login"], &["of-user", "of-login"]] {
        let world = world();
        let (browser, session) = world.session().await;
        let (other, _) = world.session().await;
        lose_entries(&world, &session, lost).await;
        assert!(world.open(&browser, USE).await.is_some(), "not checked yet");
        world.clock.advance(IDLE / 20);
        assert!(world.open(&browser, USE).await.is_none(), "{lost:?}");
        let key = key(&world, &session);
        assert!(world.store.get(&key).await.unwrap().is_none(), "{lost:?}");
        assert!(world.open(&other, USE).await.is_some(), "another is whole");
    }
}

#[actix_web::test]
async fn a_logout_finds_a_session_by_whichever_set_still_names_it() {
    let now = |world: &World| world.clock.now();
    let world = world();
    let (browser, session) = world.session().await;
    lose_entries(&world, &session, &["of-login"]).await;
    let sessions = &world.sessions;
    let whose = Whose::Login("s-1");
    assert_eq!(sessions.end_all(whose, now(&world)).await.unwrap(), 0);
    assert!(world.peek(&browser).await.is_some());
    assert_eq!(sessions.end_by_user("user-1", "s-2").await.unwrap(), 0);
    assert_eq!(sessions.end_by_user("user-1", "s-1").await.unwrap(), 1);
    assert!(world.peek(&browser).await.is_none());
}
