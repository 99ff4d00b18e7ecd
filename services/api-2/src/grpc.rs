//! The gRPC service.

use std::sync::Arc;

use oauth_types::claims::{AccessToken, Audience};
use sso_proto::inventory::{
    ListRequest, ListResponse, ReserveRequest, ReserveResponse, StockItem, WhoAmIRequest,
    WhoAmIResponse,
    inventory_server::{self, InventoryServer},
};
use token_verify::Verifier;
use tonic::{Request, Response, Status, service::RoutesBuilder};

use crate::{
    inventory::{Inventory, InventoryError},
    scope,
};

/// The full name of the gRPC service.
pub(crate) const NAME: &str = inventory_server::SERVICE_NAME;

pub(crate) fn routes(verifier: Arc<Verifier>, inventory: Arc<Inventory>) -> RoutesBuilder {
    let service = InventoryService {
        verifier,
        inventory,
    };
    let mut routes = RoutesBuilder::default();
    routes.add_service(
        InventoryServer::new(service).max_decoding_message_size(grpc_kit::MAX_MESSAGE),
    );
    routes
}

struct InventoryService {
    verifier: Arc<Verifier>,
    inventory: Arc<Inventory>,
}

impl InventoryService {
    async fn require<T>(&self, request: &Request<T>, scope: &str) -> Result<(), Status> {
        let caller = self.verifier.grpc_caller(request).await?;
        Ok(caller.require_scope(scope)?)
    }
}

#[tonic::async_trait]
impl inventory_server::Inventory for InventoryService {
    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        self.require(&request, scope::READ).await?;
        let items = self.inventory.list().await.map_err(|why| status(&why))?;
        let items = items.into_iter().map(|stock| StockItem {
            item: stock.item,
            quantity: stock.quantity,
        });
        Ok(Response::new(ListResponse {
            items: items.collect(),
        }))
    }

    async fn reserve(
        &self,
        request: Request<ReserveRequest>,
    ) -> Result<Response<ReserveResponse>, Status> {
        self.require(&request, scope::WRITE).await?;
        let message = request.into_inner();
        let reserved = self
            .inventory
            .reserve(&message.item, message.quantity)
            .await;
        let reserved = reserved.map_err(|why| status(&why))?;
        Ok(Response::new(ReserveResponse {
            id: reserved.id,
            item: reserved.item,
            quantity: reserved.quantity,
            left: reserved.left,
        }))
    }

    async fn who_am_i(
        &self,
        request: Request<WhoAmIRequest>,
    ) -> Result<Response<WhoAmIResponse>, Status> {
        let caller = self.verifier.grpc_caller(&request).await?;
        Ok(Response::new(who_am_i(caller.claims())))
    }
}

/// The claims as the service reads them, without the token itself.
fn who_am_i(claims: &AccessToken) -> WhoAmIResponse {
    let aud = match &claims.aud {
        Audience::One(one) => vec![one.clone()],
        Audience::Many(many) => many.clone(),
    };
    let actors = std::iter::successors(claims.act.as_ref(), |actor| actor.act.as_deref());
    WhoAmIResponse {
        sub: claims.sub.clone(),
        client_id: claims.client_id.clone(),
        aud,
        scope: claims.scope.to_string(),
        act: actors.map(|actor| actor.sub.clone()).collect(),
    }
}

fn status(why: &InventoryError) -> Status {
    let sentence = why.to_string();
    match why {
        InventoryError::UnknownItem => Status::not_found(sentence),
        InventoryError::Quantity => Status::invalid_argument(sentence),
        InventoryError::NotEnough { .. } => Status::failed_precondition(sentence),
        InventoryError::Busy | InventoryError::Store(_) => {
            tracing::warn!("the stock is not available: {sentence}");
            Status::unavailable("the stock is not available at the moment")
        }
        InventoryError::Unreadable => {
            tracing::error!("the stock failed: {sentence}");
            Status::internal(sentence)
        }
    }
}
