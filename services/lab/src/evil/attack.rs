//! The attacks: what each does, what it is fired with, what stops it. The words
//! for a class are here; how a weapon looks is in `weapon`.

use kit::config::Weakness;

use super::weapon::Weapon;

/// An attack on a person who is signed in elsewhere.
#[derive(Debug)]
pub(super) struct Attack {
    /// Its path, without the slash.
    pub(super) slug: &'static str,
    /// What it is called.
    pub(super) title: &'static str,
    /// What it does, in two sentences.
    pub(super) does: &'static str,
    /// What stands in its way.
    pub(super) stopped_by: &'static str,
    /// The defences without which it succeeds.
    pub(super) needs: &'static [Weakness],
    /// What it is fired with.
    pub(super) weapon: Weapon,
    /// What the page says when the browser is done, by the name of the outcome.
    pub(super) outcomes: &'static [(&'static str, &'static str)],
}

/// All of them, in the order of the start page.
pub(super) static ALL: [Attack; 8] = [
    Attack {
        slug: "image",
        title: "An order by picture",
        does: "This page shows a picture whose address is an order at app1. Your browser fetches it as it fetches every picture, and asks nobody.",
        stopped_by: "No GET of app1 changes anything. Nor does a Lax cookie travel with a picture, and app1 refuses what Sec-Fetch-Site calls cross-site.",
        needs: &[
            Weakness::SameSiteNone,
            Weakness::NoOriginCheck,
            Weakness::GetOrders,
        ],
        weapon: Weapon::Image,
        outcomes: &[(
            "over",
            "The browser has fetched it, and what came back is no picture. Whether app1 took the order, this page cannot see: look at your orders there.",
        )],
    },
    Attack {
        slug: "form",
        title: "An order by form",
        does: "A form of this page posts an order to app1, into a frame that nobody sees. It needs no click.",
        stopped_by: "A Lax cookie does not travel with a cross-site POST. Without it app1 knows nobody, and with it app1 would still ask for its own Origin and for the token of its own form.",
        needs: &[
            Weakness::SameSiteNone,
            Weakness::NoOriginCheck,
            Weakness::NoCsrfProof,
        ],
        weapon: Weapon::FramedForm,
        outcomes: &[(
            "over",
            "The form is sent. The answer is in a frame of app1, which this page cannot read: look at your orders there.",
        )],
    },
    Attack {
        slug: "young-cookie",
        title: "A form in a cookie's first two minutes",
        does: "Chromium sends a cookie that names no SameSite with a cross-site POST, but only for two minutes after it was set. This form comes right after your login.",
        stopped_by: "Every cookie here writes SameSite=Lax out: then the two minutes do not exist.",
        needs: &[
            Weakness::SameSiteUnset,
            Weakness::NoOriginCheck,
            Weakness::NoCsrfProof,
        ],
        weapon: Weapon::Form,
        outcomes: &[(
            "over",
            "The form is on its way, and your browser goes with it. What app1 answers, it shows to you and not to this page.",
        )],
    },
    Attack {
        slug: "fetch",
        title: "A script that reads your orders",
        does: "A script of this page asks app1 for your orders, with your cookie, and wants to read the answer. Then it places one, with the header X-CSRF: 1.",
        stopped_by: "app1 answers no other origin's preflight and allows nobody to read: without CORS headers the browser keeps the answer, and the X-CSRF header, from this page.",
        needs: &[
            Weakness::SameSiteNone,
            Weakness::NoOriginCheck,
            Weakness::CorsAnyOrigin,
        ],
        weapon: Weapon::Fetch,
        outcomes: &[
            ("read", "app1 let this page read:"),
            (
                "refused",
                "app1 answered nothing that is of use to this page.",
            ),
        ],
    },
    Attack {
        slug: "login",
        title: "Signed in as somebody else",
        does: "The attacker has signed in as himself and kept the address that leads back to the app. Your browser opens it, and whatever you order from then on is in his account.",
        stopped_by: "A cookie binds each login to the browser that began it. Another browser's callback ends nothing.",
        needs: &[Weakness::LoginUnbound],
        weapon: Weapon::Callback,
        outcomes: &[("over", "Your browser opens the attacker's callback.")],
    },
    Attack {
        slug: "click",
        title: "A click that meant something else",
        does: "Under the button lies the provider's consent page, in a frame that you cannot see. Your click on the prize lets the attacker's app act in your name.",
        stopped_by: "The provider's pages let nobody frame them (frame-ancestors 'none', X-Frame-Options). A Lax cookie does not travel into a frame of another site either, so the provider would not know you.",
        needs: &[Weakness::SameSiteNone, Weakness::Framable],
        weapon: Weapon::Frame,
        outcomes: &[
            ("laid", "The trap is laid. Press the button of the prize."),
            (
                "taken",
                "Your click went into the frame. If the provider let itself be framed, the attacker's app now holds a code for your account.",
            ),
        ],
    },
    Attack {
        slug: "return-to",
        title: "Led astray after the login",
        does: "Each link is app1's own, and so is the login behind it. Where it leads afterwards is this site, which could ask for your password once more.",
        stopped_by: "return_to is a path of app1 and nothing that a browser could read as another host; anything else is refused before the login begins.",
        needs: &[Weakness::OpenReturnTo],
        weapon: Weapon::Links,
        outcomes: &[("over", "Your browser follows the link.")],
    },
    Attack {
        slug: "script",
        title: "A script in somebody else's page",
        does: "The address carries a script, and the page that it belongs to shows it without escaping. The script looks for tokens and cookies wherever a script can look.",
        stopped_by: "The pages escape what they show, and their policy runs no inline script. In app1 even a script that runs finds no token, since none is in the browser; in the SPA it only has to wait for the next call.",
        needs: &[Weakness::ReflectedHtml],
        weapon: Weapon::Injected,
        outcomes: &[("over", "Your browser follows the link.")],
    },
];
