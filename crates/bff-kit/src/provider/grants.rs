//! A user's grants to this app, as the provider lists them: the only list of sessions
//! that the app does not store. This project's provider has the endpoint, after the
//! FAPI Grant Management draft; other providers may have none.

use http::StatusCode;
use kit::clock::Timestamp;
use serde::Deserialize;

use super::{Provider, ProviderError};

/// The maximum length of a grant's id.
const MAX_ID: usize = 256;

/// A live grant of one user.
#[derive(Deserialize)]
pub(crate) struct UserGrant {
    /// Its id.
    pub(crate) id: String,
    created_at: i64,
    last_used_at: Option<i64>,
    /// The browser in which the user granted it.
    pub(crate) user_agent: Option<String>,
    /// Whether it is the grant of the presented refresh token.
    pub(crate) current: bool,
}

impl UserGrant {
    /// When the user granted it.
    pub(crate) const fn created_at(&self) -> Timestamp {
        Timestamp::from_secs(self.created_at)
    }

    /// When its refresh token was last redeemed, or else when the user granted it.
    pub(crate) fn last_used_at(&self) -> Timestamp {
        Timestamp::from_secs(self.last_used_at.unwrap_or(self.created_at))
    }
}

impl Provider {
    /// The grants of the user of `refresh_token`; `None` if the provider does not list
    /// them.
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
        // Unreadable grants are skipped.
        let grants = grants.into_iter();
        let grants = grants.filter_map(|grant| serde_json::from_value::<UserGrant>(grant).ok());
        Ok(Some(
            grants.filter(|grant| grant.id.len() <= MAX_ID).collect(),
        ))
    }

    /// Ends the grant `id` of the same user; `false` if there is none.
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
        let discovery = self.discovery().await?;
        let endpoint = &discovery.metadata.grants_endpoint;
        Ok(endpoint.clone())
    }
}
