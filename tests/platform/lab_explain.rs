//! Explain mode: each redirect of one browser waits at a page that says what is about to be
//! sent. The same flows lead to the same end, nobody else waits, and no limit is longer.

use std::{path::Path, time::Duration};

use kit::config::Site;
use reqwest::Method;
use testkit::HeadlessBrowser;
use tests::{
    ALICE, BOB,
    journey::{begin, named, secrets_of, steps_until},
    session_at, sign_in, sign_in_to,
};

use crate::lab_journey::OneProcess;

/// Codes that are valid for 6 s.
const SHORT: [(&str, &str); 1] = [("code = \"60s\"", "code = \"6s\"")];

const LOGIN: [&str; 2] = [
    "App 1 sends your browser to the provider",
    "The provider has received the request of App 1",
];
const SIGNED_IN: [&str; 3] = [
    "You are signed in, and a code comes next",
    "The provider sends you back to App 1 with a code",
    "App 1 has signed you in and opens its page",
];

/// All services, with these changes of the provider's configuration, and a browser whose
/// redirects are explained.
async fn start(folder: &Path, changes: &[(&str, &str)]) -> (OneProcess, HeadlessBrowser) {
    let mut config = idp::settings::DEFAULT.to_owned();
    for (from, to) in changes {
        assert!(config.contains(from), "{from}");
        config = config.replace(from, to);
    }
    let file = folder.join("idp.toml");
    std::fs::write(&file, config).unwrap();
    let environment = [("IDP_CONFIG", file.to_str().unwrap())];
    let all = OneProcess::start(folder, &[], &environment).await;
    let mut cli = HeadlessBrowser::new();
    begin(&mut cli, &all.url(Site::Lab)).await;
    let page = cli.press("Explain mode").await;
    let switch = "value=\"off\"";
    assert!(
        page.url().path() == "/journey" && page.source().contains(switch),
        "{page}"
    );
    (all, cli)
}

/// Checks that the browser waits at the page `title`, which shows no secret.
fn waits_at(cli: &HeadlessBrowser, title: &str) {
    let page = cli.page();
    assert_eq!(page.status(), 200, "{page}");
    assert!(page.title().starts_with(title), "{title}: {page}");
    let text = page.text();
    assert!(text.contains("Explain mode"), "{page}");
    let mut secrets = secrets_of(cli);
    for link in page.links() {
        let all = link.query_pairs().filter(|(name, _)| {
            let secret = ["state", "code", "nonce", "request_uri", "code_challenge"];
            secret.contains(&&**name) || name == "id_token_hint"
        });
        secrets.extend(all.map(|(_, value)| value.into_owned()));
    }
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret} is shown: {page}");
    }
}

/// Presses Continue.
async fn go_on(cli: &mut HeadlessBrowser) {
    if cli.page().form_with_button("Continue").is_some() {
        cli.press("Continue").await;
    } else {
        let link = cli.page().links().first().unwrap().to_string();
        cli.follow(&link).await;
    }
}

/// Goes through the pages with these titles.
async fn through(cli: &mut HeadlessBrowser, titles: &[&str]) {
    for title in titles {
        waits_at(cli, title);
        go_on(cli).await;
    }
}

async fn signed_in_at(cli: &mut HeadlessBrowser, app: &str) -> bool {
    session_at(cli, app).await["authenticated"] == true
}

/// The steps `name` of the provider, once the journey has `last`.
async fn issued(cli: &mut HeadlessBrowser, lab: &str, name: &str, last: (&str, &str)) -> usize {
    let steps = steps_until(cli, lab, &[last]).await;
    let all = steps.iter().filter(|step| step["name"] == name);
    all.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_and_a_logout_lead_through_the_pages_to_their_usual_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mut cli) = start(folder.path(), &[]).await;
    a_login_by_a_form(&all, &mut cli).await;
    single_sign_on_with_a_pushed_request(&all, &mut cli).await;
    a_logout(&all, &mut cli).await;
}

