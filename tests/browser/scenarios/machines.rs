//! Machines and devices.

use kit::config::Site;

use super::play::{Act::*, Play};

pub const PLAYS: &[Play] = &[
    MACHINE_TO_MACHINE,
    JWT_BEARER,
    EXCHANGE_BY_APP,
    MTLS,
    INTERNAL_HEADER,
];

const MACHINE_TO_MACHINE: Play = Play {
    name: "machine-to-machine",
    acts: &[
        Start("app1 by client credentials"),
        SignInTo(Site::App1),
        Press("GET /api1/whoami"),
        Until(".answer-status", "200"),
    ],
    arrows: &[
        ("Browser → app1", "GET /api1/whoami"),
        ("app1 → IdP", "POST /token grant_type=client_credentials"),
        ("IdP, inside", "The provider authenticates the client"),
        ("IdP, inside", "The provider validates the grant"),
        ("IdP → app1", "access_token"),
        (
            "app1 → API-1",
            "GET /whoamiAuthorization: Bearer access_token(aud=https://api-1)",
        ),
        ("API-1, inside", "The API verifies the access token"),
        ("API-1 → app1", "client_id"),
    ],
};

const JWT_BEARER: Play = Play {
    name: "jwt-bearer",
    acts: &[
        Start("app1 by JWT bearer"),
        SignInTo(Site::App1),
        Press("GET /api1/whoami"),
        Until(".answer-status", "200"),
    ],
    arrows: &[
        ("Browser → app1", "GET /api1/whoami"),
        ("app1 → IdP", "POST /token grant_type=jwt-bearer"),
        ("IdP, inside", "The provider authenticates the client"),
        ("IdP, inside", "The provider validates the grant"),
        ("IdP → app1", "access_token"),
        (
            "app1 → API-1",
            "GET /whoamiAuthorization: Bearer access_token(aud=https://api-1)",
        ),
        ("API-1, inside", "The API verifies the access token"),
        ("API-1 → app1", "client_id"),
    ],
};

const EXCHANGE_BY_APP: Play = Play {
    name: "token-exchange-by-app",
    acts: &[
        Start("app1 by token exchange"),
        SignInTo(Site::App1),
        Press("GET /api1/whoami"),
        Until(".answer-status", "200"),
    ],
    arrows: &[
        ("Browser → app1", "GET /api1/whoami"),
        (
            "app1 → IdP",
            "POST /token grant_type=token-exchangeresource=https://api-1subject_token(aud=https://api-1)",
        ),
        ("IdP, inside", "The provider authenticates the client"),
        ("IdP, inside", "The provider validates the grant"),
        ("IdP → app1", "issued_token_type"),
        (
            "app1 → API-1",
            "GET /whoamiAuthorization: Bearer access_token(aud=https://api-1)",
        ),
        ("API-1, inside", "The API verifies the access token"),
        ("API-1 → app1", "200 {"),
    ],
};

const MTLS: Play = Play {
    name: "mtls",
    acts: &[
        Start("app1 by its certificate"),
        SignInTo(Site::App1),
        Press("GET /api1/whoami"),
        Until(".answer-status", "200"),
    ],
    arrows: &[
        ("Browser → app1", "GET /api1/whoami"),
        ("app1 → IdP", "client_id=app1-mtls"),
        ("IdP, inside", "The provider authenticates the client"),
        ("IdP, inside", "The provider validates the grant"),
        ("IdP → app1", "access_token"),
        (
            "app1 → API-1",
            "GET /whoamiAuthorization: Bearer access_token(aud=https://api-1)",
        ),
        ("API-1, inside", "The API verifies the access token"),
        ("API-1 → app1", "200 {"),
    ],
};

const INTERNAL_HEADER: Play = Play {
    name: "internal-header",
    acts: &[
        Start("app1 by an internal header"),
        SignInTo(Site::App1),
        Press("GET /api1/data"),
        Until(".answer-status", "200"),
        Press("GET /api1/whoami"),
        Until(".answer-status", "200"),
    ],
    arrows: &[
        ("Browser → app1", "GET /api1/whoami"),
        ("app1 → app1 store", "Load session"),
        ("app1 → API-1", "GET /whoami"),
        ("API-1, inside", "API-1 reads who the user is"),
        ("API-1 → app1", "stated_by"),
    ],
};

pub const API_KEY: Play = Play {
    name: "api-key",
    acts: &[
        Start("app1 by its API key"),
        SignInTo(Site::App1),
        Press("GET /api1/data"),
        Until(".answer-status", "200"),
        Press("GET /api1/whoami"),
        Until(".answer-status", "200"),
    ],
    arrows: &[
        ("Browser → app1", "GET /api1/whoami"),
        ("app1 → API-1", "GET /whoami"),
        ("API-1, inside", "API-1 checks an API key"),
        ("API-1 → app1", "api_key"),
    ],
};
