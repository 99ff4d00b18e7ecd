//! A device without a browser, and its user at another one (RFC 8628).

use testkit::{Answer, ClientAuth, HeadlessBrowser, Machine};

use crate::{Person, sign_in, words::API1_READ};

/// The client `tv` on one device, with its codes.
pub struct Device {
    /// Its back channel.
    pub machine: Machine,
    /// `device_code`
    pub device_code: String,
    /// `user_code`
    pub user_code: String,
    /// `verification_uri`
    pub page: String,
    /// `verification_uri_complete`
    pub link: String,
}

impl Device {
    /// Asks for codes; `machine` is any client of the provider.
    pub async fn start(machine: &Machine) -> Self {
        let scope = format!("openid profile offline_access {API1_READ}");
        let machine = machine.identified_by(ClientAuth::public("tv"));
        let answer = machine.authorize_device(&scope).await.granted();
        Self {
            machine,
            device_code: answer.text("device_code"),
            user_code: answer.text("user_code"),
            page: answer.text("verification_uri"),
            link: answer.text("verification_uri_complete"),
        }
    }

    /// Asks for its tokens.
    pub async fn poll(&self) -> Answer {
        self.machine.poll(&self.device_code).await
    }

    /// Its user types the code, signing in first where nobody is signed in, until the
    /// browser shows the question.
    pub async fn is_typed_by(&self, cli: &mut HeadlessBrowser, person: Person) {
        let page = cli.goto(&self.page).await;
        if page.asks_for("username") {
            sign_in(cli, person).await;
        }
        cli.submit_first_form(&[("user_code", &self.user_code)])
            .await;
        let page = cli.page();
        assert!(page.text().contains(&self.user_code), "{page}");
    }

    /// Its user allows it access.
    pub async fn is_allowed_by(&self, cli: &mut HeadlessBrowser, person: Person) {
        self.is_typed_by(cli, person).await;
        let page = cli.press("Allow").await;
        assert!(page.text().contains("Device connected"), "{page}");
    }
}
