//! The caller of a resource server, identified by the access token in
//! `Authorization`.

use std::sync::Arc;

use kit::{
    metrics::Counter,
    telemetry::names::{OK, span},
};
use oauth_types::{
    ErrorCode,
    claims::{AccessToken, Confirmation},
};
use secrecy::SecretString;
use tracing::{Instrument as _, Span, field::Empty};

use crate::{
    dpop::{self, BadProof, ProofTarget, ValidProof},
    possession,
    refusal::{Refusal, Refused},
    scheme::Scheme,
    verified::Verified,
    verifier::{ProofSettings, Verifier},
};

/// What a request presents to a resource server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Presented<'r> {
    /// All values of `Authorization`.
    pub authorization: &'r [&'r [u8]],
    /// The DPoP proof, if the request brings one.
    pub proof: Option<SentProof<'r>>,
    /// The thumbprint of the certificate with which the peer has authenticated on this
    /// connection (RFC 8705 §3), base64url.
    pub certificate: Option<&'r str>,
}

/// The DPoP proof of a request (RFC 9449 §4.1), and what it has to be for.
#[derive(Clone, Copy, Debug)]
pub struct SentProof<'r> {
    /// All values of `DPoP`, at least one.
    pub values: &'r [&'r [u8]],
    /// The method of the request.
    pub method: &'r str,
    /// How the request came.
    pub transport: Transport,
    /// Its path, without the query.
    pub path: &'r str,
}

/// How a request came: each has a public URL of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// By HTTP.
    Http,
    /// By gRPC.
    Grpc,
}

/// A caller with a valid access token.
#[derive(Clone, Debug)]
pub struct Caller {
    verified: Arc<Verified>,
    scheme: Scheme,
    accepts_proofs: bool,
    token: SecretString,
    audience: Arc<str>,
    checks: Option<Counter>,
}

impl Caller {
    /// The token's claims.
    pub fn claims(&self) -> &AccessToken {
        self.verified.claims()
    }

    /// The user; the client if there is no user.
    pub fn sub(&self) -> &str {
        &self.claims().sub
    }

    /// The token itself, for a token exchange only.
    pub fn token(&self) -> &SecretString {
        &self.token
    }

    /// Refuses unless the token has the scope `needed`.
    pub fn require_scope(&self, needed: &str) -> Result<(), Refused> {
        if self.claims().scope.contains(needed) {
            return Ok(());
        }
        let why = Refusal::InsufficientScope(needed.to_owned());
        // The token check has ended with `ok`, so the request's span records the refusal.
        Span::current().record("sso.outcome", outcome_of(&why));
        if let Some(checks) = &self.checks {
            checks.add(&[outcome_of(&why)]);
        }
        let realm = Arc::clone(&self.audience);
        Err(Refused::new(realm, why, self.scheme, self.accepts_proofs))
    }
}

impl Verifier {
    /// Identifies the caller from what a request presents. A token in another place than
    /// `Authorization` (RFC 6750 §2.2, §2.3) is ignored.
    pub async fn caller(&self, presented: Presented<'_>) -> Result<Caller, Refused> {
        let step = kit::step!(
            span::TOKEN_CHECK,
            "sso.audience" = &**self.audience(),
            "sso.cache_hit" = Empty,
            "sso.outcome" = Empty,
            "sso.client_id" = Empty,
            "sso.binding" = Empty,
            "enduser.id" = Empty
        );
        let identified = self
            .identify(presented, &step)
            .instrument(step.clone())
            .await;
        record(&step, &identified);
        if let Some(checks) = self.checks() {
            checks.add(&[identified.as_ref().err().map_or(OK, outcome_of)]);
        }
        identified.map_err(|why| {
            let scheme = Scheme::of(presented.authorization);
            let realm = Arc::clone(self.audience());
            let nonces = self.proofs().and_then(|proofs| proofs.nonces.as_ref());
            let nonce = nonces.filter(|_| why.code() == Some(ErrorCode::UseDpopNonce));
            let nonce = nonce.map(|nonces| nonces.current(self.now()));
            Refused::new(realm, why, scheme, self.proofs().is_some()).with_nonce(nonce)
        })
    }

    async fn identify(&self, presented: Presented<'_>, step: &Span) -> Result<Caller, Refusal> {
        let (scheme, token) = credentials(presented.authorization, self.proofs().is_some())?;
        let verified = self.verify_in_span(token, step).await?;
        let bound = verified.claims().cnf.as_ref();
        step.record("sso.binding", Confirmation::bound_to(bound));
        let proof = || self.check_proof(presented.proof, token);
        if let Some(proof) = possession::prove(scheme, bound, proof, presented.certificate)? {
            self.use_up(&proof, verified.claims()).await?;
        }
        Ok(Caller {
            verified,
            scheme,
            accepts_proofs: self.proofs().is_some(),
            token: token.to_owned().into(),
            audience: Arc::clone(self.audience()),
            checks: self.checks().cloned(),
        })
    }

    /// The valid proof of a request with `token`.
    fn check_proof(
        &self,
        sent: Option<SentProof<'_>>,
        token: &str,
    ) -> Result<ValidProof, BadProof> {
        let (Some(sent), Some(settings)) = (sent, self.proofs()) else {
            return Err(BadProof::Missing);
        };
        let target = ProofTarget {
            method: sent.method,
            bases: &bases(settings, sent.transport),
            path: sent.path,
            token: Some(token),
            nonces: settings.nonces.as_ref(),
        };
        dpop::check(sent.values, &target, self.now())
    }

