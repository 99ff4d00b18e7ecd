//! All services of a deployment in one process. What they must agree on (the addresses
//! inside the process, the clients' keys) is decided once, in [`Deployment`]; the
//! configuration of each service is derived from it.

use bff_kit::{
    BffArgs, BffPeerArgs, ClientAuth, ClientKey, CredentialMethod, Keys, OwnArgs as _, Sources,
    machine_client_id, machine_key, mtls_identity, spiffe_id,
};
use kit::{
    config::{Common, Problems, Site},
    listeners::Listeners,
    net::Trust,
    random::OsRandom,
};
use token_verify::IssuerArgs;

use crate::{
    batch::DEMO_ID,
    cli::UpArgs,
    consistency::Compared,
    inside::{local_grpc_url, local_mtls_url, local_url},
};

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

/// The configurations, as far as they could be read.
pub(crate) struct Configs {
    lab: Option<lab::Config>,
    idp: Option<idp::Config>,
    app1: Option<app1_bff::Config>,
    app2: Option<app2_bff::Config>,
    orders: Option<api_1::Config>,
    inventory: Option<api_2::Config>,
}

/// What the services of this process share.
pub(crate) struct Deployment<'a> {
    args: &'a UpArgs,
    common: &'a Common,
    /// The settings of both apps. In a lab a login chooses its mode and its credentials.
    bff: BffArgs,
    /// The provider, from the view of its clients and of the APIs.
    issuer: IssuerArgs,
    /// The services that both apps call.
    app_peers: BffPeerArgs,
    /// The key of the client app2; the provider gets its public half.
    app2_key: Option<ClientKey>,
    /// The keys of the apps' machine identities, where a method needs them; the provider
    /// gets their public halves.
    machine_keys: [Option<ClientKey>; 2],
    /// The apps' certificates, and who vouches for mTLS ports, where a method needs them.
    certificates: [Option<Trust>; 2],
}

