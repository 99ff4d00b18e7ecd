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
use kit::{clock::whole_secs, x509::thumbprint};
use web_kit::{head::method_as_sent, peer_certificates, problem::Problem};

use crate::{
    caller::{Caller, Presented, SentProof, Transport},
    dpop,
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
            let certificate = peer_certificates(&req).map(|peer| thumbprint(peer.own()));
            let sent = values(&req, header::AUTHORIZATION);
            let proofs = values(&req, dpop::HEADER);
            let presented = Presented {
                authorization: &sent,
                proof: (!proofs.is_empty()).then(|| SentProof {
                    values: &proofs,
                    method: method_as_sent(&req),
                    transport: Transport::Http,
                    path: req.path(),
                }),
                certificate: certificate.as_deref(),
            };
            Ok(verifier.caller(presented).await?)
        })
    }
}

/// All values of the header `name`.
fn values(req: &HttpRequest, name: impl header::AsHeaderName) -> Vec<&[u8]> {
    let all = req.headers().get_all(name);
    all.map(header::HeaderValue::as_bytes).collect()
}

impl Refused {
    fn problem(&self) -> Problem {
        let title = match self.why() {
            Refusal::BadRequest(_) => "Unreadable credentials",
            Refusal::NoToken | Refusal::Invalid(_) => "A valid access token is required",
            Refusal::Proof(_) => "A valid DPoP proof is required",
            Refusal::InsufficientScope(_) => "The access token lacks the required scope",
            Refusal::NoKeys | Refusal::NoIntrospection | Refusal::NoStore => {
                "Access tokens cannot be verified"
            }
            Refusal::TooManyProofs(_) => "Too many calls",
        };
        let problem = Problem::new(self.status_code(), title).detail(self.to_string());
        let problem = match self.why().wait() {
            Some(wait) => problem.retry_after(whole_secs(wait)),
            None => problem,
        };
        let problem = match self.nonce() {
            Some(nonce) => problem.dpop_nonce(nonce),
            None => problem,
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
            Refusal::NoToken | Refusal::Invalid(_) | Refusal::Proof(_) => StatusCode::UNAUTHORIZED,
            Refusal::InsufficientScope(_) => StatusCode::FORBIDDEN,
            Refusal::NoKeys | Refusal::NoIntrospection | Refusal::NoStore => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Refusal::TooManyProofs(_) => StatusCode::TOO_MANY_REQUESTS,
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