async fn a_login_by_a_form(all: &OneProcess, cli: &mut HeadlessBrowser) {
    let (lab, app1) = (all.url(Site::Lab), all.url(Site::App1));
    cli.goto(&format!("{app1}/login?return_to=/docs")).await;
    through(cli, &LOGIN).await;
    sign_in(cli, ALICE).await;
    waits_at(cli, SIGNED_IN[0]);
    // After a form the step starts again with a new sign-in of the app.
    let links = cli.page().links();
    let is_login = |link: &url::Url| link.as_str() == format!("{app1}/login");
    assert!(links.iter().any(is_login), "{links:?}");
    let last = ("idp", "POST /sign-in");
    assert_eq!(issued(cli, &lab, "authorize.code_issue", last).await, 0);
    through(cli, &SIGNED_IN).await;
    assert_eq!(
        cli.page().url().as_str(),
        format!("{app1}/docs"),
        "{}",
        cli.page()
    );
    assert!(signed_in_at(cli, &app1).await);
}

async fn single_sign_on_with_a_pushed_request(all: &OneProcess, cli: &mut HeadlessBrowser) {
    let (lab, app2) = (all.url(Site::Lab), all.url(Site::App2));
    cli.goto(&format!("{app2}/login")).await;
    waits_at(cli, "App 2 is about to push its sign-in request");
    let last = ("app2-bff", "GET /login");
    assert_eq!(issued(cli, &lab, "login.par_push", last).await, 0);
    go_on(cli).await;
    waits_at(cli, "App 2 sends your browser to the provider");
    assert!(cli.page().text().contains("The request_uri ends at"));
    go_on(cli).await;
    waits_at(cli, "The provider has received the request of App 2");
    assert!(cli.page().text().contains("this is single sign-on"));
    let last = ("idp", "POST /par");
    assert_eq!(issued(cli, &lab, "authorize.code_issue", last).await, 1);
    go_on(cli).await;
    waits_at(cli, "The provider sends you back to App 2 with a code");
    go_on(cli).await;
    through(cli, &["App 2 has signed you in and opens its page"]).await;
    assert!(signed_in_at(cli, &app2).await);
}

async fn a_logout(all: &OneProcess, cli: &mut HeadlessBrowser) {
    let (app1, app2) = (all.url(Site::App1), all.url(Site::App2));
    cli.press("Sign out").await;
    through(
        cli,
        &["App 2 sends your browser to the provider to sign out"],
    )
    .await;
    waits_at(cli, "The provider has received a logout request");
    assert!(signed_in_at(cli, &app1).await, "it waits");
    go_on(cli).await;
    waits_at(cli, "You are signed out, and return to App 2");
    go_on(cli).await;
    assert_eq!(cli.page().url().as_str(), format!("{app2}/"));
    assert!(!signed_in_at(cli, &app1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_ends_in_its_own_time_and_the_step_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mut cli) = start(folder.path(), &SHORT).await;
    let app1 = all.url(Site::App1);

    cli.goto(&format!("{app1}/login")).await;
    through(&mut cli, &LOGIN).await;
    sign_in(&mut cli, ALICE).await;
    // A reader takes time here: no code runs out.
    code_is_over().await;
    through(&mut cli, &SIGNED_IN[..1]).await;
    waits_at(&cli, SIGNED_IN[1]);
    let page = cli.page();
    assert!(page.text().contains("The code ends at"), "{page}");
    let left = (1..=6).map(|left| format!("data-left=\"{left}\""));
    assert!(left.into_iter().any(|left| page.source().contains(&left)));
    code_is_over().await;
    go_on(&mut cli).await;
    assert!(cli.page().status() >= 400, "{}", cli.page());
    assert!(!signed_in_at(&mut cli, &app1).await);

    // Signed in at the provider, so the request itself gets another code.
    cli.goto(&format!("{app1}/login")).await;
    through(&mut cli, &LOGIN).await;
    waits_at(&cli, SIGNED_IN[1]);
    code_is_over().await;
    let again = cli.page().links()[1].to_string();
    assert!(again.contains("/authorize?"), "{again}");
    cli.follow(&again).await;
    through(&mut cli, &LOGIN[1..]).await;
    through(&mut cli, &SIGNED_IN[1..]).await;
    assert!(signed_in_at(&mut cli, &app1).await, "{}", cli.page());
}

/// Waits until a code of [`SHORT`] has expired: its life is the store's time too, which no test
/// sets in a real process.
async fn code_is_over() {
    tokio::time::sleep(Duration::from_millis(6200)).await;
}

/// Where the first link of the shown page leads.
fn link(cli: &HeadlessBrowser) -> String {
    cli.page().links()[0].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_loaded_again_has_the_same_code_until_the_app_has_redeemed_it() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mut cli) = start(folder.path(), &[]).await;
    let app1 = all.url(Site::App1);
    cli.goto(&format!("{app1}/login")).await;
    through(&mut cli, &LOGIN).await;
    sign_in(&mut cli, ALICE).await;
    let form = cli.page().form_with_button("Continue").unwrap();
    cli.submit(form.clone(), 20).await;
    let first = link(&cli);
    cli.submit(form.clone(), 20).await;
    waits_at(&cli, SIGNED_IN[1]);
    assert_eq!(link(&cli), first);
    assert!(cli.page().text().contains("The code ends at"));
    through(&mut cli, &SIGNED_IN[1..]).await;
    assert!(signed_in_at(&mut cli, &app1).await);
    // A reload is a request of the provider's own page.
    cli.goto(&all.url(Site::Idp)).await;
    cli.submit(form, 20).await;
    let page = cli.page();
    assert!(page.title().starts_with("You are signed in"), "{page}");
    assert!(link(&cli).starts_with(&app1), "{}", cli.page());
}

