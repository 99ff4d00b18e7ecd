//! Starts each service in this process, by the function that its `main` calls.

use std::{path::Path, sync::Arc};

use clap::Parser;
use kit::{
    Deps,
    config::{Addresses, Common, CommonArgs, Problems, Site, Weakness},
    listeners::Listeners,
    net::Trust,
    running::Running,
    state_dir::StateDir,
};
use store::{SharedStore, test_redis::RedisServer};

/// The parameters of every service.
pub(crate) struct Start<'a> {
    pub(crate) addresses: &'a Addresses,
    pub(crate) state: &'a Path,
    pub(crate) trust: &'a Trust,
    pub(crate) deps: Deps,
    pub(crate) store: SharedStore,
    pub(crate) changes: Changes<'a>,
}

/// Differences from the default platform.
#[derive(Clone, Copy, Default)]
pub(crate) struct Changes<'a> {
    /// Additional flags of the provider.
    pub(crate) idp_flags: &'a [&'a str],
    /// Additional flags of both apps.
    pub(crate) bff_flags: &'a [&'a str],
    /// Additional flags of App 1 alone.
    pub(crate) app1_flags: &'a [&'a str],
    /// Additional flags of API-1.
    pub(crate) api1_flags: &'a [&'a str],
    /// Additional flags of API-2.
    pub(crate) api2_flags: &'a [&'a str],
    /// Additional flags of the provider and both apps.
    pub(crate) common_flags: &'a [&'a str],
    /// The Redis of all services; without it, the store is in memory.
    pub(crate) redis: Option<&'a RedisServer>,
    /// Whether each port speaks TLS.
    pub(crate) over_tls: bool,
    /// Defences that all services disable.
    pub(crate) weaknesses: &'a [Weakness],
}

/// A started service, or `None` if its settings are invalid.
type Started = Option<Result<Running, Problems>>;

/// Parses a service's own flags without the shared ones.
#[derive(Parser)]
struct Program<T: clap::Args> {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    own: T,
}

/// No flags of its own.
#[derive(clap::Args)]
struct Nothing;

/// The same sockets; that of the mTLS port presents a certificate.
fn with_mtls(
    mut listeners: Listeners,
    common: &Common,
    site: Site,
    problems: &mut Problems,
) -> Option<Listeners> {
    let bound = std::mem::take(&mut listeners.mtls).bound;
    listeners.with_mtls(bound, common, site, problems)
}

impl Start<'_> {
    /// Starts the service of `site`.
    pub(crate) async fn service(&self, site: Site, listeners: Listeners) -> Running {
        let mut problems = Problems::new();
        let started = match site {
            Site::Lab | Site::Spa | Site::Evil => self.lab(site, listeners, &mut problems),
            Site::Idp => self.idp(listeners, &mut problems).await,
            Site::App1 => self.app1(listeners, &mut problems).await,
            Site::App2 => self.app2(listeners, &mut problems).await,
            Site::Api1 => self.api1(listeners, &mut problems).await,
            Site::Api2 => self.api2(listeners, &mut problems).await,
        };
        match started {
            Some(Ok(running)) => running,
            Some(Err(more)) => panic!("{site:?}: {more}"),
            None => panic!("{site:?}: {problems}"),
        }
    }

    fn common(&self, args: &CommonArgs, problems: &mut Problems) -> Option<Common> {
        let weaken = self
            .changes
            .weaknesses
            .iter()
            .map(|one| one.name().to_owned());
        let args = CommonArgs {
            lab: !self.changes.weaknesses.is_empty(),
            weaken: weaken.collect(),
            ..args.clone()
        };
        let mut common = args.read(problems)?;
        common.addresses = self.addresses.clone();
        common.trust = self.trust.clone();
        common.state_dir = StateDir::open(Some(self.state.to_owned())).unwrap();
        common.workers = 1;
        Some(common)
    }

    fn lab(&self, site: Site, listeners: Listeners, problems: &mut Problems) -> Started {
        let args = Program::<Nothing>::parse_from(["lab"]);
        let common = self.common(&args.common, problems)?;
        let config = lab::Config::read(&common, &lab::OwnArgs::default(), None, problems)?;
        let build = match site {
            Site::Spa => lab::spa::build,
            Site::Evil => lab::evil::build,
            _ => lab::start::build,
        };
        Some(build(&config, listeners, self.deps.clone()))
    }

    async fn idp(&self, listeners: Listeners, problems: &mut Problems) -> Started {
        let flags = self.flags("idp", self.changes.idp_flags);
        let args = Program::<idp::Args>::parse_from(flags);
        let common = self.common(&args.common, problems)?;
        let config = idp::Config::read(&args.own, &common, problems)?;
        let listeners = with_mtls(listeners, &common, Site::Idp, problems)?;
        Some(idp::build(config, listeners, self.store(), self.deps.clone()).await)
    }

    async fn app1(&self, listeners: Listeners, problems: &mut Problems) -> Started {
        let own = [self.changes.bff_flags, self.changes.app1_flags].concat();
        let flags = self.flags("app1-bff", &own);
        let args = app1_bff::Args::parse_from(flags);
        let common = self.common(&args.common, problems)?;
        let config = args.read(&common, problems)?;
        Some(app1_bff::build(config, listeners, self.store(), self.deps.clone()).await)
    }

    async fn app2(&self, listeners: Listeners, problems: &mut Problems) -> Started {
        let flags = self.flags("app2-bff", self.changes.bff_flags);
        let args = app2_bff::Args::parse_from(flags);
        let common = self.common(&args.common, problems)?;
        let config = args.read(&common, problems)?;
        Some(app2_bff::build(config, listeners, self.store(), self.deps.clone()).await)
    }

    async fn api1(&self, listeners: Listeners, problems: &mut Problems) -> Started {
        let args = api_1::Args::parse_from([&["api-1"], self.changes.api1_flags].concat());
        let common = self.common(&args.common, problems)?;
        let config = api_1::Config::read(
            &common,
            &args.issuer,
            &args.peers,
            &args.introspection,
            &args.own,
            &args.proofs,
            problems,
        )?;
        let listeners = with_mtls(listeners, &common, Site::Api1, problems)?;
        Some(api_1::build(config, listeners, self.store(), self.deps.clone()).await)
    }

    async fn api2(&self, listeners: Listeners, problems: &mut Problems) -> Started {
        let args = api_2::Args::parse_from([&["api-2"], self.changes.api2_flags].concat());
        let common = self.common(&args.common, problems)?;
        let config = api_2::Config::read(
            &common,
            &args.issuer,
            &args.introspection,
            &args.own,
            &args.proofs,
            problems,
        )?;
        Some(api_2::build(config, listeners, self.store(), self.deps.clone()).await)
    }

    fn flags<'f>(&'f self, program: &'f str, own: &'f [&'f str]) -> Vec<&'f str> {
        [&[program], own, self.changes.common_flags].concat()
    }

    fn store(&self) -> SharedStore {
        Arc::clone(&self.store)
    }
}
