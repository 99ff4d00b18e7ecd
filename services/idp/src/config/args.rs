//! Flags and environment of the provider, and the checks of single values.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::Args as ClapArgs;
use kit::config::{Common, Mtls as MtlsPorts, Problems, Site};

use super::{DeviceSettings, Quotas};
use crate::{Mtls, backchannel, keys, settings::Lifetimes};

/// The ranges of the times of the device authorization grant.
const DEVICE_CODE_LIFETIME: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3600);
const DEVICE_INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

/// The range of the publish delay of signing keys.
const KEY_PUBLISH_DELAY: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
/// The longest retirement of a signing key.
const KEY_RETIRE_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

/// The range of a quota.
const QUOTAS: RangeInclusive<usize> = 1..=1000;
/// The range of the limits on used assertions and used DPoP proofs of a client.
const USED: RangeInclusive<usize> = 100..=10_000_000;

/// Flags and environment variables of the provider.
#[derive(ClapArgs, Clone, Debug)]
#[group(id = "idp_own")]
#[command(next_help_heading = "Identity provider")]
pub struct Args {
    /// Issuer, exactly as browsers see it [default: the public URL of the idp]
    #[arg(
        long = "issuer",
        env = "IDP_ISSUER",
        value_name = "URL",
        id = "idp_issuer_own"
    )]
    pub issuer: Option<String>,
    /// Address of the mTLS port, as clients see it [default: https, the public host of the idp, port 8481]
    #[arg(long = "idp-mtls-url", env = "IDP_MTLS_URL", value_name = "URL")]
    pub mtls_url: Option<String>,
    /// Users, clients, resources and policies as TOML [default: built in, see `sso-lab config print`]
    #[arg(long = "config", env = "IDP_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Signing algorithm of new tokens: ES256, RS256 or EdDSA
    #[arg(
        long = "signing-alg",
        env = "IDP_SIGNING_ALG",
        default_value = "ES256",
        value_name = "ALG"
    )]
    pub signing_alg: String,
    /// From the publication of a new signing key in /jwks to its first signature (1s to 7d): at least as long as verifiers keep keys, which is 5 minutes for the services here
    #[arg(
        long = "idp-key-publish-delay",
        env = "IDP_KEY_PUBLISH_DELAY",
        default_value = "10m",
        value_name = "TIME"
    )]
    pub key_publish_delay: String,
    /// How long a signing key stays in /jwks after its successor signs, up to 30d [default: the life of the longest token and a minute, the least that is accepted]
    #[arg(
        long = "idp-key-retire-after",
        env = "IDP_KEY_RETIRE_AFTER",
        value_name = "TIME"
    )]
    pub key_retire_after: Option<String>,
    /// Addresses of apps that differ from their public names, as host:port=host:port,…
    #[arg(
        long = "idp-connect",
        env = "IDP_CONNECT",
        default_value = "",
        value_name = "FROM=TO,…"
    )]
    pub connect: String,
    /// Key of the operator's gRPC service (sso.idp.v1.Sessions), at least 32 characters; without a key the service is off
    #[arg(
        long = "operator-key",
        env = "IDP_OPERATOR_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub operator_key: Option<String>,
    /// Most login sessions of one user; beyond that, the oldest ends and its apps are notified (1 to 1000)
    #[arg(
        long = "idp-sessions-per-user",
        env = "IDP_SESSIONS_PER_USER",
        default_value = "50",
        value_name = "N"
    )]
    pub sessions_per_user: String,
    /// Most grants of one user to one client; beyond that, the oldest is revoked (1 to 1000)
    #[arg(
        long = "idp-grants-per-client",
        env = "IDP_GRANTS_PER_CLIENT",
        default_value = "100",
        value_name = "N"
    )]
    pub grants_per_client: String,
    /// Most grants of one client in one login session; beyond that, the oldest is revoked (1 to 1000)
    #[arg(
        long = "idp-grants-per-session",
        env = "IDP_GRANTS_PER_SESSION",
        default_value = "10",
        value_name = "N"
    )]
    pub grants_per_session: String,
    /// Most opaque access tokens of one grant, or of one client without a grant, at a time; beyond that, the one that ends first is removed (1 to 1000)
    #[arg(
        long = "idp-opaque-tokens-per-grant",
        env = "IDP_OPAQUE_TOKENS_PER_GRANT",
        default_value = "200",
        value_name = "N"
    )]
    pub opaque_tokens_per_grant: String,
    /// Most used assertions of one client that have not expired, in one process; beyond that, the client has to wait (100 to 10000000)
    #[arg(
        long = "idp-assertions-per-client",
        env = "IDP_ASSERTIONS_PER_CLIENT",
        default_value = "50000",
        value_name = "N"
    )]
    pub assertions_per_client: String,
    /// Most used DPoP proofs of one authenticated client, or of one client with the tokens of one user, that have not expired, in one process; beyond that, the client has to wait (100 to 10000000)
    #[arg(
        long = "idp-dpop-proofs-per-client",
        env = "IDP_DPOP_PROOFS_PER_CLIENT",
        default_value = "50000",
        value_name = "N"
    )]
    pub dpop_proofs_per_client: String,
    /// How long the codes of a device's authorization are valid (1s to 1h)
    #[arg(
        long = "idp-device-code-lifetime",
        env = "IDP_DEVICE_CODE_LIFETIME",
        default_value = "10m",
        value_name = "TIME"
    )]
    pub device_code_lifetime: String,
    /// The interval at which a device may poll for its tokens; each slow_down adds 5s (1s to 60s)
    #[arg(
        long = "idp-device-interval",
        env = "IDP_DEVICE_INTERVAL",
        default_value = "5s",
        value_name = "TIME"
    )]
    pub device_interval: String,
    /// File that contains IDP_OPERATOR_KEY
    #[arg(
        long = "operator-key-file",
        env = "IDP_OPERATOR_KEY_FILE",
        value_name = "FILE"
    )]
    pub operator_key_file: Option<PathBuf>,
}

