//! The grant types, by each of which tokens are issued.

use testkit::{Answer, ClientAuth, Platform};
use tests::{
    ALICE, Device, Party,
    words::{API1, API1_READ, API2},
};

use super::{Scene, unused};
use crate::rfc7523_jwt_bearer::token_for_alice;

const MEMBER: &str = "grant_types_supported";
pub(super) const MEMBERS: &[&str] = &[MEMBER];

/// Gets tokens by `grant`.
async fn granted_by(platform: &Platform, grant: &str) -> Answer {
    let party = Party::app1(platform);
    let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
    match grant {
        "authorization_code" => party.tokens(&mut party.cli(), &[]).await,
        "refresh_token" => {
            let tokens = party.tokens(&mut party.cli(), &[]).await;
            let token = tokens.text("refresh_token");
            party.machine.refresh(&token, &[]).await
        }
        "client_credentials" => {
            let form = [("grant_type", grant), ("scope", API1_READ)];
            batch.token(&form).await
        }
        "urn:ietf:params:oauth:grant-type:device_code" => {
            let device = Device::start(&batch).await;
            device.is_allowed_by(&mut platform.cli(), ALICE).await;
            device.poll().await
        }
        "urn:ietf:params:oauth:grant-type:token-exchange" => {
            let tokens = party.tokens(&mut party.cli(), &[("resource", API1)]).await;
            let token = tokens.text("access_token");
            let api1 = platform.machine(ClientAuth::basic("api-1", "api-1-secret"));
            api1.exchange(&token, API2, &[]).await
        }
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => token_for_alice().await,
        other => unused(MEMBER, other),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_grant_type_that_is_advertised_issues_tokens() {
    let scene = Scene::start("").await;
    for grant in scene.values(MEMBER) {
        let tokens = granted_by(&scene.platform, grant).await.granted();
        assert!(tokens.json()["access_token"].is_string(), "{grant}");
    }
}
