//! The provider as a process of its own that ends and starts again: what has to
//! be told is told, and who was changed in the configuration is signed out.

use std::{path::PathBuf, time::Duration};

use testkit::{
    Child, ClientAuth, HeadlessBrowser, Machine, Pkce, RedisServer, UnverifiedClaims, binary,
    free_offset,
};
use tests::{ALICE, BOB, Person, sign_in};
use url::Url;

use crate::receiver::{BUILT_IN, Receiver, free_port, telling};

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
    access: String,
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

    async fn tokens(&self, cli: &mut HeadlessBrowser, person: Person) -> Tokens {
        self.tokens_for(cli, person, "openid offline_access").await
    }

    async fn tokens_for(&self, cli: &mut HeadlessBrowser, person: Person, scope: &str) -> Tokens {
        let (code, pkce) = self.code(cli, person, scope).await;
        let redeemed = self.machine().redeem(&code, CALLBACK, &pkce.verifier).await;
        let tokens = redeemed.granted();
        Tokens {
            id: tokens.text("id_token"),
            refresh: tokens.text("refresh_token"),
            access: tokens.text("access_token"),
        }
    }

    async fn code(&self, cli: &mut HeadlessBrowser, person: Person, scope: &str) -> (String, Pkce) {
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

    async fn is_signed_in(&self, cli: &mut HeadlessBrowser) -> bool {
        let page = cli.goto(&format!("{}/account", self.issuer())).await;
        page.text().contains("This browser")
    }
}

fn browser() -> HeadlessBrowser {
    HeadlessBrowser::new().not_following(CALLBACK)
}

fn sid(token: &str) -> String {
    UnverifiedClaims::of(token).text("sid").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_logout_notices_survive_a_restart() {
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
async fn a_user_changed_in_the_configuration_is_signed_out_everywhere() {
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

/// The client `demo_rp` in `config`, changed.
fn with_demo_rp(config: &str, from: &str, to: &str) -> String {
    let at = config.find("client_id = \"demo_rp\"").unwrap();
    let (before, demo) = config.split_at(at);
    let end = demo.find("\n\n").unwrap();
    let (demo, after) = demo.split_at(end);
    assert!(demo.contains(from), "{from} in {demo}");
    format!("{before}{}{after}", demo.replace(from, to))
}

const ALL: &str = "openid profile email offline_access https://api-1/read https://api-2/read";
const AUDIENCES: &str = "audiences = [\"https://api-1\", \"https://api-2\"]";

#[tokio::test(flavor = "multi_thread")]
async fn rights_taken_from_a_client_are_gone_from_what_it_was_granted() {
    let config = BUILT_IN;
    let mut provider = Provider::start(config).await;
    let mut cli = browser();
    let tokens = provider.tokens_for(&mut cli, ALICE, ALL).await;
    let demo = provider.machine();
    let api1 = demo.identified_by(ClientAuth::basic("api-1", "api-1-secret"));
    let userinfo = format!("{}/userinfo", provider.issuer());
    let newer = demo.refresh(&tokens.refresh, &[]).await.granted();
    let refresh = newer.text("refresh_token");
    api1.exchange(&tokens.access, "https://api-2", &[])
        .await
        .granted();
    let introspected = api1.introspect(&tokens.access, "*/*").await.json();
    assert_eq!(introspected["scope"], "https://api-1/read");

    // The client may have tokens for API-2 alone.
    let less = with_demo_rp(config, AUDIENCES, "audiences = [\"https://api-2\"]");
    provider.stop();
    provider.start_again(&less).await;
    let left = demo.refresh(&refresh, &[]).await.granted();
    assert_eq!(
        UnverifiedClaims::of(&left.text("access_token")).text("aud"),
        "https://api-2"
    );
    assert!(!left.text("scope").contains("api-1"), "{}", left.body);
    let refresh = left.text("refresh_token");
    for (more, error) in [
        (("resource", "https://api-1"), "invalid_target"),
        (("scope", "https://api-1/read"), "invalid_scope"),
    ] {
        assert_eq!(
            demo.refresh(&refresh, &[more]).await.error(),
            error,
            "{more:?}"
        );
    }
    let exchanged = api1.exchange(&tokens.access, "https://api-2", &[]).await;
    assert_eq!(exchanged.refusal(), (400, "invalid_scope".to_owned()));
    // RFC 7662 §2.2: nothing is left of the token.
    let introspected = api1.introspect(&tokens.access, "*/*").await.json();
    assert_eq!(introspected, serde_json::json!({"active": false}));
    let info = demo
        .call(reqwest::Method::GET, &userinfo, &tokens.access)
        .await;
    assert_eq!(
        info.json()["email"],
        "alice@example.com",
        "openid was not taken"
    );

    // A resource has lost the scope.
    let without = less.replace(
        "\"https://api-2/read\" = \"See",
        "\"https://api-2/look\" = \"See",
    );
    let without = without.replace("[\"https://api-2/read\"]", "[\"https://api-2/write\"]");
    let without = without.replace("[\"https://api-2/read\", ", "[");
    provider.stop();
    provider.start_again(&without).await;
    let left = demo.refresh(&refresh, &[]).await.granted();
    assert_eq!(
        UnverifiedClaims::of(&left.text("access_token")).scopes(),
        [""; 0]
    );
    let refresh = left.text("refresh_token");

    // All of it is back: a right that was taken was not narrowed for ever.
    provider.stop();
    provider.start_again(config).await;
    let left = demo
        .refresh(&refresh, &[("resource", "https://api-1")])
        .await
        .granted();
    assert!(
        left.text("scope").contains("https://api-1/read"),
        "{}",
        left.body
    );
    let refresh = left.text("refresh_token");

    // A code is pending while its address, and then the code grant itself, go.
    let (code, pkce) = provider.code(&mut browser(), ALICE, ALL).await;
    let moved = with_demo_rp(config, CALLBACK, "http://127.0.0.1:9999/elsewhere");
    provider.stop();
    provider.start_again(&moved).await;
    let refused = demo.redeem(&code, CALLBACK, &pkce.verifier).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
    let grants = "grants = [\"authorization_code\", \"refresh_token\"]";
    let machine = with_demo_rp(config, grants, "grants = [\"refresh_token\"]");
    provider.stop();
    provider.start_again(&machine).await;
    let refused = demo.refresh(&refresh, &[]).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
    let info = demo
        .call(reqwest::Method::GET, &userinfo, &tokens.access)
        .await;
    assert_eq!(info.status, 403, "{}", info.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_of_a_removed_client_give_no_tokens() {
    let mut provider = Provider::start(BUILT_IN).await;
    let tokens = provider.tokens_for(&mut browser(), ALICE, ALL).await;
    let api1 = Machine::new(
        &provider.issuer(),
        ClientAuth::basic("api-1", "api-1-secret"),
    );
    let gone = with_demo_rp(BUILT_IN, "\"demo_rp\"", "\"another\"");
    provider.stop();
    provider.start_again(&gone).await;
    let exchanged = api1.exchange(&tokens.access, "https://api-2", &[]).await;
    assert_eq!(exchanged.refusal(), (400, "invalid_request".to_owned()));
    let userinfo = format!("{}/userinfo", provider.issuer());
    let info = api1
        .call(reqwest::Method::GET, &userinfo, &tokens.access)
        .await;
    assert_eq!(info.status, 401, "{}", info.body);
    let refused = provider.machine().refresh(&tokens.refresh, &[]).await;
    assert_eq!(refused.refusal(), (401, "invalid_client".to_owned()));
}
