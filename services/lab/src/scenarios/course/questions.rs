//! Questions that learners ask. Each page has the answer, and a flow that shows it.

use kit::{config::Site, telemetry::names::span};

use crate::{
    course::Section,
    scenarios::scenario::{
        Look,
        Mark::{Answer, Check, Request},
        Scenario,
        Way::{self, Open},
    },
};

pub(super) const SECTION: Section<Scenario> = Section {
    title: "Questions",
    pages: &[
        OIDC_AND_OAUTH,
        PSEUDO_LOGIN,
        OPENID_2_AND_SAML,
        ID_TOKEN_AND_ACCESS_TOKEN,
        COOKIES_AND_LOCAL_STORAGE,
        OIDC_AND_SSO,
    ],
};

const REDEEMED: &str = "POST /token grant_type=authorization_code";

/// A sign-in at app1, after which its session calls API-1.
const LOGIN_AND_CALL: Way = Open {
    label: "Sign in to app1",
    site: Site::App1,
    path: "/login?return_to=/&prompt=login",
    needs: None,
    then: "Sign in, then press `GET /api1/data`.",
};

const OIDC_AND_OAUTH: Scenario = Scenario {
    name: "oidc-and-oauth",
    title: "What does OIDC add to OAuth 2.0?",
    sentence: "OAuth says what an app may do; OpenID Connect says who signed in.",
    about: &[
        "OAuth 2.0 (RFC 6749) is about authorization: an app gets an access token and calls an API. What the token says is between provider and API. The app need not understand it, and learns nothing certain about the user from it.",
        "OpenID Connect is a layer on top, for authentication: with the scope `openid` the app gets an `id_token` too, a signed JWT for this app, with `iss`, `sub`, `aud`, `auth_time` and the app's own `nonce`. It also adds discovery, `/userinfo` and logout.",
        "One login of this lab does both: the `id_token` begins the session, the access token calls API-1.",
    ],
    look: &[
        Look(
            Request("GET /authorize"),
            "Open it. `response_type`, `client_id`, `redirect_uri` and `state` are OAuth's; `openid` in `scope` and `nonce` are OIDC's.",
        ),
        Look(
            Request(REDEEMED),
            "One request, and its answer has the tokens of both: `access_token` and `refresh_token` of OAuth, `id_token` of OIDC.",
        ),
        Look(
            Check(span::ID_TOKEN_CHECK),
            "OIDC: app1 verifies who signed in, and begins its session with that.",
        ),
        Look(
            Request("GET /resource"),
            "OAuth: app1 calls API-1 with the access token. The `id_token` stays at home.",
        ),
    ],
    ways: &[LOGIN_AND_CALL],
    see: &["bff-login", "machine-to-machine"],
};

const PSEUDO_LOGIN: Scenario = Scenario {
    name: "pseudo-login",
    title: "Is a login with OAuth alone not enough?",
    sentence: "An app that takes a working access token for a sign-in lets in whoever brings a token from elsewhere.",
    about: &[
        "Without OIDC, apps call a profile endpoint with an access token and take the answer for the user. It works, and each provider does it in its own way.",
        "But the access token does not say for whom it was issued to sign in. A token that another app got for the same user opens the profile as well, so that other app can be this user here. Nothing tells either when and how the user signed in.",
        "The `id_token` closes both gaps: `aud` is the app, `nonce` is this login, `auth_time` is the time. `/userinfo` then adds claims, and the app checks that its `sub` is the one of the `id_token`.",
    ],
    look: &[
        Look(
            Request("GET /userinfo"),
            "All that a pseudo-login has: a request with an access token. Open its answer: it names the user, and has no `aud`, no `nonce` and no `auth_time`.",
        ),
        Look(
            Request(REDEEMED),
            "The answer of this login has an `id_token`. Open it: `aud` is `my_spa`, and `nonce` has the fingerprint that the request had.",
        ),
        Look(
            Check(span::PAGE_ID_TOKEN_CHECK),
            "The page compares issuer, audience, lifetime and `nonce`. A token of another app or of another login ends here.",
        ),
    ],
    ways: &[Open {
        label: "Sign in to the single-page app",
        site: Site::Spa,
        path: "/",
        needs: None,
        then: "Press `Sign in`, then `GET /userinfo`.",
    }],
    see: &["spa-login", "bff-login"],
};

