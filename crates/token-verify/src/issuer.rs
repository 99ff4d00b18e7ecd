//! The issuer: its name in tokens, its address, and its keys.

use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use kit::{
    clock::Clock,
    config::{Addresses, Common, Problems, Site},
    net::{ReadError, Trust, read_bounded},
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    jwks::{FetchError, Jwks, KeySource, Timing},
    keys::KeySet,
};

/// The path of the discovery document below the issuer (OIDC Discovery §4).
pub const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Settings of every service that trusts the identity provider.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Identity provider")]
pub struct IssuerArgs {
    /// Issuer, exactly as tokens name it [default: idp's public URL]
    #[arg(long, env = "IDP_ISSUER", value_name = "URL")]
    pub idp_issuer: Option<String>,
    /// Address at which this service reaches the issuer [default: the issuer itself]
    #[arg(long, env = "IDP_INTERNAL_URL", value_name = "URL")]
    pub idp_internal_url: Option<String>,
}

impl IssuerArgs {
    /// Validates both settings and adds every error to `problems`.
    pub fn read(&self, common: &Common, problems: &mut Problems) -> Option<Issuer> {
        self.read_at(&common.addresses, &common.trust, problems)
    }

    /// The same for a program without the common settings.
    pub fn read_at(
        &self,
        addresses: &Addresses,
        trust: &Trust,
        problems: &mut Problems,
    ) -> Option<Issuer> {
        let name = match &self.idp_issuer {
            None => Some(addresses.url(Site::Idp)),
            Some(text) => problems.issuer("IDP_ISSUER", text),
        };
        let internal = match &self.idp_internal_url {
            None => name.clone(),
            Some(text) => problems.http_url("IDP_INTERNAL_URL", text),
        };
        Some(Issuer::new(name?, &internal?).trusting(trust.clone()))
    }
}

/// The identity provider, from a resource server's view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    name: String,
    /// The name as URLs of it are written once a library has parsed them: the host in lower
    /// case, and without the default port.
    normal: String,
    internal: String,
    trust: Trust,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    /// The issuer `name`, reachable at `internal`.
    pub fn new(name: impl Into<String>, internal: &str) -> Self {
        let name = name.into();
        Self {
            normal: url::Url::parse(&name).map_or_else(|_| name.clone(), String::from),
            name,
            internal: internal.trim_end_matches('/').to_owned(),
            trust: Trust::default(),
        }
    }

    /// Uses `trust` for https connections.
    #[must_use]
    pub fn trusting(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// What https connections trust.
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The HTTP client for calls of the issuer.
    pub fn http_client(&self) -> reqwest::Client {
        self.trust.http_client()
    }

    /// The required value of `iss`, compared character by character.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of `path`, which starts with a `/`, below `name`. A `/` at the
    /// issuer's end is removed first (OIDC Discovery §4.1).
    pub fn below(&self, path: &str) -> String {
        format!("{}{path}", base(&self.name))
    }

    /// The address at which this service reaches `public`, an address of the issuer.
    /// Other addresses are returned unchanged.
    pub fn reach(&self, public: &str) -> String {
        let below = |name| {
            let path = public.strip_prefix(base(name))?;
            (path.is_empty() || path.starts_with(['/', '?'])).then_some(path)
        };
        match below(&self.name).or_else(|| below(&self.normal)) {
            Some(path) => format!("{}{path}", self.internal),
            None => public.to_owned(),
        }
    }

    /// A cache of the issuer's keys; empty until the first fetch.
    pub fn jwks(self, clock: Arc<dyn Clock>) -> Arc<Jwks> {
        let owner = self.name.clone();
        let source = PublishedKeys {
            http: self.http_client(),
            issuer: self,
        };
        Jwks::new(owner, source, Timing::default(), clock)
    }
}

/// The keys that the issuer's discovery document leads to.
struct PublishedKeys {
    issuer: Issuer,
    http: reqwest::Client,
}

#[async_trait]
impl KeySource for PublishedKeys {
    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let issuer = &self.issuer;
        let url = issuer.reach(&issuer.below(DISCOVERY));
        let document: Discovery = parse(&url, &get(&self.http, &url).await?)?;
        if document.issuer != issuer.name {
            return Err(FetchError::OtherIssuer {
                url,
                found: document.issuer,
                expected: issuer.name.clone(),
            });
        }
        let url = issuer.reach(&document.jwks_uri);
        let keys = KeySet::parse(&get(&self.http, &url).await?);
        keys.map_err(|source| FetchError::Malformed { url, source })
    }
}

/// The issuer without a `/` at its end.
fn base(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

async fn get(http: &reqwest::Client, url: &str) -> Result<Vec<u8>, FetchError> {
    let unreachable = |source: ReadError| FetchError::Unreachable {
        url: url.to_owned(),
        source,
    };
    let mut headers = reqwest::header::HeaderMap::new();
    kit::telemetry::propagation::inject(&mut headers);
    let answered = kit::net::send_idempotent(http.get(url).headers(headers)).await;
    let response = answered.map_err(|e| unreachable(e.into()))?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(FetchError::Status {
            url: url.to_owned(),
            status,
        });
    }
    read_bounded(response).await.map_err(unreachable)
}

fn parse<T: DeserializeOwned>(url: &str, body: &[u8]) -> Result<T, FetchError> {
    serde_json::from_slice(body).map_err(|source| FetchError::Malformed {
        url: url.to_owned(),
        source,
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn an_address_of_the_issuers_is_reached_inside() {
        let issuer = Issuer::new("https://idp.example", "http://idp.cluster:8081/");
        assert_eq!(
            issuer.reach("https://idp.example/jwks"),
            "http://idp.cluster:8081/jwks"
        );
    }

    #[test]
    fn an_issuers_address_is_its_own_in_the_normal_form_of_urls_too() {
        for name in [
            "https://tenant.example:443/",
            "https://tenant.example:443",
            "https://Tenant.Example/x",
        ] {
            let issuer = Issuer::new(name, "http://idp.cluster:8081");
            let parsed = url::Url::parse(&issuer.below("/token")).unwrap();
            for address in [issuer.below("/token"), parsed.into()] {
                let reached = issuer.reach(&address);
                assert_eq!(reached, "http://idp.cluster:8081/token", "{address}");
            }
        }
    }

    #[test]
    fn oidc_discovery_4_1_the_document_is_below_the_issuer_without_its_last_slash() {
        for (name, document) in [
            ("https://t.example", "https://t.example"),
            ("https://t.example/", "https://t.example"),
            ("https://t.example/a/b", "https://t.example/a/b"),
            ("https://t.example/a/b/", "https://t.example/a/b"),
        ] {
            let issuer = Issuer::new(name, name);
            assert_eq!(issuer.name(), name, "exactly as it is written");
            let url = issuer.reach(&issuer.below(DISCOVERY));
            assert_eq!(url, format!("{document}{DISCOVERY}"));
            let inside = Issuer::new(name, "http://idp.cluster:8081/");
            let url = inside.reach(&inside.below(DISCOVERY));
            assert_eq!(url, format!("http://idp.cluster:8081{DISCOVERY}"));
        }
    }

    #[test]
    fn an_address_elsewhere_stays_as_it_is() {
        let issuer = Issuer::new("https://idp.example", "http://idp.cluster:8081");
        for other in [
            "https://idp.example.evil/jwks",
            "https://keys.example/jwks",
            "https://idp.example@evil/jwks",
        ] {
            assert_eq!(issuer.reach(other), other);
        }
    }
}
