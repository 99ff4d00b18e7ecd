//! Clickjacking: the provider's consent page in a frame under another button.

use std::time::Duration;

use kit::config::{Site, Weakness};
use testkit::Platform;
use tests::wait::comes_true;

use crate::victim::Victim;

const FRAMED: &[Weakness] = &[Weakness::SameSiteNone, Weakness::Framable];

/// Whether the provider has sent a code to the attacker's app.
fn consent_was_given(platform: &Platform) -> bool {
    platform
        .tap(Site::Idp)
        .answers()
        .contains("127.0.0.1:9999/callback?code=")
}

/// Lets alice press what she sees: the button of the prize.
async fn press_the_prize(victim: &Victim) {
    let prize = victim.browser.find("[data-prize]").await;
    let hand = victim.browser.driver().action_chain();
    let press = hand.move_to_element_center(&prize).click();
    press.perform().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9700_4_16_clickjacking_gives_consent_where_the_provider_can_be_framed() {
    let victim = Victim::without(FRAMED).await;
    victim.is_attacked_by("click?go").await;
    let frame = victim.browser.find("iframe.bait").await;
    frame.enter_frame().await.unwrap();
    victim.browser.until_text("h1", "Allow this app?").await;
    victim.browser.driver().enter_default_frame().await.unwrap();
    press_the_prize(&victim).await;
    victim.until_outcome("taken").await;
    let given = async || consent_was_given(&victim.platform);
    let in_time = comes_true(Duration::from_secs(15), given).await;
    assert!(in_time, "the click gave no consent");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9700_4_16_the_providers_pages_cannot_be_framed() {
    // Neither as it is, nor where the cookie travels into frames.
    for weaknesses in [&[][..], &FRAMED[..1]] {
        let victim = Victim::without(weaknesses).await;
        victim.is_attacked_by("click?go").await;
        victim.until_outcome("laid").await;
        press_the_prize(&victim).await;
        let refused = |line: &String| line.contains("frame-ancestors");
        let complaints = victim.browser.complaints().await;
        assert!(complaints.iter().any(refused), "{complaints:?}");
        assert!(!consent_was_given(&victim.platform));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lax_cookie_does_not_travel_into_a_frame_of_another_site() {
    let victim = Victim::without(&[Weakness::Framable]).await;
    victim.is_attacked_by("click?go").await;
    let frame = victim.browser.find("iframe.bait").await;
    frame.enter_frame().await.unwrap();
    victim.browser.find("[name='password']").await;
}
