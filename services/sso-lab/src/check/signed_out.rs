//! What an app does for somebody who is not signed in.

use kit::config::Site;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::{
    args::Plan,
    browser::{Answer, Browser},
    form::Form,
    outcome::{Failure, Found, Step, Stop, done, ensure},
    provider::{DISCOVERY, is_from},
    ready,
    run::Run,
};

/// The four ways to keep a session.
pub(super) const MODES: [&str; 4] = ["stateful", "cached", "hybrid", "stateless"];
/// Somebody who is not us.
const STRANGER: &str = "https://stranger.invalid";

/// What an app says of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// How it keeps sessions.
    pub(super) mode: String,
    /// Whether a login may choose.
    pub(super) choice: bool,
}

pub(super) async fn check(run: &mut Run, plan: &Plan, app: Site) -> About {
    let label = app.label();
    let name = |what: &str| format!("{label}: {what}");
    let (app_ready, idp_ready) = (ready(app), ready(Site::Idp));
    let url = plan.url(app);
    let nobody = name("nobody is signed in");
    let mode = run
        .step(&nobody, &[&app_ready], session(plan, &url))
        .await
        .unwrap_or_default();
    let chooses = name("says whether a login may choose its session's mode");
    let choice = may_choose(plan, &url, &mode);
    let choice = run
        .step(&chooses, &[&nobody, &idp_ready], choice)
        .await
        .unwrap_or_default();
    let refuses = name("refuses calls without a session");
    run.step(&refuses, &[&app_ready], refuses_calls(plan, &url))
        .await;
    let forgery = name("refuses forged requests");
    run.step(&forgery, &[&app_ready], refuses_forgery(plan, &url))
        .await;
    let stays = name("a login returns to the app alone");
    run.step(&stays, &[&app_ready], returns_home(plan, &url))
        .await;
    let login = name("a login goes to the provider with PKCE and state");
    let needs = [app_ready.as_str(), idp_ready.as_str(), DISCOVERY];
    run.step(&login, &needs, goes_to_provider(plan, app)).await;
    let form = name("a login shows the provider's form, in nobody's frame");
    run.step(&form, &[&login], shows_form(plan, &url)).await;
    let unknown = name("the provider knows nobody here, and says who answers");
    run.step(&unknown, &[&login], answers_nobody(plan, &url))
        .await;
    About { mode, choice }
}

/// `GET /session`: nobody, and how sessions are kept.
async fn session(plan: &Plan, app: &str) -> Step<String> {
    let mut browser = Browser::new(&plan.wire);
    let answer = browser.get(&format!("{app}/session")).await?.expect(200)?;
    let session = answer.json()?;
    ensure(session["authenticated"] == false, || {
        answer.failure("says that somebody is signed in")
    })?;
    let mode = session["mode"].as_str().unwrap_or_default().to_owned();
    ensure(MODES.contains(&mode.as_str()), || {
        answer.failure("names no session mode that is known")
    })?;
    Ok(Found::new(mode.clone(), format!("sessions are {mode}")))
}

/// `/login?mode=` begins a login where it is switched on (BFF_SESSION_MODE_CHOICE).
async fn may_choose(plan: &Plan, app: &str, mode: &str) -> Step<bool> {
    let mut browser = Browser::new(&plan.wire);
    let answer = browser.get(&format!("{app}/login?mode={mode}")).await?;
    match answer.status {
        302 | 303 => Ok(Found::new(true, "it may")),
        400 => Ok(Found::new(false, "it may not")),
        _ => Err(answer
            .failure("neither begins a login nor refuses it")
            .into()),
    }
}

/// 401 with a problem document, and no redirect (RFC 9457).
async fn refuses_calls(plan: &Plan, app: &str) -> Step {
    let mut browser = Browser::new(&plan.wire);
    for path in ["/api1/data", "/api1/report", "/api2/data", "/sessions"] {
        let answer = browser.get(&format!("{app}{path}")).await?;
        is_refused(&answer.expect(401)?)?;
    }
    for path in ["/api1/data", "/api2/data"] {
        let order = json!({ "item": "nothing", "quantity": 1 });
        let answer = browser.post_json(&format!("{app}{path}"), &order).await?;
        is_refused(&answer.expect(401)?)?;
    }
    Ok(done())
}

fn is_refused(answer: &Answer) -> Result<(), Failure> {
    let kind = answer.header("content-type").unwrap_or_default();
    ensure(kind.starts_with("application/problem+json"), || {
        answer.failure("is no problem document (RFC 9457)")
    })
}

