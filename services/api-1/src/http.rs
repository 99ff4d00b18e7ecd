//! The routes.

use actix_web::{
    HttpResponse, Result,
    http::{StatusCode, header},
    web::{self, Data, Json, ServiceConfig},
};
use serde::{Deserialize, Serialize};
use token_verify::{Caller, actix::whoami};
use web_kit::problem::Problem;

use crate::{Context, inventory::StockItem, orders::Order};

const READ: &str = "https://api-1/read";
const WRITE: &str = "https://api-1/write";
/// What we ask for at API-2, for looking and for reserving.
const STOCK_READ: &str = "https://api-2/read";
const STOCK_WRITE: &str = "https://api-2/write";

/// All routes.
pub(crate) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        web::resource("/resource")
            .route(web::get().to(list))
            .route(web::post().to(place)),
    )
    .service(web::resource("/report").route(web::get().to(report)))
    .service(web::resource("/whoami").route(web::get().to(whoami)));
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    item: String,
    quantity: u32,
}

async fn list(caller: Caller, context: Data<Context>) -> Result<HttpResponse> {
    caller.require_scope(READ)?;
    let orders = context
        .orders
        .of(caller.sub())
        .await
        .map_err(Problem::from)?;
    Ok(answer(StatusCode::OK, &List { orders }))
}

/// Reserves first: an order that API-2 refuses is none. An order that cannot be
/// kept afterwards leaves its reservation behind, and the log says which.
async fn place(
    caller: Caller,
    context: Data<Context>,
    // A `Result`, so that what is wrong with the body is said to no stranger.
    wish: Result<Json<Wish>>,
) -> Result<HttpResponse> {
    caller.require_scope(WRITE)?;
    let Wish { item, quantity } = wish?.into_inner();
    let token = context.exchange.by_grpc(&caller, STOCK_WRITE).await;
    let token = token.map_err(Problem::from)?;
    let reserved = context.inventory.reserve(&token, &item, quantity).await;
    let reservation = reserved.map_err(Problem::from)?;
    let placed = context
        .orders
        .place(caller.sub(), item, quantity, reservation.clone())
        .await;
    let order = placed.map_err(|why| {
        tracing::warn!(reservation, "a reservation is left without its order");
        Problem::from(why)
    })?;
    Ok(answer(StatusCode::CREATED, &order))
}

async fn report(caller: Caller, context: Data<Context>) -> Result<HttpResponse> {
    caller.require_scope(READ)?;
    let token = context.exchange.by_http(&caller, STOCK_READ).await;
    let token = token.map_err(Problem::from)?;
    let stock = context
        .inventory
        .stock(&token)
        .await
        .map_err(Problem::from)?;
    let orders = context
        .orders
        .of(caller.sub())
        .await
        .map_err(Problem::from)?;
    Ok(answer(StatusCode::OK, &Report { orders, stock }))
}

fn answer(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body)
}
