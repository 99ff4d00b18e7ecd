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
use web_kit::{problem::Problem, trace::begin_login_trace};

use crate::{
    app::RequestBy,
    audiences,
    callback::CALLBACK,
    cookies::{self, Cookies, SetCookies},
    params,
    pre_session::{Begin, Begun, NotBegun},
    problems::{provider_failed, store_unreachable},
    provider::ProviderError,
    return_to::ReturnTo,
    sessions::{Purpose, SessionMode},
    state::Bff,
};

/// The most bytes in `acr_values`.
const MAX_ACR_VALUES: usize = 256;
/// What `prompt` may say (OIDC Core §3.1.2.1).
const PROMPTS: [&str; 4] = ["none", "login", "consent", "select_account"];

/// What a login asks for.
#[derive(Debug, PartialEq, Eq)]
struct Ask {
    return_to: ReturnTo,
    prompt: Option<String>,
    max_age: Option<u32>,
    acr_values: Option<String>,
    mode: Option<SessionMode>,
}

impl Ask {
    /// `choice`: whether a login may choose its session's mode.
    fn read(query: &str, choice: bool, weaknesses: Weaknesses) -> Result<Self, String> {
        let params = params::parse(query.as_bytes()).map_err(|e| e.to_string())?;
        // An empty one is not a local path either.
        let return_to = params.get_or_empty("return_to").map_or_else(
            || Ok(ReturnTo::home()),
            |text| ReturnTo::read(text, weaknesses),
        );
        let prompt = params.get("prompt").map(read_prompt).transpose()?;
        let max_age = params.get("max_age").map(str::parse).transpose();
        let acr_values = params.get("acr_values");
        let fine = |text: &str| {
            text.len() <= MAX_ACR_VALUES && text.bytes().all(|b| (0x20..0x7F).contains(&b))
        };
        if acr_values.is_some_and(|text| !fine(text)) {
            return Err(format!(
                "acr_values are at most {MAX_ACR_VALUES} printable characters."
            ));
        }
        let mode = params.get("mode").map(str::parse).transpose();
        let mode = mode.map_err(|known| format!("mode is {known}."))?;
        if mode.is_some() && !choice {
            return Err("This app does not let a login choose its session mode.".to_owned());
        }
        Ok(Self {
            mode,
            return_to: return_to.map_err(|e| e.to_string())?,
            prompt,
            max_age: max_age.map_err(|_| "max_age is a number of seconds.")?,
            acr_values: acr_values.map(ToOwned::to_owned),
        })
    }

    /// Whether the provider has to be asked even with a live session.
    const fn asks_for_more(&self) -> bool {
        self.prompt.is_some() || self.max_age.is_some() || self.acr_values.is_some()
    }

