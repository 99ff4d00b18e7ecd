//! `POST /backchannel-logout`: the provider says that a session is over (OIDC
//! Back-Channel Logout 1.0 §2.5). No cookie counts here, so no guard does; the
//! logout token proves who speaks.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{StatusCode, header},
    web,
};
use bytes::Bytes;
use kit::{seal::fingerprint, telemetry::names::OK};
use oauth_types::{ErrorBody, ErrorCode};
use store::{SharedStore, StoreError};
use web_kit::body::{Body, BodyError, FORM, is_form};

use crate::{
    params::Params,
    provider::{BadLogoutToken, LogoutToken, Subject},
    sessions::Whose,
    state::Bff,
    tokens::error::{provider_trouble, store_away},
};

/// Where it is.
pub(crate) const PATH: &str = "/backchannel-logout";

/// The logout tokens of one app that have done their work.
pub(crate) struct UsedLogoutTokens {
    store: SharedStore,
    client_id: &'static str,
}

/// Why nothing was ended.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Request(String),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Token(#[from] BadLogoutToken),
    #[error("jti: this logout token has been used.")]
    Replayed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The handler.
#[utoipa::path(
    post, path = "/backchannel-logout", summary = "The provider says that a session is over", tag = "This app",
    responses(
        (status = 200, description = "Its sessions have ended here"),
        (status = 400, description = "The logout token is refused"),
        (status = 503, description = "Not now: to be sent again"),
    )
)]
pub(crate) async fn backchannel_logout(
    req: HttpRequest,
    bff: web::Data<Bff>,
    body: Body,
) -> HttpResponse {
    let ended = end(&req, &bff, body).await;
    let outcome = ended.as_ref().err().map_or(OK, Refusal::outcome);
    bff.meters.logout_tokens.add(&[outcome]);
    let mut answer = match ended {
        Ok(ended) => {
            tracing::info!(ended, "the provider ended a session");
            HttpResponse::Ok().finish()
        }
        Err(refusal) => refusal.answer(),
    };
    // §2.8.
    let headers = answer.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    answer
}

/// Ends all sessions that are meant; gives how many. The token counts as used
/// only then: one whose work was cut short may come again.
async fn end(req: &HttpRequest, bff: &Bff, body: Body) -> Result<usize, Refusal> {
    if !is_form(req.headers()) {
        let why = "This is no form (section 2.5).".to_owned();
        return Err(Refusal::Request(why));
    }
    let token = read(&body.read(FORM).await?).map_err(Refusal::Request)?;
    let token = bff.provider.check_logout_token(&token).await?;
    let used = &bff.used_logout_tokens;
    if used.has(&token).await? {
        return Err(Refusal::Replayed);
    }
    let whose = match &token.subject {
        Subject::Login(sid) => Whose::Login(sid),
        Subject::User(sub) => Whose::User(sub),
    };
    let mut ended = bff.sessions.end_all(whose, token.issued_at).await?;
    if let (Subject::Login(sid), Some(sub)) = (&token.subject, &token.sub) {
        ended += bff.sessions.end_by_user(sub, sid).await?;
    }
    let ttl = bff.clock.now().until(token.good_until);
    // To end them twice does no harm, but of two that come at once one is the replay.
    used.add(&token, ttl)
        .await?
        .then_some(ended)
        .ok_or(Refusal::Replayed)
}

fn read(body: &[u8]) -> Result<String, String> {
    let form = Params::read(body).map_err(|error| error.to_string())?;
    let token = form.get("logout_token").map(ToOwned::to_owned);
    token.ok_or_else(|| "logout_token is missing (section 2.5).".to_owned())
}

impl UsedLogoutTokens {
    /// Those sent to `client_id`.
    pub(crate) const fn new(store: SharedStore, client_id: &'static str) -> Self {
        Self { store, client_id }
    }

    async fn has(&self, token: &LogoutToken) -> Result<bool, StoreError> {
        let mark = self.store.get(&self.key(token)).await?;
        Ok(mark.is_some())
    }

    /// Whether it was not there yet.
    async fn add(&self, token: &LogoutToken, ttl: Duration) -> Result<bool, StoreError> {
        let mark = Bytes::from_static(b"used");
        self.store.put_new(&self.key(token), mark, ttl).await
    }

    fn key(&self, token: &LogoutToken) -> String {
        let hash = fingerprint(&token.jti);
        format!("bff:{}:logout-token:{hash}", self.client_id)
    }
}

impl Refusal {
    /// In the few words that a metric has.
    const fn outcome(&self) -> &'static str {
        match self {
            Self::Store(_) | Self::Token(BadLogoutToken::Provider(_)) => "error",
            Self::Replayed => "replayed",
            Self::Request(_) | Self::Body(_) | Self::Token(_) => "refused",
        }
    }

    /// §2.8: 400 for what is wrong with the request, in the form of RFC 6749
    /// §5.2. What may work later is 503 or 502: the provider sends it again.
    fn answer(&self) -> HttpResponse {
        match self {
            Self::Store(error) => store_away(&error.to_string()).error_response(),
            Self::Token(BadLogoutToken::Provider(error)) => {
                provider_trouble(error).error_response()
            }
            Self::Body(error) if error.retry_after().is_some() => error.error_response(),
            Self::Body(error) => self.refused(error.status()),
            Self::Request(_) | Self::Token(_) | Self::Replayed => {
                self.refused(StatusCode::BAD_REQUEST)
            }
        }
    }

    fn refused(&self, status: StatusCode) -> HttpResponse {
        tracing::warn!("a logout token is refused: {self}");
        HttpResponse::build(status).json(ErrorBody {
            error: ErrorCode::InvalidRequest.as_str().to_owned(),
            error_description: Some(self.to_string()),
        })
    }
}
