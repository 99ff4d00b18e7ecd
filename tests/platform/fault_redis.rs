//! Redis is killed and started again under load: while it is away everybody is
//! told to wait, and nobody is signed out by it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kit::config::Site;
use testkit::{HeadlessBrowser, Plan, Processes, Response};
use tests::{ALICE, BOB, Person, in_modes, modes::in_mode, session_at, sign_in_to};
use tokio::{sync::Mutex, task::JoinSet, time::sleep};

/// Who is signed in meanwhile.
const PEOPLE: [Person; 3] = [ALICE, BOB, ALICE];
/// How long to wait for what must happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Answers of a browser that tell how it fares now.
const ENOUGH: usize = 10;
/// How long access tokens live: until Redis is away, and not much longer.
const ACCESS_TOKEN: (&str, &str) = ("access_token = \"15m\"", "access_token = \"10s\"");

/// What one browser was answered, and when it had asked.
type Answers = Arc<Mutex<Vec<(Instant, Response)>>>;

/// Browsers that call an API all the time, until this is dropped.
struct Load {
    browsers: Vec<HeadlessBrowser>,
    answers: Vec<Answers>,
    _tasks: JoinSet<()>,
}

impl Load {
    async fn begin(app: &str) -> Self {
        let (mut browsers, mut answers, mut tasks) = (Vec::new(), Vec::new(), JoinSet::new());
        for person in PEOPLE {
            let mut cli = HeadlessBrowser::new();
            sign_in_to(&mut cli, app, person).await;
            let mut tab = cli.second_tab();
            let own = Answers::default();
            let (url, kept) = (format!("{app}/api1/data"), Arc::clone(&own));
            tasks.spawn(async move {
                loop {
                    let asked = Instant::now();
                    let answer = tab.try_get(&url).await.unwrap();
                    kept.lock().await.push((asked, answer));
                    sleep(Duration::from_millis(5)).await;
                }
            });
            browsers.push(cli);
            answers.push(own);
        }
        Self {
            browsers,
            answers,
            _tasks: tasks,
        }
    }

    /// Waits until the answers that each browser had since `start` are so.
    async fn until(&self, start: Instant, what: &str, is_so: impl Fn(&[u16]) -> bool) {
        let began = Instant::now();
        for answers in &self.answers {
            loop {
                let statuses: Vec<_> = answers
                    .lock()
                    .await
                    .iter()
                    .filter(|(asked, _)| *asked >= start)
                    .map(|(_, answer)| answer.status)
                    .collect();
                if is_so(&statuses) {
                    break;
                }
                assert!(began.elapsed() < PATIENCE, "not {what}: {statuses:?}");
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// All that was answered was either what was asked for, or a request to
    /// wait that leaves the cookies as they are.
    async fn nobody_was_signed_out(&self) {
        for answers in &self.answers {
            for (_, answer) in answers.lock().await.iter() {
                let waits = answer.status == 503
                    && answer.header("retry-after").is_some()
                    && answer.header("set-cookie").is_none();
                assert!(answer.status == 200 || waits, "{answer:?}");
            }
        }
    }
}

/// Kills Redis under load and starts it again. `outlives`: whether calls go on
/// without it, until an access token has to be renewed.
async fn an_outage(mode: &str, outlives: bool) {
    let plan = Plan {
        durable_redis: true,
        idp_config: vec![ACCESS_TOKEN],
        ..Plan::default()
    };
    let mut platform = Processes::start(&in_mode(mode, plan)).await;
    let app = platform.url(Site::App1);
    let mut load = Load::begin(&app).await;
    let all = |status: u16| {
        move |seen: &[u16]| seen.len() >= ENOUGH && seen.iter().all(|one| *one == status)
    };
    let ends_with = |status: u16| {
        move |seen: &[u16]| {
            let last = seen.len().saturating_sub(ENOUGH);
            seen.len() > ENOUGH && seen[last..].iter().all(|one| *one == status)
        }
    };
    load.until(Instant::now(), "served", all(200)).await;

    platform.redis_mut().stop();
    let away = Instant::now();
    if outlives {
        load.until(away, "served without Redis", all(200)).await;
    }
    load.until(away, "told to wait", ends_with(503)).await;

    platform.redis_mut().restart();
    let back = Instant::now();
    load.until(back, "served again", ends_with(200)).await;
    load.nobody_was_signed_out().await;
    for cli in &mut load.browsers {
        assert_eq!(session_at(cli, &app).await["authenticated"], true);
    }
}

async fn a_killed_redis_is_503_and_loses_no_session(mode: &str) {
    an_outage(mode, false).await;
}

async fn calls_succeed_without_redis_until_a_token_must_be_renewed(mode: &str) {
    an_outage(mode, true).await;
}

in_modes!([stateful cached] [a_killed_redis_is_503_and_loses_no_session]);
in_modes!([hybrid stateless] [calls_succeed_without_redis_until_a_token_must_be_renewed]);
