//! Attacks by a script in an app's page.

use kit::telemetry::names::span;

use crate::{
    attacks::attack::{Attack, InBrowser, Opens, Rule, Session, Sign, Watch, Way},
    course::Section,
    scenarios::scenario::{
        Look,
        Mark::{Answer, Check, Request},
    },
};

pub(super) const SECTION: Section<Attack> = Section {
    title: "By a script in the app's page",
    pages: &[XSS_APP1, XSS_SPA],
};

const ESCAPED: Rule = Rule(
    "The page escapes what it shows, so a parameter stays text.",
    "RFC 9449 §11.4",
);
const POLICY: Rule = Rule(
    "Its policy forbids inline scripts (`Content-Security-Policy: script-src 'self'`), so a hole in the first defence does not run anything.",
    "RFC 9449 §11.4",
);

const XSS_APP1: Attack = Attack {
    name: "xss-app1",
    title: "A script in the page of app1 (XSS)",
    does: "The attacker's link carries a script in a parameter, and app1's page shows it without escaping. The script then calls everything that app1 answers, with your session, and looks for tokens.",
    takes: "A hole in a page of app1, and a click on a link of app1.",
    stopped_by: &[
        ESCAPED,
        POLICY,
        Rule(
            "Even a script that runs finds no token: all of them are in the backend, and the cookie is HttpOnly.",
            "RFC 6265bis §4.1.2.6",
        ),
    ],
    look: &[
        Look(
            Answer("200 OK"),
            "The page with the parameter `note`. With the defence on it contains the script as text.",
        ),
        Look(
            Request("GET /session"),
            "Only with the defence off: the script asks app1 who you are. Your session answers, and none of the answers has a token.",
        ),
        Look(
            Request("GET /api1/data"),
            "Only with the defence off: the script acts as you as long as the page is open. That is what a BFF cannot prevent.",
        ),
    ],
    way: Way::Browser(InBrowser {
        slug: "script",
        opens: Opens::Attack("1"),
        session: Session::Any,
        watch: Watch {
            attacker: Some(("evil", "GET /script")),
            signs: &[Sign {
                service: "app1-bff",
                name: "GET /openapi.json",
                refused: None,
                succeeded: true,
                says: "The script ran in app1's page, called its addresses and read the answers. It found no token.",
            }],
            silence: Some(
                "The script did not run: the page shows it as text, and its policy forbids inline scripts.",
            ),
            blocked: None,
        },
        partly: None,
        then: "Sign in as alice, if the provider asks. Then the attacker's page opens, and clicks its link to app1. A red note there says what the script has found.",
    }),
};

const XSS_SPA: Attack = Attack {
    name: "xss-spa",
    title: "The same script in the single-page app (XSS)",
    does: "The same script runs in the page of the single-page app, which holds its tokens itself. It waits for the next call, and reads the access token from it.",
    takes: "A hole in the page, and a link that is opened in the tab of the app.",
    stopped_by: &[
        ESCAPED,
        POLICY,
        Rule(
            "The access token is bound to a key that no script can read (DPoP): taken to another machine it is worth nothing. In the page the script can go on to use both.",
            "RFC 9449 §2",
        ),
    ],
    look: &[
        Look(
            Request("GET /authorize"),
            "The sign-in of the single-page app, as always. The attacker's link changes what follows `#` in the address, which no browser sends to a server.",
        ),
        Look(
            Check(span::PAGE_NOTE),
            "With the defence on: the page itself reports that it shows the link's text, and the script stays text.",
        ),
        Look(
            Request("GET /resource"),
            "With the defence off the red note above the page counts what the script finds after this call: the access token, and the proofs that go with it.",
        ),
    ],
    way: Way::Browser(InBrowser {
        slug: "script",
        opens: Opens::Spa,
        session: Session::None,
        watch: Watch {
            attacker: None,
            signs: &[
                Sign {
                    service: "spa",
                    name: "GET unmatched",
                    refused: None,
                    succeeded: true,
                    says: "The script runs in the page of the single-page app: it searches the app's addresses. Press a button there that calls the API, and it finds the token.",
                },
                Sign {
                    service: "spa",
                    name: span::PAGE_NOTE,
                    refused: None,
                    succeeded: false,
                    says: "The single-page app shows the attacker's script as text. Nothing of it runs.",
                },
            ],
            silence: None,
            blocked: None,
        },
        partly: None,
        then: "Press `Sign in` there. Then open the attacker's link, which is below, in that tab: copy it, and paste it into its address bar. Press `GET /resource`, and read the red note.",
    }),
};
