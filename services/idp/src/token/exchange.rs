//! Token exchange (RFC 8693), the same over HTTP and gRPC: a resource server exchanges
//! the token that it received for one for the next resource server, for the same user
//! (or the same client without a user) and with itself as the actor.

use kit::clock::Timestamp;
use oauth_types::{
    ErrorCode, Params, Scope, TokenResponse,
    claims::{AccessToken, Actor},
    names::token_type,
};

use crate::{
    Idp,
    domain::Grant,
    error::OAuthError,
    grants,
    issue::{Issue, Subject, grant_of, issue},
    policy::{Permit, TokenScope},
    presented_token::{InvalidToken, Presented, PresentedAccess, presented},
    settings::{Client, Exchange, GrantType, Settings},
};

/// RFC 8693 §2.1.
pub struct ExchangeRequest {
    /// `resource` and `audience`.
    pub audiences: Vec<String>,
    /// `scope`.
    pub scope: Option<String>,
    /// `requested_token_type`.
    pub requested_token_type: Option<String>,
    /// `subject_token`.
    pub subject_token: String,
    /// `subject_token_type`.
    pub subject_token_type: String,
    /// Whether an `actor_token` is present.
    pub has_actor_token: bool,
}

impl ExchangeRequest {
    /// Reads it from a form.
    fn from_params(params: &Params) -> Result<Self, OAuthError> {
        let required = |name: &'static str| {
            let missing =
                || OAuthError::request(format!("{name} is missing (RFC 8693 section 2.1)."));
            params.one(name)?.map(str::to_owned).ok_or_else(missing)
        };
        Ok(Self {
            audiences: params.resources().into_iter().map(str::to_owned).collect(),
            scope: params.one("scope")?.map(str::to_owned),
            requested_token_type: params.one("requested_token_type")?.map(str::to_owned),
            subject_token: required("subject_token")?,
            subject_token_type: required("subject_token_type")?,
            has_actor_token: params.has("actor_token") || params.has("actor_token_type"),
        })
    }
}

/// Exchanges the token that a form names.
pub(super) async fn exchange_form(
    idp: &Idp,
    client: &Client,
    params: &Params,
) -> Result<TokenResponse, OAuthError> {
    exchange(idp, client, &ExchangeRequest::from_params(params)?).await
}

/// Exchanges a token. `run_grant` has checked that the client may.
pub async fn exchange(
    idp: &Idp,
    client: &Client,
    request: &ExchangeRequest,
) -> Result<TokenResponse, OAuthError> {
    check_types(request)?;
    let PresentedAccess { claims, grant } = subject(idp, &request.subject_token).await?;
    let subject = &claims;
    let policy = policy_for(&idp.settings, client, subject, &request.audiences)?;
    let permit = permit_of(idp, subject, grant.as_ref())?;
    let effective = permit.effective_scope(subject);
    let mapped: Scope = policy
        .scopes
        .iter()
        .filter(|(from, _)| effective.contains(from))
        .fold(Scope::empty(), |all, (_, to)| all.union(to));
    let scope = narrowed(&mapped, request.scope.as_deref())?;
    let act = Actor {
        sub: client.client_id.clone(),
        act: subject.act.clone().map(Box::new),
    };
    issue(
        idp,
        Issue {
            client_id: &client.client_id,
            permit: &permit,
            subject: match permit.user() {
                None => Subject::Client { id: &subject.sub },
                Some(_) => Subject::User {
                    sid: subject.sid.as_deref().unwrap_or_default(),
                    auth_time: subject.auth_time.unwrap_or_default(),
                    acr: subject.acr.as_deref().unwrap_or_default(),
                },
            },
            grant_id: grant_of(&subject.jti),
            audience: &policy.to,
            scope: TokenScope::same(scope),
            with_email: subject.email.is_some() && permit.scope().contains("email"),
            // A token never outlives the one that it was exchanged for.
            not_after: Some(Timestamp::from_secs(subject.exp)),
            act: Some(act),
            refresh_token: None,
            id_token: None,
            issued_token_type: Some(token_type::ACCESS_TOKEN),
        },
    )
    .await
}

