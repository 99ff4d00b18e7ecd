//! Questions that learners ask, each with the scenarios that show the answer.

use crate::{course::Section, scenarios::scenario::Scenario};

pub(super) const SECTION: Section<Scenario> = Section {
    title: "Questions",
    pages: &[
        question(
            "oidc-and-oauth",
            "What does OIDC add to OAuth 2.0?",
            "OAuth says what an app may do; OpenID Connect says who signed in.",
            &[
                "OAuth 2.0 (RFC 6749) is about authorization: an app gets an access token and calls an API. What the token says is between provider and API. The app need not understand it, and learns nothing certain about the user from it.",
                "OpenID Connect is a layer on top, for authentication: with the scope `openid` the app gets an `id_token` too, a signed JWT for this app, with `iss`, `sub`, `aud`, `auth_time` and the app's own `nonce`. It also adds discovery, `/userinfo` and logout.",
                "One login of this lab does both: the `id_token` begins the session, the access token calls API-1.",
            ],
            &["bff-login", "machine-to-machine"],
        ),
        question(
            "pseudo-login",
            "Is a login with OAuth alone not enough?",
            "An app that takes a working access token for a sign-in lets in whoever brings a token from elsewhere.",
            &[
                "Without OIDC, apps call a profile endpoint with an access token and take the answer for the user. It works, and each provider does it in its own way.",
                "But the access token does not say for whom it was issued to sign in. A token that another app got for the same user opens the profile as well, so that other app can be this user here. Nothing tells either when and how the user signed in.",
                "The `id_token` closes both gaps: `aud` is the app, `nonce` is this login, `auth_time` is the time. `/userinfo` then adds claims, and the app checks that its `sub` is the one of the `id_token`.",
            ],
            &["spa-login", "bff-login"],
        ),
        question(
            "openid-2-and-saml",
            "And OpenID 2.0, and SAML?",
            "OpenID 2.0 is history with a similar name; SAML does the same for the web in XML.",
            &[
                "OpenID 1 and 2.0 are obsolete. OpenID 2.0 named users by URLs and exchanged signed key-value messages by the browser. OpenID Connect has the name of the foundation in common with it, and builds on OAuth 2.0, JSON and JWT.",
                "SAML 2.0 is older and in wide use in companies. Its assertions are signed XML, which a form in the browser posts to the app. It is made for web sites: native apps and APIs fit it badly. An assertion corresponds to the `id_token`; SAML has nothing that corresponds to an access token for an API.",
                "Both give single sign-on. A new app takes OIDC, unless its only provider speaks SAML.",
            ],
            &["bff-login", "single-sign-on"],
        ),
        question(
            "id-token-and-access-token",
            "id_token or access token?",
            "The id_token is for the app and says who signed in; the access token is for the API and says what is allowed.",
            &[
                "`id_token`: `aud` is the client. The client checks it once, at the login, and begins a session. It never goes to an API, and an API refuses it: type and audience are wrong. It is always a JWT.",
                "Access token: `aud` is the API. The API checks it at each call; the client passes it on unread. Its form is between provider and API: a JWT (RFC 9068) or an opaque text. It has `scope`; it may have claims about the user.",
                "Client credentials give no `id_token`, because nobody signed in.",
            ],
            &["bff-login", "two-audiences", "opaque-tokens"],
        ),
        question(
            "cookies-and-local-storage",
            "Cookies or local storage?",
            "A script can read local storage; it can neither read an HttpOnly cookie nor carry it away.",
            &[
                "Whatever JavaScript can read, injected JavaScript can send elsewhere: local storage, session storage, and variables of the page. A cookie with `HttpOnly` is sent by the browser and read by no script.",
                "Cookies go with each request, also with requests that other sites cause. `SameSite=Lax` keeps them away from cross-site posts, and the app asks for a proof of its own (`X-CSRF`, a token in the form). `Secure` keeps them off plain HTTP, `__Host-` binds them to one host.",
                "What people call outdated are third-party cookies, which browsers block. A first-party `HttpOnly` cookie is the current advice for sessions. It holds a session's id, or, sealed, the tokens themselves: four modes of this lab.",
            ],
            &["session-modes", "spa-login", "bff-login"],
        ),
        question(
            "oidc-and-sso",
            "Is OIDC single sign-on?",
            "Single sign-on is what a user experiences; OIDC is one protocol by which a provider offers it.",
            &[
                "Single sign-on: one sign-in, many apps. It comes from the session at the provider, which a cookie of the provider names. OIDC carries the result to each app. SAML and Kerberos can carry it too.",
                "Each app still has a session of its own. Two apps and one provider make three sessions with three cookies, which end apart, unless a logout ends them together.",
                "OIDC works without single sign-on too: an app can demand a sign-in each time by `prompt=login`.",
            ],
            &["single-sign-on", "logout-everywhere"],
        ),
    ],
};

const fn question(
    name: &'static str,
    title: &'static str,
    sentence: &'static str,
    about: &'static [&'static str],
    see: &'static [&'static str],
) -> Scenario {
    Scenario {
        name,
        title,
        sentence,
        about,
        look: &[],
        ways: &[],
        see,
    }
}
