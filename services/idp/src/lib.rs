//! The OpenID Provider.

mod account;
mod audit;
mod authorize;
mod backchannel;
mod budgets;
mod changed_users;
mod client_auth;
mod config;
mod cookies;
mod credentials;
mod derived_key;
mod device;
mod discovery;
mod domain;
mod dpop;
mod error;
mod form_secrets;
mod form_token;
mod forms;
mod grant_management;
mod grants;
mod grpc;
mod introspect;
mod issue;
mod keys;
mod known_browsers;
mod lab_agent;
mod logout;
mod meters;
mod opaque_tokens;
mod operator;
mod own_tokens;
mod page_error;
mod page_sign_in;
mod pages;
mod passwords;
mod policy;
mod post_to_get;
mod presented_token;
mod probe;
mod records;
mod refresh_tokens;
mod revoke;
mod routes;
mod session_index;
mod sessions;
pub mod settings;
mod start;
mod throttle;
mod token;
mod token_binding;
mod token_id;
mod used_once;
mod userinfo;
mod worker;

use std::{io, sync::Arc};

use backchannel::Outbox;
use budgets::Budgets;
use client_auth::{AssertionKeys, RegisteredCertificates};
pub use config::{Args, Config, OPERATOR_KEY_FILE};
use config::{DeviceSettings, Quotas};
use device::UserCodes;
use dpop::Dpop;
use form_secrets::FormSecrets;
use keys::Keys;
pub use keys::{Algorithm, new_signing_key};
use kit::{
    Deps,
    clock::{Clock, Timestamp},
    config::{Problems, Weaknesses},
    lab_control::Control,
    listeners::Listeners,
    metrics::Metrics,
    random::Random,
    readiness::Readiness,
    running::Running,
    shutdown::Shutdown,
    x509::Authorities,
};
use known_browsers::KnownBrowsers;
use lab_agent::{LabAgent, Watched};
use meters::Meters;
use passwords::Passwords;
pub use passwords::hash as hash_password;
use records::Records;
pub use records::upgraded;
use refresh_tokens::RefreshTokens;
use secrecy::SecretString;
use settings::Settings;
use sso_proto::idp::{
    keys_server::{self, KeysServer},
    sessions_server::{self, SessionsServer},
    token_exchange_server::{self, TokenExchangeServer},
};
use store::SharedStore;
use throttle::{CounterKeys, Delays};
use token::ForeignKeys;
use tonic::service::RoutesBuilder;
use used_once::UsedOnce;
use web_kit::server::HttpServer;

/// The name of the service in traces and metrics.
pub const SERVICE: &str = "idp";

/// The gRPC services, without and with an operator's key.
const GRPC: [&str; 1] = [token_exchange_server::SERVICE_NAME];
const GRPC_OPERATED: [&str; 3] = [
    token_exchange_server::SERVICE_NAME,
    sessions_server::SERVICE_NAME,
    keys_server::SERVICE_NAME,
];

/// Worker threads of the mTLS port, which a part of the machines alone calls.
const MTLS_WORKERS: usize = 1;
/// The most bytes of a request's body.
const BODY_LIMIT: usize = 64 * 1024;

/// The provider: what all endpoints share.
struct Idp {
    /// The issuer, exactly as browsers see it.
    issuer: String,
    /// The userinfo endpoint: the audience of tokens that no resource accepts.
    userinfo: String,
    /// Clients, users, resources and policies.
    settings: Settings,
    /// The records in the store.
    records: Records,
    /// Limits on records that are written without a session.
    budgets: Budgets,
    /// Limits on the sessions, grants and opaque tokens of one user.
    quotas: Quotas,
    /// The used assertions of each client, up to a limit.
    used_assertions: UsedOnce,
    /// Back-channel logouts to deliver.
    outbox: Outbox,
    /// Metrics.
    meters: Meters,
    /// Signing keys.
    keys: Keys,
    /// Derives refresh tokens.
    refresh_tokens: RefreshTokens,
    /// Derives the secrets in responses to forms.
    form_secrets: FormSecrets,
    /// Lifetime and interval of devices' authorizations.
    device: DeviceSettings,
    /// Finds the records of user codes.
    user_codes: UserCodes,
    /// Checks passwords.
    passwords: Passwords,
    /// The keys of the counters of failed sign-ins.
    throttle: CounterKeys,
    /// Sign-ins that are being delayed.
    delays: Delays,
    /// Browsers that users have signed in with.
    known_browsers: KnownBrowsers,
    /// Public keys of clients.
    assertion_keys: AssertionKeys,
    /// The certificates that are registered for clients.
    registered_certificates: RegisteredCertificates,
    /// The mTLS port, if there is one.
    mtls: Option<Mtls>,
    /// Keys of other issuers whose tokens may be exchanged.
    foreign_keys: ForeignKeys,
    /// Checks DPoP proofs.
    dpop: Dpop,
    /// Failed authentications of clients and of the operator.
    failures: web_kit::failures::Failures,
    /// The lab's hold on the provider, if this is a lab.
    control: Option<Arc<Control>>,
    /// The login sessions of journeys, if this is a lab.
    watched: Watched,
    /// Defences that a lab has switched off.
    weaknesses: Weaknesses,
    /// The clock.
    clock: Arc<dyn Clock>,
    /// The source of randomness.
    random: Arc<dyn Random>,
}

