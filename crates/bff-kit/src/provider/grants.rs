//! What the provider knows of a user's grants to this app: all that there is of
//! sessions which the app keeps nowhere. Our own provider's endpoint, after the
//! FAPI Grant Management draft; another may have none.

use http::StatusCode;
use kit::clock::Timestamp;
use serde::Deserialize;

use super::{Provider, ProviderError};

/// The most characters of a grant's id.
const MAX_ID: usize = 256;

/// A live grant of one user, as the provider tells it.
#[derive(Deserialize)]
pub(crate) struct UserGrant {
    /// Names it.
    pub(crate) id: String,
    created_at: i64,
    last_used_at: Option<i64>,
    /// The browser that it was given in.
    pub(crate) user_agent: Option<String>,
    /// Whether the refresh token that was shown belongs to it.
    pub(crate) current: bool,
}

impl UserGrant {
    /// When it was given.
    pub(crate) const fn created_at(&self) -> Timestamp {
        Timestamp::from_secs(self.created_at)
    }

    /// When its refresh token was last redeemed; else when it was given.
    pub(crate) fn last_used_at(&self) -> Timestamp {
        Timestamp::from_secs(self.last_used_at.unwrap_or(self.created_at))
    }
}

impl Provider {
    /// The grants of the user of `refresh_token`; `None` where the provider does
    /// not tell them.
    pub(crate) async fn grants(
        &self,
        refresh_token: &str,
    ) -> Result<Option<Vec<UserGrant>>, ProviderError> {
        let Some(endpoint) = self.grants_endpoint().await? else {
            return Ok(None);
        };
        let params = [("token", refresh_token)];
        let answer = self
            .post("grants", &endpoint, &params, StatusCode::OK)
            .await?;
        let grants: Vec<serde_json::Value> = serde_json::from_slice(answer.body())
            .map_err(|_| ProviderError::Invalid("it is no list of grants".to_owned()))?;
        // One that cannot be read hides no other.
        let grants = grants.into_iter();
        let grants = grants.filter_map(|grant| serde_json::from_value::<UserGrant>(grant).ok());
        Ok(Some(
            grants.filter(|grant| grant.id.len() <= MAX_ID).collect(),
        ))
    }

    /// Ends the grant `id` of the same user; whether there is such a one.
    pub(crate) async fn end_grant(
        &self,
        refresh_token: &str,
        id: &str,
    ) -> Result<bool, ProviderError> {
        let Some(endpoint) = self.grants_endpoint().await?.filter(|_| id.len() <= MAX_ID) else {
            return Ok(false);
        };
        let params = [("token", refresh_token), ("id", id)];
        let endpoint = format!("{endpoint}/end");
        let ending = self.post("end of a grant", &endpoint, &params, StatusCode::NO_CONTENT);
        match ending.await {
            Ok(_) => Ok(true),
            Err(error) if error.is_refused_as(oauth_types::ErrorCode::InvalidGrant) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn grants_endpoint(&self) -> Result<Option<String>, ProviderError> {
        let known = self.known().await?;
        let endpoint = &known.metadata.grants_endpoint;
        Ok(endpoint.clone())
    }
}
