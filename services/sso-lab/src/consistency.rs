//! Settings of one service that another one must agree with. In one process both are known,
//! so a deployment in which every call would fail is refused at the start.

use bff_kit::{CredentialMethod, machine_client_id, mtls_client_id};
use idp::settings::GrantType;
use kit::config::Problems;

/// The configurations that are compared, and the methods that both apps use.
pub(crate) struct Compared<'a> {
    pub(crate) idp: &'a idp::Config,
    pub(crate) orders: &'a api_1::Config,
    pub(crate) inventory: &'a api_2::Config,
    /// `BFF_API1_CREDENTIAL` and `BFF_API2_CREDENTIAL`.
    pub(crate) methods: [&'a str; 2],
}

/// The clients of the apps.
const APPS: [&str; 2] = [app1_bff::APP.client_id, app2_bff::APP.client_id];

impl Compared<'_> {
    /// Adds every contradiction to `problems`.
    pub(crate) fn check(&self, problems: &mut Problems) {
        self.check_tokens(problems);
        let settings = ["BFF_API1_CREDENTIAL", "BFF_API2_CREDENTIAL"];
        let audiences = [api_1::AUDIENCE, api_2::AUDIENCE];
        for ((setting, audience), name) in settings.into_iter().zip(audiences).zip(self.methods) {
            // Each app has refused an unknown method, and one that the API does not take.
            let Ok(method) = name.parse::<CredentialMethod>() else {
                continue;
            };
            if !method.is_taken_at(audience) {
                continue;
            }
            if let Some(what) = self.missing(method, audience) {
                problems.add(setting, format_args!("{name} {what}"));
            }
        }
    }

    /// An API that gets opaque tokens has to introspect them.
    fn check_tokens(&self, problems: &mut Problems) {
        let (orders, inventory) = (&self.orders.server, &self.inventory.server);
        for (setting, audience, server) in [
            ("API1_TOKENS", api_1::AUDIENCE, orders),
            ("API2_TOKENS", api_2::AUDIENCE, inventory),
        ] {
            if self.idp.issues_opaque_tokens(audience) && server.introspection.is_none() {
                let what = format_args!(
                    "the tokens for {audience} are opaque (access_token_format in IDP_CONFIG): expected introspection"
                );
                problems.add(setting, what);
            }
        }
    }

    /// What `method` lacks for calls to `audience`.
    fn missing(&self, method: CredentialMethod, audience: &str) -> Option<String> {
        let client = |id: fn(&str) -> String, grant: GrantType| {
            let ids = APPS.map(id);
            let mut missing = ids
                .iter()
                .filter(|id| !self.idp.may_get(id, grant, audience));
            missing.next().map(|id| {
                let grant = grant.as_str();
                format!("needs the client {id} with the grant {grant} and the audience {audience} in IDP_CONFIG")
            })
        };
        match method {
            CredentialMethod::Refresh => None,
            CredentialMethod::TokenExchange => {
                let mut apps = APPS.iter();
                let app = apps.find(|app| !self.idp.may_exchange(app, audience))?;
                Some(format!(
                    "needs [[exchanges]] of {app} to {audience} in IDP_CONFIG"
                ))
            }
            CredentialMethod::ClientCredentials => {
                client(machine_client_id, GrantType::ClientCredentials)
            }
            CredentialMethod::JwtBearer => client(machine_client_id, GrantType::JwtBearer),
            CredentialMethod::Mtls => client(mtls_client_id, GrantType::ClientCredentials),
            CredentialMethod::ApiKey => {
                let has_keys = self.orders.api_keys_file.is_some();
                (!has_keys).then(|| "needs API1_KEYS_FILE: API-1 takes no API keys".to_owned())
            }
            CredentialMethod::IdentityHeader => {
                let has_callers = self.orders.identity_callers.is_some();
                (!has_callers).then(|| {
                    "needs API1_IDENTITY_CALLERS: API-1 lets nobody state users".to_owned()
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use clap::Parser as _;
    use kit::config::Problems;

    use crate::{cli::Cli, deployment::Deployment};

    /// The errors of a start with `flags`, on free ports.
    fn errors(flags: &[&str], config: Option<&str>) -> Vec<String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut all = vec!["sso-lab", "--listen-offset=20000"];
        all.extend(flags);
        if let Some(text) = config {
            file.write_all(text.as_bytes()).unwrap();
            all.extend(["--config", file.path().to_str().unwrap()]);
        }
        let cli = Cli::parse_from(all);
        let mut problems = Problems::new();
        let common = cli.up.common.read(&mut problems).unwrap();
        let deployment = Deployment::new(&cli.up, &common, &mut problems);
        deployment.check(&mut problems);
        problems.lines().to_vec()
    }

    #[test]
    fn a_method_that_the_api_does_not_take_is_refused_with_one_sentence() {
        for method in ["mtls", "identity_header", "api_key"] {
            let mut flags = vec![format!("--bff-api2-credential={method}")];
            flags.push("--bff-api1-key=api1_x".to_owned());
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let errors = errors(&flags, None);
            let why = format!("BFF_API2_CREDENTIAL: {method}: https://api-2 ");
            assert!(
                errors.len() == 1 && errors[0].starts_with(&why),
                "{errors:?}"
            );
        }
    }

    #[test]
    fn a_method_that_the_other_service_does_not_know_is_refused_at_the_start() {
        let default = idp::settings::DEFAULT;
        let without = |name: &str| default.replace(&format!("\"{name}\""), "\"another\"");
        let exchanges = default.replace("client = \"app1\"", "client = \"batch\"");
        for (flags, config, expected) in [
            (
                vec!["--bff-api1-credential=refresh"],
                None::<String>,
                None::<&str>,
            ),
            (vec!["--bff-api1-credential=token_exchange"], None, None),
            (
                vec!["--bff-api1-credential=token_exchange"],
                Some(exchanges),
                Some("token_exchange needs [[exchanges]] of app1 to https://api-1"),
            ),
            (
                vec!["--bff-api2-credential=client_credentials"],
                Some(without("app1-machine")),
                Some("client_credentials needs the client app1-machine"),
            ),
            (
                vec!["--bff-api1-credential=mtls"],
                Some(without("app1-mtls")),
                Some("mtls needs the client app1-mtls"),
            ),
            (
                vec!["--bff-api1-credential=api_key", "--bff-api1-key=api1_x"],
                None,
                Some("api_key needs API1_KEYS_FILE"),
            ),
            (
                vec![
                    "--bff-api1-credential=identity_header",
                    "--api1-identity-callers=none",
                ],
                None,
                Some("identity_header needs API1_IDENTITY_CALLERS"),
            ),
        ] {
            let errors = errors(&flags, config.as_deref());
            match expected {
                None => assert!(errors.is_empty(), "{flags:?}: {errors:?}"),
                Some(expected) => {
                    let found = errors.iter().any(|line| line.contains(expected));
                    assert!(found, "{flags:?}: {errors:?}");
                }
            }
        }
    }
}
