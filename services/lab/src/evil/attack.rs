//! The attacks: what each does, its payload, and what stops it. Texts are here; markup is
//! in `payload`.

use kit::config::Weakness;

use super::payload::Payload;

/// An attack on a person who is signed in elsewhere.
#[derive(Debug)]
pub(super) struct Attack {
    /// Its path, without the slash.
    pub(super) slug: &'static str,
    /// Its title.
    pub(super) title: &'static str,
    /// What it does, in two sentences.
    pub(super) does: &'static str,
    /// The defences that stop it.
    pub(super) stopped_by: &'static str,
    /// The defences without which it succeeds.
    pub(super) needs: &'static [Weakness],
    /// Its payload.
    pub(super) payload: Payload,
    /// The name of its page at the lab, where it is run for one journey.
    pub(super) at_lab: Option<&'static str>,
    /// The text of each outcome, by name.
    pub(super) outcomes: &'static [(&'static str, &'static str)],
}

/// All of them, in the order of the start page.
pub(super) static ALL: [Attack; 8] = [
    Attack {
        slug: "image",
        title: "An order by image",
        does: "This page contains an image whose address places an order at app1. Your browser fetches it like any other image, without asking you.",
        stopped_by: "No GET request changes anything at app1. Browsers send no SameSite=Lax cookie with an image from another site, and app1 refuses requests that Sec-Fetch-Site marks as cross-site.",
        needs: &[
            Weakness::SameSiteNone,
            Weakness::NoOriginCheck,
            Weakness::GetOrders,
        ],
        payload: Payload::Image,
        at_lab: Some("csrf-image"),
        outcomes: &[(
            "over",
            "The browser has fetched the address, and the response is not an image. This page cannot see whether app1 accepted the order: check your orders there.",
        )],
    },
    Attack {
        slug: "form",
        title: "An order by form",
        does: "A form on this page posts an order to app1, into an invisible frame. It needs no click.",
        stopped_by: "Browsers send no SameSite=Lax cookie with a cross-site POST, so app1 sees no session. Even with the cookie, app1 requires its own Origin and the token of its own form.",
        needs: &[
            Weakness::SameSiteNone,
            Weakness::NoOriginCheck,
            Weakness::NoCsrfProof,
        ],
        payload: Payload::FramedForm,
        at_lab: Some("csrf-form"),
        outcomes: &[(
            "over",
            "The form was sent. The response is in a frame of app1, which this page cannot read: check your orders there.",
        )],
    },
    Attack {
        slug: "young-cookie",
        title: "A form within two minutes of the sign-in",
        does: "Chromium sends a cookie without a SameSite attribute with a cross-site POST for two minutes after it was set. This form comes right after your sign-in.",
        stopped_by: "Every cookie has an explicit SameSite=Lax attribute, which has no such exception.",
        needs: &[
            Weakness::SameSiteUnset,
            Weakness::NoOriginCheck,
            Weakness::NoCsrfProof,
        ],
        payload: Payload::Form,
        at_lab: None,
        outcomes: &[(
            "over",
            "The form was sent, and your browser shows the response of app1. This page cannot read it.",
        )],
    },
    Attack {
        slug: "fetch",
        title: "A script that reads your orders",
        does: "A script on this page requests your orders from app1, with your cookie, and tries to read the response. Then it places an order, with the header X-CSRF: 1.",
        stopped_by: "app1 sends no CORS headers. So the browser withholds the response from this page, and the preflight for the X-CSRF header fails.",
        needs: &[
            Weakness::SameSiteNone,
            Weakness::NoOriginCheck,
            Weakness::CorsAnyOrigin,
        ],
        payload: Payload::Fetch,
        at_lab: None,
        outcomes: &[
            ("read", "app1 allowed this page to read:"),
            ("refused", "The browser gave this page no response of app1."),
        ],
    },
    Attack {
        slug: "login",
        title: "Signed in as somebody else",
        does: "The attacker has signed in with their own account and kept the callback URL. Your browser opens it, and from then on your orders are placed in the attacker's account.",
        stopped_by: "A cookie binds each login to the browser that began it. A callback from another browser is refused.",
        needs: &[Weakness::LoginUnbound],
        payload: Payload::Callback,
        at_lab: Some("login-csrf"),
        outcomes: &[("over", "Your browser opens the attacker's callback URL.")],
    },
    Attack {
        slug: "click",
        title: "A click on a hidden page",
        does: "Under the button is the provider's consent page, in an invisible frame. Your click on the prize allows the attacker's app to act for you.",
        stopped_by: "The provider's pages forbid framing (frame-ancestors 'none', X-Frame-Options). Browsers also send no SameSite=Lax cookie into a frame of another site, so the provider sees no session.",
        needs: &[Weakness::SameSiteNone, Weakness::Framable],
        payload: Payload::Frame,
        at_lab: None,
        outcomes: &[
            ("laid", "The trap is set. Click the button for the prize."),
            (
                "taken",
                "Your click went into the frame. If the provider allowed framing, the attacker's app now has a code for your account.",
            ),
        ],
    },
    Attack {
        slug: "return-to",
        title: "Redirected after sign-in",
        does: "Each link is a genuine link of app1 with a genuine sign-in. Afterwards it redirects to this site, which could ask for your password again.",
        stopped_by: "return_to must be a path of app1 that no browser interprets as another host. Anything else is refused before the sign-in begins.",
        needs: &[Weakness::OpenReturnTo],
        payload: Payload::Links,
        at_lab: Some("open-redirect"),
        outcomes: &[("over", "Your browser follows the link.")],
    },
    Attack {
        slug: "script",
        title: "A script in another site's page",
        does: "The address contains a script, and the page shows it without escaping. The script looks for tokens and cookies wherever a script can look.",
        stopped_by: "The pages escape what they show, and their policy forbids inline scripts. In app1 even a script that runs finds no token: none is in the browser. In the SPA it only has to wait for the next call.",
        needs: &[Weakness::ReflectedHtml],
        payload: Payload::Injected,
        at_lab: Some("xss-app1"),
        outcomes: &[("over", "Your browser follows the link.")],
    },
];