impl<'a> Deployment<'a> {
    /// Decides what the services share. Errors are added to `problems`.
    pub(crate) fn new(args: &'a UpArgs, common: &'a Common, problems: &mut Problems) -> Self {
        let bff = BffArgs {
            may_choose: common.lab.is_some(),
            ..args.bff.clone()
        };
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
                api1_mtls_url: local_mtls_url(common, Site::Api1),
                idp_mtls_internal_url: local_mtls_url(common, Site::Idp),
                evil_internal_url: Some(local_url(common, Site::Evil)),
            },
            app2_key: args.app2.key(&common.state_dir, &OsRandom, problems),
            machine_keys: [
                machine_key(&args.app1, &bff, &common.state_dir, problems),
                machine_key(&args.app2, &bff, &common.state_dir, problems),
            ],
            certificates: {
                let lab = common.mtls.as_ref();
                [
                    mtls_identity(&args.app1, &bff, common, lab, problems),
                    mtls_identity(&args.app2, &bff, common, lab, problems),
                ]
            },
            bff,
        }
    }

    /// Checks the configuration of every service. Errors are added to `problems`.
    pub(crate) fn check(&self, problems: &mut Problems) -> Configs {
        let idp = self.idp(problems);
        let configs = Configs {
            lab: self.lab(idp.as_ref(), problems),
            idp,
            app1: self.app1(problems),
            app2: self.app2(problems),
            orders: self.api1(problems),
            inventory: self.api2(problems),
        };
        if let (Some(idp), Some(orders), Some(inventory)) =
            (&configs.idp, &configs.orders, &configs.inventory)
        {
            let bff = &self.bff;
            let compared = Compared {
                idp,
                orders,
                inventory,
                methods: [&bff.bff_api1_credential, &bff.bff_api2_credential],
            };
            compared.check(problems);
        }
        configs
    }

    /// Checks the configuration of every service and binds every port, before any
    /// service starts. Errors are added to `problems`.
    pub(crate) fn services(&self, problems: &mut Problems) -> Option<Services> {
        let Configs {
            lab,
            idp,
            app1,
            app2,
            orders,
            inventory,
        } = self.check(problems);
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
        let issuer = self.args.idp.issuer.as_deref();
        let lab = lab::Config::read(self.common, &self.args.lab, issuer, problems)?;
        let lab = self.controlled(lab);
        Some(lab::Config {
            demo_users: idp?.has_demo_users(),
            offers: lab::Offers {
                choice: self.bff.chooses_per_login(),
                certificate: self.certificates[0].is_some(),
                api_key: self.bff.has_api1_key(),
                opaque_tokens: idp?.issues_opaque_tokens(api_2::AUDIENCE),
            },
            ..lab
        })
    }

    /// The lab reaches the services inside this process, unless it is told where they are.
    fn controlled(&self, lab: lab::Config) -> lab::Config {
        if self.args.lab.lab_controls.is_some() {
            return lab;
        }
        let at = |site| local_url(self.common, site);
        lab::Config {
            controls: lab::Controls::at(&self.common.addresses, at),
            ..lab
        }
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
        let apps = [app1_bff::APP, app2_bff::APP];
        for (app, key) in apps.iter().zip(&self.machine_keys) {
            if let Some(key) = key {
                idp.give_client_keys(&machine_client_id(app.client_id), key.public_jwks());
            }
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
        let keys = Keys {
            auth: own.client_auth(self.common, problems),
            machine: self.machine_keys[0].clone(),
            mtls: self.certificates[0].clone(),
        };
        app1_bff::Config::read(own, self.app_sources(), keys, problems)
    }

    fn app2(&self, problems: &mut Problems) -> Option<app2_bff::Config> {
        let keys = Keys {
            auth: self.app2_key.clone().map(ClientAuth::PrivateKeyJwt),
            machine: self.machine_keys[1].clone(),
            mtls: self.certificates[1].clone(),
        };
        app2_bff::Config::read(&self.args.app2, self.app_sources(), keys, problems)
    }

    fn app_sources(&self) -> Sources<'_> {
        Sources {
            common: self.common,
            issuer: &self.issuer,
            peers: &self.app_peers,
            bff: &self.bff,
        }
    }

    fn api1(&self, problems: &mut Problems) -> Option<api_1::Config> {
        let peers = api_1::PeerArgs {
            idp_grpc_url: local_grpc_url(self.common, Site::Idp),
            api2_url: Some(local_url(self.common, Site::Api2)),
            api2_grpc_url: local_grpc_url(self.common, Site::Api2),
        };
        let own = api_1::OwnArgs {
            api1_identity_callers: self.identity_callers(),
            ..self.args.api1.clone()
        };
        api_1::Config::read(
            self.common,
            &self.issuer,
            &peers,
            &self.args.introspection,
            &own,
            &self.args.proofs,
            problems,
        )
    }

    /// The peers that may state to API-1 who the user is: as set, or else the apps with a
    /// certificate of the lab's CA, whose names are known, if a call of theirs can state it.
    fn identity_callers(&self) -> Option<String> {
        let set = self.args.api1.api1_identity_callers.clone();
        let by_header = CredentialMethod::IdentityHeader.as_str();
        let bff = &self.bff;
        let is_used = bff.bff_api1_credential == by_header || bff.chooses_per_login();
        set.or_else(|| {
            if !is_used {
                return None;
            }
            let files = [
                self.args.app1.certificate_files(),
                self.args.app2.certificate_files(),
            ];
            let apps = [app1_bff::APP, app2_bff::APP].into_iter().zip(files);
            let apps = apps.zip(&self.certificates);
            let issued = apps.filter(|((_, files), certificate)| {
                certificate.is_some() && files.certificate.1.is_none()
            });
            let names: Vec<_> = issued
                .map(|((app, _), _)| spiffe_id(app.client_id))
                .collect();
            (!names.is_empty()).then(|| names.join(","))
        })
    }

    fn api2(&self, problems: &mut Problems) -> Option<api_2::Config> {
        let (introspection, own) = (&self.args.introspection, &self.args.api2);
        api_2::Config::read(
            self.common,
            &self.issuer,
            introspection,
            own,
            &self.args.proofs,
            problems,
        )
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
        for issuer in [&app.issuer, &api.server.issuer] {
            assert_eq!(issuer.name(), "https://idp.example.com");
            let token = issuer.reach("https://idp.example.com/token");
            assert_eq!(token, "http://127.0.0.1:8181/token");
        }
        assert_eq!(app.api1_url, "http://127.0.0.1:8184");
        let mtls = |site| local_mtls_url(&common, site).unwrap();
        assert_eq!(mtls(Site::Api1), "https://127.0.0.1:8584");
        assert_eq!(mtls(Site::Idp), "https://127.0.0.1:8581");
        assert_eq!(app.api2_grpc_url, "http://127.0.0.1:9185");
        assert_eq!(api.api2_url, "http://127.0.0.1:8185");
        assert_eq!(api.api2_grpc_url, "http://127.0.0.1:9185");
        assert_eq!(api.idp_grpc_url, "http://127.0.0.1:9181");
        assert!(problems.is_empty(), "{problems}");
    }

    #[test]
    fn api_1_takes_the_word_of_the_apps_that_have_a_certificate_of_the_labs_ca() {
        let callers = |flags: &[&str]| {
            let cli = Cli::parse_from([&["sso-lab"], flags].concat());
            let mut problems = Problems::new();
            let common = cli.up.common.read(&mut problems).unwrap();
            let deployment = Deployment::new(&cli.up, &common, &mut problems);
            assert!(problems.is_empty(), "{problems}");
            deployment.identity_callers()
        };
        let both = "spiffe://sso-lab/app1,spiffe://sso-lab/app2";
        assert_eq!(callers(&[]), None, "no method needs it");
        let choice = "--bff-session-mode-choice=on";
        assert_eq!(callers(&[choice]).as_deref(), Some(both));
        assert_eq!(callers(&[choice, "--mtls=off"]), None);
        let set = [choice, "--api1-identity-callers=none"];
        assert_eq!(callers(&set).as_deref(), Some("none"));
        let by_header = "--bff-api1-credential=identity_header";
        assert_eq!(callers(&[by_header]).as_deref(), Some(both));
        let by_token = "--bff-api1-credential=mtls";
        assert_eq!(callers(&[by_token]), None, "no call states a user");
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let now = kit::clock::Timestamp::from_secs(1_800_000_000);
        let other = kit::tls::Authority::new(now, &OsRandom).unwrap();
        std::fs::write(&ca, other.pem()).unwrap();
        let ca = format!("--mtls-client-ca-file={}", ca.display());
        assert_eq!(callers(&[choice, &ca]), None, "names of another authority");
    }
}
