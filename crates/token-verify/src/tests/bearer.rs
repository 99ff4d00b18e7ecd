//! Statuses and challenges over HTTP and gRPC.

use actix_web::{
    App, HttpResponse,
    http::{StatusCode, header},
    test, web,
};
use tonic::{Code, Status, metadata::MetadataMap};

use super::{AUDIENCE, SCOPE, World};
use crate::{Caller, Refused, actix::whoami, testing::TestKey};

async fn needs_write(caller: Caller) -> Result<HttpResponse, Refused> {
    caller.require_scope("https://api-1/write")?;
    Ok(HttpResponse::Ok().finish())
}

/// Status, challenge and body of `GET uri` with these headers.
async fn get(world: World, uri: &str, sent: &[&str]) -> (StatusCode, String, String) {
    let app = App::new()
        .app_data(web::Data::new(world.verifier))
        .route("/whoami", web::get().to(whoami))
        .route("/write", web::get().to(needs_write));
    let app = test::init_service(app).await;
    let mut request = test::TestRequest::get().uri(uri);
    for value in sent {
        request = request.append_header((header::AUTHORIZATION, *value));
    }
    let response = test::call_service(&app, request.to_request()).await;
    let status = response.status();
    let challenge = response.headers().get(header::WWW_AUTHENTICATE);
    let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
    let body = test::read_body(response).await;
    let body = String::from_utf8(body.to_vec()).unwrap();
    (status, challenge.unwrap_or_default(), body)
}

#[actix_web::test]
async fn rfc6750_3_without_a_token_401_and_a_bare_challenge() {
    let world = World::new(TestKey::es256()).await;
    let (status, challenge, _) = get(world, "/whoami", &[]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(challenge, "Bearer realm=\"https://api-1\"");
}

#[actix_web::test]
async fn rfc6750_2_3_a_token_in_the_query_does_not_count() {
    let world = World::new(TestKey::es256()).await;
    let uri = format!("/whoami?access_token={}", world.token());
    let (status, ..) = get(world, &uri, &[]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn rfc6750_3_1_credentials_sent_twice_are_400_invalid_request() {
    let world = World::new(TestKey::es256()).await;
    let bearer = format!("Bearer {}", world.token());
    let (status, challenge, _) = get(world, "/whoami", &[&bearer, &bearer]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(challenge.contains("error=\"invalid_request\""));
}

#[actix_web::test]
async fn rfc6750_3_1_an_invalid_token_says_what_is_wrong_with_it() {
    let world = World::new(TestKey::es256()).await;
    let foreign = format!("Bearer {}", world.issuer.token("https://api-2", SCOPE));
    let (status, challenge, body) = get(world, "/whoami", &[&foreign]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(challenge.contains("error=\"invalid_token\""));
    assert!(challenge.contains("the token's audience is not https://api-1"));
    assert!(body.contains("\"status\":401"));
}

#[actix_web::test]
async fn rfc6750_3_1_a_missing_scope_is_403_and_named() {
    let world = World::new(TestKey::es256()).await;
    let bearer = format!("Bearer {}", world.token());
    let (status, challenge, _) = get(world, "/write", &[&bearer]).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(challenge.ends_with("scope=\"https://api-1/write\""));
}

#[actix_web::test]
async fn whoami_says_what_the_token_says_and_never_the_token() {
    let world = World::new(TestKey::es256()).await;
    let token = world.token();
    let (status, _, body) = get(world, "/whoami", &[&format!("bearer {token}")]).await;
    assert_eq!(status, StatusCode::OK);
    let said: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(said["sub"], "user-1");
    assert_eq!(said["aud"], AUDIENCE);
    assert_eq!(said["client_id"], "app1");
    assert!(!body.contains(token.rsplit('.').next().unwrap()));
}

#[tokio::test]
async fn grpc_statuses_carry_the_same_sentences() {
    let world = World::new(TestKey::es256()).await;
    let refused = world.verifier.grpc_caller(&MetadataMap::new()).await;
    assert_eq!(
        Status::from(refused.unwrap_err()).code(),
        Code::Unauthenticated
    );

    let mut metadata = MetadataMap::new();
    let bearer = format!("Bearer {}", world.token());
    metadata.insert("authorization", bearer.parse().unwrap());
    let caller = world.verifier.grpc_caller(&metadata).await.unwrap();
    let refused = caller.require_scope("https://api-1/write").unwrap_err();
    let status = Status::from(refused.clone());
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(status.message(), refused.to_string());
}
