//! The single-page app in a real Chromium: the first diagram of the seed, step by
//! step, and where its tokens are.

use std::time::Duration;

use kit::config::Site;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Browser, ClientAuth, Platform};
use tests::{ALICE, new_key};

/// The steps of a login, in their order.
const LOGIN: [&str; 8] = [
    "login.discovery",
    "login.prepare",
    "login.redirect",
    "login.at_provider",
    "callback.received",
    "callback.check",
    "callback.code_exchange",
    "callback.id_token_check",
];

/// Alice at the single-page app.
struct Story {
    platform: Platform,
    browser: Browser,
    spa: String,
}

impl Story {
    async fn begin() -> Self {
        // With nonces: the platform's clock is not that of the browser.
        let nonces = ["--api-dpop-nonce-key", "0123456789abcdef0123456789abcdef"];
        let platform = Platform::start_with_apis(&[], &nonces, &[]).await;
        let browser = Browser::start().await;
        let spa = platform.url(Site::Spa);
        browser.goto(&spa).await;
        Self {
            platform,
            browser,
            spa,
        }
    }

    async fn sign_in(&self) {
        let browser = &self.browser;
        browser.press("Sign in").await;
        browser.until_at(&self.platform.issuer()).await;
        browser.fill("username", ALICE.0).await;
        browser.fill("password", ALICE.1).await;
        browser.press("Sign in").await;
        self.is_signed_in().await;
    }

    async fn is_signed_in(&self) {
        self.browser.until_at(&self.spa).await;
        let name = "[data-signed-in=true] h1";
        self.browser.until_text(name, "Alice").await;
    }

    /// Begins a login, and stays where its page has the link to the provider.
    async fn stops_before_the_redirect(&self) {
        self.browser.press("Stop before the redirect").await;
        self.browser.find("#onward:not([hidden])").await;
    }

    /// The `state` of a login that stops there.
    async fn state_of_a_login_that_stops(&self) -> String {
        self.stops_before_the_redirect().await;
        let link = "return document.querySelector('#onward a').href";
        let link = self.browser.run(link).await;
        let link: url::Url = link.as_str().unwrap().parse().unwrap();
        let mut pairs = link.query_pairs();
        let (_, state) = pairs.find(|(name, _)| name == "state").unwrap();
        state.into_owned()
    }

    /// The steps on the page, by name.
    async fn steps(&self) -> Vec<String> {
        let script =
            "return [...document.querySelectorAll('[data-step]')].map(one => one.dataset.step)";
        serde_json::from_value(self.browser.run(script).await).unwrap()
    }

    /// Presses a button and gives what the step that follows reads.
    async fn takes(&self, label: &str, step: &str) -> String {
        let before = self.steps().await.len();
        self.browser.press(label).await;
        let css = format!("[data-step='{step}']:nth-of-type({})", before + 1);
        self.browser.text(&css).await
    }

    /// What the page says went wrong.
    async fn error(&self) -> String {
        self.browser.text("#error:not([hidden])").await
    }

