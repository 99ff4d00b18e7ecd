//! Strangers who fill the store: what they leave has a budget in all and for each
//! address, and what goes first is their own.

use kit::config::Site;
use reqwest::{Client, Method, StatusCode};
use testkit::{HeadlessBrowser, Platform, RedisServer};
use tests::{ALICE, BOB, Party, session_at, sign_in};
use tokio::task::JoinSet;

/// The tests themselves are the proxy that says who sent a request.
const PROXY: [&str; 2] = ["--trusted-proxies", "127.0.0.0/8,::1"];
/// What strangers may take of a Redis of 12 MB, at the provider and both apps.
const STRANGERS: u64 = 4 * 1024 * 1024;
/// Requests that are under way at once.
const AT_ONCE: usize = 16;

/// Sends `count` requests that `make` makes from `addresses` in turn; how each
/// was answered.
async fn flood(
    count: usize,
    addresses: &[String],
    make: impl Fn(&Client) -> reqwest::RequestBuilder,
) -> Vec<StatusCode> {
    let http = kit::net::http_client();
    let (mut tasks, mut statuses) = (JoinSet::new(), Vec::new());
    for n in 0..count {
        if tasks.len() == AT_ONCE {
            statuses.push(tasks.join_next().await.unwrap().unwrap());
        }
        let address = &addresses[n % addresses.len()];
        let sent = make(&http).header("x-forwarded-for", address).send();
        tasks.spawn(async move { sent.await.unwrap().status() });
    }
    statuses.extend(tasks.join_all().await);
    statuses
}

/// The flood was taken; a store that a busy machine makes late may have answered 503 to a
/// part of it.
fn assert_taken(statuses: &[StatusCode]) {
    let is_late = |status: &StatusCode| *status == StatusCode::SERVICE_UNAVAILABLE;
    let (late, others): (Vec<_>, Vec<_>) = statuses.iter().partition(|status| is_late(status));
    assert!(others.iter().all(StatusCode::is_success), "{others:?}");
    assert!(late.len() < others.len(), "{} were late", late.len());
}

/// A public client's push with a hint of 15.8 KB, as the fault was found.
fn push(platform: &Platform, party: &Party<'_>, http: &Client) -> reqwest::RequestBuilder {
    let hint = "h".repeat(15_800);
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(party.parameters(&[("login_hint", &hint)]))
        .finish();
    let url = format!("{}/par", platform.issuer());
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    http.post(url).header(form_type.0, form_type.1).body(form)
}

/// All that strangers can leave, from `addresses`.
async fn flood_everything(platform: &Platform, addresses: &[String]) {
    let party = Party::my_spa(platform);
    let pushed = flood(668, addresses, |http| push(platform, &party, http)).await;
    assert_taken(&pushed);
    let long = "s".repeat(900);
    let url = party.authorize_url(&[("state", &long)]);
    let asked = flood(600, addresses, |http| http.get(&url)).await;
    assert_taken(&asked);
    for site in [Site::App1, Site::App2] {
        let url = format!(
            "{}/login?return_to=/{}",
            platform.url(site),
            "r".repeat(900)
        );
        flood(500, addresses, |http| http.get(&url)).await;
    }
}

fn from(platform: &Platform, address: &str) -> HeadlessBrowser {
    platform.cli().from(address)
}

/// A person who is half way through a login at each app.
async fn half_way(platform: &Platform, address: &str) -> Vec<(HeadlessBrowser, String)> {
    vec![
        begin(platform, Site::App1, address).await,
        begin(platform, Site::App2, address).await,
    ]
}

/// A person who is half way through a login at the app `site`.
async fn begin(platform: &Platform, site: Site, address: &str) -> (HeadlessBrowser, String) {
    let (mut cli, app) = (from(platform, address), platform.url(site));
    cli.goto(&format!("{app}/login")).await;
    assert!(cli.page().has_form(), "{}", cli.page());
    (cli, app)
}