    /// RFC 9449 §11.1: no proof counts twice, at whichever replica.
    async fn use_up(&self, proof: &ValidProof, token: &AccessToken) -> Result<(), Refusal> {
        let Some(settings) = self.proofs() else {
            return Err(BadProof::Missing.into());
        };
        let (quota, now) = (&settings.quota, self.now());
        let entered = quota.enter(token, proof, now);
        entered.map_err(Refusal::TooManyProofs)?;
        let marked = settings.used.mark(proof, now).await;
        if !matches!(marked, Ok(true)) {
            quota.leave(token, proof);
        }
        match marked {
            Ok(true) => Ok(()),
            Ok(false) => Err(BadProof::Replayed.into()),
            Err(error) => {
                tracing::warn!("used DPoP proofs cannot be looked up: {error}");
                Err(Refusal::NoStore)
            }
        }
    }
}

/// The public URLs of the ports that a request by `transport` may have come to.
fn bases(settings: &ProofSettings, transport: Transport) -> Vec<&str> {
    let (own, mtls) = match transport {
        Transport::Http => (Some(&settings.http_url), settings.mtls_url.as_ref()),
        Transport::Grpc => (settings.grpc_url.as_ref(), None),
    };
    own.into_iter().chain(mtls).map(String::as_str).collect()
}

/// The outcome of the check: the protocol's error code, if there is one.
fn outcome_of(why: &Refusal) -> &'static str {
    match (why, why.code()) {
        (Refusal::NoKeys, _) => "no_keys",
        (Refusal::NoIntrospection, _) => "no_introspection",
        (Refusal::NoStore, _) => "no_store",
        (Refusal::TooManyProofs(_), _) => "throttled",
        (_, Some(code)) => code.as_str(),
        (_, None) => "no_token",
    }
}

fn record(step: &Span, identified: &Result<Caller, Refusal>) {
    match identified {
        Ok(caller) => {
            let claims = caller.claims();
            step.record("sso.outcome", OK);
            step.record("sso.client_id", claims.client_id.as_str());
            step.record("enduser.id", claims.sub.as_str());
        }
        Err(why) => {
            step.record("sso.outcome", outcome_of(why));
        }
    }
}

/// The scheme of `Authorization` and the access token (RFC 6750 §2.1, RFC 9449 §7.1); the
/// scheme's case does not matter (RFC 9110 §11.1).
fn credentials<'a>(
    authorization: &[&'a [u8]],
    accepts_proofs: bool,
) -> Result<(Scheme, &'a str), Refusal> {
    let value = match authorization {
        [] => return Err(Refusal::NoToken),
        [one] => std::str::from_utf8(one)
            .map_err(|_| Refusal::BadRequest("the Authorization header is not valid UTF-8"))?,
        _ => {
            return Err(Refusal::BadRequest(
                "the request has more than one Authorization header",
            ));
        }
    };
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    let scheme = Scheme::named(scheme).ok_or(Refusal::NoToken)?;
    if scheme == Scheme::Dpop && !accepts_proofs {
        return Err(Refusal::NoToken);
    }
    match token.trim() {
        "" => Err(Refusal::BadRequest("the scheme is not followed by a token")),
        token => Ok((scheme, token)),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn read<'a>(authorization: &[&'a [u8]]) -> Result<(Scheme, &'a str), Refusal> {
        credentials(authorization, true)
    }

    #[test]
    fn rfc9110_11_1_the_schemes_case_does_not_matter() {
        for value in ["Bearer abc", "bearer abc", "BEARER  abc"] {
            assert_eq!(read(&[value.as_bytes()]), Ok((Scheme::Bearer, "abc")));
        }
        for value in ["DPoP abc", "dpop abc", "DPOP  abc"] {
            assert_eq!(read(&[value.as_bytes()]), Ok((Scheme::Dpop, "abc")));
            let without = credentials(&[value.as_bytes()], false);
            assert_eq!(without, Err(Refusal::NoToken));
        }
    }

    #[test]
    fn rfc6750_2_1_another_scheme_is_no_token() {
        assert_eq!(read(&[b"Basic YTpi"]), Err(Refusal::NoToken));
        assert_eq!(read(&[b"Bearertoken"]), Err(Refusal::NoToken));
        assert_eq!(read(&[]), Err(Refusal::NoToken));
    }

    #[test]
    fn rfc6750_3_1_credentials_sent_twice_are_a_bad_request() {
        let twice = read(&[b"Bearer a", b"DPoP a"]);
        assert!(matches!(twice, Err(Refusal::BadRequest(_))));
        for wrong in [&b"Bearer "[..], b"DPoP", b"Bearer \xff"] {
            assert!(matches!(read(&[wrong]), Err(Refusal::BadRequest(_))));
        }
    }

    #[test]
    fn fuzz_the_header_authorization() {
        let seeds = [
            "Bearer abc.def.ghi",
            "bearer  ssolab_at_x",
            "Basic YTpi",
            "DPoP x",
        ];
        fuzz::run(&seeds, |value| {
            if let Ok((scheme, token)) = read(&[value]) {
                let text = std::str::from_utf8(value).unwrap();
                assert!(!token.is_empty() && token.trim() == token);
                assert!(text.trim_end().ends_with(token));
                let (named, _) = text.split_once(' ').unwrap();
                assert_eq!(Scheme::named(named), Some(scheme));
            }
            assert!(read(&[value, value]).is_err(), "which one counts?");
        });
    }
}
