//! gRPC adapter: the caller of a call, refusals as statuses.

use http::Uri;
use tonic::{
    Code, Request, Status,
    metadata::{MetadataMap, MetadataValue},
};

use crate::{
    caller::{Caller, Presented, SentProof, Transport},
    dpop,
    refusal::{Refusal, Refused},
    verifier::Verifier,
};

impl Verifier {
    /// Identifies the caller of a gRPC call, whose token is in the metadata
    /// `authorization`.
    pub async fn grpc_caller<T>(&self, request: &Request<T>) -> Result<Caller, Refused> {
        let metadata = request.metadata();
        let sent = values(metadata, "authorization");
        let proofs = values(metadata, dpop::HEADER);
        // The server puts the URI of the call there.
        let path = request.extensions().get::<Uri>().map_or("", Uri::path);
        let presented = Presented {
            authorization: &sent,
            proof: (!proofs.is_empty()).then(|| SentProof {
                values: &proofs,
                // RFC 9113 §8.3.1: gRPC calls are POST requests.
                method: "POST",
                transport: Transport::Grpc,
                path,
            }),
            certificate: None,
        };
        self.caller(presented).await
    }
}

/// All values of the metadata `name`.
fn values<'m>(metadata: &'m MetadataMap, name: &str) -> Vec<&'m [u8]> {
    let all = metadata.get_all(name).iter();
    all.map(MetadataValue::as_bytes).collect()
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let code = match refused.why() {
            Refusal::NoToken | Refusal::BadRequest(_) | Refusal::Invalid(_) | Refusal::Proof(_) => {
                Code::Unauthenticated
            }
            Refusal::InsufficientScope(_) => Code::PermissionDenied,
            Refusal::NoKeys | Refusal::NoIntrospection | Refusal::NoStore => Code::Unavailable,
            Refusal::TooManyProofs(_) => Code::ResourceExhausted,
        };
        with_nonce(Self::new(code, refused.to_string()), refused.nonce())
    }
}

/// `status` with the `nonce` that the caller has to use in its DPoP proof (RFC 9449 §8, §9), if
/// there is one.
pub fn with_nonce(mut status: Status, nonce: Option<&str>) -> Status {
    if let Some(nonce) = nonce.and_then(|nonce| nonce.parse().ok()) {
        status.metadata_mut().insert(dpop::NONCE_HEADER, nonce);
    }
    status
}
