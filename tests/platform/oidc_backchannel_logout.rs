//! OpenID Connect Back-Channel Logout 1.0: each app that took part is told,
//! whatever ended the session, and also one that is down just then.

use std::{collections::BTreeSet, time::Duration};

use sso_proto::idp::end_sessions_request::Which;
use testkit::{HeadlessBrowser, Platform, UnverifiedClaims};
use tests::{ALICE, BOB, Party, sign_in};

use crate::{
    operator_sessions,
    receiver::{Receiver, Told, file, free_port, telling},
};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A platform that tells `demo_rp` at a port of ours.
async fn platform() -> (Platform, u16) {
    let port = free_port();
    let config = file(&telling(port));
    let path = config.path().to_str().unwrap().to_owned();
    let flags = ["--config", &path, "--operator-key", operator_sessions::KEY];
    (Platform::start_with(&flags).await, port)
}

/// Signs out by the app's own hint; the hint's claims.
async fn signed_out(
    platform: &Platform,
    party: &Party<'_>,
    cli: &mut HeadlessBrowser,
) -> UnverifiedClaims {
    let hint = party.tokens(cli, &[]).await.text("id_token");
    let page = cli
        .goto(&format!(
            "{}/logout?id_token_hint={hint}",
            platform.issuer()
        ))
        .await;
    assert!(page.text().contains("signed out"), "{page}");
    UnverifiedClaims::of(&hint)
}

#[tokio::test(flavor = "multi_thread")]
async fn backchannel_2_4_and_2_5_one_post_with_a_fresh_logout_token_alone() {
    let (platform, port) = platform().await;
    let app = Receiver::at(port).await;
    let party = Party::demo_rp(&platform);
    let of_session = signed_out(&platform, &party, &mut party.cli()).await;
    // The browser was let go only then.
    let [told] = &app.all()[..] else {
        panic!("{:?}", app.all());
    };
    assert!(told.head[0].starts_with("post /told "), "{:?}", told.head);
    let form = "content-type: application/x-www-form-urlencoded".to_owned();
    assert!(told.head.contains(&form), "{:?}", told.head);
    assert_eq!(told.form.keys().collect::<Vec<_>>(), ["logout_token"]);
    let token = told.token();
    assert_eq!(token.header["typ"], "logout+jwt");
    let jwks = party.machine.get("/jwks").await.json();
    let kids: Vec<_> = jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["kid"])
        .collect();
    assert!(kids.contains(&&token.header["kid"]));
    assert_eq!(token.text("iss"), platform.issuer());
    assert_eq!(token.text("aud"), "demo_rp");
    assert_eq!(token.text("sub"), of_session.text("sub"));
    assert_eq!(token.text("sid"), of_session.text("sid"));
    assert_eq!(token.claims["events"], serde_json::json!({ EVENT: {} }));
    assert!(token.claims.get("nonce").is_none() && !token.text("jti").is_empty());
    assert_eq!(token.number("iat"), platform.clock().now().secs());
    assert!(token.number("exp") - token.number("iat") <= 120);
}

#[tokio::test(flavor = "multi_thread")]
async fn backchannel_2_8_an_app_that_is_down_or_refuses_is_told_later() {
    let (platform, port) = platform().await;
    let party = Party::demo_rp(&platform);
    // Nobody is at the port now.
    signed_out(&platform, &party, &mut party.cli()).await;
    let app = Receiver::at(port).await;
    app.answer(400);
    later(&platform, &app, 2).await;
    app.answer(204);
    let told = later(&platform, &app, 3).await;
    let jtis: BTreeSet<_> = told
        .iter()
        .map(|told| told.token().text("jti").to_owned())
        .collect();
    assert_eq!(jtis.len(), told.len(), "each attempt is a token of its own");
}

/// Lets time pass until the app was called `count` times.
async fn later(platform: &Platform, app: &Receiver, count: usize) -> Vec<Told> {
    for _ in 0..300 {
        if app.all().len() >= count {
            break;
        }
        platform.advance(Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    app.told(count).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_end_a_session_notifies_its_apps() {
    let (platform, port) = platform().await;
    let app = Receiver::at(port).await;
    let party = Party::demo_rp(&platform);
    // Another user signs in with the same browser.
    let mut cli = party.cli();
    let first = party.tokens(&mut cli, &[]).await.text("id_token");
    cli.goto(&party.authorize_url(&[("prompt", "login")])).await;
    sign_in(&mut cli, BOB).await;
    let told = app.told(1).await;
    let sid = |token: &str| UnverifiedClaims::of(token).text("sid").to_owned();
    assert_eq!(told[0].token().text("sid"), sid(&first));
    // Nobody touches a session until it expires.
    let mut cli = party.cli();
    let second = party.tokens(&mut cli, &[]).await.text("id_token");
    platform.advance(Duration::from_secs(6 * 24 * 3600));
    platform.advance(Duration::from_secs(24 * 3600 + 1));
    let told = app.told(2).await;
    assert_eq!(told[1].token().text("sid"), sid(&second));
    assert_eq!(app.all().len(), 2, "bob had signed in to no app");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ended_on_the_account_page_or_by_an_operator_notifies_its_apps() {
    let (platform, port) = platform().await;
    let app = Receiver::at(port).await;
    let party = Party::demo_rp(&platform);
    let mut owner = platform.cli();
    owner.goto(&format!("{}/account", platform.issuer())).await;
    sign_in(&mut owner, ALICE).await;
    for number in 0..3 {
        let granted = party.tokens(&mut party.cli(), &[]).await;
        let id_token = UnverifiedClaims::of(&granted.text("id_token"));
        let sid = id_token.text("sid");
        match number {
            0 => {
                owner.goto(&format!("{}/account", platform.issuer())).await;
                owner.press("End").await;
            }
            1 => {
                let one = Which::Sid(sid.to_owned());
                assert_eq!(operator_sessions::end(&platform, one).await.unwrap(), 1);
            }
            _ => {
                // The owner's own too, which no app took part in.
                let all = Which::User("alice".to_owned());
                assert_eq!(operator_sessions::end(&platform, all).await.unwrap(), 2);
            }
        }
        let told = app.told(number + 1).await;
        assert_eq!(told[number].token().text("sid"), sid, "end {number}");
    }
    assert_eq!(app.all().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_extended_by_signing_in_again_does_not_expire() {
    let (platform, port) = platform().await;
    let app = Receiver::at(port).await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let first = party.tokens(&mut cli, &[]).await.text("id_token");
    platform.advance(Duration::from_secs(6 * 24 * 3600));
    cli.goto(&party.authorize_url(&[("prompt", "login")])).await;
    party.through_the_pages(&mut cli).await;
    platform.advance(Duration::from_secs(2 * 24 * 3600));
    let answer = party.answer(&mut cli, &[("prompt", "none")]).await;
    assert_eq!(answer["error"], "consent_required");
    platform.advance(Duration::from_secs(6 * 24 * 3600));
    let told = app.told(1).await;
    let sid = UnverifiedClaims::of(&first).text("sid").to_owned();
    assert_eq!(told[0].token().text("sid"), sid, "one session all the time");
}
