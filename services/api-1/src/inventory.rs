//! API-2, as API-1 calls it: gRPC to reserve, HTTP to look.

use kit::{
    net::{ReadError, read_bounded, until_answered},
    telemetry::{names::span, propagation},
};
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sso_proto::inventory::{ReserveRequest, inventory_client::InventoryClient};
use tonic::{Code, Status, transport::Channel};
use tracing::Instrument as _;

use crate::Config;

/// The most bytes of one of its messages.
const MAX_MESSAGE: usize = 64 * 1024;

/// What API-2 has of an item.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct StockItem {
    item: String,
    quantity: u32,
}

/// Why API-2 did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InventoryError {
    /// Nothing by that name.
    #[error("there is no such item")]
    UnknownItem,
    /// More than there is, in API-2's words.
    #[error("{0}")]
    NotEnough(String),
    /// The quantity is out of bounds, in API-2's words.
    #[error("{0}")]
    Quantity(String),
    /// The exchanged token does not allow it.
    #[error("the inventory does not allow this to you")]
    Forbidden,
    /// It did not answer, or asked us to come again.
    #[error("the inventory cannot be reached at the moment")]
    Unreachable(String),
    /// It answered with something that is not in the contract.
    #[error("the inventory's answer is not usable")]
    Answer(String),
}

/// A client of API-2.
pub(crate) struct Inventory {
    grpc: InventoryClient<Channel>,
    http: reqwest::Client,
    resource: String,
}

impl Inventory {
    pub(crate) fn new(config: &Config) -> Result<Self, tonic::transport::Error> {
        let channel = config.trust.grpc_channel(&config.api2_grpc_url)?;
        Ok(Self {
            grpc: InventoryClient::new(channel).max_decoding_message_size(MAX_MESSAGE),
            http: config.trust.http_client(),
            resource: format!("{}/resource", config.api2_url),
        })
    }

    /// Reserves by gRPC; gives the reservation's id.
    pub(crate) async fn reserve(
        &self,
        token: &SecretString,
        item: &str,
        quantity: u32,
    ) -> Result<String, InventoryError> {
        let step = kit::step!(
            span::INVENTORY_CALL,
            "rpc.system" = "grpc",
            "rpc.method" = "Reserve"
        );
        let bearer = format!("Bearer {}", token.expose_secret());
        let reserve = async || {
            let wish = ReserveRequest {
                item: item.to_owned(),
                quantity,
            };
            let request = grpc_kit::authorized(wish, &bearer)
                .map_err(|_| Status::internal("the token fits no metadata"))?;
            self.grpc.clone().reserve(request).await
        };
        let reserved = async {
            let answer = grpc_kit::until_seen(reserve).await;
            Ok(answer.map_err(|status| refused(&status))?.into_inner().id)
        };
        reserved.instrument(step).await
    }

    /// What is in stock, by HTTP.
    pub(crate) async fn stock(
        &self,
        token: &SecretString,
    ) -> Result<Vec<StockItem>, InventoryError> {
        let step = kit::step!(span::INVENTORY_CALL, "http.request.method" = "GET");
        self.get_stock(token).instrument(step).await
    }

    async fn get_stock(&self, token: &SecretString) -> Result<Vec<StockItem>, InventoryError> {
        #[derive(Deserialize)]
        struct Stock {
            items: Vec<StockItem>,
        }
        let mut headers = HeaderMap::new();
        propagation::inject(&mut headers);
        let request = self.http.get(&self.resource).headers(headers);
        let request = request.bearer_auth(token.expose_secret());
        let unreachable = |e: ReadError| InventoryError::Unreachable(e.to_string());
        let response = until_answered(request)
            .await
            .map_err(|e| unreachable(e.into()))?;
        match response.status().as_u16() {
            200 => {}
            403 => return Err(InventoryError::Forbidden),
            status @ (429 | 502..=504) => {
                return Err(InventoryError::Unreachable(format!("it answered {status}")));
            }
            status => return Err(InventoryError::Answer(format!("it answered {status}"))),
        }
        let body = read_bounded(response).await.map_err(unreachable)?;
        let stock: Stock =
            serde_json::from_slice(&body).map_err(|e| InventoryError::Answer(e.to_string()))?;
        Ok(stock.items)
    }
}

fn refused(status: &Status) -> InventoryError {
    let words = || status.message().chars().take(200).collect();
    match status.code() {
        Code::NotFound => InventoryError::UnknownItem,
        Code::FailedPrecondition => InventoryError::NotEnough(words()),
        Code::InvalidArgument => InventoryError::Quantity(words()),
        Code::PermissionDenied => InventoryError::Forbidden,
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
            InventoryError::Unreachable(words())
        }
        // UNAUTHENTICATED too: the caller's own token was good, ours is not.
        code => InventoryError::Answer(format!("{code:?}: {}", status.message())),
    }
}
