//! Tokens against a provider's stub.

mod carried;
mod stored;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use actix_web::{App, HttpResponse, HttpServer, web};
use parking_lot::Mutex;
use serde_json::json;
use token_verify::Issuer;

use super::*;
use crate::{
    client_auth::ClientAuth,
    meters::Meters,
    provider::ProviderSettings,
    sessions::Record,
    sessions::tests::{Browser, World, world},
    watched::Watched,
};

const ISSUER: &str = "http://idp.test";

/// A token endpoint that rotates, and says so when an old token comes.
#[derive(Default)]
struct Stub {
    redeemed: AtomicUsize,
    /// Whether the one before the current token is still good for the same answer.
    grace: AtomicBool,
    /// Answered instead of tokens, one each, first to last.
    instead: Mutex<Vec<(u16, serde_json::Value)>>,
    seen: Mutex<Vec<String>>,
}

impl Stub {
    fn answer(&self, body: &str) -> HttpResponse {
        self.seen.lock().push(body.to_owned());
        let instead = self.instead.lock().pop();
        if let Some((status, body)) = instead {
            let status = actix_web::http::StatusCode::from_u16(status).unwrap();
            return HttpResponse::build(status).json(body);
        }
        let n = self.redeemed.load(SeqCst);
        // A replay inside the grace gets the same successor.
        if self.grace.load(SeqCst) && n > 0 && body.contains(&format!("refresh_token=R{}", n - 1)) {
            return tokens_answer(&format!("A{n}-again"), n);
        }
        if !body.contains(&format!("refresh_token=R{n}")) {
            return HttpResponse::BadRequest().json(json!({"error": "invalid_grant"}));
        }
        self.redeemed.store(n + 1, SeqCst);
        tokens_answer(&format!("A{}", n + 1), n + 1)
    }
}

fn tokens_answer(access_token: &str, generation: usize) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_token": format!("R{generation}"),
    }))
}

struct Setup {
    world: World,
    stub: Arc<Stub>,
    tokens: Tokens,
    server: actix_web::dev::ServerHandle,
}

fn setup() -> Setup {
    let world = world();
    let stub = Arc::new(Stub::default());
    let shared = web::Data::from(stub.clone());
    let server = HttpServer::new(move || {
        let metadata = json!({
            "issuer": ISSUER,
            "authorization_endpoint": format!("{ISSUER}/authorize"),
            "token_endpoint": format!("{ISSUER}/token"),
            "jwks_uri": format!("{ISSUER}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        App::new()
            .app_data(shared.clone())
            .route(
                "/.well-known/openid-configuration",
                web::get().to(move || {
                    let metadata = metadata.clone();
                    async move { HttpResponse::Ok().json(metadata) }
                }),
            )
            .route(
                "/jwks",
                web::get().to(async || HttpResponse::Ok().json(json!({"keys": []}))),
            )
            .route(
                "/token",
                web::post().to(async |stub: web::Data<Stub>, body: String| stub.answer(&body)),
            )
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    let settings = ProviderSettings {
        issuer: Issuer::new(ISSUER, &format!("http://{address}")),
        client_id: "app1".to_owned(),
        auth: ClientAuth::SecretBasic("app1-secret".to_owned().into()),
        redirect_uri: "http://app1.test/callback".to_owned(),
    };
    let provider = Arc::new(Provider::new(settings, &world.ground, Meters::for_test()));
    let tokens = tokens(&world, &provider);
    Setup {
        world,
        stub,
        tokens,
        server: handle,
    }
}

fn tokens(world: &World, provider: &Arc<Provider>) -> Tokens {
    let settings = TokenSettings {
        margin: Duration::from_secs(30),
        audience_by: AudienceBy::Resource,
    };
    Tokens::new(
        world.sessions.clone(),
        provider.clone(),
        world.store.clone(),
        &world.ground,
        settings,
        Meters::for_test().refresh_waits,
    )
}

async fn ask(
    tokens: &Tokens,
    browser: &Browser,
    session: &Session,
    wanted: Wanted,
) -> Result<String, TokenError> {
    let req = browser.request("/");
    let token = tokens.access_token_for(&req, session, wanted).await?;
    Ok(token.token().to_owned())
}

fn want(audience: &'static Audience) -> Wanted {
    Wanted {
        audience,
        not: None,
    }
}

impl Setup {
    async fn ask(
        &self,
        (browser, session): &(Browser, Session),
        audience: &'static Audience,
    ) -> Result<String, TokenError> {
        ask(&self.tokens, browser, session, want(audience)).await
    }

    /// The same tokens, on a store that can be told to fail.
    fn watch_the_store(&mut self) -> Arc<Watched> {
        let watched = Arc::new(Watched::new(self.world.store.clone()));
        let shared: SharedStore = watched.clone();
        self.world.sessions = Arc::new(self.world.sessions_in(&shared, "app1"));
        self.tokens = tokens(&self.world, &self.tokens.0.provider);
        watched
    }

    /// What the store has of the browser's session.
    async fn saved(&self, browser: &Browser) -> Record {
        let looked = self.world.look(browser).await.unwrap();
        match looked.kept {
            Kept::Stored(stored) => stored.record.clone(),
            Kept::Carried(_) => panic!("a session in the store"),
        }
    }

    async fn end(self) {
        self.server.stop(false).await;
    }
}
