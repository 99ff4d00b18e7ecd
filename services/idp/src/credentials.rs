//! Checks the user name and password of a sign-in form, and slows down repeated
//! failures, whatever the form is for.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::Cookie,
    http::{StatusCode, header},
    web,
};
use kit::{
    clock::whole_secs,
    step,
    telemetry::{
        context::in_current_trace,
        names::{OK, span},
    },
};
use oauth_types::Params;
use store::StoreError;
use tracing::{Instrument as _, field::Empty};
use web_kit::client::{AddrBucket, ClientAddr, client_addr};

use crate::{
    Idp, cookies,
    pages::LoginPage,
    passwords::{
        Slot,
        typed::{self, Password},
    },
    settings::User,
    throttle::{Admitted, Attempt},
};

/// A failed sign-in: the form is shown again.
pub struct SignInFailure {
    username: String,
    reason: Reason,
}

#[derive(Clone, Copy)]
enum Reason {
    /// The name or the password was wrong.
    Wrong,
    /// Too many failures: seconds to wait.
    TooEarly(u64),
    /// Too many concurrent sign-ins.
    Busy,
}

/// Seconds to wait after too many concurrent sign-ins.
const BUSY_RETRY: u64 = 2;

impl SignInFailure {
    /// `form` with the typed user name and the reason. `redirect_uri` is where a
    /// successful sign-in leads.
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
                "Too many people are signing in right now. Try again in a few seconds.".to_owned(),
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

/// The user whose name and password are in `params`. If the future is dropped while it
/// waits for its turn, nothing is checked. After that a failure counts even if the
/// caller is gone.
pub async fn check<'i>(
    idp: &'i web::Data<Idp>,
    req: &HttpRequest,
    params: &Params,
) -> Result<Result<&'i User, SignInFailure>, StoreError> {
    let text = |name| params.one(name).ok().flatten().unwrap_or_default();
    let (username, password) = (text("username"), text("password"));
    let result = attempt(idp, req, username, password).await;
    let outcome = match &result {
        Ok(Ok(_)) => OK,
        Ok(Err(Reason::Wrong)) => "wrong",
        Ok(Err(Reason::TooEarly(_))) => "slowed",
        Ok(Err(Reason::Busy)) => "busy",
        Err(_) => "error",
    };
    idp.meters.sign_ins.add(&[outcome]);
    let username = || username.chars().take(typed::MAX_NAME).collect();
    Ok(result?.map_err(|reason| SignInFailure {
        username: username(),
        reason,
    }))
}

/// The cookie that makes this browser known for `user`, who has just signed in with
/// it.
pub fn known_browser(idp: &Idp, req: &HttpRequest, user: &User) -> Cookie<'static> {
    let before = cookies::read(req, cookies::KNOWN_BROWSER);
    let (now, before) = (idp.now(), before.as_deref());
    let browsers = &idp.known_browsers;
    let value = browsers.renewed(before, &user.sub, now, &*idp.random);
    cookies::known_browser(value, idp.weaknesses)
}

async fn attempt<'i>(
    idp: &'i web::Data<Idp>,
    req: &HttpRequest,
    username: &str,
    password: &str,
) -> Result<Result<&'i User, Reason>, StoreError> {
    let from = client_addr(req);
    let name = typed::user_name(username).ok();
    let user = name.as_deref();
    let user = user.and_then(|name| idp.settings.user_of_prepared_name(name));
    let cookie = cookies::read(req, cookies::KNOWN_BROWSER);
    let browser = cookie.as_deref().zip(user);
    let browser = browser.and_then(|(cookie, user)| {
        let known = idp.known_browsers.id(cookie, &user.sub, idp.now());
        known.map(str::to_owned)
    });
    let name = name.unwrap_or_else(|| username.to_owned());
    let (admitted, slot) = match admit(idp, name, from, browser).await? {
        Ok(both) => both,
        Err(reason) => return Ok(Err(reason)),
    };
    let password = Password::typed(password);
    let sub = user.map(|user| user.sub.clone());
    let checking = check_password(web::Data::clone(idp), from, admitted, slot, sub, password);
    // A task of its own: a failure counts even if the browser has disconnected.
    let is_right = tokio::spawn(in_current_trace(checking))
        .await
        .unwrap_or(false);
    Ok(user.filter(|_| is_right).ok_or(Reason::Wrong))
}

/// Waits for a slot, counts the attempt while it holds the slot, and delays the attempt
/// if the failures of its user require it.
async fn admit(
    idp: &web::Data<Idp>,
    name: String,
    from: ClientAddr,
    browser: Option<String>,
) -> Result<Result<(Admitted, Slot), Reason>, StoreError> {
    let slowed = |wait| {
        tracing::warn!(address = %from, "sign-in throttled");
        too_early(wait)
    };
    let slot = async || {
        idp.passwords.slot(from.bucket()).await.map_err(|_| {
            tracing::warn!(address = %from, "sign-in refused: too many are waiting");
            Reason::Busy
        })
    };
    let attempt = Attempt {
        name: &name,
        address: from.bucket(),
        known_browser: browser.as_deref(),
    };
    if let Some(wait) = attempt.wait_time(idp).await? {
        return Ok(Err(slowed(wait)));
    }
    let held = match slot().await {
        Ok(held) => held,
        Err(busy) => return Ok(Err(busy)),
    };
    let admitted = match count(idp, name, from.bucket(), browser).await? {
        Ok(admitted) => admitted,
        Err(wait) => return Ok(Err(slowed(wait))),
    };
    if admitted.delay.is_zero() {
        return Ok(Ok((admitted, held)));
    }
    // Others may use the slot during the delay.
    drop(held);
    if let Err(wait) = idp.delays.wait(from.bucket(), admitted.delay).await {
        return Ok(Err(too_early(wait)));
    }
    Ok(slot().await.map(|held| (admitted, held)))
}

/// Counts the attempt, in a task of its own: a disconnect never leaves it half counted.
async fn count(
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

async fn check_password(
    idp: web::Data<Idp>,
    from: ClientAddr,
    admitted: Admitted,
    slot: Slot,
    sub: Option<String>,
    password: Password,
) -> bool {
    let committed = admitted.commit();
    let user = sub.and_then(|sub| idp.settings.user(&sub));
    let step = step!(span::PASSWORD, "sso.outcome" = Empty);
    let hash = user.map(|user| &user.password_hash);
    let check = idp.passwords.check(slot, hash, password);
    let matches = check.instrument(step.clone()).await;
    let is_right = matches && user.is_some_and(|user| user.enabled);
    step.record("sso.outcome", if is_right { OK } else { "wrong" });
    drop(step);
    if is_right {
        committed.succeeded().await;
        let user = user.map_or("", |user| &user.sub);
        tracing::info!(user, address = %from, "password accepted");
    } else {
        tracing::warn!(address = %from, "password refused");
    }
    is_right
}

fn too_early(wait: Duration) -> Reason {
    Reason::TooEarly(whole_secs(wait))
}
