//! Statuses and challenges over HTTP and gRPC.

use actix_web::{
    App, HttpResponse,
    http::{StatusCode, header},
    test, web,
};
use serde_json::json;
use tonic::{Code, Request, Status};

use super::{AUDIENCE, SCOPE, World};
use crate::{Caller, Presented, Refused, actix::whoami, testing::TestKey};

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
    let refused = world.verifier.grpc_caller(&Request::new(())).await;
    assert_eq!(
        Status::from(refused.unwrap_err()).code(),
        Code::Unauthenticated
    );

    let request = grpc_request(&world.token());
    let caller = world.verifier.grpc_caller(&request).await.unwrap();
    let refused = caller.require_scope("https://api-1/write").unwrap_err();
    let status = Status::from(refused.clone());
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(status.message(), refused.to_string());
}

fn grpc_request(token: &str) -> Request<()> {
    let mut request = Request::new(());
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

#[actix_web::test]
async fn rfc9449_7_2_a_bound_token_as_a_bearer_token_is_refused_over_http_and_grpc() {
    for cnf in [
        json!({"jkt": "k"}),
        json!({"x5t#S256": "c"}),
        json!({"jwk": {}}),
        json!({}),
    ] {
        let world = World::new(TestKey::es256()).await;
        let mut claims = world.issuer.claims(AUDIENCE, SCOPE);
        claims["cnf"] = cnf.clone();
        let bound = world.issuer.key.sign(&world.issuer.header(), &claims);
        let refused = world.verifier.grpc_caller(&grpc_request(&bound)).await;
        let status = Status::from(refused.unwrap_err());
        assert_eq!(status.code(), Code::Unauthenticated, "{cnf}");
        let (status, challenge, _) = get(world, "/whoami", &[&format!("Bearer {bound}")]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{cnf}");
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        assert!(challenge.contains("bound"), "{challenge}");
    }
}

#[tokio::test]
async fn rfc8705_3_a_token_bound_to_a_certificate_counts_on_its_connections() {
    let world = World::new(TestKey::es256()).await;
    let mut claims = world.issuer.claims(AUDIENCE, SCOPE);
    claims["cnf"] = json!({"x5t#S256": "c"});
    let bound = world.issuer.key.sign(&world.issuer.header(), &claims);
    let bearer = format!("Bearer {bound}");
    for (certificate, is_taken) in [(Some("c"), true), (Some("x"), false), (None, false)] {
        let presented = Presented {
            authorization: &[bearer.as_bytes()],
            certificate,
            ..Presented::default()
        };
        let caller = world.verifier.caller(presented).await;
        assert_eq!(caller.is_ok(), is_taken, "{certificate:?}");
    }
}