/// What changes something needs a header that no other site's page can send;
/// and what another site sends is refused.
async fn refuses_forgery(plan: &Plan, app: &str) -> Step {
    let mut browser = Browser::new(&plan.wire);
    let json = ("content-type", "application/json");
    let proof = ("x-csrf", "1");
    let forged: [(&str, &[(&str, &str)]); 4] = [
        ("without X-CSRF", &[json]),
        (
            "from a stranger's origin",
            &[json, proof, ("origin", STRANGER)],
        ),
        (
            "from another site",
            &[json, proof, ("sec-fetch-site", "cross-site")],
        ),
        (
            "from a sibling",
            &[json, proof, ("sec-fetch-site", "same-site")],
        ),
    ];
    for path in ["/api1/data", "/api2/data", "/logout"] {
        for (what, headers) in forged {
            let url = format!("{app}{path}");
            let body = Some(json!({}).to_string());
            let answer = browser.call(Method::POST, &url, headers, body).await?;
            ensure(answer.status == 403, || {
                answer.failure(&format!("came to a POST {what}, where 403 was due"))
            })?;
        }
    }
    let url = format!("{app}/session");
    let read = browser
        .call(Method::GET, &url, &[("origin", STRANGER)], None)
        .await?;
    let open = read.header("access-control-allow-origin").is_some();
    ensure(!open, || {
        read.failure("lets scripts of other origins read it (CORS)")
    })?;
    Ok(done())
}

/// A login is no way to send a browser elsewhere.
async fn returns_home(plan: &Plan, app: &str) -> Step {
    let mut browser = Browser::new(&plan.wire);
    for to in ["//stranger.invalid", "https%3A%2F%2Fstranger.invalid%2F"] {
        let answer = browser.get(&format!("{app}/login?return_to={to}")).await?;
        ensure(answer.status == 400, || {
            answer.failure("came to a foreign return_to, where 400 was due")
        })?;
    }
    Ok(done())
}

/// RFC 6749 §4.1.1, RFC 7636 §4.3; pushed (RFC 9126) it shows only where it lies.
async fn goes_to_provider(plan: &Plan, app: Site) -> Step {
    let mut browser = Browser::new(&plan.wire);
    let url = plan.url(app);
    let answer = browser.get(&format!("{url}/login")).await?;
    let to = authorization(plan, &answer)?;
    let wrong = |what: &str| Stop::from(answer.failure(what));
    if param(&to, "client_id").is_empty() {
        return Err(wrong("names no client"));
    }
    if !param(&to, "request_uri").is_empty() {
        return Ok(Found::new((), "the request was pushed"));
    }
    let expected = [
        ("response_type", "code".to_owned()),
        ("redirect_uri", format!("{url}/callback")),
        ("code_challenge_method", "S256".to_owned()),
    ];
    for (name, value) in expected {
        if param(&to, name) != value {
            return Err(wrong(&format!("does not lead on with {name}={value}")));
        }
    }
    for name in ["state", "nonce", "code_challenge"] {
        if param(&to, name).len() < 22 {
            return Err(wrong(&format!("leads on without a good {name}")));
        }
    }
    Ok(Found::new((), "the request is in the URL"))
}

/// The form that asks who it is; no other site may show it in a frame.
async fn shows_form(plan: &Plan, app: &str) -> Step {
    let mut browser = Browser::new(&plan.wire);
    let page = browser.open(&format!("{app}/login")).await?.expect(200)?;
    let form = Form::first(&page.url, &page.body).filter(|_| page.is_of(&plan.issuer));
    ensure(
        form.is_some_and(|form| form.has("username") && form.has("password")),
        || page.failure("is no form of the provider's that asks for user and password"),
    )?;
    let policy = page.header("content-security-policy").unwrap_or_default();
    ensure(policy.contains("frame-ancestors 'none'"), || {
        page.failure("may be shown in another site's frame")
    })?;
    Ok(done())
}

/// `prompt=none` without a session: the provider answers at once, in its name.
async fn answers_nobody(plan: &Plan, app: &str) -> Step {
    let mut browser = Browser::new(&plan.wire);
    let answer = browser.get(&format!("{app}/login?prompt=none")).await?;
    let to = authorization(plan, &answer)?;
    let answer = browser.get(to.as_str()).await?;
    let back = answer
        .location()
        .ok_or_else(|| answer.failure("does not lead back to the app"))?;
    ensure(
        back.as_str().starts_with(&format!("{app}/callback?")),
        || answer.failure("leads elsewhere than to the app's callback"),
    )?;
    ensure(param(&back, "error") == "login_required", || {
        answer.failure("is not login_required (OIDC Core §3.1.2.6)")
    })?;
    is_from(&plan.issuer, &back)?;
    Ok(done())
}

/// Where the redirect to the provider leads.
fn authorization(plan: &Plan, answer: &Answer) -> Result<Url, Failure> {
    let to = answer.location();
    let to = to.filter(|to| {
        to.as_str()
            .starts_with(&format!("{}/authorize?", plan.issuer))
    });
    to.ok_or_else(|| answer.failure("does not lead to the provider"))
}

fn param(url: &Url, name: &str) -> String {
    let mut pairs = url.query_pairs();
    let found = pairs.find(|(key, _)| key == name);
    found.map_or_else(String::new, |(_, value)| value.into_owned())
}

/// What the app says of the session that `browser` holds.
pub(super) async fn session_of(browser: &mut Browser<'_>, app: &str) -> Result<Value, Failure> {
    // A look that does not count as use.
    let answer = browser.get(&format!("{app}/session?slide=false")).await?;
    answer.expect(200)?.json()
}
