//! What a person typed into a sign-in form: checked, and slowed where it fails
//! again and again, whatever the form is for.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::Cookie,
    http::{StatusCode, header},
    web,
};
use kit::{
    step,
    telemetry::{
        context::in_current_trace,
        names::{OK, span},
    },
};
use store::StoreError;
use tracing::{Instrument as _, field::Empty};
use web_kit::client::{AddrBucket, ClientAddr, client_addr};

use crate::{
    cookies,
    pages::LoginPage,
    params::Params,
    passwords::{
        Slot,
        typed::{self, Password},
    },
    settings::User,
    state::Idp,
    throttle::{Admitted, Attempt},
};

/// Why the form is shown again.
pub struct Again {
    username: String,
    reason: Reason,
}

#[derive(Clone, Copy)]
enum Reason {
    /// The name or the password was wrong.
    Wrong,
    /// Too many failures: so many seconds to wait.
    TooEarly(u64),
    /// Too many others sign in at this moment.
    Busy,
}

/// How soon to try again when too many others sign in.
const BUSY_RETRY: u64 = 2;

impl Again {
    /// `form` with what was typed, and the reason. A success leads to
    /// `redirect_uri` in the end.
    pub fn respond(self, form: LoginPage, redirect_uri: &str) -> HttpResponse {
        let (status, problem, retry) = match self.reason {
            Reason::Wrong => (
                StatusCode::UNAUTHORIZED,
                "Wrong user name or password.".to_owned(),
                None,
            ),
            Reason::TooEarly(seconds) => (
                StatusCode::TOO_MANY_REQUESTS,
                format!("Too many failed attempts. Try again in {seconds} s."),
                Some(seconds),
            ),
            Reason::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many people are signing in at this moment. Try again in a few seconds."
                    .to_owned(),
                Some(BUSY_RETRY),
            ),
        };
        let form = LoginPage {
            username: self.username,
            problem: Some(problem),
            ..form
        };
        let mut page = form.respond(status, redirect_uri);
        if let Some(seconds) = retry {
            page.headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        page
    }
}

/// The user whose name and password the form `params` has. Dropped while it
/// waits for its turn, nothing is checked; from then on a failure counts,
/// whatever becomes of the caller.
pub async fn check<'i>(
    idp: &'i web::Data<Idp>,
    req: &HttpRequest,
    params: &Params,
) -> Result<Result<&'i User, Again>, StoreError> {
    let text = |name| params.one(name).ok().flatten().unwrap_or_default();
    let (username, password) = (text("username"), text("password"));
    let tried = tried(idp, req, username, password).await;
    let outcome = match &tried {
        Ok(Tried::Right(_)) => OK,
        Ok(Tried::Not(Reason::Wrong)) => "wrong",
        Ok(Tried::Not(Reason::TooEarly(_))) => "slowed",
        Ok(Tried::Not(Reason::Busy)) => "busy",
        Err(_) => "error",
    };
    idp.meters.sign_ins.add(&[outcome]);
    let reason = match tried? {
        Tried::Right(user) => return Ok(Ok(user)),
        Tried::Not(reason) => reason,
    };
    let username = username.chars().take(typed::MAX_NAME).collect();
    Ok(Err(Again { username, reason }))
}

/// The cookie by which the browser of `req` is known for `user`, who has just
/// signed in with it.
pub fn known_browser(idp: &Idp, req: &HttpRequest, user: &User) -> Cookie<'static> {
    let before = cookies::read(req, cookies::KNOWN_BROWSER);
    let (now, before) = (idp.now(), before.as_deref());
    let browsers = &idp.known_browsers;
    let value = browsers.renewed(before, &user.sub, now, &*idp.random);
    cookies::known_browser(value, idp.weaknesses)
}

enum Tried<'i> {
    Right(&'i User),
    Not(Reason),
}

