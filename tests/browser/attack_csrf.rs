//! Another site makes a signed-in browser order something, or reads along. Each
//! attack succeeds without the defences that it names and fails with them.

use kit::config::{Site, Weakness};

use crate::victim::Victim;

const IMAGE: &[Weakness] = &[
    Weakness::SameSiteNone,
    Weakness::NoOriginCheck,
    Weakness::GetOrders,
];
const FORM: &[Weakness] = &[
    Weakness::SameSiteNone,
    Weakness::NoOriginCheck,
    Weakness::NoCsrfProof,
];
const YOUNG_COOKIE: &[Weakness] = &[
    Weakness::SameSiteUnset,
    Weakness::NoOriginCheck,
    Weakness::NoCsrfProof,
];
const FETCH: &[Weakness] = &[
    Weakness::SameSiteNone,
    Weakness::NoOriginCheck,
    Weakness::CorsAnyOrigin,
];

/// How many orders alice has after the attack, which says when it is over.
async fn orders_after(attack: &str, weaknesses: &[Weakness]) -> usize {
    let victim = Victim::without(weaknesses).await;
    victim.is_attacked_by(attack).await;
    victim.until_outcome("over").await;
    victim.orders().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cross_site_image_places_an_order_where_get_is_allowed_and_cookies_are_samesite_none() {
    assert_eq!(orders_after("image?go", IMAGE).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cross_site_image_places_no_order() {
    assert_eq!(orders_after("image?go", &[]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cross_site_form_places_an_order_without_samesite_origin_check_and_csrf_token() {
    assert_eq!(orders_after("form?go", FORM).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cross_site_form_places_no_order() {
    assert_eq!(orders_after("form?go", &[]).await, 0);
}

/// Each set of weaknesses with one less than the attack needs.
fn with_one_defence(needed: &[Weakness]) -> impl Iterator<Item = Vec<Weakness>> {
    let all_but = |kept| needed.iter().copied().filter(move |one| *one != kept);
    needed.iter().map(move |kept| all_but(*kept).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_defence_alone_stops_the_image_and_the_form() {
    for (attack, needed) in [("image?go", IMAGE), ("form?go", FORM)] {
        for weaknesses in with_one_defence(needed) {
            let orders = orders_after(attack, &weaknesses).await;
            assert_eq!(orders, 0, "{attack} with {weaknesses:?}");
        }
    }
}

/// Right after the login, so within the two minutes; the browser goes along.
async fn orders_after_form_at_once(weaknesses: &[Weakness]) -> usize {
    let victim = Victim::without(weaknesses).await;
    victim.is_attacked_by("young-cookie?go").await;
    let answer = format!("{}/api1/data", victim.url(Site::App1));
    victim.browser.until_at(&answer).await;
    victim.orders().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_names_no_samesite_is_sent_with_a_post_in_its_first_two_minutes() {
    assert_eq!(orders_after_form_at_once(YOUNG_COOKIE).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lax_cookie_is_not_sent_with_a_post_however_young() {
    assert_eq!(orders_after_form_at_once(&[]).await, 0);
    // The cookie alone makes the difference.
    assert_eq!(orders_after_form_at_once(&YOUNG_COOKIE[1..]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_reads_and_places_orders_where_cors_allows_every_origin() {
    let victim = Victim::without(FETCH).await;
    victim.orders_something().await;
    victim.is_attacked_by("fetch?go").await;
    victim.until_outcome("read").await;
    let read = victim.browser.text("#scene pre").await;
    assert!(read.contains(r#""quantity":3"#), "{read}");
    assert_eq!(victim.orders().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_another_site_reads_nothing_and_places_no_order() {
    for weaknesses in with_one_defence(FETCH).chain([vec![]]) {
        let victim = Victim::without(&weaknesses).await;
        victim.orders_something().await;
        victim.is_attacked_by("fetch?go").await;
        victim.until_outcome("refused").await;
        let page = victim.browser.source().await;
        assert!(!page.contains(r#""quantity":3"#), "{weaknesses:?}");
        assert_eq!(victim.orders().await, 1, "{weaknesses:?}");
    }
}
