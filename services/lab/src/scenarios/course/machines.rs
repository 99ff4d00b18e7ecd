//! Machines and devices: callers without a browser, and credentials of backends.

use kit::{config::Site, telemetry::names::span};

use crate::{
    course::Section,
    scenarios::scenario::{
        Look,
        Mark::{Check, Request, Store},
        Need, Scenario,
        Way::{Command, Open},
    },
};

pub(super) const SECTION: Section<Scenario> = Section {
    title: "Machines and devices",
    pages: &[
        NATIVE_LOGIN,
        DEVICE_LOGIN,
        MACHINE_TO_MACHINE,
        JWT_BEARER,
        EXCHANGE_BY_APP,
        MTLS,
        API_KEY,
        INTERNAL_HEADER,
    ],
};

/// Whose requests a command's are.
const IN_THE_JOURNEY: &str = "In your journey the command has a value that puts its requests into the diagram, with `Terminal` as sender. It is good for 15 minutes, and the page renews it.";

const NATIVE_LOGIN: Scenario = Scenario {
    name: "native-login",
    title: "A native app: sign in from the terminal",
    sentence: "A program opens your browser for the sign-in, and gets the code at a free port of this machine.",
    about: &[
        "A native app never shows a form for the password itself (RFC 8252). It opens the user's browser, listens at `127.0.0.1`, and is a public client: PKCE proves that the program which began the login redeems the code.",
        "The command plays the app. Its browser is yours, so you may be signed in already.",
    ],
    look: &[
        Look(
            Request("GET /authorize"),
            "`redirect_uri` is a port of loopback. For native apps the provider accepts any port there (RFC 8252 §7.3).",
        ),
        Look(
            Request("POST /token grant_type=authorization_code"),
            "From the terminal. No secret: `code_verifier` has to fit the challenge.",
        ),
        Look(
            Request("GET /whoami"),
            "The program asks API-1 with its own access token. No token is saved.",
        ),
    ],
    ways: &[Command {
        label: "The native app",
        text: "cargo run --release -- login{flags}{journey}",
        needs: None,
        then: IN_THE_JOURNEY,
    }],
    see: &["spa-login", "device-login"],
};

const DEVICE_LOGIN: Scenario = Scenario {
    name: "device-login",
    title: "A device without a browser",
    sentence: "A television shows a short code; the user types it in a browser elsewhere and allows the device.",
    about: &[
        "The device authorization grant (RFC 8628): the device asks for two codes, shows the short one, and polls with the long one. It never sees the password, and the browser never sees the tokens.",
        "The command plays the device: its requests come from the terminal. Yours, for the page with the code and for the answer, come from the browser.",
    ],
    look: &[
        Look(
            Request("POST /device_authorization"),
            "The device gets a long code to poll with, and a short one that it shows.",
        ),
        Look(
            Request("GET /device"),
            "The user opens the page that the device names.",
        ),
        Look(
            Check(span::USER_CODE),
            "The provider finds the waiting device by the typed code. Wrong codes are counted.",
        ),
        Look(
            Request("POST /device/answer"),
            "The page names the client and what it asks for; the user allows or denies.",
        ),
        Look(
            Request("POST /token grant_type=device_code"),
            "The device polls. Before the answer it gets `authorization_pending`, after it its tokens, once.",
        ),
    ],
    ways: &[
        Command {
            label: "The device",
            text: "cargo run --release -- device login{flags}{journey}",
            needs: None,
            then: IN_THE_JOURNEY,
        },
        Open {
            label: "Open the page for the code",
            site: Site::Idp,
            path: "/device",
            needs: None,
            then: "Type the code that the command shows, then `Allow`.",
        },
    ],
    see: &["spa-login"],
};

