//! The live diagram under load: sign-ins in several journeys whose event streams are open.
//! No step may be lost, and each arrives soon after its span has ended.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    time::{Duration, Instant},
};

use bench::{
    docs,
    results::{self, Delays, JourneyRun, Journeys},
};
use futures_util::future::join_all;
use kit::{
    clock::{Clock as _, SystemClock},
    config::{Addresses, Site},
};
use serde_json::Value;
use testkit::{Child, HeadlessBrowser, free_offset};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    machine,
    programs::{ONE_USER, binary, flags, own, own_builds, redis, sign_in, until_ready},
};

/// Journeys, each with a browser and an open stream.
const JOURNEYS: usize = 5;
/// After so long without a step no more is expected.
const QUIET: Duration = Duration::from_secs(1);
/// The longest wait for that.
const PATIENCE: Duration = Duration::from_secs(20);
/// The services' own binaries, in the order in which they start.
const SERVICES: [(&str, Site); 6] = [
    ("lab", Site::Lab),
    ("idp", Site::Idp),
    ("api-2", Site::Api2),
    ("api-1", Site::Api1),
    ("app1-bff", Site::App1),
    ("app2-bff", Site::App2),
];
/// The one process.
const ALL_IN_ONE: [(&str, Site); 1] = [("sso-lab", Site::Lab)];
const COOKIE: &str = "__Host-lab_journey";
/// The session of app1.
const SESSION: &str = "__Host-session_id";

/// Measures whether the live diagram loses steps, and how late they are.
#[derive(clap::Args)]
pub struct Args {
    /// Rounds, each with new journeys: a journey has a bound of its steps
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// Seconds of a round
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Sign-ins each second, over all journeys
    #[arg(long, default_value_t = 10)]
    rate: u32,
}

/// Measures, and keeps the figures.
pub async fn run(args: &Args) {
    let mut runs = Vec::new();
    for (name, programs) in [
        ("one process", &ALL_IN_ONE[..]),
        ("separate processes", &SERVICES[..]),
    ] {
        runs.push(deployment(name, programs, args).await);
    }
    let profile = own_builds();
    let profile = profile.file_name().unwrap_or_default();
    let figures = Journeys {
        machine: machine::today(),
        profile: profile.to_string_lossy().into_owned(),
        journeys: JOURNEYS,
        seconds: args.seconds * args.rounds as u64,
        rate: args.rate,
        runs,
    };
    println!("{}", docs::journeys::of_journeys(&figures));
    results::write("journeys", &figures).expect("tools/bench/results can be written");
    println!("kept in {}", results::file("journeys").display());
}

/// What a reader got of one step.
struct Arrival {
    seq: usize,
    trace: String,
    name: String,
    /// From the end of its span, in ms.
    delay: f64,
}

/// A browser in a journey, with its stream.
struct Watched {
    browser: HeadlessBrowser,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    reader: JoinHandle<()>,
}

/// All figures of a deployment.
#[derive(Default)]
struct Seen {
    sign_ins: usize,
    steps: usize,
    lost: usize,
    delays: Vec<f64>,
    busy: Duration,
    /// How many sign-ins had so many steps.
    steps_of_sign_in: BTreeMap<usize, usize>,
}

async fn deployment(name: &str, programs: &[(&str, Site)], args: &Args) -> JourneyRun {
    let folder = tempfile::tempdir().expect("a folder");
    let offset = free_offset(1);
    let addresses = Addresses::new("http", "localhost", offset);
    let mut environment: Vec<_> = ONE_USER.iter().map(|name| own(name, "1000")).collect();
    environment.push(own("LOGIN_BUDGET", "102400"));
    environment.push(own("LOGIN_BUDGET_PER_ADDRESS", "25600"));
    let mut store = None;
    if programs.len() > 1 {
        let (process, url) = redis(folder.path()).await;
        store = Some(process);
        environment.push(own("REDIS_URL", &url));
        environment.push(own("LAB", "1"));
        environment.push(own("LAB_SECRET", "0123456789abcdef0123456789abcdef"));
        environment.push(own("LAB_OTLP_ENDPOINT", &addresses.url(Site::Lab)));
    }
    let mut running = Vec::new();
    for (name, site) in programs {
        running.push(start(name, folder.path(), offset, &environment));
        until_ready(&addresses.url(*site)).await;
    }
    let mut seen = Seen::default();
    for _ in 0..args.rounds {
        round(&addresses, args, &mut seen).await;
    }
    drop((running, store));
    seen.figures(name)
}

