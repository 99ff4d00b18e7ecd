use actix_web::test::TestRequest;
use futures_util::future::join_all;

use super::*;
use crate::sessions::tests::{World, world};

fn logins(world: &World) -> PreSessions {
    PreSessions::new(
        world.store.clone(),
        Keyring::new(&[[9; 32]], "login"),
        &world.deps,
        "app1",
        LoginBudget::default(),
    )
}

fn browser(cookies: &[Cookie<'static>]) -> HttpRequest {
    let live = cookies.iter().filter(|cookie| !cookie.value().is_empty());
    live.fold(TestRequest::default(), |req, cookie| {
        req.cookie(cookie.clone())
    })
    .to_http_request()
}

fn to(return_to: &str) -> NewLogin<'_> {
    NewLogin {
        return_to,
        signed_in_since: None,
        mode: None,
        credentials: crate::credentials::Chosen::default(),
        pushes: false,
        second_provider: false,
    }
}

async fn redeem(
    logins: &PreSessions,
    req: &HttpRequest,
    state: &str,
) -> Result<PreSession, NoLogin> {
    logins.take(logins.find(req, state).await?).await
}

#[tokio::test]
async fn a_state_works_once_under_concurrency() {
    let world = world();
    let logins = logins(&world);
    let begun = logins
        .begin(&browser(&[]), "S555", to("/docs"))
        .await
        .unwrap();
    let req = browser(&begun.cookies);
    // Each has found it before the first one takes it.
    let found = join_all((0..32).map(|_| logins.find(&req, "S555"))).await;
    let takes = found.into_iter().map(|found| logins.take(found.unwrap()));
    let won: Vec<_> = join_all(takes)
        .await
        .into_iter()
        .filter_map(Result::ok)
        .collect();
    assert_eq!(won.len(), 1);
    assert_eq!(won[0].return_to, "/docs");
    assert_eq!(
        (&won[0].nonce, &won[0].verifier),
        (&begun.nonce, &begun.verifier)
    );
}

#[tokio::test]
async fn another_browser_can_neither_use_a_login_nor_use_it_up() {
    let world = world();
    let logins = logins(&world);
    let begun = logins.begin(&browser(&[]), "S555", to("/")).await.unwrap();
    let stranger = browser(&[]);
    assert!(matches!(
        redeem(&logins, &stranger, "S555").await,
        Err(NoLogin::Foreign)
    ));
    let own = browser(&begun.cookies);
    assert!(redeem(&logins, &own, "S555").await.is_ok());
}

#[tokio::test]
async fn a_made_up_cookie_does_not_bind_and_uses_nothing_up() {
    let world = world();
    let logins = logins(&world);
    let begun = logins.begin(&browser(&[]), "S555", to("/")).await.unwrap();
    let forged = cookies::login("S555", "1.guess", LIFETIME);
    assert!(matches!(
        redeem(&logins, &browser(&[forged]), "S555").await,
        Err(NoLogin::Foreign)
    ));
    let own = browser(&begun.cookies);
    assert!(redeem(&logins, &own, "S555").await.is_ok());
    assert!(matches!(
        redeem(&logins, &own, "S555").await,
        Err(NoLogin::Gone)
    ));
}

#[tokio::test]
async fn a_login_runs_out_after_ten_minutes() {
    let world = world();
    let logins = logins(&world);
    let begun = logins.begin(&browser(&[]), "S555", to("/")).await.unwrap();
    world.clock.advance(LIFETIME);
    assert!(matches!(
        redeem(&logins, &browser(&begun.cookies), "S555").await,
        Err(NoLogin::Gone)
    ));
}

#[tokio::test]
async fn tabs_do_not_overwrite_each_other_and_the_sixth_forgets_the_oldest() {
    let world = world();
    let logins = logins(&world);
    let mut held: Vec<Cookie<'static>> = Vec::new();
    for tab in 0..MAX_LOGINS {
        let begun = logins
            .begin(&browser(&held), &format!("S{tab}"), to("/"))
            .await
            .unwrap();
        assert_eq!(begun.cookies.len(), 1, "tab {tab} forgets none");
        held.extend(begun.cookies);
        world.clock.advance(Duration::from_secs(1));
    }
    let sixth = logins.begin(&browser(&held), "S5", to("/")).await.unwrap();
    assert_eq!(sixth.cookies.len(), 2);
    assert_eq!(sixth.cookies[0].name(), cookies::login_name("S0"));
    assert_eq!(
        sixth.cookies[0].max_age(),
        Some(actix_web::cookie::time::Duration::ZERO)
    );
    assert!(redeem(&logins, &browser(&held), "S1").await.is_ok());
}

#[tokio::test]
async fn a_login_leaves_2_kb_at_most_and_one_that_would_leave_more_does_not_begin() {
    let world = world();
    let logins = logins(&world);
    let longest = format!("/{}", "r".repeat(crate::return_to::MAX_RETURN_TO - 1));
    logins
        .begin(&browser(&[]), "S555", to(&longest))
        .await
        .unwrap();
    let left = world.store.get(&logins.key("S555")).await.unwrap().unwrap();
    assert!((1500..=2048).contains(&left.len()), "{}", left.len());
    // A quotation mark takes twice its room.
    let quoted = format!("/{}", "\"".repeat(crate::return_to::MAX_RETURN_TO - 1));
    let refused = logins.begin(&browser(&[]), "S556", to(&quoted)).await;
    assert!(matches!(refused, Err(StartLoginError::TooLarge)));
    assert!(
        world
            .store
            .get(&logins.key("S556"))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn an_address_loses_its_own_oldest_login_and_nobody_elses() {
    let world = world();
    let logins = logins(&world);
    let at = |address: &str| {
        let peer = format!("{address}:1").parse().unwrap();
        TestRequest::default().peer_addr(peer).to_http_request()
    };
    let other = logins
        .begin(&at("192.0.2.1"), "other", to("/"))
        .await
        .unwrap();
    for n in 0..500 {
        world.clock.advance(Duration::from_millis(1));
        let state = format!("S{n}");
        logins
            .begin(&at("192.0.2.9"), &state, to("/"))
            .await
            .unwrap();
    }
    let is_kept = async |state: &str| {
        let kept = world.store.get(&logins.key(state)).await.unwrap();
        kept.is_some()
    };
    assert!(!is_kept("S0").await && is_kept("S499").await);
    let other = browser(&other.cookies);
    assert!(redeem(&logins, &other, "other").await.is_ok());
}
