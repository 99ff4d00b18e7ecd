//! A form that is sent twice, as by a double click. The browser gives the first
//! answer up and follows the second one.

use std::time::Duration;

use kit::config::Site;
use reqwest::Method;
use testkit::{Form, HeadlessBrowser, Page, Platform};
use tests::{ALICE, BOB, Party, Person, session_at, sign_in_to};
use url::Url;

const COOKIE: &str = "__Host-idp_session";
const HOST: &str = "idp.localhost";

/// How close the two come.
#[derive(Clone, Copy, Debug)]
enum Pace {
    /// The second is sent while the first is worked on.
    AtOnce,
    /// The first has been answered, and the browser has not read the answer.
    After,
}

const PACES: [Pace; 2] = [Pace::AtOnce, Pace::After];

/// Sends `form`, which `first` shows, twice; the two answers.
async fn twice(first: &mut HeadlessBrowser, form: &Form, pace: Pace) -> [Page; 2] {
    let mut second = first.second_tab();
    second.goto(first.page().url().as_str()).await;
    let had_a_session = first.jar().get(HOST, COOKIE).is_some();
    match pace {
        Pace::AtOnce => {
            let (one, two) = tokio::join!(
                first.submit(form.clone(), 0),
                second.submit(form.clone(), 0)
            );
            [one.clone(), two.clone()]
        }
        Pace::After => {
            let one = first.submit(form.clone(), 0).await.clone();
            // What the answer did to a cookie that was there, a second request
            // could tell; one that was not there is not there yet.
            if !had_a_session {
                first.forget_cookie(HOST, COOKIE);
            }
            [one, second.submit(form.clone(), 0).await.clone()]
        }
    }
}

fn filled(cli: &HeadlessBrowser, (username, password): Person) -> Form {
    let fields = [("username", username), ("password", password)];
    cli.first_form().fill(&fields).unwrap()
}

fn code(page: &Page, party: &Party<'_>) -> String {
    let to = page
        .location()
        .unwrap_or_else(|| panic!("no way on: {page}"));
    assert!(to.as_str().starts_with(&party.redirect_uri), "{to}");
    let find = |wanted: &str| {
        let mut pairs = to.query_pairs();
        pairs
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
    };
    assert_eq!(find("state").as_deref(), Some("the-state"));
    find("code").unwrap_or_else(|| panic!("no code: {to}"))
}

