//! App 1 of a lab, as its users and its metrics show it.

use std::{collections::BTreeMap, time::Duration};

use bench::docs::credentials::suits;
use kit::config::Site;
use tempfile::TempDir;
use testkit::{Child, HeadlessBrowser};

use crate::{lab::Lab, programs::binary};

/// What adding an API key may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A lab in which a login chooses how App 1 gets its credentials.
pub struct App {
    pub lab: Lab,
    /// Where browsers find it.
    pub url: String,
    api_key: String,
    _keys: TempDir,
}

/// The app's requests to the token endpoint, by grant: how many, and how long in all.
#[derive(Default)]
pub struct TokenCalls(BTreeMap<String, (f64, f64)>);

impl TokenCalls {
    /// What came after `before`.
    pub fn since(&self, before: &Self) -> Self {
        let spent = |(grant, now): (&String, &(f64, f64))| {
            let then = before.0.get(grant).copied().unwrap_or_default();
            (grant.clone(), (now.0 - then.0, now.1 - then.1))
        };
        Self(self.0.iter().map(spent).collect())
    }

    /// How many.
    pub fn requests(&self) -> f64 {
        self.0.values().map(|(count, _)| count).sum()
    }

    /// How long all of them took together, in milliseconds.
    pub fn millis(&self) -> f64 {
        self.0.values().map(|(_, seconds)| seconds * 1000.0).sum()
    }
}

impl App {
    /// Starts it with `more` flags; access tokens live for `life`.
    pub async fn start(life: Duration, more: &[&str]) -> Self {
        let keys = tempfile::tempdir().expect("a folder");
        let file = keys.path().join("api-1-keys.json").display().to_string();
        let add = ["keys", "api", "add", "--name", "app1", "--file", &file];
        let scopes = [
            "--scope",
            "https://api-1/read",
            "--scope",
            "https://api-1/write",
        ];
        let add = [&add[..], &scopes].concat();
        let (said, code) = Child::run_to_end(&binary("sso-lab"), &add, &[], PATIENCE);
        assert_eq!(code, Some(0), "{said}");
        let api_key = said.lines().find(|line| line.starts_with("api1_"));
        let api_key = api_key.expect("a key").to_owned();
        let flags = [
            "--bff-session-mode-choice=on".to_owned(),
            "--bff-session-mode=hybrid".to_owned(),
            "--bff-token-margin=100ms".to_owned(),
            format!("--api1-keys-file={file}"),
            format!("--bff-api1-key={api_key}"),
        ];
        let more = more.iter().map(|flag| (*flag).to_owned());
        let flags: Vec<_> = flags.into_iter().chain(more).collect();
        let change = |config: &str| {
            let life = format!("access_token = \"{}s\"", life.as_secs());
            config.replace(r#"access_token = "15m""#, &life)
        };
        let lab = Lab::start(&flags, change).await;
        Self {
            url: lab.url(Site::App1),
            lab,
            api_key,
            _keys: keys,
        }
    }

    /// Alice, signed in with `method` for both APIs where they take it.
    pub async fn sign_in(&self, method: &str) -> HeadlessBrowser {
        let mut cli = HeadlessBrowser::new();
        let second = if suits(method, "https://api-2") {
            method
        } else {
            "refresh"
        };
        let login = format!(
            "{}/login?mode=hybrid&api1_credential={method}&api2_credential={second}",
            self.url
        );
        cli.goto(&login).await;
        cli.submit_first_form(&[("username", "alice"), ("password", "wonderland")])
            .await;
        let page = cli.page();
        assert!(page.url().as_str().starts_with(&self.url), "{page}");
        cli
    }

    /// The app's requests to the token endpoint so far, by its own metrics.
    pub async fn token_calls(&self) -> TokenCalls {
        const NAME: &str = "sso_token_call_duration_seconds";
        let http = kit::net::http_client();
        let said = http.get(format!("{}/metrics", self.url)).send().await;
        let said = said.expect("metrics").text().await.expect("a text");
        let mut calls = TokenCalls::default();
        for line in said.lines().filter(|line| line.starts_with(NAME)) {
            let (labels, value) = line.rsplit_once(' ').expect("a sample");
            let value: f64 = value.parse().unwrap_or_default();
            let grant = labels.split("sso_grant=\"").nth(1).unwrap_or_default();
            let grant = grant.split('"').next().unwrap_or_default();
            let known = calls.0.entry(grant.to_owned()).or_default();
            if labels.starts_with(&format!("{NAME}_count")) {
                known.0 += value;
            } else if labels.starts_with(&format!("{NAME}_sum")) {
                known.1 += value;
            }
        }
        calls
    }

    /// The bytes of the credential that a call by `method` to `audience` brings.
    pub async fn credential_bytes(&self, method: &str, audience: &str) -> usize {
        match method {
            "client_credentials" => {
                let token = self.lab.token_by_key("app1-machine", audience);
                return token.await.len();
            }
            "mtls" => {
                let own = self.lab.certificate("app1-mtls");
                return self.lab.bound_token("app1-mtls", &own).await.len();
            }
            "api_key" => return self.api_key.len(),
            "identity_header" => {
                let mut cli = self.sign_in(method).await;
                let answer = cli.try_get(&format!("{}/session", self.url)).await;
                let session = answer.expect("an answer").json();
                let session: serde_json::Value = session.expect("a session");
                let sub = session["user"]["sub"].as_str().expect("a user");
                return format!("sub={sub}").len();
            }
            _ => {}
        }
        let mut cli = self.sign_in(method).await;
        let (path, cookie) = match audience {
            "https://api-1" => ("/api1/whoami", "__Secure-access_api1"),
            _ => ("/api2/whoami", "__Secure-access_api2"),
        };
        let answer = cli.try_get(&format!("{}{path}", self.url)).await;
        assert_eq!(answer.expect("an answer").status, 200);
        let jar = cli.jar();
        let cookies = jar.of("app1.localhost");
        let parts = cookies.filter(|one| one.name.starts_with(cookie));
        parts.map(|one| one.value.len()).sum()
    }
}
