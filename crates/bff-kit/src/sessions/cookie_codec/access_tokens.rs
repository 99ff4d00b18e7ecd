//! The cookies of access tokens: JWTs in plain text, for their signature is verified;
//! opaque ones sealed.

use std::collections::BTreeMap;

use actix_web::cookie::Cookie;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit::clock::Timestamp;
use oauth_types::claims;
use token_verify::Refusal;

use super::{
    super::{
        error::SessionError,
        id::SessionId,
        mode::SessionMode,
        record::{About, AccessToken},
    },
    CookieCodec,
};
use crate::{
    audiences::Audience,
    bearer::Bearer,
    cookies::{self, TooLarge},
    credentials::UserToken,
    provider::ProviderError,
};

impl CookieCodec {
    /// The cookie of an access token for `audience`. An opaque token is sealed:
    /// nothing in it could be verified when it comes back.
    fn token(
        &self,
        id: &SessionId,
        (audience, kind): (&Audience, UserToken),
        token: &AccessToken,
    ) -> Result<Vec<Cookie<'static>>, TooLarge> {
        let lives = self.clock.now().until(token.expires_at);
        if token.token.unverified_audience().is_some() {
            return cookies::access_token(audience, token.token.token(), lives);
        }
        let plain = serde_json::to_vec(token).unwrap_or_default();
        let context = token_context(id, audience, kind);
        let sealed = self.tokens.seal(&*self.random, &context, &plain);
        cookies::access_token(audience, &URL_SAFE_NO_PAD.encode(sealed), lives)
    }

    /// The cookies of a renewed access token. One that is too large is left out: the
    /// call is answered all the same, and the next one renews it again.
    pub(in super::super) fn renewed_token(
        &self,
        id: &SessionId,
        (audience, kind): (&Audience, UserToken),
        token: &AccessToken,
    ) -> Vec<Cookie<'static>> {
        self.token(id, (audience, kind), token)
            .unwrap_or_else(|error| {
                tracing::warn!("an access token fits no cookie: {error}");
                Vec::new()
            })
    }

    /// The cookies of all access tokens of a login of `about` that its calls use.
    pub(in super::super) fn tokens(
        &self,
        id: &SessionId,
        about: &About,
        tokens: &BTreeMap<String, AccessToken>,
    ) -> Result<Vec<Cookie<'static>>, TooLarge> {
        let mut all = Vec::new();
        for (uri, token) in tokens {
            if let Some(audience) = Audience::named(uri)
                && self.kind(about, audience) == UserToken::Own
            {
                all.extend(self.token(id, (audience, UserToken::Own), token)?);
            }
        }
        Ok(all)
    }

    /// An access token that came in a cookie, fully verified: the provider's
    /// signature (RFC 9068 §4), issued to this app and for this session. A token that
    /// fails counts as absent and is renewed.
    pub(super) async fn checked(
        &self,
        about: &About,
        audience: &'static Audience,
        token: &str,
    ) -> Result<Option<AccessToken>, SessionError> {
        let own = self.verifiers.iter().find(|(own, _)| *own == audience);
        let Some((_, verifier)) = own else {
            return Ok(None);
        };
        let found = match verifier.verify(token).await {
            Ok(found) => found,
            Err(Refusal::NoKeys) => return Err(ProviderError::no_keys().into()),
            Err(_) => return Ok(None),
        };
        let claims = found.claims();
        if !self.is_of(about, audience, claims) {
            return Ok(None);
        }
        let issued_at = Timestamp::from_secs(claims.iat);
        let ends = Timestamp::from_secs(claims.exp);
        let is_bound = claims.cnf.as_ref().is_some_and(|cnf| cnf.jkt.is_some());
        Ok(Bearer::bound_if(is_bound, token).map(|token| AccessToken {
            token,
            issued_at,
            expires_at: self.used_until(about, issued_at, ends),
        }))
    }

    /// An opaque access token that came in a cookie, sealed for this session and this
    /// API, and got as this session gets it. A cookie that does not open counts as absent, and its token is renewed.
    pub(super) fn opened(
        &self,
        id: &SessionId,
        about: &About,
        audience: &'static Audience,
        sealed: &str,
    ) -> Option<AccessToken> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let context = token_context(id, audience, self.kind(about, audience));
        let plain = self.tokens.open(&context, sealed)?;
        let token: AccessToken = serde_json::from_slice(&plain).ok()?;
        let expires_at = self.used_until(about, token.issued_at, token.expires_at);
        Some(AccessToken {
            expires_at,
            ..token
        })
    }

    /// In `hybrid` a renewal extends the session: often enough that one in use does not
    /// end as idle.
    fn used_until(&self, about: &About, issued_at: Timestamp, ends: Timestamp) -> Timestamp {
        match about.mode {
            SessionMode::Hybrid => ends.min(issued_at + self.idle / 2),
            _ => ends,
        }
    }

    /// The kind of token that the session of `about` keeps for calls to `audience`.
    fn kind(&self, about: &About, audience: &'static Audience) -> UserToken {
        let method = self.credentials.method(about.credentials, audience);
        method.user_token()
    }

    /// A sibling host can plant a cookie without `__Host-`: it must be of this
    /// app, this user and this login, and got as this session gets it. (Not every
    /// provider says `sid`.)
    fn is_of(
        &self,
        about: &About,
        audience: &'static Audience,
        claims: &claims::AccessToken,
    ) -> bool {
        let same_login = claims.sid.is_none() || claims.sid == about.sid;
        let kind = self.kind(about, audience);
        let same_user = claims.sub == about.user.sub;
        self.credentials.is_of_kind(kind, claims) && same_user && same_login
    }
}

/// Whether the cookie of an access token is sealed: a JWT has dots, base64url has none.
pub(super) fn is_sealed(cookie: &str) -> bool {
    !cookie.contains('.')
}

/// A sealed token opens with its session's id alone, for its API and as a token of its kind.
fn token_context(id: &SessionId, audience: &Audience, kind: UserToken) -> String {
    format!("{} {}", id.expose(), kind.key(audience))
}
