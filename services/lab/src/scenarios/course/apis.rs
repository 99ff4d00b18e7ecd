//! Tokens for APIs: audiences, exchange, opaque and bound tokens.

use kit::{config::Site, telemetry::names::span};

use crate::{
    course::Section,
    scenarios::scenario::{
        Look,
        Mark::{Answer, Check, Request},
        Need, Scenario,
        Way::{Command, Open},
    },
};

pub(super) const SECTION: Section<Scenario> = Section {
    title: "Tokens for APIs",
    pages: &[
        TWO_AUDIENCES,
        EXCHANGE_BY_HTTP,
        EXCHANGE_BY_GRPC,
        OPAQUE_TOKENS,
        DPOP,
    ],
};

const TWO_AUDIENCES: Scenario = Scenario {
    name: "two-audiences",
    title: "Two audiences, one refresh token",
    sentence: "One refresh token gets an access token for each API, and no token is good at both.",
    about: &[
        "An access token names one audience. If API-1 could use its caller's token at API-2, each API would be as dangerous as the weakest of them.",
        "The refresh token covers both audiences. app1 names one by `resource` (RFC 8707) when it redeems it, and gets a token for this API alone.",
    ],
    look: &[
        Look(
            Check(span::ACCESS_TOKEN),
            "The app looks for a token of this audience in the session first. `sso.audience` names it.",
        ),
        Look(
            Request("POST /token grant_type=refresh_token"),
            "`resource=https://api-2` names the API. The refresh token's fingerprint in the answer differs: it rotates.",
        ),
        Look(
            Request("GET /resource"),
            "API-1 gets the token with `aud` `https://api-1`.",
        ),
        Look(
            Request("gRPC Inventory/List"),
            "API-2 gets the other token, over gRPC.",
        ),
        Look(
            Check(span::TOKEN_CHECK),
            "Each API checks `aud`. Open it to compare the claims.",
        ),
    ],
    ways: &[Open {
        label: "A new login at app1",
        site: Site::App1,
        path: "/login?return_to=/&prompt=login",
        needs: None,
        then: "The session then has a token for API-1 alone. Press `GET /api1/data`, then `GET /api2/data`. Press them again: no token is requested.",
    }],
    see: &["token-exchange-http", "refresh-storm"],
};

const EXCHANGE_BY_HTTP: Scenario = Scenario {
    name: "token-exchange-http",
    title: "Token exchange over HTTP",
    sentence: "API-1 needs API-2 for a report: it exchanges the user's token for one to API-2, and names itself as actor.",
    about: &[
        "API-1 cannot pass the user's token on: its audience is API-1. It sends it to the provider as `subject_token` and gets one for API-2 (RFC 8693).",
        "The new token still says whom it is about (`sub`), and who acts (`act`). API-2 can tell the user from the service in between.",
    ],
    look: &[
        Look(
            Request("GET /api1/report"),
            "The browser sends its session cookie and nothing else.",
        ),
        Look(
            Request("POST /token grant_type=token-exchange"),
            "From API-1 to the provider: `subject_token` is the user's token. API-1 authenticates as a client of its own.",
        ),
        Look(
            Answer("200 {access_token, …}"),
            "Open it: the claims before and after stand side by side. `aud` and `scope` change, `act` is new, `sub` stays.",
        ),
        Look(
            Check(span::TOKEN_CHECK),
            "API-2 checks the exchanged token as any other.",
        ),
    ],
    ways: &[Open {
        label: "Open app1",
        site: Site::App1,
        path: "/login?return_to=/",
        needs: None,
        then: "Press `GET /api1/report`.",
    }],
    see: &["token-exchange-grpc", "token-exchange-by-app"],
};

