//! Sessions in cookies: what counts, what does not, and that an ended one stays so.

mod counts;
mod life;
mod opaque;

use std::time::Duration;

use kit::clock::Clock as _;
use serde_json::{Value, json};
use store::SharedStore;
use token_verify::testing::{TestIssuer, TestKey};

use super::{
    super::{Purpose, SessionMode},
    Browser, World,
};
use crate::{
    audiences::{API1, API2},
    credentials::UserToken,
    sessions::record::AccessToken,
};

/// Long enough not to be in a sealed cookie by chance.
const REFRESH: &str = "refresh-secret";
const CALL: Purpose = Purpose::Call(&API1);

pub(super) struct Setup {
    pub(super) world: World,
    issuer: TestIssuer,
}

impl Setup {
    pub(super) fn new() -> Self {
        Self::with(None)
    }

    pub(super) fn with(store: Option<SharedStore>) -> Self {
        let issuer = TestIssuer::start(TestKey::es256()).unwrap();
        let world = World::new(issuer.issuer(), store);
        Self { world, issuer }
    }

    /// An access token of this session, but for `changes`.
    fn token(&self, changes: &Value) -> String {
        let mut claims = self.issuer.claims("https://api-1", "https://api-1/read");
        claims["sid"] = json!("s-1");
        claims["exp"] = json!(self.world.clock.now().secs() + 900);
        claims["iat"] = json!(self.world.clock.now().secs());
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.issuer.key.sign(&self.issuer.header(), &claims)
    }

    pub(super) async fn browser(&self, mode: SessionMode) -> Browser {
        let token = self.token(&json!({}));
        let record = self.world.record(mode, &token, Some(REFRESH));
        self.world.begin(&record).await
    }

    pub(super) async fn usable(&self, browser: &Browser) -> bool {
        let Some(session) = self.world.open(browser, CALL).await else {
            return false;
        };
        let now = self.world.clock.now();
        session
            .access_token(UserToken::Own, &API1, now, Duration::ZERO)
            .is_some()
    }
}

/// `browser` with another value in the cookie `name`.
fn with(browser: &Browser, name: &'static str, value: &str) -> Browser {
    let mut changed = browser.clone();
    changed.take([actix_web::cookie::Cookie::new(name, value.to_owned())]);
    changed
}
