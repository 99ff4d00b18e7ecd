//! All pages that a person sees, checked by axe-core (WCAG 2.2 A and AA, best practices) in
//! both colour schemes, on a telephone and on a desk: a few browsers that visit many pages.

use std::path::Path;

use kit::config::{Addresses, Site};
use testkit::{Browser, Child, ClientAuth, Machine, Pkce};
use tests::{ALICE, Device, all_in_one};

use crate::{
    alice::{is_home, sign_in},
    scenarios::{BFF_LOGIN, SESSION_MODES, SPA_LOGIN, stage},
};

/// Widths of the window, in CSS pixels: the smallest that WCAG 1.4.10 names, and a desk.
const WIDTHS: [u32; 2] = [320, 1280];
const HEIGHT: u32 = 900;
const SCHEMES: [&str; 2] = ["light", "dark"];

/// One browser on its way through the pages, and what is wrong with them.
struct Tour {
    browser: Browser,
    addresses: Addresses,
    findings: Vec<String>,
    _all: Child,
}

impl Tour {
    async fn start(folder: &Path) -> Self {
        let (all, addresses) = all_in_one(folder, &[]).await;
        Self {
            browser: Browser::start().await,
            addresses,
            findings: Vec::new(),
            _all: all,
        }
    }

    fn url(&self, site: Site, path: &str) -> String {
        format!("{}{path}", self.addresses.url(site))
    }

