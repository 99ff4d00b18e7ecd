//! Classifies a presented token: its type, whether its grant is active, and whether it
//! is the newest of its family. Each endpoint accepts what it needs.

use kit::config::Weakness;
use kit::telemetry::Waivers;
use oauth_types::claims::AccessToken;

use crate::{
    Idp, audit,
    domain::{Grant, GrantState, RefreshVerdict},
    error::OAuthError,
    grants, opaque_tokens, own_tokens,
    records::{RecordError, Stored},
    settings::Client,
    token_id::grant_of,
};

/// A genuine token. If it has a grant, the grant is active.
#[expect(
    clippy::large_enum_variant,
    reason = "one per request, moved once or twice"
)]
pub enum Presented {
    /// A refresh token.
    Refresh(PresentedRefresh),
    /// An access token that has not expired.
    Access(PresentedAccess),
    /// An id_token, which gives access to nothing.
    IdToken,
}

/// A refresh token of an active grant.
pub struct PresentedRefresh {
    /// The grant, as it was read.
    pub grant: Stored<Grant>,
    /// Its generation.
    pub generation: u32,
    /// Whether it may be redeemed.
    pub verdict: RefreshVerdict,
}

/// An access token.
pub struct PresentedAccess {
    /// Its claims.
    pub claims: AccessToken,
    /// Its grant; none if a client got it without one (client credentials, JWT bearer).
    pub grant: Option<Grant>,
    /// The name of its record, if it is opaque.
    pub opaque: Option<String>,
}

/// Why a token is not valid.
#[derive(Debug, thiserror::Error)]
pub enum InvalidToken {
    /// It was not issued here, or has expired.
    #[error("{0}")]
    Unknown(&'static str),
    /// Its grant has ended.
    #[error("its grant has ended")]
    GrantEnded,
    /// The store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// Classifies `token`.
pub async fn presented(idp: &Idp, token: &str) -> Result<Presented, InvalidToken> {
    if let Some((grant_id, generation)) = idp.refresh_tokens.read(token) {
        let found = idp.records.get::<Grant>(grant_id).await?;
        let grant = found.filter(|stored| stored.record.state == GrantState::Active);
        let grant = grant.ok_or(InvalidToken::GrantEnded)?;
        let refresh = grant
            .record
            .refresh
            .as_ref()
            .ok_or(InvalidToken::GrantEnded)?;
        let grace = idp.settings.lifetimes.refresh_grace;
        let verdict = refresh.judge(generation, idp.now(), grace);
        return Ok(Presented::Refresh(PresentedRefresh {
            grant,
            generation,
            verdict,
        }));
    }
    let (claims, opaque) = if opaque_tokens::is_one(token) {
        let found = opaque_tokens::find(idp, token).await?;
        let (record, claims) = found.ok_or(InvalidToken::Unknown("unknown, expired or revoked"))?;
        own_tokens::check_issuer_and_time(idp, &claims).map_err(InvalidToken::Unknown)?;
        (claims, Some(record))
    } else {
        match own_tokens::access_token(idp, token) {
            Ok(claims) => (claims, None),
            Err(_) if own_tokens::id_token_hint(idp, token).is_ok() => {
                return Ok(Presented::IdToken);
            }
            Err(why) => return Err(InvalidToken::Unknown(why)),
        }
    };
    let grant = match grant_of(&claims.jti) {
        Some(id) => Some(
            grants::active(idp, id)
                .await?
                .ok_or(InvalidToken::GrantEnded)?,
        ),
        None => None,
    };
    Ok(Presented::Access(PresentedAccess {
        claims,
        grant,
        opaque,
    }))
}

/// A refresh token that `client` redeems: its own (RFC 6749 §6), and the newest of its
/// family. A token that was replaced before the grace period revokes the family
/// (RFC 9700 §4.14.2).
pub async fn refresh_token(
    idp: &Idp,
    client: &Client,
    token: &str,
) -> Result<PresentedRefresh, OAuthError> {
    let mut refresh = match presented(idp, token).await {
        Ok(Presented::Refresh(refresh)) => refresh,
        Err(InvalidToken::Records(error)) => return Err(error.into()),
        Ok(Presented::Access(_) | Presented::IdToken) | Err(_) => return Err(unknown()),
    };
    let grant = &refresh.grant.record;
    if grant.client_id != client.client_id || refresh.verdict == RefreshVerdict::Expired {
        return Err(unknown());
    }
    if refresh.verdict == RefreshVerdict::Reused
        && Waivers::one(idp.weaknesses, Weakness::RefreshReuse)
    {
        refresh.verdict = RefreshVerdict::Current;
    }
    if refresh.verdict == RefreshVerdict::Reused {
        revoke_family(idp, grant).await?;
        return Err(OAuthError::grant(
            "The refresh token was used before. Its family is revoked.",
        ));
    }
    Ok(refresh)
}

/// The error for an invalid refresh token.
pub fn unknown() -> OAuthError {
    OAuthError::grant("The refresh token is unknown, expired or revoked.")
}

/// Revokes a family after reuse: somebody else has the token.
pub async fn revoke_family(idp: &Idp, grant: &Grant) -> Result<(), OAuthError> {
    grants::revoke(idp, &grant.id, grant.expires_at).await?;
    audit::refresh_token_reused(&idp.meters, grant);
    Ok(())
}
