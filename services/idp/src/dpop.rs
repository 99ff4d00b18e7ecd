//! DPoP proofs at the provider (RFC 9449): at the token endpoint and the endpoint of pushed
//! requests, in gRPC calls, and with an access token at userinfo. Each proof needs a nonce
//! of the provider, and counts once.

use actix_web::{HttpRequest, HttpResponseBuilder, http::header::HeaderValue};
use aws_lc_rs::hmac;
use kit::{
    config::{Addresses, Site},
    seal::KEY_LEN,
};
use oauth_types::error::sentence;
use store::{Charge, Owner, SharedStore, cost};
use token_verify::dpop::{
    self, BadProof, HEADER, NONCE_HEADER, Nonces, ProofTarget, UsedProofs, ValidProof,
};
use tonic::metadata::{MetadataMap, MetadataValue};
use web_kit::head::method_as_sent;

use crate::{Idp, derived_key::derived_key, error::OAuthError, records::RecordError};

/// The prefix of used proofs in the store.
const USED: &str = "idp:dpop:";

/// What the provider needs to check proofs.
pub struct Dpop {
    nonces: Nonces,
    used: UsedProofs,
    /// The public URL of the gRPC services, without a path.
    grpc_url: Option<String>,
}

impl Dpop {
    /// With nonces of a key derived from `master`, which all replicas share.
    pub fn new(master: &[u8; KEY_LEN], store: &SharedStore, addresses: &Addresses) -> Self {
        let key: hmac::Key = derived_key(master, "sso-lab dpop nonce v1");
        Self {
            nonces: Nonces::new(key),
            used: UsedProofs::new(SharedStore::clone(store), USED),
            grpc_url: addresses.grpc_url(Site::Idp),
        }
    }
}

/// The proof that a request brings, and what the proof has to be for.
pub struct SentProof<'r> {
    values: Vec<&'r [u8]>,
    method: &'r str,
    bases: Vec<&'r str>,
    path: &'r str,
}

impl<'r> SentProof<'r> {
    /// Of an HTTP request to the endpoint `path`; none if it brings none.
    pub fn of_request(idp: &'r Idp, req: &'r HttpRequest, path: &'r str) -> Option<Self> {
        let values = req.headers().get_all(HEADER);
        let values: Vec<_> = values.map(HeaderValue::as_bytes).collect();
        let mtls = idp.mtls.as_ref().map(|mtls| mtls.url.as_str());
        (!values.is_empty()).then(|| Self {
            values,
            method: method_as_sent(req),
            bases: [idp.issuer.as_str()].into_iter().chain(mtls).collect(),
            path,
        })
    }

    /// Of a call of the gRPC method `path`; none if it brings none.
    pub fn of_call(idp: &'r Idp, metadata: &'r MetadataMap, path: &'r str) -> Option<Self> {
        let values = metadata.get_all(HEADER).iter();
        let values: Vec<_> = values.map(MetadataValue::as_bytes).collect();
        (!values.is_empty()).then(|| Self {
            values,
            // RFC 9113 §8.3.1: gRPC calls are POST requests.
            method: "POST",
            bases: idp.dpop.grpc_url.as_deref().into_iter().collect(),
            path,
        })
    }

    /// Checks it, with the access `token` of the request if there is one.
    pub fn check(&self, idp: &Idp, token: Option<&str>) -> Result<ValidProof, BadProof> {
        let target = ProofTarget {
            method: self.method,
            bases: &self.bases,
            path: self.path,
            token,
            nonces: Some(&idp.dpop.nonces),
        };
        dpop::check(&self.values, &target, idp.now())
    }
}

/// Marks `proof` as used. Returns whether this call did: one command to the store. Anybody
/// can make proofs, so that of a sender who has not authenticated is charged to `charged`.
pub async fn use_up(
    idp: &Idp,
    proof: &ValidProof,
    charged: Option<Owner>,
) -> Result<bool, RecordError> {
    let used = &idp.dpop.used;
    if !used.mark(proof, idp.now()).await? {
        return Ok(false);
    }
    if let Some(owner) = charged {
        let key = used.key(proof);
        let charge = Charge::new(owner, cost(&key, 1));
        idp.budgets
            .proofs
            .enter(&charge, &key, proof.until())
            .await?;
    }
    Ok(true)
}

/// The present nonce.
pub fn nonce(idp: &Idp) -> String {
    idp.dpop.nonces.current(idp.now())
}

/// Adds the present nonce to the response to a request with a proof (RFC 9449 §8.2), so
/// that the client's next proof has it.
pub fn add_nonce(idp: &Idp, req: &HttpRequest, response: &mut HttpResponseBuilder) {
    if req.headers().contains_key(HEADER) {
        response.insert_header((NONCE_HEADER, nonce(idp)));
    }
}

/// The error for a proof that is refused (§5, §8).
pub fn refused(idp: &Idp, why: BadProof) -> OAuthError {
    let error = OAuthError::new(why.code(), format!("{}.", sentence(&why.to_string())));
    let needs_nonce = matches!(why, BadProof::NoNonce | BadProof::StaleNonce);
    OAuthError {
        dpop_nonce: needs_nonce.then(|| nonce(idp)),
        ..error
    }
}
