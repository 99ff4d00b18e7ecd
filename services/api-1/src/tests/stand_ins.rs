//! Stand-ins for the identity provider's token exchange and API-2's reservations, on
//! one port. They record the requests.

use std::{net::SocketAddr, net::TcpListener, sync::Arc};

use kit::{metrics::Metrics, readiness::Readiness, running::Running, shutdown::Shutdown};
use oauth_types::names::token_type;
use parking_lot::Mutex;
use sso_proto::{
    idp::{
        ExchangeRequest, ExchangeResponse,
        token_exchange_server::{TokenExchange, TokenExchangeServer},
    },
    inventory::{
        ListRequest, ListResponse, ReserveRequest, ReserveResponse, WhoAmIRequest, WhoAmIResponse,
        inventory_server::{Inventory, InventoryServer},
    },
};
use tonic::{Code, Request, Response, Status, service::RoutesBuilder};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The token of every exchange.
pub(super) const EXCHANGED: &str = "exchanged-token";

/// The request of an exchange.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) authorization: String,
    pub(super) request: ExchangeRequest,
}

/// The recorded requests and the configured behaviour.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) exchange: Mutex<Option<Asked>>,
    pub(super) reserve: Mutex<Option<String>>,
    pub(super) refuse_with: Mutex<Option<&'static str>>,
}

pub(super) struct StandIns {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Seen>,
    pub(super) running: Running,
}

impl StandIns {
    pub(super) fn start(shutdown: &Shutdown) -> Self {
        let seen = Arc::new(Seen::default());
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut routes = RoutesBuilder::default();
        routes.add_service(TokenExchangeServer::new(Face(Arc::clone(&seen))));
        routes.add_service(InventoryServer::new(Face(Arc::clone(&seen))));
        let server = grpc_kit::GrpcServer {
            admission: kit::admission::Admission::of_process(),
            service: "stand-ins",
            metrics: Metrics::new("stand-ins").unwrap(),
            names: &[],
            descriptors: sso_proto::DESCRIPTORS,
            readiness: Readiness::waiting_for(shutdown.clone(), &[]),
            shutdown: shutdown.clone(),
        };
        let running = server.serve(vec![listener], routes).unwrap();
        Self {
            address,
            seen,
            running,
        }
    }
}

struct Face(Arc<Seen>);

fn authorization<T>(request: &Request<T>) -> String {
    let value = request.metadata().get("authorization").unwrap();
    value.to_str().unwrap().to_owned()
}

#[tonic::async_trait]
impl TokenExchange for Face {
    async fn exchange(
        &self,
        request: Request<ExchangeRequest>,
    ) -> Result<Response<ExchangeResponse>, Status> {
        if let Some(code) = *self.0.refuse_with.lock() {
            let details = ErrorDetails::with_error_info(code, "idp", []);
            let status = Status::with_error_details(Code::InvalidArgument, "no", details);
            return Err(status);
        }
        *self.0.exchange.lock() = Some(Asked {
            authorization: authorization(&request),
            request: request.into_inner(),
        });
        Ok(Response::new(ExchangeResponse {
            access_token: EXCHANGED.into(),
            issued_token_type: token_type::ACCESS_TOKEN.into(),
            token_type: "Bearer".into(),
            expires_in: 60,
            ..ExchangeResponse::default()
        }))
    }
}

#[tonic::async_trait]
impl Inventory for Face {
    async fn list(&self, _: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        Err(Status::unimplemented("API-1 lists over HTTP"))
    }

    async fn reserve(
        &self,
        request: Request<ReserveRequest>,
    ) -> Result<Response<ReserveResponse>, Status> {
        *self.0.reserve.lock() = Some(authorization(&request));
        let wish = request.into_inner();
        match wish.item.as_str() {
            "sold-out" => Err(Status::failed_precondition("Only 0 left in stock.")),
            "unknown" => Err(Status::not_found("There is no such item.")),
            "bounds" => Err(Status::invalid_argument("a quantity from 1 to 1000000")),
            "forbidden" => Err(Status::permission_denied("no")),
            "unauthenticated" => Err(Status::unauthenticated("no")),
            "away" => Err(Status::unavailable("later")),
            _ => Ok(Response::new(ReserveResponse {
                id: "reservation-1".into(),
                item: wish.item,
                quantity: wish.quantity,
                left: 1,
            })),
        }
    }

    async fn who_am_i(
        &self,
        _: Request<WhoAmIRequest>,
    ) -> Result<Response<WhoAmIResponse>, Status> {
        Err(Status::unimplemented("API-1 does not ask"))
    }
}
