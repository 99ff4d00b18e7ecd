//! What the provider says that it does, or does not: each flag is seen in its behaviour.

use testkit::{Platform, UnverifiedClaims};
use tests::Party;

use super::{Scene, unused};
use crate::receiver::{Receiver, free_port, telling};

pub(super) const MEMBERS: &[&str] = &[
    "backchannel_logout_supported",
    "backchannel_logout_session_supported",
    "claims_parameter_supported",
    "request_parameter_supported",
    "request_uri_parameter_supported",
    "authorization_response_iss_parameter_supported",
];

/// The error of a request with this parameter, if it is refused.
async fn refusal(platform: &Platform, name: &str, value: &str) -> Option<String> {
    let party = Party::demo_rp(platform);
    let mut answer = party.answer(&mut party.cli(), &[(name, value)]).await;
    answer.remove("error")
}

/// Whether a back-channel logout token arrived, and whether it names the session.
async fn logout_token(scene: &Scene, receiver: &Receiver) -> (bool, bool) {
    let party = Party::demo_rp(&scene.platform);
    let mut cli = party.cli();
    let tokens = party.tokens(&mut cli, &[]).await;
    let hint = tokens.text("id_token");
    let end = scene.metadata["end_session_endpoint"].as_str().unwrap();
    cli.goto(&format!("{end}?id_token_hint={hint}")).await;
    let told = receiver.told(1).await;
    let token = told[0].token();
    (
        token.text("iss") == scene.platform.issuer(),
        !token.text("sid").is_empty(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flag_tells_what_the_provider_does() {
    let port = free_port();
    let scene = Scene::configured(&telling(port)).await;
    let receiver = Receiver::at(port).await;
    let platform = &scene.platform;
    let (is_told, names_session) = logout_token(&scene, &receiver).await;
    for member in MEMBERS {
        let does = match *member {
            "backchannel_logout_supported" => is_told,
            "backchannel_logout_session_supported" => names_session,
            // OIDC Core §5.5: an unknown parameter is ignored. The scope has no email.
            "claims_parameter_supported" => {
                let claims = r#"{"id_token": {"email": {"essential": true}}}"#;
                let party = Party::demo_rp(platform);
                let changes = [("claims", claims), ("scope", "openid https://api-1/read")];
                let tokens = party.tokens(&mut party.cli(), &changes).await;
                let id_token = UnverifiedClaims::of(&tokens.text("id_token"));
                id_token.claims.get("email").is_some()
            }
            "request_parameter_supported" => {
                let error = refusal(platform, "request", "eyJhbGciOiJub25lIn0.e30.").await;
                error.as_deref() != Some("request_not_supported")
            }
            "request_uri_parameter_supported" => {
                let error = refusal(platform, "request_uri", "https://rp.example/r.jwt").await;
                error.as_deref() != Some("request_uri_not_supported")
            }
            "authorization_response_iss_parameter_supported" => {
                let party = Party::demo_rp(platform);
                let answer = party.answer(&mut party.cli(), &[]).await;
                answer
                    .get("iss")
                    .is_some_and(|iss| *iss == platform.issuer())
            }
            other => unused("the metadata", other),
        };
        assert_eq!(scene.metadata[*member], does, "{member}");
    }
}
