//! `sso-lab login`: signs a user in from the terminal, as a native app does (RFC 8252):
//! in the user's own browser, with PKCE and a redirect to a free port of loopback.

mod browser;
mod callback;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use kit::config::{Problems, parse_duration, refuse};
use openidconnect::{
    AuthenticationFlow, AuthorizationCode, CsrfToken, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    core::{CoreResponseType, CoreTokenResponse},
};
use tokio::time::timeout;

pub(crate) use self::callback::{Callback, Expected};
use crate::{
    client::{
        Deployment, DeploymentArgs, OidcClient, Provider, ProviderError, SIGN_IN_SCOPES, Said,
        print_whoami, user_name,
    },
    output::{exit_code, print},
};

/// The client of the built-in configuration: public, with any port of loopback.
pub(crate) const CLIENT_ID: &str = "sso-lab-cli";
/// The longest time that a sign-in may take.
const MAX_WAIT: Duration = Duration::from_secs(60 * 60);

/// Sign in from the terminal, in your own browser (authorization code with PKCE)
///
/// Opens the identity provider in your browser and waits for its answer at a free port
/// of 127.0.0.1, as a native app does (RFC 8252). Then it asks API-1 who you are.
/// No token is saved.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct LoginArgs {
    /// Only print the address, and open no browser
    #[arg(long)]
    no_browser: bool,
    /// How long to wait for the sign-in, 1h at most
    #[arg(long, default_value = "5m", value_name = "TIME")]
    timeout: String,
    /// The client: public, with the redirect URI http://127.0.0.1/callback
    #[arg(
        long,
        env = "LOGIN_CLIENT_ID",
        default_value = CLIENT_ID,
        value_name = "ID"
    )]
    client_id: String,
    /// State directory of the deployment on this machine, for the lab's CA
    #[arg(long, env = "STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The deployment.
    #[command(flatten)]
    deployment: DeploymentArgs,
}

const HELP: &str = "\
Examples:
  sso-lab login
  sso-lab login --no-browser                 prints the address only
  BROWSER='firefox %s' sso-lab login

The browser is opened by the first of these commands that works: those in BROWSER
(separated by colons; %s is replaced by the address, which is otherwise the last
argument), xdg-open, open. The browser has to run on this machine, because it sends
the response to 127.0.0.1.

Exit code 0 when API-1 has answered, 1 when not, 2 for a bad argument.";

/// Why the sign-in failed.
#[derive(Debug, thiserror::Error)]
enum LoginError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("no port of 127.0.0.1 can be opened: {0}")]
    Port(std::io::Error),
    #[error("nobody signed in within {} s", .0.as_secs())]
    TooLate(Duration),
    #[error("the identity provider answered: {0}")]
    Refused(String),
    #[error("the id_token is refused: {0}")]
    IdToken(String),
    #[error("{}", .0.sentence)]
    Api(Said),
}

/// Runs the command. Exit code 0, 1 if it fails, 2 for bad arguments.
pub(crate) async fn run(args: &LoginArgs) -> ExitCode {
    let mut problems = Problems::new();
    let deployment = args
        .deployment
        .read(args.state_dir.as_deref(), &mut problems);
    let wait = args.wait(&mut problems);
    let (deployment, wait) = match deployment.zip(wait) {
        Some(read) if problems.is_empty() => read,
        _ => return refuse("sso-lab", &problems),
    };
    let journey = deployment.journey.clone();
    exit_code(journey.run(Box::pin(args.sign_in(deployment, wait))).await)
}

/// A login in progress.
struct Login<'p> {
    provider: &'p Provider,
    client: OidcClient,
    verifier: PkceCodeVerifier,
    nonce: Nonce,
}

impl LoginArgs {
    fn wait(&self, problems: &mut Problems) -> Option<Duration> {
        match parse_duration(&self.timeout) {
            Ok(time) if (Duration::from_secs(1)..=MAX_WAIT).contains(&time) => Some(time),
            Ok(_) => {
                problems.add("--timeout", "from 1s to 1h");
                None
            }
            Err(what) => {
                problems.add("--timeout", what);
                None
            }
        }
    }

    async fn sign_in(&self, deployment: Deployment, wait: Duration) -> Result<(), LoginError> {
        let http = deployment.trust.http_client();
        let provider = Provider::discover(deployment.issuer).await?;
        let callback = Callback::open().await.map_err(LoginError::Port)?;
        let redirect = RedirectUrl::new(callback.uri());
        let redirect = redirect.map_err(|error| ProviderError::Unusable(error.to_string()))?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let client = provider.client(&self.client_id, None);
        let client = client.set_redirect_uri(redirect);
        let request = client.authorize_url(
            AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        );
        let scopes = SIGN_IN_SCOPES.map(|scope| Scope::new(scope.to_owned()));
        let request = request.add_scopes(scopes).set_pkce_challenge(challenge);
        let (url, state, nonce) = request.url();
        print(format_args!(
            "Sign in at:\n\n  {url}\n\nWaiting for your browser to come back…"
        ));
        if !self.no_browser {
            tokio::spawn(open_browser(url.into()));
        }
        let expected = Expected {
            state: state.secret().clone(),
            issuer: provider.issuer().to_owned(),
            iss_is_required: provider.names_itself(),
        };
        let answer = timeout(wait, callback.answer(expected)).await;
        let answer = answer.map_err(|_| LoginError::TooLate(wait))?;
        let code = answer.map_err(LoginError::Refused)?;
        let login = Login {
            provider: &provider,
            client,
            verifier,
            nonce,
        };
        let (token, name) = login.redeem(code).await?;
        print(format_args!("Signed in as {name}."));
        let printed = print_whoami(&http, &deployment.api1, &token).await;
        printed.map_err(LoginError::Api)
    }
}

async fn open_browser(url: String) {
    if !browser::open(&url).await {
        print("No browser could be started. Open this address yourself.");
    }
}

impl Login<'_> {
    /// The access token and the user's name, from a checked id_token (OIDC Core
    /// §3.1.3.7).
    async fn redeem(self, code: String) -> Result<(String, String), LoginError> {
        let request = self.client.exchange_code(AuthorizationCode::new(code));
        let request = request.map_err(|error| ProviderError::Unusable(error.to_string()))?;
        let request = request.set_pkce_verifier(self.verifier);
        let answer = request.request_async(&self.provider.http).await;
        let answer: CoreTokenResponse = answer.map_err(ProviderError::from)?;
        let name = user_name(&answer, &self.client.id_token_verifier(), &self.nonce);
        let name = name.map_err(LoginError::IdToken)?;
        Ok((answer.access_token().secret().clone(), name))
    }
}
