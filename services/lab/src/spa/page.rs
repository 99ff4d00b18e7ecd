//! The app's only page. Its scripts are in `assets/spa`.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, ServiceConfig},
};
use askama::Template;
use kit::{
    config::{Site, Weakness, Weaknesses},
    telemetry::context::TraceContext,
};
use web_kit::ui::{
    self, Csp,
    rust_embed::{self, EmbeddedFile, RustEmbed},
};

use crate::Config;

/// The client at the provider: public, PKCE.
pub(crate) const CLIENT_ID: &str = "my_spa";
/// The audience of its access tokens.
const AUDIENCE: &str = "https://api-1";
/// The scopes that it requests.
const SCOPE: &str = "openid profile email offline_access https://api-1/read https://api-1/write";

#[derive(RustEmbed)]
#[folder = "assets/spa/"]
struct Own;

/// Third-party files, unmodified; `tools/vendor` makes them.
#[derive(RustEmbed)]
#[folder = "assets/vendor/"]
struct Vendored;

fn file(name: &str) -> Option<EmbeddedFile> {
    Own::get(name).or_else(|| Vendored::get(name))
}

/// Serves `/assets/…`.
pub(super) fn assets(cfg: &mut ServiceConfig) {
    ui::assets_and(cfg, file);
}

/// The page at `/` and at the callback, which the script distinguishes.
#[derive(Clone, Template)]
#[template(path = "spa/page.html")]
pub(super) struct SpaPage {
    issuer: String,
    /// The app's URL, with a `/` at the end.
    home: String,
    api_url: String,
    app1_url: Option<String>,
    lab_url: Option<String>,
    weaknesses: Weaknesses,
    /// Whether the process knows what the lab lets fail.
    is_lab: bool,
    /// Whether the browser is in a journey of the lab, which then shows what the page does.
    in_journey: bool,
}

/// The page, for a browser in a journey and for another one.
pub(super) struct SpaPages {
    plain: SpaPage,
    in_journey: SpaPage,
}

impl SpaPages {
    pub(super) fn new(config: &Config) -> Self {
        let plain = SpaPage::new(config);
        let in_journey = SpaPage {
            in_journey: true,
            ..plain.clone()
        };
        Self { plain, in_journey }
    }
}

impl SpaPage {
    fn new(config: &Config) -> Self {
        let addresses = &config.addresses;
        Self {
            issuer: config.issuer.clone(),
            home: format!("{}/", addresses.url(Site::Spa)),
            api_url: addresses.url(Site::Api1),
            app1_url: addresses.link(Site::App1),
            lab_url: addresses.link(Site::Lab),
            weaknesses: config.weaknesses,
            is_lab: config.journeys.is_some(),
            in_journey: false,
        }
    }

    /// Whether it shows the parameter `note` as HTML, in a weakened lab.
    fn reflects(&self) -> bool {
        self.weaknesses.has(Weakness::ReflectedHtml)
    }

    fn file(name: &str) -> String {
        ui::asset_url(file, name)
    }
}

pub(super) async fn show(pages: Data<SpaPages>) -> HttpResponse {
    let page = match TraceContext::current_journey() {
        Some(_) => &pages.in_journey,
        None => &pages.plain,
    };
    let csp = Csp::strict()
        .connect_src(&page.issuer)
        .connect_src(&page.api_url);
    let csp = if page.reflects() {
        csp.inline_scripts()
    } else {
        csp
    };
    ui::page(Site::Spa, "Home", StatusCode::OK, page, &csp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(name: &str) -> String {
        String::from_utf8(Own::get(name).unwrap().data.to_vec()).unwrap()
    }

    #[test]
    fn no_script_writes_html_runs_text_or_keeps_a_token() {
        // But for the hole that is there to be shown.
        let scripts = Own::iter().filter(|name| name.ends_with(".js") && name != "note_html.js");
        for name in scripts {
            let script = script(&name);
            for way in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "localStorage",
                "document.cookie",
            ] {
                assert!(!script.contains(way), "{name}: {way}");
            }
            assert_eq!(script.contains("sessionStorage."), name == "transit.js");
        }
    }

    #[test]
    fn each_step_is_named_as_spans_are_and_has_its_words() {
        let (journey, story) = (script("journey.js"), script("story.js"));
        let listed = journey.split_once("freeze([").unwrap().1;
        let listed = listed.split_once("])").unwrap().0;
        let steps: Vec<_> = listed.split('"').skip(1).step_by(2).collect();
        assert_eq!(steps.len(), 15, "{steps:?}");
        for step in steps {
            let (stage, act) = step.split_once('.').unwrap();
            let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(is_name(stage) && is_name(act), "{step}");
            assert!(story.contains(&format!("\"{step}\": {{")), "{step}");
        }
    }

    #[test]
    fn every_module_that_a_script_imports_is_there() {
        for name in Own::iter().filter(|name| name.ends_with(".js")) {
            let script = script(&name);
            for import in script.split("from \"./").skip(1) {
                let imported = import.split('"').next().unwrap();
                assert!(file(imported).is_some(), "{name}: {imported}");
            }
        }
    }
}
