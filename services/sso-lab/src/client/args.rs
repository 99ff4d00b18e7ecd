//! The command line of every terminal client.

use std::path::Path;

use clap::Args;
use kit::{
    config::{AddressArgs, Addresses, Problems, Site, TrustArgs},
    net::Trust,
};
use token_verify::{Issuer, IssuerArgs};

use super::journey::{InJourney, JourneyArgs};

/// Where the deployment is, and how this machine reaches it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "The deployment")]
pub(crate) struct DeploymentArgs {
    /// Host names and ports.
    #[command(flatten)]
    addresses: AddressArgs,
    /// API-1's address [default: its public URL]
    #[arg(
        long,
        env = "API1_URL",
        value_name = "URL",
        help_heading = "The deployment"
    )]
    api1_url: Option<String>,
    /// The certificate authorities of https.
    #[command(flatten)]
    trust: TrustArgs,
    /// The journey of the lab.
    #[command(flatten)]
    journey: JourneyArgs,
    // Last: its heading counts for all that follows.
    /// The identity provider.
    #[command(flatten)]
    issuer: IssuerArgs,
}

/// [`DeploymentArgs`], checked.
pub(crate) struct Deployment {
    pub(crate) addresses: Addresses,
    pub(crate) issuer: Issuer,
    pub(crate) api1: String,
    pub(crate) trust: Trust,
    /// Which journey its requests belong to.
    pub(crate) journey: InJourney,
}

impl DeploymentArgs {
    /// Checks everything and adds every error to `problems`. `state_dir` is the deployment's,
    /// if it is on this machine.
    pub(crate) fn read(
        &self,
        state_dir: Option<&Path>,
        problems: &mut Problems,
    ) -> Option<Deployment> {
        let journey = self.journey.read(problems);
        let addresses = self.addresses.read(problems);
        let trust = self.trust.read_with(state_dir, problems);
        let (addresses, trust) = addresses.zip(trust)?;
        let issuer = self.issuer.read_at(&addresses, &trust, problems);
        let api1 = match &self.api1_url {
            None => Some(addresses.url(Site::Api1)),
            Some(url) => problems.http_url("API1_URL", url),
        };
        Some(Deployment {
            issuer: issuer?,
            api1: api1?,
            addresses,
            trust,
            journey,
        })
    }
}