const MACHINE_TO_MACHINE: Scenario = Scenario {
    name: "machine-to-machine",
    title: "Machine to machine: client credentials",
    sentence: "A program gets a token for itself: no user, no `id_token`, no refresh token.",
    about: &[
        "A program without a user authenticates at the token endpoint and gets an access token whose `sub` is the client (RFC 6749 §4.4). OIDC takes no part: nobody signs in.",
        "app1 can work so too, by a machine identity of its own: the API then sees the app and no user, and all users of the app share one token.",
    ],
    look: &[
        Look(
            Request("POST /token grant_type=client_credentials"),
            "app1 proves who it is by a signed assertion. There is no user's token in the request.",
        ),
        Look(
            Check(span::CLIENT_AUTH),
            "`private_key_jwt` of the client `app1-machine`.",
        ),
        Look(
            Request("GET /whoami"),
            "The answer: `sub` and `client_id` are both the client.",
        ),
        Look(
            Check(span::TOKEN_CHECK),
            "No `sid`, no `auth_time`. Open the token to see what is absent.",
        ),
    ],
    ways: &[
        Open {
            label: "app1 by client credentials",
            site: Site::App1,
            path: "/login?return_to=/&api1_credential=client_credentials",
            needs: Some(Need::Choice),
            then: "Press `GET /api1/whoami`.",
        },
        Command {
            label: "A nightly job",
            text: "echo '{\"item\":\"tea-pot\",\"quantity\":1}' | cargo run --release -- batch{flags}{journey}",
            needs: None,
            then: IN_THE_JOURNEY,
        },
    ],
    see: &["jwt-bearer", "mtls"],
};

const JWT_BEARER: Scenario = Scenario {
    name: "jwt-bearer",
    title: "JWT bearer: a user named by the app",
    sentence: "A program signs that it acts for alice, and gets a token for alice without her being there.",
    about: &[
        "The grant of RFC 7523 §2.1: the assertion is the grant. The client signs a JWT with `sub` alice, and the provider issues alice's token, if its policy lets this client name this user.",
        "Nobody signed in for this token. The right is strong, so the configuration names each user.",
    ],
    look: &[
        Look(
            Request("POST /token grant_type=jwt-bearer"),
            "`assertion` is signed by the client and counts once.",
        ),
        Look(
            Check(span::GRANT),
            "Signature, `aud`, `jti`, and whether this client may name this user.",
        ),
        Look(
            Request("GET /whoami"),
            "`sub` is the user, `client_id` is `app1-machine`.",
        ),
        Look(
            Check(span::TOKEN_CHECK),
            "No `auth_time` and no `sid` in the token: there was no sign-in.",
        ),
    ],
    ways: &[
        Open {
            label: "app1 by JWT bearer",
            site: Site::App1,
            path: "/login?return_to=/&api1_credential=jwt_bearer",
            needs: Some(Need::Choice),
            then: "Press `GET /api1/whoami`.",
        },
        Command {
            label: "A nightly job for alice (the lab runs with --state-dir .state)",
            text: "echo '{\"item\":\"tea-pot\",\"quantity\":1}' | cargo run --release -- batch --client-id batch-jwt --state-dir .state --as alice{flags}{journey}",
            needs: None,
            then: IN_THE_JOURNEY,
        },
    ],
    see: &["machine-to-machine", "token-exchange-by-app"],
};

const EXCHANGE_BY_APP: Scenario = Scenario {
    name: "token-exchange-by-app",
    title: "The app as actor: token exchange by app1",
    sentence: "app1 exchanges the user's token before it calls: the API sees the user and the app that acts.",
    about: &[
        "Another way for a backend to get its credential: it exchanges the token that it holds since the login for one to the API. `act` then names the app, so the API can allow and log by actor.",
        "API-1 continues the chain: its own exchange for API-2 keeps app1 inside `act`.",
    ],
    look: &[
        Look(
            Request("POST /token grant_type=token-exchange"),
            "From app1 this time, with the user's own token as `subject_token`.",
        ),
        Look(
            Request("GET /whoami"),
            "`sub` is the user, `act.sub` is `app1`.",
        ),
        Look(
            Check(span::TOKEN_CHECK),
            "Open the token: `act` names the app.",
        ),
    ],
    ways: &[Open {
        label: "app1 by token exchange",
        site: Site::App1,
        path: "/login?return_to=/&api1_credential=token_exchange&api2_credential=token_exchange",
        needs: Some(Need::Choice),
        then: "Press `GET /api1/whoami`, then `GET /api1/report`.",
    }],
    see: &["token-exchange-http"],
};