const CODE_FOR_APP2: &str = "The provider sends you back to App 2 with a code";

/// Begins the login of app2 for a user who is signed in at the provider, up to the page that
/// has the code. Returns the address of the authorization request.
async fn up_to_the_code(cli: &mut HeadlessBrowser, all: &OneProcess) -> String {
    cli.goto(&format!("{}/login", all.url(Site::App2))).await;
    go_on(cli).await;
    let request = link(cli);
    let idp = all.url(Site::Idp);
    assert!(
        request.starts_with(&format!("{idp}/authorize?")),
        "{request}"
    );
    go_on(cli).await;
    go_on(cli).await;
    waits_at(cli, CODE_FOR_APP2);
    request
}

/// Another browser, in explain mode; `user` signs in there at the provider.
async fn other_browser(all: &OneProcess, user: Option<tests::Person>) -> HeadlessBrowser {
    let mut other = HeadlessBrowser::new();
    begin(&mut other, &all.url(Site::Lab)).await;
    other.press("Explain mode").await;
    if let Some(user) = user {
        other.goto(&format!("{}/account", all.url(Site::Idp))).await;
        sign_in(&mut other, user).await;
    }
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9126_2_2_a_pushed_request_counts_once_and_its_page_that_is_loaded_again_has_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mut cli) = start(folder.path(), &[]).await;
    let (app2, idp) = (all.url(Site::App2), all.url(Site::Idp));
    cli.goto(&format!("{idp}/account")).await;
    sign_in(&mut cli, ALICE).await;
    let request = up_to_the_code(&mut cli, &all).await;
    let first = link(&cli);

    // The code is for this login session alone, not for another one of the same user.
    let ended = "This sign-in has ended";
    let over = "This step is over";
    for (user, title) in [(None, ended), (Some(BOB), over), (Some(ALICE), over)] {
        let mut other = other_browser(&all, user).await;
        let page = other.goto(&request).await;
        assert!(page.title().starts_with(title), "{user:?}: {page}");
        assert!(!page.source().contains("code="), "{user:?}: {page}");
    }
    cli.goto(&request).await;
    waits_at(&cli, CODE_FOR_APP2);
    assert_eq!(link(&cli), first);

    let titles = [CODE_FOR_APP2, "App 2 has signed you in and opens its page"];
    through(&mut cli, &titles).await;
    assert!(signed_in_at(&mut cli, &app2).await, "{}", cli.page());
    let page = cli.goto(&request).await;
    assert!(page.title().starts_with("You are signed in"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_code_that_has_expired_leads_to_the_app_when_it_is_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mut cli) = start(folder.path(), &SHORT).await;
    cli.goto(&format!("{}/account", all.url(Site::Idp))).await;
    sign_in(&mut cli, ALICE).await;
    let request = up_to_the_code(&mut cli, &all).await;
    code_is_over().await;
    let page = cli.goto(&request).await;
    assert!(page.title().starts_with("This step is over"), "{page}");
    assert!(
        link(&cli).starts_with(&all.url(Site::App2)),
        "{}",
        cli.page()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_and_a_second_submission_wait_too_and_the_code_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mut cli) = start(folder.path(), &[]).await;
    let app1 = all.url(Site::App1);
    cli.goto(&format!("{app1}/login?prompt=consent")).await;
    through(&mut cli, &LOGIN).await;
    sign_in(&mut cli, ALICE).await;
    let consent = cli.page().form_with_button("Allow").unwrap();
    cli.submit(consent, 20).await;
    waits_at(&cli, "You have allowed it, and a code comes next");
    let form = cli.first_form();
    let mut second = cli.second_tab();
    second.goto(&all.url(Site::Idp)).await;
    cli.submit(form.clone(), 20).await;
    second.submit(form, 20).await;
    waits_at(&cli, SIGNED_IN[1]);
    let code = |cli: &HeadlessBrowser| cli.page().links()[0].clone();
    assert_eq!(code(&cli), code(&second), "a double click");
    through(&mut cli, &SIGNED_IN[1..]).await;
    assert!(signed_in_at(&mut cli, &app1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_waits_and_no_script() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mut cli) = start(folder.path(), &[]).await;
    let (lab, app1, app2) = (all.url(Site::Lab), all.url(Site::App1), all.url(Site::App2));
    let (mut plain, mut watched) = (HeadlessBrowser::new(), HeadlessBrowser::new());
    begin(&mut watched, &lab).await;
    sign_in_to(&mut plain, &app2, BOB).await;
    sign_in_to(&mut watched, &app1, BOB).await;
    let steps = steps_until(&mut watched, &lab, &[("app1-bff", "GET /callback")]).await;
    assert!(
        named(&steps, "app1-bff", "GET /login").unwrap()["attributes"]["sso.explained"].is_null()
    );

    let script = [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
    let frame = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
    for headers in [&script[..], &frame, &[("accept", "*/*")]] {
        let answer = cli
            .raw(Method::GET, &format!("{app1}/login"), headers, "")
            .await;
        assert_eq!(answer.status, 302, "{headers:?}: {}", answer.body);
    }
    // Off again: the same browser goes straight on.
    cli.goto(&format!("{lab}/journey")).await;
    cli.press("Explain mode").await;
    sign_in_to(&mut cli, &app1, ALICE).await;
    let steps = steps_until(&mut cli, &lab, &[("app1-bff", "GET /callback")]).await;
    let login = named(&steps, "app1-bff", "GET /login").unwrap();
    assert_eq!(login["attributes"]["sso.explained"].as_str(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_page_of_this_site_leads_on_and_only_to_its_own_address() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mut cli) = start(folder.path(), &[]).await;
    let (app2, idp) = (all.url(Site::App2), all.url(Site::Idp));
    cli.goto(&format!("{app2}/login")).await;
    let form = cli.first_form();
    let continuation = form.field("continuation").unwrap().to_owned();
    for (site, target) in [
        (&app2, "/login?return_to=/docs"),
        (&app2, "//evil.localhost/"),
        (&app2, "http://evil.localhost/"),
        (&idp, "/login"),
    ] {
        let body = format!("target={target}&continuation={continuation}");
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let url = format!("{site}/lab/continue");
        let answer = cli.raw(Method::POST, &url, &headers, &body).await;
        assert_eq!(answer.status, 400, "{target}: {}", answer.body);
    }
    // The continuation is spent with the request that it was for.
    let jar = |cli: &HeadlessBrowser| {
        let jar = cli.jar();
        jar.get("app2.localhost", "__Host-lab_continue").is_some()
    };
    go_on(&mut cli).await;
    assert!(!jar(&cli));
    waits_at(&cli, "App 2 sends your browser to the provider");
    cli.goto(&format!("{app2}/login")).await;
    waits_at(&cli, "App 2 is about to push its sign-in request");
}