impl Args {
    /// How long signing keys wait and stay.
    pub(super) fn read_key_timing(
        &self,
        lifetimes: &Lifetimes,
        problems: &mut Problems,
    ) -> Option<keys::Timing> {
        let mut time = |key, text: &str, range| time_within(range, key, text, problems);
        let delay = "IDP_KEY_PUBLISH_DELAY";
        let publish_delay = time(delay, &self.key_publish_delay, &KEY_PUBLISH_DELAY);
        let longest = lifetimes.access_token.max(lifetimes.id_token);
        let least = longest.max(backchannel::LOGOUT_TOKEN_LIFETIME) + keys::RETIREMENT_MARGIN;
        let range = least..=KEY_RETIRE_AFTER.max(least);
        let retire_after = match &self.key_retire_after {
            Some(text) => time("IDP_KEY_RETIRE_AFTER", text, &range),
            None => Some(least),
        };
        Some(keys::Timing {
            publish_delay: publish_delay?,
            retire_after: retire_after?,
            forget_after: lifetimes.longest_record(),
        })
    }

    /// The mTLS port of a deployment with `ports` for mTLS.
    pub(super) fn read_mtls(
        &self,
        ports: &MtlsPorts,
        common: &Common,
        problems: &mut Problems,
    ) -> Option<Mtls> {
        let url = match &self.mtls_url {
            Some(url) => problems.https_url("IDP_MTLS_URL", url),
            None => common.addresses.mtls_url(Site::Idp),
        };
        let authorities = ports.authorities(&common.state_dir, problems);
        Some(Mtls {
            url: url?,
            authorities: authorities?,
        })
    }

    /// The times of the device authorization grant.
    pub(super) fn read_device(&self, problems: &mut Problems) -> Option<DeviceSettings> {
        let mut time = |key, text: &str, range| time_within(range, key, text, problems);
        let code_lifetime = time(
            "IDP_DEVICE_CODE_LIFETIME",
            &self.device_code_lifetime,
            &DEVICE_CODE_LIFETIME,
        );
        let interval = time(
            "IDP_DEVICE_INTERVAL",
            &self.device_interval,
            &DEVICE_INTERVAL,
        );
        Some(DeviceSettings {
            code_lifetime: code_lifetime?,
            interval: interval?,
        })
    }

    /// The limits of one user.
    pub(super) fn read_quotas(&self, problems: &mut Problems) -> Option<Quotas> {
        let mut used = |key, text: &str| problems.number(key, text, &USED);
        let assertions = used("IDP_ASSERTIONS_PER_CLIENT", &self.assertions_per_client);
        let proofs = used("IDP_DPOP_PROOFS_PER_CLIENT", &self.dpop_proofs_per_client);
        let mut quota = |key, text: &str| problems.number(key, text, &QUOTAS);
        let sessions = quota("IDP_SESSIONS_PER_USER", &self.sessions_per_user);
        let grants = quota("IDP_GRANTS_PER_CLIENT", &self.grants_per_client);
        let in_session = quota("IDP_GRANTS_PER_SESSION", &self.grants_per_session);
        let opaque_tokens = quota("IDP_OPAQUE_TOKENS_PER_GRANT", &self.opaque_tokens_per_grant);
        Some(Quotas {
            sessions: sessions?,
            grants: grants?,
            grants_in_session: in_session?,
            opaque_tokens: opaque_tokens?,
            assertions: assertions?,
            proofs: proofs?,
        })
    }
}

/// The time `text` of the setting `key`, within `range`.
fn time_within(
    range: &RangeInclusive<Duration>,
    key: &str,
    text: &str,
    problems: &mut Problems,
) -> Option<Duration> {
    let time = problems.time(key, text)?;
    if range.contains(&time) {
        return Some(time);
    }
    let (least, most) = (range.start().as_secs(), range.end().as_secs());
    problems.add(key, format_args!("from {least}s to {most}s"));
    None
}