fn start(name: &str, folder: &Path, offset: u16, environment: &[(String, String)]) -> Child {
    let log = folder.join(format!("{name}.log"));
    Child::spawn(&binary(name), &flags(folder, offset), environment, log)
}

/// One round: new journeys, sign-ins for a time, and what came of them.
async fn round(addresses: &Addresses, args: &Args, seen: &mut Seen) {
    let mut watched = Vec::new();
    for _ in 0..JOURNEYS {
        watched.push(Watched::begin(addresses).await);
    }
    // The first sign-in has the form of the provider, so it is another one.
    let mut first = Vec::new();
    for one in &mut watched {
        sign_in(&mut one.browser, &addresses.url(Site::App1)).await;
        first.push(one.settled().await.len());
    }
    let began = Instant::now();
    let journeys = u32::try_from(JOURNEYS).unwrap_or(1);
    let pause = Duration::from_secs(1) * journeys / args.rate;
    let signing = watched.iter_mut().enumerate().map(async |(at, one)| {
        // Evenly over the time.
        let at = u32::try_from(at).unwrap_or_default();
        let mut next = began + pause * at / journeys;
        let mut count = 0;
        while began.elapsed() < Duration::from_secs(args.seconds) {
            tokio::time::sleep_until(next.into()).await;
            next += pause;
            // The app has forgotten the browser, and the provider knows the user.
            one.browser.forget_cookie("app1.localhost", SESSION);
            sign_in(&mut one.browser, &addresses.url(Site::App1)).await;
            count += 1;
        }
        count
    });
    let counts = join_all(signing).await;
    seen.busy += began.elapsed();
    for ((mut one, count), first) in watched.into_iter().zip(counts).zip(first) {
        let arrivals = one.settled().await;
        let recorded = one.recorded(addresses).await;
        seen.add(count, first, &arrivals, recorded);
        one.reader.abort();
    }
}

impl Watched {
    /// A new browser begins a journey and opens its stream.
    async fn begin(addresses: &Addresses) -> Self {
        let lab = addresses.url(Site::Lab);
        let mut browser = HeadlessBrowser::new();
        browser.goto(&format!("{lab}/journey")).await;
        browser.submit_first_form(&[]).await;
        let jar = browser.jar();
        let cookie = jar.get("lab.localhost", COOKIE).expect("a journey");
        // Without the limit of time that calls between services have.
        let port = addresses.port(Site::Lab);
        let asked = reqwest::Client::new()
            .get(format!("http://127.0.0.1:{port}/journey/events"))
            .header("cookie", format!("{COOKIE}={}", cookie.value));
        let answer = asked.send().await.expect("the lab answers");
        assert_eq!(answer.status(), 200, "no stream");
        let (sender, arrivals) = mpsc::unbounded_channel();
        let reader = tokio::spawn(read(answer, sender));
        Self {
            browser,
            arrivals,
            reader,
        }
    }

    /// All that has arrived since the last call, once no more does.
    async fn settled(&mut self) -> Vec<Arrival> {
        let mut all = Vec::new();
        let waiting = async {
            while let Ok(Some(one)) = tokio::time::timeout(QUIET, self.arrivals.recv()).await {
                all.push(one);
            }
        };
        let _ = tokio::time::timeout(PATIENCE, waiting).await;
        all
    }

