//! The provider as a process of its own that ends and starts again: what has to
//! be told is told, and who was changed in the configuration is signed out.

use std::{path::PathBuf, time::Duration};

use testkit::{
    Child, Cli, ClientAuth, Machine, Pkce, RedisServer, UnverifiedClaims, binary, free_offset,
};
use tests::{ALICE, BOB, Person, sign_in};
use url::Url;

use crate::receiver::{Receiver, free_port, telling};

const CALLBACK: &str = "http://127.0.0.1:9999/callback";
const PATIENCE: Duration = Duration::from_secs(40);

/// The provider alone, with Redis and a state directory.
struct Provider {
    child: Option<Child>,
    redis: RedisServer,
    folder: tempfile::TempDir,
    offset: u16,
}

/// What `demo_rp` got.
struct Tokens {
    id: String,
    refresh: String,
}

impl Provider {
    async fn start(config: &str) -> Self {
        let mut provider = Self {
            child: None,
            redis: RedisServer::start(),
            folder: tempfile::tempdir().unwrap(),
            offset: free_offset(1),
        };
        provider.start_again(config).await;
        provider
    }

    fn issuer(&self) -> String {
        format!("http://idp.localhost:{}", 8081 + self.offset)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn start_again(&mut self, config: &str) {
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
        let ready = async {
            while !http
                .get(&url)
                .send()
                .await
                .is_ok_and(|a| a.status().is_success())
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, ready).await;
        assert!(in_time.is_ok(), "{}", child.output());
        self.child = Some(child);
    }

    fn stop(&mut self) -> String {
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

    fn machine(&self) -> Machine {
        Machine::new(
            &self.issuer(),
            ClientAuth::basic("demo_rp", "demo-rp-secret"),
        )
    }

    async fn tokens(&self, cli: &mut Cli, person: Person) -> Tokens {
        let pkce = Pkce::new();
        let mut url = Url::parse(&format!("{}/authorize", self.issuer())).unwrap();
        url.query_pairs_mut().extend_pairs([
            ("client_id", "demo_rp"),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid offline_access"),
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
        let redeemed = self.machine().redeem(&code, CALLBACK, &pkce.verifier).await;
        let tokens = redeemed.granted();
        Tokens {
            id: tokens.text("id_token"),
            refresh: tokens.text("refresh_token"),
        }
    }

    async fn is_signed_in(&self, cli: &mut Cli) -> bool {
        let page = cli.goto(&format!("{}/account", self.issuer())).await;
        page.text().contains("This browser")
    }
}

fn browser() -> Cli {
    Cli::new().not_following(CALLBACK)
}

fn sid(token: &str) -> String {
    UnverifiedClaims::of(token).text("sid").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_to_be_told_outlives_the_process() {
    let port = free_port();
    let config = telling(port);
    let mut provider = Provider::start(&config).await;
    let mut cli = browser();
    let tokens = provider.tokens(&mut cli, ALICE).await;
    // Nobody is at the port, neither before nor after the provider's end.
    let url = format!("{}/logout?id_token_hint={}", provider.issuer(), tokens.id);
    cli.goto(&url).await;
    let log = provider.stop();
    let line = |what: &str| {
        log.lines()
            .any(|line| line.contains("audit") && line.contains(what))
    };
    assert!(line("login session ended") && line("logout"), "{log}");
    provider.start_again(&config).await;
    let app = Receiver::at(port).await;
    let told = app.told(1).await;
    assert_eq!(told[0].token().text("sid"), sid(&tokens.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_changed_in_the_configuration_is_signed_out_everywhere() {
    let port = free_port();
    let config = telling(port);
    let mut provider = Provider::start(&config).await;
    let app = Receiver::at(port).await;
    let (mut alice, mut bob) = (browser(), browser());
    let alices = provider.tokens(&mut alice, ALICE).await;
    let bobs = provider.tokens(&mut bob, BOB).await;

    provider.stop();
    provider.start_again(&config).await;
    assert!(
        provider.is_signed_in(&mut alice).await,
        "nothing has changed"
    );

    // Alice has another password.
    let hashes: Vec<_> = config.split("password_hash = \"").skip(1).collect();
    let hash = |at: usize| hashes[at].split('"').next().unwrap();
    let other_password = config.replace(hash(0), hash(1));
    provider.stop();
    provider.start_again(&other_password).await;
    let told = app.told(1).await;
    assert_eq!(told[0].token().text("sid"), sid(&alices.id));
    assert!(!provider.is_signed_in(&mut alice).await);
    let refused = provider.machine().refresh(&alices.refresh, &[]).await;
    assert_eq!(refused.error(), "invalid_grant", "offline access ends too");
    assert!(provider.is_signed_in(&mut bob).await);

    // Alice, who has signed in anew, may no more.
    let alices = provider.tokens(&mut browser(), (ALICE.0, BOB.1)).await;
    let of_alice = "username = \"alice\"";
    let disabled = other_password.replace(of_alice, &format!("{of_alice}\nenabled = false"));
    provider.stop();
    provider.start_again(&disabled).await;
    let told = app.told(2).await;
    assert_eq!(told[1].token().text("sid"), sid(&alices.id));
    let refused = provider.machine().refresh(&alices.refresh, &[]).await;
    assert_eq!(refused.error(), "invalid_grant");

    // Bob is there no more.
    let (without_bob, _) = disabled.rsplit_once("[[users]]").unwrap();
    provider.stop();
    provider.start_again(without_bob).await;
    let told = app.told(3).await;
    assert_eq!(told[2].token().text("sid"), sid(&bobs.id));
    let refused = provider.machine().refresh(&bobs.refresh, &[]).await;
    assert_eq!(refused.error(), "invalid_grant");
}
