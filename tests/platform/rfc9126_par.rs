//! Pushed authorization requests (RFC 9126).

use std::time::Duration;

use testkit::{Answer, ClientAuth, Platform};
use tests::{ALICE, Party};

fn pushed_url(platform: &Platform, client_id: &str, pushed: &Answer) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", client_id)
        .append_pair("request_uri", &pushed.text("request_uri"))
        .finish();
    format!("{}/authorize?{query}", platform.issuer())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_request_is_answered_like_one_in_the_url_2_2() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let pushed = party.machine.push(&party.parameters(&[])).await;
    assert_eq!(pushed.status, 201, "{}", pushed.body);
    assert!(
        pushed
            .text("request_uri")
            .starts_with("urn:ietf:params:oauth:request_uri:")
    );
    assert!(
        pushed.json()["expires_in"]
            .as_u64()
            .is_some_and(|seconds| (1..=600).contains(&seconds))
    );
    assert!(
        pushed
            .header("cache-control")
            .unwrap_or_default()
            .contains("no-store")
    );

    let mut cli = party.cli();
    cli.goto(&pushed_url(&platform, "demo_rp", &pushed)).await;
    let answer = party.through_the_pages(&mut cli).await;
    assert_eq!(answer["state"], "the-state");
    party.redeem(&answer["code"]).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_uri_works_once_for_its_client_and_for_its_time_2_2() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let pushed = party.machine.push(&party.parameters(&[])).await;

    let page = cli.goto(&pushed_url(&platform, "app1", &pushed)).await;
    assert_eq!(page.status(), 400, "another client's: {page}");

    let pushed = party.machine.push(&party.parameters(&[])).await;
    let url = pushed_url(&platform, "demo_rp", &pushed);
    cli.goto(&url).await;
    party.through_the_pages(&mut cli).await;
    let page = cli.goto(&url).await;
    assert_eq!(page.status(), 400, "used: {page}");
    // As the back button shows it: the browser is signed in, which a stranger's is not.
    let todo = "This browser is signed in. Go on to the app.";
    assert!(page.text().contains(todo), "{page}");
    let home = party.redirect_uri.parse::<url::Url>().unwrap().origin();
    assert!(
        page.links().iter().any(|link| link.origin() == home),
        "{page}"
    );
    let mut stranger = party.cli();
    let page = stranger.goto(&url).await;
    let todo = "Start again from the app.";
    assert!(page.status() == 400 && page.text().contains(todo), "{page}");

    let pushed = party.machine.push(&party.parameters(&[])).await;
    let seconds = pushed.json()["expires_in"].as_u64().unwrap();
    platform.advance(Duration::from_secs(seconds + 1));
    let page = cli.goto(&pushed_url(&platform, "demo_rp", &pushed)).await;
    assert_eq!(page.status(), 400, "expired: {page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_push_is_checked_like_the_request_itself_2_1() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let refused = async |changes: &[(&str, &str)]| {
        party
            .machine
            .push(&party.parameters(changes))
            .await
            .refusal()
    };
    let bad = |error: &str| (400, error.to_owned());
    assert_eq!(
        refused(&[("redirect_uri", "http://evil.example/callback")]).await,
        bad("invalid_request")
    );
    assert_eq!(
        refused(&[("response_type", "token")]).await,
        bad("unsupported_response_type")
    );
    assert_eq!(
        refused(&[("scope", "https://api-1/delete")]).await,
        bad("invalid_scope")
    );
    assert_eq!(
        refused(&[("resource", "https://api-3")]).await,
        bad("invalid_target")
    );
    assert_eq!(
        refused(&[("code_challenge", "")]).await,
        bad("invalid_request")
    );
    assert_eq!(
        refused(&[("request_uri", "urn:ietf:params:oauth:request_uri:x")]).await,
        bad("invalid_request")
    );
    assert_eq!(
        refused(&[("client_id", "app1")]).await.0,
        400,
        "not the one who authenticates"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_push_is_authenticated_2_1() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let stranger = party
        .machine
        .identified_by(ClientAuth::basic("demo_rp", "wrong"));
    assert_eq!(
        stranger.push(&party.parameters(&[])).await.refusal(),
        (401, "invalid_client".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn app2_pushes_and_app1_does_not() {
    let platform = Platform::start().await;
    let mut cli = platform.cli();
    let hops = cli
        .goto(&format!("{}/login", platform.url(kit::config::Site::App2)))
        .await
        .hops()
        .to_vec();
    let query = hops[1].url.query().unwrap_or_default();
    assert!(
        query.contains("request_uri=") && !query.contains("state=") && !query.contains("scope="),
        "{query}"
    );
    let hops = cli
        .goto(&format!("{}/login", platform.url(kit::config::Site::App1)))
        .await
        .hops()
        .to_vec();
    let query = hops[1].url.query().unwrap_or_default();
    assert!(
        !query.contains("request_uri=") && query.contains("state="),
        "{query}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_pushed_request_cannot_be_used_again_2_2() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let pushed = party.machine.push(&party.parameters(&[])).await;
    let url = pushed_url(&platform, "demo_rp", &pushed);
    cli.goto(&url).await;
    cli.submit_first_form(&[("username", ALICE.0), ("password", ALICE.1)])
        .await;
    cli.press("Deny").await;
    let answer = cli.page().location().unwrap().to_string();
    assert!(answer.contains("error=access_denied"), "{answer}");
    assert_eq!(cli.goto(&url).await.status(), 400, "{}", cli.page());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_tab_with_the_same_pushed_request_keeps_the_session() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut first = party.cli();
    let mut second = first.second_tab();
    let pushed = party.machine.push(&party.parameters(&[])).await;
    let url = pushed_url(&platform, "demo_rp", &pushed);
    let fields = [("username", ALICE.0), ("password", ALICE.1)];
    first.goto(&url).await;
    second.goto(&url).await;
    first.submit_first_form(&fields).await;
    first.submit_first_form(&[]).await;
    assert!(first.page().location().is_some(), "{}", first.page());
    second.submit_first_form(&fields).await;
    second.submit_first_form(&[]).await;
    assert_eq!(second.page().status(), 400, "{}", second.page());
    // The browser is still signed in at the provider.
    let app1 = Party::app1(&platform);
    let mut cli = first.second_tab().not_following(&app1.redirect_uri);
    cli.goto(&app1.authorize_url(&[])).await;
    assert!(cli.page().location().is_some(), "no form: {}", cli.page());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_uri_that_was_never_pushed_is_not_supported_oidc_core_6_2() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let foreign = [("request_uri", "https://rp.example/request.jwt")];
    cli.goto(&party.authorize_url(&foreign)).await;
    let answer = cli.page().location().unwrap().to_string();
    assert!(
        answer.contains("error=request_uri_not_supported"),
        "{answer}"
    );
}
