//! What a process takes of memory before anybody has asked anything of it.
//! (`scripts/bench memory` measures it, and what is left after work, of optimised
//! programs.)
#![cfg(target_os = "linux")]

use testkit::{Plan, Processes};
use tests::all_in_one;

/// The most of heap and stacks that a service has at rest in a debug build: three
/// times what it is.
const MOST_OF_A_SERVICE: u64 = 16 << 20;
/// The same of all of them in one process: twice what it is.
const MOST_OF_ONE_PROCESS: u64 = 32 << 20;

/// The heap and the stacks of a process, in bytes.
fn anonymous(pid: u32) -> u64 {
    let sums = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let mut lines = sums.lines();
    let rest = lines.find_map(|line| line.strip_prefix("Anonymous:"));
    let kib = rest.and_then(|rest| rest.split_whitespace().next());
    kib.unwrap().parse::<u64>().unwrap() * 1024
}

fn is_small(name: &str, pid: u32, most: u64) {
    let anonymous = anonymous(pid);
    assert!(anonymous < most, "{name} has {anonymous} bytes of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_at_rest_takes_little_memory_of_its_own() {
    let mut platform = Processes::start(&Plan {
        // A thread a core: what they have is not to depend on the machine.
        environment: vec![("TOKIO_WORKER_THREADS".to_owned(), "2".to_owned())],
        ..Plan::default()
    })
    .await;
    for name in ["idp", "app1-bff", "app2-bff", "api-1", "api-2", "lab"] {
        is_small(name, platform.child(name).pid(), MOST_OF_A_SERVICE);
    }
    drop(platform);
    let folder = tempfile::tempdir().unwrap();
    let (child, _) = all_in_one(folder.path(), &[]).await;
    is_small("sso-lab", child.pid(), MOST_OF_ONE_PROCESS);
}
