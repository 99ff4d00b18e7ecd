//! The requests that are steps of the protocol, and who sends them. A request
//! span has the name `METHOD /route`, or `service/method` for gRPC. Other requests
//! (a page, a style sheet) are not listed.

use std::{collections::HashMap, sync::LazyLock};

use super::Party::{self, Api1, Browser, Client, Idp};

/// One request, as its server sees it.
#[derive(Debug)]
pub struct Request {
    /// The services that answer it.
    pub services: &'static [&'static str],
    /// The span's name.
    pub name: &'static str,
    /// The protocol step, in words.
    pub step: &'static str,
    /// The section of the specification; empty if none defines the step.
    pub section: &'static str,
    /// Who sends it.
    pub from: Party,
}

const APPS: &[&str] = &["app1-bff", "app2-bff"];
const IDP: &[&str] = &["idp"];
const API1: &[&str] = &["api-1"];
const API2: &[&str] = &["api-2"];

const fn of(
    services: &'static [&'static str],
    name: &'static str,
    step: &'static str,
    section: &'static str,
    from: Party,
) -> Request {
    Request {
        services,
        name,
        step,
        section,
        from,
    }
}

/// The step of a call to an API.
pub(super) const WITH_TOKEN: &str = "A call with an access token";

/// All requests that are steps of the protocol.
pub const REQUESTS: &[Request] = &[
    of(
        APPS,
        "GET /login",
        "A login begins",
        "OIDC Core §3.1.2.1",
        Browser,
    ),
    of(
        APPS,
        "GET /callback",
        "The authorization response arrives",
        "RFC 6749 §4.1.2",
        Browser,
    ),
    of(
        APPS,
        "POST /logout",
        "The user signs out",
        "RP-Initiated Logout §2",
        Browser,
    ),
    of(
        APPS,
        "POST /backchannel-logout",
        "The app receives a logout token",
        "OIDC Back-Channel Logout §2.5",
        Idp,
    ),
    of(
        APPS,
        "GET /session",
        "The page asks who is signed in",
        "",
        Browser,
    ),
    of(
        APPS,
        "GET /api1/data",
        "A call with the session's cookie",
        "",
        Browser,
    ),
    of(
        APPS,
        "POST /api1/data",
        "A call with the session's cookie",
        "",
        Browser,
    ),
    of(
        APPS,
        "GET /api1/order",
        "A GET that places an order, in a weakened lab",
        "RFC 9110 §9.2.1",
        Browser,
    ),
    of(
        APPS,
        "GET /api1/report",
        "A call with the session's cookie",
        "",
        Browser,
    ),
    of(
        APPS,
        "GET /api1/whoami",
        "A call with the session's cookie",
        "",
        Browser,
    ),
    of(
        APPS,
        "GET /api2/data",
        "A call with the session's cookie",
        "",
        Browser,
    ),
    of(
        APPS,
        "POST /api2/data",
        "A call with the session's cookie",
        "",
        Browser,
    ),
    of(
        APPS,
        "GET /api2/whoami",
        "A call with the session's cookie",
        "",
        Browser,
    ),
    of(
        IDP,
        "GET /authorize",
        "The authorization request",
        "RFC 6749 §4.1.1",
        Browser,
    ),
    of(
        IDP,
        "POST /authorize",
        "The authorization request",
        "OIDC Core §3.1.2.1",
        Browser,
    ),
    of(
        IDP,
        "POST /sign-in",
        "The user signs in",
        "OIDC Core §3.1.2.3",
        Browser,
    ),
    of(
        IDP,
        "POST /consent",
        "The user answers the consent form",
        "OIDC Core §3.1.2.4",
        Browser,
    ),
    of(
        IDP,
        "POST /authorize/continue",
        "The user goes on after a pause of explain mode",
        "",
        Browser,
    ),
    of(
        IDP,
        "GET /logout",
        "The logout request",
        "RP-Initiated Logout §2",
        Browser,
    ),
    of(
        IDP,
        "POST /logout",
        "The logout request",
        "RP-Initiated Logout §2",
        Browser,
    ),
    of(
        IDP,
        "POST /par",
        "The pushed authorization request",
        "RFC 9126 §2.1",
        Client,
    ),
    of(
        IDP,
        "POST /device_authorization",
        "The device authorization request",
        "RFC 8628 §3.1",
        Client,
    ),
    of(
        IDP,
        "GET /device",
        "The user opens the page for a device's code",
        "RFC 8628 §3.3",
        Browser,
    ),
    of(
        IDP,
        "POST /device",
        "The user types a device's code",
        "RFC 8628 §3.3",
        Browser,
    ),
    of(
        IDP,
        "POST /device/sign-in",
        "The user signs in",
        "RFC 8628 §3.3",
        Browser,
    ),
    of(
        IDP,
        "POST /device/answer",
        "The user allows or denies a device",
        "RFC 8628 §3.3",
        Browser,
    ),
    of(
        IDP,
        "POST /token",
        "The token request",
        "RFC 6749 §3.2",
        Client,
    ),
    of(
        IDP,
        "POST /revoke",
        "The revocation request",
        "RFC 7009 §2.1",
        Client,
    ),
    of(
        IDP,
        "POST /introspect",
        "The introspection request",
        "RFC 7662 §2.1",
        Client,
    ),
    of(
        IDP,
        "GET /userinfo",
        "The userinfo request",
        "OIDC Core §5.3.1",
        Client,
    ),
    of(
        IDP,
        "POST /userinfo",
        "The userinfo request",
        "OIDC Core §5.3.1",
        Client,
    ),
    of(
        IDP,
        "GET /jwks",
        "A client fetches the provider's keys",
        "RFC 7517 §5",
        Client,
    ),
    of(
        IDP,
        "GET /.well-known/openid-configuration",
        "Discovery",
        "OIDC Discovery §4",
        Client,
    ),
    of(
        IDP,
        "GET /.well-known/oauth-authorization-server",
        "Discovery",
        "RFC 8414 §3",
        Client,
    ),
    of(
        IDP,
        "sso.idp.v1.TokenExchange/Exchange",
        "The token exchange request",
        "RFC 8693 §2.1",
        Api1,
    ),
    of(API1, "GET /resource", WITH_TOKEN, "RFC 6750 §2.1", Client),
    of(API1, "POST /resource", WITH_TOKEN, "RFC 6750 §2.1", Client),
    of(API1, "GET /report", WITH_TOKEN, "RFC 6750 §2.1", Client),
    of(API1, "GET /whoami", WITH_TOKEN, "RFC 6750 §2.1", Client),
    of(API2, "GET /resource", WITH_TOKEN, "RFC 6750 §2.1", Client),
    of(API2, "POST /resource", WITH_TOKEN, "RFC 6750 §2.1", Client),
    of(API2, "GET /whoami", WITH_TOKEN, "RFC 6750 §2.1", Client),
    of(
        API2,
        "sso.inventory.v1.Inventory/List",
        WITH_TOKEN,
        "RFC 6750 §2.1",
        Client,
    ),
    of(
        API2,
        "sso.inventory.v1.Inventory/Reserve",
        WITH_TOKEN,
        "RFC 6750 §2.1",
        Client,
    ),
    of(
        API2,
        "sso.inventory.v1.Inventory/WhoAmI",
        WITH_TOKEN,
        "RFC 6750 §2.1",
        Client,
    ),
];

/// The request of the span `name` of `service`.
pub fn request_of(service: &str, name: &str) -> Option<&'static Request> {
    type Found = Vec<&'static Request>;
    static BY_NAME: LazyLock<HashMap<&'static str, Found>> = LazyLock::new(|| {
        let mut by_name: HashMap<_, Found> = HashMap::new();
        for request in REQUESTS {
            by_name.entry(request.name).or_default().push(request);
        }
        by_name
    });
    let named = BY_NAME.get(name)?.iter();
    named
        .copied()
        .find(|request| request.services.contains(&service))
}
