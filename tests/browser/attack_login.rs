//! A login that ends in the attacker's account, and one that ends on his site.

use kit::config::{Site, Weakness};
use testkit::Platform;
use tests::{BOB, sign_in};

use crate::victim::Victim;

/// The callback of a login of bob, who is the attacker here and did not follow it.
async fn callback_of_bob(platform: &Platform) -> String {
    let app = platform.url(Site::App1);
    let mut cli = platform.cli().not_following(&format!("{app}/callback"));
    cli.goto(&format!("{app}/login")).await;
    sign_in(&mut cli, BOB).await;
    cli.page().location().unwrap().into()
}

/// Who alice is at app1 after her browser was led to bob's callback.
async fn signed_in_after_bobs_callback(weaknesses: &[Weakness]) -> String {
    let victim = Victim::without(weaknesses).await;
    let callback = callback_of_bob(&victim.platform).await;
    let carried: String = url::form_urlencoded::byte_serialize(callback.as_bytes()).collect();
    let attack = format!("login?go&callback={carried}");
    victim.is_attacked_by(&attack).await;
    victim.browser.until_at(&victim.url(Site::App1)).await;
    victim.browser.find("h1").await;
    let session = victim.asks("/session").await;
    session["user"]["name"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9700_4_7_a_login_bound_to_no_browser_signs_the_victim_in_as_the_attacker() {
    let name = signed_in_after_bobs_callback(&[Weakness::LoginUnbound]).await;
    assert!(name.starts_with("Bob"), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9700_4_7_another_browsers_callback_starts_no_session() {
    let name = signed_in_after_bobs_callback(&[]).await;
    assert!(name.starts_with("Alice"), "{name}");
}

/// Follows the link `number` of the attacker's page.
async fn follow(victim: &Victim, number: usize) {
    victim
        .is_attacked_by(&format!("return-to?go={number}"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9700_4_11_an_open_return_to_leads_to_the_attackers_site() {
    let victim = Victim::without(&[Weakness::OpenReturnTo]).await;
    let landed = format!("{}/landed", victim.url(Site::Evil));
    for number in 1..=4 {
        follow(&victim, number).await;
        victim.browser.until_at(&landed).await;
    }
    // Nobody listens there by https, but it is not app1.
    follow(&victim, 5).await;
    victim.browser.until_at("https://evil.localhost:").await;
    // Encoded twice, it is a path after all.
    follow(&victim, 6).await;
    let home = format!("{}/%2F%2Fevil", victim.url(Site::App1));
    victim.browser.until_at(&home).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9700_4_11_no_return_to_leaves_the_app() {
    let victim = Victim::without(&[]).await;
    let refused = format!("{}/login?return_to=", victim.url(Site::App1));
    for number in 1..=6 {
        follow(&victim, number).await;
        victim.browser.until_at(&refused).await;
        victim
            .browser
            .until_text("main", "return_to has to be a path")
            .await;
    }
}
