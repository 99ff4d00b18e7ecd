//! Attacks on the login: its code, its provider, its session.

use kit::telemetry::names::span;

use crate::{
    attacks::{
        attack::{Attack, Rule, Way},
        program::Program,
    },
    course::Section,
    scenarios::scenario::{
        Look,
        Mark::{Check, Request},
    },
};

pub(super) const SECTION: Section<Attack> = Section {
    title: "On the login, by a program",
    pages: &[CODE_INJECTION, PKCE_DOWNGRADE, MIX_UP, SESSION_FIXATION],
};

const REDEEMED: &str = "POST /token grant_type=authorization_code";

const CODE_INJECTION: Attack = Attack {
    name: "code-injection",
    title: "A stolen code in a login of one's own",
    does: "The attacker has a code of alice, from a log or a proxy. He begins a login of his own at app1 and puts alice's code into its callback, so that app1 itself redeems it.",
    takes: "One authorization code that was not redeemed yet. No secret of the client: app1 authenticates for him.",
    stopped_by: &[
        Rule(
            "The provider compares the `code_verifier` with the `code_challenge` of the code: app1 sends the verifier of another login (PKCE).",
            "RFC 9700 §4.5.3.1",
        ),
        Rule(
            "The app compares `nonce` of the id_token with that of its login.",
            "OIDC Core §3.1.3.7",
        ),
    ],
    look: &[
        Look(
            Request("GET /callback"),
            "The attacker's browser: `state` is his own, the code is alice's.",
        ),
        Look(
            Check(span::GRANT),
            "With the defence on the provider refuses the code here: the verifier does not fit its challenge.",
        ),
        Look(
            Check(span::ID_TOKEN_CHECK),
            "With the defence off it passes too, because `nonce` is not compared. The attacker's browser is signed in as alice.",
        ),
    ],
    way: Way::Program(Program::CodeInjection),
};

const PKCE_DOWNGRADE: Attack = Attack {
    name: "pkce-downgrade",
    title: "PKCE taken away (downgrade)",
    does: "The attacker takes `code_challenge` out of alice's authorization request, so that her code is bound to no verifier. Then he injects the code into a login of his own.",
    takes: "A way to change a request in alice's browser, and to read its code.",
    stopped_by: &[
        Rule(
            "The provider refuses a `code_verifier` for a code that was requested without a `code_challenge`.",
            "RFC 9700 §4.8.2",
        ),
        Rule(
            "It requires a `code_challenge` of every client in the first place.",
            "RFC 9700 §2.1.1",
        ),
    ],
    look: &[
        Look(
            Request("GET /authorize"),
            "Alice's request has no `code_challenge`. With the defence on the provider refuses it.",
        ),
        Look(
            Check(span::AUTHORIZE_CHECK),
            "The check that requires it. Nothing has been issued so far.",
        ),
        Look(
            Request(REDEEMED),
            "With the defence off app1 sends a verifier, and the provider does not mind.",
        ),
    ],
    way: Way::Program(Program::PkceDowngrade),
};

const MIX_UP: Attack = Attack {
    name: "mix-up",
    title: "A code for another provider (mix-up)",
    does: "An app that knows two providers is made to take the answer of the honest one for that of the attacker's. It redeems alice's code at the attacker's token endpoint, which keeps it.",
    takes: "A provider of the attacker's own, which the app trusts for its own users.",
    stopped_by: &[
        Rule(
            "The provider names itself in every answer (`iss`), and the app accepts it only from the provider that it asked.",
            "RFC 9207 §2.4",
        ),
        Rule(
            "A client that uses several providers has to know whose answer it gets.",
            "RFC 9700 §4.4.2",
        ),
    ],
    look: &[
        Look(
            Request("GET /callback"),
            "`iss` is the honest provider, and the login was begun at the attacker's.",
        ),
        Look(
            Check(span::CALLBACK_CHECK),
            "With the defence on the answer ends here, and the code stays with app1.",
        ),
    ],
    way: Way::Program(Program::MixUp),
};

const SESSION_FIXATION: Attack = Attack {
    name: "session-fixation",
    title: "A session id from before the sign-in (fixation)",
    does: "The attacker puts a session cookie that he knows into alice's browser, before she signs in. If app1 keeps the id, he is signed in with her.",
    takes: "A way to set a cookie in alice's browser: a sibling site, a shared machine, a connection without TLS.",
    stopped_by: &[
        Rule(
            "Each sign-in makes a session under a new random id. The former one ends.",
            "RFC 6265 §8.4",
        ),
        Rule(
            "The cookie's name begins with `__Host-`, so that no sibling site can set it.",
            "RFC 6265bis §4.1.3.2",
        ),
    ],
    look: &[
        Look(
            Request("GET /login"),
            "Alice's browser brings a session cookie that the attacker chose. No such session exists so far.",
        ),
        Look(
            Check(span::SESSION_SAVE),
            "With the defence on the session gets an id of its own: open the answer, and compare the fingerprints of the cookie.",
        ),
        Look(
            Request("GET /session"),
            "The attacker asks who he is, by the id that he knows.",
        ),
    ],
    way: Way::Program(Program::SessionFixation),
};
