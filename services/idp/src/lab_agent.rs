//! What the provider does for the lab that controls it (`kit::lab_control`).

use std::sync::{Arc, Weak};

use futures_util::{FutureExt as _, future::BoxFuture};
use kit::{journey::JourneyTag, lab_control::Agent};
use serde_json::Value;

use crate::{Idp, keys::Algorithm, operator};

/// The provider. The lab's hold outlives it.
pub(crate) struct LabAgent(Weak<Idp>);

impl LabAgent {
    pub(crate) fn new(idp: &Arc<Idp>) -> Self {
        Self(Arc::downgrade(idp))
    }
}

impl Agent for LabAgent {
    /// As `sso-lab keys rotate --now` does: the new keys sign at once, and all others are
    /// withdrawn.
    fn rotate_keys(&self) -> Option<BoxFuture<'_, Result<Vec<String>, String>>> {
        let rotating = async {
            let idp = self.0.upgrade().ok_or("the provider has stopped")?;
            let rotated = operator::rotate(idp, Algorithm::ALL.to_vec(), true).await;
            let rotated = rotated.map_err(|error| error.to_string())?;
            Ok(operator::made(&rotated))
        };
        Some(rotating.boxed())
    }

    fn inspect(&self, _: JourneyTag) -> BoxFuture<'_, Value> {
        async { Value::Null }.boxed()
    }
}
