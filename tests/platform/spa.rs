//! The single-page app, as far as it goes without a browser: what its site
//! serves, and what its client gets from the provider.

use std::time::Duration;

use kit::config::Site;
use reqwest::Method;
use testkit::Platform;
use tests::Party;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn the_page_may_call_the_provider_and_api_1_and_sets_no_cookie() {
    let platform = Platform::start().await;
    let spa = platform.url(Site::Spa);
    let mut cli = platform.cli();
    for path in ["/", "/callback?code=c&state=s"] {
        let page = cli
            .raw(
                Method::GET,
                &format!("{spa}{path}"),
                &[("accept", "text/html")],
                "",
            )
            .await;
        assert_eq!(page.status, 200);
        let policy = page.header("content-security-policy").unwrap();
        let connect = format!(
            "connect-src 'self' {} {};",
            platform.issuer(),
            platform.url(Site::Api1)
        );
        assert!(policy.contains(&connect), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(page.header("set-cookie").is_none());
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_refresh_token_rotates_and_rotation_does_not_prolong_its_life() {
    let platform = Platform::start().await;
    let party = Party::my_spa(&platform);
    let first = party.tokens(&mut party.cli(), &[]).await;
    let first = first.text("refresh_token");
    platform.advance(6 * DAY);
    let second = party.machine.refresh(&first, &[]).await;
    let second = second.granted().text("refresh_token");
    assert_ne!(first, second);
    platform.advance(DAY + Duration::from_secs(1));
    let third = party.machine.refresh(&second, &[]).await;
    assert_eq!(third.refusal(), (400, "invalid_grant".to_owned()));
}
