//! Strangers who flood the provider and the APIs with DPoP proofs (RFC 9449 §11): what a used
//! proof leaves in the store has a budget, and the proofs of others are taken.

use kit::config::Site;
use reqwest::Method;
use testkit::{ClientAuth, Platform, RedisServer};
use tests::{Party, new_key};
use tokio::task::JoinSet;

/// The tests themselves are the proxy that says who sent a request; one address has a budget
/// of 32 KiB.
const FLAGS: [&str; 4] = [
    "--trusted-proxies",
    "127.0.0.0/8,::1",
    "--login-budget-per-address",
    "32",
];
/// The proofs that fit: each is charged with more than 400 bytes.
const FIT: usize = 32 * 1024 / 400;
/// The proofs of the flood.
const FLOOD: usize = 3 * FIT;
/// Requests that are under way at once.
const AT_ONCE: usize = 8;

/// Sends token requests of a public client, each with a good proof of one key and a refresh
/// token that nobody issued.
async fn flood(platform: &Platform, address: &str, count: usize) {
    let stranger = platform.machine(ClientAuth::public("my_spa"));
    let key = new_key();
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let url = format!("{}/token", platform.issuer());
    let without = tests::proof(platform, &key, ("POST", &url), (None, None));
    let headers = [("dpop", &*without)];
    let asked = stranger.post_with("/token", &form, &headers).await;
    let nonce = asked.header("dpop-nonce").unwrap().to_owned();
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        if tasks.len() == AT_ONCE {
            tasks.join_next().await.unwrap().unwrap();
        }
        let proof = tests::proof(platform, &key, ("POST", &url), (None, Some(&nonce)));
        let (stranger, address) = (stranger.clone(), address.to_owned());
        tasks.spawn(async move {
            let headers = [("dpop", &*proof), ("x-forwarded-for", &*address)];
            let answer = stranger.post_with("/token", &form, &headers).await;
            assert_eq!(answer.refusal(), (400, "invalid_grant".to_owned()));
        });
    }
    tasks.join_all().await;
}

fn used_proofs(redis: &RedisServer, service: &str) -> usize {
    let keys = redis.ask(&format!("KEYS sso-lab:{service}:dpop:*"));
    keys.matches(":dpop:").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_11_1_a_strangers_flood_of_proofs_has_a_budget_and_locks_nobody_out() {
    let redis = RedisServer::start();
    let platform = Platform::start_on(Some(&redis), &FLAGS).await;
    let party = Party::my_spa(&platform).with_key(&new_key());
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    flood(&platform, "203.0.113.9", FLOOD).await;
    let kept = used_proofs(&redis, "idp");
    assert!((1..=FIT).contains(&kept), "{kept} of {FLOOD} are kept");
    // From another address, and from the same one.
    let own = tokens.text("refresh_token");
    let renewed = party.machine.refresh(&own, &[]).await.granted();
    let spa = Party::my_spa(&platform).with_key(&new_key());
    spa.tokens(&mut party.cli().from("203.0.113.9"), &[]).await;
    // The budget of the flood has ended with its proofs.
    platform.advance(std::time::Duration::from_secs(360));
    let own = renewed.text("refresh_token");
    party.machine.refresh(&own, &[]).await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_11_1_proofs_of_nobody_known_leave_nothing() {
    let redis = RedisServer::start();
    let platform = Platform::start_on(Some(&redis), &[]).await;
    let key = new_key();
    let url = format!("{}/token", platform.issuer());
    let form = [("grant_type", "client_credentials")];
    let nobody = platform.machine(ClientAuth::basic("batch", "wrong"));
    let api = format!("{}/resource", platform.url(Site::Api1));
    for _ in 0..3 {
        let proof_of =
            |method, url: &str, token| tests::proof(&platform, &key, (method, url), (token, None));
        let at_provider = proof_of("POST", &url, None);
        let headers = [("dpop", &*at_provider)];
        let refused = nobody.post_with("/token", &form, &headers).await;
        assert_eq!(refused.error(), "invalid_client");
        let at_api = proof_of("GET", &api, Some("a.b.c"));
        let headers = [("authorization", "DPoP a.b.c"), ("dpop", &*at_api)];
        let refused = nobody.call_with(Method::GET, &api, &headers).await;
        assert_eq!(refused.status, 401);
    }
    for service in ["idp", "api-1"] {
        assert_eq!(used_proofs(&redis, service), 0, "{service}");
    }
}
