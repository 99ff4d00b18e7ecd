//! All services of a deployment in one process. What they must agree on (the addresses
//! inside the process, the clients' keys) is decided once, in [`Deployment`]; the
//! configuration of each service is derived from it.

use std::net::SocketAddr;

use bff_kit::{BffPeerArgs, ClientAuth, ClientKey, OwnArgs as _, Sources};
use kit::{
    config::{Common, Problems, Site},
    listeners::Listeners,
    random::OsRandom,
};
use token_verify::IssuerArgs;

use crate::{batch::DEMO_ID, cli::UpArgs};

/// A service's configuration and its sockets.
pub(crate) type Service<C> = (C, Listeners);

/// All services, ready to start.
pub(crate) struct Services {
    pub(crate) lab: (lab::Config, lab::Sockets),
    pub(crate) idp: Service<idp::Config>,
    pub(crate) app1: Service<app1_bff::Config>,
    pub(crate) app2: Service<app2_bff::Config>,
    pub(crate) api1: Service<api_1::Config>,
    pub(crate) api2: Service<api_2::Config>,
}

/// What the services of this process share.
pub(crate) struct Deployment<'a> {
    args: &'a UpArgs,
    common: &'a Common,
    /// The provider, from the view of its clients and of the APIs.
    issuer: IssuerArgs,
    /// The services that both apps call.
    app_peers: BffPeerArgs,
    /// The key of the client app2; the provider gets its public half.
    app2_key: Option<ClientKey>,
}

impl<'a> Deployment<'a> {
    /// Decides what the services share. Errors are added to `problems`.
    pub(crate) fn new(args: &'a UpArgs, common: &'a Common, problems: &mut Problems) -> Self {
        Self {
            args,
            common,
            issuer: IssuerArgs {
                idp_issuer: args.idp.issuer.clone(),
                idp_internal_url: Some(local_url(common, Site::Idp)),
            },
            app_peers: BffPeerArgs {
                api1_url: Some(local_url(common, Site::Api1)),
                api2_grpc_url: local_grpc_url(common, Site::Api2),
            },
            app2_key: args.app2.key(&common.state_dir, &OsRandom, problems),
        }
    }

    /// Checks the configuration of every service and binds every port, before any
    /// service starts. Errors are added to `problems`.
    pub(crate) fn services(&self, problems: &mut Problems) -> Option<Services> {
        let idp = self.idp(problems);
        let lab = self.lab(idp.as_ref(), problems);
        let app1 = self.app1(problems);
        let app2 = self.app2(problems);
        let orders = self.api1(problems);
        let inventory = api_2::Config::read(self.common, &self.issuer, problems);
        // In the order of `Site::ALL`. All are bound, so that every taken port is reported.
        let bound = Listeners::bind(self.common, Site::ALL, problems);
        let [
            start,
            idp_at,
            app1_at,
            app2_at,
            orders_at,
            inventory_at,
            spa,
            evil,
        ] = bound;
        let sites = lab::Sockets {
            start: start?,
            spa: spa?,
            evil: evil?,
        };
        Some(Services {
            lab: (lab?, sites),
            idp: (idp?, idp_at?),
            app1: (app1?, app1_at?),
            app2: (app2?, app2_at?),
            api1: (orders?, orders_at?),
            api2: (inventory?, inventory_at?),
        })
    }

    fn lab(&self, idp: Option<&idp::Config>, problems: &mut Problems) -> Option<lab::Config> {
        let lab = lab::Config::read(self.common, self.args.idp.issuer.as_deref(), problems)?;
        Some(lab::Config {
            demo_users: idp?.has_demo_users(),
            ..lab
        })
    }

    fn idp(&self, problems: &mut Problems) -> Option<idp::Config> {
        let mut idp = idp::Config::read(&self.args.idp, self.common, problems)?;
        idp.keep_operator_key(&OsRandom, problems);
        for app in [Site::App1, Site::App2] {
            idp.reach_at(
                &self.common.addresses.url(app),
                &local_url(self.common, app),
            );
        }
        if let Some(key) = &self.app2_key {
            idp.give_client_keys(app2_bff::APP.client_id, key.public_jwks());
        }
        if self.args.idp.config.is_none() {
            match bff_kit::client_key(&self.common.state_dir, DEMO_ID, &OsRandom) {
                Ok(key) => idp.give_client_keys(DEMO_ID, key.public_jwks()),
                Err(error) => problems.add("STATE_DIR", error),
            }
        }
        Some(idp)
    }

    fn app1(&self, problems: &mut Problems) -> Option<app1_bff::Config> {
        let own = &self.args.app1;
        let auth = own.client_auth(self.common, problems);
        app1_bff::Config::read(own, self.app_sources(), auth, problems)
    }

    fn app2(&self, problems: &mut Problems) -> Option<app2_bff::Config> {
        let auth = self.app2_key.clone().map(ClientAuth::PrivateKeyJwt);
        app2_bff::Config::read(&self.args.app2, self.app_sources(), auth, problems)
    }

    fn app_sources(&self) -> Sources<'_> {
        Sources {
            common: self.common,
            issuer: &self.issuer,
            peers: &self.app_peers,
            bff: &self.args.bff,
        }
    }

    fn api1(&self, problems: &mut Problems) -> Option<api_1::Config> {
        let peers = api_1::PeerArgs {
            idp_grpc_url: local_grpc_url(self.common, Site::Idp),
            api2_url: Some(local_url(self.common, Site::Api2)),
            api2_grpc_url: local_grpc_url(self.common, Site::Api2),
        };
        api_1::Config::read(self.common, &self.issuer, &peers, &self.args.api1, problems)
    }
}

/// The HTTP address at which this process reaches its own `site`, whatever address
/// browsers see.
pub(crate) fn local_url(common: &Common, site: Site) -> String {
    url_of_port(common, common.addresses.port(site))
}

/// The same for gRPC, if the site has it.
fn local_grpc_url(common: &Common, site: Site) -> Option<String> {
    let port = common.addresses.grpc_port(site)?;
    Some(url_of_port(common, port))
}

fn url_of_port(common: &Common, port: u16) -> String {
    let port = port.saturating_add(common.listen.offset);
    match common.listen.addresses.first() {
        Some(ip) if !ip.is_unspecified() => format!("http://{}", SocketAddr::new(*ip, port)),
        _ => format!("http://localhost:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn services_reach_each_other_inside_the_process_whatever_browsers_see() {
        let cli = Cli::parse_from([
            "sso-lab",
            "--domain=example.com",
            "--public-scheme=https",
            "--demo-credentials",
            "--bind=127.0.0.1",
            "--listen-offset=100",
        ]);
        let mut problems = Problems::new();
        let common = cli.up.common.read(&mut problems).unwrap();
        let deployment = Deployment::new(&cli.up, &common, &mut problems);
        let app = deployment.app1(&mut problems).unwrap();
        let api = deployment.api1(&mut problems).unwrap();
        for issuer in [&app.issuer, &api.issuer] {
            assert_eq!(issuer.name(), "https://idp.example.com");
            let token = issuer.reach("https://idp.example.com/token");
            assert_eq!(token, "http://127.0.0.1:8181/token");
        }
        assert_eq!(app.api1_url, "http://127.0.0.1:8184");
        assert_eq!(app.api2_grpc_url, "http://127.0.0.1:9185");
        assert_eq!(api.api2_url, "http://127.0.0.1:8185");
        assert_eq!(api.api2_grpc_url, "http://127.0.0.1:9185");
        assert_eq!(api.idp_grpc_url, "http://127.0.0.1:9181");
        assert!(problems.is_empty(), "{problems}");
    }
}
