//! What a login and a renewal cost. Many sessions begin and call, wait until
//! their access tokens are over, and call again. A renewal's cost has in it what
//! the first look at the new token costs, which a call's has not.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bench::results::Cost;
use reqwest::Method;
use testkit::HeadlessBrowser;

use super::environment::{Environment, Tested, cookies};
use crate::{cpu::Meter, programs::sign_in};

/// Sessions that are renewed.
const SESSIONS: u64 = 300;
/// How long their access tokens live: longer than all of them take to begin and call.
const TOKEN_LIFE: Duration = Duration::from_secs(25);

/// What was measured besides calls.
#[derive(Clone, Copy, Default)]
pub struct Extra {
    /// Of a login.
    pub login: Cost,
    /// Of a renewal, beyond the call that it is for.
    pub renewal: Cost,
}

/// In each of `modes`.
pub async fn measure(modes: &[String]) -> Vec<Extra> {
    let environment = Environment::start(&format!("{}s", TOKEN_LIFE.as_secs())).await;
    let mut all = Vec::new();
    for mode in modes {
        println!("renewals: {mode}, {SESSIONS} sessions, {TOKEN_LIFE:?}");
        all.push(in_mode(&environment, mode).await);
    }
    all
}

async fn in_mode(environment: &Environment, mode: &str) -> Extra {
    let app = environment.app(mode).await;
    let home = environment.app_url();
    let mut cli = HeadlessBrowser::new();
    // The provider's session; from here on it asks for no password.
    sign_in(&mut cli, &home).await;
    let began = Instant::now();
    let mut sessions = Vec::new();
    let login = cost(environment, &app, async {
        for _ in 0..SESSIONS {
            forget_app(&cli);
            sign_in(&mut cli, &home).await;
            sessions.push(cookies(&cli));
        }
    });
    let login = login.await;
    call_each(&home, &sessions).await;
    let call = cost(environment, &app, call_each(&home, &sessions)).await;
    assert!(began.elapsed() < TOKEN_LIFE, "too slow: tokens have ended");
    tokio::time::sleep(TOKEN_LIFE).await;
    let renewing = cost(environment, &app, async {
        let renewed = call_each(&home, &sessions).await;
        call_each(&home, &renewed).await;
    });
    let renewing = renewing.await;
    Extra {
        login,
        renewal: Cost {
            app: renewing.app - 2.0 * call.app,
            redis: renewing.redis - 2.0 * call.redis,
        },
    }
}

/// So that a new session does not end the one before.
fn forget_app(cli: &HeadlessBrowser) {
    let jar = cli.jar();
    for cookie in jar.of("app1.localhost") {
        cli.forget_cookie("app1.localhost", &cookie.name);
    }
}

/// One call of each session; their cookies after it.
async fn call_each(home: &str, sessions: &[String]) -> Vec<String> {
    let url = format!("{home}/api1/data");
    let mut after = Vec::new();
    for cookies in sessions {
        let mut cli = HeadlessBrowser::new();
        let headers = [("cookie", cookies.as_str())];
        let answer = cli.raw(Method::GET, &url, &headers, "").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        after.push(carried_on(cookies, &cli));
    }
    after
}

/// `cookies`, with what an answer has set in their place.
fn carried_on(cookies: &str, cli: &HeadlessBrowser) -> String {
    let jar = cli.jar();
    let set: BTreeMap<_, _> = jar
        .of("app1.localhost")
        .map(|cookie| (cookie.name.as_str(), cookie.value.as_str()))
        .collect();
    let pairs = cookies.split("; ").map(|pair| {
        let (name, value) = pair.split_once('=').expect("a cookie");
        format!("{name}={}", set.get(name).unwrap_or(&value))
    });
    pairs.collect::<Vec<_>>().join("; ")
}

/// What each of the sessions costs in `work`.
async fn cost<T>(environment: &Environment, app: &Tested, work: impl Future<Output = T>) -> Cost {
    let meter = Meter::new(app.pid(), environment.redis.pid());
    work.await;
    meter.each_of(SESSIONS)
}
