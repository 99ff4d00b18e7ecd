//! The control endpoints of the services: where they are, and how the lab asks them.

use std::time::Duration;

use futures_util::future::join_all;
use kit::{
    config::{Addresses, Problems, Site},
    lab_control::{CONTROLLED, InForce},
    net::{self, why},
};
use reqwest::{Client, Method, Url, header};
use serde::Deserialize;
use serde_json::Value;

/// The setting that lists them.
const SETTING: &str = "LAB_CONTROLS";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most replicas of one service that are asked.
const MAX_REPLICAS: usize = 20;

/// Where each service is controlled, in the order of their sites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls(Vec<Service>);

/// A service, with the addresses at which all its replicas answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) site: Site,
    urls: Vec<String>,
}

/// What all replicas of a service say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    /// The answers of those that answered.
    pub(crate) said: Vec<Value>,
    /// Why others did not, or refused.
    pub(crate) failed: Vec<String>,
}

/// What a service says of its failures.
#[derive(Deserialize)]
struct Said {
    in_force: Vec<InForce>,
}

impl Controls {
    /// The services of the deployment, each at the address that `url` returns.
    pub fn at(addresses: &Addresses, url: impl Fn(Site) -> String) -> Self {
        let there = CONTROLLED.into_iter();
        let there = there.filter(|(_, site)| addresses.sites().has(*site));
        let at = |(name, site)| Service {
            name,
            site,
            urls: vec![url(site)],
        };
        Self(there.map(at).collect())
    }

