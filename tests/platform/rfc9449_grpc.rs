//! RFC 9449 over gRPC, at API-2: what a proof is for (§7), and that it counts once (§11.1).

use std::sync::Arc;

use kit::{
    config::Site,
    random::{OsRandom, Random},
};
use sso_proto::inventory::{ListRequest, inventory_client::InventoryClient};
use testkit::{ClientAuth, Platform, ProofRequest, RedisServer};
use tests::{new_key, words::API2};
use tonic::{Code, Request, Status};

use crate::rfc9449_resource::bound;

/// How many calls of `List` at API-2 bring one proof.
const CALLS: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_7_a_grpc_call_is_proven_with_the_public_url_and_the_path_of_the_method() {
    let platform = Platform::start().await;
    let key = new_key();
    let (_, token) = bound(&platform, &key, API2).await;
    let grpc = platform.grpc_url(Site::Api2);
    let channel = kit::net::Trust::default().grpc_channel(&grpc).unwrap();
    let random: &dyn Random = &OsRandom;
    let proof = |url: &str, method: &str| {
        let request = ProofRequest {
            method,
            url,
            token: Some(&token),
            nonce: None,
        };
        key.proof(&request, platform.clock().now(), random).unwrap()
    };
    let list = async |scheme: &str, proof: Option<String>| -> Result<usize, Status> {
        let mut request = Request::new(ListRequest {});
        let metadata = request.metadata_mut();
        let authorization = format!("{scheme} {token}");
        metadata.insert("authorization", authorization.parse().unwrap());
        if let Some(proof) = proof {
            metadata.insert("dpop", proof.parse().unwrap());
        }
        let listed = InventoryClient::new(channel.clone()).list(request).await?;
        Ok(listed.into_inner().items.len())
    };
    let own = format!("{grpc}/sso.inventory.v1.Inventory/List");
    assert!(list("DPoP", Some(proof(&own, "POST"))).await.unwrap() > 0);
    let used = proof(&own, "POST");
    list("DPoP", Some(used.clone())).await.unwrap();
    let other_method = format!("{grpc}/sso.inventory.v1.Inventory/Reserve");
    let by_http = format!("{}/resource", platform.url(Site::Api2));
    for (scheme, proof) in [
        ("DPoP", Some(used)),
        ("DPoP", Some(proof(&other_method, "POST"))),
        ("DPoP", Some(proof(&by_http, "POST"))),
        ("DPoP", Some(proof(&own, "GET"))),
        ("DPoP", None),
        ("Bearer", None),
        ("Bearer", Some(proof(&own, "POST"))),
    ] {
        let refused = list(scheme, proof).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{scheme}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9449_11_1_of_100_parallel_grpc_calls_with_one_proof_api_2_takes_one_on_both_stores() {
    let redis = RedisServer::start();
    for redis in [None, Some(&redis)] {
        let platform = Platform::start_on(redis, &[]).await;
        let key = new_key();
        let batch = platform.machine(ClientAuth::basic("batch", "batch-secret"));
        let wanted = [("grant_type", "client_credentials"), ("resource", API2)];
        let issued = batch.with_key(&key).token(&wanted).await.granted();
        let token: Arc<str> = issued.text("access_token").into();
        let grpc = platform.grpc_url(Site::Api2);
        // One proof after another: each is taken once.
        for _ in 0..2 {
            let request = ProofRequest {
                method: "POST",
                url: &format!("{grpc}/sso.inventory.v1.Inventory/List"),
                token: Some(&token),
                nonce: None,
            };
            let random: &dyn Random = &OsRandom;
            let proof = key.proof(&request, platform.clock().now(), random);
            let proof: Arc<str> = proof.unwrap().into();
            assert_eq!(taken(&grpc, &token, &proof).await, 1);
        }
    }
}

/// How many of [`CALLS`] with this `token` and `proof` are taken. They share few
/// connections, as the calls of a program do.
async fn taken(grpc: &str, token: &Arc<str>, proof: &Arc<str>) -> usize {
    let trust = kit::net::Trust::default();
    let channels: Vec<_> = (0..4).map(|_| trust.grpc_channel(grpc).unwrap()).collect();
    let calls = (0..CALLS).map(|at| {
        let channel = channels[at % channels.len()].clone();
        let (token, proof) = (Arc::clone(token), Arc::clone(proof));
        tokio::spawn(async move {
            let mut request = Request::new(ListRequest {});
            let metadata = request.metadata_mut();
            let authorization = format!("DPoP {token}");
            metadata.insert("authorization", authorization.parse().unwrap());
            metadata.insert("dpop", proof.parse().unwrap());
            InventoryClient::new(channel).list(request).await
        })
    });
    let mut successes = 0;
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(_) => successes += 1,
            // On a busy machine a store may answer too late: not taken either.
            Err(refused) => assert!(
                matches!(refused.code(), Code::Unauthenticated | Code::Unavailable),
                "{refused}"
            ),
        }
    }
    successes
}
