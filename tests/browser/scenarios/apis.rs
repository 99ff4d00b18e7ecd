//! Tokens for APIs.

use kit::config::Site;

use super::play::{Act::*, Play};

pub const PLAYS: &[Play] = &[TWO_AUDIENCES, EXCHANGE_BY_HTTP, EXCHANGE_BY_GRPC, DPOP];

const TWO_AUDIENCES: Play = Play {
    name: "two-audiences",
    acts: &[
        Start("A new login at app1"),
        SignInTo(Site::App1),
        Press("GET /api1/data"),
        Until(".answer-status", "200"),
        Press("GET /api2/data"),
        Until(".of-api-2 .answer-status", "200"),
    ],
    arrows: &[
        ("Browser → app1", "GET /api1/data"),
        ("app1, inside", "The app opens the session"),
        ("app1 → app1 store", "Load session"),
        ("app1 → API-1", "access_token(aud=https://api-1)"),
        ("API-1, inside", "The API verifies the access token"),
        ("API-1 → app1", "200 {orders}"),
        ("app1 → Browser", "200 {orders}"),
        ("Browser → app1", "GET /api2/data"),
        (
            "app1, inside",
            "The app gets an access token for one audience",
        ),
        ("app1 → IdP", "resource=https://api-2"),
        ("IdP, inside", "The provider authenticates the client"),
        ("IdP → IdP store", "Update grant"),
        ("IdP → app1", "refresh_token"),
        ("app1 → app1 store", "Update session"),
        (
            "app1 → API-2",
            "gRPC Inventory/ListAuthorization: Bearer access_token(aud=https://api-2)",
        ),
        ("API-2, inside", "The API verifies the access token"),
        ("app1 → Browser", "200 {items}"),
    ],
};

const EXCHANGE_BY_HTTP: Play = Play {
    name: "token-exchange-http",
    acts: &[
        Start("Open app1"),
        SignInTo(Site::App1),
        Press("GET /api1/report"),
        Until(".answer-status", "200"),
    ],
    arrows: &[
        ("Browser → app1", "GET /api1/report"),
        ("app1 → API-1", "GET /report"),
        ("API-1, inside", "The API verifies the access token"),
        ("API-1 → IdP", "POST /token grant_type=token-exchange"),
        ("IdP, inside", "The provider authenticates the client"),
        ("IdP, inside", "The provider validates the grant"),
        ("IdP, inside", "The provider signs a token"),
        ("IdP → API-1", "issued_token_type"),
        (
            "API-1 → API-2",
            "GET /resourceAuthorization: Bearer access_token(aud=https://api-2)",
        ),
        ("API-2, inside", "The API verifies the access token"),
        ("API-2 → API-1", "200 {items}"),
        ("API-1 → app1", "stock"),
        ("app1 → Browser", "stock"),
    ],
};

const EXCHANGE_BY_GRPC: Play = Play {
    name: "token-exchange-grpc",
    acts: &[
        Start("Open app1"),
        SignInTo(Site::App1),
        Press("POST /api1/data"),
        Until(".answer-status", "201"),
    ],
    arrows: &[
        ("Browser → app1", "POST /api1/data"),
        ("app1 → API-1", "POST /resource"),
        ("API-1, inside", "The API verifies the access token"),
        ("API-1 → IdP", "gRPC TokenExchange/Exchange"),
        ("IdP, inside", "The provider validates the grant"),
        ("IdP, inside", "The provider signs a token"),
        (
            "API-1 → API-2",
            "gRPC Inventory/ReserveAuthorization: Bearer access_token(aud=https://api-2)",
        ),
        ("API-2, inside", "The API verifies the access token"),
        ("API-1 → app1", "201"),
        ("app1 → Browser", "201"),
    ],
};

const DPOP: Play = Play {
    name: "dpop",
    acts: &[
        Start("Open the single-page app"),
        At(Site::Spa),
        Press("Sign in"),
        SignInTo(Site::Spa),
        Press("GET /resource"),
        Until("#story", "Call the API"),
        Press("Refresh"),
        Until("#story", "Exchange the refresh token"),
    ],
    arrows: &[
        ("Browser → IdP", "GET /authorize?client_id=my_spa"),
        ("Browser → IdP", "POST /sign-in"),
        ("IdP → Browser", "303 /callback?code="),
        ("Browser → SPA", "GET /"),
        ("Browser → IdP", "POST /token grant_type=authorization_code"),
        ("Browser → API-1", "GET /resourceAuthorization: DPoP"),
        ("API-1, inside", "The API verifies the access token"),
    ],
};

pub const OPAQUE_TOKENS: Play = Play {
    name: "opaque-tokens",
    acts: &[
        Start("Open app1"),
        SignInTo(Site::App1),
        Press("GET /api2/data"),
        Until(".answer-status", "200"),
    ],
    arrows: &[
        ("Browser → app1", "GET /api2/data"),
        ("app1 → IdP", "POST /token grant_type=refresh_token"),
        ("app1 → API-2", "gRPC Inventory/List"),
        ("API-2, inside", "The API verifies the access token"),
        ("API-2 → IdP", "POST /introspect"),
        ("IdP → API-2", "active"),
        ("API-2 → app1", "OK"),
        ("app1 → Browser", "200 {items}"),
    ],
};
