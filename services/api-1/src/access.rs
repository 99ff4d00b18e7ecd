//! Who calls: somebody with an access token or, where the settings allow it, a program with
//! an API key, or a user whom a trusted peer states.

use std::{future::Future, pin::Pin, sync::Arc};

use actix_web::{
    Error, FromRequest, HttpRequest, HttpResponse, dev::Payload, http::StatusCode, web::Data,
};
use kit::telemetry::names::{API_KEY, CREDENTIAL, IDENTITY_HEADER};
use serde_json::json;
use token_verify::Caller;
use web_kit::{client::client_addr, problem::Problem, trace};

use crate::{
    AUDIENCE,
    api_keys::{ApiKeys, HEADER, KeyCaller, Refused},
    identity::{BadStatement, IdentityCaller, StatedIdentities},
};

/// How the owner of an API key's orders begins. No user has such a name.
const KEY_OWNER: &str = "api-key:";

/// The checks of callers without an access token.
#[derive(Clone)]
pub(crate) struct CallerChecks {
    /// API keys; `None`: API-1 takes none.
    pub(crate) keys: Option<Arc<ApiKeys>>,
    /// Users whom a trusted peer states.
    pub(crate) identity: Arc<StatedIdentities>,
}

/// A caller whose credential is valid.
pub(crate) enum Access {
    /// With an access token.
    Token(Caller),
    /// With an API key: no user.
    Key(KeyCaller, Arc<ApiKeys>),
    /// A user whom a trusted peer states.
    Stated(IdentityCaller, Arc<StatedIdentities>),
}

impl FromRequest for Access {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checks = req.app_data::<Data<CallerChecks>>();
        if let Some(access) = checks.and_then(|checks| checks.access(req)) {
            return Box::pin(std::future::ready(access.map_err(Error::from)));
        }
        let caller = Caller::from_request(req, payload);
        Box::pin(async move { Ok(Self::Token(caller.await?)) })
    }
}

impl CallerChecks {
    /// The caller of a request with an API key or with a stated user; `None` without both.
    fn access(&self, req: &HttpRequest) -> Option<Result<Access, Problem>> {
        let keys = self.keys.as_ref();
        let keys = keys.filter(|_| req.headers().contains_key(HEADER));
        let is_alone = keys.is_none() && !has_token(req);
        if let Some(stated) = self.identity.caller(req, is_alone) {
            record_credential(req, IDENTITY_HEADER);
            return Some(by_identity(&self.identity, stated));
        }
        keys.map(|keys| {
            record_credential(req, API_KEY);
            by_key(keys, req)
        })
    }
}

/// Records in the request's span the kind of credential that the call has in place of an
/// access token.
fn record_credential(req: &HttpRequest, credential: &'static str) {
    trace::span_of(req).record(CREDENTIAL, credential);
}

fn has_token(req: &HttpRequest) -> bool {
    req.headers().contains_key("authorization")
}

/// The user whom the request's peer states.
fn by_identity(
    identities: &Arc<StatedIdentities>,
    stated: Result<IdentityCaller, BadStatement>,
) -> Result<Access, Problem> {
    let refused = |title, why: String| {
        let problem = Problem::new(StatusCode::BAD_REQUEST, title);
        Err(problem.detail(why))
    };
    match stated {
        Ok(caller) if caller.sub.starts_with(KEY_OWNER) => {
            let why = format!("{KEY_OWNER}… is the name of no user.");
            refused("Unreadable identity", why)
        }
        Ok(caller) => Ok(Access::Stated(caller, identities.clone())),
        Err(why @ BadStatement::Unreadable(_)) => refused("Unreadable identity", why.to_string()),
        Err(why @ (BadStatement::Several | BadStatement::OtherCredential)) => {
            refused("More than one credential", why.to_string())
        }
    }
}

/// The caller by the request's API key.
fn by_key(keys: &Arc<ApiKeys>, req: &HttpRequest) -> Result<Access, Problem> {
    let sent: Vec<_> = req.headers().get_all(HEADER).collect();
    let ([one], false) = (&sent[..], has_token(req)) else {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "More than one credential");
        return Err(problem.detail("Send one API key, or one access token, and not both."));
    };
    let text = one.to_str().unwrap_or_default();
    let checked = keys.check(text, client_addr(req).bucket());
    match checked {
        Ok(caller) => Ok(Access::Key(caller, keys.clone())),
        Err(Refused::Invalid) => {
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "A valid API key is required");
            let problem = problem.detail("No key is this one, or it has ended or was revoked.");
            Err(problem.www_authenticate(format!("Bearer realm=\"{AUDIENCE}\"")))
        }
        Err(Refused::TooMany(wait)) => {
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "Too many wrong API keys");
            let problem = problem.detail("Too many wrong API keys came from your address.");
            Err(problem.retry_after(wait.as_secs().max(1)))
        }
    }
}

impl Access {
    /// Whose orders they are: the user's or client's, or those of the key's name. A user
    /// whom a peer states has the same orders as with a token.
    pub(crate) fn owner(&self) -> String {
        match self {
            Self::Token(caller) => caller.sub().to_owned(),
            Self::Key(caller, _) => format!("{KEY_OWNER}{}", caller.name),
            Self::Stated(caller, _) => caller.sub.clone(),
        }
    }

    /// Refuses unless the credential has the scope `needed`.
    pub(crate) fn require_scope(&self, needed: &str) -> Result<(), Error> {
        match self {
            Self::Token(caller) => Ok(caller.require_scope(needed)?),
            Self::Key(KeyCaller { scope, .. }, _)
            | Self::Stated(IdentityCaller { scope, .. }, _)
                if scope.contains(needed) =>
            {
                Ok(())
            }
            Self::Key(_, keys) => {
                keys.count_insufficient_scope();
                Err(lacks("The API key lacks the scope", needed).into())
            }
            Self::Stated(_, identities) => {
                identities.count_insufficient_scope();
                Err(lacks("The identity lacks the scope", needed).into())
            }
        }
    }
}

fn lacks(title: &'static str, needed: &str) -> Problem {
    let problem = Problem::new(StatusCode::FORBIDDEN, title);
    problem.detail(format!("The call needs the scope {needed}."))
}

/// `GET /whoami`: what the credential of the call was taken to say, never itself.
#[utoipa::path(
    get, path = "/whoami", summary = "What the API knows of the caller", tag = "Caller",
    description = "The claims of the access token, or the name of the API key. It needs no scope.",
    security(("oauth2" = []), ("dpop" = [], "oauth2" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "What the credential says, and never itself"),
        (status = 400, description = "More than one credential"),
        (status = 401, description = "No valid access token or API key"),
    )
)]
pub(crate) async fn whoami(access: Access) -> HttpResponse {
    let known = match access {
        Access::Token(caller) => return token_verify::actix::whoami(caller).await,
        Access::Key(caller, _) => json!({
            "sub": null,
            "aud": AUDIENCE,
            "scope": caller.scope,
            "api_key": {"id": caller.id, "name": caller.name},
        }),
        Access::Stated(caller, _) => json!({
            "sub": caller.sub,
            "aud": AUDIENCE,
            "scope": caller.scope,
            "stated_by": &*caller.by,
        }),
    };
    HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(known)
}
