//! What each way costs by which an app gets its credential for an API: requests to the
//! provider, time and bytes, of calls that go through everything for real.
//! `scripts/bench credentials` runs it.
mod app;

use std::time::{Duration, Instant};

use bench::{
    docs::credentials::{self, METHODS},
    results::{self, Credentials, Way},
};
use testkit::HeadlessBrowser;

use self::app::App;
use crate::machine;

/// Measures the methods of BFF_API1_CREDENTIAL and BFF_API2_CREDENTIAL; docs/credentials.md
/// says what the figures mean.
#[derive(clap::Args)]
pub struct Args {
    /// Sessions, of which each figure is the median
    #[arg(long, default_value_t = 20)]
    sessions: usize,
}

/// How long an access token lives here: a renewal has to be waited for.
const LIFE: Duration = Duration::from_secs(4);
/// Calls of a session whose credential is there.
const CALLS: usize = 20;
/// The APIs, with the paths of their calls.
const APIS: [(&str, &str); 2] = [
    ("https://api-1", "/api1/whoami"),
    ("https://api-2", "/api2/whoami"),
];

/// Measures, and keeps the figures.
pub async fn run(args: Args) {
    let app = App::start(LIFE, &[]).await;
    let mut ways = Vec::new();
    for method in METHODS {
        for (audience, path) in APIS {
            if !credentials::suits(method, audience) {
                continue;
            }
            let way = measure(&app, method, (audience, path), args.sessions).await;
            println!("{}", credentials::line(&way));
            ways.push(way);
        }
    }
    let bound = App::start(LIFE, &["--bff-dpop=on"]).await;
    for (audience, path) in APIS {
        let way = measure(&bound, METHODS[0], (audience, path), args.sessions).await;
        let way = Way { bound: true, ..way };
        println!("{}", credentials::line(&way));
        ways.push(way);
    }
    let figures = Credentials {
        machine: machine::today(),
        profile: app.lab.profile(),
        sessions: args.sessions,
        ways,
    };
    println!("{}", credentials::of_credentials(&figures));
    results::write("credentials", &figures).expect("tools/bench/results can be written");
    println!("kept in {}", results::file("credentials").display());
}

async fn measure(app: &App, method: &str, (audience, path): (&str, &str), sessions: usize) -> Way {
    let url = format!("{}{path}", app.url);
    let mut browsers = Vec::new();
    for _ in 0..sessions {
        browsers.push(app.sign_in(method).await);
    }
    // The login's own token has ended, and that of the app.
    tokio::time::sleep(LIFE).await;
    let before = app.token_calls().await;
    let mut renewed = Vec::new();
    let mut knows = String::new();
    for cli in &mut browsers {
        let (took, said) = call(cli, &url).await;
        renewed.push(took);
        credentials::knows(&said).clone_into(&mut knows);
    }
    let spent = app.token_calls().await.since(&before);
    let mut kept = Vec::new();
    for cli in browsers.iter_mut().take(3) {
        // The first one of each may renew, where the token's life has passed meanwhile.
        call(cli, &url).await;
        for _ in 0..CALLS {
            kept.push(call(cli, &url).await.0);
        }
    }
    let many = f64::from(u32::try_from(sessions).expect("some sessions"));
    Way {
        method: method.to_owned(),
        bound: false,
        audience: audience.to_owned(),
        knows,
        requests: spent.requests() / many,
        token_ms: spent.millis() / many,
        renewed_ms: results::median(renewed),
        kept_ms: results::median(kept),
        bytes: app.credential_bytes(method, audience).await,
    }
}

/// How long a call took, in milliseconds, and what the API knows.
async fn call(cli: &mut HeadlessBrowser, url: &str) -> (f64, serde_json::Value) {
    let began = Instant::now();
    let answer = cli.try_get(url).await.expect("an answer");
    let took = began.elapsed().as_secs_f64() * 1000.0;
    assert_eq!(answer.status, 200, "{}", answer.body);
    (took, answer.json().expect("what the API knows"))
}
