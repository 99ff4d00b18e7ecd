//! Sessions: where an app keeps them, and what that costs.

use kit::{config::Site, telemetry::names::span};

use crate::{
    course::Section,
    scenarios::scenario::{
        Look,
        Mark::{Check, Request, Store},
        Need, Scenario,
        Way::Open,
    },
};

pub(super) const SECTION: Section<Scenario> = Section {
    title: "Sessions",
    pages: &[SESSION_MODES, REFRESH_STORM],
};

/// The scenario whose page has the table of prices.
pub(in crate::scenarios) const PRICES: &str = "session-modes";

const SESSION_MODES: Scenario = Scenario {
    name: PRICES,
    title: "Four session modes and their price",
    sentence: "The same call in four modes: bytes of cookies, commands to the store, microseconds, and the time until a revocation counts.",
    about: &[
        "`stateful`: the cookie has a random id, and each call reads the session from the store. `cached`: the same, with a copy in the process that the store invalidates. `hybrid`: access tokens are in cookies, the refresh token is in the store. `stateless`: all of it is in cookies.",
        "Begin a session in one mode, press `GET /api1/data` on app1's page twice, then take the next mode. The table below takes its figures from the latest call in each mode.",
    ],
    look: &[
        Look(
            Check(span::SESSION_LOAD),
            "Its attribute `sso.session_mode` names the mode of the call.",
        ),
        Look(
            Store("Load session"),
            "Below the check in `stateful`; absent in a call in `hybrid` and `stateless`, and in `cached` on Redis, as long as nothing has changed.",
        ),
        Look(
            Request("GET /api1/data"),
            "Open the arrow: the cookies by name and size. A random id has 43 bytes, an access token ten times as much.",
        ),
        Look(
            Check(span::ACCESS_TOKEN),
            "`sso.token_source` says whether the token was in the session or had to be renewed.",
        ),
    ],
    ways: &[
        Open {
            label: "stateful",
            site: Site::App1,
            path: "/login?return_to=/&mode=stateful",
            needs: Some(Need::Choice),
            then: "Press `GET /api1/data` on app1's page.",
        },
        Open {
            label: "cached",
            site: Site::App1,
            path: "/login?return_to=/&mode=cached",
            needs: Some(Need::Choice),
            then: "The first call reads the store, the second one does not, where the store is Redis. The store in memory announces no changes, so each call reads it.",
        },
        Open {
            label: "hybrid",
            site: Site::App1,
            path: "/login?return_to=/&mode=hybrid",
            needs: Some(Need::Choice),
            then: "The access token is in a cookie of the path `/api1`.",
        },
        Open {
            label: "stateless",
            site: Site::App1,
            path: "/login?return_to=/&mode=stateless",
            needs: Some(Need::Choice),
            then: "The refresh token is in a cookie too, sealed.",
        },
    ],
    see: &["revocation-at-once", "revocation-token-life"],
};

const REFRESH_STORM: Scenario = Scenario {
    name: "refresh-storm",
    title: "Refresh storm: ten calls, one redeem",
    sentence: "Ten calls at once find no access token: one of them redeems the refresh token, and nine wait for it.",
    about: &[
        "app1's refresh token rotates: each use gives a new one, and the use of an old one ends the login, because it looks like theft. Ten calls that each redeem the same token would do just that.",
        "So app1 redeems once. In one process, the others wait for the result; across replicas, a lease in the store lets one replica redeem, and the others read what it saved.",
        "After a login app1 holds a token for API-1 alone. The first calls to API-2 are such a storm.",
    ],
    look: &[
        Look(
            Request("GET /api2/data"),
            "Ten requests of the browser, nearly at the same time.",
        ),
        Look(
            Request("POST /token grant_type=refresh_token"),
            "Once. Its answer has the access token for `https://api-2` and the next refresh token.",
        ),
        Look(
            Store("Update session"),
            "The new tokens are saved under a lease, by compare-and-swap. The other calls load them.",
        ),
        Look(
            Check(span::ACCESS_TOKEN),
            "In ten calls: `sso.token_source` is a renewal in one of them, and the nine others wait for it.",
        ),
        Look(
            Request("gRPC Inventory/List"),
            "Ten calls of API-2, all with the one new access token: compare the fingerprints.",
        ),
    ],
    ways: &[
        Open {
            label: "First: a new login at app1",
            site: Site::App1,
            path: "/login?return_to=/&prompt=login",
            needs: None,
            then: "The new session has no token for API-2.",
        },
        Open {
            label: "Then: ten calls at once",
            site: Site::App1,
            path: "/login?return_to=/",
            needs: None,
            then: "Under `List the stock`, press `Ten at once`, before any other call to API-2.",
        },
    ],
    see: &["two-audiences"],
};
