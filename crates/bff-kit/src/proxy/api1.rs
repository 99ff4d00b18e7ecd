//! `/api1/…`: calls to API-1 over HTTP.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Bytes},
};
use http::{HeaderValue, Method, header};
use kit::{config::Site, telemetry::names::span};
use token_verify::dpop;
use tracing::Instrument as _;
use web_kit::{body::Body, problem::Problem};

use super::{
    Api1, Api1Paths, ApiPath, Upstreams, headers,
    http1::{Answer, Call},
    order::Order,
    problems, with_credential,
};
use crate::{
    audiences::API1,
    credentials::Credential,
    prover::Server,
    sessions::{Purpose, Session},
    state::Bff,
};

const CALL: Purpose = Purpose::Call(&API1);

/// What the app sends to API-1, without headers and credential. The credential decides
/// which port it goes to.
struct ApiRequest {
    method: Method,
    at: fn(&Api1Paths) -> &ApiPath,
    body: Bytes,
}

const ORDERS: fn(&Api1Paths) -> &ApiPath = |paths| &paths.orders;

impl ApiRequest {
    const fn get(at: fn(&Api1Paths) -> &ApiPath) -> Self {
        Self {
            method: Method::GET,
            at,
            body: Bytes::new(),
        }
    }

    fn place(order: &Order) -> Self {
        Self {
            method: Method::POST,
            at: ORDERS,
            body: serde_json::to_vec(order).unwrap_or_default().into(),
        }
    }
}

/// `GET /api1/data`: the user's orders.
#[utoipa::path(
    get, path = "/api1/data", summary = "List your orders", tag = "API-1, orders", security(("session" = [])),
    responses((status = 200, description = "Your orders"), (status = 401, description = "No session"))
)]
pub(crate) async fn list(
    req: HttpRequest,
    bff: web::Data<Bff>,
    upstreams: web::Data<Upstreams>,
) -> Result<HttpResponse, Problem> {
    get(&req, &bff, &upstreams, ORDERS).await
}

/// `POST /api1/data`: places an order.
#[utoipa::path(
    post, path = "/api1/data", summary = "Place an order", tag = "API-1, orders", security(("session" = [])), request_body = Order,
    responses(
        (status = 201, description = "Placed"),
        (status = 401, description = "No session"),
        (status = 403, description = "No X-CSRF: 1"),
        (status = 409, description = "More than there is"),
    )
)]
pub(crate) async fn place(
    req: HttpRequest,
    bff: web::Data<Bff>,
    upstreams: web::Data<Upstreams>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let calling = bff.sessions.with_session(&req, CALL, async |session| {
        let order = Order::receive(req.headers(), body).await?;
        let request = ApiRequest::place(&order);
        relay(&req, &bff, &upstreams, session, request).await
    });
    calling.await
}

/// `GET /api1/order`: places an order by GET. Only in a lab with the weakness
/// `get-orders`.
pub(crate) async fn place_by_get(
    req: HttpRequest,
    bff: web::Data<Bff>,
    upstreams: web::Data<Upstreams>,
) -> Result<HttpResponse, Problem> {
    let calling = bff.sessions.with_session(&req, CALL, async |session| {
        let order = Order::of_query(req.query_string())?;
        let request = ApiRequest::place(&order);
        relay(&req, &bff, &upstreams, session, request).await
    });
    calling.await
}

/// `GET /api1/report`: orders and stock. API-1 asks API-2 for the stock.
#[utoipa::path(
    get, path = "/api1/report", summary = "Orders and stock together", tag = "API-1, orders", security(("session" = [])),
    responses((status = 200, description = "Orders and stock"), (status = 401, description = "No session"))
)]
pub(crate) async fn report(
    req: HttpRequest,
    bff: web::Data<Bff>,
    upstreams: web::Data<Upstreams>,
) -> Result<HttpResponse, Problem> {
    get(&req, &bff, &upstreams, |paths| &paths.report).await
}

/// `GET /api1/whoami`: what API-1 knows of the user.
#[utoipa::path(
    get, path = "/api1/whoami", summary = "What API-1 knows of you", tag = "API-1, orders", security(("session" = [])),
    responses((status = 200, description = "What the credential of the call says"), (status = 401, description = "No session"))
)]
pub(crate) async fn whoami(
    req: HttpRequest,
    bff: web::Data<Bff>,
    upstreams: web::Data<Upstreams>,
) -> Result<HttpResponse, Problem> {
    get(&req, &bff, &upstreams, |paths| &paths.whoami).await
}