async fn finish(begun: Vec<(HeadlessBrowser, String)>) {
    for (mut cli, app) in begun {
        sign_in(&mut cli, BOB).await;
        assert_eq!(cli.page().status(), 200, "{app}: {}", cli.page());
        let session = session_at(&mut cli, &app).await;
        assert_eq!(session["authenticated"], true, "{app}: {session}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_anonymous_requests_evicts_no_session_and_no_login_in_progress() {
    let redis = RedisServer::start_small(12);
    let platform = Platform::start_on(Some(&redis), &PROXY).await;
    let app1 = platform.url(Site::App1);
    let mut alice = from(&platform, "198.51.100.1");
    alice.goto(&format!("{app1}/login")).await;
    sign_in(&mut alice, ALICE).await;
    let begun = half_way(&platform, "198.51.100.2").await;
    let before = redis.used_memory();

    let one = ["203.0.113.9".to_owned()];
    flood_everything(&platform, &one).await;
    let taken = redis.used_memory().saturating_sub(before);
    assert!(taken < STRANGERS / 2, "one address took {taken} bytes");
    finish(begun).await;
    let begun = half_way(&platform, "198.51.100.3").await;

    // As many networks of 64 bits as there are requests, of one subscriber.
    let many: Vec<_> = (0..300).map(|n| format!("2001:db8:7:{n:x}::1")).collect();
    flood_everything(&platform, &many).await;
    let taken = redis.used_memory().saturating_sub(before);
    assert!(taken < STRANGERS, "a network took {taken} bytes");
    finish(begun).await;

    let far: Vec<_> = (0..250).map(|n| format!("203.0.113.{n}")).collect();
    flood_everything(&platform, &far).await;
    let taken = redis.used_memory().saturating_sub(before);
    assert!(taken < STRANGERS, "many addresses took {taken} bytes");

    finish(half_way(&platform, "198.51.100.4").await).await;
    platform.advance(std::time::Duration::from_secs(16 * 60));
    let data = alice.fetch_get("/api1/data").await;
    assert_eq!(data.status, 200, "renewed: {}", data.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_in_memory_behaves_the_same() {
    let platform = Platform::start_on(None, &PROXY).await;
    let begun = half_way(&platform, "198.51.100.2").await;
    let one = ["203.0.113.9".to_owned()];
    flood_everything(&platform, &one).await;
    finish(begun).await;
    finish(half_way(&platform, "198.51.100.3").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_networks_with_one_login_each_do_not_close_app2s_login() {
    let platform = Platform::start_on(None, &PROXY).await;
    let app2 = platform.url(Site::App2);
    let far: Vec<_> = (0..500)
        .map(|n| format!("203.0.{}.{}", n / 250, n % 250))
        .collect();
    let statuses = flood(500, &far, |http| http.get(format!("{app2}/login"))).await;
    let taken = statuses.iter().filter(|status| status.is_redirection());
    assert_eq!(taken.count(), 500, "each has room for its first login");
    let mut newcomer = from(&platform, "198.51.100.4");
    newcomer.goto(&format!("{app2}/login")).await;
    finish(vec![(newcomer, app2)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_many_addresses_leaves_a_login_at_each_app_its_time() {
    let redis = RedisServer::start_small(12);
    for redis in [None, Some(&redis)] {
        let platform = Platform::start_on(redis, &PROXY).await;
        let url = Party::my_spa(&platform).authorize_url(&[]);
        let far: Vec<_> = (0..1300)
            .map(|n| format!("77.{}.{}.3", n / 250, n % 250))
            .collect();
        assert_taken(&flood(1000, &far[..1000], |http| http.get(&url)).await);
        platform.advance(std::time::Duration::from_secs(1));
        let mut begun = Vec::new();
        for (site, address) in [(Site::App1, "198.51.100.4"), (Site::App2, "198.51.100.5")] {
            begun.push(begin(&platform, site, address).await);
        }
        platform.advance(std::time::Duration::from_secs(1));
        assert_taken(&flood(300, &far[1000..], |http| http.get(&url)).await);
        finish(begun).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_uses_up_its_share_takes_no_login_of_a_class() {
    let platform = Platform::start_on(None, &PROXY).await;
    let mut class = Vec::new();
    for _ in 0..40 {
        class.extend(half_way(&platform, "198.51.100.200").await);
    }
    let party = Party::my_spa(&platform);
    // The longest that is taken.
    let long = "s".repeat(1400);
    let url = party.authorize_url(&[("state", &long)]);
    // The budget puts this address beside the class.
    let one = ["77.1.2.3".to_owned()];
    assert_taken(&flood(300, &one, |http| http.get(&url)).await);
    finish(class).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_of_40_behind_one_address_signs_in_at_once() {
    let platform = Platform::start_on(None, &PROXY).await;
    let (app1, app2) = (platform.url(Site::App1), platform.url(Site::App2));
    let mut class = Vec::new();
    for n in 0..40 {
        let mut cli = from(&platform, "198.51.100.9");
        let mut tab = cli.second_tab();
        cli.goto(&format!("{app1}/login")).await;
        tab.goto(&format!("{app2}/login")).await;
        class.push((cli, tab, if n % 2 == 0 { ALICE } else { BOB }));
    }
    let mut tasks = JoinSet::new();
    for (mut cli, mut tab, person) in class {
        let both = [app1.clone(), app2.clone()];
        tasks.spawn(async move {
            for browser in [&mut cli, &mut tab] {
                sign_in(browser, person).await;
                assert_eq!(browser.page().status(), 200, "{}", browser.page());
            }
            for app in &both {
                let session = session_at(&mut cli, app).await;
                assert_eq!(session["authenticated"], true, "{app}: {session}");
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_stops_pushing_for_an_address_that_finishes_no_login() {
    let platform = Platform::start_on(None, &PROXY).await;
    let app2 = platform.url(Site::App2);
    let login = format!("{app2}/login");
    let one = ["203.0.113.9".to_owned()];
    let statuses = flood(200, &one, |http| http.get(&login)).await;
    let refused = statuses
        .iter()
        .filter(|status| **status == StatusCode::TOO_MANY_REQUESTS)
        .count();
    assert!((80..200).contains(&refused), "{refused} of 200");
    let mut flooder = from(&platform, &one[0]);
    let answer = flooder
        .raw(Method::GET, &login, &[("accept", "application/json")], "")
        .await;
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert_eq!(answer.header("retry-after"), Some("60"));
    // Nobody else is refused, and this address no longer than a minute.
    finish(half_way(&platform, "198.51.100.2").await).await;
    platform.advance(std::time::Duration::from_secs(61));
    finish(half_way(&platform, &one[0]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc6749_4_1_2_1_a_request_that_is_too_large_is_refused_and_a_long_state_is_not() {
    let platform = Platform::start().await;
    let party = Party::my_spa(&platform);
    for (state, pushed) in [("s".repeat(900), 201), ("s".repeat(2000), 400)] {
        let parameters = party.parameters(&[("client_id", ""), ("state", &state)]);
        let answer = party.machine.push(&parameters).await;
        assert_eq!(answer.status, pushed, "{}", answer.body);
        if pushed == 400 {
            assert_eq!(answer.error(), "invalid_request");
        }
        let mut cli = party.cli();
        let page = cli.goto(&party.authorize_url(&[("state", &state)])).await;
        match page.location() {
            None => assert_eq!((page.status(), pushed), (200, 201), "{page}"),
            Some(back) => {
                let answer: std::collections::BTreeMap<_, _> =
                    back.query_pairs().into_owned().collect();
                assert_eq!(answer["error"], "invalid_request");
                assert_eq!(answer["state"], state);
            }
        }
    }
    let everything: String = (32..=126_u8).chain(32..=64).map(char::from).collect();
    let answer = party
        .answer(&mut party.cli(), &[("state", &everything)])
        .await;
    assert_eq!(
        answer["state"],
        everything,
        "of {} characters",
        everything.len()
    );
}
