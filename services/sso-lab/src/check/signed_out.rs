//! Checks of an app without a user.

use kit::config::Site;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::{
    args::Plan,
    browser::{Answer, Browser},
    outcome::{Failure, Found, Step, Stop, done, ensure},
    provider::{DISCOVERY, is_from},
    ready,
    run::Run,
};

/// The four ways to keep a session.
pub(super) const MODES: [&str; 4] = ["stateful", "cached", "hybrid", "stateless"];
/// An origin that no app accepts.
const OTHER_ORIGIN: &str = "https://other.invalid";

/// How an app keeps its sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// The session mode.
    pub(super) mode: String,
    /// Whether a login may choose.
    pub(super) choice: bool,
}

pub(super) async fn check(run: &mut Run, plan: &Plan, app: Site) -> About {
    let label = app.label();
    let name = |what: &str| format!("{label}: {what}");
    let (app_ready, idp_ready) = (ready(app), ready(Site::Idp));
    let url = plan.url(app);
    let signed_out = name("GET /session says that nobody is signed in");
    let mode = run
        .step(&signed_out, &[&app_ready], session(plan, &url))
        .await
        .unwrap_or_default();
    let chooses = name("a login may choose its session mode, or not");
    let choice = may_choose(plan, &url, &mode);
    let choice = run
        .step(&chooses, &[&signed_out, &idp_ready], choice)
        .await
        .unwrap_or_default();
    let refuses = name("refuses calls without a session");
    run.step(&refuses, &[&app_ready], refuses_calls(plan, &url))
        .await;
    let forgery = name("refuses forged requests");
    run.step(&forgery, &[&app_ready], refuses_forgery(plan, &url))
        .await;
    let returns = name("a login returns only to the app");
    run.step(&returns, &[&app_ready], returns_to_app(plan, &url))
        .await;
    let login = name("a login redirects to the provider with PKCE and state");
    let needs = [app_ready.as_str(), idp_ready.as_str(), DISCOVERY];
    run.step(&login, &needs, redirects_to_provider(plan, app))
        .await;
    let form = name("a login shows the provider's form, which cannot be framed");
    run.step(&form, &[&login], shows_form(plan, &url)).await;
    let unknown = name("prompt=none without a session is login_required, with the issuer");
    run.step(&unknown, &[&login], login_required(plan, &url))
        .await;
    About { mode, choice }
}

/// `GET /session` without a session. Returns the session mode.
async fn session(plan: &Plan, app: &str) -> Step<String> {
    let mut browser = Browser::new(&plan.transport);
    let answer = browser.get(&format!("{app}/session")).await?.expect(200)?;
    let session = answer.json()?;
    ensure(session["authenticated"] == false, || {
        answer.failure("says that a user is signed in")
    })?;
    let mode = session["mode"].as_str().unwrap_or_default().to_owned();
    ensure(MODES.contains(&mode.as_str()), || {
        answer.failure("names an unknown session mode")
    })?;
    Ok(Found::new(mode.clone(), format!("sessions are {mode}")))
}

/// `/login?mode=` begins a login where it is switched on (BFF_SESSION_MODE_CHOICE).
async fn may_choose(plan: &Plan, app: &str, mode: &str) -> Step<bool> {
    let mut browser = Browser::new(&plan.transport);
    let answer = browser.get(&format!("{app}/login?mode={mode}")).await?;
    match answer.status {
        302 | 303 => Ok(Found::new(true, "yes")),
        400 => Ok(Found::new(false, "no")),
        _ => Err(answer.failure("is neither a redirect nor 400").into()),
    }
}

/// 401 with a problem document, and no redirect (RFC 9457).
async fn refuses_calls(plan: &Plan, app: &str) -> Step {
    let mut browser = Browser::new(&plan.transport);
    for path in ["/api1/data", "/api1/report", "/api2/data", "/sessions"] {
        let answer = browser.get(&format!("{app}{path}")).await?;
        is_problem(&answer.expect(401)?)?;
    }
    for path in ["/api1/data", "/api2/data"] {
        let order = json!({ "item": "nothing", "quantity": 1 });
        let answer = browser.post_json(&format!("{app}{path}"), &order).await?;
        is_problem(&answer.expect(401)?)?;
    }
    Ok(done())
}

fn is_problem(answer: &Answer) -> Result<(), Failure> {
    let kind = answer.header("content-type").unwrap_or_default();
    ensure(kind.starts_with("application/problem+json"), || {
        answer.failure("is not application/problem+json (RFC 9457)")
    })
}

