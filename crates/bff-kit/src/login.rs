//! `GET /login`: makes state, nonce and PKCE verifier, saves the pre-session,
//! and sends the browser to the provider.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use kit::{clock::Timestamp, config::Weaknesses, telemetry::names::span};
use oauth_types::pkce;
use tracing::Instrument as _;
use url::Url;
use web_kit::{
    explain::{TimeLeft, pause_page, with_explanation},
    problem::Problem,
    trace::{begin_login_trace, span_of},
};

use crate::{
    app::RequestBy,
    audiences::{self, API1, API2, Audience, PerApi},
    callback::CALLBACK,
    cookies::{self, Cookies, SetCookies},
    credentials::{Chosen, CredentialMethod, Credentials},
    pages::explain,
    params,
    pre_session::{NewLogin, StartLoginError, StartedLogin},
    problems::{provider_failed, store_unreachable},
    provider::{Provider, ProviderError},
    return_to::ReturnTo,
    second_provider,
    sessions::{About, Purpose, SessionMode, Sessions},
    state::Bff,
};

/// The most bytes in `acr_values`.
const MAX_ACR_VALUES: usize = 256;
/// Why a login cannot start with another provider.
const NO_PROVIDER: &str = "This app has no provider of this name.";
/// What `prompt` may say (OIDC Core §3.1.2.1).
const PROMPTS: [&str; 4] = ["none", "login", "consent", "select_account"];

/// The parameters that choose how the session gets the credential for each API.
pub(crate) const API1_CREDENTIAL: &str = "api1_credential";
pub(crate) const API2_CREDENTIAL: &str = "api2_credential";

/// The query of `/login`.
#[derive(Debug, PartialEq, Eq)]
struct LoginOptions {
    return_to: ReturnTo,
    prompt: Option<String>,
    max_age: Option<u32>,
    acr_values: Option<String>,
    mode: Option<SessionMode>,
    credentials: Chosen,
    /// Whether it asks for the second provider of a lab.
    second_provider: bool,
}

impl LoginOptions {
    /// `choice`: whether a login may choose its session's mode. `credentials` says which
    /// credential methods it may choose.
    fn read(
        query: &str,
        choice: bool,
        credentials: &Credentials,
        weaknesses: Weaknesses,
    ) -> Result<Self, String> {
        let params = params::parse(query.as_bytes()).map_err(|e| e.to_string())?;
        // An empty return_to is an error, not the home page.
        let return_to = params.get_or_empty("return_to").map_or_else(
            || Ok(ReturnTo::home()),
            |text| ReturnTo::read(text, weaknesses),
        );
        let prompt = params.get("prompt").map(read_prompt).transpose()?;
        let max_age = params.get("max_age").map(str::parse).transpose();
        let acr_values = params.get("acr_values");
        let is_printable = |text: &str| {
            text.len() <= MAX_ACR_VALUES && text.bytes().all(|b| (0x20..0x7F).contains(&b))
        };
        if acr_values.is_some_and(|text| !is_printable(text)) {
            return Err(format!(
                "acr_values are at most {MAX_ACR_VALUES} printable characters."
            ));
        }
        let mode = params.get("mode").map(str::parse).transpose();
        let mode = mode.map_err(|expected| format!("mode: {expected}."))?;
        if mode.is_some() && !choice {
            return Err("This app does not let a login choose its session mode.".to_owned());
        }
        let chosen = |name, audience| {
            let method = params
                .get(name)
                .map(|text| choose(name, text, audience, credentials));
            method.transpose()
        };
        Ok(Self {
            mode,
            credentials: PerApi {
                api1: chosen(API1_CREDENTIAL, &API1)?,
                api2: chosen(API2_CREDENTIAL, &API2)?,
            },
            second_provider: second_provider(params.get("provider"))?,
            return_to: return_to.map_err(|e| e.to_string())?,
            prompt,
            max_age: max_age.map_err(|_| "max_age is a number of seconds.")?,
            acr_values: acr_values.map(ToOwned::to_owned),
        })
    }

    /// Whether the browser has to go to the provider even with a live session.
    const fn asks_for_more(&self) -> bool {
        self.prompt.is_some()
            || self.max_age.is_some()
            || self.acr_values.is_some()
            || self.second_provider
    }

