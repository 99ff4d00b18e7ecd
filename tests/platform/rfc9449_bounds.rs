//! RFC 9449 §11.1: what the used proofs of one client leave in the store has a bound, at the
//! provider and at the APIs, and no other client suffers from it.

use std::time::Duration;

use kit::config::Site;
use reqwest::Method;
use sso_proto::inventory::{ListRequest, inventory_client::InventoryClient};
use testkit::{Answer, ClientAuth, Machine, Platform, ProofKey, RedisServer};
use tests::{
    Party, new_key,
    words::{API1, API2},
};
use tonic::{Code, Request, Status};

/// The least bound that can be set.
const MOST: usize = 100;
const CREDENTIALS: [(&str, &str); 1] = [("grant_type", "client_credentials")];
const AT_PROVIDER: [&str; 2] = ["--idp-dpop-proofs-per-client", "100"];
const AT_APIS: [&str; 2] = ["--api-dpop-proofs-per-caller", "100"];

fn batch(platform: &Platform) -> Machine {
    platform.machine(ClientAuth::basic("batch", "batch-secret"))
}

/// Waits for as long as the refused `answer` says.
fn wait(platform: &Platform, answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.body);
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=370).contains(&seconds), "{seconds}");
    platform.advance(Duration::from_secs(seconds));
}

fn kept(redis: &RedisServer, service: &str) -> usize {
    let keys = redis.ask(&format!("KEYS sso-lab:{service}:dpop:*"));
    keys.matches(":dpop:").count()
}

