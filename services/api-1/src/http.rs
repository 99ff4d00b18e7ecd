//! The HTTP routes.

use actix_web::{
    HttpResponse, Result,
    http::{StatusCode, header},
    web::{self, Data, ServiceConfig},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web_kit::{body::Body, cors::cors, problem::Problem};

use crate::{
    Context, READ, WRITE,
    access::{Access, whoami},
    inventory::StockItem,
    orders::Order,
};

/// The scopes that API-1 requests at API-2, to read the stock and to reserve.
const STOCK_READ: &str = "https://api-2/read";
const STOCK_WRITE: &str = "https://api-2/write";

/// The maximum size of an order request's body in bytes.
const MAX_ORDER_REQUEST: usize = 4 * 1024;

/// The routes of the API; pages of `origins` may call them from a browser.
pub(crate) fn routes(cfg: &mut ServiceConfig, origins: &[String]) {
    let shared = |path: &str| web::resource(path).wrap(cors(path, origins));
    cfg.service(
        shared("/resource")
            .route(web::get().to(list))
            .route(web::post().to(place)),
    )
    .service(shared("/report").route(web::get().to(report)))
    .service(shared("/whoami").route(web::get().to(whoami)));
}

#[derive(Serialize)]
struct List {
    orders: Vec<Order>,
}

#[derive(Serialize)]
struct Report {
    orders: Vec<Order>,
    stock: Vec<StockItem>,
}

/// An order request.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderRequest {
    /// The item's name.
    #[schema(example = "chess-set")]
    item: String,
    /// The quantity.
    #[schema(example = 1)]
    quantity: u32,
}

/// `GET /resource`: the caller's orders.
#[utoipa::path(
    get, path = "/resource", summary = "List your orders", tag = "Orders", security(("oauth2" = [READ]), ("dpop" = [], "oauth2" = [READ]), ("api_key" = [])),
    responses((status = 200, description = "Your orders"), (status = 401, description = "No valid access token or API key"))
)]
pub(crate) async fn list(access: Access, context: Data<Context>) -> Result<HttpResponse> {
    access.require_scope(READ)?;
    let orders = context
        .orders
        .of(&access.owner())
        .await
        .map_err(Problem::from)?;
    Ok(answer(StatusCode::OK, &List { orders }))
}

/// `POST /resource`: places an order.
///
/// Reserves the stock first; if API-2 refuses, there is no order. If storing the
/// order fails afterwards, the reservation remains and the log names it.
#[utoipa::path(
    post, path = "/resource", summary = "Place an order", tag = "Orders", security(("oauth2" = [WRITE]), ("dpop" = [], "oauth2" = [WRITE]), ("api_key" = [])), request_body = OrderRequest,
    description = "Exchanges your token for a token for API-2 and reserves the stock there first.",
    responses(
        (status = 201, description = "Placed"),
        (status = 401, description = "No valid access token or API key"),
        (status = 403, description = "The token lacks the required scope"),
        (status = 409, description = "Not enough in stock"),
    )
)]
pub(crate) async fn place(
    access: Access,
    context: Data<Context>,
    body: Body,
) -> Result<HttpResponse> {
    access.require_scope(WRITE)?;
    let OrderRequest { item, quantity } = body.authenticated().json(MAX_ORDER_REQUEST).await?;
    let token = match &access {
        Access::Token(caller) => context.exchange.by_grpc(caller, STOCK_WRITE).await,
        // There is no token to exchange.
        Access::Key(..) | Access::Stated(..) => context.exchange.own(STOCK_WRITE).await,
    };
    let token = token.map_err(Problem::from)?;
    let reserved = context.inventory.reserve(&token, &item, quantity).await;
    let reservation = reserved.map_err(Problem::from)?;
    let placed = context
        .orders
        .place(&access.owner(), item, quantity, reservation.clone())
        .await;
    let order = placed.map_err(|why| {
        tracing::warn!(
            reservation,
            "the order could not be stored; its reservation remains"
        );
        Problem::from(why)
    })?;
    Ok(answer(StatusCode::CREATED, &order))
}

/// `GET /report`: orders and stock together.
#[utoipa::path(
    get, path = "/report", summary = "Orders and stock together", tag = "Orders", security(("oauth2" = [READ]), ("dpop" = [], "oauth2" = [READ]), ("api_key" = [])),
    description = "Exchanges your token for a token for API-2 and reads the stock there.",
    responses((status = 200, description = "Orders and stock"), (status = 401, description = "No valid access token or API key"))
)]
pub(crate) async fn report(access: Access, context: Data<Context>) -> Result<HttpResponse> {
    access.require_scope(READ)?;
    let token = match &access {
        Access::Token(caller) => context.exchange.by_http(caller, STOCK_READ).await,
        Access::Key(..) | Access::Stated(..) => context.exchange.own(STOCK_READ).await,
    };
    let token = token.map_err(Problem::from)?;
    let stock = context
        .inventory
        .stock(&token)
        .await
        .map_err(Problem::from)?;
    let orders = context
        .orders
        .of(&access.owner())
        .await
        .map_err(Problem::from)?;
    Ok(answer(StatusCode::OK, &Report { orders, stock }))
}

fn answer(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body)
}
