//! One browser that plays a scenario: the lab's page with the diagram in one window, the
//! sites in the window beside.

use std::{collections::BTreeSet, time::Duration};

use kit::config::{Addresses, Site};
use testkit::{Browser, WindowHandle};
use tests::wait::{comes_true, until_some};

use super::{
    command::{Command, is_user_code},
    play::{Act, Arrow, Play},
};
use crate::labels::without_a_line;

/// How long to wait for what must happen, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// The page of a scenario, and the user who plays it.
pub struct Stage<'a> {
    pub browser: &'a Browser,
    pub addresses: &'a Addresses,
    pub user: (&'a str, &'a str),
}

/// What a play has opened.
struct Scene {
    /// The window of the scenario's page.
    page: WindowHandle,
    command: Option<Command>,
}

impl Stage<'_> {
    /// Plays `play` and waits until the diagram has its arrows. Returns the labels of the page
    /// that no arrow has.
    pub async fn plays(&self, play: &Play) -> BTreeSet<String> {
        let lab = self.addresses.url(Site::Lab);
        self.browser
            .goto(&format!("{lab}/scenarios/{}", play.name))
            .await;
        let mut scene = Scene {
            page: self.browser.driver().window().await.unwrap(),
            command: None,
        };
        for act in play.acts {
            self.acts(act, &mut scene).await;
        }
        self.has_no_complaint(play.name).await;
        self.look_at(&scene.page).await;
        self.until_shown(play).await;
        self.has_no_complaint(play.name).await;
        without_a_line(self.browser, 0).await
    }

    async fn acts(&self, act: &Act, scene: &mut Scene) {
        match act {
            Act::Start(label) => {
                self.look_at(&scene.page).await;
                self.opens(label).await;
            }
            Act::SignIn => self.signs_in().await,
            Act::SignInTo(site) => {
                self.signs_in().await;
                self.is_home(*site).await;
            }
            Act::Home(site) => self.is_home(*site).await,
            Act::Press(label) => self.browser.press(label).await,
            Act::Until(css, words) => {
                self.browser.until_text(css, words).await;
            }
            Act::PressEach(label) => {
                self.browser.press(label).await;
                while self.browser.text("body").await.contains(label) {
                    self.browser.press(label).await;
                }
            }
            Act::At(site) => self.browser.until_at(&self.addresses.url(*site)).await,
            Act::Open(site, path) => {
                let home = self.addresses.url(*site);
                self.browser.goto(&format!("{home}{path}")).await;
            }
            Act::Beside(site) => self.look_at_site(&self.addresses.url(*site)).await,
            Act::Run(label) => scene.command = Some(Command::of_page(self.browser, label).await),
            Act::Shown(words) => scene.command().shows(words).await,
            Act::OpenShown(part) => {
                let address = scene.command().word(|word| word.contains(part));
                let driver = self.browser.driver();
                let window = driver.new_window().await.unwrap();
                self.look_at(&window).await;
                self.browser.goto(&address).await;
            }
            Act::TypeShownCode => {
                let code = scene.command().word(is_user_code);
                self.browser.fill("user_code", &code).await;
            }
            Act::Ends(words) => scene.command.take().unwrap().ends(words).await,
        }
    }

    /// Fills the provider's form.
    async fn signs_in(&self) {
        self.browser.until_at(&self.addresses.url(Site::Idp)).await;
        self.browser.fill("username", self.user.0).await;
        self.browser.fill("password", self.user.1).await;
        self.browser.press("Sign in").await;
    }

    /// Is greeted by the app `site`.
    async fn is_home(&self, site: Site) {
        self.browser.until_at(&self.addresses.url(site)).await;
        let greeting = match site {
            // Its page has a heading for each state, and shows one.
            Site::Spa => "[data-signed-in=true] h1",
            _ => "h1",
        };
        self.browser.until_text(greeting, "Hello").await;
    }

    async fn look_at(&self, window: &WindowHandle) {
        let driver = self.browser.driver();
        driver.switch_to_window(window.clone()).await.unwrap();
    }

    /// Presses this button of the shown page, and looks at the window that it opens.
    pub async fn opens(&self, label: &str) {
        let before = self.windows().await;
        self.browser.press(label).await;
        self.look_at_new(&before).await;
    }

    async fn windows(&self) -> Vec<WindowHandle> {
        self.browser.driver().windows().await.unwrap()
    }

    /// Looks at the window that is open now and was not `before`: a page of another site has
    /// a window of its own (Cross-Origin-Opener-Policy).
    async fn look_at_new(&self, before: &[WindowHandle]) {
        let open = async || {
            let mut all = self.windows().await.into_iter();
            all.find(|one| !before.contains(one))
        };
        let new = until_some(PATIENCE, open).await.unwrap();
        self.look_at(&new).await;
    }

    async fn look_at_site(&self, url: &str) {
        for window in self.windows().await {
            self.look_at(&window).await;
            if self.browser.url().await.as_str().starts_with(url) {
                return;
            }
        }
        panic!("no window shows {url}");
    }

    async fn until_shown(&self, play: &Play) {
        let is_complete = async || missing(&arrows(self.browser).await, play.arrows).is_none();
        if !comes_true(PATIENCE, is_complete).await {
            let told = arrows(self.browser).await;
            let missing = missing(&told, play.arrows);
            panic!(
                "{}: {missing:?} is not in its place in {told:#?}",
                play.name
            );
        }
    }

    /// The browser's console has nothing against the pages of the scenario `name`. An answer
    /// that is an error is no fault of a page: some scenarios lead to one.
    async fn has_no_complaint(&self, name: &str) {
        let mut all = self.browser.complaints().await;
        all.retain(|line| !line.contains("the server responded with a status of 40"));
        assert_eq!(all, Vec::<String>::new(), "{name}");
    }
}

impl Scene {
    fn command(&mut self) -> &mut Command {
        self.command.as_mut().unwrap()
    }
}

/// The arrows in words: who, and the lines of the label.
pub async fn arrows(browser: &Browser) -> Vec<(String, String)> {
    let script = "return [...document.querySelectorAll('#twin .line .line-text')].map((line) => \
                  [line.querySelector('.way').textContent, line.textContent.slice(line.querySelector('.way').textContent.length)])";
    serde_json::from_value(browser.run(script).await).unwrap()
}

/// The first of `expected` that is not in its place among `told`.
pub fn missing<'e>(told: &[(String, String)], expected: &'e [Arrow]) -> Option<&'e Arrow> {
    let mut rest = told.iter();
    expected.iter().find(|(way, label)| {
        !rest.any(|(told_way, told)| told_way.starts_with(way) && told.contains(label))
    })
}
