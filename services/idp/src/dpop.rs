//! DPoP proofs at the provider (RFC 9449): at the token endpoint and the endpoint of pushed
//! requests, in gRPC calls, and with an access token at userinfo. Each proof needs a nonce
//! of the provider, and counts once.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponseBuilder, http::header::HeaderValue};
use aws_lc_rs::hmac;
use kit::{
    config::{Addresses, Site},
    seal::KEY_LEN,
};
use oauth_types::{claims::AccessToken, error::sentence};
use store::{Charge, Owner, SharedStore, StoreError, cost};
use token_verify::dpop::{
    self, BadProof, HEADER, NONCE_HEADER, Nonces, ProofTarget, UsedProofs, ValidProof,
};
use tonic::metadata::{MetadataMap, MetadataValue};
use web_kit::head::method_as_sent;

use crate::{
    Idp,
    derived_key::derived_key,
    error::OAuthError,
    records::RecordError,
    settings::Client,
    used_once::{Cause, UsedOnce},
};

/// The prefix of used proofs in the store.
const USED: &str = "idp:dpop:";

/// What the provider needs to check proofs.
pub struct Dpop {
    nonces: Nonces,
    used: UsedProofs,
    /// Those of clients that are known, which the store keeps.
    kept: UsedOnce,
    /// The public URL of the gRPC services, without a path.
    grpc_url: Option<String>,
}

impl Dpop {
    /// With nonces of a key derived from `master`, which all replicas share.
    /// A client may leave `most` used proofs in the store.
    pub fn new(
        master: &[u8; KEY_LEN],
        store: &SharedStore,
        addresses: &Addresses,
        most: usize,
    ) -> Self {
        let key: hmac::Key = derived_key(master, "sso-lab dpop nonce v1");
        Self {
            nonces: Nonces::new(key),
            used: UsedProofs::new(SharedStore::clone(store), USED),
            kept: UsedOnce::new(most),
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

/// Who leaves a used proof in the store: anybody can make proofs, so each is counted.
pub enum Sender {
    /// Nobody who has authenticated: charged in a budget in the store.
    Stranger(Owner),
    /// Who is known by credentials of its own, by name: counted in this process.
    Known(String, Cause),
}

impl Sender {
    /// A client that has authenticated.
    pub fn client(client: &Client, cause: Cause) -> Self {
        Self::Known(format!("client {}", client.client_id), cause)
    }

    /// The holder of an access token.
    pub fn holder(token: &AccessToken) -> Self {
        let name = format!("holder {} {}", token.client_id, token.sub);
        Self::Known(name, Cause::Client)
    }
}

/// Why a valid proof cannot be used.
#[derive(Debug)]
pub enum NotUsable {
    /// It was used before.
    Replayed,
    /// Its sender has used too many; the time to wait.
    TooMany(Duration),
    /// The store failed.
    Records(RecordError),
}

impl NotUsable {
    /// What a sender with too many has to know.
    pub const TOO_MANY: &str = "Too many DPoP proofs of this client have not expired yet: send fewer requests, or reuse tokens.";

    /// The error for the client.
    pub fn respond(self, idp: &Idp) -> OAuthError {
        match self {
            Self::Replayed => refused(idp, BadProof::Replayed),
            Self::TooMany(wait) => OAuthError::too_early(Self::TOO_MANY, wait),
            Self::Records(error) => error.into(),
        }
    }
}

/// Uses `proof` up: one command to the store, and for a stranger those of the budget.
pub async fn use_up(idp: &Idp, proof: &ValidProof, sender: Sender) -> Result<(), NotUsable> {
    let (used, kept, now) = (&idp.dpop.used, &idp.dpop.kept, idp.now());
    if let Sender::Known(name, cause) = &sender {
        let entered = kept.enter(name, *cause, proof.until(), now);
        entered.map_err(NotUsable::TooMany)?;
    }
    let marked = used.mark(proof, now).await;
    if let Sender::Known(name, cause) = &sender
        && !matches!(marked, Ok(true))
    {
        kept.leave(name, *cause, proof.until());
    }
    let records = |error: StoreError| NotUsable::Records(error.into());
    if !marked.map_err(records)? {
        return Err(NotUsable::Replayed);
    }
    if let Sender::Stranger(owner) = sender {
        let key = used.key(proof);
        let charge = Charge::new(owner, cost(&key, 1));
        let entered = idp.budgets.proofs.enter(&charge, &key, proof.until());
        entered.await.map_err(records)?;
    }
    Ok(())
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
