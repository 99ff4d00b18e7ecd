//! Sign in: one login, single sign-on, and a login without a backend.

use kit::{config::Site, telemetry::names::span};

use crate::{
    course::Section,
    scenarios::scenario::{
        Look,
        Mark::{Answer, Check, Request, Store},
        Scenario,
        Way::Open,
    },
};

pub(super) const SECTION: Section<Scenario> = Section {
    title: "Sign in",
    pages: &[BFF_LOGIN, SINGLE_SIGN_ON, SPA_LOGIN],
};

const BFF_LOGIN: Scenario = Scenario {
    name: "bff-login",
    title: "A login by the app's backend",
    sentence: "The authorization code flow of a confidential client: the tokens stay in the backend, and the browser gets a cookie.",
    about: &[
        "app1 has no password form. Its backend (BFF) sends the browser to the provider with an authorization request. The provider signs the user in and sends the browser back with a code. The backend redeems the code for tokens in a request of its own.",
        "Red arrows are the front channel: all that they carry passes through the browser. Green arrows are the back channel between backend and provider.",
        "app1 proves who it is by its client secret. It uses PKCE too (RFC 9700 §2.1.1), so a code that is injected into another login is refused.",
    ],
    look: &[
        Look(
            Store("Save pre_session"),
            "The app keeps `nonce` and the PKCE verifier under a hash of `state`, before the browser leaves.",
        ),
        Look(
            Request("GET /authorize"),
            "Everything in this URL is visible in the browser: `client_id`, `scope`, `state`, `nonce`. None of it is a secret of the app.",
        ),
        Look(
            Request("GET /callback"),
            "The fingerprint of `state` equals the one that left. Open both arrows to compare.",
        ),
        Look(
            Request("POST /token grant_type=authorization_code"),
            "The code, the verifier and the client's authentication go over the back channel. The tokens are in the answer, which no browser sees.",
        ),
        Look(
            Check(span::ID_TOKEN_CHECK),
            "Signature, `iss`, `aud`, `exp` and `nonce`. Only then does the app save the session and set its cookie.",
        ),
    ],
    ways: &[Open {
        label: "Sign in to app1",
        site: Site::App1,
        path: "/login?return_to=/",
        needs: None,
        then: "The provider asks for name and password. If you are signed in already, sign out everywhere first to see the form.",
    }],
    see: &["single-sign-on", "id-token-and-access-token"],
};

const SINGLE_SIGN_ON: Scenario = Scenario {
    name: "single-sign-on",
    title: "The second app: three branches",
    sentence: "app2 asks the same provider: with a session there no form appears, without one it does, and an app can demand it.",
    about: &[
        "Sign in to app1 first. The provider then has a login session, and its own cookie in the browser. app2 shares nothing with app1: no cookie, no session, no secret.",
        "Branch 1: the provider knows the browser, and answers with a code at once. Branch 2: it does not, and shows the form. Branch 3: it does, but app2 asks for a fresh sign-in by `prompt=login` or `max_age` (OIDC Core §3.1.2.1), and the form appears all the same.",
        "If app2 itself has a session already, `/login` goes straight to its page, and the provider takes no part.",
    ],
    look: &[
        Look(
            Request("POST /par"),
            "app2 pushes its authorization request over the back channel (RFC 9126). The browser carries only `request_uri`.",
        ),
        Look(
            Request("GET /authorize"),
            "The cookie `__Host-idp_session` goes with it. It is the whole of single sign-on in the browser.",
        ),
        Look(
            Answer("302 /callback"),
            "Branch 1: the answer to `GET /authorize` has the code. No form, no `POST /sign-in`.",
        ),
        Look(
            Request("POST /sign-in"),
            "Branches 2 and 3: the user types name and password.",
        ),
        Look(
            Check(span::ID_TOKEN_CHECK),
            "In branch 3 app2 checks `auth_time` too: the sign-in is as fresh as it asked for.",
        ),
    ],
    ways: &[
        Open {
            label: "First: sign in to app1",
            site: Site::App1,
            path: "/login?return_to=/",
            needs: None,
            then: "The provider has a login session from now on.",
        },
        Open {
            label: "Branch 1: open app2",
            site: Site::App2,
            path: "/login?return_to=/",
            needs: None,
            then: "You are signed in without a form.",
        },
        Open {
            label: "Branch 2: sign out, then open app2",
            site: Site::App2,
            path: "/",
            needs: None,
            then: "Press `Sign out everywhere`, then `Sign in`. The form appears.",
        },
        Open {
            label: "Branch 3: app2 with prompt=login",
            site: Site::App2,
            path: "/login?return_to=/&prompt=login",
            needs: None,
            then: "The form appears although the provider knows you.",
        },
        Open {
            label: "Branch 3: app2 with max_age=10",
            site: Site::App2,
            path: "/login?return_to=/&max_age=10",
            needs: None,
            then: "The form appears if your sign-in is older than ten seconds.",
        },
    ],
    see: &["logout-everywhere", "oidc-and-sso"],
};

const SPA_LOGIN: Scenario = Scenario {
    name: "spa-login",
    title: "A login in the page: SPA, PKCE, userinfo",
    sentence: "A public client without a secret: the page redeems the code itself, proves it by PKCE, and holds the tokens.",
    about: &[
        "The single-page app has no backend. It is a public client: what is in its source is no secret. PKCE (RFC 7636) takes the place of one: only the page that made the verifier can redeem the code.",
        "Its tokens are in the page's memory, where every script of the page can read them. That is what a BFF avoids.",
        "`/userinfo` answers with claims of the user, to whoever brings a live access token with the scope `openid`.",
        "The page's requests come from the browser, by a script and not by a redirect, so their arrows are those of the back channel. What the page checks itself is a note at the browser.",
    ],
    look: &[
        Look(
            Request("GET /authorize"),
            "`code_challenge` is the hash of a verifier that stays in the page. Open the arrow to see both parameters.",
        ),
        Look(
            Check(span::PAGE_ANSWER_CHECK),
            "The page compares `state` and `iss` before it uses the code.",
        ),
        Look(
            Request("POST /token grant_type=authorization_code"),
            "No client secret: `code_verifier` has to fit the challenge.",
        ),
        Look(
            Request("GET /userinfo"),
            "The access token is the credential, and the answer has `sub`, `name` and `email` of now.",
        ),
        Look(
            Request("GET /resource"),
            "The page calls API-1 across origins. The `id_token` takes no part.",
        ),
    ],
    ways: &[Open {
        label: "Open the single-page app",
        site: Site::Spa,
        path: "/",
        needs: None,
        then: "Press `Sign in`, then `GET /userinfo` and `GET /resource`.",
    }],
    see: &["dpop", "cookies-and-local-storage"],
};
