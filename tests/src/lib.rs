//! What the test binaries share: the people, and a relying party played by hand.
#![expect(
    clippy::missing_panics_doc,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails the test that called it"
)]

mod all_in_one;
mod device;
pub mod journey;
pub mod kube;
pub mod logout;
pub mod modes;
mod party;
pub mod trace;
pub mod wait;
pub mod words;

pub use all_in_one::{all_in_one, all_in_one_with, offset_of};
pub use device::Device;
use kit::{
    config::Site,
    random::{OsRandom, Random},
};
pub use party::Party;
use testkit::{HeadlessBrowser, Platform, ProofKey, ProofRequest};

/// Who signs in: user name and password.
pub type Person = (&'static str, &'static str);

/// The manager.
pub const ALICE: Person = ("alice", "wonderland");
/// The clerk.
pub const BOB: Person = ("bob", "builder");

/// The environment in which a command of `sso-lab` finds the services of `platform`.
pub fn own_addresses(platform: &Platform) -> Vec<(String, String)> {
    let own = |name: &str, url: String| (name.to_owned(), url);
    vec![
        own("IDP_ISSUER", platform.issuer()),
        own("API1_URL", platform.url(Site::Api1)),
        own("API2_GRPC_URL", platform.grpc_url(Site::Api2)),
        own("API1_MTLS_URL", platform.mtls_url(Site::Api1)),
    ]
}

/// A new key for DPoP proofs.
pub fn new_key() -> ProofKey {
    let random: &dyn Random = &OsRandom;
    ProofKey::generate(random).expect("a key")
}

/// A proof with `key` for a request with this method and URL, and with the access token and
/// the nonce that it needs.
pub fn proof(
    platform: &Platform,
    key: &ProofKey,
    (method, url): (&str, &str),
    (token, nonce): (Option<&str>, Option<&str>),
) -> String {
    let request = ProofRequest {
        method,
        url,
        token,
        nonce,
    };
    let random: &dyn Random = &OsRandom;
    let proof = key.proof(&request, platform.clock().now(), random);
    proof.expect("a proof")
}

/// Fills the login form that is shown.
pub async fn sign_in(cli: &mut HeadlessBrowser, (username, password): Person) {
    cli.submit_first_form(&[("username", username), ("password", password)])
        .await;
}

/// Signs in to the app at `app` from its page, until the browser is home again.
pub async fn sign_in_to(cli: &mut HeadlessBrowser, app: &str, person: Person) {
    cli.goto(&format!("{app}/login")).await;
    sign_in(cli, person).await;
    let page = cli.page();
    assert!(
        page.status() == 200 && page.url().as_str().starts_with(app),
        "not home at {app}: {page}"
    );
}

/// What the app says about the session that the browser holds there.
pub async fn session_at(cli: &mut HeadlessBrowser, app: &str) -> serde_json::Value {
    let answer = cli
        .raw(
            reqwest::Method::GET,
            &format!("{app}/session"),
            &[("accept", "application/json")],
            "",
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().unwrap()
}
