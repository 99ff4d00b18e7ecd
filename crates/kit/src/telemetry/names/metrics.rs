//! What is counted and timed.
//!
//! The names are OpenTelemetry's (dots); `/metrics` shows them as Prometheus
//! writes them ([`Metric::prometheus`]). A label's values are a closed list, so
//! that nobody from outside can make a time series; what is not in it counts as
//! its last one. None of them is a user, a session or a token.

use super::OUTCOME;

/// What kind of instrument it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only ever goes up.
    Counter,
    /// How long things take, in seconds, by these bounds.
    Histogram(&'static [f64]),
    /// What is there now.
    Gauge,
}

/// A label and the values that it can have.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// All of its values; empty where the service's own routes and methods are
    /// the values.
    pub values: &'static [&'static str],
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub what: &'static str,
    /// `s`, or empty for a plain count.
    pub unit: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// How it is split.
    pub labels: &'static [Label],
    /// The services that have it; empty where all have.
    pub services: &'static [&'static str],
}

impl Metric {
    /// Its name in `/metrics`; a histogram's series add `_bucket`, `_sum` and
    /// `_count`.
    pub fn prometheus(&self) -> String {
        let unit = if self.unit == "s" { "_seconds" } else { "" };
        let total = if self.kind == Kind::Counter {
            "_total"
        } else {
            ""
        };
        format!("{}{unit}{total}", self.name.replace('.', "_"))
    }
}

const FAST: &[f64] = &[
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
];
const USUAL: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];
const SLOW: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0,
];

const fn outcome(values: &'static [&'static str]) -> Label {
    Label {
        name: OUTCOME,
        values,
    }
}

const fn open(name: &'static str) -> Label {
    Label { name, values: &[] }
}

const APPS: &[&str] = &["app1-bff", "app2-bff"];
const IDP: &[&str] = &["idp"];
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

macro_rules! metrics {
    ($($constant:ident = $name:literal, $what:literal, $unit:literal, $kind:expr, $labels:expr, $services:expr;)*) => {
        /// The metrics, one by one.
        pub mod metric {
            #[allow(clippy::wildcard_imports, reason = "the table is theirs")]
            use super::*;
            $(
                #[doc = $what]
                pub const $constant: Metric = Metric {
                    name: $name,
                    what: $what,
                    unit: $unit,
                    kind: $kind,
                    labels: $labels,
                    services: $services,
                };
            )*
        }

        /// All of them.
        pub const METRICS: &[Metric] = &[$(metric::$constant,)*];
    };
}

