//! The issuer in the authorization response (RFC 9207).

use kit::config::Site;
use testkit::Platform;
use tests::{ALICE, Party, session_at, sign_in};

#[tokio::test(flavor = "multi_thread")]
async fn every_authorization_response_names_the_issuer_errors_too_2() {
    let platform = Platform::start().await;
    let party = Party::demo_rp(&platform);
    let mut cli = party.cli();
    let good = party.answer(&mut cli, &[]).await;
    assert_eq!(good["iss"], platform.issuer());
    let bad = party.answer(&mut cli, &[("response_type", "token")]).await;
    assert_eq!(bad["iss"], platform.issuer());
    let metadata = party
        .machine
        .get("/.well-known/oauth-authorization-server")
        .await
        .json();
    assert_eq!(
        metadata["authorization_response_iss_parameter_supported"],
        true
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_accepts_no_code_from_another_issuer_2_4() {
    let platform = Platform::start().await;
    let app1 = platform.url(Site::App1);
    for iss in ["http://evil.localhost:1", ""] {
        let callback = format!("{app1}/callback");
        let mut cli = platform.cli().not_following(&callback);
        cli.goto(&format!("{app1}/login")).await;
        sign_in(&mut cli, ALICE).await;
        let mut to = cli.page().location().unwrap();
        let pairs: Vec<(String, String)> = to.query_pairs().into_owned().collect();
        let kept = pairs.iter().filter(|(name, _)| name != "iss");
        to.query_pairs_mut().clear().extend_pairs(kept);
        if !iss.is_empty() {
            to.query_pairs_mut().append_pair("iss", iss);
        }
        let page = cli.goto(to.as_str()).await;
        assert_eq!(page.status(), 400, "{iss:?}: {page}");
        assert_eq!(session_at(&mut cli, &app1).await["authenticated"], false);
    }
}
