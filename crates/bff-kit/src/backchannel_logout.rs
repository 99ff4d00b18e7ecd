//! `POST /backchannel-logout`: the provider ends sessions (OIDC Back-Channel Logout
//! 1.0 §2.5). The logout token authenticates the request, not a cookie, so the CSRF
//! guard does not apply.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{StatusCode, header},
    web,
};
use kit::telemetry::names::OK;
use oauth_types::{ErrorBody, ErrorCode};
use store::StoreError;
use web_kit::body::{Body, BodyError, FORM, is_form};

use crate::{
    params,
    problems::{provider_failed, store_unreachable},
    provider::{BadLogoutToken, Subject},
    sessions::Whose,
    state::Bff,
};

/// Its path.
pub(crate) const PATH: &str = "/backchannel-logout";

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
    post, path = "/backchannel-logout", summary = "The provider announces the end of a session", tag = "This app",
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

/// Ends all sessions of the logout token; returns how many. Only then is the token
/// marked as used: one whose work was interrupted may come again.
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
    // Ending them twice does no harm, but of two concurrent requests one is a replay.
    used.add(&token, ttl)
        .await?
        .then_some(ended)
        .ok_or(Refusal::Replayed)
}

fn read(body: &[u8]) -> Result<String, String> {
    let form = params::parse(body).map_err(|error| error.to_string())?;
    let token = form.get("logout_token").map(ToOwned::to_owned);
    token.ok_or_else(|| "logout_token is missing (section 2.5).".to_owned())
}

impl Refusal {
    /// The outcome that the metric counts.
    const fn outcome(&self) -> &'static str {
        match self {
            Self::Store(_) | Self::Token(BadLogoutToken::Provider(_)) => "error",
            Self::Replayed => "replayed",
            Self::Request(_) | Self::Body(_) | Self::Token(_) => "refused",
        }
    }

    /// §2.8: 400 for a bad request, in the form of RFC 6749 §5.2. A failure that may pass
    /// is 503 or 502: the provider sends the token again.
    fn answer(&self) -> HttpResponse {
        match self {
            Self::Store(error) => store_unreachable(&error.to_string()).error_response(),
            Self::Token(BadLogoutToken::Provider(error)) => provider_failed(error).error_response(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuzz_forms_of_logouts() {
        fuzz::run(
            &[
                "logout_token=a.b.c",
                "logout_token=a&logout_token=b",
                "logout_token=",
            ],
            |body| {
                let tokens =
                    url::form_urlencoded::parse(body).filter(|(name, _)| name == "logout_token");
                let tokens: Vec<_> = tokens.map(|(_, token)| token.into_owned()).collect();
                if let Ok(token) = read(body) {
                    assert_eq!(tokens, [token]);
                }
            },
        );
    }
}
