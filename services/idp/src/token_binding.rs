//! The key that new tokens are bound to: what the client of a request has proven to hold
//! (RFC 9449 §5, RFC 8705 §3). Every grant passes it from its request to `issue`.

use actix_web::HttpRequest;
use kit::{tls::PeerCertificates, x509::thumbprint};
use oauth_types::claims::Confirmation;
use tonic::metadata::MetadataMap;
use web_kit::peer_certificates;

use crate::{
    Idp, budgets,
    client_auth::not_by_mtls,
    domain::Grant,
    dpop::{self, Sender, SentProof},
    error::OAuthError,
    settings::Client,
    used_once::Cause,
};

/// What the tokens of one response are bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenBinding(Option<Confirmation>);

impl TokenBinding {
    /// No key: bearer tokens.
    pub const BEARER: Self = Self(None);

    /// What the new tokens of an HTTP request of `client` to the endpoint `path` are bound to:
    /// the certificate of the connection, the key of a DPoP proof, or both. A client that has
    /// to bind its tokens is refused without.
    pub async fn of_request(
        idp: &Idp,
        (client, cause): (&Client, Cause),
        req: &HttpRequest,
        path: &str,
    ) -> Result<Self, OAuthError> {
        let certified = Self::of_certificate(idp, client, peer_certificates(req))?;
        let proven = Self::offered(idp, (client, cause), req, path).await?;
        Ok(certified.and(proven.required(client)?))
    }

    /// The same of a call of the gRPC method `path`, whose port asks for no certificate.
    pub async fn of_call(
        idp: &Idp,
        client: &Client,
        metadata: &MetadataMap,
        path: &str,
    ) -> Result<Self, OAuthError> {
        let certified = Self::of_certificate(idp, client, None)?;
        let sender = Sender::client(client, Cause::Client);
        let proof = SentProof::of_call(idp, metadata, path);
        let proven = Self::of_proof(idp, proof, sender).await?;
        Ok(certified.and(proven.required(client)?))
    }

    /// Bound to what both are bound to.
    fn and(self, proven: Self) -> Self {
        Self(match (self.0, proven.0) {
            (Some(certified), Some(proven)) => Some(Confirmation {
                jkt: proven.jkt,
                ..certified
            }),
            (one, other) => one.or(other),
        })
    }

    /// The certificate of the connection, if the tokens of `client` are bound to one (RFC
    /// 8705 §3). Without a certificate no token is issued: it would be a bearer token.
    fn of_certificate(
        idp: &Idp,
        client: &Client,
        certificate: Option<&PeerCertificates>,
    ) -> Result<Self, OAuthError> {
        if !client.tls.bound_tokens {
            return Ok(Self::BEARER);
        }
        let certificate = certificate.ok_or_else(|| OAuthError::request(not_by_mtls(idp)))?;
        let thumbprint = thumbprint(certificate.own());
        Ok(Self(Some(Confirmation::of_certificate(thumbprint))))
    }

    /// The key of which an HTTP request to the endpoint `path` proves possession, if it
    /// does.
    pub async fn offered(
        idp: &Idp,
        (client, cause): (&Client, Cause),
        req: &HttpRequest,
        path: &str,
    ) -> Result<Self, OAuthError> {
        let proof = SentProof::of_request(idp, req, path);
        let sender = if client.is_public() {
            Sender::Stranger(budgets::sender(req))
        } else {
            Sender::client(client, cause)
        };
        Self::of_proof(idp, proof, sender).await
    }

    async fn of_proof(
        idp: &Idp,
        proof: Option<SentProof<'_>>,
        sender: Sender,
    ) -> Result<Self, OAuthError> {
        let Some(proof) = proof else {
            return Ok(Self::BEARER);
        };
        let valid = proof.check(idp, None);
        let valid = valid.map_err(|why| dpop::refused(idp, why))?;
        let used = dpop::use_up(idp, &valid, sender).await;
        used.map_err(|why| why.respond(idp))?;
        Ok(Self(Some(Confirmation::of_key(valid.jkt))))
    }

    /// RFC 9449 §5.2.
    fn required(self, client: &Client) -> Result<Self, OAuthError> {
        if client.dpop_bound_access_tokens && self.key().is_none() {
            return Err(OAuthError::request(
                "This client's tokens are bound to its key: send a DPoP proof (RFC 9449 section 5).",
            ));
        }
        Ok(self)
    }

    /// `cnf` of an access token.
    pub const fn confirmation(&self) -> Option<&Confirmation> {
        self.0.as_ref()
    }

    /// The thumbprint of the key that a proof has shown.
    pub fn key(&self) -> Option<&str> {
        self.0.as_ref()?.jkt.as_deref()
    }

    /// `token_type` of the response.
    pub fn token_type(&self) -> &'static str {
        Confirmation::token_type(self.confirmation())
    }

    /// What the refresh token of a new grant of `client` is bound to: a public client's to
    /// the key, a confidential client's to the client's authentication (RFC 9449 §5).
    pub fn of_refresh_token(&self, client: &Client) -> Option<Confirmation> {
        self.0.clone().filter(|_| client.is_public())
    }

    /// Whether the refresh token of `grant` may be used with what this request proves.
    pub fn check_refresh_token(&self, grant: &Grant) -> Result<(), OAuthError> {
        let Some(bound) = &grant.bound_to else {
            return Ok(());
        };
        if self.0.as_ref() == Some(bound) {
            return Ok(());
        }
        Err(OAuthError::grant(
            "The refresh token is bound to another key or certificate than that of this request.",
        ))
    }
}
