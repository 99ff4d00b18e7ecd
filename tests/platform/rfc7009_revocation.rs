//! RFC 7009, token revocation.

use kit::config::Site;
use reqwest::Method;
use testkit::{Answer, ClientAuth, Platform};
use tests::{Party, words::API1};

async fn userinfo(platform: &Platform, party: &Party<'_>, token: &str) -> u16 {
    let url = format!("{}/userinfo", platform.issuer());
    party.machine.call(Method::GET, &url, token).await.status
}

async fn revoke(party: &Party<'_>, token: &str) -> Answer {
    party
        .machine
        .post_as_client("/revoke", &[("token", token)])
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7009_2_1_revoking_a_refresh_token_revokes_all_access_tokens_of_its_grant() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    let newer = party.machine.refresh(&refresh, &[]).await.granted();
    assert_eq!(userinfo(&platform, &party, &access).await, 200);
    // A token that was replaced names the same grant.
    let answer = revoke(&party, &refresh).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    for token in [access, newer.text("access_token")] {
        assert_eq!(userinfo(&platform, &party, &token).await, 401);
        let api1 = party
            .machine
            .identified_by(ClientAuth::basic("api-1", "api-1-secret"));
        let exchanged = api1.exchange(&token, "https://api-2", &[]).await;
        assert_eq!(exchanged.status, 400, "{}", exchanged.body);
    }
    let again = party
        .machine
        .refresh(&newer.text("refresh_token"), &[])
        .await;
    assert_eq!(again.refusal(), (400, "invalid_grant".to_owned()));
    assert_eq!(revoke(&party, &refresh).await.status, 200, "a second time");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7009_2_1_revoking_an_access_token_revokes_its_grant_and_no_other() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let mut cli = party.cli();
    let one = party.tokens(&mut cli, &[]).await;
    let other = party.tokens(&mut cli, &[]).await;
    assert_eq!(revoke(&party, &one.text("access_token")).await.status, 200);
    let refused = party.machine.refresh(&one.text("refresh_token"), &[]).await;
    assert_eq!(refused.error(), "invalid_grant");
    party
        .machine
        .refresh(&other.text("refresh_token"), &[])
        .await
        .granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7009_2_1_another_clients_token_is_refused_and_stays_valid() {
    let platform = Platform::start().await;
    let party = Party::app1(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let stranger = Party::demo_rp(&platform);
    for name in ["access_token", "refresh_token"] {
        let answer = revoke(&stranger, &tokens.text(name)).await;
        assert_eq!(
            answer.refusal(),
            (400, "invalid_grant".to_owned()),
            "{name}"
        );
    }
    party
        .machine
        .refresh(&tokens.text("refresh_token"), &[])
        .await
        .granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7009_2_2_an_unknown_token_is_answered_as_revoked() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    for token in ["x", "a.0.b", "eyJhbGciOiJub25lIn0.e30.", &"x".repeat(9000)] {
        let more = [("token", token), ("token_type_hint", "nonsense")];
        let answer = party.machine.post_as_client("/revoke", &more).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7009_2_2_1_an_unsupported_token_type_is_an_error() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let unsupported = (400, "unsupported_token_type".to_owned());
    assert_eq!(
        revoke(&party, &tokens.text("id_token")).await.refusal(),
        unsupported
    );
    let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    let own = batch
        .token(&[("grant_type", "client_credentials"), ("resource", API1)])
        .await
        .granted();
    let own = [("token", &*own.text("access_token"))];
    assert_eq!(
        batch.post_as_client("/revoke", &own).await.refusal(),
        unsupported
    );
    let api1 = platform.machine(ClientAuth::basic("api-1", "api-1-secret"));
    let exchanged = api1
        .exchange(&tokens.text("access_token"), "https://api-2", &[])
        .await
        .granted();
    let exchanged = [("token", &*exchanged.text("access_token"))];
    assert_eq!(
        api1.post_as_client("/revoke", &exchanged).await.refusal(),
        unsupported
    );
    let missing = party.machine.post_as_client("/revoke", &[]).await;
    assert_eq!(missing.refusal(), (400, "invalid_request".to_owned()));
    let nobody = platform.machine(ClientAuth::basic("demo_rp", "wrong"));
    let answer = nobody.post_as_client("/revoke", &[("token", "x")]).await;
    assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc7009_2_a_public_client_revokes_its_own_token_from_its_page() {
    let platform = Platform::start().await;
    let party = Party::my_spa(&platform);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let origin = platform.url(Site::Spa);
    let body = format!("client_id=my_spa&token={}", tokens.text("refresh_token"));
    let mut page = platform.cli();
    let headers = [
        ("origin", origin.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let url = format!("{}/revoke", platform.issuer());
    let answer = page.raw(Method::POST, &url, &headers, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("access-control-allow-origin"), Some(&*origin));
    let refused = party
        .machine
        .refresh(&tokens.text("refresh_token"), &[])
        .await;
    assert_eq!(refused.error(), "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8414_2_the_metadata_name_it() {
    let platform = Platform::start().await;
    let machine = platform.machine(ClientAuth::public("my_spa"));
    let metadata = machine
        .get("/.well-known/oauth-authorization-server")
        .await
        .json();
    let issuer = platform.issuer();
    assert_eq!(metadata["revocation_endpoint"], format!("{issuer}/revoke"));
    let methods = &metadata["revocation_endpoint_auth_methods_supported"];
    assert_eq!(*methods, metadata["token_endpoint_auth_methods_supported"]);
}
