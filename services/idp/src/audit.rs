//! Who did what, and why: the audit log. Users are named by `sub`, apps by
//! their client id, and nothing else of them is told. What is told is counted,
//! too.

use kit::telemetry::names::OK;
use web_kit::client::ClientAddr;

use crate::{
    domain::{EndReason, Grant},
    meters::Meters,
};

/// The target of its lines.
const TARGET: &str = "audit";

/// A login session has ended.
pub fn session_ended(meters: &Meters, sub: &str, reason: EndReason) {
    meters.sessions_ended.add(&[reason.word()]);
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

/// A client took back what it had been granted (RFC 7009).
pub fn grant_revoked_by_client(meters: &Meters, grant: &Grant) {
    meters.grants_revoked.add(&["client"]);
    revoked("client", grant, "revoked by the client");
}

/// A grant ended with the login session, or the user, that it hung on.
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

/// A code came twice: what it gave is taken back.
pub fn code_reused(meters: &Meters, client_id: &str) {
    meters.grants_revoked.add(&["code_reused"]);
    let (what, why) = ("grant revoked", "the code was used twice");
    tracing::warn!(target: TARGET, who = "provider", what, why, client = client_id, "audit");
}

/// A refresh token came that had a successor already: its family is taken back.
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

/// A client was told that a login session is over.
pub fn logout_told(meters: &Meters, client_id: &str, sub: &str) {
    meters.logout_notices.add(&[OK]);
    let what = "back-channel logout delivered";
    tracing::info!(target: TARGET, who = "provider", what, user = sub, client = client_id, "audit");
}

/// A client could not be told for so long that nobody tries any more.
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

/// An operator looked at the login sessions of one user, or of all.
pub fn operator_listed(sub: Option<&str>) {
    let user = sub.unwrap_or("all");
    tracing::info!(target: TARGET, who = "operator", what = "login sessions listed", user, "audit");
}

/// Somebody called the operator's service without its key.
pub fn operator_refused(address: ClientAddr) {
    let why = "no operator's key, or a wrong one";
    let what = "operator's call refused";
    tracing::warn!(target: TARGET, who = "unknown", what, why, %address, "audit");
}
