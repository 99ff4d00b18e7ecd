//! Sign out.

use kit::config::Site;

use super::play::{Act::*, Play};

pub const PLAYS: &[Play] = &[LOGOUT_EVERYWHERE, AT_ONCE, TOKEN_LIFE];

const LOGOUT_EVERYWHERE: Play = Play {
    name: "logout-everywhere",
    acts: &[
        Start("First: sign in to app1"),
        SignInTo(Site::App1),
        Start("Then: sign in to app2"),
        Home(Site::App2),
        Start("Sign out at app1"),
        At(Site::App1),
        Press("Sign out everywhere"),
        Until("h1", "not signed in"),
    ],
    arrows: &[
        ("User → Browser", "Click “Sign out”"),
        ("Browser → app1", "POST /logout"),
        ("app1 → app1 store", "Delete session"),
        ("app1 → Browser", "redirect_to"),
        ("Browser → IdP", "GET /logout?client_id=app1"),
        (
            "IdP → app2",
            "POST /backchannel-logoutlogout_token(aud=app2)",
        ),
        ("app2, inside", "The app verifies a logout token"),
    ],
};

const AT_ONCE: Play = Play {
    name: "revocation-at-once",
    acts: &[
        Start("First: sign in to app1"),
        SignInTo(Site::App1),
        Press("GET /api1/data"),
        Until(".answer-status", "200"),
        Start("Then: end the login at the provider"),
        At(Site::Idp),
        Press("Sign out here"),
        Until("h1", "Sign in"),
        Beside(Site::App1),
        Until("#session-ended", "has ended"),
        Open(Site::App1, "/api1/data"),
    ],
    arrows: &[
        ("Browser → app1", "GET /api1/data"),
        ("API-1 → app1", "200 {orders}"),
        (
            "IdP → app1",
            "POST /backchannel-logoutlogout_token(aud=app1)",
        ),
        ("app1, inside", "The app verifies a logout token"),
        ("Browser → app1", "GET /api1/data"),
        ("app1 → Browser", "401"),
    ],
};

const TOKEN_LIFE: Play = Play {
    name: "revocation-token-life",
    acts: &[
        Start("First: sign in to the single-page app"),
        At(Site::Spa),
        Press("Sign in"),
        SignInTo(Site::Spa),
        Press("GET /resource"),
        Until("#story", "Call the API"),
        Start("Then: end its access at the provider"),
        At(Site::Idp),
        PressEach("End access"),
        Beside(Site::Spa),
        Press("Refresh"),
        Until("#error", "no longer accepts"),
    ],
    arrows: &[
        ("Browser → IdP", "GET /authorize?client_id=my_spa"),
        ("IdP → Browser", "303 /callback?code="),
        ("Browser → IdP", "POST /account"),
        ("Browser → IdP", "POST /token grant_type=refresh_token"),
        ("IdP → Browser", "invalid_grant"),
    ],
};
