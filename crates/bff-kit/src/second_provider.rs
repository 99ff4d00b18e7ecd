//! A second provider: the attacker's own, of which the app is a client too. Only a lab has
//! it, for the mix-up attack (RFC 9700 §4.4), and only a request of a journey may ask for it.
//! A login with it ends before a session begins: the attacker's provider has no users here.

use std::sync::Arc;

use kit::{
    Deps,
    config::{Common, Problems, Site},
    telemetry::context::TraceContext,
};
use token_verify::Issuer;

use crate::{
    client_auth::ClientAuth,
    meters::Meters,
    provider::{Provider, ProviderSettings},
    state::Bff,
};

/// Its name in `provider=` of a login.
pub(crate) const NAME: &str = "attacker";
/// Its path at the attacker's site.
const PATH: &str = "/issuer";

/// The issuer, if this process is part of a lab that has the attacker's site, which is reached
/// at `inside` if that is set; what is wrong goes to `problems`.
pub(crate) fn issuer(
    common: &Common,
    inside: Option<&str>,
    problems: &mut Problems,
) -> Option<Issuer> {
    common.lab.as_ref()?;
    let home = common.addresses.link(Site::Evil)?;
    let inside = match inside {
        Some(text) => problems.http_url("EVIL_INTERNAL_URL", text)?,
        None => home.clone(),
    };
    let issuer = Issuer::new(format!("{home}{PATH}"), &format!("{inside}{PATH}"));
    Some(issuer.trusting(common.trust.clone()))
}

/// The app as its client, with an id and a secret that belong to this provider alone.
pub(crate) fn provider(
    issuer: Issuer,
    client_id: &str,
    redirect_uri: &str,
    deps: &Deps,
    meters: Meters,
) -> Provider {
    let settings = ProviderSettings {
        issuer,
        client_id: format!("{client_id}-at-the-attackers"),
        auth: ClientAuth::SecretBasic(deps.random.token().into()),
        redirect_uri: redirect_uri.to_owned(),
    };
    Provider::new(settings, deps, meters).known_as("evil")
}

impl Bff {
    /// The provider of a login: the app's own, or the second one. `None` if there is no
    /// second one, or the current request is in no journey.
    pub(crate) fn provider_of(&self, second: bool) -> Option<&Arc<Provider>> {
        if !second {
            return Some(&self.provider);
        }
        TraceContext::current_journey()?;
        self.second_provider.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use kit::config::CommonArgs;

    use super::*;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        common: CommonArgs,
    }

    fn read(flags: &[&str], inside: Option<&str>) -> (Option<Issuer>, usize) {
        let args = Args::parse_from([&["app"], flags].concat());
        let mut problems = Problems::new();
        let common = args.common.read(&mut problems).unwrap();
        let issuer = issuer(&common, inside, &mut problems);
        (issuer, problems.lines().len())
    }

    const LAB: [&str; 2] = ["--lab", "--lab-secret=0123456789abcdef0123456789abcdef"];

    #[test]
    fn it_keeps_its_public_name_wherever_the_app_reaches_it() {
        let token = |inside| {
            let (issuer, problems) = read(&LAB, inside);
            assert_eq!(problems, 0);
            let issuer = issuer.unwrap();
            assert_eq!(issuer.name(), "http://evil.localhost:8087/issuer");
            issuer.reach(&issuer.below("/token"))
        };
        assert_eq!(token(None), "http://evil.localhost:8087/issuer/token");
        let inside = Some("http://sso-lab-lab:8087/");
        assert_eq!(token(inside), "http://sso-lab-lab:8087/issuer/token");
    }

    #[test]
    fn without_a_lab_or_the_attackers_site_there_is_none() {
        assert_eq!(read(&[], Some("http://lab:8087")), (None, 0));
        let alone = [LAB[0], LAB[1], "--sites=app1,idp"];
        assert_eq!(read(&alone, None), (None, 0));
        assert_eq!(read(&LAB, Some("lab")), (None, 1));
    }
}
