//! What a token that somebody presents is worth here: its kind, whether its
//! grant lives, and whether it is the newest of its family. Each endpoint takes
//! of that what it needs.

use oauth_types::claims::AccessToken;

use crate::{
    audit,
    domain::{Grant, GrantState, RefreshVerdict},
    error::OAuthError,
    grants,
    issue::grant_of,
    records::{RecordError, Stored},
    settings::Client,
    state::Idp,
    tokens_of_ours,
};

/// A genuine token of ours whose grant, where it has one, lives.
#[expect(
    clippy::large_enum_variant,
    reason = "one a request, moved once or twice"
)]
pub enum Presented {
    /// A refresh token.
    Refresh(PresentedRefresh),
    /// An access token that has not expired.
    Access(PresentedAccess),
    /// An id_token: it tells who signed in, and gives access to nothing.
    IdToken,
}

/// A refresh token of a living grant.
pub struct PresentedRefresh {
    /// The grant, as it was read.
    pub grant: Stored<Grant>,
    /// Which of its family it is.
    pub generation: u32,
    /// What that is worth.
    pub verdict: RefreshVerdict,
}

/// An access token.
pub struct PresentedAccess {
    /// What it says.
    pub claims: AccessToken,
    /// Its grant; none where a client got it for itself.
    pub grant: Option<Grant>,
}

/// Why a token is worth nothing.
#[derive(Debug, thiserror::Error)]
pub enum Worthless {
    /// It is no token of ours, or has expired.
    #[error("{0}")]
    Unknown(&'static str),
    /// Its grant was taken back, or is forgotten.
    #[error("its grant has ended")]
    Over,
    /// The store did not say.
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// What `token` is worth.
pub async fn presented(idp: &Idp, token: &str) -> Result<Presented, Worthless> {
    if let Some((grant_id, generation)) = idp.refresh_tokens.read(token) {
        let found = idp.records.get::<Grant>(grant_id).await?;
        let grant = found.filter(|stored| stored.record.state == GrantState::Active);
        let grant = grant.ok_or(Worthless::Over)?;
        let refresh = grant.record.refresh.as_ref().ok_or(Worthless::Over)?;
        let grace = idp.settings.lifetimes.refresh_grace;
        let verdict = refresh.judge(generation, idp.now(), grace);
        return Ok(Presented::Refresh(PresentedRefresh {
            grant,
            generation,
            verdict,
        }));
    }
    let claims = match tokens_of_ours::access_token(idp, token) {
        Ok(claims) => claims,
        Err(_) if tokens_of_ours::id_token_hint(idp, token).is_ok() => {
            return Ok(Presented::IdToken);
        }
        Err(why) => return Err(Worthless::Unknown(why)),
    };
    let grant = match grant_of(&claims.jti) {
        Some(id) => Some(grants::active(idp, id).await?.ok_or(Worthless::Over)?),
        None => None,
    };
    Ok(Presented::Access(PresentedAccess { claims, grant }))
}

/// The refresh token that `client` presents to make use of it: its own
/// (RFC 6749 §6), and the newest of its family. One that was replaced longer ago
/// than the grace takes the family along (RFC 9700 §4.14.2).
pub async fn refresh_token(
    idp: &Idp,
    client: &Client,
    token: &str,
) -> Result<PresentedRefresh, OAuthError> {
    let refresh = match presented(idp, token).await {
        Ok(Presented::Refresh(refresh)) => refresh,
        Err(Worthless::Records(error)) => return Err(error.into()),
        Ok(Presented::Access(_) | Presented::IdToken) | Err(_) => return Err(unknown()),
    };
    let grant = &refresh.grant.record;
    if grant.client_id != client.client_id || refresh.verdict == RefreshVerdict::Expired {
        return Err(unknown());
    }
    if refresh.verdict == RefreshVerdict::Reused {
        end_family(idp, grant).await?;
        return Err(OAuthError::grant(
            "The refresh token was used before; its family is revoked.",
        ));
    }
    Ok(refresh)
}

/// A refresh token that is worth nothing.
pub fn unknown() -> OAuthError {
    OAuthError::grant("The refresh token is unknown, expired or revoked.")
}

/// A refresh token came back that had a successor: somebody else has it.
pub async fn end_family(idp: &Idp, grant: &Grant) -> Result<(), OAuthError> {
    grants::revoke(idp, &grant.id, grant.expires_at).await?;
    audit::refresh_token_reused(&idp.meters, grant);
    Ok(())
}
