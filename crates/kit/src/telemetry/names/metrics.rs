//! The metrics.
//!
//! Names follow OpenTelemetry (dots); `/metrics` uses the Prometheus form
//! ([`Metric::prometheus`]). Each label has a closed list of values, so a client
//! cannot create time series; any other value counts as the last one of the list.
//! No value is a user, a session or a token.

use super::OUTCOME;

/// The kind of instrument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only increases.
    Counter,
    /// Durations in seconds, with the bounds of the buckets.
    Histogram(&'static [f64]),
    /// A current value.
    Gauge,
}

/// A label and its possible values.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// All values; empty if the values are the service's own routes and methods.
    pub values: &'static [&'static str],
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its meaning.
    pub what: &'static str,
    /// `s`, or empty for a count.
    pub unit: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [Label],
    /// The services that have it; empty if all services have it.
    pub services: &'static [&'static str],
}

impl Metric {
    /// The name in `/metrics`. A histogram's series add `_bucket`, `_sum` and
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

    /// How many series a service can have of it: every combination of the labels' values,
    /// or [`OPEN_SERIES`] if a label has routes or methods.
    pub fn series(&self) -> usize {
        let values = self.labels.iter().map(|label| label.values.len());
        match values.product() {
            0 => OPEN_SERIES,
            count => count,
        }
    }
}

/// The most series of a metric with the service's own routes or methods. `idp` has the most
/// routes; all of its methods, routes and statuses together come to about half of this.
const OPEN_SERIES: usize = 800;

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
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