/// An unsafe method needs a header that another site's page cannot send; a request
/// from another site is refused.
async fn refuses_forgery(plan: &Plan, app: &str) -> Step {
    let mut browser = Browser::new(&plan.transport);
    let json = ("content-type", "application/json");
    let proof = ("x-csrf", "1");
    let forged: [(&str, &[(&str, &str)]); 4] = [
        ("without X-CSRF", &[json]),
        (
            "from another origin",
            &[json, proof, ("origin", OTHER_ORIGIN)],
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
            let answer = browser.call(Method::POST, &url, headers, "{}").await?;
            ensure(answer.status == 403, || {
                answer.failure(&format!("to a POST {what} should be 403"))
            })?;
        }
    }
    let url = format!("{app}/session");
    let read = browser
        .call(Method::GET, &url, &[("origin", OTHER_ORIGIN)], "")
        .await?;
    let open = read.header("access-control-allow-origin").is_some();
    ensure(!open, || {
        read.failure("allows scripts of other origins to read it (CORS)")
    })?;
    Ok(done())
}

/// A login does not redirect to another site.
async fn returns_to_app(plan: &Plan, app: &str) -> Step {
    let mut browser = Browser::new(&plan.transport);
    for to in ["//other.invalid", "https%3A%2F%2Fother.invalid%2F"] {
        let answer = browser.get(&format!("{app}/login?return_to={to}")).await?;
        ensure(answer.status == 400, || {
            answer.failure("to a return_to of another site should be 400")
        })?;
    }
    Ok(done())
}

/// RFC 6749 §4.1.1, RFC 7636 §4.3. A pushed request (RFC 9126) shows only its
/// `request_uri`.
async fn redirects_to_provider(plan: &Plan, app: Site) -> Step {
    let mut browser = Browser::new(&plan.transport);
    let url = plan.url(app);
    let answer = browser.get(&format!("{url}/login")).await?;
    let to = authorization(plan, &answer)?;
    let wrong = |what: &str| Stop::from(answer.failure(what));
    if param(&to, "client_id").is_empty() {
        return Err(wrong("redirects without a client_id"));
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
            return Err(wrong(&format!("redirects without {name}={value}")));
        }
    }
    for name in ["state", "nonce", "code_challenge"] {
        if param(&to, name).len() < 22 {
            return Err(wrong(&format!(
                "redirects without a {name} of 22 characters or more"
            )));
        }
    }
    Ok(Found::new((), "the request is in the URL"))
}

/// The sign-in form, which no other site may frame.
async fn shows_form(plan: &Plan, app: &str) -> Step {
    let mut browser = Browser::new(&plan.transport);
    let page = browser.open(&format!("{app}/login")).await?.expect(200)?;
    let form = browser.form().filter(|_| page.is_of(&plan.issuer));
    ensure(
        form.is_some_and(|form| form.has("username") && form.has("password")),
        || page.failure("is not the provider's sign-in form"),
    )?;
    let policy = page.header("content-security-policy").unwrap_or_default();
    ensure(policy.contains("frame-ancestors 'none'"), || {
        page.failure("can be framed by another site")
    })?;
    Ok(done())
}

/// `prompt=none` without a session: the provider answers at once, and names itself.
async fn login_required(plan: &Plan, app: &str) -> Step {
    let mut browser = Browser::new(&plan.transport);
    let answer = browser.get(&format!("{app}/login?prompt=none")).await?;
    let to = authorization(plan, &answer)?;
    let answer = browser.get(to.as_str()).await?;
    let back = answer
        .redirect()
        .ok_or_else(|| answer.failure("does not redirect to the app"))?;
    ensure(
        back.as_str().starts_with(&format!("{app}/callback?")),
        || answer.failure("redirects to another URL than the app's callback"),
    )?;
    ensure(param(&back, "error") == "login_required", || {
        answer.failure("is not login_required (OIDC Core §3.1.2.6)")
    })?;
    is_from(&plan.issuer, &back)?;
    Ok(done())
}

/// The target of the redirect to the provider.
fn authorization(plan: &Plan, answer: &Answer) -> Result<Url, Failure> {
    let to = answer.redirect();
    let to = to.filter(|to| {
        to.as_str()
            .starts_with(&format!("{}/authorize?", plan.issuer))
    });
    to.ok_or_else(|| answer.failure("does not redirect to the provider's authorization endpoint"))
}

fn param(url: &Url, name: &str) -> String {
    let mut pairs = url.query_pairs();
    let found = pairs.find(|(key, _)| key == name);
    found.map_or_else(String::new, |(_, value)| value.into_owned())
}

/// The app's `/session` for `browser`.
pub(super) async fn session_of(browser: &mut Browser, app: &str) -> Result<Value, Failure> {
    // This read does not extend the session.
    let answer = browser.get(&format!("{app}/session?slide=false")).await?;
    answer.expect(200)?.json()
}
