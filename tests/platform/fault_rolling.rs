//! Processes are replaced under load, as a rolling update of a cluster does it,
//! and nobody notices. Where one crashes, only who was waiting for it does.

use std::{
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use kit::config::Site;
use reqwest::Method;
use testkit::{HeadlessBrowser, Plan, Processes, Response};
use tests::{ALICE, BOB, Person, session_at, sign_in_to};
use tokio::{sync::Mutex, task::JoinSet, time::sleep};
use tonic::transport::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// All that have replicas.
const ROLLED: [Site; 5] = [Site::Idp, Site::App1, Site::App2, Site::Api1, Site::Api2];
/// Longer than the balancers and each client take to notice, on a busy machine.
const NOTICE: &str = "2s";
/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// So short that each session needs new ones meanwhile.
const ACCESS_TOKEN: (&str, &str) = ("access_token = \"15m\"", "access_token = \"15s\"");
/// Longer than a call takes with its token, on a busy machine.
const MARGIN: (&str, &str) = ("BFF_TOKEN_MARGIN", "9s");
/// One user signs in all the time, and goes on in other browsers.
const MANY_SESSIONS: [(&str, &str); 2] = [
    ("IDP_SESSIONS_PER_USER", "1000"),
    ("BFF_SESSIONS_PER_USER", "1000"),
];
/// What is there in plenty.
const ORDER: &str = r#"{"item": "playing-card", "quantity": 1}"#;

const READS: [&str; 4] = ["/api1/data", "/api1/report", "/api2/data", "/session"];
const WRITES: [&str; 2] = ["/api1/data", "/api2/data"];

fn own((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// A request of the load.
struct Asked {
    at: Instant,
    what: String,
    /// Nothing where the connection broke.
    answer: Option<Response>,
}

impl Asked {
    fn went_well(&self) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|answer| matches!(answer.status, 200 | 201))
    }

    fn tells(&self) -> String {
        let answer = self.answer.as_ref();
        let said = answer.map_or("no answer".to_owned(), |a| {
            format!("{} {}", a.status, a.body)
        });
        format!("{}: {said}", self.what)
    }
}

/// Browsers that ask all the time, until this is dropped.
struct Load {
    browsers: Vec<(HeadlessBrowser, String)>,
    asked: Arc<Mutex<Vec<Asked>>>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Two people at both apps, with connections that are kept and with others.
    async fn begin(platform: &Processes, writes: &'static [&'static str]) -> Self {
        let mut load = Self {
            browsers: Vec::new(),
            asked: Arc::default(),
            tasks: JoinSet::new(),
        };
        let people: [(Person, Site, bool); 4] = [
            (ALICE, Site::App1, true),
            (BOB, Site::App1, false),
            (ALICE, Site::App2, false),
            (BOB, Site::App2, true),
        ];
        for (person, site, keeps) in people {
            let app = platform.url(site);
            let mut cli = HeadlessBrowser::new();
            if keeps {
                cli = cli.keeping_connections();
            }
            sign_in_to(&mut cli, &app, person).await;
            let (tab, asked) = (cli.second_tab(), Arc::clone(&load.asked));
            load.tasks.spawn(go_on(tab, app.clone(), writes, asked));
            load.browsers.push((cli, app));
        }
        load
    }

    /// One new login after the other, each in a new browser, until the load ends.
    fn with_logins(&mut self, platform: &Processes) {
        let apps = [Site::App1, Site::App2].map(|site| platform.url(site));
        self.tasks.spawn(async move {
            for app in apps.iter().cycle() {
                sign_in_to(&mut HeadlessBrowser::new(), app, BOB).await;
            }
        });
    }

    /// Waits until `count` requests that began after `start` have their answer.
    async fn until_asked(&mut self, count: usize, start: Instant) {
        let began = Instant::now();
        loop {
            if let Some(Err(failed)) = self.tasks.try_join_next() {
                panic!("a browser could not go on: {failed}");
            }
            let asked = self.asked.lock().await;
            if asked.iter().filter(|one| one.at >= start).count() >= count {
                return;
            }
            drop(asked);
            assert!(began.elapsed() < PATIENCE, "the load stands still");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What went wrong, of the requests that began after `start`.
    async fn failures(&self, start: Option<Instant>) -> Vec<String> {
        let asked = self.asked.lock().await;
        let counted = asked
            .iter()
            .filter(|one| start.is_none_or(|start| one.at >= start));
        let failed = counted.filter(|one| !one.went_well());
        failed.map(Asked::tells).collect()
    }

    async fn every_session_lives(&mut self) {
        for (cli, app) in &mut self.browsers {
            assert_eq!(session_at(cli, app).await["authenticated"], true, "{app}");
        }
    }
}

/// Asks for everything in turn.
async fn go_on(
    mut tab: HeadlessBrowser,
    app: String,
    writes: &'static [&'static str],
    asked: Arc<Mutex<Vec<Asked>>>,
) {
    let headers = [
        ("accept", "application/json"),
        ("x-csrf", "1"),
        ("content-type", "application/json"),
    ];
    let reads = READS.iter().map(|path| (Method::GET, path, ""));
    let writes = writes.iter().map(|path| (Method::POST, path, ORDER));
    for (method, path, body) in reads.chain(writes).cycle() {
        let (at, url) = (Instant::now(), format!("{app}{path}"));
        let headers = &headers[..if body.is_empty() { 1 } else { 3 }];
        let answer = tab.try_raw(method.clone(), &url, headers, body).await;
        let what = format!("{method} {url}");
        asked.lock().await.push(Asked { at, what, answer });
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_fails_no_request_and_loses_no_session() {
    let plan = Plan {
        replicas: 2,
        api_replicas: true,
        probed: true,
        idp_config: vec![ACCESS_TOKEN],
        environment: [&[MARGIN, ("DRAIN_NOTICE", NOTICE)], &MANY_SESSIONS[..]]
            .concat()
            .into_iter()
            .map(own)
            .collect(),
        ..Plan::default()
    };
    let mut platform = Processes::start(&plan).await;
    let mut load = Load::begin(&platform, &WRITES).await;
    load.with_logins(&platform);
    load.until_asked(20, Instant::now()).await;
    for number in [1, 2] {
        platform.roll(&ROLLED, number).await;
        load.until_asked(20, Instant::now()).await;
    }
    let failures = load.failures(None).await;
    assert!(failures.is_empty(), "{failures:#?}");
    load.every_session_lives().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_fails_only_open_requests_and_loses_no_session() {
    let plan = Plan {
        replicas: 2,
        api_replicas: true,
        ..Plan::default()
    };
    let mut platform = Processes::start(&plan).await;
    let mut load = Load::begin(&platform, &[]).await;
    load.until_asked(20, Instant::now()).await;
    for site in ROLLED {
        platform.kill_replica(site, 2);
    }
    let killed = Instant::now();
    load.until_asked(40, killed).await;
    let failures = load.failures(Some(killed)).await;
    assert!(failures.is_empty(), "{failures:#?}");
    load.every_session_lives().await;
    sign_in_to(&mut HeadlessBrowser::new(), &platform.url(Site::App1), BOB).await;
}

/// What a service says about itself on new connections, until there are none.
async fn says_until_it_is_gone(url: String) -> Vec<(u16, String)> {
    let http = kit::net::http_client();
    let mut said = Vec::new();
    loop {
        let asked = http.get(&url).header("connection", "close").send().await;
        let Ok(answer) = asked else {
            return said;
        };
        said.push((
            answer.status().as_u16(),
            answer.text().await.unwrap_or_default(),
        ));
        said.dedup();
    }
}

/// The same by gRPC.
async fn health_until_it_is_gone(url: String) -> Vec<ServingStatus> {
    let mut said = Vec::new();
    loop {
        let channel: Channel = kit::net::Trust::default().grpc_channel(&url).unwrap();
        let mut health = HealthClient::new(channel);
        let Ok(answer) = health.check(HealthCheckRequest::default()).await else {
            return said;
        };
        said.push(answer.get_ref().status());
        said.dedup();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_reports_that_it_drains_before_it_refuses_a_connection() {
    let plan = Plan {
        environment: vec![own(("DRAIN_NOTICE", NOTICE))],
        ..Plan::default()
    };
    let mut platform = Processes::start(&plan).await;
    let (mut http, mut grpc) = (JoinSet::new(), JoinSet::new());
    for site in Site::ALL {
        let url = platform.replica_url(site, 1) + "/readyz";
        http.spawn(says_until_it_is_gone(url));
        if let Some(url) = platform.replica_grpc_url(site, 1) {
            grpc.spawn(health_until_it_is_gone(url));
        }
    }
    platform.stop();
    for said in http.join_all().await {
        let last = said.last().expect("it was asked in time");
        assert_eq!(last, &(503, "draining\n".to_owned()), "{said:?}");
    }
    for said in grpc.join_all().await {
        assert_eq!(said.last(), Some(&ServingStatus::NotServing), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_drains_without_store_and_provider() {
    let mut platform = Processes::start(&Plan::default()).await;
    let app = platform.url(Site::App1);
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app, ALICE).await;
    platform.redis().pause();
    platform.kill("idp");
    let before = platform
        .tap(Site::App1)
        .requests()
        .matches("/api2/data")
        .count();
    let mut tab = cli.second_tab();
    let url = format!("{app}/api2/data");
    let waiting = tokio::spawn(async move { tab.try_get(&url).await });
    let arrived = async {
        let requests = || platform.tap(Site::App1).requests();
        while requests().matches("/api2/data").count() == before {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, arrived).await.unwrap();
    // Each ends with 0 in the time that a drain has.
    platform.stop();
    let answer = waiting.await.unwrap().expect("an answer");
    assert_eq!(answer.status, 503, "{}", answer.body);
    platform.redis().resume();
}

/// In one process, what is called goes on taking connections for those who call.
#[tokio::test(flavor = "multi_thread")]
async fn in_one_process_an_open_request_completes_through_all_services() {
    use std::io::{Read as _, Write as _};
    let folder = tempfile::tempdir().unwrap();
    let (mut child, addresses) = tests::all_in_one(folder.path(), &[]).await;
    let app = addresses.url(Site::App1);
    let mut cli = HeadlessBrowser::new();
    sign_in_to(&mut cli, &app, ALICE).await;
    let jar = cli.jar();
    let cookies = jar
        .of("app1.localhost")
        .map(|cookie| format!("{}={}", cookie.name, cookie.value));
    let cookies = cookies.collect::<Vec<_>>().join("; ");

    let place = ("127.0.0.1", addresses.port(Site::App1));
    let mut order = TcpStream::connect(place).unwrap();
    let head = format!(
        "POST /api1/data HTTP/1.1\r\nHost: app1.localhost:{}\r\nCookie: {cookies}\r\nX-CSRF: 1\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        place.1,
        ORDER.len(),
    );
    order.write_all(head.as_bytes()).unwrap();
    // The service has begun with it, and waits for the order itself.
    let mut go_on = [0; 25];
    order.read_exact(&mut go_on).unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100 "), "{go_on:?}");
    child.terminate();
    let gone = async {
        while TcpStream::connect(place).is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone)
        .await
        .expect("the app takes no more");
    order.write_all(ORDER.as_bytes()).unwrap();
    let mut answer = String::new();
    order.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let ended = tokio::task::block_in_place(|| child.wait(PATIENCE));
    assert_eq!(
        ended.and_then(|status| status.code()),
        Some(0),
        "{}",
        child.output()
    );
}
