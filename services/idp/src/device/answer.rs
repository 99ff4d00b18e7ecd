//! The question whether a device may have access, and the user's answer (RFC 8628 §3.3).
//! The page shows the code, and the user compares it with the device's: the code may have
//! come by a stranger's link (§5.4).

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use kit::{
    step,
    telemetry::names::{OK, span},
};
use oauth_types::ErrorCode;
use tracing::{Instrument as _, field::Empty};
use web_kit::ui::{Message, Site};

use super::{
    codes::UserCode,
    link,
    lookup::{Found, find_typed},
    sign_in,
};
use crate::{
    Idp, account, authorize, budgets,
    cookies::{self, with_cookie},
    domain::{DeviceAnswer, DeviceAuthorization, LoginSession},
    form_token,
    forms::PageForm,
    page_error::PageError,
    pages::DeviceAnswerPage,
    records::ChangeError,
    sessions,
    settings::Client,
};

/// Where the form is posted.
pub const PATH: &str = "/device/answer";
/// How often an answer is retried after concurrent polls.
const MAX_ATTEMPTS: usize = 8;

/// Asks the user of `login`.
pub(super) fn ask(
    idp: &Idp,
    req: &HttpRequest,
    login: &LoginSession,
    client: &Client,
    code: &UserCode,
    device: &Found,
) -> HttpResponse {
    let (browser, cookie) = form_token::browser(idp, req);
    let user = idp.settings.user(&login.sub);
    let page = DeviceAnswerPage {
        action: PATH,
        hidden: vec![
            form_token::field(&browser, &purpose(login, &device.id)),
            (link::USER_CODE.to_owned(), code.to_string()),
        ],
        code: code.to_string(),
        client_name: client.name.clone(),
        user_name: user.map(|user| user.name.clone()).unwrap_or_default(),
        groups: authorize::consent_groups(&idp.settings, &device.stored.record.scope),
    };
    with_cookie(page.respond(), &cookie)
}

/// `POST /device/answer`.
pub async fn endpoint(idp: web::Data<Idp>, req: HttpRequest, form: PageForm) -> HttpResponse {
    let handled = answer(&idp, &req, &form).await;
    handled.unwrap_or_else(|error| error.page(&req))
}

async fn answer(idp: &Idp, req: &HttpRequest, form: &PageForm) -> Result<HttpResponse, PageError> {
    let params = form.params()?;
    cookies::none_twice(req)?;
    let code = link::code_in(&params)?.ok_or_else(PageError::device_code_over)?;
    let Some(login) = sessions::current(idp, req).await? else {
        return Ok(sign_in::show(idp, req, Some(&code)));
    };
    let id = idp.user_codes.id(&code);
    form_token::check(req, &params, &purpose(&login, &id))?;
    let answer = match params.one("decision")? {
        Some("allow") => DeviceAnswer::Allow,
        Some("deny") => DeviceAnswer::Deny,
        _ => return Err(PageError::request("decision must be allow or deny.")),
    };
    let span = step!(
        span::DEVICE_ANSWER,
        "sso.client_id" = Empty,
        "sso.outcome" = Empty,
        "enduser.id" = login.sub
    );
    let saved = save(idp, &login, &code, answer)
        .instrument(span.clone())
        .await;
    let (outcome, client) = match (&saved, answer) {
        (Ok(client), DeviceAnswer::Allow) => (OK, Some(client)),
        (Ok(client), DeviceAnswer::Deny) => (ErrorCode::AccessDenied.as_str(), Some(client)),
        (Err(_), _) => ("refused", None),
    };
    if let Some(client) = client {
        span.record("sso.client_id", &client.client_id);
    }
    span.record("sso.outcome", outcome);
    Ok(done(saved?, answer))
}

/// Saves the answer to the device with this code. The same answer again, as by a double
/// click, changes nothing.
async fn save<'i>(
    idp: &'i Idp,
    login: &LoginSession,
    code: &UserCode,
    answer: DeviceAnswer,
) -> Result<&'i Client, PageError> {
    for _ in 0..MAX_ATTEMPTS {
        let found = find_typed(idp, code).await?;
        let (client, Found { id, stored }) = found.ok_or_else(PageError::device_code_over)?;
        let device = &stored.record;
        if device.was_answered(answer, login) {
            return Ok(client);
        }
        if !device.is_open(idp.now()) {
            return Err(PageError::device_code_over());
        }
        let mut answered = device.answered(answer, login);
        // A user has signed in: the record is no longer charged to the address.
        let charge = budgets::charge(budgets::user(&login.sub), &id, &answered)?;
        answered.charge = Some(charge.clone());
        if idp.records.swap(&id, &stored, &answered).await? {
            let former = idp.budgets.of_client(client);
            budgets::leave::<DeviceAuthorization>(former, device.charge.as_ref(), &id).await;
            budgets::enter(&idp.records, &idp.budgets.codes, &charge, &id, &answered).await?;
            let allowed = answer == DeviceAnswer::Allow;
            tracing::info!(
                client = client.client_id,
                user = login.sub,
                allowed,
                "device answered"
            );
            return Ok(client);
        }
    }
    Err(ChangeError::Contended.into())
}

fn done(client: &Client, answer: DeviceAnswer) -> HttpResponse {
    let name = &client.name;
    let (title, happened) = match answer {
        DeviceAnswer::Allow => (
            "Device connected",
            format!("{name} gets access in a few seconds. You can go back to the device."),
        ),
        DeviceAnswer::Deny => ("Access denied", format!("{name} gets no access.")),
    };
    Message::new(title, happened)
        .what_to_do(
            "Your account lists the devices that have access. You can end their access there.",
        )
        .way("Your account", account::PATH)
        .respond(Site::Idp, StatusCode::OK)
}

/// The form is valid for the session and the device that it was shown for.
fn purpose(login: &LoginSession, id: &str) -> String {
    format!("device answer {} {id}", login.sid)
}
