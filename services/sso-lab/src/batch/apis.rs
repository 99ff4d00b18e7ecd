//! One call to an API, and what its answer says about a repeat.
//!
//! Neither call is idempotent (RFC 9110 §9.2.2): a repeat is right only after an answer
//! that says that nothing was done, or without a connection.

use std::{io, time::Duration};

use kit::{
    clock::{Clock as _, SystemClock},
    net::{self, read_bounded, send_retry_connect},
};
use oauth_types::Members;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sso_proto::inventory::{ReserveRequest, inventory_client::InventoryClient};
use tonic::{Code, Status, transport::Channel};

use super::{
    BatchClient,
    orders::{Api, Order},
    pace::retry_after,
};
use crate::client::{Deployment, Said, journey_headers, one_line};

/// What came of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It is done; the id of the order or reservation.
    Done(String),
    /// The API refused it; a repeat would be refused too.
    Refused(Said),
    /// The API did not take the token: nothing was done.
    TokenRefused(Said),
    /// Nothing was done, and a repeat may help.
    NotDone(Said),
    /// It may have been done.
    Unknown(Said),
}

/// An attempt, and how long the API asks to wait.
pub(super) struct Answer {
    pub(super) attempt: Attempt,
    pub(super) wait: Option<Duration>,
}

impl From<Attempt> for Answer {
    fn from(attempt: Attempt) -> Self {
        Self {
            attempt,
            wait: None,
        }
    }
}

/// Both APIs.
pub(super) struct Apis {
    http: reqwest::Client,
    orders: String,
    inventory: InventoryClient<Channel>,
}

impl Apis {
    /// Calls them for `client`: API-1 by mTLS if `client` has a certificate.
    pub(super) fn new(
        deployment: &Deployment,
        api2_grpc: &str,
        client: &BatchClient,
    ) -> Result<Self, String> {
        let (api1, trust) = match client {
            BatchClient::Mtls(client) => (&client.api1, client.trust(&deployment.trust)),
            _ => (&deployment.api1, deployment.trust.clone()),
        };
        let channel = deployment.trust.grpc_channel(api2_grpc);
        let channel = channel.map_err(|error| format!("API2_GRPC_URL: {error}"))?;
        Ok(Self {
            http: trust.http_client(),
            orders: format!("{api1}/resource"),
            inventory: InventoryClient::new(channel),
        })
    }

    /// Sends `order` once.
    pub(super) async fn send(&self, order: &Order, token: &SecretString) -> Answer {
        match order.api {
            Api::Orders => self.place(order, token).await,
            Api::Inventory => self.reserve(order, token).await.into(),
        }
    }

