//! The programs that are measured, and what they need: a folder, ports, a Redis, a
//! user who signs in.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use testkit::{Child, HeadlessBrowser};

/// How long a process gets to be ready, also under valgrind on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Settings that limit what one user may have: all that is measured is alice's.
pub const ONE_USER: [&str; 4] = [
    "BFF_SESSIONS_PER_USER",
    "IDP_SESSIONS_PER_USER",
    "IDP_GRANTS_PER_CLIENT",
    "IDP_GRANTS_PER_SESSION",
];

/// A Redis that keeps nothing, with its URL.
pub async fn redis(folder: &Path) -> (Child, String) {
    let port = free_port().to_string();
    let flags = ["--bind", "127.0.0.1", "--save", "", "--port", &port];
    let log = folder.join("redis.log");
    let redis = Child::spawn(Path::new("redis-server"), &flags, &[], log);
    let url = format!("redis://127.0.0.1:{port}");
    until_open(port.parse().expect("a port")).await;
    (redis, url)
}

/// Signs in at `app` and makes a first call.
pub async fn sign_in(cli: &mut HeadlessBrowser, app: &str) {
    cli.goto(&format!("{app}/login")).await;
    if cli.page().has_form() && !cli.page().url().as_str().starts_with(app) {
        cli.submit_first_form(&[("username", "alice"), ("password", "wonderland")])
            .await;
    }
    let page = cli.page();
    let is_home = page.status() == 200 && page.url().as_str().starts_with(app);
    assert!(is_home, "not signed in: {page}");
}

/// The folder of the binaries that are measured, with the optimisations that this
/// program is built without.
pub fn own_builds() -> PathBuf {
    let folder = std::env::var_os("BENCH_BINARIES").expect("BENCH_BINARIES: run scripts/bench");
    PathBuf::from(folder)
}

/// The measured build of the program `name`.
pub fn binary(name: &str) -> PathBuf {
    let path = own_builds().join(name);
    assert!(path.is_file(), "{} is not built", path.display());
    path
}

/// A setting of the environment.
pub fn own(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The flags of every service: its ports, and the state directory in `folder`.
pub fn flags(folder: &Path, offset: u16) -> Vec<String> {
    let state = folder.join("state");
    vec![
        format!("--port-offset={offset}"),
        format!("--state-dir={}", state.display()),
    ]
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Waits until something listens on the port.
pub async fn until_open(port: u16) {
    let open = async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_ok()
    };
    until(&format!("port {port}"), open).await;
}

/// Waits until the service at `url` is ready.
pub async fn until_ready(url: &str) {
    let http = kit::net::http_client();
    let ready = async || {
        let asked = http.get(format!("{url}/readyz")).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    };
    until(url, ready).await;
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "{what} is not there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
