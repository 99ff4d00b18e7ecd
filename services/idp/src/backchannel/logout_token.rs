//! The logout token (Back-Channel Logout 1.0 §2.4), signed for each attempt.

use std::time::Duration;

use kit::{clock::Timestamp, random::Random};
use oauth_types::names::{BACKCHANNEL_LOGOUT_EVENT, jwt_type};
use serde::Serialize;
use serde_json::{Value, json};

use super::Notice;
use crate::keys::{Algorithm, Keys, SignError};

/// §2.4 recommends at most two minutes.
pub const LIFETIME: Duration = Duration::from_secs(120);

/// Times are seconds since the epoch. `nonce` is prohibited, so that nobody accepts this
/// as an id_token.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
    sub: &'a str,
    sid: &'a str,
    events: Value,
}

/// §2.6: validated like the client's id_tokens, so signed with the same algorithm.
pub(super) async fn sign(
    (keys, algorithm): (&Keys, Option<Algorithm>),
    issuer: &str,
    notice: &Notice,
    (now, random): (Timestamp, &dyn Random),
) -> Result<String, SignError> {
    let claims = Claims {
        iss: issuer,
        aud: &notice.client_id,
        iat: now.secs(),
        exp: (now + LIFETIME).secs(),
        jti: random.id(),
        sub: &notice.sub,
        sid: &notice.sid,
        events: json!({ BACKCHANNEL_LOGOUT_EVENT: {} }),
    };
    keys.sign(jwt_type::LOGOUT, algorithm, &claims).await
}
