//! A client that exchanges tokens over HTTP and over gRPC, and expects the same of both.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use sso_proto::idp::{ExchangeRequest, token_exchange_client::TokenExchangeClient};
use testkit::{ClientAuth, Platform, UnverifiedClaims};
use tests::Party;
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// A client that may exchange tokens.
#[derive(Clone, Copy)]
pub struct Exchanger<'p> {
    pub platform: &'p Platform,
    pub client_id: &'static str,
    pub secret: &'static str,
}

/// A token that was exchanged.
#[derive(Debug)]
pub struct Exchanged {
    pub token: String,
    pub issued_token_type: String,
    pub claims: UnverifiedClaims,
}

impl Exchanged {
    fn new(token: &str, issued_token_type: &str) -> Self {
        Self {
            token: token.to_owned(),
            issued_token_type: issued_token_type.to_owned(),
            claims: UnverifiedClaims::of(token),
        }
    }

    /// What does not differ between two tokens of one request.
    fn constant(&self) -> (Value, &str) {
        let mut claims = self.claims.claims.clone();
        for name in ["jti", "iat", "exp"] {
            claims.as_object_mut().unwrap().remove(name);
        }
        (claims, &self.issued_token_type)
    }
}

impl<'p> Exchanger<'p> {
    /// API-1.
    pub fn api1(platform: &'p Platform) -> Self {
        Self {
            platform,
            client_id: "api-1",
            secret: "api-1-secret",
        }
    }

    /// Exchanges `subject_token` for `audience` with the parameters `more`: the new token
    /// or the error code, of which both ways give the same.
    pub async fn exchange(
        self,
        subject_token: &str,
        audience: &str,
        more: &[(&str, &str)],
    ) -> Result<Exchanged, String> {
        let mut parameters = vec![
            ("subject_token", subject_token),
            ("subject_token_type", ACCESS_TOKEN),
            ("audience", audience),
        ];
        parameters.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        parameters.extend_from_slice(more);
        let by_http = self.by_http(&parameters).await;
        let by_grpc = self.by_grpc(&parameters).await;
        match (&by_http, &by_grpc) {
            (Ok(one), Ok(other)) => assert_eq!(one.constant(), other.constant()),
            (Err(one), Err(other)) => assert_eq!(one, other),
            _ => panic!("HTTP gives {by_http:?}, gRPC gives {by_grpc:?}"),
        }
        by_http
    }

    /// Over HTTP alone.
    pub async fn by_http(&self, parameters: &[(&str, &str)]) -> Result<Exchanged, String> {
        let auth = ClientAuth::basic(self.client_id, self.secret);
        let parameters = [&[("grant_type", GRANT)], parameters].concat();
        let answer = self.platform.machine(auth).token(&parameters).await;
        if answer.status == 200 {
            let (token, kind) = (
                answer.text("access_token"),
                answer.text("issued_token_type"),
            );
            assert_eq!(answer.text("token_type"), "Bearer");
            assert!(answer.json().get("refresh_token").is_none());
            return Ok(Exchanged::new(&token, &kind));
        }
        assert!(!answer.text("error_description").is_empty());
        Err(answer.error())
    }

    /// Over gRPC alone.
    pub async fn by_grpc(&self, parameters: &[(&str, &str)]) -> Result<Exchanged, String> {
        let all = |name: &str| {
            let own = parameters.iter().filter(|(own, _)| *own == name);
            let own = own.map(|(_, value)| (*value).to_owned());
            own.collect::<Vec<_>>()
        };
        let one = |name: &str| all(name).pop().unwrap_or_default();
        let message = ExchangeRequest {
            resource: all("resource"),
            audience: all("audience"),
            scope: one("scope"),
            requested_token_type: one("requested_token_type"),
            subject_token: one("subject_token"),
            subject_token_type: one("subject_token_type"),
            actor_token: one("actor_token"),
            actor_token_type: one("actor_token_type"),
        };
        let response = self.send(message).await;
        let response = response.map_err(|status| {
            let details = status.get_error_details();
            details.error_info().unwrap().reason.clone()
        })?;
        assert_eq!(response.token_type, "Bearer");
        assert!(response.refresh_token.is_empty());
        Ok(Exchanged::new(
            &response.access_token,
            &response.issued_token_type,
        ))
    }

    /// Sends `message` over gRPC.
    pub async fn send(
        &self,
        message: ExchangeRequest,
    ) -> Result<sso_proto::idp::ExchangeResponse, Status> {
        self.send_with(message, None).await
    }

    /// Sends `message` over gRPC with a DPoP proof.
    pub async fn send_with(
        &self,
        message: ExchangeRequest,
        proof: Option<&str>,
    ) -> Result<sso_proto::idp::ExchangeResponse, Status> {
        let url = self.platform.grpc_url(kit::config::Site::Idp);
        let channel = self.platform.trust().grpc_channel(&url).unwrap();
        let mut request = Request::new(message);
        let pair = format!("{}:{}", self.client_id, self.secret);
        let basic = format!("Basic {}", STANDARD.encode(pair));
        let metadata = request.metadata_mut();
        metadata.insert("authorization", basic.parse().unwrap());
        if let Some(proof) = proof {
            metadata.insert("dpop", proof.parse().unwrap());
        }
        let sent = TokenExchangeClient::new(channel).exchange(request).await;
        sent.map(tonic::Response::into_inner)
    }
}

/// An access token of alice for API-1 with `scope`.
pub async fn alices_token(platform: &Platform, scope: &str) -> String {
    let party = Party::demo_rp(platform);
    let mut cli = party.cli();
    let tokens = party.tokens(&mut cli, &[("scope", scope)]).await;
    tokens.text("access_token")
}
