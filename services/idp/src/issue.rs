//! What is issued becomes tokens here: no grant builds a JWT.

use std::time::Duration;

use kit::{clock::Timestamp, step, telemetry::names::span};
use oauth_types::{
    Scope, TokenResponse,
    claims::{AccessToken, Actor, Audience},
    names::jwt_type,
};
use serde::Serialize;
use tracing::Instrument as _;

use crate::{
    error::OAuthError,
    keys::Algorithm,
    policy::{Cut, Permit},
    settings::User,
    state::Idp,
};

/// Whom the tokens are about.
pub enum Subject<'a> {
    /// A user who signed in.
    User {
        /// In which login session.
        sid: &'a str,
        /// When.
        auth_time: i64,
        /// How well.
        acr: &'a str,
    },
    /// The client itself.
    Client,
}

/// What a grant decided to issue.
pub struct Issue<'a> {
    /// To whom.
    pub client_id: &'a str,
    /// What may be issued at all, and for which user.
    pub permit: &'a Permit<'a>,
    /// About whom.
    pub subject: Subject<'a>,
    /// The grant that it belongs to, where there is one.
    pub grant_id: Option<&'a str>,
    /// The access token's one audience.
    pub audience: &'a str,
    /// What the access token may do, and the answer says.
    pub scope: Cut,
    /// Whether the whole grant has `email`: the access token then says it.
    pub with_email: bool,
    /// The access token ends no later.
    pub not_after: Option<Timestamp>,
    /// Who acts for the subject.
    pub act: Option<Actor>,
    /// The refresh token.
    pub refresh_token: Option<String>,
    /// The id_token.
    pub id_token: Option<IdToken<'a>>,
    /// RFC 8693 §2.2.1.
    pub issued_token_type: Option<&'a str>,
}

/// What the id_token says besides.
pub struct IdToken<'a> {
    /// The request's.
    pub nonce: Option<&'a str>,
    /// What it is signed by, where the client has a say.
    pub algorithm: Option<Algorithm>,
    /// How the user was authenticated.
    pub amr: &'a [String],
}

/// OIDC Core §2 with the claims of §5.4. Times are seconds since the epoch.
#[derive(Serialize)]
struct IdTokenClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    auth_time: i64,
    acr: &'a str,
    amr: &'a [String],
    sid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(flatten)]
    person: PersonClaims<'a>,
}

/// The claims that the scopes `profile` and `email` ask for (OIDC Core §5.4).
#[derive(Serialize)]
pub struct PersonClaims<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
}

impl<'a> PersonClaims<'a> {
    /// What `scope` lets be told of `user`.
    pub fn of(user: &'a User, scope: &Scope) -> Self {
        let profile = scope.contains("profile");
        let email = scope.contains("email");
        Self {
            name: profile.then_some(&user.name),
            preferred_username: profile.then_some(&user.username),
            email: email.then_some(&user.email),
            email_verified: email.then_some(user.email_verified),
        }
    }
}

/// Makes the tokens (RFC 6749 §5.1).
pub async fn issue(idp: &Idp, issue: Issue<'_>) -> Result<TokenResponse, OAuthError> {
    let now = idp.now();
    let ends = now + idp.settings.lifetimes.access_token;
    let ends = issue.not_after.map_or(ends, |latest| ends.min(latest));
    let claims = access_token_claims(idp, &issue, now.secs(), ends.secs());
    let span = step!(span::SIGN, "sso.audience" = issue.audience);
    let access_token = idp
        .keys
        .sign(jwt_type::ACCESS_TOKEN, None, &claims)
        .instrument(span)
        .await?;
    let id_token = match (&issue.id_token, &issue.subject, issue.permit.user()) {
        (
            Some(wanted),
            Subject::User {
                sid,
                auth_time,
                acr,
            },
            Some(user),
        ) => {
            let claims = IdTokenClaims {
                iss: &idp.issuer,
                sub: &user.sub,
                aud: issue.client_id,
                exp: (now + idp.settings.lifetimes.id_token).secs(),
                iat: now.secs(),
                auth_time: *auth_time,
                acr,
                amr: wanted.amr,
                sid,
                nonce: wanted.nonce,
                person: PersonClaims::of(user, issue.permit.scope()),
            };
            let span = step!(span::SIGN, "sso.audience" = issue.client_id);
            Some(
                idp.keys
                    .sign(jwt_type::JWT, wanted.algorithm, &claims)
                    .instrument(span)
                    .await?,
            )
        }
        _ => None,
    };
    let expires_in = Duration::from_secs(u64::try_from(claims.exp - claims.iat).unwrap_or(0));
    Ok(TokenResponse {
        access_token,
        token_type: "Bearer".to_owned(),
        expires_in: expires_in.as_secs(),
        // RFC 6749 §3.3 knows no empty scope.
        scope: Some(issue.scope.answer.to_string()).filter(|scope| !scope.is_empty()),
        refresh_token: issue.refresh_token,
        id_token,
        issued_token_type: issue.issued_token_type.map(str::to_owned),
    })
}

fn access_token_claims(idp: &Idp, issue: &Issue<'_>, iat: i64, exp: i64) -> AccessToken {
    let unique = idp.random.id();
    let claims = AccessToken {
        iss: idp.issuer.clone(),
        aud: Audience::One(issue.audience.to_owned()),
        sub: issue.client_id.to_owned(),
        client_id: issue.client_id.to_owned(),
        iat,
        exp,
        jti: issue
            .grant_id
            .map_or_else(|| unique.clone(), |grant| format!("{grant}.{unique}")),
        scope: issue.scope.token.clone(),
        auth_time: None,
        acr: None,
        sid: None,
        roles: Vec::new(),
        email: None,
        act: issue.act.clone(),
    };
    match (&issue.subject, issue.permit.user()) {
        (Subject::Client, _) | (_, None) => claims,
        (
            Subject::User {
                sid,
                auth_time,
                acr,
            },
            Some(user),
        ) => AccessToken {
            sub: user.sub.clone(),
            auth_time: Some(*auth_time),
            acr: Some((*acr).to_owned()),
            sid: Some((*sid).to_owned()),
            roles: user.roles.clone(),
            email: issue.with_email.then(|| user.email.clone()),
            ..claims
        },
    }
}

/// The grant that an access token of ours belongs to.
pub fn grant_of(jti: &str) -> Option<&str> {
    jti.split_once('.').map(|(grant, _)| grant)
}
