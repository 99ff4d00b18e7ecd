//! The operator of the provider, by gRPC.

use kit::config::{Addresses, Site};
use sso_proto::idp::{
    EndSessionsRequest, ListSessionsRequest, LoginSession, end_sessions_request::Which,
    sessions_client::SessionsClient,
};
use testkit::Plan;
use tonic::{Request, transport::Channel};

/// The operator's key, for those who start a provider with one.
pub const KEY: &str = "an-operators-key-of-a-good-length";

/// An operator who has [`KEY`].
pub struct Operator(SessionsClient<Channel>);

/// `plan` with [`KEY`] at the provider.
pub fn operated(mut plan: Plan) -> Plan {
    let key = ("IDP_OPERATOR_KEY".to_owned(), KEY.to_owned());
    plan.environment.push(key);
    plan
}

impl Operator {
    /// Of the provider at `addresses`.
    pub fn at(addresses: &Addresses) -> Self {
        let url = addresses.grpc_url(Site::Idp).unwrap();
        Self(SessionsClient::new(
            kit::net::Trust::default().grpc_channel(&url).unwrap(),
        ))
    }

    /// The sessions of `user`; of everybody where that is empty.
    pub async fn list(&mut self, user: &str) -> Vec<LoginSession> {
        let asked = ListSessionsRequest {
            user: user.to_owned(),
            ..Default::default()
        };
        let answer = self.0.list(with_key(asked)).await.unwrap();
        answer.into_inner().sessions
    }

    /// Ends all sessions of `user`; how many it were.
    pub async fn revoke(&mut self, user: &str) -> u32 {
        let which = Some(Which::User(user.to_owned()));
        let answer = self.0.end(with_key(EndSessionsRequest { which })).await;
        answer.unwrap().into_inner().ended
    }
}

fn with_key<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {KEY}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}