const EXCHANGE_BY_GRPC: Scenario = Scenario {
    name: "token-exchange-grpc",
    title: "Token exchange over gRPC",
    sentence: "An order reserves stock: the same exchange as for the report, with gRPC to the provider and to API-2.",
    about: &[
        "The provider offers the exchange of RFC 8693 as a gRPC method too, with the same rules: the messages have the members of the HTTP request.",
        "The policy maps the right to write at API-1 to reading and writing at API-2, so that an order can reserve stock.",
    ],
    look: &[
        Look(
            Request("POST /api1/data"),
            "An order. Unsafe methods need `X-CSRF: 1`, which no other site can send.",
        ),
        Look(
            Request("gRPC TokenExchange/Exchange"),
            "The same exchange as `POST /token`, over another transport.",
        ),
        Look(
            Request("gRPC Inventory/Reserve"),
            "API-1 calls API-2 with the new token in the metadata.",
        ),
        Look(
            Check(span::TOKEN_CHECK),
            "`act` names `api-1`, `sub` is still the user.",
        ),
    ],
    ways: &[Open {
        label: "Open app1",
        site: Site::App1,
        path: "/login?return_to=/",
        needs: None,
        then: "Under `Place an order`, press `POST /api1/data`.",
    }],
    see: &["token-exchange-http"],
};

const OPAQUE_TOKENS: Scenario = Scenario {
    name: "opaque-tokens",
    title: "Opaque token and introspection",
    sentence: "A token without content: API-2 asks the provider what it means, and a revocation counts at the next question.",
    about: &[
        "A JWT says what it allows, and an API believes it until it expires. An opaque token is a random text. The API sends it to the provider (RFC 7662) and acts on the answer.",
        "That costs a request, which a short cache spares most calls. In return a revoked token stops within the cache's seconds.",
    ],
    look: &[
        Look(
            Request("GET /api2/data"),
            "For the browser nothing differs.",
        ),
        Look(
            Request("POST /introspect"),
            "API-2 authenticates as a client and presents the token.",
        ),
        Look(
            Check(span::INTROSPECTION),
            "The provider looks the token up, with what user and client may do now.",
        ),
        Look(
            Check(span::TOKEN_CHECK),
            "Press the button again within five seconds: `sso.cache_hit`, and no question.",
        ),
    ],
    ways: &[
        Open {
            label: "Open app1",
            site: Site::App1,
            path: "/login?return_to=/",
            needs: Some(Need::OpaqueTokens),
            then: "Press `GET /api2/data`.",
        },
        Command {
            label: "Ask about a token in a terminal",
            text: "TOKEN=$(curl -s{headers} -u batch:batch-secret -d grant_type=client_credentials -d resource=https://api-2 {idp}/token | jq -r .access_token)\n\
                   curl -s{headers} -u api-2:api-2-secret -d token=$TOKEN {idp}/introspect",
            needs: None,
            then: "Works with JWTs too.",
        },
    ],
    see: &["id-token-and-access-token", "revocation-token-life"],
};

const DPOP: Scenario = Scenario {
    name: "dpop",
    title: "A token that is bound to a key: DPoP",
    sentence: "The single-page app proves with each request that it holds a key; a copy of its token is of no use elsewhere.",
    about: &[
        "A bearer token is good for whoever has it. The page makes a key that no script can export, and signs a proof for each request (RFC 9449). The provider writes the key's thumbprint into the token (`cnf`).",
        "The proof names method and URL of this one request, and counts once.",
    ],
    look: &[
        Look(
            Check(span::PAGE_KEY),
            "Up to here nothing differs from a login with bearer tokens.",
        ),
        Look(
            Request("POST /token grant_type=authorization_code"),
            "The header `DPoP` is the proof, made with the provider's nonce. `token_type` in the answer is `DPoP`.",
        ),
        Look(
            Request("GET /resource"),
            "A new proof goes with it, which has a hash of the token. API-1 compares the proof's key with `cnf` in the token.",
        ),
        Look(
            Request("POST /token grant_type=refresh_token"),
            "The refresh token of a public client is bound to the key too.",
        ),
    ],
    ways: &[Open {
        label: "Open the single-page app",
        site: Site::Spa,
        path: "/",
        needs: None,
        then: "Press `Sign in`, then `GET /resource` and `Refresh`.",
    }],
    see: &["spa-login", "mtls"],
};
