//! The Kubernetes API, as much of it as this needs: read a Secret, create one,
//! add keys to one. By plain REST: the client crates for Kubernetes bring
//! generated types for every resource there is, minutes of compiling for three
//! calls.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kit::{
    config::Problems,
    files,
    net::{CALL_TIMEOUT, CONNECT_TIMEOUT, ReadError, innermost, read_bounded},
};
use reqwest::{Certificate, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// The first wait before the same is asked again; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Adds keys and leaves all others as they are (RFC 7396).
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Where the API server is, and who we are there.
pub(super) struct Place<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) namespace: &'a str,
    pub(super) service_account: &'a Path,
}

/// The Secrets of a namespace.
pub(super) struct Api {
    http: reqwest::Client,
    /// The collection's address.
    secrets: String,
    token: PathBuf,
    /// Until when what is not there yet is asked again.
    until: Instant,
}

/// A Secret's keys. Not `Debug`: these are the values.
pub(super) type Data = BTreeMap<String, Vec<u8>>;

/// A Secret that is there.
pub(super) struct Found {
    /// Of this state of it (`resourceVersion`).
    version: String,
    pub(super) data: Data,
}

/// What came of a write.
pub(super) enum Written {
    Done(Found),
    /// Somebody else was faster: it has to be read again.
    Overtaken,
}

/// Why it cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("the API server: {0}")]
    Unreached(String),
    #[error("the API server, {what}: {answer}")]
    Refused { what: String, answer: String },
    #[error("the API server, {0}: the answer cannot be understood")]
    Unreadable(String),
}

#[derive(Deserialize)]
struct Secret {
    metadata: Metadata,
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    reason: String,
    message: String,
}

/// One request.
struct Call<'a> {
    method: Method,
    /// The Secret, for whoever reads what went wrong.
    name: &'a str,
    body: Option<Value>,
}

