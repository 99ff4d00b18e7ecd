//! Opaque access tokens, for resources that introspect. The store has the hash of a
//! token and what the token allows; what it stems from (a grant, or a client) decides
//! together with this record.

use kit::{clock::Timestamp, seal::fingerprint};
use oauth_types::claims::AccessToken;

use crate::{
    Idp,
    domain::OpaqueToken,
    records::{RecordError, key},
    token_id::Origin,
};

/// How an opaque access token begins, so that it is recognised wherever it turns up.
const PREFIX: &str = "ssolab_at_";
/// The characters after it: 256 bits in base64url.
const SECRET_LEN: usize = 43;

/// A new opaque token with these claims. Beyond the quota of its grant, or of its client
/// and subject, the token that ends first is removed.
pub async fn issue(idp: &Idp, claims: &AccessToken) -> Result<String, RecordError> {
    let token = format!("{PREFIX}{}", idp.random.token());
    let id = fingerprint(&token);
    let of_origin = of_origin(claims);
    let ends = Timestamp::from_secs(claims.exp);
    let store = idp.records.store();
    let ttl = idp.now().until(ends);
    let count = store.add_scored(&of_origin, &id, ends, ttl).await?;
    let claims = claims.clone();
    idp.records.put(&id, &OpaqueToken { claims }).await?;
    let surplus = usize::try_from(count).unwrap_or(usize::MAX);
    let surplus = surplus.saturating_sub(idp.quotas.opaque_tokens);
    if surplus > 0 {
        remove_first(idp, &of_origin, surplus).await?;
    }
    Ok(token)
}

/// The claims of an opaque token, and the name of its record; `None` for another text,
/// and for a token that has ended.
pub async fn find(idp: &Idp, token: &str) -> Result<Option<(String, AccessToken)>, RecordError> {
    if !is_one(token) {
        return Ok(None);
    }
    let id = fingerprint(token);
    let found = idp.records.get::<OpaqueToken>(&id).await?;
    Ok(found.map(|stored| (id, stored.record.claims)))
}

/// Whether `token` has the form of an opaque token.
pub fn is_one(token: &str) -> bool {
    let secret = token.strip_prefix(PREFIX);
    secret.is_some_and(|secret| secret.len() == SECRET_LEN)
}

/// Ends the token with the record `id` and these claims.
pub async fn end(idp: &Idp, id: &str, claims: &AccessToken) -> Result<(), RecordError> {
    idp.records.take::<OpaqueToken>(id).await?;
    let of_origin = of_origin(claims);
    idp.records.store().remove_scored(&of_origin, id).await?;
    Ok(())
}

/// Removes the tokens that end first. Those that have ended already are among them.
async fn remove_first(idp: &Idp, of_origin: &str, surplus: usize) -> Result<(), RecordError> {
    let store = idp.records.store();
    let first = store
        .range(of_origin, Timestamp::default(), surplus)
        .await?;
    for (id, _) in first {
        store.remove(&key::<OpaqueToken>(&id)).await?;
        store.remove_scored(of_origin, &id).await?;
    }
    Ok(())
}

/// The set of the tokens that stem from the same grant, or from the same client for the
/// same subject. A client id may contain any character: the hash keeps pairs apart.
fn of_origin(claims: &AccessToken) -> String {
    let owner = match Origin::of(claims) {
        Origin::Grant(grant) => grant,
        Origin::Client(client) => fingerprint(&format!("{client}\n{}", claims.sub)),
    };
    format!("idp:access-tokens-of:{owner}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opaque_token_is_told_by_its_form() {
        let secret = "s".repeat(SECRET_LEN);
        assert!(is_one(&format!("{PREFIX}{secret}")));
        for other in ["", PREFIX, &secret, "eyJhbGciOiJFUzI1NiJ9.e30.x"] {
            assert!(!is_one(other), "{other}");
        }
        assert!(!is_one(&format!("{PREFIX}{secret}x")));
        assert!(!is_one(&format!("x{PREFIX}{secret}")));
    }
}
