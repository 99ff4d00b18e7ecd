//! A run in the learner's browser. Its way: the settings of the journey (`begin`), every
//! service, a sign-in at app1 (`sign-in`), and then the attacker's page (`go`). Each page of
//! this site on the way sends the browser on.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header};
use askama::Template;
use kit::{
    config::{Addresses, Site},
    net::AddrBucket,
};
use url::form_urlencoded::byte_serialize;
use web_kit::{
    journey::BACK,
    ui::{self, Csp},
};

use super::{
    AttackContext, Attacks,
    attack::{Attack, Defence, InBrowser, Opens, Session},
    callback,
};
use crate::journey::{LiveDiagram, MINUTES, redirect, remember_during_login, weakened};

/// The age of a sign-in at the provider that is good enough, in seconds: that of any login
/// session. With this parameter app1 asks the provider although it has a session.
const ANY_AGE: u32 = 7 * 24 * 60 * 60;

/// Sets the journey for a run, and sends its browser on the way.
pub(super) fn begin(
    req: &HttpRequest,
    live: &LiveDiagram,
    attack: &Attack,
    defence: Defence,
) -> HttpResponse {
    let off = attack.off_in(defence).unwrap_or_default();
    let settings = |before| weakened(before, off, live.now(), MINUTES);
    let next = format!("/attacks/{}/sign-in", attack.name);
    live.set_and_go(req, settings, Some(&next))
}

/// `GET /attacks/{name}/sign-in`.
pub(super) fn sign_in(attacks: &Attacks, attack: &Attack, way: &InBrowser) -> HttpResponse {
    let go = format!("/attacks/{}/go", attack.name);
    let app = attacks.config.addresses.url(Site::App1);
    let fresh = match way.session {
        Session::None => return redirect(&go),
        Session::Any => String::new(),
        Session::New => format!("&max_age={ANY_AGE}"),
    };
    // A browser follows twenty redirects at most, and comes here by seventeen.
    let mut answer = sends_on("app1", format!("{app}/login?return_to={BACK}{fresh}"));
    remember_during_login(&mut answer, &go);
    answer
}

/// `GET /attacks/{name}/go`.
pub(super) async fn go(
    attacks: &Attacks,
    (lab, from): (&AttackContext, AddrBucket),
    attack: &Attack,
    way: &InBrowser,
) -> HttpResponse {
    let addresses = &attacks.config.addresses;
    let evil = format!("{}/{}", addresses.url(Site::Evil), way.slug);
    let (address, who) = match way.opens {
        Opens::Attack(go) => (format!("{evil}?go={go}"), "The attacker's page"),
        Opens::Spa => (addresses.url(Site::Spa), "The single-page app"),
        Opens::Callback => {
            let Ok(_slot) = lab.slot(from) else {
                return too_many(attack);
            };
            let login = async { Ok(callback::of_bob(&attacks.config, &attacks.transport).await) };
            let Ok(Some(callback)) = AttackContext::in_time(login).await else {
                return no_callback(attack);
            };
            let callback: String = byte_serialize(callback.as_bytes()).collect();
            let address = format!("{evil}?go=1&callback={callback}");
            (address, "The attacker's page")
        }
    };
    sends_on(who, address)
}

/// A page that sends the browser to `address` of another site, where `who` is. It is a
/// navigation of its own: a form leads to the sites of its page's policy alone.
fn sends_on(who: &'static str, address: String) -> HttpResponse {
    let page = GoPage { who, address };
    let mut answer = ui::page(Site::Lab, who, StatusCode::OK, &page, &Csp::strict());
    if let Ok(refresh) = format!("0; url={}", page.address).parse() {
        let name = header::HeaderName::from_static("refresh");
        answer.headers_mut().insert(name, refresh);
    }
    answer
}

fn too_many(attack: &Attack) -> HttpResponse {
    let why = "Several other attacks are running.";
    let message = ui::Message::new("No callback", why)
        .what_to_do("Try again in a few seconds.")
        .way("To the attack", format!("/attacks/{}", attack.name));
    let mut answer = message.respond(Site::Lab, StatusCode::SERVICE_UNAVAILABLE);
    let soon = header::HeaderValue::from_static("5");
    answer.headers_mut().insert(header::RETRY_AFTER, soon);
    answer
}

fn no_callback(attack: &Attack) -> HttpResponse {
    ui::Message::new(
        "No callback",
        "The attacker's program could not sign in as bob at app1, so there is no callback URL to open.",
    )
    .what_to_do("See whether app1 and the provider answer, and whether bob's account is as in the demo.")
    .way("To the attack", format!("/attacks/{}", attack.name))
    .respond(Site::Lab, StatusCode::BAD_GATEWAY)
}

/// The page that sends the browser to another site.
#[derive(Template)]
#[template(path = "attacks/go.html")]
struct GoPage {
    who: &'static str,
    address: String,
}

/// Why the attack cannot run in this deployment.
pub(super) fn unavailable(
    addresses: &Addresses,
    demo_users: bool,
    way: &InBrowser,
) -> Option<&'static str> {
    let has = |site| addresses.link(site).is_some();
    match way.opens {
        Opens::Spa if !has(Site::Spa) => Some("This deployment has no single-page app."),
        Opens::Spa => None,
        _ if !has(Site::App1) || !has(Site::Evil) => {
            Some("This deployment has no app1, or no site of the attacker.")
        }
        Opens::Callback if !demo_users => {
            Some("The attacker is the demo user bob, who cannot sign in here.")
        }
        _ => None,
    }
}
