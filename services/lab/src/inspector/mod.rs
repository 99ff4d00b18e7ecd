//! The inspector: what services and browser keep for the journey of this browser. The
//! services are asked at their control endpoints; the lab itself has no key to any store.

mod cookies;
mod sheets;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, ServiceConfig},
};
use askama::Template;
use futures_util::future::join_all;
use kit::{config::Site, journey::JourneyTag, lab_control::INSPECT};
use serde_json::Value;
use web_kit::ui::{
    self, Csp, Message,
    rust_embed::{self, EmbeddedFile, RustEmbed},
};

use self::sheets::Sheet;
use crate::{
    failures::{Asked, Failures},
    journey::LiveDiagram,
};

/// The services that keep something for a browser.
const KEEPERS: [&str; 3] = ["app1-bff", "app2-bff", "idp"];

#[derive(RustEmbed)]
#[folder = "assets/inspector/"]
struct Own;

/// A file of the page.
pub(crate) fn file(name: &str) -> Option<EmbeddedFile> {
    Own::get(name)
}

#[derive(Template)]
#[template(path = "inspector/page.html")]
struct Page {
    sheets: Vec<Sheet>,
    /// Why a service did not answer.
    failed: Vec<String>,
}

impl Page {
    fn file(name: &str) -> String {
        ui::asset_url(file, name)
    }
}

/// The page.
pub(crate) fn pages(cfg: &mut ServiceConfig, failures: Arc<Failures>) {
    let page = web::resource("/journey/inspector").app_data(Data::from(failures));
    cfg.service(page.route(web::get().to(show)));
}

/// `GET /journey/inspector`.
async fn show(req: HttpRequest, live: Data<LiveDiagram>, failures: Data<Failures>) -> HttpResponse {
    let Some((tag, steps)) = live.steps_of(&req) else {
        return Message::new("No journey", "This browser is in no journey.")
            .what_to_do("Start one on the page of the live diagram.")
            .way("To the live diagram", "/journey")
            .respond(Site::Lab, StatusCode::NOT_FOUND);
    };
    let asked = KEEPERS.into_iter().map(|name| ask(&failures, name, tag));
    let mut failed = Vec::new();
    let mut sheets = Vec::new();
    for answer in join_all(asked).await.into_iter().flatten() {
        match answer {
            Ok((site, said)) => sheets.extend(sheets::of_service(site, &said)),
            Err(why) => failed.push(why),
        }
    }
    sheets.push(sheets::of_browser(&cookies::kept(&steps)));
    let page = Page { sheets, failed };
    ui::page(
        Site::Lab,
        "Inspector",
        StatusCode::OK,
        &page,
        &Csp::strict(),
    )
}

/// What `name` keeps for the journey `tag`; `None` if the deployment has no such service.
async fn ask(
    failures: &Failures,
    name: &str,
    tag: JourneyTag,
) -> Option<Result<(Site, Value), String>> {
    let service = failures.service(name)?;
    let path = format!("{INSPECT}?journey={tag}");
    let answers = failures.ask(service, &Asked::get(path)).await;
    let site = service.site();
    let why = answers.problem("answered");
    let why = why.unwrap_or_else(|| "It does not answer.".to_owned());
    let said = most(answers.said);
    Some(
        said.map(|said| (site, said))
            .ok_or_else(|| format!("{}: {why}", site.short_name())),
    )
}

/// The answer of the replica that knows most: each remembers what it served itself.
fn most(said: Vec<Value>) -> Option<Value> {
    let weight = |said: &Value| said.to_string().len();
    said.into_iter().max_by_key(weight)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_several_replicas_the_one_that_knows_the_session_counts() {
        let empty = json!({ "service": "app1-bff", "session": null });
        let full = json!({ "service": "app1-bff", "session": { "place": "store" } });
        let said = most(vec![empty.clone(), full.clone(), empty]);
        assert_eq!(said, Some(full));
        assert_eq!(most(Vec::new()), None);
    }
}
