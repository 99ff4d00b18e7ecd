//! Whoever stops half way, comes back, or was sent astray reads what happened
//! and how to go on; never a blank error.

use std::time::Duration;

use kit::config::Site;
use testkit::{HeadlessBrowser, Page, Platform};
use tests::{ALICE, session_at, sign_in};
use url::Url;

/// A page that helps: the right status, words, and a way on.
fn helps(page: &Page, status: u16) {
    assert_eq!(page.status(), status, "{page}");
    assert!(
        page.header("content-type")
            .unwrap_or_default()
            .starts_with("text/html"),
        "{page}"
    );
    assert!(page.text().len() > 40, "{page}");
    assert!(
        !page.links().is_empty() || page.has_form(),
        "no way on: {page}"
    );
}

/// A browser that has signed in at the provider and stops before the callback.
async fn before_the_callback(platform: &Platform) -> (HeadlessBrowser, Url) {
    let app1 = platform.url(Site::App1);
    let mut cli = platform.cli().not_following(&format!("{app1}/callback"));
    cli.goto(&format!("{app1}/login")).await;
    sign_in(&mut cli, ALICE).await;
    let callback = cli
        .page()
        .location()
        .unwrap_or_else(|| panic!("{}", cli.page()));
    (cli, callback)
}

fn with(url: &Url, name: &str, value: &str) -> String {
    let pairs: Vec<(String, String)> = url
        .query_pairs()
        .into_owned()
        .filter(|(other, _)| other != name)
        .collect();
    let mut url = url.clone();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(pairs)
        .append_pair(name, value);
    url.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_state() {
    let platform = Platform::start().await;
    let (mut cli, callback) = before_the_callback(&platform).await;
    helps(cli.goto(&with(&callback, "state", "unknown")).await, 400);
    helps(
        cli.goto(&format!("{}/callback", platform.url(Site::App1)))
            .await,
        400,
    );
    helps(platform.cli().goto(callback.as_str()).await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_another_browser() {
    let platform = Platform::start().await;
    let (_, foreign) = before_the_callback(&platform).await;
    let app1 = platform.url(Site::App1);
    let mut victim = platform.cli();
    victim.goto(&format!("{app1}/login")).await;
    helps(victim.goto(foreign.as_str()).await, 400);
    assert_eq!(session_at(&mut victim, &app1).await["authenticated"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_state_from_the_back_button_does_no_harm() {
    let platform = Platform::start().await;
    let (mut cli, callback) = before_the_callback(&platform).await;
    let app1 = platform.url(Site::App1);
    cli.goto(callback.as_str()).await;
    assert_eq!(session_at(&mut cli, &app1).await["authenticated"], true);
    let again = cli.goto(callback.as_str()).await;
    assert!(again.status() < 500 && !again.text().is_empty(), "{again}");
    assert_eq!(
        session_at(&mut cli, &app1).await["authenticated"],
        true,
        "still signed in"
    );
    assert_eq!(cli.second_tab().goto(&app1).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_consent() {
    let platform = Platform::start().await;
    let (mut cli, callback) = before_the_callback(&platform).await;
    let mut denied = Url::parse(&with(&callback, "error", "access_denied")).unwrap();
    let pairs: Vec<(String, String)> = denied
        .query_pairs()
        .into_owned()
        .filter(|(name, _)| name != "code")
        .collect();
    denied.query_pairs_mut().clear().extend_pairs(pairs);
    let page = cli.goto(denied.as_str()).await;
    assert!((400..500).contains(&page.status()), "{page}");
    helps(page, page.status());
    assert_eq!(
        session_at(&mut cli, &platform.url(Site::App1)).await["authenticated"],
        false
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_code() {
    let platform = Platform::start().await;
    let (mut cli, callback) = before_the_callback(&platform).await;
    platform.advance(Duration::from_secs(61));
    let page = cli.goto(callback.as_str()).await;
    assert!((400..500).contains(&page.status()), "{page}");
    helps(page, page.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_with_markup_is_shown_as_text() {
    let platform = Platform::start().await;
    let (mut cli, callback) = before_the_callback(&platform).await;
    let mark = "<script>alert(1)</script>";
    let page = cli.goto(&with(&callback, "error", mark)).await;
    assert!(!page.source().contains(mark), "{}", page.source());
    assert!(page.text().contains(mark), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_sign_in_at_once_and_both_get_home() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let mut first = platform.cli();
    let mut second = first.second_tab();
    first.goto(&format!("{app1}/login?return_to=/")).await;
    second.goto(&format!("{app1}/login?return_to=/docs")).await;
    sign_in(&mut first, ALICE).await;
    assert_eq!(
        first.page().url().as_str(),
        format!("{app1}/"),
        "{}",
        first.page()
    );
    sign_in(&mut second, ALICE).await;
    assert_eq!(second.page().status(), 200, "{}", second.page());
    assert_eq!(
        second.page().url().as_str(),
        format!("{app1}/docs"),
        "{}",
        second.page()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tabs_do_not_pile_up_cookies() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let mut cli = platform.cli();
    for _ in 0..40 {
        cli.goto(&format!("{app1}/login")).await;
    }
    let jar = cli.jar();
    let size: usize = jar
        .of("app1.localhost")
        .map(|cookie| cookie.name.len() + cookie.value.len())
        .sum();
    assert!(size < 4096, "{size} bytes of cookies");
    sign_in(&mut cli, ALICE).await;
    assert_eq!(
        cli.page().url().as_str(),
        format!("{app1}/"),
        "{}",
        cli.page()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_form_submitted_twice_or_too_late() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    let mut cli = platform.cli();
    cli.goto(&format!("{app1}/login")).await;
    let form = cli
        .first_form()
        .fill(&[("username", ALICE.0), ("password", ALICE.1)])
        .unwrap();
    let mut back = cli.second_tab();
    back.goto(&format!("{}/", platform.issuer())).await;
    cli.submit(form.clone(), 20).await;
    assert_eq!(cli.page().url().as_str(), format!("{app1}/"));
    let page = back.submit(form, 20).await;
    assert!(page.status() < 500 && !page.text().is_empty(), "{page}");

    let mut late = platform.cli();
    late.goto(&format!("{app1}/login")).await;
    let form = late
        .first_form()
        .fill(&[("username", ALICE.0), ("password", ALICE.1)])
        .unwrap();
    platform.advance(Duration::from_secs(3600));
    let page = late.submit(form, 20).await;
    helps(page, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_url_is_a_page_for_people_too() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    for site in [Site::Lab, Site::Idp, Site::App1, Site::App2] {
        helps(
            cli.goto(&format!("{}/nothing-here", platform.url(site)))
                .await,
            404,
        );
    }
}
