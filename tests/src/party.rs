//! A relying party by hand: every parameter can be another, and nobody listens
//! at its redirect URI.

use std::collections::BTreeMap;

use kit::config::Site;
use testkit::{Answer, ClientAuth, HeadlessBrowser, Machine, Pkce, Platform, ProofKey};
use url::Url;

use crate::{ALICE, words::EVERYTHING};

/// One client of the provider, and one authorization request of it.
pub struct Party<'a> {
    platform: &'a Platform,
    /// Its id.
    pub client_id: &'static str,
    /// Where its answers go.
    pub redirect_uri: String,
    /// Its verifier and challenge.
    pub pkce: Pkce,
    /// Its back channel.
    pub machine: Machine,
    scope: &'static str,
}

impl<'a> Party<'a> {
    /// `demo_rp`: confidential, with a consent page, both audiences.
    pub fn demo_rp(platform: &'a Platform) -> Self {
        let auth = ClientAuth::basic("demo_rp", "demo-rp-secret");
        Self::new(
            platform,
            "demo_rp",
            "http://127.0.0.1:9999/callback".to_owned(),
            auth,
            EVERYTHING,
        )
    }

    /// `app1`, played by hand: first-party, both audiences.
    pub fn app1(platform: &'a Platform) -> Self {
        let redirect_uri = format!("{}/callback", platform.url(Site::App1));
        Self::new(
            platform,
            "app1",
            redirect_uri,
            ClientAuth::basic("app1", "app1-secret"),
            EVERYTHING,
        )
    }

    /// `my_spa`: public, API-1 alone.
    pub fn my_spa(platform: &'a Platform) -> Self {
        let redirect_uri = format!("{}/callback", platform.addresses().url(Site::Spa));
        let scope = "openid offline_access https://api-1/read";
        Self::new(
            platform,
            "my_spa",
            redirect_uri,
            ClientAuth::public("my_spa"),
            scope,
        )
    }

    /// The same client with this key, to which its tokens are bound.
    #[must_use]
    pub fn with_key(self, key: &ProofKey) -> Self {
        Self {
            machine: self.machine.with_key(key),
            ..self
        }
    }

    /// Any client, which asks for `scope`.
    pub fn new(
        platform: &'a Platform,
        client_id: &'static str,
        redirect_uri: String,
        auth: ClientAuth,
        scope: &'static str,
    ) -> Self {
        let machine = platform.machine(auth);
        Self {
            platform,
            client_id,
            redirect_uri,
            pkce: Pkce::new(),
            machine,
            scope,
        }
    }

    /// A browser that stops where this client would take over.
    pub fn cli(&self) -> HeadlessBrowser {
        self.platform.cli().not_following(&self.redirect_uri)
    }

    /// The parameters of its authorization request. `changes` come in place of
    /// those of the same name or besides; an empty value leaves one out.
    pub fn parameters<'p>(&'p self, changes: &[(&'p str, &'p str)]) -> Vec<(&'p str, &'p str)> {
        let usual = [
            ("client_id", self.client_id),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("response_type", "code"),
            ("scope", self.scope),
            ("state", "the-state"),
            ("nonce", "the-nonce"),
            ("code_challenge", self.pkce.challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        let is_changed = |name: &str| changes.iter().any(|(other, _)| *other == name);
        let kept = usual.into_iter().filter(|(name, _)| !is_changed(name));
        kept.chain(changes.iter().copied())
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }

    /// Its authorization request in a URL.
    pub fn authorize_url(&self, changes: &[(&str, &str)]) -> String {
        let mut url =
            Url::parse(&format!("{}/authorize", self.platform.issuer())).expect("an address");
        url.query_pairs_mut().extend_pairs(self.parameters(changes));
        url.into()
    }

    /// Goes through the pages of the provider as alice, agreeing to everything;
    /// gives the parameters of the answer.
    pub async fn answer(
        &self,
        cli: &mut HeadlessBrowser,
        changes: &[(&str, &str)],
    ) -> BTreeMap<String, String> {
        cli.goto(&self.authorize_url(changes)).await;
        self.through_the_pages(cli).await
    }

    /// Signs in and agrees, from the page that is shown on.
    pub async fn through_the_pages(&self, cli: &mut HeadlessBrowser) -> BTreeMap<String, String> {
        for _ in 0..3 {
            if let Some(answer) = cli.page().location() {
                assert!(
                    answer.as_str().starts_with(&self.redirect_uri),
                    "answered to {answer}"
                );
                return answer.query_pairs().into_owned().collect();
            }
            let asks_who = cli.page().asks_for("username");
            let fields: &[(&str, &str)] = if asks_who {
                &[("username", ALICE.0), ("password", ALICE.1)]
            } else {
                &[]
            };
            cli.submit_first_form(fields).await;
        }
        panic!("no answer after three pages: {}", cli.page())
    }

    /// A code for alice.
    pub async fn code(&self, cli: &mut HeadlessBrowser, changes: &[(&str, &str)]) -> String {
        let answer = self.answer(cli, changes).await;
        answer
            .get("code")
            .unwrap_or_else(|| panic!("no code: {answer:?}"))
            .clone()
    }

    /// Redeems `code`.
    pub async fn redeem(&self, code: &str) -> Answer {
        self.machine
            .redeem(code, &self.redirect_uri, &self.pkce.verifier)
            .await
    }

    /// Tokens for alice.
    pub async fn tokens(&self, cli: &mut HeadlessBrowser, changes: &[(&str, &str)]) -> Answer {
        let code = self.code(cli, changes).await;
        self.redeem(&code).await.granted()
    }
}
