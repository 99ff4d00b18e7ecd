//! The attacker's half of a login: a program signs in as bob at app1 and keeps the callback
//! URL, with its code and state, instead of following it.

use std::time::Duration;

use headless_browser::{Browser, Form, MAX_REDIRECTS, Transport};
use kit::config::Site;

use crate::Config;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// The demo user who is the attacker.
const BOB: [(&str, &str); 2] = [("username", "bob"), ("password", "builder")];
/// The maximum number of the provider's pages in a login.
const MAX_PAGES: usize = 3;

/// How the program reaches the services.
pub(super) fn transport(config: &Config) -> Transport {
    Transport {
        http: config.trust.browsers_http_client(),
        overrides: config.reach.clone(),
        timeout: PATIENCE,
        user_agent: "sso-lab attack program",
    }
}

/// The callback URL of a login of bob; `None` if he cannot sign in.
pub(super) async fn of_bob(config: &Config, transport: &Transport) -> Option<String> {
    let app = config.addresses.url(Site::App1);
    let browser = Browser::new(transport.clone());
    let mut browser = browser.not_following(&format!("{app}/callback"));
    browser
        .goto(&format!("{app}/login"), MAX_REDIRECTS)
        .await
        .ok()?;
    for _ in 0..MAX_PAGES {
        let page = browser.page()?;
        if let Some(callback) = page.location() {
            let is_callback = callback.as_str().starts_with(&format!("{app}/callback?"));
            return is_callback.then(|| callback.into());
        }
        let form = page.first_form()?;
        let form = filled(form)?;
        browser.submit(&form, MAX_REDIRECTS).await.ok()?;
    }
    None
}

fn filled(form: Form) -> Option<Form> {
    if form.has("password") {
        form.fill(&BOB).ok()
    } else {
        Some(form)
    }
}
