//! OpenID Connect Core and Discovery: metadata, keys, the id_token, userinfo, `prompt`.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use testkit::{ClientAuth, Platform, UnverifiedClaims};
use tests::{ALICE, Party, sign_in, words::API2};

#[tokio::test(flavor = "multi_thread")]
async fn both_documents_name_the_issuer_exactly_and_nothing_that_is_absent_discovery_3() {
    let platform = Platform::start().await;
    let machine = Party::demo_rp(&platform).machine;
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        let document = machine.get(path).await.json();
        assert_eq!(document["issuer"], platform.issuer());
        for endpoint in [
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "userinfo_endpoint",
        ] {
            let url = document[endpoint].as_str().unwrap_or_default();
            assert!(
                url.starts_with(&platform.issuer()),
                "{path}: {endpoint} {url}"
            );
        }
        assert!(
            document["pushed_authorization_request_endpoint"].is_string(),
            "{document}"
        );
        assert!(document.get("registration_endpoint").is_none());
        assert_eq!(
            document["code_challenge_methods_supported"],
            json!(["S256"])
        );
        assert_eq!(document["response_types_supported"], json!(["code"]));
        assert_eq!(
            document["grant_types_supported"],
            json!([
                "authorization_code",
                "refresh_token",
                "client_credentials",
                "urn:ietf:params:oauth:grant-type:device_code",
                "urn:ietf:params:oauth:grant-type:jwt-bearer",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_are_public_alone_and_sign_what_is_issued_rfc7517() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let keys = party.machine.get("/jwks").await.json()["keys"]
        .as_array()
        .unwrap()
        .clone();
    assert!(!keys.is_empty());
    for key in &keys {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
        assert_eq!(key["use"], "sig");
    }
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let kid = &UnverifiedClaims::of(&tokens.text("id_token")).header["kid"];
    assert!(keys.iter().any(|key| &key["kid"] == kid), "{kid}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_token_is_for_the_client_with_its_nonce_2() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let id_token = UnverifiedClaims::of(&tokens.text("id_token"));
    assert_eq!(id_token.text("iss"), platform.issuer());
    assert_eq!(id_token.claims["aud"], "demo_rp");
    assert_eq!(id_token.text("nonce"), "the-nonce");
    assert_ne!(id_token.header["typ"], "at+jwt");
    let access_token = UnverifiedClaims::of(&tokens.text("access_token"));
    assert_eq!(id_token.text("sub"), access_token.text("sub"));
    assert!(id_token.number("auth_time") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn userinfo_returns_the_claims_of_the_scopes_5_3() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let userinfo = format!("{}/userinfo", platform.issuer());
    let mut cli = party.cli();
    // Any live token whose grant holds openid will do, whatever its audience.
    let tokens = party.tokens(&mut cli, &[("resource", API2)]).await;
    let info = party
        .machine
        .call(Method::GET, &userinfo, &tokens.text("access_token"))
        .await;
    assert_eq!(info.status, 200, "{}", info.body);
    let sub = UnverifiedClaims::of(&tokens.text("id_token"))
        .text("sub")
        .to_owned();
    assert_eq!(info.json()["sub"], sub.as_str());
    assert_eq!(
        (&info.json()["name"], &info.json()["email"]),
        (&json!("Alice Liddell"), &json!("alice@example.com"))
    );

    let tokens = party
        .tokens(&mut cli, &[("scope", "openid https://api-1/read")])
        .await;
    let info = party
        .machine
        .call(Method::POST, &userinfo, &tokens.text("access_token"))
        .await
        .json();
    assert_eq!(info, json!({ "sub": sub }));

    let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    let token = batch
        .token(&[("grant_type", "client_credentials")])
        .await
        .granted()
        .text("access_token");
    assert!(matches!(
        batch.call(Method::GET, &userinfo, &token).await.status,
        401 | 403
    ));
    assert_eq!(
        batch.call_unsigned(Method::GET, &userinfo).await.status,
        401
    );
    platform.advance(Duration::from_secs(1000));
    assert_eq!(
        party
            .machine
            .call(Method::GET, &userinfo, &tokens.text("access_token"))
            .await
            .status,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn prompt_none_never_shows_a_page_3_1_2_6() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let signed_out = cli
        .goto(&party.authorize_url(&[("prompt", "none")]))
        .await
        .location()
        .unwrap();
    assert!(
        signed_out.query().unwrap().contains("error=login_required"),
        "{signed_out}"
    );
    cli.goto(&party.authorize_url(&[])).await;
    sign_in(&mut cli, ALICE).await;
    assert!(cli.page().has_form(), "the consent page");
    let not_agreed = cli
        .goto(&party.authorize_url(&[("prompt", "none")]))
        .await
        .location()
        .unwrap();
    assert!(
        not_agreed
            .query()
            .unwrap()
            .contains("error=consent_required"),
        "{not_agreed}"
    );
    let app1 = Party::app1(&platform);
    let mut cli = cli.not_following(&app1.redirect_uri);
    let silent = cli
        .goto(&app1.authorize_url(&[("prompt", "none")]))
        .await
        .location()
        .unwrap();
    assert!(silent.query().unwrap().contains("code="), "{silent}");
    let both = cli
        .goto(&app1.authorize_url(&[("prompt", "none login")]))
        .await
        .location()
        .unwrap();
    assert!(
        both.query().unwrap().contains("error=invalid_request"),
        "{both}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn prompt_login_and_max_age_ask_again_3_1_2_1() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut cli = party.cli();
    let first = party.tokens(&mut cli, &[]).await;
    let first = UnverifiedClaims::of(&first.text("id_token")).number("auth_time");
    platform.advance(Duration::from_secs(100));

    let page = cli.goto(&party.authorize_url(&[("max_age", "200")])).await;
    assert!(page.location().is_some(), "young enough: {page}");
    for change in [("prompt", "login"), ("max_age", "50"), ("max_age", "0")] {
        let page = cli.goto(&party.authorize_url(&[change])).await;
        assert!(page.has_form(), "{change:?}: {page}");
    }
    let again = party.through_the_pages(&mut cli).await;
    let again = party.redeem(&again["code"]).await.granted();
    assert_eq!(
        UnverifiedClaims::of(&again.text("id_token")).number("auth_time"),
        first + 100
    );
}