async fn provider(redis: Option<&RedisServer>) -> Platform {
    match redis {
        Some(redis) => Platform::start_with_idp_on(redis, &AT_PROVIDER).await,
        None => Platform::start_with(&AT_PROVIDER).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_11_1_a_clients_used_proofs_have_a_bound_at_the_provider_on_both_stores() {
    let redis = RedisServer::start();
    for redis in [None, Some(&redis)] {
        let platform = provider(redis).await;
        let url = format!("{}/token", platform.issuer());
        let (key, machine) = (new_key(), batch(&platform));
        let proof =
            |nonce: Option<&str>| tests::proof(&platform, &key, ("POST", &url), (None, nonce));
        let send = async |proof: &str| {
            let headers = [("dpop", proof)];
            machine.post_with("/token", &CREDENTIALS, &headers).await
        };
        let asked = send(&proof(None)).await;
        let nonce = asked.header("dpop-nonce").unwrap().to_owned();
        let first = proof(Some(&nonce));
        send(&first).await.granted();
        // What is refused leaves nothing, and takes no room.
        for _ in 0..MOST {
            assert_eq!(send(&first).await.error(), "invalid_dpop_proof");
        }
        for _ in 1..MOST {
            send(&proof(Some(&nonce))).await.granted();
        }
        for _ in 0..5 {
            let refused = send(&proof(Some(&nonce))).await;
            let said = (429, "temporarily_unavailable".to_owned());
            assert_eq!(refused.refusal(), said, "{}", refused.body);
        }
        if let Some(redis) = redis {
            assert_eq!(kept(redis, "idp"), MOST);
        }
        // Without a proof the client gets on, and other clients with theirs.
        machine.token(&CREDENTIALS).await.granted();
        let other = ClientAuth::basic("api-1", "api-1-secret");
        let other = platform.machine(other).with_key(&new_key());
        other.token(&CREDENTIALS).await.granted();
        let last = send(&proof(Some(&nonce))).await;
        wait(&platform, &last);
        assert_ne!(send(&first).await.status, 200, "none counts twice");
        machine.with_key(&key).token(&CREDENTIALS).await.granted();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_11_1_userinfo_counts_the_proofs_of_a_client_with_one_users_tokens() {
    let platform = provider(None).await;
    let userinfo = format!("{}/userinfo", platform.issuer());
    let key = new_key();
    let party = Party::my_spa(&platform).with_key(&key);
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let token = tokens.text("access_token");
    let call = async || {
        party
            .machine
            .call_bound(Method::GET, &userinfo, &token)
            .await
    };
    for _ in 0..MOST {
        call().await.granted();
    }
    let refused = call().await;
    // Another client with tokens of the same user.
    let other = Party::demo_rp(&platform).with_key(&new_key());
    let of_other = other.tokens(&mut other.cli(), &[]).await;
    let of_other = of_other.text("access_token");
    let call_of_other = other.machine.call_bound(Method::GET, &userinfo, &of_other);
    call_of_other.await.granted();
    wait(&platform, &refused);
    call().await.granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_11_1_an_apps_logins_leave_half_of_its_proofs_to_its_renewals() {
    let platform = provider(None).await;
    let app = platform
        .machine(ClientAuth::basic("demo_rp", "demo-rp-secret"))
        .with_key(&new_key());
    let code = [("grant_type", "authorization_code"), ("code", "x")];
    let renewal = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    for n in 0..MOST / 2 {
        let answer = app.token(&code).await;
        assert_ne!(answer.status, 429, "{n}: {}", answer.body);
    }
    assert_eq!(app.token(&code).await.status, 429);
    for n in 0..MOST / 2 {
        let answer = app.token(&renewal).await;
        assert_eq!(answer.refusal(), (400, "invalid_grant".to_owned()), "{n}");
    }
    wait(&platform, &app.token(&renewal).await);
}

/// A caller of an API with a bound token.
struct Caller {
    machine: Machine,
    key: ProofKey,
    token: String,
}

impl Caller {
    /// The client with these credentials, for itself.
    async fn of_client(platform: &Platform, auth: ClientAuth, audience: &str) -> Self {
        let key = new_key();
        let machine = platform.machine(auth).with_key(&key);
        let wanted = [CREDENTIALS[0], ("resource", audience)];
        let token = machine.token(&wanted).await.granted().text("access_token");
        Self {
            machine,
            key,
            token,
        }
    }

    /// Another client, with a token of alice.
    async fn of_alice(platform: &Platform, audience: &str) -> Self {
        let key = new_key();
        let party = Party::demo_rp(platform).with_key(&key);
        let wanted = [("resource", audience)];
        let tokens = party.tokens(&mut party.cli(), &wanted).await;
        Self {
            token: tokens.text("access_token"),
            machine: party.machine,
            key,
        }
    }

    async fn get(&self, url: &str) -> Answer {
        self.machine.call_bound(Method::GET, url, &self.token).await
    }

    /// Lists the stock over gRPC.
    async fn list(&self, platform: &Platform) -> Result<(), Status> {
        let grpc = platform.grpc_url(Site::Api2);
        let url = format!("{grpc}/sso.inventory.v1.Inventory/List");
        let proof = tests::proof(
            platform,
            &self.key,
            ("POST", &url),
            (Some(&self.token), None),
        );
        let mut request = Request::new(ListRequest {});
        let metadata = request.metadata_mut();
        let authorization = format!("DPoP {}", self.token);
        metadata.insert("authorization", authorization.parse().unwrap());
        metadata.insert("dpop", proof.parse().unwrap());
        let channel = kit::net::Trust::default().grpc_channel(&grpc).unwrap();
        let listed = InventoryClient::new(channel).list(request).await;
        listed.map(drop)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_11_1_a_callers_used_proofs_have_a_bound_at_the_apis_on_both_stores() {
    let redis = RedisServer::start();
    for redis in [None, Some(&redis)] {
        let platform = Platform::start_with_bff_and_apis(&[], &AT_APIS, redis).await;
        for (site, audience, service) in [(Site::Api1, API1, "api-1"), (Site::Api2, API2, "api-2")]
        {
            let url = format!("{}/resource", platform.url(site));
            let batch = ClientAuth::basic("batch", "batch-secret");
            let caller = Caller::of_client(&platform, batch, audience).await;
            for _ in 0..MOST {
                caller.get(&url).await.granted();
            }
            let refused = caller.get(&url).await;
            let why = refused.text("detail");
            assert!(why.contains("have not expired yet"), "{why}");
            if let Some(redis) = redis {
                assert_eq!(kept(redis, service), MOST);
            }
            let other = Caller::of_alice(&platform, audience).await;
            other.get(&url).await.granted();
            wait(&platform, &refused);
            caller.get(&url).await.granted();
        }
    }
}

/// HTTP and gRPC of one API count together.
#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_11_1_a_callers_used_proofs_have_a_bound_over_grpc() {
    let platform = Platform::start_with_apis(&[], &[], &AT_APIS).await;
    let url = format!("{}/resource", platform.url(Site::Api2));
    let batch = ClientAuth::basic("batch", "batch-secret");
    let caller = Caller::of_client(&platform, batch, API2).await;
    for _ in 0..MOST / 2 {
        caller.list(&platform).await.unwrap();
        caller.get(&url).await.granted();
    }
    let refused = caller.list(&platform).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    wait(&platform, &caller.get(&url).await);
    caller.list(&platform).await.unwrap();
}