    /// Whether the session of `about` has the mode and the credential methods that the
    /// login asks for.
    fn fits(&self, about: &About, sessions: &Sessions) -> bool {
        let is_got_by = |audience: &'static Audience| {
            let method = sessions.credentials().method(about.credentials, audience);
            let asked = self.credentials.of(audience);
            asked.is_none_or(|asked| asked == method)
        };
        self.mode.is_none_or(|asked| asked == about.mode)
            && Audience::ALL.into_iter().all(is_got_by)
    }

    /// The earliest time at which the user may have signed in at the provider; `None`: any.
    fn signed_in_since(&self, now: Timestamp) -> Option<Timestamp> {
        let fresh = self
            .prompt
            .as_deref()
            .is_some_and(|prompt| prompt.split(' ').any(|p| p == "login"));
        let max_age = self
            .max_age
            .map(|secs| now - Duration::from_secs(secs.into()));
        if fresh { Some(now) } else { max_age }
    }
}

/// Whether the parameter `provider` names the second provider of a lab.
fn second_provider(name: Option<&str>) -> Result<bool, String> {
    match name {
        None => Ok(false),
        Some(second_provider::NAME) => Ok(true),
        Some(_) => Err(NO_PROVIDER.to_owned()),
    }
}

/// The method `text` for `audience`, where a login may choose it.
fn choose(
    name: &str,
    text: &str,
    audience: &'static Audience,
    credentials: &Credentials,
) -> Result<CredentialMethod, String> {
    if !credentials.choice() {
        return Err("This app does not let a login choose how it gets credentials.".to_owned());
    }
    let method: CredentialMethod = text
        .parse()
        .map_err(|known| format!("{name} is {known}."))?;
    if credentials.has(method, audience) {
        return Ok(method);
    }
    Err(format!(
        "{name}: this app does not use {method} for {}.",
        audience.uri
    ))
}

/// OIDC Core §3.1.2.1: values of [`PROMPTS`]; `none` stands alone.
fn read_prompt(text: &str) -> Result<String, String> {
    let words: Vec<_> = text.split(' ').collect();
    let known = words.len() <= PROMPTS.len() && words.iter().all(|word| PROMPTS.contains(word));
    if !known || (words.len() > 1 && words.contains(&"none")) {
        return Err("prompt is none, or some of login, consent, select_account.".to_owned());
    }
    Ok(text.to_owned())
}

/// `GET /login`.
pub(crate) async fn login(req: HttpRequest, bff: web::Data<Bff>) -> Result<HttpResponse, Problem> {
    let bad =
        |why: String| Problem::new(StatusCode::BAD_REQUEST, "Cannot start the login").detail(why);
    let choice = bff.sessions.settings().choice;
    let credentials = bff.sessions.credentials();
    let query = req.query_string();
    let options = LoginOptions::read(query, choice, credentials, bff.weaknesses);
    let options = options.map_err(|why| {
        let refused = || drop(kit::step!(span::LOGIN_CHECK, "sso.outcome" = "refused"));
        span_of(&req).in_scope(refused);
        bad(why)
    })?;
    if bff.provider_of(options.second_provider).is_none() {
        return Err(bad(NO_PROVIDER.to_owned()));
    }
    if let Some(name) = cookies::duplicate(&Cookies::of(&req)) {
        return Ok(web_kit::cookies::duplicate_page(&req, bff.app.site, name));
    }
    let state = bff.random.token();
    let span = begin_login_trace(&req, &state);
    start(&req, &bff, &options, &state).instrument(span).await
}

async fn start(
    req: &HttpRequest,
    bff: &Bff,
    options: &LoginOptions,
    state: &str,
) -> Result<HttpResponse, Problem> {
    let mut set = SetCookies::default();
    if !options.asks_for_more() {
        let (session, changed) = bff.sessions.open(req, Purpose::USE).await?;
        if session.is_some_and(|session| options.fits(session.about(), &bff.sessions)) {
            let answer = redirect(options.return_to.as_str());
            let answer = with_explanation(answer, || explain::signed_in_already(&bff.app));
            return Ok(changed.add_to(answer));
        }
        set = changed;
    }
    if is_pushed(bff, options)
        && let Some(page) = pause_page(req, bff.provider.issuer(), || explain::push(&bff.app))
    {
        return Ok(set.add_to(page));
    }
    let answer = match to_provider(req, bff, options, state).await {
        Ok(AuthorizationRedirect {
            location,
            cookies,
            times_left,
        }) => {
            set.append(cookies);
            let again = || req.uri().path_and_query().map(ToString::to_string);
            with_explanation(redirect(location.as_str()), || {
                explain::request(&bff.app, is_pushed(bff, options), times_left, again())
            })
        }
        Err(problem) => HttpResponse::from_error(problem),
    };
    Ok(set.add_to(answer))
}

/// The provider of this login.
fn provider<'a>(bff: &'a Bff, options: &LoginOptions) -> &'a Provider {
    let chosen = bff.provider_of(options.second_provider);
    chosen.unwrap_or(&bff.provider)
}