    /// How many steps the journey's recording has.
    async fn recorded(&mut self, addresses: &Addresses) -> usize {
        let url = format!("{}/journey/recording", addresses.url(Site::Lab));
        let answer = self.browser.try_get(&url).await;
        let recording: Value = answer
            .and_then(|answer| answer.json().ok())
            .expect("a recording");
        recording["steps"].as_array().map_or(0, Vec::len)
    }
}

/// Reads the events of a stream.
async fn read(mut answer: reqwest::Response, sender: mpsc::UnboundedSender<Arrival>) {
    let mut rest = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        let now = u64::try_from(SystemClock.now().millis()).unwrap_or_default();
        let now = Duration::from_millis(now);
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let Some(arrival) = arrival(&line, now) else {
                continue;
            };
            if sender.send(arrival).is_err() {
                return;
            }
        }
    }
}

/// The step in a line of a stream that arrived at `now`.
fn arrival(line: &[u8], now: Duration) -> Option<Arrival> {
    let step: Value = serde_json::from_slice(line.strip_prefix(b"data: ")?).ok()?;
    let end = Duration::from_micros(step["end"].as_u64()?);
    Some(Arrival {
        seq: usize::try_from(step["seq"].as_u64()?).ok()?,
        trace: step["trace"].as_str()?.to_owned(),
        name: step["name"].as_str()?.to_owned(),
        delay: now.saturating_sub(end).as_secs_f64() * 1000.0,
    })
}

impl Seen {
    /// Adds a journey: `count` sign-ins after the first one, which took the first steps.
    fn add(&mut self, count: usize, first: usize, arrivals: &[Arrival], recorded: usize) {
        let expected = first + 1..=recorded;
        let in_order = arrivals.iter().map(|one| one.seq).eq(expected.clone());
        if !in_order {
            self.lost += expected.count().abs_diff(arrivals.len()).max(1);
        }
        let mut traces: HashMap<&str, (bool, usize)> = HashMap::new();
        for one in arrivals {
            let (is_sign_in, steps) = traces.entry(&one.trace).or_default();
            *is_sign_in |= one.name == "GET /login";
            // How many commands the upkeep of an index takes depends on what is due.
            *steps += usize::from(one.name != "store");
        }
        let sign_ins = traces.values().filter(|(is_sign_in, _)| *is_sign_in);
        let mut found = 0;
        for (_, steps) in sign_ins {
            *self.steps_of_sign_in.entry(*steps).or_default() += 1;
            found += 1;
        }
        self.lost += count.abs_diff(found);
        self.sign_ins += count;
        self.steps += arrivals.len();
        self.delays.extend(arrivals.iter().map(|one| one.delay));
    }

    fn figures(mut self, name: &str) -> JourneyRun {
        self.delays.sort_unstable_by(f64::total_cmp);
        let last = self.delays.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a list"
        )]
        let at = |part: f64| self.delays.get((last as f64 * part).round() as usize);
        let at = |part: f64| at(part).copied().unwrap_or_default();
        // The most usual number of steps; a sign-in with fewer has lost some.
        let usual = self
            .steps_of_sign_in
            .iter()
            .max_by_key(|(_, count)| **count);
        let usual = usual.map_or(0, |(steps, _)| *steps);
        let missing = self.steps_of_sign_in.iter();
        let missing: usize = missing
            .map(|(steps, count)| usual.saturating_sub(*steps) * count)
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let rate = self.sign_ins as f64 / self.busy.as_secs_f64();
        JourneyRun {
            name: name.to_owned(),
            sign_ins: self.sign_ins,
            rate,
            steps: self.steps,
            steps_of_sign_in: usual,
            lost: self.lost + missing,
            delays: Delays {
                p50_ms: at(0.5),
                p99_ms: at(0.99),
                max_ms: at(1.0),
            },
        }
    }
}
