//! The operator's gRPC services: they list and end login sessions, list and rotate
//! signing keys. They exist only if an operator's key is set.

mod keys;
mod sessions;

use std::sync::Arc;

pub(crate) use keys::{made, rotate};
use kit::clock::whole_secs;
use oauth_types::secret::same_secret;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::{Request, Status};
use web_kit::client::ClientAddr;

use crate::{Idp, audit, client_auth::FailureKey};

/// The services. A clone shares everything.
#[derive(Clone)]
pub struct Service {
    idp: Arc<Idp>,
    key: SecretString,
}

impl Service {
    /// Services for callers that have `key`.
    pub fn new(idp: Arc<Idp>, key: SecretString) -> Self {
        Self { idp, key }
    }

    /// Whether the caller of `request` has the key.
    fn check<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let given = request.metadata().get("authorization");
        let given = given.and_then(|value| value.to_str().ok());
        let given = given.and_then(|text| text.split_once(' '));
        let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let from = request.remote_addr();
        let from = from.map_or(ClientAddr::UNKNOWN, ClientAddr::from);
        let (failures, now) = (&self.idp.failures, self.idp.now());
        let checked = failures.check(FailureKey::Operator, from.bucket(), now, || {
            given.is_some_and(|(_, key)| same_secret(self.key.expose_secret(), key))
        });
        match checked {
            Ok(true) => Ok(()),
            Ok(false) => {
                audit::operator_refused(from);
                Err(Status::unauthenticated(
                    "the operator's key is required: authorization: Bearer <key>",
                ))
            }
            Err(wait) => {
                let seconds = whole_secs(wait);
                Err(Status::resource_exhausted(format!(
                    "too many wrong keys from this address: try again in {seconds} s"
                )))
            }
        }
    }
}
