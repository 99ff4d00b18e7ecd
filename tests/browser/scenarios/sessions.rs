//! Sessions.

use kit::config::Site;

use super::play::{Act::*, Play};

pub const PLAYS: &[Play] = &[SESSION_MODES, REFRESH_STORM];

pub const SESSION_MODES: Play = Play {
    name: "session-modes",
    acts: &[
        Start("stateful"),
        SignInTo(Site::App1),
        Press("GET /api1/data"),
        Until(".answer-status", "200"),
        Start("cached"),
        Home(Site::App1),
        Press("GET /api1/data"),
        Until(".answer-status", "200"),
        Start("hybrid"),
        Home(Site::App1),
        Press("GET /api1/data"),
        Until(".answer-status", "200"),
        Start("stateless"),
        Home(Site::App1),
        Press("GET /api1/data"),
        Until(".answer-status", "200"),
    ],
    arrows: &[
        ("Browser → app1", "GET /api1/dataCookie: __Host-session_id"),
        ("app1, inside", "The app opens the session"),
        ("app1 → app1 store", "Load session"),
        ("app1 → API-1", "aud=https://api-1"),
        ("API-1, inside", "The API verifies the access token"),
        ("API-1 → app1", "200 {orders}"),
        ("app1 → Browser", "200 {orders}"),
        ("Browser → app1", "GET /login?"),
        ("Browser → app1", "GET /api1/dataCookie: __Host-session_id"),
        ("app1, inside", "The app opens the session"),
        ("app1 → app1 store", "Load session"),
        ("app1 → API-1", "aud=https://api-1"),
        ("API-1, inside", "The API verifies the access token"),
        ("API-1 → app1", "200 {orders}"),
        ("app1 → Browser", "200 {orders}"),
        (
            "Browser → app1",
            "GET /api1/dataCookie: __Secure-access_api1, __Host-session_id, __Host-session",
        ),
        ("app1, inside", "The app opens the session"),
        ("app1 → API-1", "aud=https://api-1"),
        ("API-1, inside", "The API verifies the access token"),
        ("API-1 → app1", "200 {orders}"),
        ("app1 → Browser", "200 {orders}"),
        (
            "Browser → app1",
            "GET /api1/dataCookie: __Secure-access_api1, __Host-session_id, __Host-refresh",
        ),
        ("app1, inside", "The app opens the session"),
        ("app1 → API-1", "aud=https://api-1"),
        ("API-1, inside", "The API verifies the access token"),
        ("API-1 → app1", "200 {orders}"),
        ("app1 → Browser", "200 {orders}"),
    ],
};

const REFRESH_STORM: Play = Play {
    name: "refresh-storm",
    acts: &[
        Start("First: a new login at app1"),
        SignInTo(Site::App1),
        Start("Then: ten calls at once"),
        Home(Site::App1),
        Press("Ten at once"),
        Until(".answer-status", "200"),
    ],
    arrows: &[
        ("Browser → app1", "GET /api2/data"),
        (
            "app1, inside",
            "The app gets an access token for one audience",
        ),
        ("app1 → IdP", "POST /token grant_type=refresh_token"),
        ("IdP, inside", "The provider authenticates the client"),
        ("IdP → IdP store", "Update grant"),
        ("IdP → app1", "refresh_token"),
        ("app1 → app1 store", "Update session"),
        ("app1 → API-2", "gRPC Inventory/List"),
        ("app1 → API-2", "gRPC Inventory/List"),
        ("app1 → API-2", "gRPC Inventory/List"),
        ("app1 → API-2", "gRPC Inventory/List"),
        ("app1 → API-2", "gRPC Inventory/List"),
        ("app1 → API-2", "gRPC Inventory/List"),
        ("app1 → API-2", "gRPC Inventory/List"),
        ("app1 → API-2", "gRPC Inventory/List"),
        ("app1 → API-2", "gRPC Inventory/List"),
        ("app1 → API-2", "gRPC Inventory/List"),
    ],
};
