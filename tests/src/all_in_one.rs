//! The one process, as a person starts it.

use std::{path::Path, time::Duration};

use kit::config::{Addresses, Site};
use testkit::{Child, binary, free_offset};

/// How long a start may take, in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// All services in one process with these further flags, ready and without Redis, and their
/// addresses. The log is in `folder`.
pub async fn all_in_one(folder: &Path, flags: &[&str]) -> (Child, Addresses) {
    all_in_one_with(folder, flags, &[]).await
}

/// The same with these further variables of the environment.
pub async fn all_in_one_with(
    folder: &Path,
    flags: &[&str],
    environment: &[(&str, &str)],
) -> (Child, Addresses) {
    let offset = free_offset(1);
    let port = offset.to_string();
    let addresses = if flags.contains(&"--tls") {
        Addresses::over_tls("localhost", offset)
    } else {
        Addresses::new("http", "localhost", offset)
    };
    let flags = [&["--port-offset", &*port], flags].concat();
    let environment = [("REDIS_URL", "")].iter().chain(environment);
    let environment: Vec<_> = environment
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let log = folder.join("log");
    let mut child = Child::spawn(&binary("sso-lab"), &flags, &environment, log);
    child.until_output("Ctrl-C ends it", SOON).await;
    (child, addresses)
}

/// By how much these ports are moved.
#[must_use]
pub fn offset_of(addresses: &Addresses) -> u16 {
    addresses.port(Site::Lab) - Addresses::default().port(Site::Lab)
}
