//! The device code grant (RFC 8628 §3.4, §3.5). A device polls; a poll costs two commands
//! to the store, and one that comes too early again costs one.

use oauth_types::{ErrorCode, Params, TokenResponse};

use super::new_grant::{self, FirstTokens};
use crate::{
    Idp, device,
    domain::{DeviceAuthorization, Grant, LoginSession, PollVerdict},
    error::OAuthError,
    policy::{Granted, Permit, TokenScope},
    settings::Client,
    token_binding::TokenBinding,
};

/// How often a poll is retried after concurrent ones.
const MAX_ATTEMPTS: usize = 8;

pub(super) async fn redeem(
    idp: &Idp,
    client: &Client,
    params: &Params,
    binding: &TokenBinding,
) -> Result<TokenResponse, OAuthError> {
    let code = params
        .one("device_code")?
        .ok_or_else(|| OAuthError::request("device_code is missing."))?;
    for _ in 0..MAX_ATTEMPTS {
        let found = device::find_redeemable(idp, client, code).await?;
        let found = found.ok_or_else(|| {
            OAuthError::grant("The device code is unknown, or has expired long ago.")
        })?;
        let device = &found.stored.record;
        let (verdict, changed) = device.poll(idp.now());
        // Everything that can refuse the request comes before the code is used up.
        let issuing = match &verdict {
            PollVerdict::Allowed(login) => {
                Some(Issuing::new(idp, client, params, device, login, binding)?)
            }
            _ => None,
        };
        if let Some(changed) = &changed
            && !idp.records.swap(&found.id, &found.stored, changed).await?
        {
            continue;
        }
        return match issuing {
            Some(issuing) => issuing.issue(idp, client).await,
            None => Err(refusal(&verdict, changed.as_ref().unwrap_or(device))),
        };
    }
    Err(OAuthError::new(
        ErrorCode::SlowDown,
        "Too many concurrent requests with one device code.",
    ))
}

/// What an allowed device gets.
struct Issuing<'a> {
    login: &'a LoginSession,
    binding: &'a TokenBinding,
    permit: Permit<'a>,
    audience: String,
    scope: TokenScope,
    grant: Grant,
}

impl<'a> Issuing<'a> {
    fn new(
        idp: &'a Idp,
        client: &'a Client,
        params: &Params,
        device: &DeviceAuthorization,
        login: &'a LoginSession,
        binding: &'a TokenBinding,
    ) -> Result<Self, OAuthError> {
        let granted = Granted {
            sub: &login.sub,
            scope: &device.scope,
            audiences: &device.audiences,
        };
        let permit = Permit::of_grant(idp, client, &granted)?;
        let audience = permit.audience(params)?.to_owned();
        let scope = permit.scope_for(None, &audience)?;
        let grant = new_grant::of(idp, client, idp.random.id(), &granted, login, binding);
        Ok(Self {
            login,
            binding,
            permit,
            audience,
            scope,
            grant,
        })
    }

    async fn issue(self, idp: &Idp, client: &Client) -> Result<TokenResponse, OAuthError> {
        let first = FirstTokens {
            audience: &self.audience,
            scope: self.scope,
            nonce: None,
            binding: self.binding,
        };
        let (grant, login) = (&self.grant, self.login);
        new_grant::begin(idp, client, &self.permit, grant, login, first).await
    }
}

/// RFC 8628 §3.5.
fn refusal(verdict: &PollVerdict, device: &DeviceAuthorization) -> OAuthError {
    match verdict {
        PollVerdict::Pending => OAuthError::new(
            ErrorCode::AuthorizationPending,
            "The user has not answered yet.",
        ),
        PollVerdict::TooEarly => {
            let seconds = device.interval();
            let why = format!("The device asks too often: it has to wait {seconds} seconds.");
            OAuthError::new(ErrorCode::SlowDown, why)
        }
        PollVerdict::Denied => OAuthError::new(ErrorCode::AccessDenied, "The user denied access."),
        PollVerdict::Expired => OAuthError::new(
            ErrorCode::ExpiredToken,
            "The device code has expired. The device has to start again.",
        ),
        PollVerdict::Redeemed | PollVerdict::Allowed(_) => {
            OAuthError::grant("The device code was used before.")
        }
    }
}
