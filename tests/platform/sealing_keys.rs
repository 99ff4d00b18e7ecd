//! Keys that seal sessions are rotated: an old one still opens what it sealed,
//! and without it nobody does.

use std::fs;

use kit::config::Site;
use testkit::{HeadlessBrowser, Plan, Processes};
use tests::{ALICE, in_modes, modes::in_mode, session_at, sign_in_to};

const KEY: &str = "bff-sealing.key";
const PREVIOUS: &str = "bff-sealing.key.previous";

async fn is_signed_in(cli: &mut HeadlessBrowser, app: &str) -> bool {
    session_at(cli, app).await["authenticated"] == true
}

async fn a_session_survives_a_key_rotation_and_ends_with_its_key(mode: &str) {
    let mut platform = Processes::start(&in_mode(mode, Plan::default())).await;
    let app = platform.url(Site::App1);
    let (mut before, mut after) = (HeadlessBrowser::new(), HeadlessBrowser::new());
    sign_in_to(&mut before, &app, ALICE).await;

    let (key, previous) = (platform.state_file(KEY), platform.state_file(PREVIOUS));
    fs::rename(&key, &previous).unwrap();
    platform.restart("app1-bff").await;
    assert_ne!(fs::read(&key).unwrap(), fs::read(&previous).unwrap());
    assert!(is_signed_in(&mut before, &app).await);
    assert_eq!(before.fetch_get("/api1/data").await.status, 200);
    sign_in_to(&mut after, &app, ALICE).await;

    fs::remove_file(&previous).unwrap();
    platform.restart("app1-bff").await;
    assert!(is_signed_in(&mut after, &app).await, "the new key seals");
    assert!(!is_signed_in(&mut before, &app).await);
    assert_eq!(before.fetch_get("/api1/data").await.status, 401);
}

in_modes!([stateful stateless] [a_session_survives_a_key_rotation_and_ends_with_its_key]);
