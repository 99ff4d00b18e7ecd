//! A provider whose token endpoint is a stub, and sessions whose tokens it renews.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use parking_lot::Mutex;
use serde_json::json;
use store::SharedStore;
use token_verify::Issuer;

use super::{
    super::{Record, Session, Sessions, TokenError, Wanted, session::Source},
    Browser, World, world,
};
use crate::{
    audiences::Audience,
    client_auth::ClientAuth,
    credentials::UserToken,
    meters::Meters,
    provider::{Provider, ProviderSettings},
    watched::Watched,
};

const ISSUER: &str = "http://idp.test";

/// A token endpoint that rotates, and says so when an old token comes.
#[derive(Default)]
pub(super) struct Stub {
    pub(super) redeemed: AtomicUsize,
    /// The tokens by other grants.
    pub(super) made: AtomicUsize,
    /// Whether the one before the current token is still good for the same answer.
    pub(super) grace: AtomicBool,
    /// Answered instead of tokens, one each, first to last.
    pub(super) instead: Mutex<Vec<(u16, serde_json::Value)>>,
    pub(super) seen: Mutex<Vec<String>>,
}

impl Stub {
    fn answer(&self, body: &str) -> HttpResponse {
        self.seen.lock().push(body.to_owned());
        let instead = self.instead.lock().pop();
        if let Some((status, body)) = instead {
            let status = actix_web::http::StatusCode::from_u16(status).unwrap();
            return HttpResponse::build(status).json(body);
        }
        let letter = match grant_of(body) {
            "token-exchange" => Some('X'),
            "jwt-bearer" => Some('J'),
            "client_credentials" => Some('C'),
            _ => None,
        };
        if let Some(letter) = letter {
            let n = self.made.fetch_add(1, SeqCst) + 1;
            return HttpResponse::Ok().json(json!({
                "access_token": format!("{letter}{n}"), "token_type": "Bearer", "expires_in": 900,
            }));
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

/// The last word of the grant type of the form `body`.
fn grant_of(body: &str) -> &'static str {
    let names = [
        "token-exchange",
        "jwt-bearer",
        "client_credentials",
        "refresh_token",
    ];
    let mut pairs = body.split('&');
    let grant = pairs.find_map(|pair| pair.strip_prefix("grant_type="));
    let grant = grant.unwrap_or_default();
    let mut all = names.into_iter();
    all.find(|name| grant.ends_with(name)).unwrap_or("another")
}

fn tokens_answer(access_token: &str, generation: usize) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_token": format!("R{generation}"),
    }))
}

pub(super) struct Setup {
    pub(super) world: World,
    pub(super) stub: Arc<Stub>,
    provider: Arc<Provider>,
    server: actix_web::dev::ServerHandle,
}

pub(super) fn setup() -> Setup {
    let mut world = world();
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
    let provider = Arc::new(Provider::new(settings, &world.deps, Meters::for_test()));
    world.sessions = Arc::new(world.sessions_with(&world.store, &provider));
    Setup {
        world,
        stub,
        provider,
        server: handle,
    }
}

/// An access token for `session`, as another request of its browser gets it.
pub(super) async fn ask(
    sessions: &Sessions,
    browser: &Browser,
    session: &Session,
    wanted: Wanted,
) -> Result<String, TokenError> {
    let req = browser.request("/");
    let mut session = copy(session);
    let token = sessions.access_token(&req, &mut session, wanted).await?;
    Ok(token.token().to_owned())
}

/// `session` as another request opened it at the same time.
pub(super) fn copy(session: &Session) -> Session {
    Session::new(session.id.clone(), session.source.clone())
}

pub(super) fn want(audience: &'static Audience) -> Wanted {
    Wanted {
        audience,
        token: UserToken::Own,
        rejected: None,
    }
}

impl Setup {
    pub(super) async fn ask(
        &self,
        (browser, session): &(Browser, Session),
        audience: &'static Audience,
    ) -> Result<String, TokenError> {
        ask(&self.world.sessions, browser, session, want(audience)).await
    }

    /// What the token endpoint was asked for, in order.
    pub(super) fn asked(&self) -> Vec<&'static str> {
        let seen = self.stub.seen.lock();
        seen.iter().map(|body| grant_of(body)).collect()
    }

    /// The same sessions in another replica.
    pub(super) fn replica(&self) -> Sessions {
        self.world.sessions_with(&self.world.store, &self.provider)
    }

    /// The same sessions, on a store that can be told to fail.
    pub(super) fn watch_the_store(&mut self) -> Arc<Watched> {
        let watched = Arc::new(Watched::new(self.world.store.clone()));
        let shared: SharedStore = watched.clone();
        let sessions = self.world.sessions_with(&shared, &self.provider);
        self.world.sessions = Arc::new(sessions);
        watched
    }

    /// What the store has of the browser's session.
    pub(super) async fn saved(&self, browser: &Browser) -> Record {
        let session = self.world.peek(browser).await.unwrap();
        match session.source {
            Source::Record(stored) => stored.record.clone(),
            Source::Cookies(_) => panic!("a session in the store"),
        }
    }

    pub(super) async fn end(self) {
        self.server.stop(false).await;
    }
}
