//! A program's DPoP proofs (RFC 9449), with the nonces that servers give out.

use std::{collections::BTreeMap, sync::Arc};

use kit::{
    clock::Clock,
    random::{OsRandom, Random},
};
use parking_lot::Mutex;
use token_verify::dpop::{NONCE_HEADER, ProofKey, ProofRequest};
use url::Url;

use super::Answer;

/// The key and the nonces of a program.
#[derive(Clone)]
pub(super) struct Proofs {
    key: ProofKey,
    clock: Arc<dyn Clock>,
    /// The last nonce of each origin (§8.2).
    nonces: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Proofs {
    pub(super) fn new(key: ProofKey, clock: Arc<dyn Clock>) -> Self {
        Self {
            key,
            clock,
            nonces: Arc::default(),
        }
    }

    /// A proof for a request, with the last nonce of its server.
    pub(super) fn proof(&self, method: &str, url: &str, token: Option<&str>) -> String {
        let nonce = self.nonces.lock().get(&origin(url)).cloned();
        let request = ProofRequest {
            method,
            url,
            token,
            nonce: nonce.as_deref(),
        };
        let random: &dyn Random = &OsRandom;
        self.key.proof(&request, self.clock.now(), random).unwrap()
    }

    /// Keeps the nonce of the answer of `url`. Returns whether the server asks for it: then
    /// the request is to be sent again.
    pub(super) fn learn(&self, url: &str, answer: &Answer) -> bool {
        if let Some(given) = answer.header(NONCE_HEADER) {
            self.nonces.lock().insert(origin(url), given.to_owned());
        }
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        [&answer.body, challenge]
            .iter()
            .any(|text| text.contains("use_dpop_nonce"))
    }
}

fn origin(url: &str) -> String {
    url.parse::<Url>().unwrap().origin().ascii_serialization()
}
