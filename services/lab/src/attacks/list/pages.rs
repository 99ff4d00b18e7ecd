//! Attacks by another site's page.

use kit::{config::Weakness, telemetry::names::span};

use crate::{
    attacks::attack::{Attack, InBrowser, Opens, Rule, Session, Sign, Watch, Way},
    course::Section,
    scenarios::scenario::{
        Look,
        Mark::{Answer, Check, Request},
    },
};

pub(super) const SECTION: Section<Attack> = Section {
    title: "By another site's page",
    pages: &[CSRF_IMAGE, CSRF_FORM, LOGIN_CSRF, OPEN_REDIRECT],
};

const COOKIE: Rule = Rule(
    "The session's cookie says `SameSite=Lax`: browsers do not send it with a request that another site's page causes, except when it opens a page.",
    "RFC 6265bis §8.8",
);
const ORIGIN: Rule = Rule(
    "app1 looks at `Sec-Fetch-Site` and `Origin`, which no page can forge, and refuses what another site sent.",
    "RFC 6265bis §8.8.1",
);

const CSRF_IMAGE: Attack = Attack {
    name: "csrf-image",
    title: "An order by picture (CSRF)",
    does: "The attacker's page contains a picture whose address places an order at app1. Your browser fetches it like any picture, with your cookie, and asks nobody.",
    takes: "A page that you open while you are signed in to app1. The attacker sees neither your cookie nor the answer.",
    stopped_by: &[
        COOKIE,
        ORIGIN,
        Rule(
            "No GET of app1 changes anything, so there is no such address.",
            "RFC 9110 §9.2.1",
        ),
    ],
    look: &[
        Look(
            Request("GET /api1/order"),
            "With the defence off: the attacker's page is open, and app1 gets the session's cookie all the same. The order goes on to API-1.",
        ),
        Look(
            Check(span::FORGERY_CHECK),
            "With the cookie alone weakened: the cookie arrives, and app1 refuses the request because of where it comes from.",
        ),
        Look(
            Answer("403 Forbidden"),
            "The answer to it. With the defence on there is no such arrow: without cookies the request belongs to no session and to no journey.",
        ),
    ],
    way: Way::Browser(InBrowser {
        slug: "image",
        opens: Opens::Attack("1"),
        session: Session::New,
        watch: Watch {
            attacker: Some(("evil", "GET /image")),
            signs: &[
                Sign {
                    service: "app1-bff",
                    name: "GET /api1/order",
                    refused: Some(false),
                    succeeded: true,
                    says: "app1 accepted the picture's request: there is an order that you did not place.",
                },
                Sign {
                    service: "app1-bff",
                    name: "GET /api1/order",
                    refused: Some(true),
                    succeeded: false,
                    says: "The cookie arrived, and app1 refused the request: it came from another site.",
                },
            ],
            silence: Some(
                "The browser sent no cookie of app1 with the picture (SameSite=Lax). So app1 saw no session, and the request is not part of your journey.",
            ),
            blocked: Some(
                "Your browser blocks third-party cookies: it sent no cookie of app1 with the picture, although the cookie says SameSite=None. Allow them for the attacker's site, and run it again.",
            ),
        },
        partly: Some((
            "Run with the cookie alone weakened",
            &[Weakness::SameSiteNone],
        )),
        then: "app1 signs you in again, so that its cookie is set as the run needs it: as alice, if the provider asks. Then the attacker's page opens. Compare the orders at app1 before and after.",
    }),
};

const CSRF_FORM: Attack = Attack {
    name: "csrf-form",
    title: "An order by form (CSRF)",
    does: "A form on the attacker's page posts an order to app1, into an invisible frame. It needs no click, because a script submits it.",
    takes: "A page that you open while you are signed in to app1, and the names of the form's fields, which everybody can read.",
    stopped_by: &[
        COOKIE,
        ORIGIN,
        Rule(
            "An unsafe request needs the header `X-CSRF`, which another site's page cannot set without a preflight, or the token of app1's own form.",
            "RFC 9110 §9.2.1",
        ),
    ],
    look: &[
        Look(
            Request("POST /api1/data"),
            "With the defence off: the session's cookie goes with the form of another site. The order goes on to API-1.",
        ),
        Look(
            Check(span::FORGERY_CHECK),
            "With the cookie alone weakened: app1 refuses the form because of where it comes from.",
        ),
        Look(
            Answer("403 Forbidden"),
            "The answer to it. With the defence on there is no such arrow: without cookies the request belongs to no session and to no journey.",
        ),
    ],
    way: Way::Browser(InBrowser {
        slug: "form",
        opens: Opens::Attack("1"),
        session: Session::New,
        watch: Watch {
            attacker: Some(("evil", "GET /form")),
            signs: &[
                Sign {
                    service: "app1-bff",
                    name: "POST /api1/data",
                    refused: Some(false),
                    succeeded: true,
                    says: "app1 accepted the attacker's form: there is an order that you did not place.",
                },
                Sign {
                    service: "app1-bff",
                    name: "POST /api1/data",
                    refused: Some(true),
                    succeeded: false,
                    says: "The cookie arrived, and app1 refused the form: it came from another site.",
                },
            ],
            silence: Some(
                "The browser sent no cookie of app1 with the form (SameSite=Lax). So app1 saw no session, and the request is not part of your journey.",
            ),
            blocked: Some(
                "Your browser blocks third-party cookies: it sent no cookie of app1 with the form, although the cookie says SameSite=None. Allow them for the attacker's site, and run it again.",
            ),
        },
        partly: Some((
            "Run with the cookie alone weakened",
            &[Weakness::SameSiteNone],
        )),
        then: "app1 signs you in again, so that its cookie is set as the run needs it: as alice, if the provider asks. Then the attacker's page opens. Compare the orders at app1 before and after.",
    }),
};

