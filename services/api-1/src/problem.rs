//! Problems for callers, from the errors of the services behind API-1.

use actix_web::http::StatusCode;
use web_kit::problem::Problem;

use crate::{AUDIENCE, exchange::ExchangeError, inventory::InventoryError, orders::OrdersError};

/// Value of `Retry-After` in seconds.
const RETRY_AFTER: u64 = 1;

impl From<ExchangeError> for Problem {
    fn from(why: ExchangeError) -> Self {
        match &why {
            ExchangeError::Refused(code) => match code.as_str() {
                // The user's token is no longer valid (RFC 8693 §2.2.2:
                // `invalid_request`). A new token may work, so RFC 6750 §3.1 applies.
                "invalid_request" | "invalid_grant" => Self::new(
                    StatusCode::UNAUTHORIZED,
                    "Your access token is no longer valid",
                )
                .www_authenticate(format!(
                    "Bearer realm=\"{AUDIENCE}\", error=\"invalid_token\", \
                     error_description=\"{why}\""
                ))
                .detail(why.to_string()),
                // The token may not be exchanged as requested.
                "invalid_scope" | "invalid_target" | "access_denied" => Self::new(
                    StatusCode::FORBIDDEN,
                    "Your access token cannot be exchanged",
                )
                .detail(why.to_string()),
                // The fault is API-1's.
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
                (StatusCode::UNPROCESSABLE_ENTITY, "Quantity out of range")
            }
            InventoryError::Forbidden => (
                StatusCode::FORBIDDEN,
                "The inventory does not allow this call",
            ),
            InventoryError::Unreachable(detail) => {
                tracing::warn!("the inventory failed: {detail}");
                return later("The inventory cannot be reached.");
            }
            InventoryError::Answer(detail) => {
                tracing::warn!("the inventory failed: {detail}");
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
                tracing::warn!("the orders are not available: {why}");
                later("The orders are not available at the moment.")
            }
            OrdersError::Unreadable => {
                tracing::error!("the orders failed: {why}");
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
