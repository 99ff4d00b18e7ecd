//! The page of the live diagram. Its scripts are in `assets/journey`.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use askama::Template;
use kit::config::Site;
use web_kit::ui::{
    self, Csp,
    rust_embed::{self, EmbeddedFile, RustEmbed},
};

use super::{
    LiveDiagram,
    join::{forget, is_leaving, redirect},
    terminal::address_flags,
    then,
};

#[derive(RustEmbed)]
#[folder = "assets/journey/"]
struct Own;

/// A file of the page.
pub(crate) fn file(name: &str) -> Option<EmbeddedFile> {
    Own::get(name)
}

/// `GET /journey`, or the part of another page that shows the diagram.
#[derive(Template)]
#[template(path = "journey/page.html")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the template asks for each by its name"
)]
pub(crate) struct DiagramPage {
    /// Whether it is a part of another page.
    embedded: bool,
    /// Whether it shows a recording in place of a journey, and needs no lab.
    recorded: bool,
    /// Whether this browser is in a journey.
    started: bool,
    /// Whether its redirects are explained.
    explained: bool,
    /// The page on which the switch of explain mode is, if the switch leads back there.
    then: Option<String>,
    demo_users: bool,
    app1_url: Option<String>,
    app2_url: Option<String>,
    jaeger_url: Option<String>,
    /// The flags by which a command finds this deployment.
    address_flags: String,
}

impl DiagramPage {
    /// What a terminal can do in a journey, with what stands before and after the program.
    const COMMANDS: [(&str, &str, &str); 3] = [
        ("Sign in as a native app", "", "login"),
        ("Sign in as a device", "", "device login"),
        (
            "Order as a machine",
            r#"echo '{"item":"tea-pot","quantity":1}' | "#,
            "batch",
        ),
    ];

    fn file(name: &str) -> String {
        ui::asset_url(file, name)
    }

    const fn recorded() -> Self {
        Self {
            embedded: false,
            recorded: true,
            started: false,
            explained: false,
            then: None,
            demo_users: false,
            app1_url: None,
            app2_url: None,
            jaeger_url: None,
            address_flags: String::new(),
        }
    }
}

pub(super) async fn show(req: HttpRequest, live: Data<LiveDiagram>) -> HttpResponse {
    if let Some(page) = then::of(&req) {
        let mut answer = redirect(&page);
        then::forget(&mut answer);
        return answer;
    }
    let page = live.page(&req, false);
    let mut answer = ui::page(
        Site::Lab,
        "Live diagram",
        StatusCode::OK,
        &page,
        &live.csp(),
    );
    if is_leaving(&req) {
        forget(&mut answer);
    }
    answer
}

/// `GET /journey/viewer`: the page of a recording. The live page puts a recording, styles and
/// scripts into its text, so that the file needs no lab: nothing in it is of one browser.
pub(super) async fn viewer() -> HttpResponse {
    let (title, csp) = ("Recording", Csp::strict());
    ui::page(
        Site::Lab,
        title,
        StatusCode::OK,
        &DiagramPage::recorded(),
        &csp,
    )
}

impl LiveDiagram {
    /// The diagram as a part of another page, which loads `page.js` itself.
    pub(crate) fn embedded(&self, req: &HttpRequest) -> DiagramPage {
        self.page(req, true)
    }

    /// The policy of a page with a form that begins a journey: the form leads through all
    /// sites.
    pub(crate) fn csp(&self) -> Csp {
        let sites = Site::ALL.into_iter();
        let sites = sites.filter_map(|site| self.addresses.link(site));
        sites.fold(Csp::strict(), |csp, url| csp.form_action(&url))
    }

    fn page(&self, req: &HttpRequest, embedded: bool) -> DiagramPage {
        let journey = self.journey(req);
        DiagramPage {
            embedded,
            recorded: false,
            started: journey.is_some(),
            explained: journey.is_some_and(|journey| journey.settings().explain),
            then: embedded.then(|| req.path().to_owned()),
            demo_users: self.demo_users,
            app1_url: self.addresses.link(Site::App1),
            app2_url: self.addresses.link(Site::App2),
            jaeger_url: self.jaeger_url.clone(),
            address_flags: address_flags(&self.addresses),
        }
    }
}

#[cfg(test)]
mod tests {
    use kit::telemetry::items::PUBLIC;
    use web_kit::explain::{COOKIES, PARAMETERS};

    use super::*;

    /// The pages of explain mode and the diagram say the same of a parameter.
    #[test]
    fn both_say_the_same_of_parameters_and_cookies() {
        let script = file("meanings.js").unwrap();
        let script = String::from_utf8_lossy(&script.data).into_owned();
        for (name, (text, section)) in PARAMETERS {
            let line = format!("\n  {name}: [\"{text}\", \"{section}\"],\n");
            assert!(script.contains(&line), "{name}");
        }
        for (name, text) in COOKIES {
            assert!(script.contains(&format!("/, \"{text}\"],\n")), "{name}");
        }
    }

    /// It becomes a file that anybody may get.
    #[test]
    fn the_page_of_a_recording_has_no_form_no_link_and_nothing_of_a_browser() {
        let html = DiagramPage::recorded().render().unwrap();
        assert!(
            !html.contains(" action=") && !html.contains("<a "),
            "{html}"
        );
        assert!(!html.contains("data-pass") && !html.contains("save-page"));
        assert!(html.contains("id=\"stage\"") && html.contains("id=\"open-recording\""));
        assert!(html.contains("data-recorded=\"true\""));
        let script = format!(
            "<script type=\"module\" src=\"{}\">",
            DiagramPage::file("page.js")
        );
        assert!(html.ends_with(&format!("{script}</script>")), "{html}");
    }

    /// The services decide what is shown; the page's list is for files that it opens.
    #[test]
    fn what_the_page_hides_in_any_file_is_public_nowhere() {
        let script = Own::get("items.js").unwrap().data.to_vec();
        let script = String::from_utf8(script).unwrap();
        let list = script.split_once("new Set([").unwrap().1;
        let list = list.split_once("])").unwrap().0;
        let hidden: Vec<_> = list.split('"').skip(1).step_by(2).collect();
        assert!(hidden.contains(&"code_verifier"), "{hidden:?}");
        for name in hidden {
            assert!(!PUBLIC.contains(&name), "{name}");
        }
    }
}