    async fn place(&self, order: &Order, token: &SecretString) -> Answer {
        let body = json!({ "item": order.item, "quantity": order.quantity });
        let request = self.http.post(&self.orders).json(&body);
        let request = request.bearer_auth(token.expose_secret());
        let request = request.headers(journey_headers());
        let response = match send_retry_connect(request).await {
            Ok(response) => response,
            Err(error) => {
                let said = Said::new(format!("no answer: {}", net::why(&error)));
                let was_sent = !error.is_connect();
                return if was_sent {
                    Attempt::Unknown(said).into()
                } else {
                    Attempt::NotDone(said).into()
                };
            }
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = read_bounded(response).await.unwrap_or_default();
        Answer {
            attempt: of_response(status, &headers, &body),
            wait: retry_after(&headers, SystemClock.now()),
        }
    }

    async fn reserve(&self, order: &Order, token: &SecretString) -> Attempt {
        let bearer = format!("Bearer {}", token.expose_secret());
        let reserve = async || {
            let message = ReserveRequest {
                item: order.item.clone(),
                quantity: order.quantity,
            };
            let request = grpc_kit::authorized(message, &bearer)
                .map_err(|_| Status::internal("the token is not valid metadata"))?;
            self.inventory.clone().reserve(request).await
        };
        match grpc_kit::call_retry_unprocessed(reserve).await {
            Ok(answer) => Attempt::Done(one_line(&answer.into_inner().id)),
            Err(status) => of_status(&status),
        }
    }
}

fn of_response(status: u16, headers: &HeaderMap, body: &[u8]) -> Attempt {
    if status == 201 {
        let order = Members::read(body).ok();
        let id = order.as_ref().and_then(|order| order.needed("id").ok());
        return Attempt::Done(one_line(id.unwrap_or_default()));
    }
    let said = Said::of_response(status, headers, body);
    match status {
        // RFC 6750 §3.1.
        401 => Attempt::TokenRefused(said),
        // RFC 9110 §15.5.9, RFC 6585 §4.
        408 | 429 => Attempt::NotDone(said),
        400..500 => Attempt::Refused(said),
        _ => Attempt::Unknown(said),
    }
}

fn of_status(status: &Status) -> Attempt {
    let code = status.code();
    let said = Said::new(format!("{code:?}: {}", status.message()));
    match code {
        Code::Unauthenticated => Attempt::TokenRefused(said),
        Code::ResourceExhausted => Attempt::NotDone(said),
        Code::NotFound
        | Code::FailedPrecondition
        | Code::InvalidArgument
        | Code::PermissionDenied
        | Code::Unimplemented => Attempt::Refused(said),
        _ if is_without_connection(status) => Attempt::NotDone(said),
        _ => Attempt::Unknown(said),
    }
}

/// Whether there was no connection. These errors do not occur on a connection.
fn is_without_connection(status: &Status) -> bool {
    let mut causes = net::causes(status).filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| {
        matches!(
            cause.kind(),
            io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_status(status: u16) -> Attempt {
        of_response(status, &HeaderMap::new(), b"")
    }

    #[test]
    fn rfc9110_9_2_2_only_an_order_that_was_not_done_may_be_repeated() {
        for status in [408, 429] {
            assert!(
                matches!(after_status(status), Attempt::NotDone(_)),
                "{status}"
            );
        }
        assert!(matches!(after_status(401), Attempt::TokenRefused(_)));
        for status in [400, 403, 404, 409, 413, 422] {
            assert!(
                matches!(after_status(status), Attempt::Refused(_)),
                "{status}"
            );
        }
        for status in [200, 302, 500, 502, 503, 504] {
            assert!(
                matches!(after_status(status), Attempt::Unknown(_)),
                "{status}"
            );
        }
        let placed = of_response(201, &HeaderMap::new(), br#"{"id": "o-1"}"#);
        assert_eq!(placed, Attempt::Done("o-1".into()));
        // It was placed, whatever the body is.
        assert_eq!(after_status(201), Attempt::Done(String::new()));
    }

    #[test]
    fn over_grpc_it_is_the_same() {
        let after = |code| of_status(&Status::new(code, "x"));
        assert!(matches!(
            after(Code::ResourceExhausted),
            Attempt::NotDone(_)
        ));
        assert!(matches!(
            after(Code::Unauthenticated),
            Attempt::TokenRefused(_)
        ));
        for code in [
            Code::NotFound,
            Code::FailedPrecondition,
            Code::InvalidArgument,
        ] {
            assert!(matches!(after(code), Attempt::Refused(_)), "{code:?}");
        }
        for code in [
            Code::Unavailable,
            Code::DeadlineExceeded,
            Code::Cancelled,
            Code::Internal,
            Code::Unknown,
            Code::Aborted,
        ] {
            assert!(matches!(after(code), Attempt::Unknown(_)), "{code:?}");
        }
    }

    #[tokio::test]
    async fn without_a_connection_nothing_was_done() {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", gone.local_addr().unwrap());
        drop(gone);
        let channel = net::Trust::default().grpc_channel(&url).unwrap();
        let apis = Apis {
            http: net::http_client(),
            orders: format!("{url}/resource"),
            inventory: InventoryClient::new(channel),
        };
        for api in [Api::Orders, Api::Inventory] {
            let order = Order {
                api,
                item: "x".into(),
                quantity: 1,
            };
            let answer = apis.send(&order, &"token".into()).await;
            let is_not_done = matches!(answer.attempt, Attempt::NotDone(_));
            assert!(is_not_done, "{api:?}: {:?}", answer.attempt);
        }
    }
}