/// Passes a GET on to an address of API-1.
async fn get(
    req: &HttpRequest,
    bff: &Bff,
    upstreams: &Upstreams,
    at: fn(&Api1Paths) -> &ApiPath,
) -> Result<HttpResponse, Problem> {
    let request = ApiRequest::get(at);
    let calling = bff.sessions.with_session(req, CALL, async |session| {
        relay(req, bff, upstreams, session, request).await
    });
    calling.await
}

async fn relay(
    req: &HttpRequest,
    bff: &Bff,
    upstreams: &Upstreams,
    session: &mut Session,
    request: ApiRequest,
) -> Result<HttpResponse, Problem> {
    let call = |api1: &Api1| Call {
        method: request.method.clone(),
        uri: (request.at)(&api1.paths).uri.clone(),
        headers: headers::to_api(req),
        body: request.body.clone(),
    };
    let send = async |credential: &Credential| {
        let sending = send(bff, upstreams, (request.at, call), credential);
        sending.await
    };
    let is_refused = |answer: &Answer| answer.status == http::StatusCode::UNAUTHORIZED;
    let answer = with_credential(bff, req, session, &API1, send, is_refused).await?;
    pass_on(answer)
}

/// Makes `call` to a path of API-1. Returns the answer, and whether it has a new nonce for
/// proofs.
async fn send(
    bff: &Bff,
    upstreams: &Upstreams,
    (at, call): (fn(&Api1Paths) -> &ApiPath, impl Fn(&Api1) -> Call),
    credential: &Credential,
) -> Result<(Answer, bool), Problem> {
    let span = kit::step!(
        span::UPSTREAM,
        "sso.to" = "api-1",
        "sso.audience" = API1.uri,
        "sso.credential" = credential.method.as_str()
    );
    let api1 = upstreams.api1(credential)?;
    let path = at(&api1.paths).path;
    let prover = bff.call_prover(Server::Api1, credential);
    let sending = async {
        // Built inside the span, so that the API's span becomes its child.
        let make = || {
            let mut call = call(api1);
            if call.method == Method::POST {
                let json = HeaderValue::from_static("application/json");
                call.headers.insert(header::CONTENT_TYPE, json);
            } else {
                call.headers.remove(header::CONTENT_TYPE);
            }
            credential.put_on(&mut call.headers);
            if let Some(proof) = prover.and_then(|own| own.proof(call.method.as_str(), path)) {
                call.headers.insert(dpop::HEADER, proof);
            }
            call
        };
        credential.record_on_span();
        api1.connections.call(&make).await
    };
    let answer = sending.instrument(span).await?;
    bff.note_failures(Site::Api1, &answer.headers);
    let has_new_nonce = prover.is_some_and(|own| own.learn(&answer.headers));
    Ok((answer, has_new_nonce))
}

/// The API's response, for the browser. A 401 and most server errors become a problem
/// response of the app. 502 to 504 are passed on: the API reports its own upstreams by them.
pub(super) fn pass_on(answer: Answer) -> Result<HttpResponse, Problem> {
    let status = answer.status.as_u16();
    match status {
        401 => Err(problems::token_refused()),
        200..=299 | 400..=499 | 502..=504 => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            let mut passed = HttpResponse::build(status);
            headers::to_browser(&answer.headers, &mut passed);
            Ok(passed.body(answer.body))
        }
        _ => Err(problems::broke(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apis_statuses_and_what_the_browser_sees() {
        let seen = |status: u16| {
            let status = http::StatusCode::from_u16(status).unwrap();
            let answer = Answer {
                status,
                headers: http::HeaderMap::new(),
                body: Bytes::new(),
            };
            match pass_on(answer) {
                Ok(passed) => passed.status().as_u16(),
                Err(problem) => problem.status().as_u16(),
            }
        };
        for same in [200, 201, 400, 403, 404, 409, 422, 502, 503, 504] {
            assert_eq!(seen(same), same);
        }
        for ours in [401, 302, 500, 501] {
            assert_eq!(seen(ours), 502, "{ours}");
        }
    }
}