    /// The services of the deployment at their public addresses, or where `list` says:
    /// `service=URL`, separated by commas, many times for the same service.
    pub(crate) fn read(
        list: Option<&str>,
        addresses: &Addresses,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut all = Self::at(addresses, |site| addresses.url(site));
        let list = list.unwrap_or_default().split(',');
        let listed = list.map(str::trim).filter(|one| !one.is_empty());
        let mut given: Vec<(&str, String)> = Vec::new();
        for one in listed {
            let named = one.split_once('=');
            let named = named.filter(|(name, _)| CONTROLLED.iter().any(|(known, _)| known == name));
            let Some((name, url)) = named else {
                problems.add(SETTING, format_args!("{one:?}: expected service=URL"));
                return None;
            };
            given.push((name, problems.http_url(SETTING, url)?));
        }
        for service in &mut all.0 {
            let own = given.iter().filter(|(name, _)| *name == service.name);
            let own: Vec<_> = own.map(|(_, url)| url.clone()).collect();
            if !own.is_empty() {
                service.urls = own;
            }
        }
        Some(all)
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = &Service> {
        self.0.iter()
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Service> {
        self.services().find(|service| service.name == name)
    }
}

impl Service {
    /// Its site.
    pub(crate) const fn site(&self) -> Site {
        self.site
    }

    /// Sends a request to every replica, with the key of the lab's secret.
    pub(crate) async fn ask(
        &self,
        http: &Client,
        key: &str,
        (method, path): (Method, &str),
        body: Option<&Value>,
    ) -> Answers {
        let mut answers = Answers::default();
        let found = join_all(self.urls.iter().map(|url| replicas(url))).await;
        let mut all = Vec::new();
        for found in found {
            match found {
                Ok(found) => all.extend(found),
                Err(error) => answers.failed.push(error),
            }
        }
        let asked = all.iter().take(MAX_REPLICAS).map(|(url, host)| {
            let mut request = http.request(method.clone(), format!("{url}{path}"));
            request = request.bearer_auth(key).header(header::HOST, host);
            if let Some(body) = body {
                request = request.json(body);
            }
            ask(request)
        });
        for outcome in join_all(asked).await {
            match outcome {
                Ok(said) => answers.said.push(said),
                Err(error) => answers.failed.push(error),
            }
        }
        answers
    }
}

impl Answers {
    /// The failures that are on at one replica or more, each with its longest time.
    pub(crate) fn in_force(&self) -> Vec<InForce> {
        let mut all: Vec<InForce> = Vec::new();
        let said = self.said.iter();
        for one in said.filter_map(|said| Said::deserialize(said).ok()) {
            for on in one.in_force {
                match all.iter_mut().find(|known| known.fault == on.fault) {
                    Some(known) if known.remaining_ms < on.remaining_ms => *known = on,
                    Some(_) => {}
                    None => all.push(on),
                }
            }
        }
        all
    }
}

/// The address of each replica behind `url`, with the name that its request states. Behind
/// https the replicas cannot be told apart, because their certificate is for the name.
async fn replicas(url: &str) -> Result<Vec<(String, String)>, String> {
    let parsed: Url = url.parse().map_err(|_| format!("{url}: not an address"))?;
    let (Some(host), Some(port)) = (parsed.host_str(), parsed.port_or_known_default()) else {
        return Err(format!("{url}: not an address"));
    };
    let base = url.trim_end_matches('/');
    let stated = match parsed.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    if parsed.scheme() != "http" {
        return Ok(vec![(base.to_owned(), stated)]);
    }
    let looking = tokio::time::timeout(PATIENCE, net::resolve(host, port)).await;
    let found = looking.map_err(|_| format!("{host}: its name is not resolved in time"))?;
    let found = found.map_err(|error| format!("{host}: {error}"))?;
    let at = |address| (format!("http://{address}"), stated.clone());
    Ok(found.into_iter().map(at).collect())
}

async fn ask(request: reqwest::RequestBuilder) -> Result<Value, String> {
    let answer = request.timeout(PATIENCE).send().await;
    let answer = answer.map_err(|error| why(&error))?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| why(&error))?;
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status.is_success() {
        return Ok(said);
    }
    let detail = said["detail"].as_str().unwrap_or("The service refused.");
    Err(format!("{detail} ({})", status.as_u16()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(list: &str) -> (Option<Controls>, usize) {
        let mut problems = Problems::new();
        let controls = Controls::read(Some(list), &Addresses::default(), &mut problems);
        (controls, problems.lines().len())
    }

    #[test]
    fn services_are_at_their_public_addresses_or_where_the_setting_says() {
        let (controls, problems) = read("");
        let controls = controls.unwrap();
        assert_eq!(problems, 0);
        let urls: Vec<_> = controls
            .services()
            .map(|service| &*service.urls[0])
            .collect();
        assert_eq!(urls[0], "http://idp.localhost:8081");
        assert_eq!(urls.len(), 5);
        let (controls, _) = read("api-2=http://a:1, api-2=http://b:2");
        let controls = controls.unwrap();
        assert_eq!(
            controls.named("api-2").unwrap().urls,
            ["http://a:1", "http://b:2"]
        );
        assert_eq!(
            controls.named("idp").unwrap().urls,
            ["http://idp.localhost:8081"]
        );
        let some = Addresses::default().of_sites("lab,idp,app1".parse().unwrap());
        let some = Controls::read(None, &some, &mut Problems::new()).unwrap();
        assert!(some.named("app1-bff").is_some() && some.named("app2-bff").is_none());
    }

    #[test]
    fn what_names_no_service_or_no_address_is_refused() {
        for wrong in ["idp", "evil=http://a", "idp=nowhere", "=http://a"] {
            let (controls, problems) = read(wrong);
            assert!(controls.is_none() && problems == 1, "{wrong}");
        }
    }

    #[test]
    fn of_several_replicas_the_longest_time_counts() {
        let one = |fault: &str, remaining: u64| {
            json!({ "in_force": [{
                "fault": fault, "amount": 0, "remaining_ms": remaining, "sentence": "s",
            }] })
        };
        let answers = Answers {
            said: vec![one("down", 5), one("down", 9), one("store-away", 1)],
            failed: Vec::new(),
        };
        let all = answers.in_force();
        assert_eq!((all.len(), all[0].remaining_ms), (2, 9));
    }

    #[tokio::test]
    async fn a_request_goes_to_every_address_of_a_name() {
        let found = replicas("http://idp.localhost:8081").await.unwrap();
        let stated = "idp.localhost:8081".to_owned();
        assert_eq!(found, [("http://127.0.0.1:8081".to_owned(), stated)]);
        let found = replicas("https://idp.example.com/").await.unwrap();
        let stated = "idp.example.com".to_owned();
        assert_eq!(found, [("https://idp.example.com".to_owned(), stated)]);
        replicas("nowhere").await.unwrap_err();
    }
}
