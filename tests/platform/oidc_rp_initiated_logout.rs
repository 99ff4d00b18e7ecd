//! OpenID Connect RP-Initiated Logout 1.0.

use std::time::Duration;

use reqwest::Method;
use testkit::{HeadlessBrowser, Platform, UnverifiedClaims, tampered};
use tests::{BOB, Party, sign_in};
use url::Url;

use crate::receiver::{Receiver, file, free_port, telling};

const BACK: &str = "http://127.0.0.1:9999/";
const COOKIE: &str = "__Host-idp_session";

fn url(platform: &Platform, parameters: &[(&str, &str)]) -> String {
    let mut url = Url::parse(&format!("{}/logout", platform.issuer())).unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    url.into()
}

fn browser(party: &Party<'_>) -> HeadlessBrowser {
    party.cli().not_following(BACK)
}

/// Whether the provider still knows the browser: `prompt=none` says so.
async fn is_signed_in(party: &Party<'_>, cli: &mut HeadlessBrowser) -> bool {
    let answer = party.answer(cli, &[("prompt", "none")]).await;
    match answer.get("error").map(String::as_str) {
        Some("login_required") => false,
        // demo_rp has a consent page.
        Some("consent_required") | None => true,
        Some(other) => panic!("{other}"),
    }
}

