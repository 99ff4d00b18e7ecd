//! What the attacker has prepared for a login, and what it brought: for each journey whose
//! mix-up attack is running, and no longer.

use std::{collections::HashMap, sync::Arc};

use kit::journey::JourneyTag;
use parking_lot::Mutex;
use url::Url;

/// The prepared logins.
#[derive(Debug, Default)]
pub struct Traps(Mutex<HashMap<JourneyTag, Prepared>>);

/// One prepared login.
#[derive(Debug)]
struct Prepared {
    /// The attacker's own authorization request at the honest provider.
    request: Url,
    /// The code that an app sent to the attacker's token endpoint.
    code: Option<String>,
}

/// A prepared login; it ends with this value.
pub(crate) struct Trap {
    traps: Arc<Traps>,
    journey: JourneyTag,
}

impl Traps {
    /// Prepares a login of `journey`: its browser is sent on to `request`.
    pub(crate) fn set(self: &Arc<Self>, journey: JourneyTag, request: Url) -> Trap {
        let code = None;
        self.0.lock().insert(journey, Prepared { request, code });
        let traps = Arc::clone(self);
        Trap { traps, journey }
    }

    /// The attacker's authorization request in `journey`.
    pub(super) fn request(&self, journey: JourneyTag) -> Option<Url> {
        let prepared = self.0.lock();
        prepared.get(&journey).map(|one| one.request.clone())
    }

    /// Keeps `code`, which an app sent in `journey`.
    pub(super) fn keep(&self, journey: JourneyTag, code: &str) {
        if let Some(prepared) = self.0.lock().get_mut(&journey) {
            prepared.code = Some(code.to_owned());
        }
    }
}

impl Trap {
    /// The code that an app sent, if one did.
    pub(crate) fn code(&self) -> Option<String> {
        let prepared = self.traps.0.lock();
        prepared.get(&self.journey)?.code.clone()
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.traps.0.lock().remove(&self.journey);
    }
}