    fn stage(&self) -> stage::Stage<'_> {
        stage::Stage {
            browser: &self.browser,
            addresses: &self.addresses,
            user: ALICE,
        }
    }

    /// Checks the shown page, which a report calls `page`.
    async fn looks_at(&mut self, page: &str) {
        for scheme in SCHEMES {
            self.browser.prefer(scheme).await;
            for width in WIDTHS {
                self.browser.resize(width, HEIGHT).await;
                // axe-core takes words that are scrolled out to the left for hidden ones, and
                // compares names with the rest.
                self.browser
                    .run("document.getElementById('diagram')?.scrollTo({ left: 0 })")
                    .await;
                let mut found = self.browser.accessibility_findings().await;
                let too_wide = "return document.documentElement.scrollWidth > innerWidth";
                if self.browser.run(too_wide).await == true {
                    found.push("wider than the window (WCAG 1.4.10)".to_owned());
                }
                let found = found
                    .iter()
                    .map(|one| format!("{page}, {scheme}, {width} px: {one}"));
                self.findings.extend(found);
            }
        }
    }

    async fn visits(&mut self, site: Site, path: &str) {
        self.browser.goto(&self.url(site, path)).await;
        self.looks_at(&format!("{}{path}", site.short_name())).await;
    }

    /// The shown page has a diagram. Checks it, and then with an open arrow.
    async fn looks_at_diagram(&mut self, page: &str) {
        self.looks_at(page).await;
        self.browser
            .run("document.querySelector('#twin .line').click()")
            .await;
        self.browser.find("#detail:not([hidden]) h2").await;
        self.looks_at(&format!("{page} with an open arrow")).await;
    }

    /// Fails with all findings.
    fn ends(self) {
        let findings = self.findings.join("\n");
        assert!(self.findings.is_empty(), "{findings}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_labs_pages_pass_axe() {
    let folder = tempfile::tempdir().unwrap();
    let mut tour = Tour::start(folder.path()).await;
    for path in [
        "/",
        "/journey",
        "/journey/inspector",
        "/journey/viewer",
        "/scenarios",
        "/scenarios/device-login",
        "/scenarios/oidc-and-sso",
        "/attacks",
        "/attacks/csrf-form",
        "/attacks/alg-none",
        "/failures",
        "/nothing",
    ] {
        tour.visits(Site::Lab, path).await;
    }
    // Each play signs in, so each begins with a browser that nobody knows.
    for play in [&BFF_LOGIN, &SESSION_MODES, &SPA_LOGIN] {
        tour.browser.forget_cookies().await;
        tour.stage().plays(play).await;
        tour.looks_at_diagram(&format!("lab/scenarios/{}", play.name))
            .await;
    }
    for path in ["/", "/journey/inspector", "/scenarios/device-login"] {
        tour.visits(Site::Lab, path).await;
    }
    tour.browser.goto(&tour.url(Site::Lab, "/journey")).await;
    tour.browser.find("#twin .line").await;
    tour.looks_at_diagram("lab/journey of a browser that has signed in")
        .await;
    tour.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_attacks_pass_axe_before_and_after_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut tour = Tour::start(folder.path()).await;
    for path in [
        "/",
        "/image",
        "/form",
        "/young-cookie",
        "/fetch",
        "/login",
        "/click",
        "/return-to",
        "/script",
        "/landed",
    ] {
        tour.visits(Site::Evil, path).await;
    }
    tour.browser
        .goto(&tour.url(Site::Lab, "/attacks/alg-none"))
        .await;
    tour.browser.press("Run with the defence off").await;
    tour.browser.find("[data-outcome='on'] .succeeded").await;
    tour.browser.press("Run with the defence on").await;
    tour.browser.find("[data-outcome='off'] .stopped").await;
    tour.browser.find("#twin .line").await;
    tour.looks_at_diagram("lab/attacks/alg-none after its runs")
        .await;

    // A run in this browser: until it ends, each page says which defences are off.
    tour.browser
        .goto(&tour.url(Site::Lab, "/attacks/open-redirect"))
        .await;
    tour.stage().opens("Run with the defence off").await;
    sign_in(&tour.browser, &tour.url(Site::Idp, "")).await;
    tour.browser
        .until_at(&tour.url(Site::Evil, "/landed"))
        .await;
    tour.looks_at("evil/landed after a sign-in").await;
    for (site, path) in [
        (Site::App1, "/"),
        (Site::Evil, "/"),
        (Site::Lab, "/attacks/open-redirect"),
    ] {
        tour.visits(site, path).await;
    }
    tour.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_apps_and_provider_pass_axe_before_and_after_a_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let mut tour = Tour::start(folder.path()).await;
    for (site, path) in [
        (Site::Idp, "/"),
        (Site::Idp, "/account"),
        (Site::Idp, "/authorize"),
        (Site::App1, "/"),
        (Site::App1, "/nothing"),
        (Site::App1, "/callback?state=unknown"),
        (Site::App2, "/"),
        (Site::Spa, "/"),
        (Site::Api1, "/"),
        (Site::Api2, "/"),
        // The sign-in page.
        (Site::App1, "/login"),
    ] {
        tour.visits(site, path).await;
    }
    let idp = tour.url(Site::Idp, "");
    tour.browser.fill("username", ALICE.0).await;
    tour.browser.fill("password", "wrong").await;
    tour.browser.press("Sign in").await;
    tour.browser.find(".note.bad").await;
    tour.looks_at("idp after a wrong password").await;
    tour.browser.goto(&tour.url(Site::App1, "/login")).await;
    sign_in(&tour.browser, &idp).await;
    is_home(&tour.browser, &tour.url(Site::App1, "")).await;
    tour.browser.press("GET /api1/data").await;
    tour.browser.until_text(".answer-status", "200").await;
    tour.looks_at("app1 signed in").await;
    tour.browser.goto(&tour.url(Site::App2, "/login")).await;
    is_home(&tour.browser, &tour.url(Site::App2, "")).await;
    tour.looks_at("app2 signed in").await;
    tour.browser.goto(&tour.url(Site::Spa, "")).await;
    tour.browser.press("Sign in").await;
    tour.browser
        .until_text("[data-signed-in=true] h1", "Alice")
        .await;
    tour.looks_at("spa signed in").await;
    asks_for_consent(&mut tour).await;
    tour.visits(Site::Idp, "/account").await;
    tour.visits(Site::Idp, "/logout").await;
    tour.ends();
}

/// The provider's questions to a user who is signed in: of a client, and of a device.
async fn asks_for_consent(tour: &mut Tour) {
    let idp = tour.url(Site::Idp, "");
    let pkce = Pkce::new();
    let consent = format!(
        "/authorize?response_type=code&client_id=sso-lab-cli&redirect_uri=http://127.0.0.1:1/callback&scope=openid%20https://api-1/read&state=s&code_challenge={}&code_challenge_method=S256",
        pkce.challenge
    );
    tour.browser.goto(&format!("{idp}{consent}")).await;
    tour.browser.find("button[value='allow']").await;
    tour.looks_at("idp consent").await;
    tour.visits(Site::Idp, "/device").await;
    let device = Device::start(&Machine::new(&idp, ClientAuth::public("tv"))).await;
    tour.browser.goto(&device.link).await;
    tour.browser.press("Continue").await;
    tour.browser.until_text("h1", "Allow this device?").await;
    tour.looks_at("idp device, the question").await;
    tour.browser.press("Allow").await;
    tour.browser.until_text("h1", "Device connected").await;
    tour.looks_at("idp device connected").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_explain_mode_pass_axe() {
    let folder = tempfile::tempdir().unwrap();
    let mut tour = Tour::start(folder.path()).await;
    tour.browser.goto(&tour.url(Site::Lab, "/journey")).await;
    tour.browser.click("#explain-mode").await;
    tour.browser.find("#explain-mode[aria-pressed=true]").await;
    tour.browser.goto(&tour.url(Site::App2, "/login")).await;
    for title in [
        "App 2 is about to push its sign-in request",
        "App 2 sends your browser to the provider",
        "The provider has received the request of App 2",
    ] {
        tour.browser.until_text("h1", title).await;
        tour.looks_at(&format!("explain: {title}")).await;
        tour.browser.click("#continue").await;
    }
    sign_in(&tour.browser, &tour.url(Site::Idp, "")).await;
    for title in [
        "You are signed in, and a code comes next",
        "back to App 2 with a code",
        "App 2 has signed you in",
    ] {
        tour.browser.until_text("h1", title).await;
        tour.looks_at(&format!("explain: {title}")).await;
        tour.browser.click("#continue").await;
    }
    is_home(&tour.browser, &tour.url(Site::App2, "")).await;
    tour.ends();
}