fn check_types(request: &ExchangeRequest) -> Result<(), OAuthError> {
    let is_access_token = |name: &str| matches!(name, token_type::ACCESS_TOKEN | token_type::JWT);
    if !is_access_token(&request.subject_token_type) {
        return Err(OAuthError::request(
            "subject_token_type: only access tokens can be exchanged.",
        ));
    }
    if request
        .requested_token_type
        .as_deref()
        .is_some_and(|name| !is_access_token(name))
    {
        return Err(OAuthError::request(
            "requested_token_type: only access tokens can be issued.",
        ));
    }
    if request.has_actor_token {
        return Err(OAuthError::request(
            "actor_token is not supported: the client itself is the actor.",
        ));
    }
    Ok(())
}

/// The configured exchange of this client for this pair of audiences.
fn policy_for<'s>(
    settings: &'s Settings,
    client: &Client,
    subject: &AccessToken,
    asked: &[String],
) -> Result<&'s Exchange, OAuthError> {
    let target = |why: &str| OAuthError::new(ErrorCode::InvalidTarget, why);
    let [to] = asked else {
        return Err(target("Name the one audience of the new token."));
    };
    let mut own = settings
        .exchanges
        .iter()
        .filter(|exchange| exchange.client == client.client_id);
    own.find(|exchange| subject.aud.contains(&exchange.from) && exchange.to == *to)
        .ok_or_else(|| target("This client may not exchange this token for that audience."))
}

fn narrowed(mapped: &Scope, asked: Option<&str>) -> Result<Scope, OAuthError> {
    let refused = |why: &str| OAuthError::new(ErrorCode::InvalidScope, why);
    let scope = match asked {
        None => mapped.clone(),
        Some(text) => {
            let asked: Scope = text
                .parse()
                .map_err(|_| refused("The scope is malformed."))?;
            if !asked.is_within(mapped) {
                return Err(refused("The scope exceeds that of the subject token."));
            }
            asked
        }
    };
    if scope.is_empty() {
        Err(refused(
            "The scope of the subject token gives nothing at this audience.",
        ))
    } else {
        Ok(scope)
    }
}

/// The subject token: a live access token whose grant has not ended.
async fn subject(idp: &Idp, token: &str) -> Result<PresentedAccess, OAuthError> {
    let refused = |why: &str| OAuthError::request(format!("subject_token: {why}."));
    match presented(idp, token).await {
        Ok(Presented::Access(access)) => match &access.grant {
            Some(grant) if !grants::is_listed(idp, grant).await? => {
                Err(refused("its grant has ended"))
            }
            _ => Ok(access),
        },
        Ok(Presented::Refresh(_) | Presented::IdToken) => Err(refused("not an access token")),
        Err(InvalidToken::Records(error)) => Err(error.into()),
        Err(invalid) => Err(refused(&invalid.to_string())),
    }
}

/// What the subject's client may have now: of the grant of a user's token, or for
/// itself if it got the token for itself (RFC 6749 §4.4).
fn permit_of<'i>(
    idp: &'i Idp,
    subject: &AccessToken,
    grant: Option<&Grant>,
) -> Result<Permit<'i>, OAuthError> {
    let refused = |why: &str| OAuthError::request(format!("subject_token: {why}."));
    if let Some(grant) = grant {
        let client = idp.settings.client(&grant.client_id);
        let client = client.ok_or_else(|| refused("its grant has ended"))?;
        return Permit::of_grant(idp, client, &grant.into());
    }
    let client = idp.settings.client(&subject.sub);
    let client = client.filter(|client| client.may(GrantType::ClientCredentials));
    let client = client.ok_or_else(|| refused("its client may not act for itself"))?;
    Ok(Permit::of_client(idp, client))
}
