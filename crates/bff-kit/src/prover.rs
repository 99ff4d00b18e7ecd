//! The app's own key for DPoP (RFC 9449), if its access tokens are bound to one
//! (`BFF_DPOP`): the app proves with each request for tokens and with each call to an API
//! that it holds the key. The key is derived from `bff-dpop.key` of the state directory. So
//! all replicas have it, and the store and the cookies do not: a token that is stolen from
//! there is of no use, also to somebody who has the key that seals sessions.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use kit::{
    Deps,
    clock::Clock,
    config::{Addresses, Site},
    random::Random,
    seal::KEY_LEN,
};
use parking_lot::Mutex;
use token_verify::dpop::{NONCE_HEADER, ProofKey, ProofRequest};

/// Who checks the proofs. Each may give out nonces (§8, §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// The provider, at its token endpoint.
    Provider,
    /// API-1, over HTTP.
    Api1,
    /// API-2, over gRPC.
    Api2,
}

/// A request, as its server's clients know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'r> {
    /// Its server.
    pub(crate) server: Server,
    /// Its method.
    pub(crate) method: &'r str,
    /// Its path at an API; the whole URL at the provider.
    pub(crate) path: &'r str,
    /// Its access token, if it has one.
    pub(crate) token: Option<&'r str>,
}

/// Makes the app's proofs.
pub(crate) struct Prover {
    key: ProofKey,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    api1: String,
    api2: String,
    /// The last nonce of each server.
    nonces: [Mutex<Option<HeaderValue>>; 3],
}

impl Prover {
    /// With the key that is derived from `master` for the app `client_id`. `None` if it
    /// cannot be derived.
    pub(crate) fn new(
        master: &[u8; KEY_LEN],
        client_id: &str,
        addresses: &Addresses,
        deps: &Deps,
    ) -> Option<Self> {
        let key = ProofKey::derive(master, &format!("bff {client_id} dpop"))?;
        Some(Self {
            key,
            clock: Arc::clone(&deps.clock),
            random: Arc::clone(&deps.random),
            api1: addresses.url(Site::Api1),
            api2: addresses.grpc_url(Site::Api2).unwrap_or_default(),
            nonces: Default::default(),
        })
    }

    /// A proof for `request`. `None` if the key fails: the server then refuses the request.
    pub(crate) fn proof(&self, request: Request<'_>) -> Option<HeaderValue> {
        let Request {
            server,
            method,
            path,
            token,
        } = request;
        let base = match server {
            Server::Provider => "",
            Server::Api1 => &self.api1,
            Server::Api2 => &self.api2,
        };
        let nonce = self.nonces[server as usize].lock().clone();
        let request = ProofRequest {
            method,
            url: &[base, path].concat(),
            token,
            nonce: nonce.as_ref().and_then(|nonce| nonce.to_str().ok()),
        };
        let proof = self.key.proof(&request, self.clock.now(), &*self.random)?;
        HeaderValue::try_from(proof).ok()
    }

    /// What proves the calls with the bound `token` to the API `server`.
    pub(crate) const fn of_calls<'p>(&'p self, server: Server, token: &'p str) -> CallProver<'p> {
        CallProver {
            prover: self,
            server,
            token,
        }
    }

    /// Keeps the nonce that `server` has given out with an answer. Returns whether it is
    /// another one than before: then a refused request may be sent again.
    pub(crate) fn learn(&self, server: Server, headers: &HeaderMap) -> bool {
        let Some(given) = headers.get(NONCE_HEADER) else {
            return false;
        };
        let mut known = self.nonces[server as usize].lock();
        if known.as_ref() == Some(given) {
            return false;
        }
        *known = Some(given.clone());
        true
    }
}

/// Makes the proofs of the calls with one token to one API.
#[derive(Clone, Copy)]
pub(crate) struct CallProver<'p> {
    prover: &'p Prover,
    server: Server,
    token: &'p str,
}

impl CallProver<'_> {
    /// A proof for a call.
    pub(crate) fn proof(&self, method: &str, path: &str) -> Option<HeaderValue> {
        self.prover.proof(Request {
            server: self.server,
            method,
            path,
            token: Some(self.token),
        })
    }

    /// As [`Prover::learn`].
    pub(crate) fn learn(&self, headers: &HeaderMap) -> bool {
        self.prover.learn(self.server, headers)
    }
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prover")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use kit::{clock::ManualClock, random::OsRandom, shutdown::Shutdown};
    use token_verify::{
        dpop::{ProofTarget, check},
        testing::START,
    };

    use super::*;

    fn prover(master: u8) -> Prover {
        let deps = Deps {
            clock: Arc::new(ManualClock::new(START)),
            random: Arc::new(OsRandom),
            shutdown: Shutdown::new(),
        };
        let addresses = Addresses::new("http", "localhost", 0);
        Prover::new(&[master; KEY_LEN], "app1", &addresses, &deps).unwrap()
    }

    #[test]
    fn rfc9449_4_2_a_proof_names_the_public_url_whatever_address_is_called() {
        let request = Request {
            server: Server::Api1,
            method: "GET",
            path: "/resource",
            token: Some("t"),
        };
        let jkt = |master: u8| {
            let proof = prover(master).proof(request).unwrap();
            let target = ProofTarget {
                method: "GET",
                bases: &["http://api1.localhost:8084"],
                path: "/resource",
                token: Some("t"),
                nonces: None,
            };
            check(&[proof.as_bytes()], &target, START).unwrap().jkt
        };
        assert_eq!(jkt(1), jkt(1), "two replicas");
        assert_ne!(jkt(1), jkt(2));
    }

    #[test]
    fn rfc9449_8_2_the_last_nonce_of_each_server_is_kept() {
        let prover = prover(1);
        let mut headers = HeaderMap::new();
        assert!(!prover.learn(Server::Api1, &headers));
        headers.insert(NONCE_HEADER, HeaderValue::from_static("n-1"));
        assert!(prover.learn(Server::Api1, &headers));
        assert!(!prover.learn(Server::Api1, &headers), "nothing new");
        assert!(prover.learn(Server::Provider, &headers));
        let known = |server: Server| prover.nonces[server as usize].lock().clone();
        assert!(known(Server::Api1).is_some() && known(Server::Api2).is_none());
    }
}
