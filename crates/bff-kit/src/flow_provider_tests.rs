//! A provider of the tests' own.

use std::sync::Arc;

use actix_web::{App, HttpResponse, HttpServer, http::StatusCode, web};
use kit::{random::SeededRandom, state_dir::StateDir};
use parking_lot::Mutex;
use serde_json::{Value, json};
use token_verify::testing::TestKey;

use super::Form;
use crate::client_auth::{ClientKey, client_key};

/// A provider that signs in whoever comes, and can be told to misbehave.
pub(super) struct Idp {
    pub(super) keys: Mutex<Vec<ClientKey>>,
    /// Publishes other keys under the ids of its own.
    pub(super) publishes_others: Mutex<bool>,
    pub(super) key_fetches: Mutex<usize>,
    /// What its tokens and its document name.
    pub(super) issuer: String,
    /// Merged into the id_token's claims.
    pub(super) claims: Mutex<Value>,
    /// Merged into the discovery document.
    pub(super) document: Mutex<Value>,
    /// Merged into the token endpoint's answer.
    pub(super) answer: Mutex<Value>,
    /// The status of the token endpoint's answer.
    pub(super) status: Mutex<u16>,
    pub(super) pushed: Mutex<Form>,
    pub(super) token_calls: Mutex<Vec<Form>>,
    now: i64,
}

impl Idp {
    pub(super) fn start(issuer: &str, now: i64) -> (Arc<Self>, String) {
        let idp = Arc::new(Self {
            keys: Mutex::new(vec![key(1)]),
            publishes_others: Mutex::default(),
            key_fetches: Mutex::default(),
            issuer: issuer.to_owned(),
            claims: Mutex::new(json!({})),
            document: Mutex::new(json!({})),
            answer: Mutex::new(json!({})),
            status: Mutex::new(200),
            pushed: Mutex::default(),
            token_calls: Mutex::default(),
            now,
        });
        let shared = web::Data::from(idp.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .route("/.well-known/openid-configuration", web::get().to(metadata))
                .route("/jwks", web::get().to(jwks))
                .route("/par", web::post().to(par))
                .route("/token", web::post().to(token))
        });
        let server = server
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
        let address = server.addrs()[0];
        tokio::spawn(server.run());
        (idp, format!("http://{address}"))
    }
}

pub(super) fn key(seed: u64) -> ClientKey {
    client_key(&StateDir::default(), "idp", &SeededRandom::new(seed)).unwrap()
}

/// An issuer as an address to which a path can be added.
pub(super) fn base(issuer: &str) -> &str {
    issuer.trim_end_matches('/')
}

fn merged(mut members: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        members[name] = value.clone();
    }
    members
}

async fn metadata(idp: web::Data<Idp>) -> HttpResponse {
    let at = base(&idp.issuer);
    let document = json!({
        "issuer": idp.issuer,
        "authorization_endpoint": format!("{at}/authorize"),
        "token_endpoint": format!("{at}/token"),
        "pushed_authorization_request_endpoint": format!("{at}/par"),
        "jwks_uri": format!("{at}/jwks"),
        "authorization_response_iss_parameter_supported": true,
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    HttpResponse::Ok().json(merged(document, &idp.document.lock()))
}

async fn jwks(idp: web::Data<Idp>) -> HttpResponse {
    // What no reader of keys can use must not take the others with it.
    let mut keys = vec![
        json!({"kty": "quantum", "kid": 5, "x5t#S256": {}}),
        json!("odd"),
    ];
    *idp.key_fetches.lock() += 1;
    let own = idp.keys.lock();
    keys.extend(own.iter().map(|key| {
        let mut own = key.public_jwks()["keys"][0].clone();
        if *idp.publishes_others.lock() {
            own = TestKey::es256().jwk(own["kid"].as_str().unwrap());
        }
        merged(
            own,
            &json!({"x-own": {"a": []}, "x5c": "odd", "exp": "never"}),
        )
    }));
    HttpResponse::Ok().json(json!({"keys": keys, "more": null}))
}

async fn par(idp: web::Data<Idp>, form: web::Form<Form>) -> HttpResponse {
    *idp.pushed.lock() = form.into_inner();
    HttpResponse::Created().json(json!({"request_uri": "urn:x:1", "expires_in": 60}))
}

async fn token(idp: web::Data<Idp>, form: web::Form<Form>) -> HttpResponse {
    let form = form.into_inner();
    let nonce = form["code"].clone();
    idp.token_calls.lock().push(form);
    let claims = json!({
        "iss": idp.issuer, "sub": "u-1", "aud": "app1", "exp": idp.now + 900, "iat": idp.now,
        "nonce": nonce, "name": "Alice", "email": "alice@example.com", "sid": "s-1",
        "auth_time": idp.now,
    });
    let claims = merged(claims, &idp.claims.lock());
    let signing = idp.keys.lock().last().unwrap().clone();
    let answer = json!({
        "access_token": "A0", "token_type": "Bearer", "expires_in": 900,
        "refresh_token": "R0", "id_token": signing.sign(&claims).unwrap(),
    });
    let status = StatusCode::from_u16(*idp.status.lock()).unwrap();
    HttpResponse::build(status).json(merged(answer, &idp.answer.lock()))
}
