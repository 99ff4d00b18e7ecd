//! Limits on what may be written to the store without a session: authorization requests
//! and used DPoP proofs by client address, pushed requests by client, codes by user.

use std::sync::Arc;

use actix_web::HttpRequest;
use kit::clock::Clock;
use store::{Budget, Charge, OverflowPolicy, Owner, SharedStore, cost};
use web_kit::client::client_addr;

use crate::{
    records::{Record, RecordError, Records, key},
    settings::Client,
};

/// The most bytes of a record that is written without a session.
pub const MAX_RECORD: usize = 2048;
/// The bytes of a record beside its JSON: its charge, its version and its MAC.
const OVERHEAD: usize = 160;
/// The most bytes of the unredeemed codes of one user.
const CODES_OF_A_USER: u64 = 256 * 1024;

/// All budgets.
pub struct Budgets {
    /// Authorization requests before sign-in, and devices of public clients, by address.
    pub requests: Budget,
    /// Requests that confidential clients have pushed and no browser has opened, and their
    /// devices, by client.
    pub pushed: Budget,
    /// Codes and answered devices, by user.
    pub codes: Budget,
    /// Pushed requests whose page a browser has opened, by address. The browser's login has
    /// an entry in `requests` too: in one budget it would be an address with two.
    pub opened: Budget,
    /// Used DPoP proofs of public clients, by address.
    pub proofs: Budget,
}

/// A record that is charged to an owner.
pub trait Budgeted: Record {
    /// Its charge.
    fn charge(&mut self) -> &mut Option<Charge>;
}

impl Budgets {
    /// `requests`: bytes in total and for each address.
    pub fn new(store: &SharedStore, clock: &Arc<dyn Clock>, requests: (u64, u64)) -> Self {
        let of_each = |prefix: &str, most: u64| {
            Budget::of_each(Arc::clone(store), Arc::clone(clock), prefix, most)
        };
        let of_addresses = |prefix: &str, limits: (u64, u64)| {
            let (store, clock) = (Arc::clone(store), Arc::clone(clock));
            Budget::new(store, clock, prefix, limits, OverflowPolicy::Evict)
        };
        Self {
            requests: of_addresses("idp:budget:requests", requests),
            opened: of_addresses("idp:budget:opened", (requests.0 / 2, requests.1)),
            proofs: of_addresses("idp:budget:proofs", requests),
            // A stranger can make an app push a request, so all of these together are
            // part of what strangers may write.
            pushed: of_each("idp:budget:pushed", requests.0 / 2),
            codes: of_each("idp:budget:codes", CODES_OF_A_USER),
        }
    }

    /// The budget of what `client` makes before a user has signed in: see [`owner`].
    pub fn of_client(&self, client: &Client) -> &Budget {
        if client.is_public() {
            &self.requests
        } else {
            &self.pushed
        }
    }
}

/// The owner of what `client` makes before a user has signed in. Anybody can send a public
/// client's id, so that is charged to the address.
pub fn owner(client: &Client, req: &HttpRequest) -> Owner {
    if client.is_public() {
        sender(req)
    } else {
        self::client(client)
    }
}

/// The sender of `req`.
pub fn sender(req: &HttpRequest) -> Owner {
    Owner::at(client_addr(req).ip())
}

/// An authenticated client.
fn client(client: &Client) -> Owner {
    Owner::new("client", &client.client_id)
}

/// A user.
pub fn user(sub: &str) -> Owner {
    Owner::new("user", sub)
}

/// Stores a new `record`, charged to `owner`. Older records of the owner may be evicted.
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

/// The same, unless `id` is taken. Returns whether it was stored.
pub async fn keep_new<T: Budgeted>(
    records: &Records,
    budget: &Budget,
    owner: Owner,
    id: &str,
    record: &mut T,
) -> Result<bool, RecordError> {
    let charge = charge(owner, id, record)?;
    *record.charge() = Some(charge.clone());
    if !records.create(id, record).await? {
        return Ok(false);
    }
    enter(records, budget, &charge, id, record).await?;
    Ok(true)
}

/// Whether `record` has at most [`MAX_RECORD`] bytes in the store.
pub fn fits<T: Record>(record: &T) -> bool {
    serde_json::to_vec(record).is_ok_and(|json| json.len() + OVERHEAD <= MAX_RECORD)
}

/// Charges a `record` that has just been stored.
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
        // No record is kept outside of a budget.
        let removed = records.store().remove(&key).await;
        removed.and(entered)?;
    }
    Ok(())
}

/// The charge of `record`.
pub fn charge<T: Record>(owner: Owner, id: &str, record: &T) -> Result<Charge, RecordError> {
    let size = serde_json::to_vec(record)?.len() + OVERHEAD;
    Ok(Charge::new(owner, cost(&key::<T>(id), size)))
}

/// Releases the charge of the record `id`, which is gone. If the store fails, the charge
/// ends when the record would have expired.
pub async fn leave<T: Record>(budget: &Budget, charge: Option<&Charge>, id: &str) {
    let Some(charge) = charge else { return };
    if let Err(error) = budget.leave(charge, &key::<T>(id)).await {
        tracing::warn!("the charge of a removed record could not be released yet: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kit::clock::Timestamp;
    use oauth_types::Scope;

    use super::*;
    use crate::{
        authorize::MAX_REQUEST,
        domain::{
            AuthorizationRequest, AuthorizationSession, DeviceAuthorization, PushedContent,
            PushedRequest, SignedIn,
        },
    };

    #[test]
    fn the_record_of_a_device_fits_unless_its_scope_is_too_long() {
        let fits = |scope: Scope| {
            let access = (scope, vec!["https://api-1".to_owned()]);
            let interval = Duration::from_secs(5);
            let ends = Timestamp::from_secs(1_700_000_000);
            let device = DeviceAuthorization::pending("tv", "x", access, interval, ends);
            super::fits(&device)
        };
        assert!(fits(Scope::from_iter(["openid", "https://api-1/read"])));
        assert!(fits(Scope::from_iter(["s".repeat(1400)])));
        assert!(!fits(Scope::from_iter(["s".repeat(1900)])));
    }

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
        // The stored record also has a version and an authentication code
        // (`records::authentic`).
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