async fn is_signed_in(platform: &Platform, cli: &HeadlessBrowser) -> bool {
    let mut tab = cli.second_tab();
    let page = tab.goto(&format!("{}/account", platform.issuer())).await;
    page.text().contains("This browser")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_form_submitted_twice_redirects_to_the_app_both_times() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    for pace in PACES {
        let mut cli = party.cli();
        cli.goto(&party.authorize_url(&[])).await;
        let form = filled(&cli, ALICE);
        let answers = twice(&mut cli, &form, pace).await;
        let [one, two] = &answers;
        let (one, two) = (code(one, &party), code(two, &party));
        for answer in &answers {
            let cookie = answer.header("set-cookie").unwrap_or_default();
            assert!(cookie.starts_with(COOKIE), "{pace:?}: {cookie}");
        }
        assert!(is_signed_in(&platform, &cli).await, "{pace:?}");
        // The first answer was given up: the second one's code is good, once.
        party.redeem(&two).await.granted();
        let refused = party.redeem(&one).await;
        assert_eq!(
            refused.refusal(),
            (400, "invalid_grant".to_owned()),
            "{pace:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_apps_are_reached_by_the_second_answer() {
    let platform = Platform::start().await;
    for site in [Site::App1, Site::App2] {
        for pace in PACES {
            let app = platform.url(site);
            let mut cli = platform.cli();
            cli.goto(&format!("{app}/login")).await;
            let form = filled(&cli, ALICE);
            let [_, second] = twice(&mut cli, &form, pace).await;
            let to = second.location().unwrap_or_else(|| panic!("{second}"));
            let page = cli.goto(to.as_str()).await;
            assert_eq!(page.status(), 200, "{site:?} {pace:?}: {page}");
            assert_eq!(session_at(&mut cli, &app).await["authenticated"], true);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_form_submitted_twice_redirects_to_the_app_both_times() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    for pace in PACES {
        let mut cli = party.cli();
        cli.goto(&party.authorize_url(&[])).await;
        // The form before it as well.
        let form = filled(&cli, ALICE);
        let [_, second] = twice(&mut cli, &form, pace).await;
        assert!(
            second.text().contains("Allow this app?") || second.has_form(),
            "{second}"
        );
        let allow = second.first_form().unwrap();
        let [one, two] = twice(&mut cli, &allow, pace).await;
        code(&one, &party);
        party.redeem(&code(&two, &party)).await.granted();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_submitted_twice_stays_a_denial_and_cannot_become_a_consent() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    for pace in PACES {
        let mut cli = party.cli();
        cli.goto(&party.authorize_url(&[])).await;
        tests::sign_in(&mut cli, ALICE).await;
        let (allow, deny) = (
            cli.first_form(),
            cli.page().form_with_button("Deny").unwrap(),
        );
        for page in twice(&mut cli, &deny, pace).await {
            let to = page.location().unwrap_or_else(|| panic!("{page}"));
            assert!(to.as_str().contains("error=access_denied"), "{to}");
        }
        let page = cli.submit(allow, 0).await;
        assert_eq!(page.status(), 400, "{page}");
    }
}

/// The page for a form whose sign-in is complete.
fn assert_done(page: &Page, app: &str) {
    assert!(page.status() == 200 && page.location().is_none(), "{page}");
    let text = page.text();
    assert!(text.contains("You are signed in"), "{text}");
    assert!(text.contains(&format!("To {app}")), "{text}");
    assert!(!page.has_form(), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_posted_again_after_the_app_was_reached_says_that_the_sign_in_is_done() {
    let platform = Platform::start().await;
    for (site, name) in [(Site::App1, "App 1"), (Site::App2, "App 2")] {
        let app = platform.url(site);
        let mut cli = platform.cli();
        cli.goto(&format!("{app}/login")).await;
        let form = filled(&cli, ALICE);
        // Another browser that knows the whole form.
        let mut stranger = platform.cli();
        stranger
            .goto(&format!("{}/account", platform.issuer()))
            .await;
        let page = cli.submit(form.clone(), 10).await;
        assert!(page.url().as_str().starts_with(&app), "{page}");
        let before = cli.jar().get(HOST, COOKIE).map(|one| one.value.clone());
        for wait in [0, 10, 31, 16 * 60] {
            platform.advance(Duration::from_secs(wait));
            // The back button: the form's page is the provider's.
            let mut back = cli.second_tab();
            back.goto(&format!("{}/", platform.issuer())).await;
            assert_done(back.submit(form.clone(), 10).await, name);
            let after = cli.jar().get(HOST, COOKIE).map(|one| one.value.clone());
            assert_eq!(before, after, "no other session");
            let page = stranger.submit(form.clone(), 0).await;
            assert!(matches!(page.status(), 400 | 403), "{wait}: {page}");
            assert!(page.location().is_none(), "{page}");
            assert!(!is_signed_in(&platform, &stranger).await, "{wait}");
        }
        let session = session_at(&mut cli, &app).await;
        assert_eq!(session["authenticated"], true, "its tokens go on");
        let data = cli.goto(&format!("{app}/api1/data")).await;
        assert_eq!(data.status(), 200, "{data}");
        // Signed out everywhere, the form leads nowhere.
        let home = cli.goto(&app).await.form_with_button("Sign out everywhere");
        cli.submit(home.unwrap(), 10).await;
        let mut back = cli.second_tab();
        back.goto(&format!("{}/", platform.issuer())).await;
        let page = back.submit(form, 10).await;
        assert_eq!(page.status(), 400, "{page}");
        assert!(!is_signed_in(&platform, &cli).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_posted_again_after_its_code_was_redeemed_says_that_the_sign_in_is_done() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    tests::sign_in(&mut cli, ALICE).await;
    let allow = cli.first_form();
    let redeemed = code(cli.submit(allow.clone(), 0).await, &party);
    let tokens = party.redeem(&redeemed).await.granted();
    for wait in [0, 31] {
        platform.advance(Duration::from_secs(wait));
        let page = cli.submit(allow.clone(), 0).await;
        assert_done(page, "Demo relying party");
    }
    let refresh = tokens.text("refresh_token");
    party.machine.refresh(&refresh, &[]).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_form_needs_the_same_browser_user_and_password() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    let [form, wrong, bobs] = [ALICE, (ALICE.0, "wrong"), BOB].map(|who| filled(&cli, who));
    let mut again = cli.second_tab();
    again.goto(&format!("{}/", platform.issuer())).await;
    code(cli.submit(form.clone(), 0).await, &party);
    for (form, status) in [(&wrong, 401), (&bobs, 400)] {
        let page = again.submit(form.clone(), 0).await;
        assert_eq!(page.status(), status, "{page}");
        assert!(page.header("set-cookie").is_none(), "{page}");
    }
    let mut stranger = party.cli();
    stranger.goto(&party.authorize_url(&[])).await;
    let page = stranger.submit(form.clone(), 0).await;
    assert_eq!(page.status(), 403, "another browser: {page}");
    code(again.submit(form.clone(), 0).await, &party);
    platform.advance(Duration::from_secs(31));
    let page = again.submit(form.clone(), 0).await;
    assert_done(page, "App 1");
    let page = stranger.submit(form, 0).await;
    assert_eq!(page.status(), 400, "another browser: {page}");
    assert!(page.header("set-cookie").is_none(), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc6749_4_1_2_a_code_that_was_redeemed_is_not_issued_again() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    let form = filled(&cli, ALICE);
    let mut again = cli.second_tab();
    again.goto(&format!("{}/", platform.issuer())).await;
    let first = code(cli.submit(form.clone(), 0).await, &party);
    let tokens = party.redeem(&first).await.granted();
    let page = again.submit(form, 0).await;
    assert_done(page, "App 1");
    assert!(is_signed_in(&platform, &cli).await);
    let refresh = tokens.text("refresh_token");
    party.machine.refresh(&refresh, &[]).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_sign_in_and_the_logout_question_can_be_submitted_twice() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let back = "http://127.0.0.1:9999/";
    for pace in PACES {
        let mut cli = platform.cli().not_following(back);
        cli.goto(&format!("{}/account", platform.issuer())).await;
        let form = filled(&cli, ALICE);
        for page in twice(&mut cli, &form, pace).await {
            let to = page.location().map(|to| to.path().to_owned());
            assert_eq!(to.as_deref(), Some("/account"), "{page}");
        }
        assert!(is_signed_in(&platform, &cli).await, "{pace:?}");
        let mut url = Url::parse(&format!("{}/logout", platform.issuer())).unwrap();
        url.query_pairs_mut().extend_pairs([
            ("client_id", party.client_id),
            ("post_logout_redirect_uri", back),
        ]);
        cli.goto(url.as_str()).await;
        let form = cli.first_form();
        for page in twice(&mut cli, &form, pace).await {
            let to = page.location().map(String::from);
            assert_eq!(to.as_deref(), Some(back), "{pace:?}: {page}");
        }
        assert!(!is_signed_in(&platform, &cli).await, "{pace:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_out_form_of_an_app_can_be_submitted_twice() {
    let platform = Platform::start().await;
    let app = platform.url(Site::App1);
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &app, ALICE).await;
    let form = cli.goto(&app).await.form_with_button("Sign out everywhere");
    let form = form.unwrap();
    let jar = cli.jar();
    let cookies = jar.of("app1.localhost");
    let cookies: Vec<_> = cookies
        .map(|one| [&*one.name, "=", &one.value].concat())
        .collect();
    let first = cli.submit(form.clone(), 0).await.clone();
    let to = first.location().unwrap_or_else(|| panic!("{first}"));
    assert!(to.as_str().starts_with(&platform.issuer()), "{to}");
    // The second click comes before the first answer has removed the cookies, or after.
    let cookies = cookies.join("; ");
    let url = format!("{app}/logout");
    for (cookies, expected) in [(&*cookies, to.as_str()), ("a=b", "/")] {
        let headers = [
            ("cookie", cookies),
            ("origin", &*app),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let second = cli.raw(Method::POST, &url, &headers, &form.encoded()).await;
        let on = (second.status, second.header("location"));
        assert_eq!(on, (303, Some(expected)), "the browser follows this one");
    }
    cli.goto(to.as_str()).await;
    assert!(!is_signed_in(&platform, &cli).await);
}
