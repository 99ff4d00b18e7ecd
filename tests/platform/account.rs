//! `/account`: a user's own sessions at the provider; and what a client with no
//! sessions of its own knows of them (`/grants`).

use testkit::{Answer, HeadlessBrowser, Platform};
use tests::{ALICE, BOB, Party, Person, sign_in};

const COOKIE: &str = "__Host-idp_session";

fn account(platform: &Platform) -> String {
    format!("{}/account", platform.issuer())
}

/// Signs in for the page itself.
async fn signed_in(platform: &Platform, person: Person) -> HeadlessBrowser {
    let mut cli = platform.cli();
    cli.goto(&account(platform)).await;
    sign_in(&mut cli, person).await;
    assert_eq!(cli.page().url().as_str(), account(platform));
    cli
}

fn sid(cli: &HeadlessBrowser) -> String {
    let jar = cli.jar();
    let cookie = jar.get("idp.localhost", COOKIE).unwrap();
    cookie.value.split('.').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_page_asks_for_sign_in_and_shows_the_own_session() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let page = cli.goto(&account(&platform)).await;
    assert!(page.asks_for("username"), "{page}");
    cli.submit_first_form(&[("username", "alice"), ("password", "wrong")])
        .await;
    assert_eq!(cli.page().status(), 401, "{}", cli.page());
    sign_in(&mut cli, ALICE).await;
    let page = cli.page();
    assert_eq!(page.url().as_str(), account(&platform));
    let text = page.text();
    assert!(
        text.contains("Alice Liddell") && text.contains("This browser"),
        "{text}"
    );
    assert!(text.contains("none yet"), "no app so far: {text}");
    // The session serves the apps, too.
    let party = Party::app1(&platform);
    let mut cli = cli.not_following(&party.redirect_uri);
    cli.goto(&party.authorize_url(&[("prompt", "none")])).await;
    assert!(cli.page().location().unwrap().as_str().contains("code="));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_cannot_be_read_or_framed_by_another_site() {
    let platform = Platform::start().await;
    let mut cli = signed_in(&platform, ALICE).await;
    let origin = [("origin", "http://spa.localhost:8086")];
    let answer = cli
        .raw(reqwest::Method::GET, &account(&platform), &origin, "")
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_throttled_as_at_any_sign_in() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    cli.goto(&account(&platform)).await;
    for _ in 0..5 {
        cli.submit_first_form(&[("username", "alice"), ("password", "wrong")])
            .await;
    }
    cli.submit_first_form(&[("username", "alice"), ("password", "wonderland")])
        .await;
    let page = cli.page();
    assert_eq!(page.status(), 429, "{page}");
    assert!(page.header("retry-after").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_one_session_reports_its_apps() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut phone = platform.cli().not_following(&party.redirect_uri);
    let tokens = party.tokens(&mut phone, &[]).await;
    let mut cli = signed_in(&platform, ALICE).await;
    assert!(cli.page().text().contains("App 1"), "{}", cli.page());
    let page = cli.press("End").await;
    assert_eq!(page.status(), 200, "{page}");
    assert!(!page.text().contains("App 1"), "{page}");
    let refused = party
        .machine
        .refresh(&tokens.text("refresh_token"), &[])
        .await;
    assert_eq!(refused.error(), "invalid_grant");
    let page = phone.goto(&account(&platform)).await;
    assert!(page.asks_for("username"), "{page}");
    // And one's own.
    let page = cli.press("Sign out here").await;
    assert!(page.asks_for("username"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_other_sessions_are_ended_at_once() {
    let platform = Platform::start().await;
    let mut others = vec![
        signed_in(&platform, ALICE).await,
        signed_in(&platform, ALICE).await,
    ];
    let mut bob = signed_in(&platform, BOB).await;
    let mut cli = signed_in(&platform, ALICE).await;
    cli.press("End all other sessions").await;
    assert!(cli.page().text().contains("This browser"), "{}", cli.page());
    for other in &mut others {
        let page = other.goto(&account(&platform)).await;
        assert!(page.asks_for("username"), "{page}");
    }
    let page = bob.goto(&account(&platform)).await;
    assert!(page.text().contains("Bob Builder"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_cannot_be_ended_by_another_user_or_by_another_sites_form() {
    let platform = Platform::start().await;
    let mut alice = signed_in(&platform, ALICE).await;
    let mut bob = signed_in(&platform, BOB).await;
    let own = sid(&bob);
    let body = bob.first_form().encoded();
    let url = format!("{}/end", account(&platform));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let aimed = body.replace(&own, &sid(&alice));
    assert_ne!(aimed, body);
    let answer = bob.raw(reqwest::Method::POST, &url, &form, &aimed).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let answer = alice.raw(reqwest::Method::POST, &url, &form, &body).await;
    assert_eq!(answer.status, 403, "bob's form in alice's browser");
    let page = alice.goto(&account(&platform)).await;
    assert!(page.text().contains("Alice Liddell"), "{page}");
}

async fn grants(party: &Party<'_>, token: &str) -> Answer {
    let body = [("token", token)];
    party.machine.post_as_client("/grants", &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_lists_and_ends_only_the_grants_of_its_own_user() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let one = party.tokens(&mut party.cli(), &[]).await;
    let two = party.tokens(&mut party.cli(), &[]).await;
    let demo = Party::demo_rp(&platform);
    let foreign = demo.tokens(&mut demo.cli(), &[]).await;
    let refreshed = party.machine.refresh(&one.text("refresh_token"), &[]).await;
    let token = refreshed.text("refresh_token");

    let listed = grants(&party, &token).await.granted().json();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 2, "{listed:?}");
    let current = |grant: &&serde_json::Value| grant["current"] == true;
    let this = listed.iter().find(current).unwrap();
    let other = listed.iter().find(|grant| !current(grant)).unwrap();
    let now = platform.clock().now().secs();
    assert_eq!(this["created_at"], now);
    assert_eq!(this["last_used_at"], now);
    assert_eq!(other["last_used_at"], serde_json::Value::Null);

    let ends = |id: String, token: String| {
        let party = &party;
        async move {
            let body = [("token", token.as_str()), ("id", &id)];
            party.machine.post_as_client("/grants/end", &body).await
        }
    };
    let foreign_id = foreign.text("refresh_token");
    let foreign_id = foreign_id.split('.').next().unwrap().to_owned();
    let refused = ends(foreign_id, token.clone()).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
    let other_id = other["id"].as_str().unwrap().to_owned();
    assert_eq!(ends(other_id, token.clone()).await.status, 204);
    let refused = party.machine.refresh(&two.text("refresh_token"), &[]).await;
    assert_eq!(refused.error(), "invalid_grant");
    assert_eq!(
        grants(&party, &token)
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // Another client's token shows nobody.
    let refused = grants(&party, &foreign.text("refresh_token")).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
    demo.machine
        .refresh(&foreign.text("refresh_token"), &[])
        .await
        .granted();
}
