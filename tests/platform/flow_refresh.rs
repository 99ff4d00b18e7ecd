//! Access tokens of a session in each mode: minted at the first call, kept,
//! renewed in time.

use std::time::Duration;

use futures_util::future::join_all;
use kit::config::Site;
use reqwest::Method;
use testkit::{HeadlessBrowser, Platform};
use tests::{ALICE, in_modes, sign_in_to};

/// How often the app asked the token endpoint since the last look.
fn token_calls(platform: &Platform) -> usize {
    let idp = platform.tap(Site::Idp);
    let calls = idp.requests().matches("POST /token").count();
    idp.forget();
    calls
}

async fn status(cli: &mut HeadlessBrowser, path: &str) -> u16 {
    cli.fetch_get(path).await.status
}

async fn the_first_call_to_each_api_gets_a_token_and_later_calls_reuse_it(mode: &str) {
    let platform = Platform::start_in_mode(mode).await;
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    assert_eq!(token_calls(&platform), 1, "the code");
    assert_eq!(status(&mut cli, "/api2/data").await, 200);
    assert_eq!(token_calls(&platform), 1, "API-2's first token");
    assert_eq!(status(&mut cli, "/api1/data").await, 200);
    assert!(
        token_calls(&platform) <= 1,
        "API-1's first token, unless the code brought it"
    );
    for path in ["/api1/data", "/api2/data", "/api1/data"] {
        assert_eq!(status(&mut cli, path).await, 200);
    }
    assert_eq!(token_calls(&platform), 0);
}

async fn a_token_about_to_expire_is_renewed_before_the_call(mode: &str) {
    let platform = Platform::start_in_mode(mode).await;
    let mut cli = platform.cli();
    sign_in_to(&mut cli, &platform.url(Site::App1), ALICE).await;
    assert_eq!(status(&mut cli, "/api2/data").await, 200);
    // The refresh token of the second round is the one that the first brought.
    for _ in 0..3 {
        platform.advance(Duration::from_secs(15 * 60 - 1));
        token_calls(&platform);
        platform.tap(Site::Api2).forget();
        assert_eq!(status(&mut cli, "/api2/data").await, 200);
        assert_eq!(token_calls(&platform), 1);
        assert!(!platform.tap(Site::Api2).answers().contains(" 401 "));
    }
}

async fn calls_at_once_share_one_refresh_for_each_audience_and_all_succeed(mode: &str) {
    let platform = Platform::start_in_mode(mode).await;
    let mut cli = platform.cli();
    let app1 = platform.url(Site::App1);
    sign_in_to(&mut cli, &app1, ALICE).await;
    for _ in 0..2 {
        platform.advance(Duration::from_secs(3600));
        token_calls(&platform);
        let calls = (0..12).map(|n| {
            let mut tab = cli.second_tab();
            let url = format!(
                "{app1}{}",
                if n % 2 == 0 {
                    "/api1/data"
                } else {
                    "/api2/data"
                }
            );
            async move {
                tab.raw(Method::GET, &url, &[("accept", "application/json")], "")
                    .await
            }
        });
        for answer in join_all(calls).await {
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        assert_eq!(token_calls(&platform), 2, "one an audience");
    }
}

in_modes!([stateful stateless hybrid cached] [
    the_first_call_to_each_api_gets_a_token_and_later_calls_reuse_it
    a_token_about_to_expire_is_renewed_before_the_call
    calls_at_once_share_one_refresh_for_each_audience_and_all_succeed
]);
