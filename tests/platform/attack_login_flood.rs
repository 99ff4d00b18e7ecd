//! Strangers who begin logins at app2 and end them without a sign-in: each makes app2 send
//! the provider an assertion, which leaves a record there.

use std::time::Duration;

use kit::config::Site;
use testkit::{Platform, RedisServer};
use tests::{ALICE, session_at, sign_in};
use tokio::task::JoinSet;

/// The tests themselves are the proxy that says who sent a request. An address has a budget
/// of 16 KiB.
const FLAGS: [&str; 4] = [
    "--trusted-proxies",
    "127.0.0.0/8,::1",
    "--login-budget-per-address",
    "16",
];
/// The pushed requests of an address that fit: each is charged with 1,500 bytes.
const FIT: usize = 16 * 1024 / 1500;
/// Logins that are under way at once.
const AT_ONCE: usize = 8;

/// Begins `count` logins at app2 that end at once (`prompt=none`) from `addresses` in
/// turn; how each ended.
async fn flood(platform: &Platform, addresses: &[String], count: usize) -> Vec<u16> {
    let login = format!("{}/login?prompt=none", platform.url(Site::App2));
    let (mut tasks, mut statuses) = (JoinSet::new(), Vec::new());
    for n in 0..count {
        if tasks.len() == AT_ONCE {
            statuses.push(tasks.join_next().await.unwrap().unwrap());
        }
        let mut cli = platform.cli().from(&addresses[n % addresses.len()]);
        let login = login.clone();
        tasks.spawn(async move { cli.goto(&login).await.status() });
    }
    statuses.extend(tasks.join_all().await);
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_stops_pushing_for_an_address_whose_logins_end_without_a_session() {
    let platform = Platform::start_on(None, &FLAGS).await;
    let one = ["203.0.113.9".to_owned()];
    let statuses = flood(&platform, &one, 3 * FIT).await;
    let refused = statuses.iter().filter(|status| **status == 429).count();
    let ended = statuses.iter().filter(|status| **status == 403).count();
    assert_eq!((ended, refused), (FIT, 2 * FIT), "{statuses:?}");
    // Nobody else is refused, and this address no longer than a minute.
    let app2 = platform.url(Site::App2);
    for (address, wait) in [("198.51.100.2", 0), (&*one[0], 61)] {
        platform.advance(Duration::from_secs(wait));
        // More logins that succeed than ones that may fail.
        let mut cli = platform.cli().from(address);
        cli.goto(&format!("{app2}/login")).await;
        sign_in(&mut cli, ALICE).await;
        assert_eq!(session_at(&mut cli, &app2).await["authenticated"], true);
    }
    let mut cli = platform.cli().from("198.51.100.3");
    cli.goto(&format!("{app2}/login")).await;
    sign_in(&mut cli, ALICE).await;
    for n in 0..2 * FIT {
        cli.goto(&format!("{app2}/login")).await;
        assert_eq!(cli.page().status(), 200, "{n}: {}", cli.page());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_logins_leave_half_of_an_apps_assertions_to_its_renewals() {
    let redis = RedisServer::start();
    let flags = [&FLAGS[..], &["--idp-assertions-per-client", "100"]].concat();
    let platform = Platform::start_with_idp_on(&redis, &flags).await;
    let app2 = platform.url(Site::App2);
    let mut alice = platform.cli().from("198.51.100.1");
    alice.goto(&format!("{app2}/login")).await;
    sign_in(&mut alice, ALICE).await;
    assert_eq!(alice.fetch_get("/api1/data").await.status, 200);
    platform.advance(Duration::from_secs(15 * 60 - 30));
    let many: Vec<_> = (0..250).map(|n| format!("203.0.113.{n}")).collect();
    let kept = || {
        let keys = redis.ask("KEYS sso-lab:idp:jti:app2:*");
        keys.matches(":jti:").count()
    };
    // A busy machine may answer 503 to a part of it for another reason.
    for round in 0.. {
        let statuses = flood(&platform, &many[20 * round..], 20).await;
        assert!(statuses.iter().all(|status| matches!(status, 403 | 503)));
        if kept() >= 50 {
            break;
        }
    }
    let refused = flood(&platform, &many, 5).await;
    assert_eq!(refused, [503; 5]);
    // Requests that are under way at once may exceed it by a few.
    let of_logins = kept();
    assert!((50..50 + AT_ONCE).contains(&of_logins), "{of_logins}");
    platform.advance(Duration::from_secs(20));
    let renewed = alice.fetch_get("/api1/data").await;
    assert_eq!(renewed.status, 200, "{}", renewed.body);
    assert!(kept() > of_logins, "it was renewed");
    // The assertions of the logins have expired.
    platform.advance(Duration::from_secs(61));
    let mut bob = platform.cli().from("198.51.100.2");
    bob.goto(&format!("{app2}/login")).await;
    assert!(bob.page().has_form(), "{}", bob.page());
}
