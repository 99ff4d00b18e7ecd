//! The HTTP routes.

use actix_web::{
    HttpResponse, Result,
    http::{StatusCode, header},
    web::{self, Data, ServiceConfig},
};
use serde::{Deserialize, Serialize};
use token_verify::{Caller, actix::whoami};
use web_kit::{body::Body, problem::Problem};

use crate::{
    inventory::{Inventory, InventoryError, StockItem},
    scope,
};

/// The maximum size of a reservation request's body in bytes.
const MAX_RESERVATION_REQUEST: usize = 4 * 1024;

/// The routes of the API.
pub(crate) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        web::resource("/resource")
            .route(web::get().to(list))
            .route(web::post().to(reserve)),
    )
    .service(web::resource("/whoami").route(web::get().to(whoami)));
}

#[derive(Serialize)]
struct Stock {
    items: Vec<StockItem>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReservationRequest {
    item: String,
    quantity: u32,
}

async fn list(caller: Caller, inventory: Data<Inventory>) -> Result<HttpResponse> {
    caller.require_scope(scope::READ)?;
    let items = inventory.list().await.map_err(|why| problem(&why))?;
    Ok(answer(StatusCode::OK, &Stock { items }))
}

async fn reserve(caller: Caller, inventory: Data<Inventory>, body: Body) -> Result<HttpResponse> {
    caller.require_scope(scope::WRITE)?;
    let request: ReservationRequest = body.authenticated().json(MAX_RESERVATION_REQUEST).await?;
    let reserved = inventory.reserve(&request.item, request.quantity).await;
    Ok(answer(
        StatusCode::CREATED,
        &reserved.map_err(|why| problem(&why))?,
    ))
}

fn answer(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body)
}

fn problem(why: &InventoryError) -> Problem {
    let (status, title) = match why {
        InventoryError::UnknownItem => (StatusCode::NOT_FOUND, "No such item"),
        InventoryError::Quantity => (StatusCode::UNPROCESSABLE_ENTITY, "Quantity out of range"),
        InventoryError::NotEnough { .. } => (StatusCode::CONFLICT, "Not enough in stock"),
        InventoryError::Busy | InventoryError::Store(_) => {
            tracing::warn!("the stock is not available: {why}");
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Try again")
                .detail("The stock is not available at the moment.")
                .retry_after(1);
        }
        InventoryError::Unreadable => {
            tracing::error!("the stock failed: {why}");
            (StatusCode::INTERNAL_SERVER_ERROR, "The stock is unreadable")
        }
    };
    Problem::new(status, title).detail(why.to_string())
}
