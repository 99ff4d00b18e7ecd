//! Proof of possession: whether the sender of a request holds the key to which its access
//! token is bound (`cnf`, RFC 7800). A bound token without the proof is refused,
//! whatever a resource server's settings.

use oauth_types::claims::Confirmation;

use crate::{
    dpop::{BadProof, ValidProof},
    scheme::Scheme,
};

/// The keys that the sender of a request has proven to hold. Thumbprints are SHA-256 in
/// base64url, as `cnf` has them; they are public, so they are compared as texts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Possession<'r> {
    /// The thumbprint of the public key of a valid DPoP proof for this request and this
    /// token (RFC 9449 §4.3).
    pub key: Option<&'r str>,
    /// The thumbprint of the certificate with which the peer has authenticated on this
    /// connection (RFC 8705 §3).
    pub certificate: Option<&'r str>,
}

/// Why a bound token may not be used by its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// No proof.
    #[error("it is bound to a key: a DPoP proof has to come with it (RFC 9449 section 7.1)")]
    Key,
    /// A proof with another key.
    #[error("it is bound to another key than that of the DPoP proof")]
    OtherKey,
    /// No certificate.
    #[error("it is bound to a certificate: it counts on connections by mTLS alone (RFC 8705)")]
    Certificate,
    /// Another certificate.
    #[error("it is bound to another certificate than that of this connection")]
    OtherCertificate,
    /// `cnf` has no member that is known.
    #[error("it is bound to a key by a method that is not supported (cnf)")]
    Method,
}

/// Why the sender of a request with an access token has not proven what it has to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotProven {
    /// The scheme `DPoP` with a token that is bound to no key.
    NotBound,
    /// The DPoP proof.
    Proof(BadProof),
    /// A key that the token is bound to.
    Unproven(Unproven),
}

/// Whether the sender of a token that came by `scheme` holds all keys that the token is `bound`
/// to. `proof` checks the request's DPoP proof; `certificate` is the thumbprint of the peer's.
/// Returns the proof, which is then to be used up.
pub fn prove(
    scheme: Scheme,
    bound: Option<&Confirmation>,
    proof: impl FnOnce() -> Result<ValidProof, BadProof>,
    certificate: Option<&str>,
) -> Result<Option<ValidProof>, NotProven> {
    let proof = match scheme {
        // RFC 9449 §7.1: the scheme is for bound tokens alone.
        Scheme::Dpop if bound.is_none_or(|bound| bound.jkt.is_none()) => {
            return Err(NotProven::NotBound);
        }
        Scheme::Dpop => Some(proof().map_err(NotProven::Proof)?),
        Scheme::Bearer => None,
    };
    // Also where no proofs are accepted: otherwise a stolen token could be used as a bearer
    // token (RFC 9449 §7.2).
    if let Some(bound) = bound {
        let possession = Possession {
            key: proof.as_ref().map(|proof| &*proof.jkt),
            certificate,
        };
        possession.check(bound).map_err(NotProven::Unproven)?;
    }
    Ok(proof)
}

impl Possession<'_> {
    /// Whether it meets all that `bound` asks for.
    pub fn check(&self, bound: &Confirmation) -> Result<(), Unproven> {
        let Confirmation { jkt, x5t_s256 } = bound;
        if jkt.is_none() && x5t_s256.is_none() {
            return Err(Unproven::Method);
        }
        match (jkt, self.key) {
            (None, _) => {}
            (Some(jkt), Some(key)) if jkt == key => {}
            (Some(_), None) => return Err(Unproven::Key),
            (Some(_), Some(_)) => return Err(Unproven::OtherKey),
        }
        match (x5t_s256, self.certificate) {
            (None, _) => Ok(()),
            (Some(bound), Some(own)) if bound == own => Ok(()),
            (Some(_), None) => Err(Unproven::Certificate),
            (Some(_), Some(_)) => Err(Unproven::OtherCertificate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(jkt: Option<&str>, x5t: Option<&str>) -> Confirmation {
        Confirmation {
            jkt: jkt.map(str::to_owned),
            x5t_s256: x5t.map(str::to_owned),
        }
    }

    #[test]
    fn rfc7800_3_1_only_the_holder_of_each_named_key_may_use_a_bound_token() {
        let (none, key, other) = (None, Some("k"), Some("x"));
        for (jkt, x5t, proven, certificate, expected) in [
            (key, none, key, none, Ok(())),
            (key, none, none, none, Err(Unproven::Key)),
            (key, none, none, key, Err(Unproven::Key)),
            (key, none, other, none, Err(Unproven::OtherKey)),
            (none, key, none, key, Ok(())),
            (none, key, none, none, Err(Unproven::Certificate)),
            (none, key, key, none, Err(Unproven::Certificate)),
            (none, key, none, other, Err(Unproven::OtherCertificate)),
            (key, key, key, key, Ok(())),
            (key, key, key, none, Err(Unproven::Certificate)),
            (key, key, none, key, Err(Unproven::Key)),
            (none, none, key, key, Err(Unproven::Method)),
        ] {
            let possession = Possession {
                key: proven,
                certificate,
            };
            let checked = possession.check(&bound(jkt, x5t));
            assert_eq!(checked, expected, "{jkt:?} {x5t:?} by {possession:?}");
        }
    }
}
