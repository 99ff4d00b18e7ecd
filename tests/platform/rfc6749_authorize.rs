//! The authorization endpoint (RFC 6749 §4.1.1, §4.1.2).

use testkit::{Platform, UnverifiedClaims};
use tests::Party;

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_client_or_redirect_uri_is_shown_to_the_user_and_never_redirected_4_1_2_1() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let wrong = [
        [("client_id", "nobody")],
        [("client_id", "")],
        [("redirect_uri", "http://127.0.0.1:9999/callback/")],
        [("redirect_uri", "http://127.0.0.1:9999/callback?x=1")],
        [(
            "redirect_uri",
            "http://127.0.0.1:9999@evil.example/callback",
        )],
        [("redirect_uri", "http://evil.example/callback")],
    ];
    for change in wrong {
        let page = cli.goto(&party.authorize_url(&change)).await;
        assert_eq!(page.status(), 400, "{change:?}: {page}");
        assert!(
            page.location().is_none() && page.hops().len() == 1,
            "{change:?}: {page}"
        );
        assert!(!page.text().is_empty(), "{change:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_errors_go_back_to_the_client_with_its_state_4_1_2_1() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let wrong = [
        ("response_type", "token", "unsupported_response_type"),
        (
            "response_type",
            "code id_token",
            "unsupported_response_type",
        ),
        ("response_type", "", "invalid_request"),
        ("scope", "https://api-1/delete", "invalid_scope"),
        ("scope", "\"openid\"", "invalid_scope"),
        ("resource", "https://api-3", "invalid_target"),
        ("audience", "https://api-3", "invalid_target"),
        (
            "request",
            "eyJhbGciOiJub25lIn0.e30.",
            "request_not_supported",
        ),
    ];
    for (name, value, error) in wrong {
        let answer = party.answer(&mut cli, &[(name, value)]).await;
        assert_eq!(
            answer.get("error").map(String::as_str),
            Some(error),
            "{name}={value}: {answer:?}"
        );
        assert_eq!(
            answer.get("state").map(String::as_str),
            Some("the-state"),
            "{name}={value}"
        );
        assert!(!answer.contains_key("code"), "{name}={value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oidc_core_3_1_2_1_unknown_scopes_are_ignored_and_the_answer_says_what_was_granted() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let asked = "openid profile https://api-1/read https://api-1/delete urn:unheard:of";
    let mut cli = party.cli();
    let tokens = party.tokens(&mut cli, &[("scope", asked)]).await;
    let granted = tokens.text("scope");
    let mut granted: Vec<_> = granted.split(' ').collect();
    granted.sort_unstable();
    assert_eq!(granted, ["https://api-1/read", "openid", "profile"]);
    let access_token = UnverifiedClaims::of(&tokens.text("access_token"));
    assert_eq!(access_token.scopes(), ["https://api-1/read"]);
    // What is another client's is no more than unknown.
    let spa = Party::my_spa(&platform);
    let asked = [("scope", "openid https://api-1/read https://api-2/read")];
    let mut cli = cli.not_following(&spa.redirect_uri);
    let tokens = spa.tokens(&mut cli, &asked).await;
    assert_eq!(tokens.text("scope"), "https://api-1/read openid");
    // A pushed request is the same request (RFC 9126 section 2.1).
    let pushed = [("scope", "openid https://api-1/delete")];
    let answer = party.machine.push(&party.parameters(&pushed)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    // The token endpoint goes on refusing (RFC 6749 section 5.2).
    let party = Party::app1(&platform);
    let mut cli = cli.not_following(&party.redirect_uri);
    let refresh = party.tokens(&mut cli, &[]).await.text("refresh_token");
    let asked = [("scope", "openid https://api-1/delete")];
    let refused = party.machine.refresh(&refresh, &asked).await;
    assert_eq!(refused.refusal(), (400, "invalid_scope".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_given_twice_is_refused_3_1() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let url = party.authorize_url(&[]) + "&scope=openid";
    let page = cli.goto(&url).await;
    let error = page.location().map(|to| {
        to.query()
            .unwrap_or_default()
            .contains("error=invalid_request")
    });
    assert_eq!(error, Some(true), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_with_forms_are_not_framed_cached_or_scripted_10_13() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let page = cli.goto(&party.authorize_url(&[])).await;
    assert!(page.has_form(), "{page}");
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(
        policy.contains("default-src 'none'") || policy.contains("default-src 'self'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(
        page.header("cache-control")
            .unwrap_or_default()
            .contains("no-store"),
        "{page}"
    );
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consent_page_names_what_is_asked_and_a_denial_is_access_denied_4_1_2_1() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    tests::sign_in(&mut cli, tests::ALICE).await;
    let text = cli.page().text();
    assert!(
        text.contains("Demo relying party") && text.contains("Place orders for you"),
        "{text}"
    );
    let page = cli.press("Deny").await;
    let to = page.location().unwrap_or_else(|| panic!("{page}"));
    let query = to.query().unwrap_or_default();
    assert!(
        query.contains("error=access_denied") && query.contains("state=the-state"),
        "{query}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_party_client_needs_no_consent() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut cli = party.cli();
    cli.goto(&party.authorize_url(&[])).await;
    tests::sign_in(&mut cli, tests::ALICE).await;
    assert!(cli.page().location().is_some(), "{}", cli.page());
}