metrics! {
    REQUESTS = "http.server.request.duration",
        "Requests answered over HTTP, and how long each took", "s", Kind::Histogram(USUAL),
        &[open("http.request.method"), open("http.route"), open("http.response.status_code")], &[];
    CALLS = "rpc.server.duration",
        "gRPC calls answered, and how long each took", "s", Kind::Histogram(USUAL),
        &[open("rpc.service"), open("rpc.method"), open("rpc.grpc.status_code")], &["idp", "api-2"];
    STORE = "db.client.operation.duration",
        "Commands to the store, and how long each took", "s", Kind::Histogram(FAST),
        &[
            Label { name: "db.operation.name", values: &[
                "ping", "put", "put_new", "get", "take", "compare_and_swap", "remove", "count", "uncount",
                "lease", "release", "rank", "ranked", "ranked_count", "ranked_at", "unrank", "claim",
                "admit", "other",
            ] },
            outcome(&["ok", "error"]),
        ], &["idp", "app1-bff", "app2-bff", "api-1", "api-2"];
    SIGN_INS = "sso.sign_ins",
        "Passwords that were sent to the provider, by what came of it", "", Kind::Counter,
        &[outcome(&["ok", "wrong", "slowed", "busy", "error"])], IDP;
    LOGINS = "sso.logins",
        "Logins that came back to an app, by what came of it", "", Kind::Counter,
        &[outcome(&[
            "ok", "denied", "foreign", "over", "wrong_issuer", "unreadable", "code", "id_token",
            "provider", "store", "ended", "other",
        ])], APPS;
    CLIENT_AUTHENTICATIONS = "sso.client.authentications",
        "Clients that authenticated at the provider, by what came of it", "", Kind::Counter,
        &[outcome(&["ok", "invalid_client", "invalid_request", "temporarily_unavailable", "other"])], IDP;
    TOKEN_REQUESTS = "sso.token.requests",
        "Grants that the provider judged: codes and refresh tokens redeemed, tokens exchanged", "", Kind::Counter,
        &[
            Label { name: "sso.grant", values: &[
                "authorization_code", "refresh_token", "client_credentials", EXCHANGE, "other",
            ] },
            outcome(&[
                "ok", "invalid_request", "invalid_grant", "invalid_scope", "invalid_target",
                "unauthorized_client", "temporarily_unavailable", "other",
            ]),
        ], IDP;
    TOKEN_CALLS = "sso.token.call.duration",
        "The same as its clients see it: calls for a token, and how long each took", "s", Kind::Histogram(SLOW),
        &[
            Label { name: "sso.grant", values: &["authorization_code", "refresh_token", EXCHANGE] },
            outcome(&["ok", "invalid_grant", "refused", "unavailable", "unusable"]),
        ], &["app1-bff", "app2-bff", "api-1"];
    REFRESH_WAITS = "sso.refresh.wait.duration",
        "How long a request waited for another one that was redeeming the same session's refresh token, in this process or in another", "s", Kind::Histogram(SLOW),
        &[Label { name: "sso.waited_for", values: &["process", "replica"] }], APPS;
    TOKEN_CHECKS = "sso.token.checks",
        "Access tokens that came to an API, by what was found; a good one (`ok`) that does not allow the call counts once more, as `insufficient_scope`", "", Kind::Counter,
        &[outcome(&[
            "ok", "no_token", "invalid_request", "invalid_token", "insufficient_scope", "no_keys", "other",
        ])], &["api-1", "api-2"];
    SESSIONS_ACTIVE = "sso.sessions.active",
        "Login sessions at the provider that live. All replicas say the same: take the greatest", "", Kind::Gauge,
        &[], IDP;
    SESSIONS_ENDED = "sso.sessions.ended",
        "Login sessions that ended at the provider, and why", "", Kind::Counter,
        &[Label { name: "sso.reason", values: &[
            "logout", "account", "operator", "expiry", "another_user", "too_many", "user_changed",
            "unlisted", "other",
        ] }], IDP;
    GRANTS_REVOKED = "sso.grants.revoked",
        "Grants that were taken back before their time, and why", "", Kind::Counter,
        &[Label { name: "sso.reason", values: &[
            "client", "session_ended", "code_reused", "refresh_token_reused", "other",
        ] }], IDP;
    LOGOUT_NOTICES = "sso.logout.notices",
        "Attempts to tell an app that a session is over, by what came of it", "", Kind::Counter,
        &[outcome(&["ok", "failed", "given_up"])], IDP;
    LOGOUT_OUTBOX = "sso.logout.outbox",
        "Apps that have still to be told. All replicas say the same: take the greatest", "", Kind::Gauge,
        &[], IDP;
    LOGOUT_TOKENS = "sso.logout.tokens",
        "Logout tokens that came to an app, by what came of it", "", Kind::Counter,
        &[outcome(&["ok", "refused", "replayed", "error"])], APPS;
    UNLISTED = "sso.records.unlisted",
        "Sessions and grants that were in the store without their place in the list by which they are ended: the store had lost part of a write. Each was ended when it was met; `probe` is what the provider writes to notice it", "", Kind::Counter,
        &[Label { name: "sso.record", values: &["login", "grant", "session", "probe", "other"] }],
        &["idp", "app1-bff", "app2-bff"];
    EXPORTS = "sso.telemetry.exports",
        "Batches that were sent by OTLP, by what came of it: `error` is telemetry that is lost", "", Kind::Counter,
        &[Label { name: "sso.signal", values: &["traces", "metrics"] }, outcome(&["ok", "error"])], &[];
    KEY_AGE = "sso.signing_key.age",
        "How long ago each signing key was made, where its file says so", "s", Kind::Gauge,
        &[Label { name: "sso.algorithm", values: &["ES256", "RS256", "EdDSA"] }], IDP;
}
