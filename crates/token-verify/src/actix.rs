//! HTTP adapter: [`Caller`] as an extractor, refusals as problem+json. The service
//! registers its verifier as `web::Data<Verifier>`.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, ResponseError,
    dev::Payload,
    http::{StatusCode, header},
    web,
};
use web_kit::problem::Problem;

use crate::{
    caller::Caller,
    refusal::{Refusal, Refused},
    verifier::Verifier,
};

impl FromRequest for Caller {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let Some(verifier) = req.app_data::<web::Data<Verifier>>() else {
                // Without a registered verifier, every request is refused.
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                return Err(Problem::new(status, "Access tokens cannot be verified").into());
            };
            let sent: Vec<_> = req
                .headers()
                .get_all(header::AUTHORIZATION)
                .map(header::HeaderValue::as_bytes)
                .collect();
            Ok(verifier.caller(&sent).await?)
        })
    }
}

impl Refused {
    fn problem(&self) -> Problem {
        let title = match self.why() {
            Refusal::BadRequest(_) => "Unreadable credentials",
            Refusal::NoToken | Refusal::Invalid(_) => "A valid access token is required",
            Refusal::InsufficientScope(_) => "The access token lacks the required scope",
            Refusal::NoKeys => "Access tokens cannot be verified",
        };
        let problem = Problem::new(self.status_code(), title).detail(self.to_string());
        let problem = match self.why() {
            Refusal::NoKeys => problem.retry_after(1),
            _ => problem,
        };
        match self.challenge() {
            Some(challenge) => problem.www_authenticate(challenge),
            None => problem,
        }
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        match self.why() {
            Refusal::BadRequest(_) => StatusCode::BAD_REQUEST,
            Refusal::NoToken | Refusal::Invalid(_) => StatusCode::UNAUTHORIZED,
            Refusal::InsufficientScope(_) => StatusCode::FORBIDDEN,
            Refusal::NoKeys => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        self.problem().error_response()
    }
}

/// `GET /whoami`: the claims of the access token, never the token itself.
#[expect(
    clippy::needless_pass_by_value,
    reason = "actix passes extractors by value"
)]
pub fn whoami(caller: Caller) -> Ready<HttpResponse> {
    let said = HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(caller.claims());
    ready(said)
}
