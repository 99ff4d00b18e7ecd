//! What our callers see of what went wrong behind us: one match a neighbour.

use actix_web::http::StatusCode;
use web_kit::problem::Problem;

use crate::{AUDIENCE, exchange::ExchangeError, inventory::InventoryError, orders::OrdersError};

/// When to try again, in seconds.
const RETRY_AFTER: u64 = 1;

impl From<ExchangeError> for Problem {
    fn from(why: ExchangeError) -> Self {
        match &why {
            ExchangeError::Refused(code) => match code.as_str() {
                // The user's token is no good any more (RFC 8693 §2.2.2 calls it
                // `invalid_request`): a new one may do, so RFC 6750 §3.1.
                "invalid_request" | "invalid_grant" => Self::new(
                    StatusCode::UNAUTHORIZED,
                    "Your access token is no longer good",
                )
                .www_authenticate(format!(
                    "Bearer realm=\"{AUDIENCE}\", error=\"invalid_token\", \
                     error_description=\"{why}\""
                ))
                .detail(why.to_string()),
                // About what it may become.
                "invalid_scope" | "invalid_target" | "access_denied" => Self::new(
                    StatusCode::FORBIDDEN,
                    "Your access token cannot be exchanged",
                )
                .detail(why.to_string()),
                // About us.
                _ => Self::new(StatusCode::BAD_GATEWAY, "The token exchange failed")
                    .detail(why.to_string()),
            },
            ExchangeError::Unreachable(_) => later("The identity provider cannot be reached."),
            ExchangeError::Answer(_) | ExchangeError::Member(_) => {
                Self::new(StatusCode::BAD_GATEWAY, "The token exchange failed")
                    .detail(why.to_string())
            }
        }
    }
}

impl From<InventoryError> for Problem {
    fn from(why: InventoryError) -> Self {
        let (status, title) = match &why {
            InventoryError::UnknownItem => (StatusCode::NOT_FOUND, "No such item"),
            InventoryError::NotEnough(_) => (StatusCode::CONFLICT, "Not enough in stock"),
            InventoryError::Quantity(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "Quantity out of bounds")
            }
            InventoryError::Forbidden => (StatusCode::FORBIDDEN, "The inventory does not allow it"),
            InventoryError::Unreachable(detail) => {
                tracing::warn!("the inventory: {detail}");
                return later("The inventory cannot be reached.");
            }
            InventoryError::Answer(detail) => {
                tracing::warn!("the inventory: {detail}");
                (StatusCode::BAD_GATEWAY, "The inventory failed")
            }
        };
        Self::new(status, title).detail(why.to_string())
    }
}

impl From<OrdersError> for Problem {
    fn from(why: OrdersError) -> Self {
        match why {
            OrdersError::Busy | OrdersError::Store(_) => {
                tracing::warn!("the orders: {why}");
                later("The orders cannot be reached.")
            }
            OrdersError::Unreadable => {
                tracing::error!("the orders: {why}");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The orders are unreadable",
                )
            }
        }
    }
}

fn later(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Try again")
        .detail(detail)
        .retry_after(RETRY_AFTER)
}