const OPENID_2_AND_SAML: Scenario = Scenario {
    name: "openid-2-and-saml",
    title: "And OpenID 2.0, and SAML?",
    sentence: "OpenID 2.0 is history with a similar name; SAML does the same for the web in XML.",
    about: &[
        "OpenID 1 and 2.0 are obsolete. OpenID 2.0 named users by URLs and exchanged signed key-value messages by the browser. OpenID Connect has the name of the foundation in common with it, and builds on OAuth 2.0, JSON and JWT.",
        "SAML 2.0 is older and in wide use in companies. Its assertions are signed XML, which a form in the browser posts to the app. It is made for web sites: native apps and APIs fit it badly. An assertion corresponds to the `id_token`; SAML has nothing that corresponds to an access token for an API.",
        "Both give single sign-on. A new app takes OIDC, unless its only provider speaks SAML.",
    ],
    look: &[
        Look(
            Request("GET /authorize"),
            "The request. In SAML it is an XML message `AuthnRequest`; in OpenID 2.0 its parameters begin with `openid.`.",
        ),
        Look(
            Answer("303 /callback"),
            "The answer by the browser is a code of no meaning. In SAML's usual way and in OpenID 2.0 the statement about the user itself passes here, through the browser.",
        ),
        Look(
            Request(REDEEMED),
            "The back channel, which neither has in its usual way: the tokens never pass through the browser.",
        ),
        Look(
            Check(span::ID_TOKEN_CHECK),
            "A JWT with a signature over its bytes. The signature of a SAML assertion is over canonical XML.",
        ),
        Look(
            Request("GET /resource"),
            "The access token for an API, which has no counterpart in either.",
        ),
    ],
    ways: &[LOGIN_AND_CALL],
    see: &["bff-login", "single-sign-on"],
};

const ID_TOKEN_AND_ACCESS_TOKEN: Scenario = Scenario {
    name: "id-token-and-access-token",
    title: "id_token or access token?",
    sentence: "The id_token is for the app and says who signed in; the access token is for the API and says what is allowed.",
    about: &[
        "`id_token`: `aud` is the client. The client checks it once, at the login, and begins a session. It never goes to an API, and an API refuses it: type and audience are wrong. It is always a JWT.",
        "Access token: `aud` is the API. The API checks it at each call; the client passes it on unread. Its form is between provider and API: a JWT (RFC 9068) or an opaque text. It has `scope`; it may have claims about the user.",
        "Client credentials give no `id_token`, because nobody signed in.",
    ],
    look: &[
        Look(
            Request(REDEEMED),
            "Open its answer, and compare the claims of the two tokens: `aud`, `scope`, `nonce`, and `typ` of the header.",
        ),
        Look(
            Check(span::ID_TOKEN_CHECK),
            "app1 is the audience of the `id_token`, and checks it once.",
        ),
        Look(
            Request("GET /resource"),
            "The access token alone goes to API-1: `access_token(aud=https://api-1)`.",
        ),
        Look(
            Check(span::TOKEN_CHECK),
            "API-1 is the audience of the access token, and checks it at each call.",
        ),
    ],
    ways: &[LOGIN_AND_CALL],
    see: &["bff-login", "two-audiences", "opaque-tokens"],
};