macro_rules! metrics {
    ($($constant:ident = $name:literal, $what:literal, $unit:literal, $kind:expr, $labels:expr, $services:expr;)*) => {
        /// A constant for each metric.
        pub mod metric {
            #[allow(clippy::wildcard_imports, reason = "the table uses every item of the parent")]
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

        /// All metrics.
        pub const METRICS: &[Metric] = &[$(metric::$constant,)*];
    };
}

metrics! {
    REQUESTS = "http.server.request.duration",
        "Duration of HTTP requests", "s", Kind::Histogram(USUAL),
        &[open("http.request.method"), open("http.route"), open("http.response.status_code")], &[];
    CALLS = "rpc.server.duration",
        "Duration of gRPC calls", "s", Kind::Histogram(USUAL),
        &[open("rpc.service"), open("rpc.method"), open("rpc.grpc.status_code")], &["idp", "api-2"];
    STORE = "db.client.operation.duration",
        "Duration of commands to the store", "s", Kind::Histogram(FAST),
        &[
            Label { name: "db.operation.name", values: &[
                "ping", "put", "put_new", "get", "take", "compare_and_swap", "remove", "count", "uncount",
                "lease", "release", "rank", "ranked", "ranked_count", "ranked_at", "unrank", "claim",
                "admit", "other",
            ] },
            outcome(&["ok", "error"]),
        ], &["idp", "app1-bff", "app2-bff", "api-1", "api-2"];
    SIGN_INS = "sso.sign_ins",
        "Password checks at the provider, by outcome", "", Kind::Counter,
        &[outcome(&["ok", "wrong", "slowed", "busy", "error"])], IDP;
    USER_CODES = "sso.user_codes",
        "Codes of devices that users typed at the provider, by outcome", "", Kind::Counter,
        &[outcome(&["ok", "unknown", "slowed", "other"])], IDP;
    LOGINS = "sso.logins",
        "Logins that returned to an app, by outcome", "", Kind::Counter,
        &[outcome(&[
            "ok", "denied", "foreign", "over", "wrong_issuer", "unreadable", "code", "id_token",
            "provider", "store", "ended", "other",
        ])], APPS;
    CLIENT_AUTHENTICATIONS = "sso.client.authentications",
        "Client authentications at the provider, by outcome", "", Kind::Counter,
        &[outcome(&["ok", "invalid_client", "invalid_request", "temporarily_unavailable", "other"])], IDP;
    TOKEN_REQUESTS = "sso.token.requests",
        "Token requests at the provider (codes, refresh tokens and assertions redeemed, devices that ask for their tokens, tokens exchanged, client credentials), by outcome", "", Kind::Counter,
        &[
            Label { name: "sso.grant", values: &[
                "authorization_code", "refresh_token", "client_credentials", DEVICE,
                JWT_BEARER, EXCHANGE, "other",
            ] },
            outcome(&[
                "ok", "invalid_request", "invalid_grant", "invalid_scope", "invalid_target",
                "unauthorized_client", "temporarily_unavailable", "authorization_pending", "slow_down",
                "access_denied", "expired_token", "invalid_dpop_proof", "use_dpop_nonce", "other",
            ]),
        ], IDP;
    TOKEN_CALLS = "sso.token.call.duration",
        "Duration of token requests, measured by the client", "s", Kind::Histogram(SLOW),
        &[
            Label { name: "sso.grant", values: &[
                "authorization_code", "refresh_token", "client_credentials", JWT_BEARER, EXCHANGE,
            ] },
            outcome(&["ok", "invalid_grant", "refused", "unavailable", "unusable"]),
        ], &["app1-bff", "app2-bff", "api-1"];
    REFRESH_WAITS = "sso.refresh.wait.duration",
        "How long a request waited for another request that redeemed the same session's refresh token, in the same process or in another replica", "s", Kind::Histogram(SLOW),
        &[Label { name: "sso.waited_for", values: &["process", "replica"] }], APPS;
    TOKEN_CHECKS = "sso.token.checks",
        "Access token checks at an API, by outcome. A valid token (`ok`) that does not allow the call counts a second time, as `insufficient_scope`", "", Kind::Counter,
        &[outcome(&[
            "ok", "no_token", "invalid_request", "invalid_token", "insufficient_scope",
            "invalid_dpop_proof", "use_dpop_nonce", "no_keys", "no_introspection", "no_store",
            "throttled", "other",
        ])], &["api-1", "api-2"];
    API_KEY_CHECKS = "sso.api_key.checks",
        "API key checks at API-1, by outcome. A valid key (`ok`) that does not allow the call counts a second time, as `insufficient_scope`", "", Kind::Counter,
        &[outcome(&["ok", "invalid", "insufficient_scope", "throttled"])], &["api-1"];
    IDENTITY_CHECKS = "sso.identity.checks",
        "Requests to API-1 with an identity header or cookie, by outcome. `stripped`: both were removed, because the peer may not state who the user is. One that counts (`ok`) and does not allow the call counts a second time, as `insufficient_scope`", "", Kind::Counter,
        &[outcome(&["ok", "stripped", "invalid_request", "insufficient_scope"])], &["api-1"];
    INTROSPECTIONS = "sso.introspections",
        "Token introspections at the provider, by outcome; `ok` is an active token", "", Kind::Counter,
        &[outcome(&[
            "ok", "inactive", "invalid_request", "unauthorized_client", "temporarily_unavailable",
            "other",
        ])], IDP;
    INTROSPECTION_CALLS = "sso.introspection.call.duration",
        "Duration of introspection requests, measured by the API; `ok` is an active token", "s", Kind::Histogram(USUAL),
        &[outcome(&["ok", "inactive", "refused", "unavailable", "unusable"])], &["api-1", "api-2"];
    SESSIONS_ACTIVE = "sso.sessions.active",
        "Live login sessions at the provider. All replicas report the same number: take the maximum", "", Kind::Gauge,
        &[], IDP;
    SESSIONS_ENDED = "sso.sessions.ended",
        "Login sessions that ended at the provider, by reason", "", Kind::Counter,
        &[Label { name: "sso.reason", values: &[
            "logout", "account", "operator", "expiry", "another_user", "too_many", "user_changed",
            "unlisted", "other",
        ] }], IDP;
    GRANTS_REVOKED = "sso.grants.revoked",
        "Grants that were revoked before they expired, by reason", "", Kind::Counter,
        &[Label { name: "sso.reason", values: &[
            "client", "account", "session_ended", "code_reused", "refresh_token_reused", "other",
        ] }], IDP;
    LOGOUT_NOTICES = "sso.logout.notices",
        "Attempts to deliver a logout notice to an app, by outcome", "", Kind::Counter,
        &[outcome(&["ok", "failed", "given_up"])], IDP;
    LOGOUT_OUTBOX = "sso.logout.outbox",
        "Logout notices that wait for delivery. All replicas report the same number: take the maximum", "", Kind::Gauge,
        &[], IDP;
    LOGOUT_TOKENS = "sso.logout.tokens",
        "Logout tokens that an app received, by outcome", "", Kind::Counter,
        &[outcome(&["ok", "refused", "replayed", "error"])], APPS;
    UNLISTED = "sso.records.unlisted",
        "Sessions and grants found in the store without their entry in the index that revocation uses: the store has lost part of a write. Each was ended when it was found. `probe` is a record that the provider writes to detect such a loss", "", Kind::Counter,
        &[Label { name: "sso.record", values: &["login", "grant", "session", "probe", "other"] }],
        &["idp", "app1-bff", "app2-bff"];
    EXPORTS = "sso.telemetry.exports",
        "Batches sent by OTLP, by outcome; `error` means lost telemetry", "", Kind::Counter,
        &[Label { name: "sso.signal", values: &["traces", "metrics", "journeys"] }, outcome(&["ok", "error"])], &[];
    KEY_ROTATIONS = "sso.signing_key.rotations",
        "New signing keys that an operator asked for; `at_once` is after a compromise", "", Kind::Counter,
        &[
            Label { name: "sso.algorithm", values: &["ES256", "RS256", "EdDSA"] },
            Label { name: "sso.mode", values: &["planned", "at_once", "other"] },
        ], IDP;
    KEY_AGE = "sso.signing_key.age",
        "Age of each key that signs, if the time when it was made is known. All replicas report the same: take the maximum", "s", Kind::Gauge,
        &[Label { name: "sso.algorithm", values: &["ES256", "RS256", "EdDSA"] }], IDP;
}
