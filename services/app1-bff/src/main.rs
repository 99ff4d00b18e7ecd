//! The binary of the first app.

use std::process::ExitCode;

use app1_bff::{APP, Args};
use kit::config::parse_args;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let args: Args = parse_args();
    let read = |common: &_, problems: &mut _| args.read(common, problems);
    launch::service(APP.service, APP.site, &args.common, read, app1_bff::build).await
}
