//! Explain mode: where an authorization waits for its reader before there is a code, and what
//! its responses say. An authorization session that waits is the one of the form, with the
//! same end; a password is posted once, and a code is issued once (`go_on`).

use actix_web::{HttpRequest, HttpResponse, http::Method};
use url::Url;
use web_kit::explain::{Explanation, GoOnForm, Pause, TimeLeft, pause_page};

use super::IncomingRequest;
use crate::{
    Idp, cookies,
    domain::{AuthorizationRequest, AuthorizationSession},
    pages::explain::{self, ArrivedRequest, Done},
    settings::Client,
};

/// The page at which an authorization request waits, before it is checked.
pub(super) fn arrived(
    idp: &Idp,
    req: &HttpRequest,
    client: &Client,
    request: &IncomingRequest,
) -> Option<HttpResponse> {
    let leads_to = match request {
        IncomingRequest::Pushed(pushed) => pushed.request.redirect_uri.clone(),
        IncomingRequest::Params(params) => {
            let uri = super::client::find_redirect_uri(client, params);
            uri.unwrap_or_default().to_owned()
        }
    };
    pause_page(req, &leads_to, || {
        let (prompt, times_left, stands_for) = match request {
            IncomingRequest::Pushed(pushed) => (
                pushed.request.prompt.clone(),
                vec![TimeLeft::new(
                    "The request_uri",
                    idp.now(),
                    pushed.usable_until(),
                )],
                parameters(&pushed.request),
            ),
            IncomingRequest::Params(params) => {
                let prompt = params.one("prompt").ok().flatten().unwrap_or_default();
                let prompt = prompt.split(' ').map(ToOwned::to_owned).collect();
                (prompt, Vec::new(), Vec::new())
            }
        };
        let has_session = cookies::read(req, cookies::SESSION).is_some();
        let is_pushed = matches!(request, IncomingRequest::Pushed(_));
        explain::arrived(ArrivedRequest {
            client: &client.name,
            is_pushed,
            has_session,
            asks_consent: !client.first_party || prompt.iter().any(|one| one == "consent"),
            prompt: &prompt,
            code: idp.settings.lifetimes.code,
            times_left,
            stands_for,
            again: start_of(client, &leads_to).filter(|_| is_pushed),
        })
    })
}

/// The parameters of a pushed request.
fn parameters(request: &AuthorizationRequest) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("client_id", request.client_id.clone()),
        ("redirect_uri", request.redirect_uri.clone()),
        ("scope", request.scope.to_string()),
    ];
    let more = [
        ("state", request.state.as_ref()),
        ("nonce", request.nonce.as_ref()),
        ("code_challenge", request.code_challenge.as_ref()),
        ("login_hint", request.login_hint.as_ref()),
    ];
    all.extend(
        more.into_iter()
            .filter_map(|(name, value)| Some((name, value?.clone()))),
    );
    if !request.prompt.is_empty() {
        all.push(("prompt", request.prompt.join(" ")));
    }
    all.extend(request.max_age.map(|secs| ("max_age", secs.to_string())));
    all
}

/// The page at which `session` waits before its code is issued. `form` leads on.
pub(super) fn code_follows(
    idp: &Idp,
    req: &HttpRequest,
    pause: &Pause,
    client: &Client,
    session: &AuthorizationSession,
    done: &Done,
    form: GoOnForm,
) -> HttpResponse {
    let to = &session.request.redirect_uri;
    let what = "This sign-in at the provider";
    let times_left = vec![TimeLeft::new(what, idp.now(), session.expires_at)];
    let code = idp.settings.lifetimes.code;
    let said = Explanation {
        again: start_of(client, to),
        ..explain::code_follows(done, &client.name, &host(to), code, times_left)
    };
    pause.after_form(req, said, form)
}

/// What the authorization response with a code says.
pub(super) fn response(
    idp: &Idp,
    req: &HttpRequest,
    request: &AuthorizationRequest,
    time_left: Option<TimeLeft>,
) -> Explanation {
    let client = idp.settings.client(&request.client_id);
    let name = client.map_or(&*request.client_id, |client| &client.name);
    // The app takes its state back once; until then the same request gets another code.
    let is_repeatable = *req.method() == Method::GET && request.pushed.is_none();
    let again = req.uri().path_and_query().map(ToString::to_string);
    let again = again.filter(|_| is_repeatable);
    let start = || start_of(client?, &request.redirect_uri);
    let again = again.or_else(start);
    explain::code(name, time_left.into_iter().collect(), again)
}

/// What the authorization response with an error to `redirect_uri` says.
pub(super) fn refusal(redirect_uri: &str) -> Explanation {
    explain::refusal(&host(redirect_uri))
}

/// Where a sign-in at `client` begins: at the address that it has registered for that, else
/// at the site of `redirect_uri`.
fn start_of(client: &Client, redirect_uri: &str) -> Option<String> {
    let registered = client.initiate_login_uri.as_ref();
    registered
        .map(ToString::to_string)
        .or_else(|| origin(redirect_uri))
}

/// Where the user starts again: the origin of a registered address, if it is a web site's.
fn origin(redirect_uri: &str) -> Option<String> {
    let url = redirect_uri.parse::<Url>().ok()?;
    let is_site = matches!(url.host(), Some(url::Host::Domain(_)));
    is_site.then(|| url.origin().ascii_serialization())
}

fn host(redirect_uri: &str) -> String {
    let url = redirect_uri.parse::<Url>().ok();
    url.map(|url| url.authority().to_owned())
        .unwrap_or_default()
}
