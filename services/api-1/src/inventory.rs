//! Client of API-2: gRPC to reserve, HTTP to read the stock.

use kit::{
    net::{ReadError, read_bounded, send_idempotent},
    telemetry::{names::span, propagation},
};
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sso_proto::inventory::{ReserveRequest, inventory_client::InventoryClient};
use tonic::{Code, Status, transport::Channel};
use tracing::Instrument as _;

use crate::Config;

/// The maximum size of a message in bytes.
const MAX_MESSAGE: usize = 64 * 1024;
/// The most of API-2's words, or of an error about its answer, that is repeated, in
/// characters.
const MAX_SENTENCE: usize = 200;

/// An item in API-2's stock.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct StockItem {
    item: String,
    quantity: u32,
}

/// Why a call of API-2 failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InventoryError {
    /// Unknown item.
    #[error("There is no such item.")]
    UnknownItem,
    /// Not enough in stock; API-2's message.
    #[error("{0}")]
    NotEnough(String),
    /// The quantity is out of range; API-2's message.
    #[error("{0}")]
    Quantity(String),
    /// The exchanged token does not allow the call.
    #[error("the inventory does not allow this call")]
    Forbidden,
    /// API-2 did not answer, or asked to retry later.
    #[error("the inventory cannot be reached at the moment")]
    Unreachable(String),
    /// API-2's response breaks its contract.
    #[error("the inventory's response is unusable")]
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

    /// Reserves over gRPC and returns the reservation's id.
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
            let message = ReserveRequest {
                item: item.to_owned(),
                quantity,
            };
            let request = grpc_kit::authorized(message, &bearer)
                .map_err(|_| Status::internal("the token is not valid metadata"))?;
            self.grpc.clone().reserve(request).await
        };
        let reserved = async {
            let answer = grpc_kit::call_retry_unprocessed(reserve).await;
            Ok(answer.map_err(|status| refused(&status))?.into_inner().id)
        };
        reserved.instrument(step).await
    }

    /// Reads the stock over HTTP.
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
        let response = send_idempotent(request)
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
        let stock: Stock = serde_json::from_slice(&body)
            .map_err(|e| InventoryError::Answer(sentence(&e.to_string())))?;
        Ok(stock.items)
    }
}

fn refused(status: &Status) -> InventoryError {
    let words = || sentence(status.message());
    match status.code() {
        Code::NotFound => InventoryError::UnknownItem,
        Code::FailedPrecondition => InventoryError::NotEnough(words()),
        Code::InvalidArgument => InventoryError::Quantity(words()),
        Code::PermissionDenied => InventoryError::Forbidden,
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
            InventoryError::Unreachable(words())
        }
        // UNAUTHENTICATED too: it concerns the exchanged token; the caller's token was valid.
        code => InventoryError::Answer(format!("{code:?}: {}", words())),
    }
}

/// The start of what API-2 says: it goes into logs and answers.
fn sentence(text: &str) -> String {
    text.chars().take(MAX_SENTENCE).collect()
}
