//! Who did what, and why: the audit log. Users are named by `sub`, apps by
//! their client id, and nothing else of them is told.

use crate::domain::{EndReason, Grant};

/// The target of its lines.
const TARGET: &str = "audit";

/// A login session has ended.
pub fn session_ended(sub: &str, reason: EndReason) {
    let who = match reason {
        EndReason::Logout | EndReason::Account | EndReason::AnotherUser => "user",
        EndReason::Operator => "operator",
        EndReason::Expiry | EndReason::TooMany | EndReason::UserChanged => "provider",
    };
    let why = reason.as_str();
    tracing::info!(target: TARGET, who, what = "login session ended", why, user = sub, "audit");
}

/// A client took back what it had been granted (RFC 7009).
pub fn grant_revoked_by_client(grant: &Grant) {
    revoked("client", grant, "revoked by the client");
}

/// A grant ended with the login session, or the user, that it hung on.
pub fn grant_ended(grant: &Grant, reason: EndReason) {
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

/// A client was told that a login session is over.
pub fn logout_told(client_id: &str, sub: &str) {
    let what = "back-channel logout delivered";
    tracing::info!(target: TARGET, who = "provider", what, user = sub, client = client_id, "audit");
}

/// A client could not be told for so long that nobody tries any more.
pub fn logout_given_up(client_id: &str, sub: &str, why: &str) {
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

/// An operator looked at the login sessions of one user, or of all.
pub fn operator_listed(sub: Option<&str>) {
    let user = sub.unwrap_or("all");
    tracing::info!(target: TARGET, who = "operator", what = "login sessions listed", user, "audit");
}

/// Somebody called the operator's service without its key.
pub fn operator_refused() {
    let why = "no operator's key, or a wrong one";
    tracing::warn!(target: TARGET, who = "unknown", what = "operator's call refused", why, "audit");
}
