//! Sign out: everywhere, and how soon it counts.

use kit::{config::Site, telemetry::names::span};

use crate::{
    course::Section,
    scenarios::scenario::{
        Look,
        Mark::{Answer, Check, Request},
        Scenario,
        Way::Open,
    },
};

pub(super) const SECTION: Section<Scenario> = Section {
    title: "Sign out",
    pages: &[LOGOUT_EVERYWHERE, AT_ONCE, TOKEN_LIFE],
};

const LOGOUT_EVERYWHERE: Scenario = Scenario {
    name: "logout-everywhere",
    title: "Logout everywhere",
    sentence: "One sign-out ends the session at the provider, and the provider tells every other app.",
    about: &[
        "app1 ends its own session and sends the browser to the provider (RP-Initiated Logout). The provider ends the login session and calls each app of this login with a signed logout token (Back-Channel Logout). No browser is needed for that.",
    ],
    look: &[
        Look(
            Request("POST /logout"),
            "At app1: its session leaves the store, its cookie is cleared.",
        ),
        Look(
            Request("GET /logout"),
            "At the provider, with `id_token_hint`: which session of which user.",
        ),
        Look(
            Request("POST /backchannel-logout"),
            "From the provider to app2, over the back channel.",
        ),
        Look(
            Check(span::LOGOUT_TOKEN_CHECK),
            "app2 checks signature, `aud`, `events` and `jti`, and ends its sessions of this login.",
        ),
    ],
    ways: &[
        Open {
            label: "First: sign in to app1",
            site: Site::App1,
            path: "/login?return_to=/",
            needs: None,
            then: "",
        },
        Open {
            label: "Then: sign in to app2",
            site: Site::App2,
            path: "/login?return_to=/",
            needs: None,
            then: "Leave this window open.",
        },
        Open {
            label: "Sign out at app1",
            site: Site::App1,
            path: "/",
            needs: None,
            then: "Press `Sign out everywhere`. app2's page says that its session has ended.",
        },
    ],
    see: &["single-sign-on", "revocation-at-once"],
};

const AT_ONCE: Scenario = Scenario {
    name: "revocation-at-once",
    title: "Revocation at once",
    sentence: "A session in the store ends with its record: the next call is refused.",
    about: &[
        "End your login from the outside, at the provider's page of your sessions. The provider revokes its grants and notifies the apps. app1 keeps its sessions in the store (`stateful`): it deletes the record, and the next call finds none.",
    ],
    look: &[
        Look(
            Request("POST /backchannel-logout"),
            "The provider tells app1 that this login has ended.",
        ),
        Look(
            Check(span::LOGOUT_TOKEN_CHECK),
            "Then app1 deletes the record from the store: it is gone for every replica.",
        ),
        Look(
            Request("GET /api1/data"),
            "The browser still sends its cookie.",
        ),
        Look(
            Answer("401 Unauthorized"),
            "No record, no session. API-1 is not asked.",
        ),
    ],
    ways: &[
        Open {
            label: "First: sign in to app1",
            site: Site::App1,
            path: "/login?return_to=/",
            needs: None,
            then: "Press `GET /api1/data`: 200. Leave this window open.",
        },
        Open {
            label: "Then: end the login at the provider",
            site: Site::Idp,
            path: "/account",
            needs: None,
            then: "Press `Sign out here`. app1's page says at once that its session has ended. Then add `/api1/data` to the address in app1's window: 401.",
        },
    ],
    see: &["session-modes", "revocation-token-life"],
};

const TOKEN_LIFE: Scenario = Scenario {
    name: "revocation-token-life",
    title: "Revocation within a token's life",
    sentence: "A JWT in the wrong hands works until it expires, at most 15 minutes; only its renewal is refused.",
    about: &[
        "The single-page app holds its access token itself, and API-1 checks its signature without asking anybody. End the app's access at the provider: the refresh token is refused from this moment, the access token is accepted until its `exp`.",
        "That is the price of not asking. Short lives bound it: 15 minutes by default. Introspection, or a session in the store, avoids it.",
    ],
    look: &[
        Look(
            Request("GET /authorize"),
            "The login begins as any other; at its end the tokens are in the page.",
        ),
        Look(
            Request("GET /resource"),
            "After the end of the access: still 200. API-1 checks signature, `iss`, `aud` and `exp`, and none of these depends on the grant.",
        ),
        Look(
            Request("POST /token grant_type=refresh_token"),
            "The provider refuses: `invalid_grant`.",
        ),
    ],
    ways: &[
        Open {
            label: "First: sign in to the single-page app",
            site: Site::Spa,
            path: "/",
            needs: None,
            then: "Press `Sign in`, then `GET /resource`. Leave this window open.",
        },
        Open {
            label: "Then: end its access at the provider",
            site: Site::Idp,
            path: "/account",
            needs: None,
            then: "Press `End access`: this app asked for access while you are away (`offline_access`), so a sign-out alone does not end it. In the single-page app press `GET /resource`, then `Refresh`.",
        },
    ],
    see: &["revocation-at-once", "opaque-tokens"],
};