const COOKIES_AND_LOCAL_STORAGE: Scenario = Scenario {
    name: "cookies-and-local-storage",
    title: "Cookies or local storage?",
    sentence: "A script can read local storage; it can neither read an HttpOnly cookie nor carry it away.",
    about: &[
        "Whatever JavaScript can read, injected JavaScript can send elsewhere: local storage, session storage, and variables of the page. A cookie with `HttpOnly` is sent by the browser and read by no script.",
        "Cookies go with each request, also with requests that other sites cause. `SameSite=Lax` keeps them away from cross-site posts, and the app asks for a proof of its own (`X-CSRF`, a token in the form). `Secure` keeps them off plain HTTP, `__Host-` binds them to one host.",
        "What people call outdated are third-party cookies, which browsers block. A first-party `HttpOnly` cookie is the current advice for sessions. It holds a session's id, or, sealed, the tokens themselves: four modes of this lab.",
    ],
    look: &[
        Look(
            Answer("303 /"),
            "The end of app1's login. Open it: `Set-Cookie` with `HttpOnly`, `Secure` and `SameSite=Lax`.",
        ),
        Look(
            Request("GET /api1/data"),
            "The browser adds the cookie by itself. No script of app1's page has seen it, and there is no token in the request.",
        ),
        Look(
            Check(span::PAGE_KEEP),
            "The single-page app keeps its tokens in variables of the page, so it has no use for local storage. Each script of the page can read them.",
        ),
        Look(
            Request("GET /resource"),
            "By the single-page app: a script adds the access token. By app1: its backend does, out of reach of scripts.",
        ),
    ],
    ways: &[
        Open {
            label: "The session in a cookie: app1",
            site: Site::App1,
            path: "/login?return_to=/&prompt=login",
            needs: None,
            then: "Sign in, then press `GET /api1/data`.",
        },
        Open {
            label: "The tokens in the page: the single-page app",
            site: Site::Spa,
            path: "/",
            needs: None,
            then: "Press `Sign in`, then `GET /resource`.",
        },
    ],
    see: &["session-modes", "spa-login", "bff-login"],
};

const OIDC_AND_SSO: Scenario = Scenario {
    name: "oidc-and-sso",
    title: "Is OIDC single sign-on?",
    sentence: "Single sign-on is what a user experiences; OIDC is one protocol by which a provider offers it.",
    about: &[
        "Single sign-on: one sign-in, many apps. It comes from the session at the provider, which a cookie of the provider names. OIDC carries the result to each app. SAML and Kerberos can carry it too.",
        "Each app still has a session of its own. Two apps and one provider make three sessions with three cookies, which end apart, unless a logout ends them together.",
        "OIDC works without single sign-on too: an app can demand a sign-in each time by `prompt=login`.",
    ],
    look: &[
        Look(
            Request("POST /sign-in"),
            "The sign-in. Its answer sets the cookie of the provider's session.",
        ),
        Look(
            Request("GET /authorize"),
            "By app2: the provider's cookie goes with it. That is the single sign-on, and no part of OIDC's request.",
        ),
        Look(
            Answer("302 /callback"),
            "The answer to app2's request at once has a code. There was no form.",
        ),
        Look(
            Request(REDEEMED),
            "Each app redeems a code of its own: OIDC carries the same sign-in to each.",
        ),
        Look(
            Check(span::SESSION_SAVE),
            "Each app saves a session of its own: with the provider's there are three.",
        ),
    ],
    ways: &[
        Open {
            label: "First: sign in to app1",
            site: Site::App1,
            path: "/login?return_to=/&prompt=login",
            needs: None,
            then: "The provider shows its form, and has a session from now on.",
        },
        Open {
            label: "Then: open app2",
            site: Site::App2,
            path: "/login?return_to=/",
            needs: None,
            then: "You are signed in without a form.",
        },
        Open {
            label: "Without single sign-on: app2 with prompt=login",
            site: Site::App2,
            path: "/login?return_to=/&prompt=login",
            needs: None,
            then: "The same protocol, and the form appears again.",
        },
    ],
    see: &["single-sign-on", "logout-everywhere"],
};