/// Whether the request is pushed. The attacker's provider takes it in the URL.
fn is_pushed(bff: &Bff, options: &LoginOptions) -> bool {
    !options.second_provider && bff.app.request == RequestBy::Push
}

/// The redirect to the provider.
struct AuthorizationRedirect {
    /// The authorization request's URL.
    location: Url,
    /// The cookies that bind the login to this browser.
    cookies: SetCookies,
    /// How long the pre-session, and a pushed request, remain valid.
    times_left: Vec<TimeLeft>,
}

/// Saves the pre-session and makes the authorization request.
async fn to_provider(
    req: &HttpRequest,
    bff: &Bff,
    options: &LoginOptions,
    state: &str,
) -> Result<AuthorizationRedirect, Problem> {
    let provider = provider(bff, options);
    let login = NewLogin {
        return_to: options.return_to.as_str(),
        signed_in_since: options.signed_in_since(bff.clock.now()),
        mode: options.mode,
        credentials: options.credentials,
        pushes: is_pushed(bff, options),
        second_provider: options.second_provider,
    };
    let saving = bff.pre_sessions.begin(req, state, login);
    let started = saving.instrument(kit::step!(span::PRE_SESSION)).await;
    let started = started.map_err(cannot_start)?;
    let redirect_uri = format!("{}{CALLBACK}", bff.origin(req));
    let client_id = provider.client_id().to_owned();
    let params = request_params(client_id, redirect_uri, options, state, &started);
    let (location, request_uri) = location(bff, options, params)
        .await
        .map_err(|error| provider_failed(&error))?;
    let what = "The app's record of this sign-in (state, nonce, code_verifier)";
    let login = TimeLeft::new(what, bff.clock.now(), started.ends);
    Ok(AuthorizationRedirect {
        location,
        cookies: started.cookies.into(),
        times_left: request_uri.into_iter().chain([login]).collect(),
    })
}

fn cannot_start(error: StartLoginError) -> Problem {
    let cannot = "Cannot start the login";
    match error {
        StartLoginError::Store(error) => store_unreachable(&error.to_string()),
        StartLoginError::TooLarge => {
            Problem::new(StatusCode::BAD_REQUEST, cannot).detail("return_to is too long.")
        }
        StartLoginError::TooMany => Problem::new(StatusCode::TOO_MANY_REQUESTS, cannot)
            .detail("Too many unfinished logins. Try again in a minute.")
            .retry_after(60),
    }
}

fn redirect(location: &str) -> HttpResponse {
    HttpResponse::Found()
        .insert_header((header::LOCATION, location))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// The authorization request (OIDC Core §3.1.2.1, RFC 7636 §4.3).
fn request_params(
    client_id: String,
    redirect_uri: String,
    options: &LoginOptions,
    state: &str,
    started: &StartedLogin,
) -> Vec<(&'static str, String)> {
    let mut params = vec![
        ("response_type", "code".to_owned()),
        ("client_id", client_id),
        ("redirect_uri", redirect_uri),
        ("scope", audiences::scope().to_string()),
        ("state", state.to_owned()),
        ("nonce", started.nonce.clone()),
        ("code_challenge", pkce::challenge(&started.verifier)),
        ("code_challenge_method", pkce::S256.to_owned()),
    ];
    params.extend(options.prompt.clone().map(|prompt| ("prompt", prompt)));
    params.extend(options.max_age.map(|secs| ("max_age", secs.to_string())));
    params.extend(
        options
            .acr_values
            .clone()
            .map(|values| ("acr_values", values)),
    );
    params
}

/// The URL of the authorization request. If the request is pushed, the URL contains only
/// the client's id and the `request_uri` (RFC 9126 §4). Also returns how long the
/// `request_uri` remains valid.
async fn location(
    bff: &Bff,
    options: &LoginOptions,
    mut params: Vec<(&'static str, String)>,
) -> Result<(Url, Option<TimeLeft>), ProviderError> {
    let provider = provider(bff, options);
    let discovery = provider.discovery().await?;
    let mut url = discovery.metadata.authorization_endpoint.clone();
    let mut time_left = None;
    if is_pushed(bff, options) {
        let now = bff.clock.now();
        let pushed = provider.push(&params).await?;
        let ends = pushed.expires_in.map(|expires_in| now + expires_in);
        time_left = ends.map(|ends| TimeLeft::new("The request_uri", now, ends));
        params = vec![
            ("client_id", provider.client_id().to_owned()),
            ("request_uri", pushed.request_uri),
        ];
    }
    url.query_pairs_mut().extend_pairs(params);
    Ok((url, time_left))
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
