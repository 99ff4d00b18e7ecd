//! The caller of a resource server, identified by the access token in
//! `Authorization`.

use std::sync::Arc;

use kit::{
    metrics::Counter,
    telemetry::names::{OK, span},
};
use oauth_types::claims::AccessToken;
use secrecy::SecretString;
use tracing::{Instrument as _, Span, field::Empty};

use crate::{
    refusal::{Refusal, Refused},
    verifier::{Verified, Verifier},
};

/// A caller with a valid access token.
#[derive(Clone, Debug)]
pub struct Caller {
    verified: Arc<Verified>,
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
        Err(Refused::new(Arc::clone(&self.audience), why))
    }
}

impl Verifier {
    /// Identifies the caller from all values of `Authorization`. A token in another
    /// place (RFC 6750 §2.2, §2.3) is ignored.
    pub async fn caller(&self, authorization: &[&[u8]]) -> Result<Caller, Refused> {
        let step = kit::step!(
            span::TOKEN_CHECK,
            "sso.audience" = &**self.audience(),
            "sso.cache_hit" = Empty,
            "sso.outcome" = Empty,
            "sso.client_id" = Empty,
            "enduser.id" = Empty
        );
        let identified = self
            .identify(authorization, &step)
            .instrument(step.clone())
            .await;
        record(&step, &identified);
        if let Some(checks) = self.checks() {
            checks.add(&[identified.as_ref().err().map_or(OK, outcome_of)]);
        }
        identified.map_err(|why| Refused::new(Arc::clone(self.audience()), why))
    }

    async fn identify(&self, authorization: &[&[u8]], step: &Span) -> Result<Caller, Refusal> {
        let token = bearer(authorization)?;
        Ok(Caller {
            verified: self.verify_on(token, step).await?,
            token: token.to_owned().into(),
            audience: Arc::clone(self.audience()),
            checks: self.checks().cloned(),
        })
    }
}

/// The outcome of the check: the protocol's error code, if there is one.
fn outcome_of(why: &Refusal) -> &'static str {
    match (why, why.code()) {
        (Refusal::NoKeys, _) => "no_keys",
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

/// RFC 6750 §2.1; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer<'a>(authorization: &[&'a [u8]]) -> Result<&'a str, Refusal> {
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
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::NoToken);
    }
    match token.trim() {
        "" => Err(Refusal::BadRequest("Bearer is not followed by a token")),
        token => Ok(token),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn rfc9110_11_1_the_schemes_case_does_not_matter() {
        for value in ["Bearer abc", "bearer abc", "BEARER  abc"] {
            assert_eq!(bearer(&[value.as_bytes()]), Ok("abc"));
        }
    }

    #[test]
    fn rfc6750_2_1_another_scheme_is_no_token() {
        assert_eq!(bearer(&[b"Basic YTpi"]), Err(Refusal::NoToken));
        assert_eq!(bearer(&[b"Bearertoken"]), Err(Refusal::NoToken));
        assert_eq!(bearer(&[]), Err(Refusal::NoToken));
    }

    #[test]
    fn rfc6750_3_1_credentials_sent_twice_are_a_bad_request() {
        let twice = bearer(&[b"Bearer a", b"Bearer a"]);
        assert!(matches!(twice, Err(Refusal::BadRequest(_))));
        assert!(matches!(bearer(&[b"Bearer "]), Err(Refusal::BadRequest(_))));
        assert!(matches!(
            bearer(&[b"Bearer \xff"]),
            Err(Refusal::BadRequest(_))
        ));
    }
}