impl Api {
    /// Trusts the cluster's CA alone. What is wrong goes to `problems`.
    pub(super) fn new(
        place: &Place<'_>,
        patience: Duration,
        problems: &mut Problems,
    ) -> Option<Self> {
        let file = place.service_account.join("ca.crt");
        let pem = files::read_text(&file).map_err(|error| error.to_string());
        let read = pem
            .and_then(|pem| {
                Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| error.to_string())
            })
            .and_then(|all| {
                let empty = all.is_empty();
                (!empty).then_some(all).ok_or("no certificate in it".into())
            });
        let build = |authorities| {
            let client = reqwest::Client::builder()
                .tls_certs_only(authorities)
                .https_only(true)
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(CALL_TIMEOUT)
                .no_proxy();
            client.build().map_err(|error| error.to_string())
        };
        let http = read.and_then(build);
        let http = http.map_err(|what| {
            let what = format!("{}: {what}; this runs in a pod", file.display());
            problems.add("--service-account", what);
        });
        let host = match place.host {
            host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
            host => host.to_owned(),
        };
        let (port, namespace) = (place.port, place.namespace);
        Some(Self {
            http: http.ok()?,
            secrets: format!("https://{host}:{port}/api/v1/namespaces/{namespace}/secrets"),
            token: place.service_account.join("token"),
            until: Instant::now() + patience,
        })
    }

    /// The Secret `name`, where there is one.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Found>, ApiError> {
        let call = Call {
            method: Method::GET,
            name,
            body: None,
        };
        match self.send(&call).await? {
            (StatusCode::OK, body) => call.found(&body).map(Some),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) => Err(call.refused(status, &body)),
        }
    }

    /// Creates the Secret `name`.
    pub(super) async fn create(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
        data: &Data,
    ) -> Result<Written, ApiError> {
        let call = Call {
            method: Method::POST,
            name,
            body: Some(json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": { "name": name, "labels": labels },
                "type": "Opaque",
                "data": encoded(data),
            })),
        };
        match self.send(&call).await? {
            (StatusCode::CREATED | StatusCode::OK, body) => call.found(&body).map(Written::Done),
            // AlreadyExists; also where it was us, and the answer was lost.
            (StatusCode::CONFLICT, _) => Ok(Written::Overtaken),
            (status, body) => Err(call.refused(status, &body)),
        }
    }

    /// Adds `data` to the Secret `name`, if it still is what `found` was.
    pub(super) async fn add(
        &self,
        name: &str,
        found: &Found,
        data: &Data,
    ) -> Result<Written, ApiError> {
        let call = Call {
            method: Method::PATCH,
            name,
            body: Some(json!({
                "metadata": { "resourceVersion": found.version },
                "data": encoded(data),
            })),
        };
        match self.send(&call).await? {
            (StatusCode::OK, body) => call.found(&body).map(Written::Done),
            (StatusCode::CONFLICT | StatusCode::NOT_FOUND, _) => Ok(Written::Overtaken),
            (status, body) => Err(call.refused(status, &body)),
        }
    }

    /// Sends it until there is an answer that waiting would not change. A write
    /// that was done and whose answer was lost meets itself as a conflict.
    async fn send(&self, call: &Call<'_>) -> Result<(StatusCode, Vec<u8>), ApiError> {
        let mut wait = FIRST_WAIT;
        loop {
            let answer = self.send_once(call).await;
            let later = match &answer {
                Ok((status, _)) => {
                    // The role may be bound a moment after the pod has started.
                    matches!(status.as_u16(), 401 | 403 | 429) || status.is_server_error()
                }
                Err(_) => true,
            };
            if !later || Instant::now() + wait > self.until {
                return answer;
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn send_once(&self, call: &Call<'_>) -> Result<(StatusCode, Vec<u8>), ApiError> {
        // Anew each time: the kubelet replaces it before it ends.
        let token = files::read_text(&self.token);
        let token = token
            .map_err(|error| ApiError::Unreached(format!("{}: {error}", self.token.display())))?;
        let url = match call.method {
            Method::POST => self.secrets.clone(),
            _ => format!("{}/{}", self.secrets, call.name),
        };
        let mut request = self
            .http
            .request(call.method.clone(), url)
            .header(header::ACCEPT, "application/json")
            .bearer_auth(token.trim());
        if let Some(body) = &call.body {
            let kind = match call.method {
                Method::PATCH => MERGE_PATCH,
                _ => "application/json",
            };
            request = request
                .query(&[("fieldManager", "sso-lab")])
                .header(header::CONTENT_TYPE, kind)
                .body(body.to_string());
        }
        let answer = request.send().await.map_err(|error| unreached(&error))?;
        let status = answer.status();
        match read_bounded(answer).await {
            Ok(body) => Ok((status, body)),
            Err(ReadError::Http(error)) => Err(unreached(&error)),
            Err(ReadError::TooLarge) => Err(ApiError::Unreadable(call.to_string())),
        }
    }
}

impl Call<'_> {
    fn found(&self, body: &[u8]) -> Result<Found, ApiError> {
        let unreadable = || ApiError::Unreadable(self.to_string());
        let secret: Secret = serde_json::from_slice(body).map_err(|_| unreadable())?;
        let mut data = Data::new();
        for (key, value) in secret.data.unwrap_or_default() {
            let value = STANDARD.decode(value).map_err(|_| unreadable())?;
            data.insert(key, value);
        }
        Ok(Found {
            version: secret.metadata.resource_version,
            data,
        })
    }

    /// What the server said. Its sentence is shown only where it is about who
    /// may do what: elsewhere there may be a value in it.
    fn refused(&self, status: StatusCode, body: &[u8]) -> ApiError {
        let said: Status = serde_json::from_slice(body).unwrap_or_default();
        let sentence = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                said.message.chars().take(300).collect()
            }
            _ => String::new(),
        };
        let reason: String = said.reason.chars().take(60).collect();
        ApiError::Refused {
            what: self.to_string(),
            answer: format!("{} {reason} {sentence}", status.as_u16())
                .trim_end()
                .to_owned(),
        }
    }
}

impl std::fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verb = match self.method {
            Method::GET => "get",
            Method::POST => "create",
            _ => "patch",
        };
        write!(f, "{verb} {}", self.name)
    }
}

fn encoded(data: &Data) -> BTreeMap<&str, String> {
    data.iter()
        .map(|(key, value)| (key.as_str(), STANDARD.encode(value)))
        .collect()
}

/// With its innermost reason, which is the one that helps.
fn unreached(error: &reqwest::Error) -> ApiError {
    ApiError::Unreached(innermost(error))
}
