//! The page itself.

use actix_web::{HttpResponse, http::StatusCode};
use askama::Template;
use kit::config::Site;
use url::Url;

use super::{
    Explanation, GoOnForm, TimeLeft,
    rows::{Row, Rows},
    sender::{site_at, site_of},
};
use crate::ui::{self, Csp};

/// How the browser goes on.
pub(super) enum Way {
    /// By a link to the redirect's address.
    Link(String),
    /// By a form of this site.
    Form(GoOnForm),
}

pub(super) struct Page {
    pub(super) service: &'static str,
    /// The host of this site, as the browser knows it.
    pub(super) host: String,
    /// Where the redirect leads; empty if there is none yet.
    pub(super) to: String,
    pub(super) lab_url: String,
    pub(super) rows: Rows,
    pub(super) stands_for: Vec<Row>,
    pub(super) way: Way,
    pub(super) said: Explanation,
}

#[derive(Template)]
#[template(path = "explain.html")]
struct Body<'p> {
    page: &'p Page,
    said: &'p Explanation,
    from: Site,
    /// The receiver, where the page knows it by its host.
    receiver: Option<Site>,
    /// Its host and path.
    address: String,
    style: String,
    script: String,
}

impl Page {
    pub(super) fn respond(&self) -> HttpResponse {
        let from = site_of(self.service).unwrap_or(Site::Lab);
        let base = Url::parse(&format!("http://{}/", self.host)).ok();
        let to = Url::options().base_url(base.as_ref()).parse(&self.to).ok();
        let to = to.filter(|_| !self.to.is_empty());
        let authority = to.as_ref().map(|url| url.authority().to_owned());
        let body = Body {
            page: self,
            said: &self.said,
            from,
            receiver: authority.as_deref().and_then(site_at),
            address: to.map_or_else(String::new, |url| {
                format!("{}{}", url.authority(), url.path())
            }),
            style: ui::shared_url("explain.css"),
            script: ui::shared_url("explain.js"),
        };
        let csp = match &self.way {
            Way::Link(_) => Csp::strict(),
            Way::Form(form) => Csp::strict().form_action(&form.leads_to),
        };
        ui::page(from, &self.said.title, StatusCode::OK, &body, &csp)
    }
}

impl Body<'_> {
    /// What a parameter's value is called.
    fn hidden(row: &Row) -> String {
        let Some(size) = row.size else {
            return "not shown".to_owned();
        };
        let plural = if size == 1 { "" } else { "s" };
        let size = format!("{size} character{plural}");
        match row.fingerprint.as_deref() {
            Some(print) if !print.is_empty() => format!("●{print}, {size}"),
            _ => size,
        }
    }

    fn end(time: &TimeLeft) -> String {
        ui::utc(time.ends)
    }

    fn left(time: &TimeLeft) -> u64 {
        time.left.as_secs()
    }

    const fn is_waiting(&self) -> bool {
        matches!(self.page.way, Way::Form(_))
    }
}
