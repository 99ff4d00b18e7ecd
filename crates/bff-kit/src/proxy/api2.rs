//! `/api2/data`: calls to API-2, JSON for the browser and gRPC to the API.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use kit::telemetry::names::span;
use serde_json::{Value, json};
use sso_proto::inventory::{ListRequest, ReserveRequest, inventory_client::InventoryClient};
use tonic::{Code, Request, Response, Status, transport::Channel};
use tracing::Instrument as _;
use web_kit::{body::Body, problem::Problem};

use super::{Upstreams, order::Order, problems};
use crate::{
    audiences::API2,
    bearer::Bearer,
    sessions::{Purpose, Session, Wanted},
    state::Bff,
};

type Client = InventoryClient<Channel>;

const CALL: Purpose = Purpose::Call(&API2);

/// `GET /api2/data`: the stock.
#[utoipa::path(
    get, path = "/api2/data", summary = "List the stock", tag = "API-2, inventory", security(("session" = [])),
    responses((status = 200, description = "The stock"), (status = 401, description = "No session"))
)]
pub(crate) async fn list(
    req: HttpRequest,
    bff: web::Data<Bff>,
    upstreams: web::Data<Upstreams>,
) -> Result<HttpResponse, Problem> {
    let calling = bff.sessions.with_session(&req, CALL, async |session| {
        let call = async |mut client: Client, request: Request<()>| {
            let listed = client.list(request.map(|()| ListRequest {})).await;
            listed.map(Response::into_inner)
        };
        let listed = call_api2(&req, &bff, &upstreams, session, call).await?;
        let items: Vec<_> = listed
            .items
            .iter()
            .map(|stock| json!({"item": stock.item, "quantity": stock.quantity}))
            .collect();
        Ok(answer(HttpResponse::Ok(), &json!({"items": items})))
    });
    calling.await
}

/// `POST /api2/data`: reserves stock.
#[utoipa::path(
    post, path = "/api2/data", summary = "Reserve stock", tag = "API-2, inventory", security(("session" = [])), request_body = Order,
    responses(
        (status = 201, description = "Reserved"),
        (status = 401, description = "No session"),
        (status = 403, description = "No X-CSRF: 1"),
        (status = 404, description = "No such item"),
        (status = 409, description = "More than there is"),
    )
)]
pub(crate) async fn reserve(
    req: HttpRequest,
    bff: web::Data<Bff>,
    upstreams: web::Data<Upstreams>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let calling = bff.sessions.with_session(&req, CALL, async |session| {
        let Order { item, quantity } = Order::receive(req.headers(), body).await?;
        let call = async |mut client: Client, request: Request<()>| {
            let reservation = ReserveRequest {
                item: item.clone(),
                quantity,
            };
            let reserved = client.reserve(request.map(|()| reservation)).await;
            reserved.map(Response::into_inner)
        };
        let reserved = call_api2(&req, &bff, &upstreams, session, call).await?;
        let reserved = json!({
            "id": reserved.id,
            "item": reserved.item,
            "quantity": reserved.quantity,
            "left": reserved.left,
        });
        Ok(answer(HttpResponse::Created(), &reserved))
    });
    calling.await
}

/// Calls with the user's token, and once more with a new one if API-2 rejects it.
async fn call_api2<T>(
    req: &HttpRequest,
    bff: &Bff,
    upstreams: &Upstreams,
    session: &mut Session,
    call: impl AsyncFn(Client, Request<()>) -> Result<T, Status>,
) -> Result<T, Problem> {
    let mut rejected = None;
    for _ in 0..2 {
        let wanted = Wanted {
            audience: &API2,
            rejected,
        };
        let token = bff.sessions.access_token(req, session, wanted).await?;
        let span = kit::step!(
            span::UPSTREAM,
            "sso.to" = "api-2",
            "sso.audience" = API2.uri
        );
        let once = async || call(upstreams.api2.clone(), request(&token)?).await;
        let calling = async {
            if req.method().is_safe() {
                grpc_kit::call_idempotent(once).await
            } else {
                grpc_kit::call_retry_unprocessed(once).await
            }
        };
        match calling.instrument(span).await {
            Err(status) if status.code() == Code::Unauthenticated => rejected = Some(token),
            outcome => return outcome.map_err(|status| problems::of_status(&status)),
        }
    }
    Err(problems::token_refused())
}

/// Made inside the call's span, so that API-2's becomes its child.
fn request(token: &Bearer) -> Result<Request<()>, Status> {
    let credentials = token.header().to_str().unwrap_or_default();
    let request = grpc_kit::authorized((), credentials);
    request.map_err(|_| Status::internal("the token does not fit a header"))
}

fn answer(mut response: actix_web::HttpResponseBuilder, body: &Value) -> HttpResponse {
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body)
}