/// An error page: nothing has ended, and nobody is sent anywhere.
async fn is_refused(party: &Party<'_>, cli: &mut HeadlessBrowser, url: &str) {
    let page = cli.goto(url).await;
    assert_eq!(page.status(), 400, "{page}");
    assert!(page.location().is_none() && !page.has_form(), "{page}");
    assert!(is_signed_in(party, cli).await, "{url}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rp_logout_2_a_matching_hint_ends_the_session_and_returns_with_state() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = browser(&party);
    let hint = party.tokens(&mut cli, &[]).await.text("id_token");
    let state: String = (0..128_u8).map(|n| char::from(33 + n % 94)).collect();
    let parameters = [
        ("id_token_hint", hint.as_str()),
        ("post_logout_redirect_uri", BACK),
        ("state", &state),
        ("logout_hint", "alice"),
        ("ui_locales", "de en"),
    ];
    let page = cli.goto(&url(&platform, &parameters)).await;
    let back = page.location().unwrap_or_else(|| panic!("{page}"));
    assert!(back.as_str().starts_with(BACK), "{back}");
    let pairs: Vec<_> = back.query_pairs().into_owned().collect();
    assert_eq!(pairs, [("state".to_owned(), state.clone())]);
    assert!(cli.jar().get("idp.localhost", COOKIE).is_none());
    assert!(!is_signed_in(&party, &mut cli).await);
    // What could be ended is: the browser goes straight back.
    let page = cli.goto(&url(&platform, &parameters)).await;
    assert!(page.location().is_some(), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rp_logout_2_by_form_and_with_an_expired_hint() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = browser(&party);
    let hint = party.tokens(&mut cli, &[]).await.text("id_token");
    platform.advance(Duration::from_secs(24 * 3600));
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("id_token_hint", &hint);
    form.append_pair("post_logout_redirect_uri", BACK);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let endpoint = format!("{}/logout", platform.issuer());
    let answer = cli
        .raw(reqwest::Method::POST, &endpoint, &headers, &form.finish())
        .await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(answer.header("location"), Some(BACK));
    assert!(!is_signed_in(&party, &mut cli).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rp_logout_2_without_a_hint_the_user_is_asked() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    for parameters in [
        &[][..],
        &[("state", "s")],
        &[("client_id", "demo_rp")],
        &[
            ("client_id", "demo_rp"),
            ("post_logout_redirect_uri", BACK),
            ("state", "a b&c"),
        ],
    ] {
        let mut cli = browser(&party);
        party.tokens(&mut cli, &[]).await;
        let page = cli.goto(&url(&platform, parameters)).await;
        assert_eq!(page.status(), 200, "{page}");
        assert!(page.has_form() && page.text().contains("Alice"), "{page}");
        let mut tab = cli.second_tab().not_following(&party.redirect_uri);
        assert!(is_signed_in(&party, &mut tab).await, "nothing ends unasked");
        let page = cli.submit_first_form(&[]).await;
        if parameters.len() == 3 {
            let back = page.location().unwrap_or_else(|| panic!("{page}"));
            assert_eq!(back.as_str(), format!("{BACK}?state=a+b%26c"));
        } else {
            assert_eq!(page.status(), 200, "{page}");
            assert!(page.text().contains("signed out"), "{page}");
        }
        assert!(!is_signed_in(&party, &mut cli).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rp_logout_6_another_sites_form_confirms_nothing() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut victim = browser(&party);
    party.tokens(&mut victim, &[]).await;
    let mut attacker = browser(&party);
    party.tokens(&mut attacker, &[]).await;
    attacker.goto(&url(&platform, &[])).await;
    // Even a browser that sent the cookie along would be refused.
    let stolen = attacker.first_form().encoded();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let endpoint = format!("{}/logout", platform.issuer());
    let answer = victim
        .raw(reqwest::Method::POST, &endpoint, &headers, &stolen)
        .await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert!(is_signed_in(&party, &mut victim).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rp_logout_2_a_hint_of_another_session_is_confirmed_first() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let hint = party
        .tokens(&mut browser(&party), &[])
        .await
        .text("id_token");
    let mut cli = browser(&party);
    party.tokens(&mut cli, &[]).await;
    let asked = url(
        &platform,
        &[("id_token_hint", &hint), ("post_logout_redirect_uri", BACK)],
    );
    let page = cli.goto(&asked).await;
    assert!(page.has_form(), "{page}");
    let page = cli.submit_first_form(&[]).await;
    assert_eq!(
        page.location().map(String::from).as_deref(),
        Some(BACK),
        "{page}"
    );
    assert!(!is_signed_in(&party, &mut cli).await);
}

/// Both ways in which a hint is not this browser's: the browser has no session,
/// or one of its own.
#[tokio::test(flavor = "multi_thread")]
async fn rp_logout_2_a_hint_from_another_browser_ends_only_its_clients_grants() {
    let port = free_port();
    let config = file(&telling(port));
    let flags = ["--config", config.path().to_str().unwrap()];
    let platform = Platform::start_with(&flags).await;
    let told = Receiver::at(port).await;
    let (demo, app1) = (Party::demo_rp(&platform), Party::app1(&platform));
    for (is_signed_in_elsewhere, times) in [(false, 1), (true, 2)] {
        let mut owner = browser(&demo).not_following(&app1.redirect_uri);
        let scope = ("scope", "openid https://api-1/read");
        let of_demo = demo.tokens(&mut owner, &[scope]).await;
        let of_app1 = app1.tokens(&mut owner, &[]).await;
        let hint = of_demo.text("id_token");
        let parameters = [
            ("id_token_hint", hint.as_str()),
            ("post_logout_redirect_uri", BACK),
            ("state", "s 1"),
        ];
        let asked = url(&platform, &parameters);
        let mut elsewhere = browser(&demo);
        if is_signed_in_elsewhere {
            elsewhere.goto(&demo.authorize_url(&[])).await;
            sign_in(&mut elsewhere, BOB).await;
        }
        let page = elsewhere.goto(&asked).await;
        assert!(page.status() == 200 && page.has_form(), "{page}");
        assert!(!page.text().contains("Alice"), "whoever has a hint: {page}");
        assert_eq!(told.all().len(), times - 1, "nothing ends unasked");
        let page = elsewhere.submit_first_form(&[]).await;
        let back = page.location().unwrap_or_else(|| panic!("{page}"));
        assert_eq!(back.as_str(), format!("{BACK}?state=s+1"));

        let told = told.told(times).await;
        assert_eq!(told[times - 1].token().text("sid"), sid(&hint));
        let access_token = of_demo.text("access_token");
        let userinfo = format!("{}/userinfo", platform.issuer());
        let answer = demo.machine.call(Method::GET, &userinfo, &access_token);
        assert_eq!(answer.await.status, 401, "the client's grant has ended");
        assert!(is_signed_in(&demo, &mut owner).await, "the session goes on");
        let refresh = of_app1.text("refresh_token");
        let other = app1.machine.refresh(&refresh, &[]).await;
        assert_eq!(other.status, 200, "other apps go on: {}", other.body);
        // What could be ended is: the browser goes straight back.
        let page = browser(&demo).goto(&asked).await.clone();
        assert!(page.location().is_some(), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rp_logout_2_a_hint_of_an_ended_session_returns_without_a_question_with_state() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = browser(&party);
    let hint = party.tokens(&mut cli, &[]).await.text("id_token");
    cli.goto(&url(&platform, &[("id_token_hint", &hint)])).await;
    let parameters = [
        ("id_token_hint", hint.as_str()),
        ("post_logout_redirect_uri", BACK),
        ("state", "s"),
    ];
    let page = browser(&party)
        .goto(&url(&platform, &parameters))
        .await
        .clone();
    let back = page.location().unwrap_or_else(|| panic!("{page}"));
    assert_eq!(back.as_str(), format!("{BACK}?state=s"));
    let page = browser(&party)
        .goto(&url(&platform, &parameters[..1]))
        .await
        .clone();
    assert!(page.status() == 200 && !page.has_form(), "{page}");
    assert!(page.text().contains("not signed in"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rp_logout_4_the_error_page_says_whether_the_browser_is_signed_in() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = browser(&party);
    let wrong = url(&platform, &[("id_token_hint", "nonsense")]);
    let page = cli.goto(&wrong).await;
    let text = page.text();
    assert!(!text.contains("still signed in"), "{text}");
    assert!(text.contains("not signed in"), "{text}");
    party.tokens(&mut cli, &[]).await;
    let text = cli.goto(&wrong).await.text();
    assert!(text.contains("You are still signed in"), "{text}");
}

fn sid(hint: &str) -> String {
    UnverifiedClaims::of(hint).text("sid").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn rp_logout_4_an_error_is_a_page_and_not_a_redirect() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = browser(&party);
    let tokens = party.tokens(&mut cli, &[]).await;
    let hint = tokens.text("id_token");
    let bad_signature = tampered::signature(&hint);
    let other_user = tampered::claims(&hint, |claims| claims["sub"] = "u-2b90d4c8e1".into());
    let unsigned = tampered::unsigned(&hint);
    let access_token = tokens.text("access_token");
    let with_query = format!("{BACK}?x=1");
    let back = ("post_logout_redirect_uri", BACK);
    for parameters in [
        vec![("id_token_hint", bad_signature.as_str()), back],
        vec![("id_token_hint", &other_user), back],
        vec![("id_token_hint", &unsigned), back],
        vec![("id_token_hint", &access_token), back],
        vec![("id_token_hint", "nonsense"), back],
        vec![("id_token_hint", &hint), ("client_id", "app1"), back],
        vec![("client_id", "nobody"), back],
        vec![back],
        vec![
            ("id_token_hint", &hint),
            ("post_logout_redirect_uri", "https://evil.example/"),
        ],
        vec![
            ("id_token_hint", &hint),
            ("post_logout_redirect_uri", &with_query),
        ],
        vec![
            ("client_id", "demo_rp"),
            ("post_logout_redirect_uri", "http://127.0.0.1:9999"),
        ],
        vec![("id_token_hint", &hint), back, back],
    ] {
        is_refused(&party, &mut cli, &url(&platform, &parameters)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rp_logout_grants_end_with_the_session_where_their_client_is_configured_so() {
    let platform = Platform::start().await;
    let (app1, demo) = (Party::app1(&platform), Party::demo_rp(&platform));
    let mut cli = browser(&demo).not_following(&app1.redirect_uri);
    let of_app1 = app1.tokens(&mut cli, &[]).await;
    let of_demo = demo.tokens(&mut cli, &[]).await;
    let late = app1.code(&mut cli, &[]).await;
    let hint = of_app1.text("id_token");
    cli.goto(&url(&platform, &[("id_token_hint", &hint)])).await;
    let refused = app1
        .machine
        .refresh(&of_app1.text("refresh_token"), &[])
        .await;
    assert_eq!(refused.error(), "invalid_grant");
    let offline = demo
        .machine
        .refresh(&of_demo.text("refresh_token"), &[])
        .await;
    assert_eq!(offline.status, 200, "offline access outlives the session");
    // A code from before the end gives nothing after it.
    let refused = app1.redeem(&late).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rp_logout_a_code_redeemed_while_the_session_ends_leaves_no_living_grant() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    for _ in 0..12 {
        let mut cli = browser(&party);
        let hint = party.tokens(&mut cli, &[]).await.text("id_token");
        let code = party.code(&mut cli, &[]).await;
        let asked = url(&platform, &[("id_token_hint", &hint)]);
        let (redeemed, ()) = tokio::join!(party.redeem(&code), async {
            cli.goto(&asked).await;
        });
        if redeemed.status == 200 {
            let token = redeemed.text("refresh_token");
            let answer = party.machine.refresh(&token, &[]).await;
            assert_eq!(answer.error(), "invalid_grant");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_user_in_the_same_browser_ends_the_first_users_session() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut cli = browser(&party);
    let tokens = party.tokens(&mut cli, &[]).await;
    cli.goto(&party.authorize_url(&[("prompt", "login")])).await;
    sign_in(&mut cli, BOB).await;
    let refused = party
        .machine
        .refresh(&tokens.text("refresh_token"), &[])
        .await;
    assert_eq!(refused.error(), "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_advertise_it() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let metadata = party
        .machine
        .get("/.well-known/openid-configuration")
        .await
        .json();
    let issuer = platform.issuer();
    assert_eq!(metadata["end_session_endpoint"], format!("{issuer}/logout"));
    assert_eq!(metadata["backchannel_logout_supported"], true);
    assert_eq!(metadata["backchannel_logout_session_supported"], true);
}
