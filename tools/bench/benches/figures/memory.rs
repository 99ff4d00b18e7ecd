//! The memory of each program: five seconds after its start, and one minute after
//! sign-ins and calls.

use std::{fs, path::Path, time::Duration};

use bench::{
    docs,
    results::{self, Memory, ProgramMemory, Resident},
};
use futures_util::future::join_all;
use kit::config::{Addresses, Site};
use reqwest::Method;
use testkit::{Child, HeadlessBrowser, free_offset};

use crate::{
    machine,
    programs::{binary, flags, own, redis, sign_in, until_ready},
};

/// Sign-ins, each at both apps.
const SIGN_INS: usize = 200;
/// Calls at each app.
const CALLS: usize = 10_000;
/// Browsers that act at the same time.
const AT_ONCE: usize = 20;
/// Time from the start to the first measurement.
const AFTER_START: Duration = Duration::from_secs(5);
/// Time from the last call to the second measurement.
const AFTER_WORK: Duration = Duration::from_secs(60);
/// The services' own binaries, in the order in which they start.
const SERVICES: [(&str, Site); 6] = [
    ("idp", Site::Idp),
    ("api-2", Site::Api2),
    ("api-1", Site::Api1),
    ("app1-bff", Site::App1),
    ("app2-bff", Site::App2),
    ("lab", Site::Lab),
];
/// The one process.
const ALL_IN_ONE: [(&str, Site); 1] = [("sso-lab", Site::Lab)];

/// Measures, and keeps the figures.
pub async fn run() {
    let mut programs = Vec::new();
    for (names, with_redis) in [
        (&ALL_IN_ONE[..], false),
        (&ALL_IN_ONE[..], true),
        (&SERVICES[..], true),
    ] {
        programs.extend(deployment(names, with_redis).await);
    }
    let memory = Memory {
        machine: machine::today(),
        sign_ins: SIGN_INS,
        calls: CALLS,
        programs,
    };
    println!("{}", docs::operations::of_memory(&memory));
    results::write("memory", &memory).expect("tools/bench/results can be written");
    println!("kept in {}", results::file("memory").display());
}

/// The memory of the `programs` of one deployment.
async fn deployment(programs: &[(&str, Site)], with_redis: bool) -> Vec<ProgramMemory> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut environment = Vec::new();
    let mut redis_process = None;
    if with_redis {
        let (process, url) = redis(folder.path()).await;
        environment.push(own("REDIS_URL", &url));
        redis_process = Some(process);
    }
    let offset = free_offset(1);
    let addresses = Addresses::new("http", "localhost", offset);
    let mut running = Vec::new();
    for (name, site) in programs {
        let process = start(name, folder.path(), offset, &environment);
        until_ready(&addresses.url(*site)).await;
        running.push(process);
    }
    tokio::time::sleep(AFTER_START).await;
    let at_start: Vec<_> = running.iter().map(resident).collect();
    work(&addresses).await;
    tokio::time::sleep(AFTER_WORK).await;
    let measured = programs.iter().zip(&running).zip(at_start);
    let measured = measured.map(|(((name, _), process), at_start)| ProgramMemory {
        name: (*name).to_owned(),
        store: if with_redis { "Redis" } else { "memory" }.to_owned(),
        at_start,
        after_work: resident(process),
    });
    let measured = measured.collect();
    drop(running);
    drop(redis_process);
    measured
}

fn start(name: &str, folder: &Path, offset: u16, environment: &[(String, String)]) -> Child {
    let log = folder.join(format!("{name}.log"));
    let flags = flags(folder, offset);
    Child::spawn(&binary(name), &flags, environment, log)
}

/// Signs in, and calls, from several browsers at a time.
async fn work(addresses: &Addresses) {
    let apps = [
        (addresses.url(Site::App1), "/api1/data"),
        (addresses.url(Site::App2), "/api2/data"),
    ];
    let browsers = (0..AT_ONCE).map(|_| async {
        let mut browser = HeadlessBrowser::new();
        for _ in 0..SIGN_INS / AT_ONCE {
            browser = HeadlessBrowser::new();
            for (app, _) in &apps {
                sign_in(&mut browser, app).await;
            }
        }
        for (app, path) in &apps {
            for _ in 0..CALLS / AT_ONCE {
                let url = format!("{app}{path}");
                let answer = browser.raw(Method::GET, &url, &[], "").await;
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
        }
    });
    join_all(browsers).await;
}

/// What the kernel says about the memory of `process`.
fn resident(process: &Child) -> Resident {
    let file = format!("/proc/{}/smaps_rollup", process.pid());
    let text = fs::read_to_string(file).expect("the process runs");
    let megabytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        kibibytes.expect("a number") * 1024.0 / 1e6
    };
    Resident {
        all: megabytes("Rss:"),
        anonymous: megabytes("Anonymous:"),
    }
}
