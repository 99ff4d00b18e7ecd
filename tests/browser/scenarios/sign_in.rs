//! Sign in.

use kit::config::Site;

use super::play::{Act::*, Play};

pub const PLAYS: &[Play] = &[BFF_LOGIN, SINGLE_SIGN_ON, FRESH_SIGN_IN, SPA_LOGIN];

pub const BFF_LOGIN: Play = Play {
    name: "bff-login",
    acts: &[Start("Sign in to app1"), SignInTo(Site::App1)],
    arrows: &[
        ("User → Browser", "Click “Sign in”"),
        ("Browser → app1", "GET /login"),
        ("app1 → app1 store", "Save pre_session"),
        (
            "app1 → Browser",
            "302 /authorize?response_type=code&client_id=app1",
        ),
        (
            "Browser → IdP",
            "GET /authorize?response_type=code&client_id=app1",
        ),
        ("IdP → IdP store", "Save authorization_session"),
        ("User → Browser", "Name and password"),
        ("Browser → IdP", "POST /sign-in"),
        ("IdP → Browser", "303 /callback?code="),
        ("Browser → app1", "GET /callback?code="),
        ("app1 → app1 store", "Load pre_session once"),
        ("app1 → IdP", "POST /token grant_type=authorization_code"),
        ("IdP → app1", "id_token"),
        ("app1 → app1 store", "Save session"),
        ("app1 → Browser", "303 /"),
        ("Browser → app1", "GET /"),
        ("app1 → app1 store", "Load session"),
    ],
};

const SINGLE_SIGN_ON: Play = Play {
    name: "single-sign-on",
    acts: &[
        Start("First: sign in to app1"),
        SignInTo(Site::App1),
        Start("Branch 1: open app2"),
        Home(Site::App2),
    ],
    arrows: &[
        ("IdP → Browser", "Set-Cookie: __Host-idp_session"),
        ("Browser → app2", "GET /login"),
        ("app2 → app2 store", "Save pre_session"),
        ("app2 → IdP", "POST /par"),
        ("IdP → IdP store", "Save pushed request"),
        ("IdP → app2", "request_uri"),
        (
            "app2 → Browser",
            "302 /authorize?client_id=app2&request_uri=",
        ),
        ("Browser → IdP", "__Host-idp_session"),
        ("IdP → IdP store", "Save authorization_code"),
        ("IdP → Browser", "302 /callback?code="),
        ("Browser → app2", "GET /callback?code="),
        ("app2 → app2 store", "Load pre_session once"),
        ("app2 → IdP", "POST /token grant_type=authorization_code"),
        ("IdP, inside", "The provider authenticates the client"),
        ("IdP → app2", "id_token"),
        ("app2, inside", "The app verifies the ID token"),
        ("app2 → app2 store", "Save session"),
        ("app2 → Browser", "303 /"),
        ("Browser → app2", "GET /"),
    ],
};

const FRESH_SIGN_IN: Play = Play {
    name: "single-sign-on",
    acts: &[
        Start("First: sign in to app1"),
        SignInTo(Site::App1),
        Start("Branch 3: app2 with prompt=login"),
        SignInTo(Site::App2),
    ],
    arrows: &[
        ("IdP → Browser", "Set-Cookie: __Host-idp_session"),
        ("Browser → app2", "GET /login?prompt=login"),
        ("app2 → app2 store", "Save pre_session"),
        ("app2 → IdP", "POST /par"),
        ("IdP → IdP store", "Save pushed request"),
        ("IdP → app2", "request_uri"),
        (
            "app2 → Browser",
            "302 /authorize?client_id=app2&request_uri=",
        ),
        (
            "Browser → IdP",
            "GET /authorize?client_id=app2&request_uri=",
        ),
        ("IdP → Browser", "200 OK"),
        ("User → Browser", "Name and password"),
        ("Browser → IdP", "POST /sign-in"),
        ("IdP, inside", "The provider checks a password"),
        ("IdP → Browser", "303 /callback?code="),
        ("Browser → app2", "GET /callback?code="),
        ("app2 → app2 store", "Load pre_session once"),
        ("app2 → IdP", "POST /token grant_type=authorization_code"),
        ("IdP, inside", "The provider authenticates the client"),
        ("IdP → app2", "id_token"),
        ("app2, inside", "The app verifies the ID token"),
        ("app2 → app2 store", "Save session"),
        ("app2 → Browser", "303 /"),
        ("Browser → app2", "GET /"),
    ],
};

pub const SPA_LOGIN: Play = Play {
    name: "spa-login",
    acts: &[
        Start("Open the single-page app"),
        At(Site::Spa),
        Press("Sign in"),
        SignInTo(Site::Spa),
        Press("/userinfo"),
        Until("#story", "Request your profile"),
        Press("GET /resource"),
        Until("#story", "Call the API"),
    ],
    arrows: &[
        (
            "Browser → IdP",
            "GET /authorize?client_id=my_spa&response_type=code",
        ),
        ("IdP → IdP store", "Save authorization_session"),
        ("User → Browser", "Name and password"),
        ("Browser → IdP", "POST /sign-in"),
        ("IdP → IdP store", "Save authorization_code"),
        ("IdP → Browser", "303 /callback?code="),
        ("Browser → SPA", "GET /"),
        ("Browser → IdP", "POST /token grant_type=authorization_code"),
        ("IdP → Browser", "id_token"),
        ("Browser → IdP", "GET /userinfo"),
        ("Browser → API-1", "GET /resource"),
    ],
};
