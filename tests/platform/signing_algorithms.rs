//! What a client's id_tokens and logout tokens are signed by
//! (`id_token_signed_response_alg`).

use testkit::{Machine, Platform, UnverifiedClaims};
use tests::Party;

use crate::receiver::{Receiver, file, free_port, telling};

/// The algorithm of `token`, and the one that its key is published for.
async fn algorithms(machine: &Machine, token: &str) -> (String, String) {
    let header = UnverifiedClaims::of(token).header;
    let keys = machine.get("/jwks").await.json();
    let is_named = |key: &&serde_json::Value| key["kid"] == header["kid"];
    let key = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(is_named)
        .unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (text(&header["alg"]), text(&key["alg"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn id_tokens_and_logout_tokens_are_signed_with_the_clients_algorithm() {
    for alg in ["RS256", "ES256", "EdDSA"] {
        let port = free_port();
        let client = "client_id = \"demo_rp\"\n";
        let setting = format!("{client}id_token_signed_response_alg = \"{alg}\"\n");
        let config = file(&telling(port).replace(client, &setting));
        let flags = ["--config", config.path().to_str().unwrap()];
        let platform = Platform::start_with(&flags).await;
        let told = Receiver::at(port).await;
        let (party, other) = (Party::demo_rp(&platform), Party::app1(&platform));
        let machine = &party.machine;
        let metadata = machine
            .get("/.well-known/openid-configuration")
            .await
            .json();
        let listed = &metadata["id_token_signing_alg_values_supported"];
        assert!(listed.as_array().unwrap().contains(&alg.into()), "{listed}");

        let mut cli = party.cli().not_following(&other.redirect_uri);
        let of_other = other.tokens(&mut cli, &[]).await;
        let tokens = party.tokens(&mut cli, &[]).await;
        let hint = tokens.text("id_token");
        let same = (alg.to_owned(), alg.to_owned());
        assert_eq!(algorithms(machine, &hint).await, same);
        let default = ("ES256".to_owned(), "ES256".to_owned());
        assert_eq!(
            algorithms(machine, &tokens.text("access_token")).await,
            default
        );
        assert_eq!(
            algorithms(machine, &of_other.text("id_token")).await,
            default
        );
        // The hint is known again, whatever signed it.
        let url = format!("{}/logout?id_token_hint={hint}", platform.issuer());
        let page = cli.goto(&url).await;
        assert!(page.text().contains("signed out"), "{page}");
        let told = told.told(1).await;
        assert_eq!(
            algorithms(machine, &told[0].form["logout_token"]).await,
            same
        );
    }
}