    async fn fits_a_narrow_screen(&self) {
        let narrow =
            json!({ "width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        let cdp = self.browser.driver().cdp();
        let set = cdp.send_raw("Emulation.setDeviceMetricsOverride", narrow);
        set.await.unwrap();
        let too_wide =
            "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        assert_eq!(self.browser.run(too_wide).await, false);
    }

    /// A token that has left the page lacks the key to which it is bound (RFC 9449 §7.2).
    async fn is_of_no_use_elsewhere(&self, access_token: &str) {
        let url = format!("{}/resource", self.platform.url(Site::Api1));
        let thief = self.platform.machine(ClientAuth::public("my_spa"));
        let as_bearer = thief.call(Method::GET, &url, access_token).await;
        assert_eq!(as_bearer.status, 401, "{}", as_bearer.body);
        let with_a_key = thief.with_key(&new_key());
        let with_a_key = with_a_key.call_bound(Method::GET, &url, access_token).await;
        assert_eq!(with_a_key.status, 401, "{}", with_a_key.body);
    }

    /// What the browser's console complains about, but for the request of API-1 to use its
    /// nonce (RFC 9449 §9), which Chromium shows as a failed request.
    async fn complaints(&self) -> Vec<String> {
        let mut all = self.browser.complaints().await;
        all.retain(|one| !(one.contains("/resource") && one.contains("status of 401")));
        all
    }

    fn tokens(&self) -> Vec<String> {
        let idp = self.platform.tap(Site::Idp);
        let kinds = ["access_token", "refresh_token", "id_token"];
        kinds
            .into_iter()
            .flat_map(|kind| idp.answered_values(kind))
            .collect()
    }
}

/// How the page shows a token: enough to tell it from another.
fn ends_of(token: &str) -> String {
    let length = token.len();
    format!(
        "{} … {} ({length} characters)",
        &token[..18],
        &token[length - 12..]
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn alice_signs_in_calls_the_api_and_refreshes_and_each_step_is_shown() {
    let story = Story::begin().await;
    story.sign_in().await;
    assert_eq!(story.steps().await, LOGIN);
    assert_eq!(
        story.browser.url().await.as_str(),
        format!("{}/", story.spa)
    );

    let userinfo = story.takes("/userinfo", "userinfo.call").await;
    assert!(userinfo.contains("alice@example.com"), "{userinfo}");
    let list = story.takes("GET /resource", "api.call").await;
    assert!(list.contains("200") && list.contains("orders"), "{list}");
    let placed = story.takes("POST /resource", "api.call").await;
    assert!(
        placed.contains("201") && placed.contains("chess-set"),
        "{placed}"
    );

    let refreshed = story.takes("Refresh", "tokens.refresh").await;
    let idp = story.platform.tap(Site::Idp);
    let [first, second] = &idp.answered_values("refresh_token")[..] else {
        panic!("one at the login, one at the refresh");
    };
    for token in [first, second] {
        assert!(refreshed.contains(&ends_of(token)), "{refreshed}");
        assert!(!refreshed.contains(token.as_str()), "{refreshed}");
    }
    let list = story.takes("GET /resource", "api.call").await;
    assert!(list.contains("200"), "the new access token is used: {list}");
    story.fits_a_narrow_screen().await;
    assert_eq!(story.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_refresh_token_is_refused_after_the_grace_period_and_ends_its_family() {
    let story = Story::begin().await;
    story.sign_in().await;
    story.takes("Refresh", "tokens.refresh").await;
    let again = story
        .takes("Reuse the old refresh token", "tokens.replay")
        .await;
    assert!(
        again.contains("the provider repeats its response"),
        "{again}"
    );

    story.platform.advance(Duration::from_secs(31));
    let late = story
        .takes("Reuse the old refresh token", "tokens.replay")
        .await;
    assert!(late.contains("is refused"), "{late}");
    let refresh = story.takes("Refresh", "tokens.refresh").await;
    assert!(refresh.contains("Sign in again"), "{refresh}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_in_no_storage_and_no_cookie_and_any_script_in_the_page_reads_them() {
    let story = Story::begin().await;
    story.sign_in().await;
    let tokens = story.tokens();
    assert_eq!(tokens.len(), 3, "access, refresh and ID token");
    let kept = format!("{:?}", story.browser.kept_for_scripts().await);
    let cookies = story.browser.cookies_of("spa.localhost").await;
    assert_eq!(cookies, [], "no cookie");
    for token in &tokens {
        assert!(!kept.contains(token), "{kept}");
    }
    assert!(
        kept.contains("\"session\": \"{}\""),
        "state, nonce and verifier were deleted: {kept}"
    );

    // As a script would that somebody else has brought into the page.
    let seen = story
        .browser
        .run("return document.querySelector('[data-token=access_token]').textContent")
        .await;
    assert!(tokens.contains(&seen.as_str().unwrap().to_owned()));
    let spy = "const real = window.fetch;
        window.fetch = (url, options) => {
            window.stolen = new Headers(options.headers).get('Authorization');
            return real(url, options);
        };";
    story.browser.run(spy).await;
    story.takes("GET /resource", "api.call").await;
    let stolen = story.browser.run("return window.stolen").await;
    let stolen = stolen
        .as_str()
        .unwrap()
        .strip_prefix("DPoP ")
        .unwrap()
        .to_owned();
    assert!(
        tokens.contains(&stolen),
        "hiding it from the page would not help"
    );
    story.is_of_no_use_elsewhere(&stolen).await;

    story.browser.goto(&story.spa).await;
    assert!(
        !story.browser.source().await.contains("eyJ"),
        "gone with the page"
    );
    story.browser.press("Sign in").await;
    story.is_signed_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_revokes_the_refresh_token_and_ends_the_providers_session() {
    let story = Story::begin().await;
    story.sign_in().await;
    let idp = story.platform.tap(Site::Idp);
    let refresh_token = idp.answered_values("refresh_token").remove(0);
    story.browser.press("Sign out").await;
    story
        .browser
        .find("[data-signed-in=false]:not([hidden])")
        .await;
    story.browser.until_at(&story.spa).await;
    assert!(!story.browser.source().await.contains("eyJ"));
    assert!(idp.requests().contains("POST /revoke"));

    let spa = story.platform.machine(ClientAuth::public("my_spa"));
    let refused = spa.with_key(&new_key());
    let refused = refused.refresh(&refresh_token, &[]).await;
    assert_eq!(refused.error(), "invalid_grant");
    // A form again: single sign-on has ended too.
    story.sign_in().await;
    assert_eq!(story.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_does_not_match_shows_an_error_page_and_its_code_is_not_redeemed() {
    let story = Story::begin().await;
    let (browser, spa) = (&story.browser, &story.spa);
    browser
        .goto(&format!("{spa}/callback?code=c&state=s"))
        .await;
    assert!(
        story
            .error()
            .await
            .contains("No login waits for this answer")
    );

    let issuer = story.platform.issuer();
    let cases = [
        ("code=c&state=another", "does not belong to the login"),
        (
            "code=c&state={state}&iss=http://evil.localhost",
            "does not belong to the login",
        ),
        (
            "error=access_denied&state={state}&iss={issuer}",
            "denied at the provider",
        ),
        (
            "code=never-made&state={state}&iss={issuer}",
            "refused the code",
        ),
    ];
    for (query, sentence) in cases {
        browser.goto(spa).await;
        let state = story.state_of_a_login_that_stops().await;
        let query = query
            .replace("{state}", &state)
            .replace("{issuer}", &issuer);
        browser.goto(&format!("{spa}/callback?{query}")).await;
        let error = story.error().await;
        assert!(error.contains(sentence), "{query}: {error}");
        assert_eq!(
            browser.url().await.as_str(),
            format!("{spa}/"),
            "the answer left the address"
        );
        let kept = browser.kept_for_scripts().await;
        assert_eq!(kept["session"], "{}", "used once, right or wrong");
    }
    let sent = story.platform.tap(Site::Idp).requests();
    assert_eq!(
        sent.matches("POST /token").count(),
        1,
        "the last one alone was for the provider to judge"
    );
}

/// What the page kept for the way back is changed under its hands: the answer is
/// then another login's.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_of_another_nonce_and_a_code_of_another_verifier_sign_nobody_in() {
    for (kept, sentence) in [
        ("nonce", "The ID token is invalid"),
        ("verifier", "refused the code"),
    ] {
        let story = Story::begin().await;
        let browser = &story.browser;
        story.stops_before_the_redirect().await;
        let change = format!(
            "const login = JSON.parse(sessionStorage.getItem('login'));
             login.{kept} = [...login.{kept}].reverse().join('');
             sessionStorage.setItem('login', JSON.stringify(login));"
        );
        browser.run(&change).await;
        browser.click("#onward a").await;
        browser.until_at(&story.platform.issuer()).await;
        browser.fill("username", ALICE.0).await;
        browser.fill("password", ALICE.1).await;
        browser.press("Sign in").await;
        browser.until_at(&story.spa).await;
        let error = story.error().await;
        assert!(error.contains(sentence), "{kept}: {error}");
        assert!(!browser.has("[data-signed-in=true]:not([hidden])").await);
        assert!(!browser.source().await.contains("Hello, Alice"));
        let taken = story.tokens();
        assert_eq!(taken.is_empty(), kept == "verifier", "PKCE (RFC 7636 §4.6)");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_provider_is_explained_and_the_button_works_again() {
    let story = Story::begin().await;
    let cdp = story.browser.driver().cdp();
    let block = async |urls: Value| {
        cdp.send_raw("Network.setBlockedURLs", json!({ "urls": urls }))
            .await
            .unwrap();
    };
    cdp.send_raw("Network.enable", json!({})).await.unwrap();
    block(json!(["*idp.localhost*"])).await;
    story.browser.press("Sign in").await;
    assert!(story.error().await.contains("No response"));
    block(json!([])).await;
    story.sign_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_back_button_after_the_login_does_not_end_on_an_error() {
    let story = Story::begin().await;
    story.sign_in().await;
    story.browser.driver().back().await.unwrap();
    assert!(!story.browser.text("body").await.trim().is_empty());
    story.browser.driver().forward().await.unwrap();
    story.browser.until_at(&story.spa).await;
    let shown = story.browser.text("h1").await;
    let source = story.browser.source().await;
    assert!(!shown.is_empty() || source.contains("Hello"), "{shown}");
    story.browser.goto(&story.spa).await;
    story.browser.press("Sign in").await;
    story.is_signed_in().await;
}