const MTLS: Scenario = Scenario {
    name: "mtls",
    title: "Mutual TLS: the certificate as credential",
    sentence: "The client proves its key in the TLS handshake, and its token works on such a connection alone.",
    about: &[
        "RFC 8705 has two parts. The certificate authenticates the client at the provider, in place of a secret (§2). And the token names the certificate (`cnf`), so the API accepts it only from whoever holds the certificate's key (§3).",
    ],
    look: &[
        Look(
            Request("POST /token grant_type=client_credentials"),
            "At the provider's mTLS port: no secret and no assertion in the request.",
        ),
        Look(
            Check(span::CLIENT_AUTH),
            "`tls_client_auth`: the subject of the certificate is registered for `app1-mtls`.",
        ),
        Look(
            Request("GET /whoami"),
            "At API-1's mTLS port. The answer shows `cnf` with `x5t#S256`.",
        ),
        Look(
            Check(span::TOKEN_CHECK),
            "`sso.binding`: API-1 compares the connection's certificate with the token.",
        ),
    ],
    ways: &[
        Open {
            label: "app1 by its certificate",
            site: Site::App1,
            path: "/login?return_to=/&api1_credential=mtls",
            needs: Some(Need::Certificate),
            then: "Press `GET /api1/whoami`.",
        },
        Command {
            label: "A nightly job with a certificate (the lab runs with --state-dir .state)",
            text: "echo '{\"item\":\"tea-pot\",\"quantity\":1}' | cargo run --release -- batch --client-id batch-mtls --state-dir .state{flags}{journey}",
            needs: None,
            then: IN_THE_JOURNEY,
        },
    ],
    see: &["dpop", "internal-header"],
};

const API_KEY: Scenario = Scenario {
    name: "api-key",
    title: "API key",
    sentence: "A fixed secret names a program to API-1: no provider, no user, no end by itself.",
    about: &[
        "For programs without OAuth. The key is compared with a hash in API-1's file. It names a program, never a user, and works until its end or until it is revoked by hand.",
        "For stock at API-2 there is no user's token to exchange: API-1 gets a token of its own.",
    ],
    look: &[
        Look(
            Request("GET /resource"),
            "The header `X-API-Key` in place of an access token.",
        ),
        Look(
            Check(span::API_KEY_CHECK),
            "No token comes with the call, and no provider vouches for the caller.",
        ),
        Look(
            Request("GET /whoami"),
            "`sub` is null, `api_key` has the key's name.",
        ),
    ],
    ways: &[
        Open {
            label: "app1 by its API key",
            site: Site::App1,
            path: "/login?return_to=/&api1_credential=api_key",
            needs: Some(Need::ApiKey),
            then: "Press `GET /api1/data`, then `GET /api1/whoami`.",
        },
        Command {
            label: "A program with a key",
            text: "curl{headers} -H \"X-API-Key: $(cat api-key)\" {api-1}/whoami",
            needs: Some(Need::ApiKey),
            then: "The file `api-key` has the key with which this lab was started: run the command in the same folder, or write the path of the file.",
        },
    ],
    see: &["internal-header", "machine-to-machine"],
};

const INTERNAL_HEADER: Scenario = Scenario {
    name: "internal-header",
    title: "Internal header",
    sentence: "app1 tells API-1 in a header who the user is, and API-1 believes it because of app1's certificate.",
    about: &[
        "Between services of one owner, a peer can state the user: `X-Identity` on a connection with a trusted certificate. On every other connection API-1 removes the header.",
        "No token, no provider, and no list of users bounds what the peer may say. Whoever has its key can be any user.",
    ],
    look: &[
        Look(
            Request("GET /resource"),
            "At API-1's mTLS port, with the header `X-Identity`. No `Authorization`.",
        ),
        Look(
            Check(span::IDENTITY_CHECK),
            "`sso.stated_by` names the peer by its certificate.",
        ),
        Look(
            Store("Load session"),
            "The session at app1 decides who is stated, and whether the login goes on.",
        ),
    ],
    ways: &[
        Open {
            label: "app1 by an internal header",
            site: Site::App1,
            path: "/login?return_to=/&api1_credential=identity_header",
            needs: Some(Need::Certificate),
            then: "Press `GET /api1/data`, then `GET /api1/whoami`.",
        },
        Command {
            label: "Anybody else",
            text: "curl -i{headers} -H 'X-Identity: sub=u-7f3c1e0a52' {api-1}/resource",
            needs: None,
            then: "401: without such a certificate the header is removed.",
        },
    ],
    see: &["mtls", "api-key"],
};