const LOGIN_CSRF: Attack = Attack {
    name: "login-csrf",
    title: "Signed in as somebody else (login CSRF)",
    does: "The attacker, bob, begins a login at app1 and keeps its last step, the callback URL with his own code and state. Your browser opens it, and from then on your orders are placed in bob's account.",
    takes: "An account of their own, and a link or redirect that you follow within the minute that a code is valid.",
    stopped_by: &[
        Rule(
            "A cookie binds each login to the browser that began it. A callback whose `state` belongs to no cookie of this browser is refused.",
            "RFC 9700 §4.7.1",
        ),
        Rule(
            "The client must protect its redirect URI against CSRF, usually by `state`.",
            "RFC 6749 §10.12",
        ),
    ],
    look: &[
        Look(
            Request("GET /callback"),
            "The last one, after the attacker's page. Open it: no cookie of a login goes with it.",
        ),
        Look(
            Check(span::CALLBACK_CHECK),
            "With the defence off it passes, and the code is redeemed. With the defence on its outcome is `foreign`, and the code stays unused.",
        ),
        Look(
            Request("POST /token grant_type=authorization_code"),
            "Only with the defence off: app1 redeems bob's code for your browser.",
        ),
    ],
    way: Way::Browser(InBrowser {
        slug: "login",
        opens: Opens::Callback,
        session: Session::Any,
        watch: Watch {
            attacker: Some(("evil", "GET /login")),
            signs: &[
                Sign {
                    service: "app1-bff",
                    name: "GET /callback",
                    refused: Some(false),
                    succeeded: true,
                    says: "app1 accepted the attacker's callback: your browser is now signed in as bob.",
                },
                Sign {
                    service: "app1-bff",
                    name: "GET /callback",
                    refused: Some(true),
                    succeeded: false,
                    says: "app1 refused the callback: another browser began that login. You are who you were.",
                },
            ],
            silence: None,
            blocked: None,
        },
        partly: None,
        then: "Sign in as alice, if the provider asks. Then a program signs in as bob, and the attacker's page opens with the callback URL that it kept.",
    }),
};

const OPEN_REDIRECT: Attack = Attack {
    name: "open-redirect",
    title: "A genuine sign-in that ends elsewhere (open redirect)",
    does: "The link is one of app1, and so is the sign-in. Afterwards it redirects your browser to the attacker's site, which could show a copy of the provider's form.",
    takes: "A link that you click. Everything that you can check in it, host and path, is genuine.",
    stopped_by: &[
        Rule(
            "`return_to` has to be a path of app1 that no browser reads as another host. All else is refused before the sign-in begins.",
            "RFC 9700 §4.11.1",
        ),
        Rule(
            "A client must not be an open redirector.",
            "RFC 6749 §10.15",
        ),
    ],
    look: &[
        Look(
            Request("GET /login"),
            "The last one: it has the attacker's address in `return_to`.",
        ),
        Look(
            Check(span::LOGIN_CHECK),
            "With the defence on app1 refuses it here, and the provider is not even asked.",
        ),
        Look(
            Answer("302 /landed"),
            "With the defence off `Location` is the attacker's site: see the arrow to the attacker that follows.",
        ),
    ],
    way: Way::Browser(InBrowser {
        slug: "return-to",
        opens: Opens::Attack("1"),
        session: Session::Any,
        watch: Watch {
            attacker: Some(("evil", "GET /return-to")),
            signs: &[
                Sign {
                    service: "evil",
                    name: "GET /landed",
                    refused: None,
                    succeeded: true,
                    says: "app1 redirected your browser to the attacker's site.",
                },
                Sign {
                    service: "app1-bff",
                    name: "GET /login",
                    refused: Some(true),
                    succeeded: false,
                    says: "app1 refused the login: return_to leads to another site.",
                },
            ],
            silence: None,
            blocked: None,
        },
        partly: None,
        then: "Sign in as alice, if the provider asks. Then the attacker's page opens, and clicks its first link.",
    }),
};
