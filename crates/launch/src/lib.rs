//! The common part of every `main`: from the command line to running services and to an
//! exit code. 0 after a drain, 2 for a bad configuration or a taken port (one line for
//! each error), 1 if a service fails.

mod memory;

use std::{process::ExitCode, sync::Arc};

use kit::{
    Deps,
    config::{Common, CommonArgs, Problems, Site, refuse},
    listeners::Listeners,
    running::Running,
    shutdown::Shutdown,
    telemetry::{LogFormat, TelemetrySettings},
};
use store::SharedStore;

/// The surroundings of a program.
pub struct Platform {
    /// The common settings.
    pub common: Common,
    /// The store that services share.
    pub store: SharedStore,
    /// Clock, randomness, shutdown.
    pub deps: Deps,
}

/// Runs one service on `site`'s ports. `read` makes its configuration, `build`
/// starts it.
pub async fn service<C, F>(
    name: &'static str,
    site: Site,
    common: &CommonArgs,
    read: impl FnOnce(&Common, &mut Problems) -> Option<C>,
    build: impl FnOnce(C, Listeners, SharedStore, Deps) -> F,
) -> ExitCode
where
    F: Future<Output = Result<Running, Problems>>,
{
    let read = |common: &Common, problems: &mut Problems| {
        let config = read(common, problems);
        let [listeners] = Listeners::bind(common, [site], problems);
        Some((config?, listeners?))
    };
    let start = |(config, listeners), platform: Platform| {
        build(config, listeners, platform.store, platform.deps)
    };
    program(name, &[name], common, read, start).await
}

/// Runs a program that holds `services`: reads everything first, then starts,
/// then waits for the drain. Call it inside a multi-threaded runtime.
pub async fn program<C, F>(
    name: &'static str,
    services: &[&'static str],
    args: &CommonArgs,
    read: impl FnOnce(&Common, &mut Problems) -> Option<C>,
    start: impl FnOnce(C, Platform) -> F,
) -> ExitCode
where
    F: Future<Output = Result<Running, Problems>>,
{
    memory::use_small_pages();
    let mut problems = Problems::new();
    let common = args.read(&mut problems);
    let common = common.unwrap_or_else(|| args.unusable());
    let config = read(&common, &mut problems);
    let deps = Deps::system(Shutdown::on_signals(common.drain));
    // Nothing is connected yet, so errors of its settings are reported with all others.
    let redis = args.redis.read(&mut problems);
    let store = store::open(redis.as_ref(), Arc::clone(&deps.clock));
    let store = store.map_err(|found| problems.extend(found)).ok();
    let telemetry = TelemetrySettings::read(&mut problems);
    let (config, store, telemetry) = match (config, store, telemetry) {
        (Some(config), Some(store), Some(telemetry)) if problems.is_empty() => {
            (config, store, telemetry)
        }
        _ => return refuse(name, &problems),
    };
    let format = if common.log_json {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    let telemetry = match telemetry.start(services, format, &common.trust, common.lab.as_ref()) {
        Ok(telemetry) => telemetry,
        Err(problems) => return refuse(name, &problems),
    };
    common.weaknesses.announce();
    for address in &common.listen.missing {
        tracing::warn!("this machine has no address {address}: nothing listens there");
    }
    let platform = Platform {
        common,
        store,
        deps,
    };
    let ended = run(config, platform, start).await;
    telemetry.flush().await;
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
        Err(problems) => refuse(name, &problems),
    }
}

async fn run<C, F>(
    config: C,
    platform: Platform,
    start: impl FnOnce(C, Platform) -> F,
) -> Result<std::io::Result<()>, Problems>
where
    F: Future<Output = Result<Running, Problems>>,
{
    let shutdown = platform.deps.shutdown.clone();
    let running = start(config, platform).await?;
    tokio::spawn(memory::return_freed_pages());
    Ok(running.supervise(&shutdown).await)
}
