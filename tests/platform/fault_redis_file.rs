//! Redis restarts under load and reads its own append-only file: who is signed in
//! is still listed, and still signed out.

use std::time::Duration;

use kit::config::Site;
use testkit::{HeadlessBrowser, Plan, Processes};
use tests::{
    ALICE, BOB, Person, in_modes, logout::log_out_everywhere, modes::in_mode, session_at,
    sign_in_to,
};
use tokio::task::JoinSet;

use crate::operator::{Operator, operated};

/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many browsers each of the people has.
const EACH: usize = 3;

struct Scene {
    platform: Processes,
    apps: [String; 2],
    operator: Operator,
}

impl Scene {
    async fn set(mode: &str) -> Self {
        let plan = Plan {
            durable_redis: true,
            ..Plan::default()
        };
        let platform = Processes::start(&operated(in_mode(mode, plan))).await;
        let apps = [Site::App1, Site::App2].map(|site| platform.url(site));
        let operator = Operator::at(platform.addresses());
        Self {
            platform,
            apps,
            operator,
        }
    }

    /// Browsers of `person`, signed in to both apps.
    async fn browsers(&self, person: Person) -> Vec<HeadlessBrowser> {
        let mut all = Vec::new();
        for _ in 0..EACH {
            let mut cli = HeadlessBrowser::new();
            sign_in_to(&mut cli, &self.apps[0], person).await;
            cli.goto(&format!("{}/login", self.apps[1])).await;
            all.push(cli);
        }
        all
    }

    /// Restarts Redis while the `busy` ones go on calling.
    async fn restart_redis_under(&mut self, busy: &[HeadlessBrowser]) {
        let mut calls = JoinSet::new();
        for cli in busy {
            let mut tab = cli.second_tab();
            let urls = self.apps.clone().map(|app| format!("{app}/api1/data"));
            calls.spawn(async move {
                loop {
                    for url in &urls {
                        // 503 while Redis is away.
                        let _ = tab.try_get(url).await;
                    }
                }
            });
        }
        self.platform.redis_mut().restart();
        calls.shutdown().await;
        let mut tab = busy[0].second_tab();
        let back = async {
            for app in &self.apps {
                let url = format!("{app}/session");
                while tab
                    .try_get(&url)
                    .await
                    .is_none_or(|answer| answer.status != 200)
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        tokio::time::timeout(PATIENCE, back).await.unwrap();
    }

    /// Whether the browser is signed in at each app.
    async fn signed_in(&self, cli: &mut HeadlessBrowser) -> [bool; 2] {
        let mut found = [false; 2];
        for (app, found) in self.apps.iter().zip(&mut found) {
            *found = session_at(cli, app).await["authenticated"] == true;
        }
        found
    }

    /// Waits until the browser is signed in at neither.
    async fn until_signed_out(&self, cli: &mut HeadlessBrowser) {
        let out = async {
            while self.signed_in(cli).await != [false; 2] {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, out).await;
        assert!(in_time.is_ok(), "{:?}", self.signed_in(cli).await);
    }
}

async fn a_restarted_redis_still_lists_revokes_and_signs_out(mode: &str) {
    let mut scene = Scene::set(mode).await;
    let mut alices = scene.browsers(ALICE).await;
    let mut bobs = scene.browsers(BOB).await;
    let busy: Vec<_> = alices
        .iter()
        .chain(&bobs)
        .map(HeadlessBrowser::second_tab)
        .collect();
    scene.restart_redis_under(&busy).await;

    // Listed: at an app by the user, at the provider by the operator.
    let app = scene.apps[0].clone();
    let listed = alices[0]
        .raw(reqwest::Method::GET, &format!("{app}/sessions"), &[], "")
        .await;
    assert_eq!(listed.status, 200, "{}", listed.body);
    let listed = listed.json().unwrap();
    assert_eq!(listed.as_array().unwrap().len(), EACH, "{listed}");
    assert_eq!(scene.operator.list("").await.len(), 2 * EACH);

    // Revoked by user: all of bob's, and none of alice's.
    assert_eq!(scene.operator.revoke("bob").await as usize, EACH);
    for cli in &mut bobs {
        scene.until_signed_out(cli).await;
    }
    for cli in &mut alices {
        assert_eq!(scene.signed_in(cli).await, [true; 2]);
    }

    // Signed out everywhere at one app: the other one hears of it.
    let app = scene.apps[1].clone();
    log_out_everywhere(&mut alices[0], &app).await;
    scene.until_signed_out(&mut alices[0]).await;
    assert_eq!(scene.signed_in(&mut alices[1]).await, [true; 2]);
    assert_eq!(scene.operator.list("").await.len(), EACH - 1);
    let log = &scene.platform.output()["idp"];
    assert!(!log.contains("has lost one of two keys"), "{log}");
}

in_modes!([stateful hybrid] [a_restarted_redis_still_lists_revokes_and_signs_out]);

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_loses_half_of_a_write_is_detected_and_logged_at_the_start() {
    let mut platform = Processes::start(&Plan::default()).await;
    let noticed =
        |platform: &Processes| platform.output()["idp"].contains("has lost one of two keys");
    let written = async {
        while platform.redis().ask("EXISTS sso-lab:idp:probe-value") != ":1\r\n" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.unwrap();
    platform.restart("idp").await;
    assert!(!noticed(&platform), "nothing is lost yet");
    platform.redis().ask("DEL sso-lab:idp:probe-list");
    platform.restart("idp").await;
    let said = async {
        while !noticed(&platform) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, said).await;
    assert!(in_time.is_ok(), "{}", platform.output()["idp"]);
    let url = format!("{}/metrics", platform.url(Site::Idp));
    let metrics = HeadlessBrowser::new().try_get(&url).await.unwrap().body;
    let of_probe = |line: &&str| {
        line.starts_with("sso_records_unlisted_total{") && line.contains("sso_record=\"probe\"")
    };
    let line = metrics.lines().find(of_probe).unwrap();
    assert!(!line.ends_with(" 0"), "{line}");
}
