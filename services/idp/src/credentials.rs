//! What a person typed into a sign-in form: checked, and slowed where it fails
//! again and again, whatever the form is for.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use kit::{
    step,
    telemetry::{
        names::{OK, span},
        place::in_place,
    },
};
use store::StoreError;
use tracing::{Instrument as _, field::Empty};
use web_kit::client::{ClientAddr, client_addr};

use crate::{pages::LoginPage, params::Params, settings::User, state::Idp, throttle::Attempt};

/// Why the form is shown again.
pub struct Again {
    username: String,
    /// Seconds to wait; none where the password was just wrong.
    wait: Option<u64>,
}

impl Again {
    /// `form` with what was typed, and the reason. A success leads to
    /// `redirect_uri` in the end.
    pub fn respond(self, form: LoginPage, redirect_uri: &str) -> HttpResponse {
        let (status, problem) = match self.wait {
            None => (
                StatusCode::UNAUTHORIZED,
                "User name and password do not belong together.".to_owned(),
            ),
            Some(seconds) => (
                StatusCode::TOO_MANY_REQUESTS,
                format!("Too many failed attempts. Try again in {seconds} s."),
            ),
        };
        let form = LoginPage {
            username: self.username,
            problem: Some(problem),
            ..form
        };
        let mut page = form.respond(status, redirect_uri);
        if let Some(seconds) = self.wait {
            page.headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        page
    }
}

/// The user whose name and password the form `params` has.
pub async fn check<'i>(
    idp: &'i web::Data<Idp>,
    req: &HttpRequest,
    params: &Params,
) -> Result<Result<&'i User, Again>, StoreError> {
    let text = |name| params.one(name).ok().flatten().unwrap_or_default();
    let (username, password) = (text("username"), text("password"));
    // A task of its own: a browser that goes away must not spare its failure.
    let tried = try_password(
        web::Data::clone(idp),
        client_addr(req),
        username.to_owned(),
        password.to_owned(),
    );
    let tried = tokio::spawn(in_place(tried)).await;
    let outcome = match &tried {
        Ok(Ok(Tried::Right(_))) => OK,
        Ok(Ok(Tried::Wrong)) => "wrong",
        Ok(Ok(Tried::TooEarly(_))) => "slowed",
        Ok(Err(_)) | Err(_) => "error",
    };
    idp.meters.sign_ins.add(&[outcome]);
    let wait = match tried.unwrap_or(Ok(Tried::TooEarly(Duration::from_secs(1))))? {
        Tried::Right(sub) => match idp.settings.user(&sub) {
            Some(user) => return Ok(Ok(user)),
            None => None,
        },
        Tried::Wrong => None,
        Tried::TooEarly(wait) => {
            let seconds = wait.as_millis().div_ceil(1000).try_into();
            Some(seconds.unwrap_or(1))
        }
    };
    let username = username.chars().take(LoginPage::MAX_USERNAME).collect();
    Ok(Err(Again { username, wait }))
}

enum Tried {
    /// The user's `sub`.
    Right(String),
    Wrong,
    TooEarly(Duration),
}

async fn try_password(
    idp: web::Data<Idp>,
    address: ClientAddr,
    username: String,
    password: String,
) -> Result<Tried, StoreError> {
    let attempt = Attempt::new(&idp, &username, address);
    // Looked at with a slot in hand: of many tries at once only as many as
    // there are slots come before the first failure counts.
    let Some(slot) = idp.passwords.slot().await else {
        return Ok(Tried::TooEarly(Duration::from_secs(1)));
    };
    if let Err(wait) = attempt.begin(&idp).await? {
        tracing::warn!(%address, "a sign-in was slowed");
        return Ok(Tried::TooEarly(wait));
    }
    let step = step!(span::PASSWORD, "sso.outcome" = Empty);
    let check = idp
        .passwords
        .check(slot, &idp.settings, &username, &password);
    let found = check.instrument(step.clone()).await;
    step.record("sso.outcome", if found.is_some() { OK } else { "wrong" });
    drop(step);
    let Some(user) = found else {
        attempt.failed(&idp).await?;
        tracing::warn!(%address, "password refused");
        return Ok(Tried::Wrong);
    };
    attempt.succeeded(&idp).await?;
    tracing::info!(user = user.sub, %address, "password accepted");
    Ok(Tried::Right(user.sub.clone()))
}
