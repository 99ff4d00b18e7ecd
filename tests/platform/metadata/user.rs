//! What clients are told about a user: scopes, claims and the subject.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use testkit::UnverifiedClaims;
use tests::{
    Party,
    words::{API1, API2, EVERYTHING},
};

use super::{Scene, unused};

const SCOPES: &str = "scopes_supported";
const CLAIMS: &str = "claims_supported";
const CLAIM_TYPES: &str = "claim_types_supported";
const SUBJECTS: &str = "subject_types_supported";
pub(super) const MEMBERS: &[&str] = &[SCOPES, CLAIMS, CLAIM_TYPES, SUBJECTS];

#[tokio::test(flavor = "multi_thread")]
async fn every_scope_that_is_advertised_is_granted() {
    let scene = Scene::start("").await;
    let scopes = scene.values(SCOPES);
    let party = Party::demo_rp(&scene.platform);
    let asked = scopes.join(" ");
    let tokens = party.tokens(&mut party.cli(), &[("scope", &asked)]).await;
    let token = tokens.text("refresh_token");
    let mut granted = Vec::new();
    for audience in [API1, API2] {
        let resource = [("resource", audience)];
        let answer = party.machine.refresh(&token, &resource).await.granted();
        let scope = answer.text("scope");
        granted.extend(scope.split(' ').map(str::to_owned));
    }
    for scope in &scopes {
        let is_granted = granted.iter().any(|one| one == scope);
        assert!(is_granted, "{scope} is not in {granted:?}");
    }
    assert_eq!(scopes.len(), EVERYTHING.split_whitespace().count());
}

/// The id_token of `party`, and what userinfo says.
async fn told(scene: &Scene, party: &Party<'_>) -> (Value, Value) {
    let tokens = party.tokens(&mut party.cli(), &[]).await;
    let id_token = UnverifiedClaims::of(&tokens.text("id_token")).claims;
    let url = scene.metadata["userinfo_endpoint"].as_str().unwrap();
    let token = tokens.text("access_token");
    let userinfo = party.machine.call(Method::GET, url, &token).await;
    (id_token, userinfo.granted().json())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_claim_that_is_advertised_is_told_and_no_other() {
    let scene = Scene::start("").await;
    let (id_token, userinfo) = told(&scene, &Party::demo_rp(&scene.platform)).await;
    let both = [&id_token, &userinfo].map(|claims| claims.as_object().unwrap().keys());
    let told: BTreeSet<_> = both.into_iter().flatten().map(String::as_str).collect();
    let advertised: BTreeSet<_> = scene.values(CLAIMS).into_iter().collect();
    assert_eq!(told, advertised);
    for kind in scene.values(CLAIM_TYPES) {
        match kind {
            // OIDC Core §5.6.1: directly, and not by a reference to another provider.
            "normal" => assert_eq!(userinfo["name"], "Alice Liddell"),
            other => unused(CLAIM_TYPES, other),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_subject_type_that_is_advertised_is_used() {
    let scene = Scene::start("").await;
    let (first, _) = told(&scene, &Party::demo_rp(&scene.platform)).await;
    let (second, _) = told(&scene, &Party::app1(&scene.platform)).await;
    for kind in scene.values(SUBJECTS) {
        match kind {
            // OIDC Core §8: the same for all clients.
            "public" => assert_eq!(first["sub"], second["sub"]),
            other => unused(SUBJECTS, other),
        }
    }
}
