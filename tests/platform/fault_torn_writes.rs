//! The store has lost a record's place in a list, or the record and not its place:
//! whichever it is, nobody who is signed out goes on.

use std::time::Duration;

use kit::config::Site;
use testkit::{HeadlessBrowser, Plan, Processes};
use tests::{ALICE, in_modes, logout::log_out_everywhere, modes::in_mode, session_at, sign_in_to};

use crate::operator::{Operator, operated};

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Alice, signed in to both apps with one browser.
struct Scene {
    platform: Processes,
    operator: Operator,
    apps: [String; 2],
    cli: HeadlessBrowser,
}

impl Scene {
    async fn set(mode: &str) -> Self {
        let platform = Processes::start(&operated(in_mode(mode, Plan::default()))).await;
        let apps = [Site::App1, Site::App2].map(|site| platform.url(site));
        let mut cli = HeadlessBrowser::new();
        sign_in_to(&mut cli, &apps[0], ALICE).await;
        cli.goto(&format!("{}/login", apps[1])).await;
        let operator = Operator::at(platform.addresses());
        Self {
            platform,
            operator,
            apps,
            cli,
        }
    }

    /// The store loses all keys that begin so.
    fn lose(&self, begins: &str) {
        let redis = self.platform.redis();
        let keys = redis.ask(&format!("KEYS sso-lab:{begins}*"));
        let keys: Vec<_> = keys
            .lines()
            .filter(|key| key.starts_with("sso-lab:"))
            .collect();
        assert!(!keys.is_empty(), "no key {begins}");
        redis.ask(&format!("DEL {}", keys.join(" ")));
    }

    /// A call to the API for which no token was minted yet: it needs a renewal.
    async fn renewal_at(&mut self, app: usize) -> u16 {
        let url = format!("{}/api2/data", self.apps[app]);
        self.cli
            .raw(reqwest::Method::GET, &url, &[], "")
            .await
            .status
    }

    async fn signed_in_at(&mut self, app: usize) -> bool {
        session_at(&mut self.cli, &self.apps[app]).await["authenticated"] == true
    }

    async fn until_signed_out_at(&mut self, app: usize) {
        let out = async {
            while self.signed_in_at(app).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, out).await.is_ok();
        assert!(in_time, "still signed in to {}", self.apps[app]);
    }

    /// How many records some service has met without their place.
    async fn unlisted(&self, site: Site) -> u64 {
        let url = format!("{}/metrics", self.platform.url(site));
        let metrics = HeadlessBrowser::new().try_get(&url).await.unwrap().body;
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with("sso_records_unlisted_total{"));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }
}

async fn revocation_by_user_ends_an_app_session_missing_from_one_index(mode: &str) {
    for lost in ["bff:app1:of-login:", "bff:app1:of-user:"] {
        let mut scene = Scene::set(mode).await;
        scene.lose(lost);
        assert_eq!(scene.operator.revoke("alice").await, 1, "{lost}");
        for app in [0, 1] {
            scene.until_signed_out_at(app).await;
        }
    }
}

async fn signing_out_everywhere_ends_an_app_session_missing_from_one_index(mode: &str) {
    let mut scene = Scene::set(mode).await;
    scene.lose("bff:app1:of-login:");
    let app2 = scene.apps[1].clone();
    log_out_everywhere(&mut scene.cli, &app2).await;
    for app in [0, 1] {
        scene.until_signed_out_at(app).await;
    }
}

async fn an_app_session_missing_from_its_indexes_ends_at_its_next_renewal(mode: &str) {
    let mut scene = Scene::set(mode).await;
    scene.lose("bff:app1:of-");
    assert_eq!(scene.renewal_at(0).await, 401);
    assert!(!scene.signed_in_at(0).await);
    assert_eq!(scene.unlisted(Site::App1).await, 1);
    assert!(scene.signed_in_at(1).await, "the other app's is whole");
    assert_eq!(scene.renewal_at(1).await, 200);
    assert_eq!(scene.unlisted(Site::App2).await, 0);
}

async fn a_missing_app_session_does_not_delay_a_logout(mode: &str) {
    let mut scene = Scene::set(mode).await;
    scene.lose("bff:app1:session:");
    assert!(!scene.signed_in_at(0).await);
    assert_eq!(scene.operator.revoke("alice").await, 1);
    scene.until_signed_out_at(1).await;
}

in_modes!([stateful hybrid cached] [
    revocation_by_user_ends_an_app_session_missing_from_one_index
    signing_out_everywhere_ends_an_app_session_missing_from_one_index
    an_app_session_missing_from_its_indexes_ends_at_its_next_renewal
    a_missing_app_session_does_not_delay_a_logout
]);

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_missing_from_an_index_issues_no_further_token() {
    for (lost, counted) in [
        ("idp:grants-to:", 1),
        ("idp:logins-of:", 1),
        // Whose record is gone is signed out.
        ("idp:login:", 0),
    ] {
        let mut scene = Scene::set("stateful").await;
        scene.lose(lost);
        assert_eq!(scene.renewal_at(0).await, 401, "{lost}");
        assert!(!scene.signed_in_at(0).await, "{lost}");
        assert_eq!(scene.unlisted(Site::Idp).await, counted, "{lost}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_session_missing_from_its_users_index_ends_and_its_apps_are_notified() {
    let mut scene = Scene::set("stateful").await;
    scene.lose("idp:logins-of:");
    // The provider meets it: whoever comes with its cookie signs in again.
    let account = format!("{}/account", scene.platform.url(Site::Idp));
    scene.cli.goto(&account).await;
    let form = scene.cli.first_form();
    assert!(form.field("password").is_some(), "{}", scene.cli.page());
    for app in [0, 1] {
        scene.until_signed_out_at(app).await;
    }
    assert_eq!(scene.operator.list("").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_session_missing_from_the_global_index_is_listed_again_at_its_next_request_and_can_be_revoked()
 {
    let mut scene = Scene::set("stateful").await;
    scene.platform.redis().ask("DEL sso-lab:idp:logins");
    let account = format!("{}/account", scene.platform.url(Site::Idp));
    scene.cli.goto(&account).await;
    assert_eq!(scene.operator.list("").await.len(), 1);
    scene.platform.redis().ask("DEL sso-lab:idp:logins");
    assert_eq!(scene.operator.revoke("alice").await, 1);
    for app in [0, 1] {
        scene.until_signed_out_at(app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_by_user_ends_the_dependents_of_a_lost_login_session() {
    let mut scene = Scene::set("stateful").await;
    scene.lose("idp:login:");
    scene.operator.revoke("alice").await;
    for app in [0, 1] {
        scene.until_signed_out_at(app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_by_user_ends_a_session_without_its_index_of_clients_or_grants() {
    for lost in ["idp:login-clients:", "idp:login-grants:"] {
        let mut scene = Scene::set("stateful").await;
        scene.lose(lost);
        assert_eq!(scene.operator.revoke("alice").await, 1, "{lost}");
        for app in [0, 1] {
            scene.until_signed_out_at(app).await;
        }
    }
}
