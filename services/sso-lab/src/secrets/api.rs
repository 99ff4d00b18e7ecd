//! The three calls of the Kubernetes API that are needed: read a Secret, create one, add
//! keys to one. They use plain REST: a client crate for Kubernetes has generated types for
//! every resource, which take minutes to compile.

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

/// The pause before the first repeat; each later one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Adds keys and keeps all others (RFC 7396).
const MERGE_PATCH: &str = "application/merge-patch+json";

/// The API server and this process's identity there.
pub(super) struct ApiServer<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) namespace: &'a str,
    pub(super) service_account: &'a Path,
}

/// The Secrets of a namespace.
pub(super) struct Api {
    http: reqwest::Client,
    /// The URL of the collection.
    secrets: String,
    token: PathBuf,
    /// The end of the repeats.
    until: Instant,
}

/// A Secret's keys. Not `Debug`: these are the values.
pub(super) type Data = BTreeMap<String, Vec<u8>>;

/// An existing Secret.
pub(super) struct Found {
    /// Its version (`resourceVersion`).
    version: String,
    pub(super) data: Data,
}

/// The outcome of a write.
pub(super) enum Written {
    Done(Found),
    /// Another process changed it first: read it again.
    Overtaken,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("the API server: {0}")]
    Unreached(String),
    #[error("the API server, {what}: {answer}")]
    Refused { what: String, answer: String },
    #[error("the API server, {0}: the response cannot be read")]
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
    /// The Secret, for error messages.
    name: &'a str,
    body: Option<Value>,
}

impl Api {
    /// Trusts only the cluster's CA. Errors are added to `problems`.
    pub(super) fn new(
        server: &ApiServer<'_>,
        patience: Duration,
        problems: &mut Problems,
    ) -> Option<Self> {
        let file = server.service_account.join("ca.crt");
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
        let host = match server.host {
            host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
            host => host.to_owned(),
        };
        let (port, namespace) = (server.port, server.namespace);
        Some(Self {
            http: http.ok()?,
            secrets: format!("https://{host}:{port}/api/v1/namespaces/{namespace}/secrets"),
            token: server.service_account.join("token"),
            until: Instant::now() + patience,
        })
    }

    /// The Secret `name`, if it exists.
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
            // AlreadyExists, also after a lost response of an earlier attempt.
            (StatusCode::CONFLICT, _) => Ok(Written::Overtaken),
            (status, body) => Err(call.refused(status, &body)),
        }
    }

    /// Adds `data` to the Secret `name`, if it is unchanged since `found`.
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

    /// Repeats the request until the response is final. After a write whose response was
    /// lost, the repeat is a conflict.
    async fn send(&self, call: &Call<'_>) -> Result<(StatusCode, Vec<u8>), ApiError> {
        let mut wait = FIRST_WAIT;
        loop {
            let answer = self.send_once(call).await;
            let later = match &answer {
                Ok((status, _)) => {
                    // The role may be bound a moment after the pod starts.
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
        // Read each time: the kubelet replaces it before it expires.
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

    /// The server's error. Its message is shown only for refused permissions: other messages
    /// can contain a value.
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

/// With the innermost cause, which is the helpful one.
fn unreached(error: &reqwest::Error) -> ApiError {
    ApiError::Unreached(innermost(error))
}
