//! Opaque access tokens (RFC 6749 §1.4): API-2's resource is configured for them, and
//! API-2 introspects (RFC 7662).

mod ends;
mod grants;
mod kept;

use kit::config::Site;
use reqwest::Method;
use serde_json::{Value, json};
use sso_proto::inventory::{ListRequest, inventory_client::InventoryClient};
use tempfile::NamedTempFile;
use testkit::{Answer, ClientAuth, Machine, Platform};
use tests::{Party, words::API2};
use tonic::{Code, Request};

use crate::receiver::{BUILT_IN, file};

const PREFIX: &str = "ssolab_at_";
/// API-2 introspects, without a cache.
const INTROSPECTING: [&str; 2] = ["--api2-tokens=introspection", "--introspection-cache=0s"];

/// The configuration in which tokens for API-2 are opaque.
fn opaque() -> NamedTempFile {
    let title = "title = \"Inventory\"";
    assert!(BUILT_IN.contains(title));
    let opaque = format!("{title}\naccess_token_format = \"opaque\"");
    let grants = "client_id = \"demo_rp\"";
    let device = "grants = [\"authorization_code\", \"refresh_token\"]\nredirect_uris = [\"http://127.0.0.1:9999";
    assert!(BUILT_IN.contains(grants) && BUILT_IN.contains(device));
    let too = device.replace(
        "\"refresh",
        "\"urn:ietf:params:oauth:grant-type:device_code\", \"refresh",
    );
    file(&BUILT_IN.replace(title, &opaque).replace(device, &too))
}

async fn start() -> (Platform, NamedTempFile) {
    start_with(&[]).await
}

async fn start_with(idp_flags: &[&str]) -> (Platform, NamedTempFile) {
    let config = opaque();
    let own = ["--config", config.path().to_str().unwrap()];
    let idp_flags = [&own[..], idp_flags].concat();
    let platform = Platform::start_with_apis(&idp_flags, &[], &INTROSPECTING).await;
    (platform, config)
}

fn api(platform: &Platform, client_id: &str) -> Machine {
    platform.machine(ClientAuth::basic(client_id, &format!("{client_id}-secret")))
}

fn batch(platform: &Platform) -> Machine {
    platform.machine(ClientAuth::basic("batch", "batch-secret"))
}

async fn own_token(batch: &Machine, audience: &str) -> String {
    let form = [("grant_type", "client_credentials"), ("resource", audience)];
    batch.token(&form).await.granted().text("access_token")
}

async fn at_api2(platform: &Platform, token: &str) -> Answer {
    let url = format!("{}/whoami", platform.url(Site::Api2));
    batch(platform).call(Method::GET, &url, token).await
}

async fn by_grpc(platform: &Platform, token: &str) -> Code {
    let url = platform.grpc_url(Site::Api2);
    let channel = kit::net::Trust::default().grpc_channel(&url).unwrap();
    let mut request = Request::new(ListRequest {});
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    let listed = InventoryClient::new(channel).list(request).await;
    listed.map_or_else(|status| status.code(), |_| Code::Ok)
}

async fn introspect(platform: &Platform, token: &str) -> Value {
    let answer = api(platform, "api-2")
        .introspect(token, "application/json")
        .await;
    answer.granted().json()
}

async fn revoke(machine: &Machine, token: &str) -> Answer {
    machine.post_as_client("/revoke", &[("token", token)]).await
}

fn inactive() -> Value {
    json!({"active": false})
}

fn is_opaque(token: &str) -> bool {
    token.starts_with(PREFIX) && token.len() == PREFIX.len() + 43 && !token.contains('.')
}

/// A user's tokens, and an opaque token of the same grant.
async fn with_opaque(party: &Party<'_>) -> (Answer, String) {
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let refresh = tokens.text("refresh_token");
    let refreshed = party.machine.refresh(&refresh, &[("resource", API2)]).await;
    let refreshed = refreshed.granted();
    let token = refreshed.text("access_token");
    (refreshed, token)
}
