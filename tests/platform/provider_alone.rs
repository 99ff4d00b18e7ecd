//! The provider as a process of its own, which ends and starts again with another
//! configuration and the same records.

use std::{path::PathBuf, time::Duration};

use testkit::{
    Child, ClientAuth, HeadlessBrowser, Machine, Pkce, RedisServer, binary, free_offset,
};
use tests::{Person, sign_in, wait::comes_true};
use url::Url;

/// Where the answers to `demo_rp` go.
pub const CALLBACK: &str = "http://127.0.0.1:9999/callback";
const PATIENCE: Duration = Duration::from_secs(40);

/// The provider alone, with Redis and a state directory.
pub struct Provider {
    child: Option<Child>,
    redis: RedisServer,
    folder: tempfile::TempDir,
    offset: u16,
}

/// What `demo_rp` got.
pub struct Tokens {
    pub id: String,
    pub refresh: String,
    pub access: String,
}

/// `config` with alice disabled.
pub fn with_alice_disabled(config: &str) -> String {
    let of_alice = "username = \"alice\"";
    assert!(config.contains(of_alice));
    config.replace(of_alice, &format!("{of_alice}\nenabled = false"))
}

impl Provider {
    /// A process with `config`.
    pub async fn start(config: &str) -> Self {
        let mut provider = Self {
            child: None,
            redis: RedisServer::start(),
            folder: tempfile::tempdir().unwrap(),
            offset: free_offset(1),
        };
        provider.start_again(config).await;
        provider
    }

    /// The issuer.
    pub fn issuer(&self) -> String {
        format!("http://idp.localhost:{}", 8081 + self.offset)
    }

    /// A file of its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts it again, with `config`.
    pub async fn start_again(&mut self, config: &str) {
        std::fs::write(self.path("idp.toml"), config).unwrap();
        let flags = [
            format!("--port-offset={}", self.offset),
            format!("--state-dir={}", self.path("state").display()),
            format!("--config={}", self.path("idp.toml").display()),
        ];
        let environment = [("REDIS_URL".to_owned(), self.redis.url())];
        let child = Child::spawn(&binary("idp"), &flags, &environment, self.path("log"));
        let http = kit::net::http_client();
        let url = format!("{}/readyz", self.issuer());
        let is_ready = async || {
            let answer = http.get(&url).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        let in_time = comes_true(PATIENCE, is_ready).await;
        assert!(in_time, "{}", child.output());
        self.child = Some(child);
    }

    /// Ends it, and starts it again with `config`.
    pub async fn restart(&mut self, config: &str) {
        self.stop();
        self.start_again(config).await;
    }

    /// Ends it; gives what it logged.
    pub fn stop(&mut self) -> String {
        let mut child = self.child.take().unwrap();
        child.terminate();
        let ended = tokio::task::block_in_place(|| child.wait(PATIENCE));
        assert_eq!(
            ended.and_then(|status| status.code()),
            Some(0),
            "{}",
            child.output()
        );
        child.output()
    }

    /// `demo_rp`.
    pub fn machine(&self) -> Machine {
        Machine::new(
            &self.issuer(),
            ClientAuth::basic("demo_rp", "demo-rp-secret"),
        )
    }

    /// Tokens of `person` for `demo_rp`.
    pub async fn tokens(&self, cli: &mut HeadlessBrowser, person: Person) -> Tokens {
        self.tokens_for(cli, person, "openid offline_access").await
    }

    /// The same with `scope`.
    pub async fn tokens_for(
        &self,
        cli: &mut HeadlessBrowser,
        person: Person,
        scope: &str,
    ) -> Tokens {
        let (code, pkce) = self.code(cli, person, scope).await;
        let redeemed = self.machine().redeem(&code, CALLBACK, &pkce.verifier).await;
        let tokens = redeemed.granted();
        Tokens {
            id: tokens.text("id_token"),
            refresh: tokens.text("refresh_token"),
            access: tokens.text("access_token"),
        }
    }

    /// A code of `person` for `demo_rp`, and its verifier.
    pub async fn code(
        &self,
        cli: &mut HeadlessBrowser,
        person: Person,
        scope: &str,
    ) -> (String, Pkce) {
        let pkce = Pkce::new();
        let mut url = Url::parse(&format!("{}/authorize", self.issuer())).unwrap();
        url.query_pairs_mut().extend_pairs([
            ("client_id", "demo_rp"),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", scope),
            ("code_challenge", &pkce.challenge),
            ("code_challenge_method", "S256"),
        ]);
        cli.goto(url.as_str()).await;
        sign_in(cli, person).await;
        cli.submit_first_form(&[]).await;
        let answer = cli
            .page()
            .location()
            .unwrap_or_else(|| panic!("{}", cli.page()));
        let mut pairs = answer.query_pairs();
        let (_, code) = pairs.find(|(name, _)| name == "code").unwrap();
        (code.into_owned(), pkce)
    }

    /// Whether the browser has a session.
    pub async fn is_signed_in(&self, cli: &mut HeadlessBrowser) -> bool {
        let page = cli.goto(&format!("{}/account", self.issuer())).await;
        page.text().contains("This browser")
    }
}

/// A browser that stops where `demo_rp` would take over.
pub fn browser() -> HeadlessBrowser {
    HeadlessBrowser::new().not_following(CALLBACK)
}