    /// The earliest time of sign-in that counts.
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

/// OIDC Core §3.1.2.1: known words, and `none` alone.
fn read_prompt(text: &str) -> Result<String, String> {
    let words: Vec<_> = text.split(' ').collect();
    let known = words.len() <= PROMPTS.len() && words.iter().all(|word| PROMPTS.contains(word));
    if !known || (words.len() > 1 && words.contains(&"none")) {
        return Err("prompt is none, or some of login, consent, select_account.".to_owned());
    }
    Ok(text.to_owned())
}

/// The handler.
pub(crate) async fn login(req: HttpRequest, bff: web::Data<Bff>) -> Result<HttpResponse, Problem> {
    let bad =
        |why: String| Problem::new(StatusCode::BAD_REQUEST, "Cannot start the login").detail(why);
    let choice = bff.sessions.settings().choice;
    let ask = Ask::read(req.query_string(), choice, bff.weaknesses).map_err(bad)?;
    if let Some(name) = cookies::doubled(&Cookies::of(&req)) {
        return Ok(web_kit::cookies::doubled(&req, bff.app.site, name));
    }
    let state = bff.random.token();
    let span = begin_login_trace(&req, &state);
    start(&req, &bff, &ask, &state).instrument(span).await
}

async fn start(
    req: &HttpRequest,
    bff: &Bff,
    ask: &Ask,
    state: &str,
) -> Result<HttpResponse, Problem> {
    let mut set = SetCookies::default();
    if !ask.asks_for_more() {
        let (session, changed) = bff.sessions.open(req, Purpose::USE).await?;
        let fits = |mode| ask.mode.is_none_or(|asked| asked == mode);
        if session.is_some_and(|session| fits(session.about().mode)) {
            return Ok(changed.on(redirect(ask.return_to.as_str())));
        }
        set = changed;
    }
    let answer = match to_provider(req, bff, ask, state).await {
        Ok((location, cookies)) => {
            set.append(cookies);
            redirect(location.as_str())
        }
        Err(problem) => HttpResponse::from_error(problem),
    };
    Ok(set.on(answer))
}

/// Saves the login; returns the authorization request's URL and the cookies that bind
/// the login to this browser.
async fn to_provider(
    req: &HttpRequest,
    bff: &Bff,
    ask: &Ask,
    state: &str,
) -> Result<(Url, SetCookies), Problem> {
    let login = Begin {
        return_to: ask.return_to.as_str(),
        signed_in_since: ask.signed_in_since(bff.clock.now()),
        mode: ask.mode,
        pushes: bff.app.request == RequestBy::Push,
    };
    let saving = bff.pre_sessions.begin(req, state, login);
    let begun = saving.instrument(kit::step!(span::PRE_SESSION)).await;
    let begun = begun.map_err(not_begun)?;
    let redirect_uri = format!("{}{CALLBACK}", bff.origin(req));
    let params = request_params(bff, redirect_uri, ask, state, &begun);
    let location = location(bff, params)
        .await
        .map_err(|error| provider_failed(&error))?;
    Ok((location, begun.cookies.into()))
}

fn not_begun(error: NotBegun) -> Problem {
    let cannot = "Cannot start the login";
    match error {
        NotBegun::Store(error) => store_unreachable(&error.to_string()),
        NotBegun::TooLarge => {
            Problem::new(StatusCode::BAD_REQUEST, cannot).detail("return_to is too long.")
        }
        NotBegun::TooMany => Problem::new(StatusCode::TOO_MANY_REQUESTS, cannot)
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
    bff: &Bff,
    redirect_uri: String,
    ask: &Ask,
    state: &str,
    begun: &Begun,
) -> Vec<(&'static str, String)> {
    let mut params = vec![
        ("response_type", "code".to_owned()),
        ("client_id", bff.provider.client_id().to_owned()),
        ("redirect_uri", redirect_uri),
        ("scope", audiences::scope().to_string()),
        ("state", state.to_owned()),
        ("nonce", begun.nonce.clone()),
        ("code_challenge", pkce::challenge(&begun.verifier)),
        ("code_challenge_method", pkce::S256.to_owned()),
    ];
    params.extend(ask.prompt.clone().map(|prompt| ("prompt", prompt)));
    params.extend(ask.max_age.map(|secs| ("max_age", secs.to_string())));
    params.extend(ask.acr_values.clone().map(|values| ("acr_values", values)));
    params
}

/// Where the browser goes. A pushed request leaves only its reference and the
/// client's id in the URL (RFC 9126 §4).
async fn location(bff: &Bff, params: Vec<(&'static str, String)>) -> Result<Url, ProviderError> {
    let known = bff.provider.known().await?;
    let mut url = known.metadata.authorization_endpoint.clone();
    let params = match bff.app.request {
        RequestBy::Url => params,
        RequestBy::Push => vec![
            ("client_id", bff.provider.client_id().to_owned()),
            ("request_uri", bff.provider.push(&params).await?),
        ],
    };
    url.query_pairs_mut().extend_pairs(params);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, choice: bool) -> Result<Ask, String> {
        Ask::read(query, choice, Weaknesses::default())
    }

    #[test]
    fn with_nothing_asked_it_leads_home_and_a_live_session_is_enough() {
        let ask = read("", true).unwrap();
        assert_eq!(ask.return_to.as_str(), "/");
        assert!(!ask.asks_for_more());
        assert!(!read("return_to=/docs", true).unwrap().asks_for_more());
        for more in [
            "prompt=login",
            "prompt=none",
            "max_age=0",
            "acr_values=urn:x",
        ] {
            assert!(read(more, true).unwrap().asks_for_more(), "{more}");
        }
    }

    #[test]
    fn what_no_login_of_ours_asks_for_is_refused() {
        let long = format!("acr_values={}", "a".repeat(MAX_ACR_VALUES + 1));
        let wrong = [
            "return_to=//evil",
            "return_to=http://evil",
            "return_to=%2F%5Cevil",
            "return_to=/&return_to=/docs",
            "prompt=none+login",
            "prompt=whatever",
            "prompt=login++login",
            "max_age=-1",
            "max_age=x",
            "max_age=99999999999",
            "acr_values=%0A",
            "mode=sticky",
            &long,
        ];
        for query in wrong {
            assert!(read(query, true).is_err(), "{query}");
        }
    }

    #[test]
    fn a_login_chooses_its_mode_only_where_it_may() {
        let ask = read("mode=hybrid", true).unwrap();
        assert_eq!(ask.mode, Some(SessionMode::Hybrid));
        assert!(read("mode=hybrid", false).is_err());
    }

    #[test]
    fn oidc_core_3_1_2_1_prompt_login_and_max_age_ask_for_a_fresh_sign_in() {
        let now = Timestamp::from_secs(1000);
        let since = |query: &str| {
            read(query, true)
                .unwrap()
                .signed_in_since(now)
                .map(Timestamp::secs)
        };
        assert_eq!(since("prompt=none"), None);
        assert_eq!(since("max_age=60"), Some(940));
        assert_eq!(since("prompt=login"), Some(1000));
        assert_eq!(since("prompt=login+consent&max_age=60"), Some(1000));
    }
}
