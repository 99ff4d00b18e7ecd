//! The one process, as a person starts it.

use std::{path::Path, time::Duration};

use kit::config::Addresses;
use testkit::{Child, binary, free_offset};

/// How long a start may take, in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// All services in one process with these further flags, ready and without Redis, and their
/// addresses. The log is in `folder`.
pub async fn all_in_one(folder: &Path, flags: &[&str]) -> (Child, Addresses) {
    let offset = free_offset(1);
    let port = offset.to_string();
    let flags = [&["--port-offset", &*port], flags].concat();
    let environment = [("REDIS_URL".to_owned(), String::new())];
    let log = folder.join("log");
    let mut child = Child::spawn(&binary("sso-lab"), &flags, &environment, log);
    child.until_output("wonderland", SOON).await;
    (child, Addresses::new("http", "localhost", offset))
}
