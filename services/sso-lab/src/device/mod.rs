//! `sso-lab device login`: signs a user in on a device without a browser (RFC 8628).
//! The user confirms on another device, and this command waits.

mod polling;
mod qr;
mod saved;

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Subcommand};
use kit::config::{Problems, refuse};
use openidconnect::{
    Nonce, OAuth2TokenResponse as _, RefreshToken, Scope,
    core::{CoreDeviceAuthorizationResponse, CoreTokenResponse},
};

use self::{
    polling::Polling,
    saved::{SavedError, SavedLogin},
};
use crate::{
    client::{
        Deployment, DeploymentArgs, Provider, ProviderError, SIGN_IN_SCOPES, Said, one_line,
        print_whoami, user_name,
    },
    output::{exit_code, print},
};

/// The client of the built-in configuration: public, with the device grant.
const CLIENT_ID: &str = "tv";
/// The API whose `/whoami` is asked.
const AUDIENCE: &str = "https://api-1";
/// The scope of a sign-in that is saved.
const OFFLINE: &str = "offline_access";

/// The commands for devices.
#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    Login(DeviceLoginArgs),
}

/// Sign in on a device without a browser (device authorization grant)
///
/// Shows an address and a code, also as a QR code, for a browser on another device
/// (RFC 8628), and waits until you have confirmed there. Then it asks API-1 who you are.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct DeviceLoginArgs {
    /// Save the refresh token in this file, which only its owner can read; a later run uses it instead of asking again
    #[arg(long, env = "DEVICE_LOGIN_SAVE", value_name = "FILE")]
    save: Option<PathBuf>,
    /// Show no QR code
    #[arg(long)]
    no_qr: bool,
    /// The client: public, with the device grant
    #[arg(
        long,
        env = "DEVICE_CLIENT_ID",
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
  sso-lab device login
  sso-lab device login --save ~/.sso-lab-tv     asks once, renews later
  rm ~/.sso-lab-tv                              forgets the sign-in on this device

The QR code is shown on a terminal only. While nobody has confirmed, the identity
provider is asked again at the interval that it names: 5 s longer after each slow_down,
and twice as long after each network error (RFC 8628 section 3.5).

The file holds one refresh token of one client at one issuer, and is sent to no other.
It is replaced at each renewal: the identity provider issues a new refresh token then.

Exit code 0 when API-1 has answered, 1 when not, 2 for a bad argument.";

/// Why the sign-in failed.
#[derive(Debug, thiserror::Error)]
enum DeviceError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("the identity provider has no device authorization (RFC 8628)")]
    Unsupported,
    #[error("the sign-in was denied")]
    Denied,
    #[error("nobody confirmed the code before it expired; start again")]
    Expired,
    #[error("the id_token is refused: {0}")]
    IdToken(String),
    #[error(transparent)]
    Saved(#[from] SavedError),
    #[error("the identity provider gave no refresh token to save")]
    NothingToSave,
    #[error("{}", .0.sentence)]
    Api(Said),
}

/// Runs the command. Exit code 0, 1 if it fails, 2 for bad arguments.
pub(crate) async fn run(command: &DeviceCommand) -> ExitCode {
    let DeviceCommand::Login(args) = command;
    let mut problems = Problems::new();
    let deployment = args
        .deployment
        .read(args.state_dir.as_deref(), &mut problems);
    let saved = args.save.as_ref().map(|file| SavedLogin::at(file.clone()));
    let saved = saved.map(|saved| saved.map_err(|error| problems.add("--save", error)));
    let deployment = match deployment {
        Some(deployment) if problems.is_empty() => deployment,
        _ => return refuse("sso-lab", &problems),
    };
    let saved = saved.and_then(Result::ok);
    let journey = deployment.journey.clone();
    exit_code(journey.run(Box::pin(args.sign_in(deployment, saved))).await)
}

impl DeviceLoginArgs {
    async fn sign_in(
        &self,
        deployment: Deployment,
        saved: Option<SavedLogin>,
    ) -> Result<(), DeviceError> {
        let http = deployment.trust.http_client();
        let provider = Provider::discover(deployment.issuer).await?;
        let device = Device {
            provider: &provider,
            client_id: &self.client_id,
            saved,
        };
        let token = match device.renew().await? {
            Some(token) => token,
            None => device.ask(!self.no_qr).await?,
        };
        let printed = print_whoami(&http, &deployment.api1, &token).await;
        printed.map_err(DeviceError::Api)
    }
}

