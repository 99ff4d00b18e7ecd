//! `POST /lab/continue`: the browser goes on to the address at which it waited. A cookie
//! with a continuation lets that one request go on. It reaches no check of the protocol, and
//! the answer deletes it.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    web::{self, Data, ServiceConfig},
};
use kit::{config::Site, journey::JourneyKeys};
use memchr::memmem;
use url::form_urlencoded;

use super::MAX_TARGET;
use crate::{
    body::Body,
    cookies::Cookies,
    journey::{CONTINUE_COOKIE, cookie},
    ui::Message,
};

/// Where the form is posted.
pub(crate) const GO_ON: &str = "/lab/continue";
/// How long the browser may take to follow, in seconds.
const LIFE: i64 = 30;
/// The most bytes of the form: a percent-encoded address and a continuation.
const MAX_FORM: usize = 3 * MAX_TARGET + 256;

const TARGET: &str = "target";
const CONTINUATION: &str = "continuation";

/// Why a form without a good continuation is refused.
const CHANGED: &str =
    "The form of this page was changed, or the lab was started again since it was shown.";

/// What the route needs.
struct GoingOn {
    service: &'static str,
    keys: Arc<JourneyKeys>,
}

/// `POST /lab/continue`.
pub(crate) fn routes(cfg: &mut ServiceConfig, service: &'static str, keys: Arc<JourneyKeys>) {
    let going_on = Data::new(GoingOn { service, keys });
    let resource = web::resource(GO_ON).app_data(going_on);
    cfg.service(resource.route(web::post().to(go_on)));
}

/// The hidden fields that lead to `target`.
pub(super) fn fields(keys: &JourneyKeys, service: &str, target: &str) -> Vec<(String, String)> {
    vec![
        (TARGET.to_owned(), target.to_owned()),
        (CONTINUATION.to_owned(), keys.continuation(service, target)),
    ]
}

/// Whether `req` has the continuation for `target`.
pub(super) fn is_continued(
    req: &HttpRequest,
    keys: &JourneyKeys,
    service: &str,
    target: &str,
) -> bool {
    let cookies = Cookies::of(req);
    let sent = cookies.get(CONTINUE_COOKIE);
    sent.is_some_and(|sent| keys.is_continuation(sent, service, target))
}

/// Takes the continuation from a browser that has sent one: the next request waits again.
pub(crate) fn clear_continuation(sent: &HeaderMap, answer: &mut HeaderMap) {
    let mut lines = sent.get_all(header::COOKIE);
    let has =
        |line: &HeaderValue| memmem::find(line.as_bytes(), CONTINUE_COOKIE.as_bytes()).is_some();
    if lines.any(has)
        && let Ok(line) = cookie(CONTINUE_COOKIE, String::new(), 0)
            .to_string()
            .parse()
    {
        answer.append(header::SET_COOKIE, line);
    }
}

async fn go_on(body: Body, going_on: Data<GoingOn>) -> HttpResponse {
    let body = match body.read(MAX_FORM).await {
        Ok(body) => body,
        Err(error) => return going_on.refusal(error.status(), &error.to_string()),
    };
    let field = |name: &str| {
        let mut fields = form_urlencoded::parse(&body);
        fields.find_map(|(own, value)| (own == name).then(|| value.into_owned()))
    };
    let (target, continuation) = (field(TARGET), field(CONTINUATION));
    let sent = target.zip(continuation).filter(|(target, continuation)| {
        // A path of this site: nothing that a browser reads as another host.
        let is_path = target.starts_with('/') && !target.starts_with("//");
        is_path
            && going_on
                .keys
                .is_continuation(continuation, going_on.service, target)
    });
    let Some((target, continuation)) = sent else {
        return going_on.refusal(StatusCode::BAD_REQUEST, CHANGED);
    };
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, target))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .cookie(cookie(CONTINUE_COOKIE, continuation, LIFE))
        .finish()
}

impl GoingOn {
    fn refusal(&self, status: StatusCode, why: &str) -> HttpResponse {
        let site = super::sender::site_of(self.service).unwrap_or(Site::Lab);
        Message::new("This page does not lead on", why)
            .what_to_do("Start the step again.")
            .way("To the start", "/")
            .respond(site, status)
    }
}
