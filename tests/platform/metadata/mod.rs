//! What the metadata advertises is used, value by value (OIDC Discovery §3, RFC 8414 §2).
//!
//! A module for each kind of member names its members in `MEMBERS`, and uses each of
//! their values in a `match` by name: a member or a value that has no line there fails
//! the tests. So what is newly advertised needs one line, and the use that it names.

use reqwest::Method;
use serde_json::Value;
use tempfile::NamedTempFile;
use testkit::{ClientAuth, Machine, Platform};

use crate::receiver::{BUILT_IN, file};

mod algorithms;
mod client_auth;
mod endpoints;
mod flags;
mod grants;
mod mtls;
mod requests;
mod user;

/// The members that each module uses.
const USED: [&[&str]; 8] = [
    algorithms::MEMBERS,
    client_auth::MEMBERS,
    endpoints::MEMBERS,
    flags::MEMBERS,
    grants::MEMBERS,
    mtls::MEMBERS,
    requests::MEMBERS,
    user::MEMBERS,
];

/// A provider and what it advertises.
struct Scene {
    platform: Platform,
    metadata: Value,
    _config: NamedTempFile,
}

impl Scene {
    /// With the built-in configuration and `more`.
    async fn start(more: &str) -> Self {
        Self::configured(&format!("{BUILT_IN}{more}")).await
    }

    /// With this configuration.
    async fn configured(text: &str) -> Self {
        let config = file(text);
        let flags = ["--config", config.path().to_str().unwrap()];
        let platform = Platform::start_with(&flags).await;
        let machine = platform.machine(ClientAuth::public("my_spa"));
        let metadata = machine.get("/.well-known/openid-configuration").await;
        Self {
            metadata: metadata.granted().json(),
            platform,
            _config: config,
        }
    }

    fn machine(&self, auth: ClientAuth) -> Machine {
        self.platform.machine(auth)
    }

    /// The values of the list `member`.
    fn values(&self, member: &str) -> Vec<&str> {
        let all = self.metadata[member].as_array();
        let all = all.unwrap_or_else(|| panic!("no {member} in {}", self.metadata));
        assert!(!all.is_empty(), "{member}");
        all.iter().map(|value| value.as_str().unwrap()).collect()
    }

    /// The path of the address `member`, which is on the issuer.
    fn path(&self, member: &str) -> &str {
        let url = self.metadata[member].as_str().unwrap_or_default();
        let path = url.strip_prefix(&self.platform.issuer());
        path.unwrap_or_else(|| panic!("{member}: {url}"))
    }
}

/// Fails: `value` has no use in the test of `member`.
fn unused(member: &str, value: &str) -> ! {
    panic!("{member} advertises {value}: add a line that uses it")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_is_used_by_one_of_the_modules() {
    let scene = Scene::start("").await;
    let used = USED.concat();
    for member in scene.metadata.as_object().unwrap().keys() {
        let count = used.iter().filter(|name| *name == member).count();
        assert_eq!(count, 1, "{member}: name it in MEMBERS of one module");
    }
    for member in used {
        assert!(scene.metadata.get(member).is_some(), "{member}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc8414_3_both_documents_say_the_same() {
    let scene = Scene::start("").await;
    let url = format!(
        "{}/.well-known/oauth-authorization-server",
        scene.platform.issuer()
    );
    let machine = scene.machine(ClientAuth::public("my_spa"));
    let other = machine.call_unsigned(Method::GET, &url).await.granted();
    assert_eq!(other.json(), scene.metadata);
}
