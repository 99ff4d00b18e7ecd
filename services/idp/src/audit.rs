//! The audit log: who did what, and why. It names users by `sub` and clients by their
//! id, and nothing else of them. Each event is counted too.

use kit::telemetry::names::OK;
use oauth_types::claims::AccessToken;
use web_kit::client::ClientAddr;

use crate::{
    domain::{EndReason, Grant},
    keys::KeyRecord,
    meters::Meters,
    settings::Client,
};

/// The target of its lines.
const TARGET: &str = "audit";

/// A login session has ended.
pub fn session_ended(meters: &Meters, sub: &str, reason: EndReason) {
    meters.sessions_ended.add(&[reason.label()]);
    let who = match reason {
        EndReason::Logout | EndReason::Account | EndReason::AnotherUser => "user",
        EndReason::Operator => "operator",
        EndReason::Expiry | EndReason::TooMany | EndReason::UserChanged | EndReason::Unlisted => {
            "provider"
        }
    };
    let why = reason.as_str();
    tracing::info!(target: TARGET, who, what = "login session ended", why, user = sub, "audit");
}

/// A client revoked its grant (RFC 7009).
pub fn grant_revoked_by_client(meters: &Meters, grant: &Grant) {
    meters.grants_revoked.add(&["client"]);
    revoked("client", grant, "revoked by the client");
}

/// A client revoked an opaque access token (RFC 7009).
pub fn opaque_token_revoked(client: &Client, claims: &AccessToken) {
    let (what, client) = ("access token revoked", &client.client_id);
    tracing::info!(target: TARGET, who = "client", what, user = claims.sub, client, "audit");
}

/// A user ended a grant on `/account`.
pub fn grant_revoked_by_user(meters: &Meters, grant: &Grant) {
    meters.grants_revoked.add(&["account"]);
    revoked("user", grant, EndReason::Account.as_str());
}

/// A grant ended with its login session or its user.
pub fn grant_ended(meters: &Meters, grant: &Grant, reason: EndReason) {
    meters.grants_revoked.add(&["session_ended"]);
    revoked("provider", grant, reason.as_str());
}

fn revoked(who: &str, grant: &Grant, why: &str) {
    tracing::info!(
        target: TARGET,
        who,
        what = "grant revoked",
        why,
        user = grant.sub,
        client = grant.client_id,
        "audit"
    );
}

/// A code was used twice: its grant is revoked.
pub fn code_reused(meters: &Meters, client_id: &str) {
    meters.grants_revoked.add(&["code_reused"]);
    let (what, why) = ("grant revoked", "the code was used twice");
    tracing::warn!(target: TARGET, who = "provider", what, why, client = client_id, "audit");
}

/// A refresh token was used after it was replaced: its family is revoked.
pub fn refresh_token_reused(meters: &Meters, grant: &Grant) {
    meters.grants_revoked.add(&["refresh_token_reused"]);
    tracing::warn!(
        target: TARGET,
        who = "provider",
        what = "grant revoked",
        why = "a refresh token was reused",
        user = grant.sub,
        client = grant.client_id,
        "audit"
    );
}

/// A client gets a token for a user who did not sign in for it, and whose token does not
/// name it as the actor. `how`: an assertion, an impersonation, or another issuer.
pub fn user_represented(sub: &str, client_id: &str, how: &str) {
    let what = "token issued for a user by a policy";
    tracing::info!(target: TARGET, who = "client", what, why = how, user = sub, client = client_id, "audit");
}

/// A client was notified that a login session has ended.
pub fn logout_delivered(meters: &Meters, client_id: &str, sub: &str) {
    meters.logout_notices.add(&[OK]);
    let what = "back-channel logout delivered";
    tracing::info!(target: TARGET, who = "provider", what, user = sub, client = client_id, "audit");
}

/// A client could not be notified for so long that delivery is abandoned.
pub fn logout_given_up(meters: &Meters, client_id: &str, sub: &str, why: &str) {
    meters.logout_notices.add(&["given_up"]);
    let what = "back-channel logout given up";
    tracing::warn!(
        target: TARGET,
        who = "provider",
        what,
        why,
        user = sub,
        client = client_id,
        "audit"
    );
}

/// The signing keys were rotated by an operator.
pub fn key_rotated(meters: &Meters, key: &KeyRecord, at_once: bool) {
    let algorithm = key.algorithm.as_str();
    let (why, mode) = if at_once {
        (
            "at once: every other key of the algorithm is gone",
            "at_once",
        )
    } else {
        ("planned: it is published, and signs later", "planned")
    };
    meters.key_rotations.add(&[algorithm, mode]);
    let what = "signing key rotated";
    tracing::info!(target: TARGET, who = "operator", what, why, algorithm, kid = key.kid, "audit");
}

/// An operator listed the signing keys.
pub fn keys_listed() {
    tracing::info!(target: TARGET, who = "operator", what = "signing keys listed", "audit");
}

/// An operator listed the login sessions of one user, or of all.
pub fn operator_listed(sub: Option<&str>) {
    let user = sub.unwrap_or("all");
    tracing::info!(target: TARGET, who = "operator", what = "login sessions listed", user, "audit");
}

/// A call of the operator's service without its key was refused.
pub fn operator_refused(address: ClientAddr) {
    let why = "operator's key missing or wrong";
    let what = "operator's call refused";
    tracing::warn!(target: TARGET, who = "unknown", what, why, %address, "audit");
}
