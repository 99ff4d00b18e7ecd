//! Responses: authentication, the role, the three calls.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    header,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{NAMESPACE, Secret, State};

type Answer = (u16, Value);

pub(super) async fn handle(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes);
    let text = |name| {
        let value = head.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let asked = format!("{} {}", head.method, head.uri.path());
    state.lock().requests.push(asked);
    let refusal = refused(&state, text(header::AUTHORIZATION));
    let (status, body) = if let Some(refusal) = refusal {
        refusal
    } else {
        if head.method != Method::GET {
            before_write(&state).await;
        }
        let kind = text(header::CONTENT_TYPE);
        let body = serde_json::from_slice(&body.unwrap_or_default()).unwrap_or(Value::Null);
        answer(&state, &head.method, head.uri.path(), kind, &body)
    };
    let answer = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json");
    Ok(answer.body(Full::from(body.to_string())).unwrap())
}

fn refused(state: &Mutex<State>, authorization: &str) -> Option<Answer> {
    let mut state = state.lock();
    if let Some(status) = state.refusals.pop() {
        return Some(failure(status, "Test", "refused by the test"));
    }
    let good = authorization == format!("Bearer {}", state.token);
    (!good).then(|| failure(401, "Unauthorized", "Unauthorized"))
}

/// What a test does between the arrival of a write and its execution.
async fn before_write(state: &Mutex<State>) {
    let meeting = {
        let mut state = state.lock();
        match &mut state.meeting {
            Some((barrier, left)) if *left > 0 => {
                *left -= 1;
                Some(Arc::clone(barrier))
            }
            _ => None,
        }
    };
    if let Some(barrier) = meeting {
        barrier.wait().await;
    }
    let hangs = {
        let mut state = state.lock();
        if let Some((name, key, value)) = state.meanwhile.take() {
            state.version += 1;
            let version = state.version;
            let secret = state.secrets.entry(name).or_default();
            secret.version = version;
            secret.data.insert(key, value);
        }
        match &mut state.writes_left {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    };
    if hangs {
        std::future::pending::<()>().await;
    }
}

fn answer(state: &Mutex<State>, method: &Method, path: &str, kind: &str, body: &Value) -> Answer {
    let collection = format!("/api/v1/namespaces/{NAMESPACE}/secrets");
    let Some(rest) = path.strip_prefix(&collection) else {
        return failure(403, "Forbidden", "nothing but its Secrets");
    };
    let mut state = state.lock();
    match (method, rest.strip_prefix('/')) {
        // The path contains no name, so a role cannot restrict this call by name.
        (&Method::POST, None) => create(&mut state, kind, body),
        (&Method::GET | &Method::PATCH, Some(name)) if !state.allowed.iter().any(|a| a == name) => {
            let who = "system:serviceaccount:sso:secrets";
            let what = format!("secrets \"{name}\" is forbidden: User \"{who}\" cannot do this");
            failure(403, "Forbidden", &what)
        }
        (&Method::GET, Some(name)) => match state.secrets.get(name) {
            Some(secret) => (200, shown(name, secret)),
            None => not_found(name),
        },
        (&Method::PATCH, Some(name)) => patch(&mut state, name, kind, body),
        _ => failure(403, "Forbidden", "the role does not allow it"),
    }
}

fn create(state: &mut State, kind: &str, body: &Value) -> Answer {
    let name = body["metadata"]["name"].as_str().unwrap_or_default();
    if kind != "application/json" || body["kind"] != "Secret" || name.is_empty() {
        return failure(400, "BadRequest", "not a Secret");
    }
    if state.secrets.contains_key(name) {
        let what = format!("secrets \"{name}\" already exists");
        return failure(409, "AlreadyExists", &what);
    }
    let labels = body["metadata"]["labels"].clone();
    let Some(data) = decoded(&body["data"]) else {
        return failure(400, "BadRequest", "illegal base64 data");
    };
    state.version += 1;
    let secret = Secret {
        version: state.version,
        labels: serde_json::from_value(labels).unwrap_or_default(),
        data,
    };
    let shown = shown(name, &secret);
    state.secrets.insert(name.to_owned(), secret);
    (201, shown)
}

/// RFC 7396, with `resourceVersion` as a precondition.
fn patch(state: &mut State, name: &str, kind: &str, body: &Value) -> Answer {
    if kind != "application/merge-patch+json" {
        return failure(415, "UnsupportedMediaType", "not a patch");
    }
    let Some(secret) = state.secrets.get_mut(name) else {
        return not_found(name);
    };
    let expected = body["metadata"]["resourceVersion"].as_str();
    if expected.is_some_and(|expected| expected != secret.version.to_string()) {
        let what = "the object has been modified; please apply your changes to the latest version";
        return failure(409, "Conflict", what);
    }
    let Some(data) = decoded(&body["data"]) else {
        return failure(400, "BadRequest", "illegal base64 data");
    };
    state.version += 1;
    secret.version = state.version;
    secret.data.extend(data);
    (200, shown(name, secret))
}

fn decoded(data: &Value) -> Option<BTreeMap<String, Vec<u8>>> {
    let pairs = data.as_object()?.iter();
    pairs
        .map(|(key, value)| Some((key.clone(), STANDARD.decode(value.as_str()?).ok()?)))
        .collect()
}

fn shown(name: &str, secret: &Secret) -> Value {
    let data = secret.data.iter();
    let data: BTreeMap<_, _> = data
        .map(|(key, value)| (key, STANDARD.encode(value)))
        .collect();
    let mut shown = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": secret.labels,
            "resourceVersion": secret.version.to_string(),
        },
        "type": "Opaque",
    });
    // A Secret without keys has no `data`.
    if !data.is_empty() {
        shown["data"] = json!(data);
    }
    shown
}

fn not_found(name: &str) -> Answer {
    failure(404, "NotFound", &format!("secrets \"{name}\" not found"))
}

fn failure(status: u16, reason: &str, message: &str) -> Answer {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "reason": reason, "message": message, "code": status,
    });
    (status, body)
}
