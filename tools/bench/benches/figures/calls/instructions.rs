//! Two builds of the app by the instructions of a call, which valgrind counts. Other load on
//! the machine changes nothing of this count, so that a small difference shows after one run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use testkit::HeadlessBrowser;

use super::{
    environment::{Environment, sent_after_sign_in},
    wrk::Load,
};
use crate::programs::own_builds;

/// One call at a time: how many calls a process finds at once is chance.
const LOAD: Load = Load {
    seconds: 8,
    connections: 1,
};
/// The same, for what happens only at the first calls.
const WARM_UP: Load = Load { seconds: 4, ..LOAD };

/// Prints for each of `modes` the instructions of a call, of this build and of the `app1-bff`
/// in `other`, and their ratio.
pub async fn run(environment: &Environment, other: &Path, modes: &[String]) {
    println!("{:<10} {:>9} {:>9}  ratio", "mode", "other", "this");
    for mode in modes {
        let of_other = of_a_call(environment, other, mode).await;
        let of_this = of_a_call(environment, &own_builds(), mode).await;
        let ratio = of_this / of_other;
        println!("{mode:<10} {of_other:>9.0} {of_this:>9.0}  {ratio:.3}");
    }
}

async fn of_a_call(environment: &Environment, build: &Path, mode: &str) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let app = environment.counted_app(build, mode, folder.path()).await;
    let mut browser = HeadlessBrowser::new();
    let sent = sent_after_sign_in(&mut browser, &environment.app_url()).await;
    WARM_UP.on(&app.url, &sent);
    control("--zero", app.pid());
    let calls = LOAD.on(&app.url, &sent);
    control("--dump", app.pid());
    let counted = instructions(&profile(folder.path()));
    let calls = u32::try_from(calls).expect("some thousand calls");
    counted / f64::from(calls)
}

/// Has valgrind begin its count again, or write the count into a new file.
fn control(what: &str, pid: u32) {
    let mut command = Command::new("callgrind_control");
    let output = command.arg(what).arg(pid.to_string()).output();
    let output = output.expect("valgrind is installed");
    assert!(
        output.status.success(),
        "callgrind_control {what}: {output:?}"
    );
}

/// The file that valgrind has written.
fn profile(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).expect("a folder of our own");
    let mut files = files.map(|file| file.expect("it can be read").path());
    files
        .find(|file| fs::metadata(file).is_ok_and(|file| file.len() > 0))
        .expect("one profile")
}

/// What the profile counts, over all threads.
fn instructions(profile: &Path) -> f64 {
    let text = fs::read_to_string(profile).expect("a profile is text");
    let counts = text.lines().filter_map(|line| {
        let count = line.strip_prefix("summary: ")?;
        count.trim().parse::<f64>().ok()
    });
    counts.sum()
}
