//! The pages.

use actix_web::{HttpRequest, HttpResponse, ResponseError as _, http::StatusCode, web::Data};
use askama::Template;
use kit::config::{Addresses, Site, Weakness, Weaknesses};
use url::{Url, form_urlencoded};
use web_kit::{
    problem::Problem,
    ui::{self, Csp},
};

use super::{
    assets,
    attack::{ALL, Attack},
    payload::{Parts, Payload},
};

/// The most bytes of a callback URL.
const MAX_CALLBACK: usize = 4096;

/// What the pages show.
pub(super) struct PageData {
    pub(super) addresses: Addresses,
    pub(super) weaknesses: Weaknesses,
    /// The lab's address, if it has the live diagram.
    pub(super) diagram_url: Option<String>,
}

impl PageData {
    /// The defences that are off: in this process, or for the journey of this request.
    fn open(&self) -> Weaknesses {
        self.weaknesses.and(Weaknesses::of_journey())
    }
}

/// The page at `/`.
#[derive(Template)]
#[template(path = "evil/start.html")]
struct StartPage {
    app_url: String,
    lab_url: String,
    host: String,
    open: Vec<Weakness>,
    diagram_url: Option<String>,
}

impl StartPage {
    /// Whether every defence against the attack is switched off.
    fn is_open(&self, attack: &Attack) -> bool {
        attack.needs.iter().all(|need| self.open.contains(need))
    }

    fn style_sheet() -> String {
        assets::url("evil.css")
    }
}

pub(super) async fn start(data: Data<PageData>) -> HttpResponse {
    let here = data.addresses.url(Site::Evil);
    let page = StartPage {
        app_url: data.addresses.url(Site::App1),
        lab_url: data.addresses.url(Site::Lab),
        host: here
            .split_once("://")
            .map_or("", |(_, host)| host)
            .to_owned(),
        open: data.open().iter().collect(),
        diagram_url: data.diagram_url.clone(),
    };
    ui::page(Site::Evil, "Attacks", StatusCode::OK, &page, &Csp::strict())
}

/// The page of an attack.
#[derive(Template)]
#[template(path = "evil/attack.html")]
struct AttackPage {
    attack: &'static Attack,
    parts: Parts,
    asks_for_callback: bool,
    app_url: String,
    weaknesses: Weaknesses,
    diagram_url: Option<String>,
}

impl AttackPage {
    /// The value of `--weaken`.
    fn needed(&self) -> String {
        let names: Vec<_> = self.attack.needs.iter().map(|need| need.name()).collect();
        names.join(",")
    }

    /// The defences to switch off, and whether each is off.
    fn needs(&self) -> impl Iterator<Item = (Weakness, bool)> {
        let needs = self.attack.needs.iter();
        needs.map(|need| (*need, self.weaknesses.contains(*need)))
    }

    /// Its page at the lab, or the live diagram.
    fn at_lab(&self) -> Option<String> {
        let lab = self.diagram_url.as_deref()?;
        let page = self.attack.at_lab;
        Some(page.map_or_else(
            || format!("{lab}/journey"),
            |page| format!("{lab}/attacks/{page}"),
        ))
    }

    fn style_sheet() -> String {
        Self::asset("evil.css")
    }

    fn asset(name: &str) -> String {
        assets::url(name)
    }
}

pub(super) fn attack(attack: &'static Attack, data: &PageData, req: &HttpRequest) -> HttpResponse {
    let callback = match callback_of(req, &data.addresses) {
        Ok(callback) => callback,
        Err(refusal) => return refusal.error_response(),
    };
    let page = AttackPage {
        attack,
        parts: attack.payload.parts(&data.addresses, callback.as_deref()),
        asks_for_callback: attack.payload == Payload::Callback && callback.is_none(),
        app_url: data.addresses.url(Site::App1),
        weaknesses: data.open(),
        diagram_url: data.diagram_url.clone(),
    };
    let title = attack.title;
    ui::page(Site::Evil, title, StatusCode::OK, &page, &page.parts.csp)
}

/// The callback URL in the query. It must be that of an app of the lab: the site attacks
/// nothing else.
fn callback_of(req: &HttpRequest, addresses: &Addresses) -> Result<Option<String>, Problem> {
    let mut query = form_urlencoded::parse(req.query_string().as_bytes());
    let Some((_, given)) = query.find(|(name, _)| name == "callback") else {
        return Ok(None);
    };
    let is_apps = |url: &Url| {
        let apps = [Site::App1, Site::App2].map(|app| addresses.url(app));
        url.path() == "/callback" && apps.contains(&url.origin().ascii_serialization())
    };
    let url = Some(&*given).filter(|given| given.len() <= MAX_CALLBACK);
    let url = url.and_then(|given| Url::parse(given).ok()).filter(is_apps);
    url.map(|url| Some(url.into())).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "Not a callback URL").detail(format!(
            "Enter the callback URL of an app of this lab, with at most {MAX_CALLBACK} characters."
        ))
    })
}

/// The page that an open redirect leads to.
#[derive(Template)]
#[template(path = "evil/landed.html")]
struct LandedPage {
    diagram_url: Option<String>,
}

pub(super) async fn landed(data: Data<PageData>) -> HttpResponse {
    let page = LandedPage {
        diagram_url: data.diagram_url.clone(),
    };
    ui::page(
        Site::Evil,
        "Redirected",
        StatusCode::OK,
        &page,
        &Csp::strict(),
    )
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn read(callback: &str) -> Result<Option<String>, StatusCode> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("callback", callback);
        let req = TestRequest::with_uri(&format!("/login?{}", query.finish())).to_http_request();
        callback_of(&req, &Addresses::default()).map_err(|problem| problem.status())
    }

    #[test]
    fn only_a_callback_of_the_labs_apps_is_accepted_and_it_is_bounded() {
        let fine = "http://app1.localhost:8082/callback?code=C&state=S";
        assert_eq!(read(fine), Ok(Some(fine.to_owned())));
        let long = format!("{fine}{}", "x".repeat(MAX_CALLBACK));
        for wrong in [
            "",
            "javascript:alert(1)",
            "http://idp.localhost:8081/callback?code=C",
            "http://app1.localhost:8082/login",
            "http://app1.localhost:8082@elsewhere.example/callback",
            "//app1.localhost:8082/callback",
            &long,
        ] {
            assert_eq!(read(wrong), Err(StatusCode::BAD_REQUEST), "{wrong}");
        }
    }
}
