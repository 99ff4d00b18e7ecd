//! Token exchange over gRPC: the same grant as over HTTP, in protobuf messages.

use std::sync::Arc;

use actix_web::ResponseError as _;
use oauth_types::{BadParams, ErrorCode, Params};
use sso_proto::idp::{
    ExchangeRequest as ExchangeMessage, ExchangeResponse, token_exchange_server::TokenExchange,
};
use token_verify::grpc::with_nonce;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use web_kit::client::ClientAddr;

use crate::{
    Idp,
    client_auth::{Presented, authenticate},
    error::OAuthError,
    forms::LIMITS,
    settings::GrantType,
    token::{exchange, run_grant},
    token_binding::TokenBinding,
    used_once::Cause,
};

/// The path of the method.
const EXCHANGE: &str = "/sso.idp.v1.TokenExchange/Exchange";

/// `sso.idp.v1.TokenExchange`.
pub struct Service(pub Arc<Idp>);

#[tonic::async_trait]
impl TokenExchange for Service {
    async fn exchange(
        &self,
        request: Request<ExchangeMessage>,
    ) -> Result<Response<ExchangeResponse>, Status> {
        let authorization = request
            .metadata()
            .get("authorization")
            .map(|value| value.to_str());
        let authorization = authorization.transpose().map_err(|_| {
            status(&OAuthError::client(
                "The authorization metadata is not ASCII.",
            ))
        })?;
        let from = request.remote_addr();
        let from = from.map_or(ClientAddr::UNKNOWN, ClientAddr::from);
        // The port asks for no certificate.
        let presented = Presented {
            authorization,
            certificate: None,
            cause: Cause::Client,
        };
        let client = authenticate(&self.0, presented, from, &Params::default())
            .await
            .map_err(|e| status(&e))?;
        let (metadata, _, message) = request.into_parts();
        let params = params(message);
        let issuing = async {
            let binding = TokenBinding::of_call(&self.0, client, &metadata, EXCHANGE).await?;
            exchange(&self.0, client, &params?, &binding).await
        };
        let tokens = run_grant(&self.0, client, GrantType::TokenExchange, issuing)
            .await
            .map_err(|e| status(&e))?;
        Ok(Response::new(ExchangeResponse {
            access_token: tokens.access_token,
            issued_token_type: tokens.issued_token_type.unwrap_or_default(),
            token_type: tokens.token_type,
            expires_in: tokens.expires_in,
            scope: tokens.scope.unwrap_or_default(),
            refresh_token: tokens.refresh_token.unwrap_or_default(),
        }))
    }
}

/// The message as the parameters of a form, within the same limits.
fn params(message: ExchangeMessage) -> Result<Params, OAuthError> {
    let resources = message
        .resource
        .into_iter()
        .map(|value| ("resource", value));
    let audiences = message
        .audience
        .into_iter()
        .map(|value| ("audience", value));
    let single = [
        ("scope", message.scope),
        ("requested_token_type", message.requested_token_type),
        ("subject_token", message.subject_token),
        ("subject_token_type", message.subject_token_type),
        ("actor_token", message.actor_token),
        ("actor_token_type", message.actor_token_type),
    ];
    let all: Vec<_> = resources.chain(audiences).chain(single).collect();
    let bytes: usize = all.iter().map(|(_, value)| value.len()).sum();
    if all.len() > LIMITS.count || bytes > LIMITS.bytes {
        return Err(BadParams::TooLarge.into());
    }
    let all = all
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Ok(all.collect())
}

/// The OAuth error code is in `google.rpc.ErrorInfo.reason`.
fn status(error: &OAuthError) -> Status {
    let code = match error.code {
        _ if error.wait.is_some() => Code::ResourceExhausted,
        ErrorCode::InvalidClient => Code::Unauthenticated,
        ErrorCode::UnauthorizedClient | ErrorCode::InvalidTarget | ErrorCode::InvalidScope => {
            Code::PermissionDenied
        }
        ErrorCode::TemporarilyUnavailable => Code::Unavailable,
        _ if error.status_code().is_server_error() => Code::Internal,
        _ => Code::InvalidArgument,
    };
    let details = ErrorDetails::with_error_info(error.code.as_str(), "sso-lab", []);
    let status = Status::with_error_details(code, error.description.clone(), details);
    with_nonce(status, error.dpop_nonce.as_deref())
}