/// This device, as a client of the provider.
struct Device<'p> {
    provider: &'p Provider,
    client_id: &'p str,
    saved: Option<SavedLogin>,
}

impl Device<'_> {
    /// An access token by the saved sign-in (RFC 6749 §6); `None` if there is none, or
    /// it has ended.
    async fn renew(&self) -> Result<Option<String>, DeviceError> {
        let Some(saved) = &self.saved else {
            return Ok(None);
        };
        let Some(token) = saved.load(self.provider.issuer(), self.client_id)? else {
            return Ok(None);
        };
        let client = self.provider.client(self.client_id, None);
        let token = RefreshToken::new(token);
        let request = client.exchange_refresh_token(&token);
        let request = request.map_err(|error| ProviderError::Unusable(error.to_string()))?;
        // RFC 8707 §2.2.
        let request = request.add_extra_param("resource", AUDIENCE);
        let answer = request.request_async(&self.provider.http).await;
        let answer: CoreTokenResponse = match answer.map_err(ProviderError::from) {
            Err(ProviderError::Refused { code, .. }) if code == "invalid_grant" => {
                print("The saved sign-in has ended.");
                return Ok(None);
            }
            answer => answer?,
        };
        // RFC 6749 §6: without a new refresh token the old one stays.
        if answer.refresh_token().is_some() {
            self.save(&answer)?;
        }
        print("The saved sign-in was renewed.");
        Ok(Some(answer.access_token().secret().clone()))
    }

    /// An access token by the user's confirmation on another device.
    async fn ask(&self, with_qr: bool) -> Result<String, DeviceError> {
        let endpoint = self.provider.device_authorization_endpoint();
        let endpoint = endpoint.ok_or(DeviceError::Unsupported)?;
        let client = self.provider.client(self.client_id, None);
        let client = client.set_device_authorization_url(endpoint.clone());
        let offline = self.saved.as_ref().map(|_| OFFLINE);
        let scopes = SIGN_IN_SCOPES.into_iter().chain(offline);
        let request = client.exchange_device_code();
        let request = request.add_scopes(scopes.map(|scope| Scope::new(scope.to_owned())));
        let request = request.add_extra_param("resource", AUDIENCE);
        let details = request.request_async(&self.provider.http).await;
        let details: CoreDeviceAuthorizationResponse = details.map_err(ProviderError::from)?;
        print(instructions(
            &details,
            with_qr && io::stdout().is_terminal(),
        ));
        let polling = client.exchange_device_access_token(&details);
        let polling = polling.map_err(|error| ProviderError::Unusable(error.to_string()))?;
        let answer = Polling::default()
            .wait(polling, &self.provider.http)
            .await?;
        // A device has no nonce: the device code binds the answer to the request.
        let any_nonce = |_: Option<&Nonce>| Ok(());
        let name = user_name(&answer, &client.id_token_verifier(), any_nonce);
        let name = name.map_err(DeviceError::IdToken)?;
        if let Some(saved) = &self.saved {
            self.save(&answer)?;
            print(format_args!(
                "The sign-in is saved in {}.",
                saved.file().display()
            ));
        }
        print(format_args!("Signed in as {name}."));
        Ok(answer.access_token().secret().clone())
    }

    fn save(&self, answer: &CoreTokenResponse) -> Result<(), DeviceError> {
        let Some(saved) = &self.saved else {
            return Ok(());
        };
        let token = answer.refresh_token().ok_or(DeviceError::NothingToSave)?;
        let issuer = self.provider.issuer();
        Ok(saved.store(issuer, self.client_id, token.secret())?)
    }
}

/// RFC 8628 §3.3, §3.3.1: the code is shown beside the QR code too, so that the user can
/// compare it.
fn instructions(details: &CoreDeviceAuthorizationResponse, with_qr: bool) -> String {
    let (uri, code) = (details.verification_uri(), details.user_code().secret());
    let mut text = format!(
        "Open this address on another device, and enter the code:\n\n  {}\n  {}\n",
        one_line(uri.as_str()),
        one_line(code)
    );
    let complete = details.verification_uri_complete().filter(|_| with_qr);
    if let Some(image) = complete.and_then(|uri| qr::image(uri.secret())) {
        text = format!("{text}\nOr scan this, and compare the code:\n\n{image}");
    }
    text + "\nWaiting for your confirmation…"
}
