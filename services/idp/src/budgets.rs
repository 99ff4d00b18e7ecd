//! What may be left in the store by whom: requests of people who have not signed
//! in, by their address; requests that a client pushed, by the client; codes, by
//! the user.

use std::sync::Arc;

use actix_web::HttpRequest;
use kit::clock::Clock;
use store::{Budget, Charge, OverflowPolicy, Owner, SharedStore, cost};
use web_kit::client::client_addr;

use crate::{
    records::{Record, RecordError, Records, key},
    settings::Client,
};

/// The most bytes of a record that somebody without a session can leave.
pub const MAX_RECORD: usize = 2048;
/// What is written beside the JSON of a record: its charge, its version and its
/// code.
const BESIDE: usize = 160;
/// What one user's codes may take that have not been redeemed yet.
const CODES_OF_A_USER: u64 = 256 * 1024;

/// All of them.
pub struct Budgets {
    /// Requests of people who have not signed in, by their address.
    pub requests: Budget,
    /// Requests that confidential clients pushed and no browser has opened yet.
    pub pushed: Budget,
    /// Codes, by their user.
    pub codes: Budget,
}

/// A record that is charged.
pub trait Budgeted: Record {
    /// What it is charged.
    fn charge(&mut self) -> &mut Option<Charge>;
}

impl Budgets {
    /// `requests` bytes in all and for each address.
    pub fn new(store: &SharedStore, clock: &Arc<dyn Clock>, requests: (u64, u64)) -> Self {
        let of_each = |prefix: &str, most: u64| {
            Budget::of_each(Arc::clone(store), Arc::clone(clock), prefix, most)
        };
        Self {
            requests: Budget::new(
                Arc::clone(store),
                Arc::clone(clock),
                "idp:budget:requests",
                requests,
                OverflowPolicy::Evict,
            ),
            // A stranger can make an app push, so that all of these together
            // are part of what strangers may take.
            pushed: of_each("idp:budget:pushed", requests.0 / 2),
            codes: of_each("idp:budget:codes", CODES_OF_A_USER),
        }
    }
}

/// Whoever sent `req`.
pub fn sender(req: &HttpRequest) -> Owner {
    Owner::at(client_addr(req).ip())
}

/// A client that has authenticated.
pub fn client(client: &Client) -> Owner {
    Owner::new("client", &client.client_id)
}

/// A user.
pub fn user(sub: &str) -> Owner {
    Owner::new("user", sub)
}

/// Saves a new `record`, charged to `owner`; others of the owner's may go for it.
pub async fn keep<T: Budgeted>(
    records: &Records,
    budget: &Budget,
    owner: Owner,
    id: &str,
    record: &mut T,
) -> Result<(), RecordError> {
    let charge = charge(owner, id, record)?;
    *record.charge() = Some(charge.clone());
    records.put(id, record).await?;
    enter(records, budget, &charge, id, record).await
}

/// Enters a `record` that has just been put.
pub async fn enter<T: Record>(
    records: &Records,
    budget: &Budget,
    charge: &Charge,
    id: &str,
    record: &T,
) -> Result<(), RecordError> {
    let key = key::<T>(id);
    let entered = budget.enter(charge, &key, record.expires_at()).await;
    if !matches!(entered, Ok(true)) {
        // Nothing is kept that is in no budget.
        let removed = records.store().remove(&key).await;
        removed.and(entered)?;
    }
    Ok(())
}

/// What `record` costs.
pub fn charge<T: Record>(owner: Owner, id: &str, record: &T) -> Result<Charge, RecordError> {
    let size = serde_json::to_vec(record)?.len() + BESIDE;
    Ok(Charge::new(owner, cost(&key::<T>(id), size)))
}

/// The record `id` has ended: its room is free. Where the store fails, that is
/// so when the record would have expired.
pub async fn leave<T: Record>(budget: &Budget, charge: Option<&Charge>, id: &str) {
    let Some(charge) = charge else { return };
    if let Err(error) = budget.leave(charge, &key::<T>(id)).await {
        tracing::warn!("a record that has ended still counts: {error}");
    }
}

#[cfg(test)]
mod tests {
    use kit::clock::Timestamp;

    use super::*;
    use crate::{
        authorize::MAX_REQUEST,
        domain::{
            AuthorizationRequest, AuthorizationSession, PushedContent, PushedRequest, SignedIn,
        },
    };

    /// Characters in the ids that we make.
    const ID: usize = 22;
    /// Characters in a hash.
    const HASH: usize = 43;

    fn largest() -> AuthorizationRequest {
        let mut request: AuthorizationRequest = serde_json::from_value(serde_json::json!({
            "client_id": "a-client-with-a-long-name-of-40-letters",
            "redirect_uri": "https://app.example.com/callback",
            "scope": "openid", "audiences": [], "prompt": [], "state": "",
        }))
        .unwrap();
        let size = serde_json::to_vec(&request).unwrap().len();
        request.state = Some("s".repeat(MAX_REQUEST - size));
        request.pushed = Some("p".repeat(HASH));
        request
    }

    #[test]
    fn a_record_of_the_largest_request_has_2_kb_at_most() {
        let at = Timestamp::from_secs(1_700_000_000);
        let owner = Owner::at(Some([192, 0, 2, 1].into()));
        let charge = Some(Charge::new(owner, 9_999));
        let session = AuthorizationSession {
            request: largest(),
            browser: "b".repeat(HASH),
            answered: None,
            signed_in: Some(SignedIn {
                at: Some(at),
                sid: "i".repeat(ID),
                sub: "u".repeat(36),
            }),
            expires_at: at,
            charge: charge.clone(),
        };
        let pushed = PushedRequest {
            client_id: session.request.client_id.clone(),
            content: PushedContent::Request(Box::new(largest())),
            usable_until: at,
            expires_at: at,
            opened: true,
            charge,
        };
        // A version and a code are beside it in the store (`records::authentic`).
        let sealing = 60;
        for json in [
            serde_json::to_vec(&session).unwrap(),
            serde_json::to_vec(&pushed).unwrap(),
        ] {
            assert!(json.len() + sealing <= MAX_RECORD, "{}", json.len());
            let bare = serde_json::to_vec(&largest()).unwrap().len();
            assert!(json.len() > bare);
        }
    }
}
