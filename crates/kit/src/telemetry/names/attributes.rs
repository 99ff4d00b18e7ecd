//! What spans carry.

/// One attribute.
#[derive(Debug)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub what: &'static str,
}

const fn of(name: &'static str, what: &'static str) -> Attribute {
    Attribute { name, what }
}

/// All of them: ours (`sso.*`) and the field's, by OpenTelemetry's semantic
/// conventions. The macros of `tracing` take names as literals only, so a test
/// holds every literal in the sources against this list.
pub const ATTRIBUTES: &[Attribute] = &[
    of("sso.step", "The protocol step, in words"),
    of("sso.spec", "The section that says what has to happen there"),
    of("sso.from", "Who speaks: a service, `browser` or `client`"),
    of("sso.to", "To whom: a service, a client's id, or `store`"),
    of(
        "sso.service",
        "The service whose span it is, as `service.name` of the resource",
    ),
    of("sso.client_id", "The client"),
    of("sso.grant", "The grant type"),
    of("sso.audience", "The audience of the access token"),
    of(
        "sso.outcome",
        "How a step ended: `ok`, or what was wrong, by the protocol's error code where it has one. Anything but `ok` is also the span's status",
    ),
    of(
        "sso.token_source",
        "Where an access token came from: `session`, `minted`, or `shared` with another request that minted it",
    ),
    of(
        "sso.session_mode",
        "How the session is kept: `stateful`, `stateless`, `hybrid` or `cached`",
    ),
    of(
        "sso.cache_hit",
        "Whether what was asked for was found in the process: a session, or a token that was checked before",
    ),
    of(
        "sso.lease_waited_ms",
        "How long this request waited for another one that was redeeming the same session's refresh token",
    ),
    of(
        "sso.store_commands",
        "How many commands the request sent to the store",
    ),
    of("enduser.id", "The user, by `sub` alone"),
    of("db.system.name", "The store: `redis` or `memory`"),
    of(
        "db.operation.name",
        "The store's operation: `get`, `put`, `take`, …",
    ),
    of("http.request.method", "The request's method"),
    of("http.route", "The route's pattern, never a path"),
    of("http.response.status_code", "The answer's status"),
    of("rpc.system", "`grpc`"),
    of("rpc.service", "The gRPC service"),
    of("rpc.method", "Its method, or `_OTHER`"),
    of("rpc.grpc.status_code", "The call's status"),
    of(
        "network.protocol.name",
        "How a token is exchanged: `grpc` or `http`",
    ),
];
