//! Builds the provider from its configuration and its keys.

use std::{io, sync::Arc, time::Duration};

use kit::{
    Deps,
    clock::Clock,
    config::Problems,
    metrics::Metrics,
    seal::{KEY_LEN, Keyring},
    state_dir::StateDir,
};
use store::SharedStore;
use web_kit::failures::Failures;

use crate::{
    Idp, SERVICE,
    backchannel::Outbox,
    budgets::Budgets,
    client_auth::{AssertionKeys, RegisteredCertificates, name_missing_keys},
    config::Config,
    device::UserCodes,
    dpop::Dpop,
    form_secrets::FormSecrets,
    keys::{KeySettings, Keys},
    known_browsers::KnownBrowsers,
    lab_agent::Watched,
    meters::{self, Meters},
    passwords::Passwords,
    records::{self, Authenticity, Records},
    refresh_tokens::RefreshTokens,
    settings::Settings,
    throttle::{CounterKeys, Delays},
    token::ForeignKeys,
    used_once::UsedOnce,
};

/// The kind of a store in this process.
const MEMORY: &str = "memory";

/// The provider of `config`. Its keys change by `key_clock`.
pub(crate) async fn provider(
    config: Config,
    store: SharedStore,
    (deps, key_clock): (&Deps, Arc<dyn Clock>),
    metrics: &Metrics,
) -> Result<Arc<Idp>, Problems> {
    let loaded = keys_of(&config, deps, key_clock).await?;
    let meters = Meters::new(metrics);
    let keys = loaded.signing;
    meters::show_ages(metrics, keys.clone());
    let login_budget = (config.login_budget.in_all, config.login_budget.per_address);
    let budgets = Budgets::new(&store, &deps.clock, login_budget);
    let (addresses, proofs) = (&config.addresses, config.quotas.proofs);
    let dpop = Dpop::new(&loaded.refresh, &store, addresses, proofs);
    let records = Records::new(store, Arc::clone(&deps.clock), loaded.records);
    if records.store().kind() == MEMORY {
        // Nothing to wait for: tokens are signed from the first request on.
        let read = keys.refresh(&records).await;
        read.map_err(|error| Problems::one("keys", error))?;
    }
    let foreign_keys = ForeignKeys::new(&config.settings, &config.trust, &deps.clock);
    let outbox = outbox(&config, deps, (&records, &keys), &meters);
    let passwords = passwords(&config.settings, config.demo_credentials);
    name_missing_keys(&config.settings);
    name_unknown_users(&config.settings);
    let registered_certificates = RegisteredCertificates::new(&config.settings);
    let assertion_keys = AssertionKeys::new(&config.settings, &deps.clock);
    Ok(Arc::new(Idp {
        userinfo: format!("{}/userinfo", config.issuer),
        issuer: config.issuer,
        settings: config.settings,
        records,
        budgets,
        used_assertions: UsedOnce::new(config.quotas.assertions),
        quotas: config.quotas,
        outbox,
        meters,
        keys,
        refresh_tokens: RefreshTokens::new(&loaded.refresh),
        form_secrets: FormSecrets::new(&loaded.refresh),
        device: config.device,
        user_codes: UserCodes::new(&loaded.refresh),
        passwords,
        throttle: CounterKeys::new(&loaded.refresh),
        delays: Delays::default(),
        known_browsers: KnownBrowsers::new(&loaded.refresh),
        foreign_keys,
        assertion_keys,
        registered_certificates,
        mtls: config.mtls,
        dpop,
        failures: Failures::default(),
        control: kit::lab_control::of_service(SERVICE),
        watched: Watched::new(),
        weaknesses: config.weaknesses,
        clock: Arc::clone(&deps.clock),
        random: Arc::clone(&deps.random),
    }))
}

/// The logout tokens that apps have not taken yet.
fn outbox(
    config: &Config,
    deps: &Deps,
    (records, keys): (&Records, &Keys),
    meters: &Meters,
) -> Outbox {
    Outbox::new(
        (records.clone(), keys.clone(), config.issuer.clone()),
        (Arc::clone(&deps.clock), Arc::clone(&deps.random)),
        &config.settings,
        (config.connect.clone(), &config.trust),
        meters.clone(),
    )
}

fn passwords(settings: &Settings, demo_credentials: bool) -> Passwords {
    let hashes = settings.users().iter();
    Passwords::new(hashes.map(|user| &user.password_hash), demo_credentials)
}

/// The keys in the state directory. Reading and generating them blocks.
async fn keys_of(
    config: &Config,
    deps: &Deps,
    key_clock: Arc<dyn Clock>,
) -> Result<KeyMaterial, Problems> {
    let state_dir = config.state_dir.clone();
    let settings = config.keys;
    let longest = config.settings.lifetimes.longest_record();
    let deps = deps.clone();
    let load = move || load_keys(&state_dir, settings, longest, (&deps, key_clock));
    tokio::task::spawn_blocking(load)
        .await
        .map_err(|error| Problems::one("keys", error))?
        .map_err(|error| Problems::one("STATE_DIR", error))
}

/// Logs the users whom clients may name and who are not configured: a deployment may
/// have users of its own in place of the demo's.
fn name_unknown_users(settings: &Settings) {
    for client in settings.clients() {
        let mut named = client.jwt_bearer_users.iter();
        if let Some(user) = named.find(|name| settings.user_by_name_or_sub(name).is_none()) {
            let client = &client.client_id;
            tracing::warn!(client, user, "jwt_bearer_users names an unknown user");
        }
    }
}

/// The keys in the state directory.
struct KeyMaterial {
    signing: Keys,
    refresh: [u8; KEY_LEN],
    records: Authenticity,
}

fn load_keys(
    state_dir: &StateDir,
    settings: KeySettings,
    longest: Duration,
    (deps, key_clock): (&Deps, Arc<dyn Clock>),
) -> io::Result<KeyMaterial> {
    let (clock, random) = (&deps.clock, &deps.random);
    let records = records::load_keys(state_dir, longest, clock.now(), &**random)?;
    let sealing = records::sealing_keys(state_dir, &**random)?;
    Ok(KeyMaterial {
        records,
        signing: Keys::load(
            state_dir,
            settings,
            Keyring::new(&sealing, "idp signing keys"),
            key_clock,
            Arc::clone(random),
        )?,
        refresh: state_dir.sealing_key(records::OLDER, &**random)?,
    })
}
