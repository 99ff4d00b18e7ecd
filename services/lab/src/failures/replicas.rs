//! The replicas of a service: how the lab finds all of them, asks each, and what they say
//! together.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::future::join_all;
use kit::{
    bounded_cache::BoundedCache,
    lab_control::InForce,
    net::{self, Trust, why},
};
use parking_lot::Mutex;
use reqwest::{Client, Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most replicas of one service that are asked.
const MAX_REPLICAS: usize = 20;
/// The most addresses whose clients are kept.
const MAX_CLIENTS: usize = 200;

/// A request to each replica of a service: method, path with query, and body.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
}

/// A replica: the address of its service, and the one of its own behind that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replica {
    url: String,
    at: SocketAddr,
}

/// What the replicas of a service say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    /// The answers of those that did what was asked.
    pub(crate) said: Vec<Value>,
    /// Why others did not.
    pub(crate) failed: Vec<Failed>,
}

/// Why a replica did not do what was asked.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    /// Where it is.
    place: String,
    why: String,
    /// The status of its answer, if it answered.
    status: Option<StatusCode>,
    /// Whether the request never left, so that another replica may be asked.
    is_unsent: bool,
}

/// A failure that is on, and at how many replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) failure: InForce,
    pub(super) replicas: usize,
}

/// What a service says of its failures.
#[derive(Deserialize)]
struct Said {
    in_force: Vec<InForce>,
}

/// The clients of the replicas, each for one address. Requests of one client would share its
/// connections, so that all of them could reach the same replica.
pub(super) struct Clients {
    trust: Trust,
    key: String,
    known: Mutex<BoundedCache<IpAddr, Client>>,
}

impl Clients {
    /// Clients that present `key`.
    pub(super) fn new(trust: Trust, key: &str) -> Self {
        Self {
            trust,
            key: key.to_owned(),
            known: Mutex::new(BoundedCache::new(MAX_CLIENTS)),
        }
    }

    fn at(&self, address: IpAddr) -> Client {
        if let Some(client) = self.known.lock().get(&address) {
            return client.clone();
        }
        let client = self.trust.http_client_at(address);
        self.known.lock().insert(address, client.clone());
        client
    }

    /// Asks every replica behind `urls`.
    pub(super) async fn ask_all(&self, urls: &[String], asked: &Asked) -> Answers {
        let (found, failed) = replicas(urls).await;
        self.ask_each(&found, failed, asked).await
    }

    async fn ask_each(&self, found: &[Replica], mut failed: Vec<Failed>, asked: &Asked) -> Answers {
        if found.len() > MAX_REPLICAS {
            let more = &found[MAX_REPLICAS..];
            let late = more.iter().map(|replica| {
                let why = format!("it is beyond the {MAX_REPLICAS} replicas that the lab asks");
                Failed::unsent(replica.at.to_string(), why)
            });
            failed.extend(late);
        }
        let each = found.iter().take(MAX_REPLICAS);
        let outcomes = join_all(each.map(|replica| self.ask(replica, asked))).await;
        let mut answers = Answers {
            said: Vec::new(),
            failed,
        };
        for outcome in outcomes {
            answers.add(outcome);
        }
        answers
    }

    /// Asks one replica behind `urls`: the first that can be reached.
    pub(super) async fn ask_one(&self, urls: &[String], asked: &Asked) -> Answers {
        let (found, failed) = replicas(urls).await;
        self.ask_first(&found, failed, asked).await
    }

    async fn ask_first(
        &self,
        found: &[Replica],
        mut failed: Vec<Failed>,
        asked: &Asked,
    ) -> Answers {
        for replica in found.iter().take(MAX_REPLICAS) {
            let mut answers = Answers::default();
            match self.ask(replica, asked).await {
                Err(unsent) if unsent.is_unsent => failed.push(unsent),
                outcome => {
                    answers.add(outcome);
                    return answers;
                }
            }
        }
        Answers {
            said: Vec::new(),
            failed,
        }
    }

