//! The login form: wrong passwords, too many of them, forms that others send.

use std::time::Duration;

use testkit::Platform;
use tests::{ALICE, BOB, Party, sign_in};

use crate::receiver::{BUILT_IN, file};

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_user_gets_the_same_page_as_a_wrong_password() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut cli = party.cli();
    let mut texts = Vec::new();
    for person in [("alice", "wrong"), ("nobody", "wrong")] {
        cli.goto(&party.authorize_url(&[])).await;
        sign_in(&mut cli, person).await;
        assert!(
            cli.page().has_form() && cli.page().location().is_none(),
            "{}",
            cli.page()
        );
        texts.push((
            cli.page().status(),
            cli.page().text().replace(person.0, "…"),
        ));
    }
    assert_eq!(texts[0], texts[1]);
    sign_in(&mut cli, ALICE).await;
    assert!(cli.page().location().is_some(), "{}", cli.page());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_user_cannot_sign_in() {
    let alice = "username = \"alice\"";
    let config = file(&BUILT_IN.replace(alice, &format!("{alice}\nenabled = false")));
    let flags = ["--config", config.path().to_str().unwrap()];
    let platform = Platform::start_with(&flags).await;
    let party = Party::app1(&platform);
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    sign_in(&mut cli, ALICE).await;
    assert_eq!(cli.page().status(), 401, "{}", cli.page());
    sign_in(&mut cli, BOB).await;
    assert!(cli.page().location().is_some(), "{}", cli.page());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_at_an_address_is_delayed_from_the_fifth_failure_on() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    for _ in 0..5 {
        assert_ne!(cli.page().status(), 429);
        sign_in(&mut cli, ("alice", "wrong")).await;
    }
    sign_in(&mut cli, ALICE).await;
    assert_eq!(cli.page().status(), 429, "{}", cli.page());
    let seconds: u64 = cli
        .page()
        .header("retry-after")
        .unwrap_or_default()
        .parse()
        .unwrap();
    assert!((1..=300).contains(&seconds));
    // Another user of the same room is not held up.
    let mut other = party.cli();
    other.goto(&party.authorize_url(&[])).await;
    sign_in(&mut other, BOB).await;
    assert!(other.page().location().is_some(), "{}", other.page());

    platform.advance(Duration::from_secs(seconds));
    cli.goto(&party.authorize_url(&[])).await;
    sign_in(&mut cli, ALICE).await;
    assert!(cli.page().location().is_some(), "{}", cli.page());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_delayed_from_the_50th_failure_on() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    for n in 0..50 {
        assert_eq!(
            cli.page().status(),
            if n == 0 { 200 } else { 401 },
            "try {n}"
        );
        let name = format!("nobody-{n}");
        cli.submit_first_form(&[("username", &name), ("password", "wrong")])
            .await;
    }
    sign_in(&mut cli, BOB).await;
    assert_eq!(cli.page().status(), 429, "{}", cli.page());
    assert!(cli.page().header("retry-after").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_form_issued_to_another_browser_starts_no_session() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let (mut attacker, mut victim) = (party.cli(), party.cli());
    let fields = [("username", ALICE.0), ("password", ALICE.1)];
    attacker.goto(&party.authorize_url(&[])).await;
    let form = attacker.first_form().fill(&fields).unwrap();
    victim.goto(&party.authorize_url(&[])).await;
    let page = victim.submit(form, 5).await;
    assert!(page.location().is_none() && page.status() >= 400, "{page}");
    assert!(
        victim
            .jar()
            .get("idp.localhost", "__Host-idp_session")
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_form_submitted_by_another_site_starts_no_session() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    let form = cli
        .first_form()
        .fill(&[("username", ALICE.0), ("password", ALICE.1)])
        .unwrap();
    // The same form with the same fields, but the page that sends it is app1's.
    cli.goto(&platform.url(kit::config::Site::App1)).await;
    let page = cli.submit(form, 5).await;
    assert!(page.location().is_none() && page.status() >= 400, "{page}");
    assert!(
        cli.jar()
            .get("idp.localhost", "__Host-idp_session")
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_session_cookie_is_as_the_contract_says_and_new_at_each_login() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut cli = party.cli();
    party.tokens(&mut cli, &[]).await;
    let first = cli
        .jar()
        .get("idp.localhost", "__Host-idp_session")
        .cloned()
        .unwrap();
    assert!(
        first.secure && first.http_only && first.same_site == testkit::SameSite::Lax,
        "{first:?}"
    );
    assert_eq!(first.path, "/");
    party.tokens(&mut cli, &[("prompt", "login")]).await;
    let second = cli
        .jar()
        .get("idp.localhost", "__Host-idp_session")
        .cloned()
        .unwrap();
    assert_ne!(first.value, second.value);
    assert!(cli.jar().refused().is_empty(), "{:?}", cli.jar().refused());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_opened_with_an_empty_cookie_is_bound_to_no_browser() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let idp = platform.issuer();
    // The attacker opens the form with an empty cookie of the right name...
    let http = kit::net::http_client();
    let page = http
        .get(party.authorize_url(&[]))
        .header("cookie", "__Host-idp_browser=")
        .send()
        .await
        .unwrap();
    let page = page.text().await.unwrap();
    let at = page
        .find("name=\"authorization_session\" value=\"")
        .unwrap();
    let value = page[at..].split('"').nth(3).unwrap();
    // ...and has the victim's browser, which sends no cookie along, answer it.
    let answer = http
        .post(format!("{idp}/sign-in"))
        .form(&[
            ("authorization_session", value),
            ("username", BOB.0),
            ("password", BOB.1),
        ])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 403);
    assert!(answer.headers().get("set-cookie").is_none());
}