async fn tried<'i>(
    idp: &'i web::Data<Idp>,
    req: &HttpRequest,
    username: &str,
    password: &str,
) -> Result<Tried<'i>, StoreError> {
    let from = client_addr(req);
    let name = typed::user_name(username).ok();
    let user = name.as_deref();
    let user = user.and_then(|name| idp.settings.user_of_that_name(name));
    let cookie = cookies::read(req, cookies::KNOWN_BROWSER);
    let browser = cookie.as_deref().zip(user);
    let browser = browser.and_then(|(cookie, user)| {
        let known = idp.known_browsers.id(cookie, &user.sub, idp.now());
        known.map(str::to_owned)
    });
    let name = name.unwrap_or_else(|| username.to_owned());
    let (admitted, slot) = match let_through(idp, name, from, browser).await? {
        Ok(both) => both,
        Err(reason) => return Ok(Tried::Not(reason)),
    };
    let password = Password::typed(password);
    let sub = user.map(|user| user.sub.clone());
    let checked = checked(web::Data::clone(idp), from, admitted, slot, sub, password);
    // A task of its own: a browser that goes away now does not spare its failure.
    let is_right = tokio::spawn(in_current_trace(checked))
        .await
        .unwrap_or(false);
    Ok(match user.filter(|_| is_right) {
        Some(user) => Tried::Right(user),
        None => Tried::Not(Reason::Wrong),
    })
}

/// Waits for a slot, counts the try with the slot in hand, and delays the try
/// where its user's failures demand a delay.
async fn let_through(
    idp: &web::Data<Idp>,
    name: String,
    from: ClientAddr,
    browser: Option<String>,
) -> Result<Result<(Admitted, Slot), Reason>, StoreError> {
    let slowed = |wait| {
        tracing::warn!(address = %from, "a sign-in was slowed");
        too_early(wait)
    };
    let slot = async || {
        idp.passwords.slot(from.bucket()).await.map_err(|_| {
            tracing::warn!(address = %from, "a sign-in found too many others waiting");
            Reason::Busy
        })
    };
    let attempt = Attempt {
        name: &name,
        address: from.bucket(),
        known_browser: browser.as_deref(),
    };
    if let Some(wait) = attempt.is_too_early(idp).await? {
        return Ok(Err(slowed(wait)));
    }
    let held = match slot().await {
        Ok(held) => held,
        Err(busy) => return Ok(Err(busy)),
    };
    let admitted = match admitted(idp, name, from.bucket(), browser).await? {
        Ok(admitted) => admitted,
        Err(wait) => return Ok(Err(slowed(wait))),
    };
    if admitted.delay.is_zero() {
        return Ok(Ok((admitted, held)));
    }
    // Nobody else waits for the end of this delay.
    drop(held);
    if let Err(wait) = idp.delays.wait(from.bucket(), admitted.delay).await {
        return Ok(Err(too_early(wait)));
    }
    Ok(slot().await.map(|held| (admitted, held)))
}

/// Counts the try, in a task of its own: whoever goes away leaves nothing half
/// counted.
async fn admitted(
    idp: &web::Data<Idp>,
    name: String,
    address: AddrBucket,
    browser: Option<String>,
) -> Result<Result<Admitted, Duration>, StoreError> {
    let idp = web::Data::clone(idp);
    let counted = async move {
        let attempt = Attempt {
            name: &name,
            address,
            known_browser: browser.as_deref(),
        };
        attempt.admit(&idp).await
    };
    let counted = tokio::spawn(in_current_trace(counted)).await;
    counted.unwrap_or_else(|error| Err(StoreError::Refused(error.to_string())))
}

async fn checked(
    idp: web::Data<Idp>,
    from: ClientAddr,
    admitted: Admitted,
    slot: Slot,
    sub: Option<String>,
    password: Password,
) -> bool {
    let standing = admitted.stands();
    let user = sub.and_then(|sub| idp.settings.user(&sub));
    let step = step!(span::PASSWORD, "sso.outcome" = Empty);
    let check = idp.passwords.check(slot, user, password);
    let is_right = check.instrument(step.clone()).await;
    step.record("sso.outcome", if is_right { OK } else { "wrong" });
    drop(step);
    if is_right {
        standing.succeeded().await;
        let user = user.map_or("", |user| &user.sub);
        tracing::info!(user, address = %from, "password accepted");
    } else {
        tracing::warn!(address = %from, "password refused");
    }
    is_right
}

fn too_early(wait: Duration) -> Reason {
    let seconds = wait.as_millis().div_ceil(1000).try_into();
    Reason::TooEarly(seconds.unwrap_or(1))
}