    async fn ask(&self, replica: &Replica, asked: &Asked) -> Result<Value, Failed> {
        let url = format!("{}{}", replica.url, asked.path);
        let client = self.at(replica.at.ip());
        let mut request = client.request(asked.method.clone(), url);
        request = request.bearer_auth(&self.key).timeout(PATIENCE);
        if let Some(body) = &asked.body {
            request = request.json(body);
        }
        let place = || replica.at.to_string();
        let lost = |error: reqwest::Error| Failed {
            is_unsent: error.is_connect(),
            ..Failed::unsent(place(), why(&error))
        };
        let answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        let body = net::read_bounded(answer).await;
        let body = body.map_err(|error| Failed {
            status: Some(status),
            is_unsent: false,
            ..Failed::unsent(place(), error.to_string())
        })?;
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(said);
        }
        let detail = said["detail"].as_str().unwrap_or("The service refused.");
        Err(Failed {
            status: Some(status),
            is_unsent: false,
            ..Failed::unsent(
                place(),
                format!("{} ({})", detail.trim_end_matches('.'), status.as_u16()),
            )
        })
    }
}

impl Asked {
    /// A question that changes nothing.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            body: None,
        }
    }
}

impl Failed {
    const fn unsent(place: String, why: String) -> Self {
        Self {
            place,
            why,
            status: None,
            is_unsent: true,
        }
    }
}

impl Answers {
    fn add(&mut self, outcome: Result<Value, Failed>) {
        match outcome {
            Ok(said) => self.said.push(said),
            Err(failed) => self.failed.push(failed),
        }
    }

    /// How many replicas there are, as far as the lab knows.
    pub(super) const fn replicas(&self) -> usize {
        self.said.len() + self.failed.len()
    }

    /// Why a replica did not do what was asked, if one did not; `done` names it.
    pub(crate) fn problem(&self, done: &str) -> Option<String> {
        let first = self.failed.first()?;
        let why = first.why.trim_end_matches('.');
        let all = self.replicas();
        if all == 1 {
            return Some(format!("{why}."));
        }
        let said = self.said.len();
        Some(format!(
            "{said} of {all} replicas {done}. {}: {why}.",
            first.place
        ))
    }

    /// Whether each replica refused the request as wrong.
    pub(super) fn is_refused(&self) -> bool {
        let wrong = |failed: &Failed| failed.status == Some(StatusCode::BAD_REQUEST);
        self.said.is_empty() && !self.failed.is_empty() && self.failed.iter().all(wrong)
    }

    /// The failures that are on at one replica or more, each with its longest time.
    pub(super) fn in_force(&self) -> Vec<Held> {
        let mut all: Vec<Held> = Vec::new();
        let said = self.said.iter();
        for one in said.filter_map(|said| Said::deserialize(said).ok()) {
            for on in one.in_force {
                match all.iter_mut().find(|held| held.failure.fault == on.fault) {
                    Some(held) => {
                        held.replicas += 1;
                        if held.failure.remaining_ms < on.remaining_ms {
                            held.failure = on;
                        }
                    }
                    None => all.push(Held {
                        failure: on,
                        replicas: 1,
                    }),
                }
            }
        }
        all
    }
}

/// The replicas behind all `urls`, and why those behind some cannot be found. They are
/// looked for at each request, because replicas come and go.
async fn replicas(urls: &[String]) -> (Vec<Replica>, Vec<Failed>) {
    let (mut all, mut failed) = (Vec::new(), Vec::new());
    for (url, found) in urls
        .iter()
        .zip(join_all(urls.iter().map(|url| behind(url))).await)
    {
        match found {
            Ok(found) => all.extend(found),
            Err(why) => failed.push(Failed::unsent(url.clone(), why)),
        }
    }
    (all, failed)
}

/// The replicas behind `url`: each address of its name.
async fn behind(url: &str) -> Result<Vec<Replica>, String> {
    let parsed: Url = url.parse().map_err(|_| "it is no address".to_owned())?;
    let (Some(host), Some(port)) = (parsed.host_str(), parsed.port_or_known_default()) else {
        return Err("it is no address".to_owned());
    };
    let looking = tokio::time::timeout(PATIENCE, net::resolve(host, port)).await;
    let found = looking.map_err(|_| "its name is not resolved in time".to_owned())?;
    let found = found.map_err(|error| format!("its name cannot be resolved: {error}"))?;
    Ok(each(url, found))
}

fn each(url: &str, mut found: Vec<SocketAddr>) -> Vec<Replica> {
    found.sort_unstable();
    found.dedup();
    let url = url.trim_end_matches('/');
    let at = |at| Replica {
        url: url.to_owned(),
        at,
    };
    found.into_iter().map(at).collect()
}

#[cfg(test)]
mod tests;
