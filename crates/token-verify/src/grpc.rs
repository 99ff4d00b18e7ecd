//! gRPC adapter: the caller from a call's metadata, refusals as statuses.

use tonic::{Code, Status, metadata::MetadataMap};

use crate::{
    caller::Caller,
    refusal::{Refusal, Refused},
    verifier::Verifier,
};

impl Verifier {
    /// Identifies the caller from the `authorization` metadata of a gRPC call.
    pub async fn grpc_caller(&self, metadata: &MetadataMap) -> Result<Caller, Refused> {
        let sent: Vec<_> = metadata
            .get_all("authorization")
            .iter()
            .map(tonic::metadata::MetadataValue::as_bytes)
            .collect();
        self.caller(&sent).await
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let code = match refused.why() {
            Refusal::NoToken | Refusal::BadRequest(_) | Refusal::Invalid(_) => {
                Code::Unauthenticated
            }
            Refusal::InsufficientScope(_) => Code::PermissionDenied,
            Refusal::NoKeys => Code::Unavailable,
        };
        Self::new(code, refused.to_string())
    }
}
