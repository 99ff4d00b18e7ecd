//! Attacks with a token.

use kit::telemetry::names::span;

use crate::{
    attacks::{
        attack::{Attack, Rule, Way},
        program::Program,
    },
    course::Section,
    scenarios::scenario::{
        Look,
        Mark::{Answer, Check, Request},
    },
};

pub(super) const SECTION: Section<Attack> = Section {
    title: "With a token, by a program",
    pages: &[
        STOLEN_REFRESH_TOKEN,
        ID_TOKEN_AT_API,
        WRONG_AUDIENCE,
        ALG_NONE,
    ],
};

const STOLEN_REFRESH_TOKEN: Attack = Attack {
    name: "stolen-refresh-token",
    title: "A stolen refresh token",
    does: "The attacker has a copy of alice's refresh token, which her single-page app has used since. He redeems it again, to get tokens as long as the grant lives.",
    takes: "One refresh token, by a script in the page or from a backup of the browser. The single-page app is a public client, so there is no secret that he lacks.",
    stopped_by: &[
        Rule(
            "Each refresh replaces the refresh token. One that is used again shows that two parties have it, so the whole grant ends.",
            "RFC 9700 §4.14.2",
        ),
        Rule(
            "Refresh tokens of public clients are replaced with each use, or bound to a key.",
            "RFC 9700 §2.2.2",
        ),
    ],
    look: &[
        Look(
            Request("POST /token grant_type=refresh_token"),
            "The attacker's brings a `refresh_token` that alice's app has brought before: compare the fingerprints.",
        ),
        Look(
            Check(span::GRANT),
            "With the defence on the provider sees that it was used before, refuses it and ends the grant: alice's own token ends with it.",
        ),
        Look(
            Answer("400 {error, error_description}"),
            "`invalid_grant`, and nothing else: the answer does not say why.",
        ),
    ],
    way: Way::Program(Program::StolenRefreshToken),
};

const ID_TOKEN_AT_API: Attack = Attack {
    name: "id-token-at-api",
    title: "An id_token at an API",
    does: "The attacker has an id_token of alice, which apps and logs treat with less care than an access token. He sends it to API-1 as if it were one.",
    takes: "An id_token of alice. It is a JWT of the same provider, with a good signature.",
    stopped_by: &[
        Rule(
            "An access token says `typ: at+jwt` in its header, and the API accepts no other type.",
            "RFC 9068 §4",
        ),
        Rule(
            "The audience of an id_token is the app, and not the API.",
            "OIDC Core §2",
        ),
    ],
    look: &[
        Look(
            Request("GET /whoami"),
            "Open it: `aud` is the client, and `typ` of the header is `JWT`.",
        ),
        Look(
            Check(span::TOKEN_CHECK),
            "With the defence on the API refuses the token by its type, before it looks at anything else.",
        ),
        Look(
            Answer("401 Unauthorized"),
            "`invalid_token` (RFC 6750 §3.1).",
        ),
    ],
    way: Way::Program(Program::IdTokenAtApi),
};

const WRONG_AUDIENCE: Attack = Attack {
    name: "wrong-audience",
    title: "A token for another API",
    does: "An access token of alice for API-1 leaks there, and the attacker sends it to API-2. Without an audience every API's leak would open every other one.",
    takes: "An access token of alice for API-1, from a log of that API. Its operator sees one with each call.",
    stopped_by: &[
        Rule(
            "Each access token names its audience, and an API accepts only its own.",
            "RFC 9068 §4",
        ),
        Rule(
            "The provider restricts each access token to one resource.",
            "RFC 9700 §2.3",
        ),
    ],
    look: &[
        Look(
            Request("GET /whoami"),
            "The attacker's call of API-2. Open it: `aud` of the token is `https://api-1`.",
        ),
        Look(
            Check(span::TOKEN_CHECK),
            "With the defence on API-2 compares `aud` with its own name, and refuses.",
        ),
        Look(
            Answer("401 Unauthorized"),
            "`invalid_token` (RFC 6750 §3.1).",
        ),
    ],
    way: Way::Program(Program::WrongAudience),
};

const ALG_NONE: Attack = Attack {
    name: "alg-none",
    title: "A token without a signature (alg: none)",
    does: "The attacker writes an access token that names alice, with `alg: none` in its header and an empty signature. An API that lets the token say how it is verified accepts it.",
    takes: "The `sub` of alice, which is no secret. No key and no stolen token.",
    stopped_by: &[
        Rule(
            "The API decides which algorithms it accepts, and `none` is not one of them.",
            "RFC 8725 §3.1",
        ),
        Rule(
            "An access token must be signed: `none` is not allowed.",
            "RFC 9068 §2.1",
        ),
    ],
    look: &[
        Look(
            Request("GET /whoami"),
            "Open it: the header of the token says `alg: none`.",
        ),
        Look(
            Check(span::TOKEN_CHECK),
            "With the defence on the API refuses the token by its algorithm.",
        ),
        Look(
            Answer("401 Unauthorized"),
            "`invalid_token` (RFC 6750 §3.1).",
        ),
    ],
    way: Way::Program(Program::AlgNone),
};
