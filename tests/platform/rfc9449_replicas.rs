//! RFC 9449 §11.1 with two processes of API-1: a proof that one of them has taken is used up
//! for both, because they keep used proofs in the store.

use kit::{
    clock::{Clock as _, SystemClock},
    config::Site,
    random::{OsRandom, Random},
};
use reqwest::Method;
use testkit::{Answer, ClientAuth, Machine, Plan, Processes, ProofKey, ProofRequest};
use tests::{new_key, words::API1};

use crate::rfc9449_resource::error_in;

/// A client with a bound token, which chooses the process that it calls.
struct Holder<'p> {
    platform: &'p Processes,
    machine: Machine,
    key: ProofKey,
    token: String,
}

impl<'p> Holder<'p> {
    async fn new(platform: &'p Processes) -> Self {
        let batch = ClientAuth::basic("batch", "batch-secret");
        let (machine, key) = (Machine::new(&platform.url(Site::Idp), batch), new_key());
        let wanted = [("grant_type", "client_credentials"), ("resource", API1)];
        let issued = machine.with_key(&key).token(&wanted).await.granted();
        Self {
            platform,
            machine,
            key,
            token: issued.text("access_token"),
        }
    }

    /// A proof for `GET /whoami` at the public URL, which both processes serve.
    fn proof(&self) -> String {
        let request = ProofRequest {
            method: "GET",
            url: &format!("{}/whoami", self.platform.url(Site::Api1)),
            token: Some(&self.token),
            nonce: None,
        };
        let random: &dyn Random = &OsRandom;
        let proof = self.key.proof(&request, SystemClock.now(), random);
        proof.unwrap()
    }

    /// The call with `proof` to the process `replica`.
    async fn call(&self, replica: u16, proof: &str) -> Answer {
        let url = format!("{}/whoami", self.platform.replica_url(Site::Api1, replica));
        let authorization = format!("DPoP {}", self.token);
        let headers = [("authorization", &*authorization), ("dpop", proof)];
        self.machine.call_with(Method::GET, &url, &headers).await
    }

    async fn is_refused(&self, replica: u16, proof: &str) {
        let refused = self.call(replica, proof).await;
        let expected = (401, "invalid_dpop_proof".to_owned());
        assert_eq!((refused.status, error_in(&refused)), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_11_1_a_proof_that_one_replica_has_taken_is_refused_by_the_other() {
    let platform = Processes::start(&Plan {
        replicas: 2,
        api_replicas: true,
        ..Plan::default()
    })
    .await;
    let holder = Holder::new(&platform).await;
    for (first, second) in [(1, 2), (2, 1)] {
        let proof = holder.proof();
        holder.call(first, &proof).await.granted();
        holder.is_refused(second, &proof).await;
        holder.is_refused(first, &proof).await;
    }
    // At the same time: one of them takes it.
    for _ in 0..10 {
        let proof = holder.proof();
        let (one, other) = tokio::join!(holder.call(1, &proof), holder.call(2, &proof));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401]);
    }
}
