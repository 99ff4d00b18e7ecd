//! Token exchange (RFC 8693), the same over HTTP and gRPC: a resource server
//! turns the token that it got into one for the next, for the same user, with
//! itself as the actor.

use kit::clock::Timestamp;
use oauth_types::{
    ErrorCode, Scope, TokenResponse,
    claims::{AccessToken, Actor},
    names::token_type,
};

use crate::{
    domain::Grant,
    error::OAuthError,
    grants,
    issue::{Issue, Subject, grant_of, issue},
    params::Params,
    policy::{Cut, Permit},
    presented::{Presented, PresentedAccess, Worthless, presented},
    settings::{Client, Exchange, Settings},
    state::Idp,
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
    /// Whether an `actor_token` is there.
    pub has_actor_token: bool,
}

impl ExchangeRequest {
    /// From a form.
    pub(super) fn from_params(params: &Params) -> Result<Self, OAuthError> {
        let needed = |name: &'static str| {
            let missing =
                || OAuthError::request(format!("{name} is missing (RFC 8693 section 2.1)."));
            params.one(name)?.map(str::to_owned).ok_or_else(missing)
        };
        Ok(Self {
            audiences: params.resources().into_iter().map(str::to_owned).collect(),
            scope: params.one("scope")?.map(str::to_owned),
            requested_token_type: params.one("requested_token_type")?.map(str::to_owned),
            subject_token: needed("subject_token")?,
            subject_token_type: needed("subject_token_type")?,
            has_actor_token: params.has("actor_token") || params.has("actor_token_type"),
        })
    }
}

/// Does it; `granted` has seen that the client may.
pub async fn exchange(
    idp: &Idp,
    client: &Client,
    request: &ExchangeRequest,
) -> Result<TokenResponse, OAuthError> {
    check_types(request)?;
    let PresentedAccess { claims, grant } = subject(idp, &request.subject_token).await?;
    let subject = &claims;
    let policy = policy_for(&idp.settings, client, subject, &request.audiences)?;
    let permit = permit_of(idp, grant.as_ref())?;
    let left = permit.left_to(subject);
    let mapped: Scope = policy
        .scopes
        .iter()
        .filter(|(from, _)| left.contains(from))
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
            subject: Subject::User {
                sid: subject.sid.as_deref().unwrap_or_default(),
                auth_time: subject.auth_time.unwrap_or_default(),
                acr: subject.acr.as_deref().unwrap_or_default(),
            },
            grant_id: grant_of(&subject.jti),
            audience: &policy.to,
            scope: Cut {
                answer: scope.clone(),
                token: scope,
            },
            with_email: subject.email.is_some() && permit.scope().contains("email"),
            // It never outlives the token that it came from.
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
            "subject_token_type: only access tokens are exchanged here.",
        ));
    }
    if request
        .requested_token_type
        .as_deref()
        .is_some_and(|name| !is_access_token(name))
    {
        return Err(OAuthError::request(
            "requested_token_type: only access tokens are issued here.",
        ));
    }
    if request.has_actor_token {
        return Err(OAuthError::request(
            "actor_token is not taken: the client itself is the actor.",
        ));
    }
    Ok(())
}

/// What is not configured for this client and this pair of audiences is refused.
fn policy_for<'s>(
    settings: &'s Settings,
    client: &Client,
    subject: &AccessToken,
    asked: &[String],
) -> Result<&'s Exchange, OAuthError> {
    let target = |why: &str| OAuthError::new(ErrorCode::InvalidTarget, why);
    let [to] = asked else {
        return Err(target("Name one audience that the new token is for."));
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
            let asked: Scope = text.parse().map_err(|_| refused("The scope is not one."))?;
            if !asked.is_within(mapped) {
                return Err(refused(
                    "The subject token's scope does not give that much.",
                ));
            }
            asked
        }
    };
    if scope.is_empty() {
        Err(refused("The subject token's scope gives nothing there."))
    } else {
        Ok(scope)
    }
}

/// A live access token; one whose grant was taken back gives no more.
async fn subject(idp: &Idp, token: &str) -> Result<PresentedAccess, OAuthError> {
    let refused = |why: &str| OAuthError::request(format!("subject_token: {why}."));
    match presented(idp, token).await {
        Ok(Presented::Access(access)) => match &access.grant {
            Some(grant) if !grants::is_listed(idp, grant).await? => {
                Err(refused("its grant has ended"))
            }
            _ => Ok(access),
        },
        Ok(Presented::Refresh(_) | Presented::IdToken) => Err(refused("no access token")),
        Err(Worthless::Records(error)) => Err(error.into()),
        Err(worthless) => Err(refused(&worthless.to_string())),
    }
}

/// What the client of the subject token's grant may still have.
fn permit_of<'i>(idp: &'i Idp, grant: Option<&Grant>) -> Result<Permit<'i>, OAuthError> {
    let refused = |why: &str| OAuthError::request(format!("subject_token: {why}."));
    let grant = grant.ok_or_else(|| refused("it is no user's"))?;
    let client = idp.settings.client(&grant.client_id);
    let client = client.ok_or_else(|| refused("its grant has ended"))?;
    Permit::of_grant(idp, client, &grant.into())
}
