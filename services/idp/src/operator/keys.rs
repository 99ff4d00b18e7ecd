//! `sso.idp.v1.Keys`: lists and rotates signing keys.

use std::sync::Arc;

use sso_proto::idp::{
    KeyState as ListedState, ListKeysRequest, ListKeysResponse, RotateKeysRequest,
    RotateKeysResponse, SigningKey, keys_server::Keys,
};
use tonic::{Request, Response, Status};

use super::Service;
use crate::{
    Idp, audit,
    keys::{Algorithm, KeyRecord, KeyState, Rotated, RotationError},
};

#[tonic::async_trait]
impl Keys for Service {
    async fn list(
        &self,
        request: Request<ListKeysRequest>,
    ) -> Result<Response<ListKeysResponse>, Status> {
        self.check(&request)?;
        audit::keys_listed();
        let idp = &*self.idp;
        let refreshed = idp.keys.refresh(&idp.records).await;
        refreshed.map_err(|error| status(&error))?;
        let keys = idp.keys.listed();
        Ok(Response::new(ListKeysResponse {
            keys: keys
                .iter()
                .map(|(key, state)| listed(key, *state))
                .collect(),
        }))
    }

    async fn rotate(
        &self,
        request: Request<RotateKeysRequest>,
    ) -> Result<Response<RotateKeysResponse>, Status> {
        self.check(&request)?;
        let RotateKeysRequest { algorithm, at_once } = request.into_inner();
        let algorithms = match algorithm.as_str() {
            "" => Algorithm::ALL.to_vec(),
            name => vec![name.parse().map_err(Status::invalid_argument)?],
        };
        let rotating = rotate(Arc::clone(&self.idp), algorithms, at_once).await;
        let rotated = rotating.map_err(|error| status(&error))?;
        let now = self.idp.keys.now();
        let keys = rotated.iter();
        let keys = keys.map(|one| listed(&one.key, one.key.state(now)));
        Ok(Response::new(RotateKeysResponse {
            keys: keys.collect(),
            made: made(&rotated),
        }))
    }
}

/// Rotates the keys of `algorithms`, in a task of its own: the rotation is whole even if the
/// caller disconnects.
pub(crate) async fn rotate(
    idp: Arc<Idp>,
    algorithms: Vec<Algorithm>,
    at_once: bool,
) -> Result<Vec<Rotated>, RotationError> {
    let rotating = tokio::spawn(async move {
        let rotated = idp.keys.rotate(&idp.records, &algorithms, at_once).await?;
        for one in rotated.iter().filter(|one| one.is_new) {
            audit::key_rotated(&idp.meters, &one.key, at_once);
        }
        Ok(rotated)
    });
    // A task that panicked made no key.
    rotating.await.unwrap_or(Err(RotationError::Generation))
}

/// The names of the keys that a rotation made.
pub(crate) fn made(rotated: &[Rotated]) -> Vec<String> {
    let new = rotated.iter().filter(|one| one.is_new);
    new.map(|one| one.key.kid.clone()).collect()
}

fn listed(key: &KeyRecord, state: KeyState) -> SigningKey {
    let state = match state {
        KeyState::Next => ListedState::Next,
        KeyState::Signing => ListedState::Signing,
        KeyState::Retired | KeyState::Withdrawn => ListedState::Retired,
    };
    SigningKey {
        kid: key.kid.clone(),
        algorithm: key.algorithm.as_str().to_owned(),
        state: state.into(),
        created_at: key.created_at.map(kit::clock::Timestamp::secs),
        signs_from: key.signs_from.secs(),
        signs_until: key.succeeded_at.map(kit::clock::Timestamp::secs),
        published_until: key.published_until.map(kit::clock::Timestamp::secs),
    }
}

fn status(error: &RotationError) -> Status {
    match error {
        RotationError::TooMany(..) => Status::resource_exhausted(error.to_string()),
        RotationError::Contended => Status::aborted(error.to_string()),
        RotationError::Generation => Status::internal(error.to_string()),
        RotationError::Records(error) => {
            tracing::warn!("{error}");
            Status::unavailable("the store is unavailable; try again")
        }
    }
}
