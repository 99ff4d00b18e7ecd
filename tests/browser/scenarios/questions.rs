//! Questions: the flow that shows each answer.

use kit::config::Site;

use super::play::{Act, Act::*, Arrow, Play};

pub const PLAYS: &[Play] = &[
    OIDC_AND_OAUTH,
    PSEUDO_LOGIN,
    OPENID_2_AND_SAML,
    ID_TOKEN_AND_ACCESS_TOKEN,
    COOKIES_AND_LOCAL_STORAGE,
    OIDC_AND_SSO,
];

/// A sign-in at app1, and a call.
const LOGIN_AND_CALL: &[Act] = &[
    Start("Sign in to app1"),
    SignInTo(Site::App1),
    Press("GET /api1/data"),
    Until(".answer-status", "200"),
];

/// The arrows of it.
const CALLED: &[Arrow] = &[
    (
        "Browser → IdP",
        "GET /authorize?response_type=code&client_id=app1",
    ),
    ("User → Browser", "Name and password"),
    ("Browser → IdP", "POST /sign-in"),
    ("IdP → Browser", "303 /callback?code="),
    ("Browser → app1", "GET /callback?code="),
    ("app1 → IdP", "POST /token grant_type=authorization_code"),
    ("IdP → app1", "id_token"),
    ("app1, inside", "The app verifies the ID token"),
    ("app1 → app1 store", "Save session"),
    ("Browser → app1", "GET /api1/data"),
    (
        "app1 → API-1",
        "GET /resourceAuthorization: Bearer access_token(aud=https://api-1)",
    ),
    ("API-1, inside", "The API verifies the access token"),
    ("app1 → Browser", "200 {orders}"),
];

const OIDC_AND_OAUTH: Play = Play {
    name: "oidc-and-oauth",
    acts: LOGIN_AND_CALL,
    arrows: CALLED,
};

const OPENID_2_AND_SAML: Play = Play {
    name: "openid-2-and-saml",
    acts: LOGIN_AND_CALL,
    arrows: CALLED,
};

const ID_TOKEN_AND_ACCESS_TOKEN: Play = Play {
    name: "id-token-and-access-token",
    acts: LOGIN_AND_CALL,
    arrows: CALLED,
};

const PSEUDO_LOGIN: Play = Play {
    name: "pseudo-login",
    acts: &[
        Start("Sign in to the single-page app"),
        At(Site::Spa),
        Press("Sign in"),
        SignInTo(Site::Spa),
        Press("/userinfo"),
        Until("#story", "Request your profile"),
    ],
    arrows: &[
        ("Browser → IdP", "GET /authorize?client_id=my_spa"),
        ("Browser → IdP", "POST /sign-in"),
        ("IdP → Browser", "303 /callback?code="),
        ("Browser → IdP", "POST /token grant_type=authorization_code"),
        ("IdP → Browser", "id_token"),
        ("Browser, inside", "The page verifies the ID token"),
        ("Browser → IdP", "GET /userinfo"),
        ("IdP → Browser", "200 {"),
    ],
};

const COOKIES_AND_LOCAL_STORAGE: Play = Play {
    name: "cookies-and-local-storage",
    acts: &[
        Start("The session in a cookie: app1"),
        SignInTo(Site::App1),
        Press("GET /api1/data"),
        Until(".answer-status", "200"),
        Start("The tokens in the page: the single-page app"),
        At(Site::Spa),
        Press("Sign in"),
        Home(Site::Spa),
        Press("GET /resource"),
        Until("#story", "Call the API"),
    ],
    arrows: &[
        ("app1 → Browser", "Set-Cookie: __Host-session_id"),
        ("Browser → app1", "GET /api1/dataCookie: __Host-session_id"),
        ("app1 → API-1", "GET /resourceAuthorization: Bearer"),
        ("Browser → IdP", "POST /token grant_type=authorization_code"),
        ("Browser, inside", "The page keeps its tokens in memory"),
        ("Browser → API-1", "GET /resourceAuthorization: DPoP"),
    ],
};

const OIDC_AND_SSO: Play = Play {
    name: "oidc-and-sso",
    acts: &[
        Start("First: sign in to app1"),
        SignInTo(Site::App1),
        Start("Then: open app2"),
        Home(Site::App2),
        Start("Without single sign-on: app2 with prompt=login"),
        SignInTo(Site::App2),
    ],
    arrows: &[
        ("Browser → IdP", "POST /sign-in"),
        ("IdP → Browser", "Set-Cookie: __Host-idp_session"),
        ("app1 → IdP", "POST /token grant_type=authorization_code"),
        ("app1 → app1 store", "Save session"),
        ("Browser → app2", "GET /login"),
        ("Browser → IdP", "__Host-idp_session"),
        ("IdP → Browser", "302 /callback?code="),
        ("app2 → IdP", "POST /token grant_type=authorization_code"),
        ("app2 → app2 store", "Save session"),
        ("Browser → app2", "GET /login?prompt=login"),
        ("User → Browser", "Name and password"),
        ("Browser → IdP", "POST /sign-in"),
        ("app2 → app2 store", "Save session"),
    ],
};
