//! Native apps (RFC 8252): whatever port is free on loopback.

use testkit::{ClientAuth, Platform};
use tests::Party;

use crate::receiver::{BUILT_IN, file};

const NATIVE: &str = r#"
[[clients]]
client_id = "native"
name = "Native app"
first_party = true
auth = ["none"]
grants = ["authorization_code"]
redirect_uris = ["http://127.0.0.1/callback", "http://[::1]:1234/callback", "http://localhost:7000/callback"]
post_logout_redirect_uris = ["http://127.0.0.1/"]
audiences = ["https://api-1"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn rfc8252_7_3_a_public_client_comes_back_to_any_port_of_its_loopback_address() {
    let config = file(&format!("{BUILT_IN}{NATIVE}"));
    let flags = ["--config", config.path().to_str().unwrap()];
    let platform = Platform::start_with(&flags).await;
    let party = |uri: &str| {
        let auth = ClientAuth::public("native");
        Party::new(
            &platform,
            "native",
            uri.to_owned(),
            auth,
            "openid https://api-1/read",
        )
    };
    for (uri, target) in [
        ("http://127.0.0.1:51004/callback", "http://127.0.0.1:51004"),
        ("http://[::1]:51004/callback", "http:"),
    ] {
        let party = party(uri);
        // The form may lead there, and the code is bound to the very port.
        let mut cli = party.cli();
        let page = cli.goto(&party.authorize_url(&[])).await;
        let policy = page.header("content-security-policy").unwrap_or_default();
        assert!(policy.ends_with(&format!("'self' {target}")), "{policy}");
        let code = party.through_the_pages(&mut cli).await["code"].clone();
        let verifier = &party.pkce.verifier;
        let other = uri.replace("51004", "51005");
        let refused = party.machine.redeem(&code, &other, verifier).await;
        assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
        party.tokens(&mut cli, &[]).await;
        // The client's authentication has the client_id.
        let pushed = party.parameters(&[("client_id", "")]);
        let pushed = party.machine.push(&pushed).await;
        assert_eq!(pushed.status, 201, "{}", pushed.body);
    }
    for uri in [
        "http://localhost:51004/callback",
        "http://127.0.0.1:51004/other",
    ] {
        let party = party(uri);
        let mut cli = party.cli();
        let page = cli.goto(&party.authorize_url(&[])).await;
        assert!(
            page.status() == 400 && page.location().is_none(),
            "{uri}: {page}"
        );
    }
    // RP-Initiated Logout section 3 knows no such thing.
    let url = format!(
        "{}/logout?client_id=native&post_logout_redirect_uri=http://127.0.0.1:51004/",
        platform.issuer()
    );
    assert_eq!(platform.cli().goto(&url).await.status(), 400);
}
