//! Builds the provider from its configuration and its keys.

use std::{io, sync::Arc, time::Duration};

use kit::{
    Deps, clock::Timestamp, config::Problems, metrics::Metrics, random::Random, seal::KEY_LEN,
    state_dir::StateDir,
};
use store::SharedStore;

use crate::{
    Idp,
    backchannel::Outbox,
    budgets::Budgets,
    client_auth::{AssertionKeys, Failures, name_missing_keys},
    config::Config,
    device::UserCodes,
    form_secrets::FormSecrets,
    keys::{Algorithm, Keys},
    known_browsers::KnownBrowsers,
    meters::{self, Meters},
    passwords::Passwords,
    records::{self, Authenticity, Records},
    refresh_tokens::RefreshTokens,
    settings::Settings,
    throttle::{CounterKeys, Delays},
    token::ForeignKeys,
};

/// The provider of `config`.
pub(crate) async fn provider(
    config: Config,
    store: SharedStore,
    deps: &Deps,
    metrics: &Metrics,
) -> Result<Arc<Idp>, Problems> {
    let loaded = keys_of(&config, deps).await?;
    let meters = Meters::new(metrics);
    let keys = loaded.signing;
    meters::show_ages(metrics, keys.clone(), Arc::clone(&deps.clock));
    let login_budget = config.login_budget;
    let login_budget = (login_budget.in_all, login_budget.per_address);
    let budgets = Budgets::new(&store, &deps.clock, login_budget);
    let records = Records::new(store, Arc::clone(&deps.clock), loaded.records);
    let foreign_keys = ForeignKeys::new(&config.settings, &config.trust, &deps.clock);
    let outbox = Outbox::new(
        (records.clone(), keys.clone(), config.issuer.clone()),
        (Arc::clone(&deps.clock), Arc::clone(&deps.random)),
        &config.settings,
        (config.connect, &config.trust),
        meters.clone(),
    );
    let hashes = config.settings.users().iter();
    let hashes = hashes.map(|user| &user.password_hash);
    let passwords = Passwords::new(hashes, config.demo_credentials);
    name_missing_keys(&config.settings);
    name_unknown_users(&config.settings);
    let assertion_keys = AssertionKeys::new(&config.settings, &deps.clock);
    Ok(Arc::new(Idp {
        userinfo: format!("{}/userinfo", config.issuer),
        issuer: config.issuer,
        settings: config.settings,
        records,
        budgets,
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
        failures: Failures::default(),
        weaknesses: config.weaknesses,
        clock: Arc::clone(&deps.clock),
        random: Arc::clone(&deps.random),
    }))
}

/// The keys in the state directory. Reading and generating them blocks.
async fn keys_of(config: &Config, deps: &Deps) -> Result<KeyMaterial, Problems> {
    let state_dir = config.state_dir.clone();
    let algorithm = config.signing_alg;
    let longest = config.settings.lifetimes.longest_record();
    let random = Arc::clone(&deps.random);
    let now = deps.clock.now();
    let load = move || load_keys(&state_dir, algorithm, longest, now, &*random);
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
    algorithm: Algorithm,
    longest: Duration,
    now: Timestamp,
    random: &dyn Random,
) -> io::Result<KeyMaterial> {
    Ok(KeyMaterial {
        records: records::load_keys(state_dir, longest, now, random)?,
        signing: Keys::load(state_dir, algorithm, now)?,
        refresh: state_dir.sealing_key(records::OLDER, random)?,
    })
}
