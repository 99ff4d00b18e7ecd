//! `/api1/…`: calls to API-1 over HTTP.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Bytes},
};
use http::{HeaderValue, Method, Uri, header};
use kit::telemetry::names::span;
use tracing::Instrument as _;
use web_kit::{body::Body, problem::Problem};

use super::{
    Upstreams, headers,
    http1::{Answer, Call},
    order::Order,
    problems,
};
use crate::{
    audiences::API1,
    bearer::Bearer,
    sessions::{Purpose, Session, Wanted},
    state::Bff,
};

const CALL: Purpose = Purpose::Call(&API1);

/// A call to API-1, without its access token.
struct Ask {
    method: Method,
    uri: Uri,
    body: Bytes,
}

impl Ask {
    fn get(uri: &Uri) -> Self {
        Self {
            method: Method::GET,
            uri: uri.clone(),
            body: Bytes::new(),
        }
    }

    fn place(uri: &Uri, order: &Order) -> Self {
        Self {
            method: Method::POST,
            uri: uri.clone(),
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
    let ask = Ask::get(&upstreams.paths.orders);
    let calling = bff.sessions.with_session(&req, CALL, async |session| {
        relay(&req, &bff, &upstreams, session, ask).await
    });
    calling.await
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
        let ask = Ask::place(&upstreams.paths.orders, &order);
        relay(&req, &bff, &upstreams, session, ask).await
    });
    calling.await
}

/// `GET /api1/order`: places an order by GET. Only in a lab with that weakness.
pub(crate) async fn place_by_get(
    req: HttpRequest,
    bff: web::Data<Bff>,
    upstreams: web::Data<Upstreams>,
) -> Result<HttpResponse, Problem> {
    let calling = bff.sessions.with_session(&req, CALL, async |session| {
        let order = Order::of_query(req.query_string())?;
        let ask = Ask::place(&upstreams.paths.orders, &order);
        relay(&req, &bff, &upstreams, session, ask).await
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
    let ask = Ask::get(&upstreams.paths.report);
    let calling = bff.sessions.with_session(&req, CALL, async |session| {
        relay(&req, &bff, &upstreams, session, ask).await
    });
    calling.await
}

async fn relay(
    req: &HttpRequest,
    bff: &Bff,
    upstreams: &Upstreams,
    session: &mut Session,
    ask: Ask,
) -> Result<HttpResponse, Problem> {
    let wanted = Wanted {
        audience: &API1,
        rejected: None,
    };
    let token = bff.sessions.access_token(req, session, wanted).await?;
    let call = || Call {
        method: ask.method.clone(),
        uri: ask.uri.clone(),
        headers: headers::to_api(req),
        body: ask.body.clone(),
    };
    let mut answer = send(upstreams, call, &token).await?;
    if answer.status == http::StatusCode::UNAUTHORIZED {
        // Keys or clocks may have changed: one new token, and no more than one.
        let fresh = Wanted {
            audience: &API1,
            rejected: Some(token),
        };
        let token = bff.sessions.access_token(req, session, fresh).await?;
        answer = send(upstreams, call, &token).await?;
    }
    pass_on(answer)
}

async fn send(
    upstreams: &Upstreams,
    call: impl Fn() -> Call,
    token: &Bearer,
) -> Result<Answer, Problem> {
    let span = kit::step!(
        span::UPSTREAM,
        "sso.to" = "api-1",
        "sso.audience" = API1.uri
    );
    let sending = async {
        // Made inside the span, so that the API's becomes its child.
        let make = || {
            let mut call = call();
            if call.method == Method::POST {
                let json = HeaderValue::from_static("application/json");
                call.headers.insert(header::CONTENT_TYPE, json);
            } else {
                call.headers.remove(header::CONTENT_TYPE);
            }
            headers::authorize(&mut call.headers, token);
            call
        };
        upstreams.api1.call(&make).await
    };
    Ok(sending.instrument(span).await?)
}

/// The API's answer for the browser. The API's own answers about failures (502 to 504)
/// are passed on; any other server error becomes the app's problem.
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
