//! The attributes of spans.

/// One attribute.
#[derive(Debug)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// Its meaning.
    pub what: &'static str,
}

const fn of(name: &'static str, what: &'static str) -> Attribute {
    Attribute { name, what }
}

/// All attributes: `sso.*`, and those of OpenTelemetry's semantic conventions.
/// The macros of `tracing` accept names as literals only, so a test compares
/// every literal in the sources with this list.
pub const ATTRIBUTES: &[Attribute] = &[
    of("sso.step", "The protocol step, in words"),
    of(
        "sso.spec",
        "The section of the specification that defines the step",
    ),
    of("sso.from", "The sender: a service, `browser` or `client`"),
    of(
        "sso.to",
        "The receiver: a service, a client's id, or `store`",
    ),
    of(
        "sso.service",
        "The service that made the span, as in the resource's `service.name`",
    ),
    of(
        "sso.journey",
        "A hash of the journey's id ([lab.md](lab.md)), on each span of a browser that the lab watches. The next three are on such spans alone",
    ),
    of(
        "sso.caller",
        "The service that sent the request; `terminal` or `browser` for a program or a page that has a value of the lab",
    ),
    of(
        "sso.request",
        "What was sent, as JSON: parameters, cookies and tokens by name and size; the values of public parameters and of a token's claims, and a short keyed hash of every other value",
    ),
    of("sso.response", "What was answered, in the same form"),
    of(
        "sso.explained",
        "That the browser got a page of explain mode ([lab.md](lab.md)): `redirect` in place of this redirect, `before` in place of the answer, which then stands in a later span",
    ),
    of("sso.client_id", "The client's id"),
    of(
        "sso.client_auth",
        "How the client authenticated, or tried to: the method by its registered name, such as `client_secret_basic`, or `none` for a public client",
    ),
    of("sso.grant", "The grant type"),
    of("sso.audience", "The audience of the access token"),
    of(
        "sso.binding",
        "What an access token is bound to, as the members of its `cnf`: `x5t#S256` (a certificate), `jkt` (a DPoP key), `x5t#S256 jkt` (both), `none` (a bearer token), or `unknown` (a `cnf` with neither)",
    ),
    of(
        "sso.outcome",
        "The outcome of a step: `ok`, or the failure, as the protocol's error code where one exists. Any other value than `ok` also sets the span's status to error",
    ),
    of(
        "sso.attack",
        "The attack that the attacker's program runs ([lab.md](lab.md))",
    ),
    of(
        "sso.weakness",
        "The weakness of the journey or of the process ([lab.md](lab.md)) that let a request pass whose check had failed",
    ),
    of(
        "sso.credential",
        "How the app got the credential of the call: `refresh`, `token_exchange`, `client_credentials`, `jwt_bearer`, `mtls`, `api_key` or `identity_header`",
    ),
    of(
        "sso.stated_by",
        "The name in the certificate of the peer that states who the user is",
    ),
    of(
        "sso.token_source",
        "The source of an access token: `session`, `minted`, or `shared` (another request minted it)",
    ),
    of(
        "sso.session_mode",
        "The session mode: `stateful`, `stateless`, `hybrid` or `cached`",
    ),
    of(
        "sso.cache_hit",
        "Whether the process had the session, or the verification result of the token, in its cache",
    ),
    of(
        "sso.lease_waited_ms",
        "How long this request waited for another request that redeemed the same session's refresh token",
    ),
    of(
        "sso.store_commands",
        "The number of commands that the request sent to the store",
    ),
    of(
        "sso.fault",
        "The failure that the lab has switched on, and that this request met: `slow-token`, `store-away`, `clock-skew` or `down` ([lab.md](lab.md))",
    ),
    of("enduser.id", "The user's `sub`"),
    of("db.system.name", "The store: `redis` or `memory`"),
    of(
        "db.operation.name",
        "The store's operation: `get`, `put`, `take`, …",
    ),
    of(
        "db.collection.name",
        "The kind of the record: `session`, `grant`, …",
    ),
    of("http.request.method", "The request's method"),
    of("http.route", "The route's pattern, never the path"),
    of("http.response.status_code", "The status of the response"),
    of("rpc.system", "`grpc`"),
    of("rpc.service", "The gRPC service"),
    of("rpc.method", "The gRPC method, or `_OTHER`"),
    of("rpc.grpc.status_code", "The status of the gRPC call"),
    of(
        "network.protocol.name",
        "The protocol of the token exchange: `grpc` or `http`",
    ),
];