/// The mTLS port, whose clients have certificates (RFC 8705).
#[derive(Clone, Debug)]
struct Mtls {
    /// Its public address, without a path.
    url: String,
    /// Who issues the certificates of clients.
    authorities: Authorities,
}

impl Idp {
    /// The current time.
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The URL of an endpoint.
    fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }
}

/// Starts the provider on `listeners`.
pub async fn build(
    config: Config,
    listeners: Listeners,
    store: SharedStore,
    deps: Deps,
) -> Result<Running, Problems> {
    // Which key signs is a matter of the record that all replicas share: no failure shifts it.
    let key_clock = Arc::clone(&deps.clock);
    let deps = deps.of_service(SERVICE);
    let readiness = Readiness::waiting_for(deps.shutdown.clone(), &["store"]);
    let metrics = Metrics::new(SERVICE)?;
    let server = HttpServer {
        service: SERVICE,
        metrics: metrics.clone(),
        readiness: readiness.clone(),
        shutdown: deps.shutdown.clone(),
        workers: config.workers,
        trusted_proxies: config.trusted_proxies.clone(),
        trace: routes::trace,
        sites: config.addresses.sites(),
        body_limit: BODY_LIMIT,
        admission: kit::admission::Admission::of_process(),
        metrics_at: listeners.metrics,
    };
    let addresses = config.addresses.clone();
    let operator_key = config.operator_key.clone();
    let store = store::measured(&store, &metrics);
    let idp = start::provider(config, store.clone(), (&deps, key_clock), &metrics).await?;
    idp.foreign_keys.keep_fresh(&deps.shutdown);
    if let Some(control) = &idp.control {
        control.act_by(Arc::new(LabAgent::new(&idp)));
    }
    let mut running = Running::new();
    let working = work(
        Arc::clone(&idp),
        store,
        readiness.clone(),
        deps.shutdown.clone(),
    );
    running.push(tokio::spawn(working));
    if !listeners.mtls.is_empty() {
        let routes = routes::configure_mtls(Arc::clone(&idp));
        let mtls = server.serve_beside(listeners.mtls, MTLS_WORKERS, routes);
        running.extend(mtls.map_err(|e| Problems::one("mTLS", e))?);
    }
    let routes = routes::configure(Arc::clone(&idp), &addresses);
    let http = server.serve(listeners.http, routes);
    running.extend(http.map_err(|e| Problems::one("HTTP", e))?);
    if !listeners.grpc.is_empty() {
        let server = grpc_server(metrics, readiness, &deps, operator_key.is_some());
        let grpc = server.serve(listeners.grpc, grpc_services(idp, operator_key));
        running.extend(grpc.map_err(|e| Problems::one("gRPC", e))?);
    }
    Ok(running)
}

/// The server of the gRPC services; `operated` adds those that need the operator's key.
fn grpc_server(
    metrics: Metrics,
    readiness: Readiness,
    deps: &Deps,
    operated: bool,
) -> grpc_kit::GrpcServer {
    grpc_kit::GrpcServer {
        service: SERVICE,
        metrics,
        names: if operated { &GRPC_OPERATED } else { &GRPC },
        admission: kit::admission::Admission::of_process(),
        descriptors: sso_proto::DESCRIPTORS,
        readiness,
        shutdown: deps.shutdown.clone(),
    }
}

/// Waits for the store and the keys in it, then does the provider's own work until the
/// shutdown.
async fn work(
    idp: Arc<Idp>,
    store: SharedStore,
    readiness: Readiness,
    shutdown: Shutdown,
) -> io::Result<()> {
    let reach = || async {
        store.ping().await.map_err(|error| error.to_string())?;
        let read = idp.keys.refresh(&idp.records).await;
        read.map_err(|error| error.to_string())
    };
    if readiness.until_reached("store", reach).await.is_some() {
        worker::run(Arc::clone(&idp), shutdown).await;
    }
    Ok(())
}

fn grpc_services(idp: Arc<Idp>, operator_key: Option<SecretString>) -> RoutesBuilder {
    let mut services = RoutesBuilder::default();
    services.add_service(
        TokenExchangeServer::new(grpc::Service(Arc::clone(&idp)))
            .max_decoding_message_size(grpc_kit::MAX_MESSAGE),
    );
    if let Some(key) = operator_key {
        let service = operator::Service::new(idp, key);
        services.add_service(
            SessionsServer::new(service.clone()).max_decoding_message_size(grpc_kit::MAX_MESSAGE),
        );
        services
            .add_service(KeysServer::new(service).max_decoding_message_size(grpc_kit::MAX_MESSAGE));
    }
    services
}
